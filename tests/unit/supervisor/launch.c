/*
 * What a service is and is not: isolation, identity, privileges, files, output. Real containers
 * in an enclave of this test's own.
 */
#include "fixture.h"

#include "base/fs.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part)) {
		fail_msg("'%s' is not in:\n%s", part, text);
	}
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part)) {
		fail_msg("'%s' is in:\n%s", part, text);
	}
}

static void test_output_and_exit(void **state)
{
	fixture *fx = *state;
	char *log;

	FX_OR_SKIP(fx);
	log = fx_run(fx, "both", 5, "both", NULL);
	assert_has(log, "to stdout\n");
	assert_has(log, "to stderr\n");
	assert_has(log, "no newline at end");
	kt_free(log);
	fx_launch(fx, "three", 5, "exit", "3", NULL);
	assert_int_equal(fx_wait_exit(fx, "three"), 3);
	fx_remove(fx, "three");
	fx_launch(fx, "abort", 5, "abort", NULL);
	assert_int_equal(fx_wait_exit(fx, "abort"), 128 + 6);
	fx_remove(fx, "abort");
}

static void test_capabilities_and_privileges(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char *log;

	FX_OR_SKIP(fx);
	log = fx_run(fx, "caps", 5, "cat", "/proc/self/status", NULL);
	/* The fourteen: 0 1 3 4 5 6 7 8 10 13 18 27 29 31 */
	assert_has(log, "CapInh:\t0000000000000000\n");
	assert_has(log, "CapPrm:\t00000000a80425fb\n");
	assert_has(log, "CapEff:\t00000000a80425fb\n");
	assert_has(log, "CapBnd:\t00000000a80425fb\n");
	assert_has(log, "CapAmb:\t0000000000000000\n");
	assert_has(log, "NoNewPrivs:\t0\n");
	assert_has(log, "Seccomp:\t2\n");
	assert_has(log, "SigBlk:\t0000000000000000\n");
	assert_has(log, "SigIgn:\t0000000000000000\n");
	kt_free(log);

	fx_spec(fx, &msg, "nobody", 5, "cat", "/proc/self/status", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_USER, "1234:99");
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_NO_NEW_PRIVS);
	log = fx_run_spec(fx, "nobody", &msg);
	assert_has(log, "Uid:\t1234\t1234\t1234\t1234\n");
	assert_has(log, "Gid:\t99\t99\t99\t99\n");
	assert_has(log, "CapPrm:\t0000000000000000\n");
	assert_has(log, "CapEff:\t0000000000000000\n");
	assert_has(log, "CapBnd:\t00000000a80425fb\n");
	assert_has(log, "NoNewPrivs:\t1\n");
	kt_free(log);

	fx_spec(fx, &msg, "added", 5, "cat", "/proc/self/status", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_CAP_ADD, "net_admin");
	kt_sup_put_str(&msg, KT_SUP_F_CAP_DROP, "CAP_CHOWN");
	log = fx_run_spec(fx, "added", &msg);
	assert_has(log, "CapBnd:\t00000000a80435fa\n");
	kt_free(log);
}

static void test_system_calls(void **state)
{
	static const char *const denied[] = {
		"mount=EPERM",		 "umount=EPERM",
		"unshare_user=EPERM",	 "unshare_net=EPERM",
		"setns=EPERM",		 "clone3=ENOSYS",
		"clone_newuser=EPERM",	 "bpf=EPERM",
		"keyctl=EPERM",		 "perf=EPERM",
		"kexec=EPERM",		 "init_module=EPERM",
		"io_uring=EPERM",	 "userfaultfd=EPERM",
		"open_by_handle=EPERM",	 "settimeofday=EPERM",
		"swapon=EPERM",		 "reboot=EPERM",
		"pivot_root=EPERM",	 "fsopen=EPERM",
		"socket_vsock=EPERM",	 "socket_alg=EPERM",
		"personality_odd=EPERM", "too_new=ENOSYS",
	};
	static const char *const allowed[] = {
		"socket_inet=ok",
		"socket_raw=ok",
		"chroot=ok",
		"personality_ask=ok",
		"fchmodat2_unlike_eperm=ok",
	};
	fixture *fx = *state;
	char *log;

	FX_OR_SKIP(fx);
	log = fx_run(fx, "calls", 5, "calls", NULL);
	for (size_t i = 0; i < KT_ARRAY_LEN(denied); i++) {
		assert_has(log, denied[i]);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(allowed); i++) {
		assert_has(log, allowed[i]);
	}
	kt_free(log);
}

