/* A run from its request to its last line. */
#include "run/run.h"

#include "base/alloc.h"
#include "run/run_internal.h"
#include "template/template.h"

#include <string.h>

static kt_run_ctx make_ctx(kt_run_env *env, const kt_plan *plan, const kt_run_options *options,
                           kt_run_emit emit, void *emit_ctx)
{
	return (kt_run_ctx){.cancel = options->cancel,
	                    .env = env,
	                    .plan = plan,
	                    .options = options,
	                    .emit = emit,
	                    .emit_ctx = emit_ctx};
}

/* A failure of ours in the middle of a run ends it in a line of the phase. */
static void fail_in_line(kt_run_ctx *run, kt_line_kind kind, const kt_err *err)
{
	KT_AUTO_FREE char *text = kt_run_error_text(err);

	kt_line_text(run, kind, text != NULL ? text : "out of memory");
	kt_line_finished(run, false, NULL, 0);
}

/* A fault of the package is one message with all in it. */
static void fail_interpretation(kt_run_ctx *run, const kt_err *fault)
{
	if (fault->code != KT_ERR_INVALID) {
		fail_in_line(run, KT_LINE_INTERPRETATION_ERROR, fault);
		return;
	}
	kt_line_text(run, KT_LINE_INTERPRETATION_ERROR, kt_err_message(fault, 0));
	kt_line_finished(run, false, NULL, 0);
}

static void validate_and_execute(kt_run_ctx *run, bool *ret_success)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	kt_line_progress(run, "validation", "Starting validation", 0, run->plan->n_instrs);
	int result = kt_run_validate(run, &err);
	if (result != 0) {
		if (result < 0) {
			fail_in_line(run, KT_LINE_VALIDATION_ERROR, &err);
		} else {
			kt_line_finished(run, false, NULL, 0);
		}
		return;
	}
	result = kt_run_execute(run, &err);
	if (result < 0) {
		fail_in_line(run, KT_LINE_EXECUTION_ERROR, &err);
	}
	*ret_success = result == 0;
}

int kt_run_plan(kt_run_env *env, const kt_plan *plan, const kt_run_options *options,
                kt_run_emit emit, void *emit_ctx, bool *ret_success, kt_err *err)
{
	kt_run_ctx run = make_ctx(env, plan, options, emit, emit_ctx);

	(void)err;
	*ret_success = false;
	pthread_mutex_init(&run.emit_lock, NULL);
	validate_and_execute(&run, ret_success);
	pthread_mutex_destroy(&run.emit_lock);
	return 0;
}

static int check_template(void *ctx, const char *text, kt_err *err)
{
	kt_tmpl *parsed = kt_tmpl_parse("template", strlen("template"), text, strlen(text), err);

	(void)ctx;
	kt_tmpl_free(parsed);
	return parsed == NULL ? -1 : 0;
}

/* With the facts of this moment; the plan may point into them, so they are in its arena. */
int kt_run_interpret(kt_run_env *env, const kt_plan_request *request, const kt_run_options *options,
                     kt_plan *plan, kt_err *err)
{
	kt_plan_request filled = *request;
	kt_plan_facts facts = {0};

	KT_LOCK(&env->interpreting);
	if (kt_run_env_facts(env, options, &plan->arena, &facts, err) < 0) {
		return -1;
	}
	filled.facts = &facts;
	filled.check_template = check_template;
	return kt_plan_interpret(plan, &filled, err);
}

/* The same over what earlier runs did. *ret is the caller's, also after a failure. */
static int interpret_edit(kt_run_env *env, const kt_plan_request *request,
                          const kt_run_options *options, kt_arena *arena, kt_plan **ret,
                          kt_err *err)
{
	kt_plan_request filled = *request;
	kt_plan_facts facts = {0};
	kt_done_list done = {0};

	KT_LOCK(&env->interpreting);
	if (kt_run_env_facts(env, options, arena, &facts, err) < 0 ||
	    kt_state_list_done(env->state, arena, &done, err) < 0) {
		return -1;
	}
	filled.facts = &facts;
	filled.check_template = check_template;
	return kt_plan_interpret_edit(&filled, &done, ret, err);
}

static void emit_warnings(kt_run_ctx *run, const kt_plan *plan)
{
	for (size_t i = 0; i < plan->n_warnings; i++) {
		kt_line_text(run, KT_LINE_WARNING, plan->warnings[i]);
	}
}

typedef struct whole_run {
	kt_run_ctx ctx;
	const kt_plan_request *request;
	kt_arena arena; /* facts, which the plan points into */
	kt_plan *plan;  /* NULL = not yet */
	bool *success;
} whole_run;

/* A dry run leaves no trace. */
static int interpret(whole_run *w, kt_err *err)
{
	const kt_run_options *options = w->ctx.options;
	kt_run_env *env = w->ctx.env;
	int result;

	if (options->no_edits) {
		w->plan = kt_plan_new(err);
		result = w->plan != NULL
		                 ? kt_run_interpret(env, w->request, options, w->plan, err)
		                 : -1;
	} else {
		result = interpret_edit(env, w->request, options, &w->arena, &w->plan, err);
	}
	w->ctx.plan = w->plan;
	if (result < 0) {
		return -1;
	}
	return options->dry_run ? 0 : kt_run_env_remember(env, w->plan, err);
}

static void run_all(void *arg)
{
	whole_run *w = arg;
	KT_AUTO_ERR kt_err fault = KT_ERR_INIT;

	kt_line_progress(&w->ctx, "interpretation",
	                 "Interpreting plan - execution will begin shortly", 0, 0);
	if (interpret(w, &fault) < 0) {
		fail_interpretation(&w->ctx, &fault);
	} else {
		validate_and_execute(&w->ctx, w->success);
	}
	if (w->plan != NULL) {
		emit_warnings(&w->ctx, w->plan);
	}
}

int kt_run(kt_run_env *env, const kt_plan_request *request, const kt_run_options *options,
           kt_run_emit emit, void *emit_ctx, bool *ret_success, kt_err *err)
{
	whole_run w = {.request = request, .success = ret_success};

	*ret_success = false;
	w.ctx = make_ctx(env, NULL, options, emit, emit_ctx);
	pthread_mutex_init(&w.ctx.emit_lock, NULL);
	int result = kt_run_on_big_stack(run_all, &w, err);
	pthread_mutex_destroy(&w.ctx.emit_lock);
	kt_plan_free(w.plan);
	kt_arena_deinit(&w.arena);
	return result;
}
