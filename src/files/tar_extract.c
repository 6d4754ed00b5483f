/* Extraction beneath a directory descriptor, for artifacts and for image layers. */
#include "files/entries.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "base/vec.h"
#include "files/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define REMOVE_DEPTH 128

/* A directory whose times and final mode are set when everything in it is there. */
typedef struct late_dir {
	const char *path;
	mode_t mode;
	struct timespec mtime;
} late_dir;

typedef struct extraction {
	int root;
	unsigned flags;
	bool is_root;
	uid_t euid;
	gid_t egid;
	kt_arena arena;
	KT_VEC(late_dir) late;
	kt_buf path;   /* the current entry, clean */
	kt_buf target; /* of a hard link, clean */
	kt_buf parent; /* path of parent_fd */
	int parent_fd;
	bool parent_valid;
} extraction;

static void extraction_deinit(extraction *self)
{
	kt_arena_deinit(&self->arena);
	kt_vec_deinit(&self->late);
	kt_buf_deinit(&self->path);
	kt_buf_deinit(&self->target);
	kt_buf_deinit(&self->parent);
	kt_close_ptr(&self->parent_fd);
}

static bool as_root(const extraction *self)
{
	return (self->flags & KT_EXTRACT_WHITEOUTS) != 0;
}

static int fail_path(const extraction *self, kt_err *err, const char *what)
{
	int saved = errno;
	if (saved == EXDEV) {
		return KT_FAIL(err, INVALID, "illegal file path: %s", kt_buf_str(&self->path));
	}
	return kt_err_set_errno(err, saved, "%s '%s' failed", what, kt_buf_str(&self->path));
}

/* Deletes whatever is there without following links. */
static int remove_at(int dir, const char *name, unsigned depth)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
		return 0;
	}
	if (errno != EISDIR && errno != EPERM) {
		return -1;
	}
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0) {
		return 0;
	}
	if (errno != ENOTEMPTY || depth == 0) {
		return -1;
	}
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	if (list == NULL) {
		kt_close_ptr(&fd);
		return -1;
	}
	int rc = 0;
	struct dirent *item = NULL;
	while (rc == 0 && (item = readdir(list)) != NULL) {
		if (!kt_str_eq(item->d_name, ".") && !kt_str_eq(item->d_name, "..")) {
			rc = remove_at(fd, item->d_name, depth - 1);
		}
	}
	int saved = errno;
	closedir(list);
	errno = saved;
	return rc == 0 ? unlinkat(dir, name, AT_REMOVEDIR) : -1;
}

/*
 * The mode of a directory that a layer uses without describing it. An overlay shows the
 * topmost directory's mode, so the two shared temporary directories must stay what they are.
 */
static mode_t implied_mode(const extraction *self, const char *path)
{
	bool temp = kt_str_eq(path, "tmp") || kt_str_eq(path, "var/tmp");
	return temp && (self->flags & KT_EXTRACT_WHITEOUTS) != 0 ? 01777 : 0755;
}

/* Makes all missing directories of path. */
static int make_parents(extraction *self, const char *path)
{
	char part[4096];
	size_t len = strlen(path);
	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	KT_AUTO_FD int dir = kt_beneath_open(self->root, "", as_root(self));
	for (size_t end = 1; dir >= 0 && end <= len; end++) {
		if (end < len && path[end] != '/') {
			continue;
		}
		memcpy(part, path, end);
		part[end] = '\0';
		int next = kt_beneath_open(self->root, part, as_root(self));
		if (next < 0 && errno == ENOENT) {
			const char *base = kt_path_base(part);
			if (mkdirat(dir, base, 0755) < 0) {
				return -1;
			}
			mode_t mode = implied_mode(self, part);
			if (fchmodat(dir, base, mode, 0) < 0) {
				return -1;
			}
			next = kt_beneath_open(self->root, part, as_root(self));
		}
		if (next < 0) {
			return -1;
		}
		close(dir);
		dir = next;
	}
	return dir >= 0 ? 0 : -1;
}

/* Opens (and caches) the directory that holds `path`; *ret_name is the last part. */
static int open_parent(extraction *self, const char *path, int *ret_dir, const char **ret_name,
		       kt_err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	*ret_name = slash != NULL ? slash + 1 : path;
	if (self->parent_valid && self->parent.len == len &&
	    memcmp(kt_buf_str(&self->parent), path, len) == 0) {
		*ret_dir = self->parent_fd;
		return 0;
	}
	self->parent_valid = false;
	kt_buf_clear(&self->parent);
	kt_buf_add(&self->parent, path, len);
	if (kt_buf_check(&self->parent, err) < 0) {
		return -1;
	}
	kt_close_ptr(&self->parent_fd);
	const char *parent = kt_buf_str(&self->parent);
	self->parent_fd = kt_beneath_open(self->root, parent, as_root(self));
	if (self->parent_fd < 0 && errno == ENOENT) {
		if (make_parents(self, parent) < 0) {
			return fail_path(self, err, "creating the directory of");
		}
		self->parent_fd = kt_beneath_open(self->root, parent, as_root(self));
	}
	if (self->parent_fd < 0) {
		return fail_path(self, err, "opening the directory of");
	}
	self->parent_valid = true;
	*ret_dir = self->parent_fd;
	return 0;
}

