/*
 * kurtosis image …: the work is done by a role of kurtosisd (its lines are described in
 * engine/engine.h), so that this program need not carry the registry client.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/engine_proc.h"
#include "cli/progress.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Runs `kurtosisd image WORDS…` and gives each line of its output to fn. */
static int run_helper(const kt_strvec *words, int (*fn)(void *arg, char *line), void *arg,
		      kt_err *err)
{
	KT_AUTO_FREE char *program = kt_find_program("kurtosisd", err);
	KT_AUTO_STRVEC kt_strvec all = KT_STRVEC_INIT;
	if (program == NULL) {
		return -1;
	}
	int rc = kt_strvec_add(&all, program) | kt_strvec_add(&all, "image");
	for (size_t i = 0; i < words->len; i++) {
		rc |= kt_strvec_add(&all, words->items[i]);
	}
	char **argv = rc == 0 ? kt_strvec_argv(&all) : NULL;
	if (argv == NULL) {
		return kt_err_nomem(err);
	}
	helper self = {.out = -1, .err = -1};
	if (helper_start(&self, argv, err) < 0) {
		return -1;
	}
	bool lost = false;
	while (self.out >= 0 || self.err >= 0) {
		struct pollfd fds[2] = {{self.out, POLLIN, 0}, {self.err, POLLIN, 0}};
		if (poll(fds, 2, -1) < 0 && errno != EINTR) {
			break;
		}
		if (fds[0].revents != 0) {
			drain(&self.out, &self.line, SIZE_MAX / 2);
			lost = take_lines(&self, fn, arg) < 0 || lost;
		}
		if (fds[1].revents != 0) {
			drain(&self.err, &self.errors, ERROR_MAX);
		}
	}
	kt_close_ptr(&self.out);
	kt_close_ptr(&self.err);
	rc = helper_finish(&self, err);
	kt_buf_deinit(&self.line);
	kt_buf_deinit(&self.errors);
	return rc == 0 && lost ? kt_err_nomem(err) : rc;
}

/* --- the commands ----------------------------------------------------------------------- */

static void human_size(const char *bytes, char out[16])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = strtod(bytes, NULL);
	size_t unit = 0;
	while (value >= 1000 && unit + 1 < KT_ARRAY_LEN(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(out, 16, value < 10 && unit > 0 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

/* "NAME\tID\tSIZE\tCREATED" to a row. */
static int add_image_row(void *arg, char *line)
{
	kt_table *table = arg;
	char size[16];
	KT_AUTO_STRVEC kt_strvec cells = KT_STRVEC_INIT;
	if (kt_strvec_split(&cells, line, '\t') < 0) {
		return -1;
	}
	if (cells.len < 4) {
		return 0;
	}
	const char *id = cells.items[1];
	const char *colon = strchr(id, ':');
	char shortened[13];
	snprintf(shortened, sizeof(shortened), "%.12s", colon != NULL ? colon + 1 : id);
	human_size(cells.items[2], size);
	kt_table_cell(table, cells.items[0]);
	kt_table_cell(table, shortened);
	kt_table_cell(table, size);
	kt_table_cell(table, cells.items[3]);
	return 0;
}

int kt_cmd_image_ls(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	KT_AUTO_TABLE kt_table table = {.columns = 4, .header = true};
	static const char *const head[] = {"Image", "ID", "Size", "Created"};
	for (size_t i = 0; i < KT_ARRAY_LEN(head); i++) {
		kt_table_cell(&table, head[i]);
	}
	if (kt_strvec_add(&words, "ls") < 0) {
		return kt_err_nomem(err);
	}
	return run_helper(&words, add_image_row, &table, err) < 0
		       ? -1
		       : kt_table_print(&table, cli, err);
}

static int show_pull(void *arg, char *line)
{
	kt_progress *progress = arg;
	unsigned long long done;
	unsigned long long total;
	int at = 0;
	if (progress == NULL || sscanf(line, "progress %llu %llu %n", &done, &total, &at) < 2 || at == 0) {
		return 0;
	}
	char *text = line + at;
	uint32_t percent = total > 0 ? (uint32_t)(done * 100 / total) : 0;
	kt_progress_set(progress, &text, 1, percent, 100);
	return 0;
}

int kt_cmd_image_pull(kt_cli *cli, kt_err *err)
{
	const char *image = kt_cli_arg(cli, "image");
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	if (kt_strvec_add(&words, "pull") < 0 || kt_strvec_add(&words, image) < 0) {
		return kt_err_nomem(err);
	}
	KT_CLI_LOG(cli, "Pulling image '%s'...", image);
	kt_progress *progress = cli->interactive ? kt_progress_new(NULL) : NULL;
	int rc = run_helper(&words, show_pull, progress, err);
	kt_progress_free(progress);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred pulling image '%s'", image);
	}
	KT_CLI_LOG(cli, "Image '%s' is available", image);
	return 0;
}

static int print_name(void *arg, char *line)
{
	kt_out(arg, "%s\n", line);
	return 0;
}

int kt_cmd_image_load(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	const char *path = kt_cli_arg(cli, "path");
	const char *name = kt_cli_arg(cli, "name");
	int rc = kt_strvec_add(&words, "load") | kt_strvec_add(&words, path);
	rc |= *name != '\0' ? kt_strvec_add(&words, name) : 0;
	if (rc != 0) {
		return kt_err_nomem(err);
	}
	return run_helper(&words, print_name, cli, err) < 0
		       ? KT_WRAP(err, "An error occurred loading images from '%s'", path)
		       : 0;
}

int kt_cmd_image_rm(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	const char *const *names;
	size_t count = kt_cli_rest(cli, &names);
	int rc = kt_strvec_add(&words, "rm");
	rc |= kt_cli_bool(cli, "force") ? kt_strvec_add(&words, "-f") : 0;
	for (size_t i = 0; i < count; i++) {
		rc |= kt_strvec_add(&words, names[i]);
	}
	if (rc != 0) {
		return kt_err_nomem(err);
	}
	return run_helper(&words, print_name, cli, err) < 0
		       ? KT_WRAP(err, "An error occurred removing images")
		       : 0;
}
