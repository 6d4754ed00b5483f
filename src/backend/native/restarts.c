/*
 * Services that are to run always (production enclaves): one thread waits for their ends and
 * starts them again, first after 100 ms, then after twice as long up to a minute; ten
 * seconds of running make it forget. What was stopped on purpose says so in its record, which
 * also another process may have written.
 */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PART "native"
#define FIRST_MS 100
#define LAST_MS 60000
#define HEALTHY_MS 10000

typedef struct watched {
	char enclave[KT_SUP_ID_MAX + 1];
	char uuid[KT_SUP_ID_MAX + 1];
	int fd;           /* readable when it has ended; -1 while waiting to start */
	kt_instant since; /* of its last start */
	kt_instant due;   /* with fd -1: when to start it */
	int64_t pause_ms; /* before the next start */
} watched;

struct native_restarts {
	native_backend *backend;
	pthread_mutex_t lock;
	pthread_t thread;
	int wake; /* eventfd: the list has changed */
	bool ending;
	KT_VEC(watched) items;
};

/* ---- the thread ---------------------------------------------------------------------- */

static watched *find(native_restarts *self, const char *enclave, const char *uuid)
{
	for (size_t i = 0; i < self->items.len; i++) {
		if (kt_str_eq(self->items.items[i].enclave, enclave) &&
		    kt_str_eq(self->items.items[i].uuid, uuid)) {
			return &self->items.items[i];
		}
	}
	return NULL;
}

static void drop(native_restarts *self, watched *item)
{
	kt_close_ptr(&item->fd);
	*item = self->items.items[--self->items.len];
}

static bool still_wanted(native_restarts *self, const watched *item)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	native_record record;
	return native_record_read(self->backend, item->enclave, item->uuid, &arena, &record,
				  NULL) == 0 &&
	       record.has_container && record.restart && !record.stopped;
}

/* Starts one that is due; puts it back with its new descriptor. Works on a copy, unlocked. */
static void start_again(native_restarts *self, watched item)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info;
	if (!still_wanted(self, &item)) {
		native_restarts_remove(self, item.enclave, item.uuid);
		return;
	}
	int rc = native_service_restart(&self->backend->base, item.enclave, item.uuid, &arena,
					&info, &err);
	if (rc < 0 && err.code != KT_ERR_PRECONDITION) { /* that one: it runs already */
		kt_log_err(KT_LOG_DEBUG, PART, &err, "cannot restart service %s", item.uuid);
		KT_LOCK(&self->lock);
		watched *kept = find(self, item.enclave, item.uuid);
		if (kept != NULL) {
			kept->pause_ms = KT_MIN(kept->pause_ms * 2, (int64_t)LAST_MS);
			kept->due = kt_after_ms(kept->pause_ms);
		}
		return;
	}
	native_restarts_add(self, item.enclave, item.uuid);
}

/* One that has ended waits for its next start from now on. */
static void note_end(watched *item)
{
	bool healthy = kt_now() - item->since > HEALTHY_MS * KT_NS_PER_MS;
	kt_close_ptr(&item->fd);
	item->pause_ms = healthy || item->pause_ms == 0
				 ? FIRST_MS
				 : KT_MIN(item->pause_ms * 2, (int64_t)LAST_MS);
	item->due = kt_after_ms(item->pause_ms);
}

/* Looks at all: returns one that is due (true), or the next moment something will be. */
static bool next_due(native_restarts *self, watched *ret, kt_instant *ret_deadline)
{
	*ret_deadline = KT_NEVER;
	for (size_t i = 0; i < self->items.len; i++) {
		watched *item = &self->items.items[i];
		struct pollfd poll_fd = {.fd = item->fd, .events = POLLIN};
		if (item->fd >= 0 && poll(&poll_fd, 1, 0) == 1) {
			note_end(item);
		}
		if (item->fd >= 0) {
			continue;
		}
		if (item->due <= kt_now()) {
			item->due = KT_NEVER; /* until start_again has decided */
			*ret = *item;
			return true;
		}
		*ret_deadline = KT_MIN(*ret_deadline, item->due);
	}
	return false;
}

