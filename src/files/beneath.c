#include "files/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int kt_beneath_clean(const char *name, kt_buf *ret, kt_err *err)
{
	kt_buf_clear(ret);
	const char *at = name;
	while (*at != '\0') {
		size_t len = strcspn(at, "/");
		if (len == 2 && at[0] == '.' && at[1] == '.') {
			return KT_FAIL(err, INVALID, "illegal file path: %s", name);
		}
		if (len > 0 && !(len == 1 && at[0] == '.')) {
			if (ret->len > 0) {
				kt_buf_addc(ret, '/');
			}
			kt_buf_add(ret, at, len);
		}
		at += len;
		at += strspn(at, "/");
	}
	return kt_buf_check(ret, err);
}

/* Kernels and sandboxes without openat2: part by part, following no link at all. */
static int walk(int root, const char *path)
{
	int dir = fcntl(root, F_DUPFD_CLOEXEC, 0);
	while (dir >= 0 && *path != '\0') {
		char part[256];
		size_t len = strcspn(path, "/");
		if (len >= sizeof(part)) {
			close(dir);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(part, path, len);
		part[len] = '\0';
		int next = openat(dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int saved = errno;
		close(dir);
		errno = saved;
		dir = next;
		path += len;
		path += strspn(path, "/");
	}
	return dir;
}

int kt_beneath_open(int root, const char *path, bool as_root)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = (as_root ? RESOLVE_IN_ROOT : RESOLVE_BENEATH) | RESOLVE_NO_MAGICLINKS,
	};
	const char *name = path[0] == '\0' ? "." : path;
	long fd;
	do {
		fd = syscall(SYS_openat2, root, name, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		return walk(root, path);
	}
	return (int)fd;
}

int kt_beneath_open_file(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd;
	do {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN);
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
		return (int)fd;
	}
	const char *slash = strrchr(path, '/');
	char parent[4096] = "";
	if (slash != NULL && (size_t)(slash - path) < sizeof(parent)) {
		memcpy(parent, path, (size_t)(slash - path));
	}
	int dir = walk(root, parent);
	if (dir < 0) {
		return -1;
	}
	fd = openat(dir, slash != NULL ? slash + 1 : path,
		    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	int saved = errno;
	close(dir);
	errno = saved;
	return (int)fd;
}
