/* Code for expressions. */
#include "starlark/compile_internal.h"

#include "base/stack.h"

#include <limits.h>

void kt_comp_fail(kt_fcomp *fc, const char *what)
{
	if (!fc->failed) {
		fc->failed = true;
		if (what == NULL) {
			kt_star_raise_nomem(fc->t);
		} else {
			kt_star_raise(fc->t, "%s:%d:%d: %s", fc->unit->file, fc->pos.line,
				      fc->pos.col, what);
		}
	}
}

uint32_t kt_emit(kt_fcomp *fc, kt_op op, uint32_t n, uint32_t a, uint32_t b, uint32_t c)
{
	kt_instr instr = {(uint8_t)op, (uint8_t)n, (uint16_t)a, (uint16_t)b, (uint16_t)c};

	if (kt_vec_push(&fc->instrs, instr) < 0 || kt_vec_push(&fc->positions, fc->pos) < 0) {
		kt_comp_fail(fc, NULL);
		return 0;
	}
	return (uint32_t)fc->instrs.len - 1;
}

uint32_t kt_emit_wide(kt_fcomp *fc, kt_op op, uint32_t a, uint32_t wide)
{
	return kt_emit(fc, op, 0, a, wide & 0xFFFF, wide >> 16);
}

kt_reg kt_temps(kt_fcomp *fc, uint32_t count)
{
	kt_reg first = fc->top;

	if (count > KT_MAX_REGS || first + count > KT_MAX_REGS) {
		kt_comp_fail(fc, "function too large: more than 60000 values at once");
		return 0;
	}
	fc->top += count;
	fc->code->nregs = KT_MAX(fc->code->nregs, fc->top);
	return first;
}

uint32_t kt_const(kt_fcomp *fc, kt_val v)
{
	size_t from = fc->consts.len > 64 ? fc->consts.len - 64 : 0;

	for (size_t i = fc->consts.len; i > from; i--) {
		if (fc->consts.items[i - 1] == v) {
			return (uint32_t)i - 1;
		}
	}
	if (kt_vec_push(&fc->consts, v) < 0) {
		kt_comp_fail(fc, NULL);
		return 0;
	}
	return (uint32_t)fc->consts.len - 1;
}

uint32_t kt_site_new(kt_fcomp *fc, kt_val name)
{
	kt_site site = {.name = name};

	if (fc->sites.len >= UINT16_MAX) {
		kt_comp_fail(fc, "function too large: more than 65534 attributes");
		return 0;
	}
	if (kt_vec_push(&fc->sites, site) < 0) {
		kt_comp_fail(fc, NULL);
		return 0;
	}
	return (uint32_t)fc->sites.len - 1;
}

/* ---- jumps ------------------------------------------------------------------- */

static void set_jump(kt_fcomp *fc, uint32_t at, int64_t offset)
{
	kt_instr *instr;

	if (fc->failed) {
		return;
	}
	instr = &fc->instrs.items[at];
	if (instr->op == KT_BC_FORITER || (instr->op >= KT_BC_JEQ && instr->op <= KT_BC_JNGE)) {
		if (offset >= 1 << 23 || offset < -(1 << 23)) {
			kt_comp_fail(fc, "function too large: a jump goes too far");
		}
		instr->c = (uint16_t)offset;
		instr->n = (uint8_t)(offset >> 16);
	} else {
		instr->b = (uint16_t)offset;
		instr->c = (uint16_t)((uint32_t)offset >> 16);
	}
}

void kt_patch(kt_fcomp *fc, uint32_t at)
{
	set_jump(fc, at, (int64_t)fc->instrs.len - at - 1);
}

void kt_patch_all(kt_fcomp *fc, kt_jumps *jumps)
{
	for (size_t i = 0; i < jumps->len; i++) {
		kt_patch(fc, jumps->items[i]);
	}
	kt_vec_deinit(jumps);
}

void kt_jump_back(kt_fcomp *fc, uint32_t target)
{
	uint32_t at = kt_emit_wide(fc, KT_BC_JMP, 0, 0);

	set_jump(fc, at, (int64_t)target - at - 1);
}

