/* A run's lines as messages of the API. */
#include "apic/apic_internal.h"

typedef ApiContainerApi__StarlarkRunResponseLine line_message;

#define LINE_CASE(name) API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__RUN_RESPONSE_LINE_##name

static void send_message(kt_line_sender *sender, const line_message *message)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	if (!sender->gone && kt_grpc_send(sender->call, &message->base, &err) < 0) {
		sender->gone = true;
	}
}

static void set_duration(Google__Protobuf__Duration *duration, int64_t ns)
{
	google__protobuf__duration__init(duration);
	duration->seconds = ns / KT_NS_PER_S;
	duration->nanos = (int32_t)(ns % KT_NS_PER_S);
}

static void send_progress(kt_line_sender *sender, const kt_run_line *line)
{
	line_message message = API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__INIT;
	ApiContainerApi__StarlarkRunProgress progress =
	        API_CONTAINER_API__STARLARK_RUN_PROGRESS__INIT;

	progress.current_step_info = (char **)(uintptr_t)line->steps;
	progress.n_current_step_info = line->n_steps;
	progress.current_step_number = line->number;
	progress.total_steps = line->total;
	if (line->instruction_id != NULL) {
		KT_OPT_SET(ApiContainerApi__StarlarkRunProgress, &progress, instruction_id,
		           kt_pb_str(line->instruction_id));
	}
	message.run_response_line_case = LINE_CASE(PROGRESS_INFO);
	message.progress_info = &progress;
	send_message(sender, &message);
}

/* One message per declared parameter; those that were not given are empty. */
static ApiContainerApi__StarlarkInstructionArg **make_args(const kt_instr *instr, kt_arena *arena)
{
	ApiContainerApi__StarlarkInstructionArg *args =
	        KT_ARENA_ARRAY(arena, ApiContainerApi__StarlarkInstructionArg, instr->n_args + 1);
	ApiContainerApi__StarlarkInstructionArg **list =
	        KT_ARENA_ARRAY(arena, ApiContainerApi__StarlarkInstructionArg *, instr->n_args + 1);

	for (size_t i = 0; args != NULL && list != NULL && i < instr->n_args; i++) {
		const kt_instr_arg *from = &instr->args[i];
		api_container_api__starlark_instruction_arg__init(&args[i]);
		list[i] = &args[i];
		if (from->value == NULL) {
			continue;
		}
		args[i].serialized_arg_value = kt_pb_str(from->value);
		args[i].is_representative = from->representative;
		KT_OPT_SET(ApiContainerApi__StarlarkInstructionArg, &args[i], arg_name,
		           kt_pb_str(from->name));
	}
	return args != NULL ? list : NULL;
}

static void send_instruction(kt_line_sender *sender, const kt_run_line *line)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const kt_instr *instr = line->instr;
	line_message message = API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__INIT;
	ApiContainerApi__StarlarkInstruction instruction =
	        API_CONTAINER_API__STARLARK_INSTRUCTION__INIT;
	ApiContainerApi__StarlarkInstructionPosition position =
	        API_CONTAINER_API__STARLARK_INSTRUCTION_POSITION__INIT;

	position.filename = kt_pb_str(instr->pos.file);
	position.line = (int32_t)instr->pos.line;
	position.column = (int32_t)instr->pos.col;
	instruction.position = &position;
	instruction.instruction_name = kt_pb_str(kt_instr_name(instr->kind));
	instruction.executable_instruction = kt_pb_str(instr->text);
	instruction.description = kt_pb_str(instr->description);
	instruction.is_skipped = instr->skipped;
	instruction.arguments = make_args(instr, &arena);
	instruction.n_arguments = instruction.arguments != NULL ? instr->n_args : 0;
	if (line->instruction_id != NULL) {
		KT_OPT_SET(ApiContainerApi__StarlarkInstruction, &instruction, instruction_id,
		           kt_pb_str(line->instruction_id));
	}
	message.run_response_line_case = LINE_CASE(INSTRUCTION);
	message.instruction = &instruction;
	send_message(sender, &message);
}

static void send_result(kt_line_sender *sender, const kt_run_line *line)
{
	line_message message = API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__INIT;
	ApiContainerApi__StarlarkInstructionResult result =
	        API_CONTAINER_API__STARLARK_INSTRUCTION_RESULT__INIT;
	Google__Protobuf__Duration duration;

	set_duration(&duration, line->duration_ns);
	result.serialized_instruction_result = kt_pb_str(line->text);
	result.execution_duration = &duration;
	if (line->instruction_id != NULL) {
		KT_OPT_SET(ApiContainerApi__StarlarkInstructionResult, &result, instruction_id,
		           kt_pb_str(line->instruction_id));
	}
	message.run_response_line_case = LINE_CASE(INSTRUCTION_RESULT);
	message.instruction_result = &result;
	send_message(sender, &message);
}

