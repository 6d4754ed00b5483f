/*
 * Comparisons follow the language's rules for values of one type; IN and NOT_IN follow
 * the reference's identity of values, where containers and big integers never match.
 */
#include "run/verify.h"

#include "base/str.h"

#include <math.h>
#include <string.h>

/* Membership compares integers of this magnitude only, as the reference does. */
#define SMALL_INT_MAX INT64_C(2147483647)
#define SMALL_INT_MIN (-INT64_C(2147483648))

/* Lists may hold scalars, but a list in a list cannot be compared. */
#define MAX_COMPARE_DEPTH 1

typedef enum relation {
	LESS = -1,
	EQUAL = 0,
	GREATER = 1,
	DIFFERENT,    /* unequal, no order */
	INCOMPARABLE, /* the comparison itself fails */
} relation;

static relation sign(int value)
{
	return value < 0 ? LESS : value > 0 ? GREATER : EQUAL;
}

static relation compare_bytes(const kt_pval *a, const kt_pval *b)
{
	size_t shorter = KT_MIN(a->text_len, b->text_len);
	int order = shorter > 0 ? memcmp(a->text, b->text, shorter) : 0;

	if (order != 0) {
		return sign(order);
	}
	return sign((a->text_len > b->text_len) - (a->text_len < b->text_len));
}

/* Either of them does not fit int64; decimal texts without leading zeros. */
static relation compare_big(const kt_pval *a, const kt_pval *b)
{
	bool a_big = a->kind == KT_PVAL_BIGINT;
	bool b_big = b->kind == KT_PVAL_BIGINT;
	bool a_negative = a_big ? a->text[0] == '-' : a->integer < 0;
	bool b_negative = b_big ? b->text[0] == '-' : b->integer < 0;
	relation by_size;

	if (a_negative != b_negative) {
		return a_negative ? LESS : GREATER;
	}
	if (a_big != b_big) {
		by_size = a_big ? GREATER : LESS;
	} else if (a->text_len != b->text_len) {
		by_size = a->text_len > b->text_len ? GREATER : LESS;
	} else {
		by_size = compare_bytes(a, b);
	}
	return a_negative ? (relation)(-(int)by_size) : by_size;
}

static relation compare(const kt_pval *a, const kt_pval *b, int depth);

static relation compare_lists(const kt_pval *a, const kt_pval *b, int depth)
{
	size_t shorter = KT_MIN(a->len, b->len);

	if (depth < 1) {
		return INCOMPARABLE;
	}
	for (size_t i = 0; i < shorter; i++) {
		relation r = compare(&a->items[i], &b->items[i], depth - 1);
		if (r != EQUAL) {
			return r;
		}
	}
	return sign((a->len > b->len) - (a->len < b->len));
}

static relation compare_dicts(const kt_pval *a, const kt_pval *b, int depth)
{
	if (depth < 1) {
		return INCOMPARABLE;
	}
	if (a->len != b->len) {
		return DIFFERENT;
	}
	for (size_t i = 0; i < a->len; i++) {
		bool found = false;
		for (size_t j = 0; j < b->len && !found; j++) {
			if (compare(&a->keys[i], &b->keys[j], 1) == EQUAL) {
				relation r = compare(&a->items[i], &b->items[j], depth - 1);
				if (r == INCOMPARABLE) {
					return r;
				}
				found = r == EQUAL;
			}
		}
		if (!found) {
			return DIFFERENT;
		}
	}
	return EQUAL;
}

static bool is_int(const kt_pval *value)
{
	return value->kind == KT_PVAL_INT || value->kind == KT_PVAL_BIGINT;
}

static relation compare(const kt_pval *a, const kt_pval *b, int depth)
{
	if (is_int(a) && is_int(b)) {
		if (a->kind == KT_PVAL_BIGINT || b->kind == KT_PVAL_BIGINT) {
			return compare_big(a, b);
		}
		return sign((a->integer > b->integer) - (a->integer < b->integer));
	}
	if (a->kind != b->kind) {
		return DIFFERENT;
	}
	switch (a->kind) {
	case KT_PVAL_BOOL:
		return sign((int)a->boolean - (int)b->boolean);
	case KT_PVAL_FLOAT:
		if (isnan(a->real) || isnan(b->real)) {
			return isnan(a->real) && isnan(b->real) ? EQUAL
			       : isnan(a->real)                 ? GREATER
			                                        : LESS;
		}
		return sign((a->real > b->real) - (a->real < b->real));
	case KT_PVAL_STRING:
		return compare_bytes(a, b);
	case KT_PVAL_LIST:
	case KT_PVAL_TUPLE:
		return compare_lists(a, b, depth);
	case KT_PVAL_DICT:
		return compare_dicts(a, b, depth);
	case KT_PVAL_NONE:
		return EQUAL;
	case KT_PVAL_INT:
	case KT_PVAL_BIGINT:
	case KT_PVAL_OTHER:
		break;
	}
	return DIFFERENT;
}

