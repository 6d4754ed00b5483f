/* Questions about services: state, exit, description. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_pid(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* One service of a reply. */
typedef struct live {
	uint64_t state;
	pid_t pid;
	uint64_t started_ns;
	int exit_code;
	bool oom_killed;
} live;

static live read_live(const kt_sup_reader *group)
{
	live ret = {
		.state = kt_sup_get_num(group, KT_SUP_F_STATE, 0),
		.pid = (pid_t)kt_sup_get_num(group, KT_SUP_F_PID, 0),
		.started_ns = kt_sup_get_num(group, KT_SUP_F_STARTED_NS, 0),
		.exit_code = KT_EXIT_UNKNOWN,
		.oom_killed = kt_sup_get_num(group, KT_SUP_F_OOM_KILLED, 0) != 0,
	};
	if (kt_sup_get_num(group, KT_SUP_F_EXIT_UNKNOWN, 0) == 0) {
		ret.exit_code =
			(int)kt_sup_get_num(group, KT_SUP_F_EXIT_CODE, (uint64_t)KT_EXIT_UNKNOWN);
	}
	return ret;
}

static void fill(native_record *record, const live *now)
{
	kt_service_info *info = &record->info;
	info->state = now->state == KT_SUP_STATE_STOPPED ? KT_SERVICE_STOPPED : KT_SERVICE_RUNNING;
	info->exit_code = info->state == KT_SERVICE_STOPPED ? now->exit_code : 0;
	info->oom_killed = info->state == KT_SERVICE_STOPPED && now->oom_killed;
	record->pid = info->state == KT_SERVICE_RUNNING ? now->pid : 0;
	if (now->started_ns != 0) {
		info->started_wall_ns = (int64_t)now->started_ns;
	}
}

/* A service that the supervisor does not know has lost its container (a reboot). */
static void fill_lost(native_record *record)
{
	record->info.state = KT_SERVICE_STOPPED;
	record->info.exit_code = KT_EXIT_UNKNOWN;
}

static native_record *by_uuid(native_record *records, size_t len, const char *uuid)
{
	for (size_t i = 0; i < len; i++) {
		if (kt_str_eq(records[i].info.uuid, uuid)) {
			return &records[i];
		}
	}
	return NULL;
}

static int list(native_backend *self, const char *enclave, const char *only, kt_sup_call *call,
		kt_err *err)
{
	kt_sup_call_begin(call, KT_SUP_SERVICE_LIST);
	kt_sup_put_str(&call->msg, KT_SUP_F_ID, only);
	return native_call(self, enclave, call, err);
}

/* What is reported of ports follows from the state. */
static int fill_ports(native_record *record, kt_arena *arena, kt_err *err)
{
	kt_service_info *info = &record->info;
	kt_port_info *ports = KT_ARENA_ARRAY(arena, kt_port_info, info->ports_len + 1);
	if (ports == NULL) {
		return kt_err_nomem(err);
	}
	info->public_ip = "";
	for (size_t i = 0; i < info->ports_len; i++) {
		ports[i] = record->ports[i].info;
		if (info->state != KT_SERVICE_RUNNING) {
			ports[i].public_number = 0;
		} else if (ports[i].public_number != 0) {
			info->public_ip = "127.0.0.1";
		}
	}
	info->ports = ports;
	return 0;
}

int native_fill_states(native_backend *self, const char *enclave, native_record *records,
		       size_t len, kt_err *err)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	KT_AUTO_FREE char *runtime = kt_paths_runtime(&self->paths, "enclaves/%s", enclave);
	if (runtime == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < len; i++) {
		if (records[i].has_container) {
			fill_lost(&records[i]);
		}
	}
	if (!kt_fs_is_dir(runtime)) {
		return 0; /* the host has been started since: nothing runs, nobody to ask */
	}
	if (list(self, enclave, len == 1 ? records[0].info.uuid : NULL, &call, &failure) < 0) {
		if (failure.code == KT_ERR_NOT_FOUND && len == 1) {
			return 0;
		}
		kt_err_move(err, &failure);
		return -1;
	}
	kt_sup_field field;
	while (kt_sup_next(&call.reply, &field)) {
		kt_sup_reader group;
		if (field.tag != KT_SUP_F_SERVICE ||
		    kt_sup_open_group(&field, &group, NULL) < 0) {
			continue;
		}
		const char *uuid = kt_sup_get_str(&group, KT_SUP_F_ID);
		native_record *record = uuid == NULL ? NULL : by_uuid(records, len, uuid);
		if (record != NULL && record->has_container) {
			live now = read_live(&group);
			fill(record, &now);
		}
	}
	return 0;
}

/*
 * The process of a "running" service may have ended a moment ago, with the supervisor about to
 * notice: whoever was woken by the exit descriptor must not read "running". A stop request
 * is answered when the supervisor is done with it.
 */
