/*
 * Services: registration, batches with roll-back, stop, start, removal. Everything is in
 * the enclave's database before the backend makes it.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "base/uuid.h"
#include "run/run_internal.h"

#include <arpa/inet.h>
#include <stdatomic.h>

#define LOG_PART "run"

/* --- registration --- */

static int register_new(kt_run_env *env, kt_add_item *item, kt_arena *arena, kt_err *err)
{
	char ip[INET_ADDRSTRLEN];
	kt_uuid uuid = kt_uuid_random();
	struct in_addr address = {0};

	item->reg.uuid = kt_arena_strdup(arena, uuid.text);
	item->reg.name = kt_arena_strdup(arena, item->name);
	item->reg.hostname = item->reg.name;
	if (item->reg.uuid == NULL || item->reg.name == NULL) {
		return kt_err_nomem(err);
	}
	if (env->backend->ops->service_reserve(env->backend, env->enclave_uuid, item->reg.uuid,
	                                       item->name, &address, err) < 0) {
		item->reg.uuid = NULL;
		return -1;
	}
	inet_ntop(AF_INET, &address, ip, sizeof(ip));
	item->reg.ip = kt_arena_strdup(arena, ip);
	return item->reg.ip != NULL ? kt_state_put_service(env->state, &item->reg, err)
	                            : kt_err_nomem(err);
}

/*
 * An existing registration keeps uuid and address. The address is asked for again: the
 * backend may have lost it together with the host's memory.
 */
static int register_again(kt_run_env *env, kt_add_item *item, kt_err *err)
{
	struct in_addr address = {0};

	item->update = true;
	if (env->backend->ops->service_reserve(env->backend, env->enclave_uuid, item->reg.uuid,
	                                       item->name, &address, err) < 0) {
		return -1;
	}
	item->reg.status = KT_REG_REGISTERED;
	return kt_state_set_status(env->state, item->reg.uuid, KT_REG_REGISTERED, err);
}

static int register_item(kt_run_env *env, kt_add_item *item, kt_arena *arena, kt_err *err)
{
	kt_reg known = {0};
	int found = kt_state_find_service(env->state, item->name, arena, &known, err);

	if (found < 0) {
		return -1;
	}
	/* A uuid that happens to be the name of a new service is no registration of it. */
	if (found == 1 && strcmp(known.name, item->name) == 0) {
		item->reg = known;
		item->reg.config = NULL;
		return register_again(env, item, err);
	}
	return register_new(env, item, arena, err);
}

static void unregister(kt_run_env *env, const kt_reg *reg)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	if (reg->uuid == NULL) {
		return;
	}
	if (env->backend->ops->service_release(env->backend, env->enclave_uuid, reg->uuid, &err) <
	            0 ||
	    kt_state_drop_service(env->state, reg->uuid, &err) < 0) {
		kt_log_err(KT_LOG_WARN, LOG_PART, &err, "service '%s' could not be undone",
		           reg->name);
	}
}

/* --- starting --- */

typedef struct batch {
	kt_run_env *env;
	kt_add_item *items;
	size_t n;
	const kt_cancel *cancel;
	atomic_size_t next;
	atomic_bool failed; /* nothing new is started any more */
} batch;

static int start_item(batch *b, kt_add_item *item, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_run_env *env = b->env;
	kt_plan_config *config = NULL;

	if (kt_service_fill(env, item->config, item->reg.ip, &arena, &config, err) < 0) {
		return -1;
	}
	/* Known from here on, so that the log of one that dies at once can be asked for by name. */
	if (!item->update &&
	    kt_state_add_identifier(env->state, item->reg.uuid, item->name, err) < 0) {
		return -1;
	}
	if (kt_service_launch(env, &item->reg, config, item->task, b->cancel, err) < 0) {
		return -1;
	}
	kt_reg started = item->reg;
	started.status = KT_REG_STARTED;
	started.config = config;
	if (kt_state_put_service(env->state, &started, err) < 0) {
		return -1;
	}
	item->reg.status = KT_REG_STARTED;
	return 0;
}

static void *start_worker(void *arg)
{
	batch *b = arg;

	for (;;) {
		size_t i = atomic_fetch_add(&b->next, 1);
		if (i >= b->n || atomic_load(&b->failed)) {
			return NULL;
		}
		if (start_item(b, &b->items[i], &b->items[i].error) < 0) {
			atomic_store(&b->failed, true);
		}
	}
}

/* Runs the workers; this thread is one of them. */
static void start_all(batch *b, int parallelism)
{
	size_t workers = KT_MIN(b->n, (size_t)KT_MAX(parallelism, 1));
	pthread_t *threads = kt_calloc(workers, sizeof(*threads));
	size_t started = 0;

	while (threads != NULL && started + 1 < workers &&
	       kt_thread_start(&threads[started], 0, "start", start_worker, b, NULL) == 0) {
		started++;
	}
	start_worker(b);
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
	kt_free(threads);
}

/* --- failure --- */

static void roll_back(kt_run_env *env, kt_add_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!items[i].update) {
			unregister(env, &items[i].reg);
		} else if (items[i].reg.status == KT_REG_REGISTERED) {
			/* What runs of a failed update is stopped; its name stays taken. */
			KT_AUTO_ERR kt_err err = KT_ERR_INIT;
			if (kt_service_stop(env, &items[i].reg, &err) < 0) {
				kt_log_err(KT_LOG_WARN, LOG_PART, &err,
				           "service '%s' could not be stopped", items[i].name);
			}
		}
	}
}

