/* References, registries.conf, platform choice. */
#include "../kt_test.h"

#include "base/str.h"
#include "image/manifest.h"
#include "image/registries.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void references_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *full;
		const char *familiar;
	} rows[] = {
		{"postgres", "docker.io/library/postgres:latest", "postgres:latest"},
		{"postgres:15.2-alpine", "docker.io/library/postgres:15.2-alpine",
		 "postgres:15.2-alpine"},
		{"a/b", "docker.io/a/b:latest", "a/b:latest"},
		{"docker.io/redis", "docker.io/library/redis:latest", "redis:latest"},
		{"index.docker.io/x/y:z", "docker.io/x/y:z", "x/y:z"},
		{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
		{"localhost:5000/a/b_c:1", "localhost:5000/a/b_c:1", "localhost:5000/a/b_c:1"},
		{"[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"},
		{"ghcr.io/o/r@sha256:" HEX64, "ghcr.io/o/r@sha256:" HEX64,
		 "ghcr.io/o/r@sha256:" HEX64},
		{"r:t@sha256:" HEX64, "docker.io/library/r:t@sha256:" HEX64,
		 "r:t@sha256:" HEX64},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_int_equal(kt_image_ref_parse(rows[i].text, &ref, &err), 0);
		KT_AUTO_FREE char *full = kt_image_ref_text(&ref);
		KT_AUTO_FREE char *familiar = kt_image_ref_familiar(&ref);
		assert_string_equal(full, rows[i].full);
		assert_string_equal(familiar, rows[i].familiar);
	}
	static const char *const bad[] = {
		"",    "UPPER",        "a:",         "a:b c",     "a@sha256:12", "a//b", "/a",
		"a/",  "-a.b/c",       "a..b",       "a:-x",      "x.y:99999/a", "a b",  "a@md5:1",
		"../x", "a___b",       "host.io/..", "host:0/a",
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(bad); i++) {
		kt_image_ref ref = KT_IMAGE_REF_INIT;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_int_equal(kt_image_ref_parse(bad[i], &ref, &err), -1);
		assert_int_equal(err.code, KT_ERR_INVALID);
	}
}

static void short_memory(void **state)
{
	(void)state;
	kt_image_ref ref = KT_IMAGE_REF_INIT;
	KT_TEST_EVERY_ALLOC(50, kt_image_ref_parse("a.b/c:d", &ref, NULL), kt_image_ref_deinit(&ref));
}

static int parse_manifest(const json_t *root, kt_manifest *ret)
{
	kt_manifest_deinit(ret);
	*ret = (kt_manifest){0};
	return kt_manifest_parse(root, ret, NULL);
}

static int parse_config(const json_t *root, kt_image **ret)
{
	kt_image_free(*ret);
	*ret = kt_calloc(1, sizeof(**ret));
	return *ret == NULL ? -1 : kt_config_parse(root, *ret, NULL);
}

static void short_memory_in_manifests(void **state)
{
	(void)state;
	static const char text[] =
		"{\"config\":{\"digest\":\"sha256:" HEX64 "\",\"size\":1,\"Env\":[\"A=1\"],"
		"\"Volumes\":{\"/v\":{}},\"Labels\":{\"k\":\"v\"},\"Cmd\":[\"c\"]},"
		"\"layers\":[{\"digest\":\"sha256:" HEX64 "\",\"size\":2}]}";
	KT_AUTO_JSON json_t *root = kt_json_parse(text, sizeof(text) - 1, "both", NULL);
	assert_non_null(root);
	KT_AUTO_MANIFEST kt_manifest manifest = {0};
	KT_TEST_EVERY_ALLOC(50, parse_manifest(root, &manifest), (void)0);
	assert_int_equal(manifest.layers.len, 1);
	KT_AUTO_IMAGE kt_image *image = NULL;
	KT_TEST_EVERY_ALLOC(100, parse_config(root, &image), (void)0);
	assert_string_equal(image->config.labels.items[0], "k=v");
}

static const char conf[] =
	"# comment\n"
	"unqualified-search-registries = [\"docker.io\", # inner\n  \"quay.io\"]\n"
	"short-name-mode='enforcing'\n"
	"[[registry]]\n"
	"prefix = \"docker.io\"\n"
	"location = \"docker.io\"\n"
	"[[registry.mirror]]\n"
	"location = \"localhost:5001\"\n"
	"[[registry.mirror]]\nlocation = \"mirror.example/hub\"\ninsecure = true\n"
	"mirror-by-digest-only = true\n"
	"[[registry]]\nprefix=\"*.example.org\"\nblocked = true\n"
	"[[registry]]\nlocation = \"quay.io/team\"\ninsecure = true\n"
	"[aliases]\n\"x\" = \"docker.io/library/x\"\n";

