/* Structs, modules and attributes. */
#include "starlark/vm_internal.h"

#include "base/str.h"

#include <ctype.h>

const char kt_method_keys[KT_KIND_COUNT];

/* ---- shapes ------------------------------------------------------------------ */

static bool same_shape(const kt_shape *shape, const kt_val *names, uint32_t n, uint32_t hash)
{
	return shape->hash == hash && shape->n == n &&
	       (n == 0 || memcmp(shape->names, names, n * sizeof(kt_val)) == 0);
}

static int shapes_grow(kt_sthread *t)
{
	kt_star *star = t->star;
	uint32_t cap = star->shapes == NULL ? 64 : (star->shapes_mask + 1) * 2;
	kt_shape **table = kt_calloc(cap, sizeof(*table));

	if (table == NULL) {
		kt_star_raise_nomem(t);
		return -1;
	}
	for (uint32_t i = 0; star->shapes != NULL && i <= star->shapes_mask; i++) {
		while (star->shapes[i] != NULL) {
			kt_shape *shape = star->shapes[i];

			star->shapes[i] = shape->next;
			shape->next = table[shape->hash & (cap - 1)];
			table[shape->hash & (cap - 1)] = shape;
		}
	}
	kt_free(star->shapes);
	star->shapes = table;
	star->shapes_mask = cap - 1;
	return 0;
}

kt_shape *kt_shape_get(kt_sthread *t, const kt_val *names, uint32_t n)
{
	kt_star *star = t->star;
	uint32_t hash = n;
	kt_shape *shape;

	for (uint32_t i = 0; i < n; i++) {
		hash = (hash ^ kt_str_hash(kt_as_str(names[i]))) * 0x9E3779B1u;
	}
	hash ^= hash >> 15;
	if (star->shapes == NULL || star->shapes_count > star->shapes_mask) {
		if (shapes_grow(t) < 0) {
			return NULL;
		}
	}
	for (shape = star->shapes[hash & star->shapes_mask]; shape != NULL; shape = shape->next) {
		if (same_shape(shape, names, n, hash)) {
			return shape;
		}
	}
	shape = kt_heap_alloc(t, sizeof(*shape) + n * sizeof(kt_val));
	if (shape == NULL) {
		return NULL;
	}
	shape->n = n;
	shape->hash = hash;
	if (n > 0) {
		memcpy(shape->names, names, n * sizeof(kt_val));
	}
	shape->next = star->shapes[hash & star->shapes_mask];
	star->shapes[hash & star->shapes_mask] = shape;
	star->shapes_count++;
	return shape;
}

/* ---- structs ----------------------------------------------------------------- */

typedef struct field {
	kt_val name, value;
} field;

static int by_name(const void *a, const void *b)
{
	const field *x = a;
	const field *y = b;

	return kt_str_compare(kt_as_str(x->name), kt_as_str(y->name));
}

static kt_val struct_of(kt_sthread *t, kt_val ctor, field *fields, kt_val *names, size_t n)
{
	kt_shape *shape;
	kt_struct *s;

	for (size_t i = 0; i < n; i++) {
		kt_str *name = kt_as_str(fields[i].name);

		if ((name->h.flags & KT_INTERNED) == 0) {
			fields[i].name = kt_string_intern(t, name->data, name->len);
			if (fields[i].name == KT_NULL) {
				return KT_NULL;
			}
		}
	}
	qsort(fields, n, sizeof(*fields), by_name);
	for (size_t i = 0; i < n; i++) {
		names[i] = fields[i].name;
	}
	shape = kt_shape_get(t, names, (uint32_t)n);
	s = kt_heap_obj(t, KT_KIND_STRUCT, sizeof(*s) + n * sizeof(kt_val));
	if (shape == NULL || s == NULL) {
		return KT_NULL;
	}
	s->shape = shape;
	s->ctor = ctor == KT_NULL ? t->star->struct_name : ctor;
	for (size_t i = 0; i < n; i++) {
		s->fields[i] = fields[i].value;
	}
	return kt_obj_val(s);
}

