/* The grammar of locators, relative resolution and the replace map. */
#include "package/package.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/vec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define GITHUB_HOST "github.com"

void kt_locator_deinit(kt_locator *self)
{
	kt_free(self->owner);
	kt_free(self->repo);
	kt_free(self->repo_path);
	kt_free(self->file_path);
	kt_free(self->git_url);
	kt_free(self->ref);
	memset(self, 0, sizeof(*self));
}

/* The length of "scheme" when text starts with "scheme:", else 0; as RFC 3986 and Go read it. */
static size_t scheme_len(const char *text)
{
	if (!isalpha((unsigned char)text[0])) {
		return 0;
	}
	size_t i = 1;
	while (isalnum((unsigned char)text[i]) || strchr("+-.", text[i]) != NULL) {
		if (text[i] == '\0') {
			return 0;
		}
		i++;
	}
	return text[i] == ':' ? i : 0;
}

/* What Go's url.Parse refuses in a path: control characters and broken percent escapes. */
static bool url_is_sound(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x20 || c == 0x7f) {
			return false;
		}
		if (c == '%' && (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]) ||
				 strncmp(p, "%00", 3) == 0)) {
			return false;
		}
	}
	return true;
}

/* Undoes %XX in place. */
static void percent_decode(char *text)
{
	char *out = text;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '%') {
			const char hex[3] = {p[1], p[2], '\0'};
			*out++ = (char)strtoul(hex, NULL, 16);
			p += 2;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
}

/*
 * Splits "path@ref/file.star": the text after the first '@' is cut at its last '/'; a last
 * piece with a dot in it is a file name and belongs to the path.
 */
static int split_ref(const char *text, char **ret_path, char **ret_ref, kt_err *err)
{
	const char *at = strchr(text, '@');
	if (at == NULL) {
		*ret_path = kt_strdup(text);
		*ret_ref = kt_strdup("");
	} else {
		const char *slash = strrchr(at + 1, '/');
		bool has_file = slash != NULL && strchr(slash, '.') != NULL;
		*ret_path = kt_asprintf("%.*s%s", (int)(at - text), text, has_file ? slash : "");
		*ret_ref = has_file ? kt_strndup(at + 1, (size_t)(slash - at - 1))
				    : kt_strdup(at + 1);
	}
	if (*ret_path == NULL || *ret_ref == NULL) {
		kt_free(KT_STEAL(*ret_path));
		kt_free(KT_STEAL(*ret_ref));
		return kt_err_nomem(err);
	}
	return 0;
}

