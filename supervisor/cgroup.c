/* See cgroup.h. */
#include "cgroup.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP "kurtosis"
#define CPU_PERIOD_US 100000
#define PROCS_MAX (1024 * 1024) /* bytes of a cgroup.procs */

static const char *const controller_names[KT_SUP_CG_COUNT] = {
	[KT_SUP_CG_MEMORY] = "memory",
	[KT_SUP_CG_CPU] = "cpu",
	[KT_SUP_CG_PIDS] = "pids",
	[KT_SUP_CG_CPUACCT] = "cpuacct",
};

/* "<mount>/kurtosis/<enclave>[/<service>[/<file>]]"; false when it does not fit. */
static bool group_path(const kt_sup_cgroups *self, const char *mount, const char *service,
		       const char *file, char ret[PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/%s/%s%s%s%s%s", mount, TOP, self->enclave,
			 service ? "/" : "", service ? service : "", file ? "/" : "",
			 file ? file : "");

	return n > 0 && n < PATH_MAX;
}

static int write_path(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int saved;

	if (fd < 0) {
		return -1;
	}
	n = write(fd, text, strlen(text));
	saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

static int write_file(const kt_sup_cgroups *self, const char *mount, const char *service,
		      const char *file, const char *text)
{
	char path[PATH_MAX];

	if (!group_path(self, mount, service, file, path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return write_path(path, text);
}

static ssize_t read_file(const kt_sup_cgroups *self, const char *mount, const char *service,
			 const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (!mount[0] || !group_path(self, mount, service, file, path)) {
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0) {
		buf[n] = '\0';
	}
	return n;
}

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t len = strlen(word);

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, separators);

		if (n == len && strncmp(p, word, len) == 0) {
			return true;
		}
		p += n;
		p += strspn(p, separators);
	}
	return false;
}

/* One line of mountinfo: "id parent dev root MOUNTPOINT options [tags] - TYPE source SUPER". */
static void note_mount(kt_sup_cgroups *self, char *line)
{
	char *rest = strstr(line, " - ");
	char point[KT_SUP_CG_PATH];
	char type[32];
	char super[256];

	if (!rest || sscanf(line, "%*s %*s %*s %*s %255s", point) != 1 ||
	    sscanf(rest + 3, "%31s %*s %255s", type, super) != 2) {
		return;
	}
	if (strcmp(type, "cgroup2") == 0 && !self->v2[0]) {
		memcpy(self->v2, point, sizeof(point));
		return;
	}
	if (strcmp(type, "cgroup") != 0) {
		return;
	}
	for (size_t i = 0; i < KT_SUP_CG_COUNT; i++) {
		if (!self->v1[i][0] && has_word(super, controller_names[i], ",")) {
			memcpy(self->v1[i], point, sizeof(point));
		}
	}
}

int kt_sup_cgroups_find(kt_sup_cgroups *self, const char *enclave, kt_err *err)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	*self = (kt_sup_cgroups){0};
	snprintf(self->enclave, sizeof(self->enclave), "%s", enclave);
	if (!f) {
		return KT_FAIL_ERRNO(err, "cannot read /proc/self/mountinfo");
	}
	while (fgets(line, sizeof(line), f)) {
		note_mount(self, line);
	}
	fclose(f);
	return 0;
}

/* One mkdir that may find its work done; -1 with errno. */
static int make_level(const char *path)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int make_group(const kt_sup_cgroups *self, const char *mount, const char *service,
		      kt_err *err)
{
	char top[KT_SUP_CG_PATH + 16];
	char enclave[PATH_MAX];
	char group[PATH_MAX];
	int status = -1;

	snprintf(top, sizeof(top), "%s/%s", mount, TOP);
	if (!group_path(self, mount, NULL, NULL, enclave) ||
	    !group_path(self, mount, service, NULL, group)) {
		return KT_FAIL(err, INVALID, "the path of a control group is too long");
	}
	/* Another enclave that ends may take the top level away under our feet. */
	for (int tries = 0; tries < 3 && status < 0; tries++) {
		status = make_level(top) < 0 || make_level(enclave) < 0 || make_level(group) < 0
				 ? -1
				 : 0;
		if (status < 0 && errno != ENOENT) {
			break;
		}
	}
	return status < 0 ? KT_FAIL_ERRNO(err, "cannot create the control group '%s'", group) : 0;
}

