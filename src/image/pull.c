/* Making an image available: the local copy, or a pull with parallel layers. */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "image/layer.h"
#include "image/pipe.h"
#include "image/registries.h"
#include "image/registry.h"
#include "image/store.h"

#include <string.h>

#define WORKERS 4
#define WORKER_STACK ((size_t)512 * 1024)
#define DOWNLOAD_PIPE ((size_t)1024 * 1024)

/* One pull from one endpoint. */
typedef struct pull {
	kt_image_store *store;
	const kt_image_request *request;
	kt_registry *registry;
	kt_cancel *cancel; /* fires when a worker fails or the caller cancels */
	kt_manifest manifest;
	kt_strvec diff_ids;
	pthread_mutex_t lock; /* guards all below, and calls of the progress function */
	size_t next;
	uint64_t done;
	uint64_t total;
	kt_err err; /* the first failure */
	bool failed;
} pull;

static void pull_deinit(pull *self)
{
	kt_registry_free(self->registry);
	kt_cancel_unref(self->cancel);
	kt_manifest_deinit(&self->manifest);
	kt_strvec_deinit(&self->diff_ids);
	kt_err_release(&self->err);
	pthread_mutex_destroy(&self->lock);
}

static void report(pull *self, const char *what, const char *digest, uint64_t more)
{
	KT_LOCK(&self->lock);
	self->done += more;
	if (self->request->progress == NULL) {
		return;
	}
	char layer[13] = "";
	if (digest != NULL) {
		memcpy(layer, digest + strlen("sha256:"), 12);
	}
	kt_image_progress progress = {self->request->name, what, layer, self->done, self->total};
	self->request->progress(self->request->progress_ctx, &progress);
}

static void fail_pull(pull *self, kt_err *err)
{
	KT_LOCK(&self->lock);
	if (!self->failed) {
		self->failed = true;
		kt_err_move(&self->err, err);
		kt_cancel_fire(self->cancel);
	}
}

/* ---- One layer ---- */

typedef struct download {
	pull *pull;
	const kt_descriptor *blob;
	kt_pipe *pipe;
	int rc;
	kt_err err;
} download;

static int download_write(void *ctx, const void *data, size_t len, kt_err *err)
{
	download *self = ctx;
	kt_sink sink = kt_pipe_sink(self->pipe);
	if (sink.write(sink.ctx, data, len, err) < 0) {
		return -1;
	}
	report(self->pull, "downloading", self->blob->digest, len);
	return 0;
}

static void *run_download(void *arg)
{
	download *self = arg;
	kt_sink to = {download_write, self};
	self->rc = kt_registry_blob(self->pull->registry, self->blob, to, &self->err);
	kt_pipe_close_write(self->pipe, self->rc < 0);
	return NULL;
}

static int fetch_layer(pull *self, size_t i, kt_err *err)
{
	const char *diff_id = self->diff_ids.items[i];
	download job = {.pull = self, .blob = &self->manifest.layers.items[i], .err = KT_ERR_INIT};
	job.pipe = kt_pipe_new(DOWNLOAD_PIPE, err);
	if (job.pipe == NULL) {
		return -1;
	}
	pthread_t thread;
	if (kt_thread_start(&thread, WORKER_STACK, "download", run_download, &job, err) < 0) {
		kt_pipe_free(job.pipe);
		return -1;
	}
	int rc = kt_layer_unpack(self->store, diff_id, job.blob->digest,
				 kt_pipe_source(job.pipe), self->cancel, err);
	kt_pipe_close_read(job.pipe);
	pthread_join(thread, NULL);
	kt_pipe_free(job.pipe);
	/* The broken download is the cause, unless it broke because we stopped reading. */
	if (rc < 0 && job.rc < 0 && (job.err.code != KT_ERR_CANCELLED || err->code == KT_ERR_IO)) {
		kt_err_move(err, &job.err);
	}
	kt_err_release(&job.err);
	return rc;
}

static int ensure_layer(pull *self, size_t i, kt_err *err)
{
	const char *diff_id = self->diff_ids.items[i];
	const kt_descriptor *blob = &self->manifest.layers.items[i];
	KT_AUTO_FREE char *name = kt_layer_lock_name(diff_id);
	if (name == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int lock = -1;
	if (!kt_store_has_layer(self->store, diff_id)) {
		lock = kt_store_lock(self->store, name, false, err);
		if (lock < 0) {
			return -1;
		}
	}
	if (kt_store_has_layer(self->store, diff_id)) {
		report(self, "downloading", blob->digest, blob->size);
		return 0;
	}
	if (kt_cancel_check(self->cancel, err) < 0) {
		return -1;
	}
	return fetch_layer(self, i, err);
}

static bool take_layer(pull *self, size_t *ret)
{
	KT_LOCK(&self->lock);
	if (self->failed || self->next == self->manifest.layers.len) {
		return false;
	}
	*ret = self->next++;
	return true;
}

static void *run_worker(void *arg)
{
	pull *self = arg;
	size_t i = 0;
	while (take_layer(self, &i)) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		if (ensure_layer(self, i, &err) < 0) {
			fail_pull(self, &err);
		}
	}
	return NULL;
}

