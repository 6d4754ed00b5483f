/* Services as JSON: `service inspect`, `service update` and the dumps. */
#include "cli/service_json.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

static void set_text(json_t *to, const char *key, const char *value)
{
	if (!kt_str_empty(value)) {
		json_object_set_new(to, key, json_string(value));
	}
}

static void set_list(json_t *to, const char *key, char *const *items, size_t count)
{
	if (count == 0) {
		return;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_array_append_new(list, json_string(items[i]));
	}
	json_object_set_new(to, key, list);
}

static void set_number(json_t *to, const char *key, uint32_t value)
{
	if (value != 0) {
		json_object_set_new(to, key, json_integer(value));
	}
}

/* Maps of two strings all look alike to protobuf-c, under different names. */
#define SET_MAP(to, title, count, entries)                                                         \
	do {                                                                                       \
		json_t *map_ = json_object();                                                      \
		for (size_t i_ = 0; i_ < (count); i_++) {                                          \
			json_object_set_new(map_, (entries)[i_]->key,                              \
					    json_string((entries)[i_]->value));                    \
		}                                                                                  \
		set_object((to), (title), map_);                                                   \
	} while (0)

/* A copy with the keys in order, as Go prints maps. */
static json_t *sorted(json_t *object)
{
	KT_AUTO_STRVEC kt_strvec keys = KT_STRVEC_INIT;
	json_t *ret = json_object();
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		kt_strvec_add(&keys, key);
	}
	kt_strvec_sort(&keys);
	for (size_t i = 0; i < keys.len; i++) {
		json_object_set(ret, keys.items[i], json_object_get(object, keys.items[i]));
	}
	return ret;
}

/* Takes the object; an empty one is left out. */
static void set_object(json_t *to, const char *key, json_t *object)
{
	if (json_object_size(object) > 0) {
		json_object_set_new(to, key, sorted(object));
	}
	json_decref(object);
}

static json_t *port_json(const ApiContainerApi__Port *port)
{
	json_t *ret = json_object();
	json_object_set_new(ret, "number", json_integer(port->number));
	json_object_set_new(ret, "transport", json_integer((json_int_t)port->transport_protocol));
	set_text(ret, "maybe_application_protocol", port->maybe_application_protocol);
	set_text(ret, "wait", port->maybe_wait_timeout);
	return ret;
}

static void set_ports(json_t *to, const kt_service_info *service)
{
	json_t *inner = json_object();
	json_t *outer = json_object();
	for (size_t i = 0; i < service->n_private_ports; i++) {
		json_object_set_new(inner, service->private_ports[i]->key,
				    port_json(service->private_ports[i]->value));
	}
	for (size_t i = 0; i < service->n_maybe_public_ports; i++) {
		json_object_set_new(outer, service->maybe_public_ports[i]->key,
				    port_json(service->maybe_public_ports[i]->value));
	}
	set_object(to, "ports", inner);
	set_object(to, "public_ports", outer);
}

static void set_files(json_t *to, const kt_service_info *service)
{
	json_t *mounts = json_object();
	for (size_t i = 0; i < service->n_service_dir_paths_to_files_artifacts_list; i++) {
		const ApiContainerApi__FilesArtifactsList *list =
			service->service_dir_paths_to_files_artifacts_list[i]->value;
		set_list(mounts, service->service_dir_paths_to_files_artifacts_list[i]->key,
			 list->files_artifacts_identifiers, list->n_files_artifacts_identifiers);
	}
	set_object(to, "files", mounts);
}

static void set_tolerations(json_t *to, const kt_service_info *service)
{
	json_t *list = json_array();
	for (size_t i = 0; i < service->n_tolerations; i++) {
		const ApiContainerApi__Toleration *from = service->tolerations[i];
		json_t *one = json_object();
		set_text(one, "key", from->key);
		set_text(one, "value", from->value);
		set_text(one, "operator", from->operator_);
		set_text(one, "effect", from->effect);
		if (from->toleration_seconds != 0) {
			json_object_set_new(one, "toleration_seconds",
					    json_integer(from->toleration_seconds));
		}
		json_array_append_new(list, one);
	}
	if (json_array_size(list) > 0) {
		json_object_set(to, "tolerations", list);
	}
	json_decref(list);
}

json_t *kt_service_json(const kt_service_info *service)
{
	json_t *to = json_object();
	const ApiContainerApi__Container *container = service->container;
	json_object_set_new(to, "image", json_string(container != NULL ? container->image_name : ""));
	set_ports(to, service);
	set_files(to, service);
	if (container != NULL) {
		set_list(to, "entrypoint", container->entrypoint_args, container->n_entrypoint_args);
		set_list(to, "cmd", container->cmd_args, container->n_cmd_args);
		SET_MAP(to, "env_vars", container->n_env_vars, container->env_vars);
	}
	set_number(to, "max_cpu", service->max_millicpus);
	set_number(to, "min_cpu", service->min_millicpus);
	set_number(to, "max_memory", service->max_memory_megabytes);
	set_number(to, "min_memory", service->min_memory_megabytes);
	if (service->user != NULL) {
		json_object_set_new(to, "user",
				    json_pack("{s:I, s:I}", "uid", (json_int_t)service->user->uid,
					      "gid", (json_int_t)service->user->gid));
	}
	set_tolerations(to, service);
	SET_MAP(to, "labels", service->n_labels, service->labels);
	SET_MAP(to, "node_selectors", service->n_node_selectors, service->node_selectors);
	json_object_set_new(to, "tini_enabled", json_boolean(KT_OPT_OR(service, tini_enabled, 0)));
	json_object_set_new(to, "tty_enabled", json_boolean(KT_OPT_OR(service, tty_enabled, 0)));
	if (service->privileged) {
		json_object_set_new(to, "privileged", json_true());
	}
	SET_MAP(to, "bind_mounts", service->n_bind_mounts, service->bind_mounts);
	if (service->host_pid_namespace) {
		json_object_set_new(to, "host_pid_namespace", json_true());
	}
	return to;
}

char *kt_go_json_text(const json_t *value)
{
	KT_AUTO_FREE char *text = kt_json_text(value, 2);
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	for (const char *p = kt_str_or(text, ""); *p != '\0'; p++) {
		if (*p == '<' || *p == '>' || *p == '&') {
			kt_buf_addf(&out, "\\u%04x", (unsigned)(unsigned char)*p);
		} else {
			kt_buf_addc(&out, *p);
		}
	}
	return text != NULL ? kt_buf_take(&out) : NULL;
}
