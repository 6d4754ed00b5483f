#include "backend/native/paths.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *pick(const char *variable, const char *for_root, const char *xdg_dir, kt_err *err)
{
	const char *set = getenv(variable);
	char *path = NULL;
	if (!kt_str_empty(set)) {
		path = kt_strdup(set);
	} else if (geteuid() == 0) {
		path = kt_strdup(for_root);
	} else if (xdg_dir == NULL) {
		return kt_fs_xdg("DATA", err);
	} else {
		path = kt_asprintf("%s/kurtosis", xdg_dir);
	}
	if (path == NULL) {
		kt_err_nomem(err);
	}
	return path;
}

int kt_paths_init(kt_paths *ret, kt_err *err)
{
	KT_AUTO_PATHS kt_paths paths = KT_PATHS_INIT;
	KT_AUTO_FREE char *fallback = kt_asprintf("/tmp/kurtosis-%ld", (long)geteuid());
	if (fallback == NULL) {
		return kt_err_nomem(err);
	}
	const char *xdg_runtime = kt_str_or(getenv("XDG_RUNTIME_DIR"), fallback);
	paths.root = pick("KURTOSIS_HOME", "/var/lib/kurtosis", NULL, err);
	if (paths.root == NULL) {
		return -1;
	}
	paths.runtime = pick("KURTOSIS_RUNTIME_DIR", "/run/kurtosis", xdg_runtime, err);
	if (paths.runtime == NULL) {
		return -1;
	}
	if (paths.root[0] != '/' || paths.runtime[0] != '/') {
		return KT_FAIL(err, INVALID,
			       "KURTOSIS_HOME and KURTOSIS_RUNTIME_DIR must be absolute paths, "
			       "but are '%s' and '%s'",
			       paths.root, paths.runtime);
	}
	if (kt_fs_mkdirs(paths.root, 0755, err) < 0 || kt_fs_mkdirs(paths.runtime, 0711, err) < 0) {
		kt_err_hint(err, "set KURTOSIS_HOME and KURTOSIS_RUNTIME_DIR to writable directories");
		return -1;
	}
	ret->root = KT_STEAL(paths.root);
	ret->runtime = KT_STEAL(paths.runtime);
	return 0;
}

void kt_paths_deinit(kt_paths *self)
{
	kt_free(self->root);
	kt_free(self->runtime);
	*self = (kt_paths)KT_PATHS_INIT;
}

static char *below(const char *dir, const char *fmt, va_list args)
{
	char name[512];
	int len = vsnprintf(name, sizeof(name), fmt, args);
	if (len < 0 || (size_t)len >= sizeof(name)) {
		return NULL;
	}
	return kt_path_join(dir, name);
}

char *kt_paths_root(const kt_paths *self, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *path = below(self->root, fmt, args);
	va_end(args);
	return path;
}

char *kt_paths_runtime(const kt_paths *self, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *path = below(self->runtime, fmt, args);
	va_end(args);
	return path;
}

char *kt_paths_program(const char *name, kt_err *err)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0) {
		KT_FAIL_ERRNO(err, "cannot tell where this program is");
		return NULL;
	}
	self[len] = '\0';
	KT_AUTO_FREE char *dir = kt_path_dir(self);
	KT_AUTO_FREE char *beside = dir == NULL ? NULL : kt_path_join(dir, name);
	KT_AUTO_FREE char *libexec =
		dir == NULL ? NULL : kt_asprintf("%s/../libexec/kurtosis/%s", dir, name);
	if (beside == NULL || libexec == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (access(beside, X_OK) == 0) {
		return KT_STEAL(beside);
	}
	if (access(libexec, X_OK) == 0) {
		return KT_STEAL(libexec);
	}
	KT_FAIL(err, MISSING_PROGRAM, "'%s' is neither at '%s' nor at '%s'", name, beside, libexec);
	kt_err_hint(err, "reinstall: the programs of this package belong side by side");
	return NULL;
}
