/* Reading and following a service's log files. */
#include "logs/logs.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As in backend/native/log_format.h, which stands above this module. */
#define TIME_LEN 30
#define STREAM_OFFSET 31
#define TAG_OFFSET 38
#define TEXT_OFFSET 40
#define TEXT_MAX 16384

#define CHUNK ((size_t)64 * 1024)
#define LINE_MAX_BYTES ((size_t)1024 * 1024)
#define ROTATED_MAX 1000
#define SEARCH_TRIES 100
#define STREAMS 2

typedef struct record {
	int64_t wall_ns;
	bool is_stderr;
	bool ends_line;
	const char *text;
	size_t len;
} record;

/* A line under construction, one per stream. */
typedef struct partial {
	kt_buf text;
	int64_t wall_ns;
	bool open;
	bool waiting; /* its last part came because time had passed, not because it was full */
} partial;

typedef struct reader {
	const kt_log_query *query;
	kt_log_entry_fn fn;
	void *ctx;
	uint64_t skip; /* lines at the start that are not wanted */
	partial partials[STREAMS];
	int fd; /* the current file, or -1 */
	kt_buf data; /* bytes of it that are not handed out yet */
	int inotify;
	int dir_watch;
	int file_watch;
} reader;

static void reader_deinit(reader *self)
{
	for (size_t i = 0; i < STREAMS; i++) {
		kt_buf_deinit(&self->partials[i].text);
	}
	kt_buf_deinit(&self->data);
	kt_close_ptr(&self->fd);
	kt_close_ptr(&self->inotify);
}

/* ---- Records ---- */

static int digits(const char *text, size_t len)
{
	int value = 0;
	for (size_t i = 0; i < len; i++) {
		value = text[i] >= '0' && text[i] <= '9' ? value * 10 + text[i] - '0' : value;
	}
	return value;
}

/* "2026-11-22T12:00:00.123456789Z"; 0 for what cannot be a time. */
static int64_t parse_time(const char *text)
{
	struct tm parts = {
		.tm_year = digits(text, 4) - 1900,
		.tm_mon = digits(text + 5, 2) - 1,
		.tm_mday = digits(text + 8, 2),
		.tm_hour = digits(text + 11, 2),
		.tm_min = digits(text + 14, 2),
		.tm_sec = digits(text + 17, 2),
	};
	int64_t seconds = (int64_t)timegm(&parts);
	bool sane = seconds > 0 && seconds < INT64_MAX / KT_NS_PER_S - 1;
	return sane ? seconds * KT_NS_PER_S + digits(text + 20, 9) : 0;
}

/* A line that is no record (a damaged file) reads as text without time. */
static record parse_record(const char *line, size_t len)
{
	if (len < TEXT_OFFSET || line[TIME_LEN] != ' ' || line[TIME_LEN - 1] != 'Z') {
		return (record){0, false, true, line, len};
	}
	return (record){
		.wall_ns = parse_time(line),
		.is_stderr = memcmp(line + STREAM_OFFSET, "stderr", 6) == 0,
		.ends_line = line[TAG_OFFSET] != 'P',
		.text = line + TEXT_OFFSET,
		.len = len - TEXT_OFFSET,
	};
}

static int emit(reader *self, const kt_log_entry *entry, kt_err *err)
{
	if (self->skip > 0) {
		self->skip--;
		return 0;
	}
	int64_t not_before = self->query->not_before;
	if (not_before > 0 && entry->wall_ns != 0 && entry->wall_ns < not_before) {
		return 0;
	}
	int pass = kt_log_filters_pass(self->query->filters, entry->text, entry->len, err);
	return pass <= 0 ? pass : self->fn(self->ctx, entry, err);
}

static int emit_partial(reader *self, size_t stream, kt_err *err)
{
	partial *part = &self->partials[stream];
	if (!part->open) {
		return 0;
	}
	if (kt_buf_check(&part->text, err) < 0) {
		return -1;
	}
	kt_log_entry entry = {kt_buf_str(&part->text), part->text.len, part->wall_ns, stream == 1};
	part->open = false;
	int rc = emit(self, &entry, err);
	kt_buf_clear(&part->text);
	return rc;
}

static int take_record(reader *self, const record *item, kt_err *err)
{
	partial *part = &self->partials[item->is_stderr ? 1 : 0];
	if (item->ends_line && !part->open) {
		kt_log_entry entry = {item->text, item->len, item->wall_ns, item->is_stderr};
		return emit(self, &entry, err);
	}
	if (!part->open) {
		part->open = true;
		part->wall_ns = item->wall_ns;
	}
	part->waiting = item->len < TEXT_MAX;
	kt_buf_add(&part->text, item->text, item->len);
	if (item->ends_line || part->text.len >= LINE_MAX_BYTES) {
		return emit_partial(self, item->is_stderr ? 1 : 0, err);
	}
	return 0;
}

