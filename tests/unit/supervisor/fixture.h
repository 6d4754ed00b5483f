/*
 * A supervisor in a temporary runtime directory, a tiny image, and a client that asks it.
 * Every failure fails the running test; clean-up destroys the enclave whatever happened.
 */
#ifndef KT_TESTS_UNIT_SUPERVISOR_FIXTURE_H
#define KT_TESTS_UNIT_SUPERVISOR_FIXTURE_H

#include "../kt_test.h"

#include "backend/native/sup_proto.h"
#include "base/buf.h"
#include "base/clock.h"

#include <sys/types.h>

typedef struct fx_event {
	kt_buf msg;
	struct fx_event *next;
} fx_event;

typedef struct fixture {
	const char *reason; /* not NULL: containers cannot run here; tests skip */
	char *tmp;
	char enclave[33]; /* its id: control groups are named by it, so it is this run's own */
	char *dir;	  /* the enclave's runtime directory */
	char *layer;	  /* the image's one layer */
	pid_t pid;	  /* the supervisor */
	int without_cap;  /* a capability that the next supervisor does not get; 0 = all */
	int sock;
	uint32_t next_id;
	fx_event *events;
	char peer_log[512];
} fixture;

typedef struct fx_reply {
	kt_buf msg;
	kt_sup_reader fields;
	int fds[KT_SUP_FDS_MAX];
	size_t fd_count;
} fx_reply;

/* cmocka group fixtures: *state is a fixture*. */
int fx_setup(void **state);
int fx_teardown(void **state);
/* Skips the test with a message when the fixture cannot work here. */
#define FX_OR_SKIP(fx)                                                                             \
	do {                                                                                       \
		if ((fx)->reason) {                                                                \
			print_message("skipped: %s\n", (fx)->reason);                              \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

void fx_start(fixture *fx); /* the supervisor; returns when it listens */
void fx_kill(fixture *fx);  /* SIGKILL */
void fx_connect(fixture *fx);
void fx_destroy(fixture *fx); /* offline, by the program's --destroy */

/* Starts a request in msg. */
void fx_begin(fixture *fx, kt_buf *msg, kt_sup_type type);
/* Sends msg (cleared afterwards) and waits for its reply. */
void fx_call(fixture *fx, kt_buf *msg, const int *fds, size_t fd_count, fx_reply *ret);
/* The same, and the reply must say OK. */
void fx_call_ok(fixture *fx, kt_buf *msg, fx_reply *ret);
void fx_reply_deinit(fx_reply *reply);

/* A launch request for "probe ARG…"; add more fields before fx_call. The arguments end with NULL.
 */
void fx_spec(fixture *fx, kt_buf *msg, const char *id, unsigned host, const char *first, ...);
/* Launches "probe ARG…" and waits until the program runs. Returns the time the launch took. */
int64_t fx_launch(fixture *fx, const char *id, unsigned host, const char *first, ...);
/* Waits for the end of a service; its exit code. */
int fx_wait_exit(fixture *fx, const char *id);
/* Waits for the next word that a service has started. */
void fx_wait_started(fixture *fx, const char *id);
/* Launches, waits for the end, returns the output without time stamps (caller frees). */
char *fx_run(fixture *fx, const char *id, unsigned host, const char *first, ...);
/* As fx_run with a request made by fx_spec. */
char *fx_run_spec(fixture *fx, const char *id, kt_buf *msg);
/* Runs "probe ARG…" in a service; output of both streams (caller frees) and exit code. */
char *fx_exec(fixture *fx, const char *id, const char *user, int *ret_code, const char *first, ...);
/* The text of a service's log so far (caller frees). */
char *fx_log(fixture *fx, const char *id);
/* Waits until the log holds text. */
void fx_wait_log(fixture *fx, const char *id, const char *text);
void fx_remove(fixture *fx, const char *id);
/* Simple requests with an id. */
void fx_simple(fixture *fx, kt_sup_type type, const char *id, fx_reply *ret);
/* Private memory of a process in kB (smaps_rollup). */
long fx_private_kb(pid_t pid);

#endif
