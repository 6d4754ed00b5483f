/* What a file binds and imports, and the walk over its code. */
#include "devtools/lint_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "plan/catalog.h"

#include <string.h>

const char *lint_literal(const kt_expr *e)
{
	while (e->kind == KT_EX_PAREN) {
		e = e->a;
	}
	return e->kind == KT_EX_LITERAL && e->literal == KT_TOK_STRING
		       ? kt_string_get(e->value, NULL)
		       : NULL;
}

lint_global *lint_global_of(const lint_file *f, const kt_expr *e)
{
	while (e->kind == KT_EX_PAREN) {
		e = e->a;
	}
	if (!f->parsed || e->kind != KT_EX_IDENT || e->binding == NULL ||
	    e->binding->scope != KT_SC_GLOBAL || e->binding->index >= f->n_globals) {
		return NULL;
	}
	return &f->globals[e->binding->index];
}

static bool is_const(const kt_expr *e, const char *name)
{
	return e->kind == KT_EX_IDENT && e->binding != NULL && e->binding->scope == KT_SC_CONST &&
	       kt_str_eq(kt_string_get(e->value, NULL), name);
}

/* --- imports -------------------------------------------------------------- */

/* What import_module(…) in this expression is given, if it is written out; else NULL. */
static const char *imported(const kt_expr *e)
{
	if (e == NULL || e->kind != KT_EX_CALL || !is_const(e->call.fn, "import_module") ||
	    e->call.args.len != 1) {
		return NULL;
	}
	const kt_expr *arg = e->call.args.items[0];
	return lint_literal(arg->kind == KT_EX_BINARY && arg->op == KT_TOK_EQ ? arg->b : arg);
}

/*
 * The place below the package's root that a locator means; NULL when it is in no file of the
 * package. In the arena.
 */
static const char *place_of(linter *l, const lint_file *f, const char *text)
{
	KT_AUTO_FREE char *from = kt_asprintf("%s/%s", kt_str_or(l->package, ""), f->path);
	KT_AUTO_FREE char *to = NULL;
	KT_AUTO_FREE char *replaced = NULL;
	if (l->package == NULL || kt_locator_is_absolute(text)) {
		return NULL;
	}
	to = from == NULL ? NULL : kt_locator_resolve(text, from, NULL);
	replaced = to == NULL ? NULL : kt_locator_replace(to, &l->yml.replace, NULL);
	size_t len = strlen(l->package);
	if (replaced == NULL || !kt_str_eq(to, replaced) || strncmp(to, l->package, len) != 0 ||
	    to[len] != '/') {
		return NULL;
	}
	return kt_arena_strdup(&l->arena, to + len + 1);
}

static void check_import(linter *l, const lint_file *f, const kt_expr *call)
{
	const char *text = imported(call);
	const char *place = text == NULL ? NULL : place_of(l, f, text);
	KT_AUTO_FREE char *path = place == NULL ? NULL : kt_path_join(l->root, place);
	if (path != NULL && kt_map_get(&l->by_path, place) == NULL && !kt_fs_exists(path)) {
		lint_report(l, f, call->start, false, "import",
			    "'%s' is imported, but the package has no file '%s'", text, place);
	}
}

/* --- globals -------------------------------------------------------------- */

static void collect_target(linter *l, lint_file *f, const kt_expr *target, const kt_expr *value)
{
	while (target->kind == KT_EX_PAREN) {
		target = target->a;
	}
	if (target->kind == KT_EX_LIST || target->kind == KT_EX_TUPLE) {
		for (size_t i = 0; i < target->list.len; i++) {
			collect_target(l, f, target->list.items[i], NULL);
		}
		return;
	}
	lint_global *g = lint_global_of(f, target);
	if (g == NULL) {
		return;
	}
	g->bindings++;
	const char *text = imported(value);
	if (text != NULL) {
		const char *place = place_of(l, f, text);
		const lint_file *file = place == NULL ? NULL : kt_map_get(&l->by_path, place);
		g->import = text;
		g->target = file != NULL && file->parsed ? file : NULL;
	}
}

void lint_collect(linter *l, lint_file *f)
{
	for (const kt_stmt *s = f->parsed ? f->body : NULL; s != NULL; s = s->next) {
		if (s->kind == KT_ST_ASSIGN) {
			collect_target(l, f, s->a, s->b);
		} else if (s->kind == KT_ST_DEF && s->binding != NULL &&
			   s->binding->scope == KT_SC_GLOBAL &&
			   s->binding->index < f->n_globals) {
			lint_global *g = &f->globals[s->binding->index];
			g->bindings++;
			g->fn = s->fn;
		}
	}
	for (size_t i = 0; i < f->n_globals; i++) {
		lint_global *g = &f->globals[i];
		if (g->bindings > 1) {
			g->fn = NULL;
			g->target = NULL;
		}
	}
}

/* --- the walk ------------------------------------------------------------- */

static void walk_stmts(linter *l, lint_file *f, const kt_stmt *s);
static void walk(linter *l, lint_file *f, const kt_expr *e);

static void walk_all(linter *l, lint_file *f, const kt_exprs *list)
{
	for (size_t i = 0; i < list->len; i++) {
		walk(l, f, list->items[i]);
	}
}

