#include "backend/fake/fake_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <string.h>
#include <unistd.h>

#define FIRST_PUBLIC_PORT 32768

/* For the scripting functions: tests have memory. */
static const char *keep(fake_backend *self, const char *text)
{
	char *copy = kt_arena_strdup(&self->arena, text);
	KT_ASSERT(text == NULL || copy != NULL);
	return copy;
}

int fake_enter(fake_backend *self, const char *operation, const char *detail, kt_err *err)
{
	int added = detail == NULL ? kt_strvec_add(&self->calls, operation)
				   : kt_strvec_addf(&self->calls, "%s %s", operation, detail);
	if (added < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < self->failures.len; i++) {
		fake_failure *failure = &self->failures.items[i];
		if (failure->times != 0 && kt_str_eq(failure->operation, operation)) {
			failure->times -= failure->times > 0 ? 1 : 0;
			return kt_err_set(err, failure->code, "%s", failure->message);
		}
	}
	return 0;
}

fake_enclave *fake_find_enclave(fake_backend *self, const char *uuid, kt_err *err)
{
	for (size_t i = 0; i < self->enclaves.len; i++) {
		if (kt_str_eq(self->enclaves.items[i]->info.uuid, uuid)) {
			return self->enclaves.items[i];
		}
	}
	KT_FAIL(err, NOT_FOUND, "no enclave with UUID '%s'", uuid);
	return NULL;
}

/* ---- enclaves ---------------------------------------------------------------------- */

static int add_enclave(fake_backend *self, const kt_enclave_spec *spec, kt_err *err)
{
	fake_enclave *enclave = KT_ARENA_NEW(&self->arena, fake_enclave);
	if (enclave == NULL) {
		return kt_err_nomem(err);
	}
	enclave->info = (kt_enclave_info){
		.uuid = kt_arena_strdup(&self->arena, spec->uuid),
		.name = kt_arena_strdup(&self->arena, spec->name),
		.production = spec->production,
		.created_wall_ns = kt_wall_ns(),
		.gateway_ip = "172.16.0.1",
		.subnet = "172.16.0.0/22",
		.labels = kt_kvs_copy(&self->arena, spec->labels, spec->labels_len),
		.labels_len = spec->labels_len,
	};
	if (enclave->info.uuid == NULL || enclave->info.name == NULL ||
	    enclave->info.labels == NULL || kt_vec_push(&self->enclaves, enclave) < 0) {
		return kt_err_nomem(err);
	}
	return 0;
}

