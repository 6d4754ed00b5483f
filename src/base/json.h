/*
 * Protocol JSON (Docker, OCI, registries, state files) through jansson, with errors that
 * name the place; and YAML read into the same values through libyaml.
 *
 * The language's own json module is not this one: it lives in starlark/.
 */
#ifndef KT_BASE_JSON_H
#define KT_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

void kt_json_decref_ptr(json_t **value);
#define KT_AUTO_JSON KT_CLEANUP(kt_json_decref_ptr)

/* A new reference, or NULL with "WHAT: MESSAGE at line L, column C". */
json_t *kt_json_parse(const char *text, size_t len, const char *what, kt_err *err);
/*
 * One YAML document. Scalars resolve as Go's yaml.v2 and v3 agree: YAML 1.2 core plus
 * 1.1 booleans only where quoted by neither; integers past 64 bits become reals; merge
 * keys (<<) apply; map keys become strings; anchors are expanded with a bound.
 */
json_t *kt_yaml_parse(const char *text, size_t len, const char *what, kt_err *err);
/* The same with YAML 1.1's booleans (y, yes, on, n, no, off), also as keys: Go's yaml.v2. */
json_t *kt_yaml_parse_11(const char *text, size_t len, const char *what, kt_err *err);
/* Compact when indent = 0. Keeps insertion order. The caller frees; NULL on OOM. */
char *kt_json_text(const json_t *value, int indent);

/* Lookups that tolerate any type: the value or the fallback. Strings are borrowed. */
const char *kt_json_str(const json_t *object, const char *key, const char *fallback);
int64_t kt_json_int(const json_t *object, const char *key, int64_t fallback);
bool kt_json_bool(const json_t *object, const char *key, bool fallback);

#endif
