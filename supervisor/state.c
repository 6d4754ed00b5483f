/* What a service leaves on disk, so that the next supervisor can go on (core.h). */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_MAX 4096
#define SPEC_MAX (KT_SUP_BODY_MAX + 4096)

void kt_sup_service_path(const kt_sup_service *service, const char *name, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/services/%s%s%s", service->sup->dir, service->id,
		 name ? "/" : "", name ? name : "");
}

void kt_sup_layer_dir(const char *service_dir, const char *id, const char *upper_dir,
		      char ret[PATH_MAX])
{
	if (upper_dir) {
		snprintf(ret, PATH_MAX, "%s/%s", upper_dir, id);
	} else {
		snprintf(ret, PATH_MAX, "%s", service_dir);
	}
}

void kt_sup_boot_id(char ret[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, ret, 36) : -1;

	ret[n > 0 ? n : 0] = '\0';
	if (fd >= 0) {
		close(fd);
	}
}

uint64_t kt_sup_start_ticks(pid_t pid)
{
	char path[64];
	char text[1024];
	const char *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* Field 22; the command's name in parentheses may hold anything, so count from its end. */
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
	}
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

int kt_sup_state_save(const kt_sup_service *service, kt_err *err)
{
	char path[PATH_MAX];
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "boot %s\nstate %d\npid %d\nstart %llu\nstarted_ns %lld\nended %d\n"
			 "unknown %d\noom %d\ncode %d\nsignal %d\nlimited_v1 %d\nhalted %d\n",
			 service->sup->boot_id, (int)service->state, (int)service->pid,
			 (unsigned long long)service->start_ticks, (long long)service->started_ns,
			 service->exit.ended, service->exit.unknown, service->exit.oom_killed,
			 service->exit.code, service->exit.signal, service->limited_v1,
			 service->halted);

	kt_sup_service_path(service, "state", path);
	return kt_fs_write(path, text, (size_t)n, 0600, false, err);
}

/* The number behind "key " at the start of a line, or 0. */
static long long number_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ') {
			return strtoll(line + len + 1, NULL, 10);
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return 0;
}

int kt_sup_state_load(kt_sup_service *service, char boot_id[40], kt_err *err)
{
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	char path[PATH_MAX];
	const char *text;

	kt_sup_service_path(service, "state", path);
	if (kt_fs_read(path, STATE_MAX, &buf, err) < 0) {
		return -1;
	}
	text = kt_buf_str(&buf);
	boot_id[0] = '\0';
	(void)sscanf(text, "boot %39s", boot_id);
	service->state = (kt_sup_state)number_of(text, "state");
	service->pid = (pid_t)number_of(text, "pid");
	service->start_ticks = (uint64_t)number_of(text, "start");
	service->started_ns = number_of(text, "started_ns");
	service->limited_v1 = number_of(text, "limited_v1") != 0;
	service->halted = number_of(text, "halted") != 0;
	service->exit = (kt_sup_exit){.ended = number_of(text, "ended") != 0,
				      .unknown = number_of(text, "unknown") != 0,
				      .oom_killed = number_of(text, "oom") != 0,
				      .code = (int)number_of(text, "code"),
				      .signal = (int)number_of(text, "signal")};
	return 0;
}

bool kt_sup_state_read_exit(const kt_sup_service *service, kt_sup_exit *ret)
{
	char path[PATH_MAX];
	char text[64];
	ssize_t n;
	int value;
	int fd;

	kt_sup_service_path(service, "exit", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "exited %d", &value) == 1) {
		*ret = (kt_sup_exit){.ended = true, .code = value & 0xff};
		return true;
	}
	if (sscanf(text, "signaled %d", &value) == 1) {
		*ret = (kt_sup_exit){.ended = true, .code = 128 + value, .signal = value};
		return true;
	}
	return false;
}

static int read_exactly(int fd, char *room, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, room + done, size - done);

		if (n <= 0 && !(n < 0 && errno == EINTR)) {
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int kt_sup_spec_load(const char *service_dir, kt_buf *buf, kt_sup_spec *ret, kt_err *err)
{
	char path[PATH_MAX];
	kt_sup_reader fields;
	struct stat st;
	KT_AUTO_FD int fd = -1;
	char *room;

	snprintf(path, sizeof(path), "%s/spec", service_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", path);
	}
	if (st.st_size > (off_t)SPEC_MAX) {
		return KT_FAIL(err, CORRUPT, "'%s' is too long", path);
	}
	/* In one piece: growing would leave copies of secrets behind. */
	room = kt_buf_reserve(buf, (size_t)st.st_size + 1);
	if (!room) {
		return kt_err_nomem(err);
	}
	if (read_exactly(fd, room, (size_t)st.st_size) < 0) {
		return KT_FAIL(err, CORRUPT, "cannot read '%s'", path);
	}
	buf->len = (size_t)st.st_size;
	if (kt_sup_open(buf, &fields, err) < 0) {
		return KT_WRAP(err, "'%s' is damaged", path);
	}
	return kt_sup_spec_read(fields, ret, err);
}

void kt_sup_spec_unload(kt_buf *buf, kt_sup_spec *spec)
{
	kt_sup_spec_deinit(spec);
	if (buf->data) {
		explicit_bzero(buf->data, buf->cap);
	}
	kt_buf_deinit(buf);
}
