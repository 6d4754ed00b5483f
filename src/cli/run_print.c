/* One line of a run to text, by verbosity. */
#include "cli/run_print.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/pretty.h"
#include "cli/progress.h"
#include "cli/ui.h"

#include <string.h>
#include <strings.h>

typedef ApiContainerApi__StarlarkRunResponseLine run_line;
typedef ApiContainerApi__StarlarkInstruction instruction;

bool kt_verbosity_parse(const char *text, kt_verbosity *ret)
{
	static const char *const names[] = {"BRIEF", "DETAILED", "EXECUTABLE", "OUTPUT_ONLY",
					    "DESCRIPTION"};
	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i], text) == 0) {
			*ret = (kt_verbosity)i;
			return true;
		}
	}
	return false;
}

void kt_run_printer_deinit(kt_run_printer *self)
{
	kt_progress_free(self->progress);
	self->progress = NULL;
	kt_free(self->last_error);
	self->last_error = NULL;
}

static void add_arg(kt_buf *out, const ApiContainerApi__StarlarkInstructionArg *arg)
{
	if (KT_OPT_HAS(arg, arg_name)) {
		kt_buf_addf(out, "%s=", arg->arg_name);
	}
	kt_buf_adds(out, arg->serialized_arg_value);
}

static void add_brief(kt_buf *out, const instruction *i)
{
	kt_buf_addf(out, "> %s", i->instruction_name);
	for (size_t k = 0; k < i->n_arguments; k++) {
		if (i->arguments[k]->is_representative) {
			kt_buf_addc(out, ' ');
			add_arg(out, i->arguments[k]);
		}
	}
}

static void add_detailed(kt_buf *out, const instruction *i)
{
	kt_buf_addf(out, "> %s", i->instruction_name);
	for (size_t k = 0; k < i->n_arguments; k++) {
		kt_buf_adds(out, "\n> \t");
		add_arg(out, i->arguments[k]);
	}
}

static void add_executable(kt_run_printer *self, kt_buf *out, const instruction *i)
{
	if (i->position != NULL) {
		kt_buf_addf(out, "# from %s[%d:%d]\n", i->position->filename, i->position->line,
			    i->position->column);
	}
	KT_AUTO_BUF kt_buf pretty = KT_BUF_INIT;
	if (kt_pretty(i->executable_instruction, &pretty) && !pretty.failed) {
		kt_buf_adds(out, kt_buf_str(&pretty));
		return;
	}
	KT_CLI_WARNING(self->cli,
		       "Unable to format instruction. Will print it with no indentation. Problematic "
		       "instruction was: \n%s",
		       i->executable_instruction);
	kt_buf_adds(out, i->executable_instruction);
}

static void print_text(kt_run_printer *self, int color, const kt_buf *text)
{
	kt_out_color(self->cli, color, kt_buf_str(text));
}

static void print_instruction(kt_run_printer *self, const instruction *i)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (self->verbosity == KT_VERBOSITY_OUTPUT_ONLY) {
		return;
	}
	kt_buf_addc(&text, '\n');
	switch (self->verbosity) {
	case KT_VERBOSITY_DETAILED:
		add_detailed(&text, i);
		break;
	case KT_VERBOSITY_EXECUTABLE:
		add_executable(self, &text, i);
		break;
	case KT_VERBOSITY_DESCRIPTION:
		kt_buf_adds(&text, i->description);
		break;
	default:
		add_brief(&text, i);
	}
	print_text(self, KT_CYAN, &text);
}

static void add_duration(kt_buf *out, const Google__Protobuf__Duration *duration)
{
	int64_t ns = duration != NULL ? duration->seconds * KT_NS_PER_S + duration->nanos : 0;
	kt_buf_add_duration(out, ns);
}

static void print_result(kt_run_printer *self,
			 const ApiContainerApi__StarlarkInstructionResult *result)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_buf_adds(&text, result->serialized_instruction_result);
	if (self->verbosity == KT_VERBOSITY_DETAILED) {
		kt_buf_adds(&text, " (execution duration: ");
		add_duration(&text, result->execution_duration);
		kt_buf_adds(&text, ")");
	}
	print_text(self, KT_WHITE, &text);
}

