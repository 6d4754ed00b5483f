/* The value of string and bytes literals. */
#include "starlark/run_internal.h"
#include "starlark/syntax_internal.h"

typedef struct unquoter {
	kt_scanner *scanner;
	const char *at, *end;
	bool bytes;
	kt_spos pos; /* of errors: the quote */
	kt_buf *out;
} unquoter;

static int fail(unquoter *u, const char *fmt, const char *text, size_t len)
{
	kt_scanner_error(u->scanner, u->pos, fmt, (int)len, text);
	return -1;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \OOO: u->at is at the first digit. */
static int octal(unquoter *u)
{
	const char *begin = u->at;
	unsigned value = 0;

	for (int n = 0; n < 3 && u->at < u->end && *u->at >= '0' && *u->at <= '7'; n++) {
		value = value * 8 + (unsigned)(*u->at++ - '0');
	}
	if (!u->bytes && value > 127) {
		kt_scanner_error(u->scanner, u->pos,
				 "non-ASCII octal escape \\%.*s (use \\u%04X for the UTF-8 encoding "
				 "of U+%04X)",
				 (int)(u->at - begin), begin, value, value);
		return -1;
	}
	if (value > 255) {
		return fail(u, "invalid escape sequence \\%.*s", begin, (size_t)(u->at - begin));
	}
	kt_buf_addc(u->out, (char)value);
	return 0;
}

/* \xHH, \uHHHH, \UHHHHHHHH: u->at is at the letter. */
static int hex(unquoter *u)
{
	const char *begin = u->at;
	char letter = *u->at++;
	size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
	uint32_t value = 0;
	char utf8[4];

	if ((size_t)(u->end - u->at) < digits) {
		return fail(u, "truncated escape sequence \\%.*s", begin, (size_t)(u->end - begin));
	}
	for (size_t i = 0; i < digits; i++) {
		int digit = hex_value(u->at[i]);

		if (digit < 0) {
			return fail(u, "invalid escape sequence \\%.*s", begin, digits + 1);
		}
		value = value << 4 | (uint32_t)digit;
	}
	u->at += digits;
	if (letter == 'x') {
		if (!u->bytes && value > 127) {
			kt_scanner_error(u->scanner, u->pos,
					 "non-ASCII hex escape \\%.*s (use \\u%04X for the UTF-8 "
					 "encoding of U+%04X)",
					 (int)digits + 1, begin, value, value);
			return -1;
		}
		kt_buf_addc(u->out, (char)value);
		return 0;
	}
	if (value > KT_RUNE_MAX) {
		kt_scanner_error(u->scanner, u->pos,
				 "code point out of range: \\%.*s (max \\U%08x)", (int)digits + 1,
				 begin, value); /* the reference names the wrong number */
		return -1;
	}
	if (value >= 0xD800 && value < 0xE000) {
		kt_scanner_error(u->scanner, u->pos, "invalid Unicode code point U+%04X",
				 value);
		return -1;
	}
	kt_buf_add(u->out, utf8, kt_utf8_encode(value, utf8));
	return 0;
}

/* After a backslash. */
static int escape(unquoter *u)
{
	static const char letters[] = "abtnvfr"; /* from code 7 on */
	char c = *u->at;
	const char *found = c != '\0' ? strchr(letters, c) : NULL;

	if (c == '\n') {
		u->at++;
		return 0;
	}
	if (found != NULL) {
		kt_buf_addc(u->out, (char)(7 + (found - letters)));
		u->at++;
		return 0;
	}
	if (c == '\\' || c == '\'' || c == '"') {
		kt_buf_addc(u->out, c);
		u->at++;
		return 0;
	}
	if (c >= '0' && c <= '7') {
		return octal(u);
	}
	if (c == 'x' || c == 'u' || c == 'U') {
		return hex(u);
	}
	char shown[4]; /* the reference takes the byte for a character */
	return fail(u, "invalid escape sequence \\%.*s", shown,
		    kt_utf8_encode((unsigned char)c, shown));
}

static kt_val unquote(kt_scanner *self, const char *raw, size_t len)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	unquoter u = {.scanner = self, .out = &out};
	bool keep_backslashes = *raw == 'r';
	const char *p = raw + (keep_backslashes ? 1 : 0);
	size_t quotes;

	u.bytes = *p == 'b';
	p += u.bytes ? 1 : 0;
	u.pos = self->start;
	u.pos.col += (int32_t)(p - raw);
	len -= (size_t)(p - raw);
	quotes = len >= 6 && p[1] == p[0] && p[2] == p[0] ? 3 : 1;
	u.at = p + quotes;
	u.end = p + len - quotes;
	while (u.at < u.end) {
		char c = *u.at++;

		if (c == '\r') {
			kt_buf_addc(&out, '\n');
			u.at += u.at < u.end && *u.at == '\n' ? 1 : 0;
		} else if (c != '\\' || keep_backslashes) {
			kt_buf_addc(&out, c);
		} else {
			if (*u.at == '\r') {
				u.at += u.at + 1 < u.end && u.at[1] == '\n' ? 2 : 1;
				continue;
			}
			if (escape(&u) < 0) {
				return KT_NULL;
			}
		}
	}
	if (out.failed) {
		return kt_star_raise_nomem(self->t);
	}
	return u.bytes ? kt_bytes_new(self->t, kt_buf_str(&out), out.len)
		       : kt_string_intern(self->t, kt_buf_str(&out), out.len);
}

kt_val kt_unquote(kt_scanner *self, const char *raw, size_t len)
{
	KT_AUTO_BUF kt_buf clean = KT_BUF_INIT;
	size_t width;

	if (kt_utf8_valid(raw, len)) {
		return unquote(self, raw, len);
	}
	/* A stray byte of the source becomes U+FFFD before anything is looked at. */
	for (size_t i = 0; i < len; i += width) {
		kt_buf_add_rune(&clean, kt_utf8_decode(raw + i, len - i, &width));
	}
	if (clean.failed) {
		return kt_star_raise_nomem(self->t);
	}
	return unquote(self, kt_buf_str(&clean), clean.len);
}
