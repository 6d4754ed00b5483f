/* The entry function: how it is found, what it is given, what becomes of its result. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PARSER_KEY "_kurtosis_parser"

typedef struct entry {
	interp *in;
	kt_sthread *t;
	const char *name;
	bool is_default; /* the name was not chosen by the caller */
	kt_val fn;
	kt_buf *error;
} entry;

/* An error without positions: the package's input or shape is wrong, not a line of it. */
static int fail(entry *e, const char *fmt, ...) KT_PRINTF(2, 3);

static int fail(entry *e, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *text = NULL;
	va_list copy;
	va_copy(copy, args);
	int len = vsnprintf(NULL, 0, fmt, copy);
	va_end(copy);
	if (len >= 0 && (text = kt_malloc((size_t)len + 1)) != NULL) {
		vsnprintf(text, (size_t)len + 1, fmt, args);
		kt_buf_add(e->error, text, (size_t)len);
	} else {
		e->in->aborted = KT_ERR_NOMEM;
	}
	va_end(args);
	kt_free(text);
	return -1;
}

static int out_of_memory(entry *e)
{
	e->in->aborted = KT_ERR_NOMEM;
	return -1;
}

/* What the language reported besides an ordinary error: memory, limits, cancellation. */
static bool is_ours(const entry *e)
{
	const kt_star_error *error = kt_sthread_error(e->t);
	return error != NULL && error->kind != KT_STAR_EVAL;
}

static int find_function(entry *e, kt_val module)
{
	const char *name = e->in->request->main_function;
	e->is_default = kt_str_empty(name) || kt_str_eq(name, "run");
	e->name = e->is_default ? "run" : name;
	e->fn = kt_module_get(module, e->name);
	if (e->fn != KT_NULL && kt_val_kind(e->fn) == KT_KIND_FUNCTION) {
		return 0;
	}
	if (e->in->request->script != NULL) {
		return fail(e,
			    "No '%s' function found in the script; a '%s' entrypoint function with "
			    "the signature `%s(plan, args)` or `%s()` is required in the Kurtosis "
			    "script",
			    e->name, e->name, e->name, e->name);
	}
	return fail(e,
		    "No '%s' function found in the main file of package '%s'; a '%s' entrypoint "
		    "function with the signature `%s(plan, args)` or `%s()` is required in the main "
		    "file of the Kurtosis package",
		    e->name, kt_content_root_id(e->in->content), e->name, e->name, e->name);
}

/* --- input ---------------------------------------------------------------- */

/* Objects become structs, also inside objects; lists stay as they are. */
static kt_val to_struct(kt_sthread *t, kt_val dict)
{
	size_t n = kt_val_len(dict);
	kt_val *names = kt_star_alloc(t, (n + 1) * sizeof(kt_val));
	kt_val *values = kt_star_alloc(t, (n + 1) * sizeof(kt_val));
	if (names == NULL || values == NULL) {
		return KT_NULL;
	}
	kt_val key, value;
	size_t i = 0;
	for (size_t at = 0; kt_dict_next(dict, &at, &key, &value); i++) {
		size_t len;
		const char *text = kt_string_get(key, &len);
		names[i] = kt_string_intern(t, text, len);
		values[i] = kt_val_kind(value) == KT_KIND_DICT ? to_struct(t, value) : value;
		if (names[i] == KT_NULL || values[i] == KT_NULL) {
			return KT_NULL;
		}
	}
	return kt_struct_new(t, KT_NULL, names, values, n);
}

static int decode(entry *e, const char *json, kt_val *ret)
{
	kt_val decode_fn = kt_module_get(kt_dict_gets(e->in->predeclared, "json"), "decode");
	kt_val text = kt_string_newz(e->t, json);
	*ret = text == KT_NULL ? KT_NULL : kt_star_call(e->t, decode_fn, &text, 1, NULL, 0);
	if (*ret == KT_NULL && is_ours(e)) {
		interp_error_text(e->in, e->t, e->error);
		return -1;
	}
	if (*ret == KT_NULL) {
		const kt_star_error *why = kt_sthread_error(e->t);
		fail(e, "Unable to deserialize package input '%s'. Is it a valid JSON?" CAUSED_BY "%s",
		     json, why == NULL ? "" : kt_str_or(why->msg, ""));
		kt_sthread_clear_error(e->t);
		return -1;
	}
	if (kt_val_kind(*ret) != KT_KIND_DICT) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		kt_val_repr(e->t, *ret, &shown);
		return fail(e,
			    "Unable to parse package input '%s' into a dictionary. JSON other than "
			    "dictionaries aren't support right now.",
			    kt_buf_str(&shown));
	}
	return 0;
}

