/* The contract, as far as the fake keeps it, too. */
#include "world.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define OPS(w) (w)->ops
#define B(w) (w)->backend

/* ---- enclaves ------------------------------------------------------------------------ */

static void enclave_life(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_enclave_info info = {0};
	const kt_kv labels[] = {{"purpose", "contract"}};
	kt_enclave_spec spec = {.uuid = new_uuid(w),
				.name = "second",
				.no_internet = true,
				.production = true,
				.labels = labels,
				.labels_len = 1};
	must(OPS(w)->enclave_create(B(w), &spec, &err), &err);
	must_fail(OPS(w)->enclave_create(B(w), &spec, &err), &err, KT_ERR_EXISTS);
	kt_enclave_spec same_name = spec;
	same_name.uuid = new_uuid(w);
	must_fail(OPS(w)->enclave_create(B(w), &same_name, &err), &err, KT_ERR_EXISTS);
	must(OPS(w)->enclave_inspect(B(w), spec.uuid, &w->arena, &info, &err), &err);
	assert_string_equal(info.name, "second");
	assert_true(info.production);
	assert_int_equal(info.state, KT_ENCLAVE_EMPTY);
	assert_true(info.created_wall_ns > 0);
	assert_int_equal(info.labels_len, 1);
	assert_string_equal(info.labels[0].value, "contract");
	kt_enclave_list list = {0};
	must(OPS(w)->enclave_list(B(w), &w->arena, &list, &err), &err);
	assert_int_equal(list.len, 2);
	must(OPS(w)->enclave_stop(B(w), spec.uuid, &err), &err); /* nothing to stop */
	must(OPS(w)->enclave_destroy(B(w), spec.uuid, &err), &err);
	must_fail(OPS(w)->enclave_destroy(B(w), spec.uuid, &err), &err, KT_ERR_NOT_FOUND);
	must_fail(OPS(w)->enclave_inspect(B(w), spec.uuid, &w->arena, &info, &err), &err,
		  KT_ERR_NOT_FOUND);
	must(OPS(w)->enclave_create(B(w), &same_name, &err), &err); /* the name is free again */
}

static void enclave_stop_kills(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_enclave_info info = {0};
	kt_service_info one = start_shell(w, "one", "sleep 1000");
	kt_service_info two = start_shell(w, "two", "sleep 1000");
	must(OPS(w)->enclave_inspect(B(w), w->enclave, &w->arena, &info, &err), &err);
	assert_int_equal(info.state, KT_ENCLAVE_RUNNING);
	must(OPS(w)->enclave_stop(B(w), w->enclave, &err), &err);
	assert_int_equal(inspect(w, one.uuid).state, KT_SERVICE_STOPPED);
	assert_int_equal(inspect(w, two.uuid).exit_code, 137);
	must(OPS(w)->enclave_inspect(B(w), w->enclave, &w->arena, &info, &err), &err);
	assert_int_equal(info.state, KT_ENCLAVE_STOPPED);
}

static void unknown_things(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = {0};
	kt_service_list list = {0};
	struct in_addr ip;
	const char *nobody = new_uuid(w);
	must_fail(OPS(w)->service_inspect(B(w), w->enclave, nobody, &w->arena, &info, &err), &err,
		  KT_ERR_NOT_FOUND);
	must_fail(OPS(w)->service_list(B(w), nobody, &w->arena, &list, &err), &err,
		  KT_ERR_NOT_FOUND);
	must_fail(OPS(w)->service_reserve(B(w), nobody, nobody, "x", &ip, &err), &err,
		  KT_ERR_NOT_FOUND);
	must_fail(OPS(w)->service_stop(B(w), w->enclave, nobody, 0, &err), &err, KT_ERR_NOT_FOUND);
	must(OPS(w)->service_release(B(w), w->enclave, nobody, &err), &err);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	must_fail(OPS(w)->service_logs(B(w), w->enclave, nobody, 0, &text, &err), &err,
		  KT_ERR_NOT_FOUND);
}

/* ---- reservation --------------------------------------------------------------------- */

