#include "backend/fake/fake_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAX_OUTPUT (16U * 1024 * 1024)

/* ---- one answer -------------------------------------------------------------------- */

static char *join(const char *const *argv)
{
	kt_buf text = KT_BUF_INIT;
	for (size_t i = 0; argv[i] != NULL; i++) {
		kt_buf_addf(&text, "%s%s", i == 0 ? "" : " ", argv[i]);
	}
	char *ret = text.len == 0 ? kt_strdup("") : kt_buf_take(&text);
	kt_buf_deinit(&text);
	return ret;
}

static fake_exec_rule *matching_rule(fake_backend *self, const char *service, const char *command)
{
	for (size_t i = 0; i < self->rules.len; i++) {
		fake_exec_rule *rule = &self->rules.items[i];
		if (rule->times != 0 &&
		    (rule->service == NULL || kt_str_eq(rule->service, service)) &&
		    (rule->command == NULL || strstr(command, rule->command) != NULL)) {
			rule->times -= rule->times > 0 ? 1 : 0;
			return rule;
		}
	}
	return NULL;
}

/* Notes the call and finds the answer: an exit code or FAKE_RUNS_ON. -1 = error, in err. */
static int answer(fake_backend *self, const char *enclave, const char *uuid,
		  const kt_exec_spec *spec, kt_buf *out, int *ret_code, kt_err *err)
{
	fake_service *service = fake_find(self, enclave, uuid, err);
	if (service == NULL) {
		return -1;
	}
	KT_AUTO_FREE char *command = join(spec->argv);
	KT_AUTO_FREE char *detail =
		command == NULL ? NULL : kt_asprintf("%s %s", service->info.name, command);
	if (detail == NULL) {
		return kt_err_nomem(err);
	}
	if (fake_enter(self, "exec", detail, err) < 0) {
		return -1;
	}
	if (service->info.state != KT_SERVICE_RUNNING) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is not running", service->info.name);
	}
	const fake_exec_rule *rule = matching_rule(self, service->info.name, command);
	if (rule != NULL) {
		kt_buf_adds(out, rule->output);
		*ret_code = rule->exit_code;
	} else {
		*ret_code = fake_shell(self, service, spec->argv, out);
	}
	return kt_buf_check(out, err);
}

int fake_exec(kt_backend *base, const char *enclave, const char *uuid, const kt_exec_spec *spec,
	      kt_exec_result *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	int code = 0;
	{
		KT_LOCK(&self->lock);
		if (answer(self, enclave, uuid, spec, &out, &code, err) < 0) {
			return -1;
		}
	}
	if (spec->on_output != NULL && out.len > 0) {
		spec->on_output(spec->on_output_ctx, out.data, out.len);
	}
	if (code == FAKE_RUNS_ON) {
		return kt_wait_fd(-1, 0, spec->deadline, spec->cancel, err);
	}
	size_t max = spec->max_output != 0 ? spec->max_output : DEFAULT_MAX_OUTPUT;
	kt_exec_result result = {.exit_code = code, .truncated = out.len > max};
	kt_buf_add(&result.output, kt_buf_str(&out), KT_MIN(out.len, max));
	if (kt_buf_check(&result.output, err) < 0) {
		kt_buf_deinit(&result.output);
		return -1;
	}
	*ret = result;
	return 0;
}

/* ---- interactive ------------------------------------------------------------------- */

typedef struct fake_session {
	kt_exec_session base;
	int exit_code;
} fake_session;

static int session_resize(kt_exec_session *self, uint16_t rows, uint16_t cols, kt_err *err)
{
	(void)self, (void)rows, (void)cols, (void)err;
	return 0;
}

static void session_close_input(kt_exec_session *self)
{
	kt_close_ptr(&self->in_fd);
}

static int session_wait(kt_exec_session *self, kt_instant deadline, const kt_cancel *cancel,
			int *ret_exit_code, kt_err *err)
{
	const fake_session *session = (const fake_session *)self;
	if (session->exit_code == FAKE_RUNS_ON) {
		return kt_wait_fd(-1, 0, deadline, cancel, err);
	}
	*ret_exit_code = session->exit_code;
	return 0;
}

static void session_close(kt_exec_session *self)
{
	kt_close_ptr(&self->in_fd);
	kt_close_ptr(&self->out_fd);
	kt_free(self);
}

