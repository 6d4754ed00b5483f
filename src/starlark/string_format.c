/* Formatting: str.format, and the operator `string % value`. */
#include "starlark/string_methods.h"

#include "base/utf8.h"
#include "starlark/bigint.h"

#include <math.h>

/* str(v): strings as they are, everything else as it prints inside containers. */
static int add_str(kt_sthread *t, kt_val v, kt_buf *out)
{
	if (kt_is_str(v)) {
		kt_buf_add(out, kt_as_str(v)->data, kt_as_str(v)->len);
		return 0;
	}
	return kt_val_repr(t, v, out);
}

/* ---- str.format -------------------------------------------------------------- */

typedef struct formatter {
	kt_sthread *t;
	const kt_args *args;
	kt_buf out;
	kt_text rest; /* of the format string */
	size_t next;  /* automatic position */
	bool automatic, manual;
} formatter;

static size_t find_char(kt_text text, char c)
{
	return kt_text_find(text, (kt_text){&c, 1});
}

/* For texts inside messages. The string lives as long as the run. */
static const char *message_text(kt_sthread *t, kt_text text)
{
	kt_val s = kt_text_val(t, text);
	return s == KT_NULL ? "" : kt_as_str(s)->data;
}

/* Text up to the next field, in which }} stands for }. */
static int add_literal(formatter *f, kt_text literal)
{
	for (size_t at; (at = find_char(literal, '}')) != KT_TEXT_NONE;) {
		if (at + 1 == literal.len || literal.data[at + 1] != '}') {
			return kt_star_fail(f->t, "format: single '}' in format");
		}
		kt_buf_add(&f->out, literal.data, at + 1);
		literal = kt_text_sub(literal, at + 2, literal.len);
	}
	kt_buf_add(&f->out, literal.data, literal.len);
	return 0;
}

static bool decimal(kt_text text, int64_t *ret)
{
	int64_t value = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' ||
		    __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, text.data[i] - '0', &value)) {
			return false;
		}
	}
	*ret = value;
	return true;
}

static kt_val keyword_field(formatter *f, kt_text name)
{
	for (size_t i = 0; i < f->args->nkw; i++) {
		kt_text key = kt_text_of(f->args->kw[2 * i]);
		if (key.len == name.len && memcmp(key.data, name.data, key.len) == 0) {
			return f->args->kw[2 * i + 1];
		}
	}
	const char *shown = message_text(f->t, name);
	if (find_char(name, '.') != KT_TEXT_NONE) {
		return kt_star_raise(f->t,
				     "format: attribute syntax x.y is not supported in "
				     "replacement fields: %s",
				     shown);
	}
	if (find_char(name, '[') != KT_TEXT_NONE) {
		return kt_star_raise(f->t,
				     "format: element syntax a[i] is not supported in "
				     "replacement fields: %s",
				     shown);
	}
	if (find_char(name, '{') != KT_TEXT_NONE) {
		return kt_star_raise(f->t, "format: nested replacement fields not supported");
	}
	return kt_star_raise(f->t, "format: keyword %s not found", shown);
}

static kt_val field_value(formatter *f, kt_text name)
{
	int64_t position;

	if (name.len == 0) {
		if (f->manual) {
			return kt_star_raise(f->t, "format: cannot switch from manual field "
						   "specification to automatic field numbering");
		}
		f->automatic = true;
		position = (int64_t)f->next++;
	} else if (decimal(name, &position)) {
		if (f->automatic) {
			return kt_star_raise(f->t, "format: cannot switch from automatic field "
						   "numbering to manual field specification");
		}
		f->manual = true;
	} else {
		return keyword_field(f, name);
	}
	if (position >= (int64_t)f->args->npos) {
		return kt_star_raise(f->t, "format: tuple index out of range");
	}
	return f->args->pos[position];
}

