/* Executors of services, recipes and values, and the order of a run's lines. */
#include "harness.h"

#include "base/fs.h"

static void lines_in_order(void **state)
{
	harness *h = *state;

	harness_print(h, "hello");
	h->plan.output = "{\"a\": 1}";
	harness_run(h, true);
	assert_string_equal(
	        kt_buf_str(&h->lines),
	        "PROGRESS [validation] 0/1 | Starting validation\n"
	        "PROGRESS [validation] 0/0 | Validating plan and preparing container images - "
	        "execution will begin shortly\n"
	        "PROGRESS [execution] 0/1 | Starting execution\n"
	        "PROGRESS [-] 1/1 | Execution in progress\n"
	        "INSTRUCTION print(1)\n"
	        "RESULT hello\n"
	        "FINISHED yes {\"a\": 1}\n");
}

static void dry_run(void **state)
{
	harness *h = *state;

	h->options.dry_run = true;
	harness_add_service(h, "db", 5432);
	harness_run(h, true);
	harness_expect(h, "INSTRUCTION add_service(1)\n");
	assert_false(harness_says(h, "RESULT"));
	assert_false(harness_says(h, "FINISHED"));
	assert_null(strstr(harness_calls(h), "service_start"));
}

static void skipped(void **state)
{
	harness *h = *state;

	harness_print(h, "hello")->skipped = true;
	harness_run(h, true);
	harness_expect(h, "RESULT SKIPPED - This instruction has already been run in this enclave");
}

static void long_output_is_cut(void **state)
{
	harness *h = *state;
	char *text = kt_arena_alloc(&h->arena, 70001);

	memset(text, 'Z', 70000);
	harness_print(h, text);
	harness_run(h, true);
	harness_expect(h, "ZZZ...\n");
	assert_int_equal(harness_count(h, "Z"), 65536);
}

static void add_service(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};

	harness_add_service(h, "db", 5432);
	harness_print(h, PLACEHOLDER(REF_A, "hostname") " at " PLACEHOLDER(REF_A, "ip_address"));
	harness_run(h, true);
	harness_expect(h, "RESULT Service 'db' added with service UUID '");
	harness_expect(h, "RESULT db at 172.16.0.5\n");
	harness_restart(h);
	assert_int_equal(kt_run_env_service(h->env, "db", &arena, &reg, NULL), 0);
	assert_int_equal(reg.status, KT_REG_STARTED);
	assert_string_equal(reg.config->image.name, "nginx");
}

/* The same name again keeps uuid and address. */
static void update_service(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg before = {0};
	kt_reg after = {0};
	kt_identifiers history = {0};

	harness_add_service(h, "db", 5432);
	harness_run(h, true);
	kt_run_env_service(h->env, "db", &arena, &before, NULL);
	h->instrs[0].u.add_service.config.image.name = "redis";
	harness_run(h, true);
	kt_run_env_service(h->env, "db", &arena, &after, NULL);
	assert_string_equal(before.uuid, after.uuid);
	assert_string_equal(before.ip, after.ip);
	assert_string_equal(after.config->image.name, "redis");
	kt_state_list_identifiers(kt_run_env_state(h->env), &arena, &history, NULL);
	assert_int_equal(history.len, 1);
}

/* Placeholders of values and of the own address, in every place that has them. */
static void placeholders(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};
	const char *cmd[] = {"--host=KURTOSIS_IP_ADDR_PLACEHOLDER", PLACEHOLDER(REF_B, "output")};
	kt_plan_pair env[] = {{"A", PLACEHOLDER(REF_B, "code") ":KURTOSIS_IP_ADDR_PLACEHOLDER"}};

	harness_add_service(h, "one", 80);
	harness_exec(h, "one", "echo two", REF_B);
	kt_instr *second = harness_add_service(h, "svc", 80);
	second->u.add_service.config.has_cmd = true;
	second->u.add_service.config.cmd = (kt_plan_strs){cmd, 2};
	second->u.add_service.config.env_vars = (kt_plan_pairs){env, 1};
	harness_run(h, true);
	assert_int_equal(kt_run_env_service(h->env, "svc", &arena, &reg, NULL), 0);
	assert_string_equal(reg.config->cmd.items[0], "--host=172.16.0.6");
	assert_string_equal(reg.config->cmd.items[1], "two\n");
	assert_string_equal(reg.config->env_vars.items[0].value, "0:172.16.0.6");
}

