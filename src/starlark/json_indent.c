/*
 * json.indent: lays valid JSON out over lines, checking the grammar on the way. Numbers and
 * strings are copied as they are. The messages are those of Go's encoding/json.
 */
#include "starlark/json_internal.h"

#include "base/vec.h"

#define INDENT_MAX_DEPTH 10000

typedef struct indenter {
	kt_sthread *t;
	kt_text text;
	size_t at;
	kt_text prefix, unit;
	kt_buf out;
	KT_VEC(char) open; /* '{' and '[' */
} indenter;

static int fail_at(indenter *in, char c, const char *where)
{
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;

	kt_buf_adds(&message, "invalid character ");
	kt_json_quote_char(&message, (unsigned char)c);
	kt_buf_addc(&message, ' ');
	kt_buf_adds(&message, where);
	if (!kt_message_ready(in->t, &message)) {
		return -1;
	}
	return kt_star_fail(in->t, "json.indent: %s", kt_buf_str(&message));
}

static int fail(indenter *in, const char *where)
{
	if (in->at >= in->text.len) {
		return kt_star_fail(in->t, "json.indent: unexpected end of JSON input");
	}
	return fail_at(in, in->text.data[in->at], where);
}

/* Inside a number, word or escape the end of the text counts as a space that is wrong there. */
static int fail_inside(indenter *in, const char *where)
{
	return fail_at(in, in->at < in->text.len ? in->text.data[in->at] : ' ', where);
}

/* The character to look at next, or NUL at the end (a NUL in the text is wrong everywhere). */
static char current(const indenter *in)
{
	return in->at < in->text.len ? in->text.data[in->at] : '\0';
}

static void skip_space(indenter *in)
{
	for (char c = current(in); c == ' ' || c == '\t' || c == '\n' || c == '\r';
	     c = current(in)) {
		in->at++;
	}
}

static void new_line(indenter *in, size_t depth)
{
	kt_buf_addc(&in->out, '\n');
	kt_buf_add(&in->out, in->prefix.data, in->prefix.len);
	for (size_t i = 0; i < depth; i++) {
		kt_buf_add(&in->out, in->unit.data, in->unit.len);
	}
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static int check_escape(indenter *in)
{
	char c = current(in);

	if (c != 'u') {
		if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
			return fail_inside(in, "in string escape code");
		}
		in->at++;
		return 0;
	}
	in->at++;
	for (int i = 0; i < 4; i++) {
		if (!is_hex(current(in))) {
			return fail_inside(in, "in \\u hexadecimal character escape");
		}
		in->at++;
	}
	return 0;
}

static int check_string(indenter *in)
{
	in->at++;
	for (;;) {
		if (in->at >= in->text.len || (unsigned char)current(in) < 0x20) {
			return fail(in, "in string literal");
		}
		char c = in->text.data[in->at++];
		if (c == '"') {
			return 0;
		}
		if (c == '\\' && check_escape(in) < 0) {
			return -1;
		}
	}
}

static bool skip_digits(indenter *in)
{
	size_t start = in->at;

	while (current(in) >= '0' && current(in) <= '9') {
		in->at++;
	}
	return in->at > start;
}

static int check_number(indenter *in)
{
	if (current(in) == '-') {
		in->at++;
	}
	if (current(in) == '0') {
		in->at++;
	} else if (!skip_digits(in)) {
		return fail_inside(in, "in numeric literal");
	}
	if (current(in) == '.') {
		in->at++;
		if (!skip_digits(in)) {
			return fail_inside(in, "after decimal point in numeric literal");
		}
	}
	if ((current(in) | 0x20) == 'e') {
		in->at++;
		if (current(in) == '+' || current(in) == '-') {
			in->at++;
		}
		if (!skip_digits(in)) {
			return fail_inside(in, "in exponent of numeric literal");
		}
	}
	return 0;
}

static int check_word(indenter *in, const char *word)
{
	for (size_t i = 0; word[i] != '\0'; i++, in->at++) {
		if (current(in) != word[i]) {
			char where[64];
			snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word,
				 word[i]);
			return fail_inside(in, where);
		}
	}
	return 0;
}

