/* Registry credentials as Docker keeps them: config.json with auths and credential helpers. */
#ifndef KT_IMAGE_AUTH_H
#define KT_IMAGE_AUTH_H

#include "base/err.h"
#include "base/thread.h"

typedef struct kt_credentials {
	char *username;
	char *password;
	char *identity_token; /* used instead of a password at the token server */
} kt_credentials;

#define KT_CREDENTIALS_INIT {NULL, NULL, NULL}
void kt_credentials_deinit(kt_credentials *self); /* wipes the secrets */

/*
 * Looks the registry ("docker.io", "localhost:5000") up in $DOCKER_CONFIG/config.json or
 * ~/.docker/config.json. 1 found, 0 none (also when there is no file), -1 when the file or a
 * helper is broken. May run docker-credential-NAME.
 */
int kt_credentials_find(const char *registry, const kt_cancel *cancel, kt_credentials *ret,
			kt_err *err);

/* "Basic …" for a header; the caller frees with kt_secret_free. NULL on OOM. */
char *kt_credentials_basic(const char *username, const char *password);
/* Overwrites and frees; NULL allowed. */
void kt_secret_free(char *text);

#endif
