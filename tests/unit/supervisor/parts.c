/*
 * The supervisor's parts that need no privileges: protocol, spec, users, system call filter, log
 * pump, event loop. Compiled from their sources, so that sanitizers see them.
 */
#include "../kt_test.h"

#include "../../../supervisor/caps.h"
#include "../../../supervisor/launch_plan.h"
#include "../../../supervisor/loop.h"
#include "../../../supervisor/pump.h"
#include "../../../supervisor/spec.h"
#include "../../../supervisor/sysfilter.h"
#include "../../../supervisor/users.h"
#include "backend/native/log_format.h"
#include "backend/native/sup_proto.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- protocol ------------------------------------------------------------------------ */

static void test_message_round_trip(void **state)
{
	kt_buf msg = KT_BUF_INIT;
	kt_buf got = KT_BUF_INIT;
	kt_sup_reader fields;
	kt_sup_reader group;
	kt_sup_field field;
	int pair[2];
	int fds[KT_SUP_FDS_MAX];
	size_t fd_count = 99;
	size_t mark;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	kt_sup_begin(&msg, KT_SUP_EXEC, 77);
	kt_sup_put_str(&msg, KT_SUP_F_ID, "a");
	kt_sup_put_str(&msg, KT_SUP_F_NAME, NULL);
	mark = kt_sup_group_begin(&msg, KT_SUP_F_MOUNT);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, UINT64_MAX);
	kt_sup_group_end(&msg, mark);
	assert_int_equal(kt_sup_send(pair[0], &msg, pair, 2, 0, NULL), 0);
	assert_int_equal(kt_sup_recv(pair[1], &got, fds, &fd_count, 0, NULL), 1);
	assert_int_equal(fd_count, 2);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(kt_sup_open(&got, &fields, NULL), 0);
	assert_int_equal(fields.type, KT_SUP_EXEC);
	assert_int_equal(fields.id, 77);
	assert_string_equal(kt_sup_get_str(&fields, KT_SUP_F_ID), "a");
	assert_null(kt_sup_get_str(&fields, KT_SUP_F_NAME));
	assert_true(kt_sup_find(&fields, KT_SUP_F_MOUNT, &field));
	assert_int_equal(kt_sup_open_group(&field, &group, NULL), 0);
	assert_true(kt_sup_get_num(&group, KT_SUP_F_FLAGS, 0) == UINT64_MAX);
	close(pair[0]);
	assert_int_equal(kt_sup_recv(pair[1], &got, fds, &fd_count, 0, NULL), 0);
	close(pair[1]);
	kt_buf_deinit(&got);
	kt_buf_deinit(&msg);
}