kt_val kt_struct_new(kt_sthread *t, kt_val ctor, const kt_val *names, const kt_val *values,
		     size_t n)
{
	field small[16];
	kt_val small_names[16];
	field *fields = n <= 16 ? small : kt_alloc_array(n, sizeof(field));
	kt_val *sorted = n <= 16 ? small_names : kt_alloc_array(n, sizeof(kt_val));
	kt_val v = KT_NULL;

	if (fields == NULL || sorted == NULL) {
		kt_star_raise_nomem(t);
	} else {
		for (size_t i = 0; i < n; i++) {
			fields[i] = (field){names[i], values[i]};
		}
		v = struct_of(t, ctor, fields, sorted, n);
	}
	if (n > 16) {
		kt_free(fields);
		kt_free(sorted);
	}
	return v;
}

size_t kt_struct_len(kt_val v)
{
	return kt_as_struct(v)->shape->n;
}

kt_val kt_struct_field(kt_val v, size_t i, const char **ret_name)
{
	const kt_struct *s = kt_as_struct(v);

	if (ret_name != NULL) {
		*ret_name = kt_as_str(s->shape->names[i])->data;
	}
	return s->fields[i];
}

/* The number of the field, or -1. Few fields: pointers first, then text. */
static int64_t field_of(const kt_shape *shape, kt_val name)
{
	for (uint32_t i = 0; i < shape->n; i++) {
		if (shape->names[i] == name) {
			return i;
		}
	}
	return -1;
}

kt_val kt_struct_get(kt_val v, const char *name)
{
	const kt_struct *s = kt_as_struct(v);

	if (!kt_is(v, KT_KIND_STRUCT)) {
		return KT_NULL;
	}
	for (uint32_t i = 0; i < s->shape->n; i++) {
		if (strcmp(kt_as_str(s->shape->names[i])->data, name) == 0) {
			return s->fields[i];
		}
	}
	return KT_NULL;
}

kt_val kt_struct_ctor(kt_val v)
{
	return kt_as_struct(v)->ctor;
}

/* ---- modules ----------------------------------------------------------------- */

kt_val kt_module_new(kt_sthread *t, const char *name, kt_val members)
{
	kt_module *m = kt_heap_obj(t, KT_KIND_MODULE, sizeof(*m));

	if (m == NULL) {
		return KT_NULL;
	}
	m->name = kt_string_newz(t, name);
	m->members = kt_as_dict(members);
	kt_val_freeze(t, members);
	return m->name == KT_NULL ? KT_NULL : kt_obj_val(m);
}

kt_val kt_module_members(kt_val v)
{
	return kt_obj_val(kt_as_module(v)->members);
}

kt_val kt_module_get(kt_val v, const char *name)
{
	return kt_is(v, KT_KIND_MODULE) ? kt_dict_gets(kt_module_members(v), name) : KT_NULL;
}

const char *kt_module_name(kt_val v)
{
	return kt_string_get(kt_as_module(v)->name, NULL);
}

static kt_dict_entry *member_of(kt_sthread *t, kt_val module, kt_val name)
{
	bool failed = false;

	return kt_dict_find(t, kt_as_module(module)->members, name, kt_str_hash(kt_as_str(name)),
			    &failed);
}

bool kt_module_replace(kt_val v, const char *name, kt_val value)
{
	kt_dict *members = kt_as_module(v)->members;

	for (uint32_t i = 0; i < members->used; i++) {
		kt_dict_entry *e = &members->entries[i];
		if (e->key != KT_NULL && strcmp(kt_string_get(e->key, NULL), name) == 0) {
			e->value = value;
			return true;
		}
	}
	return false;
}

/* ---- methods of built-in kinds ----------------------------------------------- */

int kt_methods_init(kt_sthread *t)
{
	static const struct {
		kt_kind kind;
		const kt_method_table *table;
	} tables[] = {
		{KT_KIND_STRING, &kt_string_methods}, {KT_KIND_BYTES, &kt_bytes_methods},
		{KT_KIND_LIST, &kt_list_methods},     {KT_KIND_DICT, &kt_dict_methods},
		{KT_KIND_SET, &kt_set_methods},
	};

	for (size_t i = 0; i < KT_ARRAY_LEN(tables); i++) {
		kt_dict *d = kt_dict_alloc(t, KT_KIND_DICT, 0);

		if (d == NULL) {
			return -1;
		}
		t->star->methods[tables[i].kind] = d;
		for (size_t j = 0; j < tables[i].table->n; j++) {
			const kt_builtin_row *row = &tables[i].table->rows[j];
			kt_val method = kt_builtin_new(t, row, NULL);

			if (method == KT_NULL ||
			    kt_dict_sets(t, kt_obj_val(d), row->name, method) < 0) {
				return -1;
			}
		}
	}
	return 0;
}

