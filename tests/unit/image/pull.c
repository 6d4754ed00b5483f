/* Pulls from a registry in this process, with the ways in which registries fail. */
#include "../kt_test.h"

#include "base/fs.h"
#include "base/str.h"
#include "fake_registry.h"
#include "image/image.h"

#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAYER_SIZE 40000

extern char **environ;

typedef struct fixture {
	char *dir;
	fake_image image;
	fake_registry *registry;
	kt_image_store *store;
	char name[64];
	char multi[64];
} fixture;

static void open_store(fixture *self)
{
	KT_AUTO_FREE char *root = kt_path_join(self->dir, "images");
	self->store = kt_image_store_open(root, NULL);
	assert_non_null(self->store);
}

static void config_file(fixture *self, const char *variable, const char *dir, const char *name,
			const char *text)
{
	KT_AUTO_FREE char *folder = kt_path_join(self->dir, dir);
	KT_AUTO_FREE char *path = kt_path_join(folder, name);
	assert_int_equal(kt_fs_mkdirs(folder, 0700, NULL), 0);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0600, false, NULL), 0);
	setenv(variable, kt_str_starts(variable, "DOCKER") ? folder : path, 1);
}

static int set_up(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	self->dir = kt_fs_mkdtemp(NULL, "kt-pull-", NULL);
	fake_image_init(&self->image, "a", LAYER_SIZE);
	self->registry = fake_registry_start(&self->image, NULL);
	int port = fake_registry_port(self->registry);
	snprintf(self->name, sizeof(self->name), "127.0.0.1:%d/test/image:1", port);
	snprintf(self->multi, sizeof(self->multi), "127.0.0.1:%d/test/image:multi", port);
	config_file(self, "KURTOSIS_REGISTRIES_CONF", "conf", "registries.conf", "");
	config_file(self, "DOCKER_CONFIG", "docker", "config.json", "{}");
	open_store(self);
	*state = self;
	return 0;
}

static int tear_down(void **state)
{
	fixture *self = *state;
	fake_registry_stop(self->registry);
	kt_image_store_close(self->store);
	fake_image_deinit(&self->image);
	kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	kt_free(self);
	return 0;
}

static void login(fixture *self)
{
	char text[200];
	snprintf(text, sizeof(text), "{\"auths\":{\"http://127.0.0.1:%d/v1/\":{\"auth\":"
				     "\"dXNlcjpzZWNyZXQ=\"}}}",
		 fake_registry_port(self->registry));
	config_file(self, "DOCKER_CONFIG", "docker", "config.json", text);
}

static kt_image *ensure(fixture *self, const char *name, kt_image_mode mode, kt_err *err)
{
	kt_image_request request = {.name = name, .mode = mode, .deadline = kt_after_ms(60000)};
	return kt_image_ensure(self->store, &request, err);
}

static size_t count_names(fixture *self, const char *part)
{
	KT_AUTO_FREE char *path = kt_asprintf("ls -A %s/images/%s | wc -l", self->dir, part);
	FILE *out = popen(path, "re");
	unsigned count = 0;
	assert_int_equal(fscanf(out, "%u", &count), 1);
	pclose(out);
	return count;
}

