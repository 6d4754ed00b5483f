/* What the files of run/ share. Not for other modules. */
#ifndef KT_RUN_RUN_INTERNAL_H
#define KT_RUN_RUN_INTERNAL_H

#include "net/http_client.h"
#include "run/run.h"

#define KT_SERVICE_STOP_GRACE_MS 10000
#define KT_DEFAULT_PARALLELISM 4
/* Keys of the texts that hold configurations set for a service's next start. */
#define KT_PARKED_PREFIX "parked/"
/* An instruction's output is cut here, and "..." appended. */
#define KT_RESULT_MAX 65536
/* What a command may write; more is an error, as no value should lose its end. */
#define KT_EXEC_OUTPUT_MAX 10485760

struct kt_run_env {
	char *enclave_uuid;
	char *enclave_name;
	bool production;
	kt_backend *backend;
	kt_artifacts *artifacts;
	kt_state *state;
	kt_http_client *http;
	pthread_mutex_t interpreting; /* one interpretation at a time */
	pthread_mutex_t executing;    /* one execution at a time */
};

/* One run in progress. */
typedef struct kt_run_ctx {
	kt_run_env *env;
	const kt_plan *plan;
	const kt_run_options *options;
	kt_run_emit emit;
	void *emit_ctx;
	pthread_mutex_t emit_lock;
	const kt_cancel *cancel; /* of the instructions; NULL = never */
	int64_t journal;         /* number of the run; 0 = not journaled (dry run) */
	/* The enclave's plan grows in order, whatever the order of execution. */
	pthread_mutex_t done_lock;
	bool *done;  /* by position: succeeded or skipped */
	size_t base; /* place of the plan's first instruction in the enclave's plan */
	size_t kept; /* this many are in the database */
} kt_run_ctx;

/* One instruction being carried out. */
typedef struct kt_step {
	kt_run_ctx *run;
	const kt_instr *instr;
	kt_arena *arena; /* for whatever lives as long as the instruction */
	const kt_cancel *cancel;
	kt_buf *out; /* the result text */
} kt_step;

/* --- lines (emit.c) --- */

void kt_line_emit(kt_run_ctx *run, const kt_run_line *line);
void kt_line_progress(kt_run_ctx *run, const char *id, const char *text, size_t number,
                      size_t total);
void kt_line_text(kt_run_ctx *run, kt_line_kind kind, const char *text);
void kt_line_finished(kt_run_ctx *run, bool success, const char *output, int64_t duration_ns);
/* The chain as clients get it: messages joined by "\nCaused by: ". kt_free; NULL on OOM. */
char *kt_run_error_text(const kt_err *err);

/* --- validation (validate.c) --- */

/* 0 valid, 1 problems were reported in lines, -1 a failure of ours. */
int kt_run_validate(kt_run_ctx *run, kt_err *err);
/* Makes the plan's images available, with lines; same results. (images.c) */
int kt_run_images(kt_run_ctx *run, kt_err *err);

/* --- values in texts (text.c) --- */

/* The text with placeholders of runtime values replaced, in the arena. */
int kt_run_fill(kt_run_env *env, kt_arena *arena, const char *text, const char **ret, kt_err *err);
int kt_run_fill_strs(kt_run_env *env, kt_arena *arena, const kt_plan_strs *from, kt_plan_strs *ret,
                     kt_err *err);
int kt_run_fill_pairs(kt_run_env *env, kt_arena *arena, const kt_plan_pairs *from,
                      kt_plan_pairs *ret, kt_err *err);
/* A deep copy of a list in execve's form, NULL-terminated. NULL on OOM. */
const char *const *kt_run_argv(kt_arena *arena, const kt_plan_strs *strs);
/* "[0 1]": a list of codes as Go prints it. */
void kt_add_codes(kt_buf *out, const kt_plan_ints *codes);
bool kt_code_ok(int64_t code, const kt_plan_ints *codes);

/* --- recipes (recipe.c) --- */

typedef struct kt_recipe_result {
	kt_rt_field *fields; /* exec: code, output, extract.*; http: body, code, extract.* */
	size_t len;
	int64_t code;
	const char *output; /* exec only */
	size_t output_len;
} kt_recipe_result;

/* A recipe with its compiled extractors, for one or many tries. */
typedef struct kt_recipe_runner kt_recipe_runner;
int kt_recipe_runner_new(kt_run_env *env, const kt_plan_recipe *recipe, kt_recipe_runner **ret,
                         kt_err *err);
