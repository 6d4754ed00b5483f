/* The API container's state and the table of its handlers. */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/fs.h"

const kt_grpc_handler kt_apic_handlers[KT_APIC_RPC_COUNT] = {
        [KT_APIC_RUN_STARLARK_SCRIPT] = kt_apic_run_script,
        [KT_APIC_UPLOAD_STARLARK_PACKAGE] = kt_apic_upload_package,
        [KT_APIC_RUN_STARLARK_PACKAGE] = kt_apic_run_package,
        [KT_APIC_GET_SERVICES] = kt_apic_get_services,
        [KT_APIC_GET_SERVICE_IDENTIFIERS] = kt_apic_get_identifiers,
        [KT_APIC_EXEC_COMMAND] = kt_apic_exec_command,
        [KT_APIC_WAIT_FOR_HTTP_GET] = kt_apic_wait_http_get,
        [KT_APIC_WAIT_FOR_HTTP_POST] = kt_apic_wait_http_post,
        [KT_APIC_UPLOAD_FILES_ARTIFACT] = kt_apic_upload_artifact,
        [KT_APIC_DOWNLOAD_FILES_ARTIFACT] = kt_apic_download_artifact,
        [KT_APIC_STORE_WEB_FILES_ARTIFACT] = kt_apic_store_web_artifact,
        [KT_APIC_STORE_FILES_ARTIFACT_FROM_SERVICE] = kt_apic_store_artifact_from_service,
        [KT_APIC_LIST_FILES_ARTIFACTS] = kt_apic_list_artifacts,
        [KT_APIC_INSPECT_FILES_ARTIFACT] = kt_apic_inspect_artifact,
        [KT_APIC_CONNECT_SERVICES] = kt_apic_connect_services,
        [KT_APIC_GET_STARLARK_RUN] = kt_apic_get_starlark_run,
        [KT_APIC_GET_SCRIPT_PLAN_YAML] = kt_apic_script_plan_yaml,
        [KT_APIC_GET_PACKAGE_PLAN_YAML] = kt_apic_package_plan_yaml,
};

static int set_paths(kt_apic *self, const kt_apic_spec *spec, kt_err *err)
{
	self->enclave_uuid = kt_strdup(spec->enclave_uuid);
	self->dir = kt_asprintf("%s/enclaves/%s", spec->root, spec->enclave_uuid);
	self->cache_dir = kt_asprintf("%s/packages", spec->root);
	self->store_dir = kt_asprintf("%s/enclaves/%s/packages", spec->root, spec->enclave_uuid);
	if (self->enclave_uuid == NULL || self->dir == NULL || self->cache_dir == NULL ||
	    self->store_dir == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(self->dir, 0700, err) < 0) {
		return -1;
	}
	return kt_fs_mkdirs(self->store_dir, 0700, err);
}

static int open_parts(kt_apic *self, const kt_apic_spec *spec, kt_err *err)
{
	KT_AUTO_FREE char *artifacts_dir = kt_asprintf("%s/artifacts", self->dir);
	kt_run_env_spec env = {
	        .enclave_uuid = spec->enclave_uuid,
	        .enclave_name = spec->enclave_name,
	        .production = spec->production,
	        .dir = self->dir,
	        .backend = spec->backend,
	};

	if (artifacts_dir == NULL) {
		return kt_err_nomem(err);
	}
	self->artifacts = kt_artifacts_open(artifacts_dir, err);
	if (self->artifacts == NULL) {
		return -1;
	}
	env.artifacts = self->artifacts;
	self->env = kt_run_env_open(&env, err);
	self->http = self->env != NULL ? kt_http_client_new(err) : NULL;
	self->stop = self->http != NULL ? kt_cancel_new(err) : NULL;
	return self->stop != NULL ? 0 : -1;
}

kt_apic *kt_apic_new(const kt_apic_spec *spec, kt_err *err)
{
	kt_apic *self = kt_calloc(1, sizeof(*self));

	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->backend = spec->backend;
	if (set_paths(self, spec, err) < 0 || open_parts(self, spec, err) < 0) {
		kt_apic_free(self);
		return NULL;
	}
	return self;
}

void kt_apic_free(kt_apic *self)
{
	if (self == NULL) {
		return;
	}
	kt_run_env_close(self->env);
	if (self->artifacts != NULL) {
		kt_artifacts_close(self->artifacts);
	}
	kt_http_client_free(self->http);
	kt_cancel_unref(self->stop);
	kt_free(self->enclave_uuid);
	kt_free(self->dir);
	kt_free(self->cache_dir);
	kt_free(self->store_dir);
	kt_free(self);
}
