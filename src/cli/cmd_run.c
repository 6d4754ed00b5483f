/* kurtosis run */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/enclave_view.h"
#include "cli/helper.h"
#include "cli/progress.h"
#include "cli/run_dependencies.h"
#include "cli/run_enclave.h"
#include "cli/run_functions.h"
#include "cli/run_graph.h"
#include "cli/run_print.h"
#include "cli/run_target.h"
#include "cli/settings.h"
#include "cli/ui.h"
#include "package/package.h"

#include <string.h>
#include <strings.h>

/* Everything that flags and arguments say. */
typedef struct run_request {
	kt_target target;
	char *args; /* JSON */
	kt_verbosity verbosity;
	ApiContainerApi__ImageDownloadMode download;
	bool no_caching;
	bool dry_run;
	bool parallel;
} run_request;

static void run_request_deinit(run_request *self)
{
	kt_target_deinit(&self->target);
	kt_free(self->args);
}

/* --- reading the request ---------------------------------------------------------------- */

static int refuse_unbuilt(kt_cli *cli, kt_err *err)
{
	static const char *const unbuilt[] = {"pull"};
	for (size_t i = 0; i < KT_ARRAY_LEN(unbuilt); i++) {
		if (kt_cli_bool(cli, unbuilt[i])) {
			return KT_FAIL(err, UNSUPPORTED, "the flag --%s is not supported yet", unbuilt[i]);
		}
	}
	return 0;
}

static int read_args(kt_cli *cli, run_request *request, kt_err *err)
{
	const char *text = kt_cli_arg(cli, "args");
	const char *file = kt_cli_str(cli, "args-file");
	KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
	bool from_file = strcmp(text, "{}") == 0 && *file != '\0';
	if (from_file) {
		if (kt_read_args_file(file, &content, err) < 0) {
			return KT_WRAP(err, "attempted to validate 'args-file' but failed");
		}
		text = kt_buf_str(&content);
	}
	request->args = kt_package_args_json(text, strlen(text), err);
	if (request->args == NULL) {
		return from_file ? KT_WRAP(err, "attempted to validate 'args-file' but failed")
				 : KT_WRAP(err, "An error occurred validating arg 'args'");
	}
	return 0;
}

static int read_features(kt_cli *cli, run_request *request, kt_err *err)
{
	const char *text = kt_cli_str(cli, "experimental");
	KT_AUTO_STRVEC kt_strvec parts = KT_STRVEC_INIT;
	if (*text == '\0') {
		return 0;
	}
	if (kt_strvec_split(&parts, text, ',') < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < parts.len; i++) {
		if (strcmp(parts.items[i], "NO_INSTRUCTIONS_CACHING") != 0) {
			return KT_FAIL(err, INVALID,
				       "Unable to parse '%s' as a valid Kurtosis feature flag.",
				       parts.items[i]);
		}
		request->no_caching = true;
	}
	return 0;
}

static int read_request(kt_cli *cli, run_request *request, kt_err *err)
{
	const char *verbosity = kt_cli_str(cli, "verbosity");
	const char *download = kt_cli_str(cli, "image-download");
	if (refuse_unbuilt(cli, err) < 0) {
		return -1;
	}
	if (!kt_verbosity_parse(verbosity, &request->verbosity)) {
		return KT_FAIL(err, INVALID,
			       "Invalid verbosity value: '%s'. Possible values are BRIEF, DETAILED, "
			       "EXECUTABLE, OUTPUT_ONLY, DESCRIPTION",
			       verbosity);
	}
	if (strcasecmp(download, "always") == 0) {
		request->download = API_CONTAINER_API__IMAGE_DOWNLOAD_MODE__always;
	} else if (strcasecmp(download, "missing") == 0) {
		request->download = API_CONTAINER_API__IMAGE_DOWNLOAD_MODE__missing;
	} else {
		return KT_FAIL(err, INVALID,
			       "Invalid image-download value: '%s'. Possible values are: 'missing', "
			       "'always'",
			       download);
	}
	request->dry_run = kt_cli_bool(cli, "dry-run");
	request->parallel = kt_cli_bool(cli, "parallel");
	if (read_features(cli, request, err) < 0 || read_args(cli, request, err) < 0) {
		return -1;
	}
	return kt_target_open(kt_cli_arg(cli, "script-or-package-path"), &request->target, err);
}

