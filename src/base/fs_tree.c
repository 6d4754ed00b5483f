/* Trees: removal and copy, by directory descriptors so that nothing can swap a path under us. */
#include "base/fs.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 512,
	ATTR_NAMES_MAX = 16 * 1024,
	ATTR_VALUE_MAX = 64 * 1024,
};

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_dir_at(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return NULL;
	}
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
	}
	return dir;
}

static int remove_at(int parent, const char *name, dev_t device, int depth, kt_err *err);

static int empty_dir(int parent, const char *name, dev_t device, int depth, kt_err *err)
{
	DIR *dir = open_dir_at(parent, name);
	if (dir == NULL && errno == EACCES) {
		fchmodat(parent, name, 0700, 0);
		dir = open_dir_at(parent, name);
	}
	if (dir == NULL) {
		return errno == ENOENT ? 0 : KT_FAIL_ERRNO(err, "opening directory '%s'", name);
	}
	int rc = 0;
	struct dirent *entry;
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (!is_dot(entry->d_name)) {
			rc = remove_at(dirfd(dir), entry->d_name, device, depth + 1, err);
		}
	}
	closedir(dir);
	return rc;
}

static int remove_at(int parent, const char *name, dev_t device, int depth, kt_err *err)
{
	if (depth > DEPTH_MAX) {
		return KT_FAIL(err, EXHAUSTED, "'%s' is nested too deeply", name);
	}
	struct stat st;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? 0 : KT_FAIL_ERRNO(err, "looking at '%s'", name);
	}
	bool is_dir = S_ISDIR(st.st_mode);
	if (st.st_dev != device) {
		return KT_FAIL(err, PRECONDITION, "'%s' is a mount point", name);
	}
	if (is_dir && empty_dir(parent, name, device, depth, err) < 0) {
		return -1;
	}
	if (unlinkat(parent, name, is_dir ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT) {
		return KT_FAIL_ERRNO(err, "removing '%s'", name);
	}
	return 0;
}

int kt_fs_remove_tree(const char *path, kt_err *err)
{
	struct stat st;
	if (lstat(path, &st) < 0) {
		return errno == ENOENT ? 0 : KT_FAIL_ERRNO(err, "looking at '%s'", path);
	}
	if (remove_at(AT_FDCWD, path, st.st_dev, 0, err) < 0) {
		return KT_WRAP(err, "removing the tree '%s'", path);
	}
	return 0;
}

static void copy_xattrs(int from, int to)
{
	char names[ATTR_NAMES_MAX];
	ssize_t len = flistxattr(from, names, sizeof(names));
	char *value = len > 0 ? kt_malloc(ATTR_VALUE_MAX) : NULL;
	if (value == NULL) {
		return; /* none, or the file system has no attributes */
	}
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, ATTR_VALUE_MAX);
		if (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) < 0) {
			continue; /* trusted.* needs rights that the caller may lack */
		}
	}
	kt_free(value);
}

static int copy_bytes(int from, int to, off_t size, kt_err *err)
{
	if (ioctl(to, FICLONE, from) == 0) {
		return 0;
	}
	off_t done = 0;
	while (done < size) {
		ssize_t put = copy_file_range(from, NULL, to, NULL, (size_t)(size - done), 0);
		if (put == 0) {
			break;
		}
		if (put < 0 && errno != EINTR) {
			break;
		}
		done += put > 0 ? put : 0;
	}
	char chunk[64 * 1024];
	ssize_t got;
	while ((got = read(from, chunk, sizeof(chunk))) > 0) {
		if (kt_fs_write_all(to, chunk, (size_t)got, err) < 0) {
			return -1;
		}
	}
	return got < 0 ? KT_FAIL_ERRNO(err, "reading") : 0;
}

/* Owner before mode: chown clears set-id bits. */
static void copy_meta(int fd, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) < 0) {
		return;
	}
	fchmod(fd, st->st_mode & 07777);
	futimens(fd, times);
}

static int copy_file(int from_dir, const char *from, int to_dir, const char *to,
		     const struct stat *st, kt_err *err)
{
	KT_AUTO_FD int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s'", from);
	}
	KT_AUTO_FD int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0) {
		return KT_FAIL_ERRNO(err, "creating '%s'", to);
	}
	if (copy_bytes(in, out, st->st_size, err) < 0) {
		return KT_WRAP(err, "copying '%s'", from);
	}
	copy_xattrs(in, out);
	copy_meta(out, st);
	return 0;
}

static int copy_special(int from_dir, const char *from, int to_dir, const char *to,
			const struct stat *st, kt_err *err)
{
	int rc;
	if (S_ISLNK(st->st_mode)) {
		char target[4096];
		ssize_t len = readlinkat(from_dir, from, target, sizeof(target) - 1);
		if (len < 0) {
			return KT_FAIL_ERRNO(err, "reading link '%s'", from);
		}
		target[len] = '\0';
		rc = symlinkat(target, to_dir, to);
	} else {
		rc = mknodat(to_dir, to, st->st_mode, st->st_rdev);
	}
	if (rc < 0) {
		return KT_FAIL_ERRNO(err, "creating '%s'", to);
	}
	if (geteuid() == 0 &&
	    fchownat(to_dir, to, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
		return KT_FAIL_ERRNO(err, "setting the owner of '%s'", to);
	}
	return 0;
}

static int copy_at(int from_dir, const char *from, int to_dir, const char *to, int depth,
		   kt_err *err);

static int copy_dir(int from_dir, const char *from, int to_dir, const char *to,
		    const struct stat *st, int depth, kt_err *err)
{
	if (mkdirat(to_dir, to, 0700) < 0 && errno != EEXIST) {
		return KT_FAIL_ERRNO(err, "creating directory '%s'", to);
	}
	KT_AUTO_FD int out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0) {
		return KT_FAIL_ERRNO(err, "opening directory '%s'", to);
	}
	DIR *dir = open_dir_at(from_dir, from);
	if (dir == NULL) {
		return KT_FAIL_ERRNO(err, "opening directory '%s'", from);
	}
	int rc = 0;
	struct dirent *entry;
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (!is_dot(entry->d_name)) {
			rc = copy_at(dirfd(dir), entry->d_name, out, entry->d_name, depth + 1, err);
		}
	}
	if (rc == 0) {
		copy_xattrs(dirfd(dir), out);
		copy_meta(out, st);
	}
	closedir(dir);
	return rc;
}

static int copy_at(int from_dir, const char *from, int to_dir, const char *to, int depth,
		   kt_err *err)
{
	struct stat st;
	if (depth > DEPTH_MAX) {
		return KT_FAIL(err, EXHAUSTED, "'%s' is nested too deeply", from);
	}
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return KT_FAIL_ERRNO(err, "looking at '%s'", from);
	}
	if (S_ISDIR(st.st_mode)) {
		return copy_dir(from_dir, from, to_dir, to, &st, depth, err);
	}
	if (S_ISREG(st.st_mode)) {
		return copy_file(from_dir, from, to_dir, to, &st, err);
	}
	return copy_special(from_dir, from, to_dir, to, &st, err);
}

int kt_fs_copy_tree(const char *from, const char *to, kt_err *err)
{
	if (copy_at(AT_FDCWD, from, AT_FDCWD, to, 0, err) < 0) {
		return KT_WRAP(err, "copying '%s' to '%s'", from, to);
	}
	return 0;
}
