/* Connections and the look-ups shared by commands. */
#include "cli/client.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/uuid.h"
#include "cli/engine_proc.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void kt_remote_free(struct kt_remote *self)
{
	kt_grpc_client_free(self->engine);
	self->engine = NULL;
	kt_cancel_unref(self->interrupt);
	self->interrupt = NULL;
}

/* --- engine ----------------------------------------------------------------------------- */

/* "1.20" of "1.20.3"; the length of that part, or 0 when the text is no X.Y.Z. */
static size_t minor_len(const char *version)
{
	size_t dots = 0;
	size_t len = 0;
	for (const char *p = version; *p != '\0' && *p != '-' && *p != '+'; p++) {
		if (*p == '.') {
			len = ++dots == 2 ? (size_t)(p - version) : len;
		} else if (*p < '0' || *p > '9') {
			return 0;
		}
	}
	return dots == 2 ? len : 0;
}

static int check_version(kt_cli *cli, const char *version, kt_err *err)
{
	size_t theirs = minor_len(version);
	size_t ours = minor_len(KT_API_LEVEL);
	if (theirs == 0) {
		KT_CLI_WARNING(cli, "An error occurred getting the running engine's version; you may "
				    "be running an out-of-date engine version");
		return 0;
	}
	if (theirs == ours && strncmp(version, KT_API_LEVEL, ours) == 0) {
		return 0;
	}
	kt_log_line(cli, KT_CLI_ERROR,
		    "The engine server API version that the CLI expects, '%.*s', doesn't match the "
		    "running engine server API version, '%.*s'; this would cause broken functionality "
		    "so you'll need to restart the engine to get the correct version by running "
		    "'kurtosis engine restart'",
		    (int)ours, KT_API_LEVEL, (int)theirs, version);
	return KT_FAIL(err, PRECONDITION,
		       "An API version mismatch was detected between the running engine version '%s' "
		       "and the engine version the CLI expects, '%s'",
		       version, KT_API_LEVEL);
}

static int silent_engine(kt_err *err)
{
	uint16_t port;
	if (!kt_engine_process_runs() && kt_engine_port(&port, NULL) == 0) {
		KT_FAIL(err, UNAVAILABLE,
			"port %u of 127.0.0.1 is in use by another program, which is no Kurtosis "
			"engine",
			port);
		kt_engine_port_hint(err);
		return -1;
	}
	return KT_FAIL(err, UNAVAILABLE,
		       "We couldn't guarantee that a Kurtosis engine is running because we found a "
		       "running engine container whose server isn't responding; because this is a "
		       "strange state, we don't automatically try to correct the problem so you'll "
		       "want to manually  restart the server by running 'kurtosis engine restart'");
}

/* Asks once; 1 when there is no engine. */
static int try_engine(kt_cli *cli, kt_err *err)
{
	kt_engine_state state;
	KT_AUTO_FREE char *version = NULL;
	if (kt_engine_query(&state, &cli->remote->engine, &version, err) < 0) {
		return -1;
	}
	switch (state) {
	case KT_ENGINE_STOPPED:
		return 1;
	case KT_ENGINE_SILENT:
		return silent_engine(err);
	case KT_ENGINE_RUNNING:
		break;
	}
	return check_version(cli, version, err);
}

int kt_connect_running_engine(kt_cli *cli, kt_err *err)
{
	if (cli->remote->engine != NULL) {
		return 0;
	}
	int rc = try_engine(cli, err);
	return rc == 1 ? KT_FAIL(err, PRECONDITION, "no Kurtosis engine is running") : rc;
}

