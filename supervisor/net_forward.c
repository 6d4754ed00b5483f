#include "net_forward.h"

#include "net_udp.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (64U * 1024)
#define TURN (1024U * 1024) /* bytes moved before others get their turn */
#define ACCEPT_BURST 32
#define RETRY_ACCEPT_MS 100 /* after running out of descriptors, unless one is closed earlier */

/* One way of a connection: from -> pipe -> to. */
typedef struct way {
	int pipe[2]; /* -1 until something arrives */
	size_t held; /* bytes in the pipe */
	bool ended;  /* the reading side is at its end */
	bool shut;   /* … and the writing side was told */
} way;

typedef struct joint joint;
struct joint {
	kt_sup_forward *owner;
	joint *next;
	joint *prev;
	int fd[2];
	kt_sup_watch watch[2];
	way way[2]; /* way[i] reads from fd[i] */
	bool connecting; /* fd[1] is not connected yet */
	kt_sup_timer again;
};

typedef struct listener listener;
struct listener {
	kt_sup_forward *owner;
	listener *next;
	char *id;
	int fd;
	int protocol;
	struct sockaddr_in to;
	kt_sup_watch watch;
	kt_sup_timer retry;
	kt_sup_udp *udp; /* instead of the watch */
};

struct kt_sup_forward {
	kt_sup_loop *loop;
	listener *listeners;
	joint *joints;
};

/* ---- a connection ------------------------------------------------------------------ */

static void free_joint(joint *self)
{
	kt_sup_timer_drop(&self->again);
	for (int i = 0; i < 2; i++) {
		kt_sup_watch_drop(&self->watch[i]);
		kt_close_ptr(&self->fd[i]);
		kt_close_ptr(&self->way[i].pipe[0]);
		kt_close_ptr(&self->way[i].pipe[1]);
	}
	if (self->prev != NULL) {
		self->prev->next = self->next;
	} else {
		self->owner->joints = self->next;
	}
	if (self->next != NULL) {
		self->next->prev = self->prev;
	}
	kt_free(self);
}

/* Ends both sides with RST: what broke one must not look like an orderly end to the other. */
static void reset_joint(joint *self)
{
	struct linger now = {1, 0};
	for (int i = 0; i < 2; i++) {
		(void)setsockopt(self->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	free_joint(self);
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/*
 * Moves what can be moved from `from` to `to`; adds to *moved. -1 when the connection is
 * broken. EAGAIN from the first splice means "nothing to read" or "pipe full" alike: the
 * second splice tells, and the loop ends when neither gets on.
 */
static int pump(way *self, int from, int to, size_t *moved)
{
	bool going = true;
	if (self->pipe[0] < 0 && pipe2(self->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -1;
	}
	while (going && *moved < TURN) {
		going = false;
		if (!self->ended) {
			ssize_t n = splice(from, NULL, self->pipe[1], NULL, CHUNK,
					   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0 && !would_block()) {
				return -1;
			}
			self->ended = n == 0;
			self->held += n > 0 ? (size_t)n : 0;
			going = n > 0;
		}
		if (self->held > 0) {
			ssize_t n = splice(self->pipe[0], NULL, to, NULL, self->held,
					   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0 && !would_block()) {
				return -1;
			}
			self->held -= n > 0 ? (size_t)n : 0;
			*moved += n > 0 ? (size_t)n : 0;
			going = going || n > 0;
		}
	}
	if (self->ended && self->held == 0 && !self->shut) {
		self->shut = true;
		if (shutdown(to, SHUT_WR) < 0 && errno != ENOTCONN) {
			return -1;
		}
	}
	return 0;
}

static void on_again(kt_sup_timer *timer);

static void run_joint(joint *self)
{
	bool more = false;
	for (int i = 0; i < 2; i++) {
		size_t moved = 0;
		if (!self->way[i].shut &&
		    pump(&self->way[i], self->fd[i], self->fd[1 - i], &moved) < 0) {
			reset_joint(self);
			return;
		}
		more = more || moved >= TURN;
	}
	if (self->way[0].shut && self->way[1].shut) {
		free_joint(self);
	} else if (more) {
		kt_sup_timer_set(self->owner->loop, &self->again, kt_now(), on_again, self);
	}
}

static void on_again(kt_sup_timer *timer)
{
	run_joint(timer->user);
}

/* Whether connecting has ended well; resets the connection when it has ended badly. */
static bool connected(joint *self, uint32_t events)
{
	int failure = 0;
	socklen_t len = sizeof(failure);
	if (getsockopt(self->fd[1], SOL_SOCKET, SO_ERROR, &failure, &len) < 0 || failure != 0) {
		reset_joint(self);
		return false;
	}
	if ((events & EPOLLOUT) == 0) {
		return false;
	}
	self->connecting = false;
	return true;
}

static void on_joint(kt_sup_watch *watch, uint32_t events)
{
	joint *self = watch->user;
	if (self->connecting) {
		bool second = watch == &self->watch[1];
		if (!second || !connected(self, events)) {
			return; /* edge-triggered: what fd[0] has is looked at once connected */
		}
	}
	run_joint(self);
}

static void tune(int fd)
{
	int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int kt_sup_forward_join(kt_sup_forward *self, int a, int b, kt_err *err)
{
	joint *item = kt_calloc(1, sizeof(*item));
	if (item == NULL) {
		close(a);
		close(b);
		return kt_err_nomem(err);
	}
	*item = (joint){
		.owner = self,
		.next = self->joints,
		.fd = {a, b},
		.way = {{.pipe = {-1, -1}}, {.pipe = {-1, -1}}},
		.connecting = true,
	};
	if (item->next != NULL) {
		item->next->prev = item;
	}
	self->joints = item;
	for (int i = 0; i < 2; i++) {
		tune(item->fd[i]);
		if (kt_sup_watch_add(self->loop, &item->watch[i], item->fd[i],
				     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_joint, item,
				     err) < 0) {
			free_joint(item);
			return -1;
		}
	}
	return 0;
}

/* ---- listening --------------------------------------------------------------------- */

/* Starts a connection to the service; -1 with errno. */
static int dial(const listener *self)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, self->protocol);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&self->to, sizeof(self->to)) < 0 &&
	    errno != EINPROGRESS) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void refuse(int client)
{
	struct linger now = {1, 0};
	(void)setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(client);
}

static void on_retry(kt_sup_timer *timer)
{
	listener *self = timer->user;
	(void)kt_sup_watch_change(&self->watch, EPOLLIN, NULL);
}

/* Descriptors are short: let waiting clients wait instead of spinning. */
static void pause_accepting(listener *self)
{
	(void)kt_sup_watch_change(&self->watch, 0, NULL);
	kt_sup_timer_set(self->owner->loop, &self->retry, kt_after_ms(RETRY_ACCEPT_MS), on_retry,
			 self);
}

static void on_accept(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	listener *self = watch->user;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		int client = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
				pause_accepting(self);
			}
			return;
		}
		int server = dial(self);
		if (server < 0) {
			refuse(client);
			continue;
		}
		(void)kt_sup_forward_join(self->owner, client, server, NULL);
	}
}

