/*
 * The registry protocol (version 2) for one repository on one endpoint: manifests and blobs,
 * with token and basic authentication. Thread-safe after the first manifest has been read.
 */
#ifndef KT_IMAGE_REGISTRY_H
#define KT_IMAGE_REGISTRY_H

#include "base/buf.h"
#include "base/clock.h"
#include "files/stream.h"
#include "image/auth.h"
#include "image/manifest.h"
#include "image/registries.h"
#include "net/http_client.h"

typedef struct kt_registry kt_registry;

typedef struct kt_registry_spec {
	kt_http_client *http;
	const kt_endpoint *endpoint; /* all borrowed for the registry's lifetime */
	const char *image;           /* as the user wrote it, for messages */
	const kt_credentials *credentials; /* NULL = anonymous */
	const kt_cancel *cancel;
	kt_instant deadline;
} kt_registry_spec;

KT_MUST_USE kt_registry *kt_registry_new(const kt_registry_spec *spec, kt_err *err);
void kt_registry_free(kt_registry *self);

/*
 * The manifest or index of a tag or digest. ret_digest gets the digest of its bytes, which has
 * been compared with what was asked for and with what the registry claims.
 */
int kt_registry_manifest(kt_registry *self, const char *reference, kt_buf *ret,
			 char ret_digest[KT_DIGEST_LEN + 1], kt_err *err);

/*
 * Streams a blob. A broken connection is resumed where it broke, up to three times. The caller
 * checks the digest.
 */
int kt_registry_blob(kt_registry *self, const kt_descriptor *blob, kt_sink to, kt_err *err);

#endif
