/*
 * Docker Compose files as packages: a compose file becomes a Starlark script that adds one
 * service per service of the file.
 *
 * Variables come from a dotenv file only, never from the process's environment. What a key turns
 * into, what is ignored and what is refused: docs/internals/compose.md. Blocking; thread-safe.
 */
#ifndef KT_PACKAGE_COMPOSE_H
#define KT_PACKAGE_COMPOSE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

/* The package id under which clients upload a directory that has a compose file only. */
#define KT_COMPOSE_PACKAGE_ID "github.com/NOTIONAL_USER/USER_UPLOADED_COMPOSE_PACKAGE"

/* Whether this file name makes a directory a compose package (compose.yml and the like). */
bool kt_compose_is_default_name(const char *base);
/* The name of dir's default compose file; NULL when there is none. Static. */
const char *kt_compose_find(const char *dir);
/* Appends "compose.yml, compose.yaml, …". */
void kt_compose_add_names(kt_buf *out);

/*
 * Appends the script for the compose file at path. Files that it mounts are looked for beside it
 * and uploaded by the script; they may not lie outside package_dir. Variables: .env beside it.
 * INVALID for a faulty file, UNSUPPORTED for a key that cannot be carried out, NOT_FOUND for a
 * missing file.
 */
int kt_compose_to_package(const char *path, const char *package_dir, kt_buf *ret, kt_err *err);

/* What a script of kt_compose_to_script mounts: files of this machine under artifact names. */
typedef struct kt_compose_uploads {
	kt_strvec paths; /* absolute */
	kt_strvec names; /* as many */
} kt_compose_uploads;

#define KT_AUTO_COMPOSE_UPLOADS KT_CLEANUP(kt_compose_uploads_deinit)
void kt_compose_uploads_deinit(kt_compose_uploads *self);

/*
 * The same for `kurtosis import`: a script that stands alone and expects the files artifacts of
 * `uploads` in the enclave. Variables come from env_path if that can be read. *uploads must be
 * empty; the caller deinits it, also after a failure.
 */
int kt_compose_to_script(const char *path, const char *env_path, kt_compose_uploads *uploads,
			 kt_buf *ret, kt_err *err);

#endif
