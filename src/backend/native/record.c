/*
 * What the backend knows of its enclaves and services, as small JSON files:
 *
 *   <root>/enclaves/<uuid>/enclave.json
 *   <root>/enclaves/<uuid>/services/<uuid>/record.json
 *   <root>/enclaves/<uuid>/ips/<address>, names/<name>   links that hold the owner's uuid
 */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_MAX (4U << 20)

int native_check_id(const char *what, const char *text, kt_err *err)
{
	if (text == NULL || !kt_sup_id_valid(text)) {
		return KT_FAIL(err, INVALID, "'%s' cannot be the UUID of %s",
			       text != NULL ? text : "", what);
	}
	return 0;
}

char *native_enclave_dir(const native_backend *self, const char *enclave)
{
	return kt_paths_root(&self->paths, "enclaves/%s", enclave);
}

char *native_service_dir(const native_backend *self, const char *enclave, const char *uuid)
{
	return kt_paths_root(&self->paths, "enclaves/%s/services/%s", enclave, uuid);
}

char *native_log_path(const native_backend *self, const char *enclave, const char *uuid)
{
	return kt_paths_root(&self->paths, "enclaves/%s/logs/%s.log", enclave, uuid);
}

int native_lock(const native_backend *self, const char *enclave, int *ret_fd, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_paths_root(&self->paths, "enclaves/%s/lock", enclave);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT) {
		return KT_FAIL(err, NOT_FOUND, "no enclave with UUID '%s'", enclave);
	}
	int rc = -1;
	do {
		rc = fd < 0 ? -1 : flock(fd, LOCK_EX);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0) {
		return KT_FAIL_ERRNO(err, "cannot lock '%s'", path);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* ---- JSON -------------------------------------------------------------------------- */

static json_t *strings_to_json(const char *const *strings)
{
	json_t *array = json_array();
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++) {
		json_array_append_new(array, json_stringn_nocheck(strings[i], strlen(strings[i])));
	}
	return array;
}

static const char *const *strings_from_json(const json_t *array, kt_arena *arena)
{
	size_t len = json_array_size(array);
	const char **strings = KT_ARENA_ARRAY(arena, const char *, len + 1);
	for (size_t i = 0; strings != NULL && i < len; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		strings[i] = kt_arena_strdup(arena, text != NULL ? text : "");
		if (strings[i] == NULL) {
			return NULL;
		}
	}
	return strings;
}

static json_t *labels_to_json(const kt_kv *labels, size_t len)
{
	json_t *object = json_object();
	for (size_t i = 0; i < len; i++) {
		json_object_set_new_nocheck(object, labels[i].key,
					    json_string_nocheck(labels[i].value));
	}
	return object;
}

static const kt_kv *labels_from_json(json_t *object, kt_arena *arena, size_t *ret_len)
{
	kt_kv *labels = KT_ARENA_ARRAY(arena, kt_kv, json_object_size(object) + 1);
	size_t len = 0;
	const char *key = NULL;
	json_t *value = NULL;
	if (labels == NULL) {
		return NULL;
	}
	json_object_foreach(object, key, value) {
		labels[len].key = kt_arena_strdup(arena, key);
		labels[len].value = kt_arena_strdup(arena, json_string_value(value));
		if (labels[len].key == NULL) {
			return NULL;
		}
		len++;
	}
	*ret_len = len;
	return labels;
}

static int write_json(const char *path, json_t *value, kt_err *err)
{
	KT_AUTO_FREE char *text = value == NULL ? NULL : kt_json_text(value, 1);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	return kt_fs_write(path, text, strlen(text), 0600, false, err);
}

static json_t *read_json(const char *path, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, FILE_MAX, &text, err) < 0) {
		return NULL;
	}
	return kt_json_parse(kt_buf_str(&text), text.len, path, err);
}

/* ---- enclaves ---------------------------------------------------------------------- */

int native_enclave_write(const native_backend *self, const kt_enclave_spec *spec, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_paths_root(&self->paths, "enclaves/%s/enclave.json", spec->uuid);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_JSON json_t *object = json_pack(
		"{s:s, s:s, s:b, s:b, s:I, s:o}", "uuid", spec->uuid, "name", spec->name,
		"no_internet", spec->no_internet, "production", spec->production, "created_ns",
		(json_int_t)kt_wall_ns(), "labels", labels_to_json(spec->labels, spec->labels_len));
	return write_json(path, object, err);
}

