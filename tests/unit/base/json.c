#include "../kt_test.h"

#include "base/json.h"

static char *yaml_to_json(const char *yaml, kt_err *err)
{
	KT_AUTO_JSON json_t *value = kt_yaml_parse(yaml, strlen(yaml), "input", err);
	return value != NULL ? kt_json_text(value, 0) : NULL;
}

static const char *const yaml_rows[][2] = {
	{"a: 1\nb: [x, 2.5, true, ~]\n", "{\"a\":1,\"b\":[\"x\",2.5,true,null]}"},
	{"a: &x {k: 1}\nb: *x\nc: {<<: *x, d: 2}",
	 "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":{\"d\":2,\"k\":1}}"},
	{"a: yes\nb: 'true'\nc: 0x10\nd: 0o17\ne: 1_000",
	 "{\"a\":\"yes\",\"b\":\"true\",\"c\":16,\"d\":15,\"e\":1000}"},
	{"1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}"},
	{"", "null"},
	{"- |\n  x\n  y\n- 1.5.0\n- -5", "[\"x\\ny\\n\",\"1.5.0\",-5]"},
	{"a: 18446744073709551616", "{\"a\":1.8446744073709552e19}"},
};

static void yaml_reads_as_go_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(yaml_rows); i++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		KT_AUTO_FREE char *text = yaml_to_json(yaml_rows[i][0], &err);
		assert_non_null(text);
		assert_string_equal(text, yaml_rows[i][1]);
	}
}

static const char *const bad_yaml[][2] = {
	{"a: [1", "input: "},
	{"a: *nope", "input: an alias of an anchor that is not known at line 1, column 4"},
	{"a: 1\na: 2", "input: a key that is already set in this map at line 2, column 1"},
	{"<<: 3", "input: map merge requires map or sequence of maps as the value at line 1"},
};

static void bad_yaml_names_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(bad_yaml); i++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_null(yaml_to_json(bad_yaml[i][0], &err));
		assert_memory_equal(kt_err_root(&err), bad_yaml[i][1], strlen(bad_yaml[i][1]));
	}
}

static void deep_yaml_is_an_error(void **state)
{
	(void)state;
	char deep[2001];
	memset(deep, '[', 2000);
	deep[2000] = '\0';
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(yaml_to_json(deep, &err));
	assert_int_equal(err.code, KT_ERR_INVALID);
}

static void json_errors_name_the_place(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(kt_json_parse("{\"a\":\n x}", 9, "settings", &err));
	assert_non_null(strstr(kt_err_root(&err), "settings: "));
	assert_non_null(strstr(kt_err_root(&err), "at line 2"));
	KT_AUTO_JSON json_t *value = kt_json_parse("{\"n\":5,\"s\":\"t\"}", 15, "x", &err);
	assert_int_equal(kt_json_int(value, "n", 0), 5);
	assert_string_equal(kt_json_str(value, "s", ""), "t");
	assert_string_equal(kt_json_str(value, "n", "none"), "none");
	assert_true(kt_json_bool(NULL, "b", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(yaml_reads_as_go_does),
	        cmocka_unit_test(bad_yaml_names_the_place),
	        cmocka_unit_test(deep_yaml_is_an_error),
	        cmocka_unit_test(json_errors_name_the_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
