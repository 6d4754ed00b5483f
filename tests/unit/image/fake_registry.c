#include "fake_registry.h"

#include "../kt_test.h"

#include "base/fs.h"
#include "base/str.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define AUTHORIZATION "Basic dXNlcjpzZWNyZXQ=" /* user:secret */

struct fake_registry {
	int listener;
	int port;
	pthread_t thread;
	kt_cancel *stop;
	pthread_mutex_t lock;
	const fake_image *image;
	fake_faults faults;
	int requests;
	int blob_requests;
};

typedef struct answer {
	int status;
	const char *headers;
	const char *body;
	size_t len;
	bool blob;
} answer;

static bool has_header(const char *request, const char *line)
{
	return strcasestr(request, line) != NULL;
}

static bool authorized(const fake_registry *self, const char *request)
{
	if (self->faults.basic) {
		return has_header(request, "Authorization: " AUTHORIZATION "\r\n");
	}
	if (self->faults.token) {
		return has_header(request, "Authorization: Bearer good\r\n");
	}
	return true;
}

static answer content(const fake_registry *self, const char *path)
{
	const fake_image *image = self->image;
	const char *name = "/v2/test/image/manifests/";
	if (kt_str_starts(path, name)) {
		path += strlen(name);
		const fake_blob *blob = NULL;
		if (kt_str_eq(path, "1") || kt_str_eq(path, image->manifest.digest)) {
			blob = &image->manifest;
		} else if (kt_str_eq(path, "multi") || kt_str_eq(path, image->index.digest)) {
			blob = &image->index;
		}
		if (blob != NULL) {
			return (answer){200, blob->digest, blob->bytes.data, blob->bytes.len,
					false};
		}
	}
	name = "/v2/test/image/blobs/";
	if (kt_str_starts(path, name)) {
		path += strlen(name);
		const fake_blob *blob =
			kt_str_eq(path, image->config.digest) ? &image->config : NULL;
		for (int i = 0; i < FAKE_LAYERS; i++) {
			blob = kt_str_eq(path, image->layers[i].digest) ? &image->layers[i] : blob;
		}
		if (blob != NULL) {
			return (answer){200, blob->digest, blob->bytes.data, blob->bytes.len, true};
		}
	}
	static const char unknown[] =
		"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}";
	return (answer){404, NULL, unknown, sizeof(unknown) - 1, false};
}

static void send_text(int fd, const char *text)
{
	kt_fs_write_all(fd, text, strlen(text), NULL);
}

static void send_answer(fake_registry *self, int fd, const answer *reply, const char *request)
{
	size_t from = 0;
	const char *range = strcasestr(request, "\r\nRange: bytes=");
	if (range != NULL && reply->blob && !self->faults.no_range) {
		from = (size_t)strtoull(range + strlen("\r\nRange: bytes="), NULL, 10);
	}
	bool partial = from > 0;
	char head[512];
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n"
		 "Docker-Distribution-Api-Version: registry/2.0\r\n",
		 partial ? 206 : reply->status, reply->len - from);
	send_text(fd, head);
	if (partial) {
		snprintf(head, sizeof(head), "Content-Range: bytes %zu-%zu/%zu\r\n", from,
			 reply->len - 1, reply->len);
		send_text(fd, head);
	}
	if (reply->headers != NULL) {
		snprintf(head, sizeof(head), "Docker-Content-Digest: %s\r\n", reply->headers);
		send_text(fd, head);
	}
	send_text(fd, "\r\n");
	size_t len = reply->len - from;
	if (reply->blob && self->faults.truncations > 0 && len > 1000) {
		self->faults.truncations--;
		len /= 2;
	}
	KT_AUTO_BUF kt_buf body = KT_BUF_INIT;
	kt_buf_add(&body, reply->body + from, len);
	bool damage = reply->blob ? self->faults.wrong_blob
				  : self->faults.wrong_manifest && reply->status == 200;
	if (damage && len > 0) {
		body.data[len - 1] ^= 1;
	}
	kt_fs_write_all(fd, body.data, body.len, NULL);
}

