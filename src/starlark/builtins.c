/* The universe: names that every program sees. */
#include "starlark/builtins_internal.h"

#include <stdio.h>

static kt_val builtin_abs(kt_sthread *t, const kt_args *a)
{
	kt_val v = a->v[0];
	double d;

	if (kt_is(v, KT_KIND_FLOAT)) {
		d = kt_as_float(v)->d;
		return kt_float_new(t, d < 0 ? -d : d == 0 ? 0 : d);
	}
	if (kt_is_anyint(v)) {
		bool negative = false;

		if (kt_val_compare(t, KT_CMP_LT, v, kt_small_val(0), &negative) < 0) {
			return KT_NULL;
		}
		return negative ? kt_val_unary(t, '-', v) : v;
	}
	return kt_star_raise(t, "got %s, want int or float", kt_val_type_name(v));
}

/* Bytewise order, for the names of an object. */
static int by_text(const void *a, const void *b)
{
	return kt_str_compare(kt_as_str(*(const kt_val *)a), kt_as_str(*(const kt_val *)b));
}

static kt_val builtin_dir(kt_sthread *t, const kt_args *a)
{
	kt_val names;

	if (kt_exactly_one(t, a, "1") < 0) {
		return KT_NULL;
	}
	names = kt_list_new(t, NULL, 0);
	if (names == KT_NULL || kt_val_attr_names(t, a->pos[0], kt_as_list(names)) < 0) {
		return KT_NULL;
	}
	if (kt_as_list(names)->len > 0) {
		qsort(kt_as_list(names)->items, kt_as_list(names)->len, sizeof(kt_val), by_text);
	}
	return names;
}

/* Strings as they are, all else (bytes too) as a literal. */
static int str_or_repr(kt_sthread *t, kt_val v, kt_buf *out)
{
	return kt_is_str(v) ? kt_val_str(t, v, out) : kt_val_repr(t, v, out);
}

/* The arguments as print and fail show them, between separators. */
/* What print writes: bytes as they are. */
static int printed(kt_sthread *t, kt_val v, kt_buf *out)
{
	if (!kt_is(v, KT_KIND_BYTES)) {
		return kt_val_str(t, v, out);
	}
	kt_buf_add(out, kt_as_str(v)->data, kt_as_str(v)->len);
	return 0;
}

static int join(kt_sthread *t, const kt_args *a, bool text, kt_buf *out)
{
	static const kt_param params[] = {{"sep", KT_ARG_STRING, true, false}};
	kt_args named = {.kw = a->kw, .nkw = a->nkw};
	kt_val sep;

	if (kt_args_unpack(t, a->row->name, KT_ARGS_NAMED, params, 1, &named, &sep) < 0) {
		return -1;
	}
	for (size_t i = 0; i < a->npos; i++) {
		if (i > 0 && sep == KT_NULL) {
			kt_buf_addc(out, ' ');
		} else if (i > 0) {
			kt_buf_add(out, kt_as_str(sep)->data, kt_as_str(sep)->len);
		}
		if ((text ? printed : str_or_repr)(t, a->pos[i], out) < 0) {
			return -1;
		}
	}
	if (out->failed) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return 0;
}

static kt_val builtin_fail(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;

	kt_buf_adds(&msg, "fail: ");
	if (join(t, a, false, &msg) < 0) {
		return KT_NULL;
	}
	return kt_error_set(t, KT_STAR_EVAL, kt_buf_str(&msg), msg.len);
}

static kt_val builtin_print(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const kt_star_options *opt = &t->star->opt;

	if (join(t, a, true, &text) < 0) {
		return KT_NULL;
	}
	if (opt->print != NULL) {
		opt->print(opt->user, t, kt_buf_str(&text), text.len);
	} else {
		fwrite(kt_buf_str(&text), 1, text.len, stdout);
		fputc('\n', stdout);
	}
	return KT_NONE;
}

static kt_val interned(kt_sthread *t, kt_val name)
{
	return kt_string_intern(t, kt_as_str(name)->data, kt_as_str(name)->len);
}

static kt_val builtin_getattr(kt_sthread *t, const kt_args *a)
{
	kt_val name = interned(t, a->v[1]);
	kt_val found;

	if (name == KT_NULL) {
		return KT_NULL;
	}
	found = kt_val_attr(t, a->v[0], kt_as_str(name)->data, true);
	if (found != KT_NULL) {
		return found;
	}
	if (!t->failed && a->v[2] != KT_NULL) {
		return a->v[2];
	}
	if (!t->failed) {
		kt_attr_missing(t, a->v[0], name);
	}
	if (a->v[2] != KT_NULL && t->err.kind == KT_STAR_EVAL) {
		kt_sthread_clear_error(t);
		return a->v[2];
	}
	return KT_NAMED(t, a);
}

static kt_val builtin_hasattr(kt_sthread *t, const kt_args *a)
{
	kt_val name = interned(t, a->v[1]);
	kt_val found;

	if (name == KT_NULL) {
		return KT_NULL;
	}
	found = kt_val_attr(t, a->v[0], kt_as_str(name)->data, true);
	if (found == KT_NULL && t->failed) {
		if (t->err.kind != KT_STAR_EVAL) {
			return KT_NULL;
		}
		kt_sthread_clear_error(t);
	}
	return kt_bool(found != KT_NULL);
}

