/*
 * Interpretation: a package or script and its arguments in, a plan out. And validation:
 * a plan and the facts of an enclave in, a list of problems out.
 *
 * Nothing here touches a backend, starts anything or changes an enclave; what is true of
 * the enclave comes in as kt_plan_facts, what a run must remember comes out in kt_plan.
 * A plan is used by one thread while it is made, and may be read by many afterwards.
 */
#ifndef KT_PLAN_PLAN_H
#define KT_PLAN_PLAN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/thread.h"
#include "base/vec.h"
#include "package/package.h"
#include "plan/instr.h"

#define KT_PLAN_SCRIPT_ID "DEFAULT_PACKAGE_ID_FOR_SCRIPT"

/* --- facts: what the caller knows of the enclave -------------------------- */

typedef struct kt_fact_service {
	const char *name;
	bool exists; /* registered in the enclave now; false: only remembered values below */
	const char *const *port_ids; /* private ports */
	size_t n_port_ids;
	const char *ref_uuid; /* id of its runtime values, if one was ever given; else NULL */
	const char *value;    /* what kt_plan_service.value said last; NULL = none (get_service) */
	bool parked;          /* a set_service waits for its next start */
	/* Last interpreted, for set_service; must outlive the new plan. NULL = unknown. */
	const kt_plan_config *config;
} kt_fact_service;

typedef struct kt_plan_facts {
	const kt_fact_service *services;
	size_t n_services;
	const char *const *artifacts; /* names stored in the enclave */
	size_t n_artifacts;
	const char *cluster_type;     /* "docker", "kubernetes", "podman"; NULL = docker */
	bool privileged_allowed;      /* the run opted in */
	bool resources_known;         /* false: no check of CPU and memory */
	uint64_t free_cpu_millis;
	uint64_t free_memory_mb;
	const char *enclave_uuid;
	const char *env_vars_json; /* the enclave's environment, for module kurtosis; NULL = none */
} kt_plan_facts;

/* --- the plan ------------------------------------------------------------- */

/* An image to make available, once per name, in order of first use. */
typedef struct kt_plan_image_use {
	const kt_plan_image *image;
	const kt_instr *first;
} kt_plan_image_use;

/* To be remembered per service, even when the run fails later (as the reference does). */
typedef struct kt_plan_service {
	const char *name;
	const char *ref_uuid; /* stays the same for this name as long as the enclave lives */
	const char *value;    /* Service(...) literal; NULL = forget (remove_service) */
	const kt_plan_config *config; /* in the plan's arena; NULL = unchanged */
} kt_plan_service;

typedef struct kt_plan {
	kt_arena arena;
	/* Place in the enclave's plan where this one begins; what stands there goes. */
	size_t first;
	const kt_instr **instrs;
	size_t n_instrs;
	const char *package_id;  /* KT_PLAN_SCRIPT_ID for a script */
	const char *output;      /* run()'s serialised result with placeholders; "" for None */
	const char *const *warnings; /* lines for the end of the run; set on failure too */
	size_t n_warnings;
	const kt_plan_image_use *images;
	size_t n_images;
	const kt_plan_service *services; /* touched by this plan */
	size_t n_services;
	const char *const *dependencies; /* packages imported besides the own, github.com/o/r */
	size_t n_dependencies;
} kt_plan;

/* --- the enclave's plan: what earlier runs have done, in order ------------- */

typedef struct kt_done {
	kt_instr_kind kind; /* KT_INSTR_COUNT: one that is not known here */
	const char *uuid;
	const char *text;     /* kt_instr.text then */
	const char *returned; /* kt_instr.returned then */
	kt_instr_key key;
} kt_done;

typedef struct kt_done_list {
	const kt_done *items;
	size_t len;
} kt_done_list;

typedef struct kt_plan_request {
	/* A standalone script when script != NULL; else a package, read through `content`. */
	const char *script;
	size_t script_len;
	kt_content *content;       /* may be NULL for a script (then imports fail) */
	const char *main_file;     /* of a package, relative to its root; NULL = main.star */
	const char *main_function; /* NULL or "" = run */
	const char *args_json;     /* an object; NULL = {} */
	const kt_plan_facts *facts; /* NULL = an empty enclave on docker */
	kt_cancel *cancel;         /* stops the interpretation; may be NULL */
	uint64_t max_steps;        /* 0 = no bound */
	/* Says whether a template of render_templates parses (-1 = no); NULL = not looked at. */
	int (*check_template)(void *ctx, const char *text, kt_err *err);
	void *check_template_ctx;
	const struct kt_plan_hooks *hooks; /* hooks.h; for package tests; NULL = none */
} kt_plan_request;

KT_MUST_USE kt_plan *kt_plan_new(kt_err *err);
void kt_plan_free(kt_plan *self); /* NULL allowed */

/*
 * Fills a fresh plan. Blocking: reads files and may fetch packages.
 *
 * A fault of the package or its arguments is INVALID, and kt_err_message(err, 0) is the
 * whole text that clients show after "There was an error interpreting Starlark code \n":
 * message, causes, then one "\tat [file:line:col]: name" per frame. Other codes (NOMEM,
 * CANCELLED, …) are failures of ours. After a failure only warnings are valid.
 */
int kt_plan_interpret(kt_plan *self, const kt_plan_request *request, kt_err *err);

/*
 * The same for an enclave in which `done` was carried out before: lays the new plan over the
 * end of the old one, so that what is the same is skipped and what depends on a change runs
 * again. Interprets twice or more. *ret is the caller's in any case but NULL; after a failure
 * only its warnings are valid. Whatever `facts` points to must outlive the plan.
 */
int kt_plan_interpret_edit(const kt_plan_request *request, const kt_done_list *done, kt_plan **ret,
			   kt_err *err);

/*
 * Checks a plan against the enclave, all instructions, whatever failed before. Each text
 * appended to ret_problems is one whole validation-error line ("Error while validating
 * instruction … \n\tCaused by: …"); none means valid. facts NULL = an empty enclave.
 */
int kt_plan_validate(const kt_plan *self, const kt_plan_facts *facts, kt_strvec *ret_problems,
		     kt_err *err);

#endif
