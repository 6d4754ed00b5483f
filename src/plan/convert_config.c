/* From a ServiceConfig value to kt_plan_config; conversion happens when it is used. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"

#include <string.h>

#define DEFAULT_IP_PLACEHOLDER "KURTOSIS_IP_ADDR_PLACEHOLDER"
#define MIB (INT64_C(1024) * 1024)
#define DEFAULT_DIRECTORY_BYTES (1024 * MIB)
#define READY_INTERVAL_NS KT_NS_PER_S
#define READY_TIMEOUT_NS (15 * 60 * KT_NS_PER_S)

static void *items_of(conv *c, size_t n, size_t size)
{
	void *items = kt_arena_alloc(c->arena, kt_arena_product(KT_MAX(n, (size_t)1), size));
	if (items == NULL) {
		kt_star_raise_nomem(c->t);
	}
	return items;
}

/* "…'VALUE'…": a message with the text of a value in it. */
static int fail_with(conv *c, const char *before, kt_val v, const char *after)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_val_str(c->t, v, &text) < 0) {
		return -1;
	}
	return kt_star_fail(c->t, "%s'%s'%s", before, kt_buf_str(&text), after);
}

/* --- images --------------------------------------------------------------- */

/* The path on disk of LOCATOR/NAME, where locator is written in the calling module. */
static char *find_below(conv *c, const char *locator, const char *name)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *absolute =
		kt_content_resolve(c->in->content, locator, c->module, &err);
	KT_AUTO_FREE char *joined = NULL;
	char *path = NULL;
	if (absolute != NULL) {
		/* A version stays behind the path. */
		size_t plain = strcspn(absolute, "@");
		KT_AUTO_FREE char *dir = kt_strndup(absolute, plain);
		KT_AUTO_FREE char *full = dir == NULL ? NULL : kt_path_join(dir, name);
		KT_AUTO_FREE char *clean = full == NULL ? NULL : kt_path_clean(full);
		joined = clean == NULL ? NULL : kt_asprintf("%s%s", clean, absolute + plain);
		path = joined == NULL
			       ? NULL
			       : kt_content_path(c->in->content, joined, KT_CONTENT_ANY, &err);
	}
	if (path == NULL) {
		if (err.code == KT_ERR_OK) {
			kt_star_raise_nomem(c->t);
		} else {
			interp_raise_chain(c->t, &err);
		}
		return NULL;
	}
	char *kept = keepz(c->in, c->t, path);
	kt_free(path);
	return kept;
}

static char *kept_dir(conv *c, const char *path)
{
	KT_AUTO_FREE char *dir = kt_path_dir(path);
	if (dir == NULL) {
		kt_star_raise_nomem(c->t);
		return NULL;
	}
	return keepz(c->in, c->t, dir);
}

static int conv_build_spec(conv *c, const ktype *spec, kt_plan_image *ret)
{
	const char *file;
	ret->kind = KT_PLAN_IMAGE_BUILD;
	if (conv_str(c, ktype_get(spec, "image_name"), "image_name", NULL, &ret->name) < 0 ||
	    conv_str(c, ktype_get(spec, "build_file"), "build_file", "Dockerfile", &file) < 0 ||
	    conv_str(c, ktype_get(spec, "target_stage"), "target_stage", NULL,
		     &ret->target_stage) < 0 ||
	    conv_pairs(c, ktype_get(spec, "build_args"), "build_args", &ret->build_args) < 0) {
		return -1;
	}
	const char *context = kt_string_get(ktype_get(spec, "build_context_dir"), NULL);
	ret->context_locator = keepz(c->in, c->t, context);
	ret->build_file = find_below(c, context, file);
	ret->context_dir = ret->build_file == NULL ? NULL : kept_dir(c, ret->build_file);
	return ret->context_dir == NULL || ret->context_locator == NULL ? -1 : 0;
}