/* ---- Attributes ---- */

static bool wants_xattr(const char *name)
{
	return kt_str_eq(name, "security.capability") ||
	       (kt_str_starts(name, "user.") && !kt_str_starts(name, "user.overlay."));
}

static int set_xattrs(const extraction *self, int fd, const kt_tar_entry *entry, kt_err *err)
{
	if ((self->flags & KT_EXTRACT_XATTRS) == 0) {
		return 0;
	}
	for (size_t i = 0; i < entry->xattrs_len; i++) {
		const kt_tar_xattr *x = &entry->xattrs[i];
		if (!wants_xattr(x->name) || fsetxattr(fd, x->name, x->value, x->len, 0) == 0) {
			continue;
		}
		/* A file system without them, or no privilege: the file works without too. */
		if (errno != ENOTSUP && errno != EPERM) {
			return fail_path(self, err, "setting an attribute of");
		}
	}
	return 0;
}

static bool wants_owner(const extraction *self, const kt_tar_entry *entry)
{
	return (self->flags & KT_EXTRACT_OWNERS) != 0 && self->is_root &&
	       (entry->uid != self->euid || entry->gid != self->egid);
}

static struct timespec entry_time(const kt_tar_entry *entry)
{
	return (struct timespec){entry->mtime, (long)entry->mtime_ns};
}

static int set_opaque(const extraction *self, int dir, kt_err *err)
{
	/* The O_PATH descriptor cannot take attributes itself. */
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	const char *name = self->is_root ? "trusted.overlay.opaque" : "user.overlay.opaque";
	if (setxattr(link, name, "y", 1, 0) < 0 &&
	    (!self->is_root || errno != EPERM ||
	     setxattr(link, "user.overlay.opaque", "y", 1, 0) < 0)) {
		return fail_path(self, err, "marking the directory opaque for");
	}
	return 0;
}

/* ---- One function per type ---- */

static int extract_file(extraction *self, const kt_entries *from, const kt_tar_entry *entry,
			int dir, const char *name, kt_err *err)
{
	const int how = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	KT_AUTO_FD int fd = openat(dir, name, how, 0600);
	if (fd < 0 && errno == EEXIST && remove_at(dir, name, REMOVE_DEPTH) == 0) {
		fd = openat(dir, name, how, 0600);
	}
	if (fd < 0) {
		return fail_path(self, err, "creating");
	}
	const void *data = NULL;
	size_t len = 0;
	int rc;
	while ((rc = from->data(from->ctx, &data, &len, err)) > 0) {
		if (kt_fs_write_all(fd, data, len, err) < 0) {
			return KT_WRAP(err, "writing '%s'", kt_buf_str(&self->path));
		}
	}
	if (rc < 0) {
		return -1;
	}
	if (wants_owner(self, entry) && fchown(fd, entry->uid, entry->gid) < 0) {
		return fail_path(self, err, "changing the owner of");
	}
	if (fchmod(fd, entry->mode) < 0) {
		return fail_path(self, err, "changing the mode of");
	}
	if (set_xattrs(self, fd, entry, err) < 0) {
		return -1;
	}
	struct timespec times[2] = {entry_time(entry), entry_time(entry)};
	if (futimens(fd, times) < 0) {
		return fail_path(self, err, "setting the time of");
	}
	return 0;
}

static int remember_dir(extraction *self, const kt_tar_entry *entry, mode_t mode, kt_err *err)
{
	late_dir late = {kt_arena_strdup(&self->arena, kt_buf_str(&self->path)), mode,
			 entry_time(entry)};
	if (late.path == NULL || kt_vec_push(&self->late, late) < 0) {
		return kt_err_nomem(err);
	}
	return 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Makes the directory or takes the one there is. *ret_opaque: it replaces a whiteout. */
static int make_dir(extraction *self, int dir, const char *name, bool *ret_opaque, kt_err *err)
{
	if (mkdirat(dir, name, 0700) == 0) {
		return 0;
	}
	struct stat st;
	if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return fail_path(self, err, "creating the directory");
	}
	if (S_ISDIR(st.st_mode)) {
		return 0;
	}
	*ret_opaque = (self->flags & KT_EXTRACT_WHITEOUTS) != 0 && is_whiteout(&st);
	self->parent_valid = false;
	if (unlinkat(dir, name, 0) < 0 || mkdirat(dir, name, 0700) < 0) {
		return fail_path(self, err, "creating the directory");
	}
	return 0;
}

