/* Images from archives and directories: docker-archive and OCI layout. */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/uuid.h"
#include "files/beneath.h"
#include "files/files.h"
#include "image/layer.h"
#include "image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REF_NAME "org.opencontainers.image.ref.name"
#define CONTAINERD_NAME "io.containerd.image.name"
#define INDEX_DEPTH 4

typedef struct load {
	kt_image_store *store;
	const char *path; /* for messages */
	const char *name; /* the caller's, or NULL */
	int dir;
	kt_strvec *names;
} load;

static int open_part(const load *self, const char *part, kt_err *err)
{
	int fd = kt_beneath_open_file(self->dir, part);
	struct stat st;
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "reading '%s' of the image archive '%s' failed", part,
				     self->path);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return KT_FAIL(err, INVALID, "'%s' in the image archive '%s' is no file", part,
			       self->path);
	}
	return fd;
}

static int read_part(const load *self, const char *part, kt_buf *ret, kt_err *err)
{
	KT_AUTO_FD int fd = open_part(self, part, err);
	if (fd < 0) {
		return -1;
	}
	kt_source source = kt_source_fd(&fd);
	kt_buf_clear(ret);
	ret->max = KT_MANIFEST_MAX;
	char *room = NULL;
	while ((room = kt_buf_reserve(ret, 65536)) != NULL) {
		ssize_t n = source.read(source.ctx, room, 65536, err);
		if (n < 0) {
			return -1;
		}
		if (n == 0) {
			break;
		}
		ret->len += (size_t)n;
		room[n] = '\0';
	}
	return kt_buf_check(ret, err);
}

static json_t *read_json(const load *self, const char *part, kt_buf *text, kt_err *err)
{
	if (read_part(self, part, text, err) < 0) {
		return NULL;
	}
	return kt_json_parse(kt_buf_str(text), text->len, part, err);
}

static bool has_part(const load *self, const char *part)
{
	int fd = kt_beneath_open_file(self->dir, part);
	if (fd < 0) {
		return false;
	}
	close(fd);
	return true;
}

