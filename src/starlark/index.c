/* x[i], x[i] = v, x[lo:hi:step]. */
#include "starlark/bigint.h"
#include "starlark/vm_internal.h"

/* An index must fit 32 bits. WHAT is put in front of the message ("list index"). */
static int index_arg(kt_sthread *t, kt_val v, const char *prefix, const char *what, int64_t *ret)
{
	const char *colon = *what == '\0' ? "" : ": ";
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (kt_is_int(v) && kt_small(v) <= INT32_MAX && kt_small(v) >= INT32_MIN) {
		*ret = kt_small(v);
		return 0;
	}
	if (!kt_is_anyint(v)) {
		return kt_star_fail(t, "%s%s%sgot %s, want int", prefix, what, colon,
				    kt_val_type_name(v));
	}
	if (kt_int_text(t, v, 10, &text) < 0) {
		return -1;
	}
	return kt_star_fail(t, "%s%s%s%s out of range", prefix, what, colon, kt_buf_str(&text));
}

/* Resolves an index into a sequence of n items; negative ones count from the end. */
static int position(kt_sthread *t, kt_val seq, kt_val at, size_t n, size_t *ret)
{
	int64_t i = 0;
	int64_t len = (int64_t)n;

	if (index_arg(t, at, kt_val_type_name(seq), " index", &i) < 0) {
		return -1;
	}
	if (i < -len || i >= len) {
		if (len == 0) {
			return kt_star_fail(t, "index %lld out of range: empty %s", (long long)i,
					    kt_val_type_name(seq));
		}
		return kt_star_fail(t, "%s index %lld out of range [%lld:%lld]",
				    kt_val_type_name(seq), (long long)i, (long long)-len,
				    (long long)len - 1);
	}
	*ret = (size_t)(i < 0 ? i + len : i);
	return 0;
}

static kt_val missing_key(kt_sthread *t, kt_val key)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (kt_val_repr(t, key, &text) < 0) {
		return KT_NULL;
	}
	return kt_star_raise(t, "key %s not in dict", kt_buf_str(&text));
}

static bool indexable(kt_val v)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
	case KT_KIND_RANGE:
		return true;
	case KT_KIND_ELEMS:
		return kt_as_elems(v)->h.aux == KT_ELEMS || kt_as_elems(v)->h.aux == KT_ELEM_ORDS;
	default:
		return false;
	}
}

static kt_val item(kt_sthread *t, kt_val v, size_t i)
{
	const kt_range *range;
	size_t at;
	kt_val found = KT_NULL;

	switch (kt_val_kind(v)) {
	case KT_KIND_STRING:
		return kt_string_new(t, kt_as_str(v)->data + i, 1);
	case KT_KIND_BYTES:
		return kt_bytes_new(t, kt_as_str(v)->data + i, 1);
	case KT_KIND_LIST:
		return kt_as_list(v)->items[i];
	case KT_KIND_TUPLE:
		return kt_as_tuple(v)->items[i];
	case KT_KIND_RANGE:
		range = kt_as_range(v);
		return kt_int_new(t, range->start + (int64_t)i * range->step);
	default:
		at = i;
		kt_iter_step(t, v, &at, &found); /* elems: one byte each */
		return found;
	}
}

kt_val kt_val_index(kt_sthread *t, kt_val v, kt_val at)
{
	kt_val found = KT_NULL;
	size_t i;

	if (kt_is(v, KT_KIND_DICT)) {
		if (kt_dict_get(t, v, at, &found) < 0) {
			return KT_NULL;
		}
		return found != KT_NULL ? found : missing_key(t, at);
	}
	if (!indexable(v)) {
		return kt_star_raise(t, "unhandled index operation %s[%s]", kt_val_type_name(v),
				     kt_val_type_name(at));
	}
	if (position(t, v, at, kt_val_len(v), &i) < 0) {
		return KT_NULL;
	}
	return item(t, v, i);
}

int kt_val_set_index(kt_sthread *t, kt_val v, kt_val at, kt_val value)
{
	kt_list *list = kt_as_list(v);
	int64_t number;
	size_t i;

	if (kt_is(v, KT_KIND_DICT)) {
		return kt_dict_put(t, kt_as_dict(v), at, value);
	}
	if (!kt_is(v, KT_KIND_LIST)) {
		return kt_star_fail(t, "%s value does not support item assignment",
				    kt_val_type_name(v));
	}
	if (index_arg(t, at, "", "", &number) < 0 || position(t, v, at, list->len, &i) < 0 ||
	    kt_list_check_mutable(t, list, "assign to element of") < 0) {
		return -1;
	}
	list->items[i] = value;
	return 0;
}

/* ---- slices ------------------------------------------------------------------ */

/* One bound: default, or clamped to [low, high] after adding n to a negative one. */
static int bound(kt_sthread *t, kt_val v, const char *what, int64_t n, int64_t fallback,
		 int64_t low, int64_t high, int64_t *ret)
{
	if (v == KT_NULL || v == KT_NONE) {
		*ret = fallback;
		return 0;
	}
	if (index_arg(t, v, "invalid ", what, ret) < 0) {
		return -1;
	}
	if (*ret < 0) {
		*ret += n;
	}
	*ret = KT_MIN(KT_MAX(*ret, low), high);
	return 0;
}

