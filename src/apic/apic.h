/*
 * The API container: the gRPC service of one enclave, as a role of the daemon's
 * executable. It runs Starlark, owns services and files artifacts of that enclave,
 * and keeps its state in the enclave's directory, so that it can be killed and
 * started again at any time.
 *
 *   kurtosisd apic --enclave-uuid UUID --enclave-name NAME --ready-fd N
 *                  [--backend native] [--production] [--log-level LEVEL]
 *                  [--listen 127.0.0.1:0] [--start-fd N] [--log-file PATH]
 *
 * With --start-fd it touches nothing until a byte arrives there (end of file: it exits). With
 * --log-file its stdout and stderr go there from then on.
 *
 * When the service accepts calls, the line `READY <port>\n` is written to the
 * descriptor given by --ready-fd, which is then closed. On a failure to start the
 * line is `ERROR <message>\n` and the exit status is 1. SIGTERM and SIGINT end it
 * after open calls had a moment to finish.
 */
#ifndef KT_APIC_APIC_H
#define KT_APIC_APIC_H

#include "backend/backend.h"

/* What the program's main file knows and this module does not. */
typedef struct kt_apic_deps {
	/* Opens the backend of that name ("native"); UNSUPPORTED when there is none. */
	kt_backend *(*open_backend)(const char *name, kt_err *err);
	const char *root; /* state on this machine: kt_paths.root */
} kt_apic_deps;

/* argv[0] is "apic". Blocks until the service ends; the result is an exit status. */
int kt_apic_main(int argc, char **argv, const kt_apic_deps *deps);

/*
 * A program in a service with the caller's terminal (for `kurtosis service shell`):
 *
 *   kurtosisd exec-tty --enclave-uuid UUID --service NAME-OR-UUID [--user USER] [-- CMD ARG…]
 *
 * Without a command it starts bash where the image has it, else sh. argv[0] is
 * "exec-tty". The result is the program's exit status, 125 when it could not start.
 */
int kt_apic_exec_tty_main(int argc, char **argv, const kt_apic_deps *deps);

#endif
