/*
 * The codec is driven by tables of fields, one per struct of plan/types.h: both directions
 * read the same rows. Every list there is a pointer followed by its length.
 */
#include "run/config_json.h"

#include "base/json.h"
#include "run/value.h"

typedef enum field_type {
	FIELD_STR, /* const char *; NULL is left out */
	FIELD_BOOL,
	FIELD_INT, /* an enum */
	FIELD_U16,
	FIELD_I64,  /* also uint64_t: amounts stay below 2^63 */
	FIELD_STRS, /* list of const char * */
	FIELD_LIST, /* list of structs */
	FIELD_STRUCT,
	FIELD_PTR,   /* pointer to a struct; NULL is left out */
	FIELD_VALUE, /* kt_pval */
} field_type;

typedef struct table table;

typedef struct field {
	const char *name;
	field_type type;
	size_t offset;
	const table *sub;
} field;

struct table {
	size_t size;
	size_t len;
	const field *fields;
};

/* The layout that all lists of plan/types.h share. */
typedef struct any_list {
	const void *items;
	size_t len;
} any_list;

#define TABLE(type, fields)                                                                        \
	{                                                                                          \
		sizeof(type), KT_ARRAY_LEN(fields), fields                                         \
	}
#define F(type, member, kind)                                                                      \
	{                                                                                          \
#member, FIELD_##kind, offsetof(type, member), NULL                                \
	}
#define FS(type, member, kind, table)                                                              \
	{                                                                                          \
#member, FIELD_##kind, offsetof(type, member), &table                              \
	}

_Static_assert(offsetof(kt_plan_gpu, n_ulimits) ==
                       offsetof(kt_plan_gpu, ulimits) + offsetof(any_list, len),
               "ulimits and their number form a list");

static const field pair_fields[] = {
        F(kt_plan_pair, key, STR),
        F(kt_plan_pair, value, STR),
};
static const table pair_table = TABLE(kt_plan_pair, pair_fields);

static const field image_fields[] = {
        F(kt_plan_image, kind, INT),
        F(kt_plan_image, name, STR),
        F(kt_plan_image, registry, STR),
        F(kt_plan_image, context_dir, STR),
        F(kt_plan_image, build_file, STR),
        F(kt_plan_image, target_stage, STR),
        FS(kt_plan_image, build_args, LIST, pair_table),
        F(kt_plan_image, flake_dir, STR),
        F(kt_plan_image, flake_output, STR),
};
static const table image_table = TABLE(kt_plan_image, image_fields);

static const field port_fields[] = {
        F(kt_plan_port, id, STR),        F(kt_plan_port, number, U16),
        F(kt_plan_port, transport, INT), F(kt_plan_port, app_protocol, STR),
        F(kt_plan_port, wait_ns, I64),   F(kt_plan_port, url, STR),
};
static const table port_table = TABLE(kt_plan_port, port_fields);

static const field mount_fields[] = {
        F(kt_plan_mount, path, STR),
        F(kt_plan_mount, artifacts, STRS),
        F(kt_plan_mount, persistent_key, STR),
        F(kt_plan_mount, size_bytes, I64),
};
static const table mount_table = TABLE(kt_plan_mount, mount_fields);

static const field recipe_fields[] = {
        F(kt_plan_recipe, kind, INT),
        F(kt_plan_recipe, command, STRS),
        F(kt_plan_recipe, port_id, STR),
        F(kt_plan_recipe, endpoint, STR),
        F(kt_plan_recipe, body, STR),
        F(kt_plan_recipe, content_type, STR),
        FS(kt_plan_recipe, headers, LIST, pair_table),
        FS(kt_plan_recipe, extract, LIST, pair_table),
        F(kt_plan_recipe, text, STR),
};
static const table recipe_table = TABLE(kt_plan_recipe, recipe_fields);

static const field condition_fields[] = {
        FS(kt_plan_condition, recipe, STRUCT, recipe_table),
        F(kt_plan_condition, field, STR),
        F(kt_plan_condition, assertion, INT),
        F(kt_plan_condition, target, VALUE),
        F(kt_plan_condition, interval_ns, I64),
        F(kt_plan_condition, timeout_ns, I64),
};
static const table condition_table = TABLE(kt_plan_condition, condition_fields);

static const field user_fields[] = {
        F(kt_plan_user, set, BOOL),
        F(kt_plan_user, has_gid, BOOL),
        F(kt_plan_user, uid, I64),
        F(kt_plan_user, gid, I64),
};
static const table user_table = TABLE(kt_plan_user, user_fields);

