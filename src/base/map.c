#include "base/map.h"

#include "base/alloc.h"

#include <string.h>

enum { EMPTY = UINT32_MAX, MIN_INDEX = 16 };

/* FNV-1a with a final mix: short keys, no attacker controls them beyond packages' own names. */
uint64_t kt_hash_bytes(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	}
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

static void free_entries(kt_map *self)
{
	for (size_t i = 0; i < self->used; i++) {
		kt_map_entry *entry = &self->entries[i];
		if (entry->key != NULL && self->free_value != NULL) {
			self->free_value(entry->value);
		}
		kt_free(entry->key);
	}
	self->used = self->len = 0;
}

void kt_map_deinit(kt_map *self)
{
	free_entries(self);
	kt_free(self->entries);
	kt_free(self->index);
	*self = (kt_map)KT_MAP_OWNING(self->free_value);
}

void kt_map_clear(kt_map *self)
{
	free_entries(self);
	for (size_t i = 0; i < self->index_cap; i++) {
		self->index[i] = EMPTY;
	}
}

/* The index slot of key, or of the empty place where it would go. */
static size_t find_slot(const kt_map *self, const char *key, uint64_t hash)
{
	size_t mask = self->index_cap - 1;
	size_t slot = (size_t)hash & mask;
	for (; self->index[slot] != EMPTY; slot = (slot + 1) & mask) {
		const kt_map_entry *entry = &self->entries[self->index[slot]];
		if (entry->key != NULL && entry->hash == hash && strcmp(entry->key, key) == 0) {
			return slot;
		}
	}
	return slot;
}

static kt_map_entry *find(const kt_map *self, const char *key)
{
	if (self->len == 0) {
		return NULL;
	}
	size_t slot = find_slot(self, key, kt_hash_bytes(key, strlen(key)));
	return self->index[slot] == EMPTY ? NULL : &self->entries[self->index[slot]];
}

/* Drops holes and rebuilds the index with room for one more entry. */
static int rebuild(kt_map *self)
{
	size_t cap = MIN_INDEX;
	while (cap < (self->len + 1) * 2) {
		cap *= 2;
	}
	if (cap >= EMPTY) {
		return -1;
	}
	uint32_t *index = kt_alloc_array(cap, sizeof(*index));
	kt_map_entry *entries = kt_alloc_array(cap / 2 + 1, sizeof(*entries));
	if (index == NULL || entries == NULL) {
		kt_free(index);
		kt_free(entries);
		return -1;
	}
	for (size_t i = 0; i < cap; i++) {
		index[i] = EMPTY;
	}
	size_t used = 0;
	for (size_t i = 0; i < self->used; i++) {
		if (self->entries[i].key == NULL) {
			continue;
		}
		size_t slot = (size_t)self->entries[i].hash & (cap - 1);
		while (index[slot] != EMPTY) {
			slot = (slot + 1) & (cap - 1);
		}
		index[slot] = (uint32_t)used;
		entries[used++] = self->entries[i];
	}
	kt_free(self->index);
	kt_free(self->entries);
	self->index = index;
	self->index_cap = cap;
	self->entries = entries;
	self->cap = cap / 2 + 1;
	self->used = used;
	return 0;
}

int kt_map_set(kt_map *self, const char *key, void *value)
{
	kt_map_entry *old = find(self, key);
	if (old != NULL) {
		if (self->free_value != NULL && old->value != value) {
			self->free_value(old->value);
		}
		old->value = value;
		return 0;
	}
	char *copy = kt_strdup(key);
	if (copy == NULL) {
		return -1;
	}
	if ((self->used == self->cap || (self->used + 1) * 2 > self->index_cap) &&
	    rebuild(self) < 0) {
		kt_free(copy);
		return -1;
	}
	uint64_t hash = kt_hash_bytes(key, strlen(key));
	size_t slot = find_slot(self, key, hash);
	self->index[slot] = (uint32_t)self->used;
	self->entries[self->used++] = (kt_map_entry){copy, value, hash};
	self->len++;
	return 0;
}

void *kt_map_get(const kt_map *self, const char *key)
{
	const kt_map_entry *entry = find(self, key);
	return entry != NULL ? entry->value : NULL;
}

bool kt_map_has(const kt_map *self, const char *key)
{
	return find(self, key) != NULL;
}

void *kt_map_take(kt_map *self, const char *key)
{
	kt_map_entry *entry = find(self, key);
	if (entry == NULL) {
		return NULL;
	}
	kt_free(entry->key);
	entry->key = NULL; /* the index keeps pointing at the hole, so that probing goes on */
	self->len--;
	return entry->value;
}

kt_map_entry *kt_map_next(const kt_map *self, const kt_map_entry *after)
{
	size_t i = after == NULL ? 0 : (size_t)(after - self->entries) + 1;
	for (; i < self->used; i++) {
		if (self->entries[i].key != NULL) {
			return &self->entries[i];
		}
	}
	return NULL;
}
