/* The enclave's supervisor: starting it, asking it, giving it what a restart has lost. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PART "native"
#define START_MS 10000
#define UPSTREAM_TCP 4
#define READY_FD 3
#define ATTEMPTS 3 /* to ask again, each time with a new supervisor */

extern char **environ;

static char *socket_path(const native_backend *self, const char *enclave)
{
	return kt_paths_runtime(&self->paths, "enclaves/%s/sup.sock", enclave);
}

/* ---- spawning ---------------------------------------------------------------------- */

void native_children_reap(native_backend *self)
{
	bool failed = false;
	{
		KT_LOCK(&self->lock);
		size_t kept = 0;
		for (size_t i = 0; i < self->children.len; i++) {
			native_child child = self->children.items[i];
			int status = 0;
			pid_t got = waitpid(child.pid, &status, WNOHANG);
			if (got == 0) {
				self->children.items[kept++] = child;
			}
			failed = failed || (got > 0 && child.pasta && WIFEXITED(status) &&
					    WEXITSTATUS(status) != 0);
		}
		self->children.len = kept;
	}
	if (failed) {
		native_outbound_warn(self, "'pasta' failed; outbound.log beside the enclave's "
					   "supervisor.log says why (no default route?)");
	}
}

/* ready_fd becomes descriptor READY_FD of the child; nothing else is inherited. */
static int spawn(native_backend *self, char *const argv[], const char *log_path, int ready_fd,
		 kt_err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	sigset_t defaults;
	sigemptyset(&none);
	sigfillset(&defaults);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, log_path, O_WRONLY | O_CREAT | O_APPEND,
					 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	posix_spawn_file_actions_adddup2(&actions, ready_fd, READY_FD);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	pid_t pid = -1;
	int rc = posix_spawn(&pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (rc != 0) {
		return kt_err_set_errno(err, rc, "cannot start '%s'", argv[0]);
	}
	KT_LOCK(&self->lock);
	native_child child = {pid, false};
	return kt_vec_push(&self->children, child) < 0 ? kt_err_nomem(err) : 0;
}

/* The last lines of the supervisor's own log, for errors. */
static void add_log(const char *log_path, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(log_path, 65536, &text, NULL) < 0 || text.len == 0) {
		return;
	}
	size_t from = text.len > 1000 ? text.len - 1000 : 0;
	while (text.len > from && text.data[text.len - 1] == '\n') {
		text.data[--text.len] = '\0';
	}
	kt_err_wrap(err, "the supervisor said: %s", text.data + from);
}

/* Waits until the pipe says "ready" (a byte) or the supervisor has exited (end of file). */
static int await_ready(int fd, const char *log_path, kt_err *err)
{
	char byte = 0;
	if (kt_wait_fd(fd, POLLIN, kt_after_ms(START_MS), NULL, err) < 0) {
		return KT_WRAP(err, "the enclave's supervisor does not get ready");
	}
	if (read(fd, &byte, 1) == 1) {
		return 0;
	}
	KT_FAIL(err, UNAVAILABLE, "the enclave's supervisor could not start");
	add_log(log_path, err);
	return -1;
}

char *native_supervisor_program(const native_backend *self, kt_err *err)
{
	if (self->supervisor == NULL) {
		return kt_paths_program("kurtosis-supervisor", err);
	}
	char *program = kt_strdup(self->supervisor);
	if (program == NULL) {
		kt_err_nomem(err);
	}
	return program;
}

static int start_process(native_backend *self, const char *enclave, kt_err *err)
{
	KT_AUTO_FREE char *program = native_supervisor_program(self, err);
	KT_AUTO_FREE char *dir = kt_paths_runtime(&self->paths, "enclaves/%s", enclave);
	KT_AUTO_FREE char *log_path =
		kt_paths_runtime(&self->paths, "enclaves/%s/supervisor.log", enclave);
	if (program == NULL || dir == NULL || log_path == NULL) {
		return program == NULL ? -1 : kt_err_nomem(err);
	}
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a pipe");
	}
	KT_AUTO_FD int ready = ends[0];
	KT_AUTO_FD int told = ends[1];
	char number[16];
	snprintf(number, sizeof(number), "%d", READY_FD);
	char *argv[] = {program, (char *)"--enclave",  (char *)enclave, (char *)"--dir",
			dir,	 (char *)"--ready-fd", number,	        NULL};
	if (spawn(self, argv, log_path, told, err) < 0) {
		return -1;
	}
	kt_close_ptr(&told);
	return await_ready(ready, log_path, err);
}

/* ---- what a fresh supervisor needs -------------------------------------------------- */

static int call_once(native_backend *self, const char *path, kt_sup_call *call, bool *broken,
		     kt_err *err)
{
	*broken = true;
	kt_sup_conn *conn = kt_sup_conn_get(self->clients, path, err);
	if (conn == NULL) {
		return -1;
	}
	int rc = kt_sup_conn_call(conn, call, broken, err);
	kt_sup_conn_put(self->clients, conn, *broken);
	return rc;
}

