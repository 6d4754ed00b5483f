/* Files artifacts, tasks, images: what a run brings into and out of an enclave. */
#include "harness.h"

#include "base/fs.h"

/* The content of a file of an artifact; "" when it is not there. In the arena. */
static const char *content(harness *h, const char *artifact, const char *path)
{
	KT_AUTO_ARTIFACT kt_artifact found = KT_ARTIFACT_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (kt_artifacts_find(h->artifacts, artifact, &found, NULL) != 1) {
		return "";
	}
	KT_AUTO_FREE char *full = kt_path_join(found.dir, path);
	if (kt_fs_read(full, 65536, &text, NULL) < 0) {
		return "";
	}
	return kt_arena_strdup(&h->arena, kt_buf_str(&text));
}

static kt_instr *add_upload(harness *h, const char *path, const char *artifact)
{
	kt_instr *instr = harness_add(h, KT_INSTR_UPLOAD_FILES);

	instr->u.upload_files =
	        (kt_args_upload_files){.src = path, .path = path, .artifact = artifact};
	return instr;
}

static void upload(void **state)
{
	harness *h = *state;
	KT_AUTO_FREE char *dir = kt_path_join(h->dir, "src");
	KT_AUTO_FREE char *file = kt_path_join(dir, "a.txt");

	kt_fs_mkdirs(dir, 0755, NULL);
	kt_fs_write(file, "one", 3, 0644, false, NULL);
	add_upload(h, dir, "cfg");
	harness_run(h, true);
	harness_expect(h, "RESULT Files with artifact name 'cfg' uploaded with artifact UUID '");
	assert_string_equal(content(h, "cfg", "a.txt"), "one");
	harness_run(h, true);
	harness_expect(h, "RESULT Files with artifact name 'cfg' resolved with artifact UUID '");
	harness_expect(h, "' as content were matching\n");
	kt_fs_write(file, "two", 3, 0644, false, NULL);
	harness_run(h, true);
	harness_expect(h, "RESULT Files with artifact name 'cfg' with artifact UUID '");
	harness_expect(h, "' updated\n");
	assert_string_equal(content(h, "cfg", "a.txt"), "two");
	kt_fs_remove_tree(dir, NULL);
	harness_run(h, false);
	harness_expect(h, "Caused by: An error occurred while compressing the files at '");
}

static kt_instr *add_render(harness *h, const kt_plan_template *items, size_t n)
{
	kt_instr *instr = harness_add(h, KT_INSTR_RENDER_TEMPLATES);

	instr->u.render_templates =
	        (kt_args_render_templates){.items = items, .len = n, .artifact = "rendered"};
	return instr;
}

static void render(void **state)
{
	harness *h = *state;
	kt_plan_template items[] = {
	        {"/etc/app.conf", "host={{.host}} n={{.n}}",
	         "{\"host\":\"" PLACEHOLDER(REF_A, "ip_address") "\",\"n\":5}"},
	        {"plain.txt", "no data", "{}"},
	};

	harness_add_service(h, "db", 0);
	add_render(h, items, 2);
	harness_run(h, true);
	harness_expect(h,
	               "RESULT Templates artifact name 'rendered' rendered with artifact UUID '");
	assert_string_equal(content(h, "rendered", "etc/app.conf"), "host=172.16.0.5 n=5");
	assert_string_equal(content(h, "rendered", "plain.txt"), "no data");
}

static void render_fails(void **state)
{
	harness *h = *state;
	kt_plan_template bad_data[] = {{"f", "x", "{broken"}};
	kt_plan_template escaping[] = {{"../../f", "x", "{}"}};

	add_render(h, bad_data, 1);
	harness_run(h, false);
	harness_expect(h, "Caused by: Failed to render templates 'rendered'\n");
	harness_expect(h, "Caused by: An error occurred while decoding the template data json "
	                  "'{broken'\n");
	assert_string_equal(content(h, "rendered", "f"), "");
	/* A path cannot leave the artifact. */
	harness_clear(h);
	add_render(h, escaping, 1);
	harness_run(h, true);
	assert_string_equal(content(h, "rendered", "f"), "x");
}

static void store_from_service(void **state)
{
	harness *h = *state;
	kt_instr *instr = NULL;

	harness_add_service(h, "db", 0);
	instr = harness_add(h, KT_INSTR_STORE_SERVICE_FILES);
	instr->u.store_service_files = (kt_args_store_service_files){
	        .service_name = "db", .src = "/data/dump.sql", .artifact = "dump"};
	kt_fake_file(h->backend, "db", "/data/dump.sql", "create table");
	harness_run(h, true);
	harness_expect(h, "RESULT Files with artifact name 'dump' uploaded with artifact UUID '");
	assert_string_equal(content(h, "dump", "dump.sql"), "create table");
	instr->u.store_service_files.src = "/nowhere";
	harness_run(h, false);
	harness_expect(h, "Caused by: Failed to copy file '/nowhere' from service 'db\n");
}

