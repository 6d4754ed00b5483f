/*
 * The parser: recursive descent over tokens with three of look-ahead. A function that gives
 * NULL (or false) has set the error; nothing is tried after that.
 */
#include "template/template_internal.h"

#include "base/stack.h"
#include "base/utf8.h"
#include "base/vec.h"

/* What a definition has of its own. */
typedef struct scope {
	kt_ttoken ahead[3]; /* ahead[nahead - 1] comes next */
	int nahead;
	KT_VEC(kt_ttext) vars;
	size_t action_line; /* of the action being parsed; 0 = none */
	int range_depth;
} scope;

typedef struct parser {
	kt_tmpl *tmpl;
	kt_tscan scan;
	scope *now;
	KT_VEC(kt_ttree) trees;
	kt_err *err;
	bool failed;
} parser;

typedef KT_VEC(kt_tnode *) node_vec;

static kt_tnode *parse_pipeline(parser *p, const char *context, kt_ttoken_kind end);
static kt_tnode *parse_item_list(parser *p, kt_tnode **ret_end);

/* ---- errors ---------------------------------------------------------------------------- */

static void *fail_nomem(parser *p)
{
	if (!p->failed) {
		p->failed = true;
		(void)kt_err_nomem(p->err);
	}
	return NULL;
}

static void *fail(parser *p, const char *fmt, ...) KT_PRINTF(2, 3);
static void *fail(parser *p, const char *fmt, ...)
{
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;
	va_list args;
	char text[512];

	if (p->failed) {
		return NULL;
	}
	p->failed = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	kt_buf_adds(&message, "template: ");
	kt_buf_add(&message, p->tmpl->name.data, p->tmpl->name.len);
	kt_buf_addf(&message, ":%zu: %s", p->now->ahead[0].line, text);
	(void)KT_FAIL(p->err, INVALID, "%s", kt_buf_str(&message));
	return NULL;
}

/* A token as messages show it. */
static void show_token(kt_buf *out, const kt_ttoken *t)
{
	if (t->kind == KT_T_EOF) {
		kt_buf_adds(out, "EOF");
	} else if (t->kind == KT_T_ERROR) {
		kt_buf_add(out, t->text.data, t->text.len);
	} else if (t->kind >= KT_T_BLOCK) {
		kt_buf_addc(out, '<');
		kt_buf_add(out, t->text.data, t->text.len);
		kt_buf_addc(out, '>');
	} else if (t->text.len > 10) {
		/* The first ten characters. */
		kt_ttext head = {t->text.data, 0};
		for (int i = 0; i < 10 && head.len < t->text.len; i++) {
			size_t width;
			(void)kt_utf8_decode(t->text.data + head.len, t->text.len - head.len,
					     &width);
			head.len += width;
		}
		kt_ttext_quote(out, head);
		kt_buf_adds(out, "...");
	} else {
		kt_ttext_quote(out, t->text);
	}
}

static void *unexpected(parser *p, kt_ttoken t, const char *context)
{
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
	size_t started = p->now->action_line;

	show_token(&shown, &t);
	if (t.kind != KT_T_ERROR) {
		return fail(p, "unexpected %s in %s", kt_buf_str(&shown), context);
	}
	if (started != 0 && started != t.line) {
		bool named = shown.len >= 7 &&
			     strcmp(kt_buf_str(&shown) + shown.len - 7, " action") == 0;
		kt_buf_addf(&shown, "%s started at %.*s:%zu", named ? "" : " in action",
			    (int)p->tmpl->name.len, p->tmpl->name.data, started);
	}
	return fail(p, "%s", kt_buf_str(&shown));
}

static void *unexpected_node(parser *p, const kt_tnode *node, const char *after)
{
	return fail(p, "unexpected {{%s}}%s", node->kind == KT_N_END ? "end" : "else", after);
}

/* ---- tokens ---------------------------------------------------------------------------- */

static kt_ttoken next(parser *p)
{
	scope *s = p->now;

	if (s->nahead > 0) {
		s->nahead--;
	} else {
		s->ahead[0] = kt_tscan_next(&p->scan);
	}
	return s->ahead[s->nahead];
}

static void backup(parser *p)
{
	p->now->nahead++;
}

static kt_ttoken peek(parser *p)
{
	kt_ttoken t = next(p);
	backup(p);
	return t;
}