static int enclave_create(kt_backend *base, const kt_enclave_spec *spec, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	if (fake_enter(self, "enclave_create", spec->name, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < self->enclaves.len; i++) {
		const kt_enclave_info *other = &self->enclaves.items[i]->info;
		if (kt_str_eq(other->uuid, spec->uuid) || kt_str_eq(other->name, spec->name)) {
			return KT_FAIL(err, EXISTS, "an enclave named '%s' exists already", other->name);
		}
	}
	return add_enclave(self, spec, err);
}

static int enclave_stop(kt_backend *base, const char *uuid, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_enclave *enclave = fake_find_enclave(self, uuid, err);
	if (enclave == NULL || fake_enter(self, "enclave_stop", enclave->info.name, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < enclave->services.len; i++) {
		fake_end(enclave->services.items[i], 137);
	}
	return 0;
}

static void free_enclave(fake_enclave *enclave)
{
	for (size_t i = 0; i < enclave->services.len; i++) {
		kt_close_ptr(&enclave->services.items[i]->exit_fd);
		kt_buf_deinit(&enclave->services.items[i]->log);
	}
	kt_vec_deinit(&enclave->services);
}

static int enclave_destroy(kt_backend *base, const char *uuid, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_enclave *enclave = fake_find_enclave(self, uuid, err);
	if (enclave == NULL || fake_enter(self, "enclave_destroy", enclave->info.name, err) < 0) {
		return -1;
	}
	size_t kept = 0;
	for (size_t i = 0; i < self->enclaves.len; i++) {
		if (self->enclaves.items[i] != enclave) {
			self->enclaves.items[kept++] = self->enclaves.items[i];
		}
	}
	self->enclaves.len = kept;
	free_enclave(enclave);
	return 0;
}

static int fill_enclave_info(const fake_enclave *enclave, kt_arena *arena, kt_enclave_info *ret,
			     kt_err *err)
{
	kt_enclave_info info = enclave->info;
	info.uuid = kt_arena_strdup(arena, info.uuid);
	info.name = kt_arena_strdup(arena, info.name);
	info.labels = kt_kvs_copy(arena, info.labels, info.labels_len);
	info.state = KT_ENCLAVE_EMPTY;
	for (size_t i = 0; i < enclave->services.len; i++) {
		const fake_service *service = enclave->services.items[i];
		if (service->has_container && service->info.state == KT_SERVICE_RUNNING) {
			info.state = KT_ENCLAVE_RUNNING;
		} else if (service->has_container && info.state == KT_ENCLAVE_EMPTY) {
			info.state = KT_ENCLAVE_STOPPED;
		}
	}
	if (info.uuid == NULL || info.name == NULL || info.labels == NULL) {
		return kt_err_nomem(err);
	}
	*ret = info;
	return 0;
}

static int enclave_inspect(kt_backend *base, const char *uuid, kt_arena *arena,
			   kt_enclave_info *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	const fake_enclave *enclave = fake_find_enclave(self, uuid, err);
	return enclave == NULL ? -1 : fill_enclave_info(enclave, arena, ret, err);
}

static int enclave_list(kt_backend *base, kt_arena *arena, kt_enclave_list *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	kt_enclave_list list = {KT_ARENA_ARRAY(arena, kt_enclave_info, self->enclaves.len + 1), 0};
	if (list.items == NULL) {
		return kt_err_nomem(err);
	}
	for (; list.len < self->enclaves.len; list.len++) {
		if (fill_enclave_info(self->enclaves.items[list.len], arena,
				      &list.items[list.len], err) < 0) {
			return -1;
		}
	}
	*ret = list;
	return 0;
}

/* ---- images and host --------------------------------------------------------------- */

/* The script of an image, made up at its first mention. */
static kt_fake_image *image_of(fake_backend *self, const char *ref, kt_err *err)
{
	for (size_t i = 0; i < self->images.len; i++) {
		if (kt_str_eq(self->images.items[i].ref, ref)) {
			return &self->images.items[i];
		}
	}
	kt_fake_image fresh = {.ref = kt_arena_strdup(&self->arena, ref), .architecture = "amd64"};
	if (fresh.ref == NULL || kt_vec_push(&self->images, fresh) < 0) {
		kt_err_nomem(err);
		return NULL;
	}
	return &self->images.items[self->images.len - 1];
}

static int fill_image(const kt_fake_image *image, bool pulled, kt_arena *arena,
		      kt_pulled_image *ret, kt_err *err)
{
	kt_pulled_image info = {
		.ref = kt_arena_strdup(arena, image->ref),
		.digest = "sha256:fa4e",
		.pulled = pulled,
		.architecture = kt_arena_strdup(arena, kt_str_or(image->architecture, "amd64")),
		.entrypoint = image->entrypoint ? kt_strs_copy(arena, image->entrypoint) : NULL,
		.cmd = image->cmd ? kt_strs_copy(arena, image->cmd) : NULL,
		.env = kt_strs_copy(arena, image->env),
		.working_dir = "/",
		.user = "",
	};
	if (info.ref == NULL || info.architecture == NULL || info.env == NULL ||
	    (image->entrypoint && !info.entrypoint) || (image->cmd && !info.cmd)) {
		return kt_err_nomem(err);
	}
	*ret = info;
	return 0;
}

static int image_ensure(kt_backend *base, const kt_pull_request *request, kt_arena *arena,
			kt_pulled_image *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	if (fake_enter(self, "image_ensure", request->ref, err) < 0 ||
	    kt_cancel_check(request->cancel, err) < 0) {
		return -1;
	}
	kt_fake_image *image = image_of(self, request->ref, err);
	if (image == NULL) {
		return -1;
	}
	if (image->error_code != KT_ERR_OK) {
		return kt_err_set(err, image->error_code, "%s", image->error_message);
	}
	bool pulled = request->mode == KT_PULL_ALWAYS || !image->cached;
	if (pulled && request->progress != NULL) {
		request->progress(request->progress_ctx, request->ref, 1, 1);
	}
	image->cached = true;
	return fill_image(image, pulled, arena, ret, err);
}

static int image_list(kt_backend *base, kt_arena *arena, kt_pulled_image_list *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	kt_pulled_image_list list = {
		KT_ARENA_ARRAY(arena, kt_pulled_image, self->images.len + 1), 0};
	if (list.items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < self->images.len; i++) {
		const kt_fake_image *image = &self->images.items[i];
		if (!image->cached) {
			continue;
		}
		if (fill_image(image, false, arena, &list.items[list.len++], err) < 0) {
			return -1;
		}
	}
	*ret = list;
	return 0;
}

static int image_load(kt_backend *base, const char *path, kt_arena *arena,
		      kt_pulled_image_list *ret, kt_err *err)
{
	(void)base, (void)arena, (void)ret;
	return KT_FAIL(err, UNSUPPORTED, "the fake backend cannot load an image from '%s'", path);
}

static int image_remove(kt_backend *base, const char *ref, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	if (fake_enter(self, "image_remove", ref, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < self->images.len; i++) {
		if (kt_str_eq(self->images.items[i].ref, ref) && self->images.items[i].cached) {
			self->images.items[i].cached = false;
			return 0;
		}
	}
	return KT_FAIL(err, NOT_FOUND, "no image named '%s'", ref);
}

static int resources(kt_backend *base, kt_resources *ret, kt_err *err)
{
	(void)err;
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	*ret = self->resources;
	return 0;
}

static int listen_inside(kt_backend *base, const char *enclave, uint16_t port, int *ret_fd,
			 struct in_addr *ret_ip, kt_err *err)
{
	(void)base, (void)enclave, (void)port, (void)ret_fd, (void)ret_ip;
	return KT_FAIL(err, UNSUPPORTED, "the fake backend has no network to listen in");
}

/* ---- open and close ---------------------------------------------------------------- */

static void fake_close(kt_backend *base)
{
	fake_backend *self = fake_of(base);
	for (size_t i = 0; i < self->enclaves.len; i++) {
		free_enclave(self->enclaves.items[i]);
	}
	kt_vec_deinit(&self->enclaves);
	kt_vec_deinit(&self->scripts);
	kt_vec_deinit(&self->rules);
	kt_vec_deinit(&self->failures);
	kt_vec_deinit(&self->files);
	kt_vec_deinit(&self->ports);
	kt_vec_deinit(&self->images);
	kt_strvec_deinit(&self->calls);
	kt_arena_deinit(&self->arena);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

static const kt_backend_ops fake_ops = {
	.name = "fake",
	.cluster_type = "docker",
	.close = fake_close,
	.enclave_create = enclave_create,
	.enclave_stop = enclave_stop,
	.enclave_destroy = enclave_destroy,
	.enclave_inspect = enclave_inspect,
	.enclave_list = enclave_list,
	.service_reserve = fake_service_reserve,
	.service_release = fake_service_release,
	.service_start = fake_service_start,
	.service_restart = fake_service_restart,
	.service_stop = fake_service_stop,
	.service_inspect = fake_service_inspect,
	.service_list = fake_service_list,
	.service_exit_fd = fake_service_exit_fd,
	.service_logs = fake_service_logs,
	.service_describe = fake_service_describe,
	.exec = fake_exec,
	.exec_open = fake_exec_open,
	.copy_out = fake_copy_out,
	.dial = fake_dial,
	.listen = listen_inside,
	.image_ensure = image_ensure,
	.image_list = image_list,
	.image_load = image_load,
	.image_remove = image_remove,
	.resources = resources,
};

kt_backend *kt_fake_open(kt_err *err)
{
	fake_backend *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->base.ops = &fake_ops;
	self->next_port = FIRST_PUBLIC_PORT;
	self->resources = (kt_resources){
		.cpu_millis_total = 4000,
		.cpu_millis_free = 4000,
		.memory_mb_total = 8000,
		.memory_mb_free = 8000,
		.complete = true,
	};
	pthread_mutex_init(&self->lock, NULL);
	return &self->base;
}

/* ---- scripting --------------------------------------------------------------------- */

void kt_fake_fail(kt_backend *base, const char *operation, kt_err_code code, const char *message,
		  int times)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_failure failure = {keep(self, operation), code, keep(self, message), times};
	KT_ASSERT(kt_vec_push(&self->failures, failure) == 0);
}

void kt_fake_script_service(kt_backend *base, const kt_fake_service *script)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	kt_fake_service copy = *script;
	copy.name = keep(self, script->name);
	copy.log = keep(self, script->log);
	KT_ASSERT(kt_vec_push(&self->scripts, copy) == 0);
}

void kt_fake_script_exec(kt_backend *base, const char *service, const char *command, int exit_code,
			 const char *output, int times)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_exec_rule rule = {keep(self, service), keep(self, command), exit_code,
			       keep(self, kt_str_or(output, "")), times};
	KT_ASSERT(kt_vec_push(&self->rules, rule) == 0);
}

void kt_fake_script_image(kt_backend *base, const kt_fake_image *image)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	kt_fake_image *slot = image_of(self, image->ref, NULL);
	KT_ASSERT(slot != NULL);
	kt_fake_image copy = *image;
	copy.ref = slot->ref;
	copy.architecture = keep(self, image->architecture);
	copy.entrypoint = image->entrypoint ? kt_strs_copy(&self->arena, image->entrypoint) : NULL;
	copy.cmd = image->cmd ? kt_strs_copy(&self->arena, image->cmd) : NULL;
	copy.env = image->env ? kt_strs_copy(&self->arena, image->env) : NULL;
	copy.error_message = keep(self, image->error_message);
	*slot = copy;
}

