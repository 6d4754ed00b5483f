/*
 * The supervisor's half of a launch (core.h): directories, streams, control group, plan, clone,
 * network; then it listens to the child's reports until the program is exec'ed.
 *
 * A clone3 without CLONE_VM copies only page tables, and the supervisor is small; it is the one
 * process of the product that calls it, because it has one thread.
 */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "caps.h"
#include "devices.h"
#include "launch_plan.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)

static const char *const stream_names[3] = {"stdin", "stdout", "stderr"};

static int make_dir(const char *path, mode_t mode, kt_err *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		return KT_FAIL_ERRNO(err, "cannot create the directory '%s'", path);
	}
	return 0;
}

/* "dir/name"; a path that does not fit becomes "", which no call accepts. */
static void path_in(const char *dir, const char *name, char ret[PATH_MAX])
{
	if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX) {
		ret[0] = '\0';
	}
}

static int make_dirs(const kt_sup_service *service, const char *layer_dir, kt_err *err)
{
	char path[PATH_MAX];

	kt_sup_service_path(service, "root", path);
	if (make_dir(path, 0700, err) < 0) {
		return -1;
	}
	/* 0700 above it: set-user-id programs of an image must not be reachable on the host. */
	if (kt_fs_mkdirs(layer_dir, 0700, err) < 0) {
		return -1;
	}
	path_in(layer_dir, "upper", path);
	if (make_dir(path, 0755, err) < 0) {
		return -1;
	}
	/* A run that ignored fsync leaves its mark there, with which no mount is accepted. */
	path_in(layer_dir, "work/work/incompat", path);
	if (kt_fs_remove_tree(path, err) < 0) {
		return -1;
	}
	path_in(layer_dir, "work", path);
	return make_dir(path, 0700, err);
}

static int write_one(const kt_sup_service *service, const char *name, const kt_buf *text,
		     kt_err *err)
{
	char path[PATH_MAX];
	KT_AUTO_FD int fd = -1;

	if (kt_buf_check(text, err) < 0) {
		return -1;
	}
	kt_sup_service_path(service, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0) {
		return KT_FAIL_ERRNO(err, "cannot write '%s'", path);
	}
	return kt_fs_write_all(fd, text->data, text->len, err);
}

static int write_files(const kt_sup_service *service, const kt_sup_spec *spec, kt_err *err)
{
	KT_AUTO_BUF kt_buf hosts = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf resolv = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf hostname = KT_BUF_INIT;

	kt_buf_adds(&hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			    "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
			    "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	kt_buf_addf(&hosts, "%s\t%s\n", inet_ntoa(spec->ip), spec->hostname);
	for (size_t i = 0; i < spec->extra_hosts.len; i++) {
		kt_buf_addf(&hosts, "%s\n", spec->extra_hosts.items[i]);
	}
	for (size_t i = 0; i < spec->nameservers.len; i++) {
		kt_buf_addf(&resolv, "nameserver %s\n", spec->nameservers.items[i]);
	}
	if (spec->nameservers.len == 0) {
		kt_buf_adds(&resolv, "nameserver " KT_SUP_GATEWAY "\n");
	}
	kt_buf_adds(&resolv, "options ndots:0\n");
	kt_buf_addf(&hostname, "%s\n", spec->hostname);
	if (write_one(service, "hosts", &hosts, err) < 0 ||
	    write_one(service, "resolv.conf", &resolv, err) < 0) {
		return -1;
	}
	return write_one(service, "hostname", &hostname, err);
}

static void close_streams(int streams[3])
{
	for (int i = 0; i < 3; i++) {
		kt_close_ptr(&streams[i]);
	}
}

/* The service's ends: blocking, read-write, so that its writes never meet a pipe without reader and
 * its reads never meet the end of input. */
static int open_streams(const kt_sup_service *service, int streams[3], kt_err *err)
{
	char path[PATH_MAX];

	for (int i = 0; i < 3; i++) {
		kt_sup_service_path(service, stream_names[i], path);
		if (mkfifo(path, 0620) < 0 && errno != EEXIST) {
			close_streams(streams);
			return KT_FAIL_ERRNO(err, "cannot create the pipe '%s'", path);
		}
		streams[i] = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (streams[i] < 0 || fchmod(streams[i], 0620) < 0) {
			(void)KT_FAIL_ERRNO(err, "cannot open the pipe '%s'", path);
			close_streams(streams);
			return -1;
		}
		if (i > 0) {
			(void)fcntl(streams[i], F_SETPIPE_SZ, PIPE_BYTES);
		}
	}
	return 0;
}

static int open_reader(const kt_sup_service *service, const char *name, kt_err *err)
{
	char path[PATH_MAX];
	int fd;

	kt_sup_service_path(service, name, path);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot open the pipe '%s'", path);
	}
	return fd;
}

