/*
 * YAML into JSON values. libyaml does scanning and parsing (go-yaml is a port of it, so
 * both accept the same texts); resolving plain scalars is ours.
 */
#include "base/json.h"

#include "base/map.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
	NESTING_MAX = 256,
	NODES_MAX = 1000000, /* after expanding aliases: bounds the "billion laughs" */
};

typedef struct loader {
	yaml_parser_t parser;
	const char *what;
	kt_map anchors; /* name -> json_t, borrowed references counted below */
	size_t nodes;
	int depth;
	bool old_words; /* YAML 1.1's booleans */
	kt_err *err;
} loader;

static void free_anchor(void *value)
{
	json_decref(value);
}

static json_t *load_node(loader *l, const yaml_event_t *event);

static json_t *fail_at(loader *l, const yaml_mark_t *mark, const char *problem)
{
	KT_FAIL(l->err, INVALID, "%s: %s at line %zu, column %zu", l->what, problem, mark->line + 1,
		mark->column + 1);
	return NULL;
}

static int next_event(loader *l, yaml_event_t *event)
{
	if (yaml_parser_parse(&l->parser, event)) {
		return 0;
	}
	const char *problem = l->parser.problem != NULL ? l->parser.problem : "cannot be read";
	fail_at(l, &l->parser.problem_mark, problem);
	return -1;
}

typedef struct word_row {
	const char *words; /* separated by blanks */
	int kind;
	bool old; /* only in YAML 1.1 */
} word_row;

enum { WORD_NULL, WORD_TRUE, WORD_FALSE };

static const word_row word_rows[] = {
	{"~ null Null NULL", WORD_NULL, false},
	{"true True TRUE", WORD_TRUE, false},
	{"false False FALSE", WORD_FALSE, false},
	{"y Y yes Yes YES on On ON", WORD_TRUE, true},
	{"n N no No NO off Off OFF", WORD_FALSE, true},
};

static json_t *resolve_word(const char *text, size_t len, bool old_words)
{
	if (len == 0) {
		return json_null();
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(word_rows); i++) {
		if (word_rows[i].old && !old_words) {
			continue;
		}
		for (const char *p = word_rows[i].words; *p != '\0';) {
			size_t word = strcspn(p, " ");
			if (word == len && memcmp(p, text, len) == 0) {
				return word_rows[i].kind == WORD_NULL ? json_null()
				       : json_boolean(word_rows[i].kind == WORD_TRUE);
			}
			p += word + (p[word] == ' ' ? 1 : 0);
		}
	}
	return NULL;
}

