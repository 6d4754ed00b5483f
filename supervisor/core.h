/*
 * The supervisor's state and the parts that share it: enclave, services, commands, clients.
 *
 * One thread, one loop (loop.h). Everything that must survive the supervisor is in the enclave's
 * runtime directory:
 *
 *   lock, children     held while a supervisor runs, and by children it has not let go yet
 *   enclave            which control groups belong to the enclave
 *   netns              the network namespace, pinned by a bind mount
 *   sup.sock           control socket (sup_proto.h)
 *   services/<id>/     spec (the launch request), state (pid, start time, exit), exit (written
 *                      by the service's init), stdin stdout stderr (FIFOs), hosts, hostname,
 *                      resolv.conf, root/ (mount point), and upper/ and work/ unless the spec
 *                      has another place for them
 *   trash/             removed services on their way out
 */
#ifndef KT_SUPERVISOR_CORE_H
#define KT_SUPERVISOR_CORE_H

#include "backend/native/sup_proto.h"
#include "base/vec.h"
#include "cgroup.h"
#include "loop.h"
#include "net.h"
#include "pump.h"
#include "spec.h"
#include "steps.h"

#include <limits.h>

#define KT_SUP_PART "supervisor" /* in log lines */

typedef struct kt_supervisor kt_supervisor;

/* Who gets a late answer. The client may be gone by then: serials are not reused. */
typedef struct kt_sup_asker {
	uint64_t client;
	uint32_t request;
} kt_sup_asker;

/* What a service (or command) has become. */
typedef struct kt_sup_exit {
	bool ended;
	bool unknown; /* nobody saw how */
	bool oom_killed;
	int code;   /* 0–255, 128 + signal */
	int signal; /* 0 = ended by itself */
} kt_sup_exit;

/* A process between clone and exec, as the supervisor sees it. */
typedef struct kt_sup_launch {
	int report; /* -1 when it has exec'ed or ended */
	kt_sup_watch watch;
	bool failed;
	kt_sup_report failure;
	int terminal; /* a pty's master that came; -1 */
	kt_instant asked_at;
	int64_t took_ns;
} kt_sup_launch;

typedef struct kt_sup_service {
	kt_supervisor *sup;
	char id[KT_SUP_ID_MAX + 1];
	char *name; /* NULL: none */
	char *hostname;
	struct in_addr ip;
	uint64_t flags;
	uint64_t caps;
	int stop_signal;
	bool limited_v1; /* its processes sit in v1 groups, too */
	kt_sup_state state;
	pid_t pid;
	int pidfd;	      /* -1 while stopped */
	uint64_t start_ticks; /* of /proc/PID/stat: tells a reused pid */
	bool adopted;	      /* not our child */
	int64_t started_ns;
	kt_sup_exit exit;
	kt_sup_watch pidfd_watch;
	kt_sup_timer kill_timer;
	kt_sup_launch launch;
	kt_sup_pump pump;
	bool fresh; /* first launch: a failure removes the service */
	bool removing;
	bool halted; /* somebody stopped it: it is not started again by itself */
	kt_sup_timer restart_timer;
	int64_t backoff_ms;
	KT_VEC(kt_sup_asker) launch_askers;
	KT_VEC(kt_sup_asker) stop_askers;
	KT_VEC(kt_sup_asker) remove_askers;
} kt_sup_service;

typedef struct kt_sup_exec {
	kt_supervisor *sup;
	uint64_t id;
	kt_sup_asker asker;
	pid_t pid;
	int pidfd;
	kt_sup_watch pidfd_watch;
	kt_sup_launch launch;
} kt_sup_exec;

typedef struct kt_sup_client {
	kt_supervisor *sup;
	uint64_t serial;
	int sock;
	bool greeted;
	bool subscribed;
	bool dropped; /* to be freed when its callback is over */
	kt_sup_watch watch;
	KT_VEC(kt_buf) queue; /* messages the socket would not take yet */
	size_t queued_bytes;
} kt_sup_client;

struct kt_supervisor {
	kt_sup_loop loop;
	const char *dir; /* absolute */
	const char *enclave;
	char boot_id[40];
	kt_sup_cgroups cgroups;
	kt_sup_filter filter; /* for the default capabilities */
	int nl;
	int bridge;
	int own_pid_ns;
	kt_sup_net *net;
	KT_VEC(kt_sup_service *) services;
	KT_VEC(kt_sup_exec *) execs;
	KT_VEC(kt_sup_client *) clients;
	uint64_t next_client;
	uint64_t next_exec;
	uint64_t next_trash;
	int lock;
	int children; /* held by everybody who has inherited our descriptors */
	int listener;
	kt_sup_watch listener_watch;
	int signals;
	kt_sup_watch signals_watch;
	kt_sup_scratch *scratch;
	kt_buf request; /* the message being handled; wiped afterwards */
	kt_buf reply;
	KT_VEC(kt_sup_asker) stop_all_askers;
	bool destroying;
	kt_sup_asker destroyer;
	bool limits_warned;
	uint64_t open_files; /* the soft limit it was started with */
	char *title;	     /* the process title's room, for init */
	size_t title_len;
};

/* enclave.c */