kt_val kt_method_find(const kt_star *star, kt_kind kind, kt_val name)
{
	bool failed = false;
	kt_dict *d = star->methods[kind];
	const kt_dict_entry *e;

	if (d == NULL) {
		return KT_NULL;
	}
	e = kt_dict_find(NULL, d, name, kt_str_hash(kt_as_str(name)), &failed);
	return e == NULL ? KT_NULL : e->value;
}

kt_val kt_site_find_method(kt_star *star, kt_val of, kt_site *site)
{
	kt_kind kind = kt_val_kind(of);
	kt_val method;

	if (star->methods[kind] == NULL) {
		return KT_NULL;
	}
	method = kt_method_find(star, kind, site->name);
	if (method != KT_NULL) {
		site->key = &kt_method_keys[kind];
		site->method = method;
	}
	return method;
}

/* ---- hints ------------------------------------------------------------------- */

static size_t fold(const char *name, char *out, size_t room)
{
	size_t n = 0;

	for (; *name != '\0' && n + 1 < room; name++) {
		if (*name != '_') {
			out[n++] = (char)tolower((unsigned char)*name);
		}
	}
	out[n] = '\0';
	return n;
}

const char *kt_star_nearest(const char *name, const char *const *candidates, size_t n)
{
	char x[256];
	char y[256];
	size_t best = (fold(name, x, sizeof(x)) + 1) / 2; /* must be better than this */
	const char *found = NULL;

	for (size_t i = 0; i < n && best > 0; i++) {
		size_t distance;

		fold(candidates[i], y, sizeof(y));
		distance = kt_str_distance(x, y, best - 1);
		if (distance < best) {
			best = distance;
			found = candidates[i];
		}
	}
	return found;
}

/* ---- reading attributes ------------------------------------------------------ */

typedef struct name_sink {
	kt_sthread *t;
	kt_list *list;
} name_sink;

static int add_name(void *arg, const char *name)
{
	name_sink *sink = arg;
	kt_val v = kt_string_intern(sink->t, name, strlen(name));

	return v == KT_NULL ? -1 : kt_list_push(sink->t, sink->list, v);
}

