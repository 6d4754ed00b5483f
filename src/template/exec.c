/* Execution: walking the tree. Expressions are evaluated in eval.c. */
#include "template/exec_internal.h"

#include "base/num.h"
#include "base/stack.h"

#define SCRATCH_MAX ((size_t)64 * 1024 * 1024)

typedef enum walk { WALK_ON, WALK_BREAK, WALK_CONTINUE, WALK_FAILED } walk;

static walk walk_node(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node);

/* ---- errors ---------------------------------------------------------------------------- */

/* An error text is a C string; a NUL in a name is left out of it. */
static void add_without_nul(kt_buf *out, kt_ttext text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\0') {
			kt_buf_addc(out, text.data[i]);
		}
	}
}

/* NAME:LINE:COLUMN of the current node; columns count bytes, from 0. */
static void add_place(const kt_texec *x, kt_buf *out)
{
	const char *text = x->tmpl->text.data;
	size_t pos = x->node->pos;
	size_t line = 1;
	size_t start = 0;

	for (size_t i = 0; i < pos; i++) {
		if (text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	add_without_nul(out, x->tmpl->name);
	kt_buf_addf(out, ":%zu:%zu", line, pos - start);
}

bool kt_texec_nomem(kt_texec *x)
{
	if (x->scratch.total >= SCRATCH_MAX / 2) {
		(void)KT_FAIL(x->err, EXHAUSTED, "the template computes more than %zu MiB of text",
			      SCRATCH_MAX / 1024 / 1024);
	} else {
		(void)kt_err_nomem(x->err);
	}
	return false;
}

bool kt_texec_fail(kt_texec *x, const char *fmt, ...)
{
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf context = KT_BUF_INIT;
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	kt_buf_adds(&message, "template: ");
	add_place(x, &message);
	kt_buf_adds(&message, ": executing ");
	kt_ttext_quote(&message, x->name);
	kt_tnode_print(x->node, &context);
	kt_buf_adds(&message, " at <");
	add_without_nul(&message, (kt_ttext){kt_buf_str(&context), context.len});
	kt_buf_adds(&message, ">: ");
	char *room = len < 0 ? NULL : kt_buf_reserve(&message, (size_t)len + 1);
	if (room == NULL || context.failed) {
		return kt_texec_nomem(x);
	}
	va_start(args, fmt);
	vsnprintf(room, (size_t)len + 1, fmt, args);
	va_end(args);
	message.len += (size_t)len;
	(void)KT_FAIL(x->err, INVALID, "%s", kt_buf_str(&message));
	return false;
}

/* ---- output ---------------------------------------------------------------------------- */

static walk check_output(kt_texec *x)
{
	return kt_buf_check(x->out, x->err) < 0 ? WALK_FAILED : WALK_ON;
}

static walk print_action(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	kt_tmpl_val value;

	if (!kt_teval_pipeline(x, dot, node->pipe, &value)) {
		return WALK_FAILED;
	}
	if (node->pipe->ndecls > 0) {
		return WALK_ON;
	}
	x->node = node;
	if (value.kind == KT_TMPL_MISSING) {
		kt_buf_adds(x->out, "<no value>");
	} else if (value.kind == KT_TMPL_STRING || value.kind == KT_TMPL_NUMBER) {
		kt_buf_add(x->out, value.s.data, value.s.len);
	} else {
		kt_tfmt_value(x->out, 'v', &value);
	}
	return check_output(x);
}

/* ---- if, with, range ------------------------------------------------------------------- */

static walk walk_branch(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	size_t vars = x->vars.len;
	kt_tmpl_val value;
	walk result = WALK_ON;

	if (!kt_teval_pipeline(x, dot, node->pipe, &value)) {
		return WALK_FAILED;
	}
	if (kt_tval_truth(&value)) {
		result = walk_node(x, node->kind == KT_N_WITH ? &value : dot, node->body);
	} else if (node->other != NULL) {
		result = walk_node(x, dot, node->other);
	}
	x->vars.len = vars;
	return result;
}

/* Gives the loop's variables their values: `index, element`, or the element alone. */
static bool set_loop_vars(kt_texec *x, const kt_tnode *pipe, const kt_tmpl_val *index,
			  const kt_tmpl_val *element)
{
	size_t n = pipe->ndecls;

	if (n == 0) {
		return true;
	}
	if (!pipe->flag) {
		x->vars.items[x->vars.len - 1].value = *element;
		if (n > 1) {
			x->vars.items[x->vars.len - 2].value = *index;
		}
		return true;
	}
	const kt_tmpl_val *first = n > 1 ? index : element;
	return kt_teval_set_var(x, pipe->decls[0]->names[0], first) &&
	       (n == 1 || kt_teval_set_var(x, pipe->decls[1]->names[0], element));
}

static walk one_turn(kt_texec *x, const kt_tnode *node, const kt_tmpl_val *index,
		     const kt_tmpl_val *element)
{
	size_t vars = x->vars.len;

	if (!set_loop_vars(x, node->pipe, index, element)) {
		return WALK_FAILED;
	}
	walk result = walk_node(x, element, node->body);
	x->vars.len = vars;
	return result == WALK_CONTINUE ? WALK_ON : result;
}

static walk range_list(kt_texec *x, const kt_tnode *node, const kt_tmpl_val *list)
{
	walk result = WALK_ON;

	for (size_t i = 0; i < list->list.len && result == WALK_ON; i++) {
		kt_tmpl_val index = kt_tval_int((int64_t)i);
		kt_tmpl_val element = list->list.items[i];
		element.iface = true;
		result = one_turn(x, node, &index, &element);
	}
	return result;
}

static walk range_map(kt_texec *x, const kt_tnode *node, const kt_tmpl_val *map)
{
	walk result = WALK_ON;

	for (size_t i = 0; i < map->map.len && result == WALK_ON; i++) {
		const kt_tmpl_entry *entry = &map->map.entries[i];
		kt_tmpl_val key =
			kt_tval_text(KT_TMPL_STRING, (kt_ttext){entry->key, entry->key_len});
		kt_tmpl_val element = entry->value;
		element.iface = true;
		result = one_turn(x, node, &key, &element);
	}
	return result;
}

static walk range_int(kt_texec *x, const kt_tnode *node, const kt_tmpl_val *count)
{
	kt_tmpl_val none = kt_tval(KT_TMPL_MISSING);
	walk result = WALK_ON;

	if (node->pipe->ndecls > 1) {
		(void)kt_texec_fail(x, "can't use %lld to iterate over more than one variable",
				    (long long)count->i);
		return WALK_FAILED;
	}
	for (int64_t i = 0; i < count->i && result == WALK_ON; i++) {
		kt_tmpl_val element = *count;
		element.i = i;
		element.iface = false;
		result = one_turn(x, node, &none, &element);
	}
	return result;
}

static walk cannot_range(kt_texec *x, const kt_tmpl_val *value)
{
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;

	kt_tfmt_value(&shown, 'v', value);
	(void)kt_texec_fail(x, "range can't iterate over %s", kt_buf_str(&shown));
	return WALK_FAILED;
}

static walk range_over(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	kt_tmpl_val value;

	if (!kt_teval_pipeline(x, dot, node->pipe, &value)) {
		return WALK_FAILED;
	}
	switch (value.kind) {
	case KT_TMPL_LIST:
		if (value.list.len > 0) {
			return range_list(x, node, &value);
		}
		break;
	case KT_TMPL_MAP:
		if (value.map.len > 0) {
			return range_map(x, node, &value);
		}
		break;
	case KT_TMPL_INT:
	case KT_TMPL_BYTE:
		if (value.i > 0 || node->pipe->ndecls > 1) {
			return range_int(x, node, &value);
		}
		break;
	case KT_TMPL_MISSING:
	case KT_TMPL_NIL:
		break;
	default:
		return cannot_range(x, &value);
	}
	return node->other == NULL ? WALK_ON : walk_node(x, dot, node->other);
}

static walk walk_range(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	size_t vars = x->vars.len;
	walk result = range_over(x, dot, node);

	x->vars.len = vars;
	return result == WALK_BREAK ? WALK_ON : result;
}

/* ---- templates ------------------------------------------------------------------------- */

/* $ is the template's argument; variables outside are out of sight. */
static walk run_tree(kt_texec *x, const kt_ttree *tree, const kt_tmpl_val *dot)
{
	size_t outer_first = x->first_var;
	size_t outer_len = x->vars.len;
	kt_ttext outer_name = x->name;

	x->first_var = outer_len;
	if (kt_vec_push(&x->vars, ((kt_tvar){KT_TTEXT("$"), *dot})) < 0) {
		(void)kt_texec_nomem(x);
		return WALK_FAILED;
	}
	x->name = tree->name;
	walk result = walk_node(x, dot, tree->root);
	x->name = outer_name;
	x->first_var = outer_first;
	x->vars.len = outer_len;
	return result;
}

static walk walk_template(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	const kt_ttree *tree = kt_tmpl_find(x->tmpl, node->text);
	kt_tmpl_val value = kt_tval(KT_TMPL_MISSING);

	if (tree == NULL) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		kt_ttext_quote(&shown, node->text);
		(void)kt_texec_fail(x, "template %s not defined", kt_buf_str(&shown));
		return WALK_FAILED;
	}
	if (kt_stack_low()) {
		(void)kt_texec_fail(x, "exceeded maximum template depth (100000)");
		return WALK_FAILED;
	}
	if (node->pipe != NULL && !kt_teval_pipeline(x, dot, node->pipe, &value)) {
		return WALK_FAILED;
	}
	return run_tree(x, tree, &value);
}

static walk walk_list(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	walk result = WALK_ON;

	for (size_t i = 0; i < node->nitems && result == WALK_ON; i++) {
		result = walk_node(x, dot, node->items[i]);
	}
	return result;
}

static walk walk_node(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node)
{
	x->node = node;
	switch (node->kind) {
	case KT_N_LIST:
		return walk_list(x, dot, node);
	case KT_N_TEXT:
		kt_buf_add(x->out, node->text.data, node->text.len);
		return check_output(x);
	case KT_N_ACTION:
		return print_action(x, dot, node);
	case KT_N_IF:
	case KT_N_WITH:
		return walk_branch(x, dot, node);
	case KT_N_RANGE:
		return walk_range(x, dot, node);
	case KT_N_TEMPLATE:
		return walk_template(x, dot, node);
	case KT_N_BREAK:
		return WALK_BREAK;
	default:
		return WALK_CONTINUE;
	}
}

int kt_tmpl_exec(const kt_tmpl *self, const kt_tmpl_val *data, kt_buf *out, kt_err *err)
{
	kt_texec x = {
		.tmpl = self,
		.name = self->name,
		.out = out,
		.scratch = {.limit = SCRATCH_MAX},
		.err = err,
	};
	kt_tmpl_val root = *data;

	if (root.kind == KT_TMPL_NIL) {
		root.kind = KT_TMPL_MISSING;
	}
	walk result = run_tree(&x, kt_tmpl_find(self, self->name), &root);
	kt_vec_deinit(&x.vars);
	kt_buf_deinit(&x.problem);
	kt_arena_deinit(&x.scratch);
	return result == WALK_FAILED ? -1 : 0;
}
