/* Small questions about text. Nothing here allocates unless its comment says so. */
#ifndef KT_BASE_STR_H
#define KT_BASE_STR_H

#include "base/base.h"
#include "base/buf.h"

bool kt_str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool kt_str_starts(const char *text, const char *prefix);
bool kt_str_ends(const char *text, const char *suffix);
bool kt_str_empty(const char *text); /* NULL or "" */
/* text, or fallback when text is NULL or "". */
const char *kt_str_or(const char *text, const char *fallback);

/* A whole decimal number within [min, max]; false otherwise (no sign but '-', no spaces). */
bool kt_str_to_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
/* Appends text quoted as Go's %q: double quotes, \n \t \" \\ \xNN \uNNNN. */
void kt_buf_add_quoted(kt_buf *buf, const char *text, size_t len);
/* Appends text with invalid UTF-8 bytes replaced by U+FFFD. */
void kt_buf_add_utf8(kt_buf *buf, const char *text, size_t len);
/* Replaces every `from` by `to`; the caller frees; NULL on OOM. */
char *kt_str_replace(const char *text, const char *from, const char *to);
/* Bytes as lower-case hex into out (2*len+1 bytes). */
void kt_hex(const void *data, size_t len, char *out);
/* Levenshtein distance, bounded: returns limit + 1 when larger than limit. For "did you mean". */
size_t kt_str_distance(const char *a, const char *b, size_t limit);

#endif
