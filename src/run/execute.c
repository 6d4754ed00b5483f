/* Execution: the table of executors, instruction after instruction, the run's end. */
#include "base/alloc.h"
#include "base/log.h"
#include "plan/refs.h"
#include "run/run_internal.h"

#define SKIPPED "SKIPPED - This instruction has already been run in this enclave"
#define LOG_PART "run"

static const kt_executor executors[] = {
#define EXECUTOR_ROW(upper, lower) [KT_INSTR_##upper] = kt_do_##lower,
        KT_INSTR_TABLE(EXECUTOR_ROW)
#undef EXECUTOR_ROW
};
_Static_assert(KT_ARRAY_LEN(executors) == KT_INSTR_COUNT, "an instruction without executor");

/* --- one instruction --- */

static void emit_instr(kt_run_ctx *run, const kt_instr *instr)
{
	const char *id = run->options->parallel ? instr->uuid.text : NULL;

	kt_line_progress(run, id, "Execution in progress", instr->number, run->plan->n_instrs);
	kt_line_emit(
	        run,
	        &(kt_run_line){.kind = KT_LINE_INSTRUCTION, .instruction_id = id, .instr = instr});
}

static void emit_result(kt_run_ctx *run, const kt_instr *instr, kt_buf *text, int64_t duration_ns)
{
	if (text->len > KT_RESULT_MAX) {
		text->len = KT_RESULT_MAX;
		text->data[text->len] = '\0';
		kt_buf_adds(text, "...");
	}
	kt_line_emit(run, &(kt_run_line){.kind = KT_LINE_RESULT,
	                                 .instruction_id =
	                                         run->options->parallel ? instr->uuid.text : NULL,
	                                 .text = kt_buf_str(text),
	                                 .duration_ns = duration_ns});
}

static void journal_end(kt_run_ctx *run, const kt_instr *instr, const kt_err *failure)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	if (run->journal != 0 &&
	    kt_state_instr_end(run->env->state, run->journal, instr->number,
	                       failure != NULL ? kt_err_root(failure) : NULL, &err) < 0) {
		kt_log_err(KT_LOG_WARN, LOG_PART, &err, "the journal misses an end");
	}
}

static int perform(kt_run_ctx *run, const kt_instr *instr, kt_buf *out, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_step step = {
	        .run = run, .instr = instr, .arena = &arena, .cancel = run->cancel, .out = out};

	if (run->journal != 0 &&
	    kt_state_instr_begin(run->env->state, run->journal, instr->number, instr->uuid.text,
	                         instr->short_text, err) < 0) {
		return -1;
	}
	int result = kt_cancel_check(run->cancel, err);
	if (result == 0) {
		result = executors[instr->kind](&step, err);
	}
	journal_end(run, instr, result < 0 ? err : NULL);
	return result;
}

