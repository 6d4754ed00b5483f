/* Which keys a compose file may have: one row each. */
#include "package/compose_internal.h"

#include "base/str.h"

#include <string.h>

typedef enum key_fate {
	KEY_USED,    /* some other file reads it */
	KEY_IGNORED, /* a container runs the same without it, or with more room */
	KEY_REFUSED, /* ignoring it would start something else than the file says */
} key_fate;

typedef struct key_row {
	const char *name;
	key_fate fate;
	const char *remedy; /* of a refused one */
} key_row;

static const key_row service_keys[] = {
	{"annotations", KEY_IGNORED, NULL},
	{"attach", KEY_IGNORED, NULL},
	{"blkio_config", KEY_IGNORED, NULL},
	{"build", KEY_USED, NULL},
	{"cap_add", KEY_USED, NULL},
	{"cap_drop", KEY_IGNORED, NULL},
	{"cgroup", KEY_IGNORED, NULL},
	{"cgroup_parent", KEY_IGNORED, NULL},
	{"command", KEY_USED, NULL},
	{"configs", KEY_REFUSED, "mount the file with 'volumes'"},
	{"container_name", KEY_USED, NULL},
	{"cpu_count", KEY_IGNORED, NULL},
	{"cpu_percent", KEY_IGNORED, NULL},
	{"cpu_period", KEY_IGNORED, NULL},
	{"cpu_quota", KEY_IGNORED, NULL},
	{"cpu_rt_period", KEY_IGNORED, NULL},
	{"cpu_rt_runtime", KEY_IGNORED, NULL},
	{"cpu_shares", KEY_IGNORED, NULL},
	{"cpus", KEY_IGNORED, NULL},
	{"cpuset", KEY_IGNORED, NULL},
	{"credential_spec", KEY_REFUSED, "remove it"},
	{"depends_on", KEY_USED, NULL},
	{"deploy", KEY_USED, NULL},
	{"develop", KEY_IGNORED, NULL},
	{"device_cgroup_rules", KEY_IGNORED, NULL},
	{"devices", KEY_USED, NULL},
	{"dns", KEY_REFUSED, "remove it: an enclave answers names itself"},
	{"dns_opt", KEY_REFUSED, "remove it: an enclave answers names itself"},
	{"dns_search", KEY_REFUSED, "remove it: an enclave answers names itself"},
	{"domainname", KEY_IGNORED, NULL},
	{"entrypoint", KEY_USED, NULL},
	{"env_file", KEY_USED, NULL},
	{"environment", KEY_USED, NULL},
	{"expose", KEY_IGNORED, NULL},
	{"extends", KEY_REFUSED, "write the service out"},
	{"external_links", KEY_REFUSED, "add the service to the file"},
	{"extra_hosts", KEY_REFUSED, "use the address itself"},
	{"gpus", KEY_REFUSED, "write a Starlark package that uses GpuConfig"},
	{"group_add", KEY_REFUSED, "use 'user'"},
	{"healthcheck", KEY_USED, NULL},
	{"hostname", KEY_IGNORED, NULL},
	{"image", KEY_USED, NULL},
	{"init", KEY_IGNORED, NULL},
	{"ipc", KEY_REFUSED, "remove it: each service has its own"},
	{"isolation", KEY_IGNORED, NULL},
	{"label_file", KEY_IGNORED, NULL},
	{"labels", KEY_IGNORED, NULL},
	{"links", KEY_USED, NULL},
	{"logging", KEY_IGNORED, NULL},
	{"mac_address", KEY_REFUSED, "remove it"},
	{"mem_limit", KEY_IGNORED, NULL},
	{"mem_reservation", KEY_IGNORED, NULL},
	{"mem_swappiness", KEY_IGNORED, NULL},
	{"memswap_limit", KEY_IGNORED, NULL},
	{"network_mode", KEY_USED, NULL},
	{"networks", KEY_USED, NULL},
	{"oom_kill_disable", KEY_IGNORED, NULL},
	{"oom_score_adj", KEY_IGNORED, NULL},
	{"pid", KEY_REFUSED, "remove it: each service has its own"},
	{"pids_limit", KEY_IGNORED, NULL},
	{"platform", KEY_IGNORED, NULL},
	{"ports", KEY_USED, NULL},
	{"post_start", KEY_REFUSED, "write a Starlark package that uses plan.exec"},
	{"pre_stop", KEY_REFUSED, "remove it"},
	{"privileged", KEY_USED, NULL},
	{"profiles", KEY_USED, NULL},
	{"provider", KEY_REFUSED, "add the service to the file"},
	{"pull_policy", KEY_IGNORED, NULL},
	{"read_only", KEY_IGNORED, NULL},
	{"restart", KEY_IGNORED, NULL},
	{"runtime", KEY_REFUSED, "remove it"},
	{"scale", KEY_USED, NULL},
	{"secrets", KEY_REFUSED, "mount the file with 'volumes'"},
	{"security_opt", KEY_IGNORED, NULL},
	{"shm_size", KEY_IGNORED, NULL},
	{"stdin_open", KEY_IGNORED, NULL},
	{"stop_grace_period", KEY_IGNORED, NULL},
	{"stop_signal", KEY_IGNORED, NULL},
	{"storage_opt", KEY_IGNORED, NULL},
	{"sysctls", KEY_REFUSED, "remove it"},
	{"tmpfs", KEY_IGNORED, NULL},
	{"tty", KEY_USED, NULL},
	{"ulimits", KEY_IGNORED, NULL},
	{"user", KEY_USED, NULL},
	{"userns_mode", KEY_IGNORED, NULL},
	{"uts", KEY_REFUSED, "remove it"},
	{"volumes", KEY_USED, NULL},
	{"volumes_from", KEY_REFUSED, "list the volumes in both services"},
	{"working_dir", KEY_REFUSED, "use absolute paths in 'command'"},
};

