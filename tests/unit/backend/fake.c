#include "backend/fake/fake.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ENCLAVE "e0000000000000000000000000000000"
#define DB "d0000000000000000000000000000000"
#define WEB "b0000000000000000000000000000000"

static const kt_port_spec db_ports[] = {
	{.id = "sql", .number = 5432, .protocol = KT_TCP, .app_protocol = "postgresql"},
	{.id = "gossip", .number = 7000, .protocol = KT_UDP},
};
static const kt_service_spec db_spec = {
	.uuid = DB,
	.name = "db",
	.image = "postgres",
	.ports = db_ports,
	.ports_len = 2,
	.tini = true,
};

static int setup(void **state)
{
	kt_backend *backend = kt_fake_open(NULL);
	kt_enclave_spec spec = {.uuid = ENCLAVE, .name = "test"};
	assert_non_null(backend);
	assert_int_equal(backend->ops->enclave_create(backend, &spec, NULL), 0);
	*state = backend;
	return 0;
}

static int teardown(void **state)
{
	kt_backend_close(*state);
	return 0;
}

static void start_db(kt_backend *b, kt_arena *arena, kt_service_info *info)
{
	struct in_addr ip;
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, DB, "db", &ip, NULL), 0);
	assert_int_equal(b->ops->service_start(b, ENCLAVE, &db_spec, NULL, arena, info, NULL), 0);
}

static void test_start_reports_ports(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	start_db(b, &arena, &info);
	assert_int_equal(info.state, KT_SERVICE_RUNNING);
	assert_string_equal(info.private_ip, "172.16.0.5");
	assert_string_equal(info.public_ip, "127.0.0.1");
	assert_int_equal(info.ports_len, 2);
	assert_true(info.ports[0].public_number != 0);
	assert_int_equal(info.ports[1].public_number, 0); /* UDP is not published unasked */
	assert_int_equal(b->ops->service_stop(b, ENCLAVE, DB, 10000, NULL), 0);
	assert_int_equal(b->ops->service_inspect(b, ENCLAVE, DB, &arena, &info, NULL), 0);
	assert_int_equal(info.state, KT_SERVICE_STOPPED);
	assert_string_equal(info.public_ip, "");
	assert_int_equal(info.ports[0].public_number, 0);
}

static void test_start_needs_reservation(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = {0};
	assert_int_equal(
		b->ops->service_start(b, ENCLAVE, &db_spec, NULL, &arena, &info, &err), -1);
	assert_int_equal(err.code, KT_ERR_PRECONDITION);
}

static void test_addresses_are_lowest_free(void **state)
{
	kt_backend *b = *state;
	struct in_addr first, second, again;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, DB, "db", &first, NULL), 0);
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, WEB, "web", &second, NULL), 0);
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, DB, "db", &again, NULL), 0);
	assert_int_equal(first.s_addr, again.s_addr);
	assert_int_equal(ntohl(second.s_addr), ntohl(first.s_addr) + 1);
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, "c0", "web", &again, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXISTS);
	assert_int_equal(b->ops->service_release(b, ENCLAVE, DB, NULL), 0);
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, "c0", "cache", &again, NULL), 0);
	assert_int_equal(again.s_addr, first.s_addr);
}

static void test_dial_follows_the_script(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_fake_service script = {.name = "db", .refuse_dials = 2, .log = "starting\n"};
	kt_service_info info = {0};
	struct in_addr ip = {htonl(0xac100005U)};
	int fd = -1;
	kt_fake_script_service(b, &script);
	start_db(b, &arena, &info);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(b->ops->dial(b, ENCLAVE, ip, 5432, KT_NEVER, NULL, &fd, &err), -1);
		assert_int_equal(err.sys_errno, ECONNREFUSED);
	}
	assert_int_equal(b->ops->dial(b, ENCLAVE, ip, 5432, KT_NEVER, NULL, &fd, &err), 0);
	close(fd);
	assert_int_equal(b->ops->dial(b, ENCLAVE, ip, 9999, KT_NEVER, NULL, &fd, &err), -1);
	KT_AUTO_BUF kt_buf log = KT_BUF_INIT;
	assert_int_equal(b->ops->service_logs(b, ENCLAVE, DB, 0, &log, NULL), 0);
	assert_string_equal(kt_buf_str(&log), "starting\n");
}

