#include "fake_image.h"

#include "../kt_test.h"

#include "files/files.h"
#include "image/manifest.h"

#include <stdio.h>

static int to_buf(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static void seal(fake_blob *blob)
{
	kt_digest_of(kt_buf_str(&blob->bytes), blob->bytes.len, blob->digest);
}

static void make_layer(fake_image *self, int i, const char *seed, size_t size)
{
	KT_AUTO_BUF kt_buf tar = KT_BUF_INIT;
	kt_tar_writer *writer = kt_tar_writer_new((kt_sink){to_buf, &tar}, NULL);
	char name[32];
	snprintf(name, sizeof(name), "layer%d", i);
	kt_tar_entry entry = {.path = name, .mode = 0644, .size = size};
	assert_int_equal(kt_tar_write_entry(writer, &entry, NULL), 0);
	uint32_t state = (uint32_t)(seed[0] * 131 + i);
	for (size_t n = 0; n < size; n++) {
		state = state * 1664525 + 1013904223;
		char c = (char)(state >> 24);
		assert_int_equal(kt_tar_write(writer, &c, 1, NULL), 0);
	}
	if (i == 1) {
		kt_tar_entry gone = {.path = ".wh.layer0"};
		assert_int_equal(kt_tar_write_entry(writer, &gone, NULL), 0);
	}
	assert_int_equal(kt_tar_finish(writer, NULL), 0);
	kt_tar_writer_free(writer);
	kt_digest_of(tar.data, tar.len, self->diff_ids[i]);
	kt_deflate *gzip = kt_deflate_new((kt_sink){to_buf, &self->layers[i].bytes}, NULL);
	kt_sink sink = kt_deflate_sink(gzip);
	assert_int_equal(sink.write(sink.ctx, tar.data, tar.len, NULL), 0);
	assert_int_equal(kt_deflate_finish(gzip, NULL), 0);
	kt_deflate_free(gzip);
	seal(&self->layers[i]);
}

void fake_image_init(fake_image *self, const char *seed, size_t size)
{
	*self = (fake_image){0};
	for (int i = 0; i < FAKE_LAYERS; i++) {
		make_layer(self, i, seed, size);
	}
	kt_buf_addf(&self->config.bytes,
		    "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"User\":\"70:70\","
		    "\"Env\":[\"PATH=/bin\",\"SEED=%s\"],\"Entrypoint\":[\"/entry\"],"
		    "\"Cmd\":[\"a\",\"b c\"],\"WorkingDir\":\"/work\",\"StopSignal\":\"SIGINT\","
		    "\"Volumes\":{\"/data\":{}},\"ExposedPorts\":{\"80/tcp\":{}},"
		    "\"Labels\":{\"k\":\"v\"}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":"
		    "[\"%s\",\"%s\",\"%s\"]}}",
		    kt_image_host_arch(), seed, self->diff_ids[0], self->diff_ids[1],
		    self->diff_ids[2]);
	seal(&self->config);
	kt_buf *m = &self->manifest.bytes;
	kt_buf_addf(m,
		    "{\"schemaVersion\":2,\"mediaType\":"
		    "\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
		    "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
		    "\"layers\":[",
		    self->config.digest, self->config.bytes.len);
	for (int i = 0; i < FAKE_LAYERS; i++) {
		kt_buf_addf(m,
			    "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
			    "\"digest\":\"%s\",\"size\":%zu}",
			    i > 0 ? "," : "", self->layers[i].digest, self->layers[i].bytes.len);
	}
	kt_buf_adds(m, "]}");
	seal(&self->manifest);
	kt_buf_addf(&self->index.bytes,
		    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
		    "\"manifests\":[{\"digest\":\"sha256:%064d\",\"size\":7,\"mediaType\":"
		    "\"application/vnd.oci.image.manifest.v1+json\",\"platform\":{\"os\":\"linux\","
		    "\"architecture\":\"mips\"}},{\"mediaType\":"
		    "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%zu,"
		    "\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}",
		    0, self->manifest.digest, self->manifest.bytes.len, kt_image_host_arch());
	seal(&self->index);
}

void fake_image_deinit(fake_image *self)
{
	for (int i = 0; i < FAKE_LAYERS; i++) {
		kt_buf_deinit(&self->layers[i].bytes);
	}
	kt_buf_deinit(&self->config.bytes);
	kt_buf_deinit(&self->manifest.bytes);
	kt_buf_deinit(&self->index.bytes);
}
