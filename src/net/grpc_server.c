/* The gRPC server as a whole: its sockets, its services, start and stop. */
#include "net/grpc_server_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 256
#define SAME_PORT_TRIES 16
/* How long a stopped server waits for clients to read its last answers. */
#define LAST_WORDS_MS 1000

static const char *const loopback[] = {"127.0.0.1", "::1", NULL};

/* --- listening -------------------------------------------------------------------------- */

static bool make_address(const char *host, uint16_t port, struct sockaddr_storage *ret,
			 socklen_t *ret_len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memcpy(ret, &in, sizeof(in));
		*ret_len = sizeof(in);
		return true;
	}
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		memcpy(ret, &in6, sizeof(in6));
		*ret_len = sizeof(in6);
		return true;
	}
	return false;
}

static bool family_missing(int errnum)
{
	return errnum == EAFNOSUPPORT || errnum == EADDRNOTAVAIL || errnum == EPROTONOSUPPORT;
}

/* A listening socket; -1 with errno. */
static int listen_on(const struct sockaddr_storage *address, socklen_t len)
{
	int on = 1;
	KT_AUTO_FD int fd =
		socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ss_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	if (bind(fd, (const struct sockaddr *)address, len) < 0 || listen(fd, BACKLOG) < 0) {
		int saved = errno;
		kt_close_ptr(&fd);
		errno = saved;
		return -1;
	}
	int ret = fd;
	fd = -1;
	return ret;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		return 0;
	}
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	switch (address.ss_family) {
	case AF_INET:
		memcpy(&in, &address, sizeof(in));
		return ntohs(in.sin_port);
	case AF_INET6:
		memcpy(&in6, &address, sizeof(in6));
		return ntohs(in6.sin6_port);
	default:
		return 0;
	}
}

static int add_listener(kt_grpc_server *self, int fd, kt_err *err)
{
	kt_listener *listener = kt_calloc(1, sizeof(*listener));
	if (listener == NULL) {
		close(fd);
		return kt_err_nomem(err);
	}
	listener->server = self;
	listener->fd = fd;
	listener->next = self->listeners;
	self->listeners = listener;
	return 0;
}

static void drop_listeners(kt_grpc_server *self)
{
	while (self->listeners != NULL) {
		kt_listener *listener = self->listeners;
		self->listeners = listener->next;
		kt_watch_free(listener->watch);
		kt_close_ptr(&listener->fd);
		kt_free(listener);
	}
}

/* Binds every host to one port. 1: an ephemeral port was taken on another host, try again. */
static int bind_all(kt_grpc_server *self, const char *const *hosts, uint16_t wanted, kt_err *err)
{
	int missing = 0;
	self->port = wanted;
	for (size_t i = 0; hosts[i] != NULL; i++) {
		struct sockaddr_storage address;
		socklen_t len;
		if (!make_address(hosts[i], self->port, &address, &len)) {
			return KT_FAIL(err, INVALID, "'%s' is not an IP address to listen on",
				       hosts[i]);
		}
		int fd = listen_on(&address, len);
		if (fd < 0 && family_missing(errno)) {
			missing = errno;
			continue;
		}
		if (fd < 0 && errno == EADDRINUSE && wanted == 0 && self->port != 0) {
			return 1;
		}
		if (fd < 0 && errno == EADDRINUSE) {
			return KT_FAIL(err, EXISTS, "port %u of %s is in use by another program",
				       wanted, hosts[i]);
		}
		if (fd < 0) {
			return KT_FAIL_ERRNO(err, "cannot listen on %s port %u", hosts[i], wanted);
		}
		self->port = self->port == 0 ? bound_port(fd) : self->port;
		if (add_listener(self, fd, err) < 0) {
			return -1;
		}
	}
	if (self->listeners == NULL && missing != 0) {
		return kt_err_set_errno(err, missing, "no address to listen on is available");
	}
	return 0;
}

