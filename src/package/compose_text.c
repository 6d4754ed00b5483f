/* Small languages inside compose files: dotenv, command lines, sizes, durations, names. */
#include "package/compose_internal.h"

#include "base/num.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

/* --- dotenv --------------------------------------------------------------- */

typedef struct env_reader {
	const char *p, *end;
	const char *where;
	size_t line;
	bool expand;
	kt_map *out;
	kt_err *err;
} env_reader;

static int env_fail(const env_reader *r, const char *what)
{
	return KT_FAIL(r->err, INVALID, "line %zu of '%s': %s", r->line, r->where, what);
}

static bool is_name_start(char c)
{
	return c == '_' || isalpha((unsigned char)c);
}

static bool is_name(char c)
{
	return c == '_' || c == '.' || c == '-' || isalnum((unsigned char)c);
}

/* r->p stands behind the '$'. */
static void expand_name(env_reader *r, kt_buf *value)
{
	bool braces = r->p < r->end && *r->p == '{';
	const char *start = r->p + braces;
	const char *p = start;
	while (p < r->end && (*p == '_' || isalnum((unsigned char)*p))) {
		p++;
	}
	if (p == start || !is_name_start(*start) || (braces && (p == r->end || *p != '}'))) {
		kt_buf_addc(value, '$');
		return;
	}
	KT_AUTO_FREE char *name = kt_strndup(start, (size_t)(p - start));
	if (name == NULL) {
		value->failed = true;
		return;
	}
	const char *known = kt_map_get(r->out, name);
	kt_buf_adds(value, kt_str_or(known, ""));
	r->p = p + braces;
}

static int read_quoted(env_reader *r, kt_buf *value)
{
	char quote = *r->p++;
	while (r->p < r->end && *r->p != quote) {
		char c = *r->p++;
		if (c == '\n') {
			r->line++;
		}
		if (quote == '"' && c == '\\' && r->p < r->end) {
			c = *r->p++;
			kt_buf_addc(value, c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
		} else if (quote == '"' && c == '$' && r->expand) {
			expand_name(r, value);
		} else {
			kt_buf_addc(value, c);
		}
	}
	if (r->p == r->end) {
		return env_fail(r, "a quoted value does not end");
	}
	r->p++;
	while (r->p < r->end && *r->p != '\n') {
		if (*r->p == '#') {
			r->p += strcspn(r->p, "\n");
			break;
		}
		if (!isspace((unsigned char)*r->p)) {
			return env_fail(r, "there is text behind a quoted value");
		}
		r->p++;
	}
	return 0;
}

static void read_plain(env_reader *r, kt_buf *value)
{
	while (r->p < r->end && *r->p != '\n') {
		if (*r->p == '#' && (value->len == 0 || isspace((unsigned char)r->p[-1]))) {
			r->p += strcspn(r->p, "\n");
			break;
		}
		char c = *r->p++;
		if (c == '$' && r->expand) {
			expand_name(r, value);
		} else {
			kt_buf_addc(value, c);
		}
	}
	while (value->len > 0 && isspace((unsigned char)value->data[value->len - 1])) {
		value->data[--value->len] = '\0';
	}
}

static void skip_blanks(env_reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r')) {
		r->p++;
	}
}

static int read_assignment(env_reader *r)
{
	if (strncmp(r->p, "export ", 7) == 0) {
		r->p += 7;
		skip_blanks(r);
	}
	const char *start = r->p;
	while (r->p < r->end && is_name(*r->p)) {
		r->p++;
	}
	KT_AUTO_FREE char *name = kt_strndup(start, (size_t)(r->p - start));
	KT_AUTO_BUF kt_buf value = KT_BUF_INIT;
	if (name == NULL) {
		return kt_err_nomem(r->err);
	}
	skip_blanks(r);
	bool named = name[0] != '\0' && r->p < r->end && (*r->p == '=' || *r->p == ':');
	if (!named) {
		return env_fail(r, "expected NAME=VALUE");
	}
	r->p++;
	skip_blanks(r);
	if (r->p < r->end && (*r->p == '"' || *r->p == '\'')) {
		if (read_quoted(r, &value) < 0) {
			return -1;
		}
	} else {
		read_plain(r, &value);
	}
	char *text = value.failed ? NULL : kt_strdup(kt_buf_str(&value));
	if (text == NULL || kt_map_set(r->out, name, text) < 0) {
		kt_free(text);
		return kt_err_nomem(r->err);
	}
	return 0;
}

