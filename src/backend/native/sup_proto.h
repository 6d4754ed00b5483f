/*
 * The control protocol between a client (backend/native) and an enclave's supervisor, and the
 * codec that both sides link. No library is needed.
 *
 * Transport: AF_UNIX, SOCK_SEQPACKET, <runtime>/enclaves/<uuid>/sup.sock (0600). One message is
 * one packet: a header, then fields. A field is {u16 tag, u16 0, u32 length, value}, in
 * the machine's byte order, unaligned. Text fields carry their final NUL, so that a receiver can
 * borrow them; numbers are 8 bytes; a group field's value is fields again. Repeated fields
 * keep their order. Unknown fields are skipped. A body longer than KT_SUP_INLINE_MAX travels in
 * a memory file: kt_sup_send and kt_sup_recv hide that. Descriptors ride along (SCM_RIGHTS).
 *
 * Every request gets exactly one KT_SUP_REPLY with its id, perhaps late (a stop answers when the
 * service is gone). Requests of one connection may be answered out of order. Events come only
 * after KT_SUP_SUBSCRIBE, except KT_SUP_EXEC_EXITED, which goes to the asker.
 * A supervisor that reads a malformed message drops the connection.
 */
#ifndef KT_BACKEND_NATIVE_SUP_PROTO_H
#define KT_BACKEND_NATIVE_SUP_PROTO_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#define KT_SUP_VERSION 1
#define KT_SUP_MAGIC UINT32_C(0x5053544b)
#define KT_SUP_INLINE_MAX 65536u
#define KT_SUP_BODY_MAX (4u << 20)
#define KT_SUP_FDS_MAX 8
#define KT_SUP_ID_MAX 64 /* characters of a service id: [A-Za-z0-9_-] */

/* What every enclave looks like inside. */
#define KT_SUP_SUBNET "172.16.0.0"
#define KT_SUP_PREFIX_LEN 22
#define KT_SUP_GATEWAY "172.16.0.1" /* the bridge; the resolver listens there */
#define KT_SUP_BRIDGE "kt0"
#define KT_SUP_MTU 1440

/*
 * Requests: fields in → fields of the reply (beside STATUS…). [x] = optional, x* = repeated.
 */
