/* Lists, tuples, and iteration over everything. */
#include "starlark/vm_internal.h"

kt_val kt_list_new(kt_sthread *t, const kt_val *items, size_t n)
{
	kt_list *l = kt_heap_obj(t, KT_KIND_LIST, sizeof(*l));

	if (l == NULL) {
		return KT_NULL;
	}
	l->items = NULL;
	l->len = l->cap = 0;
	if (kt_list_reserve(t, l, n) < 0) {
		return KT_NULL;
	}
	if (n > 0 && items != NULL) {
		memcpy(l->items, items, n * sizeof(kt_val));
		l->len = (uint32_t)n;
	}
	return kt_obj_val(l);
}

int kt_list_check_mutable(kt_sthread *t, kt_list *l, const char *verb)
{
	if ((l->h.flags & KT_FROZEN) != 0) {
		return kt_star_fail(t, "cannot %s frozen list", verb);
	}
	if (l->h.hash > 0) {
		return kt_star_fail(t, "cannot %s list during iteration", verb);
	}
	return 0;
}

int kt_list_reserve(kt_sthread *t, kt_list *l, size_t cap)
{
	size_t size;
	kt_val *grown;

	if (cap <= l->cap) {
		return 0;
	}
	if (cap > UINT32_MAX / 2) {
		kt_star_raise_nomem(t);
		return -1;
	}
	grown = kt_heap_block(t, cap * sizeof(kt_val), &size);
	if (grown == NULL) {
		return -1;
	}
	if (l->len > 0) {
		memcpy(grown, l->items, l->len * sizeof(kt_val));
	}
	kt_heap_release(t->star, l->items, (size_t)l->cap * sizeof(kt_val));
	l->items = grown;
	l->cap = (uint32_t)(size / sizeof(kt_val));
	return 0;
}

int kt_list_push(kt_sthread *t, kt_list *l, kt_val v)
{
	if (l->len == l->cap && kt_list_reserve(t, l, (size_t)l->len + 1) < 0) {
		return -1;
	}
	l->items[l->len++] = v;
	return 0;
}

int kt_list_append(kt_sthread *t, kt_val list, kt_val item)
{
	if (kt_list_check_mutable(t, kt_as_list(list), "append to") < 0) {
		return -1;
	}
	return kt_list_push(t, kt_as_list(list), item);
}

int kt_list_extend(kt_sthread *t, kt_list *l, kt_val from, const char *verb)
{
	const kt_val *items;
	size_t n;
	kt_iter iter;
	kt_val item;
	int more;

	if (kt_list_check_mutable(t, l, verb) < 0) {
		return -1;
	}
	items = kt_seq_items(from, &n);
	if (items != NULL) {
		if (kt_list_reserve(t, l, l->len + n) < 0) {
			return -1;
		}
		items = kt_seq_items(from, &n); /* the list itself may have moved */
		memcpy(l->items + l->len, items, n * sizeof(kt_val));
		l->len += (uint32_t)n;
		return 0;
	}
	if (kt_iter_begin(t, &iter, from) < 0) {
		return -1;
	}
	while ((more = kt_iter_next(t, &iter, &item)) > 0) {
		if (kt_list_push(t, l, item) < 0) {
			more = -1;
			break;
		}
	}
	kt_iter_end(&iter);
	return more;
}

kt_tuple *kt_tuple_alloc(kt_sthread *t, size_t n)
{
	kt_tuple *tuple;

	if (n > SIZE_MAX / 64) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	tuple = kt_heap_obj(t, KT_KIND_TUPLE, sizeof(*tuple) + n * sizeof(kt_val));
	if (tuple != NULL) {
		tuple->len = n;
	}
	return tuple;
}

kt_val kt_tuple_new(kt_sthread *t, const kt_val *items, size_t n)
{
	kt_tuple *tuple = kt_tuple_alloc(t, n);

	if (tuple == NULL) {
		return KT_NULL;
	}
	if (n > 0) {
		memcpy(tuple->items, items, n * sizeof(kt_val));
	}
	return kt_obj_val(tuple);
}

const kt_val *kt_seq_items(kt_val v, size_t *ret_n)
{
	if (kt_is(v, KT_KIND_LIST)) {
		*ret_n = kt_as_list(v)->len;
		return *ret_n == 0 ? NULL : kt_as_list(v)->items;
	}
	if (kt_is(v, KT_KIND_TUPLE)) {
		*ret_n = kt_as_tuple(v)->len;
		return *ret_n == 0 ? NULL : kt_as_tuple(v)->items;
	}
	*ret_n = 0;
	return NULL;
}

/* ---- iteration --------------------------------------------------------------- */

bool kt_val_iterable(kt_val v)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
	case KT_KIND_DICT:
	case KT_KIND_SET:
	case KT_KIND_RANGE:
	case KT_KIND_ELEMS:
		return true;
	case KT_KIND_HOST:
		return kt_as_host(v)->type->next != NULL;
	default:
		return false;
	}
}

