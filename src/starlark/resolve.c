/* Names: which local, free variable, global or constant each identifier means. */
#include "starlark/parse_internal.h"

#include "base/stack.h"
#include "base/vec.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct use {
	kt_expr *id;
	struct block *env;
} use;

/* A function, the file, or a comprehension. */
typedef struct block {
	struct block *parent;
	struct block *first_child, *next_sibling, *last_child; /* functions within a function */
	kt_fn_node *fn; /* NULL for comprehensions */
	KT_VEC(kt_binding *) bindings;
	KT_VEC(use) uses; /* of functions and the file */
} block;

typedef struct resolver {
	kt_sthread *t;
	kt_arena *arena;
	const char *file;
	kt_val predeclared;
	block *env, *top;
	KT_VEC(kt_binding *) globals;
	KT_VEC(kt_binding *) loaded;
	KT_VEC(kt_binding *) consts; /* found so far */
	kt_dict *global_index; /* name → small int */
	KT_VEC(kt_star_diag) diags;
	KT_VEC(block *) blocks; /* all, for cleaning up */
	int loops, ifs;
	bool stop; /* an error that ends the work has been raised */
} resolver;

static void *nomem(resolver *r)
{
	r->stop = true;
	kt_star_raise_nomem(r->t);
	return NULL;
}

static void errorf(resolver *r, kt_spos pos, const char *fmt, ...) KT_PRINTF(3, 4);

static void errorf(resolver *r, kt_spos pos, const char *fmt, ...)
{
	char msg[512];
	va_list args;
	kt_star_diag diag;

	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	diag.pos = (kt_star_pos){r->file, pos.line, pos.col};
	diag.msg = kt_arena_strdup(&r->t->star->texts, msg);
	if (diag.msg == NULL || kt_vec_push(&r->diags, diag) < 0) {
		nomem(r);
	}
}

static const char *text(kt_val name)
{
	return kt_as_str(name)->data;
}

/* ---- blocks and bindings ----------------------------------------------------- */

static block *container(const resolver *r)
{
	block *b = r->env;

	while (b->fn == NULL) {
		b = b->parent;
	}
	return b;
}

static bool at_top(const resolver *r)
{
	return container(r) == r->top;
}

static block *push_block(resolver *r, kt_fn_node *fn)
{
	block *b = kt_calloc(1, sizeof(*b));

	if (b == NULL) {
		return nomem(r);
	}
	if (kt_vec_push(&r->blocks, b) < 0) {
		kt_free(b);
		return nomem(r);
	}
	b->parent = r->env;
	b->fn = fn;
	if (fn != NULL && r->env != NULL) {
		block *outer = container(r);

		if (outer->last_child != NULL) {
			outer->last_child->next_sibling = b;
		} else {
			outer->first_child = b;
		}
		outer->last_child = b;
	}
	r->env = b;
	return b;
}

static kt_binding *find(const block *b, kt_val name)
{
	for (size_t i = 0; i < b->bindings.len; i++) {
		if (b->bindings.items[i]->name == name) {
			return b->bindings.items[i];
		}
	}
	return NULL;
}

static kt_binding *new_binding(resolver *r, kt_scope scope, kt_val name, kt_spos pos)
{
	kt_binding *b = KT_ARENA_NEW(r->arena, kt_binding);

	if (b == NULL) {
		return nomem(r);
	}
	b->scope = (uint8_t)scope;
	b->name = name;
	b->pos = pos;
	return b;
}

static bool add_local(resolver *r, kt_fn_node *fn, kt_binding *b)
{
	/* The array grows at powers of two. */
	if ((fn->nlocals & (fn->nlocals - 1)) == 0) {
		size_t cap = fn->nlocals == 0 ? 1 : (size_t)fn->nlocals * 2;
		kt_binding **grown = KT_ARENA_ARRAY(r->arena, kt_binding *, cap);

		if (grown == NULL) {
			nomem(r);
			return false;
		}
		if (fn->nlocals > 0) {
			memcpy(grown, fn->locals, fn->nlocals * sizeof(*grown));
		}
		fn->locals = grown;
	}
	b->index = fn->nlocals;
	fn->locals[fn->nlocals++] = b;
	return true;
}

