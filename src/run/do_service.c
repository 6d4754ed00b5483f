/* Executors of the instructions about services. */
#include "base/alloc.h"
#include "run/config_json.h"
#include "run/run_internal.h"
#include "run/value.h"

/* --- configurations set for an add_service of a later run --- */

static char *parked_key(kt_arena *arena, const char *service)
{
	return kt_arena_printf(arena, KT_PARKED_PREFIX "%s", service);
}

/* What to start: set in this plan, or set by an earlier run, or the service's own. */
static int effective_config(kt_step *step, const kt_args_add_service *args,
                            const kt_plan_config **ret, kt_err *err)
{
	const char *key = parked_key(step->arena, args->name);
	const char *text = NULL;
	kt_plan_config *parked = NULL;

	*ret = args->override_config != NULL ? args->override_config : &args->config;
	if (args->override_config != NULL) {
		return 0;
	}
	if (key == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_state_get_text(step->run->env->state, key, step->arena, &text, err) < 0) {
		return -1;
	}
	if (text == NULL) {
		return 0;
	}
	if (kt_config_decode(step->arena, text, strlen(text), &parked, err) < 0) {
		return -1;
	}
	*ret = parked;
	return 0;
}

/* Used up, whether it was there or not. */
static int drop_parked(kt_step *step, const kt_args_add_service *args, kt_err *err)
{
	const char *key = parked_key(step->arena, args->name);

	return key == NULL ? kt_err_nomem(err)
	                   : kt_state_put_text(step->run->env->state, key, NULL, err);
}

static bool plan_adds(const kt_plan *plan, const char *service)
{
	for (size_t i = 0; i < plan->n_instrs; i++) {
		const kt_instr *instr = plan->instrs[i];
		if (instr->kind == KT_INSTR_ADD_SERVICE &&
		    strcmp(instr->u.add_service.name, service) == 0) {
			return true;
		}
	}
	return false;
}

/* --- add_service --- */

/* The service's name and address become the runtime values that others refer to. */
static int store_values(kt_run_env *env, const kt_add_item *item, kt_err *err)
{
	kt_rt_field fields[] = {
	        {"hostname", kt_pval_str_borrow(item->reg.hostname, strlen(item->reg.hostname))},
	        {"ip_address", kt_pval_str_borrow(item->reg.ip, strlen(item->reg.ip))},
	};

	return kt_state_put_values(env->state, item->ref_uuid, fields, KT_ARRAY_LEN(fields), err);
}

/* "…, using recipe '…', value field '…', …": what a ready condition asks for. */
static int wrap_not_ready(const kt_plan_condition *c, const char *name, kt_err *err)
{
	KT_AUTO_BUF kt_buf target = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf interval = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf timeout = KT_BUF_INIT;

	kt_pval_add_repr(&target, &c->target);
	kt_buf_add_duration(&interval, c->interval_ns);
	kt_buf_add_duration(&timeout, c->timeout_ns);
	return KT_WRAP(
	        err,
	        "An error occurred checking if service '%s' is ready, using recipe '%s', value "
	        "field '%s', assertion '%s', target '%s', interval '%s' and time-out '%s'.",
	        name, c->recipe.text, c->field, kt_plan_assertion_name(c->assertion),
	        kt_buf_str(&target), kt_buf_str(&interval), kt_buf_str(&timeout));
}

static int check_ready(kt_step *step, const kt_add_item *item, kt_err *err)
{
	const kt_plan_condition *ready = item->config->ready;
	kt_condition_result result = {0};

	if (ready == NULL) {
		return 0;
	}
	if (kt_condition_wait(step->run->env, ready, item->name, step->cancel, &result, err) < 0) {
		return wrap_not_ready(ready, item->name, err);
	}
	kt_arena_deinit(&result.arena);
	return 0;
}

int kt_do_add_service(kt_step *step, kt_err *err)
{
	const kt_args_add_service *args = &step->instr->u.add_service;
	kt_run_env *env = step->run->env;
	kt_add_item item = {.ref_uuid = args->ref_uuid};

	if (effective_config(step, args, &item.config, err) < 0) {
		return -1;
	}
	if (kt_run_fill(env, step->arena, args->name, &item.name, err) < 0) {
		return KT_WRAP(err, "An error occurred replacing runtime values in the name '%s'",
		               args->name);
	}
	if (kt_services_add(env, &item, 1, 1, false, step->cancel, step->arena, err) < 0) {
		return KT_WRAP(err, "Unexpected error occurred starting service '%s'", item.name);
	}
	if (check_ready(step, &item, err) < 0) {
		return KT_WRAP(err, "An error occurred while checking if service '%s' is ready",
		               item.name);
	}
	if (store_values(env, &item, err) < 0 || drop_parked(step, args, err) < 0) {
		return -1;
	}
	kt_buf_addf(step->out, "Service '%s' added with service UUID '%s'", item.name,
	            item.reg.uuid);
	return 0;
}

/* --- add_services --- */

typedef struct ready_check {
	kt_step *step;
	kt_add_item *item;
} ready_check;

static void *ready_thread(void *arg)
{
	ready_check *check = arg;

	check_ready(check->step, check->item, &check->item->error);
	return NULL;
}

