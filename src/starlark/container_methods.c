/* The methods of lists, dicts and sets. */
#include "starlark/string_methods.h"

#include "starlark/bigint.h"

/* Puts "METHOD: " in front of the message that is pending. Memory shortage stays as it is. */
static kt_val name_error(kt_sthread *t, const kt_args *a)
{
	const kt_star_error *error = kt_sthread_error(t);

	if (error == NULL || error->kind != KT_STAR_EVAL) {
		return KT_NULL;
	}
	KT_AUTO_FREE char *message = kt_strdup(error->msg);
	kt_sthread_clear_error(t);
	if (message == NULL) {
		return kt_star_raise_nomem(t);
	}
	return kt_star_raise(t, "%s: %s", a->row->name, message);
}

/* An index argument: clamped to [0, len]; negative values count from the end. */
static int bound(kt_sthread *t, const char *who, const char *which, kt_val v, size_t len,
		 size_t *ret)
{
	int64_t i;

	if (v == KT_NULL || v == KT_NONE) {
		return 0;
	}
	if (!kt_is_anyint(v)) {
		return kt_star_fail(t, "%s: invalid %s index: got %s, want int", who, which,
				    kt_val_type_name(v));
	}
	if (!kt_int_get(v, &i) || i < INT32_MIN || i > INT32_MAX) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		if (kt_int_text(t, v, 10, &shown) < 0 || !kt_message_ready(t, &shown)) {
			return -1;
		}
		return kt_star_fail(t, "%s: invalid %s index: %s out of range", who, which,
				    kt_buf_str(&shown));
	}
	if (i < 0) {
		i += (int64_t)len;
	}
	*ret = i < 0 ? 0 : KT_MIN((size_t)i, len);
	return 0;
}

int kt_slice_bounds_named(kt_sthread *t, const char *who, kt_val lo, kt_val hi, size_t len,
			  size_t *ret_lo, size_t *ret_hi)
{
	*ret_lo = 0;
	*ret_hi = len;
	if (bound(t, who, "start", lo, len, ret_lo) < 0) {
		return -1;
	}
	return bound(t, who, "end", hi, len, ret_hi);
}

/* ---- lists ------------------------------------------------------------------- */

static kt_val list_append(kt_sthread *t, const kt_args *a)
{
	kt_list *list = kt_as_list(a->self);

	if (kt_list_check_mutable(t, list, "append to") < 0) {
		return name_error(t, a);
	}
	return kt_list_push(t, list, a->v[0]) < 0 ? KT_NULL : KT_NONE;
}

static kt_val list_clear(kt_sthread *t, const kt_args *a)
{
	kt_list *list = kt_as_list(a->self);

	if (kt_list_check_mutable(t, list, "clear") < 0) {
		return name_error(t, a);
	}
	list->len = 0;
	return KT_NONE;
}

static kt_val list_extend(kt_sthread *t, const kt_args *a)
{
	if (kt_list_extend(t, kt_as_list(a->self), a->v[0], "extend") < 0) {
		return name_error(t, a);
	}
	return KT_NONE;
}

/* The position of an equal item in [start, end); -1 = error, list->len = none. */
static int64_t find_item(kt_sthread *t, const kt_args *a, size_t start, size_t end)
{
	const kt_list *list = kt_as_list(a->self);

	for (size_t i = start; i < end && i < list->len; i++) {
		bool equal;
		if (kt_val_equal(t, list->items[i], a->v[0], &equal) < 0) {
			(void)name_error(t, a);
			return -1;
		}
		if (equal) {
			return (int64_t)i;
		}
	}
	return list->len;
}

static kt_val list_index(kt_sthread *t, const kt_args *a)
{
	const kt_list *list = kt_as_list(a->self);
	size_t start;
	size_t end;

	if (kt_slice_bounds_named(t, a->row->name, a->v[1], a->v[2], list->len, &start, &end) < 0) {
		return KT_NULL;
	}
	int64_t at = find_item(t, a, start, end);
	if (at < 0) {
		return KT_NULL;
	}
	return at < (int64_t)list->len ? kt_int_new(t, at)
				       : kt_method_error(t, a, "value not in list");
}