int kt_sup_launch_pump(kt_sup_service *service, const kt_sup_spec *spec, kt_err *err)
{
	kt_supervisor *sup = service->sup;
	int out = -1;
	int errors = -1;

	if (spec->flags & KT_SUP_TTY) {
		out = service->launch.terminal;
		service->launch.terminal = -1;
		if (out >= 0 && fcntl(out, F_SETFL, O_NONBLOCK) < 0) {
			close(out);
			return KT_FAIL_ERRNO(err, "cannot use the terminal of '%s'", service->id);
		}
	} else {
		out = open_reader(service, "stdout", err);
		errors = out < 0 ? -1 : open_reader(service, "stderr", err);
		if (errors < 0) {
			kt_close_ptr(&out);
			return -1;
		}
	}
	return kt_sup_pump_start(&service->pump, &sup->loop, sup->scratch, spec->log_path,
				 spec->log_max_bytes, spec->log_files, out, errors, err);
}

static int open_exit_file(const kt_sup_service *service, kt_err *err)
{
	char path[PATH_MAX];
	int fd;

	kt_sup_service_path(service, "exit", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? KT_FAIL_ERRNO(err, "cannot create '%s'", path) : fd;
}

/* A service with devices of its own, or with all of them, gets a list of its own. */
static void allow_devices(const kt_sup_spec *spec, int cgroup)
{
	kt_sup_device more[64];
	size_t count = 0;
	bool all = spec->flags & KT_SUP_PRIVILEGED;

	if (cgroup < 0 || (!all && spec->devices.len == 0)) {
		return;
	}
	for (size_t i = 0; i < spec->devices.len && count < KT_ARRAY_LEN(more); i++) {
		struct stat st;

		if (stat(spec->devices.items[i], &st) == 0) {
			more[count++] = (kt_sup_device){S_ISBLK(st.st_mode), st.st_rdev};
		}
	}
	/* Where no filter can be had, the enclave has none either: nothing to open. */
	(void)kt_sup_devices_restrict(cgroup, more, count, all);
}

/* *ret_cgroup: descriptor or -1. A limit the host cannot give is said once and left out. */
static int join_groups(kt_sup_service *service, const kt_sup_spec *spec, int *ret_cgroup,
		       kt_err *err)
{
	kt_supervisor *sup = service->sup;
	kt_sup_limits limits = {.memory_bytes = spec->memory_bytes,
				.cpu_millis = spec->cpu_millis,
				.pids = spec->pids};
	const kt_sup_limits none = {0};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;

	if (kt_sup_cgroups_add(&sup->cgroups, service->id, &limits, ret_cgroup,
			       &service->limited_v1, &failure) == 0) {
		return 0;
	}
	if (failure.code == KT_ERR_UNSUPPORTED) {
		if (!sup->limits_warned) {
			kt_log_err(KT_LOG_WARN, KT_SUP_PART, &failure,
				   "services run without the limits asked for");
		}
		sup->limits_warned = true;
		return kt_sup_cgroups_add(&sup->cgroups, service->id, &none, ret_cgroup,
					  &service->limited_v1, err);
	}
	kt_err_move(err, &failure);
	return -1;
}

static pid_t clone_child(uint64_t flags, int cgroup, int *ret_pidfd)
{
	/* No exit signal: only waits that ask for such children (__WALL) find it. */
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
	};

	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int make_report_pair(int pair[2], kt_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return KT_FAIL_ERRNO(err, "cannot create a socket pair");
	}
	return 0;
}

static uint64_t service_namespaces(const kt_sup_spec *spec, bool late_groups)
{
	uint64_t flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET;

	/* The root of a control group namespace is where the process is when it is made: with v1
	 * groups the child is moved first and makes its own (step CGROUPS). */
	flags |= late_groups ? 0u : (uint64_t)CLONE_NEWCGROUP;
	return spec->flags & KT_SUP_HOST_PID ? flags : flags | CLONE_NEWPID;
}

