/* kurtosis enclave … */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/enclave_view.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <stdlib.h>
#include <string.h>

int kt_cmd_enclave_add(kt_cli *cli, kt_err *err)
{
	kt_enclave_request request = {
		.name = kt_cli_str(cli, "name"),
		.log_level = kt_cli_str(cli, "api-container-log-level"),
		.version = kt_cli_str(cli, "api-container-version"),
		.production = kt_cli_bool(cli, "production"),
		.debug = kt_cli_bool(cli, "debug-mode"),
	};
	KT_AUTO_MSG EngineApi__CreateEnclaveResponse *answer = NULL;
	KT_CLI_LOG(cli, "Creating new enclave...");
	if (kt_create_enclave(cli, &request, &answer, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *message = kt_asprintf("Created enclave: %s", answer->enclave_info->name);
	if (message == NULL) {
		return kt_err_nomem(err);
	}
	kt_banner(cli, message);
	return 0;
}

/* By creation time, then name; enclaves without a time come first. */
static int by_age(const void *a, const void *b)
{
	EngineApi__GetEnclavesResponse__EnclaveInfoEntry *const *x = a;
	EngineApi__GetEnclavesResponse__EnclaveInfoEntry *const *y = b;
	const Google__Protobuf__Timestamp *s = (*x)->value->creation_time;
	const Google__Protobuf__Timestamp *t = (*y)->value->creation_time;
	int64_t left = s != NULL ? s->seconds : INT64_MIN;
	int64_t right = t != NULL ? t->seconds : INT64_MIN;
	if (left != right) {
		return left < right ? -1 : 1;
	}
	return strcmp((*x)->value->name, (*y)->value->name);
}

int kt_cmd_enclave_ls(kt_cli *cli, kt_err *err)
{
	bool full = kt_cli_bool(cli, "full-uuids");
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = NULL;
	if (kt_engine_call(cli, KT_ENGINE_GET_ENCLAVES, &nothing, &all, err) < 0) {
		return KT_WRAP(err, "An error occurred getting enclaves");
	}
	if (all->n_enclave_info > 0) {
		qsort(all->enclave_info, all->n_enclave_info, sizeof(*all->enclave_info), by_age);
	}
	KT_AUTO_TABLE kt_table table = {.columns = 4, .header = true};
	static const char *const head[] = {"UUID", "Name", "Status", "Creation Time"};
	for (size_t i = 0; i < KT_ARRAY_LEN(head); i++) {
		kt_table_cell(&table, head[i]);
	}
	for (size_t i = 0; i < all->n_enclave_info; i++) {
		const kt_enclave_info *one = all->enclave_info[i]->value;
		KT_AUTO_BUF kt_buf when = KT_BUF_INIT;
		int color;
		const char *status = kt_enclave_status(one, &color);
		kt_table_cell(&table, full ? one->enclave_uuid : one->shortened_uuid);
		kt_table_cell(&table, one->name);
		kt_table_colored(&table, cli, color, status);
		if (one->creation_time != NULL) {
			kt_buf_addc(&when, ' ');
			kt_buf_add_rfc1123(&when, one->creation_time->seconds);
		}
		kt_table_cell(&table, kt_buf_str(&when));
	}
	return kt_table_print(&table, cli, err);
}

int kt_cmd_enclave_inspect(kt_cli *cli, kt_err *err)
{
	return kt_show_enclave(cli, kt_cli_arg(cli, "enclave"), kt_cli_bool(cli, "full-uuids"), err);
}

/* The identifiers given, sorted, each once. */
static int sorted_identifiers(kt_cli *cli, kt_strvec *ret)
{
	const char *const *words;
	size_t count = kt_cli_rest(cli, &words);
	for (size_t i = 0; i < count; i++) {
		if (!kt_strvec_has(ret, words[i]) && kt_strvec_add(ret, words[i]) < 0) {
			return -1;
		}
	}
	kt_strvec_sort(ret);
	return 0;
}

static int destroy_one(kt_cli *cli, const char *identifier, bool force, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *response = NULL;
	const kt_enclave_info *enclave = NULL;
	if (kt_find_enclave(cli, identifier, &response, &enclave, err) < 0) {
		return -1;
	}
	int color;
	if (!force && strcmp(kt_enclave_status(enclave, &color), "RUNNING") == 0) {
		return KT_FAIL(err, PRECONDITION,
			       "Refusing to destroy enclave '%s' because its status is "
			       "'EnclaveContainersStatus_RUNNING'; to force its removal, rerun this "
			       "command with the 'force' flag",
			       identifier);
	}
	EngineApi__DestroyEnclaveArgs args = ENGINE_API__DESTROY_ENCLAVE_ARGS__INIT;
	args.enclave_identifier = enclave->enclave_uuid;
	if (kt_engine_call(cli, KT_ENGINE_DESTROY_ENCLAVE, &args, NULL, err) < 0) {
		return KT_WRAP(err, "An error occurred destroying enclave '%s'", identifier);
	}
	return 0;
}

int kt_cmd_enclave_rm(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec identifiers = KT_STRVEC_INIT;
	KT_AUTO_BUF kt_buf failures = KT_BUF_INIT;
	bool force = kt_cli_bool(cli, "force");
	if (sorted_identifiers(cli, &identifiers) < 0) {
		return kt_err_nomem(err);
	}
	KT_CLI_LOG(cli, "Destroying enclaves...");
	for (size_t i = 0; i < identifiers.len; i++) {
		KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
		if (destroy_one(cli, identifiers.items[i], force, &reason) < 0) {
			KT_AUTO_FREE char *text = kt_error_text(&reason);
			kt_buf_addf(&failures, "%s>>>>>>>>>>>>>>>>> %s <<<<<<<<<<<<<<<<<\n%s",
				    failures.len > 0 ? "\n\n" : "", identifiers.items[i],
				    kt_str_or(text, "out of memory"));
		}
	}
	if (failures.len > 0) {
		return KT_FAIL(err, UNKNOWN, "One or more errors occurred destroying the enclaves:\n%s",
			       kt_buf_str(&failures));
	}
	KT_CLI_LOG(cli, "Enclaves successfully destroyed");
	return 0;
}

static int stop_services(kt_cli *cli, kt_grpc_client *apic, kt_err *err)
{
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *all = NULL;
	if (kt_apic_call(cli, apic, KT_APIC_GET_SERVICES, &args, &all, err) < 0) {
		return KT_WRAP(err, "An error occurred getting the services of the enclave");
	}
	for (size_t i = 0; i < all->n_service_info; i++) {
		const kt_service_info *service = all->service_info[i]->value;
		int color;
		KT_AUTO_BUF kt_buf params = KT_BUF_INIT;
		if (strcmp(kt_service_status(service, &color), "RUNNING") != 0) {
			continue;
		}
		kt_service_params(&params, service->name);
		if (kt_run_script(cli, apic,
				  "def run(plan, args):\n"
				  "    plan.stop_service(name=args[\"service_name\"])\n",
				  kt_buf_str(&params), "stopping service", NULL, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int stop_one(kt_cli *cli, const char *identifier, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *response = NULL;
	const kt_enclave_info *enclave = NULL;
	kt_grpc_client *apic = kt_open_enclave(cli, identifier, &response, &enclave, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = stop_services(cli, apic, err);
	kt_grpc_client_free(apic);
	EngineApi__StopEnclaveArgs args = ENGINE_API__STOP_ENCLAVE_ARGS__INIT;
	args.enclave_identifier = enclave->enclave_uuid;
	return rc < 0 ? -1 : kt_engine_call(cli, KT_ENGINE_STOP_ENCLAVE, &args, NULL, err);
}

int kt_cmd_enclave_stop(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec identifiers = KT_STRVEC_INIT;
	if (sorted_identifiers(cli, &identifiers) < 0) {
		return kt_err_nomem(err);
	}
	KT_CLI_LOG(cli, "Stopping enclaves...");
	for (size_t i = 0; i < identifiers.len; i++) {
		if (stop_one(cli, identifiers.items[i], err) < 0) {
			return KT_WRAP(err, "An error occurred stopping enclave '%s'",
				       identifiers.items[i]);
		}
	}
	KT_CLI_LOG(cli, "Enclaves stopped successfully");
	return 0;
}
