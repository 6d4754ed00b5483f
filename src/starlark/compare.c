/* Equality, order and hash. */
#include "starlark/bigint.h"
#include "starlark/vm_internal.h"

#include "base/stack.h"

#include <math.h>

#define MAX_DEPTH 10 /* as in the reference; deeper values cannot be compared */
#define HASH_DEPTH 100

static int equal(kt_sthread *t, kt_val a, kt_val b, int depth, bool *ret);
static int order(kt_sthread *t, kt_cmp_op op, kt_val a, kt_val b, int depth, bool *ret);

static bool is_number(kt_val v)
{
	return kt_is_anyint(v) || kt_is(v, KT_KIND_FLOAT);
}

/* -1, 0, 1. NaN equals itself and is above everything. */
static int cmp_doubles(double a, double b)
{
	if (isnan(a) || isnan(b)) {
		return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
	}
	return (a > b) - (a < b);
}

static int cmp_numbers(kt_val a, kt_val b)
{
	bool a_int = kt_is_anyint(a);
	bool b_int = kt_is_anyint(b);

	if (a_int && b_int) {
		if (kt_is_int(a) && kt_is_int(b)) {
			return (kt_small(a) > kt_small(b)) - (kt_small(a) < kt_small(b));
		}
		return kt_big_cmp(a, b);
	}
	if (!a_int && !b_int) {
		return cmp_doubles(kt_as_float(a)->d, kt_as_float(b)->d);
	}
	if (a_int) {
		return isnan(kt_as_float(b)->d) ? -1 : kt_int_cmp_float(a, kt_as_float(b)->d);
	}
	return isnan(kt_as_float(a)->d) ? 1 : -kt_int_cmp_float(b, kt_as_float(a)->d);
}

static int too_deep(kt_sthread *t)
{
	return kt_star_fail(t, "comparison exceeded maximum recursion depth");
}

static int equal_items(kt_sthread *t, kt_val a, kt_val b, int depth, bool *ret)
{
	size_t n;
	size_t m;
	const kt_val *x = kt_seq_items(a, &n);
	const kt_val *y = kt_seq_items(b, &m);

	*ret = n == m;
	for (size_t i = 0; *ret && i < n; i++) {
		if (equal(t, x[i], y[i], depth - 1, ret) < 0) {
			return -1;
		}
	}
	return 0;
}

static int equal_dicts(kt_sthread *t, kt_dict *a, kt_dict *b, bool sets, int depth, bool *ret)
{
	*ret = a->len == b->len;
	for (uint32_t i = 0; *ret && i < a->used; i++) {
		const kt_dict_entry *e = &a->entries[i];
		const kt_dict_entry *other;
		bool failed = false;

		if (e->key == KT_NULL) {
			continue;
		}
		other = kt_dict_find(t, b, e->key, (uint32_t)e->hash, &failed);
		if (failed) {
			return -1;
		}
		*ret = other != NULL;
		if (*ret && !sets && equal(t, e->value, other->value, depth - 1, ret) < 0) {
			return -1;
		}
	}
	return 0;
}

static int equal_structs(kt_sthread *t, const kt_struct *a, const kt_struct *b, int depth,
			 bool *ret)
{
	*ret = a->shape == b->shape;
	if (*ret && equal(t, a->ctor, b->ctor, depth - 1, ret) < 0) {
		return -1;
	}
	for (uint32_t i = 0; *ret && i < a->shape->n; i++) {
		if (equal(t, a->fields[i], b->fields[i], depth - 1, ret) < 0) {
			return -1;
		}
	}
	return 0;
}

static bool equal_ranges(const kt_range *a, const kt_range *b)
{
	if (a->len != b->len || a->len == 0) {
		return a->len == b->len;
	}
	return a->start == b->start && (a->len == 1 || a->step == b->step);
}

