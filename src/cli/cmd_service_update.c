/* kurtosis service update: the service is added again with its configuration changed. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/service_config.h"
#include "cli/service_json.h"
#include "cli/ui.h"

static int update(kt_cli *cli, kt_grpc_client *apic, kt_err *err)
{
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *services = NULL;
	const kt_service_info *service = NULL;
	const char *image = kt_cli_str(cli, "image");
	KT_AUTO_BUF kt_buf output = KT_BUF_INIT;
	if (kt_find_service(cli, apic, kt_cli_arg(cli, "service"), &services, &service, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *config = kt_service_json(service);
	if (config == NULL) {
		return kt_err_nomem(err);
	}
	if (*image != '\0') {
		json_object_set_new(config, "image", json_string(image));
	}
	if (kt_service_flags(cli, config, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Running update service starlark for service '%s' in enclave '%s'...",
		   service->name, kt_cli_arg(cli, "enclave"));
	if (kt_service_apply(cli, apic, service->name, config, "updating service", &output, err) < 0) {
		return -1;
	}
	kt_out(cli, "%s", kt_buf_str(&output));
	return 0;
}

int kt_cmd_service_update(kt_cli *cli, kt_err *err)
{
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = update(cli, apic, err);
	kt_grpc_client_free(apic);
	return rc < 0 ? KT_WRAP(err, "An error occurred updating service '%s' in enclave '%s'",
				kt_cli_arg(cli, "service"), kt_cli_arg(cli, "enclave"))
		      : 0;
}
