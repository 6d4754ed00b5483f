/* Unpacking one layer: decompress and verify in one thread, write the tree in another. */
#ifndef KT_IMAGE_LAYER_H
#define KT_IMAGE_LAYER_H

#include "files/stream.h"
#include "image/store.h"

/*
 * Reads the (compressed) layer tar to its end, checks it and makes layers/<diff id>. The caller
 * holds the layer's lock. blob = digest of the compressed bytes, NULL = not known. CORRUPT when
 * a digest does not match; nothing is left behind then.
 */
int kt_layer_unpack(const kt_image_store *store, const char *diff_id, const char *blob,
		    kt_source from, const kt_cancel *cancel, kt_err *err);

/* The name of a layer's lock; the caller frees. NULL on OOM. */
char *kt_layer_lock_name(const char *diff_id);

#endif
