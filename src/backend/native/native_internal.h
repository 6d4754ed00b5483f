/* Shared by the files of the native backend. */
#ifndef KT_BACKEND_NATIVE_INTERNAL_H
#define KT_BACKEND_NATIVE_INTERNAL_H

#include "backend/merge.h"
#include "backend/native/native.h"
#include "backend/native/net_proto.h"
#include "backend/native/paths.h"
#include "backend/native/sup_client.h"
#include "base/fs.h"
#include "base/json.h"
#include "image/image.h"

/* A program started by this process: an enclave's supervisor or its pasta. */
typedef struct native_child {
	pid_t pid;
	bool pasta;
} native_child;

typedef struct native_restarts native_restarts;

typedef struct native_backend {
	kt_backend base;
	kt_paths paths;
	char *supervisor; /* path of the program; NULL: beside this one */
	kt_image_store *images;
	kt_sup_clients *clients;
	pthread_mutex_t lock;
	KT_VEC(native_child) children; /* under lock */
	bool outbound_warned;          /* under lock */
	native_restarts *restarts;     /* NULL until needed; under lock */
} native_backend;

static inline native_backend *native_of(kt_backend *self)
{
	return (native_backend *)self; /* base is its first member */
}

/* ---- records (record.c): what is known of an enclave or service, on disk ------------ */

typedef struct native_port {
	kt_port_info info;
	uint16_t fixed; /* the public number asked for; 0 = any */
	bool publish;
} native_port;

/* services/<uuid>/record.json. Strings live in the arena it was read into. */
typedef struct native_record {
	kt_service_info info; /* state, exit code and public ports are filled in live */
	int64_t reserved_ns;  /* wall clock; gives the order */
	pid_t pid;            /* live: its first process; 0 = none */
	bool has_container;
	bool restart; /* to be started again whenever it ends … */
	bool stopped; /* … unless this was wanted */
	native_port *ports;
	const char *image_digest;
	const char *const *layers;     /* lowest first */
	const char *const *mounts;     /* triples: host path, path inside, "prefill" or "" */
} native_record;

/* Paths of an enclave's things; the caller frees; NULL when memory is short. */
char *native_enclave_dir(const native_backend *self, const char *enclave);
char *native_service_dir(const native_backend *self, const char *enclave, const char *uuid);
char *native_log_path(const native_backend *self, const char *enclave, const char *uuid);

/* INVALID for what cannot be a uuid (it becomes part of paths). */
int native_check_id(const char *what, const char *text, kt_err *err);

int native_enclave_write(const native_backend *self, const kt_enclave_spec *spec, kt_err *err);
/* NOT_FOUND when there is no such enclave. */
int native_enclave_read(const native_backend *self, const char *enclave, kt_arena *arena,
			kt_enclave_info *ret, bool *ret_no_internet, kt_err *err);

int native_record_write(const native_backend *self, const char *enclave,
			const native_record *record, kt_err *err);
int native_record_read(const native_backend *self, const char *enclave, const char *uuid,
		       kt_arena *arena, native_record *ret, kt_err *err);
typedef struct native_records {
	native_record *items; /* in order of reservation */
	size_t len;
} native_records;
int native_records_read(const native_backend *self, const char *enclave, kt_arena *arena,
			native_records *ret, kt_err *err);

/* Holds the enclave's lock against other threads and processes until the descriptor closes. */
int native_lock(const native_backend *self, const char *enclave, int *ret_fd, kt_err *err);

/* ---- the enclave's supervisor (supervisor.c) ---------------------------------------- */

/* One request to the enclave's supervisor, which is started when it is missing. */
int native_call(native_backend *self, const char *enclave, kt_sup_call *call, kt_err *err);
/* Starts it if it does not run. A freshly started one gets its upstream and ports again. */
int native_supervisor_start(native_backend *self, const char *enclave, kt_err *err);
/* Path of the supervisor's program; the caller frees. */
char *native_supervisor_program(const native_backend *self, kt_err *err);
/* Collects the children that have exited; says once when a pasta has failed. */
void native_children_reap(native_backend *self);

/* ---- the way out (outbound.c) ----------------------------------------------------------- */

/* Starts it; says once what is missing and goes on without. */
void native_outbound_start(native_backend *self, const char *enclave);
void native_outbound_stop(native_backend *self, const char *enclave);
/* A warning about the way out; only the first one of this process is shown. */
void native_outbound_warn(native_backend *self, const char *why);

/* ---- services that always run (restarts.c) ---------------------------------------------- */

/* The backend's one list, made at first need; NULL when that fails. */
native_restarts *native_restarts_get(native_backend *backend);
void native_restarts_free(native_restarts *self); /* NULL allowed */
/* Watches a service that runs (or has just ended) and starts it again from then on. */
void native_restarts_add(native_restarts *self, const char *enclave, const char *uuid);
bool native_restarts_has(native_restarts *self, const char *enclave, const char *uuid);
void native_restarts_remove(native_restarts *self, const char *enclave, const char *uuid);

/* ---- published ports (publish.c) ----------------------------------------------------- */

