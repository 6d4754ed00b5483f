/* Code for statements, functions and files. */
#include "starlark/compile_internal.h"

/* ---- assignment -------------------------------------------------------------- */

static void unpack(kt_fcomp *fc, const kt_expr *target, kt_reg from, kt_spos pos)
{
	kt_reg mark = fc->top;
	uint32_t n = (uint32_t)KT_MIN(target->list.len, UINT32_MAX);
	kt_reg base = kt_temps(fc, n);

	fc->pos = pos;
	kt_emit(fc, KT_BC_UNPACK, 0, base, from, n);
	for (uint32_t i = 0; i < n && !fc->failed; i++) {
		kt_assign(fc, target->list.items[i], base + i, pos);
	}
	fc->top = mark;
}

void kt_assign(kt_fcomp *fc, kt_expr *target, kt_reg from, kt_spos pos)
{
	kt_reg mark = fc->top;

	if (fc->failed) {
		return;
	}
	target = kt_unparen(target);
	switch ((kt_expr_kind)target->kind) {
	case KT_EX_IDENT:
		fc->pos = pos;
		kt_store_binding(fc, target->binding, from);
		break;
	case KT_EX_TUPLE:
	case KT_EX_LIST:
		unpack(fc, target, from, pos);
		break;
	case KT_EX_INDEX: {
		kt_reg of = kt_expr_any(fc, target->a);
		kt_reg at = kt_expr_any(fc, target->b);

		fc->pos = target->pos;
		kt_emit(fc, KT_BC_SETINDEX, 0, of, at, from);
		break;
	}
	case KT_EX_DOT: {
		kt_reg of = kt_expr_any(fc, target->dot.of);

		fc->pos = target->pos;
		kt_emit(fc, KT_BC_SETATTR, 0, of, from, kt_site_new(fc, target->dot.name));
		break;
	}
	default:
		kt_comp_fail(fc, "cannot assign to this");
		break;
	}
	fc->top = mark;
}

/* The right side is evaluated before the parts of the left one. */
static void assign_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	kt_expr *target = kt_unparen(s->a);

	if (target->kind == KT_EX_IDENT && target->binding->scope == KT_SC_LOCAL) {
		kt_expr_to_local(fc, s->b, target->binding->index);
		fc->assigned[target->binding->index] = 1;
	} else {
		kt_assign(fc, target, kt_expr_any(fc, s->b), s->pos);
	}
}

/* dst = left op= s->b */
static void augment(kt_fcomp *fc, const kt_stmt *s, kt_reg left, kt_reg dst)
{
	kt_op op = kt_binary_op((kt_token)s->op);
	kt_expr *right = kt_unparen(s->b);
	kt_reg reg;

	if (op == KT_BC_ADD && right->kind == KT_EX_LITERAL && kt_is_int(right->value) &&
	    kt_small(right->value) < 30000) {
		fc->pos = s->pos;
		kt_emit(fc, KT_BC_ADDI, 0, dst, left, (uint16_t)kt_small(right->value));
		return;
	}
	reg = kt_expr_any(fc, right);
	fc->pos = s->pos;
	kt_emit(fc, op == KT_BC_ADD ? KT_BC_IADD : op == KT_BC_BITOR ? KT_BC_IOR : op, 0, dst, left,
		reg);
}

static void augmented_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	kt_expr *target = kt_unparen(s->a);

	if (target->kind == KT_EX_IDENT) {
		kt_reg left = kt_expr_any(fc, target);

		if (target->binding->scope == KT_SC_LOCAL) {
			augment(fc, s, left, left);
		} else {
			augment(fc, s, left, left);
			kt_store_binding(fc, target->binding, left);
		}
	} else if (target->kind == KT_EX_INDEX) {
		kt_reg of = kt_expr_any(fc, target->a);
		kt_reg at = kt_expr_any(fc, target->b);
		kt_reg value = kt_temps(fc, 1);

		fc->pos = target->pos;
		kt_emit(fc, KT_BC_INDEX, 0, value, of, at);
		augment(fc, s, value, value);
		fc->pos = target->pos;
		kt_emit(fc, KT_BC_SETINDEX, 0, of, at, value);
	} else {
		kt_reg of = kt_expr_any(fc, target->dot.of);
		kt_reg value = kt_temps(fc, 1);
		uint32_t site = kt_site_new(fc, target->dot.name);

		fc->pos = target->pos;
		kt_emit(fc, KT_BC_ATTR, 0, value, of, site);
		augment(fc, s, value, value);
		fc->pos = target->pos;
		kt_emit(fc, KT_BC_SETATTR, 0, of, value, site);
	}
}

/* ---- control ----------------------------------------------------------------- */

static uint8_t *snapshot(kt_fcomp *fc)
{
	uint8_t *copy = kt_memdup(fc->assigned, fc->code->nlocals + 1);

	if (copy == NULL) {
		kt_comp_fail(fc, NULL);
	}
	return copy;
}

