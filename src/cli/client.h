/*
 * The services that commands talk to: the engine (started on first need), the API container of
 * an enclave, and the look-ups that many commands share.
 */
#ifndef KT_CLI_CLIENT_H
#define KT_CLI_CLIENT_H

#include "api/api.h"
#include "api/services.h"
#include "base/buf.h"
#include "cli/command.h"
#include "net/grpc_client.h"

/* The short names of types used all over the commands. */
typedef EngineApi__EnclaveInfo kt_enclave_info;
typedef ApiContainerApi__ServiceInfo kt_service_info;

/* The kinds of lines of a run: KT_LINE(ERROR) and the like. */
#define KT_LINE(kind) API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__RUN_RESPONSE_LINE_##kind

struct kt_remote {
	kt_grpc_client *engine;
	kt_cancel *interrupt; /* fired by Ctrl-C after kt_catch_interrupt */
};

void kt_remote_free(struct kt_remote *self);

/* Makes the engine connection, starting an engine if none runs. Idempotent. */
int kt_connect_engine(kt_cli *cli, kt_err *err);
/* Connects only if an engine runs; PRECONDITION otherwise. For completion. */
int kt_connect_running_engine(kt_cli *cli, kt_err *err);

/* One call of the engine or of an API container. *ret is freed with kt_msg_free. */
int kt_engine_call(kt_cli *cli, kt_engine_rpc rpc, const void *request, void *ret_message,
		   kt_err *err);
int kt_apic_call(kt_cli *cli, kt_grpc_client *apic, kt_apic_rpc rpc, const void *request,
		 void *ret_message, kt_err *err);

/*
 * The live enclave that a name, UUID or short UUID means, as a response that holds exactly it
 * (kt_msg_free); the enclave itself in *ret_info.
 */
int kt_find_enclave(kt_cli *cli, const char *identifier, EngineApi__GetEnclavesResponse **ret,
		    const kt_enclave_info **ret_info, kt_err *err);
/* A connection to the enclave's API container; the enclave and its container must run. */
kt_grpc_client *kt_connect_apic(kt_cli *cli, const kt_enclave_info *enclave, kt_err *err);
/* Both in one. The caller frees the client and *ret_enclave (may be NULL: not wanted). */
kt_grpc_client *kt_open_enclave(kt_cli *cli, const char *identifier,
				EngineApi__GetEnclavesResponse **ret_enclave,
				const kt_enclave_info **ret_info, kt_err *err);

/* One service of an enclave by any identifier. */
int kt_find_service(kt_cli *cli, kt_grpc_client *apic, const char *identifier,
		    ApiContainerApi__GetServicesResponse **ret, const kt_service_info **ret_info,
		    kt_err *err);

/* SIGINT fires interrupt instead of ending the program, from here on. */
int kt_catch_interrupt(kt_cli *cli, kt_err *err);

/* "RUNNING", "STOPPED", "EMPTY" and its colour. */
const char *kt_enclave_status(const kt_enclave_info *enclave, int *ret_color);
const char *kt_service_status(const kt_service_info *service, int *ret_color);

/*
 * Runs a script in the enclave and waits; `what` completes its error messages. With output, the
 * results of its instructions and what it returns are appended there, a line each. The command's
 * flag --privileged, where it has one, goes along.
 */
int kt_run_script(kt_cli *cli, kt_grpc_client *apic, const char *script, const char *params,
		  const char *what, kt_buf *output, kt_err *err);
/* Adds {"service_name": "NAME"} to out. */
void kt_service_params(kt_buf *out, const char *name);

#endif
