/*
 * Extractors through libjq 1.6.
 *
 * Programs that are only a path (".a.b[0]", also behind "fromjson |") are followed right
 * here: compiling anything with libjq costs 17 ms, because it compiles its own built-ins
 * each time.
 *
 * What still differs from the reference's gojq:
 *   - integers past 2^53 lose digits inside programs (gojq computes with big integers);
 *   - regular expressions are Oniguruma's, not RE2's;
 *   - after an error a program gives no further results;
 *   - error texts differ (they are not shown: failing results are dropped);
 *   - @urid, @base32d, getpath on invalid paths, ltrimstr on non-strings, limit(negative),
 *     splits with null, strptime corner cases, halt_error are libjq's;
 *   - a program that computes for ever is not interrupted, only one that gives more than
 *     MAX_RESULTS results.
 */
#include "run/extract.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "run/extract_internal.h"
#include "run/value.h"

#include <ctype.h>
#include <jq.h>
#include <jv.h>
#include <math.h>

#define MAX_RESULTS 1000000
#define MAX_DEPTH 200

/* A step of a path: an object's key, or an index when key is NULL. */
typedef struct path_step {
	char *key;
	long index;
} path_step;

struct kt_jq {
	char *query;
	jq_state *state; /* NULL: a plain path */
	bool from_json;  /* the path starts inside the text that the input string holds */
	KT_VEC(path_step) steps;
};

void kt_jq_free(kt_jq *self)
{
	if (self == NULL) {
		return;
	}
	if (self->state != NULL) {
		jq_teardown(&self->state);
	}
	for (size_t i = 0; i < self->steps.len; i++) {
		kt_free(self->steps.items[i].key);
	}
	kt_vec_deinit(&self->steps);
	kt_free(self->query);
	kt_free(self);
}

/* --- plain paths --- */

static void skip_space(const char **at)
{
	while (isspace((unsigned char)**at)) {
		(*at)++;
	}
}

static int add_step(kt_jq *self, const char *key, size_t len, long index)
{
	path_step step = {NULL, index};

	if (key != NULL && (step.key = kt_strndup(key, len)) == NULL) {
		return -1;
	}
	if (kt_vec_push(&self->steps, step) < 0) {
		kt_free(step.key);
		return -1;
	}
	return 0;
}

/* "[12]" or "[\"key\"]" without escapes; false when it is anything else. */
static bool parse_bracket(kt_jq *self, const char **at)
{
	const char *p = *at + 1;
	char *end = NULL;

	if (*p == '"') {
		size_t len = strcspn(p + 1, "\"\\");
		if (p[1 + len] != '"' || p[2 + len] != ']') {
			return false;
		}
		*at = p + 3 + len;
		return add_step(self, p + 1, len, 0) == 0;
	}
	if (!isdigit((unsigned char)*p) && *p != '-') {
		return false;
	}
	long index = strtol(p, &end, 10);
	if (end == p || end - p > 9 || *end != ']') {
		return false;
	}
	*at = end + 1;
	return add_step(self, NULL, 0, index) == 0;
}

/* One step after a dot or a bracket; false at anything that is not a plain path. */
static bool parse_step(kt_jq *self, const char **at, bool first)
{
	const char *p = *at;

	if (*p == '[' && !first) {
		return parse_bracket(self, at);
	}
	if (*p != '.') {
		return false;
	}
	if (p[1] == '[') {
		*at = p + 1;
		return parse_bracket(self, at);
	}
	size_t len = 0;
	if (isalpha((unsigned char)p[1]) || p[1] == '_') {
		while (isalnum((unsigned char)p[1 + len]) || p[1 + len] == '_') {
			len++;
		}
	}
	if (len == 0) {
		return false;
	}
	*at = p + 1 + len;
	return add_step(self, p + 1, len, 0) == 0;
}

/* True when the whole query is a plain path; self->steps may hold rubbish otherwise. */
static bool parse_path(kt_jq *self, const char *at)
{
	skip_space(&at);
	if (kt_str_starts(at, "fromjson") && !isalnum((unsigned char)at[8]) && at[8] != '_') {
		at += 8;
		skip_space(&at);
		self->from_json = true;
		if (*at == '\0') {
			return true;
		}
		if (*at != '|') {
			return false;
		}
		at++;
		skip_space(&at);
	}
	if (at[0] == '.' && at[1 + strspn(at + 1, " \t\r\n")] == '\0') {
		return true;
	}
	for (bool first = true; *at != '\0' && !isspace((unsigned char)*at); first = false) {
		if (!parse_step(self, &at, first)) {
			return false;
		}
	}
	skip_space(&at);
	return *at == '\0' && self->steps.len > 0;
}