static kt_val builtin_len(kt_sthread *t, const kt_args *a)
{
	size_t len = kt_val_len(a->v[0]);

	if (len == SIZE_MAX) {
		return kt_star_raise(t, "len: value of type %s has no len",
				     kt_val_type_name(a->v[0]));
	}
	return kt_small_val((int64_t)len);
}

/* ---- struct ------------------------------------------------------------------ */

static kt_val builtin_struct(kt_sthread *t, const kt_args *a)
{
	kt_val *names;
	kt_val v;

	if (a->npos > 0) {
		return kt_star_raise(t, "struct: unexpected positional arguments");
	}
	names = kt_alloc_array(a->nkw + 1, 2 * sizeof(kt_val));
	if (names == NULL) {
		return kt_star_raise_nomem(t);
	}
	for (size_t i = 0; i < a->nkw; i++) {
		names[i] = a->kw[2 * i];
		names[a->nkw + i] = a->kw[2 * i + 1];
	}
	v = kt_struct_new(t, KT_NULL, names, names + a->nkw, a->nkw);
	kt_free(names);
	return v;
}

kt_val kt_struct_builtin(kt_sthread *t)
{
	static const kt_builtin_row row = {"struct", KT_ARGS_RAW, NULL, 0, builtin_struct};

	return kt_builtin_new(t, &row, NULL);
}

/* ---- the table --------------------------------------------------------------- */

static const kt_param one_value[] = {{"x", KT_ARG_ANY, false, false}};
static const kt_param maybe_value[] = {{"x", KT_ARG_ANY, true, false}};
static const kt_param one_iterable[] = {{"iterable", KT_ARG_ITERABLE, false, false}};
static const kt_param maybe_iterable[] = {{"iterable", KT_ARG_ITERABLE, true, false}};
static const kt_param enumerate_params[] = {
	{"iterable", KT_ARG_ITERABLE, false, false},
	{"start", KT_ARG_I64, true, false},
};
static const kt_param getattr_params[] = {
	{"object", KT_ARG_ANY, false, false},
	{"name", KT_ARG_STRING, false, false},
	{"default", KT_ARG_ANY, true, false},
};
static const kt_param hasattr_params[] = {
	{"object", KT_ARG_ANY, false, false},
	{"name", KT_ARG_STRING, false, false},
};
static const kt_param int_params[] = {
	{"x", KT_ARG_ANY, false, false},
	{"base", KT_ARG_ANY, true, false},
};
static const kt_param range_params[] = {
	{"start_or_stop", KT_ARG_I64, false, false},
	{"stop", KT_ARG_I64, true, false},
	{"step", KT_ARG_I64, true, false},
};
static const kt_param sorted_params[] = {
	{"iterable", KT_ARG_ITERABLE, false, false},
	{"key", KT_ARG_CALLABLE, true, false},
	{"reverse", KT_ARG_BOOL, true, false},
};

#define POS(name, params, fn) {name, KT_ARGS_POS, params, KT_ARRAY_LEN(params), fn}
#define NAMED(name, params, fn) {name, KT_ARGS_NAMED, params, KT_ARRAY_LEN(params), fn}
#define RAW(name, fn) {name, KT_ARGS_RAW, NULL, 0, fn}

static const kt_builtin_row universe[] = {
	POS("abs", one_value, builtin_abs),
	POS("all", one_iterable, kt_builtin_all),
	POS("any", one_iterable, kt_builtin_any),
	POS("bool", maybe_value, kt_builtin_bool),
	RAW("bytes", kt_builtin_bytes),
	RAW("chr", kt_builtin_chr),
	RAW("dict", kt_builtin_dict),
	RAW("dir", builtin_dir),
	POS("enumerate", enumerate_params, kt_builtin_enumerate),
	RAW("fail", builtin_fail),
	RAW("float", kt_builtin_float),
	POS("getattr", getattr_params, builtin_getattr),
	POS("hasattr", hasattr_params, builtin_hasattr),
	POS("hash", one_value, kt_builtin_hash),
	NAMED("int", int_params, kt_builtin_int),
	POS("len", one_value, builtin_len),
	POS("list", maybe_iterable, kt_builtin_list),
	RAW("max", kt_builtin_max),
	RAW("min", kt_builtin_min),
	RAW("ord", kt_builtin_ord),
	RAW("print", builtin_print),
	POS("range", range_params, kt_builtin_range),
	POS("repr", one_value, kt_builtin_repr),
	POS("reversed", one_iterable, kt_builtin_reversed),
	POS("set", maybe_iterable, kt_builtin_set),
	NAMED("sorted", sorted_params, kt_builtin_sorted),
	RAW("str", kt_builtin_str),
	POS("tuple", maybe_iterable, kt_builtin_tuple),
	RAW("type", kt_builtin_type),
	RAW("zip", kt_builtin_zip),
};

kt_dict *kt_universe_make(kt_sthread *t)
{
	kt_dict *d = kt_dict_alloc(t, KT_KIND_DICT, 0);
	kt_val v;

	if (d == NULL) {
		return NULL;
	}
	v = kt_obj_val(d);
	if (kt_dict_sets(t, v, "None", KT_NONE) < 0 || kt_dict_sets(t, v, "True", KT_TRUE) < 0 ||
	    kt_dict_sets(t, v, "False", KT_FALSE) < 0) {
		return NULL;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(universe); i++) {
		kt_val fn = kt_builtin_new(t, &universe[i], NULL);

		if (fn == KT_NULL || kt_dict_sets(t, v, universe[i].name, fn) < 0) {
			return NULL;
		}
	}
	return d;
}