#define NATIVE_PORT_FDS 2
typedef struct native_bound {
	int fds[NATIVE_PORT_FDS]; /* 127.0.0.1, ::1; -1 = none */
} native_bound;

/*
 * Binds the host sockets of every port that is published and notes the numbers in
 * ports[].info. EXISTS when a fixed one is taken. bound has one entry per port.
 */
int native_ports_bind(native_port *ports, size_t len, native_bound *bound, kt_err *err);
void native_ports_close(native_bound *bound, size_t len);
/*
 * Hands the sockets to the supervisor. A service that has ended meanwhile is no error.
 * `starting`: the caller is about to start the supervisor, so no other may be started.
 */
int native_ports_publish(native_backend *self, const char *enclave, const char *uuid,
			 const native_port *ports, size_t len, const native_bound *bound,
			 bool starting, kt_err *err);

/* ---- state (inspect.c) ---------------------------------------------------------------- */

/* Fills in what only the supervisor knows. One request for all. */
int native_fill_states(native_backend *self, const char *enclave, native_record *records,
		       size_t len, kt_err *err);

/* The record as the API shows it, with its state as of now. */
int native_report(native_backend *self, const char *enclave, native_record *record,
		  kt_arena *arena, kt_service_info *ret, kt_err *err);

/* ---- launching (launch.c) -------------------------------------------------------------- */

#define NATIVE_UPPER_DIR "rootfs"

/* Sends the launch request; returns when the program has been executed. */
int native_launch(native_backend *self, const char *enclave, const kt_service_spec *spec,
		  const kt_image *image, const native_record *record, kt_err *err);
/* Sends the request of the last launch again: the supervisor has lost it, the files are there. */
int native_launch_again(native_backend *self, const char *enclave, const char *uuid, kt_err *err);

/* ---- operations ----------------------------------------------------------------------- */

int native_enclave_create(kt_backend *base, const kt_enclave_spec *spec, kt_err *err);
int native_enclave_stop(kt_backend *base, const char *enclave, kt_err *err);
int native_enclave_destroy(kt_backend *base, const char *enclave, kt_err *err);
int native_enclave_inspect(kt_backend *base, const char *enclave, kt_arena *arena,
			   kt_enclave_info *ret, kt_err *err);
int native_enclave_list(kt_backend *base, kt_arena *arena, kt_enclave_list *ret, kt_err *err);

int native_service_reserve(kt_backend *base, const char *enclave, const char *uuid,
			   const char *name, struct in_addr *ret_ip, kt_err *err);
int native_service_release(kt_backend *base, const char *enclave, const char *uuid, kt_err *err);
int native_service_start(kt_backend *base, const char *enclave, const kt_service_spec *spec,
			 const kt_cancel *cancel, kt_arena *arena, kt_service_info *ret,
			 kt_err *err);
int native_service_restart(kt_backend *base, const char *enclave, const char *uuid,
			   kt_arena *arena, kt_service_info *ret, kt_err *err);
int native_service_stop(kt_backend *base, const char *enclave, const char *uuid, int64_t grace_ms,
			kt_err *err);
int native_service_inspect(kt_backend *base, const char *enclave, const char *uuid,
			   kt_arena *arena, kt_service_info *ret, kt_err *err);
int native_service_list(kt_backend *base, const char *enclave, kt_arena *arena,
			kt_service_list *ret, kt_err *err);
int native_service_exit_fd(kt_backend *base, const char *enclave, const char *uuid, int *ret_fd,
			   kt_err *err);
int native_service_logs(kt_backend *base, const char *enclave, const char *uuid, size_t lines,
			kt_buf *ret, kt_err *err);
int native_service_describe(kt_backend *base, const char *enclave, const char *uuid, kt_buf *ret,
			    kt_err *err);
int native_exec(kt_backend *base, const char *enclave, const char *uuid, const kt_exec_spec *spec,
		kt_exec_result *ret, kt_err *err);
int native_exec_open(kt_backend *base, const char *enclave, const char *uuid,
		     const kt_exec_spec *spec, kt_exec_session **ret, kt_err *err);
int native_copy_out(kt_backend *base, const char *enclave, const char *uuid, const char *path,
		    kt_sink_fn sink, void *sink_ctx, const kt_cancel *cancel, kt_err *err);
int native_dial(kt_backend *base, const char *enclave, struct in_addr ip, uint16_t port,
		kt_instant deadline, const kt_cancel *cancel, int *ret_fd, kt_err *err);
int native_listen(kt_backend *base, const char *enclave, uint16_t port, int *ret_fd,
		  struct in_addr *ret_ip, kt_err *err);
int native_image_ensure(kt_backend *base, const kt_pull_request *request, kt_arena *arena,
			kt_pulled_image *ret, kt_err *err);
int native_image_list(kt_backend *base, kt_arena *arena, kt_pulled_image_list *ret, kt_err *err);
int native_image_load(kt_backend *base, const char *path, kt_arena *arena,
		      kt_pulled_image_list *ret, kt_err *err);
int native_image_remove(kt_backend *base, const char *ref, kt_err *err);
int native_resources(kt_backend *base, kt_resources *ret, kt_err *err);

#endif
