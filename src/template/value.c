/* Values: made from JSON, asked for truth, type and members. */
#include "template/template_internal.h"

#include "base/num.h"
#include "base/stack.h"
#include "base/utf8.h"
#include "base/vec.h"

#define MAX_DEPTH 1000

bool kt_tval_truth(const kt_tmpl_val *v)
{
	switch (v->kind) {
	case KT_TMPL_BOOL:
		return v->b;
	case KT_TMPL_INT:
	case KT_TMPL_BYTE:
		return v->i != 0;
	case KT_TMPL_FLOAT:
		return v->f != 0;
	case KT_TMPL_COMPLEX:
		return v->c.re != 0 || v->c.im != 0;
	case KT_TMPL_STRING:
	case KT_TMPL_NUMBER:
		return v->s.len > 0;
	case KT_TMPL_LIST:
		return v->list.len > 0;
	case KT_TMPL_MAP:
		return v->map.len > 0;
	default:
		return false;
	}
}

const char *kt_tval_type(const kt_tmpl_val *v)
{
	switch (v->kind) {
	case KT_TMPL_BOOL:
		return "bool";
	case KT_TMPL_INT:
		return v->wide ? "int64" : "int";
	case KT_TMPL_BYTE:
		return "uint8";
	case KT_TMPL_FLOAT:
		return "float64";
	case KT_TMPL_COMPLEX:
		return "complex128";
	case KT_TMPL_STRING:
		return "string";
	case KT_TMPL_NUMBER:
		return "json.Number";
	case KT_TMPL_LIST:
		return "[]interface {}";
	case KT_TMPL_MAP:
		return "map[string]interface {}";
	default:
		return "interface {}";
	}
}

static int compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, KT_MIN(a_len, b_len));
	return order != 0 ? order : a_len < b_len ? -1 : a_len > b_len;
}

const kt_tmpl_val *kt_tval_get(const kt_tmpl_val *map, kt_ttext key)
{
	size_t low = 0;
	size_t high = map->map.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const kt_tmpl_entry *entry = &map->map.entries[middle];
		int order = compare_keys(entry->key, entry->key_len, key.data, key.len);
		if (order == 0) {
			return &entry->value;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

static int by_key(const void *a, const void *b)
{
	const kt_tmpl_entry *left = a;
	const kt_tmpl_entry *right = b;
	return compare_keys(left->key, left->key_len, right->key, right->key_len);
}

/* Keeps the order of equal keys, and is fast on what is sorted already. */
static void insert_entry(kt_tmpl_entry *entries, size_t i)
{
	kt_tmpl_entry entry = entries[i];

	for (; i > 0 && by_key(&entries[i - 1], &entry) > 0; i--) {
		entries[i] = entries[i - 1];
	}
	entries[i] = entry;
}

/* Above this qsort takes over; the C library's is a merge sort, stable as well. */
#define INSERT_MAX 64

void kt_tmpl_sort_entries(kt_tmpl_entry *entries, size_t len)
{
	if (len > INSERT_MAX) {
		qsort(entries, len, sizeof(*entries), by_key);
		return;
	}
	for (size_t i = 1; i < len; i++) {
		insert_entry(entries, i);
	}
}

/* How far a Go slice that grew to len by single appends reaches. */
static size_t grown_capacity(size_t len)
{
	size_t cap = 1;

	if (len == 0 || len > 256) {
		return len;
	}
	while (cap < len) {
		cap *= 2;
	}
	return cap;
}

kt_tmpl_val *kt_tval_new_list(kt_arena *arena, size_t len, kt_tmpl_val *ret)
{
	size_t cap = grown_capacity(len);
	kt_tmpl_val *items = KT_ARENA_ARRAY(arena, kt_tmpl_val, cap + 1);

	*ret = kt_tval(KT_TMPL_LIST);
	ret->list.items = items;
	ret->list.len = len;
	ret->list.cap = cap;
	return items;
}

/* ---- from jansson ---------------------------------------------------------------------- */

static int convert(kt_arena *arena, const json_t *json, unsigned depth, kt_tmpl_val *ret,
		   kt_err *err);

static int convert_number(kt_arena *arena, const json_t *json, kt_tmpl_val *ret, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (json_is_integer(json)) {
		kt_buf_add_i64(&text, json_integer_value(json));
	} else {
		kt_buf_add_json_float(&text, json_real_value(json));
	}
	char *kept = text.failed ? NULL : kt_arena_strndup(arena, kt_buf_str(&text), text.len);
	if (kept == NULL) {
		return kt_err_nomem(err);
	}
	*ret = kt_tval_text(KT_TMPL_NUMBER, (kt_ttext){kept, text.len});
	return 0;
}

static int convert_array(kt_arena *arena, const json_t *json, unsigned depth, kt_tmpl_val *ret,
			 kt_err *err)
{
	size_t n = json_array_size(json);
	kt_tmpl_val *items = kt_tval_new_list(arena, n, ret);

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (convert(arena, json_array_get(json, i), depth + 1, &items[i], err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int convert_object(kt_arena *arena, const json_t *json, unsigned depth, kt_tmpl_val *ret,
			  kt_err *err)
{
	kt_tmpl_entry *entries = KT_ARENA_ARRAY(arena, kt_tmpl_entry, json_object_size(json) + 1);
	/* jansson's iterator takes a mutable object but leaves it alone. */
	json_t *object = (json_t *)(uintptr_t)json;
	size_t n = 0;

	if (entries == NULL) {
		return kt_err_nomem(err);
	}
	for (void *at = json_object_iter(object); at != NULL;
	     at = json_object_iter_next(object, at)) {
		kt_tmpl_entry *entry = &entries[n++];
		entry->key = json_object_iter_key(at);
		entry->key_len = strlen(entry->key);
		if (convert(arena, json_object_iter_value(at), depth + 1, &entry->value, err) <
		    0) {
			return -1;
		}
	}
	kt_tmpl_sort_entries(entries, n);
	*ret = kt_tval(KT_TMPL_MAP);
	ret->map.entries = entries;
	ret->map.len = n;
	return 0;
}

static int too_deep(kt_err *err)
{
	return KT_FAIL(err, INVALID, "the template's data is nested too deeply");
}

static int convert(kt_arena *arena, const json_t *json, unsigned depth, kt_tmpl_val *ret,
		   kt_err *err)
{
	if (depth > MAX_DEPTH || kt_stack_low()) {
		return too_deep(err);
	}
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return convert_object(arena, json, depth, ret, err);
	case JSON_ARRAY:
		return convert_array(arena, json, depth, ret, err);
	case JSON_STRING:
		*ret = kt_tval_text(KT_TMPL_STRING, (kt_ttext){json_string_value(json),
							       json_string_length(json)});
		return 0;
	case JSON_INTEGER:
	case JSON_REAL:
		return convert_number(arena, json, ret, err);
	case JSON_TRUE:
	case JSON_FALSE:
		*ret = kt_tval(KT_TMPL_BOOL);
		ret->b = json_is_true(json);
		return 0;
	default:
		*ret = kt_tval(KT_TMPL_NIL);
		return 0;
	}
}

int kt_tmpl_from_json(kt_arena *arena, const json_t *json, kt_tmpl_val *ret, kt_err *err)
{
	return convert(arena, json, 0, ret, err);
}
