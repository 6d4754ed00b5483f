/* Unpacking any archive: tar by our own reader, all else through libarchive. */
#include "files/files.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "files/entries.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define FEED_SIZE ((size_t)64 * 1024)
#define OTHER_MAX_BYTES (UINT64_C(64) * 1024 * 1024 * 1024)
#define OTHER_MAX_ENTRIES (UINT64_C(4) * 1024 * 1024)

typedef struct other_reader {
	struct archive *archive;
	kt_source from;
	char *feed;
	kt_err source_err; /* what the source said, behind libarchive's back */
	kt_tar_entry entry;
	uint64_t bytes;
	uint64_t entries;
} other_reader;

static void other_deinit(other_reader *self)
{
	if (self->archive != NULL) {
		archive_read_free(self->archive);
	}
	kt_free(self->feed);
	kt_err_release(&self->source_err);
}

static la_ssize_t other_feed(struct archive *archive, void *ctx, const void **ret)
{
	other_reader *self = ctx;
	ssize_t n = self->from.read(self->from.ctx, self->feed, FEED_SIZE, &self->source_err);
	if (n < 0) {
		archive_set_error(archive, EIO, "reading the stream failed");
		return ARCHIVE_FATAL;
	}
	*ret = self->feed;
	return n;
}

static int other_fail(other_reader *self, kt_err *err)
{
	if (self->source_err.code != KT_ERR_OK) {
		kt_err_move(err, &self->source_err);
		return -1;
	}
	return KT_FAIL(err, CORRUPT, "the archive cannot be read: %s",
		       kt_str_or(archive_error_string(self->archive), "unknown format"));
}

static kt_tar_type other_type(struct archive_entry *item)
{
	if (archive_entry_hardlink(item) != NULL) {
		return KT_TAR_HARDLINK;
	}
	switch (archive_entry_filetype(item)) {
	case AE_IFDIR:
		return KT_TAR_DIR;
	case AE_IFLNK:
		return KT_TAR_SYMLINK;
	case AE_IFCHR:
		return KT_TAR_CHAR;
	case AE_IFBLK:
		return KT_TAR_BLOCK;
	case AE_IFIFO:
		return KT_TAR_FIFO;
	default:
		return KT_TAR_FILE;
	}
}

static int other_next(void *ctx, const kt_tar_entry **ret, kt_err *err)
{
	other_reader *self = ctx;
	struct archive_entry *item = NULL;
	int rc = archive_read_next_header(self->archive, &item);
	if (rc == ARCHIVE_EOF) {
		return 0;
	}
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
		return other_fail(self, err);
	}
	if (++self->entries > OTHER_MAX_ENTRIES) {
		return KT_FAIL(err, EXHAUSTED, "the archive holds too many entries");
	}
	const char *path = archive_entry_pathname(item);
	if (path == NULL) {
		return KT_FAIL(err, INVALID, "a name in the archive is not valid text");
	}
	kt_tar_entry *entry = &self->entry;
	*entry = (kt_tar_entry){.type = other_type(item), .path = path, .uname = "", .gname = ""};
	const char *link = entry->type == KT_TAR_HARDLINK ? archive_entry_hardlink(item)
							  : archive_entry_symlink(item);
	entry->link = kt_str_or(link, "");
	entry->size = (uint64_t)KT_MAX(archive_entry_size(item), 0);
	entry->mode = archive_entry_perm(item);
	entry->uid = (uid_t)archive_entry_uid(item);
	entry->gid = (gid_t)archive_entry_gid(item);
	entry->mtime = archive_entry_mtime(item);
	entry->mtime_ns = (uint32_t)archive_entry_mtime_nsec(item);
	entry->dev_major = (uint32_t)archive_entry_rdevmajor(item);
	entry->dev_minor = (uint32_t)archive_entry_rdevminor(item);
	*ret = entry;
	return 1;
}

static int other_data(void *ctx, const void **ret_data, size_t *ret_len, kt_err *err)
{
	other_reader *self = ctx;
	for (;;) {
		la_int64_t offset = 0;
		int rc = archive_read_data_block(self->archive, ret_data, ret_len, &offset);
		if (rc == ARCHIVE_EOF) {
			return 0;
		}
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
			return other_fail(self, err);
		}
		self->bytes += *ret_len;
		if (self->bytes > OTHER_MAX_BYTES) {
			return KT_FAIL(err, EXHAUSTED, "the archive holds too much data");
		}
		if (*ret_len > 0) {
			return 1;
		}
	}
}

static int unpack_other(kt_source from, int dir, unsigned flags, const kt_cancel *cancel,
			kt_err *err)
{
	KT_CLEANUP(other_deinit) other_reader self = {.from = from, .source_err = KT_ERR_INIT};
	self.feed = kt_malloc(FEED_SIZE);
	self.archive = archive_read_new();
	if (self.feed == NULL || self.archive == NULL) {
		return kt_err_nomem(err);
	}
	archive_read_support_filter_all(self.archive);
	archive_read_support_format_all(self.archive);
	if (archive_read_open(self.archive, &self, NULL, other_feed, NULL) != ARCHIVE_OK) {
		return other_fail(&self, err);
	}
	kt_entries entries = {other_next, other_data, &self};
	return kt_entries_extract(&entries, dir, flags, cancel, err);
}

static int unpack_tar(kt_source from, int dir, unsigned flags, const kt_cancel *cancel, kt_err *err)
{
	kt_tar_reader *reader = kt_tar_reader_new(from, NULL, err);
	if (reader == NULL) {
		return -1;
	}
	int rc = kt_tar_extract(reader, dir, flags, cancel, err);
	kt_tar_reader_free(reader);
	return rc;
}

int kt_unpack(kt_source from, const char *dir, unsigned flags, const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_FD int fd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening the directory '%s' failed", dir);
	}
	kt_inflate *plain = kt_inflate_new(from, err);
	if (plain == NULL) {
		return -1;
	}
	kt_compression format = KT_COMPRESSION_NONE;
	int rc = kt_inflate_format(plain, &format, err);
	if (rc == 0) {
		rc = format == KT_COMPRESSION_OTHER
			     ? unpack_other(kt_inflate_source(plain), fd, flags, cancel, err)
			     : unpack_tar(kt_inflate_source(plain), fd, flags, cancel, err);
	}
	kt_inflate_free(plain);
	return rc;
}
