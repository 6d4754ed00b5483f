/*
 * An enclave's own things: network namespace, bridge, control groups, directories. Made here,
 * and taken away here, whether a supervisor runs or not (core.h).
 */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "devices.h"
#include "netlink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int make_directories(const kt_supervisor *self, kt_err *err)
{
	char path[PATH_MAX];

	if (kt_fs_mkdirs(self->dir, 0700, err) < 0) {
		return -1;
	}
	snprintf(path, sizeof(path), "%s/services", self->dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return KT_FAIL_ERRNO(err, "cannot create '%s'", path);
	}
	snprintf(path, sizeof(path), "%s/trash", self->dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return KT_FAIL_ERRNO(err, "cannot create '%s'", path);
	}
	return 0;
}

/* The record precedes what it names: with it, destroy finds the groups after any crash. */
static int write_record(const kt_supervisor *self, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/enclave", self->dir);
	kt_buf_addf(&text, "version 1\nenclave %s\n", self->enclave);
	if (kt_buf_check(&text, err) < 0) {
		return -1;
	}
	return kt_fs_write(path, text.data, text.len, 0600, false, err);
}

static bool is_pinned(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && st.f_type == NSFS_MAGIC;
}

/* Enters the pinned namespace, or makes and pins one. A bind mount keeps it without a process. */
static int open_network(const kt_supervisor *self, kt_err *err)
{
	char path[PATH_MAX];
	KT_AUTO_FD int fd = -1;

	snprintf(path, sizeof(path), "%s/netns", self->dir);
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", path);
	}
	if (is_pinned(path)) {
		if (setns(fd, CLONE_NEWNET) < 0) {
			return KT_FAIL_ERRNO(err, "cannot enter the network namespace '%s'", path);
		}
		return 0;
	}
	if (unshare(CLONE_NEWNET) < 0) {
		(void)KT_FAIL_ERRNO(err, "cannot make a network namespace");
		kt_err_hint(err, "the native backend has to be run as root");
		return -1;
	}
	if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0) {
		return KT_FAIL_ERRNO(err, "cannot pin the network namespace at '%s'", path);
	}
	return 0;
}

static int open_bridge(kt_supervisor *self, kt_err *err)
{
	int status;

	self->nl = kt_sup_nl_open();
	if (self->nl < 0) {
		errno = -self->nl;
		return KT_FAIL_ERRNO(err, "cannot talk to the kernel about the network");
	}
	status = kt_sup_nl_make_bridge(self->nl, &self->bridge);
	if (status < 0) {
		errno = -status;
		return KT_FAIL_ERRNO(err, "cannot make the enclave's bridge");
	}
	return 0;
}

/* Once for all services: groups below inherit it. Not offered everywhere, and not the first line.
 */
static void restrict_devices(const kt_supervisor *self)
{
	char path[KT_SUP_CG_PATH + 128];
	KT_AUTO_FD int fd = -1;
	int status = -ENOENT;

	if (self->cgroups.v2[0]) {
		snprintf(path, sizeof(path), "%s/kurtosis/%s", self->cgroups.v2, self->enclave);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd >= 0) {
		status = kt_sup_devices_restrict(fd, NULL, 0, false);
	}
	if (status < 0) {
		KT_INFO(KT_SUP_PART, "no device filter on this host (%s); mounts are \"nodev\"",
			strerror(-status));
	}
}

int kt_sup_enclave_open(kt_supervisor *self, kt_err *err)
{
	if (make_directories(self, err) < 0 || write_record(self, err) < 0 ||
	    kt_sup_cgroups_find(&self->cgroups, self->enclave, err) < 0 ||
	    kt_sup_cgroups_make(&self->cgroups, err) < 0 || open_network(self, err) < 0) {
		return -1;
	}
	restrict_devices(self);
	return open_bridge(self, err);
}

/* ---- destroying ---------------------------------------------------------------------- */

static void wait_for_end(int pidfd, kt_instant deadline)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	while (poll(&p, 1, kt_ms_left(deadline)) < 0 && errno == EINTR) {
	}
}

