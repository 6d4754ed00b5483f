/* One service: its configuration made concrete, its container, its ports. */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/run_internal.h"

#include <arpa/inet.h>

/* A service without a port to wait for is watched this long for an early death. */
#define EARLY_DEATH_MS 20

/* --- filling in --- */

/* Replaces the address placeholder; the text itself when there is none. NULL on OOM. */
static const char *put_ip(kt_arena *arena, const char *text, const char *placeholder,
                          const char *ip)
{
	if (kt_str_empty(placeholder) || strstr(text, placeholder) == NULL) {
		return text;
	}
	KT_AUTO_FREE char *replaced = kt_str_replace(text, placeholder, ip);
	return replaced != NULL ? kt_arena_strdup(arena, replaced) : NULL;
}

static int fill_args(kt_run_env *env, const kt_plan_config *config, const char *ip, kt_arena *arena,
                     kt_plan_strs *args, kt_err *err)
{
	kt_plan_strs filled = {0};

	if (kt_run_fill_strs(env, arena, args, &filled, err) < 0) {
		return -1;
	}
	const char **items = (const char **)(uintptr_t)filled.items; /* ours, made just now */
	for (size_t i = 0; i < filled.len; i++) {
		items[i] = put_ip(arena, items[i], config->ip_placeholder, ip);
		if (items[i] == NULL) {
			return kt_err_nomem(err);
		}
	}
	*args = filled;
	return 0;
}

static int fill_env(kt_run_env *env, const kt_plan_config *config, const char *ip, kt_arena *arena,
                    kt_plan_pairs *vars, kt_err *err)
{
	kt_plan_pairs filled = {0};

	if (kt_run_fill_pairs(env, arena, vars, &filled, err) < 0) {
		return -1;
	}
	kt_plan_pair *items = (kt_plan_pair *)(uintptr_t)filled.items; /* ours */
	for (size_t i = 0; i < filled.len; i++) {
		items[i].value = put_ip(arena, items[i].value, config->ip_placeholder, ip);
		if (items[i].value == NULL) {
			return kt_err_nomem(err);
		}
	}
	*vars = filled;
	return 0;
}

int kt_service_fill(kt_run_env *env, const kt_plan_config *config, const char *ip, kt_arena *arena,
                    kt_plan_config **ret, kt_err *err)
{
	kt_plan_config *filled = KT_ARENA_NEW(arena, kt_plan_config);

	if (filled == NULL) {
		return kt_err_nomem(err);
	}
	*filled = *config;
	if (fill_args(env, config, ip, arena, &filled->entrypoint, err) < 0 ||
	    fill_args(env, config, ip, arena, &filled->cmd, err) < 0 ||
	    fill_env(env, config, ip, arena, &filled->env_vars, err) < 0) {
		return -1;
	}
	*ret = filled;
	return 0;
}

/* --- the backend's form --- */

static kt_kv *to_kvs(kt_arena *arena, const kt_plan_pairs *pairs)
{
	kt_kv *kvs = KT_ARENA_ARRAY(arena, kt_kv, pairs->len + 1);

	for (size_t i = 0; kvs != NULL && i < pairs->len; i++) {
		kvs[i] = (kt_kv){pairs->items[i].key, pairs->items[i].value};
	}
	return kvs;
}

static kt_protocol to_protocol(kt_plan_transport transport)
{
	return transport == KT_PLAN_UDP ? KT_UDP : transport == KT_PLAN_SCTP ? KT_SCTP : KT_TCP;
}

static int set_ports(const kt_plan_config *config, kt_arena *arena, kt_service_spec *spec,
                     kt_err *err)
{
	kt_port_spec *ports = KT_ARENA_ARRAY(arena, kt_port_spec, config->ports.len + 1);

	if (ports == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < config->ports.len; i++) {
		const kt_plan_port *port = &config->ports.items[i];
		ports[i] = (kt_port_spec){.id = port->id,
		                          .number = port->number,
		                          .protocol = to_protocol(port->transport),
		                          .app_protocol = port->app_protocol};
	}
	for (size_t i = 0; i < config->public_ports.len; i++) {
		const kt_plan_port *public = &config->public_ports.items[i];
		size_t j = 0;
		while (j < config->ports.len && strcmp(ports[j].id, public->id) != 0) {
			j++;
		}
		if (j == config->ports.len) {
			KT_FAIL(err, INVALID,
			        "Expected to receive private port with ID '%s' bound for public "
			        "port number '%u', but it was not found",
			        public->id, (unsigned)public->number);
			return KT_WRAP(
			        err,
			        "Private and public ports for service with UUID '%s' are not "
			        "one to one.",
			        spec->uuid);
		}
		ports[j].public_number = public->number;
	}
	spec->ports = ports;
	spec->ports_len = config->ports.len;
	return 0;
}

/*
 * A file that is to be moved from a mounted artifact is mounted at its destination instead: no
 * shell is needed in the image for it.
 */
