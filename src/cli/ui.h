/*
 * Everything that users see: channels, colours, log lines, tables, blocks. stdout is buffered
 * and flushed before anything goes to stderr, so that both keep their order in one pipe.
 */
#ifndef KT_CLI_UI_H
#define KT_CLI_UI_H

#include "base/buf.h"
#include "base/vec.h"
#include "cli/command.h"

enum kt_cli_level { KT_CLI_ERROR, KT_CLI_WARN, KT_CLI_INFO, KT_CLI_DEBUG };

enum kt_color {
	KT_NO_COLOR = 0,
	KT_BOLD = 1,
	KT_RED = 31,
	KT_GREEN = 32,
	KT_YELLOW = 33,
	KT_CYAN = 36,
	KT_WHITE = 37,
};

/* Sets color, log_color and interactive from the terminal and the environment. */
void kt_ui_init(kt_cli *cli);

void kt_out(kt_cli *cli, const char *fmt, ...) KT_PRINTF(2, 3); /* to stdout as it is */
void kt_out_color(kt_cli *cli, int color, const char *text);    /* text and a newline */
void kt_out_flush(void);
void kt_err_out(kt_cli *cli, const char *fmt, ...) KT_PRINTF(2, 3); /* to stderr */

/* Log lines on stderr: "INFO[2025-03-14T09:26:53Z] message". */
void kt_log_line(kt_cli *cli, int level, const char *fmt, ...) KT_PRINTF(3, 4);
#define KT_CLI_LOG(cli, ...) kt_log_line((cli), KT_CLI_INFO, __VA_ARGS__)
#define KT_CLI_WARNING(cli, ...) kt_log_line((cli), KT_CLI_WARN, __VA_ARGS__)

/* The banner in three log lines. */
void kt_banner(kt_cli *cli, const char *message);
/* "===== Title =====" */
void kt_section_bar(kt_cli *cli, const char *title);

/*
 * A table: cells row after row. The first row is the header when `header` is set. Cells may
 * start with an escape sequence (statuses).
 */
typedef struct kt_table {
	size_t columns;
	bool header;
	kt_strvec cells;
	bool failed; /* out of memory */
} kt_table;

#define KT_AUTO_TABLE KT_CLEANUP(kt_table_deinit)
void kt_table_deinit(kt_table *self);
void kt_table_cell(kt_table *self, const char *text);
void kt_table_colored(kt_table *self, const kt_cli *cli, int color, const char *text);
/* A key-value row: the key gets its colon and is bold on a terminal. */
void kt_table_key(kt_table *self, const kt_cli *cli, const char *key, const char *value);
int kt_table_print(kt_table *self, kt_cli *cli, kt_err *err);

/* "Mon, 02 Jan 2006 15:04:05 MST" in local time, appended. */
void kt_buf_add_rfc1123(kt_buf *buf, int64_t seconds);

/*
 * An error's text as users see it: "a\nCaused by: b", every line but the first indented by two
 * blanks. The caller frees.
 */
char *kt_error_text(const kt_err *err);
/* Indents and cleans a text that came from the server in the same way. The caller frees. */
char *kt_clean_text(const char *text);

#endif
