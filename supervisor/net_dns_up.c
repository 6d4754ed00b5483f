#include "net_dns_up.h"

#include "net_dns_msg.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/uuid.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVERS_MAX 3
#define TRIES 3
#define TRY_MS 1500
#define QUESTIONS_MAX 512
#define TCP_MAX 8
#define PORT 53

typedef struct question question;
typedef struct tcp_line tcp_line;

struct question {
	kt_dns_up *owner;
	question *next;
	kt_sup_timer timer;
	uint64_t token;
	bool tcp;
	int tries;         /* begun so far */
	size_t server;     /* asked last */
	uint16_t own_id;   /* the client's */
	tcp_line *line;    /* NULL: UDP, or waiting for one */
	size_t len;
	uint8_t query[];   /* with an id of ours */
};

/* One of the TCP sockets. */
struct tcp_line {
	kt_dns_up *owner;
	int fd;
	int family;
	kt_sup_watch watch;
	question *asked; /* NULL: free */
	uint8_t *in;     /* KT_DNS_MAX + 2 bytes while in use */
	size_t in_len;
	bool sent;
};

struct kt_dns_up {
	kt_sup_loop *loop;
	kt_dns_up_fn fn;
	void *ctx;
	const char *resolv_conf;
	struct timespec read_at; /* the file's mtime when it was read */
	struct sockaddr_storage servers[SERVERS_MAX];
	size_t servers_len;
	int udp[2]; /* IPv4, IPv6; -1 = none */
	kt_sup_watch udp_watch[2];
	tcp_line tcp[TCP_MAX];
	size_t tcp_len;
	question *questions;
	size_t questions_len;
	uint8_t packet[KT_DNS_MAX];
};

/* ---- nameservers ------------------------------------------------------------------- */

static void add_server(kt_dns_up *self, const char *text)
{
	struct sockaddr_storage server = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&server;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&server;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(PORT);
	} else {
		return; /* with a zone, or nonsense */
	}
	if (self->servers_len < SERVERS_MAX) {
		self->servers[self->servers_len++] = server;
	}
}

static void parse_resolv_conf(kt_dns_up *self, char *text)
{
	char *save = NULL;
	self->servers_len = 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (!kt_str_starts(line, "nameserver")) {
			continue;
		}
		line += strlen("nameserver");
		line += strspn(line, " \t");
		line[strcspn(line, " \t\r#;")] = '\0';
		add_server(self, line);
	}
}

/* Reads the file if it has changed since last time. Without it: no nameservers. */
static void refresh_servers(kt_dns_up *self)
{
	struct stat st;
	if (self->resolv_conf == NULL || stat(self->resolv_conf, &st) < 0) {
		return; /* what was read last stays good */
	}
	if (memcmp(&st.st_mtim, &self->read_at, sizeof(st.st_mtim)) == 0) {
		return;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(self->resolv_conf, 65536, &text, NULL) == 0 && text.data != NULL) {
		self->read_at = st.st_mtim;
		parse_resolv_conf(self, text.data);
	}
}

/* ---- questions --------------------------------------------------------------------- */

static void free_line(tcp_line *line);

static void free_question(question *asked)
{
	kt_dns_up *self = asked->owner;
	for (question **at = &self->questions; *at != NULL; at = &(*at)->next) {
		if (*at == asked) {
			*at = asked->next;
			break;
		}
	}
	self->questions_len--;
	kt_sup_timer_drop(&asked->timer);
	tcp_line *line = asked->line;
	kt_free(asked);
	if (line != NULL) {
		line->asked = NULL;
		free_line(line);
	}
}

/* answer's id is changed to the client's. NULL: none. */
static void finish(question *asked, uint8_t *answer, size_t len)
{
	kt_dns_up *self = asked->owner;
	uint64_t token = asked->token;
	if (answer != NULL) {
		answer[0] = (uint8_t)(asked->own_id >> 8);
		answer[1] = (uint8_t)asked->own_id;
	}
	free_question(asked);
	self->fn(self->ctx, token, answer, len);
}

static void begin_line(question *asked);
static void on_timeout(kt_sup_timer *timer);

static socklen_t addr_len(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);
}

/* The next try; the end of the question when there was the last one. */
static void try_next(question *asked)
{
	kt_dns_up *self = asked->owner;
	if (asked->tries >= TRIES || self->servers_len == 0) {
		finish(asked, NULL, 0);
		return;
	}
	asked->server = (size_t)asked->tries % self->servers_len;
	asked->tries++;
	kt_sup_timer_set(self->loop, &asked->timer, kt_after_ms(TRY_MS), on_timeout, asked);
	if (asked->tcp) {
		begin_line(asked);
		return;
	}
	const struct sockaddr_storage *to = &self->servers[asked->server];
	int fd = self->udp[to->ss_family == AF_INET ? 0 : 1];
	if (fd >= 0) { /* a failure shows as a timeout: a network may come back meanwhile */
		(void)sendto(fd, asked->query, asked->len, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)to, addr_len(to));
	}
}

