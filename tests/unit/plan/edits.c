/*
 * Each row of the table that says what becomes of an instruction in a second run: pairs of
 * scripts, and for the second one where it begins in the enclave's plan and which of its
 * instructions are skipped (=) or run (!).
 */
#include "plan/plan.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LINE(text) "    " text "\n"
#define A LINE("plan.add_service('a', ServiceConfig('x'))")
#define A_CHANGED LINE("plan.add_service('a', ServiceConfig('x', env_vars = {'K': 'v'}))")
#define A_FORCED LINE("plan.add_service('a', ServiceConfig('x'), force_update = True)")
#define A_MOUNTS LINE("plan.add_service('a', ServiceConfig('x', files = {'/r': 'r'}))")
#define B LINE("plan.add_service('b', ServiceConfig('x'))")
#define AB LINE("plan.add_services({n: ServiceConfig('x') for n in ['a', 'b']})")
#define ABC LINE("plan.add_services({n: ServiceConfig('x') for n in ['c', 'a', 'b']})")
#define AC LINE("plan.add_services({n: ServiceConfig('x') for n in ['a', 'c']})")
#define AB_FORCED                                                                                  \
	LINE("plan.add_services({n: ServiceConfig('x') for n in ['a', 'b']}, force_update = True)")
#define AB_MOUNT                                                                                   \
	LINE("plan.add_services({n: ServiceConfig('x', files = {'/r': 'r'}) for n in ['a', 'b']})")
#define EXEC(who, what) LINE("plan.exec('" who "', ExecRecipe(['" what "']))")
#define REQUEST(path) LINE("plan.request('a', GetHttpRequestRecipe('p', '" path "'))")
#define WAIT(value) LINE("plan.wait('a', ExecRecipe(['true']), 'code', '==', " value ")")
#define RENDER(text) LINE("plan.render_templates({'f': struct(template = '" text "', data = {})}, 'r')")
#define RENDER_NAMELESS LINE("plan.render_templates({'f': struct(template = 't', data = {})})")
#define STORE(path) LINE("plan.store_service_files('a', '" path "', 's')")
#define STORE_NAMELESS LINE("plan.store_service_files('a', '/x')")
#define GET_SERVICE LINE("plan.get_service('a')")
#define GET_ARTIFACT LINE("plan.get_files_artifact('r')")
#define SET(image) LINE("plan.set_service('a', ServiceConfig('" image "'))")
#define PRINT(text) LINE("plan.print('" text "')")
#define VERIFY(text) LINE("plan.verify('1', '==', '" text "')")
#define SH(text) LINE("plan.run_sh(run = '" text "', store = ['/out'])")
#define SH_MOUNTS LINE("plan.run_sh(run = 'ls', files = {'/r': 'r'})")
#define PYTHON(text) LINE("plan.run_python(run = '" text "')")
#define CLUSTER LINE("plan.get_cluster_type()")
#define SERVICES LINE("plan.get_services()")
#define STOP LINE("plan.stop_service('a')")
#define START LINE("plan.start_service('a')")
#define REMOVE LINE("plan.remove_service('a')")
#define VALUE LINE("plan.print(plan.exec('a', ExecRecipe(['id']))['output'])")
#define STRUCT LINE("plan.print(plan.run_sh(run = 'id').output)")
#define PORT                                                                                       \
	LINE("s = plan.add_service('w', ServiceConfig('x', ports = {'p': PortSpec(80)}))")         \
	LINE("plan.print(s.ip_address + str(s.ports['p'].number))")
#define OTHER_WAY                                                                                  \
	LINE("r = plan.exec('a', ExecRecipe(['id']))")                                             \
	LINE("plan.print(r['code'])")

typedef struct edit_case {
	const char *before;
	const char *after;
	const char *expected; /* "first:" and one sign per instruction */
} edit_case;

