/* Which commit a locator means, and its tree on this machine. */
#include "package/cache.h"
#include "package/git.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FETCH_PREFIX "fetch-"
#define STALE_SECONDS (24 * 60 * 60)

/* DIR/WHAT/github.com/OWNER/REPO/LEAF, where leaf may not be a path. */
static char *entry_path(const kt_package_cache *self, const char *what, const kt_locator *locator,
			const char *leaf)
{
	return kt_asprintf("%s/%s/github.com/%s/%s", self->dir, what, locator->repo_path, leaf);
}

/* A ref as one file name: anything unusual becomes %XX, the default branch is "HEAD%". */
static char *ref_file_name(const char *ref)
{
	KT_AUTO_BUF kt_buf name = KT_BUF_INIT;
	for (const char *p = ref; *p != '\0'; p++) {
		if (isalnum((unsigned char)*p) || *p == '_' || *p == '-' ||
		    (*p == '.' && p > ref)) {
			kt_buf_addc(&name, *p);
		} else {
			kt_buf_addf(&name, "%%%02x", (unsigned)(unsigned char)*p);
		}
	}
	if (ref[0] == '\0') {
		kt_buf_adds(&name, "HEAD%");
	}
	return kt_buf_take(&name);
}

static char *ref_path(const kt_package_cache *self, const kt_locator *locator)
{
	KT_AUTO_FREE char *name = ref_file_name(locator->ref);
	return name == NULL ? NULL : entry_path(self, "refs", locator, name);
}

/* What the ref meant when it was last asked; false when it never was. */
static bool recall_ref(const kt_package_cache *self, const kt_locator *locator, kt_git_ref *ret)
{
	KT_AUTO_FREE char *path = ref_path(self, locator);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (path == NULL || kt_fs_read(path, 4096, &text, NULL) < 0 || text.len < KT_COMMIT_LEN) {
		return false;
	}
	memcpy(ret->commit, text.data, KT_COMMIT_LEN);
	ret->commit[KT_COMMIT_LEN] = '\0';
	memcpy(ret->name, ret->commit, KT_COMMIT_LEN + 1);
	return kt_git_is_commit(ret->commit);
}

/* Only a help for times without network: a failure is not worth an error. */
static void remember_ref(const kt_package_cache *self, const kt_locator *locator,
			 const kt_git_ref *ref)
{
	kt_git_ref known;
	if (recall_ref(self, locator, &known) && kt_str_eq(known.commit, ref->commit)) {
		return;
	}
	KT_AUTO_FREE char *path = ref_path(self, locator);
	KT_AUTO_FREE char *dir = path == NULL ? NULL : kt_path_dir(path);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (dir == NULL || kt_fs_mkdirs(dir, 0755, &err) < 0 ||
	    kt_fs_write(path, ref->commit, KT_COMMIT_LEN, 0644, false, &err) < 0) {
		KT_DEBUG("package", "cannot remember a ref of %s", locator->git_url);
	}
}

static int not_cached(const kt_locator *locator, kt_err *err)
{
	return KT_FAIL(err, NOT_FOUND,
		       "The repository '%s' is not in the package cache, and fetching is off",
		       locator->git_url);
}

/* Decides on a commit: the hash itself, the remote's answer, or without one the last answer. */
static int choose_commit(const kt_package_cache *self, const kt_locator *locator, kt_git_ref *ret,
			 kt_err *err)
{
	if (kt_git_is_commit(locator->ref)) {
		memcpy(ret->name, locator->ref, KT_COMMIT_LEN + 1);
		memcpy(ret->commit, locator->ref, KT_COMMIT_LEN + 1);
		return 0;
	}
	if (self->offline) {
		return recall_ref(self, locator, ret) ? 0 : not_cached(locator, err);
	}
	KT_AUTO_ERR kt_err why = KT_ERR_INIT;
	if (kt_git_resolve(self, locator, ret, &why) == 0) {
		remember_ref(self, locator, ret);
		return 0;
	}
	if (why.code == KT_ERR_UNAVAILABLE && recall_ref(self, locator, ret)) {
		KT_AUTO_FREE char *tree = entry_path(self, "trees", locator, ret->commit);
		if (tree != NULL && kt_fs_is_dir(tree)) {
			KT_DEBUG("package", "%s cannot be reached: using the copy of %.12s",
				 locator->git_url, ret->commit);
			return 0;
		}
	}
	kt_err_move(err, &why);
	return -1;
}

