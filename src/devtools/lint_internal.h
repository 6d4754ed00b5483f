/* Shared by the sources of the linter. Not for other modules. */
#ifndef KT_DEVTOOLS_LINT_INTERNAL_H
#define KT_DEVTOOLS_LINT_INTERNAL_H

#include "base/map.h"
#include "devtools/lint.h"
#include "package/package.h"
#include "starlark/syntax.h"

typedef struct lint_file lint_file;

/* A global of a file. */
typedef struct lint_global {
	const char *name;
	kt_spos pos;
	unsigned bindings;    /* how often it is bound */
	const kt_fn_node *fn; /* the function, if it is bound by one def only */
	const char *import;   /* what import_module was given, or NULL */
	const lint_file *target; /* the imported file, if it is one of the package and parsed */
	bool used;            /* in its file, or by a file that imports it */
} lint_global;

struct lint_file {
	char *path; /* below the package's root, or as given */
	kt_buf src;
	bool parsed;   /* without errors */
	bool reported; /* its problems are wanted */
	kt_stmt *body;
	lint_global *globals; /* by index of binding */
	size_t n_globals;
};

typedef struct linter {
	char *root;         /* directory that paths are below */
	const char *shown;  /* put before paths in problems */
	char *package;      /* its name; NULL = no package */
	kt_package_yml yml;
	kt_star *star;
	kt_sthread *t;
	kt_arena arena;
	kt_val predeclared, predeclared_in_tests;
	lint_file *files;
	size_t n_files;
	kt_map by_path; /* path -> lint_file * */
	kt_lint_problems *problems;
	bool failed; /* out of memory */
} linter;

void lint_report(linter *l, const lint_file *f, kt_spos pos, bool warning, const char *rule,
		 const char *fmt, ...) KT_PRINTF(6, 7);

/* lint_walk.c: notes globals and imports of a parsed file; then checks its code. */
void lint_collect(linter *l, lint_file *f);
void lint_check(linter *l, lint_file *f);
/* lint_call.c */
void lint_call(linter *l, const lint_file *f, const kt_expr *call);
/* The text of a string literal, or NULL. */
const char *lint_literal(const kt_expr *e);
/* The global that an identifier means, or NULL. */
lint_global *lint_global_of(const lint_file *f, const kt_expr *ident);
/* A name among the functions of the plan, the types or the helpers; SIZE_MAX = none. */
size_t lint_catalog(int kind, const char *name);
/* Whether the expression is the plan: a parameter or variable of this name. */
bool lint_is_plan(const kt_expr *e);

#endif
