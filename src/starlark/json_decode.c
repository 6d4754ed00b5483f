/* json.decode: JSON text to dicts, lists, strings, numbers, booleans and None. */
#include "starlark/json_internal.h"

#include "base/num.h"
#include "base/stack.h"
#include "base/utf8.h"
#include "starlark/bigint.h"

typedef struct decoder {
	kt_sthread *t;
	kt_text text;
	size_t at;
	unsigned depth;
} decoder;

static kt_val decode_value(decoder *d);

static kt_val fail(decoder *d, const char *message)
{
	return kt_star_raise(d->t, "json.decode: at offset %zu, %s", d->at, message);
}

/* The message with a character in it: BEFORE 'c' AFTER. */
static kt_val fail_char(decoder *d, const char *before, char c, const char *after)
{
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;

	kt_buf_adds(&message, before);
	kt_json_quote_char(&message, (unsigned char)c);
	kt_buf_adds(&message, after);
	if (!kt_message_ready(d->t, &message)) {
		return KT_NULL;
	}
	return fail(d, kt_buf_str(&message));
}

static bool skip_space(decoder *d)
{
	for (; d->at < d->text.len; d->at++) {
		char c = d->text.data[d->at];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
			return true;
		}
	}
	return false;
}

/* The next character that is no space, not consumed; false (and an error) at the end. */
static bool peek(decoder *d, char *ret)
{
	if (!skip_space(d)) {
		fail(d, "unexpected end of file");
		return false;
	}
	*ret = d->text.data[d->at];
	return true;
}

/* ---- strings ----------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits at text[*at]; false (and an error) on anything else. */
static bool take_hex(decoder *d, kt_text body, size_t *at, uint32_t *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++) {
		/* Past the end stands the closing quote. */
		char c = *at < body.len ? body.data[*at] : '"';
		int digit = hex_digit(c);
		if (digit < 0) {
			fail_char(d, "invalid character ", c,
				  " in \\u hexadecimal character escape");
			return false;
		}
		*ret = *ret << 4 | (uint32_t)digit;
		++*at;
	}
	return true;
}

/* \uXXXX, perhaps with its other half; a lone surrogate becomes U+FFFD. */
static bool take_unicode(decoder *d, kt_text body, size_t *at, kt_buf *out)
{
	uint32_t rune;

	if (!take_hex(d, body, at, &rune)) {
		return false;
	}
	if (rune >= 0xD800 && rune < 0xDC00 && *at + 1 < body.len && body.data[*at] == '\\' &&
	    body.data[*at + 1] == 'u') {
		size_t ahead = *at + 2;
		uint32_t low;
		if (!take_hex(d, body, &ahead, &low)) {
			return false;
		}
		if (low >= 0xDC00 && low < 0xE000) {
			rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
			*at = ahead;
		}
	}
	kt_buf_add_rune(out, rune);
	return true;
}

static bool take_escape(decoder *d, kt_text body, size_t *at, kt_buf *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	char c = body.data[(*at)++];

	if (c == 'u') {
		return take_unicode(d, body, at, out);
	}
	const char *known = c == '\0' ? NULL : strchr(from, c);
	if (known == NULL) {
		fail_char(d, "invalid character ", c, " in string escape code");
		return false;
	}
	kt_buf_addc(out, to[known - from]);
	return true;
}

/* A string with escapes or beyond ASCII. */
static kt_val unquote(decoder *d, kt_text body)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	for (size_t i = 0; i < body.len;) {
		char c = body.data[i];
		size_t width;
		if (c == '\\') {
			i++;
			if (!take_escape(d, body, &i, &out)) {
				return KT_NULL;
			}
		} else if ((unsigned char)c < 0x20) {
			return fail_char(d, "invalid character ", c, " in string literal");
		} else {
			kt_buf_add_rune(&out, kt_utf8_decode(body.data + i, body.len - i, &width));
			i += width;
		}
	}
	return kt_str_from_buf(d->t, &out);
}

static kt_val decode_string(decoder *d)
{
	bool simple = true;
	size_t end = d->at + 1;

	for (;; end++) {
		if (end >= d->text.len) {
			return fail(d, "unclosed string literal");
		}
		char c = d->text.data[end];
		if (c == '"') {
			break;
		}
		if (c == '\\') {
			simple = false;
			end++;
		} else if ((unsigned char)c >= 0x80) {
			simple = false;
		}
	}
	kt_text body = kt_text_sub(d->text, d->at + 1, end);
	d->at = end + 1;
	return simple ? kt_text_val(d->t, body) : unquote(d, body);
}

