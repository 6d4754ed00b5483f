/*
 * Typed vectors as a macro: KT_VEC(int) numbers = {0};
 *
 *   if (kt_vec_push(&numbers, 7) < 0) …   grows by half; -1 when memory is short
 *   numbers.items[i], numbers.len
 *   kt_vec_deinit(&numbers);              frees the array, not what items point to
 */
#ifndef KT_BASE_VEC_H
#define KT_BASE_VEC_H

#include "base/alloc.h"

#define KT_VEC(type)                                                                               \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t len;                                                                        \
		size_t cap;                                                                        \
	}

#define kt_vec_push(vec, item)                                                                     \
	(kt_vec_grow_((void **)&(vec)->items, &(vec)->cap, (vec)->len + 1,                         \
		      sizeof(*(vec)->items)) < 0                                                   \
		 ? -1                                                                              \
		 : ((vec)->items[(vec)->len++] = (item), 0))

#define kt_vec_reserve(vec, count)                                                                 \
	kt_vec_grow_((void **)&(vec)->items, &(vec)->cap, (count), sizeof(*(vec)->items))

#define kt_vec_deinit(vec)                                                                         \
	do {                                                                                       \
		kt_free((vec)->items);                                                             \
		(vec)->items = NULL;                                                               \
		(vec)->len = (vec)->cap = 0;                                                       \
	} while (0)

/* Ensures room for `need` items. Not called directly. */
int kt_vec_grow_(void **items, size_t *cap, size_t need, size_t item_size);

/* A vector of owned strings. */
typedef KT_VEC(char *) kt_strvec;
#define KT_STRVEC_INIT {NULL, 0, 0}
#define KT_AUTO_STRVEC KT_CLEANUP(kt_strvec_deinit)

int kt_strvec_add(kt_strvec *self, const char *text);                  /* copies; -1 on OOM */
int kt_strvec_addf(kt_strvec *self, const char *fmt, ...) KT_PRINTF(2, 3);
void kt_strvec_deinit(kt_strvec *self);                                /* frees the strings too */
bool kt_strvec_has(const kt_strvec *self, const char *text);
void kt_strvec_sort(kt_strvec *self);                                  /* by bytes */
/* "a, b" with the separator between; the caller frees. */
char *kt_strvec_join(const kt_strvec *self, const char *separator);
/* Appends the parts of text between separators; an empty text gives one empty part. */
int kt_strvec_split(kt_strvec *self, const char *text, char separator);
/* A NULL-terminated view for execv and the like; valid until the next change; NULL on OOM. */
char **kt_strvec_argv(kt_strvec *self);

#endif
