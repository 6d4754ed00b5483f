/* upload_files from a URL: a one-answer server on loopback. */
#include "package/package.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct server {
	int fd;
	const char *answer;
	pthread_t thread;
	char url[64];
} server;

static void *serve(void *arg)
{
	server *s = arg;
	char request[4096];
	int fd = accept(s->fd, NULL, NULL);
	if (fd >= 0 && read(fd, request, sizeof(request)) > 0) {
		kt_fs_write_all(fd, s->answer, strlen(s->answer), NULL);
	}
	close(fd);
	return NULL;
}

static void start(server *s, const char *answer, const char *path)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	s->answer = answer;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u%s", ntohs(address.sin_port), path);
	assert_int_equal(kt_thread_start(&s->thread, 0, "serve", serve, s, NULL), 0);
}

static void stop(server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static kt_content *open_none(void)
{
	kt_content_spec spec = {.fetch_url = kt_content_fetch_http};
	kt_content *content = kt_content_open(&spec, NULL);
	assert_non_null(content);
	return content;
}

static void test_file_and_name(void **state)
{
	(void)state;
	static const struct {
		const char *path, *name;
	} rows[] = {{"/a/b.txt?x=1", "b.txt"}, {"/", "download"}, {"", "download"}, {"/a/", "a"}};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		server s;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_content *content = open_none();
		start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
		      rows[i].path);
		const char *path = kt_content_download(content, s.url, &err);
		stop(&s);
		assert_non_null(path);
		assert_string_equal(kt_path_base(path), rows[i].name);
		assert_int_equal(kt_fs_read(path, 100, &text, NULL), 0);
		assert_string_equal(kt_buf_str(&text), "hello");
		KT_AUTO_FREE char *copy = kt_strdup(path);
		kt_content_close(content);
		assert_false(kt_fs_exists(copy));
	}
}

static void test_bad_status(void **state)
{
	(void)state;
	server s;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_content *content = open_none();
	start(&s, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "/x");
	assert_null(kt_content_download(content, s.url, &err));
	stop(&s);
	assert_true(kt_str_starts(kt_err_message(&err, 0),
				  "An error occurred downloading file from URL 'http://127.0.0.1:"));
	assert_non_null(strstr(kt_err_root(&err), "returned unexpected HTTP status '404 Not Found'"));
	kt_content_close(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_and_name),
		cmocka_unit_test(test_bad_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
