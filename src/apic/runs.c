/* Runs of scripts and packages, uploads of packages, the last run's record. */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "package/package.h"

#define RUN_KEY "starlark-run"
#define LOG_PART "apic"

/* What both kinds of run ask for, with the server's defaults filled in. */
typedef struct run_params {
	const char *package_id;
	const char *script; /* NULL for a package */
	const char *args;
	const char *main_function;
	const char *main_file;
	int32_t parallelism;
	const ApiContainerApi__KurtosisFeatureFlag *features;
	size_t n_features;
	kt_run_options options;
} run_params;

#define FEATURE(name) API_CONTAINER_API__KURTOSIS_FEATURE_FLAG__##name

static bool has_feature(const run_params *params, ApiContainerApi__KurtosisFeatureFlag feature)
{
	for (size_t i = 0; i < params->n_features; i++) {
		if (params->features[i] == feature) {
			return true;
		}
	}
	return false;
}

/* --- the record of the last run --- */

typedef struct run_record {
	kt_apic *apic;
	const run_params *params;
} run_record;

static json_t *features_json(const run_params *params)
{
	json_t *array = json_array();

	for (size_t i = 0; i < params->n_features; i++) {
		json_array_append_new(array, json_integer((json_int_t)params->features[i]));
	}
	return array;
}

/* The parameters of the enclave's first run are kept beside the last one's. */
static char *initial_params(kt_state *state, const char *now)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const char *old = NULL;

	if (kt_state_get_text(state, RUN_KEY, &arena, &old, NULL) < 0 || old == NULL) {
		return kt_strdup(now);
	}
	KT_AUTO_JSON json_t *json = kt_json_parse(old, strlen(old), "the last run's record", NULL);
	return kt_strdup(kt_json_str(json, "initial_serialized_params", now));
}

static void record_run(void *ctx)
{
	run_record *record = ctx;
	const run_params *p = record->params;
	kt_state *state = kt_run_env_state(record->apic->env);
	const char *args = p->args != NULL ? p->args : "";
	KT_AUTO_FREE char *initial = initial_params(state, args);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_JSON json_t *json = json_pack(
	        "{s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:s}", "package_id", p->package_id,
	        "serialized_script", p->script != NULL ? p->script : "", "serialized_params", args,
	        "parallelism", (int)p->parallelism, "relative_path_to_main_file", "",
	        "main_function_name", p->main_function != NULL ? p->main_function : "",
	        "experimental_features", features_json(p), "initial_serialized_params",
	        initial != NULL ? initial : "");
	KT_AUTO_FREE char *text = json != NULL ? kt_json_text(json, 0) : NULL;

	if (text == NULL || kt_state_put_text(state, RUN_KEY, text, &err) < 0) {
		kt_log_err(KT_LOG_WARN, LOG_PART, &err, "the run's parameters could not be kept");
	}
}

static void fill_features(const json_t *json, kt_arena *arena,
                          ApiContainerApi__GetStarlarkRunResponse *response)
{
	const json_t *array = json_object_get(json, "experimental_features");
	size_t n = json_array_size(array);
	ApiContainerApi__KurtosisFeatureFlag *flags =
	        KT_ARENA_ARRAY(arena, ApiContainerApi__KurtosisFeatureFlag, n + 1);

	for (size_t i = 0; flags != NULL && i < n; i++) {
		flags[i] = (ApiContainerApi__KurtosisFeatureFlag)json_integer_value(
		        json_array_get(array, i));
	}
	response->experimental_features = flags;
	response->n_experimental_features = flags != NULL ? n : 0;
}

