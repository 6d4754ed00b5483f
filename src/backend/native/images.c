/* Images, and what the host has to give. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CPU_SAMPLE_MS 50
#define BYTES_PER_MB 1000000U

/* ---- images -------------------------------------------------------------------------- */

static const char *const *copy_vec(kt_arena *arena, const kt_strvec *from, bool empty_is_null,
				   bool *failed)
{
	if (empty_is_null && from->len == 0) {
		return NULL;
	}
	const char **copy = KT_ARENA_ARRAY(arena, const char *, from->len + 1);
	for (size_t i = 0; copy != NULL && i < from->len; i++) {
		copy[i] = kt_arena_strdup(arena, from->items[i]);
		*failed = *failed || copy[i] == NULL;
	}
	*failed = *failed || copy == NULL;
	return copy;
}

static int64_t parse_time(const char *text)
{
	struct tm parts = {0};
	if (kt_str_empty(text) || strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) == NULL) {
		return 0;
	}
	return (int64_t)timegm(&parts) * KT_NS_PER_S;
}

static int describe(const kt_image *image, kt_arena *arena, kt_pulled_image *ret, kt_err *err)
{
	bool failed = false;
	kt_pulled_image info = {
		.ref = kt_arena_strdup(arena, image->name),
		.digest = kt_arena_strdup(arena, image->digest),
		.pulled = image->source == KT_IMAGE_PULLED,
		.architecture = kt_arena_strdup(arena, kt_str_or(image->architecture, "")),
		.size_bytes = image->size,
		.created_wall_ns = parse_time(image->created),
		.entrypoint = copy_vec(arena, &image->config.entrypoint, true, &failed),
		.cmd = copy_vec(arena, &image->config.cmd, true, &failed),
		.env = copy_vec(arena, &image->config.env, false, &failed),
		.working_dir = kt_arena_strdup(arena, kt_str_or(image->config.workdir, "/")),
		.user = kt_arena_strdup(arena, kt_str_or(image->config.user, "")),
	};
	if (failed || info.ref == NULL || info.digest == NULL || info.architecture == NULL ||
	    info.working_dir == NULL || info.user == NULL) {
		return kt_err_nomem(err);
	}
	*ret = info;
	return 0;
}

static void on_progress(void *ctx, const kt_image_progress *progress)
{
	const kt_pull_request *request = ctx;
	request->progress(request->progress_ctx, request->ref, progress->done, progress->total);
}

int native_image_ensure(kt_backend *base, const kt_pull_request *request, kt_arena *arena,
			kt_pulled_image *ret, kt_err *err)
{
	bool credentials = request->registry != NULL && request->username != NULL &&
			   request->password != NULL;
	if (request->platform != NULL) {
		const char *arch = strrchr(request->platform, '/');
		if (!kt_str_eq(arch == NULL ? request->platform : arch + 1, kt_image_host_arch())) {
			return KT_FAIL(err, UNSUPPORTED,
				       "image '%s' for platform '%s' cannot run on this host (%s)",
				       request->ref, request->platform, kt_image_host_arch());
		}
	}
	kt_image_request wanted = {
		.name = request->ref,
		.mode = request->mode == KT_PULL_ALWAYS ? KT_IMAGE_ALWAYS : KT_IMAGE_MISSING,
		.registry = credentials ? request->registry : NULL,
		.username = credentials ? request->username : NULL,
		.password = credentials ? request->password : NULL,
		.progress = request->progress != NULL ? on_progress : NULL,
		.progress_ctx = (void *)request,
		.cancel = (kt_cancel *)request->cancel,
		.deadline = request->deadline,
	};
	KT_AUTO_IMAGE kt_image *image = kt_image_ensure(native_of(base)->images, &wanted, err);
	return image == NULL ? -1 : describe(image, arena, ret, err);
}

static int describe_all(const kt_image_vec *images, kt_arena *arena, kt_pulled_image_list *ret,
			kt_err *err)
{
	kt_pulled_image_list list = {KT_ARENA_ARRAY(arena, kt_pulled_image, images->len + 1), 0};
	if (list.items == NULL) {
		return kt_err_nomem(err);
	}
	for (; list.len < images->len; list.len++) {
		if (describe(images->items[list.len], arena, &list.items[list.len], err) < 0) {
			return -1;
		}
	}
	*ret = list;
	return 0;
}

