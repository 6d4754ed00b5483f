/* Package tests: what is found, what passes, what a failure says, the three reports. */
#include "devtools/test.h"

#include "base/json.h"
#include "scratch.h"

static void run(const scratch *s, kt_test_report *ret)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *cache = kt_path_join(s->dir, ".cache");
	kt_test_spec spec = {.dir = s->dir, .cache_dir = cache, .ignore = ".cache/**", .jobs = 2};
	if (kt_test_run(&spec, ret, &err) < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&err);
		fail_msg("%s", text);
	}
}

/* The result of one test; fails when there is none. */
static const kt_test_result *find(const kt_test_report *report, const char *name)
{
	for (size_t i = 0; i < report->n; i++) {
		if (kt_str_eq(report->results[i].name, name)) {
			return &report->results[i];
		}
	}
	fail_msg("no test %s", name);
	return NULL;
}

static void passes(const kt_test_report *report, const char *name)
{
	const kt_test_result *result = find(report, name);
	if (result->errors.len > 0) {
		fail_msg("%s: %s", name, result->errors.items[0]);
	}
}

static void fails(const kt_test_report *report, const char *name, const char *first)
{
	const kt_test_result *result = find(report, name);
	assert_true(result->errors.len > 0);
	if (!kt_str_starts(result->errors.items[0], first)) {
		fail_msg("%s: %s", name, result->errors.items[0]);
	}
}

static void test_assertions(void **state)
{
	const scratch *s = *state;
	KT_AUTO_TEST_REPORT kt_test_report report = {0};
	scratch_write(s, "a_test.star",
		      "def test_good(plan):\n"
		      "    expect.eq([1, {'a': 2}], [1, {'a': 2}])\n"
		      "    expect.ne(1, 2)\n"
		      "    expect.lt('a', 'b')\n"
		      "    expect.contains({'k': 1}, 'k')\n"
		      "    expect.true([0])\n"
		      "    expect.fails(lambda: fail('no bread'), 'n. b')\n"
		      "    assert.true(assert.eq == expect.eq)\n"
		      "def test_eq(plan):\n"
		      "    expect.eq('a', 1)\n"
		      "def test_ne(plan): expect.ne(1, 1)\n"
		      "def test_lt(plan): expect.lt(2, 2)\n"
		      "def test_contains(plan): expect.contains([1], 2)\n"
		      "def test_true(plan): expect.true([])\n"
		      "def test_true_msg(plan): expect.true(0, 'zero')\n"
		      "def test_fail(plan): expect.fail('a', 2)\n"
		      "def test_fails_not(plan): expect.fails(lambda: 1, 'x')\n"
		      "def test_fails_other(plan): expect.fails(lambda: fail('y'), '^x$')\n"
		      "def test_fails_bad(plan): expect.fails(lambda: fail('y'), '(')\n"
		      "def test_two(plan):\n"
		      "    expect.eq(1, 2)\n"
		      "    expect.eq(3, 4)\n"
		      "def test_error(plan): fail('out of flour')\n"
		      "def test_unordered(plan): expect.lt(1, 'a')\n"
		      "def helper(plan): fail('not called')\n"
		      "def test_no_plan(): fail('not called')\n");
	run(s, &report);
	assert_int_equal(report.files, 1);
	assert_int_equal(report.n, 14);
	assert_int_equal(report.warnings.len, 1);
	passes(&report, "test_good");
	fails(&report, "test_eq", "\"a\" != 1\n\tat [github.com/ana/shop/a_test.star:10:14]: test_eq");
	fails(&report, "test_ne", "1 == 1");
	fails(&report, "test_lt", "2 is not less than 2");
	fails(&report, "test_contains", "[1] does not contain 2");
	fails(&report, "test_true", "assertion failed");
	fails(&report, "test_true_msg", "zero");
	fails(&report, "test_fail", "a 2");
	fails(&report, "test_fails_not", "the call succeeded");
	fails(&report, "test_fails_other", "the error does not match \"^x$\": fail: y");
	fails(&report, "test_fails_bad", "Evaluation error: fails: '(' is no regular expression");
	fails(&report, "test_error", "Evaluation error: fail: out of flour");
	fails(&report, "test_unordered", "Evaluation error: ");
	assert_int_equal(find(&report, "test_two")->errors.len, 2);
	assert_int_equal(report.failed, 13);
}