static int extract_dir(extraction *self, const kt_tar_entry *entry, kt_err *err)
{
	mode_t mode = (self->flags & KT_EXTRACT_DIR_0755) != 0 ? 0755 : entry->mode;
	bool opaque = false;
	if (self->path.len > 0) {
		int dir = -1;
		const char *name = NULL;
		if (open_parent(self, self->path.data, &dir, &name, err) < 0 ||
		    make_dir(self, dir, name, &opaque, err) < 0) {
			return -1;
		}
	}
	KT_AUTO_FD int fd = kt_beneath_open(self->root, kt_buf_str(&self->path), as_root(self));
	if (fd < 0) {
		return fail_path(self, err, "opening the directory");
	}
	if (wants_owner(self, entry) && fchownat(fd, "", entry->uid, entry->gid, AT_EMPTY_PATH) < 0) {
		return fail_path(self, err, "changing the owner of");
	}
	if (opaque && set_opaque(self, fd, err) < 0) {
		return -1;
	}
	if (entry->xattrs_len > 0) {
		KT_AUTO_FD int real = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (real >= 0 && set_xattrs(self, real, entry, err) < 0) {
			return -1;
		}
	}
	return remember_dir(self, entry, mode, err);
}

/* For links and nodes: tries, makes room, tries again. */
static int create_node(const kt_tar_entry *entry, int dir, const char *name)
{
	if (entry->type == KT_TAR_SYMLINK) {
		return symlinkat(entry->link, dir, name);
	}
	mode_t type = entry->type == KT_TAR_CHAR    ? S_IFCHR
		      : entry->type == KT_TAR_BLOCK ? S_IFBLK
						    : S_IFIFO;
	dev_t dev = entry->type == KT_TAR_FIFO ? 0 : makedev(entry->dev_major, entry->dev_minor);
	return mknodat(dir, name, type | 0600, dev);
}

static int extract_node(extraction *self, const kt_tar_entry *entry, int dir, const char *name,
			kt_err *err)
{
	bool device = entry->type == KT_TAR_CHAR || entry->type == KT_TAR_BLOCK;
	if (device && (self->flags & KT_EXTRACT_DEVICES) == 0) {
		return KT_FAIL(err, INVALID, "the archive holds the device node '%s'",
			       kt_buf_str(&self->path));
	}
	int rc = create_node(entry, dir, name);
	if (rc < 0 && errno == EEXIST && remove_at(dir, name, REMOVE_DEPTH) == 0) {
		self->parent_valid = false;
		rc = create_node(entry, dir, name);
	}
	if (rc < 0 && device && errno == EPERM) {
		KT_DEBUG("files", "skipped device node %s: not permitted", self->path.data);
		return 0;
	}
	if (rc < 0) {
		return fail_path(self, err, "creating");
	}
	if (wants_owner(self, entry) &&
	    fchownat(dir, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) {
		return fail_path(self, err, "changing the owner of");
	}
	if (entry->type != KT_TAR_SYMLINK && fchmodat(dir, name, entry->mode, 0) < 0) {
		return fail_path(self, err, "changing the mode of");
	}
	struct timespec times[2] = {entry_time(entry), entry_time(entry)};
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0) {
		return fail_path(self, err, "setting the time of");
	}
	return 0;
}

