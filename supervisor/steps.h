/*
 * Setting up a container's process: a list of steps, built and checked by the supervisor, carried
 * out by the child between clone and exec.
 *
 * Building allocates and may fail with a message; carrying out allocates next to nothing, reports
 * the first failure as (step, errno, detail) over a socket and ends the child. The
 * order of the list is the security argument: see launch_plan.c.
 */
#ifndef KT_SUPERVISOR_STEPS_H
#define KT_SUPERVISOR_STEPS_H

#include "base/arena.h"
#include "sysfilter.h"
#include "spec.h"
#include "users.h"

/* kind, what a failure could not do: "cannot <text> …" */
#define KT_SUP_STEPS(X)                                                                            \
	X(JOIN, "enter the service's namespaces")                                                  \
	X(PRIVATE, "make the mounts private")                                                      \
	X(STAGE, "make room for device nodes")                                                     \
	X(DEVICE, "make the device")                                                               \
	X(OVERLAY, "mount the image's layers")                                                     \
	X(SOURCE, "take the mount source")                                                         \
	X(PIVOT, "enter the new root")                                                             \
	X(FILESYSTEM, "mount")                                                                     \
	X(ATTACH, "mount at")                                                                      \
	X(NODE, "make the device node")                                                            \
	X(LINK, "make the link")                                                                   \
	X(PREFILL, "fill from the image the volume at")                                            \
	X(WAIT, "hear from the supervisor")                                                        \
	X(CGROUPS, "make a control group namespace")                                               \
	X(SYSCTL, "set")                                                                           \
	X(NETWORK, "set up eth0")                                                                  \
	X(MASK, "hide")                                                                            \
	X(READ_ONLY, "make read-only")                                                             \
	X(HOSTNAME, "set the host name")                                                           \
	X(KEYRING, "make a session keyring")                                                       \
	X(FILES_LIMIT, "set the limit of open files")                                              \
	X(RLIMIT, "set the resource limit")                                                        \
	X(USER, "find the user")                                                                   \
	X(TERMINAL, "open a terminal")                                                             \
	X(OWN_STREAMS, "give the standard streams to the user")                                    \
	X(DIRECTORY, "change to the working directory")                                            \
	X(INIT, "start the init process")                                                          \
	X(SESSION, "start a session")                                                              \
	X(STREAMS, "connect the standard streams")                                                 \
	X(BOUND, "give up capabilities")                                                           \
	X(GROUPS, "set the groups")                                                                \
	X(NO_NEW_PRIVS, "forbid new privileges")                                                   \
	X(FILTER, "load the system call filter")                                                   \
	X(IDENTITY, "become the user")                                                             \
	X(CAPABILITIES, "set the capabilities")                                                    \
	X(EXEC, "start the program")

typedef enum kt_sup_step_kind {
#define KT_SUP_STEP_ENUM(name, text) KT_SUP_STEP_##name,
	KT_SUP_STEPS(KT_SUP_STEP_ENUM)
#undef KT_SUP_STEP_ENUM
		KT_SUP_STEP_COUNT
} kt_sup_step_kind;

#define KT_SUP_SLOTS_MAX 128

/* What a, b, n, m mean is written at the step's function. Text lives in the plan's arena or in
 * the spec. */
typedef struct kt_sup_step {
	kt_sup_step_kind kind;
	const char *a;
	const char *b;
	uint64_t n;
	uint64_t m;
} kt_sup_step;

typedef struct kt_sup_plan {
	kt_arena arena;
	KT_VEC(kt_sup_step) steps;
	size_t slots; /* mount sources taken so far */
} kt_sup_plan;

/* Descriptors that outlive the set-up in the init process, at fixed numbers, so that a later
 * supervisor finds the terminal by pidfd_getfd. */
#define KT_SUP_INIT_EXIT_FD 3
#define KT_SUP_INIT_PTY_FD 4

/* What the child works on. Everything is borrowed from the parent's memory (copy on write). */
typedef struct kt_sup_child {
	const kt_sup_plan *plan;
	const kt_sup_spec *spec;     /* argv and layers; for an exec its args, see env */
	const kt_sup_texts *env;     /* complete but for HOME */
	const kt_sup_filter *filter; /* NULL: none */
	const char *user;
	uint64_t caps;
	int report;	/* socket to the supervisor, close-on-exec */
	int streams[3]; /* to become 0, 1, 2; -1 with a terminal */
	int exit_fd;	/* where init writes the exit status; -1 without init */
	int join_pidfd; /* exec: the service's first process */
	char *title;	/* where the process title may be overwritten, or NULL */
	size_t title_len;
	/* state of the child itself */
	int slots[KT_SUP_SLOTS_MAX];
	int pty_master;
	kt_sup_user who;
	char detail[256]; /* what a failing step wants to say beside errno */
} kt_sup_child;

/* What goes over the report socket: from the child… */
typedef enum kt_sup_report_kind {
	KT_SUP_REPORT_FAILED = 1,   /* step, error, detail */
	KT_SUP_REPORT_TERMINAL = 2, /* the pty's master rides along */
} kt_sup_report_kind;

typedef struct kt_sup_report {
	int32_t kind;
	int32_t step;
	int32_t error; /* errno */
	char detail[256];
} kt_sup_report;

/* …and to it: one byte when the network is there (end of file: the supervisor is gone). */
#define KT_SUP_GO 'g'

/* Appends a step; NULL texts are allowed. -1 on OOM. */
int kt_sup_plan_add(kt_sup_plan *self, kt_sup_step_kind kind, const char *a, const char *b,
		    uint64_t n, uint64_t m);
void kt_sup_plan_deinit(kt_sup_plan *self);

/* Carries the plan out and never returns: execs, or reports and exits. */
KT_NORETURN void kt_sup_child_run(kt_sup_child *self);
/* "cannot set the host name" … for messages. */
const char *kt_sup_step_text(int kind);

/* One step each: 0 or -errno. In child_mounts.c: */
int kt_sup_child_private(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_overlay(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_source(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_pivot(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_filesystem(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_stage(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_device(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_attach(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_node(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_link(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_prefill(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_mask(kt_sup_child *self, const kt_sup_step *step);
int kt_sup_child_read_only(kt_sup_child *self, const kt_sup_step *step);
/* Closes every descriptor the rest of the set-up does not need, so that none leads to the host. */
void kt_sup_child_close_others(const kt_sup_child *self);
/* A path inside the new root as O_PATH descriptor, never through magic links; made if missing and
 * wanted (0 = must exist, S_IFDIR or S_IFREG). */
int kt_sup_child_open(const char *path, unsigned make);

/* init.c: what process 1 does until `program` has ended. */
KT_NORETURN void kt_sup_init_run(pid_t program, bool keep_pty);

#endif
