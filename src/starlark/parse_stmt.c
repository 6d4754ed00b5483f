/* Statements and files. */
#include "starlark/parse_internal.h"

/* A list of statements under construction. */
typedef struct stmt_list {
	kt_stmt *first;
	kt_stmt **tail;
} stmt_list;

static kt_stmt *statement(kt_parser *self, kt_stmt_kind kind, kt_spos pos)
{
	kt_stmt *s;

	if (self->scan.failed || self->t->failed) {
		return NULL;
	}
	s = KT_ARENA_NEW(self->arena, kt_stmt);
	if (s == NULL) {
		kt_star_raise_nomem(self->t);
		return NULL;
	}
	s->kind = (uint8_t)kind;
	s->pos = pos;
	return s;
}

static bool append(stmt_list *list, kt_stmt *s)
{
	if (s == NULL) {
		return false;
	}
	*list->tail = s;
	list->tail = &s->next;
	return true;
}

/* ---- load -------------------------------------------------------------------- */

/* One "name" or name="original" of a load statement. */
static bool load_operand(kt_parser *self, kt_load_name *ret)
{
	kt_expr *to = KT_ARENA_NEW(self->arena, kt_expr);

	if (to == NULL) {
		kt_star_raise_nomem(self->t);
		return false;
	}
	to->kind = KT_EX_IDENT;
	to->pos = to->start = self->pos;
	to->value = self->value;
	ret->to = to;
	ret->from = self->value;
	ret->from_pos = self->pos;
	if (self->tok == KT_TOK_STRING) {
		ret->from_pos.col++; /* the name within the quotes */
		to->pos.col++;
		kt_parser_next(self);
		return true;
	}
	if (self->tok == KT_TOK_IDENT) {
		const char *name = kt_string_get(self->value, NULL);

		kt_parser_next(self);
		if (self->tok != KT_TOK_EQ) {
			kt_parser_error(self, self->scan.pos,
					"load operand must be \"%s\" or %s=\"originalname\" (want '=' "
					"after %s)",
					name, name, name);
			return false;
		}
		kt_parser_next(self);
		if (self->tok != KT_TOK_STRING) {
			kt_parser_error(self, self->scan.pos,
					"original name of loaded symbol must be quoted: "
					"%s=\"originalname\"",
					name);
			return false;
		}
		ret->from = self->value;
		ret->from_pos = self->pos;
		ret->from_pos.col++;
		kt_parser_next(self);
		return true;
	}
	kt_parser_error(self, self->scan.pos,
			"load operand must be \"name\" or localname=\"name\" (got %s)",
			kt_token_text(self->tok));
	return false;
}

static kt_stmt *load_stmt(kt_parser *self)
{
	kt_stmt *s = statement(self, KT_ST_LOAD, kt_parser_next(self));
	kt_spos lparen;
	size_t cap = 0;

	if (s == NULL || !kt_parser_want(self, KT_TOK_LPAREN, &lparen)) {
		return NULL;
	}
	if (self->tok != KT_TOK_STRING) {
		kt_parser_error(self, self->scan.pos,
				"first operand of load statement must be a string literal");
		return NULL;
	}
	s->module = self->value;
	kt_parser_next(self);
	while (self->tok != KT_TOK_RPAREN && self->tok != KT_TOK_EOF) {
		if (!kt_parser_want(self, KT_TOK_COMMA, NULL)) {
			return NULL;
		}
		if (self->tok == KT_TOK_RPAREN) {
			break;
		}
		if (s->nloads == cap) {
			kt_load_name *grown =
				KT_ARENA_ARRAY(self->arena, kt_load_name, cap * 2 + 4);

			if (grown == NULL) {
				kt_star_raise_nomem(self->t);
				return NULL;
			}
			if (s->nloads > 0) {
				memcpy(grown, s->loads, s->nloads * sizeof(*grown));
			}
			s->loads = grown;
			cap = cap * 2 + 4;
		}
		if (!load_operand(self, &s->loads[s->nloads])) {
			return NULL;
		}
		s->nloads++;
	}
	if (!kt_parser_want(self, KT_TOK_RPAREN, NULL)) {
		return NULL;
	}
	if (s->nloads == 0) {
		kt_parser_error(self, lparen, "load statement must import at least 1 symbol");
		return NULL;
	}
	return s;
}

