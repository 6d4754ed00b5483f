/* Instructions that try something and look at the result: exec, request, wait, verify. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

static const int64_t exec_codes[] = {0};
static const int64_t http_codes[] = {200, 201, 202, 203, 204, 205, 206, 207, 208, 226};

#define WAIT_INTERVAL_NS KT_NS_PER_S
#define WAIT_TIMEOUT_NS (10 * KT_NS_PER_S)

kt_val raise_unextractable(kt_sthread *t, const char *arg, const char *expected, kt_val got)
{
	/* The reference names the two types the wrong way round. */
	return kt_star_raise(t,
			     "Unable to extract value for '%s' argument" CAUSED_BY
			     "unable to extract value for argument '%s'. Types were not assignable "
			     "(got '%s', expecting '%s')",
			     arg, arg, expected, go_type(got));
}

static int add_field(kt_sthread *t, kt_val dict, const char *uuid, const char *field)
{
	kt_val value = ref_value(t, uuid, field);
	return value == KT_NULL ? -1 : kt_dict_sets(t, dict, field, value);
}

kt_val recipe_result(call *c, const kt_plan_recipe *recipe, const char *uuid)
{
	bool exec = recipe->kind == KT_PLAN_RECIPE_EXEC;
	kt_val dict = kt_dict_new(c->t, 2 + recipe->extract.len);
	if (dict == KT_NULL || add_field(c->t, dict, uuid, exec ? "code" : "body") < 0 ||
	    add_field(c->t, dict, uuid, exec ? "output" : "code") < 0) {
		return KT_NULL;
	}
	for (size_t i = 0; i < recipe->extract.len; i++) {
		KT_AUTO_FREE char *field =
			kt_asprintf("extract.%s", recipe->extract.items[i].key);
		if (field == NULL || add_field(c->t, dict, uuid, field) < 0) {
			return kt_sthread_error(c->t) != NULL ? KT_NULL
							      : kt_star_raise_nomem(c->t);
		}
	}
	kt_val_freeze(c->t, dict);
	return dict;
}

/* service_name, recipe, acceptable_codes, skip_code_check of exec and request. */
static int recipe_args(call *c, const int64_t *codes, size_t n_codes, kt_args_recipe *args)
{
	conv cv = conv_of(c);
	args->skip_code_check = conv_bool(call_arg(c, "skip_code_check"), false);
	args->ref_uuid = new_ref_uuid(c->in, c->t);
	return args->ref_uuid == NULL ||
			       conv_str(&cv, call_arg(c, "service_name"), "service_name", NULL,
					&args->service_name) < 0 ||
			       conv_recipe(&cv, call_arg(c, "recipe"), &args->recipe) < 0 ||
			       conv_codes(&cv, call_arg(c, "acceptable_codes"),
					  "acceptable_codes", codes, n_codes,
					  &args->acceptable_codes) < 0
		       ? -1
		       : 0;
}

kt_val do_exec(call *c)
{
	kt_args_recipe *args = &c->rec->u.exec;
	if (recipe_args(c, exec_codes, KT_ARRAY_LEN(exec_codes), args) < 0) {
		return KT_NULL;
	}
	c->rec->description =
		keepf(c->in, c->t, "Executing command on service '%s'", args->service_name);
	c->short_head = keepf(c->in, c->t, "exec(%s ", args->service_name);
	return recipe_result(c, &args->recipe, args->ref_uuid);
}

kt_val do_request(call *c)
{
	kt_args_recipe *args = &c->rec->u.request;
	kt_val recipe = call_arg(c, "recipe");
	bool post = ktype_of(recipe, KTYPE_POST_RECIPE) != NULL;
	if (!post && ktype_of(recipe, KTYPE_GET_RECIPE) == NULL) {
		return raise_unextractable(c->t, "recipe", "recipe.HttpRequestRecipe", recipe);
	}
	if (recipe_args(c, http_codes, KT_ARRAY_LEN(http_codes), args) < 0) {
		return KT_NULL;
	}
	c->rec->description = keepf(c->in, c->t, "Running '%s' request on service '%s'",
				    post ? "POST" : "GET", args->service_name);
	c->short_head = keepf(c->in, c->t, "request(%s, ", args->service_name);
	return recipe_result(c, &args->recipe, args->ref_uuid);
}