/* After the clone: record it, connect it, let it go on. */
static int connect_child(kt_sup_service *service, kt_err *err)
{
	kt_supervisor *sup = service->sup;
	const char go = KT_SUP_GO;
	int status;

	if (kt_sup_state_save(service, err) < 0) {
		return -1;
	}
	if (service->limited_v1 &&
	    kt_sup_cgroups_enter_v1(&sup->cgroups, service->id, service->pid, err) < 0) {
		return -1;
	}
	status = kt_sup_nl_add_service(sup->nl, sup->bridge, service->ip, service->pid);
	if (status < 0) {
		errno = -status;
		return KT_FAIL_ERRNO(err, "cannot connect the service to the enclave's network");
	}
	if (send(service->launch.report, &go, 1, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
		return KT_FAIL_ERRNO(err, "cannot talk to the service's first process");
	}
	return 0;
}

/* Everything ready: clone. Descriptors in child and `pair` stay the caller's. */
static int clone_service(kt_sup_service *service, const kt_sup_spec *spec, kt_sup_child *child,
			 int pair[2], int cgroup, kt_err *err)
{
	int pidfd = -1;
	pid_t pid = clone_child(service_namespaces(spec, service->limited_v1), cgroup, &pidfd);

	if (pid < 0) {
		return KT_FAIL_ERRNO(err, "cannot start a process in new namespaces");
	}
	if (pid == 0) {
		kt_sup_child_run(child);
	}
	service->pid = pid;
	service->pidfd = pidfd;
	service->start_ticks = kt_sup_start_ticks(pid);
	service->started_ns = kt_wall_ns();
	service->state = KT_SUP_STATE_STARTING;
	service->exit = (kt_sup_exit){0};
	service->adopted = false;
	service->launch.report = pair[0];
	pair[0] = -1;
	return 0;
}

static const kt_sup_filter *choose_filter(kt_supervisor *sup, uint64_t flags, uint64_t caps,
					  kt_sup_filter *own, kt_err *err)
{
	if (flags & KT_SUP_PRIVILEGED) {
		return NULL;
	}
	/* Only these bits change which calls are open; the default set has one of them. */
	if (caps == KT_SUP_CAPS_DEFAULT) {
		return &sup->filter;
	}
	return kt_sup_filter_init(own, caps, err) < 0 ? NULL : own;
}

static int prepare_plan(kt_sup_service *service, const kt_sup_spec *spec, kt_sup_plan *plan,
			kt_sup_texts *env, kt_err *err)
{
	const kt_sup_cgroups *groups = &service->sup->cgroups;
	char service_dir[PATH_MAX];
	char layer_dir[PATH_MAX];
	kt_sup_limits limits = {.memory_bytes = spec->memory_bytes,
				.cpu_millis = spec->cpu_millis,
				.pids = spec->pids};
	kt_sup_places places = {.show_cgroups = groups->v2[0] && !groups->v1[KT_SUP_CG_MEMORY][0],
				.limited_v1 = kt_sup_cgroups_limits_v1(groups, &limits),
				.groups = groups,
				.open_files = service->sup->open_files};

	kt_sup_service_path(service, NULL, service_dir);
	kt_sup_layer_dir(service_dir, service->id, spec->upper_dir, layer_dir);
	if (make_dirs(service, layer_dir, err) < 0 || write_files(service, spec, err) < 0) {
		return -1;
	}
	places.service_dir = kt_arena_strdup(&plan->arena, service_dir);
	places.layer_dir = kt_arena_strdup(&plan->arena, layer_dir);
	if (!places.service_dir || !places.layer_dir) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < spec->env.len; i++) {
		if (kt_vec_push(env, spec->env.items[i]) < 0) {
			return kt_err_nomem(err);
		}
	}
	if (kt_sup_plan_env(plan, spec->hostname, spec->flags & KT_SUP_TTY, env, err) < 0) {
		return -1;
	}
	return kt_sup_plan_service(plan, spec, &places, err);
}

/* Opens what the child needs and clones it. */
static int launch_planned(kt_sup_service *service, const kt_sup_spec *spec, kt_sup_child *child,
			  kt_err *err)
{
	KT_AUTO_FD int exit_fd = -1;
	KT_AUTO_FD int cgroup = -1;
	int streams[3] = {-1, -1, -1};
	int pair[2] = {-1, -1};
	int status = -1;

	if ((spec->flags & KT_SUP_HOST_PID) && !service->sup->cgroups.v2[0]) {
		return KT_FAIL(err, UNSUPPORTED,
			       "the host's process namespace needs version 2 control groups here, "
			       "or the service could not be stopped");
	}
	if (!(spec->flags & KT_SUP_NO_INIT)) {
		exit_fd = open_exit_file(service, err);
		if (exit_fd < 0) {
			return -1;
		}
	}
	if (join_groups(service, spec, &cgroup, err) < 0 ||
	    open_streams(service, streams, err) < 0) {
		return -1;
	}
	allow_devices(spec, cgroup);
	if (make_report_pair(pair, err) == 0) {
		child->report = pair[1];
		child->exit_fd = exit_fd;
		memcpy(child->streams, streams, sizeof(streams));
		status = clone_service(service, spec, child, pair, cgroup, err);
	}
	close_streams(streams);
	kt_close_ptr(&pair[0]);
	kt_close_ptr(&pair[1]);
	return status;
}