static int fetch_layers(pull *self, kt_err *err)
{
	pthread_t workers[WORKERS - 1];
	size_t started = 0;
	while (started < KT_ARRAY_LEN(workers) && started + 1 < self->manifest.layers.len &&
	       kt_thread_start(&workers[started], WORKER_STACK, "pull", run_worker, self, NULL) ==
		       0) {
		started++;
	}
	run_worker(self);
	for (size_t i = 0; i < started; i++) {
		pthread_join(workers[i], NULL);
	}
	if (self->failed) {
		kt_err_move(err, &self->err);
		return -1;
	}
	return 0;
}

/* ---- One endpoint ---- */

static int collect(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static json_t *fetch_config(pull *self, kt_err *err)
{
	const kt_descriptor *blob = &self->manifest.config;
	KT_AUTO_BUF kt_buf text = KT_BUF_MAX(KT_MANIFEST_MAX);
	if (kt_registry_blob(self->registry, blob, (kt_sink){collect, &text}, err) < 0) {
		return NULL;
	}
	char digest[KT_DIGEST_LEN + 1];
	kt_digest_of(kt_buf_str(&text), text.len, digest);
	if (!kt_str_eq(digest, blob->digest)) {
		KT_FAIL(err, CORRUPT, "the config %s has the digest %s", blob->digest, digest);
		return NULL;
	}
	return kt_json_parse(kt_buf_str(&text), text.len, "image config", err);
}

/* Reads the manifest, through an index where there is one. */
static int fetch_manifest(pull *self, const kt_image_ref *ref, char digest[KT_DIGEST_LEN + 1],
			  kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *reference = ref->digest != NULL ? ref->digest : ref->tag;
	if (kt_registry_manifest(self->registry, reference, &text, digest, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *root =
		kt_json_parse(kt_buf_str(&text), text.len, "image manifest", err);
	if (root == NULL) {
		return -1;
	}
	if (!kt_manifest_is_index(root)) {
		return kt_manifest_parse(root, &self->manifest, err);
	}
	bool foreign = false;
	const char *child = kt_manifest_pick(root, kt_image_host_arch(), &foreign, err);
	if (child == NULL || kt_registry_manifest(self->registry, child, &text, digest, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *inner =
		kt_json_parse(kt_buf_str(&text), text.len, "image manifest", err);
	return inner == NULL ? -1 : kt_manifest_parse(inner, &self->manifest, err);
}

static int check_layer_count(const pull *self, kt_err *err)
{
	if (self->diff_ids.len != self->manifest.layers.len) {
		return KT_FAIL(err, INVALID, "the manifest has %zu layers but the config names %zu",
			       self->manifest.layers.len, self->diff_ids.len);
	}
	return 0;
}

static int pull_all(pull *self, const kt_image_ref *ref, const char *name,
		    char digest[KT_DIGEST_LEN + 1], kt_err *err)
{
	report(self, "resolving", NULL, 0);
	if (fetch_manifest(self, ref, digest, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *config = fetch_config(self, err);
	if (config == NULL || kt_config_diff_ids(config, &self->diff_ids, err) < 0 ||
	    check_layer_count(self, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < self->manifest.layers.len; i++) {
		self->total += self->manifest.layers.items[i].size;
	}
	/* Nobody may collect these layers between their arrival and the record's. */
	KT_AUTO_FD int shared = kt_store_lock(self->store, "store", true, err);
	if (shared < 0 || fetch_layers(self, err) < 0 ||
	    kt_store_put_record(self->store, digest, self->manifest.config.digest, self->total,
				config, err) < 0 ||
	    kt_store_put_ref(self->store, name, digest, err) < 0) {
		return -1;
	}
	report(self, "done", NULL, 0);
	return 0;
}

/* 1 when the request's own or the configured credentials apply, 0 = anonymous. */
static int find_credentials(const kt_image_request *request, const kt_endpoint *endpoint,
			    kt_credentials *ret)
{
	bool own = !kt_str_empty(request->registry) && !kt_str_empty(request->username) &&
		   !kt_str_empty(request->password);
	if (own && !endpoint->mirror) {
		ret->username = kt_strdup(request->username);
		ret->password = kt_strdup(request->password);
		return ret->username != NULL && ret->password != NULL;
	}
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int rc = kt_credentials_find(endpoint->host, request->cancel, ret, &err);
	if (rc < 0) {
		/* As the original does: go on without, the registry will say if that matters. */
		kt_log_err(KT_LOG_DEBUG, "image", &err, "no credentials for %s", endpoint->host);
		return 0;
	}
	return rc;
}

static int pull_from(kt_image_store *store, const kt_image_request *request,
		     const kt_endpoint *endpoint, const kt_image_ref *ref, const char *name,
		     char digest[KT_DIGEST_LEN + 1], kt_err *err)
{
	KT_CLEANUP(pull_deinit)
	pull self = {.store = store, .request = request, .err = KT_ERR_INIT};
	pthread_mutex_init(&self.lock, NULL);
	KT_CLEANUP(kt_credentials_deinit) kt_credentials credentials = KT_CREDENTIALS_INIT;
	bool known = find_credentials(request, endpoint, &credentials) > 0;
	self.cancel = kt_cancel_child(request->cancel, err);
	kt_http_client *http = kt_store_http(store, err);
	if (self.cancel == NULL || http == NULL) {
		return -1;
	}
	kt_registry_spec spec = {
		.http = http,
		.endpoint = endpoint,
		.image = request->name,
		.credentials = known ? &credentials : NULL,
		.cancel = self.cancel,
		.deadline = request->deadline,
	};
	self.registry = kt_registry_new(&spec, err);
	return self.registry == NULL ? -1 : pull_all(&self, ref, name, digest, err);
}

/* ---- All endpoints ---- */

static bool try_next(const kt_err *err)
{
	return err->code != KT_ERR_CANCELLED && err->code != KT_ERR_NOMEM;
}

static int pull_image(kt_image_store *store, const kt_image_request *request,
		      const kt_image_ref *ref, const char *name, char digest[KT_DIGEST_LEN + 1],
		      kt_err *err)
{
	kt_registries *registries = kt_registries_load(err);
	if (registries == NULL) {
		return -1;
	}
	KT_CLEANUP(kt_endpoint_vec_deinit) kt_endpoint_vec endpoints = {0};
	int rc = kt_registries_resolve(registries, ref, &endpoints, err);
	kt_registries_free(registries);
	if (rc < 0) {
		return -1;
	}
	KT_AUTO_BUF kt_buf mirrors = KT_BUF_INIT;
	for (size_t i = 0; i < endpoints.len; i++) {
		const kt_endpoint *endpoint = &endpoints.items[i];
		KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
		if (pull_from(store, request, endpoint, ref, name, digest, &cause) == 0) {
			return 0;
		}
		if (i + 1 < endpoints.len && try_next(&cause)) {
			KT_AUTO_FREE char *text = kt_err_text(&cause);
			kt_buf_addf(&mirrors, "; mirror '%s': %s", endpoint->host,
				    kt_str_or(text, "?"));
			continue;
		}
		kt_err_move(err, &cause);
		break;
	}
	return KT_WRAP(err, "pulling image '%s' failed%s", request->name, kt_buf_str(&mirrors));
}

static kt_image *find_local(kt_image_store *self, const char *name, kt_err *err)
{
	char digest[KT_DIGEST_LEN + 1];
	if (kt_store_get_ref(self, name, digest, err) < 0) {
		return NULL;
	}
	if (digest[0] == '\0') {
		KT_FAIL(err, NOT_FOUND, "there is no local image '%s'", name);
		return NULL;
	}
	return kt_store_image(self, name, digest, err);
}

static char *ref_lock_name(const char *name)
{
	KT_AUTO_FREE char *escaped = kt_store_escape(name);
	if (escaped == NULL) {
		return NULL;
	}
	/* A file name has 255 bytes; a shared lock for two long names does no harm. */
	return kt_asprintf("ref-%.200s", escaped);
}

static kt_image *pull_and_find(kt_image_store *self, const kt_image_request *request,
			       const kt_image_ref *ref, const char *name, kt_err *err)
{
	char digest[KT_DIGEST_LEN + 1];
	if (pull_image(self, request, ref, name, digest, err) < 0) {
		return NULL;
	}
	kt_image *image = kt_store_image(self, name, digest, err);
	if (image != NULL) {
		image->source = KT_IMAGE_PULLED;
	}
	return image;
}

static kt_image *pull_missing(kt_image_store *self, const kt_image_request *request,
			      const kt_image_ref *ref, const char *name, kt_err *err)
{
	kt_image *image = find_local(self, name, NULL);
	if (image != NULL) {
		return image;
	}
	KT_AUTO_FREE char *lock_name = ref_lock_name(name);
	if (lock_name == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	KT_AUTO_FD int lock = kt_store_lock(self, lock_name, false, err);
	if (lock < 0) {
		return NULL;
	}
	image = find_local(self, name, NULL);
	return image != NULL ? image : pull_and_find(self, request, ref, name, err);
}

kt_image *kt_image_ensure(kt_image_store *self, const kt_image_request *request, kt_err *err)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	if (kt_image_ref_parse(request->name, &ref, err) < 0) {
		return NULL;
	}
	KT_AUTO_FREE char *name = kt_image_ref_text(&ref);
	if (name == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (request->mode == KT_IMAGE_MISSING) {
		return pull_missing(self, request, &ref, name, err);
	}
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	kt_image *image = pull_and_find(self, request, &ref, name, &cause);
	if (image == NULL && cause.code != KT_ERR_CANCELLED) {
		image = find_local(self, name, NULL);
		if (image != NULL) {
			image->source = KT_IMAGE_PULLED;
		}
	}
	if (image == NULL) {
		kt_err_move(err, &cause);
	}
	return image;
}