/* Decimal, 0x, 0o and 0b integers that fit 64 bits; underscores as YAML 1.1 allows them. */
static json_t *resolve_int(const char *text)
{
	char digits[80];
	size_t len = 0;
	const char *p = text;
	bool negative = *p == '-';
	p += *p == '-' || *p == '+' ? 1 : 0;
	int base = 10;
	if (p[0] == '0' && p[1] != '\0') {
		base = p[1] == 'x'                  ? 16
		       : p[1] == 'o'                ? 8
		       : p[1] == 'b'                ? 2
		       : p[1] >= '0' && p[1] <= '7' ? 8
		                                    : 10;
		p += base == 16 || base == 2 || p[1] == 'o' ? 2 : 1;
	}
	if (*p == '\0' || *p == '_') {
		return NULL;
	}
	digits[len++] = negative ? '-' : '+';
	for (; *p != '\0'; p++) {
		if (*p == '_') {
			continue;
		}
		bool ok = base == 16 ? strchr("0123456789abcdefABCDEF", *p) != NULL
				     : *p >= '0' && *p < '0' + base;
		if (!ok || len + 1 >= sizeof(digits)) {
			return NULL;
		}
		digits[len++] = *p;
	}
	digits[len] = '\0';
	errno = 0;
	char *end;
	long long value = strtoll(digits, &end, base);
	return errno == 0 && *end == '\0' ? json_integer(value) : NULL;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_float(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+' ? 1 : 0);
	size_t whole = strspn(p, "0123456789");
	p += whole;
	size_t fraction = 0;
	if (*p == '.') {
		p++;
		fraction = strspn(p, "0123456789");
		p += fraction;
	}
	if (whole + fraction == 0) {
		return false;
	}
	if (*p == 'e' || *p == 'E') {
		p += p[1] == '-' || p[1] == '+' ? 2 : 1;
		size_t digits = strspn(p, "0123456789");
		if (digits == 0) {
			return false;
		}
		p += digits;
	}
	return *p == '\0';
}

static json_t *resolve_float(const char *text)
{
	if (!looks_float(text)) {
		return NULL;
	}
	double value = strtod(text, NULL);
	return isfinite(value) ? json_real(value) : NULL;
}

static json_t *make_string(loader *l, const char *text, size_t len)
{
	json_t *value = json_stringn(text, len);
	if (value == NULL) {
		KT_FAIL(l->err, INVALID, "%s: text that is not UTF-8", l->what);
	}
	return value;
}

static json_t *load_scalar(loader *l, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	const char *tag = (const char *)event->data.scalar.tag;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && tag == NULL;
	json_t *value = NULL;
	if (plain) {
		value = resolve_word(text, len, l->old_words);
		value = value != NULL ? value : resolve_int(text);
		value = value != NULL ? value : resolve_float(text);
	}
	return value != NULL ? value : make_string(l, text, len);
}

static json_t *load_sequence(loader *l)
{
	json_t *list = json_array();
	for (;;) {
		yaml_event_t event;
		if (next_event(l, &event) < 0) {
			json_decref(list);
			return NULL;
		}
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return list;
		}
		json_t *item = load_node(l, &event);
		yaml_event_delete(&event);
		if (item == NULL || json_array_append_new(list, item) < 0) {
			json_decref(list);
			return NULL;
		}
	}
}

/* The value of a merge key: a mapping, or a list of mappings of which the first wins. */
static int merge_into(loader *l, json_t *merged, json_t *value, const yaml_mark_t *mark)
{
	if (json_is_object(value)) {
		json_object_update_missing(merged, value);
		return 0;
	}
	if (!json_is_array(value)) {
		fail_at(l, mark, "map merge requires map or sequence of maps as the value");
		return -1;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		json_t *item = json_array_get(value, i);
		if (!json_is_object(item)) {
			fail_at(l, mark, "map merge requires map or sequence of maps as the value");
			return -1;
		}
		json_object_update_missing(merged, item);
	}
	return 0;
}

static char *key_text(loader *l, json_t *key, const yaml_event_t *event)
{
	if (json_is_string(key)) {
		return strdup(json_string_value(key));
	}
	if (json_is_object(key) || json_is_array(key)) {
		fail_at(l, &event->start_mark, "a key must be a scalar");
		return NULL;
	}
	if (l->old_words && json_is_boolean(key)) {
		return strdup(json_is_true(key) ? "true" : "false");
	}
	/* Keys are text in JSON: keep the spelling of numbers and booleans. */
	return strdup((const char *)event->data.scalar.value);
}

/* Loads one key and its value into map; 1 at the end of the mapping. */
static int load_pair(loader *l, json_t *map, json_t *merged)
{
	yaml_event_t event;
	if (next_event(l, &event) < 0) {
		return -1;
	}
	if (event.type == YAML_MAPPING_END_EVENT) {
		yaml_event_delete(&event);
		return 1;
	}
	yaml_mark_t mark = event.start_mark;
	bool is_merge = event.type == YAML_SCALAR_EVENT &&
			event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
			strcmp((const char *)event.data.scalar.value, "<<") == 0;
	KT_AUTO_JSON json_t *key = load_node(l, &event);
	char *name = key != NULL ? key_text(l, key, &event) : NULL;
	yaml_event_delete(&event);
	if (name == NULL || next_event(l, &event) < 0) {
		free(name);
		return -1;
	}
	json_t *value = load_node(l, &event);
	yaml_event_delete(&event);
	int rc = value == NULL ? -1 : 0;
	if (rc == 0 && is_merge) {
		rc = merge_into(l, merged, value, &mark);
	} else if (rc == 0 && json_object_get(map, name) != NULL) {
		fail_at(l, &mark, "a key that is already set in this map");
		rc = -1;
	} else if (rc == 0) {
		rc = json_object_set(map, name, value);
	}
	json_decref(value);
	free(name);
	return rc;
}

