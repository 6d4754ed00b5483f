#include "base/json.h"

#include "base/alloc.h"

void kt_json_decref_ptr(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}

json_t *kt_json_parse(const char *text, size_t len, const char *what, kt_err *err)
{
	json_error_t where;
	json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
	if (value == NULL) {
		KT_FAIL(err, INVALID, "%s: %s at line %d, column %d", what, where.text, where.line,
			where.column);
	}
	return value;
}

char *kt_json_text(const json_t *value, int indent)
{
	size_t flags = JSON_ENCODE_ANY | JSON_PRESERVE_ORDER |
		       (indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT);
	return json_dumps(value, flags);
}

const char *kt_json_str(const json_t *object, const char *key, const char *fallback)
{
	const json_t *value = json_object_get(object, key);
	return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t kt_json_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);
	return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool kt_json_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *value = json_object_get(object, key);
	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
