/*
 * The mount steps (steps.h). Up to PIVOT the child sees the host's tree and takes what it needs
 * from there as detached mounts; after PIVOT it sees only the image's tree, so that no link in an
 * image can lead a mount out of it.
 */
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINKS_MAX 8

static int beneath_root(int root, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Makes the last component of path, whose parents exist. */
static int make_last(int root, char *path, unsigned type)
{
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int parent;
	int fd;
	int status = 0;

	if (slash) {
		*slash = '\0';
	}
	parent = beneath_root(root, slash && path[0] ? path : ".", O_PATH | O_DIRECTORY);
	if (slash) {
		*slash = '/';
	}
	if (parent < 0) {
		return -errno;
	}
	if (type == S_IFDIR) {
		status = mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	} else {
		fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0644);
		status = fd < 0 && errno != EEXIST ? -errno : 0;
		if (fd >= 0) {
			close(fd);
		}
	}
	close(parent);
	return status;
}

static int make_path(int root, const char *path, unsigned type, int links);

/* Where a link at path leads, as a path in the new root. */
static int read_link(int root, const char *path, char ret[PATH_MAX])
{
	char target[PATH_MAX];
	int fd = beneath_root(root, path, O_PATH | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);
	int saved = errno;

	if (fd >= 0) {
		close(fd);
	}
	if (n <= 0) {
		return n < 0 ? -saved : -EINVAL;
	}
	target[n] = '\0';
	n = target[0] == '/' ? snprintf(ret, PATH_MAX, "%s", target)
			     : snprintf(ret, PATH_MAX, "%.*s/%s", (int)(strrchr(path, '/') - path),
					path, target);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* path could not be opened, its parents are there: makes it, or what it links to. */
static int make_missing(int root, char *path, unsigned type, int links)
{
	char target[PATH_MAX];
	int status = read_link(root, path, target);

	if (status == 0) { /* a link into the void, such as resolv.conf's in many images */
		return links > 0 ? make_path(root, target, type, links - 1) : -ELOOP;
	}
	return make_last(root, path, type);
}

static int make_path(int root, const char *path, unsigned type, int links)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(copy) || path[0] != '/') {
		return len >= sizeof(copy) ? -ENAMETOOLONG : -EINVAL;
	}
	memcpy(copy, path, len + 1);
	while (len > 1 && copy[len - 1] == '/') {
		copy[--len] = '\0';
	}
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int status = 0;

		*slash = '\0';
		if (slash[-1] != '/') {
			int fd = beneath_root(root, copy, O_PATH);

			status = fd >= 0 ? close(fd) : make_missing(root, copy, S_IFDIR, links);
		}
		*slash = '/';
		if (status < 0) {
			return status;
		}
	}
	return make_missing(root, copy, type, links);
}

int kt_sup_child_open(const char *path, unsigned make)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;
	int status;

	if (root < 0) {
		return -errno;
	}
	fd = beneath_root(root, path, O_PATH);
	status = fd < 0 ? -errno : fd;
	if (status == -ENOENT && make) {
		status = make_path(root, path, make, LINKS_MAX);
		if (status == 0) {
			fd = beneath_root(root, path, O_PATH);
			status = fd < 0 ? -errno : fd;
		}
	}
	close(root);
	return status;
}

/* Puts the detached mount on target. Closes both. */
static int put_mount(int mount, int target)
{
	int status = 0;

	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0) {
		status = -errno;
	}
	close(mount);
	close(target);
	return status;
}

/* options: "key=value,flag". A detached mount of a fresh file system, or -errno. */
static int make_filesystem(const char *type, const char *options, unsigned attributes)
{
	char copy[256];
	char *rest = copy;
	char *option;
	int fs;
	int mount = -1;
	int saved;

	if (snprintf(copy, sizeof(copy), "%s", options ? options : "") >= (int)sizeof(copy)) {
		return -E2BIG;
	}
	fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0) {
		return -errno;
	}
	/* The name in /proc/mounts, as mount(8) gives it: programs look for "proc" and "tmpfs". */
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0);
	while ((option = strsep(&rest, ","))) {
		char *value = strchr(option, '=');

		if (value) {
			*value++ = '\0';
		}
		if (*option && fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option,
					value, 0) < 0) {
			goto done;
		}
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
		mount = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	}
