/*
 * The log pump: what a service writes to its FIFOs (or terminal) goes, line by line with time and
 * stream, into one bounded set of files (backend/native/log_format.h).
 *
 * Reading never waits for anybody. A write that fails (disk full) drops lines and counts them; the
 * service is not held up, and the gap is recorded once writing works again.
 */
#ifndef KT_SUPERVISOR_PUMP_H
#define KT_SUPERVISOR_PUMP_H

#include "base/buf.h"
#include "loop.h"

/* One per supervisor: room for a read and the records made of it. Zero-initialise. */
typedef struct kt_sup_scratch {
	char in[65536];
	char out[65536]; /* whole records; at least three of the longest fit */
	size_t out_len;
} kt_sup_scratch;

typedef struct kt_sup_log {
	char *path; /* NULL: output is discarded */
	int fd;
	uint64_t size;
	uint64_t max_bytes;
	unsigned files;
	int64_t last_ns;	 /* time of the last record */
	uint64_t dropped;	 /* bytes not written since the last success */
	kt_sup_scratch *scratch; /* borrowed */
} kt_sup_log;

typedef struct kt_sup_stream {
	kt_sup_log *log;
	const char *name; /* "stdout" or "stderr" */
	int fd;
	kt_sup_watch watch;
	kt_sup_timer timer; /* flushes a part of a line that waits too long */
	kt_buf carry;	    /* the part */
} kt_sup_stream;

typedef struct kt_sup_pump {
	kt_sup_log log;
	kt_sup_stream out;
	kt_sup_stream err;
	bool running;
} kt_sup_pump;

/*
 * Starts pumping. Takes out_fd and err_fd (-1: none), both non-blocking, also on failure. The
 * path is copied; the file is appended to, its directory made if missing.
 */
int kt_sup_pump_start(kt_sup_pump *self, kt_sup_loop *loop, kt_sup_scratch *scratch,
		      const char *path, uint64_t max_bytes, uint64_t files, int out_fd, int err_fd,
		      kt_err *err);
/* Takes what is left in the pipes, writes unfinished lines, closes. The writers must be gone. */
void kt_sup_pump_finish(kt_sup_pump *self);

#endif