/* By the record, for hosts without v2 groups and for what escaped them. */
static void kill_recorded(kt_supervisor *self, const char *id, kt_instant deadline)
{
	kt_sup_service service = {.sup = self};
	char boot_id[40];
	int pidfd;

	if (!kt_sup_id_valid(id)) {
		return;
	}
	memcpy(service.id, id, strlen(id) + 1);
	if (kt_sup_state_load(&service, boot_id, NULL) < 0 || service.exit.ended ||
	    service.pid <= 0 || strcmp(boot_id, self->boot_id) != 0) {
		return;
	}
	pidfd = pidfd_open(service.pid, 0);
	if (pidfd < 0) {
		return;
	}
	if (kt_sup_start_ticks(service.pid) == service.start_ticks) {
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		wait_for_end(pidfd, deadline);
	}
	close(pidfd);
}

/* Writable layers may lie outside the runtime directory: the spec says where. */
static void remove_layers(const char *service_dir)
{
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec spec = {0};
	char layer_dir[PATH_MAX];
	char pattern[PATH_MAX];

	if (kt_sup_spec_load(service_dir, &buf, &spec, NULL) == 0 && spec.upper_dir) {
		DIR *dir = opendir(spec.upper_dir);
		struct dirent *entry;

		kt_sup_layer_dir(service_dir, spec.id, spec.upper_dir, layer_dir);
		(void)kt_fs_remove_tree(layer_dir, NULL);
		/* what a removal had set aside and not finished */
		snprintf(pattern, sizeof(pattern), "%s.trash-", spec.id);
		while (dir && (entry = readdir(dir))) {
			if (strncmp(entry->d_name, pattern, strlen(pattern)) == 0 &&
			    snprintf(layer_dir, sizeof(layer_dir), "%s/%s", spec.upper_dir,
				     entry->d_name) < (int)sizeof(layer_dir)) {
				(void)kt_fs_remove_tree(layer_dir, NULL);
			}
		}
		if (dir) {
			closedir(dir);
		}
	}
	kt_sup_spec_unload(&buf, &spec);
}

typedef enum destroy_pass { PASS_KILL, PASS_LAYERS, PASS_ALL } destroy_pass;

static void for_each_service(kt_supervisor *self, const char *folder, destroy_pass pass,
			     kt_instant deadline)
{
	char path[PATH_MAX];
	DIR *dir;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/%s", self->dir, folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char service_dir[PATH_MAX];

		if (entry->d_name[0] == '.' ||
		    snprintf(service_dir, sizeof(service_dir), "%s/%s", path, entry->d_name) >=
			    (int)sizeof(service_dir)) {
			continue;
		}
		if (pass == PASS_KILL) {
			kill_recorded(self, entry->d_name, deadline);
		} else {
			remove_layers(service_dir);
			if (pass == PASS_ALL) {
				(void)kt_fs_remove_tree(service_dir, NULL);
			}
		}
	}
	if (dir) {
		closedir(dir);
	}
}

void kt_sup_enclave_clean(kt_supervisor *self)
{
	if (fork() == 0) {
		(void)close_range(3, ~0u, 0);
		/* Only removes, so that it is in no later destroy's way. */
		for_each_service(self, "trash", PASS_ALL, KT_NEVER);
		_exit(0);
	}
}

static void unpin_network(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/netns", dir);
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
	}
}

int kt_sup_enclave_destroy(const char *dir, kt_instant deadline, kt_err *err)
{
	KT_AUTO_FREE kt_supervisor *self = kt_calloc(1, sizeof(*self));

	if (!self) {
		return kt_err_nomem(err);
	}
	self->dir = dir;
	self->enclave = kt_path_base(dir);
	if (!kt_sup_id_valid(self->enclave)) {
		return KT_FAIL(err, INVALID, "'%s' is not an enclave's directory", dir);
	}
	if (!kt_fs_exists(dir)) {
		return 0;
	}
	kt_sup_boot_id(self->boot_id);
	if (kt_sup_cgroups_find(&self->cgroups, self->enclave, err) < 0) {
		return -1;
	}
	(void)kt_sup_cgroups_kill(&self->cgroups, NULL);
	for_each_service(self, "services", PASS_KILL, deadline);
	if (!kt_sup_cgroups_wait_empty(&self->cgroups, deadline)) {
		return KT_FAIL(err, TIMEOUT, "processes of the enclave in '%s' do not end", dir);
	}
	unpin_network(dir);
	kt_sup_cgroups_remove(&self->cgroups, NULL);
	for_each_service(self, "services", PASS_LAYERS, deadline);
	for_each_service(self, "trash", PASS_LAYERS, deadline);
	return kt_fs_remove_tree(dir, err);
}