/* A value without parts; copied as it is. */
static int scalar(indenter *in)
{
	size_t start = in->at;
	char c = current(in);
	int result;

	if (c == '"') {
		result = check_string(in);
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		result = check_number(in);
	} else if (c == 't') {
		result = check_word(in, "true");
	} else if (c == 'f') {
		result = check_word(in, "false");
	} else if (c == 'n') {
		result = check_word(in, "null");
	} else {
		return fail(in, "looking for beginning of value");
	}
	kt_buf_add(&in->out, in->text.data + start, in->at - start);
	return result;
}

/* "key": */
static int key(indenter *in)
{
	size_t start = in->at;

	if (current(in) != '"') {
		return fail(in, "looking for beginning of object key string");
	}
	if (check_string(in) < 0) {
		return -1;
	}
	kt_buf_add(&in->out, in->text.data + start, in->at - start);
	skip_space(in);
	if (current(in) != ':') {
		return fail(in, "after object key");
	}
	in->at++;
	kt_buf_adds(&in->out, ": ");
	return 0;
}

/*
 * A value up to its first inner value: opens containers until a scalar or an empty container
 * has been written. 0, or -1.
 */
static int descend(indenter *in)
{
	for (;;) {
		skip_space(in);
		char c = current(in);
		if (c != '{' && c != '[') {
			return scalar(in);
		}
		in->at++;
		kt_buf_addc(&in->out, c);
		skip_space(in);
		if (in->open.len == INDENT_MAX_DEPTH) {
			return kt_star_fail(in->t, "json.indent: exceeded max depth");
		}
		if (current(in) == (c == '{' ? '}' : ']')) {
			kt_buf_addc(&in->out, current(in));
			in->at++;
			return 0;
		}
		if (kt_vec_push(&in->open, c) < 0) {
			kt_star_raise_nomem(in->t);
			return -1;
		}
		if (c == '{' && current(in) != '"') {
			return fail(in, "looking for beginning of object key string");
		}
		new_line(in, in->open.len);
		if (c == '{' && key(in) < 0) {
			return -1;
		}
	}
}

/* After a value: closes what ends here. 1 = another value follows, 0 = all is closed. */
static int ascend(indenter *in)
{
	while (in->open.len > 0) {
		char open = in->open.items[in->open.len - 1];
		skip_space(in);
		char c = current(in);
		if (c == ',') {
			in->at++;
			kt_buf_addc(&in->out, ',');
			new_line(in, in->open.len);
			skip_space(in);
			return open == '{' && key(in) < 0 ? -1 : 1;
		}
		if (c != (open == '{' ? '}' : ']')) {
			return fail(in, open == '{' ? "after object key:value pair"
						    : "after array element");
		}
		in->at++;
		in->open.len--;
		new_line(in, in->open.len);
		kt_buf_addc(&in->out, c);
	}
	return 0;
}

static int run_indent(indenter *in)
{
	int more;

	do {
		if (descend(in) < 0) {
			return -1;
		}
		more = ascend(in);
	} while (more > 0);
	if (more < 0) {
		return -1;
	}
	/* Trailing space stays. */
	size_t end = in->at;
	skip_space(in);
	if (in->at < in->text.len) {
		return fail(in, "after top-level value");
	}
	kt_buf_add(&in->out, in->text.data + end, in->at - end);
	return 0;
}

kt_val kt_json_indent(kt_sthread *t, const kt_args *a)
{
	static const kt_param style_params[] = {
		{"prefix", KT_ARG_STRING, true, false},
		{"indent", KT_ARG_STRING, true, false},
	};
	static const kt_param text_param[] = {{"x", KT_ARG_STRING, false, false}};
	kt_args words = *a;
	kt_args positions = *a;
	kt_val style[2];
	kt_val text;

	words.npos = 0;
	positions.nkw = 0;
	if (kt_args_unpack(t, a->row->name, KT_ARGS_NAMED, style_params, 2, &words, style) < 0 ||
	    kt_args_unpack(t, a->row->name, KT_ARGS_POS, text_param, 1, &positions, &text) < 0) {
		return KT_NULL;
	}
	indenter in = {
		.t = t,
		.text = kt_text_of(text),
		.prefix = style[0] == KT_NULL ? (kt_text){"", 0} : kt_text_of(style[0]),
		.unit = style[1] == KT_NULL ? (kt_text){"\t", 1} : kt_text_of(style[1]),
	};
	kt_val result = run_indent(&in) < 0 ? KT_NULL : kt_str_from_buf(t, &in.out);
	kt_buf_deinit(&in.out);
	kt_vec_deinit(&in.open);
	return result;
}
