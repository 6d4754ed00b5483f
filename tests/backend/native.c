/* What only real processes and networks can show. */
#include "world.h"

#include "backend/native/paths.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "files/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPS(w) (w)->ops
#define B(w) (w)->backend

static kt_service_info start_web(world *w, const char *name)
{
	static const char *const argv[] = {"httpd", "-f", "-p", "8080", "-h", "/www", NULL};
	static const kt_port_spec ports[] = {{.id = "http", .number = 8080}};
	kt_service_spec spec = {
		.name = name, .entrypoint = argv, .ports = ports, .ports_len = 1, .tini = true};
	kt_service_info info = start(w, &spec);
	close(dial_until_open(w, info.private_ip, 8080));
	return info;
}

static const char *get(world *w, int fd)
{
	static const char request[] = "GET /index.html HTTP/1.0\r\n\r\n";
	assert_true(fd >= 0);
	assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	return read_all(w, fd);
}

/* ---- network ------------------------------------------------------------------------- */

static void names_and_connections(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info web = start_web(w, "web");
	kt_service_info client = start_shell(w, "client", "sleep 1000");
	const char *page = run_shell(w, client.uuid, 0, "wget -q -O - http://web:8080/index.html");
	assert_string_equal(page, "hello from the image\n");
	run_shell(w, client.uuid, 0, "nslookup web 172.16.0.1 | grep 172.16.0.5");
	run_shell(w, client.uuid, 0, "ping -c 1 -W 5 web");
	run_shell(w, client.uuid, 0, "ping -c 1 -W 5 $(hostname) | grep 172.16.0.6");
	run_shell(w, client.uuid, 1, "nslookup nobody");
	must(OPS(w)->service_stop(B(w), w->enclave, web.uuid, 1000, &err), &err);
	run_shell(w, client.uuid, 1, "nslookup web"); /* not while it is stopped */
}

static void published_ports_carry(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info web = start_web(w, "web");
	uint16_t port = web.ports[0].public_number;
	assert_non_null(strstr(get(w, connect_host(port, false)), "hello from the image"));
	assert_non_null(strstr(get(w, connect_host(port, true)), "hello from the image"));
	must(OPS(w)->service_stop(B(w), w->enclave, web.uuid, 1000, &err), &err);
	assert_int_equal(connect_host(port, false), -1);
	assert_int_equal(errno, ECONNREFUSED);
	must(OPS(w)->service_restart(B(w), w->enclave, web.uuid, &w->arena, &web, &err), &err);
	close(dial_until_open(w, web.private_ip, 8080));
	port = web.ports[0].public_number;
	assert_non_null(strstr(get(w, connect_host(port, false)), "hello from the image"));
}

static void enclaves_are_apart(void **state)
{
	world *w = *state;
	kt_service_info first = start_web(w, "web");
	char main_enclave[33];
	memcpy(main_enclave, w->enclave, sizeof(main_enclave));
	const char *other = new_enclave(w, "other", true);
	memcpy(w->enclave, other, sizeof(w->enclave));
	kt_service_info lonely = start_shell(w, "lonely", "sleep 1000");
	assert_string_equal(lonely.private_ip, first.private_ip); /* each has its own .5 */
	run_shell(w, lonely.uuid, 1, "wget -q -O - http://172.16.0.5:8080/");
	run_shell(w, lonely.uuid, 1, "nslookup web");
	char script[128];
	snprintf(script, sizeof(script), "wget -q -O - http://172.16.0.1:%u/",
		 (unsigned)first.ports[0].public_number);
	run_shell(w, lonely.uuid, 1, script);
	memcpy(w->enclave, main_enclave, sizeof(w->enclave));
}

