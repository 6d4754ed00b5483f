/*
 * The steps that are not mounts, and the child's run through its plan (steps.h).
 */
#include "steps.h"

#include "base/alloc.h"
#include "caps.h"
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ACCOUNT_FILE_MAX (1u << 20)

typedef int (*step_fn)(kt_sup_child *self, const kt_sup_step *step);

const char *kt_sup_step_text(int kind)
{
#define STEP_TEXT(name, text) text,
	static const char *const texts[] = {KT_SUP_STEPS(STEP_TEXT)};
#undef STEP_TEXT

	return kind >= 0 && kind < KT_SUP_STEP_COUNT ? texts[kind] : "do an unknown step";
}

int kt_sup_plan_add(kt_sup_plan *self, kt_sup_step_kind kind, const char *a, const char *b,
		    uint64_t n, uint64_t m)
{
	kt_sup_step step = {.kind = kind, .a = a, .b = b, .n = n, .m = m};

	return kt_vec_push(&self->steps, step);
}

void kt_sup_plan_deinit(kt_sup_plan *self)
{
	kt_vec_deinit(&self->steps);
	kt_arena_deinit(&self->arena);
}

static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a;
	int y = *(const int *)b;

	return x < y ? -1 : x > y;
}

void kt_sup_child_close_others(const kt_sup_child *self)
{
	int keep[KT_SUP_SLOTS_MAX + 6];
	size_t count = 0;
	unsigned from = 3;

	keep[count++] = self->report;
	keep[count++] = self->exit_fd;
	keep[count++] = self->join_pidfd;
	for (size_t i = 0; i < 3; i++) {
		keep[count++] = self->streams[i];
	}
	for (size_t i = 0; i < self->plan->slots; i++) {
		keep[count++] = self->slots[i];
	}
	qsort(keep, count, sizeof(keep[0]), by_value);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)from) {
			continue;
		}
		if ((unsigned)keep[i] > from) {
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		}
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

/* No arguments. Namespaces of the process behind join_pidfd; the process namespace was entered
 * by the supervisor before the clone. */
static int step_join(kt_sup_child *self, const kt_sup_step *step)
{
	int status;

	(void)step;
	status = setns(self->join_pidfd,
		       CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP);
	status = status < 0 ? -errno : 0;
	close(self->join_pidfd);
	return status;
}

