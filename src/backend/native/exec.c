/* Commands in running services. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_MAX_OUTPUT (16U * 1024 * 1024)
#define DIE_MS 5000 /* how long a killed command may take to be gone */

/* A command that has been started: the connection on which its end will be told. */
typedef struct running {
	native_backend *self;
	kt_sup_conn *conn;
	uint64_t exec_id;
	bool ended;
	bool broken;
	int exit_code;
	char *message; /* why it could not be executed */
} running;

static void put_spec(kt_buf *msg, const char *uuid, const kt_exec_spec *spec, bool tty)
{
	kt_sup_put_str(msg, KT_SUP_F_ID, uuid);
	for (size_t i = 0; spec->argv[i] != NULL; i++) {
		kt_sup_put_str(msg, KT_SUP_F_ARG, spec->argv[i]);
	}
	for (size_t i = 0; i < spec->env_len; i++) {
		KT_AUTO_FREE char *entry =
			kt_asprintf("%s=%s", spec->env[i].key, spec->env[i].value);
		if (entry == NULL) {
			msg->failed = true;
		}
		kt_sup_put_str(msg, KT_SUP_F_ENV, entry);
	}
	kt_sup_put_str(msg, KT_SUP_F_CWD, spec->working_dir);
	if (!kt_str_empty(spec->user)) {
		kt_sup_put_str(msg, KT_SUP_F_USER, spec->user);
	}
	if (tty) {
		kt_sup_put_num(msg, KT_SUP_F_FLAGS, KT_SUP_TTY);
		kt_sup_put_num(msg, KT_SUP_F_ROWS, spec->rows);
		kt_sup_put_num(msg, KT_SUP_F_COLS, spec->cols);
	}
}

static void note_exit(running *run, const kt_sup_reader *message)
{
	bool unknown = kt_sup_get_num(message, KT_SUP_F_EXIT_UNKNOWN, 0) != 0;
	run->ended = true;
	run->exit_code = unknown ? KT_EXIT_UNKNOWN
				 : (int)kt_sup_get_num(message, KT_SUP_F_EXIT_CODE, 0);
}

/*
 * Starts the command with these descriptors (none with a tty, whose master then comes back in
 * *ret_master). On success run->conn must be given back with end_run.
 */
static int begin_run(native_backend *self, const char *enclave, const char *uuid,
		     const kt_exec_spec *spec, const int *fds, int *ret_master, running *run,
		     kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_FREE char *path = kt_paths_runtime(&self->paths, "enclaves/%s/sup.sock", enclave);
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	native_record record;
	if (spec->argv == NULL || spec->argv[0] == NULL) {
		return KT_FAIL(err, INVALID, "there is no command to execute");
	}
	if (native_record_read(self, enclave, uuid, &arena, &record, err) < 0) {
		return -1;
	}
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	kt_sup_call_begin(&call, KT_SUP_EXEC);
	put_spec(&call.msg, uuid, spec, ret_master != NULL);
	call.fds = fds;
	call.fd_count = fds != NULL ? 3 : 0;
	call.cancel = spec->cancel;
	kt_sup_conn *conn = kt_sup_conn_get(self->clients, path, NULL);
	if (conn == NULL && native_supervisor_start(self, enclave, err) == 0) {
		conn = kt_sup_conn_get(self->clients, path, err);
	}
	if (conn == NULL) {
		return -1;
	}
	bool broken = false;
	if (kt_sup_conn_call(conn, &call, &broken, err) < 0) {
		kt_sup_conn_put(self->clients, conn, broken);
		return KT_WRAP(err, "cannot execute '%s' in service '%s'", spec->argv[0],
			       record.info.name);
	}
	*run = (running){.self = self, .conn = conn};
	run->exec_id = kt_sup_get_num(&call.reply, KT_SUP_F_EXEC_ID, 0);
	kt_sup_field field;
	if (kt_sup_find(&call.reply, KT_SUP_F_EXIT_CODE, &field)) {
		note_exit(run, &call.reply);
		run->message = kt_strdup(kt_sup_get_str(&call.reply, KT_SUP_F_MESSAGE));
	}
	if (ret_master != NULL) {
		*ret_master = kt_sup_call_take_fd(&call, 0);
	}
	return 0;
}

static void end_run(running *run)
{
	if (run->conn != NULL) {
		kt_sup_conn_put(run->self->clients, run->conn, run->broken || !run->ended);
		run->conn = NULL;
	}
	kt_free(run->message);
	run->message = NULL;
}

