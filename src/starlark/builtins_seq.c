/* Built-in functions on sequences. */
#include "starlark/builtins_internal.h"

#include "starlark/string_methods.h"

/* Is any (or, with `all`, every) item true? */
static kt_val quantify(kt_sthread *t, kt_val iterable, bool all)
{
	kt_iter iter;
	kt_val item;
	int more;

	if (kt_iter_begin(t, &iter, iterable) < 0) {
		return KT_NULL;
	}
	while ((more = kt_iter_next(t, &iter, &item)) > 0 && kt_val_truth(item) == all) {
	}
	kt_iter_end(&iter);
	return more < 0 ? KT_NULL : kt_bool(more > 0 ? !all : all);
}

kt_val kt_builtin_all(kt_sthread *t, const kt_args *a)
{
	return quantify(t, a->v[0], true);
}

kt_val kt_builtin_any(kt_sthread *t, const kt_args *a)
{
	return quantify(t, a->v[0], false);
}

kt_val kt_builtin_dict(kt_sthread *t, const kt_args *a)
{
	kt_val d;

	if (a->npos > 1) {
		return kt_star_raise(t, "dict: got %zu arguments, want at most 1", a->npos);
	}
	d = kt_dict_new(t, a->nkw);
	if (d == KT_NULL) {
		return KT_NULL;
	}
	if (kt_dict_update(t, d, a->npos > 0 ? a->pos[0] : KT_NULL, a->kw, a->nkw) < 0) {
		return KT_NAMED(t, a);
	}
	return d;
}

/* A fresh list of an iterable's items; KT_NULL gives an empty one. */
static kt_list *items_of(kt_sthread *t, kt_val iterable)
{
	kt_val list = kt_list_new(t, NULL, 0);

	if (list == KT_NULL) {
		return NULL;
	}
	if (iterable != KT_NULL &&
	    kt_list_extend(t, kt_as_list(list), iterable, "append to") < 0) {
		return NULL;
	}
	return kt_as_list(list);
}

kt_val kt_builtin_list(kt_sthread *t, const kt_args *a)
{
	kt_list *list = items_of(t, a->v[0]);

	return list == NULL ? KT_NULL : kt_obj_val(list);
}

kt_val kt_builtin_tuple(kt_sthread *t, const kt_args *a)
{
	kt_list *list;

	if (kt_is(a->v[0], KT_KIND_TUPLE)) {
		return a->v[0];
	}
	list = items_of(t, a->v[0]);
	return list == NULL ? KT_NULL : kt_tuple_new(t, list->items, list->len);
}

kt_val kt_builtin_set(kt_sthread *t, const kt_args *a)
{
	kt_val set = kt_set_new(t);
	kt_list *list = items_of(t, a->v[0]);

	for (uint32_t i = 0; set != KT_NULL && list != NULL && i < list->len; i++) {
		if (kt_set_add(t, set, list->items[i]) < 0) {
			return KT_NAMED(t, a);
		}
	}
	return list == NULL ? KT_NULL : set;
}

kt_val kt_builtin_reversed(kt_sthread *t, const kt_args *a)
{
	kt_list *list = items_of(t, a->v[0]);

	for (uint32_t i = 0; list != NULL && i < list->len / 2; i++) {
		kt_val swap = list->items[i];

		list->items[i] = list->items[list->len - 1 - i];
		list->items[list->len - 1 - i] = swap;
	}
	return list == NULL ? KT_NULL : kt_obj_val(list);
}

kt_val kt_builtin_enumerate(kt_sthread *t, const kt_args *a)
{
	kt_list *list = items_of(t, a->v[0]);
	int64_t start = 0;

	if (a->v[1] != KT_NULL) {
		kt_int_get(a->v[1], &start);
	}
	for (uint32_t i = 0; list != NULL && i < list->len; i++) {
		/* wraps, as in the reference */
		kt_val number = kt_int_new(t, (int64_t)((uint64_t)start + i));
		kt_val pair[2] = {number, list->items[i]};

		list->items[i] = number == KT_NULL ? KT_NULL : kt_tuple_new(t, pair, 2);
		if (list->items[i] == KT_NULL) {
			return KT_NULL;
		}
	}
	return list == NULL ? KT_NULL : kt_obj_val(list);
}

/* One row of zip: the next item of each. 1, 0 at the end of any, -1. */
static int zip_row(kt_sthread *t, kt_iter *iters, size_t n, kt_val *ret)
{
	kt_tuple *row = kt_tuple_alloc(t, n);

	if (row == NULL) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		int more = kt_iter_next(t, &iters[i], &row->items[i]);

		if (more <= 0) {
			return more;
		}
	}
	*ret = kt_obj_val(row);
	return 1;
}

