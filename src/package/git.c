/* git as a program: the user's configuration, proxies, credentials and insteadOf apply. */
#include "package/git.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIT_TIMEOUT_MS (10 * 60 * 1000)
#define MAX_LS_REMOTE (1024 * 1024)

/* Base64, for the Authorization header. */
static char *base64(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text);
	char *out = kt_malloc(4 * ((len + 2) / 3) + 1);
	if (out == NULL) {
		return NULL;
	}
	char *p = out;
	for (size_t i = 0; i < len; i += 3) {
		unsigned char in[3] = {0};
		size_t n = KT_MIN(len - i, (size_t)3);
		memcpy(in, text + i, n);
		*p++ = digits[in[0] >> 2];
		*p++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
		*p++ = n > 1 ? digits[(in[1] & 15) << 2 | in[2] >> 6] : '=';
		*p++ = n > 2 ? digits[in[2] & 63] : '=';
	}
	*p = '\0';
	return out;
}

/* A token goes to git by its environment: arguments can be read by every user. */
static int add_token(kt_strvec *env, const char *token, kt_err *err)
{
	KT_AUTO_FREE char *plain = kt_asprintf("token:%s", token);
	KT_AUTO_FREE char *coded = plain == NULL ? NULL : base64(plain);
	if (coded == NULL || kt_strvec_add(env, "GIT_CONFIG_COUNT=1") < 0 ||
	    kt_strvec_add(env, "GIT_CONFIG_KEY_0=http.https://github.com/.extraheader") < 0 ||
	    kt_strvec_addf(env, "GIT_CONFIG_VALUE_0=Authorization: Basic %s", coded) < 0) {
		return kt_err_nomem(err);
	}
	return 0;
}

static int build_env(const kt_package_cache *cache, kt_strvec *env, kt_err *err)
{
	bool token = !kt_str_empty(cache->auth_token);
	for (char **p = environ; *p != NULL; p++) {
		/* Variables of a repository that a caller may stand in would mislead git. */
		if (kt_str_starts(*p, "GIT_DIR=") || kt_str_starts(*p, "GIT_WORK_TREE=") ||
		    kt_str_starts(*p, "GIT_INDEX_FILE=") || kt_str_starts(*p, "GIT_TERMINAL_PROMPT=") ||
		    (token && kt_str_starts(*p, "GIT_CONFIG_"))) {
			continue;
		}
		if (kt_strvec_add(env, *p) < 0) {
			return kt_err_nomem(err);
		}
	}
	if (kt_strvec_add(env, "GIT_TERMINAL_PROMPT=0") < 0 ||
	    (getenv("GIT_SSH_COMMAND") == NULL && getenv("GIT_SSH") == NULL &&
	     kt_strvec_add(env, "GIT_SSH_COMMAND=ssh -oBatchMode=yes") < 0)) {
		return kt_err_nomem(err);
	}
	return token ? add_token(env, cache->auth_token, err) : 0;
}

/* The line that says why: git's first "fatal: …" or "error: …", else its first line. */
static char *git_reason(const kt_buf *text)
{
	static const char *const marks[] = {"fatal: ", "error: ", ""};
	const char *all = kt_buf_str(text);
	for (size_t i = 0; i < KT_ARRAY_LEN(marks); i++) {
		for (const char *line = all; *line != '\0'; line += strspn(line, "\n")) {
			size_t len = strcspn(line, "\n");
			size_t mark = strlen(marks[i]);
			if (len > mark && strncmp(line, marks[i], mark) == 0) {
				return kt_strndup(line + mark, len - mark);
			}
			line += len;
		}
	}
	return kt_strdup("no message");
}

