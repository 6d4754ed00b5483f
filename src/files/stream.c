#include "files/stream.h"

#include "base/fs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static ssize_t fd_read(void *ctx, void *buf, size_t cap, kt_err *err)
{
	int fd = *(const int *)ctx;
	for (;;) {
		ssize_t n = read(fd, buf, cap);
		if (n >= 0) {
			return n;
		}
		if (errno != EINTR) {
			return KT_FAIL_ERRNO(err, "reading the stream failed");
		}
	}
}

static int fd_write(void *ctx, const void *data, size_t len, kt_err *err)
{
	return kt_fs_write_all(*(const int *)ctx, data, len, err);
}

kt_source kt_source_fd(const int *fd)
{
	return (kt_source){fd_read, (void *)(uintptr_t)fd};
}

kt_sink kt_sink_fd(const int *fd)
{
	return (kt_sink){fd_write, (void *)(uintptr_t)fd};
}

static ssize_t mem_read(void *ctx, void *buf, size_t cap, kt_err *err)
{
	(void)err;
	kt_mem *mem = ctx;
	size_t n = KT_MIN(cap, mem->len);
	if (n > 0) {
		memcpy(buf, mem->data, n);
		mem->data += n;
		mem->len -= n;
	}
	return (ssize_t)n;
}

kt_source kt_source_mem(kt_mem *mem)
{
	return (kt_source){mem_read, mem};
}

static bool has_magic(const void *head, size_t len, const char *magic, size_t magic_len)
{
	return len >= magic_len && memcmp(head, magic, magic_len) == 0;
}

kt_compression kt_compression_detect(const void *head, size_t len)
{
	static const struct {
		const char *magic;
		size_t len;
		kt_compression format;
	} table[] = {
		{"\x1f\x8b", 2, KT_COMPRESSION_GZIP},
		{"\x28\xb5\x2f\xfd", 4, KT_COMPRESSION_ZSTD},
		{"\xfd"
		 "7zXZ\0",
		 6, KT_COMPRESSION_OTHER},
		{"BZh", 3, KT_COMPRESSION_OTHER},
		{"PK\x03\x04", 4, KT_COMPRESSION_OTHER},
		{"PK\x05\x06", 4, KT_COMPRESSION_OTHER},
		{"7z\xbc\xaf\x27\x1c", 6, KT_COMPRESSION_OTHER},
		{"Rar!", 4, KT_COMPRESSION_OTHER},
		{"\x04\x22\x4d\x18", 4, KT_COMPRESSION_OTHER},
		{"\x1f\x9d", 2, KT_COMPRESSION_OTHER},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(table); i++) {
		if (has_magic(head, len, table[i].magic, table[i].len)) {
			return table[i].format;
		}
	}
	return KT_COMPRESSION_NONE;
}
