#include "backend/native/paths.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_from_the_environment(void **state)
{
	(void)state;
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(NULL, "kt-paths-", NULL);
	assert_non_null(dir);
	KT_AUTO_FREE char *home = kt_path_join(dir, "home");
	KT_AUTO_FREE char *run = kt_path_join(dir, "run");
	setenv("KURTOSIS_HOME", home, 1);
	setenv("KURTOSIS_RUNTIME_DIR", run, 1);
	KT_AUTO_PATHS kt_paths paths = KT_PATHS_INIT;
	assert_int_equal(kt_paths_init(&paths, NULL), 0);
	assert_true(kt_fs_is_dir(home));
	assert_true(kt_fs_is_dir(run));
	KT_AUTO_FREE char *db = kt_paths_root(&paths, "enclaves/%s/apic.db", "abc");
	KT_AUTO_FREE char *sock = kt_paths_runtime(&paths, "engine.sock");
	assert_true(strncmp(db, home, strlen(home)) == 0);
	assert_string_equal(db + strlen(home), "/enclaves/abc/apic.db");
	assert_string_equal(sock + strlen(run), "/engine.sock");
	assert_int_equal(kt_fs_remove_tree(dir, NULL), 0);
}

static void test_relative_is_refused(void **state)
{
	(void)state;
	setenv("KURTOSIS_HOME", "here", 1);
	setenv("KURTOSIS_RUNTIME_DIR", "/tmp", 1);
	KT_AUTO_PATHS kt_paths paths = KT_PATHS_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_paths_init(&paths, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
}

static void test_missing_program(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *path = kt_paths_program("kurtosis-no-such-program", &err);
	assert_null(path);
	assert_int_equal(err.code, KT_ERR_MISSING_PROGRAM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_the_environment),
		cmocka_unit_test(test_relative_is_refused),
		cmocka_unit_test(test_missing_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