static void open_jump(kt_fcomp *fc, kt_jumps *jumps, uint32_t at)
{
	if (kt_vec_push(jumps, at) < 0) {
		kt_comp_fail(fc, NULL);
	}
}

/* ---- names ------------------------------------------------------------------- */

kt_expr *kt_unparen(kt_expr *e)
{
	while (e->kind == KT_EX_PAREN) {
		e = e->a;
	}
	return e;
}

static void check_local(kt_fcomp *fc, const kt_binding *b, kt_spos pos)
{
	if (!fc->assigned[b->index] && !fc->dead) {
		fc->pos = pos;
		kt_emit(fc, KT_BC_CHECK, 0, b->index, 0, 0);
	}
}

/* The register of a plain local, or KT_NO_REG. */
static kt_reg local_of(kt_fcomp *fc, kt_expr *e)
{
	e = kt_unparen(e);
	if (e->kind != KT_EX_IDENT || e->binding->scope != KT_SC_LOCAL) {
		return KT_NO_REG;
	}
	check_local(fc, e->binding, e->pos);
	return e->binding->index;
}

static void load_name(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	const kt_binding *b = e->binding;

	fc->pos = e->pos;
	switch ((kt_scope)b->scope) {
	case KT_SC_LOCAL:
		check_local(fc, b, e->pos);
		kt_emit(fc, KT_BC_MOVE, 0, dst, b->index, 0);
		break;
	case KT_SC_CELL:
		kt_emit(fc, KT_BC_GETCELL, 0, dst, b->index, 0);
		break;
	case KT_SC_FREE:
		kt_emit(fc, KT_BC_GETFREE, 0, dst, b->index, 0);
		break;
	case KT_SC_GLOBAL:
		kt_emit_wide(fc, KT_BC_GETGLOBAL, dst, b->index);
		break;
	case KT_SC_CONST:
		kt_emit_wide(fc, KT_BC_LOADK, dst, kt_const(fc, b->value));
		break;
	case KT_SC_UNDEFINED:
		kt_comp_fail(fc, "unresolved name");
		break;
	}
}

void kt_store_binding(kt_fcomp *fc, const kt_binding *b, kt_reg from)
{
	switch ((kt_scope)b->scope) {
	case KT_SC_LOCAL:
		fc->assigned[b->index] = 1;
		if (b->index != from) {
			kt_emit(fc, KT_BC_MOVE, 0, b->index, from, 0);
		}
		break;
	case KT_SC_CELL:
		kt_emit(fc, KT_BC_SETCELL, 0, b->index, from, 0);
		break;
	case KT_SC_GLOBAL:
		kt_emit_wide(fc, KT_BC_SETGLOBAL, from, b->index);
		break;
	default:
		kt_comp_fail(fc, "assignment to a name that is not of this scope");
		break;
	}
}

/* ---- displays ---------------------------------------------------------------- */

#define BATCH 64

/* List or tuple. Long lists are built in batches, so that few registers do. */
static void sequence(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	size_t n = e->list.len;
	size_t batch = e->kind == KT_EX_LIST ? KT_MIN(n, BATCH) : n;
	kt_reg mark = fc->top;
	kt_reg base = kt_temps(fc, (uint32_t)KT_MIN(batch, UINT32_MAX));

	for (size_t i = 0; i < n && !fc->failed; i++) {
		size_t in_batch = i % batch;

		kt_expr_to(fc, e->list.items[i], base + (kt_reg)in_batch);
		if (in_batch + 1 == batch && i + 1 < n) {
			kt_emit(fc, i + 1 == batch ? KT_BC_LIST : KT_BC_APPEND, 0, dst, base,
				(uint32_t)batch);
		}
	}
	fc->pos = e->pos;
	if (e->kind == KT_EX_TUPLE) {
		kt_emit(fc, KT_BC_TUPLE, 0, dst, base, (uint32_t)n);
	} else if (n <= batch) {
		kt_emit(fc, KT_BC_LIST, 0, dst, base, (uint32_t)n);
	} else {
		kt_emit(fc, KT_BC_APPEND, 0, dst, base, (uint32_t)((n - 1) % batch + 1));
	}
	fc->top = mark;
}