/* Sockets of the host, through which the enclave's resolver asks the host's nameservers. */
static int give_upstream(native_backend *self, const char *path, kt_err *err)
{
	static const struct {
		int family;
		int type;
		int count;
	} wanted[] = {{AF_INET, SOCK_DGRAM, 1},
		      {AF_INET6, SOCK_DGRAM, 1},
		      {AF_INET, SOCK_STREAM, UPSTREAM_TCP},
		      {AF_INET6, SOCK_STREAM, 1}};
	int fds[KT_SUP_FDS_MAX];
	size_t len = 0;
	for (size_t i = 0; i < KT_ARRAY_LEN(wanted); i++) {
		for (int n = 0; n < wanted[i].count; n++) {
			int fd = socket(wanted[i].family, wanted[i].type | SOCK_CLOEXEC, 0);
			if (fd >= 0) {
				fds[len++] = fd;
			}
		}
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {.fds = fds, .fd_count = len};
	bool broken = false;
	kt_sup_call_begin(&call, (kt_sup_type)KT_NET_UPSTREAM);
	int rc = call_once(self, path, &call, &broken, err);
	for (size_t i = 0; i < len; i++) {
		close(fds[i]);
	}
	return rc;
}

/* Binds the recorded public ports of one service again and hands them over. */
static void republish(native_backend *self, const char *enclave, native_record *record)
{
	native_bound bound[64];
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	size_t len = KT_MIN(record->info.ports_len, KT_ARRAY_LEN(bound));
	for (size_t i = 0; i < len; i++) {
		native_port *port = &record->ports[i];
		port->fixed = port->fixed != 0 ? port->fixed : port->info.public_number;
		port->publish = port->publish && port->fixed != 0;
	}
	if (native_ports_bind(record->ports, len, bound, &failure) < 0 ||
	    native_ports_publish(self, enclave, record->info.uuid, record->ports, len, bound, true,
				 &failure) < 0) {
		kt_log_err(KT_LOG_DEBUG, PART, &failure, "cannot publish the ports of '%s' again",
			   record->info.name);
	}
	native_ports_close(bound, len);
}

static void republish_all(native_backend *self, const char *enclave)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	native_records records = {0};
	if (native_records_read(self, enclave, &arena, &records, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < records.len; i++) {
		if (records.items[i].has_container) {
			republish(self, enclave, &records.items[i]);
		}
	}
}

/* ---- starting ---------------------------------------------------------------------- */

static int lock_start(const native_backend *self, const char *enclave, int *ret_fd, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_paths_runtime(&self->paths, "enclaves/%s", enclave);
	KT_AUTO_FREE char *path = dir == NULL ? NULL : kt_path_join(dir, "start.lock");
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(dir, 0711, err) < 0) {
		return -1;
	}
	KT_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc = -1;
	do {
		rc = fd < 0 ? -1 : flock(fd, LOCK_EX);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0) {
		return KT_FAIL_ERRNO(err, "cannot lock '%s'", path);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int native_supervisor_start(native_backend *self, const char *enclave, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_FREE char *path = socket_path(self, enclave);
	KT_AUTO_FD int lock = -1;
	kt_enclave_info info = {0};
	bool no_internet = true;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	native_children_reap(self);
	if (lock_start(self, enclave, &lock, err) < 0) {
		return -1;
	}
	kt_sup_conn *conn = kt_sup_conn_get(self->clients, path, NULL);
	if (conn != NULL) { /* somebody was faster */
		kt_sup_conn_put(self->clients, conn, false);
		return 0;
	}
	if (start_process(self, enclave, err) < 0) {
		return -1;
	}
	/* Without description it is only started to clean up. */
	if (native_enclave_read(self, enclave, &arena, &info, &no_internet, NULL) < 0) {
		return 0;
	}
	if (!no_internet && give_upstream(self, path, err) < 0) {
		return -1;
	}
	if (!no_internet) {
		native_outbound_start(self, enclave);
	}
	republish_all(self, enclave);
	return 0;
}

/* Requests that may be sent again when the supervisor went away before it answered. */
static bool repeatable(kt_sup_type type)
{
	switch ((int)type) {
	case KT_SUP_SERVICE_START: /* at worst it is told that it runs already */
	case KT_SUP_SERVICE_STOP:
	case KT_SUP_SERVICE_REMOVE:
	case KT_SUP_SERVICE_LIST:
	case KT_SUP_SERVICE_STATS:
	case KT_SUP_DIAL:
	case KT_SUP_LISTEN:
	case KT_SUP_STOP_ALL:
	case KT_NET_PUBLISH:
		return true;
	default:
		return false;
	}
}

int native_call(native_backend *self, const char *enclave, kt_sup_call *call, kt_err *err)
{
	KT_AUTO_FREE char *path = socket_path(self, enclave);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	for (int attempt = 0;; attempt++) {
		KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
		bool broken = false;
		call->sent = false;
		if (call_once(self, path, call, &broken, &failure) == 0) {
			return 0;
		}
		bool again = !call->only_running && broken && attempt < ATTEMPTS &&
			     failure.code == KT_ERR_UNAVAILABLE &&
			     (!call->sent || repeatable(call->type));
		if (!again) {
			kt_err_move(err, &failure);
			return -1;
		}
		if (native_supervisor_start(self, enclave, err) < 0) {
			return -1;
		}
	}
}
