/* tar and its streams: round trips, hostile names, foreign archives made by GNU tar. */
#include "../kt_test.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "files/files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef struct fixture {
	char *dir;
} fixture;

static int set_up(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	self->dir = kt_fs_mkdtemp(NULL, "kt-tar-", NULL);
	*state = self;
	return self->dir == NULL;
}

static int tear_down(void **state)
{
	fixture *self = *state;
	kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	kt_free(self);
	return 0;
}

static int to_buf(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static char *subdir(fixture *self, const char *name)
{
	char *path = kt_path_join(self->dir, name);
	assert_int_equal(kt_fs_mkdirs(path, 0755, NULL), 0);
	return path;
}

static void put_file(const char *dir, const char *name, const char *text)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0644, false, NULL), 0);
}

static char *get_file(const char *dir, const char *name)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	kt_buf buf = KT_BUF_INIT;
	if (kt_fs_read(path, 1 << 24, &buf, NULL) < 0) {
		return NULL;
	}
	kt_buf_addc(&buf, '\0');
	return kt_buf_take(&buf);
}

static bool exists(const char *dir, const char *name)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	struct stat st;
	return lstat(path, &st) == 0;
}

/* Writes an archive of the given entries; files get `content`. */
static void archive(kt_buf *out, const kt_tar_entry *entries, size_t len, const char *content)
{
	kt_tar_writer *tar = kt_tar_writer_new((kt_sink){to_buf, out}, NULL);
	for (size_t i = 0; i < len; i++) {
		kt_tar_entry entry = entries[i];
		if (entry.type == KT_TAR_FILE) {
			entry.size = strlen(content);
		}
		assert_int_equal(kt_tar_write_entry(tar, &entry, NULL), 0);
		if (entry.size > 0) {
			assert_int_equal(kt_tar_write(tar, content, entry.size, NULL), 0);
		}
	}
	assert_int_equal(kt_tar_finish(tar, NULL), 0);
	kt_tar_writer_free(tar);
}

static int extract(const kt_buf *tar, const char *dir, unsigned flags, kt_err *err)
{
	kt_mem mem = {tar->data, tar->len};
	KT_AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kt_tar_reader *reader = kt_tar_reader_new(kt_source_mem(&mem), NULL, err);
	int rc = kt_tar_extract(reader, fd, flags, NULL, err);
	kt_tar_reader_free(reader);
	return rc;
}

static void long_names_and_numbers_survive(void **state)
{
	(void)state;
	char path[301];
	memset(path, 'a', 300);
	path[300] = '\0';
	char split[181];
	memset(split, 'b', 180);
	split[90] = '/';
	split[180] = '\0';
	kt_tar_xattr xattr = {"user.kind", "x=\n\0y", 5};
	kt_tar_entry entries[] = {
		{.path = path, .mode = 04755, .uid = 3000000, .gid = 70000, .mtime = -5},
		{.path = split, .mode = 0644, .mtime = 1700000000},
		{.type = KT_TAR_SYMLINK, .path = "l", .link = path},
		{.type = KT_TAR_CHAR, .path = "dev", .dev_major = 1, .dev_minor = 3},
		{.path = "attr", .xattrs = &xattr, .xattrs_len = 1},
	};
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	archive(&out, entries, KT_ARRAY_LEN(entries), "12345");
	kt_mem mem = {out.data, out.len};
	kt_tar_reader *reader = kt_tar_reader_new(kt_source_mem(&mem), NULL, NULL);
	const kt_tar_entry *got = NULL;
	for (size_t i = 0; i < KT_ARRAY_LEN(entries); i++) {
		assert_int_equal(kt_tar_next(reader, &got, NULL), 1);
		assert_string_equal(got->path, entries[i].path);
		assert_int_equal(got->type, entries[i].type);
		assert_int_equal(got->uid, entries[i].uid);
		assert_int_equal(got->gid, entries[i].gid);
		assert_int_equal(got->mode, entries[i].mode);
		assert_int_equal(got->mtime, entries[i].mtime);
		assert_int_equal(got->dev_minor, entries[i].dev_minor);
		assert_string_equal(got->link, entries[i].link != NULL ? entries[i].link : "");
		assert_int_equal(got->size, got->type == KT_TAR_FILE ? 5 : 0);
	}
	assert_int_equal(got->xattrs_len, 1);
	assert_string_equal(got->xattrs[0].name, "user.kind");
	assert_memory_equal(got->xattrs[0].value, "x=\n\0y", 5);
	const void *data = NULL;
	size_t len = 0;
	assert_int_equal(kt_tar_data(reader, &data, &len, NULL), 1);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "12345", 5);
	assert_int_equal(kt_tar_next(reader, &got, NULL), 0);
	assert_int_equal(kt_tar_next(reader, &got, NULL), 0);
	kt_tar_reader_free(reader);
}

