/*
 * kurtosis-supervisor: one per enclave, keeps its services.
 *
 *   kurtosis-supervisor --dir DIR [--enclave UUID] [--ready-fd N]
 *         DIR = <runtime>/enclaves/<uuid>; serves until a client says destroy or shutdown
 *   kurtosis-supervisor --destroy DIR
 *         removes all traces, with or without a supervisor running
 *
 * With --ready-fd one byte '+' is written when the control socket listens; end of file without it
 * means failure (the reason is on standard error).
 */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "caps.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SEALED_ENV "KURTOSIS_SUPERVISOR_SEALED"
#define DESTROY_SECONDS 30
#define PREDECESSOR_SECONDS 10
#define CHILDREN_FD 500

typedef struct options {
	const char *run;
	const char *enclave; /* NULL, or what DIR must end in */
	const char *destroy;
	int ready_fd;
} options;

/*
 * Runs the same program again from a detached read-only mount (or a sealed memory file). A
 * container's init is a clone of this process, so /proc/1/exe in the container is this file:
 * root in there must not get a writable handle on it.
 */
static int seal_by_mount(void)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int fd;

	if (n < 0) {
		return -1;
	}
	path[n] = '\0';
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int seal_by_copy(void)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = memfd_create("kurtosis-supervisor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n = 1;

	while (in >= 0 && out >= 0 && n > 0) {
		n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
		if (n < 0) {
			char block[65536];

			n = read(in, block, sizeof(block));
			n = n > 0 ? write(out, block, (size_t)n) : n;
		}
	}
	if (in >= 0) {
		close(in);
	}
	if (n < 0 ||
	    fcntl(out, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		kt_close_ptr(&out);
	}
	return out;
}

static int run_sealed(char **argv, kt_err *err)
{
	int fd;

	if (getenv(SEALED_ENV)) {
		return unsetenv(SEALED_ENV);
	}
	fd = seal_by_mount();
	if (fd < 0) {
		fd = seal_by_copy();
	}
	if (fd < 0 || setenv(SEALED_ENV, "1", 1) < 0) {
		return KT_FAIL_ERRNO(err, "cannot protect the supervisor's own file");
	}
	execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return KT_FAIL_ERRNO(err, "cannot start from the protected file");
}

/* A record lock, because children do not inherit it: a half-made service that outlives its
 * supervisor for a moment must not keep the next one out. The file must not be opened a second
 * time. */
static int take_lock(kt_supervisor *self, kt_err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	char text[32];
	int n;

	if (kt_fs_mkdirs(self->dir, 0700, err) < 0) {
		return -1;
	}
	snprintf(path, sizeof(path), "%s/lock", self->dir);
	self->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (self->lock < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", path);
	}
	if (fcntl(self->lock, F_SETLK, &whole) < 0) {
		return KT_FAIL(err, EXISTS, "a supervisor is already running for '%s'", self->dir);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(self->lock, 0) < 0 || write(self->lock, text, (size_t)n) != n) {
		return KT_FAIL_ERRNO(err, "cannot write '%s'", path);
	}
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig; /* only interrupts */
}

/*
 * Waits for the last processes of an earlier supervisor that still hold its descriptors (the
 * resolver's port among them): children between clone and exec, which end or exec at once. They
 * hold this lock, too, because flock goes with the descriptor. Its number is high: descriptors
 * are closed in order, so it is let go last.
 */
static int await_predecessors(kt_supervisor *self, kt_err *err)
{
	struct sigaction interrupt = {.sa_handler = on_alarm};
	struct sigaction before;
	char path[PATH_MAX];
	int status;
	int fd;

	snprintf(path, sizeof(path), "%s/children", self->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	self->children = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, CHILDREN_FD);
	kt_close_ptr(&fd);
	if (self->children < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", path);
	}
	(void)sigaction(SIGALRM, &interrupt, &before);
	(void)alarm(PREDECESSOR_SECONDS);
	status = flock(self->children, LOCK_EX);
	if (status < 0) {
		(void)KT_FAIL_ERRNO(err, "processes of an earlier supervisor do not end");
	}
	(void)alarm(0);
	(void)sigaction(SIGALRM, &before, NULL);
	return status;
}

static void on_signal(kt_sup_watch *watch, uint32_t events)
{
	kt_supervisor *self = watch->user;
	struct signalfd_siginfo si;

	(void)events;
	while (read(watch->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT) {
			kt_sup_loop_stop(&self->loop);
		}
	}
	kt_sup_reap(self);
}

static int watch_signals(kt_supervisor *self, kt_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return KT_FAIL_ERRNO(err, "cannot block signals");
	}
	self->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (self->signals < 0) {
		return KT_FAIL_ERRNO(err, "cannot watch signals");
	}
	return kt_sup_watch_add(&self->loop, &self->signals_watch, self->signals, EPOLLIN,
				on_signal, self, err);
}

