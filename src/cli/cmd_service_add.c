/* kurtosis service add */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/service_config.h"
#include "cli/ui.h"

#include <string.h>

#define CONFIG_MAX ((size_t)16 << 20)

/* The configuration from a file in the form of `service inspect -o json`; "-" is stdin. */
static json_t *read_config(kt_cli *cli, const char *path, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	bool from_stdin = strcmp(path, "-") == 0;
	if (!from_stdin) {
		KT_CLI_LOG(cli, "No json provided via stdin so attempting to read json service config "
				"input from file '%s' instead.",
			   path);
	}
	if (kt_fs_read(from_stdin ? "/dev/stdin" : path, CONFIG_MAX, &text, err) < 0) {
		return NULL;
	}
	KT_AUTO_JSON json_t *config = kt_json_parse(kt_buf_str(&text), text.len, path, err);
	if (config == NULL) {
		return NULL;
	}
	if (!json_is_object(config) || *kt_json_str(config, "image", "") == '\0') {
		KT_FAIL(err, INVALID, "%s holds no service configuration: the key 'image' is missing",
			path);
		kt_err_hint(err, "`kurtosis service inspect ENCLAVE SERVICE -o json` prints one");
		return NULL;
	}
	return json_incref(config);
}

/* The configuration from the arguments; a new reference. */
static json_t *build_config(kt_cli *cli, kt_err *err)
{
	const char *file = kt_cli_str(cli, "json-service-config");
	const char *placeholder = kt_cli_str(cli, "ip-address-placeholder");
	if (*file != '\0') {
		return read_config(cli, file, err);
	}
	if (*kt_cli_arg(cli, "image") == '\0') {
		KT_FAIL(err, INVALID, "the service '%s' needs an image: %s enclave service image",
			kt_cli_arg(cli, "service-name"), cli->path);
		return NULL;
	}
	KT_AUTO_JSON json_t *config = json_pack("{s:s}", "image", kt_cli_arg(cli, "image"));
	if (config == NULL) {
		KT_FAIL(err, INVALID, "the arguments are not valid UTF-8");
		return NULL;
	}
	if (*placeholder != '\0') {
		json_object_set_new(config, "private_ip_address_placeholder",
				    json_string(placeholder));
	}
	return kt_service_flags(cli, config, err) < 0 ? NULL : json_incref(config);
}

int kt_cmd_service_add(kt_cli *cli, kt_err *err)
{
	const char *name = kt_cli_arg(cli, "service-name");
	KT_AUTO_JSON json_t *config = build_config(cli, err);
	if (config == NULL) {
		return -1;
	}
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_service_apply(cli, apic, name, config, "adding service", NULL, err);
	kt_grpc_client_free(apic);
	return rc < 0 ? KT_WRAP(err, "An error occurred adding service '%s' to enclave '%s'", name,
				kt_cli_arg(cli, "enclave"))
		      : 0;
}
