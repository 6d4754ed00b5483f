/*
 * A backend in memory: no processes, no files, no network but loopback. It keeps the
 * contract of backend.h as far as a make-believe can, and a test scripts the rest.
 *
 * Unscripted, every image exists (pulled at its first use, cached later), every service
 * keeps running with all its TCP ports open, and exec understands this much of a shell:
 * echo, printf, true, false, exit N, cat PATH (mounted files, and those given by
 * kt_fake_file), sleep; alone or as `sh -c "a && b; c"`.
 *
 * Thread-safe. The scripting functions abort when memory is short: they are for tests.
 */
#ifndef KT_BACKEND_FAKE_FAKE_H
#define KT_BACKEND_FAKE_FAKE_H

#include "backend/backend.h"

KT_MUST_USE kt_backend *kt_fake_open(kt_err *err);

/* The next `times` (-1 = all) calls of the operation ("service_start") fail like this. */
void kt_fake_fail(kt_backend *self, const char *operation, kt_err_code code, const char *message,
		  int times);

/* How services of this name behave from their next start on. Zero = as unscripted. */
typedef struct kt_fake_service {
	const char *name;
	const char *log;      /* written at start */
	int refuse_dials;     /* that many connects are refused first; -1 = all */
	bool exits;           /* ends by itself: */
	int exit_after_dials; /* … after that many connects (0 = at once) */
	int exit_code;
} kt_fake_service;
void kt_fake_script_service(kt_backend *self, const kt_fake_service *script);

/*
 * Answers to exec: service is a name or NULL for any; command is what argv, joined by
 * spaces, must contain (NULL = anything). The rule is used up after `times` uses (-1 =
 * never); the first usable rule in order of addition answers.
 */
void kt_fake_script_exec(kt_backend *self, const char *service, const char *command, int exit_code,
			 const char *output, int times);

/* What an image is. config's strings are copied; error_code != OK makes ensure fail. */
typedef struct kt_fake_image {
	const char *ref;
	bool cached;
	const char *architecture; /* NULL = "amd64" */
	const char *const *entrypoint;
	const char *const *cmd;
	const char *const *env;
	kt_err_code error_code;
	const char *error_message;
} kt_fake_image;
void kt_fake_script_image(kt_backend *self, const kt_fake_image *image);

/* A file in services of this name, for cat and copy_out. */
void kt_fake_file(kt_backend *self, const char *service, const char *path, const char *content);

/* dial() to this service's port connects to 127.0.0.1:loopback_port instead. */
void kt_fake_script_port(kt_backend *self, const char *service, uint16_t port,
			 uint16_t loopback_port);

/* Ends a running service now; adds to its log. Service by name, in any enclave. */
void kt_fake_exit(kt_backend *self, const char *service, int exit_code);
void kt_fake_log(kt_backend *self, const char *service, const char *text);

/* What resources() answers. */
void kt_fake_script_resources(kt_backend *self, const kt_resources *resources);

/*
 * What was called so far, one line each: "service_start db", "exec db echo hi", in order
 * of their start; reads (inspect, list, dial, logs) are left out. The caller frees.
 */
char *kt_fake_calls(kt_backend *self);

#endif