/* ---- numbers ----------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static kt_val bad_number(decoder *d, kt_text literal)
{
	return kt_star_raise(d->t, "json.decode: at offset %zu, invalid number: %.*s", d->at,
			     (int)KT_MIN(literal.len, (size_t)INT32_MAX), literal.data);
}

static kt_val decode_number(decoder *d)
{
	bool real = false;
	size_t end = d->at + 1;

	for (; end < d->text.len; end++) {
		char c = d->text.data[end];
		if (c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-') {
			real = true;
		} else if (!is_digit(c)) {
			break;
		}
	}
	kt_text literal = kt_text_sub(d->text, d->at, end);
	d->at = end;
	bool negative = literal.data[0] == '-';
	kt_text digits = kt_text_sub(literal, negative ? 1 : 0, literal.len);
	if (digits.len == 0 ||
	    (digits.data[0] == '0' && digits.len > 1 && is_digit(digits.data[1]))) {
		return bad_number(d, literal);
	}
	if (real) {
		double value;
		switch (kt_num_parse_float(literal.data, literal.len, &value)) {
		case KT_NUM_OK:
			return kt_float_new(d->t, value);
		case KT_NUM_NOMEM:
			return kt_star_raise_nomem(d->t);
		default:
			return bad_number(d, literal);
		}
	}
	return kt_int_parse(d->t, digits.data, digits.len, 10, negative);
}

/* ---- containers -------------------------------------------------------------- */

static kt_val decode_array(decoder *d)
{
	kt_val list = kt_list_new(d->t, NULL, 0);
	char c;

	d->at++;
	if (list == KT_NULL || !peek(d, &c)) {
		return KT_NULL;
	}
	while (c != ']') {
		kt_val item = decode_value(d);
		if (item == KT_NULL || kt_list_push(d->t, kt_as_list(list), item) < 0 ||
		    !peek(d, &c)) {
			return KT_NULL;
		}
		if (c == ']') {
			break;
		}
		if (c != ',') {
			return fail_char(d, "got ", c, ", want ',' or ']'");
		}
		d->at++;
	}
	d->at++;
	return list;
}

/* "key": value */
static int decode_member(decoder *d, kt_val dict)
{
	kt_val key = decode_value(d);
	char c;

	if (key == KT_NULL) {
		return -1;
	}
	if (!kt_is_str(key)) {
		return kt_star_fail(d->t,
				    "json.decode: at offset %zu, got %s for object key, want string",
				    d->at, kt_val_type_name(key));
	}
	if (!peek(d, &c)) {
		return -1;
	}
	if (c != ':') {
		fail_char(d, "after object key, got ", c, ", want ':' ");
		return -1;
	}
	d->at++;
	kt_val value = decode_value(d);
	return value == KT_NULL ? -1 : kt_dict_put(d->t, kt_as_dict(dict), key, value);
}

static kt_val decode_object(decoder *d)
{
	kt_val dict = kt_dict_new(d->t, 0);
	char c;

	d->at++;
	if (dict == KT_NULL || !peek(d, &c)) {
		return KT_NULL;
	}
	while (c != '}') {
		if (decode_member(d, dict) < 0 || !peek(d, &c)) {
			return KT_NULL;
		}
		if (c == '}') {
			break;
		}
		if (c != ',') {
			return fail_char(d, "in object, got ", c, ", want ',' or '}'");
		}
		d->at++;
	}
	d->at++;
	return dict;
}

static kt_val decode_nested(decoder *d, char open)
{
	if (d->depth == KT_JSON_MAX_DEPTH || kt_stack_low()) {
		return fail(d, "nested too deeply");
	}
	d->depth++;
	kt_val result = open == '[' ? decode_array(d) : decode_object(d);
	d->depth--;
	return result;
}

static kt_val decode_value(decoder *d)
{
	static const struct {
		kt_text word;
		kt_val value;
	} words[] = {{{"null", 4}, KT_NONE}, {{"true", 4}, KT_TRUE}, {{"false", 5}, KT_FALSE}};
	char c;

	if (!peek(d, &c)) {
		return KT_NULL;
	}
	switch (c) {
	case '"':
		return decode_string(d);
	case '[':
	case '{':
		return decode_nested(d, c);
	default:
		break;
	}
	if (is_digit(c) || c == '-') {
		return decode_number(d);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		if (kt_text_starts(kt_text_sub(d->text, d->at, d->text.len), words[i].word)) {
			d->at += words[i].word.len;
			return words[i].value;
		}
	}
	return fail_char(d, "unexpected character ", c, "");
}

kt_val kt_json_decode(kt_sthread *t, const kt_args *a)
{
	decoder d = {.t = t, .text = kt_text_of(a->v[0])};
	kt_val result = decode_value(&d);

	if (result != KT_NULL && skip_space(&d)) {
		return fail_char(&d, "unexpected character ", d.text.data[d.at], " after value");
	}
	return result;
}
