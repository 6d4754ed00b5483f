/* Expressions: pipelines, commands, fields, variables, calls. */
#include "template/exec_internal.h"

#include "base/num.h"
#include "base/stack.h"

/* The words after the first of a command, and the value piped in (NULL = none). */
typedef struct operands {
	kt_tnode *const *words;
	size_t n;
	const kt_tmpl_val *final;
} operands;

static const operands no_operands = {NULL, 0, NULL};

static bool eval_arg(kt_texec *x, const kt_tmpl_val *dot, kt_tparam type, const kt_tnode *node,
		     kt_tmpl_val *ret);

/* ---- variables and constants ----------------------------------------------------------- */

static kt_tvar *find_var(kt_texec *x, kt_ttext name)
{
	for (size_t i = x->vars.len; i > x->first_var; i--) {
		if (kt_ttext_equal(x->vars.items[i - 1].name, name)) {
			return &x->vars.items[i - 1];
		}
	}
	(void)kt_texec_fail(x, "undefined variable: %.*s", (int)name.len, name.data);
	return NULL;
}

bool kt_teval_set_var(kt_texec *x, kt_ttext name, const kt_tmpl_val *value)
{
	kt_tvar *var = find_var(x, name);

	if (var != NULL) {
		var->value = *value;
	}
	return var != NULL;
}

static bool constant(kt_texec *x, const kt_tnode *node, kt_tmpl_val *ret)
{
	x->node = node;
	if (node->overflows) {
		return kt_texec_fail(x, "%.*s overflows int", (int)node->source.len,
				     node->source.data);
	}
	*ret = node->number;
	return true;
}

static kt_tmpl_val bool_value(bool b)
{
	kt_tmpl_val v = kt_tval(KT_TMPL_BOOL);
	v.b = b;
	return v;
}

static bool show_node_fail(kt_texec *x, const char *message, const kt_tnode *node)
{
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;

	kt_tnode_print(node, &shown);
	return kt_texec_fail(x, "%s %s", message, kt_buf_str(&shown));
}

static bool not_a_function(kt_texec *x, const kt_tnode *first, operands given)
{
	if (given.n > 0 || given.final != NULL) {
		return show_node_fail(x, "can't give argument to non-function", first);
	}
	return true;
}

/* ---- fields ---------------------------------------------------------------------------- */

/* "strconv.ParseInt: parsing "1.5": invalid syntax" */
static bool conversion_failed(kt_texec *x, const char *method, const char *function, kt_ttext text,
			      bool range)
{
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;

	kt_ttext_quote(&shown, text);
	return kt_texec_fail(x, "error calling %s: strconv.%s: parsing %s: %s", method, function,
			     kt_buf_str(&shown), range ? "value out of range" : "invalid syntax");
}

static bool number_to_int(kt_texec *x, kt_ttext text, kt_tmpl_val *ret)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	uint64_t size = 0;
	bool range = false;

	for (size_t i = negative ? 1 : 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return conversion_failed(x, "Int64", "ParseInt", text, false);
		}
		range = range || __builtin_mul_overflow(size, 10u, &size) ||
			__builtin_add_overflow(size, (unsigned)(text.data[i] - '0'), &size);
	}
	if (range || size > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
		return conversion_failed(x, "Int64", "ParseInt", text, true);
	}
	*ret = kt_tval_int((int64_t)(negative ? 0 - size : size));
	ret->wide = true;
	return true;
}

static bool is_number_method(kt_ttext name)
{
	return kt_ttext_is(name, "String") || kt_ttext_is(name, "Int64") ||
	       kt_ttext_is(name, "Float64");
}

/* The methods that a number's text has. */
static bool number_method(kt_texec *x, kt_ttext text, kt_ttext name, const kt_tnode *node,
			  operands given, kt_tmpl_val *ret)
{
	size_t n = given.n + (given.final != NULL ? 1 : 0);

	if (n > 0) {
		return kt_texec_fail(x, "wrong number of args for %.*s: want 0 got %zu",
				     (int)name.len, name.data, n);
	}
	x->node = node;
	if (kt_ttext_is(name, "String")) {
		*ret = kt_tval_text(KT_TMPL_STRING, text);
		return true;
	}
	if (kt_ttext_is(name, "Int64")) {
		return number_to_int(x, text, ret);
	}
	*ret = kt_tval(KT_TMPL_FLOAT);
	if (kt_num_parse_float(text.data, text.len, &ret->f) != KT_NUM_OK) {
		return conversion_failed(x, "Float64", "ParseFloat", text, true);
	}
	return true;
}