/* Binds in the current function or comprehension; true if the name was bound there already. */
static bool bind_local(resolver *r, kt_expr *id)
{
	kt_binding *b = find(r->env, id->value);

	if (b != NULL) {
		id->binding = b;
		return true;
	}
	b = new_binding(r, KT_SC_LOCAL, id->value, id->pos);
	if (b == NULL || !add_local(r, container(r)->fn, b) ||
	    kt_vec_push(&r->env->bindings, b) < 0) {
		nomem(r);
		return false;
	}
	id->binding = b;
	return false;
}

static kt_binding *find_loaded(const resolver *r, kt_val name)
{
	for (size_t i = 0; i < r->loaded.len; i++) {
		if (r->loaded.items[i]->name == name) {
			return r->loaded.items[i];
		}
	}
	return NULL;
}

static kt_binding *find_const(const resolver *r, kt_val name)
{
	for (size_t i = 0; i < r->consts.len; i++) {
		if (r->consts.items[i]->name == name) {
			return r->consts.items[i];
		}
	}
	return NULL;
}

static kt_binding *find_global(resolver *r, kt_val name)
{
	kt_val at = KT_NULL;

	if (kt_dict_get(r->t, kt_obj_val(r->global_index), name, &at) < 0 || at == KT_NULL) {
		return NULL;
	}
	return r->globals.items[kt_small(at)];
}

static kt_binding *new_global(resolver *r, kt_val name, kt_spos pos)
{
	kt_binding *b = new_binding(r, KT_SC_GLOBAL, name, pos);

	if (b == NULL) {
		return NULL;
	}
	b->index = (uint32_t)r->globals.len;
	if (kt_dict_put(r->t, r->global_index, name, kt_small_val((int64_t)r->globals.len)) < 0 ||
	    kt_vec_push(&r->globals, b) < 0) {
		return nomem(r);
	}
	return b;
}

static void bind(resolver *r, kt_expr *id)
{
	kt_binding *loaded;
	kt_binding *b;

	if (r->env != r->top) {
		bind_local(r, id);
		return;
	}
	loaded = find_loaded(r, id->value);
	b = loaded != NULL ? loaded : find_global(r, id->value);
	if (b == NULL) {
		id->binding = new_global(r, id->value, id->pos);
		return;
	}
	if (!r->t->star->opt.allow_global_reassign) {
		errorf(r, id->pos, "cannot reassign %s %s declared at %s:%d:%d",
		       loaded != NULL ? "local" : "global", text(id->value), r->file, b->pos.line,
		       b->pos.col);
	}
	id->binding = b;
}

static void add_use(resolver *r, kt_expr *id)
{
	use u = {id, r->env};

	if (kt_vec_push(&container(r)->uses, u) < 0) {
		nomem(r);
	}
}

/* ---- resolving uses ---------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The best of the local and global names for a mistyped one, or NULL. */
static const char *spell(resolver *r, const use *u)
{
	KT_VEC(const char *) names = {0};
	const char *best = NULL;
	bool ok = true;

	for (const block *b = u->env; b != NULL; b = b->parent) {
		for (size_t i = 0; i < b->bindings.len; i++) {
			ok = ok && kt_vec_push(&names, text(b->bindings.items[i]->name)) == 0;
		}
	}
	for (size_t i = 0; i < r->globals.len; i++) {
		ok = ok && kt_vec_push(&names, text(r->globals.items[i]->name)) == 0;
	}
	if (ok && names.len > 0) {
		qsort(names.items, names.len, sizeof(char *), by_text);
		best = kt_star_nearest(text(u->id->value), names.items, names.len);
	}
	kt_vec_deinit(&names);
	return best;
}

