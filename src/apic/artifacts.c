/* Files artifacts: up, down, from the web, from a service, listings. */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "plan/words.h"

#define NAME_DRAWS 6

/* A free "adjective-noun"; after some tries the last one with a number. NULL with err. */
static char *generate_name(kt_apic *apic, kt_err *err)
{
	KT_AUTO_FREE char *base = NULL;
	char *name = NULL;

	for (unsigned i = 0; i < NAME_DRAWS || name == NULL; i++) {
		uint32_t draws[2];
		kt_random_bytes(draws, sizeof(draws));
		kt_free(base);
		base = kt_asprintf("%s-%s", kt_words_adjective(draws[0] % kt_words_count()),
		                   kt_words_noun(draws[1] % kt_words_count()));
		if (base == NULL) {
			kt_err_nomem(err);
			return NULL;
		}
		if (!kt_artifacts_has_name(apic->artifacts, base)) {
			return KT_STEAL(base);
		}
		if (i + 1 >= NAME_DRAWS) {
			break;
		}
	}
	for (unsigned n = 1; name == NULL || kt_artifacts_has_name(apic->artifacts, name); n++) {
		kt_free(name);
		name = kt_asprintf("%s-%u", base, n);
		if (name == NULL) {
			kt_err_nomem(err);
			return NULL;
		}
	}
	return name;
}

/* --- UploadFilesArtifact --- */

KT_APIC_HANDLER(upload_artifact)
{
	kt_apic *apic = host;
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
	KT_AUTO_FREE char *made_up = NULL;
	KT_AUTO_FD int spool = kt_apic_open_spool(apic, err);
	ApiContainerApi__UploadFilesArtifactResponse response =
	        API_CONTAINER_API__UPLOAD_FILES_ARTIFACT_RESPONSE__INIT;

	(void)request;
	if (spool < 0) {
		return -1;
	}
	if (kt_chunks_receive(call, &chain, kt_apic_spool_write, &spool, err) < 0) {
		return KT_WRAP(err, "An error occurred receiving the file payload");
	}
	if (kt_str_empty(chain.name) && (made_up = generate_name(apic, err)) == NULL) {
		return -1;
	}
	kt_artifact_spec spec = {.name = made_up != NULL ? made_up : chain.name,
	                         .cancel = kt_grpc_call_cancel(call)};
	if (kt_apic_rewind_spool(spool, err) < 0 ||
	    kt_artifacts_add_archive(apic->artifacts, &spec, kt_source_fd(&spool), &artifact, err) <
	            0) {
		return KT_WRAP(err, "An error occurred while trying to upload files artifact '%s'",
		               spec.name);
	}
	response.uuid = artifact.uuid.text;
	response.name = artifact.name;
	return kt_grpc_send(call, &response.base, err);
}

/* --- DownloadFilesArtifact --- */

KT_APIC_HANDLER(download_artifact)
{
	kt_apic *apic = host;
	const char *identifier =
	        ((const ApiContainerApi__DownloadFilesArtifactArgs *)request)->identifier;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;

	if (identifier[strspn(identifier, " \t\r\n")] == '\0') {
		return KT_FAIL(err, INVALID,
		               "Cannot download file with empty files artifact identifier");
	}
	int found = kt_artifacts_find(apic->artifacts, identifier, &artifact, err);
	if (found <= 0) {
		return found < 0 ? -1
		                 : KT_FAIL(err, NOT_FOUND,
		                           "An error occurred getting files artifact '%s', it "
		                           "doesn't exist in this enclave",
		                           identifier);
	}
	KT_AUTO_FD int spool = kt_apic_open_spool(apic, err);
	if (spool < 0) {
		return -1;
	}
	kt_sink sink = {kt_apic_spool_write, &spool};
	if (kt_artifacts_read(apic->artifacts, identifier, sink, kt_grpc_call_cancel(call), err) <
	            0 ||
	    kt_apic_rewind_spool(spool, err) < 0) {
		return -1;
	}
	return kt_chunks_send(call, identifier, kt_apic_spool_read, &spool, err);
}

/* --- StoreWebFilesArtifact --- */

KT_APIC_HANDLER(store_web_artifact)
{
	kt_apic *apic = host;
	const ApiContainerApi__StoreWebFilesArtifactArgs *args =
	        (const ApiContainerApi__StoreWebFilesArtifactArgs *)request;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
	KT_AUTO_HTTP_RESPONSE kt_http_response answer = KT_HTTP_RESPONSE_INIT;
	KT_AUTO_FD int spool = kt_apic_open_spool(apic, err);
	ApiContainerApi__StoreWebFilesArtifactResponse response =
	        API_CONTAINER_API__STORE_WEB_FILES_ARTIFACT_RESPONSE__INIT;
	kt_http_request http = {.url = args->url,
	                        .sink = kt_apic_spool_write,
	                        .sink_arg = &spool,
	                        .deadline = kt_grpc_call_deadline(call),
	                        .cancel = kt_grpc_call_cancel(call)};
	kt_artifact_spec spec = {.name = args->name, .cancel = kt_grpc_call_cancel(call)};

	if (spool < 0) {
		return -1;
	}
	if (kt_http_do(apic->http, &http, &answer, err) < 0) {
		return KT_WRAP(err,
		               "An error occurred making the request to URL '%s' to get the "
		               "data to store",
		               args->url);
	}
	/* An error page would only be refused later, as an archive that is none. */
	if (answer.status < 200 || answer.status > 299) {
		return KT_FAIL(err, UNAVAILABLE, "'%s' answered with status %d", args->url,
		               answer.status);
	}
	if (kt_apic_rewind_spool(spool, err) < 0 ||
	    kt_artifacts_add_archive(apic->artifacts, &spec, kt_source_fd(&spool), &artifact, err) <
	            0) {
		return KT_WRAP(err,
		               "An error occurred storing the file from URL '%s' in the files "
		               "artifact store",
		               args->url);
	}
	response.uuid = artifact.uuid.text;
	return kt_grpc_send(call, &response.base, err);
}