static bool eval_field(kt_texec *x, const kt_tmpl_val *receiver, kt_ttext name,
		       const kt_tnode *node, operands given, kt_tmpl_val *ret)
{
	if (receiver->kind == KT_TMPL_MISSING) {
		*ret = *receiver;
		return true;
	}
	if (receiver->kind == KT_TMPL_NIL) {
		return kt_texec_fail(x, "nil pointer evaluating interface {}.%.*s", (int)name.len,
				     name.data);
	}
	if (receiver->kind == KT_TMPL_NUMBER && is_number_method(name)) {
		return number_method(x, kt_tval_str(receiver), name, node, given, ret);
	}
	if (receiver->kind == KT_TMPL_MAP) {
		if (given.n > 0 || given.final != NULL) {
			return kt_texec_fail(x, "%.*s is not a method but has arguments",
					     (int)name.len, name.data);
		}
		const kt_tmpl_val *value = kt_tval_get(receiver, name);
		*ret = value == NULL ? kt_tval(KT_TMPL_MISSING) : *value;
		ret->iface = value != NULL;
		return true;
	}
	return kt_texec_fail(x, "can't evaluate field %.*s in type %s", (int)name.len, name.data,
			     receiver->iface ? "interface {}" : kt_tval_type(receiver));
}

static bool eval_chain(kt_texec *x, kt_tmpl_val receiver, const kt_tnode *node, size_t first,
		       operands given, kt_tmpl_val *ret)
{
	for (size_t i = first; i < node->nnames; i++) {
		bool last = i + 1 == node->nnames;
		if (!eval_field(x, &receiver, node->names[i], node, last ? given : no_operands,
				ret)) {
			return false;
		}
		receiver = *ret;
	}
	return true;
}

static bool eval_variable(kt_texec *x, const kt_tnode *node, const kt_tnode *first,
			  operands given, kt_tmpl_val *ret)
{
	x->node = node;
	const kt_tvar *var = find_var(x, node->names[0]);
	if (var == NULL) {
		return false;
	}
	if (node->nnames == 1) {
		*ret = var->value;
		return not_a_function(x, first, given);
	}
	return eval_chain(x, var->value, node, 1, given, ret);
}

static bool eval_chain_node(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node,
			    operands given, kt_tmpl_val *ret)
{
	kt_tmpl_val receiver;

	x->node = node;
	if (!eval_arg(x, dot, KT_TPARAM_VALUE, node->pipe, &receiver)) {
		return false;
	}
	return eval_chain(x, receiver, node, 0, given, ret);
}

/* ---- arguments ------------------------------------------------------------------------- */

/* Fits a value to a parameter. */
static bool fit(kt_texec *x, kt_tparam type, kt_tmpl_val *value)
{
	if (type == KT_TPARAM_ANY && value->kind == KT_TMPL_MISSING) {
		value->kind = KT_TMPL_NIL;
	}
	if (type != KT_TPARAM_STRING || value->kind == KT_TMPL_STRING) {
		return true;
	}
	if (value->kind == KT_TMPL_MISSING) {
		return kt_texec_fail(x, "invalid value; expected string");
	}
	return kt_texec_fail(x, "wrong type for value; expected string; got %s",
			     kt_tval_type(value));
}

static bool eval_call(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node,
		      const kt_tnode *place, operands given, kt_tmpl_val *ret);

/* What stands for itself: booleans, numbers, strings. */
static bool eval_literal(kt_texec *x, kt_tparam type, const kt_tnode *node, kt_tmpl_val *ret)
{
	if (type == KT_TPARAM_STRING && node->kind != KT_N_STRING) {
		return show_node_fail(x, "expected string; found", node);
	}
	if (node->kind == KT_N_NUMBER) {
		return constant(x, node, ret);
	}
	*ret = node->kind == KT_N_BOOL ? bool_value(node->flag)
				       : kt_tval_text(KT_TMPL_STRING, node->text);
	return true;
}