static void test_masks_and_devices(void **state)
{
	static const char *const hidden[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list",
					     "/proc/interrupts"};
	fixture *fx = *state;
	char *log;
	int code;

	FX_OR_SKIP(fx);
	fx_launch(fx, "m", 5, "wait", NULL);
	for (size_t i = 0; i < KT_ARRAY_LEN(hidden); i++) {
		log = fx_exec(fx, "m", NULL, &code, "cat", hidden[i], NULL);
		if (access(hidden[i], F_OK) == 0) {
			assert_string_equal(log, "");
		}
		kt_free(log);
	}
	if (access("/proc/sysrq-trigger", F_OK) == 0) {
		log = fx_exec(fx, "m", NULL, &code, "write", "/proc/sysrq-trigger", "h", NULL);
		assert_has(log, "write=EROFS");
		kt_free(log);
	}
	log = fx_exec(fx, "m", NULL, &code, "write", "/proc/sys/kernel/hostname", "h", NULL);
	assert_has(log, "write=EROFS");
	kt_free(log);
	log = fx_exec(fx, "m", NULL, &code, "write", "/sys/kernel/x", "h", NULL);
	assert_has(log, "write=E");
	kt_free(log);
	/* 1:1 is the machine's memory: mknod is Docker's to allow, opening is not */
	log = fx_exec(fx, "m", NULL, &code, "device", "/dev/mem2", "1", "1", NULL);
	assert_has(log, "open=EACCES");
	kt_free(log);
	log = fx_exec(fx, "m", NULL, &code, "device", "/tmp/null2", "1", "3", NULL);
	assert_has(log, "mknod=ok\nopen=EACCES");
	kt_free(log);
	log = fx_exec(fx, "m", NULL, &code, "write", "/dev/null", "h", NULL);
	assert_has(log, "write=ok");
	kt_free(log);
	log = fx_exec(fx, "m", NULL, &code, "cat", "/proc/self/mountinfo", NULL);
	assert_lacks(log, "devtmpfs"); /* nothing of the host's tree is mounted */
	assert_lacks(log, "/sys/fs/cgroup/");
	assert_has(log, " - proc proc rw");
	kt_free(log);
	log = fx_exec(fx, "m", NULL, &code, "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
		      NULL);
	assert_string_equal(log, "0\n");
	kt_free(log);
	log = fx_exec(fx, "m", NULL, &code, "fds", NULL);
	assert_string_equal(log, "fd 0\nfd 1\nfd 2\n");
	kt_free(log);
	fx_remove(fx, "m");
}

static void test_identity(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char *log;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "pg", 5, "who", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_USER, "postgres");
	kt_sup_put_str(&msg, KT_SUP_F_ENV, "A=b=c");
	kt_sup_put_str(&msg, KT_SUP_F_CWD, "/var/lib/new");
	log = fx_run_spec(fx, "pg", &msg);
	assert_has(log, "pid=2 uid=70 gid=71 groups=71,90\n");
	assert_has(log, "cwd=/var/lib/new tty=0\n");
	assert_has(log, "env A=b=c\n");
	assert_has(log, "env HOME=/var/lib/pg\n");
	assert_has(log, "env HOSTNAME=pg\n");
	assert_has(log, "env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	assert_lacks(log, "KURTOSIS");
	kt_free(log);

	fx_spec(fx, &msg, "one", 5, "who", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_NO_INIT);
	log = fx_run_spec(fx, "one", &msg);
	assert_has(log, "pid=1 uid=0 gid=0 groups=0\n");
	assert_has(log, "env HOME=/root\n");
	kt_free(log);

	fx_spec(fx, &msg, "re", 5, "reopen", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_USER, "postgres");
	log = fx_run_spec(fx, "re", &msg);
	assert_has(log, "by path\n");
	assert_has(log, "reopen=ok\n");
	kt_free(log);

	log = fx_run(fx, "stdin", 5, "stdin", NULL);
	assert_string_equal(log, "stdin=idle\n");
	kt_free(log);
}

