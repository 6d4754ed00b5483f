/* API containers as processes: start, recognise after the engine's own restart, end. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 30000
#define KILL_MS 10000
#define READY_FD 3
#define START_FD 4
#define LINE_LIMIT ((size_t)64 * 1024)

extern char **environ;

/* The start time of a process in clock ticks since boot; 0 when there is none. */
static uint64_t start_time(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, 4096, &text, NULL) < 0) {
		return 0;
	}
	/* The name in parentheses may hold anything; 20 fields lie between it and the time. */
	const char *at = strrchr(kt_buf_str(&text), ')');
	for (int field = 0; at != NULL && field < 20; field++) {
		at = strchr(at + 1, ' ');
	}
	return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int kt_apic_open(const kt_apic_proc *proc)
{
	if (proc->pid <= 0) {
		return -1;
	}
	int fd = open_pidfd(proc->pid);
	/* Ours if, with the pid held, the start time is still the recorded one. */
	if (fd >= 0 && start_time(proc->pid) != proc->started) {
		kt_close_ptr(&fd);
	}
	return fd;
}

static void reap(int pidfd)
{
	siginfo_t info;
	int rc;
	do {
		rc = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
	} while (rc < 0 && errno == EINTR);
}

void kt_apic_kill(const kt_apic_proc *proc, int64_t grace_ms)
{
	KT_AUTO_FD int fd = kt_apic_open(proc);
	if (fd < 0) {
		return;
	}
	if (grace_ms > 0) {
		syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	}
	if (grace_ms <= 0 || kt_wait_fd(fd, POLLIN, kt_after_ms(grace_ms), NULL, NULL) < 0) {
		/* It leads a process group of its own: its git and its helpers go with it. */
		kill(-proc->pid, SIGKILL);
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		kt_wait_fd(fd, POLLIN, kt_after_ms(KILL_MS), NULL, NULL);
	}
	reap(fd);
}

/* Reads "READY PORT" or "ERROR TEXT". */
static int await_ready(int fd, const kt_apic_spec_line *spec, uint16_t *ret_port, kt_err *err)
{
	KT_AUTO_BUF kt_buf line = KT_BUF_MAX(LINE_LIMIT);
	kt_instant deadline = kt_after_ms(START_MS);
	char *end = NULL;
	while ((end = memchr(kt_buf_str(&line), '\n', line.len)) == NULL) {
		char *room = kt_buf_reserve(&line, 512);
		if (room == NULL) {
			return kt_buf_check(&line, err);
		}
		if (kt_wait_fd(fd, POLLIN, deadline, NULL, err) < 0) {
			return KT_WRAP(err, "the API container of enclave '%s' does not get ready",
				       spec->name);
		}
		ssize_t n = read(fd, room, 512);
		if (n <= 0 && errno != EINTR) {
			return KT_FAIL(err, UNAVAILABLE,
				       "the API container of enclave '%s' ended while it started; "
				       "its log is %s",
				       spec->name, spec->log_path);
		}
		line.len += n > 0 ? (size_t)n : 0;
	}
	*end = '\0';
	int64_t port = 0;
	if (kt_str_starts(line.data, "READY ") &&
	    kt_str_to_i64(line.data + strlen("READY "), 1, UINT16_MAX, &port)) {
		*ret_port = (uint16_t)port;
		return 0;
	}
	const char *why = kt_str_starts(line.data, "ERROR ") ? line.data + 6 : line.data;
	return KT_FAIL(err, UNAVAILABLE, "the API container of enclave '%s' cannot start: %s",
		       spec->name, why);
}

/* Descriptors READY_FD and START_FD of the child; stdout and stderr stay the engine's. */
static int spawn(char *const argv[], int ready_fd, int start_fd, pid_t *ret, kt_err *err)
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
	posix_spawn_file_actions_adddup2(&actions, ready_fd, READY_FD);
	posix_spawn_file_actions_adddup2(&actions, start_fd, START_FD);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	int rc = posix_spawn(ret, "/proc/self/exe", &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc == 0 ? 0 : kt_err_set_errno(err, rc, "cannot start an API container");
}

