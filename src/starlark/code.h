/*
 * Compiled functions: register code with instructions of 64 bits. For this module only.
 *
 * A frame's registers: parameters, other locals, temporaries. Operands a, b, c are registers
 * unless the table says otherwise; "wide" is b | c << 16. ADD with n set joins bytes literals.
 */
#ifndef KT_STARLARK_CODE_H
#define KT_STARLARK_CODE_H

#include "starlark/syntax_internal.h"
#include "starlark/value.h"

typedef struct kt_instr {
	uint8_t op;
	uint8_t n;
	uint16_t a, b, c;
} kt_instr;

/* clang-format off */
#define KT_OPS(X)                                                                                  \
	X(MOVE)        /* a = b */                                                                 \
	X(LOADK)       /* a = constant[wide] */                                                    \
	X(GETGLOBAL)   /* a = global[wide] */                                                      \
	X(SETGLOBAL)   /* global[wide] = a */                                                      \
	X(CELL)        /* a = new cell holding a */                                                \
	X(GETCELL)     /* a = what cell b holds; n: may be unset */                                \
	X(SETCELL)     /* cell a holds b */                                                        \
	X(GETFREE)     /* a = what free[b] holds */                                                \
	X(CHECK)       /* fails if local a is unset */                                             \
	X(ADD) X(SUB) X(MUL) X(DIV) X(FLOORDIV) X(MOD)                                             \
	X(BITAND) X(BITOR) X(XOR) X(SHL) X(SHR) X(IN) X(NOTIN) /* a = b op c; as kt_binop */ \
	X(ADDI)        /* a = b + (int16)c */                                                      \
	X(IADD)        /* a = b += c */                                                            \
	X(IOR)         /* a = b |= c */                                                            \
	X(EQ) X(NE) X(LT) X(LE) X(GT) X(GE) /* a = b op c, in kt_cmp_op's order */                 \
	X(NEG) X(POS) X(BITNOT) X(NOT)                                                             \
	X(JMP)         /* by (int32)wide */                                                        \
	X(JIF)         /* if a is true by (int32)wide */                                           \
	X(JIFNOT)                                                                                  \
	X(JEQ) X(JNE) X(JLT) X(JLE) X(JGT) X(JGE) /* if a op b, by (int24)(n << 16 | c) */         \
	X(JNLT) X(JNLE) X(JNGT) X(JNGE)           /* if not a op b */                              \
	X(LIST)        /* a = list of c registers from b */                                        \
	X(APPEND)      /* list a gets the c registers from b */                                    \
	X(TUPLE)       /* a = tuple of c registers from b */                                       \
	X(DICT)        /* a = dict expecting wide entries */                                       \
	X(SETKEY)      /* dict a: key b = c; n: duplicate keys fail */                             \
	X(INDEX)       /* a = b[c] */                                                              \
	X(SETINDEX)    /* a[b] = c */                                                              \
	X(SLICE)       /* a = b[b+1 : b+2 : b+3] */                                                \
	X(ATTR)        /* a = b.site[c] */                                                         \
	X(SETATTR)     /* a.site[c] = b */                                                         \
	X(METHOD)      /* a, a+1 = function and receiver of b.site[c] */                           \
	X(CALL)        /* a = a(a+1 …): b positional, names in constant c (0xFFFF: none) */        \
	X(CALLM)       /* a = a(a+2 …), receiver in a+1 */                                         \
	X(CALLX)       /* as CALL; then n & 1: *args, n & 2: **kwargs in the registers after */    \
	X(RETURN)      /* a */                                                                     \
	X(ITER)        /* a, a+1 = iteration over b */                                             \
	X(FORITER)     /* b = next of iteration a, or its end and a jump by n << 16 | c */         \
	X(ENDITER)     /* leaves iteration a early */                                              \
	X(UNPACK)      /* c registers from a = items of b */                                       \
	X(CLOSURE)     /* a = function child[c] with defaults from b (as many as it wants) */      \
	X(NOLOAD)      /* fails: cannot load constant[wide] */
/* clang-format on */

typedef enum kt_op {
#define KT_OP_ENUM(name) KT_BC_##name,
	KT_OPS(KT_OP_ENUM)
#undef KT_OP_ENUM
	KT_BC_COUNT
} kt_op;

/* One place in the code that reads an attribute, with what it found last. */
typedef struct kt_site {
	kt_val name;
	const void *key; /* shape, type or members it was found in; NULL: nothing yet */
	uint32_t slot;
	kt_val method;
} kt_site;

/* What all functions of a file share. */
typedef struct kt_unit {
	const char *file;
	kt_val *globals; /* KT_NULL = not set yet */
	kt_val *global_names;
	uint32_t nglobals;
} kt_unit;

typedef struct kt_capture {
	bool from_cell; /* else from the free variables of the maker */
	uint16_t index; /* register or free variable */
} kt_capture;

typedef struct kt_code {
	kt_unit *unit;
	const char *name;
	const char *file;
	kt_spos pos; /* of def or lambda */
	kt_spos entry_pos; /* of calls that fail to bind their arguments */
	const char *doc;
	kt_instr *instrs;
	kt_spos *positions; /* by instruction */
	uint32_t ninstrs, nchildren;
	kt_val *consts;
	kt_site *sites;
	struct kt_code **children;
	kt_val *local_names, *free_names;
	uint32_t nregs, nlocals;
	uint32_t nparams, nkwonly; /* without *args and **kwargs */
	uint32_t ndefaults;	   /* that CLOSURE takes: of optional and keyword-only parameters */
	bool varargs, kwargs, simple; /* simple: positional parameters only */
	kt_capture *captures;
	uint32_t nfree;
	kt_sthread *active; /* running in this thread */
} kt_code;

static inline kt_star_pos kt_code_pos(const kt_code *code, const struct kt_instr *at)
{
	kt_spos pos = code->positions[at - code->instrs];

	return (kt_star_pos){code->file, pos.line, pos.col};
}

/* Appends the code and that of the functions in it, for people. -1 with an error. */
int kt_code_print(kt_sthread *t, const kt_code *code, kt_buf *out);

/* The code of the whole file. NULL with an error. All memory is of the run's heap. */
kt_code *kt_compile(kt_sthread *t, const char *file, const kt_resolved *resolved);

#endif
