/* Constants: numbers, characters, strings, with the syntax of Go. */
#include "template/template_internal.h"

#include "base/num.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>

/* ---- escapes --------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n digits of a base at *at; false when one is missing. */
static bool take_digits(kt_ttext text, size_t *at, size_t n, uint32_t base, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++, ++*at) {
		int digit = *at < text.len ? hex_digit(text.data[*at]) : -1;
		if (digit < 0 || (uint32_t)digit >= base) {
			return false;
		}
		*ret = *ret * base + (uint32_t)digit;
	}
	return true;
}

/* What stands at *at: a code point, or a raw byte (*ret_byte) of a \x or octal escape. */
static bool take_char(kt_ttext text, size_t *at, char quote, uint32_t *ret, bool *ret_byte)
{
	static const char letters[] = "abfnrtv\\";
	static const char values[] = "\a\b\f\n\r\t\v\\";
	size_t width;
	char c = text.data[*at];

	*ret_byte = false;
	if (c == quote) {
		return false;
	}
	if (c != '\\') {
		*ret = kt_utf8_decode(text.data + *at, text.len - *at, &width);
		*ret_byte = *ret == KT_RUNE_ERROR && width == 1;
		if (*ret_byte) {
			*ret = (unsigned char)c;
		}
		*at += width;
		return true;
	}
	if (++*at >= text.len) {
		return false;
	}
	c = text.data[(*at)++];
	const char *known = c == '\0' ? NULL : strchr(letters, c);
	if (known != NULL) {
		*ret = (unsigned char)values[known - letters];
		return true;
	}
	if (c == quote) {
		*ret = (unsigned char)c;
		return true;
	}
	*ret_byte = c == 'x' || (c >= '0' && c <= '7');
	if (c >= '0' && c <= '7') {
		--*at;
		return take_digits(text, at, 3, 8, ret) && *ret < 256;
	}
	size_t n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	return n > 0 && take_digits(text, at, n, 16, ret) &&
	       (*ret_byte || (*ret <= KT_RUNE_MAX && (*ret < 0xD800 || *ret > 0xDFFF)));
}

static bool keep(kt_arena *arena, const kt_buf *buf, kt_ttext *ret)
{
	ret->data = buf->failed ? NULL : kt_arena_strndup(arena, kt_buf_str(buf), buf->len);
	ret->len = buf->len;
	return ret->data != NULL;
}

bool kt_tconst_string(kt_arena *arena, kt_ttext quoted, kt_ttext *ret)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_ttext body = {quoted.data + 1, quoted.len - 2};

	for (size_t i = 0; i < body.len;) {
		uint32_t rune;
		bool byte;
		if (quoted.data[0] == '`') {
			if (body.data[i] != '\r') {
				kt_buf_addc(&out, body.data[i]);
			}
			i++;
			continue;
		}
		if (!take_char(body, &i, '"', &rune, &byte)) {
			return false;
		}
		if (byte) {
			kt_buf_addc(&out, (char)rune);
		} else {
			kt_buf_add_rune(&out, rune);
		}
	}
	return keep(arena, &out, ret);
}

/* ---- numbers --------------------------------------------------------------------------- */

static const char *char_constant(kt_ttext text, kt_tnode *node)
{
	size_t at = 1;
	uint32_t rune;
	bool byte;

	if (!take_char(text, &at, '\'', &rune, &byte)) {
		return "invalid syntax";
	}
	if (at + 1 != text.len) {
		return "malformed character constant";
	}
	/* A stray byte of the source counts as U+FFFD; an escape keeps its value. */
	node->number = kt_tval_int(byte && text.data[1] != '\\' ? (int64_t)KT_RUNE_ERROR
								 : (int64_t)rune);
	return NULL;
}

/* Underscores stand between digits or after the prefix; only there. */
static bool underscores_fit(kt_ttext digits, bool after_prefix)
{
	bool digit_before = after_prefix;

	for (size_t i = 0; i < digits.len; i++) {
		bool underscore = digits.data[i] == '_';
		if (underscore && (!digit_before || i + 1 == digits.len)) {
			return false;
		}
		digit_before = !underscore;
	}
	return true;
}

