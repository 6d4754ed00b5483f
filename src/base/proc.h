/*
 * Programs run as children: argument vectors, never a shell. Uses posix_spawn with
 * close-on-exec descriptors, so it is safe in threaded programs.
 */
#ifndef KT_BASE_PROC_H
#define KT_BASE_PROC_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

#include <sys/types.h>

typedef struct kt_proc_spec {
	const char *const *argv; /* argv[0] is looked up in PATH */
	const char *const *env;  /* NULL = inherit; entries "K=V" */
	const char *dir;         /* NULL = inherit */
	const void *input;       /* written to stdin; NULL = /dev/null */
	size_t input_len;
	size_t max_output; /* bytes kept of each stream; 0 = 1 MiB; more is read and dropped */
	kt_instant deadline;
	const kt_cancel *cancel;
	const char *debian_package; /* named in the error when the program is missing */
} kt_proc_spec;

typedef struct kt_proc_result {
	int exit_code; /* 128 + n when killed by signal n */
	kt_buf out;
	kt_buf err;
} kt_proc_result;

#define KT_AUTO_PROC_RESULT KT_CLEANUP(kt_proc_result_deinit)
void kt_proc_result_deinit(kt_proc_result *self);

/*
 * Runs to the end. 0 whenever the program ran, whatever it exited with. A missing program
 * is MISSING_PROGRAM with the Debian package as hint. On timeout or cancel the child gets
 * SIGKILL and is reaped.
 */
int kt_proc_run(const kt_proc_spec *spec, kt_proc_result *ret, kt_err *err);

#endif
