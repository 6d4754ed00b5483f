/* What the files of the engine share. Not for other modules. */
#ifndef KT_ENGINE_ENGINE_INTERNAL_H
#define KT_ENGINE_ENGINE_INTERNAL_H

#include "api/api.h"
#include "api/services.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "engine/engine.h"

#include <sqlite3.h>
#include <sys/types.h>

/* ---- state on disk (db.c) ------------------------------------------------------------- */

typedef enum kt_enclave_phase {
	KT_PHASE_CREATING, /* recorded before anything of it exists */
	KT_PHASE_RUNNING,
	KT_PHASE_STOPPED,
	KT_PHASE_DESTROYING,
} kt_enclave_phase;

/* An API container's process. */
typedef struct kt_apic_proc {
	pid_t pid;        /* 0 = none */
	uint64_t started; /* in clock ticks since boot: pid and this name a process for good */
	uint16_t port;    /* on loopback; kept over restarts where possible */
} kt_apic_proc;

typedef struct kt_enclave_row {
	kt_uuid uuid;
	char *name;
	int64_t created_ns;
	bool production;
	char *log_level; /* of the API container */
	kt_enclave_phase phase;
	kt_apic_proc apic;
} kt_enclave_row;

void kt_enclave_row_deinit(kt_enclave_row *self);

typedef struct kt_identifier {
	kt_uuid uuid;
	char *name;
} kt_identifier;

typedef KT_VEC(kt_enclave_row) kt_enclave_rows;
typedef KT_VEC(kt_identifier) kt_identifiers;

typedef struct kt_engine_db kt_engine_db; /* one thread at a time */
KT_MUST_USE kt_engine_db *kt_engine_db_open(const char *path, kt_err *err);
void kt_engine_db_close(kt_engine_db *self); /* NULL allowed */
int kt_engine_db_load(kt_engine_db *self, kt_enclave_rows *ret, kt_identifiers *ret_history,
		      kt_err *err);
/* Inserts or replaces. */
int kt_engine_db_put(kt_engine_db *self, const kt_enclave_row *row, kt_err *err);
int kt_engine_db_delete(kt_engine_db *self, const char *uuid, kt_err *err);
/* Appends to what enclaves were ever called. */
int kt_engine_db_remember(kt_engine_db *self, const kt_identifier *item, kt_err *err);

/* ---- API containers as processes (apic_proc.c) ---------------------------------------- */

typedef struct kt_apic_spec_line {
	const char *uuid;
	const char *name;
	const char *log_level;
	bool production;
	uint16_t port;        /* wished for; 0 = any */
	const char *log_path; /* its stdout and stderr are appended there */
} kt_apic_spec_line;

/* One that is being started. */
typedef struct kt_apic_birth {
	kt_apic_proc proc;
	int pidfd;
	int ready; /* it says there that it accepts calls */
	int go;    /* it waits for a byte from there before it touches the enclave */
} kt_apic_birth;

#define KT_APIC_BIRTH_INIT {{0, 0, 0}, -1, -1, -1}
/* Starts the process, which loads its libraries while the enclave is made. */
int kt_apic_begin(const kt_apic_spec_line *spec, kt_apic_birth *ret, kt_err *err);
/* Lets it go on, and waits until it accepts calls. Takes birth; nothing is left on failure. */
int kt_apic_finish(const kt_apic_spec_line *spec, kt_apic_birth *birth, kt_apic_proc *ret,
		   int *ret_pidfd, kt_err *err);
/* Ends one that was begun and not finished. Harmless otherwise. */
void kt_apic_abandon(kt_apic_birth *birth);
/* Begin and finish at once; tries another port when the wish is taken. */
int kt_apic_spawn(const kt_apic_spec_line *spec, kt_apic_proc *ret, int *ret_pidfd, kt_err *err);
/* A pidfd of the recorded process, or -1 when it is gone or its pid is another's now. */
int kt_apic_open(const kt_apic_proc *proc);
/* SIGTERM, SIGKILL after grace_ms (0 = at once); returns when it has ended. */
void kt_apic_kill(const kt_apic_proc *proc, int64_t grace_ms);

/* ---- the engine ----------------------------------------------------------------------- */

/* An enclave as the engine runs it. */
typedef struct kt_enclave_entry {
	kt_enclave_row row;
	int pidfd;  /* of the API container; -1 = none */
	int keeper; /* descriptor of deps->keeper_fd; -1 = none */
	kt_instant apic_since;
	unsigned apic_deaths; /* in a row, each soon after its start */
} kt_enclave_entry;

