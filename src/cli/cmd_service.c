/* kurtosis service …, except logs and inspect. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/engine_proc.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)10 << 20)

/* A script with the service's name as its only argument. */
static int run_for_service(kt_cli *cli, kt_grpc_client *apic, const char *method, const char *name,
			   const char *what, kt_err *err)
{
	KT_AUTO_BUF kt_buf params = KT_BUF_INIT;
	KT_AUTO_FREE char *script = kt_asprintf("def run(plan, args):\n"
						"    plan.%s(name=args[\"service_name\"])\n",
						method);
	if (script == NULL) {
		return kt_err_nomem(err);
	}
	kt_service_params(&params, name);
	return kt_run_script(cli, apic, script, kt_buf_str(&params), what, NULL, err);
}

/* The name of the service that the identifier means. */
static char *service_name(kt_cli *cli, kt_grpc_client *apic, const char *identifier, kt_err *err)
{
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *response = NULL;
	const kt_service_info *service = NULL;
	if (kt_find_service(cli, apic, identifier, &response, &service, err) < 0) {
		return NULL;
	}
	char *name = kt_strdup(service->name);
	if (name == NULL) {
		kt_err_nomem(err);
	}
	return name;
}

int kt_cmd_service_rm(kt_cli *cli, kt_err *err)
{
	const char *identifier = kt_cli_arg(cli, "service");
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	KT_AUTO_FREE char *name = service_name(cli, apic, identifier, err);
	int rc = name == NULL ? -1
			      : run_for_service(cli, apic, "remove_service", name,
						"removing service", err);
	kt_grpc_client_free(apic);
	return rc < 0 ? KT_WRAP(err, "An error occurred removing service '%s'", identifier) : 0;
}

/* `service start` and `service stop`: the same for each service given. */
static int for_each_service(kt_cli *cli, const char *verb, const char *method, kt_err *err)
{
	const char *const *identifiers;
	size_t count = kt_cli_rest(cli, &identifiers);
	KT_AUTO_FREE char *what = kt_asprintf("%s service", verb);
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL || what == NULL) {
		kt_grpc_client_free(apic);
		return apic != NULL ? kt_err_nomem(err) : -1;
	}
	if (what[0] >= 'A' && what[0] <= 'Z') {
		what[0] = (char)(what[0] + 32);
	}
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		KT_AUTO_FREE char *name = service_name(cli, apic, identifiers[i], err);
		if (name == NULL) {
			rc = KT_WRAP(err,
				     "Couldn't validate whether the service exists for identifier '%s'",
				     identifiers[i]);
			break;
		}
		KT_CLI_LOG(cli, "%s service '%s'", verb, identifiers[i]);
		rc = run_for_service(cli, apic, method, name, what, err);
		if (rc < 0) {
			KT_WRAP(err, "An error occurred %s '%s' from enclave '%s'", what,
				identifiers[i], kt_cli_arg(cli, "enclave"));
		}
	}
	kt_grpc_client_free(apic);
	return rc;
}

int kt_cmd_service_start(kt_cli *cli, kt_err *err)
{
	return for_each_service(cli, "Starting", "start_service", err);
}

int kt_cmd_service_stop(kt_cli *cli, kt_err *err)
{
	return for_each_service(cli, "Stopping", "stop_service", err);
}

/* --- exec and shell --------------------------------------------------------------------- */

/* Names the enclave (full UUID) and the service (full UUID) of the arguments. */
static int find_place(kt_cli *cli, kt_grpc_client **ret_apic, char **ret_enclave,
		      char **ret_service, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *enclaves = NULL;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *services = NULL;
	const kt_enclave_info *enclave = NULL;
	const kt_service_info *service = NULL;
	const char *identifier = kt_cli_arg(cli, "service");
	kt_grpc_client *apic =
		kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), &enclaves, &enclave, err);
	if (apic == NULL) {
		return -1;
	}
	if (kt_find_service(cli, apic, identifier, &services, &service, err) < 0) {
		kt_grpc_client_free(apic);
		return KT_WRAP(err, "An error occurred getting service '%s'", identifier);
	}
	*ret_enclave = kt_strdup(enclave->enclave_uuid);
	*ret_service = kt_strdup(service->service_uuid);
	*ret_apic = apic;
	return *ret_enclave != NULL && *ret_service != NULL ? 0 : kt_err_nomem(err);
}

