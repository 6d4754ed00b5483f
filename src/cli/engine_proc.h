/*
 * The engine's process as the command line sees it: is it there, start it, stop it.
 */
#ifndef KT_CLI_ENGINE_PROC_H
#define KT_CLI_ENGINE_PROC_H

#include "base/err.h"
#include "cli/command.h"
#include "net/grpc_client.h"

typedef enum kt_engine_state {
	KT_ENGINE_STOPPED,
	KT_ENGINE_RUNNING,
	KT_ENGINE_SILENT, /* something listens and does not answer as an engine */
} kt_engine_state;

/* $KURTOSIS_ENGINE_PORT or 9710. */
int kt_engine_port(uint16_t *ret, kt_err *err);

/*
 * Connects to the engine and asks for its version (5 s). RUNNING: *ret_client and *ret_version
 * (kt_free) are the caller's. Otherwise both are NULL.
 */
int kt_engine_query(kt_engine_state *ret, kt_grpc_client **ret_client, char **ret_version,
		    kt_err *err);

/* The options of `engine start` that the engine takes, as further arguments; NULL-terminated. */
typedef struct kt_engine_options {
	const char *log_level;
	const char *log_retention;
	bool restart_api_containers;
} kt_engine_options;

/*
 * Starts the engine unless one runs by then (another command may be doing the same) and waits
 * until it accepts calls.
 */
int kt_engine_launch(const kt_engine_options *options, kt_err *err);
/* Ends the engine and waits for that; services live on. No engine is no error. */
int kt_engine_halt(kt_err *err);
/* Whether the process that the pid file names is an engine. */
bool kt_engine_process_runs(void);
/* The remedy for an engine port that another program holds. */
void kt_engine_port_hint(kt_err *err);
/* The engine's log file. The caller frees. */
char *kt_engine_log_path(kt_err *err);

/* A program of this package, beside this executable or in ../libexec/kurtosis. The caller frees. */
char *kt_find_program(const char *name, kt_err *err);

#endif