/* A long body travels in a memory file; the caller does not see that. */
static void test_long_message(void **state)
{
	kt_buf msg = KT_BUF_INIT;
	kt_buf got = KT_BUF_INIT;
	kt_sup_reader fields;
	char *big = malloc(300001);
	int pair[2];
	int fds[KT_SUP_FDS_MAX];
	size_t fd_count = 99;

	(void)state;
	memset(big, 'x', 300000);
	big[300000] = '\0';
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	kt_sup_begin(&msg, KT_SUP_REPLY, 1);
	kt_sup_put_str(&msg, KT_SUP_F_MESSAGE, big);
	assert_int_equal(kt_sup_send(pair[0], &msg, pair, 1, 0, NULL), 0);
	assert_int_equal(kt_sup_recv(pair[1], &got, fds, &fd_count, 0, NULL), 1);
	assert_int_equal(fd_count, 1);
	close(fds[0]);
	assert_int_equal(kt_sup_open(&got, &fields, NULL), 0);
	assert_string_equal(kt_sup_get_str(&fields, KT_SUP_F_MESSAGE), big);
	kt_buf_clear(&msg);
	kt_sup_begin(&msg, KT_SUP_REPLY, 1);
	for (int i = 0; i < 20; i++) {
		kt_sup_put_str(&msg, KT_SUP_F_MESSAGE, big);
	}
	assert_int_equal(kt_sup_send(pair[0], &msg, NULL, 0, 0, NULL), -1);
	close(pair[0]);
	close(pair[1]);
	free(big);
	kt_buf_deinit(&got);
	kt_buf_deinit(&msg);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void full_spec(kt_buf *msg)
{
	size_t mark;

	kt_sup_begin(msg, KT_SUP_SERVICE_LAUNCH, 1);
	kt_sup_put_str(msg, KT_SUP_F_ID, "0123456789abcdef");
	kt_sup_put_str(msg, KT_SUP_F_IP, "172.16.0.9");
	kt_sup_put_str(msg, KT_SUP_F_LAYER, "/layers/a");
	kt_sup_put_str(msg, KT_SUP_F_LAYER, "/layers/b");
	kt_sup_put_str(msg, KT_SUP_F_ARG, "prog");
	kt_sup_put_str(msg, KT_SUP_F_ENV, "A=b=c");
	kt_sup_put_str(msg, KT_SUP_F_CAP_ADD, "cap_net_admin");
	kt_sup_put_str(msg, KT_SUP_F_CAP_DROP, "CHOWN");
	mark = kt_sup_group_begin(msg, KT_SUP_F_MOUNT);
	kt_sup_put_str(msg, KT_SUP_F_SOURCE, "/src");
	kt_sup_put_str(msg, KT_SUP_F_TARGET, "/a/b");
	kt_sup_group_end(msg, mark);
	mark = kt_sup_group_begin(msg, KT_SUP_F_MOUNT);
	kt_sup_put_str(msg, KT_SUP_F_SOURCE, "/src2");
	kt_sup_put_str(msg, KT_SUP_F_TARGET, "/a");
	kt_sup_group_end(msg, mark);
	mark = kt_sup_group_begin(msg, KT_SUP_F_ULIMIT);
	kt_sup_put_str(msg, KT_SUP_F_NAME, "nofile");
	kt_sup_put_num(msg, KT_SUP_F_SOFT, 100);
	kt_sup_group_end(msg, mark);
}

/* The header's length field is set when sending; here messages are opened as built. */
static void fix_length(kt_buf *msg)
{
	uint32_t len = (uint32_t)(msg->len - 16);

	memcpy(msg->data + 12, &len, sizeof(len));
}

/* Damaged messages are refused or read within their bounds: the sanitizers watch. */
static void test_damaged_messages(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		kt_buf msg = KT_BUF_INIT;
		kt_sup_reader fields;
		kt_sup_spec spec;
		char *exact;
		kt_buf view;

		full_spec(&msg);
		for (uint32_t n = next_random(&seed) % 4; n < 5; n++) {
			msg.data[16 + next_random(&seed) % (msg.len - 16)] =
				(char)next_random(&seed);
		}
		msg.len -= next_random(&seed) % 4 == 0 ? next_random(&seed) % (msg.len - 16) : 0;
		fix_length(&msg);
		exact = malloc(msg.len);
		memcpy(exact, msg.data, msg.len);
		view = (kt_buf){.data = exact, .len = msg.len, .cap = msg.len};
		if (kt_sup_open(&view, &fields, NULL) == 0) {
			if (kt_sup_spec_read(fields, &spec, NULL) == 0) {
				kt_sup_spec_deinit(&spec);
			}
			if (kt_sup_spec_read_exec(fields, &spec, NULL) == 0) {
				kt_sup_spec_deinit(&spec);
			}
		}
		free(exact);
		kt_buf_deinit(&msg);
	}
}

/* ---- spec ---------------------------------------------------------------------------- */

static int read_spec(kt_buf *msg, kt_sup_spec *ret, kt_err *err)
{
	kt_sup_reader fields;

	fix_length(msg);
	assert_int_equal(kt_sup_open(msg, &fields, NULL), 0);
	return kt_sup_spec_read(fields, ret, err);
}

static void test_spec(void **state)
{
	kt_buf msg = KT_BUF_INIT;
	kt_sup_spec spec = {0};

	(void)state;
	full_spec(&msg);
	assert_int_equal(read_spec(&msg, &spec, NULL), 0);
	assert_string_equal(spec.hostname, "0123456789ab");
	assert_string_equal(spec.cwd, "/");
	assert_int_equal(spec.layers.len, 2);
	assert_string_equal(kt_sup_env_get(&spec.env, "A"), "b=c");
	assert_string_equal(spec.mounts.items[0].target, "/a"); /* parents first */
	assert_int_equal(spec.ulimits.items[0].resource, RLIMIT_NOFILE);
	assert_true(spec.ulimits.items[0].hard == 100);
	assert_true(spec.caps ==
		    ((KT_SUP_CAPS_DEFAULT | KT_SUP_CAP(NET_ADMIN)) & ~KT_SUP_CAP(CHOWN)));
	assert_true(spec.shm_bytes == 64u << 20);
	kt_sup_spec_deinit(&spec);
	KT_TEST_EVERY_ALLOC(100, read_spec(&msg, &spec, NULL), kt_sup_spec_deinit(&spec));
	kt_buf_deinit(&msg);
}

