#include "base/err.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kt_err_note {
	kt_err_note *cause;
	char text[];
};

/* Shared by all out-of-memory errors; never freed. */
static const char nomem_text[] = "out of memory";

typedef struct code_row {
	const char *name;
	int exit_status;
	int grpc;
} code_row;

static const code_row codes[KT_ERR_COUNT] = {
#define ROW(name, exit_status, grpc) {#name, exit_status, grpc},
	KT_ERR_TABLE(ROW)
#undef ROW
};

void kt_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: this is a bug: %s\n", file, line, what);
	abort();
}

static void free_notes(kt_err_note *note)
{
	while (note != NULL) {
		kt_err_note *cause = note->cause;
		kt_free(note);
		note = cause;
	}
}

void kt_err_release(kt_err *err)
{
	if (err == NULL) {
		return;
	}
	free_notes(err->notes);
	kt_free(err->hint);
	*err = (kt_err)KT_ERR_INIT;
}

/* Puts text in front of the chain; when memory is short the chain stays as it is. */
static void push_note(kt_err *err, const char *fmt, va_list args) KT_PRINTF(2, 0);
static void push_note(kt_err *err, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	size_t size = len < 0 ? 0 : (size_t)len;
	kt_err_note *note = kt_malloc(sizeof(*note) + size + 1);
	if (note != NULL) {
		vsnprintf(note->text, size + 1, fmt, again);
		note->cause = err->notes;
		err->notes = note;
	}
	va_end(again);
}

static void push_notef(kt_err *err, const char *fmt, ...) KT_PRINTF(2, 3);
static void push_notef(kt_err *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	push_note(err, fmt, args);
	va_end(args);
}

int kt_err_setv(kt_err *err, kt_err_code code, const char *fmt, va_list args)
{
	if (err == NULL) {
		return -1;
	}
	kt_err old = *err; /* arguments may point into the old error */
	*err = (kt_err){.code = code};
	push_note(err, fmt, args);
	kt_err_release(&old);
	return -1;
}

int kt_err_set(kt_err *err, kt_err_code code, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	kt_err_setv(err, code, fmt, args);
	va_end(args);
	return -1;
}

static kt_err_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM:
		return KT_ERR_NOMEM;
	case ENOENT:
	case ENOTDIR:
		return KT_ERR_NOT_FOUND;
	case EEXIST:
	case EADDRINUSE:
		return KT_ERR_EXISTS;
	case EACCES:
	case EPERM:
		return KT_ERR_PERMISSION;
	case ETIMEDOUT:
		return KT_ERR_TIMEOUT;
	case ECONNREFUSED:
		return KT_ERR_UNAVAILABLE;
	case EINVAL:
		return KT_ERR_INVALID;
	default:
		return KT_ERR_IO;
	}
}

/* What helps whatever was tried; NULL where that depends. */
static const char *remedy_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return "make room on that file system, for example with: kurtosis clean -a";
	case EROFS:
		return "choose a writable directory: KURTOSIS_HOME holds what is kept, "
		       "KURTOSIS_RUNTIME_DIR what ends with the machine";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files (ulimit -n)";
	default:
		return NULL;
	}
}

int kt_err_set_errno(kt_err *err, int errnum, const char *fmt, ...)
{
	if (err == NULL) {
		return -1;
	}
	char reason[128];
	const char *text = strerror_r(errnum, reason, sizeof(reason));
	kt_err old = *err;
	*err = (kt_err){.code = code_of_errno(errnum), .sys_errno = errnum};
	push_notef(err, "%s", text);
	va_list args;
	va_start(args, fmt);
	push_note(err, fmt, args);
	va_end(args);
	const char *remedy = remedy_of_errno(errnum);
	if (remedy != NULL) {
		kt_err_hint(err, "%s", remedy);
	}
	kt_err_release(&old);
	return -1;
}

int kt_err_nomem(kt_err *err)
{
	if (err != NULL) {
		kt_err_release(err);
		err->code = KT_ERR_NOMEM;
		err->sys_errno = ENOMEM;
	}
	return -1;
}

int kt_err_wrap(kt_err *err, const char *fmt, ...)
{
	if (err == NULL) {
		return -1;
	}
	va_list args;
	va_start(args, fmt);
	push_note(err, fmt, args);
	va_end(args);
	return -1;
}

void kt_err_hint(kt_err *err, const char *fmt, ...)
{
	if (err == NULL) {
		return;
	}
	va_list args;
	va_start(args, fmt);
	char *hint = NULL;
	if (vasprintf(&hint, fmt, args) >= 0) {
		kt_free(err->hint);
		err->hint = hint;
	}
	va_end(args);
}

void kt_err_move(kt_err *dst, kt_err *src)
{
	if (dst == NULL) {
		kt_err_release(src);
		return;
	}
	if (dst == src) {
		return;
	}
	kt_err_release(dst);
	*dst = *src;
	*src = (kt_err)KT_ERR_INIT;
}

const char *kt_err_message(const kt_err *err, size_t i)
{
	const kt_err_note *note = err->notes;
	if (note == NULL && err->code == KT_ERR_NOMEM && i == 0) {
		return nomem_text;
	}
	for (; note != NULL && i > 0; i--) {
		note = note->cause;
	}
	return note != NULL ? note->text : NULL;
}

const char *kt_err_root(const kt_err *err)
{
	const kt_err_note *note = err->notes;
	if (note == NULL) {
		return err->code == KT_ERR_NOMEM ? nomem_text : "";
	}
	while (note->cause != NULL) {
		note = note->cause;
	}
	return note->text;
}

static char *joined(const kt_err *err, const char *separator)
{
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	const char *message;
	for (size_t i = 0; (message = kt_err_message(err, i)) != NULL; i++) {
		kt_buf_adds(&buf, i > 0 ? separator : "");
		kt_buf_adds(&buf, message);
	}
	return kt_buf_take(&buf);
}

char *kt_err_text(const kt_err *err)
{
	return joined(err, ": ");
}

char *kt_err_chain_text(const kt_err *err)
{
	return joined(err, "\n  Caused by: ");
}

int kt_err_exit_status(kt_err_code code)
{
	return codes[code].exit_status;
}

int kt_err_grpc_status(kt_err_code code)
{
	return codes[code].grpc;
}

const char *kt_err_name(kt_err_code code)
{
	return codes[code].name;
}
