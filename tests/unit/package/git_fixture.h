/* A git repository behind insteadOf, so that locators of github.com stay on this machine. */
#ifndef TESTS_PACKAGE_GIT_FIXTURE_H
#define TESTS_PACKAGE_GIT_FIXTURE_H

#include "base/alloc.h"
#include "base/fs.h"
#include "base/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
	char *dir;   /* everything below */
	char *cache; /* DIR/cache */
	char *repo;  /* DIR/remote/o/p.git: a work tree that git fetches from */
} fixture;

static inline void run_git(const char *dir, const char *const *args)
{
	const char *argv[24] = {"git", "-c", "user.name=t", "-c", "user.email=t@example.org"};
	size_t n = 5;
	for (size_t i = 0; args[i] != NULL; i++) {
		argv[n++] = args[i];
	}
	kt_proc_spec spec = {.argv = argv, .dir = dir, .deadline = kt_after_ms(60000)};
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	assert_int_equal(kt_proc_run(&spec, &result, NULL), 0);
	assert_int_equal(result.exit_code, 0);
}

#define RUN_GIT(dir, ...) run_git((dir), (const char *const[]){__VA_ARGS__, NULL})

static inline void put_file(const char *dir, const char *name, const char *text)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	KT_AUTO_FREE char *parent = kt_path_dir(path);
	assert_int_equal(kt_fs_mkdirs(parent, 0755, NULL), 0);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0644, false, NULL), 0);
}

static inline void commit_all(const fixture *f)
{
	RUN_GIT(f->repo, "add", "-A");
	RUN_GIT(f->repo, "commit", "-q", "-m", "change");
}

static inline int fixture_up(void **state)
{
	fixture *f = kt_calloc(1, sizeof(*f));
	f->dir = kt_fs_mkdtemp(NULL, "kt-package-", NULL);
	f->cache = kt_path_join(f->dir, "cache");
	f->repo = kt_asprintf("%s/remote/o/p.git", f->dir);
	KT_AUTO_FREE char *config = kt_path_join(f->dir, "gitconfig");
	KT_AUTO_FREE char *text = kt_asprintf(
		"[url \"file://%s/remote/\"]\n\tinsteadOf = https://github.com/\n"
		"[protocol \"file\"]\n\tallow = always\n[init]\n\tdefaultBranch = main\n",
		f->dir);
	assert_int_equal(kt_fs_write(config, text, strlen(text), 0644, false, NULL), 0);
	setenv("GIT_CONFIG_GLOBAL", config, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	assert_int_equal(kt_fs_mkdirs(f->repo, 0755, NULL), 0);
	RUN_GIT(f->repo, "init", "-q");
	put_file(f->repo, "kurtosis.yml", "name: github.com/o/p\n");
	put_file(f->repo, "main.star", "X = 1\n");
	commit_all(f);
	RUN_GIT(f->repo, "tag", "-a", "v1", "-m", "one");
	*state = f;
	return 0;
}

static inline int fixture_down(void **state)
{
	fixture *f = *state;
	kt_fs_remove_tree(f->dir, NULL);
	kt_free(f->dir);
	kt_free(f->cache);
	kt_free(f->repo);
	kt_free(f);
	return 0;
}

#endif