static void dict(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	fc->pos = e->pos;
	kt_emit_wide(fc, KT_BC_DICT, dst, (uint32_t)KT_MIN(e->list.len, UINT32_MAX));
	for (size_t i = 0; i < e->list.len && !fc->failed; i++) {
		const kt_expr *entry = e->list.items[i];
		kt_reg mark = fc->top;
		kt_reg key = kt_expr_any(fc, entry->a);
		kt_reg value = kt_expr_any(fc, entry->b);

		fc->pos = entry->pos;
		kt_emit(fc, KT_BC_SETKEY, 1, dst, key, value);
		fc->top = mark;
	}
}

static void comp_body(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_reg mark = fc->top;

	if (e->curly) {
		kt_reg key = kt_expr_any(fc, e->comp.body->a);
		kt_reg value = kt_expr_any(fc, e->comp.body->b);

		fc->pos = e->comp.body->pos;
		kt_emit(fc, KT_BC_SETKEY, 0, dst, key, value);
	} else {
		kt_reg value = kt_expr_any(fc, e->comp.body);

		kt_emit(fc, KT_BC_APPEND, 0, dst, value, 1);
	}
	fc->top = mark;
}

/* Where a loop's next value goes: straight into a plain local, else into a temporary. */
static kt_reg loop_var(kt_expr *vars, kt_reg spare)
{
	vars = kt_unparen(vars);
	if (vars->kind == KT_EX_IDENT && vars->binding->scope == KT_SC_LOCAL) {
		return vars->binding->index;
	}
	return spare;
}

static void comp_clause(kt_fcomp *fc, const kt_expr *e, const kt_clause *clause, kt_reg dst)
{
	kt_reg mark = fc->top;
	kt_jumps skip = {0};

	if (clause == NULL) {
		comp_body(fc, e, dst);
		return;
	}
	if (clause->vars == NULL) {
		kt_cond(fc, clause->x, false, &skip);
		comp_clause(fc, e, clause->next, dst);
		kt_patch_all(fc, &skip);
	} else {
		kt_reg iter = kt_temps(fc, 3);
		kt_reg seq = kt_expr_any(fc, clause->x);
		kt_reg var = loop_var(clause->vars, iter + 2);
		uint32_t start;

		fc->top = iter + 3;
		fc->pos = clause->pos;
		kt_emit(fc, KT_BC_ITER, 0, iter, seq, 0);
		start = kt_emit(fc, KT_BC_FORITER, 0, iter, var, 0);
		kt_assign(fc, clause->vars, var, clause->pos);
		comp_clause(fc, e, clause->next, dst);
		kt_jump_back(fc, start);
		kt_patch(fc, start);
	}
	fc->top = mark;
}

static void comprehension(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	fc->pos = e->pos;
	if (e->curly) {
		kt_emit_wide(fc, KT_BC_DICT, dst, 0);
	} else {
		kt_emit(fc, KT_BC_LIST, 0, dst, dst, 0);
	}
	comp_clause(fc, e, e->comp.clauses, dst);
}

/* ---- calls ------------------------------------------------------------------- */

static bool is_named(const kt_expr *arg)
{
	return arg->kind == KT_EX_BINARY && arg->op == KT_TOK_EQ;
}

static bool is_star(const kt_expr *arg, kt_token op)
{
	return arg->kind == KT_EX_UNARY && arg->op == op;
}

/* The names of keyword arguments as a tuple among the constants; 0xFFFF if there are none. */
static uint32_t keyword_names(kt_fcomp *fc, const kt_exprs *args)
{
	kt_val names[256];
	size_t n = 0;
	kt_val tuple;
	uint32_t k;

	for (size_t i = 0; i < args->len && n < KT_ARRAY_LEN(names); i++) {
		if (is_named(args->items[i])) {
			names[n++] = args->items[i]->a->value;
		}
	}
	if (n == 0) {
		return 0xFFFF;
	}
	tuple = kt_tuple_new(fc->t, names, n);
	if (tuple == KT_NULL) {
		kt_comp_fail(fc, NULL);
	}
	k = kt_const(fc, tuple);
	if (k >= 0xFFFF) {
		kt_comp_fail(fc, "function too large: too many constants");
	}
	return k;
}

