/* Operators. The VM has the fast paths for small ints; here is everything. */
#include "starlark/bigint.h"
#include "starlark/vm_internal.h"

#include <math.h>

#define MAX_REPEAT ((int64_t)1 << 30)
#define MAX_SHIFT 512

static const char *const op_texts[16] = {"+", "-", "*", "/", "//", "%",  "&",
				       "|", "^", "<<", ">>", "in", "in"};

static kt_val unknown(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	return kt_star_raise(t, "unknown binary op: %s %s %s", kt_val_type_name(a), op_texts[op],
			     kt_val_type_name(b));
}

/* ---- numbers ----------------------------------------------------------------- */

static kt_val floor_div_small(kt_sthread *t, int64_t a, int64_t b)
{
	int64_t quotient = a / b;

	if (a % b != 0 && (a < 0) != (b < 0)) {
		quotient--;
	}
	return kt_int_new(t, quotient);
}

static kt_val shift(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	int64_t count;

	if (!kt_is_anyint(b)) {
		return kt_star_raise(t, "got %s, want int", kt_val_type_name(b));
	}
	if (!kt_int_get(b, &count) || count > INT32_MAX || count < INT32_MIN) {
		return kt_int_text(t, b, 10, &text) < 0
			       ? KT_NULL
			       : kt_star_raise(t, "%s out of range", kt_buf_str(&text));
	}
	if (count < 0) {
		return kt_star_raise(t, "negative shift count: %lld", (long long)count);
	}
	if (op == KT_OP_SHR) {
		if (kt_is_int(a)) {
			return kt_small_val(kt_small(a) >> KT_MIN(count, 63));
		}
		return kt_big_shr(t, a, (unsigned)count);
	}
	if (count >= MAX_SHIFT) {
		return kt_star_raise(t, "shift count too large: %lld", (long long)count);
	}
	return kt_big_shl(t, a, (unsigned)count);
}

static kt_val divide_ints(kt_sthread *t, kt_val a, kt_val b)
{
	double x = kt_int_to_double(a);
	double y = kt_int_to_double(b);

	if (isinf(x) || isinf(y)) {
		return kt_star_raise(t, "int too large to convert to float");
	}
	if (y == 0) {
		return kt_star_raise(t, "floating-point division by zero");
	}
	return kt_float_new(t, x / y);
}

static kt_val int_op(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	bool small = kt_is_int(a) && kt_is_int(b);
	bool zero = kt_is_int(b) && kt_small(b) == 0;

	switch (op) {
	case KT_OP_ADD:
		return small ? kt_int_new(t, kt_small(a) + kt_small(b)) : kt_big_add(t, a, b);
	case KT_OP_SUB:
		return small ? kt_int_new(t, kt_small(a) - kt_small(b)) : kt_big_sub(t, a, b);
	case KT_OP_MUL:
		return kt_big_mul(t, a, b);
	case KT_OP_DIV:
		return divide_ints(t, a, b);
	case KT_OP_FLOORDIV:
		if (zero) {
			return kt_star_raise(t, "floored division by zero");
		}
		return small ? floor_div_small(t, kt_small(a), kt_small(b))
			     : kt_big_floordiv(t, a, b);
	case KT_OP_MOD:
		if (zero) {
			return kt_star_raise(t, "integer modulo by zero");
		}
		if (small) {
			int64_t rest = kt_small(a) % kt_small(b);

			rest += rest != 0 && (rest < 0) != (kt_small(b) < 0) ? kt_small(b) : 0;
			return kt_small_val(rest);
		}
		return kt_big_mod(t, a, b);
	case KT_OP_AND:
		return small ? a & b : kt_big_and(t, a, b);
	case KT_OP_OR:
		return small ? a | b : kt_big_or(t, a, b);
	case KT_OP_XOR:
		return small ? (a ^ b) | 1 : kt_big_xor(t, a, b);
	default:
		return unknown(t, op, a, b);
	}
}

