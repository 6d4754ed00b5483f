/* The lines of a run, one at a time, and the text of its errors. */
#include "run/run_internal.h"

void kt_line_emit(kt_run_ctx *run, const kt_run_line *line)
{
	KT_LOCK(&run->emit_lock);
	run->emit(run->emit_ctx, line);
}

void kt_line_progress(kt_run_ctx *run, const char *id, const char *text, size_t number,
                      size_t total)
{
	const char *steps[] = {text};

	kt_line_emit(run, &(kt_run_line){.kind = KT_LINE_PROGRESS,
	                                 .instruction_id = id,
	                                 .steps = steps,
	                                 .n_steps = 1,
	                                 .number = (uint32_t)number,
	                                 .total = (uint32_t)total});
}

void kt_line_text(kt_run_ctx *run, kt_line_kind kind, const char *text)
{
	kt_line_emit(run, &(kt_run_line){.kind = kind, .text = text});
}

void kt_line_finished(kt_run_ctx *run, bool success, const char *output, int64_t duration_ns)
{
	kt_line_emit(run, &(kt_run_line){.kind = KT_LINE_FINISHED,
	                                 .text = output,
	                                 .success = success,
	                                 .duration_ns = duration_ns});
}

char *kt_run_error_text(const kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *message = NULL;

	for (size_t i = 0; (message = kt_err_message(err, i)) != NULL; i++) {
		kt_buf_adds(&text, i > 0 ? "\nCaused by: " : "");
		kt_buf_adds(&text, message);
	}
	if (err->hint != NULL) {
		kt_buf_addf(&text, "\n%s", err->hint);
	}
	return kt_buf_take(&text);
}
