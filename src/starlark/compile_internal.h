/* The compiler's state, shared by compile_expr.c and compile_stmt.c. */
#ifndef KT_STARLARK_COMPILE_INTERNAL_H
#define KT_STARLARK_COMPILE_INTERNAL_H

#include "starlark/code.h"
#include "starlark/run_internal.h"

#include "base/vec.h"

typedef uint32_t kt_reg;
#define KT_MAX_REGS 60000u
#define KT_NO_REG UINT32_MAX

typedef KT_VEC(uint32_t) kt_jumps; /* instructions whose target is still open */

typedef struct kt_loop {
	struct kt_loop *up;
	uint32_t start;
	kt_jumps breaks;
	kt_reg iter; /* KT_NO_REG: while */
} kt_loop;

/* One function being compiled. */
typedef struct kt_fcomp {
	struct kt_fcomp *up;
	kt_sthread *t;
	kt_unit *unit;
	kt_fn_node *fn;
	kt_code *code;
	KT_VEC(kt_instr) instrs;
	KT_VEC(kt_spos) positions;
	KT_VEC(kt_val) consts;
	KT_VEC(kt_site) sites;
	KT_VEC(kt_code *) children;
	kt_reg top; /* first free register */
	kt_spos pos;
	uint8_t *assigned; /* by local: certainly set at this point */
	bool dead;	   /* this point cannot be reached */
	kt_loop *loop;
	bool failed;
} kt_fcomp;

/* Everything records failure in fc->failed and goes on. */
uint32_t kt_emit(kt_fcomp *fc, kt_op op, uint32_t n, uint32_t a, uint32_t b, uint32_t c);
uint32_t kt_emit_wide(kt_fcomp *fc, kt_op op, uint32_t a, uint32_t wide);
void kt_comp_fail(kt_fcomp *fc, const char *what);
kt_reg kt_temps(kt_fcomp *fc, uint32_t count); /* the first of count new registers in a row */
uint32_t kt_const(kt_fcomp *fc, kt_val v);
uint32_t kt_site_new(kt_fcomp *fc, kt_val name);
/* Lets the jump at `at` lead to the next instruction. */
void kt_patch(kt_fcomp *fc, uint32_t at);
void kt_patch_all(kt_fcomp *fc, kt_jumps *jumps); /* and empties the list */
void kt_jump_back(kt_fcomp *fc, uint32_t target);

kt_reg kt_expr_any(kt_fcomp *fc, kt_expr *e);		 /* wherever it lies best */
void kt_expr_to(kt_fcomp *fc, kt_expr *e, kt_reg dst); /* dst may be a temporary only */
void kt_expr_to_local(kt_fcomp *fc, kt_expr *e, kt_reg dst);
/* Jumps (added to *jumps) when e's truth is `when`; else goes on. */
void kt_cond(kt_fcomp *fc, kt_expr *e, bool when, kt_jumps *jumps);
void kt_assign(kt_fcomp *fc, kt_expr *target, kt_reg from, kt_spos pos);
void kt_comp_function(kt_fcomp *fc, kt_fn_node *fn, kt_reg dst);
void kt_store_binding(kt_fcomp *fc, const kt_binding *b, kt_reg from);
kt_expr *kt_unparen(kt_expr *e);
kt_op kt_binary_op(kt_token tok);

void kt_stmts(kt_fcomp *fc, kt_stmt *s);

/* The position that evaluating e leaves behind; *pos stays if there is none. */
void kt_pos_after(const kt_expr *e, kt_spos *pos);
/* Where a call that fails before its first instruction is reported. */
kt_spos kt_pos_entry(const kt_fn_node *fn);

#endif
