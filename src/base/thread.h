/*
 * Threads, and the token that cancels what a thread waits for.
 *
 * A cancel token is an eventfd: a blocking function takes `kt_cancel *` (NULL = cannot
 * be cancelled) and a deadline, polls the token's descriptor beside its own, and fails
 * with CANCELLED or TIMEOUT. Tokens are reference-counted and thread-safe.
 */
#ifndef KT_BASE_THREAD_H
#define KT_BASE_THREAD_H

#include "base/base.h"
#include "base/clock.h"
#include "base/err.h"

#include <pthread.h>

typedef struct kt_cancel kt_cancel;

KT_MUST_USE kt_cancel *kt_cancel_new(kt_err *err);
/* A token that is also cancelled when parent is. parent may be NULL. */
KT_MUST_USE kt_cancel *kt_cancel_child(kt_cancel *parent, kt_err *err);
kt_cancel *kt_cancel_ref(kt_cancel *self);
void kt_cancel_unref(kt_cancel *self); /* NULL allowed */
void kt_cancel_fire(kt_cancel *self);  /* idempotent; from any thread */
bool kt_cancel_fired(const kt_cancel *self); /* false for NULL */
int kt_cancel_fd(const kt_cancel *self); /* readable once fired; -1 for NULL */
/* 0, or -1 with CANCELLED. */
int kt_cancel_check(const kt_cancel *self, kt_err *err);

/*
 * Waits until fd has one of `events` (POLLIN…), the deadline passes (TIMEOUT) or the
 * token fires (CANCELLED). fd < 0 waits for the other two only. 0 when fd is ready.
 */
int kt_wait_fd(int fd, short events, kt_instant deadline, const kt_cancel *cancel, kt_err *err);

/* Starts a thread with the given stack (bytes; 0 = 256 KiB). Join with pthread_join. */
int kt_thread_start(pthread_t *ret, size_t stack, const char *name, void *(*fn)(void *), void *arg,
		    kt_err *err);

/* A mutex held until the end of the scope: KT_LOCK(&self->lock); */
#define KT_LOCK(m)                                                                                 \
	KT_UNUSED KT_CLEANUP(kt_unlock_ptr) pthread_mutex_t *KT_LOCK_NAME_(__LINE__) = kt_lock_(m)
#define KT_LOCK_NAME_(line) KT_LOCK_JOIN_(held_, line)
#define KT_LOCK_JOIN_(a, b) a##b
pthread_mutex_t *kt_lock_(pthread_mutex_t *m);
void kt_unlock_ptr(pthread_mutex_t **m);

#endif
