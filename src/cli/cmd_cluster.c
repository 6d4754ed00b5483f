/* kurtosis cluster … */
#include "base/alloc.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <string.h>

int kt_cmd_cluster_get(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *name = kt_settings_cluster(err);
	if (name == NULL) {
		return KT_WRAP(err, "Failed to get cluster setting.");
	}
	kt_out(cli, "%s\n", name);
	return 0;
}

int kt_cluster_names(kt_strvec *ret, kt_err *err)
{
	KT_AUTO_JSON json_t *all = kt_settings_clusters(err);
	const char *name;
	json_t *cluster;
	if (all == NULL) {
		return -1;
	}
	json_object_foreach(all, name, cluster)
	{
		if (kt_strvec_add(ret, name) < 0) {
			return kt_err_nomem(err);
		}
	}
	kt_strvec_sort(ret);
	return 0;
}

int kt_cmd_cluster_ls(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *current = kt_settings_cluster(err);
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	KT_AUTO_TABLE kt_table table = {.columns = 2, .header = true};
	if (current == NULL || kt_cluster_names(&names, err) < 0) {
		return -1;
	}
	kt_table_cell(&table, "");
	kt_table_cell(&table, "Name");
	for (size_t i = 0; i < names.len; i++) {
		kt_table_cell(&table, strcmp(names.items[i], current) == 0 ? "*" : "");
		kt_table_cell(&table, names.items[i]);
	}
	return kt_table_print(&table, cli, err);
}

int kt_cmd_cluster_set(kt_cli *cli, kt_err *err)
{
	const char *name = kt_cli_arg(cli, "cluster-name");
	KT_AUTO_FREE char *current = kt_settings_cluster(err);
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	if (current == NULL) {
		return -1;
	}
	if (kt_settings_check_cluster(name, &reason) < 0) {
		bool unknown = reason.code == KT_ERR_NOT_FOUND;
		kt_err_move(err, &reason);
		return unknown ? KT_WRAP(err, "'%s' is not a valid name for Kurtosis cluster", name) : -1;
	}
	if (strcmp(current, name) == 0) {
		KT_CLI_LOG(cli, "Kurtosis cluster already set to '%s'", name);
		return 0;
	}
	if (kt_settings_write("DATA", "cluster-setting", name, 0644, err) < 0) {
		return KT_WRAP(err, "Failed to set cluster name to '%s'.", name);
	}
	KT_CLI_LOG(cli, "Cluster set to '%s'", name);
	return kt_connect_engine(cli, err);
}
