/* Running git for the package cache. Private to the module. Blocking; thread-safe. */
#ifndef KT_PACKAGE_GIT_H
#define KT_PACKAGE_GIT_H

#include "package/cache.h"

/*
 * Runs git with these arguments (NULL-terminated, without "git") in dir (NULL = here). Never
 * asks for a password. A non-zero exit is UNAVAILABLE with git's own last words. ret_out, if
 * not NULL, receives standard output.
 */
int kt_git(const kt_package_cache *cache, const char *dir, const char *const *args, kt_buf *ret_out,
	   kt_err *err);

typedef struct kt_git_ref {
	char name[1024]; /* what to fetch: "HEAD", "refs/tags/…", "refs/heads/…" or the commit */
	char commit[KT_COMMIT_LEN + 1];
} kt_git_ref;

/*
 * Asks the remote what ref ("" = its default branch) is: a tag, else a branch, else a full commit
 * hash. NOT_FOUND with the reference's text when it is none of them; UNAVAILABLE when the remote
 * cannot be asked.
 */
int kt_git_resolve(const kt_package_cache *cache, const kt_locator *locator, kt_git_ref *ret,
		   kt_err *err);

/* Fetches ref into the empty directory dir, without history and without .git; *ref's commit is
 * set to what was really fetched. */
int kt_git_fetch(const kt_package_cache *cache, const kt_locator *locator, kt_git_ref *ref,
		 const char *dir, kt_err *err);

bool kt_git_is_commit(const char *text); /* 40 lower-case hex digits */

#endif
