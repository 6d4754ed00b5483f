/*
 * Filling an empty volume with what the image has at its mount point, as Docker does on first use
 * (steps.h). Walks with directory descriptors only: nothing in the image can lead it elsewhere.
 */
#include "steps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 128

static int copy_directory(int from, int to, int depth);

static int copy_owner(int to, const char *name, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
		return -errno;
	}
	/* after chown, which clears set-id bits */
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0) {
		return -errno;
	}
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_bytes(int in, int out)
{
	for (;;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);

		if (n == 0) {
			return 0;
		}
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
			n = sendfile(out, in, NULL, 1 << 30);
		}
		if (n == 0) {
			return 0;
		}
		if (n < 0) {
			return -errno;
		}
	}
}

static int copy_file(int from, int to, const char *name)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int out;
	int status;

	if (in < 0) {
		return -errno;
	}
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	status = out < 0 ? -errno : copy_bytes(in, out);
	if (out >= 0) {
		close(out);
	}
	close(in);
	return status;
}

static int copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0) {
		return -errno;
	}
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_subdirectory(int from, int to, const char *name, int depth)
{
	int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int out = -1;
	int status = in < 0 || mkdirat(to, name, 0700) < 0 ? -errno : 0;

	if (status == 0) {
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		status = out < 0 ? -errno : copy_directory(in, out, depth - 1);
	}
	if (out >= 0) {
		close(out);
	}
	if (in >= 0) {
		close(in);
	}
	return status;
}

static int copy_entry(int from, int to, const char *name, int depth)
{
	struct stat st;
	int status;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return -errno;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		status = copy_subdirectory(from, to, name, depth);
		break;
	case S_IFREG:
		status = copy_file(from, to, name);
		break;
	case S_IFLNK:
		status = copy_link(from, to, name);
		break;
	case S_IFIFO:
		status = mknodat(to, name, S_IFIFO | 0600, 0) < 0 ? -errno : 0;
		break;
	default: /* devices and sockets have no place in a volume */
		return 0;
	}
	return status < 0 ? status : copy_owner(to, name, &st);
}

static int copy_directory(int from, int to, int depth)
{
	int fd = depth > 0 ? openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int status = dir ? 0 : depth > 0 ? -errno : -ELOOP;

	while (status == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			status = copy_entry(from, to, entry->d_name, depth);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return status;
}

static bool is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool empty = dir != NULL;

	while (dir && empty && (entry = readdir(dir))) {
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	}
	if (dir) {
		closedir(dir);
	}
	return empty;
}

/* a = target, n = slot of the volume. A target that the image does not have is no failure. */
int kt_sup_child_prefill(kt_sup_child *self, const kt_sup_step *step)
{
	int place = kt_sup_child_open(step->a, 0);
	int from = -1;
	int to = openat(self->slots[step->n], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = 0;
	struct stat st;

	if (place >= 0) {
		from = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (from >= 0 && to >= 0 && is_empty(to) && fstat(from, &st) == 0) {
		status = copy_directory(from, to, DEPTH_MAX);
		if (status == 0 &&
		    (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)) {
			status = -errno;
		}
	}
	if (from >= 0) {
		close(from);
	}
	if (to >= 0) {
		close(to);
	}
	if (place >= 0) {
		close(place);
	}
	return status;
}
