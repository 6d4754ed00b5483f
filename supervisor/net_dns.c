#include "net_dns.h"

#include "net_dns_msg.h"
#include "net_dns_up.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TTL 5 /* seconds: services come and go, clients should notice */
#define CLIENTS_MAX 64
#define CLIENT_IDLE_MS 10000
#define BURST 64

typedef struct name_entry name_entry;
struct name_entry {
	name_entry *next;
	char *id;
	char *name; /* lower-case; NULL = none */
	char *hostname;
	struct in_addr ip;
};

/* A client that talks TCP. */
typedef struct tcp_client tcp_client;
struct tcp_client {
	kt_sup_dns *owner;
	tcp_client *next;
	uint64_t serial;
	int fd;
	kt_sup_watch watch;
	kt_sup_timer timer;
	size_t in_len;
	uint8_t in[KT_DNS_UDP_MAX + 2]; /* a question needs no more */
};

/* A question that has gone outside. */
typedef struct asked asked;
struct asked {
	asked *next;
	uint64_t token;
	uint64_t client; /* serial of a TCP client; 0 = by UDP */
	struct sockaddr_in from;
	kt_dns_question question;
	uint8_t query[KT_DNS_UDP_MAX];
};

struct kt_sup_dns {
	kt_sup_loop *loop;
	struct in_addr address;
	int udp;
	int tcp;
	kt_sup_watch udp_watch;
	kt_sup_watch tcp_watch;
	name_entry *names;
	tcp_client *clients;
	size_t clients_len;
	kt_dns_up *up;
	asked *asked;
	uint64_t next_token; /* also serials of clients */
	uint8_t packet[KT_DNS_MAX];
};

/* ---- names ------------------------------------------------------------------------- */

static char *lower_copy(const char *text)
{
	char *copy = kt_strdup(text);
	for (char *c = copy; c != NULL && *c != '\0'; c++) {
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
	}
	return copy;
}

static void free_entry(name_entry *entry)
{
	kt_free(entry->id);
	kt_free(entry->name);
	kt_free(entry->hostname);
	kt_free(entry);
}

int kt_sup_dns_add(kt_sup_dns *self, const char *id, const char *name, const char *hostname,
		   struct in_addr ip, kt_err *err)
{
	name_entry *entry = kt_calloc(1, sizeof(*entry));
	if (entry == NULL) {
		return kt_err_nomem(err);
	}
	entry->id = kt_strdup(id);
	entry->name = lower_copy(name);
	entry->hostname = lower_copy(hostname);
	entry->ip = ip;
	if (entry->id == NULL || (name != NULL && entry->name == NULL) ||
	    (hostname != NULL && entry->hostname == NULL)) {
		free_entry(entry);
		return kt_err_nomem(err);
	}
	kt_sup_dns_remove(self, id);
	entry->next = self->names;
	self->names = entry;
	return 0;
}

void kt_sup_dns_remove(kt_sup_dns *self, const char *id)
{
	for (name_entry **at = &self->names; *at != NULL;) {
		name_entry *entry = *at;
		if (id != NULL && strcmp(entry->id, id) != 0) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		free_entry(entry);
	}
}

static const name_entry *find_name(const kt_sup_dns *self, const char *name)
{
	for (const name_entry *entry = self->names; entry != NULL; entry = entry->next) {
		if (kt_str_eq(entry->name, name) || kt_str_eq(entry->hostname, name)) {
			return entry;
		}
	}
	return NULL;
}

static const name_entry *find_ip(const kt_sup_dns *self, struct in_addr ip)
{
	for (const name_entry *entry = self->names; entry != NULL; entry = entry->next) {
		if (entry->ip.s_addr == ip.s_addr) {
			return entry;
		}
	}
	return NULL;
}

/* 172.16.0.0/22 and the like: the same first 22 bits as the resolver's own address. */
static bool in_subnet(const kt_sup_dns *self, struct in_addr ip)
{
	return ((ntohl(ip.s_addr) ^ ntohl(self->address.s_addr)) & 0xfffffc00U) == 0;
}