static int extract_hardlink(extraction *self, const kt_tar_entry *entry, int dir, const char *name,
			    kt_err *err)
{
	if (kt_beneath_clean(entry->link, &self->target, err) < 0) {
		return -1;
	}
	if (kt_str_eq(kt_buf_str(&self->target), self->path.data)) {
		return 0;
	}
	KT_AUTO_FREE char *parent = kt_path_dir(kt_buf_str(&self->target));
	if (parent == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int from = kt_beneath_open(self->root, parent, as_root(self));
	if (from < 0) {
		return fail_path(self, err, "opening the link target of");
	}
	const char *from_name = kt_path_base(kt_buf_str(&self->target));
	int rc = linkat(from, from_name, dir, name, 0);
	if (rc < 0 && errno == EEXIST && remove_at(dir, name, REMOVE_DEPTH) == 0) {
		self->parent_valid = false;
		rc = linkat(from, from_name, dir, name, 0);
	}
	return rc < 0 ? fail_path(self, err, "linking") : 0;
}

/* 1 when the entry was a whiteout and is done, 0 when it is a normal one, -1. */
static int extract_whiteout(extraction *self, int dir, const char *name, kt_err *err)
{
	if ((self->flags & KT_EXTRACT_WHITEOUTS) == 0 || !kt_str_starts(name, WHITEOUT_PREFIX)) {
		return 0;
	}
	if (kt_str_eq(name, WHITEOUT_OPAQUE)) {
		return set_opaque(self, dir, err) < 0 ? -1 : 1;
	}
	if (kt_str_starts(name, WHITEOUT_META)) {
		return 1;
	}
	const char *victim = name + strlen(WHITEOUT_PREFIX);
	if (victim[0] == '\0' || kt_str_eq(victim, ".") || kt_str_eq(victim, "..")) {
		return KT_FAIL(err, INVALID, "illegal file path: %s", self->path.data);
	}
	if (mknodat(dir, victim, S_IFCHR, 0) == 0) {
		return 1;
	}
	if (errno != EEXIST) {
		return fail_path(self, err, "creating the whiteout");
	}
	/* It hides only what lies below: a directory of this layer stays, but opaque. */
	KT_AUTO_FD int fd = openat(dir, victim, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && set_opaque(self, fd, err) < 0) {
		return -1;
	}
	return 1;
}

static int extract_entry(extraction *self, const kt_entries *from, const kt_tar_entry *entry,
			 kt_err *err)
{
	bool link = entry->type == KT_TAR_SYMLINK || entry->type == KT_TAR_HARDLINK;
	if (link && (self->flags & KT_EXTRACT_NO_LINKS) != 0) {
		return 0;
	}
	if (kt_beneath_clean(entry->path, &self->path, err) < 0) {
		return -1;
	}
	if (entry->type == KT_TAR_DIR) {
		return extract_dir(self, entry, err);
	}
	if (self->path.len == 0) {
		return KT_FAIL(err, INVALID, "illegal file path: %s", entry->path);
	}
	int dir = -1;
	const char *name = NULL;
	if (open_parent(self, self->path.data, &dir, &name, err) < 0) {
		return -1;
	}
	int rc = extract_whiteout(self, dir, name, err);
	if (rc != 0) {
		return rc < 0 ? -1 : 0;
	}
	switch (entry->type) {
	case KT_TAR_FILE:
		return extract_file(self, from, entry, dir, name, err);
	case KT_TAR_HARDLINK:
		return extract_hardlink(self, entry, dir, name, err);
	default:
		return extract_node(self, entry, dir, name, err);
	}
}

/* Modes and times of directories, the last (deepest) first. */
static int finish_dirs(extraction *self, kt_err *err)
{
	for (size_t i = self->late.len; i-- > 0;) {
		const late_dir *late = &self->late.items[i];
		kt_buf_clear(&self->path);
		kt_buf_adds(&self->path, late->path);
		KT_AUTO_FD int fd = kt_beneath_open(self->root, late->path, as_root(self));
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			continue; /* a later entry took its place */
		}
		char link[64];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		struct timespec times[2] = {late->mtime, late->mtime};
		if (fd < 0 || chmod(link, late->mode) < 0 ||
		    utimensat(AT_FDCWD, link, times, 0) < 0) {
			return fail_path(self, err, "finishing the directory");
		}
	}
	return 0;
}

int kt_entries_extract(const kt_entries *from, int dir_fd, unsigned flags, const kt_cancel *cancel,
		       kt_err *err)
{
	KT_CLEANUP(extraction_deinit)
	extraction self = {.root = dir_fd,
			   .flags = flags,
			   .is_root = geteuid() == 0,
			   .euid = geteuid(),
			   .egid = getegid(),
			   .parent_fd = -1};
	const kt_tar_entry *entry = NULL;
	int rc;
	while ((rc = from->next(from->ctx, &entry, err)) > 0) {
		if (kt_cancel_check(cancel, err) < 0 ||
		    extract_entry(&self, from, entry, err) < 0) {
			return -1;
		}
	}
	return rc < 0 ? -1 : finish_dirs(&self, err);
}

static int tar_next(void *ctx, const kt_tar_entry **ret, kt_err *err)
{
	return kt_tar_next(ctx, ret, err);
}

static int tar_data(void *ctx, const void **ret_data, size_t *ret_len, kt_err *err)
{
	return kt_tar_data(ctx, ret_data, ret_len, err);
}

int kt_tar_extract(kt_tar_reader *reader, int dir_fd, unsigned flags, const kt_cancel *cancel,
		   kt_err *err)
{
	kt_entries from = {tar_next, tar_data, reader};
	return kt_entries_extract(&from, dir_fd, flags, cancel, err);
}