/* Away from the numbers that the child gets: dup2 onto itself would keep close-on-exec. */
static int move_up(int fd)
{
	if (fd < 0 || fd > START_FD) {
		return fd;
	}
	int higher = fcntl(fd, F_DUPFD_CLOEXEC, START_FD + 1);
	close(fd);
	return higher;
}

static int make_pipe(int *ret_read, int *ret_write, kt_err *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a pipe");
	}
	*ret_read = move_up(ends[0]);
	*ret_write = move_up(ends[1]);
	return 0;
}

void kt_apic_abandon(kt_apic_birth *birth)
{
	kt_close_ptr(&birth->go);
	kt_close_ptr(&birth->ready);
	kt_close_ptr(&birth->pidfd);
	if (birth->proc.pid > 0) {
		kt_apic_kill(&birth->proc, 0);
		birth->proc.pid = 0;
	}
}

int kt_apic_begin(const kt_apic_spec_line *spec, kt_apic_birth *ret, kt_err *err)
{
	char listen[32];
	char ready_text[8];
	char start_text[8];
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)spec->port);
	snprintf(ready_text, sizeof(ready_text), "%d", READY_FD);
	snprintf(start_text, sizeof(start_text), "%d", START_FD);
	const char *argv[] = {"kurtosisd",	"apic",
			      "--enclave-uuid", spec->uuid,
			      "--enclave-name", spec->name,
			      "--ready-fd",	ready_text,
			      "--start-fd",	start_text,
			      "--log-file",	spec->log_path,
			      "--log-level",	spec->log_level,
			      "--listen",	listen,
			      spec->production ? "--production" : NULL,
			      NULL};
	kt_apic_birth birth = KT_APIC_BIRTH_INIT;
	KT_AUTO_FD int told = -1;
	KT_AUTO_FD int start = -1;
	int rc = make_pipe(&birth.ready, &told, err);
	rc = rc == 0 ? make_pipe(&start, &birth.go, err) : rc;
	if (rc == 0) {
		rc = spawn((char *const *)(uintptr_t)argv, told, start, &birth.proc.pid, err);
	}
	if (rc == 0) {
		birth.proc.started = start_time(birth.proc.pid);
		birth.pidfd = open_pidfd(birth.proc.pid);
		rc = birth.pidfd >= 0 ? 0 : KT_FAIL_ERRNO(err, "cannot watch an API container");
	}
	if (rc < 0) {
		kt_apic_abandon(&birth);
		return -1;
	}
	*ret = birth;
	return 0;
}

int kt_apic_finish(const kt_apic_spec_line *spec, kt_apic_birth *birth, kt_apic_proc *ret,
		   int *ret_pidfd, kt_err *err)
{
	/* SIGPIPE is ignored: one that has died meanwhile shows at the other pipe. */
	kt_fs_write_all(birth->go, "g", 1, NULL);
	if (await_ready(birth->ready, spec, &birth->proc.port, err) < 0) {
		kt_apic_abandon(birth);
		return -1;
	}
	*ret = birth->proc;
	*ret_pidfd = birth->pidfd;
	kt_close_ptr(&birth->go);
	kt_close_ptr(&birth->ready);
	*birth = (kt_apic_birth)KT_APIC_BIRTH_INIT;
	return 0;
}

static int spawn_once(const kt_apic_spec_line *spec, kt_apic_proc *ret, int *ret_pidfd, kt_err *err)
{
	kt_apic_birth birth = KT_APIC_BIRTH_INIT;
	if (kt_apic_begin(spec, &birth, err) < 0) {
		return -1;
	}
	return kt_apic_finish(spec, &birth, ret, ret_pidfd, err);
}

int kt_apic_spawn(const kt_apic_spec_line *spec, kt_apic_proc *ret, int *ret_pidfd, kt_err *err)
{
	/* Clients know the old port, so it is tried first; somebody may have taken it. */
	if (spec->port != 0 && spawn_once(spec, ret, ret_pidfd, NULL) == 0) {
		return 0;
	}
	kt_apic_spec_line any = *spec;
	any.port = 0;
	return spawn_once(&any, ret, ret_pidfd, err);
}