int kt_val_attr_names(kt_sthread *t, kt_val v, kt_list *out)
{
	name_sink sink = {t, out};
	const kt_dict *d = t->star->methods[kt_val_kind(v)];
	const kt_host_type *type;

	switch (kt_val_kind(v)) {
	case KT_KIND_STRUCT:
		for (uint32_t i = 0; i < kt_as_struct(v)->shape->n; i++) {
			if (kt_list_push(t, out, kt_as_struct(v)->shape->names[i]) < 0) {
				return -1;
			}
		}
		return 0;
	case KT_KIND_MODULE:
		d = kt_as_module(v)->members;
		break;
	case KT_KIND_HOST:
		type = kt_as_host(v)->type;
		return type->attr_names == NULL
			       ? 0
			       : type->attr_names(t, kt_as_host(v), add_name, &sink);
	default:
		break;
	}
	for (uint32_t i = 0; d != NULL && i < d->used; i++) {
		if (d->entries[i].key != KT_NULL && kt_list_push(t, out, d->entries[i].key) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The message for a missing attribute, with its hint. KT_NULL. */
static kt_val missing(kt_sthread *t, kt_val v, kt_val name, bool with_hint)
{
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;
	kt_val names = kt_list_new(t, NULL, 0);
	const char **texts;
	const char *hint = NULL;
	const char *attr = kt_as_str(name)->data;
	size_t n;

	if (names == KT_NULL || kt_val_attr_names(t, v, kt_as_list(names)) < 0) {
		return KT_NULL;
	}
	n = kt_as_list(names)->len;
	texts = kt_alloc_array(n + 1, sizeof(*texts));
	if (texts == NULL) {
		return kt_star_raise_nomem(t);
	}
	for (size_t i = 0; i < n; i++) {
		texts[i] = kt_as_str(kt_as_list(names)->items[i])->data;
	}
	hint = with_hint ? kt_star_nearest(attr, texts, n) : NULL;
	kt_free(texts);
	if (kt_is(v, KT_KIND_STRUCT)) {
		if (kt_as_struct(v)->ctor == t->star->struct_name) {
			kt_buf_adds(&msg, "struct");
		} else {
			/* the constructor as %s of its value, so that a string is quoted */
			kt_val_repr(t, kt_as_struct(v)->ctor, &msg);
			kt_buf_adds(&msg, " struct");
		}
		kt_buf_addf(&msg, " has no .%s attribute", attr);
	} else if (kt_is(v, KT_KIND_HOST) && kt_as_host(v)->type->like_struct) {
		kt_buf_addf(&msg, "\"%s\" struct has no .%s attribute", kt_val_type_name(v), attr);
	} else {
		kt_buf_addf(&msg, "%s has no .%s field or method", kt_val_type_name(v), attr);
	}
	if (hint != NULL) {
		kt_buf_addf(&msg, " (did you mean .%s?)", hint);
	}
	return kt_star_raise(t, "%s", kt_buf_str(&msg));
}

/* The attribute; KT_NULL without error when it is missing. */
static kt_val find_attr(kt_sthread *t, kt_val v, kt_val name)
{
	kt_val method;
	int64_t i;

	switch (kt_val_kind(v)) {
	case KT_KIND_STRUCT:
		i = field_of(kt_as_struct(v)->shape, name);
		return i < 0 ? KT_NULL : kt_as_struct(v)->fields[i];
	case KT_KIND_MODULE: {
		const kt_dict_entry *e = member_of(t, v, name);

		return e == NULL ? KT_NULL : e->value;
	}
	case KT_KIND_HOST:
		if (kt_as_host(v)->type->get_attr == NULL) {
			return KT_NULL;
		}
		return kt_as_host(v)->type->get_attr(t, kt_as_host(v), name);
	default:
		method = kt_method_find(t->star, kt_val_kind(v), name);
		return method == KT_NULL ? KT_NULL
					 : kt_method_new(t, kt_as_builtin(method)->row, v);
	}
}

kt_val kt_val_get_attr(kt_sthread *t, kt_val v, kt_val name)
{
	kt_val found = find_attr(t, v, name);

	return found != KT_NULL || t->failed ? found : missing(t, v, name, true);
}

kt_val kt_val_attr(kt_sthread *t, kt_val v, const char *name, bool or_null)
{
	kt_val id = kt_string_intern(t, name, strlen(name));
	kt_val found;

	if (id == KT_NULL) {
		return KT_NULL;
	}
	found = find_attr(t, v, id);
	return found != KT_NULL || t->failed || or_null ? found : missing(t, v, id, true);
}

kt_val kt_attr_missing(kt_sthread *t, kt_val v, kt_val name)
{
	return missing(t, v, name, false);
}

kt_val kt_site_attr(kt_sthread *t, kt_val of, kt_site *site)
{
	if (kt_is(of, KT_KIND_STRUCT)) {
		int64_t i = field_of(kt_as_struct(of)->shape, site->name);

		if (i >= 0) {
			site->key = kt_as_struct(of)->shape;
			site->slot = (uint32_t)i;
			return kt_as_struct(of)->fields[i];
		}
	} else if (kt_is(of, KT_KIND_MODULE)) {
		const kt_dict_entry *e = member_of(t, of, site->name);

		if (e != NULL) { /* members are frozen: entries stay where they are */
			site->key = kt_as_module(of)->members;
			site->slot = (uint32_t)(e - kt_as_module(of)->members->entries);
			return e->value;
		}
	}
	return kt_val_get_attr(t, of, site->name);
}

int kt_val_set_attr(kt_sthread *t, kt_val v, kt_val name, kt_val value)
{
	const char *attr = kt_as_str(name)->data;
	const kt_host *host = kt_host_get(v, NULL);

	if (host != NULL && host->type->set_attr != NULL) {
		return host->type->set_attr(t, kt_as_host(v), name, value);
	}
	return kt_star_fail(t, "can't assign to .%s field of %s", attr, kt_val_type_name(v));
}