static bool eval_arg(kt_texec *x, const kt_tmpl_val *dot, kt_tparam type, const kt_tnode *node,
		     kt_tmpl_val *ret)
{
	bool ok;

	x->node = node;
	switch (node->kind) {
	case KT_N_DOT:
		*ret = *dot;
		ok = true;
		break;
	case KT_N_NIL:
		if (type == KT_TPARAM_STRING) {
			return kt_texec_fail(x, "cannot assign nil to string");
		}
		*ret = kt_tval(type == KT_TPARAM_ANY ? KT_TMPL_NIL : KT_TMPL_MISSING);
		return true;
	case KT_N_FIELD:
		ok = eval_chain(x, *dot, node, 0, no_operands, ret);
		break;
	case KT_N_VARIABLE:
		ok = eval_variable(x, node, node, no_operands, ret);
		break;
	case KT_N_PIPE:
		ok = kt_teval_pipeline(x, dot, node, ret);
		break;
	case KT_N_IDENTIFIER:
		ok = eval_call(x, dot, node, node, no_operands, ret);
		break;
	case KT_N_CHAIN:
		ok = eval_chain_node(x, dot, node, no_operands, ret);
		break;
	default:
		return eval_literal(x, type, node, ret);
	}
	return ok && fit(x, type, ret);
}

/* ---- calls ----------------------------------------------------------------------------- */

/* and, or: as many arguments as it takes to decide, and the deciding one is the result. */
static bool eval_logic(kt_texec *x, const kt_tmpl_val *dot, bool stop_at, operands given,
		       kt_tmpl_val *ret)
{
	for (size_t i = 0; i < given.n; i++) {
		if (!eval_arg(x, dot, KT_TPARAM_VALUE, given.words[i], ret)) {
			return false;
		}
		if (kt_tval_truth(ret) == stop_at) {
			return true;
		}
	}
	if (given.final != NULL) {
		*ret = *given.final;
	}
	return true;
}

/* Data holds no functions: a call always fails. */
static bool fail_call(kt_texec *x, operands given, const kt_tmpl_val *callee)
{
	KT_AUTO_BUF kt_buf name = KT_BUF_INIT;

	if (callee->kind == KT_TMPL_MISSING || callee->kind == KT_TMPL_NIL) {
		return kt_tfunc_fail(x, "call of nil");
	}
	if (given.n > 0) {
		kt_tnode_print(given.words[0], &name);
	} else if (callee->kind == KT_TMPL_STRING || callee->kind == KT_TMPL_NUMBER) {
		kt_buf_add(&name, callee->s.data, callee->s.len);
	} else {
		kt_buf_addf(&name, "<%s Value>", kt_tval_type(callee));
	}
	return kt_tfunc_fail(x, "non-function %s of type %s", kt_buf_str(&name),
			     kt_tval_type(callee));
}

static bool check_count(kt_texec *x, const kt_tfunc *f, operands given)
{
	size_t n = given.n + (given.final != NULL ? 1 : 0);

	if (f->variadic && n < f->min) {
		return kt_texec_fail(x, "wrong number of args for %s: want at least %zu got %zu",
				     f->name, f->min, given.n);
	}
	if (!f->variadic && n != f->min) {
		return kt_texec_fail(x, "wrong number of args for %s: want %zu got %zu", f->name,
				     f->min, n);
	}
	return true;
}

/* Evaluates all arguments into args, which has room for them. */
static bool eval_args(kt_texec *x, const kt_tmpl_val *dot, const kt_tfunc *f, operands given,
		      kt_tmpl_val *args)
{
	size_t n = 0;

	for (; n < given.n; n++) {
		if (!eval_arg(x, dot, n == 0 ? f->first : f->rest, given.words[n], &args[n])) {
			return false;
		}
	}
	if (given.final != NULL) {
		args[n] = *given.final;
		return fit(x, n == 0 ? f->first : f->rest, &args[n]);
	}
	return true;
}