static const key_row file_keys[] = {
	{"configs", KEY_IGNORED, NULL}, {"include", KEY_REFUSED, "write the services into this file"},
	{"models", KEY_IGNORED, NULL},	{"name", KEY_IGNORED, NULL},
	{"networks", KEY_IGNORED, NULL}, {"secrets", KEY_IGNORED, NULL},
	{"services", KEY_USED, NULL},	{"version", KEY_IGNORED, NULL},
	{"volumes", KEY_IGNORED, NULL},
};

/* A key whose value says nothing: null, false, an empty list or map. */
static bool is_empty(const json_t *value)
{
	return json_is_null(value) || json_is_false(value) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

static bool is_empty_key(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return value == NULL || is_empty(value);
}

static int check_keys(const compose_file *self, const json_t *object, const char *place,
		      const key_row *rows, size_t count)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		size_t i = 0;
		while (i < count && !kt_str_eq(rows[i].name, key)) {
			i++;
		}
		if (i == count && !kt_str_starts(key, "x-")) {
			return COMPOSE_FAIL(self, INVALID, "%s%s: Additional property %s is not allowed",
					    place, key, key);
		}
		if (i < count && rows[i].fate == KEY_REFUSED && !is_empty(value)) {
			return COMPOSE_FAIL(self, UNSUPPORTED, "%s%s is not supported; %s", place, key,
					    rows[i].remedy);
		}
	}
	return 0;
}

int kt_compose_check_file(const compose_file *self)
{
	const json_t *services = json_object_get(self->root, "services");
	if (check_keys(self, self->root, "", file_keys, KT_ARRAY_LEN(file_keys)) < 0) {
		return -1;
	}
	if (services != NULL && !json_is_object(services)) {
		return COMPOSE_FAIL(self, INVALID, "services must be a map");
	}
	return json_object_size(services) == 0
		       ? COMPOSE_FAIL(self, INVALID, "there is no service in the file")
		       : 0;
}

/* --- keys with one meaning that works ------------------------------------- */

static int check_networks(const compose_file *self, const compose_service *service)
{
	const json_t *networks = json_object_get(service->def, "networks");
	const char *mode = kt_json_str(service->def, "network_mode", "");
	const char *key, *name;
	json_t *network, *value;
	if (mode[0] != '\0' && !kt_str_eq(mode, "bridge") && !kt_str_eq(mode, "default")) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s.network_mode: '%s' is not supported; all services of an enclave "
				    "share one network",
				    service->place, mode);
	}
	json_object_foreach((json_t *)(uintptr_t)networks, key, network)
	{
		json_object_foreach(network, name, value)
		{
			if (kt_str_eq(name, "priority") || kt_str_eq(name, "gw_priority") ||
			    kt_str_starts(name, "x-") || is_empty(value)) {
				continue;
			}
			return COMPOSE_FAIL(self, UNSUPPORTED,
					    "%s.networks.%s.%s is not supported; all services of an "
					    "enclave share one network and are known by their names",
					    service->place, key, name);
		}
	}
	return 0;
}

