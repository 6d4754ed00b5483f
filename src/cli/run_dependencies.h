/* `run --dependencies`: what a run would need. */
#ifndef KT_CLI_RUN_DEPENDENCIES_H
#define KT_CLI_RUN_DEPENDENCIES_H

#include "base/json.h"
#include "cli/run_target.h"

/* Interprets the target in the enclave: its plan YAML as values, a new reference. args is JSON. */
json_t *kt_ask_plan(kt_cli *cli, const kt_target *target, const char *args, kt_grpc_client *apic,
		    kt_err *err);

/* Interprets the target in the enclave and prints its images and packages. args is JSON. */
int kt_show_dependencies(kt_cli *cli, const kt_target *target, const char *args,
			 kt_grpc_client *apic, kt_err *err);

#endif