/* No arguments. Ends the child quietly when the supervisor is gone. */
static int step_wait(kt_sup_child *self, const kt_sup_step *step)
{
	char byte = 0;
	ssize_t n;

	(void)step;
	do {
		n = recv(self->report, &byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n != 1 || byte != KT_SUP_GO) {
		_exit(1);
	}
	return 0;
}

/* No arguments. After the supervisor has moved this process into its groups. */
static int step_cgroups(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	(void)step;
	return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

/* a = path below /proc/sys, b = value; missing files are no failure. */
static int step_sysctl(kt_sup_child *self, const kt_sup_step *step)
{
	char path[128];
	ssize_t n;
	int fd;

	(void)self;
	snprintf(path, sizeof(path), "/proc/sys/%s", step->a);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	n = write(fd, step->b, strlen(step->b));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

/* No arguments. */
static int step_network(kt_sup_child *self, const kt_sup_step *step)
{
	(void)step;
	return kt_sup_nl_setup_service(self->spec->ip);
}

/* a = name */
static int step_hostname(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	return sethostname(step->a, strlen(step->a)) < 0 ? -errno : 0;
}

/* No arguments. The supervisor's keys are not the service's. Not every host has keyrings. */
static int step_keyring(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	(void)step;
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	return 0;
}

/* n = soft limit: what the supervisor was started with, before it raised its own. */
static int step_files_limit(kt_sup_child *self, const kt_sup_step *step)
{
	struct rlimit limit;

	(void)self;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return -errno;
	}
	limit.rlim_cur = step->n;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

/* n = index in the spec's list. Without
 * CAP_SYS_RESOURCE a limit cannot rise above the present hard one: it is cut to it. */
static int step_rlimit(kt_sup_child *self, const kt_sup_step *step)
{
	const kt_sup_ulimit *wanted = &self->spec->ulimits.items[step->n];
	struct rlimit now;
	struct rlimit set = {.rlim_cur = wanted->soft, .rlim_max = wanted->hard};

	if (set.rlim_cur > set.rlim_max) {
		set.rlim_cur = set.rlim_max;
	}
	if (setrlimit((__rlimit_resource_t)wanted->resource, &set) == 0) {
		return 0;
	}
	if (errno != EPERM || getrlimit((__rlimit_resource_t)wanted->resource, &now) < 0) {
		return -errno;
	}
	set.rlim_max = KT_MIN(set.rlim_max, now.rlim_max);
	set.rlim_cur = KT_MIN(set.rlim_cur, set.rlim_max);
	return setrlimit((__rlimit_resource_t)wanted->resource, &set) < 0 ? -errno : 0;
}

/* An account file of the image as text; "" when it is missing. Must be a small regular file. */
static char *read_account_file(const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat st;
	size_t size = 0;
	size_t len = 0;
	char *text;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		size = (size_t)KT_MIN((uint64_t)st.st_size, (uint64_t)ACCOUNT_FILE_MAX);
	}
	text = kt_malloc(size + 1);
	while (text && len < size) {
		ssize_t n = read(fd, text + len, size - len);

		if (n <= 0) {
			break;
		}
		len += (size_t)n;
	}
	if (text) {
		text[len] = '\0';
	}
	if (fd >= 0) {
		close(fd);
	}
	return text;
}

/* a = the user's text */
static int step_user(kt_sup_child *self, const kt_sup_step *step)
{
	KT_AUTO_FREE char *passwd = read_account_file("/etc/passwd");
	KT_AUTO_FREE char *group = read_account_file("/etc/group");
	int status;

	if (!passwd || !group) {
		return -ENOMEM;
	}
	status = kt_sup_user_resolve(step->a, passwd, group, &self->who);
	if (status == -ENOENT) {
		snprintf(self->detail, sizeof(self->detail),
			 "unable to find user %s: no matching entries in passwd file", step->a);
	} else if (status == -ESRCH) {
		snprintf(self->detail, sizeof(self->detail),
			 "unable to find group of %s: no matching entries in group file", step->a);
	}
	return status;
}

static int send_report(int sock, const kt_sup_report *report, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {.iov_base = (void *)report, .iov_len = sizeof(*report)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		mh.msg_control = control.space;
		mh.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* n = rows, m = columns (0: as it is). A terminal of the container's own devpts: its slave becomes
 * the streams, its master goes to the supervisor. */
static int step_terminal(kt_sup_child *self, const kt_sup_step *step)
{
	kt_sup_report report = {.kind = KT_SUP_REPORT_TERMINAL};
	struct winsize size = {.ws_row = (unsigned short)step->n,
			       .ws_col = (unsigned short)step->m};
	int unlock = 0;
	struct stat st;
	int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave;

	if (master < 0 || fstat(master, &st) < 0) {
		return -errno;
	}
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2)) {
		return -ENOTTY;
	}
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0) {
		return -errno;
	}
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0) {
		return -errno;
	}
	if (step->n && step->m) {
		(void)ioctl(master, TIOCSWINSZ, &size);
	}
	self->pty_master = master;
	self->streams[0] = self->streams[1] = self->streams[2] = slave;
	return send_report(self->report, &report, master);
}

/* No arguments. An image's program may open /dev/stdout again as its own user. */
static int step_own_streams(kt_sup_child *self, const kt_sup_step *step)
{
	(void)step;
	for (int i = 0; i < 3; i++) {
		if (fchown(self->streams[i], self->who.uid, (gid_t)-1) < 0) {
			return -errno;
		}
	}
	return 0;
}

/* a = path; made if missing. Never through a magic link: /proc/self/fd/N of this process could lead
 * out of the container. */
static int step_directory(kt_sup_child *self, const kt_sup_step *step)
{
	int fd = kt_sup_child_open(step->a, S_IFDIR);
	int status;

	(void)self;
	if (fd < 0) {
		return fd;
	}
	status = fchdir(fd) < 0 ? -errno : 0;
	close(fd);
	return status;
}

/* No arguments. The parent side stays as process 1 (init.c), the child side goes on. */
static int step_init(kt_sup_child *self, const kt_sup_step *step)
{
	bool keep_pty = self->pty_master >= 0;
	sigset_t all;
	pid_t pid;

	(void)step;
	sigfillset(&all); /* a signal that comes before init waits for it stays pending */
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	pid = fork();
	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		return 0;
	}
	/* Both numbers are free or hold descriptors this process no longer needs. */
	if (keep_pty) {
		int high = fcntl(self->pty_master, F_DUPFD_CLOEXEC, 16);

		(void)dup3(self->exit_fd, KT_SUP_INIT_EXIT_FD, O_CLOEXEC);
		(void)dup3(high, KT_SUP_INIT_PTY_FD, O_CLOEXEC);
	} else if (self->exit_fd != KT_SUP_INIT_EXIT_FD) {
		(void)dup3(self->exit_fd, KT_SUP_INIT_EXIT_FD, O_CLOEXEC);
	}
	if (self->title) {
		memset(self->title, 0, self->title_len);
		snprintf(self->title, self->title_len, "kurtosis-init");
	}
	kt_sup_init_run(pid, keep_pty);
}

