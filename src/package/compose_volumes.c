/* `volumes` of a compose service: uploads and persistent directories. */
#include "package/compose_internal.h"

#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

typedef struct volume {
	char *type, *source, *target;
} volume;

#define AUTO_VOLUME KT_CLEANUP(volume_deinit)
static void volume_deinit(volume *self)
{
	kt_free(self->type);
	kt_free(self->source);
	kt_free(self->target);
}

/* [SOURCE:]TARGET[:MODE] */
static void read_short(const char *text, volume *ret)
{
	const char *first = strchr(text, ':');
	if (first == NULL) {
		ret->type = kt_strdup("volume");
		ret->source = kt_strdup("");
		ret->target = kt_strdup(text);
		return;
	}
	bool is_path = strchr("./~", text[0]) != NULL;
	ret->type = kt_strdup(is_path ? "bind" : "volume");
	ret->source = kt_strndup(text, (size_t)(first - text));
	ret->target = kt_strndup(first + 1, strcspn(first + 1, ":"));
}

static int read_volume(const compose_file *self, const json_t *item, const char *place, volume *ret)
{
	if (json_is_string(item)) {
		read_short(json_string_value(item), ret);
	} else if (json_is_object(item)) {
		const char *type = kt_json_str(item, "type", "volume");
		static const char *const known[] = {"bind", "volume", "tmpfs"};
		size_t i = 0;
		while (i < KT_ARRAY_LEN(known) && !kt_str_eq(known[i], type)) {
			i++;
		}
		if (i == KT_ARRAY_LEN(known)) {
			return COMPOSE_FAIL(self, UNSUPPORTED, "%s: Volume type '%s' is not supported",
					    place, type);
		}
		if (json_object_get(json_object_get(item, "volume"), "subpath") != NULL) {
			return COMPOSE_FAIL(self, UNSUPPORTED, "%s.volume.subpath is not supported; "
							       "mount the whole volume",
					    place);
		}
		ret->type = kt_strdup(type);
		ret->source = kt_strdup(kt_json_str(item, "source", ""));
		ret->target = kt_strdup(kt_json_str(item, "target", ""));
	} else {
		return COMPOSE_FAIL(self, INVALID, "%s must be a text or a map", place);
	}
	if (ret->type == NULL || ret->source == NULL || ret->target == NULL) {
		return kt_err_nomem(self->err);
	}
	return ret->target[0] == '/'
		       ? 0
		       : COMPOSE_FAIL(self, INVALID, "%s: the target '%s' is not an absolute path",
				      place, ret->target);
}

/* Whether a source counts as a place of the host once every "~", ".." and "_" is taken out. */
static bool is_of_host(const char *source)
{
	for (const char *p = source; *p != '\0';) {
		if (*p == '~' || *p == '_') {
			p++;
		} else if (p[0] == '.' && p[1] == '.') {
			p += 2;
		} else {
			return *p == '/';
		}
	}
	return false;
}

static void add_entry(kt_buf *out, const char *key)
{
	kt_buf_adds(out, out->len > 0 ? ", " : "");
	kt_compose_quote(out, key);
	kt_buf_adds(out, ": ");
}

static void add_artifact(compose_service *service, const volume *v, const char *name,
			 const char *path)
{
	if (kt_fs_is_dir(path)) {
		add_entry(&service->files, v->target);
		kt_compose_quote(&service->files, name);
		return;
	}
	KT_AUTO_FREE char *dir = kt_asprintf("/tmp/%s", name);
	KT_AUTO_FREE char *file = dir == NULL ? NULL : kt_path_join(dir, kt_path_base(path));
	if (file == NULL) {
		service->files.failed = true;
		return;
	}
	add_entry(&service->files, dir);
	kt_compose_quote(&service->files, name);
	add_entry(&service->moved, file);
	kt_compose_quote(&service->moved, v->target);
}

/* The path of the source on this machine, which must exist. The caller frees. */
static char *find_source(const compose_file *self, const volume *v, const char *place)
{
	const char *home = getenv("HOME");
	bool at_home = self->package_dir == NULL && v->source[0] == '~' && home != NULL;
	KT_AUTO_FREE char *joined =
		at_home ? kt_asprintf("%s%s", home, v->source + 1)
		: v->source[0] == '/' ? kt_strdup(v->source)
				      : kt_path_join(self->dir, v->source);
	KT_AUTO_FREE char *path = joined == NULL ? NULL : kt_path_clean(joined);
	if (path == NULL) {
		kt_err_nomem(self->err);
		return NULL;
	}
	size_t len = self->package_dir != NULL ? strlen(self->package_dir) : 0;
	if (len > 0 && (strncmp(path, self->package_dir, len) != 0 ||
			(path[len] != '/' && path[len] != '\0'))) {
		COMPOSE_FAIL(self, INVALID, "%s: '%s' lies outside the package", place, v->source);
		return NULL;
	}
	if (!kt_fs_exists(path)) {
		COMPOSE_FAIL(self, NOT_FOUND, "%s: there is no '%s'", place, path);
		KT_WRAP(self->err,
			"An error occurred checking is the volume path existed in the package on disc: "
			"%s.",
			v->source);
		return NULL;
	}
	return KT_STEAL(path);
}

static int add_upload(const compose_file *self, compose_service *service, const volume *v,
		      const char *name, const char *place)
{
	KT_AUTO_FREE char *path = find_source(self, v, place);
	if (path == NULL) {
		return -1;
	}
	kt_strvec *sources = self->uploads != NULL ? &self->uploads->paths : &service->upload_src;
	kt_strvec *names = self->uploads != NULL ? &self->uploads->names : &service->upload_name;
	if (kt_strvec_add(sources, self->uploads != NULL ? path : v->source) < 0 ||
	    kt_strvec_add(names, name) < 0) {
		return kt_err_nomem(self->err);
	}
	add_artifact(service, v, name, path);
	return 0;
}

static int add_volume(const compose_file *self, compose_service *service, const json_t *item,
		      size_t number)
{
	AUTO_VOLUME volume v = {NULL, NULL, NULL};
	KT_AUTO_FREE char *place = kt_asprintf("%s.volumes[%zu]", service->place, number);
	KT_AUTO_FREE char *name = kt_asprintf("%s--volume%zu", service->name, number);
	if (place == NULL || name == NULL) {
		return kt_err_nomem(self->err);
	}
	if (read_volume(self, item, place, &v) < 0) {
		return -1;
	}
	bool bind = kt_str_eq(v.type, "bind");
	if (self->uploads != NULL && !bind) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s: Volume type '%s' is not supported; run the directory of the "
				    "file with 'kurtosis run' instead",
				    place, v.type);
	}
	if (bind && (self->uploads != NULL || !is_of_host(v.source))) {
		return add_upload(self, service, &v, name, place);
	}
	add_entry(&service->files, v.target);
	kt_buf_adds(&service->files, "Directory(persistent_key=");
	kt_compose_quote(&service->files, name);
	kt_buf_adds(&service->files, ")");
	return 0;
}

int kt_compose_volumes(const compose_file *self, compose_service *service)
{
	const json_t *list = json_object_get(service->def, "volumes");
	size_t i;
	json_t *item;
	if (list == NULL || json_is_null(list)) {
		return 0;
	}
	if (!json_is_array(list)) {
		return COMPOSE_FAIL(self, INVALID, "%s.volumes must be a list", service->place);
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		if (add_volume(self, service, item, i) < 0) {
			return -1;
		}
	}
	return service->files.failed || service->moved.failed ? kt_err_nomem(self->err) : 0;
}