static void listening_inside(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	struct in_addr ip;
	char text[INET_ADDRSTRLEN];
	KT_AUTO_FD int fd = -1;
	kt_service_info client = start_shell(w, "client", "sleep 1000");
	must(OPS(w)->listen(B(w), w->enclave, 7443, &fd, &ip, &err), &err);
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	char script[128];
	snprintf(script, sizeof(script), "echo ping | nc -w 5 %s 7443", text);
	kt_exec_session *session = NULL;
	kt_exec_spec spec = {.argv = (const char *const[]){"sh", "-c", script, NULL}};
	must(OPS(w)->exec_open(B(w), w->enclave, client.uuid, &spec, &session, &err), &err);
	must(kt_wait_fd(fd, POLLIN, kt_after_ms(WAIT_MS), NULL, &err), &err);
	KT_AUTO_FD int line = accept(fd, NULL, NULL);
	char block[16] = "";
	must(kt_wait_fd(line, POLLIN, kt_after_ms(WAIT_MS), NULL, &err), &err);
	assert_int_equal(read(line, block, sizeof(block)), 5);
	assert_memory_equal(block, "ping\n", 5);
	session->close(session);
}

/* ---- processes ----------------------------------------------------------------------- */

static void image_settings_apply(void **state)
{
	world *w = *state;
	kt_service_spec spec = {.name = "one", .image = APP_IMAGE, .tini = true};
	kt_service_info info = start(w, &spec);
	const char *said = run_shell(w, info.uuid, 0, "pwd; id; echo $FROM_IMAGE $HOME $HOSTNAME");
	assert_non_null(strstr(said, "/srv\nuid=1000(app) gid=1000(app) groups=1000(app),2000(extra)"));
	assert_non_null(strstr(said, "\nyes /srv "));
	const char *host = run_shell(w, info.uuid, 0, "hostname");
	assert_memory_equal(host, info.uuid, 12);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_exec_spec root = {.argv = (const char *const[]){"id", "-u", NULL},
			     .user = "root",
			     .deadline = kt_after_ms(WAIT_MS)};
	must(OPS(w)->exec(B(w), w->enclave, info.uuid, &root, &result, &err), &err);
	assert_string_equal(kt_buf_str(&result.output), "0\n");
	assert_non_null(strstr(logs(w, info.uuid, 0), "uid=1000(app)")); /* its own command */
}

static void user_override(void **state)
{
	world *w = *state;
	const char *const argv[] = {"sh", "-c", "id; echo to stderr >&2", NULL};
	kt_service_spec spec = {
		.name = "one", .entrypoint = argv, .user = "4242:4343", .tini = false};
	kt_service_info info = start(w, &spec);
	assert_int_equal(wait_exit(w, info.uuid), 0);
	assert_string_equal(logs(w, info.uuid, 0), "uid=4242 gid=4343 groups=4343\nto stderr\n");
}

static void program_missing(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *const argv[] = {"/no/such/program", NULL};
	kt_service_spec spec = {.uuid = new_uuid(w),
				.name = "one",
				.image = IMAGE,
				.entrypoint = argv,
				.tini = true};
	kt_service_info info;
	struct in_addr ip;
	must(OPS(w)->service_reserve(B(w), w->enclave, spec.uuid, "one", &ip, &err), &err);
	assert_int_equal(
		OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &w->arena, &info, &err), -1);
	KT_AUTO_FREE char *text = kt_err_text(&err);
	assert_non_null(strstr(text, "/no/such/program"));
	assert_int_equal(inspect(w, spec.uuid).state, KT_SERVICE_RESERVED);
	spec.entrypoint = (const char *const[]){"true", NULL};
	kt_err_release(&err);
	must(OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &w->arena, &info, &err), &err);
}

static void exec_codes(void **state)
{
	world *w = *state;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	run(w, info.uuid, 126, (const char *const[]){"/srv/not-a-program", NULL});
	run_shell(w, info.uuid, 137, "kill -9 $$");
	/* A background process that keeps the pipe open does not hold the result back. */
	kt_instant before = kt_now();
	assert_string_equal(run_shell(w, info.uuid, 0, "sleep 30 & echo done"), "done\n");
	assert_true(kt_now() - before < 10 * KT_NS_PER_S);
	const char *big = run_shell(w, info.uuid, 0, "seq 1 100000 | tail -n 1");
	assert_string_equal(big, "100000\n");
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_exec_spec spec = {.argv = (const char *const[]){"seq", "1", "200000", NULL},
			     .deadline = kt_after_ms(WAIT_MS)};
	must(OPS(w)->exec(B(w), w->enclave, info.uuid, &spec, &result, &err), &err);
	assert_int_equal(result.output.len, 1288895);
}

