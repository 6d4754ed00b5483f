#include "../kt_test.h"

#include <errno.h>

static int fail_low(kt_err *err)
{
	return KT_FAIL(err, NOT_FOUND, "no file '%s'", "x");
}

static void chain_is_outermost_first(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(fail_low(&err), -1);
	assert_int_equal(KT_WRAP(&err, "reading %d", 7), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	assert_string_equal(kt_err_message(&err, 0), "reading 7");
	assert_string_equal(kt_err_root(&err), "no file 'x'");
	assert_null(kt_err_message(&err, 2));
	KT_AUTO_FREE char *chain = kt_err_chain_text(&err);
	assert_string_equal(chain, "reading 7\n  Caused by: no file 'x'");
}

static void errno_gives_code_and_cause(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_err_set_errno(&err, EACCES, "opening '%s'", "y");
	assert_int_equal(err.code, KT_ERR_PERMISSION);
	KT_AUTO_FREE char *text = kt_err_text(&err);
	assert_string_equal(text, "opening 'y': Permission denied");
}

static void a_new_error_may_quote_the_old(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	fail_low(&err);
	KT_FAIL(&err, INVALID, "then: %s", kt_err_root(&err));
	assert_string_equal(kt_err_root(&err), "then: no file 'x'");
}

static void move_and_null(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err a = KT_ERR_INIT;
	KT_AUTO_ERR kt_err b = KT_ERR_INIT;
	fail_low(&a);
	kt_err_hint(&a, "try %s", "z");
	kt_err_move(&b, &a);
	assert_int_equal(a.code, KT_ERR_OK);
	assert_string_equal(b.hint, "try z");
	kt_err_move(NULL, &b);
	assert_int_equal(b.code, KT_ERR_OK);
	assert_int_equal(fail_low(NULL), -1);
	kt_err_release(NULL);
}

static void no_memory_still_tells(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_alloc_fail_after(0);
	kt_err_nomem(&err);
	KT_WRAP(&err, "doing a thing");
	kt_alloc_fail_after(-1);
	assert_int_equal(err.code, KT_ERR_NOMEM);
	assert_string_equal(kt_err_root(&err), "out of memory");
	assert_int_equal(kt_err_grpc_status(KT_ERR_TIMEOUT), 4);
	assert_string_equal(kt_err_name(KT_ERR_TIMEOUT), "TIMEOUT");
}

static void knows_the_remedy_of_a_full_disk(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_err_set_errno(&err, ENOSPC, "writing '%s'", "x"), -1);
	assert_non_null(err.hint);
	assert_non_null(strstr(err.hint, "kurtosis clean"));
	kt_err_set_errno(&err, EROFS, "writing");
	assert_non_null(strstr(err.hint, "KURTOSIS_HOME"));
	kt_err_set_errno(&err, EIO, "writing");
	assert_null(err.hint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(knows_the_remedy_of_a_full_disk),
		cmocka_unit_test(chain_is_outermost_first),
	        cmocka_unit_test(errno_gives_code_and_cause),
	        cmocka_unit_test(a_new_error_may_quote_the_old),
	        cmocka_unit_test(move_and_null),
	        cmocka_unit_test(no_memory_still_tells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