static void restore(kt_fcomp *fc, const uint8_t *saved)
{
	if (saved != NULL) {
		memcpy(fc->assigned, saved, fc->code->nlocals);
	}
}

/* Another way to reach the point behind a statement: what is set there, shrinks. */
static void join(kt_fcomp *fc, uint8_t *joined, bool *joined_dead)
{
	if (fc->dead || joined == NULL) {
		return;
	}
	for (uint32_t i = 0; i < fc->code->nlocals; i++) {
		joined[i] = (uint8_t)((*joined_dead || joined[i]) && fc->assigned[i]);
	}
	*joined_dead = false;
}

static void if_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	uint8_t *joined = snapshot(fc);
	uint8_t *before = NULL;
	bool joined_dead = true;
	bool dead;
	kt_jumps done = {0};

	for (;;) {
		kt_jumps otherwise = {0};

		kt_cond(fc, s->a, false, &otherwise);
		kt_free(before);
		before = snapshot(fc);
		dead = fc->dead;
		kt_stmts(fc, s->body);
		join(fc, joined, &joined_dead);
		if (s->orelse != NULL && !fc->dead &&
		    kt_vec_push(&done, kt_emit_wide(fc, KT_BC_JMP, 0, 0)) < 0) {
			kt_comp_fail(fc, NULL);
		}
		fc->dead = dead;
		restore(fc, before);
		kt_patch_all(fc, &otherwise);
		if (s->orelse == NULL || s->orelse->kind != KT_ST_IF || s->orelse->next != NULL) {
			break;
		}
		s = s->orelse;
	}
	kt_stmts(fc, s->orelse);
	join(fc, joined, &joined_dead);
	restore(fc, joined);
	fc->dead = joined_dead;
	kt_patch_all(fc, &done);
	kt_free(before);
	kt_free(joined);
}

static void loop_body(kt_fcomp *fc, const kt_stmt *s, kt_loop *loop)
{
	bool dead = fc->dead;
	uint8_t *before = snapshot(fc);

	loop->up = fc->loop;
	fc->loop = loop;
	if (s->kind == KT_ST_FOR) {
		kt_expr *var = kt_unparen(s->a);
		kt_reg to = loop->iter + 2;

		if (var->kind == KT_EX_IDENT && var->binding->scope == KT_SC_LOCAL) {
			to = var->binding->index;
		}
		fc->pos = s->pos;
		loop->start = kt_emit(fc, KT_BC_FORITER, 0, loop->iter, to, 0);
		kt_assign(fc, var, to, s->pos);
	}
	kt_stmts(fc, s->body);
	fc->pos = s->pos;
	kt_jump_back(fc, loop->start);
	fc->loop = loop->up;
	fc->dead = dead;
	restore(fc, before);
	kt_free(before);
}

static void for_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	kt_reg iter = kt_temps(fc, 3);
	kt_loop loop = {.iter = iter};
	kt_reg seq = kt_expr_any(fc, s->b);

	fc->top = iter + 3;
	fc->pos = s->pos;
	kt_emit(fc, KT_BC_ITER, 0, iter, seq, 0);
	loop_body(fc, s, &loop);
	kt_patch(fc, loop.start);
	kt_patch_all(fc, &loop.breaks);
}

static void while_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	kt_loop loop = {.iter = KT_NO_REG, .start = (uint32_t)fc->instrs.len};
	kt_jumps done = {0};

	kt_cond(fc, s->a, false, &done);
	loop_body(fc, s, &loop);
	kt_patch_all(fc, &done);
	kt_patch_all(fc, &loop.breaks);
}

static void branch_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	kt_loop *loop = fc->loop;

	fc->pos = s->pos;
	if (s->op == KT_TOK_BREAK) {
		if (loop->iter != KT_NO_REG) {
			kt_emit(fc, KT_BC_ENDITER, 0, loop->iter, 0, 0);
		}
		if (kt_vec_push(&loop->breaks, kt_emit_wide(fc, KT_BC_JMP, 0, 0)) < 0) {
			kt_comp_fail(fc, NULL);
		}
		fc->dead = true;
	} else if (s->op == KT_TOK_CONTINUE) {
		kt_jump_back(fc, loop->start);
		fc->dead = true;
	}
}

static void return_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	kt_reg reg;

	if (s->a != NULL) {
		reg = kt_expr_any(fc, s->a);
	} else {
		reg = kt_temps(fc, 1);
		kt_emit_wide(fc, KT_BC_LOADK, reg, kt_const(fc, KT_NONE));
	}
	fc->pos = s->pos;
	kt_emit(fc, KT_BC_RETURN, 0, reg, 0, 0);
	fc->dead = true;
}

