/*
 * What an environment needs from an orchestrator, as one table of operations.
 *
 * native/, docker/, kubernetes/ and fake/ implement it; tests/backend/ is the contract
 * suite that each passes. Everything above (run/, apic/, engine/) uses only this header.
 *
 * Threads: every operation may be called from many threads at once, also for one service.
 * Blocking: every operation blocks; those that may take long have a deadline and a cancel
 * token (NULL = none) and fail with TIMEOUT or CANCELLED, leaving nothing half-made.
 * Processes: several processes may have the same backend open (engine, API containers);
 * what one creates the other sees. An object's attributes are stored before the object.
 * Memory: results live in the arena given by the caller. Inputs are borrowed for the call.
 * Errors common to all: NOT_FOUND (enclave or service unknown), UNAVAILABLE (orchestrator
 * not reachable), UNSUPPORTED (asked for what this backend cannot do: the message names
 * it), PERMISSION, NOMEM. Enclaves and services are named by their full UUIDs.
 */
#ifndef KT_BACKEND_BACKEND_H
#define KT_BACKEND_BACKEND_H

#include "backend/spec.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

#include <netinet/in.h>

/* ---- what comes out ---------------------------------------------------------------- */

typedef enum kt_service_state {
	KT_SERVICE_RESERVED, /* has an address, no container */
	KT_SERVICE_RUNNING,
	KT_SERVICE_STOPPED,
	KT_SERVICE_UNKNOWN, /* its keeper is gone and cannot be asked right now */
} kt_service_state;

#define KT_EXIT_UNKNOWN (-1) /* ended while nobody watched */

typedef struct kt_port_info {
	const char *id;
	uint16_t number;
	kt_protocol protocol;
	const char *app_protocol; /* "" = none */
	uint16_t public_number;   /* on public_ip; 0 = not published now */
} kt_port_info;

typedef struct kt_service_info {
	const char *uuid;
	const char *name;
	kt_service_state state;
	int exit_code;    /* with STOPPED: 0–255, 128 + n for signal n, or KT_EXIT_UNKNOWN */
	bool oom_killed;  /* with STOPPED: the memory limit ended it */
	const char *private_ip;
	const char *public_ip; /* "127.0.0.1", or "" when nothing is published now */
	const char *hostname;
	const kt_port_info *ports;
	size_t ports_len;
	const char *image;
	const char *const *entrypoint; /* effective: the image's merged with the spec's */
	const char *const *cmd;
	const char *const *env; /* "K=V" */
	const kt_kv *labels;
	size_t labels_len;
	int64_t started_wall_ns; /* 0 = never */
} kt_service_info;

typedef struct kt_service_list {
	kt_service_info *items; /* in order of reservation */
	size_t len;
} kt_service_list;

typedef enum kt_enclave_state {
	KT_ENCLAVE_EMPTY, /* no service has a container */
	KT_ENCLAVE_RUNNING,
	KT_ENCLAVE_STOPPED,
} kt_enclave_state;

typedef struct kt_enclave_info {
	const char *uuid;
	const char *name;
	kt_enclave_state state; /* from the services; the API container does not count */
	bool production;
	int64_t created_wall_ns;
	const char *gateway_ip; /* address of the enclave's resolver */
	const char *subnet;     /* "172.16.0.0/22" */
	const kt_kv *labels;
	size_t labels_len;
} kt_enclave_info;

typedef struct kt_enclave_list {
	kt_enclave_info *items;
	size_t len;
} kt_enclave_list;

typedef struct kt_pulled_image {
	const char *ref;    /* as asked for, completed: "docker.io/library/x:latest" */
	const char *digest; /* "sha256:…" */
	bool pulled;        /* came over the network now; false: it was here */
	const char *architecture; /* "amd64" */
	uint64_t size_bytes;
	int64_t created_wall_ns; /* 0 = not said */
	const char *const *entrypoint; /* the image's own configuration; NULL = not set */
	const char *const *cmd;
	const char *const *env;
	const char *working_dir;
	const char *user;
} kt_pulled_image;

typedef struct kt_pulled_image_list {
	kt_pulled_image *items;
	size_t len;
} kt_pulled_image_list;

typedef struct kt_resources {
	uint64_t cpu_millis_total;
	uint64_t cpu_millis_free;
	uint64_t memory_mb_total; /* 10^6 bytes */
	uint64_t memory_mb_free;
	bool complete; /* false: do not validate against these */
} kt_resources;

/* ---- exec -------------------------------------------------------------------------- */

