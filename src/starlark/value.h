/*
 * How values look in memory. For the sources of this module only; hosts use starlark.h.
 *
 *   ….1     int, 63 bits signed: value >> 1
 *   2 10 18 None False True
 *   …0000   pointer to an object in the run's heap, which starts with a kt_obj
 *
 * Objects never move and are never freed singly. Arrays that grow (list items, dict tables)
 * come from size-classed blocks that are reused when outgrown.
 */
#ifndef KT_STARLARK_VALUE_H
#define KT_STARLARK_VALUE_H

#include "starlark/starlark.h"

#include "base/alloc.h"
#include "base/num.h"
#include "base/utf8.h"

#include <string.h>

#define KT_FROZEN 1u   /* flag of lists, dicts, sets, structs, functions, modules */
#define KT_INTERNED 2u /* flag of strings: one per text */
#define KT_HASHED 4u   /* flag of strings: hash is valid */

typedef struct kt_obj {
	uint8_t kind; /* kt_kind */
	uint8_t flags;
	uint16_t aux;
	uint32_t hash; /* of strings; number of live iterators of lists, dicts, sets */
} kt_obj;

typedef struct kt_str {
	kt_obj h;
	size_t len;
	char data[]; /* NUL after the end */
} kt_str; /* strings and bytes */

typedef struct kt_float {
	kt_obj h;
	double d;
} kt_float;

typedef struct kt_big kt_big; /* bigint.h */

typedef struct kt_list {
	kt_obj h;
	kt_val *items;
	uint32_t len, cap;
} kt_list;

typedef struct kt_tuple {
	kt_obj h;
	size_t len;
	kt_val items[];
} kt_tuple;

typedef struct kt_dict_entry {
	kt_val key; /* KT_NULL = removed */
	kt_val value;
	uint64_t hash;
} kt_dict_entry;

/* Entries in insertion order with holes; `index` only above 8 entries. Sets have no values. */
typedef struct kt_dict {
	kt_obj h;
	kt_dict_entry *entries;
	uint32_t *index; /* slot → entry number + 1, 0 = empty; size mask + 1 */
	uint32_t mask;
	uint32_t used; /* entries incl. holes */
	uint32_t cap;
	uint32_t len;
	uint32_t first; /* no live entry before this one */
} kt_dict;

typedef struct kt_range {
	kt_obj h; /* aux: some items may be no small ints */
	int64_t start, stop, step;
	int64_t len;
} kt_range;

typedef enum kt_elems_mode {
	KT_ELEMS,           /* string.elems: strings of one byte */
	KT_ELEM_ORDS,       /* string.elem_ords: ints */
	KT_CODEPOINTS,      /* string.codepoints */
	KT_CODEPOINT_ORDS,  /* string.codepoint_ords */
	KT_BYTES_ELEMS,     /* bytes.elems: ints */
} kt_elems_mode;

typedef struct kt_elems {
	kt_obj h; /* aux: kt_elems_mode */
	kt_val of;
} kt_elems;

/* The sorted field names of structs; shared, so that an inline cache can compare pointers. */
typedef struct kt_shape {
	struct kt_shape *next; /* in the run's table */
	uint32_t n, hash;
	kt_val names[]; /* interned strings */
} kt_shape;

typedef struct kt_struct {
	kt_obj h;
	kt_shape *shape;
	kt_val ctor;
	kt_val fields[];
} kt_struct;

typedef struct kt_module {
	kt_obj h;
	kt_val name;
	kt_dict *members;
} kt_module;

typedef struct kt_builtin {
	kt_obj h;
	const kt_builtin_row *row;
	kt_val self;
	void *user;
} kt_builtin;

typedef struct kt_cell {
	kt_obj h;
	kt_val v;
} kt_cell;

struct kt_code; /* code.h */
typedef struct kt_function {
	kt_obj h;
	struct kt_code *code;
	kt_val *defaults; /* code->ndefaults, of the last parameters; KT_NULL: has none */
	kt_cell **free;   /* code->nfree */
} kt_function;

/* ---- tests and access (no checks: look at the kind first) -------------------- */

