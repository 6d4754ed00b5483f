/* The artifact store: add, replace, find, list, read back, inspect, survive a restart. */
#include "../kt_test.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "files/files.h"

#include <string.h>
#include <unistd.h>

typedef struct fixture {
	char *dir;
	char *source;
	kt_artifacts *store;
} fixture;

static void open_store(fixture *self)
{
	KT_AUTO_FREE char *path = kt_path_join(self->dir, "artifacts");
	self->store = kt_artifacts_open(path, NULL);
	assert_non_null(self->store);
}

static int set_up(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	self->dir = kt_fs_mkdtemp(NULL, "kt-artifacts-", NULL);
	self->source = kt_path_join(self->dir, "source");
	kt_fs_mkdirs(self->source, 0755, NULL);
	open_store(self);
	*state = self;
	return 0;
}

static int tear_down(void **state)
{
	fixture *self = *state;
	kt_artifacts_close(self->store);
	kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	kt_free(self->source);
	kt_free(self);
	return 0;
}

static void put(fixture *self, const char *name, const char *text)
{
	KT_AUTO_FREE char *path = kt_path_join(self->source, name);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0644, false, NULL), 0);
}

static void add(fixture *self, const char *name, bool replace, kt_artifact *ret)
{
	kt_artifact_spec spec = {.name = name, .replace = replace};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_artifacts_add_path(self->store, &spec, self->source, 0, ret, &err), 0);
}

