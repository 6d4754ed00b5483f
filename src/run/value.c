/* Run-time values: construction, and the tagged JSON form in which they are stored. */
#include "run/value.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values nest as deep as jq built them; deeper ones are not stored. */
#define MAX_DEPTH 200

kt_pval kt_pval_none(void)
{
	return (kt_pval){.kind = KT_PVAL_NONE};
}

kt_pval kt_pval_int(int64_t value)
{
	return (kt_pval){.kind = KT_PVAL_INT, .integer = value};
}

kt_pval kt_pval_bool(bool value)
{
	return (kt_pval){.kind = KT_PVAL_BOOL, .boolean = value};
}

kt_pval kt_pval_float(double value)
{
	return (kt_pval){.kind = KT_PVAL_FLOAT, .real = value};
}

kt_pval kt_pval_str_borrow(const char *data, size_t len)
{
	return (kt_pval){.kind = KT_PVAL_STRING, .text = data, .text_len = len};
}

int kt_pval_str_copy(kt_arena *arena, const char *data, size_t len, kt_pval *ret, kt_err *err)
{
	char *copy = kt_arena_alloc(arena, len + 1);

	if (copy == NULL) {
		return kt_err_nomem(err);
	}
	if (len > 0) {
		memcpy(copy, data, len);
	}
	copy[len] = '\0';
	*ret = kt_pval_str_borrow(copy, len);
	return 0;
}

/*
 * Stored form: null, true, {"i":"12"}, {"b":"9…"}, {"f":"0x1p-3"}, {"s":"text"},
 * {"x":"hex of bytes that are no UTF-8"}, {"l":[…]}, {"t":[…]}, {"d":[[k,v],…]}.
 */
static json_t *to_json(const kt_pval *value, int depth);

static json_t *string_to_json(const kt_pval *value)
{
	json_t *text = json_stringn(value->text, value->text_len); /* NULL unless UTF-8 */

	if (text != NULL) {
		return json_pack("{s:o}", "s", text);
	}
	char *hex = kt_malloc(value->text_len * 2 + 1);
	if (hex == NULL) {
		return NULL;
	}
	kt_hex(value->text, value->text_len, hex);
	json_t *ret = json_pack("{s:s}", "x", hex);
	kt_free(hex);
	return ret;
}

