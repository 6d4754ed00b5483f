/*
 * The supervisor's event loop: one thread, epoll, timers. Everything the supervisor does
 * is a callback of it.
 *
 * Watches and timers are embedded in their owner's structure; the loop never allocates for
 * them and never frees them. A callback may add, change, drop (and then free the owner of) any
 * watch or timer, its own included: a dropped one is not called again, even when its event
 * was already fetched. Callbacks must not block. Not thread-safe.
 */
#ifndef KT_SUPERVISOR_LOOP_H
#define KT_SUPERVISOR_LOOP_H

#include "base/base.h"
#include "base/clock.h"
#include "base/err.h"

#include <sys/epoll.h>

typedef struct kt_sup_loop kt_sup_loop;
typedef struct kt_sup_watch kt_sup_watch;
typedef struct kt_sup_timer kt_sup_timer;

/* `events` are EPOLLIN, EPOLLOUT, EPOLLHUP, … as epoll reported them. */
typedef void (*kt_sup_watch_fn)(kt_sup_watch *watch, uint32_t events);
typedef void (*kt_sup_timer_fn)(kt_sup_timer *timer);

/* Zero-initialise before the first use: {0} is "not watched". */
struct kt_sup_watch {
	kt_sup_loop *loop; /* NULL while not watched */
	int fd;		   /* not owned: the owner closes it after kt_sup_watch_drop */
	uint32_t events;
	kt_sup_watch_fn fn;
	void *user; /* the owner's */
};

/* Zero-initialise before the first use: {0} is "not armed". */
struct kt_sup_timer {
	kt_sup_loop *loop; /* NULL while not armed */
	kt_instant at;	   /* CLOCK_MONOTONIC */
	kt_sup_timer_fn fn;
	void *user; /* the owner's */
	kt_sup_timer *prev;
	kt_sup_timer *next;
};

#define KT_SUP_LOOP_BATCH 32

struct kt_sup_loop {
	int epoll_fd;
	bool stopped;
	kt_sup_timer *timers; /* the armed ones, earliest first */
	struct epoll_event batch[KT_SUP_LOOP_BATCH];
	int batch_len;
};

int kt_sup_loop_init(kt_sup_loop *self, kt_err *err);
void kt_sup_loop_deinit(kt_sup_loop *self);
/* Calls back until kt_sup_loop_stop. Fails only when epoll itself fails. */
int kt_sup_loop_run(kt_sup_loop *self, kt_err *err);
/* Lets kt_sup_loop_run return after the current callback. */
void kt_sup_loop_stop(kt_sup_loop *self);

/* Starts watching fd. The watch must not be watched already. `events` as for epoll_ctl, level- or
 * edge-triggered (EPOLLET). Fails with the errno of epoll_ctl (EPERM: a regular file). */
int kt_sup_watch_add(kt_sup_loop *loop, kt_sup_watch *watch, int fd, uint32_t events,
		     kt_sup_watch_fn fn, void *user, kt_err *err);
/* Changes the events waited for; 0 waits for errors and hang-ups only. */
int kt_sup_watch_change(kt_sup_watch *watch, uint32_t events, kt_err *err);
/* Ends watching; must come before close(fd). No effect on a watch that is not watched. */
void kt_sup_watch_drop(kt_sup_watch *watch);

/* Arms (or re-arms) the timer: fn is called once, at `at` or soon after. KT_NEVER disarms. */
void kt_sup_timer_set(kt_sup_loop *loop, kt_sup_timer *timer, kt_instant at, kt_sup_timer_fn fn,
		      void *user);
/* Disarms. No effect on a timer that is not armed. */
void kt_sup_timer_drop(kt_sup_timer *timer);

#endif