/* The non-empty parts of a cleaned absolute path, each checked against leaving it. */
static int path_parts(const char *path, kt_strvec *ret, kt_err *err)
{
	KT_AUTO_FREE char *rooted = kt_asprintf("/%s", path);
	KT_AUTO_FREE char *clean = rooted == NULL ? NULL : kt_path_clean(rooted);
	if (clean == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_STRVEC kt_strvec all = KT_STRVEC_INIT;
	if (kt_strvec_split(&all, clean, '/') < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < all.len; i++) {
		if (all.items[i][0] != '\0' && kt_strvec_add(ret, all.items[i]) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int fill(kt_locator *self, const kt_strvec *parts, kt_err *err)
{
	KT_AUTO_FREE char *joined = kt_strvec_join(parts, "/");
	if (joined == NULL) {
		return kt_err_nomem(err);
	}
	self->owner = kt_strdup(parts->items[0]);
	self->repo = kt_strdup(parts->items[1]);
	self->repo_path = kt_asprintf("%s/%s", parts->items[0], parts->items[1]);
	self->file_path = parts->len == 2 ? kt_strdup("") : KT_STEAL(joined);
	self->git_url = kt_asprintf("https://" GITHUB_HOST "/%s/%s.git", parts->items[0],
				    parts->items[1]);
	if (self->owner == NULL || self->repo == NULL || self->repo_path == NULL ||
	    self->file_path == NULL || self->git_url == NULL) {
		return kt_err_nomem(err);
	}
	return 0;
}

/* "[a b]", as the reference prints a list of path parts. */
static int too_short(const char *text, const kt_strvec *parts, kt_err *err)
{
	KT_AUTO_FREE char *list = kt_strvec_join(parts, " ");
	if (list == NULL) {
		return kt_err_nomem(err);
	}
	return KT_FAIL(err, INVALID,
		       "Error parsing the URL of module: '%s'. The path should contain at least 2 "
		       "subpaths got '[%s]'",
		       text, list);
}

static int parse_path(const char *text, char *path, kt_locator *self, kt_err *err)
{
	size_t scheme = scheme_len(path);
	if (scheme > 0) {
		return KT_FAIL(err, INVALID,
			       "Error parsing the URL of module '%s'. Expected schema to be empty "
			       "got '%.*s'",
			       text, (int)scheme, path);
	}
	path[strcspn(path, "?#")] = '\0';
	size_t host = strcspn(path, "/");
	if (host != strlen(GITHUB_HOST) || strncasecmp(path, GITHUB_HOST, host) != 0) {
		return KT_FAIL(err, INVALID,
			       "Error parsing the URL of module. We only support modules on Github "
			       "for now but got '%s'",
			       text);
	}
	percent_decode(path);
	KT_AUTO_STRVEC kt_strvec parts = KT_STRVEC_INIT;
	if (path_parts(path + host, &parts, err) < 0) {
		return -1;
	}
	if (parts.len < 2) {
		return too_short(text, &parts, err);
	}
	return fill(self, &parts, err);
}

int kt_locator_parse(const char *text, kt_locator *ret, kt_err *err)
{
	if (!url_is_sound(text)) {
		return KT_FAIL(err, INVALID, "Error parsing the URL of module '%s'", text);
	}
	KT_AUTO_LOCATOR kt_locator parsed = {0};
	KT_AUTO_FREE char *path = NULL;
	if (split_ref(text, &path, &parsed.ref, err) < 0 ||
	    parse_path(text, path, &parsed, err) < 0) {
		return -1;
	}
	/* Both end up in directory names and in git's arguments. */
	if (parsed.ref[0] == '-' || parsed.owner[0] == '-' || parsed.repo[0] == '-') {
		return KT_FAIL(err, INVALID,
			       "Error parsing the URL of module '%s': owner, repository and version "
			       "cannot start with '-'",
			       text);
	}
	*ret = parsed;
	memset(&parsed, 0, sizeof(parsed));
	return 0;
}

bool kt_locator_is_absolute(const char *text)
{
	KT_AUTO_LOCATOR kt_locator locator = {0};
	return kt_locator_parse(text, &locator, NULL) == 0;
}

/* "github.com" joined with the parts and cleaned. */
static char *join_github(const char *a, const char *b, kt_err *err)
{
	KT_AUTO_FREE char *joined = kt_asprintf(GITHUB_HOST "/%s/%s", a, b);
	char *clean = joined == NULL ? NULL : kt_path_clean(joined);
	if (clean == NULL) {
		kt_err_nomem(err);
	}
	return clean;
}

char *kt_locator_resolve(const char *text, const char *from, kt_err *err)
{
	KT_AUTO_LOCATOR kt_locator absolute = {0};
	if (kt_locator_parse(text, &absolute, NULL) == 0) {
		char *copy = kt_strdup(text);
		if (copy == NULL) {
			kt_err_nomem(err);
		}
		return copy;
	}
	KT_AUTO_LOCATOR kt_locator module = {0};
	if (kt_locator_parse(from, &module, err) < 0) {
		return NULL;
	}
	if (text[0] == '/') {
		return join_github(module.repo_path, text, err);
	}
	KT_AUTO_FREE char *dir =
		kt_path_dir(module.file_path[0] != '\0' ? module.file_path : module.repo_path);
	if (dir == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	return join_github(dir, text, err);
}

static size_t count_slashes(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++) {
		n += *text == '/';
	}
	return n;
}

static bool is_local_target(const char *target)
{
	return target[0] == '/' || target[0] == '.';
}

/* The longest key of the map that is a proper ancestor of path; "" when there is none. */
static char *find_key(const char *path, const kt_map *replace)
{
	char *key = kt_strdup(path);
	if (key == NULL) {
		return NULL;
	}
	while (count_slashes(key) >= 2) {
		*strrchr(key, '/') = '\0';
		if (count_slashes(key) >= 1 && kt_map_has(replace, key)) {
			return key;
		}
	}
	key[0] = '\0';
	return key;
}

char *kt_locator_replace(const char *locator, const kt_map *replace, kt_err *err)
{
	KT_AUTO_FREE char *path = NULL;
	KT_AUTO_FREE char *ref = NULL;
	KT_AUTO_FREE char *to = NULL;
	KT_AUTO_FREE char *to_ref = NULL;
	if (split_ref(locator, &path, &ref, err) < 0) {
		return NULL;
	}
	KT_AUTO_FREE char *key = find_key(path, replace);
	const char *target = key == NULL ? NULL : kt_map_get(replace, key);
	char *result = NULL;
	if (key == NULL) {
		/* Memory is short. */
	} else if (target == NULL || is_local_target(target)) {
		result = kt_strdup(locator);
	} else if (split_ref(target, &to, &to_ref, err) < 0) {
		return NULL;
	} else {
		const char *used = to_ref[0] != '\0' ? to_ref : ref;
		result = kt_asprintf("%s%s%s%s", to, path + strlen(key), used[0] != '\0' ? "@" : "",
				     used);
	}
	if (result == NULL) {
		kt_err_nomem(err);
	}
	return result;
}