static const field toleration_fields[] = {
        F(kt_plan_toleration, key, STR),          F(kt_plan_toleration, op, STR),
        F(kt_plan_toleration, value, STR),        F(kt_plan_toleration, effect, STR),
        F(kt_plan_toleration, has_seconds, BOOL), F(kt_plan_toleration, seconds, I64),
};
static const table toleration_table = TABLE(kt_plan_toleration, toleration_fields);

static const field ulimit_fields[] = {
        F(kt_plan_ulimit, name, STR),
        F(kt_plan_ulimit, value, I64),
};
static const table ulimit_table = TABLE(kt_plan_ulimit, ulimit_fields);

static const field gpu_fields[] = {
        F(kt_plan_gpu, set, BOOL),
        F(kt_plan_gpu, count, I64),
        F(kt_plan_gpu, device_ids, STRS),
        F(kt_plan_gpu, shm_size_mb, I64),
        FS(kt_plan_gpu, ulimits, LIST, ulimit_table),
        F(kt_plan_gpu, docker_driver, STR),
        F(kt_plan_gpu, kubernetes_driver, STR),
};
static const table gpu_table = TABLE(kt_plan_gpu, gpu_fields);

#define C(member, kind) F(kt_plan_config, member, kind)
#define CS(member, kind, table) FS(kt_plan_config, member, kind, table)

static const field config_fields[] = {
        CS(image, STRUCT, image_table),
        CS(ports, LIST, port_table),
        CS(public_ports, LIST, port_table),
        C(has_files, BOOL),
        CS(files, LIST, mount_table),
        C(has_entrypoint, BOOL),
        C(has_cmd, BOOL),
        C(entrypoint, STRS),
        C(cmd, STRS),
        CS(env_vars, LIST, pair_table),
        C(ip_placeholder, STR),
        C(max_cpu_millis, I64),
        C(min_cpu_millis, I64),
        C(max_memory_mb, I64),
        C(min_memory_mb, I64),
        CS(ready, PTR, condition_table),
        CS(labels, LIST, pair_table),
        CS(user, STRUCT, user_table),
        CS(tolerations, LIST, toleration_table),
        CS(node_selectors, LIST, pair_table),
        CS(files_to_be_moved, LIST, pair_table),
        C(tini_enabled, BOOL),
        C(tty_enabled, BOOL),
        C(devices, STRS),
        C(publish_udp, BOOL),
        C(capabilities, STRS),
        CS(gpu, STRUCT, gpu_table),
        C(privileged, BOOL),
        C(host_pid_namespace, BOOL),
        CS(bind_mounts, LIST, pair_table),
};
static const table config_table = TABLE(kt_plan_config, config_fields);

/* --- encoding; NULL when memory is short --- */

static json_t *encode_struct(const table *t, const void *base);

