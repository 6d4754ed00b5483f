/* The layout of instructions over several lines. */
#include "kt_test.h"

#include "cli/pretty.h"

static void check(const char *text, const char *expected)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	assert_true(kt_pretty(text, &out));
	assert_string_equal(kt_buf_str(&out), expected);
}

static void test_short_forms(void **state)
{
	(void)state;
	check("f()", "f()");
	check("print(msg=\"hi\")", "print(msg = \"hi\")");
	check("f(a=[])", "f(a = [])");
	check("f(a={})", "f(a = {})");
	check("f(a=-1)", "f(a = -1)");
	check("f(cmd=[\"a\"])", "f(cmd = [\"a\"])");
	check("f(t=(1, 2))", "f(t = (1, 2))");
	check("f(t=(1,))", "f(t = (1,))");
	check("f(a=\"x, (y\\\" [\")", "f(a = \"x, (y\\\" [\")");
}

static void test_long_forms(void **state)
{
	(void)state;
	check("add_service(name=\"web\", config=ServiceConfig(image=\"nginx\", "
	      "ports={\"http\": PortSpec(number=80)}))",
	      "add_service(\n"
	      "    name = \"web\",\n"
	      "    config = ServiceConfig(\n"
	      "        image = \"nginx\",\n"
	      "        ports = {\"http\": PortSpec(number = 80)},\n"
	      "    ),\n"
	      ")");
	check("f(r=ExecRecipe(command=[\"a\", \"b\"]))", "f(r = ExecRecipe(command = [\n"
							 "    \"a\",\n"
							 "    \"b\",\n"
							 "]))");
	check("f({\"a\": 1, \"b\": None})", "f({\n"
					    "    \"a\": 1,\n"
					    "    \"b\": None,\n"
					    "})");
}

static void test_refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "f(", "f(a=)", "f(a=\"x)", "f(a]", "f() g()", "f(a b)",
					  "f(,)", "[1, 2", "{\"a\" 1}"};
	for (size_t i = 0; i < KT_ARRAY_LEN(bad); i++) {
		KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
		assert_false(kt_pretty(bad[i], &out));
	}
	/* Too deep to be an instruction. */
	KT_AUTO_BUF kt_buf deep = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	for (int i = 0; i < 100000; i++) {
		kt_buf_addc(&deep, '[');
	}
	assert_false(kt_pretty(kt_buf_str(&deep), &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_forms),
		cmocka_unit_test(test_long_forms),
		cmocka_unit_test(test_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