static void send_error(kt_line_sender *sender, const kt_run_line *line)
{
	line_message message = API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__INIT;
	ApiContainerApi__StarlarkError error = API_CONTAINER_API__STARLARK_ERROR__INIT;
	ApiContainerApi__StarlarkInterpretationError interpretation =
	        API_CONTAINER_API__STARLARK_INTERPRETATION_ERROR__INIT;
	ApiContainerApi__StarlarkValidationError validation =
	        API_CONTAINER_API__STARLARK_VALIDATION_ERROR__INIT;
	ApiContainerApi__StarlarkExecutionError execution =
	        API_CONTAINER_API__STARLARK_EXECUTION_ERROR__INIT;

	if (line->kind == KT_LINE_INTERPRETATION_ERROR) {
		interpretation.error_message = kt_pb_str(line->text);
		error.error_case = API_CONTAINER_API__STARLARK_ERROR__ERROR_INTERPRETATION_ERROR;
		error.interpretation_error = &interpretation;
	} else if (line->kind == KT_LINE_VALIDATION_ERROR) {
		validation.error_message = kt_pb_str(line->text);
		error.error_case = API_CONTAINER_API__STARLARK_ERROR__ERROR_VALIDATION_ERROR;
		error.validation_error = &validation;
	} else {
		execution.error_message = kt_pb_str(line->text);
		error.error_case = API_CONTAINER_API__STARLARK_ERROR__ERROR_EXECUTION_ERROR;
		error.execution_error = &execution;
	}
	message.run_response_line_case = LINE_CASE(ERROR);
	message.error = &error;
	send_message(sender, &message);
}

static void send_text(kt_line_sender *sender, const kt_run_line *line)
{
	line_message message = API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__INIT;
	ApiContainerApi__StarlarkWarning warning = API_CONTAINER_API__STARLARK_WARNING__INIT;
	ApiContainerApi__StarlarkInfo info = API_CONTAINER_API__STARLARK_INFO__INIT;

	if (line->kind == KT_LINE_WARNING) {
		warning.warning_message = kt_pb_str(line->text);
		message.run_response_line_case = LINE_CASE(WARNING);
		message.warning = &warning;
	} else {
		info.info_message = kt_pb_str(line->text);
		message.run_response_line_case = LINE_CASE(INFO);
		message.info = &info;
	}
	send_message(sender, &message);
}

static void send_finished(kt_line_sender *sender, const kt_run_line *line)
{
	line_message message = API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__INIT;
	ApiContainerApi__StarlarkRunFinishedEvent finished =
	        API_CONTAINER_API__STARLARK_RUN_FINISHED_EVENT__INIT;
	Google__Protobuf__Duration duration;

	if (sender->on_finished != NULL) {
		sender->on_finished(sender->on_finished_ctx);
	}
	set_duration(&duration, line->duration_ns);
	finished.is_run_successful = line->success;
	finished.total_execution_duration = &duration;
	if (line->success) {
		KT_OPT_SET(ApiContainerApi__StarlarkRunFinishedEvent, &finished, serialized_output,
		           kt_pb_str(line->text));
	}
	message.run_response_line_case = LINE_CASE(RUN_FINISHED_EVENT);
	message.run_finished_event = &finished;
	send_message(sender, &message);
}

void kt_apic_send_line(void *ctx, const kt_run_line *line)
{
	kt_line_sender *sender = ctx;

	switch (line->kind) {
	case KT_LINE_PROGRESS:
		send_progress(sender, line);
		break;
	case KT_LINE_INSTRUCTION:
		send_instruction(sender, line);
		break;
	case KT_LINE_RESULT:
		send_result(sender, line);
		break;
	case KT_LINE_INTERPRETATION_ERROR:
	case KT_LINE_VALIDATION_ERROR:
	case KT_LINE_EXECUTION_ERROR:
		send_error(sender, line);
		break;
	case KT_LINE_WARNING:
	case KT_LINE_INFO:
		send_text(sender, line);
		break;
	case KT_LINE_FINISHED:
		send_finished(sender, line);
		break;
	}
}
