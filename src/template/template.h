/*
 * Text templates with the language and the error texts of Go's text/template: no custom
 * functions, no options, delimiters {{ and }}.
 *
 * A kt_tmpl is a parsed set of templates. It is immutable after parsing: several threads
 * may execute it at once. Data is a tree of kt_tmpl_val, built in the caller's arena by
 * kt_tmpl_from_json, kt_tmpl_from_text or by hand; it must outlive the execution.
 */
#ifndef KT_TEMPLATE_TEMPLATE_H
#define KT_TEMPLATE_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

typedef enum kt_tmpl_kind {
	KT_TMPL_NIL, /* JSON null */
	KT_TMPL_BOOL,
	KT_TMPL_INT,     /* an int of the template language */
	KT_TMPL_FLOAT,   /* a float64 */
	KT_TMPL_COMPLEX, /* only from constants such as 1i */
	KT_TMPL_STRING,
	KT_TMPL_NUMBER, /* the text of a JSON number (json.Number): a string to most functions */
	KT_TMPL_LIST,
	KT_TMPL_MAP,
	KT_TMPL_MISSING, /* the entry a map does not have; prints <no value> */
	KT_TMPL_BYTE,    /* what indexing a string gives (uint8) */
} kt_tmpl_kind;

typedef struct kt_tmpl_val kt_tmpl_val;
typedef struct kt_tmpl_entry kt_tmpl_entry;

struct kt_tmpl_val {
	kt_tmpl_kind kind;
	bool iface; /* used while executing: taken out of a list or map. Leave it false. */
	bool wide;  /* of INT: it is an int64 (as printf's %T shows), not an int */
	union {
		bool b;
		int64_t i;
		double f;
		struct {
			double re, im;
		} c;
		struct {
			const char *data; /* not NUL-terminated */
			size_t len;
		} s; /* STRING, NUMBER */
		struct {
			const kt_tmpl_val *items;
			size_t len;
			size_t cap; /* how far the slice function may reach; >= len */
		} list;
		struct {
			const kt_tmpl_entry *entries; /* sorted by key bytes, no duplicates */
			size_t len;
		} map;
	};
};

struct kt_tmpl_entry {
	const char *key;
	size_t key_len;
	kt_tmpl_val value;
};

/*
 * Converts JSON. Strings are borrowed from json, which must outlive the value; the rest
 * lives in arena. Numbers become KT_TMPL_NUMBER (integers in decimal, reals as JSON writes
 * them). -1 with NOMEM, or INVALID for nesting deeper than 1,000.
 */
int kt_tmpl_from_json(kt_arena *arena, const json_t *json, kt_tmpl_val *ret, kt_err *err);

/*
 * Reads JSON text (RFC 8259) with every number kept as written. Everything is copied into
 * arena. The last of several equal keys wins. -1 with INVALID and the position.
 */
int kt_tmpl_from_text(kt_arena *arena, const char *text, size_t len, kt_tmpl_val *ret,
		      kt_err *err);

/* Sorts a hand-made map's entries by key, as execution requires. */
void kt_tmpl_sort_entries(kt_tmpl_entry *entries, size_t len);

typedef struct kt_tmpl kt_tmpl;

/*
 * Parses text into a template called name (any bytes; it appears in error texts). Both are
 * copied. NULL with INVALID "template: NAME:LINE: MESSAGE", or NOMEM. Free with kt_tmpl_free.
 */
kt_tmpl *kt_tmpl_parse(const char *name, size_t name_len, const char *text, size_t len,
		       kt_err *err);
void kt_tmpl_free(kt_tmpl *self); /* NULL is allowed */
void kt_tmpl_free_ptr(kt_tmpl **self);
#define KT_AUTO_TMPL KT_CLEANUP(kt_tmpl_free_ptr)

/*
 * Appends what the template makes of data to out. Does not block; bounded by out->max and by
 * the depth of nested templates. On failure out keeps what was written before the error.
 * -1 with INVALID "template: NAME:LINE:COL: executing "NAME" at <X>: MESSAGE", EXHAUSTED
 * (out->max reached, or a computed text past 64 MiB), or NOMEM.
 */
int kt_tmpl_exec(const kt_tmpl *self, const kt_tmpl_val *data, kt_buf *out, kt_err *err);

#endif
