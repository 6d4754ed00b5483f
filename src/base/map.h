/*
 * A map from strings to pointers that keeps insertion order. Keys are copied.
 * Values are borrowed unless a destructor is given at start. Not thread-safe.
 */
#ifndef KT_BASE_MAP_H
#define KT_BASE_MAP_H

#include "base/base.h"

typedef struct kt_map_entry {
	char *key; /* NULL = removed */
	void *value;
	uint64_t hash;
} kt_map_entry;

typedef struct kt_map {
	kt_map_entry *entries; /* in insertion order, with holes */
	size_t used;           /* entries incl. holes */
	size_t cap;
	size_t len; /* live entries */
	uint32_t *index;
	size_t index_cap; /* power of two */
	void (*free_value)(void *value);
} kt_map;

#define KT_MAP_INIT {NULL, 0, 0, 0, NULL, 0, NULL}
#define KT_MAP_OWNING(fn) {NULL, 0, 0, 0, NULL, 0, (fn)}
#define KT_AUTO_MAP KT_CLEANUP(kt_map_deinit)

void kt_map_deinit(kt_map *self);
/* Inserts or replaces (freeing the old value if the map owns values). -1 on OOM. */
int kt_map_set(kt_map *self, const char *key, void *value);
void *kt_map_get(const kt_map *self, const char *key); /* NULL when absent */
bool kt_map_has(const kt_map *self, const char *key);
/* Removes and returns the value without freeing it; NULL when absent. */
void *kt_map_take(kt_map *self, const char *key);
void kt_map_clear(kt_map *self);

/* for (kt_map_entry *e = NULL; (e = kt_map_next(&map, e)) != NULL;) … */
kt_map_entry *kt_map_next(const kt_map *self, const kt_map_entry *after);

uint64_t kt_hash_bytes(const void *data, size_t len);

#endif