/* Hands out all whole records of `data` and keeps the rest. */
static int take_data(reader *self, kt_err *err)
{
	size_t at = 0;
	const char *data = kt_buf_str(&self->data);
	const char *end = NULL;
	while ((end = memchr(data + at, '\n', self->data.len - at)) != NULL) {
		size_t len = (size_t)(end - data) - at;
		record item = parse_record(data + at, len);
		at += len + 1;
		if (take_record(self, &item, err) < 0) {
			return -1;
		}
	}
	kt_buf_consume(&self->data, at);
	return 0;
}

/* Reads the current file to its end. */
static int read_on(reader *self, kt_err *err)
{
	while (self->fd >= 0) {
		if (kt_cancel_check(self->query->cancel, err) < 0) {
			return -1;
		}
		char *room = kt_buf_reserve(&self->data, CHUNK);
		if (room == NULL) {
			return kt_err_nomem(err);
		}
		ssize_t n = read(self->fd, room, CHUNK);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return KT_FAIL_ERRNO(err, "reading the log '%s' failed", self->query->path);
		}
		if (n == 0) {
			return 0;
		}
		self->data.len += (size_t)n;
		if (take_data(self, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- Files ---- */

static char *file_name(const reader *self, unsigned index)
{
	return index == 0 ? kt_strdup(self->query->path)
			  : kt_asprintf("%s.%u", self->query->path, index);
}

/* Opens PATH or PATH.index; -1 without an error when there is none. */
static int open_file(const reader *self, unsigned index)
{
	KT_AUTO_FREE char *name = file_name(self, index);
	return name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
}

/* The highest index there is. One gap may be seen while files move up. */
static unsigned count_rotated(const reader *self)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= ROTATED_MAX && i <= count + 2; i++) {
		KT_AUTO_FREE char *name = file_name(self, i);
		if (name != NULL && kt_fs_exists(name)) {
			count = i;
		}
	}
	return count;
}

/* Adds how many lines end in the file; `newest`: and those still open at its end. */
static int count_lines(int fd, bool newest, uint64_t *ret, kt_err *err)
{
	KT_AUTO_FREE char *chunk = kt_malloc(CHUNK);
	if (chunk == NULL) {
		return kt_err_nomem(err);
	}
	bool open[STREAMS] = {false, false};
	size_t column = 0;
	size_t stream = 0;
	bool part = false;
	off_t at = 0;
	ssize_t n;
	while ((n = pread(fd, chunk, CHUNK, at)) > 0) {
		at += n;
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] == '\n') {
				open[stream] = part;
				*ret += part ? 0 : 1;
				column = stream = 0;
				part = false;
				continue;
			}
			/* "stdout" and "stderr" differ in their third letter. */
			stream = column == STREAM_OFFSET + 2 && chunk[i] == 'e' ? 1 : stream;
			part = part || (column == TAG_OFFSET && chunk[i] == 'P');
			column++;
		}
	}
	if (n < 0) {
		return KT_FAIL_ERRNO(err, "reading a log failed");
	}
	*ret += newest ? (uint64_t)open[0] + (uint64_t)open[1] : 0;
	return 0;
}

/*
 * The newest files that together hold the wanted lines: descriptors, oldest first, and how many
 * lines of the oldest to skip.
 */
static int open_tail(reader *self, int *fds, size_t *ret_len, kt_err *err)
{
	const kt_log_query *query = self->query;
	uint64_t have = 0;
	size_t len = 0;
	unsigned count = count_rotated(self);
	int found[ROTATED_MAX + 1];
	for (unsigned i = 0; i <= count && (query->all || have < query->lines); i++) {
		int fd = open_file(self, i);
		if (fd < 0) {
			continue;
		}
		found[len++] = fd;
		if (!query->all && count_lines(fd, i == 0, &have, err) < 0) {
			for (size_t n = 0; n < len; n++) {
				close(found[n]);
			}
			return -1;
		}
	}
	for (size_t i = 0; i < len; i++) {
		fds[i] = found[len - 1 - i];
	}
	*ret_len = len;
	self->skip = !query->all && have > query->lines ? have - query->lines : 0;
	return 0;
}

