/* The API container over real gRPC, on the backend in memory. */
#include "apic/apic_internal.h"

#include "backend/fake/fake.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "net/grpc_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ENCLAVE "11111111111111111111111111111111"

typedef ApiContainerApi__StarlarkRunResponseLine line_message;
#define LINE(name) API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__RUN_RESPONSE_LINE_##name

typedef struct fixture {
	char *root;
	kt_backend *backend;
	kt_apic *apic;
	kt_grpc_server *server;
	kt_grpc_client *client;
	kt_buf lines;
} fixture;

static void start(fixture *f)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	static const char *const hosts[] = {"127.0.0.1", NULL};
	kt_apic_spec spec = {.enclave_uuid = ENCLAVE,
	                     .enclave_name = "test",
	                     .root = f->root,
	                     .backend = f->backend};
	kt_grpc_config config = {.hosts = hosts, .name = "test"};

	f->apic = kt_apic_new(&spec, &err);
	assert_non_null(f->apic);
	f->server = kt_grpc_server_new(&config, &err);
	assert_non_null(f->server);
	assert_int_equal(kt_grpc_server_add(f->server, kt_apic_rpcs, kt_apic_handlers,
	                                    KT_APIC_RPC_COUNT, f->apic, &err),
	                 0);
	assert_int_equal(kt_grpc_server_start(f->server, &err), 0);
	f->client = kt_grpc_client_new("127.0.0.1", kt_grpc_server_port(f->server), NULL, &err);
	assert_non_null(f->client);
}

static void stop(fixture *f)
{
	kt_grpc_client_free(f->client);
	kt_grpc_server_free(f->server);
	kt_apic_free(f->apic);
}

static int setup(void **state)
{
	fixture *f = kt_calloc(1, sizeof(*f));
	kt_enclave_spec enclave = {.uuid = ENCLAVE, .name = "test"};

	f->root = kt_fs_mkdtemp(NULL, "kt-apic-", NULL);
	f->backend = kt_fake_open(NULL);
	f->backend->ops->enclave_create(f->backend, &enclave, NULL);
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;

	stop(f);
	kt_backend_close(f->backend);
	kt_fs_remove_tree(f->root, NULL);
	kt_buf_deinit(&f->lines);
	kt_free(f->root);
	kt_free(f);
	return 0;
}

/* --- runs --- */

static void note_error(kt_buf *out, const ApiContainerApi__StarlarkError *error)
{
	switch (error->error_case) {
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_INTERPRETATION_ERROR:
		kt_buf_addf(out, "INTERPRETATION %s\n", error->interpretation_error->error_message);
		break;
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_VALIDATION_ERROR:
		kt_buf_addf(out, "VALIDATION %s\n", error->validation_error->error_message);
		break;
	default:
		kt_buf_addf(out, "EXECUTION %s\n", error->execution_error->error_message);
		break;
	}
}

static void note(kt_buf *out, const line_message *line)
{
	switch (line->run_response_line_case) {
	case LINE(INSTRUCTION):
		kt_buf_addf(out, "INSTRUCTION %s%s: %s\n",
		            line->instruction->is_skipped ? "(skipped) " : "",
		            line->instruction->instruction_name,
		            line->instruction->description);
		break;
	case LINE(ERROR):
		note_error(out, line->error);
		break;
	case LINE(PROGRESS_INFO):
		kt_buf_addf(out, "PROGRESS %s %u/%u\n", line->progress_info->current_step_info[0],
		            line->progress_info->current_step_number,
		            line->progress_info->total_steps);
		break;
	case LINE(INSTRUCTION_RESULT):
		kt_buf_addf(out, "RESULT %s\n",
		            line->instruction_result->serialized_instruction_result);
		break;
	case LINE(RUN_FINISHED_EVENT):
		kt_buf_addf(out, "FINISHED %d %s\n",
		            (int)line->run_finished_event->is_run_successful,
		            KT_OPT_OR(line->run_finished_event, serialized_output, "(none)"));
		break;
	case LINE(WARNING):
		kt_buf_addf(out, "WARNING %s\n", line->warning->warning_message);
		break;
	case LINE(INFO):
		kt_buf_addf(out, "INFO %s\n", line->info->info_message);
		break;
	default:
		kt_buf_adds(out, "?\n");
		break;
	}
}

