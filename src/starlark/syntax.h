/*
 * The syntax tree, for tools that read programs without running them: linters, editors.
 *
 * Parsing needs a thread for its strings and errors; nodes live in the caller's arena, the
 * strings in the thread's run. After kt_resolve every IDENT knows its binding. Nothing blocks.
 */
#ifndef KT_STARLARK_SYNTAX_H
#define KT_STARLARK_SYNTAX_H

#include "starlark/starlark.h"

#include "base/arena.h"

/* name, how messages spell it (the reference has no spelling for BYTES) */
#define KT_TOKENS(X)                                                                               \
	X(ILLEGAL, "illegal token") X(EOF, "end of file")                                          \
	X(NEWLINE, "newline") X(INDENT, "indent") X(OUTDENT, "outdent")                            \
	X(IDENT, "identifier") X(INT, "int literal") X(FLOAT, "float literal")                     \
	X(STRING, "string literal") X(BYTES, "")                                                   \
	X(PLUS, "'+'") X(MINUS, "'-'") X(STAR, "'*'") X(SLASH, "'/'") X(SLASHSLASH, "'//'")        \
	X(PERCENT, "'%'") X(AMP, "'&'") X(PIPE, "'|'") X(CARET, "'^'") X(LTLT, "'<<'")             \
	X(GTGT, "'>>'") X(TILDE, "'~'") X(DOT, "'.'") X(COMMA, "','") X(EQ, "'='")                 \
	X(SEMI, "';'") X(COLON, "':'") X(LPAREN, "'('") X(RPAREN, "')'") X(LBRACK, "'['")          \
	X(RBRACK, "']'") X(LBRACE, "'{'") X(RBRACE, "'}'") X(LT, "'<'") X(GT, "'>'")               \
	X(GE, "'>='") X(LE, "'<='") X(EQL, "'=='") X(NEQ, "'!='")                                  \
	X(PLUS_EQ, "'+='") X(MINUS_EQ, "'-='") X(STAR_EQ, "'*='") X(SLASH_EQ, "'/='")              \
	X(SLASHSLASH_EQ, "'//='") X(PERCENT_EQ, "'%='") X(AMP_EQ, "'&='") X(PIPE_EQ, "'|='")       \
	X(CARET_EQ, "'^='") X(LTLT_EQ, "'<<='") X(GTGT_EQ, "'>>='") X(STARSTAR, "'**'")            \
	X(AND, "and") X(BREAK, "break") X(CONTINUE, "continue") X(DEF, "def") X(ELIF, "elif")      \
	X(ELSE, "else") X(FOR, "for") X(IF, "if") X(IN, "in") X(LAMBDA, "lambda") X(LOAD, "load")  \
	X(NOT, "not") X(NOT_IN, "not in") X(OR, "or") X(PASS, "pass") X(RETURN, "return")          \
	X(WHILE, "while")

typedef enum kt_token {
#define KT_TOKEN_ENUM(name, text) KT_TOK_##name,
	KT_TOKENS(KT_TOKEN_ENUM)
#undef KT_TOKEN_ENUM
	KT_TOK_COUNT
} kt_token;

const char *kt_token_text(kt_token tok);

typedef struct kt_spos {
	int32_t line, col;
} kt_spos;

/* ---- syntax tree ------------------------------------------------------------- */

typedef struct kt_expr kt_expr;
typedef struct kt_stmt kt_stmt;
typedef struct kt_binding kt_binding;

typedef enum kt_expr_kind {
	KT_EX_LITERAL,
	KT_EX_IDENT,
	KT_EX_PAREN,   /* kept for positions and assignment targets */
	KT_EX_LIST,
	KT_EX_TUPLE,
	KT_EX_DICT,    /* items: ENTRY */
	KT_EX_ENTRY,   /* a: b; pos = ':' */
	KT_EX_COMP,    /* list or dict comprehension */
	KT_EX_CALL,    /* a(items) */
	KT_EX_DOT,     /* a.name */
	KT_EX_INDEX,   /* a[b] */
	KT_EX_SLICE,   /* a[lo:hi:step] */
	KT_EX_COND,    /* a if cond else b */
	KT_EX_LAMBDA,
	KT_EX_UNARY,   /* op a; '*' and '**' in calls and parameters, a may be NULL for bare '*' */
	KT_EX_BINARY,  /* a op b; '=' for named arguments and defaults */
} kt_expr_kind;

