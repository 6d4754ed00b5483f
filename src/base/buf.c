#include "base/buf.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void kt_buf_deinit(kt_buf *self)
{
	kt_free(self->data);
	self->data = NULL;
	self->len = self->cap = 0;
}

void kt_buf_clear(kt_buf *self)
{
	self->len = 0;
	self->failed = false;
	if (self->data != NULL) {
		self->data[0] = '\0';
	}
}

/* Makes room for `extra` bytes and the final NUL. */
static bool grow(kt_buf *self, size_t extra)
{
	size_t need;
	if (self->failed) {
		return false;
	}
	if (__builtin_add_overflow(self->len, extra, &need) || need == SIZE_MAX ||
	    (self->max != 0 && need > self->max)) {
		self->failed = true;
		return false;
	}
	need++;
	if (need <= self->cap) {
		return true;
	}
	size_t cap = self->cap + self->cap / 2;
	cap = KT_MAX(KT_MAX(cap, need), (size_t)64);
	char *data = kt_realloc(self->data, cap);
	if (data == NULL) {
		self->failed = true;
		return false;
	}
	self->data = data;
	self->cap = cap;
	return true;
}

void kt_buf_add(kt_buf *self, const void *data, size_t len)
{
	if (!grow(self, len)) {
		return;
	}
	if (len != 0) {
		memcpy(self->data + self->len, data, len);
	}
	self->len += len;
	self->data[self->len] = '\0';
}

void kt_buf_adds(kt_buf *self, const char *text)
{
	kt_buf_add(self, text, strlen(text));
}

void kt_buf_addc(kt_buf *self, char c)
{
	kt_buf_add(self, &c, 1);
}

void kt_buf_addf(kt_buf *self, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len >= 0 && grow(self, (size_t)len)) {
		vsnprintf(self->data + self->len, (size_t)len + 1, fmt, again);
		self->len += (size_t)len;
	}
	va_end(again);
}

char *kt_buf_reserve(kt_buf *self, size_t len)
{
	return grow(self, len) ? self->data + self->len : NULL;
}

void kt_buf_consume(kt_buf *self, size_t len)
{
	KT_ASSERT(len <= self->len);
	if (len == 0) {
		return;
	}
	memmove(self->data, self->data + len, self->len - len);
	self->len -= len;
	self->data[self->len] = '\0';
}

const char *kt_buf_str(const kt_buf *self)
{
	return self->len != 0 ? self->data : "";
}

char *kt_buf_take(kt_buf *self)
{
	if (self->failed || !grow(self, 0)) {
		kt_buf_deinit(self);
		self->failed = false;
		return NULL;
	}
	self->data[self->len] = '\0';
	char *data = self->data;
	self->data = NULL;
	self->len = self->cap = 0;
	return data;
}

int kt_buf_check(const kt_buf *self, kt_err *err)
{
	if (!self->failed) {
		return 0;
	}
	if (self->max != 0) {
		return KT_FAIL(err, EXHAUSTED, "more than %zu bytes", self->max);
	}
	return kt_err_nomem(err);
}