static void read_lines(fixture *f, const kt_rpc *rpc, const ProtobufCMessage *request)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_stream *stream = kt_grpc_stream_start(f->client, rpc, request, NULL, &err);
	ProtobufCMessage *message = NULL;
	int got = 0;

	assert_non_null(stream);
	kt_buf_clear(&f->lines);
	while ((got = kt_grpc_stream_recv(stream, &message, &err)) == 1) {
		note(&f->lines, (line_message *)message);
		kt_msg_free(message);
	}
	kt_grpc_stream_free(stream);
	if (got < 0) {
		print_message("%s\n", kt_err_message(&err, 0));
	}
	assert_int_equal(got, 0);
}

static void run_script(fixture *f, const char *script, const char *params)
{
	ApiContainerApi__RunStarlarkScriptArgs args =
	        API_CONTAINER_API__RUN_STARLARK_SCRIPT_ARGS__INIT;

	args.serialized_script = kt_pb_str(script);
	if (params != NULL) {
		KT_OPT_SET(ApiContainerApi__RunStarlarkScriptArgs, &args, serialized_params,
		           kt_pb_str(params));
	}
	read_lines(f, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_SCRIPT], &args.base);
}

static void expect(const fixture *f, const char *text)
{
	if (strstr(kt_buf_str(&f->lines), text) == NULL) {
		print_message("expected: %s\nin:\n%s", text, kt_buf_str(&f->lines));
		fail();
	}
}

static ProtobufCMessage *call(fixture *f, kt_apic_rpc rpc, const ProtobufCMessage *request)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	ProtobufCMessage *answer = NULL;

	if (kt_grpc_unary(f->client, &kt_apic_rpcs[rpc], request, NULL, &answer, &err) < 0) {
		print_message("%s\n", kt_err_message(&err, 0));
		fail();
	}
	return answer;
}

static void call_fails(fixture *f, kt_apic_rpc rpc, const ProtobufCMessage *request,
                       const char *want)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	ProtobufCMessage *answer = NULL;

	assert_int_equal(kt_grpc_unary(f->client, &kt_apic_rpcs[rpc], request, NULL, &answer, &err),
	                 -1);
	KT_AUTO_FREE char *text = kt_err_chain_text(&err);
	if (strstr(text, want) == NULL) {
		print_message("expected: %s\nin: %s\n", want, text);
		fail();
	}
}

static void print_only(void **state)
{
	fixture *f = *state;

	run_script(f, "def run(plan, who):\n    plan.print(\"hello \" + who)\n    return 1\n",
	           "{\"who\": \"you\"}");
	assert_string_equal(
	        kt_buf_str(&f->lines),
	        "PROGRESS Interpreting plan - execution will begin shortly 0/0\n"
	        "PROGRESS Starting validation 0/1\n"
	        "PROGRESS Validating plan and preparing container images - execution will begin "
	        "shortly 0/0\n"
	        "PROGRESS Starting execution 0/1\n"
	        "PROGRESS Execution in progress 1/1\n"
	        "INSTRUCTION print: Printing a message\n"
	        "RESULT hello you\n"
	        "FINISHED 1 1\n");
}

static void bad_scripts(void **state)
{
	fixture *f = *state;

	run_script(f, "def run(plan):\n    plan.exec(\n", NULL);
	expect(f, "INTERPRETATION ");
	expect(f, "FINISHED 0 (none)\n");
	run_script(f, "def run(plan):\n    plan.stop_service(name=\"x\")\n", NULL);
	expect(f, "VALIDATION Error while validating instruction stop_service(name=\"x\"). The "
	          "instruction can be found at DEFAULT_PACKAGE_ID_FOR_SCRIPT[2:");
	expect(f, "FINISHED 0 (none)\n");
}

/* The thread sanitizer itself keeps at most 64 Ki frames of a stack. */
#ifdef __SANITIZE_THREAD__
#define DEPTH 400
#else
#define DEPTH 20000
#endif

