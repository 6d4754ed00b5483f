/*
 * Positions that the reference takes from its instructions by accident of their order. They
 * show in tracebacks, so they are followed.
 */
#include "starlark/compile_internal.h"

static const kt_expr *unparen(const kt_expr *e)
{
	while (e->kind == KT_EX_PAREN) {
		e = e->a;
	}
	return e;
}

/* Which literals the reference joins when they are added: those of one class, 0 = none. */
static int literal_class(const kt_expr *e)
{
	e = unparen(e);
	if (e->kind == KT_EX_LITERAL) {
		return e->literal == KT_TOK_STRING || e->literal == KT_TOK_BYTES ? e->literal : 0;
	}
	return e->kind == KT_EX_LIST || e->kind == KT_EX_TUPLE ? -(int)e->kind : 0;
}

/* A sum that the reference joins into one literal, so that its operators leave no position. */
static bool joined_sum(const kt_expr *e, kt_spos *pos)
{
	const kt_expr *at = unparen(e);
	const int wanted = literal_class(at->b);
	kt_spos last = {0};

	for (; at->kind == KT_EX_BINARY && at->op == KT_TOK_PLUS; at = unparen(at->a)) {
		if (wanted == 0 || literal_class(at->b) != wanted) {
			return false;
		}
		if (last.line == 0) {
			kt_pos_after(unparen(at->b), &last);
		}
	}
	if (literal_class(at) != wanted) {
		return false;
	}
	if (last.line == 0) {
		kt_pos_after(at, &last);
	}
	*pos = last.line != 0 ? last : *pos;
	return true;
}

/*
 * The position that evaluating e leaves behind. The reference notes a slice's position
 * before its operands, so that a failing one is reported at what was evaluated last.
 */
void kt_pos_after(const kt_expr *e, kt_spos *pos)
{
	if (e == NULL) {
		return;
	}
	switch ((kt_expr_kind)e->kind) {
	case KT_EX_LITERAL:
		return;
	case KT_EX_IDENT:
		if (!e->binding->universal) {
			*pos = e->pos;
		}
		return;
	case KT_EX_LIST:
	case KT_EX_TUPLE:
		for (size_t i = 0; i < e->list.len; i++) {
			kt_pos_after(e->list.items[i], pos);
		}
		return;
	case KT_EX_DICT:
		if (e->list.len > 0) {
			*pos = e->list.items[e->list.len - 1]->pos;
		}
		return;
	case KT_EX_PAREN:
		kt_pos_after(e->a, pos);
		return;
	case KT_EX_COND:
		kt_pos_after(e->c, pos);
		kt_pos_after(e->b, pos);
		return;
	case KT_EX_COMP:
		for (const kt_clause *c = e->comp.clauses; c != NULL; c = c->next) {
			*pos = c->vars != NULL ? c->pos : *pos;
		}
		kt_pos_after(e->comp.body, pos);
		return;
	case KT_EX_BINARY:
		if (e->op == KT_TOK_AND || e->op == KT_TOK_OR) {
			kt_pos_after(e->a, pos);
			kt_pos_after(e->op == KT_TOK_OR ? e->b : NULL, pos);
			return;
		}
		if (e->op != KT_TOK_PLUS || !joined_sum(e, pos)) {
			*pos = e->pos;
		}
		return;
	case KT_EX_SLICE:
		*pos = e->pos;
		kt_pos_after(e->a, pos);
		kt_pos_after(e->b, pos);
		kt_pos_after(e->c, pos);
		kt_pos_after(e->d, pos);
		return;
	default:
		*pos = e->pos;
		return;
	}
}

/* Where the first instruction of e points; false if it has no position. */
static bool first_pos(const kt_expr *e, kt_spos *pos)
{
	switch ((kt_expr_kind)e->kind) {
	case KT_EX_IDENT:
		if (e->binding->universal) {
			return false;
		}
		*pos = e->pos;
		return true;
	case KT_EX_LIST:
	case KT_EX_TUPLE:
		return e->list.len > 0 && first_pos(e->list.items[0], pos);
	case KT_EX_CALL:
		return first_pos(e->call.fn, pos);
	case KT_EX_DOT:
		return first_pos(e->dot.of, pos);
	case KT_EX_COND:
		return first_pos(e->c, pos);
	case KT_EX_BINARY:
		while (e->kind == KT_EX_BINARY) {
			e = e->a;
		}
		return first_pos(e, pos);
	case KT_EX_PAREN:
	case KT_EX_INDEX:
	case KT_EX_UNARY:
		return first_pos(e->a, pos);
	case KT_EX_SLICE:
		*pos = e->pos;
		first_pos(e->a, pos);
		return true;
	case KT_EX_LAMBDA:
		*pos = e->pos;
		for (size_t i = 0; i < e->lambda->params.len; i++) {
			const kt_expr *p = e->lambda->params.items[i];

			if (p->kind == KT_EX_BINARY) {
				first_pos(p->b, pos);
				break;
			}
		}
		return true;
	default:
		return false;
	}
}

static bool first_stmt_pos(const kt_stmt *s, kt_spos *pos)
{
	const kt_expr *target;

	switch ((kt_stmt_kind)s->kind) {
	case KT_ST_EXPR:
	case KT_ST_IF:
	case KT_ST_WHILE:
		return first_pos(s->a, pos);
	case KT_ST_ASSIGN:
		target = s->a;
		while (target->kind == KT_EX_PAREN) {
			target = target->a;
		}
		return first_pos(s->op == KT_TOK_EQ ? s->b : target, pos);
	case KT_ST_FOR:
		return first_pos(s->b, pos);
	case KT_ST_RETURN:
		return s->a != NULL && first_pos(s->a, pos);
	case KT_ST_DEF:
		*pos = s->fn->pos;
		for (size_t i = 0; i < s->fn->params.len; i++) {
			if (s->fn->params.items[i]->kind == KT_EX_BINARY) {
				first_pos(s->fn->params.items[i]->b, pos);
				break;
			}
		}
		return true;
	default:
		return false;
	}
}

kt_spos kt_pos_entry(const kt_fn_node *fn)
{
	kt_spos pos = fn->pos;
	const kt_stmt *s = fn->body;

	if (fn->value != NULL) {
		first_pos(fn->value, &pos);
		return pos;
	}
	while (s != NULL && ((s->kind == KT_ST_EXPR && s->a->kind == KT_EX_LITERAL) ||
			     (s->kind == KT_ST_BRANCH && s->op == KT_TOK_PASS))) {
		s = s->next;
	}
	if (s != NULL) {
		first_stmt_pos(s, &pos);
	}
	return pos;
}
