/* Terminal output. */
#include "cli/ui.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PADDING 3
#define MESSAGE_WIDTH 44
#define BAR_WIDTH 100

void kt_ui_init(kt_cli *cli)
{
	const char *term = getenv("TERM");
	const char *ci = getenv("CI");
	bool colors = kt_str_empty(getenv("NO_COLOR")) && !kt_str_eq(term, "dumb");
	bool out = isatty(STDOUT_FILENO) == 1;
	cli->color = colors && out;
	cli->log_color = colors && isatty(STDERR_FILENO) == 1;
	cli->interactive = out && !kt_str_eq(ci, "true");
	cli->log_level = KT_CLI_INFO;
}

void kt_out(kt_cli *cli, const char *fmt, ...)
{
	(void)cli;
	va_list args;
	va_start(args, fmt);
	vfprintf(stdout, fmt, args);
	va_end(args);
}

void kt_out_color(kt_cli *cli, int color, const char *text)
{
	if (cli->color && color != KT_NO_COLOR) {
		printf("\033[%dm%s\033[0m\n", color, text);
	} else {
		printf("%s\n", text);
	}
}

void kt_out_flush(void)
{
	fflush(stdout);
}

void kt_err_out(kt_cli *cli, const char *fmt, ...)
{
	(void)cli;
	fflush(stdout);
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

/* --- log lines -------------------------------------------------------------------------- */

static const struct level {
	const char *word;
	int color;
} levels[] = {
	[KT_CLI_ERROR] = {"ERRO", KT_RED},
	[KT_CLI_WARN] = {"WARN", KT_YELLOW},
	[KT_CLI_INFO] = {"INFO", KT_CYAN},
	[KT_CLI_DEBUG] = {"DEBU", KT_WHITE},
};

static void local_time_text(char *out, size_t cap)
{
	time_t now = time(NULL);
	struct tm parts;
	localtime_r(&now, &parts);
	size_t n = strftime(out, cap, "%Y-%m-%dT%H:%M:%S", &parts);
	if (parts.tm_gmtoff == 0) {
		snprintf(out + n, cap - n, "Z");
		return;
	}
	long minutes = labs(parts.tm_gmtoff) / 60;
	snprintf(out + n, cap - n, "%c%02ld:%02ld", parts.tm_gmtoff < 0 ? '-' : '+', minutes / 60,
		 minutes % 60);
}

void kt_log_line(kt_cli *cli, int level, const char *fmt, ...)
{
	if (level > cli->log_level) {
		return;
	}
	char when[40];
	local_time_text(when, sizeof(when));
	kt_buf message = KT_BUF_INIT;
	va_list args;
	va_start(args, fmt);
	char *text = NULL;
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	kt_buf_adds(&message, len >= 0 ? text : "(out of memory)");
	free(text);
	/* The reference pads messages so that fields, which it never has, would stand in line. */
	for (size_t n = kt_utf8_count(kt_buf_str(&message), message.len); n < MESSAGE_WIDTH; n++) {
		kt_buf_addc(&message, ' ');
	}
	const struct level *l = &levels[level];
	if (cli->log_color) {
		kt_err_out(cli, "\033[%dm%s\033[0m[%s] %s \n", l->color, l->word, when,
			   kt_buf_str(&message));
	} else {
		kt_err_out(cli, "%s[%s] %s \n", l->word, when, kt_buf_str(&message));
	}
	kt_buf_deinit(&message);
}

void kt_banner(kt_cli *cli, const char *message)
{
	kt_buf frame = KT_BUF_INIT;
	size_t width = kt_utf8_count(message, strlen(message)) + 24;
	for (size_t i = 0; i < width; i++) {
		kt_buf_addc(&frame, '=');
	}
	KT_CLI_LOG(cli, "%s", kt_buf_str(&frame));
	KT_CLI_LOG(cli, "||%10s%s%10s||", "", message, "");
	KT_CLI_LOG(cli, "%s", kt_buf_str(&frame));
	kt_buf_deinit(&frame);
}

void kt_section_bar(kt_cli *cli, const char *title)
{
	char pad[BAR_WIDTH / 2 + 1];
	size_t len = (BAR_WIDTH - (strlen(title) + 2)) / 2;
	memset(pad, '=', len);
	pad[len] = '\0';
	kt_out(cli, "%s %s %s\n", pad, title, pad);
}

/* --- tables ----------------------------------------------------------------------------- */

void kt_table_deinit(kt_table *self)
{
	kt_strvec_deinit(&self->cells);
}

static void add_cell(kt_table *self, const char *text)
{
	if (kt_strvec_add(&self->cells, text) < 0) {
		self->failed = true;
	}
}

static void add_escaped(kt_table *self, const char *open, const char *text, const char *close)
{
	KT_AUTO_FREE char *cell = kt_asprintf("%s%s%s", open, text, close);
	if (cell == NULL) {
		self->failed = true;
		return;
	}
	add_cell(self, cell);
}

void kt_table_cell(kt_table *self, const char *text)
{
	add_cell(self, text);
}

void kt_table_colored(kt_table *self, const kt_cli *cli, int color, const char *text)
{
	if (!cli->color || color == KT_NO_COLOR) {
		add_cell(self, text);
		return;
	}
	char open[16];
	snprintf(open, sizeof(open), "\033[%dm", color);
	add_escaped(self, open, text, "\033[0m");
}

void kt_table_key(kt_table *self, const kt_cli *cli, const char *key, const char *value)
{
	if (cli->color) {
		add_escaped(self, "\033[1m", key, "\033[22m:");
	} else {
		add_escaped(self, "", key, ":");
	}
	add_cell(self, value);
}

/* On a terminal every cell is wrapped, as the reference's column widths depend on it. */
static void dress_cells(kt_table *self, const kt_cli *cli)
{
	if (!cli->color || !self->header) {
		return;
	}
	for (size_t i = 0; i < self->cells.len; i++) {
		char **cell = &self->cells.items[i];
		if (**cell == '\033') {
			continue;
		}
		bool head = i < self->columns;
		char *dressed = kt_asprintf("%s%s%s", head ? "\033[1m" : "\033[0m", *cell,
					    head ? "\033[22m" : "\033[0m");
		if (dressed == NULL) {
			self->failed = true;
			return;
		}
		kt_free(*cell);
		*cell = dressed;
	}
}

static size_t cell_width(const char *cell)
{
	return kt_utf8_count(cell, strlen(cell));
}

int kt_table_print(kt_table *self, kt_cli *cli, kt_err *err)
{
	dress_cells(self, cli);
	KT_AUTO_FREE size_t *widths = kt_calloc(self->columns, sizeof(*widths));
	if (widths == NULL || self->failed) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < self->cells.len; i++) {
		size_t *width = &widths[i % self->columns];
		*width = KT_MAX(*width, cell_width(self->cells.items[i]));
	}
	for (size_t i = 0; i < self->cells.len; i++) {
		const char *cell = self->cells.items[i];
		size_t column = i % self->columns;
		fputs(cell, stdout);
		if (column + 1 == self->columns) {
			fputc('\n', stdout);
			continue;
		}
		printf("%*s", (int)(widths[column] + PADDING - cell_width(cell)), "");
	}
	return 0;
}

