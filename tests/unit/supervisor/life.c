/*
 * What happens to services over time: commands in them, stopping, starting again, the loss and
 * return of their supervisor, and the end of the enclave.
 */
#include "fixture.h"

#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part)) {
		fail_msg("'%s' is not in:\n%s", part, text ? text : "(nothing)");
	}
}

/* The one service of a list reply. */
static void get_service(fixture *fx, const char *id, fx_reply *reply, kt_sup_reader *ret)
{
	kt_sup_field field;

	fx_simple(fx, KT_SUP_SERVICE_LIST, id, reply);
	assert_true(kt_sup_find(&reply->fields, KT_SUP_F_SERVICE, &field));
	assert_int_equal(kt_sup_open_group(&field, ret, NULL), 0);
}

static uint64_t service_number(fixture *fx, const char *id, uint16_t tag, uint64_t fallback)
{
	kt_sup_reader fields;
	fx_reply reply;
	uint64_t value;

	get_service(fx, id, &reply, &fields);
	value = kt_sup_get_num(&fields, tag, fallback);
	fx_reply_deinit(&reply);
	return value;
}

static int stop(fixture *fx, const char *id, uint64_t grace_ms)
{
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	int code;

	fx_begin(fx, &msg, KT_SUP_SERVICE_STOP);
	kt_sup_put_str(&msg, KT_SUP_F_ID, id);
	kt_sup_put_num(&msg, KT_SUP_F_GRACE_MS, grace_ms);
	fx_call_ok(fx, &msg, &reply);
	code = (int)kt_sup_get_num(&reply.fields, KT_SUP_F_EXIT_CODE, 1000);
	fx_reply_deinit(&reply);
	return code;
}

static void end_process(pid_t pid)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	assert_true(p.fd >= 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(poll(&p, 1, 10000), 1);
	close(p.fd);
}

static void test_exec(void **state)
{
	fixture *fx = *state;
	char *text;
	int code = -1;

	FX_OR_SKIP(fx);
	fx_launch(fx, "e", 5, "wait", NULL);
	text = fx_exec(fx, "e", NULL, &code, "both", NULL);
	assert_string_equal(text, "to stdout\nno newline at endto stderr\n");
	assert_int_equal(code, 0);
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "exit", "42", NULL);
	assert_int_equal(code, 42);
	kt_free(text);
	text = fx_exec(fx, "e", "postgres", &code, "who", NULL);
	assert_has(text, " uid=70 gid=71 groups=71,90\n");
	assert_has(text, "env HOME=/var/lib/pg\n");
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "cat", "/proc/self/status", NULL);
	assert_has(text, "CapPrm:\t00000000a80425fb\n");
	assert_has(text, "CapBnd:\t00000000a80425fb\n");
	assert_has(text, "Seccomp:\t2\n");
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "calls", NULL);
	assert_has(text, "mount=EPERM\n");
	assert_has(text, "setns=EPERM\n");
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "cat", "/proc/1/comm", NULL);
	assert_string_equal(text, "init\n");
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "cat", "/proc/1/status", NULL);
	assert_has(text, "CapPrm:\t0000000000000020\n"); /* CAP_KILL */
	assert_has(text, "CapBnd:\t0000000000000000\n");
	assert_has(text, "Seccomp:\t2\n");
	kt_free(text);
	/* init's memory, executable and environment are not for the service */
	text = fx_exec(fx, "e", NULL, &code, "cat", "/proc/1/environ", NULL);
	assert_has(text, "cannot open");
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "write", "/proc/1/exe", "x", NULL);
	assert_has(text, "write=E");
	kt_free(text);
	text = fx_exec(fx, "e", NULL, &code, "cat", "/proc/1/cmdline", NULL);
	assert_memory_equal(text, "kurtosis-init", 14);
	kt_free(text);
	fx_remove(fx, "e");
}