/* NAME, NAME!CONVERSION, NAME:SPEC, NAME!CONVERSION:SPEC */
static int add_field(formatter *f, kt_text field)
{
	kt_text conversion = {"s", 1};
	kt_text spec = {"", 0};
	size_t bang = find_char(field, '!');
	size_t colon = find_char(field, ':');
	kt_text name = kt_text_sub(field, 0, bang != KT_TEXT_NONE ? bang
						 : colon != KT_TEXT_NONE ? colon
									 : field.len);
	if (bang != KT_TEXT_NONE) {
		conversion = kt_text_sub(field, bang + 1, field.len);
		colon = find_char(conversion, ':');
		if (colon != KT_TEXT_NONE) {
			spec = kt_text_sub(conversion, colon + 1, conversion.len);
			conversion = kt_text_sub(conversion, 0, colon);
		}
	} else if (colon != KT_TEXT_NONE) {
		spec = kt_text_sub(field, colon + 1, field.len);
	}
	kt_val value = field_value(f, name);
	if (value == KT_NULL) {
		return -1;
	}
	if (spec.len > 0) {
		return kt_star_fail(f->t,
				    "format spec features not supported in replacement fields: %s",
				    message_text(f->t, spec));
	}
	if (conversion.len == 1 && conversion.data[0] == 's') {
		return add_str(f->t, value, &f->out);
	}
	if (conversion.len == 1 && conversion.data[0] == 'r') {
		return kt_val_repr(f->t, value, &f->out);
	}
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	kt_quote(&quoted, conversion.data, conversion.len, false);
	if (!kt_message_ready(f->t, &quoted)) {
		return -1;
	}
	return kt_star_fail(f->t, "format: unknown conversion %s", kt_buf_str(&quoted));
}

static int run_format(formatter *f)
{
	for (;;) {
		size_t open = find_char(f->rest, '{');
		if (open == KT_TEXT_NONE) {
			return add_literal(f, f->rest);
		}
		if (add_literal(f, kt_text_sub(f->rest, 0, open)) < 0) {
			return -1;
		}
		f->rest = kt_text_sub(f->rest, open + 1, f->rest.len);
		if (f->rest.len > 0 && f->rest.data[0] == '{') {
			kt_buf_addc(&f->out, '{');
			f->rest = kt_text_sub(f->rest, 1, f->rest.len);
			continue;
		}
		size_t close = find_char(f->rest, '}');
		if (close == KT_TEXT_NONE) {
			return kt_star_fail(f->t, "format: unmatched '{' in format");
		}
		kt_text field = kt_text_sub(f->rest, 0, close);
		f->rest = kt_text_sub(f->rest, close + 1, f->rest.len);
		if (add_field(f, field) < 0) {
			return -1;
		}
	}
}

kt_val kt_string_format(kt_sthread *t, const kt_args *a)
{
	formatter f = {.t = t, .args = a, .rest = kt_text_of(a->self)};
	kt_val result = run_format(&f) < 0 ? KT_NULL : kt_str_from_buf(t, &f.out);

	kt_buf_deinit(&f.out);
	return result;
}

/* ---- the operator % ---------------------------------------------------------- */

static int add_integer(kt_sthread *t, char verb, kt_val v, kt_buf *out)
{
	double d;

	if (!kt_is_anyint(v)) {
		if (!kt_is(v, KT_KIND_FLOAT) || !kt_float_get(v, &d)) {
			return kt_star_fail(t, "%%%c format requires integer: cannot convert %s to int",
					    verb, kt_val_type_name(v));
		}
		if (!isfinite(d)) {
			return kt_star_fail(t,
					    "%%%c format requires integer: cannot convert float %s "
					    "to integer",
					    verb, isnan(d) ? "NaN" : "infinity");
		}
		v = kt_int_from_double(t, d);
		if (v == KT_NULL) {
			return -1;
		}
	}
	size_t start = out->len;
	int base = verb == 'o' ? 8 : verb == 'd' || verb == 'i' ? 10 : 16;
	if (kt_int_text(t, v, base, out) < 0) {
		return -1;
	}
	for (size_t i = start; verb == 'X' && i < out->len; i++) {
		if (out->data[i] >= 'a' && out->data[i] <= 'f') {
			out->data[i] = (char)(out->data[i] - 0x20);
		}
	}
	return 0;
}

/* %g is str(float); %G is the same in capitals. */
static void add_general(kt_buf *out, double d, bool capital)
{
	size_t start = out->len;

	kt_float_repr(out, d);
	for (size_t i = start; capital && isfinite(d) && i < out->len; i++) {
		if (out->data[i] == 'e') {
			out->data[i] = 'E';
		}
	}
}

static int add_float(kt_sthread *t, char verb, kt_val v, kt_buf *out)
{
	double d;

	if (kt_is_anyint(v)) {
		d = kt_int_to_double(v);
	} else if (!kt_is(v, KT_KIND_FLOAT) || !kt_float_get(v, &d)) {
		return kt_star_fail(t, "%%%c format requires float, not %s", verb,
				    kt_val_type_name(v));
	}
	if (verb == 'g' || verb == 'G') {
		add_general(out, d, verb == 'G');
	} else {
		kt_float_text(out, d, verb);
	}
	return 0;
}