/* Lets the levels above hand the controller down; refused where processes sit in them. */
static bool enable_controller(kt_sup_cgroups *self, const char *name)
{
	char path[PATH_MAX];
	char have[512];
	char on[32];

	snprintf(on, sizeof(on), "+%s", name);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", self->v2);
	(void)write_path(path, on);
	snprintf(path, sizeof(path), "%s/%s/cgroup.subtree_control", self->v2, TOP);
	(void)write_path(path, on);
	(void)write_file(self, self->v2, NULL, "cgroup.subtree_control", on);
	return read_file(self, self->v2, NULL, "cgroup.subtree_control", have, sizeof(have)) > 0 &&
	       has_word(have, name, " \n");
}

int kt_sup_cgroups_make(kt_sup_cgroups *self, kt_err *err)
{
	if (!self->v2[0]) {
		return 0;
	}
	if (make_group(self, self->v2, NULL, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_SUP_CG_COUNT; i++) {
		self->v2_has[i] = enable_controller(self, controller_names[i]);
	}
	return 0;
}

static int set_v2(const kt_sup_cgroups *self, const char *service, const char *file,
		  const char *text, kt_err *err)
{
	if (write_file(self, self->v2, service, file, text) < 0) {
		return KT_FAIL_ERRNO(err, "cannot set the limit %s to '%s'", file, text);
	}
	return 0;
}

static int limit_v2(const kt_sup_cgroups *self, const char *service, kt_sup_controller which,
		    uint64_t value, kt_err *err)
{
	char text[64];

	switch (which) {
	case KT_SUP_CG_MEMORY:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
		(void)write_file(self, self->v2, service, "memory.swap.max", "0");
		return set_v2(self, service, "memory.max", text, err);
	case KT_SUP_CG_CPU:
		snprintf(text, sizeof(text), "%llu %d",
			 (unsigned long long)value * (CPU_PERIOD_US / 1000), CPU_PERIOD_US);
		return set_v2(self, service, "cpu.max", text, err);
	default:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
		return set_v2(self, service, "pids.max", text, err);
	}
}

static int limit_v1(const kt_sup_cgroups *self, const char *service, kt_sup_controller which,
		    uint64_t value, kt_err *err)
{
	static const char *const files[KT_SUP_CG_COUNT] = {
		[KT_SUP_CG_MEMORY] = "memory.limit_in_bytes",
		[KT_SUP_CG_CPU] = "cpu.cfs_quota_us",
		[KT_SUP_CG_PIDS] = "pids.max",
	};
	const char *mount = self->v1[which];
	char text[64];

	if (make_group(self, mount, service, err) < 0) {
		return -1;
	}
	if (which == KT_SUP_CG_CPU) {
		value *= CPU_PERIOD_US / 1000;
		snprintf(text, sizeof(text), "%d", CPU_PERIOD_US);
		(void)write_file(self, mount, service, "cpu.cfs_period_us", text);
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (write_file(self, mount, service, files[which], text) < 0) {
		return KT_FAIL_ERRNO(err, "cannot set the limit %s to %s", files[which], text);
	}
	if (which == KT_SUP_CG_MEMORY) {
		/* exists only where swap is accounted */
		(void)write_file(self, mount, service, "memory.memsw.limit_in_bytes", text);
	}
	return 0;
}

static int set_limits(const kt_sup_cgroups *self, const char *service, const kt_sup_limits *limits,
		      bool *ret_v1, kt_err *err)
{
	const uint64_t values[KT_SUP_CG_COUNT] = {
		[KT_SUP_CG_MEMORY] = limits->memory_bytes,
		[KT_SUP_CG_CPU] = limits->cpu_millis,
		[KT_SUP_CG_PIDS] = limits->pids,
	};

	for (kt_sup_controller i = 0; i < KT_SUP_CG_COUNT; i++) {
		if (values[i] == 0) {
			continue;
		}
		if (self->v2_has[i]) {
			if (limit_v2(self, service, i, values[i], err) < 0) {
				return -1;
			}
		} else if (self->v1[i][0]) {
			if (limit_v1(self, service, i, values[i], err) < 0) {
				return -1;
			}
			*ret_v1 = true;
		} else {
			return KT_FAIL(err, UNSUPPORTED,
				       "this host offers no control group for a %s limit",
				       controller_names[i]);
		}
	}
	return 0;
}

bool kt_sup_cgroups_limits_v1(const kt_sup_cgroups *self, const kt_sup_limits *limits)
{
	const uint64_t values[KT_SUP_CG_COUNT] = {
		[KT_SUP_CG_MEMORY] = limits->memory_bytes,
		[KT_SUP_CG_CPU] = limits->cpu_millis,
		[KT_SUP_CG_PIDS] = limits->pids,
	};

	for (size_t i = 0; i < KT_SUP_CG_COUNT; i++) {
		if (values[i] && !self->v2_has[i] && self->v1[i][0]) {
			return true;
		}
	}
	return false;
}

int kt_sup_cgroups_open(const kt_sup_cgroups *self, const char *service)
{
	char path[PATH_MAX];

	if (!self->v2[0] || !group_path(self, self->v2, service, NULL, path)) {
		return -1;
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int kt_sup_cgroups_add(const kt_sup_cgroups *self, const char *service, const kt_sup_limits *limits,
		       int *ret_fd, bool *ret_v1, kt_err *err)
{
	bool v1 = false;
	int fd = -1;

	if (self->v2[0] && make_group(self, self->v2, service, err) < 0) {
		return -1;
	}
	if (set_limits(self, service, limits, &v1, err) < 0) {
		return -1;
	}
	if (self->v2[0]) {
		fd = kt_sup_cgroups_open(self, service);
		if (fd < 0) {
			return KT_FAIL_ERRNO(err, "cannot open the control group of the service");
		}
	}
	*ret_fd = fd;
	*ret_v1 = v1;
	return 0;
}

int kt_sup_cgroups_enter_v1(const kt_sup_cgroups *self, const char *service, pid_t pid, kt_err *err)
{
	char text[32];
	char path[PATH_MAX];

	snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < KT_SUP_CG_COUNT; i++) {
		if (!self->v1[i][0] || !group_path(self, self->v1[i], service, NULL, path) ||
		    access(path, F_OK) < 0) {
			continue;
		}
		if (write_file(self, self->v1[i], service, "cgroup.procs", text) < 0) {
			return KT_FAIL_ERRNO(err, "cannot move process %d into '%s'", (int)pid,
					     path);
		}
	}
	return 0;
}

/* Sends SIGKILL to all in a group and in those below it; how many there were. */
static size_t kill_members(const char *path, int depth)
{
	KT_AUTO_BUF kt_buf procs = KT_BUF_INIT;
	char file[PATH_MAX];
	size_t count = 0;
	DIR *dir = depth > 0 ? opendir(path) : NULL;
	struct dirent *entry;

	if (snprintf(file, sizeof(file), "%s/cgroup.procs", path) < PATH_MAX &&
	    kt_fs_read(file, PROCS_MAX, &procs, NULL) == 0) {
		char *at = procs.data;

		for (long pid = at ? strtol(at, &at, 10) : 0; pid > 0; pid = strtol(at, &at, 10)) {
			(void)kill((pid_t)pid, SIGKILL);
			count++;
		}
	}
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < PATH_MAX) {
			count += kill_members(file, depth - 1);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return count;
}

/*
 * A service's group is used again when the service starts again, and the kernel kills what is
 * cloned into a group on which cgroup.kill was ever used (its count of kills differs from that
 * of our own group). So that file serves only for whole enclaves, which do not come back.
 */
bool kt_sup_cgroups_kill(const kt_sup_cgroups *self, const char *service)
{
	char path[PATH_MAX];

	if (!self->v2[0]) {
		return false;
	}
	if (!service) {
		return write_file(self, self->v2, NULL, "cgroup.kill", "1") == 0;
	}
	if (!group_path(self, self->v2, service, NULL, path)) {
		return false;
	}
	/* Again, for those that were just forked; the dying are still listed for a moment. */
	for (int tries = 0; tries < 8 && kill_members(path, 8) > 0; tries++) {
	}
	return true;
}

bool kt_sup_cgroups_wait_empty(const kt_sup_cgroups *self, kt_instant deadline)
{
	char path[PATH_MAX];
	char text[128];
	int fd;

	if (!self->v2[0] || !group_path(self, self->v2, NULL, "cgroup.events", path)) {
		return true;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return true; /* no such group: nothing in it */
	}
	for (;;) {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		struct pollfd p = {.fd = fd, .events = POLLPRI};

		text[n > 0 ? n : 0] = '\0';
		if (n < 0 || !strstr(text, "populated 1") || kt_now() >= deadline) {
			break;
		}
		(void)poll(&p, 1, kt_ms_left(deadline));
	}
	close(fd);
	return !strstr(text, "populated 1");
}

/* Group directories hold only pseudo files: rmdir from the leaves up is enough. */
static void remove_groups(const char *path, int depth)
{
	DIR *dir = depth > 0 ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char child[PATH_MAX];

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) < PATH_MAX) {
			remove_groups(child, depth - 1);
		}
	}
	if (dir) {
		closedir(dir);
	}
	(void)rmdir(path);
}