void kt_buf_add_rfc1123(kt_buf *buf, int64_t seconds)
{
	char text[64];
	struct tm parts;
	time_t when = (time_t)seconds;
	localtime_r(&when, &parts);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S %Z", &parts);
	kt_buf_adds(buf, text);
}

/* --- errors ----------------------------------------------------------------------------- */

/* A stack line of the reference: " --- at FILE:LINE (FUNC) ---". */
static bool is_stack_line(const char *line, size_t len)
{
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	return len > 10 && strncmp(line, "--- at ", 7) == 0 && line[len - 1] == '-' &&
	       memmem(line, len, ") ---", 5) != NULL;
}

char *kt_clean_text(const char *text)
{
	kt_buf out = KT_BUF_INIT;
	bool first = true;
	for (const char *line = text; line != NULL;) {
		const char *end = strchr(line, '\n');
		size_t len = end != NULL ? (size_t)(end - line) : strlen(line);
		if (!is_stack_line(line, len)) {
			kt_buf_adds(&out, first ? "" : "\n  ");
			kt_buf_add(&out, line, len);
		}
		first = false;
		line = end != NULL ? end + 1 : NULL;
	}
	if (out.len == 0 && !out.failed) {
		kt_buf_adds(&out, "");
		return kt_strdup("");
	}
	return kt_buf_take(&out);
}

char *kt_error_text(const kt_err *err)
{
	kt_buf chain = KT_BUF_INIT;
	const char *message;
	for (size_t i = 0; (message = kt_err_message(err, i)) != NULL; i++) {
		kt_buf_adds(&chain, i > 0 ? "\nCaused by: " : "");
		kt_buf_adds(&chain, message);
	}
	char *ret = kt_clean_text(kt_buf_str(&chain));
	kt_buf_deinit(&chain);
	return ret;
}