static kt_val list_insert(kt_sthread *t, const kt_args *a)
{
	kt_list *list = kt_as_list(a->self);
	int64_t at;

	if (kt_list_check_mutable(t, list, "insert into") < 0) {
		return name_error(t, a);
	}
	if (!kt_int_get(a->v[0], &at)) {
		return KT_NULL;
	}
	if (at < 0) {
		at += (int64_t)list->len;
	}
	size_t slot = at < 0 ? 0 : KT_MIN((size_t)at, (size_t)list->len);
	if (kt_list_push(t, list, a->v[1]) < 0) {
		return KT_NULL;
	}
	memmove(list->items + slot + 1, list->items + slot,
		(list->len - 1 - slot) * sizeof(kt_val));
	list->items[slot] = a->v[1];
	return KT_NONE;
}

static void remove_item(kt_list *list, size_t at)
{
	memmove(list->items + at, list->items + at + 1, (list->len - 1 - at) * sizeof(kt_val));
	list->len--;
}

static kt_val list_remove(kt_sthread *t, const kt_args *a)
{
	kt_list *list = kt_as_list(a->self);

	if (kt_list_check_mutable(t, list, "remove from") < 0) {
		return name_error(t, a);
	}
	int64_t at = find_item(t, a, 0, list->len);
	if (at < 0) {
		return KT_NULL;
	}
	if (at == (int64_t)list->len) {
		return kt_method_error(t, a, "element not found");
	}
	remove_item(list, (size_t)at);
	return KT_NONE;
}

static kt_val list_pop(kt_sthread *t, const kt_args *a)
{
	kt_list *list = kt_as_list(a->self);
	int64_t len = list->len;
	int64_t asked = len - 1;

	if (a->v[0] != KT_NULL && !kt_int_get(a->v[0], &asked)) {
		return KT_NULL;
	}
	int64_t at = asked < 0 ? asked + len : asked;
	if (at < 0 || at >= len) {
		if (len == 0) {
			return kt_star_raise(t, "pop: index %lld out of range: empty list",
					     (long long)asked);
		}
		return kt_star_raise(t, "pop: list index %lld out of range [%lld:%lld]",
				     (long long)asked, (long long)-len, (long long)(len - 1));
	}
	if (kt_list_check_mutable(t, list, "pop from") < 0) {
		return name_error(t, a);
	}
	kt_val item = list->items[at];
	remove_item(list, (size_t)at);
	return item;
}

/* ---- dicts ------------------------------------------------------------------- */

static kt_val dict_clear(kt_sthread *t, const kt_args *a)
{
	return kt_dict_clear(t, kt_as_dict(a->self)) < 0 ? KT_NULL : KT_NONE;
}

static kt_val dict_get(kt_sthread *t, const kt_args *a)
{
	kt_val value;

	if (kt_dict_get(t, a->self, a->v[0], &value) < 0) {
		return name_error(t, a);
	}
	if (value != KT_NULL) {
		return value;
	}
	return a->v[1] != KT_NULL ? a->v[1] : KT_NONE;
}

typedef enum dict_part { KEYS, VALUES, ITEMS } dict_part;

static kt_val dict_list(kt_sthread *t, kt_val dict, dict_part part)
{
	kt_val list = kt_list_new(t, NULL, 0);
	kt_val pair[2];

	if (list == KT_NULL || kt_list_reserve(t, kt_as_list(list), kt_as_dict(dict)->len) < 0) {
		return KT_NULL;
	}
	for (size_t at = 0; kt_dict_next(dict, &at, &pair[0], &pair[1]);) {
		kt_val item = part == ITEMS ? kt_tuple_new(t, pair, 2) : pair[part];
		if (item == KT_NULL || kt_list_push(t, kt_as_list(list), item) < 0) {
			return KT_NULL;
		}
	}
	return list;
}

static kt_val dict_items(kt_sthread *t, const kt_args *a)
{
	return dict_list(t, a->self, ITEMS);
}

static kt_val dict_keys(kt_sthread *t, const kt_args *a)
{
	return dict_list(t, a->self, KEYS);
}