/* A process that died between registration and start leaves nothing behind. */
static void recovery(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg half = {.name = "half", .uuid = REF_B, .ip = "172.16.0.9", .hostname = "half"};
	kt_reg reg = {0};

	harness_add_service(h, "db", 5432);
	harness_run(h, true);
	kt_run_env_service(h->env, "db", &arena, &reg, NULL);
	kt_state_put_service(kt_run_env_state(h->env), &half, NULL);
	kt_state_set_status(kt_run_env_state(h->env), reg.uuid, KT_REG_REGISTERED, NULL);
	harness_restart(h);
	assert_int_equal(kt_run_env_service(h->env, "half", &arena, &reg, NULL), -1);
	assert_int_equal(kt_run_env_service(h->env, "db", &arena, &reg, NULL), 0);
	assert_int_equal(reg.status, KT_REG_STARTED);
}

static void start_fails(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};

	kt_fake_fail(h->backend, "service_start", KT_ERR_EXISTS,
	             "port 80 of this host: address already in use", 1);
	harness_add_service(h, "db", 5432);
	harness_print(h, "never");
	harness_run(h, false);
	harness_expect(h, "EXECUTION-ERROR An error occurred executing instruction (number 1) at "
	                  "main.star[1:5]:\nadd_service(1)\n"
	                  "Caused by: Unexpected error occurred starting service 'db'\n"
	                  "Caused by: port 80 of this host: address already in use\n"
	                  "FINISHED no (none)\n");
	assert_false(harness_says(h, "never"));
	assert_int_equal(kt_run_env_service(h->env, "db", &arena, &reg, NULL), -1);
	/* The enclave stays usable. */
	harness_run(h, true);
}

/* What is free counts only when a service asks for amounts, and when checks are on. */
static void resources(void **state)
{
	harness *h = *state;
	kt_resources free = {.cpu_millis_free = 100, .memory_mb_free = 10, .complete = true};

	kt_fake_script_resources(h->backend, &free);
	kt_instr *instr = harness_add_service(h, "db", 0);
	harness_run(h, true);
	instr->u.add_service.config.min_memory_mb = 64;
	harness_run(h, false);
	harness_expect(h, "service 'db' requires '64' megabytes of memory but based on our "
	                  "calculation we will only have '10' megabytes available at the time we "
	                  "start the service");
	h->options.no_resource_check = true;
	harness_run(h, true);
}

static void refused_field(void **state)
{
	harness *h = *state;
	kt_plan_pair moved[] = {{"/a", "/b"}};

	harness_add_service(h, "db", 0)->u.add_service.config.files_to_be_moved =
	        (kt_plan_pairs){moved, 1};
	harness_run(h, false);
	harness_expect(h, "Caused by: 'files_to_be_moved' has '/a', which is not in a mounted files "
	                  "artifact; moving the image's own files is not supported yet\n");
}

static void add_services(void **state)
{
	harness *h = *state;
	kt_instr *instr = harness_add(h, KT_INSTR_ADD_SERVICES);
	kt_args_add_service items[] = {
	        {.name = "a", .config = harness_config(h, 80), .ref_uuid = REF_A},
	        {.name = "b", .config = harness_config(h, 80), .ref_uuid = REF_B},
	        {.name = "c",
	         .config = harness_config(h, 0),
	         .ref_uuid = "cccccccccccccccccccccccccccccccc"},
	};

	instr->u.add_services = (kt_args_add_services){.items = items, .len = 3};
	harness_print(h, PLACEHOLDER(REF_B, "hostname"));
	harness_run(h, true);
	harness_expect(h, "RESULT Successfully added the following '3' services:\n  Service 'a' "
	                  "added with UUID '");
	harness_expect(h, "\n  Service 'c' added with UUID '");
	harness_expect(h, "RESULT b\n");
	harness_run(h, true);
	harness_expect(h, "Successfully added the following '0' services:");
}