static void test_wrong_specs(void **state)
{
	static const struct {
		uint16_t tag;
		const char *text;
		const char *message;
	} rows[] = {
		{KT_SUP_F_ID, "../x", "id must be"},
		{KT_SUP_F_IP, "10.0.0.1", "must lie in 172.16.0.0/22"},
		{KT_SUP_F_IP, "x", "not an IPv4 address"},
		{KT_SUP_F_LAYER, "relative", "not an absolute path"},
		{KT_SUP_F_ENV, "no-equals", "NAME=VALUE"},
		{KT_SUP_F_ENV, "=x", "NAME=VALUE"},
		{KT_SUP_F_CWD, "rel", "not absolute"},
		{KT_SUP_F_CAP_ADD, "FLY", "unknown capability 'FLY'"},
		{KT_SUP_F_HOSTNAME, "a b", "host name"},
		{KT_SUP_F_NAME, "a\nb", "host name"},
		{KT_SUP_F_EXTRA_HOST, "1.2.3.4 a\n5.6.7.8 b", "line break"},
		{KT_SUP_F_UPPER_DIR, "rel", "absolute"},
	};

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_buf msg = KT_BUF_INIT;
		kt_sup_spec spec;

		full_spec(&msg);
		kt_sup_put_str(&msg, rows[i].tag, rows[i].text);
		assert_int_equal(read_spec(&msg, &spec, &err), -1);
		assert_int_equal(err.code, KT_ERR_INVALID);
		if (!strstr(kt_err_root(&err), rows[i].message)) {
			fail_msg("'%s' instead of '%s'", kt_err_root(&err), rows[i].message);
		}
		kt_buf_deinit(&msg);
	}
}

/* ---- the list of steps ----------------------------------------------------------------- */

static long find_step(const kt_sup_plan *plan, kt_sup_step_kind kind, const char *a, bool last)
{
	long found = -1;

	for (size_t i = 0; i < plan->steps.len && (last || found < 0); i++) {
		const kt_sup_step *step = &plan->steps.items[i];

		if (step->kind == kind && (!a || (step->a && strcmp(step->a, a) == 0))) {
			found = (long)i;
		}
	}
	return found;
}

static long first_step(const kt_sup_plan *plan, kt_sup_step_kind kind)
{
	return find_step(plan, kind, NULL, false);
}

static long last_step(const kt_sup_plan *plan, kt_sup_step_kind kind)
{
	return find_step(plan, kind, NULL, true);
}

static int make_plan(kt_sup_plan *plan, uint64_t flags)
{
	kt_sup_cgroups groups = {.v1 = {[KT_SUP_CG_MEMORY] = "/sys/fs/cgroup/memory"}};
	kt_sup_places places = {.service_dir = "/run/s",
				.layer_dir = "/layers/s",
				.limited_v1 = true,
				.groups = &groups,
				.open_files = 1024};
	kt_buf msg = KT_BUF_INIT;
	kt_sup_spec spec = {0};
	int status;

	full_spec(&msg);
	kt_sup_put_num(&msg, KT_SUP_F_FLAGS, flags);
	*plan = (kt_sup_plan){0};
	status = msg.failed ? -1 : read_spec(&msg, &spec, NULL);
	if (status == 0) {
		status = kt_sup_plan_service(plan, &spec, &places, NULL);
		/* the plan borrows from the spec: only kinds and its own texts are looked at */
		kt_sup_spec_deinit(&spec);
	}
	kt_buf_deinit(&msg);
	return status;
}