static void test_services_and_mocks(void **state)
{
	const scratch *s = *state;
	KT_AUTO_TEST_REPORT kt_test_report report = {0};
	scratch_write(s, "lib.star", "def price(x, y = 1): return x + y\nrate = 3\n");
	scratch_write(s, "src/b_spec.star",
		      "lib = import_module('../lib.star')\n"
		      "def test_config(plan):\n"
		      "    plan.add_service('db', ServiceConfig('img', cmd = ['a'], max_cpu = 5,\n"
		      "        ports = {'p': PortSpec(80)}, env_vars = {'A': 'b'},\n"
		      "        files = {'/d': Directory(persistent_key = 'k'), '/a': 'art'},\n"
		      "        tolerations = [Toleration(key = 'x', operator = 'Exists')]))\n"
		      "    c = kurtosistest.get_service_config('db')\n"
		      "    expect.eq([c.image, c.cmd, c.max_cpu, c.cpu_allocation, c.env_vars],\n"
		      "              ['img', ['a'], 5, 5, {'A': 'b'}])\n"
		      "    expect.eq([c.user, c.labels, c.entrypoint], [None, {}, []])\n"
		      "    expect.eq(c.ports['p'].number, 80)\n"
		      "    expect.eq(c.files['/a'].artifact_names, ['art'])\n"
		      "    expect.eq([c.files['/d'].persistent_key, c.files['/d'].size], ['k', 1024])\n"
		      "    expect.eq([c.tolerations[0].key, c.tolerations[0].value], ['x', None])\n"
		      "def test_no_config(plan):\n"
		      "    expect.fails(lambda: kurtosistest.get_service_config('db'), 'service db')\n"
		      "def test_mock(plan):\n"
		      "    m = kurtosistest.mock(plan, 'run_sh')\n"
		      "    m.mock_return_value(42)\n"
		      "    expect.eq(plan.run_sh('ls'), 42)\n"
		      "    expect.eq(m.mock_return_value(), m)\n"
		      "    real = plan.run_sh(run = 'pwd')\n"
		      "    expect.eq(m.calls(), [struct(args = ['ls'], kwargs = {}, return_value = 42),\n"
		      "        struct(args = [], kwargs = {'run': 'pwd'}, return_value = real)])\n"
		      "    expect.ne(m.original, plan.run_sh)\n"
		      "def test_mock_function(plan):\n"
		      "    m = kurtosistest.mock(lib, 'price')\n"
		      "    expect.eq(lib.price(2, y = 5), 7)\n"
		      "    expect.eq(m.calls()[0].kwargs, {'y': 5})\n"
		      "def test_mock_is_gone(plan):\n"
		      "    expect.eq(str(lib.price), '<function price>')\n"
		      "def test_mock_wrong(plan):\n"
		      "    expect.fails(lambda: kurtosistest.mock(lib, 'x'), 'a property called x')\n"
		      "    expect.fails(lambda: kurtosistest.mock(lib, 'rate'), \"not a function, it's 3\")\n"
		      "    expect.fails(lambda: kurtosistest.mock(struct(), 'x'), 'is not a module')\n"
		      "def test_artifacts(plan):\n"
		      "    expect.eq(plan.upload_files('../lib.star'), 'file-artifact-1')\n"
		      "def test_any_name(p):\n"
		      "    p.print('hello')\n"
		      "def test_debug(plan):\n"
		      "    kurtosistest.debug(value = {'a': 1})\n");
	run(s, &report);
	for (size_t i = 0; i < report.n; i++) {
		passes(&report, report.results[i].name);
	}
	assert_int_equal(report.n, 9);
	assert_string_equal(find(&report, "test_debug")->output.items[0],
			    "github.com/ana/shop/src/b_spec.star:41:23: {\"a\": 1}");
}

static void test_reports(void **state)
{
	const scratch *s = *state;
	KT_AUTO_TEST_REPORT kt_test_report report = {0};
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf json = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf xml = KT_BUF_INIT;
	scratch_write(s, "c_test.star", "def test_x(plan): expect.true(False, '<&>')\n");
	scratch_write(s, "broken_test.star", "def (\n");
	run(s, &report);
	assert_int_equal(report.n, 2);
	assert_int_equal(report.failed, 2);
	kt_test_report_text(&report, &text);
	assert_non_null(strstr(kt_buf_str(&text), "SUITE broken_test.star\n  FAIL (file) ("));
	assert_non_null(strstr(kt_buf_str(&text), "\n2 tests in 2 files: 0 passed, 2 failed ("));
	assert_int_equal(kt_test_report_json(&report, &json, NULL), 0);
	KT_AUTO_JSON json_t *root = kt_json_parse(kt_buf_str(&json), json.len, "report", NULL);
	assert_int_equal(kt_json_int(root, "failed", 0), 2);
	json_t *tests = json_object_get(root, "tests");
	assert_string_equal(kt_json_str(json_array_get(tests, 1), "name", ""), "test_x");
	kt_test_report_junit(&report, &xml);
	assert_non_null(strstr(kt_buf_str(&xml), "<failure message=\"&lt;&amp;&gt;\">"));
	assert_non_null(strstr(kt_buf_str(&xml), "<testsuites tests=\"2\" failures=\"2\""));
}

static void test_no_package(void **state)
{
	const scratch *s = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *other = kt_path_join(s->dir, "empty");
	kt_test_report report = {0};
	assert_int_equal(kt_fs_mkdirs(other, 0700, NULL), 0);
	kt_test_spec spec = {.dir = other, .cache_dir = other};
	assert_int_equal(kt_test_run(&spec, &report, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_assertions, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_services_and_mocks, scratch_open,
						scratch_close),
		cmocka_unit_test_setup_teardown(test_reports, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_no_package, scratch_open, scratch_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
