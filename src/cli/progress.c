/* The spinner's thread: waits for the next frame's moment or for the end. */
#include "cli/progress.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>

#define FRAME_MS 250
#define BAR_CELLS 20

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

static void draw(kt_progress *self)
{
	uint32_t filled = self->total == 0 ? 0 : self->done * BAR_CELLS / self->total;
	erase(self);
	printf("\033[33m%s\033[0m   ", frames[self->frame % KT_ARRAY_LEN(frames)]);
	fputs("\033[32m", stdout);
	for (uint32_t i = 0; i < BAR_CELLS; i++) {
		fputs(i == filled ? "\033[37m█" : "█", stdout);
	}
	printf("\033[0m %s", kt_buf_str(&self->texts));
	self->lines = 1;
	for (const char *p = kt_buf_str(&self->texts); *p != '\0'; p++) {
		self->lines += *p == '\n';
	}
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
