/* A directory or file as a tgz stream, and the content hash. */
#include "files/files.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"
#include "files/ignore.h"
#include "files/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define COPY_SIZE ((size_t)256 * 1024)

typedef struct packer {
	kt_tar_writer *tar;
	kt_ignore ignore;
	unsigned flags;
	const kt_cancel *cancel;
	kt_map links; /* "dev:ino" of files with several names -> first path */
	char *copy;
} packer;

static void packer_deinit(packer *self)
{
	kt_tar_writer_free(self->tar);
	kt_ignore_deinit(&self->ignore);
	kt_map_deinit(&self->links);
	kt_free(self->copy);
}

static void free_value(void *value)
{
	kt_free(value);
}

static int type_of(mode_t mode, kt_tar_type *ret)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		*ret = KT_TAR_FILE;
		return 0;
	case S_IFDIR:
		*ret = KT_TAR_DIR;
		return 0;
	case S_IFLNK:
		*ret = KT_TAR_SYMLINK;
		return 0;
	case S_IFCHR:
		*ret = KT_TAR_CHAR;
		return 0;
	case S_IFBLK:
		*ret = KT_TAR_BLOCK;
		return 0;
	case S_IFIFO:
		*ret = KT_TAR_FIFO;
		return 0;
	default:
		return -1;
	}
}

static void fill_entry(kt_tar_entry *entry, const struct stat *st)
{
	entry->size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	entry->mode = st->st_mode & 07777;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->uname = st->st_uid == 0 ? "root" : "";
	entry->gname = st->st_gid == 0 ? "root" : "";
	entry->mtime = st->st_mtim.tv_sec;
	entry->dev_major = major(st->st_rdev);
	entry->dev_minor = minor(st->st_rdev);
}

/* Copies exactly `size` bytes; a file that shrank meanwhile is an error. */
static int pack_content(packer *self, int fd, const char *path, uint64_t size, kt_err *err)
{
	while (size > 0) {
		if (kt_cancel_check(self->cancel, err) < 0) {
			return -1;
		}
		ssize_t n = read(fd, self->copy, (size_t)KT_MIN(size, (uint64_t)COPY_SIZE));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return KT_FAIL_ERRNO(err, "reading '%s' failed", path);
		}
		if (n == 0) {
			return KT_FAIL(err, IO, "'%s' became shorter while it was read", path);
		}
		if (kt_tar_write(self->tar, self->copy, (size_t)n, err) < 0) {
			return -1;
		}
		size -= (uint64_t)n;
	}
	return 0;
}

/* 1 when an earlier path of the same file exists (then entry is a hard link), 0, -1. */
static int find_hardlink(packer *self, const kt_walk_item *item, kt_tar_entry *entry, kt_err *err)
{
	if (!S_ISREG(item->st.st_mode) || item->st.st_nlink < 2) {
		return 0;
	}
	char key[64];
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)item->st.st_dev,
		 (unsigned long long)item->st.st_ino);
	const char *first = kt_map_get(&self->links, key);
	if (first != NULL) {
		entry->type = KT_TAR_HARDLINK;
		entry->link = first;
		return 1;
	}
	char *copy = kt_strdup(item->path);
	if (copy == NULL || kt_map_set(&self->links, key, copy) < 0) {
		kt_free(copy);
		return kt_err_nomem(err);
	}
	return 0;
}

static int pack_file(packer *self, int dir, const char *name, const kt_tar_entry *entry,
		     kt_err *err)
{
	KT_AUTO_FD int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s' failed", entry->path);
	}
	if (kt_tar_write_entry(self->tar, entry, err) < 0) {
		return -1;
	}
	return pack_content(self, fd, entry->path, entry->size, err);
}

static bool leaves_out(const packer *self, const kt_walk_item *item)
{
	bool top = strchr(item->path, '/') == NULL;
	bool is_dir = S_ISDIR(item->st.st_mode);
	if (top && (self->flags & KT_PACK_NO_GIT) != 0 && kt_str_eq(item->path, ".git")) {
		return true;
	}
	/* The original applies the ignore file to an archive's top level only. */
	return top && kt_ignore_match(&self->ignore, item->path, is_dir);
}

static int pack_item(void *ctx, const kt_walk_item *item, kt_err *err)
{
	packer *self = ctx;
	if (leaves_out(self, item)) {
		return KT_WALK_SKIP;
	}
	kt_tar_entry entry = {.path = item->path, .link = ""};
	char target[PATH_MAX];
	if (type_of(item->st.st_mode, &entry.type) < 0) {
		return 0; /* a socket */
	}
	fill_entry(&entry, &item->st);
	if (entry.type == KT_TAR_SYMLINK) {
		ssize_t n = readlinkat(item->dir, item->name, target, sizeof(target) - 1);
		if (n < 0) {
			return KT_FAIL_ERRNO(err, "reading the link '%s' failed", item->path);
		}
		target[n] = '\0';
		entry.link = target;
	}
	int linked = find_hardlink(self, item, &entry, err);
	if (linked < 0) {
		return -1;
	}
	if (entry.type == KT_TAR_FILE) {
		return pack_file(self, item->dir, item->name, &entry, err);
	}
	return kt_tar_write_entry(self->tar, &entry, err);
}