static void reservations(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	struct in_addr a, b, c;
	const char *one = new_uuid(w);
	const char *two = new_uuid(w);
	const char *three = new_uuid(w);
	must(OPS(w)->service_reserve(B(w), w->enclave, one, "one", &a, &err), &err);
	must(OPS(w)->service_reserve(B(w), w->enclave, two, "two", &b, &err), &err);
	assert_int_equal(ntohl(a.s_addr), 0xac100005U);
	assert_int_equal(ntohl(b.s_addr), 0xac100006U);
	must(OPS(w)->service_reserve(B(w), w->enclave, one, "one", &c, &err), &err);
	assert_int_equal(c.s_addr, a.s_addr);
	must_fail(OPS(w)->service_reserve(B(w), w->enclave, three, "two", &c, &err), &err,
		  KT_ERR_EXISTS);
	kt_service_list list = {0};
	must(OPS(w)->service_list(B(w), w->enclave, &w->arena, &list, &err), &err);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].name, "one");
	assert_string_equal(list.items[1].name, "two");
	assert_int_equal(list.items[0].state, KT_SERVICE_RESERVED);
	assert_string_equal(list.items[0].private_ip, "172.16.0.5");
	must(OPS(w)->service_release(B(w), w->enclave, one, &err), &err);
	must(OPS(w)->service_reserve(B(w), w->enclave, three, "one", &c, &err), &err);
	assert_int_equal(c.s_addr, a.s_addr);
	kt_service_spec spec = {.uuid = new_uuid(w), .name = "four", .image = IMAGE};
	kt_service_info info = {0};
	must_fail(OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &w->arena, &info, &err),
		  &err, KT_ERR_PRECONDITION);
}

/* ---- life of a service ---------------------------------------------------------------- */

static void exit_and_logs(void **state)
{
	world *w = *state;
	kt_service_info info = start_shell(w, "one", "echo first; echo second; exit 3");
	assert_int_equal(wait_exit(w, info.uuid), 3);
	info = inspect(w, info.uuid);
	assert_int_equal(info.state, KT_SERVICE_STOPPED);
	assert_int_equal(info.exit_code, 3);
	assert_false(info.oom_killed);
	assert_string_equal(logs(w, info.uuid, 0), "first\nsecond\n");
	assert_string_equal(logs(w, info.uuid, 1), "second\n");
}

static void wait_for_exit_times_out(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int code = 0;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	must_fail(kt_backend_wait_exit(B(w), w->enclave, info.uuid, kt_after_ms(20), NULL, &code,
				       &err),
		  &err, KT_ERR_TIMEOUT);
	KT_CLEANUP(kt_close_ptr) int fd = -1;
	must(OPS(w)->service_exit_fd(B(w), w->enclave, info.uuid, &fd, &err), &err);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	must(OPS(w)->service_stop(B(w), w->enclave, info.uuid, 0, &err), &err);
	assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
}

static void stop_and_restart(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_port_spec port = {.id = "http", .number = 80, .app_protocol = "http"};
	const char *const argv[] = {"sh", "-c", "exec sleep 1000", NULL};
	kt_service_spec spec = {
		.name = "one", .entrypoint = argv, .tini = true, .ports = &port, .ports_len = 1};
	kt_service_info first = start(w, &spec);
	assert_int_equal(first.state, KT_SERVICE_RUNNING);
	assert_string_equal(first.public_ip, "127.0.0.1");
	assert_true(first.ports[0].public_number != 0);
	must_fail(OPS(w)->service_restart(B(w), w->enclave, spec.uuid, &w->arena, &first, &err),
		  &err, KT_ERR_PRECONDITION);
	must(OPS(w)->service_stop(B(w), w->enclave, spec.uuid, 5000, &err), &err);
	kt_service_info stopped = inspect(w, spec.uuid);
	assert_int_equal(stopped.state, KT_SERVICE_STOPPED);
	assert_int_equal(stopped.exit_code, 143);
	assert_string_equal(stopped.public_ip, "");
	assert_int_equal(stopped.ports_len, 1);
	assert_int_equal(stopped.ports[0].number, 80);
	assert_int_equal(stopped.ports[0].public_number, 0);
	assert_string_equal(stopped.private_ip, first.private_ip);
	must(OPS(w)->service_stop(B(w), w->enclave, spec.uuid, 5000, &err), &err);
	kt_service_info again = {0};
	must(OPS(w)->service_restart(B(w), w->enclave, spec.uuid, &w->arena, &again, &err), &err);
	assert_int_equal(again.state, KT_SERVICE_RUNNING);
	assert_string_equal(again.private_ip, first.private_ip);
	assert_true(again.ports[0].public_number != 0);
}

static void restart_appends_to_the_log(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = start_shell(w, "one", "echo up");
	assert_int_equal(wait_exit(w, info.uuid), 0);
	must(OPS(w)->service_restart(B(w), w->enclave, info.uuid, &w->arena, &info, &err), &err);
	assert_int_equal(wait_exit(w, info.uuid), 0);
	assert_string_equal(logs(w, info.uuid, 0), "up\nup\n");
}