static void test_exec_failures(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;

	FX_OR_SKIP(fx);
	fx_launch(fx, "e", 5, "wait", NULL);
	fx_wait_log(fx, "e", "waiting");
	fx_begin(fx, &msg, KT_SUP_EXEC);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "e");
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "no-such-program");
	fx_call_ok(fx, &msg, &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_EXIT_CODE, 0), 127);
	assert_has(kt_sup_get_str(&reply.fields, KT_SUP_F_MESSAGE), "not found in $PATH");
	fx_reply_deinit(&reply);
	fx_begin(fx, &msg, KT_SUP_EXEC);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "e");
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "/etc/plain");
	fx_call_ok(fx, &msg, &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_EXIT_CODE, 0), 126);
	fx_reply_deinit(&reply);
	assert_int_equal(stop(fx, "e", 5000), 7);
	fx_begin(fx, &msg, KT_SUP_EXEC);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "e");
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "probe");
	fx_call(fx, &msg, NULL, 0, &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 0), KT_ERR_PRECONDITION);
	fx_reply_deinit(&reply);
	fx_remove(fx, "e");
}

static void test_exec_terminal(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	kt_buf text = KT_BUF_INIT;
	fx_reply reply;
	char block[512];
	ssize_t n;

	FX_OR_SKIP(fx);
	fx_launch(fx, "e", 5, "wait", NULL);
	fx_begin(fx, &msg, KT_SUP_EXEC);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "e");
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "probe");
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "who");
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_TTY);
	kt_sup_put_num(&msg, KT_SUP_F_ROWS, 24);
	kt_sup_put_num(&msg, KT_SUP_F_COLS, 80);
	fx_call_ok(fx, &msg, &reply);
	assert_int_equal(reply.fd_count, 1);
	while ((n = read(reply.fds[0], block, sizeof(block))) > 0) {
		kt_buf_add(&text, block, (size_t)n);
	}
	assert_has(kt_buf_str(&text), "tty=1\r\n");
	assert_has(kt_buf_str(&text), "env TERM=xterm\r\n");
	kt_buf_deinit(&text);
	fx_reply_deinit(&reply);
	fx_remove(fx, "e");
}

static void test_stop_and_start(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	char *text;
	int code;

	FX_OR_SKIP(fx);
	fx_launch(fx, "s", 5, "wait", NULL);
	fx_wait_log(fx, "s", "waiting");
	text = fx_exec(fx, "s", NULL, &code, "write", "/kept", "still here\n", NULL);
	kt_free(text);
	assert_int_equal(stop(fx, "s", 10000), 7); /* it heard SIGTERM through init */
	assert_int_equal(service_number(fx, "s", KT_SUP_F_STATE, 0), KT_SUP_STATE_STOPPED);
	assert_int_equal(stop(fx, "s", 10000), 7); /* again: no harm */
	fx_simple(fx, KT_SUP_SERVICE_START, "s", &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99), KT_ERR_OK);
	fx_reply_deinit(&reply);
	text = fx_exec(fx, "s", NULL, &code, "cat", "/kept", NULL);
	assert_string_equal(text, "still here\n");
	kt_free(text);
	fx_remove(fx, "s");
	/* a writable layer that ignores fsync is usable again, too */
	fx_spec(fx, &msg, "vol", 5, "wait", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_VOLATILE);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	text = fx_exec(fx, "vol", NULL, &code, "write", "/kept", "still here\n", NULL);
	kt_free(text);
	assert_int_equal(stop(fx, "vol", 0), 128 + 9);
	fx_simple(fx, KT_SUP_SERVICE_START, "vol", &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99), KT_ERR_OK);
	fx_reply_deinit(&reply);
	text = fx_exec(fx, "vol", NULL, &code, "cat", "/kept", NULL);
	assert_string_equal(text, "still here\n");
	kt_free(text);
	fx_remove(fx, "vol");
	/* one that does not listen is killed */
	fx_launch(fx, "deaf", 5, "ignore", NULL);
	fx_wait_log(fx, "deaf", "waiting");
	assert_int_equal(stop(fx, "deaf", 50), 128 + 9);
	fx_remove(fx, "deaf");
}

