#include "base/fs.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void kt_close_ptr(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
		*fd = -1;
	}
}

int kt_fs_read(const char *path, size_t max, kt_buf *ret, kt_err *err)
{
	KT_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s'", path);
	}
	size_t start = ret->len;
	for (;;) {
		char *room = kt_buf_reserve(ret, 64 * 1024);
		if (room == NULL) {
			ret->len = start;
			return kt_buf_check(ret, err);
		}
		ssize_t got = read(fd, room, 64 * 1024);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			ret->data[ret->len] = '\0';
			return got == 0 ? 0 : KT_FAIL_ERRNO(err, "reading '%s'", path);
		}
		ret->len += (size_t)got;
		if (ret->len - start > max) {
			ret->len = start;
			ret->data[start] = '\0';
			return KT_FAIL(err, EXHAUSTED, "'%s' is larger than %zu bytes", path, max);
		}
	}
}

int kt_fs_write_all(int fd, const void *data, size_t len, kt_err *err)
{
	const char *next = data;
	while (len > 0) {
		ssize_t put = write(fd, next, len);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put < 0) {
			return KT_FAIL_ERRNO(err, "writing %zu bytes", len);
		}
		next += put;
		len -= (size_t)put;
	}
	return 0;
}

int kt_fs_write(const char *path, const void *data, size_t len, mode_t mode, bool durable,
		kt_err *err)
{
	KT_AUTO_FREE char *temporary = kt_asprintf("%s.%.8s", path, kt_uuid_random().text);
	if (temporary == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "creating '%s'", temporary);
	}
	int rc = kt_fs_write_all(fd, data, len, err);
	if (rc == 0 && fchmod(fd, mode) < 0) {
		rc = KT_FAIL_ERRNO(err, "setting the mode of '%s'", temporary);
	}
	if (rc == 0 && durable && fsync(fd) < 0) {
		rc = KT_FAIL_ERRNO(err, "flushing '%s'", temporary);
	}
	if (rc == 0 && rename(temporary, path) < 0) {
		rc = KT_FAIL_ERRNO(err, "renaming '%s' to '%s'", temporary, path);
	}
	if (rc < 0) {
		unlink(temporary);
		return KT_WRAP(err, "writing '%s'", path);
	}
	return 0;
}

int kt_fs_mkdirs(const char *path, mode_t mode, kt_err *err)
{
	KT_AUTO_FREE char *partial = kt_strdup(path);
	if (partial == NULL) {
		return kt_err_nomem(err);
	}
	for (char *p = partial + 1;; p++) {
		bool end = *p == '\0';
		if (!end && *p != '/') {
			continue;
		}
		*p = '\0';
		if (mkdir(partial, mode) < 0 && (errno != EEXIST || (end && !kt_fs_is_dir(path)))) {
			return KT_FAIL_ERRNO(err, "creating directory '%s'", partial);
		}
		if (end) {
			return 0;
		}
		*p = '/';
	}
}

bool kt_fs_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

bool kt_fs_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *kt_path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	while (len > 1 && dir[len - 1] == '/') {
		len--;
	}
	while (*name == '/') {
		name++;
	}
	bool slash = len > 0 && dir[len - 1] != '/';
	return kt_asprintf("%.*s%s%s", (int)len, dir, slash ? "/" : "", name);
}

const char *kt_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

char *kt_path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL) {
		return kt_strdup(".");
	}
	return slash == path ? kt_strdup("/") : kt_strndup(path, (size_t)(slash - path));
}

/* Drops the last component of out, never below `floor` bytes. */
static size_t drop_last(const char *out, size_t len, size_t floor)
{
	while (len > floor && out[len - 1] != '/') {
		len--;
	}
	return len > floor && out[len - 1] == '/' ? len - 1 : len;
}

char *kt_path_clean(const char *path)
{
	bool rooted = path[0] == '/';
	char *out = kt_malloc(strlen(path) + 3);
	if (out == NULL) {
		return NULL;
	}
	size_t floor = rooted ? 1 : 0; /* bytes that ".." may not remove */
	size_t len = floor;
	out[0] = '/';
	for (const char *p = path; *p != '\0';) {
		size_t part = strcspn(p, "/");
		bool up = part == 2 && p[0] == '.' && p[1] == '.';
		if (up && len > floor) {
			len = drop_last(out, len, floor);
		} else if (part != 0 && !(part == 1 && p[0] == '.') && !(up && rooted)) {
			if (len > 0 && out[len - 1] != '/') {
				out[len++] = '/';
			}
			memcpy(out + len, p, part);
			len += part;
			floor = up ? len : floor;
		}
		p += part + (p[part] == '/' ? 1 : 0);
	}
	if (len == 0) {
		out[len++] = '.';
	}
	out[len] = '\0';
	return out;
}

char *kt_fs_mkdtemp(const char *dir, const char *prefix, kt_err *err)
{
	const char *parent = dir != NULL ? dir : kt_str_or(getenv("TMPDIR"), "/tmp");
	char *path = kt_asprintf("%s/%sXXXXXX", parent, prefix);
	if (path == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (mkdtemp(path) == NULL) {
		KT_FAIL_ERRNO(err, "creating a temporary directory in '%s'", parent);
		kt_free(path);
		return NULL;
	}
	return path;
}

typedef struct xdg_row {
	const char *kind;
	const char *fallback;
} xdg_row;

static const xdg_row xdg_rows[] = {
	{"CONFIG", ".config"},
	{"DATA", ".local/share"},
	{"CACHE", ".cache"},
	{"STATE", ".local/state"},
};

char *kt_fs_xdg(const char *kind, kt_err *err)
{
	char variable[32];
	snprintf(variable, sizeof(variable), "XDG_%s_HOME", kind);
	const char *base = getenv(variable);
	const char *home = getenv("HOME");
	char *path = NULL;
	if (!kt_str_empty(base)) {
		path = kt_asprintf("%s/kurtosis", base);
	} else if (kt_str_empty(home)) {
		KT_FAIL(err, PRECONDITION, "neither $%s nor $HOME is set", variable);
		return NULL;
	} else {
		for (size_t i = 0; i < KT_ARRAY_LEN(xdg_rows); i++) {
			if (strcmp(xdg_rows[i].kind, kind) == 0) {
				path = kt_asprintf("%s/%s/kurtosis", home, xdg_rows[i].fallback);
			}
		}
	}
	if (path == NULL) {
		kt_err_nomem(err);
	}
	return path;
}