static void packing_gives_back_the_tree(void **state)
{
	fixture *self = *state;
	KT_AUTO_FREE char *from = subdir(self, "from");
	KT_AUTO_FREE char *deep = subdir(self, "from/a/b");
	KT_AUTO_FREE char *to = subdir(self, "to");
	put_file(from, ".env", "X=1\n");
	put_file(deep, "f", "deep");
	KT_AUTO_FREE char *script = kt_path_join(deep, "f");
	assert_int_equal(chmod(script, 0751), 0);
	KT_AUTO_FREE char *hard = kt_path_join(from, "hard");
	assert_int_equal(link(script, hard), 0);
	KT_AUTO_FREE char *soft = kt_path_join(from, "soft");
	assert_int_equal(symlink("/etc/passwd", soft), 0);
	KT_AUTO_BUF kt_buf one = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf two = KT_BUF_INIT;
	assert_int_equal(kt_pack(from, 0, (kt_sink){to_buf, &one}, NULL, NULL), 0);
	assert_int_equal(kt_pack(from, 0, (kt_sink){to_buf, &two}, NULL, NULL), 0);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	assert_int_equal(kt_compression_detect(one.data, one.len), KT_COMPRESSION_GZIP);

	kt_mem mem = {one.data, one.len};
	assert_int_equal(kt_unpack(kt_source_mem(&mem), to, KT_EXTRACT_OWNERS, NULL, NULL), 0);
	struct stat st;
	struct stat st2;
	KT_AUTO_FREE char *copied = kt_path_join(to, "a/b/f");
	KT_AUTO_FREE char *copied_hard = kt_path_join(to, "hard");
	KT_AUTO_FREE char *copied_soft = kt_path_join(to, "soft");
	assert_int_equal(lstat(copied, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(lstat(copied_hard, &st2), 0);
	assert_int_equal(st.st_ino, st2.st_ino);
	char target[64] = "";
	assert_int_equal(readlink(copied_soft, target, sizeof(target)), 11);
	assert_string_equal(target, "/etc/passwd");
	KT_AUTO_FREE char *env = get_file(to, ".env");
	assert_string_equal(env, "X=1\n");
}

static void a_foreign_tar_reads(void **state)
{
	fixture *self = *state;
	KT_AUTO_FREE char *from = subdir(self, "from");
	char name[151];
	memset(name, 'n', 150);
	name[150] = '\0';
	put_file(from, name, "long");
	put_file(from, "big", "");
	KT_AUTO_FREE char *big = kt_path_join(from, "big");
	assert_int_equal(truncate(big, 3 << 20), 0);
	static const char *const formats[] = {"--format=gnu", "--format=pax", "--format=ustar",
					      "--format=v7"};
	static const char *const filters[] = {"--gzip", "--zstd", "--xz"};
	for (size_t i = 0; i < KT_ARRAY_LEN(formats); i++) {
		KT_AUTO_FREE char *file = kt_path_join(self->dir, "a.tar");
		bool old = i >= 2;
		const char *argv[] = {"tar", formats[i], filters[i % 3], "-cf", file, "-C", from,
				      old ? "big" : ".", NULL};
		kt_proc_spec spec = {.argv = argv, .deadline = kt_after_ms(20000)};
		KT_AUTO_PROC_RESULT kt_proc_result result = {0};
		assert_int_equal(kt_proc_run(&spec, &result, NULL), 0);
		assert_int_equal(result.exit_code, 0);
		KT_AUTO_FREE char *to = subdir(self, formats[i]);
		KT_AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC);
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_int_equal(kt_unpack(kt_source_fd(&fd), to, 0, NULL, &err), 0);
		if (!old) {
			KT_AUTO_FREE char *text = get_file(to, name);
			assert_string_equal(text, "long");
		}
		KT_AUTO_FREE char *copied = kt_path_join(to, "big");
		struct stat st;
		assert_int_equal(stat(copied, &st), 0);
		assert_int_equal(st.st_size, 3 << 20);
	}
}

static void nothing_leaves_the_directory(void **state)
{
	fixture *self = *state;
	KT_AUTO_FREE char *victim = subdir(self, "victim");
	put_file(victim, "f", "untouched");
	KT_AUTO_FREE char *absolute = kt_path_join(victim, "g");
	struct {
		kt_tar_entry entries[2];
		size_t len;
		const char *wants; /* in the error, or NULL = extracts, harmlessly */
	} cases[] = {
		{{{.path = "../victim/f"}}, 1, "illegal file path: ../victim/f"},
		{{{.path = "a/../../victim/f"}}, 1, "illegal file path"},
		{{{.path = absolute}}, 1, NULL},
		{{{.type = KT_TAR_SYMLINK, .path = "l", .link = "../victim"}, {.path = "l/f"}},
		 2,
		 "illegal file path: l/f"},
		{{{.type = KT_TAR_SYMLINK, .path = "l", .link = victim}, {.path = "l/f"}},
		 2,
		 "illegal file path: l/f"},
		{{{.type = KT_TAR_SYMLINK, .path = "l", .link = "../victim/f"}, {.path = "l"}},
		 2,
		 NULL},
		{{{.type = KT_TAR_SYMLINK, .path = "l", .link = "../victim"},
		  {.type = KT_TAR_HARDLINK, .path = "h", .link = "l/f"}},
		 2,
		 "illegal file path: h"},
		{{{.type = KT_TAR_HARDLINK, .path = "h", .link = "../victim/f"}},
		 1,
		 "illegal file path"},
		{{{.type = KT_TAR_SYMLINK, .path = "l", .link = "../victim"},
		  {.type = KT_TAR_DIR, .path = "l", .mode = 0}},
		 2,
		 NULL},
		{{{.type = KT_TAR_CHAR, .path = "null", .dev_major = 1, .dev_minor = 3}},
		 1,
		 "device node 'null'"},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(cases); i++) {
		KT_AUTO_FREE char *to = subdir(self, "to");
		KT_AUTO_BUF kt_buf tar = KT_BUF_INIT;
		archive(&tar, cases[i].entries, cases[i].len, "overwritten");
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		int rc = extract(&tar, to, 0, &err);
		assert_int_equal(rc, cases[i].wants == NULL ? 0 : -1);
		if (cases[i].wants != NULL) {
			KT_AUTO_FREE char *text = kt_err_text(&err);
			assert_non_null(strstr(text, cases[i].wants));
		}
		KT_AUTO_FREE char *f = get_file(victim, "f");
		assert_string_equal(f, "untouched");
		assert_false(exists(victim, "g"));
		struct stat st;
		assert_int_equal(stat(victim, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0755);
		assert_int_equal(kt_fs_remove_tree(to, NULL), 0);
	}
}

static void layers_resolve_links_as_root_and_hide(void **state)
{
	fixture *self = *state;
	if (geteuid() != 0) {
		skip();
	}
	KT_AUTO_FREE char *to = subdir(self, "layer");
	kt_tar_entry entries[] = {
		{.type = KT_TAR_DIR, .path = "usr/lib", .mode = 0755},
		{.type = KT_TAR_SYMLINK, .path = "lib", .link = "/usr/lib"},
		{.path = "lib/x", .mode = 0644},
		{.path = "etc/.wh.gone"},
		{.type = KT_TAR_DIR, .path = "opaque", .mode = 0755},
		{.path = "opaque/.wh..wh..opq"},
		{.path = ".wh..wh.plnk"},
		{.path = "back/.wh.d"},
		{.type = KT_TAR_DIR, .path = "back/d", .mode = 0700, .uid = 5},
		{.path = "tmp/f", .mode = 0600},
		{.type = KT_TAR_CHAR, .path = "dev/null", .dev_major = 1, .dev_minor = 3},
		{.path = "owned", .mode = 06711, .uid = 12, .gid = 34, .mtime = 1000},
	};
	KT_AUTO_BUF kt_buf tar = KT_BUF_INIT;
	archive(&tar, entries, KT_ARRAY_LEN(entries), "x");
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const unsigned flags = KT_EXTRACT_OWNERS | KT_EXTRACT_WHITEOUTS | KT_EXTRACT_DEVICES |
			       KT_EXTRACT_XATTRS;
	assert_int_equal(extract(&tar, to, flags, &err), 0);
	struct stat st;
	KT_AUTO_FREE char *x = kt_path_join(to, "usr/lib/x");
	assert_int_equal(stat(x, &st), 0);
	KT_AUTO_FREE char *gone = kt_path_join(to, "etc/gone");
	assert_int_equal(lstat(gone, &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	assert_false(exists(to, ".wh..wh.plnk"));
	static const char *const opaque[] = {"opaque", "back/d"};
	for (size_t i = 0; i < 2; i++) {
		KT_AUTO_FREE char *dir = kt_path_join(to, opaque[i]);
		char value[8] = "";
		ssize_t n = getxattr(dir, "trusted.overlay.opaque", value, sizeof(value));
		if (n < 0) {
			n = getxattr(dir, "user.overlay.opaque", value, sizeof(value));
		}
		assert_int_equal(n, 1);
		assert_int_equal(value[0], 'y');
	}
	KT_AUTO_FREE char *tmp = kt_path_join(to, "tmp");
	assert_int_equal(stat(tmp, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	KT_AUTO_FREE char *null = kt_path_join(to, "dev/null");
	assert_int_equal(stat(null, &st), 0);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	KT_AUTO_FREE char *owned = kt_path_join(to, "owned");
	assert_int_equal(stat(owned, &st), 0);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(st.st_mode & 07777, 06711);
	assert_int_equal(st.st_mtime, 1000);
}

static void damaged_input_is_an_error(void **state)
{
	fixture *self = *state;
	kt_tar_entry entries[] = {{.path = "a", .mode = 0644}, {.path = "b", .mode = 0644}};
	KT_AUTO_BUF kt_buf plain = KT_BUF_INIT;
	archive(&plain, entries, 2, "0123456789");
	KT_AUTO_BUF kt_buf gz = KT_BUF_INIT;
	kt_deflate *deflate = kt_deflate_new((kt_sink){to_buf, &gz}, NULL);
	kt_sink sink = kt_deflate_sink(deflate);
	assert_int_equal(sink.write(sink.ctx, plain.data, plain.len, NULL), 0);
	assert_int_equal(kt_deflate_finish(deflate, NULL), 0);
	kt_deflate_free(deflate);
	/* Every truncation fails except those that still hold all (padding, end marks). */
	for (size_t cut = 7; cut < gz.len; cut++) {
		KT_AUTO_FREE char *to = subdir(self, "cut");
		kt_mem mem = {gz.data, cut};
		assert_int_equal(kt_unpack(kt_source_mem(&mem), to, 0, NULL, NULL), -1);
		assert_int_equal(kt_fs_remove_tree(to, NULL), 0);
	}
	/* A flipped bit anywhere in the header's checksum range is found. */
	for (size_t at = 0; at < 512; at += 37) {
		KT_AUTO_FREE char *to = subdir(self, "flip");
		plain.data[at] ^= 1;
		assert_int_equal(extract(&plain, to, 0, NULL), -1);
		plain.data[at] ^= 1;
	}
	/* Nothing at all is an empty archive. */
	KT_AUTO_FREE char *to = subdir(self, "empty");
	kt_mem mem = {"", 0};
	assert_int_equal(kt_unpack(kt_source_mem(&mem), to, 0, NULL, NULL), 0);
	kt_mem text = {"hello, this is no archive", 25};
	assert_int_equal(kt_unpack(kt_source_mem(&text), to, 0, NULL, NULL), -1);
}

static void short_memory_is_an_error(void **state)
{
	fixture *self = *state;
	KT_AUTO_FREE char *from = subdir(self, "from");
	put_file(from, "a", "text");
	put_file(from, "b", "text");
	KT_AUTO_BUF kt_buf tgz = KT_BUF_INIT;
	assert_int_equal(kt_pack(from, 0, (kt_sink){to_buf, &tgz}, NULL, NULL), 0);
	KT_AUTO_FREE char *to = subdir(self, "to");
	bool failed = true;
	for (long n = 0; failed && n < 1000; n++) {
		kt_mem mem = {tgz.data, tgz.len};
		kt_alloc_fail_after(n);
		int rc = kt_unpack(kt_source_mem(&mem), to, 0, NULL, NULL);
		failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		assert_int_equal(rc, failed ? -1 : 0);
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_names_and_numbers_survive),
		cmocka_unit_test_setup_teardown(packing_gives_back_the_tree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_foreign_tar_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_leaves_the_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(layers_resolve_links_as_root_and_hide, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(damaged_input_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(short_memory_is_an_error, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
