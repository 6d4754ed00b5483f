/* What the golden tests cannot show: typed arguments, facts, limits, memory. */
#include "plan/graph.h"
#include "plan/plan.h"
#include "plan/plan_yaml.h"

#include "base/alloc.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static kt_plan *interpret(const char *script, const kt_plan_facts *facts, kt_err *err)
{
	kt_plan *plan = kt_plan_new(NULL);
	assert_non_null(plan);
	kt_plan_request request = {
		.script = script, .script_len = strlen(script), .facts = facts};
	if (kt_plan_interpret(plan, &request, err) < 0) {
		kt_plan_free(plan);
		return NULL;
	}
	return plan;
}

static const char rich[] =
	"def run(plan):\n"
	"    plan.add_service('db', ServiceConfig(image = 'img', cmd = ['a', 'b'],\n"
	"        ports = {'p': PortSpec(80, wait = None), 'q': PortSpec(81, wait = '3s',\n"
	"            application_protocol = 'http', transport_protocol = 'UDP')},\n"
	"        files = {'/a': 'art', '/b': Directory(persistent_key = 'k', size = 2)},\n"
	"        env_vars = {'A': '1'}, max_cpu = 5, min_memory = 7, memory_allocation = 9,\n"
	"        user = User(uid = 3), tini_enabled = False,\n"
	"        ready_conditions = ReadyCondition(ExecRecipe(['true']), 'code', '==', 0,\n"
	"            timeout = '2m'), tolerations = [Toleration(key = 'k')]))\n";

static void test_service_config(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_plan *plan = interpret(rich, NULL, &err);
	assert_non_null(plan);
	const kt_args_add_service *args = &plan->instrs[0]->u.add_service;
	const kt_plan_config *c = &args->config;
	assert_string_equal(args->name, "db");
	assert_true(kt_uuid_valid(args->ref_uuid));
	assert_true(c->has_cmd);
	assert_false(c->has_entrypoint);
	assert_int_equal(c->cmd.len, 2);
	assert_int_equal(c->ports.items[0].wait_ns, KT_PLAN_NO_WAIT);
	assert_int_equal(c->ports.items[1].wait_ns, INT64_C(3000000000));
	assert_int_equal(c->ports.items[1].transport, KT_PLAN_UDP);
	assert_string_equal(c->ports.items[1].url, "http://db:81");
	assert_string_equal(c->files.items[0].artifacts.items[0], "art");
	assert_int_equal(c->files.items[1].size_bytes, 2 * 1024 * 1024);
	assert_int_equal(c->max_cpu_millis, 5);
	assert_int_equal(c->max_memory_mb, 9);
	assert_int_equal(c->min_memory_mb, 7);
	assert_true(c->user.set && !c->user.has_gid && c->user.uid == 3);
	assert_false(c->tini_enabled);
	assert_string_equal(c->ip_placeholder, "KURTOSIS_IP_ADDR_PLACEHOLDER");
	assert_int_equal(c->ready->timeout_ns, INT64_C(120000000000));
	assert_int_equal(c->ready->interval_ns, INT64_C(1000000000));
	assert_int_equal(c->ready->target.kind, KT_PVAL_INT);
	assert_int_equal(plan->n_warnings, 1);
	kt_plan_free(plan);
}

/* What one plan says of a service, the next one is told as a fact. */
static void test_values_between_runs(void **state)
{
	(void)state;
	kt_plan *first = interpret(rich, NULL, NULL);
	assert_non_null(first);
	assert_int_equal(first->n_services, 1);
	const char *ports[] = {"p", "q"};
	kt_fact_service fact = {.name = "db",
				.exists = true,
				.port_ids = ports,
				.n_port_ids = 2,
				.ref_uuid = first->services[0].ref_uuid,
				.value = first->services[0].value,
				.config = first->services[0].config};
	kt_plan_facts facts = {.services = &fact, .n_services = 1};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_plan *second = interpret("def run(plan):\n"
				    "    s = plan.get_service('db')\n"
				    "    plan.set_service('db', ServiceConfig(image = 'new'))\n"
				    "    plan.request('db', GetHttpRequestRecipe('q', '/'))\n"
				    "    return s\n",
				    &facts, &err);
	assert_non_null(second);
	assert_non_null(strstr(second->output, first->services[0].ref_uuid));
	assert_string_equal(second->instrs[0]->returned, first->services[0].value);
	const kt_plan_config *merged = second->instrs[1]->u.set_service.config;
	assert_string_equal(merged->image.name, "new");
	assert_int_equal(merged->ports.len, 2);
	KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
	assert_int_equal(kt_plan_validate(second, &facts, &problems, NULL), 0);
	assert_int_equal(problems.len, 0);
	kt_plan_free(second);
	kt_plan_free(first);
}

/* set_service counts for an add_service of the same plan, wherever it stands. */
static void test_override(void **state)
{
	(void)state;
	kt_plan *plan = interpret("def run(plan):\n"
				  "    plan.add_service('a', ServiceConfig(image = 'old'))\n"
				  "    plan.set_service('a', ServiceConfig(image = 'new'))\n",
				  NULL, NULL);
	assert_non_null(plan);
	assert_string_equal(plan->instrs[0]->u.add_service.override_config->image.name, "new");
	assert_int_equal(plan->n_images, 1);
	assert_string_equal(plan->images[0].image->name, "new");
	kt_plan_free(plan);
}

