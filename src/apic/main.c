/* The API container as a program: its options, its life, its end. */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOG_PART "apic"
#define STOP_GRACE_MS 2000
#define INSIDE_PORT 7443
/* What a gRPC message may have in this service. */
#define MAX_MESSAGE (4U * 1024 * 1024)

typedef struct options {
	kt_apic_spec spec;
	const char *backend;
	const char *host;
	uint16_t port;
	int ready_fd;
	int start_fd;
	const char *log_file;
	kt_log_level level;
} options;

static int parse_level(const char *text, kt_log_level *ret, kt_err *err)
{
	static const char *const names[] = {"error", "warn", "info", "debug", "trace"};

	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (kt_log_level)i;
			return 0;
		}
	}
	return KT_FAIL(err, INVALID, "'%s' is no log level", text);
}

/* "127.0.0.1:0"; the text is cut at the colon. */
static int parse_listen(char *text, options *ret, kt_err *err)
{
	char *colon = strrchr(text, ':');
	int64_t port = 0;

	if (colon == NULL || !kt_str_to_i64(colon + 1, 0, UINT16_MAX, &port)) {
		return KT_FAIL(err, INVALID, "'%s' is no address with a port", text);
	}
	*colon = '\0';
	ret->host = text;
	ret->port = (uint16_t)port;
	return 0;
}

static int take_option(int option, char *value, options *ret, kt_err *err)
{
	int64_t number = 0;

	switch (option) {
	case 'u':
		ret->spec.enclave_uuid = value;
		return 0;
	case 'n':
		ret->spec.enclave_name = value;
		return 0;
	case 'r':
		if (!kt_str_to_i64(value, 0, INT32_MAX, &number)) {
			return KT_FAIL(err, INVALID, "'%s' is no descriptor", value);
		}
		ret->ready_fd = (int)number;
		fcntl(ret->ready_fd, F_SETFD, FD_CLOEXEC);
		return 0;
	case 's':
		if (!kt_str_to_i64(value, 0, INT32_MAX, &number)) {
			return KT_FAIL(err, INVALID, "'%s' is no descriptor", value);
		}
		ret->start_fd = (int)number;
		fcntl(ret->start_fd, F_SETFD, FD_CLOEXEC);
		return 0;
	case 'f':
		ret->log_file = value;
		return 0;
	case 'b':
		ret->backend = value;
		return 0;
	case 'p':
		ret->spec.production = true;
		return 0;
	case 'l':
		return parse_level(value, &ret->level, err);
	case 'a':
		return parse_listen(value, ret, err);
	default:
		return KT_FAIL(err, INVALID, "unknown option");
	}
}

static int parse_options(int argc, char **argv, options *ret, kt_err *err)
{
	static const struct option table[] = {
	        {"enclave-uuid", required_argument, NULL, 'u'},
	        {"enclave-name", required_argument, NULL, 'n'},
	        {"ready-fd", required_argument, NULL, 'r'},
	        {"start-fd", required_argument, NULL, 's'},
	        {"log-file", required_argument, NULL, 'f'},
	        {"backend", required_argument, NULL, 'b'},
	        {"production", no_argument, NULL, 'p'},
	        {"log-level", required_argument, NULL, 'l'},
	        {"listen", required_argument, NULL, 'a'},
	        {NULL, 0, NULL, 0},
	};
	int option = 0;

	*ret = (options){.backend = "native",
	                 .host = "127.0.0.1",
	                 .ready_fd = -1,
	                 .start_fd = -1,
	                 .level = KT_LOG_INFO};
	optind = 1;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (take_option(option, optarg, ret, err) < 0) {
			return -1;
		}
	}
	if (ret->spec.enclave_uuid == NULL || !kt_uuid_valid(ret->spec.enclave_uuid)) {
		return KT_FAIL(err, INVALID, "--enclave-uuid needs 32 hexadecimal digits");
	}
	if (ret->spec.enclave_name == NULL) {
		return KT_FAIL(err, INVALID, "--enclave-name is missing");
	}
	return 0;
}

/* Tells the engine; it may have gone meanwhile, which is no reason to stop. */
static void report_ready(options *o, const char *text)
{
	if (o->ready_fd >= 0) {
		kt_fs_write_all(o->ready_fd, text, strlen(text), NULL);
		kt_close_ptr(&o->ready_fd);
	}
}

/*
 * The engine starts this process while it still makes the enclave. 1 when the enclave is there, 0
 * when the engine has given up.
 */