static void update_keeps_the_address(void **state)
{
	world *w = *state;
	const char *const one[] = {"sh", "-c", "echo one; exec sleep 1000", NULL};
	const char *const two[] = {"sh", "-c", "echo two; exec sleep 1000", NULL};
	kt_service_spec other = {.name = "zero", .entrypoint = one, .tini = true};
	kt_service_spec spec = {.name = "one", .entrypoint = one, .tini = true};
	start(w, &other);
	kt_service_info first = start(w, &spec);
	spec.entrypoint = two;
	kt_service_info second = start(w, &spec);
	assert_string_equal(second.private_ip, first.private_ip);
	assert_string_equal(second.entrypoint[2], two[2]);
	assert_int_equal(inspect(w, spec.uuid).state, KT_SERVICE_RUNNING);
}

static void release_frees_the_name(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = start_shell(w, "one", "echo kept; exit 0");
	assert_int_equal(wait_exit(w, info.uuid), 0);
	must(OPS(w)->service_release(B(w), w->enclave, info.uuid, &err), &err);
	must(OPS(w)->service_release(B(w), w->enclave, info.uuid, &err), &err);
	must_fail(OPS(w)->service_inspect(B(w), w->enclave, info.uuid, &w->arena, &info, &err),
		  &err, KT_ERR_NOT_FOUND);
	assert_string_equal(logs(w, info.uuid, 0), "kept\n");
	kt_service_info next = start_shell(w, "one", "sleep 1000");
	assert_string_equal(next.private_ip, "172.16.0.5");
}

static void unknown_image(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_pulled_image image = {0};
	kt_pull_request request = {
		.ref = "contract/missing:1", .mode = KT_PULL_MISSING, .deadline = kt_after_ms(WAIT_MS)};
	if (w->native) {
		request.ref = "127.0.0.1:9/contract/missing:1"; /* nobody listens there */
	}
	assert_int_equal(OPS(w)->image_ensure(B(w), &request, &w->arena, &image, &err), -1);
	assert_true(err.code == KT_ERR_NOT_FOUND || err.code == KT_ERR_UNAVAILABLE);
	kt_err_release(&err);
	request.ref = IMAGE;
	must(OPS(w)->image_ensure(B(w), &request, &w->arena, &image, &err), &err);
	assert_false(image.pulled);
	assert_string_equal(image.architecture, "amd64");
	assert_string_equal(image.cmd[0], "sleep");
	assert_null(image.entrypoint);
	kt_pulled_image_list list = {0};
	must(OPS(w)->image_list(B(w), &w->arena, &list, &err), &err);
	assert_true(list.len >= 1);
}

static void effective_command_and_env(void **state)
{
	world *w = *state;
	const kt_kv env[] = {{"MINE", "a=b c"}, {"FROM_IMAGE", "no"}};
	kt_service_spec spec = {.name = "one", .env = env, .env_len = 2, .tini = true};
	kt_service_info info = start(w, &spec);
	assert_null(info.entrypoint[0]);
	assert_string_equal(info.cmd[0], "sleep"); /* the image's */
	const char *const want[] = {"PATH=/bin", "FROM_IMAGE=no", "MINE=a=b c"};
	for (size_t i = 0; i < KT_ARRAY_LEN(want); i++) {
		bool found = false;
		for (size_t j = 0; info.env[j] != NULL; j++) {
			found = found || kt_str_eq(info.env[j], want[i]);
		}
		assert_true(found);
	}
	assert_int_equal(inspect(w, info.uuid).state, KT_SERVICE_RUNNING);
}

/* ---- exec ---------------------------------------------------------------------------- */

static void exec_results(void **state)
{
	world *w = *state;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	assert_string_equal(
		run(w, info.uuid, 0, (const char *const[]){"echo", "a b", "c", NULL}), "a b c\n");
	assert_string_equal(run_shell(w, info.uuid, 7, "echo out; echo err >&2; exit 7"),
			    "out\nerr\n");
	assert_string_equal(run_shell(w, info.uuid, 1, "false && echo no"), "");
	const char *said =
		run(w, info.uuid, 127, (const char *const[]){"/no/such/program", NULL});
	assert_true(strlen(said) > 0);
}