static kt_ttoken next_solid(parser *p)
{
	kt_ttoken t = next(p);

	while (t.kind == KT_T_SPACE) {
		t = next(p);
	}
	return t;
}

static kt_ttoken peek_solid(parser *p)
{
	kt_ttoken t = next_solid(p);
	backup(p);
	return t;
}

/* ---- nodes ----------------------------------------------------------------------------- */

static kt_tnode *new_node(parser *p, kt_tnode_kind kind, size_t pos)
{
	kt_tnode *node = KT_ARENA_NEW(&p->tmpl->arena, kt_tnode);

	if (node == NULL) {
		return fail_nomem(p);
	}
	node->kind = kind;
	node->pos = pos;
	return node;
}

/* Moves what vec holds into the arena. */
static bool keep_nodes(parser *p, node_vec *vec, kt_tnode ***ret, size_t *ret_n)
{
	bool ok = !p->failed;

	if (ok && vec->len > 0) {
		*ret = KT_ARENA_ARRAY(&p->tmpl->arena, kt_tnode *, vec->len);
		ok = *ret != NULL;
		if (ok) {
			memcpy(*ret, vec->items, vec->len * sizeof(kt_tnode *));
		} else {
			fail_nomem(p);
		}
	}
	*ret_n = vec->len;
	kt_vec_deinit(vec);
	return ok;
}

static void push_node(parser *p, node_vec *vec, kt_tnode *node)
{
	if (node != NULL && kt_vec_push(vec, node) < 0) {
		fail_nomem(p);
	}
}

static bool add_name(parser *p, kt_tnode *node, kt_ttext name)
{
	kt_ttext *names = KT_ARENA_ARRAY(&p->tmpl->arena, kt_ttext, node->nnames + 1);

	if (names == NULL) {
		return fail_nomem(p) != NULL;
	}
	if (node->nnames > 0) {
		memcpy(names, node->names, node->nnames * sizeof(*names));
	}
	names[node->nnames++] = name;
	node->names = names;
	return true;
}

static bool declare(parser *p, kt_ttext name)
{
	if (kt_vec_push(&p->now->vars, name) < 0) {
		return fail_nomem(p) != NULL;
	}
	return true;
}

/* ---- operands -------------------------------------------------------------------------- */

static kt_tnode *variable(parser *p, kt_ttoken t)
{
	kt_tnode *node = new_node(p, KT_N_VARIABLE, t.pos);

	return node != NULL && add_name(p, node, t.text) ? node : NULL;
}

static kt_tnode *known_variable(parser *p, kt_ttoken t)
{
	for (size_t i = 0; i < p->now->vars.len; i++) {
		if (kt_ttext_equal(p->now->vars.items[i], t.text)) {
			return variable(p, t);
		}
	}
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
	kt_ttext_quote(&shown, t.text);
	return fail(p, "undefined variable %s", kt_buf_str(&shown));
}

static kt_tnode *identifier(parser *p, kt_ttoken t)
{
	if (kt_tfunc_find(t.text) == NULL) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		kt_ttext_quote(&shown, t.text);
		return fail(p, "function %s not defined", kt_buf_str(&shown));
	}
	kt_tnode *node = new_node(p, KT_N_IDENTIFIER, t.pos);
	if (node != NULL) {
		node->text = t.text;
	}
	return node;
}

static kt_tnode *number(parser *p, kt_ttoken t)
{
	kt_tnode *node = new_node(p, KT_N_NUMBER, t.pos);
	const char *problem = node == NULL ? NULL : kt_tconst_number(t.kind, t.text, node);

	if (problem != NULL && t.kind == KT_T_COMPLEX) {
		return fail(p, "%s", problem);
	}
	if (problem != NULL && t.kind == KT_T_CHAR_CONSTANT) {
		bool whole = strcmp(problem, "invalid syntax") == 0;
		return fail(p, "%s%s%.*s", problem, whole ? "" : ": ",
			    whole ? 0 : (int)t.text.len, t.text.data);
	}
	if (problem != NULL) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		kt_ttext_quote(&shown, t.text);
		return fail(p, "%s: %s", problem, kt_buf_str(&shown));
	}
	return node;
}

static kt_tnode *string(parser *p, kt_ttoken t)
{
	kt_tnode *node = new_node(p, KT_N_STRING, t.pos);

	if (node != NULL) {
		node->source = t.text;
		if (!kt_tconst_string(&p->tmpl->arena, t.text, &node->text)) {
			return fail(p, "invalid syntax");
		}
	}
	return node;
}

