/* A pull from the real thing: Debian's docker-registry on loopback, filled over its own API. */
#include "../kt_test.h"

#include "base/fs.h"
#include "base/str.h"
#include "fake_image.h"
#include "image/image.h"
#include "net/http_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct fixture {
	char *dir;
	pid_t registry;
	int output;
	int port;
	kt_http_client *http;
	fake_image image;
} fixture;

/* The port stands in the registry's log. */
static bool read_port(fixture *self)
{
	KT_AUTO_BUF kt_buf log = KT_BUF_INIT;
	kt_instant deadline = kt_after_ms(20000);
	const char *at = NULL;
	while ((at = strstr(kt_buf_str(&log), "listening on 127.0.0.1:")) == NULL ||
	       strchr(at, '\n') == NULL) {
		char *room = kt_buf_reserve(&log, 4096);
		if (kt_wait_fd(self->output, POLLIN, deadline, NULL, NULL) < 0) {
			return false;
		}
		ssize_t n = read(self->output, room, 4096);
		if (n <= 0) {
			return false;
		}
		log.len += (size_t)n;
		log.data[log.len] = '\0';
	}
	self->port = atoi(strchr(at, ':') + 1);
	return self->port > 0;
}

static bool start_registry(fixture *self)
{
	KT_AUTO_FREE char *config = kt_path_join(self->dir, "config.yml");
	KT_AUTO_FREE char *text =
		kt_asprintf("version: 0.1\nlog: {level: info, formatter: text}\nstorage: {filesystem: "
			    "{rootdirectory: %s/data}}\nhttp: {addr: \"127.0.0.1:0\"}\n",
			    self->dir);
	int ends[2];
	if (kt_fs_write(config, text, strlen(text), 0600, false, NULL) < 0 ||
	    pipe2(ends, O_CLOEXEC) < 0) {
		return false;
	}
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	char *argv[] = {(char *)"docker-registry", (char *)"serve", config, NULL};
	int rc = posix_spawnp(&self->registry, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	self->output = ends[0];
	if (rc != 0) {
		self->registry = 0;
		return false;
	}
	return read_port(self);
}

static int set_up(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	self->dir = kt_fs_mkdtemp(NULL, "kt-registry-", NULL);
	self->http = kt_http_client_new(NULL);
	fake_image_init(&self->image, "r", 300000);
	KT_AUTO_FREE char *empty = kt_path_join(self->dir, "registries.conf");
	kt_fs_write(empty, "", 0, 0600, false, NULL);
	setenv("KURTOSIS_REGISTRIES_CONF", empty, 1);
	setenv("DOCKER_CONFIG", self->dir, 1);
	start_registry(self);
	*state = self;
	return 0;
}

static int tear_down(void **state)
{
	fixture *self = *state;
	if (self->registry > 0) {
		kill(self->registry, SIGKILL);
		waitpid(self->registry, NULL, 0);
		close(self->output);
	}
	kt_http_client_free(self->http);
	fake_image_deinit(&self->image);
	kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	kt_free(self);
	return 0;
}

static void send_body(fixture *self, const char *method, const char *url, const char *type,
		      const kt_buf *body, int wants)
{
	kt_http_header header = {"Content-Type", type};
	kt_http_request request = {.method = method,
				   .url = url,
				   .headers = &header,
				   .header_count = 1,
				   .body = kt_buf_str(body),
				   .body_len = body->len};
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	assert_int_equal(kt_http_do(self->http, &request, &response, NULL), 0);
	assert_int_equal(response.status, wants);
}

static void push_blob(fixture *self, const fake_blob *blob)
{
	KT_AUTO_FREE char *start =
		kt_asprintf("http://127.0.0.1:%d/v2/test/image/blobs/uploads/", self->port);
	kt_http_request request = {.method = "POST", .url = start, .body = ""};
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	assert_int_equal(kt_http_do(self->http, &request, &response, NULL), 0);
	assert_int_equal(response.status, 202);
	const char *location = kt_http_response_header(&response, "location");
	char separator = strchr(location, '?') != NULL ? '&' : '?';
	KT_AUTO_FREE char *url =
		kt_asprintf("%s%cdigest=%s", location, separator, blob->digest);
	send_body(self, "PUT", url, "application/octet-stream", &blob->bytes, 201);
}

static void push_manifest(fixture *self, const fake_blob *blob, const char *tag, const char *type)
{
	KT_AUTO_FREE char *url =
		kt_asprintf("http://127.0.0.1:%d/v2/test/image/manifests/%s", self->port, tag);
	send_body(self, "PUT", url, type, &blob->bytes, 201);
}

static kt_image *ensure(fixture *self, kt_image_store *store, const char *tag, kt_err *err)
{
	char name[128];
	snprintf(name, sizeof(name), "localhost:%d/test/image%s", self->port, tag);
	kt_image_request request = {.name = name, .deadline = kt_after_ms(60000)};
	return kt_image_ensure(store, &request, err);
}

static void an_image_is_pulled_by_tag_and_digest(void **state)
{
	fixture *self = *state;
	if (self->registry == 0) {
		print_message("docker-registry is not installed\n");
		skip();
	}
	assert_true(self->port > 0);
	for (int i = 0; i < FAKE_LAYERS; i++) {
		push_blob(self, &self->image.layers[i]);
	}
	push_blob(self, &self->image.config);
	push_manifest(self, &self->image.manifest, "1",
		      "application/vnd.oci.image.manifest.v1+json");
	KT_AUTO_FREE char *root = kt_path_join(self->dir, "images");
	kt_image_store *store = kt_image_store_open(root, NULL);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_IMAGE kt_image *image = ensure(self, store, ":1", &err);
	assert_non_null(image);
	assert_string_equal(image->digest, self->image.manifest.digest);
	assert_int_equal(image->layers.len, FAKE_LAYERS);
	KT_AUTO_FREE char *by_digest = kt_asprintf("@%s", self->image.manifest.digest);
	KT_AUTO_IMAGE kt_image *pinned = ensure(self, store, by_digest, &err);
	assert_non_null(pinned);
	assert_null(ensure(self, store, ":2", &err));
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	kt_image_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_image_is_pulled_by_tag_and_digest, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
