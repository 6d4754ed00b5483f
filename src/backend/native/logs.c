/* One service's log as raw text, from the supervisor's files (log_format.h). */
#include "backend/native/log_format.h"
#include "backend/native/native_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 16

/* A log file mapped into memory; len 0 when there is none. */
typedef struct mapped {
	const char *data;
	size_t len;
} mapped;

static mapped map_file(const char *path)
{
	struct stat st;
	KT_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
		return (mapped){NULL, 0};
	}
	size_t len = (size_t)st.st_size;
	void *data = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	return data == MAP_FAILED ? (mapped){NULL, 0} : (mapped){data, len};
}

static void unmap(mapped *file)
{
	if (file->data != NULL) {
		munmap((void *)file->data, file->len);
	}
}

/* The record that begins at `at`: its text, whether the line ends there, where the next begins. */
typedef struct entry {
	const char *text;
	size_t len;
	bool ends_line;
	size_t next;
} entry;

static bool read_entry(const mapped *file, size_t at, entry *ret)
{
	const char *end = memchr(file->data + at, '\n', file->len - at);
	if (end == NULL) {
		return false; /* still being written */
	}
	size_t len = (size_t)(end - file->data) - at;
	ret->next = at + len + 1;
	if (len < KT_LOG_TEXT_OFFSET) {
		*ret = (entry){file->data + at, 0, true, ret->next}; /* not ours */
		return true;
	}
	ret->text = file->data + at + KT_LOG_TEXT_OFFSET;
	ret->len = len - KT_LOG_TEXT_OFFSET;
	ret->ends_line = file->data[at + KT_LOG_TAG_OFFSET] == 'F';
	return true;
}

/* Goes back over complete lines: where the last `lines` of them begin; counts them. */
static size_t tail_start(const mapped *file, size_t lines, size_t *found)
{
	size_t at = file->len;
	size_t start = file->len;
	while (at > 0 && file->data[at - 1] != '\n') {
		at--; /* a record still being written */
	}
	start = at;
	bool newest = true;
	while (at > 0) {
		size_t begin = at - 1;
		while (begin > 0 && file->data[begin - 1] != '\n') {
			begin--;
		}
		entry record;
		bool ends = read_entry(file, begin, &record) && record.ends_line;
		if (ends || newest) {
			if (*found == lines) {
				return start;
			}
			(*found)++;
		}
		newest = false;
		start = begin;
		at = begin;
	}
	return start;
}

/* Appends the text from `at` on; stops at the buffer's maximum. */
static void append_from(const mapped *file, size_t at, kt_buf *ret)
{
	entry record;
	while (at < file->len && read_entry(file, at, &record)) {
		size_t room = ret->max == 0 ? SIZE_MAX : ret->max - ret->len;
		size_t len = KT_MIN(record.len, room);
		kt_buf_add(ret, record.text, len);
		if (record.ends_line && room > len) {
			kt_buf_addc(ret, '\n');
		}
		if (room <= record.len) {
			return;
		}
		at = record.next;
	}
}

int native_service_logs(kt_backend *base, const char *enclave, const char *uuid, size_t lines,
			kt_buf *ret, kt_err *err)
{
	native_backend *self = native_of(base);
	mapped files[FILES_MAX] = {0};
	size_t starts[FILES_MAX] = {0};
	size_t len = 0;
	size_t found = 0;
	if (native_check_id("an enclave", enclave, err) < 0 ||
	    native_check_id("a service", uuid, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *path = native_log_path(self, enclave, uuid);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	for (; len < FILES_MAX && (lines == 0 || found < lines); len++) {
		KT_AUTO_FREE char *name =
			len == 0 ? kt_strdup(path) : kt_asprintf("%s.%zu", path, len);
		if (name == NULL) {
			break;
		}
		if (len > 0 && !kt_fs_exists(name)) {
			break;
		}
		files[len] = map_file(name);
		starts[len] = lines == 0 ? 0 : tail_start(&files[len], lines, &found);
	}
	for (size_t i = len; i-- > 0;) {
		append_from(&files[i], starts[i], ret);
	}
	bool any = len > 1 || files[0].data != NULL;
	for (size_t i = 0; i < len; i++) {
		unmap(&files[i]);
	}
	if (!any && !kt_fs_exists(path)) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		native_record record; /* a service that has written nothing yet, or none at all */
		return native_record_read(self, enclave, uuid, &arena, &record, err);
	}
	return kt_buf_check(ret, err);
}
