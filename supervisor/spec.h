/*
 * A service's launch spec as it came over the wire: decoded, checked, borrowed.
 *
 * All text points into the message, which must outlive the spec. Nothing is copied on purpose:
 * environments hold passwords, and a container's first process starts as a copy of the
 * supervisor's memory, so the supervisor keeps a spec only while it handles that message and wipes
 * the message afterwards.
 */
#ifndef KT_SUPERVISOR_SPEC_H
#define KT_SUPERVISOR_SPEC_H

#include "backend/native/sup_proto.h"
#include "base/vec.h"

#include <netinet/in.h>

typedef KT_VEC(const char *) kt_sup_texts;

typedef struct kt_sup_mount {
	const char *source;
	const char *target;
	uint64_t flags; /* kt_sup_mount_flag */
} kt_sup_mount;

typedef struct kt_sup_ulimit {
	int resource; /* RLIMIT_… */
	uint64_t soft;
	uint64_t hard;
} kt_sup_ulimit;

typedef struct kt_sup_spec {
	const char *id;
	const char *name; /* NULL: no DNS name */
	const char *hostname;
	const char *cwd;
	const char *user;
	const char *upper_dir; /* NULL: the service's runtime directory */
	const char *log_path;  /* NULL: output is discarded */
	struct in_addr ip;
	uint64_t flags; /* kt_sup_flag */
	uint64_t memory_bytes;
	uint64_t cpu_millis;
	uint64_t pids;
	uint64_t shm_bytes;
	uint64_t log_max_bytes;
	uint64_t log_files;
	int stop_signal;
	uint16_t rows; /* exec with a terminal: its size; 0 = unset */
	uint16_t cols;
	uint64_t caps; /* bit n = capability n */
	kt_sup_texts layers;
	kt_sup_texts args;
	kt_sup_texts env;
	kt_sup_texts devices;
	kt_sup_texts extra_hosts;
	kt_sup_texts nameservers;
	KT_VEC(kt_sup_mount) mounts; /* sorted: a parent directory before what lies in it */
	KT_VEC(kt_sup_ulimit) ulimits;
	char short_hostname[13];
} kt_sup_spec;

#define KT_AUTO_SUP_SPEC KT_CLEANUP(kt_sup_spec_deinit)

/* Decodes and checks the fields of a KT_SUP_SERVICE_LAUNCH. INVALID names the field. */
int kt_sup_spec_read(kt_sup_reader fields, kt_sup_spec *ret, kt_err *err);
/* Decodes a KT_SUP_EXEC request: only ARG, ENV, CWD, USER, FLAGS, ROWS, COLS count. cwd and
 * user are NULL when absent. */
int kt_sup_spec_read_exec(kt_sup_reader fields, kt_sup_spec *ret, kt_err *err);
void kt_sup_spec_deinit(kt_sup_spec *self);
/* The value of an environment variable in env, or NULL. */
const char *kt_sup_env_get(const kt_sup_texts *env, const char *name);

#endif