static void stubborn_is_killed(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info =
		start_shell(w, "one", "trap '' TERM; touch /ready; while true; do sleep 1; done");
	run_shell(w, info.uuid, 0, "until test -e /ready; do sleep 0.01; done");
	must(OPS(w)->service_stop(B(w), w->enclave, info.uuid, 50, &err), &err);
	assert_int_equal(inspect(w, info.uuid).exit_code, 137);
}

static void memory_limit(void **state)
{
	world *w = *state;
	const char *const argv[] = {"sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1; exit 1",
				    NULL};
	kt_service_spec spec = {.name = "one", .entrypoint = argv, .memory_mb = 20, .tini = true};
	kt_service_info info = start(w, &spec);
	(void)wait_exit(w, info.uuid);
	info = inspect(w, info.uuid);
	if (!info.oom_killed) {
		print_message("this host limits no memory, or does not tell: skipped\n");
		skip();
	}
	assert_true(info.exit_code != 0);
}

static void terminal(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_exec_session *session = NULL;
	int code = -1;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	kt_exec_spec spec = {.argv = (const char *const[]){"sh", NULL},
			     .tty = true,
			     .rows = 33,
			     .cols = 77};
	must(OPS(w)->exec_open(B(w), w->enclave, info.uuid, &spec, &session, &err), &err);
	must(session->resize(session, 44, 88, &err), &err);
	static const char script[] = "tty && stty size; exit 4\n";
	assert_int_equal(write(session->in_fd, script, sizeof(script) - 1), sizeof(script) - 1);
	must(session->wait(session, kt_after_ms(WAIT_MS), NULL, &code, &err), &err);
	assert_int_equal(code, 4);
	const char *said = read_all(w, dup(session->out_fd));
	session->close(session);
	assert_non_null(strstr(said, "/dev/pts/"));
	assert_non_null(strstr(said, "44 88"));
}

/* Waits until the service has written this line so often. */
static void await_lines(world *w, const char *uuid, size_t count)
{
	kt_instant deadline = kt_after_ms(WAIT_MS);
	for (;;) {
		const char *text = logs(w, uuid, 0);
		size_t found = 0;
		for (const char *c = text; *c != '\0'; c++) {
			found += *c == '\n' ? 1 : 0;
		}
		if (found >= count) {
			return;
		}
		assert_true(kt_now() < deadline);
		(void)kt_wait_fd(-1, 0, kt_after_ms(20), NULL, NULL);
	}
}

static void always_restarted(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *const argv[] = {"sh", "-c", "echo up; exit 1", NULL};
	const char *const calm[] = {"sh", "-c", "echo up; exec sleep 1000", NULL};
	kt_service_spec spec = {
		.name = "one", .entrypoint = argv, .tini = true, .restart_always = true};
	kt_service_spec other = {
		.name = "two", .entrypoint = calm, .tini = true, .restart_always = true};
	start(w, &spec);
	await_lines(w, spec.uuid, 3);
	must(OPS(w)->service_release(B(w), w->enclave, spec.uuid, &err), &err);
	start(w, &other);
	run_shell(w, other.uuid, 137, "kill -9 -1; kill -9 $$"); /* its own process goes, too */
	await_lines(w, other.uuid, 2);
	must(OPS(w)->service_stop(B(w), w->enclave, other.uuid, 1000, &err), &err);
	(void)kt_wait_fd(-1, 0, kt_after_ms(300), NULL, NULL); /* longer than its pause */
	assert_int_equal(inspect(w, other.uuid).state, KT_SERVICE_STOPPED);
}

