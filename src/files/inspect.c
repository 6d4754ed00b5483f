/* Reading artifacts back: as a tgz stream, and as a listing with previews. */
#include "files/files.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/utf8.h"
#include "files/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A preview must fit into one message; larger files show none. */
#define PREVIEW_MAX ((size_t)1024 * 1024)
#define PREVIEW_LINE_MAX ((size_t)64 * 1024)

typedef struct inspection {
	kt_artifact_entry_fn fn;
	void *ctx;
	kt_buf path;
	kt_buf text;
	kt_buf preview;
} inspection;

static int find_or_fail(kt_artifacts *self, const char *identifier, kt_artifact *ret, kt_err *err)
{
	int rc = kt_artifacts_find(self, identifier, ret, err);
	if (rc == 0) {
		return KT_FAIL(err, NOT_FOUND,
			       "An error occurred getting files artifact '%s', it doesn't exist in "
			       "this enclave",
			       identifier);
	}
	return rc < 0 ? -1 : 0;
}

int kt_artifacts_read(kt_artifacts *self, const char *identifier, kt_sink to,
		      const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_ARTIFACT kt_artifact item = KT_ARTIFACT_INIT;
	if (find_or_fail(self, identifier, &item, err) < 0) {
		return -1;
	}
	return kt_pack(item.dir, 0, to, cancel, err);
}

static bool line_printable(const char *line, size_t len)
{
	if (len >= PREVIEW_LINE_MAX) {
		return false;
	}
	size_t i = 0;
	while (i < len) {
		size_t width = 0;
		uint32_t rune = kt_utf8_decode(line + i, len - i, &width);
		bool damaged = rune == KT_RUNE_ERROR && width == 1;
		if (damaged || !kt_rune_is_print(rune)) {
			return false;
		}
		i += width;
	}
	return true;
}

/* Every line ends in "\n" in the preview, whether it did in the file or not. */
static bool make_preview(const kt_buf *text, kt_buf *preview)
{
	kt_buf_clear(preview);
	const char *at = kt_buf_str(text);
	const char *end = at + text->len;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline != NULL ? newline : end;
		size_t len = (size_t)(stop - at);
		if (newline != NULL && len > 0 && at[len - 1] == '\r') {
			len--; /* line readers drop it */
		}
		if (!line_printable(at, len)) {
			return false;
		}
		kt_buf_add(preview, at, len);
		kt_buf_addc(preview, '\n');
		at = newline != NULL ? newline + 1 : end;
	}
	return kt_buf_check(preview, NULL) == 0;
}

static int read_text(const kt_walk_item *item, kt_buf *ret, kt_err *err)
{
	KT_AUTO_FD int fd = openat(item->dir, item->name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "opening '%s' failed", item->path);
	}
	kt_buf_clear(ret);
	while (ret->len <= PREVIEW_MAX) {
		char *room = kt_buf_reserve(ret, 65536);
		if (room == NULL) {
			return kt_err_nomem(err);
		}
		ssize_t n = read(fd, room, 65536);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return KT_FAIL_ERRNO(err, "reading '%s' failed", item->path);
		}
		if (n == 0) {
			break;
		}
		ret->len += (size_t)n;
	}
	return 0;
}

static int inspect_item(void *ctx, const kt_walk_item *item, kt_err *err)
{
	inspection *self = ctx;
	kt_buf_clear(&self->path);
	kt_buf_adds(&self->path, item->path);
	if (S_ISDIR(item->st.st_mode)) {
		kt_buf_addc(&self->path, '/');
	}
	if (kt_buf_check(&self->path, err) < 0) {
		return -1;
	}
	kt_artifact_entry entry = {.path = self->path.data};
	if (S_ISREG(item->st.st_mode)) {
		entry.size = (uint64_t)item->st.st_size;
		if (entry.size <= PREVIEW_MAX) {
			if (read_text(item, &self->text, err) < 0) {
				return -1;
			}
			if (make_preview(&self->text, &self->preview)) {
				entry.preview = kt_buf_str(&self->preview);
			}
		}
	}
	return self->fn(self->ctx, &entry, err) != 0 ? -1 : 0;
}

int kt_artifacts_inspect(kt_artifacts *self, const char *identifier, kt_artifact_entry_fn fn,
			 void *ctx, kt_err *err)
{
	KT_AUTO_ARTIFACT kt_artifact item = KT_ARTIFACT_INIT;
	if (find_or_fail(self, identifier, &item, err) < 0) {
		return -1;
	}
	inspection walk = {fn, ctx, KT_BUF_INIT, KT_BUF_INIT, KT_BUF_INIT};
	int rc = kt_walk(item.dir, inspect_item, &walk, NULL, err);
	kt_buf_deinit(&walk.path);
	kt_buf_deinit(&walk.text);
	kt_buf_deinit(&walk.preview);
	return rc;
}
