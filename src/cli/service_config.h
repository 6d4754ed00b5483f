/*
 * A service's configuration on its way from the command line into an enclave. Its form is the
 * JSON of `service inspect -o json`.
 */
#ifndef KT_CLI_SERVICE_CONFIG_H
#define KT_CLI_SERVICE_CONFIG_H

#include "base/json.h"
#include "cli/client.h"

/*
 * Reads --cmd, --entrypoint, --env, --ports, --files and --privileged into config: the first two
 * replace what is there, the next three add to it.
 */
int kt_service_flags(kt_cli *cli, json_t *config, kt_err *err);
/*
 * Adds the service, or replaces the one of that name. `what` completes error messages; with
 * output, what the script prints is appended there.
 */
int kt_service_apply(kt_cli *cli, kt_grpc_client *apic, const char *name, json_t *config,
		     const char *what, kt_buf *output, kt_err *err);

#endif
