#include "package/package.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *want)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *got = kt_package_args_json(text, strlen(text), &err);
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_json_is_kept(void **state)
{
	(void)state;
	check("{}", "{}");
	check("{\"b\": 1.50, \"a\": 123456789012345678901234567890 }",
	      "{\"b\": 1.50, \"a\": 123456789012345678901234567890 }");
}

static void test_yaml_is_converted(void **state)
{
	(void)state;
	check("b: 1\na: [x, 2.5, null]\n", "{\"a\":[\"x\",2.5,null],\"b\":1}");
	check("a: \"line\\n\\\"q\\\"\"\n", "{\"a\":\"line\\n\\\"q\\\"\"}");
	check("l: &x {k: true}\nm: *x\n", "{\"l\":{\"k\":true},\"m\":{\"k\":true}}");
	check("a: yes\nb: [Off, 'no', y]\non: 1\n",
	      "{\"a\":true,\"b\":[false,\"no\",true],\"true\":1}");
	check("a: 1:30\nb: 2001-01-01\nc: 010\n", "{\"a\":\"1:30\",\"b\":\"2001-01-01\",\"c\":8}");
	check("foo", "\"foo\"");
	check("[1]", "[1]");
}

static void test_refused(void **state)
{
	(void)state;
	const char *text = "{a: [";
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(kt_package_args_json(text, strlen(text), &err));
	assert_int_equal(err.code, KT_ERR_INVALID);
	assert_string_equal(kt_err_message(&err, 0),
			    "Error validating args, because it is not a valid JSON or YAML.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_is_kept),
		cmocka_unit_test(test_yaml_is_converted),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
