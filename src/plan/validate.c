/*
 * The validation phase: every instruction in order against what would exist at its turn.
 * Texts and the order of checks are the reference's.
 */
#include "plan/plan.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

#define NAME_REGEX "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
#define PORT_REGEX "^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$"

/* Marks in the maps below: values that only say where a name comes from. */
static char before_run, during_run;

typedef struct reserved {
	uint64_t cpu, memory;
} reserved;

typedef struct world {
	kt_arena arena;
	const kt_plan_facts *facts;
	kt_map services;  /* name -> &before_run or &during_run */
	kt_map artifacts; /* the same */
	kt_map ports;	  /* "SERVICE/PORT" */
	kt_map reserved;  /* name -> reserved *, in the arena */
	uint64_t free_cpu, free_memory;
	bool failed; /* out of memory */
} world;

static void mark(world *w, kt_map *map, const char *name, char *from)
{
	w->failed = w->failed || kt_map_set(map, name, from) < 0;
}

static void mark_port(world *w, const char *service, const char *port)
{
	KT_AUTO_FREE char *key = kt_asprintf("%s/%s", service, port);
	if (key == NULL) {
		w->failed = true;
		return;
	}
	mark(w, &w->ports, key, &during_run);
}

static bool has_port(const world *w, const char *service, const char *port)
{
	KT_AUTO_FREE char *key = kt_asprintf("%s/%s", service, port);
	return key != NULL && kt_map_has(&w->ports, key);
}

static void world_init(world *w, const kt_plan_facts *facts)
{
	static const kt_plan_facts none;
	*w = (world){.facts = facts != NULL ? facts : &none};
	facts = w->facts;
	w->free_cpu = facts->free_cpu_millis;
	w->free_memory = facts->free_memory_mb;
	for (size_t i = 0; i < facts->n_services; i++) {
		const kt_fact_service *s = &facts->services[i];
		if (!s->exists) {
			continue;
		}
		mark(w, &w->services, s->name, &before_run);
		for (size_t k = 0; k < s->n_port_ids; k++) {
			mark_port(w, s->name, s->port_ids[k]);
		}
	}
	for (size_t i = 0; i < facts->n_artifacts; i++) {
		mark(w, &w->artifacts, facts->artifacts[i], &before_run);
	}
}

static void world_deinit(world *w)
{
	kt_map_deinit(&w->services);
	kt_map_deinit(&w->artifacts);
	kt_map_deinit(&w->ports);
	kt_map_deinit(&w->reserved);
	kt_arena_deinit(&w->arena);
}

/* --- names ---------------------------------------------------------------- */

