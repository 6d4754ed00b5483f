/*
 * tar: reading ustar, GNU and pax streams, writing ustar with pax records where needed,
 * and extracting safely beneath a directory.
 *
 * The reader is a hostile-input parser: sizes, counts and name lengths are bounded, and
 * numbers that overflow are CORRUPT. One thread at a time per object.
 */
#ifndef KT_FILES_TAR_H
#define KT_FILES_TAR_H

#include "files/stream.h"

#include "base/thread.h"

#include <sys/types.h>

typedef enum kt_tar_type {
	KT_TAR_FILE,
	KT_TAR_HARDLINK,
	KT_TAR_SYMLINK,
	KT_TAR_CHAR,
	KT_TAR_BLOCK,
	KT_TAR_DIR,
	KT_TAR_FIFO,
} kt_tar_type;

typedef struct kt_tar_xattr {
	const char *name;
	const void *value;
	size_t len;
} kt_tar_xattr;

typedef struct kt_tar_entry {
	kt_tar_type type;
	const char *path; /* as stored, e.g. "./a/b" or "a/b/" */
	const char *link; /* target of links, else "" */
	uint64_t size;    /* of a file's content */
	mode_t mode;      /* permission bits with setuid, setgid, sticky */
	uid_t uid;
	gid_t gid;
	const char *uname; /* "" when absent */
	const char *gname;
	int64_t mtime;
	uint32_t mtime_ns;
	uint32_t dev_major;
	uint32_t dev_minor;
	const kt_tar_xattr *xattrs;
	size_t xattrs_len;
} kt_tar_entry;

/* 0 in a field = the default beside it. */
typedef struct kt_tar_limits {
	uint64_t max_bytes;   /* content of all entries together: 64 GiB */
	uint64_t max_entries; /* 4 Mi */
} kt_tar_limits;

typedef struct kt_tar_reader kt_tar_reader;
/* from must give the plain tar (see kt_inflate). limits may be NULL. */
KT_MUST_USE kt_tar_reader *kt_tar_reader_new(kt_source from, const kt_tar_limits *limits,
					     kt_err *err);
void kt_tar_reader_free(kt_tar_reader *self);
/* 1 and the next entry (borrowed until the next call), 0 at the end, -1 on error. */
int kt_tar_next(kt_tar_reader *self, const kt_tar_entry **ret, kt_err *err);
/* The next piece of the current entry's content: 1 with a borrowed view, 0 at its end, -1. */
int kt_tar_data(kt_tar_reader *self, const void **ret_data, size_t *ret_len, kt_err *err);

typedef struct kt_tar_writer kt_tar_writer;
KT_MUST_USE kt_tar_writer *kt_tar_writer_new(kt_sink to, kt_err *err);
void kt_tar_writer_free(kt_tar_writer *self);
/* Directories get their final slash here. Content of a file follows by kt_tar_write. */
int kt_tar_write_entry(kt_tar_writer *self, const kt_tar_entry *entry, kt_err *err);
/* Exactly entry.size bytes in all, in pieces of any size. */
int kt_tar_write(kt_tar_writer *self, const void *data, size_t len, kt_err *err);
/* Writes the end marks. Fails with INTERNAL when the last file is not complete. */
int kt_tar_finish(kt_tar_writer *self, kt_err *err);

enum {
	KT_EXTRACT_OWNERS = 1 << 0,    /* chown to the archive's ids (ignored when not root) */
	KT_EXTRACT_WHITEOUTS = 1 << 1, /* an image layer: .wh. names become overlay whiteouts */
	KT_EXTRACT_DEVICES = 1 << 2,   /* device nodes; otherwise they are refused */
	KT_EXTRACT_XATTRS = 1 << 3,    /* security.capability and user.* attributes */
	KT_EXTRACT_NO_LINKS = 1 << 4,  /* skip entries with a link target */
	KT_EXTRACT_DIR_0755 = 1 << 5,  /* directories get mode 0755 whatever the archive says */
};

/*
 * Extracts all entries beneath dir_fd. Nothing is created, changed or followed outside of
 * it, whatever the archive holds: a parent that is a symbolic link is resolved within the
 * directory, for layers as if the directory were the root; otherwise one that leads out is
 * refused (INVALID, "illegal file path: NAME"). An entry replaces an earlier one of the same
 * name; missing parents are made with mode 0755.
 */
int kt_tar_extract(kt_tar_reader *reader, int dir_fd, unsigned flags, const kt_cancel *cancel,
		   kt_err *err);

#endif
