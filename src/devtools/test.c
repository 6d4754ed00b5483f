/* Finds the tests of a package and runs them, several at a time. */
#include "devtools/test.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "devtools/glob.h"
#include "devtools/sources.h"
#include "devtools/test_internal.h"
#include "package/package.h"
#include "plan/hooks.h"
#include "plan/plan.h"
#include "starlark/syntax.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_SIZE (UINT64_C(256) * 1024 * 1024) /* reserved, not used */
#define MAX_SOURCE ((size_t)64 * 1024 * 1024)
enum { MAX_JOBS = 64 };

typedef struct runner {
	const kt_test_spec *spec;
	kt_test_report *report;
	size_t cap; /* of report->results */
	atomic_size_t next;
	pthread_mutex_t lock; /* of err and failed */
	kt_err *err;
	bool failed;
} runner;

static void result_deinit(kt_test_result *self)
{
	kt_free(self->file);
	kt_free(self->name);
	kt_strvec_deinit(&self->errors);
	kt_strvec_deinit(&self->output);
}

void kt_test_report_deinit(kt_test_report *self)
{
	for (size_t i = 0; i < self->n; i++) {
		result_deinit(&self->results[i]);
	}
	kt_free(self->results);
	kt_strvec_deinit(&self->warnings);
	*self = (kt_test_report){0};
}

/* --- finding -------------------------------------------------------------- */

static int add_result(runner *r, const char *file, const char *name, const char *error,
		      kt_err *err)
{
	kt_test_report *report = r->report;
	if (kt_vec_grow_((void **)&report->results, &r->cap, report->n + 1,
			 sizeof(*report->results)) < 0) {
		return kt_err_nomem(err);
	}
	kt_test_result *result = &report->results[report->n++];
	*result = (kt_test_result){.file = kt_strdup(file), .name = kt_strdup(name)};
	if (result->file == NULL || result->name == NULL ||
	    (error != NULL && kt_strvec_add(&result->errors, error) < 0)) {
		return kt_err_nomem(err);
	}
	return 0;
}