static int check_count(const compose_file *self, const compose_service *service)
{
	const json_t *deploy = json_object_get(service->def, "deploy");
	const json_t *counts[] = {json_object_get(service->def, "scale"),
				  json_object_get(deploy, "replicas")};
	for (size_t i = 0; i < KT_ARRAY_LEN(counts); i++) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		if (kt_compose_scalar(counts[i], &text) && !text.failed && !kt_str_eq(kt_buf_str(&text), "1")) {
			return COMPOSE_FAIL(self, UNSUPPORTED,
					    "%s.%s: %s is not supported; every service runs once",
					    service->place, i == 0 ? "scale" : "deploy.replicas",
					    kt_buf_str(&text));
		}
	}
	const json_t *resources = json_object_get(deploy, "resources");
	const json_t *devices =
		json_object_get(json_object_get(resources, "reservations"), "devices");
	return devices == NULL || is_empty(devices)
		       ? 0
		       : COMPOSE_FAIL(self, UNSUPPORTED,
				      "%s.deploy.resources.reservations.devices is not supported; "
				      "write a Starlark package that uses GpuConfig",
				      service->place);
}

static int check_links(const compose_file *self, const compose_service *service)
{
	size_t i;
	json_t *link;
	json_array_foreach(json_object_get(service->def, "links"), i, link)
	{
		const char *text = json_is_string(link) ? json_string_value(link) : "";
		const char *colon = strchr(text, ':');
		if (colon == NULL ||
		    (strlen(colon + 1) == (size_t)(colon - text) &&
		     strncmp(text, colon + 1, strlen(colon + 1)) == 0)) {
			continue;
		}
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s.links[%zu]: a second name ('%s') is not supported; use '%.*s'",
				    service->place, i, colon + 1, (int)(colon - text), text);
	}
	return 0;
}

/* The shape of the values that are read without further questions. */
static int check_shapes(const compose_file *self, const compose_service *service)
{
	static const struct {
		const char *key;
		bool text, list, map;
	} rows[] = {
		{"build", true, false, true},	   {"cap_add", false, true, false},
		{"container_name", true, false, false}, {"deploy", false, false, true},
		{"devices", false, true, false},   {"env_file", true, true, false},
		{"healthcheck", false, false, true}, {"image", true, false, false},
		{"links", false, true, false},	   {"network_mode", true, false, false},
		{"networks", false, true, true},   {"profiles", false, true, false},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		const json_t *value = json_object_get(service->def, rows[i].key);
		if (value == NULL || json_is_null(value) ||
		    (rows[i].text && json_is_string(value)) ||
		    (rows[i].list && json_is_array(value)) ||
		    (rows[i].map && json_is_object(value))) {
			continue;
		}
		return COMPOSE_FAIL(self, INVALID, "%s.%s must be %s%s%s%s%s", service->place,
				    rows[i].key, rows[i].text ? "a text" : "",
				    rows[i].text && (rows[i].list || rows[i].map) ? " or " : "",
				    rows[i].list ? "a list" : "",
				    rows[i].list && rows[i].map ? " or " : "",
				    rows[i].map ? "a map" : "");
	}
	return 0;
}

int kt_compose_check_service(const compose_file *self, const compose_service *service)
{
	KT_AUTO_FREE char *prefix = kt_asprintf("%s.", service->place);
	if (prefix == NULL) {
		return kt_err_nomem(self->err);
	}
	size_t count = KT_ARRAY_LEN(service_keys);
	if (check_keys(self, service->def, prefix, service_keys, count) < 0 ||
	    check_shapes(self, service) < 0 || check_networks(self, service) < 0 ||
	    check_count(self, service) < 0 || check_links(self, service) < 0) {
		return -1;
	}
	return is_empty_key(service->def, "image") && is_empty_key(service->def, "build")
		       ? COMPOSE_FAIL(self, INVALID,
				      "service \"%s\" has neither an image nor a build context "
				      "specified: invalid compose project",
				      service->key)
		       : 0;
}