static void def_stmt(kt_fcomp *fc, const kt_stmt *s)
{
	const kt_binding *b = s->binding;
	kt_reg reg = b->scope == KT_SC_LOCAL ? b->index : kt_temps(fc, 1);

	kt_comp_function(fc, s->fn, reg);
	fc->pos = s->pos;
	kt_store_binding(fc, b, reg);
}

static void stmt(kt_fcomp *fc, kt_stmt *s)
{
	switch ((kt_stmt_kind)s->kind) {
	case KT_ST_EXPR:
		if (s->a->kind != KT_EX_LITERAL) {
			kt_expr_any(fc, s->a);
		}
		break;
	case KT_ST_ASSIGN:
		(s->op == KT_TOK_EQ ? assign_stmt : augmented_stmt)(fc, s);
		break;
	case KT_ST_DEF:
		def_stmt(fc, s);
		break;
	case KT_ST_IF:
		if_stmt(fc, s);
		break;
	case KT_ST_FOR:
		for_stmt(fc, s);
		break;
	case KT_ST_WHILE:
		while_stmt(fc, s);
		break;
	case KT_ST_RETURN:
		return_stmt(fc, s);
		break;
	case KT_ST_BRANCH:
		branch_stmt(fc, s);
		break;
	case KT_ST_LOAD:
		fc->pos = s->pos;
		kt_emit_wide(fc, KT_BC_NOLOAD, 0, kt_const(fc, s->module));
		break;
	}
}

void kt_stmts(kt_fcomp *fc, kt_stmt *s)
{
	for (; s != NULL && !fc->failed; s = s->next) {
		kt_reg mark = fc->top;

		stmt(fc, s);
		fc->top = mark;
	}
}

/* ---- functions --------------------------------------------------------------- */

static void *copy_out(kt_fcomp *fc, const void *items, size_t n, size_t size)
{
	void *copy;

	if (fc->failed || n == 0) {
		return NULL;
	}
	copy = kt_heap_alloc(fc->t, n * size);
	if (copy == NULL) {
		fc->failed = true;
		return NULL;
	}
	return memcpy(copy, items, n * size);
}

static void describe(kt_fcomp *fc)
{
	kt_code *code = fc->code;
	const kt_fn_node *fn = fc->fn;

	code->unit = fc->unit;
	code->file = fc->unit->file;
	code->pos = fn->pos;
	code->entry_pos = kt_pos_entry(fn);
	code->nparams = fn->nparams;
	code->nkwonly = fn->nkwonly;
	code->varargs = fn->varargs;
	code->kwargs = fn->kwargs;
	code->simple = !fn->varargs && !fn->kwargs && fn->nkwonly == 0;
	code->nlocals = code->nregs = fn->nlocals;
	code->nfree = fn->nfree;
	fc->top = fn->nlocals;
	if (fn->nlocals > KT_MAX_REGS / 2) {
		kt_comp_fail(fc, "function too large: too many local names");
	}
	if (fn->doc != KT_NULL) {
		code->doc = kt_string_get(fn->doc, NULL);
	}
}

/* Takes over how captured variables are found when the function is made. */
static void captures(kt_fcomp *fc)
{
	const kt_fn_node *fn = fc->fn;

	if (fn->nfree == 0 || fc->failed) {
		return;
	}
	fc->code->captures = kt_star_alloc(fc->t, fn->nfree * sizeof(kt_capture));
	fc->code->free_names = kt_star_alloc(fc->t, fn->nfree * sizeof(kt_val));
	if (fc->code->captures == NULL || fc->code->free_names == NULL) {
		fc->failed = true;
		return;
	}
	for (uint32_t i = 0; i < fn->nfree; i++) {
		const kt_binding *outer = fn->free_outer[i];

		fc->code->free_names[i] = outer->name;
		fc->code->captures[i] = (kt_capture){
			.from_cell = outer->scope == KT_SC_CELL,
			.index = (uint16_t)outer->index,
		};
	}
}

static void locals(kt_fcomp *fc)
{
	const kt_fn_node *fn = fc->fn;
	uint32_t given = fn->nparams + (fn->varargs ? 1 : 0) + (fn->kwargs ? 1 : 0);

	fc->assigned = kt_calloc(fn->nlocals + 1, 1);
	fc->code->local_names = kt_star_alloc(fc->t, (fn->nlocals + 1) * sizeof(kt_val));
	if (fc->assigned == NULL || fc->code->local_names == NULL) {
		kt_comp_fail(fc, NULL);
		return;
	}
	fc->pos = fn->pos;
	for (uint32_t i = 0; i < fn->nlocals; i++) {
		fc->code->local_names[i] = fn->locals[i]->name;
		fc->assigned[i] = i < given;
		if (fn->locals[i]->scope == KT_SC_CELL) {
			kt_emit(fc, KT_BC_CELL, 0, i, 0, 0);
		}
	}
}