int kt_connect_engine(kt_cli *cli, kt_err *err)
{
	if (cli->remote->engine != NULL) {
		return 0;
	}
	if (kt_settings_require_usable(err) < 0) {
		return -1;
	}
	int rc = try_engine(cli, err);
	if (rc != 1) {
		return rc;
	}
	KT_CLI_LOG(cli, "No Kurtosis engine was found; attempting to start one...");
	kt_engine_options options = {.log_level = "info", .log_retention = "168h"};
	if (kt_engine_launch(&options, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Successfully started Kurtosis engine");
	rc = try_engine(cli, err);
	return rc == 1 ? KT_FAIL(err, UNAVAILABLE, "the engine ended right after its start") : rc;
}

static int call(kt_cli *cli, kt_grpc_client *client, const kt_rpc *rpc, const void *request,
		void *ret_message, kt_err *err)
{
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	ProtobufCMessage *answer = NULL;
	if (kt_grpc_unary(client, rpc, request, &opts, &answer, err) < 0) {
		return -1;
	}
	if (ret_message == NULL) {
		kt_msg_free(answer);
	} else {
		memcpy(ret_message, &answer, sizeof(answer));
	}
	return 0;
}

int kt_engine_call(kt_cli *cli, kt_engine_rpc rpc, const void *request, void *ret_message,
		   kt_err *err)
{
	return call(cli, cli->remote->engine, &kt_engine_rpcs[rpc], request, ret_message, err);
}

int kt_apic_call(kt_cli *cli, kt_grpc_client *apic, kt_apic_rpc rpc, const void *request,
		 void *ret_message, kt_err *err)
{
	return call(cli, apic, &kt_apic_rpcs[rpc], request, ret_message, err);
}

/* --- enclaves --------------------------------------------------------------------------- */

static bool known_before(kt_cli *cli, const char *identifier)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG EngineApi__GetExistingAndHistoricalEnclaveIdentifiersResponse *all = NULL;
	if (kt_engine_call(cli, KT_ENGINE_GET_ENCLAVE_IDENTIFIERS, &nothing, &all, NULL) < 0) {
		return false;
	}
	for (size_t i = 0; i < all->n_allidentifiers; i++) {
		const EngineApi__EnclaveIdentifiers *one = all->allidentifiers[i];
		if (strcmp(one->name, identifier) == 0 ||
		    strcmp(one->enclave_uuid, identifier) == 0 ||
		    strcmp(one->shortened_uuid, identifier) == 0) {
			return true;
		}
	}
	return false;
}

/* Asking does no harm twice: the engine may have been restarted since it was connected to. */
static int get_enclaves(kt_cli *cli, EngineApi__GetEnclavesResponse **ret, kt_err *err)
{
	EngineApi__GetEnclavesByUuidsArgs args = ENGINE_API__GET_ENCLAVES_BY_UUIDS_ARGS__INIT;
	if (kt_engine_call(cli, KT_ENGINE_GET_ENCLAVES_BY_UUIDS, &args, ret, err) == 0) {
		return 0;
	}
	if (err == NULL || err->code != KT_ERR_UNAVAILABLE) {
		return -1;
	}
	kt_grpc_client *old = cli->remote->engine;
	cli->remote->engine = NULL;
	if (kt_connect_running_engine(cli, NULL) < 0) {
		cli->remote->engine = old;
		return -1;
	}
	kt_grpc_client_free(old);
	kt_err_release(err);
	return kt_engine_call(cli, KT_ENGINE_GET_ENCLAVES_BY_UUIDS, &args, ret, err);
}

int kt_find_enclave(kt_cli *cli, const char *identifier, EngineApi__GetEnclavesResponse **ret,
		    const kt_enclave_info **ret_info, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = NULL;
	if (get_enclaves(cli, &all, err) < 0) {
		return KT_WRAP(err, "An error occurred getting the enclaves");
	}
	const kt_enclave_info *found = NULL;
	size_t matches = 0;
	for (size_t i = 0; i < all->n_enclave_info; i++) {
		const kt_enclave_info *one = all->enclave_info[i]->value;
		if (strcmp(one->name, identifier) == 0 ||
		    strcmp(one->enclave_uuid, identifier) == 0 ||
		    strcmp(one->shortened_uuid, identifier) == 0) {
			found = one;
			matches++;
		}
	}
	if (matches > 1) {
		return KT_FAIL(err, INVALID,
			       "More than one running enclave found with identifier '%s'. Please use "
			       "the full UUID",
			       identifier);
	}
	if (found == NULL) {
		return KT_FAIL(err, NOT_FOUND, "No %senclave found with identifier '%s'",
			       known_before(cli, identifier) ? "running " : "", identifier);
	}
	*ret_info = found;
	*ret = KT_STEAL(all);
	return 0;
}

const char *kt_enclave_status(const kt_enclave_info *enclave, int *ret_color)
{
	switch (enclave->containers_status) {
	case ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_EMPTY:
		*ret_color = KT_CYAN;
		return "EMPTY";
	case ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_RUNNING:
		*ret_color = KT_GREEN;
		return "RUNNING";
	case ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_STOPPED:
		*ret_color = KT_YELLOW;
		return "STOPPED";
	default:
		*ret_color = KT_NO_COLOR;
		return "UNKNOWN";
	}
}

const char *kt_service_status(const kt_service_info *service, int *ret_color)
{
	int status = service->container != NULL ? (int)service->container->status : 2;
	switch (status) {
	case API_CONTAINER_API__CONTAINER__STATUS__STOPPED:
		*ret_color = KT_YELLOW;
		return "STOPPED";
	case API_CONTAINER_API__CONTAINER__STATUS__RUNNING:
		*ret_color = KT_GREEN;
		return "RUNNING";
	default:
		*ret_color = KT_NO_COLOR;
		return "UNKNOWN";
	}
}

kt_grpc_client *kt_connect_apic(kt_cli *cli, const kt_enclave_info *enclave, kt_err *err)
{
	static const char *const states[] = {"NONEXISTENT", "RUNNING", "STOPPED"};
	int color;
	const char *status = kt_enclave_status(enclave, &color);
	unsigned apic = (unsigned)enclave->api_container_status;
	if (strcmp(status, "RUNNING") != 0) {
		KT_FAIL(err, PRECONDITION,
			"Enclave containers status was 'EnclaveContainersStatus_%s', but we can't "
			"create an enclave context from a non-running enclave",
			status);
		return NULL;
	}
	if (apic != 1 || enclave->api_container_host_machine_info == NULL) {
		KT_FAIL(err, PRECONDITION,
			"Enclave API container status was 'EnclaveAPIContainerStatus_%s', but we can't "
			"create an enclave context without a running API container",
			apic < KT_ARRAY_LEN(states) ? states[apic] : "UNKNOWN");
		return NULL;
	}
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	const EngineApi__EnclaveAPIContainerHostMachineInfo *where =
		enclave->api_container_host_machine_info;
	kt_grpc_client *client = kt_grpc_client_new(
		where->ip_on_host_machine, (uint16_t)where->grpc_port_on_host_machine, &opts, err);
	if (client == NULL) {
		KT_WRAP(err, "An error occurred connecting to the API container of enclave '%s'",
			enclave->name);
	}
	return client;
}

kt_grpc_client *kt_open_enclave(kt_cli *cli, const char *identifier,
				EngineApi__GetEnclavesResponse **ret_enclave,
				const kt_enclave_info **ret_info, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *enclave = NULL;
	const kt_enclave_info *info = NULL;
	kt_grpc_client *apic = NULL;
	if (kt_find_enclave(cli, identifier, &enclave, &info, err) == 0) {
		apic = kt_connect_apic(cli, info, err);
	}
	if (apic == NULL) {
		KT_WRAP(err, "An error occurred getting enclave context from enclave '%s'", identifier);
		return NULL;
	}
	if (ret_enclave != NULL) {
		*ret_enclave = KT_STEAL(enclave);
		*ret_info = info;
	}
	return apic;
}

/* --- services --------------------------------------------------------------------------- */

int kt_find_service(kt_cli *cli, kt_grpc_client *apic, const char *identifier,
		    ApiContainerApi__GetServicesResponse **ret, const kt_service_info **ret_info,
		    kt_err *err)
{
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *all = NULL;
	if (kt_apic_call(cli, apic, KT_APIC_GET_SERVICES, &args, &all, err) < 0) {
		return KT_WRAP(err, "An error occurred getting the services of the enclave");
	}
	/* A full UUID wins over a short one, and that over a name. */
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < all->n_service_info; i++) {
			const kt_service_info *one = all->service_info[i]->value;
			const char *key = pass == 0   ? one->service_uuid
					  : pass == 1 ? one->shortened_uuid
						      : one->name;
			if (strcmp(key, identifier) == 0) {
				*ret_info = one;
				*ret = KT_STEAL(all);
				return 0;
			}
		}
	}
	return KT_FAIL(err, NOT_FOUND, "No service found for identifier '%s'", identifier);
}