static kt_val float_op(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	double x = 0;
	double y = 0;
	double rest;

	kt_float_get(a, &x);
	kt_float_get(b, &y);
	if ((kt_is_anyint(a) && isinf(x)) || (kt_is_anyint(b) && isinf(y))) {
		return kt_star_raise(t, "int too large to convert to float");
	}
	switch (op) {
	case KT_OP_ADD:
		return kt_float_new(t, x + y);
	case KT_OP_SUB:
		return kt_float_new(t, x - y);
	case KT_OP_MUL:
		return kt_float_new(t, x * y);
	case KT_OP_DIV:
		return y == 0 ? kt_star_raise(t, "floating-point division by zero")
			      : kt_float_new(t, x / y);
	case KT_OP_FLOORDIV:
		return y == 0 ? kt_star_raise(t, "floored division by zero")
			      : kt_float_new(t, floor(x / y));
	case KT_OP_MOD:
		if (y == 0) {
			return kt_star_raise(t, "floating-point modulo by zero");
		}
		rest = fmod(x, y);
		if (rest != 0 && (rest < 0) != (y < 0)) {
			rest += y;
		}
		return kt_float_new(t, rest);
	default:
		return unknown(t, op, a, b);
	}
}

/* ---- sequences --------------------------------------------------------------- */

static kt_val concat_strings(kt_sthread *t, const kt_str *a, const kt_str *b, kt_kind kind)
{
	kt_str *s = kt_str_alloc(t, kind, a->len + b->len);

	if (s == NULL) {
		return KT_NULL;
	}
	memcpy(s->data, a->data, a->len);
	memcpy(s->data + a->len, b->data, b->len);
	return kt_obj_val(s);
}

static kt_val concat_items(kt_sthread *t, kt_val a, kt_val b)
{
	size_t n;
	size_t m;
	const kt_val *x = kt_seq_items(a, &n);
	const kt_val *y = kt_seq_items(b, &m);
	kt_val *to;
	kt_val v;

	if (kt_is(a, KT_KIND_LIST)) {
		v = kt_list_new(t, NULL, n + m);
		if (v == KT_NULL) {
			return KT_NULL;
		}
		kt_as_list(v)->len = (uint32_t)(n + m);
		to = kt_as_list(v)->items;
	} else {
		kt_tuple *tuple = kt_tuple_alloc(t, n + m);

		if (tuple == NULL) {
			return KT_NULL;
		}
		v = kt_obj_val(tuple);
		to = tuple->items;
	}
	if (n > 0) {
		memcpy(to, x, n * sizeof(kt_val));
	}
	if (m > 0) {
		memcpy(to + n, y, m * sizeof(kt_val));
	}
	return v;
}

static void fill(char *to, const char *from, size_t size, size_t times)
{
	if (size == 1) {
		memset(to, *from, times);
		return;
	}
	for (size_t i = 0; i < times; i++) {
		memcpy(to + i * size, from, size);
	}
}

static kt_val repeat_items(kt_sthread *t, kt_val seq, size_t n)
{
	size_t len;
	const kt_val *items = kt_seq_items(seq, &len);
	kt_val v;

	if (kt_is(seq, KT_KIND_TUPLE)) {
		kt_tuple *tuple = kt_tuple_alloc(t, len * n);

		if (tuple == NULL) {
			return KT_NULL;
		}
		fill((char *)tuple->items, (const char *)items, len * sizeof(kt_val), len ? n : 0);
		return kt_obj_val(tuple);
	}
	v = kt_list_new(t, NULL, len * n);
	if (v != KT_NULL && len > 0) {
		fill((char *)kt_as_list(v)->items, (const char *)items, len * sizeof(kt_val), n);
		kt_as_list(v)->len = (uint32_t)(len * n);
	}
	return v;
}

