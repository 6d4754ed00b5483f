#include "../kt_test.h"

#include "base/str.h"

static void numbers(void **state)
{
	(void)state;
	int64_t n = 0;
	assert_true(kt_str_to_i64("-12", -20, 20, &n));
	assert_int_equal(n, -12);
	assert_true(kt_str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &n));
	assert_true(n == INT64_MIN);
	assert_false(kt_str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &n));
	assert_false(kt_str_to_i64("", 0, 1, &n));
	assert_false(kt_str_to_i64("1x", 0, 9, &n));
	assert_false(kt_str_to_i64("10", 0, 9, &n));
}

static void quoting_is_gos(void **state)
{
	(void)state;
	static const char text[] = "a\"b\\\n\x01\x7f\xff\u00e9";
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	kt_buf_add_quoted(&buf, text, sizeof(text) - 1);
	assert_string_equal(kt_buf_str(&buf), "\"a\\\"b\\\\\\n\\x01\\x7f\\xff\u00e9\"");
}

static void invalid_utf8_is_replaced(void **state)
{
	(void)state;
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	kt_buf_add_utf8(&buf, "a\xc3\x28\xed\xa0\x80z", 7);
	assert_string_equal(kt_buf_str(&buf), "a\ufffd(\ufffd\ufffd\ufffdz");
}

static void replacing(void **state)
{
	(void)state;
	KT_AUTO_FREE char *a = kt_str_replace("x--y--", "--", "+");
	assert_string_equal(a, "x+y+");
	KT_AUTO_FREE char *b = kt_str_replace("xy", "", "+");
	assert_string_equal(b, "xy");
}

static void distances(void **state)
{
	(void)state;
	assert_int_equal(kt_str_distance("enclave", "enclave", 3), 0);
	assert_int_equal(kt_str_distance("encalve", "enclave", 3), 2);
	assert_int_equal(kt_str_distance("run", "service", 2), 3);
	char out[9];
	kt_hex("\xde\xad\xbe\xef", 4, out);
	assert_string_equal(out, "deadbeef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(quoting_is_gos),
		cmocka_unit_test(invalid_utf8_is_replaced), cmocka_unit_test(replacing),
		cmocka_unit_test(distances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