/* "^[a-z]([-a-z0-9]{0,max-2}[a-z0-9])?$" */
static bool is_dns_label(const char *name, size_t max)
{
	size_t len = strlen(name);
	if (len == 0 || len > max || name[0] < 'a' || name[0] > 'z' || name[len - 1] == '-') {
		return false;
	}
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool bad_name(kt_buf *why, const char *what, const char *plural, const char *subject,
		     const char *name, const char *rfc, const char *lengths, const char *regex)
{
	kt_buf_addf(why,
		    "%s '%s' is invalid as it contains disallowed characters. %s must adhere to the "
		    "RFC %s standard, specifically implementing this regex and be %s characters "
		    "long: %s. This means the %s must only contain lowercase alphanumeric characters "
		    "or '-', and must start with a lowercase alphabet and end with a lowercase "
		    "alphanumeric character.",
		    what, name, plural, rfc, lengths, regex, subject);
	return false;
}

/* --- services ------------------------------------------------------------- */

/* Each check says false with the reason in `why`. */

static bool check_names(const kt_args_add_service *args, const kt_plan_config *config, kt_buf *why)
{
	if (!is_dns_label(args->name, 63)) {
		return bad_name(why, "Service name", "Service names", "service name", args->name,
				"1035", "1-63", NAME_REGEX);
	}
	for (size_t i = 0; i < config->files.len; i++) {
		const char *key = config->files.items[i].persistent_key;
		if (key != NULL && !is_dns_label(key, 63)) {
			return bad_name(why, "Persistent Key", "Persistent Key", "service name", key,
					"1035", "1-63", NAME_REGEX);
		}
	}
	return true;
}

static bool check_free(const char *service, uint64_t wanted, uint64_t available, const char *unit,
		       const char *short_unit, const char *of, kt_buf *why)
{
	if (wanted <= available) {
		return true;
	}
	kt_buf_addf(why,
		    "service '%s' requires '%llu' %s of %s but based on our calculation we will only "
		    "have '%llu' %s available at the time we start the service",
		    service, (unsigned long long)wanted, unit, of, (unsigned long long)available,
		    short_unit);
	return false;
}

static bool check_mounts(const world *w, const kt_plan_mounts *mounts, const char *who, kt_buf *why)
{
	for (size_t i = 0; i < mounts->len; i++) {
		for (size_t k = 0; k < mounts->items[i].artifacts.len; k++) {
			const char *artifact = mounts->items[i].artifacts.items[k];
			if (!kt_map_has(&w->artifacts, artifact)) {
				kt_buf_addf(why,
					    "There was an error validating '%s' as artifact name '%s' "
					    "does not exist",
					    who, artifact);
				return false;
			}
		}
	}
	return true;
}

static void reserve(world *w, const kt_args_add_service *args, const kt_plan_config *config)
{
	reserved *r = KT_ARENA_NEW(&w->arena, reserved);
	if (r == NULL || kt_map_set(&w->reserved, args->name, r) < 0) {
		w->failed = true;
		return;
	}
	*r = (reserved){config->min_cpu_millis, config->min_memory_mb};
	w->free_cpu -= KT_MIN(r->cpu, w->free_cpu);
	w->free_memory -= KT_MIN(r->memory, w->free_memory);
	for (size_t i = 0; i < config->ports.len; i++) {
		mark_port(w, args->name, config->ports.items[i].id);
	}
}

static bool check_service(world *w, const kt_args_add_service *args, kt_buf *why)
{
	const kt_plan_config *config =
		args->override_config != NULL ? args->override_config : &args->config;
	if (!check_names(args, config, why)) {
		return false;
	}
	if (kt_map_get(&w->services, args->name) == &during_run) {
		kt_buf_addf(why,
			    "There was an error validating 'add_service' as service with the name "
			    "'%s' already exists inside the package. Adding two different services "
			    "with the same name isn't allowed; we recommend prefixing/suffixing the "
			    "two service names or using two different names entirely.",
			    args->name);
		return false;
	}
	if (!check_mounts(w, &config->files, "add_service", why)) {
		return false;
	}
	if (w->facts->resources_known &&
	    (!check_free(args->name, config->min_cpu_millis, w->free_cpu, "millicores",
			 "millicores", "cpu", why) ||
	     !check_free(args->name, config->min_memory_mb, w->free_memory, "megabytes",
			 "megabytes", "memory", why))) {
		return false;
	}
	mark(w, &w->services, args->name, &during_run);
	for (size_t i = 0; i < config->ports.len; i++) {
		if (!is_dns_label(config->ports.items[i].id, 15)) {
			return bad_name(why, "Port name", "Port names", "port name",
					config->ports.items[i].id, "6335", "1-15", PORT_REGEX);
		}
	}
	reserve(w, args, config);
	return true;
}

static bool check_services(world *w, const kt_args_add_services *args, kt_buf *why)
{
	for (size_t i = 0; i < args->len; i++) {
		if (!check_service(w, &args->items[i], why)) {
			return false;
		}
	}
	return true;
}

static bool check_known(const world *w, const char *name, const char *who, kt_buf *why)
{
	if (kt_map_has(&w->services, name)) {
		return true;
	}
	kt_buf_addf(why, "Service '%s' required by '%s' instruction doesn't exist", name, who);
	return false;
}

/* remove_service, start_service, stop_service */
static bool check_target(const world *w, const char *name, const char *who, kt_buf *why)
{
	if (kt_map_has(&w->services, name)) {
		return true;
	}
	kt_buf_addf(why, "There was an error validating '%s' as service name '%s' doesn't exist", who,
		    name);
	return false;
}

static bool check_remove(world *w, const char *name, kt_buf *why)
{
	if (!check_target(w, name, "remove_service", why)) {
		return false;
	}
	KT_AUTO_FREE char *prefix = kt_asprintf("%s/", name);
	if (prefix == NULL) {
		w->failed = true;
		return true;
	}
	kt_map_take(&w->services, name);
	for (kt_map_entry *e = NULL; (e = kt_map_next(&w->ports, e)) != NULL;) {
		if (kt_str_starts(e->key, prefix)) {
			/* The name is freed with the entry, so it must not be read again. */
			KT_AUTO_FREE char *key = kt_strdup(e->key);
			w->failed = w->failed || key == NULL;
			if (key != NULL) {
				kt_map_take(&w->ports, key);
			}
		}
	}
	const reserved *r = kt_map_take(&w->reserved, name);
	if (r != NULL) {
		w->free_cpu += r->cpu;
		w->free_memory += r->memory;
	}
	return true;
}

/* --- recipes -------------------------------------------------------------- */

static bool check_recipe_on(const world *w, const char *service, const kt_plan_recipe *recipe,
			    const char *who, kt_buf *why)
{
	if (!kt_map_has(&w->services, service)) {
		kt_buf_addf(why, "Tried creating a %s for service '%s' which doesn't exist", who,
			    service);
		return false;
	}
	if (recipe->port_id != NULL && !has_port(w, service, recipe->port_id)) {
		kt_buf_addf(why,
			    "Request required port ID '%s' to exist on service '%s' but it doesn't",
			    recipe->port_id, service);
		return false;
	}
	return true;
}

/* --- files ---------------------------------------------------------------- */

static bool check_new_artifact(world *w, const char *artifact, const char *who, kt_buf *why)
{
	if (kt_map_get(&w->artifacts, artifact) == &during_run) {
		kt_buf_addf(why,
			    "There was an error validating '%s' as artifact name '%s' already exists",
			    who, artifact);
		return false;
	}
	mark(w, &w->artifacts, artifact, &during_run);
	return true;
}

static bool check_store_files(world *w, const kt_args_store_service_files *args, kt_buf *why)
{
	if (!kt_map_has(&w->services, args->service_name)) {
		kt_buf_addf(why,
			    "There was an error validating 'store_service_files' with service name "
			    "'%s' that does not exist",
			    args->service_name);
		return false;
	}
	return check_new_artifact(w, args->artifact, "store_service_files", why);
}

static bool check_get_artifact(const world *w, const char *name, kt_buf *why)
{
	if (kt_map_has(&w->artifacts, name)) {
		return true;
	}
	kt_buf_addf(why,
		    "Files artifact '%s' required by 'get_files_artifact' instruction doesn't exist",
		    name);
	return false;
}

static bool check_task(world *w, const kt_args_task *args, kt_buf *why)
{
	for (size_t i = 0; i < args->n_store; i++) {
		for (size_t k = 0; k < i; k++) {
			if (kt_str_eq(args->store[i].src, args->store[k].src)) {
				kt_buf_addf(why,
					    "error occurred while validating file paths to copy into "
					    "file artifact\n\tCaused by: error occurred while "
					    "validating field: store. The file paths in the array must "
					    "be unique. Found multiple instances of %s",
					    args->store[i].src);
				return false;
			}
		}
	}
	for (size_t i = 0; i < args->n_store; i++) {
		mark(w, &w->artifacts, args->store[i].artifact, &during_run);
	}
	/* The reference names run_python for both. */
	return check_mounts(w, &args->files, "run_python", why);
}

/* --- all of them ---------------------------------------------------------- */

static bool check_all_known(const world *w, const kt_plan_strs *names, kt_buf *why)
{
	for (size_t i = 0; i < names->len; i++) {
		if (!check_known(w, names->items[i], "get_services", why)) {
			return false;
		}
	}
	return true;
}

static bool check_instr(world *w, const kt_instr *rec, kt_buf *why)
{
	switch (rec->kind) {
	case KT_INSTR_ADD_SERVICE:
		return check_service(w, &rec->u.add_service, why);
	case KT_INSTR_ADD_SERVICES:
		return check_services(w, &rec->u.add_services, why);
	case KT_INSTR_GET_SERVICE:
		return check_known(w, rec->u.get_service.name, "get_service", why);
	case KT_INSTR_SET_SERVICE:
		return check_known(w, rec->u.set_service.name, "set_service", why);
	case KT_INSTR_GET_SERVICES:
		return check_all_known(w, &rec->u.get_services.names, why);
	case KT_INSTR_REMOVE_SERVICE:
		return check_remove(w, rec->u.remove_service.name, why);
	case KT_INSTR_START_SERVICE:
		return check_target(w, rec->u.start_service.name, "start_service", why);
	case KT_INSTR_STOP_SERVICE:
		return check_target(w, rec->u.stop_service.name, "stop_service", why);
	case KT_INSTR_REQUEST:
		return check_recipe_on(w, rec->u.request.service_name, &rec->u.request.recipe,
				       "request", why);
	case KT_INSTR_WAIT:
		return check_recipe_on(w, rec->u.wait.service_name, &rec->u.wait.condition.recipe,
				       "wait", why);
	case KT_INSTR_UPLOAD_FILES:
		return check_new_artifact(w, rec->u.upload_files.artifact, "upload_files", why);
	case KT_INSTR_RENDER_TEMPLATES:
		return check_new_artifact(w, rec->u.render_templates.artifact, "render_templates",
					  why);
	case KT_INSTR_STORE_SERVICE_FILES:
		return check_store_files(w, &rec->u.store_service_files, why);
	case KT_INSTR_GET_FILES_ARTIFACT:
		return check_get_artifact(w, rec->u.get_files_artifact.name, why);
	case KT_INSTR_RUN_SH:
		return check_task(w, &rec->u.run_sh, why);
	case KT_INSTR_RUN_PYTHON:
		return check_task(w, &rec->u.run_python, why);
	case KT_INSTR_EXEC:
	case KT_INSTR_PRINT:
	case KT_INSTR_VERIFY:
	case KT_INSTR_GET_CLUSTER_TYPE:
	case KT_INSTR_COUNT:
		break;
	}
	return true;
}

int kt_plan_validate(const kt_plan *self, const kt_plan_facts *facts, kt_strvec *ret_problems,
		     kt_err *err)
{
	__attribute__((cleanup(world_deinit))) world w;
	world_init(&w, facts);
	for (size_t i = 0; i < self->n_instrs && !w.failed; i++) {
		const kt_instr *rec = self->instrs[i];
		KT_AUTO_BUF kt_buf why = KT_BUF_INIT;
		if (rec->skipped || check_instr(&w, rec, &why)) {
			continue;
		}
		w.failed = w.failed || why.failed ||
			   kt_strvec_addf(ret_problems,
					  "Error while validating instruction %s. The instruction "
					  "can be found at %s[%u:%u]\n\tCaused by: %s",
					  rec->text, rec->pos.file, rec->pos.line, rec->pos.col,
					  kt_buf_str(&why)) < 0;
	}
	return w.failed ? kt_err_nomem(err) : 0;
}
