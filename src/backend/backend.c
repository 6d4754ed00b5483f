#include "backend/backend.h"

#include "base/fs.h"

#include <poll.h>

void kt_backend_close(kt_backend *self)
{
	if (self != NULL) {
		self->ops->close(self);
	}
}

static int exit_code_of(kt_backend *self, const char *enclave, const char *uuid, int *ret_exit_code,
			kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	if (self->ops->service_inspect(self, enclave, uuid, &arena, &info, err) < 0) {
		return -1;
	}
	*ret_exit_code = info.state == KT_SERVICE_STOPPED ? info.exit_code : KT_EXIT_UNKNOWN;
	return 0;
}

int kt_backend_wait_exit(kt_backend *self, const char *enclave, const char *uuid,
			 kt_instant deadline, const kt_cancel *cancel, int *ret_exit_code,
			 kt_err *err)
{
	KT_AUTO_FD int fd = -1;
	if (self->ops->service_exit_fd(self, enclave, uuid, &fd, err) < 0 ||
	    kt_wait_fd(fd, POLLIN, deadline, cancel, err) < 0) {
		return -1;
	}
	return exit_code_of(self, enclave, uuid, ret_exit_code, err);
}

void kt_exec_result_deinit(kt_exec_result *self)
{
	kt_buf_deinit(&self->output);
}

const char *kt_protocol_name(kt_protocol protocol)
{
	static const char *const names[] = {"TCP", "SCTP", "UDP"};
	return (size_t)protocol < KT_ARRAY_LEN(names) ? names[protocol] : "UNKNOWN";
}

const char *kt_service_state_name(kt_service_state state)
{
	static const char *const names[] = {"RESERVED", "RUNNING", "STOPPED", "UNKNOWN"};
	return (size_t)state < KT_ARRAY_LEN(names) ? names[state] : "UNKNOWN";
}

/* ---- deep copy --------------------------------------------------------------------- */

static const char *copy_str(kt_arena *arena, const char *text, bool *failed)
{
	char *copy = kt_arena_strdup(arena, text);
	*failed |= text != NULL && copy == NULL;
	return copy;
}

static const char *const *copy_strs(kt_arena *arena, const char *const *from, bool *failed)
{
	if (from == NULL) {
		return NULL;
	}
	size_t len = 0;
	while (from[len] != NULL) {
		len++;
	}
	const char **copy = KT_ARENA_ARRAY(arena, const char *, len + 1);
	if (copy == NULL) {
		*failed = true;
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		copy[i] = copy_str(arena, from[i], failed);
	}
	return copy;
}

static const kt_kv *copy_kvs(kt_arena *arena, const kt_kv *from, size_t len, bool *failed)
{
	kt_kv *copy = KT_ARENA_ARRAY(arena, kt_kv, len + 1);
	if (copy == NULL) {
		*failed = true;
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		copy[i].key = copy_str(arena, from[i].key, failed);
		copy[i].value = copy_str(arena, from[i].value, failed);
	}
	return copy;
}

int kt_service_info_copy(const kt_service_info *from, kt_arena *arena, kt_service_info *ret,
			 kt_err *err)
{
	bool failed = false;
	kt_service_info to = *from;
	to.uuid = copy_str(arena, from->uuid, &failed);
	to.name = copy_str(arena, from->name, &failed);
	to.private_ip = copy_str(arena, from->private_ip, &failed);
	to.public_ip = copy_str(arena, from->public_ip, &failed);
	to.hostname = copy_str(arena, from->hostname, &failed);
	to.image = copy_str(arena, from->image, &failed);
	to.entrypoint = copy_strs(arena, from->entrypoint, &failed);
	to.cmd = copy_strs(arena, from->cmd, &failed);
	to.env = copy_strs(arena, from->env, &failed);
	to.labels = copy_kvs(arena, from->labels, from->labels_len, &failed);
	kt_port_info *ports = KT_ARENA_ARRAY(arena, kt_port_info, from->ports_len + 1);
	if (ports == NULL || failed) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < from->ports_len; i++) {
		ports[i] = from->ports[i];
		ports[i].id = copy_str(arena, from->ports[i].id, &failed);
		ports[i].app_protocol = copy_str(arena, from->ports[i].app_protocol, &failed);
	}
	to.ports = ports;
	if (failed) {
		return kt_err_nomem(err);
	}
	*ret = to;
	return 0;
}
