#include "image/layer.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "files/tar.h"
#include "image/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)256 * 1024)
#define PIPE_SIZE (4 * CHUNK)

/* A source that hashes what passes. */
typedef struct hashed {
	kt_source from;
	EVP_MD_CTX *sha;
	bool failed; /* the source, not the content */
	bool ended;
} hashed;

static ssize_t hashed_read(void *ctx, void *buf, size_t cap, kt_err *err)
{
	hashed *self = ctx;
	if (self->ended) {
		return 0;
	}
	ssize_t n = self->from.read(self->from.ctx, buf, cap, err);
	if (n > 0) {
		EVP_DigestUpdate(self->sha, buf, (size_t)n);
	}
	self->failed = self->failed || n < 0;
	self->ended = n <= 0;
	return n;
}

static void digest_text(EVP_MD_CTX *sha, char ret[KT_DIGEST_LEN + 1])
{
	unsigned char sum[32] = {0};
	EVP_DigestFinal_ex(sha, sum, NULL);
	memcpy(ret, "sha256:", 7);
	kt_hex(sum, sizeof(sum), ret + 7);
}

typedef struct unpacking {
	hashed blob;
	EVP_MD_CTX *plain_sha;
	char *chunk;
	kt_pipe *pipe;
	const kt_cancel *cancel;
	int dir;
	kt_err tar_err; /* of the writing thread */
	int tar_rc;
} unpacking;

static void unpacking_deinit(unpacking *self)
{
	EVP_MD_CTX_free(self->blob.sha);
	EVP_MD_CTX_free(self->plain_sha);
	kt_free(self->chunk);
	kt_pipe_free(self->pipe);
	kt_close_ptr(&self->dir);
	kt_err_release(&self->tar_err);
}

static void *write_tree(void *arg)
{
	unpacking *self = arg;
	const unsigned flags = KT_EXTRACT_OWNERS | KT_EXTRACT_WHITEOUTS | KT_EXTRACT_DEVICES |
			       KT_EXTRACT_XATTRS;
	kt_tar_reader *reader =
		kt_tar_reader_new(kt_pipe_source(self->pipe), NULL, &self->tar_err);
	self->tar_rc = reader == NULL ? -1
				      : kt_tar_extract(reader, self->dir, flags, self->cancel,
						       &self->tar_err);
	kt_tar_reader_free(reader);
	kt_pipe_close_read(self->pipe);
	return NULL;
}

/* Decompresses into the pipe, hashing both sides. */
static int feed_tree(unpacking *self, kt_err *err)
{
	kt_inflate *plain = kt_inflate_new((kt_source){hashed_read, &self->blob}, err);
	if (plain == NULL) {
		return -1;
	}
	kt_source source = kt_inflate_source(plain);
	kt_sink sink = kt_pipe_sink(self->pipe);
	int rc = 0;
	ssize_t n = 0;
	while (rc == 0 && (n = source.read(source.ctx, self->chunk, CHUNK, err)) > 0) {
		EVP_DigestUpdate(self->plain_sha, self->chunk, (size_t)n);
		rc = sink.write(sink.ctx, self->chunk, (size_t)n, err);
	}
	kt_inflate_free(plain);
	return rc < 0 || n < 0 ? -1 : 0;
}

static int wrong_digest(const char *what, const char *is, const char *wants, kt_err *err)
{
	KT_FAIL(err, CORRUPT, "the content of %s %s has the digest %s", what, wants, is);
	kt_err_hint(err, "the registry, mirror or archive delivers wrong content");
	return -1;
}

/* Reads what is left, so that a wrong digest can be told from a bad archive. */
static int drain(unpacking *self)
{
	while (!self->blob.ended && hashed_read(&self->blob, self->chunk, CHUNK, NULL) > 0) {
	}
	return self->blob.failed ? -1 : 0;
}

