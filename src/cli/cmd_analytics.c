/* kurtosis analytics: accepted for scripts' sake; nothing is ever sent. */
#include "base/str.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <string.h>

int kt_cmd_analytics(kt_cli *cli, kt_err *err)
{
	static const char *const values[] = {"disable", "enable", "id"};
	const char *value = kt_cli_arg(cli, "enable|disable|id");
	for (size_t i = 0; i < KT_ARRAY_LEN(values); i++) {
		if (strcmp(values[i], value) == 0) {
			KT_CLI_LOG(cli, "This program collects and sends nothing; there is nothing to %s",
				   strcmp(value, "id") == 0 ? "identify" : value);
			return 0;
		}
	}
	KT_FAIL(err, INVALID, "Value for arg 'enable|disable|id' was '%s', but must be in set "
			      "{disable, enable, id}",
		value);
	return KT_WRAP(err, "An error occurred validating arg 'enable|disable|id'");
}
