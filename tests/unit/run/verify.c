/* Comparisons of verify and wait; values as they are stored. */
#include "run/verify.h"

#include "run/value.h"
#include "test.h"

static kt_pval text(const char *s)
{
	return kt_pval_str_borrow(s, strlen(s));
}

static kt_pval list(const kt_pval *items, size_t n)
{
	return (kt_pval){.kind = KT_PVAL_LIST, .items = items, .len = n};
}

/* want NULL = the comparison holds. */
static void check(kt_pval value, kt_plan_assertion op, kt_pval target, const char *want)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int result = kt_assert_check(&value, op, &target, &err);

	if (want == NULL) {
		assert_int_equal(result, 0);
	} else {
		assert_int_equal(result, -1);
		assert_string_equal(kt_err_message(&err, 0), want);
	}
}

static void scalars(void **state)
{
	(void)state;
	check(kt_pval_int(1), KT_PLAN_EQ, kt_pval_int(1), NULL);
	check(kt_pval_int(1), KT_PLAN_NE, kt_pval_int(2), NULL);
	check(kt_pval_int(1), KT_PLAN_LT, kt_pval_int(2), NULL);
	check(kt_pval_int(2), KT_PLAN_GE, kt_pval_int(2), NULL);
	check(kt_pval_float(1.5), KT_PLAN_GT, kt_pval_float(1), NULL);
	check(kt_pval_bool(false), KT_PLAN_LT, kt_pval_bool(true), NULL);
	check(text("abc"), KT_PLAN_LT, text("abd"), NULL);
	check(text("ab"), KT_PLAN_LT, text("abc"), NULL);
	check(text("a"), KT_PLAN_EQ, text("b"), "Verification failed '\"a\"' '==' '\"b\"'");
	check(kt_pval_int(3), KT_PLAN_LE, kt_pval_int(2), "Verification failed '3' '<=' '2'");
}

static void types_differ(void **state)
{
	(void)state;
	check(text("1"), KT_PLAN_EQ, kt_pval_int(1),
	      "Verify failed because '\"1\"' is type 'string' and '1' is type 'int'");
	check(kt_pval_int(1), KT_PLAN_NE, kt_pval_float(1),
	      "Verify failed because '1' is type 'int' and '1.0' is type 'float'");
}

static void big_integers(void **state)
{
	(void)state;
	kt_pval big = text("9223372036854775808");
	kt_pval small = text("-9223372036854775809");

	big.kind = KT_PVAL_BIGINT;
	small.kind = KT_PVAL_BIGINT;
	check(big, KT_PLAN_EQ, big, NULL);
	check(big, KT_PLAN_GT, kt_pval_int(INT64_MAX), NULL);
	check(small, KT_PLAN_LT, kt_pval_int(INT64_MIN), NULL);
	check(small, KT_PLAN_LT, big, NULL);
}

static void lists(void **state)
{
	(void)state;
	kt_pval one[] = {kt_pval_int(1), text("a")};
	kt_pval two[] = {kt_pval_int(1), text("b")};
	kt_pval nested[] = {list(one, 2)};

	check(list(one, 2), KT_PLAN_EQ, list(one, 2), NULL);
	check(list(one, 2), KT_PLAN_LT, list(two, 2), NULL);
	check(list(one, 1), KT_PLAN_LT, list(one, 2), NULL);
	check(list(nested, 1), KT_PLAN_EQ, list(nested, 1),
	      "Verify comparison failed '[[1, \"a\"]]' '==' '[[1, \"a\"]]'");
}

static void unordered(void **state)
{
	(void)state;
	kt_pval key = text("k");
	kt_pval item = kt_pval_int(1);
	kt_pval dict = {.kind = KT_PVAL_DICT, .keys = &key, .items = &item, .len = 1};

	check(dict, KT_PLAN_EQ, dict, NULL);
	check(dict, KT_PLAN_LT, dict, "Verify comparison failed '{\"k\": 1}' '<' '{\"k\": 1}'");
	check(kt_pval_none(), KT_PLAN_EQ, kt_pval_none(), NULL);
	check(kt_pval_none(), KT_PLAN_GE, kt_pval_none(),
	      "Verify comparison failed 'None' '>=' 'None'");
}

