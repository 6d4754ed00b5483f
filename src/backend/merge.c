#include "backend/merge.h"

#include <string.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const no_strings[] = {NULL};

static size_t count(const char *const *strings)
{
	size_t len = 0;
	while (strings != NULL && strings[len] != NULL) {
		len++;
	}
	return len;
}

const char *const *kt_strs_copy(kt_arena *arena, const char *const *from)
{
	size_t len = count(from);
	const char **copy = KT_ARENA_ARRAY(arena, const char *, len + 1);
	for (size_t i = 0; copy != NULL && i < len; i++) {
		copy[i] = kt_arena_strdup(arena, from[i]);
		if (copy[i] == NULL) {
			return NULL;
		}
	}
	return copy;
}

const kt_kv *kt_kvs_copy(kt_arena *arena, const kt_kv *from, size_t len)
{
	kt_kv *copy = KT_ARENA_ARRAY(arena, kt_kv, len + 1);
	for (size_t i = 0; copy != NULL && i < len; i++) {
		copy[i].key = kt_arena_strdup(arena, from[i].key);
		copy[i].value = kt_arena_strdup(arena, from[i].value);
		if (copy[i].key == NULL || copy[i].value == NULL) {
			return NULL;
		}
	}
	return copy;
}

int kt_merge_command(const kt_service_spec *spec, const kt_image_defaults *image, kt_arena *arena,
		     const char *const **ret_entrypoint, const char *const **ret_cmd, kt_err *err)
{
	const char *const *entrypoint = spec->entrypoint;
	const char *const *cmd = spec->cmd;
	if (count(entrypoint) == 0) {
		cmd = count(cmd) > 0 ? cmd : image->cmd;
		entrypoint = entrypoint != NULL ? entrypoint : image->entrypoint;
	}
	const char *const *a = kt_strs_copy(arena, entrypoint != NULL ? entrypoint : no_strings);
	const char *const *b = kt_strs_copy(arena, cmd != NULL ? cmd : no_strings);
	if (a == NULL || b == NULL) {
		return kt_err_nomem(err);
	}
	*ret_entrypoint = a;
	*ret_cmd = b;
	return 0;
}

/* Puts "K=V" in the place of an entry with the same key, or at the end. */
static void put_env(const char **env, size_t *len, const char *entry)
{
	size_t key_len = strcspn(entry, "=");
	for (size_t i = 0; i < *len; i++) {
		if (strcspn(env[i], "=") == key_len && memcmp(env[i], entry, key_len) == 0) {
			env[i] = entry;
			return;
		}
	}
	env[(*len)++] = entry;
}

int kt_merge_env(const kt_service_spec *spec, const kt_image_defaults *image, kt_arena *arena,
		 const char *const **ret_env, kt_err *err)
{
	size_t image_len = count(image->env);
	const char **env = KT_ARENA_ARRAY(arena, const char *, image_len + spec->env_len + 2);
	if (env == NULL) {
		return kt_err_nomem(err);
	}
	size_t len = 0;
	put_env(env, &len, DEFAULT_PATH);
	for (size_t i = 0; i < image_len + spec->env_len; i++) {
		const char *entry = NULL;
		if (i < image_len) {
			entry = kt_arena_strdup(arena, image->env[i]);
		} else {
			const kt_kv *kv = &spec->env[i - image_len];
			entry = kt_arena_printf(arena, "%s=%s", kv->key, kv->value);
		}
		if (entry == NULL) {
			return kt_err_nomem(err);
		}
		put_env(env, &len, entry);
	}
	*ret_env = env;
	return 0;
}

int kt_merge_ports(const kt_service_spec *spec, kt_arena *arena, kt_port_info **ret, kt_err *err)
{
	kt_port_info *ports = KT_ARENA_ARRAY(arena, kt_port_info, spec->ports_len + 1);
	if (ports == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < spec->ports_len; i++) {
		const kt_port_spec *from = &spec->ports[i];
		const char *app = from->app_protocol != NULL ? from->app_protocol : "";
		ports[i] = (kt_port_info){
			.id = kt_arena_strdup(arena, from->id),
			.number = from->number,
			.protocol = from->protocol,
			.app_protocol = kt_arena_strdup(arena, app),
		};
		if (ports[i].id == NULL || ports[i].app_protocol == NULL) {
			return kt_err_nomem(err);
		}
	}
	*ret = ports;
	return 0;
}

bool kt_port_published(const kt_service_spec *spec, const kt_port_spec *port)
{
	return port->protocol != KT_UDP || port->public_number != 0 || spec->publish_udp;
}
