/* The linter: which files, which package, in which order. */
#include "devtools/lint_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "devtools/glob.h"
#include "devtools/sources.h"
#include "devtools/test.h"
#include "plan/catalog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SOURCE ((size_t)64 * 1024 * 1024)

void kt_lint_problems_deinit(kt_lint_problems *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_free(self->items[i].file);
		kt_free(self->items[i].text);
	}
	kt_vec_deinit(self);
}

void lint_report(linter *l, const lint_file *f, kt_spos pos, bool warning, const char *rule,
		 const char *fmt, ...)
{
	char text[1024];
	va_list args;
	if (!f->reported) {
		return;
	}
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	kt_lint_problem problem = {.file = kt_str_empty(l->shown) ? kt_strdup(f->path)
								  : kt_path_join(l->shown, f->path),
				   .line = pos.line,
				   .col = pos.col,
				   .warning = warning,
				   .rule = rule,
				   .text = kt_strdup(text)};
	if (problem.file == NULL || problem.text == NULL ||
	    kt_vec_push(l->problems, problem) < 0) {
		kt_free(problem.file);
		kt_free(problem.text);
		l->failed = true;
	}
}

/* --- names ---------------------------------------------------------------- */

static int predeclare(linter *l, kt_val *ret, bool tests)
{
	static const char *const others[] = {"json", "kurtosis", "print", "struct", "time"};
	static const char *const in_tests[] = {"assert", "expect", "kurtosistest"};
	kt_val env = kt_dict_new(l->t, 32);
	if (env == KT_NULL) {
		return -1;
	}
	for (size_t i = 0; i < kt_catalog_count(); i++) {
		kt_catalog_entry entry = kt_catalog_get(i);
		if (entry.kind != KT_CATALOG_INSTRUCTION &&
		    kt_dict_sets(l->t, env, entry.name, KT_NONE) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(others); i++) {
		if (kt_dict_sets(l->t, env, others[i], KT_NONE) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; tests && i < KT_ARRAY_LEN(in_tests); i++) {
		if (kt_dict_sets(l->t, env, in_tests[i], KT_NONE) < 0) {
			return -1;
		}
	}
	*ret = env;
	return 0;
}

/* --- one file ------------------------------------------------------------- */

static void report_errors(linter *l, const lint_file *f)
{
	const kt_star_error *error = kt_sthread_error(l->t);
	if (error == NULL || error->kind == KT_STAR_NOMEM) {
		l->failed = true;
		return;
	}
	for (size_t i = 0; i < error->ndiags; i++) {
		kt_spos pos = {error->diags[i].pos.line, error->diags[i].pos.col};
		lint_report(l, f, pos, false, error->kind == KT_STAR_SYNTAX ? "syntax" : "name", "%s",
			    error->diags[i].msg);
	}
	kt_sthread_clear_error(l->t);
}

static void parse(linter *l, lint_file *f)
{
	kt_resolved resolved;
	f->body = kt_parse_file(l->t, &l->arena, f->path, kt_buf_str(&f->src), f->src.len);
	if (f->body == NULL) {
		report_errors(l, f);
		return;
	}
	kt_val env = kt_glob_match(KT_TEST_FILES, f->path) ? l->predeclared_in_tests
							    : l->predeclared;
	if (kt_resolve(l->t, &l->arena, f->path, f->body, NULL, env, &resolved) < 0) {
		report_errors(l, f);
		return;
	}
	f->n_globals = resolved.nglobals;
	f->globals = KT_ARENA_ARRAY(&l->arena, lint_global, f->n_globals + 1);
	if (f->globals == NULL) {
		l->failed = true;
		return;
	}
	for (size_t i = 0; i < f->n_globals; i++) {
		const kt_binding *binding = resolved.globals[i];
		f->globals[binding->index].name = kt_string_get(binding->name, NULL);
		f->globals[binding->index].pos = binding->pos;
	}
	f->parsed = true;
}

static int read_file(const linter *l, const kt_lint_spec *spec, lint_file *f, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_path_join(l->root, f->path);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (spec->overlay_path != NULL && kt_str_eq(spec->overlay_path, path)) {
		kt_buf_add(&f->src, spec->overlay_text, spec->overlay_len);
		return kt_buf_check(&f->src, err);
	}
	return kt_fs_read(path, MAX_SOURCE, &f->src, err);
}

/* --- which files ---------------------------------------------------------- */

/* The nearest directory from `from` upwards with a kurtosis.yml, or NULL. */
static char *find_package(const char *from)
{
	char *dir = kt_strdup(from);
	while (dir != NULL) {
		KT_AUTO_FREE char *yml = kt_path_join(dir, KT_PACKAGE_FILE);
		if (yml != NULL && kt_fs_exists(yml)) {
			return dir;
		}
		char *parent = kt_str_eq(dir, "/") ? NULL : kt_path_dir(dir);
		kt_free(dir);
		dir = parent;
	}
	return NULL;
}

/* `path` seen from the package's root; "" is the root itself. */
static const char *below(const linter *l, const char *path)
{
	const char *rest = path + strlen(l->root);
	return *rest == '/' ? rest + 1 : rest;
}

static bool wanted(const char *scope, const char *path)
{
	size_t len = strlen(scope);
	return len == 0 || (strncmp(scope, path, len) == 0 &&
			    (path[len] == '\0' || path[len] == '/'));
}

static int list_files(linter *l, const char *absolute, bool is_dir, kt_strvec *ret, kt_err *err)
{
	if (l->package != NULL || is_dir) {
		if (kt_sources_find(l->root, "**/*.star", NULL, ret, err) < 0) {
			return -1;
		}
	}
	/* A file is looked at whatever its name is, also one that only an editor has. */
	const char *own = below(l, absolute);
	if (!is_dir && !kt_strvec_has(ret, own)) {
		return kt_strvec_add(ret, own) < 0 ? kt_err_nomem(err) : 0;
	}
	return 0;
}

static int load_files(linter *l, const kt_lint_spec *spec, const char *scope,
		      const kt_strvec *paths, kt_err *err)
{
	l->files = kt_calloc(paths->len + 1, sizeof(*l->files));
	if (l->files == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < paths->len; i++) {
		lint_file *f = &l->files[l->n_files++];
		f->path = kt_strdup(paths->items[i]);
		if (f->path == NULL || kt_map_set(&l->by_path, f->path, f) < 0) {
			return kt_err_nomem(err);
		}
		f->reported = wanted(scope, f->path);
		if (read_file(l, spec, f, err) < 0) {
			return -1;
		}
		parse(l, f);
	}
	return 0;
}

/* --- all together --------------------------------------------------------- */

static int open_package(linter *l, const char *absolute, bool is_dir, kt_err *err)
{
	KT_AUTO_FREE char *dir = is_dir ? kt_strdup(absolute) : kt_path_dir(absolute);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	l->root = find_package(dir);
	if (l->root == NULL) {
		l->root = KT_STEAL(dir);
		return 0;
	}
	if (kt_package_yml_read(l->root, &l->yml, err) < 0) {
		return -1;
	}
	l->package = l->yml.name;
	return 0;
}

static int run(linter *l, const kt_lint_spec *spec, size_t *ret_files, kt_err *err)
{
	KT_AUTO_FREE char *absolute = realpath(spec->path, NULL);
	KT_AUTO_STRVEC kt_strvec paths = KT_STRVEC_INIT;
	if (absolute == NULL) {
		return KT_FAIL_ERRNO(err, "Cannot find '%s'", spec->path);
	}
	bool is_dir = kt_fs_is_dir(absolute);
	if (open_package(l, absolute, is_dir, err) < 0 ||
	    list_files(l, absolute, is_dir, &paths, err) < 0) {
		return -1;
	}
	/* Problems name files as the caller would: relative to the working directory if he did. */
	const char *scope = below(l, absolute);
	if (spec->path[0] == '/') {
		l->shown = l->root;
	} else if (scope[0] == '\0') {
		l->shown = kt_str_eq(spec->path, ".") ? "" : spec->path;
	} else {
		char *cwd = realpath(".", NULL);
		size_t len = cwd == NULL ? 0 : strlen(cwd);
		l->shown = len > 0 && kt_str_eq(cwd, l->root) ? "" : l->root;
		kt_free(cwd);
	}
	if (load_files(l, spec, scope, &paths, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < l->n_files; i++) {
		lint_collect(l, &l->files[i]);
	}
	for (size_t i = 0; i < l->n_files; i++) {
		lint_check(l, &l->files[i]);
	}
	size_t n = 0;
	for (size_t i = 0; i < l->n_files; i++) {
		lint_file *f = &l->files[i];
		n += f->reported ? 1 : 0;
		for (size_t k = 0; k < f->n_globals; k++) {
			lint_global *g = &f->globals[k];
			if (g->import != NULL && !g->used) {
				lint_report(l, f, g->pos, true, "unused-import",
					    "'%s' is imported and never used", g->name);
			}
		}
	}
	if (ret_files != NULL) {
		*ret_files = n;
	}
	return l->failed ? kt_err_nomem(err) : 0;
}

static void linter_deinit(linter *l)
{
	for (size_t i = 0; i < l->n_files; i++) {
		kt_free(l->files[i].path);
		kt_buf_deinit(&l->files[i].src);
	}
	kt_free(l->files);
	kt_free(l->root);
	kt_map_deinit(&l->by_path);
	kt_package_yml_deinit(&l->yml);
	kt_arena_deinit(&l->arena);
	kt_star_free(l->star);
}

static int by_place(const void *a, const void *b)
{
	const kt_lint_problem *x = a;
	const kt_lint_problem *y = b;
	int order = strcmp(x->file, y->file);
	return order != 0	      ? order
	       : x->line != y->line ? (x->line < y->line ? -1 : 1)
	       : x->col != y->col   ? (x->col < y->col ? -1 : 1)
				      : strcmp(x->text, y->text);
}

int kt_lint(const kt_lint_spec *spec, kt_lint_problems *ret, size_t *ret_files, kt_err *err)
{
	linter l = {.problems = ret};
	l.star = kt_star_new(NULL, err);
	if (l.star == NULL) {
		return -1;
	}
	l.t = kt_sthread_new(l.star);
	int rc = l.t == NULL || predeclare(&l, &l.predeclared, false) < 0 ||
				 predeclare(&l, &l.predeclared_in_tests, true) < 0
			 ? kt_err_nomem(err)
			 : run(&l, spec, ret_files, err);
	linter_deinit(&l);
	if (rc == 0 && ret->len > 1) {
		qsort(ret->items, ret->len, sizeof(*ret->items), by_place);
	}
	return rc;
}
