#include "world.h"

#include "backend/fake/fake.h"
#include "backend/native/native.h"
#include "backend/native/paths.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/uuid.h"
#include "image.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

world the_world;

/* ---- opening ------------------------------------------------------------------------- */

static int skip_all(const char *reason)
{
	fprintf(stderr, "skipped: %s\n", reason);
	return 77;
}

static int lo_up(void)
{
	struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
	memcpy(request.ifr_name, "lo", 3);
	KT_AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
}

static int open_native(world *self)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (geteuid() != 0) {
		return skip_all("the native backend needs root");
	}
	if (access(BUSYBOX, X_OK) < 0) {
		return skip_all(BUSYBOX " is missing (Debian package busybox-static)");
	}
	const char *supervisor = getenv("KURTOSIS_TEST_SUPERVISOR");
	if (supervisor == NULL || access(supervisor, X_OK) < 0) {
		return skip_all("KURTOSIS_TEST_SUPERVISOR names no program");
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || lo_up() < 0) {
		return skip_all("no namespaces may be made here");
	}
	/* Supervisors become our children, so that none can be left behind unnoticed. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	KT_AUTO_FREE char *home = kt_path_join(self->dir, "home");
	KT_AUTO_FREE char *run_dir = kt_path_join(self->dir, "run");
	setenv("KURTOSIS_HOME", home, 1);
	setenv("KURTOSIS_RUNTIME_DIR", run_dir, 1);
	kt_native_options options = {.supervisor = supervisor};
	self->backend = kt_native_open(&options, &err);
	KT_AUTO_FREE char *archive = kt_path_join(self->dir, "images.tar");
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_pulled_image_list images = {0};
	if (self->backend == NULL || build_images(self->dir, archive, &err) < 0 ||
	    self->backend->ops->image_load(self->backend, archive, &arena, &images, &err) < 0) {
		KT_AUTO_FREE char *text = kt_err_chain_text(&err);
		fprintf(stderr, "cannot set up the native backend: %s\n", text);
		return 1;
	}
	self->native = true;
	return 0;
}

static int open_fake(world *self)
{
	static const char *const sleep_cmd[] = {"sleep", "1000", NULL};
	static const char *const env[] = {"PATH=/bin", "FROM_IMAGE=yes", NULL};
	self->backend = kt_fake_open(NULL);
	kt_fake_image image = {.ref = IMAGE, .cached = true, .cmd = sleep_cmd, .env = env};
	kt_fake_image missing = {.ref = "contract/missing:1",
				 .error_code = KT_ERR_NOT_FOUND,
				 .error_message = "no such image"};
	kt_fake_script_image(self->backend, &image);
	kt_fake_script_image(self->backend, &missing);
	return 0;
}

int world_open(world *self, const char *backend)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	*self = (world){0};
	self->dir = kt_fs_mkdtemp(NULL, "kt-contract-", &err);
	if (self->dir == NULL) {
		fprintf(stderr, "no temporary directory: %s\n", kt_err_root(&err));
		return 1;
	}
	int rc = 1;
	if (kt_str_eq(backend, "native")) {
		rc = open_native(self);
	} else if (kt_str_eq(backend, "fake")) {
		rc = open_fake(self);
	} else {
		fprintf(stderr, "unknown backend '%s'\n", backend);
	}
	if (rc == 0) {
		self->ops = self->backend->ops;
	}
	return rc;
}

/* Whether text of a /proc file mentions our temporary directory. */
static bool mentions(const char *path, const char *dir)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	return kt_fs_read(path, 64U << 20, &text, NULL) == 0 &&
	       strstr(kt_buf_str(&text), dir) != NULL;
}

static int count_entries(const char *dir)
{
	int count = 0;
	DIR *entries = opendir(dir);
	for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
		count += entry->d_name[0] != '.' ? 1 : 0;
	}
	if (entries != NULL) {
		closedir(entries);
	}
	return count;
}