void kt_fake_file(kt_backend *base, const char *service, const char *path, const char *content)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_file file = {keep(self, service), keep(self, path), keep(self, content)};
	KT_ASSERT(kt_vec_push(&self->files, file) == 0);
}

void kt_fake_script_port(kt_backend *base, const char *service, uint16_t port,
			 uint16_t loopback_port)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_port entry = {keep(self, service), port, loopback_port};
	KT_ASSERT(kt_vec_push(&self->ports, entry) == 0);
}

/* The newest live service of this name in any enclave. */
static fake_service *by_name(fake_backend *self, const char *name)
{
	for (size_t i = self->enclaves.len; i-- > 0;) {
		fake_enclave *enclave = self->enclaves.items[i];
		for (size_t j = enclave->services.len; j-- > 0;) {
			fake_service *service = enclave->services.items[j];
			if (!service->released && kt_str_eq(service->info.name, name)) {
				return service;
			}
		}
	}
	KT_BUG("no service of this name in the fake backend");
}

void kt_fake_exit(kt_backend *base, const char *service, int exit_code)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_end(by_name(self, service), exit_code);
}

void kt_fake_log(kt_backend *base, const char *service, const char *text)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	kt_buf_adds(&by_name(self, service)->log, text);
}

void kt_fake_script_resources(kt_backend *base, const kt_resources *values)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	self->resources = *values;
}

char *kt_fake_calls(kt_backend *base)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	kt_buf text = KT_BUF_INIT;
	for (size_t i = 0; i < self->calls.len; i++) {
		kt_buf_addf(&text, "%s\n", self->calls.items[i]);
	}
	kt_buf_adds(&text, "");
	char *ret = self->calls.len == 0 ? kt_strdup("") : kt_buf_take(&text);
	KT_ASSERT(ret != NULL);
	return ret;
}
