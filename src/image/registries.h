/*
 * Where an image's registry really is: mirrors, other locations and insecure registries from
 * registries.conf (the version 2 format; the TOML that such files use).
 */
#ifndef KT_IMAGE_REGISTRIES_H
#define KT_IMAGE_REGISTRIES_H

#include "image/image.h"

typedef struct kt_endpoint {
	char *host;       /* "registry-1.docker.io", "localhost:5000" */
	char *repository; /* on that host */
	bool insecure;    /* TLS unverified, or plain HTTP */
	bool loopback;    /* plain HTTP first */
	bool mirror;
} kt_endpoint;

typedef KT_VEC(kt_endpoint) kt_endpoint_vec;
void kt_endpoint_vec_deinit(kt_endpoint_vec *self);

typedef struct kt_registries kt_registries;
void kt_registries_free(kt_registries *self);
/*
 * Reads $KURTOSIS_REGISTRIES_CONF, else ~/.config/containers/registries.conf, else
 * /etc/containers/registries.conf with its registries.conf.d. None of them is needed.
 */
KT_MUST_USE kt_registries *kt_registries_load(kt_err *err);
/* From text, for tests. */
KT_MUST_USE kt_registries *kt_registries_parse(const char *text, const char *name, kt_err *err);
/* The places to try, in order. PERMISSION when the configuration blocks the registry. */
int kt_registries_resolve(const kt_registries *self, const kt_image_ref *ref, kt_endpoint_vec *ret,
			  kt_err *err);

/* "localhost", 127.0.0.0/8 or [::1], with or without a port. */
bool kt_host_is_loopback(const char *host);

#endif
