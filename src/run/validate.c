/* Facts about the enclave, and the validation phase with its lines. */
#include "base/alloc.h"
#include "run/run_internal.h"

#define VALIDATING "Validating plan and preparing container images - execution will begin shortly"

/* --- facts --- */

static int port_ids(const kt_plan_config *config, kt_arena *arena, kt_fact_service *fact,
                    kt_err *err)
{
	size_t n = config != NULL ? config->ports.len : 0;
	const char **ids = KT_ARENA_ARRAY(arena, const char *, n + 1);

	if (ids == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = config->ports.items[i].id;
	}
	fact->port_ids = ids;
	fact->n_port_ids = n;
	return 0;
}

static kt_fact_service *find_fact(kt_fact_service *facts, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, name) == 0) {
			return &facts[i];
		}
	}
	return NULL;
}

static int parked_fact(kt_run_env *env, kt_arena *arena, kt_fact_service *fact, kt_err *err)
{
	const char *key = kt_arena_printf(arena, KT_PARKED_PREFIX "%s", fact->name);
	const char *text = NULL;

	if (key == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_state_get_text(env->state, key, arena, &text, err) < 0) {
		return -1;
	}
	fact->parked = text != NULL;
	return 0;
}

/* Registered services, and those of which only values are remembered. */
static int service_facts(kt_run_env *env, kt_arena *arena, kt_plan_facts *ret, kt_err *err)
{
	kt_reg_list regs = {0};
	kt_known_services known = {0};

	if (kt_state_list_services(env->state, arena, &regs, err) < 0) {
		return KT_WRAP(err, "An error occurred getting all service names");
	}
	if (kt_state_list_known(env->state, arena, &known, err) < 0) {
		return -1;
	}
	kt_fact_service *facts = KT_ARENA_ARRAY(arena, kt_fact_service, regs.len + known.len + 1);
	if (facts == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < regs.len; i++) {
		facts[i] = (kt_fact_service){.name = regs.items[i].name, .exists = true};
		if (port_ids(regs.items[i].config, arena, &facts[i], err) < 0) {
			return -1;
		}
	}
	size_t n = regs.len;
	for (size_t i = 0; i < known.len; i++) {
		kt_fact_service *fact = find_fact(facts, n, known.items[i].name);
		if (fact == NULL) {
			fact = &facts[n++];
			fact->name = known.items[i].name;
		}
		fact->ref_uuid = known.items[i].ref_uuid;
		fact->value = known.items[i].value;
		fact->config = known.items[i].config;
		if (parked_fact(env, arena, fact, err) < 0) {
			return -1;
		}
	}
	ret->services = facts;
	ret->n_services = n;
	return 0;
}

static int artifact_facts(kt_run_env *env, kt_arena *arena, kt_plan_facts *ret, kt_err *err)
{
	kt_artifact_vec artifacts = {0};
	int result = kt_artifacts_list(env->artifacts, &artifacts, err);
	const char **names = KT_ARENA_ARRAY(arena, const char *, artifacts.len + 1);

	for (size_t i = 0; i < artifacts.len && result == 0 && names != NULL; i++) {
		names[i] = kt_arena_strdup(arena, artifacts.items[i].name);
	}
	ret->artifacts = names;
	ret->n_artifacts = artifacts.len;
	kt_artifact_vec_deinit(&artifacts);
	if (result == 0 && names == NULL) {
		return kt_err_nomem(err);
	}
	return result;
}

int kt_run_env_facts(kt_run_env *env, const kt_run_options *options, kt_arena *arena,
                     kt_plan_facts *ret, kt_err *err)
{
	*ret = (kt_plan_facts){
	        .cluster_type = env->backend->ops->cluster_type,
	        .privileged_allowed = options->privileged_allowed,
	        .enclave_uuid = env->enclave_uuid,
	};
	return service_facts(env, arena, ret, err) < 0 ? -1 : artifact_facts(env, arena, ret, err);
}

static bool wants_resources(const kt_plan_config *config)
{
	return config->min_cpu_millis != 0 || config->min_memory_mb != 0;
}

/* Measuring what is free takes the backend a while: only plans that ask for amounts need it. */
static bool needs_resources(const kt_plan *plan)
{
	for (size_t i = 0; i < plan->n_instrs; i++) {
		const kt_instr *instr = plan->instrs[i];
		if (instr->skipped) {
			continue;
		}
		if (instr->kind == KT_INSTR_ADD_SERVICE &&
		    wants_resources(&instr->u.add_service.config)) {
			return true;
		}
		for (size_t j = 0;
		     instr->kind == KT_INSTR_ADD_SERVICES && j < instr->u.add_services.len; j++) {
			if (wants_resources(&instr->u.add_services.items[j].config)) {
				return true;
			}
		}
	}
	return false;
}

/* Adds what the backend has to give. */
static int resource_facts(kt_run_ctx *run, kt_plan_facts *facts, kt_err *err)
{
	kt_backend *backend = run->env->backend;
	kt_resources resources = {0};

	if (run->options->no_resource_check || !needs_resources(run->plan)) {
		return 0;
	}
	if (backend->ops->resources(backend, &resources, err) < 0) {
		return KT_WRAP(err, "Couldn't create validator environment as we ran into errors "
		                    "fetching information about available cpu & memory");
	}
	facts->resources_known = resources.complete;
	facts->free_cpu_millis = resources.cpu_millis_free;
	facts->free_memory_mb = resources.memory_mb_free;
	return 0;
}

int kt_run_env_remember(kt_run_env *env, const kt_plan *plan, kt_err *err)
{
	for (size_t i = 0; i < plan->n_services; i++) {
		const kt_plan_service *service = &plan->services[i];
		kt_known_service known = {.name = service->name,
		                          .ref_uuid = service->ref_uuid,
		                          .value = service->value,
		                          .config = service->config};
		if (kt_state_put_known(env->state, &known, err) < 0 ||
		    (known.ref_uuid != NULL &&
		     kt_state_reserve_values(env->state, known.ref_uuid, err) < 0)) {
			return -1;
		}
	}
	return 0;
}

/* --- the phase --- */

static void emit_error_line(kt_run_ctx *run, const kt_err *err)
{
	KT_AUTO_FREE char *text = kt_err_chain_text(err);

	kt_line_text(run, KT_LINE_VALIDATION_ERROR, text != NULL ? text : "");
}

int kt_run_validate(kt_run_ctx *run, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
	KT_AUTO_ERR kt_err facts_error = KT_ERR_INIT;
	kt_plan_facts facts = {0};

	kt_line_progress(run, "validation", VALIDATING, 0, 0);
	if (kt_run_env_facts(run->env, run->options, &arena, &facts, &facts_error) < 0 ||
	    resource_facts(run, &facts, &facts_error) < 0) {
		emit_error_line(run, &facts_error);
		return 1;
	}
	if (kt_plan_validate(run->plan, &facts, &problems, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < problems.len; i++) {
		kt_line_text(run, KT_LINE_VALIDATION_ERROR, problems.items[i]);
	}
	return problems.len > 0 ? 1 : kt_run_images(run, err);
}
