/* The spinner's thread: waits for the next frame's moment or for the end. */
#include "cli/progress.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MS 250
#define BAR_CELLS 20
/* The spinner, the bar and the blanks between, and one column to spare. */
#define HEAD_WIDTH 26
#define DEFAULT_WIDTH 80
#define LINES_MAX 12

struct kt_progress {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	bool hidden;
	unsigned frame;
	size_t lines; /* drawn at this moment, to be erased */
	kt_buf texts; /* one per line */
	uint32_t done;
	uint32_t total;
};

static const char *const frames[] = {"⣾", "⣽", "⣻", "⢿", "⡿", "⣟", "⣯", "⣷"};

static void erase(kt_progress *self)
{
	for (size_t i = 0; i < self->lines; i++) {
		fputs(i == 0 ? "\r\033[K" : "\033[A\033[K", stdout);
	}
	self->lines = 0;
	fflush(stdout);
}

static size_t terminal_width(void)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > HEAD_WIDTH;
	return known ? size.ws_col : DEFAULT_WIDTH;
}

/* As many code points of the line as fit: a wrapped line could not be erased. */
static size_t fitting(const char *line, size_t len, size_t room)
{
	size_t at = 0;
	while (at < len && room > 0) {
		size_t width;
		kt_utf8_decode(line + at, len - at, &width);
		at += width;
		room--;
	}
	return at;
}

static void draw_texts(kt_progress *self)
{
	size_t width = terminal_width();
	size_t room = width - HEAD_WIDTH;
	const char *line = kt_buf_str(&self->texts);
	for (self->lines = 1;; self->lines++) {
		size_t len = strcspn(line, "\n");
		fwrite(line, 1, fitting(line, len, room), stdout);
		if (line[len] == '\0' || self->lines == LINES_MAX) {
			return;
		}
		fputc('\n', stdout);
		line += len + 1;
		room = width - 1;
	}
}

static void draw(kt_progress *self)
{
	uint32_t filled = self->total == 0 ? 0 : self->done * BAR_CELLS / self->total;
	erase(self);
	printf("\033[33m%s\033[0m   \033[32m", frames[self->frame % KT_ARRAY_LEN(frames)]);
	for (uint32_t i = 0; i < BAR_CELLS; i++) {
		fputs(i == filled ? "\033[37m█" : "█", stdout);
	}
	fputs("\033[0m ", stdout);
	draw_texts(self);
	fflush(stdout);
}

static void *progress_main(void *arg)
{
	kt_progress *self = arg;
	KT_LOCK(&self->lock);
	while (!self->stop) {
		if (!self->hidden && self->texts.len > 0) {
			draw(self);
			self->frame++;
		}
		kt_instant next = kt_after_ms(FRAME_MS);
		struct timespec until = {.tv_sec = (time_t)(next / KT_NS_PER_S),
					 .tv_nsec = (long)(next % KT_NS_PER_S)};
		pthread_cond_timedwait(&self->changed, &self->lock, &until);
	}
	erase(self);
	return NULL;
}

kt_progress *kt_progress_new(kt_err *err)
{
	kt_progress *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&self->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&self->lock, NULL);
	if (kt_thread_start(&self->thread, 0, "progress", progress_main, self, err) < 0) {
		kt_free(self);
		return NULL;
	}
	return self;
}

void kt_progress_free(kt_progress *self)
{
	if (self == NULL) {
		return;
	}
	{
		KT_LOCK(&self->lock);
		self->stop = true;
		pthread_cond_signal(&self->changed);
	}
	pthread_join(self->thread, NULL);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
	kt_buf_deinit(&self->texts);
	kt_free(self);
}

void kt_progress_set(kt_progress *self, char *const *texts, size_t count, uint32_t done,
		     uint32_t total)
{
	KT_LOCK(&self->lock);
	kt_buf_clear(&self->texts);
	for (size_t i = 0; i < count; i++) {
		kt_buf_addf(&self->texts, "%s%s", i > 0 ? "\n" : "", texts[i]);
	}
	self->done = done < total ? done : total;
	self->total = total;
	if (!self->hidden && self->texts.len > 0) {
		draw(self);
	}
}

void kt_progress_hide(kt_progress *self)
{
	KT_LOCK(&self->lock);
	self->hidden = true;
	erase(self);
}

void kt_progress_show(kt_progress *self)
{
	KT_LOCK(&self->lock);
	self->hidden = false;
	if (self->texts.len > 0) {
		draw(self);
	}
}
