/*
 * Dicts and sets: entries in insertion order with holes, and beside them an index of entry
 * numbers, open addressing, only when there are more than 8 entries.
 */
#include "starlark/vm_internal.h"

#define NO_INDEX_MAX 8

kt_dict *kt_dict_alloc(kt_sthread *t, kt_kind kind, size_t expected)
{
	kt_dict *d = kt_heap_obj(t, kind, sizeof(*d));

	if (d == NULL) {
		return NULL;
	}
	memset((char *)d + sizeof(kt_obj), 0, sizeof(*d) - sizeof(kt_obj));
	if (expected > 0 && expected <= NO_INDEX_MAX) {
		size_t size;

		d->entries = kt_heap_block(t, expected * sizeof(kt_dict_entry), &size);
		if (d->entries == NULL) {
			return NULL;
		}
		d->cap = (uint32_t)(size / sizeof(kt_dict_entry));
	}
	return d;
}

kt_val kt_dict_new(kt_sthread *t, size_t expected)
{
	kt_dict *d = kt_dict_alloc(t, KT_KIND_DICT, expected);

	return d == NULL ? KT_NULL : kt_obj_val(d);
}

kt_val kt_set_new(kt_sthread *t)
{
	kt_dict *d = kt_dict_alloc(t, KT_KIND_SET, 0);

	return d == NULL ? KT_NULL : kt_obj_val(d);
}

int kt_dict_check_mutable(kt_sthread *t, kt_dict *d, const char *verb)
{
	if ((d->h.flags & KT_FROZEN) != 0) {
		return kt_star_fail(t, "cannot %s frozen hash table", verb);
	}
	if (d->h.hash > 0) {
		return kt_star_fail(t, "cannot %s hash table during iteration", verb);
	}
	return 0;
}

/* Equality of keys whose hashes agree. */
static bool same_key(kt_sthread *t, kt_val a, kt_val b, bool *failed)
{
	bool equal = false;

	if (a == b) {
		return true;
	}
	if (kt_is_str(a) && kt_is_str(b)) {
		return kt_str_equal(kt_as_str(a), kt_as_str(b));
	}
	if (kt_val_equal(t, a, b, &equal) < 0) {
		*failed = true;
		return false;
	}
	return equal;
}

kt_dict_entry *kt_dict_find(kt_sthread *t, kt_dict *d, kt_val key, uint32_t hash, bool *failed)
{
	if (d->index == NULL) {
		for (uint32_t i = d->first; i < d->used; i++) {
			kt_dict_entry *e = &d->entries[i];

			if (e->hash == hash && e->key != KT_NULL &&
			    same_key(t, e->key, key, failed)) {
				return e;
			}
			if (*failed) {
				return NULL;
			}
		}
		return NULL;
	}
	for (uint32_t at = hash & d->mask;; at = (at + 1) & d->mask) {
		kt_dict_entry *e;

		if (d->index[at] == 0) {
			return NULL;
		}
		e = &d->entries[d->index[at] - 1];
		if (e->hash == hash && e->key != KT_NULL && same_key(t, e->key, key, failed)) {
			return e;
		}
		if (*failed) {
			return NULL;
		}
	}
}

static void index_entry(kt_dict *d, uint32_t number)
{
	uint32_t at = (uint32_t)d->entries[number].hash & d->mask;

	while (d->index[at] != 0) {
		at = (at + 1) & d->mask;
	}
	d->index[at] = number + 1;
}

static size_t index_bytes(const kt_dict *d)
{
	return d->index == NULL ? 0 : ((size_t)d->mask + 1) * sizeof(uint32_t);
}

static void compact(kt_dict *d, kt_dict_entry *to)
{
	uint32_t n = 0;

	for (uint32_t i = d->first; i < d->used; i++) {
		if (d->entries[i].key != KT_NULL) {
			to[n++] = d->entries[i];
		}
	}
	d->used = n;
	d->first = 0;
}

/* Room for one more entry: closes holes, or grows entries and index. */
static int make_room(kt_sthread *t, kt_dict *d)
{
	uint32_t want = d->len >= d->cap / 2 ? (d->cap == 0 ? 4 : d->cap * 2) : d->cap;
	size_t size = (size_t)d->cap * sizeof(kt_dict_entry);
	kt_dict_entry *entries = d->entries;
	uint32_t *index = NULL;
	uint32_t slots = 16;
	size_t index_size = 0;

	if (d->len > UINT32_MAX / 4) {
		kt_star_raise_nomem(t);
		return -1;
	}
	if (want > d->cap) {
		entries = kt_heap_block(t, (size_t)want * sizeof(kt_dict_entry), &size);
		if (entries == NULL) {
			return -1;
		}
		want = (uint32_t)(size / sizeof(kt_dict_entry));
	}
	while (slots < want * 4 / 3) {
		slots *= 2;
	}
	if (want > NO_INDEX_MAX && (d->index == NULL || slots != d->mask + 1)) {
		index = kt_heap_block(t, slots * sizeof(uint32_t), &index_size);
		if (index == NULL) {
			return -1;
		}
		kt_heap_release(t->star, d->index, index_bytes(d));
		d->index = index;
		d->mask = slots - 1;
	}
	compact(d, entries);
	if (entries != d->entries) {
		kt_heap_release(t->star, d->entries, (size_t)d->cap * sizeof(kt_dict_entry));
		d->entries = entries;
		d->cap = want;
	}
	if (d->index != NULL) {
		memset(d->index, 0, index_bytes(d));
		for (uint32_t i = 0; i < d->used; i++) {
			index_entry(d, i);
		}
	}
	return 0;
}