static void mounted(void **state)
{
	harness *h = *state;
	static const char *const names[] = {"rendered"};
	kt_plan_template items[] = {{"seed.sql", "insert", "{}"}};
	kt_plan_mount *mounts = KT_ARENA_ARRAY(&h->arena, kt_plan_mount, 2);
	kt_instr *instr = NULL;

	mounts[0] = (kt_plan_mount){.path = "/seed", .artifacts = {names, 1}};
	mounts[1] = (kt_plan_mount){.path = "/keep", .persistent_key = "data"};
	add_render(h, items, 1);
	instr = harness_add_service(h, "db", 0);
	instr->u.add_service.config.files = (kt_plan_mounts){mounts, 2};
	harness_exec(h, "db", "cat /seed/seed.sql", REF_B);
	harness_run(h, true);
	harness_expect(h, "and the following output: insert\n");
}

/* --- tasks --- */

static kt_instr *add_task(harness *h, kt_instr_kind kind, const char *run)
{
	static const int64_t zero[] = {0};
	kt_instr *instr = harness_add(h, kind);
	kt_args_task task = {.name = "task-1",
	                     .run = run,
	                     .image = {.name = "curl"},
	                     .wait_ns = 5 * KT_NS_PER_S,
	                     .acceptable_codes = {zero, 1},
	                     .ref_uuid = REF_B};

	if (kind == KT_INSTR_RUN_SH) {
		instr->u.run_sh = task;
	} else {
		instr->u.run_python = task;
	}
	return instr;
}

static bool registered(harness *h, const char *name)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};

	return kt_run_env_service(h->env, name, &arena, &reg, NULL) == 0;
}

static void run_sh(void **state)
{
	harness *h = *state;
	static const kt_plan_store store[] = {{"/out/report", "report"}};
	kt_instr *instr = add_task(h, KT_INSTR_RUN_SH, "make report");

	instr->u.run_sh.store = store;
	instr->u.run_sh.n_store = 1;
	kt_fake_script_exec(h->backend, "task-1", "{ { { { make report; echo $? >&3; } | tee ", 0,
	                    "done\n", -1);
	kt_fake_file(h->backend, "task-1", "/out/report", "good");
	harness_print(h, PLACEHOLDER(REF_B, "code") ":" PLACEHOLDER(REF_B, "output"));
	harness_run(h, true);
	harness_expect(h, "RESULT Command returned with exit code '0' and the following output:\n"
	                  "--------------------\ndone\n\n--------------------\n");
	harness_expect(h, "RESULT 0:done\n");
	assert_string_equal(content(h, "report", "report"), "good");
	assert_false(registered(h, "task-1"));
	h->options.non_blocking_tasks = true;
	harness_run(h, true);
	assert_true(registered(h, "task-1"));
}

static void run_sh_fails(void **state)
{
	harness *h = *state;

	add_task(h, KT_INSTR_RUN_SH, "false");
	kt_fake_script_exec(h->backend, "task-1", "false", 1, "bad\n", -1);
	harness_run(h, false);
	harness_expect(h, "Caused by: Run sh returned exit code '1' that is not part of the "
	                  "acceptable status codes '[0]', with output:\n  \"bad\\n\"\n");
	/* It stays for inspection, and its values are there. */
	assert_true(registered(h, "task-1"));
	harness_clear(h);
	harness_print(h, PLACEHOLDER(REF_B, "code"));
	harness_run(h, true);
	harness_expect(h, "RESULT 1\n");
}

static void run_sh_times_out(void **state)
{
	harness *h = *state;

	kt_fake_fail(h->backend, "exec", KT_ERR_TIMEOUT, "too late", 1);
	add_task(h, KT_INSTR_RUN_SH, "sleep")->u.run_sh.wait_ns = KT_NS_PER_S / 2;
	harness_run(h, false);
	harness_expect(h,
	               "Caused by: error occurred while executing one time task command: { { { ");
	harness_expect(h, "\nCaused by: The exec request timed out after 0.5 seconds\n");
}

static void run_python(void **state)
{
	harness *h = *state;
	static const char *const args[] = {"a", PLACEHOLDER(REF_A, "hostname")};
	static const char *const packages[] = {"requests"};
	kt_instr *instr = NULL;

	harness_add_service(h, "db", 0);
	instr = add_task(h, KT_INSTR_RUN_PYTHON, "print(\"x\")");
	instr->u.run_python.args = (kt_plan_strs){args, 2};
	instr->u.run_python.packages = (kt_plan_strs){packages, 1};
	kt_fake_script_exec(h->backend, "task-1", "pip install bash requests", 0, "", 1);
	kt_fake_script_exec(h->backend, "task-1", "{ python -u -c \"print(\\\"x\\\")\" a db; ", 0,
	                    "x", -1);
	harness_run(h, true);
	harness_expect(h,
	               "RESULT Command returned with exit code '0' and the following output: x\n");
	kt_fake_script_exec(h->backend, "task-1", "pip install", 1, "no network", -1);
	harness_run(h, false);
	harness_expect(h,
	               "Caused by: an error occurred while installing dependencies as pip exited "
	               "with code '1' instead of '0'. The error was:\nno network\n");
}