/* Compiles all arguments into fresh registers; returns the flags of CALLX. */
static uint32_t arguments(kt_fcomp *fc, const kt_exprs *args, uint32_t *ret_npos)
{
	uint32_t flags = 0;
	uint32_t npos = 0;

	for (size_t i = 0; i < args->len; i++) {
		kt_expr *arg = args->items[i];
		kt_reg at = kt_temps(fc, 1);

		if (is_named(arg)) {
			kt_expr_to(fc, arg->b, at);
		} else if (is_star(arg, KT_TOK_STAR)) {
			kt_expr_to(fc, arg->a, at);
			flags |= 1;
		} else if (is_star(arg, KT_TOK_STARSTAR)) {
			kt_expr_to(fc, arg->a, at);
			flags |= 2;
		} else {
			kt_expr_to(fc, arg, at);
			npos++;
		}
	}
	*ret_npos = npos;
	return flags;
}

/* Leaves the result in the first free register, which is returned but not taken. */
static kt_reg call(kt_fcomp *fc, const kt_expr *e)
{
	kt_expr *fn = kt_unparen(e->call.fn);
	const kt_exprs *args = &e->call.args;
	uint32_t names = keyword_names(fc, args);
	bool stars = args->len > 0 && (is_star(args->items[args->len - 1], KT_TOK_STAR) ||
				       is_star(args->items[args->len - 1], KT_TOK_STARSTAR));
	bool method = fn->kind == KT_EX_DOT && !stars;
	kt_reg base = fc->top;
	uint32_t npos = 0;
	uint32_t flags;

	for (size_t i = 0; i < args->len; i++) {
		stars = stars || is_star(args->items[i], KT_TOK_STAR);
	}
	method = method && !stars;
	kt_temps(fc, method ? 2 : 1);
	if (method) {
		kt_reg mark = fc->top;
		kt_reg of = kt_expr_any(fc, fn->dot.of);

		fc->top = mark;
		fc->pos = fn->pos;
		kt_emit(fc, KT_BC_METHOD, 0, base, of, kt_site_new(fc, fn->dot.name));
	} else {
		kt_expr_to(fc, fn, base);
	}
	flags = arguments(fc, args, &npos);
	fc->pos = e->pos;
	kt_emit(fc, flags != 0 ? KT_BC_CALLX : method ? KT_BC_CALLM : KT_BC_CALL, flags, base,
		npos, names);
	fc->top = base;
	return base;
}

static void call_to(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_reg mark = fc->top;
	kt_reg result;

	if (dst + 1 == fc->top && dst >= fc->code->nlocals) {
		fc->top = dst; /* so that the result lands where it is wanted */
	}
	result = call(fc, e);
	fc->top = mark;
	if (result != dst) {
		kt_emit(fc, KT_BC_MOVE, 0, dst, result, 0);
	}
}

/* ---- operators --------------------------------------------------------------- */

kt_op kt_binary_op(kt_token tok)
{
	switch (tok) {
	case KT_TOK_PLUS: case KT_TOK_PLUS_EQ:
		return KT_BC_ADD;
	case KT_TOK_MINUS: case KT_TOK_MINUS_EQ:
		return KT_BC_SUB;
	case KT_TOK_STAR: case KT_TOK_STAR_EQ:
		return KT_BC_MUL;
	case KT_TOK_SLASH: case KT_TOK_SLASH_EQ:
		return KT_BC_DIV;
	case KT_TOK_SLASHSLASH: case KT_TOK_SLASHSLASH_EQ:
		return KT_BC_FLOORDIV;
	case KT_TOK_PERCENT: case KT_TOK_PERCENT_EQ:
		return KT_BC_MOD;
	case KT_TOK_AMP: case KT_TOK_AMP_EQ:
		return KT_BC_BITAND;
	case KT_TOK_PIPE: case KT_TOK_PIPE_EQ:
		return KT_BC_BITOR;
	case KT_TOK_CARET: case KT_TOK_CARET_EQ:
		return KT_BC_XOR;
	case KT_TOK_LTLT: case KT_TOK_LTLT_EQ:
		return KT_BC_SHL;
	case KT_TOK_GTGT: case KT_TOK_GTGT_EQ:
		return KT_BC_SHR;
	case KT_TOK_IN:
		return KT_BC_IN;
	case KT_TOK_NOT_IN:
		return KT_BC_NOTIN;
	case KT_TOK_EQL:
		return KT_BC_EQ;
	case KT_TOK_NEQ:
		return KT_BC_NE;
	case KT_TOK_LT:
		return KT_BC_LT;
	case KT_TOK_LE:
		return KT_BC_LE;
	case KT_TOK_GT:
		return KT_BC_GT;
	case KT_TOK_GE:
		return KT_BC_GE;
	default:
		return KT_BC_COUNT; /* and, or, '=' */
	}
}