static int conv_nix_spec(conv *c, const ktype *spec, kt_plan_image *ret)
{
	ret->kind = KT_PLAN_IMAGE_NIX;
	if (kt_content_root_dir(c->in->content) == NULL) {
		return kt_star_fail(c->t, "Cannot use NixBuildSpec in a standalone script; create a "
					  "package and rerun to use NixBuildSpec.");
	}
	if (conv_str(c, ktype_get(spec, "image_name"), "image_name", NULL, &ret->name) < 0 ||
	    conv_str(c, ktype_get(spec, "flake_output"), "flake_output", NULL,
		     &ret->flake_output) < 0) {
		return -1;
	}
	const char *context = kt_string_get(ktype_get(spec, "build_context_dir"), NULL);
	const char *flake = kt_string_get(ktype_get(spec, "flake_location_dir"), NULL);
	KT_AUTO_FREE char *file = kt_asprintf("%s/flake.nix", flake);
	if (file == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	const char *flake_file = find_below(c, context, file);
	ret->flake_dir = flake_file == NULL ? NULL : kept_dir(c, flake_file);
	ret->context_dir = ret->flake_dir == NULL ? NULL : find_below(c, context, ".");
	return ret->context_dir == NULL ? -1 : 0;
}

static int conv_image_spec(conv *c, const ktype *spec, kt_plan_image *ret)
{
	ret->kind = KT_PLAN_IMAGE_REGISTRY;
	return conv_str(c, ktype_get(spec, "image"), "image", NULL, &ret->name) < 0 ||
			       conv_str(c, ktype_get(spec, "registry"), "registry", NULL,
					&ret->registry) < 0 ||
			       conv_str(c, ktype_get(spec, "username"), "username", NULL,
					&ret->username) < 0 ||
			       conv_str(c, ktype_get(spec, "password"), "password", NULL,
					&ret->password) < 0
		       ? -1
		       : 0;
}

int conv_image(conv *c, kt_val v, kt_plan_image *ret)
{
	*ret = (kt_plan_image){.kind = KT_PLAN_IMAGE_NAME};
	const ktype *spec;
	if ((spec = ktype_of(v, KTYPE_IMAGE_BUILD_SPEC)) != NULL) {
		return conv_build_spec(c, spec, ret);
	}
	if ((spec = ktype_of(v, KTYPE_NIX_BUILD_SPEC)) != NULL) {
		return conv_nix_spec(c, spec, ret);
	}
	if ((spec = ktype_of(v, KTYPE_IMAGE_SPEC)) != NULL) {
		return conv_image_spec(c, spec, ret);
	}
	return conv_str(c, v, "image", NULL, &ret->name);
}

/* --- ports ---------------------------------------------------------------- */

static int conv_port(conv *c, const char *id, const ktype *spec, const char *service,
		     kt_plan_port *ret)
{
	int64_t number;
	const char *transport = "TCP";
	*ret = (kt_plan_port){.id = id};
	if (ktype_get(spec, "number") == KT_NULL) {
		return kt_star_fail(c->t, "'number' argument on 'PortSpec' is mandatory but was "
					  "unset. This is a Kurtosis internal bug");
	}
	if (!kt_int_get(ktype_get(spec, "number"), &number) ||
	    conv_str(c, ktype_get(spec, "transport_protocol"), "transport_protocol", "TCP",
		     &transport) < 0 ||
	    conv_str(c, ktype_get(spec, "application_protocol"), "application_protocol", NULL,
		     &ret->app_protocol) < 0 ||
	    conv_str(c, ktype_get(spec, "url"), "url", NULL, &ret->url) < 0 ||
	    conv_duration(c, ktype_get(spec, "wait"), "wait", KT_PLAN_PORT_WAIT_DEFAULT,
			  &ret->wait_ns) < 0) {
		return -1;
	}
	ret->number = (uint16_t)number;
	ret->transport = kt_str_eq(transport, "UDP")	? KT_PLAN_UDP
			 : kt_str_eq(transport, "SCTP") ? KT_PLAN_SCTP
							: KT_PLAN_TCP;
	if (kt_str_empty(ret->app_protocol)) {
		ret->app_protocol = NULL;
	} else if (ret->url == NULL) {
		ret->url = keepf(c->in, c->t, "%s://%s:%u", ret->app_protocol, service,
				 (unsigned)ret->number);
		return ret->url == NULL ? -1 : 0;
	}
	return 0;
}

int conv_ports(conv *c, kt_val v, const char *name, const char *service, kt_plan_ports *ret)
{
	*ret = (kt_plan_ports){NULL, 0};
	if (v == KT_NULL) {
		return 0;
	}
	kt_plan_port *ports = items_of(c, kt_val_len(v), sizeof(*ports));
	if (ports == NULL) {
		return -1;
	}
	size_t n = 0;
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value); n++) {
		KT_AUTO_FREE char *key_text =
			kt_asprintf("Unable to convert key of '%s' dictionary ", name);
		KT_AUTO_FREE char *value_text =
			kt_asprintf("Unable to convert value of '%s' dictionary ", name);
		size_t len;
		const char *id = kt_string_get(key, &len);
		const ktype *spec = ktype_of(value, KTYPE_PORT_SPEC);
		if (id == NULL) {
			return fail_with(c, kt_str_or(key_text, ""), key, " to string");
		}
		if (spec == NULL) {
			return fail_with(c, kt_str_or(value_text, ""), value, " to a port object");
		}
		id = keep(c->in, c->t, id, len);
		if (id == NULL || conv_port(c, id, spec, service, &ports[n]) < 0) {
			return -1;
		}
	}
	*ret = (kt_plan_ports){ports, n};
	return 0;
}