static void test_exit_ends_the_wait(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_fake_service script = {
		.name = "db", .refuse_dials = -1, .exits = true, .exit_after_dials = 3,
		.exit_code = 7};
	kt_service_info info = {0};
	struct in_addr ip = {htonl(0xac100005U)};
	int fd = -1;
	int code = 0;
	kt_fake_script_service(b, &script);
	start_db(b, &arena, &info);
	assert_int_equal(kt_backend_wait_exit(b, ENCLAVE, DB, kt_now(), NULL, &code, &err), -1);
	assert_int_equal(err.code, KT_ERR_TIMEOUT);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(b->ops->dial(b, ENCLAVE, ip, 5432, KT_NEVER, NULL, &fd, NULL), -1);
	}
	assert_int_equal(kt_backend_wait_exit(b, ENCLAVE, DB, KT_NEVER, NULL, &code, NULL), 0);
	assert_int_equal(code, 7);
}

static void exec_is(kt_backend *b, const char *const *argv, int code, const char *output)
{
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_exec_spec spec = {.argv = argv, .deadline = KT_NEVER};
	assert_int_equal(b->ops->exec(b, ENCLAVE, DB, &spec, &result, NULL), 0);
	assert_int_equal(result.exit_code, code);
	assert_string_equal(kt_buf_str(&result.output), output);
}

static void test_exec(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	start_db(b, &arena, &info);
	kt_fake_file(b, "db", "/etc/motd", "welcome\n");
	kt_fake_script_exec(b, "db", "psql", 3, "no such table\n", 1);
	exec_is(b, (const char *[]){"echo", "a", "b", NULL}, 0, "a b\n");
	exec_is(b, (const char *[]){"sh", "-c", "echo 'x; y' && false; echo z", NULL}, 0,
		"x; y\nz\n");
	exec_is(b, (const char *[]){"sh", "-c", "false && echo no", NULL}, 1, "");
	exec_is(b, (const char *[]){"sh", "-c", "exit 9; echo no", NULL}, 9, "");
	exec_is(b, (const char *[]){"cat", "/etc/motd", NULL}, 0, "welcome\n");
	exec_is(b, (const char *[]){"psql", "-c", "select", NULL}, 3, "no such table\n");
	exec_is(b, (const char *[]){"psql", NULL}, 127, "psql: not found\n");
	KT_AUTO_FREE char *calls = kt_fake_calls(b);
	assert_non_null(strstr(calls, "service_start db\nexec db echo a b\n"));
}

static void test_exec_obeys_its_deadline(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_service_info info = {0};
	kt_exec_spec spec = {.argv = (const char *[]){"sleep", "infinity", NULL},
			     .deadline = kt_after_ms(1)};
	start_db(b, &arena, &info);
	assert_int_equal(b->ops->exec(b, ENCLAVE, DB, &spec, &result, &err), -1);
	assert_int_equal(err.code, KT_ERR_TIMEOUT);
}

static void test_failures_are_scripted(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = {0};
	kt_fake_fail(b, "service_start", KT_ERR_UNAVAILABLE, "out of order", 1);
	struct in_addr ip;
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, DB, "db", &ip, NULL), 0);
	assert_int_equal(
		b->ops->service_start(b, ENCLAVE, &db_spec, NULL, &arena, &info, &err), -1);
	assert_string_equal(kt_err_root(&err), "out of order");
	assert_int_equal(
		b->ops->service_start(b, ENCLAVE, &db_spec, NULL, &arena, &info, NULL), 0);
}

