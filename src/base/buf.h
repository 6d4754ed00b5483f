/*
 * A growable byte buffer, always followed by a NUL that does not count.
 *
 * Appending never needs a check on the spot: a failure (memory, or the maximum given
 * at start) is remembered, later appends do nothing, and kt_buf_check reports it once.
 */
#ifndef KT_BASE_BUF_H
#define KT_BASE_BUF_H

#include "base/base.h"
#include "base/err.h"

typedef struct kt_buf {
	char *data; /* NULL while empty; use kt_buf_str for text */
	size_t len;
	size_t cap;
	size_t max; /* bytes; 0 = no bound of its own */
	bool failed;
} kt_buf;

#define KT_BUF_INIT {NULL, 0, 0, 0, false}
#define KT_BUF_MAX(bytes) {NULL, 0, 0, (bytes), false}
#define KT_AUTO_BUF KT_CLEANUP(kt_buf_deinit)

void kt_buf_deinit(kt_buf *self);
void kt_buf_clear(kt_buf *self); /* keeps the memory, forgets a failure */

void kt_buf_add(kt_buf *self, const void *data, size_t len);
void kt_buf_adds(kt_buf *self, const char *text);
void kt_buf_addc(kt_buf *self, char c);
void kt_buf_addf(kt_buf *self, const char *fmt, ...) KT_PRINTF(2, 3);
/* Room for `len` more bytes, to be filled by the caller, who then adds to self->len. NULL on
 * failure. */
char *kt_buf_reserve(kt_buf *self, size_t len);
/* Drops the first `len` bytes. */
void kt_buf_consume(kt_buf *self, size_t len);

/* The text; "" while empty. Borrowed, valid until the next change. */
const char *kt_buf_str(const kt_buf *self);
/* Gives the text to the caller (kt_free) and empties the buffer; NULL if an append failed. */
char *kt_buf_take(kt_buf *self);
/* 0, or -1 with NOMEM/EXHAUSTED when an append has failed. */
int kt_buf_check(const kt_buf *self, kt_err *err);

#endif