int native_enclave_read(const native_backend *self, const char *enclave, kt_arena *arena,
			kt_enclave_info *ret, bool *ret_no_internet, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_paths_root(&self->paths, "enclaves/%s/enclave.json", enclave);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(path)) {
		return KT_FAIL(err, NOT_FOUND, "no enclave with UUID '%s'", enclave);
	}
	KT_AUTO_JSON json_t *object = read_json(path, err);
	if (object == NULL) {
		return -1;
	}
	kt_enclave_info info = {
		.uuid = kt_arena_strdup(arena, enclave),
		.name = kt_arena_strdup(arena, kt_json_str(object, "name", "")),
		.production = kt_json_bool(object, "production", false),
		.created_wall_ns = kt_json_int(object, "created_ns", 0),
		.gateway_ip = KT_SUP_GATEWAY,
		.subnet = KT_SUP_SUBNET "/22",
	};
	info.labels = labels_from_json(json_object_get(object, "labels"), arena, &info.labels_len);
	if (info.uuid == NULL || info.name == NULL || info.labels == NULL) {
		return kt_err_nomem(err);
	}
	if (ret_no_internet != NULL) {
		*ret_no_internet = kt_json_bool(object, "no_internet", false);
	}
	*ret = info;
	return 0;
}

/* ---- services ---------------------------------------------------------------------- */

static json_t *ports_to_json(const native_record *record)
{
	json_t *array = json_array();
	for (size_t i = 0; i < record->info.ports_len; i++) {
		const native_port *port = &record->ports[i];
		json_array_append_new(
			array,
			json_pack("{s:s, s:i, s:i, s:s, s:i, s:i, s:b}", "id", port->info.id,
				  "number", (int)port->info.number, "protocol",
				  (int)port->info.protocol, "app", port->info.app_protocol,
				  "public", (int)port->info.public_number, "fixed",
				  (int)port->fixed, "publish", port->publish));
	}
	return array;
}

int native_record_write(const native_backend *self, const char *enclave,
			const native_record *record, kt_err *err)
{
	const kt_service_info *info = &record->info;
	KT_AUTO_FREE char *path = kt_paths_root(
		&self->paths, "enclaves/%s/services/%s/record.json", enclave, info->uuid);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_JSON json_t *object = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o}",
		"uuid", info->uuid, "name", info->name, "ip", info->private_ip, "hostname",
		info->hostname, "reserved_ns", (json_int_t)record->reserved_ns, "has_container",
		record->has_container, "restart", record->restart, "stopped", record->stopped,
		"started_ns", (json_int_t)info->started_wall_ns, "image",
		info->image, "image_digest", kt_str_or(record->image_digest, ""), "layers",
		strings_to_json(record->layers), "mounts", strings_to_json(record->mounts),
		"entrypoint", strings_to_json(info->entrypoint), "cmd", strings_to_json(info->cmd),
		"env", strings_to_json(info->env), "labels",
		labels_to_json(info->labels, info->labels_len), "ports", ports_to_json(record));
	return write_json(path, object, err);
}

static int ports_from_json(const json_t *array, kt_arena *arena, native_record *record,
			   kt_err *err)
{
	size_t len = json_array_size(array);
	record->ports = KT_ARENA_ARRAY(arena, native_port, len + 1);
	for (size_t i = 0; record->ports != NULL && i < len; i++) {
		const json_t *object = json_array_get(array, i);
		native_port *port = &record->ports[i];
		*port = (native_port){
			.info.id = kt_arena_strdup(arena, kt_json_str(object, "id", "")),
			.info.number = (uint16_t)kt_json_int(object, "number", 0),
			.info.protocol = (kt_protocol)kt_json_int(object, "protocol", 0),
			.info.app_protocol = kt_arena_strdup(arena, kt_json_str(object, "app", "")),
			.info.public_number = (uint16_t)kt_json_int(object, "public", 0),
			.fixed = (uint16_t)kt_json_int(object, "fixed", 0),
			.publish = kt_json_bool(object, "publish", false),
		};
		if (port->info.id == NULL || port->info.app_protocol == NULL) {
			return kt_err_nomem(err);
		}
	}
	record->info.ports_len = len;
	return record->ports != NULL ? 0 : kt_err_nomem(err);
}