/* What the security of a service rests on. */
static void test_step_order(void **state)
{
	kt_sup_plan plan;
	long pivot;

	(void)state;
	assert_int_equal(make_plan(&plan, KT_SUP_NO_NEW_PRIVS), 0);
	pivot = first_step(&plan, KT_SUP_STEP_PIVOT);
	assert_true(first_step(&plan, KT_SUP_STEP_PRIVATE) == 0);
	/* the host's things before the pivot, the image's paths after it */
	assert_true(last_step(&plan, KT_SUP_STEP_SOURCE) < pivot);
	assert_true(last_step(&plan, KT_SUP_STEP_DEVICE) < pivot);
	assert_true(first_step(&plan, KT_SUP_STEP_ATTACH) > pivot);
	assert_true(first_step(&plan, KT_SUP_STEP_FILESYSTEM) > pivot);
	assert_true(first_step(&plan, KT_SUP_STEP_USER) > pivot);
	assert_true(first_step(&plan, KT_SUP_STEP_DIRECTORY) > pivot);
	/* nothing is mounted over a mask, no sysctl is written late */
	assert_true(last_step(&plan, KT_SUP_STEP_ATTACH) < first_step(&plan, KT_SUP_STEP_MASK));
	assert_true(last_step(&plan, KT_SUP_STEP_FILESYSTEM) < first_step(&plan, KT_SUP_STEP_MASK));
	assert_true(last_step(&plan, KT_SUP_STEP_SYSCTL) <
		    find_step(&plan, KT_SUP_STEP_READ_ONLY, "/proc/sys", false));
	/* the filter while there is the privilege to load it, before anything of the image runs */
	assert_true(first_step(&plan, KT_SUP_STEP_NO_NEW_PRIVS) <
		    first_step(&plan, KT_SUP_STEP_FILTER));
	assert_true(first_step(&plan, KT_SUP_STEP_FILTER) < first_step(&plan, KT_SUP_STEP_INIT));
	assert_true(first_step(&plan, KT_SUP_STEP_INIT) < first_step(&plan, KT_SUP_STEP_BOUND));
	assert_true(first_step(&plan, KT_SUP_STEP_BOUND) < first_step(&plan, KT_SUP_STEP_IDENTITY));
	assert_true(first_step(&plan, KT_SUP_STEP_GROUPS) <
		    first_step(&plan, KT_SUP_STEP_IDENTITY));
	assert_true(first_step(&plan, KT_SUP_STEP_IDENTITY) <
		    first_step(&plan, KT_SUP_STEP_CAPABILITIES));
	assert_true(last_step(&plan, KT_SUP_STEP_EXEC) == (long)plan.steps.len - 1);
	kt_sup_plan_deinit(&plan);
	assert_int_equal(make_plan(&plan, KT_SUP_PRIVILEGED | KT_SUP_NO_INIT), 0);
	assert_true(first_step(&plan, KT_SUP_STEP_FILTER) < 0);
	assert_true(first_step(&plan, KT_SUP_STEP_MASK) < 0);
	assert_true(first_step(&plan, KT_SUP_STEP_INIT) < 0);
	kt_sup_plan_deinit(&plan);
}

static void test_plan_without_memory(void **state)
{
	kt_sup_plan plan;

	(void)state;
	KT_TEST_EVERY_ALLOC(200, make_plan(&plan, 0), kt_sup_plan_deinit(&plan));
}

/* ---- users --------------------------------------------------------------------------- */

static const char passwd_text[] = "root:x:0:0:root:/root:/bin/sh\n"
				  "\n"
				  "broken line\n"
				  "pg:x:70:71::/var/lib/pg:/bin/sh\n"
				  "big:x:99999999999:1::/:\n"
				  "1000:x:5:6::/odd:\n"
				  "last:x:8:9::/last";
static const char group_text[] = "root:x:0:\n"
				 "wheel:x:10:root,pg\n"
				 "ssl:x:90:other,pg,more\n"
				 "pgx:x:91:pgx\n"
				 "db:x:71:";

static void test_users(void **state)
{
	kt_sup_user *u = malloc(sizeof(*u));

	(void)state;
	assert_int_equal(kt_sup_user_resolve("", passwd_text, group_text, u), 0);
	assert_int_equal(u->uid, 0);
	assert_string_equal(u->home, "/root");
	assert_int_equal(u->group_count, 1);
	assert_int_equal(u->groups[0], 10);
	assert_int_equal(kt_sup_user_resolve("pg", passwd_text, group_text, u), 0);
	assert_int_equal(u->uid, 70);
	assert_int_equal(u->gid, 71);
	assert_int_equal(u->group_count, 2);
	assert_int_equal(u->groups[1], 90);
	assert_int_equal(kt_sup_user_resolve("70", passwd_text, group_text, u), 0);
	assert_int_equal(u->gid, 71);
	assert_int_equal(u->group_count, 2);
	assert_int_equal(kt_sup_user_resolve("pg:ssl", passwd_text, group_text, u), 0);
	assert_int_equal(u->gid, 90);
	assert_int_equal(u->group_count, 0);
	assert_int_equal(kt_sup_user_resolve("1234:4321", passwd_text, group_text, u), 0);
	assert_int_equal(u->uid, 1234);
	assert_int_equal(u->gid, 4321);
	assert_string_equal(u->home, "/");
	assert_int_equal(kt_sup_user_resolve("1234", "", "", u), 0);
	assert_int_equal(u->gid, 0);
	assert_int_equal(kt_sup_user_resolve("last", passwd_text, group_text, u), 0);
	assert_string_equal(u->home, "/last");
	/* a name made of digits is looked up first */
	assert_int_equal(kt_sup_user_resolve("1000", passwd_text, group_text, u), 0);
	assert_int_equal(u->uid, 5);
	assert_int_equal(kt_sup_user_resolve(":71", passwd_text, group_text, u), 0);
	assert_int_equal(u->uid, 0);
	assert_int_equal(u->gid, 71);
	assert_int_equal(kt_sup_user_resolve("nobody", passwd_text, group_text, u), -ENOENT);
	assert_int_equal(kt_sup_user_resolve("pg:none", passwd_text, group_text, u), -ESRCH);
	assert_int_equal(kt_sup_user_resolve("4294967295", passwd_text, group_text, u), -EINVAL);
	assert_int_equal(kt_sup_user_resolve("-1", passwd_text, group_text, u), -ENOENT);
	free(u);
}

