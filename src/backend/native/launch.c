/* A spec, an image and a record as the supervisor's launch request. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statfs.h>

#define OVERLAY_MAGIC 0x794c7630
#define BYTES_PER_MB 1000000U

/* "SIGTERM", "TERM" or "15" -> 15; 0 = unknown. */
static int signal_number(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},   {"ABRT", SIGABRT},
		     {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},   {"PIPE", SIGPIPE},
		     {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CONT", SIGCONT},   {"STOP", SIGSTOP},
		     {"TSTP", SIGTSTP}, {"PWR", SIGPWR},   {"WINCH", SIGWINCH}, {"IO", SIGIO}};
	int64_t number = 0;
	if (kt_str_to_i64(text, 1, 64, &number)) {
		return (int)number;
	}
	const char *bare = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		if (strcasecmp(bare, names[i].name) == 0) {
			return names[i].number;
		}
	}
	int offset = 0;
	if (sscanf(bare, "RTMIN+%d", &offset) == 1 && offset >= 0 &&
	    SIGRTMIN + offset <= SIGRTMAX) {
		return SIGRTMIN + offset;
	}
	return 0;
}

static void put_limits(kt_buf *msg, const kt_service_spec *spec)
{
	if (spec->cpu_millis != 0) {
		kt_sup_put_num(msg, KT_SUP_F_CPU_MILLIS, spec->cpu_millis);
	}
	if (spec->memory_mb != 0) {
		kt_sup_put_num(msg, KT_SUP_F_MEMORY_BYTES,
			       (uint64_t)spec->memory_mb * BYTES_PER_MB);
	}
	if (spec->shm_bytes != 0) {
		kt_sup_put_num(msg, KT_SUP_F_SHM_BYTES, spec->shm_bytes);
	}
	for (size_t i = 0; i < spec->ulimits_len; i++) {
		const kt_ulimit *limit = &spec->ulimits[i];
		uint64_t value = limit->value < 0 ? UINT64_MAX : (uint64_t)limit->value;
		size_t mark = kt_sup_group_begin(msg, KT_SUP_F_ULIMIT);
		kt_sup_put_str(msg, KT_SUP_F_NAME, limit->name);
		kt_sup_put_num(msg, KT_SUP_F_SOFT, value);
		kt_sup_put_num(msg, KT_SUP_F_HARD, value);
		kt_sup_group_end(msg, mark);
	}
	for (size_t i = 0; spec->capabilities != NULL && spec->capabilities[i] != NULL; i++) {
		kt_sup_put_str(msg, KT_SUP_F_CAP_ADD, spec->capabilities[i]);
	}
	for (size_t i = 0; spec->devices != NULL && spec->devices[i] != NULL; i++) {
		kt_sup_put_str(msg, KT_SUP_F_DEVICE, spec->devices[i]);
	}
}

static void put_mounts(kt_buf *msg, const native_record *record)
{
	const char *const *mounts = record->mounts;
	for (size_t i = 0; mounts != NULL && mounts[i] != NULL; i += 3) {
		size_t mark = kt_sup_group_begin(msg, KT_SUP_F_MOUNT);
		kt_sup_put_str(msg, KT_SUP_F_SOURCE, mounts[i]);
		kt_sup_put_str(msg, KT_SUP_F_TARGET, mounts[i + 1]);
		if (mounts[i + 2][0] != '\0') {
			kt_sup_put_num(msg, KT_SUP_F_FLAGS, KT_SUP_MOUNT_PREFILL);
		}
		kt_sup_group_end(msg, mark);
	}
}

static void put_command(kt_buf *msg, const kt_service_info *info)
{
	for (size_t i = 0; info->entrypoint[i] != NULL; i++) {
		kt_sup_put_str(msg, KT_SUP_F_ARG, info->entrypoint[i]);
	}
	for (size_t i = 0; info->cmd[i] != NULL; i++) {
		kt_sup_put_str(msg, KT_SUP_F_ARG, info->cmd[i]);
	}
	for (size_t i = 0; info->env[i] != NULL; i++) {
		kt_sup_put_str(msg, KT_SUP_F_ENV, info->env[i]);
	}
}

/*
 * The writable layer belongs on disk beside the service's other state, except where that
 * disk is an overlay itself (a container), which cannot carry one: then it is the
 * supervisor's own place below the runtime directory.
 */
