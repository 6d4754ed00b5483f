#include "git_fixture.h"

#include "package/package.h"

#include "base/str.h"

#include <unistd.h>

typedef struct opened {
	char *root;
	kt_content *content;
} opened;

static opened open_root(const fixture *f, const char *yml)
{
	opened o = {.root = kt_path_join(f->dir, "root")};
	put_file(o.root, "kurtosis.yml", yml);
	put_file(o.root, "main.star", "");
	put_file(o.root, "lib/a.txt", "hello");
	kt_content_spec spec = {.cache_dir = f->cache, .root_dir = o.root};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	o.content = kt_content_open(&spec, &err);
	assert_non_null(o.content);
	return o;
}

static void close_root(opened *o)
{
	kt_content_close(o->content);
	kt_free(o->root);
}

/* What the text reads as from the root's main file; "!MESSAGE" for a failure. */
static char *read_from(opened *o, const char *text, const char *from)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	KT_AUTO_FREE char *locator = kt_content_resolve(o->content, text, from, &err);
	if (locator == NULL || kt_content_read(o->content, locator, &got, &err) < 0) {
		return kt_asprintf("!%s", kt_err_message(&err, 0));
	}
	return kt_strdup(kt_buf_str(&got));
}

static void check(opened *o, const char *text, const char *from, const char *want)
{
	KT_AUTO_FREE char *got = read_from(o, text, from);
	assert_string_equal(got, want);
}

#define MAIN "github.com/me/root/main.star"

static void test_local_files(void **state)
{
	opened o = open_root(*state, "name: github.com/me/root\n");
	assert_string_equal(kt_content_root_id(o.content), "github.com/me/root");
	check(&o, "./lib/a.txt", MAIN, "hello");
	check(&o, "/lib/a.txt", "github.com/me/root/lib/x.star", "hello");
	check(&o, "a.txt", "github.com/me/root/lib/x.star", "hello");
	check(&o, "./nope.txt", MAIN, "!'/nope.txt' doesn't exist in the package 'me/root'");
	check(&o, "github.com/me/root/lib/a.txt", MAIN,
	      "!Locator 'github.com/me/root/lib/a.txt' is referencing a file within the same package "
	      "using absolute import syntax, but only relative import syntax (path starting with "
	      "'/' or '.') is allowed for within-package imports");
	check(&o, "github.com/me/root/lib/a.txt", "github.com/o/p/main.star", "hello");
	close_root(&o);
}

static void test_remote_files(void **state)
{
	fixture *f = *state;
	put_file(f->repo, "sub/kurtosis.yml", "name: github.com/o/p/wrong\n");
	put_file(f->repo, "sub/x.txt", "x");
	put_file(f->repo, "y.txt", "y");
	assert_int_equal(chdir(f->repo), 0);
	assert_int_equal(symlink("/etc/hostname", "leak.txt"), 0);
	assert_int_equal(chdir("/"), 0);
	commit_all(f);
	opened o = open_root(f, "name: github.com/me/root\n");
	check(&o, "github.com/o/p/y.txt", MAIN, "y");
	check(&o, "./y.txt", "github.com/o/p/main.star", "y");
	check(&o, "github.com/o/p/none.txt", MAIN,
	      "!'/none.txt' doesn't exist in the package 'o/p'");
	check(&o, "github.com/o/p/leak.txt", MAIN,
	      "!'github.com/o/p/leak.txt' is a link that leads out of its package: such files are "
	      "not read");
	close_root(&o);
}

/* The nearest kurtosis.yml from the top decides; here there is only one deep inside. */
static void test_package_rules(void **state)
{
	fixture *f = *state;
	RUN_GIT(f->repo, "rm", "-q", "kurtosis.yml");
	put_file(f->repo, "bad/kurtosis.yml", "name: github.com/o/p/wrong\n");
	put_file(f->repo, "bad/x.txt", "x");
	put_file(f->repo, "good/kurtosis.yml", "name: github.com/o/p/good\n");
	put_file(f->repo, "good/deep/x.txt", "deep");
	put_file(f->repo, "y.txt", "y");
	commit_all(f);
	opened o = open_root(f, "name: github.com/me/root\n");
	check(&o, "github.com/o/p/good/deep/x.txt", MAIN, "deep");
	check(&o, "github.com/o/p/bad/x.txt", MAIN,
	      "!The package name in kurtosis.yml must match the location it is in. Package name is "
	      "'github.com/o/p/wrong' and kurtosis.yml is found here: 'github.com/o/p/bad'");
	KT_AUTO_FREE char *none = read_from(&o, "github.com/o/p/y.txt", MAIN);
	assert_true(kt_str_starts(none, "!kurtosis.yml or valid Docker Compose yaml not found in "
					"the path of 'github.com/o/p/y.txt'"));
	KT_AUTO_FREE char *any =
		kt_content_path(o.content, "github.com/o/p/y.txt", KT_CONTENT_ANY, NULL);
	assert_non_null(any);
	close_root(&o);
}

