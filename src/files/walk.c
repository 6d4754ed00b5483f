#include "files/walk.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define DEPTH_MAX 256

typedef struct walk {
	kt_walk_fn fn;
	void *ctx;
	const kt_cancel *cancel;
	kt_buf path;
	unsigned depth;
} walk;

static void close_dir_ptr(DIR **dir)
{
	if (*dir != NULL) {
		closedir(*dir);
	}
}

static int read_names(DIR *list, kt_strvec *ret, const walk *self, kt_err *err)
{
	for (;;) {
		errno = 0;
		struct dirent *item = readdir(list);
		if (item == NULL) {
			break;
		}
		if (kt_str_eq(item->d_name, ".") || kt_str_eq(item->d_name, "..")) {
			continue;
		}
		if (kt_strvec_add(ret, item->d_name) < 0) {
			return kt_err_nomem(err);
		}
	}
	if (errno != 0) {
		return KT_FAIL_ERRNO(err, "listing the directory '%s' failed",
				     kt_buf_str(&self->path));
	}
	kt_strvec_sort(ret);
	return 0;
}

static int walk_dir(walk *self, int fd, kt_err *err);

static int walk_item(walk *self, int dir, const char *name, kt_err *err)
{
	if (kt_cancel_check(self->cancel, err) < 0) {
		return -1;
	}
	size_t len = self->path.len;
	if (len > 0) {
		kt_buf_addc(&self->path, '/');
	}
	kt_buf_adds(&self->path, name);
	if (kt_buf_check(&self->path, err) < 0) {
		return -1;
	}
	kt_walk_item item = {.path = self->path.data, .name = name, .dir = dir};
	if (fstatat(dir, name, &item.st, AT_SYMLINK_NOFOLLOW) < 0) {
		return KT_FAIL_ERRNO(err, "reading '%s' failed", self->path.data);
	}
	int rc = self->fn(self->ctx, &item, err);
	if (rc == 0 && S_ISDIR(item.st.st_mode)) {
		int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			return KT_FAIL_ERRNO(err, "opening '%s' failed", self->path.data);
		}
		rc = walk_dir(self, fd, err);
	}
	self->path.len = len;
	if (self->path.data != NULL) {
		self->path.data[len] = '\0';
	}
	return rc < 0 ? -1 : 0;
}

/* Takes fd. */
static int walk_dir(walk *self, int fd, kt_err *err)
{
	KT_CLEANUP(close_dir_ptr) DIR *list = fdopendir(fd);
	if (list == NULL) {
		kt_err_set_errno(err, errno, "opening '%s' failed", kt_buf_str(&self->path));
		kt_close_ptr(&fd);
		return -1;
	}
	if (self->depth >= DEPTH_MAX) {
		return KT_FAIL(err, INVALID, "'%s' lies too deep", kt_buf_str(&self->path));
	}
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	if (read_names(list, &names, self, err) < 0) {
		return -1;
	}
	self->depth++;
	for (size_t i = 0; i < names.len; i++) {
		if (walk_item(self, fd, names.items[i], err) < 0) {
			return -1;
		}
	}
	self->depth--;
	return 0;
}

int kt_walk(const char *dir, kt_walk_fn fn, void *ctx, const kt_cancel *cancel, kt_err *err)
{
	int fd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening the directory '%s' failed", dir);
	}
	walk self = {fn, ctx, cancel, KT_BUF_INIT, 0};
	int rc = walk_dir(&self, fd, err);
	kt_buf_deinit(&self.path);
	return rc;
}
