/*
 * The program inside the test containers: static, needs nothing. Its first argument says what to
 * look at or do; it prints plain facts for the tests to judge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int cat(const char *path)
{
	char buf[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		printf("cannot open %s: %s\n", path, strerror(errno));
		return 1;
	}
	fflush(stdout);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (write(1, buf, (size_t)n) < 0) {
			return 1;
		}
	}
	return 0;
}

static void say(const char *what, long result)
{
	printf("%s=%s\n", what, result >= 0 ? "ok" : strerrorname_np(errno));
}

/* Calls that Docker's profile denies, and some that it allows. */
static int try_calls(void)
{
	char args[128] = {0};

	say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	say("umount", umount2("/proc", MNT_DETACH));
	say("unshare_user", unshare(CLONE_NEWUSER));
	say("unshare_net", unshare(CLONE_NEWNET));
	say("setns", setns(0, 0));
	say("clone3", syscall(SYS_clone3, args, 64));
	say("clone_newuser", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	say("bpf", syscall(SYS_bpf, 0, args, sizeof(args)));
	say("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	say("perf", syscall(SYS_perf_event_open, args, 0, -1, -1, 0));
	say("kexec", syscall(SYS_kexec_load, 0, 0, 0, 0));
	say("init_module", syscall(SYS_init_module, args, 0, ""));
	say("io_uring", syscall(SYS_io_uring_setup, 1, args));
	say("userfaultfd", syscall(SYS_userfaultfd, 0));
	say("open_by_handle", syscall(SYS_open_by_handle_at, 0, args, 0));
	say("settimeofday", syscall(SYS_settimeofday, args, 0));
	say("swapon", syscall(SYS_swapon, "/x", 0));
	say("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
	say("pivot_root", syscall(SYS_pivot_root, ".", "."));
	say("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	say("socket_vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
	say("socket_alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
	say("personality_odd", personality(0x0004000));
	say("too_new", syscall(1000));
	say("socket_inet", socket(AF_INET, SOCK_STREAM, 0));
	say("socket_raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	say("chroot", chroot("/"));
	say("fchmodat2_unlike_eperm", syscall(452, -1, "x", 0, 0) < 0 && errno != EPERM ? 0 : -1);
	say("personality_ask", personality(0xffffffff));
	return 0;
}

/* A device node of the host's first disk (or any): it must open nothing. */
static int try_device(const char *path, const char *major_text, const char *minor_text)
{
	dev_t dev = makedev((unsigned)atoi(major_text), (unsigned)atoi(minor_text));

	say("mknod", mknod(path, S_IFCHR | 0666, dev));
	say("open", open(path, O_RDWR | O_NONBLOCK));
	return 0;
}

/* The same on a mount of one's own, which is not "nodev". */
static int try_mounted_device(const char *major_text, const char *minor_text)
{
	say("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	return try_device("/tmp/node", major_text, minor_text);
}

static int serve(int port, const char *bind_to)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1;
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, bind_to, &addr.sin_addr);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(sock, 16) < 0) {
		perror("listen");
		return 1;
	}
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		int c = accept(sock, NULL, NULL);

		if (c >= 0 && write(c, "OK\n", 3) < 0) {
			return 1;
		}
		close(c);
	}
}

static int dial(const char *ip, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	char answer[16] = {0};
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, ip, &addr.sin_addr);
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		printf("connect=%s\n", strerrorname_np(errno));
		return 1;
	}
	if (read(sock, answer, sizeof(answer) - 1) < 0) {
		return 1;
	}
	printf("answer=%s", answer);
	return 0;
}

static volatile sig_atomic_t got;

static void on_term(int sig)
{
	got = sig;
}

static int wait_for_signal(bool obey)
{
	struct sigaction action = {.sa_handler = obey ? on_term : SIG_IGN};
	sigset_t mask;
	sigset_t old;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, &old);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	printf("waiting\n");
	fflush(stdout);
	while (!got) {
		sigsuspend(&old);
	}
	printf("got %d\n", (int)got);
	return got == SIGTERM ? 7 : 8;
}