static kt_binding *use_toplevel(resolver *r, const use *u)
{
	kt_val name = u->id->value;
	kt_binding *b = find_loaded(r, name);
	kt_val value = KT_NULL;
	bool universal = false;
	const char *hint;

	if (b == NULL) {
		b = find_global(r, name);
	}
	if (b == NULL) {
		b = find_const(r, name);
	}
	if (b != NULL) {
		return b;
	}
	if (r->predeclared != KT_NULL) {
		kt_dict_get(r->t, r->predeclared, name, &value);
	}
	if (value == KT_NULL) {
		kt_dict_get(r->t, kt_obj_val(r->t->star->universe), name, &value);
		universal = true;
		if (value != KT_NULL && !r->t->star->opt.allow_set &&
		    strcmp(text(name), "set") == 0) {
			errorf(r, u->id->pos, "this Starlark dialect does not support sets");
		}
	}
	if (value != KT_NULL) {
		b = new_binding(r, KT_SC_CONST, name, u->id->pos);
		if (b != NULL) {
			b->value = value;
			b->universal = universal;
			if (kt_vec_push(&r->consts, b) < 0) {
				return nomem(r);
			}
		}
		return b;
	}
	hint = spell(r, u);
	if (hint != NULL) {
		errorf(r, u->id->pos, "undefined: %s (did you mean %s?)", text(name), hint);
	} else {
		errorf(r, u->id->pos, "undefined: %s", text(name));
	}
	return new_binding(r, KT_SC_UNDEFINED, name, u->id->pos);
}

/* Makes a local of an outer function reachable from fn. */
static kt_binding *capture(resolver *r, kt_fn_node *fn, kt_binding *outer)
{
	kt_binding *b = new_binding(r, KT_SC_FREE, outer->name, outer->pos);
	size_t cap = (size_t)fn->nfree + 1;
	kt_binding **frees;
	kt_binding **outers;

	if (b == NULL) {
		return NULL;
	}
	if (outer->scope == KT_SC_LOCAL) {
		outer->scope = KT_SC_CELL;
	}
	frees = KT_ARENA_ARRAY(r->arena, kt_binding *, cap);
	outers = KT_ARENA_ARRAY(r->arena, kt_binding *, cap);
	if (frees == NULL || outers == NULL) {
		return nomem(r);
	}
	if (fn->nfree > 0) {
		memcpy(frees, fn->frees, fn->nfree * sizeof(*frees));
		memcpy(outers, fn->free_outer, fn->nfree * sizeof(*outers));
	}
	frees[fn->nfree] = b;
	outers[fn->nfree] = outer;
	b->index = fn->nfree++;
	fn->frees = frees;
	fn->free_outer = outers;
	return b;
}

static kt_binding *lookup(resolver *r, const use *u, block *env)
{
	kt_binding *b = find(env, u->id->value);

	if (b != NULL) {
		return b;
	}
	if (env == r->top) {
		return use_toplevel(r, u);
	}
	b = lookup(r, u, env->parent);
	if (b != NULL && env->fn != NULL &&
	    (b->scope == KT_SC_LOCAL || b->scope == KT_SC_CELL || b->scope == KT_SC_FREE)) {
		b = capture(r, env->fn, b);
	}
	/* Noted, so that nothing is captured, and no unknown name reported, twice. */
	if (b != NULL && kt_vec_push(&env->bindings, b) < 0) {
		return nomem(r);
	}
	return b;
}

/*
 * Inner functions first. A function's own locals are looked up in its own bindings, where
 * `capture` also notes what it uses of outer ones; names of inner functions never land there.
 */
static void resolve_uses(resolver *r, block *b)
{
	for (block *child = b->first_child; child != NULL; child = child->next_sibling) {
		resolve_uses(r, child);
	}
	for (size_t i = 0; i < b->uses.len && !r->stop; i++) {
		const use *u = &b->uses.items[i];

		u->id->binding = lookup(r, u, u->env);
	}
}

/* ---- expressions ------------------------------------------------------------- */

static void expr(resolver *r, kt_expr *e);
static void function(resolver *r, kt_fn_node *fn);

