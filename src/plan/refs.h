/*
 * Placeholders of runtime values: `{{kurtosis:UUID:FIELD.runtime_value}}` inside ordinary
 * strings. UUID is 32 lower-case hex digits, FIELD is of [A-Za-z0-9-_.]+.
 *
 * Pure text functions; thread-safe.
 */
#ifndef KT_PLAN_REFS_H
#define KT_PLAN_REFS_H

#include "base/uuid.h"
#include "plan/types.h"

typedef struct kt_ref {
	size_t start, end; /* byte range of the whole placeholder in the text */
	kt_uuid uuid;
	const char *field; /* borrowed from the text, not terminated */
	size_t field_len;
} kt_ref;

/* Finds the first placeholder at or after `from`; false when there is none. */
bool kt_ref_find(const char *text, size_t len, size_t from, kt_ref *ret);
/* True when the whole text is exactly one placeholder. */
bool kt_ref_is_whole(const char *text, size_t len, kt_ref *ret);
/* Appends the placeholder of one value. */
void kt_ref_add(kt_buf *out, const char *uuid, const char *field);

/*
 * Gives the value of a field as text: strings raw, other values as str(). `field` is
 * terminated. Appends to out; -1 with err set when there is no such value.
 */
typedef int (*kt_ref_lookup)(void *ctx, const char *uuid, const char *field, kt_buf *out,
			     kt_err *err);

/*
 * Replaces every placeholder. As in the reference, each match of the original text, from
 * left to right, replaces its first remaining occurrence in the working text. The result
 * is appended to out.
 */
int kt_ref_replace(const char *text, size_t len, kt_ref_lookup lookup, void *ctx, kt_buf *out,
		   kt_err *err);

#endif