/* Longer than a packet: the request travels in a memory file. */
static void test_long_environment(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char name[100100];
	char *log;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "long", 5, "who", NULL);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "LONG%d=%0*d", i, 100000, i);
		kt_sup_put_str(&msg, KT_SUP_F_ENV, name);
	}
	log = fx_run_spec(fx, "long", &msg);
	assert_true(strlen(log) > 500000);
	assert_has(log, "env LONG4=000");
	kt_free(log);
}

static void test_terminal(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char *log;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "tty", 5, "who", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_TTY);
	log = fx_run_spec(fx, "tty", &msg);
	assert_has(log, "tty=1");
	assert_has(log, "env TERM=xterm");
	kt_free(log);
}

static void expect_failure(fixture *fx, kt_buf *msg, kt_err_code code, const char *text)
{
	fx_reply reply;

	fx_call(fx, msg, NULL, 0, &reply);
	assert_int_equal(kt_sup_get_num(&reply.fields, KT_SUP_F_STATUS, 99), code);
	assert_has(kt_sup_get_str(&reply.fields, KT_SUP_F_MESSAGE), text);
	fx_reply_deinit(&reply);
}

static void test_files(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char *dir_link;
	char *link;
	char *log;

	FX_OR_SKIP(fx);
	log = fx_run(fx, "hosts", 9, "cat", "/etc/hosts", NULL);
	assert_has(log, "172.16.0.9\thosts\n");
	kt_free(log);
	log = fx_run(fx, "resolv", 9, "cat", "/etc/resolv.conf", NULL);
	assert_string_equal(log, "nameserver 172.16.0.1\noptions ndots:0\n");
	kt_free(log);
	/* an image whose file is a link to what does not exist, over a directory that is one, too
	 */
	link = kt_path_join(fx->layer, "etc/resolv.conf");
	assert_int_equal(symlink("../var/run/resolve/stub.conf", link), 0);
	dir_link = kt_path_join(fx->layer, "var");
	assert_int_equal(symlink("/elsewhere/var", dir_link), 0);
	log = fx_run(fx, "resolv", 9, "cat", "/elsewhere/var/run/resolve/stub.conf", NULL);
	assert_string_equal(log, "nameserver 172.16.0.1\noptions ndots:0\n");
	kt_free(log);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("resolv.conf", link), 0); /* to itself */
	fx_spec(fx, &msg, "loop", 9, "exit", "0", NULL);
	expect_failure(fx, &msg, KT_ERR_IO, "cannot mount at '/etc/resolv.conf'");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(unlink(dir_link), 0);
	kt_free(link);
	kt_free(dir_link);
	fx_spec(fx, &msg, "name", 9, "cat", "/proc/sys/kernel/hostname", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_HOSTNAME, "db-1");
	log = fx_run_spec(fx, "name", &msg);
	assert_string_equal(log, "db-1\n");
	kt_free(log);
}

static void put_mount(kt_buf *msg, const char *source, const char *target, uint64_t flags)
{
	size_t mark = kt_sup_group_begin(msg, KT_SUP_F_MOUNT);

	kt_sup_put_str(msg, KT_SUP_F_SOURCE, source);
	kt_sup_put_str(msg, KT_SUP_F_TARGET, target);
	kt_sup_put_num(msg, KT_SUP_F_FLAGS, flags);
	kt_sup_group_end(msg, mark);
}