static void spec_settings(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *const argv[] = {
		"sh", "-c", "trap 'echo got USR1; exit 9' USR1; tty; ulimit -n; touch /ready; sleep 1000 & wait",
		NULL};
	const kt_ulimit limits[] = {{"nofile", 123}, {"core", 0}};
	const char *const caps[] = {"NET_ADMIN", NULL};
	const char *const devices[] = {"/dev/loop-control", NULL};
	const bool has_device = access(devices[0], F_OK) == 0;
	kt_service_spec spec = {.name = "one",
				.entrypoint = argv,
				.tini = true,
				.tty = true,
				.hostname = "my-host",
				.working_dir = "/made/for/it",
				.stop_signal = "SIGUSR1",
				.shm_bytes = 1 << 20,
				.ulimits = limits,
				.ulimits_len = 2,
				.capabilities = caps,
				.devices = has_device ? devices : NULL};
	kt_service_info info = start(w, &spec);
	assert_string_equal(info.hostname, "my-host");
	run_shell(w, info.uuid, 0, "until test -e /ready; do sleep 0.01; done");
	assert_string_equal(run_shell(w, info.uuid, 0, "hostname; pwd"),
			    "my-host\n/made/for/it\n");
	run_shell(w, info.uuid, 0, "ip link set lo mtu 1400"); /* NET_ADMIN */
	run_shell(w, info.uuid, 0, "grep -E '^shm? /dev/shm .*size=1024k' /proc/mounts || "
				   "grep '/dev/shm .*size=1024k' /proc/mounts");
	run_shell(w, info.uuid, 0, "ping -c 1 -W 5 my-host");
	if (has_device) {
		run_shell(w, info.uuid, 0, "test -c /dev/loop-control");
	}
	must(OPS(w)->service_stop(B(w), w->enclave, info.uuid, 10000, &err), &err);
	assert_int_equal(inspect(w, info.uuid).exit_code, 9);
	const char *said = logs(w, info.uuid, 0);
	assert_non_null(strstr(said, "/dev/pts/"));
	assert_non_null(strstr(said, "got USR1"));
	assert_non_null(strstr(said, "123"));
	spec.stop_signal = "SIGNONSENSE";
	assert_int_equal(
		OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &w->arena, &info, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
	kt_err_release(&err);
	spec.stop_signal = NULL;
	spec.gpu.count = 1;
	must_fail(OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &w->arena, &info, &err),
		  &err, KT_ERR_UNSUPPORTED);
	spec.gpu.count = 0;
	spec.memory_mb = 5;
	must_fail(OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &w->arena, &info, &err),
		  &err, KT_ERR_INVALID);
}

/* ---- files --------------------------------------------------------------------------- */

static void persistent_directories(void **state)
{
	world *w = *state;
	const char *const argv[] = {"sleep", "1000", NULL};
	const kt_persistent_dir dirs[] = {{.mount_path = "/data", .key = "shared"}};
	kt_service_spec one = {.name = "one",
			       .entrypoint = argv,
			       .persistent = dirs,
			       .persistent_len = 1,
			       .tini = true};
	kt_service_spec two = one;
	two.name = "two";
	start(w, &one);
	start(w, &two);
	assert_string_equal(run_shell(w, one.uuid, 0, "cat /data/seed.txt; echo kept > /data/new"),
			    "seed of the image\n");
	assert_string_equal(run_shell(w, two.uuid, 0, "cat /data/new; rm /data/seed.txt"), "kept\n");
	start(w, &one); /* update: a fresh container, the same directory */
	assert_string_equal(run_shell(w, one.uuid, 0, "ls /data"), "new\n");
}

static void own_copies_of_files(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *dir = kt_arena_printf(&w->arena, "%s/artifacts/x", w->dir);
	const char *file = kt_arena_printf(&w->arena, "%s/f", dir);
	must(kt_fs_mkdirs(dir, 0755, &err), &err);
	must(kt_fs_write(file, "source", 6, 0750, false, &err), &err);
	const kt_file_mount files[] = {{"/mounted", dir, "x"}};
	const char *const argv[] = {"sleep", "1000", NULL};
	kt_service_spec spec = {
		.name = "one", .entrypoint = argv, .files = files, .files_len = 1, .tini = true};
	start(w, &spec);
	run_shell(w, spec.uuid, 0, "echo changed > /mounted/f; test -x /mounted/f");
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	must(kt_fs_read(file, 100, &text, &err), &err);
	assert_string_equal(kt_buf_str(&text), "source");
	must(OPS(w)->service_stop(B(w), w->enclave, spec.uuid, 0, &err), &err);
	kt_service_info info;
	must(OPS(w)->service_restart(B(w), w->enclave, spec.uuid, &w->arena, &info, &err), &err);
	assert_string_equal(run_shell(w, spec.uuid, 0, "cat /mounted/f"), "changed\n");
}

