/* Starting and stopping kurtosisd as the engine; the contract stands in engine/engine.h. */
#include "cli/engine_proc.h"

#include "api/api.h"
#include "api/services.h"
#include "base/alloc.h"
#include "base/buf.h"
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
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_PORT 9710
#define QUERY_MS 5000
#define START_MS 30000
#define STOP_MS 15000
#define READY_FD 3
#define LINE_MAX_LEN ((size_t)64 << 10)

extern char **environ;

/* --- places ----------------------------------------------------------------------------- */

int kt_engine_port(uint16_t *ret, kt_err *err)
{
	int64_t port = DEFAULT_PORT;
	const char *text = getenv("KURTOSIS_ENGINE_PORT");
	if (!kt_str_empty(text) && !kt_str_to_i64(text, 1, 65535, &port)) {
		return KT_FAIL(err, INVALID, "KURTOSIS_ENGINE_PORT is '%s', which is no port number",
			       text);
	}
	*ret = (uint16_t)port;
	return 0;
}

void kt_engine_port_hint(kt_err *err)
{
	kt_err_hint(err, "end the program that holds the port (ss -ltnp shows it), or set "
			 "KURTOSIS_ENGINE_PORT to a free one");
}

/* Where the engine keeps its pid, lock and log: the same rule as the engine's own. */
static char *runtime_dir(kt_err *err)
{
	const char *own = getenv("KURTOSIS_RUNTIME_DIR");
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char *dir = NULL;
	if (!kt_str_empty(own)) {
		dir = kt_strdup(own);
	} else if (geteuid() == 0) {
		dir = kt_strdup("/run/kurtosis");
	} else if (!kt_str_empty(xdg)) {
		dir = kt_path_join(xdg, "kurtosis");
	} else {
		KT_FAIL(err, NOT_FOUND, "there is no place for the engine's state");
		kt_err_hint(err, "set XDG_RUNTIME_DIR or KURTOSIS_RUNTIME_DIR");
		return NULL;
	}
	if (dir == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (kt_fs_mkdirs(dir, 0711, err) < 0) {
		kt_free(dir);
		return NULL;
	}
	return dir;
}

static char *runtime_file(const char *name, kt_err *err)
{
	KT_AUTO_FREE char *dir = runtime_dir(err);
	char *path = dir != NULL ? kt_path_join(dir, name) : NULL;
	if (dir != NULL && path == NULL) {
		kt_err_nomem(err);
	}
	return path;
}

char *kt_engine_log_path(kt_err *err)
{
	return runtime_file("engine.log", err);
}

char *kt_find_program(const char *name, kt_err *err)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0) {
		KT_FAIL_ERRNO(err, "/proc/self/exe cannot be read");
		return NULL;
	}
	self[n] = '\0';
	KT_AUTO_FREE char *dir = kt_path_dir(self);
	char *beside = dir != NULL ? kt_path_join(dir, name) : NULL;
	if (beside != NULL && access(beside, X_OK) == 0) {
		return beside;
	}
	char *installed = dir != NULL ? kt_asprintf("%s/../libexec/kurtosis/%s", dir, name) : NULL;
	if (installed != NULL && access(installed, X_OK) == 0) {
		kt_free(beside);
		return installed;
	}
	KT_FAIL(err, MISSING_PROGRAM, "the program %s is neither at %s nor at %s", name,
		kt_str_or(beside, "?"), kt_str_or(installed, "?"));
	kt_err_hint(err, "install it beside kurtosis, as `make install` does");
	kt_free(beside);
	kt_free(installed);
	return NULL;
}

/* --- asking ----------------------------------------------------------------------------- */

