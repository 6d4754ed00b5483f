/* kurtosis service add: the flags become the parameters of a script with one instruction. */
#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <string.h>
#include <strings.h>

static const char script[] =
	"def run(plan, args):\n"
	"    ports = {}\n"
	"    for id, port in args[\"ports\"].items():\n"
	"        ports[id] = PortSpec(wait=\"30s\", **port)\n"
	"    files = {}\n"
	"    for path, names in args[\"files\"].items():\n"
	"        files[path] = names[0] if len(names) == 1 else Directory(artifact_names=names)\n"
	"    config = ServiceConfig(ports=ports, files=files, **args[\"config\"])\n"
	"    plan.add_service(name=args[\"name\"], config=config)\n";

/* "a b c" to ["a", "b", "c"], as the flags --cmd and --entrypoint are read. */
static json_t *words(const char *text, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec parts = KT_STRVEC_INIT;
	json_t *list = json_array();
	if (list == NULL || kt_strvec_split(&parts, text, ' ') < 0) {
		json_decref(list);
		kt_err_nomem(err);
		return NULL;
	}
	for (size_t i = 0; i < parts.len; i++) {
		json_array_append_new(list, json_string(parts.items[i]));
	}
	return list;
}

/* "K=V,K=V" */
static int read_env(const char *text, json_t *to, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec parts = KT_STRVEC_INIT;
	if (kt_strvec_split(&parts, text, ',') < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < parts.len; i++) {
		char *item = parts.items[i];
		char *equals = strchr(item, '=');
		if (*item == '\0') {
			continue;
		}
		if (equals == NULL) {
			return KT_FAIL(err, INVALID,
				       "Environment declaration string '%s' must be of the form "
				       "KEY=VALUE",
				       item);
		}
		*equals = '\0';
		if (json_object_get(to, item) != NULL) {
			return KT_FAIL(err, INVALID, "the environment variable '%s' is given twice", item);
		}
		json_object_set_new(to, item, json_string(equals + 1));
	}
	return 0;
}

/* "[APPPROTO:]NUM[/tcp|udp]" */
static json_t *read_port(char *spec, kt_err *err)
{
	char *slash = strchr(spec, '/');
	const char *transport = "TCP";
	if (slash != NULL) {
		*slash = '\0';
		transport = strcasecmp(slash + 1, "tcp") == 0	 ? "TCP"
			    : strcasecmp(slash + 1, "udp") == 0	 ? "UDP"
			    : strcasecmp(slash + 1, "sctp") == 0 ? "SCTP"
								 : NULL;
	}
	if (transport == NULL) {
		KT_FAIL(err, INVALID, "Unrecognized port protocol '%s'", slash + 1);
		return NULL;
	}
	char *colon = strchr(spec, ':');
	const char *number = colon != NULL ? colon + 1 : spec;
	int64_t value;
	if (colon == spec) {
		KT_FAIL(err, INVALID, "optional application protocol argument cannot be empty");
		return NULL;
	}
	if (!kt_str_to_i64(number, 0, 65535, &value)) {
		KT_FAIL(err, INVALID,
			"Invalid port spec string, expected format is "
			"\"MAYBE_APPLICATION_PROTOCOL:PORT_NUMBER/TRANSPORT_PROTOCOL\" but got '%s'",
			spec);
		return NULL;
	}
	json_t *port = json_pack("{s:I, s:s}", "number", (json_int_t)value, "transport_protocol",
				 transport);
	if (colon != NULL) {
		*colon = '\0';
		json_object_set_new(port, "application_protocol", json_string(spec));
	}
	return port;
}

/* "ID=SPEC,ID=SPEC" */
static int read_ports(const char *text, json_t *to, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec parts = KT_STRVEC_INIT;
	if (*text == '\0') {
		return 0;
	}
	if (kt_strvec_split(&parts, text, ',') < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < parts.len; i++) {
		char *equals = strchr(parts.items[i], '=');
		if (equals == NULL) {
			return KT_FAIL(err, INVALID,
				       "Port declaration string '%s' must be of the form PORTID=SPEC",
				       parts.items[i]);
		}
		if (equals == parts.items[i]) {
			return KT_FAIL(err, INVALID,
				       "Port declaration with spec string '%s' has an empty port ID",
				       equals + 1);
		}
		*equals = '\0';
		if (json_object_get(to, parts.items[i]) != NULL) {
			return KT_FAIL(err, INVALID, "the port ID '%s' is given twice", parts.items[i]);
		}
		json_t *port = read_port(equals + 1, err);
		if (port == NULL) {
			return -1;
		}
		json_object_set_new(to, parts.items[i], port);
	}
	return 0;
}