/* The descriptors to wait for, as copies that stay open while they are waited for. */
static size_t list_fds(native_restarts *self, struct pollfd *polls, size_t cap)
{
	size_t len = 0;
	polls[len++] = (struct pollfd){.fd = self->wake, .events = POLLIN};
	for (size_t i = 0; i < self->items.len && len < cap; i++) {
		if (self->items.items[i].fd >= 0) {
			polls[len++] = (struct pollfd){.fd = dup(self->items.items[i].fd),
						       .events = POLLIN};
		}
	}
	return len;
}

static void *run(void *arg)
{
	native_restarts *self = arg;
	struct pollfd polls[1100]; /* an enclave has 1018 addresses */
	for (;;) {
		watched due;
		kt_instant deadline = KT_NEVER;
		size_t len = 0;
		bool found = false;
		{
			KT_LOCK(&self->lock);
			if (self->ending) {
				return NULL;
			}
			found = next_due(self, &due, &deadline);
			len = found ? 0 : list_fds(self, polls, KT_ARRAY_LEN(polls));
		}
		if (found) {
			start_again(self, due);
			continue;
		}
		eventfd_t ignored;
		(void)poll(polls, len, kt_ms_left(deadline));
		if (polls[0].revents != 0) {
			(void)eventfd_read(self->wake, &ignored);
		}
		while (len > 1) {
			close(polls[--len].fd);
		}
	}
}

/* ---- from outside -------------------------------------------------------------------- */

void native_restarts_add(native_restarts *self, const char *enclave, const char *uuid)
{
	int fd = -1;
	if (native_service_exit_fd(&self->backend->base, enclave, uuid, &fd, NULL) < 0) {
		return;
	}
	KT_LOCK(&self->lock);
	watched *item = find(self, enclave, uuid);
	if (item == NULL) {
		watched fresh = {.fd = -1};
		snprintf(fresh.enclave, sizeof(fresh.enclave), "%s", enclave);
		snprintf(fresh.uuid, sizeof(fresh.uuid), "%s", uuid);
		if (kt_vec_push(&self->items, fresh) < 0) {
			close(fd);
			return;
		}
		item = &self->items.items[self->items.len - 1];
	}
	kt_close_ptr(&item->fd);
	item->fd = fd;
	item->since = kt_now();
	eventfd_write(self->wake, 1);
}

bool native_restarts_has(native_restarts *self, const char *enclave, const char *uuid)
{
	KT_LOCK(&self->lock);
	return find(self, enclave, uuid) != NULL;
}

void native_restarts_remove(native_restarts *self, const char *enclave, const char *uuid)
{
	KT_LOCK(&self->lock);
	watched *item = find(self, enclave, uuid);
	if (item != NULL) {
		drop(self, item);
		eventfd_write(self->wake, 1);
	}
}

native_restarts *native_restarts_get(native_backend *backend)
{
	KT_LOCK(&backend->lock);
	if (backend->restarts != NULL) {
		return backend->restarts;
	}
	native_restarts *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		return NULL;
	}
	self->backend = backend;
	self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&self->lock, NULL);
	if (self->wake < 0 ||
	    kt_thread_start(&self->thread, 0, "restarts", run, self, NULL) < 0) {
		kt_close_ptr(&self->wake);
		pthread_mutex_destroy(&self->lock);
		kt_free(self);
		return NULL;
	}
	backend->restarts = self;
	return self;
}

void native_restarts_free(native_restarts *self)
{
	if (self == NULL) {
		return;
	}
	{
		KT_LOCK(&self->lock);
		self->ending = true;
	}
	eventfd_write(self->wake, 1);
	pthread_join(self->thread, NULL);
	while (self->items.len > 0) {
		drop(self, &self->items.items[0]);
	}
	kt_vec_deinit(&self->items);
	close(self->wake);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}