static kt_tnode *field(parser *p, kt_ttoken t)
{
	kt_tnode *node = new_node(p, KT_N_FIELD, t.pos);
	kt_ttext name = {t.text.data + 1, t.text.len - 1};

	return node != NULL && add_name(p, node, name) ? node : NULL;
}

/* One operand without what is chained to it; NULL without failure when there is none. */
static kt_tnode *parse_term(parser *p)
{
	kt_ttoken t = next_solid(p);
	kt_tnode *node;

	switch (t.kind) {
	case KT_T_IDENTIFIER:
		return identifier(p, t);
	case KT_T_DOT:
		return new_node(p, KT_N_DOT, t.pos);
	case KT_T_NIL:
		return new_node(p, KT_N_NIL, t.pos);
	case KT_T_VARIABLE:
		return known_variable(p, t);
	case KT_T_FIELD:
		return field(p, t);
	case KT_T_BOOL:
		node = new_node(p, KT_N_BOOL, t.pos);
		if (node != NULL) {
			node->flag = kt_ttext_is(t.text, "true");
		}
		return node;
	case KT_T_CHAR_CONSTANT:
	case KT_T_COMPLEX:
	case KT_T_NUMBER:
		return number(p, t);
	case KT_T_STRING:
	case KT_T_RAW_STRING:
		return string(p, t);
	case KT_T_LEFT_PAREN:
		if (kt_stack_low()) {
			return fail(p, "max expression depth exceeded");
		}
		return parse_pipeline(p, "parenthesized pipeline", KT_T_RIGHT_PAREN);
	default:
		backup(p);
		return NULL;
	}
}

static kt_tnode *parse_operand(parser *p)
{
	kt_tnode *node = parse_term(p);

	if (node == NULL || peek(p).kind != KT_T_FIELD) {
		return node;
	}
	kt_tnode *chain = node;
	if (node->kind == KT_N_FIELD || node->kind == KT_N_VARIABLE) {
		chain->pos = peek(p).pos;
	} else {
		chain = new_node(p, KT_N_CHAIN, peek(p).pos);
		if (chain == NULL) {
			return NULL;
		}
		chain->pipe = node;
	}
	while (peek(p).kind == KT_T_FIELD) {
		kt_ttoken t = next(p);
		if (!add_name(p, chain, (kt_ttext){t.text.data + 1, t.text.len - 1})) {
			return NULL;
		}
	}
	if (chain != node && node->kind >= KT_N_DOT && node->kind != KT_N_CHAIN &&
	    node->kind != KT_N_FIELD) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
		kt_tnode_print(node, &shown);
		kt_ttext_quote(&quoted, (kt_ttext){kt_buf_str(&shown), shown.len});
		return fail(p, "unexpected . after term %s", kt_buf_str(&quoted));
	}
	return chain;
}

static kt_tnode *parse_command(parser *p)
{
	kt_tnode *command = new_node(p, KT_N_COMMAND, peek_solid(p).pos);
	node_vec words = {0};
	bool more = command != NULL;

	while (more && !p->failed) {
		(void)peek_solid(p); /* leading spaces go */
		push_node(p, &words, parse_operand(p));
		if (p->failed) {
			break;
		}
		kt_ttoken t = next(p);
		if (t.kind == KT_T_RIGHT_DELIM || t.kind == KT_T_RIGHT_PAREN) {
			backup(p);
			more = false;
		} else if (t.kind == KT_T_PIPE) {
			more = false;
		} else if (t.kind != KT_T_SPACE) {
			unexpected(p, t, "operand");
		}
	}
	if (!p->failed && words.len == 0) {
		fail(p, "empty command");
	}
	if (command == NULL) {
		return NULL;
	}
	return keep_nodes(p, &words, &command->items, &command->nitems) ? command : NULL;
}

/* ---- pipelines ------------------------------------------------------------------------- */

static bool add_declaration(parser *p, node_vec *decls, kt_ttoken t)
{
	push_node(p, decls, variable(p, t));
	return !p->failed && declare(p, t.text);
}