/* An answer out of what is known here; its length, or 0 when outside must be asked. */
static size_t answer_here(const kt_sup_dns *self, const uint8_t *query,
			  const kt_dns_question *question, uint8_t *out)
{
	if (question->class_ != KT_DNS_IN) {
		return kt_dns_answer_code(query, question, KT_DNS_NOTIMP, out);
	}
	const name_entry *entry = find_name(self, question->name);
	if (entry != NULL) {
		bool wants_a = question->type == KT_DNS_A || question->type == KT_DNS_ANY;
		return wants_a ? kt_dns_answer_a(query, question, entry->ip, TTL, out)
			       : kt_dns_answer_code(query, question, KT_DNS_OK, out);
	}
	struct in_addr ip;
	if (kt_dns_reverse_name(question->name, &ip) && in_subnet(self, ip)) {
		entry = question->type == KT_DNS_PTR ? find_ip(self, ip) : NULL;
		size_t len = entry == NULL || entry->name == NULL
				     ? 0
				     : kt_dns_answer_ptr(query, question, entry->name, TTL, out);
		return len > 0 ? len : kt_dns_answer_code(query, question, KT_DNS_NXDOMAIN, out);
	}
	bool single = strchr(question->name, '.') == NULL && question->name[0] != '\0';
	if (single || !kt_dns_up_ready(self->up)) {
		return kt_dns_answer_code(query, question, KT_DNS_NXDOMAIN, out);
	}
	return 0;
}

/* ---- answering --------------------------------------------------------------------- */

static void free_client(tcp_client *client)
{
	kt_sup_dns *self = client->owner;
	for (tcp_client **at = &self->clients; *at != NULL; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			break;
		}
	}
	self->clients_len--;
	kt_sup_watch_drop(&client->watch);
	kt_sup_timer_drop(&client->timer);
	close(client->fd);
	kt_free(client);
}

static void send_udp(kt_sup_dns *self, const uint8_t *answer, size_t len,
		     const struct sockaddr_in *to)
{
	(void)sendto(self->udp, answer, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		     (const struct sockaddr *)to, sizeof(*to));
}

static void send_tcp(kt_sup_dns *self, const uint8_t *answer, size_t len, uint64_t serial)
{
	for (tcp_client *client = self->clients; client != NULL; client = client->next) {
		if (client->serial != serial) {
			continue;
		}
		uint8_t length[2] = {(uint8_t)(len >> 8), (uint8_t)len};
		struct iovec parts[2] = {{length, 2}, {(void *)answer, len}};
		struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
		ssize_t n = sendmsg(client->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n != (ssize_t)(len + 2)) {
			free_client(client); /* it does not read its answers */
		}
		return;
	}
}

static void answer_asked(kt_sup_dns *self, asked *item, const uint8_t *answer, size_t len)
{
	uint8_t failure[KT_DNS_UDP_MAX];
	if (answer == NULL) {
		len = kt_dns_answer_code(item->query, &item->question, KT_DNS_SERVFAIL, failure);
		answer = failure;
	}
	if (item->client != 0) {
		send_tcp(self, answer, len, item->client);
	} else {
		send_udp(self, answer, len, &item->from);
	}
}

static void on_upstream(void *ctx, uint64_t token, const uint8_t *answer, size_t len)
{
	kt_sup_dns *self = ctx;
	for (asked **at = &self->asked; *at != NULL; at = &(*at)->next) {
		asked *item = *at;
		if (item->token == token) {
			*at = item->next;
			answer_asked(self, item, answer, len);
			kt_free(item);
			return;
		}
	}
}

/* Sends the question outside; when that cannot be, the client hears SERVFAIL. */
static void ask_outside(kt_sup_dns *self, const uint8_t *query, size_t len, asked item)
{
	asked *kept = len > sizeof(item.query) ? NULL : kt_memdup(&item, sizeof(item));
	if (kept != NULL) {
		kept->token = self->next_token++;
		memcpy(kept->query, query, len);
		kept->next = self->asked;
		self->asked = kept;
		if (kt_dns_up_ask(self->up, query, len, item.client != 0, kept->token) == 0) {
			return;
		}
		on_upstream(self, kept->token, NULL, 0);
		return;
	}
	memcpy(item.query, query, KT_MIN(len, sizeof(item.query)));
	answer_asked(self, &item, NULL, 0);
}

/* One question of a client (serial 0: by UDP). */
static void on_question(kt_sup_dns *self, const uint8_t *query, size_t len, uint64_t serial,
			const struct sockaddr_in *from)
{
	asked item = {.client = serial};
	uint8_t out[KT_DNS_UDP_MAX];
	size_t out_len = 0;
	int code = kt_dns_parse_query(query, len, &item.question);
	if (code < 0) {
		return;
	}
	if (from != NULL) {
		item.from = *from;
	}
	if (code > 0) {
		out_len = kt_dns_answer_code(query, &item.question, code, out);
	} else {
		out_len = answer_here(self, query, &item.question, out);
	}
	if (out_len == 0) {
		ask_outside(self, query, len, item);
	} else if (serial != 0) {
		send_tcp(self, out, out_len, serial);
	} else {
		send_udp(self, out, out_len, &item.from);
	}
}

static void on_udp(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	kt_sup_dns *self = watch->user;
	for (int i = 0; i < BURST; i++) {
		struct sockaddr_in from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(self->udp, self->packet, sizeof(self->packet), MSG_DONTWAIT,
				       (struct sockaddr *)&from, &from_len);
		if (len < 0) {
			return;
		}
		on_question(self, self->packet, (size_t)len, 0, &from);
	}
}

