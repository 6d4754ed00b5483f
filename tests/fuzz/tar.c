/* Archives: decompression, headers, and extraction into a directory that nothing may leave. */
#include "fuzz.h"

#include "files/files.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <string.h>
#include <sys/stat.h>

/* Walks every entry and its content without touching the disk. */
static void read_all(const uint8_t *data, size_t len)
{
	kt_mem mem = {(const char *)data, len};
	kt_inflate *plain = kt_inflate_new(kt_source_mem(&mem), NULL);
	const kt_tar_limits limits = {1 << 22, 1000};
	kt_tar_reader *reader =
		plain != NULL ? kt_tar_reader_new(kt_inflate_source(plain), &limits, NULL) : NULL;
	const kt_tar_entry *entry = NULL;
	while (reader != NULL && kt_tar_next(reader, &entry, NULL) > 0) {
		const void *piece = NULL;
		size_t piece_len = 0;
		uint64_t total = 0;
		KT_ASSERT(strlen(entry->path) < 4096 && entry->mode <= 07777);
		while (kt_tar_data(reader, &piece, &piece_len, NULL) > 0) {
			total += piece_len;
		}
		KT_ASSERT(entry->type != KT_TAR_FILE || total <= entry->size);
	}
	kt_tar_reader_free(reader);
	kt_inflate_free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	read_all(data, len);
	/* Beside the target lies a directory that must stay as it is. */
	KT_AUTO_FREE char *top = kt_fs_mkdtemp(NULL, "kt-fuzz-tar-", NULL);
	KT_AUTO_FREE char *to = kt_path_join(top, "to");
	KT_AUTO_FREE char *beside = kt_path_join(top, "beside");
	struct stat before;
	struct stat after;
	KT_ASSERT(kt_fs_mkdirs(to, 0755, NULL) == 0 && kt_fs_mkdirs(beside, 0755, NULL) == 0);
	KT_ASSERT(stat(beside, &before) == 0);
	kt_mem mem = {(const char *)data, len};
	unsigned flags = len % 2 == 0 ? KT_EXTRACT_XATTRS : KT_EXTRACT_WHITEOUTS;
	kt_unpack(kt_source_mem(&mem), to, flags, NULL, NULL);
	KT_ASSERT(stat(beside, &after) == 0 && after.st_mode == before.st_mode &&
		  after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	kt_fs_remove_tree(top, NULL);
	return 0;
}