int kt_engine_query(kt_engine_state *ret, kt_grpc_client **ret_client, char **ret_version,
		    kt_err *err)
{
	uint16_t port;
	*ret_client = NULL;
	*ret_version = NULL;
	if (kt_engine_port(&port, err) < 0) {
		return -1;
	}
	kt_grpc_opts opts = {.deadline = kt_after_ms(QUERY_MS)};
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	kt_grpc_client *client = kt_grpc_client_new("127.0.0.1", port, &opts, &reason);
	if (client == NULL) {
		*ret = reason.code == KT_ERR_UNAVAILABLE ? KT_ENGINE_STOPPED : KT_ENGINE_SILENT;
		return 0;
	}
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	if (kt_grpc_unary(client, &kt_engine_rpcs[KT_ENGINE_GET_ENGINE_INFO], &nothing.base, &opts,
			  &answer, &reason) < 0) {
		kt_grpc_client_free(client);
		*ret = KT_ENGINE_SILENT;
		return 0;
	}
	const EngineApi__GetEngineInfoResponse *info =
		(const EngineApi__GetEngineInfoResponse *)answer;
	*ret_version = kt_strdup(info->engine_version);
	if (*ret_version == NULL) {
		kt_grpc_client_free(client);
		return kt_err_nomem(err);
	}
	*ret_client = client;
	*ret = KT_ENGINE_RUNNING;
	return 0;
}

/* --- starting --------------------------------------------------------------------------- */

static int spawn_engine(const char *program, char *const *argv, int log_fd, int ready_fd,
			pid_t *ret, kt_err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, log_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, log_fd, 2);
	posix_spawn_file_actions_adddup2(&actions, ready_fd, READY_FD);
	posix_spawn_file_actions_addchdir_np(&actions, "/");
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	int rc = posix_spawn(ret, program, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc == 0 ? 0 : kt_err_set_errno(err, rc, "%s cannot be started", program);
}

/* The engine ended without its one line: the last words in its log, from offset on, say why. */
static int dead_engine(const char *log_path, off_t offset, kt_err *err)
{
	char text[1024];
	KT_AUTO_FD int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, offset) : 0;
	text[n > 0 ? n : 0] = '\0';
	for (; n > 0 && text[n - 1] == '\n'; n--) {
		text[n - 1] = '\0';
	}
	if (n > 0) {
		KT_FAIL(err, UNAVAILABLE, "%s", text);
		return KT_WRAP(err, "the engine ended while it started; its log is %s", log_path);
	}
	return KT_FAIL(err, UNAVAILABLE, "the engine ended while it started; its log is %s",
		       log_path);
}

/* Reads the engine's one line: READY or ERROR. */
static int await_ready(int fd, const char *log_path, off_t log_offset, kt_err *err)
{
	KT_AUTO_BUF kt_buf line = KT_BUF_MAX(LINE_MAX_LEN);
	kt_instant deadline = kt_after_ms(START_MS);
	while (memchr(kt_buf_str(&line), '\n', line.len) == NULL) {
		char data[512];
		if (kt_wait_fd(fd, POLLIN, deadline, NULL, err) < 0) {
			return KT_WRAP(err, "the engine did not become ready; its log is %s", log_path);
		}
		ssize_t n = read(fd, data, sizeof(data));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return dead_engine(log_path, log_offset, err);
		}
		kt_buf_add(&line, data, (size_t)n);
		if (kt_buf_check(&line, err) < 0) {
			return -1;
		}
	}
	*(char *)memchr(line.data, '\n', line.len) = '\0';
	if (kt_str_starts(line.data, "READY ")) {
		return 0;
	}
	const char *why = kt_str_starts(line.data, "ERROR ") ? line.data + 6 : line.data;
	KT_FAIL(err, UNAVAILABLE, "%s", why);
	KT_WRAP(err, "the engine did not start");
	if (strstr(why, "in use by another program") != NULL) {
		kt_engine_port_hint(err);
	}
	return -1;
}