typedef enum kt_sup_type {
	/* VERSION → VERSION, ENCLAVE, PID. Send it first; other versions are refused. */
	KT_SUP_HELLO = 1,
	/* A service spec (below) → PID, LAUNCH_NS. Answers when the image's program was
	 * exec'ed or has failed; a failure leaves nothing behind but the log. ID must be new. */
	KT_SUP_SERVICE_LAUNCH = 2,
	/* ID → PID, LAUNCH_NS. Starts a stopped service again: same spec, same file system. */
	KT_SUP_SERVICE_START = 3,
	/* ID, [SIGNAL: the spec's STOP_SIGNAL], [GRACE_MS: 10000] → EXIT_*; answers when all
	 * of its processes are gone. A stopped service answers at once. */
	KT_SUP_SERVICE_STOP = 4,
	/* ID, SIGNAL. Sends the signal to the service's first process. */
	KT_SUP_SERVICE_SIGNAL = 5,
	/* ID. Kills it if it runs and deletes its state; log files stay. Unknown ID: success. */
	KT_SUP_SERVICE_REMOVE = 6,
	/* [ID] → SERVICE* (group: ID, NAME, IP, STATE, PID, EXIT_*, STARTED_NS) */
	KT_SUP_SERVICE_LIST = 7,
	/* ID → MEMORY_BYTES, CPU_NS, PIDS (each only where the host can tell) */
	KT_SUP_SERVICE_STATS = 8,
	/* ID, ARG*, ENV*, [CWD], [USER], [FLAGS: TTY, CLEAR_ENV], [ROWS, COLS], descriptors stdin,
	 * stdout, stderr (all three, none = /dev/null; with TTY none) → EXEC_ID, PID, with TTY:
	 * the pty's master. EXEC_EXITED follows. The service's own env, user and working
	 * directory are the defaults; ENV entries override single variables. A program that cannot
	 * be executed or found is a success with EXIT_CODE 126 or 127 and MESSAGE. */
	KT_SUP_EXEC = 9,
	/* EXEC_ID, SIGNAL */
	KT_SUP_EXEC_SIGNAL = 10,
	/* Asks for events on this connection; the reply comes first. */
	KT_SUP_SUBSCRIBE = 11,
	/* IP, PORT, [PROTOCOL: "tcp"] → descriptor of a non-blocking socket made inside the
	 * enclave whose connect has been started (wait for EPOLLOUT, then SO_ERROR). */
	KT_SUP_DIAL = 12,
	/* [IP: any], PORT, [PROTOCOL] → PORT, descriptor of a listening (tcp) or bound (udp)
	 * non-blocking socket inside the enclave. */
	KT_SUP_LISTEN = 13,
	/* Kills every service, removes netns, cgroups and the enclave's runtime directory, then
	 * replies and exits. */
	KT_SUP_DESTROY = 14,
	/* Replies and exits; services go on. A new supervisor adopts them. */
	KT_SUP_SHUTDOWN = 15,
	/* Kills every service (SIGKILL), keeps their state; answers when all are gone. */
	KT_SUP_STOP_ALL = 16,

	/* 0x100–0x1ff belong to the network helpers (supervisor/net_*.h). */
	KT_SUP_NET_FIRST = 0x100,
	KT_SUP_NET_LAST = 0x1ff,

	/* STATUS (a kt_err_code), [MESSAGE, STEP, ERRNO], then what the request says */
	KT_SUP_REPLY = 0x200,
	/* ID, EXIT_*: a service has ended, by itself or not */
	KT_SUP_SERVICE_EXITED = 0x201,
	/* ID, PID */
	KT_SUP_SERVICE_STARTED = 0x202,
	/* EXEC_ID, EXIT_* */
	KT_SUP_EXEC_EXITED = 0x203,
} kt_sup_type;

