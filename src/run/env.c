/* The enclave as runs and rpcs see it: opening, look-ups, HTTP, copying files out. */
#include "run/env.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "run/run_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

kt_run_env *kt_run_env_open(const kt_run_env_spec *spec, kt_err *err)
{
	kt_run_env *self = kt_calloc(1, sizeof(*self));

	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&self->interpreting, NULL);
	pthread_mutex_init(&self->executing, NULL);
	self->production = spec->production;
	self->backend = spec->backend;
	self->artifacts = spec->artifacts;
	self->enclave_uuid = kt_strdup(spec->enclave_uuid);
	self->enclave_name = kt_strdup(spec->enclave_name);
	KT_AUTO_FREE char *path = kt_path_join(spec->dir, "apic.db");
	if (self->enclave_uuid == NULL || self->enclave_name == NULL || path == NULL) {
		kt_err_nomem(err);
		kt_run_env_close(self);
		return NULL;
	}
	if (kt_fs_mkdirs(spec->dir, 0700, err) < 0 ||
	    (self->state = kt_state_open(path, err)) == NULL ||
	    (self->http = kt_http_client_new(err)) == NULL || kt_services_recover(self, err) < 0) {
		kt_run_env_close(self);
		return NULL;
	}
	return self;
}

void kt_run_env_close(kt_run_env *self)
{
	if (self == NULL) {
		return;
	}
	kt_http_client_free(self->http);
	kt_state_close(self->state);
	pthread_mutex_destroy(&self->interpreting);
	pthread_mutex_destroy(&self->executing);
	kt_free(self->enclave_uuid);
	kt_free(self->enclave_name);
	kt_free(self);
}

kt_state *kt_run_env_state(kt_run_env *self)
{
	return self->state;
}

kt_artifacts *kt_run_env_artifacts(kt_run_env *self)
{
	return self->artifacts;
}

kt_backend *kt_run_env_backend(kt_run_env *self)
{
	return self->backend;
}

const char *kt_run_env_enclave(const kt_run_env *self)
{
	return self->enclave_uuid;
}

bool kt_run_env_production(const kt_run_env *self)
{
	return self->production;
}

int kt_run_env_service(kt_run_env *self, const char *identifier, kt_arena *arena, kt_reg *ret,
                       kt_err *err)
{
	int found = kt_state_find_service(self->state, identifier, arena, ret, err);

	if (found == 0) {
		return KT_FAIL(err, NOT_FOUND,
		               "Couldn't find a matching service name for identifier '%s'",
		               identifier);
	}
	return found < 0 ? -1 : 0;
}

/* --- HTTP into the enclave --- */

typedef struct dial_target {
	kt_run_env *env;
} dial_target;

static int open_socket(void *arg, const struct sockaddr *addr, socklen_t len, kt_instant deadline,
                       const kt_cancel *cancel, kt_err *err)
{
	dial_target *target = arg;
	kt_backend *backend = target->env->backend;
	struct sockaddr_in in;
	int fd = -1;

	if (addr->sa_family != AF_INET || len < sizeof(in)) {
		return KT_FAIL(err, UNSUPPORTED, "only IPv4 addresses exist inside an enclave");
	}
	memcpy(&in, addr, sizeof(in));
	if (backend->ops->dial(backend, target->env->enclave_uuid, in.sin_addr, ntohs(in.sin_port),
	                       deadline, cancel, &fd, err) < 0) {
		return -1;
	}
	return fd;
}

/* User headers first, then the content type in place of theirs. */
static kt_http_header *make_headers(const kt_service_http *request, kt_arena *arena,
                                    size_t *ret_len)
{
	kt_http_header *headers = KT_ARENA_ARRAY(arena, kt_http_header, request->headers.len + 2);
	size_t n = 0;

	for (size_t i = 0; headers != NULL && i < request->headers.len; i++) {
		const kt_plan_pair *pair = &request->headers.items[i];
		bool replaced =
		        request->content_type != NULL && strcasecmp(pair->key, "Content-Type") == 0;
		if (!replaced && strcasecmp(pair->key, "Host") != 0) {
			headers[n++] = (kt_http_header){pair->key, pair->value};
		}
	}
	if (headers != NULL && request->content_type != NULL) {
		headers[n++] = (kt_http_header){"Content-Type", request->content_type};
	}
	*ret_len = n;
	return headers;
}