static kt_val repeat(kt_sthread *t, kt_val seq, kt_val count)
{
	int64_t n;
	size_t len = kt_val_len(seq);
	kt_str *s;

	if (len == 0) {
		return kt_is(seq, KT_KIND_LIST) ? kt_list_new(t, NULL, 0) : seq;
	}
	if (!kt_is_int(count) || kt_small(count) > INT32_MAX || kt_small(count) < INT32_MIN) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

		return kt_int_text(t, count, 10, &text) < 0
			       ? KT_NULL
			       : kt_star_raise(t, "repeat count %s too large", kt_buf_str(&text));
	}
	n = KT_MAX(kt_small(count), 0);
	if (n > 0 && (int64_t)len > MAX_REPEAT / n) {
		return kt_star_raise(t, "excessive repeat (%zu * %lld elements)", len,
				     (long long)n);
	}
	if (kt_is(seq, KT_KIND_LIST) || kt_is(seq, KT_KIND_TUPLE)) {
		return repeat_items(t, seq, (size_t)n);
	}
	s = kt_str_alloc(t, kt_val_kind(seq), len * (size_t)n);
	if (s == NULL) {
		return KT_NULL;
	}
	if (len > 0) {
		fill(s->data, kt_as_str(seq)->data, len, (size_t)n);
	}
	return kt_obj_val(s);
}

static bool repeatable(kt_val v)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		return true;
	default:
		return false;
	}
}

/* ---- structs, dicts, sets ---------------------------------------------------- */

static kt_val add_structs(kt_sthread *t, kt_val a, kt_val b)
{
	const kt_struct *x = kt_as_struct(a);
	const kt_struct *y = kt_as_struct(b);
	size_t n = 0;
	size_t room = (size_t)x->shape->n + y->shape->n;
	kt_val *names;
	kt_val v;
	bool same;

	if (kt_val_equal(t, x->ctor, y->ctor, &same) < 0) {
		return KT_NULL;
	}
	if (!same) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

		kt_val_repr(t, x->ctor, &text);
		kt_buf_adds(&text, " + ");
		kt_val_repr(t, y->ctor, &text);
		return kt_star_raise(t, "cannot add structs of different constructors: %s",
				     kt_buf_str(&text));
	}
	names = kt_alloc_array(room + 1, 2 * sizeof(kt_val));
	if (names == NULL) {
		return kt_star_raise_nomem(t);
	}
	for (uint32_t i = 0; i < y->shape->n; i++, n++) {
		names[n] = y->shape->names[i];
		names[room + n] = y->fields[i];
	}
	for (uint32_t i = 0; i < x->shape->n; i++) {
		bool taken = false;

		for (uint32_t j = 0; j < y->shape->n; j++) {
			taken = taken || y->shape->names[j] == x->shape->names[i];
		}
		if (!taken) {
			names[n] = x->shape->names[i];
			names[room + n++] = x->fields[i];
		}
	}
	v = kt_struct_new(t, x->ctor, names, names + room, n);
	kt_free(names);
	return v;
}

static int put_all(kt_sthread *t, kt_val to, kt_val from, kt_val only_in, bool present)
{
	kt_val key;
	kt_val value;
	kt_val found;

	for (size_t at = 0; kt_dict_next(from, &at, &key, &value);) {
		if (only_in != KT_NULL) {
			if (kt_dict_get(t, only_in, key, &found) < 0) {
				return -1;
			}
			if ((found != KT_NULL) != present) {
				continue;
			}
		}
		if (kt_dict_put(t, kt_as_dict(to), key, value) < 0) {
			return -1;
		}
	}
	return 0;
}

/* dict | dict; set | & ^ - set. */
static kt_val table_op(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	kt_dict *d;
	kt_val v;
	int rc = 0;

	if (kt_is(a, KT_KIND_DICT) && op != KT_OP_OR) {
		return unknown(t, op, a, b);
	}
	/* Never without room: pop tells a union from an empty dict; see kt_dict_remove. */
	d = kt_dict_alloc(t, kt_val_kind(a), KT_MAX(kt_as_dict(a)->len, 1u));
	if (d == NULL) {
		return KT_NULL;
	}
	v = kt_obj_val(d);
	switch (op) {
	case KT_OP_OR:
		rc = put_all(t, v, a, KT_NULL, false);
		rc = rc < 0 ? rc : put_all(t, v, b, KT_NULL, false);
		break;
	case KT_OP_AND:
		rc = put_all(t, v, a, b, true);
		break;
	case KT_OP_XOR: /* there is no difference: set - set */
		rc = put_all(t, v, a, b, false);
		rc = rc < 0 ? rc : put_all(t, v, b, a, false);
		break;
	default:
		return unknown(t, op, a, b);
	}
	return rc < 0 ? KT_NULL : v;
}

/* ---- in ---------------------------------------------------------------------- */

