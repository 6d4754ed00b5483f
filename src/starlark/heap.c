#include "starlark/run_internal.h"

#define CHUNK_MIN ((size_t)64 << 10)
#define CHUNK_MAX ((size_t)1 << 20)
#define ALIGN_UP(n) (((n) + 15u) & ~(size_t)15u)
#define HEAP_DEFAULT_LIMIT ((size_t)1 << 30)
#define TEXTS_LIMIT ((size_t)64 << 20) /* of messages, even of errors long forgotten */

size_t kt_heap_limit(const kt_star *star)
{
	return star->opt.memory_limit != 0 ? star->opt.memory_limit : HEAP_DEFAULT_LIMIT;
}

static void *chunk_new(kt_star *star, size_t payload)
{
	size_t size = payload + ALIGN_UP(sizeof(kt_heap_chunk));
	size_t limit = kt_heap_limit(star);
	kt_heap_chunk *chunk;

	if (size < payload || size > limit || star->total > limit - size) {
		return NULL;
	}
	chunk = kt_malloc(size);
	if (chunk == NULL) {
		return NULL;
	}
	chunk->next = star->chunks;
	chunk->size = size;
	star->chunks = chunk;
	star->total += size;
	return (char *)chunk + ALIGN_UP(sizeof(kt_heap_chunk));
}

static void *alloc_slow(kt_sthread *t, size_t size)
{
	kt_star *star = t->star;
	size_t want;
	char *data;

	want = star->chunk_size < CHUNK_MIN ? CHUNK_MIN : star->chunk_size;
	if (size > want / 4) { /* one of its own; the current chunk stays in use */
		data = chunk_new(star, size);
		if (data == NULL) {
			kt_star_raise_nomem(t);
		}
		return data;
	}
	data = chunk_new(star, want);
	if (data == NULL) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	star->chunk_size = KT_MIN(want * 2, CHUNK_MAX);
	star->next = data + size;
	star->end = data + want;
	return data;
}

void *kt_heap_alloc(kt_sthread *t, size_t size)
{
	kt_star *star = t->star;
	char *data = star->next;

	if (size > SIZE_MAX / 2) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	size = ALIGN_UP(size);
	if (size <= (size_t)(star->end - data)) {
		star->next = data + size;
		return data;
	}
	return alloc_slow(t, size);
}

void *kt_heap_obj(kt_sthread *t, kt_kind kind, size_t size)
{
	kt_obj *obj = kt_heap_alloc(t, size);

	if (obj != NULL) {
		*obj = (kt_obj){.kind = (uint8_t)kind};
	}
	return obj;
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (((size_t)16 << class) < size) {
		class++;
	}
	return class;
}

void *kt_heap_block(kt_sthread *t, size_t size, size_t *ret_size)
{
	unsigned class;
	kt_free_block *block;

	if (size > (size_t)16 << (KT_BLOCK_CLASSES - 1)) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	class = class_of(size);
	*ret_size = (size_t)16 << class;
	block = t->star->free_blocks[class];
	if (block != NULL) {
		t->star->free_blocks[class] = block->next;
		return block;
	}
	return kt_heap_alloc(t, *ret_size);
}

void kt_heap_release(kt_star *star, void *ptr, size_t size)
{
	kt_free_block *block = ptr;
	unsigned class;

	if (ptr == NULL || size < 16) {
		return;
	}
	class = class_of(size);
	if (class >= KT_BLOCK_CLASSES) {
		return;
	}
	block->next = star->free_blocks[class];
	star->free_blocks[class] = block;
}

void *kt_star_alloc(kt_sthread *t, size_t size)
{
	void *data = kt_heap_alloc(t, size);

	if (data != NULL) {
		memset(data, 0, size);
	}
	return data;
}

static void star_teardown(kt_star *self)
{
	while (self->threads != NULL) {
		kt_sthread_free(self->threads);
	}
	while (self->chunks != NULL) {
		kt_heap_chunk *next = self->chunks->next;

		kt_free(self->chunks);
		self->chunks = next;
	}
	kt_free(self->interned);
	kt_free(self->shapes);
	kt_arena_deinit(&self->texts);
	kt_free(self);
}

void kt_star_free(kt_star *self)
{
	if (self != NULL) {
		star_teardown(self);
	}
}

static int star_setup(kt_star *self, kt_sthread *t)
{
	self->empty_string = kt_string_intern(t, "", 0);
	self->struct_name = kt_string_intern(t, "struct", 6);
	if (self->empty_string == KT_NULL || self->struct_name == KT_NULL) {
		return -1;
	}
	if (kt_methods_init(t) < 0) {
		return -1;
	}
	self->universe = kt_universe_make(t);
	return self->universe == NULL ? -1 : 0;
}

kt_star *kt_star_new(const kt_star_options *options, kt_err *err)
{
	kt_star *self = kt_calloc(1, sizeof(*self));
	kt_sthread *t;

	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (options != NULL) {
		self->opt = *options;
	}
	self->chunk_size = CHUNK_MIN;
	self->texts.limit = TEXTS_LIMIT;
	t = kt_sthread_new(self);
	if (t == NULL || star_setup(self, t) < 0) {
		star_teardown(self);
		kt_err_nomem(err);
		return NULL;
	}
	kt_sthread_free(t);
	return self;
}

void *kt_star_user(const kt_star *self)
{
	return self->opt.user;
}

size_t kt_star_memory(const kt_star *self)
{
	return self->total - (size_t)(self->end - self->next);
}

uint64_t kt_star_steps(const kt_star *self)
{
	uint64_t steps = self->steps;

	for (const kt_sthread *t = self->threads; t != NULL; t = t->next) {
		steps += (uint64_t)(KT_SLICE - t->slice);
	}
	return steps;
}