/* The instruction is done: it and those after it that were waiting for it become the past. */
static int note_done(kt_run_ctx *run, const kt_instr *instr, kt_err *err)
{
	KT_LOCK(&run->done_lock);
	run->done[instr->number - 1] = true;
	for (; run->kept < run->plan->n_instrs && run->done[run->kept]; run->kept++) {
		if (kt_state_put_done(run->env->state, run->base, run->plan->instrs[run->kept],
		                      err) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_run_instruction(kt_run_ctx *run, const kt_instr *instr, int64_t *total_ns, kt_err *err)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	int64_t took = 0;

	emit_instr(run, instr);
	if (run->options->dry_run) {
		return 0;
	}
	if (instr->skipped) {
		kt_buf_adds(&out, SKIPPED);
	} else {
		kt_instant start = kt_now();
		if (perform(run, instr, &out, err) < 0) {
			return -1;
		}
		took = kt_now() - start;
	}
	if (kt_buf_check(&out, err) < 0 || note_done(run, instr, err) < 0) {
		return -1;
	}
	*total_ns += took;
	emit_result(run, instr, &out, took);
	return 0;
}

/* --- all of them --- */

static void emit_failure(kt_run_ctx *run, const kt_err *err, int64_t duration_ns)
{
	KT_AUTO_FREE char *text = kt_run_error_text(err);

	kt_line_text(run, KT_LINE_EXECUTION_ERROR, text != NULL ? text : "out of memory");
	kt_line_finished(run, false, NULL, duration_ns);
}

int kt_run_wrap_instruction(const kt_instr *instr, kt_err *err)
{
	return KT_WRAP(
	        err, "An error occurred executing instruction (number %zu) at %s[%u:%u]:\n%s",
	        instr->number, instr->pos.file, instr->pos.line, instr->pos.col, instr->text);
}

static int execute_serial(kt_run_ctx *run, int64_t *total_ns, kt_err *err)
{
	for (size_t i = 0; i < run->plan->n_instrs; i++) {
		if (kt_run_instruction(run, run->plan->instrs[i], total_ns, err) < 0) {
			return kt_run_wrap_instruction(run->plan->instrs[i], err);
		}
	}
	return 0;
}

/* 0, or 1 with the failure told in lines. */
static int execute_all(kt_run_ctx *run, int64_t *total_ns)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_instant start = kt_now();
	int result = 0;

	if (run->options->parallel) {
		result = kt_run_parallel(run, &err);
		*total_ns = kt_now() - start;
	} else {
		result = execute_serial(run, total_ns, &err);
	}
	if (result < 0) {
		emit_failure(run, &err, *total_ns);
		return 1;
	}
	return 0;
}

/* The script's result with its placeholders replaced, and the last line. */
static int finish(kt_run_ctx *run, int64_t total_ns)
{
	KT_AUTO_BUF kt_buf output = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *text = run->plan->output != NULL ? run->plan->output : "";

	if (run->options->dry_run) {
		return 0;
	}
	if (kt_ref_replace(text, strlen(text), kt_state_lookup_text, run->env->state, &output,
	                   &err) < 0) {
		KT_WRAP(&err, "An error occurred while replacing the runtime values in the output "
		              "of the script");
		emit_failure(run, &err, total_ns);
		return 1;
	}
	kt_line_finished(run, true, kt_buf_str(&output), total_ns);
	return 0;
}

/* From here on the enclave's plan is this one's. Nothing of that in a dry run. */
static int begin(kt_run_ctx *run, kt_err *err)
{
	const kt_plan *plan = run->plan;
	kt_state *state = run->env->state;

	if (run->options->dry_run) {
		return 0;
	}
	run->done = kt_calloc(plan->n_instrs + 1, sizeof(*run->done));
	if (run->done == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_state_begin_done(state, plan, &run->kept, &run->base, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < run->kept; i++) {
		run->done[i] = true;
	}
	return kt_state_run_begin(state, plan->package_id, plan->n_instrs, &run->journal, err);
}

static int execute(kt_run_ctx *run, kt_err *err)
{
	kt_state *state = run->env->state;
	int64_t total_ns = 0;

	kt_line_progress(run, "execution", "Starting execution", 0, run->plan->n_instrs);
	if (begin(run, err) < 0) {
		return -1;
	}
	int result = execute_all(run, &total_ns);
	if (result == 0) {
		result = finish(run, total_ns);
	}
	if (run->journal != 0 && kt_state_run_end(state, run->journal, result == 0, err) < 0) {
		kt_log_err(KT_LOG_WARN, LOG_PART, err, "the journal misses the run's end");
		kt_err_release(err);
	}
	return result;
}

int kt_run_execute(kt_run_ctx *run, kt_err *err)
{
	KT_LOCK(&run->env->executing);
	pthread_mutex_init(&run->done_lock, NULL);
	int result = execute(run, err);
	pthread_mutex_destroy(&run->done_lock);
	kt_free(run->done);
	run->done = NULL;
	return result;
}
