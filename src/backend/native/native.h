/*
 * The native backend: containers of our own on this Linux host, no daemon.
 *
 * Each enclave has a supervisor process that owns its namespaces and containers; this
 * library talks to it over a unix socket, and starts it (again) when it is missing.
 * Needs root for now.
 */
#ifndef KT_BACKEND_NATIVE_NATIVE_H
#define KT_BACKEND_NATIVE_NATIVE_H

#include "backend/backend.h"

typedef struct kt_native_options {
	/* Path of kurtosis-supervisor; NULL: beside this program (see native/paths.h). */
	const char *supervisor;
} kt_native_options;

/* Directories come from the environment (native/paths.h). options may be NULL. */
KT_MUST_USE kt_backend *kt_native_open(const kt_native_options *options, kt_err *err);

/*
 * For the engine, which replaces a supervisor that died: a pidfd of the enclave's supervisor
 * (the caller closes; UNAVAILABLE when none runs), and starting it anew, which also publishes
 * the ports of the running services again.
 */
int kt_native_keeper_fd(kt_backend *self, const char *enclave, int *ret_fd, kt_err *err);
int kt_native_keeper_revive(kt_backend *self, const char *enclave, kt_err *err);

#endif
