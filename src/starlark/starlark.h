/*
 * The Starlark language as a library: run a file, call its functions, give it host
 * functions and host objects. It knows nothing of what its host is for.
 *
 * A kt_star is one run: a heap that is dropped whole, interned names, limits. A kt_sthread
 * is one call stack in it. Both belong to one system thread at a time; several runs may go
 * on in several system threads at once. Every value lives until its run is freed; nothing is
 * ever freed singly, and no reference is counted. Values must not cross from run to run.
 *
 * Failure: a function that returns kt_val gives 0 ("no value"), one that returns int gives
 * -1, and the error waits in the thread (kt_sthread_error). Memory shortage is such an error
 * too. Unless a comment says otherwise nothing here blocks.
 */
#ifndef KT_STARLARK_STARLARK_H
#define KT_STARLARK_STARLARK_H

#include "base/buf.h"
#include "base/err.h"
#include "base/thread.h"

/* A value in one word: an int of 63 bits, None/True/False, or a pointer into the run's heap. */
typedef uint64_t kt_val;
#define KT_NULL ((kt_val)0) /* no value: failure, or absent */
#define KT_NONE ((kt_val)2)
#define KT_FALSE ((kt_val)10)
#define KT_TRUE ((kt_val)18)

typedef struct kt_star kt_star;
typedef struct kt_sthread kt_sthread;

typedef enum kt_kind {
	KT_KIND_NULL, /* of KT_NULL only */
	KT_KIND_NONE,
	KT_KIND_BOOL,
	KT_KIND_INT,
	KT_KIND_FLOAT,
	KT_KIND_STRING,
	KT_KIND_BYTES,
	KT_KIND_LIST,
	KT_KIND_TUPLE,
	KT_KIND_DICT,
	KT_KIND_SET,
	KT_KIND_FUNCTION, /* written in Starlark */
	KT_KIND_BUILTIN,  /* host function or method */
	KT_KIND_RANGE,
	KT_KIND_ELEMS, /* string.elems() and its three relatives */
	KT_KIND_STRUCT,
	KT_KIND_MODULE,
	KT_KIND_HOST, /* a host object with a vtable */
	KT_KIND_CELL, /* never visible to programs */
	KT_KIND_COUNT
} kt_kind;

/* ---- runs and threads -------------------------------------------------------- */

typedef struct kt_star_options {
	size_t memory_limit;     /* bytes of heap; 0 = 1 GiB */
	uint64_t step_limit;     /* executed instructions over all threads; 0 = none */
	const kt_cancel *cancel; /* looked at now and then; borrowed; may be NULL */
	/* Departures from the dialect, for tests and other hosts. All false here. */
	bool allow_set, allow_while, allow_recursion, allow_toplevel_control, allow_global_reassign;
	/* Called by print(); NULL = standard output. The text has no newline. */
	void (*print)(void *user, kt_sthread *t, const char *text, size_t len);
	/* What follows "cannot load NAME: " when a load statement is executed. NULL: a default. */
	const char *load_refusal;
	/*
	 * Called at every call and jump backwards, before it happens: kt_sthread_frame tells where.
	 * For profilers; programs run several times slower. NULL = none.
	 */
	void (*profile)(void *user, kt_sthread *t);
	void *user; /* the host's own; see kt_star_user */
} kt_star_options;

/* NULL options = all defaults. NULL with err on memory shortage. */
KT_MUST_USE kt_star *kt_star_new(const kt_star_options *options, kt_err *err);
void kt_star_free(kt_star *self); /* drops all values and threads; NULL allowed */
void *kt_star_user(const kt_star *self);
size_t kt_star_memory(const kt_star *self);  /* bytes taken so far */
uint64_t kt_star_steps(const kt_star *self); /* instructions executed so far */

/* A fresh call stack; NULL on memory shortage. Freed with the run, or earlier by hand. */
KT_MUST_USE kt_sthread *kt_sthread_new(kt_star *star);
void kt_sthread_free(kt_sthread *self);
kt_star *kt_sthread_star(const kt_sthread *self);

/* ---- running programs -------------------------------------------------------- */

