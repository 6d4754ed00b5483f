/* Instructions about services: add, get, change, start, stop, remove. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

/* --- Service values ------------------------------------------------------- */

static kt_val make_service(kt_sthread *t, const char *name, const char *ref_uuid,
			   const kt_plan_ports *ports)
{
	ktype *service = ktype_new(t, KTYPE_SERVICE);
	kt_val dict = kt_dict_new(t, ports->len);
	if (service == NULL || dict == KT_NULL) {
		return KT_NULL;
	}
	for (size_t i = 0; i < ports->len; i++) {
		kt_val port = conv_port_value(t, &ports->items[i]);
		if (port == KT_NULL || kt_dict_sets(t, dict, ports->items[i].id, port) < 0) {
			return KT_NULL;
		}
	}
	ktype_set(service, "name", kt_string_newz(t, name));
	ktype_set(service, "hostname", ref_value(t, ref_uuid, "hostname"));
	ktype_set(service, "ip_address", ref_value(t, ref_uuid, "ip_address"));
	ktype_set(service, "ports", dict);
	return kt_sthread_error(t) != NULL ? KT_NULL : kt_host_val(&service->host);
}

/* Notes the service under its name, so that get_service finds it, also in later runs. */
static kt_val register_service(interp *in, kt_sthread *t, kt_args_add_service *args)
{
	service_state *state = interp_service(in, args->name);
	if (state == NULL) {
		return kt_star_raise_nomem(t);
	}
	if (state->ref_uuid == NULL && (state->ref_uuid = new_ref_uuid(in, t)) == NULL) {
		return KT_NULL;
	}
	args->ref_uuid = state->ref_uuid;
	kt_val object = make_service(t, args->name, state->ref_uuid, &args->config.ports);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (object == KT_NULL || canon_add(t, object, &text) < 0 ||
	    (state->value = keep_buf(in, t, &text)) == NULL) {
		return KT_NULL;
	}
	state->object = object;
	state->config = &args->config;
	state->config_changed = true;
	state->touched = true;
	return object;
}

kt_val service_object(interp *in, kt_sthread *t, service_state *state)
{
	if (state->object == KT_NULL && state->value != NULL) {
		kt_sthread *own = kt_sthread_new(in->star);
		if (own == NULL) {
			return kt_star_raise_nomem(t);
		}
		state->object = kt_star_eval(own, "stored-service", state->value,
					     strlen(state->value), in->serde);
		if (state->object == KT_NULL) {
			const kt_star_error *error = kt_sthread_error(own);
			kt_star_raise(t, "The stored value of service '%s' cannot be read: %s",
				      state->name, error == NULL ? "" : kt_str_or(error->msg, ""));
		}
		kt_sthread_free(own);
	}
	return state->object;
}

/* --- add_service(s) ------------------------------------------------------- */

kt_val do_add_service(call *c)
{
	kt_args_add_service *args = &c->rec->u.add_service;
	conv cv = conv_of(c);
	if (conv_str(&cv, call_arg(c, "name"), "name", NULL, &args->name) < 0 ||
	    conv_config(&cv, call_arg(c, "config"), args->name, &args->config) < 0) {
		return KT_NULL;
	}
	args->force_update = conv_bool(call_arg(c, "force_update"), false);
	c->rec->description = keepf(c->in, c->t, "Adding service with name '%s' and image '%s'",
				    args->name, args->config.image.name);
	c->rec->short_text = keepf(c->in, c->t, "add_service(%s)", args->name);
	return register_service(c->in, c->t, args);
}

/* One entry of the dict `configs`. */
static int add_one(call *c, kt_val key, kt_val value, kt_val result, kt_args_add_service *ret)
{
	conv cv = conv_of(c);
	if (kt_val_kind(key) != KT_KIND_STRING) {
		return kt_star_fail(c->t,
				    "One key of the 'configs' dictionary is not a string (was '%s'). "
				    "Keys of this argument should correspond to service names, which "
				    "should be strings",
				    go_type(key));
	}
	if (ktype_of(value, KTYPE_SERVICE_CONFIG) == NULL) {
		return kt_star_fail(c->t,
				    "One value of the 'configs' dictionary is not a ServiceConfig "
				    "(was '%s'). Values of this argument should correspond to the "
				    "config of the service to be added",
				    go_type(value));
	}
	if (conv_str(&cv, key, "configs", NULL, &ret->name) < 0 ||
	    conv_config(&cv, value, ret->name, &ret->config) < 0) {
		return -1;
	}
	kt_val object = register_service(c->in, c->t, ret);
	return object == KT_NULL ? -1 : kt_dict_sets(c->t, result, ret->name, object);
}

