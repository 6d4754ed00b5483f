/*
 * Making a plan's images available: at most four at a time, a progress line at every start
 * and end, and a summary.
 */
#include "base/alloc.h"
#include "run/run_internal.h"

#include <stdatomic.h>

#define MAX_AT_ONCE 4
#define VALIDATING "Validating plan and preparing container images - execution will begin shortly"

#if defined(__x86_64__)
#define HOST_ARCH "amd64"
#elif defined(__aarch64__)
#define HOST_ARCH "arm64"
#else
#define HOST_ARCH "unknown"
#endif

typedef enum image_state { IMAGE_WAITING, IMAGE_ACTIVE, IMAGE_DONE, IMAGE_FAILED } image_state;

typedef struct image_job {
	const kt_plan_image *image;
	image_state state;
	bool pulled;
	char *architecture;
} image_job;

typedef struct image_run {
	kt_run_ctx *run;
	image_job *jobs;
	size_t n;
	size_t next;
	size_t done;
	pthread_mutex_t lock; /* over the jobs, and over the order of the lines about them */
	atomic_bool failed;
} image_run;

/* Needs the lock. */
static void emit_images(image_run *r)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const char *steps[1 + MAX_AT_ONCE] = {VALIDATING};
	size_t n = 1;

	for (size_t i = 0; i < r->n && n < KT_ARRAY_LEN(steps); i++) {
		if (r->jobs[i].state == IMAGE_ACTIVE) {
			const char *text =
			        kt_arena_printf(&arena, "Validating %s", r->jobs[i].image->name);
			steps[n++] = text != NULL ? text : "";
		}
	}
	kt_line_emit(r->run, &(kt_run_line){.kind = KT_LINE_PROGRESS,
	                                    .steps = steps,
	                                    .n_steps = n,
	                                    .number = (uint32_t)r->done,
	                                    .total = (uint32_t)r->n});
}

/* The name as the reference completes it: ":latest" where no tag is given. */
static char *full_name(const kt_plan_image *image)
{
	const char *slash = strrchr(image->name, '/');
	bool tagged = strchr(slash != NULL ? slash : image->name, ':') != NULL ||
	              strchr(image->name, '@') != NULL;

	return tagged ? kt_strdup(image->name) : kt_asprintf("%s:latest", image->name);
}

static int fetch(image_run *r, image_job *job, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_backend *backend = r->run->env->backend;
	const kt_plan_image *image = job->image;
	kt_pulled_image pulled = {0};
	kt_pull_request request = {
	        .mode = r->run->options->image_mode,
	        .registry = image->registry,
	        .username = image->username,
	        .password = image->password,
	        .deadline = KT_NEVER,
	        .cancel = r->run->options->cancel,
	};

	if (image->kind == KT_PLAN_IMAGE_BUILD || image->kind == KT_PLAN_IMAGE_NIX) {
		KT_FAIL(err, UNSUPPORTED, "building images (%s) is not supported yet",
		        image->kind == KT_PLAN_IMAGE_BUILD ? "ImageBuildSpec" : "NixBuildSpec");
		return KT_WRAP(err, "Failed to build the required image '%s'.", image->name);
	}
	KT_AUTO_FREE char *name = full_name(image);
	if (name == NULL) {
		return kt_err_nomem(err);
	}
	request.ref = name;
	if (backend->ops->image_ensure(backend, &request, &arena, &pulled, err) < 0) {
		return KT_WRAP(err, "Failed fetching the required image '%s'.", image->name);
	}
	job->pulled = pulled.pulled || request.mode == KT_PULL_ALWAYS;
	job->architecture = kt_strdup(pulled.architecture);
	return 0;
}

static void report_failure(image_run *r, kt_err *err)
{
	KT_WRAP(err, "Error while validating final environment of script");
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *message = NULL;

	for (size_t i = 0; (message = kt_err_message(err, i)) != NULL; i++) {
		kt_buf_addf(&text, "%s%s", i > 0 ? "\n\tCaused by: " : "", message);
	}
	if (err->hint != NULL) {
		kt_buf_addf(&text, "\n\t%s", err->hint);
	}
	kt_line_text(r->run, KT_LINE_VALIDATION_ERROR, kt_buf_str(&text));
	atomic_store(&r->failed, true);
}

/* The next job to do, now active; NULL when none is left. */
static image_job *take_job(image_run *r)
{
	KT_LOCK(&r->lock);
	if (r->next == r->n) {
		return NULL;
	}
	image_job *job = &r->jobs[r->next++];
	job->state = IMAGE_ACTIVE;
	emit_images(r);
	return job;
}

static void *image_worker(void *arg)
{
	image_run *r = arg;
	image_job *job = NULL;

	while ((job = take_job(r)) != NULL) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		int result = fetch(r, job, &err);
		KT_LOCK(&r->lock);
		job->state = result == 0 ? IMAGE_DONE : IMAGE_FAILED;
		r->done++;
		if (result < 0) {
			report_failure(r, &err);
		}
		emit_images(r);
	}
	return NULL;
}

static void emit_summary(image_run *r)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf foreign = KT_BUF_INIT;
	size_t used = 0;

	kt_buf_adds(&text, "Container images used in this run:");
	for (size_t i = 0; i < r->n; i++) {
		const image_job *job = &r->jobs[i];
		if (job->state == IMAGE_FAILED) {
			continue; /* its error has been shown */
		}
		used++;
		bool built = job->image->kind == KT_PLAN_IMAGE_BUILD ||
		             job->image->kind == KT_PLAN_IMAGE_NIX;
		kt_buf_addf(&text, "\n> %s - %s", job->image->name,
		            built         ? "locally built"
		            : job->pulled ? "remotely downloaded"
		                          : "locally cached");
		if (job->architecture != NULL && job->architecture[0] != '\0' &&
		    strcmp(job->architecture, HOST_ARCH) != 0) {
			kt_buf_addf(&foreign, "\n> %s - %s", job->image->name, job->architecture);
		}
	}
	if (used > 0) {
		kt_line_text(r->run, KT_LINE_INFO, kt_buf_str(&text));
	}
	if (foreign.len > 0) {
		kt_buf_clear(&text);
		kt_buf_addf(&text,
		            "WARNING: Container images with different architecture than "
		            "expected(" HOST_ARCH "):%s",
		            foreign.data);
		kt_line_text(r->run, KT_LINE_WARNING, kt_buf_str(&text));
	}
}

/* This thread is one of the workers. */
static void run_workers(image_run *r)
{
	pthread_t threads[MAX_AT_ONCE - 1];
	size_t started = 0;

	while (started + 1 < KT_MIN(r->n, MAX_AT_ONCE) &&
	       kt_thread_start(&threads[started], 1024 * 1024, "image", image_worker, r, NULL) ==
	               0) {
		started++;
	}
	image_worker(r);
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
}

int kt_run_images(kt_run_ctx *run, kt_err *err)
{
	image_run r = {.run = run, .n = run->plan->n_images};

	if (r.n == 0) {
		return 0;
	}
	r.jobs = kt_calloc(r.n, sizeof(*r.jobs));
	if (r.jobs == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < r.n; i++) {
		r.jobs[i].image = run->plan->images[i].image;
	}
	pthread_mutex_init(&r.lock, NULL);
	run_workers(&r);
	emit_summary(&r);
	pthread_mutex_destroy(&r.lock);
	for (size_t i = 0; i < r.n; i++) {
		kt_free(r.jobs[i].architecture);
	}
	kt_free(r.jobs);
	return atomic_load(&r.failed) ? 1 : 0;
}