/* Depth is bounded by whoever parses: a call's thread has a small stack. */
static void deep_input(void **state)
{
	fixture *f = *state;
	KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf params = KT_BUF_INIT;

	kt_buf_adds(&script, "def run(plan):\n    plan.print(");
	for (int i = 0; i < DEPTH; i++) {
		kt_buf_addc(&script, '[');
	}
	for (int i = 0; i < DEPTH; i++) {
		kt_buf_addc(&script, ']');
	}
	kt_buf_adds(&script, ")\n");
	run_script(f, kt_buf_str(&script), NULL);
	expect(f, "FINISHED ");
	kt_buf_adds(&params, "{\"a\": ");
	for (int i = 0; i < DEPTH; i++) {
		kt_buf_addc(&params, '[');
	}
	for (int i = 0; i < DEPTH; i++) {
		kt_buf_addc(&params, ']');
	}
	kt_buf_addc(&params, '}');
	run_script(f, "def run(plan, a):\n    plan.print(a)\n", kt_buf_str(&params));
	expect(f, "FINISHED ");
	kt_buf_clear(&script);
	kt_buf_addf(&script,
	            "def run(plan):\n    x = []\n    for i in range(%d):\n        x = [x]\n"
	            "    plan.print(x)\n",
	            DEPTH * 5);
	run_script(f, kt_buf_str(&script), NULL);
	expect(f, "FINISHED ");
}

#define WEB_SCRIPT                                                                                 \
	"def run(plan):\n"                                                                         \
	"    plan.add_service(name=\"web\", config=ServiceConfig(image=\"nginx\",\n"               \
	"        ports={\"http\": PortSpec(number=80, application_protocol=\"http\")},\n"          \
	"        env_vars={\"A\": \"b=c\"}))\n"

static ApiContainerApi__GetServicesResponse *get_services(fixture *f, const char *identifier)
{
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	ApiContainerApi__GetServicesArgs__ServiceIdentifiersEntry entry =
	        API_CONTAINER_API__GET_SERVICES_ARGS__SERVICE_IDENTIFIERS_ENTRY__INIT;
	ApiContainerApi__GetServicesArgs__ServiceIdentifiersEntry *entries[] = {&entry};

	if (identifier != NULL) {
		entry.key = kt_pb_str(identifier);
		args.service_identifiers = entries;
		args.n_service_identifiers = 1;
	}
	return (ApiContainerApi__GetServicesResponse *)call(f, KT_APIC_GET_SERVICES, &args.base);
}

static void services(void **state)
{
	fixture *f = *state;

	run_script(f, WEB_SCRIPT, NULL);
	expect(f, "RESULT Service 'web' added with service UUID '");
	expect(f, "INFO Container images used in this run:\n> nginx - remotely downloaded\n");
	/* A new process knows what the old one did. */
	stop(f);
	start(f);
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *all = get_services(f, NULL);
	assert_int_equal(all->n_service_info, 1);
	assert_string_equal(all->service_info[0]->key, "web");
	ApiContainerApi__ServiceInfo *info = all->service_info[0]->value;
	assert_string_equal(info->name, "web");
	assert_int_equal(info->service_status, API_CONTAINER_API__SERVICE_STATUS__RUNNING);
	assert_string_equal(info->private_ip_addr, "172.16.0.5");
	assert_int_equal(info->n_private_ports, 1);
	assert_int_equal(info->private_ports[0]->value->number, 80);
	assert_string_equal(info->private_ports[0]->value->maybe_wait_timeout, "2m0s");
	assert_int_equal(info->n_maybe_public_ports, 1);
	assert_string_equal(info->maybe_public_ip_addr, "127.0.0.1");
	assert_int_equal(info->container->status, API_CONTAINER_API__CONTAINER__STATUS__RUNNING);
	assert_true(KT_OPT_OR(info, tini_enabled, 0));
	bool found = false;
	for (size_t i = 0; i < info->container->n_env_vars; i++) {
		found |= strcmp(info->container->env_vars[i]->key, "A") == 0 &&
		         strcmp(info->container->env_vars[i]->value, "b=c") == 0;
	}
	assert_true(found);
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *one =
	        get_services(f, info->shortened_uuid);
	assert_string_equal(one->service_info[0]->key, info->shortened_uuid);
}

