/* kurtosis service inspect */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/enclave_view.h"
#include "cli/run_functions.h"
#include "cli/service_json.h"
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

static int show_structured(kt_cli *cli, const kt_service_info *service, bool yaml, kt_err *err)
{
	KT_AUTO_JSON json_t *value = kt_service_json(service);
	if (yaml) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		yaml_value(&text, value, 0);
		kt_out(cli, "%s\n", kt_buf_str(&text));
		return kt_buf_check(&text, err);
	}
	KT_AUTO_FREE char *text = value != NULL ? kt_go_json_text(value) : NULL;
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	kt_out(cli, "%s\n", text);
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
