/* Validators of single arguments. The texts are the reference's. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

static const char *shown_name(const param *p)
{
	return p->as != NULL ? p->as : p->name;
}

static bool no_text(const char *name, kt_val v, kt_buf *msg)
{
	size_t len;
	if (kt_string_get(v, &len) == NULL) {
		kt_buf_addf(msg,
			    "Value for '%s' was expected to be a starlark.String but was '%s'", name,
			    go_type(v));
		return true;
	}
	if (len == 0) {
		kt_buf_addf(msg, "Value for '%s' was an empty string. This is disallowed", name);
		return true;
	}
	return false;
}

bool check_text(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	return !no_text(shown_name(p), v, msg);
}

bool check_texts(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	if (kt_val_kind(v) != KT_KIND_LIST) {
		kt_buf_addf(msg, "Value for '%s' was expected to be a starlark.List but was '%s'",
			    shown_name(p), go_type(v));
		return false;
	}
	size_t n;
	const kt_val *items = kt_seq_items(v, &n);
	for (size_t i = 0; i < n; i++) {
		KT_AUTO_FREE char *name =
			kt_asprintf("element %zu in argument '%s'", i, shown_name(p));
		if (name == NULL || no_text(name, items[i], msg)) {
			return false;
		}
	}
	return true;
}

bool check_range(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	int64_t i;
	if (kt_val_kind(v) == KT_KIND_INT && kt_int_get(v, &i) && i >= p->min && i <= p->max) {
		return true;
	}
	kt_buf_addf(msg, "Value for '%s' was expected to be an integer between %lld and ",
		    shown_name(p), (long long)p->min);
	kt_buf_addf(msg, "%llu, but it was ",
		    p->u64 ? (unsigned long long)UINT64_MAX : (unsigned long long)p->max);
	if (kt_val_kind(v) == KT_KIND_INT) {
		kt_val_str(t, v, msg);
	} else {
		kt_buf_addf(msg, "'%s'", go_type(v));
	}
	return false;
}

bool check_one_of(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	const char *text = kt_string_get(v, NULL);
	if (text == NULL) {
		return !no_text(shown_name(p), v, msg);
	}
	for (size_t i = 0; p->values[i] != NULL; i++) {
		if (kt_str_eq(p->values[i], text)) {
			return true;
		}
	}
	kt_buf_addf(msg, "Invalid argument value for '%s': '%s'. Valid values are ", shown_name(p),
		    text);
	for (size_t i = 0; p->values[i] != NULL; i++) {
		kt_buf_addf(msg, "%s%s", i > 0 ? ", " : "", p->values[i]);
	}
	return false;
}

bool check_app_protocol(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	size_t len;
	const char *text = kt_string_get(v, &len);
	if (text == NULL) {
		return !no_text(shown_name(p), v, msg);
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && strchr("+.-", text[i]) == NULL) {
			kt_buf_addf(msg,
				    "Argument '%s' must match regexp: '^[a-zA-Z0-9+.-]*$'. Its value "
				    "was '%s'",
				    shown_name(p), text);
			return false;
		}
	}
	return true;
}

bool check_duration(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	const char *text = kt_string_get(v, NULL);
	if (text == NULL) {
		kt_buf_addf(msg, "The '%s' attribute is not a valid string type (was '%s').",
			    shown_name(p), go_type(v));
		return false;
	}
	int64_t ns;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (text[0] == '\0' || kt_duration_parse(text, &ns, &err) == 0) {
		return true;
	}
	kt_buf_addf(msg,
		    "The value '%s' of '%s' attribute is not a valid duration string "
		    "format" CAUSED_BY "%s",
		    text, shown_name(p), kt_err_root(&err));
	return false;
}

bool check_duration_or_none(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	return v == KT_NONE || (check_text(t, p, v, msg) && check_duration(t, p, v, msg));
}

/* ' as the quotes of a key: the language's own quoting is part of the text. */
static void add_quoted_key(kt_buf *msg, kt_val key)
{
	size_t len;
	const char *text = kt_string_get(key, &len);
	kt_plan_add_quoted(msg, text, len);
}

