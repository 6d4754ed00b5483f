/*
 * A registry on 127.0.0.1 for tests: serves one image as "test/image" (tag "1" = manifest, tag
 * "multi" = index) and misbehaves on demand.
 */
#ifndef KT_TESTS_UNIT_IMAGE_FAKE_REGISTRY_H
#define KT_TESTS_UNIT_IMAGE_FAKE_REGISTRY_H

#include "fake_image.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct fake_registry fake_registry;

typedef struct fake_faults {
	bool wrong_blob;     /* blobs come with one byte changed */
	bool wrong_manifest; /* the manifest does not match its digest header */
	bool no_range;       /* a resumed request gets the whole again */
	bool basic;          /* asks for user:secret by Basic */
	bool token;          /* asks for a token; the token server wants user:secret */
	bool forbidden;      /* 403 for everything */
	int server_errors;   /* so many answers are 500 first */
	int truncations;     /* so many blob answers break off in the middle first */
} fake_faults;

/* image is borrowed. */
fake_registry *fake_registry_start(const fake_image *image, const fake_faults *faults);
/* Changes the image served and the faults, between requests. */
void fake_registry_set(fake_registry *self, const fake_image *image, const fake_faults *faults);
void fake_registry_stop(fake_registry *self);
int fake_registry_port(const fake_registry *self);
int fake_registry_requests(fake_registry *self); /* so far */
int fake_registry_blob_requests(fake_registry *self);

#endif