static void assign(resolver *r, kt_expr *e, bool augmented)
{
	static const char *const names[] = {
		[KT_EX_LITERAL] = "literal",  [KT_EX_DICT] = "dictexpr",
		[KT_EX_ENTRY] = "dictentry",  [KT_EX_COMP] = "comprehension",
		[KT_EX_CALL] = "callexpr",    [KT_EX_SLICE] = "sliceexpr",
		[KT_EX_COND] = "condexpr",    [KT_EX_LAMBDA] = "lambdaexpr",
		[KT_EX_UNARY] = "unaryexpr",  [KT_EX_BINARY] = "binaryexpr",
	};

	switch ((kt_expr_kind)e->kind) {
	case KT_EX_IDENT:
		bind(r, e);
		break;
	case KT_EX_INDEX:
		expr(r, e->a);
		expr(r, e->b);
		break;
	case KT_EX_DOT:
		expr(r, e->dot.of);
		break;
	case KT_EX_PAREN:
		assign(r, e->a, augmented);
		break;
	case KT_EX_TUPLE:
	case KT_EX_LIST:
		if (augmented) {
			errorf(r, e->start, "can't use %s expression in augmented assignment",
			       e->kind == KT_EX_TUPLE ? "tuple" : "list");
		}
		for (size_t i = 0; i < e->list.len; i++) {
			assign(r, e->list.items[i], augmented);
		}
		break;
	default:
		errorf(r, e->start, "can't assign to %s", names[e->kind]);
		break;
	}
}

static void comprehension(resolver *r, kt_expr *e)
{
	kt_clause *clause = e->comp.clauses;

	expr(r, clause->x); /* the first operand belongs to the outer scope */
	if (push_block(r, NULL) == NULL) {
		return;
	}
	assign(r, clause->vars, false);
	for (clause = clause->next; clause != NULL; clause = clause->next) {
		expr(r, clause->x);
		if (clause->vars != NULL) {
			assign(r, clause->vars, false);
		}
	}
	expr(r, e->comp.body);
	r->env = r->env->parent;
}

typedef struct call_state {
	bool varargs, kwargs;
	size_t positional, named;
} call_state;

static void keyword_arg(resolver *r, const kt_expr *call, size_t at, const call_state *seen)
{
	const kt_expr *arg = call->call.args.items[at];
	const kt_expr *name = arg->a;

	if (seen->kwargs) {
		errorf(r, arg->start, "keyword argument may not follow **kwargs");
	} else if (seen->varargs) {
		errorf(r, arg->start, "keyword argument may not follow *args");
	}
	for (size_t i = 0; i < at; i++) {
		const kt_expr *other = call->call.args.items[i];

		if (other->kind == KT_EX_BINARY && other->op == KT_TOK_EQ &&
		    other->a->value == name->value) {
			errorf(r, name->pos, "keyword argument %s repeated", text(name->value));
			break;
		}
	}
	expr(r, arg->b);
}

static void call_arg(resolver *r, const kt_expr *call, size_t at, call_state *seen)
{
	kt_expr *arg = call->call.args.items[at];

	if (arg->kind == KT_EX_UNARY && arg->op == KT_TOK_STARSTAR) {
		if (seen->kwargs) {
			errorf(r, arg->start, "multiple **kwargs not allowed");
		}
		seen->kwargs = true;
		expr(r, arg->a);
	} else if (arg->kind == KT_EX_UNARY && arg->op == KT_TOK_STAR) {
		if (seen->kwargs) {
			errorf(r, arg->start, "*args may not follow **kwargs");
		} else if (seen->varargs) {
			errorf(r, arg->start, "multiple *args not allowed");
		}
		seen->varargs = true;
		expr(r, arg->a);
	} else if (arg->kind == KT_EX_BINARY && arg->op == KT_TOK_EQ) {
		keyword_arg(r, call, at, seen);
		seen->named++;
	} else {
		seen->positional++;
		if (seen->varargs) {
			errorf(r, arg->start, "positional argument may not follow *args");
		} else if (seen->kwargs) {
			errorf(r, arg->start, "positional argument may not follow **kwargs");
		} else if (seen->named > 0) {
			errorf(r, arg->start, "positional argument may not follow named");
		}
		expr(r, arg);
	}
}

