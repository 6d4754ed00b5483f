/* The scanner. For the sources of this module only. */
#ifndef KT_STARLARK_SYNTAX_INTERNAL_H
#define KT_STARLARK_SYNTAX_INTERNAL_H

#include "starlark/syntax.h"

#define KT_MAX_INDENTS 100

typedef struct kt_scanner {
	kt_sthread *t;
	const char *file;
	const char *at, *end;
	kt_spos pos;
	int depth;      /* of open brackets */
	int32_t indents[KT_MAX_INDENTS];
	int nindents;
	int outdents;   /* negative: indents still to be emitted */
	bool line_start;
	bool fresh_line; /* within brackets: a line has ended and no token came since */
	bool failed;

	kt_spos start; /* of the token just read */
	kt_val value;  /* of IDENT, INT, FLOAT, STRING, BYTES */
	const char *raw; /* source text of the token */
	size_t raw_len;
} kt_scanner;

void kt_scanner_init(kt_scanner *self, kt_sthread *t, const char *file, const char *src,
		     size_t len);
/* The next token; ILLEGAL with an error raised (self->failed) on bad input. */
kt_token kt_scanner_next(kt_scanner *self);
/* Raises a syntax error; only the first counts. */
void kt_scanner_error(kt_scanner *self, kt_spos pos, const char *fmt, ...) KT_PRINTF(3, 4);
/* The value of a string or bytes literal; KT_NULL with an error. */
kt_val kt_unquote(kt_scanner *self, const char *raw, size_t len);

#endif