/* A literal int that fits the operand of ADDI (negated for '-'). */
static bool small_addend(const kt_expr *e, kt_token op, int16_t *ret)
{
	int64_t i;

	if ((op != KT_TOK_PLUS && op != KT_TOK_MINUS) || e->kind != KT_EX_LITERAL ||
	    e->literal != KT_TOK_INT || !kt_is_int(e->value)) {
		return false;
	}
	i = kt_small(e->value);
	if (i > 30000 || i < -30000) {
		return false;
	}
	*ret = (int16_t)(op == KT_TOK_MINUS ? -i : i);
	return op == KT_TOK_PLUS;
}

/* dst = left op e->b */
static bool is_bytes_literal(const kt_expr *e)
{
	while (e->kind == KT_EX_PAREN) {
		e = e->a;
	}
	return e->kind == KT_EX_LITERAL && kt_is(e->value, KT_KIND_BYTES);
}

/*
 * Bytes cannot be added: only literals can, as the reference joins those before it runs. Here the
 * instruction is marked.
 */
static bool adds_bytes_literals(const kt_expr *e)
{
	const kt_expr *left = e->a;

	while (left->kind == KT_EX_PAREN) {
		left = left->a;
	}
	if (left->kind == KT_EX_BINARY && left->op == KT_TOK_PLUS) {
		left = left->b; /* the sum of literals, or it has failed by then */
	}
	return e->op == KT_TOK_PLUS && is_bytes_literal(left) && is_bytes_literal(e->b);
}

static void binary_step(kt_fcomp *fc, const kt_expr *e, kt_reg left, kt_reg dst)
{
	int16_t addend;
	kt_reg right;

	if (small_addend(e->b, (kt_token)e->op, &addend)) {
		fc->pos = e->pos;
		kt_emit(fc, KT_BC_ADDI, 0, dst, left, (uint16_t)addend);
		return;
	}
	right = kt_expr_any(fc, e->b);
	fc->pos = e->pos;
	kt_emit(fc, kt_binary_op((kt_token)e->op), adds_bytes_literals(e) ? 1 : 0, dst, left,
		right);
}

static bool is_logic(const kt_expr *e)
{
	return e->kind == KT_EX_BINARY && (e->op == KT_TOK_AND || e->op == KT_TOK_OR);
}

/* A chain of operators along its left side, without recursion. */
static void binary(kt_fcomp *fc, kt_expr *e, kt_reg dst)
{
	KT_VEC(kt_expr *) chain = {0};
	kt_reg left;
	kt_reg mark = fc->top;
	kt_reg acc = KT_NO_REG;

	while (e->kind == KT_EX_BINARY && !is_logic(e)) {
		if (kt_vec_push(&chain, e) < 0) {
			kt_comp_fail(fc, NULL);
			break;
		}
		e = e->a;
	}
	if (chain.len > 1) {
		acc = kt_temps(fc, 1);
	}
	left = kt_expr_any(fc, e);
	while (chain.len > 0) {
		kt_reg to = chain.len == 1 ? dst : acc;

		binary_step(fc, chain.items[--chain.len], left, to);
		left = to;
		if (acc != KT_NO_REG) {
			fc->top = acc + 1;
		}
	}
	kt_vec_deinit(&chain);
	fc->top = mark;
}

