/* The layout is one directory per container, as Kurtosis 1.20 dumps them. */
#include "cli/dump.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/artifact.h"
#include "cli/engine_proc.h"
#include "cli/service_json.h"
#include "cli/ui.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_MAX ((size_t)256 << 20)

typedef struct dump {
	kt_cli *cli;
	const kt_enclave_info *enclave;
	const char *dir;
	kt_grpc_client *apic;
	kt_strvec failed; /* what could not be dumped */
} dump;

int kt_dump_dir(const char *dir, kt_err *err)
{
	if (kt_fs_exists(dir)) {
		return KT_FAIL(err, EXISTS,
			       "Cannot create output directory at '%s'; directory already exists", dir);
	}
	return kt_fs_mkdirs(dir, 0755, err);
}

/* Logs why one thing is missing from the dump. Takes the reason. */
static void note_failure(dump *self, const char *what, kt_err *reason)
{
	KT_AUTO_FREE char *text = kt_error_text(reason);
	kt_log_line(self->cli, KT_CLI_ERROR, "An error occurred dumping %s:\n%s", what,
		    kt_str_or(text, "out of memory"));
	kt_err_release(reason);
	kt_strvec_add(&self->failed, what);
}

static int write_json(const char *dir, const char *name, json_t *value, kt_err *err)
{
	KT_AUTO_FREE char *json = value != NULL ? kt_go_json_text(value) : NULL;
	KT_AUTO_FREE char *text = json != NULL ? kt_asprintf("%s\n", json) : NULL;
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	json_decref(value);
	if (text == NULL || path == NULL) {
		return kt_err_nomem(err);
	}
	return kt_fs_write(path, text, strlen(text), 0644, false, err);
}

/* A name that may become the name of a file below the dump. */
static int check_name(const char *name, kt_err *err)
{
	bool bad = *name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
		   strcmp(name, "..") == 0;
	return bad ? KT_FAIL(err, INVALID, "'%s' cannot be the name of a directory", name) : 0;
}

/* --- services --------------------------------------------------------------------------- */

static int write_lines(kt_grpc_stream *stream, FILE *to, kt_err *err)
{
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = kt_grpc_stream_recv(stream, &message, err);
		if (rc <= 0) {
			return rc;
		}
		const EngineApi__GetServiceLogsResponse *part =
			(const EngineApi__GetServiceLogsResponse *)message;
		for (size_t i = 0; i < part->n_service_logs_by_service_uuid; i++) {
			const EngineApi__LogLine *lines =
				part->service_logs_by_service_uuid[i]->value;
			for (size_t k = 0; k < lines->n_line; k++) {
				fprintf(to, "%s\n", lines->line[k]);
			}
		}
	}
}

/* All lines that the service has written, to dir/output.log. */
static int dump_log(const dump *self, const char *uuid, const char *dir, kt_err *err)
{
	EngineApi__GetServiceLogsArgs args = ENGINE_API__GET_SERVICE_LOGS_ARGS__INIT;
	EngineApi__GetServiceLogsArgs__ServiceUuidSetEntry entry =
		ENGINE_API__GET_SERVICE_LOGS_ARGS__SERVICE_UUID_SET_ENTRY__INIT;
	EngineApi__GetServiceLogsArgs__ServiceUuidSetEntry *entries = &entry;
	KT_AUTO_FREE char *path = kt_path_join(dir, "output.log");
	FILE *to = path != NULL ? fopen(path, "wxe") : NULL;
	if (to == NULL) {
		return path == NULL ? kt_err_nomem(err)
				    : KT_FAIL_ERRNO(err, "the file %s cannot be written", path);
	}
	entry.key = (char *)(uintptr_t)uuid;
	entry.value = true;
	args.enclave_identifier = self->enclave->enclave_uuid;
	args.service_uuid_set = &entries;
	args.n_service_uuid_set = 1;
	KT_OPT_SET(EngineApi__GetServiceLogsArgs, &args, return_all_logs, true);
	kt_grpc_stream *stream = kt_grpc_stream_start(self->cli->remote->engine,
						      &kt_engine_rpcs[KT_ENGINE_GET_SERVICE_LOGS],
						      &args.base, NULL, err);
	int rc = stream != NULL ? write_lines(stream, to, err) : -1;
	kt_grpc_stream_free(stream);
	bool full = ferror(to) != 0;
	full = fclose(to) != 0 || full;
	return rc == 0 && full ? KT_FAIL_ERRNO(err, "the file %s cannot be written", path) : rc;
}

static json_t *spec(const kt_service_info *service)
{
	int color;
	json_t *to = json_pack("{s:s, s:s, s:s}", "name", service->name, "uuid",
			       service->service_uuid, "status", kt_service_status(service, &color));
	if (to != NULL && !kt_str_empty(service->private_ip_addr)) {
		json_object_set_new(to, "private_ip_address", json_string(service->private_ip_addr));
	}
	if (to != NULL) {
		json_object_set_new(to, "config", kt_service_json(service));
	}
	return to;
}

/* A service that is there, or (NULL) one of which only the log is left. */
static int dump_service_into(const dump *self, const char *title, const char *uuid,
			     const kt_service_info *service, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_path_join(self->dir, title);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	if (check_name(title, err) < 0 || kt_fs_mkdirs(dir, 0755, err) < 0) {
		return -1;
	}
	if (service != NULL && write_json(dir, "spec.json", spec(service), err) < 0) {
		return -1;
	}
	return dump_log(self, uuid, dir, err);
}