static inline bool kt_is_int(kt_val v) { return (v & 1) != 0; } /* a small one */
static inline bool kt_is_obj(kt_val v) { return (v & 15) == 0 && v != 0; }
static inline kt_obj *kt_obj_of(kt_val v) { return (kt_obj *)(uintptr_t)v; }
static inline bool kt_is(kt_val v, kt_kind kind)
{
	return kt_is_obj(v) && kt_obj_of(v)->kind == (uint8_t)kind;
}
static inline kt_val kt_obj_val(const void *obj) { return (kt_val)(uintptr_t)obj; }

#define KT_SMALL_MAX (INT64_MAX / 2)
#define KT_SMALL_MIN (INT64_MIN / 2)
static inline int64_t kt_small(kt_val v) { return (int64_t)v >> 1; }
static inline kt_val kt_small_val(int64_t i) { return ((uint64_t)i << 1) | 1; } /* must fit */

#define KT_ACCESSOR(fn, type)                                                                      \
	static inline type *fn(kt_val v) { return (type *)(uintptr_t)v; }
KT_ACCESSOR(kt_as_str, kt_str)
KT_ACCESSOR(kt_as_float, kt_float)
KT_ACCESSOR(kt_as_big, kt_big)
KT_ACCESSOR(kt_as_list, kt_list)
KT_ACCESSOR(kt_as_tuple, kt_tuple)
KT_ACCESSOR(kt_as_dict, kt_dict)
KT_ACCESSOR(kt_as_range, kt_range)
KT_ACCESSOR(kt_as_elems, kt_elems)
KT_ACCESSOR(kt_as_struct, kt_struct)
KT_ACCESSOR(kt_as_module, kt_module)
KT_ACCESSOR(kt_as_function, kt_function)
KT_ACCESSOR(kt_as_builtin, kt_builtin)
KT_ACCESSOR(kt_as_cell, kt_cell)
KT_ACCESSOR(kt_as_host, kt_host)

static inline bool kt_is_str(kt_val v) { return kt_is(v, KT_KIND_STRING); }
static inline bool kt_is_anyint(kt_val v) { return kt_is_int(v) || kt_is(v, KT_KIND_INT); }

/* ---- heap -------------------------------------------------------------------- */

/* `size` bytes, not zeroed, 16-byte aligned. NULL with NOMEM raised. */
void *kt_heap_alloc(kt_sthread *t, size_t size);
/* An object with its header set up. The rest is not zeroed. */
void *kt_heap_obj(kt_sthread *t, kt_kind kind, size_t size);
/* Blocks that may be given back; *ret_size >= size is what there is room for. */
void *kt_heap_block(kt_sthread *t, size_t size, size_t *ret_size);
void kt_heap_release(kt_star *star, void *block, size_t size); /* size: as ret_size */

/* ---- strings ----------------------------------------------------------------- */

/* A string object of len bytes to be filled by the caller at once; data[len] is NUL already. */
kt_str *kt_str_alloc(kt_sthread *t, kt_kind string_or_bytes, size_t len);
/* The string of what buf holds; raises when buf has failed. Does not release buf. */
kt_val kt_str_from_buf(kt_sthread *t, const kt_buf *buf);
uint32_t kt_str_hash(kt_str *s); /* internal hash, cached */
bool kt_str_equal(kt_str *a, kt_str *b);
int kt_str_compare(const kt_str *a, const kt_str *b); /* bytewise */
/* Appends the Starlark literal of a string ("…") or of bytes (b"…"). */
void kt_quote(kt_buf *out, const char *data, size_t len, bool bytes);

/* UTF-8 and Unicode classes: base/utf8.h. */

/* ---- dicts ------------------------------------------------------------------- */

kt_dict *kt_dict_alloc(kt_sthread *t, kt_kind dict_or_set, size_t expected);
/* Lookup with the hash known. Returns the entry or NULL; equality may fail: *failed is set. */
kt_dict_entry *kt_dict_find(kt_sthread *t, kt_dict *d, kt_val key, uint32_t hash, bool *failed);
/* As kt_dict_set and for sets too (value unused): checks mutability. */
int kt_dict_put(kt_sthread *t, kt_dict *d, kt_val key, kt_val value);
/* Removes; *ret = the value, KT_NULL when absent. */
int kt_dict_remove(kt_sthread *t, kt_dict *d, kt_val key, kt_val *ret);
int kt_dict_clear(kt_sthread *t, kt_dict *d);
/* The first live entry or NULL. */
kt_dict_entry *kt_dict_first(kt_dict *d);
/*
 * 0 if a change is allowed; else raises "cannot VERB frozen hash table" or "cannot VERB hash
 * table during iteration". verb: "insert into", "delete from", "clear".
 */
