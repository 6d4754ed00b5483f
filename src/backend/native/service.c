/* Services: addresses, starting, stopping, removing. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART "native"
#define FIRST_ADDRESS 0xac100005U /* 172.16.0.5 */
#define LAST_ADDRESS 0xac1003feU  /* 172.16.3.254 */

/* ---- reservation ------------------------------------------------------------------- */

/* The uuid that a link holds, if that service exists; otherwise the link goes away. */
static bool owned_by_living(const native_backend *self, const char *enclave, const char *link,
			    char owner[KT_SUP_ID_MAX + 1])
{
	ssize_t len = readlink(link, owner, KT_SUP_ID_MAX);
	if (len <= 0) {
		return false;
	}
	owner[len] = '\0';
	KT_AUTO_FREE char *dir =
		kt_sup_id_valid(owner) ? native_service_dir(self, enclave, owner) : NULL;
	if (dir != NULL && kt_fs_is_dir(dir)) {
		return true;
	}
	(void)unlink(link);
	return false;
}

/* Takes "<enclave>/<kind>/<key>" for the service. 1 = taken by another, 0 = ours, -1. */
static int claim(const native_backend *self, const char *enclave, const char *kind,
		 const char *key, const char *uuid, kt_err *err)
{
	KT_AUTO_FREE char *link =
		kt_paths_root(&self->paths, "enclaves/%s/%s/%s", enclave, kind, key);
	char owner[KT_SUP_ID_MAX + 1] = "";
	if (link == NULL) {
		return kt_err_nomem(err);
	}
	for (int attempt = 0; attempt < 2; attempt++) {
		if (symlink(uuid, link) == 0) {
			return 0;
		}
		if (errno != EEXIST) {
			return KT_FAIL_ERRNO(err, "cannot create '%s'", link);
		}
		if (owned_by_living(self, enclave, link, owner)) {
			return kt_str_eq(owner, uuid) ? 0 : 1;
		}
	}
	return 1;
}

static int claim_address(const native_backend *self, const char *enclave, const char *uuid,
			 struct in_addr *ret, kt_err *err)
{
	for (uint32_t address = FIRST_ADDRESS; address <= LAST_ADDRESS; address++) {
		struct in_addr ip = {htonl(address)};
		char text[INET_ADDRSTRLEN] = "";
		inet_ntop(AF_INET, &ip, text, sizeof(text));
		int rc = claim(self, enclave, "ips", text, uuid, err);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0) {
			*ret = ip;
			return 0;
		}
	}
	return KT_FAIL(err, EXHAUSTED, "all addresses of the enclave are taken");
}

static int reserve_new(native_backend *self, const char *enclave, const char *uuid,
		       const char *name, struct in_addr *ret_ip, kt_err *err)
{
	KT_AUTO_FREE char *dir = native_service_dir(self, enclave, uuid);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	int rc = claim(self, enclave, "names", name, uuid, err);
	if (rc != 0) {
		return rc < 0 ? -1
			      : KT_FAIL(err, EXISTS, "a service named '%s' exists already", name);
	}
	if (mkdir(dir, 0711) < 0 && errno != EEXIST) {
		return KT_FAIL_ERRNO(err, "cannot create '%s'", dir);
	}
	struct in_addr ip;
	if (claim_address(self, enclave, uuid, &ip, err) < 0) {
		return -1;
	}
	char address[INET_ADDRSTRLEN] = "";
	char hostname[13] = "";
	inet_ntop(AF_INET, &ip, address, sizeof(address));
	snprintf(hostname, sizeof(hostname), "%s", uuid);
	native_record record = {
		.info = {.uuid = uuid,
			 .name = name,
			 .private_ip = address,
			 .hostname = hostname,
			 .image = ""},
		.reserved_ns = kt_wall_ns(),
	};
	if (native_record_write(self, enclave, &record, err) < 0) {
		return -1;
	}
	*ret_ip = ip;
	return 0;
}