static int start_locked(const kt_engine_options *options, uint16_t port, kt_err *err)
{
	KT_AUTO_FREE char *program = kt_find_program("kurtosisd", err);
	KT_AUTO_FREE char *log_path = program != NULL ? kt_engine_log_path(err) : NULL;
	if (log_path == NULL) {
		return -1;
	}
	KT_AUTO_FD int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0) {
		return KT_FAIL_ERRNO(err, "the engine's log %s cannot be written", log_path);
	}
	off_t log_offset = lseek(log_fd, 0, SEEK_END);
	int ready[2];
	if (pipe2(ready, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "no pipe");
	}
	KT_AUTO_FD int ready_out = ready[0];
	KT_AUTO_FD int ready_in = ready[1];
	/* dup2 onto itself would keep close-on-exec. */
	if (ready_in == READY_FD) {
		ready_in = fcntl(READY_FD, F_DUPFD_CLOEXEC, READY_FD + 1);
		close(READY_FD);
	}
	char port_text[8];
	char ready_text[8];
	snprintf(port_text, sizeof(port_text), "%u", port);
	snprintf(ready_text, sizeof(ready_text), "%d", READY_FD);
	KT_AUTO_STRVEC kt_strvec argv = KT_STRVEC_INIT;
	const char *const words[] = {program,	     "engine",
				     "--port",	     port_text,
				     "--ready-fd",   ready_text,
				     "--log-level",  options->log_level,
				     "--log-retention-period", options->log_retention};
	int rc = 0;
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		rc |= kt_strvec_add(&argv, words[i]);
	}
	rc |= options->restart_api_containers ? kt_strvec_add(&argv, "--restart-api-containers") : 0;
	char **vector = rc == 0 ? kt_strvec_argv(&argv) : NULL;
	if (vector == NULL) {
		return kt_err_nomem(err);
	}
	pid_t pid;
	if (spawn_engine(program, vector, log_fd, ready_in, &pid, err) < 0) {
		return -1;
	}
	kt_close_ptr(&ready_in);
	return await_ready(ready_out, log_path, log_offset, err);
}

int kt_engine_launch(const kt_engine_options *options, kt_err *err)
{
	uint16_t port;
	if (kt_engine_port(&port, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *lock_path = runtime_file("engine.lock", err);
	if (lock_path == NULL) {
		return -1;
	}
	KT_AUTO_FD int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0) {
		return KT_FAIL_ERRNO(err, "%s cannot be locked", lock_path);
	}
	kt_engine_state state;
	kt_grpc_client *client;
	KT_AUTO_FREE char *version = NULL;
	if (kt_engine_query(&state, &client, &version, err) < 0) {
		return -1;
	}
	kt_grpc_client_free(client);
	return state == KT_ENGINE_RUNNING ? 0 : start_locked(options, port, err);
}

/* --- stopping --------------------------------------------------------------------------- */

/* The engine's pid from its file, if that process is still a kurtosisd; 0 otherwise. */
static pid_t running_pid(kt_err *err)
{
	KT_AUTO_FREE char *path = runtime_file("engine.pid", err);
	if (path == NULL) {
		return -1;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	int64_t pid = 0;
	if (!kt_fs_exists(path)) {
		return 0;
	}
	if (kt_fs_read(path, 64, &text, err) < 0) {
		return -1;
	}
	if (text.len > 0 && text.data[text.len - 1] == '\n') {
		text.data[--text.len] = '\0';
	}
	if (!kt_str_to_i64(kt_buf_str(&text), 2, INT32_MAX, &pid)) {
		return 0;
	}
	char link[64];
	char exe[4096];
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(link, exe, sizeof(exe) - 1);
	if (n < 0) {
		return 0;
	}
	exe[n] = '\0';
	/* A program replaced on disk reads as "kurtosisd (deleted)". */
	return kt_str_starts(kt_path_base(exe), "kurtosisd") ? (pid_t)pid : 0;
}

bool kt_engine_process_runs(void)
{
	return running_pid(NULL) > 0;
}

int kt_engine_halt(kt_err *err)
{
	pid_t pid = running_pid(err);
	if (pid <= 0) {
		return (int)pid;
	}
	KT_AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		return errno == ESRCH ? 0 : KT_FAIL_ERRNO(err, "the engine (process %d)", (int)pid);
	}
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH) {
		return KT_FAIL_ERRNO(err, "the engine (process %d) cannot be stopped", (int)pid);
	}
	KT_AUTO_ERR kt_err late = KT_ERR_INIT;
	if (kt_wait_fd(pidfd, POLLIN, kt_after_ms(STOP_MS), NULL, &late) < 0) {
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		return kt_wait_fd(pidfd, POLLIN, kt_after_ms(STOP_MS), NULL, err);
	}
	return 0;
}