int kt_sup_launch_service(kt_sup_service *service, const kt_sup_spec *spec, kt_err *err)
{
	kt_supervisor *sup = service->sup;
	kt_sup_plan plan = {0};
	kt_sup_texts env = {0};
	kt_sup_filter own = {0};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	kt_sup_child child = {.plan = &plan,
			      .spec = spec,
			      .env = &env,
			      .caps = spec->caps,
			      .join_pidfd = -1,
			      .title = sup->title,
			      .title_len = sup->title_len};
	int status;

	service->limited_v1 = false;
	service->launch.terminal = -1;
	status = prepare_plan(service, spec, &plan, &env, &failure);
	if (status == 0) {
		child.filter = choose_filter(sup, spec->flags, spec->caps, &own, &failure);
		status = failure.code != KT_ERR_OK ? -1 : 0;
	}
	if (status == 0) {
		status = launch_planned(service, spec, &child, &failure);
	}
	kt_vec_deinit(&env);
	kt_sup_filter_deinit(&own);
	kt_sup_plan_deinit(&plan);
	if (status == 0) {
		status = connect_child(service, &failure);
	}
	if (status == 0 && !(spec->flags & KT_SUP_TTY)) {
		status = kt_sup_launch_pump(service, spec, &failure);
	}
	if (status < 0) {
		kt_err_move(err, &failure);
	}
	return status;
}

void kt_sup_launch_close(kt_sup_launch *launch)
{
	kt_sup_watch_drop(&launch->watch);
	kt_close_ptr(&launch->report);
}

