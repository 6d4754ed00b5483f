/* Reading the flags of a service, and the script that adds it. */
#include "cli/service_config.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

static const char script[] =
	"PLAIN = [\"image\", \"entrypoint\", \"cmd\", \"env_vars\", \"private_ip_address_placeholder\",\n"
	"    \"max_cpu\", \"min_cpu\", \"max_memory\", \"min_memory\", \"labels\", \"node_selectors\",\n"
	"    \"tini_enabled\", \"tty_enabled\", \"privileged\", \"bind_mounts\", \"host_pid_namespace\"]\n"
	"def port_spec(port):\n"
	"    fields = {\"number\": port[\"number\"], \"wait\": port.get(\"wait\"),\n"
	"        \"transport_protocol\": [\"TCP\", \"SCTP\", \"UDP\"][port.get(\"transport\", 0)]}\n"
	"    if port.get(\"maybe_application_protocol\"):\n"
	"        fields[\"application_protocol\"] = port[\"maybe_application_protocol\"]\n"
	"    return PortSpec(**fields)\n"
	"def run(plan, args):\n"
	"    config = args[\"config\"]\n"
	"    fields = {key: config[key] for key in PLAIN if key in config}\n"
	"    fields[\"ports\"] = {id: port_spec(port) for id, port in config.get(\"ports\", {}).items()}\n"
	"    fields[\"files\"] = {\n"
	"        path: names[0] if len(names) == 1 else Directory(artifact_names=names)\n"
	"        for path, names in config.get(\"files\", {}).items()\n"
	"    }\n"
	"    if \"user\" in config:\n"
	"        fields[\"user\"] = User(**config[\"user\"])\n"
	"    if \"tolerations\" in config:\n"
	"        fields[\"tolerations\"] = [Toleration(**one) for one in config[\"tolerations\"]]\n"
	"    plan.add_service(name=args[\"name\"], config=ServiceConfig(**fields))\n";

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
	KT_AUTO_STRVEC kt_strvec seen = KT_STRVEC_INIT;
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
		if (kt_strvec_has(&seen, item)) {
			return KT_FAIL(err, INVALID, "the environment variable '%s' is given twice", item);
		}
		if (kt_strvec_add(&seen, item) < 0) {
			return kt_err_nomem(err);
		}
		json_object_set_new(to, item, json_string(equals + 1));
	}
	return 0;
}

/* "[APPPROTO:]NUM[/tcp|udp]" */
static json_t *read_port(char *spec, kt_err *err)
{
	char *slash = strchr(spec, '/');
	int transport = 0;
	if (slash != NULL) {
		*slash = '\0';
		transport = strcasecmp(slash + 1, "tcp") == 0	 ? 0
			    : strcasecmp(slash + 1, "sctp") == 0 ? 1
			    : strcasecmp(slash + 1, "udp") == 0	 ? 2
								 : -1;
	}
	if (transport < 0) {
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
	json_t *port = json_pack("{s:I, s:i, s:s}", "number", (json_int_t)value, "transport",
				 transport, "wait", "30s");
	if (colon != NULL) {
		*colon = '\0';
		json_object_set_new(port, "maybe_application_protocol", json_string(spec));
	}
	return port;
}

/* "ID=SPEC,ID=SPEC" */
static int read_ports(const char *text, json_t *to, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec seen = KT_STRVEC_INIT;
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
		if (kt_strvec_has(&seen, parts.items[i])) {
			return KT_FAIL(err, INVALID, "the port ID '%s' is given twice", parts.items[i]);
		}
		if (kt_strvec_add(&seen, parts.items[i]) < 0) {
			return kt_err_nomem(err);
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

/* The object of that name in config, made when it is missing. Borrowed. */
static json_t *part(json_t *config, const char *key)
{
	json_t *found = json_object_get(config, key);
	if (found == NULL && json_object_set_new(config, key, json_object()) == 0) {
		found = json_object_get(config, key);
	}
	return found;
}

int kt_service_flags(kt_cli *cli, json_t *config, kt_err *err)
{
	static const char *const lists[] = {"cmd", "entrypoint"};
	for (size_t i = 0; i < KT_ARRAY_LEN(lists); i++) {
		const char *text = kt_cli_str(cli, lists[i]);
		json_t *list = *text != '\0' ? words(text, err) : NULL;
		if (*text != '\0' && list == NULL) {
			return -1;
		}
		if (list != NULL) {
			json_object_set_new(config, lists[i], list);
		}
	}
	if (kt_cli_bool(cli, "privileged")) {
		json_object_set_new(config, "privileged", json_true());
	}
	if (read_env(kt_cli_str(cli, "env"), part(config, "env_vars"), err) < 0 ||
	    read_ports(kt_cli_str(cli, "ports"), part(config, "ports"), err) < 0) {
		return -1;
	}
	return read_files(kt_cli_str(cli, "files"), part(config, "files"), err);
}

int kt_service_apply(kt_cli *cli, kt_grpc_client *apic, const char *name, json_t *config,
		     const char *what, kt_buf *output, kt_err *err)
{
	KT_AUTO_JSON json_t *params = json_pack("{s:s, s:O}", "name", name, "config", config);
	KT_AUTO_FREE char *text = params != NULL ? kt_json_text(params, 0) : NULL;
	if (text == NULL) {
		return KT_FAIL(err, INVALID, "the service's configuration is not valid UTF-8");
	}
	return kt_run_script(cli, apic, script, text, what, output, err);
}