typedef struct kt_exec_spec {
	const char *const *argv;
	const char *user;        /* NULL: the service's */
	const char *working_dir; /* NULL: the service's */
	const kt_kv *env;        /* added to the service's */
	size_t env_len;
	size_t max_output; /* bytes kept; 0 = 16 MiB; the rest is read and dropped */
	/* Called on this thread as output arrives (also with max_output reached); NULL = none. */
	void (*on_output)(void *ctx, const char *data, size_t len);
	void *on_output_ctx;
	kt_instant deadline; /* past it, or when cancelled, the command gets SIGKILL */
	const kt_cancel *cancel;
	bool tty;            /* interactive only: a pty of rows × cols */
	uint16_t rows, cols;
} kt_exec_spec;

typedef struct kt_exec_result {
	int exit_code; /* 126 not executable, 127 not found (output says so), 128 + n by signal */
	bool truncated;
	kt_buf output; /* stdout and stderr interleaved; kt_buf_deinit */
} kt_exec_result;

/* An interactive command. Made by exec_open, ended by close; one thread at a time per call. */
typedef struct kt_exec_session kt_exec_session;
struct kt_exec_session {
	int in_fd;  /* write input here; owned by the session. Close through close_input. */
	int out_fd; /* read output until end of file (a pty may end with EIO) */
	int (*resize)(kt_exec_session *self, uint16_t rows, uint16_t cols, kt_err *err);
	void (*close_input)(kt_exec_session *self);
	/* Waits for the end of the command. */
	int (*wait)(kt_exec_session *self, kt_instant deadline, const kt_cancel *cancel,
		    int *ret_exit_code, kt_err *err);
	void (*close)(kt_exec_session *self); /* kills what still runs, frees; NULL not allowed */
};

/* Takes bytes; 0 to go on, -1 with err set to stop. */
typedef int (*kt_sink_fn)(void *ctx, const void *data, size_t len, kt_err *err);

/* ---- the table --------------------------------------------------------------------- */

typedef struct kt_backend kt_backend;

