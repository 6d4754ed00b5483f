/* The parser's state, shared by parse_expr.c and parse_stmt.c. */
#ifndef KT_STARLARK_PARSE_INTERNAL_H
#define KT_STARLARK_PARSE_INTERNAL_H

#include "starlark/run_internal.h"
#include "starlark/syntax_internal.h"

#define KT_MAX_NESTING 200	/* of brackets and blocks in the source */
#define KT_MAX_TREE_DEPTH 400	/* of chains such as a.b().c() */

typedef struct kt_parser {
	kt_scanner scan;
	kt_sthread *t;
	kt_arena *arena;
	kt_token tok;
	kt_spos pos;  /* start of tok */
	kt_val value; /* of tok */
	int nesting;
} kt_parser;

/* All parse functions return NULL once an error has been raised. */
void kt_parser_init(kt_parser *self, kt_sthread *t, kt_arena *arena, const char *file,
		    const char *src, size_t len);
kt_spos kt_parser_next(kt_parser *self); /* moves on; the position of the token left behind */
bool kt_parser_want(kt_parser *self, kt_token tok, kt_spos *ret_pos); /* ret_pos may be NULL */
void *kt_parser_error(kt_parser *self, kt_spos pos, const char *fmt, ...) KT_PRINTF(3, 4);
bool kt_parser_enter(kt_parser *self); /* one level deeper; false with an error */
static inline void kt_parser_leave(kt_parser *self) { self->nesting--; }

/* A growing list of expressions in the arena. */
typedef struct kt_expr_list {
	kt_exprs exprs;
	size_t cap;
} kt_expr_list;
bool kt_parser_push(kt_parser *self, kt_expr_list *list, kt_expr *e); /* false if e is NULL */

kt_expr *kt_parse_expression(kt_parser *self, bool in_parens); /* with commas: a tuple */
kt_expr *kt_parse_test(kt_parser *self);
kt_expr *kt_parse_operators(kt_parser *self, int min_precedence);
kt_expr *kt_parse_lambda(kt_parser *self, bool allow_cond);
kt_expr *kt_parse_loop_vars(kt_parser *self);
bool kt_parse_params(kt_parser *self, kt_exprs *ret);

#endif