/* n = 1: the standard input becomes the controlling terminal */
static int step_session(kt_sup_child *self, const kt_sup_step *step)
{
	(void)setsid(); /* fails for a leader, which is as well */
	if (step->n && ioctl(self->streams[0], TIOCSCTTY, 0) < 0) {
		return -errno;
	}
	return 0;
}

/* No arguments. */
static int step_streams(kt_sup_child *self, const kt_sup_step *step)
{
	int high[3];

	(void)step;
	/* First out of the way of 0, 1 and 2, then into place. */
	for (int i = 0; i < 3; i++) {
		high[i] = fcntl(self->streams[i], F_DUPFD_CLOEXEC, 16);
		if (high[i] < 0) {
			return -errno;
		}
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(high[i], i) < 0) {
			return -errno;
		}
		close(high[i]);
	}
	return 0;
}

/* No arguments. */
static int step_bound(kt_sup_child *self, const kt_sup_step *step)
{
	(void)step;
	return kt_sup_caps_bound(self->caps);
}

/* No arguments. The own group is among the supplementary ones, as Docker has it: a program that
 * gives up its primary group must not thereby pass a "group may not" permission. */
static int step_groups(kt_sup_child *self, const kt_sup_step *step)
{
	gid_t groups[KT_SUP_GROUPS_MAX + 1];

	(void)step;
	groups[0] = self->who.gid;
	memcpy(groups + 1, self->who.groups, self->who.group_count * sizeof(gid_t));
	if (setgroups(self->who.group_count + 1, groups) < 0 ||
	    setresgid(self->who.gid, self->who.gid, self->who.gid) < 0) {
		return -errno;
	}
	return 0;
}

/* No arguments. */
static int step_no_new_privs(kt_sup_child *self, const kt_sup_step *step)
{
	(void)self;
	(void)step;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* No arguments. Loading needs CAP_SYS_ADMIN, so it comes before the capabilities go; what follows
 * is allowed by the filter. */
static int step_filter(kt_sup_child *self, const kt_sup_step *step)
{
	(void)step;
	return self->filter ? kt_sup_filter_load(self->filter) : 0;
}

/* No arguments. */
static int step_identity(kt_sup_child *self, const kt_sup_step *step)
{
	(void)step;
	return setresuid(self->who.uid, self->who.uid, self->who.uid) < 0 ? -errno : 0;
}

/* No arguments. For another user than root they went with the identity. */
static int step_capabilities(kt_sup_child *self, const kt_sup_step *step)
{
	(void)step;
	return kt_sup_caps_set(self->caps);
}

static int try_exec(const char *path, char **argv, char **envp, int *best)
{
	struct stat st;

	execve(path, argv, envp);
	if (errno == EACCES && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
	}
	/* "not found" is the weakest of the answers a search can give */
	if (*best == -ENOENT || *best == 0) {
		*best = errno == ENOTDIR ? -ENOENT : -errno;
	}
	return *best;
}

static int search_exec(kt_sup_child *self, char **argv, char **envp)
{
	const char *path = kt_sup_env_get(self->env, "PATH");
	int best = 0;

	snprintf(self->detail, sizeof(self->detail), "%s", argv[0]);
	if (strchr(argv[0], '/')) {
		return try_exec(argv[0], argv, envp, &best);
	}
	best = -ENOENT;
	while (path && *path) {
		size_t len = strcspn(path, ":");
		char full[PATH_MAX];

		if (snprintf(full, sizeof(full), "%.*s/%s", len ? (int)len : 1, len ? path : ".",
			     argv[0]) < (int)sizeof(full)) {
			(void)try_exec(full, argv, envp, &best);
		}
		path += len;
		path += *path == ':';
	}
	return best;
}

/*
 * A signal that whoever started the supervisor ignores would stay ignored through exec. The
 * system call itself is used, as the C library keeps two real-time signals from its callers. A
 * kernel's sigaction of zeros is SIG_DFL without flags on every architecture.
 */
static void default_signals(void)
{
	const char zeros[64] = {0};
	enum { SET_SIZE = 8, LAST_SIGNAL = 64 };

	for (int number = 1; number <= LAST_SIGNAL; number++) {
		(void)syscall(SYS_rt_sigaction, number, zeros, NULL, SET_SIZE);
	}
}

/* No arguments. */
static int step_exec(kt_sup_child *self, const kt_sup_step *step)
{
	size_t env_len = self->env->len;
	char home[KT_SUP_HOME_MAX + 8];
	char **argv = kt_alloc_array(self->spec->args.len + 1, sizeof(char *));
	char **envp = kt_alloc_array(env_len + 2, sizeof(char *));
	sigset_t none;

	(void)step;
	if (!argv || !envp) {
		return -ENOMEM;
	}
	memcpy(argv, self->spec->args.items, self->spec->args.len * sizeof(char *));
	argv[self->spec->args.len] = NULL;
	if (env_len > 0) {
		memcpy(envp, self->env->items, env_len * sizeof(char *));
	}
	if (!kt_sup_env_get(self->env, "HOME")) {
		snprintf(home, sizeof(home), "HOME=%s", self->who.home);
		envp[env_len++] = home;
	}
	envp[env_len] = NULL;
	default_signals();
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0) {
		return -errno;
	}
	return search_exec(self, argv, envp);
}

