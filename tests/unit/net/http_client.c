/* The HTTP client against a server of a few lines on loopback. */
#include "kt_test.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "net/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BIG ((size_t)5 << 20)

typedef struct server {
	int fd;
	int stop; /* eventfd */
	uint16_t port;
	uint16_t other_port; /* where /elsewhere redirects to */
	pthread_t thread;
	pthread_mutex_t lock;
	kt_buf last; /* the last request's head, under lock */
	int connections;
} server;

static void say(int fd, const char *head, const void *body, size_t len)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_buf_addf(&out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", head, len);
	kt_buf_add(&out, body, len);
	kt_fs_write_all(fd, out.data, out.len, NULL);
}

/* False: the connection is to be closed. */
static bool answer(server *s, int fd, const char *head, const char *body, size_t len)
{
	char path[128] = "";
	sscanf(head, "%*s %127s", path);
	if (strcmp(path, "/plain") == 0) {
		say(fd, "200 OK\r\nX-Test: yes", "hello", 5);
	} else if (strcmp(path, "/echo") == 0) {
		say(fd, "201 Created", body, len);
	} else if (strcmp(path, "/big") == 0) {
		KT_AUTO_FREE char *big = kt_calloc(1, BIG);
		say(fd, "200 OK", big, BIG);
	} else if (strcmp(path, "/range") == 0) {
		say(fd, "206 Partial Content\r\nContent-Range: bytes 3-5/6", "def", 3);
	} else if (strcmp(path, "/wrongrange") == 0) {
		say(fd, "206 Partial Content\r\nContent-Range: bytes 0-5/6", "abcdef", 6);
	} else if (strcmp(path, "/missing") == 0) {
		say(fd, "404 Not Found", "no such thing", 13);
	} else if (strcmp(path, "/here") == 0) {
		say(fd, "302 Found\r\nLocation: /plain", "", 0);
	} else if (strcmp(path, "/elsewhere") == 0) {
		char redirect[128];
		snprintf(redirect, sizeof(redirect), "302 Found\r\nLocation: http://localhost:%u/plain",
			 s->other_port);
		say(fd, redirect, "", 0);
	} else if (strcmp(path, "/cut") == 0) {
		kt_fs_write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 42, NULL);
		return false;
	} else if (strcmp(path, "/hang") == 0) {
		struct pollfd p[2] = {{fd, POLLIN, 0}, {s->stop, POLLIN, 0}};
		poll(p, 2, -1);
		return false;
	}
	return true;
}

static void serve(server *s, int fd)
{
	KT_AUTO_BUF kt_buf in = KT_BUF_INIT;
	for (;;) {
		char *end;
		while ((end = strstr(kt_buf_str(&in), "\r\n\r\n")) == NULL) {
			char *room = kt_buf_reserve(&in, 4096);
			struct pollfd p[2] = {{fd, POLLIN, 0}, {s->stop, POLLIN, 0}};
			poll(p, 2, -1);
			ssize_t n = p[1].revents != 0 ? 0 : read(fd, room, 4096);
			if (n <= 0) {
				return;
			}
			in.len += (size_t)n;
			in.data[in.len] = '\0';
		}
		*end = '\0';
		size_t head_len = (size_t)(end - in.data) + 4;
		const char *length = strcasestr(in.data, "\r\nContent-Length:");
		size_t body_len = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
		while (in.len < head_len + body_len) {
			char *room = kt_buf_reserve(&in, 4096);
			ssize_t n = read(fd, room, 4096);
			if (n <= 0) {
				return;
			}
			in.len += (size_t)n;
		}
		{
			KT_LOCK(&s->lock);
			kt_buf_clear(&s->last);
			kt_buf_adds(&s->last, in.data);
		}
		if (!answer(s, fd, in.data, in.data + head_len, body_len)) {
			return;
		}
		kt_buf_consume(&in, head_len + body_len);
	}
}

static void *server_main(void *arg)
{
	server *s = arg;
	for (;;) {
		struct pollfd p[2] = {{s->fd, POLLIN, 0}, {s->stop, POLLIN, 0}};
		poll(p, 2, -1);
		if (p[1].revents != 0) {
			return NULL;
		}
		int fd = accept(s->fd, NULL, NULL);
		s->connections++;
		serve(s, fd);
		close(fd);
	}
}