static json_t *load_mapping(loader *l)
{
	json_t *map = json_object();
	KT_AUTO_JSON json_t *merged = json_object();
	int rc;
	do {
		rc = load_pair(l, map, merged);
	} while (rc == 0);
	if (rc < 0) {
		json_decref(map);
		return NULL;
	}
	json_object_update_missing(map, merged);
	return map;
}

static json_t *load_alias(loader *l, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	json_t *value = kt_map_get(&l->anchors, name);
	if (value == NULL) {
		return fail_at(l, &event->start_mark, "an alias of an anchor that is not known");
	}
	return json_deep_copy(value);
}

/* Counts what an alias expands to, so that the bound holds for it too. */
static size_t count_nodes(const json_t *value)
{
	size_t count = 1;
	const char *key;
	json_t *item;
	size_t i;
	if (json_is_object(value)) {
		json_object_foreach((json_t *)(uintptr_t)value, key, item) {
			count += count_nodes(item);
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item) {
			count += count_nodes(item);
		}
	}
	return count;
}

static json_t *load_kind(loader *l, const yaml_event_t *event, const char **ret_anchor)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		*ret_anchor = (const char *)event->data.scalar.anchor;
		return load_scalar(l, event);
	case YAML_SEQUENCE_START_EVENT:
		*ret_anchor = (const char *)event->data.sequence_start.anchor;
		return load_sequence(l);
	case YAML_MAPPING_START_EVENT:
		*ret_anchor = (const char *)event->data.mapping_start.anchor;
		return load_mapping(l);
	case YAML_ALIAS_EVENT:
		return load_alias(l, event);
	default:
		return fail_at(l, &event->start_mark, "unexpected end");
	}
}

static json_t *load_node(loader *l, const yaml_event_t *event)
{
	const char *anchor = NULL;
	if (++l->depth > NESTING_MAX) {
		return fail_at(l, &event->start_mark, "nested too deeply");
	}
	json_t *value = load_kind(l, event, &anchor);
	l->depth--;
	if (value == NULL) {
		return NULL;
	}
	l->nodes += event->type == YAML_ALIAS_EVENT ? count_nodes(value) : 1;
	if (l->nodes > NODES_MAX) {
		json_decref(value);
		return fail_at(l, &event->start_mark, "too many values");
	}
	if (anchor != NULL && kt_map_set(&l->anchors, anchor, json_incref(value)) < 0) {
		json_decref(value);
		json_decref(value);
		kt_err_nomem(l->err);
		return NULL;
	}
	return value;
}

static json_t *load_document(loader *l)
{
	for (;;) {
		yaml_event_t event;
		if (next_event(l, &event) < 0) {
			return NULL;
		}
		yaml_event_type_t type = event.type;
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT) {
			yaml_event_delete(&event);
			continue;
		}
		json_t *value = type == YAML_STREAM_END_EVENT ? json_null() : load_node(l, &event);
		yaml_event_delete(&event);
		return value;
	}
}

static json_t *parse(loader *l, const char *text, size_t len)
{
	if (!yaml_parser_initialize(&l->parser)) {
		kt_err_nomem(l->err);
		return NULL;
	}
	yaml_parser_set_input_string(&l->parser, (const unsigned char *)text, len);
	json_t *value = load_document(l);
	kt_map_deinit(&l->anchors);
	yaml_parser_delete(&l->parser);
	return value;
}

json_t *kt_yaml_parse(const char *text, size_t len, const char *what, kt_err *err)
{
	loader l = {.what = what, .anchors = KT_MAP_OWNING(free_anchor), .err = err};
	return parse(&l, text, len);
}

json_t *kt_yaml_parse_11(const char *text, size_t len, const char *what, kt_err *err)
{
	loader l = {.what = what,
		    .anchors = KT_MAP_OWNING(free_anchor),
		    .old_words = true,
		    .err = err};
	return parse(&l, text, len);
}