/* a and b, a or b: the value is the last one looked at. Chains are flattened too. */
static void logic(kt_fcomp *fc, kt_expr *e, kt_reg dst)
{
	KT_VEC(kt_expr *) chain = {0};
	kt_jumps done = {0};
	uint8_t op = e->op;

	while (e->kind == KT_EX_BINARY && e->op == op) {
		if (kt_vec_push(&chain, e) < 0) {
			kt_comp_fail(fc, NULL);
			break;
		}
		e = e->a;
	}
	kt_expr_to(fc, e, dst);
	while (chain.len > 0) {
		e = chain.items[--chain.len];
		open_jump(fc, &done,
			  kt_emit_wide(fc, op == KT_TOK_OR ? KT_BC_JIF : KT_BC_JIFNOT, dst, 0));
		kt_expr_to(fc, e->b, dst);
	}
	kt_patch_all(fc, &done);
	kt_vec_deinit(&chain);
}

static void conditional(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_jumps otherwise = {0};
	uint32_t done;

	kt_cond(fc, e->c, false, &otherwise);
	kt_expr_to(fc, e->a, dst);
	done = kt_emit_wide(fc, KT_BC_JMP, 0, 0);
	kt_patch_all(fc, &otherwise);
	kt_expr_to(fc, e->b, dst);
	kt_patch(fc, done);
}

static void unary(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_reg mark = fc->top;
	kt_reg of;

	if (e->op == KT_TOK_MINUS && e->a->kind == KT_EX_LITERAL && kt_is_int(e->a->value) &&
	    kt_small(e->a->value) != KT_SMALL_MIN) {
		fc->pos = e->pos;
		kt_emit_wide(fc, KT_BC_LOADK, dst,
			     kt_const(fc, kt_small_val(-kt_small(e->a->value))));
		return;
	}
	of = kt_expr_any(fc, e->a);
	fc->pos = e->pos;
	kt_emit(fc,
		e->op == KT_TOK_MINUS ? KT_BC_NEG
		: e->op == KT_TOK_PLUS ? KT_BC_POS
		: e->op == KT_TOK_TILDE ? KT_BC_BITNOT
					: KT_BC_NOT,
		0, dst, of, 0);
	fc->top = mark;
}

/* The instruction that jumps when the comparison e is `when`; COUNT if e is none. */
static kt_op compare_jump(const kt_expr *e, bool when)
{
	static const kt_op if_true[] = {KT_BC_JEQ, KT_BC_JNE, KT_BC_JLT,
					KT_BC_JLE, KT_BC_JGT, KT_BC_JGE};
	static const kt_op if_false[] = {KT_BC_JNE,  KT_BC_JEQ,  KT_BC_JNLT,
					 KT_BC_JNLE, KT_BC_JNGT, KT_BC_JNGE};
	kt_op op = e->kind == KT_EX_BINARY ? kt_binary_op((kt_token)e->op) : KT_BC_COUNT;

	if (op < KT_BC_EQ || op > KT_BC_GE) {
		return KT_BC_COUNT;
	}
	return (when ? if_true : if_false)[op - KT_BC_EQ];
}

void kt_cond(kt_fcomp *fc, kt_expr *e, bool when, kt_jumps *jumps)
{
	kt_reg mark = fc->top;
	kt_reg a;

	e = kt_unparen(e);
	if (e->kind == KT_EX_UNARY && e->op == KT_TOK_NOT) {
		kt_cond(fc, e->a, !when, jumps);
	} else if (is_logic(e)) {
		kt_jumps through = {0};

		/* "jump if false" of an `and` falls through its parts; the mirror for `or`. */
		if ((e->op == KT_TOK_AND) != when) {
			kt_cond(fc, e->a, when, jumps);
			kt_cond(fc, e->b, when, jumps);
		} else {
			kt_cond(fc, e->a, !when, &through);
			kt_cond(fc, e->b, when, jumps);
			kt_patch_all(fc, &through);
		}
	} else if (compare_jump(e, when) != KT_BC_COUNT) {
		kt_reg b;

		a = kt_expr_any(fc, e->a);
		b = kt_expr_any(fc, e->b);
		fc->pos = e->pos;
		open_jump(fc, jumps, kt_emit(fc, compare_jump(e, when), 0, a, b, 0));
	} else {
		a = kt_expr_any(fc, e);
		open_jump(fc, jumps, kt_emit_wide(fc, when ? KT_BC_JIF : KT_BC_JIFNOT, a, 0));
	}
	fc->top = mark;
}

/* ---- all kinds --------------------------------------------------------------- */

