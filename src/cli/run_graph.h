/* `run --output-graph` and `--with-mermaid`: the plan's dependency graph as a picture or text. */
#ifndef KT_CLI_RUN_GRAPH_H
#define KT_CLI_RUN_GRAPH_H

#include "cli/run_target.h"

/*
 * Interprets the target in the enclave and writes what the flags ask for below
 * --output-graph-path; nothing when they ask for nothing. args is JSON. The picture is made by
 * Graphviz' `dot`.
 */
int kt_write_graph(kt_cli *cli, const kt_target *target, const char *args, kt_grpc_client *apic,
		   kt_err *err);

#endif
