/* The engine as a program: its options, the one-per-home lock, its life, its end. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PART "engine"
#define DEFAULT_PORT 9710
#define STOP_GRACE_MS 2000
#define WEEK_NS (INT64_C(7) * 24 * 3600 * KT_NS_PER_S)

typedef struct options {
	uint16_t port;
	int ready_fd;
	kt_log_level level;
	int64_t retention_ns;
	bool restart_apics;
} options;

static int parse_level(const char *text, kt_log_level *ret, kt_err *err)
{
	static const struct {
		const char *name;
		kt_log_level level;
	} table[] = {
		{"panic", KT_LOG_ERROR}, {"fatal", KT_LOG_ERROR},  {"error", KT_LOG_ERROR},
		{"warn", KT_LOG_WARN},	 {"warning", KT_LOG_WARN}, {"info", KT_LOG_INFO},
		{"debug", KT_LOG_DEBUG}, {"trace", KT_LOG_TRACE},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(table); i++) {
		if (strcasecmp(text, table[i].name) == 0) {
			*ret = table[i].level;
			return 0;
		}
	}
	return KT_FAIL(err, INVALID, "'%s' is no log level", text);
}

/* Logs are kept for whole weeks, at least one. */
static int parse_retention(const char *text, int64_t *ret, kt_err *err)
{
	int64_t ns = 0;
	if (kt_duration_parse(text, &ns, err) < 0) {
		return KT_WRAP(err, "the log retention period '%s' is no duration", text);
	}
	int64_t weeks = ns <= 0 ? 1 : (ns - 1) / WEEK_NS + 1;
	*ret = KT_MIN(weeks, INT64_C(5200)) * WEEK_NS;
	return 0;
}

static int take_option(int option, const char *value, options *ret, kt_err *err)
{
	int64_t number = 0;
	switch (option) {
	case 'p':
		if (!kt_str_to_i64(value, 0, UINT16_MAX, &number)) {
			return KT_FAIL(err, INVALID, "'%s' is no port number", value);
		}
		ret->port = (uint16_t)number;
		return 0;
	case 'r':
		if (!kt_str_to_i64(value, 0, INT32_MAX, &number)) {
			return KT_FAIL(err, INVALID, "'%s' is no descriptor", value);
		}
		ret->ready_fd = (int)number;
		fcntl(ret->ready_fd, F_SETFD, FD_CLOEXEC);
		return 0;
	case 'l':
		return parse_level(value, &ret->level, err);
	case 't':
		return parse_retention(value, &ret->retention_ns, err);
	case 'a':
		ret->restart_apics = true;
		return 0;
	default:
		return KT_FAIL(err, INVALID, "unknown option");
	}
}

static int parse_options(int argc, char **argv, options *ret, kt_err *err)
{
	static const struct option table[] = {
		{"port", required_argument, NULL, 'p'},
		{"ready-fd", required_argument, NULL, 'r'},
		{"log-level", required_argument, NULL, 'l'},
		{"log-retention-period", required_argument, NULL, 't'},
		{"restart-api-containers", no_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	int option = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (take_option(option, optarg, ret, err) < 0) {
			return -1;
		}
	}
	return optind == argc ? 0 : KT_FAIL(err, INVALID, "'%s' is too much", argv[optind]);
}

/* Tells whoever started us; it may have gone meanwhile. */
static void report(options *o, const char *text)
{
	if (o->ready_fd >= 0) {
		kt_fs_write_all(o->ready_fd, text, strlen(text), NULL);
		kt_close_ptr(&o->ready_fd);
	}
}

/* Signals that end the service, as a descriptor; blocked in every thread from here on. */
static int end_signals(kt_err *err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd >= 0 ? fd : KT_FAIL_ERRNO(err, "signalfd");
}

/* The pid file, locked: one engine per home. */
static int lock_pid_file(const char *path, kt_err *err)
{
	KT_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		char text[16] = "";
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
		KT_FAIL(err, EXISTS, "an engine runs already (process %s)", text);
		kt_err_hint(err, "stop it with: kurtosis engine stop");
		return -1;
	}
	int taken = fd;
	fd = -1;
	return taken;
}

static int write_pid(int fd, kt_err *err)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len) {
		return KT_FAIL_ERRNO(err, "cannot write the engine's process id");
	}
	return 0;
}

static int serve(options *o, kt_engine *engine, int signals, int pid_fd, kt_err *err)
{
	kt_grpc_config config = {.port = o->port, .name = "engine"};
	kt_grpc_server *server = kt_grpc_server_new(&config, err);
	if (server == NULL) {
		return -1;
	}
	int rc = kt_grpc_server_add(server, kt_engine_rpcs, kt_engine_handlers, KT_ENGINE_RPC_COUNT,
				    engine, err);
	if (rc == 0) {
		rc = kt_engine_resume(engine, o->restart_apics, err);
	}
	if (rc == 0) {
		rc = kt_grpc_server_start(server, err);
	}
	if (rc == 0) {
		rc = write_pid(pid_fd, err);
	}
	if (rc == 0) {
		char line[32];
		unsigned port = kt_grpc_server_port(server);
		snprintf(line, sizeof(line), "READY %u\n", port);
		report(o, line);
		KT_INFO(PART, "serving on port %u", port);
		rc = kt_wait_fd(signals, POLLIN, KT_NEVER, NULL, err);
		KT_INFO(PART, "stopping");
	}
	kt_grpc_server_stop(server, STOP_GRACE_MS);
	kt_grpc_server_free(server);
	return rc;
}

static int run(options *o, const kt_engine_deps *deps, kt_err *err)
{
	KT_AUTO_FD int signals = end_signals(err);
	KT_AUTO_FREE char *pid_path = kt_path_join(deps->runtime, "engine.pid");
	if (signals < 0 || pid_path == NULL) {
		return signals < 0 ? -1 : kt_err_nomem(err);
	}
	KT_AUTO_FD int pid_fd = lock_pid_file(pid_path, err);
	if (pid_fd < 0) {
		return -1;
	}
	kt_engine *engine = kt_engine_new(deps, err);
	if (engine == NULL) {
		return -1;
	}
	engine->retention_ns = o->retention_ns;
	int rc = serve(o, engine, signals, pid_fd, err);
	kt_engine_free(engine);
	if (ftruncate(pid_fd, 0) < 0) {
		KT_WARN(PART, "cannot clear %s", pid_path);
	}
	return rc;
}

int kt_engine_main(int argc, char **argv, const kt_engine_deps *deps)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	options o = {.port = DEFAULT_PORT,
		     .ready_fd = -1,
		     .level = KT_LOG_INFO,
		     .retention_ns = WEEK_NS};
	int rc = parse_options(argc, argv, &o, &err);
	if (rc == 0) {
		kt_log_setup(o.level, STDERR_FILENO);
		rc = run(&o, deps, &err);
	}
	if (rc < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&err);
		KT_AUTO_FREE char *flat = kt_str_replace(kt_str_or(text, "out of memory"), "\n", " ");
		KT_AUTO_FREE char *line =
			kt_asprintf("ERROR %s%s%s\n", kt_str_or(flat, "out of memory"),
				    err.hint != NULL ? "; " : "", kt_str_or(err.hint, ""));
		kt_log_err(KT_LOG_ERROR, PART, &err, "the engine cannot run");
		report(&o, kt_str_or(line, "ERROR out of memory\n"));
		return kt_err_exit_status(err.code);
	}
	return 0;
}