static int equal(kt_sthread *t, kt_val a, kt_val b, int depth, bool *ret)
{
	kt_kind kind = kt_val_kind(a);
	const kt_host_type *type;

	if (depth < 1) {
		return too_deep(t);
	}
	if (is_number(a) && is_number(b)) {
		*ret = cmp_numbers(a, b) == 0;
		return 0;
	}
	*ret = a == b;
	if (kind != kt_val_kind(b)) {
		return 0;
	}
	switch (kind) {
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
		*ret = kt_str_equal(kt_as_str(a), kt_as_str(b));
		return 0;
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		return equal_items(t, a, b, depth, ret);
	case KT_KIND_DICT:
	case KT_KIND_SET:
		return equal_dicts(t, kt_as_dict(a), kt_as_dict(b), kind == KT_KIND_SET, depth,
				   ret);
	case KT_KIND_RANGE:
		*ret = equal_ranges(kt_as_range(a), kt_as_range(b));
		return 0;
	case KT_KIND_ELEMS:
		*ret = kt_as_elems(a)->h.aux == kt_as_elems(b)->h.aux &&
		       kt_str_equal(kt_as_str(kt_as_elems(a)->of), kt_as_str(kt_as_elems(b)->of));
		return 0;
	case KT_KIND_STRUCT:
		return equal_structs(t, kt_as_struct(a), kt_as_struct(b), depth, ret);
	case KT_KIND_HOST:
		type = kt_as_host(a)->type;
		if (a != b && type == kt_as_host(b)->type && type->equal != NULL) {
			return type->equal(t, kt_as_host(a), kt_as_host(b), ret);
		}
		return 0;
	default:
		return 0;
	}
}

int kt_val_equal(kt_sthread *t, kt_val a, kt_val b, bool *ret)
{
	if (kt_is_str(a) && kt_is_str(b)) {
		*ret = kt_str_equal(kt_as_str(a), kt_as_str(b));
		return 0;
	}
	return equal(t, a, b, MAX_DEPTH, ret);
}

/* ---- order ------------------------------------------------------------------- */

static bool holds(kt_cmp_op op, int sign)
{
	switch (op) {
	case KT_CMP_EQ:
		return sign == 0;
	case KT_CMP_NE:
		return sign != 0;
	case KT_CMP_LT:
		return sign < 0;
	case KT_CMP_LE:
		return sign <= 0;
	case KT_CMP_GT:
		return sign > 0;
	case KT_CMP_GE:
		break;
	}
	return sign >= 0;
}

/* The first pair that differs decides. */
static int order_items(kt_sthread *t, kt_cmp_op op, kt_val a, kt_val b, int depth, bool *ret)
{
	size_t n;
	size_t m;
	const kt_val *x = kt_seq_items(a, &n);
	const kt_val *y = kt_seq_items(b, &m);

	for (size_t i = 0; i < n && i < m; i++) {
		bool same;

		if (equal(t, x[i], y[i], depth - 1, &same) < 0) {
			return -1;
		}
		if (!same) {
			return order(t, op, x[i], y[i], depth - 1, ret);
		}
	}
	*ret = holds(op, (n > m) - (n < m));
	return 0;
}

static const char *cmp_text(kt_cmp_op op)
{
	static const char *const texts[] = {"==", "!=", "<", "<=", ">", ">="};

	return texts[op];
}

static int no_order(kt_sthread *t, kt_cmp_op op, kt_val a, kt_val b)
{
	return kt_star_fail(t, "%s %s %s not implemented", kt_val_type_name(a), cmp_text(op),
			    kt_val_type_name(b));
}

static int order(kt_sthread *t, kt_cmp_op op, kt_val a, kt_val b, int depth, bool *ret)
{
	kt_kind kind = kt_val_kind(a);
	int sign;

	if (depth < 1) {
		return too_deep(t);
	}
	if (is_number(a) && is_number(b)) {
		*ret = holds(op, cmp_numbers(a, b));
		return 0;
	}
	if (kind != kt_val_kind(b)) {
		return no_order(t, op, a, b);
	}
	switch (kind) {
	case KT_KIND_BOOL:
		*ret = holds(op, (a == KT_TRUE) - (b == KT_TRUE));
		return 0;
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
		*ret = holds(op, kt_str_compare(kt_as_str(a), kt_as_str(b)));
		return 0;
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		return order_items(t, op, a, b, depth, ret);
	case KT_KIND_HOST:
		if (kt_as_host(a)->type != kt_as_host(b)->type ||
		    kt_as_host(a)->type->order == NULL) {
			return no_order(t, op, a, b);
		}
		if (kt_as_host(a)->type->order(t, kt_as_host(a), kt_as_host(b), &sign) < 0) {
			return -1;
		}
		*ret = holds(op, sign);
		return 0;
	default:
		return no_order(t, op, a, b);
	}
}

