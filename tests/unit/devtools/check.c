/* What `check` says about good and faulty packages and scripts. */
#include "devtools/check.h"

#include "scratch.h"

static int check(const char *path, const char *args, kt_buf *out)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_check_spec spec = {.path = path, .args_json = args, .cache_dir = path};
	return kt_check(&spec, out, &err);
}

static void test_good(void **state)
{
	const scratch *s = *state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	scratch_write(s, "main.star", "def run(plan, n = 1):\n"
				      "    for i in range(n): plan.print(str(i))\n"
				      "    plan.run_sh(run = 'ls', image = 'alpine')\n");
	assert_int_equal(check(s->dir, "{\"n\": 3}", &out), 1);
	assert_string_equal(kt_buf_str(&out), "github.com/ana/shop: a plan of 4 instructions, "
					      "1 images, 0 other packages\n");
	KT_AUTO_FREE char *yml = kt_path_join(s->dir, "kurtosis.yml");
	kt_buf_clear(&out);
	assert_int_equal(check(yml, NULL, &out), 1);
}

static void test_faulty(void **state)
{
	const scratch *s = *state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	scratch_write(s, "main.star", "def run(plan):\n    plan.print(1, 2, 3)\n");
	assert_int_equal(check(s->dir, NULL, &out), 0);
	assert_true(kt_str_starts(kt_buf_str(&out),
				  "There was an error interpreting Starlark code \n"
				  "Evaluation error: "));
	assert_non_null(strstr(kt_buf_str(&out), "\tat [github.com/ana/shop/main.star:2:15]: run"));
	kt_buf_clear(&out);
	scratch_write(s, "main.star", "def run(plan):\n    plan.remove_service('ghost')\n");
	assert_int_equal(check(s->dir, NULL, &out), 0);
	assert_true(kt_str_starts(kt_buf_str(&out),
				  "There was an error validating Starlark code \n"));
}

static void test_script(void **state)
{
	const scratch *s = *state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	scratch_write(s, "one.star", "def run(plan):\n    x = \n");
	KT_AUTO_FREE char *path = kt_path_join(s->dir, "one.star");
	assert_int_equal(check(path, NULL, &out), 0);
	assert_non_null(strstr(kt_buf_str(&out), "]: got newline, want primary expression"));
	assert_int_equal(check("/nonexistent.star", NULL, &out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_faulty, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_script, scratch_open, scratch_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