/* A run goes on when its client leaves. */
static void client_leaves(void **state)
{
	fixture *f = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};
	ApiContainerApi__RunStarlarkScriptArgs args =
	        API_CONTAINER_API__RUN_STARLARK_SCRIPT_ARGS__INIT;
	ProtobufCMessage *message = NULL;

	args.serialized_script = kt_pb_str(
	        "def run(plan):\n    for i in range(500):\n        plan.print(i)\n"
	        "    plan.add_service(name=\"late\", config=ServiceConfig(image=\"x\"))\n");
	kt_grpc_stream *stream = kt_grpc_stream_start(
	        f->client, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_SCRIPT], &args.base, NULL, &err);
	assert_non_null(stream);
	assert_int_equal(kt_grpc_stream_recv(stream, &message, &err), 1);
	kt_msg_free(message);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(f->client);
	f->client = NULL;
	/* Waits for the handler, which waits for the run. */
	kt_grpc_server_stop(f->server, 20000);
	assert_int_equal(kt_run_env_service(f->apic->env, "late", &arena, &reg, NULL), 0);
	assert_int_equal(reg.status, KT_REG_STARTED);
}

/* What one run learns of a service, the next one has, also in a new process. */
static void runs_build_on_each_other(void **state)
{
	fixture *f = *state;

	run_script(f, WEB_SCRIPT, NULL);
	stop(f);
	start(f);
	run_script(f,
	           "def run(plan):\n"
	           "    s = plan.get_service(name=\"web\")\n"
	           "    plan.print(s.name + \" \" + s.ip_address + \" \" + s.ports[\"http\"].url)\n"
	           "    plan.print(len(plan.get_services()))\n",
	           NULL);
	expect(f, "RESULT Fetched service 'web'\n");
	expect(f, "RESULT web 172.16.0.5 http://web:80\n");
	expect(f, "RESULT 1\n");
	run_script(f, "def run(plan):\n    plan.remove_service(name=\"web\")\n", NULL);
	run_script(f, "def run(plan):\n    plan.get_service(name=\"web\")\n", NULL);
	expect(f, "INTERPRETATION ");
	expect(f, "An error occurred while fetching service 'web' from the store");
}

static void stopped_service(void **state)
{
	fixture *f = *state;

	run_script(f, WEB_SCRIPT "    plan.stop_service(name=\"web\")\n", NULL);
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *all = get_services(f, "web");
	ApiContainerApi__ServiceInfo *info = all->service_info[0]->value;
	assert_int_equal(info->service_status, API_CONTAINER_API__SERVICE_STATUS__STOPPED);
	assert_int_equal(info->n_maybe_public_ports, 0);
	assert_string_equal(info->maybe_public_ip_addr, "");
	run_script(f, "def run(plan):\n    plan.remove_service(name=\"web\")\n", NULL);
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *none = get_services(f, NULL);
	assert_int_equal(none->n_service_info, 0);
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__GetExistingAndHistoricalServiceIdentifiersResponse *history =
	        (void *)call(f, KT_APIC_GET_SERVICE_IDENTIFIERS, &empty.base);
	assert_int_equal(history->n_allidentifiers, 1);
	assert_string_equal(history->allidentifiers[0]->name, "web");
	assert_int_equal(strlen(history->allidentifiers[0]->shortened_uuid), 12);
}

static void unknown_service(void **state)
{
	fixture *f = *state;
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	ApiContainerApi__GetServicesArgs__ServiceIdentifiersEntry entry =
	        API_CONTAINER_API__GET_SERVICES_ARGS__SERVICE_IDENTIFIERS_ENTRY__INIT;
	ApiContainerApi__GetServicesArgs__ServiceIdentifiersEntry *entries[] = {&entry};

	entry.key = kt_pb_str("nobody");
	args.service_identifiers = entries;
	args.n_service_identifiers = 1;
	call_fails(f, KT_APIC_GET_SERVICES, &args.base,
	           "Couldn't find a matching service name for identifier 'nobody'");
}

