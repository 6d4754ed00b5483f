/* How enclaves and their parts are shown; shared by `enclave inspect`, `run` and `service`. */
#ifndef KT_CLI_ENCLAVE_VIEW_H
#define KT_CLI_ENCLAVE_VIEW_H

#include "cli/client.h"

/* The block with both sections, as `enclave inspect` prints it. */
int kt_show_enclave(kt_cli *cli, const char *identifier, bool full_uuids, kt_err *err);

/* "http: 8080/tcp -> http://127.0.0.1:32772", one per port sorted by id; "<none>" without ports. */
int kt_port_lines(const kt_service_info *service, kt_strvec *ret);

/* Creates an enclave; the answer is freed with kt_msg_free. name "" = generated. */
typedef struct kt_enclave_request {
	const char *name;
	const char *log_level;
	const char *version;
	bool production;
	bool debug;
} kt_enclave_request;
int kt_create_enclave(kt_cli *cli, const kt_enclave_request *request,
		      EngineApi__CreateEnclaveResponse **ret, kt_err *err);

#endif
