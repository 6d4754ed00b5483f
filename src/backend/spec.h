/*
 * What a caller hands to a backend: enclaves, services, image requests, as plain data.
 *
 * Zero-initialise; 0 and NULL mean "as the image says", "none" or "no limit". String
 * arrays are NULL-terminated: a NULL array is "not given", an empty one is "empty".
 * Everything is borrowed for the duration of the call that gets it.
 */
#ifndef KT_BACKEND_SPEC_H
#define KT_BACKEND_SPEC_H

#include "base/base.h"
#include "base/clock.h"
#include "base/thread.h"

typedef enum kt_protocol { KT_TCP, KT_SCTP, KT_UDP } kt_protocol; /* numbers as in the API */

typedef struct kt_kv {
	const char *key;
	const char *value;
} kt_kv;

typedef struct kt_port_spec {
	const char *id;
	uint16_t number;          /* inside the enclave */
	kt_protocol protocol;
	const char *app_protocol; /* "http" …; NULL or "" = none. Only carried along. */
	uint16_t public_number;   /* exact host port; 0 = chosen by the backend */
	/*
	 * TCP and SCTP ports are published. A UDP port is only if public_number is set or
	 * the spec says publish_udp.
	 */
} kt_port_spec;

/*
 * Shows a directory (or one file) of this host at mount_path, hiding what the image has there. The
 * service gets a writable copy of its own. Entries with the same mount_path are merged
 * in their order, later ones winning.
 */
typedef struct kt_file_mount {
	const char *mount_path;
	const char *host_dir; /* absolute */
	const char *label;    /* artifact's name, for errors */
} kt_file_mount;

/* A directory kept per enclave and key, shared by key; filled from the image on first use. */
typedef struct kt_persistent_dir {
	const char *mount_path;
	const char *key;
	uint64_t size_bytes; /* a wish; may be ignored */
} kt_persistent_dir;

typedef struct kt_bind_mount {
	const char *host_path;
	const char *mount_path;
} kt_bind_mount;

typedef struct kt_ulimit {
	const char *name; /* "nofile", "memlock" … without RLIMIT_ */
	int64_t value;    /* soft and hard; -1 = unlimited */
} kt_ulimit;

typedef struct kt_gpu_spec {
	int64_t count; /* 0 = none, < 0 = all */
	const char *const *device_ids; /* NULL or NULL-terminated; wins over count */
	const char *driver;
	const char *k8s_resource;
} kt_gpu_spec;

/*
 * One service. The caller has replaced the private IP placeholder in entrypoint, cmd and
 * env already: it knows the address from service_reserve.
 */
typedef struct kt_service_spec {
	const char *uuid;
	const char *name;  /* also its DNS name */
	const char *image; /* fetched if missing */
	const char *const *entrypoint;
	const char *const *cmd;
	const kt_kv *env; /* added to the image's */
	size_t env_len;
	const kt_port_spec *ports;
	size_t ports_len;
	bool publish_udp;
	const kt_file_mount *files;
	size_t files_len;
	const kt_persistent_dir *persistent;
	size_t persistent_len;
	const kt_bind_mount *binds;
	size_t binds_len;
	const char *user;        /* "name", "uid" or "uid:gid" */
	const char *working_dir;
	const char *hostname;    /* NULL: first 12 digits of the uuid */
	const char *stop_signal; /* "SIGTERM" or a number; NULL: the image's, else SIGTERM */
	const kt_kv *labels;
	size_t labels_len;
	uint32_t cpu_millis; /* hard quota */
	uint32_t memory_mb;  /* hard limit in 10^6 bytes, no swap; at least 6 */
	uint32_t min_cpu_millis;
	uint32_t min_memory_mb;
	uint64_t shm_bytes; /* 0 = 64 MiB */
	const kt_ulimit *ulimits;
	size_t ulimits_len;
	const char *const *capabilities; /* added to the default set; with or without CAP_ */
	const char *const *devices;      /* host paths, same path inside, rwm */
	kt_gpu_spec gpu;
	bool privileged;
	bool host_pid;
	bool tini; /* run below a small init that reaps and passes signals */
	bool tty;
	bool restart_always; /* production enclaves: back-off 100 ms doubling to 1 min */
	const kt_kv *node_selectors; /* Kubernetes only */
	size_t node_selectors_len;
	const char *tolerations_json; /* Kubernetes only; NULL or a JSON array */
} kt_service_spec;

typedef struct kt_enclave_spec {
	const char *uuid;
	const char *name;
	bool no_internet; /* services reach only each other */
	bool production;
	const kt_kv *labels;
	size_t labels_len;
} kt_enclave_spec;

typedef enum kt_pull_mode { KT_PULL_ALWAYS, KT_PULL_MISSING } kt_pull_mode;

typedef struct kt_pull_request {
	const char *ref;
	kt_pull_mode mode;    /* ALWAYS falls back to a local copy when the pull fails */
	const char *platform; /* "linux/arm64"; NULL = this host's, else linux/amd64 */
	const char *registry; /* credentials count only when all three are set */
	const char *username;
	const char *password;
	/* Called on this thread: total is 0 while unknown. NULL = no reports. */
	void (*progress)(void *ctx, const char *ref, uint64_t done, uint64_t total);
	void *progress_ctx;
	kt_instant deadline;
	const kt_cancel *cancel;
} kt_pull_request;

#endif