/*
 * Executes a file. `file` names it in positions and is the name of the module returned:
 * its members are all globals of the file, frozen. `predeclared` is a dict value from names to
 * values, or KT_NULL; the language's own names (len, range…) are always there beneath it. The
 * source is not kept. Syntax and name errors are reported through kt_sthread_error too.
 */
kt_val kt_star_exec(kt_sthread *t, const char *file, const char *src, size_t len,
		    kt_val predeclared);
/* The value of one expression. */
kt_val kt_star_eval(kt_sthread *t, const char *file, const char *src, size_t len,
		    kt_val predeclared);
/* Calls a callable. kw holds nkw pairs: name (string), value. Both arrays are borrowed. */
kt_val kt_star_call(kt_sthread *t, kt_val fn, const kt_val *pos, size_t npos, const kt_val *kw,
		    size_t nkw);

/* What a function written in Starlark takes, in the order p…, keyword-only…, *args, **kwargs. */
typedef struct kt_fn_param {
	const char *name;
	kt_val default_value; /* KT_NULL = required */
	bool keyword_only, varargs, kwargs;
} kt_fn_param;
size_t kt_fn_param_count(kt_val fn); /* 0 unless KT_KIND_FUNCTION */
kt_fn_param kt_fn_param_get(kt_val fn, size_t i);
const char *kt_fn_name(kt_val fn); /* of functions and builtins; "lambda"; else "" */
const char *kt_fn_doc(kt_val fn);  /* its doc string, or NULL */

/* ---- positions and errors ---------------------------------------------------- */

typedef struct kt_star_pos {
	const char *file; /* "<builtin>" for host functions, whose line and col are 0 */
	int line, col;    /* from 1; columns count code points */
} kt_star_pos;

typedef struct kt_star_frame {
	const char *name; /* "<toplevel>", "lambda", or the function's */
	kt_star_pos pos;  /* of a call: its open parenthesis */
} kt_star_frame;

/*
 * The call stack, 0 = innermost (inside a host function: that function itself, 1 = its
 * caller). False past the outermost frame. The texts live as long as the run.
 */
bool kt_sthread_frame(const kt_sthread *t, size_t depth, kt_star_frame *ret);
kt_star_pos kt_fn_pos(kt_val fn); /* of `def` or `lambda` */

typedef enum kt_star_err_kind {
	KT_STAR_OK,
	KT_STAR_SYNTAX,  /* exactly one diagnostic */
	KT_STAR_RESOLVE, /* one or more diagnostics */
	KT_STAR_EVAL,
	KT_STAR_STEPS,
	KT_STAR_CANCELLED,
	KT_STAR_NOMEM,
} kt_star_err_kind;

typedef struct kt_star_diag {
	kt_star_pos pos;
	const char *msg;
} kt_star_diag;

typedef struct kt_star_error {
	kt_star_err_kind kind;
	int tag;                     /* whatever kt_star_raise_tagged got; else 0 */
	const char *msg;             /* without position or traceback */
	const kt_star_frame *frames; /* outermost first; of kinds from EVAL on */
	size_t nframes;
	const kt_star_diag *diags; /* of SYNTAX and RESOLVE, in source order */
	size_t ndiags;
} kt_star_error;

/* The pending error, or NULL. Borrowed; valid until cleared and while the run lives. */
const kt_star_error *kt_sthread_error(const kt_sthread *t);
void kt_sthread_clear_error(kt_sthread *t);
/* "FILE:L:C: msg" lines for diagnostics, a traceback and "Error: msg" otherwise. */
void kt_star_error_text(const kt_star_error *error, kt_buf *out);

/* Fail with a message. Return KT_NULL; kt_star_fail returns -1. %s wants UTF-8 C strings. */
kt_val kt_star_raise(kt_sthread *t, const char *fmt, ...) KT_PRINTF(2, 3);
kt_val kt_star_raise_tagged(kt_sthread *t, int tag, const char *fmt, ...) KT_PRINTF(3, 4);
int kt_star_fail(kt_sthread *t, const char *fmt, ...) KT_PRINTF(2, 3);
kt_val kt_star_raise_nomem(kt_sthread *t);
/* Raises err's chain ("a: b") and releases err. */
kt_val kt_star_raise_err(kt_sthread *t, kt_err *err);

