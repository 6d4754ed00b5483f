/* Strings and bytes: making, interning, hashing, comparing, quoting. */
#include "starlark/run_internal.h"

#include <stdarg.h>
#include <stdio.h>

kt_str *kt_str_alloc(kt_sthread *t, kt_kind kind, size_t len)
{
	kt_str *s;

	if (len > SIZE_MAX / 4) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	s = kt_heap_obj(t, kind, sizeof(*s) + len + 1);
	if (s != NULL) {
		s->len = len;
		s->data[len] = '\0';
	}
	return s;
}

static kt_val new_copy(kt_sthread *t, kt_kind kind, const void *data, size_t len)
{
	kt_str *s = kt_str_alloc(t, kind, len);

	if (s == NULL) {
		return KT_NULL;
	}
	if (len > 0) {
		memcpy(s->data, data, len);
	}
	return kt_obj_val(s);
}

kt_val kt_string_new(kt_sthread *t, const char *data, size_t len)
{
	if (len == 1) {
		kt_val *cached = &t->star->bytes1[(unsigned char)data[0]];

		if (*cached == KT_NULL) {
			*cached = kt_string_intern(t, data, 1);
		}
		return *cached;
	}
	if (len == 0 && t->star->empty_string != KT_NULL) {
		return t->star->empty_string;
	}
	return new_copy(t, KT_KIND_STRING, data, len);
}

kt_val kt_string_newz(kt_sthread *t, const char *text)
{
	return kt_string_new(t, text, strlen(text));
}

kt_val kt_string_newf(kt_sthread *t, const char *fmt, ...)
{
	va_list args;
	int len;
	kt_str *s;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0) {
		return kt_star_raise(t, "cannot format a string");
	}
	s = kt_str_alloc(t, KT_KIND_STRING, (size_t)len);
	if (s == NULL) {
		return KT_NULL;
	}
	va_start(args, fmt);
	vsnprintf(s->data, (size_t)len + 1, fmt, args);
	va_end(args);
	return kt_obj_val(s);
}

kt_val kt_str_from_buf(kt_sthread *t, const kt_buf *buf)
{
	if (buf->failed) {
		return kt_star_raise_nomem(t);
	}
	return kt_string_new(t, kt_buf_str(buf), buf->len);
}

kt_val kt_bytes_new(kt_sthread *t, const void *data, size_t len)
{
	return new_copy(t, KT_KIND_BYTES, data, len);
}

const char *kt_string_get(kt_val v, size_t *ret_len)
{
	if (!kt_is_str(v)) {
		return NULL;
	}
	if (ret_len != NULL) {
		*ret_len = kt_as_str(v)->len;
	}
	return kt_as_str(v)->data;
}

const char *kt_bytes_get(kt_val v, size_t *ret_len)
{
	if (!kt_is(v, KT_KIND_BYTES)) {
		return NULL;
	}
	if (ret_len != NULL) {
		*ret_len = kt_as_str(v)->len;
	}
	return kt_as_str(v)->data;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_data(const char *data, size_t len)
{
	uint64_t h = UINT64_C(0x9E3779B97F4A7C15) ^ len;
	uint64_t word;

	while (len >= 8) {
		memcpy(&word, data, 8);
		h = mix(h ^ word, UINT64_C(0xA0761D6478BD642F));
		data += 8;
		len -= 8;
	}
	word = 0;
	memcpy(&word, data, len);
	h = mix(h ^ word, UINT64_C(0xE7037ED1A0B428DB));
	return (uint32_t)(h ^ (h >> 32));
}

uint32_t kt_str_hash(kt_str *s)
{
	if ((s->h.flags & KT_HASHED) == 0) {
		s->h.hash = hash_data(s->data, s->len);
		s->h.flags |= KT_HASHED;
	}
	return s->h.hash;
}

bool kt_str_equal(kt_str *a, kt_str *b)
{
	if (a == b) {
		return true;
	}
	if (a->len != b->len || (a->h.flags & b->h.flags & KT_INTERNED) != 0) {
		return false;
	}
	if ((a->h.flags & b->h.flags & KT_HASHED) != 0 && a->h.hash != b->h.hash) {
		return false;
	}
	return memcmp(a->data, b->data, a->len) == 0;
}

int kt_str_compare(const kt_str *a, const kt_str *b)
{
	int order = memcmp(a->data, b->data, KT_MIN(a->len, b->len));

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int intern_grow(kt_sthread *t)
{
	kt_star *star = t->star;
	uint32_t cap = star->interned == NULL ? 512 : (star->interned_mask + 1) * 2;
	kt_str **table = kt_calloc(cap, sizeof(kt_str *));

	if (table == NULL) {
		kt_star_raise_nomem(t);
		return -1;
	}
	for (uint32_t i = 0; star->interned != NULL && i <= star->interned_mask; i++) {
		kt_str *s = star->interned[i];
		uint32_t at;

		if (s == NULL) {
			continue;
		}
		for (at = s->h.hash & (cap - 1); table[at] != NULL; at = (at + 1) & (cap - 1)) {
		}
		table[at] = s;
	}
	kt_free(star->interned);
	star->interned = table;
	star->interned_mask = cap - 1;
	return 0;
}

kt_val kt_string_intern(kt_sthread *t, const char *data, size_t len)
{
	kt_star *star = t->star;
	uint32_t hash = hash_data(data, len);
	uint32_t at;
	kt_str *s;

	if (star->interned == NULL || star->interned_count * 2 > star->interned_mask) {
		if (intern_grow(t) < 0) {
			return KT_NULL;
		}
	}
	for (at = hash & star->interned_mask; (s = star->interned[at]) != NULL;
	     at = (at + 1) & star->interned_mask) {
		if (s->h.hash == hash && s->len == len && memcmp(s->data, data, len) == 0) {
			return kt_obj_val(s);
		}
	}
	s = kt_str_alloc(t, KT_KIND_STRING, len);
	if (s == NULL) {
		return KT_NULL;
	}
	if (len > 0) {
		memcpy(s->data, data, len);
	}
	s->h.hash = hash;
	s->h.flags = KT_INTERNED | KT_HASHED;
	star->interned[at] = s;
	star->interned_count++;
	return kt_obj_val(s);
}

static void quote_rune(kt_buf *out, uint32_t rune, const char *data, size_t width)
{
	static const char escapes[] = "abtnvfr";

	if (rune == '"' || rune == '\\') {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, (char)rune);
	} else if (rune >= 7 && rune <= 13) {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, escapes[rune - 7]);
	} else if (rune < 0x20 || rune == 0x7F) {
		kt_buf_addf(out, "\\x%02x", rune);
	} else if (rune < 0x7F || kt_rune_is_print(rune)) {
		kt_buf_add(out, data, width);
	} else if (rune < 0x10000) {
		kt_buf_addf(out, "\\u%04x", rune);
	} else {
		kt_buf_addf(out, "\\U%08x", rune);
	}
}

void kt_quote(kt_buf *out, const char *data, size_t len, bool bytes)
{
	kt_buf_adds(out, bytes ? "b\"" : "\"");
	while (len > 0) {
		size_t width = 1;
		uint32_t rune = (unsigned char)*data;

		if (rune >= 0x80) {
			rune = kt_utf8_decode(data, len, &width);
		}
		if (rune == KT_RUNE_ERROR && width == 1) {
			kt_buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*data);
		} else {
			quote_rune(out, rune, data, width);
		}
		data += width;
		len -= width;
	}
	kt_buf_addc(out, '"');
}