int kt_dict_check_mutable(kt_sthread *t, kt_dict *d, const char *verb);

/* ---- lists ------------------------------------------------------------------- */

/* 0, or "cannot VERB frozen list" / "cannot VERB list during iteration". */
int kt_list_check_mutable(kt_sthread *t, kt_list *l, const char *verb);
int kt_list_reserve(kt_sthread *t, kt_list *l, size_t cap); /* no check of mutability */
int kt_list_push(kt_sthread *t, kt_list *l, kt_val v);      /* no check of mutability */
/* Appends all items of an iterable (also of the list itself). Checks mutability (verb). */
int kt_list_extend(kt_sthread *t, kt_list *l, kt_val iterable, const char *verb);
kt_tuple *kt_tuple_alloc(kt_sthread *t, size_t n); /* items to be filled at once */

/* ---- operations shared by the VM, the built-ins and the methods -------------- */

/* A binary operator. Raises "unknown binary op: T + U". */
typedef enum kt_binop {
	KT_OP_ADD, KT_OP_SUB, KT_OP_MUL, KT_OP_DIV, KT_OP_FLOORDIV, KT_OP_MOD,
	KT_OP_AND, KT_OP_OR, KT_OP_XOR, KT_OP_SHL, KT_OP_SHR, KT_OP_IN, KT_OP_NOT_IN,
} kt_binop;
kt_val kt_val_binary(kt_sthread *t, kt_binop op, kt_val a, kt_val b);
kt_val kt_bytes_concat(kt_sthread *t, kt_val a, kt_val b); /* for literals only */
kt_val kt_val_unary(kt_sthread *t, char op, kt_val v); /* '-', '+', '~' */
/* a OP b as True/False in *ret. "T < U not implemented". depth: as in Starlark, 10 at the top. */
int kt_val_compare(kt_sthread *t, kt_cmp_op op, kt_val a, kt_val b, bool *ret);
kt_val kt_val_index(kt_sthread *t, kt_val v, kt_val at);
int kt_val_set_index(kt_sthread *t, kt_val v, kt_val at, kt_val value);
kt_val kt_val_slice(kt_sthread *t, kt_val v, kt_val lo, kt_val hi, kt_val step); /* or KT_NULL */
/* x.name with an interned name; raises the message with its hint when missing. */
kt_val kt_val_get_attr(kt_sthread *t, kt_val v, kt_val name);
/* Raises what getattr says of a missing attribute: the same without a hint. */
kt_val kt_attr_missing(kt_sthread *t, kt_val v, kt_val name);
/* Appends all attribute names (strings) of v to the list, unsorted. */
int kt_val_attr_names(kt_sthread *t, kt_val v, kt_list *out);
/*
 * For [start:end] arguments of methods (None or KT_NULL = default) on a sequence of length
 * len: clamps as slicing does. Raises "invalid start index: got T, want int".
 */
int kt_slice_bounds(kt_sthread *t, kt_val lo, kt_val hi, size_t len, size_t *ret_lo,
		    size_t *ret_hi);
/* An int argument that must fit an int64: "WHO: got T, want int" or out of range. */
int kt_int_arg(kt_sthread *t, kt_val v, int64_t *ret);

/* Puts "NAME: " in front of the pending error's message. KT_NULL. Idiom: return KT_NAMED(t, a); */
kt_val kt_star_prefix(kt_sthread *t, const char *name);
#define KT_NAMED(t, a) kt_star_prefix((t), (a)->row->name)

/* ---- the library side: each in its own source, found through these ----------- */

typedef struct kt_method_table {
	const kt_builtin_row *rows;
	size_t n;
} kt_method_table;
extern const kt_method_table kt_string_methods, kt_bytes_methods, kt_list_methods, kt_dict_methods,
	kt_set_methods;

/*
 * Floats. kt_float_text appends what Go's %g and friends give with verb 'e', 'f', 'g', 'G'
 * (see base/num.h; no trailing ".0"; infinities and NaN as
 * Starlark writes them); kt_float_repr appends str(float).
 */
void kt_float_text(kt_buf *out, double d, char verb);
void kt_float_repr(kt_buf *out, double d);
/* fmt % args. */
kt_val kt_string_percent(kt_sthread *t, kt_val fmt, kt_val args);

#endif
