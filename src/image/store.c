#include "image/store.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/uuid.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX (2 * KT_MANIFEST_MAX)

kt_image_store *kt_image_store_open(const char *root, kt_err *err)
{
	static const char *const parts[] = {"layers", "tmp", "records", "refs", "pins", "locks"};
	kt_image_store *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&self->lock, NULL);
	self->root = kt_strdup(root);
	int rc = self->root == NULL ? kt_err_nomem(err) : 0;
	for (size_t i = 0; rc == 0 && i < KT_ARRAY_LEN(parts); i++) {
		KT_AUTO_FREE char *path = kt_path_join(root, parts[i]);
		rc = path == NULL ? kt_err_nomem(err) : kt_fs_mkdirs(path, 0700, err);
	}
	if (rc < 0) {
		KT_WRAP(err, "opening the image store '%s' failed", root);
		kt_image_store_close(self);
		return NULL;
	}
	return self;
}

void kt_image_store_close(kt_image_store *self)
{
	if (self == NULL) {
		return;
	}
	kt_http_client_free(self->http);
	pthread_mutex_destroy(&self->lock);
	kt_free(self->root);
	kt_free(self);
}

kt_http_client *kt_store_http(kt_image_store *self, kt_err *err)
{
	KT_LOCK(&self->lock);
	if (self->http == NULL) {
		self->http = kt_http_client_new(err);
	}
	return self->http;
}

char *kt_store_path(const kt_image_store *self, const char *part, const char *name)
{
	return name == NULL ? kt_asprintf("%s/%s", self->root, part)
			    : kt_asprintf("%s/%s/%s", self->root, part, name);
}

char *kt_store_escape(const char *text)
{
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	for (; *text != '\0'; text++) {
		if (isalnum((unsigned char)*text) || strchr("._-", *text) != NULL) {
			kt_buf_addc(&buf, *text);
		} else {
			kt_buf_addf(&buf, "%%%02x", (unsigned char)*text);
		}
	}
	return kt_buf_take(&buf);
}

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

