/*
 * What all runs of one enclave share: its backend, its artifact store, its database, and
 * the operations on its services that are not tied to a plan.
 *
 * Thread-safe. Lives as long as the API container; every call that uses it must have
 * returned before it is closed.
 */
#ifndef KT_RUN_ENV_H
#define KT_RUN_ENV_H

#include "backend/backend.h"
#include "files/files.h"
#include "plan/plan.h"
#include "run/state.h"

typedef struct kt_run_env kt_run_env;

typedef struct kt_run_env_spec {
	const char *enclave_uuid;
	const char *enclave_name;
	bool production;
	const char *dir;         /* state of this enclave: <root>/enclaves/<uuid>; created */
	kt_backend *backend;     /* borrowed */
	kt_artifacts *artifacts; /* borrowed */
} kt_run_env_spec;

/* Opens the enclave's database; what an earlier process knew is there again. */
KT_MUST_USE kt_run_env *kt_run_env_open(const kt_run_env_spec *spec, kt_err *err);
void kt_run_env_close(kt_run_env *self); /* NULL allowed */

kt_state *kt_run_env_state(kt_run_env *self);
kt_artifacts *kt_run_env_artifacts(kt_run_env *self);
kt_backend *kt_run_env_backend(kt_run_env *self);
const char *kt_run_env_enclave(const kt_run_env *self); /* the full uuid */
bool kt_run_env_production(const kt_run_env *self);

/*
 * The registered service of this name, short or full uuid, copied into the arena. NOT_FOUND
 * with "Couldn't find a matching service name for identifier 'X'".
 */
int kt_run_env_service(kt_run_env *self, const char *identifier, kt_arena *arena, kt_reg *ret,
                       kt_err *err);

/* One HTTP request into the enclave. Fields as in kt_http_request. */
typedef struct kt_service_http {
	const char *method; /* "GET", "POST" */
	uint16_t port;
	const char *path; /* appended verbatim to http://IP:PORT */
	kt_plan_pairs headers;
	const char *content_type; /* NULL = none */
	const char *body;         /* NULL = none */
	kt_instant deadline;      /* KT_NEVER = none */
	const kt_cancel *cancel;
} kt_service_http;

/* The status of the answer; the body is appended to ret_body. Redirects are followed. */
int kt_run_env_http(kt_run_env *self, const kt_reg *service, const kt_service_http *request,
                    int *ret_status, kt_buf *ret_body, kt_err *err);

/*
 * Copies a file or a directory's contents out of a service into a files artifact. replace
 * as in kt_artifact_spec.
 */
int kt_run_env_store_files(kt_run_env *self, const kt_reg *service, const char *src,
                           const char *artifact, bool replace, const kt_cancel *cancel,
                           kt_artifact *ret, kt_err *err);

#endif