/* Lines that nobody has ended yet are lines too when nothing follows. */
static int flush_partials(reader *self, bool only_waiting, kt_err *err)
{
	for (size_t i = 0; i < STREAMS; i++) {
		if (only_waiting && !self->partials[i].waiting) {
			continue;
		}
		if (emit_partial(self, i, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int read_backlog(reader *self, kt_err *err)
{
	int fds[ROTATED_MAX + 1];
	size_t len = 0;
	if (!self->query->all && self->query->lines == 0) {
		self->fd = open_file(self, 0);
		if (self->fd >= 0) {
			lseek(self->fd, 0, SEEK_END);
		}
		return 0;
	}
	if (open_tail(self, fds, &len, err) < 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; i < len; i++) {
		if (rc < 0) {
			close(fds[i]);
			continue;
		}
		kt_close_ptr(&self->fd);
		self->fd = fds[i];
		kt_buf_clear(&self->data); /* records never span files */
		rc = read_on(self, err);
	}
	return rc < 0 ? -1 : flush_partials(self, self->query->follow, err);
}

/* ---- Following ---- */

static int start_watching(reader *self, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_path_dir(self->query->path);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	self->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (self->inotify < 0) {
		kt_err_hint(err, "raise fs.inotify.max_user_instances");
		return KT_FAIL_ERRNO(err, "cannot follow logs");
	}
	const uint32_t events = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR;
	self->dir_watch = inotify_add_watch(self->inotify, dir, events);
	if (self->dir_watch >= 0 || errno == ENOENT) {
		return 0;
	}
	return KT_FAIL_ERRNO(err, "cannot follow the logs in '%s'", dir);
}

/* Takes the newest file when there is none yet. */
static int open_current(reader *self, kt_err *err)
{
	if (self->fd < 0) {
		self->fd = open_file(self, 0);
	}
	if (self->fd < 0 || self->file_watch >= 0) {
		return 0;
	}
	/* By descriptor: the name may be another file's by now. */
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", self->fd);
	self->file_watch = inotify_add_watch(self->inotify, link, IN_MODIFY);
	return self->file_watch < 0 ? KT_FAIL_ERRNO(err, "cannot follow the log '%s'",
						    self->query->path)
				    : 0;
}

static bool is_ours(const reader *self, unsigned index, const struct stat *ours)
{
	struct stat st;
	KT_AUTO_FREE char *name = file_name(self, index);
	return name != NULL && stat(name, &st) == 0 && st.st_ino == ours->st_ino &&
	       st.st_dev == ours->st_dev;
}

/*
 * The file that follows ours after a rotation: a descriptor, or -1 while ours is the current one
 * or nothing follows yet. *ret_deleted: ours has no name here any more.
 */
static int next_file(const reader *self, bool *ret_deleted)
{
	struct stat ours;
	for (int tries = 0; self->fd >= 0 && tries < SEARCH_TRIES; tries++) {
		if (fstat(self->fd, &ours) < 0 || ours.st_nlink == 0) {
			break;
		}
		/* Files only move up, so an upward search meets ours. */
		unsigned count = count_rotated(self);
		unsigned at = 0;
		while (at <= count && !is_ours(self, at, &ours)) {
			at++;
		}
		if (at == 0) {
			return -1;
		}
		int next = at <= count ? open_file(self, at - 1) : -1;
		if (at <= count && is_ours(self, at, &ours)) {
			return next;
		}
		kt_close_ptr(&next); /* they moved meanwhile: look again */
	}
	*ret_deleted = self->fd >= 0;
	return self->fd >= 0 ? open_file(self, count_rotated(self)) : -1;
}

static void leave_file(reader *self)
{
	if (self->file_watch >= 0) {
		inotify_rm_watch(self->inotify, self->file_watch);
		self->file_watch = -1;
	}
	kt_close_ptr(&self->fd);
	kt_buf_clear(&self->data);
}

/* Everything that can be read now, through rotations. */
static int catch_up(reader *self, kt_err *err)
{
	for (;;) {
		if (open_current(self, err) < 0 || read_on(self, err) < 0) {
			return -1;
		}
		bool deleted = false;
		int next = next_file(self, &deleted);
		/* What was written between our last read and the rename. */
		if ((next >= 0 || deleted) && read_on(self, err) < 0) {
			kt_close_ptr(&next);
			return -1;
		}
		if (next >= 0 || deleted) {
			leave_file(self);
			self->fd = next;
		}
		if (next < 0) {
			return 0;
		}
	}
}

/* 1 = something may have changed, 0 = the directory is gone, -1. */
static int wait_for_change(reader *self, kt_err *err)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	if (kt_wait_fd(self->inotify, POLLIN, KT_NEVER, self->query->cancel, err) < 0) {
		return -1;
	}
	int result = 1;
	ssize_t n;
	while ((n = read(self->inotify, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + n;) {
			const struct inotify_event *event = (const struct inotify_event *)at;
			if (event->wd == self->dir_watch &&
			    (event->mask & (IN_DELETE_SELF | IN_IGNORED)) != 0) {
				result = 0;
			}
			at += sizeof(*event) + event->len;
		}
	}
	return result;
}

static int follow(reader *self, kt_err *err)
{
	for (;;) {
		if (catch_up(self, err) < 0 || flush_partials(self, true, err) < 0) {
			return -1;
		}
		int more = wait_for_change(self, err);
		if (more <= 0) {
			return more;
		}
	}
}

int kt_log_read(const kt_log_query *query, kt_log_entry_fn fn, void *ctx, kt_err *err)
{
	KT_CLEANUP(reader_deinit)
	reader self = {.query = query,
		       .fn = fn,
		       .ctx = ctx,
		       .fd = -1,
		       .inotify = -1,
		       .dir_watch = -1,
		       .file_watch = -1};
	/* Watch first: what comes between reading and watching would be missed. */
	if (query->follow && start_watching(&self, err) < 0) {
		return -1;
	}
	if (read_backlog(&self, err) < 0) {
		return -1;
	}
	if (query->on_caught_up != NULL) {
		query->on_caught_up(ctx);
	}
	/* Without its directory (the enclave has gone) nothing will ever come. */
	return self.dir_watch >= 0 ? follow(&self, err) : 0;
}