void kt_service_params(kt_buf *out, const char *name)
{
	kt_buf_adds(out, "{\"service_name\": ");
	kt_buf_add_quoted(out, name, strlen(name));
	kt_buf_adds(out, "}");
}

static int script_error(const ApiContainerApi__StarlarkError *error, const char *what, kt_err *err)
{
	switch (error->error_case) {
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_INTERPRETATION_ERROR:
		return KT_FAIL(err, INVALID,
			       "An error occurred during Starlark script interpretation for %s: %s",
			       what, error->interpretation_error->error_message);
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_VALIDATION_ERROR:
		return KT_FAIL(err, INVALID,
			       "An error occurred during Starlark script validation for %s: %s", what,
			       error->validation_error->error_message);
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_EXECUTION_ERROR:
		return KT_FAIL(err, UNKNOWN,
			       "An error occurred during Starlark script execution for %s: %s", what,
			       error->execution_error->error_message);
	default:
		return KT_FAIL(err, UNKNOWN, "An unknown error occurred for %s", what);
	}
}

static void add_output(kt_buf *out, const ApiContainerApi__StarlarkRunResponseLine *line)
{
	const char *text = "";
	if ((int)line->run_response_line_case == KT_LINE(INSTRUCTION_RESULT)) {
		text = line->instruction_result->serialized_instruction_result;
	} else if ((int)line->run_response_line_case == KT_LINE(RUN_FINISHED_EVENT)) {
		text = KT_OPT_OR(line->run_finished_event, serialized_output, "");
	}
	if (*text != '\0') {
		kt_buf_addf(out, "%s\n", text);
	}
}