/* "$x :=", "$x =", "$i, $x :=" in front of a pipeline. */
static bool parse_declarations(parser *p, kt_tnode *pipe, node_vec *decls, const char *context)
{
	for (;;) {
		kt_ttoken v = peek_solid(p);
		if (v.kind != KT_T_VARIABLE) {
			return true;
		}
		next(p);
		kt_ttoken after = peek(p);
		kt_ttoken sign = peek_solid(p);
		if (sign.kind == KT_T_ASSIGN || sign.kind == KT_T_DECLARE) {
			pipe->flag = sign.kind == KT_T_ASSIGN;
			next_solid(p);
			return add_declaration(p, decls, v);
		}
		if (sign.kind == KT_T_CHAR && kt_ttext_is(sign.text, ",")) {
			next_solid(p);
			if (!add_declaration(p, decls, v)) {
				return false;
			}
			if (strcmp(context, "range") != 0 || decls->len >= 2) {
				return fail(p, "too many declarations in %s", context) != NULL;
			}
			kt_ttoken_kind kind = peek_solid(p).kind;
			if (kind != KT_T_VARIABLE && kind != KT_T_RIGHT_DELIM &&
			    kind != KT_T_RIGHT_PAREN) {
				return fail(p, "range can only initialize variables") != NULL;
			}
			continue;
		}
		/* A plain operand: put it back, and the space after it if there was one. */
		p->now->ahead[1] = after.kind == KT_T_SPACE ? after : v;
		p->now->ahead[2] = v;
		p->now->nahead = after.kind == KT_T_SPACE ? 3 : 2;
		return true;
	}
}

static bool starts_operand(kt_ttoken_kind kind)
{
	switch (kind) {
	case KT_T_BOOL:
	case KT_T_CHAR_CONSTANT:
	case KT_T_COMPLEX:
	case KT_T_DOT:
	case KT_T_FIELD:
	case KT_T_IDENTIFIER:
	case KT_T_NUMBER:
	case KT_T_NIL:
	case KT_T_RAW_STRING:
	case KT_T_STRING:
	case KT_T_VARIABLE:
	case KT_T_LEFT_PAREN:
		return true;
	default:
		return false;
	}
}

/* Only the first stage may be something that takes no argument. */
static void check_stages(parser *p, const kt_tnode *pipe, const char *context)
{
	if (!p->failed && pipe->nitems == 0) {
		fail(p, "missing value for %s", context);
	}
	for (size_t i = 1; !p->failed && i < pipe->nitems; i++) {
		switch (pipe->items[i]->items[0]->kind) {
		case KT_N_BOOL:
		case KT_N_DOT:
		case KT_N_NIL:
		case KT_N_NUMBER:
		case KT_N_STRING:
			fail(p, "non executable command in pipeline stage %zu", i + 1);
			break;
		default:
			break;
		}
	}
}

static kt_tnode *parse_pipeline(parser *p, const char *context, kt_ttoken_kind end)
{
	kt_tnode *pipe = new_node(p, KT_N_PIPE, peek_solid(p).pos);
	node_vec decls = {0};
	node_vec commands = {0};

	if (pipe == NULL) {
		return NULL;
	}
	bool more = parse_declarations(p, pipe, &decls, context);
	while (more && !p->failed) {
		kt_ttoken t = next_solid(p);
		if (t.kind == end) {
			more = false;
		} else if (starts_operand(t.kind)) {
			backup(p);
			push_node(p, &commands, parse_command(p));
		} else {
			unexpected(p, t, context);
		}
	}
	bool kept = keep_nodes(p, &decls, &pipe->decls, &pipe->ndecls);
	kept = keep_nodes(p, &commands, &pipe->items, &pipe->nitems) && kept;
	if (kept) {
		check_stages(p, pipe, context);
	}
	return p->failed ? NULL : pipe;
}

/* ---- control --------------------------------------------------------------------------- */

static kt_tnode *parse_control(parser *p, kt_tnode_kind kind, const char *context);

/* After {{else}}: "else if" and "else with" continue the chain and share its end. */
static kt_tnode *parse_else(parser *p, kt_tnode_kind kind, const kt_tnode *marker)
{
	kt_ttoken_kind ahead = peek(p).kind;
	kt_tnode *end;

	if ((kind == KT_N_IF && ahead == KT_T_IF) || (kind == KT_N_WITH && ahead == KT_T_WITH)) {
		kt_tnode *list = new_node(p, KT_N_LIST, marker->pos);
		node_vec items = {0};
		next(p);
		push_node(p, &items, parse_control(p, kind, kind == KT_N_IF ? "if" : "with"));
		if (list == NULL) {
			return NULL;
		}
		return keep_nodes(p, &items, &list->items, &list->nitems) ? list : NULL;
	}
	kt_tnode *list = parse_item_list(p, &end);
	if (list != NULL && end->kind != KT_N_END) {
		return fail(p, "expected end; found {{else}}");
	}
	return list;
}