/* Quiet and orphan-proof: not dumpable (init.c says why), subreaper, own session. */
static int settle_process(kt_supervisor *self, kt_err *err)
{
	struct rlimit files;

	(void)setsid();
	umask(022);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		return KT_FAIL_ERRNO(err, "cannot set up the supervisor's process");
	}
	/* Four descriptors per service, one per connection carried: services keep the old limit. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		self->open_files = files.rlim_cur;
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	self->own_pid_ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (self->own_pid_ns < 0) {
		return KT_FAIL_ERRNO(err, "cannot open the own process namespace");
	}
	return 0;
}

static int open_all(kt_supervisor *self, kt_err *err)
{
	self->scratch = mmap(NULL, sizeof(*self->scratch), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (self->scratch == MAP_FAILED) {
		return kt_err_nomem(err);
	}
	/* One service's output must not lie in the memory of another's init. */
	(void)madvise(self->scratch, sizeof(*self->scratch), MADV_WIPEONFORK);
	kt_sup_boot_id(self->boot_id);
	if (settle_process(self, err) < 0 || take_lock(self, err) < 0 ||
	    await_predecessors(self, err) < 0 || kt_sup_loop_init(&self->loop, err) < 0 ||
	    watch_signals(self, err) < 0 ||
	    kt_sup_filter_init(&self->filter, KT_SUP_CAPS_DEFAULT, err) < 0 ||
	    kt_sup_enclave_open(self, err) < 0) {
		return -1;
	}
	self->net = kt_sup_net_new(&self->loop, self->dir, err);
	if (!self->net || kt_sup_service_adopt_all(self, err) < 0) {
		return -1;
	}
	kt_sup_enclave_clean(self);
	return kt_sup_server_open(self, err);
}

static void close_all(kt_supervisor *self)
{
	while (self->services.len > 0) {
		kt_sup_service_free(self->services.items[--self->services.len]);
	}
	kt_sup_net_free(self->net);
	kt_sup_watch_drop(&self->signals_watch);
	kt_vec_deinit(&self->services);
	kt_vec_deinit(&self->execs);
	kt_vec_deinit(&self->stop_all_askers);
	kt_sup_filter_deinit(&self->filter);
}

/* open_all may have failed half-way: then the process ends and the kernel cleans up. */
static int serve(kt_supervisor *self, int ready_fd, kt_err *err)
{
	int status;

	if (open_all(self, err) < 0) {
		return -1;
	}
	if (ready_fd >= 0) {
		(void)!write(ready_fd, "+", 1);
		close(ready_fd);
	}
	status = kt_sup_loop_run(&self->loop, err);
	if (status == 0 && self->destroying) {
		KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
		kt_sup_asker asker = self->destroyer;

		/* The lock's file goes with the directory; the lock itself ends with us. */
		status = kt_sup_enclave_destroy(self->dir, kt_after_ms(DESTROY_SECONDS * 1000),
						&failure);
		kt_sup_server_answer(self, asker, status < 0 ? &failure : NULL);
		kt_err_move(err, &failure);
	}
	kt_sup_server_close(self);
	close_all(self);
	kt_sup_loop_deinit(&self->loop);
	kt_buf_deinit(&self->request);
	kt_buf_deinit(&self->reply);
	(void)munmap(self->scratch, sizeof(*self->scratch));
	return status;
}