static int add_functions(runner *r, const char *file, const kt_stmt *body, kt_err *err)
{
	const char *pattern = kt_str_or(r->spec->function_pattern, KT_TEST_FUNCTIONS);
	for (; body != NULL; body = body->next) {
		if (body->kind != KT_ST_DEF) {
			continue;
		}
		const char *name = kt_string_get(body->fn->name, NULL);
		if (!kt_glob_match(pattern, name)) {
			continue;
		}
		size_t params = body->fn->params.len;
		if (params != 1) {
			if (kt_strvec_addf(&r->report->warnings,
					   "%s:%s is no test: it takes %zu parameters instead of "
					   "the plan alone",
					   file, name, params) < 0) {
				return kt_err_nomem(err);
			}
		} else if (add_result(r, file, name, NULL, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Reads a test file without running it; a file that does not parse is one failed result. */
static int scan_file(runner *r, const char *file, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_path_join(r->spec->dir, file);
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_read(path, MAX_SOURCE, &src, err) < 0) {
		return -1;
	}
	kt_star *star = kt_star_new(NULL, err);
	if (star == NULL) {
		return -1;
	}
	kt_sthread *t = kt_sthread_new(star);
	int rc = -1;
	const kt_stmt *body =
		t == NULL ? NULL : kt_parse_file(t, &arena, file, kt_buf_str(&src), src.len);
	const kt_star_error *error = t == NULL ? NULL : kt_sthread_error(t);
	if (body != NULL) {
		rc = add_functions(r, file, body, err);
	} else if (error != NULL && error->kind == KT_STAR_SYNTAX) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_star_error_text(error, &text);
		rc = add_result(r, file, "", kt_buf_str(&text), err);
	} else {
		kt_err_nomem(err);
	}
	kt_star_free(star);
	return rc;
}

static int find_tests(runner *r, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec files = KT_STRVEC_INIT;
	if (kt_sources_find(r->spec->dir, kt_str_or(r->spec->file_pattern, KT_TEST_FILES),
			    r->spec->ignore, &files, err) < 0) {
		return -1;
	}
	r->report->files = files.len;
	for (size_t i = 0; i < files.len; i++) {
		if (scan_file(r, files.items[i], err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- running -------------------------------------------------------------- */

static int predeclare(void *ctx, kt_sthread *t, kt_val env)
{
	kt_val assertions = assert_module(t, ctx);
	kt_val kurtosistest = kurtosistest_module(t, ctx);
	if (assertions == KT_NULL || kurtosistest == KT_NULL) {
		return -1;
	}
	return kt_dict_sets(t, env, "assert", assertions) < 0 ||
			       kt_dict_sets(t, env, "expect", assertions) < 0 ||
			       kt_dict_sets(t, env, "kurtosistest", kurtosistest) < 0
		       ? -1
		       : 0;
}

/* One test in a plan of its own. -1 only for failures that are not the test's. */
static int run_test(const runner *r, kt_content *content, kt_test_result *result, kt_err *err)
{
	test_state state = {0};
	kt_plan_hooks hooks = {predeclare, &state};
	kt_plan_request request = {.content = content,
				   .main_file = result->file,
				   .main_function = result->name,
				   .cancel = r->spec->cancel,
				   .hooks = &hooks};
	kt_instant start = kt_now();
	kt_plan *plan = kt_plan_new(err);
	if (plan == NULL) {
		return -1;
	}
	KT_AUTO_ERR kt_err fault = KT_ERR_INIT;
	int rc = kt_plan_interpret(plan, &request, &fault);
	if (rc < 0 && (fault.code == KT_ERR_NOMEM || fault.code == KT_ERR_CANCELLED)) {
		kt_err_move(err, &fault);
	} else if (rc < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&fault);
		rc = text == NULL || kt_strvec_add(&state.errors, text) < 0 ? kt_err_nomem(err) : 0;
	}
	kt_plan_free(plan);
	result->errors = state.errors;
	result->output = state.output;
	result->ns = kt_now() - start;
	return rc;
}

static void give_up(runner *r, kt_err *err)
{
	KT_LOCK(&r->lock);
	if (!r->failed) {
		r->failed = true;
		kt_err_move(r->err, err);
	}
	atomic_store(&r->next, r->report->n);
}

static void *work(void *arg)
{
	runner *r = arg;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_content_spec spec = {.cache_dir = r->spec->cache_dir,
				.root_dir = r->spec->dir,
				.offline = r->spec->offline,
				.fetch_url = r->spec->fetch_url,
				.cancel = r->spec->cancel};
	kt_content *content = kt_content_open(&spec, &err);
	if (content == NULL) {
		give_up(r, &err);
		return NULL;
	}
	size_t i;
	while ((i = atomic_fetch_add(&r->next, 1)) < r->report->n) {
		kt_test_result *result = &r->report->results[i];
		if (result->name[0] != '\0' && run_test(r, content, result, &err) < 0) {
			give_up(r, &err);
			break;
		}
	}
	kt_content_close(content);
	return NULL;
}

static void run_all(runner *r, kt_err *err)
{
	pthread_t threads[MAX_JOBS];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t jobs = r->spec->jobs > 0 ? r->spec->jobs : cpus > 0 ? (size_t)cpus : 1;
	jobs = KT_MIN(KT_MIN(jobs, r->report->n), MAX_JOBS);
	size_t started = 0;
	while (started < jobs && kt_thread_start(&threads[started], STACK_SIZE, "test", work, r,
						 started == 0 ? err : NULL) == 0) {
		started++;
	}
	r->failed = r->failed || (started == 0 && jobs > 0);
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
}

int kt_test_run(const kt_test_spec *spec, kt_test_report *ret, kt_err *err)
{
	KT_AUTO_TEST_REPORT kt_test_report report = {0};
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	kt_instant start = kt_now();
	if (kt_package_yml_read(spec->dir, &yml, err) < 0) {
		return KT_WRAP(err, "'%s' is no package", spec->dir);
	}
	KT_AUTO_FREE char *dir = realpath(spec->dir, NULL);
	if (dir == NULL) {
		return KT_FAIL_ERRNO(err, "Cannot find directory '%s'", spec->dir);
	}
	kt_test_spec absolute = *spec;
	absolute.dir = dir;
	runner r = {.spec = &absolute, .report = &report, .err = err};
	pthread_mutex_init(&r.lock, NULL);
	int rc = find_tests(&r, err);
	if (rc == 0) {
		run_all(&r, err);
		rc = r.failed ? -1 : 0;
	}
	pthread_mutex_destroy(&r.lock);
	if (rc < 0) {
		return -1;
	}
	for (size_t i = 0; i < report.n; i++) {
		report.failed += report.results[i].errors.len > 0 ? 1 : 0;
	}
	report.ns = kt_now() - start;
	*ret = report;
	report = (kt_test_report){0};
	return 0;
}