static int await_start(options *o, kt_err *err)
{
	char byte = 0;
	ssize_t n = 1;

	if (o->start_fd >= 0) {
		do {
			n = read(o->start_fd, &byte, 1);
		} while (n < 0 && errno == EINTR);
		kt_close_ptr(&o->start_fd);
	}
	if (n <= 0 || o->log_file == NULL) {
		return n < 0 ? KT_FAIL_ERRNO(err, "waiting for the engine") : (int)n;
	}
	KT_AUTO_FD int log = open(o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) {
		return KT_FAIL_ERRNO(err, "the log '%s' cannot be written", o->log_file);
	}
	return 1;
}

/* Signals that end the service, as a descriptor; blocked in every thread from here on. */
static int end_signals(kt_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd >= 0 ? fd : KT_FAIL_ERRNO(err, "signalfd");
}

/*
 * Programs inside the enclave reach the service as well, where the backend can lend a
 * socket there; without it nothing else is missing.
 */
static void listen_inside(const options *o, kt_grpc_server *server)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_backend *backend = o->spec.backend;
	struct in_addr ip;
	int fd = -1;

	if (backend->ops->listen(backend, o->spec.enclave_uuid, INSIDE_PORT, &fd, &ip, &err) < 0 ||
	    kt_grpc_server_listen_fd(server, fd, &err) < 0) {
		kt_log_err(KT_LOG_WARN, LOG_PART, &err, "not reachable from inside the enclave");
	}
}

static int serve(options *o, kt_apic *apic, int signals, kt_err *err)
{
	const char *hosts[] = {o->host, NULL};
	kt_grpc_config config = {
	        .hosts = hosts, .port = o->port, .max_message = MAX_MESSAGE, .name = "apic"};
	kt_grpc_server *server = kt_grpc_server_new(&config, err);
	char line[32];

	if (server == NULL) {
		return -1;
	}
	if (kt_grpc_server_add(server, kt_apic_rpcs, kt_apic_handlers, KT_APIC_RPC_COUNT, apic,
	                       err) < 0 ||
	    (listen_inside(o, server), kt_grpc_server_start(server, err)) < 0) {
		kt_grpc_server_free(server);
		return -1;
	}
	snprintf(line, sizeof(line), "READY %u\n", (unsigned)kt_grpc_server_port(server));
	report_ready(o, line);
	KT_INFO(LOG_PART, "serving enclave %s on port %u", o->spec.enclave_name,
	        (unsigned)kt_grpc_server_port(server));
	int result = kt_wait_fd(signals, POLLIN, KT_NEVER, NULL, err);
	kt_cancel_fire(apic->stop);
	kt_grpc_server_stop(server, STOP_GRACE_MS);
	kt_grpc_server_free(server);
	return result;
}

/* An enclave that is not there must not come into being because somebody serves it. */
static int check_enclave(const options *o, kt_backend *backend, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err inspected = KT_ERR_INIT;
	kt_enclave_info info = {0};

	if (backend->ops->enclave_inspect(backend, o->spec.enclave_uuid, &arena, &info,
	                                  &inspected) < 0 &&
	    inspected.code == KT_ERR_NOT_FOUND) {
		kt_err_move(err, &inspected);
		return -1;
	}
	return 0;
}

static int run_service(options *o, const kt_apic_deps *deps, kt_err *err)
{
	KT_AUTO_FD int signals = end_signals(err);

	if (signals < 0) {
		return -1;
	}
	kt_backend *backend = deps->open_backend(o->backend, err);
	if (backend == NULL) {
		return -1;
	}
	o->spec.backend = backend;
	o->spec.root = deps->root;
	kt_apic *apic = check_enclave(o, backend, err) == 0 ? kt_apic_new(&o->spec, err) : NULL;
	int result = apic != NULL ? serve(o, apic, signals, err) : -1;
	kt_apic_free(apic);
	kt_backend_close(backend);
	return result;
}

int kt_apic_main(int argc, char **argv, const kt_apic_deps *deps)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	options o;
	int result = parse_options(argc, argv, &o, &err);

	if (result == 0) {
		kt_log_setup(o.level, STDERR_FILENO);
		result = await_start(&o, &err);
		result = result > 0 ? run_service(&o, deps, &err) : result;
	}
	if (result < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&err);
		KT_AUTO_FREE char *flat = text != NULL ? kt_str_replace(text, "\n", " ") : NULL;
		KT_AUTO_FREE char *line =
		        kt_asprintf("ERROR %s\n", flat != NULL ? flat : "out of memory");
		kt_log_err(KT_LOG_ERROR, LOG_PART, &err, "the API container cannot run");
		report_ready(&o, line != NULL ? line : "ERROR out of memory\n");
		return kt_err_exit_status(err.code);
	}
	return 0;
}
