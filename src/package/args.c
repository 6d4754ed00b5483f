/* Arguments of a run: JSON as it is, YAML turned into JSON. */
#include "package/package.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/utf8.h"
#include "base/vec.h"

#include <string.h>

static void add_string(kt_buf *out, const char *text)
{
	kt_buf_addc(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '"' || c == '\\') {
			kt_buf_addc(out, '\\');
			kt_buf_addc(out, (char)c);
		} else if (c == '\n') {
			kt_buf_adds(out, "\\n");
		} else if (c < 0x20) {
			kt_buf_addf(out, "\\u%04x", c);
		} else {
			kt_buf_addc(out, (char)c);
		}
	}
	kt_buf_addc(out, '"');
}

static int add_value(kt_buf *out, const json_t *value, kt_err *err);

static int add_object(kt_buf *out, const json_t *value, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec keys = KT_STRVEC_INIT;
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		if (kt_strvec_add(&keys, key) < 0) {
			return kt_err_nomem(err);
		}
	}
	kt_strvec_sort(&keys);
	kt_buf_addc(out, '{');
	for (size_t i = 0; i < keys.len; i++) {
		if (i > 0) {
			kt_buf_addc(out, ',');
		}
		add_string(out, keys.items[i]);
		kt_buf_addc(out, ':');
		if (add_value(out, json_object_get(value, keys.items[i]), err) < 0) {
			return -1;
		}
	}
	kt_buf_addc(out, '}');
	return 0;
}

static int add_array(kt_buf *out, const json_t *value, kt_err *err)
{
	kt_buf_addc(out, '[');
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (i > 0) {
			kt_buf_addc(out, ',');
		}
		if (add_value(out, json_array_get(value, i), err) < 0) {
			return -1;
		}
	}
	kt_buf_addc(out, ']');
	return 0;
}

static int add_value(kt_buf *out, const json_t *value, kt_err *err)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return add_object(out, value, err);
	case JSON_ARRAY:
		return add_array(out, value, err);
	case JSON_STRING:
		add_string(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		kt_buf_add_i64(out, json_integer_value(value));
		break;
	case JSON_REAL:
		kt_buf_add_json_float(out, json_real_value(value));
		break;
	case JSON_TRUE:
		kt_buf_adds(out, "true");
		break;
	case JSON_FALSE:
		kt_buf_adds(out, "false");
		break;
	case JSON_NULL:
		kt_buf_adds(out, "null");
		break;
	}
	return kt_buf_check(out, err);
}

char *kt_package_args_json(const char *text, size_t len, kt_err *err)
{
	KT_AUTO_ERR kt_err yaml_err = KT_ERR_INIT;
	json_error_t json_err;
	/* As reals, integers of any size are valid here; the text itself keeps their digits. */
	KT_AUTO_JSON json_t *json =
		json_loadb(text, len, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &json_err);
	if (json != NULL && json_is_object(json)) {
		char *copy = kt_strndup(text, len);
		if (copy == NULL) {
			kt_err_nomem(err);
		}
		return copy;
	}
	KT_AUTO_JSON json_t *yaml = kt_yaml_parse_11(text, len, "args", &yaml_err);
	if (yaml == NULL) {
		if (yaml_err.code == KT_ERR_NOMEM) {
			kt_err_move(err, &yaml_err);
			return NULL;
		}
		KT_FAIL(err, INVALID, "JSON parsing error '%s', YAML parsing error '%s'",
			json_err.text, kt_err_root(&yaml_err));
		KT_WRAP(err, "Error validating args, because it is not a valid JSON or YAML.");
		return NULL;
	}
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	if (add_value(&out, yaml, err) < 0) {
		return NULL;
	}
	return kt_buf_take(&out);
}