static int unpack_part(const load *self, const char *part, const char *diff_id, const char *blob,
		       kt_err *err)
{
	KT_AUTO_FREE char *lock_name = kt_layer_lock_name(diff_id);
	if (lock_name == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int lock = kt_store_lock(self->store, lock_name, false, err);
	if (lock < 0) {
		return -1;
	}
	if (kt_store_has_layer(self->store, diff_id)) {
		return 0;
	}
	KT_AUTO_FD int fd = open_part(self, part, err);
	if (fd < 0) {
		return -1;
	}
	return kt_layer_unpack(self->store, diff_id, blob, kt_source_fd(&fd), NULL, err);
}

static int keep_name(const load *self, const char *name, const char *manifest, kt_err *err)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	if (kt_image_ref_parse(name, &ref, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *full = kt_image_ref_text(&ref);
	if (full == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_store_put_ref(self->store, full, manifest, err) < 0) {
		return -1;
	}
	return kt_strvec_add(self->names, full) < 0 ? kt_err_nomem(err) : 0;
}

static int no_name(const load *self, kt_err *err)
{
	KT_FAIL(err, INVALID, "the image archive '%s' does not say how its image is called",
		self->path);
	kt_err_hint(err, "give the name that the image shall have");
	return -1;
}

/* ---- docker save ---- */

static int docker_layers(const load *self, const json_t *entry, const json_t *config,
			 uint64_t *ret_size, kt_err *err)
{
	const json_t *layers = json_object_get(entry, "Layers");
	KT_AUTO_STRVEC kt_strvec ids = KT_STRVEC_INIT;
	if (kt_config_diff_ids(config, &ids, err) < 0) {
		return -1;
	}
	if (json_array_size(layers) != ids.len) {
		return KT_FAIL(err, INVALID, "the image archive '%s' lacks layers", self->path);
	}
	for (size_t i = 0; i < ids.len; i++) {
		const json_t *layer = json_array_get(layers, i);
		const char *part = json_is_string(layer) ? json_string_value(layer) : "";
		if (unpack_part(self, part, ids.items[i], NULL, err) < 0) {
			return -1;
		}
		struct stat st;
		KT_AUTO_FD int fd = kt_beneath_open_file(self->dir, part);
		if (fd >= 0 && fstat(fd, &st) == 0) {
			*ret_size += (uint64_t)st.st_size;
		}
	}
	return 0;
}

static int docker_entry(const load *self, const json_t *entry, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_JSON json_t *config = read_json(self, kt_json_str(entry, "Config", ""), &text, err);
	if (config == NULL) {
		return -1;
	}
	/* Such an archive has no manifest; the config's digest stands for it. */
	char digest[KT_DIGEST_LEN + 1];
	kt_digest_of(kt_buf_str(&text), text.len, digest);
	uint64_t size = 0;
	if (docker_layers(self, entry, config, &size, err) < 0 ||
	    kt_store_put_record(self->store, digest, digest, size, config, err) < 0) {
		return -1;
	}
	const json_t *tags = json_object_get(entry, "RepoTags");
	if (self->name != NULL) {
		return keep_name(self, self->name, digest, err);
	}
	if (json_array_size(tags) == 0) {
		return no_name(self, err);
	}
	size_t i = 0;
	const json_t *tag = NULL;
	json_array_foreach(tags, i, tag)
	{
		if (json_is_string(tag) &&
		    keep_name(self, json_string_value(tag), digest, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int load_docker(const load *self, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_JSON json_t *root = read_json(self, "manifest.json", &text, err);
	if (root == NULL) {
		return -1;
	}
	size_t i = 0;
	const json_t *entry = NULL;
	json_array_foreach(root, i, entry)
	{
		if (docker_entry(self, entry, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- OCI layout ---- */

static int blob_part(const char *digest, char part[96], kt_err *err)
{
	static const char prefix[] = "blobs/sha256/";
	if (!kt_digest_ok(digest)) {
		return KT_FAIL(err, INVALID, "the layout has the malformed digest '%.100s'", digest);
	}
	memcpy(part, prefix, sizeof(prefix) - 1);
	memcpy(part + sizeof(prefix) - 1, digest + strlen("sha256:"), 65);
	return 0;
}

static json_t *read_blob(const load *self, const char *digest, kt_err *err)
{
	char part[96];
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (blob_part(digest, part, err) < 0 || read_part(self, part, &text, err) < 0) {
		return NULL;
	}
	char is[KT_DIGEST_LEN + 1];
	kt_digest_of(kt_buf_str(&text), text.len, is);
	if (!kt_str_eq(is, digest)) {
		KT_FAIL(err, CORRUPT, "the content of blob %s has the digest %s", digest, is);
		return NULL;
	}
	return kt_json_parse(kt_buf_str(&text), text.len, part, err);
}

static int oci_layers(const load *self, const kt_manifest *manifest, const json_t *config,
		      kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec ids = KT_STRVEC_INIT;
	if (kt_config_diff_ids(config, &ids, err) < 0) {
		return -1;
	}
	if (ids.len != manifest->layers.len) {
		return KT_FAIL(err, INVALID, "manifest and config differ in their layers");
	}
	for (size_t i = 0; i < ids.len; i++) {
		char part[96];
		const char *digest = manifest->layers.items[i].digest;
		if (blob_part(digest, part, err) < 0 ||
		    unpack_part(self, part, ids.items[i], digest, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int oci_manifest(const load *self, const char *digest, const json_t *root, kt_err *err)
{
	KT_AUTO_MANIFEST kt_manifest manifest = {0};
	if (kt_manifest_parse(root, &manifest, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *config = read_blob(self, manifest.config.digest, err);
	if (config == NULL || oci_layers(self, &manifest, config, err) < 0) {
		return -1;
	}
	uint64_t size = 0;
	for (size_t i = 0; i < manifest.layers.len; i++) {
		size += manifest.layers.items[i].size;
	}
	return kt_store_put_record(self->store, digest, manifest.config.digest, size, config, err);
}

/* Follows indexes down to this host's manifest; ret_digest is the manifest's. */
static int oci_descriptor(const load *self, const char *digest, char ret[KT_DIGEST_LEN + 1],
			  unsigned depth, kt_err *err)
{
	KT_AUTO_JSON json_t *root = read_blob(self, digest, err);
	if (root == NULL) {
		return -1;
	}
	if (!kt_manifest_is_index(root)) {
		memcpy(ret, digest, KT_DIGEST_LEN + 1);
		return oci_manifest(self, digest, root, err);
	}
	bool foreign = false;
	const char *child = kt_manifest_pick(root, kt_image_host_arch(), &foreign, err);
	if (child == NULL) {
		return -1;
	}
	if (depth == 0) {
		return KT_FAIL(err, INVALID, "the layout's indexes are nested too deeply");
	}
	return oci_descriptor(self, child, ret, depth - 1, err);
}

/* The name an index entry gives its image: a full one, or NULL. */
static const char *entry_name(const json_t *entry)
{
	const json_t *annotations = json_object_get(entry, "annotations");
	const char *name = kt_json_str(annotations, CONTAINERD_NAME, "");
	if (name[0] != '\0') {
		return name;
	}
	name = kt_json_str(annotations, REF_NAME, "");
	bool full = strchr(name, '/') != NULL || strchr(name, ':') != NULL;
	return full ? name : NULL;
}

static int load_oci(const load *self, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_JSON json_t *root = read_json(self, "index.json", &text, err);
	if (root == NULL) {
		return -1;
	}
	size_t i = 0;
	const json_t *entry = NULL;
	json_array_foreach(json_object_get(root, "manifests"), i, entry)
	{
		const char *name = self->name != NULL ? self->name : entry_name(entry);
		char digest[KT_DIGEST_LEN + 1];
		if (name == NULL) {
			return no_name(self, err);
		}
		if (oci_descriptor(self, kt_json_str(entry, "digest", ""), digest, INDEX_DEPTH,
				   err) < 0 ||
		    keep_name(self, name, digest, err) < 0) {
			return -1;
		}
	}
	return i > 0 ? 0
		     : KT_FAIL(err, INVALID, "the image layout '%s' holds no image", self->path);
}

static int load_dir(load *self, const char *dir, kt_err *err)
{
	KT_AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s' failed", dir);
	}
	self->dir = fd;
	/* New "docker save" archives are both; their manifest.json knows the names. */
	if (has_part(self, "manifest.json")) {
		return load_docker(self, err);
	}
	if (has_part(self, "index.json")) {
		return load_oci(self, err);
	}
	return KT_FAIL(err, INVALID,
		       "'%s' is neither a docker-archive nor an OCI image layout: it has no "
		       "manifest.json and no index.json",
		       self->path);
}

static int load_archive(load *self, kt_err *err)
{
	KT_AUTO_FD int fd = open(self->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening the image archive '%s' failed", self->path);
	}
	KT_AUTO_FREE char *name = kt_asprintf("load-%s", kt_uuid_random().text);
	KT_AUTO_FREE char *dir = name != NULL ? kt_store_path(self->store, "tmp", name) : NULL;
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	int rc = kt_fs_mkdirs(dir, 0700, err);
	if (rc == 0) {
		rc = kt_unpack(kt_source_fd(&fd), dir, 0, NULL, err);
	}
	if (rc == 0) {
		rc = load_dir(self, dir, err);
	}
	kt_fs_remove_tree(dir, NULL);
	return rc;
}

int kt_image_load(kt_image_store *self, const char *path, const char *name, kt_strvec *names,
		  kt_err *err)
{
	load job = {self, path, name, -1, names};
	KT_AUTO_FD int shared = kt_store_lock(self, "store", true, err);
	if (shared < 0) {
		return -1;
	}
	int rc = kt_fs_is_dir(path) ? load_dir(&job, path, err) : load_archive(&job, err);
	return rc < 0 ? KT_WRAP(err, "loading images from '%s' failed", path) : 0;
}