static void test_hostile_account_files(void **state)
{
	static const char alphabet[] = "r:x0,\n7pg";
	kt_sup_user *u = malloc(sizeof(*u));
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = next_random(&seed) % 60;
		char *text = malloc(len + 1);

		for (size_t i = 0; i < len; i++) {
			text[i] = alphabet[next_random(&seed) % (sizeof(alphabet) - 1)];
		}
		text[len] = '\0';
		(void)kt_sup_user_resolve("pg", text, text, u);
		(void)kt_sup_user_resolve("0:r", text, text, u);
		free(text);
	}
	free(u);
}

/* ---- system call filter -------------------------------------------------------------- */

/* What the kernel would answer, by running the program as it does. */
static uint32_t run_filter(const kt_sup_filter *f, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < f->len; pc++) {
		const struct sock_filter *i = &f->code[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k + 4 <= sizeof(*data) && i->k % 4 == 0);
			memcpy(&a, (const char *)data + i->k, 4);
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("unexpected instruction %x", i->code);
		}
	}
	fail_msg("the program runs off its end");
	return 0;
}

static uint32_t ask(const kt_sup_filter *f, uint32_t arch, long nr, uint64_t arg)
{
	struct seccomp_data data = {.nr = (int)nr, .arch = arch, .args = {arg}};

	return run_filter(f, &data);
}

#define EPERM_ANSWER (SECCOMP_RET_ERRNO | EPERM)
#define ENOSYS_ANSWER (SECCOMP_RET_ERRNO | ENOSYS)

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#else
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