/* --- JSON values between jansson, libjq and ours --- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The object's keys in order of bytes; borrowed; kt_free the array. */
static const char **sorted_keys(const json_t *object)
{
	size_t n = 0;
	const char **keys = kt_alloc_array(json_object_size(object) + 1, sizeof(*keys));
	json_t *o = (json_t *)(uintptr_t)object;

	if (keys == NULL) {
		return NULL;
	}
	for (void *i = json_object_iter(o); i != NULL; i = json_object_iter_next(o, i)) {
		keys[n++] = json_object_iter_key(i);
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	return keys;
}

/* Numbers are reals here: the text was read with JSON_DECODE_INT_AS_REAL. */
static jv to_jv(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT: {
		jv ret = jv_object();
		const char **keys = sorted_keys(json);
		for (size_t i = 0; keys != NULL && i < json_object_size(json); i++) {
			ret = jv_object_set(ret, jv_string(keys[i]),
			                    to_jv(json_object_get(json, keys[i])));
		}
		kt_free(keys);
		return ret;
	}
	case JSON_ARRAY: {
		jv ret = jv_array();
		for (size_t i = 0; i < json_array_size(json); i++) {
			ret = jv_array_append(ret, to_jv(json_array_get(json, i)));
		}
		return ret;
	}
	case JSON_STRING:
		return jv_string_sized(json_string_value(json), (int)json_string_length(json));
	case JSON_INTEGER:
	case JSON_REAL:
		return jv_number(json_number_value(json));
	case JSON_TRUE:
		return jv_true();
	case JSON_FALSE:
		return jv_false();
	case JSON_NULL:
		break;
	}
	return jv_null();
}

/* Integral numbers become integers, as the language sees them. */
static kt_pval number(double value)
{
	if (floor(value) == value && fabs(value) < 9.2e18) {
		return kt_pval_int((int64_t)value);
	}
	return kt_pval_float(value);
}

static kt_pval null_inside(void)
{
	return kt_pval_str_borrow("<nil>", 5);
}

static int from_json(kt_arena *arena, const json_t *json, kt_pval *ret, kt_err *err);

static int object_from_json(kt_arena *arena, const json_t *json, kt_pval *ret, kt_err *err)
{
	size_t n = json_object_size(json);
	kt_pval *keys = KT_ARENA_ARRAY(arena, kt_pval, n + 1);
	kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, n + 1);
	const char **names = sorted_keys(json);
	int result = keys != NULL && items != NULL && names != NULL ? 0 : kt_err_nomem(err);

	for (size_t i = 0; i < n && result == 0; i++) {
		result = kt_pval_str_copy(arena, names[i], strlen(names[i]), &keys[i], err);
		if (result == 0) {
			result = from_json(arena, json_object_get(json, names[i]), &items[i], err);
		}
	}
	kt_free(names);
	*ret = (kt_pval){.kind = KT_PVAL_DICT, .keys = keys, .items = items, .len = n};
	return result;
}

static int array_from_json(kt_arena *arena, const json_t *json, kt_pval *ret, kt_err *err)
{
	size_t n = json_array_size(json);
	kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, n + 1);

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (from_json(arena, json_array_get(json, i), &items[i], err) < 0) {
			return -1;
		}
	}
	*ret = (kt_pval){.kind = KT_PVAL_LIST, .items = items, .len = n};
	return 0;
}

static int from_json(kt_arena *arena, const json_t *json, kt_pval *ret, kt_err *err)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return object_from_json(arena, json, ret, err);
	case JSON_ARRAY:
		return array_from_json(arena, json, ret, err);
	case JSON_STRING:
		return kt_pval_str_copy(arena, json_string_value(json), json_string_length(json),
		                        ret, err);
	case JSON_INTEGER:
	case JSON_REAL:
		*ret = number(json_number_value(json));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		*ret = kt_pval_bool(json_is_true(json));
		return 0;
	case JSON_NULL:
		break;
	}
	*ret = null_inside();
	return 0;
}

static int from_jv(kt_arena *arena, jv value, int depth, kt_pval *ret, kt_err *err);

