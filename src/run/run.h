/*
 * A run: interpretation, validation, execution of one script or package in an enclave, as
 * a stream of lines whose order and texts clients rely on.
 *
 * Blocking. Interpretations of one enclave follow one another, and so do executions; two
 * runs may overlap otherwise.
 */
#ifndef KT_RUN_RUN_H
#define KT_RUN_RUN_H

#include "run/env.h"

typedef enum kt_line_kind {
	KT_LINE_PROGRESS,
	KT_LINE_INSTRUCTION,
	KT_LINE_RESULT,
	KT_LINE_INTERPRETATION_ERROR,
	KT_LINE_VALIDATION_ERROR,
	KT_LINE_EXECUTION_ERROR,
	KT_LINE_WARNING,
	KT_LINE_INFO,
	KT_LINE_FINISHED,
} kt_line_kind;

/* One line. Everything is borrowed for the duration of the call that gets it. */
typedef struct kt_run_line {
	kt_line_kind kind;
	const char *instruction_id; /* NULL = none */
	const char *const *steps;   /* PROGRESS: what is going on, n_steps texts */
	size_t n_steps;
	uint32_t number; /* PROGRESS: current of total */
	uint32_t total;
	const kt_instr *instr; /* INSTRUCTION */
	const char *text;    /* RESULT, errors, WARNING, INFO; FINISHED: output, NULL on failure */
	int64_t duration_ns; /* RESULT, FINISHED */
	bool success;        /* FINISHED */
} kt_run_line;

/*
 * Takes the lines, one call at a time, from any thread of the run. What it returns is
 * ignored except by its own caller's bookkeeping: a run goes on when nobody listens.
 */
typedef void (*kt_run_emit)(void *ctx, const kt_run_line *line);

typedef struct kt_run_options {
	bool dry_run;
	bool parallel;           /* along the dependency graph instead of one after the other */
	int parallelism;         /* concurrent starts inside add_services; 0 = 4 */
	kt_pull_mode image_mode; /* KT_PULL_MISSING unless asked otherwise */
	bool no_resource_check;
	bool non_blocking_tasks; /* run_sh and run_python leave their service */
	bool privileged_allowed;
	bool no_edits; /* nothing is skipped; the plan replaces the enclave's */
	kt_cancel *cancel; /* stops at the next wait; NULL = never */
} kt_run_options;

/*
 * Carries out a request (its `facts` are filled in here). Lines from "Interpreting plan" to
 * the warnings go to emit. 0 when a run took place, whether it succeeded (*ret_success) or
 * failed: that is told in lines. -1 is a failure of ours before any line was sent.
 */
int kt_run(kt_run_env *env, const kt_plan_request *request, const kt_run_options *options,
           kt_run_emit emit, void *emit_ctx, bool *ret_success, kt_err *err);

/*
 * The second half, on the caller's stack: validates and executes a plan. Lines from
 * "Starting validation" to the run's end, without the plan's warnings.
 */
int kt_run_plan(kt_run_env *env, const kt_plan *plan, const kt_run_options *options,
                kt_run_emit emit, void *emit_ctx, bool *ret_success, kt_err *err);

/*
 * Calls fn(arg) on a thread with room for deep recursion and waits for its end. For whoever
 * interprets outside of kt_run, which does so itself. -1: fn was not called.
 */
int kt_run_on_big_stack(void (*fn)(void *arg), void *arg, kt_err *err);

/*
 * Interprets only, as if nothing was done before: fills a fresh plan with the facts of this moment
 * (request->facts is not read). Nothing is remembered. Errors as kt_plan_interpret's.
 */
int kt_run_interpret(kt_run_env *env, const kt_plan_request *request, const kt_run_options *options,
                     kt_plan *plan, kt_err *err);

/* The facts of the enclave as they are now, in the arena; without its free resources. */
int kt_run_env_facts(kt_run_env *env, const kt_run_options *options, kt_arena *arena,
                     kt_plan_facts *ret, kt_err *err);

/* Remembers what interpretation says of services (kt_plan_service). */
int kt_run_env_remember(kt_run_env *env, const kt_plan *plan, kt_err *err);

#endif
