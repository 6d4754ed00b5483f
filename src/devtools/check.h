/* Checking a package or script without any backend: parse, resolve, interpret, validate. */
#ifndef KT_DEVTOOLS_CHECK_H
#define KT_DEVTOOLS_CHECK_H

#include "base/buf.h"
#include "base/err.h"
#include "base/thread.h"
#include "package/package.h"

typedef struct kt_check_spec {
	const char *path;          /* a package's directory, its kurtosis.yml, or a script */
	const char *args_json;     /* NULL = {} */
	const char *main_file;     /* NULL = main.star; packages only */
	const char *main_function; /* NULL = run */
	const char *cache_dir;     /* machine-wide package cache */
	bool offline;
	kt_content_fetch *fetch_url; /* how files from URLs are read; NULL = not at all */
	kt_cancel *cancel;
} kt_check_spec;

/*
 * 1 = good, *out says what the plan would do; 0 = faulty, *out says why, in the layout of runs;
 * -1 = could not be found out (no such file, memory, cancelled). Blocking.
 */
int kt_check(const kt_check_spec *spec, kt_buf *out, kt_err *err);

#endif
