/* ${VARIABLES} in compose files. */
#include "package/compose_internal.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>

enum { NESTING_MAX = 32 };

typedef struct expander {
	const kt_map *vars;
	const char *text; /* whole, for messages */
	const char *place;
	kt_err *err;
} expander;

static int expand(const expander *e, const char *p, const char *end, int depth, kt_buf *out);

static int bad_text(const expander *e)
{
	return KT_FAIL(e->err, INVALID,
		       "invalid interpolation format for %s: \"%s\". You may need to escape any $ "
		       "with another $",
		       e->place, e->text);
}

static size_t name_len(const char *p, const char *end)
{
	const char *start = p;
	if (p < end && (*p == '_' || isalpha((unsigned char)*p))) {
		while (p < end && (*p == '_' || isalnum((unsigned char)*p))) {
			p++;
		}
	}
	return (size_t)(p - start);
}

/* The brace that closes the one before p; NULL when there is none. */
static const char *closing(const char *p, const char *end)
{
	int open = 1;
	for (; p < end; p++) {
		if (*p == '$' && p + 1 < end && p[1] == '{') {
			open++;
			p++;
		} else if (*p == '}' && --open == 0) {
			return p;
		}
	}
	return NULL;
}

static int missing(const expander *e, const char *name, const char *p, const char *end, int depth)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (expand(e, p, end, depth, &text) < 0) {
		return -1;
	}
	return KT_FAIL(e->err, INVALID, "%s: required variable %s is missing a value%s%s", e->place,
		       name, text.len > 0 ? ": " : "", kt_buf_str(&text));
}

/* What stands between the braces: NAME, or NAME, an operator and a text. */
static int expand_braces(const expander *e, const char *p, const char *end, int depth, kt_buf *out)
{
	size_t len = name_len(p, end);
	KT_AUTO_FREE char *name = kt_strndup(p, len);
	if (name == NULL) {
		return kt_err_nomem(e->err);
	}
	p += len;
	bool colon = p < end && *p == ':';
	p += colon;
	char op = p < end ? *p : '\0';
	if (len == 0 || (op == '\0' ? colon : strchr("-?+", op) == NULL)) {
		return bad_text(e);
	}
	const char *value = kt_map_get(e->vars, name);
	bool set = value != NULL && (!colon || value[0] != '\0');
	if (op == '\0') {
		kt_buf_adds(out, kt_str_or(value, ""));
		return 0;
	}
	p++;
	if (op == '+') {
		return set ? expand(e, p, end, depth, out) : 0;
	}
	if (set) {
		kt_buf_adds(out, value);
		return 0;
	}
	return op == '-' ? expand(e, p, end, depth, out) : missing(e, name, p, end, depth);
}

static int expand_plain(const expander *e, const char *p, size_t len, kt_buf *out)
{
	KT_AUTO_FREE char *name = kt_strndup(p, len);
	if (name == NULL) {
		return kt_err_nomem(e->err);
	}
	kt_buf_adds(out, kt_str_or(kt_map_get(e->vars, name), ""));
	return 0;
}

static int expand(const expander *e, const char *p, const char *end, int depth, kt_buf *out)
{
	if (depth > NESTING_MAX) {
		return bad_text(e);
	}
	while (p < end) {
		if (*p != '$') {
			kt_buf_addc(out, *p++);
			continue;
		}
		p++;
		size_t len = name_len(p, end);
		if (p < end && *p == '$') {
			kt_buf_addc(out, '$');
			p++;
		} else if (p < end && *p == '{') {
			const char *close = closing(p + 1, end);
			if (close == NULL) {
				return bad_text(e);
			}
			if (expand_braces(e, p + 1, close, depth + 1, out) < 0) {
				return -1;
			}
			p = close + 1;
		} else if (len > 0) {
			if (expand_plain(e, p, len, out) < 0) {
				return -1;
			}
			p += len;
		} else {
			return bad_text(e);
		}
	}
	return 0;
}

int kt_compose_expand(const char *text, const kt_map *vars, const char *place, kt_buf *out,
		      kt_err *err)
{
	expander e = {vars, text, place, err};
	if (expand(&e, text, text + strlen(text), 0, out) < 0) {
		return -1;
	}
	return kt_buf_check(out, err);
}

static json_t *expand_item(const json_t *item, const kt_map *vars, char *place, kt_err *err)
{
	json_t *done = place == NULL ? NULL : kt_compose_expand_tree(item, vars, place, err);
	if (place == NULL) {
		kt_err_nomem(err);
	}
	kt_free(place);
	return done;
}

static json_t *expand_object(const json_t *tree, const kt_map *vars, const char *place, kt_err *err)
{
	KT_AUTO_JSON json_t *ret = json_object();
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)(uintptr_t)tree, key, item)
	{
		char *inner = kt_asprintf("%s%s%s", place, place[0] != '\0' ? "." : "", key);
		json_t *done = expand_item(item, vars, inner, err);
		if (done == NULL) {
			return NULL;
		}
		if (ret == NULL || json_object_set_new(ret, key, done) < 0) {
			kt_err_nomem(err);
			return NULL;
		}
	}
	return json_incref(ret);
}

static json_t *expand_array(const json_t *tree, const kt_map *vars, const char *place, kt_err *err)
{
	KT_AUTO_JSON json_t *ret = json_array();
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t)tree, i, item)
	{
		json_t *done = expand_item(item, vars, kt_asprintf("%s[%zu]", place, i), err);
		if (done == NULL) {
			return NULL;
		}
		if (ret == NULL || json_array_append_new(ret, done) < 0) {
			kt_err_nomem(err);
			return NULL;
		}
	}
	return json_incref(ret);
}

json_t *kt_compose_expand_tree(const json_t *tree, const kt_map *vars, const char *place,
			       kt_err *err)
{
	if (json_is_object(tree)) {
		return expand_object(tree, vars, place, err);
	}
	if (json_is_array(tree)) {
		return expand_array(tree, vars, place, err);
	}
	if (!json_is_string(tree)) {
		return json_incref((json_t *)(uintptr_t)tree);
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_compose_expand(json_string_value(tree), vars, place, &text, err) < 0) {
		return NULL;
	}
	json_t *ret = json_string(kt_buf_str(&text));
	if (ret == NULL) {
		kt_err_nomem(err);
	}
	return ret;
}
