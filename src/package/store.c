/* Packages that a client sends: unpacked beside, then swapped in. */
#include "package/package.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "files/files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int unpack(const char *dir, kt_source archive, const kt_cancel *cancel, kt_err *err)
{
	if (chmod(dir, 0755) < 0) {
		return KT_FAIL_ERRNO(err, "cannot prepare '%s'", dir);
	}
	return kt_unpack(archive, dir, KT_EXTRACT_NO_LINKS | KT_EXTRACT_DIR_0755, cancel, err);
}

static int swap_in(const char *from, const char *to, kt_err *err)
{
	KT_AUTO_FREE char *parent = kt_path_dir(to);
	if (parent == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_remove_tree(to, err) < 0 || kt_fs_mkdirs(parent, 0755, err) < 0) {
		return -1;
	}
	return rename(from, to) < 0 ? KT_FAIL_ERRNO(err, "cannot move the package to '%s'", to) : 0;
}

int kt_package_store(const char *store_dir, const char *package_id, kt_source archive,
		     const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_LOCATOR kt_locator locator = {0};
	if (kt_locator_parse(package_id, &locator, err) < 0) {
		return KT_WRAP(err, "An error occurred parsing Git URL for package ID '%s'",
			       package_id);
	}
	if (kt_fs_mkdirs(store_dir, 0755, err) < 0) {
		return -1;
	}
	/* A name that no owner can have keeps half-made packages out of sight. */
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(store_dir, ".upload-", err);
	KT_AUTO_FREE char *to =
		kt_path_join(store_dir, locator.file_path[0] != '\0' ? locator.file_path
								     : locator.repo_path);
	if (dir == NULL) {
		return -1;
	}
	if (to == NULL) {
		return kt_err_nomem(err);
	}
	if (unpack(dir, archive, cancel, err) < 0 || swap_in(dir, to, err) < 0) {
		kt_fs_remove_tree(dir, NULL);
		return KT_WRAP(err, "An error occurred storing the uploaded package '%s'",
			       package_id);
	}
	return 0;
}