static int exec_result(kt_cli *cli, int code, const char *output, kt_err *err)
{
	if (code != 0) {
		return KT_FAIL(err, UNKNOWN,
			       "The command was successfully executed but returned a non-zero exit code: "
			       "'%d'. Output was:\n%s",
			       code, output);
	}
	kt_err_out(cli, "The command was successfully executed and returned '0'.\n");
	kt_out(cli, "%s\n", output);
	return 0;
}

/* Another user than root: the wire API cannot say it, the helper of `shell` can. */
static int exec_as(kt_cli *cli, const char *enclave, const char *service, const char *user,
		   const char *command, kt_err *err)
{
	KT_AUTO_FREE char *program = kt_find_program("kurtosisd", err);
	if (program == NULL) {
		return -1;
	}
	const char *const argv[] = {program, "exec-tty", "--enclave-uuid", enclave, "--service",
				    service, "--user",	 user,		   "--",    "sh",
				    "-c",    command,	 NULL};
	kt_proc_spec spec = {.argv = argv, .deadline = KT_NEVER, .max_output = OUTPUT_MAX};
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	if (kt_proc_run(&spec, &result, err) < 0) {
		return -1;
	}
	if (result.exit_code == 125) {
		return KT_FAIL(err, UNKNOWN, "%s", kt_buf_str(&result.err));
	}
	kt_buf_adds(&result.out, kt_buf_str(&result.err));
	return exec_result(cli, result.exit_code, kt_buf_str(&result.out), err);
}

static int exec_as_root(kt_cli *cli, kt_grpc_client *apic, const char *service, const char *command,
			kt_err *err)
{
	ApiContainerApi__ExecCommandArgs args = API_CONTAINER_API__EXEC_COMMAND_ARGS__INIT;
	KT_AUTO_MSG ApiContainerApi__ExecCommandResponse *answer = NULL;
	char *words[] = {(char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)command};
	args.service_identifier = (char *)(uintptr_t)service;
	args.command_args = words;
	args.n_command_args = KT_ARRAY_LEN(words);
	if (kt_apic_call(cli, apic, KT_APIC_EXEC_COMMAND, &args, &answer, err) < 0) {
		return -1;
	}
	return exec_result(cli, answer->exit_code, answer->log_output, err);
}

int kt_cmd_service_exec(kt_cli *cli, kt_err *err)
{
	const char *user = kt_cli_str(cli, "user");
	const char *command = kt_cli_arg(cli, "command");
	KT_AUTO_FREE char *enclave = NULL;
	KT_AUTO_FREE char *service = NULL;
	kt_grpc_client *apic = NULL;
	int rc = find_place(cli, &apic, &enclave, &service, err);
	if (rc == 0 && strcmp(user, "root") == 0) {
		rc = exec_as_root(cli, apic, service, command, err);
	} else if (rc == 0) {
		rc = exec_as(cli, enclave, service, user, command, err);
	}
	kt_grpc_client_free(apic);
	return rc;
}

int kt_cmd_service_shell(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *enclave = NULL;
	KT_AUTO_FREE char *service = NULL;
	kt_grpc_client *apic = NULL;
	if (find_place(cli, &apic, &enclave, &service, err) < 0) {
		kt_grpc_client_free(apic);
		return -1;
	}
	kt_grpc_client_free(apic);
	KT_AUTO_FREE char *program = kt_find_program("kurtosisd", err);
	if (program == NULL) {
		return -1;
	}
	static const char shell[] =
		"if command -v bash >/dev/null 2>&1; then "
		"echo 'Found bash on container; creating bash shell...'; exec bash; "
		"else echo 'No bash found on container; dropping down to sh shell...'; exec sh; fi";
	const char *const argv[] = {program, "exec-tty", "--enclave-uuid", enclave, "--service",
				    service, "--",	 "sh",		   "-c",    shell,
				    NULL};
	kt_out_flush();
	execv(program, (char *const *)(uintptr_t)argv);
	return KT_FAIL_ERRNO(err, "%s cannot be started", program);
}