static const edit_case cases[] = {
	/* the same again */
	{A EXEC("a", "id") REQUEST("/") WAIT("0") GET_SERVICE,
	 A EXEC("a", "id") REQUEST("/") WAIT("0") GET_SERVICE, "0:====="},
	{A RENDER("t") GET_ARTIFACT STORE("/x"), A RENDER("t") GET_ARTIFACT STORE("/x"), "0:===="},
	{PRINT("1") VERIFY("1") SH("ls") PYTHON("1") SERVICES CLUSTER,
	 PRINT("1") VERIFY("1") SH("ls") PYTHON("1") SERVICES CLUSTER, "0:======"},
	{AB, AB, "0:="},
	/* add_service */
	{A, A_CHANGED, "0:!"},
	{A, B, "1:!"},
	{A_FORCED, A_FORCED, "0:!"},
	{PRINT("1"), A, "1:!"},
	{RENDER("t") A_MOUNTS, RENDER("t") A_MOUNTS, "0:=="},
	{RENDER("t") A_MOUNTS, RENDER("u") A_MOUNTS, "0:!!"},
	{A B, A_CHANGED B, "0:!="},
	/* add_services */
	{AB, ABC, "0:!"},
	{AB EXEC("a", "id"), ABC EXEC("a", "id"), "0:!!"},
	{AB EXEC("c", "id"), ABC EXEC("c", "id"), "0:!="},
	{AB, AC, "1:!"},
	{A, AB, "1:!"},
	{AB_FORCED, AB_FORCED, "0:!"},
	{RENDER("t") AB_MOUNT, RENDER("u") AB_MOUNT, "0:!="},
	/* artifacts */
	{RENDER("t"), RENDER("u"), "0:!"},
	{RENDER_NAMELESS, RENDER_NAMELESS, "1:!"},
	{A STORE("/x"), A STORE("/y"), "0:=!"},
	{A STORE("/x"), A_CHANGED STORE("/x"), "0:!!"},
	{A STORE_NAMELESS, A STORE_NAMELESS, "2:!!"},
	{RENDER("t") GET_ARTIFACT, RENDER("u") GET_ARTIFACT, "0:!!"},
	/* what looks at a service: again when it was updated, nowhere when it asks for something
	 * else */
	{A EXEC("a", "id"), A_CHANGED EXEC("a", "id"), "0:!!"},
	{A EXEC("a", "id"), A EXEC("a", "ls"), "2:!!"},
	{A REQUEST("/"), A_CHANGED REQUEST("/"), "0:!!"},
	{A REQUEST("/"), A REQUEST("/x"), "2:!!"},
	{A WAIT("0"), A_CHANGED WAIT("0"), "0:!!"},
	{A WAIT("0"), A WAIT("1"), "2:!!"},
	{A GET_SERVICE, A_CHANGED GET_SERVICE, "0:!!"},
	{A B EXEC("b", "id"), A_CHANGED B EXEC("b", "id"), "0:!=="},
	/* set_service parks a configuration, for which the service starts again */
	{A SET("y"), A SET("y"), "0:!!"},
	{A SET("y"), A SET("z"), "0:!!"},
	{A PRINT("1"), A SET("y"), "0:!!"},
	{A, A SET("y"), "0:!!"},
	/* what no update concerns */
	{A PRINT("1") VERIFY("1") SH("ls") PYTHON("1") SERVICES CLUSTER,
	 A_CHANGED PRINT("1") VERIFY("1") SH("ls") PYTHON("1") SERVICES CLUSTER, "0:!======"},
	{RENDER("t") SH_MOUNTS, RENDER("u") SH_MOUNTS, "0:!="},
	{A PRINT("1"), A PRINT("2"), "2:!!"},
	{A VERIFY("1"), A VERIFY("2"), "2:!!"},
	{A SH("ls"), A SH("id"), "2:!!"},
	{A PYTHON("1"), A PYTHON("2"), "2:!!"},
	/* one of these anywhere, and all runs */
	{A STOP, A STOP, "2:!!"},
	{A STOP START, A STOP START, "3:!!!"},
	{A, A REMOVE, "1:!!"},
	/* places: only the end of the old plan can be covered */
	{A PRINT("1"), PRINT("1"), "1:="},
	{A PRINT("1"), PRINT("1") PRINT("2"), "1:=!"},
	{A PRINT("1"), A, "2:!"},
	{A PRINT("1"), A PRINT("1") B, "0:==!"},
	{PRINT("1") PRINT("1") A, PRINT("1") A EXEC("a", "id"), "1:==!"},
	{A, "    pass\n", "1:"},
	/* values are those of the earlier run: else the texts that hold them would differ */
	{A VALUE STRUCT PORT, A VALUE STRUCT PORT, "0:======="},
	{A VALUE, A_CHANGED VALUE, "3:!!!"},
	{A VALUE, A OTHER_WAY, "3:!!!"},
};

typedef struct past {
	kt_arena arena;
	kt_done *items;
	kt_fact_service *services;
	kt_plan *plan;
} past;

