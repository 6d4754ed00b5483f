/* Extractors: jq programs as packages write them. */
#include "run/extract.h"

#include "test.h"

/* The result's repr, or "!" and the innermost message. kt_free. */
static char *extract(const char *query, const char *json)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_pval value = {0};
	kt_jq *jq = NULL;

	if (kt_jq_new(query, &jq, &err) == 0 &&
	    kt_jq_run(jq, json, strlen(json), &arena, &value, &err) == 0) {
		kt_pval_add_repr(&text, &value);
	} else {
		kt_buf_addf(&text, "!%s", kt_err_message(&err, 0));
	}
	kt_jq_free(jq);
	return kt_buf_take(&text);
}

static void expect(const char *query, const char *json, const char *want)
{
	char *got = extract(query, json);

	assert_string_equal(got, want);
	kt_free(got);
}

static void paths(void **state)
{
	(void)state;
	expect(".a", "{\"a\": \"x\"}", "\"x\"");
	expect(".a.b", "{\"a\": {\"b\": 5}}", "5");
	expect(".a.[1]", "{\"a\": [1, 2.5]}", "2.5");
	expect(".a[-1]", "{\"a\": [1, 2]}", "2");
	expect(".[\"x y\"].z", "{\"x y\": {\"z\": true}}", "True");
	expect(".", "{\"b\": 1, \"a\": [null]}", "{\"a\": [\"<nil>\"], \"b\": 1}");
	expect("fromjson | .a", "\"{\\\"a\\\": 1e2}\"", "100");
	expect("fromjson", "\"[1]\"", "[1]");
}

static void nothing_found(void **state)
{
	(void)state;
	expect(".a", "{\"b\": 1}", "!No field '.a' was found on input '{\"b\": 1}'");
	expect(".a.b", "{\"a\": 5}", "!No field '.a.b' was found on input '{\"a\": 5}'");
	expect(".a", "{\"a\": null}", "!No field '.a' was found on input '{\"a\": null}'");
	expect(".[] | select(. > 5)", "[1]",
	       "!No field '.[] | select(. > 5)' was found on input '[1]'");
	expect("fromjson | .a", "\"no json\"",
	       "!No field 'fromjson | .a' was found on input '\"no json\"'");
}

static void programs(void **state)
{
	(void)state;
	expect(".[] | .n", "[{\"n\": 1}, {\"n\": null}, {\"n\": \"x\"}]", "[1, \"x\"]");
	expect(".a // \"d\"", "{}", "\"d\"");
	expect(".items | length", "{\"items\": [1, 2, 3]}", "3");
	expect("\"\\(.a)-\\(.b | tostring)\"", "{\"a\": \"x\", \"b\": 2}", "\"x-2\"");
	expect(".[0] | keys", "[{\"b\": 1, \"a\": 2}]", "[\"a\", \"b\"]");
	expect("split(\"\\n\") | first", "\"one\\ntwo\"", "\"one\"");
	expect("[.[] | tonumber] | add", "[\"1\", \"2\"]", "3");
}

/* What the reference's dialect accepts and libjq 1.6 does not. */
static void dialect(void **state)
{
	(void)state;
	expect("if . > 1 then \"big\" end", "2", "\"big\"");
	expect("if . > 1 then \"big\" end", "1", "1");
	expect("[.[] | if . == 1 then \"one\" elif . == 2 then \"two\" end]", "[1, 2, 3]",
	       "[\"one\", \"two\", 3]");
	expect("\"\\(if . then 1 end)\" # note", "true", "\"1\"");
	expect(".a.[].b", "{\"a\": [{\"b\": 1}, {\"b\": 2}]}", "[1, 2]");
	expect("[.[]]", "{\"b\": 1, \"a\": 2}", "[2, 1]");
	expect("fromjson | [.[]]", "\"{\\\"b\\\": 1, \\\"a\\\": 2}\"", "[2, 1]");
	expect("tojson", "{\"b\": 1, \"a\": 2}", "\"{\\\"a\\\":2,\\\"b\\\":1}\"");
	expect(" trim ", "\"  x \"", "\"x\"");
	expect("pick(.a)", "{\"a\": 1, \"b\": 2}", "{\"a\": 1}");
	expect("[$ENV, env]", "1", "[{}, {}]");
	expect("[skip(1; .[])]", "[1, 2, 3]", "[2, 3]");
}

static void bad_programs(void **state)
{
	(void)state;
	expect(".a |", "{}", "!An error occurred when parsing field extractor '.a |'");
	expect("1) | (2", "{}", "!An error occurred when parsing field extractor '1) | (2'");
	expect("import \"m\" as m; 1", "{}",
	       "!An error occurred when parsing field extractor 'import \"m\" as m; 1'");
	expect("\"open", "{}", "!An error occurred when parsing field extractor '\"open'");
	expect("end", "{}", "!An error occurred when parsing field extractor 'end'");
	expect(".[", "{}", "!An error occurred when parsing field extractor '.['");
}

static void bad_input(void **state)
{
	(void)state;
	expect(".a", "{not json",
	       "!An error occurred when parsing JSON response body:\n'{not json'");
	expect(".", "\"\\x1b\"",
	       "!An error occurred when parsing JSON response body:\n'\"\\x1b\"'");
	expect(".", "", "!An error occurred when parsing JSON response body:\n''");
}

static void deep(void **state)
{
	(void)state;
	char json[2002];

	memset(json, '[', 1000);
	memset(json + 1000, ']', 1000);
	json[2000] = '\0';
	char *got = extract(".", json);
	assert_int_equal(strncmp(got, "!An error occurred when parsing JSON response body:", 51),
	                 0);
	kt_free(got);
	expect("[range(300)] | reduce .[] as $x (0; [.]) | length", "1", "1");
	expect("reduce range(300) as $x (0; [.])", "1", "!a result nests more than 200 levels");
}

static void types(void **state)
{
	(void)state;
	expect(".", "1.0", "1");
	expect(".", "-0.25", "-0.25");
	expect(".", "[1, [true, {\"k\": \"v\"}]]", "[1, [True, {\"k\": \"v\"}]]");
	expect(".[0:2]", "[1, 2, 3]", "[1, 2]");
	expect("false, true", "1", "[False, True]");
}

/* Whichever allocation fails, the answer is an error and nothing is lost. */
static void memory_short(void **state)
{
	(void)state;
	static const char json[] = "{\"a\": [1, {\"b\": \"text\"}]}";

	for (long n = 0; n < 200; n++) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		kt_pval value = {0};
		kt_jq *jq = NULL;
		kt_alloc_fail_after(n);
		int result = kt_jq_new(".a[1]", &jq, NULL);
		if (result == 0) {
			result = kt_jq_run(jq, json, sizeof(json) - 1, &arena, &value, NULL);
		}
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		kt_jq_free(jq);
		if (!failed) {
			assert_int_equal(result, 0);
			return;
		}
		assert_int_equal(result, -1);
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(paths),        cmocka_unit_test(nothing_found),
	        cmocka_unit_test(programs),     cmocka_unit_test(dialect),
	        cmocka_unit_test(bad_programs), cmocka_unit_test(bad_input),
	        cmocka_unit_test(types),        cmocka_unit_test(deep),
	        cmocka_unit_test(memory_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