int fake_exec_open(kt_backend *base, const char *enclave, const char *uuid,
		   const kt_exec_spec *spec, kt_exec_session **ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_AUTO_BUF kt_buf out = KT_BUF_MAX(32768); /* fits a pipe */
	int code = 0;
	{
		KT_LOCK(&self->lock);
		if (answer(self, enclave, uuid, spec, &out, &code, err) < 0) {
			return -1;
		}
	}
	KT_AUTO_FREE fake_session *session = kt_calloc(1, sizeof(*session));
	if (session == NULL) {
		return kt_err_nomem(err);
	}
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a pipe");
	}
	KT_AUTO_FD int in = open("/dev/null", O_WRONLY | O_CLOEXEC);
	KT_AUTO_FD int out_fd = ends[0];
	KT_AUTO_FD int write_end = ends[1];
	if (in < 0 || kt_fs_write_all(write_end, kt_buf_str(&out), out.len, err) < 0) {
		return -1;
	}
	session->base = (kt_exec_session){
		.in_fd = in,
		.out_fd = out_fd,
		.resize = session_resize,
		.close_input = session_close_input,
		.wait = session_wait,
		.close = session_close,
	};
	session->exit_code = code;
	in = out_fd = -1;
	*ret = &KT_STEAL(session)->base;
	return 0;
}

/* ---- copy out ---------------------------------------------------------------------- */

typedef struct tar_sink {
	kt_sink_fn fn;
	void *ctx;
} tar_sink;

/* One ustar entry of a small file. */
static int tar_file(const tar_sink *sink, const char *name, const char *content, kt_err *err)
{
	char block[512] = {0};
	size_t len = strlen(content);
	if (strlen(name) > 99) {
		return KT_FAIL(err, UNSUPPORTED, "the fake backend keeps no name as long as '%s'",
			       name);
	}
	memcpy(block, name, strlen(name));
	snprintf(block + 100, 8, "%07o", 0644U);
	snprintf(block + 108, 8, "%07o", 0U);
	snprintf(block + 116, 8, "%07o", 0U);
	snprintf(block + 124, 12, "%011o", (unsigned)len);
	snprintf(block + 136, 12, "%011o", 0U);
	memset(block + 148, ' ', 8);
	block[156] = '0';
	memcpy(block + 257, "ustar\00000", 8);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof(block); i++) {
		sum += (unsigned char)block[i];
	}
	snprintf(block + 148, 8, "%06o", sum);
	if (sink->fn(sink->ctx, block, sizeof(block), err) < 0 ||
	    sink->fn(sink->ctx, content, len, err) < 0) {
		return -1;
	}
	static const char zeros[512];
	size_t pad = (512 - len % 512) % 512;
	return pad == 0 ? 0 : sink->fn(sink->ctx, zeros, pad, err);
}

/* The path without a final "/", "/." or "/" and a star; the caller frees. */
static char *trimmed(const char *path)
{
	size_t len = strlen(path);
	if (kt_str_ends(path, "/*") || kt_str_ends(path, "/.")) {
		len -= 2;
	}
	while (len > 1 && path[len - 1] == '/') {
		len--;
	}
	return kt_strndup(path, len);
}

static int tar_all(fake_backend *self, const fake_service *service, const char *root,
		   const tar_sink *sink, kt_err *err)
{
	size_t found = 0;
	for (size_t i = 0; i < self->files.len; i++) {
		const fake_file *file = &self->files.items[i];
		size_t root_len = strlen(root);
		char name[128];
		if (!kt_str_eq(file->service, service->info.name)) {
			continue;
		}
		if (kt_str_eq(file->path, root)) {
			snprintf(name, sizeof(name), "%s", kt_path_base(root));
		} else if (kt_str_starts(file->path, root) &&
			   (file->path[root_len] == '/' || root_len == 1)) {
			snprintf(name, sizeof(name), "./%s",
				 file->path + root_len + (root_len == 1 ? 0 : 1));
		} else {
			continue;
		}
		found++;
		if (tar_file(sink, name, file->content, err) < 0) {
			return -1;
		}
	}
	return found > 0 ? 0
			 : KT_FAIL(err, NOT_FOUND, "service '%s' has no '%s'", service->info.name,
				   root);
}

int fake_copy_out(kt_backend *base, const char *enclave, const char *uuid, const char *path,
		  kt_sink_fn fn, void *ctx, const kt_cancel *cancel, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_AUTO_FREE char *root = trimmed(path);
	if (root == NULL) {
		return kt_err_nomem(err);
	}
	KT_LOCK(&self->lock);
	const fake_service *service = fake_find(self, enclave, uuid, err);
	if (service == NULL || fake_enter(self, "copy_out", path, err) < 0 ||
	    kt_cancel_check(cancel, err) < 0) {
		return -1;
	}
	static const char end[1024];
	tar_sink sink = {fn, ctx};
	if (tar_all(self, service, root, &sink, err) < 0) {
		return -1;
	}
	return fn(ctx, end, sizeof(end), err);
}