kt_val do_wait(call *c)
{
	kt_args_wait *args = &c->rec->u.wait;
	kt_plan_condition *condition = &args->condition;
	conv cv = conv_of(c);
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;
	kt_val recipe = call_arg(c, "recipe");
	if (!check_recipe(c->t, NULL, recipe, &msg)) {
		return raise_unextractable(c->t, "recipe", "*recipe.ExecRecipe", recipe);
	}
	if (conv_str(&cv, call_arg(c, "service_name"), "service_name", NULL,
		     &args->service_name) < 0 ||
	    conv_recipe(&cv, recipe, &condition->recipe) < 0 ||
	    conv_str(&cv, call_arg(c, "field"), "field", "", &condition->field) < 0 ||
	    conv_assertion(&cv, call_arg(c, "assertion"), &condition->assertion) < 0 ||
	    conv_target(&cv, call_arg(c, "target_value"), &condition->target) < 0 ||
	    conv_duration(&cv, call_arg(c, "interval"), "interval", WAIT_INTERVAL_NS,
			  &condition->interval_ns) < 0 ||
	    conv_duration(&cv, call_arg(c, "timeout"), "timeout", WAIT_TIMEOUT_NS,
			  &condition->timeout_ns) < 0 ||
	    (args->ref_uuid = new_ref_uuid(c->in, c->t)) == NULL) {
		return KT_NULL;
	}
	KT_AUTO_BUF kt_buf timeout = KT_BUF_INIT;
	kt_buf_add_duration(&timeout, condition->timeout_ns);
	c->rec->description =
		keepf(c->in, c->t,
		      "Waiting for at most '%s' for service '%s' to reach a certain state",
		      kt_buf_str(&timeout), args->service_name);
	c->short_head = keepf(c->in, c->t, "wait(%s, ", args->service_name);
	return recipe_result(c, &condition->recipe, args->ref_uuid);
}

kt_val do_verify(call *c)
{
	kt_args_verify *args = &c->rec->u.verify;
	conv cv = conv_of(c);
	kt_val target = call_arg(c, "target_value");
	if (conv_pval(&cv, call_arg(c, "value"), &args->value) < 0 ||
	    conv_assertion(&cv, call_arg(c, "assertion"), &args->assertion) < 0 ||
	    conv_target(&cv, target, &args->target) < 0) {
		return KT_NULL;
	}
	const char *assertion = kt_plan_assertion_name(args->assertion);
	if ((args->assertion == KT_PLAN_IN || args->assertion == KT_PLAN_NOT_IN) &&
	    !kt_val_iterable(target)) {
		return kt_star_raise(c->t,
				     "'%s' assertion requires an iterable for target values, got '%s'",
				     assertion, kt_val_type_name(target));
	}
	c->rec->description =
		keepf(c->in, c->t, "Verifying whether two values meet a certain condition '%s'",
		      assertion);
	return KT_NONE;
}

/* --- what they touch ------------------------------------------------------ */

static void touch_pairs(touch_list *list, const kt_plan_pairs *pairs)
{
	for (size_t i = 0; i < pairs->len; i++) {
		touch_refs_hidden(list, pairs->items[i].value);
	}
}

static void touches_recipe(const kt_plan_recipe *recipe, const char *service, const char *uuid,
			   touches *out)
{
	touch(&out->reads, KT_PLAN_RES_SERVICE, service);
	if (recipe->port_id != NULL) {
		touch_hidden(&out->reads, KT_PLAN_RES_PORT,
			     kt_arena_printf(out->reads.arena, "%s/%s", service, recipe->port_id));
	}
	for (size_t i = 0; i < recipe->command.len; i++) {
		touch_refs(&out->reads, recipe->command.items[i]);
	}
	touch_refs_hidden(&out->reads, recipe->body);
	touch_refs_hidden(&out->reads, recipe->endpoint);
	touch_pairs(&out->reads, &recipe->headers);
	static const char *const exec_fields[] = {"code", "output"};
	static const char *const http_fields[] = {"body", "code"};
	const char *const *fields =
		recipe->kind == KT_PLAN_RECIPE_EXEC ? exec_fields : http_fields;
	kt_arena *arena = out->writes.arena;
	for (size_t i = 0; i < 2; i++) {
		touch(&out->writes, KT_PLAN_RES_VALUE,
		      kt_arena_printf(arena, "{{kurtosis:%s:%s.runtime_value}}", uuid, fields[i]));
	}
	for (size_t i = 0; i < recipe->extract.len; i++) {
		touch(&out->writes, KT_PLAN_RES_VALUE,
		      kt_arena_printf(arena, "{{kurtosis:%s:extract.%s.runtime_value}}", uuid,
				      recipe->extract.items[i].key));
	}
}

void touches_exec(const kt_instr *rec, touches *out)
{
	const kt_args_recipe *args = &rec->u.exec;
	touches_recipe(&args->recipe, args->service_name, args->ref_uuid, out);
	touch(&out->writes, KT_PLAN_RES_SERVICE, args->service_name);
}

void touches_request(const kt_instr *rec, touches *out)
{
	const kt_args_recipe *args = &rec->u.request;
	touches_recipe(&args->recipe, args->service_name, args->ref_uuid, out);
}

void touches_wait(const kt_instr *rec, touches *out)
{
	const kt_args_wait *args = &rec->u.wait;
	touches_recipe(&args->condition.recipe, args->service_name, args->ref_uuid, out);
}

void touches_verify(const kt_instr *rec, touches *out)
{
	const kt_args_verify *args = &rec->u.verify;
	touch_refs(&out->reads, args->value.text);
	if (args->target.kind == KT_PVAL_STRING) {
		touch_refs_hidden(&out->reads, args->target.text);
	}
}