/* Consumes value. Keys come sorted from jv_keys. */
static int object_from_jv(kt_arena *arena, jv value, int depth, kt_pval *ret, kt_err *err)
{
	jv names = jv_keys(jv_copy(value));
	int n = jv_array_length(jv_copy(names));
	kt_pval *keys = KT_ARENA_ARRAY(arena, kt_pval, (size_t)n + 1);
	kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, (size_t)n + 1);
	int result = keys != NULL && items != NULL ? 0 : kt_err_nomem(err);

	for (int i = 0; i < n && result == 0; i++) {
		jv name = jv_array_get(jv_copy(names), i);
		jv item = jv_object_get(jv_copy(value), jv_copy(name));
		result = from_jv(arena, name, depth + 1, &keys[i], err);
		if (result == 0) {
			result = from_jv(arena, item, depth + 1, &items[i], err);
		} else {
			jv_free(item);
		}
	}
	jv_free(names);
	jv_free(value);
	*ret = (kt_pval){.kind = KT_PVAL_DICT, .keys = keys, .items = items, .len = (size_t)n};
	return result;
}

static int array_from_jv(kt_arena *arena, jv value, int depth, kt_pval *ret, kt_err *err)
{
	int n = jv_array_length(jv_copy(value));
	kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, (size_t)n + 1);
	int result = items != NULL ? 0 : kt_err_nomem(err);

	for (int i = 0; i < n && result == 0; i++) {
		result = from_jv(arena, jv_array_get(jv_copy(value), i), depth + 1, &items[i], err);
	}
	jv_free(value);
	*ret = (kt_pval){.kind = KT_PVAL_LIST, .items = items, .len = (size_t)n};
	return result;
}

/* Consumes value. */
static int from_jv(kt_arena *arena, jv value, int depth, kt_pval *ret, kt_err *err)
{
	int result = 0;

	if (depth > MAX_DEPTH) {
		jv_free(value);
		return KT_FAIL(err, EXHAUSTED, "a result nests more than %d levels", MAX_DEPTH);
	}
	switch (jv_get_kind(value)) {
	case JV_KIND_OBJECT:
		return object_from_jv(arena, value, depth, ret, err);
	case JV_KIND_ARRAY:
		return array_from_jv(arena, value, depth, ret, err);
	case JV_KIND_STRING:
		result = kt_pval_str_copy(arena, jv_string_value(value),
		                          (size_t)jv_string_length_bytes(jv_copy(value)), ret, err);
		break;
	case JV_KIND_NUMBER:
		*ret = number(jv_number_value(value));
		break;
	case JV_KIND_TRUE:
	case JV_KIND_FALSE:
		*ret = kt_pval_bool(jv_get_kind(value) == JV_KIND_TRUE);
		break;
	case JV_KIND_NULL:
	case JV_KIND_INVALID:
		*ret = null_inside();
		break;
	}
	jv_free(value);
	return result;
}

/* --- compiling and running --- */

static void keep_message(void *buf, jv message)
{
	jv text = jv_dump_string(message, 0);

	kt_buf_adds(buf, jv_string_value(text));
	jv_free(text);
}

static void drop_message(void *ctx, jv message)
{
	(void)ctx;
	jv_free(message);
}

static int compile(kt_jq *self, kt_err *err)
{
	KT_AUTO_BUF kt_buf program = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf message = KT_BUF_MAX(4096);

	if (kt_jq_rewrite(self->query, &program, err) < 0) {
		return -1;
	}
	self->state = jq_init();
	if (self->state == NULL) {
		return kt_err_nomem(err);
	}
	jq_set_error_cb(self->state, keep_message, &message);
	jq_set_attr(self->state, jv_string("JQ_LIBRARY_PATH"), jv_array());
	if (!jq_compile(self->state, kt_buf_str(&program))) {
		return KT_FAIL(err, INVALID, "%s",
		               message.len > 0 ? message.data : "the program cannot be compiled");
	}
	jq_set_error_cb(self->state, drop_message, NULL);
	return 0;
}

int kt_jq_new(const char *query, kt_jq **ret, kt_err *err)
{
	kt_jq *self = kt_calloc(1, sizeof(*self));

	if (self == NULL) {
		return kt_err_nomem(err);
	}
	self->query = kt_strdup(query);
	if (self->query == NULL) {
		kt_jq_free(self);
		return kt_err_nomem(err);
	}
	if (!parse_path(self, query) && compile(self, err) < 0) {
		KT_WRAP(err, "An error occurred when parsing field extractor '%s'", query);
		kt_jq_free(self);
		return -1;
	}
	*ret = self;
	return 0;
}

