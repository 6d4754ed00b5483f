/*
 * The twenty instructions of a plan, and the record of one call.
 *
 * A record is data: what to do with typed arguments, what it reads and writes, and every
 * text that clients show. Records live in their plan's arena and are read-only; only
 * run/ performs them (its executor table is indexed by kt_instr_kind).
 */
#ifndef KT_PLAN_INSTR_H
#define KT_PLAN_INSTR_H

#include "base/uuid.h"
#include "files/files.h"
#include "plan/types.h"

/* ENUM, member of the argument union, name in the language. */
#define KT_INSTR_TABLE(X)                                                                          \
	X(ADD_SERVICE, add_service)                                                                \
	X(ADD_SERVICES, add_services)                                                              \
	X(EXEC, exec)                                                                              \
	X(GET_CLUSTER_TYPE, get_cluster_type)                                                      \
	X(GET_FILES_ARTIFACT, get_files_artifact)                                                  \
	X(GET_SERVICE, get_service)                                                                \
	X(GET_SERVICES, get_services)                                                              \
	X(PRINT, print)                                                                            \
	X(REMOVE_SERVICE, remove_service)                                                          \
	X(RENDER_TEMPLATES, render_templates)                                                      \
	X(REQUEST, request)                                                                        \
	X(RUN_PYTHON, run_python)                                                                  \
	X(RUN_SH, run_sh)                                                                          \
	X(SET_SERVICE, set_service)                                                                \
	X(START_SERVICE, start_service)                                                            \
	X(STOP_SERVICE, stop_service)                                                              \
	X(STORE_SERVICE_FILES, store_service_files)                                                \
	X(UPLOAD_FILES, upload_files)                                                              \
	X(VERIFY, verify)                                                                          \
	X(WAIT, wait)

typedef enum kt_instr_kind {
#define KT_INSTR_ENUM(upper, lower) KT_INSTR_##upper,
	KT_INSTR_TABLE(KT_INSTR_ENUM)
#undef KT_INSTR_ENUM
	KT_INSTR_COUNT
} kt_instr_kind;

/* "add_service", … */
const char *kt_instr_name(kt_instr_kind kind);

/* --- arguments, one struct per instruction; names as in the language ------ */

typedef struct kt_args_add_service {
	const char *name; /* placeholders replaced */
	kt_plan_config config;
	/* Set by a set_service of the same plan, earlier or later: use it instead of config. */
	const kt_plan_config *override_config;
	bool force_update;
	const char *ref_uuid; /* runtime values "hostname" and "ip_address" go under it */
} kt_args_add_service;

typedef struct kt_args_add_services {
	const kt_args_add_service *items; /* override_config is never set here */
	size_t len;
	bool force_update;
} kt_args_add_services;

/* exec, request and wait store the recipe's result fields under ref_uuid. */
typedef struct kt_args_recipe {
	const char *service_name;
	kt_plan_recipe recipe;
	kt_plan_ints acceptable_codes; /* defaults filled in: [0] or the ten of request */
	bool skip_code_check;
	const char *ref_uuid;
} kt_args_recipe;

typedef struct kt_args_wait {
	const char *service_name;
	kt_plan_condition condition;
	const char *ref_uuid;
} kt_args_wait;

/* get_service, remove_service, start_service, stop_service, get_files_artifact */
typedef struct kt_args_name {
	const char *name;
} kt_args_name;

typedef struct kt_args_get_services {
	kt_plan_strs names;
} kt_args_get_services;

typedef struct kt_args_get_cluster_type {
	const char *type;
} kt_args_get_cluster_type;

typedef struct kt_args_print {
	const char *text; /* what is printed, before placeholders are replaced */
} kt_args_print;

typedef struct kt_plan_template {
	const char *path; /* inside the artifact; a leading slash is dropped */
	const char *template_text;
	const char *data_json; /* keys sorted; placeholders replaced as plain text, unescaped */
} kt_plan_template;

typedef struct kt_args_render_templates {
	const kt_plan_template *items;
	size_t len;
	const char *artifact;
} kt_args_render_templates;

typedef struct kt_plan_store {
	const char *src;
	const char *artifact; /* given or made up */
} kt_plan_store;