static void check_image(const kt_image *image)
{
	assert_int_equal(image->layers.len, FAKE_LAYERS);
	assert_string_equal(image->config.user, "70:70");
	assert_string_equal(image->config.workdir, "/work");
	assert_string_equal(image->config.stop_signal, "SIGINT");
	assert_string_equal(image->config.cmd.items[1], "b c");
	assert_string_equal(image->config.entrypoint.items[0], "/entry");
	assert_string_equal(image->config.volumes.items[0], "/data");
	assert_string_equal(image->config.labels.items[0], "k=v");
	assert_string_equal(image->architecture, kt_image_host_arch());
	assert_false(image->foreign);
	struct stat st;
	for (int i = 0; i < FAKE_LAYERS; i++) {
		KT_AUTO_FREE char *file = kt_asprintf("%s/layer%d", image->layers.items[i], i);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_size, LAYER_SIZE);
	}
	KT_AUTO_FREE char *hidden = kt_asprintf("%s/layer0", image->layers.items[1]);
	assert_int_equal(lstat(hidden, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

typedef struct progress_log {
	uint64_t last;
	uint64_t total;
	bool resolving;
	bool done;
} progress_log;

static void note_progress(void *ctx, const kt_image_progress *progress)
{
	progress_log *self = ctx;
	assert_true(progress->done >= self->last);
	self->last = progress->done;
	self->total = progress->total;
	self->resolving = self->resolving || kt_str_eq(progress->what, "resolving");
	self->done = self->done || kt_str_eq(progress->what, "done");
}

static void a_second_time_needs_no_registry(void **state)
{
	fixture *self = *state;
	progress_log log = {0};
	kt_image_request request = {
		.name = self->multi, .progress = note_progress, .progress_ctx = &log};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_IMAGE kt_image *image = kt_image_ensure(self->store, &request, &err);
	assert_non_null(image);
	check_image(image);
	assert_int_equal(image->source, KT_IMAGE_PULLED);
	assert_string_equal(image->digest, self->image.manifest.digest);
	assert_string_equal(image->id, self->image.config.digest);
	assert_true(log.resolving && log.done);
	assert_int_equal(log.last, log.total);
	assert_int_equal(log.total, image->size);
	int requests = fake_registry_requests(self->registry);
	KT_AUTO_IMAGE kt_image *again = ensure(self, self->multi, KT_IMAGE_MISSING, &err);
	assert_non_null(again);
	check_image(again);
	assert_int_equal(again->source, KT_IMAGE_CACHED);
	assert_int_equal(fake_registry_requests(self->registry), requests);
	/* Another name of the same content fetches no layer again. */
	int blobs = fake_registry_blob_requests(self->registry);
	KT_AUTO_IMAGE kt_image *other = ensure(self, self->name, KT_IMAGE_MISSING, &err);
	assert_int_equal(other->source, KT_IMAGE_PULLED);
	assert_int_equal(fake_registry_blob_requests(self->registry), blobs + 1); /* the config */
}

static void always_asks_and_falls_back(void **state)
{
	fixture *self = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_IMAGE kt_image *first = ensure(self, self->name, KT_IMAGE_ALWAYS, &err);
	assert_non_null(first);
	fake_image newer;
	fake_image_init(&newer, "b", LAYER_SIZE);
	fake_registry_set(self->registry, &newer, NULL);
	KT_AUTO_IMAGE kt_image *second = ensure(self, self->name, KT_IMAGE_ALWAYS, &err);
	assert_non_null(second);
	assert_string_equal(second->digest, newer.manifest.digest);
	fake_registry_set(self->registry, &newer, &(fake_faults){.forbidden = true});
	KT_AUTO_IMAGE kt_image *third = ensure(self, self->name, KT_IMAGE_ALWAYS, &err);
	assert_non_null(third);
	assert_string_equal(third->digest, newer.manifest.digest);
	assert_int_equal(third->source, KT_IMAGE_PULLED);
	fake_image_deinit(&newer);
}

static void expect_failure(fixture *self, const char *name, const fake_faults *faults,
			   kt_err_code code, const char *const *wants)
{
	fake_registry_set(self->registry, &self->image, faults);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(ensure(self, name, KT_IMAGE_MISSING, &err));
	KT_AUTO_FREE char *text = kt_err_text(&err);
	for (; *wants != NULL; wants++) {
		if (strstr(text, *wants) == NULL) {
			print_error("'%s' lacks '%s'\n", text, *wants);
			fail();
		}
	}
	assert_int_equal(err.code, code);
	/* Nothing half-made is left, and the next pull is not disturbed. */
	assert_int_equal(count_names(self, "tmp"), 0);
	assert_int_equal(count_names(self, "refs"), 0);
}

static void failures_name_image_registry_and_remedy(void **state)
{
	fixture *self = *state;
	char host[32];
	snprintf(host, sizeof(host), "'127.0.0.1:%d'", fake_registry_port(self->registry));
	char unknown[64];
	snprintf(unknown, sizeof(unknown), "127.0.0.1:%d/test/image:none",
		 fake_registry_port(self->registry));
	const fake_faults none = {0};
	expect_failure(self, unknown, &none, KT_ERR_NOT_FOUND,
		       (const char *[]){unknown, host, "manifest unknown", NULL});
	expect_failure(self, self->name, &(fake_faults){.forbidden = true}, KT_ERR_PERMISSION,
		       (const char *[]){self->name, host, "access denied", NULL});
	expect_failure(self, self->name, &(fake_faults){.basic = true}, KT_ERR_PERMISSION,
		       (const char *[]){self->name, host, "needs a login", NULL});
	expect_failure(self, self->name, &(fake_faults){.token = true}, KT_ERR_PERMISSION,
		       (const char *[]){self->name, host, "needs a login", NULL});
	expect_failure(self, self->name, &(fake_faults){.wrong_manifest = true}, KT_ERR_CORRUPT,
		       (const char *[]){self->name, host, "digest", NULL});
	expect_failure(self, self->name, &(fake_faults){.wrong_blob = true}, KT_ERR_CORRUPT,
		       (const char *[]){self->name, "digest", NULL});
	expect_failure(self, self->name, &(fake_faults){.server_errors = 1000}, KT_ERR_UNAVAILABLE,
		       (const char *[]){self->name, host, "HTTP 500", NULL});
	expect_failure(self, self->name, &(fake_faults){.truncations = 1000}, KT_ERR_IO,
		       (const char *[]){self->name, host, NULL});
	fake_registry_set(self->registry, &self->image, NULL);
	KT_AUTO_IMAGE kt_image *image = ensure(self, self->name, KT_IMAGE_MISSING, NULL);
	assert_non_null(image);
	check_image(image);
}

static void a_dead_registry_is_named(void **state)
{
	fixture *self = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	getsockname(fd, (struct sockaddr *)&addr, &len);
	char name[64];
	snprintf(name, sizeof(name), "127.0.0.1:%d/x", ntohs(addr.sin_port));
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(ensure(self, name, KT_IMAGE_MISSING, &err)); /* bound but not listening */
	close(fd);
	assert_int_equal(err.code, KT_ERR_UNAVAILABLE);
	KT_AUTO_FREE char *text = kt_err_text(&err);
	assert_non_null(strstr(text, "cannot be reached"));
	assert_non_null(strstr(text, name));
	assert_non_null(err.hint);
}

static void logins_work(void **state)
{
	fixture *self = *state;
	login(self);
	fake_registry_set(self->registry, &self->image, &(fake_faults){.basic = true});
	KT_AUTO_IMAGE kt_image *basic = ensure(self, self->name, KT_IMAGE_MISSING, NULL);
	assert_non_null(basic);
	assert_int_equal(kt_image_remove(self->store, self->name, false, NULL), 0);
	fake_registry_set(self->registry, &self->image, &(fake_faults){.token = true});
	KT_AUTO_IMAGE kt_image *token = ensure(self, self->name, KT_IMAGE_MISSING, NULL);
	assert_non_null(token);
	assert_int_equal(kt_image_remove(self->store, self->name, false, NULL), 0);
	/* The request's own credentials need no file. */
	config_file(self, "DOCKER_CONFIG", "docker", "config.json", "{}");
	kt_image_request request = {.name = self->name,
				    .registry = "127.0.0.1",
				    .username = "user",
				    .password = "secret"};
	KT_AUTO_IMAGE kt_image *own = kt_image_ensure(self->store, &request, NULL);
	assert_non_null(own);
}

static void a_credential_helper_is_asked(void **state)
{
	fixture *self = *state;
	config_file(self, "KT_TEST_UNUSED", "bin", "docker-credential-kttest",
		    "#!/bin/sh\nread url\n[ \"$1\" = get ] || exit 1\n"
		    "printf '{\"ServerURL\":\"%s\",\"Username\":\"user\",\"Secret\":\"secret\"}' "
		    "\"$url\"\n");
	KT_AUTO_FREE char *program = kt_path_join(self->dir, "bin/docker-credential-kttest");
	assert_int_equal(chmod(program, 0755), 0);
	KT_AUTO_FREE char *saved = kt_strdup(getenv("PATH"));
	KT_AUTO_FREE char *path = kt_asprintf("%s/bin:%s", self->dir, saved);
	setenv("PATH", path, 1);
	config_file(self, "DOCKER_CONFIG", "docker", "config.json",
		    "{\"credsStore\":\"kttest\"}");
	fake_registry_set(self->registry, &self->image, &(fake_faults){.token = true});
	KT_AUTO_IMAGE kt_image *image = ensure(self, self->name, KT_IMAGE_MISSING, NULL);
	setenv("PATH", saved, 1);
	assert_non_null(image);
}

static void broken_connections_resume(void **state)
{
	fixture *self = *state;
	for (int no_range = 0; no_range < 2; no_range++) {
		fake_faults faults = {.truncations = 3, .no_range = no_range == 1};
		fake_registry_set(self->registry, &self->image, &faults);
		int before = fake_registry_blob_requests(self->registry);
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		KT_AUTO_IMAGE kt_image *image = ensure(self, self->name, KT_IMAGE_MISSING, &err);
		assert_non_null(image);
		check_image(image);
		assert_int_equal(fake_registry_blob_requests(self->registry) - before,
				 1 + FAKE_LAYERS + 3);
		assert_int_equal(kt_image_remove(self->store, self->name, false, NULL), 0);
	}
	fake_registry_set(self->registry, &self->image, &(fake_faults){.server_errors = 2});
	KT_AUTO_IMAGE kt_image *image = ensure(self, self->name, KT_IMAGE_MISSING, NULL);
	assert_non_null(image);
}

static void a_mirror_serves_docker_io(void **state)
{
	fixture *self = *state;
	char text[300];
	snprintf(text, sizeof(text),
		 "[[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.1:%d\"\n"
		 "[[registry.mirror]]\nlocation = \"127.0.0.1:%d/nothing-here\"\n",
		 fake_registry_port(self->registry), fake_registry_port(self->registry));
	config_file(self, "KURTOSIS_REGISTRIES_CONF", "conf", "registries.conf", text);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_IMAGE kt_image *image = ensure(self, "test/image:1", KT_IMAGE_MISSING, &err);
	assert_non_null(image);
	assert_string_equal(image->name, "docker.io/test/image:1");
	assert_null(ensure(self, "test/other", KT_IMAGE_MISSING, &err));
	KT_AUTO_FREE char *all = kt_err_text(&err);
	assert_non_null(strstr(all, "mirror '127.0.0.1:"));
	kt_err_release(&err);
	config_file(self, "KURTOSIS_REGISTRIES_CONF", "conf", "registries.conf", "[[registry\n");
	assert_null(ensure(self, "test/other", KT_IMAGE_MISSING, &err));
	KT_AUTO_FREE char *bad = kt_err_text(&err);
	assert_non_null(strstr(bad, "registries.conf:1:"));
}

static void removal_keeps_what_others_need(void **state)
{
	fixture *self = *state;
	KT_AUTO_IMAGE kt_image *one = ensure(self, self->name, KT_IMAGE_MISSING, NULL);
	KT_AUTO_IMAGE kt_image *two = ensure(self, self->multi, KT_IMAGE_MISSING, NULL);
	assert_true(one != NULL && two != NULL);
	kt_image_vec all = {0};
	assert_int_equal(kt_image_list(self->store, &all, NULL), 0);
	assert_int_equal(all.len, 2);
	kt_image_vec_deinit(&all);
	assert_int_equal(kt_image_remove(self->store, self->name, false, NULL), 0);
	assert_int_equal(count_names(self, "layers"), FAKE_LAYERS);
	KT_AUTO_IMAGE kt_image *by_id = kt_image_find(self->store, two->id + 7, NULL);
	assert_non_null(by_id);
	assert_string_equal(by_id->name, two->name);

	assert_int_equal(kt_image_pin(self->store, "enclave", two, NULL), 0);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_image_remove(self->store, self->multi, false, &err), -1);
	assert_int_equal(err.code, KT_ERR_PRECONDITION);
	assert_int_equal(kt_image_remove(self->store, self->multi, true, NULL), 0);
	assert_int_equal(count_names(self, "layers"), FAKE_LAYERS);
	assert_int_equal(kt_image_unpin(self->store, "enclave", NULL), 0);
	assert_int_equal(kt_image_gc(self->store, NULL), 0);
	assert_int_equal(count_names(self, "layers"), 0);
	assert_int_equal(count_names(self, "records"), 0);
	assert_int_equal(count_names(self, "tmp"), 0);
	kt_err_release(&err);
	assert_int_equal(kt_image_remove(self->store, self->multi, false, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

/* Eight processes pull the same image at once: all succeed, each layer comes once. */
static void processes_share_the_work(void **state)
{
#ifdef __SANITIZE_THREAD__
	skip(); /* the thread sanitizer ends programs that a threaded program starts */
#endif
	fixture *self = *state;
	pid_t children[8];
	for (size_t i = 0; i < KT_ARRAY_LEN(children); i++) {
		KT_AUTO_FREE char *root = kt_path_join(self->dir, "images");
		char *argv[] = {(char *)"unit-image-pull", root, self->name, NULL};
		assert_int_equal(posix_spawn(&children[i], "/proc/self/exe", NULL, NULL, argv,
					     environ),
				 0);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(children); i++) {
		int status = 0;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(fake_registry_blob_requests(self->registry), 1 + FAKE_LAYERS);
}

static void cancelling_ends_a_pull(void **state)
{
	fixture *self = *state;
	kt_cancel *cancel = kt_cancel_new(NULL);
	kt_cancel_fire(cancel);
	kt_image_request request = {.name = self->name, .cancel = cancel};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(kt_image_ensure(self->store, &request, &err));
	assert_int_equal(err.code, KT_ERR_CANCELLED);
	kt_cancel_unref(cancel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* This program as one of several processes: pulls one image. */
static int pull_once(const char *root, const char *name)
{
	kt_image_store *store = kt_image_store_open(root, NULL);
	kt_image_request request = {.name = name};
	KT_AUTO_IMAGE kt_image *image = kt_image_ensure(store, &request, NULL);
	kt_image_store_close(store);
	return image != NULL && image->layers.len == FAKE_LAYERS ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		return pull_once(argv[1], argv[2]);
	}
	/* A client that stops reading must not end the registry that the tests play. */
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		TEST(a_second_time_needs_no_registry),
		TEST(always_asks_and_falls_back),
		TEST(failures_name_image_registry_and_remedy),
		TEST(a_dead_registry_is_named),
		TEST(logins_work),
		TEST(a_credential_helper_is_asked),
		TEST(broken_connections_resume),
		TEST(a_mirror_serves_docker_io),
		TEST(removal_keeps_what_others_need),
		TEST(processes_share_the_work),
		TEST(cancelling_ends_a_pull),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
