/*
 * The enclave's way out: pasta (package passt), one process per enclave, outside of it. It
 * puts an interface into the enclave's namespace and carries connections on as this host's
 * own; nothing of the host's network is configured. It ends when the namespace's file goes.
 */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PART "native"

extern char **environ;

/* A descriptor of the enclave's pasta, or -1: its number could be another program's by now. */
static int open_pasta(const native_backend *self, const char *enclave)
{
	KT_AUTO_FREE char *path = kt_paths_runtime(&self->paths, "enclaves/%s/outbound.pid", enclave);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf words = KT_BUF_INIT;
	char name[64];
	if (path == NULL || access(path, F_OK) < 0 || kt_fs_read(path, 64, &text, NULL) < 0) {
		return -1;
	}
	long pid = strtol(kt_buf_str(&text), NULL, 10);
	int fd = pid <= 0 ? -1 : (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	snprintf(name, sizeof(name), "/proc/%ld/cmdline", pid);
	if (fd >= 0 && (kt_fs_read(name, 65536, &words, NULL) < 0 || words.len == 0 ||
			memmem(words.data, words.len, enclave, strlen(enclave)) == NULL)) {
		kt_close_ptr(&fd);
	}
	return fd;
}

static int note_pid(const native_backend *self, const char *enclave, pid_t pid)
{
	KT_AUTO_FREE char *path = kt_paths_runtime(&self->paths, "enclaves/%s/outbound.pid", enclave);
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)pid);
	return path == NULL ? -1 : kt_fs_write(path, text, (size_t)len, 0600, false, NULL);
}

void native_outbound_stop(native_backend *self, const char *enclave)
{
	KT_AUTO_FD int fd = open_pasta(self, enclave);
	if (fd >= 0) {
		(void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
		(void)kt_wait_fd(fd, POLLIN, kt_after_ms(1000), NULL, NULL);
	}
}

void native_outbound_warn(native_backend *self, const char *why)
{
	KT_LOCK(&self->lock);
	if (!self->outbound_warned) {
		self->outbound_warned = true;
		KT_WARN(PART, "services cannot reach networks outside of their enclave: %s", why);
	}
}

/* Does not wait: pasta needs some 20 ms, the first service has not started by then. */
static int spawn_pasta(native_backend *self, char *const argv[], const char *log_path,
		       pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, log_path, O_WRONLY | O_CREAT | O_TRUNC,
					 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	int rc = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (rc == 0) {
		KT_LOCK(&self->lock);
		native_child child = {*ret_pid, true};
		(void)kt_vec_push(&self->children, child);
	}
	return rc;
}

/*
 * Debian confines pasta by AppArmor: it may write files in few places only, hence no --pid, and
 * the namespace's file is one that AppArmor does not mediate.
 */
static int start_pasta(native_backend *self, const char *enclave)
{
	KT_AUTO_FREE char *netns = kt_paths_runtime(&self->paths, "enclaves/%s/netns", enclave);
	KT_AUTO_FREE char *log = kt_paths_runtime(&self->paths, "enclaves/%s/outbound.log", enclave);
	if (netns == NULL || log == NULL) {
		return ENOMEM;
	}
	const char *const words[] = {"pasta",
				     "--config-net",
				     "--ipv4-only",
				     "--address",
				     KT_NET_UPLINK_IP,
				     "--netmask",
				     KT_NET_UPLINK_PREFIX_LEN,
				     "--gateway",
				     KT_NET_UPLINK_GATEWAY,
				     "--ns-ifname",
				     KT_NET_UPLINK,
				     "--no-map-gw", /* this host's loopback stays out of reach */
				     "--no-dhcp",
				     "--tcp-ports",
				     "none",
				     "--udp-ports",
				     "none",
				     "--tcp-ns",
				     "none",
				     "--udp-ns",
				     "none",
				     "--quiet",
				     "--foreground",
				     "--runas",
				     "0",
				     "--netns-only",
				     "--netns",
				     netns,
				     NULL};
	char *argv[KT_ARRAY_LEN(words)];
	pid_t child = -1;
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		argv[i] = (char *)words[i];
	}
	int rc = spawn_pasta(self, argv, log, &child);
	if (rc == 0 && note_pid(self, enclave, child) < 0) {
		(void)kill(child, SIGKILL); /* nobody would find it again */
		return EIO;
	}
	return rc;
}

void native_outbound_start(native_backend *self, const char *enclave)
{
	KT_AUTO_FD int running = open_pasta(self, enclave);
	KT_AUTO_SUP_CALL kt_sup_call call = {.only_running = true};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	if (running >= 0) {
		return; /* it has outlived a supervisor */
	}
	int rc = start_pasta(self, enclave);
	if (rc == ENOENT) {
		native_outbound_warn(self, "the program 'pasta' is missing; install the Debian "
					   "package 'passt'");
		return;
	}
	if (rc != 0) {
		native_outbound_warn(self, "'pasta' could not be started");
		return;
	}
	kt_sup_call_begin(&call, (kt_sup_type)KT_NET_OUTBOUND);
	if (native_call(self, enclave, &call, &failure) < 0) {
		native_outbound_warn(self, "this kernel's nf_tables refuses address translation");
		kt_log_err(KT_LOG_DEBUG, PART, &failure, "outbound network of %s", enclave);
	}
}