void kt_store_unescape(char *text)
{
	char *out = text;
	for (; *text != '\0'; text++) {
		if (*text == '%' && isxdigit((unsigned char)text[1]) &&
		    isxdigit((unsigned char)text[2])) {
			*out++ = (char)(hex_value(text[1]) << 4 | hex_value(text[2]));
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static int open_lock(const kt_image_store *self, const char *name, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_store_path(self, "locks", name);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : KT_FAIL_ERRNO(err, "opening the lock '%s' failed", path);
}

int kt_store_lock(const kt_image_store *self, const char *name, bool shared, kt_err *err)
{
	KT_AUTO_FD int fd = open_lock(self, name, err);
	if (fd < 0) {
		return -1;
	}
	while (flock(fd, shared ? LOCK_SH : LOCK_EX) < 0) {
		if (errno != EINTR) {
			return KT_FAIL_ERRNO(err, "taking the lock '%s' failed", name);
		}
	}
	int taken = fd;
	fd = -1;
	return taken;
}

int kt_store_try_lock(const kt_image_store *self, const char *name)
{
	KT_AUTO_FD int fd = open_lock(self, name, NULL);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		return -1;
	}
	int taken = fd;
	fd = -1;
	return taken;
}

bool kt_store_has_layer(const kt_image_store *self, const char *diff_id)
{
	KT_AUTO_FREE char *path = kt_store_path(self, "layers", diff_id + strlen("sha256:"));
	return path != NULL && kt_fs_is_dir(path);
}

/* ---- Records and references ---- */

static char *record_path(const kt_image_store *self, const char *manifest)
{
	KT_AUTO_FREE char *name = kt_asprintf("%s.json", manifest + strlen("sha256:"));
	return name != NULL ? kt_store_path(self, "records", name) : NULL;
}

/* Written in tmp/ and renamed, so that no listing ever shows a half-made name. */
static int put_file(const kt_image_store *self, const char *path, const char *text, kt_err *err)
{
	KT_AUTO_FREE char *name = kt_asprintf("file-%s", kt_uuid_random().text);
	KT_AUTO_FREE char *temporary = name != NULL ? kt_store_path(self, "tmp", name) : NULL;
	if (temporary == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_write(temporary, text, strlen(text), 0600, false, err) < 0) {
		return -1;
	}
	if (rename(temporary, path) < 0) {
		KT_FAIL_ERRNO(err, "storing '%s' failed", path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

int kt_store_put_record(const kt_image_store *self, const char *manifest, const char *config_digest,
			uint64_t size, json_t *config, kt_err *err)
{
	KT_AUTO_JSON json_t *root =
		json_pack("{s:s, s:s, s:I, s:O}", "manifest", manifest, "config_digest",
			  config_digest, "size", (json_int_t)size, "config", config);
	KT_AUTO_FREE char *text = root != NULL ? kt_json_text(root, 0) : NULL;
	KT_AUTO_FREE char *path = record_path(self, manifest);
	if (text == NULL || path == NULL) {
		return kt_err_nomem(err);
	}
	return put_file(self, path, text, err);
}

int kt_store_put_ref(const kt_image_store *self, const char *name, const char *manifest,
		     kt_err *err)
{
	KT_AUTO_FREE char *escaped = kt_store_escape(name);
	KT_AUTO_FREE char *path = escaped != NULL ? kt_store_path(self, "refs", escaped) : NULL;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	return put_file(self, path, manifest, err);
}

int kt_store_get_ref(const kt_image_store *self, const char *name, char ret[KT_DIGEST_LEN + 1],
		     kt_err *err)
{
	KT_AUTO_FREE char *escaped = kt_store_escape(name);
	KT_AUTO_FREE char *path = escaped != NULL ? kt_store_path(self, "refs", escaped) : NULL;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	ret[0] = '\0';
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	if (kt_fs_read(path, 4096, &text, &cause) < 0) {
		if (cause.code == KT_ERR_NOT_FOUND) {
			return 0;
		}
		kt_err_move(err, &cause);
		return -1;
	}
	if (kt_digest_ok(kt_buf_str(&text))) {
		memcpy(ret, kt_buf_str(&text), KT_DIGEST_LEN + 1);
	}
	return 0;
}

void kt_image_free(kt_image *self)
{
	if (self == NULL) {
		return;
	}
	kt_free(self->name);
	kt_free(self->digest);
	kt_free(self->id);
	kt_free(self->architecture);
	kt_free(self->os);
	kt_free(self->created);
	kt_strvec_deinit(&self->layers);
	kt_strvec_deinit(&self->config.entrypoint);
	kt_strvec_deinit(&self->config.cmd);
	kt_strvec_deinit(&self->config.env);
	kt_strvec_deinit(&self->config.volumes);
	kt_strvec_deinit(&self->config.exposed_ports);
	kt_strvec_deinit(&self->config.labels);
	kt_free(self->config.user);
	kt_free(self->config.workdir);
	kt_free(self->config.stop_signal);
	kt_free(self);
}

void kt_image_free_ptr(kt_image **self)
{
	kt_image_free(*self);
}

void kt_image_vec_deinit(kt_image_vec *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_image_free(self->items[i]);
	}
	kt_vec_deinit(self);
}

/* The layers' directories; NOT_FOUND when one is missing. */
static int fill_layers(const kt_image_store *self, const json_t *config, kt_image *image,
		       kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec ids = KT_STRVEC_INIT;
	if (kt_config_diff_ids(config, &ids, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < ids.len; i++) {
		if (!kt_store_has_layer(self, ids.items[i])) {
			return KT_FAIL(err, NOT_FOUND, "the layer %s of image '%s' is missing",
				       ids.items[i], image->name);
		}
		if (kt_strvec_addf(&image->layers, "%s/layers/%s", self->root,
				   ids.items[i] + strlen("sha256:")) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int fill_image(const kt_image_store *self, const json_t *root, const char *name,
		      kt_image *image, kt_err *err)
{
	const json_t *config = json_object_get(root, "config");
	image->name = kt_strdup(name);
	image->digest = kt_strdup(kt_json_str(root, "manifest", ""));
	image->id = kt_strdup(kt_json_str(root, "config_digest", ""));
	if (image->name == NULL || image->digest == NULL || image->id == NULL) {
		return kt_err_nomem(err);
	}
	image->size = (uint64_t)KT_MAX(kt_json_int(root, "size", 0), 0);
	if (kt_config_parse(config, image, err) < 0) {
		return -1;
	}
	image->foreign = image->architecture[0] != '\0' &&
			 !kt_str_eq(image->architecture, kt_image_host_arch());
	return fill_layers(self, config, image, err);
}

kt_image *kt_store_image(const kt_image_store *self, const char *name, const char *manifest,
			 kt_err *err)
{
	KT_AUTO_FREE char *path = record_path(self, manifest);
	if (path == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, RECORD_MAX, &text, err) < 0) {
		return NULL;
	}
	KT_AUTO_JSON json_t *root = kt_json_parse(kt_buf_str(&text), text.len, path, err);
	if (root == NULL) {
		return NULL;
	}
	KT_AUTO_IMAGE kt_image *image = kt_calloc(1, sizeof(*image));
	if (image == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (fill_image(self, root, name, image, err) < 0) {
		return NULL;
	}
	return KT_STEAL(image);
}

int kt_store_names(const kt_image_store *self, const char *part, kt_strvec *ret, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_store_path(self, part, NULL);
	DIR *list = path != NULL ? opendir(path) : NULL;
	if (list == NULL) {
		return path == NULL ? kt_err_nomem(err)
				    : KT_FAIL_ERRNO(err, "listing '%s' failed", path);
	}
	int rc = 0;
	struct dirent *item = NULL;
	while (rc == 0 && (item = readdir(list)) != NULL) {
		if (item->d_name[0] != '.') {
			rc = kt_strvec_add(ret, item->d_name) < 0 ? kt_err_nomem(err) : 0;
		}
	}
	closedir(list);
	kt_strvec_sort(ret);
	return rc;
}

int kt_store_refs(const kt_image_store *self, kt_strvec *ret, kt_err *err)
{
	if (kt_store_names(self, "refs", ret, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < ret->len; i++) {
		kt_store_unescape(ret->items[i]);
	}
	kt_strvec_sort(ret);
	return 0;
}
