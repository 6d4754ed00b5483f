/*
 * Errors: a code, a chain of messages from the outermost to the cause, a hint.
 *
 * A function that can fail returns 0 or -1 (or NULL) and takes `kt_err *err` last.
 * It leaves err alone on success and its out-parameters alone on failure. A caller
 * that does not care passes NULL. Messages start with a lower- or upper-case letter
 * as the text demands and have no final newline.
 *
 * A kt_err lives on the caller's stack: `KT_AUTO_ERR kt_err err = KT_ERR_INIT;`.
 * Not thread-safe; an error belongs to one thread at a time.
 */
#ifndef KT_BASE_ERR_H
#define KT_BASE_ERR_H

#include "base/base.h"

#include <stdarg.h>

/* name, exit status, gRPC status code. Numbers (order) are never reused. */
#define KT_ERR_TABLE(X)                                                                            \
	X(OK, 0, 0)                                                                                \
	X(INTERNAL, 1, 13)                                                                         \
	X(NOMEM, 1, 8)                                                                             \
	X(IO, 1, 14)                                                                               \
	X(INVALID, 1, 3)                                                                           \
	X(NOT_FOUND, 1, 5)                                                                         \
	X(EXISTS, 1, 6)                                                                            \
	X(PERMISSION, 1, 7)                                                                        \
	X(UNAVAILABLE, 1, 14)                                                                      \
	X(TIMEOUT, 1, 4)                                                                           \
	X(CANCELLED, 1, 1)                                                                         \
	X(UNSUPPORTED, 1, 12)                                                                      \
	X(EXHAUSTED, 1, 8)                                                                         \
	X(CORRUPT, 1, 15)                                                                          \
	X(PRECONDITION, 1, 9)                                                                      \
	X(MISSING_PROGRAM, 1, 9)                                                                   \
	X(UNKNOWN, 1, 2)

typedef enum kt_err_code {
#define KT_ERR_ENUM(name, exit_status, grpc) KT_ERR_##name,
	KT_ERR_TABLE(KT_ERR_ENUM)
#undef KT_ERR_ENUM
	KT_ERR_COUNT
} kt_err_code;

typedef struct kt_err_note kt_err_note;

typedef struct kt_err {
	kt_err_code code;
	int sys_errno;      /* the errno behind it, or 0 */
	kt_err_note *notes; /* outermost message first */
	char *hint;         /* what the user can do, or NULL */
} kt_err;

#define KT_ERR_INIT {KT_ERR_OK, 0, NULL, NULL}
#define KT_AUTO_ERR KT_CLEANUP(kt_err_release)

/* Frees what err holds and makes it usable again. NULL is allowed. */
void kt_err_release(kt_err *err);

/* Set a new error, replacing what was there. All accept err == NULL. They return -1. */
int kt_err_set(kt_err *err, kt_err_code code, const char *fmt, ...) KT_PRINTF(3, 4);
int kt_err_setv(kt_err *err, kt_err_code code, const char *fmt, va_list args) KT_PRINTF(3, 0);
/*
 * As kt_err_set, with ": strerror(errnum)" as cause; the code follows from errnum, and so does
 * the hint where a remedy is the same whatever was tried (full disk, read-only file system).
 */
int kt_err_set_errno(kt_err *err, int errnum, const char *fmt, ...) KT_PRINTF(3, 4);
int kt_err_nomem(kt_err *err);
/* Puts a message in front of the chain. */
int kt_err_wrap(kt_err *err, const char *fmt, ...) KT_PRINTF(2, 3);
/* Sets the remedy shown after the message; a later hint replaces an earlier one. */
void kt_err_hint(kt_err *err, const char *fmt, ...) KT_PRINTF(2, 3);

/* Moves src into dst (releasing dst's content); src is empty afterwards. dst may be NULL. */
void kt_err_move(kt_err *dst, kt_err *src);

/* The i-th message of the chain, outermost = 0; NULL past the end. Borrowed. */
const char *kt_err_message(const kt_err *err, size_t i);
/* The innermost message ("" when there is none). Borrowed. */
const char *kt_err_root(const kt_err *err);
/* The chain as "a: b: c". The caller frees; NULL when memory is short. */
char *kt_err_text(const kt_err *err);
/* The chain as Kurtosis prints it: "a\n  Caused by: b\n  Caused by: c". The caller frees. */
char *kt_err_chain_text(const kt_err *err);

int kt_err_exit_status(kt_err_code code);
int kt_err_grpc_status(kt_err_code code);
const char *kt_err_name(kt_err_code code);

#define KT_FAIL(err, code, ...) kt_err_set((err), KT_ERR_##code, __VA_ARGS__)
#define KT_FAIL_ERRNO(err, ...) kt_err_set_errno((err), errno, __VA_ARGS__)
#define KT_WRAP(err, ...) kt_err_wrap((err), __VA_ARGS__)

#endif