static bool ordered(const kt_pval *value)
{
	return value->kind != KT_PVAL_NONE && value->kind != KT_PVAL_DICT &&
	       value->kind != KT_PVAL_OTHER;
}

/* Fails with FORMAT filled in by texts of value and target. */
static int fail_pair(kt_err *err, const char *what, const kt_pval *value, const char *op,
                     const kt_pval *target)
{
	KT_AUTO_BUF kt_buf left = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf right = KT_BUF_INIT;

	kt_pval_add_repr(&left, value);
	kt_pval_add_repr(&right, target);
	if (op == NULL) {
		return KT_FAIL(err, INVALID, "%s because '%s' is type '%s' and '%s' is type '%s'",
		               what, kt_buf_str(&left), kt_pval_type(value), kt_buf_str(&right),
		               kt_pval_type(target));
	}
	return KT_FAIL(err, INVALID, "%s '%s' '%s' '%s'", what, kt_buf_str(&left), op,
	               kt_buf_str(&right));
}

static bool same_member(const kt_pval *a, const kt_pval *b)
{
	if (a->kind != b->kind) {
		return false;
	}
	switch (a->kind) {
	case KT_PVAL_NONE:
		return true;
	case KT_PVAL_BOOL:
		return a->boolean == b->boolean;
	case KT_PVAL_INT:
		return a->integer == b->integer && a->integer >= SMALL_INT_MIN &&
		       a->integer <= SMALL_INT_MAX;
	case KT_PVAL_FLOAT:
		return a->real == b->real;
	case KT_PVAL_STRING:
		return compare_bytes(a, b) == EQUAL;
	case KT_PVAL_BIGINT:
	case KT_PVAL_LIST:
	case KT_PVAL_TUPLE:
	case KT_PVAL_DICT:
	case KT_PVAL_OTHER:
		break;
	}
	return false;
}

static int check_member(const kt_pval *value, const char *op, bool want, const kt_pval *target,
                        kt_err *err)
{
	bool found = false;

	if (target->kind == KT_PVAL_LIST || target->kind == KT_PVAL_TUPLE) {
		for (size_t i = 0; i < target->len && !found; i++) {
			found = same_member(value, &target->items[i]);
		}
	} else if (target->kind == KT_PVAL_DICT) {
		for (size_t i = 0; i < target->len && !found; i++) {
			found = same_member(value, &target->keys[i]);
		}
	} else {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_pval_add_repr(&text, target);
		return KT_FAIL(err, INVALID,
		               "Verification failed, expected an iterable object but got '%s'",
		               kt_buf_str(&text));
	}
	return found == want ? 0 : fail_pair(err, "Verification failed", value, op, target);
}

static bool holds(kt_plan_assertion op, relation r)
{
	switch (op) {
	case KT_PLAN_EQ:
		return r == EQUAL;
	case KT_PLAN_NE:
		return r != EQUAL;
	case KT_PLAN_GE:
		return r == EQUAL || r == GREATER;
	case KT_PLAN_GT:
		return r == GREATER;
	case KT_PLAN_LE:
		return r == EQUAL || r == LESS;
	case KT_PLAN_LT:
		return r == LESS;
	case KT_PLAN_IN:
	case KT_PLAN_NOT_IN:
		break;
	}
	return false;
}

int kt_assert_check(const kt_pval *value, kt_plan_assertion op, const kt_pval *target, kt_err *err)
{
	const char *name = kt_plan_assertion_name(op);

	if (op == KT_PLAN_IN || op == KT_PLAN_NOT_IN) {
		return check_member(value, name, op == KT_PLAN_IN, target, err);
	}
	if (strcmp(kt_pval_type(value), kt_pval_type(target)) != 0) {
		return fail_pair(err, "Verify failed", value, NULL, target);
	}
	bool by_order = op != KT_PLAN_EQ && op != KT_PLAN_NE;
	relation r = compare(value, target, MAX_COMPARE_DEPTH);
	if (r == INCOMPARABLE || (by_order && (!ordered(value) || r == DIFFERENT))) {
		return fail_pair(err, "Verify comparison failed", value, name, target);
	}
	return holds(op, r) ? 0 : fail_pair(err, "Verification failed", value, name, target);
}