typedef struct kt_exprs {
	kt_expr **items;
	size_t len;
} kt_exprs;

typedef struct kt_clause {
	struct kt_clause *next;
	kt_spos pos;   /* of `for` or `if` */
	kt_expr *vars; /* NULL: an `if` */
	kt_expr *x;
} kt_clause;

typedef struct kt_fn_node kt_fn_node;

struct kt_expr {
	uint8_t kind;   /* kt_expr_kind */
	uint8_t op;     /* kt_token of UNARY and BINARY; of TUPLE, LIST: unused */
	bool curly;     /* COMP: of a dict */
	uint8_t literal; /* kt_token */
	uint16_t depth; /* of nesting beneath, saturating */
	kt_spos pos;    /* what runtime errors point at (operator, open bracket, dot, name) */
	kt_spos start;  /* where the whole begins */
	union {
		struct {
			kt_expr *a, *b, *c, *d;
		};
		struct {
			kt_val value; /* LITERAL, IDENT (the interned name) */
			kt_binding *binding;
		};
		struct {
			kt_expr *of;
			kt_val name;
			kt_spos name_pos;
		} dot;
		struct {
			kt_expr *fn;
			kt_exprs args;
		} call;
		kt_exprs list;
		struct {
			kt_expr *body;
			kt_clause *clauses;
		} comp;
		kt_fn_node *lambda;
	};
};

struct kt_fn_node {
	kt_val name; /* KT_NULL: lambda */
	kt_spos pos;
	kt_exprs params; /* IDENT, BINARY '=', UNARY '*' '**' */
	kt_stmt *body;   /* of def */
	kt_expr *value;  /* of lambda */
	kt_val doc;
	/* from the resolver */
	kt_binding **locals; /* parameters first, in calling order */
	uint32_t nlocals;
	kt_binding **frees; /* bindings of enclosing functions that this one uses */
	kt_binding **free_outer;
	uint32_t nfree;
	uint32_t nparams, nkwonly;
	bool varargs, kwargs;
};

typedef enum kt_stmt_kind {
	KT_ST_EXPR,
	KT_ST_ASSIGN, /* a op= b */
	KT_ST_DEF,
	KT_ST_IF, /* a: condition; body; orelse */
	KT_ST_FOR,
	KT_ST_WHILE,
	KT_ST_RETURN,
	KT_ST_BRANCH, /* op: PASS BREAK CONTINUE */
	KT_ST_LOAD,
} kt_stmt_kind;

typedef struct kt_load_name {
	kt_expr *to;     /* IDENT */
	kt_val from;
	kt_spos from_pos;
} kt_load_name;

struct kt_stmt {
	kt_stmt *next;
	uint8_t kind;
	uint8_t op; /* kt_token */
	kt_spos pos;
	kt_expr *a, *b;
	kt_stmt *body, *orelse;
	kt_fn_node *fn;
	kt_binding *binding; /* of DEF */
	kt_load_name *loads;
	size_t nloads;
	kt_val module; /* of LOAD */
};

/* Parses a whole file. NULL with an error in t. An empty file gives a PASS. */
kt_stmt *kt_parse_file(kt_sthread *t, kt_arena *arena, const char *file, const char *src,
		       size_t len);
kt_expr *kt_parse_expr(kt_sthread *t, kt_arena *arena, const char *file, const char *src,
		       size_t len);

/* ---- resolver ---------------------------------------------------------------- */

typedef enum kt_scope {
	KT_SC_UNDEFINED,
	KT_SC_LOCAL,
	KT_SC_CELL,   /* a local that inner functions use */
	KT_SC_FREE,
	KT_SC_GLOBAL,
	KT_SC_CONST,  /* predeclared or universal: known value */
} kt_scope;

struct kt_binding {
	uint8_t scope; /* kt_scope */
	bool universal; /* a CONST of the language itself */
	kt_val name;
	uint32_t index; /* of local, free or global */
	kt_spos pos;    /* of the first binding */
	kt_val value;   /* of CONST */
};

typedef struct kt_resolved {
	kt_fn_node *top; /* a function node whose body is the file */
	kt_binding **globals;
	uint32_t nglobals;
} kt_resolved;

/* 0, or -1 with all name errors of the file raised at once. `expr` xor `file_body`. */
int kt_resolve(kt_sthread *t, kt_arena *arena, const char *file, kt_stmt *body, kt_expr *expr,
	       kt_val predeclared, kt_resolved *ret);

#endif
