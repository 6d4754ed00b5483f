/*
 * Waiting for a condition: the first try at once, then one per tick of `interval`. A tick
 * that comes while a try is running waits, but no more than two do.
 */
#include "base/alloc.h"
#include "run/verify.h"
#include "run/run_internal.h"

#define MAX_QUEUED_TICKS 2

typedef struct waiter {
	kt_recipe_runner *runner;
	const kt_plan_condition *condition;
	const char *service_name;
	kt_instant start;
	kt_instant end;             /* no try begins after it */
	kt_instant recipe_deadline; /* what a running try gets */
	const kt_cancel *cancel;
	int64_t ticks; /* taken so far */
	kt_err recipe_error;
	kt_err assert_error;
} waiter;

static const kt_pval *find_field(const kt_recipe_result *result, const char *name)
{
	for (size_t i = 0; i < result->len; i++) {
		if (strcmp(result->fields[i].name, name) == 0) {
			return &result->fields[i].value;
		}
	}
	return NULL;
}

/* 1 the condition holds, 0 it does not (the reason is kept). */
static int try_once(waiter *w, kt_arena *arena, kt_recipe_result *ret)
{
	const kt_plan_condition *c = w->condition;

	kt_err_release(&w->recipe_error);
	kt_err_release(&w->assert_error);
	if (kt_recipe_try(w->runner, w->service_name, w->recipe_deadline, w->cancel, arena, ret,
	                  &w->recipe_error) < 0) {
		return 0;
	}
	const kt_pval *value = find_field(ret, c->field);
	if (value == NULL) {
		KT_FAIL(&w->assert_error, INVALID,
		        "Error extracting value from key '%s'. This is a bug in Kurtosis.",
		        c->field);
		return 0;
	}
	return kt_assert_check(value, c->assertion, &c->target, &w->assert_error) == 0;
}

/* 0 when it is time for the next try, -1 with TIMEOUT or CANCELLED. */
static int next_tick(waiter *w, kt_err *err)
{
	int64_t interval = KT_MAX(w->condition->interval_ns, 1);
	kt_instant now = kt_now();
	int64_t due = (now - w->start) / interval;

	if (now >= w->end) {
		return KT_FAIL(err, TIMEOUT, "timed out");
	}
	w->ticks = KT_MAX(w->ticks, due - MAX_QUEUED_TICKS);
	if (due > w->ticks) {
		w->ticks++;
		return kt_cancel_check(w->cancel, err);
	}
	w->ticks++;
	kt_instant at = w->start + w->ticks * interval;
	KT_AUTO_ERR kt_err waited = KT_ERR_INIT;
	if (kt_wait_fd(-1, 0, KT_MIN(at, w->end), w->cancel, &waited) < 0 &&
	    waited.code == KT_ERR_CANCELLED) {
		kt_err_move(err, &waited);
		return -1;
	}
	return at >= w->end ? KT_FAIL(err, TIMEOUT, "timed out") : 0;
}

static int report_timeout(waiter *w, unsigned tries, kt_err *err)
{
	bool recipe = w->recipe_error.code != KT_ERR_OK;
	KT_AUTO_FREE char *cause = kt_run_error_text(recipe ? &w->recipe_error : &w->assert_error);

	KT_FAIL(err, TIMEOUT,
	        "Recipe execution timed-out waiting for the recipe execution to become valid on "
	        "service '%s'. Tried '%u' times. Last %s execution error was:\n '$%s'\n",
	        w->service_name, tries, recipe ? "recipe" : "assertion",
	        cause != NULL ? cause : "");
	return -1;
}

static int wait_loop(waiter *w, kt_condition_result *ret, kt_err *err)
{
	for (ret->tries = 1;; ret->tries++) {
		KT_AUTO_ERR kt_err tick = KT_ERR_INIT;
		kt_arena scratch = KT_ARENA_INIT;
		bool holds = try_once(w, &scratch, &ret->last) == 1;

		if (holds) {
			ret->arena = scratch;
			ret->took_ns = kt_now() - w->start;
			return 0;
		}
		kt_arena_deinit(&scratch);
		if (kt_cancel_check(w->cancel, err) < 0) {
			return -1;
		}
		if (next_tick(w, &tick) < 0) {
			if (tick.code == KT_ERR_CANCELLED) {
				kt_err_move(err, &tick);
				return -1;
			}
			return report_timeout(w, ret->tries, err);
		}
	}
}

int kt_condition_wait(kt_run_env *env, const kt_plan_condition *condition, const char *service_name,
                      const kt_cancel *cancel, kt_condition_result *ret, kt_err *err)
{
	waiter w = {
	        .condition = condition,
	        .service_name = service_name,
	        .start = kt_now(),
	        .cancel = cancel,
	};

	w.end = w.start + condition->timeout_ns;
	w.recipe_deadline = w.end + condition->timeout_ns / 4;
	if (kt_recipe_runner_new(env, &condition->recipe, &w.runner, err) < 0) {
		return -1;
	}
	int result = wait_loop(&w, ret, err);
	kt_recipe_runner_free(w.runner);
	kt_err_release(&w.recipe_error);
	kt_err_release(&w.assert_error);
	return result;
}