typedef struct kt_backend_ops {
	const char *name;         /* "native", "docker", "kubernetes", "fake" */
	const char *cluster_type; /* what get_cluster_type() answers: "docker" or "kubernetes" */

	/* Frees. Enclaves and services live on. */
	void (*close)(kt_backend *self);

	/* -- enclaves -- */
	/* EXISTS if the uuid or the name is taken. */
	int (*enclave_create)(kt_backend *self, const kt_enclave_spec *spec, kt_err *err);
	/* SIGKILLs every service; everything else stays. Nothing to stop is no error. */
	int (*enclave_stop)(kt_backend *self, const char *enclave, kt_err *err);
	/* Removes everything the enclave has on this backend. Resumes a broken destroy. */
	int (*enclave_destroy)(kt_backend *self, const char *enclave, kt_err *err);
	int (*enclave_inspect)(kt_backend *self, const char *enclave, kt_arena *arena,
			       kt_enclave_info *ret, kt_err *err);
	/* Every enclave, also half-made ones. */
	int (*enclave_list)(kt_backend *self, kt_arena *arena, kt_enclave_list *ret, kt_err *err);

	/* -- services -- */
	/*
	 * Gives the service the lowest free address (from .5 of the subnet) and keeps it
	 * until service_release, over stop, start and update. Repeating it for the same uuid
	 * returns the same address. EXISTS: another service has the name; EXHAUSTED: none free.
	 */
	int (*service_reserve)(kt_backend *self, const char *enclave, const char *uuid,
			       const char *name, struct in_addr *ret_ip, kt_err *err);
	/* Removes container and reservation; the logs stay until the enclave goes. Idempotent. */
	int (*service_release)(kt_backend *self, const char *enclave, const char *uuid,
			       kt_err *err);
	/*
	 * Creates the container from spec and starts it; returns when its program has been
	 * executed and its public ports are bound (not: are answered). A container the uuid
	 * already has is removed first (update). PRECONDITION: not reserved. EXISTS with
	 * "address already in use": a public_number is taken. On failure no container stays.
	 */
	int (*service_start)(kt_backend *self, const char *enclave, const kt_service_spec *spec,
			     const kt_cancel *cancel, kt_arena *arena, kt_service_info *ret,
			     kt_err *err);
	/* Starts a stopped one again: same files, address, spec. PRECONDITION if it runs. */
	int (*service_restart)(kt_backend *self, const char *enclave, const char *uuid,
			       kt_arena *arena, kt_service_info *ret, kt_err *err);
	/* Stop signal, grace, SIGKILL; returns when it has ended. Stopped already is no error. */
	int (*service_stop)(kt_backend *self, const char *enclave, const char *uuid,
			    int64_t grace_ms, kt_err *err);
	int (*service_inspect)(kt_backend *self, const char *enclave, const char *uuid,
			       kt_arena *arena, kt_service_info *ret, kt_err *err);
	int (*service_list)(kt_backend *self, const char *enclave, kt_arena *arena,
			    kt_service_list *ret, kt_err *err);
	/*
	 * A descriptor that becomes readable when the service's process has ended (at once if
	 * it has). Closed by the caller; do not read from it, ask service_inspect.
	 */
	int (*service_exit_fd)(kt_backend *self, const char *enclave, const char *uuid, int *ret_fd,
			       kt_err *err);
	/*
	 * Appends the last `lines` lines (0 = all) of what the service wrote, as it wrote it,
	 * stdout and stderr in order of arrival; everything written before an exit that
	 * service_inspect shows is there. Stops at ret->max. Works after exit and release.
	 */
	int (*service_logs)(kt_backend *self, const char *enclave, const char *uuid, size_t lines,
			    kt_buf *ret, kt_err *err);
	/* Appends the "spec.json" of a dump: all that the backend knows, as JSON. */
	int (*service_describe)(kt_backend *self, const char *enclave, const char *uuid,
				kt_buf *ret, kt_err *err);
	/* PRECONDITION: not running. A command that cannot be executed is a result. */
	int (*exec)(kt_backend *self, const char *enclave, const char *uuid,
		    const kt_exec_spec *spec, kt_exec_result *ret, kt_err *err);
	int (*exec_open)(kt_backend *self, const char *enclave, const char *uuid,
			 const kt_exec_spec *spec, kt_exec_session **ret, kt_err *err);
	/*
	 * Sends an uncompressed tar to sink: for a directory its contents (named relative to
	 * it), for a file that file under its base name. "dir/" followed by a lone star is
	 * "dir". Also from a stopped service. NOT_FOUND names the path.
	 */
	int (*copy_out)(kt_backend *self, const char *enclave, const char *uuid, const char *path,
			kt_sink_fn sink, void *sink_ctx, const kt_cancel *cancel, kt_err *err);

	/* -- network -- */
	/*
	 * A connected TCP socket (blocking, close-on-exec). One attempt, no waiting for a
	 * listener: err->sys_errno is connect's (ECONNREFUSED …).
	 */
	int (*dial)(kt_backend *self, const char *enclave, struct in_addr ip, uint16_t port,
		    kt_instant deadline, const kt_cancel *cancel, int *ret_fd, kt_err *err);
	/* A TCP socket listening inside the enclave, for the API container; ret_ip: where. */
	int (*listen)(kt_backend *self, const char *enclave, uint16_t port, int *ret_fd,
		      struct in_addr *ret_ip, kt_err *err);

	/* -- images and host -- */
	int (*image_ensure)(kt_backend *self, const kt_pull_request *request, kt_arena *arena,
			    kt_pulled_image *ret, kt_err *err);
	int (*image_list)(kt_backend *self, kt_arena *arena, kt_pulled_image_list *ret,
			  kt_err *err);
	/* Takes an archive in OCI-layout or docker-archive form (tar, also compressed). */
	int (*image_load)(kt_backend *self, const char *path, kt_arena *arena,
			  kt_pulled_image_list *ret, kt_err *err);
	/* PRECONDITION: a service uses it. */
	int (*image_remove)(kt_backend *self, const char *ref, kt_err *err);
	int (*resources)(kt_backend *self, kt_resources *ret, kt_err *err);
} kt_backend_ops;

struct kt_backend {
	const kt_backend_ops *ops;
};

/* ---- helpers on top, the same for every backend (backend.c) ------------------------ */

void kt_backend_close(kt_backend *self); /* NULL allowed */

/* Waits for the end of the service; its exit code (or KT_EXIT_UNKNOWN). */
int kt_backend_wait_exit(kt_backend *self, const char *enclave, const char *uuid,
			 kt_instant deadline, const kt_cancel *cancel, int *ret_exit_code,
			 kt_err *err);

void kt_exec_result_deinit(kt_exec_result *self);
#define KT_AUTO_EXEC_RESULT KT_CLEANUP(kt_exec_result_deinit)

/* "TCP", "SCTP", "UDP"; "RUNNING" … */
const char *kt_protocol_name(kt_protocol protocol);
const char *kt_service_state_name(kt_service_state state);

/* Deep copy of an info into another arena. */
int kt_service_info_copy(const kt_service_info *from, kt_arena *arena, kt_service_info *ret,
			 kt_err *err);

#endif