static bool text_map(const char *name, kt_val v, kt_buf *msg)
{
	if (kt_val_kind(v) != KT_KIND_DICT) {
		kt_buf_addf(msg, "Attribute '%s' is expected to be a dictionary of strings, got '%s'",
			    name, go_type(v));
		return false;
	}
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
		if (kt_val_kind(key) != KT_KIND_STRING) {
			kt_buf_addf(msg,
				    "Key in '%s' dictionary was expected to be a string, got '%s'",
				    name, go_type(key));
			return false;
		}
		if (kt_val_kind(value) != KT_KIND_STRING) {
			kt_buf_adds(msg, "Value associated to key '");
			add_quoted_key(msg, key);
			kt_buf_addf(msg,
				    "' in dictionary '%s' was expected to be a string, got "
				    "'*starlark.Dict'",
				    name);
			return false;
		}
	}
	return true;
}

bool check_text_map(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	return text_map(shown_name(p), v, msg);
}

/* --- labels --------------------------------------------------------------- */

/* Letters and digits at both ends, "-_." also in between; 1 to 63 characters. */
static bool is_kube_name(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > 63 || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[len - 1])) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL) {
			return false;
		}
	}
	return true;
}

static bool is_label_key(const char *key)
{
	static const char docker_prefix[] = "com.kurtosistech.custom.";
	size_t len = strlen(key);
	for (size_t i = 0; i < len; i++) {
		char c = key[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    strchr("-._", c) == NULL) {
			return false;
		}
	}
	return len > 0 && len + sizeof(docker_prefix) - 1 <= 256 && is_kube_name(key);
}

static bool is_label_value(const char *value)
{
	return strlen(value) <= 65518 && strchr(value, '\n') == NULL &&
	       (value[0] == '\0' || is_kube_name(value));
}

/* Go prints a map as map[k:v k2:v2], sorted by key. */
static void add_go_map(kt_buf *out, kt_val dict)
{
	KT_AUTO_STRVEC kt_strvec entries = KT_STRVEC_INIT;
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(dict, &at, &key, &value);) {
		if (kt_strvec_addf(&entries, "%s:%s", kt_string_get(key, NULL),
				   kt_string_get(value, NULL)) < 0) {
			return;
		}
	}
	kt_strvec_sort(&entries);
	KT_AUTO_FREE char *joined = kt_strvec_join(&entries, " ");
	kt_buf_addf(out, "map[%s]", kt_str_or(joined, ""));
}

bool check_labels(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	if (!text_map(shown_name(p), v, msg)) {
		return false;
	}
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
		const char *bad_key = is_label_key(kt_string_get(key, NULL))
					      ? NULL
					      : kt_string_get(key, NULL);
		const char *bad_value = is_label_value(kt_string_get(value, NULL))
						? NULL
						: kt_string_get(value, NULL);
		if (bad_key == NULL && bad_value == NULL) {
			continue;
		}
		kt_buf_adds(msg, "An error occurred validating service config labels '");
		add_go_map(msg, v);
		kt_buf_addf(msg, "'" CAUSED_BY "Invalid service config label %s '%s'",
			    bad_key != NULL ? "key" : "value",
			    bad_key != NULL ? bad_key : bad_value);
		return false;
	}
	return true;
}

/* --- the rest ------------------------------------------------------------- */

bool check_url(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	if (!check_text(t, p, v, msg)) {
		return false;
	}
	const char *text = kt_string_get(v, NULL);
	KT_AUTO_BUF kt_buf cause = KT_BUF_INIT;
	for (const char *c = text; *c != '\0' && cause.len == 0; c++) {
		if (*c == ';') {
			kt_buf_adds(&cause, "invalid semicolon separator in query");
		} else if (*c == '%' &&
			   (!isxdigit((unsigned char)c[1]) || !isxdigit((unsigned char)c[2]))) {
			kt_buf_addf(&cause, "invalid URL escape \"%.3s\"", c);
		}
	}
	if (cause.len == 0) {
		return true;
	}
	kt_buf_addf(msg, "Value for '%s' '", shown_name(p));
	add_quoted_key(msg, v);
	kt_buf_addf(msg, "' isn't a valid URI" CAUSED_BY "%s", kt_buf_str(&cause));
	return false;
}