static void test_filter_defaults(void **state)
{
	static const long allowed[] = {SYS_read,   SYS_openat,		SYS_execve,
				       SYS_setuid, SYS_capset,		SYS_chroot,
				       SYS_prctl,  SYS_seccomp,		SYS_ptrace,
				       SYS_futex,  452 /* fchmodat2 */, 466 /* removexattrat */};
	static const long denied[] = {SYS_mount,
				      SYS_umount2,
				      SYS_unshare,
				      SYS_setns,
				      SYS_bpf,
				      SYS_keyctl,
				      SYS_add_key,
				      SYS_kexec_load,
				      SYS_reboot,
				      SYS_swapon,
				      SYS_io_uring_setup,
				      SYS_userfaultfd,
				      SYS_acct,
				      SYS_perf_event_open,
				      SYS_init_module,
				      SYS_settimeofday,
				      SYS_open_by_handle_at,
				      SYS_pivot_root,
				      SYS_fsopen,
				      SYS_move_mount,
				      SYS_mount_setattr,
				      SYS_kcmp,
				      SYS_pidfd_getfd,
				      SYS_quotactl,
				      SYS_sethostname};
	kt_sup_filter f;

	(void)state;
	assert_int_equal(kt_sup_filter_init(&f, KT_SUP_CAPS_DEFAULT, NULL), 0);
	print_message("the default filter has %u instructions\n", f.len);
	for (size_t i = 0; i < KT_ARRAY_LEN(allowed); i++) {
		assert_int_equal(ask(&f, THIS_ARCH, allowed[i], 0), SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(denied); i++) {
		assert_int_equal(ask(&f, THIS_ARCH, denied[i], 0), EPERM_ANSWER);
	}
	assert_int_equal(ask(&f, THIS_ARCH, SYS_clone3, 0), ENOSYS_ANSWER);
	assert_int_equal(ask(&f, THIS_ARCH, 100000, 0), ENOSYS_ANSWER);
	assert_int_equal(ask(&f, AUDIT_ARCH_MIPS, SYS_read, 0), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
	assert_int_equal(ask(&f, THIS_ARCH, SYS_read | 0x40000000, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_mount | 0x40000000, 0), EPERM_ANSWER);
	assert_int_equal(ask(&f, AUDIT_ARCH_I386, 3 /* read */, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, AUDIT_ARCH_I386, 21 /* mount */, 0), EPERM_ANSWER);
	assert_int_equal(ask(&f, AUDIT_ARCH_I386, 120 /* clone */, 0x10000000), EPERM_ANSWER);
#endif
	kt_sup_filter_deinit(&f);
}

static void test_filter_arguments(void **state)
{
	kt_sup_filter f;

	(void)state;
	assert_int_equal(kt_sup_filter_init(&f, KT_SUP_CAPS_DEFAULT, NULL), 0);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_clone, 0x1200011), SECCOMP_RET_ALLOW);
	for (int bit = 25; bit <= 30; bit++) {
		assert_int_equal(ask(&f, THIS_ARCH, SYS_clone, UINT64_C(1) << bit), EPERM_ANSWER);
	}
	assert_int_equal(ask(&f, THIS_ARCH, SYS_clone, 0x20000 /* NEWNS */), EPERM_ANSWER);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_personality, 0xffffffff), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_personality, 0x20008), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_personality, 0x40000), EPERM_ANSWER);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_personality, UINT64_C(1) << 32), EPERM_ANSWER);
	for (uint64_t family = 0; family <= 60; family++) {
		bool shut = family == 12 || family == 19 || family == 20 || family == 23 ||
			    family == 25 || family == 34 || family == 37 || family == AF_ALG ||
			    family == AF_VSOCK || family > 45;

		assert_int_equal(ask(&f, THIS_ARCH, SYS_socket, family),
				 shut ? EPERM_ANSWER : SECCOMP_RET_ALLOW);
	}
	assert_int_equal(ask(&f, THIS_ARCH, SYS_socket, UINT64_C(1) << 32 | AF_INET), EPERM_ANSWER);
	kt_sup_filter_deinit(&f);
}

static void test_filter_follows_capabilities(void **state)
{
	kt_sup_filter f;

	(void)state;
	assert_int_equal(kt_sup_filter_init(&f, KT_SUP_CAPS_DEFAULT | KT_SUP_CAP(SYS_ADMIN), NULL),
			 0);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_mount, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_clone3, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_clone, 0x10000000), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_bpf, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_kexec_load, 0), EPERM_ANSWER);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_init_module, 0), EPERM_ANSWER);
	kt_sup_filter_deinit(&f);
	assert_int_equal(
		kt_sup_filter_init(&f, KT_SUP_CAP(SYS_PTRACE) | KT_SUP_CAP(SYS_TIME), NULL), 0);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_kcmp, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_settimeofday, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&f, THIS_ARCH, SYS_chroot, 0), EPERM_ANSWER);
	kt_sup_filter_deinit(&f);
}

/* ---- log pump ------------------------------------------------------------------------ */

typedef struct pump_fixture {
	kt_sup_loop loop;
	kt_sup_scratch *scratch;
	kt_sup_pump pump;
	char *dir;
	char *path;
	int out;
	int err;
} pump_fixture;

static int pump_setup(void **state)
{
	pump_fixture *x = calloc(1, sizeof(*x));

	*state = x;
	x->scratch = calloc(1, sizeof(*x->scratch));
	x->dir = kt_fs_mkdtemp(NULL, "kt-pump-", NULL);
	x->path = kt_path_join(x->dir, "logs/a.log");
	return kt_sup_loop_init(&x->loop, NULL);
}

static int pump_teardown(void **state)
{
	pump_fixture *x = *state;

	kt_sup_loop_deinit(&x->loop);
	(void)kt_fs_remove_tree(x->dir, NULL);
	free(x->scratch);
	kt_free(x->dir);
	kt_free(x->path);
	free(x);
	return 0;
}

static void pump_open(pump_fixture *x, uint64_t max_bytes, uint64_t files)
{
	int out[2];
	int err[2];

	assert_int_equal(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_NONBLOCK | O_CLOEXEC), 0);
	x->out = out[1];
	x->err = err[1];
	assert_int_equal(kt_sup_pump_start(&x->pump, &x->loop, x->scratch, x->path, max_bytes,
					   files, out[0], err[0], NULL),
			 0);
}