/* What is assigned to is no use of it, but a[i] and a.b use a. */
static void walk_target(linter *l, lint_file *f, const kt_expr *e)
{
	while (e->kind == KT_EX_PAREN) {
		e = e->a;
	}
	if (e->kind == KT_EX_LIST || e->kind == KT_EX_TUPLE) {
		for (size_t i = 0; i < e->list.len; i++) {
			walk_target(l, f, e->list.items[i]);
		}
	} else if (e->kind != KT_EX_IDENT) {
		walk(l, f, e);
	}
}

static void walk_params(linter *l, lint_file *f, const kt_fn_node *fn)
{
	for (size_t i = 0; i < fn->params.len; i++) {
		const kt_expr *p = fn->params.items[i];
		if (p->kind == KT_EX_BINARY) {
			walk(l, f, p->b);
		}
	}
}

bool lint_is_plan(const kt_expr *e)
{
	return e->kind == KT_EX_IDENT && e->binding != NULL &&
	       (e->binding->scope == KT_SC_LOCAL || e->binding->scope == KT_SC_CELL ||
		e->binding->scope == KT_SC_FREE) &&
	       kt_str_eq(kt_string_get(e->value, NULL), "plan");
}

static const char *nearest_instruction(const char *name)
{
	const char *names[64];
	size_t n = 0;
	for (size_t i = 0; i < kt_catalog_count() && n < KT_ARRAY_LEN(names); i++) {
		kt_catalog_entry entry = kt_catalog_get(i);
		if (entry.kind == KT_CATALOG_INSTRUCTION) {
			names[n++] = entry.name;
		}
	}
	return kt_star_nearest(name, names, n);
}

static void check_dot(linter *l, const lint_file *f, const kt_expr *e)
{
	const char *name = kt_string_get(e->dot.name, NULL);
	const lint_global *g = lint_global_of(f, e->dot.of);
	if (lint_is_plan(e->dot.of) && lint_catalog(KT_CATALOG_INSTRUCTION, name) == SIZE_MAX) {
		const char *hint = nearest_instruction(name);
		lint_report(l, f, e->dot.name_pos, false, "name", "the plan has no function '%s'%s%s%s",
			    name, hint == NULL ? "" : " (did you mean ", kt_str_or(hint, ""),
			    hint == NULL ? "" : "?)");
	}
	if (g == NULL || g->target == NULL) {
		return;
	}
	for (size_t i = 0; i < g->target->n_globals; i++) {
		lint_global *member = &g->target->globals[i];
		if (kt_str_eq(member->name, name)) {
			member->used = true;
			return;
		}
	}
	lint_report(l, f, e->dot.name_pos, false, "name", "'%s' has no '%s'", g->target->path, name);
}

static void walk_call(linter *l, lint_file *f, const kt_expr *e)
{
	check_import(l, f, e);
	lint_call(l, f, e);
	walk(l, f, e->call.fn);
	for (size_t i = 0; i < e->call.args.len; i++) {
		const kt_expr *arg = e->call.args.items[i];
		walk(l, f, arg->kind == KT_EX_BINARY && arg->op == KT_TOK_EQ ? arg->b : arg);
	}
}

static void walk_comp(linter *l, lint_file *f, const kt_expr *e)
{
	for (const kt_clause *c = e->comp.clauses; c != NULL; c = c->next) {
		if (c->vars != NULL) {
			walk_target(l, f, c->vars);
		}
		walk(l, f, c->x);
	}
	walk(l, f, e->comp.body);
}

static void walk(linter *l, lint_file *f, const kt_expr *e)
{
	lint_global *g;
	if (e == NULL) {
		return;
	}
	switch ((kt_expr_kind)e->kind) {
	case KT_EX_LITERAL:
		break;
	case KT_EX_IDENT:
		if ((g = lint_global_of(f, e)) != NULL) {
			g->used = true;
		}
		break;
	case KT_EX_LIST:
	case KT_EX_TUPLE:
	case KT_EX_DICT:
		walk_all(l, f, &e->list);
		break;
	case KT_EX_COMP:
		walk_comp(l, f, e);
		break;
	case KT_EX_CALL:
		walk_call(l, f, e);
		break;
	case KT_EX_DOT:
		check_dot(l, f, e);
		walk(l, f, e->dot.of);
		break;
	case KT_EX_LAMBDA:
		walk_params(l, f, e->lambda);
		walk(l, f, e->lambda->value);
		break;
	case KT_EX_PAREN:
	case KT_EX_ENTRY:
	case KT_EX_INDEX:
	case KT_EX_SLICE:
	case KT_EX_COND:
	case KT_EX_UNARY:
	case KT_EX_BINARY:
		walk(l, f, e->a);
		walk(l, f, e->b);
		walk(l, f, e->c);
		walk(l, f, e->d);
		break;
	}
}

static void walk_stmts(linter *l, lint_file *f, const kt_stmt *s)
{
	for (; s != NULL; s = s->next) {
		if (s->kind == KT_ST_ASSIGN || s->kind == KT_ST_FOR) {
			if (s->kind == KT_ST_ASSIGN && s->op != KT_TOK_EQ) {
				walk(l, f, s->a);
			} else {
				walk_target(l, f, s->a);
			}
			walk(l, f, s->b);
		} else {
			walk(l, f, s->a);
			walk(l, f, s->b);
		}
		if (s->kind == KT_ST_DEF) {
			walk_params(l, f, s->fn);
			walk_stmts(l, f, s->fn->body);
		}
		walk_stmts(l, f, s->body);
		walk_stmts(l, f, s->orelse);
	}
}

void lint_check(linter *l, lint_file *f)
{
	if (f->parsed) {
		walk_stmts(l, f, f->body);
	}
}
