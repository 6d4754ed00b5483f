/* The enclave that `run` and `import` work in. */
#ifndef KT_CLI_RUN_ENCLAVE_H
#define KT_CLI_RUN_ENCLAVE_H

#include "cli/client.h"

typedef struct kt_run_enclave {
	char *name;
	char *uuid;
	bool is_new;
	kt_grpc_client *apic;
} kt_run_enclave;

#define KT_RUN_ENCLAVE_INIT {NULL, NULL, false, NULL}
void kt_run_enclave_deinit(kt_run_enclave *self);

/*
 * Connects to the enclave that the flag --enclave names; makes it, with log lines, when there is
 * none. *ret from KT_RUN_ENCLAVE_INIT; the caller deinits it, also after a failure.
 */
int kt_run_enclave_open(kt_cli *cli, bool production, kt_run_enclave *ret, kt_err *err);

#endif
