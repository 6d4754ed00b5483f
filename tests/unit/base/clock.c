#include "../kt_test.h"

#include "base/clock.h"
#include "base/uuid.h"

typedef struct duration_row {
	const char *text;
	int64_t ns;
	const char *canonical;
} duration_row;

static const duration_row good[] = {
	{"0", 0, "0s"},
	{"1ns", 1, "1ns"},
	{"1.5us", 1500, "1.5\u00b5s"},
	{"2\u00b5s", 2000, "2\u00b5s"},
	{"250ms", 250000000, "250ms"},
	{"1.5s", 1500000000, "1.5s"},
	{"90s", INT64_C(90000000000), "1m30s"},
	{"1h2m3.5s", INT64_C(3723500000000), "1h2m3.5s"},
	{"-10s", INT64_C(-10000000000), "-10s"},
	{"+.5s", 500000000, "500ms"},
	{"24h", INT64_C(86400000000000), "24h0m0s"},
};

static void durations_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(good); i++) {
		int64_t ns = -1;
		assert_int_equal(kt_duration_parse(good[i].text, &ns, NULL), 0);
		assert_true(ns == good[i].ns);
		KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
		kt_buf_add_duration(&buf, ns);
		assert_string_equal(kt_buf_str(&buf), good[i].canonical);
	}
}

static const char *const bad[][2] = {
	{"", "time: invalid duration \"\""},
	{"3", "time: missing unit in duration \"3\""},
	{"3x", "time: unknown unit \"x\" in duration \"3x\""},
	{".s", "time: invalid duration \".s\""},
	{"-", "time: invalid duration \"-\""},
	{"10000000h", "time: invalid duration \"10000000h\""},
	{"1s ", "time: unknown unit \"s \" in duration \"1s \""},
};

static void durations_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(bad); i++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		int64_t ns = 42;
		assert_int_equal(kt_duration_parse(bad[i][0], &ns, &err), -1);
		assert_string_equal(kt_err_root(&err), bad[i][1]);
		assert_true(ns == 42);
	}
}

static void times_print_in_utc(void **state)
{
	(void)state;
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	kt_buf_add_time(&buf, INT64_C(1700000000123456789), 9);
	assert_string_equal(kt_buf_str(&buf), "2023-11-14T22:13:20.123456789Z");
	kt_buf_clear(&buf);
	kt_buf_add_time(&buf, -1, 0);
	assert_string_equal(kt_buf_str(&buf), "1969-12-31T23:59:59Z");
}

static void deadlines(void **state)
{
	(void)state;
	assert_int_equal(kt_ms_left(KT_NEVER), -1);
	assert_int_equal(kt_ms_left(kt_now() - 1), 0);
	int left = kt_ms_left(kt_after_ms(5000));
	assert_true(left > 4000 && left <= 5000);
	assert_true(kt_after_ms(INT64_MAX) == KT_NEVER);
}

static void uuids(void **state)
{
	(void)state;
	kt_uuid a = kt_uuid_random();
	kt_uuid b = kt_uuid_random();
	assert_true(kt_uuid_valid(a.text));
	assert_string_not_equal(a.text, b.text);
	assert_int_equal(a.text[12], '4');
	assert_false(kt_uuid_valid("0123"));
	assert_false(kt_uuid_valid("0123456789ABCDEF0123456789abcdef"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_round_trip), cmocka_unit_test(durations_are_refused),
		cmocka_unit_test(times_print_in_utc), cmocka_unit_test(deadlines),
		cmocka_unit_test(uuids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
