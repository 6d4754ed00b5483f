/* kurtosis dump, kurtosis enclave dump, kurtosis engine logs */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/dump.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <string.h>
#include <time.h>

/* The argument, or PREFIX--SECONDS. The caller frees. */
static char *output_dir(const kt_cli *cli, size_t index, const char *prefix, kt_err *err)
{
	char *dir = cli->args.len > index ? kt_strdup(cli->args.items[index])
					  : kt_asprintf("%s--%lld", prefix, (long long)time(NULL));
	if (dir == NULL) {
		kt_err_nomem(err);
	}
	return dir;
}

int kt_cmd_enclave_dump(kt_cli *cli, kt_err *err)
{
	const char *identifier = kt_cli_arg(cli, "enclave");
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *found = NULL;
	const kt_enclave_info *enclave = NULL;
	if (kt_find_enclave(cli, identifier, &found, &enclave, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *fallback = kt_asprintf("%s--%s", enclave->name, enclave->enclave_uuid);
	const char *dir = cli->args.len > 1 ? cli->args.items[1] : fallback;
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_dump_dir(dir, err) < 0 || kt_dump_enclave(cli, enclave, dir, true, err) < 0) {
		return KT_WRAP(err, "An error occurred dumping enclave '%s' to '%s'", identifier, dir);
	}
	KT_CLI_LOG(cli, "Dumped enclave '%s' to directory '%s'", identifier, dir);
	return 0;
}

/* One enclave below dir/enclaves; a failure is logged. Returns whether all went well. */
static bool dump_one(kt_cli *cli, const kt_enclave_info *enclave, const char *dir)
{
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	KT_AUTO_FREE char *target =
		kt_asprintf("%s/enclaves/%s--%s", dir, enclave->name, enclave->enclave_uuid);
	if (target == NULL) {
		kt_err_nomem(&reason);
	} else if (kt_dump_dir(target, &reason) == 0 &&
		   kt_dump_enclave(cli, enclave, target, false, &reason) == 0) {
		return true;
	}
	KT_AUTO_FREE char *text = kt_error_text(&reason);
	kt_log_line(cli, KT_CLI_ERROR, "An error occurred dumping enclave '%s':\n%s", enclave->name,
		    kt_str_or(text, "out of memory"));
	return false;
}

int kt_cmd_dump(kt_cli *cli, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = NULL;
	KT_AUTO_FREE char *dir = output_dir(cli, 0, "kurtosis-dump", err);
	KT_AUTO_FREE char *engines = dir != NULL ? kt_path_join(dir, "engines") : NULL;
	if (engines == NULL || kt_dump_dir(dir, err) < 0 ||
	    kt_engine_call(cli, KT_ENGINE_GET_ENCLAVES, &nothing, &all, err) < 0) {
		return -1;
	}
	if (kt_fs_mkdirs(engines, 0755, err) < 0 || kt_dump_engine(engines, err) < 0) {
		return KT_WRAP(err, "An error occurred dumping the engine's log to '%s'", engines);
	}
	bool complete = true;
	for (size_t i = 0; i < all->n_enclave_info; i++) {
		complete = dump_one(cli, all->enclave_info[i]->value, dir) && complete;
	}
	if (!complete) {
		return KT_FAIL(err, UNKNOWN, "the dump in '%s' is not complete; the log lines say why",
			       dir);
	}
	KT_CLI_LOG(cli, "Dumped all of Kurtosis to '%s'", dir);
	return 0;
}

int kt_cmd_engine_logs(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *dir = output_dir(cli, 0, "kurtosis-engine-logs", err);
	if (dir == NULL || kt_dump_dir(dir, err) < 0) {
		return -1;
	}
	if (kt_dump_engine(dir, err) < 0) {
		return KT_WRAP(err, "An error occurred dumping the engine logs to '%s'", dir);
	}
	KT_CLI_LOG(cli, "Dumped engine logs and information to directory '%s'", dir);
	return 0;
}