static json_t *list_to_json(const kt_pval *value, int depth)
{
	json_t *array = json_array();

	for (size_t i = 0; i < value->len; i++) {
		json_t *item = to_json(&value->items[i], depth + 1);
		if (item == NULL || json_array_append_new(array, item) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return json_pack("{s:o}", value->kind == KT_PVAL_LIST ? "l" : "t", array);
}

static json_t *dict_to_json(const kt_pval *value, int depth)
{
	json_t *array = json_array();

	for (size_t i = 0; i < value->len; i++) {
		json_t *key = to_json(&value->keys[i], depth + 1);
		json_t *item = to_json(&value->items[i], depth + 1);
		json_t *pair = key != NULL && item != NULL ? json_pack("[OO]", key, item) : NULL;
		json_decref(key);
		json_decref(item);
		if (pair == NULL || json_array_append_new(array, pair) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return json_pack("{s:o}", "d", array);
}

static json_t *to_json(const kt_pval *value, int depth)
{
	char text[64];

	if (depth > MAX_DEPTH) {
		return NULL;
	}
	switch (value->kind) {
	case KT_PVAL_NONE:
		return json_null();
	case KT_PVAL_BOOL:
		return json_boolean(value->boolean);
	case KT_PVAL_INT:
		snprintf(text, sizeof(text), "%lld", (long long)value->integer);
		return json_pack("{s:s}", "i", text);
	case KT_PVAL_BIGINT:
		return json_pack("{s:s%}", "b", value->text, value->text_len);
	case KT_PVAL_FLOAT:
		snprintf(text, sizeof(text), "%a", value->real);
		return json_pack("{s:s}", "f", text);
	case KT_PVAL_STRING:
		return string_to_json(value);
	case KT_PVAL_LIST:
	case KT_PVAL_TUPLE:
		return list_to_json(value, depth);
	case KT_PVAL_DICT:
		return dict_to_json(value, depth);
	case KT_PVAL_OTHER:
		break;
	}
	return NULL;
}

int kt_pval_encode(kt_buf *buf, const kt_pval *value, kt_err *err)
{
	KT_AUTO_JSON json_t *json = to_json(value, 0);

	if (json == NULL) {
		return KT_FAIL(err, EXHAUSTED,
		               "a value is too large or nests too deeply to be stored");
	}
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	kt_buf_adds(buf, text);
	free(text);
	return kt_buf_check(buf, err);
}

static int from_json(kt_arena *arena, const json_t *json, kt_pval *ret, kt_err *err);

static int corrupt(kt_err *err)
{
	return KT_FAIL(err, CORRUPT, "a stored runtime value has an unknown form");
}

static int list_from_json(kt_arena *arena, kt_pval_kind kind, const json_t *array, kt_pval *ret,
                          kt_err *err)
{
	size_t n = json_array_size(array);
	kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, n + 1);

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (from_json(arena, json_array_get(array, i), &items[i], err) < 0) {
			return -1;
		}
	}
	*ret = (kt_pval){.kind = kind, .items = items, .len = n};
	return 0;
}

static int dict_from_json(kt_arena *arena, const json_t *array, kt_pval *ret, kt_err *err)
{
	size_t n = json_array_size(array);
	kt_pval *keys = KT_ARENA_ARRAY(arena, kt_pval, n + 1);
	kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, n + 1);

	if (keys == NULL || items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *pair = json_array_get(array, i);
		if (json_array_size(pair) != 2) {
			return corrupt(err);
		}
		if (from_json(arena, json_array_get(pair, 0), &keys[i], err) < 0 ||
		    from_json(arena, json_array_get(pair, 1), &items[i], err) < 0) {
			return -1;
		}
	}
	*ret = (kt_pval){.kind = KT_PVAL_DICT, .keys = keys, .items = items, .len = n};
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_from_json(kt_arena *arena, const char *hex, kt_pval *ret, kt_err *err)
{
	size_t len = strlen(hex);
	char *data = kt_arena_alloc(arena, len / 2 + 1);

	if (data == NULL) {
		return kt_err_nomem(err);
	}
	if (len % 2 != 0) {
		return corrupt(err);
	}
	for (size_t i = 0; i < len / 2; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0) {
			return corrupt(err);
		}
		data[i] = (char)(high * 16 + low);
	}
	*ret = kt_pval_str_borrow(data, len / 2);
	return 0;
}

static int tagged_from_json(kt_arena *arena, char tag, const json_t *body, kt_pval *ret,
                            kt_err *err)
{
	const char *text = json_string_value(body);
	int64_t number = 0;

	if (text == NULL && tag != 'l' && tag != 't' && tag != 'd') {
		return corrupt(err);
	}
	switch (tag) {
	case 'i':
		if (!kt_str_to_i64(text, INT64_MIN, INT64_MAX, &number)) {
			return corrupt(err);
		}
		*ret = kt_pval_int(number);
		return 0;
	case 'b':
		if (kt_pval_str_copy(arena, text, strlen(text), ret, err) < 0) {
			return -1;
		}
		ret->kind = KT_PVAL_BIGINT;
		return 0;
	case 'f':
		*ret = kt_pval_float(strtod(text, NULL));
		return 0;
	case 's':
		return kt_pval_str_copy(arena, text, json_string_length(body), ret, err);
	case 'x':
		return hex_from_json(arena, text, ret, err);
	case 'l':
		return list_from_json(arena, KT_PVAL_LIST, body, ret, err);
	case 't':
		return list_from_json(arena, KT_PVAL_TUPLE, body, ret, err);
	case 'd':
		return dict_from_json(arena, body, ret, err);
	default:
		return corrupt(err);
	}
}

static int from_json(kt_arena *arena, const json_t *json, kt_pval *ret, kt_err *err)
{
	if (json_is_null(json)) {
		*ret = kt_pval_none();
		return 0;
	}
	if (json_is_boolean(json)) {
		*ret = kt_pval_bool(json_is_true(json));
		return 0;
	}
	void *member = json_is_object(json) ? json_object_iter((json_t *)(uintptr_t)json) : NULL;
	if (member == NULL) {
		return corrupt(err);
	}
	return tagged_from_json(arena, json_object_iter_key(member)[0],
	                        json_object_iter_value(member), ret, err);
}

int kt_pval_decode(kt_arena *arena, const char *text, size_t len, kt_pval *ret, kt_err *err)
{
	json_error_t where;
	KT_AUTO_JSON json_t *json = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);

	if (json == NULL) {
		return KT_FAIL(err, CORRUPT, "a stored runtime value cannot be read: %s",
		               where.text);
	}
	return from_json(arena, json, ret, err);
}
