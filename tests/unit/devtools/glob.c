#include "devtools/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_matches(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *text;
		bool want;
	} cases[] = {
		{"", "", true},
		{"a", "", false},
		{"test_*", "test_", true},
		{"test_*", "test_all", true},
		{"test_*", "my_test_all", false},
		{"*.star", "a/b.star", false},
		{"**/*.star", "b.star", true},
		{"**/*.star", "a/c/b.star", true},
		{"**/*_{test,spec}.star", "a/b_test.star", true},
		{"**/*_{test,spec}.star", "b_spec.star", true},
		{"**/*_{test,spec}.star", "b_tests.star", false},
		{"**/*_{test,spec}.star", "test.star", false},
		{"x{,y{1,2}}z", "xz", true},
		{"x{,y{1,2}}z", "xy2z", true},
		{"x{,y{1,2}}z", "xyz", false},
		{"{a", "{a", true},
		{"[a-c]?", "bx", true},
		{"[!a-c]?", "bx", false},
		{"[]]", "]", true},
		{"[", "[", true},
		{"a?b", "a/b", false},
		{".cache/**", ".cache/a/b", true},
		{".cache/**", ".cached/a", false},
		{"**", "a/b/c", true},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(cases); i++) {
		if (kt_glob_match(cases[i].pattern, cases[i].text) != cases[i].want) {
			fail_msg("%s on %s", cases[i].pattern, cases[i].text);
		}
	}
}

/* Nested stars end in an answer, not in hours of work. */
static void test_hostile(void **state)
{
	(void)state;
	assert_false(kt_glob_match("{{{{{{{{a,b},c},d},e},f},g},h},i}x", "aaaaaaaay"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
