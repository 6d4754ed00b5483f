/* kurtosis version */
#include "api/services.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

int kt_cmd_version(kt_cli *cli, kt_err *err)
{
	KT_AUTO_TABLE kt_table table = {.columns = 2};
	kt_table_key(&table, cli, "CLI Version", KT_VERSION);
	kt_table_key(&table, cli, "API Level", KT_API_LEVEL);
	if (kt_table_print(&table, cli, err) < 0) {
		return -1;
	}
	kt_out(cli, "\nTo see the engine version (provided it is running): %s engine status\n",
	       cli->program);
	return 0;
}