KT_APIC_HANDLER(get_starlark_run)
{
	kt_apic *apic = host;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	ApiContainerApi__GetStarlarkRunResponse response =
	        API_CONTAINER_API__GET_STARLARK_RUN_RESPONSE__INIT;
	const char *text = NULL;

	(void)request;
	if (kt_state_get_text(kt_run_env_state(apic->env), RUN_KEY, &arena, &text, err) < 0) {
		return -1;
	}
	text = text != NULL ? text : "{}";
	KT_AUTO_JSON json_t *json = kt_json_parse(text, strlen(text), "the last run's record", err);
	if (json == NULL) {
		return -1;
	}
	response.package_id = kt_pb_str(kt_json_str(json, "package_id", KT_PLAN_SCRIPT_ID));
	response.serialized_script = kt_pb_str(kt_json_str(json, "serialized_script", ""));
	response.serialized_params = kt_pb_str(kt_json_str(json, "serialized_params", ""));
	response.parallelism = (int32_t)kt_json_int(json, "parallelism", 4);
	response.main_function_name = kt_pb_str(kt_json_str(json, "main_function_name", ""));
	fill_features(json, &arena, &response);
	response.restart_policy = kt_run_env_production(apic->env)
	                                  ? API_CONTAINER_API__RESTART_POLICY__ALWAYS
	                                  : API_CONTAINER_API__RESTART_POLICY__NEVER;
	KT_OPT_SET(ApiContainerApi__GetStarlarkRunResponse, &response, initial_serialized_params,
	           kt_pb_str(kt_json_str(json, "initial_serialized_params", "")));
	return kt_grpc_send(call, &response.base, err);
}

/* --- running --- */

/* Everything that goes wrong before a run begins is one line, and the call succeeds. */
static int fail_setup(kt_grpc_call *call, const kt_err *failure)
{
	kt_line_sender sender = {.call = call};
	KT_AUTO_FREE char *text = kt_err_chain_text(failure);

	kt_apic_send_line(&sender, &(kt_run_line){.kind = KT_LINE_INTERPRETATION_ERROR,
	                                          .text = text != NULL ? text : "out of memory"});
	return 0;
}

static int run(kt_apic *apic, kt_grpc_call *call, const run_params *params,
               const kt_content_spec *content_spec)
{
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	run_record record = {apic, params};
	kt_line_sender sender = {
	        .call = call, .on_finished = record_run, .on_finished_ctx = &record};
	kt_content *content = kt_content_open(content_spec, &failure);
	kt_plan_request request = {
	        .script = params->script,
	        .script_len = params->script != NULL ? strlen(params->script) : 0,
	        .content = content,
	        .main_file = kt_str_empty(params->main_file) ? NULL : params->main_file,
	        .main_function = params->main_function,
	        .args_json = kt_str_empty(params->args) ? NULL : params->args,
	        .cancel = apic->stop,
	};
	bool success = false;

	if (content == NULL) {
		return fail_setup(call, &failure);
	}
	int result = kt_run(apic->env, &request, &params->options, kt_apic_send_line, &sender,
	                    &success, &failure);
	kt_content_close(content);
	return result < 0 ? fail_setup(call, &failure) : 0;
}

kt_content_spec kt_apic_content_spec(const kt_apic *apic)
{
	return (kt_content_spec){
	        .cache_dir = apic->cache_dir,
	        .store_dir = apic->store_dir,
	        .fetch_url = kt_content_fetch_http,
	        .cancel = apic->stop,
	};
}

/*
 * The optional fields that both requests have. The text macro reads the field names once,
 * because the two generated types share nothing.
 */
#define READ_COMMON(args, params, apic)                                                            \
	do {                                                                                       \
		int32_t wanted_ = KT_OPT_OR(args, parallelism, 4);                                 \
		(params)->parallelism = wanted_ > 0 ? wanted_ : 4;                                 \
		(params)->args = KT_OPT_OR(args, serialized_params, NULL);                         \
		(params)->main_function = KT_OPT_OR(args, main_function_name, NULL);               \
		(params)->features = (args)->experimental_features;                                \
		(params)->n_features = (args)->n_experimental_features;                            \
		(params)->options = (kt_run_options){                                              \
		        .dry_run = KT_OPT_OR(args, dry_run, 0) != 0,                               \
		        .parallel = KT_OPT_OR(args, parallel, 0) != 0,                             \
		        .parallelism = (params)->parallelism,                                      \
		        .image_mode =                                                              \
		                KT_OPT_OR(args, image_download_mode,                               \
		                          API_CONTAINER_API__IMAGE_DOWNLOAD_MODE__missing) ==      \
		                                API_CONTAINER_API__IMAGE_DOWNLOAD_MODE__always     \
		                        ? KT_PULL_ALWAYS                                           \
		                        : KT_PULL_MISSING,                                         \
		        .no_resource_check = KT_OPT_OR(args, resource_check, 1) == 0,              \
		        .non_blocking_tasks = KT_OPT_OR(args, non_blocking_mode, 0) != 0,          \
		        .privileged_allowed = KT_OPT_OR(args, allow_privileged_mode, 0) != 0,      \
		        .no_edits = has_feature(params, FEATURE(NO_INSTRUCTIONS_CACHING)),         \
		        .cancel = (apic)->stop,                                                    \
		};                                                                                 \
	} while (0)