static int parse_conf(kt_registries **ret)
{
	kt_registries_free(*ret);
	*ret = kt_registries_parse(conf, "conf", NULL);
	return *ret != NULL ? 0 : -1;
}

static void short_memory_in_registries(void **state)
{
	(void)state;
	kt_registries *registries = NULL;
	KT_TEST_EVERY_ALLOC(200, parse_conf(&registries), (void)0);
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	assert_int_equal(kt_image_ref_parse("redis", &ref, NULL), 0);
	kt_endpoint_vec endpoints = {0};
	KT_TEST_EVERY_ALLOC(50, kt_registries_resolve(registries, &ref, &endpoints, NULL),
			    kt_endpoint_vec_deinit(&endpoints));
	kt_registries_free(registries);
}

static void resolve(const kt_registries *registries, const char *text, const char *wants)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	assert_int_equal(kt_image_ref_parse(text, &ref, NULL), 0);
	KT_CLEANUP(kt_endpoint_vec_deinit) kt_endpoint_vec endpoints = {0};
	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	if (kt_registries_resolve(registries, &ref, &endpoints, NULL) < 0) {
		kt_buf_adds(&got, "blocked");
	}
	for (size_t i = 0; i < endpoints.len; i++) {
		const kt_endpoint *e = &endpoints.items[i];
		kt_buf_addf(&got, "%s%s %s%s%s%s", i > 0 ? "; " : "", e->host, e->repository,
			    e->insecure ? " insecure" : "", e->loopback ? " loopback" : "",
			    e->mirror ? " mirror" : "");
	}
	assert_string_equal(kt_buf_str(&got), wants);
}

static void mirrors_resolve(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_registries *registries = kt_registries_parse(conf, "conf", &err);
	assert_non_null(registries);
	resolve(registries, "redis",
		"localhost:5001 library/redis loopback mirror; registry-1.docker.io library/redis");
	resolve(registries, "redis@sha256:" HEX64,
		"localhost:5001 library/redis loopback mirror; "
		"mirror.example hub/library/redis insecure mirror; "
		"registry-1.docker.io library/redis");
	resolve(registries, "a.example.org/x", "blocked");
	resolve(registries, "example.org/x", "example.org x");
	resolve(registries, "quay.io/team/x", "quay.io team/x insecure");
	resolve(registries, "quay.io/teams/x", "quay.io teams/x");
	resolve(NULL, "127.0.0.1:5000/x", "127.0.0.1:5000 x loopback");
	resolve(NULL, "127.example.com/x", "127.example.com x");
	kt_registries_free(registries);

	static const char *const bad[] = {
		"[[registry]\n",	  "key\n", "key = \"open\n", "key = [1, 2\n",
		"[[registry.mirror]]\n", "key =\n", "a = 1 b = 2\n",
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(bad); i++) {
		KT_AUTO_ERR kt_err why = KT_ERR_INIT;
		assert_null(kt_registries_parse(bad[i], "conf", &why));
		assert_true(kt_str_starts(kt_err_message(&why, 0), "conf:"));
	}
}

static void the_fitting_platform_is_picked(void **state)
{
	(void)state;
	static const char text[] =
		"{\"manifests\":["
		"{\"digest\":\"sha256:" HEX64 "\",\"platform\":{\"os\":\"unknown\","
		"\"architecture\":\"unknown\"}},"
		"{\"digest\":\"sha256:1" "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		"{\"digest\":\"sha256:2" "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}},"
		"{\"digest\":\"sha256:3" "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}}]}";
	KT_AUTO_JSON json_t *root = kt_json_parse(text, sizeof(text) - 1, "index", NULL);
	bool foreign = false;
	assert_int_equal(kt_manifest_pick(root, "amd64", &foreign, NULL)[7], '1');
	assert_false(foreign);
	assert_int_equal(kt_manifest_pick(root, "arm", &foreign, NULL)[7], '3');
	assert_int_equal(kt_manifest_pick(root, "arm64", &foreign, NULL)[7], '1');
	assert_true(foreign);
	json_array_remove(json_object_get(root, "manifests"), 1);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(kt_manifest_pick(root, "arm64", &foreign, &err));
	assert_string_equal(kt_err_message(&err, 0),
			    "no matching manifest for linux/arm64; the image exists for: linux/arm, "
			    "linux/arm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_parse),
		cmocka_unit_test(short_memory),
		cmocka_unit_test(short_memory_in_manifests),
		cmocka_unit_test(short_memory_in_registries),
		cmocka_unit_test(mirrors_resolve),
		cmocka_unit_test(the_fitting_platform_is_picked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
