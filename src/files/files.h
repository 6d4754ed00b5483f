/*
 * Files artifacts: packing a path into a tgz stream, unpacking one into a directory, the
 * content hash, and the store of an enclave's artifacts.
 *
 * An artifact lives in the store as a directory tree and becomes an archive only when a
 * client asks for one. See files/tar.h and files/stream.h for the layers below.
 */
#ifndef KT_FILES_FILES_H
#define KT_FILES_FILES_H

#include "files/stream.h"
#include "files/tar.h"

#include "base/thread.h"
#include "base/uuid.h"
#include "base/vec.h"

#define KT_MD5_LEN 16
#define KT_MD5_HEX_LEN 32

/* Where a client's compressed upload must stay below. */
#define KT_UPLOAD_MAX (UINT64_C(2000) * 1024 * 1024)

/* ---- Packing and unpacking ---- */

enum {
	KT_PACK_IGNORE_FILE = 1 << 0, /* obey .kurtosisignore in the root directory */
	KT_PACK_NO_GIT = 1 << 1,      /* leave out a top-level .git */
	KT_PACK_PLAIN = 1 << 2,       /* tar without gzip */
};

/*
 * Writes path as an archive: a directory contributes its contents (no wrapping directory),
 * a file itself under its base name. Entries are sorted by name; links stay links; the same
 * tree gives the same bytes.
 */
int kt_pack(const char *path, unsigned flags, kt_sink to, const kt_cancel *cancel, kt_err *err);

/*
 * Unpacks an archive of any known format (tar plain, gzip or zstd by our own reader; zip, xz,
 * bzip2, 7z and others by libarchive) beneath the existing directory `dir`. flags as for
 * kt_tar_extract. An empty stream unpacks to nothing.
 */
int kt_unpack(kt_source from, const char *dir, unsigned flags, const kt_cancel *cancel,
	      kt_err *err);

/*
 * The content hash of a file or directory: MD5 over the sorted recursive listing, each path
 * relative to the root with its leading slash and then the file's bytes (directories: path
 * only; links are followed). flags: KT_PACK_IGNORE_FILE. A dangling link is NOT_FOUND.
 */
int kt_content_md5(const char *path, unsigned flags, uint8_t ret[KT_MD5_LEN], kt_err *err);

/* ---- The artifact store ---- */

typedef struct kt_artifact {
	kt_uuid uuid;
	char *name;
	char *dir; /* the expanded tree: mount or read it, do not change it */
	bool has_md5;
	uint8_t md5[KT_MD5_LEN];
} kt_artifact;

#define KT_ARTIFACT_INIT {{{0}}, NULL, NULL, false, {0}}
#define KT_AUTO_ARTIFACT KT_CLEANUP(kt_artifact_deinit)
void kt_artifact_deinit(kt_artifact *self);

typedef KT_VEC(kt_artifact) kt_artifact_vec;
void kt_artifact_vec_deinit(kt_artifact_vec *self); /* and its items */

/*
 * The store of one enclave under `dir` (created when missing). Thread-safe; one process at a
 * time. A killed process leaves every artifact either whole or absent; half-made trees are
 * removed by the next open.
 */
typedef struct kt_artifacts kt_artifacts;
KT_MUST_USE kt_artifacts *kt_artifacts_open(const char *dir, kt_err *err);
void kt_artifacts_close(kt_artifacts *self);

/*
 * Add or replace an artifact. `replace` = false: the name must be unused (EXISTS, "Files
 * artifact name 'N' has already been used"). `replace` = true: an artifact of this name keeps its
 * uuid and gets the new content; running mounts keep the old tree.
 * md5 NULL = unknown, which always compares as changed. ret may be NULL.
 */
typedef struct kt_artifact_spec {
	const char *name;
	const uint8_t *md5;
	bool replace;
	const kt_cancel *cancel;
} kt_artifact_spec;

/* From an archive stream. */
int kt_artifacts_add_archive(kt_artifacts *self, const kt_artifact_spec *spec, kt_source from,
			     kt_artifact *ret, kt_err *err);
/* From a file or directory on this host; flags as for kt_pack. md5 is computed when NULL. */
int kt_artifacts_add_path(kt_artifacts *self, const kt_artifact_spec *spec, const char *path,
			  unsigned flags, kt_artifact *ret, kt_err *err);
/*
 * By a directory that the caller has filled: begin gives a fresh empty directory inside the
 * store (the caller frees the path), commit turns it into an artifact, abort removes it.
 */
char *kt_artifacts_begin(kt_artifacts *self, kt_err *err);
int kt_artifacts_commit(kt_artifacts *self, const kt_artifact_spec *spec, const char *staging,
			kt_artifact *ret, kt_err *err);
void kt_artifacts_abort(kt_artifacts *self, const char *staging);

/*
 * Look-ups take a full uuid, a short uuid (12 digits) or a name, tried in this order.
 * 1 found, 0 not found, -1 on error (several artifacts share the short uuid).
 */
int kt_artifacts_find(kt_artifacts *self, const char *identifier, kt_artifact *ret, kt_err *err);
bool kt_artifacts_has_name(kt_artifacts *self, const char *name);
/*
 * Forgets the artifact. Its tree stays on disk until the enclave is destroyed, because services
 * may have it mounted. NOT_FOUND with the original's text.
 */
int kt_artifacts_remove(kt_artifacts *self, const char *identifier, kt_err *err);
/* All artifacts in order of creation; ret is appended to. */
int kt_artifacts_list(kt_artifacts *self, kt_artifact_vec *ret, kt_err *err);
/* Streams the artifact as tgz. */
int kt_artifacts_read(kt_artifacts *self, const char *identifier, kt_sink to,
		      const kt_cancel *cancel, kt_err *err);

/* One entry of a listing, as InspectFilesArtifactContents reports it. */
typedef struct kt_artifact_entry {
	const char *path; /* without leading "./"; directories end in '/' */
	uint64_t size;
	const char *preview; /* the text, only where every line is printable; else NULL */
} kt_artifact_entry;
typedef int (*kt_artifact_entry_fn)(void *ctx, const kt_artifact_entry *entry, kt_err *err);
/* Calls fn for each entry in the order of the archive; a non-zero result ends the walk. */
int kt_artifacts_inspect(kt_artifacts *self, const char *identifier, kt_artifact_entry_fn fn,
			 void *ctx, kt_err *err);

#endif
