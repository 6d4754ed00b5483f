/* Enclaves: a directory, a supervisor with a network namespace, nothing else. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART "native"
#define DESTROY_MS 30000

static const char *const subdirs[] = {"services", "logs", "ips", "names", "persistent"};

/* Serialises creating and destroying over all processes. */
static int lock_all(const native_backend *self, int *ret_fd, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_paths_root(&self->paths, "enclaves");
	KT_AUTO_FREE char *path = kt_paths_root(&self->paths, "enclaves.lock");
	if (dir == NULL || path == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(dir, 0755, err) < 0) {
		return -1;
	}
	KT_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
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

/* The uuids of all directories below <base>/enclaves. */
static int read_uuids(char *dir, kt_strvec *ret, kt_err *err)
{
	KT_UNUSED KT_AUTO_FREE char *owned = dir;
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	DIR *entries = opendir(dir);
	if (entries == NULL) {
		return errno == ENOENT ? 0 : KT_FAIL_ERRNO(err, "cannot read '%s'", dir);
	}
	int rc = 0;
	for (struct dirent *entry; rc == 0 && (entry = readdir(entries)) != NULL;) {
		if (kt_sup_id_valid(entry->d_name) && !kt_strvec_has(ret, entry->d_name)) {
			rc = kt_strvec_add(ret, entry->d_name);
		}
	}
	closedir(entries);
	return rc < 0 ? kt_err_nomem(err) : 0;
}

static int check_unused(const native_backend *self, const kt_enclave_spec *spec, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec uuids = KT_STRVEC_INIT;
	if (read_uuids(kt_paths_root(&self->paths, "enclaves"), &uuids, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < uuids.len; i++) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		kt_enclave_info info;
		if (kt_str_eq(uuids.items[i], spec->uuid)) {
			return KT_FAIL(err, EXISTS, "an enclave with UUID '%s' exists already",
				       spec->uuid);
		}
		if (native_enclave_read(self, uuids.items[i], &arena, &info, NULL, NULL) == 0 &&
		    kt_str_eq(info.name, spec->name)) {
			return KT_FAIL(err, EXISTS, "an enclave named '%s' exists already",
				       spec->name);
		}
	}
	return 0;
}

static int make_dirs(const native_backend *self, const kt_enclave_spec *spec, kt_err *err)
{
	KT_AUTO_FREE char *dir = native_enclave_dir(self, spec->uuid);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	if (mkdir(dir, 0711) < 0) {
		return KT_FAIL_ERRNO(err, "cannot create '%s'", dir);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(subdirs); i++) {
		KT_AUTO_FREE char *sub = kt_path_join(dir, subdirs[i]);
		if (sub == NULL) {
			return kt_err_nomem(err);
		}
		if (mkdir(sub, 0711) < 0) {
			return KT_FAIL_ERRNO(err, "cannot create '%s'", sub);
		}
	}
	return native_enclave_write(self, spec, err);
}

int native_enclave_create(kt_backend *base, const kt_enclave_spec *spec, kt_err *err)
{
	native_backend *self = native_of(base);
	if (native_check_id("an enclave", spec->uuid, err) < 0) {
		return -1;
	}
	{
		KT_AUTO_FD int lock = -1;
		if (lock_all(self, &lock, err) < 0 || check_unused(self, spec, err) < 0 ||
		    make_dirs(self, spec, err) < 0) {
			return -1;
		}
	}
	if (native_supervisor_start(self, spec->uuid, err) < 0) {
		KT_AUTO_ERR kt_err ignored = KT_ERR_INIT;
		if (native_enclave_destroy(base, spec->uuid, &ignored) < 0) {
			kt_log_err(KT_LOG_DEBUG, PART, &ignored, "cannot undo an enclave");
		}
		return KT_WRAP(err, "cannot create enclave '%s'", spec->name);
	}
	return 0;
}

/* Services that always run must not come back by themselves. */
static int note_stops(native_backend *self, const char *enclave, kt_arena *arena, kt_err *err)
{
	native_records records = {0};
	if (native_records_read(self, enclave, arena, &records, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < records.len; i++) {
		native_record *record = &records.items[i];
		record->stopped = true;
		if (record->restart && native_record_write(self, enclave, record, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int native_enclave_stop(kt_backend *base, const char *enclave, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_enclave_info info;
	if (native_check_id("an enclave", enclave, err) < 0 ||
	    native_enclave_read(self, enclave, &arena, &info, NULL, err) < 0) {
		return -1;
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	kt_sup_call_begin(&call, KT_SUP_STOP_ALL);
	return note_stops(self, enclave, &arena, err) < 0 ? -1
							  : native_call(self, enclave, &call, err);
}

/* Removes what the supervisor has not: state on disk, and what a crash has left. */
static int remove_dirs(const native_backend *self, const char *enclave, kt_err *err)
{
	KT_AUTO_FREE char *runtime = kt_paths_runtime(&self->paths, "enclaves/%s", enclave);
	KT_AUTO_FREE char *dir = native_enclave_dir(self, enclave);
	if (runtime == NULL || dir == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_remove_tree(runtime, err) < 0 || kt_fs_remove_tree(dir, err) < 0) {
		return -1;
	}
	return kt_image_unpin(self->images, enclave, err);
}

/* Lets the supervisor remove everything; one is started if need be. */
static int ask_supervisor(native_backend *self, const char *enclave)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {.deadline = kt_after_ms(DESTROY_MS)};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	kt_sup_call_begin(&call, KT_SUP_DESTROY);
	if (native_call(self, enclave, &call, &failure) == 0) {
		return 0;
	}
	kt_log_err(KT_LOG_DEBUG, PART, &failure, "the supervisor of %s does not remove it", enclave);
	return -1;
}

/* Removes processes, mounts and groups by the supervisor's program, without a supervisor. */
static int sweep(native_backend *self, const char *runtime, kt_err *err)
{
	KT_AUTO_FREE char *program = native_supervisor_program(self, err);
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	if (program == NULL) {
		return -1;
	}
	const char *const argv[] = {program, "--destroy", runtime, NULL};
	kt_proc_spec spec = {.argv = argv, .deadline = kt_after_ms(2 * DESTROY_MS)};
	if (kt_proc_run(&spec, &result, err) < 0) {
		return -1;
	}
	return result.exit_code == 0
		       ? 0
		       : KT_FAIL(err, INTERNAL, "cannot remove '%s': %s", runtime,
				 kt_buf_str(&result.err));
}

int native_enclave_destroy(kt_backend *base, const char *enclave, kt_err *err)
{
	native_backend *self = native_of(base);
	if (native_check_id("an enclave", enclave, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *dir = native_enclave_dir(self, enclave);
	KT_AUTO_FREE char *runtime = kt_paths_runtime(&self->paths, "enclaves/%s", enclave);
	KT_AUTO_FREE char *path = kt_paths_runtime(&self->paths, "enclaves/%s/sup.sock", enclave);
	if (dir == NULL || runtime == NULL || path == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_is_dir(dir) && !kt_fs_is_dir(runtime)) {
		return KT_FAIL(err, NOT_FOUND, "no enclave with UUID '%s'", enclave);
	}
	if (kt_fs_is_dir(runtime)) {
		native_outbound_stop(self, enclave);
		/* Of what was ours only the supervisor knows all. */
		if (ask_supervisor(self, enclave) < 0 && sweep(self, runtime, err) < 0) {
			return -1;
		}
		kt_sup_clients_drop(self->clients, path);
		native_children_reap(self);
	}
	return remove_dirs(self, enclave, err);
}

/* ---- inspection -------------------------------------------------------------------- */

static int fill_state(native_backend *self, kt_enclave_info *info, kt_arena *arena, kt_err *err)
{
	native_records records = {0};
	if (native_records_read(self, info->uuid, arena, &records, err) < 0) {
		return -1;
	}
	size_t containers = 0;
	for (size_t i = 0; i < records.len; i++) {
		containers += records.items[i].has_container ? 1 : 0;
	}
	info->state = KT_ENCLAVE_EMPTY;
	if (containers == 0) {
		return 0;
	}
	if (native_fill_states(self, info->uuid, records.items, records.len, err) < 0) {
		return -1;
	}
	info->state = KT_ENCLAVE_STOPPED;
	for (size_t i = 0; i < records.len; i++) {
		if (records.items[i].info.state == KT_SERVICE_RUNNING) {
			info->state = KT_ENCLAVE_RUNNING;
		}
	}
	return 0;
}

int native_enclave_inspect(kt_backend *base, const char *enclave, kt_arena *arena,
			   kt_enclave_info *ret, kt_err *err)
{
	native_backend *self = native_of(base);
	kt_enclave_info info;
	if (native_check_id("an enclave", enclave, err) < 0 ||
	    native_enclave_read(self, enclave, arena, &info, NULL, err) < 0 ||
	    fill_state(self, &info, arena, err) < 0) {
		return -1;
	}
	*ret = info;
	return 0;
}

/* What is left of an enclave without readable description: enough to destroy it. */
static int fill_remains(const char *uuid, kt_arena *arena, kt_enclave_info *ret, kt_err *err)
{
	*ret = (kt_enclave_info){
		.uuid = kt_arena_strdup(arena, uuid),
		.name = kt_arena_strdup(arena, uuid),
		.state = KT_ENCLAVE_STOPPED,
		.gateway_ip = KT_SUP_GATEWAY,
		.subnet = KT_SUP_SUBNET "/22",
	};
	return ret->uuid != NULL && ret->name != NULL ? 0 : kt_err_nomem(err);
}

int native_enclave_list(kt_backend *base, kt_arena *arena, kt_enclave_list *ret, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_STRVEC kt_strvec uuids = KT_STRVEC_INIT;
	if (read_uuids(kt_paths_root(&self->paths, "enclaves"), &uuids, err) < 0 ||
	    read_uuids(kt_paths_runtime(&self->paths, "enclaves"), &uuids, err) < 0) {
		return -1;
	}
	kt_enclave_list list = {KT_ARENA_ARRAY(arena, kt_enclave_info, uuids.len + 1), 0};
	if (list.items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < uuids.len; i++) {
		KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
		kt_enclave_info *info = &list.items[list.len];
		if (native_enclave_read(self, uuids.items[i], arena, info, NULL, &failure) < 0) {
			if (fill_remains(uuids.items[i], arena, info, err) < 0) {
				return -1;
			}
		} else if (fill_state(self, info, arena, &failure) < 0) {
			info->state = KT_ENCLAVE_STOPPED; /* being removed, or not to be asked */
		}
		list.len++;
	}
	*ret = list;
	return 0;
}