static void exec_command(void **state)
{
	fixture *f = *state;
	char *argv[] = {kt_pb_str("sh"), kt_pb_str("-c"), kt_pb_str("echo hi && exit 4")};
	ApiContainerApi__ExecCommandArgs args = API_CONTAINER_API__EXEC_COMMAND_ARGS__INIT;

	run_script(f, WEB_SCRIPT, NULL);
	args.service_identifier = kt_pb_str("web");
	args.command_args = argv;
	args.n_command_args = 3;
	KT_AUTO_MSG ApiContainerApi__ExecCommandResponse *answer =
	        (void *)call(f, KT_APIC_EXEC_COMMAND, &args.base);
	assert_int_equal(answer->exit_code, 4);
	assert_string_equal(answer->log_output, "hi\n");
	args.n_command_args = 0;
	call_fails(f, KT_APIC_EXEC_COMMAND, &args.base, "a command for service 'web' is missing");
}

static void last_run(void **state)
{
	fixture *f = *state;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__GetStarlarkRunResponse *before =
	        (void *)call(f, KT_APIC_GET_STARLARK_RUN, &empty.base);

	assert_string_equal(before->package_id, "DEFAULT_PACKAGE_ID_FOR_SCRIPT");
	assert_int_equal(before->parallelism, 4);
	run_script(f, "def run(plan, a):\n    pass\n", "{\"a\": 1}");
	run_script(f, "def run(plan, a):\n    pass\n", "{\"a\": 2}");
	KT_AUTO_MSG ApiContainerApi__GetStarlarkRunResponse *after =
	        (void *)call(f, KT_APIC_GET_STARLARK_RUN, &empty.base);
	assert_string_equal(after->serialized_params, "{\"a\": 2}");
	assert_string_equal(KT_OPT_OR(after, initial_serialized_params, ""), "{\"a\": 1}");
	assert_string_equal(after->serialized_script, "def run(plan, a):\n    pass\n");
}

static void plan_yaml(void **state)
{
	fixture *f = *state;
	ApiContainerApi__StarlarkScriptPlanYamlArgs args =
	        API_CONTAINER_API__STARLARK_SCRIPT_PLAN_YAML_ARGS__INIT;

	args.serialized_script = kt_pb_str(WEB_SCRIPT);
	KT_AUTO_MSG ApiContainerApi__PlanYaml *answer =
	        (void *)call(f, KT_APIC_GET_SCRIPT_PLAN_YAML, &args.base);
	assert_non_null(strstr(answer->plan_yaml, "packageId: DEFAULT_PACKAGE_ID_FOR_SCRIPT\n"));
	assert_non_null(strstr(answer->plan_yaml, "name: web\n"));
	/* Nothing was done or remembered. */
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *none = get_services(f, NULL);
	assert_int_equal(none->n_service_info, 0);
	args.serialized_script = kt_pb_str("def run(plan):\n    fail(\"no\")\n");
	call_fails(f, KT_APIC_GET_SCRIPT_PLAN_YAML, &args.base, "fail: no");
}

/* --- packages and files --- */

typedef struct bytes {
	const char *data;
	size_t len;
} bytes;

static ssize_t give(void *arg, void *buf, size_t cap, kt_err *err)
{
	bytes *b = arg;
	size_t n = KT_MIN(cap, b->len);

	(void)err;
	memcpy(buf, b->data, n);
	b->data += n;
	b->len -= n;
	return (ssize_t)n;
}

static int take(void *arg, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(arg, data, len);
	return kt_buf_check(arg, err);
}

/* A directory with these files as tgz. */
static void pack(const char *const (*files)[2], size_t n, kt_buf *out)
{
	char *dir = kt_fs_mkdtemp(NULL, "kt-pack-", NULL);

	for (size_t i = 0; i < n; i++) {
		KT_AUTO_FREE char *path = kt_path_join(dir, files[i][0]);
		assert_int_equal(
		        kt_fs_write(path, files[i][1], strlen(files[i][1]), 0644, false, NULL), 0);
	}
	assert_int_equal(kt_pack(dir, 0, (kt_sink){take, out}, NULL, NULL), 0);
	kt_fs_remove_tree(dir, NULL);
	kt_free(dir);
}