static void remove_in(const kt_sup_cgroups *self, const char *mount, const char *service)
{
	char path[PATH_MAX];

	if (!mount[0] || !group_path(self, mount, service, NULL, path)) {
		return;
	}
	/* A service may have made groups below its own when it is privileged. */
	remove_groups(path, 8);
	if (!service) {
		snprintf(path, sizeof(path), "%s/%s", mount, TOP);
		(void)rmdir(path); /* succeeds with the last enclave only */
	}
}

void kt_sup_cgroups_remove(const kt_sup_cgroups *self, const char *service)
{
	remove_in(self, self->v2, service);
	for (size_t i = 0; i < KT_SUP_CG_COUNT; i++) {
		remove_in(self, self->v1[i], service);
	}
}

/* The number after `key` at a line's start; -1 when it is not there. */
static int64_t find_number(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ') {
			return strtoll(line + len + 1, NULL, 10);
		}
	}
	return -1;
}

/* Resident memory of the group's processes, where no memory controller counts it. */
static int64_t resident_bytes(const char *pids)
{
	int64_t sum = 0;

	for (const char *p = pids; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char path[64];
		long long pages = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/statm", atoi(p));
		f = fopen(path, "re");
		if (f) {
			if (fscanf(f, "%*d %lld", &pages) == 1) {
				sum += pages * sysconf(_SC_PAGESIZE);
			}
			fclose(f);
		}
	}
	return sum;
}