/* --- running ---------------------------------------------------------------------------- */

/* The fields that both requests have, under the same names. */
#define SET_COMMON(type, to, cli, request)                                                       \
	do {                                                                                       \
		KT_OPT_SET(type, to, serialized_params, (request)->args);                        \
		KT_OPT_SET(type, to, dry_run, (request)->dry_run);                               \
		KT_OPT_SET(type, to, parallelism, (int32_t)kt_cli_u32(cli, "parallelism"));      \
		KT_OPT_SET(type, to, main_function_name,                                         \
			   (char *)(uintptr_t)kt_cli_str(cli, "main-function-name"));              \
		KT_OPT_SET(type, to, image_download_mode, (request)->download);                  \
		KT_OPT_SET(type, to, non_blocking_mode, kt_cli_bool(cli, "non-blocking-tasks")); \
		KT_OPT_SET(type, to, parallel, (request)->parallel);                             \
		KT_OPT_SET(type, to, resource_check, kt_cli_bool(cli, "resource-check"));        \
		KT_OPT_SET(type, to, allow_privileged_mode, kt_cli_bool(cli, "privileged"));     \
	} while (0)

static kt_grpc_stream *start_script(kt_cli *cli, const run_request *request, kt_grpc_client *apic,
				    const kt_grpc_opts *opts, kt_err *err)
{
	ApiContainerApi__RunStarlarkScriptArgs args =
		API_CONTAINER_API__RUN_STARLARK_SCRIPT_ARGS__INIT;
	ApiContainerApi__KurtosisFeatureFlag feature =
		API_CONTAINER_API__KURTOSIS_FEATURE_FLAG__NO_INSTRUCTIONS_CACHING;
	SET_COMMON(ApiContainerApi__RunStarlarkScriptArgs, &args, cli, request);
	args.serialized_script = request->target.script;
	args.experimental_features = &feature;
	args.n_experimental_features = request->no_caching ? 1 : 0;
	return kt_grpc_stream_start(apic, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_SCRIPT], &args.base,
				    opts, err);
}

static kt_grpc_stream *start_package(kt_cli *cli, const run_request *request, kt_grpc_client *apic,
				     const kt_grpc_opts *opts, kt_err *err)
{
	ApiContainerApi__RunStarlarkPackageArgs args;
	ApiContainerApi__KurtosisFeatureFlag feature =
		API_CONTAINER_API__KURTOSIS_FEATURE_FLAG__NO_INSTRUCTIONS_CACHING;
	api_container_api__run_starlark_package_args__init(&args);
	SET_COMMON(ApiContainerApi__RunStarlarkPackageArgs, &args, cli, request);
	args.package_id = request->target.package_id;
	KT_OPT_SET(ApiContainerApi__RunStarlarkPackageArgs, &args, clone_package,
		   request->target.kind == KT_TARGET_REMOTE);
	KT_OPT_SET(ApiContainerApi__RunStarlarkPackageArgs, &args, relative_path_to_main_file,
		   (char *)(uintptr_t)kt_cli_str(cli, "main-file"));
	KT_AUTO_FREE char *token = kt_github_token(NULL);
	if (token != NULL) {
		KT_OPT_SET(ApiContainerApi__RunStarlarkPackageArgs, &args, github_auth_token,
			   token);
	}
	args.experimental_features = &feature;
	args.n_experimental_features = request->no_caching ? 1 : 0;
	return kt_grpc_stream_start(apic, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_PACKAGE], &args.base,
				    opts, err);
}

static kt_grpc_stream *start_run(kt_cli *cli, const run_request *request, kt_grpc_client *apic,
				 const kt_grpc_opts *opts, kt_err *err)
{
	const kt_target *target = &request->target;
	if (target->kind == KT_TARGET_SCRIPT) {
		return start_script(cli, request, apic, opts, err);
	}
	if (target->kind == KT_TARGET_PACKAGE) {
		KT_CLI_LOG(cli,
			   "Executing Starlark package at '%s' as the passed argument '%s' looks like a "
			   "directory",
			   target->dir, target->argument);
		if (kt_target_upload(cli, target, apic, err) < 0) {
			return NULL;
		}
	}
	return start_package(cli, request, apic, opts, err);
}