static json_t *encode_strs(const any_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->len; i++) {
		if (json_array_append_new(array, json_string(((char *const *)list->items)[i])) <
		    0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *encode_list(const table *t, const any_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->len; i++) {
		const char *item = (const char *)list->items + i * t->size;
		if (json_array_append_new(array, encode_struct(t, item)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *encode_value(const kt_pval *value)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (kt_pval_encode(&text, value, NULL) < 0) {
		return NULL;
	}
	return json_string(kt_buf_str(&text));
}

/* *ret stays NULL for what is left out. False when memory is short. */
static bool encode_field(const field *f, const char *at, json_t **ret)
{
	const void *pointer = NULL;

	switch (f->type) {
	case FIELD_STR:
	case FIELD_PTR:
		pointer = *(const void *const *)(const void *)at;
		if (pointer == NULL) {
			return true;
		}
		*ret = f->type == FIELD_STR ? json_string(pointer) : encode_struct(f->sub, pointer);
		break;
	case FIELD_BOOL:
		*ret = json_boolean(*(const bool *)at);
		break;
	case FIELD_INT:
		*ret = json_integer(*(const int *)(const void *)at);
		break;
	case FIELD_U16:
		*ret = json_integer(*(const uint16_t *)(const void *)at);
		break;
	case FIELD_I64:
		*ret = json_integer(*(const int64_t *)(const void *)at);
		break;
	case FIELD_STRS:
		*ret = encode_strs((const any_list *)(const void *)at);
		break;
	case FIELD_LIST:
		*ret = encode_list(f->sub, (const any_list *)(const void *)at);
		break;
	case FIELD_STRUCT:
		*ret = encode_struct(f->sub, at);
		break;
	case FIELD_VALUE:
		*ret = encode_value((const kt_pval *)(const void *)at);
		break;
	}
	return *ret != NULL;
}

static json_t *encode_struct(const table *t, const void *base)
{
	json_t *object = json_object();

	for (size_t i = 0; i < t->len; i++) {
		json_t *member = NULL;
		const field *f = &t->fields[i];
		if (!encode_field(f, (const char *)base + f->offset, &member) ||
		    (member != NULL && json_object_set_new(object, f->name, member) < 0)) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

int kt_config_encode(kt_buf *buf, const kt_plan_config *config, kt_err *err)
{
	KT_AUTO_JSON json_t *json = encode_struct(&config_table, config);
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

	if (text == NULL) {
		return KT_FAIL(err, INTERNAL,
		               "a service configuration cannot be stored: it holds text that is "
		               "not UTF-8, or memory is short");
	}
	kt_buf_adds(buf, text);
	free(text);
	return kt_buf_check(buf, err);
}

/* --- decoding --- */

static int decode_struct(kt_arena *arena, const table *t, const json_t *json, void *base,
                         kt_err *err);

static int decode_strs(kt_arena *arena, const json_t *json, any_list *ret, kt_err *err)
{
	size_t n = json_array_size(json);
	const char **items = KT_ARENA_ARRAY(arena, const char *, n + 1);

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(json, i));
		items[i] = kt_arena_strdup(arena, text != NULL ? text : "");
		if (items[i] == NULL) {
			return kt_err_nomem(err);
		}
	}
	*ret = (any_list){items, n};
	return 0;
}

static int decode_list(kt_arena *arena, const table *t, const json_t *json, any_list *ret,
                       kt_err *err)
{
	size_t n = json_array_size(json);
	char *items = kt_arena_alloc(arena, kt_arena_product(n + 1, t->size));

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (decode_struct(arena, t, json_array_get(json, i), items + i * t->size, err) <
		    0) {
			return -1;
		}
	}
	*ret = (any_list){items, n};
	return 0;
}

static int decode_ptr(kt_arena *arena, const table *t, const json_t *json, const void **ret,
                      kt_err *err)
{
	void *object = kt_arena_alloc(arena, t->size);

	if (object == NULL) {
		return kt_err_nomem(err);
	}
	if (decode_struct(arena, t, json, object, err) < 0) {
		return -1;
	}
	*ret = object;
	return 0;
}

static int decode_field(kt_arena *arena, const field *f, const json_t *json, char *at, kt_err *err)
{
	const char *text = json_string_value(json);

	switch (f->type) {
	case FIELD_STR: {
		char *copy = kt_arena_strdup(arena, text != NULL ? text : "");
		*(const char **)(void *)at = copy;
		return copy != NULL ? 0 : kt_err_nomem(err);
	}
	case FIELD_PTR:
		return decode_ptr(arena, f->sub, json, (const void **)(void *)at, err);
	case FIELD_BOOL:
		*(bool *)at = json_is_true(json);
		return 0;
	case FIELD_INT:
		*(int *)(void *)at = (int)json_integer_value(json);
		return 0;
	case FIELD_U16:
		*(uint16_t *)(void *)at = (uint16_t)json_integer_value(json);
		return 0;
	case FIELD_I64:
		*(int64_t *)(void *)at = json_integer_value(json);
		return 0;
	case FIELD_STRS:
		return decode_strs(arena, json, (any_list *)(void *)at, err);
	case FIELD_LIST:
		return decode_list(arena, f->sub, json, (any_list *)(void *)at, err);
	case FIELD_STRUCT:
		return decode_struct(arena, f->sub, json, at, err);
	case FIELD_VALUE:
		return kt_pval_decode(arena, text != NULL ? text : "", json_string_length(json),
		                      (kt_pval *)(void *)at, err);
	}
	return 0;
}

static int decode_struct(kt_arena *arena, const table *t, const json_t *json, void *base,
                         kt_err *err)
{
	for (size_t i = 0; i < t->len; i++) {
		const field *f = &t->fields[i];
		const json_t *member = json_object_get(json, f->name);
		if (member != NULL &&
		    decode_field(arena, f, member, (char *)base + f->offset, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_config_decode(kt_arena *arena, const char *text, size_t len, kt_plan_config **ret,
                     kt_err *err)
{
	KT_AUTO_JSON json_t *json =
	        kt_json_parse(text, len, "the stored configuration of a service", err);
	kt_plan_config *config = KT_ARENA_NEW(arena, kt_plan_config);

	if (json == NULL) {
		return -1;
	}
	if (config == NULL) {
		return kt_err_nomem(err);
	}
	if (decode_struct(arena, &config_table, json, config, err) < 0) {
		return -1;
	}
	*ret = config;
	return 0;
}
