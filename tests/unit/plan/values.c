#include "plan/instr.h"
#include "plan/words.h"

#include "base/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const kt_pval *value, const char *repr, const char *str, const char *type)
{
	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf raw = KT_BUF_INIT;
	kt_pval_add_repr(&got, value);
	kt_pval_add_str(&raw, value);
	assert_string_equal(kt_buf_str(&got), repr);
	assert_string_equal(kt_buf_str(&raw), str);
	assert_string_equal(kt_pval_type(value), type);
}

#define PVAL(...) (&(kt_pval){__VA_ARGS__})
#define TEXT(s) .kind = KT_PVAL_STRING, .text = (s), .text_len = sizeof(s) - 1

static void test_scalars(void **state)
{
	(void)state;
	check(PVAL(.kind = KT_PVAL_NONE), "None", "None", "NoneType");
	check(PVAL(.kind = KT_PVAL_BOOL, .boolean = true), "True", "True", "bool");
	check(PVAL(.kind = KT_PVAL_INT, .integer = INT64_MIN), "-9223372036854775808",
	      "-9223372036854775808", "int");
	check(PVAL(.kind = KT_PVAL_BIGINT, .text = "99", .text_len = 2), "99", "99", "int");
	check(PVAL(.kind = KT_PVAL_FLOAT, .real = 1), "1.0", "1.0", "float");
	check(PVAL(.kind = KT_PVAL_FLOAT, .real = 0.1), "0.1", "0.1", "float");
	check(PVAL(.kind = KT_PVAL_FLOAT, .real = 1e10), "1e+10", "1e+10", "float");
	check(PVAL(.kind = KT_PVAL_FLOAT, .real = -INFINITY), "-inf", "-inf", "float");
	check(PVAL(.kind = KT_PVAL_OTHER, .text = "x()", .text_len = 3, .type = "x"), "x()", "x()",
	      "x");
}

static void test_strings(void **state)
{
	(void)state;
	check(PVAL(TEXT("a\"\\\n\t\r\a\b\f\v")), "\"a\\\"\\\\\\n\\t\\r\\a\\b\\f\\v\"",
	      "a\"\\\n\t\r\a\b\f\v", "string");
	check(PVAL(TEXT("\x01\x7f")), "\"\\x01\\x7f\"", "\x01\x7f", "string");
	check(PVAL(TEXT("\xc3\xa9\xe2\x80\xa8")), "\"\xc3\xa9\\u2028\"", "\xc3\xa9\xe2\x80\xa8",
	      "string");
	check(PVAL(TEXT("\xff\xfe")), "\"\\xff\\xfe\"", "\xff\xfe", "string");
	KT_AUTO_BUF kt_buf zero = KT_BUF_INIT;
	kt_plan_add_quoted(&zero, "\0", 1);
	assert_string_equal(kt_buf_str(&zero), "\"\\x00\"");
}

static void test_containers(void **state)
{
	(void)state;
	const kt_pval items[] = {{TEXT("a")}, {.kind = KT_PVAL_INT, .integer = 2}};
	check(PVAL(.kind = KT_PVAL_LIST, .items = items, .len = 2), "[\"a\", 2]", "[\"a\", 2]",
	      "list");
	check(PVAL(.kind = KT_PVAL_TUPLE, .items = items, .len = 1), "(\"a\",)", "(\"a\",)",
	      "tuple");
	check(PVAL(.kind = KT_PVAL_DICT, .keys = items, .items = items, .len = 2),
	      "{\"a\": \"a\", 2: 2}", "{\"a\": \"a\", 2: 2}", "dict");
	check(PVAL(.kind = KT_PVAL_LIST), "[]", "[]", "list");
}

/* Every pair of words is a lawful artifact name, and all are different. */
static void test_words(void **state)
{
	(void)state;
	const char *seen_adjective = NULL;
	for (size_t i = 0; i < kt_words_count(); i++) {
		const char *parts[] = {kt_words_adjective(i), kt_words_noun(i)};
		for (size_t k = 0; k < 2; k++) {
			assert_true(parts[k][0] != '\0');
			assert_int_equal(strspn(parts[k], "abcdefghijklmnopqrstuvwxyz"),
					 strlen(parts[k]));
		}
		if (i > 0) {
			assert_false(kt_str_eq(seen_adjective, parts[0]));
		}
		seen_adjective = parts[0];
	}
	assert_true(kt_words_count() > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