int kt_git(const kt_package_cache *cache, const char *dir, const char *const *args, kt_buf *ret_out,
	   kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec argv = KT_STRVEC_INIT;
	KT_AUTO_STRVEC kt_strvec env = KT_STRVEC_INIT;
	/* A hook from the user's templates must not run on a stranger's files. */
	int bad = kt_strvec_add(&argv, "git") < 0 || kt_strvec_add(&argv, "-c") < 0 ||
		  kt_strvec_add(&argv, "core.hooksPath=/dev/null") < 0;
	for (size_t i = 0; !bad && args[i] != NULL; i++) {
		bad = kt_strvec_add(&argv, args[i]) < 0;
	}
	if (bad) {
		return kt_err_nomem(err);
	}
	if (build_env(cache, &env, err) < 0) {
		return -1;
	}
	kt_proc_spec spec = {
		.argv = (const char *const *)kt_strvec_argv(&argv),
		.env = (const char *const *)kt_strvec_argv(&env),
		.dir = dir,
		.max_output = MAX_LS_REMOTE,
		.deadline = kt_after_ms(GIT_TIMEOUT_MS),
		.cancel = cache->cancel,
		.debian_package = "git",
	};
	if (spec.argv == NULL || spec.env == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	if (kt_proc_run(&spec, &result, err) < 0) {
		return -1;
	}
	if (result.exit_code != 0) {
		KT_AUTO_FREE char *words = git_reason(&result.err);
		return KT_FAIL(err, UNAVAILABLE, "git %s failed (exit code %d): %s", args[0],
			       result.exit_code, kt_str_or(words, ""));
	}
	if (ret_out != NULL) {
		kt_buf_add(ret_out, result.out.data, result.out.len);
		return kt_buf_check(ret_out, err);
	}
	return 0;
}

bool kt_git_is_commit(const char *text)
{
	return strlen(text) == KT_COMMIT_LEN && strspn(text, "0123456789abcdef") == KT_COMMIT_LEN;
}

/* The commit on the line "COMMIT\tNAME" of ls-remote's answer; false when NAME is not there. */
static bool find_ref(const char *listing, const char *name, char *ret_commit)
{
	size_t name_len = strlen(name);
	for (const char *line = listing; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		if (len == KT_COMMIT_LEN + 1 + name_len && line[KT_COMMIT_LEN] == '\t' &&
		    memcmp(line + KT_COMMIT_LEN + 1, name, name_len) == 0) {
			memcpy(ret_commit, line, KT_COMMIT_LEN);
			ret_commit[KT_COMMIT_LEN] = '\0';
			return kt_git_is_commit(ret_commit);
		}
		line += len + (line[len] == '\n');
	}
	return false;
}

static int no_such_ref(const kt_locator *locator, kt_err *err)
{
	return KT_FAIL(err, NOT_FOUND,
		       "Tried using the passed version '%s' as commit as we couldn't find a "
		       "tag/branch for it in the repo '%s' but failed",
		       locator->ref, locator->git_url);
}

/* Finds the named ref in ls-remote's answer: an annotated tag is worth what it points at. */
static bool pick_ref(const char *listing, const char *ref, kt_git_ref *ret)
{
	char peeled[sizeof(ret->name) + 4];
	if (ref[0] == '\0') {
		snprintf(ret->name, sizeof(ret->name), "HEAD");
		return find_ref(listing, "HEAD", ret->commit);
	}
	snprintf(ret->name, sizeof(ret->name), "refs/tags/%s", ref);
	snprintf(peeled, sizeof(peeled), "%s^{}", ret->name);
	if (find_ref(listing, peeled, ret->commit) || find_ref(listing, ret->name, ret->commit)) {
		return true;
	}
	snprintf(ret->name, sizeof(ret->name), "refs/heads/%s", ref);
	return find_ref(listing, ret->name, ret->commit);
}

int kt_git_resolve(const kt_package_cache *cache, const kt_locator *locator, kt_git_ref *ret,
		   kt_err *err)
{
	if (strlen(locator->ref) > sizeof(ret->name) - 16) {
		return no_such_ref(locator, err);
	}
	KT_AUTO_FREE char *tag = kt_asprintf("refs/tags/%s*", locator->ref);
	KT_AUTO_FREE char *branch = kt_asprintf("refs/heads/%s", locator->ref);
	if (tag == NULL || branch == NULL) {
		return kt_err_nomem(err);
	}
	const char *head_args[] = {"ls-remote", "-q", "--", locator->git_url, "HEAD", NULL};
	const char *ref_args[] = {"ls-remote", "-q", "--", locator->git_url, tag, branch, NULL};
	KT_AUTO_BUF kt_buf listing = KT_BUF_INIT;
	const char *const *args = locator->ref[0] == '\0' ? head_args : ref_args;
	if (kt_git(cache, NULL, args, &listing, err) < 0) {
		return -1;
	}
	kt_git_ref found = {0};
	if (pick_ref(kt_buf_str(&listing), locator->ref, &found)) {
		*ret = found;
		return 0;
	}
	if (locator->ref[0] == '\0') {
		return KT_FAIL(err, NOT_FOUND, "The repository '%s' has no default branch",
			       locator->git_url);
	}
	if (!kt_git_is_commit(locator->ref)) {
		return no_such_ref(locator, err);
	}
	snprintf(ret->name, sizeof(ret->name), "%s", locator->ref);
	memcpy(ret->commit, locator->ref, KT_COMMIT_LEN + 1);
	return 0;
}

/* A server may refuse to give out a bare commit: then take the whole history. */
static int fetch_objects(const kt_package_cache *cache, const kt_locator *locator,
			 const kt_git_ref *ref, const char *dir, kt_err *err)
{
	const char *shallow[] = {"fetch", "-q", "--no-tags", "--depth=1", "--",
				 locator->git_url, ref->name, NULL};
	if (!kt_git_is_commit(ref->name)) {
		return kt_git(cache, dir, shallow, NULL, err);
	}
	if (kt_git(cache, dir, shallow, NULL, NULL) == 0) {
		return 0;
	}
	const char *full[] = {"fetch", "-q", "--tags", "--", locator->git_url,
			      "+refs/heads/*:refs/remotes/origin/*", NULL};
	return kt_git(cache, dir, full, NULL, err);
}

int kt_git_fetch(const kt_package_cache *cache, const kt_locator *locator, kt_git_ref *ref,
		 const char *dir, kt_err *err)
{
	const char *init[] = {"init", "-q", "--template=", NULL};
	if (kt_git(cache, dir, init, NULL, err) < 0 ||
	    fetch_objects(cache, locator, ref, dir, err) < 0) {
		return -1;
	}
	char wanted[sizeof(ref->name) + 16];
	snprintf(wanted, sizeof(wanted), "%s^{commit}",
		 kt_git_is_commit(ref->name) ? ref->name : "FETCH_HEAD");
	const char *parse[] = {"rev-parse", "-q", "--verify", wanted, NULL};
	KT_AUTO_BUF kt_buf commit = KT_BUF_INIT;
	if (kt_git(cache, dir, parse, &commit, NULL) < 0) {
		return no_such_ref(locator, err);
	}
	if (commit.len < KT_COMMIT_LEN) {
		return KT_FAIL(err, INTERNAL, "git rev-parse gave '%s'", kt_buf_str(&commit));
	}
	memcpy(ref->commit, commit.data, KT_COMMIT_LEN);
	ref->commit[KT_COMMIT_LEN] = '\0';
	const char *checkout[] = {"checkout", "-q", "--detach", ref->commit, NULL};
	if (kt_git(cache, dir, checkout, NULL, err) < 0) {
		return KT_WRAP(err, "Tried checking out '%s' on repository '%s' but failed",
			       ref->commit, locator->git_url);
	}
	KT_AUTO_FREE char *git_dir = kt_path_join(dir, ".git");
	return git_dir == NULL ? kt_err_nomem(err) : kt_fs_remove_tree(git_dir, err);
}
