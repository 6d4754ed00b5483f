/*
 * The machine-wide cache of fetched repositories: one read-only tree per commit.
 *
 *   DIR/trees/github.com/OWNER/REPO/COMMIT/…   the files, without .git
 *   DIR/refs/github.com/OWNER/REPO/REF         the commit that REF last meant
 *   DIR/tmp/                                   fetches under way
 *
 * A tree appears by one rename, so any number of processes may share the directory. A
 * commit is fetched once per machine. Whether a tag or branch has moved is asked of the
 * remote (one `git ls-remote`); a full commit hash asks nothing.
 */
#ifndef KT_PACKAGE_CACHE_H
#define KT_PACKAGE_CACHE_H

#include "package/package.h"

#define KT_COMMIT_LEN 40

typedef struct kt_package_cache {
	const char *dir;
	const char *auth_token; /* for https://github.com; NULL = the user's git configuration */
	bool offline;           /* use what the refs said last, never ask */
	kt_cancel *cancel;
} kt_package_cache;

/*
 * The directory of the tree that the locator's repository has at its ref, fetched if need be.
 * The caller frees. ret_fetched (may be NULL) tells whether this call downloaded it. Blocking.
 */
char *kt_package_cache_tree(const kt_package_cache *self, const kt_locator *locator,
			    bool *ret_fetched, kt_err *err);

#endif