static void pump_close(pump_fixture *x)
{
	close(x->out);
	close(x->err);
	kt_sup_pump_finish(&x->pump);
}

static char *read_text(const char *path)
{
	kt_buf text = KT_BUF_INIT;

	assert_int_equal(kt_fs_read(path, 1 << 20, &text, NULL), 0);
	return text.len ? kt_buf_take(&text) : kt_strdup("");
}

static void test_pump_lines(void **state)
{
	pump_fixture *x = *state;
	char *text;
	const char *line;

	pump_open(x, 1 << 20, 2);
	assert_int_equal(write(x->out, "one\n\ntwo\r\nthr", 13), 13);
	assert_int_equal(write(x->err, "bad\0byte\n", 9), 9);
	pump_close(x);
	text = read_text(x->path);
	line = text;
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[KT_LOG_TIME_LEN - 1], 'Z');
	assert_memory_equal(line + KT_LOG_TIME_LEN, " stdout F one\n", 14);
	line = strchr(line, '\n') + 1;
	assert_memory_equal(line + KT_LOG_TIME_LEN, " stdout F \n", 11);
	line = strchr(line, '\n') + 1;
	assert_memory_equal(line + KT_LOG_TIME_LEN, " stdout F two\r\n", 15);
	line = strchr(line, '\n') + 1;
	assert_memory_equal(line + KT_LOG_TIME_LEN, " stdout P thr\n", 14);
	line = strchr(line, '\n') + 1;
	assert_memory_equal(line + KT_LOG_TIME_LEN, " stderr F bad\0byte\n", 19);
	kt_free(text);
}

static void stop_loop(kt_sup_timer *timer)
{
	kt_sup_loop_stop(timer->loop ? timer->loop : timer->user);
}

/* A line that waits is written as a part, and goes on as the same line. */
static void test_pump_parts(void **state)
{
	pump_fixture *x = *state;
	kt_sup_timer timer = {0};
	char *text;

	pump_open(x, 1 << 20, 2);
	assert_int_equal(write(x->out, "prompt> ", 8), 8);
	kt_sup_timer_set(&x->loop, &timer, kt_after_ms(400), stop_loop, &x->loop);
	assert_int_equal(kt_sup_loop_run(&x->loop, NULL), 0);
	text = read_text(x->path);
	assert_string_equal(text + KT_LOG_TIME_LEN, " stdout P prompt> \n");
	kt_free(text);
	assert_int_equal(write(x->out, "yes\n", 4), 4);
	pump_close(x);
	text = read_text(x->path);
	assert_non_null(strstr(text, " stdout F yes\n"));
	kt_free(text);
}

static void test_pump_long_line(void **state)
{
	pump_fixture *x = *state;
	size_t len = 3 * KT_LOG_TEXT_MAX + 100;
	char *big = malloc(len + 1);
	char *text;
	size_t parts = 0;

	memset(big, 'y', len);
	big[len] = '\n';
	pump_open(x, 1 << 20, 2);
	assert_int_equal(write(x->out, big, len + 1), len + 1);
	pump_close(x);
	text = read_text(x->path);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		parts += line[KT_LOG_TAG_OFFSET] == 'P';
		assert_true(strchr(line, '\n') - line <= KT_LOG_TEXT_OFFSET + KT_LOG_TEXT_MAX);
	}
	assert_int_equal(parts, 3);
	kt_free(text);
	free(big);
}

static void test_pump_rotates(void **state)
{
	pump_fixture *x = *state;
	char *one = kt_asprintf("%s.1", x->path);
	char *two = kt_asprintf("%s.2", x->path);
	char *three = kt_asprintf("%s.3", x->path);
	struct stat st;

	for (int i = 0; i < 40; i++) {
		pump_open(x, 300, 2);
		assert_int_equal(write(x->out, "0123456789012345678901234567890\n", 32), 32);
		pump_close(x);
	}
	assert_int_equal(stat(x->path, &st), 0);
	assert_true(st.st_size <= 300);
	assert_int_equal(stat(one, &st), 0);
	assert_true(st.st_size <= 300);
	assert_int_equal(stat(two, &st), 0);
	assert_true(stat(three, &st) < 0);
	kt_free(one);
	kt_free(two);
	kt_free(three);
}

