#include "base/proc.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct child {
	pid_t pid;
	int pidfd;
	int in;
	int out;
	int err;
	size_t written;
} child;

void kt_proc_result_deinit(kt_proc_result *self)
{
	kt_buf_deinit(&self->out);
	kt_buf_deinit(&self->err);
}

static int fail_spawn(const kt_proc_spec *spec, int errnum, kt_err *err)
{
	const char *program = spec->argv[0];
	if (errnum != ENOENT) {
		return kt_err_set_errno(err, errnum, "starting '%s'", program);
	}
	KT_FAIL(err, MISSING_PROGRAM, "the program '%s' is not installed", program);
	if (spec->debian_package != NULL) {
		kt_err_hint(err, "install it: apt-get install %s", spec->debian_package);
	}
	return -1;
}

/* Spawns with fds[0..2] as the child's standard streams. Returns an errno or 0. */
static int spawn_with(const kt_proc_spec *spec, const int fds[3], pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	sigset_t all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	for (int i = 0; i < 3; i++) {
		posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	}
	if (spec->dir != NULL) {
		posix_spawn_file_actions_addchdir_np(&actions, spec->dir);
	}
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	char **env = spec->env != NULL ? (char **)(uintptr_t)spec->env : environ;
	int failed = posix_spawnp(ret, spec->argv[0], &actions, &attr,
				  (char **)(uintptr_t)spec->argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return failed;
}

static int start(const kt_proc_spec *spec, child *ret, kt_err *err)
{
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	int failed = 0;
	if (spec->input == NULL) {
		pipes[0][0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		failed = pipes[0][0] < 0 ? errno : 0;
	} else if (pipe2(pipes[0], O_CLOEXEC) < 0) {
		failed = errno;
	}
	if (failed == 0 && (pipe2(pipes[1], O_CLOEXEC) < 0 || pipe2(pipes[2], O_CLOEXEC) < 0)) {
		failed = errno;
	}
	pid_t pid = -1;
	if (failed == 0) {
		const int fds[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
		failed = spawn_with(spec, fds, &pid);
	}
	kt_close_ptr(&pipes[0][0]);
	kt_close_ptr(&pipes[1][1]);
	kt_close_ptr(&pipes[2][1]);
	if (failed != 0) {
		kt_close_ptr(&pipes[0][1]);
		kt_close_ptr(&pipes[1][0]);
		kt_close_ptr(&pipes[2][0]);
		return fail_spawn(spec, failed, err);
	}
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	*ret = (child){pid, pidfd, pipes[0][1], pipes[1][0], pipes[2][0], 0};
	int *own[] = {&ret->in, &ret->out, &ret->err};
	for (size_t i = 0; i < KT_ARRAY_LEN(own); i++) {
		if (*own[i] >= 0) {
			fcntl(*own[i], F_SETFL, O_NONBLOCK);
		}
	}
	return 0;
}

static void read_some(int *fd, kt_buf *into, size_t max)
{
	char chunk[16384];
	ssize_t got = read(*fd, chunk, sizeof(chunk));
	if (got > 0) {
		size_t room = into->len < max ? max - into->len : 0;
		kt_buf_add(into, chunk, KT_MIN((size_t)got, room));
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		kt_close_ptr(fd);
	}
}

/*
 * write(2) to a pipe whose reader may be gone: EPIPE, never the signal, which is kept from this
 * thread and taken back unless it was waiting before.
 */
static ssize_t write_quietly(int fd, const void *data, size_t len)
{
	sigset_t pipe_only;
	sigset_t before;
	sigset_t waiting;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&waiting);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	ssize_t put = write(fd, data, len);
	int number = errno;
	if (put < 0 && number == EPIPE && sigismember(&waiting, SIGPIPE) == 0) {
		static const struct timespec at_once = {0, 0};
		while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR) {
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = number;
	return put;
}

static void write_some(child *c, const kt_proc_spec *spec)
{
	const char *input = spec->input;
	ssize_t put = write_quietly(c->in, input + c->written, spec->input_len - c->written);
	if (put > 0) {
		c->written += (size_t)put;
	}
	if (c->written == spec->input_len || (put < 0 && errno != EAGAIN && errno != EINTR)) {
		kt_close_ptr(&c->in);
	}
}

/* Moves data until both outputs are closed. */
static int pump(child *c, const kt_proc_spec *spec, kt_proc_result *out, kt_err *err)
{
	size_t max = spec->max_output != 0 ? spec->max_output : 1024 * 1024;
	kt_instant deadline = spec->deadline != 0 ? spec->deadline : KT_NEVER;
	while (c->out >= 0 || c->err >= 0) {
		struct pollfd fds[4] = {
			{.fd = c->out, .events = POLLIN},
			{.fd = c->err, .events = POLLIN},
			{.fd = c->in, .events = POLLOUT},
			{.fd = kt_cancel_fd(spec->cancel), .events = POLLIN},
		};
		int ready = poll(fds, 4, kt_ms_left(deadline));
		if (kt_cancel_check(spec->cancel, err) < 0) {
			return -1;
		}
		if (ready == 0 && kt_now() >= deadline) {
			return KT_FAIL(err, TIMEOUT, "'%s' did not finish in time", spec->argv[0]);
		}
		if (fds[0].revents != 0) {
			read_some(&c->out, &out->out, max);
		}
		if (fds[1].revents != 0) {
			read_some(&c->err, &out->err, max);
		}
		if (fds[2].revents != 0) {
			write_some(c, spec);
		}
	}
	if (c->pidfd < 0) {
		return 0;
	}
	int rc = kt_wait_fd(c->pidfd, POLLIN, deadline, spec->cancel, err);
	return rc < 0 ? KT_WRAP(err, "waiting for '%s'", spec->argv[0]) : 0;
}

static int reap(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int kt_proc_run(const kt_proc_spec *spec, kt_proc_result *ret, kt_err *err)
{
	child c;
	if (start(spec, &c, err) < 0) {
		return -1;
	}
	kt_proc_result result = {0};
	if (spec->input != NULL && spec->input_len == 0) {
		kt_close_ptr(&c.in);
	}
	int rc = pump(&c, spec, &result, err);
	if (rc < 0) {
		kill(c.pid, SIGKILL);
	}
	result.exit_code = reap(c.pid);
	kt_close_ptr(&c.in);
	kt_close_ptr(&c.out);
	kt_close_ptr(&c.err);
	kt_close_ptr(&c.pidfd);
	if (rc == 0 && (result.out.failed || result.err.failed)) {
		rc = kt_err_nomem(err);
	}
	if (rc < 0) {
		kt_proc_result_deinit(&result);
		return -1;
	}
	*ret = result;
	return 0;
}
