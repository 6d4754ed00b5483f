/* Values of the types that Kurtosis adds: immutable records that print as their call. */
#include "plan/plan_internal.h"

#include "base/str.h"

#include <string.h>

const char *ktype_go_name(ktype_id id)
{
	static const char *const names[] = {
#define KTYPE_GO(upper, type_name, go) [KTYPE_##upper] = (go),
		KTYPE_TABLE(KTYPE_GO)
#undef KTYPE_GO
	};
	return names[id];
}

static const param *ktype_param(const ktype *self, size_t i)
{
	const signature *sig = &ktype_rows[self->id];
	return i < sig->n ? &sig->params[i] : &description_param;
}

static size_t ktype_slots(const ktype *self)
{
	return ktype_rows[self->id].n + 1;
}

static int ktype_repr(kt_sthread *t, kt_host *host, kt_buf *out)
{
	const ktype *self = (const ktype *)host;
	return canon_add_call(t, &ktype_rows[self->id], self->v, out);
}

static int ktype_hash(kt_sthread *t, kt_host *host, uint32_t *ret)
{
	const ktype *self = (const ktype *)host;
	uint32_t hash = 2166136261u + (uint32_t)self->id;
	for (size_t i = 0; i < ktype_slots(self); i++) {
		uint32_t part = 0;
		if (self->v[i] != KT_NULL && kt_val_hash(t, self->v[i], &part) < 0) {
			return -1;
		}
		hash = (hash ^ part) * 16777619u;
	}
	*ret = hash;
	return 0;
}

static int ktype_equal(kt_sthread *t, kt_host *a_host, kt_host *b_host, bool *ret)
{
	const ktype *a = (const ktype *)a_host;
	const ktype *b = (const ktype *)b_host;
	*ret = false;
	for (size_t i = 0; i < ktype_slots(a); i++) {
		if ((a->v[i] == KT_NULL) != (b->v[i] == KT_NULL)) {
			return 0;
		}
		bool same = true;
		if (a->v[i] != KT_NULL && kt_val_equal(t, a->v[i], b->v[i], &same) < 0) {
			return -1;
		}
		if (!same) {
			return 0;
		}
	}
	*ret = true;
	return 0;
}

static kt_val ktype_get_attr(kt_sthread *t, kt_host *host, kt_val name)
{
	(void)t;
	return ktype_get((const ktype *)host, kt_string_get(name, NULL));
}

static int ktype_attr_names(kt_sthread *t, kt_host *host, int (*add)(void *arg, const char *name),
			    void *arg)
{
	(void)t;
	const ktype *self = (const ktype *)host;
	for (size_t i = 0; i < ktype_slots(self); i++) {
		if (self->v[i] != KT_NULL && add(arg, ktype_param(self, i)->name) < 0) {
			return -1;
		}
	}
	return 0;
}

static void ktype_freeze(kt_sthread *t, kt_host *host)
{
	const ktype *self = (const ktype *)host;
	for (size_t i = 0; i < ktype_slots(self); i++) {
		if (self->v[i] != KT_NULL) {
			kt_val_freeze(t, self->v[i]);
		}
	}
}

static const kt_host_type host_types[KTYPE_COUNT] = {
#define KTYPE_HOST(upper, type_name, go)                                                           \
	[KTYPE_##upper] = {.name = #type_name,                                                     \
			   .like_struct = true,                                                    \
			   .repr = ktype_repr,                                                     \
			   .hash = ktype_hash,                                                     \
			   .equal = ktype_equal,                                                   \
			   .get_attr = ktype_get_attr,                                             \
			   .attr_names = ktype_attr_names,                                         \
			   .freeze = ktype_freeze},
	KTYPE_TABLE(KTYPE_HOST)
#undef KTYPE_HOST
};

ktype *ktype_new(kt_sthread *t, ktype_id id)
{
	ktype *self = (ktype *)kt_host_new(
		t, &host_types[id],
		offsetof(ktype, v) + (ktype_rows[id].n + 1) * sizeof(kt_val));
	if (self != NULL) {
		self->id = id;
	}
	return self;
}

ktype *ktype_of(kt_val v, ktype_id id)
{
	return (ktype *)kt_host_get(v, &host_types[id]);
}

ktype *ktype_any(kt_val v)
{
	kt_host *host = kt_host_get(v, NULL);
	bool ours = host != NULL && host->type >= &host_types[0] &&
		    host->type < &host_types[KTYPE_COUNT];
	return ours ? (ktype *)host : NULL;
}

kt_val ktype_get(const ktype *self, const char *name)
{
	for (size_t i = 0; i < ktype_slots(self); i++) {
		if (kt_str_eq(ktype_param(self, i)->name, name)) {
			return self->v[i];
		}
	}
	return KT_NULL;
}

void ktype_set(ktype *self, const char *name, kt_val v)
{
	for (size_t i = 0; i < ktype_slots(self); i++) {
		if (kt_str_eq(ktype_param(self, i)->name, name)) {
			self->v[i] = v;
			return;
		}
	}
	KT_BUG("no such attribute");
}

static kt_val construct(kt_sthread *t, const kt_args *a)
{
	ktype_id id = (ktype_id)(uintptr_t)a->user;
	ktype *self = ktype_new(t, id);
	if (self == NULL || args_bind(t, &ktype_rows[id], a, self->v) < 0) {
		return KT_NULL;
	}
	return kt_host_val(&self->host);
}

static const kt_builtin_row constructor_rows[KTYPE_COUNT] = {
#define KTYPE_BUILTIN(upper, type_name, go)                                                        \
	[KTYPE_##upper] = {.name = #type_name, .style = KT_ARGS_RAW, .fn = construct},
	KTYPE_TABLE(KTYPE_BUILTIN)
#undef KTYPE_BUILTIN
};

kt_val ktype_constructor(kt_sthread *t, ktype_id id)
{
	return kt_builtin_new(t, &constructor_rows[id], (void *)(uintptr_t)id);
}
