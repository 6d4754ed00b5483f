/* Execution: what its sources share. Private to this module. */
#ifndef KT_TEMPLATE_EXEC_INTERNAL_H
#define KT_TEMPLATE_EXEC_INTERNAL_H

#include "template/template_internal.h"

#include "base/vec.h"

typedef struct kt_tvar {
	kt_ttext name;
	kt_tmpl_val value;
} kt_tvar;

/*
 * One execution. In values, KT_TMPL_MISSING is "no value at all" and KT_TMPL_NIL a null that
 * was taken out of a list or map (iface set); a pipeline turns the latter into the former.
 */
typedef struct kt_texec {
	const kt_tmpl *tmpl;
	kt_ttext name; /* of the template being executed */
	kt_buf *out;
	kt_arena scratch; /* texts and values made on the way */
	const kt_tnode *node; /* where errors are reported */
	KT_VEC(kt_tvar) vars;
	size_t first_var; /* of the template being executed */
	kt_buf problem;   /* a function's error */
	kt_err *err;
} kt_texec;

/* All functions that give bool: false = failed, and the error is set. */
bool kt_texec_fail(kt_texec *x, const char *fmt, ...) KT_PRINTF(2, 3);
bool kt_texec_nomem(kt_texec *x);

bool kt_teval_pipeline(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *pipe,
		       kt_tmpl_val *ret);
bool kt_teval_set_var(kt_texec *x, kt_ttext name, const kt_tmpl_val *value);

/* What type a function's parameter has. */
typedef enum kt_tparam {
	KT_TPARAM_VALUE, /* anything, null kept apart from nothing */
	KT_TPARAM_ANY,   /* anything; nothing is null */
	KT_TPARAM_STRING,
} kt_tparam;

struct kt_tfunc {
	const char *name;
	size_t min; /* fewest arguments */
	bool variadic;
	kt_tparam first, rest;
	/* False with a message in x->problem. NULL: handled by the evaluator. */
	bool (*fn)(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);
};

/* Appends to x->problem and gives false. */
bool kt_tfunc_fail(kt_texec *x, const char *fmt, ...) KT_PRINTF(2, 3);
/* A string value of what buf holds, kept in x->scratch. Releases buf. */
bool kt_tfunc_text(kt_texec *x, kt_buf *buf, kt_tmpl_val *ret);

bool kt_tfunc_eq(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);
bool kt_tfunc_ne(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);
bool kt_tfunc_lt(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);
bool kt_tfunc_le(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);
bool kt_tfunc_gt(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);
bool kt_tfunc_ge(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret);

#endif