static int describe_add_services(call *c, const kt_args_add_services *args)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	for (size_t i = 0; i < args->len; i++) {
		if (kt_strvec_add(&names, args->items[i].name) < 0) {
			kt_star_raise_nomem(c->t);
			return -1;
		}
	}
	KT_AUTO_FREE char *tight = kt_strvec_join(&names, ",");
	KT_AUTO_FREE char *loose = kt_strvec_join(&names, ", ");
	if (tight == NULL || loose == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	c->rec->description =
		keepf(c->in, c->t, "Adding '%zu' services with names '%s'", args->len, tight);
	c->rec->short_text =
		keepf(c->in, c->t, "add_services(%zu services: %s)", args->len, loose);
	return c->rec->short_text == NULL ? -1 : 0;
}

kt_val do_add_services(call *c)
{
	kt_args_add_services *args = &c->rec->u.add_services;
	kt_val configs = call_arg(c, "configs");
	size_t n = kt_val_len(configs);
	if (n == 0) {
		return kt_star_raise(c->t,
				     "The 'configs' argument should be a non empty dictionary");
	}
	kt_args_add_service *items = KT_ARENA_ARRAY(c->in->arena, kt_args_add_service, n);
	kt_val result = kt_dict_new(c->t, n);
	if (items == NULL || result == KT_NULL) {
		return kt_star_raise_nomem(c->t);
	}
	args->force_update = conv_bool(call_arg(c, "force_update"), false);
	kt_val key, value;
	size_t i = 0;
	for (size_t at = 0; kt_dict_next(configs, &at, &key, &value); i++) {
		items[i].force_update = args->force_update;
		if (add_one(c, key, value, result, &items[i]) < 0) {
			return KT_NULL;
		}
	}
	args->items = items;
	args->len = n;
	return describe_add_services(c, args) < 0 ? KT_NULL : result;
}

static void touch_text_list(touch_list *list, const kt_plan_strs *texts)
{
	for (size_t i = 0; i < texts->len; i++) {
		touch_refs(list, texts->items[i]);
	}
}

static void touch_mounts(touch_list *list, const kt_plan_mounts *mounts)
{
	for (size_t i = 0; i < mounts->len; i++) {
		for (size_t k = 0; k < mounts->items[i].artifacts.len; k++) {
			touch(list, KT_PLAN_RES_ARTIFACT, mounts->items[i].artifacts.items[k]);
		}
	}
}

static void touch_ports(touch_list *list, const char *service, const kt_plan_ports *ports)
{
	for (size_t i = 0; i < ports->len; i++) {
		touch_hidden(list, KT_PLAN_RES_PORT,
			     kt_arena_printf(list->arena, "%s/%s", service, ports->items[i].id));
	}
}

static void touch_ref_of(touch_list *list, const char *uuid, const char *field)
{
	touch(list, KT_PLAN_RES_VALUE,
	      kt_arena_printf(list->arena, "{{kurtosis:%s:%s.runtime_value}}", uuid, field));
}

static void touches_one_service(const kt_args_add_service *args, touches *out)
{
	const kt_plan_config *config =
		args->override_config != NULL ? args->override_config : &args->config;
	touch_mounts(&out->reads, &config->files);
	touch_refs_hidden(&out->reads, args->name);
	touch_text_list(&out->reads, &config->entrypoint);
	touch_text_list(&out->reads, &config->cmd);
	for (size_t i = 0; i < config->env_vars.len; i++) {
		touch_refs(&out->reads, config->env_vars.items[i].value);
	}
	if (config->ready != NULL) {
		const kt_plan_recipe *recipe = &config->ready->recipe;
		for (size_t i = 0; i < recipe->command.len; i++) {
			touch_refs_hidden(&out->reads, recipe->command.items[i]);
		}
		touch_refs_hidden(&out->reads, recipe->body);
	}
	touch(&out->writes, KT_PLAN_RES_SERVICE, args->name);
	touch_ports(&out->writes, args->name, &config->ports);
	touch_ref_of(&out->writes, args->ref_uuid, "hostname");
	touch_ref_of(&out->writes, args->ref_uuid, "ip_address");
}

void touches_add_service(const kt_instr *rec, touches *out)
{
	touches_one_service(&rec->u.add_service, out);
}