static void call(resolver *r, kt_expr *e)
{
	call_state seen = {0};

	expr(r, e->call.fn);
	for (size_t i = 0; i < e->call.args.len; i++) {
		call_arg(r, e, i, &seen);
	}
	if (seen.positional > 255) {
		errorf(r, e->start, "%zu positional arguments in call, limit is 255",
		       seen.positional);
	}
	if (seen.named > 255) {
		errorf(r, e->start, "%zu keyword arguments in call, limit is 255", seen.named);
	}
}

/* A chain of operators is walked along its left side without recursion. */
static void binary(resolver *r, kt_expr *e)
{
	KT_VEC(kt_expr *) rights = {0};

	while (e->kind == KT_EX_BINARY) {
		if (kt_vec_push(&rights, e->b) < 0) {
			nomem(r);
			break;
		}
		e = e->a;
	}
	expr(r, e);
	while (rights.len > 0) {
		expr(r, rights.items[--rights.len]);
	}
	kt_vec_deinit(&rights);
}

static void exprs(resolver *r, const kt_exprs *list)
{
	for (size_t i = 0; i < list->len; i++) {
		expr(r, list->items[i]);
	}
}

static void expr(resolver *r, kt_expr *e)
{
	if (e == NULL || r->stop) {
		return;
	}
	if (kt_stack_low()) {
		r->stop = true;
		kt_star_raise(r->t, "%s:%d:%d: expression nested too deeply", r->file,
			      e->start.line, e->start.col);
		return;
	}
	switch ((kt_expr_kind)e->kind) {
	case KT_EX_LITERAL:
		break;
	case KT_EX_IDENT:
		add_use(r, e);
		break;
	case KT_EX_LIST:
	case KT_EX_TUPLE:
	case KT_EX_DICT:
		exprs(r, &e->list);
		break;
	case KT_EX_COMP:
		comprehension(r, e);
		break;
	case KT_EX_CALL:
		call(r, e);
		break;
	case KT_EX_DOT:
		expr(r, e->dot.of);
		break;
	case KT_EX_COND:
		expr(r, e->c);
		expr(r, e->a);
		expr(r, e->b);
		break;
	case KT_EX_LAMBDA:
		function(r, e->lambda);
		break;
	case KT_EX_BINARY:
		binary(r, e);
		break;
	case KT_EX_PAREN:
	case KT_EX_ENTRY:
	case KT_EX_INDEX:
	case KT_EX_SLICE:
	case KT_EX_UNARY:
		expr(r, e->a);
		expr(r, e->b);
		expr(r, e->c);
		expr(r, e->d);
		break;
	}
}

/* ---- functions --------------------------------------------------------------- */

typedef struct param_state {
	kt_expr *star, *starstar;
	bool optional;
} param_state;

static void bind_param(resolver *r, kt_expr *id, kt_spos pos)
{
	if (bind_local(r, id)) {
		errorf(r, pos, "duplicate parameter: %s", text(id->value));
	}
}

static void star_param(resolver *r, kt_expr *p, param_state *seen)
{
	if (p->op == KT_TOK_STAR) {
		if (seen->starstar != NULL) {
			errorf(r, p->pos, "* parameter may not follow **%s",
			       text(seen->starstar->a->value));
		} else if (seen->star != NULL) {
			errorf(r, p->pos, "multiple * parameters not allowed");
		} else {
			seen->star = p;
		}
	} else {
		if (seen->starstar != NULL) {
			errorf(r, p->pos, "multiple ** parameters not allowed");
		}
		seen->starstar = p;
	}
}

static void param(resolver *r, kt_fn_node *fn, kt_expr *p, param_state *seen)
{
	bool has_default = p->kind == KT_EX_BINARY;
	kt_expr *id = has_default ? p->a : p;

	if (p->kind == KT_EX_UNARY) {
		star_param(r, p, seen);
		return;
	}
	if (seen->starstar != NULL) {
		errorf(r, p->pos, "%s parameter may not follow **%s",
		       has_default ? "optional" : "required", text(seen->starstar->a->value));
	} else if (seen->star != NULL) {
		fn->nkwonly++;
	} else if (!has_default && seen->optional) {
		errorf(r, id->pos, "required parameter may not follow optional");
	}
	seen->optional = seen->optional || has_default;
	fn->nparams++;
	bind_param(r, id, p->pos);
}

