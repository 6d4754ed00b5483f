/* The Starlark files below a directory. Blocking. */
#ifndef KT_DEVTOOLS_SOURCES_H
#define KT_DEVTOOLS_SOURCES_H

#include "base/err.h"
#include "base/vec.h"

/*
 * Appends the paths (relative to dir, sorted) of all files below dir that match `pattern` and
 * do not match `ignore` (NULL = none). .git and links to directories are not entered.
 */
int kt_sources_find(const char *dir, const char *pattern, const char *ignore, kt_strvec *ret,
		    kt_err *err);

#endif
