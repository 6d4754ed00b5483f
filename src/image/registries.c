#include "image/registries.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define CONF_MAX ((size_t)1024 * 1024)
#define SYSTEM_CONF "/etc/containers/registries.conf"

typedef struct place {
	char *location;
	bool insecure;
	bool digest_only; /* mirrors: not for tags */
	bool tag_only;
} place;

typedef struct registry_row {
	char *prefix;
	place self;
	bool blocked;
	KT_VEC(place) mirrors;
} registry_row;

struct kt_registries {
	KT_VEC(registry_row) rows;
};

void kt_endpoint_vec_deinit(kt_endpoint_vec *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_free(self->items[i].host);
		kt_free(self->items[i].repository);
	}
	kt_vec_deinit(self);
}

void kt_registries_free(kt_registries *self)
{
	if (self == NULL) {
		return;
	}
	for (size_t i = 0; i < self->rows.len; i++) {
		registry_row *row = &self->rows.items[i];
		kt_free(row->prefix);
		kt_free(row->self.location);
		for (size_t m = 0; m < row->mirrors.len; m++) {
			kt_free(row->mirrors.items[m].location);
		}
		kt_vec_deinit(&row->mirrors);
	}
	kt_vec_deinit(&self->rows);
	kt_free(self);
}

/* ---- The TOML that registries.conf uses ---- */

typedef struct parser {
	kt_registries *out;
	const char *name;
	const char *at;
	int line;
	registry_row *row; /* of the current table, or NULL */
	place *mirror;
} parser;

static int parse_fail(const parser *self, kt_err *err, const char *what)
{
	return KT_FAIL(err, INVALID, "%s:%d: %s", self->name, self->line, what);
}

static void skip_blank(parser *self, bool newlines)
{
	for (;;) {
		char c = *self->at;
		if (c == '#') {
			self->at += strcspn(self->at, "\n");
		} else if (c == ' ' || c == '\t' || c == '\r') {
			self->at++;
		} else if (c == '\n' && newlines) {
			self->line++;
			self->at++;
		} else {
			return;
		}
	}
}

static int parse_string(parser *self, kt_buf *ret, kt_err *err)
{
	char quote = *self->at++;
	kt_buf_clear(ret);
	while (*self->at != quote) {
		char c = *self->at++;
		if (c == '\0' || c == '\n') {
			return parse_fail(self, err, "a string is not closed");
		}
		if (c == '\\' && quote == '"') {
			c = *self->at++;
			if (c != '"' && c != '\\') {
				return parse_fail(self, err, "this escape is not supported");
			}
		}
		kt_buf_addc(ret, c);
	}
	self->at++;
	return kt_buf_check(ret, err);
}

/* Skips a value that means nothing to us: an array, number, date or inline table. */
static int skip_value(parser *self, kt_err *err)
{
	int depth = 0;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	do {
		skip_blank(self, depth > 0);
		char c = *self->at;
		if (c == '\0' || c == '\n') {
			return parse_fail(self, err, "a value is missing or not closed");
		}
		if (c == '"' || c == '\'') {
			if (parse_string(self, &text, err) < 0) {
				return -1;
			}
			continue;
		}
		depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
		self->at++;
		if (depth == 0 && c != ']' && c != '}') {
			self->at += strcspn(self->at, " \t\r\n#");
		}
	} while (depth > 0);
	return 0;
}

static int set_text(char **field, const char *value, kt_err *err)
{
	char *copy = kt_strdup(value);
	if (copy == NULL) {
		return kt_err_nomem(err);
	}
	kt_free(*field);
	*field = copy;
	return 0;
}

static int apply_string(parser *self, const char *key, const char *value, kt_err *err)
{
	place *where = self->mirror != NULL ? self->mirror : &self->row->self;
	if (kt_str_eq(key, "location")) {
		return set_text(&where->location, value, err);
	}
	if (kt_str_eq(key, "prefix") && self->mirror == NULL) {
		return set_text(&self->row->prefix, value, err);
	}
	if (kt_str_eq(key, "pull-from-mirror") && self->mirror != NULL) {
		self->mirror->digest_only = kt_str_eq(value, "digest-only");
		self->mirror->tag_only = kt_str_eq(value, "tag-only");
	}
	return 0;
}

static void apply_bool(parser *self, const char *key, bool value)
{
	place *where = self->mirror != NULL ? self->mirror : &self->row->self;
	if (kt_str_eq(key, "insecure")) {
		where->insecure = value;
	} else if (kt_str_eq(key, "blocked") && self->mirror == NULL) {
		self->row->blocked = value;
	} else if (kt_str_eq(key, "mirror-by-digest-only") && self->mirror != NULL) {
		where->digest_only = value;
	}
}