static ProtobufCMessage *upload(fixture *f, kt_apic_rpc rpc, const char *name, bytes content)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_stream *stream = kt_grpc_stream_open(f->client, &kt_apic_rpcs[rpc], NULL, &err);
	ProtobufCMessage *answer = NULL;

	assert_non_null(stream);
	assert_int_equal(kt_chunks_upload(stream, name, give, &content, &err), 0);
	int got = kt_grpc_stream_recv(stream, &answer, &err);
	if (got != 1) {
		print_message("%s\n", kt_err_message(&err, 0));
	}
	assert_int_equal(got, 1);
	kt_grpc_stream_free(stream);
	return answer;
}

static void packages(void **state)
{
	fixture *f = *state;
	static const char *const files[][2] = {
	        {"kurtosis.yml", "name: github.com/acme/demo\n"},
	        {"main.star", "lib = import_module(\"./lib.star\")\n"
	                      "def run(plan):\n    plan.print(lib.word)\n"},
	        {"lib.star", "word = \"from the library\"\n"},
	};
	KT_AUTO_BUF kt_buf archive = KT_BUF_INIT;
	ApiContainerApi__RunStarlarkPackageArgs args;

	api_container_api__run_starlark_package_args__init(&args);
	pack(files, 3, &archive);
	kt_msg_free(upload(f, KT_APIC_UPLOAD_STARLARK_PACKAGE, "github.com/acme/demo",
	                   (bytes){archive.data, archive.len}));
	args.package_id = kt_pb_str("github.com/acme/demo");
	KT_OPT_SET(ApiContainerApi__RunStarlarkPackageArgs, &args, clone_package, 0);
	read_lines(f, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_PACKAGE], &args.base);
	expect(f, "RESULT from the library\n");
	/* The failure to set a run up is one line, and the call succeeds. */
	args.package_id = kt_pb_str("github.com/acme/missing");
	read_lines(f, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_PACKAGE], &args.base);
	assert_int_equal(strncmp(kt_buf_str(&f->lines), "INTERPRETATION ", 15), 0);
	assert_null(strstr(kt_buf_str(&f->lines), "FINISHED"));
	/* The way of older clients: the archive is in the request. */
	api_container_api__run_starlark_package_args__init(&args);
	args.package_id = kt_pb_str("github.com/acme/demo");
	args.starlark_package_content_case =
	        API_CONTAINER_API__RUN_STARLARK_PACKAGE_ARGS__STARLARK_PACKAGE_CONTENT_LOCAL;
	args.local.data = (uint8_t *)archive.data;
	args.local.len = archive.len;
	read_lines(f, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_PACKAGE], &args.base);
	expect(f, "INSTRUCTION (skipped) print: Printing a message\nRESULT SKIPPED - This "
	          "instruction has already been run in this enclave\n");

	ApiContainerApi__KurtosisFeatureFlag feature =
	        API_CONTAINER_API__KURTOSIS_FEATURE_FLAG__NO_INSTRUCTIONS_CACHING;
	args.experimental_features = &feature;
	args.n_experimental_features = 1;
	read_lines(f, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_PACKAGE], &args.base);
	expect(f, "INSTRUCTION print: Printing a message\nRESULT from the library\n");
}

static void download(fixture *f, const char *identifier, kt_buf *out)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	ApiContainerApi__DownloadFilesArtifactArgs args =
	        API_CONTAINER_API__DOWNLOAD_FILES_ARTIFACT_ARGS__INIT;

	args.identifier = kt_pb_str(identifier);
	kt_grpc_stream *stream = kt_grpc_stream_start(
	        f->client, &kt_apic_rpcs[KT_APIC_DOWNLOAD_FILES_ARTIFACT], &args.base, NULL, &err);
	assert_non_null(stream);
	assert_int_equal(kt_chunks_download(stream, &chain, take, out, &err), 0);
	assert_string_equal(chain.name, identifier);
	kt_grpc_stream_free(stream);
}

