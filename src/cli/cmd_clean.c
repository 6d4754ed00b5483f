/* kurtosis clean: enclaves, then what an older engine left. */
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <stdlib.h>
#include <string.h>

static int by_uuid(const void *a, const void *b)
{
	EngineApi__EnclaveNameAndUuid *const *x = a;
	EngineApi__EnclaveNameAndUuid *const *y = b;
	return strcmp((*x)->uuid, (*y)->uuid);
}

int kt_cmd_clean(kt_cli *cli, kt_err *err)
{
	EngineApi__CleanArgs args = ENGINE_API__CLEAN_ARGS__INIT;
	KT_AUTO_MSG EngineApi__CleanResponse *answer = NULL;
	KT_OPT_SET(EngineApi__CleanArgs, &args, should_clean_all, kt_cli_bool(cli, "all"));
	KT_CLI_LOG(cli, "Cleaning enclaves...");
	if (kt_engine_call(cli, KT_ENGINE_CLEAN, &args, &answer, err) < 0) {
		return KT_WRAP(err, "Errors occurred cleaning enclaves");
	}
	size_t count = answer->n_removed_enclave_name_and_uuids;
	if (count > 0) {
		qsort(answer->removed_enclave_name_and_uuids, count,
		      sizeof(*answer->removed_enclave_name_and_uuids), by_uuid);
		KT_CLI_LOG(cli, "Successfully removed the following enclaves:");
	}
	for (size_t i = 0; i < count; i++) {
		const EngineApi__EnclaveNameAndUuid *one =
			answer->removed_enclave_name_and_uuids[i];
		kt_out(cli, "%s\t%s\n", one->uuid, one->name);
	}
	KT_CLI_LOG(cli, "Successfully cleaned enclaves");
	/* An engine is a process here: one that ended leaves nothing behind. */
	KT_CLI_LOG(cli, "Cleaning old Kurtosis engine containers...");
	KT_CLI_LOG(cli, "Successfully cleaned old Kurtosis engine containers");
	return 0;
}