/* Makes the fetched directory visible under its commit; another process may have been first. */
static int publish(const kt_package_cache *self, const kt_locator *locator, const char *commit,
		   const char *fetched, char **ret_tree, kt_err *err)
{
	KT_AUTO_FREE char *tree = entry_path(self, "trees", locator, commit);
	KT_AUTO_FREE char *parent = tree == NULL ? NULL : kt_path_dir(tree);
	if (parent == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(parent, 0755, err) < 0) {
		return -1;
	}
	/* A tree that is there is whole, even after a power cut. */
	KT_AUTO_FD int fd = open(fetched, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0 || syncfs(fd) < 0) {
		return KT_FAIL_ERRNO(err, "cannot write the package cache '%s'", fetched);
	}
	if (rename(fetched, tree) < 0 && errno != EEXIST && errno != ENOTEMPTY) {
		return KT_FAIL_ERRNO(err,
				     "Cloning the repository '%s' failed. An error occurred while "
				     "moving repository at temporary destination '%s' to final "
				     "destination '%s'",
				     locator->git_url, fetched, tree);
	}
	*ret_tree = KT_STEAL(tree);
	return 0;
}

/* Fetches that a killed process left behind. Only a help: failures do not matter. */
static void sweep(const char *tmp)
{
	DIR *dir = opendir(tmp);
	if (dir == NULL) {
		return;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		KT_AUTO_FREE char *path = kt_path_join(tmp, e->d_name);
		struct stat st;
		if (path != NULL && kt_str_starts(e->d_name, FETCH_PREFIX) &&
		    lstat(path, &st) == 0 &&
		    st.st_mtim.tv_sec < kt_wall_ns() / KT_NS_PER_S - STALE_SECONDS) {
			kt_fs_remove_tree(path, NULL);
		}
	}
	closedir(dir);
}

static int fetch_tree(const kt_package_cache *self, const kt_locator *locator, kt_git_ref *ref,
		      char **ret_tree, kt_err *err)
{
	KT_AUTO_FREE char *tmp = kt_path_join(self->dir, "tmp");
	if (tmp == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(tmp, 0755, err) < 0) {
		return -1;
	}
	sweep(tmp);
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(tmp, FETCH_PREFIX, err);
	if (dir == NULL) {
		return KT_WRAP(err,
			       "Cloning the repository '%s' failed. Error creating temporary "
			       "directory for the repository to be cloned into",
			       locator->git_url);
	}
	int rc = kt_git_fetch(self, locator, ref, dir, err);
	if (rc == 0) {
		rc = publish(self, locator, ref->commit, dir, ret_tree, err);
	}
	if (kt_fs_exists(dir)) {
		kt_fs_remove_tree(dir, NULL);
	}
	return rc;
}

/* The reference's sentence in front, what git said behind it, what to do as hint. */
static int explain(const kt_locator *locator, kt_err *err)
{
	if (err == NULL) {
		return -1;
	}
	if (err->code == KT_ERR_UNAVAILABLE) {
		kt_err_wrap(err,
			    "Error in cloning git repository '%s'. Make sure that '%s' exists or if "
			    "it's a private repository, that you are logged into GitHub via "
			    "`kurtosis github login`.",
			    locator->git_url, locator->git_url);
		kt_err_hint(err, "try `git ls-remote %s` in a shell: the same git configuration, "
				 "proxies and credentials apply here",
			    locator->git_url);
	} else if (err->code == KT_ERR_MISSING_PROGRAM) {
		/* In the message, not only in the hint: not every way to the user shows hints. */
		kt_err_wrap(err,
			    "The repository '%s' cannot be fetched without the program git: install "
			    "the Debian package 'git'",
			    locator->git_url);
	}
	return -1;
}

char *kt_package_cache_tree(const kt_package_cache *self, const kt_locator *locator,
			    bool *ret_fetched, kt_err *err)
{
	kt_git_ref ref = {0};
	if (choose_commit(self, locator, &ref, err) < 0) {
		explain(locator, err);
		return NULL;
	}
	KT_AUTO_FREE char *tree = entry_path(self, "trees", locator, ref.commit);
	if (tree == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	bool fetched = false;
	if (!kt_fs_is_dir(tree)) {
		if (self->offline) {
			not_cached(locator, err);
			return NULL;
		}
		kt_free(KT_STEAL(tree));
		if (fetch_tree(self, locator, &ref, &tree, err) < 0) {
			explain(locator, err);
			return NULL;
		}
		remember_ref(self, locator, &ref);
		fetched = true;
	}
	if (ret_fetched != NULL) {
		*ret_fetched = fetched;
	}
	return KT_STEAL(tree);
}
