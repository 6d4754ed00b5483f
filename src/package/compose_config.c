/* One compose service as ServiceConfig(…), its arguments in the order of the type. */
#include "package/compose_internal.h"

#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MAX_ENV_BYTES ((size_t)16 * 1024 * 1024)
#define MIB ((int64_t)1024 * 1024)

bool kt_compose_scalar(const json_t *value, kt_buf *out)
{
	if (json_is_string(value)) {
		kt_buf_adds(out, json_string_value(value));
	} else if (json_is_integer(value)) {
		kt_buf_add_i64(out, json_integer_value(value));
	} else if (json_is_real(value)) {
		kt_buf_add_json_float(out, json_real_value(value));
	} else if (json_is_boolean(value)) {
		kt_buf_adds(out, json_is_true(value) ? "true" : "false");
	} else {
		return false;
	}
	return true;
}

void kt_compose_quote(kt_buf *out, const char *text)
{
	kt_buf_add_quoted(out, text, strlen(text));
}

/* --- names of services in values ------------------------------------------ */

static bool in_name(char c)
{
	return c == '_' || c == '-' || c == '.' || isalnum((unsigned char)c);
}

/* Whether text[at, at + len) stands where a host name stands: in an address or after -h, host=. */
static bool is_host(const char *text, size_t at, size_t len)
{
	const char *after = text + at + len;
	if ((at > 0 && in_name(text[at - 1])) || in_name(*after)) {
		return false;
	}
	bool port = after[0] == ':' && isdigit((unsigned char)after[1]);
	bool user = at > 0 && text[at - 1] == '@';
	bool url = at > 1 && strncmp(text + at - 2, "//", 2) == 0;
	bool named = at > 4 && strncasecmp(text + at - 5, "host=", 5) == 0;
	bool option = at > 2 && strncmp(text + at - 3, "-h ", 3) == 0;
	return port || user || url || named || option;
}

/*
 * Appends text with the names of services that are called otherwise in the enclave ('_' is not
 * allowed there; container_name wins) replaced where they stand for hosts. whole: the text is a
 * host if it is nothing but the name.
 */
static void add_renamed(const compose_file *self, const char *text, bool whole, kt_buf *out)
{
	for (size_t at = 0; text[at] != '\0';) {
		const compose_service *found = NULL;
		for (size_t i = 0; i < self->services.len; i++) {
			const compose_service *other = self->services.items[i];
			size_t len = strlen(other->key);
			if (strcmp(other->key, other->name) != 0 &&
			    strncmp(text + at, other->key, len) == 0 &&
			    (is_host(text, at, len) || (whole && strcmp(text, other->key) == 0))) {
				found = other;
			}
		}
		if (found != NULL) {
			kt_buf_adds(out, found->name);
			at += strlen(found->key);
		} else {
			kt_buf_addc(out, text[at++]);
		}
	}
}

static bool names_host(const char *variable)
{
	static const char *const words[] = {"HOST", "ADDR", "SERVER", "ENDPOINT", "URL"};
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		if (strcasestr(variable, words[i]) != NULL) {
			return true;
		}
	}
	return false;
}

/* --- image ---------------------------------------------------------------- */

/* build.args, a list or a map, as dict entries. */
static int add_build_args(const compose_file *self, const compose_service *service,
			  const json_t *args, kt_buf *out)
{
	const char *key;
	json_t *item;
	size_t i;
	const char *comma = "";
	json_object_foreach((json_t *)(uintptr_t)args, key, item)
	{
		KT_AUTO_BUF kt_buf value = KT_BUF_INIT;
		if (!kt_compose_scalar(item, &value)) {
			kt_buf_adds(&value, kt_str_or(kt_map_get(&self->vars, key), ""));
		}
		out->failed = out->failed || value.failed;
		kt_buf_adds(out, comma);
		kt_compose_quote(out, key);
		kt_buf_adds(out, ": ");
		kt_compose_quote(out, kt_buf_str(&value));
		comma = ", ";
	}
	json_array_foreach((json_t *)(uintptr_t)args, i, item)
	{
		const char *text = json_is_string(item) ? json_string_value(item) : "";
		const char *equals = strchr(text, '=');
		KT_AUTO_FREE char *name = kt_strndup(text, strcspn(text, "="));
		if (name == NULL) {
			return kt_err_nomem(self->err);
		}
		if (name[0] == '\0') {
			return COMPOSE_FAIL(self, INVALID, "%s.build.args[%zu] must be NAME=VALUE",
					    service->place, i);
		}
		kt_buf_adds(out, comma);
		kt_compose_quote(out, name);
		kt_buf_adds(out, ": ");
		kt_compose_quote(out, equals != NULL ? equals + 1
						     : kt_str_or(kt_map_get(&self->vars, name), ""));
		comma = ", ";
	}
	return 0;
}