static kt_plan_request request_of(kt_arena *arena, const char *body)
{
	const char *script = kt_arena_printf(arena, "def run(plan):\n%s", body);
	return (kt_plan_request){.script = script, .script_len = strlen(script)};
}

static kt_plan *interpret(const kt_plan_request *request, const kt_done_list *done)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_plan *plan = NULL;
	if (kt_plan_interpret_edit(request, done, &plan, &err) < 0) {
		fail_msg("%s\n%s", request->script, kt_err_message(&err, 0));
	}
	return plan;
}

/* The whole plan was carried out. */
static kt_done_list carried_out(past *p, const char *body, kt_plan_facts *facts)
{
	const kt_done_list nothing = {NULL, 0};
	kt_plan_request request = request_of(&p->arena, body);
	p->plan = interpret(&request, &nothing);
	size_t n = p->plan->n_instrs;
	p->items = KT_ARENA_ARRAY(&p->arena, kt_done, n + 1);
	for (size_t i = 0; i < n; i++) {
		const kt_instr *rec = p->plan->instrs[i];
		assert_false(rec->skipped);
		p->items[i] = (kt_done){rec->kind, rec->uuid.text, rec->text, rec->returned,
					rec->key};
	}
	p->services = KT_ARENA_ARRAY(&p->arena, kt_fact_service, p->plan->n_services + 1);
	for (size_t i = 0; i < p->plan->n_services; i++) {
		const kt_plan_service *from = &p->plan->services[i];
		p->services[i] = (kt_fact_service){.name = from->name,
						   .exists = true,
						   .ref_uuid = from->ref_uuid,
						   .value = from->value,
						   .config = from->config};
	}
	*facts = (kt_plan_facts){.services = p->services, .n_services = p->plan->n_services};
	return (kt_done_list){p->items, n};
}

static void forget(past *p)
{
	kt_plan_free(p->plan);
	kt_arena_deinit(&p->arena);
}

static void describe(const kt_plan *plan, kt_buf *out)
{
	kt_buf_addf(out, "%zu:", plan->first);
	for (size_t i = 0; i < plan->n_instrs; i++) {
		kt_buf_addc(out, plan->instrs[i]->skipped ? '=' : '!');
	}
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(cases); i++) {
		past p = {0};
		kt_plan_facts facts;
		KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
		kt_done_list done = carried_out(&p, cases[i].before, &facts);
		kt_plan_request request = request_of(&p.arena, cases[i].after);
		request.facts = &facts;
		kt_plan *plan = interpret(&request, &done);
		describe(plan, &got);
		if (!kt_str_eq(kt_buf_str(&got), cases[i].expected)) {
			fail_msg("case %zu: got %s instead of %s, after\n%sfor\n%s", i,
				 kt_buf_str(&got), cases[i].expected, cases[i].before,
				 cases[i].after);
		}
		for (size_t k = 0; k < plan->n_instrs; k++) {
			const kt_instr *rec = plan->instrs[k];
			if (rec->skipped) {
				const kt_done *old = &p.items[plan->first + k];
				assert_string_equal(rec->uuid.text, old->uuid);
				assert_string_equal(rec->returned, old->returned);
				assert_string_equal(rec->text, old->text);
			}
		}
		kt_plan_free(plan);
		forget(&p);
	}
}

