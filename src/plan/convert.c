/* From Starlark values to plain C: texts, lists, maps, durations, values. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- the arena ------------------------------------------------------------ */

char *keep(interp *in, kt_sthread *t, const char *text, size_t len)
{
	char *copy = kt_arena_strndup(in->arena, text, len);
	if (copy == NULL) {
		kt_star_raise_nomem(t);
	}
	return copy;
}

char *keepz(interp *in, kt_sthread *t, const char *text)
{
	return keep(in, t, text, strlen(text));
}

char *keepf(interp *in, kt_sthread *t, const char *fmt, ...)
{
	char small[256];
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len < sizeof(small)) {
		return keep(in, t, small, len < 0 ? 0 : (size_t)len);
	}
	char *text = kt_arena_alloc(in->arena, (size_t)len + 1);
	if (text == NULL) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	va_start(args, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, args);
	va_end(args);
	return text;
}

char *keep_buf(interp *in, kt_sthread *t, kt_buf *buf)
{
	if (kt_buf_check(buf, NULL) < 0) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	return keep(in, t, kt_buf_str(buf), buf->len);
}

static void *array_of(conv *c, size_t n, size_t size)
{
	void *items = kt_arena_alloc(c->arena, kt_arena_product(KT_MAX(n, (size_t)1), size));
	if (items == NULL) {
		kt_star_raise_nomem(c->t);
	}
	return items;
}

/* --- texts ---------------------------------------------------------------- */

int conv_str(conv *c, kt_val v, const char *name, const char *fallback, const char **ret)
{
	if (v == KT_NULL) {
		*ret = fallback;
		return 0;
	}
	size_t len;
	const char *text = kt_string_get(v, &len);
	if (text == NULL) {
		return kt_star_fail(c->t, "'%s' is expected to be a string. Got %s", name,
				    go_type(v));
	}
	*ret = keep(c->in, c->t, text, len);
	return *ret == NULL ? -1 : 0;
}

int conv_strs(conv *c, kt_val v, const char *name, kt_plan_strs *ret)
{
	*ret = (kt_plan_strs){NULL, 0};
	if (v == KT_NULL) {
		return 0;
	}
	kt_kind kind = kt_val_kind(v);
	if (kind != KT_KIND_LIST && kind != KT_KIND_TUPLE) {
		return kt_star_fail(c->t, "'%s' argument is expected to be an iterable. Got %s", name,
				    go_type(v));
	}
	size_t n;
	const kt_val *items = kt_seq_items(v, &n);
	const char **texts = array_of(c, n, sizeof(*texts));
	if (texts == NULL) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		KT_AUTO_FREE char *item_name = kt_asprintf("%s[%zu]", name, i);
		if (item_name == NULL) {
			kt_star_raise_nomem(c->t);
			return -1;
		}
		if (conv_str(c, items[i], item_name, NULL, &texts[i]) < 0) {
			return -1;
		}
	}
	*ret = (kt_plan_strs){texts, n};
	return 0;
}

static int conv_pair(conv *c, const char *name, kt_val key, kt_val value, kt_plan_pair *ret)
{
	KT_AUTO_BUF kt_buf key_name = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf value_name = KT_BUF_INIT;
	kt_buf_addf(&key_name, "%s.key:", name);
	if (kt_val_str(c->t, key, &key_name) < 0 ||
	    conv_str(c, key, kt_buf_str(&key_name), NULL, &ret->key) < 0) {
		return -1;
	}
	kt_buf_addf(&value_name, "%s[\"%s\"]", name, ret->key);
	return conv_str(c, value, kt_buf_str(&value_name), NULL, &ret->value);
}

int conv_pairs(conv *c, kt_val v, const char *name, kt_plan_pairs *ret)
{
	*ret = (kt_plan_pairs){NULL, 0};
	if (v == KT_NULL) {
		return 0;
	}
	if (kt_val_kind(v) != KT_KIND_DICT) {
		return kt_star_fail(c->t, "'%s' argument is expected to be a dict. Got %s", name,
				    go_type(v));
	}
	kt_plan_pair *pairs = array_of(c, kt_val_len(v), sizeof(*pairs));
	if (pairs == NULL) {
		return -1;
	}
	size_t n = 0;
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value); n++) {
		if (conv_pair(c, name, key, value, &pairs[n]) < 0) {
			return -1;
		}
	}
	*ret = (kt_plan_pairs){pairs, n};
	return 0;
}

/* --- numbers -------------------------------------------------------------- */

bool conv_bool(kt_val v, bool fallback)
{
	return v == KT_NULL ? fallback : v == KT_TRUE;
}

/* "[0 1]", as Go prints a slice. */
static void add_go_codes(kt_buf *out, const int64_t *codes, size_t n)
{
	kt_buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		kt_buf_addf(out, "%s%lld", i > 0 ? " " : "", (long long)codes[i]);
	}
	kt_buf_addc(out, ']');
}

static int bad_code(conv *c, kt_val list, kt_val item, const int64_t *fallback, size_t n)
{
	KT_AUTO_BUF kt_buf codes = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf item_text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf list_text = KT_BUF_INIT;
	add_go_codes(&codes, fallback, n);
	if (kt_val_repr(c->t, item, &item_text) < 0 || kt_val_repr(c->t, list, &list_text) < 0) {
		return -1;
	}
	return kt_star_fail(c->t,
			    "Unable to parse '%s' argument" CAUSED_BY
			    "An error occurred when casting element '%s' from slice '%s' to integer",
			    kt_buf_str(&codes), kt_buf_str(&item_text), kt_buf_str(&list_text));
}