static int in_items(kt_sthread *t, kt_val a, kt_val b, bool *ret)
{
	size_t n;
	const kt_val *items = kt_seq_items(b, &n);

	*ret = false;
	for (size_t i = 0; i < n && !*ret; i++) {
		if (kt_val_equal(t, items[i], a, ret) < 0) {
			return -1;
		}
	}
	return 0;
}

static int in_bytes(kt_sthread *t, kt_val a, kt_val b, bool *ret)
{
	const kt_str *s = kt_as_str(b);
	int64_t byte;

	if (kt_is(a, KT_KIND_BYTES)) {
		*ret = memmem(s->data, s->len, kt_as_str(a)->data, kt_as_str(a)->len) != NULL;
		return 0;
	}
	if (!kt_is_anyint(a)) {
		return kt_star_fail(t,
				    "'in bytes' requires bytes or int as left operand, not %s",
				    kt_val_type_name(a));
	}
	if (!kt_int_get(a, &byte) || byte < 0 || byte > 255) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

		kt_int_text(t, a, 10, &text);
		return kt_star_fail(t, "int in bytes: %s out of range (want value in unsigned "
				    "8-bit range)",
				    kt_buf_str(&text));
	}
	*ret = memchr(s->data, (int)byte, s->len) != NULL;
	return 0;
}

static int in_range(kt_sthread *t, kt_val a, const kt_range *r, bool *ret)
{
	int64_t i;
	__int128 offset;

	if (kt_is(a, KT_KIND_FLOAT) && isfinite(kt_as_float(a)->d)) {
		a = kt_int_from_double(t, kt_as_float(a)->d); /* truncated, as in the reference */
	}
	if (!kt_is_anyint(a)) {
		return kt_star_fail(t, "'in <range>' requires integer as left operand, not %s",
				    kt_val_type_name(a));
	}
	*ret = false;
	if (kt_int_get(a, &i) && i == (int32_t)i) { /* the reference finds no others */
		offset = (int64_t)((uint64_t)i - (uint64_t)r->start);
		*ret = offset % r->step == 0 && offset / r->step >= 0 &&
		       offset / r->step < r->len;
	}
	return 0;
}

/* 1 = decided, 0 = b has no `in`, -1 = failed. */
static int contains(kt_sthread *t, kt_val a, kt_val b, bool *ret)
{
	kt_val found = KT_NULL;
	int rc = 0;

	switch (kt_val_kind(b)) {
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		rc = in_items(t, a, b, ret);
		break;
	case KT_KIND_DICT:
	case KT_KIND_SET:
		if (kt_is(b, KT_KIND_DICT) &&
		    (kt_is(a, KT_KIND_LIST) || kt_is(a, KT_KIND_DICT) || kt_is(a, KT_KIND_SET))) {
			*ret = false; /* the frequent cases, without an error to be dropped */
			break;
		}
		if (kt_dict_get(t, b, a, &found) < 0) {
			if (t->err.kind != KT_STAR_EVAL || kt_is(b, KT_KIND_SET)) {
				return -1;
			}
			kt_sthread_clear_error(t); /* what cannot be hashed is in no dict */
		}
		*ret = found != KT_NULL;
		break;
	case KT_KIND_STRING:
		if (!kt_is_str(a)) {
			return kt_star_fail(
				t, "'in <string>' requires string as left operand, not %s",
				kt_val_type_name(a));
		}
		*ret = memmem(kt_as_str(b)->data, kt_as_str(b)->len, kt_as_str(a)->data,
			      kt_as_str(a)->len) != NULL;
		break;
	case KT_KIND_BYTES:
		rc = in_bytes(t, a, b, ret);
		break;
	case KT_KIND_RANGE:
		rc = in_range(t, a, kt_as_range(b), ret);
		break;
	default:
		return 0;
	}
	return rc < 0 ? -1 : 1;
}

/* ---- dispatch ---------------------------------------------------------------- */