static int bind_hosts(kt_grpc_server *self, const kt_grpc_config *config, kt_err *err)
{
	const char *const *hosts = config->hosts != NULL ? config->hosts : loopback;
	for (int i = 0; i < SAME_PORT_TRIES; i++) {
		int rc = bind_all(self, hosts, config->port, err);
		if (rc <= 0) {
			return rc;
		}
		drop_listeners(self);
	}
	return KT_FAIL(err, EXISTS, "no port is free on all addresses to listen on");
}

int kt_grpc_server_listen_fd(kt_grpc_server *self, int fd, kt_err *err)
{
	KT_ASSERT(!self->started);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		int saved = errno;
		close(fd);
		return kt_err_set_errno(err, saved, "descriptor %d cannot be listened on", fd);
	}
	return add_listener(self, fd, err);
}

/* Out of descriptors: takes the waiting connection with the reserve and closes it. */
static void turn_away(kt_grpc_server *self, int listener)
{
	kt_close_ptr(&self->reserve_fd);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		close(fd);
	}
	self->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	KT_WARN("grpc", "a connection was turned away: too many open files");
}

static void on_accept(void *arg, int events)
{
	(void)events;
	kt_listener *listener = arg;
	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			kt_conn_new(listener->server, fd);
		} else if (errno == EMFILE || errno == ENFILE) {
			turn_away(listener->server, listener->fd);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

/* --- services --------------------------------------------------------------------------- */

int kt_grpc_server_add(kt_grpc_server *self, const kt_rpc *rpcs, const kt_grpc_handler *handlers,
		       size_t count, void *host, kt_err *err)
{
	KT_ASSERT(!self->started);
	kt_service *service = kt_malloc(sizeof(*service));
	if (service == NULL) {
		return kt_err_nomem(err);
	}
	*service = (kt_service){rpcs, handlers, count, host, self->services};
	self->services = service;
	return 0;
}

bool kt_server_find(const kt_grpc_server *self, kt_grpc_call *call, char *message, size_t cap)
{
	const char *path = call->path;
	const char *slash = strrchr(path, '/');
	size_t prefix = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	bool service_known = false;
	for (const kt_service *s = self->services; s != NULL; s = s->next) {
		for (size_t i = 0; i < s->count; i++) {
			if (strcmp(s->rpcs[i].path, path) == 0) {
				if (s->handlers[i] == NULL) {
					snprintf(message, cap, "%s is not supported yet", slash + 1);
					return false;
				}
				call->rpc = &s->rpcs[i];
				call->handler = s->handlers[i];
				call->host = s->host;
				return true;
			}
		}
		service_known = service_known || (prefix > 0 && s->count > 0 &&
						  strncmp(s->rpcs[0].path, path, prefix) == 0);
	}
	int service_len = prefix > 1 ? (int)prefix - 2 : 0;
	const char *service = prefix > 1 ? path + 1 : "";
	if (service_known) {
		snprintf(message, cap, "unknown method %s for service %.*s", slash + 1, service_len,
			 service);
	} else {
		snprintf(message, cap, "unknown service %.*s", service_len, service);
	}
	return false;
}

/* --- life ------------------------------------------------------------------------------- */

kt_grpc_server *kt_grpc_server_new(const kt_grpc_config *config, kt_err *err)
{
	kt_grpc_server *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->max_message = config->max_message != 0 ? config->max_message : INT32_MAX;
	self->max_calls = config->max_calls != 0 ? config->max_calls : 64;
	self->max_streams = config->max_streams != 0 ? config->max_streams : 256;
	snprintf(self->name, sizeof(self->name), "%s", kt_str_or(config->name, "grpc"));
	self->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_init(&self->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&self->changed, &attr);
	pthread_condattr_destroy(&attr);
	self->loop = kt_loop_new(err);
	if (self->loop == NULL || bind_hosts(self, config, err) < 0) {
		kt_grpc_server_free(self);
		return NULL;
	}
	return self;
}

int kt_grpc_server_start(kt_grpc_server *self, kt_err *err)
{
	for (kt_listener *l = self->listeners; l != NULL; l = l->next) {
		l->watch = kt_watch_new(self->loop, l->fd, on_accept, l, err);
		if (l->watch == NULL) {
			return -1;
		}
		kt_watch_set(l->watch, KT_LOOP_READ);
	}
	char name[16];
	snprintf(name, sizeof(name), "%s-io", self->name);
	if (kt_loop_start(self->loop, name, err) < 0) {
		return -1;
	}
	self->started = true;
	return 0;
}

uint16_t kt_grpc_server_port(const kt_grpc_server *self)
{
	return self->port;
}

unsigned kt_grpc_server_running(kt_grpc_server *self)
{
	KT_LOCK(&self->lock);
	return self->calls + self->streams;
}

/* Waits until *count and *more are 0; false when the deadline passes first. Lock held. */
static bool wait_for_none(kt_grpc_server *self, const unsigned *count, const unsigned *more,
			  kt_instant deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / KT_NS_PER_S),
				 .tv_nsec = (long)(deadline % KT_NS_PER_S)};
	while (*count + *more > 0) {
		if (deadline == KT_NEVER) {
			pthread_cond_wait(&self->changed, &self->lock);
		} else if (pthread_cond_timedwait(&self->changed, &self->lock, &until) ==
			   ETIMEDOUT) {
			return *count + *more == 0;
		}
	}
	return true;
}