static void test_restart_policy(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	uint64_t first;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "again", 5, "wait", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_RESTART_ALWAYS);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	fx_wait_log(fx, "again", "waiting");
	fx_wait_started(fx, "again");
	first = service_number(fx, "again", KT_SUP_F_PID, 0);
	end_process((pid_t)first);
	assert_int_equal(fx_wait_exit(fx, "again"), 7);
	fx_wait_started(fx, "again");
	assert_int_not_equal(service_number(fx, "again", KT_SUP_F_PID, 0), first);
	/* what was stopped on purpose stays so, for the next supervisor, too */
	(void)stop(fx, "again", 0);
	fx_kill(fx);
	fx_start(fx);
	assert_int_equal(service_number(fx, "again", KT_SUP_F_STATE, 0), KT_SUP_STATE_STOPPED);
	fx_remove(fx, "again");
	/* one that ended while nobody watched is started by the next supervisor */
	fx_spec(fx, &msg, "again", 5, "wait", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_RESTART_ALWAYS);
	fx_call_ok(fx, &msg, &reply);
	first = kt_sup_get_num(&reply.fields, KT_SUP_F_PID, 0);
	fx_reply_deinit(&reply);
	fx_wait_log(fx, "again", "waiting");
	fx_kill(fx);
	end_process((pid_t)first);
	fx_start(fx);
	fx_wait_started(fx, "again");
	fx_remove(fx, "again");
}

static void test_orphans_are_reaped(void **state)
{
	fixture *fx = *state;

	FX_OR_SKIP(fx);
	fx_launch(fx, "o", 5, "orphan", NULL);
	fx_wait_log(fx, "o", "orphan of 1\n");
	fx_remove(fx, "o");
}

static void test_dial_and_listen(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	struct pollfd p;
	char answer[8] = {0};
	char port[16];
	char *text;
	int listener;
	int code;

	FX_OR_SKIP(fx);
	fx_launch(fx, "d", 7, "serve", "8080", NULL);
	fx_wait_log(fx, "d", "listening");
	fx_begin(fx, &msg, KT_SUP_DIAL);
	kt_sup_put_str(&msg, KT_SUP_F_IP, "172.16.0.7");
	kt_sup_put_num(&msg, KT_SUP_F_PORT, 8080);
	fx_call_ok(fx, &msg, &reply);
	assert_int_equal(reply.fd_count, 1);
	p = (struct pollfd){.fd = reply.fds[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(reply.fds[0], answer, 3), 3);
	assert_string_equal(answer, "OK\n");
	fx_reply_deinit(&reply);

	fx_begin(fx, &msg, KT_SUP_LISTEN);
	kt_sup_put_num(&msg, KT_SUP_F_PORT, 0);
	fx_call_ok(fx, &msg, &reply);
	assert_int_equal(reply.fd_count, 1);
	listener = reply.fds[0];
	snprintf(port, sizeof(port), "%d", (int)kt_sup_get_num(&reply.fields, KT_SUP_F_PORT, 0));
	close(listener); /* nobody listens now: but the port was inside */
	reply.fds[0] = -1;
	fx_reply_deinit(&reply);
	text = fx_exec(fx, "d", NULL, &code, "dial", "172.16.0.1", port, NULL);
	assert_string_equal(text, "connect=ECONNREFUSED\n");
	kt_free(text);
	fx_remove(fx, "d");
}

static void test_stats(void **state)
{
	fixture *fx = *state;
	fx_reply reply;

	FX_OR_SKIP(fx);
	fx_launch(fx, "st", 5, "wait", NULL);
	fx_simple(fx, KT_SUP_SERVICE_STATS, "st", &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99), KT_ERR_OK);
	assert_true(kt_sup_get_num(&reply.fields, KT_SUP_F_MEMORY_BYTES, 1) > 0);
	fx_reply_deinit(&reply);
	fx_remove(fx, "st");
}