static void artifacts(void **state)
{
	fixture *f = *state;
	static const char *const files[][2] = {{"a.txt", "line\n"}};
	KT_AUTO_BUF kt_buf archive = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf back = KT_BUF_INIT;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	pack(files, 1, &archive);
	KT_AUTO_MSG ApiContainerApi__UploadFilesArtifactResponse *named = (void *)upload(
	        f, KT_APIC_UPLOAD_FILES_ARTIFACT, "mine", (bytes){archive.data, archive.len});
	assert_string_equal(named->name, "mine");
	KT_AUTO_MSG ApiContainerApi__UploadFilesArtifactResponse *unnamed = (void *)upload(
	        f, KT_APIC_UPLOAD_FILES_ARTIFACT, "", (bytes){archive.data, archive.len});
	assert_non_null(strchr(unnamed->name, '-'));
	KT_AUTO_MSG ApiContainerApi__ListFilesArtifactNamesAndUuidsResponse *list =
	        (void *)call(f, KT_APIC_LIST_FILES_ARTIFACTS, &empty.base);
	assert_int_equal(list->n_file_names_and_uuids, 2);
	download(f, "mine", &back);
	assert_int_equal(back.len, archive.len);
	assert_memory_equal(back.data, archive.data, back.len);

	ApiContainerApi__InspectFilesArtifactContentsRequest request =
	        API_CONTAINER_API__INSPECT_FILES_ARTIFACT_CONTENTS_REQUEST__INIT;
	ApiContainerApi__FilesArtifactNameAndUuid which =
	        API_CONTAINER_API__FILES_ARTIFACT_NAME_AND_UUID__INIT;
	which.fileuuid = named->uuid;
	request.file_names_and_uuid = &which;
	KT_AUTO_MSG ApiContainerApi__InspectFilesArtifactContentsResponse *entries =
	        (void *)call(f, KT_APIC_INSPECT_FILES_ARTIFACT, &request.base);
	assert_int_equal(entries->n_file_descriptions, 1);
	assert_string_equal(entries->file_descriptions[0]->path, "a.txt");
	assert_string_equal(KT_OPT_OR(entries->file_descriptions[0], text_preview, ""), "line\n");
	which.fileuuid = kt_pb_str("");
	call_fails(f, KT_APIC_INSPECT_FILES_ARTIFACT, &request.base,
	           "An error occurred because files artifact identifier is empty ''");
}

static void files_from_service(void **state)
{
	fixture *f = *state;
	ApiContainerApi__StoreFilesArtifactFromServiceArgs args =
	        API_CONTAINER_API__STORE_FILES_ARTIFACT_FROM_SERVICE_ARGS__INIT;

	run_script(f, WEB_SCRIPT, NULL);
	kt_fake_file(f->backend, "web", "/data/x.txt", "content");
	args.service_identifier = kt_pb_str("web");
	args.source_path = kt_pb_str("/data/x.txt");
	args.name = kt_pb_str("copied");
	KT_AUTO_MSG ApiContainerApi__StoreFilesArtifactFromServiceResponse *answer =
	        (void *)call(f, KT_APIC_STORE_FILES_ARTIFACT_FROM_SERVICE, &args.base);
	assert_int_equal(strlen(answer->uuid), 32);
	call_fails(f, KT_APIC_STORE_FILES_ARTIFACT_FROM_SERVICE, &args.base,
	           "Files artifact name 'copied' has already been used");
	args.name = kt_pb_str("other");
	args.source_path = kt_pb_str("/nowhere");
	call_fails(f, KT_APIC_STORE_FILES_ARTIFACT_FROM_SERVICE, &args.base, "/nowhere");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(print_only),      TEST(bad_scripts),        TEST(deep_input),
	        TEST(services),        TEST(client_leaves),      TEST(runs_build_on_each_other),
	        TEST(stopped_service), TEST(unknown_service),    TEST(exec_command),
	        TEST(last_run),        TEST(plan_yaml),          TEST(packages),
	        TEST(artifacts),       TEST(files_from_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