static void names_are_unique_unless_replaced(void **state)
{
	fixture *self = *state;
	put(self, "f", "one");
	KT_AUTO_ARTIFACT kt_artifact first = KT_ARTIFACT_INIT;
	add(self, "data", false, &first);
	assert_true(first.has_md5);
	kt_artifact_spec spec = {.name = "data"};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(
		kt_artifacts_add_path(self->store, &spec, self->source, 0, NULL, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXISTS);
	assert_string_equal(kt_err_root(&err), "Files artifact name 'data' has already been used");

	put(self, "f", "two");
	KT_AUTO_ARTIFACT kt_artifact second = KT_ARTIFACT_INIT;
	add(self, "data", true, &second);
	assert_string_equal(first.uuid.text, second.uuid.text);
	assert_string_not_equal(first.dir, second.dir);
	assert_memory_not_equal(first.md5, second.md5, KT_MD5_LEN);
	KT_AUTO_FREE char *old = kt_path_join(first.dir, "f");
	assert_true(kt_fs_exists(old));
}

static void a_restart_keeps_them_and_drops_half_made(void **state)
{
	fixture *self = *state;
	put(self, "f", "one");
	KT_AUTO_ARTIFACT kt_artifact first = KT_ARTIFACT_INIT;
	add(self, "data", false, &first);
	KT_AUTO_FREE char *staging = kt_artifacts_begin(self->store, NULL);
	assert_true(kt_fs_is_dir(staging));
	kt_artifacts_close(self->store);
	open_store(self);
	assert_false(kt_fs_exists(staging));
	char short_uuid[KT_UUID_SHORT_LEN + 1] = "";
	memcpy(short_uuid, first.uuid.text, KT_UUID_SHORT_LEN);
	const char *const identifiers[] = {first.uuid.text, short_uuid, "data"};
	for (size_t i = 0; i < KT_ARRAY_LEN(identifiers); i++) {
		KT_AUTO_ARTIFACT kt_artifact found = KT_ARTIFACT_INIT;
		assert_int_equal(kt_artifacts_find(self->store, identifiers[i], &found, NULL), 1);
		assert_string_equal(found.name, "data");
		assert_memory_equal(found.md5, first.md5, KT_MD5_LEN);
		assert_string_equal(found.dir, first.dir);
	}
	kt_artifact none;
	assert_int_equal(kt_artifacts_find(self->store, "nothing", &none, NULL), 0);
	assert_int_equal(kt_artifacts_remove(self->store, "data", NULL), 0);
	assert_false(kt_artifacts_has_name(self->store, "data"));
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_artifacts_remove(self->store, "data", &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

static int to_buf(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static int note_entry(void *ctx, const kt_artifact_entry *entry, kt_err *err)
{
	(void)err;
	kt_buf_addf(ctx, "%s %llu [%s]\n", entry->path, (unsigned long long)entry->size,
		    entry->preview != NULL ? entry->preview : "-");
	return 0;
}

static void archives_go_in_and_out(void **state)
{
	fixture *self = *state;
	put(self, "text", "one\ntwo");
	put(self, "tab", "a\tb\n");
	KT_AUTO_FREE char *sub = kt_path_join(self->source, "sub");
	assert_int_equal(kt_fs_mkdirs(sub, 0755, NULL), 0);
	KT_AUTO_BUF kt_buf tgz = KT_BUF_INIT;
	assert_int_equal(kt_pack(self->source, 0, (kt_sink){to_buf, &tgz}, NULL, NULL), 0);
	kt_mem mem = {tgz.data, tgz.len};
	kt_artifact_spec spec = {.name = "up"};
	assert_int_equal(
		kt_artifacts_add_archive(self->store, &spec, kt_source_mem(&mem), NULL, NULL), 0);
	KT_AUTO_BUF kt_buf back = KT_BUF_INIT;
	assert_int_equal(
		kt_artifacts_read(self->store, "up", (kt_sink){to_buf, &back}, NULL, NULL), 0);
	assert_int_equal(back.len, tgz.len);
	assert_memory_equal(back.data, tgz.data, tgz.len);
	KT_AUTO_BUF kt_buf list = KT_BUF_INIT;
	assert_int_equal(kt_artifacts_inspect(self->store, "up", note_entry, &list, NULL), 0);
	assert_string_equal(kt_buf_str(&list),
			    "sub/ 0 [-]\ntab 4 [-]\ntext 7 [one\ntwo\n]\n");

	/* A broken upload leaves nothing. */
	kt_mem broken = {tgz.data, tgz.len / 2};
	spec.name = "broken";
	assert_int_equal(
		kt_artifacts_add_archive(self->store, &spec, kt_source_mem(&broken), NULL, NULL),
		-1);
	kt_artifact_vec all = {0};
	assert_int_equal(kt_artifacts_list(self->store, &all, NULL), 0);
	assert_int_equal(all.len, 1);
	kt_artifact_vec_deinit(&all);
}

static void the_ignore_file_is_obeyed(void **state)
{
	fixture *self = *state;
	put(self, ".kurtosisignore", "# comment\n\n*.log\nbuild/\n");
	put(self, "a.log", "x");
	put(self, "keep", "y");
	KT_AUTO_FREE char *build = kt_path_join(self->source, "build");
	assert_int_equal(kt_fs_mkdirs(build, 0755, NULL), 0);
	kt_artifact_spec spec = {.name = "a"};
	assert_int_equal(kt_artifacts_add_path(self->store, &spec, self->source,
					       KT_PACK_IGNORE_FILE, NULL, NULL),
			 0);
	KT_AUTO_BUF kt_buf list = KT_BUF_INIT;
	assert_int_equal(kt_artifacts_inspect(self->store, "a", note_entry, &list, NULL), 0);
	assert_non_null(strstr(kt_buf_str(&list), "keep 1 [y\n]"));
	assert_null(strstr(kt_buf_str(&list), "a.log"));
	assert_null(strstr(kt_buf_str(&list), "build/ "));
	uint8_t with[KT_MD5_LEN];
	uint8_t without[KT_MD5_LEN];
	assert_int_equal(kt_content_md5(self->source, KT_PACK_IGNORE_FILE, with, NULL), 0);
	put(self, "a.log", "changed");
	assert_int_equal(kt_content_md5(self->source, KT_PACK_IGNORE_FILE, without, NULL), 0);
	assert_memory_equal(with, without, KT_MD5_LEN);
}

static void a_missing_source_is_named(void **state)
{
	fixture *self = *state;
	kt_artifact_spec spec = {.name = "a"};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_artifacts_add_path(self->store, &spec, "/nonexistent/x", 0, NULL, &err),
			 -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	KT_AUTO_FREE char *text = kt_err_text(&err);
	assert_non_null(strstr(text, "/nonexistent/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_unique_unless_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_restart_keeps_them_and_drops_half_made, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(archives_go_in_and_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_ignore_file_is_obeyed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_source_is_named, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