static void test_supervisor_lost_and_found(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	kt_sup_reader fields;
	fx_reply reply;
	uint64_t pid;
	char *text;
	int code;

	FX_OR_SKIP(fx);
	fx_launch(fx, "stays", 5, "wait", NULL);
	fx_launch(fx, "server", 6, "serve", "80", NULL);
	fx_launch(fx, "leaves", 7, "wait", NULL);
	fx_spec(fx, &msg, "bare", 8, "wait", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_NO_INIT);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	fx_spec(fx, &msg, "term", 9, "wait", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_TTY);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	fx_wait_log(fx, "server", "listening");
	fx_wait_log(fx, "stays", "waiting");
	fx_wait_log(fx, "leaves", "waiting");
	fx_wait_log(fx, "bare", "waiting");
	fx_wait_log(fx, "term", "waiting");
	pid = service_number(fx, "stays", KT_SUP_F_PID, 0);

	fx_kill(fx);
	/* While nobody watches, one of each kind ends. */
	{
		char path[PATH_MAX];
		kt_buf record = KT_BUF_INIT;
		const char *names[] = {"leaves", "bare"};

		for (int i = 0; i < 2; i++) {
			const char *at;

			snprintf(path, sizeof(path), "%s/services/%s/state", fx->dir, names[i]);
			kt_buf_clear(&record);
			assert_int_equal(kt_fs_read(path, 4096, &record, NULL), 0);
			at = strstr(kt_buf_str(&record), "\npid ");
			assert_non_null(at);
			end_process(atoi(at + 5));
		}
		kt_buf_deinit(&record);
	}
	fx_start(fx);
	assert_int_equal(service_number(fx, "stays", KT_SUP_F_PID, 0), pid);
	assert_int_equal(service_number(fx, "stays", KT_SUP_F_STATE, 0), KT_SUP_STATE_RUNNING);
	get_service(fx, "leaves", &reply, &fields);
	assert_int_equal(kt_sup_get_num(&fields, KT_SUP_F_STATE, 0), KT_SUP_STATE_STOPPED);
	assert_int_equal(kt_sup_get_num(&fields, KT_SUP_F_EXIT_CODE, 99), 7);
	fx_reply_deinit(&reply);
	get_service(fx, "bare", &reply, &fields);
	assert_int_equal(kt_sup_get_num(&fields, KT_SUP_F_EXIT_UNKNOWN, 0), 1);
	fx_reply_deinit(&reply);
	/* The network and commands work as before… */
	text = fx_exec(fx, "stays", NULL, &code, "dial", "172.16.0.6", "80", NULL);
	assert_string_equal(text, "answer=OK\n");
	kt_free(text);
	/* …an adopted service's log and exit are seen… */
	assert_int_equal(stop(fx, "stays", 5000), 7);
	text = fx_log(fx, "stays");
	assert_has(text, "got 15\n");
	kt_free(text);
	/* …and a terminal survived in its init. */
	assert_int_equal(stop(fx, "term", 5000), 7);
	text = fx_log(fx, "term");
	assert_has(text, "got 15");
	kt_free(text);
	fx_launch(fx, "new", 10, "exit", "0", NULL);
	assert_int_equal(fx_wait_exit(fx, "new"), 0);
	fx_remove(fx, "new");
	fx_remove(fx, "stays");
	fx_remove(fx, "server");
	fx_remove(fx, "leaves");
	fx_remove(fx, "bare");
	fx_remove(fx, "term");
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_twenty_services(void **state)
{
	fixture *fx = *state;
	int64_t took[20];
	kt_instant start;
	char id[16];
	long kb;

	FX_OR_SKIP(fx);
	start = kt_now();
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "n%u", i);
		took[i] = fx_launch(fx, id, 20 + i, "wait", NULL);
	}
	print_message("20 services: %.1f ms in all\n", (double)(kt_now() - start) / 1e6);
	qsort(took, 20, sizeof(took[0]), compare);
	print_message("launch (request to exec): median %.2f ms, slowest %.2f ms\n",
		      (double)took[10] / 1e6, (double)took[19] / 1e6);
	kb = fx_private_kb(fx->pid);
	print_message("supervisor with 20 services: %ld kB private; an init: %ld kB\n", kb,
		      fx_private_kb((pid_t)service_number(fx, "n3", KT_SUP_F_PID, 0)));
	assert_true(kb <= 2048);
	start = kt_now();
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "n%u", i);
		fx_remove(fx, id);
	}
	print_message("removed in %.1f ms\n", (double)(kt_now() - start) / 1e6);
}

