/* The enclave's database: what is put in comes out again, also after a restart. */
#include "run/state.h"

#include "base/fs.h"
#include "run/config_json.h"
#include "run/value.h"
#include "test.h"

#define UUID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define UUID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

typedef struct fixture {
	char *dir;
	char *path;
	kt_state *db;
} fixture;

static int setup(void **state)
{
	fixture *f = kt_calloc(1, sizeof(*f));

	f->dir = kt_fs_mkdtemp(NULL, "kt-state-", NULL);
	f->path = kt_path_join(f->dir, "apic.db");
	f->db = kt_state_open(f->path, NULL);
	*state = f;
	return f->db != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	fixture *f = *state;

	kt_state_close(f->db);
	kt_fs_remove_tree(f->dir, NULL);
	kt_free(f->dir);
	kt_free(f->path);
	kt_free(f);
	return 0;
}

/* As after a crash: the handle is closed, the file stays. */
static void reopen(fixture *f)
{
	kt_state_close(f->db);
	f->db = kt_state_open(f->path, NULL);
	assert_non_null(f->db);
}

static void put(fixture *f, const char *name, const char *uuid, const kt_plan_config *config)
{
	kt_reg reg = {.name = name,
	              .uuid = uuid,
	              .ip = "172.16.0.5",
	              .hostname = name,
	              .status = KT_REG_STARTED,
	              .config = config};

	assert_int_equal(kt_state_put_service(f->db, &reg, NULL), 0);
}

static void registrations(void **state)
{
	fixture *f = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_plan_port port = {.id = "http", .number = 80, .wait_ns = 5, .app_protocol = "http"};
	kt_plan_config config = {.image = {.name = "nginx"}, .ports = {&port, 1}};
	kt_reg reg = {0};
	kt_reg_list list = {0};

	put(f, "db", UUID_A, NULL);
	put(f, "web", UUID_B, &config);
	put(f, "web", UUID_B, NULL); /* keeps the configuration */
	reopen(f);
	assert_int_equal(kt_state_find_service(f->db, "web", &arena, &reg, NULL), 1);
	assert_string_equal(reg.uuid, UUID_B);
	assert_string_equal(reg.config->image.name, "nginx");
	assert_int_equal(reg.config->ports.items[0].number, 80);
	assert_int_equal(kt_state_find_service(f->db, UUID_A, &arena, &reg, NULL), 1);
	assert_string_equal(reg.name, "db");
	assert_null(reg.config);
	assert_int_equal(kt_state_find_service(f->db, "bbbbbbbbbbbb", &arena, &reg, NULL), 1);
	assert_string_equal(reg.name, "web");
	assert_int_equal(kt_state_find_service(f->db, "bbb", &arena, &reg, NULL), 0);
	assert_int_equal(kt_state_set_status(f->db, UUID_A, KT_REG_STOPPED, NULL), 0);
	assert_int_equal(kt_state_list_services(f->db, &arena, &list, NULL), 0);
	assert_int_equal(list.len, 2);
	assert_int_equal(list.items[0].status, KT_REG_STOPPED);
	assert_int_equal(kt_state_drop_service(f->db, UUID_A, NULL), 0);
	assert_int_equal(kt_state_find_service(f->db, "db", &arena, &reg, NULL), 0);
}

static void identifiers(void **state)
{
	fixture *f = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_identifiers list = {0};

	kt_state_add_identifier(f->db, UUID_B, "web", NULL);
	kt_state_add_identifier(f->db, UUID_A, "db", NULL);
	reopen(f);
	assert_int_equal(kt_state_list_identifiers(f->db, &arena, &list, NULL), 0);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].name, "web");
	assert_string_equal(list.items[1].uuid, UUID_A);
}

static void expect_missing(fixture *f, const char *uuid, const char *field, const char *want)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	assert_int_equal(kt_state_lookup_text(f->db, uuid, field, &out, &err), -1);
	assert_string_equal(kt_err_message(&err, 0), want);
}

static void runtime_values(void **state)
{
	fixture *f = *state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_rt_field fields[] = {{"code", kt_pval_int(7)},
	                        {"output", kt_pval_str_borrow("a\xff\n", 3)}};

	kt_state_put_values(f->db, UUID_A, fields, 2, NULL);
	kt_state_reserve_values(f->db, UUID_B, NULL);
	reopen(f);
	assert_int_equal(kt_state_lookup_text(f->db, UUID_A, "code", &out, NULL), 0);
	assert_int_equal(kt_state_lookup_text(f->db, UUID_A, "output", &out, NULL), 0);
	assert_string_equal(kt_buf_str(&out), "7a\xff\n");
	expect_missing(f, UUID_B, "code", "Runtime UUID '" UUID_B "' was found, but not set");
	expect_missing(f, UUID_A, "none",
	               "An error happened getting runtime value field '" UUID_A "' 'none'");
	expect_missing(f, "cccccccccccccccccccccccccccccccc", "code",
	               "Recipe result value with key UUID 'cccccccccccccccccccccccccccccccc' does "
	               "not exist on the recipe result repository");
	/* New values replace all old ones. */
	kt_state_put_values(f->db, UUID_A, fields, 1, NULL);
	expect_missing(f, UUID_A, "output",
	               "An error happened getting runtime value field '" UUID_A "' 'output'");
}

