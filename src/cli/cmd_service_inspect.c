/* kurtosis service inspect */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/enclave_view.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void show_list(kt_cli *cli, const char *title, char *const *items, size_t count)
{
	kt_out(cli, "%s:\n", title);
	for (size_t i = 0; i < count; i++) {
		kt_out(cli, "  %s\n", items[i]);
	}
}

static int by_key(const void *a, const void *b)
{
	ApiContainerApi__Container__EnvVarsEntry *const *x = a;
	ApiContainerApi__Container__EnvVarsEntry *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

static int show_text(kt_cli *cli, const kt_service_info *service, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec ports = KT_STRVEC_INIT;
	int color;
	const char *status = kt_service_status(service, &color);
	bool full = kt_cli_bool(cli, "full-uuid");
	if (kt_port_lines(service, &ports) < 0) {
		return kt_err_nomem(err);
	}
	kt_out(cli, "Name: %s\nUUID: %s\n", service->name,
	       full ? service->service_uuid : service->shortened_uuid);
	if (cli->color && color != KT_NO_COLOR) {
		kt_out(cli, "Status: \033[%dm%s\033[0m\n", color, status);
	} else {
		kt_out(cli, "Status: %s\n", status);
	}
	const ApiContainerApi__Container *container = service->container;
	kt_out(cli, "Image: %s\n", container != NULL ? container->image_name : "");
	show_list(cli, "Ports", ports.items, ports.len);
	if (container == NULL) {
		return 0;
	}
	show_list(cli, "ENTRYPOINT", container->entrypoint_args, container->n_entrypoint_args);
	show_list(cli, "CMD", container->cmd_args, container->n_cmd_args);
	kt_out(cli, "ENV:\n");
	if (container->n_env_vars > 0) {
		qsort(container->env_vars, container->n_env_vars, sizeof(*container->env_vars),
		      by_key);
	}
	for (size_t i = 0; i < container->n_env_vars; i++) {
		kt_out(cli, "  %s: %s\n", container->env_vars[i]->key, container->env_vars[i]->value);
	}
	return 0;
}

/* --- json and yaml ---------------------------------------------------------------------- */

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

/* Takes the object; an empty one is left out. */
static void set_object(json_t *to, const char *key, json_t *object)
{
	if (json_object_size(object) > 0) {
		json_object_set(to, key, object);
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

static json_t *service_json(const kt_service_info *service)
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

/* A scalar as YAML: plain where that reads back as the same string, else quoted. */
static void yaml_scalar(kt_buf *out, const json_t *value)
{
	if (!json_is_string(value)) {
		KT_AUTO_FREE char *text = kt_json_text(value, 0);
		kt_buf_adds(out, kt_str_or(text, ""));
		return;
	}
	const char *text = json_string_value(value);
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/"
				   "0123456789.-:@=+;,()$ ";
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
	size_t len = strlen(text);
	size_t dash = text[0] == '-' ? 1 : 0;
	bool safe = len > dash && strchr(first, text[dash]) != NULL && strspn(text, rest) == len &&
		    strstr(text, ": ") == NULL && text[len - 1] != ':' && text[len - 1] != ' ';
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		safe = safe && strcasecmp(text, words[i]) != 0;
	}
	if (safe) {
		kt_buf_adds(out, text);
	} else {
		kt_buf_add_quoted(out, text, len);
	}
}

static void yaml_value(kt_buf *out, const json_t *value, int indent);

static void yaml_entry(kt_buf *out, const char *key, const json_t *value, int indent)
{
	kt_buf_addf(out, "%*s", indent, "");
	if (key != NULL) {
		json_t *name = json_string(key);
		yaml_scalar(out, name);
		json_decref(name);
		kt_buf_adds(out, ":");
	} else {
		kt_buf_adds(out, "-");
	}
	if (json_is_object(value) || json_is_array(value)) {
		kt_buf_adds(out, "\n");
		yaml_value(out, value, indent + 4);
		return;
	}
	kt_buf_adds(out, " ");
	yaml_scalar(out, value);
	kt_buf_adds(out, "\n");
}

static void yaml_value(kt_buf *out, const json_t *value, int indent)
{
	const char *key;
	json_t *item;
	size_t i;
	if (json_is_object(value)) {
		json_object_foreach((json_t *)(uintptr_t)value, key, item)
		{
			yaml_entry(out, key, item, indent);
		}
		return;
	}
	json_array_foreach(value, i, item)
	{
		yaml_entry(out, NULL, item, indent);
	}
}

/* Go's JSON writes these three characters of strings as escapes. */
static void print_json(kt_cli *cli, const char *text)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '<' || *p == '>' || *p == '&') {
			kt_buf_addf(&out, "\\u%04x", (unsigned)(unsigned char)*p);
		} else {
			kt_buf_addc(&out, *p);
		}
	}
	kt_out(cli, "%s\n", kt_buf_str(&out));
}

static int show_structured(kt_cli *cli, const kt_service_info *service, bool yaml, kt_err *err)
{
	KT_AUTO_JSON json_t *value = service_json(service);
	if (yaml) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		yaml_value(&text, value, 0);
		kt_out(cli, "%s\n", kt_buf_str(&text));
		return kt_buf_check(&text, err);
	}
	KT_AUTO_FREE char *text = kt_json_text(value, 2);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	print_json(cli, text);
	return 0;
}

int kt_cmd_service_inspect(kt_cli *cli, kt_err *err)
{
	const char *format = kt_cli_str(cli, "output");
	bool yaml = strcasecmp(format, "yaml") == 0;
	bool json = strcasecmp(format, "json") == 0;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *services = NULL;
	const kt_service_info *service = NULL;
	if (*format != '\0' && !yaml && !json) {
		return KT_FAIL(err, INVALID, "Invalid output format '%s'; must be 'json' or 'yaml'",
			       format);
	}
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_find_service(cli, apic, kt_cli_arg(cli, "service"), &services, &service, err);
	kt_grpc_client_free(apic);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred getting service '%s'",
			       kt_cli_arg(cli, "service"));
	}
	return yaml || json ? show_structured(cli, service, yaml, err)
			    : show_text(cli, service, err);
}