static void batch_rolls_back(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg_list regs = {0};
	kt_instr *instr = harness_add(h, KT_INSTR_ADD_SERVICES);
	kt_args_add_service items[] = {
	        {.name = "good", .config = harness_config(h, 80), .ref_uuid = REF_A},
	        {.name = "bad", .config = harness_config(h, 80), .ref_uuid = REF_B},
	};

	kt_fake_script_service(h->backend, &(kt_fake_service){.name = "bad",
	                                                      .exits = true,
	                                                      .exit_code = 3,
	                                                      .refuse_dials = -1,
	                                                      .log = "no luck\n"});
	instr->u.add_services = (kt_args_add_services){.items = items, .len = 2};
	h->options.parallelism = 1;
	harness_run(h, false);
	harness_expect(h, "Caused by: Some errors occurred starting or updating the following "
	                  "services: '[bad]'. The entire batch was rolled back an no service was "
	                  "started. Errors were:\nService creations: map[bad:");
	harness_expect(h, "Caused by: the service exited with code 3");
	assert_int_equal(kt_state_list_services(kt_run_env_state(h->env), &arena, &regs, NULL), 0);
	assert_int_equal(regs.len, 0);
}

static void remove_stop_start(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};

	harness_add_service(h, "db", 5432);
	harness_add(h, KT_INSTR_STOP_SERVICE)->u.stop_service.name = "db";
	harness_run(h, true);
	harness_expect(h, "RESULT Service 'db' stopped\n");
	assert_int_equal(kt_run_env_service(h->env, "db", &arena, &reg, NULL), 0);
	assert_int_equal(reg.status, KT_REG_STOPPED);
	harness_clear(h);
	harness_add(h, KT_INSTR_START_SERVICE)->u.start_service.name = "db";
	harness_add(h, KT_INSTR_START_SERVICE)->u.start_service.name = "db";
	harness_add(h, KT_INSTR_REMOVE_SERVICE)->u.remove_service.name = "db";
	harness_run(h, true);
	harness_expect(h, "RESULT Service 'db' started\n");
	harness_expect(h, "RESULT Service 'db' with service UUID '");
	harness_expect(h, "' removed\n");
	h->unchecked = true;
	harness_run(h, false);
	harness_expect(h, "Caused by: Failed starting service with unexpected error\nCaused by: "
	                  "Couldn't find a matching service name for identifier 'db'\n");
}

static void no_ops(void **state)
{
	harness *h = *state;

	h->unchecked = true;
	harness_add(h, KT_INSTR_GET_SERVICE)->u.get_service.name = "db";
	harness_add(h, KT_INSTR_GET_SERVICES);
	harness_add(h, KT_INSTR_GET_CLUSTER_TYPE)->u.get_cluster_type.type = "docker";
	harness_add(h, KT_INSTR_GET_FILES_ARTIFACT)->u.get_files_artifact.name = "f";
	kt_plan_config config = harness_config(h, 0);
	harness_add(h, KT_INSTR_SET_SERVICE)->u.set_service = (kt_args_set_service){"db", &config};
	harness_run(h, true);
	harness_expect(h, "RESULT Fetched service 'db'\n");
	harness_expect(h, "RESULT Fetching services\n");
	harness_expect(h, "RESULT Fetched cluster type 'docker'\n");
	harness_expect(h, "RESULT Fetched files artifact 'f'\n");
	harness_expect(h, "RESULT Set service config on service 'db'.\n");
}

static void override_config(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_plan_config other = harness_config(h, 80);
	kt_reg reg = {0};

	other.image.name = "override";
	harness_add_service(h, "db", 5432)->u.add_service.override_config = &other;
	harness_run(h, true);
	kt_run_env_service(h->env, "db", &arena, &reg, NULL);
	assert_string_equal(reg.config->image.name, "override");
}

/* Without an add_service in its own plan, set_service waits for that of a later run. */
static void parked_config(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_plan_config other = harness_config(h, 0);
	kt_reg reg = {0};

	harness_add_service(h, "db", 0);
	harness_run(h, true);
	harness_clear(h);
	other.image.name = "other";
	harness_add(h, KT_INSTR_SET_SERVICE)->u.set_service = (kt_args_set_service){"db", &other};
	harness_run(h, true);
	harness_restart(h);
	harness_clear(h);
	harness_add_service(h, "db", 0);
	harness_run(h, true);
	kt_run_env_service(h->env, "db", &arena, &reg, NULL);
	assert_string_equal(reg.config->image.name, "other");
	harness_run(h, true);
	kt_run_env_service(h->env, "db", &arena, &reg, NULL);
	assert_string_equal(reg.config->image.name, "nginx");
}

/* --- exec --- */

