/* Numbers as text: forms, round trips, edges. */
#include "../kt_test.h"

#include "base/num.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static void check_float(double x, char format, int prec, const char *want)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	kt_buf_add_float(&out, x, format, prec);
	assert_string_equal(kt_buf_str(&out), want);
}

static void forms_of_floats(void **state)
{
	(void)state;
	check_float(100000, 'g', -1, "100000");
	check_float(1e6, 'g', -1, "1e+06");
	check_float(1234567, 'g', -1, "1.234567e+06");
	check_float(0.0001, 'g', -1, "0.0001");
	check_float(0.00001, 'g', -1, "1e-05");
	check_float(-0.0, 'g', -1, "-0");
	check_float(5e-324, 'g', -1, "5e-324");
	check_float(DBL_MAX, 'g', -1, "1.7976931348623157e+308");
	check_float(1e21, 'f', -1, "1000000000000000000000");
	check_float(0.1, 'f', -1, "0.1");
	check_float(1.5, 'e', 6, "1.500000e+00");
	check_float(2.5, 'f', 0, "2");
	check_float(123.456, 'g', 3, "123");
	check_float(1.5, 'x', -1, "0x1.8p+00");
	check_float(1.999, 'x', 1, "0x1.0p+01");
	check_float(5e-324, 'X', -1, "0X1P-1074");
	check_float(NAN, 'g', -1, "NaN");
	check_float(-INFINITY, 'f', 2, "-Inf");
}

static void json_floats(void **state)
{
	static const struct {
		double x;
		const char *want;
	} rows[] = {
		{1, "1"},       {-0.0, "-0"},     {1e20, "100000000000000000000"}, {1e21, "1e+21"},
		{1e-6, "0.000001"}, {1e-7, "1e-7"}, {1.5e-10, "1.5e-10"}, {1e100, "1e+100"},
		{12345678901234567890.0, "12345678901234567000"},
	};

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
		kt_buf_add_json_float(&out, rows[i].x);
		assert_string_equal(kt_buf_str(&out), rows[i].want);
	}
}

/* Every digit string reads back as the same bits, and no shorter one does. */
static void check_shortest(double x)
{
	char digits[20];
	char text[64];
	int point;
	int n = kt_float_digits(x, digits, &point);

	snprintf(text, sizeof(text), "0.%se%d", digits, point);
	assert_true(strtod(text, NULL) == x);
	if (n > 1) {
		snprintf(text, sizeof(text), "%.*e", n - 2, x);
		assert_false(strtod(text, NULL) == x);
	}
}

static void shortest_digits(void **state)
{
	uint64_t bits = 1;

	(void)state;
	for (int e = -1074; e < 1024; e++) {
		check_shortest(ldexp(1, e));
		check_shortest(nextafter(ldexp(1, e), INFINITY));
	}
	for (int i = 0; i < 20000; i++) {
		double x;
		bits = bits * 6364136223846793005u + 1442695040888963407u;
		memcpy(&x, &bits, sizeof(x));
		if (isfinite(x) && x > 0) {
			check_shortest(x);
		}
	}
}

static void reading_floats(void **state)
{
	static const struct {
		const char *text;
		kt_num_result result;
		double want;
	} rows[] = {
		{"1", KT_NUM_OK, 1},          {"1_0", KT_NUM_OK, 10},
		{"1__0", KT_NUM_SYNTAX, 0},   {"_1", KT_NUM_SYNTAX, 0},
		{"1_", KT_NUM_SYNTAX, 0},     {"0x1p4", KT_NUM_OK, 16},
		{"0x_1p4", KT_NUM_OK, 16},    {"0x10", KT_NUM_SYNTAX, 0},
		{".5", KT_NUM_OK, 0.5},       {"5.", KT_NUM_OK, 5},
		{".", KT_NUM_SYNTAX, 0},      {"", KT_NUM_SYNTAX, 0},
		{" 1", KT_NUM_SYNTAX, 0},     {"1 ", KT_NUM_SYNTAX, 0},
		{"1e", KT_NUM_SYNTAX, 0},     {"1e+5", KT_NUM_OK, 1e5},
		{"1e400", KT_NUM_RANGE, INFINITY}, {"1e-400", KT_NUM_OK, 0},
		{"-INF", KT_NUM_OK, -INFINITY}, {"infinity", KT_NUM_OK, INFINITY},
		{"infi", KT_NUM_SYNTAX, 0},   {"+nan", KT_NUM_SYNTAX, 0},
	};
	double x;

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		kt_num_result result = kt_num_parse_float(rows[i].text, strlen(rows[i].text), &x);
		assert_int_equal(result, rows[i].result);
		assert_true(result == KT_NUM_SYNTAX || x == rows[i].want);
	}
	assert_int_equal(kt_num_parse_float("NaN", 3, &x), KT_NUM_OK);
	assert_true(isnan(x));
}

static void whole_numbers(void **state)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	(void)state;
	kt_buf_add_i64(&out, INT64_MIN);
	kt_buf_addc(&out, ' ');
	kt_buf_add_u64(&out, UINT64_MAX, 2, false);
	kt_buf_addc(&out, ' ');
	kt_buf_add_u64(&out, 35 + 36 * 10, 36, true);
	kt_buf_addc(&out, ' ');
	kt_buf_add_u64(&out, 0, 16, false);
	assert_string_equal(kt_buf_str(&out),
			    "-9223372036854775808 "
			    "1111111111111111111111111111111111111111111111111111111111111111 "
			    "AZ 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_floats),  cmocka_unit_test(json_floats),
		cmocka_unit_test(shortest_digits),  cmocka_unit_test(reading_floats),
		cmocka_unit_test(whole_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