static kt_tnode *parse_control(parser *p, kt_tnode_kind kind, const char *context)
{
	size_t vars = p->now->vars.len;
	kt_tnode *node = new_node(p, kind, 0);
	kt_tnode *end = NULL;

	if (node == NULL) {
		return NULL;
	}
	if (kt_stack_low()) {
		return fail(p, "max nesting depth exceeded");
	}
	node->pipe = parse_pipeline(p, context, KT_T_RIGHT_DELIM);
	if (node->pipe == NULL) {
		return NULL;
	}
	node->pos = node->pipe->pos;
	p->now->range_depth += kind == KT_N_RANGE ? 1 : 0;
	node->body = parse_item_list(p, &end);
	p->now->range_depth -= kind == KT_N_RANGE ? 1 : 0;
	if (node->body != NULL && end->kind == KT_N_ELSE) {
		node->other = parse_else(p, kind, end);
	}
	p->now->vars.len = vars;
	return p->failed ? NULL : node;
}

static kt_tnode *parse_jump(parser *p, kt_tnode_kind kind, size_t pos)
{
	const char *name = kind == KT_N_BREAK ? "{{break}}" : "{{continue}}";
	kt_ttoken t = next_solid(p);

	if (t.kind != KT_T_RIGHT_DELIM) {
		return unexpected(p, t, name);
	}
	if (p->now->range_depth == 0) {
		return fail(p, "%s outside {{range}}", name);
	}
	return new_node(p, kind, pos);
}

static kt_tnode *parse_else_marker(parser *p)
{
	kt_ttoken t = peek_solid(p);

	if (t.kind != KT_T_IF && t.kind != KT_T_WITH) {
		t = next_solid(p);
		if (t.kind != KT_T_RIGHT_DELIM) {
			return unexpected(p, t, "else");
		}
	}
	return new_node(p, KT_N_ELSE, t.pos);
}

static kt_tnode *parse_end_marker(parser *p)
{
	kt_ttoken t = next_solid(p);

	if (t.kind != KT_T_RIGHT_DELIM) {
		return unexpected(p, t, "end");
	}
	return new_node(p, KT_N_END, t.pos);
}

/* ---- templates ------------------------------------------------------------------------- */

static bool is_blank(kt_ttext text)
{
	for (size_t i = 0; i < text.len;) {
		size_t width;
		if (!kt_rune_is_space(kt_utf8_decode(text.data + i, text.len - i, &width))) {
			return false;
		}
		i += width;
	}
	return true;
}

/* Nothing but white space. */
static bool is_empty(const kt_tnode *list)
{
	for (size_t i = 0; i < list->nitems; i++) {
		const kt_tnode *item = list->items[i];
		if (item->kind != KT_N_TEXT || !is_blank(item->text)) {
			return false;
		}
	}
	return true;
}

/* Of two definitions of a name one must be empty, and gives way. */
static bool add_tree(parser *p, kt_ttext name, kt_tnode *root)
{
	for (size_t i = 0; i < p->trees.len; i++) {
		kt_ttree *tree = &p->trees.items[i];
		if (!kt_ttext_equal(tree->name, name)) {
			continue;
		}
		if (is_empty(tree->root)) {
			tree->root = root;
		} else if (!is_empty(root)) {
			KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
			kt_ttext_quote(&shown, name);
			return fail(p, "template: multiple definition of template %s",
				    kt_buf_str(&shown)) != NULL;
		}
		return true;
	}
	if (kt_vec_push(&p->trees, ((kt_ttree){name, root})) < 0) {
		return fail_nomem(p) != NULL;
	}
	return true;
}

