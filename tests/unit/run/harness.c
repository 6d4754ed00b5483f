#include "harness.h"

#include "base/fs.h"
#include "base/str.h"

static void open_env(harness *h)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *artifacts = kt_path_join(h->dir, "artifacts");
	h->artifacts = kt_artifacts_open(artifacts, &err);
	assert_non_null(h->artifacts);
	kt_run_env_spec spec = {.enclave_uuid = ENCLAVE,
	                        .enclave_name = "test",
	                        .dir = h->dir,
	                        .backend = h->backend,
	                        .artifacts = h->artifacts};

	h->env = kt_run_env_open(&spec, &err);
	assert_non_null(h->env);
}

int harness_setup(void **state)
{
	harness *h = kt_calloc(1, sizeof(*h));
	kt_enclave_spec enclave = {.uuid = ENCLAVE, .name = "test"};

	h->dir = kt_fs_mkdtemp(NULL, "kt-run-", NULL);
	h->backend = kt_fake_open(NULL);
	if (h->backend->ops->enclave_create(h->backend, &enclave, NULL) < 0) {
		return -1;
	}
	open_env(h);
	h->options.image_mode = KT_PULL_MISSING;
	harness_clear(h);
	*state = h;
	return 0;
}

static void close_env(harness *h)
{
	kt_run_env_close(h->env);
	kt_artifacts_close(h->artifacts);
}

int harness_teardown(void **state)
{
	harness *h = *state;

	close_env(h);
	kt_backend_close(h->backend);
	kt_fs_remove_tree(h->dir, NULL);
	kt_buf_deinit(&h->lines);
	kt_arena_deinit(&h->arena);
	kt_free(h->dir);
	kt_free(h);
	return 0;
}

void harness_restart(harness *h)
{
	close_env(h);
	open_env(h);
}

void harness_clear(harness *h)
{
	memset(h->instrs, 0, sizeof(h->instrs));
	h->plan = (kt_plan){.instrs = h->pointers, .package_id = "test", .output = ""};
}

kt_instr *harness_add(harness *h, kt_instr_kind kind)
{
	size_t i = h->plan.n_instrs++;
	kt_instr *instr = &h->instrs[i];

	assert_true(i < KT_ARRAY_LEN(h->instrs));
	instr->kind = kind;
	instr->number = i + 1;
	instr->uuid = kt_uuid_random();
	instr->pos = (kt_plan_pos){"main.star", (uint32_t)i + 1, 5};
	instr->text = kt_arena_printf(&h->arena, "%s(%zu)", kt_instr_name(kind), i + 1);
	instr->short_text = instr->text;
	instr->description = instr->text;
	h->pointers[i] = instr;
	return instr;
}

kt_plan_config harness_config(harness *h, uint16_t port)
{
	kt_plan_config config = {.image = {.name = "nginx"},
	                         .ip_placeholder = "KURTOSIS_IP_ADDR_PLACEHOLDER",
	                         .tini_enabled = true};

	if (port != 0) {
		kt_plan_port *ports = KT_ARENA_NEW(&h->arena, kt_plan_port);
		*ports = (kt_plan_port){.id = "http", .number = port, .wait_ns = 2 * KT_NS_PER_S};
		config.ports = (kt_plan_ports){ports, 1};
	}
	return config;
}

kt_instr *harness_add_service(harness *h, const char *name, uint16_t port)
{
	kt_instr *instr = harness_add(h, KT_INSTR_ADD_SERVICE);

	instr->u.add_service = (kt_args_add_service){
	        .name = name, .config = harness_config(h, port), .ref_uuid = REF_A};
	return instr;
}

kt_instr *harness_exec(harness *h, const char *service, const char *command, const char *ref)
{
	static const int64_t zero[] = {0};
	kt_instr *instr = harness_add(h, KT_INSTR_EXEC);
	const char **argv = KT_ARENA_ARRAY(&h->arena, const char *, 3);

	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = command;
	instr->u.exec = (kt_args_recipe){
	        .service_name = service,
	        .recipe = {.kind = KT_PLAN_RECIPE_EXEC, .command = {argv, 3}, .text = "ExecRecipe"},
	        .acceptable_codes = {zero, 1},
	        .ref_uuid = ref};
	return instr;
}

