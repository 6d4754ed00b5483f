#include "package/package.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_parts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *repo, *file, *ref;
	} rows[] = {
		{"github.com/o/p", "o/p", "", ""},
		{"github.com/o/p/", "o/p", "", ""},
		{"GitHub.com/o/p/main.star", "o/p", "o/p/main.star", ""},
		{"github.com/o/p/a/../b.star", "o/p", "o/p/b.star", ""},
		{"github.com/o/p/main.star@v1", "o/p", "o/p/main.star", "v1"},
		{"github.com/o/p@br/main.star", "o/p", "o/p/main.star", "br"},
		{"github.com/o/p/f.star@foo/bar", "o/p", "o/p/f.star", "foo/bar"},
		{"github.com/o/p@foo/bar/main.star", "o/p", "o/p/main.star", "foo/bar"},
		{"github.com/o/p/f.star@my@x", "o/p", "o/p/f.star", "my@x"},
		{"github.com/o/p@rel/1.2", "o/p", "o/p/1.2", "rel"},
		{"github.com/o/p?x=1#y", "o/p", "", ""},
		{"github.com/o/p/a%20b", "o/p", "o/p/a b", ""},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_LOCATOR kt_locator l = {0};
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_int_equal(kt_locator_parse(rows[i].text, &l, &err), 0);
		assert_string_equal(l.repo_path, rows[i].repo);
		assert_string_equal(l.file_path, rows[i].file);
		assert_string_equal(l.ref, rows[i].ref);
		assert_string_equal(l.git_url + strlen(l.git_url) - 4, ".git");
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"https://github.com/o/p",
		 "Error parsing the URL of module 'https://github.com/o/p'. Expected schema to be "
		 "empty got 'https'"},
		{"gitlab.com/o/p",
		 "Error parsing the URL of module. We only support modules on Github for now but "
		 "got 'gitlab.com/o/p'"},
		{"github.com/o",
		 "Error parsing the URL of module: 'github.com/o'. The path should contain at least "
		 "2 subpaths got '[o]'"},
		{"github.com/o/..",
		 "Error parsing the URL of module: 'github.com/o/..'. The path should contain at "
		 "least 2 subpaths got '[]'"},
		{"github.com/o/p%zz", "Error parsing the URL of module 'github.com/o/p%zz'"},
		{"github.com/o/p\n", "Error parsing the URL of module 'github.com/o/p\n'"},
		{"./x.star", "Error parsing the URL of module. We only support modules on Github "
			     "for now but got './x.star'"},
		{"", "Error parsing the URL of module. We only support modules on Github for now "
		     "but got ''"},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_LOCATOR kt_locator l = {0};
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_int_equal(kt_locator_parse(rows[i].text, &l, &err), -1);
		assert_int_equal(err.code, KT_ERR_INVALID);
		assert_string_equal(kt_err_message(&err, 0), rows[i].why);
	}
	KT_AUTO_LOCATOR kt_locator l = {0};
	assert_int_equal(kt_locator_parse("github.com/o/p@--upload-pack=x", &l, NULL), -1);
	assert_int_equal(kt_locator_parse("github.com/-o/p", &l, NULL), -1);
}

static void check_resolve(const char *text, const char *from, const char *want)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *got = kt_locator_resolve(text, from, &err);
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_resolve(void **state)
{
	(void)state;
	const char *from = "github.com/o/p/sub/main.star";
	check_resolve("/x.star", from, "github.com/o/p/x.star");
	check_resolve("./x.star", from, "github.com/o/p/sub/x.star");
	check_resolve("x/y.star", from, "github.com/o/p/sub/x/y.star");
	check_resolve("../x.star", from, "github.com/o/p/x.star");
	check_resolve("../../q/x.star", from, "github.com/o/q/x.star");
	check_resolve("github.com/a/b/c.star@v1", from, "github.com/a/b/c.star@v1");
	check_resolve("./y.star", "github.com/o/p/main.star@v3", "github.com/o/p/y.star");
	assert_null(kt_locator_resolve("./x", "DEFAULT_PACKAGE_ID_FOR_SCRIPT", NULL));
}

static void check_replace(const kt_map *map, const char *locator, const char *want)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *got = kt_locator_replace(locator, map, &err);
	assert_non_null(got);
	assert_string_equal(got, want);
}

static char sub_target[] = "github.com/new/sub", remote[] = "github.com/new/one@v2",
	    local[] = "../here", same[] = "github.com/o/plain";

static void test_replace(void **state)
{
	(void)state;
	KT_AUTO_MAP kt_map map = KT_MAP_INIT;
	assert_int_equal(kt_map_set(&map, "github.com/o/one", remote), 0);
	assert_int_equal(kt_map_set(&map, "github.com/o/one/sub", sub_target), 0);
	assert_int_equal(kt_map_set(&map, "github.com/o/two", local), 0);
	assert_int_equal(kt_map_set(&map, "github.com/o/three", same), 0);
	check_replace(&map, "github.com/o/one/main.star", "github.com/new/one/main.star@v2");
	check_replace(&map, "github.com/o/one/main.star@v1", "github.com/new/one/main.star@v2");
	check_replace(&map, "github.com/o/one/sub/a.star", "github.com/new/sub/a.star");
	check_replace(&map, "github.com/o/three/a.star@v1", "github.com/o/plain/a.star@v1");
	check_replace(&map, "github.com/o/two/a.star", "github.com/o/two/a.star");
	check_replace(&map, "github.com/o/onetwo/a.star", "github.com/o/onetwo/a.star");
	check_replace(&map, "github.com/o/one", "github.com/o/one");
}

/* Whatever allocation fails, the parser says so and leaks nothing (the sanitizer looks). */
static void test_out_of_memory(void **state)
{
	(void)state;
	for (long n = 0; n < 200; n++) {
		KT_AUTO_LOCATOR kt_locator l = {0};
		kt_alloc_fail_after(n);
		int rc = kt_locator_parse("github.com/o/p@v1/main.star", &l, NULL);
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		assert_int_equal(rc, failed ? -1 : 0);
		if (!failed) {
			return;
		}
	}
	fail_msg("never succeeded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),	cmocka_unit_test(test_refused),
		cmocka_unit_test(test_resolve), cmocka_unit_test(test_replace),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