/* Requests sent without waiting: their launches overlap. */
static void test_overlapping_launches(void **state)
{
	fixture *fx = *state;
	kt_instant start = kt_now();
	fx_reply reply;
	char id[16];

	FX_OR_SKIP(fx);
	for (unsigned i = 0; i < 50; i++) {
		kt_buf msg = KT_BUF_INIT;

		snprintf(id, sizeof(id), "p%u", i);
		fx_spec(fx, &msg, id, 20 + i, "wait", NULL);
		assert_int_equal(kt_sup_send(fx->sock, &msg, NULL, 0, 0, NULL), 0);
		kt_buf_deinit(&msg);
	}
	for (unsigned i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "p%u", i);
		fx_wait_started(fx, id);
	}
	print_message("50 overlapping launches: %.1f ms in all\n",
		      (double)(kt_now() - start) / 1e6);
	fx_simple(fx, KT_SUP_STOP_ALL, NULL, &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99), KT_ERR_OK);
	fx_reply_deinit(&reply);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "p%u", i);
		assert_int_equal(fx_wait_exit(fx, id), 128 + 9);
		fx_remove(fx, id);
	}
}

/* SIGKILL in the middle of launches, a little later each time: the next supervisor comes up, knows
 * what runs, and can take every one away. */
static void test_killed_while_launching(void **state)
{
	fixture *fx = *state;
	kt_sup_field field;
	fx_reply reply;
	char id[16];

	FX_OR_SKIP(fx);
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 8; i++) {
			kt_buf msg = KT_BUF_INIT;

			snprintf(id, sizeof(id), "k%u-%u", round, i);
			fx_spec(fx, &msg, id, 20 + i, "wait", NULL);
			assert_int_equal(kt_sup_send(fx->sock, &msg, NULL, 0, 0, NULL), 0);
			kt_buf_deinit(&msg);
		}
		snprintf(id, sizeof(id), "k%u-%u", round, round);
		fx_wait_started(fx, id);
		fx_kill(fx);
		fx_start(fx);
		for (unsigned i = 0; i < 8; i++) {
			snprintf(id, sizeof(id), "k%u-%u", round, i);
			fx_remove(fx, id);
		}
		fx_simple(fx, KT_SUP_SERVICE_LIST, NULL, &reply);
		assert_false(kt_sup_find(&reply.fields, KT_SUP_F_SERVICE, &field));
		fx_reply_deinit(&reply);
	}
}

/* Where the supervisor may not make device nodes, services get the host's. */
static void test_without_mknod(void **state)
{
	fixture *fx = *state;
	char *text;
	int code;

	FX_OR_SKIP(fx);
	fx_kill(fx);
	fx->without_cap = CAP_MKNOD;
	fx_start(fx);
	fx_launch(fx, "plain", 5, "wait", NULL);
	text = fx_exec(fx, "plain", NULL, &code, "cat-some", "/dev/urandom", NULL);
	assert_string_equal(text, "open=ok\n");
	kt_free(text);
	text = fx_exec(fx, "plain", NULL, &code, "cat", "/proc/self/status", NULL);
	assert_has(text, "CapBnd:\t00000000a00425fb\n");
	kt_free(text);
	fx_remove(fx, "plain");
	fx_kill(fx);
	fx->without_cap = 0;
	fx_start(fx);
}

static bool find_in_file(const char *path, const char *text)
{
	kt_buf buf = KT_BUF_INIT;
	bool found;

	(void)kt_fs_read(path, 1 << 24, &buf, NULL);
	found = strstr(kt_buf_str(&buf), text) != NULL;
	kt_buf_deinit(&buf);
	return found;
}

