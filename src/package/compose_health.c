/*
 * Order and health: depends_on, links, healthcheck.
 *
 * A health check is carried out only when another service waits for it, as a ready condition:
 * adding the service ends when it is healthy, and those that depend on it are added after it.
 */
#include "package/compose_internal.h"

#include "base/str.h"

#include <string.h>

enum {
	DEFAULT_INTERVAL_MS = 30000,
	DEFAULT_RETRIES = 3,
	POLL_MS = 1000,
};

static int add_need(const compose_file *self, compose_service *service, const char *key,
		    const json_t *how)
{
	compose_service *needed = kt_compose_service(self, key);
	const char *condition = kt_json_str(how, "condition", "service_started");
	if (needed == NULL) {
		const json_t *all = json_object_get(self->root, "services");
		bool off = json_object_get(all, key) != NULL;
		if (!kt_json_bool(how, "required", true)) {
			return 0;
		}
		return COMPOSE_FAIL(self, INVALID,
				    "service \"%s\" depends on undefined service %s: invalid compose "
				    "project%s",
				    service->key, key,
				    off ? " (its profile is off; list it in COMPOSE_PROFILES in .env)"
					: "");
	}
	if (kt_str_eq(condition, "service_healthy")) {
		needed->health_wanted = true;
	} else if (kt_str_eq(condition, "service_completed_successfully")) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s.depends_on.%s.condition: service_completed_successfully is not "
				    "supported; write a Starlark package that uses plan.run_sh",
				    service->place, key);
	} else if (!kt_str_eq(condition, "service_started")) {
		return COMPOSE_FAIL(self, INVALID, "%s.depends_on.%s.condition: '%s' is no condition",
				    service->place, key, condition);
	}
	for (size_t i = 0; i < self->services.len; i++) {
		if (self->services.items[i] == needed && kt_vec_push(&service->needs, i) < 0) {
			return kt_err_nomem(self->err);
		}
	}
	return 0;
}

static int add_list(const compose_file *self, compose_service *service, const json_t *list)
{
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		KT_AUTO_FREE char *key =
			kt_strndup(json_is_string(item) ? json_string_value(item) : "",
				   json_is_string(item) ? strcspn(json_string_value(item), ":") : 0);
		if (key == NULL) {
			return kt_err_nomem(self->err);
		}
		if (add_need(self, service, key, NULL) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_compose_needs(const compose_file *self, compose_service *service)
{
	const json_t *needs = json_object_get(service->def, "depends_on");
	const char *key;
	json_t *how;
	if (needs != NULL && !json_is_object(needs) && !json_is_array(needs) &&
	    !json_is_null(needs)) {
		return COMPOSE_FAIL(self, INVALID, "%s.depends_on must be a list or a map",
				    service->place);
	}
	json_object_foreach((json_t *)(uintptr_t)needs, key, how)
	{
		if (add_need(self, service, key, how) < 0) {
			return -1;
		}
	}
	if (add_list(self, service, needs) < 0) {
		return -1;
	}
	return add_list(self, service, json_object_get(service->def, "links"));
}

/* --- health --------------------------------------------------------------- */

static int read_duration(const compose_file *self, const compose_service *service, const char *key,
			 int64_t fallback, int64_t *ret)
{
	const json_t *check = json_object_get(service->def, "healthcheck");
	const char *text = kt_json_str(check, key, NULL);
	*ret = fallback;
	return text == NULL || kt_compose_parse_duration(text, ret)
		       ? 0
		       : COMPOSE_FAIL(self, INVALID, "%s.healthcheck.%s: '%s' is no duration",
				      service->place, key, text);
}

/* The list of the recipe's command; 1 when the check is switched off. */
static int add_command(const compose_file *self, const compose_service *service, kt_buf *out)
{
	const json_t *check = json_object_get(service->def, "healthcheck");
	const json_t *test = json_object_get(check, "test");
	const char *kind = json_string_value(json_array_get(test, 0));
	if (kt_json_bool(check, "disable", false) || test == NULL || kt_str_eq(kind, "NONE")) {
		return 1;
	}
	const char *shell = json_is_string(test)	       ? json_string_value(test)
			    : kt_str_eq(kind, "CMD-SHELL") ? kt_str_or(
				      json_string_value(json_array_get(test, 1)), "")
							       : NULL;
	if (shell != NULL) {
		kt_buf_adds(out, "[\"/bin/sh\", \"-c\", ");
		kt_compose_quote(out, shell);
		kt_buf_adds(out, "]");
		return 0;
	}
	if (!kt_str_eq(kind, "CMD") || json_array_size(test) < 2) {
		return COMPOSE_FAIL(self, INVALID,
				    "%s.healthcheck.test must be a text or a list that begins with "
				    "CMD, CMD-SHELL or NONE",
				    service->place);
	}
	for (size_t i = 1; i < json_array_size(test); i++) {
		const char *word = json_string_value(json_array_get(test, i));
		kt_buf_adds(out, i == 1 ? "[" : ", ");
		kt_compose_quote(out, kt_str_or(word, ""));
	}
	kt_buf_adds(out, "]");
	return 0;
}

int kt_compose_health(const compose_file *self, const compose_service *service, kt_buf *out)
{
	const json_t *check = json_object_get(service->def, "healthcheck");
	KT_AUTO_BUF kt_buf command = KT_BUF_INIT;
	int64_t interval, timeout, grace, poll;
	if (!service->health_wanted) {
		return 0;
	}
	int off = add_command(self, service, &command);
	if (off < 0) {
		return -1;
	}
	if (off) {
		return COMPOSE_FAIL(self, UNSUPPORTED,
				    "%s has no healthcheck, but another service depends on it with the "
				    "condition service_healthy; checks that images bring along are not "
				    "supported: add 'healthcheck' to the service",
				    service->place);
	}
	if (read_duration(self, service, "interval", DEFAULT_INTERVAL_MS, &interval) < 0 ||
	    read_duration(self, service, "timeout", DEFAULT_INTERVAL_MS, &timeout) < 0 ||
	    read_duration(self, service, "start_period", 0, &grace) < 0) {
		return -1;
	}
	int64_t retries = kt_json_int(check, "retries", DEFAULT_RETRIES);
	if (retries < 1 || retries > 1000000 || interval < 1) {
		return COMPOSE_FAIL(self, INVALID,
				    "%s.healthcheck: interval and retries must be positive",
				    service->place);
	}
	poll = interval < POLL_MS ? interval : POLL_MS;
	kt_buf_addf(out,
		    "ready_conditions=ReadyCondition(recipe=ExecRecipe(command=%s), field=\"code\", "
		    "assertion=\"==\", target_value=0, interval=\"%lldms\", timeout=\"%lldms\"), ",
		    kt_buf_str(&command), (long long)poll,
		    (long long)(grace + retries * (interval + timeout)));
	return command.failed ? kt_err_nomem(self->err) : 0;
}