/* ---- small statements -------------------------------------------------------- */

static bool is_assignment(kt_token tok)
{
	return tok == KT_TOK_EQ || (tok >= KT_TOK_PLUS_EQ && tok <= KT_TOK_GTGT_EQ);
}

static kt_stmt *small_stmt(kt_parser *self)
{
	kt_stmt *s;
	kt_expr *x;

	switch (self->tok) {
	case KT_TOK_RETURN:
		s = statement(self, KT_ST_RETURN, self->pos);
		kt_parser_next(self);
		if (s != NULL && self->tok != KT_TOK_EOF && self->tok != KT_TOK_NEWLINE &&
		    self->tok != KT_TOK_SEMI) {
			s->a = kt_parse_expression(self, false);
			return s->a == NULL ? NULL : s;
		}
		return s;
	case KT_TOK_BREAK:
	case KT_TOK_CONTINUE:
	case KT_TOK_PASS:
		s = statement(self, KT_ST_BRANCH, self->pos);
		if (s != NULL) {
			s->op = (uint8_t)self->tok;
		}
		kt_parser_next(self);
		return s;
	case KT_TOK_LOAD:
		return load_stmt(self);
	default:
		break;
	}
	x = kt_parse_expression(self, false);
	if (x == NULL) {
		return NULL;
	}
	s = statement(self, is_assignment(self->tok) ? KT_ST_ASSIGN : KT_ST_EXPR, x->start);
	if (s == NULL) {
		return NULL;
	}
	s->a = x;
	if (s->kind == KT_ST_ASSIGN) {
		s->op = (uint8_t)self->tok;
		s->pos = kt_parser_next(self);
		s->b = kt_parse_expression(self, false);
		return s->b == NULL ? NULL : s;
	}
	return s;
}

/* Small statements up to the end of the line. */
static bool simple_stmt(kt_parser *self, stmt_list *list)
{
	for (;;) {
		if (!append(list, small_stmt(self))) {
			return false;
		}
		if (self->tok != KT_TOK_SEMI) {
			break;
		}
		kt_parser_next(self);
		if (self->tok == KT_TOK_NEWLINE || self->tok == KT_TOK_EOF) {
			break;
		}
	}
	/* The last line of a file may lack its newline. */
	return self->tok == KT_TOK_EOF ? !self->scan.failed
				       : kt_parser_want(self, KT_TOK_NEWLINE, NULL);
}

/* ---- compound statements ----------------------------------------------------- */

static bool any_stmt(kt_parser *self, stmt_list *list);

static kt_stmt *suite(kt_parser *self)
{
	stmt_list list = {NULL, &list.first};

	if (self->tok != KT_TOK_NEWLINE) {
		return simple_stmt(self, &list) ? list.first : NULL;
	}
	kt_parser_next(self);
	if (!kt_parser_want(self, KT_TOK_INDENT, NULL)) {
		return NULL;
	}
	while (self->tok != KT_TOK_OUTDENT && self->tok != KT_TOK_EOF) {
		if (!any_stmt(self, &list)) {
			return NULL;
		}
	}
	return kt_parser_want(self, KT_TOK_OUTDENT, NULL) ? list.first : NULL;
}

static kt_stmt *colon_suite(kt_parser *self)
{
	return kt_parser_want(self, KT_TOK_COLON, NULL) ? suite(self) : NULL;
}

/* An elif is an if that is the only statement of the orelse before it. */
static kt_stmt *if_stmt(kt_parser *self)
{
	kt_stmt *first = NULL;
	kt_stmt **link = &first;

	for (;;) {
		kt_stmt *s = statement(self, KT_ST_IF, self->pos);

		kt_parser_next(self);
		if (s == NULL) {
			return NULL;
		}
		*link = s;
		link = &s->orelse;
		s->a = kt_parse_test(self);
		s->body = s->a == NULL ? NULL : colon_suite(self);
		if (s->body == NULL) {
			return NULL;
		}
		if (self->tok == KT_TOK_ELIF) {
			continue;
		}
		if (self->tok == KT_TOK_ELSE) {
			kt_parser_next(self);
			*link = colon_suite(self);
			return *link == NULL ? NULL : first;
		}
		return first;
	}
}