KT_APIC_HANDLER(run_script)
{
	kt_apic *apic = host;
	const ApiContainerApi__RunStarlarkScriptArgs *args =
	        (const ApiContainerApi__RunStarlarkScriptArgs *)request;
	run_params params = {.package_id = KT_PLAN_SCRIPT_ID, .script = args->serialized_script};
	kt_content_spec spec = kt_apic_content_spec(apic);

	(void)err;
	READ_COMMON(args, &params, apic);
	return run(apic, call, &params, &spec);
}

typedef ApiContainerApi__RunStarlarkPackageArgs package_args;
#define CONTENT(kind) API_CONTAINER_API__RUN_STARLARK_PACKAGE_ARGS__STARLARK_PACKAGE_CONTENT_##kind

/* Decides where the package comes from; older clients may have put it into the request. */
static int choose_source(kt_apic *apic, const package_args *args, kt_content_spec *spec,
                         kt_err *err)
{
	bool local = args->starlark_package_content_case == CONTENT(LOCAL);
	bool remote = args->starlark_package_content_case == CONTENT(REMOTE) && args->remote;

	spec->root_id = args->package_id;
	if (KT_OPT_HAS(args, clone_package)) {
		spec->fetch_root = args->clone_package != 0;
		return 0;
	}
	spec->fetch_root = remote;
	kt_mem archive = {(const char *)args->local.data, args->local.len};
	return local ? kt_package_store(apic->store_dir, args->package_id, kt_source_mem(&archive),
	                                apic->stop, err)
	             : 0;
}

KT_APIC_HANDLER(run_package)
{
	kt_apic *apic = host;
	const package_args *args = (const package_args *)request;
	run_params params = {.package_id = args->package_id};
	kt_content_spec spec = kt_apic_content_spec(apic);
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;

	(void)err;
	READ_COMMON(args, &params, apic);
	params.main_file = KT_OPT_OR(args, relative_path_to_main_file, NULL);
	if (KT_OPT_HAS(args, github_auth_token) && args->github_auth_token[0] != '\0') {
		spec.auth_token = args->github_auth_token;
	}
	if (choose_source(apic, args, &spec, &failure) < 0) {
		return fail_setup(call, &failure);
	}
	return run(apic, call, &params, &spec);
}

/* --- uploads of packages --- */

KT_APIC_HANDLER(upload_package)
{
	kt_apic *apic = host;
	KT_AUTO_FD int spool = kt_apic_open_spool(apic, err);
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	(void)request;
	if (spool < 0) {
		return -1;
	}
	if (kt_chunks_receive(call, &chain, kt_apic_spool_write, &spool, err) < 0) {
		return KT_WRAP(err, "An error occurred receiving the Starlark package payload");
	}
	if (kt_str_empty(chain.name)) {
		KT_FAIL(err, INVALID,
		        "The package being uploaded did not have any name attached. This is a "
		        "Kurtosis bug");
		return KT_WRAP(err, "An error occurred receiving the Starlark package payload");
	}
	if (kt_apic_rewind_spool(spool, err) < 0 ||
	    kt_package_store(apic->store_dir, chain.name, kt_source_fd(&spool),
	                     kt_grpc_call_cancel(call), err) < 0) {
		return KT_WRAP(err, "An error occurred storing the package '%s'", chain.name);
	}
	return kt_grpc_send(call, &empty.base, err);
}