/* --- images --- */

static void images(void **state)
{
	harness *h = *state;
	kt_plan_image cached = {.name = "redis:7"};
	kt_plan_image other = {.name = "ghcr.io/a/b"};
	kt_plan_image_use uses[] = {{&cached, NULL}, {&other, NULL}};

	kt_fake_script_image(h->backend, &(kt_fake_image){.ref = "redis:7", .cached = true});
	kt_fake_script_image(
	        h->backend, &(kt_fake_image){.ref = "ghcr.io/a/b:latest", .architecture = "s390x"});
	h->plan.images = uses;
	h->plan.n_images = 2;
	harness_run(h, true);
	harness_expect(h, "INFO Container images used in this run:\n> redis:7 - locally cached\n> "
	                  "ghcr.io/a/b - remotely downloaded\n");
	harness_expect(h, "WARNING WARNING: Container images with different architecture than "
	                  "expected(");
	harness_expect(h, "):\n> ghcr.io/a/b - s390x\n");
	assert_int_equal(harness_count(h, "/2 | Validating plan and preparing"), 4);
	harness_expect(h, " 2/2 | Validating plan and preparing container images - execution will "
	                  "begin shortly\n");
}

static void images_fail(void **state)
{
	harness *h = *state;
	kt_plan_image bad = {.name = "nobody/nothing:1"};
	kt_plan_image built = {.kind = KT_PLAN_IMAGE_BUILD, .name = "mine"};
	kt_plan_image_use uses[] = {{&bad, NULL}, {&built, NULL}};

	kt_fake_script_image(h->backend, &(kt_fake_image){.ref = "nobody/nothing:1",
	                                                  .error_code = KT_ERR_NOT_FOUND,
	                                                  .error_message = "no such image"});
	h->plan.images = uses;
	h->plan.n_images = 2;
	harness_print(h, "never");
	harness_run(h, false);
	harness_expect(h, "VALIDATION-ERROR Error while validating final environment of script\n"
	                  "\tCaused by: Failed fetching the required image 'nobody/nothing:1'.\n"
	                  "\tCaused by: no such image\n");
	harness_expect(h, "\tCaused by: Failed to build the required image 'mine'.\n\tCaused by: "
	                  "building images (ImageBuildSpec) is not supported yet\n");
	harness_expect(h, "FINISHED no (none)\n");
	assert_false(harness_says(h, "never"));
	assert_false(harness_says(h, "Starting execution"));
}

/* --- along the graph --- */

static const kt_plan_res service_a = {KT_PLAN_RES_SERVICE, "a"};
static const kt_plan_res service_b = {KT_PLAN_RES_SERVICE, "b"};

static void parallel(void **state)
{
	harness *h = *state;
	kt_instr *a = harness_add_service(h, "a", 80);
	kt_instr *b = harness_add_service(h, "b", 80);
	kt_instr *on_a = harness_exec(h, "a", "echo one", REF_B);

	a->writes = (kt_plan_resources){&service_a, 1};
	b->writes = (kt_plan_resources){&service_b, 1};
	b->u.add_service.ref_uuid = "cccccccccccccccccccccccccccccccc";
	on_a->reads = (kt_plan_resources){&service_a, 1};
	h->options.parallel = true;
	harness_run(h, true);
	assert_int_equal(harness_count(h, "RESULT "), 3);
	harness_expect(h, "FINISHED yes");
	const char *text = kt_buf_str(&h->lines);
	assert_true(strstr(text, "RESULT Service 'a'") < strstr(text, "INSTRUCTION exec(3)"));
}

static void parallel_failure(void **state)
{
	harness *h = *state;
	kt_instr *a = harness_add_service(h, "a", 80);
	kt_instr *on_a = harness_exec(h, "a", "echo never", REF_B);

	a->writes = (kt_plan_resources){&service_a, 1};
	on_a->reads = (kt_plan_resources){&service_a, 1};
	kt_fake_fail(h->backend, "service_start", KT_ERR_IO, "disk full", -1);
	h->options.parallel = true;
	harness_run(h, false);
	harness_expect(h,
	               "EXECUTION-ERROR One or more instructions failed to execute in parallel. "
	               "This if the first error that was found.\nCaused by: An error occurred "
	               "executing instruction (number 1) at main.star[1:5]:\nadd_service(1)\n"
	               "Caused by: Unexpected error occurred starting service 'a'\nCaused by: disk "
	               "full\n");
	assert_false(harness_says(h, "INSTRUCTION exec"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(upload),           TEST(render), TEST(render_fails), TEST(store_from_service),
	        TEST(mounted),          TEST(run_sh), TEST(run_sh_fails), TEST(run_sh_times_out),
	        TEST(run_python),       TEST(images), TEST(images_fail),  TEST(parallel),
	        TEST(parallel_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
