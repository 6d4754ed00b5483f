#include "files/ignore.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <fnmatch.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

void kt_ignore_deinit(kt_ignore *self)
{
	kt_strvec_deinit(&self->patterns);
}

static void trim(char **text)
{
	char *at = *text + strspn(*text, " \t\r");
	size_t len = strlen(at);
	while (len > 0 && strchr(" \t\r", at[len - 1]) != NULL) {
		len--;
	}
	at[len] = '\0';
	*text = at;
}

int kt_ignore_read(const char *dir, kt_ignore *ret, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, ".kurtosisignore");
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(path)) {
		return 0;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_STRVEC kt_strvec lines = KT_STRVEC_INIT;
	if (kt_fs_read(path, FILE_MAX_BYTES, &text, err) < 0) {
		return -1;
	}
	if (kt_strvec_split(&lines, kt_buf_str(&text), '\n') < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < lines.len; i++) {
		char *line = lines.items[i];
		trim(&line);
		if (line[0] != '\0' && line[0] != '#' && kt_strvec_add(&ret->patterns, line) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static bool match_parts(const char *pattern, const char *path)
{
	char part[256];
	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		if (len < sizeof(part)) {
			memcpy(part, path, len);
			part[len] = '\0';
			if (fnmatch(pattern, part, FNM_PATHNAME) == 0) {
				return true;
			}
		}
		path += len;
		path += strspn(path, "/");
	}
	return false;
}

static bool match_one(const char *pattern, const char *path, bool is_dir)
{
	char clean[1024];
	size_t len = strlen(pattern);
	if (len >= sizeof(clean)) {
		return false;
	}
	memcpy(clean, pattern, len + 1);
	if (len > 1 && clean[len - 1] == '/') {
		if (!is_dir) {
			return false;
		}
		clean[len - 1] = '\0';
	}
	if (strchr(clean, '/') != NULL) {
		const char *anchored = clean[0] == '/' ? clean + 1 : clean;
		return fnmatch(anchored, path, FNM_PATHNAME) == 0;
	}
	return match_parts(clean, path);
}

bool kt_ignore_match(const kt_ignore *self, const char *path, bool is_dir)
{
	for (size_t i = 0; i < self->patterns.len; i++) {
		if (match_one(self->patterns.items[i], path, is_dir)) {
			return true;
		}
	}
	return false;
}