static void add_failures(const kt_add_item *items, size_t n, bool updates, kt_buf *out)
{
	bool first = true;

	kt_buf_adds(out, "map[");
	for (size_t i = 0; i < n; i++) {
		if (items[i].error.code == KT_ERR_OK || items[i].update != updates) {
			continue;
		}
		KT_AUTO_FREE char *text = kt_run_error_text(&items[i].error);
		kt_buf_addf(out, "%s%s:%s", first ? "" : " ", items[i].name,
		            text != NULL ? text : "");
		first = false;
	}
	kt_buf_addc(out, ']');
}

static int report_batch(const kt_add_item *items, size_t n, kt_err *err)
{
	KT_AUTO_BUF kt_buf names = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf created = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf updated = KT_BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (items[i].error.code != KT_ERR_OK) {
			kt_buf_addf(&names, "%s%s", names.len > 0 ? " " : "", items[i].name);
		}
	}
	add_failures(items, n, false, &created);
	add_failures(items, n, true, &updated);
	return KT_FAIL(err, PRECONDITION,
	               "Some errors occurred starting or updating the following services: '[%s]'. "
	               "The entire batch was rolled back an no service was started. Errors were:\n"
	               "Service creations: %s\nService Updates: %s",
	               kt_buf_str(&names), kt_buf_str(&created), kt_buf_str(&updated));
}

static void release_errors(kt_add_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		kt_err_release(&items[i].error);
	}
}

/* Updates come first, as their order relative to creations is fixed. */
static void updates_first(kt_add_item *items, size_t n)
{
	size_t front = 0;

	for (size_t i = 0; i < n; i++) {
		if (items[i].update) {
			kt_add_item moved = items[i];
			memmove(&items[front + 1], &items[front], (i - front) * sizeof(*items));
			items[front++] = moved;
		}
	}
}

int kt_services_add(kt_run_env *env, kt_add_item *items, size_t n, int parallelism, bool batch_text,
                    const kt_cancel *cancel, kt_arena *arena, kt_err *err)
{
	batch b = {.env = env, .items = items, .n = n, .cancel = cancel};
	bool failed = false;

	for (size_t i = 0; i < n && !failed; i++) {
		failed = register_item(env, &items[i], arena, &items[i].error) < 0;
	}
	if (!failed) {
		updates_first(items, n);
		start_all(&b, parallelism);
		failed = atomic_load(&b.failed);
	}
	if (!failed) {
		return 0;
	}
	if (batch_text) {
		report_batch(items, n, err);
	} else {
		kt_err_move(err, &items[0].error);
	}
	roll_back(env, items, n);
	release_errors(items, n);
	return -1;
}

/* --- the rest of a service's life --- */

int kt_service_remove(kt_run_env *env, const kt_reg *reg, int64_t grace_ms, kt_err *err)
{
	kt_backend *backend = env->backend;

	if (grace_ms > 0 &&
	    backend->ops->service_stop(backend, env->enclave_uuid, reg->uuid, grace_ms, err) < 0) {
		if (err != NULL && err->code != KT_ERR_NOT_FOUND) {
			return -1;
		}
		kt_err_release(err);
	}
	if (backend->ops->service_release(backend, env->enclave_uuid, reg->uuid, err) < 0) {
		return -1;
	}
	return kt_state_drop_service(env->state, reg->uuid, err);
}

int kt_service_stop(kt_run_env *env, const kt_reg *reg, kt_err *err)
{
	kt_backend *backend = env->backend;
	KT_AUTO_ERR kt_err stopped = KT_ERR_INIT;

	if (backend->ops->service_stop(backend, env->enclave_uuid, reg->uuid,
	                               KT_SERVICE_STOP_GRACE_MS, &stopped) < 0 &&
	    stopped.code != KT_ERR_NOT_FOUND) {
		kt_err_move(err, &stopped);
		return -1;
	}
	return kt_state_set_status(env->state, reg->uuid, KT_REG_STOPPED, err);
}

int kt_service_start(kt_run_env *env, const kt_reg *reg, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err started = KT_ERR_INIT;
	kt_backend *backend = env->backend;
	kt_service_info info = {0};

	/* Running already is what was asked for. */
	if (backend->ops->service_restart(backend, env->enclave_uuid, reg->uuid, &arena, &info,
	                                  &started) < 0 &&
	    started.code != KT_ERR_PRECONDITION) {
		kt_err_move(err, &started);
		return -1;
	}
	return kt_state_set_status(env->state, reg->uuid, KT_REG_STARTED, err);
}

/* --- after a crash --- */

static int recover_updated(kt_run_env *env, const kt_reg *reg, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	int known = env->backend->ops->service_inspect(env->backend, env->enclave_uuid, reg->uuid,
	                                               &arena, &info, NULL);
	bool running = known == 0 && info.state == KT_SERVICE_RUNNING;

	return kt_state_set_status(env->state, reg->uuid, running ? KT_REG_STARTED : KT_REG_STOPPED,
	                           err);
}

int kt_services_recover(kt_run_env *env, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg_list regs = {0};

	if (kt_state_list_services(env->state, &arena, &regs, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < regs.len; i++) {
		const kt_reg *reg = &regs.items[i];
		if (reg->status != KT_REG_REGISTERED) {
			continue;
		}
		/* Only a service that has started once has a stored configuration. */
		if (reg->config == NULL) {
			unregister(env, reg);
		} else if (recover_updated(env, reg, err) < 0) {
			return -1;
		}
	}
	return 0;
}
