/* What the sources of the language's json module share. Private to this module. */
#ifndef KT_STARLARK_JSON_INTERNAL_H
#define KT_STARLARK_JSON_INTERNAL_H

#include "starlark/string_methods.h"

/*
 * Containers inside containers; beyond it encoding and decoding fail, as they do earlier when
 * the thread's stack runs low.
 */
#define KT_JSON_MAX_DEPTH 10000

kt_val kt_json_encode(kt_sthread *t, const kt_args *a);
kt_val kt_json_decode(kt_sthread *t, const kt_args *a);
kt_val kt_json_indent(kt_sthread *t, const kt_args *a);

/* Appends a code point between single quotes, with escapes, as error messages show it. */
void kt_json_quote_char(kt_buf *out, uint32_t rune);

#endif
