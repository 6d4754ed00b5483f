/* Settings of services that only some orchestrators honour: tolerations and GPUs. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

static int check_toleration(conv *c, const kt_plan_toleration *one)
{
	bool exists = kt_str_eq(one->op, "Exists");
	if (one->key[0] == '\0' && !exists) {
		return kt_star_fail(c->t, "'Toleration' expects either 'key' to be set or for "
					  "'operator' to be 'Exists'");
	}
	if (exists && one->value[0] != '\0') {
		return kt_star_fail(c->t,
				    "'Toleration' cannot have non empty value '%s' for 'value' if "
				    "'operator' is 'Exists'",
				    one->value);
	}
	return 0;
}

static int conv_toleration(conv *c, const ktype *from, kt_plan_toleration *ret)
{
	if (conv_str(c, ktype_get(from, "key"), "key", "", &ret->key) < 0 ||
	    conv_str(c, ktype_get(from, "operator"), "operator", "", &ret->op) < 0 ||
	    conv_str(c, ktype_get(from, "value"), "value", "", &ret->value) < 0 ||
	    conv_str(c, ktype_get(from, "effect"), "effect", "", &ret->effect) < 0) {
		return -1;
	}
	kt_val seconds = ktype_get(from, "toleration_seconds");
	ret->has_seconds = seconds != KT_NULL;
	if (ret->has_seconds && !kt_int_get(seconds, &ret->seconds)) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_val_str(c->t, seconds, &text);
		return kt_star_fail(c->t, "Couldn't convert 'toleration_seconds' '%s' to int64",
				    kt_buf_str(&text));
	}
	return check_toleration(c, ret);
}

/* Puts the place in the list in front of the error that waits in the thread. */
static int wrap_toleration(conv *c, size_t i)
{
	KT_AUTO_FREE char *cause = kt_strdup(kt_sthread_error(c->t)->msg);
	kt_sthread_clear_error(c->t);
	return kt_star_fail(c->t,
			    "Error occurred while converting object at '%zu' of 'tolerations' list to "
			    "internal type" CAUSED_BY "%s",
			    i, kt_str_or(cause, ""));
}

int conv_tolerations(conv *c, kt_val v, kt_plan_tolerations *ret)
{
	*ret = (kt_plan_tolerations){NULL, 0};
	size_t n;
	const kt_val *items = v == KT_NULL ? NULL : kt_seq_items(v, &n);
	if (items == NULL) {
		return 0;
	}
	kt_plan_toleration *list = KT_ARENA_ARRAY(c->arena, kt_plan_toleration, n);
	if (list == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		const ktype *one = ktype_of(items[i], KTYPE_TOLERATION);
		if (one == NULL) {
			return kt_star_fail(c->t,
					    "Expected item at index '%zu' of the tolerations list "
					    "passed via 'tolerations' attr to be a 'Toleration' but "
					    "it wasn't",
					    i);
		}
		if (conv_toleration(c, one, &list[i]) < 0) {
			return wrap_toleration(c, i);
		}
	}
	*ret = (kt_plan_tolerations){list, n};
	return 0;
}

/* --- GPUs ----------------------------------------------------------------- */

static int conv_ulimits(conv *c, kt_val v, kt_plan_gpu *ret)
{
	if (v == KT_NULL) {
		return 0;
	}
	kt_plan_ulimit *list =
		KT_ARENA_ARRAY(c->arena, kt_plan_ulimit, KT_MAX(kt_val_len(v), (size_t)1));
	if (list == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	kt_val key, value;
	size_t n = 0;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value); n++) {
		if (kt_val_kind(key) != KT_KIND_STRING) {
			return kt_star_fail(c->t,
					    "Expected string key in 'ulimits' dict, got '%s'",
					    go_type(key));
		}
		if (conv_str(c, key, "ulimits", NULL, &list[n].name) < 0) {
			return -1;
		}
		if (kt_val_kind(value) != KT_KIND_INT) {
			return kt_star_fail(
				c->t, "Expected int value in 'ulimits' dict for key '%s', got '%s'",
				list[n].name, go_type(value));
		}
		if (!kt_int_get(value, &list[n].value)) {
			return kt_star_fail(c->t,
					    "Could not convert value for 'ulimits' key '%s' to int64",
					    list[n].name);
		}
	}
	ret->ulimits = list;
	ret->n_ulimits = n;
	return 0;
}

static int driver_from_dict(conv *c, kt_val dict, const char *key, const char **ret)
{
	kt_val v = kt_dict_gets(dict, key);
	if (v == KT_NULL) {
		return 0;
	}
	size_t len;
	if (kt_string_get(v, &len) == NULL || len == 0) {
		return kt_star_fail(c->t, "Key '%s' in field 'driver' must be a non-empty string",
				    key);
	}
	return conv_str(c, v, "driver", NULL, ret);
}

static int conv_driver(conv *c, kt_val v, kt_plan_gpu *ret)
{
	ret->docker_driver = "nvidia";
	ret->kubernetes_driver = "nvidia.com/gpu";
	if (v == KT_NULL) {
		return 0;
	}
	if (kt_val_kind(v) == KT_KIND_DICT) {
		return driver_from_dict(c, v, "docker", &ret->docker_driver) < 0
			       ? -1
			       : driver_from_dict(c, v, "kubernetes", &ret->kubernetes_driver);
	}
	if (kt_val_kind(v) != KT_KIND_STRING) {
		return kt_star_fail(c->t,
				    "Field 'driver' must be a string or a dict with "
				    "'docker'/'kubernetes' keys, got '%s'",
				    go_type(v));
	}
	if (conv_str(c, v, "driver", NULL, &ret->docker_driver) < 0) {
		return -1;
	}
	if (ret->docker_driver[0] == '\0') {
		return kt_star_fail(c->t, "Field 'driver' string shorthand cannot be empty");
	}
	ret->kubernetes_driver = keepf(c->in, c->t, "%s.com/gpu", ret->docker_driver);
	return ret->kubernetes_driver == NULL ? -1 : 0;
}

static int bad_gpu_int(conv *c, const char *field, kt_val v, const char *type)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_val_str(c->t, v, &text);
	return kt_star_fail(c->t, "An error occurred parsing field '%s' with value '%s' to %s",
			    field, kt_buf_str(&text), type);
}

int conv_gpu(conv *c, const ktype *gpu, kt_plan_gpu *ret)
{
	kt_val count = ktype_get(gpu, "count");
	kt_val shm = ktype_get(gpu, "shm_size");
	kt_val ids = ktype_get(gpu, "device_ids");
	int64_t shm_size = 0;
	ret->set = true;
	if (count != KT_NULL && !kt_int_get(count, &ret->count)) {
		return bad_gpu_int(c, "count", count, "int64");
	}
	if (shm != KT_NULL && (!kt_int_get(shm, &shm_size) || shm_size < 0)) {
		return bad_gpu_int(c, "shm_size", shm, "uint64");
	}
	ret->shm_size_mb = (uint64_t)shm_size;
	size_t n;
	const kt_val *items = ids == KT_NULL ? NULL : kt_seq_items(ids, &n);
	for (size_t i = 0; items != NULL && i < n; i++) {
		if (kt_val_kind(items[i]) != KT_KIND_STRING) {
			return kt_star_fail(c->t, "An error occurred parsing field 'device_ids': all "
						  "elements must be strings");
		}
	}
	return conv_strs(c, ids, "device_ids", &ret->device_ids) < 0 ||
			       conv_ulimits(c, ktype_get(gpu, "ulimits"), ret) < 0
		       ? -1
		       : conv_driver(c, ktype_get(gpu, "driver"), ret);
}