/* A job that the stopping thread hands to the loop; lives on that thread's stack. */
typedef struct stop_job {
	kt_loop_job job;
	kt_grpc_server *server;
	void (*fn)(kt_grpc_server *server);
	bool done; /* under the server's lock */
} stop_job;

static void run_stop_job(void *arg)
{
	stop_job *self = arg;
	kt_grpc_server *server = self->server;
	self->fn(server);
	KT_LOCK(&server->lock);
	self->done = true;
	pthread_cond_broadcast(&server->changed);
}

static void on_loop(kt_grpc_server *self, void (*fn)(kt_grpc_server *server))
{
	stop_job job = {.server = self, .fn = fn};
	job.job = (kt_loop_job){run_stop_job, &job, NULL};
	kt_loop_post_job(self->loop, &job.job);
	KT_LOCK(&self->lock);
	while (!job.done) {
		pthread_cond_wait(&self->changed, &self->lock);
	}
}

static void drain(kt_grpc_server *self)
{
	drop_listeners(self);
	for (kt_conn *c = self->conns; c != NULL; c = c->next) {
		kt_conn_drain(c);
	}
}

static void kill_calls(kt_grpc_server *self)
{
	for (kt_conn *c = self->conns; c != NULL; c = c->next) {
		kt_conn_kill_calls(c);
	}
}

static void close_conns(kt_grpc_server *self)
{
	while (self->conns != NULL) {
		kt_conn_close(self->conns);
	}
}

void kt_grpc_server_stop(kt_grpc_server *self, int64_t grace_ms)
{
	{
		KT_LOCK(&self->lock);
		if (self->stopped || !self->started) {
			return;
		}
		self->stopped = true;
	}
	on_loop(self, drain);
	bool idle;
	{
		KT_LOCK(&self->lock);
		idle = wait_for_none(self, &self->calls, &self->streams, kt_after_ms(grace_ms));
	}
	if (!idle) {
		on_loop(self, kill_calls);
	}
	{
		static const unsigned none = 0;
		KT_LOCK(&self->lock);
		wait_for_none(self, &self->calls, &self->streams, KT_NEVER);
		wait_for_none(self, &self->conn_count, &none, kt_after_ms(LAST_WORDS_MS));
	}
	on_loop(self, close_conns);
}

void kt_grpc_server_free(kt_grpc_server *self)
{
	if (self == NULL) {
		return;
	}
	kt_grpc_server_stop(self, 0);
	drop_listeners(self);
	kt_loop_free(self->loop);
	while (self->services != NULL) {
		kt_service *service = self->services;
		self->services = service->next;
		kt_free(service);
	}
	kt_close_ptr(&self->reserve_fd);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}