kt_val conv_port_value(kt_sthread *t, const kt_plan_port *port)
{
	ktype *spec = ktype_new(t, KTYPE_PORT_SPEC);
	if (spec == NULL) {
		return KT_NULL;
	}
	ktype_set(spec, "number", kt_int_new(t, port->number));
	ktype_set(spec, "transport_protocol",
		  kt_string_newz(t, kt_plan_transport_name(port->transport)));
	if (port->app_protocol != NULL) {
		ktype_set(spec, "application_protocol", kt_string_newz(t, port->app_protocol));
	}
	if (port->wait_ns != KT_PLAN_NO_WAIT) {
		KT_AUTO_BUF kt_buf wait = KT_BUF_INIT;
		kt_buf_add_duration(&wait, port->wait_ns);
		ktype_set(spec, "wait", kt_string_newz(t, kt_buf_str(&wait)));
	}
	if (port->url != NULL) {
		ktype_set(spec, "url", kt_string_newz(t, port->url));
	}
	return kt_sthread_error(t) != NULL ? KT_NULL : kt_host_val(&spec->host);
}

/* --- files ---------------------------------------------------------------- */

static int conv_directory(conv *c, kt_val v, const ktype *dir, kt_plan_mount *ret)
{
	kt_val names = ktype_get(dir, "artifact_names");
	kt_val key = ktype_get(dir, "persistent_key");
	if ((names == KT_NULL) == (key == KT_NULL)) {
		return fail_with(c,
				 "Parameter 'artifact_names' and 'persistent_key' cannot be set on "
				 "the same 'Directory' object: ",
				 v, "");
	}
	int64_t size;
	if (kt_int_get(ktype_get(dir, "size"), &size)) {
		ret->size_bytes = size > INT64_MAX / MIB ? INT64_MAX : size * MIB;
	}
	return conv_strs(c, names, "artifact_names", &ret->artifacts) < 0 ||
			       conv_str(c, key, "persistent_key", NULL, &ret->persistent_key) < 0
		       ? -1
		       : 0;
}

static int conv_mount(conv *c, kt_val key, kt_val value, kt_plan_mount *ret)
{
	*ret = (kt_plan_mount){.size_bytes = DEFAULT_DIRECTORY_BYTES};
	size_t len;
	const char *path = kt_string_get(key, &len);
	if (path == NULL) {
		return fail_with(c, "Unable to convert key of 'files' dictionary ", key,
				 " to string");
	}
	ret->path = keep(c->in, c->t, path, len);
	if (ret->path == NULL) {
		return -1;
	}
	const ktype *dir = ktype_of(value, KTYPE_DIRECTORY);
	if (dir != NULL) {
		return conv_directory(c, value, dir, ret);
	}
	if (kt_val_kind(value) != KT_KIND_STRING) {
		return fail_with(c, "Unable to convert value of 'files' dictionary ", value,
				 " to a Directory object");
	}
	const char **one = items_of(c, 1, sizeof(*one));
	if (one == NULL || conv_str(c, value, "files", NULL, one) < 0) {
		return -1;
	}
	ret->artifacts = (kt_plan_strs){one, 1};
	return 0;
}

int conv_mounts(conv *c, kt_val v, kt_plan_mounts *ret)
{
	*ret = (kt_plan_mounts){NULL, 0};
	if (v == KT_NULL) {
		return 0;
	}
	kt_plan_mount *mounts = items_of(c, kt_val_len(v), sizeof(*mounts));
	if (mounts == NULL) {
		return -1;
	}
	size_t n = 0;
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value); n++) {
		if (conv_mount(c, key, value, &mounts[n]) < 0) {
			return -1;
		}
	}
	*ret = (kt_plan_mounts){mounts, n};
	return 0;
}

/* --- recipes and conditions ----------------------------------------------- */

