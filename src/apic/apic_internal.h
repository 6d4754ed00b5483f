/* What the handlers of the API container share. Not for other modules. */
#ifndef KT_APIC_APIC_INTERNAL_H
#define KT_APIC_APIC_INTERNAL_H

#include "api/api.h"
#include "api/chunks.h"
#include "api/services.h"
#include "apic/apic.h"
#include "net/http_client.h"
#include "run/run.h"

typedef struct kt_apic_spec {
	const char *enclave_uuid;
	const char *enclave_name;
	bool production;
	const char *root; /* state on this machine */
	kt_backend *backend;
} kt_apic_spec;

/* The host of all handlers. */
typedef struct kt_apic {
	char *enclave_uuid;
	char *dir;           /* <root>/enclaves/<uuid> */
	char *cache_dir;     /* <root>/packages: shared by all enclaves */
	char *store_dir;     /* packages uploaded into this enclave */
	kt_backend *backend; /* borrowed */
	kt_artifacts *artifacts;
	kt_run_env *env;
	kt_http_client *http;
	kt_cancel *stop; /* fires when the service ends */
} kt_apic;

KT_MUST_USE kt_apic *kt_apic_new(const kt_apic_spec *spec, kt_err *err);
void kt_apic_free(kt_apic *self); /* NULL allowed */

/* One per row of kt_apic_rpcs; NULL = UNIMPLEMENTED. The host is a kt_apic. */
extern const kt_grpc_handler kt_apic_handlers[KT_APIC_RPC_COUNT];

#define KT_APIC_HANDLER(name)                                                                      \
	int kt_apic_##name(kt_grpc_call *call, const ProtobufCMessage *request, void *host,        \
	                   kt_err *err)

KT_APIC_HANDLER(run_script);
KT_APIC_HANDLER(upload_package);
KT_APIC_HANDLER(run_package);
KT_APIC_HANDLER(get_starlark_run);
KT_APIC_HANDLER(get_services);
KT_APIC_HANDLER(get_identifiers);
KT_APIC_HANDLER(exec_command);
KT_APIC_HANDLER(wait_http_get);
KT_APIC_HANDLER(wait_http_post);
KT_APIC_HANDLER(connect_services);
KT_APIC_HANDLER(upload_artifact);
KT_APIC_HANDLER(download_artifact);
KT_APIC_HANDLER(store_web_artifact);
KT_APIC_HANDLER(store_artifact_from_service);
KT_APIC_HANDLER(list_artifacts);
KT_APIC_HANDLER(inspect_artifact);
KT_APIC_HANDLER(script_plan_yaml);
KT_APIC_HANDLER(package_plan_yaml);

/* Where packages come from and go to; the caller adds the root package. (runs.c) */
kt_content_spec kt_apic_content_spec(const kt_apic *apic);

/* --- lines (lines.c) --- */

typedef struct kt_line_sender {
	kt_grpc_call *call;
	bool gone; /* the client left: the run goes on in silence */
	/* Called before the run's last line goes out; may be NULL. */
	void (*on_finished)(void *ctx);
	void *on_finished_ctx;
} kt_line_sender;

/* A kt_run_emit; ctx is a kt_line_sender. */
void kt_apic_send_line(void *ctx, const kt_run_line *line);

/* --- bodies on their way (spool.c) --- */

/* An unnamed file in the enclave's directory; the caller closes it. -1 on failure. */
int kt_apic_open_spool(kt_apic *apic, kt_err *err);
/* Sink, source and start of one; arg is a pointer to the descriptor. */
int kt_apic_spool_write(void *arg, const void *data, size_t len, kt_err *err);
ssize_t kt_apic_spool_read(void *arg, void *buf, size_t cap, kt_err *err);
int kt_apic_rewind_spool(int fd, kt_err *err);

/* Protobuf strings are `char *` that nobody writes to. */
static inline char *kt_pb_str(const char *text)
{
	return (char *)(uintptr_t)(text != NULL ? text : "");
}

#endif
