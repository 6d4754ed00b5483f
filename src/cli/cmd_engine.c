/* kurtosis engine … */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/engine_proc.h"
#include "cli/run_functions.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <string.h>

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