static void on_timeout(kt_sup_timer *timer)
{
	question *asked = timer->user;
	tcp_line *line = asked->line;
	if (line != NULL) {
		asked->line = NULL;
		line->asked = NULL;
		free_line(line);
	}
	try_next(asked);
}

int kt_dns_up_ask(kt_dns_up *self, const uint8_t *query, size_t len, bool tcp, uint64_t token)
{
	refresh_servers(self);
	if (self->questions_len >= QUESTIONS_MAX || self->servers_len == 0 ||
	    len < KT_DNS_HEADER_LEN) {
		return -1;
	}
	question *asked = kt_calloc(1, sizeof(*asked) + len);
	if (asked == NULL) {
		return -1;
	}
	asked->owner = self;
	asked->token = token;
	asked->tcp = tcp;
	asked->len = len;
	asked->own_id = (uint16_t)(query[0] << 8 | query[1]);
	memcpy(asked->query, query, len);
	kt_random_bytes(asked->query, 2);
	asked->next = self->questions;
	self->questions = asked;
	self->questions_len++;
	try_next(asked);
	return 0;
}

/* ---- UDP --------------------------------------------------------------------------- */

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;
	if (a->ss_family != b->ss_family) {
		return false;
	}
	if (a->ss_family == AF_INET) {
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	}
	return a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

/* The open UDP question that this packet answers. */
static question *answered(kt_dns_up *self, size_t len, const struct sockaddr_storage *from)
{
	for (question *asked = self->questions; asked != NULL; asked = asked->next) {
		if (!asked->tcp && memcmp(asked->query, self->packet, 2) == 0 &&
		    asked->server < self->servers_len &&
		    same_address(from, &self->servers[asked->server]) &&
		    kt_dns_matches(self->packet, len, asked->query, asked->len)) {
			return asked;
		}
	}
	return NULL;
}

static void on_udp(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	kt_dns_up *self = watch->user;
	for (int i = 0; i < 64; i++) {
		struct sockaddr_storage from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(watch->fd, self->packet, sizeof(self->packet), MSG_DONTWAIT,
				       (struct sockaddr *)&from, &from_len);
		if (len < 0) {
			return;
		}
		question *asked =
			len < KT_DNS_HEADER_LEN ? NULL : answered(self, (size_t)len, &from);
		if (asked == NULL) {
			continue;
		}
		int code = self->packet[3] & 0x0f;
		bool useless = code == KT_DNS_SERVFAIL || code == 5 /* refused */;
		if (useless && self->servers_len > 1 && asked->tries < TRIES) {
			try_next(asked);
		} else {
			finish(asked, self->packet, (size_t)len);
		}
	}
}

/* ---- TCP --------------------------------------------------------------------------- */

static void line_failed(tcp_line *line)
{
	question *asked = line->asked;
	kt_sup_timer_drop(&asked->timer); /* so that it is not taken for a waiting one */
	asked->line = NULL;
	line->asked = NULL;
	free_line(line);
	try_next(asked);
}

static void line_read(tcp_line *line)
{
	for (;;) {
		ssize_t n = recv(line->fd, line->in + line->in_len,
				 KT_DNS_MAX + 2 - line->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n <= 0) {
			line_failed(line);
			return;
		}
		line->in_len += (size_t)n;
		size_t want = line->in_len < 2 ? 0 : (size_t)(line->in[0] << 8 | line->in[1]);
		if (line->in_len < 2 || line->in_len < want + 2) {
			continue;
		}
		question *asked = line->asked;
		if (want < KT_DNS_HEADER_LEN ||
		    !kt_dns_matches(line->in + 2, want, asked->query, asked->len)) {
			line_failed(line);
			return;
		}
		uint8_t *answer = kt_memdup(line->in + 2, want); /* finish frees the line */
		finish(asked, answer, answer != NULL ? want : 0);
		kt_free(answer);
		return;
	}
}