static void params(resolver *r, kt_fn_node *fn)
{
	param_state seen = {0};

	for (size_t i = 0; i < fn->params.len; i++) {
		param(r, fn, fn->params.items[i], &seen);
	}
	/* *args and **kwargs come last, so that the others are in a row. */
	if (seen.star != NULL && seen.star->a != NULL) {
		bind_param(r, seen.star->a, seen.star->a->pos);
		fn->varargs = true;
	} else if (seen.star != NULL && fn->nkwonly == 0) {
		errorf(r, seen.star->pos, "bare * must be followed by keyword-only parameters");
	}
	if (seen.starstar != NULL) {
		bind_param(r, seen.starstar->a, seen.starstar->a->pos);
		fn->kwargs = true;
	}
}

static void stmts(resolver *r, kt_stmt *s);

static void function(resolver *r, kt_fn_node *fn)
{
	int loops = r->loops;
	int ifs = r->ifs;

	for (size_t i = 0; i < fn->params.len; i++) {
		if (fn->params.items[i]->kind == KT_EX_BINARY) {
			expr(r, fn->params.items[i]->b);
		}
	}
	if (push_block(r, fn) == NULL) {
		return;
	}
	r->loops = r->ifs = 0;
	params(r, fn);
	if (fn->value != NULL) {
		expr(r, fn->value);
	} else {
		stmts(r, fn->body);
	}
	r->loops = loops;
	r->ifs = ifs;
	r->env = r->env->parent;
}

/* ---- statements -------------------------------------------------------------- */

static void load(resolver *r, kt_stmt *s)
{
	if (!at_top(r)) {
		errorf(r, s->pos, "load statement within a function");
	} else if (r->loops > 0) {
		errorf(r, s->pos, "load statement within a loop");
	} else if (r->ifs > 0) {
		errorf(r, s->pos, "load statement within a conditional");
	}
	for (size_t i = 0; i < s->nloads; i++) {
		kt_load_name *name = &s->loads[i];
		kt_val id = name->to->value;

		if (text(name->from)[0] == '\0') {
			errorf(r, name->from_pos, "load: empty identifier");
		} else if (text(name->from)[0] == '_') {
			errorf(r, name->from_pos,
			       "load: names with leading underscores are not exported: %s",
			       text(name->from));
		}
		if (find_loaded(r, id) != NULL || find_global(r, id) != NULL) {
			errorf(r, name->to->pos, "cannot reassign top-level %s", text(id));
			continue;
		}
		name->to->binding = new_global(r, id, name->to->pos);
		if (name->to->binding == NULL || kt_vec_push(&r->loaded, name->to->binding) < 0) {
			nomem(r);
		}
	}
}

static void if_chain(resolver *r, kt_stmt *s)
{
	r->ifs++;
	for (;;) {
		if (at_top(r) && !r->t->star->opt.allow_toplevel_control) {
			errorf(r, s->pos, "if statement not within a function");
		}
		expr(r, s->a);
		stmts(r, s->body);
		if (s->orelse == NULL || s->orelse->kind != KT_ST_IF || s->orelse->next != NULL) {
			break;
		}
		s = s->orelse;
	}
	stmts(r, s->orelse);
	r->ifs--;
}

static void loop(resolver *r, kt_stmt *s)
{
	const kt_star_options *opt = &r->t->star->opt;
	bool top = at_top(r) && !opt->allow_toplevel_control;

	if (s->kind == KT_ST_WHILE) {
		if (!opt->allow_while) {
			errorf(r, s->pos, "this Starlark dialect does not support while loops");
		}
		if (top) {
			errorf(r, s->pos, "while loop not within a function");
		}
		expr(r, s->a);
	} else {
		if (top) {
			errorf(r, s->pos, "for loop not within a function");
		}
		expr(r, s->b);
		assign(r, s->a, false);
	}
	r->loops++;
	stmts(r, s->body);
	r->loops--;
}

