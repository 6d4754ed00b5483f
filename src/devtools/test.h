/*
 * Package tests: functions test_*(plan) in files *_test.star and *_spec.star. Each runs in an
 * interpretation of its own; nothing is started. What tests may use besides the language of
 * packages (modules expect, assert and kurtosistest) is compatible with the public tool
 * kurtosis-test.
 */
#ifndef KT_DEVTOOLS_TEST_H
#define KT_DEVTOOLS_TEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/thread.h"
#include "base/vec.h"
#include "package/package.h"

#define KT_TEST_FILES "**/*_{test,spec}.star"
#define KT_TEST_FUNCTIONS "test_*"

typedef struct kt_test_spec {
	const char *dir;              /* of the package: holds kurtosis.yml */
	const char *file_pattern;     /* NULL = KT_TEST_FILES */
	const char *function_pattern; /* NULL = KT_TEST_FUNCTIONS */
	const char *ignore;           /* pattern of paths to leave out; NULL = none */
	const char *cache_dir;        /* machine-wide package cache */
	bool offline;                 /* never fetch packages */
	unsigned jobs;                /* tests at a time; 0 = one per processor */
	kt_content_fetch *fetch_url; /* how files from URLs are read; NULL = not at all */
	kt_cancel *cancel;            /* may be NULL */
} kt_test_spec;

typedef struct kt_test_result {
	char *file;       /* relative to the package */
	char *name;       /* of the function; "" when the file itself could not be read */
	kt_strvec errors; /* none = passed; a text may have several lines */
	kt_strvec output; /* what kurtosistest.debug printed */
	int64_t ns;       /* how long it took */
} kt_test_result;

typedef struct kt_test_report {
	kt_test_result *results; /* by file and then in the order of the source */
	size_t n;
	size_t files;  /* files that matched */
	size_t failed; /* results with errors */
	kt_strvec warnings;
	int64_t ns; /* the whole run */
} kt_test_report;

#define KT_AUTO_TEST_REPORT KT_CLEANUP(kt_test_report_deinit)
void kt_test_report_deinit(kt_test_report *self);

/*
 * Runs all tests. *ret must be empty ({0}). Tests that fail are no error of this function; a
 * directory that is no package, memory and cancellation are. Blocking.
 */
int kt_test_run(const kt_test_spec *spec, kt_test_report *ret, kt_err *err);

/* Append the report as text for people, as JSON, as JUnit XML. */
void kt_test_report_text(const kt_test_report *self, kt_buf *out);
int kt_test_report_json(const kt_test_report *self, kt_buf *out, kt_err *err);
void kt_test_report_junit(const kt_test_report *self, kt_buf *out);

#endif
