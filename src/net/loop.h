/*
 * The event loop of a server process: one thread that waits for descriptors, timers and work
 * posted by others. Over libuv.
 *
 * Only kt_loop_post may be called from any thread; every other function belongs to the loop's
 * thread (or to the time before kt_loop_start). Callbacks must not block.
 */
#ifndef KT_NET_LOOP_H
#define KT_NET_LOOP_H

#include "base/clock.h"
#include "base/err.h"

typedef struct kt_loop kt_loop;
typedef struct kt_watch kt_watch;
typedef struct kt_timer kt_timer;

#define KT_LOOP_READ 1
#define KT_LOOP_WRITE 2

KT_MUST_USE kt_loop *kt_loop_new(kt_err *err);
/* Starts the thread. */
int kt_loop_start(kt_loop *self, const char *name, kt_err *err);
/* Ends the thread after the work already posted, then frees all watches and timers. Not from the
 * loop's thread. NULL allowed. */
void kt_loop_free(kt_loop *self);

/* Runs fn(arg) on the loop's thread, in the order of posting. -1 on NOMEM. Any thread. */
int kt_loop_post(kt_loop *self, void (*fn)(void *arg), void *arg);

/*
 * The same with memory of the caller's, so that it cannot fail. The job may be posted again, or
 * freed, from the moment that its fn is called.
 */
typedef struct kt_loop_job {
	void (*fn)(void *arg);
	void *arg;
	struct kt_loop_job *next;
} kt_loop_job;
void kt_loop_post_job(kt_loop *self, kt_loop_job *job);

/* Calls fn with the events ready; the descriptor stays the caller's and must outlive the watch. */
KT_MUST_USE kt_watch *kt_watch_new(kt_loop *loop, int fd, void (*fn)(void *arg, int events),
				   void *arg, kt_err *err);
void kt_watch_set(kt_watch *self,
		  int events);      /* KT_LOOP_READ | KT_LOOP_WRITE; 0 pauses; 0 at start */
void kt_watch_free(kt_watch *self); /* NULL allowed; no callback afterwards */

KT_MUST_USE kt_timer *kt_timer_new(kt_loop *loop, void (*fn)(void *arg), void *arg, kt_err *err);
/* Fires once at that moment, in place of what was set; KT_NEVER switches it off. */
void kt_timer_set(kt_timer *self, kt_instant when);
void kt_timer_free(kt_timer *self);

#endif
