/* See fixture.h. PROBE and SUPERVISOR (paths) are defined by the build. */
#include "fixture.h"

#include "backend/native/log_format.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

/* ---- the image ----------------------------------------------------------------------- */

static void make_dir(const char *layer, const char *name, mode_t mode)
{
	char *path = kt_path_join(layer, name);

	assert_int_equal(mkdir(path, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
	kt_free(path);
}

static void make_file(const char *layer, const char *name, const char *text)
{
	char *path = kt_path_join(layer, name);

	assert_int_equal(kt_fs_write(path, text, strlen(text), 0644, false, NULL), 0);
	kt_free(path);
}

static void make_layer(fixture *fx)
{
	char *probe;

	fx->layer = kt_path_join(fx->tmp, "layer");
	assert_int_equal(mkdir(fx->layer, 0755), 0);
	make_dir(fx->layer, "bin", 0755);
	make_dir(fx->layer, "etc", 0755);
	make_dir(fx->layer, "tmp", 01777);
	make_dir(fx->layer, "data", 0750);
	make_file(fx->layer, "data/seed", "from the image\n");
	make_file(fx->layer, "etc/passwd",
		  "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:71::/var/lib/pg:/bin/sh\n");
	make_file(fx->layer, "etc/group", "root:x:0:\npg:x:71:\nssl:x:90:postgres,other\n");
	make_file(fx->layer, "etc/plain", "not a program\n");
	probe = kt_path_join(fx->layer, "bin/probe");
	assert_int_equal(kt_fs_copy_tree(PROBE, probe, NULL), 0);
	assert_int_equal(chmod(probe, 0755), 0);
	kt_free(probe);
}

/* ---- the supervisor ------------------------------------------------------------------ */

static const char *why_not(void)
{
	pid_t pid;
	int status = 0;

	if (geteuid() != 0) {
		return "not root: the supervisor's launcher cannot be tested here";
	}
	pid = fork();
	if (pid == 0) {
		_exit(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return status == 0 ? NULL
			   : "no namespaces: the supervisor's launcher cannot be tested here";
}

int fx_setup(void **state)
{
	fixture *fx = calloc(1, sizeof(*fx));

	*state = fx;
	fx->sock = -1;
	fx->pid = -1;
	fx->reason = why_not();
	if (fx->reason) {
		return 0;
	}
	fx->tmp = kt_fs_mkdtemp(NULL, "kt-sup-", NULL);
	if (!fx->tmp) {
		return -1;
	}
	snprintf(fx->enclave, sizeof(fx->enclave), "%08x%08x%016llx", 0xfeedu, (unsigned)getpid(),
		 (unsigned long long)kt_wall_ns());
	fx->dir = kt_asprintf("%s/run/enclaves/%s", fx->tmp, fx->enclave);
	make_layer(fx);
	fx_start(fx);
	return 0;
}

void fx_start(fixture *fx)
{
	int ready[2];
	char number[16];
	char byte = 0;
	struct pollfd p;

	assert_int_equal(pipe(ready), 0);
	snprintf(number, sizeof(number), "%d", ready[1]);
	fx->pid = fork();
	if (fx->pid == 0) {
		close(ready[0]);
		if (fx->without_cap) {
			(void)prctl(PR_CAPBSET_DROP, fx->without_cap, 0, 0, 0);
		}
		execl(SUPERVISOR, "kurtosis-supervisor", "--dir", fx->dir, "--ready-fd", number,
		      (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	p = (struct pollfd){.fd = ready[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	fx_connect(fx);
}

void fx_connect(fixture *fx)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;

	if (fx->sock >= 0) {
		close(fx->sock);
	}
	fx->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sup.sock", fx->dir) <
		    sizeof(addr.sun_path));
	assert_int_equal(connect(fx->sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	fx_begin(fx, &msg, KT_SUP_HELLO);
	kt_sup_put_num(&msg, KT_SUP_F_VERSION, KT_SUP_VERSION);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	fx_begin(fx, &msg, KT_SUP_SUBSCRIBE);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	kt_buf_deinit(&msg);
}

void fx_kill(fixture *fx)
{
	int status;

	assert_int_equal(kill(fx->pid, SIGKILL), 0);
	assert_int_equal(waitpid(fx->pid, &status, 0), fx->pid);
	fx->pid = -1;
	close(fx->sock);
	fx->sock = -1;
}

static int run_destroy(fixture *fx)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		execl(SUPERVISOR, "kurtosis-supervisor", "--destroy", fx->dir, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	if (fx->pid > 0) {
		(void)waitpid(fx->pid, NULL, 0);
		fx->pid = -1;
	}
	return status;
}

void fx_destroy(fixture *fx)
{
	assert_int_equal(run_destroy(fx), 0);
}

int fx_teardown(void **state)
{
	fixture *fx = *state;
	int status = 0;

	if (fx->tmp) {
		status = run_destroy(fx);
		(void)kt_fs_remove_tree(fx->tmp, NULL);
	}
	if (fx->sock >= 0) {
		close(fx->sock);
	}
	while (fx->events) {
		fx_event *next = fx->events->next;

		kt_buf_deinit(&fx->events->msg);
		free(fx->events);
		fx->events = next;
	}
	kt_free(fx->tmp);
	kt_free(fx->dir);
	kt_free(fx->layer);
	free(fx);
	return status == 0 ? 0 : -1;
}

/* ---- talking ------------------------------------------------------------------------- */

void fx_begin(fixture *fx, kt_buf *msg, kt_sup_type type)
{
	kt_sup_begin(msg, type, ++fx->next_id);
}

static void receive(fixture *fx, kt_instant deadline, fx_reply *ret)
{
	struct pollfd p = {.fd = fx->sock, .events = POLLIN};

	*ret = (fx_reply){.msg = KT_BUF_INIT};
	assert_int_equal(poll(&p, 1, kt_ms_left(deadline)), 1);
	assert_int_equal(kt_sup_recv(fx->sock, &ret->msg, ret->fds, &ret->fd_count, 0, NULL), 1);
	assert_int_equal(kt_sup_open(&ret->msg, &ret->fields, NULL), 0);
}

static void keep_event(fixture *fx, fx_reply *reply)
{
	fx_event *event = calloc(1, sizeof(*event));
	fx_event **end = &fx->events;

	event->msg = reply->msg;
	while (*end) {
		end = &(*end)->next;
	}
	*end = event;
}

void fx_call(fixture *fx, kt_buf *msg, const int *fds, size_t fd_count, fx_reply *ret)
{
	kt_instant deadline = kt_after_ms(WAIT_MS);
	uint32_t id = fx->next_id;

	assert_int_equal(kt_sup_send(fx->sock, msg, fds, fd_count, 0, NULL), 0);
	kt_buf_deinit(msg);
	*msg = (kt_buf)KT_BUF_INIT;
	for (;;) {
		receive(fx, deadline, ret);
		if (ret->fields.type == KT_SUP_REPLY && ret->fields.id == id) {
			return;
		}
		keep_event(fx, ret);
	}
}

void fx_call_ok(fixture *fx, kt_buf *msg, fx_reply *ret)
{
	fx_call(fx, msg, NULL, 0, ret);
	if (kt_sup_get_num(&ret->fields, KT_SUP_F_STATUS, 99) != KT_ERR_OK) {
		fail_msg("refused: %s", kt_sup_get_str(&ret->fields, KT_SUP_F_MESSAGE));
	}
}

void fx_reply_deinit(fx_reply *reply)
{
	for (size_t i = 0; i < reply->fd_count; i++) {
		if (reply->fds[i] >= 0) {
			close(reply->fds[i]);
		}
	}
	kt_buf_deinit(&reply->msg);
}

void fx_simple(fixture *fx, kt_sup_type type, const char *id, fx_reply *ret)
{
	kt_buf msg = KT_BUF_INIT;

	fx_begin(fx, &msg, type);
	kt_sup_put_str(&msg, KT_SUP_F_ID, id);
	fx_call(fx, &msg, NULL, 0, ret);
}

/* The first event that fits, taken out of the queue or awaited. */
static void wait_event(fixture *fx, kt_sup_type type, const char *id, uint64_t exec_id, kt_buf *ret)
{
	kt_instant deadline = kt_after_ms(WAIT_MS);

	for (;;) {
		fx_reply next;

		for (fx_event **e = &fx->events; *e; e = &(*e)->next) {
			fx_event *event = *e;
			kt_sup_reader fields;
			const char *event_id;

			assert_int_equal(kt_sup_open(&event->msg, &fields, NULL), 0);
			event_id = kt_sup_get_str(&fields, KT_SUP_F_ID);
			if (fields.type == type &&
			    (id ? event_id && strcmp(id, event_id) == 0
				: kt_sup_get_num(&fields, KT_SUP_F_EXEC_ID, 0) == exec_id)) {
				*ret = event->msg;
				*e = event->next;
				free(event);
				return;
			}
		}
		receive(fx, deadline, &next);
		keep_event(fx, &next);
	}
}

/* ---- services ------------------------------------------------------------------------ */

static void put_args(kt_buf *msg, const char *first, va_list args)
{
	kt_sup_put_str(msg, KT_SUP_F_ARG, "probe");
	for (const char *arg = first; arg; arg = va_arg(args, const char *)) {
		kt_sup_put_str(msg, KT_SUP_F_ARG, arg);
	}
}

static char *log_path(fixture *fx, const char *id)
{
	return kt_asprintf("%s/logs/%s.log", fx->tmp, id);
}

static void begin_spec(fixture *fx, kt_buf *msg, const char *id, unsigned host)
{
	char *log = log_path(fx, id);
	char ip[32];

	snprintf(ip, sizeof(ip), "172.16.0.%u", host);
	fx_begin(fx, msg, KT_SUP_SERVICE_LAUNCH);
	kt_sup_put_str(msg, KT_SUP_F_ID, id);
	kt_sup_put_str(msg, KT_SUP_F_NAME, id);
	kt_sup_put_str(msg, KT_SUP_F_IP, ip);
	kt_sup_put_str(msg, KT_SUP_F_LAYER, fx->layer);
	kt_sup_put_str(msg, KT_SUP_F_LOG_PATH, log);
	kt_free(log);
}

void fx_spec(fixture *fx, kt_buf *msg, const char *id, unsigned host, const char *first, ...)
{
	va_list args;

	begin_spec(fx, msg, id, host);
	va_start(args, first);
	put_args(msg, first, args);
	va_end(args);
}

int64_t fx_launch(fixture *fx, const char *id, unsigned host, const char *first, ...)
{
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	int64_t took;
	va_list args;

	begin_spec(fx, &msg, id, host);
	va_start(args, first);
	put_args(&msg, first, args);
	va_end(args);
	fx_call_ok(fx, &msg, &reply);
	took = (int64_t)kt_sup_get_num(&reply.fields, KT_SUP_F_LAUNCH_NS, 0);
	fx_reply_deinit(&reply);
	return took;
}

int fx_wait_exit(fixture *fx, const char *id)
{
	kt_buf msg;
	kt_sup_reader fields;
	int code;

	wait_event(fx, KT_SUP_SERVICE_EXITED, id, 0, &msg);
	assert_int_equal(kt_sup_open(&msg, &fields, NULL), 0);
	code = (int)kt_sup_get_num(&fields, KT_SUP_F_EXIT_CODE, 1000);
	kt_buf_deinit(&msg);
	return code;
}

void fx_wait_started(fixture *fx, const char *id)
{
	kt_buf msg;

	wait_event(fx, KT_SUP_SERVICE_STARTED, id, 0, &msg);
	kt_buf_deinit(&msg);
}

char *fx_log(fixture *fx, const char *id)
{
	char *path = log_path(fx, id);
	kt_buf text = KT_BUF_INIT;
	kt_buf out = KT_BUF_INIT;
	const char *line;

	assert_int_equal(kt_fs_read(path, 1 << 26, &text, NULL), 0);
	line = kt_buf_str(&text);
	while (*line) {
		const char *end = strchr(line, '\n');

		assert_non_null(end);
		assert_true(end - line >= KT_LOG_TEXT_OFFSET);
		assert_int_equal(line[KT_LOG_TIME_LEN - 1], 'Z');
		assert_int_equal(line[KT_LOG_STREAM_OFFSET], 's');
		kt_buf_add(&out, line + KT_LOG_TEXT_OFFSET,
			   (size_t)(end - line) - KT_LOG_TEXT_OFFSET);
		if (line[KT_LOG_TAG_OFFSET] == 'F') {
			kt_buf_addc(&out, '\n');
		}
		line = end + 1;
	}
	kt_buf_deinit(&text);
	kt_free(path);
	return out.len ? kt_buf_take(&out) : kt_strdup("");
}

void fx_wait_log(fixture *fx, const char *id, const char *text)
{
	kt_instant deadline = kt_after_ms(WAIT_MS);
	char *path = log_path(fx, id);
	int notify = inotify_init1(IN_CLOEXEC);
	bool found = false;

	assert_true(inotify_add_watch(notify, path, IN_MODIFY) >= 0);
	while (!found) {
		struct pollfd p = {.fd = notify, .events = POLLIN};
		char events[4096];
		char *log = fx_log(fx, id);

		found = strstr(log, text) != NULL;
		kt_free(log);
		if (!found) {
			assert_int_equal(poll(&p, 1, kt_ms_left(deadline)), 1);
			(void)!read(notify, events, sizeof(events));
		}
	}
	close(notify);
	kt_free(path);
}

void fx_remove(fixture *fx, const char *id)
{
	fx_reply reply;
	char *path = log_path(fx, id);

	fx_simple(fx, KT_SUP_SERVICE_REMOVE, id, &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99), KT_ERR_OK);
	fx_reply_deinit(&reply);
	(void)unlink(path);
	kt_free(path);
}

char *fx_run_spec(fixture *fx, const char *id, kt_buf *msg)
{
	fx_reply reply;
	char *log;

	fx_call_ok(fx, msg, &reply);
	fx_reply_deinit(&reply);
	(void)fx_wait_exit(fx, id);
	log = fx_log(fx, id);
	fx_remove(fx, id);
	return log;
}

char *fx_run(fixture *fx, const char *id, unsigned host, const char *first, ...)
{
	kt_buf msg = KT_BUF_INIT;
	va_list args;

	begin_spec(fx, &msg, id, host);
	va_start(args, first);
	put_args(&msg, first, args);
	va_end(args);
	return fx_run_spec(fx, id, &msg);
}

static char *read_all(int fd)
{
	kt_buf out = KT_BUF_INIT;
	char block[4096];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0) {
		kt_buf_add(&out, block, (size_t)n);
	}
	return out.len ? kt_buf_take(&out) : kt_strdup("");
}

char *fx_exec(fixture *fx, const char *id, const char *user, int *ret_code, const char *first, ...)
{
	kt_buf msg = KT_BUF_INIT;
	kt_sup_reader fields;
	fx_reply reply;
	int out[2];
	int null = open("/dev/null", O_RDONLY);
	int fds[3];
	uint64_t exec_id;
	char *text;
	va_list args;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	fds[0] = null;
	fds[1] = fds[2] = out[1];
	fx_begin(fx, &msg, KT_SUP_EXEC);
	kt_sup_put_str(&msg, KT_SUP_F_ID, id);
	kt_sup_put_str(&msg, KT_SUP_F_USER, user);
	va_start(args, first);
	put_args(&msg, first, args);
	va_end(args);
	fx_call(fx, &msg, fds, 3, &reply);
	close(out[1]);
	close(null);
	if (kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99) != KT_ERR_OK) {
		fail_msg("exec refused: %s", kt_sup_get_str(&reply.fields, KT_SUP_F_MESSAGE));
	}
	text = read_all(out[0]);
	close(out[0]);
	exec_id = kt_sup_get_num(&reply.fields, KT_SUP_F_EXEC_ID, 0);
	fx_reply_deinit(&reply);
	wait_event(fx, KT_SUP_EXEC_EXITED, NULL, exec_id, &msg);
	assert_int_equal(kt_sup_open(&msg, &fields, NULL), 0);
	*ret_code = (int)kt_sup_get_num(&fields, KT_SUP_F_EXIT_CODE, 1000);
	kt_buf_deinit(&msg);
	return text;
}

long fx_private_kb(pid_t pid)
{
	char path[64];
	char line[256];
	long sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		long kb;

		if (sscanf(line, "Private_Clean: %ld", &kb) == 1 ||
		    sscanf(line, "Private_Dirty: %ld", &kb) == 1) {
			sum += kb;
		}
	}
	fclose(f);
	return sum;
}