static int add_char(kt_sthread *t, kt_val v, kt_buf *out)
{
	int64_t code = -1;

	if (kt_is_anyint(v)) {
		if (kt_int_get(v, &code) && code >= 0 && code <= (int64_t)KT_RUNE_MAX) {
			kt_buf_add_rune(out, (uint32_t)code);
			return 0;
		}
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		if (kt_int_text(t, v, 10, &shown) < 0 || !kt_message_ready(t, &shown)) {
			return -1;
		}
		return kt_star_fail(t, "%%c format requires a valid Unicode code point, got %s",
				    kt_buf_str(&shown));
	}
	if (!kt_is_str(v)) {
		return kt_star_fail(t, "%%c format requires int or single-character string, not %s",
				    kt_val_type_name(v));
	}
	kt_text text = kt_text_of(v);
	size_t width = 0;
	uint32_t rune = text.len == 0 ? 0 : kt_utf8_decode(text.data, text.len, &width);
	if (text.len == 0 || width != text.len) {
		return kt_star_fail(t, "%%c format requires a single-character string");
	}
	kt_buf_add_rune(out, rune);
	return 0;
}

static int add_conversion(kt_sthread *t, char verb, kt_val v, kt_buf *out)
{
	switch (verb) {
	case 's':
		return add_str(t, v, out);
	case 'r':
		return kt_val_repr(t, v, out);
	case 'd':
	case 'i':
	case 'o':
	case 'x':
	case 'X':
		return add_integer(t, verb, v, out);
	case 'e':
	case 'f':
	case 'g':
	case 'E':
	case 'F':
	case 'G':
		return add_float(t, verb, v, out);
	case 'c':
		return add_char(t, v, out);
	case '%':
		kt_buf_addc(out, '%');
		return 0;
	default: {
		/* One byte is taken as one code point here. */
		char shown[5] = "";
		shown[kt_utf8_encode((unsigned char)verb, shown)] = '\0';
		return kt_star_fail(t, "unknown conversion %%%s", shown);
	}
	}
}

/* The argument of the conversion at *rest, past an optional (key). */
static kt_val percent_argument(kt_sthread *t, kt_text *rest, kt_val args, size_t index)
{
	const kt_tuple *tuple = kt_is(args, KT_KIND_TUPLE) ? kt_as_tuple(args) : NULL;

	if (rest->len == 0 || rest->data[0] != '(') {
		if (index >= (tuple != NULL ? tuple->len : 1)) {
			return kt_star_raise(t, "not enough arguments for format string");
		}
		return tuple != NULL ? tuple->items[index] : args;
	}
	size_t close = find_char(*rest, ')');
	if (close == KT_TEXT_NONE) {
		return kt_star_raise(t, "incomplete format key");
	}
	if (!kt_is(args, KT_KIND_DICT)) {
		return kt_star_raise(t, "format requires a mapping");
	}
	kt_val key = kt_text_val(t, kt_text_sub(*rest, 1, close));
	kt_val value = KT_NULL;
	if (key == KT_NULL || kt_dict_get(t, args, key, &value) < 0) {
		return KT_NULL;
	}
	if (value == KT_NULL) {
		return kt_star_raise(t, "key not found: %s", kt_as_str(key)->data);
	}
	*rest = kt_text_sub(*rest, close + 1, rest->len);
	return value;
}

static int run_percent(kt_sthread *t, kt_text rest, kt_val args, kt_buf *out)
{
	size_t given = kt_is(args, KT_KIND_TUPLE) ? kt_as_tuple(args)->len : 1;
	size_t index = 0;

	for (size_t at; (at = find_char(rest, '%')) != KT_TEXT_NONE;) {
		kt_buf_add(out, rest.data, at);
		rest = kt_text_sub(rest, at + 1, rest.len);
		if (rest.len > 0 && rest.data[0] == '%') {
			kt_buf_addc(out, '%');
			rest = kt_text_sub(rest, 1, rest.len);
			continue;
		}
		kt_val value = percent_argument(t, &rest, args, index);
		if (value == KT_NULL) {
			return -1;
		}
		if (rest.len == 0) {
			return kt_star_fail(t, "incomplete format");
		}
		if (add_conversion(t, rest.data[0], value, out) < 0) {
			return -1;
		}
		rest = kt_text_sub(rest, 1, rest.len);
		index++;
	}
	kt_buf_add(out, rest.data, rest.len);
	if (index < given) {
		return kt_star_fail(t, "too many arguments for format string");
	}
	return 0;
}

kt_val kt_string_percent(kt_sthread *t, kt_val fmt, kt_val args)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	if (run_percent(t, kt_text_of(fmt), args, &out) < 0) {
		return KT_NULL;
	}
	return kt_str_from_buf(t, &out);
}