/* --- StoreFilesArtifactFromService --- */

KT_APIC_HANDLER(store_artifact_from_service)
{
	kt_apic *apic = host;
	const ApiContainerApi__StoreFilesArtifactFromServiceArgs *args =
	        (const ApiContainerApi__StoreFilesArtifactFromServiceArgs *)request;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
	ApiContainerApi__StoreFilesArtifactFromServiceResponse response =
	        API_CONTAINER_API__STORE_FILES_ARTIFACT_FROM_SERVICE_RESPONSE__INIT;
	kt_reg reg = {0};

	if (kt_run_env_service(apic->env, args->service_identifier, &arena, &reg, err) < 0 ||
	    kt_run_env_store_files(apic->env, &reg, args->source_path, args->name, false,
	                           kt_grpc_call_cancel(call), &artifact, err) < 0) {
		return KT_WRAP(err, "An error occurred storing the files of '%s' from service '%s'",
		               args->source_path, args->service_identifier);
	}
	response.uuid = artifact.uuid.text;
	return kt_grpc_send(call, &response.base, err);
}

/* --- ListFilesArtifactNamesAndUuids --- */

static int send_list(kt_grpc_call *call, const kt_artifact_vec *artifacts, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	ApiContainerApi__ListFilesArtifactNamesAndUuidsResponse response =
	        API_CONTAINER_API__LIST_FILES_ARTIFACT_NAMES_AND_UUIDS_RESPONSE__INIT;
	ApiContainerApi__FilesArtifactNameAndUuid *items = KT_ARENA_ARRAY(
	        &arena, ApiContainerApi__FilesArtifactNameAndUuid, artifacts->len + 1);
	ApiContainerApi__FilesArtifactNameAndUuid **list = KT_ARENA_ARRAY(
	        &arena, ApiContainerApi__FilesArtifactNameAndUuid *, artifacts->len + 1);

	if (items == NULL || list == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < artifacts->len; i++) {
		api_container_api__files_artifact_name_and_uuid__init(&items[i]);
		items[i].filename = artifacts->items[i].name;
		items[i].fileuuid = artifacts->items[i].uuid.text;
		list[i] = &items[i];
	}
	response.file_names_and_uuids = list;
	response.n_file_names_and_uuids = artifacts->len;
	return kt_grpc_send(call, &response.base, err);
}

KT_APIC_HANDLER(list_artifacts)
{
	kt_apic *apic = host;
	kt_artifact_vec artifacts = {0};
	int result = kt_artifacts_list(apic->artifacts, &artifacts, err);

	(void)request;
	if (result == 0) {
		result = send_list(call, &artifacts, err);
	}
	kt_artifact_vec_deinit(&artifacts);
	return result;
}

/* --- InspectFilesArtifactContents --- */

typedef ApiContainerApi__FileArtifactContentsFileDescription description_message;

typedef struct listing {
	kt_arena arena;
	KT_VEC(description_message *) items;
} listing;

static int add_entry(void *ctx, const kt_artifact_entry *entry, kt_err *err)
{
	listing *l = ctx;
	description_message *item = KT_ARENA_NEW(&l->arena, description_message);

	if (item == NULL) {
		return kt_err_nomem(err);
	}
	api_container_api__file_artifact_contents_file_description__init(item);
	item->path = kt_arena_strdup(&l->arena, entry->path);
	item->size = entry->size;
	if (entry->preview != NULL) {
		char *preview = kt_arena_strdup(&l->arena, entry->preview);
		if (preview == NULL) {
			return kt_err_nomem(err);
		}
		KT_OPT_SET(ApiContainerApi__FileArtifactContentsFileDescription, item, text_preview,
		           preview);
	}
	if (item->path == NULL || kt_vec_push(&l->items, item) < 0) {
		return kt_err_nomem(err);
	}
	return 0;
}

KT_APIC_HANDLER(inspect_artifact)
{
	kt_apic *apic = host;
	const ApiContainerApi__FilesArtifactNameAndUuid *which =
	        ((const ApiContainerApi__InspectFilesArtifactContentsRequest *)request)
	                ->file_names_and_uuid;
	ApiContainerApi__InspectFilesArtifactContentsResponse response =
	        API_CONTAINER_API__INSPECT_FILES_ARTIFACT_CONTENTS_RESPONSE__INIT;
	const char *identifier = which == NULL                   ? ""
	                         : kt_str_empty(which->filename) ? which->fileuuid
	                                                         : which->filename;
	listing l = {.arena = KT_ARENA_INIT};

	if (kt_str_empty(identifier)) {
		return KT_FAIL(err, INVALID,
		               "An error occurred because files artifact identifier is empty '%s'",
		               identifier);
	}
	int result = kt_artifacts_inspect(apic->artifacts, identifier, add_entry, &l, err);
	if (result == 0) {
		response.file_descriptions = l.items.items;
		response.n_file_descriptions = l.items.len;
		result = kt_grpc_send(call, &response.base, err);
	}
	kt_vec_deinit(&l.items);
	kt_arena_deinit(&l.arena);
	return result;
}