static int insert(kt_sthread *t, kt_dict *d, kt_val key, kt_val value, uint32_t hash)
{
	if (d->used == d->cap && make_room(t, d) < 0) {
		return -1;
	}
	d->entries[d->used] = (kt_dict_entry){key, value, hash};
	if (d->index != NULL) {
		index_entry(d, d->used);
	}
	d->used++;
	d->len++;
	return 0;
}

static int put(kt_sthread *t, kt_dict *d, kt_val key, kt_val value, bool only_new)
{
	bool failed = false;
	kt_dict_entry *e;
	uint32_t hash;

	if (kt_dict_check_mutable(t, d, "insert into") < 0 || kt_val_hash(t, key, &hash) < 0) {
		return -1;
	}
	e = kt_dict_find(t, d, key, hash, &failed);
	if (failed) {
		return -1;
	}
	if (e == NULL) {
		return insert(t, d, key, value, hash);
	}
	if (only_new) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

		if (kt_val_repr(t, key, &text) < 0) {
			return -1;
		}
		return kt_star_fail(t, "duplicate key: %s", kt_buf_str(&text));
	}
	e->value = value;
	return 0;
}

int kt_dict_put(kt_sthread *t, kt_dict *d, kt_val key, kt_val value)
{
	return put(t, d, key, value, false);
}

int kt_dict_put_new(kt_sthread *t, kt_dict *d, kt_val key, kt_val value)
{
	return put(t, d, key, value, true);
}

int kt_dict_set(kt_sthread *t, kt_val dict, kt_val key, kt_val value)
{
	return put(t, kt_as_dict(dict), key, value, false);
}

int kt_dict_sets(kt_sthread *t, kt_val dict, const char *key, kt_val value)
{
	kt_val name = kt_string_intern(t, key, strlen(key));

	return name == KT_NULL ? -1 : kt_dict_set(t, dict, name, value);
}

int kt_set_add(kt_sthread *t, kt_val set, kt_val item)
{
	return put(t, kt_as_dict(set), item, KT_NONE, false);
}

int kt_dict_get(kt_sthread *t, kt_val dict, kt_val key, kt_val *ret)
{
	kt_dict *d = kt_as_dict(dict);
	bool failed = false;
	kt_dict_entry *e;
	uint32_t hash;

	if (kt_val_hash(t, key, &hash) < 0) {
		return -1;
	}
	e = kt_dict_find(t, d, key, hash, &failed);
	if (failed) {
		return -1;
	}
	*ret = e == NULL ? KT_NULL : e->value;
	return 0;
}

kt_val kt_dict_gets(kt_val dict, const char *key)
{
	const kt_dict *d = kt_as_dict(dict);
	size_t len = strlen(key);

	if (!kt_is(dict, KT_KIND_DICT)) {
		return KT_NULL;
	}
	for (uint32_t i = d->first; i < d->used; i++) {
		kt_val k = d->entries[i].key;

		if (kt_is_str(k) && kt_as_str(k)->len == len &&
		    memcmp(kt_as_str(k)->data, key, len) == 0) {
			return d->entries[i].value;
		}
	}
	return KT_NULL;
}

int kt_dict_remove(kt_sthread *t, kt_dict *d, kt_val key, kt_val *ret)
{
	bool failed = false;
	kt_dict_entry *e;
	uint32_t hash;

	if (kt_dict_check_mutable(t, d, "delete from") < 0) {
		return -1;
	}
	if (d->entries == NULL) { /* never filled: as in the reference any key will do */
		*ret = KT_NULL;
		return 0;
	}
	if (kt_val_hash(t, key, &hash) < 0) {
		return -1;
	}
	e = kt_dict_find(t, d, key, hash, &failed);
	if (failed) {
		return -1;
	}
	*ret = KT_NULL;
	if (e != NULL) {
		*ret = e->value;
		e->key = KT_NULL; /* its index slot stays, as a step to those behind it */
		e->value = KT_NULL;
		d->len--;
		while (d->first < d->used && d->entries[d->first].key == KT_NULL) {
			d->first++;
		}
	}
	return 0;
}

int kt_dict_clear(kt_sthread *t, kt_dict *d)
{
	if (kt_dict_check_mutable(t, d, "clear") < 0) {
		return -1;
	}
	d->used = d->len = d->first = 0;
	if (d->index != NULL) {
		memset(d->index, 0, index_bytes(d));
	}
	return 0;
}

kt_dict_entry *kt_dict_first(kt_dict *d)
{
	return d->len == 0 ? NULL : &d->entries[d->first];
}

bool kt_dict_next(kt_val dict, size_t *at, kt_val *ret_key, kt_val *ret_value)
{
	const kt_dict *d = kt_as_dict(dict);

	while (*at < d->used) {
		const kt_dict_entry *e = &d->entries[(*at)++];

		if (e->key != KT_NULL) {
			*ret_key = e->key;
			*ret_value = e->value;
			return true;
		}
	}
	return false;
}