static void line_write(tcp_line *line)
{
	const question *asked = line->asked;
	uint8_t length[2] = {(uint8_t)(asked->len >> 8), (uint8_t)asked->len};
	struct iovec parts[2] = {{length, 2}, {(void *)asked->query, asked->len}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n = sendmsg(line->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != (ssize_t)(asked->len + 2)) { /* a fresh socket takes this much at once */
		line_failed(line);
		return;
	}
	line->sent = true;
	(void)kt_sup_watch_change(&line->watch, EPOLLIN, NULL);
}

static void on_line(kt_sup_watch *watch, uint32_t events)
{
	tcp_line *line = watch->user;
	if (line->asked == NULL) {
		return; /* a hang-up of the last connection */
	}
	if (!line->sent && (events & (EPOLLERR | EPOLLHUP)) != 0) {
		line_failed(line);
	} else if (!line->sent && (events & EPOLLOUT) != 0) {
		line_write(line);
	} else if (line->sent) {
		line_read(line);
	}
}

/* Gives the question a free socket of its server's family; without one it waits. */
static void begin_line(question *asked)
{
	kt_dns_up *self = asked->owner;
	const struct sockaddr_storage *to = &self->servers[asked->server];
	for (size_t i = 0; i < self->tcp_len; i++) {
		tcp_line *line = &self->tcp[i];
		if (line->asked != NULL || line->family != to->ss_family) {
			continue;
		}
		line->in = kt_malloc(KT_DNS_MAX + 2);
		if (line->in == NULL ||
		    (connect(line->fd, (const struct sockaddr *)to, addr_len(to)) < 0 &&
		     errno != EINPROGRESS) ||
		    kt_sup_watch_add(self->loop, &line->watch, line->fd, EPOLLOUT, on_line, line,
				     NULL) < 0) {
			free_line(line);
			continue;
		}
		line->in_len = 0;
		line->sent = false;
		line->asked = asked;
		asked->line = line;
		return;
	}
}

/* Makes the socket ready for the next connection, and gives it to who waits for one. */
static void free_line(tcp_line *line)
{
	kt_dns_up *self = line->owner;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	kt_sup_watch_drop(&line->watch);
	kt_free(line->in);
	line->in = NULL;
	(void)connect(line->fd, &none, sizeof(none));
	for (question *asked = self->questions; asked != NULL; asked = asked->next) {
		if (asked->tcp && asked->line == NULL && asked->timer.loop != NULL &&
		    self->servers[asked->server].ss_family == line->family) {
			begin_line(asked);
			return;
		}
	}
}

/* ---- life -------------------------------------------------------------------------- */

static void drop_sockets(kt_dns_up *self)
{
	while (self->questions != NULL) {
		question *asked = self->questions;
		if (asked->line != NULL) {
			asked->line->asked = NULL;
			kt_sup_watch_drop(&asked->line->watch);
			kt_free(asked->line->in);
			asked->line->in = NULL;
			asked->line = NULL;
		}
		finish(asked, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		kt_sup_watch_drop(&self->udp_watch[i]);
		kt_close_ptr(&self->udp[i]);
	}
	for (size_t i = 0; i < self->tcp_len; i++) {
		kt_sup_watch_drop(&self->tcp[i].watch);
		kt_close_ptr(&self->tcp[i].fd);
	}
	self->tcp_len = 0;
}

static int take_socket(kt_dns_up *self, int *fd, kt_err *err)
{
	int family = 0;
	int type = 0;
	socklen_t len = sizeof(int);
	int flags = fcntl(*fd, F_GETFL);
	if (flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    getsockopt(*fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ||
	    getsockopt(*fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
		return KT_FAIL_ERRNO(err, "the descriptor for the resolver is no socket");
	}
	int slot = family == AF_INET ? 0 : 1;
	if (type == SOCK_STREAM && self->tcp_len < TCP_MAX) {
		self->tcp[self->tcp_len++] = (tcp_line){.owner = self, .fd = *fd, .family = family};
		*fd = -1;
	} else if (type == SOCK_DGRAM && self->udp[slot] < 0) {
		if (kt_sup_watch_add(self->loop, &self->udp_watch[slot], *fd, EPOLLIN, on_udp, self,
				     err) < 0) {
			return -1;
		}
		self->udp[slot] = *fd;
		*fd = -1;
	}
	return 0;
}

int kt_dns_up_sockets(kt_dns_up *self, int *fds, size_t count, const char *resolv_conf,
		      kt_err *err)
{
	drop_sockets(self);
	self->resolv_conf = resolv_conf;
	self->read_at = (struct timespec){0};
	for (size_t i = 0; i < count; i++) {
		if (take_socket(self, &fds[i], err) < 0) {
			return -1;
		}
	}
	return 0;
}

bool kt_dns_up_ready(const kt_dns_up *self)
{
	return self->udp[0] >= 0 || self->udp[1] >= 0;
}

kt_dns_up *kt_dns_up_new(kt_sup_loop *loop, kt_dns_up_fn fn, void *ctx, kt_err *err)
{
	kt_dns_up *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->loop = loop;
	self->fn = fn;
	self->ctx = ctx;
	self->udp[0] = self->udp[1] = -1;
	return self;
}

void kt_dns_up_free(kt_dns_up *self)
{
	if (self != NULL) {
		drop_sockets(self);
		kt_free(self);
	}
}
