/* Log files: whatever stands in one, every line that comes out lies within it. */
#include "fuzz.h"

#include "logs/logs.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <string.h>

static int count(void *ctx, const kt_log_entry *entry, kt_err *err)
{
	(void)err;
	KT_ASSERT(memchr(entry->text, '\n', entry->len) == NULL);
	++*(size_t *)ctx;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(NULL, "kt-fuzz-logs-", NULL);
	KT_AUTO_FREE char *path = kt_path_join(dir, "s.log");
	KT_AUTO_FREE char *older = kt_path_join(dir, "s.log.1");
	size_t half = len / 2;
	KT_ASSERT(kt_fs_write(older, data, half, 0600, false, NULL) == 0);
	KT_ASSERT(kt_fs_write(path, data + half, len - half, 0600, false, NULL) == 0);
	size_t all = 0;
	size_t last = 0;
	kt_log_query query = {.path = path, .all = true};
	KT_ASSERT(kt_log_read(&query, count, &all, NULL) == 0);
	query = (kt_log_query){.path = path, .lines = 3};
	KT_ASSERT(kt_log_read(&query, count, &last, NULL) == 0);
	KT_ASSERT(last <= all);
	kt_fs_remove_tree(dir, NULL);
	return 0;
}