static void exec_results(void **state)
{
	harness *h = *state;

	harness_add_service(h, "db", 0);
	harness_exec(h, "db", "true", REF_B);
	harness_exec(h, "db", "printf one", REF_B);
	harness_exec(h, "db", "echo two", REF_B);
	harness_print(h, PLACEHOLDER(REF_B, "code") "/" PLACEHOLDER(REF_B, "output"));
	harness_run(h, true);
	harness_expect(h, "RESULT Command returned with exit code '0' with no output\n");
	harness_expect(h, "RESULT Command returned with exit code '0' and the following output: "
	                  "one\n");
	harness_expect(h, "RESULT Command returned with exit code '0' and the following output:\n"
	                  "--------------------\ntwo\n\n--------------------\n");
	harness_expect(h, "RESULT 0/two\n");
}

static void exec_bad_code(void **state)
{
	harness *h = *state;

	harness_add_service(h, "db", 0);
	harness_exec(h, "db", "echo oops && exit 3", REF_B);
	harness_run(h, false);
	harness_expect(h, "Caused by: Exec returned exit code '3' that is not part of the "
	                  "acceptable status codes '[0]', with output:\n  \"oops\\n\"\n");
	/* Nothing was stored. */
	harness_clear(h);
	harness_print(h, PLACEHOLDER(REF_B, "code"));
	harness_run(h, false);
	harness_expect(
	        h, "Caused by: Error replacing runtime value '" PLACEHOLDER(
	                   REF_B, "code") "'\nCaused by: Recipe result value with key UUID '" REF_B
	                                  "' does not exist");
}

static void exec_accepts_codes(void **state)
{
	static const int64_t codes[] = {0, 3};
	harness *h = *state;

	harness_add_service(h, "db", 0);
	harness_exec(h, "db", "exit 3", REF_B)->u.exec.acceptable_codes = (kt_plan_ints){codes, 2};
	harness_exec(h, "db", "exit 9", REF_B)->u.exec.skip_code_check = true;
	harness_exec(h, "db", "exit 9", REF_B)->u.exec.acceptable_codes = (kt_plan_ints){codes, 2};
	harness_run(h, false);
	harness_expect(h, "RESULT Command returned with exit code '3' with no output\n");
	harness_expect(h, "RESULT Command returned with exit code '9' with no output\n");
	harness_expect(h, "acceptable status codes '[0 3]', with output:\n  \"\"\n");
}

static void exec_extract(void **state)
{
	harness *h = *state;
	kt_plan_pair extract[] = {{"id", "fromjson | .id"}, {"len", "length"}};

	harness_add_service(h, "db", 0);
	kt_fake_script_exec(h->backend, "db", "query", 0, "{\"id\": 7}", -1);
	harness_exec(h, "db", "query", REF_B)->u.exec.recipe.extract = (kt_plan_pairs){extract, 2};
	harness_print(h, PLACEHOLDER(REF_B, "extract.id") "-" PLACEHOLDER(REF_B, "extract.len"));
	harness_run(h, true);
	harness_expect(h, "RESULT 7-9\n");
	kt_fake_script_exec(h->backend, "db", "broken", 0, "none", -1);
	harness_exec(h, "db", "broken", REF_B)->u.exec.recipe.extract = (kt_plan_pairs){extract, 1};
	harness_run(h, false);
	harness_expect(h,
	               "Caused by: An error occurred while executing exec recipe on service 'db'\n"
	               "Caused by: An error occurred while running extractors 'map[id:fromjson | "
	               ".id]' on command output 'none'\n"
	               "Caused by: An error occurred running extractor 'fromjson | .id' on recipe\n"
	               "Caused by: No field 'fromjson | .id' was found on input '\"none\"'\n");
}

static void exec_writes_too_much(void **state)
{
	harness *h = *state;
	size_t size = KT_EXEC_OUTPUT_MAX + 1;
	char *output = kt_arena_alloc(&h->arena, size + 1);

	memset(output, 'y', size);
	harness_add_service(h, "db", 0);
	kt_fake_script_exec(h->backend, "db", "yes", 0, output, -1);
	harness_exec(h, "db", "yes", REF_B);
	harness_run(h, false);
	harness_expect(h,
	               "Caused by: Log output from docker exec command 'sh' was more than 10485760 "
	               "bytes, but maximum size allowed by Kurtosis is 10485760\n");
}