/* No mount, no process, no enclave directory may be left. */
static int find_leaks(const world *self)
{
	int leaks = 0;
	static const char *const dirs[] = {"home/enclaves", "run/enclaves"};
	for (size_t i = 0; i < KT_ARRAY_LEN(dirs); i++) {
		KT_AUTO_FREE char *dir = kt_path_join(self->dir, dirs[i]);
		if (count_entries(dir) != 0) {
			fprintf(stderr, "leak: '%s' is not empty\n", dir);
			leaks++;
		}
	}
	if (mentions("/proc/self/mounts", self->dir)) {
		fprintf(stderr, "leak: mounts below '%s'\n", self->dir);
		leaks++;
	}
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	for (;;) { /* a subreaper: all that we started end up here */
		struct timespec patience = {.tv_sec = 3};
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0) {
			break;
		}
		if (pid == 0 && sigtimedwait(&child, NULL, &patience) < 0 && errno == EAGAIN) {
			fprintf(stderr, "leak: a process still runs\n");
			leaks++;
			break;
		}
	}
	return leaks;
}

int world_close(world *self)
{
	int leaks = 0;
	if (self->backend != NULL && self->native) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		kt_enclave_list list = {0};
		(void)self->ops->enclave_list(self->backend, &arena, &list, NULL);
		for (size_t i = 0; i < list.len; i++) {
			fprintf(stderr, "left over: enclave %s\n", list.items[i].name);
			(void)self->ops->enclave_destroy(self->backend, list.items[i].uuid, NULL);
		}
		leaks = find_leaks(self);
	}
	kt_backend_close(self->backend);
	if (self->dir != NULL) {
		(void)kt_fs_remove_tree(self->dir, NULL);
		kt_free(self->dir);
	}
	return leaks == 0 ? 0 : -1;
}

/* ---- a case -------------------------------------------------------------------------- */

int world_case_begin(void **state)
{
	world *self = &the_world;
	*state = self;
	self->arena = (kt_arena)KT_ARENA_INIT;
	const char *uuid = new_enclave(self, "main", true);
	memcpy(self->enclave, uuid, sizeof(self->enclave));
	return 0;
}

int world_case_end(void **state)
{
	world *self = *state;
	kt_enclave_list list = {0};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int rc = self->ops->enclave_list(self->backend, &self->arena, &list, &err);
	for (size_t i = 0; rc == 0 && i < list.len; i++) {
		rc = self->ops->enclave_destroy(self->backend, list.items[i].uuid, &err);
	}
	if (rc < 0) {
		KT_AUTO_FREE char *text = kt_err_chain_text(&err);
		fprintf(stderr, "cannot destroy the case's enclaves: %s\n", text);
	}
	kt_arena_deinit(&self->arena);
	return rc;
}

void must_at(int rc, kt_err *err, const char *file, int line)
{
	if (rc != 0) {
		KT_AUTO_FREE char *text = kt_err_chain_text(err);
		fprintf(stderr, "%s:%d: %s: %s\n", file, line, kt_err_name(err->code), text);
		kt_err_release(err);
	}
	_assert_int_equal((uintmax_t)rc, 0, file, line);
}

void must_fail_at(int rc, kt_err *err, kt_err_code want, const char *file, int line)
{
	kt_err_code got = err->code;
	if (rc == -1 && got != want) {
		KT_AUTO_FREE char *text = kt_err_chain_text(err);
		fprintf(stderr, "%s:%d: %s instead of %s: %s\n", file, line, kt_err_name(got),
			kt_err_name(want), text);
	}
	kt_err_release(err);
	_assert_int_equal((uintmax_t)rc, (uintmax_t)-1, file, line);
	_assert_int_equal(got, want, file, line);
}

const char *new_uuid(world *self)
{
	kt_uuid uuid = kt_uuid_random();
	return kt_arena_strdup(&self->arena, uuid.text);
}