int conv_recipe(conv *c, kt_val v, kt_plan_recipe *ret)
{
	const ktype *recipe = ktype_any(v);
	*ret = (kt_plan_recipe){.kind = KT_PLAN_RECIPE_EXEC, .body = ""};
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (canon_add(c->t, v, &text) < 0 ||
	    (ret->text = keep_buf(c->in, c->t, &text)) == NULL ||
	    conv_pairs(c, ktype_get(recipe, "extract"), "extract", &ret->extract) < 0) {
		return -1;
	}
	if (recipe->id == KTYPE_EXEC_RECIPE) {
		return conv_strs(c, ktype_get(recipe, "command"), "command", &ret->command);
	}
	bool post = recipe->id == KTYPE_POST_RECIPE;
	ret->kind = post ? KT_PLAN_RECIPE_POST : KT_PLAN_RECIPE_GET;
	return conv_str(c, ktype_get(recipe, "port_id"), "port_id", NULL, &ret->port_id) < 0 ||
			       conv_str(c, ktype_get(recipe, "endpoint"), "endpoint", "",
					&ret->endpoint) < 0 ||
			       conv_str(c, ktype_get(recipe, "body"), "body", "", &ret->body) < 0 ||
			       conv_str(c, ktype_get(recipe, "content_type"), "content_type",
					post ? "application/json" : NULL, &ret->content_type) < 0 ||
			       conv_pairs(c, ktype_get(recipe, "headers"), "headers",
					  &ret->headers) < 0
		       ? -1
		       : 0;
}

int conv_assertion(conv *c, kt_val v, kt_plan_assertion *ret)
{
	const char *text = kt_string_get(v, NULL);
	for (int i = KT_PLAN_EQ; i <= KT_PLAN_NOT_IN; i++) {
		if (kt_str_eq(text, kt_plan_assertion_name((kt_plan_assertion)i))) {
			*ret = (kt_plan_assertion)i;
			return 0;
		}
	}
	return kt_star_fail(c->t, "'assertion' argument is invalid");
}

/* None and functions have no order and no equality that the reference would use. */
static bool is_comparable(kt_val v)
{
	kt_kind kind = kt_val_kind(v);
	return kind != KT_KIND_NONE && kind != KT_KIND_FUNCTION && kind != KT_KIND_BUILTIN &&
	       kind != KT_KIND_MODULE;
}

int conv_target(conv *c, kt_val v, kt_pval *ret)
{
	if (!is_comparable(v)) {
		raise_unextractable(c->t, "target_value", "starlark.Comparable", v);
		return -1;
	}
	return conv_pval(c, v, ret);
}

int conv_condition(conv *c, const ktype *condition, kt_plan_condition *ret)
{
	return conv_recipe(c, ktype_get(condition, "recipe"), &ret->recipe) < 0 ||
			       conv_str(c, ktype_get(condition, "field"), "field", "",
					&ret->field) < 0 ||
			       conv_assertion(c, ktype_get(condition, "assertion"),
					      &ret->assertion) < 0 ||
			       conv_target(c, ktype_get(condition, "target_value"),
					   &ret->target) < 0 ||
			       conv_duration(c, ktype_get(condition, "interval"), "interval",
					     READY_INTERVAL_NS, &ret->interval_ns) < 0 ||
			       conv_duration(c, ktype_get(condition, "timeout"), "timeout",
					     READY_TIMEOUT_NS, &ret->timeout_ns) < 0
		       ? -1
		       : 0;
}

/* --- the whole ------------------------------------------------------------ */

static int conv_size(conv *c, const ktype *config, const char *name, const char *old_name,
		     uint64_t *ret)
{
	kt_val v = ktype_get(config, name);
	if (v == KT_NULL && old_name != NULL) {
		v = ktype_get(config, old_name);
	}
	int64_t i = 0;
	if (v != KT_NULL && (!kt_int_get(v, &i) || i < 0)) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_val_str(c->t, v, &text);
		return kt_star_fail(c->t,
				    "An error occurred parsing field '%s' with value '%s' to uint64",
				    name, kt_buf_str(&text));
	}
	*ret = (uint64_t)i;
	return 0;
}

static int conv_sizes(conv *c, const ktype *config, kt_plan_config *ret)
{
	return conv_size(c, config, "max_cpu", "cpu_allocation", &ret->max_cpu_millis) < 0 ||
			       conv_size(c, config, "min_cpu", NULL, &ret->min_cpu_millis) < 0 ||
			       conv_size(c, config, "max_memory", "memory_allocation",
					 &ret->max_memory_mb) < 0 ||
			       conv_size(c, config, "min_memory", NULL, &ret->min_memory_mb) < 0
		       ? -1
		       : 0;
}

