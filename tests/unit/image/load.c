/* Images from docker-archives and OCI layouts. */
#include "../kt_test.h"

#include "base/fs.h"
#include "base/str.h"
#include "fake_image.h"
#include "files/files.h"
#include "image/image.h"

#include <stdio.h>
#include <sys/stat.h>

typedef struct fixture {
	char *dir;
	char *source;
	fake_image image;
	kt_image_store *store;
} fixture;

static int set_up(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	self->dir = kt_fs_mkdtemp(NULL, "kt-load-", NULL);
	self->source = kt_path_join(self->dir, "source");
	kt_fs_mkdirs(self->source, 0755, NULL);
	fake_image_init(&self->image, "a", 5000);
	KT_AUTO_FREE char *root = kt_path_join(self->dir, "images");
	self->store = kt_image_store_open(root, NULL);
	*state = self;
	return self->store == NULL;
}

static int tear_down(void **state)
{
	fixture *self = *state;
	kt_image_store_close(self->store);
	fake_image_deinit(&self->image);
	kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	kt_free(self->source);
	kt_free(self);
	return 0;
}

static void put(fixture *self, const char *name, const void *data, size_t len)
{
	KT_AUTO_FREE char *path = kt_path_join(self->source, name);
	KT_AUTO_FREE char *dir = kt_path_dir(path);
	assert_int_equal(kt_fs_mkdirs(dir, 0755, NULL), 0);
	assert_int_equal(kt_fs_write(path, data, len, 0644, false, NULL), 0);
}

static void put_blob(fixture *self, const fake_blob *blob)
{
	KT_AUTO_FREE char *name = kt_asprintf("blobs/sha256/%s", blob->digest + 7);
	put(self, name, blob->bytes.data, blob->bytes.len);
}

static void make_oci(fixture *self, const char *annotation)
{
	for (int i = 0; i < FAKE_LAYERS; i++) {
		put_blob(self, &self->image.layers[i]);
	}
	put_blob(self, &self->image.config);
	put_blob(self, &self->image.manifest);
	put_blob(self, &self->image.index);
	KT_AUTO_FREE char *index = kt_asprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\",\"size\":1,"
		"\"annotations\":{%s}}]}",
		self->image.index.digest, annotation);
	put(self, "index.json", index, strlen(index));
	put(self, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
}

static void make_docker(fixture *self)
{
	put(self, "config.json", self->image.config.bytes.data, self->image.config.bytes.len);
	for (int i = 0; i < FAKE_LAYERS; i++) {
		KT_AUTO_FREE char *name = kt_asprintf("l%d/layer.tar", i);
		put(self, name, self->image.layers[i].bytes.data, self->image.layers[i].bytes.len);
	}
	static const char manifest[] =
		"[{\"Config\":\"config.json\",\"RepoTags\":[\"one:1\",\"two/x:2\"],"
		"\"Layers\":[\"l0/layer.tar\",\"l1/layer.tar\",\"l2/layer.tar\"]}]";
	put(self, "manifest.json", manifest, strlen(manifest));
}

static char *pack(fixture *self)
{
	char *path = kt_path_join(self->dir, "image.tar");
	KT_AUTO_FREE char *quoted = kt_asprintf("tar -C %s -cf %s .", self->source, path);
	FILE *run = popen(quoted, "re");
	assert_int_equal(pclose(run), 0);
	return path;
}

static void a_layout_loads_from_a_directory(void **state)
{
	fixture *self = *state;
	make_oci(self, "\"io.containerd.image.name\":\"docker.io/library/thing:1\","
		       "\"org.opencontainers.image.ref.name\":\"1\"");
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_image_load(self->store, self->source, NULL, &names, &err), 0);
	assert_int_equal(names.len, 1);
	assert_string_equal(names.items[0], "docker.io/library/thing:1");
	kt_image_request request = {.name = "thing:1"};
	KT_AUTO_IMAGE kt_image *image = kt_image_ensure(self->store, &request, &err);
	assert_non_null(image);
	assert_int_equal(image->source, KT_IMAGE_CACHED);
	assert_string_equal(image->digest, self->image.manifest.digest);
}

static void a_nameless_layout_needs_a_name(void **state)
{
	fixture *self = *state;
	make_oci(self, "\"org.opencontainers.image.ref.name\":\"latest\"");
	KT_AUTO_FREE char *archive = pack(self);
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_image_load(self->store, archive, NULL, &names, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
	assert_non_null(err.hint);
	assert_int_equal(kt_image_load(self->store, archive, "my:2", &names, NULL), 0);
	KT_AUTO_IMAGE kt_image *image = kt_image_find(self->store, "my:2", NULL);
	assert_non_null(image);
}

static void a_docker_archive_loads(void **state)
{
	fixture *self = *state;
	make_docker(self);
	KT_AUTO_FREE char *archive = pack(self);
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_image_load(self->store, archive, NULL, &names, &err), 0);
	assert_int_equal(names.len, 2);
	assert_string_equal(names.items[1], "docker.io/two/x:2");
	KT_AUTO_IMAGE kt_image *image = kt_image_find(self->store, "one:1", NULL);
	assert_non_null(image);
	assert_int_equal(image->layers.len, FAKE_LAYERS);
	assert_string_equal(image->id, self->image.config.digest);
}

static void damage_is_found(void **state)
{
	fixture *self = *state;
	make_oci(self, "\"org.opencontainers.image.ref.name\":\"x:1\"");
	KT_AUTO_FREE char *name =
		kt_asprintf("blobs/sha256/%s", self->image.layers[2].digest + 7);
	put(self, name, self->image.layers[1].bytes.data, self->image.layers[1].bytes.len);
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_image_load(self->store, self->source, NULL, &names, &err), -1);
	assert_int_equal(err.code, KT_ERR_CORRUPT);
	assert_null(kt_image_find(self->store, "x:1", NULL));
	KT_AUTO_FREE char *nothing = kt_path_join(self->dir, "images/refs");
	kt_err_release(&err);
	assert_int_equal(kt_image_load(self->store, nothing, NULL, &names, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
	kt_err_release(&err);
	assert_int_equal(kt_image_load(self->store, "/nonexistent.tar", NULL, &names, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_layout_loads_from_a_directory),
		TEST(a_nameless_layout_needs_a_name),
		TEST(a_docker_archive_loads),
		TEST(damage_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