/* All services at the same time: each waits mostly. */
static int check_all_ready(kt_step *step, kt_add_item *items, size_t n, kt_err *err)
{
	pthread_t *threads = KT_ARENA_ARRAY(step->arena, pthread_t, n + 1);
	ready_check *checks = KT_ARENA_ARRAY(step->arena, ready_check, n + 1);
	size_t started = 0;

	if (threads == NULL || checks == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		checks[i] = (ready_check){step, &items[i]};
		if (items[i].config->ready == NULL) {
			continue;
		}
		if (kt_thread_start(&threads[started], 0, "ready", ready_thread, &checks[i], NULL) <
		    0) {
			ready_thread(&checks[i]);
		} else {
			started++;
		}
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	for (size_t i = 0; i < n; i++) {
		if (items[i].error.code != KT_ERR_OK) {
			KT_AUTO_ERR kt_err moved = KT_ERR_INIT;
			kt_err_move(&moved, &items[i].error);
			char *chain = kt_run_error_text(&moved);
			kt_buf_addf(&text, "Service '%s' error:\n%s\n", items[i].name,
			            chain != NULL ? chain : "");
			kt_free(chain);
		}
	}
	if (text.len == 0) {
		return 0;
	}
	return KT_FAIL(err, TIMEOUT,
	               "An error occurred while checking all service, these are the errors by "
	               "service:\n%s",
	               kt_buf_str(&text));
}

static kt_add_item *make_items(kt_step *step, size_t *ret_n, kt_err *err)
{
	const kt_args_add_services *args = &step->instr->u.add_services;
	kt_add_item *items = KT_ARENA_ARRAY(step->arena, kt_add_item, args->len + 1);

	if (items == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	for (size_t i = 0; i < args->len; i++) {
		const kt_args_add_service *one = &args->items[i];
		items[i].config = &one->config;
		items[i].ref_uuid = one->ref_uuid;
		if (kt_run_fill(step->run->env, step->arena, one->name, &items[i].name, err) < 0) {
			return NULL;
		}
	}
	*ret_n = args->len;
	return items;
}

int kt_do_add_services(kt_step *step, kt_err *err)
{
	kt_run_env *env = step->run->env;
	int parallelism = step->run->options->parallelism;
	size_t n = 0;
	size_t created = 0;
	kt_add_item *items = make_items(step, &n, err);

	if (items == NULL) {
		return -1;
	}
	if (kt_services_add(env, items, n, parallelism > 0 ? parallelism : KT_DEFAULT_PARALLELISM,
	                    true, step->cancel, step->arena, err) < 0 ||
	    check_all_ready(step, items, n, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (store_values(env, &items[i], err) < 0) {
			return -1;
		}
		created += items[i].update ? 0 : 1;
	}
	kt_buf_addf(step->out, "Successfully added the following '%zu' services:", created);
	for (size_t i = 0; i < n; i++) {
		kt_buf_addf(step->out, "\n  Service '%s' added with UUID '%s'", items[i].name,
		            items[i].reg.uuid);
	}
	return 0;
}

/* --- the others --- */

int kt_do_remove_service(kt_step *step, kt_err *err)
{
	const char *name = step->instr->u.remove_service.name;
	kt_run_env *env = step->run->env;
	kt_reg reg = {0};

	if (kt_run_env_service(env, name, step->arena, &reg, err) < 0 ||
	    kt_service_remove(env, &reg, KT_SERVICE_STOP_GRACE_MS, err) < 0) {
		return KT_WRAP(err, "Failed removing service with unexpected error");
	}
	kt_buf_addf(step->out, "Service '%s' with service UUID '%s' removed", reg.name, reg.uuid);
	return 0;
}

int kt_do_start_service(kt_step *step, kt_err *err)
{
	const char *name = step->instr->u.start_service.name;
	kt_run_env *env = step->run->env;
	kt_reg reg = {0};

	if (kt_run_env_service(env, name, step->arena, &reg, err) < 0 ||
	    kt_service_start(env, &reg, err) < 0) {
		return KT_WRAP(err, "Failed starting service with unexpected error");
	}
	kt_buf_addf(step->out, "Service '%s' started", name);
	return 0;
}

int kt_do_stop_service(kt_step *step, kt_err *err)
{
	const char *name = step->instr->u.stop_service.name;
	kt_run_env *env = step->run->env;
	kt_reg reg = {0};

	if (kt_run_env_service(env, name, step->arena, &reg, err) < 0 ||
	    kt_service_stop(env, &reg, err) < 0) {
		return KT_WRAP(err, "Failed stopping service with unexpected error");
	}
	kt_buf_addf(step->out, "Service '%s' stopped", name);
	return 0;
}

int kt_do_get_service(kt_step *step, kt_err *err)
{
	(void)err;
	kt_buf_addf(step->out, "Fetched service '%s'", step->instr->u.get_service.name);
	return 0;
}

int kt_do_get_services(kt_step *step, kt_err *err)
{
	(void)err;
	kt_buf_adds(step->out, "Fetching services");
	return 0;
}

int kt_do_get_cluster_type(kt_step *step, kt_err *err)
{
	(void)err;
	kt_buf_addf(step->out, "Fetched cluster type '%s'", step->instr->u.get_cluster_type.type);
	return 0;
}

/* An add_service of this plan has the configuration already (override_config). */
int kt_do_set_service(kt_step *step, kt_err *err)
{
	const kt_args_set_service *args = &step->instr->u.set_service;
	const char *key = parked_key(step->arena, args->name);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (key == NULL) {
		return kt_err_nomem(err);
	}
	if (!plan_adds(step->run->plan, args->name) &&
	    (kt_config_encode(&text, args->config, err) < 0 ||
	     kt_state_put_text(step->run->env->state, key, kt_buf_str(&text), err) < 0)) {
		return -1;
	}
	kt_buf_addf(step->out, "Set service config on service '%s'.", args->name);
	return 0;
}
