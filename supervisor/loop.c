/* See loop.h. Timers are a list sorted by time: there are few, one or two per service. */
#include "loop.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

int kt_sup_loop_init(kt_sup_loop *self, kt_err *err)
{
	*self = (kt_sup_loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	if (self->epoll_fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot create the event loop");
	}
	return 0;
}

void kt_sup_loop_deinit(kt_sup_loop *self)
{
	while (self->timers) {
		kt_sup_timer_drop(self->timers);
	}
	if (self->epoll_fd >= 0) {
		close(self->epoll_fd);
	}
	self->epoll_fd = -1;
}

void kt_sup_loop_stop(kt_sup_loop *self)
{
	self->stopped = true;
}

static void run_due_timers(kt_sup_loop *self)
{
	kt_instant now = kt_now();

	while (!self->stopped && self->timers && self->timers->at <= now) {
		kt_sup_timer *timer = self->timers;

		kt_sup_timer_drop(timer);
		timer->fn(timer);
	}
}

static int wait_events(kt_sup_loop *self, kt_err *err)
{
	kt_instant first = self->timers ? self->timers->at : KT_NEVER;
	int n = epoll_wait(self->epoll_fd, self->batch, KT_SUP_LOOP_BATCH, kt_ms_left(first));

	if (n < 0 && errno != EINTR) {
		return KT_FAIL_ERRNO(err, "cannot wait for events");
	}
	self->batch_len = n < 0 ? 0 : n;
	return 0;
}

int kt_sup_loop_run(kt_sup_loop *self, kt_err *err)
{
	self->stopped = false;
	while (!self->stopped) {
		if (wait_events(self, err) < 0) {
			return -1;
		}
		for (int i = 0; i < self->batch_len && !self->stopped; i++) {
			kt_sup_watch *watch = self->batch[i].data.ptr;

			if (watch) {
				watch->fn(watch, self->batch[i].events);
			}
		}
		self->batch_len = 0;
		run_due_timers(self);
	}
	return 0;
}

int kt_sup_watch_add(kt_sup_loop *loop, kt_sup_watch *watch, int fd, uint32_t events,
		     kt_sup_watch_fn fn, void *user, kt_err *err)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	KT_ASSERT(!watch->loop);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		return KT_FAIL_ERRNO(err, "cannot watch descriptor %d", fd);
	}
	*watch = (kt_sup_watch){.loop = loop, .fd = fd, .events = events, .fn = fn, .user = user};
	return 0;
}

int kt_sup_watch_change(kt_sup_watch *watch, uint32_t events, kt_err *err)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	KT_ASSERT(watch->loop);
	if (watch->events == events && !(events & (EPOLLET | EPOLLONESHOT))) {
		return 0;
	}
	if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev) < 0) {
		return KT_FAIL_ERRNO(err, "cannot change the watch of descriptor %d", watch->fd);
	}
	watch->events = events;
	return 0;
}

void kt_sup_watch_drop(kt_sup_watch *watch)
{
	kt_sup_loop *loop = watch->loop;

	if (!loop) {
		return;
	}
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->batch_len; i++) {
		if (loop->batch[i].data.ptr == watch) {
			loop->batch[i].data.ptr = NULL;
		}
	}
	watch->loop = NULL;
}

void kt_sup_timer_set(kt_sup_loop *loop, kt_sup_timer *timer, kt_instant at, kt_sup_timer_fn fn,
		      void *user)
{
	kt_sup_timer **slot = &loop->timers;
	kt_sup_timer *prev = NULL;

	kt_sup_timer_drop(timer);
	if (at == KT_NEVER) {
		return;
	}
	slot = &loop->timers;
	while (*slot && (*slot)->at <= at) {
		prev = *slot;
		slot = &prev->next;
	}
	*timer = (kt_sup_timer){
		.loop = loop, .at = at, .fn = fn, .user = user, .prev = prev, .next = *slot};
	if (*slot) {
		(*slot)->prev = timer;
	}
	*slot = timer;
}

void kt_sup_timer_drop(kt_sup_timer *timer)
{
	if (!timer->loop) {
		return;
	}
	if (timer->prev) {
		timer->prev->next = timer->next;
	} else {
		timer->loop->timers = timer->next;
	}
	if (timer->next) {
		timer->next->prev = timer->prev;
	}
	timer->loop = NULL;
	timer->prev = timer->next = NULL;
}