static void exec_without_service(void **state)
{
	harness *h = *state;

	harness_exec(h, "nobody", "true", REF_B);
	harness_run(h, false);
	harness_expect(h, "Caused by: An error occurred while getting service 'nobody'\nCaused by: "
	                  "Couldn't find a matching service name for identifier 'nobody'\n");
}

/* --- verify --- */

static kt_instr *add_verify(harness *h, const char *value, kt_plan_assertion op, kt_pval target)
{
	kt_instr *instr = harness_add(h, KT_INSTR_VERIFY);

	instr->u.verify = (kt_args_verify){
	        .value = {.kind = KT_PVAL_STRING, .text = value, .text_len = strlen(value)},
	        .assertion = op,
	        .target = target};
	return instr;
}

static void verify(void **state)
{
	harness *h = *state;
	kt_pval zero = {.kind = KT_PVAL_INT, .integer = 0};
	kt_pval word = {.kind = KT_PVAL_STRING, .text = "x0", .text_len = 2};
	kt_pval ref = {.kind = KT_PVAL_STRING,
	               .text = PLACEHOLDER(REF_B, "code"),
	               .text_len = strlen(PLACEHOLDER(REF_B, "code"))};

	harness_add_service(h, "db", 0);
	harness_exec(h, "db", "true", REF_B);
	add_verify(h, PLACEHOLDER(REF_B, "code"), KT_PLAN_EQ, zero);
	add_verify(h, "x" PLACEHOLDER(REF_B, "code"), KT_PLAN_EQ, word);
	add_verify(h, PLACEHOLDER(REF_B, "code"), KT_PLAN_EQ, ref);
	harness_run(h, true);
	assert_int_equal(harness_count(h, "RESULT Verification succeeded. Value is '0'.\n"), 2);
	harness_expect(h, "RESULT Verification succeeded. Value is '\"x0\"'.\n");
	harness_clear(h);
	add_verify(h, "abc", KT_PLAN_NE,
	           (kt_pval){.kind = KT_PVAL_STRING, .text = "abc", .text_len = 3});
	harness_run(h, false);
	harness_expect(h, "Caused by: Verification failed '\"abc\"' '!=' '\"abc\"'\n");
}

static void output_with_values(void **state)
{
	harness *h = *state;

	harness_add_service(h, "db", 0);
	h->plan.output = "{\"ip\": \"" PLACEHOLDER(REF_A, "ip_address") "\"}";
	harness_run(h, true);
	harness_expect(h, "FINISHED yes {\"ip\": \"172.16.0.5\"}\n");
	h->plan.output = PLACEHOLDER(REF_B, "code");
	harness_run(h, false);
	harness_expect(h, "EXECUTION-ERROR An error occurred while replacing the runtime values in "
	                  "the output of the script\nCaused by: ");
}

static void journal(void **state)
{
	harness *h = *state;
	size_t open = 9;

	harness_print(h, "a");
	harness_exec(h, "nobody", "true", REF_B);
	harness_run(h, false);
	assert_int_equal(kt_state_unfinished(kt_run_env_state(h->env), &open, NULL), 0);
	assert_int_equal(open, 0);
}

static void cancelled(void **state)
{
	harness *h = *state;
	kt_cancel *cancel = kt_cancel_new(NULL);

	h->options.cancel = cancel;
	harness_print(h, "a");
	kt_cancel_fire(cancel);
	harness_run(h, false);
	harness_expect(h, "EXECUTION-ERROR");
	assert_false(harness_says(h, "RESULT"));
	kt_cancel_unref(cancel);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(lines_in_order),
	        TEST(dry_run),
	        TEST(skipped),
	        TEST(long_output_is_cut),
	        TEST(add_service),
	        TEST(update_service),
	        TEST(placeholders),
	        TEST(recovery),
	        TEST(start_fails),
	        TEST(add_services),
	        TEST(refused_field),
	        TEST(resources),
	        TEST(batch_rolls_back),
	        TEST(remove_stop_start),
	        TEST(no_ops),
	        TEST(override_config),
	        TEST(parked_config),
	        TEST(exec_results),
	        TEST(exec_bad_code),
	        TEST(exec_accepts_codes),
	        TEST(exec_extract),
	        TEST(exec_writes_too_much),
	        TEST(exec_without_service),
	        TEST(verify),
	        TEST(output_with_values),
	        TEST(journal),
	        TEST(cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