static int parse_value(parser *self, const char *key, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (*self->at == '"' || *self->at == '\'') {
		if (parse_string(self, &text, err) < 0) {
			return -1;
		}
		return self->row == NULL ? 0 : apply_string(self, key, kt_buf_str(&text), err);
	}
	size_t word = strspn(self->at, "abcdefghijklmnopqrstuvwxyz");
	bool yes = word == 4 && strncmp(self->at, "true", 4) == 0;
	bool no = word == 5 && strncmp(self->at, "false", 5) == 0;
	if (yes || no) {
		self->at += word;
		if (self->row != NULL) {
			apply_bool(self, key, yes);
		}
		return 0;
	}
	return skip_value(self, err);
}

static int open_registry(parser *self, kt_err *err)
{
	registry_row row = {0};
	if (kt_vec_push(&self->out->rows, row) < 0) {
		return kt_err_nomem(err);
	}
	self->row = &self->out->rows.items[self->out->rows.len - 1];
	self->mirror = NULL;
	return 0;
}

static int open_mirror(parser *self, kt_err *err)
{
	if (self->row == NULL) {
		return parse_fail(self, err, "[[registry.mirror]] stands before any [[registry]]");
	}
	place mirror = {0};
	if (kt_vec_push(&self->row->mirrors, mirror) < 0) {
		return kt_err_nomem(err);
	}
	self->mirror = &self->row->mirrors.items[self->row->mirrors.len - 1];
	return 0;
}

static int parse_table(parser *self, kt_err *err)
{
	size_t open = strspn(self->at, "[");
	self->at += open;
	size_t len = strcspn(self->at, "]\n");
	if (open > 2 || strncmp(self->at + len, "]]", open) != 0) {
		return parse_fail(self, err, "a table header is malformed");
	}
	const char *name = self->at;
	self->at += len + open;
	if (open == 2 && len == strlen("registry") && strncmp(name, "registry", len) == 0) {
		return open_registry(self, err);
	}
	if (open == 2 && len == strlen("registry.mirror") &&
	    strncmp(name, "registry.mirror", len) == 0) {
		return open_mirror(self, err);
	}
	self->row = NULL;
	self->mirror = NULL;
	return 0;
}

static int parse_line(parser *self, kt_err *err)
{
	if (*self->at == '[') {
		return parse_table(self, err);
	}
	KT_AUTO_BUF kt_buf key = KT_BUF_INIT;
	if (*self->at == '"' || *self->at == '\'') {
		if (parse_string(self, &key, err) < 0) {
			return -1;
		}
	} else {
		while (isalnum((unsigned char)*self->at) || strchr("-_.", *self->at) != NULL) {
			if (*self->at == '\0') {
				break;
			}
			kt_buf_addc(&key, *self->at++);
		}
	}
	skip_blank(self, false);
	if (key.len == 0 || *self->at != '=') {
		return parse_fail(self, err, "a line is neither a table nor KEY = VALUE");
	}
	self->at++;
	skip_blank(self, false);
	return parse_value(self, kt_buf_str(&key), err);
}

static int parse_text(kt_registries *out, const char *text, const char *name, kt_err *err)
{
	parser self = {.out = out, .name = name, .at = text, .line = 1};
	for (skip_blank(&self, true); *self.at != '\0'; skip_blank(&self, true)) {
		if (parse_line(&self, err) < 0) {
			return -1;
		}
		skip_blank(&self, false);
		if (*self.at != '\n' && *self.at != '\0') {
			return parse_fail(&self, err, "text follows the value");
		}
	}
	return 0;
}

kt_registries *kt_registries_parse(const char *text, const char *name, kt_err *err)
{
	kt_registries *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (parse_text(self, text, name, err) < 0) {
		kt_registries_free(self);
		return NULL;
	}
	return self;
}

static int parse_file(kt_registries *self, const char *path, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, CONF_MAX, &text, err) < 0) {
		return -1;
	}
	return parse_text(self, kt_buf_str(&text), path, err);
}

static int parse_dir(kt_registries *self, const char *dir, kt_err *err)
{
	DIR *list = opendir(dir);
	if (list == NULL) {
		return 0;
	}
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	int rc = 0;
	struct dirent *item = NULL;
	while (rc == 0 && (item = readdir(list)) != NULL) {
		if (kt_str_ends(item->d_name, ".conf")) {
			rc = kt_strvec_add(&names, item->d_name) < 0 ? kt_err_nomem(err) : 0;
		}
	}
	closedir(list);
	kt_strvec_sort(&names);
	for (size_t i = 0; rc == 0 && i < names.len; i++) {
		KT_AUTO_FREE char *path = kt_path_join(dir, names.items[i]);
		rc = path == NULL ? kt_err_nomem(err) : parse_file(self, path, err);
	}
	return rc;
}