/* A definition's body up to its end, in a scope of its own. */
static bool parse_body(parser *p, kt_ttext name, const char *context, bool opened)
{
	scope own = {0};
	scope *outer = p->now;
	kt_tnode *end = NULL;
	kt_tnode *root = NULL;

	own.ahead[0] = outer->ahead[0];
	p->now = &own;
	if (!opened) {
		kt_ttoken t = next_solid(p);
		if (t.kind != KT_T_RIGHT_DELIM) {
			unexpected(p, t, context);
		}
	}
	if (kt_stack_low()) {
		fail(p, "max nesting depth exceeded");
	}
	if (!p->failed && declare(p, KT_TTEXT("$"))) {
		root = parse_item_list(p, &end);
	}
	if (root != NULL && end->kind != KT_N_END) {
		KT_AUTO_BUF kt_buf where = KT_BUF_INIT;
		kt_buf_addf(&where, " in %s", context);
		unexpected_node(p, end, kt_buf_str(&where));
	}
	if (!p->failed) {
		(void)add_tree(p, name, root);
	}
	kt_vec_deinit(&own.vars);
	p->now = outer;
	return !p->failed;
}

static bool template_name(parser *p, kt_ttoken t, const char *context, kt_ttext *ret)
{
	if (t.kind != KT_T_STRING && t.kind != KT_T_RAW_STRING) {
		return unexpected(p, t, context) != NULL;
	}
	if (!kt_tconst_string(&p->tmpl->arena, t.text, ret)) {
		return fail(p, "invalid syntax") != NULL;
	}
	return true;
}

static kt_tnode *template_node(parser *p, kt_ttext name, size_t pos, kt_tnode *pipe)
{
	kt_tnode *node = new_node(p, KT_N_TEMPLATE, pos);

	if (node != NULL) {
		node->text = name;
		node->pipe = pipe;
	}
	return node;
}

/* {{block "name" pipeline}} body {{end}} defines and uses at once. */
static kt_tnode *parse_block(parser *p)
{
	static const char context[] = "block clause";
	kt_ttoken t = next_solid(p);
	kt_ttext name;

	if (!template_name(p, t, context, &name)) {
		return NULL;
	}
	kt_tnode *pipe = parse_pipeline(p, context, KT_T_RIGHT_DELIM);
	if (pipe == NULL || !parse_body(p, name, context, true)) {
		return NULL;
	}
	return template_node(p, name, t.pos, pipe);
}

static kt_tnode *parse_template(parser *p)
{
	static const char context[] = "template clause";
	kt_ttoken t = next_solid(p);
	kt_ttext name;
	kt_tnode *pipe = NULL;

	if (!template_name(p, t, context, &name)) {
		return NULL;
	}
	if (next_solid(p).kind != KT_T_RIGHT_DELIM) {
		backup(p);
		pipe = parse_pipeline(p, context, KT_T_RIGHT_DELIM);
		if (pipe == NULL) {
			return NULL;
		}
	}
	return template_node(p, name, t.pos, pipe);
}

/* ---- lists ----------------------------------------------------------------------------- */

static kt_tnode *parse_action(parser *p)
{
	kt_ttoken t = next_solid(p);

	switch (t.kind) {
	case KT_T_BLOCK:
		return parse_block(p);
	case KT_T_BREAK:
		return parse_jump(p, KT_N_BREAK, t.pos);
	case KT_T_CONTINUE:
		return parse_jump(p, KT_N_CONTINUE, t.pos);
	case KT_T_ELSE:
		return parse_else_marker(p);
	case KT_T_END:
		return parse_end_marker(p);
	case KT_T_IF:
		return parse_control(p, KT_N_IF, "if");
	case KT_T_RANGE:
		return parse_control(p, KT_N_RANGE, "range");
	case KT_T_TEMPLATE:
		return parse_template(p);
	case KT_T_WITH:
		return parse_control(p, KT_N_WITH, "with");
	default:
		break;
	}
	backup(p);
	kt_tnode *node = new_node(p, KT_N_ACTION, peek(p).pos);
	kt_tnode *pipe = parse_pipeline(p, "command", KT_T_RIGHT_DELIM);
	if (node == NULL || pipe == NULL) {
		return NULL;
	}
	node->pipe = pipe;
	return node;
}

static kt_tnode *parse_item(parser *p)
{
	kt_ttoken t = next_solid(p);
	kt_tnode *node;

	if (t.kind == KT_T_TEXT) {
		node = new_node(p, KT_N_TEXT, t.pos);
		if (node != NULL) {
			node->text = t.text;
		}
		return node;
	}
	if (t.kind != KT_T_LEFT_DELIM) {
		return unexpected(p, t, "input");
	}
	p->now->action_line = t.line;
	node = parse_action(p);
	p->now->action_line = 0;
	return node;
}