/* Fields. s = text, n = number, g = group. Numbers of tags are never reused. */
typedef enum kt_sup_tag {
	KT_SUP_F_VERSION = 1,	    /* n */
	KT_SUP_F_STATUS = 2,	    /* n */
	KT_SUP_F_MESSAGE = 3,	    /* s: the error chain as "a: b: c" */
	KT_SUP_F_STEP = 4,	    /* s: launch step that failed */
	KT_SUP_F_ERRNO = 5,	    /* n */
	KT_SUP_F_ENCLAVE = 6,	    /* s */
	KT_SUP_F_PID = 7,	    /* n: as seen on the host */
	KT_SUP_F_ID = 8,	    /* s: service id */
	KT_SUP_F_SERVICE = 9,	    /* g */
	KT_SUP_F_STATE = 10,	    /* n: kt_sup_state */
	KT_SUP_F_EXIT_CODE = 11,    /* n: 0–255; 128 + signal when killed; absent while running */
	KT_SUP_F_EXIT_SIGNAL = 12,  /* n: 0 = ended by itself */
	KT_SUP_F_EXIT_UNKNOWN = 13, /* n: 1 = ended while nobody could see how */
	KT_SUP_F_STARTED_NS = 14,   /* n: wall clock */
	KT_SUP_F_LAUNCH_NS = 15,    /* n: from the request's arrival to the program's exec */
	KT_SUP_F_EXEC_ID = 16,	    /* n */
	KT_SUP_F_SIGNAL = 17,	    /* n */
	KT_SUP_F_GRACE_MS = 18,	    /* n */
	KT_SUP_F_PORT = 19,	    /* n */
	KT_SUP_F_PROTOCOL = 20,	    /* s: "tcp", "udp" */
	KT_SUP_F_MEMORY_BYTES = 21, /* n: stats: in use; spec: hard limit without swap, 0 = none */
	KT_SUP_F_CPU_NS = 22,	    /* n: used since the start */
	KT_SUP_F_PIDS = 23,	    /* n: stats: in use; spec: limit, 0 = none */
	KT_SUP_F_ROWS = 24,	    /* n: terminal size */
	KT_SUP_F_COLS = 25,	    /* n */
	KT_SUP_F_OOM_KILLED = 26,   /* n: 1 = the kernel killed it for want of memory */

	/* Service spec. ID, ARG, LAYER and IP are needed, the rest may be absent. */
	KT_SUP_F_NAME = 40,	   /* s: DNS name; entered while the service runs */
	KT_SUP_F_IP = 41,	   /* s: "172.16.0.5" */
	KT_SUP_F_HOSTNAME = 42,	   /* s: default: the first 12 characters of ID */
	KT_SUP_F_FLAGS = 43,	   /* n: kt_sup_flag */
	KT_SUP_F_LAYER = 44,	   /* s*: unpacked layer directories, topmost first */
	KT_SUP_F_UPPER_DIR = 45,   /* s: parent of the writable layer (default: the runtime dir) */
	KT_SUP_F_ARG = 46,	   /* s*: the program and its arguments */
	KT_SUP_F_ENV = 47,	   /* s*: "K=V"; PATH, HOSTNAME, HOME, TERM are added if missing */
	KT_SUP_F_CWD = 48,	   /* s: default "/"; made if missing */
	KT_SUP_F_USER = 49,	   /* s: "", name, uid, name:group, uid:gid … */
	KT_SUP_F_STOP_SIGNAL = 50, /* n: default SIGTERM */
	KT_SUP_F_LOG_PATH = 51,	   /* s: log file (log_format.h); absent: output is discarded */
	KT_SUP_F_LOG_MAX_BYTES = 52, /* n: rotate beyond; default 16 MiB */
	KT_SUP_F_LOG_FILES = 53,     /* n: rotated files kept beside the current one; default 4 */
	KT_SUP_F_CPU_MILLIS = 54,    /* n: hard quota, 0 = none */
	KT_SUP_F_SHM_BYTES = 55,     /* n: /dev/shm; default 64 MiB */
	KT_SUP_F_CAP_ADD = 56,	     /* s*: "NET_ADMIN", "CAP_NET_ADMIN", "ALL" */
	KT_SUP_F_ULIMIT = 57,	     /* g*: NAME ("nofile"), SOFT, HARD */
	KT_SUP_F_SOFT = 58,	     /* n: UINT64_MAX = unlimited */
	KT_SUP_F_HARD = 59,	     /* n */
	KT_SUP_F_MOUNT = 60,	     /* g*: SOURCE, TARGET, [FLAGS: kt_sup_mount_flag] */
	KT_SUP_F_SOURCE = 61,	     /* s: host path of a directory or file */
	KT_SUP_F_TARGET = 62,	     /* s: absolute path inside; made if missing */
	KT_SUP_F_DEVICE = 63,	     /* s*: host device path, same path inside, rwm */
	KT_SUP_F_EXTRA_HOST = 64,    /* s*: "IP NAME" lines for /etc/hosts */
	KT_SUP_F_NAMESERVER = 65,    /* s*: default: KT_SUP_GATEWAY */
	KT_SUP_F_CAP_DROP = 66,	     /* s*: as CAP_ADD, taken off the default set first */

	/* 0x100 and up belong to the network helpers. */
	KT_SUP_F_NET_FIRST = 0x100,
} kt_sup_tag;

typedef enum kt_sup_flag {
	KT_SUP_TTY = 1 << 0,	    /* a pty as standard streams */
	KT_SUP_NO_INIT = 1 << 1,    /* the program is process 1 itself (tini_enabled=False) */
	KT_SUP_PRIVILEGED = 1 << 2, /* all capabilities and devices, no masks, no filter */
	KT_SUP_HOST_PID = 1 << 3,   /* the host's process namespace */
	KT_SUP_NO_NEW_PRIVS = 1 << 4,
	KT_SUP_VOLATILE = 1 << 5,  /* the writable layer ignores fsync */
	KT_SUP_CLEAR_ENV = 1 << 6, /* exec: only the ENV given */
	/* Starts it again whenever it ends by itself, after 100 ms, 200 ms … 1 min (back to 100 ms
	 * once it has run for 10 s). A stop, a kill or a removal ends that. While it waits its
	 * state is STOPPED; each end is a SERVICE_EXITED, each start a SERVICE_STARTED. */
	KT_SUP_RESTART_ALWAYS = 1 << 7,
} kt_sup_flag;