static int print_error(kt_run_printer *self, const ApiContainerApi__StarlarkError *error,
		       kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	switch (error->error_case) {
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_INTERPRETATION_ERROR:
		kt_buf_addf(&text, "There was an error interpreting Starlark code \n%s",
			    error->interpretation_error->error_message);
		break;
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_VALIDATION_ERROR:
		kt_buf_addf(&text, "There was an error validating Starlark code \n%s",
			    error->validation_error->error_message);
		break;
	case API_CONTAINER_API__STARLARK_ERROR__ERROR_EXECUTION_ERROR: {
		KT_AUTO_FREE char *clean = kt_clean_text(error->execution_error->error_message);
		kt_buf_addf(&text, "There was an error executing Starlark code \n%s",
			    kt_str_or(clean, error->execution_error->error_message));
		break;
	}
	default:
		kt_buf_adds(&text, "There was an error of a kind that this version does not know");
	}
	if (kt_buf_check(&text, err) < 0) {
		return -1;
	}
	if (self->quiet) {
		kt_free(self->last_error);
		self->last_error = kt_buf_take(&text);
		return 0;
	}
	print_text(self, KT_RED, &text);
	return 0;
}

static void print_finished(kt_run_printer *self,
			   const ApiContainerApi__StarlarkRunFinishedEvent *event)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	self->success = event->is_run_successful;
	if (self->quiet && self->last_error != NULL) {
		kt_out_color(self->cli, KT_RED, self->last_error);
	}
	kt_buf_adds(&text, self->quiet ? "" : "\n");
	kt_buf_adds(&text, event->is_run_successful ? "Starlark code successfully run"
						    : "Error encountered running Starlark code");
	kt_buf_addf(&text, "%s.", self->dry_run ? " in dry-run mode" : "");
	if (self->verbosity == KT_VERBOSITY_DETAILED) {
		kt_buf_adds(&text, " Total instruction execution time: ");
		add_duration(&text, event->total_execution_duration);
		kt_buf_adds(&text, ".");
	}
	if (event->is_run_successful && !kt_str_empty(KT_OPT_OR(event, serialized_output, ""))) {
		kt_buf_addf(&text, " Output was:\n%s", event->serialized_output);
	} else if (event->is_run_successful) {
		kt_buf_adds(&text, " No output was returned.");
	}
	print_text(self, event->is_run_successful ? KT_GREEN : KT_RED, &text);
}

static void print_note(kt_run_printer *self, int color, const char *message)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_buf_addf(&text, "\n%s", message);
	print_text(self, color, &text);
}

static int print_line(kt_run_printer *self, const run_line *line, kt_err *err)
{
	switch (line->run_response_line_case) {
	case KT_LINE(INSTRUCTION):
		if (!self->quiet) {
			print_instruction(self, line->instruction);
		}
		return 0;
	case KT_LINE(INSTRUCTION_RESULT):
		if (!self->quiet) {
			print_result(self, line->instruction_result);
		}
		return 0;
	case KT_LINE(ERROR):
		return print_error(self, line->error, err);
	case KT_LINE(RUN_FINISHED_EVENT):
		print_finished(self, line->run_finished_event);
		return 0;
	case KT_LINE(WARNING):
		if (!self->quiet) {
			print_note(self, KT_YELLOW, line->warning->warning_message);
		}
		return 0;
	case KT_LINE(INFO):
		if (!self->quiet) {
			print_note(self, KT_CYAN, line->info->info_message);
		}
		return 0;
	default:
		return 0; /* a line of a later version */
	}
}

int kt_run_print(kt_run_printer *self, const run_line *line, kt_err *err)
{
	bool is_progress =
		line->run_response_line_case == KT_LINE(PROGRESS_INFO);
	if (is_progress) {
		const ApiContainerApi__StarlarkRunProgress *p = line->progress_info;
		if (self->progress != NULL) {
			kt_progress_set(self->progress, p->current_step_info,
					p->n_current_step_info, p->current_step_number,
					p->total_steps);
		}
		return 0;
	}
	if (self->progress != NULL) {
		kt_progress_hide(self->progress);
	}
	int rc = print_line(self, line, err);
	kt_out_flush();
	bool over =
		line->run_response_line_case == KT_LINE(RUN_FINISHED_EVENT);
	if (over) {
		kt_progress_free(self->progress);
		self->progress = NULL;
	}
	if (self->progress != NULL) {
		kt_progress_show(self->progress);
	}
	return rc;
}

int kt_run_print_stream(kt_run_printer *self, kt_grpc_stream *stream, kt_err *err)
{
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = kt_grpc_stream_recv(stream, &message, err);
		if (rc <= 0) {
			return rc;
		}
		if (kt_run_print(self, (const ApiContainerApi__StarlarkRunResponseLine *)message,
				 err) < 0) {
			return -1;
		}
	}
}
