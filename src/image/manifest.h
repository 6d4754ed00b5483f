/* What registries and archives say about an image: manifests, indexes, configs. Pure parsing. */
#ifndef KT_IMAGE_MANIFEST_H
#define KT_IMAGE_MANIFEST_H

#include "base/json.h"
#include "image/image.h"

#define KT_DIGEST_LEN (7 + 64) /* "sha256:" and hex */
#define KT_MANIFEST_MAX ((size_t)8 * 1024 * 1024)

/* The four types that a manifest request accepts, as one header value. */
#define KT_MANIFEST_ACCEPT                                                                         \
	"application/vnd.oci.image.index.v1+json, "                                                \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                              \
	"application/vnd.oci.image.manifest.v1+json, "                                             \
	"application/vnd.docker.distribution.manifest.v2+json"

typedef struct kt_descriptor {
	char *digest;
	uint64_t size;
} kt_descriptor;

typedef struct kt_manifest {
	kt_descriptor config;
	KT_VEC(kt_descriptor) layers;
} kt_manifest;

#define KT_AUTO_MANIFEST KT_CLEANUP(kt_manifest_deinit)
void kt_manifest_deinit(kt_manifest *self);

/* True for an index or a manifest list. */
bool kt_manifest_is_index(const json_t *root);
/*
 * The digest of the entry for this host; an amd64 image where there is none, which sets
 * *ret_foreign. NOT_FOUND names the platforms there are. Borrowed from root.
 */
const char *kt_manifest_pick(const json_t *root, const char *arch, bool *ret_foreign, kt_err *err);
int kt_manifest_parse(const json_t *root, kt_manifest *ret, kt_err *err);

/* "sha256:" and 64 lower-case hex digits. */
bool kt_digest_ok(const char *text);
/* Fills "sha256:…" of the bytes. */
void kt_digest_of(const void *data, size_t len, char ret[KT_DIGEST_LEN + 1]);

/* The layers' diff ids of a config, appended to ret. */
int kt_config_diff_ids(const json_t *config, kt_strvec *ret, kt_err *err);
/* Fills ret->config, architecture, os and created from the config. */
int kt_config_parse(const json_t *config, kt_image *ret, kt_err *err);

#endif