static void exec_needs_a_running_service(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_service_info info = start_shell(w, "one", "exit 0");
	kt_exec_spec spec = {.argv = (const char *const[]){"true", NULL}};
	wait_exit(w, info.uuid);
	must_fail(OPS(w)->exec(B(w), w->enclave, info.uuid, &spec, &result, &err), &err,
		  KT_ERR_PRECONDITION);
}

static void exec_deadline_and_cancel(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	kt_exec_spec spec = {.argv = (const char *const[]){"sleep", "1000", NULL},
			     .deadline = kt_after_ms(50)};
	must_fail(OPS(w)->exec(B(w), w->enclave, info.uuid, &spec, &result, &err), &err,
		  KT_ERR_TIMEOUT);
	kt_cancel *cancel = kt_cancel_new(NULL);
	kt_cancel_fire(cancel);
	spec.deadline = KT_NEVER;
	spec.cancel = cancel;
	must_fail(OPS(w)->exec(B(w), w->enclave, info.uuid, &spec, &result, &err), &err,
		  KT_ERR_CANCELLED);
	kt_cancel_unref(cancel);
	run(w, info.uuid, 0, (const char *const[]){"true", NULL}); /* and all is well */
}

static void count_output(void *ctx, const char *data, size_t len)
{
	(void)data;
	*(size_t *)ctx += len;
}

static void exec_output_is_bounded(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	size_t seen = 0;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	kt_exec_spec spec = {.argv = (const char *const[]){"echo", "123456789", NULL},
			     .max_output = 4,
			     .on_output = count_output,
			     .on_output_ctx = &seen,
			     .deadline = kt_after_ms(WAIT_MS)};
	must(OPS(w)->exec(B(w), w->enclave, info.uuid, &spec, &result, &err), &err);
	assert_string_equal(kt_buf_str(&result.output), "1234");
	assert_true(result.truncated);
	assert_int_equal(seen, 10);
}

static void exec_interactive(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_exec_session *session = NULL;
	int code = -1;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	kt_exec_spec spec = {.argv = (const char *const[]){"sh", "-c", "echo hello; exit 5", NULL}};
	must(OPS(w)->exec_open(B(w), w->enclave, info.uuid, &spec, &session, &err), &err);
	assert_string_equal(read_all(w, dup(session->out_fd)), "hello\n");
	session->close_input(session);
	must(session->wait(session, kt_after_ms(WAIT_MS), NULL, &code, &err), &err);
	assert_int_equal(code, 5);
	session->close(session);
}

/* ---- files --------------------------------------------------------------------------- */

static const char *host_file(world *w, const char *dir, const char *name, const char *text)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *path = kt_arena_printf(&w->arena, "%s/artifacts/%s", w->dir, dir);
	const char *file = kt_arena_printf(&w->arena, "%s/%s", path, name);
	must(kt_fs_mkdirs(path, 0755, &err), &err);
	must(kt_fs_write(file, text, strlen(text), 0644, false, &err), &err);
	return path;
}

static void files_are_mounted(void **state)
{
	world *w = *state;
	kt_file_mount files[] = {
		{"/data", host_file(w, "a", "one.txt", "one\n"), "artifact-a"},
		{"/data", host_file(w, "b", "two.txt", "two\n"), "artifact-b"},
		{"/new/deep", host_file(w, "c", "three.txt", "three\n"), "artifact-c"},
	};
	const char *const argv[] = {"sleep", "1000", NULL};
	kt_service_spec spec = {
		.name = "one", .entrypoint = argv, .files = files, .files_len = 3, .tini = true};
	kt_service_info info = start(w, &spec);
	const char *const cat[] = {"cat", "/data/one.txt", "/data/two.txt", "/new/deep/three.txt",
				   NULL};
	assert_string_equal(run(w, info.uuid, 0, cat), "one\ntwo\nthree\n");
	run(w, info.uuid, 1, (const char *const[]){"cat", "/data/seed.txt", NULL}); /* hidden */
}

/* ---- ports --------------------------------------------------------------------------- */

