/* Expressions. */
#include "starlark/parse_internal.h"

#include "base/stack.h"

#include <stdarg.h>
#include <stdio.h>

void kt_parser_init(kt_parser *self, kt_sthread *t, kt_arena *arena, const char *file,
		    const char *src, size_t len)
{
	*self = (kt_parser){.t = t, .arena = arena};
	kt_scanner_init(&self->scan, t, file, src, len);
	kt_parser_next(self);
}

kt_spos kt_parser_next(kt_parser *self)
{
	kt_spos left = self->pos;

	self->tok = kt_scanner_next(&self->scan);
	self->pos = self->scan.start;
	self->value = self->scan.value;
	return left;
}

void *kt_parser_error(kt_parser *self, kt_spos pos, const char *fmt, ...)
{
	char msg[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	kt_scanner_error(&self->scan, pos, "%s", msg);
	return NULL;
}

/* What was found instead is reported where it ends, as the reference does. */
bool kt_parser_want(kt_parser *self, kt_token tok, kt_spos *ret_pos)
{
	if (self->tok != tok) {
		kt_parser_error(self, self->scan.pos, "got %s, want %s", kt_token_text(self->tok),
				kt_token_text(tok));
		return false;
	}
	if (ret_pos != NULL) {
		*ret_pos = self->pos;
	}
	kt_parser_next(self);
	return !self->scan.failed;
}

bool kt_parser_enter(kt_parser *self)
{
	if (self->nesting >= KT_MAX_NESTING || kt_stack_low()) {
		kt_parser_error(self, self->pos, "nested too deeply (more than %d levels)",
				KT_MAX_NESTING);
		return false;
	}
	self->nesting++;
	return true;
}

bool kt_parser_push(kt_parser *self, kt_expr_list *list, kt_expr *e)
{
	if (e == NULL) {
		return false;
	}
	if (list->exprs.len == list->cap) {
		size_t cap = list->cap == 0 ? 4 : list->cap * 2;
		kt_expr **grown = KT_ARENA_ARRAY(self->arena, kt_expr *, cap);

		if (grown == NULL) {
			kt_star_raise_nomem(self->t);
			return false;
		}
		if (list->exprs.len > 0) {
			memcpy(grown, list->exprs.items, list->exprs.len * sizeof(*grown));
		}
		list->exprs.items = grown;
		list->cap = cap;
	}
	list->exprs.items[list->exprs.len++] = e;
	return true;
}

static kt_expr *node(kt_parser *self, kt_expr_kind kind, kt_spos pos, kt_spos start)
{
	kt_expr *e;

	if (self->scan.failed || self->t->failed) {
		return NULL;
	}
	e = KT_ARENA_NEW(self->arena, kt_expr);
	if (e == NULL) {
		kt_star_raise_nomem(self->t);
		return NULL;
	}
	e->kind = (uint8_t)kind;
	e->pos = pos;
	e->start = start;
	return e;
}

/* Notes that child lies beneath e; NULL when that is too deep (or either is NULL). */
static kt_expr *over(kt_parser *self, kt_expr *e, const kt_expr *child)
{
	unsigned depth;

	if (e == NULL || child == NULL) {
		return NULL;
	}
	/* The left side of operators is walked in a loop, not by recursion. */
	depth = child->depth + (e->kind == KT_EX_BINARY && child->kind == KT_EX_BINARY &&
						child == e->a
					? 0u
					: 1u);
	if (depth > KT_MAX_TREE_DEPTH) {
		return kt_parser_error(self, e->start, "expression nested too deeply");
	}
	e->depth = (uint16_t)KT_MAX(e->depth, depth);
	return e;
}

static kt_expr *with_items(kt_parser *self, kt_expr *e, const kt_expr_list *list)
{
	for (size_t i = 0; e != NULL && i < list->exprs.len; i++) {
		e = over(self, e, list->exprs.items[i]);
	}
	if (e != NULL) {
		e->list = list->exprs;
	}
	return e;
}

static kt_expr *unary(kt_parser *self, kt_token op, kt_spos pos, kt_expr *a)
{
	kt_expr *e = node(self, KT_EX_UNARY, pos, pos);

	if (e != NULL) {
		e->op = (uint8_t)op;
		e->a = a;
	}
	return over(self, e, a);
}

static kt_expr *binary(kt_parser *self, kt_token op, kt_spos pos, kt_expr *a, kt_expr *b)
{
	kt_expr *e;

	if (a == NULL || b == NULL) {
		return NULL;
	}
	e = node(self, KT_EX_BINARY, pos, a->start);
	if (e != NULL) {
		e->op = (uint8_t)op;
		e->a = a;
		e->b = b;
	}
	return over(self, over(self, e, a), b);
}

static kt_expr *ident(kt_parser *self)
{
	kt_expr *e;

	if (self->tok != KT_TOK_IDENT) {
		return kt_parser_error(self, self->scan.pos, "not an identifier");
	}
	e = node(self, KT_EX_IDENT, self->pos, self->pos);
	if (e != NULL) {
		e->value = self->value;
	}
	kt_parser_next(self);
	return e;
}

static bool ends_list(kt_token tok)
{
	switch (tok) {
	case KT_TOK_EOF:
	case KT_TOK_NEWLINE:
	case KT_TOK_EQ:
	case KT_TOK_RBRACE:
	case KT_TOK_RBRACK:
	case KT_TOK_RPAREN:
	case KT_TOK_SEMI:
		return true;
	default:
		return false;
	}
}

/* More expressions after the first, as long as commas follow. */
static bool more_tests(kt_parser *self, kt_expr_list *list, bool trailing_comma)
{
	while (self->tok == KT_TOK_COMMA) {
		kt_spos comma = kt_parser_next(self);

		if (ends_list(self->tok)) {
			if (!trailing_comma) {
				kt_parser_error(self, comma,
						"unparenthesized tuple with trailing comma");
				return false;
			}
			break;
		}
		if (!kt_parser_push(self, list, kt_parse_test(self))) {
			return false;
		}
	}
	return !self->scan.failed;
}

kt_expr *kt_parse_expression(kt_parser *self, bool in_parens)
{
	kt_expr_list list = {0};
	kt_expr *x = kt_parse_test(self);

	if (x == NULL || self->tok != KT_TOK_COMMA) {
		return x;
	}
	if (!kt_parser_push(self, &list, x) || !more_tests(self, &list, in_parens)) {
		return NULL;
	}
	return with_items(self, node(self, KT_EX_TUPLE, x->start, x->start), &list);
}

/* ---- suffixes ---------------------------------------------------------------- */

static kt_expr *call_arg(kt_parser *self)
{
	kt_expr *x;

	if (self->tok == KT_TOK_STAR || self->tok == KT_TOK_STARSTAR) {
		kt_token op = self->tok;
		kt_spos pos = kt_parser_next(self);

		return unary(self, op, pos, kt_parse_test(self));
	}
	x = kt_parse_test(self);
	if (x != NULL && self->tok == KT_TOK_EQ) {
		kt_spos eq;

		if (x->kind != KT_EX_IDENT) {
			return kt_parser_error(self, self->scan.pos,
					       "keyword argument must have form name=expr");
		}
		eq = kt_parser_next(self);
		return binary(self, KT_TOK_EQ, eq, x, kt_parse_test(self));
	}
	return x;
}

static kt_expr *call_suffix(kt_parser *self, kt_expr *fn)
{
	kt_expr_list args = {0};
	kt_expr *e = node(self, KT_EX_CALL, self->pos, fn->start);

	kt_parser_next(self);
	while (self->tok != KT_TOK_RPAREN && self->tok != KT_TOK_EOF) {
		if (args.exprs.len > 0 && !kt_parser_want(self, KT_TOK_COMMA, NULL)) {
			return NULL;
		}
		if (self->tok == KT_TOK_RPAREN) {
			break;
		}
		if (!kt_parser_push(self, &args, call_arg(self))) {
			return NULL;
		}
	}
	if (!kt_parser_want(self, KT_TOK_RPAREN, NULL)) {
		return NULL;
	}
	e = over(self, e, fn);
	for (size_t i = 0; e != NULL && i < args.exprs.len; i++) {
		e = over(self, e, args.exprs.items[i]);
	}
	if (e != NULL) {
		e->call.fn = fn;
		e->call.args = args.exprs;
	}
	return e;
}

/* One optional part of a slice; false on error. */
static bool slice_part(kt_parser *self, bool last, kt_expr **ret)
{
	if ((last || self->tok != KT_TOK_COLON) && self->tok != KT_TOK_RBRACK) {
		*ret = kt_parse_test(self);
		return *ret != NULL;
	}
	return true;
}

static kt_expr *index_suffix(kt_parser *self, kt_expr *of)
{
	kt_spos pos = self->pos;
	kt_expr *e;
	kt_expr *parts[3] = {NULL, NULL, NULL};

	kt_parser_next(self);
	if (self->tok != KT_TOK_COLON) {
		parts[0] = kt_parse_expression(self, false);
		if (parts[0] == NULL) {
			return NULL;
		}
		if (self->tok == KT_TOK_RBRACK) {
			e = node(self, KT_EX_INDEX, pos, of->start);
			kt_parser_next(self);
			if (e != NULL) {
				e->a = of;
				e->b = parts[0];
			}
			return over(self, over(self, e, of), parts[0]);
		}
	}
	for (int i = 1; i < 3 && self->tok == KT_TOK_COLON; i++) {
		kt_parser_next(self);
		if (!slice_part(self, i == 2, &parts[i])) {
			return NULL;
		}
	}
	if (!kt_parser_want(self, KT_TOK_RBRACK, NULL)) {
		return NULL;
	}
	e = over(self, node(self, KT_EX_SLICE, pos, of->start), of);
	for (int i = 0; i < 3; i++) {
		e = parts[i] == NULL ? e : over(self, e, parts[i]);
	}
	if (e != NULL) {
		e->a = of;
		e->b = parts[0];
		e->c = parts[1];
		e->d = parts[2];
	}
	return e;
}

static kt_expr *dot_suffix(kt_parser *self, kt_expr *of)
{
	kt_spos pos = kt_parser_next(self);
	kt_spos name_pos = self->pos;
	kt_expr *name = ident(self);
	kt_expr *e = name == NULL ? NULL : node(self, KT_EX_DOT, pos, of->start);

	if (e != NULL) {
		e->dot.of = of;
		e->dot.name = name->value;
		e->dot.name_pos = name_pos;
	}
	return over(self, e, of);
}

/* ---- operands ---------------------------------------------------------------- */

/* The clauses of a comprehension up to its closing bracket. */
static kt_expr *comp_suffix(kt_parser *self, kt_spos start, kt_expr *body, kt_token close)
{
	kt_expr *e = over(self, node(self, KT_EX_COMP, start, start), body);
	kt_clause **tail;

	if (e == NULL) {
		return NULL;
	}
	e->comp.body = body;
	e->curly = close == KT_TOK_RBRACE;
	tail = &e->comp.clauses;
	while (self->tok != close) {
		kt_clause *clause = KT_ARENA_NEW(self->arena, kt_clause);

		if (clause == NULL) {
			kt_star_raise_nomem(self->t);
			return NULL;
		}
		clause->pos = self->pos;
		if (self->tok == KT_TOK_FOR) {
			kt_parser_next(self);
			clause->vars = kt_parse_loop_vars(self);
			if (clause->vars == NULL || !kt_parser_want(self, KT_TOK_IN, NULL)) {
				return NULL;
			}
		} else if (self->tok == KT_TOK_IF) {
			kt_parser_next(self);
		} else {
			return kt_parser_error(self, self->scan.pos, "got %s, want %s, for, or if",
					       kt_token_text(self->tok), kt_token_text(close));
		}
		clause->x = NULL;
		*tail = clause;
		tail = &clause->next;
		/* Conditional expressions need parentheses here, as the `if` is the clause's. */
		clause->x = clause->vars != NULL || self->tok != KT_TOK_LAMBDA
				    ? kt_parse_operators(self, 0)
				    : kt_parse_lambda(self, false);
		e = over(self, e, clause->x);
		if (e == NULL) {
			return NULL;
		}
	}
	kt_parser_next(self);
	return e;
}

static kt_expr *list_display(kt_parser *self)
{
	kt_spos start = kt_parser_next(self);
	kt_expr_list items = {0};
	kt_expr *first;

	if (self->tok != KT_TOK_RBRACK) {
		first = kt_parse_test(self);
		if (first != NULL && self->tok == KT_TOK_FOR) {
			return comp_suffix(self, start, first, KT_TOK_RBRACK);
		}
		if (!kt_parser_push(self, &items, first) || !more_tests(self, &items, true)) {
			return NULL;
		}
	}
	if (!kt_parser_want(self, KT_TOK_RBRACK, NULL)) {
		return NULL;
	}
	return with_items(self, node(self, KT_EX_LIST, start, start), &items);
}

static kt_expr *dict_entry(kt_parser *self)
{
	kt_expr *key = kt_parse_test(self);
	kt_spos colon;
	kt_expr *value;
	kt_expr *e;

	if (key == NULL || !kt_parser_want(self, KT_TOK_COLON, &colon)) {
		return NULL;
	}
	value = kt_parse_test(self);
	e = value == NULL ? NULL : node(self, KT_EX_ENTRY, colon, key->start);
	if (e != NULL) {
		e->a = key;
		e->b = value;
	}
	return over(self, over(self, e, key), value);
}

static kt_expr *dict_display(kt_parser *self)
{
	kt_spos start = kt_parser_next(self);
	kt_expr_list entries = {0};

	while (self->tok != KT_TOK_RBRACE) {
		kt_expr *entry;

		if (entries.exprs.len > 0) {
			if (self->tok != KT_TOK_COMMA) {
				break;
			}
			kt_parser_next(self);
			if (self->tok == KT_TOK_RBRACE) {
				break;
			}
		}
		entry = dict_entry(self);
		if (entry != NULL && entries.exprs.len == 0 && self->tok == KT_TOK_FOR) {
			return comp_suffix(self, start, entry, KT_TOK_RBRACE);
		}
		if (!kt_parser_push(self, &entries, entry)) {
			return NULL;
		}
	}
	if (!kt_parser_want(self, KT_TOK_RBRACE, NULL)) {
		return NULL;
	}
	return with_items(self, node(self, KT_EX_DICT, start, start), &entries);
}

static kt_expr *parenthesized(kt_parser *self)
{
	kt_spos start = kt_parser_next(self);
	kt_expr *inner;
	kt_expr *e;

	if (self->tok == KT_TOK_RPAREN) {
		kt_parser_next(self);
		return node(self, KT_EX_TUPLE, start, start);
	}
	inner = kt_parse_expression(self, true);
	if (inner == NULL || !kt_parser_want(self, KT_TOK_RPAREN, NULL)) {
		return NULL;
	}
	e = node(self, KT_EX_PAREN, start, start);
	if (e != NULL) {
		e->a = inner;
	}
	return over(self, e, inner);
}

static kt_expr *literal(kt_parser *self)
{
	kt_expr *e = node(self, KT_EX_LITERAL, self->pos, self->pos);

	if (e != NULL) {
		e->literal = (uint8_t)self->tok;
		e->value = self->value;
	}
	kt_parser_next(self);
	return e;
}

static kt_expr *suffixed(kt_parser *self);

static kt_expr *operand(kt_parser *self)
{
	switch (self->tok) {
	case KT_TOK_IDENT:
		return ident(self);
	case KT_TOK_INT:
	case KT_TOK_FLOAT:
	case KT_TOK_STRING:
	case KT_TOK_BYTES:
		return literal(self);
	case KT_TOK_LBRACK:
		return list_display(self);
	case KT_TOK_LBRACE:
		return dict_display(self);
	case KT_TOK_LPAREN:
		return parenthesized(self);
	case KT_TOK_MINUS:
	case KT_TOK_PLUS:
	case KT_TOK_TILDE: {
		kt_token op = self->tok;
		kt_spos pos = kt_parser_next(self);

		return unary(self, op, pos, suffixed(self));
	}
	default:
		return kt_parser_error(self, self->scan.pos, "got %s, want primary expression",
				       kt_token_text(self->tok));
	}
}

static kt_expr *suffixed(kt_parser *self)
{
	kt_expr *x;

	if (!kt_parser_enter(self)) {
		return NULL;
	}
	x = operand(self);
	kt_parser_leave(self);
	while (x != NULL) {
		if (self->tok == KT_TOK_DOT) {
			x = dot_suffix(self, x);
		} else if (self->tok == KT_TOK_LBRACK) {
			x = index_suffix(self, x);
		} else if (self->tok == KT_TOK_LPAREN) {
			x = call_suffix(self, x);
		} else {
			break;
		}
	}
	return x;
}

/* ---- operators --------------------------------------------------------------- */

#define PREC_NOT 2
#define PREC_COMPARE 3

static int precedence(kt_token tok)
{
	switch (tok) {
	case KT_TOK_OR:
		return 0;
	case KT_TOK_AND:
		return 1;
	case KT_TOK_EQL:
	case KT_TOK_NEQ:
	case KT_TOK_LT:
	case KT_TOK_GT:
	case KT_TOK_LE:
	case KT_TOK_GE:
	case KT_TOK_IN:
	case KT_TOK_NOT_IN:
		return PREC_COMPARE;
	case KT_TOK_PIPE:
		return 4;
	case KT_TOK_CARET:
		return 5;
	case KT_TOK_AMP:
		return 6;
	case KT_TOK_LTLT:
	case KT_TOK_GTGT:
		return 7;
	case KT_TOK_PLUS:
	case KT_TOK_MINUS:
		return 8;
	case KT_TOK_STAR:
	case KT_TOK_PERCENT:
	case KT_TOK_SLASH:
	case KT_TOK_SLASHSLASH:
		return 9;
	default:
		return -1;
	}
}

/* An operator's bare text: '<' is spelt < here. */
static void bare_text(kt_token tok, char out[16])
{
	const char *text = kt_token_text(tok);
	size_t len = strlen(text);

	if (text[0] == '\'') {
		text++;
		len -= 2;
	}
	snprintf(out, 16, "%.*s", (int)len, text);
}

static kt_expr *associate_error(kt_parser *self, const kt_expr *left)
{
	char a[16];
	char b[16];

	bare_text((kt_token)left->op, a);
	bare_text(self->tok, b);
	return kt_parser_error(self, self->scan.pos, "%s does not associate with %s (use parens)", a, b);
}

kt_expr *kt_parse_operators(kt_parser *self, int min)
{
	bool compared = false;
	kt_expr *x;

	if (self->tok == KT_TOK_NOT && min <= PREC_NOT) {
		kt_spos pos = kt_parser_next(self);

		if (!kt_parser_enter(self)) {
			return NULL;
		}
		x = unary(self, KT_TOK_NOT, pos, kt_parse_operators(self, PREC_NOT));
		kt_parser_leave(self);
	} else {
		x = suffixed(self);
	}
	while (x != NULL) {
		kt_token op;
		kt_spos pos;
		int prec;

		if (self->tok == KT_TOK_NOT) {
			kt_parser_next(self);
			if (self->tok != KT_TOK_IN) {
				return kt_parser_error(self, self->scan.pos, "got %s, want in",
						       kt_token_text(self->tok));
			}
			self->tok = KT_TOK_NOT_IN;
		}
		op = self->tok;
		prec = precedence(op);
		if (prec < min) {
			return x;
		}
		if (prec == PREC_COMPARE && compared) {
			return associate_error(self, x);
		}
		compared = prec == PREC_COMPARE;
		pos = kt_parser_next(self);
		x = binary(self, op, pos, x, kt_parse_operators(self, prec + 1));
	}
	return x;
}

kt_expr *kt_parse_lambda(kt_parser *self, bool allow_cond)
{
	kt_spos start = kt_parser_next(self);
	kt_expr *e = node(self, KT_EX_LAMBDA, start, start);
	kt_fn_node *fn = KT_ARENA_NEW(self->arena, kt_fn_node);

	if (fn == NULL) {
		kt_star_raise_nomem(self->t);
		return NULL;
	}
	if (e == NULL || !kt_parse_params(self, &fn->params) ||
	    !kt_parser_want(self, KT_TOK_COLON, NULL) || !kt_parser_enter(self)) {
		return NULL;
	}
	if (allow_cond) {
		fn->value = kt_parse_test(self);
	} else {
		fn->value = self->tok == KT_TOK_LAMBDA ? kt_parse_lambda(self, false)
						       : kt_parse_operators(self, 0);
	}
	kt_parser_leave(self);
	fn->pos = start;
	e->lambda = fn;
	for (size_t i = 0; e != NULL && i < fn->params.len; i++) {
		e = over(self, e, fn->params.items[i]);
	}
	return over(self, e, fn->value);
}

static kt_expr *conditional(kt_parser *self, kt_expr *yes)
{
	kt_spos pos = kt_parser_next(self);
	kt_expr *cond = kt_parse_operators(self, 0);
	kt_expr *no;
	kt_expr *e;

	if (cond == NULL) {
		return NULL;
	}
	if (self->tok != KT_TOK_ELSE) {
		return kt_parser_error(self, pos, "conditional expression without else clause");
	}
	kt_parser_next(self);
	no = kt_parse_test(self);
	e = no == NULL ? NULL : node(self, KT_EX_COND, pos, yes->start);
	if (e != NULL) {
		e->a = yes;
		e->b = no;
		e->c = cond;
	}
	return over(self, over(self, over(self, e, yes), no), cond);
}

kt_expr *kt_parse_test(kt_parser *self)
{
	kt_expr *x;

	if (!kt_parser_enter(self)) {
		return NULL;
	}
	if (self->tok == KT_TOK_LAMBDA) {
		x = kt_parse_lambda(self, true);
	} else {
		x = kt_parse_operators(self, 0);
		if (x != NULL && self->tok == KT_TOK_IF) {
			x = conditional(self, x);
		}
	}
	kt_parser_leave(self);
	return x;
}

kt_expr *kt_parse_loop_vars(kt_parser *self)
{
	kt_expr_list vars = {0};
	kt_expr *first = suffixed(self);

	if (first == NULL || self->tok != KT_TOK_COMMA) {
		return first;
	}
	if (!kt_parser_push(self, &vars, first)) {
		return NULL;
	}
	while (self->tok == KT_TOK_COMMA) {
		kt_parser_next(self);
		if (ends_list(self->tok)) {
			break;
		}
		if (!kt_parser_push(self, &vars, suffixed(self))) {
			return NULL;
		}
	}
	return with_items(self, node(self, KT_EX_TUPLE, first->start, first->start), &vars);
}

static kt_expr *param(kt_parser *self)
{
	kt_expr *name;

	if (self->tok == KT_TOK_STAR || self->tok == KT_TOK_STARSTAR) {
		kt_token op = self->tok;
		kt_spos pos = kt_parser_next(self);
		kt_expr *e;

		if (op == KT_TOK_STARSTAR || self->tok == KT_TOK_IDENT) {
			return unary(self, op, pos, ident(self));
		}
		e = node(self, KT_EX_UNARY, pos, pos);
		if (e != NULL) {
			e->op = (uint8_t)op;
		}
		return e;
	}
	name = ident(self);
	if (name != NULL && self->tok == KT_TOK_EQ) {
		kt_spos eq = kt_parser_next(self);

		return binary(self, KT_TOK_EQ, eq, name, kt_parse_test(self));
	}
	return name;
}

bool kt_parse_params(kt_parser *self, kt_exprs *ret)
{
	kt_expr_list list = {0};

	while (self->tok != KT_TOK_RPAREN && self->tok != KT_TOK_COLON && self->tok != KT_TOK_EOF) {
		if (list.exprs.len > 0 && !kt_parser_want(self, KT_TOK_COMMA, NULL)) {
			return false;
		}
		if (self->tok == KT_TOK_RPAREN) {
			break;
		}
		if (!kt_parser_push(self, &list, param(self))) {
			return false;
		}
	}
	*ret = list.exprs;
	return !self->scan.failed;
}
