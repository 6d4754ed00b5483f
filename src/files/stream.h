/*
 * Byte streams: a source is pulled, a sink is pushed to. With decompression (gzip, zstd)
 * as a source over a source, and gzip compression as a sink over a sink.
 *
 * A stream belongs to one thread at a time. Nothing here holds a whole body in memory.
 */
#ifndef KT_FILES_STREAM_H
#define KT_FILES_STREAM_H

#include "base/base.h"
#include "base/err.h"

#include <sys/types.h>

/*
 * read: puts 1..cap bytes into buf and returns their number; 0 at the end; -1 on error.
 * May block. ctx is borrowed by whoever holds the source.
 */
typedef struct kt_source {
	ssize_t (*read)(void *ctx, void *buf, size_t cap, kt_err *err);
	void *ctx;
} kt_source;

/* write: takes all bytes or fails (-1). May block: that is how back-pressure works. */
typedef struct kt_sink {
	int (*write)(void *ctx, const void *data, size_t len, kt_err *err);
	void *ctx;
} kt_sink;

/* Streams over a descriptor; *fd is borrowed and must outlive the stream. */
kt_source kt_source_fd(const int *fd);
kt_sink kt_sink_fd(const int *fd);

/* A source over memory; both are borrowed. */
typedef struct kt_mem {
	const char *data;
	size_t len;
} kt_mem;
kt_source kt_source_mem(kt_mem *mem);

typedef enum kt_compression {
	KT_COMPRESSION_NONE,
	KT_COMPRESSION_GZIP,
	KT_COMPRESSION_ZSTD,
	KT_COMPRESSION_OTHER, /* xz, bzip2, zip and the like: known, not for this reader */
} kt_compression;

/* What the first bytes of a stream (6 are enough) say. */
kt_compression kt_compression_detect(const void *head, size_t len);

/*
 * Decompression. The format is found from the first bytes; plain data passes through.
 * Several gzip members or zstd frames in a row are one stream. A truncated or damaged
 * stream is CORRUPT.
 */
typedef struct kt_inflate kt_inflate;
KT_MUST_USE kt_inflate *kt_inflate_new(kt_source from, kt_err *err);
void kt_inflate_free(kt_inflate *self); /* NULL allowed */
/* Reads the head of the stream if that has not happened. -1 on a read error. */
int kt_inflate_format(kt_inflate *self, kt_compression *ret, kt_err *err);
kt_source kt_inflate_source(kt_inflate *self);

/* gzip at isa-l's level 1 (zlib where isa-l is missing), header without time or name. */
typedef struct kt_deflate kt_deflate;
KT_MUST_USE kt_deflate *kt_deflate_new(kt_sink to, kt_err *err);
void kt_deflate_free(kt_deflate *self); /* without finish: the output is truncated */
kt_sink kt_deflate_sink(kt_deflate *self);
int kt_deflate_finish(kt_deflate *self, kt_err *err);

#endif