static void published_ports(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *const argv[] = {"sleep", "1000", NULL};
	kt_port_spec ports[] = {{.id = "tcp", .number = 80},
				{.id = "udp", .number = 53, .protocol = KT_UDP},
				{.id = "fixed", .number = 81, .public_number = 41999}};
	kt_service_spec spec = {
		.name = "one", .entrypoint = argv, .ports = ports, .ports_len = 3, .tini = true};
	kt_service_info info = start(w, &spec);
	assert_int_equal(info.ports_len, 3);
	assert_string_equal(info.ports[0].id, "tcp");
	assert_true(info.ports[0].public_number > 1024);
	assert_int_equal(info.ports[1].public_number, 0);
	assert_int_equal(info.ports[2].public_number, 41999);
	kt_service_spec rival = {.uuid = new_uuid(w),
				 .name = "two",
				 .image = IMAGE,
				 .entrypoint = argv,
				 .ports = ports + 2,
				 .ports_len = 1,
				 .tini = true};
	struct in_addr ip;
	must(OPS(w)->service_reserve(B(w), w->enclave, rival.uuid, "two", &ip, &err), &err);
	assert_int_equal(
		OPS(w)->service_start(B(w), w->enclave, &rival, NULL, &w->arena, &info, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXISTS);
	assert_non_null(strstr(kt_err_root(&err), "address already in use"));
	kt_err_release(&err);
	assert_int_equal(inspect(w, rival.uuid).state, KT_SERVICE_RESERVED);
	must(OPS(w)->service_stop(B(w), w->enclave, spec.uuid, 0, &err), &err);
	must(OPS(w)->service_start(B(w), w->enclave, &rival, NULL, &w->arena, &info, &err), &err);
}

static void dial_is_refused(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int fd = -1;
	struct in_addr ip;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	inet_pton(AF_INET, info.private_ip, &ip);
	assert_int_equal(OPS(w)->dial(B(w), w->enclave, ip, 4567, kt_after_ms(WAIT_MS), NULL, &fd,
				      &err),
			 -1);
	assert_int_equal(err.sys_errno, ECONNREFUSED);
}

/* ---- many at once -------------------------------------------------------------------- */

#define THREADS 6

typedef struct worker {
	world *w;
	char name[16];
	char uuid[33];
	bool good;
} worker;

static void *work(void *arg)
{
	worker *self = arg;
	world *w = self->w;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_service_info info = {0};
	struct in_addr ip;
	const char *const argv[] = {"sleep", "1000", NULL};
	const char *const echo[] = {"echo", self->name, NULL};
	kt_service_spec spec = {.uuid = self->uuid,
				.name = self->name,
				.image = IMAGE,
				.entrypoint = argv,
				.tini = true};
	kt_exec_spec exec = {.argv = echo, .deadline = kt_after_ms(WAIT_MS)};
	if (OPS(w)->service_reserve(B(w), w->enclave, spec.uuid, spec.name, &ip, &err) < 0 ||
	    OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &arena, &info, &err) < 0 ||
	    OPS(w)->exec(B(w), w->enclave, spec.uuid, &exec, &result, &err) < 0 ||
	    OPS(w)->service_stop(B(w), w->enclave, spec.uuid, 1000, &err) < 0) {
		KT_AUTO_FREE char *text = kt_err_chain_text(&err);
		print_message("%s: %s\n", self->name, text);
		return NULL;
	}
	self->good = result.exit_code == 0 && kt_str_starts(kt_buf_str(&result.output), self->name);
	return NULL;
}

static void many_threads(void **state)
{
	world *w = *state;
	worker workers[THREADS] = {0};
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++) {
		workers[i].w = w;
		workers[i].name[0] = (char)('a' + i);
		memcpy(workers[i].uuid, new_uuid(w), 33);
		assert_int_equal(kt_thread_start(&threads[i], 0, "worker", work, &workers[i], NULL),
				 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_true(workers[i].good);
	}
	kt_service_list list = {0};
	assert_int_equal(OPS(w)->service_list(B(w), w->enclave, &w->arena, &list, NULL), 0);
	assert_int_equal(list.len, THREADS);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, world_case_begin, world_case_end)

const struct CMUnitTest common_cases[] = {
	CASE(enclave_life),
	CASE(enclave_stop_kills),
	CASE(unknown_things),
	CASE(reservations),
	CASE(exit_and_logs),
	CASE(wait_for_exit_times_out),
	CASE(stop_and_restart),
	CASE(restart_appends_to_the_log),
	CASE(update_keeps_the_address),
	CASE(release_frees_the_name),
	CASE(unknown_image),
	CASE(effective_command_and_env),
	CASE(exec_results),
	CASE(exec_needs_a_running_service),
	CASE(exec_deadline_and_cancel),
	CASE(exec_output_is_bounded),
	CASE(exec_interactive),
	CASE(files_are_mounted),
	CASE(published_ports),
	CASE(dial_is_refused),
	CASE(many_threads),
};
const size_t common_cases_len = KT_ARRAY_LEN(common_cases);
