/* kurtosis engine … */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/engine_proc.h"
#include "cli/run_functions.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LOG_MAX ((size_t)256 << 20)

/* Flags that make sense with containers or Kubernetes only are refused, not ignored. */
static int read_options(kt_cli *cli, kt_engine_options *ret, kt_err *err)
{
	static const char *const unused[] = {"version", "github-auth-token", "domain"};
	if (kt_settings_require_usable(err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(unused); i++) {
		if (!kt_str_empty(kt_cli_str(cli, unused[i]))) {
			return KT_FAIL(err, UNSUPPORTED, "the flag --%s is not supported yet", unused[i]);
		}
	}
	if (kt_cli_u32(cli, "enclave-pool-size") > 0) {
		return KT_FAIL(err, INVALID,
			       "The enclave pool feature is not available for the current cluster type, "
			       "please switch to the 'Kubernetes' Kurtosis backend type if you want to "
			       "use it.");
	}
	ret->log_level = kt_cli_str(cli, "log-level");
	ret->log_retention = kt_cli_str(cli, "log-retention-period");
	ret->restart_api_containers = kt_cli_bool(cli, "restart-api-containers");
	int64_t retention;
	return kt_duration_parse(ret->log_retention, &retention, err) < 0
		       ? KT_WRAP(err, "the flag --log-retention-period is no duration")
		       : 0;
}

int kt_cmd_engine_start(kt_cli *cli, kt_err *err)
{
	kt_engine_options options;
	if (read_options(cli, &options, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Starting Kurtosis engine...");
	if (kt_engine_launch(&options, err) < 0) {
		return KT_WRAP(err, "An error occurred starting the Kurtosis engine");
	}
	KT_CLI_LOG(cli, "Kurtosis engine started");
	return 0;
}

int kt_cmd_engine_restart(kt_cli *cli, kt_err *err)
{
	kt_engine_options options;
	if (read_options(cli, &options, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Restarting Kurtosis engine...");
	if (kt_engine_halt(err) < 0 || kt_engine_launch(&options, err) < 0) {
		return KT_WRAP(err, "An error occurred restarting the Kurtosis engine");
	}
	KT_CLI_LOG(cli, "Engine restarted successfully");
	return 0;
}

int kt_cmd_engine_stop(kt_cli *cli, kt_err *err)
{
	KT_CLI_LOG(cli, "Stopping Kurtosis engine...");
	if (kt_engine_halt(err) < 0) {
		return KT_WRAP(err, "An error occurred stopping the Kurtosis engine");
	}
	KT_CLI_LOG(cli, "Kurtosis engine successfully stopped");
	return 0;
}

int kt_cmd_engine_status(kt_cli *cli, kt_err *err)
{
	kt_engine_state state;
	KT_AUTO_FREE char *version = NULL;
	if (kt_engine_query(&state, &cli->remote->engine, &version, err) < 0) {
		return KT_WRAP(err, "An error occurred getting the status of the engine");
	}
	switch (state) {
	case KT_ENGINE_STOPPED:
		kt_out(cli, "No Kurtosis engine is running\n");
		return 0;
	case KT_ENGINE_SILENT:
		kt_out(cli, "A Kurtosis engine container is running, but the server inside couldn't be "
			    "reached.\nIf you are running Kurtosis in a Kubernetes cluster, and "
			    "attempting to access Kurtosis from outside the cluster, consider running "
			    "`kurtosis gateway` to open up a local gateway Kurtosis in Kubernetes\n");
		return 0;
	case KT_ENGINE_RUNNING:
		break;
	}
	kt_out(cli, "A Kurtosis engine is running with the following info:\n");
	KT_AUTO_TABLE kt_table table = {.columns = 2};
	kt_table_key(&table, cli, "Version", version);
	return kt_table_print(&table, cli, err);
}

int kt_cmd_engine_logs(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *fallback = kt_asprintf("kurtosis-engine-logs--%lld", (long long)time(NULL));
	const char *dir = cli->args.len > 0 ? cli->args.items[0] : fallback;
	KT_AUTO_FREE char *log = kt_engine_log_path(err);
	KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
	if (dir == NULL || log == NULL) {
		return log == NULL ? -1 : kt_err_nomem(err);
	}
	if (kt_fs_exists(dir)) {
		return KT_FAIL(err, EXISTS,
			       "Cannot create output directory at '%s'; directory already exists", dir);
	}
	KT_AUTO_FREE char *target = kt_asprintf("%s/kurtosis-engine/output.log", dir);
	KT_AUTO_FREE char *parent = kt_asprintf("%s/kurtosis-engine", dir);
	if (target == NULL || parent == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_read(log, LOG_MAX, &content, err) < 0 || kt_fs_mkdirs(parent, 0755, err) < 0 ||
	    kt_fs_write(target, kt_buf_str(&content), content.len, 0644, false, err) < 0) {
		return KT_WRAP(err, "An error occurred dumping the engine logs to '%s'", dir);
	}
	KT_CLI_LOG(cli, "Dumped engine logs and information to directory '%s'", dir);
	return 0;
}