int kt_run_script(kt_cli *cli, kt_grpc_client *apic, const char *script, const char *params,
		  const char *what, kt_buf *output, kt_err *err)
{
	ApiContainerApi__RunStarlarkScriptArgs args =
		API_CONTAINER_API__RUN_STARLARK_SCRIPT_ARGS__INIT;
	args.serialized_script = (char *)(uintptr_t)script;
	KT_OPT_SET(ApiContainerApi__RunStarlarkScriptArgs, &args, serialized_params,
		   (char *)(uintptr_t)params);
	KT_OPT_SET(ApiContainerApi__RunStarlarkScriptArgs, &args, allow_privileged_mode,
		   kt_cli_has(cli, "privileged") && kt_cli_bool(cli, "privileged"));
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	kt_grpc_stream *stream = kt_grpc_stream_start(
		apic, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_SCRIPT], &args.base, &opts, err);
	if (stream == NULL) {
		return -1;
	}
	bool success = false;
	int rc;
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		rc = kt_grpc_stream_recv(stream, &message, err);
		if (rc <= 0) {
			break;
		}
		const ApiContainerApi__StarlarkRunResponseLine *line =
			(const ApiContainerApi__StarlarkRunResponseLine *)message;
		int kind = (int)line->run_response_line_case;
		if (kind == KT_LINE(ERROR)) {
			rc = script_error(line->error, what, err);
			break;
		}
		if (kind == KT_LINE(RUN_FINISHED_EVENT)) {
			success = line->run_finished_event->is_run_successful;
		}
		if (output != NULL) {
			add_output(output, line);
		}
	}
	kt_grpc_stream_free(stream);
	if (rc == 0 && !success) {
		rc = KT_FAIL(err, UNKNOWN, "The script for %s did not finish", what);
	}
	return rc;
}

/* --- Ctrl-C ----------------------------------------------------------------------------- */

static void *wait_for_signal(void *arg)
{
	kt_cancel *interrupt = arg;
	sigset_t wanted;
	int got;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	/* A second Ctrl-C ends the program the usual way. */
	if (sigwait(&wanted, &got) == 0) {
		kt_cancel_fire(interrupt);
		pthread_sigmask(SIG_UNBLOCK, &wanted, NULL);
	}
	kt_cancel_unref(interrupt);
	return NULL;
}

int kt_catch_interrupt(kt_cli *cli, kt_err *err)
{
	sigset_t wanted;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	cli->remote->interrupt = kt_cancel_new(err);
	if (cli->remote->interrupt == NULL) {
		return -1;
	}
	pthread_sigmask(SIG_BLOCK, &wanted, NULL);
	pthread_t thread;
	if (kt_thread_start(&thread, 0, "signals", wait_for_signal,
			    kt_cancel_ref(cli->remote->interrupt), err) < 0) {
		kt_cancel_unref(cli->remote->interrupt);
		return -1;
	}
	pthread_detach(thread);
	return 0;
}
