/* A program in a service, joined to the caller's terminal. */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define EXIT_CANNOT_START 125
#define CHUNK 16384

static const char *const default_shell[] = {
        "sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi", NULL};

typedef struct tty_options {
	const char *enclave;
	const char *service;
	const char *user;
	const char *backend;
	const char *const *argv;
} tty_options;

/* One terminal on this side, one session on the other. */
typedef struct bridge {
	kt_exec_session *session;
	int signals; /* SIGWINCH; -1 without a terminal */
	bool input_open;
} bridge;

static int parse_options(int argc, char **argv, tty_options *ret, kt_err *err)
{
	static const struct option table[] = {
	        {"enclave-uuid", required_argument, NULL, 'e'},
	        {"service", required_argument, NULL, 's'},
	        {"user", required_argument, NULL, 'u'},
	        {"backend", required_argument, NULL, 'b'},
	        {NULL, 0, NULL, 0},
	};
	int option = 0;

	*ret = (tty_options){.backend = "native", .argv = default_shell};
	optind = 1;
	while ((option = getopt_long(argc, argv, "+", table, NULL)) != -1) {
		switch (option) {
		case 'e':
			ret->enclave = optarg;
			break;
		case 's':
			ret->service = optarg;
			break;
		case 'u':
			ret->user = optarg;
			break;
		case 'b':
			ret->backend = optarg;
			break;
		default:
			return KT_FAIL(err, INVALID, "unknown option");
		}
	}
	if (ret->enclave == NULL || ret->service == NULL || !kt_uuid_valid(ret->enclave)) {
		return KT_FAIL(err, INVALID, "--enclave-uuid and --service are needed");
	}
	if (optind < argc) {
		ret->argv = (const char *const *)&argv[optind];
	}
	return 0;
}

static void send_size(bridge *b)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
		b->session->resize(b->session, size.ws_row, size.ws_col, NULL);
	}
}

/* The terminal's input goes in; its end closes the other side's. */
static void pass_input(bridge *b)
{
	char data[CHUNK];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n < 0 && errno == EINTR) {
		return;
	}
	if (n <= 0 || kt_fs_write_all(b->session->in_fd, data, (size_t)n, NULL) < 0) {
		b->session->close_input(b->session);
		b->input_open = false;
	}
}

/* false at the end of the output. */
static bool pass_output(bridge *b)
{
	char data[CHUNK];
	ssize_t n = read(b->session->out_fd, data, sizeof(data));

	if (n < 0 && errno == EINTR) {
		return true;
	}
	return n > 0 && kt_fs_write_all(STDOUT_FILENO, data, (size_t)n, NULL) == 0;
}

static void take_signal(bridge *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		send_size(b);
	}
}

/* Until the program closes its side. */
static void pass_all(bridge *b)
{
	for (bool open = true; open;) {
		struct pollfd fds[] = {
		        {.fd = b->session->out_fd, .events = POLLIN},
		        {.fd = b->input_open ? STDIN_FILENO : -1, .events = POLLIN},
		        {.fd = b->signals, .events = POLLIN},
		};
		if (poll(fds, KT_ARRAY_LEN(fds), -1) < 0) {
			if (errno == EINTR) {
				continue;
			}
			return;
		}
		if (fds[2].revents != 0) {
			take_signal(b);
		}
		if (fds[1].revents != 0) {
			pass_input(b);
		}
		if (fds[0].revents != 0) {
			open = pass_output(b);
		}
	}
}

static int window_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void make_raw(const struct termios *saved)
{
	struct termios raw = *saved;

	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Runs the session on the terminal, which gets its old settings back. */
static int join_session(kt_exec_session *session, bool tty, int *ret_code, kt_err *err)
{
	bridge b = {.session = session, .signals = -1, .input_open = true};
	struct termios saved;
	KT_AUTO_FD int signals = -1;

	signal(SIGPIPE, SIG_IGN);
	tty = tty && tcgetattr(STDIN_FILENO, &saved) == 0;
	if (tty) {
		signals = window_signals();
		b.signals = signals;
		make_raw(&saved);
		send_size(&b);
	}
	pass_all(&b);
	int result = session->wait(session, KT_NEVER, NULL, ret_code, err);
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	}
	return result;
}

static int find_service(const kt_apic_deps *deps, const tty_options *o, kt_arena *arena,
                        kt_reg *ret, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_asprintf("%s/enclaves/%s/apic.db", deps->root, o->enclave);

	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(path)) {
		return KT_FAIL(err, NOT_FOUND, "no enclave with UUID '%s' is on this machine",
		               o->enclave);
	}
	kt_state *state = kt_state_open(path, err);
	if (state == NULL) {
		return -1;
	}
	int found = kt_state_find_service(state, o->service, arena, ret, err);
	kt_state_close(state);
	if (found == 0) {
		return KT_FAIL(err, NOT_FOUND,
		               "Couldn't find a matching service name for identifier '%s'",
		               o->service);
	}
	return found < 0 ? -1 : 0;
}

static int run_session(const kt_apic_deps *deps, const tty_options *o, kt_backend *backend,
                       int *ret_code, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	bool tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	kt_exec_spec spec = {.argv = o->argv,
	                     .user = o->user,
	                     .deadline = KT_NEVER,
	                     .tty = tty,
	                     .rows = 24,
	                     .cols = 80};
	kt_exec_session *session = NULL;
	kt_reg reg = {0};

	if (find_service(deps, o, &arena, &reg, err) < 0 ||
	    backend->ops->exec_open(backend, o->enclave, reg.uuid, &spec, &session, err) < 0) {
		return -1;
	}
	int result = join_session(session, tty, ret_code, err);
	session->close(session);
	return result;
}

int kt_apic_exec_tty_main(int argc, char **argv, const kt_apic_deps *deps)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	tty_options o;
	int code = EXIT_CANNOT_START;
	kt_backend *backend = NULL;
	int result = parse_options(argc, argv, &o, &err);

	if (result == 0) {
		backend = deps->open_backend(o.backend, &err);
		result = backend != NULL ? run_session(deps, &o, backend, &code, &err) : -1;
		kt_backend_close(backend);
	}
	if (result < 0) {
		KT_AUTO_FREE char *text = kt_err_chain_text(&err);
		fprintf(stderr, "%s\n", text != NULL ? text : "out of memory");
		return EXIT_CANNOT_START;
	}
	return code;
}
