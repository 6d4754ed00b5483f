/* kt_loop over libuv. The list of posted work is the only part shared between threads. */
#include "net/loop.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <uv.h>

/* What kt_loop_post allocates. */
typedef struct own_job {
	kt_loop_job job;
	void (*fn)(void *arg);
	void *arg;
} own_job;

struct kt_loop {
	uv_loop_t uv;
	uv_async_t wake;
	pthread_mutex_t lock;
	kt_loop_job *first;
	kt_loop_job **last;
	bool stopping; /* under lock */
	bool started;
	pthread_t thread;
};

struct kt_watch {
	uv_poll_t poll;
	void (*fn)(void *arg, int events);
	void *arg;
};

struct kt_timer {
	uv_timer_t timer;
	void (*fn)(void *arg);
	void *arg;
	kt_instant when;
};

static void run_jobs(kt_loop *self)
{
	for (;;) {
		kt_loop_job *list;
		{
			KT_LOCK(&self->lock);
			list = self->first;
			self->first = NULL;
			self->last = &self->first;
		}
		if (list == NULL) {
			return;
		}
		while (list != NULL) {
			kt_loop_job *job = list;
			list = job->next;
			job->fn(job->arg);
		}
	}
}

static void on_wake(uv_async_t *handle)
{
	kt_loop *self = handle->data;
	run_jobs(self);
	bool stopping;
	{
		KT_LOCK(&self->lock);
		stopping = self->stopping;
	}
	if (stopping) {
		uv_stop(&self->uv);
	}
}

kt_loop *kt_loop_new(kt_err *err)
{
	kt_loop *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->last = &self->first;
	int rc = uv_loop_init(&self->uv);
	if (rc < 0) {
		kt_free(self);
		kt_err_set_errno(err, -rc, "an event loop cannot be made");
		return NULL;
	}
	rc = uv_async_init(&self->uv, &self->wake, on_wake);
	if (rc < 0) {
		uv_loop_close(&self->uv);
		kt_free(self);
		kt_err_set_errno(err, -rc, "an event loop cannot be made");
		return NULL;
	}
	self->wake.data = self;
	pthread_mutex_init(&self->lock, NULL);
	return self;
}

static void *loop_main(void *arg)
{
	kt_loop *self = arg;
	uv_run(&self->uv, UV_RUN_DEFAULT);
	return NULL;
}

int kt_loop_start(kt_loop *self, const char *name, kt_err *err)
{
	if (kt_thread_start(&self->thread, 0, name, loop_main, self, err) < 0) {
		return -1;
	}
	self->started = true;
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	/* kt_watch and kt_timer begin with their handle. */
	kt_free(handle);
}

static void close_any(uv_handle_t *handle, void *arg)
{
	kt_loop *self = arg;
	if (!uv_is_closing(handle)) {
		uv_close(handle, handle == (uv_handle_t *)&self->wake ? NULL : free_handle);
	}
}

void kt_loop_free(kt_loop *self)
{
	if (self == NULL) {
		return;
	}
	if (self->started) {
		{
			KT_LOCK(&self->lock);
			self->stopping = true;
		}
		uv_async_send(&self->wake);
		pthread_join(self->thread, NULL);
	}
	run_jobs(self);
	uv_walk(&self->uv, close_any, self);
	while (uv_run(&self->uv, UV_RUN_DEFAULT) != 0) {
	}
	uv_loop_close(&self->uv);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

void kt_loop_post_job(kt_loop *self, kt_loop_job *job)
{
	bool first;
	{
		KT_LOCK(&self->lock);
		first = self->first == NULL;
		job->next = NULL;
		*self->last = job;
		self->last = &job->next;
	}
	if (first) {
		uv_async_send(&self->wake);
	}
}

static void run_own_job(void *arg)
{
	own_job own = *(own_job *)arg;
	kt_free(arg);
	own.fn(own.arg);
}

int kt_loop_post(kt_loop *self, void (*fn)(void *arg), void *arg)
{
	own_job *own = kt_malloc(sizeof(*own));
	if (own == NULL) {
		return -1;
	}
	*own = (own_job){{run_own_job, own, NULL}, fn, arg};
	kt_loop_post_job(self, &own->job);
	return 0;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	kt_watch *self = handle->data;
	/* On an error of poll the owner finds out by reading. */
	int ready = status < 0 ? KT_LOOP_READ | KT_LOOP_WRITE : 0;
	if ((events & (UV_READABLE | UV_DISCONNECT)) != 0) {
		ready |= KT_LOOP_READ;
	}
	if ((events & UV_WRITABLE) != 0) {
		ready |= KT_LOOP_WRITE;
	}
	self->fn(self->arg, ready);
}

kt_watch *kt_watch_new(kt_loop *loop, int fd, void (*fn)(void *arg, int events), void *arg,
		       kt_err *err)
{
	kt_watch *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	int rc = uv_poll_init(&loop->uv, &self->poll, fd);
	if (rc < 0) {
		kt_free(self);
		kt_err_set_errno(err, -rc, "descriptor %d cannot be watched", fd);
		return NULL;
	}
	self->poll.data = self;
	self->fn = fn;
	self->arg = arg;
	return self;
}

void kt_watch_set(kt_watch *self, int events)
{
	int wanted = 0;
	if ((events & KT_LOOP_READ) != 0) {
		wanted |= UV_READABLE | UV_DISCONNECT;
	}
	if ((events & KT_LOOP_WRITE) != 0) {
		wanted |= UV_WRITABLE;
	}
	if (wanted == 0) {
		uv_poll_stop(&self->poll);
	} else {
		uv_poll_start(&self->poll, wanted, on_poll);
	}
}

void kt_watch_free(kt_watch *self)
{
	if (self != NULL && !uv_is_closing((uv_handle_t *)&self->poll)) {
		uv_poll_stop(&self->poll);
		uv_close((uv_handle_t *)&self->poll, free_handle);
	}
}

static void on_timer(uv_timer_t *handle)
{
	kt_timer *self = handle->data;
	/* libuv counts milliseconds of its cached clock: the rest of an early one is waited for. */
	if (kt_now() < self->when) {
		kt_timer_set(self, self->when);
		return;
	}
	self->when = KT_NEVER;
	self->fn(self->arg);
}

kt_timer *kt_timer_new(kt_loop *loop, void (*fn)(void *arg), void *arg, kt_err *err)
{
	kt_timer *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	uv_timer_init(&loop->uv, &self->timer);
	self->timer.data = self;
	self->fn = fn;
	self->arg = arg;
	self->when = KT_NEVER;
	return self;
}

void kt_timer_set(kt_timer *self, kt_instant when)
{
	self->when = when;
	if (when == KT_NEVER) {
		uv_timer_stop(&self->timer);
		return;
	}
	uv_update_time(self->timer.loop);
	uv_timer_start(&self->timer, on_timer, (uint64_t)kt_ms_left(when), 0);
}

void kt_timer_free(kt_timer *self)
{
	if (self != NULL && !uv_is_closing((uv_handle_t *)&self->timer)) {
		uv_timer_stop(&self->timer);
		uv_close((uv_handle_t *)&self->timer, free_handle);
	}
}