/* run_sh and run_python: an ordinary service that lives for one command. */
typedef struct kt_args_task {
	const char *name;       /* given, or task-UUID */
	const char *run;        /* run_sh: placeholders replaced */
	kt_plan_strs args;      /* run_python: placeholders replaced */
	kt_plan_strs packages;  /* run_python, without the built-in "bash" */
	kt_plan_image image;
	kt_plan_mounts files;   /* one artifact each */
	const kt_plan_store *store;
	size_t n_store;
	kt_plan_pairs env_vars; /* run_sh: placeholders replaced in values */
	int64_t wait_ns;        /* default 180 s; KT_PLAN_NO_WAIT = no limit */
	kt_plan_ints acceptable_codes;
	bool skip_code_check;
	kt_plan_pairs node_selectors;
	kt_plan_tolerations tolerations;
	bool privileged, host_pid_namespace;
	kt_plan_pairs bind_mounts;
	const char *ref_uuid; /* runtime values "code" and "output" */
} kt_args_task;

typedef struct kt_args_set_service {
	const char *name;
	const kt_plan_config *config; /* already merged over the service's own */
} kt_args_set_service;

typedef struct kt_args_store_service_files {
	const char *service_name;
	const char *src;
	const char *artifact;
	const char *depends_on; /* text scanned for placeholders by the dependency graph */
} kt_args_store_service_files;

typedef struct kt_args_upload_files {
	const char *src;  /* as written */
	const char *path; /* absolute: file or directory to put into the artifact */
	const char *artifact;
} kt_args_upload_files;

typedef struct kt_args_verify {
	kt_pval value; /* always a string, possibly one placeholder: then typed */
	kt_plan_assertion assertion;
	kt_pval target; /* placeholders replaced when it is a string */
} kt_args_verify;

/* --- the record ----------------------------------------------------------- */

typedef struct kt_plan_pos {
	const char *file; /* DEFAULT_PACKAGE_ID_FOR_SCRIPT or github.com/x/y/main.star */
	uint32_t line, col; /* from 1; of the call's opening parenthesis */
} kt_plan_pos;

/* One declared parameter as clients see it, `description` last. */
typedef struct kt_instr_arg {
	const char *name;
	const char *value; /* canonical text; NULL = not given (empty message on the wire) */
	bool representative;
} kt_instr_arg;

typedef enum kt_plan_res_kind {
	KT_PLAN_RES_SERVICE,  /* name of a service */
	KT_PLAN_RES_ARTIFACT, /* name of a files artifact */
	KT_PLAN_RES_VALUE,    /* a whole placeholder {{kurtosis:…}} */
	KT_PLAN_RES_PORT,     /* "SERVICE/PORT_ID" */
} kt_plan_res_kind;

typedef struct kt_plan_res {
	kt_plan_res_kind kind;
	const char *name;
	bool printed; /* also counts for the edges that plan YAML prints, see graph.h */
} kt_plan_res;

typedef struct kt_plan_resources {
	const kt_plan_res *items;
	size_t len;
} kt_plan_resources;

/* What tells, beside the text, whether a later run asks for the same thing again. */
typedef struct kt_instr_key {
	kt_plan_strs services; /* that it is about by name */
	const char *artifact;  /* that it makes or gets; NULL = none */
	bool has_md5;          /* of the files that it puts into the artifact */
	uint8_t md5[KT_MD5_LEN];
} kt_instr_key;

typedef struct kt_instr {
	kt_instr_kind kind;
	size_t number; /* from 1, position in the plan */
	kt_uuid uuid;
	kt_plan_pos pos;
	const char *text;        /* canonical form: add_service(name="x", config=…) */
	const char *description; /* the caller's or the default; never NULL */
	const char *short_text;  /* for graphs: add_service(x) */
	const char *returned;    /* repr of the value that the script received */
	const kt_instr_arg *args;
	size_t n_args;
	bool skipped; /* already done by an earlier run, whose uuid and value it has */
	kt_instr_key key;
	kt_plan_resources reads;  /* complete: what it needs before it can start */
	kt_plan_resources writes; /* complete: what exists or changes afterwards */
	union {
		kt_args_add_service add_service;
		kt_args_add_services add_services;
		kt_args_recipe exec;
		kt_args_get_cluster_type get_cluster_type;
		kt_args_name get_files_artifact;
		kt_args_name get_service;
		kt_args_get_services get_services;
		kt_args_print print;
		kt_args_name remove_service;
		kt_args_render_templates render_templates;
		kt_args_recipe request;
		kt_args_task run_python;
		kt_args_task run_sh;
		kt_args_set_service set_service;
		kt_args_name start_service;
		kt_args_name stop_service;
		kt_args_store_service_files store_service_files;
		kt_args_upload_files upload_files;
		kt_args_verify verify;
		kt_args_wait wait;
	} u;
} kt_instr;

#endif