static int conv_lists(conv *c, const ktype *config, kt_plan_config *ret)
{
	kt_val entrypoint = ktype_get(config, "entrypoint");
	kt_val cmd = ktype_get(config, "cmd");
	ret->has_entrypoint = entrypoint != KT_NULL;
	ret->has_cmd = cmd != KT_NULL;
	if (conv_strs(c, entrypoint, "entrypoint", &ret->entrypoint) < 0 ||
	    conv_strs(c, cmd, "cmd", &ret->cmd) < 0 ||
	    conv_strs(c, ktype_get(config, "devices"), "devices", &ret->devices) < 0 ||
	    conv_strs(c, ktype_get(config, "capabilities"), "capabilities", &ret->capabilities) < 0) {
		return -1;
	}
	static const struct {
		const char *name;
		size_t offset;
	} maps[] = {
		{"env_vars", offsetof(kt_plan_config, env_vars)},
		{"labels", offsetof(kt_plan_config, labels)},
		{"node_selectors", offsetof(kt_plan_config, node_selectors)},
		{"files_to_be_moved", offsetof(kt_plan_config, files_to_be_moved)},
		{"bind_mounts", offsetof(kt_plan_config, bind_mounts)},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(maps); i++) {
		void *to = (char *)ret + maps[i].offset;
		if (conv_pairs(c, ktype_get(config, maps[i].name), maps[i].name, to) < 0) {
			return -1;
		}
	}
	return 0;
}

static int conv_objects(conv *c, const ktype *config, kt_plan_config *ret)
{
	const ktype *ready = ktype_of(ktype_get(config, "ready_conditions"), KTYPE_READY_CONDITION);
	if (ready != NULL) {
		kt_plan_condition *condition = items_of(c, 1, sizeof(*condition));
		if (condition == NULL || conv_condition(c, ready, condition) < 0) {
			return -1;
		}
		ret->ready = condition;
	}
	const ktype *user = ktype_of(ktype_get(config, "user"), KTYPE_USER);
	if (user != NULL) {
		ret->user.set = kt_int_get(ktype_get(user, "uid"), &ret->user.uid);
		ret->user.has_gid = kt_int_get(ktype_get(user, "gid"), &ret->user.gid);
	}
	const ktype *gpu = ktype_of(ktype_get(config, "gpu"), KTYPE_GPU_CONFIG);
	if (gpu != NULL && conv_gpu(c, gpu, &ret->gpu) < 0) {
		return -1;
	}
	return conv_tolerations(c, ktype_get(config, "tolerations"), &ret->tolerations);
}

int conv_check_privileged(conv *c, bool wanted)
{
	const char *type = kt_str_or(c->in->facts.cluster_type, "docker");
	if (!wanted) {
		return 0;
	}
	if (!kt_str_eq(type, "docker")) {
		return kt_star_fail(c->t,
				    "ServiceConfig requested privileged=true, bind_mounts, or "
				    "host_pid_namespace=true, but these settings are Docker-only and "
				    "are not supported on the %s backend",
				    type);
	}
	if (!c->in->facts.privileged_allowed) {
		return kt_star_fail(
			c->t, "ServiceConfig requested privileged=true, bind_mounts, or "
			      "host_pid_namespace=true, but this run did not opt in. Pass "
			      "--privileged on the CLI, or set allow-privileged-mode: true in "
			      "kurtosis-config.yml");
	}
	return 0;
}

int conv_config(conv *c, kt_val v, const char *service, kt_plan_config *ret)
{
	const ktype *config = ktype_of(v, KTYPE_SERVICE_CONFIG);
	kt_val files = ktype_get(config, "files");
	*ret = (kt_plan_config){.has_files = files != KT_NULL};
	if (conv_image(c, ktype_get(config, "image"), &ret->image) < 0 ||
	    conv_ports(c, ktype_get(config, "ports"), "ports", service, &ret->ports) < 0 ||
	    conv_ports(c, ktype_get(config, "public_ports"), "public_ports", service,
		       &ret->public_ports) < 0 ||
	    conv_mounts(c, files, &ret->files) < 0 || conv_lists(c, config, ret) < 0 ||
	    conv_str(c, ktype_get(config, "private_ip_address_placeholder"),
		     "private_ip_address_placeholder", DEFAULT_IP_PLACEHOLDER,
		     &ret->ip_placeholder) < 0 ||
	    conv_sizes(c, config, ret) < 0 || conv_objects(c, config, ret) < 0) {
		return -1;
	}
	ret->tini_enabled = conv_bool(ktype_get(config, "tini_enabled"), true);
	ret->tty_enabled = conv_bool(ktype_get(config, "tty_enabled"), false);
	ret->publish_udp = conv_bool(ktype_get(config, "publish_udp"), false);
	ret->privileged = conv_bool(ktype_get(config, "privileged"), false);
	ret->host_pid_namespace = conv_bool(ktype_get(config, "host_pid_namespace"), false);
	return conv_check_privileged(c, ret->privileged || ret->host_pid_namespace ||
						ret->bind_mounts.len > 0);
}