static int settle(native_backend *self, const char *enclave, native_record *record, kt_err *err)
{
	KT_AUTO_FD int fd = record->pid > 0 ? open_pid(record->pid) : -1;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	if (fd >= 0 ? poll(&poll_fd, 1, 0) == 0 : record->pid <= 0 || errno != ESRCH) {
		return 0;
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	kt_sup_call_begin(&call, KT_SUP_SERVICE_STOP);
	kt_sup_put_str(&call.msg, KT_SUP_F_ID, record->info.uuid);
	kt_sup_put_num(&call.msg, KT_SUP_F_GRACE_MS, 0);
	if (native_call(self, enclave, &call, err) < 0) {
		return -1;
	}
	return native_fill_states(self, enclave, record, 1, err);
}

int native_report(native_backend *self, const char *enclave, native_record *record,
		  kt_arena *arena, kt_service_info *ret, kt_err *err)
{
	if (record->has_container && (native_fill_states(self, enclave, record, 1, err) < 0 ||
				      settle(self, enclave, record, err) < 0)) {
		return -1;
	}
	if (fill_ports(record, arena, err) < 0) {
		return -1;
	}
	return kt_service_info_copy(&record->info, arena, ret, err);
}

int native_service_inspect(kt_backend *base, const char *enclave, const char *uuid,
			   kt_arena *arena, kt_service_info *ret, kt_err *err)
{
	native_record record;
	if (native_record_read(native_of(base), enclave, uuid, arena, &record, err) < 0) {
		return -1;
	}
	return native_report(native_of(base), enclave, &record, arena, ret, err);
}

/* A process that has just started (again) learns here of services that are to run always. */
static void adopt_restarts(native_backend *self, const char *enclave,
			   const native_records *records)
{
	for (size_t i = 0; i < records->len; i++) {
		const native_record *record = &records->items[i];
		native_restarts *restarts = record->restart && !record->stopped
						    ? native_restarts_get(self)
						    : NULL;
		if (restarts != NULL &&
		    !native_restarts_has(restarts, enclave, record->info.uuid)) {
			native_restarts_add(restarts, enclave, record->info.uuid);
		}
	}
}

int native_service_list(kt_backend *base, const char *enclave, kt_arena *arena,
			kt_service_list *ret, kt_err *err)
{
	native_backend *self = native_of(base);
	native_records records = {0};
	if (native_records_read(self, enclave, arena, &records, err) < 0) {
		return -1;
	}
	kt_service_list found = {KT_ARENA_ARRAY(arena, kt_service_info, records.len + 1), 0};
	bool any = false;
	for (size_t i = 0; i < records.len; i++) {
		any = any || records.items[i].has_container;
	}
	if (found.items == NULL) {
		return kt_err_nomem(err);
	}
	if (any && native_fill_states(self, enclave, records.items, records.len, err) < 0) {
		return -1;
	}
	adopt_restarts(self, enclave, &records);
	for (; found.len < records.len; found.len++) {
		if (fill_ports(&records.items[found.len], arena, err) < 0) {
			return -1;
		}
		found.items[found.len] = records.items[found.len].info;
	}
	*ret = found;
	return 0;
}

/* ---- exit -------------------------------------------------------------------------- */

static int ready_fd(int *ret_fd, kt_err *err)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot make an eventfd");
	}
	*ret_fd = fd;
	return 0;
}

/* The process of a running service; 0 when it does not run. */
static int running_pid(native_backend *self, const char *enclave, const char *uuid, pid_t *ret,
		       kt_err *err)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	*ret = 0;
	if (list(self, enclave, uuid, &call, &failure) < 0) {
		if (failure.code == KT_ERR_NOT_FOUND) {
			return 0;
		}
		kt_err_move(err, &failure);
		return -1;
	}
	kt_sup_field field;
	kt_sup_reader group;
	if (kt_sup_find(&call.reply, KT_SUP_F_SERVICE, &field) &&
	    kt_sup_open_group(&field, &group, NULL) == 0) {
		live now = read_live(&group);
		*ret = now.state == KT_SUP_STATE_STOPPED ? 0 : now.pid;
	}
	return 0;
}

int native_service_exit_fd(kt_backend *base, const char *enclave, const char *uuid, int *ret_fd,
			   kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	native_record record;
	pid_t pid = 0;
	if (native_record_read(self, enclave, uuid, &arena, &record, err) < 0) {
		return -1;
	}
	if (!record.has_container) {
		return KT_FAIL(err, PRECONDITION, "service '%s' was not started",
			       record.info.name);
	}
	if (running_pid(self, enclave, uuid, &pid, err) < 0) {
		return -1;
	}
	if (pid <= 0) {
		return ready_fd(ret_fd, err);
	}
	KT_AUTO_FD int fd = open_pid(pid);
	if (fd < 0) {
		return errno == ESRCH ? ready_fd(ret_fd, err)
				      : KT_FAIL_ERRNO(err, "cannot watch process %d", (int)pid);
	}
	/* The number may have been given away between the two: it is still ours now? */
	pid_t again = 0;
	if (running_pid(self, enclave, uuid, &again, err) < 0) {
		return -1;
	}
	if (again != pid) {
		return ready_fd(ret_fd, err);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* ---- dump -------------------------------------------------------------------------- */

int native_service_describe(kt_backend *base, const char *enclave, const char *uuid, kt_buf *ret,
			    kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	if (native_service_inspect(base, enclave, uuid, &arena, &info, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *path =
		kt_paths_root(&self->paths, "enclaves/%s/services/%s/record.json", enclave, uuid);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_read(path, 4U << 20, &text, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *object = kt_json_parse(kt_buf_str(&text), text.len, path, err);
	if (object == NULL) {
		return -1;
	}
	json_object_set_new(object, "state", json_string(kt_service_state_name(info.state)));
	if (info.state == KT_SERVICE_STOPPED) {
		json_object_set_new(object, "exit_code", json_integer(info.exit_code));
		json_object_set_new(object, "oom_killed", json_boolean(info.oom_killed));
	}
	KT_AUTO_FREE char *out = kt_json_text(object, 2);
	if (out == NULL) {
		return kt_err_nomem(err);
	}
	kt_buf_adds(ret, out);
	return kt_buf_check(ret, err);
}