static int collect(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

/* "name:content;" of every file, "name/;" of every directory, in the order of the archive. */
static const char *listing(world *w, const kt_buf *archive)
{
	kt_mem mem = {archive->data, archive->len};
	kt_tar_reader *tar = kt_tar_reader_new(kt_source_mem(&mem), NULL, NULL);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const kt_tar_entry *entry = NULL;
	while (kt_tar_next(tar, &entry, NULL) == 1) {
		const void *data = NULL;
		size_t len = 0;
		const char *name = kt_str_starts(entry->path, "./") ? entry->path + 2 : entry->path;
		kt_buf_adds(&text, name);
		while (entry->type == KT_TAR_FILE && kt_tar_data(tar, &data, &len, NULL) == 1) {
			kt_buf_addc(&text, ':');
			kt_buf_add(&text, data, len);
		}
		kt_buf_addc(&text, ';');
	}
	kt_tar_reader_free(tar);
	return kt_arena_strdup(&w->arena, kt_buf_str(&text));
}

static const char *copy(world *w, const char *uuid, const char *path)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf archive = KT_BUF_INIT;
	must(OPS(w)->copy_out(B(w), w->enclave, uuid, path, collect, &archive, NULL, &err), &err);
	return listing(w, &archive);
}

static void copying_out(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf archive = KT_BUF_INIT;
	kt_service_info info = start_shell(
		w, "one", "mkdir -p /out/sub; printf a > /out/a; printf b > /out/sub/b; "
			  "ln -s /etc/passwd /out/link; rm -f /data/seed.txt; "
			  "printf n > /data/new; echo ready; exec sleep 1000");
	run_shell(w, info.uuid, 0, "until test -e /data/new; do sleep 0.01; done");
	for (int round = 0; round < 2; round++) { /* running, then stopped */
		assert_string_equal(copy(w, info.uuid, "/out"), "a:a;link;sub/;sub/b:b;");
		assert_string_equal(copy(w, info.uuid, "/out/*"), "a:a;link;sub/;sub/b:b;");
		assert_string_equal(copy(w, info.uuid, "/out/sub/b"), "b:b;");
		assert_string_equal(copy(w, info.uuid, "/data"), "new:n;");
		assert_string_equal(copy(w, info.uuid, "/www/index.html"),
				    "index.html:hello from the image\n;");
		must_fail(OPS(w)->copy_out(B(w), w->enclave, info.uuid, "/no/such", collect,
					   &archive, NULL, &err),
			  &err, KT_ERR_NOT_FOUND);
		must(OPS(w)->service_stop(B(w), w->enclave, info.uuid, 0, &err), &err);
	}
}

/* A link made inside must not lead to this host's files. */
static void links_stay_inside(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *secret = kt_arena_printf(&w->arena, "%s/secret", w->dir);
	must(kt_fs_write(secret, "host", 4, 0644, false, &err), &err);
	const char *script = kt_arena_printf(
		&w->arena,
		"ln -s ../../../../../../../../../..%s /srv/link; exec sleep 1000", secret);
	kt_service_info info = start_shell(w, "one", script);
	run_shell(w, info.uuid, 0, "until test -L /srv/link; do sleep 0.01; done");
	KT_AUTO_BUF kt_buf archive = KT_BUF_INIT;
	must_fail(OPS(w)->copy_out(B(w), w->enclave, info.uuid, "/srv/link", collect, &archive,
				   NULL, &err),
		  &err, KT_ERR_NOT_FOUND);
}

/* ---- crashes ------------------------------------------------------------------------- */

static void kill_supervisor(world *w)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *path =
		kt_arena_printf(&w->arena, "%s/run/enclaves/%s/lock", w->dir, w->enclave);
	must(kt_fs_read(path, 64, &text, &err), &err);
	pid_t pid = (pid_t)strtol(kt_buf_str(&text), NULL, 10);
	assert_true(pid > 1);
	KT_AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(fd >= 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	must(kt_wait_fd(fd, POLLIN, kt_after_ms(WAIT_MS), NULL, &err), &err);
}

