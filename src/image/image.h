/*
 * Container images without a daemon: references, pulls from registries, archives, and the
 * local store that keeps blobs by digest and every layer unpacked once.
 *
 * The store may be used by any number of threads and processes at the same time (lock files,
 * rename). A killed process leaves only temporary files, which the next pull removes.
 */
#ifndef KT_IMAGE_IMAGE_H
#define KT_IMAGE_IMAGE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "base/vec.h"

/* ---- References ---- */

typedef struct kt_image_ref {
	char *registry;   /* "docker.io", "localhost:5000" */
	char *repository; /* "library/postgres" */
	char *tag;        /* "latest" unless only a digest was given; then NULL */
	char *digest;     /* "sha256:…" or NULL */
} kt_image_ref;

#define KT_IMAGE_REF_INIT {NULL, NULL, NULL, NULL}
#define KT_AUTO_IMAGE_REF KT_CLEANUP(kt_image_ref_deinit)
void kt_image_ref_deinit(kt_image_ref *self);
/* Docker's rules: docker.io, library/ and latest are filled in. INVALID names what is wrong. */
int kt_image_ref_parse(const char *text, kt_image_ref *ret, kt_err *err);
/* "docker.io/library/postgres:15"; with the digest when there is one. Caller frees; NULL on OOM. */
char *kt_image_ref_text(const kt_image_ref *self);
/* The short form that people write: "postgres:15". Caller frees; NULL on OOM. */
char *kt_image_ref_familiar(const kt_image_ref *self);

/* ---- Images ---- */

typedef enum kt_image_source {
	KT_IMAGE_CACHED,
	KT_IMAGE_PULLED,
} kt_image_source;

typedef struct kt_image_config {
	kt_strvec entrypoint;
	kt_strvec cmd;
	kt_strvec env; /* "K=V" */
	char *user;    /* "" = root */
	char *workdir; /* "" = / */
	kt_strvec volumes;
	kt_strvec exposed_ports; /* "5432/tcp" */
	kt_strvec labels;        /* "K=V" */
	char *stop_signal;       /* "" = SIGTERM */
} kt_image_config;

typedef struct kt_image {
	char *name;   /* the full reference asked for */
	char *digest; /* of the manifest: "sha256:…" */
	char *id;     /* of the config: "sha256:…" */
	char *architecture; /* "amd64", "arm64" … */
	char *os;
	char *created;    /* RFC 3339 or "" */
	kt_strvec layers; /* absolute directories of the unpacked layers, lowest first */
	uint64_t size;    /* bytes of the compressed layers */
	kt_image_config config;
	kt_image_source source;
	bool foreign; /* its architecture is not this host's */
} kt_image;

void kt_image_free(kt_image *self); /* NULL allowed */
void kt_image_free_ptr(kt_image **self);
#define KT_AUTO_IMAGE KT_CLEANUP(kt_image_free_ptr)

/* The host's architecture as images name it: "amd64", "arm64" … Static. */
const char *kt_image_host_arch(void);

/* ---- The store ---- */

typedef struct kt_image_store kt_image_store;
/* root is e.g. "/var/lib/kurtosis/images"; created when missing. */
KT_MUST_USE kt_image_store *kt_image_store_open(const char *root, kt_err *err);
void kt_image_store_close(kt_image_store *self); /* NULL allowed */

typedef enum kt_image_mode {
	KT_IMAGE_MISSING, /* use the local copy, else pull */
	KT_IMAGE_ALWAYS,  /* pull; on failure use the local copy if there is one */
} kt_image_mode;

typedef struct kt_image_progress {
	const char *image;
	const char *what; /* "resolving", "downloading", "unpacking", "done" */
	const char *layer; /* short digest, or "" */
	uint64_t done; /* bytes; of all layers together */
	uint64_t total;
} kt_image_progress;
/* May be called from any of the pull's threads, one call at a time. */
typedef void (*kt_image_progress_fn)(void *ctx, const kt_image_progress *progress);

typedef struct kt_image_request {
	const char *name;
	kt_image_mode mode;
	const char *registry; /* the three together override the docker config */
	const char *username;
	const char *password;
	kt_image_progress_fn progress;
	void *progress_ctx;
	kt_cancel *cancel;   /* may be NULL */
	kt_instant deadline; /* 0 or KT_NEVER: none */
} kt_image_request;

/*
 * Makes the image available: found locally, or pulled and unpacked. Blocks. Concurrent
 * requests for the same layers share the work. Errors name image, registry and remedy:
 * NOT_FOUND unknown image, PERMISSION not authorised, UNAVAILABLE registry down, CORRUPT
 * content that does not match its digest.
 */
KT_MUST_USE kt_image *kt_image_ensure(kt_image_store *self, const kt_image_request *request,
				      kt_err *err);

/*
 * The local image of this name (reference, digest, id, or unique prefix of at least 12 digits
 * of the id). NULL with NOT_FOUND.
 */
KT_MUST_USE kt_image *kt_image_find(kt_image_store *self, const char *name, kt_err *err);

typedef KT_VEC(kt_image *) kt_image_vec;
void kt_image_vec_deinit(kt_image_vec *self); /* and its images */
/* All named images, sorted by name; ret is appended to. */
int kt_image_list(kt_image_store *self, kt_image_vec *ret, kt_err *err);

/*
 * Loads a docker-archive (docker save) or OCI layout, as a tar (plain, gzip, zstd) or, for a
 * layout, a directory. names gets the references loaded. An archive that names no image is
 * stored under `name`, which may be NULL (then such an archive is INVALID).
 */
int kt_image_load(kt_image_store *self, const char *path, const char *name, kt_strvec *names,
		  kt_err *err);

/*
 * Removes the name and everything that no other name and no pin needs. PRECONDITION when a pin
 * holds the image and force is false.
 */
int kt_image_remove(kt_image_store *self, const char *name, bool force, kt_err *err);

/*
 * A pin keeps an image's layers while an enclave uses them, even after the name is gone.
 * `owner` is the enclave's uuid; pinning twice is harmless. unpin drops all pins of the owner.
 */
int kt_image_pin(kt_image_store *self, const char *owner, const kt_image *image, kt_err *err);
int kt_image_unpin(kt_image_store *self, const char *owner, kt_err *err);

/*
 * Deletes layers that no name and no pin needs, and left-over temporary files. Does nothing
 * while a pull is under way anywhere.
 */
int kt_image_gc(kt_image_store *self, kt_err *err);

#endif