/* ---- values ------------------------------------------------------------------ */

kt_kind kt_val_kind(kt_val v);
const char *kt_val_type_name(kt_val v); /* what type(v) says */
bool kt_val_truth(kt_val v);
static inline kt_val kt_bool(bool b) { return b ? KT_TRUE : KT_FALSE; }
/* Appends str(v) or repr(v). -1 when v is nested too deeply or a host object fails. */
int kt_val_str(kt_sthread *t, kt_val v, kt_buf *out);
int kt_val_repr(kt_sthread *t, kt_val v, kt_buf *out);
int kt_val_equal(kt_sthread *t, kt_val a, kt_val b, bool *ret);
int kt_val_hash(kt_sthread *t, kt_val v, uint32_t *ret); /* fails when unhashable */
void kt_val_freeze(kt_sthread *t, kt_val v);             /* deep */
/* x.name, or KT_NULL: with an error, except when `or_null` and the attribute is missing. */
kt_val kt_val_attr(kt_sthread *t, kt_val v, const char *name, bool or_null);

/* Ints. kt_int_get fails (false, no error raised) when v is no int or beyond 64 bits. */
kt_val kt_int_new(kt_sthread *t, int64_t i);
kt_val kt_int_new_u64(kt_sthread *t, uint64_t i);
bool kt_int_get(kt_val v, int64_t *ret);

kt_val kt_float_new(kt_sthread *t, double d);
bool kt_float_get(kt_val v, double *ret); /* of float or int */

/* Strings are copied in, NUL-terminated, and may contain NUL. */
kt_val kt_string_new(kt_sthread *t, const char *data, size_t len);
kt_val kt_string_newz(kt_sthread *t, const char *text);
kt_val kt_string_newf(kt_sthread *t, const char *fmt, ...) KT_PRINTF(2, 3);
/* The one string of this text in the run: fast as attribute, keyword, dict key. */
kt_val kt_string_intern(kt_sthread *t, const char *data, size_t len);
/* NULL unless v is a string; ret_len may be NULL. */
const char *kt_string_get(kt_val v, size_t *ret_len);
kt_val kt_bytes_new(kt_sthread *t, const void *data, size_t len);
const char *kt_bytes_get(kt_val v, size_t *ret_len);

/* Lists and tuples. Items are copied in; items may be NULL when n is 0. */
kt_val kt_list_new(kt_sthread *t, const kt_val *items, size_t n);
int kt_list_append(kt_sthread *t, kt_val list, kt_val item);
kt_val kt_tuple_new(kt_sthread *t, const kt_val *items, size_t n);
/* Length of any sequence or container; SIZE_MAX when it has none. */
size_t kt_val_len(kt_val v);
/* The items of a list or tuple; NULL otherwise or when empty. Borrowed until the list changes. */
const kt_val *kt_seq_items(kt_val v, size_t *ret_n);

/* Dicts keep insertion order. */
kt_val kt_dict_new(kt_sthread *t, size_t expected);
/* ret is KT_NULL when the key is absent. -1 when the key is unhashable. */
int kt_dict_get(kt_sthread *t, kt_val dict, kt_val key, kt_val *ret);
kt_val kt_dict_gets(kt_val dict, const char *key); /* by text; KT_NULL when absent */
int kt_dict_set(kt_sthread *t, kt_val dict, kt_val key, kt_val value);
int kt_dict_sets(kt_sthread *t, kt_val dict, const char *key, kt_val value);
/* for (size_t at = 0; kt_dict_next(d, &at, &k, &v);) … ; the dict must not change meanwhile. */
bool kt_dict_next(kt_val dict, size_t *at, kt_val *ret_key, kt_val *ret_value);

kt_val kt_set_new(kt_sthread *t);
int kt_set_add(kt_sthread *t, kt_val set, kt_val item);

/* Structs: fields in any order, kept sorted. ctor KT_NULL = the plain `struct`. */
kt_val kt_struct_new(kt_sthread *t, kt_val ctor, const kt_val *names, const kt_val *values,
		     size_t n);