static void server_start(server *s, uint16_t other_port)
{
	memset(s, 0, sizeof(*s));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	s->other_port = other_port;
	s->stop = eventfd(0, EFD_CLOEXEC);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_mutex_init(&s->lock, NULL);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	getsockname(s->fd, (struct sockaddr *)&address, &len);
	s->port = ntohs(address.sin_port);
	assert_int_equal(kt_thread_start(&s->thread, 0, "httpd", server_main, s, NULL), 0);
}

static void server_stop(server *s)
{
	eventfd_write(s->stop, 1);
	pthread_join(s->thread, NULL);
	close(s->fd);
	close(s->stop);
	kt_buf_deinit(&s->last);
	pthread_mutex_destroy(&s->lock);
}

static server one;
static server two;
static kt_http_client *client;

static const char *url(const char *path)
{
	static char text[128];
	snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", one.port, path);
	return text;
}

static bool last_has(server *s, const char *text)
{
	KT_LOCK(&s->lock);
	return strstr(kt_buf_str(&s->last), text) != NULL;
}

static void test_get(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	for (int i = 0; i < 3; i++) {
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		assert_int_equal(kt_http_do(client, &(kt_http_request){.url = url("/plain")}, &r, &err),
				 0);
		assert_int_equal(r.status, 200);
		assert_string_equal(kt_buf_str(&r.body), "hello");
		assert_string_equal(kt_http_response_header(&r, "X-TEST"), "yes");
		assert_null(kt_http_response_header(&r, "x-none"));
	}
	assert_true(last_has(&one, "User-Agent: kurtosis/"));
}

static void test_post(void **state)
{
	(void)state;
	KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
	kt_http_header headers[] = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
	kt_http_request request = {.method = "POST",
				   .url = url("/echo"),
				   .headers = headers,
				   .header_count = 2,
				   .body = "{\"a\":1}",
				   .body_len = 7};
	assert_int_equal(kt_http_do(client, &request, &r, NULL), 0);
	assert_int_equal(r.status, 201);
	assert_string_equal(kt_buf_str(&r.body), "{\"a\":1}");
	assert_true(last_has(&one, "Content-Type: application/json"));
	assert_true(last_has(&one, "X-Empty:"));
	assert_false(last_has(&one, "Expect:"));

	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	headers[0].value = "a\r\nX-Smuggled: 1";
	kt_http_response_deinit(&r);
	assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
}

static int count_bytes(void *arg, const void *data, size_t len, kt_err *err)
{
	(void)data;
	(void)err;
	*(size_t *)arg += len;
	return 0;
}

static int refuse_bytes(void *arg, const void *data, size_t len, kt_err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	return KT_FAIL(err, CORRUPT, "the disk is full of eels");
}

static void test_sink(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	size_t total = 0;
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/big"), .sink = count_bytes, .sink_arg = &total};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_int_equal(total, BIG);
		assert_int_equal(r.body_size, BIG);
		assert_int_equal(r.body.len, 0);
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/big"), .sink = refuse_bytes};
		assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
		assert_int_equal(err.code, KT_ERR_CORRUPT);
		assert_string_equal(kt_err_root(&err), "the disk is full of eels");
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/missing"), .sink = refuse_bytes};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_int_equal(r.status, 404);
		assert_string_equal(kt_buf_str(&r.body), "no such thing");
	}
}

static void test_too_large(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
	kt_http_request request = {.url = url("/big"), .max_body = 1000};
	assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
}

static void test_range(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/range"), .resume_from = 3};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_true(r.resumed);
		assert_string_equal(kt_buf_str(&r.body), "def");
		assert_true(last_has(&one, "Range: bytes=3-"));
	}
	{
		/* A server that does not know ranges gives all. */
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/plain"), .resume_from = 3};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_false(r.resumed);
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/wrongrange"), .resume_from = 3};
		assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
		assert_int_equal(err.code, KT_ERR_CORRUPT);
	}
}

static void test_redirects(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_http_header secret = {"Authorization", "Bearer hunter2"};
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/here"), .headers = &secret, .header_count = 1};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_int_equal(r.status, 200);
		assert_true(last_has(&one, "hunter2"));
		assert_true(kt_str_ends(r.url, "/plain"));
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {
			.url = url("/elsewhere"), .headers = &secret, .header_count = 1};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_int_equal(r.status, 200);
		assert_true(last_has(&two, "GET /plain"));
		assert_false(last_has(&two, "hunter2"));
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/here"), .max_redirects = -1};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_int_equal(r.status, 302);
		assert_string_equal(kt_http_response_header(&r, "location"), "/plain");
	}
}