int conv_codes(conv *c, kt_val v, const char *name, const int64_t *fallback, size_t n_fallback,
	       kt_plan_ints *ret)
{
	(void)name;
	size_t n = n_fallback;
	const kt_val *items = v == KT_NULL ? NULL : kt_seq_items(v, &n);
	n = v != KT_NULL && items == NULL ? 0 : n;
	int64_t *codes = array_of(c, n, sizeof(*codes));
	if (codes == NULL) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (items == NULL) {
			codes[i] = fallback[i];
		} else if (kt_val_kind(items[i]) != KT_KIND_INT ||
			   !kt_int_get(items[i], &codes[i])) {
			return bad_code(c, v, items[i], fallback, n_fallback);
		}
	}
	*ret = (kt_plan_ints){codes, n};
	return 0;
}

int conv_duration(conv *c, kt_val v, const char *what, int64_t fallback, int64_t *ret_ns)
{
	*ret_ns = fallback;
	if (v == KT_NULL) {
		return 0;
	}
	if (v == KT_NONE) {
		*ret_ns = KT_PLAN_NO_WAIT;
		return 0;
	}
	const char *text = kt_string_get(v, NULL);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (text != NULL && kt_duration_parse(text, ret_ns, &err) < 0) {
		return kt_star_fail(c->t,
				    "An error occurred when parsing %s '%s'" CAUSED_BY "%s", what,
				    text, kt_err_root(&err));
	}
	return 0;
}

/* --- values --------------------------------------------------------------- */

static int conv_text_of(conv *c, kt_val v, kt_pval_kind kind, kt_pval *ret)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_val_str(c->t, v, &text) < 0) {
		return -1;
	}
	ret->kind = kind;
	ret->text_len = text.len;
	ret->text = keep_buf(c->in, c->t, &text);
	ret->type = keepz(c->in, c->t, kt_val_type_name(v));
	return ret->text == NULL || ret->type == NULL ? -1 : 0;
}

static int conv_sequence(conv *c, kt_val v, kt_pval_kind kind, kt_pval *ret)
{
	size_t n;
	const kt_val *from = kt_seq_items(v, &n);
	n = from == NULL ? 0 : n;
	kt_pval *items = array_of(c, n, sizeof(*items));
	if (items == NULL) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (conv_pval(c, from[i], &items[i]) < 0) {
			return -1;
		}
	}
	ret->kind = kind;
	ret->items = items;
	ret->len = n;
	return 0;
}

static int conv_dict(conv *c, kt_val v, kt_pval *ret)
{
	size_t n = kt_val_len(v);
	kt_pval *keys = array_of(c, n, sizeof(*keys));
	kt_pval *items = array_of(c, n, sizeof(*items));
	if (keys == NULL || items == NULL) {
		return -1;
	}
	size_t i = 0;
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value); i++) {
		if (conv_pval(c, key, &keys[i]) < 0 || conv_pval(c, value, &items[i]) < 0) {
			return -1;
		}
	}
	*ret = (kt_pval){.kind = KT_PVAL_DICT, .keys = keys, .items = items, .len = n};
	return 0;
}

int conv_pval(conv *c, kt_val v, kt_pval *ret)
{
	*ret = (kt_pval){.kind = KT_PVAL_NONE};
	size_t len;
	switch (kt_val_kind(v)) {
	case KT_KIND_NONE:
		return 0;
	case KT_KIND_BOOL:
		ret->kind = KT_PVAL_BOOL;
		ret->boolean = v == KT_TRUE;
		return 0;
	case KT_KIND_INT:
		if (!kt_int_get(v, &ret->integer)) {
			return conv_text_of(c, v, KT_PVAL_BIGINT, ret);
		}
		ret->kind = KT_PVAL_INT;
		return 0;
	case KT_KIND_FLOAT:
		ret->kind = KT_PVAL_FLOAT;
		kt_float_get(v, &ret->real);
		return 0;
	case KT_KIND_STRING: {
		const char *text = kt_string_get(v, &len);
		ret->kind = KT_PVAL_STRING;
		ret->text = keep(c->in, c->t, text, len);
		ret->text_len = len;
		return ret->text == NULL ? -1 : 0;
	}
	case KT_KIND_LIST:
		return conv_sequence(c, v, KT_PVAL_LIST, ret);
	case KT_KIND_TUPLE:
		return conv_sequence(c, v, KT_PVAL_TUPLE, ret);
	case KT_KIND_DICT:
		return conv_dict(c, v, ret);
	default:
		return conv_text_of(c, v, KT_PVAL_OTHER, ret);
	}
}

/* --- placeholders --------------------------------------------------------- */

kt_val ref_value(kt_sthread *t, const char *uuid, const char *field)
{
	return kt_string_newf(t, "{{kurtosis:%s:%s.runtime_value}}", uuid, field);
}

const char *new_ref_uuid(interp *in, kt_sthread *t)
{
	return keepz(in, t, kt_uuid_random().text);
}