static int pack_single(packer *self, const char *path, const struct stat *st, kt_err *err)
{
	if (!S_ISREG(st->st_mode)) {
		return KT_FAIL(err, INVALID, "'%s' is neither a file nor a directory", path);
	}
	kt_tar_entry entry = {.type = KT_TAR_FILE, .path = kt_path_base(path), .link = ""};
	fill_entry(&entry, st);
	return pack_file(self, AT_FDCWD, path, &entry, err);
}

static int pack_tar(const char *path, unsigned flags, kt_sink to, const kt_cancel *cancel,
		    kt_err *err)
{
	KT_CLEANUP(packer_deinit)
	packer self = {.flags = flags, .cancel = cancel, .links = KT_MAP_OWNING(free_value)};
	struct stat st;
	if (stat(path, &st) < 0) {
		return KT_FAIL_ERRNO(err, "reading '%s' failed", path);
	}
	self.tar = kt_tar_writer_new(to, err);
	if (self.tar == NULL) {
		return -1;
	}
	self.copy = kt_malloc(COPY_SIZE);
	if (self.copy == NULL) {
		return kt_err_nomem(err);
	}
	if (!S_ISDIR(st.st_mode)) {
		if (pack_single(&self, path, &st, err) < 0) {
			return -1;
		}
		return kt_tar_finish(self.tar, err);
	}
	if ((flags & KT_PACK_IGNORE_FILE) != 0 && kt_ignore_read(path, &self.ignore, err) < 0) {
		return -1;
	}
	if (kt_walk(path, pack_item, &self, cancel, err) < 0) {
		return -1;
	}
	return kt_tar_finish(self.tar, err);
}

int kt_pack(const char *path, unsigned flags, kt_sink to, const kt_cancel *cancel, kt_err *err)
{
	if ((flags & KT_PACK_PLAIN) != 0) {
		return pack_tar(path, flags, to, cancel, err);
	}
	kt_deflate *gzip = kt_deflate_new(to, err);
	if (gzip == NULL) {
		return -1;
	}
	int rc = pack_tar(path, flags, kt_deflate_sink(gzip), cancel, err);
	if (rc == 0) {
		rc = kt_deflate_finish(gzip, err);
	}
	kt_deflate_free(gzip);
	return rc;
}

/* ---- Content hash ---- */

typedef struct hasher {
	kt_ignore ignore;
	kt_strvec paths;
	EVP_MD_CTX *md5;
	char *copy;
} hasher;

static void hasher_deinit(hasher *self)
{
	kt_ignore_deinit(&self->ignore);
	kt_strvec_deinit(&self->paths);
	EVP_MD_CTX_free(self->md5);
	kt_free(self->copy);
}

static int collect_path(void *ctx, const kt_walk_item *item, kt_err *err)
{
	hasher *self = ctx;
	if (kt_ignore_match(&self->ignore, item->path, S_ISDIR(item->st.st_mode))) {
		return KT_WALK_SKIP;
	}
	return kt_strvec_add(&self->paths, item->path) < 0 ? kt_err_nomem(err) : 0;
}

static int hash_file(hasher *self, const char *path, kt_err *err)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		if (errno == ENOENT) {
			return KT_FAIL(err, NOT_FOUND, "There was a path error for '%s'.", path);
		}
		return KT_FAIL_ERRNO(err, "reading '%s' failed", path);
	}
	if (!S_ISREG(st.st_mode)) {
		return 0;
	}
	KT_AUTO_FD int fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s' failed", path);
	}
	for (;;) {
		ssize_t n = read(fd, self->copy, COPY_SIZE);
		if (n == 0) {
			return 0;
		}
		if (n < 0 && errno != EINTR) {
			return KT_FAIL_ERRNO(err, "reading '%s' failed", path);
		}
		if (n > 0) {
			EVP_DigestUpdate(self->md5, self->copy, (size_t)n);
		}
	}
}

static int hash_tree(hasher *self, const char *path, unsigned flags, kt_err *err)
{
	if ((flags & KT_PACK_IGNORE_FILE) != 0 && kt_ignore_read(path, &self->ignore, err) < 0) {
		return -1;
	}
	if (kt_walk(path, collect_path, self, NULL, err) < 0) {
		return -1;
	}
	kt_strvec_sort(&self->paths);
	for (size_t i = 0; i < self->paths.len; i++) {
		KT_AUTO_FREE char *full = kt_path_join(path, self->paths.items[i]);
		if (full == NULL) {
			return kt_err_nomem(err);
		}
		EVP_DigestUpdate(self->md5, "/", 1);
		EVP_DigestUpdate(self->md5, self->paths.items[i], strlen(self->paths.items[i]));
		if (hash_file(self, full, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_content_md5(const char *path, unsigned flags, uint8_t ret[KT_MD5_LEN], kt_err *err)
{
	KT_CLEANUP(hasher_deinit) hasher self = {KT_IGNORE_INIT, KT_STRVEC_INIT, NULL, NULL};
	self.md5 = EVP_MD_CTX_new();
	self.copy = kt_malloc(COPY_SIZE);
	if (self.md5 == NULL || self.copy == NULL ||
	    EVP_DigestInit_ex(self.md5, EVP_md5(), NULL) != 1) {
		return kt_err_nomem(err);
	}
	int rc = kt_fs_is_dir(path) ? hash_tree(&self, path, flags, err)
				    : hash_file(&self, path, err);
	if (rc < 0) {
		return -1;
	}
	EVP_DigestFinal_ex(self.md5, ret, NULL);
	return 0;
}
