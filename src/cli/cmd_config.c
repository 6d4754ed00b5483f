/* kurtosis config … */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/run_functions.h"
#include "cli/settings.h"
#include "cli/ui.h"

int kt_cmd_config_path(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_settings_config_path(err);
	if (path == NULL) {
		return KT_WRAP(err, "the place of the config file is not known");
	}
	kt_out(cli, "%s\n", path);
	return 0;
}

int kt_cmd_config_init(kt_cli *cli, kt_err *err)
{
	static const char text[] =
		"config-version: 9\n"
		"should-send-metrics: false\n"
		"# The cluster `native` (services on this machine) is always there. Others:\n"
		"# kurtosis-clusters:\n"
		"#   docker:\n"
		"#     type: docker\n";
	KT_AUTO_FREE char *path = kt_settings_config_path(err);
	if (path == NULL) {
		return -1;
	}
	if (kt_fs_exists(path)) {
		return KT_FAIL(err, EXISTS, "the config file %s exists already; it stays as it is",
			       path);
	}
	if (kt_settings_write("CONFIG", "kurtosis-config.yml", text, 0644, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Config file '%s' created", path);
	return 0;
}