int kt_run_env_http(kt_run_env *self, const kt_reg *service, const kt_service_http *request,
                    int *ret_status, kt_buf *ret_body, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	dial_target target = {self};
	kt_http_request http = {
	        .method = request->method,
	        .body = request->body,
	        .body_len = request->body != NULL ? strlen(request->body) : 0,
	        .max_body = UINT64_C(256) * 1024 * 1024,
	        .deadline = request->deadline,
	        .cancel = request->cancel,
	        .open = open_socket,
	        .open_arg = &target,
	        .fresh_connection = true,
	};

	http.url = kt_arena_printf(&arena, "http://%s:%u%s", service->ip, (unsigned)request->port,
	                           request->path);
	http.headers = make_headers(request, &arena, &http.header_count);
	if (http.url == NULL || http.headers == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_http_do(self->http, &http, &response, err) < 0) {
		return KT_WRAP(err, "An error occurred on HTTP request on service '%s', URL '%s'",
		               service->name, http.url);
	}
	*ret_status = response.status;
	kt_buf_add(ret_body, kt_buf_str(&response.body), response.body.len);
	return kt_buf_check(ret_body, err);
}

/* --- copying files out of a service --- */

/* copy_out pushes, the store pulls: a pipe and a thread lie between them. */
typedef struct copy_job {
	kt_run_env *env;
	const char *service;
	const char *src;
	const kt_cancel *cancel;
	int write_fd;
	int result;
	kt_err error;
} copy_job;

static int write_pipe(void *ctx, const void *data, size_t len, kt_err *err)
{
	copy_job *job = ctx;

	return kt_fs_write_all(job->write_fd, data, len, err);
}

static void *copy_thread(void *arg)
{
	copy_job *job = arg;
	kt_backend *backend = job->env->backend;
	sigset_t pipe_signal;

	/* The reader may give up first: then the write fails instead. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	job->result = backend->ops->copy_out(backend, job->env->enclave_uuid, job->service,
	                                     job->src, write_pipe, job, job->cancel, &job->error);
	kt_close_ptr(&job->write_fd);
	return NULL;
}

/* What follows the archive's end; without a reader the writer would fail. */
static void drain(int fd)
{
	char rest[4096];

	while (read(fd, rest, sizeof(rest)) > 0) {
	}
}

static int store_from_pipe(kt_run_env *self, const char *artifact, bool replace, copy_job *job,
                           int read_fd, kt_artifact *ret, kt_err *err)
{
	KT_AUTO_ERR kt_err store_error = KT_ERR_INIT;
	kt_artifact_spec spec = {.name = artifact, .replace = replace, .cancel = job->cancel};
	char *staging = kt_artifacts_begin(self->artifacts, err);
	KT_UNUSED KT_AUTO_FREE char *held = staging;
	pthread_t thread;
	KT_AUTO_FD int in = read_fd;

	if (staging == NULL) {
		kt_close_ptr(&job->write_fd);
		return -1;
	}
	if (kt_thread_start(&thread, 0, "copy-out", copy_thread, job, err) < 0) {
		kt_close_ptr(&job->write_fd);
		kt_artifacts_abort(self->artifacts, staging);
		return -1;
	}
	int unpacked =
	        kt_unpack(kt_source_fd(&in), staging, KT_EXTRACT_OWNERS, job->cancel, &store_error);
	if (unpacked == 0) {
		drain(in);
	}
	kt_close_ptr(&in); /* ends the writer if the reader failed */
	pthread_join(thread, NULL);
	if (unpacked < 0 || job->result < 0) {
		/* A broken pipe is only the echo of the reader's failure. */
		bool echo = unpacked < 0 && job->error.sys_errno == EPIPE;
		kt_artifacts_abort(self->artifacts, staging);
		kt_err_move(err, job->result < 0 && !echo ? &job->error : &store_error);
		return -1;
	}
	return kt_artifacts_commit(self->artifacts, &spec, staging, ret, err);
}

int kt_run_env_store_files(kt_run_env *self, const kt_reg *service, const char *src,
                           const char *artifact, bool replace, const kt_cancel *cancel,
                           kt_artifact *ret, kt_err *err)
{
	copy_job job = {.env = self, .service = service->uuid, .src = src, .cancel = cancel};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "no pipe for copying files");
	}
	job.write_fd = fds[1];
	int result = store_from_pipe(self, artifact, replace, &job, fds[0], ret, err);
	kt_err_release(&job.error);
	return result;
}
