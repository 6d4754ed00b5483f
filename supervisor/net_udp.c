/* See net_udp.h. Peers are a list, most recent first; the oldest makes room. */
#include "net_udp.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX 256
#define IDLE_MS 60000
#define BURST 64 /* datagrams taken per event */

typedef struct udp_peer udp_peer;
struct udp_peer {
	kt_sup_udp *owner;
	udp_peer *next;
	struct sockaddr_storage from;
	socklen_t from_len;
	kt_instant used;
	int fd; /* inside, connected to the service */
	kt_sup_watch watch;
};

struct kt_sup_udp {
	kt_sup_loop *loop;
	struct sockaddr_in to;
	int host_fd;
	kt_sup_watch watch;
	kt_sup_timer timer;
	udp_peer *peers;
	size_t peers_len;
	char packet[65536];
};

static void free_peer(udp_peer *peer)
{
	kt_sup_watch_drop(&peer->watch);
	close(peer->fd);
	peer->owner->peers_len--;
	kt_free(peer);
}

/* Forgets what has been idle since before `limit`. */
static void expire(kt_sup_udp *self, kt_instant limit)
{
	for (udp_peer **at = &self->peers; *at != NULL;) {
		udp_peer *peer = *at;
		if (peer->used > limit) {
			at = &peer->next;
			continue;
		}
		*at = peer->next;
		free_peer(peer);
	}
}

static void on_timer(kt_sup_timer *timer)
{
	kt_sup_udp *self = timer->user;
	expire(self, kt_now() - IDLE_MS * KT_NS_PER_MS);
	kt_instant next = self->peers != NULL ? kt_after_ms(IDLE_MS) : KT_NEVER;
	kt_sup_timer_set(self->loop, timer, next, on_timer, self);
}

static void on_answer(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	udp_peer *peer = watch->user;
	kt_sup_udp *self = peer->owner;
	for (int i = 0; i < BURST; i++) {
		ssize_t len = recv(peer->fd, self->packet, sizeof(self->packet), MSG_DONTWAIT);
		if (len < 0) {
			break; /* EAGAIN, or a refused datagram: the sender will notice by itself */
		}
		peer->used = kt_now();
		(void)sendto(self->host_fd, self->packet, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (struct sockaddr *)&peer->from, peer->from_len);
	}
}

static void drop_oldest(kt_sup_udp *self)
{
	kt_instant oldest = KT_NEVER;
	for (const udp_peer *peer = self->peers; peer != NULL; peer = peer->next) {
		oldest = KT_MIN(oldest, peer->used);
	}
	expire(self, oldest);
}

static udp_peer *new_peer(kt_sup_udp *self, const struct sockaddr_storage *from, socklen_t len)
{
	if (self->peers_len >= PEERS_MAX) {
		drop_oldest(self);
	}
	udp_peer *peer = kt_calloc(1, sizeof(*peer));
	if (peer == NULL) {
		return NULL;
	}
	peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (peer->fd < 0 ||
	    connect(peer->fd, (const struct sockaddr *)&self->to, sizeof(self->to)) < 0 ||
	    kt_sup_watch_add(self->loop, &peer->watch, peer->fd, EPOLLIN, on_answer, peer, NULL) <
		    0) {
		if (peer->fd >= 0) {
			close(peer->fd);
		}
		kt_free(peer);
		return NULL;
	}
	peer->owner = self;
	peer->from = *from;
	peer->from_len = len;
	peer->next = self->peers;
	self->peers = peer;
	self->peers_len++;
	if (self->timer.loop == NULL) {
		kt_sup_timer_set(self->loop, &self->timer, kt_after_ms(IDLE_MS), on_timer, self);
	}
	return peer;
}

static udp_peer *peer_of(kt_sup_udp *self, const struct sockaddr_storage *from, socklen_t len)
{
	for (udp_peer *peer = self->peers; peer != NULL; peer = peer->next) {
		if (peer->from_len == len && memcmp(&peer->from, from, len) == 0) {
			return peer;
		}
	}
	return new_peer(self, from, len);
}

static void on_host(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	kt_sup_udp *self = watch->user;
	for (int i = 0; i < BURST; i++) {
		struct sockaddr_storage from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(self->host_fd, self->packet, sizeof(self->packet),
				       MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
		if (len < 0) {
			return;
		}
		udp_peer *peer = peer_of(self, &from, from_len);
		if (peer != NULL) {
			peer->used = kt_now();
			(void)send(peer->fd, self->packet, (size_t)len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
		}
	}
}

kt_sup_udp *kt_sup_udp_new(kt_sup_loop *loop, int host_fd, struct sockaddr_in to, kt_err *err)
{
	kt_sup_udp *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->loop = loop;
	self->to = to;
	self->host_fd = host_fd;
	if (kt_sup_watch_add(loop, &self->watch, host_fd, EPOLLIN, on_host, self, err) < 0) {
		kt_free(self);
		return NULL;
	}
	return self;
}

void kt_sup_udp_free(kt_sup_udp *self)
{
	if (self == NULL) {
		return;
	}
	expire(self, KT_NEVER);
	kt_sup_timer_drop(&self->timer);
	kt_sup_watch_drop(&self->watch);
	close(self->host_fd);
	kt_free(self);
}