void kt_recipe_runner_free(kt_recipe_runner *self);
int kt_recipe_try(kt_recipe_runner *self, const char *service_name, kt_instant deadline,
                  const kt_cancel *cancel, kt_arena *arena, kt_recipe_result *ret, kt_err *err);
/* "Command returned with exit code …" or "Request had response code …". */
void kt_recipe_describe(const kt_plan_recipe *recipe, const kt_recipe_result *result, kt_buf *out);
/* Fails when the command wrote more than KT_EXEC_OUTPUT_MAX bytes. */
int kt_check_output(const kt_exec_spec *spec, const kt_exec_result *result, kt_err *err);
void kt_describe_exec(int64_t code, const char *output, size_t len, kt_buf *out);

/* Tries until the condition holds. The last result, the tries and the time they took. */
typedef struct kt_condition_result {
	kt_arena arena; /* holds `last`; the caller deinits it after success */
	kt_recipe_result last;
	unsigned tries;
	int64_t took_ns;
} kt_condition_result;
int kt_condition_wait(kt_run_env *env, const kt_plan_condition *condition, const char *service_name,
                      const kt_cancel *cancel, kt_condition_result *ret, kt_err *err);

/* --- services (services.c, start.c, portwait.c) --- */

/* One service of a batch. */
typedef struct kt_add_item {
	const char *name; /* filled in */
	const kt_plan_config *config;
	const char *ref_uuid; /* NULL: no runtime values are kept */
	bool task;            /* of ours: not watched for an early death */
	kt_reg reg;           /* out */
	bool update;          /* out: it was registered before */
	kt_err error;         /* out, only inside a failed batch */
} kt_add_item;

/*
 * Registers and starts all, at most `parallelism` at a time; waits for ports. When one
 * fails, new services of the batch are gone again; updated ones stay as they are. The
 * error of a single item is that item's; of several the batch text. Arena: results.
 */
int kt_services_add(kt_run_env *env, kt_add_item *items, size_t n, int parallelism, bool batch,
                    const kt_cancel *cancel, kt_arena *arena, kt_err *err);
int kt_service_remove(kt_run_env *env, const kt_reg *reg, int64_t grace_ms, kt_err *err);
int kt_service_stop(kt_run_env *env, const kt_reg *reg, kt_err *err);
int kt_service_start(kt_run_env *env, const kt_reg *reg, kt_err *err);

/*
 * Puts in order what a process that died in the middle left behind: new services that
 * never started are gone, the status of updated ones is what the backend says.
 */
int kt_services_recover(kt_run_env *env, kt_err *err);

/* A configuration with runtime values and the service's own address filled in. */
int kt_service_fill(kt_run_env *env, const kt_plan_config *config, const char *ip, kt_arena *arena,
                    kt_plan_config **ret, kt_err *err);
/*
 * Starts the container of a registered service and waits for its ports. One without such
 * ports is watched for a moment, unless it is a task.
 */
int kt_service_launch(kt_run_env *env, const kt_reg *reg, const kt_plan_config *config, bool task,
                      const kt_cancel *cancel, kt_err *err);
/* Waits until every port that says so accepts connections. */
int kt_service_wait_ports(kt_run_env *env, const kt_reg *reg, const kt_plan_config *config,
                          const kt_cancel *cancel, kt_err *err);
/* "== SERVICE 'x' LOGS ===…", logs, "== FINISHED SERVICE …". */
void kt_service_log_block(kt_run_env *env, const kt_reg *reg, kt_buf *out);

/* --- executors, one per instruction --- */

typedef int (*kt_executor)(kt_step *step, kt_err *err);
#define KT_EXECUTOR_DECL(upper, lower) int kt_do_##lower(kt_step *step, kt_err *err);
KT_INSTR_TABLE(KT_EXECUTOR_DECL)
#undef KT_EXECUTOR_DECL

/* Announces, performs and reports one instruction; how long it took is added. (execute.c) */
int kt_run_instruction(kt_run_ctx *run, const kt_instr *instr, int64_t *total_ns, kt_err *err);
/* Puts "An error occurred executing instruction …" in front. */
int kt_run_wrap_instruction(const kt_instr *instr, kt_err *err);
/* Along the dependency graph; err is the first failure. (parallel.c) */
int kt_run_parallel(kt_run_ctx *run, kt_err *err);

/* Executes the plan, with lines; 0 success, 1 failed in lines, -1. (execute.c) */
int kt_run_execute(kt_run_ctx *run, kt_err *err);

#endif