static void slice(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_expr *parts[4] = {e->a, e->b, e->c, e->d};
	kt_reg mark = fc->top;
	kt_reg base = kt_temps(fc, 4);

	for (kt_reg i = 0; i < 4; i++) {
		if (parts[i] != NULL) {
			kt_expr_to(fc, parts[i], base + i);
		} else {
			kt_emit_wide(fc, KT_BC_LOADK, base + i, kt_const(fc, KT_NONE));
		}
	}
	fc->pos = e->pos;
	kt_pos_after(e, &fc->pos);
	kt_emit(fc, KT_BC_SLICE, 0, dst, base, 0);
	fc->top = mark;
}

static void index_of(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_reg mark = fc->top;
	kt_reg of = kt_expr_any(fc, e->a);
	kt_reg at = kt_expr_any(fc, e->b);

	fc->pos = e->pos;
	kt_emit(fc, KT_BC_INDEX, 0, dst, of, at);
	fc->top = mark;
}

static void dot(kt_fcomp *fc, const kt_expr *e, kt_reg dst)
{
	kt_reg mark = fc->top;
	kt_reg of = kt_expr_any(fc, e->dot.of);

	fc->pos = e->pos;
	kt_emit(fc, KT_BC_ATTR, 0, dst, of, kt_site_new(fc, e->dot.name));
	fc->top = mark;
}

void kt_expr_to(kt_fcomp *fc, kt_expr *e, kt_reg dst)
{
	if (!fc->failed && kt_stack_low()) {
		kt_comp_fail(fc, "expression nested too deeply");
	}
	if (fc->failed) {
		return;
	}
	e = kt_unparen(e);
	switch ((kt_expr_kind)e->kind) {
	case KT_EX_LITERAL:
		fc->pos = e->pos;
		kt_emit_wide(fc, KT_BC_LOADK, dst, kt_const(fc, e->value));
		break;
	case KT_EX_IDENT:
		load_name(fc, e, dst);
		break;
	case KT_EX_LIST:
	case KT_EX_TUPLE:
		sequence(fc, e, dst);
		break;
	case KT_EX_DICT:
		dict(fc, e, dst);
		break;
	case KT_EX_COMP:
		comprehension(fc, e, dst);
		break;
	case KT_EX_CALL:
		call_to(fc, e, dst);
		break;
	case KT_EX_DOT:
		dot(fc, e, dst);
		break;
	case KT_EX_INDEX:
		index_of(fc, e, dst);
		break;
	case KT_EX_SLICE:
		slice(fc, e, dst);
		break;
	case KT_EX_COND:
		conditional(fc, e, dst);
		break;
	case KT_EX_LAMBDA:
		kt_comp_function(fc, e->lambda, dst);
		break;
	case KT_EX_UNARY:
		unary(fc, e, dst);
		break;
	case KT_EX_BINARY:
		(is_logic(e) ? logic : binary)(fc, e, dst);
		break;
	case KT_EX_PAREN:
	case KT_EX_ENTRY:
		break;
	}
}

kt_reg kt_expr_any(kt_fcomp *fc, kt_expr *e)
{
	kt_reg reg = local_of(fc, e);

	if (reg == KT_NO_REG) {
		reg = kt_temps(fc, 1);
		kt_expr_to(fc, e, reg);
	}
	return reg;
}

/*
 * Into a local whose old value e may still use: straight only where the last instruction
 * reads all operands before it writes.
 */
void kt_expr_to_local(kt_fcomp *fc, kt_expr *e, kt_reg dst)
{
	kt_reg mark = fc->top;
	kt_reg tmp;

	e = kt_unparen(e);
	switch ((kt_expr_kind)e->kind) {
	case KT_EX_COND:
	case KT_EX_DICT:
	case KT_EX_COMP:
	case KT_EX_LIST:
	case KT_EX_LAMBDA:
		break;
	case KT_EX_BINARY:
		if (is_logic(e)) {
			break;
		}
		/* fall through */
	default:
		kt_expr_to(fc, e, dst);
		return;
	}
	tmp = kt_temps(fc, 1);
	kt_expr_to(fc, e, tmp);
	kt_emit(fc, KT_BC_MOVE, 0, dst, tmp, 0);
	fc->top = mark;
}
