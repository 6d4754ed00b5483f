/* A compose file as a Starlark script: reading the file, choosing and ordering the services. */
#include "package/compose_internal.h"

#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)16 * 1024 * 1024)

/* In order of preference. */
static const char *const default_names[] = {
	"compose.yml",	       "compose.yaml",	     "docker-compose.yml",
	"docker-compose.yaml", "docker_compose.yml", "docker_compose.yaml",
};

bool kt_compose_is_default_name(const char *base)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(default_names); i++) {
		if (kt_str_eq(base, default_names[i])) {
			return true;
		}
	}
	return false;
}

const char *kt_compose_find(const char *dir)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(default_names); i++) {
		KT_AUTO_FREE char *path = kt_path_join(dir, default_names[i]);
		if (path != NULL && kt_fs_exists(path)) {
			return default_names[i];
		}
	}
	return NULL;
}

void kt_compose_add_names(kt_buf *out)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(default_names); i++) {
		kt_buf_addf(out, "%s%s", i > 0 ? ", " : "", default_names[i]);
	}
}

void kt_compose_uploads_deinit(kt_compose_uploads *self)
{
	kt_strvec_deinit(&self->paths);
	kt_strvec_deinit(&self->names);
}

int kt_compose_fail(const compose_file *self, kt_err_code code, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return kt_err_set(self->err, code, "%s: %s", kt_path_base(self->path), text);
}

static void service_free(compose_service *self)
{
	if (self == NULL) {
		return;
	}
	kt_free(self->name);
	kt_free(self->place);
	kt_vec_deinit(&self->needs);
	kt_strvec_deinit(&self->upload_src);
	kt_strvec_deinit(&self->upload_name);
	kt_buf_deinit(&self->files);
	kt_buf_deinit(&self->moved);
	kt_free(self);
}

static void file_deinit(compose_file *self)
{
	for (size_t i = 0; i < self->services.len; i++) {
		service_free(self->services.items[i]);
	}
	kt_vec_deinit(&self->services);
	kt_map_deinit(&self->vars);
	kt_free(self->dir);
	json_decref(self->root);
}

compose_service *kt_compose_service(const compose_file *self, const char *key)
{
	for (size_t i = 0; i < self->services.len; i++) {
		if (kt_str_eq(self->services.items[i]->key, key)) {
			return self->services.items[i];
		}
	}
	return NULL;
}

/* --- reading -------------------------------------------------------------- */

static int read_vars(compose_file *self, const char *path)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (!kt_fs_exists(path)) {
		return 0;
	}
	if (kt_fs_read(path, MAX_FILE_BYTES, &text, self->err) < 0 ||
	    kt_compose_read_env(kt_buf_str(&text), text.len, path, true, &self->vars, self->err) <
		    0) {
		return KT_WRAP(self->err, "An .env file was found in the package, but an error "
					  "occurred reading it.");
	}
	return 0;
}

static int read_tree(compose_file *self)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(self->path, MAX_FILE_BYTES, &text, self->err) < 0) {
		return KT_WRAP(self->err, "An error occurred reading Compose file '%s'", self->path);
	}
	const char *name = kt_path_base(self->path);
	KT_AUTO_JSON json_t *tree = kt_yaml_parse(kt_buf_str(&text), text.len, name, self->err);
	if (tree == NULL) {
		return -1;
	}
	if (!json_is_object(tree)) {
		return COMPOSE_FAIL(self, INVALID, "the file must be a map of keys");
	}
	self->root = kt_compose_expand_tree(tree, &self->vars, "", self->err);
	return self->root == NULL ? KT_WRAP(self->err, "%s", name) : 0;
}

/* Whether the service has no profile or one that COMPOSE_PROFILES lists. */
static int is_active(const compose_file *self, const json_t *def)
{
	const json_t *profiles = json_object_get(def, "profiles");
	const char *active = kt_str_or(kt_map_get(&self->vars, "COMPOSE_PROFILES"), "");
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	size_t i;
	json_t *profile;
	if (json_array_size(profiles) == 0) {
		return 1;
	}
	if (kt_strvec_split(&names, active, ',') < 0) {
		return kt_err_nomem(self->err);
	}
	json_array_foreach((json_t *)(uintptr_t)profiles, i, profile)
	{
		if (json_is_string(profile) && kt_strvec_has(&names, json_string_value(profile))) {
			return 1;
		}
	}
	return kt_strvec_has(&names, "*");
}

static int add_service(compose_file *self, const char *key, const json_t *def)
{
	const char *given = kt_json_str(def, "container_name", key);
	if (!json_is_object(def)) {
		return COMPOSE_FAIL(self, INVALID, "services.%s must be a map", key);
	}
	int active = is_active(self, def);
	if (active <= 0) {
		return active;
	}
	compose_service *service = kt_calloc(1, sizeof(*service));
	if (service == NULL || kt_vec_push(&self->services, service) < 0) {
		kt_free(service);
		return kt_err_nomem(self->err);
	}
	service->key = key;
	service->def = def;
	service->place = kt_asprintf("services.%s", key);
	service->name = kt_compose_service_name(self->uploads != NULL ? key : given);
	if (service->place == NULL || service->name == NULL) {
		return kt_err_nomem(self->err);
	}
	if (service->name[0] == '\0') {
		return COMPOSE_FAIL(self, INVALID, "services.%s: no service can be called '%s'", key,
				    given);
	}
	for (size_t i = 0; i + 1 < self->services.len; i++) {
		if (kt_str_eq(self->services.items[i]->name, service->name)) {
			return COMPOSE_FAIL(self, INVALID,
					    "services.%s and services.%s would both be called '%s' in "
					    "the enclave; rename one",
					    self->services.items[i]->key, key, service->name);
		}
	}
	return kt_compose_check_service(self, service);
}

