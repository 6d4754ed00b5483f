#include "package/compose_internal.h"

#include "base/fs.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void put(const char *dir, const char *name, const char *text)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0644, false, NULL), 0);
}

static int set_up(void **state)
{
	*state = kt_fs_mkdtemp(NULL, "kt-compose-", NULL);
	return *state == NULL;
}

static int tear_down(void **state)
{
	kt_fs_remove_tree(*state, NULL);
	kt_free(*state);
	return 0;
}

static void test_env(void **state)
{
	static const char text[] = "# c\nA=1 # one\nexport B = \"x\\ny\"\nC='$A'\nD=$A${A}$\nE=\nF: a#b\n";
	KT_AUTO_MAP kt_map env = KT_MAP_OWNING(kt_free);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	(void)state;
	assert_int_equal(kt_compose_read_env(text, strlen(text), ".env", true, &env, &err), 0);
	assert_string_equal(kt_map_get(&env, "A"), "1");
	assert_string_equal(kt_map_get(&env, "B"), "x\ny");
	assert_string_equal(kt_map_get(&env, "C"), "$A");
	assert_string_equal(kt_map_get(&env, "D"), "11$");
	assert_string_equal(kt_map_get(&env, "E"), "");
	assert_string_equal(kt_map_get(&env, "F"), "a#b");
	assert_int_equal(kt_compose_read_env("A=1\nB=\"x\n", 9, ".env", true, &env, &err), -1);
	assert_string_equal(kt_err_root(&err), "line 3 of '.env': a quoted value does not end");
	assert_int_equal(kt_compose_read_env("A=1\nB\n", 6, ".env", true, &env, &err), -1);
	assert_string_equal(kt_err_root(&err), "line 2 of '.env': expected NAME=VALUE");
	assert_int_equal(kt_compose_read_env("A='x' y\n", 8, ".env", true, &env, &err), -1);
}

static void test_words(void **state)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	(void)state;
	assert_int_equal(kt_compose_split_words(" a 'b c' \"d\\\"e\"f g\\ h '' ", "x", &words, &err),
			 0);
	KT_AUTO_FREE char *joined = kt_strvec_join(&words, "|");
	assert_string_equal(joined, "a|b c|d\"ef|g h|");
	assert_int_equal(kt_compose_split_words("a 'b", "x", &words, &err), -1);
}

static void test_sizes(void **state)
{
	int64_t n;
	(void)state;
	assert_true(kt_compose_parse_bytes("1.5g", &n) && n == 1610612736);
	assert_true(kt_compose_parse_bytes("64MiB", &n) && n == 64 << 20);
	assert_true(kt_compose_parse_bytes("10 kb", &n) && n == 10240);
	assert_true(kt_compose_parse_bytes("7", &n) && n == 7);
	assert_false(kt_compose_parse_bytes("", &n) || kt_compose_parse_bytes("5x", &n) ||
		     kt_compose_parse_bytes("mb", &n) || kt_compose_parse_bytes("-1", &n));
	assert_true(kt_compose_parse_duration("1m30s", &n) && n == 90000);
	assert_true(kt_compose_parse_duration("1.5s", &n) && n == 1500);
	assert_true(kt_compose_parse_duration("250ms", &n) && n == 250);
	assert_true(kt_compose_parse_duration("0", &n) && n == 0);
	assert_false(kt_compose_parse_duration("", &n) || kt_compose_parse_duration("5", &n) ||
		     kt_compose_parse_duration("s", &n) || kt_compose_parse_duration("1d", &n));
}

