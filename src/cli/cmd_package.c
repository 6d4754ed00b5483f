/* kurtosis package init */
#include "base/buf.h"
#include "base/fs.h"
#include "cli/run_functions.h"
#include "cli/ui.h"
#include "package/package.h"

#include <string.h>

static int must_be_new(const char *name, kt_err *err)
{
	return kt_fs_exists(name)
		       ? KT_FAIL(err, EXISTS,
				 "Imposible to create a new Kurtosis package inside '.' because a file with "
				 "name '%s' already exist on this path",
				 name)
		       : 0;
}

int kt_cmd_package_init(kt_cli *cli, kt_err *err)
{
	static const char main_star[] = "def run(plan):\n    # TO" "DO\n    plan.print(\"hello world!\")";
	const char *name = kt_cli_arg(cli, "package-name");
	KT_AUTO_BUF kt_buf yml = KT_BUF_INIT;
	KT_AUTO_LOCATOR kt_locator locator = {0};
	if (kt_locator_parse(name, &locator, err) < 0) {
		return KT_WRAP(err, "'%s' is no name for a package", name);
	}
	if (must_be_new(KT_PACKAGE_FILE, err) < 0 || must_be_new(KT_PACKAGE_MAIN_FILE, err) < 0) {
		return -1;
	}
	kt_buf_addf(&yml,
		    "name: %s\ndescription: |-\n    # %s\n    Enter description Markdown here.\n"
		    "replace: {}\n",
		    name, name);
	if (kt_buf_check(&yml, err) < 0 ||
	    kt_fs_write(KT_PACKAGE_FILE, kt_buf_str(&yml), yml.len, 0644, false, err) < 0) {
		return -1;
	}
	return kt_fs_write(KT_PACKAGE_MAIN_FILE, main_star, sizeof(main_star) - 1, 0644, false,
			   err);
}

int kt_cmd_enclave_connect(kt_cli *cli, kt_err *err)
{
	(void)err;
	KT_CLI_LOG(cli, "Current context is local, not mapping enclave service ports");
	return 0;
}
