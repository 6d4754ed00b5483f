#include "image/pipe.h"

#include "base/alloc.h"

#include <pthread.h>
#include <string.h>

struct kt_pipe {
	pthread_mutex_t lock;
	pthread_cond_t readable;
	pthread_cond_t writable;
	char *ring;
	size_t capacity;
	size_t head; /* next byte to read */
	size_t len;
	bool write_closed;
	bool write_failed;
	bool read_closed;
};

kt_pipe *kt_pipe_new(size_t capacity, kt_err *err)
{
	kt_pipe *self = kt_calloc(1, sizeof(*self));
	char *ring = kt_malloc(capacity);
	if (self == NULL || ring == NULL) {
		kt_free(self);
		kt_free(ring);
		kt_err_nomem(err);
		return NULL;
	}
	self->ring = ring;
	self->capacity = capacity;
	pthread_mutex_init(&self->lock, NULL);
	pthread_cond_init(&self->readable, NULL);
	pthread_cond_init(&self->writable, NULL);
	return self;
}

void kt_pipe_free(kt_pipe *self)
{
	if (self == NULL) {
		return;
	}
	pthread_cond_destroy(&self->readable);
	pthread_cond_destroy(&self->writable);
	pthread_mutex_destroy(&self->lock);
	kt_free(self->ring);
	kt_free(self);
}

/* The copy happens outside of the lock: each side owns its part of the ring. */
static int pipe_write(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_pipe *self = ctx;
	const char *at = data;
	while (len > 0) {
		pthread_mutex_lock(&self->lock);
		while (self->len == self->capacity && !self->read_closed) {
			pthread_cond_wait(&self->writable, &self->lock);
		}
		bool closed = self->read_closed;
		size_t tail = (self->head + self->len) % self->capacity;
		size_t room = KT_MIN(self->capacity - self->len, self->capacity - tail);
		pthread_mutex_unlock(&self->lock);
		if (closed) {
			return KT_FAIL(err, CANCELLED, "nobody reads the stream any more");
		}
		size_t n = KT_MIN(room, len);
		memcpy(self->ring + tail, at, n);
		pthread_mutex_lock(&self->lock);
		self->len += n;
		pthread_cond_signal(&self->readable);
		pthread_mutex_unlock(&self->lock);
		at += n;
		len -= n;
	}
	return 0;
}

static ssize_t pipe_read(void *ctx, void *buf, size_t cap, kt_err *err)
{
	kt_pipe *self = ctx;
	pthread_mutex_lock(&self->lock);
	while (self->len == 0 && !self->write_closed) {
		pthread_cond_wait(&self->readable, &self->lock);
	}
	size_t n = KT_MIN(cap, KT_MIN(self->len, self->capacity - self->head));
	bool failed = self->write_failed;
	size_t head = self->head;
	pthread_mutex_unlock(&self->lock);
	if (failed) {
		return KT_FAIL(err, IO, "the stream broke off");
	}
	if (n == 0) {
		return 0;
	}
	memcpy(buf, self->ring + head, n);
	pthread_mutex_lock(&self->lock);
	self->head = (head + n) % self->capacity;
	self->len -= n;
	pthread_cond_signal(&self->writable);
	pthread_mutex_unlock(&self->lock);
	return (ssize_t)n;
}

kt_sink kt_pipe_sink(kt_pipe *self)
{
	return (kt_sink){pipe_write, self};
}

kt_source kt_pipe_source(kt_pipe *self)
{
	return (kt_source){pipe_read, self};
}

void kt_pipe_close_write(kt_pipe *self, bool failed)
{
	pthread_mutex_lock(&self->lock);
	self->write_closed = true;
	self->write_failed = self->write_failed || failed;
	pthread_cond_broadcast(&self->readable);
	pthread_mutex_unlock(&self->lock);
}

void kt_pipe_close_read(kt_pipe *self)
{
	pthread_mutex_lock(&self->lock);
	self->read_closed = true;
	pthread_cond_broadcast(&self->writable);
	pthread_mutex_unlock(&self->lock);
}
