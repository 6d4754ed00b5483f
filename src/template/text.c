/* Small questions about texts, and nodes as error messages show them. */
#include "template/template_internal.h"

#include "base/str.h"

bool kt_ttext_is(kt_ttext text, const char *word)
{
	size_t len = strlen(word);
	return text.len == len && memcmp(text.data, word, len) == 0;
}

bool kt_ttext_equal(kt_ttext a, kt_ttext b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void print_text(kt_buf *out, kt_ttext text)
{
	kt_buf_add(out, text.data, text.len);
}

static void print_names(const kt_tnode *node, kt_buf *out, bool leading_dot)
{
	for (size_t i = 0; i < node->nnames; i++) {
		if (i > 0 || leading_dot) {
			kt_buf_addc(out, '.');
		}
		print_text(out, node->names[i]);
	}
}

static void print_pipe(const kt_tnode *node, kt_buf *out)
{
	for (size_t i = 0; i < node->ndecls; i++) {
		kt_buf_adds(out, i > 0 ? ", " : "");
		print_names(node->decls[i], out, false);
	}
	if (node->ndecls > 0) {
		kt_buf_adds(out, node->flag ? " = " : " := ");
	}
	for (size_t i = 0; i < node->nitems; i++) {
		kt_buf_adds(out, i > 0 ? " | " : "");
		kt_tnode_print(node->items[i], out);
	}
}

/* A pipeline that is an operand stands in parentheses. */
static void print_operand(const kt_tnode *node, kt_buf *out)
{
	if (node->kind == KT_N_PIPE) {
		kt_buf_addc(out, '(');
		print_pipe(node, out);
		kt_buf_addc(out, ')');
	} else {
		kt_tnode_print(node, out);
	}
}

static void print_branch(const kt_tnode *node, kt_buf *out, const char *word)
{
	kt_buf_addf(out, "{{%s ", word);
	print_pipe(node->pipe, out);
	kt_buf_adds(out, "}}");
	kt_tnode_print(node->body, out);
	if (node->other != NULL) {
		kt_buf_adds(out, "{{else}}");
		kt_tnode_print(node->other, out);
	}
	kt_buf_adds(out, "{{end}}");
}

static void print_template(const kt_tnode *node, kt_buf *out)
{
	kt_buf_adds(out, "{{template ");
	kt_ttext_quote(out, node->text);
	if (node->pipe != NULL) {
		kt_buf_addc(out, ' ');
		print_pipe(node->pipe, out);
	}
	kt_buf_adds(out, "}}");
}

static void print_items(const kt_tnode *node, kt_buf *out)
{
	for (size_t i = 0; i < node->nitems; i++) {
		if (node->kind == KT_N_COMMAND) {
			kt_buf_adds(out, i > 0 ? " " : "");
			print_operand(node->items[i], out);
		} else {
			kt_tnode_print(node->items[i], out);
		}
	}
}

void kt_tnode_print(const kt_tnode *node, kt_buf *out)
{
	static const char *const fixed[] = {
		[KT_N_BREAK] = "{{break}}", [KT_N_CONTINUE] = "{{continue}}",
		[KT_N_END] = "{{end}}",     [KT_N_ELSE] = "{{else}}",
		[KT_N_DOT] = ".",           [KT_N_NIL] = "nil",
	};

	switch (node->kind) {
	case KT_N_LIST:
	case KT_N_COMMAND:
		print_items(node, out);
		break;
	case KT_N_TEXT:
	case KT_N_IDENTIFIER:
		print_text(out, node->text);
		break;
	case KT_N_ACTION:
		kt_buf_adds(out, "{{");
		print_pipe(node->pipe, out);
		kt_buf_adds(out, "}}");
		break;
	case KT_N_IF:
		print_branch(node, out, "if");
		break;
	case KT_N_RANGE:
		print_branch(node, out, "range");
		break;
	case KT_N_WITH:
		print_branch(node, out, "with");
		break;
	case KT_N_TEMPLATE:
		print_template(node, out);
		break;
	case KT_N_PIPE:
		print_pipe(node, out);
		break;
	case KT_N_VARIABLE:
		print_names(node, out, false);
		break;
	case KT_N_FIELD:
		print_names(node, out, true);
		break;
	case KT_N_CHAIN:
		print_operand(node->pipe, out);
		print_names(node, out, true);
		break;
	case KT_N_BOOL:
		kt_buf_adds(out, node->flag ? "true" : "false");
		break;
	case KT_N_NUMBER:
	case KT_N_STRING:
		print_text(out, node->source);
		break;
	default:
		kt_buf_adds(out, fixed[node->kind]);
		break;
	}
}
