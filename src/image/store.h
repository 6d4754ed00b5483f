/*
 * The image store on disk:
 *
 *   layers/<hex>/         an unpacked layer, named by its diff id; complete once it is there
 *   tmp/layer-<hex>/      a layer being unpacked; belongs to who holds the layer's lock
 *   records/<hex>.json    {manifest, config_digest, size, config}, named by manifest digest
 *   refs/<escaped name>   the manifest digest that a full reference names
 *   pins/<owner>/<hex>    an enclave uses the image with this manifest
 *   locks/<name>          flock files: layer-<hex>, ref-<escaped name>, store
 *
 * Everything appears by rename. Whoever deletes layers holds the lock `store` exclusively;
 * whoever makes an image complete (unpack, record, ref) holds it shared meanwhile.
 */
#ifndef KT_IMAGE_STORE_H
#define KT_IMAGE_STORE_H

#include "base/json.h"
#include "files/stream.h"
#include "image/image.h"
#include "image/manifest.h"
#include "net/http_client.h"

struct kt_image_store {
	char *root;
	pthread_mutex_t lock;
	kt_http_client *http; /* made on the first pull */
};

/* root/part or root/part/name; the caller frees; NULL on OOM. */
char *kt_store_path(const kt_image_store *self, const char *part, const char *name);
/* A reference as a file name. */
char *kt_store_escape(const char *text);
/* And back, in place. */
void kt_store_unescape(char *text);

/* Takes locks/<name>, blocking until its holder is done or dead. A descriptor to close, or -1. */
int kt_store_lock(const kt_image_store *self, const char *name, bool shared, kt_err *err);
/* As above, but -1 without an error when somebody else has it. */
int kt_store_try_lock(const kt_image_store *self, const char *name);

bool kt_store_has_layer(const kt_image_store *self, const char *diff_id);

/* Stores the record of an image whose layers are there. config must be an object. */
int kt_store_put_record(const kt_image_store *self, const char *manifest, const char *config_digest,
			uint64_t size, json_t *config, kt_err *err);
/* Binds a full reference to a manifest digest. */
int kt_store_put_ref(const kt_image_store *self, const char *name, const char *manifest,
		     kt_err *err);
/* The manifest digest of a full reference, "" when there is none. */
int kt_store_get_ref(const kt_image_store *self, const char *name, char ret[KT_DIGEST_LEN + 1],
		     kt_err *err);
/*
 * The image of a manifest digest under the given name. NULL with NOT_FOUND when the record or
 * one of its layers is missing.
 */
kt_image *kt_store_image(const kt_image_store *self, const char *name, const char *manifest,
			 kt_err *err);
/* All full references, sorted. */
int kt_store_refs(const kt_image_store *self, kt_strvec *ret, kt_err *err);
/* Names in a directory of the store, without dot files, sorted. */
int kt_store_names(const kt_image_store *self, const char *part, kt_strvec *ret, kt_err *err);
/* The store's HTTP client, for as long as the store is open. */
kt_http_client *kt_store_http(kt_image_store *self, kt_err *err);

#endif