static int add_moved(kt_run_env *env, const kt_plan_config *config, const kt_plan_pair *move,
                     kt_arena *arena, kt_file_mount *ret, kt_err *err)
{
	for (size_t i = 0; i < config->files.len; i++) {
		const kt_plan_mount *mount = &config->files.items[i];
		size_t len = strlen(mount->path);
		if (mount->artifacts.len != 1 || strncmp(move->key, mount->path, len) != 0 ||
		    move->key[len] != '/') {
			continue;
		}
		KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
		const char *name = mount->artifacts.items[0];
		int found = kt_artifacts_find(env->artifacts, name, &artifact, err);
		if (found < 0) {
			return -1;
		}
		bool into = kt_str_ends(move->value, "/");
		const char *file =
		        kt_arena_printf(arena, "%s%s", kt_str_or(artifact.dir, ""), move->key + len);
		const char *to = kt_arena_printf(arena, "%s%s", move->value,
		                                 into ? kt_path_base(move->key) : "");
		if (file == NULL || to == NULL) {
			return kt_err_nomem(err);
		}
		*ret = (kt_file_mount){to, file, name};
		return found > 0 && kt_fs_exists(file)
		               ? 0
		               : KT_FAIL(err, NOT_FOUND,
		                         "Files artifact '%s' has no file '%s' to be moved to '%s'",
		                         name, move->key + len, move->value);
	}
	return KT_FAIL(err, UNSUPPORTED,
	               "'files_to_be_moved' has '%s', which is not in a mounted files artifact; "
	               "moving the image's own files is not supported yet",
	               move->key);
}

/* Looks the mounted artifacts up; every mount of several artifacts gives several rows. */
static int set_files(kt_run_env *env, const kt_plan_config *config, kt_arena *arena,
                     kt_service_spec *spec, kt_err *err)
{
	size_t n_files = 0;

	for (size_t i = 0; i < config->files.len; i++) {
		n_files += config->files.items[i].artifacts.len;
	}
	size_t n_moved = config->files_to_be_moved.len;
	kt_file_mount *files = KT_ARENA_ARRAY(arena, kt_file_mount, n_files + n_moved + 1);
	kt_persistent_dir *dirs = KT_ARENA_ARRAY(arena, kt_persistent_dir, config->files.len + 1);
	if (files == NULL || dirs == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < config->files.len; i++) {
		const kt_plan_mount *mount = &config->files.items[i];
		if (mount->persistent_key != NULL) {
			dirs[spec->persistent_len++] = (kt_persistent_dir){
			        mount->path, mount->persistent_key, (uint64_t)mount->size_bytes};
			continue;
		}
		for (size_t j = 0; j < mount->artifacts.len; j++) {
			KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
			const char *name = mount->artifacts.items[j];
			int found = kt_artifacts_find(env->artifacts, name, &artifact, err);
			if (found <= 0) {
				return found < 0 ? -1
				                 : KT_FAIL(err, NOT_FOUND,
				                           "Files artifact '%s', mounted at '%s', "
				                           "does not exist in this enclave",
				                           name, mount->path);
			}
			files[spec->files_len++] = (kt_file_mount){
			        mount->path, kt_arena_strdup(arena, artifact.dir), name};
		}
	}
	for (size_t i = 0; i < n_moved; i++) {
		if (add_moved(env, config, &config->files_to_be_moved.items[i], arena,
		              &files[spec->files_len++], err) < 0) {
			return -1;
		}
	}
	spec->files = files;
	spec->persistent = dirs;
	return 0;
}

static int set_lists(const kt_plan_config *config, kt_arena *arena, kt_service_spec *spec,
                     kt_err *err)
{
	kt_bind_mount *binds = KT_ARENA_ARRAY(arena, kt_bind_mount, config->bind_mounts.len + 1);
	kt_ulimit *ulimits = KT_ARENA_ARRAY(arena, kt_ulimit, config->gpu.n_ulimits + 1);

	spec->env = to_kvs(arena, &config->env_vars);
	spec->env_len = config->env_vars.len;
	spec->labels = to_kvs(arena, &config->labels);
	spec->labels_len = config->labels.len;
	spec->node_selectors = to_kvs(arena, &config->node_selectors);
	spec->node_selectors_len = config->node_selectors.len;
	spec->capabilities = kt_run_argv(arena, &config->capabilities);
	spec->devices = kt_run_argv(arena, &config->devices);
	if (binds == NULL || ulimits == NULL || spec->env == NULL || spec->labels == NULL ||
	    spec->node_selectors == NULL || spec->capabilities == NULL || spec->devices == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < config->bind_mounts.len; i++) {
		binds[i] = (kt_bind_mount){config->bind_mounts.items[i].key,
		                           config->bind_mounts.items[i].value};
	}
	for (size_t i = 0; i < config->gpu.n_ulimits; i++) {
		ulimits[i] = (kt_ulimit){config->gpu.ulimits[i].name, config->gpu.ulimits[i].value};
	}
	spec->binds = binds;
	spec->binds_len = config->bind_mounts.len;
	spec->ulimits = ulimits;
	spec->ulimits_len = config->gpu.n_ulimits;
	return 0;
}

