/*
 * The process log: one line per event on stderr or in a file.
 *
 *   2026-11-22T10:24:07.796Z INFO  engine: enclave created  uuid=… name=…
 *
 * Libraries log at DEBUG only and return errors; the top of a program logs each error
 * once. Thread-safe; level and target are set once at start.
 */
#ifndef KT_BASE_LOG_H
#define KT_BASE_LOG_H

#include "base/base.h"
#include "base/err.h"

typedef enum kt_log_level {
	KT_LOG_ERROR,
	KT_LOG_WARN,
	KT_LOG_INFO,
	KT_LOG_DEBUG,
	KT_LOG_TRACE,
} kt_log_level;

/* Sets level and target descriptor (borrowed; 2 at start). Call before starting threads. */
void kt_log_setup(kt_log_level level, int fd);
bool kt_log_enabled(kt_log_level level);
void kt_log_write(kt_log_level level, const char *part, const char *fmt, ...) KT_PRINTF(3, 4);
/* Logs err's chain after the message. */
void kt_log_err(kt_log_level level, const char *part, const kt_err *err, const char *fmt, ...)
	KT_PRINTF(4, 5);

#define KT_ERROR(part, ...) kt_log_write(KT_LOG_ERROR, (part), __VA_ARGS__)
#define KT_WARN(part, ...) kt_log_write(KT_LOG_WARN, (part), __VA_ARGS__)
#define KT_INFO(part, ...) kt_log_write(KT_LOG_INFO, (part), __VA_ARGS__)
#define KT_DEBUG(part, ...)                                                                        \
	do {                                                                                       \
		if (kt_log_enabled(KT_LOG_DEBUG)) {                                                \
			kt_log_write(KT_LOG_DEBUG, (part), __VA_ARGS__);                           \
		}                                                                                  \
	} while (0)

#endif