static void test_mounts(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char *volume;
	char *seed;
	char *log;
	struct stat st;

	FX_OR_SKIP(fx);
	volume = kt_path_join(fx->tmp, "volume");
	seed = kt_path_join(volume, "seed");
	assert_int_equal(mkdir(volume, 0755), 0);
	/* not filled: the image's content is hidden */
	fx_spec(fx, &msg, "hide", 5, "cat", "/data/seed", NULL);
	put_mount(&msg, volume, "/data", KT_SUP_MOUNT_READ_ONLY);
	log = fx_run_spec(fx, "hide", &msg);
	assert_has(log, "No such file");
	kt_free(log);
	fx_spec(fx, &msg, "fill", 5, "cat", "/data/seed", NULL);
	put_mount(&msg, volume, "/data", KT_SUP_MOUNT_PREFILL);
	log = fx_run_spec(fx, "fill", &msg);
	assert_string_equal(log, "from the image\n");
	kt_free(log);
	assert_int_equal(stat(volume, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	fx_spec(fx, &msg, "ro", 5, "write", "/deep/er/seed", "x", NULL);
	put_mount(&msg, volume, "/deep/er", KT_SUP_MOUNT_READ_ONLY);
	log = fx_run_spec(fx, "ro", &msg);
	assert_string_equal(log, "write=EROFS\n");
	kt_free(log);
	fx_spec(fx, &msg, "rw", 5, "write", "/deep/er/seed", "new\n", NULL);
	put_mount(&msg, volume, "/deep/er", 0);
	log = fx_run_spec(fx, "rw", &msg);
	assert_string_equal(log, "write=ok\n");
	kt_free(log);
	assert_int_equal(stat(seed, &st), 0);
	assert_int_equal(st.st_size, 4);
	kt_free(seed);
	kt_free(volume);
}

/* A link in the image must not lead a mount to the host. */
static void test_hostile_links(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	char *outside;
	char *link;
	fx_reply reply;

	FX_OR_SKIP(fx);
	outside = kt_path_join(fx->tmp, "outside");
	link = kt_path_join(fx->layer, "escape");
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(symlink(outside, link), 0);
	fx_spec(fx, &msg, "link", 5, "write", "/escape/made", "x", NULL);
	put_mount(&msg, fx->layer, "/escape/sub", 0);
	fx_call_ok(fx, &msg, &reply); /* the path it names is made inside the container */
	fx_reply_deinit(&reply);
	(void)fx_wait_exit(fx, "link");
	fx_remove(fx, "link");
	assert_int_equal(rmdir(outside), 0); /* still empty */
	assert_int_equal(unlink(link), 0);
	kt_free(link);
	kt_free(outside);
}

static void test_failures(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	char *path;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "none", 5, "exit", "0", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_USER, "nobody-here");
	expect_failure(fx, &msg, KT_ERR_NOT_FOUND, "unable to find user nobody-here");

	fx_begin(fx, &msg, KT_SUP_SERVICE_LAUNCH);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "none");
	kt_sup_put_str(&msg, KT_SUP_F_IP, "172.16.0.5");
	kt_sup_put_str(&msg, KT_SUP_F_LAYER, fx->layer);
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "not-there");
	expect_failure(fx, &msg, KT_ERR_NOT_FOUND, "\"not-there\": executable file not found");

	fx_begin(fx, &msg, KT_SUP_SERVICE_LAUNCH);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "none");
	kt_sup_put_str(&msg, KT_SUP_F_IP, "172.16.0.5");
	kt_sup_put_str(&msg, KT_SUP_F_LAYER, fx->layer);
	kt_sup_put_str(&msg, KT_SUP_F_ARG, "/etc/plain");
	expect_failure(fx, &msg, KT_ERR_PERMISSION, "cannot start the program '/etc/plain'");

	fx_spec(fx, &msg, "none", 5, "exit", "0", NULL);
	put_mount(&msg, "/no/such/source", "/x", 0);
	expect_failure(fx, &msg, KT_ERR_NOT_FOUND,
		       "cannot take the mount source '/no/such/source'");

	fx_spec(fx, &msg, "none", 5, "exit", "0", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_IP, "10.0.0.1");
	expect_failure(fx, &msg, KT_ERR_INVALID, "address");
	/* nothing half-made is left */
	fx_simple(fx, KT_SUP_SERVICE_LIST, NULL, &reply);
	assert_false(kt_sup_find(&reply.fields, KT_SUP_F_SERVICE, &(kt_sup_field){0}));
	fx_reply_deinit(&reply);
	path = kt_path_join(fx->dir, "services/none");
	assert_false(kt_fs_exists(path));
	kt_free(path);
}