/* Nesting that jansson and the walks over its values can take on a small stack. */
static bool too_deep(const char *text, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\' && in_string) {
			i++;
		} else if (text[i] == '"') {
			in_string = !in_string;
		} else if (!in_string && (text[i] == '[' || text[i] == '{')) {
			if (++depth > MAX_DEPTH) {
				return true;
			}
		} else if (!in_string && (text[i] == ']' || text[i] == '}')) {
			depth--;
		}
	}
	return false;
}

/* As Go's decoder reads it: strict grammar, bad UTF-8 replaced, numbers as doubles. */
static json_t *parse_json(const char *text, size_t len)
{
	KT_AUTO_BUF kt_buf clean = KT_BUF_INIT;

	kt_buf_add_utf8(&clean, text, len);
	if (clean.failed || too_deep(kt_buf_str(&clean), clean.len)) {
		return NULL;
	}
	return json_loadb(kt_buf_str(&clean), clean.len,
	                  JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
}

static int no_result(const kt_jq *self, const char *json, kt_err *err)
{
	return KT_FAIL(err, INVALID, "No field '%s' was found on input '%s'", self->query, json);
}

/* The value at the path, or NULL: absent, null, or not of a type that has such a step. */
static const json_t *follow(const kt_jq *self, const json_t *at)
{
	for (size_t i = 0; i < self->steps.len && at != NULL; i++) {
		const path_step *step = &self->steps.items[i];
		if (step->key != NULL) {
			at = json_object_get(at, step->key);
			continue;
		}
		long size = (long)json_array_size(at);
		long index = step->index < 0 ? step->index + size : step->index;
		at = index >= 0 ? json_array_get(at, (size_t)index) : NULL;
	}
	return json_is_null(at) ? NULL : at;
}

static int run_path(kt_jq *self, const json_t *input, const char *json, kt_arena *arena,
                    kt_pval *ret, kt_err *err)
{
	KT_AUTO_JSON json_t *inner = NULL;

	if (self->from_json) {
		inner = json_is_string(input)
		                ? parse_json(json_string_value(input), json_string_length(input))
		                : NULL;
		input = inner;
	}
	const json_t *value = follow(self, input);
	return value == NULL ? no_result(self, json, err) : from_json(arena, value, ret, err);
}

static int run_program(kt_jq *self, const json_t *input, const char *json, kt_arena *arena,
                       kt_pval *ret, kt_err *err)
{
	KT_VEC(kt_pval) results = {0};
	int result = 0;

	jq_start(self->state, to_jv(input), 0);
	for (size_t n = 0; result == 0; n++) {
		jv item = jq_next(self->state);
		if (!jv_is_valid(item)) {
			jv_free(item); /* the end, or an error that ends the program */
			break;
		}
		if (n >= MAX_RESULTS) {
			jv_free(item);
			result =
			        KT_FAIL(err, EXHAUSTED, "'%s' gives too many results", self->query);
		} else if (jv_get_kind(item) == JV_KIND_NULL) {
			jv_free(item);
		} else {
			kt_pval value = kt_pval_none();
			result = from_jv(arena, item, 0, &value, err);
			if (result == 0 && kt_vec_push(&results, value) < 0) {
				result = kt_err_nomem(err);
			}
		}
	}
	if (result == 0 && results.len == 0) {
		result = no_result(self, json, err);
	} else if (result == 0 && results.len == 1) {
		*ret = results.items[0];
	} else if (result == 0) {
		kt_pval *items = KT_ARENA_ARRAY(arena, kt_pval, results.len);
		if (items == NULL) {
			result = kt_err_nomem(err);
		} else {
			memcpy(items, results.items, results.len * sizeof(*items));
			*ret = (kt_pval){.kind = KT_PVAL_LIST, .items = items, .len = results.len};
		}
	}
	kt_vec_deinit(&results);
	return result;
}

int kt_jq_run(kt_jq *self, const char *json, size_t len, kt_arena *arena, kt_pval *ret, kt_err *err)
{
	KT_AUTO_JSON json_t *input = parse_json(json, len);

	if (input == NULL) {
		return KT_FAIL(err, INVALID,
		               "An error occurred when parsing JSON response body:\n'%s'", json);
	}
	return self->state == NULL ? run_path(self, input, json, arena, ret, err)
	                           : run_program(self, input, json, arena, ret, err);
}