typedef enum kt_sup_mount_flag {
	KT_SUP_MOUNT_READ_ONLY = 1 << 0,
	/* An empty source is first filled with what the image has at target. */
	KT_SUP_MOUNT_PREFILL = 1 << 1,
} kt_sup_mount_flag;

typedef enum kt_sup_state {
	KT_SUP_STATE_STARTING = 1,
	KT_SUP_STATE_RUNNING = 2,
	KT_SUP_STATE_STOPPING = 3,
	KT_SUP_STATE_STOPPED = 4,
} kt_sup_state;

/* Writing a message. A failed allocation shows in kt_sup_send. */
void kt_sup_begin(kt_buf *msg, kt_sup_type type, uint32_t id); /* clears msg first */
void kt_sup_put(kt_buf *msg, uint16_t tag, const void *data, size_t len);
void kt_sup_put_str(kt_buf *msg, uint16_t tag, const char *text); /* NULL: no field */
void kt_sup_put_num(kt_buf *msg, uint16_t tag, uint64_t value);
/* Opens a group; give the result to kt_sup_group_end after its fields. */
size_t kt_sup_group_begin(kt_buf *msg, uint16_t tag);
void kt_sup_group_end(kt_buf *msg, size_t mark);

/* Reading. Everything borrows from the buffer that was opened. */
typedef struct kt_sup_reader {
	uint16_t type;
	uint32_t id;
	const char *pos;
	const char *end;
} kt_sup_reader;

typedef struct kt_sup_field {
	uint16_t tag;
	uint32_t len;
	const char *data;
} kt_sup_field;

/* Checks the header and every field's bounds. CORRUPT when something is wrong. */
int kt_sup_open(const kt_buf *msg, kt_sup_reader *ret, kt_err *err);
/* Opens a group field's value. CORRUPT when its fields do not fill it exactly. */
int kt_sup_open_group(const kt_sup_field *field, kt_sup_reader *ret, kt_err *err);
/* The next field; false at the end. */
bool kt_sup_next(kt_sup_reader *self, kt_sup_field *ret);
/* The field's text; NULL when it is not text (no final NUL, or one inside). */
const char *kt_sup_str(const kt_sup_field *field);
/* The field's number; 0 when it is not a number. */
uint64_t kt_sup_num(const kt_sup_field *field);
/* The first field of that tag, searched from the reader's place without moving it. */
bool kt_sup_find(const kt_sup_reader *self, uint16_t tag, kt_sup_field *ret);
const char *kt_sup_get_str(const kt_sup_reader *self, uint16_t tag); /* NULL when absent */
uint64_t kt_sup_get_num(const kt_sup_reader *self, uint16_t tag, uint64_t fallback);

/*
 * Sends msg with descriptors (borrowed). `flags` go to sendmsg (MSG_DONTWAIT); MSG_NOSIGNAL is
 * implied. Blocks as the socket does. 0, or -1: NOMEM, EXHAUSTED (body too long), or the
 * errno of sendmsg in err->sys_errno (EAGAIN: nothing was sent).
 */
int kt_sup_send(int sock, const kt_buf *msg, const int *fds, size_t fd_count, int flags,
		kt_err *err);
/*
 * Receives one message into msg (cleared first) and its descriptors, which then are the caller's,
 * close-on-exec; *ret_fd_count of them, at most KT_SUP_FDS_MAX. `flags` go to recvmsg.
 * 1 = a message, 0 = the peer has closed, -1 = failure (EAGAIN in err->sys_errno).
 */
int kt_sup_recv(int sock, kt_buf *msg, int fds[KT_SUP_FDS_MAX], size_t *ret_fd_count, int flags,
		kt_err *err);

/* Whether text is a valid service id. */
bool kt_sup_id_valid(const char *text);

#endif
