/*
 * Files out of services. A running one is seen through its process's root; of a stopped one
 * the layers are put over each other again, read-only, in a mount namespace that no one else
 * sees. Paths are resolved with the service's root as root: no link leads out.
 */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK ((size_t)64 * 1024)

static int open_in_root(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* ---- the root of a stopped service ---------------------------------------------------- */

#define LAYERS_MAX 256
#define OPTIONS_MAX 4096 /* what mount(2) takes */

typedef struct layered {
	const char *mount_point;
	const kt_strvec *dirs; /* topmost first */
	int root;
	int failure; /* errno */
} layered;

/*
 * Puts the layers over each other. They are named by descriptor, since their paths together
 * would be too long, and opened here, since an overlay takes only what its own mount
 * namespace has.
 */
static int mount_over(const layered *self)
{
	char options[OPTIONS_MAX] = "lowerdir=";
	int fds[LAYERS_MAX];
	size_t len = 0;
	int rc = 0;
	for (; rc == 0 && len < self->dirs->len; len++) {
		size_t used = strlen(options);
		fds[len] = open(self->dirs->items[len], O_PATH | O_DIRECTORY | O_CLOEXEC);
		int n = snprintf(options + used, sizeof(options) - used, "%s/proc/self/fd/%d",
				 len == 0 ? "" : ":", fds[len]);
		if (fds[len] < 0 || (size_t)n >= sizeof(options) - used) {
			errno = fds[len] < 0 ? errno : E2BIG;
			rc = -1;
		}
	}
	if (rc == 0) {
		rc = mount("overlay", self->mount_point, "overlay",
			   MS_RDONLY | MS_NODEV | MS_NOSUID, options);
	}
	int saved = errno;
	while (len-- > 0) {
		kt_close_ptr(&fds[len]);
	}
	errno = saved;
	return rc;
}

/* Runs in a thread of its own: the mount namespace is the thread's and ends with it. */
static void *mount_layers(void *arg)
{
	layered *self = arg;
	self->root = -1;
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount_over(self) == 0) {
		self->root = open(self->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	self->failure = self->root < 0 ? errno : 0;
	return NULL;
}

/* Topmost first: what the service has written, then its image's layers. */
static int list_layers(native_backend *self, const char *enclave, const native_record *record,
		       kt_strvec *ret, kt_err *err)
{
	const char *uuid = record->info.uuid;
	KT_AUTO_FREE char *upper =
		kt_paths_root(&self->paths, "enclaves/%s/services/%s/" NATIVE_UPPER_DIR "/%s/upper",
			      enclave, uuid, uuid);
	KT_AUTO_FREE char *runtime_upper =
		kt_paths_runtime(&self->paths, "enclaves/%s/services/%s/upper", enclave, uuid);
	if (upper == NULL || runtime_upper == NULL) {
		return kt_err_nomem(err);
	}
	const char *first = kt_fs_is_dir(upper) ? upper : runtime_upper;
	if (kt_fs_is_dir(first) && kt_strvec_add(ret, first) < 0) {
		return kt_err_nomem(err);
	}
	size_t len = 0;
	while (record->layers[len] != NULL) {
		len++;
	}
	while (len-- > 0) {
		if (kt_strvec_add(ret, record->layers[len]) < 0) {
			return kt_err_nomem(err);
		}
	}
	if (ret->len == 0 || ret->len > LAYERS_MAX) {
		return KT_FAIL(err, UNSUPPORTED, "service '%s' has %zu layers of files",
			       record->info.name, ret->len);
	}
	return 0;
}

static int open_stopped(native_backend *self, const char *enclave, const native_record *record,
			int *ret_root, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec dirs = KT_STRVEC_INIT;
	KT_AUTO_FREE char *mount_point = native_service_dir(self, enclave, record->info.uuid);
	pthread_t thread;
	if (mount_point == NULL) {
		return kt_err_nomem(err);
	}
	if (list_layers(self, enclave, record, &dirs, err) < 0) {
		return -1;
	}
	layered job = {.mount_point = mount_point, .dirs = &dirs};
	if (dirs.len == 1) {
		job.root = open(dirs.items[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
		job.failure = errno;
	} else {
		if (kt_thread_start(&thread, 0, "layers", mount_layers, &job, err) < 0) {
			return -1;
		}
		pthread_join(thread, NULL);
	}
	if (job.root < 0) {
		return kt_err_set_errno(err, job.failure, "cannot read the files of service '%s'",
					record->info.name);
	}
	*ret_root = job.root;
	return 0;
}

/* The mount (of files or a persistent directory) that path lies in, if any: *path is the rest. */
static const char *mount_of(const native_record *record, const char **path)
{
	const char *found = NULL;
	size_t found_len = 0;
	const char *whole = *path;
	const char *const *mounts = record->mounts;
	for (size_t i = 0; mounts[i] != NULL; i += 3) {
		KT_AUTO_FREE char *target = kt_path_clean(mounts[i + 1]);
		size_t len = target == NULL ? 0 : strlen(target);
		if (len > found_len && kt_str_starts(whole, target) &&
		    (whole[len] == '/' || whole[len] == '\0')) {
			found = mounts[i];
			found_len = len;
			*path = whole[len] == '\0' ? "/" : whole + len;
		}
	}
	return found;
}

static int open_root(native_backend *self, const char *enclave, const native_record *record,
		     const char **path, int *ret_root, kt_err *err)
{
	if (record->info.state == KT_SERVICE_RUNNING) {
		char root[64];
		snprintf(root, sizeof(root), "/proc/%d/root", (int)record->pid);
		*ret_root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return *ret_root >= 0 ? 0
				      : KT_FAIL_ERRNO(err, "cannot see the files of service '%s'",
						      record->info.name);
	}
	const char *mounted = mount_of(record, path);
	if (mounted == NULL) {
		return open_stopped(self, enclave, record, ret_root, err);
	}
	*ret_root = open(mounted, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_root >= 0 ? 0 : KT_FAIL_ERRNO(err, "cannot open '%s'", mounted);
}

/* ---- sending ------------------------------------------------------------------------- */

typedef struct out_sink {
	kt_sink_fn fn;
	void *ctx;
} out_sink;

static int write_out(void *ctx, const void *data, size_t len, kt_err *err)
{
	out_sink *self = ctx;
	return self->fn(self->ctx, data, len, err);
}

static int send_content(kt_tar_writer *tar, int fd, uint64_t size, const kt_cancel *cancel,
			kt_err *err)
{
	KT_AUTO_FREE char *block = kt_malloc(BLOCK);
	if (block == NULL) {
		return kt_err_nomem(err);
	}
	while (size > 0) {
		ssize_t n = read(fd, block, (size_t)KT_MIN(size, (uint64_t)BLOCK));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? KT_FAIL_ERRNO(err, "cannot read")
				     : KT_FAIL(err, IO, "the file became shorter meanwhile");
		}
		if (kt_cancel_check(cancel, err) < 0 ||
		    kt_tar_write(tar, block, (size_t)n, err) < 0) {
			return -1;
		}
		size -= (uint64_t)n;
	}
	return 0;
}

static int send_file(int fd, const struct stat *st, const char *name, kt_sink sink,
		     const kt_cancel *cancel, kt_err *err)
{
	kt_tar_writer *tar = kt_tar_writer_new(sink, err);
	if (tar == NULL) {
		return -1;
	}
	kt_tar_entry entry = {
		.type = KT_TAR_FILE,
		.path = name,
		.link = "",
		.size = (uint64_t)st->st_size,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.uname = "",
		.gname = "",
		.mtime = st->st_mtim.tv_sec,
	};
	int rc = kt_tar_write_entry(tar, &entry, err);
	rc = rc < 0 ? rc : send_content(tar, fd, entry.size, cancel, err);
	rc = rc < 0 ? rc : kt_tar_finish(tar, err);
	kt_tar_writer_free(tar);
	return rc;
}

static int send_path(int root, const char *path, const char *shown, kt_sink sink,
		     const kt_cancel *cancel, kt_err *err)
{
	struct stat st;
	KT_AUTO_FD int place = open_in_root(root, path, O_PATH);
	if (place < 0 || fstat(place, &st) < 0) {
		return errno == ENOENT || errno == ENOTDIR
			       ? KT_FAIL(err, NOT_FOUND, "there is no '%s' in the service", shown)
			       : KT_FAIL_ERRNO(err, "cannot open '%s'", shown);
	}
	if (S_ISDIR(st.st_mode)) {
		char name[64];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
		return kt_pack(name, KT_PACK_PLAIN, sink, cancel, err);
	}
	if (!S_ISREG(st.st_mode)) {
		return KT_FAIL(err, INVALID, "'%s' is neither a file nor a directory", shown);
	}
	KT_AUTO_FD int fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", shown);
	}
	return send_file(fd, &st, kt_path_base(shown), sink, cancel, err);
}

/* Absolute and clean, without a final "/" and star. The caller frees. */
static char *normal(const char *path)
{
	KT_AUTO_FREE char *absolute = kt_asprintf("/%s", path);
	size_t len = absolute == NULL ? 0 : strlen(absolute);
	if (len >= 2 && strcmp(absolute + len - 2, "/*") == 0) {
		absolute[len - 1] = '\0';
	}
	return absolute == NULL ? NULL : kt_path_clean(absolute);
}

int native_copy_out(kt_backend *base, const char *enclave, const char *uuid, const char *path,
		    kt_sink_fn fn, void *ctx, const kt_cancel *cancel, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_FREE char *shown = normal(path);
	KT_AUTO_FD int root = -1;
	native_record record;
	kt_service_info info;
	out_sink sink = {fn, ctx};
	if (shown == NULL) {
		return kt_err_nomem(err);
	}
	if (native_record_read(self, enclave, uuid, &arena, &record, err) < 0) {
		return -1;
	}
	if (!record.has_container) {
		return KT_FAIL(err, PRECONDITION, "service '%s' was never started",
			       record.info.name);
	}
	if (native_report(self, enclave, &record, &arena, &info, err) < 0) {
		return -1;
	}
	const char *rest = shown;
	if (open_root(self, enclave, &record, &rest, &root, err) < 0) {
		return -1;
	}
	kt_sink out = {write_out, &sink};
	return send_path(root, rest, shown, out, cancel, err);
}
