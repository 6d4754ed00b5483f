/* Runs on top of runs: what is skipped, and what a run leaves for the next one. */
#include "harness.h"

#define SKIPPED "RESULT SKIPPED - This instruction has already been run in this enclave\n"
#define LINE(text) "    " text "\n"
#define WEB LINE("plan.add_service('web', ServiceConfig('nginx'))")
#define WEB_CHANGED LINE("plan.add_service('web', ServiceConfig('nginx', env_vars = {'A': 'b'}))")
#define EXEC LINE("r = plan.exec('web', ExecRecipe(['sh', '-c', 'echo hi']))")
#define PRINT LINE("plan.print('said ' + r['output'])")
#define FREE LINE("plan.print('depends on nothing')")
#define FAIL LINE("plan.verify('1', '==', '2')")

/* How many instructions the enclave's plan has. */
static size_t plan_length(harness *h)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_done_list done = {0};

	assert_int_equal(kt_state_list_done(kt_run_env_state(h->env), &arena, &done, NULL), 0);
	return done.len;
}

static void same_again(void **state)
{
	harness *h = *state;

	harness_script(h, WEB EXEC PRINT, true);
	harness_expect(h, "RESULT said hi");
	assert_int_equal(harness_count(h, SKIPPED), 0);
	assert_int_equal(plan_length(h), 3);
	harness_restart(h);
	harness_script(h, WEB EXEC PRINT "    return r['output']\n", true);
	assert_int_equal(harness_count(h, SKIPPED), 3);
	harness_expect(h, "FINISHED yes \"hi\n\"");
	assert_int_equal(plan_length(h), 3);
}

static void changed_service(void **state)
{
	harness *h = *state;

	harness_script(h, WEB LINE("plan.print('x')") EXEC, true);
	harness_script(h, WEB_CHANGED LINE("plan.print('x')") EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 1);
	harness_expect(h, "RESULT Service 'web' added with service UUID");
	harness_expect(h, "RESULT Command returned with exit code '0'");
	harness_script(h, WEB_CHANGED LINE("plan.print('x')") EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 3);
}

/* What succeeded before a failure is not done again; what failed is. */
static void failed_run(void **state)
{
	harness *h = *state;

	harness_script(h, WEB EXEC FAIL PRINT, false);
	assert_int_equal(plan_length(h), 2);
	harness_restart(h);
	harness_script(h, WEB EXEC FAIL PRINT, false);
	assert_int_equal(harness_count(h, SKIPPED), 2);
	harness_script(h, WEB EXEC PRINT, true);
	assert_int_equal(harness_count(h, SKIPPED), 2);
	harness_expect(h, "RESULT said hi");
	assert_int_equal(plan_length(h), 3);
}

/* An update that fails: the service's instruction is no part of the past any more. */
static void failed_update(void **state)
{
	harness *h = *state;

	harness_script(h, WEB EXEC, true);
	kt_fake_fail(h->backend, "service_start", KT_ERR_IO, "the disk is full", 1);
	harness_script(h, WEB_CHANGED EXEC, false);
	assert_int_equal(plan_length(h), 0);
	harness_script(h, WEB_CHANGED EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 0);
	assert_int_equal(plan_length(h), 2);
}

/* Beside each other, it is the instructions before the first failed one that count. */
static void failed_parallel_run(void **state)
{
	harness *h = *state;

	h->options.parallel = true;
	harness_script(h, WEB EXEC LINE("plan.verify(r['output'], '==', 'no')") FREE, false);
	assert_int_equal(plan_length(h), 2);
	harness_script(h, WEB EXEC FREE, true);
	assert_int_equal(harness_count(h, SKIPPED), 2);
	assert_int_equal(plan_length(h), 3);
	harness_script(h, WEB EXEC FREE, true);
	assert_int_equal(harness_count(h, SKIPPED), 3);
}

static void dry_runs_leave_no_trace(void **state)
{
	harness *h = *state;

	for (int parallel = 0; parallel < 2; parallel++) {
		h->options = (kt_run_options){.dry_run = true, .parallel = parallel == 1};
		harness_script(h, WEB EXEC, true);
		assert_int_equal(plan_length(h), 0);
	}
	h->options = (kt_run_options){.dry_run = false};
	harness_script(h, WEB EXEC, true);
	for (int parallel = 0; parallel < 2; parallel++) {
		h->options = (kt_run_options){.dry_run = true, .parallel = parallel == 1};
		harness_script(h, WEB_CHANGED, true);
		harness_script(h, LINE("plan.print('x')"), true);
		assert_int_equal(plan_length(h), 2);
	}
	h->options = (kt_run_options){.dry_run = false};
	harness_script(h, WEB EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 2);
}

/* Nothing is skipped, and what was there before is forgotten. */
static void without_edits(void **state)
{
	harness *h = *state;

	harness_script(h, WEB EXEC, true);
	harness_script(h, LINE("plan.print('x')"), true);
	assert_int_equal(plan_length(h), 3);
	h->options.no_edits = true;
	harness_script(h, WEB EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 0);
	assert_int_equal(plan_length(h), 2);
	h->options.no_edits = false;
	harness_script(h, WEB EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 2);
}

/* Neither a fault of the script nor an invalid plan changes the past. */
static void refused_plans(void **state)
{
	harness *h = *state;

	harness_script(h, WEB EXEC, true);
	harness_script(h, LINE("fail('no')"), false);
	harness_script(h, LINE("plan.stop_service('nobody')"), false);
	assert_int_equal(plan_length(h), 2);
	harness_script(h, WEB EXEC, true);
	assert_int_equal(harness_count(h, SKIPPED), 2);
}

/* A parked configuration is taken every time. */
static void set_service(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};

	harness_script(h, WEB, true);
	for (int i = 0; i < 2; i++) {
		harness_script(h, WEB LINE("plan.set_service('web', ServiceConfig('redis'))"), true);
		assert_int_equal(harness_count(h, SKIPPED), 0);
		kt_run_env_service(h->env, "web", &arena, &reg, NULL);
		assert_string_equal(reg.config->image.name, "redis");
	}
}

/* Another run ended between a plan's interpretation and its execution. */
static void plan_shrank_meanwhile(void **state)
{
	harness *h = *state;

	harness_print(h, "x");
	h->plan.first = 7;
	harness_run(h, true);
	assert_int_equal(plan_length(h), 1);
	harness_script(h, LINE("plan.print('y')"), true);
	assert_int_equal(plan_length(h), 2);
	harness_script(h, LINE("plan.print('y')"), true);
	assert_int_equal(harness_count(h, SKIPPED), 1);
	assert_int_equal(plan_length(h), 2);
}

#define EDIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EDIT_TEST(same_again),
	        EDIT_TEST(changed_service),
	        EDIT_TEST(failed_run),
	        EDIT_TEST(failed_update),
	        EDIT_TEST(failed_parallel_run),
	        EDIT_TEST(dry_runs_leave_no_trace),
	        EDIT_TEST(without_edits),
	        EDIT_TEST(refused_plans),
	        EDIT_TEST(set_service),
	        EDIT_TEST(plan_shrank_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
