/* The methods that cut strings into lists and tuples. */
#include "starlark/string_methods.h"

#include "base/utf8.h"
#include "base/vec.h"

typedef KT_VEC(kt_text) text_vec;

/* A list (or, for partition, a tuple) of the parts. Frees parts in every case. */
static kt_val parts_list(kt_sthread *t, text_vec *parts, bool complete)
{
	kt_val list = complete ? kt_list_new(t, NULL, 0) : kt_star_raise_nomem(t);

	if (list != KT_NULL && kt_list_reserve(t, kt_as_list(list), parts->len) < 0) {
		list = KT_NULL;
	}
	for (size_t i = 0; list != KT_NULL && i < parts->len; i++) {
		kt_val part = kt_text_val(t, parts->items[i]);
		if (part == KT_NULL || kt_list_push(t, kt_as_list(list), part) < 0) {
			list = KT_NULL;
		}
	}
	kt_vec_deinit(parts);
	return list;
}

/* Fields between runs of white space from the left; after `max` cuts the rest is one field. */
static bool split_space(kt_text text, size_t max, text_vec *parts)
{
	size_t start = SIZE_MAX;

	for (size_t i = 0; i < text.len;) {
		size_t width;
		bool space = kt_rune_is_space(kt_utf8_decode(text.data + i, text.len - i, &width));
		if (space && start != SIZE_MAX) {
			if (parts->len == max) {
				break;
			}
			if (kt_vec_push(parts, kt_text_sub(text, start, i)) < 0) {
				return false;
			}
			start = SIZE_MAX;
		} else if (!space && start == SIZE_MAX) {
			start = i;
		}
		i += width;
	}
	return start == SIZE_MAX || kt_vec_push(parts, kt_text_sub(text, start, text.len)) == 0;
}

/* The same from the right. */
static bool rsplit_space(kt_text text, size_t max, text_vec *parts)
{
	size_t end = SIZE_MAX;

	for (size_t i = text.len; i > 0;) {
		size_t width;
		bool space = kt_rune_is_space(kt_utf8_decode_last(text.data, i, &width));
		if (space && end != SIZE_MAX) {
			if (parts->len == max) {
				break;
			}
			if (kt_vec_push(parts, kt_text_sub(text, i, end)) < 0) {
				return false;
			}
			end = SIZE_MAX;
		} else if (!space && end == SIZE_MAX) {
			end = i;
		}
		i -= width;
	}
	if (end != SIZE_MAX && kt_vec_push(parts, kt_text_sub(text, 0, end)) < 0) {
		return false;
	}
	for (size_t i = 0; i < parts->len / 2; i++) {
		kt_text other = parts->items[parts->len - 1 - i];
		parts->items[parts->len - 1 - i] = parts->items[i];
		parts->items[i] = other;
	}
	return true;
}

/* At most `max` cuts at the separator, from the left. */
static bool split_at(kt_text text, kt_text sep, size_t max, text_vec *parts)
{
	for (size_t at; parts->len < max && (at = kt_text_find(text, sep)) != KT_TEXT_NONE;) {
		if (kt_vec_push(parts, kt_text_sub(text, 0, at)) < 0) {
			return false;
		}
		text = kt_text_sub(text, at + sep.len, text.len);
	}
	return kt_vec_push(parts, text) == 0;
}

/* Cuts everywhere, then joins the surplus on the left again: overlaps are found from the left. */
static bool rsplit_at(kt_text text, kt_text sep, size_t max, text_vec *parts)
{
	if (!split_at(text, sep, SIZE_MAX, parts)) {
		return false;
	}
	if (parts->len > max && parts->len - max > 1) {
		size_t surplus = parts->len - max;
		kt_text last = parts->items[surplus - 1];
		parts->items[0] = kt_text_sub(text, 0, (size_t)(last.data + last.len - text.data));
		memmove(parts->items + 1, parts->items + surplus, max * sizeof(kt_text));
		parts->len = max + 1;
	}
	return true;
}

static kt_val split(kt_sthread *t, const kt_args *a, bool from_right)
{
	kt_text text = kt_text_of(a->self);
	text_vec parts = {0};
	int64_t limit = -1;
	bool ok;

	if (a->v[1] != KT_NULL && !kt_int_get(a->v[1], &limit)) {
		return KT_NULL;
	}
	size_t max = limit < 0 ? SIZE_MAX : (size_t)limit;
	if (a->v[0] == KT_NULL || a->v[0] == KT_NONE) {
		ok = from_right ? rsplit_space(text, max, &parts) : split_space(text, max, &parts);
		return parts_list(t, &parts, ok);
	}
	if (!kt_is_str(a->v[0])) {
		return kt_star_raise(t, "split: got %s for separator, want string",
				     kt_val_type_name(a->v[0]));
	}
	kt_text sep = kt_text_of(a->v[0]);
	if (sep.len == 0) {
		return kt_star_raise(t, "split: empty separator");
	}
	ok = from_right ? rsplit_at(text, sep, max, &parts) : split_at(text, sep, max, &parts);
	return parts_list(t, &parts, ok);
}

kt_val kt_string_split(kt_sthread *t, const kt_args *a)
{
	return split(t, a, false);
}

kt_val kt_string_rsplit(kt_sthread *t, const kt_args *a)
{
	return split(t, a, true);
}

kt_val kt_string_splitlines(kt_sthread *t, const kt_args *a)
{
	kt_text text = kt_text_of(a->self);
	bool keep = a->v[0] == KT_TRUE;
	text_vec parts = {0};
	bool ok = true;

	while (ok && text.len > 0) {
		size_t at = kt_text_find(text, (kt_text){"\n", 1});
		size_t end = at == KT_TEXT_NONE ? text.len : at;
		size_t next = at == KT_TEXT_NONE ? text.len : at + 1;
		ok = kt_vec_push(&parts, kt_text_sub(text, 0, keep ? next : end)) == 0;
		text = kt_text_sub(text, next, text.len);
	}
	return parts_list(t, &parts, ok);
}

static kt_val partition(kt_sthread *t, const kt_args *a, bool last)
{
	kt_text text = kt_text_of(a->self);
	kt_text sep = kt_text_of(a->v[0]);
	kt_val empty = kt_string_new(t, "", 0);
	kt_val parts[3] = {a->self, empty, empty};

	if (sep.len == 0) {
		return kt_method_error(t, a, "empty separator");
	}
	size_t at = last ? kt_text_rfind(text, sep) : kt_text_find(text, sep);
	if (at != KT_TEXT_NONE) {
		parts[0] = kt_text_val(t, kt_text_sub(text, 0, at));
		parts[1] = a->v[0];
		parts[2] = kt_text_val(t, kt_text_sub(text, at + sep.len, text.len));
	} else if (last) {
		parts[0] = empty;
		parts[2] = a->self;
	}
	if (empty == KT_NULL || parts[0] == KT_NULL || parts[2] == KT_NULL) {
		return KT_NULL;
	}
	return kt_tuple_new(t, parts, 3);
}

kt_val kt_string_partition(kt_sthread *t, const kt_args *a)
{
	return partition(t, a, false);
}

kt_val kt_string_rpartition(kt_sthread *t, const kt_args *a)
{
	return partition(t, a, true);
}