static void membership(void **state)
{
	(void)state;
	kt_pval inner[] = {kt_pval_int(1)};
	kt_pval items[] = {kt_pval_int(1), text("a"), kt_pval_int(INT64_C(5000000000)),
	                   list(inner, 1)};

	check(kt_pval_int(1), KT_PLAN_IN, list(items, 4), NULL);
	check(text("a"), KT_PLAN_IN, list(items, 4), NULL);
	check(text("z"), KT_PLAN_NOT_IN, list(items, 4), NULL);
	check(kt_pval_float(1), KT_PLAN_NOT_IN, list(items, 4), NULL);
	check(kt_pval_int(INT64_C(5000000000)), KT_PLAN_NOT_IN, list(items, 4), NULL);
	check(list(inner, 1), KT_PLAN_NOT_IN, list(items, 4), NULL);
	check(text("z"), KT_PLAN_IN, list(items, 2),
	      "Verification failed '\"z\"' 'IN' '[1, \"a\"]'");
	check(text("z"), KT_PLAN_IN, text("zz"),
	      "Verification failed, expected an iterable object but got '\"zz\"'");
}

static void same_after_storing(kt_pval value)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_BUF kt_buf stored = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf before = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf after = KT_BUF_INIT;
	kt_pval back = {0};

	assert_int_equal(kt_pval_encode(&stored, &value, NULL), 0);
	assert_int_equal(kt_pval_decode(&arena, kt_buf_str(&stored), stored.len, &back, NULL), 0);
	assert_int_equal(back.kind, value.kind);
	kt_pval_add_repr(&before, &value);
	kt_pval_add_repr(&after, &back);
	assert_string_equal(kt_buf_str(&before), kt_buf_str(&after));
}

static void storing(void **state)
{
	(void)state;
	kt_pval big = text("123456789012345678901234567890");
	kt_pval key = text("k\n");
	kt_pval items[] = {kt_pval_none(),
	                   kt_pval_bool(true),
	                   kt_pval_int(INT64_MIN),
	                   kt_pval_float(0.1),
	                   text("caf\xc3\xa9"),
	                   kt_pval_str_borrow("a\0b", 3),
	                   kt_pval_str_borrow("\xff\xfe", 2)};
	kt_pval dict = {.kind = KT_PVAL_DICT, .keys = &key, .items = items, .len = 1};

	big.kind = KT_PVAL_BIGINT;
	for (size_t i = 0; i < KT_ARRAY_LEN(items); i++) {
		same_after_storing(items[i]);
	}
	same_after_storing(big);
	same_after_storing(dict);
	same_after_storing(list(items, KT_ARRAY_LEN(items)));
}

static void damaged_storage(void **state)
{
	(void)state;
	static const char *const texts[] = {"",
	                                    "{",
	                                    "{}",
	                                    "{\"i\":1}",
	                                    "[1]",
	                                    "{\"x\":\"abc\"}",
	                                    "{\"x\":\"zz\"}",
	                                    "{\"q\":\"1\"}",
	                                    "{\"d\":[[null]]}",
	                                    "{\"i\":\"x\"}"};

	for (size_t i = 0; i < KT_ARRAY_LEN(texts); i++) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_pval back = {0};
		assert_int_equal(kt_pval_decode(&arena, texts[i], strlen(texts[i]), &back, &err),
		                 -1);
		assert_int_equal(err.code, KT_ERR_CORRUPT);
	}
}

static void memory_short(void **state)
{
	(void)state;
	static const char stored[] = "{\"d\":[[{\"s\":\"k\"},{\"l\":[null,{\"x\":\"ff00\"}]}]]}";

	for (long n = 0; n < 100; n++) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		KT_AUTO_BUF kt_buf again = KT_BUF_INIT;
		kt_pval value = {0};
		kt_alloc_fail_after(n);
		int result = kt_pval_decode(&arena, stored, sizeof(stored) - 1, &value, NULL);
		if (result == 0) {
			result = kt_pval_encode(&again, &value, NULL);
		}
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		if (!failed) {
			assert_int_equal(result, 0);
			assert_string_equal(kt_buf_str(&again), stored);
			return;
		}
		assert_int_equal(result, -1);
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(scalars),      cmocka_unit_test(types_differ),
	        cmocka_unit_test(big_integers), cmocka_unit_test(lists),
	        cmocka_unit_test(unordered),    cmocka_unit_test(membership),
	        cmocka_unit_test(storing),      cmocka_unit_test(damaged_storage),
	        cmocka_unit_test(memory_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
