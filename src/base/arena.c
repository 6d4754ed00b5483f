#include "base/arena.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

struct kt_arena_chunk {
	kt_arena_chunk *next;
	_Alignas(16) char data[];
};

enum {
	CHUNK_MIN = 4096,
	CHUNK_MAX = 256 * 1024,
	ALIGNMENT = 16,
};

void kt_arena_deinit(kt_arena *self)
{
	kt_arena_chunk *chunk = self->chunks;
	while (chunk != NULL) {
		kt_arena_chunk *next = chunk->next;
		kt_free(chunk);
		chunk = next;
	}
	size_t limit = self->limit;
	*self = (kt_arena)KT_ARENA_INIT;
	self->limit = limit;
}

/* A new chunk of `size` payload bytes, linked in; NULL past the limit or without memory. */
static kt_arena_chunk *add_chunk(kt_arena *self, size_t size)
{
	size_t bytes = sizeof(kt_arena_chunk) + size;
	if (self->limit != 0 && (bytes > self->limit || self->total > self->limit - bytes)) {
		return NULL;
	}
	kt_arena_chunk *chunk = kt_malloc(bytes);
	if (chunk == NULL) {
		return NULL;
	}
	chunk->next = self->chunks;
	self->chunks = chunk;
	self->total += bytes;
	return chunk;
}

void *kt_arena_alloc(kt_arena *self, size_t size)
{
	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	size = (KT_MAX(size, (size_t)1) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (size > (size_t)(self->end - self->next)) {
		if (size > CHUNK_MAX / 4) {
			kt_arena_chunk *own = add_chunk(self, size);
			return own != NULL ? memset(own->data, 0, size) : NULL;
		}
		size_t want = KT_MIN(KT_MAX(self->total, (size_t)CHUNK_MIN), (size_t)CHUNK_MAX);
		want = KT_MAX(want, size);
		kt_arena_chunk *chunk = add_chunk(self, want);
		if (chunk == NULL) {
			return NULL;
		}
		self->next = chunk->data;
		self->end = chunk->data + want;
	}
	void *result = self->next;
	self->next += size;
	return memset(result, 0, size);
}

char *kt_arena_strndup(kt_arena *self, const char *text, size_t len)
{
	char *copy = kt_arena_alloc(self, len + 1);
	if (copy != NULL && len != 0) {
		memcpy(copy, text, len);
	}
	return copy;
}

char *kt_arena_strdup(kt_arena *self, const char *text)
{
	return text != NULL ? kt_arena_strndup(self, text, strlen(text)) : NULL;
}

char *kt_arena_printf(kt_arena *self, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *text = len < 0 ? NULL : kt_arena_alloc(self, (size_t)len + 1);
	if (text != NULL) {
		vsnprintf(text, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	return text;
}

size_t kt_arena_product(size_t a, size_t b)
{
	size_t product;
	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}
