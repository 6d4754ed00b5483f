/* kurtosis port print */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <string.h>

static const char *const pieces[] = {"protocol", "ip", "number"};

static int rank_of(const char *piece)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(pieces); i++) {
		if (strcmp(pieces[i], piece) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static int add_pieces(const kt_strvec *wanted, const ApiContainerApi__Port *port, kt_buf *out,
		      kt_err *err)
{
	for (size_t i = 0; i < wanted->len; i++) {
		const char *piece = wanted->items[i];
		int rank = rank_of(piece);
		if (rank < 0) {
			return KT_FAIL(err, INVALID, "Invalid format piece '%s'", piece);
		}
		if (rank < rank_of(wanted->items[0])) {
			return KT_FAIL(err, INVALID, "Found '%s' before '%s', which is not expected.",
				       wanted->items[0], piece);
		}
		bool alone = wanted->len == 1;
		const char *app = port->maybe_application_protocol;
		switch (rank) {
		case 0:
			kt_buf_addf(out, "%s%s", app, alone || kt_str_empty(app) ? "" : "://");
			break;
		case 1:
			kt_buf_adds(out, "127.0.0.1");
			break;
		default:
			kt_buf_addf(out, "%s%u", alone ? "" : ":", port->number);
		}
	}
	return 0;
}

static const ApiContainerApi__Port *find_port(const kt_service_info *service, const char *id)
{
	for (size_t i = 0; i < service->n_maybe_public_ports; i++) {
		if (strcmp(service->maybe_public_ports[i]->key, id) == 0) {
			return service->maybe_public_ports[i]->value;
		}
	}
	return NULL;
}

int kt_cmd_port_print(kt_cli *cli, kt_err *err)
{
	const char *service_id = kt_cli_arg(cli, "service");
	const char *port_id = kt_cli_arg(cli, "port_id");
	KT_AUTO_STRVEC kt_strvec wanted = KT_STRVEC_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *services = NULL;
	const kt_service_info *service = NULL;
	if (kt_strvec_split(&wanted, kt_cli_str(cli, "format"), ',') < 0) {
		return kt_err_nomem(err);
	}
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_find_service(cli, apic, service_id, &services, &service, err);
	kt_grpc_client_free(apic);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred getting service '%s'", service_id);
	}
	const ApiContainerApi__Port *port = find_port(service, port_id);
	if (port == NULL) {
		return KT_FAIL(err, NOT_FOUND,
			       "Port Identifier: '%s' is not found for service: '%s' in enclave '%s'",
			       port_id, service_id, kt_cli_arg(cli, "enclave"));
	}
	if (add_pieces(&wanted, port, &text, err) < 0 || kt_buf_check(&text, err) < 0) {
		return -1;
	}
	kt_out(cli, "%s\n", kt_buf_str(&text));
	return 0;
}