int native_service_reserve(kt_backend *base, const char *enclave, const char *uuid,
			   const char *name, struct in_addr *ret_ip, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	KT_AUTO_FD int lock = -1;
	native_record record;
	if (native_check_id("an enclave", enclave, err) < 0 ||
	    native_check_id("a service", uuid, err) < 0) {
		return -1;
	}
	if (kt_str_empty(name) || strchr(name, '/') != NULL || name[0] == '.') {
		return KT_FAIL(err, INVALID, "'%s' cannot be the name of a service",
			       kt_str_or(name, ""));
	}
	if (native_lock(self, enclave, &lock, err) < 0) {
		return -1;
	}
	if (native_record_read(self, enclave, uuid, &arena, &record, &failure) == 0) {
		return inet_pton(AF_INET, record.info.private_ip, ret_ip) == 1
			       ? 0
			       : KT_FAIL(err, CORRUPT, "service '%s' has no address on record",
					 uuid);
	}
	if (failure.code != KT_ERR_NOT_FOUND) {
		kt_err_move(err, &failure);
		return -1;
	}
	return reserve_new(self, enclave, uuid, name, ret_ip, err);
}

/* ---- removing ---------------------------------------------------------------------- */

/* Lets the supervisor remove what it knows of a service. */
static int forget_container(native_backend *self, const char *enclave, const char *uuid,
			    kt_err *err)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	kt_sup_call_begin(&call, KT_SUP_SERVICE_REMOVE);
	kt_sup_put_str(&call.msg, KT_SUP_F_ID, uuid);
	return native_call(self, enclave, &call, err);
}