void touches_add_services(const kt_instr *rec, touches *out)
{
	for (size_t i = 0; i < rec->u.add_services.len; i++) {
		touches_one_service(&rec->u.add_services.items[i], out);
	}
}

/* --- get_service(s) ------------------------------------------------------- */

kt_val do_get_service(call *c)
{
	kt_args_name *args = &c->rec->u.get_service;
	conv cv = conv_of(c);
	if (conv_str(&cv, call_arg(c, "name"), "name", NULL, &args->name) < 0) {
		return KT_NULL;
	}
	c->rec->description = keepf(c->in, c->t, "Fetching service '%s'", args->name);
	c->rec->short_text = keepf(c->in, c->t, "get_service(%s)", args->name);
	service_state *state = kt_map_get(&c->in->services, args->name);
	if (state == NULL || state->value == NULL) {
		return kt_star_raise(c->t,
				     "An error occurred while fetching service '%s' from the "
				     "store" CAUSED_BY "Service '%s' doesn't exist in the repository",
				     args->name, args->name);
	}
	return service_object(c->in, c->t, state);
}

kt_val do_get_services(call *c)
{
	kt_args_get_services *args = &c->rec->u.get_services;
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	for (kt_map_entry *e = NULL; (e = kt_map_next(&c->in->services, e)) != NULL;) {
		const service_state *state = e->value;
		if (state->value != NULL && kt_strvec_add(&names, state->name) < 0) {
			return kt_star_raise_nomem(c->t);
		}
	}
	kt_strvec_sort(&names);
	kt_val list = kt_list_new(c->t, NULL, 0);
	const char **kept = KT_ARENA_ARRAY(c->in->arena, const char *, names.len + 1);
	if (list == KT_NULL || kept == NULL) {
		return kt_star_raise_nomem(c->t);
	}
	for (size_t i = 0; i < names.len; i++) {
		service_state *state = kt_map_get(&c->in->services, names.items[i]);
		kt_val object = service_object(c->in, c->t, state);
		kept[i] = state->name;
		if (object == KT_NULL || kt_list_append(c->t, list, object) < 0) {
			return KT_NULL;
		}
	}
	args->names = (kt_plan_strs){kept, names.len};
	c->rec->description = "Fetching services";
	c->rec->short_text = keepf(c->in, c->t, "get_services(%zu services)", names.len);
	return list;
}

void touches_get_service(const kt_instr *rec, touches *out)
{
	touch(&out->reads, KT_PLAN_RES_SERVICE, rec->u.get_service.name);
	touch(&out->writes, KT_PLAN_RES_SERVICE, rec->u.get_service.name);
}

void touches_get_services(const kt_instr *rec, touches *out)
{
	for (size_t i = 0; i < rec->u.get_services.names.len; i++) {
		touch_hidden(&out->reads, KT_PLAN_RES_SERVICE, rec->u.get_services.names.items[i]);
		touch(&out->writes, KT_PLAN_RES_SERVICE, rec->u.get_services.names.items[i]);
	}
}

/* --- remove, start, stop -------------------------------------------------- */

/* The common part of the three: a name, "VERBing service 'N'". */
static int named_call(call *c, const char *verb, kt_args_name *args)
{
	conv cv = conv_of(c);
	if (conv_str(&cv, call_arg(c, "name"), "name", NULL, &args->name) < 0) {
		return -1;
	}
	c->rec->description = keepf(c->in, c->t, "%s service '%s'", verb, args->name);
	c->rec->short_text =
		keepf(c->in, c->t, "%s(%s)", kt_instr_name(c->rec->kind), args->name);
	return c->rec->short_text == NULL ? -1 : 0;
}

kt_val do_remove_service(call *c)
{
	kt_args_name *args = &c->rec->u.remove_service;
	if (named_call(c, "Removing", args) < 0) {
		return KT_NULL;
	}
	service_state *state = interp_service(c->in, args->name);
	if (state == NULL) {
		return kt_star_raise_nomem(c->t);
	}
	state->value = NULL;
	state->object = KT_NULL;
	state->touched = true;
	return KT_NONE;
}

kt_val do_start_service(call *c)
{
	return named_call(c, "Starting", &c->rec->u.start_service) < 0 ? KT_NULL : KT_NONE;
}

kt_val do_stop_service(call *c)
{
	return named_call(c, "Stopping", &c->rec->u.stop_service) < 0 ? KT_NULL : KT_NONE;
}

