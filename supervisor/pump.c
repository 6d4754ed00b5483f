/* See pump.h. */
#include "pump.h"

#include "backend/native/log_format.h"
#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_WAIT_MS 200 /* how long a line may stay unfinished before its part is written */
#define READS_PER_TURN 8 /* then others get a turn */

static int open_file(kt_sup_log *log, kt_err *err)
{
	struct stat st;
	int fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot open the log file '%s'", log->path);
	}
	log->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	log->fd = fd;
	return 0;
}

static void rotate(kt_sup_log *log)
{
	char from[PATH_MAX];
	char to[PATH_MAX];

	for (unsigned i = log->files; i > 0; i--) {
		if (i > 1) {
			snprintf(from, sizeof(from), "%s.%u", log->path, i - 1);
		} else {
			snprintf(from, sizeof(from), "%s", log->path);
		}
		snprintf(to, sizeof(to), "%s.%u", log->path, i);
		(void)rename(from, to);
	}
	if (log->files == 0) {
		(void)unlink(log->path);
	}
	close(log->fd);
	log->fd = -1;
}

/* The records could not be written: they are gone, their number of bytes is remembered. */
static void drop_records(kt_sup_log *log)
{
	log->dropped += log->scratch->out_len;
	log->scratch->out_len = 0;
}

/* Writes the records in scratch->out; they count only as a whole. */
static void write_records(kt_sup_log *log)
{
	size_t len = log->scratch->out_len;
	size_t done = 0;

	if (len == 0) {
		return;
	}
	if (log->fd >= 0 && log->size > 0 && log->size + len > log->max_bytes) {
		rotate(log);
	}
	if (log->fd < 0 && open_file(log, NULL) < 0) {
		drop_records(log);
		return;
	}
	while (done < len) {
		ssize_t n = write(log->fd, log->scratch->out + done, len - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			/* Take a half-written record back: records never are cut. */
			(void)!ftruncate(log->fd, (off_t)log->size);
			drop_records(log);
			return;
		}
		done += (size_t)n;
	}
	log->size += len;
	log->scratch->out_len = 0;
}

static int64_t record_time(kt_sup_log *log)
{
	int64_t now = kt_wall_ns();

	log->last_ns = KT_MAX(now, log->last_ns);
	return log->last_ns;
}

/* Adds one record; what is there is written first where it would not fit. */
static void add_record(kt_sup_log *log, const char *stamp, const char *stream, char tag,
		       const char *text, size_t len)
{
	kt_sup_scratch *s = log->scratch;
	int n;

	if (s->out_len + KT_LOG_TEXT_OFFSET + len + 1 > sizeof(s->out)) {
		write_records(log);
	}
	n = snprintf(s->out + s->out_len, sizeof(s->out) - s->out_len, "%s %s %c ", stamp, stream,
		     tag);
	s->out_len += (size_t)n;
	memcpy(s->out + s->out_len, text, len);
	s->out_len += len;
	s->out[s->out_len++] = '\n';
}

static void make_stamp(kt_sup_log *log, char stamp[KT_LOG_TIME_LEN + 1])
{
	kt_buf text = KT_BUF_INIT;

	kt_buf_add_time(&text, record_time(log), 9);
	snprintf(stamp, KT_LOG_TIME_LEN + 1, "%-30s", kt_buf_str(&text));
	kt_buf_deinit(&text);
}

static void note_dropped(kt_sup_log *log, const char *stamp)
{
	char text[96];
	int n;

	if (log->dropped == 0) {
		return;
	}
	n = snprintf(text, sizeof(text), "[%llu bytes of output could not be written here]",
		     (unsigned long long)log->dropped);
	add_record(log, stamp, "stderr", 'F', text, (size_t)n);
	log->dropped = 0;
}

/* A line's text, in parts where it is too long. */
static void add_line(kt_sup_log *log, const char *stamp, const char *stream, char last_tag,
		     const char *text, size_t len)
{
	while (len > KT_LOG_TEXT_MAX) {
		add_record(log, stamp, stream, 'P', text, KT_LOG_TEXT_MAX);
		text += KT_LOG_TEXT_MAX;
		len -= KT_LOG_TEXT_MAX;
	}
	add_record(log, stamp, stream, last_tag, text, len);
}

/* The heap is copied into later services' inits: nothing is left in it. */
static void forget_part(kt_sup_stream *self)
{
	if (self->carry.data) {
		explicit_bzero(self->carry.data, self->carry.cap);
	}
	kt_buf_deinit(&self->carry);
	self->carry = (kt_buf)KT_BUF_INIT;
}

static void flush_part(kt_sup_stream *self)
{
	char stamp[KT_LOG_TIME_LEN + 1];

	kt_sup_timer_drop(&self->timer);
	if (self->carry.len > 0) {
		make_stamp(self->log, stamp);
		note_dropped(self->log, stamp);
		add_line(self->log, stamp, self->name, 'P', self->carry.data, self->carry.len);
		write_records(self->log);
	}
	forget_part(self);
}