static void free_listener(listener *self)
{
	kt_sup_timer_drop(&self->retry);
	if (self->udp != NULL) {
		kt_sup_udp_free(self->udp); /* closes the descriptor */
	} else {
		kt_sup_watch_drop(&self->watch);
		kt_close_ptr(&self->fd);
	}
	kt_free(self->id);
	kt_free(self);
}

static int listen_on(kt_sup_forward *self, listener *item, kt_err *err)
{
	int type = 0;
	socklen_t len = sizeof(type);
	int flags = fcntl(item->fd, F_GETFL);
	if (getsockopt(item->fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || flags < 0 ||
	    fcntl(item->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		return KT_FAIL_ERRNO(err, "the published descriptor is no socket");
	}
	if (type == SOCK_DGRAM) {
		item->udp = kt_sup_udp_new(self->loop, item->fd, item->to, err);
		return item->udp != NULL ? 0 : -1;
	}
	len = sizeof(item->protocol);
	if (getsockopt(item->fd, SOL_SOCKET, SO_PROTOCOL, &item->protocol, &len) < 0) {
		return KT_FAIL_ERRNO(err, "the published descriptor is no socket");
	}
	return kt_sup_watch_add(self->loop, &item->watch, item->fd, EPOLLIN, on_accept, item, err);
}

int kt_sup_forward_add(kt_sup_forward *self, const char *id, int host_fd, struct sockaddr_in to,
		       kt_err *err)
{
	listener *item = kt_calloc(1, sizeof(*item));
	if (item == NULL) {
		return kt_err_nomem(err);
	}
	item->owner = self;
	item->fd = host_fd;
	item->to = to;
	item->id = kt_strdup(id);
	if (item->id == NULL || listen_on(self, item, err) < 0) {
		int rc = item->id == NULL ? kt_err_nomem(err) : -1;
		item->fd = -1; /* stays the caller's */
		free_listener(item);
		return rc;
	}
	item->next = self->listeners;
	self->listeners = item;
	return 0;
}

void kt_sup_forward_remove(kt_sup_forward *self, const char *id)
{
	for (listener **at = &self->listeners; *at != NULL;) {
		listener *item = *at;
		if (id != NULL && !kt_str_eq(item->id, id)) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		free_listener(item);
	}
}

kt_sup_forward *kt_sup_forward_new(kt_sup_loop *loop, kt_err *err)
{
	kt_sup_forward *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->loop = loop;
	return self;
}

void kt_sup_forward_free(kt_sup_forward *self)
{
	if (self == NULL) {
		return;
	}
	kt_sup_forward_remove(self, NULL);
	while (self->joints != NULL) {
		free_joint(self->joints);
	}
	kt_free(self);
}