/* upload_files compares what is in the files. */
static void test_uploads(void **state)
{
	static const char main_star[] =
		"def run(plan, name = 'u', src = './f'):\n"
		"    plan.upload_files(src, name)\n"
		"    plan.add_service('a', ServiceConfig('x', files = {'/f': 'u'}))\n";
	static const struct {
		const char *content, *args, *expected;
	} steps[] = {
		{"one", "{}", "0:=="},
		{"two", "{}", "0:!!"},
		{"one", "{\"src\": \"./g\"}", "0:!!"},
		{"one", "{\"name\": \"v\"}", "2:!!"},
	};
	(void)state;
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(NULL, "kt-edits-", NULL);
	KT_AUTO_FREE char *star = kt_path_join(dir, "main.star");
	KT_AUTO_FREE char *yml = kt_path_join(dir, "kurtosis.yml");
	KT_AUTO_FREE char *f = kt_path_join(dir, "f");
	KT_AUTO_FREE char *g = kt_path_join(dir, "g");
	static const char name_line[] = "name: github.com/me/pkg\n";
	kt_fs_write(star, main_star, strlen(main_star), 0644, false, NULL);
	kt_fs_write(yml, name_line, strlen(name_line), 0644, false, NULL);
	kt_fs_write(g, "one", 3, 0644, false, NULL);
	kt_content_spec spec = {.root_dir = dir};
	for (size_t i = 0; i < KT_ARRAY_LEN(steps); i++) {
		const kt_done_list nothing = {NULL, 0};
		KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_fs_write(f, "one", 3, 0644, false, NULL);
		kt_content *content = kt_content_open(&spec, &err);
		assert_non_null(content);
		kt_plan_request request = {.content = content};
		kt_plan *before = interpret(&request, &nothing);
		kt_done items[2];
		for (size_t k = 0; k < 2; k++) {
			const kt_instr *rec = before->instrs[k];
			items[k] = (kt_done){rec->kind, rec->uuid.text, rec->text, rec->returned,
					     rec->key};
		}
		kt_fact_service service = {.name = "a",
					   .exists = true,
					   .ref_uuid = before->services[0].ref_uuid,
					   .value = before->services[0].value};
		kt_plan_facts facts = {.services = &service, .n_services = 1};
		kt_done_list done = {items, 2};
		request.facts = &facts;
		request.args_json = steps[i].args;
		kt_fs_write(f, steps[i].content, 3, 0644, false, NULL);
		kt_plan *after = interpret(&request, &done);
		describe(after, &got);
		assert_string_equal(kt_buf_str(&got), steps[i].expected);
		kt_plan_free(after);
		kt_plan_free(before);
		kt_content_close(content);
	}
	kt_fs_remove_tree(dir, NULL);
}

/* A configuration that an earlier run set makes the service start again. */
static void test_parked(void **state)
{
	(void)state;
	past p = {0};
	kt_plan_facts facts;
	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	kt_done_list done = carried_out(&p, A PRINT("1"), &facts);
	p.services[0].parked = true;
	kt_plan_request request = request_of(&p.arena, A PRINT("1"));
	request.facts = &facts;
	kt_plan *plan = interpret(&request, &done);
	describe(plan, &got);
	assert_string_equal(kt_buf_str(&got), "0:!=");
	kt_plan_free(plan);
	forget(&p);
}

/* What cannot be read any more, or is not known any more, is done again. */
static void test_damaged(void **state)
{
	(void)state;
	for (int damage = 0; damage < 4; damage++) {
		past p = {0};
		kt_plan_facts facts;
		kt_done_list done = carried_out(&p, A PRINT("1"), &facts);
		if (damage == 0) {
			p.items[0].returned = "nonsense(";
		} else if (damage == 1) {
			p.items[0].uuid = "short";
		} else if (damage == 2) {
			p.items[0].kind = KT_INSTR_COUNT;
		} else {
			p.items[0].text = NULL;
		}
		kt_plan_request request = request_of(&p.arena, A PRINT("1"));
		request.facts = &facts;
		kt_plan *plan = interpret(&request, &done);
		assert_false(plan->instrs[0]->skipped);
		kt_plan_free(plan);
		forget(&p);
	}
}

/* A fault of the package is told as ever; the plan is there for its warnings. */
static void test_fault(void **state)
{
	(void)state;
	past p = {0};
	kt_plan_facts facts;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_plan *plan = NULL;
	kt_done_list done = carried_out(&p, A, &facts);
	kt_plan_request request = request_of(&p.arena, A LINE("fail('no')"));
	assert_int_equal(kt_plan_interpret_edit(&request, &done, &plan, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
	assert_non_null(strstr(kt_err_message(&err, 0), "fail: no"));
	assert_non_null(plan);
	kt_plan_free(plan);
	forget(&p);
}

static void test_no_memory(void **state)
{
	(void)state;
	past p = {0};
	kt_plan_facts facts;
	kt_done_list done = carried_out(&p, RENDER("t") A_MOUNTS VALUE, &facts);
	kt_plan_request request = request_of(&p.arena, RENDER("u") A_MOUNTS VALUE);
	request.facts = &facts;
	bool good = false;
	for (unsigned n = 1; !good; n += 1 + n / 64) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_plan *plan = NULL;
		kt_alloc_fail_after(n);
		int rc = kt_plan_interpret_edit(&request, &done, &plan, &err);
		kt_alloc_fail_after(-1);
		good = rc == 0;
		assert_true(good || err.code == KT_ERR_NOMEM);
		kt_plan_free(plan);
	}
	forget(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	cmocka_unit_test(test_uploads),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_fault),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_parked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
