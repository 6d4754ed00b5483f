/* Starting a role of kurtosisd and reading what it writes. */
#include "cli/helper.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/engine_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX ((size_t)64 << 20)
#define ERROR_MAX ((size_t)64 << 10)
#define READ_SIZE ((size_t)16 << 10)

extern char **environ;

/* A running helper and what it has written so far. */
typedef struct helper {
	pid_t pid;
	int out;
	int err;
	kt_buf line;   /* the part of a line that has come */
	kt_buf errors; /* its stderr */
} helper;

static int helper_start(helper *self, char *const *argv, kt_err *err)
{
	int out[2] = {-1, -1};
	int errors[2] = {-1, -1};
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0) {
		kt_close_ptr(&out[0]);
		kt_close_ptr(&out[1]);
		return KT_FAIL_ERRNO(err, "no pipe");
	}
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
	int rc = posix_spawn(&self->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	kt_close_ptr(&out[1]);
	kt_close_ptr(&errors[1]);
	if (rc != 0) {
		kt_close_ptr(&out[0]);
		kt_close_ptr(&errors[0]);
		return kt_err_set_errno(err, rc, "%s cannot be started", argv[0]);
	}
	self->out = out[0];
	self->err = errors[0];
	return 0;
}

/* Hands the whole lines in self->line to fn and keeps the rest. */
static int take_lines(helper *self, int (*fn)(void *arg, char *line), void *arg)
{
	char *end;
	while ((end = memchr(kt_buf_str(&self->line), '\n', self->line.len)) != NULL) {
		*end = '\0';
		if (fn(arg, self->line.data) < 0) {
			return -1;
		}
		kt_buf_consume(&self->line, (size_t)(end - self->line.data) + 1);
	}
	return self->line.failed ? -1 : 0;
}

/* Reads what has come on *fd; closes it at the end. */
static void drain(int *fd, kt_buf *to, size_t max)
{
	char data[READ_SIZE];
	ssize_t n = read(*fd, data, sizeof(data));
	if (n > 0) {
		kt_buf_add(to, data, KT_MIN((size_t)n, max - KT_MIN(max, to->len)));
	} else if (n == 0 || errno != EINTR) {
		kt_close_ptr(fd);
	}
}

static int helper_finish(helper *self, kt_err *err)
{
	int status = 0;
	while (waitpid(self->pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return 0;
	}
	/* One message per line, outermost first. */
	KT_AUTO_STRVEC kt_strvec lines = KT_STRVEC_INIT;
	kt_strvec_split(&lines, kt_buf_str(&self->errors), '\n');
	while (lines.len > 0 && lines.items[lines.len - 1][0] == '\0') {
		kt_free(lines.items[--lines.len]);
	}
	KT_AUTO_FREE char *hint = NULL;
	if (lines.len > 1 && kt_str_starts(lines.items[lines.len - 1], "Hint: ")) {
		hint = lines.items[--lines.len];
	}
	if (lines.len == 0) {
		return KT_FAIL(err, UNKNOWN, "the helper ended without a word (status %d)", status);
	}
	KT_FAIL(err, UNKNOWN, "%s", lines.items[lines.len - 1]);
	for (size_t i = lines.len - 1; i > 0; i--) {
		KT_WRAP(err, "%s", lines.items[i - 1]);
	}
	if (hint != NULL) {
		kt_err_hint(err, "%s", hint + strlen("Hint: "));
	}
	return -1;
}

/* Starts `kurtosisd ROLE WORDS…`. */
static int start_role(helper *self, const char *role, const kt_strvec *words, kt_err *err)
{
	KT_AUTO_FREE char *program = kt_find_program("kurtosisd", err);
	KT_AUTO_STRVEC kt_strvec all = KT_STRVEC_INIT;
	if (program == NULL) {
		return -1;
	}
	int rc = kt_strvec_add(&all, program) | kt_strvec_add(&all, role);
	for (size_t i = 0; i < words->len; i++) {
		rc |= kt_strvec_add(&all, words->items[i]);
	}
	char **argv = rc == 0 ? kt_strvec_argv(&all) : NULL;
	return argv != NULL ? helper_start(self, argv, err) : kt_err_nomem(err);
}

/* fn NULL: the output is collected in self->line. */
static int run(helper *self, const char *role, const kt_strvec *words,
	       int (*fn)(void *arg, char *line), void *arg, kt_err *err)
{
	if (start_role(self, role, words, err) < 0) {
		return -1;
	}
	bool lost = false;
	while (self->out >= 0 || self->err >= 0) {
		struct pollfd fds[2] = {{self->out, POLLIN, 0}, {self->err, POLLIN, 0}};
		if (poll(fds, 2, -1) < 0 && errno != EINTR) {
			break;
		}
		if (fds[0].revents != 0) {
			drain(&self->out, &self->line, SIZE_MAX / 2);
			lost = (fn != NULL && take_lines(self, fn, arg) < 0) || lost;
		}
		if (fds[1].revents != 0) {
			drain(&self->err, &self->errors, ERROR_MAX);
		}
	}
	kt_close_ptr(&self->out);
	kt_close_ptr(&self->err);
	int rc = helper_finish(self, err);
	return rc == 0 && lost ? kt_err_nomem(err) : rc;
}

int kt_helper_lines(const char *role, const kt_strvec *words, int (*fn)(void *arg, char *line),
		    void *arg, kt_err *err)
{
	helper self = {.out = -1, .err = -1};
	int rc = run(&self, role, words, fn, arg, err);
	kt_buf_deinit(&self.line);
	kt_buf_deinit(&self.errors);
	return rc;
}

int kt_helper_output(const char *role, const kt_strvec *words, kt_buf *ret, kt_err *err)
{
	helper self = {.out = -1, .err = -1};
	int rc = run(&self, role, words, NULL, NULL, err);
	if (rc == 0) {
		kt_buf_add(ret, kt_buf_str(&self.line), self.line.len);
		rc = self.line.failed ? kt_err_nomem(err) : kt_buf_check(ret, err);
	}
	kt_buf_deinit(&self.line);
	kt_buf_deinit(&self.errors);
	return rc;
}

int kt_read_args_file(const char *file, kt_buf *ret, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	if (!kt_str_starts(file, "http://") && !kt_str_starts(file, "https://")) {
		return kt_fs_read(file, ARGS_MAX, ret, err) < 0
			       ? KT_WRAP(err,
					 "An error occurred checking for argument's file existence on "
					 "'%s'",
					 file)
			       : 0;
	}
	if (kt_strvec_add(&words, file) < 0) {
		return kt_err_nomem(err);
	}
	return kt_helper_output("fetch", &words, ret, err) < 0
		       ? KT_WRAP(err, "An error occurred downloading the arguments from '%s'", file)
		       : 0;
}