static void ask_for_login(fake_registry *self, int fd)
{
	char head[512];
	snprintf(head, sizeof(head),
		 "HTTP/1.1 401 X\r\nContent-Length: 0\r\nConnection: close\r\n"
		 "WWW-Authenticate: %s realm=\"http://127.0.0.1:%d/token\",service=\"test\"%s\r\n\r\n",
		 self->faults.basic ? "Basic" : "Bearer", self->port,
		 self->faults.token ? ",scope=\"repository:test/image:pull\"" : "");
	send_text(fd, head);
}

static void serve_token(int fd, const char *request, const char *path)
{
	bool good = has_header(request, "Authorization: " AUTHORIZATION "\r\n") &&
		    strstr(path, "service=test") != NULL &&
		    strstr(path, "scope=repository%3Atest%2Fimage%3Apull") != NULL;
	send_text(fd, good ? "HTTP/1.1 200 X\r\nContent-Length: 16\r\nConnection: close\r\n\r\n"
			     "{\"token\":\"good\"}"
			   : "HTTP/1.1 401 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void serve_request(fake_registry *self, int fd, const char *request)
{
	char path[512] = "";
	if (sscanf(request, "GET %511s", path) != 1) {
		return;
	}
	KT_LOCK(&self->lock);
	self->requests++;
	if (kt_str_starts(path, "/token")) {
		serve_token(fd, request, path);
		return;
	}
	if (self->faults.forbidden || self->faults.server_errors > 0) {
		self->faults.server_errors -= self->faults.forbidden ? 0 : 1;
		answer reply = {self->faults.forbidden ? 403 : 500, NULL, "", 0, false};
		send_answer(self, fd, &reply, request);
		return;
	}
	if (!authorized(self, request)) {
		ask_for_login(self, fd);
		return;
	}
	answer reply = content(self, path);
	self->blob_requests += reply.blob ? 1 : 0;
	send_answer(self, fd, &reply, request);
}

typedef struct connection {
	fake_registry *registry;
	int fd;
} connection;

static void serve_connection(fake_registry *self, int fd)
{
	KT_AUTO_BUF kt_buf request = KT_BUF_INIT;
	for (;;) {
		char *room = kt_buf_reserve(&request, 4096);
		ssize_t n = read(fd, room, 4096);
		if (n <= 0) {
			break;
		}
		request.len += (size_t)n;
		request.data[request.len] = '\0';
		if (strstr(request.data, "\r\n\r\n") != NULL) {
			serve_request(self, fd, request.data);
			break;
		}
	}
	/* Close in order: a reset would take data with it. */
	shutdown(fd, SHUT_WR);
	char rest[256];
	while (read(fd, rest, sizeof(rest)) > 0) {
	}
	close(fd);
}

static void *serve(void *arg)
{
	fake_registry *self = arg;
	for (;;) {
		if (kt_wait_fd(self->listener, POLLIN, KT_NEVER, self->stop, NULL) < 0) {
			return NULL;
		}
		int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			serve_connection(self, fd);
		}
	}
}

fake_registry *fake_registry_start(const fake_image *image, const fake_faults *faults)
{
	fake_registry *self = kt_calloc(1, sizeof(*self));
	pthread_mutex_init(&self->lock, NULL);
	fake_registry_set(self, image, faults);
	self->stop = kt_cancel_new(NULL);
	self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	assert_int_equal(bind(self->listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(self->listener, 64), 0);
	assert_int_equal(getsockname(self->listener, (struct sockaddr *)&addr, &len), 0);
	self->port = ntohs(addr.sin_port);
	assert_int_equal(kt_thread_start(&self->thread, 0, "registry", serve, self, NULL), 0);
	return self;
}

void fake_registry_set(fake_registry *self, const fake_image *image, const fake_faults *faults)
{
	KT_LOCK(&self->lock);
	self->image = image;
	self->faults = faults != NULL ? *faults : (fake_faults){0};
}

void fake_registry_stop(fake_registry *self)
{
	kt_cancel_fire(self->stop);
	pthread_join(self->thread, NULL);
	kt_cancel_unref(self->stop);
	close(self->listener);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

int fake_registry_port(const fake_registry *self)
{
	return self->port;
}

int fake_registry_requests(fake_registry *self)
{
	KT_LOCK(&self->lock);
	return self->requests;
}

int fake_registry_blob_requests(fake_registry *self)
{
	KT_LOCK(&self->lock);
	return self->blob_requests;
}
