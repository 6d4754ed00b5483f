/* Searching bytes in bytes, for the string methods of this module. Nothing allocates. */
#ifndef KT_STARLARK_STRING_SEARCH_H
#define KT_STARLARK_STRING_SEARCH_H

#include "base/base.h"

/* Borrowed text. */
typedef struct kt_text {
	const char *data;
	size_t len;
} kt_text;

#define KT_TEXT_NONE SIZE_MAX

/* Offset of the first or last occurrence, or KT_TEXT_NONE. An empty needle is everywhere. */
size_t kt_text_find(kt_text hay, kt_text needle);
size_t kt_text_rfind(kt_text hay, kt_text needle);
bool kt_text_starts(kt_text text, kt_text prefix);
bool kt_text_ends(kt_text text, kt_text suffix);

static inline kt_text kt_text_sub(kt_text text, size_t from, size_t to)
{
	return (kt_text){text.data + from, to - from};
}

#endif
