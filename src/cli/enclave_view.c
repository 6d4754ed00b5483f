/* The inspect block. */
#include "cli/enclave_view.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/ui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kt_create_enclave(kt_cli *cli, const kt_enclave_request *request,
		      EngineApi__CreateEnclaveResponse **ret, kt_err *err)
{
	EngineApi__CreateEnclaveArgs args = ENGINE_API__CREATE_ENCLAVE_ARGS__INIT;
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, enclave_name,
		   (char *)(uintptr_t)request->name);
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, api_container_version_tag,
		   (char *)(uintptr_t)request->version);
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, api_container_log_level,
		   (char *)(uintptr_t)request->log_level);
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, mode,
		   request->production ? ENGINE_API__ENCLAVE_MODE__PRODUCTION
				       : ENGINE_API__ENCLAVE_MODE__TEST);
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, should_apic_run_in_debug_mode,
		   request->debug);
	if (kt_engine_call(cli, KT_ENGINE_CREATE_ENCLAVE, &args, ret, err) < 0) {
		return KT_WRAP(err, "An error occurred creating an enclave with ID '%s'", request->name);
	}
	return 0;
}

/* --- ports ------------------------------------------------------------------------------ */

static int by_port_id(const void *a, const void *b)
{
	ApiContainerApi__ServiceInfo__PrivatePortsEntry *const *x = a;
	ApiContainerApi__ServiceInfo__PrivatePortsEntry *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

static const ApiContainerApi__Port *public_port(const kt_service_info *service, const char *id)
{
	for (size_t i = 0; i < service->n_maybe_public_ports; i++) {
		if (strcmp(service->maybe_public_ports[i]->key, id) == 0) {
			return service->maybe_public_ports[i]->value;
		}
	}
	return NULL;
}

int kt_port_lines(const kt_service_info *service, kt_strvec *ret)
{
	static const char *const transports[] = {"tcp", "sctp", "udp"};
	if (service->n_private_ports == 0) {
		return kt_strvec_add(ret, "<none>");
	}
	/* The message is ours: sorting it in place saves a copy. */
	qsort(service->private_ports, service->n_private_ports, sizeof(*service->private_ports),
	      by_port_id);
	for (size_t i = 0; i < service->n_private_ports; i++) {
		const char *id = service->private_ports[i]->key;
		const ApiContainerApi__Port *port = service->private_ports[i]->value;
		unsigned transport = (unsigned)port->transport_protocol;
		const ApiContainerApi__Port *outside = public_port(service, id);
		KT_AUTO_BUF kt_buf line = KT_BUF_INIT;
		kt_buf_addf(&line, "%s: %u/%s", id, port->number,
			    transport < KT_ARRAY_LEN(transports) ? transports[transport] : "?");
		if (outside != NULL && !kt_str_empty(service->maybe_public_ip_addr)) {
			const char *app = kt_str_or(outside->maybe_application_protocol,
						    port->maybe_application_protocol);
			kt_buf_addf(&line, " -> %s%s%s:%u", app, kt_str_empty(app) ? "" : "://",
				    service->maybe_public_ip_addr, outside->number);
		}
		if (line.failed || kt_strvec_add(ret, kt_buf_str(&line)) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- sections --------------------------------------------------------------------------- */

static void uuid_cell(kt_table *table, const char *uuid, const char *shortened, bool full)
{
	kt_table_cell(table, full ? uuid : shortened);
}

static int artifact_by_name(const void *a, const void *b)
{
	ApiContainerApi__FilesArtifactNameAndUuid *const *x = a;
	ApiContainerApi__FilesArtifactNameAndUuid *const *y = b;
	return strcmp((*x)->filename, (*y)->filename);
}

static int show_artifacts(kt_cli *cli, kt_grpc_client *apic, bool full, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__ListFilesArtifactNamesAndUuidsResponse *list = NULL;
	if (kt_apic_call(cli, apic, KT_APIC_LIST_FILES_ARTIFACTS, &nothing, &list, err) < 0) {
		return -1;
	}
	if (list->n_file_names_and_uuids > 0) {
		qsort(list->file_names_and_uuids, list->n_file_names_and_uuids,
		      sizeof(*list->file_names_and_uuids), artifact_by_name);
	}
	KT_AUTO_TABLE kt_table table = {.columns = 2, .header = true};
	kt_table_cell(&table, "UUID");
	kt_table_cell(&table, "Name");
	for (size_t i = 0; i < list->n_file_names_and_uuids; i++) {
		const ApiContainerApi__FilesArtifactNameAndUuid *one =
			list->file_names_and_uuids[i];
		char shortened[13];
		snprintf(shortened, sizeof(shortened), "%.12s", one->fileuuid);
		uuid_cell(&table, one->fileuuid, shortened, full);
		kt_table_cell(&table, one->filename);
	}
	return kt_table_print(&table, cli, err);
}

static int service_by_name(const void *a, const void *b)
{
	ApiContainerApi__GetServicesResponse__ServiceInfoEntry *const *x = a;
	ApiContainerApi__GetServicesResponse__ServiceInfoEntry *const *y = b;
	return strcmp((*x)->value->name, (*y)->value->name);
}

static int service_rows(kt_table *table, const kt_cli *cli, const kt_service_info *service,
			bool full)
{
	KT_AUTO_STRVEC kt_strvec ports = KT_STRVEC_INIT;
	int color;
	const char *status = kt_service_status(service, &color);
	if (kt_port_lines(service, &ports) < 0) {
		return -1;
	}
	uuid_cell(table, service->service_uuid, service->shortened_uuid, full);
	kt_table_cell(table, service->name);
	kt_table_cell(table, ports.items[0]);
	kt_table_colored(table, cli, color, status);
	for (size_t i = 1; i < ports.len; i++) {
		kt_table_cell(table, "");
		kt_table_cell(table, "");
		kt_table_cell(table, ports.items[i]);
		kt_table_cell(table, "");
	}
	return 0;
}

static int show_services(kt_cli *cli, kt_grpc_client *apic, bool full, kt_err *err)
{
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *all = NULL;
	KT_AUTO_TABLE kt_table table = {.columns = 4, .header = true};
	kt_table_cell(&table, "UUID");
	kt_table_cell(&table, "Name");
	kt_table_cell(&table, "Ports");
	kt_table_cell(&table, "Status");
	if (apic != NULL && kt_apic_call(cli, apic, KT_APIC_GET_SERVICES, &args, &all, err) < 0) {
		return -1;
	}
	if (all != NULL && all->n_service_info > 0) {
		qsort(all->service_info, all->n_service_info, sizeof(*all->service_info),
		      service_by_name);
	}
	for (size_t i = 0; all != NULL && i < all->n_service_info; i++) {
		if (service_rows(&table, cli, all->service_info[i]->value, full) < 0) {
			return kt_err_nomem(err);
		}
	}
	return kt_table_print(&table, cli, err);
}

/* --- the block -------------------------------------------------------------------------- */

static int show_head(kt_cli *cli, const kt_enclave_info *enclave, bool full, kt_err *err)
{
	KT_AUTO_TABLE kt_table table = {.columns = 2};
	KT_AUTO_BUF kt_buf when = KT_BUF_INIT;
	int color;
	const char *status = kt_enclave_status(enclave, &color);
	char colored[64];
	if (cli->color && color != 0) {
		snprintf(colored, sizeof(colored), "\033[%dm%s\033[0m", color, status);
	} else {
		snprintf(colored, sizeof(colored), "%s", status);
	}
	if (enclave->creation_time != NULL) {
		kt_buf_add_rfc1123(&when, enclave->creation_time->seconds);
	}
	bool production = enclave->mode == ENGINE_API__ENCLAVE_MODE__PRODUCTION;
	kt_table_key(&table, cli, "Name", enclave->name);
	kt_table_key(&table, cli, "UUID", full ? enclave->enclave_uuid : enclave->shortened_uuid);
	kt_table_key(&table, cli, "Status", colored);
	kt_table_key(&table, cli, "Creation Time", kt_buf_str(&when));
	kt_table_key(&table, cli, "Flags", production ? "production" : "");
	return kt_table_print(&table, cli, err);
}

/* A section that cannot be shown is logged; the others are shown all the same. */
static bool section_failed(kt_cli *cli, const char *title, kt_err *reason)
{
	KT_AUTO_FREE char *text = kt_error_text(reason);
	kt_log_line(cli, KT_CLI_ERROR, "An error occurred printing enclave element '%s':\n%s", title,
		    kt_str_or(text, "out of memory"));
	return true;
}

int kt_show_enclave(kt_cli *cli, const char *identifier, bool full_uuids, kt_err *err)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *response = NULL;
	const kt_enclave_info *enclave = NULL;
	KT_AUTO_BUF kt_buf failed = KT_BUF_INIT;
	if (kt_find_enclave(cli, identifier, &response, &enclave, err) < 0) {
		return KT_WRAP(err, "An error occurred getting the enclave for identifier '%s'",
			       identifier);
	}
	if (show_head(cli, enclave, full_uuids, err) < 0) {
		return -1;
	}
	kt_out(cli, "\n");
	bool running = enclave->api_container_status ==
		       ENGINE_API__ENCLAVE_APICONTAINER_STATUS__EnclaveAPIContainerStatus_RUNNING;
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	kt_grpc_client *apic = running ? kt_connect_apic(cli, enclave, &reason) : NULL;
	if (running) {
		kt_section_bar(cli, "Files Artifacts");
		if (apic == NULL || show_artifacts(cli, apic, full_uuids, &reason) < 0) {
			section_failed(cli, "Files Artifacts", &reason);
			kt_buf_adds(&failed, "Files Artifacts");
		}
		kt_out(cli, "\n");
	}
	kt_section_bar(cli, "User Services");
	if ((running && apic == NULL) || show_services(cli, apic, full_uuids, &reason) < 0) {
		section_failed(cli, "User Services", &reason);
		kt_buf_addf(&failed, "%sUser Services", failed.len > 0 ? ", " : "");
	}
	kt_out(cli, "\n");
	kt_grpc_client_free(apic);
	return failed.len == 0
		       ? 0
		       : KT_FAIL(err, UNKNOWN,
				 "Errors occurred printing the following enclave elements: %s",
				 kt_buf_str(&failed));
}