size_t kt_struct_len(kt_val v);
kt_val kt_struct_field(kt_val v, size_t i, const char **ret_name); /* sorted by name */
kt_val kt_struct_get(kt_val v, const char *name);                 /* KT_NULL when absent */
kt_val kt_struct_ctor(kt_val v); /* the string "struct" for plain ones */

/* Modules. `members` is a dict from names to values; it is frozen. */
kt_val kt_module_new(kt_sthread *t, const char *name, kt_val members);
kt_val kt_module_members(kt_val v); /* the dict, in order of definition */
kt_val kt_module_get(kt_val v, const char *name);
const char *kt_module_name(kt_val v);
/*
 * Replaces a member that exists, although modules are frozen: for tests that put something else
 * in a function's place. Everybody who sees the module sees the change. False: no such member.
 */
bool kt_module_replace(kt_val v, const char *name, kt_val value);

/*
 * Iteration over anything iterable (not strings). Between begin and end a list, dict or set
 * refuses changes. kt_iter_next: 1 = *ret is set, 0 = at the end, -1 = error. end is idempotent.
 */
typedef struct kt_iter {
	kt_val seq;
	size_t at;
} kt_iter;
bool kt_val_iterable(kt_val v);
int kt_iter_begin(kt_sthread *t, kt_iter *self, kt_val v); /* "T value is not iterable" */
int kt_iter_next(kt_sthread *t, kt_iter *self, kt_val *ret);
void kt_iter_end(kt_iter *self);

/* ---- host functions ---------------------------------------------------------- */

typedef enum kt_arg_type {
	KT_ARG_ANY,
	KT_ARG_STRING,
	KT_ARG_BYTES,
	KT_ARG_INT,   /* any int */
	KT_ARG_I64,   /* an int of 64 bits */
	KT_ARG_FLOAT, /* float or int */
	KT_ARG_BOOL,
	KT_ARG_LIST,
	KT_ARG_DICT,
	KT_ARG_TUPLE,
	KT_ARG_CALLABLE,
	KT_ARG_ITERABLE,
} kt_arg_type;

/* One parameter of a host function. */
typedef struct kt_param {
	const char *name;
	kt_arg_type type;
	bool optional;
	bool none_ok; /* None is as good as absent (the value is then KT_NULL) */
} kt_param;

typedef struct kt_builtin_row kt_builtin_row;

/* What a host function gets. All borrowed for the time of the call. */
typedef struct kt_args {
	const kt_val *pos;
	size_t npos;
	const kt_val *kw; /* nkw pairs: name (interned string), value */
	size_t nkw;
	const kt_val *v;           /* by parameter, KT_NULL = absent; NULL with KT_ARGS_RAW */
	kt_val self;               /* the receiver of a method; else KT_NULL */
	const kt_builtin_row *row; /* name and parameters of this function */
	void *user;                /* as given to kt_builtin_new */
} kt_args;

typedef kt_val (*kt_builtin_fn)(kt_sthread *t, const kt_args *a);

typedef enum kt_args_style {
	KT_ARGS_RAW,   /* the function looks at pos and kw itself */
	KT_ARGS_POS,   /* positional only: "f: got 0 arguments, want 1" */
	KT_ARGS_NAMED, /* names allowed: "f: missing argument for x" */
} kt_args_style;

/* Rows are constant and outlive every run that uses them. At most KT_PARAMS_MAX parameters. */
#define KT_PARAMS_MAX 40
struct kt_builtin_row {
	const char *name;
	kt_args_style style;
	const kt_param *params;
	size_t nparams;
	kt_builtin_fn fn;
};

/* A callable value; user is borrowed by the run. It prints as <built-in function NAME>. */
kt_val kt_builtin_new(kt_sthread *t, const kt_builtin_row *row, void *user);
/* The same bound to a receiver: <built-in method NAME of T value>. */
kt_val kt_method_new(kt_sthread *t, const kt_builtin_row *row, kt_val self);
/* The row and user of a host function; NULL otherwise. */
const kt_builtin_row *kt_builtin_row_of(kt_val v, void **ret_user);
/*
 * Sorts raw arguments into v[nparams] as KT_ARGS_NAMED (or KT_ARGS_POS) would do: for RAW
 * functions, and for hosts whose parameters are not rows. `fname` prefixes messages.
 */
