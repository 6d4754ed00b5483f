#include "hosts.h"

#include <string.h>

/* ---- hasfields --------------------------------------------------------------- */

typedef struct fields {
	kt_host base;
	kt_val attrs; /* dict */
	bool frozen;
} fields;

static kt_val fields_get(kt_sthread *t, kt_host *self, kt_val name)
{
	kt_val found = KT_NULL;

	return kt_dict_get(t, ((fields *)self)->attrs, name, &found) < 0 ? KT_NULL : found;
}

static int fields_set(kt_sthread *t, kt_host *self, kt_val name, kt_val value)
{
	fields *f = (fields *)self;
	const char *text = kt_string_get(name, NULL);

	if (f->frozen) {
		return kt_star_fail(t, "cannot set field on a frozen hasfields");
	}
	if (strncmp(text, "no", 2) == 0) {
		return kt_star_fail(t, "no .%s field", text);
	}
	return kt_dict_set(t, f->attrs, name, value);
}

static int fields_names(kt_sthread *t, kt_host *self, int (*add)(void *, const char *), void *arg)
{
	kt_val key;
	kt_val value;

	(void)t;
	for (size_t at = 0; kt_dict_next(((fields *)self)->attrs, &at, &key, &value);) {
		if (add(arg, kt_string_get(key, NULL)) < 0) {
			return -1;
		}
	}
	return 0;
}

static kt_val fields_binary(kt_sthread *t, const char *op, kt_host *self, kt_val other,
			    bool self_is_left)
{
	(void)t;
	(void)self;
	if (strcmp(op, "+") == 0 && !self_is_left && kt_val_kind(other) == KT_KIND_LIST) {
		return kt_int_new(t, 42);
	}
	return KT_NULL;
}

static void fields_freeze(kt_sthread *t, kt_host *self)
{
	((fields *)self)->frozen = true;
	kt_val_freeze(t, ((fields *)self)->attrs);
}

static const kt_host_type fields_type = {
	.name = "hasfields",
	.get_attr = fields_get,
	.set_attr = fields_set,
	.attr_names = fields_names,
	.binary = fields_binary,
	.freeze = fields_freeze,
};

static kt_val hasfields(kt_sthread *t, const kt_args *a)
{
	fields *self = (fields *)kt_host_new(t, &fields_type, sizeof(*self));

	(void)a;
	if (self == NULL) {
		return KT_NULL;
	}
	self->attrs = kt_dict_new(t, 4);
	return self->attrs == KT_NULL ? KT_NULL : kt_host_val(&self->base);
}

/* ---- fibonacci --------------------------------------------------------------- */

static int fibonacci_next(kt_sthread *t, kt_host *self, size_t *at, kt_val *ret)
{
	uint64_t x = 0;
	uint64_t y = 1;

	(void)self;
	for (size_t i = 0; i < *at; i++) {
		uint64_t sum = x + y;

		x = y;
		y = sum;
	}
	++*at;
	*ret = kt_int_new_u64(t, x);
	return *ret == KT_NULL ? -1 : 1;
}

static const kt_host_type fibonacci_type = {.name = "fibonacci", .next = fibonacci_next};

/* ---- gensym ------------------------------------------------------------------ */

typedef struct symbol {
	kt_host base;
	kt_val name;
} symbol;

static int symbol_repr(kt_sthread *t, kt_host *self, kt_buf *out)
{
	return kt_val_str(t, ((symbol *)self)->name, out);
}

static int symbol_hash(kt_sthread *t, kt_host *self, uint32_t *ret)
{
	return kt_val_hash(t, ((symbol *)self)->name, ret);
}

static kt_val symbol_call(kt_sthread *t, kt_host *self, const kt_args *a)
{
	kt_val names[64];
	kt_val values[64];

	if (a->npos > 0) {
		return kt_star_raise(t, "%s: unexpected positional arguments",
				     kt_string_get(((symbol *)self)->name, NULL));
	}
	if (a->nkw > 64) {
		return kt_star_raise(t, "gensym: more than 64 fields are not supported");
	}
	for (size_t i = 0; i < a->nkw; i++) {
		names[i] = a->kw[2 * i];
		values[i] = a->kw[2 * i + 1];
	}
	return kt_struct_new(t, kt_host_val(self), names, values, a->nkw);
}

static const kt_host_type symbol_type = {
	.name = "symbol",
	.repr = symbol_repr,
	.hash = symbol_hash,
	.call = symbol_call,
};

static kt_val gensym(kt_sthread *t, const kt_args *a)
{
	symbol *self = (symbol *)kt_host_new(t, &symbol_type, sizeof(*self));

	if (self == NULL) {
		return KT_NULL;
	}
	self->name = a->v[0];
	return kt_host_val(&self->base);
}

int conformance_hosts(kt_sthread *t, kt_val dict)
{
	static const kt_param name[] = {{"name", KT_ARG_STRING, false, false}};
	static const kt_builtin_row rows[] = {
		{"hasfields", KT_ARGS_POS, NULL, 0, hasfields},
		{"gensym", KT_ARGS_NAMED, name, 1, gensym},
	};
	kt_host *fib = kt_host_new(t, &fibonacci_type, sizeof(*fib));

	if (fib == NULL || kt_dict_sets(t, dict, "fibonacci", kt_host_val(fib)) < 0) {
		return -1;
	}
	for (size_t i = 0; i < 2; i++) {
		kt_val fn = kt_builtin_new(t, &rows[i], NULL);

		if (fn == KT_NULL || kt_dict_sets(t, dict, rows[i].name, fn) < 0) {
			return -1;
		}
	}
	return 0;
}
