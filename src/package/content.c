/* What one run reads: the root package, uploaded packages, fetched repositories. */
#include "package/package.h"
#include "package/cache.h"
#include "package/compose.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((size_t)256 * 1024 * 1024)
#define PACKAGES_URL "https://docs.kurtosis.com/concepts-reference/packages"
#define REPO_PREFIX "github.com/"

struct kt_content {
	char *cache_dir;
	char *store_dir;
	char *auth_token;
	bool offline;
	kt_content_fetch *fetch_url;
	kt_cancel *cancel;
	char *root_id;	/* "" for a script */
	char *root_dir; /* NULL for a script */
	const char *compose; /* name of its compose file, when that is the package; static */
	kt_map replace; /* of the root package; owns its values */
	/* "OWNER/REPO@REF" -> tree (owned); "OWNER/REPO" -> the first tree used in this run. */
	kt_map trees;
	char *download_dir;
	kt_strvec downloads;
};

/* --- small questions ------------------------------------------------------ */

/* True when path is dir itself or lies beneath it. */
static bool is_beneath(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* A fetched or uploaded tree is a stranger's: no link in it may lead out of it. */
static int check_inside(const char *path, const char *tree, const char *locator, kt_err *err)
{
	char *real = realpath(path, NULL);
	char *real_tree = realpath(tree, NULL);
	/* What does not exist is reported by whoever opens it. */
	bool good = real == NULL || real_tree == NULL || is_beneath(real, real_tree);
	free(real);
	free(real_tree);
	return good ? 0
		    : KT_FAIL(err, PERMISSION,
			      "'%s' is a link that leads out of its package: such files are not "
			      "read",
			      locator);
}

/* The locator without its @ref: github.com/OWNER/REPO/PATH. */
static char *plain_locator(const kt_locator *locator)
{
	return kt_asprintf(REPO_PREFIX "%s", locator->file_path[0] != '\0' ? locator->file_path
									   : locator->repo_path);
}

/* "PATH…" below OWNER/REPO, with its leading slash; "" for the repository itself. */
static const char *path_in_repo(const kt_locator *locator)
{
	return locator->file_path[0] == '\0' ? ""
					     : locator->file_path + strlen(locator->repo_path);
}

/* --- opening -------------------------------------------------------------- */

static int check_name(const kt_package_yml *yml, const char *dir, const char *expected, kt_err *err)
{
	if (kt_str_ends(yml->name, "/")) {
		return KT_FAIL(err, INVALID,
			       "Kurtosis package name cannot have trailing \"/\"; package name: %s "
			       "and kurtosis.yml is found at: %s",
			       yml->name, dir);
	}
	KT_AUTO_LOCATOR kt_locator locator = {0};
	if (kt_locator_parse(yml->name, &locator, err) < 0) {
		return KT_WRAP(err,
			       "Error occurred while validating package name: %s which is found in "
			       "kurtosis.yml at: '%s'",
			       yml->name, dir);
	}
	if (expected != NULL && !kt_str_eq(expected, yml->name)) {
		return KT_FAIL(err, INVALID,
			       "The package name in kurtosis.yml must match the location it is in. "
			       "Package name is '%s' and kurtosis.yml is found here: '%s'",
			       yml->name, expected);
	}
	return 0;
}

/* A root without kurtosis.yml: its compose file is the package, under the id it was asked for. */
static int read_compose_root(kt_content *self, const char *expected, kt_err *err)
{
	KT_AUTO_BUF kt_buf names = KT_BUF_INIT;
	self->compose = kt_compose_find(self->root_dir);
	if (self->compose != NULL) {
		self->root_id = kt_strdup(kt_str_or(expected, KT_COMPOSE_PACKAGE_ID));
		return self->root_id == NULL ? kt_err_nomem(err) : 0;
	}
	kt_compose_add_names(&names);
	return KT_FAIL(err, NOT_FOUND,
		       "No 'kurtosis.yml' file was found in the package root so fell back to "
		       "Docker Compose package, but no default Compose files (%s) were found. "
		       "Either add a 'kurtosis.yml' file to the package root or add one of the "
		       "default Compose files.",
		       kt_buf_str(&names));
}

/* Reads the root's kurtosis.yml, which names the package and says what is replaced. */
static int read_root(kt_content *self, const char *expected, kt_err *err)
{
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	KT_AUTO_ERR kt_err why = KT_ERR_INIT;
	if (kt_package_yml_read(self->root_dir, &yml, &why) < 0) {
		if (why.code == KT_ERR_NOT_FOUND) {
			return read_compose_root(self, expected, err);
		}
		kt_err_move(err, &why);
		return KT_WRAP(err, "Error occurred while parsing %s/kurtosis.yml", self->root_dir);
	}
	if (check_name(&yml, self->root_dir, expected, err) < 0) {
		return KT_WRAP(err, "Error occurred while validating %s/kurtosis.yml",
			       self->root_dir);
	}
	self->root_id = KT_STEAL(yml.name);
	kt_map_deinit(&self->replace);
	self->replace = yml.replace;
	memset(&yml.replace, 0, sizeof(yml.replace));
	return 0;
}

static char *stored_path(const kt_content *self, const kt_locator *locator, kt_err *err)
{
	char *path = kt_asprintf("%s/%s", self->store_dir,
				 locator->file_path[0] != '\0' ? locator->file_path
							       : locator->repo_path);
	if (path == NULL) {
		kt_err_nomem(err);
	}
	return path;
}

static char *tree_of(kt_content *self, const kt_locator *locator, kt_err *err);

/* A root package that is named, not given as a directory: from the store or from git. */
static int find_root(kt_content *self, const kt_content_spec *spec, kt_err *err)
{
	KT_AUTO_LOCATOR kt_locator locator = {0};
	if (kt_locator_parse(spec->root_id, &locator, err) < 0) {
		return KT_WRAP(err, "An error occurred parsing Git URL for package ID '%s'",
			       spec->root_id);
	}
	KT_AUTO_FREE char *expected = plain_locator(&locator);
	if (expected == NULL) {
		return kt_err_nomem(err);
	}
	if (spec->fetch_root) {
		KT_AUTO_FREE char *tree = tree_of(self, &locator, err);
		if (tree == NULL) {
			return -1;
		}
		self->root_dir = kt_asprintf("%s%s", tree, path_in_repo(&locator));
	} else if (self->store_dir != NULL) {
		self->root_dir = stored_path(self, &locator, err);
	}
	if (self->root_dir == NULL || !kt_fs_is_dir(self->root_dir)) {
		return KT_FAIL(err, NOT_FOUND, "Package '%s' does not exist on disk at '%s'",
			       spec->root_id, kt_str_or(self->root_dir, ""));
	}
	return read_root(self, expected, err);
}

static int set_up(kt_content *self, const kt_content_spec *spec, kt_err *err)
{
	self->cache_dir = kt_strdup(spec->cache_dir);
	self->store_dir = kt_strdup(spec->store_dir);
	self->auth_token = kt_strdup(spec->auth_token);
	self->offline = spec->offline || spec->cache_dir == NULL;
	self->fetch_url = spec->fetch_url;
	self->cancel = spec->cancel == NULL ? NULL : kt_cancel_ref(spec->cancel);
	if ((spec->cache_dir != NULL && self->cache_dir == NULL) ||
	    (spec->store_dir != NULL && self->store_dir == NULL) ||
	    (spec->auth_token != NULL && self->auth_token == NULL)) {
		return kt_err_nomem(err);
	}
	if (spec->root_dir != NULL) {
		char *real = realpath(spec->root_dir, NULL);
		if (real == NULL) {
			return KT_FAIL_ERRNO(err, "cannot open the package at '%s'", spec->root_dir);
		}
		self->root_dir = kt_strdup(real);
		free(real);
		return self->root_dir == NULL ? kt_err_nomem(err) : read_root(self, NULL, err);
	}
	if (spec->root_id != NULL) {
		return find_root(self, spec, err);
	}
	self->root_id = kt_strdup("");
	return self->root_id == NULL ? kt_err_nomem(err) : 0;
}

kt_content *kt_content_open(const kt_content_spec *spec, kt_err *err)
{
	kt_content *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->replace.free_value = kt_free;
	self->trees.free_value = kt_free;
	if (set_up(self, spec, err) < 0) {
		kt_content_close(self);
		return NULL;
	}
	return self;
}

void kt_content_close(kt_content *self)
{
	if (self == NULL) {
		return;
	}
	if (self->download_dir != NULL) {
		kt_fs_remove_tree(self->download_dir, NULL);
	}
	kt_free(self->cache_dir);
	kt_free(self->store_dir);
	kt_free(self->auth_token);
	kt_free(self->root_id);
	kt_free(self->root_dir);
	kt_free(self->download_dir);
	kt_map_deinit(&self->replace);
	kt_map_deinit(&self->trees);
	kt_strvec_deinit(&self->downloads);
	kt_cancel_unref(self->cancel);
	kt_free(self);
}

const char *kt_content_root_id(const kt_content *self)
{
	return self->root_id;
}

const char *kt_content_root_dir(const kt_content *self)
{
	return self->root_dir;
}

const char *kt_content_compose_file(const kt_content *self)
{
	return self->compose;
}

/* --- locators ------------------------------------------------------------- */

char *kt_content_resolve(kt_content *self, const char *text, const char *from, kt_err *err)
{
	KT_AUTO_ERR kt_err why = KT_ERR_INIT;
	KT_AUTO_LOCATOR kt_locator parsed = {0};
	bool absolute = kt_locator_parse(text, &parsed, &why) == 0;
	if (why.code == KT_ERR_NOMEM) {
		kt_err_move(err, &why);
		return NULL;
	}
	if (!absolute && !kt_locator_is_absolute(from)) {
		KT_FAIL(err, INVALID,
			"Source module locator '%s' isn't a valid locator; relative URLs don't work "
			"with standalone scripts",
			from);
		return NULL;
	}
	if (absolute && self->root_id[0] != '\0' && kt_str_starts(from, self->root_id) &&
	    kt_str_starts(text, self->root_id)) {
		KT_FAIL(err, INVALID,
			"Locator '%s' is referencing a file within the same package using absolute "
			"import syntax, but only relative import syntax (path starting with '/' or "
			"'.') is allowed for within-package imports",
			text);
		return NULL;
	}
	KT_AUTO_FREE char *resolved = kt_locator_resolve(text, from, err);
	return resolved == NULL ? NULL : kt_locator_replace(resolved, &self->replace, err);
}

/*
 * The tree of the locator's repository. A locator without a ref (as every relative one is)
 * means the tree that this run took first, so that the files of one package stay together.
 */
static char *tree_of(kt_content *self, const kt_locator *locator, kt_err *err)
{
	KT_AUTO_FREE char *exact = kt_asprintf("%s@%s", locator->repo_path, locator->ref);
	if (exact == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	const char *key = locator->ref[0] == '\0' ? locator->repo_path : exact;
	const char *known = kt_map_get(&self->trees, key);
	if (known == NULL) {
		kt_package_cache cache = {
			.dir = kt_str_or(self->cache_dir, ""),
			.auth_token = self->auth_token,
			.offline = self->offline,
			.cancel = self->cancel,
		};
		KT_AUTO_FREE char *tree = kt_package_cache_tree(&cache, locator, NULL, err);
		if (tree == NULL) {
			return NULL;
		}
		char *first = kt_map_has(&self->trees, locator->repo_path) ? NULL : kt_strdup(tree);
		if (first != NULL && kt_map_set(&self->trees, locator->repo_path, first) < 0) {
			kt_free(first);
		}
		if (kt_map_set(&self->trees, exact, tree) < 0) {
			kt_err_nomem(err);
			return NULL;
		}
		known = KT_STEAL(tree);
	}
	char *copy = kt_strdup(known);
	if (copy == NULL) {
		kt_err_nomem(err);
	}
	return copy;
}

/*
 * The path of a locator inside the root package, or inside a package that the root replaces
 * by a directory of this machine; *ret stays NULL when it is neither. The store wins over a
 * local target: a client has sent the content under the replaced name.
 */
static int local_path(const kt_content *self, const char *plain, char **ret, kt_err *err)
{
	if (self->root_dir != NULL && is_beneath(plain, self->root_id)) {
		*ret = kt_asprintf("%s%s", self->root_dir, plain + strlen(self->root_id));
		return *ret == NULL ? kt_err_nomem(err) : 0;
	}
	if (self->root_dir == NULL || self->store_dir != NULL) {
		return 0;
	}
	const char *best_key = NULL;
	const char *best = NULL;
	for (kt_map_entry *e = NULL; (e = kt_map_next(&self->replace, e)) != NULL;) {
		const char *target = e->value;
		if ((target[0] == '/' || target[0] == '.') && is_beneath(plain, e->key) &&
		    (best_key == NULL || strlen(e->key) > strlen(best_key))) {
			best_key = e->key;
			best = target;
		}
	}
	if (best_key == NULL) {
		return 0;
	}
	KT_AUTO_FREE char *joined =
		best[0] == '/' ? kt_asprintf("%s%s", best, plain + strlen(best_key))
			       : kt_asprintf("%s/%s%s", self->root_dir, best,
					     plain + strlen(best_key));
	*ret = joined == NULL ? NULL : kt_path_clean(joined);
	return *ret == NULL ? kt_err_nomem(err) : 0;
}

/* Walks from the repository's top down to the file's directory: one must be a package. */
static int check_is_package(const char *tree, const kt_locator *locator, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_strdup(tree);
	const char *rest = path_in_repo(locator);
	while (dir != NULL) {
		KT_AUTO_FREE char *file = kt_path_join(dir, KT_PACKAGE_FILE);
		if (file == NULL) {
			break;
		}
		if (kt_fs_exists(file)) {
			KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
			KT_AUTO_FREE char *expected = kt_asprintf(
				REPO_PREFIX "%s%s", locator->repo_path, dir + strlen(tree));
			if (expected == NULL) {
				break;
			}
			return kt_package_yml_read(dir, &yml, err) < 0
				       ? -1
				       : check_name(&yml, dir, expected, err);
		}
		if (kt_compose_find(dir) != NULL) {
			return 0;
		}
		if (*rest != '/' || strchr(rest + 1, '/') == NULL) {
			return KT_FAIL(err, INVALID,
				       "kurtosis.yml or valid Docker Compose yaml not found in the "
				       "path of '" REPO_PREFIX "%s'; files can only be accessed from "
				       "Kurtosis packages. For more information, go to: " PACKAGES_URL,
				       locator->file_path);
		}
		size_t part = 1 + strcspn(rest + 1, "/");
		char *next = kt_asprintf("%s%.*s", dir, (int)part, rest);
		kt_free(dir);
		dir = next;
		rest += part;
	}
	return kt_err_nomem(err);
}

static int missing_in_package(const kt_locator *locator, kt_err *err)
{
	return KT_FAIL(err, NOT_FOUND, "'%s' doesn't exist in the package '%s'",
		       path_in_repo(locator), locator->repo_path);
}

/* Whether an uploaded package holds the place: its own file on the way up to the store. */
static bool is_uploaded(const char *path, const char *store_dir)
{
	KT_AUTO_FREE char *dir = kt_path_dir(path);
	while (dir != NULL && strlen(dir) > strlen(store_dir)) {
		KT_AUTO_FREE char *file = kt_path_join(dir, KT_PACKAGE_FILE);
		if ((file != NULL && kt_fs_exists(file)) || kt_compose_find(dir) != NULL) {
			return true;
		}
		char *parent = kt_path_dir(dir);
		kt_free(dir);
		dir = parent;
	}
	return false;
}

/*
 * The path in the enclave's store; *ret stays NULL when no uploaded package holds the place. A
 * client may have sent one package of a repository: the others are still fetched.
 */
static int stored_file(const kt_content *self, const kt_locator *locator, char **ret, kt_err *err)
{
	if (self->store_dir == NULL) {
		return 0;
	}
	KT_AUTO_FREE char *path = stored_path(self, locator, err);
	if (path == NULL) {
		return -1;
	}
	if (kt_fs_exists(path)) {
		if (check_inside(path, self->store_dir, locator->file_path, err) < 0) {
			return -1;
		}
		*ret = KT_STEAL(path);
		return 0;
	}
	return is_uploaded(path, self->store_dir) ? missing_in_package(locator, err) : 0;
}

char *kt_content_path(kt_content *self, const char *text, kt_content_want want, kt_err *err)
{
	KT_AUTO_LOCATOR kt_locator locator = {0};
	if (kt_locator_parse(text, &locator, err) < 0) {
		return NULL;
	}
	KT_AUTO_FREE char *plain = plain_locator(&locator);
	KT_AUTO_FREE char *path = NULL;
	if (plain == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (local_path(self, plain, &path, err) < 0) {
		return NULL;
	}
	if (path != NULL) {
		if (!kt_fs_exists(path)) {
			missing_in_package(&locator, err);
			return NULL;
		}
		return KT_STEAL(path);
	}
	if (stored_file(self, &locator, &path, err) < 0) {
		return NULL;
	}
	if (path != NULL) {
		return KT_STEAL(path);
	}
	KT_AUTO_FREE char *tree = tree_of(self, &locator, err);
	if (tree == NULL) {
		return NULL;
	}
	path = kt_asprintf("%s%s", tree, path_in_repo(&locator));
	if (path == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (!kt_fs_exists(path)) {
		missing_in_package(&locator, err);
		return NULL;
	}
	if ((want == KT_CONTENT_FILE && check_is_package(tree, &locator, err) < 0) ||
	    check_inside(path, tree, text, err) < 0) {
		return NULL;
	}
	return KT_STEAL(path);
}

int kt_content_read(kt_content *self, const char *locator, kt_buf *ret, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_content_path(self, locator, KT_CONTENT_FILE, err);
	if (path == NULL) {
		return -1;
	}
	if (kt_fs_read(path, MAX_FILE_BYTES, ret, err) < 0) {
		return KT_WRAP(err,
			       "Loading module content for module '%s' failed. An error occurred in "
			       "reading contents of the file '%s'",
			       locator, path);
	}
	return 0;
}

/* The directory beyond which a compose file at path may not reach. The caller frees. */
static char *compose_bounds(const kt_content *self, const char *path)
{
	bool in_root = self->root_dir != NULL && is_beneath(path, self->root_dir);
	return in_root ? kt_strdup(self->root_dir) : kt_path_dir(path);
}

int kt_content_read_module(kt_content *self, const char *locator, kt_buf *ret, kt_err *err)
{
	KT_AUTO_LOCATOR kt_locator parsed = {0};
	if (kt_locator_parse(locator, &parsed, err) < 0) {
		return -1;
	}
	if (!kt_compose_is_default_name(kt_path_base(parsed.file_path))) {
		return kt_content_read(self, locator, ret, err);
	}
	KT_AUTO_FREE char *path = kt_content_path(self, locator, KT_CONTENT_FILE, err);
	if (path == NULL) {
		return -1;
	}
	KT_AUTO_FREE char *bounds = compose_bounds(self, path);
	return bounds == NULL ? kt_err_nomem(err) : kt_compose_to_package(path, bounds, ret, err);
}

/* --- downloads ------------------------------------------------------------ */

/* The base of the URL's path, or "download". The caller frees. */
static char *download_name(const char *url)
{
	const char *path = strstr(url, "://");
	path = path == NULL ? url : path + 3;
	path += strcspn(path, "/?#");
	KT_AUTO_FREE char *copy = kt_strndup(path, strcspn(path, "?#"));
	if (copy == NULL) {
		return NULL;
	}
	for (size_t len = strlen(copy); len > 0 && copy[len - 1] == '/'; len--) {
		copy[len - 1] = '\0';
	}
	const char *base = kt_path_base(copy);
	bool bad = base[0] == '\0' || kt_str_eq(base, ".") || kt_str_eq(base, "..");
	return kt_strdup(bad ? "download" : base);
}

static int download_to(kt_content *self, const char *url, const char *path, kt_err *err)
{
	if (self->fetch_url == NULL) {
		return KT_FAIL(err, UNSUPPORTED, "files from URLs cannot be read here");
	}
	KT_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot create '%s'", path);
	}
	return self->fetch_url(url, fd, self->cancel, err);
}

const char *kt_content_download(kt_content *self, const char *url, kt_err *err)
{
	if (self->download_dir == NULL) {
		self->download_dir = kt_fs_mkdtemp(NULL, "kurtosis-download-", err);
		if (self->download_dir == NULL) {
			return NULL;
		}
	}
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(self->download_dir, "f-", err);
	KT_AUTO_FREE char *name = download_name(url);
	KT_AUTO_FREE char *path =
		dir == NULL || name == NULL ? NULL : kt_path_join(dir, name);
	if (dir == NULL) {
		return NULL;
	}
	if (path == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (download_to(self, url, path, err) < 0) {
		KT_WRAP(err, "An error occurred downloading file from URL '%s'", url);
		return NULL;
	}
	if (kt_strvec_add(&self->downloads, path) < 0) {
		kt_err_nomem(err);
		return NULL;
	}
	return self->downloads.items[self->downloads.len - 1];
}
