/* gzip compression as a sink. */
#include "files/stream.h"

#include "base/alloc.h"

#include <string.h>

#ifdef KT_HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

#define OUTPUT_SIZE ((size_t)64 * 1024)
#define STEP_MAX ((size_t)1 << 30)

struct kt_deflate {
	kt_sink to;
	uint8_t *output;
#ifdef KT_HAVE_ISAL
	struct isal_zstream gzip;
	uint8_t *level_buf;
#else
	z_stream gzip;
	bool ready;
#endif
};

#ifdef KT_HAVE_ISAL
static int open_gzip(kt_deflate *self, kt_err *err)
{
	self->level_buf = kt_malloc(ISAL_DEF_LVL1_DEFAULT);
	if (self->level_buf == NULL) {
		return kt_err_nomem(err);
	}
	isal_deflate_init(&self->gzip);
	self->gzip.gzip_flag = IGZIP_GZIP;
	self->gzip.level = 1;
	self->gzip.level_buf = self->level_buf;
	self->gzip.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	return 0;
}

static int run(kt_deflate *self, const void *data, size_t len, bool end, kt_err *err)
{
	struct isal_zstream *gz = &self->gzip;
	gz->next_in = (uint8_t *)(uintptr_t)data;
	gz->avail_in = (uint32_t)len;
	gz->end_of_stream = end;
	gz->flush = NO_FLUSH;
	do {
		gz->next_out = self->output;
		gz->avail_out = (uint32_t)OUTPUT_SIZE;
		if (isal_deflate(gz) != COMP_OK) {
			return KT_FAIL(err, INTERNAL, "compressing failed");
		}
		size_t n = OUTPUT_SIZE - gz->avail_out;
		if (n > 0 && self->to.write(self->to.ctx, self->output, n, err) < 0) {
			return -1;
		}
	} while (gz->avail_in > 0 || gz->avail_out == 0 ||
		 (end && gz->internal_state.state != ZSTATE_END));
	return 0;
}
#else
static int open_gzip(kt_deflate *self, kt_err *err)
{
	if (deflateInit2(&self->gzip, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		return kt_err_nomem(err);
	}
	self->ready = true;
	return 0;
}

static int run(kt_deflate *self, const void *data, size_t len, bool end, kt_err *err)
{
	self->gzip.next_in = (Bytef *)(uintptr_t)data;
	self->gzip.avail_in = (uInt)len;
	do {
		self->gzip.next_out = self->output;
		self->gzip.avail_out = (uInt)OUTPUT_SIZE;
		int rc = deflate(&self->gzip, end ? Z_FINISH : Z_NO_FLUSH);
		if (rc == Z_STREAM_ERROR) {
			return KT_FAIL(err, INTERNAL, "compressing failed");
		}
		size_t n = OUTPUT_SIZE - self->gzip.avail_out;
		if (n > 0 && self->to.write(self->to.ctx, self->output, n, err) < 0) {
			return -1;
		}
	} while (self->gzip.avail_out == 0);
	return 0;
}
#endif

kt_deflate *kt_deflate_new(kt_sink to, kt_err *err)
{
	kt_deflate *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->to = to;
	self->output = kt_malloc(OUTPUT_SIZE);
	if (self->output == NULL || open_gzip(self, err) < 0) {
		kt_deflate_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	return self;
}

void kt_deflate_free(kt_deflate *self)
{
	if (self == NULL) {
		return;
	}
#ifdef KT_HAVE_ISAL
	kt_free(self->level_buf);
#else
	if (self->ready) {
		deflateEnd(&self->gzip);
	}
#endif
	kt_free(self->output);
	kt_free(self);
}

static int deflate_write(void *ctx, const void *data, size_t len, kt_err *err)
{
	const char *at = data;
	while (len > 0) {
		size_t n = KT_MIN(len, STEP_MAX);
		if (run(ctx, at, n, false, err) < 0) {
			return -1;
		}
		at += n;
		len -= n;
	}
	return 0;
}

kt_sink kt_deflate_sink(kt_deflate *self)
{
	return (kt_sink){deflate_write, self};
}

int kt_deflate_finish(kt_deflate *self, kt_err *err)
{
	return run(self, "", 0, true, err);
}