static int64_t count_lines(const char *text)
{
	int64_t count = 0;

	for (; *text; text++) {
		count += *text == '\n';
	}
	return count;
}

void kt_sup_cgroups_usage(const kt_sup_cgroups *self, const char *service, kt_sup_usage *ret)
{
	char text[8192];

	*ret = (kt_sup_usage){-1, -1, -1};
	if (read_file(self, self->v2, service, "cpu.stat", text, sizeof(text)) > 0) {
		int64_t us = find_number(text, "usage_usec");

		ret->cpu_ns = us < 0 ? -1 : us * 1000;
	}
	if (read_file(self, self->v2, service, "memory.current", text, sizeof(text)) > 0 ||
	    read_file(self, self->v1[KT_SUP_CG_MEMORY], service, "memory.usage_in_bytes", text,
		      sizeof(text)) > 0) {
		ret->memory_bytes = strtoll(text, NULL, 10);
	}
	if (read_file(self, self->v2, service, "cgroup.procs", text, sizeof(text)) >= 0) {
		ret->pids = count_lines(text);
		if (ret->memory_bytes < 0) {
			ret->memory_bytes = resident_bytes(text);
		}
	}
}

bool kt_sup_cgroups_oom(const kt_sup_cgroups *self, const char *service)
{
	char text[1024];

	if (read_file(self, self->v2, service, "memory.events", text, sizeof(text)) > 0) {
		return find_number(text, "oom_kill") > 0;
	}
	if (read_file(self, self->v1[KT_SUP_CG_MEMORY], service, "memory.oom_control", text,
		      sizeof(text)) > 0) {
		return find_number(text, "oom_kill") > 0;
	}
	return false;
}