static void test_network(void **state)
{
	fixture *fx = *state;
	char *log;
	int code;

	FX_OR_SKIP(fx);
	fx_launch(fx, "server", 5, "serve", "80", NULL);
	fx_wait_log(fx, "server", "listening");
	fx_launch(fx, "client", 6, "wait", NULL);
	log = fx_exec(fx, "client", NULL, &code, "dial", "172.16.0.5", "80", NULL);
	assert_string_equal(log, "answer=OK\n");
	kt_free(log);
	log = fx_exec(fx, "client", NULL, &code, "dial", "172.16.0.5", "81", NULL);
	assert_string_equal(log, "connect=ECONNREFUSED\n");
	kt_free(log);
	log = fx_exec(fx, "client", NULL, &code, "dial", "127.0.0.1", "80", NULL);
	assert_string_equal(log, "connect=ECONNREFUSED\n");
	kt_free(log);
	/* The address passes to the next service at once, though the kernel takes its time with the
	 * last one's namespace. */
	for (int i = 0; i < 20; i++) {
		fx_remove(fx, "server");
		fx_launch(fx, "server", 5, "serve", "80", NULL);
		fx_wait_log(fx, "server", "listening");
		log = fx_exec(fx, "client", NULL, &code, "dial", "172.16.0.5", "80", NULL);
		assert_string_equal(log, "answer=OK\n");
		kt_free(log);
	}
	fx_remove(fx, "server");
	fx_remove(fx, "client");
}

static void test_limits(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	bool found = false;
	char *log;
	int code;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "hungry", 5, "memory", "200", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_MEMORY_BYTES, 20000000);
	kt_sup_put_num(&msg, KT_SUP_F_CPU_MILLIS, 500);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	code = fx_wait_exit(fx, "hungry");
	fx_remove(fx, "hungry");
	if (code == 0) {
		print_message("note: this host has no memory control group\n");
		return;
	}
	assert_int_equal(code, 128 + 9);
	/* a program that looks for its limit finds it, in either hierarchy */
	for (int v2 = 0; v2 < 2; v2++) {
		fx_spec(fx, &msg, "look", 5, "cat",
			v2 ? "/sys/fs/cgroup/memory.max"
			   : "/sys/fs/cgroup/memory/memory.limit_in_bytes",
			NULL);
		kt_sup_put_num(&msg, KT_SUP_F_MEMORY_BYTES, 20480000);
		log = fx_run_spec(fx, "look", &msg);
		found = found || strcmp(log, "20480000\n") == 0;
		kt_free(log);
	}
	assert_true(found);
}

/* With CAP_SYS_ADMIN a service can make mounts of its own, where nodes count; the kernel's filter
 * on its group still lets it open only what it was given. */
