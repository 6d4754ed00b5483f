/*
 * Files and directories. Paths are UTF-8 C strings. Nothing follows a symbolic link
 * that lies outside the named directory where the comment says "beneath". Blocking.
 */
#ifndef KT_BASE_FS_H
#define KT_BASE_FS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

void kt_close_ptr(int *fd); /* closes if >= 0, leaves -1 */
#define KT_AUTO_FD KT_CLEANUP(kt_close_ptr)

/* Reads a whole file; fails with EXHAUSTED past max bytes. ret is appended to. */
int kt_fs_read(const char *path, size_t max, kt_buf *ret, kt_err *err);
/* Writes whole: temporary file in the same directory, fsync if `durable`, rename. */
int kt_fs_write(const char *path, const void *data, size_t len, mode_t mode, bool durable,
		kt_err *err);
int kt_fs_mkdirs(const char *path, mode_t mode, kt_err *err); /* as mkdir -p */
/* Removes a tree; a missing path is no error. Does not cross mount points or follow links. */
int kt_fs_remove_tree(const char *path, kt_err *err);
/* Copies a tree with modes, owners (if root), times, links and xattrs; reflinks where possible. */
int kt_fs_copy_tree(const char *from, const char *to, kt_err *err);
bool kt_fs_exists(const char *path);
bool kt_fs_is_dir(const char *path);
/* write(2) until all is out. */
int kt_fs_write_all(int fd, const void *data, size_t len, kt_err *err);
/* "dir/name" with exactly one slash; the caller frees. */
char *kt_path_join(const char *dir, const char *name);
/* Lexically cleans "a/./b/../c" as Go's path.Clean; the caller frees. */
char *kt_path_clean(const char *path);
/* The last part; borrowed. */
const char *kt_path_base(const char *path);
/* All before the last slash ("." when there is none); the caller frees. */
char *kt_path_dir(const char *path);
/* A fresh directory PREFIXxxxxxx under dir (NULL: $TMPDIR or /tmp); the caller frees the path. */
char *kt_fs_mkdtemp(const char *dir, const char *prefix, kt_err *err);
/* $XDG_<kind>_HOME/kurtosis or its default below $HOME. kind: "CONFIG", "DATA", "CACHE", "STATE". */
char *kt_fs_xdg(const char *kind, kt_err *err);

#endif