/* Items up to {{end}} or {{else}}, which is given back apart. */
static kt_tnode *parse_item_list(parser *p, kt_tnode **ret_end)
{
	kt_tnode *list = new_node(p, KT_N_LIST, peek_solid(p).pos);
	node_vec items = {0};
	kt_tnode *item = NULL;

	while (!p->failed) {
		if (peek_solid(p).kind == KT_T_EOF) {
			fail(p, "unexpected EOF");
			break;
		}
		item = parse_item(p);
		if (item == NULL || item->kind == KT_N_END || item->kind == KT_N_ELSE) {
			break;
		}
		push_node(p, &items, item);
	}
	*ret_end = item;
	if (list == NULL) {
		return NULL;
	}
	return keep_nodes(p, &items, &list->items, &list->nitems) ? list : NULL;
}

/* {{define "name"}}, which stands only at the top. */
static void parse_define(parser *p)
{
	static const char context[] = "define clause";
	kt_ttext name;

	if (template_name(p, next_solid(p), context, &name)) {
		(void)parse_body(p, name, context, false);
	}
}

static void parse_top(parser *p)
{
	kt_tnode *root = new_node(p, KT_N_LIST, peek(p).pos);
	node_vec items = {0};

	while (!p->failed && peek(p).kind != KT_T_EOF) {
		kt_ttoken t = next(p);
		if (t.kind == KT_T_LEFT_DELIM) {
			if (next_solid(p).kind == KT_T_DEFINE) {
				parse_define(p);
				continue;
			}
			backup(p);
			p->now->ahead[1] = t;
			p->now->nahead = 2;
		} else {
			backup(p);
		}
		kt_tnode *item = parse_item(p);
		if (item != NULL && (item->kind == KT_N_END || item->kind == KT_N_ELSE)) {
			unexpected_node(p, item, "");
		}
		push_node(p, &items, item);
	}
	if (root != NULL && keep_nodes(p, &items, &root->items, &root->nitems)) {
		(void)add_tree(p, p->tmpl->name, root);
	}
}

/* ---- the set --------------------------------------------------------------------------- */

const kt_ttree *kt_tmpl_find(const kt_tmpl *self, kt_ttext name)
{
	for (size_t i = 0; i < self->ntrees; i++) {
		if (kt_ttext_equal(self->trees[i].name, name)) {
			return &self->trees[i];
		}
	}
	return NULL;
}

static bool keep_trees(parser *p)
{
	kt_tmpl *tmpl = p->tmpl;

	tmpl->trees = KT_ARENA_ARRAY(&tmpl->arena, kt_ttree, p->trees.len);
	if (tmpl->trees == NULL) {
		return fail_nomem(p) != NULL;
	}
	memcpy(tmpl->trees, p->trees.items, p->trees.len * sizeof(kt_ttree));
	tmpl->ntrees = p->trees.len;
	return true;
}

kt_tmpl *kt_tmpl_parse(const char *name, size_t name_len, const char *text, size_t len,
		       kt_err *err)
{
	kt_tmpl *tmpl = kt_calloc(1, sizeof(*tmpl));

	if (tmpl == NULL) {
		(void)kt_err_nomem(err);
		return NULL;
	}
	tmpl->name = (kt_ttext){kt_arena_strndup(&tmpl->arena, name, name_len), name_len};
	tmpl->text = (kt_ttext){kt_arena_strndup(&tmpl->arena, text, len), len};
	scope top = {0};
	parser p = {.tmpl = tmpl, .scan = {.line = 1}, .now = &top, .err = err};
	p.scan.input = tmpl->text;
	if (tmpl->name.data == NULL || tmpl->text.data == NULL) {
		fail_nomem(&p);
	} else if (declare(&p, KT_TTEXT("$"))) {
		parse_top(&p);
	}
	bool ok = !p.failed && keep_trees(&p);
	kt_vec_deinit(&top.vars);
	kt_vec_deinit(&p.trees);
	if (!ok) {
		kt_tmpl_free(tmpl);
		return NULL;
	}
	return tmpl;
}

void kt_tmpl_free(kt_tmpl *self)
{
	if (self != NULL) {
		kt_arena_deinit(&self->arena);
		kt_free(self);
	}
}

void kt_tmpl_free_ptr(kt_tmpl **self)
{
	kt_tmpl_free(*self);
	*self = NULL;
}