/* A disk that takes nothing must not hold the service up; the gap is told. */
static void test_pump_without_disk(void **state)
{
	pump_fixture *x = *state;
	struct rlimit old;
	struct rlimit small;
	char *text;

	pump_open(x, 1 << 20, 2);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(write(x->out, "lost\n", 5), 5);
	x->pump.out.watch.fn(&x->pump.out.watch, EPOLLIN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(write(x->out, "kept\n", 5), 5);
	pump_close(x);
	text = read_text(x->path);
	assert_null(strstr(text, "lost"));
	assert_non_null(strstr(text, "bytes of output could not be written here]\n"));
	assert_non_null(strstr(text, " stdout F kept\n"));
	kt_free(text);
}

/* ---- loop ---------------------------------------------------------------------------- */

typedef struct order {
	kt_sup_loop loop;
	kt_sup_timer timers[3];
	int seen[3];
	int count;
} order;

static void on_ordered(kt_sup_timer *timer)
{
	order *o = timer->user;

	o->seen[o->count++] = (int)(timer - o->timers);
	if (o->count == 2) {
		kt_sup_timer_drop(&o->timers[1]);
		kt_sup_loop_stop(&o->loop);
	}
}

static void test_loop_timers(void **state)
{
	order o = {0};

	(void)state;
	assert_int_equal(kt_sup_loop_init(&o.loop, NULL), 0);
	kt_sup_timer_set(&o.loop, &o.timers[0], kt_after_ms(20), on_ordered, &o);
	kt_sup_timer_set(&o.loop, &o.timers[1], kt_after_ms(5000), on_ordered, &o);
	kt_sup_timer_set(&o.loop, &o.timers[2], kt_after_ms(1), on_ordered, &o);
	kt_sup_timer_set(&o.loop, &o.timers[0], kt_after_ms(10), on_ordered, &o);
	assert_int_equal(kt_sup_loop_run(&o.loop, NULL), 0);
	assert_int_equal(o.count, 2);
	assert_int_equal(o.seen[0], 2);
	assert_int_equal(o.seen[1], 0);
	assert_null(o.loop.timers);
	kt_sup_loop_deinit(&o.loop);
}

typedef struct rivals {
	kt_sup_loop loop;
	kt_sup_watch watches[2];
	int called;
} rivals;

/* Whoever is called first drops the other, whose event was already fetched. */
static void on_rival(kt_sup_watch *watch, uint32_t events)
{
	rivals *r = watch->user;

	(void)events;
	r->called++;
	kt_sup_watch_drop(&r->watches[0]);
	kt_sup_watch_drop(&r->watches[1]);
	kt_sup_loop_stop(&r->loop);
	r->loop.stopped = false;
}

static void test_loop_drops_fetched_events(void **state)
{
	rivals r = {0};
	kt_sup_timer end = {0};
	int pipes[2][2];

	(void)state;
	assert_int_equal(kt_sup_loop_init(&r.loop, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
		assert_int_equal(kt_sup_watch_add(&r.loop, &r.watches[i], pipes[i][0], EPOLLIN,
						  on_rival, &r, NULL),
				 0);
	}
	kt_sup_timer_set(&r.loop, &end, kt_after_ms(20), stop_loop, &r.loop);
	assert_int_equal(kt_sup_loop_run(&r.loop, NULL), 0);
	assert_int_equal(r.called, 1);
	for (int i = 0; i < 2; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	kt_sup_loop_deinit(&r.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_round_trip),
		cmocka_unit_test(test_long_message),
		cmocka_unit_test(test_damaged_messages),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_wrong_specs),
		cmocka_unit_test(test_step_order),
		cmocka_unit_test(test_plan_without_memory),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_hostile_account_files),
		cmocka_unit_test(test_filter_defaults),
		cmocka_unit_test(test_filter_arguments),
		cmocka_unit_test(test_filter_follows_capabilities),
		cmocka_unit_test_setup_teardown(test_pump_lines, pump_setup, pump_teardown),
		cmocka_unit_test_setup_teardown(test_pump_parts, pump_setup, pump_teardown),
		cmocka_unit_test_setup_teardown(test_pump_long_line, pump_setup, pump_teardown),
		cmocka_unit_test_setup_teardown(test_pump_rotates, pump_setup, pump_teardown),
		cmocka_unit_test_setup_teardown(test_pump_without_disk, pump_setup, pump_teardown),
		cmocka_unit_test(test_loop_timers),
		cmocka_unit_test(test_loop_drops_fetched_events),
	};

	return cmocka_run_group_tests_name("supervisor/parts", tests, NULL, NULL);
}