int kt_val_compare(kt_sthread *t, kt_cmp_op op, kt_val a, kt_val b, bool *ret)
{
	int rc;

	if (kt_is_int(a) && kt_is_int(b)) {
		*ret = holds(op, (kt_small(a) > kt_small(b)) - (kt_small(a) < kt_small(b)));
		return 0;
	}
	if (op >= KT_CMP_LT && kt_is_str(a) && kt_is_str(b)) {
		*ret = holds(op, kt_str_compare(kt_as_str(a), kt_as_str(b)));
		return 0;
	}
	if (op == KT_CMP_EQ || op == KT_CMP_NE) {
		rc = equal(t, a, b, MAX_DEPTH, ret);
		*ret = rc == 0 && op == KT_CMP_NE ? !*ret : *ret;
		return rc;
	}
	return order(t, op, a, b, MAX_DEPTH, ret);
}

/* ---- hash -------------------------------------------------------------------- */

static uint32_t hash_word(uint64_t v)
{
	v *= UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(v >> 32) ^ (uint32_t)v;
}

static int hash_float(kt_sthread *t, double d, uint32_t *ret)
{
	uint64_t bits;
	kt_val as_int;

	if (isfinite(d) && trunc(d) == d) {
		as_int = kt_int_from_double(t, d); /* as the equal int */
		if (as_int == KT_NULL) {
			return -1;
		}
		*ret = kt_is_int(as_int) ? hash_word(as_int) : kt_big_hash(as_int);
		return 0;
	}
	if (isnan(d)) {
		d = NAN;
	}
	memcpy(&bits, &d, sizeof(bits));
	*ret = hash_word(bits);
	return 0;
}

static int hash(kt_sthread *t, kt_val v, int depth, uint32_t *ret);

static int hash_items(kt_sthread *t, const kt_val *items, size_t n, int depth, uint32_t seed,
		      uint32_t *ret)
{
	uint32_t h = seed ^ (uint32_t)n;
	uint32_t item;

	for (size_t i = 0; i < n; i++) {
		if (hash(t, items[i], depth - 1, &item) < 0) {
			return -1;
		}
		h = (h ^ item) * 0x85EBCA6Bu;
		h ^= h >> 13;
	}
	*ret = h;
	return 0;
}

static int hash(kt_sthread *t, kt_val v, int depth, uint32_t *ret)
{
	const kt_host_type *type;

	if (depth < 1 || (depth < HASH_DEPTH / 2 && kt_stack_low())) {
		return kt_star_fail(t, "value nested too deeply to be hashed");
	}
	switch (kt_val_kind(v)) {
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
		*ret = kt_str_hash(kt_as_str(v));
		return 0;
	case KT_KIND_INT:
		*ret = kt_is_int(v) ? hash_word(v) : kt_big_hash(v);
		return 0;
	case KT_KIND_FLOAT:
		return hash_float(t, kt_as_float(v)->d, ret);
	case KT_KIND_NONE:
	case KT_KIND_BOOL:
	case KT_KIND_FUNCTION:
	case KT_KIND_BUILTIN:
		*ret = hash_word(v);
		return 0;
	case KT_KIND_TUPLE:
		return hash_items(t, kt_as_tuple(v)->items, kt_as_tuple(v)->len, depth, 0x7457u,
				  ret);
	case KT_KIND_STRUCT:
		return hash_items(t, kt_as_struct(v)->fields, kt_as_struct(v)->shape->n, depth,
				  kt_as_struct(v)->shape->hash, ret);
	case KT_KIND_LIST:
	case KT_KIND_DICT:
	case KT_KIND_SET:
		return kt_star_fail(t, "unhashable type: %s", kt_val_type_name(v));
	case KT_KIND_HOST:
		type = kt_as_host(v)->type;
		if (type->hash != NULL) {
			return type->hash(t, kt_as_host(v), ret);
		}
		/* fall through */
	default:
		return kt_star_fail(t, "unhashable: %s", kt_val_type_name(v));
	}
}

int kt_val_hash(kt_sthread *t, kt_val v, uint32_t *ret)
{
	return hash(t, v, HASH_DEPTH, ret);
}