static int add_build(const compose_file *self, const compose_service *service, const json_t *build,
		     kt_buf *out)
{
	const char *context = json_is_string(build) ? json_string_value(build)
						    : kt_json_str(build, "context", ".");
	const char *file = kt_json_str(build, "dockerfile", "Dockerfile");
	const char *target = kt_json_str(build, "target", "");
	const json_t *args = json_object_get(build, "args");
	KT_AUTO_BUF kt_buf pairs = KT_BUF_INIT;
	if (self->uploads != NULL) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s.build is not supported here; run the directory of the file with "
				    "'kurtosis run' instead",
				    service->place);
	}
	if (json_object_get(build, "dockerfile_inline") != NULL) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s.build.dockerfile_inline is not supported; put it into a file",
				    service->place);
	}
	kt_buf_addf(out, "image=ImageBuildSpec(image_name=\"%s-image\", build_context_dir=",
		    service->name);
	kt_compose_quote(out, context);
	if (!kt_str_eq(file, "Dockerfile")) {
		kt_buf_adds(out, ", build_file=");
		kt_compose_quote(out, file);
	}
	if (target[0] != '\0') {
		kt_buf_adds(out, ", target_stage=");
		kt_compose_quote(out, target);
	}
	if (add_build_args(self, service, args, &pairs) < 0) {
		return -1;
	}
	if (pairs.len > 0) {
		kt_buf_addf(out, ", build_args={%s}", kt_buf_str(&pairs));
	}
	kt_buf_adds(out, "), ");
	return pairs.failed ? kt_err_nomem(self->err) : 0;
}

static int add_image(const compose_file *self, const compose_service *service, kt_buf *out)
{
	const json_t *build = json_object_get(service->def, "build");
	if (build != NULL && !json_is_null(build)) {
		return add_build(self, service, build, out);
	}
	const char *image = kt_json_str(service->def, "image", "");
	if (image[0] == '\0') {
		return COMPOSE_FAIL(self, INVALID, "%s.image must be the name of an image",
				    service->place);
	}
	kt_buf_adds(out, "image=");
	kt_compose_quote(out, image);
	kt_buf_adds(out, ", ");
	return 0;
}

/* --- ports ---------------------------------------------------------------- */

static bool is_http(unsigned port)
{
	return port == 80 || port == 443 || port == 8000 || port == 8080;
}

static int add_ports(const compose_file *self, const compose_service *service, kt_buf *out)
{
	compose_ports ports = {NULL, 0, 0};
	const json_t *list = json_object_get(service->def, "ports");
	if (kt_compose_read_ports(list, service->place, &ports, self->err) < 0) {
		kt_vec_deinit(&ports);
		return KT_WRAP(self->err, "%s", kt_path_base(self->path));
	}
	for (size_t i = 0; i < ports.len; i++) {
		const compose_port *port = &ports.items[i];
		kt_buf_adds(out, i == 0 ? "ports={" : ", ");
		if (self->uploads != NULL) {
			kt_buf_addf(out, "\"docker-%u\": PortSpec(number=%u, transport_protocol=\"%s\"",
				    port->published != 0 ? port->published : port->target,
				    port->target, port->transport);
		} else {
			kt_buf_addf(out, "\"port%zu\": PortSpec(number=%u, transport_protocol=\"%s\"", i,
				    port->target, port->transport);
			if (is_http(port->target)) {
				kt_buf_addf(out,
					    ", application_protocol=\"http\", url=\"http://%s:%u\"",
					    service->name, port->target);
			}
		}
		kt_buf_adds(out, i + 1 == ports.len ? ")}, " : ")");
	}
	kt_vec_deinit(&ports);
	return 0;
}

/* --- commands ------------------------------------------------------------- */