static int interrupted(kt_cli *cli, kt_err *err)
{
	/* What follows (the block at the end) must not be cancelled as well. */
	kt_cancel_unref(cli->remote->interrupt);
	cli->remote->interrupt = NULL;
	return KT_FAIL(err, CANCELLED,
		       "User manually interrupted the execution, returning. Note that the execution "
		       "will continue in the Kurtosis enclave");
}

static int run_in(kt_cli *cli, const run_request *request, kt_grpc_client *apic, kt_err *err)
{
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	kt_run_printer printer = {.cli = cli,
				  .verbosity = request->verbosity,
				  .dry_run = request->dry_run,
				  .quiet = request->parallel && !cli->interactive};
	kt_grpc_stream *stream = start_run(cli, request, apic, &opts, err);
	if (stream == NULL) {
		return kt_cancel_fired(opts.cancel) ? interrupted(cli, err) : -1;
	}
	if (!cli->interactive) {
		KT_CLI_LOG(cli, "Kurtosis CLI is running in a non interactive terminal. Everything "
				"will work but progress information and the progress bar will not be "
				"displayed.");
	} else {
		printer.progress = kt_progress_new(NULL); /* without it all else works */
	}
	int rc = kt_run_print_stream(&printer, stream, err);
	kt_grpc_stream_free(stream);
	bool success = printer.success;
	kt_run_printer_deinit(&printer);
	if (rc < 0 && kt_cancel_fired(opts.cancel)) {
		return interrupted(cli, err);
	}
	if (rc < 0) {
		return KT_WRAP(err, "Unexpected error happened reading the stream. Client might have "
				    "cancelled the stream");
	}
	return success || request->dry_run ? 0 : KT_CLI_TOLD;
}

static void connect_services(kt_cli *cli, kt_grpc_client *apic)
{
	ApiContainerApi__ConnectServicesArgs args = API_CONTAINER_API__CONNECT_SERVICES_ARGS__INIT;
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	args.connect = kt_cli_bool(cli, "no-connect") ? API_CONTAINER_API__CONNECT__NO_CONNECT
						      : API_CONTAINER_API__CONNECT__CONNECT;
	if (kt_apic_call(cli, apic, KT_APIC_CONNECT_SERVICES, &args, NULL, &reason) < 0) {
		KT_AUTO_FREE char *text = kt_error_text(&reason);
		KT_CLI_WARNING(cli, "An error occurred configuring the user services port "
				    "forwarding\nError was: %s",
			       kt_str_or(text, "out of memory"));
	}
}

static void show_end(kt_cli *cli, const kt_run_enclave *enclave)
{
	if (enclave->is_new) {
		KT_AUTO_FREE char *message = kt_asprintf("Created enclave: %s", enclave->name);
		kt_banner(cli, kt_str_or(message, enclave->name));
	}
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	if (kt_cli_bool(cli, "show-enclave-inspect") &&
	    kt_show_enclave(cli, enclave->uuid, kt_cli_bool(cli, "full-uuids"), &reason) < 0) {
		KT_AUTO_FREE char *text = kt_error_text(&reason);
		kt_log_line(cli, KT_CLI_ERROR, "An error occurred while printing enclave status and "
					       "contents:\n%s",
			    kt_str_or(text, "out of memory"));
	}
}

int kt_cmd_run(kt_cli *cli, kt_err *err)
{
	run_request request = {.target = KT_TARGET_INIT};
	kt_run_enclave enclave = KT_RUN_ENCLAVE_INIT;
	int rc = read_request(cli, &request, err);
	if (rc == 0) {
		rc = kt_catch_interrupt(cli, err);
	}
	if (rc == 0) {
		rc = kt_run_enclave_open(cli, kt_cli_bool(cli, "production"), &enclave, err);
	}
	if (rc == 0 && kt_cli_bool(cli, "dependencies")) {
		rc = kt_show_dependencies(cli, &request.target, request.args, enclave.apic, err);
		show_end(cli, &enclave);
	} else if (rc == 0) {
		rc = kt_write_graph(cli, &request.target, request.args, enclave.apic, err);
		if (rc == 0) {
			rc = run_in(cli, &request, enclave.apic, err);
		}
		if (rc == 0) {
			connect_services(cli, enclave.apic);
		}
		show_end(cli, &enclave);
	}
	kt_run_enclave_deinit(&enclave);
	run_request_deinit(&request);
	return rc;
}
