#include "package/package.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, kt_package_yml *ret, kt_err *err)
{
	return kt_package_yml_parse(text, strlen(text), "kurtosis.yml", ret, err);
}

static void test_all_keys(void **state)
{
	(void)state;
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(parse("name: \"github.com/o/p\"\ndescription: |\n  two\n  lines\n"
			       "replace:\n  github.com/a/b: ../b\n  github.com/c/d: "
			       "github.com/e/f@v1\n",
			       &yml, &err),
			 0);
	assert_string_equal(yml.name, "github.com/o/p");
	assert_string_equal(yml.description, "two\nlines\n");
	assert_int_equal(yml.replace.len, 2);
	assert_string_equal(kt_map_get(&yml.replace, "github.com/a/b"), "../b");
	assert_string_equal(kt_map_get(&yml.replace, "github.com/c/d"), "github.com/e/f@v1");
}

static void test_no_final_newline(void **state)
{
	(void)state;
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	assert_int_equal(parse("name: github.com/o/p\nreplace:", &yml, NULL), 0);
	assert_null(yml.description);
	assert_int_equal(yml.replace.len, 0);
}

static void check_refused(const char *text, const char *part)
{
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(parse(text, &yml, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
	assert_non_null(strstr(kt_err_message(&err, 0), part));
}

static void test_refused(void **state)
{
	(void)state;
	check_refused("", "Field 'name'");
	check_refused("name:\n", "Field 'name'");
	check_refused("name: a\nversion: 1\n", "line 2 of 'kurtosis.yml': field version not found");
	check_refused("name: a\nname: b\n", "key \"name\" already set in map");
	check_refused("name: a\nreplace:\n  x: 1\n  x: 2\n", "line 4 of 'kurtosis.yml': key \"x\"");
	check_refused("name: a\nreplace: [x]\n", "the value of 'replace' must be a map of strings");
	check_refused("name: [a]\n", "the value of 'name' must be a string");
	check_refused("- a\n", "expected a map");
	check_refused("name: 'a\n", "line 2 of 'kurtosis.yml'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_no_final_newline),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