bool check_assertion(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	(void)p;
	const char *text = kt_string_get(v, NULL);
	if (text == NULL) {
		kt_buf_addf(msg, "'assertion' argument should be a 'starlark.String', got '%s'",
			    go_type(v));
		return false;
	}
	for (int i = KT_PLAN_EQ; i <= KT_PLAN_NOT_IN; i++) {
		if (kt_str_eq(text, kt_plan_assertion_name((kt_plan_assertion)i))) {
			return true;
		}
	}
	kt_buf_adds(msg, "'assertion' argument is invalid, valid values are: '");
	for (int i = KT_PLAN_EQ; i <= KT_PLAN_NOT_IN; i++) {
		kt_buf_addf(msg, "%s%s", i > 0 ? ", " : "",
			    kt_plan_assertion_name((kt_plan_assertion)i));
	}
	kt_buf_addc(msg, '\'');
	return false;
}

bool check_bind_mounts(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	static const char allowed[] = "/var/run/docker.sock";
	(void)t;
	(void)p;
	if (!text_map("bind_mounts", v, msg)) {
		return false;
	}
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
		if (!kt_str_eq(kt_string_get(key, NULL), allowed)) {
			kt_buf_addf(msg,
				    "'bind_mounts' host path \"%s\" is not permitted; only the "
				    "following host paths are allowed: [%s]",
				    kt_string_get(key, NULL), allowed);
			return false;
		}
	}
	return true;
}

bool check_command(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	(void)p;
	if (kt_val_kind(v) != KT_KIND_LIST) {
		kt_buf_addf(msg,
			    "Attribute 'command' is expected to be a list of strings, got '%s'",
			    go_type(v));
		return false;
	}
	size_t n;
	const kt_val *items = kt_seq_items(v, &n);
	for (size_t i = 0; i < n; i++) {
		if (kt_val_kind(items[i]) != KT_KIND_STRING) {
			kt_buf_addf(msg,
				    "Item number %zu in 'command' list was not a string. Expecting "
				    "'command' to be a string list",
				    i);
			return false;
		}
	}
	return true;
}

bool check_extract(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	(void)p;
	if (kt_val_kind(v) != KT_KIND_DICT) {
		kt_buf_addf(msg,
			    "Attribute 'extract' on 'GetHttpRequestRecipe' is expected to be a "
			    "dictionary of strings, got '%s'",
			    go_type(v));
		return false;
	}
	return text_map("extract", v, msg);
}

bool check_headers(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)p;
	if (kt_val_kind(v) == KT_KIND_DICT) {
		return true;
	}
	kt_buf_adds(msg, "expected '");
	kt_val_repr(t, v, msg);
	kt_buf_addf(msg, "' to be a starlark dict but got '%s'", go_type(v));
	return false;
}

bool check_recipe(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	(void)p;
	if (ktype_of(v, KTYPE_EXEC_RECIPE) != NULL || ktype_of(v, KTYPE_GET_RECIPE) != NULL ||
	    ktype_of(v, KTYPE_POST_RECIPE) != NULL) {
		return true;
	}
	kt_buf_addf(msg, "The 'recipe' attribute is not a Recipe (was '%s').", go_type(v));
	return false;
}

bool check_service_config(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	if (ktype_of(v, KTYPE_SERVICE_CONFIG) != NULL) {
		return true;
	}
	kt_buf_addf(msg, "The '%s' argument is not a ServiceConfig (was '%s').", shown_name(p),
		    go_type(v));
	return false;
}

bool check_configs(kt_sthread *t, const param *p, kt_val v, kt_buf *msg)
{
	(void)t;
	if (kt_val_kind(v) == KT_KIND_DICT) {
		return true;
	}
	kt_buf_addf(msg, "The '%s' argument is not a ServiceConfig (was '%s').", shown_name(p),
		    go_type(v));
	return false;
}