static kt_val dict_values(kt_sthread *t, const kt_args *a)
{
	return dict_list(t, a->self, VALUES);
}

static kt_val dict_pop(kt_sthread *t, const kt_args *a)
{
	kt_val value;

	if (kt_dict_remove(t, kt_as_dict(a->self), a->v[0], &value) < 0) {
		return name_error(t, a);
	}
	if (value != KT_NULL) {
		return value;
	}
	return a->v[1] != KT_NULL ? a->v[1] : kt_method_error(t, a, "missing key");
}

static kt_val dict_popitem(kt_sthread *t, const kt_args *a)
{
	kt_dict *dict = kt_as_dict(a->self);
	kt_dict_entry *first = kt_dict_first(dict);

	if (first == NULL) {
		return kt_method_error(t, a, "empty dict");
	}
	kt_val pair[2] = {first->key, first->value};
	kt_val removed;
	if (kt_dict_remove(t, dict, pair[0], &removed) < 0) {
		return name_error(t, a);
	}
	return kt_tuple_new(t, pair, 2);
}

static kt_val dict_setdefault(kt_sthread *t, const kt_args *a)
{
	kt_val value;

	if (kt_dict_get(t, a->self, a->v[0], &value) < 0) {
		return name_error(t, a);
	}
	if (value != KT_NULL) {
		return value;
	}
	value = a->v[1] != KT_NULL ? a->v[1] : KT_NONE;
	if (kt_dict_put(t, kt_as_dict(a->self), a->v[0], value) < 0) {
		return name_error(t, a);
	}
	return value;
}

/* One element of a sequence of pairs. */
static int put_pair(kt_sthread *t, kt_dict *dict, kt_val pair, size_t i)
{
	kt_val item[2] = {KT_NULL, KT_NULL};
	kt_iter iter;

	if (!kt_val_iterable(pair)) {
		return kt_star_fail(t,
				    "dictionary update sequence element #%zu is not iterable (%s)",
				    i, kt_val_type_name(pair));
	}
	size_t len = kt_val_len(pair);
	if (len == SIZE_MAX) {
		return kt_star_fail(t,
				    "dictionary update sequence element #%zu has unknown length (%s)",
				    i, kt_val_type_name(pair));
	}
	if (len != 2) {
		return kt_star_fail(t,
				    "dictionary update sequence element #%zu has length %zu, want 2",
				    i, len);
	}
	if (kt_iter_begin(t, &iter, pair) < 0) {
		return -1;
	}
	int got = kt_iter_next(t, &iter, &item[0]);
	got = got > 0 ? kt_iter_next(t, &iter, &item[1]) : got;
	kt_iter_end(&iter);
	return got > 0 ? kt_dict_put(t, dict, item[0], item[1]) : -1;
}