static void test_log_tail(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	start_db(b, &arena, &info);
	kt_fake_log(b, "db", "one\ntwo\nthree\n");
	static const char *const want[] = {"one\ntwo\nthree\n", "three\n", "two\nthree\n"};
	for (size_t lines = 0; lines < 3; lines++) {
		KT_AUTO_BUF kt_buf log = KT_BUF_INIT;
		assert_int_equal(b->ops->service_logs(b, ENCLAVE, DB, lines, &log, NULL), 0);
		assert_string_equal(kt_buf_str(&log), want[lines]);
	}
	assert_int_equal(b->ops->service_release(b, ENCLAVE, DB, NULL), 0);
	KT_AUTO_BUF kt_buf log = KT_BUF_INIT;
	assert_int_equal(b->ops->service_logs(b, ENCLAVE, DB, 1, &log, NULL), 0);
	assert_string_equal(kt_buf_str(&log), "three\n");
}

static void test_images(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_pulled_image image = {0};
	kt_pull_request request = {.ref = "nginx", .mode = KT_PULL_MISSING, .deadline = KT_NEVER};
	assert_int_equal(b->ops->image_ensure(b, &request, &arena, &image, NULL), 0);
	assert_true(image.pulled);
	assert_int_equal(b->ops->image_ensure(b, &request, &arena, &image, NULL), 0);
	assert_false(image.pulled);
	kt_fake_image broken = {
		.ref = "nope", .error_code = KT_ERR_NOT_FOUND, .error_message = "no such image"};
	kt_fake_script_image(b, &broken);
	request.ref = "nope";
	assert_int_equal(b->ops->image_ensure(b, &request, &arena, &image, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	kt_pulled_image_list list = {0};
	assert_int_equal(b->ops->image_list(b, &arena, &list, NULL), 0);
	assert_int_equal(list.len, 1);
	assert_string_equal(list.items[0].ref, "nginx");
}

static void test_fixed_port_collides(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = {0};
	kt_port_spec ports[] = {{.id = "http", .number = 80, .public_number = 8080}};
	kt_service_spec one = {.uuid = DB, .name = "db", .image = "x", .ports = ports, .ports_len = 1};
	kt_service_spec two = one;
	two.uuid = WEB;
	two.name = "web";
	struct in_addr ip;
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, DB, "db", &ip, NULL), 0);
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, WEB, "web", &ip, NULL), 0);
	assert_int_equal(b->ops->service_start(b, ENCLAVE, &one, NULL, &arena, &info, NULL), 0);
	assert_int_equal(info.ports[0].public_number, 8080);
	assert_int_equal(b->ops->service_start(b, ENCLAVE, &two, NULL, &arena, &info, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXISTS);
	assert_non_null(strstr(kt_err_root(&err), "address already in use"));
}

static void test_out_of_memory(void **state)
{
	kt_backend *b = *state;
	struct in_addr ip;
	assert_int_equal(b->ops->service_reserve(b, ENCLAVE, DB, "db", &ip, NULL), 0);
	for (long n = 0;; n++) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_service_info info = {0};
		kt_alloc_fail_after(n);
		int rc = b->ops->service_start(b, ENCLAVE, &db_spec, NULL, &arena, &info, &err);
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		if (rc == 0) {
			assert_int_equal(info.ports_len, 2);
			if (!failed) {
				break;
			}
		} else {
			assert_int_equal(err.code, KT_ERR_NOMEM);
		}
	}
}

static void take_all(void *ctx, const char *data, size_t len)
{
	kt_buf_add(ctx, data, len);
}

static int take(void *ctx, const void *data, size_t len, kt_err *err)
{
	take_all(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static void test_copy_out(void **state)
{
	kt_backend *b = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf tar = KT_BUF_INIT;
	kt_service_info info = {0};
	start_db(b, &arena, &info);
	kt_fake_file(b, "db", "/data/a.txt", "alpha");
	assert_int_equal(b->ops->copy_out(b, ENCLAVE, DB, "/data/*", take, &tar, NULL, NULL), 0);
	assert_string_equal(tar.data, "./a.txt");
	assert_memory_equal(tar.data + 512, "alpha", 5);
	assert_int_equal(tar.len, 1024 + 1024);
	assert_int_equal(b->ops->copy_out(b, ENCLAVE, DB, "/no", take, &tar, NULL, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start_reports_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_needs_reservation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses_are_lowest_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dial_follows_the_script, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit_ends_the_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_obeys_its_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures_are_scripted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_images, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed_port_collides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy_out, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