static void on_part_timer(kt_sup_timer *timer)
{
	flush_part(timer->user);
}

/* Keeps an unfinished line; one that has grown too long goes out in parts. */
static void keep_part(kt_sup_stream *self, kt_sup_loop *loop, const char *text, size_t len)
{
	kt_buf_add(&self->carry, text, len);
	if (self->carry.failed || self->carry.len > KT_LOG_TEXT_MAX) {
		flush_part(self);
	} else if (!self->timer.loop && loop) {
		kt_sup_timer_set(loop, &self->timer, kt_after_ms(PART_WAIT_MS), on_part_timer,
				 self);
	}
}

static void take_bytes(kt_sup_stream *self, kt_sup_loop *loop, const char *data, size_t len)
{
	char stamp[KT_LOG_TIME_LEN + 1];
	const char *end = data + len;
	const char *newline = memchr(data, '\n', len);

	if (!self->log->path) {
		return;
	}
	if (newline) {
		make_stamp(self->log, stamp);
		note_dropped(self->log, stamp);
	}
	if (newline && self->carry.len > 0) {
		kt_buf_add(&self->carry, data, (size_t)(newline - data));
		add_line(self->log, stamp, self->name, 'F', kt_buf_str(&self->carry),
			 self->carry.len);
		forget_part(self);
		kt_sup_timer_drop(&self->timer);
		data = newline + 1;
		newline = memchr(data, '\n', (size_t)(end - data));
	}
	while (newline) {
		add_line(self->log, stamp, self->name, 'F', data, (size_t)(newline - data));
		data = newline + 1;
		newline = memchr(data, '\n', (size_t)(end - data));
	}
	write_records(self->log);
	if (data < end) {
		keep_part(self, loop, data, (size_t)(end - data));
	}
}

/* One read; false when nothing is left or the other side is gone for good. */
static bool read_some(kt_sup_stream *self, kt_sup_loop *loop)
{
	ssize_t n = read(self->fd, self->log->scratch->in, sizeof(self->log->scratch->in));

	if (n > 0) {
		take_bytes(self, loop, self->log->scratch->in, (size_t)n);
		return true;
	}
	if (n < 0 && errno == EINTR) {
		return true;
	}
	if (n == 0 || errno != EAGAIN) {
		kt_sup_watch_drop(&self->watch); /* a terminal whose last user has left (EIO) */
	}
	return false;
}

static void on_readable(kt_sup_watch *watch, uint32_t events)
{
	kt_sup_stream *self = watch->user;

	(void)events;
	for (int i = 0; i < READS_PER_TURN && read_some(self, watch->loop); i++) {
	}
}

static int start_stream(kt_sup_stream *self, kt_sup_log *log, kt_sup_loop *loop, const char *name,
			int fd, kt_err *err)
{
	*self = (kt_sup_stream){.log = log, .name = name, .fd = fd};
	if (fd < 0) {
		return 0;
	}
	return kt_sup_watch_add(loop, &self->watch, fd, EPOLLIN, on_readable, self, err);
}

static int start_log(kt_sup_log *log, const char *path, kt_err *err)
{
	KT_AUTO_FREE char *dir = NULL;

	if (!path) {
		return 0;
	}
	log->path = kt_strdup(path);
	dir = kt_path_dir(path);
	if (!log->path || !dir) {
		return kt_err_nomem(err);
	}
	return kt_fs_mkdirs(dir, 0750, err) < 0 ? -1 : open_file(log, err);
}

int kt_sup_pump_start(kt_sup_pump *self, kt_sup_loop *loop, kt_sup_scratch *scratch,
		      const char *path, uint64_t max_bytes, uint64_t files, int out_fd, int err_fd,
		      kt_err *err)
{
	*self = (kt_sup_pump){
		.log = {.fd = -1,
			.max_bytes = max_bytes,
			.files = (unsigned)KT_MIN(files, UINT64_C(1000)),
			.scratch = scratch},
		.running = true,
	};
	self->out.fd = out_fd;
	self->err.fd = err_fd;
	if (start_log(&self->log, path, err) == 0 &&
	    start_stream(&self->out, &self->log, loop, "stdout", out_fd, err) == 0 &&
	    start_stream(&self->err, &self->log, loop, "stderr", err_fd, err) == 0) {
		return 0;
	}
	self->out.log = self->err.log = &self->log;
	kt_sup_pump_finish(self);
	return -1;
}

static void finish_stream(kt_sup_stream *self)
{
	if (self->fd < 0) {
		return;
	}
	if (self->watch.loop) {
		while (read_some(self, NULL)) {
		}
	}
	kt_sup_watch_drop(&self->watch);
	flush_part(self);
	close(self->fd);
	self->fd = -1;
}

void kt_sup_pump_finish(kt_sup_pump *self)
{
	if (!self->running) {
		return;
	}
	finish_stream(&self->out);
	finish_stream(&self->err);
	if (self->log.fd >= 0) {
		close(self->log.fd);
	}
	kt_free(self->log.path);
	*self = (kt_sup_pump){.log = {.fd = -1}};
}