/* Takes events until the command's end. -1 also sets broken. */
static int await_exit(running *run, kt_instant deadline, const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;
	while (!run->ended) {
		kt_sup_reader message;
		int rc = kt_sup_conn_receive(run->conn, &msg, &message, deadline, cancel, err);
		if (rc <= 0) {
			run->broken = true;
			return rc < 0 ? -1
				      : KT_FAIL(err, UNAVAILABLE,
						"the enclave's supervisor went away while a "
						"command ran; its result is unknown");
		}
		if (message.type == KT_SUP_EXEC_EXITED &&
		    kt_sup_get_num(&message, KT_SUP_F_EXEC_ID, 0) == run->exec_id) {
			note_exit(run, &message);
		}
	}
	return 0;
}

/* Kills the command and waits a while for it to be gone. */
static void kill_run(running *run)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {.deadline = kt_after_ms(DIE_MS)};
	if (run->ended || run->broken) {
		return;
	}
	kt_sup_call_begin(&call, KT_SUP_EXEC_SIGNAL);
	kt_sup_put_num(&call.msg, KT_SUP_F_EXEC_ID, run->exec_id);
	kt_sup_put_num(&call.msg, KT_SUP_F_SIGNAL, SIGKILL);
	(void)kt_sup_conn_call(run->conn, &call, &run->broken, NULL);
	if (!run->broken) {
		(void)await_exit(run, kt_after_ms(DIE_MS), NULL, NULL);
	}
}

/* ---- with output as the result ------------------------------------------------------- */

typedef struct output {
	const kt_exec_spec *spec;
	kt_buf kept;
	size_t max;
	bool truncated;
} output;

/* Takes what is there to read. 1 = more may come, 0 = end, -1 = failure. */
static int read_some(int fd, output *out, kt_err *err)
{
	char block[16384];
	ssize_t n = read(fd, block, sizeof(block));
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR
			       ? 1
			       : KT_FAIL_ERRNO(err, "cannot read a command's output");
	}
	if (n == 0) {
		return 0;
	}
	if (out->spec->on_output != NULL) {
		out->spec->on_output(out->spec->on_output_ctx, block, (size_t)n);
	}
	size_t room = out->max - out->kept.len;
	out->truncated = out->truncated || (size_t)n > room;
	kt_buf_add(&out->kept, block, KT_MIN((size_t)n, room));
	return kt_buf_check(&out->kept, err) < 0 ? -1 : 1;
}

/* After the command's end everything it wrote is in the pipe: take it, wait for no more. */
static int drain(int fd, output *out, kt_err *err)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	while (poll(&poll_fd, 1, 0) > 0) {
		int rc = read_some(fd, out, err);
		if (rc <= 0) {
			return rc;
		}
	}
	return 0;
}

static int wait_any(struct pollfd polls[3], kt_instant deadline, kt_err *err)
{
	int n = poll(polls, 3, kt_ms_left(deadline));
	if (n < 0 && errno != EINTR) {
		return KT_FAIL_ERRNO(err, "cannot wait for a command");
	}
	if (n == 0 && kt_now() >= deadline) {
		return KT_FAIL(err, TIMEOUT, "the command did not end in time");
	}
	return 0;
}

/* Reads output and waits for the end; the pipe's end of file alone is not the end. */
static int follow(running *run, int pipe_fd, output *out, kt_err *err)
{
	struct pollfd polls[3] = {{.fd = pipe_fd, .events = POLLIN},
				  {.fd = kt_sup_conn_fd(run->conn), .events = POLLIN},
				  {.fd = kt_cancel_fd(out->spec->cancel), .events = POLLIN}};
	kt_instant deadline = out->spec->deadline != 0 ? out->spec->deadline : KT_NEVER;
	while (!run->ended) {
		if (wait_any(polls, deadline, err) < 0 ||
		    kt_cancel_check(out->spec->cancel, err) < 0) {
			return -1;
		}
		if (polls[0].revents != 0) {
			int rc = read_some(pipe_fd, out, err);
			if (rc < 0) {
				return -1;
			}
			polls[0].fd = rc == 0 ? -1 : pipe_fd;
		}
		if (polls[1].revents != 0 &&
		    await_exit(run, deadline, out->spec->cancel, err) < 0) {
			return -1;
		}
	}
	return polls[0].fd < 0 ? 0 : drain(pipe_fd, out, err);
}