static void body(kt_fcomp *fc)
{
	kt_reg reg;

	if (fc->fn->value != NULL) {
		reg = kt_expr_any(fc, fc->fn->value);
	} else {
		kt_stmts(fc, fc->fn->body);
		reg = kt_temps(fc, 1);
		kt_emit_wide(fc, KT_BC_LOADK, reg, kt_const(fc, KT_NONE));
	}
	kt_emit(fc, KT_BC_RETURN, 0, reg, 0, 0);
}

static kt_code *finish(kt_fcomp *fc)
{
	kt_code *code = fc->code;

	code->ninstrs = (uint32_t)fc->instrs.len;
	code->instrs = copy_out(fc, fc->instrs.items, fc->instrs.len, sizeof(kt_instr));
	code->positions = copy_out(fc, fc->positions.items, fc->positions.len, sizeof(kt_spos));
	code->consts = copy_out(fc, fc->consts.items, fc->consts.len, sizeof(kt_val));
	code->sites = copy_out(fc, fc->sites.items, fc->sites.len, sizeof(kt_site));
	code->children = copy_out(fc, fc->children.items, fc->children.len, sizeof(kt_code *));
	code->nchildren = (uint32_t)fc->children.len;
	kt_vec_deinit(&fc->instrs);
	kt_vec_deinit(&fc->positions);
	kt_vec_deinit(&fc->consts);
	kt_vec_deinit(&fc->sites);
	kt_vec_deinit(&fc->children);
	kt_free(fc->assigned);
	return fc->failed ? NULL : code;
}

static kt_code *compile_fn(kt_sthread *t, kt_fcomp *up, kt_unit *unit, kt_fn_node *fn,
			   const char *name)
{
	kt_fcomp fc = {.up = up, .t = t, .unit = unit, .fn = fn};

	fc.code = kt_star_alloc(t, sizeof(kt_code));
	if (fc.code == NULL) {
		return NULL;
	}
	fc.code->name = name;
	describe(&fc);
	captures(&fc);
	locals(&fc);
	if (!fc.failed) {
		body(&fc);
	}
	return finish(&fc);
}

/* Evaluates defaults into a row of registers; the code is told how many. */
static kt_reg defaults(kt_fcomp *fc, const kt_fn_node *fn, uint32_t *ret_n)
{
	kt_reg base = fc->top;
	bool begun = false;
	bool star = false;

	*ret_n = 0;
	for (size_t i = 0; i < fn->params.len; i++) {
		kt_expr *p = fn->params.items[i];

		if (p->kind == KT_EX_UNARY) {
			star = star || p->op == KT_TOK_STAR;
			continue;
		}
		begun = begun || p->kind == KT_EX_BINARY || star;
		if (!begun) {
			continue;
		}
		if (p->kind == KT_EX_BINARY) {
			kt_expr_to(fc, p->b, kt_temps(fc, 1));
		} else {
			kt_emit_wide(fc, KT_BC_LOADK, kt_temps(fc, 1), kt_const(fc, KT_NULL));
		}
		++*ret_n;
	}
	return base;
}

void kt_comp_function(kt_fcomp *fc, kt_fn_node *fn, kt_reg dst)
{
	const char *name = fn->name == KT_NULL ? "lambda" : kt_string_get(fn->name, NULL);
	kt_reg mark = fc->top;
	uint32_t n;
	kt_reg base;
	kt_code *code;

	if (fc->failed) {
		return;
	}
	base = defaults(fc, fn, &n);
	code = compile_fn(fc->t, fc, fc->unit, fn, name);
	if (code == NULL || fc->children.len >= UINT16_MAX ||
	    kt_vec_push(&fc->children, code) < 0) {
		kt_comp_fail(fc, fc->children.len >= UINT16_MAX ? "too many functions" : NULL);
		return;
	}
	code->ndefaults = n;
	fc->pos = fn->pos;
	kt_emit(fc, KT_BC_CLOSURE, 0, dst, base, (uint32_t)fc->children.len - 1);
	fc->top = mark;
}

kt_code *kt_compile(kt_sthread *t, const char *file, const kt_resolved *resolved)
{
	kt_unit *unit = kt_star_alloc(t, sizeof(*unit));
	uint32_t n = resolved->nglobals;

	if (unit == NULL) {
		return NULL;
	}
	unit->file = file;
	unit->nglobals = n;
	unit->globals = kt_star_alloc(t, (n + 1) * sizeof(kt_val));
	unit->global_names = kt_star_alloc(t, (n + 1) * sizeof(kt_val));
	if (unit->globals == NULL || unit->global_names == NULL) {
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++) {
		unit->global_names[i] = resolved->globals[i]->name;
	}
	return compile_fn(t, NULL, unit, resolved->top, "<toplevel>");
}
