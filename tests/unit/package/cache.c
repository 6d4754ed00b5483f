#include "git_fixture.h"

#include "package/cache.h"

#include "base/str.h"
#include "base/thread.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char *tree(const fixture *f, const char *text, bool offline, bool *fetched, kt_err *err)
{
	KT_AUTO_LOCATOR kt_locator l = {0};
	assert_int_equal(kt_locator_parse(text, &l, NULL), 0);
	kt_package_cache cache = {.dir = f->cache, .offline = offline};
	return kt_package_cache_tree(&cache, &l, fetched, err);
}

static void assert_file(const char *dir, const char *name, const char *want)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	assert_int_equal(kt_fs_read(path, 1000, &got, NULL), 0);
	assert_string_equal(kt_buf_str(&got), want);
}

static void test_fetched_once(void **state)
{
	fixture *f = *state;
	bool fetched = false;
	KT_AUTO_FREE char *first = tree(f, "github.com/o/p", false, &fetched, NULL);
	assert_non_null(first);
	assert_true(fetched);
	assert_file(first, "main.star", "X = 1\n");
	KT_AUTO_FREE char *git_dir = kt_path_join(first, ".git");
	assert_false(kt_fs_exists(git_dir));
	KT_AUTO_FREE char *second = tree(f, "github.com/o/p", false, &fetched, NULL);
	assert_false(fetched);
	assert_string_equal(first, second);
	KT_AUTO_FREE char *tagged = tree(f, "github.com/o/p@v1", false, &fetched, NULL);
	assert_false(fetched);
	assert_string_equal(first, tagged);
}

static void test_new_commit_is_seen(void **state)
{
	fixture *f = *state;
	bool fetched = false;
	KT_AUTO_FREE char *first = tree(f, "github.com/o/p", false, &fetched, NULL);
	put_file(f->repo, "main.star", "X = 2\n");
	commit_all(f);
	KT_AUTO_FREE char *second = tree(f, "github.com/o/p", false, &fetched, NULL);
	assert_true(fetched);
	assert_file(second, "main.star", "X = 2\n");
	assert_file(first, "main.star", "X = 1\n");
	KT_AUTO_FREE char *tagged = tree(f, "github.com/o/p@v1", false, &fetched, NULL);
	assert_string_equal(tagged, first);
	/* A commit that is no branch's tip, by its hash; nothing needs to be asked. */
	KT_AUTO_FREE char *by_hash = kt_asprintf("github.com/o/p@%s", kt_path_base(first));
	KT_AUTO_FREE char *again = tree(f, by_hash, true, &fetched, NULL);
	assert_string_equal(again, first);
	kt_fs_remove_tree(f->cache, NULL);
	KT_AUTO_FREE char *anew = tree(f, by_hash, false, &fetched, NULL);
	assert_true(fetched);
	assert_file(anew, "main.star", "X = 1\n");
}

static void test_without_network(void **state)
{
	fixture *f = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(tree(f, "github.com/o/p", true, NULL, &err));
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	KT_AUTO_FREE char *online = tree(f, "github.com/o/p", false, NULL, NULL);
	KT_AUTO_FREE char *offline = tree(f, "github.com/o/p", true, NULL, NULL);
	assert_string_equal(online, offline);
	/* The remote is gone: the last known commit serves. */
	kt_fs_remove_tree(f->repo, NULL);
	KT_AUTO_FREE char *unreachable = tree(f, "github.com/o/p", false, NULL, NULL);
	assert_string_equal(online, unreachable);
}

static void test_failures(void **state)
{
	fixture *f = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(tree(f, "github.com/o/p@nope", false, NULL, &err));
	assert_string_equal(kt_err_message(&err, 0),
			    "Tried using the passed version 'nope' as commit as we couldn't find a "
			    "tag/branch for it in the repo 'https://github.com/o/p.git' but failed");
	assert_null(tree(f, "github.com/o/missing", false, NULL, &err));
	assert_int_equal(err.code, KT_ERR_UNAVAILABLE);
	assert_true(kt_str_starts(kt_err_message(&err, 0), "Error in cloning git repository "
							   "'https://github.com/o/missing.git'."));
	assert_non_null(err.hint);
	assert_null(tree(f, "github.com/o/p@0123456789012345678901234567890123456789", false, NULL,
			 &err));
}

static void test_git_missing(void **state)
{
	fixture *f = *state;
	KT_AUTO_FREE char *path = kt_strdup(getenv("PATH"));
	setenv("PATH", "/nonexistent", 1);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	char *got = tree(f, "github.com/o/p", false, NULL, &err);
	setenv("PATH", path, 1);
	assert_null(got);
	assert_int_equal(err.code, KT_ERR_MISSING_PROGRAM);
	assert_non_null(strstr(kt_err_message(&err, 0), "install the Debian package 'git'"));
}

typedef struct racer {
	const fixture *f;
	char *got;
} racer;

static void *race(void *arg)
{
	racer *r = arg;
	r->got = tree(r->f, "github.com/o/p", false, NULL, NULL);
	return NULL;
}

/* Whoever is first, all get the one tree, and nothing is left beside it. */
static void test_at_once(void **state)
{
	enum { RACERS = 4 };
	fixture *f = *state;
	racer racers[RACERS];
	pthread_t threads[RACERS];
	for (size_t i = 0; i < RACERS; i++) {
		racers[i] = (racer){f, NULL};
		assert_int_equal(kt_thread_start(&threads[i], 0, "race", race, &racers[i], NULL), 0);
	}
	for (size_t i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		assert_non_null(racers[i].got);
		assert_string_equal(racers[i].got, racers[0].got);
	}
	assert_file(racers[0].got, "main.star", "X = 1\n");
	for (size_t i = 0; i < RACERS; i++) {
		kt_free(racers[i].got);
	}
	KT_AUTO_FREE char *tmp = kt_path_join(f->cache, "tmp");
	assert_int_equal(rmdir(tmp), 0); /* it is empty */
}

static void test_leftovers_are_swept(void **state)
{
	fixture *f = *state;
	KT_AUTO_FREE char *tmp = kt_path_join(f->cache, "tmp");
	KT_AUTO_FREE char *old = kt_path_join(tmp, "fetch-old");
	KT_AUTO_FREE char *young = kt_path_join(tmp, "fetch-young");
	put_file(old, "x", "x");
	put_file(young, "x", "x");
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, old, long_ago, 0), 0);
	KT_AUTO_FREE char *got = tree(f, "github.com/o/p", false, NULL, NULL);
	assert_non_null(got);
	assert_false(kt_fs_exists(old));
	assert_true(kt_fs_exists(young));
}

int main(void)
{
#define GIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		GIT_TEST(test_fetched_once), GIT_TEST(test_new_commit_is_seen),
		GIT_TEST(test_without_network), GIT_TEST(test_failures),
		GIT_TEST(test_git_missing), GIT_TEST(test_at_once),
		GIT_TEST(test_leftovers_are_swept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