kt_instr *harness_print(harness *h, const char *text)
{
	kt_instr *instr = harness_add(h, KT_INSTR_PRINT);

	instr->u.print.text = text;
	return instr;
}

static void note_line(void *ctx, const kt_run_line *line)
{
	static const char *const names[] = {
	        [KT_LINE_PROGRESS] = "PROGRESS",
	        [KT_LINE_INSTRUCTION] = "INSTRUCTION",
	        [KT_LINE_RESULT] = "RESULT",
	        [KT_LINE_INTERPRETATION_ERROR] = "INTERPRETATION-ERROR",
	        [KT_LINE_VALIDATION_ERROR] = "VALIDATION-ERROR",
	        [KT_LINE_EXECUTION_ERROR] = "EXECUTION-ERROR",
	        [KT_LINE_WARNING] = "WARNING",
	        [KT_LINE_INFO] = "INFO",
	        [KT_LINE_FINISHED] = "FINISHED",
	};
	harness *h = ctx;

	kt_buf_addf(&h->lines, "%s", names[line->kind]);
	if (line->kind == KT_LINE_PROGRESS) {
		kt_buf_addf(&h->lines, " [%s] %u/%u", kt_str_or(line->instruction_id, "-"),
		            line->number, line->total);
		for (size_t i = 0; i < line->n_steps; i++) {
			kt_buf_addf(&h->lines, " | %s", line->steps[i]);
		}
	} else if (line->kind == KT_LINE_INSTRUCTION) {
		kt_buf_addf(&h->lines, " %s", line->instr->text);
	} else if (line->kind == KT_LINE_FINISHED) {
		kt_buf_addf(&h->lines, " %s %s", line->success ? "yes" : "no",
		            line->text != NULL ? line->text : "(none)");
	} else {
		kt_buf_addf(&h->lines, " %s", line->text);
	}
	kt_buf_addc(&h->lines, '\n');
}

static void execute_only(harness *h)
{
	kt_run_ctx run = {.env = h->env,
	                  .plan = &h->plan,
	                  .options = &h->options,
	                  .emit = note_line,
	                  .emit_ctx = h};

	pthread_mutex_init(&run.emit_lock, NULL);
	h->success = kt_run_execute(&run, NULL) == 0;
	pthread_mutex_destroy(&run.emit_lock);
}

void harness_run(harness *h, bool success)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	kt_buf_clear(&h->lines);
	if (h->unchecked) {
		execute_only(h);
	} else {
		assert_int_equal(
		        kt_run_plan(h->env, &h->plan, &h->options, note_line, h, &h->success, &err),
		        0);
	}
	if (h->success != success) {
		print_message("%s", kt_buf_str(&h->lines));
	}
	assert_int_equal(h->success, success);
}

void harness_script(harness *h, const char *body, bool success)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *script = kt_arena_printf(&h->arena, "def run(plan):\n%s", body);
	kt_plan_request request = {.script = script, .script_len = strlen(script)};

	kt_buf_clear(&h->lines);
	assert_int_equal(kt_run(h->env, &request, &h->options, note_line, h, &h->success, &err), 0);
	if (h->success != success) {
		print_message("%s", kt_buf_str(&h->lines));
	}
	assert_int_equal(h->success, success);
}

bool harness_says(const harness *h, const char *text)
{
	return strstr(kt_buf_str(&h->lines), text) != NULL;
}

void harness_expect(const harness *h, const char *text)
{
	if (!harness_says(h, text)) {
		print_message("expected: %s\nin:\n%s", text, kt_buf_str(&h->lines));
		fail();
	}
}

size_t harness_count(const harness *h, const char *text)
{
	size_t n = 0;

	for (const char *at = kt_buf_str(&h->lines); (at = strstr(at, text)) != NULL; at++) {
		n++;
	}
	return n;
}

const char *harness_calls(harness *h)
{
	KT_AUTO_FREE char *calls = kt_fake_calls(h->backend);

	return kt_arena_strdup(&h->arena, calls);
}
