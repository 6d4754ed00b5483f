/* kurtosis.yml: strict reading of its three keys. */
#include "package/package.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#define MAX_YML_BYTES (1024 * 1024)

void kt_package_yml_deinit(kt_package_yml *self)
{
	kt_free(self->name);
	kt_free(self->description);
	kt_map_deinit(&self->replace);
	memset(self, 0, sizeof(*self));
}

typedef struct yml_reader {
	yaml_document_t doc;
	const char *where;
	kt_package_yml *out;
	kt_err *err;
} yml_reader;

static const char *scalar(const yaml_node_t *node)
{
	return node != NULL && node->type == YAML_SCALAR_NODE
		       ? (const char *)node->data.scalar.value
		       : NULL;
}

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static int wrong_type(const yml_reader *self, const yaml_node_t *node, const char *key,
		      const char *want)
{
	return KT_FAIL(self->err, INVALID, "line %zu of '%s': the value of '%s' must be %s",
		       line_of(node), self->where, key, want);
}

static int repeated(const yml_reader *self, const yaml_node_t *node, const char *key)
{
	return KT_FAIL(self->err, INVALID, "line %zu of '%s': key \"%s\" already set in map",
		       line_of(node), self->where, key);
}

static bool is_null(const yaml_node_t *node)
{
	const char *text = scalar(node);
	return text != NULL && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (text[0] == '\0' || kt_str_eq(text, "~") || kt_str_eq(text, "null"));
}

static int read_text(const yml_reader *self, const yaml_node_t *node, const char *key, char **ret)
{
	if (*ret != NULL) {
		return repeated(self, node, key);
	}
	const char *text = scalar(node);
	if (text == NULL) {
		return wrong_type(self, node, key, "a string");
	}
	*ret = kt_strdup(is_null(node) ? "" : text);
	return *ret == NULL ? kt_err_nomem(self->err) : 0;
}

static int read_replace(yml_reader *self, const yaml_node_t *node)
{
	if (is_null(node)) {
		return 0;
	}
	if (node->type != YAML_MAPPING_NODE) {
		return wrong_type(self, node, "replace", "a map of strings");
	}
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key_node = yaml_document_get_node(&self->doc, p->key);
		const yaml_node_t *value_node = yaml_document_get_node(&self->doc, p->value);
		const char *key = scalar(key_node);
		const char *value = scalar(value_node);
		if (key == NULL || value == NULL) {
			return wrong_type(self, node, "replace", "a map of strings");
		}
		if (kt_map_has(&self->out->replace, key)) {
			return repeated(self, key_node, key);
		}
		char *copy = kt_strdup(value);
		if (copy == NULL || kt_map_set(&self->out->replace, key, copy) < 0) {
			kt_free(copy);
			return kt_err_nomem(self->err);
		}
	}
	return 0;
}

static int read_root(yml_reader *self)
{
	const yaml_node_t *root = yaml_document_get_root_node(&self->doc);
	if (root == NULL || is_null(root)) {
		return 0;
	}
	if (root->type != YAML_MAPPING_NODE) {
		return KT_FAIL(self->err, INVALID, "line %zu of '%s': expected a map of keys",
			       line_of(root), self->where);
	}
	for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
	     p < root->data.mapping.pairs.top; p++) {
		const yaml_node_t *key_node = yaml_document_get_node(&self->doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(&self->doc, p->value);
		const char *key = scalar(key_node);
		int rc;
		if (kt_str_eq(key, "name")) {
			rc = read_text(self, value, key, &self->out->name);
		} else if (kt_str_eq(key, "description")) {
			rc = read_text(self, value, key, &self->out->description);
		} else if (kt_str_eq(key, "replace")) {
			rc = read_replace(self, value);
		} else {
			rc = KT_FAIL(self->err, INVALID,
				     "line %zu of '%s': field %s not found in type "
				     "yaml_parser.KurtosisYaml",
				     line_of(key_node), self->where, kt_str_or(key, "?"));
		}
		if (rc < 0) {
			return -1;
		}
	}
	return 0;
}

static int read_document(yml_reader *self, const char *text, size_t len)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser)) {
		return kt_err_nomem(self->err);
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	int rc;
	if (!yaml_parser_load(&parser, &self->doc)) {
		rc = parser.error == YAML_MEMORY_ERROR
			     ? kt_err_nomem(self->err)
			     : KT_FAIL(self->err, INVALID, "line %zu of '%s': %s",
				       parser.problem_mark.line + 1, self->where,
				       kt_str_or(parser.problem, "not YAML"));
	} else {
		rc = read_root(self);
		yaml_document_delete(&self->doc);
	}
	yaml_parser_delete(&parser);
	return rc;
}

int kt_package_yml_parse(const char *text, size_t len, const char *where, kt_package_yml *ret,
			 kt_err *err)
{
	KT_AUTO_PACKAGE_YML kt_package_yml parsed = {.replace = KT_MAP_OWNING(kt_free)};
	yml_reader reader = {.where = where, .out = &parsed, .err = err};
	if (read_document(&reader, text, len) < 0) {
		return -1;
	}
	if (kt_str_empty(parsed.name)) {
		return KT_FAIL(err, INVALID,
			       "Field 'name', which is the Starlark package's name, in kurtosis.yml "
			       "needs to be set and cannot be empty");
	}
	*ret = parsed;
	memset(&parsed, 0, sizeof(parsed));
	return 0;
}

int kt_package_yml_read(const char *dir, kt_package_yml *ret, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, KT_PACKAGE_FILE);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(path)) {
		return KT_FAIL(err, NOT_FOUND,
			       "Couldn't find a 'kurtosis.yml' in the root of the package: '%s'. "
			       "Packages are expected to have a 'kurtosis.yml' at root; for more "
			       "information have a look at "
			       "https://docs.kurtosis.com/concepts-reference/packages",
			       dir);
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, MAX_YML_BYTES, &text, err) < 0) {
		return KT_WRAP(err, "Error occurred while reading the contents of '%s'", path);
	}
	if (kt_package_yml_parse(kt_buf_str(&text), text.len, path, ret, err) < 0) {
		return KT_WRAP(err, "Error occurred while analyzing the contents of '%s'", path);
	}
	return 0;
}
