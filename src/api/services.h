/*
 * The two services of the wire API as tables: every rpc of both, in the order of the enums.
 * Request and response types are the generated protobuf-c structs of api/engine.pb-c.h and
 * api/apic.pb-c.h (prefixes EngineApi__ and ApiContainerApi__; Google__Protobuf__Empty,
 * __Timestamp and __Duration for the common ones).
 *
 * A server gives one handler per enum value (NULL = UNIMPLEMENTED):
 *
 *   static const kt_grpc_handler handlers[KT_ENGINE_RPC_COUNT] = {
 *           [KT_ENGINE_GET_ENGINE_INFO] = get_engine_info, … };
 *   kt_grpc_server_add(server, kt_engine_rpcs, handlers, KT_ENGINE_RPC_COUNT, host, &err);
 */
#ifndef KT_API_SERVICES_H
#define KT_API_SERVICES_H

#include "net/grpc.h"

/* What clients are told: they compare major and minor with their own. */
#define KT_API_LEVEL "1.20.0"

#define KT_ENGINE_RPC_TABLE(X)                                                                     \
	X(GET_ENGINE_INFO, GetEngineInfo, UNARY, google__protobuf__empty,                          \
	  engine_api__get_engine_info_response)                                                    \
	X(CREATE_ENCLAVE, CreateEnclave, UNARY, engine_api__create_enclave_args,                   \
	  engine_api__create_enclave_response)                                                     \
	X(GET_ENCLAVES, GetEnclaves, UNARY, google__protobuf__empty,                               \
	  engine_api__get_enclaves_response)                                                       \
	X(GET_ENCLAVES_BY_UUIDS, GetEnclavesByUuids, UNARY,                                        \
	  engine_api__get_enclaves_by_uuids_args, engine_api__get_enclaves_response)               \
	X(GET_ENCLAVE_IDENTIFIERS, GetExistingAndHistoricalEnclaveIdentifiers, UNARY,              \
	  google__protobuf__empty,                                                                 \
	  engine_api__get_existing_and_historical_enclave_identifiers_response)                    \
	X(STOP_ENCLAVE, StopEnclave, UNARY, engine_api__stop_enclave_args,                         \
	  google__protobuf__empty)                                                                 \
	X(DESTROY_ENCLAVE, DestroyEnclave, UNARY, engine_api__destroy_enclave_args,                \
	  google__protobuf__empty)                                                                 \
	X(CLEAN, Clean, UNARY, engine_api__clean_args, engine_api__clean_response)                 \
	X(GET_SERVICE_LOGS, GetServiceLogs, SERVER_STREAM, engine_api__get_service_logs_args,      \
	  engine_api__get_service_logs_response)

#define KT_APIC_RPC_TABLE(X)                                                                       \
	X(RUN_STARLARK_SCRIPT, RunStarlarkScript, SERVER_STREAM,                                   \
	  api_container_api__run_starlark_script_args,                                             \
	  api_container_api__starlark_run_response_line)                                           \
	X(UPLOAD_STARLARK_PACKAGE, UploadStarlarkPackage, CLIENT_STREAM,                           \
	  api_container_api__streamed_data_chunk, google__protobuf__empty)                         \
	X(RUN_STARLARK_PACKAGE, RunStarlarkPackage, SERVER_STREAM,                                 \
	  api_container_api__run_starlark_package_args,                                            \
	  api_container_api__starlark_run_response_line)                                           \
	X(GET_SERVICES, GetServices, UNARY, api_container_api__get_services_args,                  \
	  api_container_api__get_services_response)                                                \
	X(GET_SERVICE_IDENTIFIERS, GetExistingAndHistoricalServiceIdentifiers, UNARY,              \
	  google__protobuf__empty,                                                                 \
	  api_container_api__get_existing_and_historical_service_identifiers_response)             \
	X(EXEC_COMMAND, ExecCommand, UNARY, api_container_api__exec_command_args,                  \
	  api_container_api__exec_command_response)                                                \
	X(WAIT_FOR_HTTP_GET, WaitForHttpGetEndpointAvailability, UNARY,                            \
	  api_container_api__wait_for_http_get_endpoint_availability_args,                         \
	  google__protobuf__empty)                                                                 \
	X(WAIT_FOR_HTTP_POST, WaitForHttpPostEndpointAvailability, UNARY,                          \
	  api_container_api__wait_for_http_post_endpoint_availability_args,                        \
	  google__protobuf__empty)                                                                 \
	X(UPLOAD_FILES_ARTIFACT, UploadFilesArtifact, CLIENT_STREAM,                               \
	  api_container_api__streamed_data_chunk,                                                  \
	  api_container_api__upload_files_artifact_response)                                       \
	X(DOWNLOAD_FILES_ARTIFACT, DownloadFilesArtifact, SERVER_STREAM,                           \
	  api_container_api__download_files_artifact_args,                                         \
	  api_container_api__streamed_data_chunk)                                                  \
	X(STORE_WEB_FILES_ARTIFACT, StoreWebFilesArtifact, UNARY,                                  \
	  api_container_api__store_web_files_artifact_args,                                        \
	  api_container_api__store_web_files_artifact_response)                                    \
	X(STORE_FILES_ARTIFACT_FROM_SERVICE, StoreFilesArtifactFromService, UNARY,                 \
	  api_container_api__store_files_artifact_from_service_args,                               \
	  api_container_api__store_files_artifact_from_service_response)                           \
	X(LIST_FILES_ARTIFACTS, ListFilesArtifactNamesAndUuids, UNARY, google__protobuf__empty,    \
	  api_container_api__list_files_artifact_names_and_uuids_response)                         \
	X(INSPECT_FILES_ARTIFACT, InspectFilesArtifactContents, UNARY,                             \
	  api_container_api__inspect_files_artifact_contents_request,                              \
	  api_container_api__inspect_files_artifact_contents_response)                             \
	X(CONNECT_SERVICES, ConnectServices, UNARY, api_container_api__connect_services_args,      \
	  api_container_api__connect_services_response)                                            \
	X(GET_STARLARK_RUN, GetStarlarkRun, UNARY, google__protobuf__empty,                        \
	  api_container_api__get_starlark_run_response)                                            \
	X(GET_SCRIPT_PLAN_YAML, GetStarlarkScriptPlanYaml, UNARY,                                  \
	  api_container_api__starlark_script_plan_yaml_args, api_container_api__plan_yaml)         \
	X(GET_PACKAGE_PLAN_YAML, GetStarlarkPackagePlanYaml, UNARY,                                \
	  api_container_api__starlark_package_plan_yaml_args, api_container_api__plan_yaml)

typedef enum kt_engine_rpc {
#define KT_ENGINE_RPC_ENUM(name, method, kind, request, response) KT_ENGINE_##name,
	KT_ENGINE_RPC_TABLE(KT_ENGINE_RPC_ENUM)
#undef KT_ENGINE_RPC_ENUM
	KT_ENGINE_RPC_COUNT
} kt_engine_rpc;

typedef enum kt_apic_rpc {
#define KT_APIC_RPC_ENUM(name, method, kind, request, response) KT_APIC_##name,
	KT_APIC_RPC_TABLE(KT_APIC_RPC_ENUM)
#undef KT_APIC_RPC_ENUM
	KT_APIC_RPC_COUNT
} kt_apic_rpc;

extern const kt_rpc kt_engine_rpcs[KT_ENGINE_RPC_COUNT];
extern const kt_rpc kt_apic_rpcs[KT_APIC_RPC_COUNT];

#endif
