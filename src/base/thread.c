#include "base/thread.h"

#include "base/alloc.h"
#include "base/vec.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct kt_cancel {
	atomic_int refs;
	atomic_bool fired;
	int fd;
	kt_cancel *parent; /* holds a reference; NULL at the root */
	pthread_mutex_t lock;
	KT_VEC(kt_cancel *) children; /* borrowed: a child leaves before it dies */
};

kt_cancel *kt_cancel_new(kt_err *err)
{
	kt_cancel *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (self->fd < 0) {
		KT_FAIL_ERRNO(err, "creating an event descriptor");
		kt_free(self);
		return NULL;
	}
	atomic_init(&self->refs, 1);
	pthread_mutex_init(&self->lock, NULL);
	return self;
}

kt_cancel *kt_cancel_child(kt_cancel *parent, kt_err *err)
{
	kt_cancel *self = kt_cancel_new(err);
	if (self == NULL || parent == NULL) {
		return self;
	}
	pthread_mutex_lock(&parent->lock);
	int added = kt_vec_push(&parent->children, self);
	bool fired = atomic_load(&parent->fired);
	pthread_mutex_unlock(&parent->lock);
	if (added < 0) {
		kt_err_nomem(err);
		kt_cancel_unref(self);
		return NULL;
	}
	self->parent = kt_cancel_ref(parent);
	if (fired) {
		kt_cancel_fire(self);
	}
	return self;
}

kt_cancel *kt_cancel_ref(kt_cancel *self)
{
	if (self != NULL) {
		atomic_fetch_add(&self->refs, 1);
	}
	return self;
}

static void leave_parent(kt_cancel *self)
{
	kt_cancel *parent = self->parent;
	pthread_mutex_lock(&parent->lock);
	for (size_t i = 0; i < parent->children.len; i++) {
		if (parent->children.items[i] == self) {
			parent->children.items[i] =
				parent->children.items[--parent->children.len];
			break;
		}
	}
	pthread_mutex_unlock(&parent->lock);
}

void kt_cancel_unref(kt_cancel *self)
{
	if (self == NULL) {
		return;
	}
	kt_cancel *parent = self->parent;
	if (parent != NULL) {
		/* The parent's lock keeps a firing parent from meeting a child that is going. */
		pthread_mutex_lock(&parent->lock);
	}
	bool last = atomic_fetch_sub(&self->refs, 1) == 1;
	if (parent != NULL) {
		pthread_mutex_unlock(&parent->lock);
	}
	if (!last) {
		return;
	}
	if (parent != NULL) {
		leave_parent(self);
	}
	close(self->fd);
	kt_vec_deinit(&self->children);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
	kt_cancel_unref(parent);
}

void kt_cancel_fire(kt_cancel *self)
{
	if (atomic_exchange(&self->fired, true)) {
		return;
	}
	uint64_t one = 1;
	while (write(self->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
	}
	KT_LOCK(&self->lock);
	for (size_t i = 0; i < self->children.len; i++) {
		kt_cancel_fire(self->children.items[i]);
	}
}

bool kt_cancel_fired(const kt_cancel *self)
{
	return self != NULL && atomic_load(&self->fired);
}

int kt_cancel_fd(const kt_cancel *self)
{
	return self != NULL ? self->fd : -1;
}

int kt_cancel_check(const kt_cancel *self, kt_err *err)
{
	return kt_cancel_fired(self) ? KT_FAIL(err, CANCELLED, "cancelled") : 0;
}

int kt_wait_fd(int fd, short events, kt_instant deadline, const kt_cancel *cancel, kt_err *err)
{
	struct pollfd fds[2] = {
		{.fd = fd, .events = events},
		{.fd = kt_cancel_fd(cancel), .events = POLLIN},
	};
	for (;;) {
		int ready = poll(fds, 2, kt_ms_left(deadline));
		if (ready < 0 && errno != EINTR) {
			return KT_FAIL_ERRNO(err, "waiting for a descriptor");
		}
		if (kt_cancel_fired(cancel)) {
			return KT_FAIL(err, CANCELLED, "cancelled");
		}
		if (ready > 0 && fds[0].revents != 0) {
			return 0;
		}
		if (deadline != KT_NEVER && kt_now() >= deadline) {
			return KT_FAIL(err, TIMEOUT, "timed out");
		}
	}
}

int kt_thread_start(pthread_t *ret, size_t stack, const char *name, void *(*fn)(void *), void *arg,
		    kt_err *err)
{
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack != 0 ? stack : 256 * 1024);
	pthread_t thread;
	int failed = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	if (failed != 0) {
		return kt_err_set_errno(err, failed, "starting thread '%s'", name);
	}
	pthread_setname_np(thread, name); /* fails on names over 15 bytes; only a label */
	*ret = thread;
	return 0;
}

pthread_mutex_t *kt_lock_(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

void kt_unlock_ptr(pthread_mutex_t **m)
{
	pthread_mutex_unlock(*m);
}