const char *new_enclave(world *self, const char *name, bool no_internet)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_enclave_spec spec = {.uuid = new_uuid(self), .name = name, .no_internet = no_internet};
	must(self->ops->enclave_create(self->backend, &spec, &err), &err);
	return spec.uuid;
}

/* ---- services ------------------------------------------------------------------------ */

kt_service_info start(world *self, kt_service_spec *spec)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = {0};
	struct in_addr ip;
	spec->uuid = spec->uuid != NULL ? spec->uuid : new_uuid(self);
	spec->image = spec->image != NULL ? spec->image : IMAGE;
	must(self->ops->service_reserve(self->backend, self->enclave, spec->uuid, spec->name, &ip,
					&err),
	     &err);
	must(self->ops->service_start(self->backend, self->enclave, spec, NULL, &self->arena, &info,
				      &err),
	     &err);
	return info;
}

kt_service_info start_shell(world *self, const char *name, const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	kt_service_spec spec = {.name = name, .entrypoint = argv, .tini = true};
	return start(self, &spec);
}

kt_service_info inspect(world *self, const char *uuid)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_service_info info = {0};
	must(self->ops->service_inspect(self->backend, self->enclave, uuid, &self->arena, &info,
					&err),
	     &err);
	return info;
}

int wait_exit(world *self, const char *uuid)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int code = -2;
	must(kt_backend_wait_exit(self->backend, self->enclave, uuid, kt_after_ms(WAIT_MS), NULL,
				  &code, &err),
	     &err);
	return code;
}

const char *run(world *self, const char *uuid, int code, const char *const *argv)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_exec_spec spec = {.argv = argv, .deadline = kt_after_ms(WAIT_MS)};
	must(self->ops->exec(self->backend, self->enclave, uuid, &spec, &result, &err), &err);
	if (result.exit_code != code) {
		fprintf(stderr, "%s exited with %d and said: %s\n", argv[0], result.exit_code,
			kt_buf_str(&result.output));
	}
	assert_int_equal(result.exit_code, code);
	return kt_arena_strdup(&self->arena, kt_buf_str(&result.output));
}

const char *run_shell(world *self, const char *uuid, int code, const char *script)
{
	return run(self, uuid, code, (const char *const[]){"sh", "-c", script, NULL});
}

const char *logs(world *self, const char *uuid, size_t lines)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	must(self->ops->service_logs(self->backend, self->enclave, uuid, lines, &text, &err), &err);
	return kt_arena_strdup(&self->arena, kt_buf_str(&text));
}

/* ---- network ------------------------------------------------------------------------- */

int dial_until_open(world *self, const char *ip, uint16_t port)
{
	kt_instant deadline = kt_after_ms(WAIT_MS);
	struct in_addr address;
	int64_t pause = 1;
	assert_int_equal(inet_pton(AF_INET, ip, &address), 1);
	for (;;) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		int fd = -1;
		if (self->ops->dial(self->backend, self->enclave, address, port, deadline, NULL,
				    &fd, &err) == 0) {
			return fd;
		}
		if (kt_now() > deadline) {
			must(-1, &err);
		}
		(void)kt_wait_fd(-1, 0, kt_after_ms(pause), NULL, NULL);
		pause = KT_MIN(pause * 2, 100);
	}
}

const char *read_all(world *self, int fd)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	char block[4096];
	ssize_t n = 0;
	while (kt_wait_fd(fd, POLLIN, kt_after_ms(WAIT_MS), NULL, NULL) == 0 &&
	       (n = read(fd, block, sizeof(block))) > 0) {
		kt_buf_add(&text, block, (size_t)n);
	}
	close(fd);
	return kt_arena_strdup(&self->arena, kt_buf_str(&text));
}

int connect_host(uint16_t port, bool v6)
{
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four,
			       v6 ? sizeof(six) : sizeof(four)) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}