static int elems_step(kt_sthread *t, const kt_elems *elems, size_t *at, kt_val *ret)
{
	const kt_str *s = kt_as_str(elems->of);
	const char *data = s->data + *at;
	size_t width = 1;
	uint32_t rune;

	if (*at >= s->len) {
		return 0;
	}
	switch ((kt_elems_mode)elems->h.aux) {
	case KT_ELEMS:
		*ret = kt_string_new(t, data, 1);
		break;
	case KT_ELEM_ORDS:
	case KT_BYTES_ELEMS:
		*ret = kt_small_val((unsigned char)*data);
		break;
	case KT_CODEPOINTS:
	case KT_CODEPOINT_ORDS:
		rune = kt_utf8_decode(data, s->len - *at, &width);
		if (elems->h.aux == KT_CODEPOINT_ORDS) {
			*ret = kt_small_val(rune);
		} else if (rune == KT_RUNE_ERROR && width == 1) {
			*ret = kt_string_new(t, "\xEF\xBF\xBD", 3);
		} else {
			*ret = kt_string_new(t, data, width);
		}
		break;
	}
	*at += width;
	return *ret == KT_NULL ? -1 : 1;
}

int kt_iter_step(kt_sthread *t, kt_val seq, size_t *at, kt_val *ret)
{
	kt_val unused;

	switch (kt_val_kind(seq)) {
	case KT_KIND_LIST:
		if (*at >= kt_as_list(seq)->len) {
			return 0;
		}
		*ret = kt_as_list(seq)->items[(*at)++];
		return 1;
	case KT_KIND_TUPLE:
		if (*at >= kt_as_tuple(seq)->len) {
			return 0;
		}
		*ret = kt_as_tuple(seq)->items[(*at)++];
		return 1;
	case KT_KIND_DICT:
	case KT_KIND_SET:
		return kt_dict_next(seq, at, ret, &unused);
	case KT_KIND_RANGE: {
		const kt_range *range = kt_as_range(seq);

		if (*at >= (size_t)range->len) {
			return 0;
		}
		*ret = kt_int_new(t, range->start + (int64_t)(*at)++ * range->step);
		return *ret == KT_NULL ? -1 : 1;
	}
	case KT_KIND_ELEMS:
		return elems_step(t, kt_as_elems(seq), at, ret);
	case KT_KIND_HOST:
		return kt_as_host(seq)->type->next(t, kt_as_host(seq), at, ret);
	default:
		return 0;
	}
}

int kt_iter_open(kt_sthread *t, kt_val seq)
{
	if (!kt_val_iterable(seq)) {
		return kt_star_fail(t, "%s value is not iterable", kt_val_type_name(seq));
	}
	return kt_iter_guard_push(t, seq);
}

/* Iteration from C guards by hand, as it need not end in the order of a stack. */
static kt_obj *guarded(kt_val seq)
{
	if (kt_is(seq, KT_KIND_LIST) || kt_is(seq, KT_KIND_DICT) || kt_is(seq, KT_KIND_SET)) {
		return kt_obj_of(seq);
	}
	return NULL;
}

int kt_iter_begin(kt_sthread *t, kt_iter *self, kt_val v)
{
	kt_obj *obj = guarded(v);

	*self = (kt_iter){KT_NULL, 0};
	if (!kt_val_iterable(v)) {
		return kt_star_fail(t, "%s value is not iterable", kt_val_type_name(v));
	}
	self->seq = v;
	if (obj != NULL) {
		obj->hash++;
	}
	return 0;
}

int kt_iter_next(kt_sthread *t, kt_iter *self, kt_val *ret)
{
	return self->seq == KT_NULL ? 0 : kt_iter_step(t, self->seq, &self->at, ret);
}

void kt_iter_end(kt_iter *self)
{
	kt_obj *obj = guarded(self->seq);

	if (obj != NULL) {
		obj->hash--;
	}
	self->seq = KT_NULL;
}

int kt_unpack_seq(kt_sthread *t, kt_val seq, kt_val *to, uint32_t n)
{
	size_t len = kt_val_len(seq);
	size_t got = 0;
	kt_iter iter;
	kt_val item;
	int more;

	if (!kt_val_iterable(seq)) {
		return kt_star_fail(t, "got %s in sequence assignment", kt_val_type_name(seq));
	}
	if (len != SIZE_MAX && len != n) {
		return kt_star_fail(t, "too %s values to unpack (got %zu, want %u)",
				    len > n ? "many" : "few", len, n);
	}
	if (kt_iter_begin(t, &iter, seq) < 0) {
		return -1;
	}
	while ((more = kt_iter_next(t, &iter, &item)) > 0) {
		if (got == n) {
			more = kt_star_fail(t, "too many values to unpack (got -1, want %u)",
					    n);
			break;
		}
		to[got++] = item;
	}
	kt_iter_end(&iter);
	if (more == 0 && got < n) {
		return kt_star_fail(t, "too few values to unpack (got %zu, want %u)", got, n);
	}
	return more;
}

kt_val kt_inplace_add(kt_sthread *t, kt_val a, kt_val b)
{
	if (kt_is(a, KT_KIND_LIST) && kt_val_iterable(b)) {
		return kt_list_extend(t, kt_as_list(a), b, "apply += to") < 0 ? KT_NULL : a;
	}
	return kt_val_binary(t, KT_OP_ADD, a, b);
}

kt_val kt_inplace_or(kt_sthread *t, kt_val a, kt_val b)
{
	kt_val key;
	kt_val value;

	if (!kt_is(a, KT_KIND_DICT) || !kt_is(b, KT_KIND_DICT)) {
		return kt_val_binary(t, KT_OP_OR, a, b);
	}
	if (kt_dict_check_mutable(t, kt_as_dict(a), "apply |= to") < 0) {
		return KT_NULL;
	}
	for (size_t at = 0; a != b && kt_dict_next(b, &at, &key, &value);) {
		if (kt_dict_set(t, a, key, value) < 0) {
			return KT_NULL;
		}
	}
	return a;
}
