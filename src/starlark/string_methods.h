/* What the sources of the string methods share. Private to this module. */
#ifndef KT_STARLARK_STRING_METHODS_H
#define KT_STARLARK_STRING_METHODS_H

#include "starlark/string_search.h"
#include "starlark/value.h"

/* The text of a string or bytes value. Borrowed. */
kt_text kt_text_of(kt_val v);
kt_val kt_text_val(kt_sthread *t, kt_text text);
/* True if the text of a message could be built; else NOMEM is raised. */
bool kt_message_ready(kt_sthread *t, const kt_buf *message);
/* Raises "METHOD: message". */
kt_val kt_method_error(kt_sthread *t, const kt_args *a, const char *message);
/*
 * kt_slice_bounds with messages that start with the method's name: None or KT_NULL mean the
 * default; ints count from the end when negative; the result is clamped to [0, len].
 */
int kt_slice_bounds_named(kt_sthread *t, const char *who, kt_val lo, kt_val hi, size_t len,
			  size_t *ret_lo, size_t *ret_hi);

/*
 * What dict(…) and d.update(…) do: `from` (a dict, an iterable of pairs, or KT_NULL), then the
 * keyword pairs. Messages carry no function name.
 */
int kt_dict_update(kt_sthread *t, kt_val dict, kt_val from, const kt_val *kw, size_t nkw);

kt_val kt_string_format(kt_sthread *t, const kt_args *a);
kt_val kt_string_partition(kt_sthread *t, const kt_args *a);
kt_val kt_string_rpartition(kt_sthread *t, const kt_args *a);
kt_val kt_string_split(kt_sthread *t, const kt_args *a);
kt_val kt_string_rsplit(kt_sthread *t, const kt_args *a);
kt_val kt_string_splitlines(kt_sthread *t, const kt_args *a);

#endif