int native_image_list(kt_backend *base, kt_arena *arena, kt_pulled_image_list *ret, kt_err *err)
{
	kt_image_vec images = {0};
	int rc = kt_image_list(native_of(base)->images, &images, err);
	rc = rc < 0 ? rc : describe_all(&images, arena, ret, err);
	kt_image_vec_deinit(&images);
	return rc;
}

int native_image_load(kt_backend *base, const char *path, kt_arena *arena,
		      kt_pulled_image_list *ret, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	kt_image_vec images = {0};
	int rc = kt_image_load(self->images, path, NULL, &names, err);
	for (size_t i = 0; rc == 0 && i < names.len; i++) {
		kt_image *image = kt_image_find(self->images, names.items[i], err);
		if (image == NULL) {
			rc = -1;
		} else if (kt_vec_push(&images, image) < 0) {
			kt_image_free(image);
			rc = kt_err_nomem(err);
		}
	}
	rc = rc < 0 ? rc : describe_all(&images, arena, ret, err);
	kt_image_vec_deinit(&images);
	return rc;
}

int native_image_remove(kt_backend *base, const char *ref, kt_err *err)
{
	return kt_image_remove(native_of(base)->images, ref, false, err);
}

/* ---- resources ------------------------------------------------------------------------ */

static uint64_t meminfo_kb(const char *text, const char *key)
{
	unsigned long long value = 0;
	const char *at = strstr(text, key);
	return at != NULL && sscanf(at + strlen(key), ": %llu kB", &value) == 1 ? value : 0;
}

/* Processor time that the services of all enclaves have used; false when there are none. */
static bool services_usec(uint64_t *ret)
{
	KT_AUTO_BUF kt_buf mounts = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf stat = KT_BUF_INIT;
	char dir[512];
	char type[64];
	unsigned long long usec = 0;
	if (kt_fs_read("/proc/self/mounts", 1U << 20, &mounts, NULL) < 0) {
		return false;
	}
	for (const char *line = kt_buf_str(&mounts); *line != '\0';) {
		if (sscanf(line, "%*s %511s %63s", dir, type) == 2 && kt_str_eq(type, "cgroup2")) {
			KT_AUTO_FREE char *path = kt_asprintf("%s/kurtosis/cpu.stat", dir);
			if (path == NULL || kt_fs_read(path, 1U << 16, &stat, NULL) < 0 ||
			    sscanf(kt_buf_str(&stat), "usage_usec %llu", &usec) != 1) {
				return false;
			}
			*ret = usec;
			return true;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

/*
 * The share of the processors, in 1/1000, that services used in a short moment. What else runs on
 * the host does not count, as with the original: a busy host is no reason to refuse a package.
 */
static uint64_t used_permille(uint64_t processors)
{
	uint64_t before = 0;
	uint64_t after = 0;
	if (!services_usec(&before)) {
		return 0;
	}
	kt_instant start = kt_now();
	(void)kt_wait_fd(-1, 0, kt_after_ms(CPU_SAMPLE_MS), NULL, NULL);
	uint64_t passed = (uint64_t)((kt_now() - start) / 1000) * processors;
	if (passed == 0 || !services_usec(&after) || after < before) {
		return 0;
	}
	return KT_MIN((after - before) * 1000 / passed, UINT64_C(1000));
}

int native_resources(kt_backend *base, kt_resources *ret, kt_err *err)
{
	(void)base;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read("/proc/meminfo", 1U << 20, &text, err) < 0) {
		return -1;
	}
	uint64_t processors = (uint64_t)KT_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
	uint64_t cpu = processors * 1000;
	*ret = (kt_resources){
		.cpu_millis_total = cpu,
		.cpu_millis_free = cpu - cpu * used_permille(processors) / 1000,
		.memory_mb_total = meminfo_kb(kt_buf_str(&text), "MemTotal") * 1024 / BYTES_PER_MB,
		.memory_mb_free =
			meminfo_kb(kt_buf_str(&text), "MemAvailable") * 1024 / BYTES_PER_MB,
		.complete = true,
	};
	return 0;
}
