/*
 * See launch_plan.h. The order is deliberate:
 *
 *   host's tree   private mounts, device nodes, overlay, sources of bind mounts
 *   pivot         from here no path leads to the host; other descriptors are closed
 *   image's tree  /proc /sys /dev, files, volumes; the network; only then masks and read-only
 *                 paths, because sysctls are written before /proc/sys is closed
 *   identity      filter, init, session, bounding set, groups, user, capabilities, exec: each
 *                 step still has the privilege it needs, and the filter allows those behind it
 */
#include "launch_plan.h"

#include "base/fs.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define QUIET (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct {
	const char *path;
	unsigned major;
	unsigned minor;
} default_devices[] = {
	{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
	{"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

static const struct {
	const char *path;
	const char *target;
} device_links[] = {
	{"/dev/fd", "/proc/self/fd"},	    {"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
	{"/dev/ptmx", "pts/ptmx"},	    {"/dev/core", "/proc/kcore"},
};

/* What Docker hides and write-protects. */
static const char *const masked_paths[] = {
	"/proc/acpi",	     "/proc/asound",  "/proc/interrupts",
	"/proc/kcore",	     "/proc/keys",    "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
	"/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap",
};
static const char *const read_only_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* Docker's own defaults: low ports and ping for everybody. IPv6 stays on loopback only. */
static const struct {
	const char *path;
	const char *value;
} sysctls[] = {
	{"net/ipv4/ip_unprivileged_port_start", "0"},
	{"net/ipv4/ping_group_range", "0 2147483647"},
	{"net/ipv6/conf/eth0/disable_ipv6", "1"},
};

static int add(kt_sup_plan *plan, kt_sup_step_kind kind, const char *a, const char *b, uint64_t n,
	       uint64_t m, kt_err *err)
{
	return kt_sup_plan_add(plan, kind, a, b, n, m) < 0 ? kt_err_nomem(err) : 0;
}

static int plain(kt_sup_plan *plan, kt_sup_step_kind kind, kt_err *err)
{
	return add(plan, kind, NULL, NULL, 0, 0, err);
}

static int new_slot(kt_sup_plan *plan, size_t *ret, kt_err *err)
{
	if (plan->slots == KT_SUP_SLOTS_MAX) {
		return KT_FAIL(err, EXHAUSTED, "a service can have at most %d mounts and devices",
			       KT_SUP_SLOTS_MAX);
	}
	*ret = plan->slots++;
	return 0;
}

static int add_source(kt_sup_plan *plan, const char *path, size_t *ret_slot, kt_err *err)
{
	if (new_slot(plan, ret_slot, err) < 0) {
		return -1;
	}
	return add(plan, KT_SUP_STEP_SOURCE, path, NULL, *ret_slot, 0, err);
}

static int add_device(kt_sup_plan *plan, const char *root, const char *host_path, uint64_t rdev,
		      mode_t mode, kt_err *err)
{
	const char *staged;
	size_t slot = 0;

	if (new_slot(plan, &slot, err) < 0) {
		return -1;
	}
	staged = kt_arena_printf(&plan->arena, "%s/%zu", root, slot);
	if (!staged) {
		return kt_err_nomem(err);
	}
	return add(plan, KT_SUP_STEP_DEVICE, staged, host_path, rdev, (uint64_t)slot << 32 | mode,
		   err);
}

static int add_host_device(kt_sup_plan *plan, const char *root, const char *path, kt_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		return KT_FAIL_ERRNO(err, "cannot use the device '%s'", path);
	}
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) {
		return KT_FAIL(err, INVALID, "'%s' is not a device", path);
	}
	return add_device(plan, root, path, st.st_rdev, st.st_mode, err);
}

/* Makes the nodes and keeps them in the plan's first slots, in order. */
static int stage_devices(kt_sup_plan *plan, const kt_sup_spec *spec, const char *root, kt_err *err)
{
	if (add(plan, KT_SUP_STEP_STAGE, root, NULL, 0, 0, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(default_devices); i++) {
		if (add_device(plan, root, default_devices[i].path,
			       makedev(default_devices[i].major, default_devices[i].minor),
			       S_IFCHR | 0666, err) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < spec->devices.len; i++) {
		if (add_host_device(plan, root, spec->devices.items[i], err) < 0) {
			return -1;
		}
	}
	return 0;
}

static bool is_own_place(const char *path)
{
	static const char *const own[] = {"/dev/pts",	  "/dev/shm",  "/dev/mqueue",
					  "/dev/console", "/dev/ptmx", "/dev/hugepages"};

	for (size_t i = 0; i < KT_ARRAY_LEN(own); i++) {
		if (strcmp(path, own[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* Privileged: every node of the host's /dev under its own path. */
static int add_all_devices(kt_sup_plan *plan, const char *dir_path, int depth, kt_err *err)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	int status = 0;

	while (dir && status == 0 && (entry = readdir(dir))) {
		const char *path = kt_arena_printf(&plan->arena, "%s/%s", dir_path, entry->d_name);
		struct stat st;

		if (!path) {
			status = kt_err_nomem(err);
		} else if (entry->d_name[0] == '.' || is_own_place(path) || lstat(path, &st) < 0) {
			continue;
		} else if (S_ISDIR(st.st_mode) && depth > 0) {
			status = add_all_devices(plan, path, depth - 1, err);
		} else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
			status = add(plan, KT_SUP_STEP_NODE, path, NULL, st.st_rdev, st.st_mode,
				     err);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return status;
}

/* /dev with what the stage has. */
static int add_devices(kt_sup_plan *plan, const kt_sup_spec *spec, kt_err *err)
{
	const size_t standard = KT_ARRAY_LEN(default_devices);
	unsigned dev_attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME;

	if (!(spec->flags & KT_SUP_PRIVILEGED)) {
		dev_attributes |= MOUNT_ATTR_NODEV;
	}
	if (add(plan, KT_SUP_STEP_FILESYSTEM, "tmpfs:mode=755,size=65536k", "/dev", dev_attributes,
		0, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < standard + spec->devices.len; i++) {
		const char *target =
			i < standard ? default_devices[i].path : spec->devices.items[i - standard];

		if (add(plan, KT_SUP_STEP_ATTACH, target, NULL, i, 0, err) < 0) {
			return -1;
		}
	}
	if ((spec->flags & KT_SUP_PRIVILEGED) && add_all_devices(plan, "/dev", 4, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(device_links); i++) {
		if (add(plan, KT_SUP_STEP_LINK, device_links[i].path, device_links[i].target, 0, 0,
			err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The files that the supervisor wrote for the service, in the order of file_targets. */
static const char *const file_names[] = {"resolv.conf", "hostname", "hosts"};
static const char *const file_targets[] = {"/etc/resolv.conf", "/etc/hostname", "/etc/hosts"};

#define FILE_COUNT KT_ARRAY_LEN(file_names)

static int add_root(kt_sup_plan *plan, const kt_sup_spec *spec, const kt_sup_places *places,
		    size_t file_slots[FILE_COUNT], size_t *first_mount_slot, kt_err *err)
{
	const char *root = kt_arena_printf(&plan->arena, "%s/root", places->service_dir);
	uint64_t flags = spec->flags & KT_SUP_PRIVILEGED ? 0 : MS_NODEV;

	if (!root) {
		return kt_err_nomem(err);
	}
	if (plain(plan, KT_SUP_STEP_PRIVATE, err) < 0 || stage_devices(plan, spec, root, err) < 0 ||
	    add(plan, KT_SUP_STEP_OVERLAY, places->layer_dir, root, flags,
		spec->flags & KT_SUP_VOLATILE ? 1 : 0, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < FILE_COUNT; i++) {
		const char *path =
			kt_arena_printf(&plan->arena, "%s/%s", places->service_dir, file_names[i]);

		if (!path) {
			return kt_err_nomem(err);
		}
		if (add_source(plan, path, &file_slots[i], err) < 0) {
			return -1;
		}
	}
	*first_mount_slot = plan->slots;
	for (size_t i = 0; i < spec->mounts.len; i++) {
		size_t slot = 0;

		if (add_source(plan, spec->mounts.items[i].source, &slot, err) < 0) {
			return -1;
		}
	}
	return add(plan, KT_SUP_STEP_PIVOT, root, NULL, 0, 0, err);
}

static int add_filesystems(kt_sup_plan *plan, const kt_sup_spec *spec, const kt_sup_places *places,
			   kt_err *err)
{
	bool privileged = spec->flags & KT_SUP_PRIVILEGED;
	uint64_t sys = QUIET | (privileged ? 0u : MOUNT_ATTR_RDONLY);
	const char *shm = kt_arena_printf(&plan->arena, "tmpfs:mode=1777,size=%llu",
					  (unsigned long long)spec->shm_bytes);

	if (!shm) {
		return kt_err_nomem(err);
	}
	if (add(plan, KT_SUP_STEP_FILESYSTEM, "proc", "/proc", QUIET, 0, err) < 0 ||
	    add(plan, KT_SUP_STEP_FILESYSTEM, "sysfs", "/sys", sys, 0, err) < 0) {
		return -1;
	}
	if (places->show_cgroups &&
	    add(plan, KT_SUP_STEP_FILESYSTEM, "cgroup2", "/sys/fs/cgroup", sys, 1, err) < 0) {
		return -1;
	}
	if (add_devices(plan, spec, err) < 0 ||
	    add(plan, KT_SUP_STEP_FILESYSTEM, "devpts:mode=0620,ptmxmode=0666,gid=5", "/dev/pts",
		MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, err) < 0 ||
	    add(plan, KT_SUP_STEP_FILESYSTEM, shm, "/dev/shm", QUIET, 0, err) < 0) {
		return -1;
	}
	return add(plan, KT_SUP_STEP_FILESYSTEM, "mqueue", "/dev/mqueue", QUIET, 1, err);
}

static int add_mounts(kt_sup_plan *plan, const kt_sup_spec *spec,
		      const size_t file_slots[FILE_COUNT], size_t first_slot, kt_err *err)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		if (add(plan, KT_SUP_STEP_ATTACH, file_targets[i], NULL, file_slots[i],
			MOUNT_ATTR_NODEV, err) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < spec->mounts.len; i++) {
		const kt_sup_mount *mount = &spec->mounts.items[i];
		uint64_t attributes = MOUNT_ATTR_NODEV;

		if (mount->flags & KT_SUP_MOUNT_READ_ONLY) {
			attributes |= MOUNT_ATTR_RDONLY;
		}
		if ((mount->flags & KT_SUP_MOUNT_PREFILL) &&
		    add(plan, KT_SUP_STEP_PREFILL, mount->target, NULL, first_slot + i, 0, err) <
			    0) {
			return -1;
		}
		if (add(plan, KT_SUP_STEP_ATTACH, mount->target, NULL, first_slot + i, attributes,
			err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The service's own v1 groups, read-only, as programs look for their limits. */
static int add_v1_groups(kt_sup_plan *plan, const kt_sup_spec *spec, const kt_sup_cgroups *groups,
			 kt_err *err)
{
	uint64_t attributes = QUIET | (spec->flags & KT_SUP_PRIVILEGED ? 0u : MOUNT_ATTR_RDONLY);

	if (plain(plan, KT_SUP_STEP_CGROUPS, err) < 0 ||
	    add(plan, KT_SUP_STEP_FILESYSTEM, "tmpfs:mode=755,size=64k", "/sys/fs/cgroup", QUIET, 1,
		err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_SUP_CG_COUNT; i++) {
		const char *name = groups->v1[i][0] ? kt_path_base(groups->v1[i]) : NULL;
		const char *type;
		const char *target;

		/* "cpu,cpuacct" is one mount under two controllers */
		if (!name || (i > 0 && strcmp(groups->v1[i], groups->v1[i - 1]) == 0) ||
		    (i > 1 && strcmp(groups->v1[i], groups->v1[i - 2]) == 0)) {
			continue;
		}
		type = kt_arena_printf(&plan->arena, "cgroup:%s", name);
		target = kt_arena_printf(&plan->arena, "/sys/fs/cgroup/%s", name);
		if (!type || !target) {
			return kt_err_nomem(err);
		}
		if (add(plan, KT_SUP_STEP_FILESYSTEM, type, target, attributes, 1, err) < 0) {
			return -1;
		}
	}
	return spec->flags & KT_SUP_PRIVILEGED
		       ? 0
		       : add(plan, KT_SUP_STEP_READ_ONLY, "/sys/fs/cgroup", NULL, 1, 0, err);
}

static int add_network_and_masks(kt_sup_plan *plan, const kt_sup_spec *spec,
				 const kt_sup_places *places, kt_err *err)
{
	if (plain(plan, KT_SUP_STEP_WAIT, err) < 0 ||
	    (places->limited_v1 && add_v1_groups(plan, spec, places->groups, err) < 0)) {
		return -1;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(sysctls); i++) {
		if (add(plan, KT_SUP_STEP_SYSCTL, sysctls[i].path, sysctls[i].value, 0, 0, err) <
		    0) {
			return -1;
		}
	}
	if (plain(plan, KT_SUP_STEP_NETWORK, err) < 0 ||
	    add(plan, KT_SUP_STEP_HOSTNAME, spec->hostname, NULL, 0, 0, err) < 0) {
		return -1;
	}
	if (spec->flags & KT_SUP_PRIVILEGED) {
		return 0;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(masked_paths); i++) {
		if (add(plan, KT_SUP_STEP_MASK, masked_paths[i], NULL, 0, 0, err) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(read_only_paths); i++) {
		if (add(plan, KT_SUP_STEP_READ_ONLY, read_only_paths[i], NULL, 0, 0, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* What a program does not inherit from the supervisor. */
static int add_limits(kt_sup_plan *plan, uint64_t open_files, kt_err *err)
{
	if (plain(plan, KT_SUP_STEP_KEYRING, err) < 0) {
		return -1;
	}
	return open_files ? add(plan, KT_SUP_STEP_FILES_LIMIT, NULL, NULL, open_files, 0, err) : 0;
}

/* Before init is split off, so that it lives under the same filter. */
static int add_restrictions(kt_sup_plan *plan, uint64_t flags, kt_err *err)
{
	if ((flags & KT_SUP_NO_NEW_PRIVS) && plain(plan, KT_SUP_STEP_NO_NEW_PRIVS, err) < 0) {
		return -1;
	}
	return flags & KT_SUP_PRIVILEGED ? 0 : plain(plan, KT_SUP_STEP_FILTER, err);
}

/* Who the program is: the same for a service and for a command in it. */
static int add_identity(kt_sup_plan *plan, bool tty, kt_err *err)
{
	if (add(plan, KT_SUP_STEP_SESSION, NULL, NULL, tty, 0, err) < 0 ||
	    plain(plan, KT_SUP_STEP_STREAMS, err) < 0 || plain(plan, KT_SUP_STEP_BOUND, err) < 0 ||
	    plain(plan, KT_SUP_STEP_GROUPS, err) < 0) {
		return -1;
	}
	if (plain(plan, KT_SUP_STEP_IDENTITY, err) < 0 ||
	    plain(plan, KT_SUP_STEP_CAPABILITIES, err) < 0) {
		return -1;
	}
	return plain(plan, KT_SUP_STEP_EXEC, err);
}

int kt_sup_plan_service(kt_sup_plan *self, const kt_sup_spec *spec, const kt_sup_places *places,
			kt_err *err)
{
	bool tty = spec->flags & KT_SUP_TTY;
	size_t file_slots[FILE_COUNT];
	size_t first_mount_slot = 0;

	if (kt_vec_reserve(&self->steps, 96) < 0) {
		return kt_err_nomem(err);
	}
	if (add_root(self, spec, places, file_slots, &first_mount_slot, err) < 0 ||
	    add_filesystems(self, spec, places, err) < 0 ||
	    add_mounts(self, spec, file_slots, first_mount_slot, err) < 0 ||
	    add_network_and_masks(self, spec, places, err) < 0) {
		return -1;
	}
	if (add_limits(self, places->open_files, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < spec->ulimits.len; i++) {
		if (add(self, KT_SUP_STEP_RLIMIT, NULL, NULL, i, 0, err) < 0) {
			return -1;
		}
	}
	if (add(self, KT_SUP_STEP_USER, spec->user, NULL, 0, 0, err) < 0 ||
	    (tty && plain(self, KT_SUP_STEP_TERMINAL, err) < 0) ||
	    plain(self, KT_SUP_STEP_OWN_STREAMS, err) < 0 ||
	    add(self, KT_SUP_STEP_DIRECTORY, spec->cwd, NULL, 0, 0, err) < 0 ||
	    add_restrictions(self, spec->flags, err) < 0 ||
	    (!(spec->flags & KT_SUP_NO_INIT) && plain(self, KT_SUP_STEP_INIT, err) < 0)) {
		return -1;
	}
	return add_identity(self, tty, err);
}

int kt_sup_plan_exec(kt_sup_plan *self, const kt_sup_spec *request, const char *user,
		     const char *cwd, uint64_t service_flags, uint64_t open_files, kt_err *err)
{
	bool tty = request->flags & KT_SUP_TTY;

	if (plain(self, KT_SUP_STEP_JOIN, err) < 0 || plain(self, KT_SUP_STEP_WAIT, err) < 0 ||
	    add_limits(self, open_files, err) < 0 ||
	    add(self, KT_SUP_STEP_USER, user, NULL, 0, 0, err) < 0) {
		return -1;
	}
	if (tty &&
	    (add(self, KT_SUP_STEP_TERMINAL, NULL, NULL, request->rows, request->cols, err) < 0 ||
	     plain(self, KT_SUP_STEP_OWN_STREAMS, err) < 0)) {
		return -1;
	}
	if (add(self, KT_SUP_STEP_DIRECTORY, cwd, NULL, 0, 0, err) < 0 ||
	    add_restrictions(self, service_flags, err) < 0) {
		return -1;
	}
	return add_identity(self, tty, err);
}

static int add_env(kt_sup_texts *env, const char *entry, kt_err *err)
{
	return !entry || kt_vec_push(env, entry) < 0 ? kt_err_nomem(err) : 0;
}

int kt_sup_plan_env(kt_sup_plan *self, const char *hostname, bool tty, kt_sup_texts *env,
		    kt_err *err)
{
	if (!kt_sup_env_get(env, "PATH") && add_env(env, DEFAULT_PATH, err) < 0) {
		return -1;
	}
	if (!kt_sup_env_get(env, "HOSTNAME") &&
	    add_env(env, kt_arena_printf(&self->arena, "HOSTNAME=%s", hostname), err) < 0) {
		return -1;
	}
	if (tty && !kt_sup_env_get(env, "TERM") && add_env(env, "TERM=xterm", err) < 0) {
		return -1;
	}
	return 0;
}