static int parse_places(kt_registries *self, kt_err *err)
{
	const char *named = getenv("KURTOSIS_REGISTRIES_CONF");
	if (!kt_str_empty(named)) {
		return parse_file(self, named, err);
	}
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	KT_AUTO_FREE char *path = NULL;
	if (!kt_str_empty(config)) {
		path = kt_path_join(config, "containers/registries.conf");
	} else if (!kt_str_empty(home)) {
		path = kt_path_join(home, ".config/containers/registries.conf");
	}
	if (path != NULL && kt_fs_exists(path)) {
		return parse_file(self, path, err);
	}
	if (kt_fs_exists(SYSTEM_CONF) && parse_file(self, SYSTEM_CONF, err) < 0) {
		return -1;
	}
	return parse_dir(self, SYSTEM_CONF ".d", err);
}

kt_registries *kt_registries_load(kt_err *err)
{
	kt_registries *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (parse_places(self, err) < 0) {
		kt_registries_free(self);
		KT_WRAP(err, "reading the registry configuration failed");
		return NULL;
	}
	return self;
}

/* ---- Resolution ---- */

bool kt_host_is_loopback(const char *host)
{
	size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	return (len == 9 && strncmp(host, "localhost", 9) == 0) ||
	       (len == 5 && strncmp(host, "[::1]", 5) == 0) ||
	       (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len);
}

static const char *row_prefix(const registry_row *row)
{
	return kt_str_or(kt_str_or(row->prefix, row->self.location), "");
}

/* The length of the matching part of name, or 0. */
static size_t match_prefix(const char *prefix, const char *name)
{
	if (kt_str_starts(prefix, "*.")) {
		size_t host = strcspn(name, "/");
		size_t want = strlen(prefix) - 1;
		bool hit = host > want && strncmp(name + host - want, prefix + 1, want) == 0;
		return hit ? host : 0;
	}
	size_t len = strlen(prefix);
	if (len == 0 || strncmp(name, prefix, len) != 0) {
		return 0;
	}
	return name[len] == '\0' || name[len] == '/' ? len : 0;
}

static const registry_row *find_row(const kt_registries *self, const char *name, size_t *ret_len)
{
	const registry_row *best = NULL;
	size_t best_len = 0;
	for (size_t i = 0; self != NULL && i < self->rows.len; i++) {
		const registry_row *row = &self->rows.items[i];
		size_t len = match_prefix(row_prefix(row), name);
		if (len > best_len) {
			best = row;
			best_len = len;
		}
	}
	*ret_len = best_len;
	return best;
}

/* location + rest, split into host and repository. */
static int add_endpoint(kt_endpoint_vec *ret, const char *location, const char *rest, bool insecure,
			bool mirror, kt_err *err)
{
	KT_AUTO_FREE char *full = kt_asprintf("%s%s", location, rest);
	if (full == NULL) {
		return kt_err_nomem(err);
	}
	size_t host = strcspn(full, "/");
	bool hub = host == strlen("docker.io") && strncmp(full, "docker.io", host) == 0;
	kt_endpoint endpoint = {
		.host = hub ? kt_strdup("registry-1.docker.io") : kt_strndup(full, host),
		.repository = kt_strdup(full[host] == '/' ? full + host + 1 : ""),
		.insecure = insecure,
		.mirror = mirror,
	};
	if (endpoint.host == NULL || endpoint.repository == NULL ||
	    kt_vec_push(ret, endpoint) < 0) {
		kt_free(endpoint.host);
		kt_free(endpoint.repository);
		return kt_err_nomem(err);
	}
	kt_endpoint *last = &ret->items[ret->len - 1];
	last->loopback = kt_host_is_loopback(last->host);
	return 0;
}

int kt_registries_resolve(const kt_registries *self, const kt_image_ref *ref, kt_endpoint_vec *ret,
			  kt_err *err)
{
	KT_AUTO_FREE char *name = kt_asprintf("%s/%s", ref->registry, ref->repository);
	if (name == NULL) {
		return kt_err_nomem(err);
	}
	size_t len = 0;
	const registry_row *row = find_row(self, name, &len);
	if (row == NULL) {
		return add_endpoint(ret, name, "", false, false, err);
	}
	if (row->blocked) {
		return KT_FAIL(err, PERMISSION, "the registry of '%s' is blocked by registries.conf",
			       name);
	}
	for (size_t i = 0; i < row->mirrors.len; i++) {
		const place *mirror = &row->mirrors.items[i];
		bool unfit = ref->digest != NULL ? mirror->tag_only : mirror->digest_only;
		if (unfit || kt_str_empty(mirror->location)) {
			continue;
		}
		if (add_endpoint(ret, mirror->location, name + len, mirror->insecure, true, err) <
		    0) {
			return -1;
		}
	}
	if (kt_str_empty(row->self.location)) {
		return add_endpoint(ret, name, "", row->self.insecure, false, err);
	}
	return add_endpoint(ret, row->self.location, name + len, row->self.insecure, false, err);
}
