/* Arguments of host functions, sorted by their rows of parameters. */
#include "starlark/bigint.h"
#include "starlark/vm_internal.h"

static bool is_callable(kt_val v)
{
	const kt_host *host = kt_host_get(v, NULL);

	return kt_is(v, KT_KIND_FUNCTION) || kt_is(v, KT_KIND_BUILTIN) ||
	       (host != NULL && host->type->call != NULL);
}

static bool matches(kt_arg_type type, kt_val v)
{
	switch (type) {
	case KT_ARG_ANY:
		return true;
	case KT_ARG_STRING:
		return kt_is_str(v);
	case KT_ARG_BYTES:
		return kt_is(v, KT_KIND_BYTES);
	case KT_ARG_INT:
	case KT_ARG_I64:
		return kt_is_anyint(v);
	case KT_ARG_FLOAT:
		return kt_is_anyint(v) || kt_is(v, KT_KIND_FLOAT);
	case KT_ARG_BOOL:
		return v == KT_TRUE || v == KT_FALSE;
	case KT_ARG_LIST:
		return kt_is(v, KT_KIND_LIST);
	case KT_ARG_DICT:
		return kt_is(v, KT_KIND_DICT);
	case KT_ARG_TUPLE:
		return kt_is(v, KT_KIND_TUPLE);
	case KT_ARG_CALLABLE:
		return is_callable(v);
	case KT_ARG_ITERABLE:
		return kt_val_iterable(v);
	}
	return false;
}

static const char *const wanted[] = {
	[KT_ARG_ANY] = "value",	    [KT_ARG_STRING] = "string",	    [KT_ARG_BYTES] = "bytes",
	[KT_ARG_INT] = "int",	    [KT_ARG_I64] = "int",	    [KT_ARG_FLOAT] = "float or int",
	[KT_ARG_BOOL] = "bool",	    [KT_ARG_LIST] = "list",	    [KT_ARG_DICT] = "dict",
	[KT_ARG_TUPLE] = "tuple",   [KT_ARG_CALLABLE] = "callable", [KT_ARG_ITERABLE] = "iterable",
};

/* The message for an argument that does not fit; it is named by `label`. */
static int refuse(kt_sthread *t, const char *fname, const kt_param *p, const char *label, kt_val v)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (!matches(p->type, v)) {
		return kt_star_fail(t, "%s: for parameter %s: got %s, want %s", fname, label,
				    kt_val_type_name(v), wanted[p->type]);
	}
	if (kt_int_text(t, v, 10, &text) < 0) {
		return -1;
	}
	return kt_star_fail(t,
			    "%s: for parameter %s: %s out of range (want value in signed 64-bit "
			    "range)",
			    fname, label, kt_buf_str(&text));
}

/* Stores an argument; false when it does not fit. */
static inline bool take(const kt_param *p, kt_val v, kt_val *ret)
{
	int64_t i;

	if (v == KT_NONE && p->none_ok) {
		*ret = KT_NULL;
		return true;
	}
	*ret = v;
	return matches(p->type, v) && (p->type != KT_ARG_I64 || kt_int_get(v, &i));
}

static int unpack_positional(kt_sthread *t, const char *fname, const kt_param *params, size_t n,
			     const kt_args *a, kt_val *v)
{
	size_t least = 0;
	char label[24];

	while (least < n && !params[least].optional) {
		least++;
	}
	if (a->nkw > 0) {
		return kt_star_fail(t, "%s: unexpected keyword arguments", fname);
	}
	if (a->npos < least) {
		return kt_star_fail(t, "%s: got %zu arguments, want %s%zu", fname, a->npos,
				    least < n ? "at least " : "", least);
	}
	if (a->npos > n) {
		return kt_star_fail(t, "%s: got %zu arguments, want %s%zu", fname, a->npos,
				    least < n ? "at most " : "", n);
	}
	for (size_t i = 0; i < a->npos; i++) {
		if (!take(&params[i], a->pos[i], &v[i])) {
			snprintf(label, sizeof(label), "%zu", i + 1);
			return refuse(t, fname, &params[i], label, a->pos[i]);
		}
	}
	return 0;
}

static int unknown_keyword(kt_sthread *t, const char *fname, const kt_param *params, size_t n,
			   const char *name)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	const char *names[KT_PARAMS_MAX];
	const char *hint;
	/* The reference offers only the first half. */
	size_t offered = KT_MIN((n + 1) / 2, KT_ARRAY_LEN(names));

	for (size_t i = 0; i < offered; i++) {
		names[i] = params[i].name;
	}
	kt_quote(&quoted, name, strlen(name), false);
	hint = kt_star_nearest(name, names, offered);
	if (hint != NULL) {
		return kt_star_fail(t, "%s: unexpected keyword argument %s (did you mean %s?)",
				    fname, kt_buf_str(&quoted), hint);
	}
	return kt_star_fail(t, "%s: unexpected keyword argument %s", fname, kt_buf_str(&quoted));
}

static int unpack_named(kt_sthread *t, const char *fname, const kt_param *params, size_t n,
			const kt_args *a, kt_val *v)
{
	uint64_t given = 0;

	if (a->npos > n) {
		return kt_star_fail(t, "%s: got %zu arguments, want at most %zu", fname, a->npos, n);
	}
	for (size_t i = 0; i < a->npos; i++) {
		given |= UINT64_C(1) << i;
		if (!take(&params[i], a->pos[i], &v[i])) {
			return refuse(t, fname, &params[i], params[i].name, a->pos[i]);
		}
	}
	for (size_t k = 0; k < a->nkw; k++) {
		const char *name = kt_as_str(a->kw[2 * k])->data;
		size_t i = 0;

		while (i < n && strcmp(params[i].name, name) != 0) {
			i++;
		}
		if (i == n) {
			return unknown_keyword(t, fname, params, n, name);
		}
		if ((given >> i & 1) != 0) {
			return kt_star_fail(t,
					    "%s: got multiple values for keyword argument \"%s\"",
					    fname, name);
		}
		given |= UINT64_C(1) << i;
		if (!take(&params[i], a->kw[2 * k + 1], &v[i])) {
			char label[64];

			snprintf(label, sizeof(label), "\"%s\"", name); /* in quotes only here */
			return refuse(t, fname, &params[i], label, a->kw[2 * k + 1]);
		}
	}
	/* As in the reference the search ends at the first optional parameter. */
	for (size_t i = a->npos; i < n && !params[i].optional; i++) {
		if ((given >> i & 1) == 0) {
			return kt_star_fail(t, "%s: missing argument for %s", fname,
					    params[i].name);
		}
	}
	return 0;
}

int kt_args_unpack(kt_sthread *t, const char *fname, kt_args_style style, const kt_param *params,
		   size_t n, const kt_args *a, kt_val *v)
{
	memset(v, 0, n * sizeof(*v));
	return (style == KT_ARGS_NAMED ? unpack_named : unpack_positional)(t, fname, params, n, a,
									    v);
}