/* ---- TCP clients ------------------------------------------------------------------- */

static tcp_client *client_by_serial(kt_sup_dns *self, uint64_t serial)
{
	tcp_client *client = self->clients;
	while (client != NULL && client->serial != serial) {
		client = client->next;
	}
	return client;
}

static void on_client_idle(kt_sup_timer *timer)
{
	free_client(timer->user);
}

static void on_client(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	tcp_client *client = watch->user;
	kt_sup_dns *self = client->owner;
	uint64_t serial = client->serial;
	ssize_t n = recv(client->fd, client->in + client->in_len,
			 sizeof(client->in) - client->in_len, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) {
		return;
	}
	if (n <= 0) {
		free_client(client);
		return;
	}
	client->in_len += (size_t)n;
	kt_sup_timer_set(self->loop, &client->timer, kt_after_ms(CLIENT_IDLE_MS), on_client_idle,
			 client);
	while (client != NULL && client->in_len >= 2) {
		size_t want = (size_t)(client->in[0] << 8 | client->in[1]);
		if (want + 2 > sizeof(client->in)) {
			free_client(client);
			return;
		}
		if (client->in_len < want + 2) {
			return;
		}
		uint8_t query[KT_DNS_UDP_MAX];
		memcpy(query, client->in + 2, want);
		client->in_len -= want + 2;
		memmove(client->in, client->in + want + 2, client->in_len);
		on_question(self, query, want, serial, NULL);
		client = client_by_serial(self, serial); /* it may be gone */
	}
}

static void on_accept(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	kt_sup_dns *self = watch->user;
	int fd = accept4(self->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		return;
	}
	tcp_client *client =
		self->clients_len < CLIENTS_MAX ? kt_calloc(1, sizeof(*client)) : NULL;
	if (client == NULL || kt_sup_watch_add(self->loop, &client->watch, fd, EPOLLIN, on_client,
					       client, NULL) < 0) {
		kt_free(client);
		close(fd);
		return;
	}
	client->owner = self;
	client->fd = fd;
	client->serial = self->next_token++;
	client->next = self->clients;
	self->clients = client;
	self->clients_len++;
	kt_sup_timer_set(self->loop, &client->timer, kt_after_ms(CLIENT_IDLE_MS), on_client_idle,
			 client);
}

/* ---- life -------------------------------------------------------------------------- */

static int bind_socket(int type, struct in_addr address, uint16_t port, kt_err *err)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
	int on = 1;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 64) < 0)) {
		KT_FAIL_ERRNO(err, "the enclave's resolver cannot have port %u", (unsigned)port);
		kt_close_ptr(&fd);
		return -1;
	}
	return fd;
}

static int start(kt_sup_dns *self, uint16_t port, kt_err *err)
{
	self->udp = bind_socket(SOCK_DGRAM, self->address, port, err);
	self->tcp = self->udp < 0 ? -1 : bind_socket(SOCK_STREAM, self->address, port, err);
	self->up = self->tcp < 0 ? NULL : kt_dns_up_new(self->loop, on_upstream, self, err);
	if (self->up == NULL) {
		return -1;
	}
	if (kt_sup_watch_add(self->loop, &self->udp_watch, self->udp, EPOLLIN, on_udp, self, err) <
		    0 ||
	    kt_sup_watch_add(self->loop, &self->tcp_watch, self->tcp, EPOLLIN, on_accept, self,
			     err) < 0) {
		return -1;
	}
	return 0;
}

kt_sup_dns *kt_sup_dns_new(kt_sup_loop *loop, struct in_addr address, uint16_t port, kt_err *err)
{
	kt_sup_dns *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->loop = loop;
	self->address = address;
	self->udp = self->tcp = -1;
	self->next_token = 1;
	if (start(self, port, err) < 0) {
		kt_sup_dns_free(self);
		return NULL;
	}
	return self;
}

void kt_sup_dns_free(kt_sup_dns *self)
{
	if (self == NULL) {
		return;
	}
	kt_dns_up_free(self->up); /* answers what is open */
	while (self->clients != NULL) {
		free_client(self->clients);
	}
	kt_sup_watch_drop(&self->udp_watch);
	kt_sup_watch_drop(&self->tcp_watch);
	kt_close_ptr(&self->udp);
	kt_close_ptr(&self->tcp);
	kt_sup_dns_remove(self, NULL);
	kt_free(self);
}

int kt_sup_dns_upstream(kt_sup_dns *self, int *fds, size_t count, const char *resolv_conf,
			kt_err *err)
{
	return kt_dns_up_sockets(self->up, fds, count, resolv_conf, err);
}
