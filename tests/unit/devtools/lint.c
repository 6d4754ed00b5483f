/* One case per check: what is said where, and what is not said. */
#include "devtools/lint.h"

#include "scratch.h"

#include "base/buf.h"

/* Lints main.star with this text in a package with lib.star; "L:C rule text\n" per problem. */
static void lint(const scratch *s, const char *text, kt_buf *out)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_LINT_PROBLEMS kt_lint_problems problems = {0};
	KT_AUTO_FREE char *path = kt_path_join(s->dir, "main.star");
	size_t files = 0;
	scratch_write(s, "lib.star", "def price(x, y = 1, *, z = 2): return x\n"
				     "def any(*a, **k): return a\nrate = 3\n");
	scratch_write(s, "main.star", text);
	kt_lint_spec spec = {.path = path};
	assert_int_equal(kt_lint(&spec, &problems, &files, &err), 0);
	assert_int_equal(files, 1);
	kt_buf_clear(out);
	for (size_t i = 0; i < problems.len; i++) {
		const kt_lint_problem *p = &problems.items[i];
		assert_true(kt_str_ends(p->file, "/main.star"));
		kt_buf_addf(out, "%d:%d %s%s %s\n", p->line, p->col, p->warning ? "~" : "", p->rule,
			    p->text);
	}
}

static void test_cases(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"def run(plan):\n    plan.print('x')\n", ""},
		{"x = \n", "2:1 syntax got newline, want primary expression\n"},
		{"def run(plan):\n    plan.print(nme)\nname = 1\n",
		 "2:16 name undefined: nme (did you mean name?)\n"},
		{"def run(plan):\n    plan.prnt('x')\n",
		 "2:10 name the plan has no function 'prnt' (did you mean print?)\n"},
		{"def run(plan):\n    plan.add_service(nam = 'a', config = None)\n",
		 "2:5 call add_service needs its parameter 'name'\n"
		 "2:22 call add_service has no parameter 'nam' (did you mean name?)\n"},
		{"def run(plan):\n    plan.print('a', 'b', 'c')\n",
		 "2:5 call print takes at most 2 positional arguments, but gets 3\n"},
		{"def run(plan, a):\n    plan.print(*a)\n    plan.print(**a)\n", ""},
		{"c = ServiceConfig()\nd = ServiceConfig('i', image = 'j')\n",
		 "1:5 call ServiceConfig needs its parameter 'image'\n"
		 "2:24 call ServiceConfig gets 'image' twice\n"},
		{"c = ServiceConfig('i', cpu_allocation = 1)\n",
		 "1:24 ~deprecated parameter 'cpu_allocation' of ServiceConfig is deprecated\n"},
		{"lib = import_module('./lib.star')\nx = lib.price(1, z = 3)\ny = lib.rate\n"
		 "z = lib.any(1, 2, q = 3)\n",
		 ""},
		{"lib = import_module('/lib.star')\nx = lib.price(1, 2, 3)\ny = lib.price(y = 1)\n",
		 "2:5 call price takes at most 2 positional arguments, but gets 3\n"
		 "3:5 call price needs its parameter 'x'\n"},
		{"lib = import_module('lib.star')\nx = lib.pric\n", "2:9 name 'lib.star' has no 'pric'\n"},
		{"lib = import_module('lib.star')\n",
		 "1:1 ~unused-import 'lib' is imported and never used\n"},
		{"lib = import_module('gone.star')\nx = lib.y\n",
		 "1:7 import 'gone.star' is imported, but the package has no file 'gone.star'\n"},
		{"o = import_module('github.com/bob/x/main.star')\nx = o.y(1)\n", ""},
		{"def f(a): return a\ndef run(plan):\n    f()\n    g = [f(i, 2) for i in [1]]\n",
		 "3:5 call f needs its parameter 'a'\n"
		 "4:10 call f takes at most 1 positional arguments, but gets 2\n"},
		/* What is not known for certain is not reported. */
		{"def run(plan, f):\n    f(1, 2)\n    plan2 = plan\n    plan2.nothing()\n", ""},
		{"x = expect.eq(1, 1)\n", "1:5 name undefined: expect\n"},
	};
	const scratch *s = *state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	for (size_t i = 0; i < KT_ARRAY_LEN(cases); i++) {
		lint(s, cases[i].text, &out);
		if (strcmp(kt_buf_str(&out), cases[i].want) != 0) {
			fail_msg("%s\nsays\n%s", cases[i].text, kt_buf_str(&out));
		}
	}
}

/* An import that only other files use through this one counts as used. */
static void test_used_from_outside(void **state)
{
	const scratch *s = *state;
	KT_AUTO_LINT_PROBLEMS kt_lint_problems problems = {0};
	size_t files = 0;
	scratch_write(s, "all.star", "lib = import_module('lib.star')\n");
	scratch_write(s, "lib.star", "x = 1\n");
	scratch_write(s, "sub/main.star", "all = import_module('/all.star')\ny = all.lib\n");
	scratch_write(s, "x_test.star", "def test_x(plan): expect.eq(1, 1)\n");
	kt_lint_spec spec = {.path = s->dir};
	assert_int_equal(kt_lint(&spec, &problems, &files, NULL), 0);
	assert_int_equal(problems.len, 0);
	assert_int_equal(files, 4);
}

static void test_overlay(void **state)
{
	const scratch *s = *state;
	KT_AUTO_LINT_PROBLEMS kt_lint_problems problems = {0};
	scratch_write(s, "main.star", "x = 1\n");
	KT_AUTO_FREE char *path = kt_path_join(s->dir, "main.star");
	kt_lint_spec spec = {
		.path = path, .overlay_path = path, .overlay_text = "y = x\n", .overlay_len = 6};
	assert_int_equal(kt_lint(&spec, &problems, NULL, NULL), 0);
	assert_int_equal(problems.len, 1);
	assert_string_equal(problems.items[0].text, "undefined: x");
}

/* Whatever allocation fails, the answer is an error and nothing leaks. */
static void test_no_memory(void **state)
{
	const scratch *s = *state;
	KT_AUTO_FREE char *path = kt_path_join(s->dir, "main.star");
	scratch_write(s, "main.star", "lib = import_module('x.star')\nServiceConfig()\ny = z\n");
	bool done = false;
	for (long n = 0; !done; n += 1 + n / 20) {
		KT_AUTO_LINT_PROBLEMS kt_lint_problems problems = {0};
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_lint_spec spec = {.path = path};
		kt_alloc_fail_after(n);
		int rc = kt_lint(&spec, &problems, NULL, &err);
		done = !kt_alloc_failed();
		kt_alloc_fail_after(-1);
		if (done) {
			assert_int_equal(rc, 0);
			assert_int_equal(problems.len, 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_used_from_outside, scratch_open,
						scratch_close),
		cmocka_unit_test_setup_teardown(test_overlay, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_no_memory, scratch_open, scratch_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