void touches_remove_service(const kt_instr *rec, touches *out)
{
	touch(&out->reads, KT_PLAN_RES_SERVICE, rec->u.remove_service.name);
	touch(&out->writes, KT_PLAN_RES_SERVICE, rec->u.remove_service.name);
}

void touches_start_service(const kt_instr *rec, touches *out)
{
	touch(&out->reads, KT_PLAN_RES_SERVICE, rec->u.start_service.name);
	touch(&out->writes, KT_PLAN_RES_SERVICE, rec->u.start_service.name);
}

void touches_stop_service(const kt_instr *rec, touches *out)
{
	touch(&out->reads, KT_PLAN_RES_SERVICE, rec->u.stop_service.name);
	touch(&out->writes, KT_PLAN_RES_SERVICE, rec->u.stop_service.name);
}

/* --- set_service ---------------------------------------------------------- */

/* What set_service cannot change, in the order in which the reference looks. */
static const char *refused_override(const kt_plan_config *change)
{
	bool persistent = false;
	for (size_t i = 0; i < change->files.len; i++) {
		persistent = persistent || change->files.items[i].persistent_key != NULL;
	}
	return change->env_vars.len > 0
		       ? "Overriding environment variables is currently not supported."
	       : change->entrypoint.len > 0
		       ? "Overriding entrypoint args is currently not supported."
	       : change->cmd.len > 0   ? "Overriding cmd args is currently not supported."
	       : change->ports.len > 0 ? "Overriding private ports is currently not supported. "
	       : change->public_ports.len > 0
		       ? "Overriding public ports is currently not supported."
	       : change->has_files && !persistent
		       ? "Overriding files artifacts is currently not supported."
	       : persistent ? "Overriding persistent directories is currently not supported."
			    : NULL;
}

static void merge_config(kt_plan_config *into, const kt_plan_config *change)
{
	into->image = change->image;
	into->max_cpu_millis = change->max_cpu_millis != 0 ? change->max_cpu_millis
							    : into->max_cpu_millis;
	into->max_memory_mb = change->max_memory_mb != 0 ? change->max_memory_mb
							  : into->max_memory_mb;
	into->min_cpu_millis = change->min_cpu_millis != 0 ? change->min_cpu_millis
							    : into->min_cpu_millis;
	into->min_memory_mb = change->min_memory_mb != 0 ? change->min_memory_mb
							  : into->min_memory_mb;
	into->user = change->user.set ? change->user : into->user;
	into->labels = change->labels.len > 0 ? change->labels : into->labels;
	into->tolerations = change->tolerations.len > 0 ? change->tolerations : into->tolerations;
	into->bind_mounts = change->bind_mounts.len > 0 ? change->bind_mounts : into->bind_mounts;
	into->privileged = into->privileged || change->privileged;
	into->host_pid_namespace = into->host_pid_namespace || change->host_pid_namespace;
}

kt_val do_set_service(call *c)
{
	kt_args_set_service *args = &c->rec->u.set_service;
	conv cv = conv_of(c);
	kt_plan_config change;
	if (conv_str(&cv, call_arg(c, "name"), "name", NULL, &args->name) < 0 ||
	    conv_config(&cv, call_arg(c, "config"), args->name, &change) < 0) {
		return KT_NULL;
	}
	c->rec->description = keepf(c->in, c->t, "Setting config of service '%s'", args->name);
	c->short_head = keepf(c->in, c->t, "set_service(%s, ", args->name);
	service_state *state = kt_map_get(&c->in->services, args->name);
	if (state == NULL || state->config == NULL) {
		return kt_star_raise(c->t,
				     "An error occurred retrieving service config for service: "
				     "%s'" CAUSED_BY "Did not find new service config for '%s' in "
				     "interpretation time value store.",
				     args->name, args->name);
	}
	const char *refused = refused_override(&change);
	if (refused != NULL) {
		return kt_star_raise(c->t,
				     "An error occurred while overriding service configs in set "
				     "service for service: %s" CAUSED_BY "%s",
				     args->name, refused);
	}
	kt_plan_config *merged = KT_ARENA_NEW(c->in->arena, kt_plan_config);
	if (merged == NULL) {
		return kt_star_raise_nomem(c->t);
	}
	*merged = *state->config;
	merge_config(merged, &change);
	state->config = merged;
	state->config_changed = true;
	state->touched = true;
	args->config = merged;
	return KT_NONE;
}

void touches_set_service(const kt_instr *rec, touches *out)
{
	(void)rec;
	(void)out;
}