static int add_words(const compose_file *self, const compose_service *service, const char *key,
		     const char *argument, kt_buf *out)
{
	const json_t *value = json_object_get(service->def, key);
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	KT_AUTO_FREE char *place = kt_asprintf("%s: %s.%s", kt_path_base(self->path), service->place, key);
	size_t i;
	json_t *item;
	if (place == NULL) {
		return kt_err_nomem(self->err);
	}
	if (json_is_string(value) &&
	    kt_compose_split_words(json_string_value(value), place, &words, self->err) < 0) {
		return -1;
	}
	if (value != NULL && !json_is_string(value) && !json_is_array(value) &&
	    !json_is_null(value)) {
		return COMPOSE_FAIL(self, INVALID, "%s.%s must be a text or a list", service->place,
				    key);
	}
	json_array_foreach((json_t *)(uintptr_t)value, i, item)
	{
		KT_AUTO_BUF kt_buf word = KT_BUF_INIT;
		if (!kt_compose_scalar(item, &word)) {
			return COMPOSE_FAIL(self, INVALID, "%s.%s[%zu] must be a string",
					    service->place, key, i);
		}
		if (word.failed || kt_strvec_add(&words, kt_buf_str(&word)) < 0) {
			return kt_err_nomem(self->err);
		}
	}
	for (size_t w = 0; w < words.len; w++) {
		KT_AUTO_BUF kt_buf word = KT_BUF_INIT;
		bool host = w > 0 && (kt_str_eq(words.items[w - 1], "-h") ||
				      kt_str_eq(words.items[w - 1], "--host"));
		add_renamed(self, words.items[w], host, &word);
		out->failed = out->failed || word.failed;
		kt_buf_adds(out, w == 0 ? argument : ", ");
		kt_compose_quote(out, kt_buf_str(&word));
	}
	kt_buf_adds(out, words.len > 0 ? "], " : "");
	return 0;
}

/* --- environment ---------------------------------------------------------- */

static int set_variable(const compose_file *self, kt_map *env, const char *name, const char *value)
{
	KT_AUTO_BUF kt_buf renamed = KT_BUF_INIT;
	add_renamed(self, value, names_host(name), &renamed);
	char *copy = renamed.failed ? NULL : kt_strdup(kt_buf_str(&renamed));
	if (copy == NULL || kt_map_set(env, name, copy) < 0) {
		kt_free(copy);
		return kt_err_nomem(self->err);
	}
	return 0;
}

/* A name without a value takes the one of the dotenv file, or is left out. */
static int pass_through(const compose_file *self, kt_map *env, const char *name)
{
	const char *value = kt_map_get(&self->vars, name);
	return value == NULL ? 0 : set_variable(self, env, name, value);
}

static int read_environment(const compose_file *self, const compose_service *service, kt_map *env)
{
	const json_t *tree = json_object_get(service->def, "environment");
	const char *key;
	json_t *item;
	size_t i;
	if (tree != NULL && !json_is_null(tree) && !json_is_object(tree) && !json_is_array(tree)) {
		return COMPOSE_FAIL(self, INVALID, "%s.environment must be a map or a list",
				    service->place);
	}
	json_object_foreach((json_t *)(uintptr_t)tree, key, item)
	{
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		bool known = kt_compose_scalar(item, &text);
		if (!known && !json_is_null(item)) {
			return COMPOSE_FAIL(self, INVALID, "%s.environment.%s must be a text",
					    service->place, key);
		}
		if (text.failed) {
			return kt_err_nomem(self->err);
		}
		if ((known ? set_variable(self, env, key, kt_buf_str(&text))
			   : pass_through(self, env, key)) < 0) {
			return -1;
		}
	}
	json_array_foreach((json_t *)(uintptr_t)tree, i, item)
	{
		const char *text = json_is_string(item) ? json_string_value(item) : NULL;
		KT_AUTO_FREE char *name = kt_strndup(text, text == NULL ? 0 : strcspn(text, "="));
		if (text == NULL) {
			return COMPOSE_FAIL(self, INVALID, "%s.environment[%zu] must be a text",
					    service->place, i);
		}
		if (name == NULL) {
			return kt_err_nomem(self->err);
		}
		const char *equals = strchr(text, '=');
		if ((equals != NULL ? set_variable(self, env, name, equals + 1)
				    : pass_through(self, env, name)) < 0) {
			return -1;
		}
	}
	return 0;
}