static void dump_service(dump *self, const char *name, const char *uuid,
			 const kt_service_info *service)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *title = kt_asprintf("%s--%s", name, uuid);
	int rc = title != NULL ? dump_service_into(self, title, uuid, service, &err)
			       : kt_err_nomem(&err);
	if (rc < 0) {
		note_failure(self, kt_str_or(title, name), &err);
	}
}

static int dump_services(dump *self, kt_err *err)
{
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *live = NULL;
	KT_AUTO_MSG ApiContainerApi__GetExistingAndHistoricalServiceIdentifiersResponse *all = NULL;
	if (kt_apic_call(self->cli, self->apic, KT_APIC_GET_SERVICES, &args, &live, err) < 0 ||
	    kt_apic_call(self->cli, self->apic, KT_APIC_GET_SERVICE_IDENTIFIERS, &nothing, &all,
			 err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < live->n_service_info; i++) {
		const kt_service_info *one = live->service_info[i]->value;
		dump_service(self, one->name, one->service_uuid, one);
	}
	for (size_t i = 0; i < all->n_allidentifiers; i++) {
		const ApiContainerApi__ServiceIdentifiers *one = all->allidentifiers[i];
		bool gone = true;
		for (size_t k = 0; k < live->n_service_info; k++) {
			gone = gone && strcmp(live->service_info[k]->value->service_uuid,
					      one->service_uuid) != 0;
		}
		if (gone) {
			dump_service(self, one->name, one->service_uuid, NULL);
		}
	}
	return 0;
}

/* --- files ------------------------------------------------------------------------------ */

static void dump_artifact(dump *self, const ApiContainerApi__FilesArtifactNameAndUuid *one)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *dir = kt_asprintf("%s/files/%s", self->dir, one->filename);
	if (dir == NULL) {
		kt_err_nomem(&err);
		note_failure(self, one->filename, &err);
		return;
	}
	if (check_name(one->filename, &err) < 0 || kt_fs_mkdirs(dir, 0755, &err) < 0 ||
	    kt_artifact_unpack(self->apic, one->fileuuid, dir, &err) < 0) {
		note_failure(self, one->filename, &err);
	}
}

static int dump_artifacts(dump *self, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__ListFilesArtifactNamesAndUuidsResponse *all = NULL;
	if (kt_apic_call(self->cli, self->apic, KT_APIC_LIST_FILES_ARTIFACTS, &nothing, &all, err) <
	    0) {
		return -1;
	}
	for (size_t i = 0; i < all->n_file_names_and_uuids; i++) {
		dump_artifact(self, all->file_names_and_uuids[i]);
	}
	return 0;
}

/* --- enclaves and the engine ------------------------------------------------------------ */

static json_t *enclave_json(const kt_enclave_info *enclave)
{
	int color;
	KT_AUTO_BUF kt_buf created = KT_BUF_INIT;
	if (enclave->creation_time != NULL) {
		kt_buf_add_rfc1123(&created, enclave->creation_time->seconds);
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", enclave->name, "uuid",
			 enclave->enclave_uuid, "status", kt_enclave_status(enclave, &color),
			 "creation_time", kt_buf_str(&created), "production",
			 enclave->mode == ENGINE_API__ENCLAVE_MODE__PRODUCTION);
}

static int dump_contents(dump *self, bool files, kt_err *err)
{
	self->apic = kt_connect_apic(self->cli, self->enclave, err);
	if (self->apic == NULL || dump_services(self, err) < 0) {
		return -1;
	}
	return files ? dump_artifacts(self, err) : 0;
}

int kt_dump_enclave(kt_cli *cli, const kt_enclave_info *enclave, const char *dir, bool files,
		    kt_err *err)
{
	dump self = {cli, enclave, dir, NULL, KT_STRVEC_INIT};
	if (write_json(dir, "enclave.json", enclave_json(enclave), err) < 0) {
		return -1;
	}
	if (enclave->api_container_status !=
	    ENGINE_API__ENCLAVE_APICONTAINER_STATUS__EnclaveAPIContainerStatus_RUNNING) {
		KT_CLI_WARNING(cli, "The enclave '%s' is not running, so only its description is dumped",
			       enclave->name);
		return 0;
	}
	int rc = dump_contents(&self, files, err);
	kt_grpc_client_free(self.apic);
	KT_AUTO_FREE char *failed = kt_strvec_join(&self.failed, ", ");
	if (rc == 0 && self.failed.len > 0) {
		rc = KT_FAIL(err, UNKNOWN, "these could not be dumped: %s", kt_str_or(failed, "?"));
	}
	kt_strvec_deinit(&self.failed);
	return rc;
}

int kt_dump_engine(const char *dir, kt_err *err)
{
	KT_AUTO_FREE char *log = kt_engine_log_path(err);
	KT_AUTO_FREE char *parent = kt_path_join(dir, "kurtosis-engine");
	KT_AUTO_FREE char *target = kt_asprintf("%s/kurtosis-engine/output.log", dir);
	if (log == NULL || target == NULL || parent == NULL) {
		return log == NULL ? -1 : kt_err_nomem(err);
	}
	KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
	if (kt_fs_read(log, LOG_MAX, &content, err) < 0 || kt_fs_mkdirs(parent, 0755, err) < 0) {
		return -1;
	}
	return kt_fs_write(target, kt_buf_str(&content), content.len, 0644, false, err);
}