static const step_fn step_fns[KT_SUP_STEP_COUNT] = {
	[KT_SUP_STEP_JOIN] = step_join,
	[KT_SUP_STEP_PRIVATE] = kt_sup_child_private,
	[KT_SUP_STEP_OVERLAY] = kt_sup_child_overlay,
	[KT_SUP_STEP_SOURCE] = kt_sup_child_source,
	[KT_SUP_STEP_PIVOT] = kt_sup_child_pivot,
	[KT_SUP_STEP_FILESYSTEM] = kt_sup_child_filesystem,
	[KT_SUP_STEP_STAGE] = kt_sup_child_stage,
	[KT_SUP_STEP_DEVICE] = kt_sup_child_device,
	[KT_SUP_STEP_ATTACH] = kt_sup_child_attach,
	[KT_SUP_STEP_NODE] = kt_sup_child_node,
	[KT_SUP_STEP_LINK] = kt_sup_child_link,
	[KT_SUP_STEP_PREFILL] = kt_sup_child_prefill,
	[KT_SUP_STEP_WAIT] = step_wait,
	[KT_SUP_STEP_CGROUPS] = step_cgroups,
	[KT_SUP_STEP_SYSCTL] = step_sysctl,
	[KT_SUP_STEP_NETWORK] = step_network,
	[KT_SUP_STEP_MASK] = kt_sup_child_mask,
	[KT_SUP_STEP_READ_ONLY] = kt_sup_child_read_only,
	[KT_SUP_STEP_HOSTNAME] = step_hostname,
	[KT_SUP_STEP_KEYRING] = step_keyring,
	[KT_SUP_STEP_FILES_LIMIT] = step_files_limit,
	[KT_SUP_STEP_RLIMIT] = step_rlimit,
	[KT_SUP_STEP_USER] = step_user,
	[KT_SUP_STEP_TERMINAL] = step_terminal,
	[KT_SUP_STEP_OWN_STREAMS] = step_own_streams,
	[KT_SUP_STEP_DIRECTORY] = step_directory,
	[KT_SUP_STEP_INIT] = step_init,
	[KT_SUP_STEP_SESSION] = step_session,
	[KT_SUP_STEP_STREAMS] = step_streams,
	[KT_SUP_STEP_BOUND] = step_bound,
	[KT_SUP_STEP_GROUPS] = step_groups,
	[KT_SUP_STEP_NO_NEW_PRIVS] = step_no_new_privs,
	[KT_SUP_STEP_FILTER] = step_filter,
	[KT_SUP_STEP_IDENTITY] = step_identity,
	[KT_SUP_STEP_CAPABILITIES] = step_capabilities,
	[KT_SUP_STEP_EXEC] = step_exec,
};

void kt_sup_child_run(kt_sup_child *self)
{
	kt_sup_report report = {.kind = KT_SUP_REPORT_FAILED, .error = EINVAL};

	self->pty_master = -1;
	memset(self->slots, 0xff, sizeof(self->slots));
	/* A new supervisor may be waiting for what this copy of the old one holds. */
	kt_sup_child_close_others(self);
	for (size_t i = 0; i < self->plan->steps.len; i++) {
		const kt_sup_step *step = &self->plan->steps.items[i];
		int status = step_fns[step->kind](self, step);

		if (status < 0) {
			report.step = (int32_t)step->kind;
			report.error = -status;
			snprintf(report.detail, sizeof(report.detail), "%s",
				 self->detail[0] ? self->detail
				 : step->a	 ? step->a
						 : "");
			break;
		}
	}
	(void)send_report(self->report, &report, -1);
	_exit(report.error == ENOENT ? 127 : 126);
}