static int record_from_json(const json_t *object, kt_arena *arena, native_record *ret, kt_err *err)
{
	native_record record = {
		.reserved_ns = kt_json_int(object, "reserved_ns", 0),
		.has_container = kt_json_bool(object, "has_container", false),
		.restart = kt_json_bool(object, "restart", false),
		.stopped = kt_json_bool(object, "stopped", false),
		.image_digest = kt_arena_strdup(arena, kt_json_str(object, "image_digest", "")),
		.layers = strings_from_json(json_object_get(object, "layers"), arena),
		.mounts = strings_from_json(json_object_get(object, "mounts"), arena),
	};
	kt_service_info *info = &record.info;
	info->uuid = kt_arena_strdup(arena, kt_json_str(object, "uuid", ""));
	info->name = kt_arena_strdup(arena, kt_json_str(object, "name", ""));
	info->private_ip = kt_arena_strdup(arena, kt_json_str(object, "ip", ""));
	info->hostname = kt_arena_strdup(arena, kt_json_str(object, "hostname", ""));
	info->image = kt_arena_strdup(arena, kt_json_str(object, "image", ""));
	info->entrypoint = strings_from_json(json_object_get(object, "entrypoint"), arena);
	info->cmd = strings_from_json(json_object_get(object, "cmd"), arena);
	info->env = strings_from_json(json_object_get(object, "env"), arena);
	info->started_wall_ns = kt_json_int(object, "started_ns", 0);
	info->labels =
		labels_from_json(json_object_get(object, "labels"), arena, &info->labels_len);
	info->public_ip = "";
	info->state = record.has_container ? KT_SERVICE_UNKNOWN : KT_SERVICE_RESERVED;
	const void *const all[] = {
		record.image_digest, record.layers,  record.mounts,  info->uuid,
		info->name,	     info->private_ip, info->hostname, info->image,
		info->entrypoint,    info->cmd,	     info->env,	     info->labels,
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(all); i++) {
		if (all[i] == NULL) {
			return kt_err_nomem(err);
		}
	}
	if (ports_from_json(json_object_get(object, "ports"), arena, &record, err) < 0) {
		return -1;
	}
	*ret = record;
	return 0;
}

int native_record_read(const native_backend *self, const char *enclave, const char *uuid,
		       kt_arena *arena, native_record *ret, kt_err *err)
{
	if (native_check_id("an enclave", enclave, err) < 0 ||
	    native_check_id("a service", uuid, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *path =
		kt_paths_root(&self->paths, "enclaves/%s/services/%s/record.json", enclave, uuid);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (access(path, F_OK) < 0) {
		return KT_FAIL(err, NOT_FOUND, "no service with UUID '%s' in enclave '%s'", uuid,
			       enclave);
	}
	KT_AUTO_JSON json_t *object = read_json(path, err);
	return object == NULL ? -1 : record_from_json(object, arena, ret, err);
}

static int compare_records(const void *a, const void *b)
{
	const native_record *x = a;
	const native_record *y = b;
	return (x->reserved_ns > y->reserved_ns) - (x->reserved_ns < y->reserved_ns);
}

int native_records_read(const native_backend *self, const char *enclave, kt_arena *arena,
			native_records *ret, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_paths_root(&self->paths, "enclaves/%s/services", enclave);
	if (native_check_id("an enclave", enclave, err) < 0 || dir == NULL) {
		return dir != NULL ? -1 : kt_err_nomem(err);
	}
	DIR *entries = opendir(dir);
	if (entries == NULL) {
		return KT_FAIL(err, NOT_FOUND, "no enclave with UUID '%s'", enclave);
	}
	KT_VEC(native_record) records = {0};
	int rc = 0;
	for (struct dirent *entry; rc == 0 && (entry = readdir(entries)) != NULL;) {
		native_record record;
		KT_AUTO_ERR kt_err ignored = KT_ERR_INIT;
		if (entry->d_name[0] == '.') {
			continue;
		}
		if (native_record_read(self, enclave, entry->d_name, arena, &record, &ignored) ==
		    0) {
			rc = kt_vec_push(&records, record) < 0 ? kt_err_nomem(err) : 0;
		} else if (ignored.code == KT_ERR_NOMEM) {
			rc = kt_err_nomem(err);
		} /* else: half-made or being removed */
	}
	closedir(entries);
	if (rc == 0 && records.len > 0) {
		qsort(records.items, records.len, sizeof(native_record), compare_records);
	}
	native_record *copy =
		rc < 0 ? NULL : KT_ARENA_ARRAY(arena, native_record, records.len + 1);
	if (copy != NULL && records.len > 0) {
		memcpy(copy, records.items, records.len * sizeof(native_record));
		*ret = (native_records){copy, records.len};
	} else if (copy != NULL) {
		*ret = (native_records){copy, 0};
	} else if (rc == 0) {
		rc = kt_err_nomem(err);
	}
	kt_vec_deinit(&records);
	return rc;
}
