/* Finding, listing, pinning and removing images; collecting what nothing refers to. */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"
#include "image/layer.h"
#include "image/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_MIN 12

static char *full_name(const char *name)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	return kt_image_ref_parse(name, &ref, NULL) == 0 ? kt_image_ref_text(&ref) : NULL;
}

/* By the digest of manifest or config, whole or the first digits of the config's. */
static kt_image *find_by_id(kt_image_store *self, const char *name, kt_err *err)
{
	const char *hex = kt_str_starts(name, "sha256:") ? name + strlen("sha256:") : name;
	size_t len = strlen(hex);
	if (len < PREFIX_MIN || strspn(hex, "0123456789abcdef") != len) {
		return NULL;
	}
	KT_CLEANUP(kt_image_vec_deinit) kt_image_vec all = {0};
	if (kt_image_list(self, &all, err) < 0) {
		return NULL;
	}
	for (size_t i = 0; i < all.len; i++) {
		kt_image *image = all.items[i];
		if (strncmp(image->id + strlen("sha256:"), hex, len) == 0 ||
		    kt_str_eq(image->digest + strlen("sha256:"), hex)) {
			return kt_store_image(self, image->name, image->digest, err);
		}
	}
	return NULL;
}

kt_image *kt_image_find(kt_image_store *self, const char *name, kt_err *err)
{
	KT_AUTO_FREE char *full = full_name(name);
	char digest[KT_DIGEST_LEN + 1] = "";
	if (full != NULL && kt_store_get_ref(self, full, digest, err) < 0) {
		return NULL;
	}
	if (digest[0] != '\0') {
		return kt_store_image(self, full, digest, err);
	}
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	kt_image *image = find_by_id(self, name, &cause);
	if (image == NULL && cause.code != KT_ERR_OK) {
		kt_err_move(err, &cause);
	} else if (image == NULL) {
		KT_FAIL(err, NOT_FOUND, "there is no local image '%s'", name);
	}
	return image;
}

int kt_image_list(kt_image_store *self, kt_image_vec *ret, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec refs = KT_STRVEC_INIT;
	if (kt_store_refs(self, &refs, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < refs.len; i++) {
		char digest[KT_DIGEST_LEN + 1];
		if (kt_store_get_ref(self, refs.items[i], digest, err) < 0) {
			return -1;
		}
		if (digest[0] == '\0') {
			continue; /* removed meanwhile */
		}
		KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
		KT_AUTO_IMAGE kt_image *image =
			kt_store_image(self, refs.items[i], digest, &cause);
		if (image == NULL && cause.code == KT_ERR_NOT_FOUND) {
			continue; /* incomplete: the next use pulls it again */
		}
		if (image == NULL) {
			kt_err_move(err, &cause);
			return -1;
		}
		if (kt_vec_push(ret, image) < 0) {
			return kt_err_nomem(err);
		}
		image = NULL;
	}
	return 0;
}

/* ---- Pins ---- */

int kt_image_pin(kt_image_store *self, const char *owner, const kt_image *image, kt_err *err)
{
	KT_AUTO_FREE char *escaped = kt_store_escape(owner);
	KT_AUTO_FREE char *dir = escaped != NULL ? kt_store_path(self, "pins", escaped) : NULL;
	KT_AUTO_FREE char *path =
		dir != NULL ? kt_path_join(dir, image->digest + strlen("sha256:")) : NULL;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_exists(path)) {
		return 0;
	}
	KT_AUTO_FD int shared = kt_store_lock(self, "store", true, err);
	if (shared < 0 || kt_fs_mkdirs(dir, 0700, err) < 0) {
		return -1;
	}
	return kt_fs_write(path, "", 0, 0600, false, err);
}

int kt_image_unpin(kt_image_store *self, const char *owner, kt_err *err)
{
	KT_AUTO_FREE char *escaped = kt_store_escape(owner);
	KT_AUTO_FREE char *dir = escaped != NULL ? kt_store_path(self, "pins", escaped) : NULL;
	return dir == NULL ? kt_err_nomem(err) : kt_fs_remove_tree(dir, err);
}

