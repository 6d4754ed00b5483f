/*
 * The supervisor's network helpers, alone: resolver and forwarder on the loopback interface
 * of a network namespace of this test's own.
 */
#include "../../../supervisor/net_dns.h"
#include "../../../supervisor/net_dns_msg.h"
#include "../../../supervisor/net_forward.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 5000

typedef struct fixture {
	kt_sup_loop loop;
	kt_sup_dns *dns;
	kt_sup_forward *forward;
	pthread_t thread;
	int stop_fd;
	kt_sup_watch stop;
	char *dir;
	char *resolv_conf;
} fixture;

static bool have_netns;

static struct sockaddr_in at(const char *ip, uint16_t port)
{
	struct sockaddr_in ret = {.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, ip, &ret.sin_addr), 1);
	return ret;
}

static int enter_netns(void **state)
{
	(void)state;
	have_netns = unshare(CLONE_NEWNET) == 0 ||
		     (errno == EPERM && unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
	if (!have_netns) {
		return 0;
	}
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
	memcpy(request.ifr_name, "lo", 3);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	return 0;
}

static void on_stop(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	kt_sup_loop_stop(watch->loop);
}

static void *run_loop(void *arg)
{
	fixture *self = arg;
	kt_sup_loop_run(&self->loop, NULL);
	return NULL;
}

static int setup(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	*state = self;
	if (!have_netns) {
		return 0;
	}
	struct in_addr address = at("127.0.0.1", 0).sin_addr;
	assert_int_equal(kt_sup_loop_init(&self->loop, NULL), 0);
	self->dns = kt_sup_dns_new(&self->loop, address, 53, NULL);
	self->forward = kt_sup_forward_new(&self->loop, NULL);
	assert_non_null(self->dns);
	assert_non_null(self->forward);
	self->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(kt_sup_watch_add(&self->loop, &self->stop, self->stop_fd, EPOLLIN, on_stop,
					  self, NULL),
			 0);
	self->dir = kt_fs_mkdtemp(NULL, "kt-net-", NULL);
	self->resolv_conf = kt_path_join(self->dir, "resolv.conf");
	return 0;
}

/* Everything before this ran on the test's thread, everything in the loop after it. */
static void go(fixture *self)
{
	assert_int_equal(kt_thread_start(&self->thread, 0, "loop", run_loop, self, NULL), 0);
}

static int teardown(void **state)
{
	fixture *self = *state;
	if (have_netns) {
		eventfd_write(self->stop_fd, 1);
		if (self->thread != 0) {
			pthread_join(self->thread, NULL);
		}
		kt_sup_watch_drop(&self->stop);
		close(self->stop_fd);
		kt_sup_forward_free(self->forward);
		kt_sup_dns_free(self->dns);
		kt_sup_loop_deinit(&self->loop);
		kt_fs_remove_tree(self->dir, NULL);
		kt_free(self->dir);
		kt_free(self->resolv_conf);
	}
	kt_free(self);
	return 0;
}

#define NEED_NETNS()                                                                               \
	do {                                                                                       \
		if (!have_netns) {                                                                 \
			print_message("skipped: no network namespace may be made here\n");         \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* ---- resolver ---------------------------------------------------------------------- */

static size_t make_query(const char *name, uint16_t type, uint8_t *out)
{
	memset(out, 0, 12);
	out[0] = 0xab;
	out[1] = 0xcd;
	out[2] = 1; /* recursion wanted */
	out[5] = 1;
	size_t len = 12;
	while (*name != '\0') {
		size_t label = strcspn(name, ".");
		out[len++] = (uint8_t)label;
		memcpy(out + len, name, label);
		len += label;
		name += label + (name[label] == '.' ? 1 : 0);
	}
	out[len++] = 0;
	out[len++] = 0;
	out[len++] = (uint8_t)type;
	out[len++] = 0;
	out[len++] = 1;
	return len;
}

static size_t ask_udp(const char *name, uint16_t type, uint8_t *answer, size_t cap)
{
	uint8_t query[300];
	size_t len = make_query(name, type, query);
	struct sockaddr_in to = at("127.0.0.1", 53);
	KT_AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(fd, query, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	assert_int_equal(kt_wait_fd(fd, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
	ssize_t n = recv(fd, answer, cap, 0);
	assert_true(n >= 12);
	assert_int_equal(answer[0] << 8 | answer[1], 0xabcd);
	return (size_t)n;
}

static int code_of(const uint8_t *answer)
{
	return answer[3] & 0xf;
}

static int answers_of(const uint8_t *answer)
{
	return answer[6] << 8 | answer[7];
}

static void test_names_of_services(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	uint8_t answer[512];
	struct in_addr ip = at("127.0.0.77", 0).sin_addr;
	assert_int_equal(kt_sup_dns_add(self->dns, "id1", "db", "abc123", ip, NULL), 0);
	assert_int_equal(kt_sup_dns_add(self->dns, "id2", "gone", NULL, ip, NULL), 0);
	kt_sup_dns_remove(self->dns, "id2");
	go(self);
	static const char *const names[] = {"db", "DB", "abc123"};
	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		size_t len = ask_udp(names[i], KT_DNS_A, answer, sizeof(answer));
		assert_int_equal(code_of(answer), KT_DNS_OK);
		assert_int_equal(answers_of(answer), 1);
		assert_memory_equal(answer + len - 4, &ip, 4);
	}
	ask_udp("db", KT_DNS_AAAA, answer, sizeof(answer));
	assert_int_equal(code_of(answer), KT_DNS_OK);
	assert_int_equal(answers_of(answer), 0);
	ask_udp("gone", KT_DNS_A, answer, sizeof(answer));
	assert_int_equal(code_of(answer), KT_DNS_NXDOMAIN);
	ask_udp("example.org", KT_DNS_A, answer, sizeof(answer)); /* no upstream: sealed */
	assert_int_equal(code_of(answer), KT_DNS_NXDOMAIN);
	size_t len = ask_udp("77.0.0.127.in-addr.arpa", KT_DNS_PTR, answer, sizeof(answer));
	assert_int_equal(answers_of(answer), 1);
	assert_memory_equal(answer + len - 4, "\2db", 4);
}

/* Host-side sockets for the resolver. */
static void give_upstream(fixture *self, const char *servers)
{
	assert_int_equal(
		kt_fs_write(self->resolv_conf, servers, strlen(servers), 0644, false, NULL), 0);
	int fds[3] = {socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		      socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1};
	assert_int_equal(kt_sup_dns_upstream(self->dns, fds, 2, self->resolv_conf, NULL), 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
}

static void test_forwards_to_the_next_server(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	uint8_t answer[512];
	uint8_t query[512];
	struct sockaddr_in server_at = at("127.0.0.9", 53);
	KT_AUTO_FD int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&server_at, sizeof(server_at)), 0);
	give_upstream(self, "# comment\nnameserver 127.0.0.8\nnameserver 127.0.0.9\n");
	go(self);
	size_t len = make_query("example.org", KT_DNS_A, query);
	struct sockaddr_in to = at("127.0.0.1", 53);
	KT_AUTO_FD int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(client, query, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	/* The first server is silent; the second gets the question after a while. */
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	assert_int_equal(kt_wait_fd(server, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
	ssize_t n =
		recvfrom(server, answer, sizeof(answer), 0, (struct sockaddr *)&from, &from_len);
	assert_int_equal(n, len);
	assert_memory_equal(answer + 2, query + 2, len - 2);
	answer[2] |= 0x80;
	answer[3] |= 0x80;
	uint8_t forged[512];
	memcpy(forged, answer, (size_t)n);
	forged[0] ^= 0x55; /* a wrong id is not believed */
	sendto(server, forged, (size_t)n, 0, (struct sockaddr *)&from, from_len);
	sendto(server, answer, (size_t)n, 0, (struct sockaddr *)&from, from_len);
	assert_int_equal(kt_wait_fd(client, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
	n = recv(client, answer, sizeof(answer), 0);
	assert_int_equal(n, len);
	assert_int_equal(answer[0] << 8 | answer[1], 0xabcd);
}

static void read_exactly(int fd, void *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		assert_int_equal(kt_wait_fd(fd, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
		ssize_t n = recv(fd, (char *)data + got, len - got, 0);
		assert_true(n > 0);
		got += (size_t)n;
	}
}

/* Long answers by TCP, twice over the one socket that the resolver has. */
static void test_forwards_by_tcp(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	struct sockaddr_in server_at = at("127.0.0.9", 53);
	KT_AUTO_FD int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&server_at, sizeof(server_at)), 0);
	assert_int_equal(listen(server, 4), 0);
	give_upstream(self, "nameserver 127.0.0.9\n");
	go(self);
	for (int round = 0; round < 2; round++) {
		uint8_t query[302];
		size_t len = make_query("long.example.org", KT_DNS_A, query + 2);
		query[0] = 0;
		query[1] = (uint8_t)len;
		struct sockaddr_in to = at("127.0.0.1", 53);
		KT_AUTO_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
		assert_int_equal(send(client, query, len + 2, 0), len + 2);
		assert_int_equal(kt_wait_fd(server, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
		KT_AUTO_FD int line = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		static uint8_t big[9000];
		memset(big, 0, sizeof(big));
		read_exactly(line, big, len + 2);
		big[4] |= 0x80;
		big[0] = (uint8_t)((sizeof(big) - 2) >> 8);
		big[1] = (uint8_t)(sizeof(big) - 2);
		assert_int_equal(send(line, big, sizeof(big), 0), sizeof(big));
		static uint8_t got[9000];
		read_exactly(client, got, sizeof(got));
		assert_int_equal(got[2] << 8 | got[3], 0xabcd);
		assert_memory_equal(got + 5, big + 5, sizeof(got) - 5);
	}
}

static void test_bad_questions(void **state)
{
	(void)state;
	kt_dns_question question;
	uint8_t query[300];
	size_t len = make_query("a.b", KT_DNS_A, query);
	assert_int_equal(kt_dns_parse_query(query, len, &question), 0);
	assert_string_equal(question.name, "a.b");
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = kt_memdup(query, cut + (cut == 0 ? 1 : 0));
		assert_true(kt_dns_parse_query(copy, cut, &question) != 0);
		kt_free(copy);
	}
	query[12] = 0xc0; /* compression */
	assert_int_equal(kt_dns_parse_query(query, len, &question), KT_DNS_FORMERR);
	query[12] = 1;
	query[13] = '.';
	assert_int_equal(kt_dns_parse_query(query, len, &question), KT_DNS_FORMERR);
	query[2] |= 0x80;
	assert_int_equal(kt_dns_parse_query(query, len, &question), -1);
}

/* ---- forwarder --------------------------------------------------------------------- */

static int listening(const char *ip, uint16_t *ret_port)
{
	struct sockaddr_in here = at(ip, 0);
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&here, &len), 0);
	*ret_port = ntohs(here.sin_port);
	return fd;
}

static int connected_to(uint16_t port)
{
	struct sockaddr_in to = at("127.0.0.1", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

typedef struct stream {
	int fd;
	size_t len;
	bool whole;
} stream;

static void *write_stream(void *arg)
{
	stream *self = arg;
	char block[8192];
	for (size_t at_byte = 0; at_byte < self->len;) {
		size_t n = KT_MIN(sizeof(block), self->len - at_byte);
		for (size_t i = 0; i < n; i++) {
			block[i] = (char)((at_byte + i) * 31 >> 3);
		}
		if (kt_fs_write_all(self->fd, block, n, NULL) < 0) {
			return NULL;
		}
		at_byte += n;
	}
	shutdown(self->fd, SHUT_WR);
	return NULL;
}

static void *read_stream(void *arg)
{
	stream *self = arg;
	char block[16384];
	size_t at_byte = 0;
	self->whole = true;
	for (;;) {
		ssize_t n = recv(self->fd, block, sizeof(block), 0);
		if (n <= 0) {
			self->whole = self->whole && n == 0 && at_byte == self->len;
			return NULL;
		}
		for (ssize_t i = 0; i < n; i++) {
			char want = (char)((at_byte + (size_t)i) * 31 >> 3);
			self->whole = self->whole && block[i] == want;
		}
		at_byte += (size_t)n;
	}
}

/* Bulk both ways at once, each direction ended on its own. */
static void test_bulk_and_half_close(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	uint16_t inner = 0;
	uint16_t outer = 0;
	KT_AUTO_FD int service = listening("127.0.0.5", &inner);
	int published = listening("127.0.0.1", &outer);
	assert_int_equal(
		kt_sup_forward_add(self->forward, "id", published, at("127.0.0.5", inner), NULL),
		0);
	go(self);
	KT_AUTO_FD int client = connected_to(outer);
	KT_AUTO_FD int server = accept4(service, NULL, NULL, SOCK_CLOEXEC);
	stream jobs[4] = {{client, 20000000, false},
			  {server, 20000000, false},
			  {server, 3000001, false},
			  {client, 3000001, false}};
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(kt_thread_start(&threads[i], 0, "stream",
						 i % 2 == 0 ? write_stream : read_stream, &jobs[i],
						 NULL),
				 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_true(jobs[1].whole);
	assert_true(jobs[3].whole);
}

static void test_refused_is_a_reset(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	uint16_t inner = 0;
	uint16_t outer = 0;
	close(listening("127.0.0.5", &inner));
	int published = listening("127.0.0.1", &outer);
	assert_int_equal(
		kt_sup_forward_add(self->forward, "id", published, at("127.0.0.5", inner), NULL),
		0);
	go(self);
	KT_AUTO_FD int client = connected_to(outer);
	char byte;
	assert_int_equal(kt_wait_fd(client, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void test_removed_ports_are_free(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	uint16_t outer = 0;
	int published = listening("127.0.0.1", &outer);
	assert_int_equal(
		kt_sup_forward_add(self->forward, "id", published, at("127.0.0.5", 9), NULL), 0);
	kt_sup_forward_remove(self->forward, "other");
	kt_sup_forward_remove(self->forward, "id");
	struct sockaddr_in to = at("127.0.0.1", outer);
	KT_AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

static void test_udp(void **state)
{
	NEED_NETNS();
	fixture *self = *state;
	struct sockaddr_in service_at = at("127.0.0.5", 7777);
	struct sockaddr_in published_at = at("127.0.0.1", 7778);
	KT_AUTO_FD int service = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int published = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(service, (struct sockaddr *)&service_at, sizeof(service_at)), 0);
	assert_int_equal(bind(published, (struct sockaddr *)&published_at, sizeof(published_at)),
			 0);
	assert_int_equal(kt_sup_forward_add(self->forward, "id", published, service_at, NULL), 0);
	go(self);
	int clients[2];
	for (int i = 0; i < 2; i++) {
		char byte = (char)('a' + i);
		clients[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		sendto(clients[i], &byte, 1, 0, (struct sockaddr *)&published_at,
		       sizeof(published_at));
	}
	for (int i = 0; i < 2; i++) { /* an echo with the letter raised */
		char byte;
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		assert_int_equal(kt_wait_fd(service, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL), 0);
		recvfrom(service, &byte, 1, 0, (struct sockaddr *)&from, &from_len);
		byte = (char)(byte - 'a' + 'A');
		sendto(service, &byte, 1, 0, (struct sockaddr *)&from, from_len);
	}
	for (int i = 0; i < 2; i++) {
		char byte = 0;
		assert_int_equal(kt_wait_fd(clients[i], POLLIN, kt_after_ms(WAIT_MS), NULL, NULL),
				 0);
		recv(clients[i], &byte, 1, 0);
		assert_int_equal(byte, 'A' + i);
		close(clients[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_questions),
		cmocka_unit_test_setup_teardown(test_names_of_services, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards_to_the_next_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards_by_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk_and_half_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_is_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_ports_are_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp, setup, teardown),
	};
	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