int kt_compose_read_env(const char *text, size_t len, const char *where, bool expand, kt_map *ret,
			kt_err *err)
{
	env_reader r = {text, text + len, where, 1, expand, ret, err};
	if (strlen(text) != len) {
		return KT_FAIL(err, INVALID, "'%s' is not text", where);
	}
	if (kt_str_starts(text, "\xef\xbb\xbf")) {
		r.p += 3;
	}
	while (r.p < r.end) {
		skip_blanks(&r);
		if (r.p == r.end) {
			break;
		}
		if (*r.p == '#') {
			r.p += strcspn(r.p, "\n");
		} else if (*r.p != '\n' && read_assignment(&r) < 0) {
			return -1;
		}
		if (r.p < r.end) { /* at the end of the line */
			r.p++;
			r.line++;
		}
	}
	return 0;
}

/* --- command lines -------------------------------------------------------- */

int kt_compose_split_words(const char *text, const char *place, kt_strvec *ret, kt_err *err)
{
	const char *p = text;
	for (;;) {
		KT_AUTO_BUF kt_buf word = KT_BUF_INIT;
		char quote = '\0';
		p += strspn(p, " \t\r\n");
		if (*p == '\0') {
			return 0;
		}
		for (; *p != '\0' && (quote != '\0' || strchr(" \t\r\n", *p) == NULL); p++) {
			if (*p == '\\' && quote != '\'' && p[1] != '\0') {
				kt_buf_addc(&word, *++p);
			} else if (quote == '\0' && (*p == '\'' || *p == '"')) {
				quote = *p;
			} else if (quote != '\0' && *p == quote) {
				quote = '\0';
			} else {
				kt_buf_addc(&word, *p);
			}
		}
		if (quote != '\0') {
			return KT_FAIL(err, INVALID, "%s: a quoted word does not end: %s", place,
				       text);
		}
		if (word.failed || kt_strvec_add(ret, kt_buf_str(&word)) < 0) {
			return kt_err_nomem(err);
		}
	}
}

/* --- sizes, durations, names ---------------------------------------------- */

/* The number at the start of text; *ret_rest is what follows. */
static bool leading_number(const char *text, double *ret, const char **ret_rest)
{
	size_t len = strspn(text, "0123456789.");
	*ret_rest = text + len;
	return len > 0 && kt_num_parse_float(text, len, ret) == KT_NUM_OK;
}

bool kt_compose_parse_bytes(const char *text, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	const char *rest;
	double number;
	if (!leading_number(text, &number, &rest)) {
		return false;
	}
	rest += strspn(rest, " ");
	if (*rest != '\0') {
		const char *unit = strchr(units, tolower((unsigned char)*rest));
		if (unit == NULL) {
			return false;
		}
		for (const char *u = units; u < unit; u++) {
			number *= 1024;
		}
		bool bytes = *unit == 'b';
		rest++;
		if (!bytes && (*rest == 'i' || *rest == 'I') &&
		    tolower((unsigned char)rest[1]) == 'b') {
			rest++;
		}
		if (!bytes && tolower((unsigned char)*rest) == 'b') {
			rest++;
		}
	}
	if (*rest != '\0' || number > 9e18) {
		return false;
	}
	*ret = (int64_t)number;
	return true;
}

bool kt_compose_parse_duration(const char *text, int64_t *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {
		{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6},
	};
	double total = 0;
	if (kt_str_eq(text, "0")) {
		*ret_ms = 0;
		return true;
	}
	if (*text == '\0') {
		return false;
	}
	while (*text != '\0') {
		double number;
		size_t i = 0;
		if (!leading_number(text, &number, &text)) {
			return false;
		}
		size_t len = strspn(text, "numsh");
		for (; i < KT_ARRAY_LEN(units); i++) {
			/* "1m30s": a unit ends where the next number begins */
			if (strlen(units[i].name) == len &&
			    strncmp(text, units[i].name, len) == 0) {
				break;
			}
		}
		if (i == KT_ARRAY_LEN(units)) {
			return false;
		}
		total += number * units[i].ms;
		text += len;
	}
	if (total > 9e15) {
		return false;
	}
	*ret_ms = (int64_t)total;
	return true;
}

char *kt_compose_service_name(const char *text)
{
	KT_AUTO_BUF kt_buf name = KT_BUF_INIT;
	text += strspn(text, " \t\r\n");
	for (; *text != '\0'; text++) {
		char c = (char)tolower((unsigned char)*text);
		bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (good) {
			kt_buf_addc(&name, c);
		} else if (name.len > 0 && name.data[name.len - 1] != '-') {
			kt_buf_addc(&name, '-');
		}
	}
	while (name.len > 0 && name.data[name.len - 1] == '-') {
		name.data[--name.len] = '\0';
	}
	return name.failed ? NULL : kt_strdup(kt_buf_str(&name));
}