int kt_slice_bounds(kt_sthread *t, kt_val lo, kt_val hi, size_t len, size_t *ret_lo, size_t *ret_hi)
{
	int64_t n = (int64_t)len;
	int64_t from;
	int64_t to;

	if (bound(t, lo, "start index", n, 0, 0, n, &from) < 0 ||
	    bound(t, hi, "end index", n, n, 0, n, &to) < 0) {
		return -1;
	}
	*ret_lo = (size_t)from;
	*ret_hi = (size_t)KT_MAX(from, to);
	return 0;
}

static kt_val slice_items(kt_sthread *t, kt_val v, int64_t start, int64_t step, size_t count)
{
	size_t n;
	const kt_val *items = kt_seq_items(v, &n);
	kt_val *to;
	kt_val result;

	if (kt_is(v, KT_KIND_LIST)) {
		result = kt_list_new(t, NULL, count);
		if (result == KT_NULL) {
			return KT_NULL;
		}
		kt_as_list(result)->len = (uint32_t)count;
		to = kt_as_list(result)->items;
	} else {
		kt_tuple *tuple = kt_tuple_alloc(t, count);

		if (tuple == NULL) {
			return KT_NULL;
		}
		result = kt_obj_val(tuple);
		to = tuple->items;
	}
	for (size_t i = 0; i < count; i++) {
		to[i] = items[start + (int64_t)i * step];
	}
	return result;
}

static kt_val slice_text(kt_sthread *t, kt_val v, int64_t start, int64_t step, size_t count)
{
	const kt_str *s = kt_as_str(v);
	kt_str *result;

	if (step == 1 && kt_is_str(v)) {
		return kt_string_new(t, s->data + start, count);
	}
	result = kt_str_alloc(t, kt_val_kind(v), count);
	if (result == NULL) {
		return KT_NULL;
	}
	for (size_t i = 0; i < count; i++) {
		result->data[i] = s->data[start + (int64_t)i * step];
	}
	return kt_obj_val(result);
}

static kt_val slice_range(kt_sthread *t, const kt_range *r, int64_t start, int64_t end,
			  int64_t step, size_t count)
{
	kt_range *result = kt_heap_obj(t, KT_KIND_RANGE, sizeof(*result));

	if (result == NULL) {
		return KT_NULL;
	}
	/* the end may lie beyond the last item: unsigned, as it may wrap */
	result->h.aux = r->h.aux;
	result->start = (int64_t)((uint64_t)r->start + (uint64_t)start * (uint64_t)r->step);
	result->stop = (int64_t)((uint64_t)r->start + (uint64_t)end * (uint64_t)r->step);
	result->step = (int64_t)((uint64_t)step * (uint64_t)r->step);
	result->len = (int64_t)count;
	return kt_obj_val(result);
}

static int slice_step(kt_sthread *t, kt_val v, int64_t *ret)
{
	*ret = 1;
	if (v == KT_NULL || v == KT_NONE) {
		return 0;
	}
	if (index_arg(t, v, "invalid ", "slice step", ret) < 0) {
		return -1;
	}
	return *ret == 0 ? kt_star_fail(t, "zero is not a valid slice step") : 0;
}

kt_val kt_val_slice(kt_sthread *t, kt_val v, kt_val lo, kt_val hi, kt_val step_val)
{
	int64_t n;
	int64_t start;
	int64_t end;
	int64_t step;
	size_t count = 0;

	if (!indexable(v) || kt_is(v, KT_KIND_ELEMS)) {
		return kt_star_raise(t, "invalid slice operand %s", kt_val_type_name(v));
	}
	n = (int64_t)kt_val_len(v);
	if (slice_step(t, step_val, &step) < 0) {
		return KT_NULL;
	}
	if (step > 0 ? bound(t, lo, "start index", n, 0, 0, n, &start) < 0 ||
			       bound(t, hi, "end index", n, n, 0, n, &end) < 0
		     : bound(t, lo, "start index", n, n - 1, -1, n - 1, &start) < 0 ||
			       bound(t, hi, "end index", n, -1, -1, INT32_MAX, &end) < 0) {
		return KT_NULL;
	}
	if (step > 0 && end > start) {
		count = (size_t)((end - start + step - 1) / step);
	} else if (step < 0 && end < start) {
		count = (size_t)((start - end - step - 1) / -step);
	} else if (step > 0) {
		end = start;
	} else {
		start = end; /* an empty range shows it */
	}
	if (kt_is(v, KT_KIND_RANGE)) {
		return slice_range(t, kt_as_range(v), start, end, step, count);
	}
	start = count == 0 ? 0 : start;
	switch (kt_val_kind(v)) {
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		return slice_items(t, v, start, step, count);
	default:
		return slice_text(t, v, start, step, count);
	}
}