static int read_env_file(const compose_file *self, const char *name, bool required, kt_map *env)
{
	KT_AUTO_FREE char *path =
		name[0] == '/' ? kt_strdup(name) : kt_path_join(self->dir, name);
	KT_AUTO_FREE char *clean = path == NULL ? NULL : kt_path_clean(path);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_MAP kt_map read = KT_MAP_OWNING(kt_free);
	if (clean == NULL) {
		return kt_err_nomem(self->err);
	}
	if (self->package_dir != NULL &&
	    (!kt_str_starts(clean, self->package_dir) || clean[strlen(self->package_dir)] != '/')) {
		return COMPOSE_FAIL(self, INVALID, "env_file '%s' lies outside the package", name);
	}
	if (!required && !kt_fs_exists(clean)) {
		return 0;
	}
	if (kt_fs_read(clean, MAX_ENV_BYTES, &text, self->err) < 0) {
		return KT_WRAP(self->err, "An error occurred opening env file at path: %s", name);
	}
	if (kt_compose_read_env(kt_buf_str(&text), text.len, clean, false, &read, self->err) < 0) {
		return -1;
	}
	for (kt_map_entry *e = NULL; (e = kt_map_next(&read, e)) != NULL;) {
		/* In a package the files win over `environment`, as they do in 1.20. */
		if (self->uploads != NULL && kt_map_has(env, e->key)) {
			continue;
		}
		if (set_variable(self, env, e->key, e->value) < 0) {
			return -1;
		}
	}
	return 0;
}

static int read_env_files(const compose_file *self, const compose_service *service, kt_map *env)
{
	const json_t *list = json_object_get(service->def, "env_file");
	size_t i;
	json_t *item;
	if (json_is_string(list)) {
		return read_env_file(self, json_string_value(list), true, env);
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		const char *name = json_is_string(item) ? json_string_value(item)
							: kt_json_str(item, "path", "");
		if (read_env_file(self, name, kt_json_bool(item, "required", true), env) < 0) {
			return -1;
		}
	}
	return 0;
}

static int add_environment(const compose_file *self, const compose_service *service, kt_buf *out)
{
	KT_AUTO_MAP kt_map env = KT_MAP_OWNING(kt_free);
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	if (read_environment(self, service, &env) < 0 || read_env_files(self, service, &env) < 0) {
		return -1;
	}
	for (kt_map_entry *e = NULL; (e = kt_map_next(&env, e)) != NULL;) {
		if (kt_strvec_add(&names, e->key) < 0) {
			return kt_err_nomem(self->err);
		}
	}
	if (self->uploads != NULL && names.len == 0) {
		return 0;
	}
	kt_strvec_sort(&names);
	kt_buf_adds(out, "env_vars={");
	for (size_t i = 0; i < names.len; i++) {
		kt_buf_adds(out, i > 0 ? ", " : "");
		kt_compose_quote(out, names.items[i]);
		kt_buf_adds(out, ": ");
		kt_compose_quote(out, kt_map_get(&env, names.items[i]));
	}
	kt_buf_adds(out, "}, ");
	return 0;
}

/* --- the rest ------------------------------------------------------------- */

static int add_resources(const compose_file *self, const compose_service *service, kt_buf *out)
{
	const json_t *deploy = json_object_get(service->def, "deploy");
	const json_t *reserved =
		json_object_get(json_object_get(deploy, "resources"), "reservations");
	KT_AUTO_BUF kt_buf cpus = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf memory = KT_BUF_INIT;
	double number = 0;
	int64_t bytes = 0;
	if (deploy == NULL || json_is_null(deploy)) {
		return 0;
	}
	if (kt_compose_scalar(json_object_get(reserved, "cpus"), &cpus) && !cpus.failed &&
	    (kt_num_parse_float(kt_buf_str(&cpus), cpus.len, &number) != KT_NUM_OK || number < 0 ||
	     number > 1e6)) {
		return COMPOSE_FAIL(self, INVALID, "%s.deploy.resources.reservations.cpus: '%s' is no "
						   "number of CPUs",
				    service->place, kt_buf_str(&cpus));
	}
	if (kt_compose_scalar(json_object_get(reserved, "memory"), &memory) && !memory.failed &&
	    !kt_compose_parse_bytes(kt_buf_str(&memory), &bytes)) {
		return COMPOSE_FAIL(self, INVALID,
				    "%s.deploy.resources.reservations.memory: '%s' is no size",
				    service->place, kt_buf_str(&memory));
	}
	if (cpus.failed || memory.failed) {
		return kt_err_nomem(self->err);
	}
	long long cpu = (long long)(number * 1024);
	long long megabytes = (long long)(bytes / MIB);
	bool always = self->uploads == NULL;
	if (always || cpu > 0) {
		kt_buf_addf(out, "min_cpu=%lld, ", cpu);
	}
	if (always || megabytes > 0) {
		kt_buf_addf(out, "min_memory=%lld, ", megabytes);
	}
	return 0;
}

