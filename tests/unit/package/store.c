#include "git_fixture.h"

#include "files/files.h"
#include "package/package.h"

#include "base/str.h"

#include <unistd.h>

static int to_buf(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static void pack(const char *dir, kt_buf *ret)
{
	kt_sink sink = {.write = to_buf, .ctx = ret};
	assert_int_equal(kt_pack(dir, 0, sink, NULL, NULL), 0);
}

static void test_stored_and_replaced(void **state)
{
	fixture *f = *state;
	KT_AUTO_FREE char *from = kt_path_join(f->dir, "from");
	KT_AUTO_FREE char *store = kt_path_join(f->dir, "store");
	KT_AUTO_FREE char *file = kt_path_join(store, "me/pack/sub/main.star");
	KT_AUTO_FREE char *link = kt_path_join(store, "me/pack/sub/link");
	KT_AUTO_FREE char *old = kt_path_join(store, "me/pack/sub/old.star");
	KT_AUTO_FREE char *made_link = kt_path_join(from, "link");
	put_file(from, "main.star", "X = 1\n");
	put_file(from, "kurtosis.yml", "name: github.com/me/pack/sub\n");
	put_file(store, "me/pack/sub/old.star", "gone soon");
	assert_int_equal(symlink("/etc/passwd", made_link), 0);
	KT_AUTO_BUF kt_buf tgz = KT_BUF_INIT;
	pack(from, &tgz);
	kt_mem mem = {tgz.data, tgz.len};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_package_store(store, "github.com/me/pack/sub", kt_source_mem(&mem), NULL,
					  &err),
			 0);
	assert_true(kt_fs_exists(file));
	assert_false(kt_fs_exists(old));
	assert_int_equal(access(link, F_OK), -1);
	kt_content_spec spec = {.store_dir = store, .root_id = "github.com/me/pack/sub"};
	kt_content *content = kt_content_open(&spec, &err);
	assert_non_null(content);
	kt_content_close(content);
}

static void test_broken_archive(void **state)
{
	fixture *f = *state;
	KT_AUTO_FREE char *store = kt_path_join(f->dir, "store");
	KT_AUTO_FREE char *kept = kt_path_join(store, "me/pack/old.star");
	put_file(store, "me/pack/old.star", "stays");
	kt_mem mem = {"\x1f\x8bgarbage", 9};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_package_store(store, "github.com/me/pack", kt_source_mem(&mem), NULL,
					  &err),
			 -1);
	assert_true(kt_fs_exists(kept));
	assert_int_equal(kt_package_store(store, "elsewhere/pack", kt_source_mem(&mem), NULL, &err),
			 -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
}

int main(void)
{
#define GIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		GIT_TEST(test_stored_and_replaced),
		GIT_TEST(test_broken_archive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