done:
	saved = errno;
	close(fs);
	return mount < 0 ? -saved : mount;
}

/* No arguments. */
int kt_sup_child_private(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	(void)step;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

/*
 * a = where the root will be mounted. Device nodes are made on a file system of their own: chmod of
 * a service on /dev/null must not reach the host's node, and /dev itself is mounted "nodev", so
 * that a node made there by a service with CAP_MKNOD opens nothing. The stage goes with the old
 * root.
 */
int kt_sup_child_stage(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	return mount("tmpfs", step->a, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=700,size=64k") < 0
		       ? -errno
		       : 0;
}

/* a = path on the stage, b = the host's own node, n = device number, m = mode with type and, in the
 * upper half, the slot. Where nodes may not be made (in a user namespace) the host's is taken;
 * there its owner is nobody the service could be. */
int kt_sup_child_device(kt_sup_child *self, const kt_sup_step *step)
{
	const char *node = step->a;
	mode_t mode = (mode_t)(step->m & UINT32_MAX);
	int fd;

	if (mknod(node, mode, (dev_t)step->n) < 0) {
		if (errno != EPERM) {
			return -errno;
		}
		node = step->b;
	} else if (chmod(node, mode & 07777) < 0) {
		return -errno;
	}
	fd = open_tree(AT_FDCWD, node, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	self->slots[step->m >> 32] = fd;
	return fd < 0 ? -errno : 0;
}

/*
 * a = the service's directory for the writable layer (has upper/ and work/), b = where to mount,
 * n = mount flags, m = 1: volatile. Layers are named by descriptor: mount(2) takes one page of
 * options, and paths could hold the separators ':' and ','.
 */
int kt_sup_child_overlay(kt_sup_child *self, const kt_sup_step *step)
{
	char options[4096];
	size_t len = 0;
	int base = open(step->a, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (base < 0) {
		return -errno;
	}
	for (size_t i = 0; i < self->spec->layers.len; i++) {
		int fd = open(self->spec->layers.items[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0) {
			snprintf(self->detail, sizeof(self->detail), "layer %s",
				 self->spec->layers.items[i]);
			return -errno;
		}
		len += (size_t)snprintf(options + len, sizeof(options) - len, "%s/proc/self/fd/%d",
					i ? ":" : "lowerdir=", fd);
	}
	len += (size_t)snprintf(options + len, sizeof(options) - len,
				",upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/work%s",
				base, base, step->m ? ",volatile" : "");
	if (len >= sizeof(options)) {
		return -E2BIG;
	}
	/* The descriptors are gone with the first close_range: nothing of the image was run yet. */
	return mount("overlay", step->b, "overlay", step->n, options) < 0 ? -errno : 0;
}

/* a = host path, n = slot, m = 1: with what is mounted below it. */
int kt_sup_child_source(kt_sup_child *self, const kt_sup_step *step)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int fd = open_tree(AT_FDCWD, step->a, flags | (step->m ? AT_RECURSIVE : 0u));

	if (fd < 0) {
		return -errno;
	}
	self->slots[step->n] = fd;
	return 0;
}

/* a = the mounted root. The old root is stacked below the new one and then detached. */
int kt_sup_child_pivot(kt_sup_child *self, const kt_sup_step *step)
{
	if (chdir(step->a) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
		return -errno;
	}
	kt_sup_child_close_others(self);
	return 0;
}

/* a = type, "type:options"; b = target, n = MOUNT_ATTR_…, m = 1: skip if the kernel has no such
 * file system. */
int kt_sup_child_filesystem(kt_sup_child *self, const kt_sup_step *step)
{
	char type[32];
	const char *options = strchr(step->a, ':');
	size_t len = options ? (size_t)(options - step->a) : strlen(step->a);
	int fs;
	int target;

	(void)self;
	snprintf(type, sizeof(type), "%.*s", (int)len, step->a);
	fs = make_filesystem(type, options ? options + 1 : NULL, (unsigned)step->n);
	if (fs < 0) {
		return step->m && fs == -ENODEV ? 0 : fs;
	}
	target = kt_sup_child_open(step->b, S_IFDIR);
	if (target < 0) {
		close(fs);
		return step->m ? 0 : target;
	}
	return put_mount(fs, target);
}

/* a = target, n = slot, m = MOUNT_ATTR_… to set. */
int kt_sup_child_attach(kt_sup_child *self, const kt_sup_step *step)
{
	struct mount_attr attributes = {.attr_set = step->m};
	int source = self->slots[step->n];
	struct stat st;
	int target;

	if (fstat(source, &st) < 0) {
		return -errno;
	}
	if (step->m && mount_setattr(source, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
				     sizeof(attributes)) < 0) {
		return -errno;
	}
	target = kt_sup_child_open(step->a, S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG);
	if (target < 0) {
		return target;
	}
	self->slots[step->n] = -1;
	return put_mount(source, target);
}

/* a = path, n = device number, m = mode with type. An existing node stays. */
int kt_sup_child_node(kt_sup_child *self, const kt_sup_step *step)
{
	char parent[PATH_MAX];
	size_t len = (size_t)(strrchr(step->a, '/') - step->a);
	int fd;

	(void)self;
	snprintf(parent, sizeof(parent), "%.*s", (int)len, step->a);
	fd = kt_sup_child_open(parent, S_IFDIR);
	if (fd < 0) {
		return fd;
	}
	close(fd);
	if (mknod(step->a, (mode_t)step->m, (dev_t)step->n) < 0) {
		return errno == EEXIST ? 0 : -errno;
	}
	return chmod(step->a, (mode_t)(step->m & 07777)) < 0 ? -errno : 0;
}

/* a = the link's path, b = what it points to. An existing entry stays. */
int kt_sup_child_link(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	return symlink(step->b, step->a) < 0 && errno != EEXIST ? -errno : 0;
}

/* a = path. A directory gets an empty read-only one over it, anything else /dev/null. */
int kt_sup_child_mask(kt_sup_child *self, const kt_sup_step *step)
{
	int target = kt_sup_child_open(step->a, 0);
	struct stat st;
	int cover;

	(void)self;
	if (target < 0) {
		return target == -ENOENT || target == -ENOTDIR ? 0 : target;
	}
	if (fstat(target, &st) < 0) {
		cover = -errno;
	} else if (S_ISDIR(st.st_mode)) {
		cover = make_filesystem("tmpfs", "size=0,nr_inodes=1,mode=555,ro",
					MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						MOUNT_ATTR_NOEXEC);
	} else {
		cover = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		cover = cover < 0 ? -errno : cover;
	}
	if (cover < 0) {
		close(target);
		return cover;
	}
	return put_mount(cover, target);
}

/* a = path; n = 1: it is a mount of its own, changed as it is. */
int kt_sup_child_read_only(kt_sup_child *self, const kt_sup_step *step)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	int target = kt_sup_child_open(step->a, 0);
	int tree;

	(void)self;
	if (target < 0) {
		return target == -ENOENT || target == -ENOTDIR ? 0 : target;
	}
	if (step->n) {
		int status =
			mount_setattr(target, "", AT_EMPTY_PATH, &attributes, sizeof(attributes));

		status = status < 0 ? -errno : 0;
		close(target);
		return status;
	}
	tree = open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0) {
		int saved = errno;

		close(target);
		return -saved;
	}
	return put_mount(tree, target);
}