static void test_script(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
	KT_AUTO_COMPOSE_UPLOADS kt_compose_uploads uploads = {KT_STRVEC_INIT, KT_STRVEC_INIT};
	KT_AUTO_FREE char *path = kt_path_join(*state, "shop.yml");
	KT_AUTO_FREE char *page = kt_path_join(*state, "page");
	KT_AUTO_FREE char *env = kt_path_join(*state, "some.env");
	KT_AUTO_FREE char *none = kt_path_join(*state, "none.env");
	assert_int_equal(kt_fs_mkdirs(page, 0755, NULL), 0);
	put(*state, "some.env", "WORD=hi\n");
	put(*state, "shop.yml",
	    "services:\n  web_1:\n    image: nginx:1\n    container_name: other\n"
	    "    ports: [\"8080:80\", 90/udp]\n    volumes: [./page:/p]\n"
	    "    environment: [W=$WORD]\n");
	assert_int_equal(kt_compose_to_script(path, env, &uploads, &script, &err), 0);
	assert_string_equal(
		kt_buf_str(&script),
		"def run(plan):\n\tplan.add_service(name = 'web-1', config = "
		"ServiceConfig(image=\"nginx:1\", ports={\"docker-8080\": PortSpec(number=80, "
		"transport_protocol=\"TCP\"), \"docker-90\": PortSpec(number=90, "
		"transport_protocol=\"UDP\")}, files={\"/p\": \"web-1--volume0\"}, "
		"env_vars={\"W\": \"hi\"}, tini_enabled=False))\n");
	assert_int_equal(uploads.paths.len, 1);
	assert_string_equal(uploads.paths.items[0], page);
	assert_string_equal(uploads.names.items[0], "web-1--volume0");

	put(*state, "shop.yml", "services: {web: {image: i, volumes: [data:/d]}}\n");
	assert_int_equal(kt_compose_to_script(path, none, &uploads, &script, &err), -1);
	assert_int_equal(err.code, KT_ERR_UNSUPPORTED);
	assert_non_null(strstr(kt_err_root(&err), "Volume type 'volume' is not supported"));
	assert_int_equal(kt_compose_to_script("/nonexistent.yml", none, &uploads, &script, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

static void test_find(void **state)
{
	KT_AUTO_FREE char *dir = kt_path_join(*state, "found");
	assert_int_equal(kt_fs_mkdirs(dir, 0755, NULL), 0);
	assert_null(kt_compose_find(dir));
	put(dir, "docker_compose.yaml", "");
	assert_string_equal(kt_compose_find(dir), "docker_compose.yaml");
	put(dir, "compose.yaml", "");
	assert_string_equal(kt_compose_find(dir), "compose.yaml");
	assert_true(kt_compose_is_default_name("docker-compose.yml"));
	assert_false(kt_compose_is_default_name("main.star"));
}

/* Every failing allocation is an error, and nothing leaks. */
static void test_memory(void **state)
{
	KT_AUTO_FREE char *path = kt_path_join(*state, "compose.yml");
	put(*state, ".env", "A=\"1\"\n");
	put(*state, "web.env", "B=2\n");
	put(*state, "compose.yml",
	    "services:\n  web_1:\n    build: {context: ., args: [A, B=1]}\n    depends_on: {db: "
	    "{condition: service_healthy}}\n    ports: [80, {target: 81}]\n    volumes: [d:/d, "
	    "./web.env:/e]\n    command: sh -c 'x $A'\n    environment: [A, \"C=${A:-$B}\"]\n"
	    "    env_file: web.env\n  db: {image: i, user: 1:2, deploy: {}, healthcheck: {test: x}, "
	    "environment: {X: web_1:80}}\n");
	bool done = false;
	for (long n = 0; !done && n < 100000; n++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
		kt_alloc_fail_after(n);
		int rc = kt_compose_to_package(path, *state, &script, &err);
		done = !kt_alloc_failed();
		kt_alloc_fail_after(-1);
		assert_true(done ? rc == 0 : true);
		if (rc < 0 && err.code != KT_ERR_NOMEM) {
			fail_msg("allocation %ld failed with code %d", n, (int)err.code);
		} else if (rc < 0) {
			assert_int_equal(err.code, KT_ERR_NOMEM);
		} else if (!done) {
			fail_msg("allocation %ld failed unnoticed", n);
		}
	}
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_env),    cmocka_unit_test(test_words),
		cmocka_unit_test(test_sizes),  cmocka_unit_test(test_script),
		cmocka_unit_test(test_find),   cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