typedef struct kt_engine {
	const kt_engine_deps *deps;
	kt_backend *backend;
	int64_t retention_ns; /* of logs */
	/*
	 * `manage` serialises what changes enclaves and is taken first; `lock` guards the fields
	 * below it and is held briefly.
	 */
	pthread_mutex_t manage;
	pthread_mutex_t lock;
	kt_engine_db *db;
	KT_VEC(kt_enclave_entry *) enclaves; /* in order of creation */
	kt_identifiers history;
	int epoll; /* pidfds and keepers; see watch.c */
	kt_cancel *stop;
	pthread_t watcher;
	bool watching;
} kt_engine;

KT_MUST_USE kt_engine *kt_engine_new(const kt_engine_deps *deps, kt_err *err);
void kt_engine_free(kt_engine *self); /* enclaves live on; NULL allowed */
/* Takes up the enclaves that are recorded: watches or restarts their API containers. */
int kt_engine_resume(kt_engine *self, bool restart_apics, kt_err *err);

typedef struct kt_new_enclave {
	const char *name; /* "" = generate */
	const char *log_level;
	bool production;
} kt_new_enclave;

/* ret_uuid names the new enclave. */
int kt_engine_create(kt_engine *self, const kt_new_enclave *spec, kt_uuid *ret_uuid, kt_err *err);
int kt_engine_stop(kt_engine *self, const char *identifier, kt_err *err);
int kt_engine_destroy(kt_engine *self, const char *identifier, kt_err *err);
/* Appends what was removed, sorted by uuid. */
int kt_engine_clean(kt_engine *self, bool all, kt_identifiers *ret, kt_err *err);
void kt_identifiers_deinit(kt_identifiers *self);
/* Full uuid, short uuid or name of an existing enclave; the original's texts. */
int kt_engine_resolve(kt_engine *self, const char *identifier, kt_uuid *ret, kt_err *err);
/* The entry of a uuid, or NULL. With `lock` held. */
kt_enclave_entry *kt_engine_find(kt_engine *self, const char *uuid);
/* Starts the enclave's API container (again) and records it. With `manage` held. */
int kt_engine_start_apic(kt_engine *self, const char *uuid, kt_err *err);
/* <root>/enclaves/UUID/logs/SERVICE.log; the caller frees. */
char *kt_engine_log_path(const kt_engine *self, const char *enclave, const char *service);

/* Everything of all enclaves, also of those that only the backend knows. */
typedef struct kt_enclave_view {
	kt_uuid uuid;
	const char *name;
	int64_t created_ns;
	bool production;
	const char *gateway_ip;
	EngineApi__EnclaveContainersStatus containers;
	EngineApi__EnclaveAPIContainerStatus apic;
	uint16_t apic_port;
} kt_enclave_view;

typedef KT_VEC(kt_enclave_view) kt_enclave_views;
/* Strings live in the arena; ret is appended to. */
int kt_engine_views(kt_engine *self, kt_arena *arena, kt_enclave_views *ret, kt_err *err);
/* Of one enclave, without asking for the others. */
int kt_engine_view(kt_engine *self, const char *uuid, kt_arena *arena, kt_enclave_view *ret,
		   kt_err *err);

/* ---- watching (watch.c) ---------------------------------------------------------------- */

int kt_engine_watch(kt_engine *self, kt_err *err);
/*
 * Replaces API containers that have died just now, so that who asks for enclaves sees them
 * running. Blocks while one starts. Without `manage` held.
 */
void kt_engine_settle(kt_engine *self);
void kt_engine_unwatch(kt_engine *self);
/* Adds a descriptor of the entry: its pidfd or keeper. With `lock` held. */
int kt_engine_watch_fd(kt_engine *self, int fd, kt_err *err);

/* ---- names (names.c) -------------------------------------------------------------------- */

/* 0 when it may be an enclave's name. */
int kt_enclave_name_check(const char *name, kt_err *err);
/* A fresh one: `taken` says which are used. The caller frees; NULL on OOM. */
char *kt_enclave_name_make(bool (*taken)(void *ctx, const char *name), void *ctx);

/* ---- rpcs (rpcs.c, rpc_logs.c) ------------------------------------------------------------ */

extern const kt_grpc_handler kt_engine_handlers[KT_ENGINE_RPC_COUNT];
int kt_engine_get_service_logs(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			       kt_err *err);

/* Protobuf strings are `char *` that nobody writes to. */
static inline char *kt_engine_pb(const char *text)
{
	return (char *)(uintptr_t)(text != NULL ? text : "");
}

#endif