static void supervisor_dies(void **state)
{
	world *w = *state;
	kt_service_info web = start_web(w, "web");
	kt_service_info client = start_shell(w, "client", "sleep 1000");
	uint16_t port = web.ports[0].public_number;
	kill_supervisor(w);
	assert_int_equal(inspect(w, web.uuid).state, KT_SERVICE_RUNNING); /* starts a new one */
	assert_non_null(strstr(get(w, connect_host(port, false)), "hello from the image"));
	run_shell(w, client.uuid, 0, "wget -q -O - http://web:8080/index.html");
	kill_supervisor(w);
	run_shell(w, client.uuid, 0, "true"); /* exec finds a new one, too */
	start_shell(w, "late", "sleep 1000");
	kill_supervisor(w); /* and destroying the enclave does (world_case_end) */
}

/* A supervisor that does not answer any more must not keep an enclave alive. */
static void unusable_supervisor(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	start_web(w, "web");
	kill_supervisor(w);
	const char *path =
		kt_arena_printf(&w->arena, "%s/run/enclaves/%s/sup.sock", w->dir, w->enclave);
	must(kt_fs_remove_tree(path, &err), &err); /* a directory where the socket belongs */
	must(kt_fs_mkdirs(kt_arena_printf(&w->arena, "%s/x", path), 0755, &err), &err);
	must(OPS(w)->enclave_destroy(B(w), w->enclave, &err), &err);
}

/* After the host's restart the runtime directory is gone; services are stopped, files kept. */
static void after_a_reboot(void **state)
{
	world *w = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_enclave_info enclave = {0};
	kt_service_info web = start_web(w, "web");
	run_shell(w, web.uuid, 0, "echo kept > /www/index.html");
	const char *home = kt_arena_printf(&w->arena, "%s/home/enclaves", w->dir);
	const char *runtime = kt_arena_printf(&w->arena, "%s/run/enclaves", w->dir);
	const char *saved = kt_arena_printf(&w->arena, "%s/saved", w->dir);
	/* Ended as a whole, the records and files put back afterwards. */
	must(kt_fs_mkdirs(saved, 0755, &err), &err);
	must(kt_fs_copy_tree(home, saved, &err), &err);
	must(OPS(w)->enclave_destroy(B(w), w->enclave, &err), &err);
	must(kt_fs_copy_tree(saved, home, &err), &err);
	must(OPS(w)->enclave_inspect(B(w), w->enclave, &w->arena, &enclave, &err), &err);
	assert_int_equal(enclave.state, KT_ENCLAVE_STOPPED);
	kt_service_info info = inspect(w, web.uuid);
	assert_int_equal(info.state, KT_SERVICE_STOPPED);
	assert_int_equal(info.exit_code, KT_EXIT_UNKNOWN);
	assert_false(kt_fs_exists(kt_arena_printf(&w->arena, "%s/%s", runtime, w->enclave)));
	assert_string_equal(copy(w, web.uuid, "/www/index.html"), "index.html:kept\n;");
	must(OPS(w)->service_restart(B(w), w->enclave, web.uuid, &w->arena, &web, &err), &err);
	assert_string_equal(web.private_ip, info.private_ip);
	close(dial_until_open(w, web.private_ip, 8080));
	assert_non_null(strstr(get(w, connect_host(web.ports[0].public_number, false)), "kept"));
}

/* ---- the way out --------------------------------------------------------------------- */

static void sealed(void **state)
{
	world *w = *state;
	kt_service_info info = start_shell(w, "one", "sleep 1000");
	run_shell(w, info.uuid, 1, "wget -q -O - http://198.51.100.1/");
	run_shell(w, info.uuid, 1, "nslookup example.org");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, world_case_begin, world_case_end)

const struct CMUnitTest native_cases[] = {
	CASE(names_and_connections),
	CASE(published_ports_carry),
	CASE(enclaves_are_apart),
	CASE(listening_inside),
	CASE(image_settings_apply),
	CASE(user_override),
	CASE(program_missing),
	CASE(exec_codes),
	CASE(stubborn_is_killed),
	CASE(always_restarted),
	CASE(spec_settings),
	CASE(memory_limit),
	CASE(terminal),
	CASE(persistent_directories),
	CASE(own_copies_of_files),
	CASE(copying_out),
	CASE(links_stay_inside),
	CASE(supervisor_dies),
	CASE(unusable_supervisor),
	CASE(after_a_reboot),
	CASE(sealed),
};
const size_t native_cases_len = KT_ARRAY_LEN(native_cases);