static void test_deadline_and_cancel(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/hang"), .deadline = kt_after_ms(50)};
		assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
		assert_int_equal(err.code, KT_ERR_TIMEOUT);
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {.url = url("/hang"), .stall_ms = 50};
		assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
		assert_int_equal(err.code, KT_ERR_TIMEOUT);
	}
	{
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_cancel *cancel = kt_cancel_new(&err);
		kt_cancel_fire(cancel);
		kt_http_request request = {.url = url("/hang"), .cancel = cancel};
		assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
		assert_int_equal(err.code, KT_ERR_CANCELLED);
		kt_cancel_unref(cancel);
	}
}

static void test_failures(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
	assert_int_equal(kt_http_do(client, &(kt_http_request){.url = url("/cut")}, &r, &err), -1);
	assert_int_equal(err.code, KT_ERR_IO);
	kt_http_response_deinit(&r);
	assert_int_equal(kt_http_do(client, &(kt_http_request){.url = "http://u:pw@127.0.0.1:1/x?k=v"},
				    &r, &err),
			 -1);
	assert_int_equal(err.code, KT_ERR_UNAVAILABLE);
	/* Nothing secret of the URL is in the message. */
	assert_string_equal(kt_err_message(&err, 0), "GET http://127.0.0.1:1/x");
	kt_http_response_deinit(&r);
	assert_int_equal(kt_http_do(client, &(kt_http_request){.url = "file:///etc/passwd"}, &r, &err),
			 -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
}

static int get_once(void)
{
	KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
	kt_http_header header = {"X-A", "b"};
	kt_http_request request = {.url = url("/here"), .headers = &header, .header_count = 1};
	return kt_http_do(client, &request, &r, NULL);
}

static void test_nomem(void **state)
{
	(void)state;
	KT_TEST_EVERY_ALLOC(200, get_once(), {});
}

static int dial(void *arg, const struct sockaddr *address, socklen_t len, kt_instant deadline,
		const kt_cancel *cancel, kt_err *err)
{
	(void)deadline;
	(void)cancel;
	(void)len;
	struct sockaddr_in wanted;
	memcpy(&wanted, address, sizeof(wanted));
	char text[INET_ADDRSTRLEN];
	inet_ntop(AF_INET, &wanted.sin_addr, text, sizeof(text));
	if (strcmp(text, "192.0.2.7") != 0 || ntohs(wanted.sin_port) != 8080) {
		return KT_FAIL(err, INVALID, "asked for %s", text);
	}
	++*(int *)arg;
	struct sockaddr_in real = {.sin_family = AF_INET,
				   .sin_port = htons(one.port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&real, sizeof(real)) == 0 ? fd : -1;
}

/* The address lies elsewhere: only the hook knows the way. */
static void test_open_hook(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int dialled = 0;
	for (int i = 0; i < 2; i++) {
		KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
		kt_http_request request = {
			.url = "http://192.0.2.7:8080/plain", .open = dial, .open_arg = &dialled};
		assert_int_equal(kt_http_do(client, &request, &r, &err), 0);
		assert_int_equal(r.status, 200);
	}
	assert_int_equal(dialled, 2);
	KT_AUTO_HTTP_RESPONSE kt_http_response r = KT_HTTP_RESPONSE_INIT;
	kt_http_request request = {
		.url = "http://192.0.2.8:8080/plain", .open = dial, .open_arg = &dialled};
	assert_int_equal(kt_http_do(client, &request, &r, &err), -1);
	assert_string_equal(kt_err_root(&err), "asked for 192.0.2.8");
}

static int set_up(void **state)
{
	(void)state;
	server_start(&two, 0);
	server_start(&one, two.port);
	client = kt_http_client_new(NULL);
	return client != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	kt_http_client_free(client);
	server_stop(&one);
	server_stop(&two);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_post),
		cmocka_unit_test(test_sink),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_deadline_and_cancel),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_open_hook),
		cmocka_unit_test(test_nomem),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