int native_exec(kt_backend *base, const char *enclave, const char *uuid, const kt_exec_spec *spec,
		kt_exec_result *ret, kt_err *err)
{
	int ends[2];
	running run = {0};
	output out = {.spec = spec,
		      .max = spec->max_output != 0 ? spec->max_output : DEFAULT_MAX_OUTPUT};
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a pipe");
	}
	KT_AUTO_FD int from = ends[0];
	KT_AUTO_FD int to = ends[1];
	KT_AUTO_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || fcntl(from, F_SETFL, O_NONBLOCK) < 0) {
		return KT_FAIL_ERRNO(err, "cannot open /dev/null");
	}
	int fds[3] = {null, to, to};
	if (begin_run(native_of(base), enclave, uuid, spec, fds, NULL, &run, err) < 0) {
		return -1;
	}
	kt_close_ptr(&to);
	int rc = follow(&run, from, &out, err);
	if (rc < 0) {
		kill_run(&run);
		kt_buf_deinit(&out.kept);
	} else {
		if (run.message != NULL) {
			kt_buf_adds(&out.kept, run.message);
			kt_buf_addc(&out.kept, '\n');
		}
		*ret = (kt_exec_result){run.exit_code, out.truncated, out.kept};
	}
	end_run(&run);
	return rc;
}

/* ---- interactive --------------------------------------------------------------------- */

typedef struct session {
	kt_exec_session base;
	running run;
	bool tty;
} session;

static int session_resize(kt_exec_session *base, uint16_t rows, uint16_t cols, kt_err *err)
{
	struct winsize size = {.ws_row = rows, .ws_col = cols};
	if (!((session *)base)->tty) {
		return 0;
	}
	return ioctl(base->out_fd, TIOCSWINSZ, &size) < 0
		       ? KT_FAIL_ERRNO(err, "cannot resize the terminal")
		       : 0;
}

static void session_close_input(kt_exec_session *base)
{
	kt_close_ptr(&base->in_fd);
}

static int session_wait(kt_exec_session *base, kt_instant deadline, const kt_cancel *cancel,
			int *ret_exit_code, kt_err *err)
{
	session *self = (session *)base;
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	if (await_exit(&self->run, deadline, cancel, &failure) < 0) {
		bool again = failure.code == KT_ERR_TIMEOUT || failure.code == KT_ERR_CANCELLED;
		self->run.broken = !again; /* nothing was read: the next wait may succeed */
		kt_err_move(err, &failure);
		return -1;
	}
	*ret_exit_code = self->run.exit_code;
	return 0;
}

static void session_close(kt_exec_session *base)
{
	session *self = (session *)base;
	kill_run(&self->run);
	kt_close_ptr(&base->in_fd);
	kt_close_ptr(&base->out_fd);
	end_run(&self->run);
	kt_free(self);
}

static int open_tty(native_backend *self, const char *enclave, const char *uuid,
		    const kt_exec_spec *spec, session *made, kt_err *err)
{
	int master = -1;
	if (begin_run(self, enclave, uuid, spec, NULL, &master, &made->run, err) < 0) {
		return -1;
	}
	made->tty = true;
	made->base.out_fd = master;
	made->base.in_fd = master < 0 ? -1 : fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (made->base.in_fd < 0 && !made->run.ended) {
		return KT_FAIL(err, INTERNAL, "the supervisor sent no terminal");
	}
	return 0;
}

static int open_pipes(native_backend *self, const char *enclave, const char *uuid,
		      const kt_exec_spec *spec, session *made, kt_err *err)
{
	int in[2];
	int out[2];
	if (pipe2(in, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a pipe");
	}
	KT_AUTO_FD int in_read = in[0];
	made->base.in_fd = in[1];
	if (pipe2(out, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a pipe");
	}
	KT_AUTO_FD int out_write = out[1];
	made->base.out_fd = out[0];
	int fds[3] = {in_read, out_write, out_write};
	return begin_run(self, enclave, uuid, spec, fds, NULL, &made->run, err);
}

int native_exec_open(kt_backend *base, const char *enclave, const char *uuid,
		     const kt_exec_spec *spec, kt_exec_session **ret, kt_err *err)
{
	session *made = kt_calloc(1, sizeof(*made));
	if (made == NULL) {
		return kt_err_nomem(err);
	}
	made->base = (kt_exec_session){
		.in_fd = -1,
		.out_fd = -1,
		.resize = session_resize,
		.close_input = session_close_input,
		.wait = session_wait,
		.close = session_close,
	};
	int rc = spec->tty ? open_tty(native_of(base), enclave, uuid, spec, made, err)
			   : open_pipes(native_of(base), enclave, uuid, spec, made, err);
	if (rc < 0) {
		if (made->run.conn != NULL) {
			session_close(&made->base);
		} else {
			kt_close_ptr(&made->base.in_fd);
			kt_close_ptr(&made->base.out_fd);
			kt_free(made);
		}
		return -1;
	}
	*ret = &made->base;
	return 0;
}
