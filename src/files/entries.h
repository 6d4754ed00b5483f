/* Archive entries from any reader, and their extraction: what tar and libarchive share. */
#ifndef KT_FILES_ENTRIES_H
#define KT_FILES_ENTRIES_H

#include "files/tar.h"

/* next and data as kt_tar_next and kt_tar_data. */
typedef struct kt_entries {
	int (*next)(void *ctx, const kt_tar_entry **ret, kt_err *err);
	int (*data)(void *ctx, const void **ret_data, size_t *ret_len, kt_err *err);
	void *ctx;
} kt_entries;

/* As kt_tar_extract. */
int kt_entries_extract(const kt_entries *from, int dir_fd, unsigned flags, const kt_cancel *cancel,
		       kt_err *err);

#endif