/* One report; 1 = read, 0 = nothing now, -1 = the other side is closed. */
static int read_report(kt_sup_launch *launch)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	kt_sup_report report = {0};
	struct iovec iov = {.iov_base = &report, .iov_len = sizeof(report)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space)};
	struct cmsghdr *c;
	ssize_t n = recvmsg(launch->report, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	/* The child may have ended with our word unread: that error comes before its own report. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) {
		return errno != EAGAIN;
	}
	if (n != (ssize_t)sizeof(report)) {
		return -1;
	}
	report.detail[sizeof(report.detail) - 1] = '\0';
	c = CMSG_FIRSTHDR(&mh);
	if (c && c->cmsg_type == SCM_RIGHTS && launch->terminal < 0) {
		memcpy(&launch->terminal, CMSG_DATA(c), sizeof(int));
	}
	if (report.kind == KT_SUP_REPORT_FAILED) {
		launch->failed = true;
		launch->failure = report;
	}
	return 1;
}

bool kt_sup_launch_read(kt_sup_launch *launch)
{
	int status;

	if (launch->report < 0) {
		return true;
	}
	do {
		status = read_report(launch);
	} while (status == 1);
	return status < 0;
}

int kt_sup_launch_error(const kt_sup_launch *launch, kt_err *err)
{
	const kt_sup_report *r = &launch->failure;
	const char *detail = r->detail;

	if (r->step == KT_SUP_STEP_EXEC && r->error == ENOENT) {
		return KT_FAIL(
			err, NOT_FOUND,
			strchr(detail, '/')
				? "cannot start the program: stat %s: no such file or directory"
				: "cannot start the program: exec: \"%s\": executable file not "
				  "found in $PATH",
			detail);
	}
	if (r->step == KT_SUP_STEP_USER && detail[0]) {
		return KT_FAIL(err, NOT_FOUND, "%s", detail);
	}
	return kt_err_set_errno(err, r->error, "cannot %s%s%s%s", kt_sup_step_text(r->step),
				detail[0] ? " '" : "", detail, detail[0] ? "'" : "");
}

/* The clone lands in the service's process namespace without a second process: the supervisor
 * points its own children there for one call. Other namespaces are entered by the child. */
static pid_t clone_into(kt_sup_service *service, int cgroup, int *ret_pidfd)
{
	bool own_pids = !(service->flags & KT_SUP_HOST_PID);
	pid_t pid;
	int saved;

	if (own_pids && setns(service->pidfd, CLONE_NEWPID) < 0) {
		return -1;
	}
	pid = clone_child(0, cgroup, ret_pidfd);
	saved = errno;
	if (own_pids && pid != 0 && setns(service->sup->own_pid_ns, CLONE_NEWPID) < 0) {
		KT_BUG("cannot return to the own process namespace");
	}
	errno = saved;
	return pid;
}

static int start_command(kt_sup_service *service, kt_sup_exec *exec, kt_sup_child *child,
			 int pair[2], kt_err *err)
{
	kt_supervisor *sup = service->sup;
	KT_AUTO_FD int cgroup = kt_sup_cgroups_open(&sup->cgroups, service->id);
	const char go = KT_SUP_GO;
	int pidfd = -1;
	pid_t pid = clone_into(service, cgroup, &pidfd);

	if (pid < 0) {
		return KT_FAIL_ERRNO(err, "cannot start a process in service '%s'", service->id);
	}
	if (pid == 0) {
		kt_sup_child_run(child);
	}
	exec->pid = pid;
	exec->pidfd = pidfd;
	exec->launch.report = pair[0];
	pair[0] = -1;
	if (service->limited_v1 &&
	    kt_sup_cgroups_enter_v1(&sup->cgroups, service->id, pid, err) < 0) {
		return -1;
	}
	(void)send(exec->launch.report, &go, 1, MSG_NOSIGNAL);
	return 0;
}

/* The service's environment overlaid with the request's. */
static int merge_env(const kt_sup_spec *base, const kt_sup_spec *request, kt_sup_texts *env,
		     kt_err *err)
{
	size_t kept = request->flags & KT_SUP_CLEAR_ENV ? 0 : base->env.len;

	for (size_t i = 0; i < kept + request->env.len; i++) {
		const char *entry = i < kept ? base->env.items[i] : request->env.items[i - kept];
		size_t name_len = strcspn(entry, "=") + 1;
		size_t at = 0;

		while (at < env->len && strncmp(env->items[at], entry, name_len) != 0) {
			at++;
		}
		if (at < env->len) {
			env->items[at] = entry;
		} else if (kt_vec_push(env, entry) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int launch_command(kt_sup_service *service, kt_sup_exec *exec, const kt_sup_spec *base,
			  const kt_sup_spec *request, const int streams[3], kt_sup_plan *plan,
			  kt_sup_texts *env, kt_err *err)
{
	kt_supervisor *sup = service->sup;
	const char *user = request->user ? request->user : base->user;
	const char *cwd = request->cwd ? request->cwd : base->cwd;
	kt_sup_filter own = {0};
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	kt_sup_child child = {.plan = plan,
			      .spec = request,
			      .env = env,
			      .caps = base->caps,
			      .exit_fd = -1,
			      .join_pidfd = service->pidfd};
	int pair[2] = {-1, -1};
	int status;

	memcpy(child.streams, streams, sizeof(child.streams));
	status = merge_env(base, request, env, err);
	if (status == 0) {
		status = kt_sup_plan_env(plan, base->hostname, request->flags & KT_SUP_TTY, env,
					 err);
	}
	if (status == 0) {
		status = kt_sup_plan_exec(plan, request, user, cwd, base->flags, sup->open_files,
					  err);
	}
	if (status < 0 || make_report_pair(pair, err) < 0) {
		return -1;
	}
	child.report = pair[1];
	child.filter = choose_filter(sup, base->flags, base->caps, &own, &failure);
	status = failure.code != KT_ERR_OK ? -1 : 0;
	if (status == 0) {
		status = start_command(service, exec, &child, pair, &failure);
	}
	if (status < 0) {
		kt_err_move(err, &failure);
	}
	kt_sup_filter_deinit(&own);
	kt_close_ptr(&pair[0]);
	kt_close_ptr(&pair[1]);
	return status;
}

int kt_sup_launch_exec(kt_sup_service *service, kt_sup_exec *exec, const kt_sup_spec *request,
		       const int streams[3], kt_err *err)
{
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec base = {0};
	kt_sup_plan plan = {0};
	kt_sup_texts env = {0};
	char service_dir[PATH_MAX];
	int status;

	kt_sup_service_path(service, NULL, service_dir);
	status = kt_sup_spec_load(service_dir, &buf, &base, err);
	if (status == 0) {
		status = launch_command(service, exec, &base, request, streams, &plan, &env, err);
	}
	kt_vec_deinit(&env);
	kt_sup_plan_deinit(&plan);
	kt_sup_spec_unload(&buf, &base);
	return status;
}
