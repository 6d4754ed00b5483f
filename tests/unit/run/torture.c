/* A whole run in which one allocation after the other fails: errors, never a crash. */
#include "harness.h"

static void ignore_line(void *ctx, const kt_run_line *line)
{
	(void)ctx;
	(void)line;
}

static void make_plan(harness *h)
{
	static const kt_plan_pair extract[] = {{"a", "fromjson | .a"}};
	static const kt_plan_template templates[] = {{"f", "{{.x}}", "{\"x\": 1}"}};
	static const kt_plan_image image = {.name = "nginx"};
	static const kt_plan_image_use uses[] = {{&image, NULL}};

	harness_add_service(h, "db", 80);
	harness_exec(h, "db", "echo {\"a\":1}", REF_B)->u.exec.recipe.extract =
	        (kt_plan_pairs){extract, 1};
	harness_print(h, PLACEHOLDER(REF_B, "extract.a"));
	harness_add(h, KT_INSTR_RENDER_TEMPLATES)->u.render_templates =
	        (kt_args_render_templates){.items = templates, .len = 1, .artifact = "t"};
	harness_add(h, KT_INSTR_STOP_SERVICE)->u.stop_service.name = "db";
	harness_add(h, KT_INSTR_REMOVE_SERVICE)->u.remove_service.name = "db";
	h->plan.images = uses;
	h->plan.n_images = 1;
}

static void every_allocation(void **state)
{
	harness *h = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	make_plan(h);
	kt_fake_script_exec(h->backend, "db", "echo", 0, "{\"a\":1}", -1);
	/* The store keeps replaced trees: each run allocates a little more than the last. */
	for (long n = 0; n < 20000; n += 2) {
		bool success = false;
		kt_alloc_fail_after(n);
		int result = kt_run_plan(h->env, &h->plan, &h->options, ignore_line, NULL, &success,
		                         &err);
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		kt_err_release(&err);
		if (!failed) {
			assert_int_equal(result, 0);
			assert_true(success);
			return;
		}
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(every_allocation, harness_setup, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