static void test_replace(void **state)
{
	fixture *f = *state;
	KT_AUTO_FREE char *near = kt_path_join(f->dir, "near");
	put_file(near, "kurtosis.yml", "name: github.com/a/near\n");
	put_file(near, "x.txt", "near");
	put_file(f->repo, "x.txt", "far");
	commit_all(f);
	opened o = open_root(f, "name: github.com/me/root\nreplace:\n"
				"  github.com/a/near: ../near\n  github.com/a/far: github.com/o/p\n");
	check(&o, "github.com/a/near/x.txt", MAIN, "near");
	check(&o, "github.com/a/far/x.txt", MAIN, "far");
	close_root(&o);
}

/* One package of a repository was sent by the client; its neighbour comes from git. */
static void test_store_beside_git(void **state)
{
	fixture *f = *state;
	KT_AUTO_FREE char *store = kt_path_join(f->dir, "store");
	put_file(store, "o/p/sent/kurtosis.yml", "name: github.com/o/p/sent\n");
	put_file(store, "o/p/sent/main.star", "");
	put_file(f->repo, "near/kurtosis.yml", "name: github.com/o/p/near\n");
	put_file(f->repo, "near/x.txt", "near");
	put_file(f->repo, "sent/only-in-git.txt", "old");
	RUN_GIT(f->repo, "rm", "-q", "kurtosis.yml");
	commit_all(f);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_content_spec spec = {
		.cache_dir = f->cache, .store_dir = store, .root_id = "github.com/o/p/sent"};
	opened o = {NULL, kt_content_open(&spec, &err)};
	assert_non_null(o.content);
	const char *from = "github.com/o/p/sent/main.star";
	check(&o, "github.com/o/p/near/x.txt", from, "near");
	check(&o, "../near/x.txt", from, "near");
	check(&o, "./only-in-git.txt", from,
	      "!'/sent/only-in-git.txt' doesn't exist in the package 'o/p'");
	close_root(&o);
}

/* Relative imports of a package that was imported at a version stay at that version. */
static void test_one_version_per_run(void **state)
{
	fixture *f = *state;
	put_file(f->repo, "main.star", "X = 2\n");
	commit_all(f);
	opened o = open_root(f, "name: github.com/me/root\n");
	check(&o, "github.com/o/p/main.star@v1", MAIN, "X = 1\n");
	check(&o, "./main.star", "github.com/o/p/main.star", "X = 1\n");
	check(&o, "github.com/o/p/main.star@main", MAIN, "X = 2\n");
	close_root(&o);
}

static void test_scripts(void **state)
{
	fixture *f = *state;
	kt_content_spec spec = {.cache_dir = f->cache};
	opened o = {NULL, kt_content_open(&spec, NULL)};
	assert_non_null(o.content);
	check(&o, "./x.star", "DEFAULT_PACKAGE_ID_FOR_SCRIPT",
	      "!Source module locator 'DEFAULT_PACKAGE_ID_FOR_SCRIPT' isn't a valid locator; "
	      "relative URLs don't work with standalone scripts");
	check(&o, "github.com/o/p/main.star", "DEFAULT_PACKAGE_ID_FOR_SCRIPT", "X = 1\n");
	check(&o, "./main.star", "github.com/o/p/other.star", "X = 1\n");
	close_root(&o);
}

static void test_named_root(void **state)
{
	fixture *f = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_content_spec spec = {.cache_dir = f->cache, .root_id = "github.com/o/p@v1",
				.fetch_root = true};
	kt_content *fetched = kt_content_open(&spec, &err);
	assert_non_null(fetched);
	assert_string_equal(kt_content_root_id(fetched), "github.com/o/p");
	kt_content_close(fetched);
	spec = (kt_content_spec){.store_dir = f->dir, .root_id = "github.com/o/none"};
	assert_null(kt_content_open(&spec, &err));
	assert_true(kt_str_starts(kt_err_message(&err, 0),
				  "Package 'github.com/o/none' does not exist on disk at "));
	/* A package of the store must lie where its name says. */
	put_file(f->dir, "o/q/kurtosis.yml", "name: github.com/o/other\n");
	spec.root_id = "github.com/o/q";
	assert_null(kt_content_open(&spec, &err));
	assert_int_equal(err.code, KT_ERR_INVALID);
}

int main(void)
{
#define GIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		GIT_TEST(test_local_files), GIT_TEST(test_remote_files),
		GIT_TEST(test_package_rules), GIT_TEST(test_replace),
		GIT_TEST(test_store_beside_git),
		GIT_TEST(test_one_version_per_run), GIT_TEST(test_scripts),
		GIT_TEST(test_named_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
