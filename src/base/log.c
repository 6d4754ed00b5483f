#include "base/log.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Set once at start, before any thread. */
static kt_log_level log_level = KT_LOG_INFO;
static int log_fd = STDERR_FILENO;

static const char *const level_names[] = {"ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"};

void kt_log_setup(kt_log_level level, int fd)
{
	log_level = level;
	log_fd = fd;
}

bool kt_log_enabled(kt_log_level level)
{
	return level <= log_level;
}

static void write_line(kt_log_level level, const char *part, const char *message)
{
	KT_AUTO_BUF kt_buf line = KT_BUF_MAX(64 * 1024);
	kt_buf_add_time(&line, kt_wall_ns(), 3);
	kt_buf_addf(&line, " %s %s: %s\n", level_names[level], part, message);
	/* One write, so that lines of several threads do not mix; a failing log has no reader. */
	if (!line.failed && write(log_fd, line.data, line.len) < 0) {
		return;
	}
}

void kt_log_write(kt_log_level level, const char *part, const char *fmt, ...)
{
	if (!kt_log_enabled(level)) {
		return;
	}
	char message[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	write_line(level, part, message);
}

void kt_log_err(kt_log_level level, const char *part, const kt_err *err, const char *fmt, ...)
{
	if (!kt_log_enabled(level)) {
		return;
	}
	char message[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	KT_AUTO_FREE char *chain = kt_err_text(err);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_buf_addf(&text, "%s: %s", message, chain != NULL ? chain : "?");
	write_line(level, part, kt_buf_str(&text));
}