/* Gone, or a zombie that only waits for the machine's own init. */
static bool is_dead(pid_t pid)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	bool dead = p.fd < 0 || poll(&p, 1, 0) == 1;

	if (p.fd >= 0) {
		close(p.fd);
	}
	return dead;
}

static void assert_nothing_left(fixture *fx, pid_t service_pid)
{
	static const char *const mounts[] = {
		"/sys/fs/cgroup",
		"/sys/fs/cgroup/unified",
		"/sys/fs/cgroup/memory",
		"/sys/fs/cgroup/cpu",
	};
	char *upper = kt_path_join(fx->tmp, "upper");
	DIR *dir = opendir(upper);
	struct dirent *entry;

	assert_false(kt_fs_exists(fx->dir));
	assert_false(find_in_file("/proc/self/mountinfo", fx->dir));
	for (size_t i = 0; i < KT_ARRAY_LEN(mounts); i++) {
		char *group = kt_asprintf("%s/kurtosis/%s", mounts[i], fx->enclave);

		assert_false(kt_fs_exists(group));
		kt_free(group);
	}
	assert_true(is_dead(service_pid));
	while (dir && (entry = readdir(dir))) {
		assert_int_equal(entry->d_name[0], '.');
	}
	if (dir) {
		closedir(dir);
	}
	kt_free(upper);
}

/* A service with everything outside the runtime directory that one can have. */
static pid_t launch_spread(fixture *fx)
{
	kt_buf msg = KT_BUF_INIT;
	char *upper = kt_path_join(fx->tmp, "upper");
	fx_reply reply;
	pid_t pid;

	fx_spec(fx, &msg, "spread", 5, "wait", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_UPPER_DIR, upper);
	kt_sup_put_num(&msg, KT_SUP_F_MEMORY_BYTES, 50000000);
	fx_call_ok(fx, &msg, &reply);
	pid = (pid_t)kt_sup_get_num(&reply.fields, KT_SUP_F_PID, 0);
	fx_reply_deinit(&reply);
	kt_free(upper);
	return pid;
}

static void test_destroy_by_request(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	pid_t pid;

	FX_OR_SKIP(fx);
	pid = launch_spread(fx);
	fx_launch(fx, "other", 6, "ignore", NULL);
	fx_begin(fx, &msg, KT_SUP_DESTROY);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	assert_int_equal(waitpid(fx->pid, NULL, 0), fx->pid);
	fx->pid = -1;
	assert_nothing_left(fx, pid);
	fx_start(fx);
}

static void test_destroy_offline(void **state)
{
	fixture *fx = *state;
	pid_t pid;

	FX_OR_SKIP(fx);
	pid = launch_spread(fx);
	fx_launch(fx, "other", 6, "ignore", NULL);
	fx_kill(fx);
	fx_destroy(fx);
	assert_nothing_left(fx, pid);
	fx_destroy(fx); /* again: no harm */
	fx_start(fx);
	/* with a living supervisor */
	pid = launch_spread(fx);
	fx_destroy(fx);
	assert_nothing_left(fx, pid);
	fx_start(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exec_failures),
		cmocka_unit_test(test_exec_terminal),
		cmocka_unit_test(test_stop_and_start),
		cmocka_unit_test(test_restart_policy),
		cmocka_unit_test(test_orphans_are_reaped),
		cmocka_unit_test(test_dial_and_listen),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_supervisor_lost_and_found),
		cmocka_unit_test(test_twenty_services),
		cmocka_unit_test(test_overlapping_launches),
		cmocka_unit_test(test_killed_while_launching),
		cmocka_unit_test(test_without_mknod),
		cmocka_unit_test(test_destroy_by_request),
		cmocka_unit_test(test_destroy_offline),
	};

	return cmocka_run_group_tests_name("supervisor/life", tests, fx_setup, fx_teardown);
}