/* The input as a dict, or as a struct when the input itself asks for that. */
static int read_input(entry *e, kt_val *ret)
{
	if (decode(e, kt_str_or(e->in->request->args_json, "{}"), ret) < 0) {
		return -1;
	}
	kt_val parser = kt_dict_gets(*ret, PARSER_KEY);
	const char *name = parser == KT_NULL ? "dict" : kt_string_get(parser, NULL);
	if (kt_str_eq(name, "dict")) {
		return 0;
	}
	if (kt_str_eq(name, "struct")) {
		*ret = to_struct(e->t, *ret);
		return *ret == KT_NULL ? out_of_memory(e) : 0;
	}
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
	kt_val_repr(e->t, parser, &shown);
	return fail(e,
		    "Kurtosis parser instruction not recognized in package JSON input. The only valid "
		    "values right now are 'dict' and 'struct', found '%s'",
		    kt_buf_str(&shown));
}

/* --- the call ------------------------------------------------------------- */

static int call_with_keywords(entry *e, kt_val input, const kt_val *pos, size_t npos, kt_val *ret)
{
	if (kt_val_kind(input) != KT_KIND_DICT) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		kt_val_str(e->t, input, &shown);
		return fail(e, "An error occurred casting input args '%s' to Starlark Dict",
			    kt_buf_str(&shown));
	}
	size_t n = kt_val_len(input);
	kt_val *kw = kt_star_alloc(e->t, (2 * n + 1) * sizeof(kt_val));
	if (kw == NULL) {
		return out_of_memory(e);
	}
	kt_val key, value;
	size_t i = 0;
	for (size_t at = 0; kt_dict_next(input, &at, &key, &value); i++) {
		size_t len;
		const char *text = kt_string_get(key, &len);
		kw[2 * i] = kt_string_intern(e->t, text, len);
		kw[2 * i + 1] = value;
	}
	*ret = kt_star_call(e->t, e->fn, pos, npos, kw, n);
	return 0;
}

static int call_function(entry *e, kt_val input, kt_val *ret)
{
	kt_val pos[2];
	size_t npos = 0;
	size_t nparams = kt_fn_param_count(e->fn);
	if (nparams > 0) {
		const char *first = kt_fn_param_get(e->fn, 0).name;
		if (kt_str_eq(first, "plan") || e->in->request->hooks != NULL) {
			pos[npos++] = plan_module(e->t);
		} else if (e->is_default) {
			return fail(e,
				    "Expected argument at index '0' of run function to be called "
				    "'plan' got '%s' ",
				    first);
		}
	}
	if (e->is_default && nparams == 2 &&
	    kt_str_eq(kt_fn_param_get(e->fn, 1).name, "args")) {
		pos[npos++] = input;
		*ret = kt_star_call(e->t, e->fn, pos, npos, NULL, 0);
	} else if (call_with_keywords(e, input, pos, npos, ret) < 0) {
		return -1;
	}
	if (*ret == KT_NULL) {
		interp_error_text(e->in, e->t, e->error);
		return -1;
	}
	return 0;
}

/* --- the result ----------------------------------------------------------- */

/* JSON with tabs; the value's text where JSON cannot say it. */
static int write_output(entry *e, kt_val result)
{
	e->in->plan->output = "";
	if (result == KT_NONE) {
		return 0;
	}
	kt_val json = kt_dict_gets(e->in->predeclared, "json");
	kt_val text = kt_star_call(e->t, kt_module_get(json, "encode"), &result, 1, NULL, 0);
	if (text != KT_NULL) {
		kt_val args[] = {text, kt_string_newz(e->t, ""), kt_string_newz(e->t, "\t")};
		text = kt_star_call(e->t, kt_module_get(json, "indent"), &args[0], 1,
				    (const kt_val[]){kt_string_intern(e->t, "prefix", 6), args[1],
						     kt_string_intern(e->t, "indent", 6), args[2]},
				    2);
	}
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
	size_t len;
	const char *encoded = text == KT_NULL ? NULL : kt_string_get(text, &len);
	if (encoded != NULL) {
		kt_buf_add(&shown, encoded, len);
	} else if (is_ours(e)) {
		interp_error_text(e->in, e->t, e->error);
		return -1;
	} else {
		kt_sthread_clear_error(e->t);
		if (kt_val_str(e->t, result, &shown) < 0) {
			interp_error_text(e->in, e->t, e->error);
			return -1;
		}
	}
	e->in->plan->output = keep_buf(e->in, e->t, &shown);
	return e->in->plan->output == NULL ? out_of_memory(e) : 0;
}

int entry_run(interp *in, kt_val module, kt_buf *error_text)
{
	entry e = {.in = in, .error = error_text, .t = kt_sthread_new(in->star)};
	kt_val input = KT_NULL;
	kt_val result = KT_NULL;
	if (e.t == NULL) {
		in->aborted = KT_ERR_NOMEM;
		return -1;
	}
	int rc = find_function(&e, module) < 0 || read_input(&e, &input) < 0 ||
				 call_function(&e, input, &result) < 0 ||
				 write_output(&e, result) < 0
			 ? -1
			 : 0;
	kt_sthread_free(e.t);
	return rc;
}
