#include "../kt_test.h"

#include "base/fs.h"

#include <sys/stat.h>
#include <unistd.h>

static void paths_clean(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", "."},     {"a//b/./c/..", "a/b"}, {"/../a", "/a"},     {"../../x", "../../x"},
		{"/", "/"},    {"a/../..", ".."},      {"/a/b/../..", "/"}, {"./a", "a"},
		{"a/..", "."},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_FREE char *clean = kt_path_clean(rows[i][0]);
		assert_string_equal(clean, rows[i][1]);
	}
}

static void paths_join(void **state)
{
	(void)state;
	KT_AUTO_FREE char *a = kt_path_join("/x/", "/y");
	assert_string_equal(a, "/x/y");
	KT_AUTO_FREE char *b = kt_path_join("/", "y");
	assert_string_equal(b, "/y");
	KT_AUTO_FREE char *c = kt_path_dir("/y");
	assert_string_equal(c, "/");
	assert_string_equal(kt_path_base("a/b"), "b");
}

static void trees(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *top = kt_fs_mkdtemp(NULL, "kt-fs-", &err);
	KT_AUTO_FREE char *deep = kt_path_join(top, "a/b/c");
	KT_AUTO_FREE char *file = kt_path_join(top, "a/b/file");
	KT_AUTO_FREE char *link = kt_path_join(top, "a/link");
	KT_AUTO_FREE char *from = kt_path_join(top, "a");
	KT_AUTO_FREE char *to = kt_path_join(top, "copy");
	KT_AUTO_FREE char *copied = kt_path_join(top, "copy/b/file");
	assert_int_equal(kt_fs_mkdirs(deep, 0755, &err), 0);
	assert_int_equal(kt_fs_mkdirs(deep, 0755, &err), 0);
	assert_int_equal(kt_fs_write(file, "hello", 5, 0640, true, &err), 0);
	assert_int_equal(symlink("/nowhere", link), 0);
	assert_int_equal(kt_fs_copy_tree(from, to, &err), 0);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	assert_int_equal(kt_fs_read(copied, 100, &text, &err), 0);
	assert_string_equal(kt_buf_str(&text), "hello");
	struct stat st;
	assert_int_equal(stat(copied, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(kt_fs_read(copied, 4, &text, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	assert_int_equal(kt_fs_remove_tree(top, &err), 0);
	assert_false(kt_fs_exists(top));
	assert_int_equal(kt_fs_remove_tree(top, &err), 0);
}

static void writing_fails_whole(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_fs_write("/nonexistent-dir/x", "a", 1, 0644, false, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(paths_clean),
	        cmocka_unit_test(paths_join),
	        cmocka_unit_test(trees),
	        cmocka_unit_test(writing_fails_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