/* Leaves an orphan that ends later; as process 1's child it must be reaped. */
static int make_orphan(void)
{
	int gate[2];
	pid_t pid;

	if (pipe(gate) < 0) {
		return 1;
	}
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			char c;

			close(gate[1]);
			(void)!read(gate[0], &c, 1); /* until the first child is gone */
			printf("orphan of %d\n", (int)getppid());
			fflush(stdout);
			_exit(0);
		}
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(gate[0]);
	close(gate[1]);
	return wait_for_signal(true);
}

static int flood(long bytes)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	for (size_t i = 63; i < sizeof(block); i += 64) {
		block[i] = '\n';
	}
	while (bytes > 0) {
		ssize_t n = write(1, block, sizeof(block));

		if (n < 0) {
			return 1;
		}
		bytes -= n;
	}
	return 0;
}

static int identity(char **env)
{
	gid_t groups[64];
	int n = getgroups(64, groups);
	char cwd[256];

	printf("pid=%d uid=%d gid=%d groups=", (int)getpid(), (int)getuid(), (int)getgid());
	for (int i = 0; i < n; i++) {
		printf("%s%d", i ? "," : "", (int)groups[i]);
	}
	printf("\ncwd=%s tty=%d\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?", isatty(0));
	for (; *env; env++) {
		printf("env %s\n", *env);
	}
	return 0;
}

static int read_stdin_is_idle(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	int n = poll(&p, 1, 50);

	printf("stdin=%s\n", n == 0 ? "idle" : p.revents & POLLHUP ? "hangup" : "readable");
	return 0;
}

static int reopen_stdout(void)
{
	int fd = open("/dev/stdout", O_WRONLY);

	say("reopen", fd);
	return fd >= 0 && write(fd, "by path\n", 8) == 8 ? 0 : 1;
}

static int list_fds(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64];
		char target[256];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			printf("fd %d\n", fd);
		}
	}
	return 0;
}

static int write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	say("write", f ? 0 : -1);
	if (f) {
		fputs(text, f);
		fclose(f);
	}
	return f ? 0 : 1;
}

static int eat_memory(long mb)
{
	for (long i = 0; i < mb; i++) {
		char *p = malloc(1 << 20);

		if (!p) {
			return 3;
		}
		memset(p, 1, 1 << 20);
	}
	return 0;
}

int main(int argc, char **argv, char **env)
{
	const char *what = argc > 1 ? argv[1] : "";

#define IS(text, args) (strcmp(what, text) == 0 && argc == 2 + (args))
	if (IS("exit", 1)) {
		return atoi(argv[2]);
	}
	if (IS("abort", 0)) {
		signal(SIGABRT, SIG_DFL);
		raise(SIGABRT);
	}
	if (IS("echo", 1)) {
		printf("%s\n", argv[2]);
		return 0;
	}
	if (IS("both", 0)) {
		printf("to stdout\nno newline at end");
		fflush(stdout);
		fprintf(stderr, "to stderr\n");
		return 0;
	}
	if (IS("cat", 1)) {
		return cat(argv[2]);
	}
	if (IS("write", 2)) {
		return write_file(argv[2], argv[3]);
	}
	if (IS("calls", 0)) {
		return try_calls();
	}
	if (IS("device", 3)) {
		return try_device(argv[2], argv[3], argv[4]);
	}
	if (IS("mounted-device", 2)) {
		return try_mounted_device(argv[2], argv[3]);
	}
	if (IS("cat-some", 1)) {
		say("open", open(argv[2], O_RDONLY | O_NONBLOCK));
		return 0;
	}
	if (IS("serve", 1)) {
		return serve(atoi(argv[2]), "0.0.0.0");
	}
	if (IS("dial", 2)) {
		return dial(argv[2], atoi(argv[3]));
	}
	if (IS("wait", 0)) {
		return wait_for_signal(true);
	}
	if (IS("ignore", 0)) {
		return wait_for_signal(false);
	}
	if (IS("orphan", 0)) {
		return make_orphan();
	}
	if (IS("flood", 1)) {
		return flood(atol(argv[2]));
	}
	if (IS("who", 0)) {
		return identity(env);
	}
	if (IS("stdin", 0)) {
		return read_stdin_is_idle();
	}
	if (IS("reopen", 0)) {
		return reopen_stdout();
	}
	if (IS("fds", 0)) {
		return list_fds();
	}
	if (IS("memory", 1)) {
		return eat_memory(atol(argv[2]));
	}
	fprintf(stderr, "probe: unknown question '%s'\n", what);
	return 99;
}