static kt_val zip(kt_sthread *t, const kt_args *a, kt_iter *iters)
{
	kt_val list = kt_list_new(t, NULL, 0);
	kt_val row = KT_NULL;
	size_t begun = 0;
	int more = 1;

	while (begun < a->npos && list != KT_NULL) {
		if (!kt_val_iterable(a->pos[begun])) {
			more = kt_star_fail(t, "zip: argument #%zu is not iterable: %s", begun + 1,
					    kt_val_type_name(a->pos[begun]));
			break;
		}
		if (kt_iter_begin(t, &iters[begun], a->pos[begun]) < 0) {
			more = -1;
			break;
		}
		begun++;
	}
	while (list != KT_NULL && more > 0 && a->npos > 0 &&
	       (more = zip_row(t, iters, a->npos, &row)) > 0) {
		if (kt_list_push(t, kt_as_list(list), row) < 0) {
			more = -1;
		}
	}
	for (size_t i = 0; i < begun; i++) {
		kt_iter_end(&iters[i]);
	}
	return more < 0 ? KT_NULL : list;
}

kt_val kt_builtin_zip(kt_sthread *t, const kt_args *a)
{
	kt_iter *iters;
	kt_val list;

	if (a->nkw > 0) {
		return kt_star_raise(t, "zip does not accept keyword arguments");
	}
	iters = kt_calloc(a->npos + 1, sizeof(*iters));
	if (iters == NULL) {
		return kt_star_raise_nomem(t);
	}
	list = zip(t, a, iters);
	kt_free(iters);
	return list;
}

kt_val kt_builtin_range(kt_sthread *t, const kt_args *a)
{
	int64_t start = 0;
	int64_t stop = 0;
	int64_t step = 1;
	__int128 len;
	kt_range *r;

	kt_int_get(a->v[0], &stop);
	if (a->v[1] != KT_NULL) {
		start = stop;
		kt_int_get(a->v[1], &stop);
	}
	if (a->v[2] != KT_NULL) {
		kt_int_get(a->v[2], &step);
	}
	if (step == 0) {
		return kt_star_raise(t, "range: step argument must not be zero");
	}
	len = step > 0 ? ((__int128)stop - start + step - 1) / step
		       : ((__int128)start - stop - step - 1) / -(__int128)step;
	r = kt_heap_obj(t, KT_KIND_RANGE, sizeof(*r));
	if (r == NULL) {
		return KT_NULL;
	}
	r->start = start;
	r->stop = stop;
	r->step = step;
	if (len > INT64_MAX) {
		return kt_star_raise(t, "range: too many elements");
	}
	r->len = len < 0 ? 0 : (int64_t)len;
	r->h.aux = start > KT_SMALL_MAX || start < KT_SMALL_MIN || stop > KT_SMALL_MAX ||
		   stop < KT_SMALL_MIN;
	return kt_obj_val(r);
}

/* ---- order ------------------------------------------------------------------- */

static kt_val key_of(kt_sthread *t, kt_val key_fn, kt_val item)
{
	return key_fn == KT_NULL ? item : kt_star_call(t, key_fn, &item, 1, NULL, 0);
}

static kt_val extreme_of(kt_sthread *t, const kt_args *a, kt_list *items, kt_val key_fn,
			 kt_cmp_op op)
{
	kt_val best = items->items[0];
	kt_val best_key = key_of(t, key_fn, best);

	for (uint32_t i = 1; best_key != KT_NULL && i < items->len; i++) {
		kt_val key = key_of(t, key_fn, items->items[i]);
		bool better = false;

		if (key == KT_NULL) {
			return KT_NULL;
		}
		if (kt_val_compare(t, op, key, best_key, &better) < 0) {
			return KT_NAMED(t, a);
		}
		if (better) {
			best = items->items[i];
			best_key = key;
		}
	}
	return best_key == KT_NULL ? KT_NULL : best;
}

