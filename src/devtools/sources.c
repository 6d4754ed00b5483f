#include "devtools/sources.h"

#include "base/fs.h"
#include "base/str.h"
#include "devtools/glob.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 100 };

typedef struct search {
	const char *pattern, *ignore;
	kt_strvec *found;
} search;

static int visit(const search *s, const char *dir, const char *below, int depth, kt_err *err);

static int visit_entry(const search *s, const char *dir, const char *below, const char *name,
		       int depth, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	KT_AUTO_FREE char *relative =
		below[0] == '\0' ? kt_strdup(name) : kt_path_join(below, name);
	struct stat st;
	if (path == NULL || relative == NULL) {
		return kt_err_nomem(err);
	}
	if (s->ignore != NULL && kt_glob_match(s->ignore, relative)) {
		return 0;
	}
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		return kt_str_eq(name, ".git") ? 0 : visit(s, path, relative, depth + 1, err);
	}
	if (!kt_glob_match(s->pattern, relative) || stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		return 0;
	}
	return kt_strvec_add(s->found, relative) < 0 ? kt_err_nomem(err) : 0;
}

static int visit(const search *s, const char *dir, const char *below, int depth, kt_err *err)
{
	DIR *stream = depth > MAX_DEPTH ? NULL : opendir(dir);
	if (stream == NULL) {
		return depth > MAX_DEPTH ? 0 : KT_FAIL_ERRNO(err, "Cannot read directory '%s'", dir);
	}
	int rc = 0;
	for (struct dirent *entry; rc == 0 && (entry = readdir(stream)) != NULL;) {
		if (!kt_str_eq(entry->d_name, ".") && !kt_str_eq(entry->d_name, "..")) {
			rc = visit_entry(s, dir, below, entry->d_name, depth, err);
		}
	}
	closedir(stream);
	return rc;
}

int kt_sources_find(const char *dir, const char *pattern, const char *ignore, kt_strvec *ret,
		    kt_err *err)
{
	search s = {pattern, ignore, ret};
	if (visit(&s, dir, "", 0, err) < 0) {
		return -1;
	}
	kt_strvec_sort(ret);
	return 0;
}
