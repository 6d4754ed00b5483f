/* Whether a call fits what it calls: an instruction, a type, or a function of the package. */
#include "devtools/lint_internal.h"

#include "base/str.h"
#include "plan/catalog.h"

#include <string.h>

enum { MAX_NAMES = 128 };

/* What is called, as far as it is known. */
typedef struct callee {
	const char *name;
	struct {
		const char *name;
		bool required, keyword_only, deprecated;
	} params[MAX_NAMES];
	size_t n;
	bool varargs, kwargs;
} callee;

size_t lint_catalog(int kind, const char *name)
{
	for (size_t i = 0; i < kt_catalog_count(); i++) {
		kt_catalog_entry entry = kt_catalog_get(i);
		if ((int)entry.kind == kind && kt_str_eq(entry.name, name)) {
			return i;
		}
	}
	return SIZE_MAX;
}

static bool from_catalog(int kind, const char *name, callee *ret)
{
	size_t at = lint_catalog(kind, name);
	if (at == SIZE_MAX) {
		return false;
	}
	kt_catalog_entry entry = kt_catalog_get(at);
	ret->name = entry.name;
	for (size_t k = 0; k < entry.n_params && ret->n < MAX_NAMES; k++, ret->n++) {
		kt_catalog_param p = kt_catalog_param_get(at, k);
		ret->params[ret->n].name = p.name;
		ret->params[ret->n].required = p.required;
		ret->params[ret->n].deprecated = p.deprecated;
	}
	return true;
}

static bool from_function(const kt_fn_node *fn, callee *ret)
{
	bool after_star = false;
	if (fn == NULL || fn->params.len > MAX_NAMES) {
		return false;
	}
	ret->name = kt_string_get(fn->name, NULL);
	for (size_t i = 0; i < fn->params.len; i++) {
		const kt_expr *p = fn->params.items[i];
		if (p->kind == KT_EX_UNARY) {
			ret->kwargs = ret->kwargs || p->op == KT_TOK_STARSTAR;
			ret->varargs = ret->varargs || (p->op == KT_TOK_STAR && p->a != NULL);
			after_star = true;
			continue;
		}
		bool has_default = p->kind == KT_EX_BINARY;
		const kt_expr *name = has_default ? p->a : p;
		ret->params[ret->n].name = kt_string_get(name->value, NULL);
		ret->params[ret->n].required = !has_default;
		ret->params[ret->n].keyword_only = after_star;
		ret->n++;
	}
	return true;
}

/* Fills in what the expression calls; false when that is not known. */
static bool find_callee(const lint_file *f, const kt_expr *fn, callee *ret)
{
	if (fn->kind == KT_EX_IDENT) {
		const char *name = kt_string_get(fn->value, NULL);
		if (fn->binding != NULL && fn->binding->scope == KT_SC_CONST) {
			return from_catalog(KT_CATALOG_TYPE, name, ret) ||
			       from_catalog(KT_CATALOG_HELPER, name, ret);
		}
		const lint_global *g = lint_global_of(f, fn);
		return g != NULL && from_function(g->fn, ret);
	}
	if (fn->kind != KT_EX_DOT) {
		return false;
	}
	const char *name = kt_string_get(fn->dot.name, NULL);
	if (lint_is_plan(fn->dot.of)) {
		return from_catalog(KT_CATALOG_INSTRUCTION, name, ret);
	}
	const lint_global *g = lint_global_of(f, fn->dot.of);
	for (size_t i = 0; g != NULL && g->target != NULL && i < g->target->n_globals; i++) {
		if (kt_str_eq(g->target->globals[i].name, name)) {
			return from_function(g->target->globals[i].fn, ret);
		}
	}
	return false;
}

static size_t find_param(const callee *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (kt_str_eq(c->params[i].name, name)) {
			return i;
		}
	}
	return SIZE_MAX;
}

static void check_keyword(linter *l, const lint_file *f, const callee *c, const kt_expr *arg,
			  bool *given)
{
	const char *name = kt_string_get(arg->a->value, NULL);
	size_t at = find_param(c, name);
	if (at == SIZE_MAX) {
		const char *names[MAX_NAMES];
		for (size_t i = 0; i < c->n; i++) {
			names[i] = c->params[i].name;
		}
		const char *hint = kt_star_nearest(name, names, c->n);
		if (!c->kwargs) {
			lint_report(l, f, arg->start, false, "call",
				    "%s has no parameter '%s'%s%s%s", c->name, name,
				    hint == NULL ? "" : " (did you mean ", kt_str_or(hint, ""),
				    hint == NULL ? "" : "?)");
		}
		return;
	}
	if (given[at]) {
		lint_report(l, f, arg->start, false, "call", "%s gets '%s' twice", c->name, name);
	}
	if (c->params[at].deprecated) {
		lint_report(l, f, arg->start, true, "deprecated",
			    "parameter '%s' of %s is deprecated", name, c->name);
	}
	given[at] = true;
}

static size_t positional_count(const callee *c)
{
	size_t n = 0;
	while (n < c->n && !c->params[n].keyword_only) {
		n++;
	}
	return n;
}

void lint_call(linter *l, const lint_file *f, const kt_expr *call)
{
	callee c = {0};
	bool given[MAX_NAMES] = {false};
	bool star = false;
	size_t npos = 0;
	if (!find_callee(f, call->call.fn, &c)) {
		return;
	}
	size_t room = positional_count(&c);
	for (size_t i = 0; i < call->call.args.len; i++) {
		const kt_expr *arg = call->call.args.items[i];
		if (arg->kind == KT_EX_UNARY &&
		    (arg->op == KT_TOK_STAR || arg->op == KT_TOK_STARSTAR)) {
			star = true;
		} else if (arg->kind == KT_EX_BINARY && arg->op == KT_TOK_EQ) {
			check_keyword(l, f, &c, arg, given);
		} else {
			if (npos < room) {
				given[npos] = true;
			}
			npos++;
		}
	}
	if (npos > room && !c.varargs) {
		lint_report(l, f, call->start, false, "call",
			    "%s takes at most %zu positional arguments, but gets %zu", c.name, room,
			    npos);
	}
	for (size_t i = 0; i < c.n && !star; i++) {
		if (c.params[i].required && !given[i]) {
			lint_report(l, f, call->start, false, "call",
				    "%s needs its parameter '%s'", c.name, c.params[i].name);
		}
	}
}
