/* The module kurtosistest: looking at services, printing, replacing functions of modules. */
#include "devtools/test_internal.h"

#include "base/str.h"
#include "plan/hooks.h"

#include <string.h>

/* A function that has been replaced; lives as long as the run. */
typedef struct mock {
	kt_val original;
	kt_val result; /* KT_NULL = call the original */
	kt_val calls;  /* list of structs */
	kt_val self;   /* what the test got */
} mock;

static kt_val list_of_args(kt_sthread *t, const kt_args *a)
{
	return kt_list_new(t, a->pos, a->npos);
}

static kt_val dict_of_keywords(kt_sthread *t, const kt_args *a)
{
	kt_val dict = kt_dict_new(t, a->nkw);
	for (size_t i = 0; dict != KT_NULL && i < a->nkw; i++) {
		if (kt_dict_set(t, dict, a->kw[2 * i], a->kw[2 * i + 1]) < 0) {
			return KT_NULL;
		}
	}
	return dict;
}

/* A struct of three fields or fewer. */
static kt_val make_struct(kt_sthread *t, kt_val ctor, const char *const *names,
			  const kt_val *values, size_t n)
{
	kt_val interned[3];
	for (size_t i = 0; i < n; i++) {
		interned[i] = kt_string_intern(t, names[i], strlen(names[i]));
		if (interned[i] == KT_NULL || values[i] == KT_NULL) {
			return KT_NULL;
		}
	}
	return kt_struct_new(t, ctor, interned, values, n);
}

static kt_val mocked(kt_sthread *t, const kt_args *a)
{
	static const char *const names[] = {"args", "kwargs", "return_value"};
	mock *m = a->user;
	kt_val args = list_of_args(t, a);
	kt_val kwargs = dict_of_keywords(t, a);
	kt_val result = m->result;
	if (args == KT_NULL || kwargs == KT_NULL) {
		return KT_NULL;
	}
	if (result == KT_NULL) {
		result = kt_star_call(t, m->original, a->pos, a->npos, a->kw, a->nkw);
	}
	const kt_val values[] = {args, kwargs, result};
	kt_val call = make_struct(t, KT_NULL, names, values, KT_ARRAY_LEN(names));
	return call == KT_NULL || kt_list_append(t, m->calls, call) < 0 ? KT_NULL : result;
}

static kt_val mock_calls(kt_sthread *t, const kt_args *a)
{
	const mock *m = a->user;
	size_t n;
	const kt_val *items = kt_seq_items(m->calls, &n);
	return kt_list_new(t, items, n);
}

static kt_val mock_return_value(kt_sthread *t, const kt_args *a)
{
	(void)t;
	mock *m = a->user;
	m->result = a->npos > 0 ? a->pos[0] : KT_NULL;
	return m->self;
}

static const kt_builtin_row mocked_row = {.name = "mock", .style = KT_ARGS_RAW, .fn = mocked};
static const kt_builtin_row calls_row = {.name = "calls", .style = KT_ARGS_RAW, .fn = mock_calls};
static const kt_builtin_row return_row = {
	.name = "mock_return_value", .style = KT_ARGS_RAW, .fn = mock_return_value};

static kt_val refuse(kt_sthread *t, const char *before, kt_val shown, const char *after)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_val_repr(t, shown, &text) < 0) {
		return KT_NULL;
	}
	return kt_star_raise(t, "mock: %s%s%s", before, kt_buf_str(&text), after);
}

/* What may be replaced, or KT_NULL with an error. */
static kt_val find_target(kt_sthread *t, kt_val target, const char *name)
{
	if (kt_val_kind(target) != KT_KIND_MODULE) {
		return refuse(t, "only module mocks are possible at the moment. ", target,
			      " is not a module");
	}
	kt_val original = kt_module_get(target, name);
	if (original == KT_NULL) {
		KT_AUTO_BUF kt_buf after = KT_BUF_INIT;
		kt_buf_addf(&after, " doesn't have a property called %s", name);
		return refuse(t, "module ", target, kt_buf_str(&after));
	}
	kt_kind kind = kt_val_kind(original);
	if (kind != KT_KIND_FUNCTION && kind != KT_KIND_BUILTIN) {
		KT_AUTO_BUF kt_buf before = KT_BUF_INIT;
		kt_buf_addf(&before, "property %s of module %s is not a function, it's ", name,
			    kt_module_name(target));
		return refuse(t, kt_buf_str(&before), original, "");
	}
	return original;
}

static kt_val make_mock(kt_sthread *t, const kt_args *a)
{
	static const char *const names[] = {"calls", "mock_return_value", "original"};
	const char *name = kt_string_get(a->v[1], NULL);
	kt_val original = find_target(t, a->v[0], name);
	mock *m = original == KT_NULL ? NULL : kt_star_alloc(t, sizeof(*m));
	if (m == NULL) {
		return KT_NULL;
	}
	m->original = original;
	m->calls = kt_list_new(t, NULL, 0);
	const kt_val values[] = {kt_builtin_new(t, &calls_row, m),
				 kt_builtin_new(t, &return_row, m), original};
	kt_val replacement = kt_builtin_new(t, &mocked_row, m);
	m->self = make_struct(t, kt_string_newz(t, "mock"), names, values, KT_ARRAY_LEN(names));
	if (replacement == KT_NULL || m->calls == KT_NULL || m->self == KT_NULL) {
		return KT_NULL;
	}
	kt_module_replace(a->v[0], name, replacement);
	return m->self;
}

static kt_val debug(kt_sthread *t, const kt_args *a)
{
	test_state *state = a->user;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	test_add_place(t, &text);
	kt_buf_adds(&text, ": ");
	if (kt_val_repr(t, a->v[0], &text) < 0) {
		return KT_NULL;
	}
	return text.failed || kt_strvec_add(&state->output, kt_buf_str(&text)) < 0
		       ? kt_star_raise_nomem(t)
		       : KT_NONE;
}

static kt_val get_service_config(kt_sthread *t, const kt_args *a)
{
	const char *name = kt_string_get(a->v[0], NULL);
	kt_val config = kt_plan_service_config(t, name);
	if (config == KT_NULL && kt_sthread_error(t) == NULL) {
		return kt_star_raise(t,
				     "Failed to get service config for service %s: no service of "
				     "this name has been added",
				     name);
	}
	return config;
}

static const kt_param config_params[] = {{"service_name", KT_ARG_STRING}};
static const kt_param debug_params[] = {{"value", KT_ARG_ANY}};
static const kt_param mock_params[] = {{"target", KT_ARG_ANY}, {"method_name", KT_ARG_STRING}};

#define ROW(text, list, function)                                                                  \
	{.name = (text), .style = KT_ARGS_NAMED, .params = (list),                                 \
	 .nparams = KT_ARRAY_LEN(list), .fn = (function)}
static const kt_builtin_row rows[] = {
	ROW("get_service_config", config_params, get_service_config),
	ROW("debug", debug_params, debug),
	ROW("mock", mock_params, make_mock),
};

kt_val kurtosistest_module(kt_sthread *t, test_state *state)
{
	kt_val members = kt_dict_new(t, KT_ARRAY_LEN(rows));
	for (size_t i = 0; members != KT_NULL && i < KT_ARRAY_LEN(rows); i++) {
		kt_val fn = kt_builtin_new(t, &rows[i], state);
		if (fn == KT_NULL || kt_dict_sets(t, members, rows[i].name, fn) < 0) {
			return KT_NULL;
		}
	}
	return members == KT_NULL ? KT_NULL : kt_module_new(t, "kurtosistest", members);
}