/* Takes the container away; the reservation stays. */
static int remove_container(native_backend *self, const char *enclave, const char *uuid,
			    kt_err *err)
{
	static const char *const parts[] = {NATIVE_UPPER_DIR, "files"};
	if (forget_container(self, enclave, uuid, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(parts); i++) {
		KT_AUTO_FREE char *path = kt_paths_root(
			&self->paths, "enclaves/%s/services/%s/%s", enclave, uuid, parts[i]);
		if (path == NULL) {
			return kt_err_nomem(err);
		}
		if (kt_fs_remove_tree(path, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Drops the link "<enclave>/<kind>/<key>" if the service owns it. */
static void unclaim(const native_backend *self, const char *enclave, const char *kind,
		    const char *key, const char *uuid)
{
	KT_AUTO_FREE char *link =
		kt_paths_root(&self->paths, "enclaves/%s/%s/%s", enclave, kind, key);
	char owner[KT_SUP_ID_MAX + 1] = "";
	ssize_t len = link == NULL ? -1 : readlink(link, owner, KT_SUP_ID_MAX);
	if (len > 0 && kt_str_eq(owner, uuid)) {
		(void)unlink(link);
	}
}

int native_service_release(kt_backend *base, const char *enclave, const char *uuid, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	KT_AUTO_FREE char *dir = NULL;
	KT_AUTO_FD int lock = -1;
	native_record record;
	kt_enclave_info info;
	if (native_check_id("an enclave", enclave, err) < 0 ||
	    native_enclave_read(self, enclave, &arena, &info, NULL, err) < 0) {
		return -1;
	}
	if (native_record_read(self, enclave, uuid, &arena, &record, &failure) < 0) {
		if (failure.code == KT_ERR_NOT_FOUND) {
			return 0;
		}
		kt_err_move(err, &failure);
		return -1;
	}
	if (record.has_container && remove_container(self, enclave, uuid, err) < 0) {
		return -1;
	}
	dir = native_service_dir(self, enclave, uuid);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	if (native_lock(self, enclave, &lock, err) < 0) {
		return -1;
	}
	unclaim(self, enclave, "ips", record.info.private_ip, uuid);
	unclaim(self, enclave, "names", record.info.name, uuid);
	return kt_fs_remove_tree(dir, err);
}

/* ---- starting ---------------------------------------------------------------------- */

/* What a start has gathered so far. Strings live in the arena. */
typedef struct starting {
	native_backend *self;
	const char *enclave;
	const kt_service_spec *spec;
	kt_arena *arena;
	kt_image *image;
	native_record record;
	native_bound *bound;
	KT_VEC(const char *) mounts; /* host path, path inside, "prefill" or "" */
} starting;

static int add_mount(starting *s, const char *host, const char *inside, const char *how,
		     kt_err *err)
{
	const char *a = kt_arena_strdup(s->arena, host);
	const char *b = kt_arena_strdup(s->arena, inside);
	if (a == NULL || b == NULL || kt_vec_push(&s->mounts, a) < 0 ||
	    kt_vec_push(&s->mounts, b) < 0 || kt_vec_push(&s->mounts, how) < 0) {
		return kt_err_nomem(err);
	}
	return 0;
}

/* Whether an earlier entry has the same mount path; its number. */
static size_t first_with_path(const kt_service_spec *spec, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (kt_str_eq(spec->files[j].mount_path, spec->files[i].mount_path)) {
			return j;
		}
	}
	return i;
}

/* The service's own copies of files artifacts. */
static int prepare_files(starting *s, kt_err *err)
{
	for (size_t i = 0; i < s->spec->files_len; i++) {
		const kt_file_mount *mount = &s->spec->files[i];
		size_t first = first_with_path(s->spec, i);
		KT_AUTO_FREE char *copy =
			kt_paths_root(&s->self->paths, "enclaves/%s/services/%s/files/%zu",
				      s->enclave, s->spec->uuid, first);
		if (copy == NULL) {
			return kt_err_nomem(err);
		}
		bool file = !kt_fs_is_dir(mount->host_dir);
		KT_AUTO_FREE char *place =
			file ? kt_path_join(copy, kt_path_base(mount->host_dir)) : kt_strdup(copy);
		if (place == NULL) {
			return kt_err_nomem(err);
		}
		if (kt_fs_mkdirs(copy, 0755, err) < 0 ||
		    kt_fs_copy_tree(mount->host_dir, place, err) < 0) {
			return KT_WRAP(err, "cannot place files artifact '%s' at '%s'",
				       kt_str_or(mount->label, mount->host_dir), mount->mount_path);
		}
		if (first == i && add_mount(s, place, mount->mount_path, "", err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int prepare_persistent(starting *s, kt_err *err)
{
	for (size_t i = 0; i < s->spec->persistent_len; i++) {
		const kt_persistent_dir *item = &s->spec->persistent[i];
		if (kt_str_empty(item->key) || strchr(item->key, '/') != NULL ||
		    item->key[0] == '.') {
			return KT_FAIL(err, INVALID, "'%s' cannot be a persistent key",
				       kt_str_or(item->key, ""));
		}
		KT_AUTO_FREE char *dir = kt_paths_root(&s->self->paths, "enclaves/%s/persistent/%s",
						       s->enclave, item->key);
		if (dir == NULL) {
			return kt_err_nomem(err);
		}
		if (kt_fs_mkdirs(dir, 0755, err) < 0 ||
		    add_mount(s, dir, item->mount_path, "prefill", err) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < s->spec->binds_len; i++) {
		const kt_bind_mount *bind = &s->spec->binds[i];
		if (!kt_fs_exists(bind->host_path)) {
			return KT_FAIL(err, NOT_FOUND,
				       "cannot mount '%s' into service '%s': it does not exist on "
				       "this host",
				       bind->host_path, s->spec->name);
		}
		if (add_mount(s, bind->host_path, bind->mount_path, "", err) < 0) {
			return -1;
		}
	}
	return 0;
}

static const char *const *nullable(starting *s, const kt_strvec *strings)
{
	const char **copy = KT_ARENA_ARRAY(s->arena, const char *, strings->len + 1);
	for (size_t i = 0; copy != NULL && i < strings->len; i++) {
		copy[i] = kt_arena_strdup(s->arena, strings->items[i]);
	}
	return copy;
}

/* Image, command, environment and ports, as the record will say. */
static int prepare_record(starting *s, kt_err *err)
{
	kt_service_info *info = &s->record.info;
	const kt_image_config *config = &s->image->config;
	kt_image_defaults defaults = {nullable(s, &config->entrypoint), nullable(s, &config->cmd),
				      nullable(s, &config->env)};
	kt_port_info *ports = NULL;
	if (kt_merge_command(s->spec, &defaults, s->arena, &info->entrypoint, &info->cmd, err) <
		    0 ||
	    kt_merge_env(s->spec, &defaults, s->arena, &info->env, err) < 0 ||
	    kt_merge_ports(s->spec, s->arena, &ports, err) < 0) {
		return -1;
	}
	if (info->entrypoint[0] == NULL && info->cmd[0] == NULL) {
		return KT_FAIL(err, INVALID,
			       "image '%s' names no command and service '%s' gives none",
			       s->spec->image, s->spec->name);
	}
	info->image = s->spec->image;
	info->labels = s->spec->labels;
	info->labels_len = s->spec->labels_len;
	info->hostname = s->spec->hostname != NULL ? s->spec->hostname : info->hostname;
	info->ports_len = s->spec->ports_len;
	s->record.image_digest = kt_arena_strdup(s->arena, s->image->digest);
	s->record.layers = nullable(s, &s->image->layers);
	s->record.ports = KT_ARENA_ARRAY(s->arena, native_port, info->ports_len + 1);
	s->bound = KT_ARENA_ARRAY(s->arena, native_bound, info->ports_len + 1);
	if (s->record.image_digest == NULL || s->record.layers == NULL || s->record.ports == NULL ||
	    s->bound == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < info->ports_len; i++) {
		s->record.ports[i] = (native_port){
			.info = ports[i],
			.fixed = s->spec->ports[i].public_number,
			.publish = kt_port_published(s->spec, &s->spec->ports[i]),
		};
		s->bound[i] = (native_bound){{-1, -1}};
	}
	return 0;
}

static int get_image(starting *s, const kt_cancel *cancel, kt_err *err)
{
	kt_image_request request = {
		.name = s->spec->image,
		.mode = KT_IMAGE_MISSING,
		.cancel = (kt_cancel *)cancel,
		.deadline = KT_NEVER,
	};
	s->image = kt_image_ensure(s->self->images, &request, err);
	if (s->image == NULL) {
		return -1;
	}
	return kt_image_pin(s->self->images, s->enclave, s->image, err);
}

/* A supervisor that died over a launch may have done half of it: from the start, once. */
static int launch(starting *s, kt_err *err)
{
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	if (native_launch(s->self, s->enclave, s->spec, s->image, &s->record, &failure) == 0) {
		return 0;
	}
	if (failure.code != KT_ERR_UNAVAILABLE) {
		kt_err_move(err, &failure);
		return -1;
	}
	if (forget_container(s->self, s->enclave, s->spec->uuid, err) < 0) {
		return -1;
	}
	return native_launch(s->self, s->enclave, s->spec, s->image, &s->record, err);
}

static int start_prepared(starting *s, kt_err *err)
{
	const kt_service_info *info = &s->record.info;
	s->record.info.started_wall_ns = kt_wall_ns();
	s->record.has_container = true;
	s->record.restart = s->spec->restart_always;
	s->record.stopped = false;
	if (kt_vec_push(&s->mounts, NULL) < 0) {
		return kt_err_nomem(err);
	}
	s->mounts.len--;
	s->record.mounts = s->mounts.items;
	if (native_ports_bind(s->record.ports, info->ports_len, s->bound, err) < 0 ||
	    native_record_write(s->self, s->enclave, &s->record, err) < 0 ||
	    launch(s, err) < 0) {
		return -1;
	}
	return native_ports_publish(s->self, s->enclave, info->uuid, s->record.ports,
				    info->ports_len, s->bound, false, err);
}

/* After a failed start: no container, the reservation as it was. */
static void undo_start(starting *s, const native_record *before)
{
	KT_AUTO_ERR kt_err ignored = KT_ERR_INIT;
	if (remove_container(s->self, s->enclave, s->spec->uuid, &ignored) < 0 ||
	    native_record_write(s->self, s->enclave, before, &ignored) < 0) {
		kt_log_err(KT_LOG_DEBUG, PART, &ignored, "cannot undo the start of '%s'",
			   s->spec->name);
	}
}

static void watch_restarts(native_backend *self, const char *enclave, const native_record *record)
{
	native_restarts *restarts = record->restart ? native_restarts_get(self) : NULL;
	if (restarts != NULL) {
		native_restarts_add(restarts, enclave, record->info.uuid);
	}
}

static int check_spec(const kt_service_spec *spec, kt_err *err)
{
	if (spec->gpu.count != 0 || spec->gpu.device_ids != NULL) {
		return KT_FAIL(err, UNSUPPORTED,
			       "service '%s' asks for GPUs, which the native backend cannot give "
			       "yet; use the devices setting to pass device files",
			       spec->name);
	}
	if (spec->memory_mb != 0 && spec->memory_mb < 6) {
		return KT_FAIL(err, INVALID,
			       "Memory allocation, `%u`, is too low. Kurtosis requires the memory "
			       "limit to be at least `6` megabytes for service with UUID '%s'.",
			       (unsigned)spec->memory_mb, spec->uuid);
	}
	return 0;
}

int native_service_start(kt_backend *base, const char *enclave, const kt_service_spec *spec,
			 const kt_cancel *cancel, kt_arena *arena, kt_service_info *ret,
			 kt_err *err)
{
	native_backend *self = native_of(base);
	starting s = {.self = self, .enclave = enclave, .spec = spec, .arena = arena};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	native_record before;
	if (native_record_read(self, enclave, spec->uuid, arena, &before, &failure) < 0) {
		if (failure.code == KT_ERR_NOT_FOUND) {
			return KT_FAIL(err, PRECONDITION, "service '%s' has no address reserved",
				       spec->name);
		}
		kt_err_move(err, &failure);
		return -1;
	}
	native_children_reap(self);
	if (check_spec(spec, err) < 0 ||
	    (before.has_container && remove_container(self, enclave, spec->uuid, err) < 0)) {
		return -1;
	}
	before.has_container = false;
	before.info.ports_len = 0;
	s.record = before;
	int rc = get_image(&s, cancel, err);
	rc = rc < 0 ? rc : prepare_record(&s, err);
	rc = rc < 0 ? rc : prepare_files(&s, err);
	rc = rc < 0 ? rc : prepare_persistent(&s, err);
	rc = rc < 0 ? rc : kt_cancel_check(cancel, err);
	rc = rc < 0 ? rc : start_prepared(&s, err);
	if (rc < 0) {
		undo_start(&s, &before);
	} else {
		rc = native_report(self, enclave, &s.record, arena, ret, err);
		watch_restarts(self, enclave, &s.record);
	}
	if (s.bound != NULL) {
		native_ports_close(s.bound, s.record.info.ports_len);
	}
	kt_vec_deinit(&s.mounts);
	kt_image_free(s.image);
	return rc;
}

/* ---- stop and start again ----------------------------------------------------------- */

int native_service_stop(kt_backend *base, const char *enclave, const char *uuid, int64_t grace_ms,
			kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	native_record record;
	if (native_record_read(self, enclave, uuid, &arena, &record, err) < 0) {
		return -1;
	}
	if (!record.has_container) {
		return 0;
	}
	record.stopped = true;
	if (record.restart && native_record_write(self, enclave, &record, err) < 0) {
		return -1;
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	kt_sup_call_begin(&call, KT_SUP_SERVICE_STOP);
	kt_sup_put_str(&call.msg, KT_SUP_F_ID, uuid);
	kt_sup_put_num(&call.msg, KT_SUP_F_GRACE_MS, (uint64_t)KT_MAX(grace_ms, 0));
	return native_call(self, enclave, &call, err);
}

/* By what the supervisor has kept, or (after a restart of the host) by what we have. */
static int run_again(native_backend *self, const char *enclave, const char *uuid, kt_err *err)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	kt_sup_call_begin(&call, KT_SUP_SERVICE_START);
	kt_sup_put_str(&call.msg, KT_SUP_F_ID, uuid);
	if (native_call(self, enclave, &call, &failure) == 0) {
		return 0;
	}
	if (failure.code == KT_ERR_NOT_FOUND) {
		return native_launch_again(self, enclave, uuid, err);
	}
	kt_err_move(err, &failure);
	return -1;
}

int native_service_restart(kt_backend *base, const char *enclave, const char *uuid,
			   kt_arena *arena, kt_service_info *ret, kt_err *err)
{
	native_backend *self = native_of(base);
	native_record record;
	if (native_record_read(self, enclave, uuid, arena, &record, err) < 0) {
		return -1;
	}
	if (!record.has_container) {
		return KT_FAIL(err, PRECONDITION, "service '%s' was never started",
			       record.info.name);
	}
	if (native_fill_states(self, enclave, &record, 1, err) < 0) {
		return -1;
	}
	if (record.info.state == KT_SERVICE_RUNNING) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is running already",
			       record.info.name);
	}
	size_t len = record.info.ports_len;
	native_bound *bound = KT_ARENA_ARRAY(arena, native_bound, len + 1);
	if (bound == NULL) {
		return kt_err_nomem(err);
	}
	record.info.started_wall_ns = kt_wall_ns();
	record.stopped = false;
	if (native_ports_bind(record.ports, len, bound, err) < 0) {
		return -1;
	}
	int rc = native_record_write(self, enclave, &record, err);
	rc = rc < 0 ? rc : run_again(self, enclave, uuid, err);
	rc = rc < 0 ? rc
		    : native_ports_publish(self, enclave, uuid, record.ports, len, bound, false,
					   err);
	rc = rc < 0 ? rc : native_report(self, enclave, &record, arena, ret, err);
	if (rc == 0) {
		watch_restarts(self, enclave, &record);
	}
	native_ports_close(bound, len);
	return rc;
}
