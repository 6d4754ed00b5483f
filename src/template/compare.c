/* eq, ne, lt, le, gt, ge: by kind, without conversions. */
#include "template/exec_internal.h"

typedef enum kind { NONE, BOOL, COMPLEX, INT, FLOAT, STRING, UINT } kind;

static kind kind_of(const kt_tmpl_val *v)
{
	switch (v->kind) {
	case KT_TMPL_BOOL:
		return BOOL;
	case KT_TMPL_INT:
		return INT;
	case KT_TMPL_BYTE:
		return UINT;
	case KT_TMPL_FLOAT:
		return FLOAT;
	case KT_TMPL_COMPLEX:
		return COMPLEX;
	case KT_TMPL_STRING:
	case KT_TMPL_NUMBER:
		return STRING;
	default:
		return NONE;
	}
}

static bool is_nil(const kt_tmpl_val *v)
{
	return v->kind == KT_TMPL_MISSING || v->kind == KT_TMPL_NIL;
}

/* An int and a byte compare by value; other kinds must be the same. */
static bool both_whole(kind a, kind b)
{
	return (a == INT || a == UINT) && (b == INT || b == UINT);
}

static bool incompatible(kt_texec *x, const kt_tmpl_val *a, const kt_tmpl_val *b)
{
	return kt_tfunc_fail(x, "incompatible types for comparison: %s and %s", kt_tval_type(a),
			     kt_tval_type(b));
}

/* Two values without a basic kind: nothing, lists, maps. */
static bool equal_others(kt_texec *x, const kt_tmpl_val *a, const kt_tmpl_val *b, bool *ret)
{
	if (!is_nil(a) && !is_nil(b) && a->kind != b->kind) {
		kt_buf_adds(&x->problem, "non-comparable types ");
		kt_tfmt_value(&x->problem, 's', a);
		kt_buf_addf(&x->problem, ": %s, %s: ", kt_tval_type(a), kt_tval_type(b));
		kt_tfmt_value(&x->problem, 'v', b);
		return false;
	}
	if (is_nil(a) || is_nil(b)) {
		*ret = is_nil(a) == is_nil(b);
		return true;
	}
	kt_buf_adds(&x->problem, "non-comparable type ");
	kt_tfmt_value(&x->problem, 's', b);
	kt_buf_addf(&x->problem, ": %s", kt_tval_type(b));
	return false;
}

static bool equal(kt_texec *x, const kt_tmpl_val *a, const kt_tmpl_val *b, bool *ret)
{
	kind left = kind_of(a);
	kind right = kind_of(b);

	*ret = false;
	if (both_whole(left, right)) {
		*ret = a->i == b->i;
		return true;
	}
	if (left != right) {
		return is_nil(a) || is_nil(b) || incompatible(x, a, b);
	}
	switch (left) {
	case BOOL:
		*ret = a->b == b->b;
		return true;
	case COMPLEX:
		*ret = a->c.re == b->c.re && a->c.im == b->c.im;
		return true;
	case FLOAT:
		*ret = a->f == b->f;
		return true;
	case STRING:
		*ret = kt_ttext_equal(kt_tval_str(a), kt_tval_str(b));
		return true;
	default:
		return equal_others(x, a, b, ret);
	}
}

static bool less(kt_texec *x, const kt_tmpl_val *a, const kt_tmpl_val *b, bool *ret)
{
	kind left = kind_of(a);
	kind right = kind_of(b);

	if (left == NONE || right == NONE) {
		return kt_tfunc_fail(x, "invalid type for comparison");
	}
	if (both_whole(left, right)) {
		*ret = a->i < b->i;
		return true;
	}
	if (left != right) {
		return incompatible(x, a, b);
	}
	if (left == FLOAT) {
		*ret = a->f < b->f;
		return true;
	}
	if (left == STRING) {
		int order = memcmp(a->s.data, b->s.data, KT_MIN(a->s.len, b->s.len));
		*ret = order < 0 || (order == 0 && a->s.len < b->s.len);
		return true;
	}
	return kt_tfunc_fail(x, "invalid type for comparison");
}

static bool less_or_equal(kt_texec *x, const kt_tmpl_val *a, const kt_tmpl_val *b, bool *ret)
{
	return less(x, a, b, ret) && (*ret || equal(x, a, b, ret));
}

static bool give(bool ok, bool value, kt_tmpl_val *ret)
{
	if (ok) {
		*ret = kt_tval(KT_TMPL_BOOL);
		ret->b = value;
	}
	return ok;
}

bool kt_tfunc_eq(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	bool result = false;

	if (n < 2) {
		return kt_tfunc_fail(x, "missing argument for comparison");
	}
	for (size_t i = 1; i < n && !result; i++) {
		if (!equal(x, &args[0], &args[i], &result)) {
			return false;
		}
	}
	return give(true, result, ret);
}

bool kt_tfunc_ne(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	bool result = false;
	bool ok = equal(x, &args[0], &args[1], &result);

	(void)n;
	return give(ok, !result, ret);
}

bool kt_tfunc_lt(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	bool result = false;
	bool ok = less(x, &args[0], &args[1], &result);

	(void)n;
	return give(ok, result, ret);
}

bool kt_tfunc_le(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	bool result = false;
	bool ok = less_or_equal(x, &args[0], &args[1], &result);

	(void)n;
	return give(ok, result, ret);
}

bool kt_tfunc_gt(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	bool result = false;
	bool ok = less_or_equal(x, &args[0], &args[1], &result);

	(void)n;
	return give(ok, !result, ret);
}

bool kt_tfunc_ge(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	bool result = false;
	bool ok = less(x, &args[0], &args[1], &result);

	(void)n;
	return give(ok, !result, ret);
}