static int put_mapping(kt_sthread *t, kt_dict *dict, kt_val from)
{
	kt_val key;
	kt_val value;

	for (size_t at = 0; kt_dict_next(from, &at, &key, &value);) {
		if (kt_dict_put(t, dict, key, value) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_dict_update(kt_sthread *t, kt_val dict, kt_val from, const kt_val *kw, size_t nkw)
{
	kt_dict *d = kt_as_dict(dict);
	kt_iter iter;
	kt_val pair;
	int more = 0;

	if (from != KT_NULL && kt_is(from, KT_KIND_DICT)) {
		if (put_mapping(t, d, from) < 0) {
			return -1;
		}
	} else if (from != KT_NULL) {
		if (!kt_val_iterable(from)) {
			return kt_star_fail(t, "got %s, want iterable", kt_val_type_name(from));
		}
		if (kt_iter_begin(t, &iter, from) < 0) {
			return -1;
		}
		for (size_t i = 0; (more = kt_iter_next(t, &iter, &pair)) > 0; i++) {
			if (put_pair(t, d, pair, i) < 0) {
				more = -1;
				break;
			}
		}
		kt_iter_end(&iter);
	}
	for (size_t i = 0; more == 0 && i < nkw; i++) {
		for (size_t j = 0; j < i; j++) {
			if (kt_str_equal(kt_as_str(kw[2 * j]), kt_as_str(kw[2 * i]))) {
				return kt_star_fail(t, "duplicate keyword arg: \"%s\"",
						    kt_as_str(kw[2 * i])->data);
			}
		}
		more = kt_dict_put(t, d, kw[2 * i], kw[2 * i + 1]);
	}
	return more;
}

static kt_val dict_update(kt_sthread *t, const kt_args *a)
{
	if (a->npos > 1) {
		return kt_star_raise(t, "update: got %zu arguments, want at most 1", a->npos);
	}
	if (kt_dict_update(t, a->self, a->npos == 1 ? a->pos[0] : KT_NULL, a->kw, a->nkw) < 0) {
		return name_error(t, a);
	}
	return KT_NONE;
}

/* ---- sets -------------------------------------------------------------------- */

static int add_all(kt_sthread *t, kt_val set, kt_val from)
{
	kt_iter iter;
	kt_val item;
	int more;

	if (kt_iter_begin(t, &iter, from) < 0) {
		return -1;
	}
	while ((more = kt_iter_next(t, &iter, &item)) > 0) {
		if (kt_set_add(t, set, item) < 0) {
			more = -1;
			break;
		}
	}
	kt_iter_end(&iter);
	return more;
}

static kt_val set_union(kt_sthread *t, const kt_args *a)
{
	kt_val result = kt_set_new(t);

	if (result == KT_NULL || add_all(t, result, a->self) < 0) {
		return KT_NULL;
	}
	if (a->v[0] != KT_NULL && add_all(t, result, a->v[0]) < 0) {
		return name_error(t, a);
	}
	return result;
}

/* ---- tables ------------------------------------------------------------------ */

static const kt_param object_param[] = {{"object", KT_ARG_ANY, false, false}};
static const kt_param iterable_param[] = {{"iterable", KT_ARG_ITERABLE, false, false}};
static const kt_param maybe_iterable_param[] = {{"iterable", KT_ARG_ITERABLE, true, false}};
static const kt_param index_params[] = {
	{"value", KT_ARG_ANY, false, false},
	{"start", KT_ARG_ANY, true, false},
	{"end", KT_ARG_ANY, true, false},
};
static const kt_param insert_params[] = {
	{"index", KT_ARG_I64, false, false},
	{"object", KT_ARG_ANY, false, false},
};
static const kt_param pop_params[] = {{"index", KT_ARG_I64, true, false}};
static const kt_param key_params[] = {
	{"key", KT_ARG_ANY, false, false},
	{"default", KT_ARG_ANY, true, false},
};

#define PLAIN(name, fn) {name, KT_ARGS_POS, NULL, 0, fn}
#define WITH(name, params, fn) {name, KT_ARGS_POS, params, KT_ARRAY_LEN(params), fn}

/* All sorted by name. */
static const kt_builtin_row list_rows[] = {
	WITH("append", object_param, list_append),
	PLAIN("clear", list_clear),
	WITH("extend", iterable_param, list_extend),
	WITH("index", index_params, list_index),
	WITH("insert", insert_params, list_insert),
	WITH("pop", pop_params, list_pop),
	WITH("remove", object_param, list_remove),
};

static const kt_builtin_row dict_rows[] = {
	PLAIN("clear", dict_clear),
	WITH("get", key_params, dict_get),
	PLAIN("items", dict_items),
	PLAIN("keys", dict_keys),
	WITH("pop", key_params, dict_pop),
	PLAIN("popitem", dict_popitem),
	WITH("setdefault", key_params, dict_setdefault),
	{"update", KT_ARGS_RAW, NULL, 0, dict_update},
	PLAIN("values", dict_values),
};

static const kt_builtin_row set_rows[] = {WITH("union", maybe_iterable_param, set_union)};

const kt_method_table kt_list_methods = {list_rows, KT_ARRAY_LEN(list_rows)};
const kt_method_table kt_dict_methods = {dict_rows, KT_ARRAY_LEN(dict_rows)};
const kt_method_table kt_set_methods = {set_rows, KT_ARRAY_LEN(set_rows)};