int kt_args_unpack(kt_sthread *t, const char *fname, kt_args_style style, const kt_param *params,
		   size_t nparams, const kt_args *a, kt_val *v);

/* ---- host objects ------------------------------------------------------------ */

typedef struct kt_host_type kt_host_type;

/* First member of every host object. Lives in the run's heap; there is no destructor. */
typedef struct kt_host {
	uint64_t header_; /* private to the language */
	const kt_host_type *type;
} kt_host;

typedef enum kt_cmp_op {
	KT_CMP_EQ,
	KT_CMP_NE,
	KT_CMP_LT,
	KT_CMP_LE,
	KT_CMP_GT,
	KT_CMP_GE,
} kt_cmp_op;

/* Every function may be NULL; the comment names what happens then. */
struct kt_host_type {
	const char *name; /* type(v) */
	/* A missing attribute is reported as of a struct: "NAME" struct has no .x attribute. */
	bool like_struct;
	/* str() and repr(). NULL: <NAME> */
	int (*repr)(kt_sthread *t, kt_host *self, kt_buf *out);
	bool (*truth)(kt_host *self);                                   /* NULL: true */
	int (*hash)(kt_sthread *t, kt_host *self, uint32_t *ret);       /* NULL: unhashable */
	/* Of two objects of this type. NULL: identity. */
	int (*equal)(kt_sthread *t, kt_host *a, kt_host *b, bool *ret);
	/* <0, 0, >0 through ret, for < <= > >=. NULL: "T < T not implemented". */
	int (*order)(kt_sthread *t, kt_host *a, kt_host *b, int *ret);
	/*
	 * KT_NULL with no error raised: missing; then the default message is used. name is an
	 * interned string. NULL: no attributes.
	 */
	kt_val (*get_attr)(kt_sthread *t, kt_host *self, kt_val name);
	/* Calls add for each attribute name, in the order of hints and of nothing else. */
	int (*attr_names)(kt_sthread *t, kt_host *self,
			  int (*add)(void *arg, const char *name), void *arg);
	/* Assignment self.name = value. NULL: "can't assign to .name field of T". */
	int (*set_attr)(kt_sthread *t, kt_host *self, kt_val name, kt_val value);
	/* `op` is "+", "-", "*", "/", "//", "%", "|", "&", "in"… KT_NULL without error: unknown op. */
	kt_val (*binary)(kt_sthread *t, const char *op, kt_host *self, kt_val other,
			 bool self_is_left);
	kt_val (*call)(kt_sthread *t, kt_host *self, const kt_args *a); /* NULL: not callable */
	size_t (*len)(kt_host *self);                                   /* NULL: no len */
	/* As kt_iter_next; *at starts at 0 and is the object's own. NULL: not iterable. */
	int (*next)(kt_sthread *t, kt_host *self, size_t *at, kt_val *ret);
	void (*freeze)(kt_sthread *t, kt_host *self); /* calls kt_val_freeze on what it holds */
};

/* `size` bytes, zeroed but for the header; the struct's first member must be a kt_host. */
kt_host *kt_host_new(kt_sthread *t, const kt_host_type *type, size_t size);
static inline kt_val kt_host_val(kt_host *host) { return (kt_val)(uintptr_t)host; }
/* The object if v is one of this type (NULL: of any), else NULL. */
kt_host *kt_host_get(kt_val v, const kt_host_type *type);
/* Memory with the run's lifetime, zeroed, 16-byte aligned; NULL with an error raised. */
void *kt_star_alloc(kt_sthread *t, size_t size);

/* The best of n candidates for a mistyped name (see the hints in error messages), or NULL. */
const char *kt_star_nearest(const char *name, const char *const *candidates, size_t n);

/* The language's library modules `json` and `time`, and the constructor `struct`. */
kt_val kt_json_module(kt_sthread *t);
kt_val kt_time_module(kt_sthread *t);
kt_val kt_struct_builtin(kt_sthread *t);

#endif
