/* Scripts, packages and locators; packing and uploading. */
#include "cli/run_target.h"

#include "api/chunks.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/ui.h"
#include "files/files.h"
#include "package/compose.h"
#include "package/package.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_MAX ((size_t)256 << 20)
#define REMOTE_PREFIX "github.com/"
void kt_target_deinit(kt_target *self)
{
	kt_free(self->argument);
	kt_free(self->script);
	kt_free(self->dir);
	kt_free(self->package_id);
	kt_map_deinit(&self->replace);
}

static int open_script(kt_target *self, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (!kt_str_ends(self->argument, ".star")) {
		return KT_FAIL(err, INVALID,
			       "Expected a script with a '.star' extension but got file '%s' with a "
			       "different extension",
			       self->argument);
	}
	if (kt_fs_read(self->argument, SCRIPT_MAX, &text, err) < 0) {
		return KT_WRAP(err, "An error occurred reading the script '%s'", self->argument);
	}
	self->kind = KT_TARGET_SCRIPT;
	self->script = text.len > 0 ? kt_buf_take(&text) : kt_strdup("");
	return self->script != NULL ? 0 : kt_err_nomem(err);
}

static int compose_package(kt_target *self, kt_err *err)
{
	KT_AUTO_BUF kt_buf names = KT_BUF_INIT;
	if (kt_compose_find(self->dir) != NULL) {
		self->package_id = kt_strdup(KT_COMPOSE_PACKAGE_ID);
		return self->package_id != NULL ? 0 : kt_err_nomem(err);
	}
	kt_compose_add_names(&names);
	return KT_FAIL(err, NOT_FOUND,
		       "Neither a 'kurtosis.yml' file nor one of the default Compose files (%s) was "
		       "found in the package root; at least one of these is required",
		       kt_buf_str(&names));
}

/* Keeps the replacements that lie on this machine, with their absolute paths. */
static int local_replacements(kt_target *self, const kt_package_yml *yml, kt_err *err)
{
	for (kt_map_entry *e = NULL; (e = kt_map_next(&yml->replace, e)) != NULL;) {
		const char *to = e->value;
		if (to[0] != '/' && to[0] != '.') {
			continue;
		}
		char *path = to[0] == '/' ? kt_strdup(to) : kt_path_join(self->dir, to);
		if (path == NULL || kt_map_set(&self->replace, e->key, path) < 0) {
			kt_free(path);
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int open_package(kt_target *self, const char *dir, kt_err *err)
{
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	self->kind = KT_TARGET_PACKAGE;
	char *absolute = realpath(dir, NULL);
	if (absolute == NULL) {
		return KT_FAIL_ERRNO(err, "the directory %s", dir);
	}
	self->dir = kt_strdup(absolute);
	free(absolute);
	KT_AUTO_FREE char *file =
		self->dir != NULL ? kt_path_join(self->dir, KT_PACKAGE_FILE) : NULL;
	if (file == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(file)) {
		return compose_package(self, err);
	}
	if (kt_package_yml_read(self->dir, &yml, err) < 0) {
		return -1;
	}
	self->package_id = kt_strdup(yml.name);
	return self->package_id != NULL ? local_replacements(self, &yml, err) : kt_err_nomem(err);
}

int kt_target_open(const char *argument, kt_target *ret, kt_err *err)
{
	ret->argument = kt_strdup(argument);
	if (ret->argument == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_str_starts(argument, REMOTE_PREFIX)) {
		ret->kind = KT_TARGET_REMOTE;
		ret->package_id = kt_strdup(argument);
		return ret->package_id != NULL ? 0 : kt_err_nomem(err);
	}
	if (kt_fs_is_dir(argument)) {
		return open_package(ret, argument, err);
	}
	if (strcmp(kt_path_base(argument), KT_PACKAGE_FILE) == 0) {
		KT_AUTO_FREE char *dir = kt_path_dir(argument);
		return dir != NULL ? open_package(ret, dir, err) : kt_err_nomem(err);
	}
	return open_script(ret, err);
}

/* --- uploading -------------------------------------------------------------------------- */

int kt_upload(kt_cli *cli, kt_grpc_client *apic, kt_apic_rpc rpc, const char *name,
	      const char *path, ProtobufCMessage **ret, kt_err *err)
{
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	KT_AUTO_CHUNK_WRITER kt_chunk_writer writer = {0};
	kt_grpc_stream *stream = kt_grpc_stream_open(apic, &kt_apic_rpcs[rpc], &opts, err);
	if (stream == NULL) {
		return -1;
	}
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	int rc = kt_chunk_writer_init(&writer, NULL, stream, name, err);
	if (rc == 0) {
		kt_sink sink = {kt_chunk_writer_write, &writer};
		unsigned flags = KT_PACK_IGNORE_FILE;
		rc = kt_pack(path, flags, sink, cli->remote->interrupt, err);
	}
	if (rc == 0) {
		rc = kt_chunk_writer_finish(&writer, err);
	}
	if (rc == 0) {
		rc = kt_grpc_stream_recv(stream, &answer, err);
		rc = rc == 0 ? KT_FAIL(err, IO, "the upload was not answered") : rc;
	}
	kt_grpc_stream_free(stream);
	if (rc < 0) {
		return -1;
	}
	*ret = KT_STEAL(answer);
	return 0;
}

static int upload_package(kt_cli *cli, kt_grpc_client *apic, const char *id, const char *dir,
			  const char *shown, kt_err *err)
{
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	KT_CLI_LOG(cli, "Compressing package '%s' at '%s' for upload", id, shown);
	if (kt_upload(cli, apic, KT_APIC_UPLOAD_STARLARK_PACKAGE, id, dir, &answer, err) < 0) {
		return KT_WRAP(err, "Error uploading package '%s' prior to executing it", id);
	}
	return 0;
}

int kt_target_upload(kt_cli *cli, const kt_target *self, kt_grpc_client *apic, kt_err *err)
{
	if (upload_package(cli, apic, self->package_id, self->dir, self->argument, err) < 0) {
		return -1;
	}
	for (kt_map_entry *e = NULL; (e = kt_map_next(&self->replace, e)) != NULL;) {
		if (upload_package(cli, apic, e->key, e->value, e->value, err) < 0) {
			return -1;
		}
	}
	return 0;
}