static kt_val host_op(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	kt_host *host = kt_host_get(a, NULL);
	kt_val v = KT_NULL;

	if (host != NULL && host->type->binary != NULL) {
		v = host->type->binary(t, op_texts[op], host, b, true);
	}
	if (v == KT_NULL && !t->failed) {
		host = kt_host_get(b, NULL);
		if (host != NULL && host->type->binary != NULL) {
			v = host->type->binary(t, op_texts[op], host, a, false);
		}
	}
	return v == KT_NULL && !t->failed ? unknown(t, op, a, b) : v;
}

static kt_val host_in(kt_sthread *t, kt_val a, kt_val b, bool negate)
{
	kt_val v = host_op(t, KT_OP_IN, a, b);

	return v == KT_NULL || !negate ? v : kt_bool(!kt_val_truth(v));
}

kt_val kt_bytes_concat(kt_sthread *t, kt_val a, kt_val b)
{
	if (!kt_is(a, KT_KIND_BYTES) || !kt_is(b, KT_KIND_BYTES)) {
		return kt_val_binary(t, KT_OP_ADD, a, b);
	}
	return concat_strings(t, kt_as_str(a), kt_as_str(b), KT_KIND_BYTES);
}

static kt_val same_kind_op(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	switch (kt_val_kind(a)) {
	case KT_KIND_STRING:
		if (op == KT_OP_ADD) {
			return concat_strings(t, kt_as_str(a), kt_as_str(b), KT_KIND_STRING);
		}
		break;
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		if (op == KT_OP_ADD) {
			return concat_items(t, a, b);
		}
		break;
	case KT_KIND_DICT:
	case KT_KIND_SET:
		return table_op(t, op, a, b);
	case KT_KIND_STRUCT:
		if (op == KT_OP_ADD) {
			return add_structs(t, a, b);
		}
		break;
	default:
		break;
	}
	return unknown(t, op, a, b);
}

kt_val kt_val_binary(kt_sthread *t, kt_binop op, kt_val a, kt_val b)
{
	bool a_int = kt_is_anyint(a);
	bool b_int = kt_is_anyint(b);
	bool a_float = kt_is(a, KT_KIND_FLOAT);
	bool b_float = kt_is(b, KT_KIND_FLOAT);

	if (op == KT_OP_IN || op == KT_OP_NOT_IN) {
		bool in = false;
		int rc = contains(t, a, b, &in);

		if (rc != 0) {
			return rc < 0 ? KT_NULL : kt_bool(in == (op == KT_OP_IN));
		}
		return host_in(t, a, b, op == KT_OP_NOT_IN);
	}
	if (a_int && (op == KT_OP_SHL || op == KT_OP_SHR)) {
		return shift(t, op, a, b);
	}
	if (a_int && b_int) {
		return int_op(t, op, a, b);
	}
	if (a_int && (op == KT_OP_SHL || op == KT_OP_SHR)) {
		return kt_star_raise(t, "got %s, want int", kt_val_type_name(b));
	}
	if ((a_int || a_float) && (b_int || b_float)) {
		return float_op(t, op, a, b);
	}
	if (op == KT_OP_MUL && a_int && repeatable(b)) {
		return repeat(t, b, a);
	}
	if (op == KT_OP_MUL && b_int && repeatable(a)) {
		return repeat(t, a, b);
	}
	if (op == KT_OP_MOD && kt_is_str(a)) {
		return kt_string_percent(t, a, b);
	}
	if (kt_is(a, KT_KIND_HOST) || kt_is(b, KT_KIND_HOST)) {
		return host_op(t, op, a, b);
	}
	return kt_val_kind(a) == kt_val_kind(b) ? same_kind_op(t, op, a, b) : unknown(t, op, a, b);
}

kt_val kt_val_unary(kt_sthread *t, char op, kt_val v)
{
	if (kt_is_anyint(v)) {
		switch (op) {
		case '-':
			return kt_is_int(v) ? kt_int_new(t, -kt_small(v)) : kt_big_neg(t, v);
		case '~':
			return kt_is_int(v) ? kt_small_val(~kt_small(v)) : kt_big_not(t, v);
		default:
			return v;
		}
	}
	if (kt_is(v, KT_KIND_FLOAT) && op != '~') {
		return op == '-' ? kt_float_new(t, -kt_as_float(v)->d) : v;
	}
	return kt_star_raise(t, "unknown unary op: %c %s", op, kt_val_type_name(v));
}
