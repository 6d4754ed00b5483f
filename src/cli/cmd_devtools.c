/* kurtosis test, check, lint, lsp: work on packages that needs no engine. */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/helper.h"
#include "cli/run_functions.h"
#include "cli/ui.h"
#include "devtools/check.h"
#include "devtools/lint.h"
#include "devtools/lsp.h"
#include "devtools/test.h"
#include "package/package.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The package cache, where the engine keeps it as well. The caller frees. */
static char *cache_dir(kt_err *err)
{
	const char *home = getenv("KURTOSIS_HOME");
	KT_AUTO_FREE char *root = NULL;
	if (!kt_str_empty(home)) {
		root = kt_strdup(home);
	} else if (geteuid() == 0) {
		root = kt_strdup("/var/lib/kurtosis");
	} else if ((root = kt_fs_xdg("DATA", err)) == NULL) {
		return NULL;
	}
	char *dir = root == NULL ? NULL : kt_path_join(root, "packages");
	if (dir == NULL) {
		kt_err_nomem(err);
	}
	return dir;
}

/* Files from URLs are read by a role of kurtosisd, which has the HTTP client. */
static int fetch_url(const char *url, int fd, const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
	(void)cancel; /* Ctrl-C ends both programs */
	if (kt_strvec_add(&words, url) < 0) {
		return kt_err_nomem(err);
	}
	if (kt_helper_output("fetch", &words, &content, err) < 0) {
		return -1;
	}
	return kt_fs_write_all(fd, kt_buf_str(&content), content.len, err);
}

/* --- test ----------------------------------------------------------------- */

static int print_report(kt_cli *cli, const char *format, const kt_test_report *report, kt_err *err)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	for (size_t i = 0; i < report->warnings.len; i++) {
		KT_CLI_WARNING(cli, "%s", report->warnings.items[i]);
	}
	if (report->n == 0) {
		KT_CLI_WARNING(cli, "No tests found");
	}
	if (kt_str_eq(format, "json")) {
		if (kt_test_report_json(report, &out, err) < 0) {
			return -1;
		}
	} else if (kt_str_eq(format, "junit")) {
		kt_test_report_junit(report, &out);
	} else {
		kt_test_report_text(report, &out);
	}
	if (kt_buf_check(&out, err) < 0) {
		return -1;
	}
	kt_out(cli, "%s", kt_buf_str(&out));
	return 0;
}

int kt_cmd_test(kt_cli *cli, kt_err *err)
{
	const char *format = kt_cli_str(cli, "output");
	if (!kt_str_eq(format, "text") && !kt_str_eq(format, "json") &&
	    !kt_str_eq(format, "junit")) {
		return KT_FAIL(err, INVALID,
			       "'%s' is no format of test reports; there are text, json and junit",
			       format);
	}
	KT_AUTO_FREE char *cache = cache_dir(err);
	KT_AUTO_FREE char *ignore = kt_asprintf("%s/**", kt_cli_str(cli, "temp-dir"));
	if (cache == NULL) {
		return -1;
	}
	if (ignore == NULL) {
		return kt_err_nomem(err);
	}
	kt_test_spec spec = {.dir = kt_cli_arg(cli, "dir"),
			     .file_pattern = kt_cli_str(cli, "test-file-pattern"),
			     .function_pattern = kt_cli_str(cli, "test-pattern"),
			     .ignore = ignore,
			     .cache_dir = cache,
			     .offline = kt_cli_bool(cli, "offline"),
			     .fetch_url = fetch_url,
			     .jobs = kt_cli_u32(cli, "jobs")};
	KT_AUTO_TEST_REPORT kt_test_report report = {0};
	if (kt_test_run(&spec, &report, err) < 0 || print_report(cli, format, &report, err) < 0) {
		return -1;
	}
	return report.failed > 0 ? KT_CLI_TOLD : 0;
}

/* --- check ---------------------------------------------------------------- */

/* The arguments as JSON text; the caller frees. */
static char *read_args(kt_cli *cli, kt_err *err)
{
	const char *text = kt_cli_arg(cli, "args");
	const char *file = kt_cli_str(cli, "args-file");
	KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
	if (kt_str_eq(text, "{}") && *file != '\0') {
		if (kt_read_args_file(file, &content, err) < 0) {
			return NULL;
		}
		text = kt_buf_str(&content);
	}
	char *json = kt_package_args_json(text, strlen(text), err);
	if (json == NULL) {
		KT_WRAP(err, "The arguments are neither JSON nor YAML");
	}
	return json;
}

int kt_cmd_check(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *args = read_args(cli, err);
	KT_AUTO_FREE char *cache = args == NULL ? NULL : cache_dir(err);
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	if (cache == NULL) {
		return -1;
	}
	const char *main_file = kt_cli_str(cli, "main-file");
	kt_check_spec spec = {.path = kt_cli_arg(cli, "script-or-package-path"),
			      .args_json = args,
			      .main_file = *main_file == '\0' ? NULL : main_file,
			      .main_function = kt_cli_str(cli, "main-function-name"),
			      .cache_dir = cache,
			      .offline = kt_cli_bool(cli, "offline"),
			      .fetch_url = fetch_url};
	int verdict = kt_check(&spec, &out, err);
	if (verdict < 0) {
		return -1;
	}
	kt_out(cli, "%s", kt_buf_str(&out));
	return verdict == 1 ? 0 : KT_CLI_TOLD;
}

/* --- lint ----------------------------------------------------------------- */

int kt_cmd_lint(kt_cli *cli, kt_err *err)
{
	const char *const *paths;
	static const char *const here[] = {"."};
	size_t n = kt_cli_rest(cli, &paths);
	KT_AUTO_LINT_PROBLEMS kt_lint_problems problems = {0};
	size_t files = 0;
	if (kt_cli_bool(cli, "format")) {
		return KT_FAIL(err, UNSUPPORTED,
			       "rewriting files in a standard format is not supported yet; "
			       "'kurtosis lint' without --format checks them");
	}
	if (kt_cli_bool(cli, "check-docstring")) {
		return KT_FAIL(err, UNSUPPORTED,
			       "checking the documentation of main functions is not supported yet");
	}
	if (n == 0) {
		paths = here;
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		kt_lint_spec spec = {.path = paths[i]};
		size_t more = 0;
		if (kt_lint(&spec, &problems, &more, err) < 0) {
			return -1;
		}
		files += more;
	}
	size_t errors = 0;
	for (size_t i = 0; i < problems.len; i++) {
		const kt_lint_problem *p = &problems.items[i];
		errors += p->warning ? 0 : 1;
		kt_out(cli, "%s:%d:%d: %s: %s [%s]\n", p->file, p->line, p->col,
		       p->warning ? "warning" : "error", p->text, p->rule);
	}
	kt_out(cli, "%zu errors and %zu warnings in %zu files\n", errors, problems.len - errors, files);
	return errors > 0 ? KT_CLI_TOLD : 0;
}

/* --- lsp ------------------------------------------------------------------ */

int kt_cmd_lsp_start(kt_cli *cli, kt_err *err)
{
	const char *address = kt_cli_str(cli, "address");
	if (*address != '\0') {
		return KT_FAIL(err, UNSUPPORTED,
			       "listening on a TCP address is not supported yet; editors start "
			       "'kurtosis lsp start' and talk over its stdin and stdout");
	}
	kt_out_flush();
	return kt_lsp_serve(STDIN_FILENO, STDOUT_FILENO, err);
}