#define FEW_ARGS 4

static bool run_function(kt_texec *x, const kt_tmpl_val *dot, const kt_tfunc *f,
			 const kt_tnode *place, operands given, kt_tmpl_val *ret)
{
	size_t n = given.n + (given.final != NULL ? 1 : 0);
	kt_tmpl_val few[FEW_ARGS] = {0};
	kt_tmpl_val *args = few;

	if (n > FEW_ARGS) {
		args = KT_ARENA_ARRAY(&x->scratch, kt_tmpl_val, n);
		if (args == NULL) {
			return kt_texec_nomem(x);
		}
	}
	if (!eval_args(x, dot, f, given, args)) {
		return false;
	}
	kt_buf_clear(&x->problem);
	bool ok = f->fn == NULL ? fail_call(x, given, &args[0]) : f->fn(x, args, n, ret);
	if (!ok && x->problem.len > 0) {
		x->node = place;
		return kt_texec_fail(x, "error calling %s: %s", f->name, kt_buf_str(&x->problem));
	}
	return ok;
}

static bool eval_call(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *node,
		      const kt_tnode *place, operands given, kt_tmpl_val *ret)
{
	const kt_tfunc *f = kt_tfunc_find(node->text);

	*ret = kt_tval(KT_TMPL_MISSING);
	if (!check_count(x, f, given)) {
		return false;
	}
	if (f->fn == NULL && strcmp(f->name, "call") != 0) {
		return eval_logic(x, dot, strcmp(f->name, "or") == 0, given, ret);
	}
	return run_function(x, dot, f, place, given, ret);
}

/* ---- commands and pipelines ------------------------------------------------------------ */

static bool eval_command(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *command,
			 const kt_tmpl_val *final, kt_tmpl_val *ret)
{
	const kt_tnode *first = command->items[0];
	operands given = {command->items + 1, command->nitems - 1, final};

	switch (first->kind) {
	case KT_N_FIELD:
		x->node = first;
		return eval_chain(x, *dot, first, 0, given, ret);
	case KT_N_CHAIN:
		return eval_chain_node(x, dot, first, given, ret);
	case KT_N_IDENTIFIER:
		x->node = first;
		return eval_call(x, dot, first, command, given, ret);
	case KT_N_PIPE:
		return not_a_function(x, first, given) && kt_teval_pipeline(x, dot, first, ret);
	case KT_N_VARIABLE:
		return eval_variable(x, first, first, given, ret);
	default:
		break;
	}
	x->node = first;
	if (!not_a_function(x, first, given)) {
		return false;
	}
	switch (first->kind) {
	case KT_N_DOT:
		*ret = *dot;
		return true;
	case KT_N_NIL:
		return kt_texec_fail(x, "nil is not a command");
	default:
		return eval_literal(x, KT_TPARAM_ANY, first, ret);
	}
}

bool kt_teval_pipeline(kt_texec *x, const kt_tmpl_val *dot, const kt_tnode *pipe,
		       kt_tmpl_val *ret)
{
	kt_tmpl_val value;
	kt_tmpl_val piped;

	x->node = pipe;
	if (kt_stack_low()) {
		return kt_texec_fail(x, "exceeded maximum expression depth");
	}
	for (size_t i = 0; i < pipe->nitems; i++) {
		if (!eval_command(x, dot, pipe->items[i], i == 0 ? NULL : &piped, &value)) {
			return false;
		}
		if (value.kind == KT_TMPL_NIL) {
			value.kind = KT_TMPL_MISSING;
		}
		value.iface = false;
		piped = value;
	}
	*ret = value;
	for (size_t i = 0; i < pipe->ndecls; i++) {
		kt_ttext name = pipe->decls[i]->names[0];
		if (pipe->flag) {
			if (!kt_teval_set_var(x, name, ret)) {
				return false;
			}
		} else if (kt_vec_push(&x->vars, ((kt_tvar){name, *ret})) < 0) {
			return kt_texec_nomem(x);
		}
	}
	return true;
}