static int set_commands(const kt_plan_config *config, kt_arena *arena, kt_service_spec *spec,
                        kt_err *err)
{
	const kt_plan_user *user = &config->user;

	spec->entrypoint = config->has_entrypoint ? kt_run_argv(arena, &config->entrypoint) : NULL;
	spec->cmd = config->has_cmd ? kt_run_argv(arena, &config->cmd) : NULL;
	if (user->set) {
		spec->user = user->has_gid
		                     ? kt_arena_printf(arena, "%lld:%lld", (long long)user->uid,
		                                       (long long)user->gid)
		                     : kt_arena_printf(arena, "%lld", (long long)user->uid);
	}
	if ((config->has_entrypoint && spec->entrypoint == NULL) ||
	    (config->has_cmd && spec->cmd == NULL) || (user->set && spec->user == NULL)) {
		return kt_err_nomem(err);
	}
	return 0;
}

static int make_spec(kt_run_env *env, const kt_reg *reg, const kt_plan_config *config,
                     kt_arena *arena, kt_service_spec *spec, kt_err *err)
{
	*spec = (kt_service_spec){
	        .uuid = reg->uuid,
	        .name = reg->name,
	        .image = config->image.name,
	        .publish_udp = config->publish_udp,
	        .cpu_millis = (uint32_t)config->max_cpu_millis,
	        .memory_mb = (uint32_t)config->max_memory_mb,
	        .min_cpu_millis = (uint32_t)config->min_cpu_millis,
	        .min_memory_mb = (uint32_t)config->min_memory_mb,
	        .shm_bytes = config->gpu.shm_size_mb * 1024 * 1024,
	        .privileged = config->privileged,
	        .host_pid = config->host_pid_namespace,
	        .tini = config->tini_enabled,
	        .tty = config->tty_enabled,
	        .restart_always = env->production,
	        .gpu = {.count = config->gpu.count,
	                .driver = config->gpu.docker_driver,
	                .k8s_resource = config->gpu.kubernetes_driver},
	};
	if (config->gpu.device_ids.len > 0) {
		spec->gpu.device_ids = kt_run_argv(arena, &config->gpu.device_ids);
	}
	if (set_commands(config, arena, spec, err) < 0 || set_lists(config, arena, spec, err) < 0 ||
	    set_ports(config, arena, spec, err) < 0) {
		return -1;
	}
	return set_files(env, config, arena, spec, err);
}

/* --- starting --- */

static bool waits_for_ports(const kt_plan_config *config)
{
	for (size_t i = 0; i < config->ports.len; i++) {
		if (config->ports.items[i].wait_ns != KT_PLAN_NO_WAIT &&
		    config->ports.items[i].transport == KT_PLAN_TCP) {
			return true;
		}
	}
	return false;
}

/* A service that dies with an error at once is reported with its log. */
static int check_early_death(kt_run_env *env, const kt_reg *reg, const kt_plan_config *config,
                             const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_BUF kt_buf logs = KT_BUF_MAX(1024 * 1024);
	KT_AUTO_ERR kt_err waited = KT_ERR_INIT;
	int code = 0;

	if (kt_backend_wait_exit(env->backend, env->enclave_uuid, reg->uuid,
	                         kt_after_ms(EARLY_DEATH_MS), cancel, &code, &waited) < 0) {
		if (waited.code == KT_ERR_TIMEOUT) {
			return 0;
		}
		kt_err_move(err, &waited);
		return -1;
	}
	if (code == 0) {
		return 0;
	}
	env->backend->ops->service_logs(env->backend, env->enclave_uuid, reg->uuid, 0, &logs, NULL);
	KT_FAIL(err, PRECONDITION, "the service exited with code %d", code);
	return KT_WRAP(
	        err,
	        "Container '%s--%s' (with image '%s') die with a non zero exit code rapidly "
	        "after it was started. This likely indicates a misconfiguration with how the "
	        "container was started. Container should either exit gracefully or keep "
	        "running for Kurtosis to consider it in a good state; logs are below:"
	        "\n--------------------- CONTAINER LOGS -----------------------\n%s\n"
	        "------------------- END CONTAINER LOGS --------------------",
	        reg->name, reg->uuid, config->image.name, kt_buf_str(&logs));
}

int kt_service_launch(kt_run_env *env, const kt_reg *reg, const kt_plan_config *config, bool task,
                      const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_spec spec = {0};
	kt_service_info info = {0};

	if (make_spec(env, reg, config, &arena, &spec, err) < 0 ||
	    env->backend->ops->service_start(env->backend, env->enclave_uuid, &spec, cancel, &arena,
	                                     &info, err) < 0) {
		return -1;
	}
	if (waits_for_ports(config)) {
		return kt_service_wait_ports(env, reg, config, cancel, err);
	}
	return task ? 0 : check_early_death(env, reg, config, cancel, err);
}