static int add_user(const compose_file *self, const compose_service *service, kt_buf *out)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (!kt_compose_scalar(json_object_get(service->def, "user"), &text) || text.len == 0) {
		return text.failed ? kt_err_nomem(self->err) : 0;
	}
	char *colon = strchr(text.data, ':');
	int64_t uid, gid = 0;
	if (colon != NULL) {
		*colon = '\0';
	}
	if (!kt_str_to_i64(text.data, 0, INT32_MAX, &uid) ||
	    (colon != NULL && !kt_str_to_i64(colon + 1, 0, INT32_MAX, &gid))) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s.user: names of users and groups are not supported; give their "
				    "numbers",
				    service->place);
	}
	kt_buf_addf(out, "user=User(uid=%lld", (long long)uid);
	if (colon != NULL) {
		kt_buf_addf(out, ", gid=%lld", (long long)gid);
	}
	kt_buf_adds(out, "), ");
	return 0;
}

static int add_devices(const compose_file *self, const compose_service *service, kt_buf *out)
{
	const json_t *list = json_object_get(service->def, "devices");
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		const char *text = json_is_string(item) ? json_string_value(item) : "";
		size_t len = strcspn(text, ":");
		bool moved = text[len] == ':' && (strncmp(text, text + len + 1, len) != 0 ||
						  strchr(":", text[2 * len + 1]) == NULL);
		if (text[0] != '/' || moved) {
			return COMPOSE_FAIL(self, UNSUPPORTED,
					    "%s.devices[%zu] is not supported; only paths that are the "
					    "same in the container are",
					    service->place, i);
		}
		kt_buf_adds(out, i == 0 ? "devices=[" : ", ");
		kt_buf_add_quoted(out, text, len);
	}
	kt_buf_adds(out, json_array_size(list) > 0 ? "], " : "");
	return 0;
}

static void add_capabilities(const compose_service *service, kt_buf *out)
{
	const json_t *list = json_object_get(service->def, "cap_add");
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		const char *text = kt_str_or(json_string_value(item), "");
		kt_buf_adds(out, i == 0 ? "capabilities=[" : ", ");
		kt_compose_quote(out, kt_str_starts(text, "CAP_") ? text + 4 : text);
	}
	kt_buf_adds(out, json_array_size(list) > 0 ? "], " : "");
}

static int add_process(const compose_file *self, const compose_service *service, kt_buf *out)
{
	if (add_user(self, service, out) < 0) {
		return -1;
	}
	if (service->moved.len > 0) {
		kt_buf_addf(out, "files_to_be_moved={%s}, ", kt_buf_str(&service->moved));
	}
	kt_buf_adds(out, self->uploads != NULL ? "tini_enabled=False, " : "");
	if (kt_json_bool(service->def, "tty", false)) {
		kt_buf_adds(out, "tty_enabled=True, ");
	}
	if (add_devices(self, service, out) < 0) {
		return -1;
	}
	add_capabilities(service, out);
	if (kt_json_bool(service->def, "privileged", false)) {
		kt_buf_adds(out, "privileged=True, ");
	}
	return 0;
}

int kt_compose_config(const compose_file *self, compose_service *service, kt_buf *out)
{
	KT_AUTO_BUF kt_buf args = KT_BUF_INIT;
	if (add_image(self, service, &args) < 0 || add_ports(self, service, &args) < 0 ||
	    kt_compose_volumes(self, service) < 0) {
		return -1;
	}
	if (service->files.len > 0) {
		kt_buf_addf(&args, "files={%s}, ", kt_buf_str(&service->files));
	}
	if (add_words(self, service, "entrypoint", "entrypoint=[", &args) < 0 ||
	    add_words(self, service, "command", "cmd=[", &args) < 0 ||
	    add_environment(self, service, &args) < 0 || add_resources(self, service, &args) < 0 ||
	    kt_compose_health(self, service, &args) < 0 || add_process(self, service, &args) < 0) {
		return -1;
	}
	if (kt_buf_check(&args, self->err) < 0) {
		return -1;
	}
	/* Every argument ends with ", ". */
	kt_buf_addf(out, "ServiceConfig(%.*s)", (int)(args.len - 2), kt_buf_str(&args));
	return 0;
}