static int read_services(compose_file *self)
{
	const char *key;
	json_t *def;
	if (kt_compose_check_file(self) < 0) {
		return -1;
	}
	json_object_foreach(json_object_get(self->root, "services"), key, def)
	{
		if (add_service(self, key, def) < 0) {
			return -1;
		}
	}
	if (self->services.len == 0) {
		return COMPOSE_FAIL(self, INVALID,
				    "the profiles of all services are off; list some in "
				    "COMPOSE_PROFILES in .env");
	}
	for (size_t i = 0; i < self->services.len; i++) {
		if (kt_compose_needs(self, self->services.items[i]) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static void write_uploads(const compose_service *service, kt_buf *out)
{
	size_t count = service->upload_src.len;
	/* Sorted by source; equal ones stay in the file's order. Each round takes the next. */
	const char *last = NULL;
	for (size_t written = 0; written < count;) {
		const char *next = NULL;
		for (size_t i = 0; i < count; i++) {
			const char *src = service->upload_src.items[i];
			if ((last == NULL || strcmp(src, last) > 0) &&
			    (next == NULL || strcmp(src, next) < 0)) {
				next = src;
			}
		}
		for (size_t i = 0; next != NULL && i < count; i++) {
			if (strcmp(service->upload_src.items[i], next) == 0) {
				kt_buf_adds(out, "    plan.upload_files(src=");
				kt_compose_quote(out, next);
				kt_buf_adds(out, ", name=");
				kt_compose_quote(out, service->upload_name.items[i]);
				kt_buf_adds(out, ")\n");
				written++;
			}
		}
		last = next;
	}
}

static int write_service(const compose_file *self, compose_service *service, kt_buf *out)
{
	KT_AUTO_BUF kt_buf config = KT_BUF_INIT;
	bool script = self->uploads != NULL;
	if (kt_compose_config(self, service, &config) < 0) {
		return -1;
	}
	write_uploads(service, out);
	const char *form = script ? "\tplan.add_service(name = '%s', config = %s)\n"
				  : "    plan.add_service(name = \"%s\", config = %s)\n";
	kt_buf_addf(out, form, service->name, kt_buf_str(&config));
	service->done = true;
	return config.failed ? kt_err_nomem(self->err) : 0;
}

static bool is_ready(const compose_file *self, const compose_service *service)
{
	for (size_t i = 0; i < service->needs.len; i++) {
		if (!self->services.items[service->needs.items[i]]->done) {
			return false;
		}
	}
	return !service->done;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(compose_service *const *)a)->name, (*(compose_service *const *)b)->name);
}

/* Services go out in order of release: those without needs, then whatever each one releases. */
static int write_all(compose_file *self, kt_buf *out)
{
	size_t count = self->services.len;
	KT_VEC(compose_service *) queue = {NULL, 0, 0};
	int rc = kt_vec_reserve(&queue, count) < 0 ? kt_err_nomem(self->err) : 0;
	for (size_t head = 0; rc == 0 && head < count; head++) {
		size_t start = queue.len;
		for (size_t i = 0; i < count; i++) {
			compose_service *service = self->services.items[i];
			bool queued = false;
			for (size_t j = 0; j < queue.len; j++) {
				queued = queued || queue.items[j] == service;
			}
			if (!queued && is_ready(self, service)) {
				queue.items[queue.len++] = service;
			}
		}
		if (queue.len > start) {
			compose_service **batch = queue.items + start;
			qsort(batch, queue.len - start, sizeof(*batch), by_name);
		}
		rc = head == queue.len
			     ? COMPOSE_FAIL(self, INVALID,
					    "A cycle was detected in the service dependency graph.")
			     : write_service(self, queue.items[head], out);
	}
	kt_vec_deinit(&queue);
	return rc;
}

static int transpile(compose_file *self, const char *env_path, kt_buf *ret)
{
	KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
	self->vars.free_value = kt_free;
	self->dir = kt_path_dir(self->path);
	KT_AUTO_FREE char *beside = self->dir == NULL ? NULL : kt_path_join(self->dir, ".env");
	if (beside == NULL) {
		return kt_err_nomem(self->err);
	}
	if (read_vars(self, env_path != NULL ? env_path : beside) < 0 || read_tree(self) < 0) {
		return -1;
	}
	kt_buf_adds(&script, "def run(plan):\n");
	if (read_services(self) < 0 || write_all(self, &script) < 0) {
		return KT_WRAP(self->err,
			       "An error occurred converting Compose file '%s' to a Starlark script.",
			       self->path);
	}
	if (kt_buf_check(&script, self->err) < 0) {
		return -1;
	}
	kt_buf_add(ret, script.data, script.len);
	return kt_buf_check(ret, self->err);
}

int kt_compose_to_package(const char *path, const char *package_dir, kt_buf *ret, kt_err *err)
{
	compose_file file = {.path = path, .package_dir = package_dir, .err = err};
	int rc = transpile(&file, NULL, ret);
	file_deinit(&file);
	return rc;
}

int kt_compose_to_script(const char *path, const char *env_path, kt_compose_uploads *uploads,
			 kt_buf *ret, kt_err *err)
{
	char *real = realpath(path, NULL);
	if (real == NULL) {
		KT_FAIL_ERRNO(err, "cannot open '%s'", path);
		return KT_WRAP(err, "An error occurred reading Compose file '%s'", path);
	}
	compose_file file = {.path = real, .uploads = uploads, .err = err};
	int rc = transpile(&file, env_path, ret);
	file_deinit(&file);
	free(real);
	return rc;
}
