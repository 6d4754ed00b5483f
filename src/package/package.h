/*
 * Packages: kurtosis.yml, locators, `replace`, and where a package's files come from.
 *
 * A locator names a file or directory of a repository: github.com/OWNER/REPO[/PATH][@REF].
 * Fetched repositories live in a machine-wide cache shared by all enclaves and processes
 * (cache.h); packages sent by a client live in the enclave's own store. kt_content puts
 * both together for one run.
 */
#ifndef KT_PACKAGE_PACKAGE_H
#define KT_PACKAGE_PACKAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/thread.h"
#include "files/stream.h"

/* --- kurtosis.yml --------------------------------------------------------- */

#define KT_PACKAGE_FILE "kurtosis.yml"
#define KT_PACKAGE_MAIN_FILE "main.star"

typedef struct kt_package_yml {
	char *name;        /* github.com/OWNER/REPO[/SUB…] */
	char *description; /* or NULL */
	kt_map replace;    /* locator -> char * (owned): locator[@ref] or local path */
} kt_package_yml;

#define KT_AUTO_PACKAGE_YML KT_CLEANUP(kt_package_yml_deinit)
void kt_package_yml_deinit(kt_package_yml *self);

/*
 * Parses the text of a kurtosis.yml; unknown and repeated keys are errors. `where` names the
 * file in messages. *ret must be empty ({0}); the caller deinits it after success.
 */
int kt_package_yml_parse(const char *text, size_t len, const char *where, kt_package_yml *ret,
			 kt_err *err);
/* Reads DIR/kurtosis.yml. NOT_FOUND when there is none. */
int kt_package_yml_read(const char *dir, kt_package_yml *ret, kt_err *err);

/* --- locators ------------------------------------------------------------- */

typedef struct kt_locator {
	char *owner, *repo; /* as written */
	char *repo_path;    /* OWNER/REPO */
	char *file_path;    /* OWNER/REPO/PATH…, cleaned; "" when the locator is a bare repository */
	char *git_url;      /* https://github.com/OWNER/REPO.git */
	char *ref;          /* after '@': tag, branch or full commit hash; "" = default branch */
} kt_locator;

#define KT_AUTO_LOCATOR KT_CLEANUP(kt_locator_deinit)
void kt_locator_deinit(kt_locator *self);

/* Parses an absolute locator; INVALID with the reference's text otherwise. */
int kt_locator_parse(const char *text, kt_locator *ret, kt_err *err);
/* Whether text is an absolute locator; anything else is taken as a relative path. */
bool kt_locator_is_absolute(const char *text);
/*
 * What `text`, written in the module `from` (an absolute locator), means: absolute locators
 * as they are, "/x" from the repository's root, others from the module's directory. Not yet
 * replaced. The caller frees.
 */
char *kt_locator_resolve(const char *text, const char *from, kt_err *err);
/*
 * Applies a replace map (locator -> char *) to an absolute locator: longest key first. A local
 * target leaves the locator alone. The caller frees; NULL when memory is short.
 */
char *kt_locator_replace(const char *locator, const kt_map *replace, kt_err *err);

/* --- what a run reads ----------------------------------------------------- */

/*
 * The files that one run can see: the root package and everything it imports. Not
 * thread-safe; resolves each locator once.
 */
typedef struct kt_content kt_content;

/* Writes what a URL holds to fd. Blocking. */
typedef int kt_content_fetch(const char *url, int fd, const kt_cancel *cancel, kt_err *err);
/* That over HTTP, in this process. */
int kt_content_fetch_http(const char *url, int fd, const kt_cancel *cancel, kt_err *err);

typedef struct kt_content_spec {
	const char *cache_dir; /* machine-wide package cache, e.g. <root>/packages; created */
	const char *store_dir; /* packages uploaded into the enclave; NULL = none */
	/*
	 * The root package: its id and, if it lies on this machine, its directory. With root_dir
	 * NULL the package is taken from store_dir, or fetched when fetch_root is set. root_id
	 * NULL: a standalone script.
	 */
	const char *root_id; /* github.com/OWNER/REPO[/SUB…][@ref]; with root_dir: NULL */
	const char *root_dir;
	bool fetch_root;
	const char *auth_token; /* GitHub token for this run; NULL = the user's git configuration */
	bool offline;           /* never fetch: what is not in the cache is NOT_FOUND */
	kt_content_fetch *fetch_url; /* for upload_files of URLs; NULL = they are UNSUPPORTED */
	kt_cancel *cancel;
} kt_content_spec;

/* Opens and checks the root package: kurtosis.yml, its name. Blocking; may fetch. */
KT_MUST_USE kt_content *kt_content_open(const kt_content_spec *spec, kt_err *err);
void kt_content_close(kt_content *self); /* NULL allowed */

/* "" for a standalone script. Borrowed. */
const char *kt_content_root_id(const kt_content *self);
/* Absolute directory of the root package; NULL for a script. Borrowed. */
const char *kt_content_root_dir(const kt_content *self);

/* The name of the compose file that the root package consists of; NULL for any other. Static. */
const char *kt_content_compose_file(const kt_content *self);

/*
 * The absolute, replaced locator (with @ref) that `text` means when written in the module
 * `from`; checks the rule against absolute imports within one package. The caller frees.
 */
char *kt_content_resolve(kt_content *self, const char *text, const char *from, kt_err *err);

typedef enum kt_content_want {
	KT_CONTENT_FILE, /* a file of a package: the way up must hold a kurtosis.yml */
	KT_CONTENT_ANY,  /* a file or directory of any repository (upload_files) */
} kt_content_want;

/* The path on this machine of a resolved locator, fetching if need be. The caller frees. */
char *kt_content_path(kt_content *self, const char *locator, kt_content_want want, kt_err *err);
/* Reads a resolved locator's file whole; appended to ret. At most 256 MiB. */
int kt_content_read(kt_content *self, const char *locator, kt_buf *ret, kt_err *err);
/* The same as Starlark: a compose file (compose.yml and the like) is turned into a script. */
int kt_content_read_module(kt_content *self, const char *locator, kt_buf *ret, kt_err *err);
/* Downloads a URL (upload_files) into a file that lives as long as self; its path is borrowed. */
const char *kt_content_download(kt_content *self, const char *url, kt_err *err);

/* --- packages sent by clients --------------------------------------------- */

/*
 * Unpacks an uploaded package archive (.tgz) to STORE_DIR/OWNER/REPO[/SUB…] for the package
 * named package_id, replacing what was there. Links in the archive are left out; a path that
 * leaves the directory is INVALID.
 */
int kt_package_store(const char *store_dir, const char *package_id, kt_source archive,
		     const kt_cancel *cancel, kt_err *err);

/* --- arguments ------------------------------------------------------------ */

/*
 * JSON or YAML text to JSON text: a JSON object is kept verbatim, anything else is read as one
 * YAML document and written with sorted keys. The caller frees.
 */
char *kt_package_args_json(const char *text, size_t len, kt_err *err);

#endif