static void put_upper_dir(kt_buf *msg, const char *dir)
{
	struct statfs fs;
	if (statfs(dir, &fs) == 0 && (unsigned long)fs.f_type == OVERLAY_MAGIC) {
		return;
	}
	kt_sup_put_str(msg, KT_SUP_F_UPPER_DIR, dir);
}

static uint64_t flags_of(const kt_service_spec *spec)
{
	return (spec->tty ? KT_SUP_TTY : 0U) | (spec->tini ? 0U : KT_SUP_NO_INIT) |
	       (spec->privileged ? KT_SUP_PRIVILEGED : 0U) |
	       (spec->host_pid ? KT_SUP_HOST_PID : 0U);
}

/* The launch request as it was sent: what a restart of the host does not outlive elsewhere. */
static char *launch_path(const native_backend *self, const char *enclave, const char *uuid)
{
	return kt_paths_root(&self->paths, "enclaves/%s/services/%s/launch", enclave, uuid);
}

int native_launch(native_backend *self, const char *enclave, const kt_service_spec *spec,
		  const kt_image *image, const native_record *record, kt_err *err)
{
	const kt_service_info *info = &record->info;
	const kt_image_config *config = &image->config;
	KT_AUTO_FREE char *log_path = native_log_path(self, enclave, info->uuid);
	KT_AUTO_FREE char *rootfs = kt_paths_root(
		&self->paths, "enclaves/%s/services/%s/" NATIVE_UPPER_DIR, enclave, info->uuid);
	if (log_path == NULL || rootfs == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(rootfs, 0711, err) < 0) {
		return -1;
	}
	const char *stop = kt_str_or(spec->stop_signal, config->stop_signal);
	int stop_signal = kt_str_empty(stop) ? SIGTERM : signal_number(stop);
	if (stop_signal == 0) {
		return KT_FAIL(err, INVALID, "'%s' is no signal (stop signal of service '%s')", stop,
			       spec->name);
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	kt_buf *msg = &call.msg;
	kt_sup_call_begin(&call, KT_SUP_SERVICE_LAUNCH);
	kt_sup_put_str(msg, KT_SUP_F_ID, info->uuid);
	kt_sup_put_str(msg, KT_SUP_F_NAME, info->name);
	kt_sup_put_str(msg, KT_SUP_F_IP, info->private_ip);
	kt_sup_put_str(msg, KT_SUP_F_HOSTNAME, info->hostname);
	kt_sup_put_num(msg, KT_SUP_F_FLAGS, flags_of(spec));
	for (size_t i = image->layers.len; i-- > 0;) {
		kt_sup_put_str(msg, KT_SUP_F_LAYER, image->layers.items[i]);
	}
	put_upper_dir(msg, rootfs);
	put_command(msg, info);
	kt_sup_put_str(msg, KT_SUP_F_CWD,
		       kt_str_or(spec->working_dir, kt_str_or(config->workdir, "/")));
	kt_sup_put_str(msg, KT_SUP_F_USER, kt_str_or(spec->user, kt_str_or(config->user, "")));
	kt_sup_put_num(msg, KT_SUP_F_STOP_SIGNAL, (uint64_t)stop_signal);
	kt_sup_put_str(msg, KT_SUP_F_LOG_PATH, log_path);
	put_limits(msg, spec);
	put_mounts(msg, record);
	KT_AUTO_FREE char *kept = launch_path(self, enclave, info->uuid);
	if (kept == NULL || kt_buf_check(msg, NULL) < 0) {
		return kt_err_nomem(err);
	}
	if (kt_fs_write(kept, msg->data, msg->len, 0600, false, err) < 0) {
		return -1;
	}
	return native_call(self, enclave, &call, err);
}

int native_launch_again(native_backend *self, const char *enclave, const char *uuid, kt_err *err)
{
	KT_AUTO_FREE char *kept = launch_path(self, enclave, uuid);
	KT_AUTO_SUP_CALL kt_sup_call call = {.type = KT_SUP_SERVICE_LAUNCH};
	if (kept == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_read(kept, KT_SUP_BODY_MAX, &call.msg, err) < 0) {
		return -1;
	}
	return native_call(self, enclave, &call, err);
}