/* Namespace, bridge, control group, directories: made, or found from an earlier supervisor. */
int kt_sup_enclave_open(kt_supervisor *self, kt_err *err);
/* Finishes removals that an earlier supervisor had begun, in a child. */
void kt_sup_enclave_clean(kt_supervisor *self);
/*
 * Removes everything that belongs to the enclave in `dir` (absolute), whatever state it is in, with
 * no supervisor running: processes, groups, mounts, directories. Repeatable. Waits at most until
 * the deadline for processes to end.
 */
int kt_sup_enclave_destroy(const char *dir, kt_instant deadline, kt_err *err);

/* state.c */

/* "<dir>/services/<id>[/<name>]"; the longest fits PATH_MAX or this fails at launch. */
void kt_sup_service_path(const kt_sup_service *service, const char *name, char ret[PATH_MAX]);
int kt_sup_state_save(const kt_sup_service *service, kt_err *err);
/* Reads what an earlier supervisor saved; ENOENT-like NOT_FOUND when there is none. */
int kt_sup_state_load(kt_sup_service *service, char boot_id[40], kt_err *err);
/* What the service's init wrote: false when nothing. */
bool kt_sup_state_read_exit(const kt_sup_service *service, kt_sup_exit *ret);
/* The stored launch request. The caller wipes (kt_sup_spec_unload). */
int kt_sup_spec_load(const char *service_dir, kt_buf *buf, kt_sup_spec *ret, kt_err *err);
void kt_sup_spec_unload(kt_buf *buf, kt_sup_spec *spec);
/* Start time of a process in clock ticks; 0 when it is gone. */
uint64_t kt_sup_start_ticks(pid_t pid);
void kt_sup_boot_id(char ret[40]);
/* Directory that holds upper/ and work/ of a service. */
void kt_sup_layer_dir(const char *service_dir, const char *id, const char *upper_dir,
		      char ret[PATH_MAX]);

/* launch.c */

/* Clones and sets the service going; the outcome comes through kt_sup_service_launched. */
int kt_sup_launch_service(kt_sup_service *service, const kt_sup_spec *spec, kt_err *err);
/* Reads reports until the socket is empty: true when the launch is over (well or failed). */
bool kt_sup_launch_read(kt_sup_launch *launch);
void kt_sup_launch_close(kt_sup_launch *launch);
/* Opens the FIFOs (or takes the terminal) and starts the log pump. */
int kt_sup_launch_pump(kt_sup_service *service, const kt_sup_spec *spec, kt_err *err);
/* Turns a child's report into an error. */
int kt_sup_launch_error(const kt_sup_launch *launch, kt_err *err);
/* Clones a command into a running service. */
int kt_sup_launch_exec(kt_sup_service *service, kt_sup_exec *exec, const kt_sup_spec *request,
		       const int streams[3], kt_err *err);

/* service.c */

kt_sup_service *kt_sup_service_find(kt_supervisor *self, const char *id);
int kt_sup_service_add(kt_supervisor *self, const kt_sup_spec *spec, kt_sup_service **ret,
		       kt_err *err);
int kt_sup_service_watch(kt_sup_service *service, kt_err *err);
int kt_sup_service_start(kt_sup_service *service, const kt_sup_spec *spec, kt_instant asked_at,
			 kt_err *err);
/* Begins to stop; the kill timer follows. A stopped service: no effect. */
void kt_sup_service_stop(kt_sup_service *service, int sig, int64_t grace_ms);
void kt_sup_service_kill(kt_sup_service *service);
/* No restart by itself from now on. */
void kt_sup_service_halt(kt_sup_service *service);
/* Deletes a stopped service; frees it. */
void kt_sup_service_delete(kt_sup_service *service);
/* Takes over what runs (or ran) from the directories. */
int kt_sup_service_adopt_all(kt_supervisor *self, kt_err *err);
/* On launch.report becoming readable. */
void kt_sup_service_on_report(kt_sup_watch *watch, uint32_t events);
/* SIGCHLD: whoever it was. */
void kt_sup_reap(kt_supervisor *self);
void kt_sup_service_free(kt_sup_service *service);
size_t kt_sup_service_live(const kt_supervisor *self);

/* exec.c */

int kt_sup_exec_start(kt_sup_service *service, kt_sup_asker asker, const kt_sup_spec *request,
		      const int *fds, size_t fd_count, kt_err *err);
int kt_sup_exec_signal(kt_supervisor *self, uint64_t id, int sig, kt_err *err);
void kt_sup_exec_on_report(kt_sup_watch *watch, uint32_t events);
void kt_sup_exec_check(kt_sup_exec *exec); /* reaps it if it has ended; may free it */

/* server.c */

int kt_sup_server_open(kt_supervisor *self, kt_err *err);
void kt_sup_server_close(kt_supervisor *self);
/* Starts a reply in self->reply; add fields, then kt_sup_server_send. err NULL or empty = success.
 */
void kt_sup_server_begin(kt_supervisor *self, kt_sup_asker to, const kt_err *err);
/* Sends self->reply; fd (-1: none) is borrowed. */
void kt_sup_server_send(kt_supervisor *self, kt_sup_asker to, int fd);
void kt_sup_server_answer(kt_supervisor *self, kt_sup_asker to, const kt_err *err);
/* Sends self->reply (an event) to every subscriber. */
void kt_sup_server_publish(kt_supervisor *self);
void kt_sup_put_exit(kt_buf *msg, const kt_sup_exit *exit);

#endif
