/* The enclave of `run` and `import`: found by name, or made. */
#include "cli/run_enclave.h"

#include "base/alloc.h"
#include "cli/enclave_view.h"
#include "cli/ui.h"

void kt_run_enclave_deinit(kt_run_enclave *self)
{
	kt_free(self->name);
	kt_free(self->uuid);
	kt_grpc_client_free(self->apic);
}

static int take_enclave(kt_cli *cli, const kt_enclave_info *info, kt_run_enclave *ret, kt_err *err)
{
	ret->name = kt_strdup(info->name);
	ret->uuid = kt_strdup(info->enclave_uuid);
	if (ret->name == NULL || ret->uuid == NULL) {
		return kt_err_nomem(err);
	}
	ret->apic = kt_connect_apic(cli, info, err);
	return ret->apic != NULL ? 0 : -1;
}

/* 1 = there was one, and it is taken; 0 = there is none. */
static int take_existing(kt_cli *cli, const char *wanted, kt_run_enclave *ret, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *found = NULL;
	const kt_enclave_info *info = NULL;
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	if (kt_find_enclave(cli, wanted, &found, &info, &reason) == 0) {
		return take_enclave(cli, info, ret, err) < 0 ? -1 : 1;
	}
	if (reason.code != KT_ERR_NOT_FOUND) {
		kt_err_move(err, &reason);
		return -1;
	}
	return 0;
}

int kt_run_enclave_open(kt_cli *cli, bool production, kt_run_enclave *ret, kt_err *err)
{
	const char *wanted = kt_cli_str(cli, "enclave");
	int taken = *wanted != '\0' ? take_existing(cli, wanted, ret, err) : 0;
	if (taken != 0) {
		return taken < 0 ? -1 : 0;
	}
	KT_AUTO_MSG EngineApi__CreateEnclaveResponse *answer = NULL;
	kt_enclave_request request = {.name = wanted,
				      .log_level = "debug",
				      .version = "",
				      .production = production};
	KT_CLI_LOG(cli, "Creating a new enclave for Starlark to run inside...");
	if (kt_create_enclave(cli, &request, &answer, err) < 0) {
		/* Another run may have made it since we looked. */
		if (*wanted == '\0' || take_existing(cli, wanted, ret, NULL) != 1) {
			return -1;
		}
		kt_err_release(err);
		return 0;
	}
	ret->is_new = true;
	int rc = take_enclave(cli, answer->enclave_info, ret, err);
	if (rc == 0) {
		KT_CLI_LOG(cli, "Enclave '%s' created successfully", ret->name);
	}
	return rc;
}
