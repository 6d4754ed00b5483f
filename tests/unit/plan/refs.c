#include "plan/refs.h"

#include "base/alloc.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A "{{kurtosis:0123456789abcdef0123456789abcdef:code.runtime_value}}"
#define B "{{kurtosis:ffffffffffffffffffffffffffffffff:extract.a-b_c.runtime_value}}"

static void test_find(void **state)
{
	(void)state;
	const char *text = "x" A "y" B;
	kt_ref ref;
	assert_true(kt_ref_find(text, strlen(text), 0, &ref));
	assert_int_equal(ref.start, 1);
	assert_int_equal(ref.end, 1 + strlen(A));
	assert_string_equal(ref.uuid.text, "0123456789abcdef0123456789abcdef");
	assert_int_equal(ref.field_len, 4);
	assert_memory_equal(ref.field, "code", 4);
	assert_true(kt_ref_find(text, strlen(text), ref.end, &ref));
	assert_int_equal(ref.field_len, strlen("extract.a-b_c"));
	assert_false(kt_ref_find(text, strlen(text), ref.end, &ref));
}

static void test_not_placeholders(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"{{kurtosis:",
		"{{kurtosis:0123456789ABCDEF0123456789abcdef:code.runtime_value}}",
		"{{kurtosis:0123456789abcdef0123456789abcde:code.runtime_value}}",
		"{{kurtosis:0123456789abcdef0123456789abcdef:.runtime_value}}",
		"{{kurtosis:0123456789abcdef0123456789abcdef:code}}",
		"{{kurtosis:0123456789abcdef0123456789abcdef:co de.runtime_value}}",
		"{{kurtosis:0123456789abcdef0123456789abcdef:code.runtime_value}",
		"{{kurtosis:0123456789abcdef0123456789abcdef:code.runtime_value",
	};
	kt_ref ref;
	for (size_t i = 0; i < KT_ARRAY_LEN(texts); i++) {
		assert_false(kt_ref_find(texts[i], strlen(texts[i]), 0, &ref));
	}
}

static void test_nested_field(void **state)
{
	(void)state;
	const char *text = "{{kurtosis:0123456789abcdef0123456789abcdef:a.runtime_value."
			   "runtime_value}}";
	kt_ref ref;
	assert_true(kt_ref_is_whole(text, strlen(text), &ref));
	assert_int_equal(ref.field_len, strlen("a.runtime_value"));
	assert_false(kt_ref_is_whole("x" A, strlen("x" A), &ref));
}

static void test_add(void **state)
{
	(void)state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_ref_add(&out, "0123456789abcdef0123456789abcdef", "code");
	assert_string_equal(kt_buf_str(&out), A);
}

static int lookup(void *ctx, const char *uuid, const char *field, kt_buf *out, kt_err *err)
{
	if (uuid[0] == 'f') {
		return KT_FAIL(err, NOT_FOUND, "no %s", field);
	}
	kt_buf_adds(out, ctx);
	return 0;
}

static void check_replace(const char *text, const char *value, const char *want)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	char copy[200];
	snprintf(copy, sizeof(copy), "%s", value);
	assert_int_equal(kt_ref_replace(text, strlen(text), lookup, copy, &out, NULL), 0);
	assert_string_equal(kt_buf_str(&out), want);
}

static void test_replace(void **state)
{
	(void)state;
	check_replace("plain", "v", "plain");
	check_replace("", "v", "");
	check_replace("a" A "b" A "c", "v", "avbvc");
	check_replace(A, "", "");
	/* The second match replaces its first remaining occurrence: the one inside the value. */
	check_replace("1" A "2" A "3", "<" A ">", "1<<" A ">>2" A "3");
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_ref_replace(B, strlen(B), lookup, NULL, &out, &err), -1);
	assert_string_equal(kt_err_message(&err, 0), "no extract.a-b_c");
}

static void test_out_of_memory(void **state)
{
	(void)state;
	char value[] = "value";
	for (long n = 0; n < 100; n++) {
		KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
		kt_alloc_fail_after(n);
		int rc = kt_ref_replace("x" A "y", strlen("x" A "y"), lookup, value, &out, NULL);
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		assert_int_equal(rc, failed ? -1 : 0);
		if (!failed) {
			assert_string_equal(kt_buf_str(&out), "xvaluey");
			return;
		}
	}
	fail_msg("never succeeded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),	     cmocka_unit_test(test_not_placeholders),
		cmocka_unit_test(test_nested_field), cmocka_unit_test(test_add),
		cmocka_unit_test(test_replace),	     cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
