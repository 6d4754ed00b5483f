/* Decompression as a source: gzip by isa-l or zlib, zstd by libzstd, plain data unchanged. */
#include "files/stream.h"

#include "base/alloc.h"

#include <string.h>

#ifdef KT_HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif
#include <zstd.h>

#define INPUT_SIZE ((size_t)128 * 1024)
#define HEAD_NEED 6
/* Layers of real images stay far below; a window of 128 MiB is zstd's own default bound. */
#define ZSTD_WINDOW_LOG 27

struct kt_inflate {
	kt_source from;
	char *input;
	size_t pos;
	size_t len;
	bool input_end;
	bool opened;
	bool in_member; /* inside a gzip member or a zstd frame */
	bool any_member;
	kt_compression format;
#ifdef KT_HAVE_ISAL
	struct inflate_state *gzip;
#else
	z_stream gzip;
	bool gzip_ready;
#endif
	ZSTD_DStream *zstd;
};

kt_inflate *kt_inflate_new(kt_source from, kt_err *err)
{
	kt_inflate *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->from = from;
	self->input = kt_malloc(INPUT_SIZE);
	if (self->input == NULL) {
		kt_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	return self;
}

void kt_inflate_free(kt_inflate *self)
{
	if (self == NULL) {
		return;
	}
#ifdef KT_HAVE_ISAL
	kt_free(self->gzip);
#else
	if (self->gzip_ready) {
		inflateEnd(&self->gzip);
	}
#endif
	ZSTD_freeDStream(self->zstd);
	kt_free(self->input);
	kt_free(self);
}

/* Ensures at least one byte of input unless the stream has ended. */
static int refill(kt_inflate *self, kt_err *err)
{
	if (self->pos < self->len || self->input_end) {
		return 0;
	}
	ssize_t n = self->from.read(self->from.ctx, self->input, INPUT_SIZE, err);
	if (n < 0) {
		return -1;
	}
	self->pos = 0;
	self->len = (size_t)n;
	self->input_end = n == 0;
	return 0;
}

static int open_gzip(kt_inflate *self, kt_err *err)
{
#ifdef KT_HAVE_ISAL
	self->gzip = kt_malloc(sizeof(*self->gzip));
	if (self->gzip == NULL) {
		return kt_err_nomem(err);
	}
#else
	if (inflateInit2(&self->gzip, 15 + 16) != Z_OK) {
		return kt_err_nomem(err);
	}
	self->gzip_ready = true;
#endif
	return 0;
}

static int open_zstd(kt_inflate *self, kt_err *err)
{
	self->zstd = ZSTD_createDStream();
	if (self->zstd == NULL) {
		return kt_err_nomem(err);
	}
	ZSTD_DCtx_setParameter(self->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	return 0;
}

static int open_stream(kt_inflate *self, kt_err *err)
{
	if (self->opened) {
		return 0;
	}
	while (self->len < HEAD_NEED && !self->input_end) {
		ssize_t n = self->from.read(self->from.ctx, self->input + self->len,
					    INPUT_SIZE - self->len, err);
		if (n < 0) {
			return -1;
		}
		self->len += (size_t)n;
		self->input_end = n == 0;
	}
	self->format = kt_compression_detect(self->input, self->len);
	if (self->format == KT_COMPRESSION_GZIP && open_gzip(self, err) < 0) {
		return -1;
	}
	if (self->format == KT_COMPRESSION_ZSTD && open_zstd(self, err) < 0) {
		return -1;
	}
	self->opened = true;
	return 0;
}

int kt_inflate_format(kt_inflate *self, kt_compression *ret, kt_err *err)
{
	if (open_stream(self, err) < 0) {
		return -1;
	}
	*ret = self->format;
	return 0;
}

static ssize_t read_plain(kt_inflate *self, void *buf, size_t cap, kt_err *err)
{
	if (self->pos == self->len) {
		if (self->input_end) {
			return 0;
		}
		return self->from.read(self->from.ctx, buf, cap, err);
	}
	size_t n = KT_MIN(cap, self->len - self->pos);
	memcpy(buf, self->input + self->pos, n);
	self->pos += n;
	return (ssize_t)n;
}

/*
 * One step of gzip: consumes input, fills out. Returns bytes produced; sets *ended at the
 * end of a member.
 */
static ssize_t step_gzip(kt_inflate *self, void *buf, size_t cap, bool *ended, kt_err *err)
{
	uint32_t room = (uint32_t)KT_MIN(cap, (size_t)1 << 30);
#ifdef KT_HAVE_ISAL
	struct inflate_state *gz = self->gzip;
	if (!self->in_member) {
		isal_inflate_init(gz);
		gz->crc_flag = ISAL_GZIP;
	}
	gz->next_in = (uint8_t *)self->input + self->pos;
	gz->avail_in = (uint32_t)(self->len - self->pos);
	gz->next_out = buf;
	gz->avail_out = room;
	int rc = isal_inflate(gz);
	self->pos = self->len - gz->avail_in;
	if (rc < 0) {
		return KT_FAIL(err, CORRUPT, "the gzip data is damaged (isa-l %d)", rc);
	}
	*ended = gz->block_state == ISAL_BLOCK_FINISH;
	return (ssize_t)(room - gz->avail_out);
#else
	if (!self->in_member) {
		inflateReset(&self->gzip);
	}
	self->gzip.next_in = (Bytef *)self->input + self->pos;
	self->gzip.avail_in = (uInt)(self->len - self->pos);
	self->gzip.next_out = buf;
	self->gzip.avail_out = room;
	int rc = inflate(&self->gzip, Z_NO_FLUSH);
	self->pos = self->len - self->gzip.avail_in;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
		return KT_FAIL(err, CORRUPT, "the gzip data is damaged (zlib %d)", rc);
	}
	*ended = rc == Z_STREAM_END;
	return (ssize_t)(room - self->gzip.avail_out);
#endif
}

static ssize_t step_zstd(kt_inflate *self, void *buf, size_t cap, bool *ended, kt_err *err)
{
	if (!self->in_member) {
		ZSTD_DCtx_reset(self->zstd, ZSTD_reset_session_only);
	}
	ZSTD_inBuffer in = {self->input + self->pos, self->len - self->pos, 0};
	ZSTD_outBuffer out = {buf, cap, 0};
	size_t rc = ZSTD_decompressStream(self->zstd, &out, &in);
	self->pos += in.pos;
	if (ZSTD_isError(rc)) {
		return KT_FAIL(err, CORRUPT, "the zstd data is damaged: %s", ZSTD_getErrorName(rc));
	}
	*ended = rc == 0;
	return (ssize_t)out.pos;
}

/* After a member: 1 when another one follows, 0 at the end, padding of zeros skipped. */
static int next_member(kt_inflate *self, kt_err *err)
{
	for (;;) {
		if (refill(self, err) < 0) {
			return -1;
		}
		if (self->pos == self->len) {
			return 0;
		}
		if (!self->any_member || self->input[self->pos] != 0) {
			return 1;
		}
		self->pos++;
	}
}

static ssize_t inflate_read(void *ctx, void *buf, size_t cap, kt_err *err)
{
	kt_inflate *self = ctx;
	if (open_stream(self, err) < 0) {
		return -1;
	}
	if (self->format == KT_COMPRESSION_NONE || self->format == KT_COMPRESSION_OTHER) {
		return read_plain(self, buf, cap, err);
	}
	for (;;) {
		if (!self->in_member) {
			int more = next_member(self, err);
			if (more <= 0) {
				return more;
			}
		} else if (refill(self, err) < 0) {
			return -1;
		}
		bool starved = self->pos == self->len;
		bool ended = false;
		ssize_t n = self->format == KT_COMPRESSION_GZIP
				    ? step_gzip(self, buf, cap, &ended, err)
				    : step_zstd(self, buf, cap, &ended, err);
		if (n < 0) {
			return -1;
		}
		self->in_member = !ended;
		self->any_member = true;
		if (n > 0) {
			return n;
		}
		if (starved && !ended) {
			return KT_FAIL(err, CORRUPT, "the compressed data ends too early");
		}
	}
}

kt_source kt_inflate_source(kt_inflate *self)
{
	return (kt_source){inflate_read, self};
}