/* "MOUNT:ARTIFACT|ARTIFACT,MOUNT:ARTIFACT" */
static int read_files(const char *text, json_t *to, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec parts = KT_STRVEC_INIT;
	if (*text == '\0') {
		return 0;
	}
	if (kt_strvec_split(&parts, text, ',') < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < parts.len; i++) {
		KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
		char *colon = strchr(parts.items[i], ':');
		if (colon == NULL || strchr(colon + 1, ':') != NULL) {
			return KT_FAIL(err, INVALID,
				       "Files artifact mountpoint string %zu was '%s' but should be in "
				       "the form 'mountpoint:files_artifact_name'",
				       i, parts.items[i]);
		}
		*colon = '\0';
		if (kt_strvec_split(&names, colon + 1, '|') < 0) {
			return kt_err_nomem(err);
		}
		json_t *list = json_array();
		for (size_t k = 0; k < names.len; k++) {
			json_array_append_new(list, json_string(names.items[k]));
		}
		json_object_set_new(to, parts.items[i], list);
	}
	return 0;
}

/* The flags as the script's parameters; a new reference. */
static json_t *read_flags(kt_cli *cli, kt_err *err)
{
	static const char *const lists[] = {"cmd", "entrypoint"};
	KT_AUTO_JSON json_t *params = json_pack("{s:s, s:{}, s:{}, s:{s:s, s:{}}}", "name",
						kt_cli_arg(cli, "service-name"), "ports", "files",
						"config", "image", kt_cli_arg(cli, "image"), "env_vars");
	if (params == NULL) {
		KT_FAIL(err, INVALID, "the arguments are not valid UTF-8");
		return NULL;
	}
	json_t *config = json_object_get(params, "config");
	for (size_t i = 0; i < KT_ARRAY_LEN(lists); i++) {
		const char *text = kt_cli_str(cli, lists[i]);
		json_t *list = *text != '\0' ? words(text, err) : NULL;
		if (*text != '\0' && list == NULL) {
			return NULL;
		}
		if (list != NULL) {
			json_object_set_new(config, lists[i], list);
		}
	}
	const char *placeholder = kt_cli_str(cli, "ip-address-placeholder");
	if (*placeholder != '\0') {
		json_object_set_new(config, "private_ip_address_placeholder", json_string(placeholder));
	}
	if (read_env(kt_cli_str(cli, "env"), json_object_get(config, "env_vars"), err) < 0 ||
	    read_ports(kt_cli_str(cli, "ports"), json_object_get(params, "ports"), err) < 0 ||
	    read_files(kt_cli_str(cli, "files"), json_object_get(params, "files"), err) < 0) {
		return NULL;
	}
	return json_incref(params);
}

int kt_cmd_service_add(kt_cli *cli, kt_err *err)
{
	const char *name = kt_cli_arg(cli, "service-name");
	if (*kt_cli_str(cli, "json-service-config") != '\0') {
		return KT_FAIL(err, UNSUPPORTED, "the flag --json-service-config is not supported yet");
	}
	if (kt_cli_bool(cli, "privileged")) {
		return KT_FAIL(err, UNSUPPORTED, "the flag --privileged is not supported yet");
	}
	if (*kt_cli_arg(cli, "image") == '\0') {
		return KT_FAIL(err, INVALID, "the service '%s' needs an image: %s enclave service image",
			       name, cli->path);
	}
	KT_AUTO_JSON json_t *params = read_flags(cli, err);
	KT_AUTO_FREE char *text = params != NULL ? kt_json_text(params, 0) : NULL;
	if (text == NULL) {
		return params != NULL ? kt_err_nomem(err) : -1;
	}
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_run_script(cli, apic, script, text, "adding service", NULL, err);
	kt_grpc_client_free(apic);
	return rc < 0 ? KT_WRAP(err, "An error occurred adding service '%s' to enclave '%s'", name,
				kt_cli_arg(cli, "enclave"))
		      : 0;
}