static void test_made_up_names(void **state)
{
	(void)state;
	kt_plan *plan = interpret("def run(plan):\n"
				  "    for i in range(300):\n"
				  "        plan.render_templates(config = {})\n",
				  NULL, NULL);
	assert_non_null(plan);
	KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
	assert_int_equal(kt_plan_validate(plan, NULL, &problems, NULL), 0);
	assert_int_equal(problems.len, 0); /* no name twice */
	assert_non_null(strchr(plan->instrs[0]->u.render_templates.artifact, '-'));
	kt_plan_free(plan);
}

/* The last line of a file may lack its newline, also inside a block. */
static void test_no_final_newline(void **state)
{
	(void)state;
	static const char *const scripts[] = {
		"def run(plan):\n    plan.print('x')",
		"def run(plan):\n  if True:\n    plan.print('x'\n    )",
		"def run(plan):\n    plan.print('x') # c",
		"def run(plan):\n    plan.print('x')\n  ",
		"def run(plan): plan.print('x')",
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(scripts); i++) {
		kt_plan *plan = interpret(scripts[i], NULL, NULL);
		assert_non_null(plan);
		assert_int_equal(plan->n_instrs, 1);
		kt_plan_free(plan);
	}
}

static int no_template(void *ctx, const char *text, kt_err *err)
{
	(void)ctx;
	return strstr(text, "bad") != NULL ? KT_FAIL(err, INVALID, "no") : 0;
}

static void test_template_check(void **state)
{
	(void)state;
	static const char script[] =
		"def run(plan):\n"
		"    plan.render_templates(config = {'a': struct(template = 'bad', data = {})})\n";
	kt_plan_request request = {.script = script,
				   .script_len = sizeof(script) - 1,
				   .check_template = no_template};
	kt_plan *plan = kt_plan_new(NULL);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_plan_interpret(plan, &request, &err), -1);
	assert_true(kt_str_starts(kt_err_message(&err, 0),
				  "Evaluation error: An error occurred creating the template. Make "
				  "sure the it is a valid template string."));
	kt_plan_free(plan);
}

static void test_limits(void **state)
{
	(void)state;
	static const char script[] = "def run(plan):\n"
				     "    for i in range(1000000000):\n"
				     "        pass\n";
	kt_plan_request request = {
		.script = script, .script_len = sizeof(script) - 1, .max_steps = 100000};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_plan *plan = kt_plan_new(NULL);
	assert_int_equal(kt_plan_interpret(plan, &request, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	kt_plan_free(plan);
	request.max_steps = 0;
	request.cancel = kt_cancel_new(NULL);
	kt_cancel_fire(request.cancel);
	plan = kt_plan_new(NULL);
	assert_int_equal(kt_plan_interpret(plan, &request, &err), -1);
	assert_int_equal(err.code, KT_ERR_CANCELLED);
	kt_plan_free(plan);
	kt_cancel_unref(request.cancel);
}

/* Whatever allocation fails, the answer is NOMEM, and nothing leaks (the sanitizer looks). */
static void test_out_of_memory(void **state)
{
	(void)state;
	static const char script[] =
		"def run(plan):\n"
		"    s = plan.add_service('db', ServiceConfig(image = 'img', env_vars = {'A': '1'}))\n"
		"    plan.exec('db', ExecRecipe(['x', s.hostname], extract = {'k': '.'}))\n"
		"    plan.render_templates(config = {'a': struct(template = 't', data = {'x': 1})})\n"
		"    plan.run_sh(run = 'x', store = ['/a'])\n"
		"    return {'a': s}\n";
	long n = 0;
	for (bool done = false; !done; n++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
		KT_AUTO_BUF kt_buf yaml = KT_BUF_INIT;
		kt_plan *plan = kt_plan_new(NULL);
		kt_plan_request request = {.script = script, .script_len = sizeof(script) - 1};
		kt_alloc_fail_after(n);
		int rc = kt_plan_interpret(plan, &request, &err);
		if (rc == 0) {
			rc = kt_plan_validate(plan, NULL, &problems, &err);
		}
		if (rc == 0) {
			rc = kt_plan_yaml(plan, NULL, &yaml, &err);
		}
		done = !kt_alloc_failed();
		kt_alloc_fail_after(-1);
		if (rc < 0) {
			if (err.code != KT_ERR_NOMEM) {
				print_message("allocation %ld: %s\n", n, kt_err_message(&err, 0));
			}
			assert_int_equal(err.code, KT_ERR_NOMEM);
			assert_false(done);
		}
		if (done) {
			assert_int_equal(rc, 0);
			assert_int_equal(problems.len, 0);
		}
		kt_plan_free(plan);
	}
	assert_true(n > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_config), cmocka_unit_test(test_values_between_runs),
		cmocka_unit_test(test_override),       cmocka_unit_test(test_made_up_names),
		cmocka_unit_test(test_template_check), cmocka_unit_test(test_no_final_newline),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
