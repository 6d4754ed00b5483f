/*
 * Reading the log files of services: the last lines or all, through filters, and on as they
 * grow.
 *
 * The files are what a supervisor writes: one record per line, "<time> <stream> <tag> <text>",
 * in PATH and, after rotation, PATH.1 (newer), PATH.2 … (older); the format stands in
 * backend/native/log_format.h. Reading takes no lock and never holds the writer up.
 */
#ifndef KT_LOGS_LOGS_H
#define KT_LOGS_LOGS_H

#include "base/err.h"
#include "base/thread.h"

/* ---- Filters ---- */

typedef enum kt_log_operator {
	KT_LOG_HAS_TEXT, /* ignores case */
	KT_LOG_LACKS_TEXT,
	KT_LOG_HAS_MATCH, /* a regular expression, unanchored, minds case */
	KT_LOG_LACKS_MATCH,
} kt_log_operator;

typedef struct kt_log_filters kt_log_filters; /* all must let a line pass */

KT_MUST_USE kt_log_filters *kt_log_filters_new(kt_err *err);
void kt_log_filters_free(kt_log_filters *self); /* NULL allowed */
/* INVALID when the expression does not compile. */
int kt_log_filters_add(kt_log_filters *self, kt_log_operator op, const char *pattern, kt_err *err);
/*
 * 1 passes, 0 does not, -1 when an expression needs more than its share of time or memory
 * (EXHAUSTED). NULL lets all pass. One thread at a time.
 */
int kt_log_filters_pass(kt_log_filters *self, const char *text, size_t len, kt_err *err);

/* ---- Reading ---- */

typedef struct kt_log_entry {
	const char *text; /* one line without its newline; not NUL-terminated; any bytes */
	size_t len;
	int64_t wall_ns; /* when it began to arrive */
	bool is_stderr;
} kt_log_entry;

/* 0 to go on, -1 with err set to stop. */
typedef int (*kt_log_entry_fn)(void *ctx, const kt_log_entry *entry, kt_err *err);

typedef struct kt_log_query {
	const char *path;   /* of the current file */
	bool all;           /* from the first line that is left */
	uint64_t lines;     /* without `all`: so many last lines, counted before filtering */
	int64_t not_before; /* wall clock: older lines are left out; 0 = none */
	bool follow;        /* after that, every new line until `cancel` fires */
	kt_log_filters *filters;
	const kt_cancel *cancel;
	/* Called once when all that was there has been handed out; may be NULL. */
	void (*on_caught_up)(void *ctx);
} kt_log_query;

/*
 * Hands out lines in order. Blocks while following, which ends with CANCELLED. A file that does
 * not exist has no lines; a follower waits for it. Lines longer than 1 MiB come in pieces.
 */
int kt_log_read(const kt_log_query *query, kt_log_entry_fn fn, void *ctx, kt_err *err);

#endif
