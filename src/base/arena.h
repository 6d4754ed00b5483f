/*
 * An arena: memory with one lifetime, given back in one call. Chunks grow from 4 KiB
 * to 256 KiB; larger requests get a chunk of their own. Not thread-safe.
 */
#ifndef KT_BASE_ARENA_H
#define KT_BASE_ARENA_H

#include "base/base.h"

#include <stdarg.h>

typedef struct kt_arena_chunk kt_arena_chunk;

typedef struct kt_arena {
	kt_arena_chunk *chunks;
	char *next;
	char *end;
	size_t total; /* bytes taken from the heap */
	size_t limit; /* 0 = none; past it allocation fails */
} kt_arena;

#define KT_ARENA_INIT {NULL, NULL, NULL, 0, 0}
#define KT_AUTO_ARENA KT_CLEANUP(kt_arena_deinit)

void kt_arena_deinit(kt_arena *self);

/* 16-byte aligned, zero-filled; NULL when memory is short or the limit is reached. */
void *kt_arena_alloc(kt_arena *self, size_t size);
char *kt_arena_strdup(kt_arena *self, const char *text); /* NULL stays NULL */
char *kt_arena_strndup(kt_arena *self, const char *text, size_t len);
char *kt_arena_printf(kt_arena *self, const char *fmt, ...) KT_PRINTF(2, 3);

#define KT_ARENA_NEW(arena, type) ((type *)kt_arena_alloc((arena), sizeof(type)))
#define KT_ARENA_ARRAY(arena, type, count)                                                         \
	((type *)kt_arena_alloc((arena), kt_arena_product((count), sizeof(type))))

/* a*b, or SIZE_MAX on overflow (which no arena can give). */
size_t kt_arena_product(size_t a, size_t b);

#endif