static kt_stmt *for_stmt(kt_parser *self)
{
	kt_stmt *s = statement(self, KT_ST_FOR, self->pos);

	kt_parser_next(self);
	if (s == NULL) {
		return NULL;
	}
	s->a = kt_parse_loop_vars(self);
	if (s->a == NULL || !kt_parser_want(self, KT_TOK_IN, NULL)) {
		return NULL;
	}
	s->b = kt_parse_expression(self, false);
	s->body = s->b == NULL ? NULL : colon_suite(self);
	return s->body == NULL ? NULL : s;
}

static kt_stmt *while_stmt(kt_parser *self)
{
	kt_stmt *s = statement(self, KT_ST_WHILE, self->pos);

	kt_parser_next(self);
	if (s == NULL) {
		return NULL;
	}
	s->a = kt_parse_test(self);
	s->body = s->a == NULL ? NULL : colon_suite(self);
	return s->body == NULL ? NULL : s;
}

static kt_stmt *def_stmt(kt_parser *self)
{
	kt_stmt *s = statement(self, KT_ST_DEF, self->pos);
	kt_fn_node *fn = KT_ARENA_NEW(self->arena, kt_fn_node);
	kt_stmt *first;

	if (s == NULL || fn == NULL) {
		return kt_star_raise_nomem(self->t), NULL;
	}
	fn->pos = kt_parser_next(self);
	if (self->tok != KT_TOK_IDENT) {
		return kt_parser_error(self, self->scan.pos, "not an identifier");
	}
	fn->name = self->value;
	s->fn = fn;
	s->pos = kt_parser_next(self); /* of the name, which is what is bound */
	if (!kt_parser_want(self, KT_TOK_LPAREN, NULL) || !kt_parse_params(self, &fn->params) ||
	    !kt_parser_want(self, KT_TOK_RPAREN, NULL)) {
		return NULL;
	}
	fn->body = colon_suite(self);
	first = fn->body;
	if (first != NULL && first->kind == KT_ST_EXPR && first->a->kind == KT_EX_LITERAL &&
	    first->a->literal == KT_TOK_STRING) {
		fn->doc = first->a->value;
	}
	return fn->body == NULL ? NULL : s;
}

static bool any_stmt(kt_parser *self, stmt_list *list)
{
	bool ok;

	if (!kt_parser_enter(self)) {
		return false;
	}
	switch (self->tok) {
	case KT_TOK_DEF:
		ok = append(list, def_stmt(self));
		break;
	case KT_TOK_IF:
		ok = append(list, if_stmt(self));
		break;
	case KT_TOK_FOR:
		ok = append(list, for_stmt(self));
		break;
	case KT_TOK_WHILE:
		ok = append(list, while_stmt(self));
		break;
	default:
		ok = simple_stmt(self, list);
		break;
	}
	kt_parser_leave(self);
	return ok;
}

kt_stmt *kt_parse_file(kt_sthread *t, kt_arena *arena, const char *file, const char *src,
		       size_t len)
{
	stmt_list list = {NULL, &list.first};
	kt_parser parser;

	kt_parser_init(&parser, t, arena, file, src, len);
	while (parser.tok != KT_TOK_EOF) {
		if (parser.tok == KT_TOK_NEWLINE) {
			kt_parser_next(&parser);
		} else if (!any_stmt(&parser, &list)) {
			return NULL;
		}
	}
	if (list.first == NULL) {
		kt_stmt *pass = statement(&parser, KT_ST_BRANCH, parser.pos);

		if (pass != NULL) {
			pass->op = KT_TOK_PASS;
		}
		return pass;
	}
	return list.first;
}

kt_expr *kt_parse_expr(kt_sthread *t, kt_arena *arena, const char *file, const char *src,
		       size_t len)
{
	kt_parser parser;
	kt_expr *e;

	kt_parser_init(&parser, t, arena, file, src, len);
	e = kt_parse_expression(&parser, false);
	if (e != NULL && parser.tok == KT_TOK_NEWLINE) {
		kt_parser_next(&parser);
	}
	if (e != NULL && parser.tok != KT_TOK_EOF) {
		return kt_parser_error(&parser, parser.scan.pos, "got %s after expression, want EOF",
				       kt_token_text(parser.tok));
	}
	return e;
}