static void def(resolver *r, kt_stmt *s)
{
	kt_expr id = {.kind = KT_EX_IDENT, .value = s->fn->name, .pos = s->pos};

	bind(r, &id);
	s->binding = id.binding;
	function(r, s->fn);
}

static void stmt(resolver *r, kt_stmt *s)
{
	switch ((kt_stmt_kind)s->kind) {
	case KT_ST_EXPR:
		expr(r, s->a);
		break;
	case KT_ST_ASSIGN:
		expr(r, s->b);
		assign(r, s->a, s->op != KT_TOK_EQ);
		break;
	case KT_ST_DEF:
		def(r, s);
		break;
	case KT_ST_IF:
		if_chain(r, s);
		break;
	case KT_ST_FOR:
	case KT_ST_WHILE:
		loop(r, s);
		break;
	case KT_ST_RETURN:
		if (at_top(r)) {
			errorf(r, s->pos, "return statement not within a function");
		}
		expr(r, s->a);
		break;
	case KT_ST_BRANCH:
		if (s->op != KT_TOK_PASS && r->loops == 0) {
			errorf(r, s->pos, "%s not in a loop", kt_token_text((kt_token)s->op));
		}
		break;
	case KT_ST_LOAD:
		load(r, s);
		break;
	}
}

static void stmts(resolver *r, kt_stmt *s)
{
	for (; s != NULL && !r->stop; s = s->next) {
		stmt(r, s);
	}
}

static int report(resolver *r)
{
	kt_arena *texts = &r->t->star->texts;
	kt_star_diag *diags;

	if (r->stop) {
		return -1;
	}
	if (r->diags.len == 0) {
		return 0;
	}
	diags = KT_ARENA_ARRAY(texts, kt_star_diag, r->diags.len);
	if (diags == NULL) {
		kt_star_raise_nomem(r->t);
		return -1;
	}
	memcpy(diags, r->diags.items, r->diags.len * sizeof(*diags));
	kt_error_set(r->t, KT_STAR_RESOLVE, diags[0].msg, strlen(diags[0].msg));
	r->t->err.diags = diags;
	r->t->err.ndiags = r->diags.len;
	r->t->captured = true;
	return -1;
}

static int results(resolver *r, kt_resolved *ret)
{
	int rc = report(r);

	if (rc == 0 && r->globals.len > 0) {
		ret->globals = KT_ARENA_ARRAY(r->arena, kt_binding *, r->globals.len);
		if (ret->globals == NULL) {
			kt_star_raise_nomem(r->t);
			rc = -1;
		} else {
			memcpy(ret->globals, r->globals.items,
			       r->globals.len * sizeof(*ret->globals));
		}
	}
	ret->nglobals = (uint32_t)r->globals.len;
	for (size_t i = 0; i < r->blocks.len; i++) {
		kt_vec_deinit(&r->blocks.items[i]->bindings);
		kt_vec_deinit(&r->blocks.items[i]->uses);
		kt_free(r->blocks.items[i]);
	}
	kt_vec_deinit(&r->blocks);
	kt_vec_deinit(&r->globals);
	kt_vec_deinit(&r->loaded);
	kt_vec_deinit(&r->consts);
	kt_vec_deinit(&r->diags);
	return rc;
}

int kt_resolve(kt_sthread *t, kt_arena *arena, const char *file, kt_stmt *body, kt_expr *value,
	       kt_val predeclared, kt_resolved *ret)
{
	resolver r = {
		.t = t,
		.arena = arena,
		.file = file,
		.predeclared = predeclared,
	};
	kt_fn_node *top = KT_ARENA_NEW(arena, kt_fn_node);

	r.global_index = kt_dict_alloc(t, KT_KIND_DICT, 32);
	if (top == NULL || r.global_index == NULL) {
		kt_star_raise_nomem(t);
		return -1;
	}
	top->body = body;
	top->value = value;
	top->pos = (kt_spos){1, 1};
	r.top = push_block(&r, top);
	if (r.top != NULL) {
		if (value != NULL) {
			expr(&r, value);
		} else {
			stmts(&r, body);
		}
		resolve_uses(&r, r.top);
	}
	*ret = (kt_resolved){.top = top};
	return results(&r, ret);
}
