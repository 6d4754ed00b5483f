#include "../kt_test.h"

#include "base/proc.h"

static void runs_with_input(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	const char *argv[] = {"sh", "-c", "cat; echo oops >&2; exit 3", NULL};
	kt_proc_spec spec = {.argv = argv, .input = "in", .input_len = 2, .dir = "/"};
	assert_int_equal(kt_proc_run(&spec, &result, &err), 0);
	assert_int_equal(result.exit_code, 3);
	assert_string_equal(kt_buf_str(&result.out), "in");
	assert_string_equal(kt_buf_str(&result.err), "oops\n");
}

static void input_that_nobody_reads(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	static char input[1 << 20]; /* more than a pipe takes */
	const char *argv[] = {"sh", "-c", "exec <&-; exit 4", NULL};
	kt_proc_spec spec = {.argv = argv, .input = input, .input_len = sizeof(input)};
	assert_int_equal(kt_proc_run(&spec, &result, &err), 0);
	assert_int_equal(result.exit_code, 4);
}

static void missing_program_names_the_package(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_proc_result result = {0};
	const char *argv[] = {"no-such-program-here", NULL};
	kt_proc_spec spec = {.argv = argv, .debian_package = "nosuch"};
	assert_int_equal(kt_proc_run(&spec, &result, &err), -1);
	assert_int_equal(err.code, KT_ERR_MISSING_PROGRAM);
	assert_string_equal(err.hint, "install it: apt-get install nosuch");
}

static void deadline_kills(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_proc_result result = {0};
	const char *argv[] = {"tail", "-f", "/dev/null", NULL};
	kt_proc_spec spec = {.argv = argv, .deadline = kt_after_ms(30)};
	assert_int_equal(kt_proc_run(&spec, &result, &err), -1);
	assert_int_equal(err.code, KT_ERR_TIMEOUT);
}

static void output_is_bounded(void **state)
{
	(void)state;
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	const char *argv[] = {"head", "-c", "300000", "/dev/zero", NULL};
	kt_proc_spec spec = {.argv = argv, .max_output = 1000};
	assert_int_equal(kt_proc_run(&spec, &result, NULL), 0);
	assert_int_equal(result.out.len, 1000);
	assert_int_equal(result.exit_code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(runs_with_input),
	        cmocka_unit_test(input_that_nobody_reads),
	        cmocka_unit_test(missing_program_names_the_package),
	        cmocka_unit_test(deadline_kills),
	        cmocka_unit_test(output_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
