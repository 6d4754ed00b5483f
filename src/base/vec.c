#include "base/vec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kt_vec_grow_(void **items, size_t *cap, size_t need, size_t item_size)
{
	if (need <= *cap) {
		return 0;
	}
	size_t count = KT_MAX(KT_MAX(*cap + *cap / 2, need), (size_t)8);
	size_t bytes;
	if (__builtin_mul_overflow(count, item_size, &bytes)) {
		return -1;
	}
	void *grown = kt_realloc(*items, bytes);
	if (grown == NULL) {
		return -1;
	}
	*items = grown;
	*cap = count;
	return 0;
}

/* Takes text over, also on failure. */
static int add_owned(kt_strvec *self, char *text)
{
	if (text == NULL || kt_vec_push(self, text) < 0) {
		kt_free(text);
		return -1;
	}
	return 0;
}

int kt_strvec_add(kt_strvec *self, const char *text)
{
	return add_owned(self, kt_strdup(text));
}

int kt_strvec_addf(kt_strvec *self, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, fmt);
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	return len < 0 ? -1 : add_owned(self, text);
}

void kt_strvec_deinit(kt_strvec *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_free(self->items[i]);
	}
	kt_vec_deinit(self);
}

bool kt_strvec_has(const kt_strvec *self, const char *text)
{
	for (size_t i = 0; i < self->len; i++) {
		if (strcmp(self->items[i], text) == 0) {
			return true;
		}
	}
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void kt_strvec_sort(kt_strvec *self)
{
	if (self->len > 1) {
		qsort(self->items, self->len, sizeof(*self->items), by_bytes);
	}
}

char *kt_strvec_join(const kt_strvec *self, const char *separator)
{
	size_t total = 1;
	size_t sep_len = strlen(separator);
	for (size_t i = 0; i < self->len; i++) {
		total += strlen(self->items[i]) + (i > 0 ? sep_len : 0);
	}
	char *text = kt_malloc(total);
	if (text == NULL) {
		return NULL;
	}
	char *end = text;
	for (size_t i = 0; i < self->len; i++) {
		if (i > 0) {
			memcpy(end, separator, sep_len);
			end += sep_len;
		}
		size_t len = strlen(self->items[i]);
		memcpy(end, self->items[i], len);
		end += len;
	}
	*end = '\0';
	return text;
}

int kt_strvec_split(kt_strvec *self, const char *text, char separator)
{
	for (;;) {
		const char *end = strchrnul(text, separator);
		if (add_owned(self, kt_strndup(text, (size_t)(end - text))) < 0) {
			return -1;
		}
		if (*end == '\0') {
			return 0;
		}
		text = end + 1;
	}
}

char **kt_strvec_argv(kt_strvec *self)
{
	if (kt_vec_reserve(self, self->len + 1) < 0) {
		return NULL;
	}
	self->items[self->len] = NULL;
	return self->items;
}