static int check_digests(unpacking *self, int feed_rc, kt_err *feed_err, const char *diff_id,
			 const char *blob, kt_err *err)
{
	if (self->blob.failed || drain(self) < 0 ||
	    (feed_rc < 0 && feed_err->code == KT_ERR_NOMEM)) {
		kt_err_move(err, feed_err);
		return -1;
	}
	char digest[KT_DIGEST_LEN + 1];
	digest_text(self->blob.sha, digest);
	if (blob != NULL && !kt_str_eq(digest, blob)) {
		return wrong_digest("the blob", digest, blob, err);
	}
	/* A writer that gave up closes the pipe: its reason is the one to tell. */
	bool stopped = feed_rc < 0 && feed_err->code == KT_ERR_CANCELLED;
	if (self->tar_rc < 0 &&
	    (feed_rc == 0 || stopped || self->tar_err.code != KT_ERR_IO)) {
		kt_err_move(err, &self->tar_err);
		return KT_WRAP(err, "unpacking the layer %s failed", diff_id);
	}
	if (feed_rc < 0) {
		kt_err_move(err, feed_err);
		return KT_WRAP(err, "unpacking the layer %s failed", diff_id);
	}
	digest_text(self->plain_sha, digest);
	return kt_str_eq(digest, diff_id) ? 0 : wrong_digest("the layer", digest, diff_id, err);
}

static int unpack_into(const char *dir, const char *diff_id, const char *blob, kt_source from,
		       const kt_cancel *cancel, kt_err *err)
{
	KT_CLEANUP(unpacking_deinit)
	unpacking self = {.blob = {.from = from}, .cancel = cancel, .dir = -1,
			  .tar_err = KT_ERR_INIT};
	self.blob.sha = EVP_MD_CTX_new();
	self.plain_sha = EVP_MD_CTX_new();
	self.chunk = kt_malloc(CHUNK);
	if (self.blob.sha == NULL || self.plain_sha == NULL || self.chunk == NULL ||
	    EVP_DigestInit_ex(self.blob.sha, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestInit_ex(self.plain_sha, EVP_sha256(), NULL) != 1) {
		return kt_err_nomem(err);
	}
	self.pipe = kt_pipe_new(PIPE_SIZE, err);
	if (self.pipe == NULL) {
		return -1;
	}
	self.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self.dir < 0 || fchmod(self.dir, 0755) < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s' failed", dir);
	}
	pthread_t writer;
	if (kt_thread_start(&writer, 0, "layer", write_tree, &self, err) < 0) {
		return -1;
	}
	KT_AUTO_ERR kt_err feed_err = KT_ERR_INIT;
	int rc = feed_tree(&self, &feed_err);
	kt_pipe_close_write(self.pipe, rc < 0);
	pthread_join(writer, NULL);
	return check_digests(&self, rc, &feed_err, diff_id, blob, err);
}

char *kt_layer_lock_name(const char *diff_id)
{
	return kt_asprintf("layer-%s", diff_id + strlen("sha256:"));
}

int kt_layer_unpack(const kt_image_store *store, const char *diff_id, const char *blob,
		    kt_source from, const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_FREE char *name = kt_layer_lock_name(diff_id);
	KT_AUTO_FREE char *temporary = name != NULL ? kt_store_path(store, "tmp", name) : NULL;
	KT_AUTO_FREE char *final =
		kt_store_path(store, "layers", diff_id + strlen("sha256:"));
	if (temporary == NULL || final == NULL) {
		return kt_err_nomem(err);
	}
	/* What is there was left by a killed process: the lock is ours. */
	if (kt_fs_remove_tree(temporary, err) < 0 || kt_fs_mkdirs(temporary, 0755, err) < 0) {
		return -1;
	}
	if (unpack_into(temporary, diff_id, blob, from, cancel, err) < 0) {
		kt_fs_remove_tree(temporary, NULL);
		return -1;
	}
	if (rename(temporary, final) < 0) {
		KT_FAIL_ERRNO(err, "storing the layer '%s' failed", final);
		kt_fs_remove_tree(temporary, NULL);
		return -1;
	}
	return 0;
}
