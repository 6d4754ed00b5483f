/* One thread that learns of the death of API containers and keepers, and replaces them. */
#include "engine/engine_internal.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define PART "engine"
#define EVENTS 16
/* One that dies so often within so short a time of its start is left dead. */
#define SOON_MS 2000
#define DEATHS_MAX 5

int kt_engine_watch_fd(kt_engine *self, int fd, kt_err *err)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.fd = fd}};
	if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		return KT_FAIL_ERRNO(err, "cannot watch a process");
	}
	return 0;
}

/* The number may have been given to another file since the event. */
static bool has_ended(int fd)
{
	struct pollfd pfd = {fd, POLLIN, 0};
	return poll(&pfd, 1, 0) == 1;
}

typedef enum casualty { NOBODY, APIC_DIED, KEEPER_DIED } casualty;

/* Whose descriptor it is; closes it. */
static casualty identify(kt_engine *self, int fd, kt_uuid *ret_uuid, bool *ret_revive)
{
	KT_LOCK(&self->lock);
	for (size_t i = 0; i < self->enclaves.len; i++) {
		kt_enclave_entry *entry = self->enclaves.items[i];
		if ((entry->pidfd != fd && entry->keeper != fd) || !has_ended(fd)) {
			continue;
		}
		*ret_uuid = entry->row.uuid;
		*ret_revive = entry->row.phase == KT_PHASE_RUNNING;
		if (entry->keeper == fd) {
			kt_close_ptr(&entry->keeper);
			return KEEPER_DIED;
		}
		siginfo_t info;
		waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
		kt_close_ptr(&entry->pidfd);
		bool soon = kt_now() - entry->apic_since < SOON_MS * KT_NS_PER_MS;
		entry->apic_deaths = soon ? entry->apic_deaths + 1 : 0;
		*ret_revive = *ret_revive && entry->apic_deaths < DEATHS_MAX;
		return APIC_DIED;
	}
	return NOBODY;
}

/* Whether the enclave still wants what has died: it may have been stopped meanwhile. */
static bool still_wanted(kt_engine *self, const char *uuid, casualty who)
{
	KT_LOCK(&self->lock);
	const kt_enclave_entry *entry = kt_engine_find(self, uuid);
	return entry != NULL && entry->row.phase == KT_PHASE_RUNNING &&
	       (who == APIC_DIED ? entry->pidfd : entry->keeper) < 0;
}

static int revive_keeper(kt_engine *self, const char *uuid, kt_err *err)
{
	int fd = -1;
	if (self->deps->keeper_revive(self->backend, uuid, err) < 0 ||
	    self->deps->keeper_fd(self->backend, uuid, &fd, err) < 0) {
		return -1;
	}
	KT_LOCK(&self->lock);
	kt_enclave_entry *entry = kt_engine_find(self, uuid);
	if (entry == NULL) {
		close(fd);
		return 0;
	}
	entry->keeper = fd;
	return kt_engine_watch_fd(self, fd, err);
}

static void handle_event(kt_engine *self, int fd)
{
	kt_uuid uuid = {0};
	bool revive = false;
	casualty who = identify(self, fd, &uuid, &revive);
	if (who == NOBODY) {
		return;
	}
	const char *what = who == APIC_DIED ? "API container" : "supervisor";
	if (!revive) {
		KT_INFO(PART, "the %s of enclave %s has ended", what, uuid.text);
		return;
	}
	KT_LOCK(&self->manage);
	if (!still_wanted(self, uuid.text, who)) {
		return;
	}
	KT_WARN(PART, "the %s of enclave %s has died; starting it again", what, uuid.text);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int rc = who == APIC_DIED ? kt_engine_start_apic(self, uuid.text, &err)
				  : revive_keeper(self, uuid.text, &err);
	if (rc < 0) {
		kt_log_err(KT_LOG_ERROR, PART, &err, "cannot start the %s of enclave %s", what,
			   uuid.text);
	}
}

/* An enclave whose API container is dead although it should run; its descriptor, if still open. */
static bool find_casualty(kt_engine *self, kt_uuid *ret_uuid, int *ret_fd)
{
	KT_LOCK(&self->lock);
	for (size_t i = 0; i < self->enclaves.len; i++) {
		const kt_enclave_entry *entry = self->enclaves.items[i];
		bool dead = entry->pidfd < 0 || has_ended(entry->pidfd);
		if (dead && entry->row.phase == KT_PHASE_RUNNING &&
		    entry->apic_deaths < DEATHS_MAX) {
			*ret_uuid = entry->row.uuid;
			*ret_fd = entry->pidfd;
			return true;
		}
	}
	return false;
}

/* Starts what the watching thread has seen die and not replaced yet. */
static void revive_now(kt_engine *self, const char *uuid)
{
	KT_LOCK(&self->manage);
	if (!still_wanted(self, uuid, APIC_DIED)) {
		return;
	}
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (kt_engine_start_apic(self, uuid, &err) < 0) {
		kt_log_err(KT_LOG_ERROR, PART, &err, "cannot start the API container of enclave %s",
			   uuid);
		KT_LOCK(&self->lock);
		kt_enclave_entry *entry = kt_engine_find(self, uuid);
		if (entry != NULL) {
			entry->apic_deaths++;
		}
	}
}

void kt_engine_settle(kt_engine *self)
{
	kt_uuid uuid;
	int fd;
	while (find_casualty(self, &uuid, &fd)) {
		if (fd >= 0) {
			handle_event(self, fd);
		} else {
			revive_now(self, uuid.text);
		}
	}
}

static void *watch(void *arg)
{
	kt_engine *self = arg;
	while (kt_wait_fd(self->epoll, POLLIN, KT_NEVER, self->stop, NULL) == 0) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(self->epoll, events, EVENTS, 0);
		for (int i = 0; i < n; i++) {
			handle_event(self, events[i].data.fd);
		}
	}
	return NULL;
}

int kt_engine_watch(kt_engine *self, kt_err *err)
{
	if (kt_thread_start(&self->watcher, 0, "watch", watch, self, err) < 0) {
		return -1;
	}
	self->watching = true;
	return 0;
}

void kt_engine_unwatch(kt_engine *self)
{
	if (self->watching) {
		kt_cancel_fire(self->stop);
		pthread_join(self->watcher, NULL);
		self->watching = false;
	}
}