static kt_val extreme(kt_sthread *t, const kt_args *a, kt_cmp_op op)
{
	static const kt_param params[] = {{"key", KT_ARG_CALLABLE, true, false}};
	kt_args named = {.kw = a->kw, .nkw = a->nkw};
	kt_val key_fn;
	kt_list *items;
	kt_val given;

	if (a->npos == 0) {
		return kt_star_raise(t, "%s requires at least one positional argument",
				     a->row->name);
	}
	if (kt_args_unpack(t, a->row->name, KT_ARGS_NAMED, params, 1, &named, &key_fn) < 0) {
		return KT_NULL;
	}
	if (a->npos == 1) {
		if (!kt_val_iterable(a->pos[0])) {
			return kt_star_raise(t, "%s: %s value is not iterable", a->row->name,
					     kt_val_type_name(a->pos[0]));
		}
		items = items_of(t, a->pos[0]);
	} else {
		given = kt_list_new(t, a->pos, a->npos);
		items = given == KT_NULL ? NULL : kt_as_list(given);
	}
	if (items == NULL) {
		return KT_NULL;
	}
	if (items->len == 0) {
		return kt_star_raise(t, "%s: argument is an empty sequence", a->row->name);
	}
	return extreme_of(t, a, items, key_fn, op);
}

kt_val kt_builtin_max(kt_sthread *t, const kt_args *a)
{
	return extreme(t, a, KT_CMP_GT);
}

kt_val kt_builtin_min(kt_sthread *t, const kt_args *a)
{
	return extreme(t, a, KT_CMP_LT);
}

typedef struct pair {
	kt_val key, value;
} pair;

/*
 * A sort goes on after comparisons that fail (which count as "not less"); the last failure is
 * reported, as in the reference.
 */
typedef struct sorter {
	kt_sthread *t;
	bool reverse;
	bool failed, fatal;
	kt_star_error err;
} sorter;

/* Must b go before a, which stands before it? */
static bool goes_before(sorter *s, const pair *b, const pair *a)
{
	bool less = false;
	int rc;

	if (s->fatal) {
		return false;
	}
	rc = s->reverse ? kt_val_compare(s->t, KT_CMP_LT, a->key, b->key, &less)
			: kt_val_compare(s->t, KT_CMP_LT, b->key, a->key, &less);
	if (rc < 0) {
		s->failed = true;
		s->err = s->t->err;
		s->fatal = s->err.kind != KT_STAR_EVAL;
		kt_sthread_clear_error(s->t);
		return false;
	}
	return less;
}

/* Merges two sorted halves of n items; stable. */
static void merge(sorter *s, const pair *from, size_t half, size_t n, pair *to)
{
	size_t i = 0;
	size_t j = half;

	for (size_t k = 0; k < n; k++) {
		bool right = i == half || (j < n && goes_before(s, &from[j], &from[i]));

		to[k] = right ? from[j++] : from[i++];
	}
}

static void insertion_sort(sorter *s, pair *items, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t j = i; j > 0 && goes_before(s, &items[j], &items[j - 1]); j--) {
			pair swap = items[j];

			items[j] = items[j - 1];
			items[j - 1] = swap;
		}
	}
}

static void merge_sort(sorter *s, pair *items, size_t n, pair *spare)
{
	size_t half = n / 2;

	if (n <= 20) {
		insertion_sort(s, items, n);
		return;
	}
	merge_sort(s, items, half, spare);
	merge_sort(s, items + half, n - half, spare);
	merge(s, items, half, n, spare);
	memcpy(items, spare, n * sizeof(*items));
}

static int sort_list(kt_sthread *t, kt_list *list, kt_val key_fn, bool reverse, pair *pairs)
{
	sorter s = {.t = t, .reverse = reverse};

	for (uint32_t i = 0; i < list->len; i++) {
		pairs[i].value = list->items[i];
		pairs[i].key = key_of(t, key_fn, list->items[i]);
		if (pairs[i].key == KT_NULL) {
			return -1;
		}
	}
	merge_sort(&s, pairs, list->len, pairs + list->len);
	if (s.failed) {
		t->err = s.err;
		t->failed = true;
		return -1;
	}
	for (uint32_t i = 0; i < list->len; i++) {
		list->items[i] = pairs[i].value;
	}
	return 0;
}

kt_val kt_builtin_sorted(kt_sthread *t, const kt_args *a)
{
	kt_list *list = items_of(t, a->v[0]);
	pair *pairs;
	int rc;

	if (list == NULL) {
		return KT_NULL;
	}
	pairs = kt_alloc_array((size_t)list->len + 1, 2 * sizeof(pair));
	if (pairs == NULL) {
		return kt_star_raise_nomem(t);
	}
	rc = sort_list(t, list, a->v[1], a->v[2] == KT_TRUE, pairs);
	kt_free(pairs);
	return rc < 0 ? KT_NULL : kt_obj_val(list);
}
