/*
 * A recursive walk over the text: each level first measures its elements (how many there are and
 * where they end), then prints them. Nothing is allocated but the output.
 */
#include "cli/pretty.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 100
#define INDENT 4

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
		p++;
	}
	return p;
}

/* The end of a string literal that starts at p; NULL when it is not closed. */
static const char *string_end(const char *p)
{
	char quote = *p;
	if (p[1] == quote && p[2] == quote) {
		for (p += 3; *p != '\0'; p++) {
			if (p[0] == '\\' && p[1] != '\0') {
				p++;
			} else if (p[0] == quote && p[1] == quote && p[2] == quote) {
				return p + 3;
			}
		}
		return NULL;
	}
	for (p++; *p != '\0'; p++) {
		if (p[0] == '\\' && p[1] != '\0') {
			p++;
		} else if (*p == quote) {
			return p + 1;
		}
	}
	return NULL;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '+' || c == '-' ||
	       (unsigned char)c >= 0x80;
}

static char closing(char open)
{
	return (char)(open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : '\0');
}

/*
 * Where the element at p ends: at a comma, a closing bracket or the end of the text, outside of
 * strings and brackets. NULL when brackets or strings do not close.
 */
static const char *element_end(const char *p)
{
	char open[DEPTH_MAX];
	size_t depth = 0;
	while (*p != '\0') {
		if (*p == '"' || *p == '\'') {
			p = string_end(p);
			if (p == NULL) {
				return NULL;
			}
			continue;
		}
		if (closing(*p) != '\0') {
			if (depth == DEPTH_MAX) {
				return NULL;
			}
			open[depth++] = closing(*p);
		} else if (depth > 0 && *p == open[depth - 1]) {
			depth--;
		} else if (strchr(")]}", *p) != NULL || (*p == ',' && depth == 0)) {
			return depth == 0 ? p : NULL;
		}
		p++;
	}
	return depth == 0 ? p : NULL;
}

/* How many elements follow up to the bracket that closes; -1 when it is missing. */
static int count_elements(const char *p, char close)
{
	int count = 0;
	for (;;) {
		p = skip_blanks(p);
		if (*p == close) {
			return count;
		}
		p = element_end(p);
		if (p == NULL || *p == '\0') {
			return -1;
		}
		count++;
		if (*p == ',') {
			p++;
		} else if (*p != close) {
			return -1;
		}
	}
}

static const char *print_value(const char *p, int indent, int depth, kt_buf *out);

/* "key: value", "key = value" or a value alone. */
static const char *print_element(const char *p, int indent, int depth, bool dict, kt_buf *out)
{
	p = print_value(p, indent, depth, out);
	if (p == NULL) {
		return NULL;
	}
	p = skip_blanks(p);
	if (dict && *p == ':') {
		kt_buf_adds(out, ": ");
	} else if (!dict && *p == '=') {
		kt_buf_adds(out, " = ");
	} else {
		return p;
	}
	return print_value(skip_blanks(p + 1), indent, depth, out);
}

/* What stands between brackets, from behind the opening to behind the closing one. */
static const char *print_bracket(const char *p, char open, bool call, int indent, int depth,
				 kt_buf *out)
{
	char close = closing(open);
	int count = count_elements(p, close);
	if (count < 0 || depth >= DEPTH_MAX) {
		return NULL;
	}
	bool tuple = open == '(' && !call;
	bool spread = count > 1 && !tuple;
	int inner = spread ? indent + INDENT : indent;
	kt_buf_addc(out, open);
	for (int i = 0; i < count; i++) {
		if (spread) {
			kt_buf_addf(out, "\n%*s", inner, "");
		} else if (i > 0) {
			kt_buf_adds(out, ", ");
		}
		p = print_element(skip_blanks(p), inner, depth + 1, open == '{', out);
		if (p == NULL) {
			return NULL;
		}
		p = skip_blanks(p);
		kt_buf_adds(out, spread ? "," : "");
		if (*p == ',') {
			p++;
		} else if (*p != close) {
			return NULL;
		}
	}
	if (tuple && count == 1) {
		kt_buf_addc(out, ',');
	}
	if (spread) {
		kt_buf_addf(out, "\n%*s", indent, "");
	}
	kt_buf_addc(out, close);
	return skip_blanks(p) + 1;
}

static const char *print_value(const char *p, int indent, int depth, kt_buf *out)
{
	p = skip_blanks(p);
	if (*p == '"' || *p == '\'') {
		const char *end = string_end(p);
		if (end != NULL) {
			kt_buf_add(out, p, (size_t)(end - p));
		}
		return end;
	}
	if (closing(*p) != '\0') {
		return print_bracket(p + 1, *p, false, indent, depth, out);
	}
	const char *start = p;
	while (is_word(*p)) {
		p++;
	}
	if (p == start) {
		return NULL;
	}
	kt_buf_add(out, start, (size_t)(p - start));
	return *p == '(' ? print_bracket(p + 1, '(', true, indent, depth, out) : p;
}

bool kt_pretty(const char *text, kt_buf *out)
{
	const char *end = print_value(text, 0, 0, out);
	return end != NULL && *skip_blanks(end) == '\0';
}
