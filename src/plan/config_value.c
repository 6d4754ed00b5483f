/* A service's configuration, turned back into a ServiceConfig value for package tests. */
#include "plan/hooks.h"
#include "plan/plan_internal.h"

#include "base/str.h"

static kt_val strings(kt_sthread *t, const kt_plan_strs *from)
{
	kt_val list = kt_list_new(t, NULL, 0);
	for (size_t i = 0; list != KT_NULL && i < from->len; i++) {
		kt_val item = kt_string_newz(t, from->items[i]);
		if (item == KT_NULL || kt_list_append(t, list, item) < 0) {
			return KT_NULL;
		}
	}
	return list;
}

static kt_val pairs(kt_sthread *t, const kt_plan_pairs *from)
{
	kt_val dict = kt_dict_new(t, from->len);
	for (size_t i = 0; dict != KT_NULL && i < from->len; i++) {
		kt_val value = kt_string_newz(t, from->items[i].value);
		if (value == KT_NULL || kt_dict_sets(t, dict, from->items[i].key, value) < 0) {
			return KT_NULL;
		}
	}
	return dict;
}

static kt_val ports(kt_sthread *t, const kt_plan_ports *from)
{
	kt_val dict = kt_dict_new(t, from->len);
	for (size_t i = 0; dict != KT_NULL && i < from->len; i++) {
		kt_val port = conv_port_value(t, &from->items[i]);
		if (port == KT_NULL || kt_dict_sets(t, dict, from->items[i].id, port) < 0) {
			return KT_NULL;
		}
	}
	return dict;
}

static kt_val directory(kt_sthread *t, const kt_plan_mount *mount)
{
	ktype *dir = ktype_new(t, KTYPE_DIRECTORY);
	if (dir == NULL) {
		return KT_NULL;
	}
	if (mount->persistent_key != NULL) {
		ktype_set(dir, "persistent_key", kt_string_newz(t, mount->persistent_key));
		ktype_set(dir, "size", kt_int_new(t, mount->size_bytes / (1024 * 1024)));
	} else {
		ktype_set(dir, "artifact_names", strings(t, &mount->artifacts));
	}
	return kt_sthread_error(t) != NULL ? KT_NULL : kt_host_val(&dir->host);
}

static kt_val files(kt_sthread *t, const kt_plan_mounts *from)
{
	kt_val dict = kt_dict_new(t, from->len);
	/* Artifacts first, persistent directories behind them. */
	for (int persistent = 0; dict != KT_NULL && persistent < 2; persistent++) {
		for (size_t i = 0; i < from->len; i++) {
			const kt_plan_mount *mount = &from->items[i];
			if ((mount->persistent_key != NULL) != (persistent == 1)) {
				continue;
			}
			kt_val dir = directory(t, mount);
			if (dir == KT_NULL || kt_dict_sets(t, dict, mount->path, dir) < 0) {
				return KT_NULL;
			}
		}
	}
	return dict;
}

static kt_val text_or_none(kt_sthread *t, const char *text)
{
	return kt_str_empty(text) ? KT_NONE : kt_string_newz(t, text);
}

static kt_val tolerations(kt_sthread *t, const kt_plan_tolerations *from)
{
	kt_val list = kt_list_new(t, NULL, 0);
	for (size_t i = 0; list != KT_NULL && i < from->len; i++) {
		const kt_plan_toleration *item = &from->items[i];
		ktype *value = ktype_new(t, KTYPE_TOLERATION);
		if (value == NULL) {
			return KT_NULL;
		}
		ktype_set(value, "key", text_or_none(t, item->key));
		ktype_set(value, "operator", text_or_none(t, item->op));
		ktype_set(value, "value", text_or_none(t, item->value));
		ktype_set(value, "effect", text_or_none(t, item->effect));
		ktype_set(value, "toleration_seconds",
			  item->has_seconds ? kt_int_new(t, item->seconds) : KT_NONE);
		if (kt_list_append(t, list, kt_host_val(&value->host)) < 0) {
			return KT_NULL;
		}
	}
	return list;
}

static void set_limits(kt_sthread *t, ktype *value, const kt_plan_config *config)
{
	ktype_set(value, "cpu_allocation", kt_int_new_u64(t, config->max_cpu_millis));
	ktype_set(value, "memory_allocation", kt_int_new_u64(t, config->max_memory_mb));
	ktype_set(value, "max_cpu", kt_int_new_u64(t, config->max_cpu_millis));
	ktype_set(value, "min_cpu", kt_int_new_u64(t, config->min_cpu_millis));
	ktype_set(value, "max_memory", kt_int_new_u64(t, config->max_memory_mb));
	ktype_set(value, "min_memory", kt_int_new_u64(t, config->min_memory_mb));
}

static kt_val config_value(kt_sthread *t, const kt_plan_config *config)
{
	ktype *value = ktype_new(t, KTYPE_SERVICE_CONFIG);
	if (value == NULL) {
		return KT_NULL;
	}
	ktype_set(value, "image", kt_string_newz(t, kt_str_or(config->image.name, "")));
	ktype_set(value, "ports", ports(t, &config->ports));
	ktype_set(value, "public_ports", ports(t, &config->public_ports));
	ktype_set(value, "files", files(t, &config->files));
	ktype_set(value, "entrypoint", strings(t, &config->entrypoint));
	ktype_set(value, "cmd", strings(t, &config->cmd));
	ktype_set(value, "env_vars", pairs(t, &config->env_vars));
	ktype_set(value, "private_ip_address_placeholder",
		  kt_string_newz(t, config->ip_placeholder));
	set_limits(t, value, config);
	ktype_set(value, "ready_conditions", KT_NONE);
	ktype_set(value, "labels", pairs(t, &config->labels));
	ktype_set(value, "user", KT_NONE);
	ktype_set(value, "tolerations", tolerations(t, &config->tolerations));
	ktype_set(value, "node_selectors", pairs(t, &config->node_selectors));
	ktype_set(value, "files_to_be_moved", pairs(t, &config->files_to_be_moved));
	ktype_set(value, "tini_enabled", kt_bool(config->tini_enabled));
	ktype_set(value, "tty_enabled", kt_bool(config->tty_enabled));
	ktype_set(value, "devices", strings(t, &config->devices));
	ktype_set(value, "capabilities", strings(t, &config->capabilities));
	ktype_set(value, "publish_udp", kt_bool(config->publish_udp));
	ktype_set(value, "privileged", kt_bool(config->privileged));
	return kt_sthread_error(t) != NULL ? KT_NULL : kt_host_val(&value->host);
}

kt_val kt_plan_service_config(kt_sthread *t, const char *name)
{
	const service_state *state = kt_map_get(&interp_of(t)->services, name);
	return state == NULL || state->config == NULL ? KT_NULL
						      : config_value(t, state->config);
}