static int run(const char *dir, int ready_fd, char **argv, kt_err *err)
{
	kt_supervisor *self;
	KT_AUTO_FREE char *real = NULL;
	size_t argc = 0;
	int status;

	if (run_sealed(argv, err) < 0) {
		return -1;
	}
	if (dir[0] != '/' || !kt_sup_id_valid(kt_path_base(dir))) {
		return KT_FAIL(err, INVALID,
			       "'%s' is not an absolute path that ends in an enclave's id", dir);
	}
	real = kt_strdup(dir); /* the argument's memory becomes init's title */
	self = kt_calloc(1, sizeof(*self));
	if (!self || !real) {
		kt_free(self);
		return kt_err_nomem(err);
	}
	self->dir = real;
	self->enclave = kt_path_base(real);
	self->nl = self->lock = self->children = self->listener = self->signals = self->own_pid_ns =
		-1;
	while (argv[argc + 1]) {
		argc++;
	}
	self->title = argv[0];
	self->title_len = (size_t)(argv[argc] + strlen(argv[argc]) + 1 - argv[0]);
	status = serve(self, ready_fd, err);
	kt_free(self);
	return status;
}

/* The process that holds the lock; 0 = nobody. */
static pid_t lock_holder(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_GETLK, &whole) < 0 || whole.l_type == F_UNLCK ? 0 : whole.l_pid;
}

/* A live supervisor gives up its enclave: it must not restart what we remove. */
static void end_supervisor(const char *dir)
{
	char path[PATH_MAX];
	struct pollfd p = {.fd = -1, .events = POLLIN};
	KT_AUTO_FD int fd = -1;
	pid_t pid;

	if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path)) {
		return;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	pid = fd >= 0 ? lock_holder(fd) : 0;
	p.fd = pid > 1 ? pidfd_open(pid, 0) : -1;
	/* Still the holder: so the descriptor is the supervisor's, not a later process's. */
	if (p.fd >= 0 && lock_holder(fd) == pid) {
		(void)pidfd_send_signal(p.fd, SIGKILL, NULL, 0);
		(void)poll(&p, 1, DESTROY_SECONDS * 1000);
	}
	kt_close_ptr(&p.fd);
}

static int destroy(const char *dir, kt_err *err)
{
	if (dir[0] != '/') {
		return KT_FAIL(err, INVALID, "'%s' is not an absolute path", dir);
	}
	end_supervisor(dir);
	return kt_sup_enclave_destroy(dir, kt_after_ms(DESTROY_SECONDS * 1000), err);
}

static int usage(FILE *out)
{
	fputs("Usage: kurtosis-supervisor --dir DIR [--enclave UUID] [--ready-fd N]\n"
	      "       kurtosis-supervisor --destroy DIR\n"
	      "       kurtosis-supervisor --version\n",
	      out);
	return out == stdout ? 0 : 2;
}

/* 0 = go on, else the exit status + 1. */
static int parse(int argc, char **argv, options *ret)
{
	static const struct option rows[] = {
		{"dir", required_argument, NULL, 'r'},
		{"destroy", required_argument, NULL, 'd'},
		{"enclave", required_argument, NULL, 'e'},
		{"ready-fd", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*ret = (options){.ready_fd = -1};
	while ((c = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		switch (c) {
		case 'r':
			ret->run = optarg;
			break;
		case 'd':
			ret->destroy = optarg;
			break;
		case 'e':
			ret->enclave = optarg;
			break;
		case 'f':
			ret->ready_fd = atoi(optarg);
			break;
		case 'h':
			return usage(stdout) + 1;
		case 'v':
			puts("kurtosis-supervisor " KT_VERSION);
			return 1;
		default:
			return usage(stderr) + 1;
		}
	}
	return optind != argc || !ret->run == !ret->destroy ? usage(stderr) + 1 : 0;
}

int main(int argc, char **argv)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	options opts;
	int status = parse(argc, argv, &opts);

	if (status > 0) {
		return status - 1;
	}
	if (opts.enclave && (!opts.run || strcmp(opts.enclave, kt_path_base(opts.run)) != 0)) {
		fprintf(stderr,
			"kurtosis-supervisor: the directory must end in the enclave's id\n");
		return 2;
	}
	status = opts.run ? run(opts.run, opts.ready_fd, argv, &err) : destroy(opts.destroy, &err);
	if (status < 0) {
		kt_log_err(KT_LOG_ERROR, KT_SUP_PART, &err, "cannot %s the enclave in %s",
			   opts.run ? "keep" : "destroy", opts.run ? opts.run : opts.destroy);
	}
	return status < 0 ? 1 : 0;
}
