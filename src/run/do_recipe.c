/* Executors of exec, request and wait; print and verify. */
#include "base/alloc.h"
#include "plan/refs.h"
#include "run/verify.h"
#include "run/run_internal.h"
#include "run/value.h"

static int store_fields(kt_step *step, const char *uuid, const kt_recipe_result *result,
                        kt_err *err)
{
	return kt_state_put_values(step->run->env->state, uuid, result->fields, result->len, err);
}

static int run_recipe(kt_step *step, const kt_args_recipe *args, kt_recipe_result *ret, kt_err *err)
{
	kt_recipe_runner *runner = NULL;

	if (kt_recipe_runner_new(step->run->env, &args->recipe, &runner, err) < 0) {
		return -1;
	}
	int result = kt_recipe_try(runner, args->service_name, KT_NEVER, step->cancel, step->arena,
	                           ret, err);
	kt_recipe_runner_free(runner);
	return result;
}

static int fail_exec_code(const kt_recipe_result *result, const kt_plan_ints *codes, kt_err *err)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf list = KT_BUF_INIT;

	kt_plan_add_quoted(&quoted, result->output, result->output_len);
	kt_add_codes(&list, codes);
	return KT_FAIL(err, PRECONDITION,
	               "Exec returned exit code '%lld' that is not part of the acceptable status "
	               "codes '%s', with output:\n  %s",
	               (long long)result->code, kt_buf_str(&list), kt_buf_str(&quoted));
}

int kt_do_exec(kt_step *step, kt_err *err)
{
	const kt_args_recipe *args = &step->instr->u.exec;
	kt_recipe_result result = {0};

	if (run_recipe(step, args, &result, err) < 0) {
		return KT_WRAP(err, "An error occurred while executing exec recipe on service '%s'",
		               args->service_name);
	}
	if (!args->skip_code_check && !kt_code_ok(result.code, &args->acceptable_codes)) {
		return fail_exec_code(&result, &args->acceptable_codes, err);
	}
	if (store_fields(step, args->ref_uuid, &result, err) < 0) {
		return -1;
	}
	kt_recipe_describe(&args->recipe, &result, step->out);
	return 0;
}

int kt_do_request(kt_step *step, kt_err *err)
{
	const kt_args_recipe *args = &step->instr->u.request;
	kt_recipe_result result = {0};

	if (run_recipe(step, args, &result, err) < 0) {
		return KT_WRAP(err, "An error occurred while executing http recipe on service '%s'",
		               args->service_name);
	}
	if (!args->skip_code_check && !kt_code_ok(result.code, &args->acceptable_codes)) {
		KT_AUTO_BUF kt_buf list = KT_BUF_INIT;
		kt_add_codes(&list, &args->acceptable_codes);
		return KT_FAIL(err, PRECONDITION,
		               "Request returned status code '%lld' that is not part of the "
		               "acceptable status codes '%s'",
		               (long long)result.code, kt_buf_str(&list));
	}
	if (store_fields(step, args->ref_uuid, &result, err) < 0) {
		return -1;
	}
	kt_recipe_describe(&args->recipe, &result, step->out);
	return 0;
}

int kt_do_wait(kt_step *step, kt_err *err)
{
	const kt_args_wait *args = &step->instr->u.wait;
	kt_condition_result result = {0};

	if (kt_condition_wait(step->run->env, &args->condition, args->service_name, step->cancel,
	                      &result, err) < 0) {
		return KT_WRAP(err, "An error occurred checking if service '%s' is ready.",
		               args->service_name);
	}
	int stored = store_fields(step, args->ref_uuid, &result.last, err);
	if (stored == 0) {
		kt_buf_addf(step->out, "Wait took %u tries (", result.tries);
		kt_buf_add_duration(step->out, result.took_ns);
		kt_buf_adds(step->out, " in total). Assertion passed with following:\n");
		kt_recipe_describe(&args->condition.recipe, &result.last, step->out);
	}
	kt_arena_deinit(&result.arena);
	return stored;
}

int kt_do_print(kt_step *step, kt_err *err)
{
	const char *text = step->instr->u.print.text;

	if (kt_ref_replace(text, strlen(text), kt_state_lookup_text, step->run->env->state,
	                   step->out, err) < 0) {
		return KT_WRAP(err, "Error replacing runtime value '%s'", text);
	}
	return 0;
}

/* A string that is one placeholder gives the typed value, otherwise it is filled in. */
static int resolve(kt_step *step, const kt_pval *value, kt_pval *ret, kt_err *err)
{
	kt_state *state = step->run->env->state;
	kt_ref ref;

	if (value->kind != KT_PVAL_STRING) {
		*ret = *value;
		return 0;
	}
	if (kt_ref_is_whole(value->text, value->text_len, &ref)) {
		char *field = kt_arena_strndup(step->arena, ref.field, ref.field_len);
		if (field == NULL) {
			return kt_err_nomem(err);
		}
		return kt_state_get_value(state, ref.uuid.text, field, step->arena, ret, err);
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_ref_replace(value->text, value->text_len, kt_state_lookup_text, state, &text, err) <
	    0) {
		return -1;
	}
	return kt_pval_str_copy(step->arena, kt_buf_str(&text), text.len, ret, err);
}

int kt_do_verify(kt_step *step, kt_err *err)
{
	const kt_args_verify *args = &step->instr->u.verify;
	kt_pval value = kt_pval_none();
	kt_pval target = kt_pval_none();

	if (resolve(step, &args->value, &value, err) < 0 ||
	    resolve(step, &args->target, &target, err) < 0 ||
	    kt_assert_check(&value, args->assertion, &target, err) < 0) {
		return -1;
	}
	kt_buf_adds(step->out, "Verification succeeded. Value is '");
	kt_pval_add_repr(step->out, &value);
	kt_buf_adds(step->out, "'.");
	return 0;
}