/* The manifest digests that pins hold, as keys. */
static int read_pins(const kt_image_store *self, kt_map *ret, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec owners = KT_STRVEC_INIT;
	if (kt_store_names(self, "pins", &owners, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < owners.len; i++) {
		KT_AUTO_FREE char *part = kt_asprintf("pins/%s", owners.items[i]);
		KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
		if (part == NULL) {
			return kt_err_nomem(err);
		}
		if (kt_store_names(self, part, &names, NULL) < 0) {
			continue; /* unpinned meanwhile */
		}
		for (size_t n = 0; n < names.len; n++) {
			KT_AUTO_FREE char *digest = kt_asprintf("sha256:%.64s", names.items[n]);
			if (digest == NULL || kt_map_set(ret, digest, ret) < 0) {
				return kt_err_nomem(err);
			}
		}
	}
	return 0;
}

/* ---- Removal ---- */

int kt_image_remove(kt_image_store *self, const char *name, bool force, kt_err *err)
{
	KT_AUTO_IMAGE kt_image *image = kt_image_find(self, name, err);
	if (image == NULL) {
		return -1;
	}
	KT_AUTO_MAP kt_map pins = KT_MAP_INIT;
	if (!force && read_pins(self, &pins, err) < 0) {
		return -1;
	}
	if (kt_map_has(&pins, image->digest)) {
		KT_FAIL(err, PRECONDITION, "image '%s' is in use by an enclave", name);
		kt_err_hint(err, "remove the enclave first, or force the removal of the name");
		return -1;
	}
	KT_AUTO_FREE char *escaped = kt_store_escape(image->name);
	KT_AUTO_FREE char *path = escaped != NULL ? kt_store_path(self, "refs", escaped) : NULL;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return KT_FAIL_ERRNO(err, "removing '%s' failed", path);
	}
	return kt_image_gc(self, err);
}

/* What must stay: manifest digests and layer hexes, as keys. */
typedef struct needed {
	kt_map manifests;
	kt_map layers;
} needed;

static void needed_deinit(needed *self)
{
	kt_map_deinit(&self->manifests);
	kt_map_deinit(&self->layers);
}

static int need_layers(const kt_image_store *self, needed *ret, const char *manifest, kt_err *err)
{
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	KT_AUTO_IMAGE kt_image *image = kt_store_image(self, "", manifest, &cause);
	if (image == NULL) {
		if (cause.code == KT_ERR_NOT_FOUND) {
			return 0;
		}
		kt_err_move(err, &cause);
		return -1;
	}
	for (size_t i = 0; i < image->layers.len; i++) {
		if (kt_map_set(&ret->layers, kt_path_base(image->layers.items[i]), ret) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int find_needed(const kt_image_store *self, needed *ret, kt_err *err)
{
	if (read_pins(self, &ret->manifests, err) < 0) {
		return -1;
	}
	KT_AUTO_STRVEC kt_strvec refs = KT_STRVEC_INIT;
	if (kt_store_refs(self, &refs, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < refs.len; i++) {
		char digest[KT_DIGEST_LEN + 1];
		if (kt_store_get_ref(self, refs.items[i], digest, err) < 0) {
			return -1;
		}
		if (digest[0] != '\0' && kt_map_set(&ret->manifests, digest, ret) < 0) {
			return kt_err_nomem(err);
		}
	}
	for (kt_map_entry *e = NULL; (e = kt_map_next(&ret->manifests, e)) != NULL;) {
		if (need_layers(self, ret, e->key, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int remove_records(const kt_image_store *self, const needed *keep, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	if (kt_store_names(self, "records", &names, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < names.len; i++) {
		KT_AUTO_FREE char *digest = kt_asprintf("sha256:%.64s", names.items[i]);
		KT_AUTO_FREE char *path = kt_store_path(self, "records", names.items[i]);
		if (digest == NULL || path == NULL) {
			return kt_err_nomem(err);
		}
		if (!kt_map_has(&keep->manifests, digest)) {
			unlink(path);
		}
	}
	return 0;
}

static int remove_layers(const kt_image_store *self, const needed *keep, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	if (kt_store_names(self, "layers", &names, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < names.len; i++) {
		if (kt_map_has(&keep->layers, names.items[i])) {
			continue;
		}
		/* A layer half deleted must not look whole: it leaves in one step. */
		KT_AUTO_FREE char *path = kt_store_path(self, "layers", names.items[i]);
		KT_AUTO_FREE char *grave = kt_asprintf("%s/tmp/gone-%s", self->root, names.items[i]);
		if (path == NULL || grave == NULL) {
			return kt_err_nomem(err);
		}
		if (rename(path, grave) < 0) {
			return KT_FAIL_ERRNO(err, "removing the layer '%s' failed", path);
		}
	}
	return 0;
}

/* Nobody unpacks or writes while we hold the store's lock: all of tmp/ is left over. */
static int remove_temporary(const kt_image_store *self, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	if (kt_store_names(self, "tmp", &names, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < names.len; i++) {
		KT_AUTO_FREE char *path = kt_store_path(self, "tmp", names.items[i]);
		if (path == NULL) {
			return kt_err_nomem(err);
		}
		if (kt_fs_remove_tree(path, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_image_gc(kt_image_store *self, kt_err *err)
{
	KT_AUTO_FD int lock = kt_store_try_lock(self, "store");
	if (lock < 0) {
		return 0; /* a pull is under way; what we would collect waits for the next time */
	}
	KT_CLEANUP(needed_deinit) needed keep = {KT_MAP_INIT, KT_MAP_INIT};
	if (find_needed(self, &keep, err) < 0 || remove_records(self, &keep, err) < 0 ||
	    remove_layers(self, &keep, err) < 0) {
		return -1;
	}
	return remove_temporary(self, err);
}
