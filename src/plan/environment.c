/* The names that a package finds besides the language's own. */
#include "plan/hooks.h"
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

static kt_val refuse_print(kt_sthread *t, const kt_args *a)
{
	(void)a;
	return kt_star_raise(t, "The default `print` function isn't supported please use the one "
				"that comes with the `plan` like `plan.print(...)` as that works with "
				"multi-phase execution and resolves future references.");
}

static kt_val refuse_now(kt_sthread *t, const kt_args *a)
{
	(void)a;
	return kt_star_raise(t, "The default `time.now()` function isn't supported please use "
				"`plan.run_python` while we work on supporting an alternative");
}

static const kt_builtin_row print_row = {
	.name = "print", .style = KT_ARGS_RAW, .fn = refuse_print};
static const kt_builtin_row now_row = {.name = "now", .style = KT_ARGS_RAW, .fn = refuse_now};

/* The language's time module with `now` replaced: a plan has no moment. */
static kt_val time_without_now(kt_sthread *t)
{
	kt_val original = kt_time_module(t);
	kt_val from = original == KT_NULL ? KT_NULL : kt_module_members(original);
	kt_val members = from == KT_NULL ? KT_NULL : kt_dict_new(t, kt_val_len(from) + 1);
	if (members == KT_NULL) {
		return KT_NULL;
	}
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(from, &at, &key, &value);) {
		if (kt_dict_set(t, members, key, value) < 0) {
			return KT_NULL;
		}
	}
	if (kt_dict_sets(t, members, "now", kt_builtin_new(t, &now_row, NULL)) < 0) {
		return KT_NULL;
	}
	return kt_module_new(t, "time", members);
}

/* --- module kurtosis ------------------------------------------------------ */

/* The user's folder in a shared bucket, made unique per enclave. */
static kt_val bucket_folder(interp *in, kt_sthread *t, kt_val v)
{
	size_t len;
	const char *text = kt_string_get(v, &len);
	if (text == NULL) {
		return v;
	}
	while (len > 0 && text[0] == '/') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == '/') {
		len--;
	}
	return kt_string_newf(t, "%.*s/%s", (int)len, text, kt_str_or(in->facts.enclave_uuid, ""));
}

static int add_env_var(interp *in, kt_sthread *t, kt_val members, kt_val key, kt_val value)
{
	KT_AUTO_FREE char *name = kt_strdup(kt_string_get(key, NULL));
	if (name == NULL) {
		kt_star_raise_nomem(t);
		return -1;
	}
	for (char *p = name; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	if (kt_str_eq(name, "aws_bucket_user_folder")) {
		value = bucket_folder(in, t, value);
	}
	return value == KT_NULL ? -1 : kt_dict_sets(t, members, name, value);
}

static kt_val kurtosis_module(interp *in, kt_sthread *t, kt_val json)
{
	const char *text = kt_str_or(in->facts.env_vars_json, "");
	kt_val members = kt_dict_new(t, 0);
	if (members == KT_NULL) {
		return KT_NULL;
	}
	if (text[0] != '\0') {
		kt_val arg = kt_string_newz(t, text);
		kt_val decoded = kt_star_call(t, kt_module_get(json, "decode"), &arg, 1, NULL, 0);
		if (decoded == KT_NULL) {
			kt_sthread_clear_error(t);
			return kt_star_raise(t,
					     "Unable to deserialize enclave env vars '%s'. Is it a "
					     "valid JSON?",
					     text);
		}
		if (kt_val_kind(decoded) != KT_KIND_DICT) {
			return kt_star_raise(t,
					     "Unable to parse enclave env vars '%s' into a "
					     "dictionary. JSON other than dictionaries aren't support "
					     "right now.",
					     text);
		}
		kt_val key, value;
		for (size_t at = 0; kt_dict_next(decoded, &at, &key, &value);) {
			if (add_env_var(in, t, members, key, value) < 0) {
				return KT_NULL;
			}
		}
	}
	return kt_module_new(t, "kurtosis", members);
}

/* --- all together --------------------------------------------------------- */

static int put(kt_sthread *t, kt_val env, const char *name, kt_val v)
{
	return v == KT_NULL ? -1 : kt_dict_sets(t, env, name, v);
}

static int put_types(kt_sthread *t, kt_val env)
{
	for (int id = 0; id < KTYPE_COUNT; id++) {
		if (put(t, env, ktype_rows[id].name, ktype_constructor(t, (ktype_id)id)) < 0) {
			return -1;
		}
	}
	return 0;
}

int env_build(interp *in, kt_sthread *t)
{
	kt_val json = kt_json_module(t);
	kt_val time_module = time_without_now(t);
	kt_val struct_fn = kt_struct_builtin(t);
	in->predeclared = kt_dict_new(t, 32);
	in->json_only = kt_dict_new(t, 2);
	in->serde = kt_dict_new(t, 32);
	if (in->predeclared == KT_NULL || in->json_only == KT_NULL || in->serde == KT_NULL ||
	    json == KT_NULL) {
		return -1;
	}
	const kt_val envs[] = {in->predeclared, in->json_only, in->serde};
	for (size_t i = 0; i < KT_ARRAY_LEN(envs); i++) {
		if (put(t, envs[i], "json", json) < 0 || put(t, envs[i], "struct", struct_fn) < 0) {
			return -1;
		}
	}
	const kt_plan_hooks *hooks = in->request->hooks;
	if (hooks != NULL && hooks->predeclare(hooks->ctx, t, in->predeclared) < 0) {
		return -1;
	}
	return put(t, in->serde, "time", time_module) < 0 || put_types(t, in->serde) < 0 ||
			       put(t, in->predeclared, "time", time_module) < 0 ||
			       put_types(t, in->predeclared) < 0 ||
			       put(t, in->predeclared, "kurtosis",
				   kurtosis_module(in, t, json)) < 0 ||
			       put(t, in->predeclared, "print",
				   kt_builtin_new(t, &print_row, NULL)) < 0 ||
			       put(t, in->predeclared, "import_module",
				   import_module_builtin(t)) < 0 ||
			       put(t, in->predeclared, "read_file", read_file_builtin(t)) < 0
		       ? -1
		       : 0;
}
