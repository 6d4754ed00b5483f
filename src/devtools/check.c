#include "devtools/check.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "package/package.h"
#include "plan/plan.h"

#include <errno.h>
#include <stdlib.h>

#define STACK_SIZE (UINT64_C(256) * 1024 * 1024) /* reserved, not used */
#define MAX_SOURCE ((size_t)64 * 1024 * 1024)

typedef struct job {
	const kt_check_spec *spec;
	kt_buf *out;
	kt_err *err;
	int rc;
} job;

static kt_content *open_content(const kt_check_spec *spec, const char *dir, kt_err *err)
{
	kt_content_spec content = {.cache_dir = spec->cache_dir,
				   .root_dir = dir,
				   .offline = spec->offline,
				   .fetch_url = spec->fetch_url,
				   .cancel = spec->cancel};
	return kt_content_open(&content, err);
}

static void describe(const kt_plan *plan, kt_buf *out)
{
	for (size_t i = 0; i < plan->n_warnings; i++) {
		kt_buf_addf(out, "warning: %s\n", plan->warnings[i]);
	}
	kt_buf_addf(out, "%s: a plan of %zu instructions, %zu images, %zu other packages\n",
		    kt_str_eq(plan->package_id, KT_PLAN_SCRIPT_ID) ? "script" : plan->package_id,
		    plan->n_instrs, plan->n_images, plan->n_dependencies);
}

static int judge(const kt_plan *plan, kt_buf *out, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
	if (kt_plan_validate(plan, NULL, &problems, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < problems.len; i++) {
		kt_buf_addf(out, "There was an error validating Starlark code \n%s\n",
			    problems.items[i]);
	}
	if (problems.len == 0) {
		describe(plan, out);
	}
	return problems.len == 0 ? 1 : 0;
}

static int interpret(const kt_check_spec *spec, kt_plan_request *request, kt_buf *out, kt_err *err)
{
	KT_AUTO_ERR kt_err fault = KT_ERR_INIT;
	kt_plan *plan = kt_plan_new(err);
	if (plan == NULL) {
		return -1;
	}
	request->args_json = spec->args_json;
	request->main_function = spec->main_function;
	request->cancel = spec->cancel;
	int rc = kt_plan_interpret(plan, request, &fault);
	if (rc == 0) {
		rc = judge(plan, out, err);
	} else if (fault.code == KT_ERR_NOMEM || fault.code == KT_ERR_CANCELLED) {
		kt_err_move(err, &fault);
	} else {
		KT_AUTO_FREE char *text = kt_err_text(&fault);
		kt_buf_addf(out, "There was an error interpreting Starlark code \n%s\n",
			    kt_str_or(text, ""));
		rc = 0;
	}
	kt_plan_free(plan);
	return rc;
}

static int check_package(const kt_check_spec *spec, const char *dir, kt_buf *out, kt_err *err)
{
	kt_content *content = open_content(spec, dir, err);
	if (content == NULL) {
		return -1;
	}
	kt_plan_request request = {.content = content, .main_file = spec->main_file};
	int rc = interpret(spec, &request, out, err);
	kt_content_close(content);
	return rc;
}

static int check_script(const kt_check_spec *spec, kt_buf *out, kt_err *err)
{
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	if (kt_fs_read(spec->path, MAX_SOURCE, &src, err) < 0) {
		return -1;
	}
	kt_content *content = open_content(spec, NULL, err);
	if (content == NULL) {
		return -1;
	}
	kt_plan_request request = {
		.script = kt_buf_str(&src), .script_len = src.len, .content = content};
	int rc = interpret(spec, &request, out, err);
	kt_content_close(content);
	return rc;
}

static int check(const kt_check_spec *spec, kt_buf *out, kt_err *err)
{
	KT_AUTO_FREE char *dir = NULL;
	if (kt_fs_is_dir(spec->path)) {
		dir = realpath(spec->path, NULL);
	} else if (kt_str_eq(kt_path_base(spec->path), KT_PACKAGE_FILE)) {
		KT_AUTO_FREE char *parent = kt_path_dir(spec->path);
		dir = parent == NULL ? NULL : realpath(parent, NULL);
	} else {
		return check_script(spec, out, err);
	}
	return dir == NULL ? KT_FAIL_ERRNO(err, "Cannot find directory '%s'", spec->path)
			   : check_package(spec, dir, out, err);
}

static void *run_job(void *arg)
{
	job *j = arg;
	j->rc = check(j->spec, j->out, j->err);
	if (j->rc >= 0 && kt_buf_check(j->out, j->err) < 0) {
		j->rc = -1;
	}
	return NULL;
}

int kt_check(const kt_check_spec *spec, kt_buf *out, kt_err *err)
{
	job j = {spec, out, err, -1};
	pthread_t thread;
	if (kt_thread_start(&thread, STACK_SIZE, "check", run_job, &j, err) < 0) {
		return -1;
	}
	pthread_join(thread, NULL);
	return j.rc;
}