static void known_services(void **state)
{
	fixture *f = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_plan_config config = {.image = {.name = "nginx"}};
	kt_known_services list = {0};

	kt_state_put_known(
	        f->db, &(kt_known_service){"web", UUID_A, "Service(name=\"web\")", &config}, NULL);
	kt_state_put_known(f->db, &(kt_known_service){"web", NULL, NULL, NULL}, NULL);
	kt_state_put_known(f->db, &(kt_known_service){"db", UUID_B, "x", NULL}, NULL);
	reopen(f);
	assert_int_equal(kt_state_list_known(f->db, &arena, &list, NULL), 0);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].name, "db");
	assert_string_equal(list.items[1].ref_uuid, UUID_A);
	assert_null(list.items[1].value);
	assert_string_equal(list.items[1].config->image.name, "nginx");
}

static void texts(void **state)
{
	fixture *f = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const char *text = "unset";

	assert_int_equal(kt_state_get_text(f->db, "run", &arena, &text, NULL), 0);
	assert_null(text);
	kt_state_put_text(f->db, "run", "{}", NULL);
	kt_state_put_text(f->db, "run", "{\"a\":1}", NULL);
	assert_int_equal(kt_state_get_text(f->db, "run", &arena, &text, NULL), 0);
	assert_string_equal(text, "{\"a\":1}");
}

static void journal(void **state)
{
	fixture *f = *state;
	int64_t run = 0;
	size_t open = 99;

	assert_int_equal(kt_state_unfinished(f->db, &open, NULL), 0);
	assert_int_equal(open, 0);
	assert_int_equal(kt_state_run_begin(f->db, "p", 2, &run, NULL), 0);
	assert_int_equal(kt_state_instr_begin(f->db, run, 1, UUID_A, "print(1)", NULL), 0);
	assert_int_equal(kt_state_instr_end(f->db, run, 1, NULL, NULL), 0);
	assert_int_equal(kt_state_instr_begin(f->db, run, 2, UUID_B, "print(2)", NULL), 0);
	reopen(f);
	assert_int_equal(kt_state_unfinished(f->db, &open, NULL), 0);
	assert_int_equal(open, 1);
	assert_int_equal(kt_state_instr_end(f->db, run, 2, "failed", NULL), 0);
	assert_int_equal(kt_state_run_end(f->db, run, false, NULL), 0);
	assert_int_equal(kt_state_unfinished(f->db, &open, NULL), 0);
	assert_int_equal(open, 0);
}

/* Every field of a configuration survives: two encodings are the same text. */
static void configurations(void **state)
{
	(void)state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_BUF kt_buf first = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf second = KT_BUF_INIT;
	const char *words[] = {"a", "b"};
	kt_plan_pair pairs[] = {{"k", "v"}};
	kt_plan_mount mounts[] = {{.path = "/m", .artifacts = {words, 2}},
	                          {.path = "/p", .persistent_key = "key", .size_bytes = 7}};
	kt_plan_ulimit ulimits[] = {{"nofile", 9}};
	kt_plan_toleration tolerations[] = {{"k", "Equal", "v", "NoSchedule", true, 3}};
	kt_plan_condition ready = {.recipe = {.kind = KT_PLAN_RECIPE_GET,
	                                      .port_id = "http",
	                                      .endpoint = "/",
	                                      .extract = {pairs, 1},
	                                      .text = "T"},
	                           .field = "code",
	                           .assertion = KT_PLAN_IN,
	                           .target = kt_pval_int(200),
	                           .interval_ns = 1,
	                           .timeout_ns = 2};
	kt_plan_config config = {
	        .image = {.kind = KT_PLAN_IMAGE_REGISTRY, .name = "i", .registry = "r"},
	        .has_files = true,
	        .files = {mounts, 2},
	        .has_entrypoint = true,
	        .entrypoint = {words, 2},
	        .env_vars = {pairs, 1},
	        .ip_placeholder = "IP",
	        .max_cpu_millis = 1000,
	        .ready = &ready,
	        .user = {.set = true, .has_gid = true, .uid = 1, .gid = 2},
	        .tolerations = {tolerations, 1},
	        .tini_enabled = true,
	        .gpu = {.set = true,
	                .count = -1,
	                .device_ids = {words, 1},
	                .ulimits = ulimits,
	                .n_ulimits = 1},
	        .bind_mounts = {pairs, 1},
	};
	kt_plan_config *back = NULL;

	assert_int_equal(kt_config_encode(&first, &config, NULL), 0);
	assert_int_equal(kt_config_decode(&arena, kt_buf_str(&first), first.len, &back, NULL), 0);
	assert_int_equal(kt_config_encode(&second, back, NULL), 0);
	assert_string_equal(kt_buf_str(&first), kt_buf_str(&second));
	assert_string_equal(back->files.items[1].persistent_key, "key");
	assert_int_equal(back->ready->target.integer, 200);
	assert_int_equal(back->gpu.ulimits[0].value, 9);
	assert_true(back->user.has_gid);
}

static void damaged_file(void **state)
{
	fixture *f = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *path = kt_path_join(f->dir, "bad.db");
	char junk[4096];

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(kt_fs_write(path, junk, sizeof(junk), 0600, false, NULL), 0);
	assert_null(kt_state_open(path, &err));
	assert_int_equal(err.code, KT_ERR_CORRUPT);
	assert_non_null(err.hint);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(registrations), TEST(identifiers), TEST(runtime_values), TEST(known_services),
	        TEST(texts),         TEST(journal),     TEST(configurations), TEST(damaged_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