typedef enum int_result { INT_OK, INT_BAD, INT_RANGE } int_result;

/* An integer with optional sign, prefix and underscores, by Go's rules for base 0. */
static int_result parse_int(kt_ttext text, bool *ret_negative, uint64_t *ret)
{
	unsigned base = 10;
	bool prefixed = false;
	bool overflow = false;

	*ret_negative = text.len > 0 && text.data[0] == '-';
	if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
		text = (kt_ttext){text.data + 1, text.len - 1};
	}
	if (text.len > 1 && text.data[0] == '0') {
		char letter = (char)(text.data[1] | 0x20);
		base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
		prefixed = true;
		size_t skip = base == 0 ? 1 : 2;
		base = base == 0 ? 8 : base;
		text = (kt_ttext){text.data + skip, text.len - skip};
	}
	if (text.len == 0 || !underscores_fit(text, prefixed)) {
		return INT_BAD;
	}
	*ret = 0;
	for (size_t i = 0; i < text.len; i++) {
		int digit = hex_digit(text.data[i]);
		if (text.data[i] == '_') {
			continue;
		}
		if (digit < 0 || (unsigned)digit >= base) {
			return INT_BAD;
		}
		overflow = overflow || __builtin_mul_overflow(*ret, (uint64_t)base, ret) ||
			   __builtin_add_overflow(*ret, (uint64_t)digit, ret);
	}
	return overflow ? INT_RANGE : INT_OK;
}

static bool contains_any(kt_ttext text, const char *set)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\0' && strchr(set, text.data[i]) != NULL) {
			return true;
		}
	}
	return false;
}

static void set_complex(kt_tnode *node, double re, double im)
{
	node->number = kt_tval(KT_TMPL_COMPLEX);
	node->number.c.re = re;
	node->number.c.im = im;
}

/* RE±IMi */
static const char *complex_constant(kt_ttext text, kt_tnode *node)
{
	double re;
	double im;
	size_t sign = text.len - 1;

	for (; sign > 0; sign--) {
		char before = (char)(text.data[sign - 1] | 0x20);
		if ((text.data[sign] == '+' || text.data[sign] == '-') && before != 'e' &&
		    before != 'p') {
			break;
		}
	}
	if (kt_num_parse_float(text.data, sign, &re) != KT_NUM_OK ||
	    kt_num_parse_float(text.data + sign, text.len - 1 - sign, &im) != KT_NUM_OK) {
		return "syntax error scanning complex number";
	}
	set_complex(node, re, im);
	return NULL;
}

static const char *plain_number(kt_ttext text, kt_tnode *node)
{
	bool negative;
	uint64_t size;
	double real;
	int_result result = parse_int(text, &negative, &size);

	if (result == INT_OK && size <= (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
		node->number = kt_tval_int((int64_t)(negative ? 0 - size : size));
		/* 0x1e5 is an int, although it contains an e. */
		return NULL;
	}
	if (result == INT_OK && !negative) {
		node->number = kt_tval_int(0);
		node->overflows = true;
		return NULL;
	}
	if (kt_num_parse_float(text.data, text.len, &real) != KT_NUM_OK) {
		return "illegal number syntax";
	}
	if (!contains_any(text, ".eEpP")) {
		return "integer overflow";
	}
	node->number = kt_tval(KT_TMPL_FLOAT);
	node->number.f = real;
	return NULL;
}

const char *kt_tconst_number(kt_ttoken_kind kind, kt_ttext text, kt_tnode *node)
{
	double im;

	node->source = text;
	if (kind == KT_T_CHAR_CONSTANT) {
		return char_constant(text, node);
	}
	if (kind == KT_T_COMPLEX) {
		return complex_constant(text, node);
	}
	if (text.data[text.len - 1] == 'i' &&
	    kt_num_parse_float(text.data, text.len - 1, &im) == KT_NUM_OK) {
		set_complex(node, 0, im);
		return NULL;
	}
	return plain_number(text, node);
}
