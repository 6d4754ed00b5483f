/*
 * Static checks: nothing is run. Names that do not exist, calls that cannot succeed, imports
 * that are missing or unused. What Kurtosis adds to the language is known from the rows that
 * check real calls (plan/catalog.h), what packages add from their own files.
 */
#ifndef KT_DEVTOOLS_LINT_H
#define KT_DEVTOOLS_LINT_H

#include "base/err.h"
#include "base/vec.h"

typedef struct kt_lint_problem {
	char *file;       /* as found: PATH joined with the place below it */
	int line, col;    /* from 1, in code points */
	bool warning;     /* works, but is not as it should be */
	const char *rule; /* "syntax", "name", "call", "import", "unused-import", "deprecated" */
	char *text;
} kt_lint_problem;

typedef KT_VEC(kt_lint_problem) kt_lint_problems;
#define KT_AUTO_LINT_PROBLEMS KT_CLEANUP(kt_lint_problems_deinit)
void kt_lint_problems_deinit(kt_lint_problems *self);

typedef struct kt_lint_spec {
	const char *path; /* a file or a directory */
	/* The text of a file as an editor has it, instead of what is on disk; NULL = none. */
	const char *overlay_path; /* absolute, no links */
	const char *overlay_text;
	size_t overlay_len;
} kt_lint_spec;

/*
 * Appends what is wrong in the files at or below path, by file and line. The package around
 * them is read as well, so that calls into its other files can be checked. *ret_files (may be
 * NULL) counts the files looked at. Blocking.
 */
int kt_lint(const kt_lint_spec *spec, kt_lint_problems *ret, size_t *ret_files, kt_err *err);

#endif
