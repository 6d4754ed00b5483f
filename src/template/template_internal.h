/*
 * What the sources of the template module share: tokens, the tree, values, printing.
 * Private to this module.
 */
#ifndef KT_TEMPLATE_INTERNAL_H
#define KT_TEMPLATE_INTERNAL_H

#include "template/template.h"

/* Borrowed text. */
typedef struct kt_ttext {
	const char *data;
	size_t len;
} kt_ttext;

#define KT_TTEXT(literal) ((kt_ttext){(literal), sizeof(literal) - 1})

bool kt_ttext_is(kt_ttext text, const char *word);
bool kt_ttext_equal(kt_ttext a, kt_ttext b);
/* Appends text in double quotes, escaped as Go source writes it. */
void kt_ttext_quote(kt_buf *out, kt_ttext text);

/* ---- tokens ------------------------------------------------------------------------------ */

typedef enum kt_ttoken_kind {
	KT_T_ERROR, /* text is the message */
	KT_T_BOOL,
	KT_T_CHAR, /* a printable ASCII character with no other meaning, such as ',' */
	KT_T_CHAR_CONSTANT,
	KT_T_COMPLEX,
	KT_T_ASSIGN,
	KT_T_DECLARE,
	KT_T_EOF,
	KT_T_FIELD, /* .name */
	KT_T_IDENTIFIER,
	KT_T_LEFT_DELIM,
	KT_T_LEFT_PAREN,
	KT_T_NUMBER,
	KT_T_PIPE,
	KT_T_RAW_STRING,
	KT_T_RIGHT_DELIM,
	KT_T_RIGHT_PAREN,
	KT_T_SPACE,
	KT_T_STRING,
	KT_T_TEXT,
	KT_T_VARIABLE,
	/* Keywords from here on. */
	KT_T_BLOCK,
	KT_T_BREAK,
	KT_T_CONTINUE,
	KT_T_DOT,
	KT_T_DEFINE,
	KT_T_ELSE,
	KT_T_END,
	KT_T_IF,
	KT_T_NIL,
	KT_T_RANGE,
	KT_T_TEMPLATE,
	KT_T_WITH,
} kt_ttoken_kind;

typedef struct kt_ttoken {
	kt_ttoken_kind kind;
	size_t pos;
	size_t line; /* from 1 */
	kt_ttext text;
} kt_ttoken;

typedef struct kt_tscan {
	kt_ttext input;
	size_t pos;
	size_t line;
	bool inside;       /* between delimiters */
	int paren_depth;
	char message[96];  /* of an error token */
} kt_tscan;

/* The next token; after an error or the end always KT_T_EOF. Error texts live in self. */
kt_ttoken kt_tscan_next(kt_tscan *self);

/* ---- the tree ---------------------------------------------------------------------------- */

typedef enum kt_tnode_kind {
	KT_N_LIST,
	KT_N_TEXT,
	KT_N_ACTION,
	KT_N_IF,
	KT_N_RANGE,
	KT_N_WITH,
	KT_N_TEMPLATE,
	KT_N_BREAK,
	KT_N_CONTINUE,
	KT_N_END,  /* parser only */
	KT_N_ELSE, /* parser only */
	KT_N_PIPE,
	KT_N_COMMAND,
	KT_N_IDENTIFIER,
	KT_N_VARIABLE,
	KT_N_DOT,
	KT_N_NIL,
	KT_N_FIELD,
	KT_N_CHAIN,
	KT_N_BOOL,
	KT_N_NUMBER,
	KT_N_STRING,
} kt_tnode_kind;

typedef struct kt_tnode kt_tnode;
struct kt_tnode {
	kt_tnode_kind kind;
	bool flag;        /* BOOL: its value; PIPE: assigns rather than declares */
	bool overflows;   /* NUMBER: an integer beyond 64 bits signed */
	size_t pos;       /* byte offset in the text */
	kt_ttext text;    /* TEXT, STRING: the content; IDENTIFIER, TEMPLATE: the name */
	kt_ttext source;  /* STRING, NUMBER: as written */
	kt_ttext *names;  /* FIELD, VARIABLE ("$x" first), CHAIN */
	size_t nnames;
	kt_tnode **items; /* LIST: nodes; PIPE: commands; COMMAND: words */
	size_t nitems;
	kt_tnode **decls; /* PIPE: variables */
	size_t ndecls;
	kt_tnode *pipe;   /* ACTION, IF, RANGE, WITH, TEMPLATE (may be NULL); CHAIN: its operand */
	kt_tnode *body;   /* IF, RANGE, WITH */
	kt_tnode *other;  /* the else list, or NULL */
	kt_tmpl_val number;
};

/* Appends the node as error messages show it. */
void kt_tnode_print(const kt_tnode *node, kt_buf *out);

typedef struct kt_ttree {
	kt_ttext name;
	kt_tnode *root;
} kt_ttree;

struct kt_tmpl {
	kt_arena arena;
	kt_ttext name;
	kt_ttext text;
	kt_ttree *trees;
	size_t ntrees;
};

const kt_ttree *kt_tmpl_find(const kt_tmpl *self, kt_ttext name);

typedef struct kt_tfunc kt_tfunc;
/* The built-in function of this name, or NULL. */
const kt_tfunc *kt_tfunc_find(kt_ttext name);

/* ---- constants --------------------------------------------------------------------------- */

/* A number, complex or character constant. NULL, or the message of what is wrong with it. */
const char *kt_tconst_number(kt_ttoken_kind kind, kt_ttext text, kt_tnode *node);
/* The content of a quoted or raw string; false when it is malformed or memory is short. */
bool kt_tconst_string(kt_arena *arena, kt_ttext quoted, kt_ttext *ret);

/* ---- values ------------------------------------------------------------------------------ */

static inline kt_tmpl_val kt_tval(kt_tmpl_kind kind)
{
	kt_tmpl_val v = {0};
	v.kind = kind;
	return v;
}

static inline kt_tmpl_val kt_tval_int(int64_t i)
{
	kt_tmpl_val v = {0};
	v.kind = KT_TMPL_INT;
	v.i = i;
	return v;
}

static inline kt_tmpl_val kt_tval_text(kt_tmpl_kind kind, kt_ttext text)
{
	kt_tmpl_val v = {0};
	v.kind = kind;
	v.s.data = text.data;
	v.s.len = text.len;
	return v;
}

static inline kt_ttext kt_tval_str(const kt_tmpl_val *v)
{
	return (kt_ttext){v->s.data, v->s.len};
}

/* Makes *ret a list and gives its items to fill, which are nil up to its capacity. NULL: OOM. */
kt_tmpl_val *kt_tval_new_list(kt_arena *arena, size_t len, kt_tmpl_val *ret);
/* NULL when absent. */
const kt_tmpl_val *kt_tval_get(const kt_tmpl_val *map, kt_ttext key);
bool kt_tval_truth(const kt_tmpl_val *v);
/* The Go type: "string", "json.Number", "[]interface {}"… of the value inside an interface. */
const char *kt_tval_type(const kt_tmpl_val *v);

/* ---- printing, as Go's fmt does it --------------------------------------------------------- */

/* print, println, printf. Nothing, null and missing values are all nil. */
void kt_tfmt_print(kt_buf *out, const kt_tmpl_val *args, size_t n);
void kt_tfmt_println(kt_buf *out, const kt_tmpl_val *args, size_t n);
void kt_tfmt_printf(kt_buf *out, kt_ttext format, const kt_tmpl_val *args, size_t n);
/* One value with one verb and no flags. */
void kt_tfmt_value(kt_buf *out, uint32_t verb, const kt_tmpl_val *v);

#endif
