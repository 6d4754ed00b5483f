/* Small images made in memory for the tests of image/. */
#ifndef KT_TESTS_UNIT_IMAGE_FAKE_IMAGE_H
#define KT_TESTS_UNIT_IMAGE_FAKE_IMAGE_H

#include "base/buf.h"

#define FAKE_LAYERS 3

typedef struct fake_blob {
	kt_buf bytes;
	char digest[72];
} fake_blob;

typedef struct fake_image {
	fake_blob layers[FAKE_LAYERS];
	char diff_ids[FAKE_LAYERS][72];
	fake_blob config;
	fake_blob manifest;
	fake_blob index; /* with an entry for this host and one for another */
} fake_image;

/*
 * Layer i holds a file "layer<i>" with `size` bytes; layer 1 also deletes "layer0". `seed`
 * makes images differ.
 */
void fake_image_init(fake_image *self, const char *seed, size_t size);
void fake_image_deinit(fake_image *self);

#endif