static void test_device_filter(void **state)
{
	static const char *const devices[] = {"/dev/fuse", "/dev/net/tun", "/dev/loop-control"};
	const char *device = NULL;
	char major_text[16];
	char minor_text[16];
	struct stat st;
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	char *log;
	int code;

	FX_OR_SKIP(fx);
	if (access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) < 0 &&
	    access("/sys/fs/cgroup/cgroup.procs", F_OK) < 0) {
		print_message("skipped: no v2 control groups, so no device filter here\n");
		skip();
	}
	for (size_t i = 0; !device && i < KT_ARRAY_LEN(devices); i++) {
		device = stat(devices[i], &st) == 0 ? devices[i] : NULL;
	}
	if (!device) {
		print_message("skipped: this host has no device to try with\n");
		skip();
	}
	snprintf(major_text, sizeof(major_text), "%u", major(st.st_rdev));
	snprintf(minor_text, sizeof(minor_text), "%u", minor(st.st_rdev));
	fx_spec(fx, &msg, "admin", 5, "wait", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_CAP_ADD, "SYS_ADMIN");
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	log = fx_exec(fx, "admin", NULL, &code, "mounted-device", major_text, minor_text, NULL);
	assert_string_equal(log, "mount=ok\nmknod=ok\nopen=EPERM\n");
	kt_free(log);
	log = fx_exec(fx, "admin", NULL, &code, "mounted-device", "1", "3", NULL); /* null */
	assert_string_equal(log, "mount=ok\nmknod=ok\nopen=ok\n");
	kt_free(log);
	fx_remove(fx, "admin");
	fx_spec(fx, &msg, "given", 5, "wait", NULL);
	kt_sup_put_str(&msg, KT_SUP_F_DEVICE, device);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	log = fx_exec(fx, "given", NULL, &code, "cat-some", device, NULL);
	assert_string_equal(log, "open=ok\n");
	kt_free(log);
	fx_remove(fx, "given");
}

static void test_host_processes(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	char own_name[16];
	char path[64];
	char *log;
	int code;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "host", 5, "ignore", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_HOST_PID);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)getpid());
	log = fx_exec(fx, "host", NULL, &code, "cat", path, NULL);
	assert_int_equal(prctl(PR_GET_NAME, own_name), 0);
	assert_has(log, own_name);
	kt_free(log);
	fx_remove(fx, "host"); /* its program does not listen to signals, and has to go, too */
	log = fx_run(fx, "other", 5, "cat", path, NULL);
	assert_has(log, "cannot open");
	kt_free(log);
}

static void test_privileged(void **state)
{
	fixture *fx = *state;
	kt_buf msg = KT_BUF_INIT;
	fx_reply reply;
	char *log;
	int code;

	FX_OR_SKIP(fx);
	fx_spec(fx, &msg, "priv", 5, "wait", NULL);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, KT_SUP_PRIVILEGED);
	fx_call_ok(fx, &msg, &reply);
	fx_reply_deinit(&reply);
	log = fx_exec(fx, "priv", NULL, &code, "cat", "/proc/self/status", NULL);
	assert_has(log, "Seccomp:\t0\n");
	assert_lacks(log, "CapEff:\t00000000a80425fb\n");
	kt_free(log);
	log = fx_exec(fx, "priv", NULL, &code, "cat-some", "/dev/kmsg", NULL);
	assert_string_equal(log, "open=ok\n");
	kt_free(log);
	log = fx_exec(fx, "priv", NULL, &code, "cat", "/proc/1/comm", NULL);
	assert_string_equal(log, "init\n");
	kt_free(log);
	fx_remove(fx, "priv");
}

static void test_much_output(void **state)
{
	fixture *fx = *state;
	char *log;

	FX_OR_SKIP(fx);
	log = fx_run(fx, "flood", 5, "flood", "3000000", NULL);
	assert_true(strlen(log) >= 3000000);
	kt_free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_exit),
		cmocka_unit_test(test_capabilities_and_privileges),
		cmocka_unit_test(test_system_calls),
		cmocka_unit_test(test_masks_and_devices),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_long_environment),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_hostile_links),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_device_filter),
		cmocka_unit_test(test_privileged),
		cmocka_unit_test(test_host_processes),
		cmocka_unit_test(test_much_output),
	};

	return cmocka_run_group_tests_name("supervisor/launch", tests, fx_setup, fx_teardown);
}
