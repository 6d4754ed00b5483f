/* The engine's enclaves: create, stop, destroy, clean, and taking them up after a restart. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PART "engine"
#define BACKEND "native"
#define STOP_GRACE_MS 3000
#define CONTAINERS_RUNNING                                                                         \
	ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_RUNNING
#define CONTAINERS_STOPPED                                                                         \
	ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_STOPPED

/* ---- entries ------------------------------------------------------------------------ */

static void entry_free(kt_enclave_entry *self)
{
	if (self != NULL) {
		kt_close_ptr(&self->pidfd);
		kt_close_ptr(&self->keeper);
		kt_enclave_row_deinit(&self->row);
		kt_free(self);
	}
}

/* Takes the row, also on failure. */
static kt_enclave_entry *add_entry(kt_engine *self, kt_enclave_row *row, kt_err *err)
{
	kt_enclave_entry *entry = kt_calloc(1, sizeof(*entry));
	if (entry == NULL) {
		kt_enclave_row_deinit(row);
		kt_err_nomem(err);
		return NULL;
	}
	*entry = (kt_enclave_entry){.row = *row, .pidfd = -1, .keeper = -1};
	*row = (kt_enclave_row){.name = NULL};
	if (kt_vec_push(&self->enclaves, entry) < 0) {
		entry_free(entry);
		kt_err_nomem(err);
		return NULL;
	}
	return entry;
}

static void drop_entry(kt_engine *self, const char *uuid)
{
	for (size_t i = 0; i < self->enclaves.len; i++) {
		if (kt_str_eq(self->enclaves.items[i]->row.uuid.text, uuid)) {
			entry_free(self->enclaves.items[i]);
			memmove(&self->enclaves.items[i], &self->enclaves.items[i + 1],
				(self->enclaves.len - i - 1) * sizeof(*self->enclaves.items));
			self->enclaves.len--;
			return;
		}
	}
}

kt_enclave_entry *kt_engine_find(kt_engine *self, const char *uuid)
{
	for (size_t i = 0; i < self->enclaves.len; i++) {
		if (kt_str_eq(self->enclaves.items[i]->row.uuid.text, uuid)) {
			return self->enclaves.items[i];
		}
	}
	return NULL;
}

void kt_identifiers_deinit(kt_identifiers *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_free(self->items[i].name);
	}
	kt_vec_deinit(self);
}

/* 1 = done, 0 = there is no such entry, -1. */
static int set_phase(kt_engine *self, const char *uuid, kt_enclave_phase phase, kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_enclave_entry *entry = kt_engine_find(self, uuid);
	if (entry == NULL) {
		return 0;
	}
	entry->row.phase = phase;
	return kt_engine_db_put(self->db, &entry->row, err) < 0 ? -1 : 1;
}

/* ---- life --------------------------------------------------------------------------- */

static int load(kt_engine *self, kt_err *err)
{
	kt_enclave_rows rows = {0};
	int rc = kt_engine_db_load(self->db, &rows, &self->history, err);
	for (size_t i = 0; i < rows.len; i++) {
		if (rc == 0) {
			rc = add_entry(self, &rows.items[i], err) != NULL ? 0 : -1;
		} else {
			kt_enclave_row_deinit(&rows.items[i]);
		}
	}
	kt_vec_deinit(&rows);
	return rc;
}

kt_engine *kt_engine_new(const kt_engine_deps *deps, kt_err *err)
{
	kt_engine *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->deps = deps;
	pthread_mutex_init(&self->manage, NULL);
	pthread_mutex_init(&self->lock, NULL);
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	self->stop = kt_cancel_new(err);
	KT_AUTO_FREE char *path = kt_path_join(deps->root, "engine.db");
	if (path == NULL) {
		kt_err_nomem(err);
	}
	if (path != NULL && self->stop != NULL) {
		self->db = kt_engine_db_open(path, err);
	}
	if (self->db != NULL) {
		self->backend = deps->open_backend(BACKEND, err);
	}
	if (self->backend == NULL || load(self, err) < 0) {
		kt_engine_free(self);
		return NULL;
	}
	return self;
}

void kt_engine_free(kt_engine *self)
{
	if (self == NULL) {
		return;
	}
	kt_engine_unwatch(self);
	for (size_t i = 0; i < self->enclaves.len; i++) {
		entry_free(self->enclaves.items[i]);
	}
	kt_vec_deinit(&self->enclaves);
	kt_identifiers_deinit(&self->history);
	kt_backend_close(self->backend);
	kt_engine_db_close(self->db);
	kt_close_ptr(&self->epoll);
	kt_cancel_unref(self->stop);
	pthread_mutex_destroy(&self->lock);
	pthread_mutex_destroy(&self->manage);
	kt_free(self);
}

static char *enclave_dir(const kt_engine *self, const char *uuid)
{
	return kt_asprintf("%s/enclaves/%s", self->deps->root, uuid);
}

char *kt_engine_log_path(const kt_engine *self, const char *enclave, const char *service)
{
	return kt_asprintf("%s/enclaves/%s/logs/%s.log", self->deps->root, enclave, service);
}

/* ---- API containers ----------------------------------------------------------------- */

static int record_apic(kt_engine *self, const char *uuid, const kt_apic_proc *proc, int pidfd,
		       kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_enclave_entry *entry = kt_engine_find(self, uuid);
	KT_ASSERT(entry != NULL); /* `manage` is held: nobody has removed it */
	kt_close_ptr(&entry->pidfd);
	entry->pidfd = pidfd;
	entry->row.apic = *proc;
	entry->apic_since = kt_now();
	if (kt_engine_db_put(self->db, &entry->row, err) < 0) {
		return -1;
	}
	return kt_engine_watch_fd(self, pidfd, err);
}

/* What an API container is started with; text lives in the arena. */
static int fill_apic_spec(kt_engine *self, const char *uuid, kt_arena *arena,
			  kt_apic_spec_line *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	const kt_enclave_entry *entry = kt_engine_find(self, uuid);
	KT_ASSERT(entry != NULL);
	*ret = (kt_apic_spec_line){
		.uuid = uuid,
		.name = kt_arena_strdup(arena, entry->row.name),
		.log_level = kt_arena_strdup(arena, entry->row.log_level),
		.production = entry->row.production,
		.port = entry->row.apic.port,
		.log_path = kt_arena_printf(arena, "%s/enclaves/%s/apic.log", self->deps->root,
					    uuid),
	};
	bool whole = ret->name != NULL && ret->log_level != NULL && ret->log_path != NULL;
	return whole ? 0 : kt_err_nomem(err);
}

/* birth NULL = start one now. */
static int finish_apic(kt_engine *self, const kt_apic_spec_line *spec, kt_apic_birth *birth,
		       kt_err *err)
{
	KT_AUTO_FREE char *dir = enclave_dir(self, spec->uuid);
	kt_apic_proc proc = {0};
	int pidfd = -1;
	int rc = dir == NULL ? kt_err_nomem(err) : kt_fs_mkdirs(dir, 0711, err);
	if (rc == 0) {
		rc = birth != NULL ? kt_apic_finish(spec, birth, &proc, &pidfd, err)
				   : kt_apic_spawn(spec, &proc, &pidfd, err);
	}
	return rc < 0 ? -1 : record_apic(self, spec->uuid, &proc, pidfd, err);
}

int kt_engine_start_apic(kt_engine *self, const char *uuid, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_apic_spec_line spec;
	if (fill_apic_spec(self, uuid, &arena, &spec, err) < 0) {
		return -1;
	}
	return finish_apic(self, &spec, NULL, err);
}

static void end_apic(kt_engine *self, const char *uuid, int64_t grace_ms)
{
	kt_apic_proc proc = {0};
	{
		KT_LOCK(&self->lock);
		kt_enclave_entry *entry = kt_engine_find(self, uuid);
		if (entry == NULL) {
			return;
		}
		proc = entry->row.apic;
		kt_close_ptr(&entry->pidfd);
	}
	kt_apic_kill(&proc, grace_ms);
}

static int watch_keeper(kt_engine *self, const char *uuid, kt_err *err)
{
	int fd = -1;
	if (self->deps->keeper_fd == NULL) {
		return 0;
	}
	/* It may have died while no engine ran. */
	if (self->deps->keeper_fd(self->backend, uuid, &fd, NULL) < 0 &&
	    (self->deps->keeper_revive(self->backend, uuid, err) < 0 ||
	     self->deps->keeper_fd(self->backend, uuid, &fd, err) < 0)) {
		return -1;
	}
	KT_LOCK(&self->lock);
	kt_enclave_entry *entry = kt_engine_find(self, uuid);
	if (entry == NULL) {
		close(fd);
		return 0;
	}
	kt_close_ptr(&entry->keeper);
	entry->keeper = fd;
	return kt_engine_watch_fd(self, fd, err);
}

/* ---- create ------------------------------------------------------------------------- */

static bool name_taken(void *ctx, const char *name)
{
	kt_engine *self = ctx;
	for (size_t i = 0; i < self->enclaves.len; i++) {
		if (kt_str_eq(self->enclaves.items[i]->row.name, name)) {
			return true;
		}
	}
	for (size_t i = 0; i < self->history.len; i++) {
		if (kt_str_eq(self->history.items[i].name, name)) {
			return true;
		}
	}
	return false;
}

static char *choose_name(kt_engine *self, const char *wish, kt_err *err)
{
	KT_LOCK(&self->lock);
	if (wish[0] == '\0') {
		char *made = kt_enclave_name_make(name_taken, self);
		if (made == NULL) {
			kt_err_nomem(err);
		}
		return made;
	}
	if (kt_enclave_name_check(wish, err) < 0) {
		return NULL;
	}
	for (size_t i = 0; i < self->enclaves.len; i++) {
		if (kt_str_eq(self->enclaves.items[i]->row.name, wish)) {
			KT_FAIL(err, EXISTS, "an enclave named '%s' exists already", wish);
			kt_err_hint(err, "choose another name, or remove that one: kurtosis enclave rm -f %s",
				    wish);
			return NULL;
		}
	}
	char *copy = kt_strdup(wish);
	if (copy == NULL) {
		kt_err_nomem(err);
	}
	return copy;
}

/* Before anything of the enclave exists, so that a crash leaves nothing unknown. */
static int record_new(kt_engine *self, const kt_new_enclave *spec, const kt_uuid *uuid, char *name,
		      kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_enclave_row row = {
		.uuid = *uuid,
		.name = name,
		.created_ns = kt_wall_ns(),
		.production = spec->production,
		.log_level = kt_strdup(spec->log_level),
		.phase = KT_PHASE_CREATING,
	};
	if (row.log_level == NULL) {
		kt_enclave_row_deinit(&row);
		return kt_err_nomem(err);
	}
	const kt_enclave_entry *entry = add_entry(self, &row, err);
	if (entry == NULL) {
		return -1;
	}
	if (kt_engine_db_put(self->db, &entry->row, err) < 0) {
		drop_entry(self, uuid->text);
		return -1;
	}
	return 0;
}

static int forget(kt_engine *self, const char *uuid, kt_err *err)
{
	KT_LOCK(&self->lock);
	drop_entry(self, uuid);
	return kt_engine_db_delete(self->db, uuid, err);
}

static int destroy_known(kt_engine *self, const char *uuid, kt_err *err)
{
	KT_AUTO_FREE char *dir = enclave_dir(self, uuid);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	int known = set_phase(self, uuid, KT_PHASE_DESTROYING, &cause);
	if (known < 0) {
		/* A full disk does not stand in the way of what makes room. */
		kt_log_err(KT_LOG_WARN, PART, &cause, "cannot note the end of enclave %s", uuid);
		kt_err_release(&cause);
	}
	end_apic(self, uuid, 0);
	if (self->backend->ops->enclave_destroy(self->backend, uuid, &cause) < 0 &&
	    (known == 0 || cause.code != KT_ERR_NOT_FOUND)) {
		kt_err_move(err, &cause);
		return -1;
	}
	/* The API container's state, where the backend has not taken it along. */
	return kt_fs_remove_tree(dir, err) < 0 ? -1 : forget(self, uuid, err);
}

static int make_enclave(kt_engine *self, const kt_enclave_spec *spec, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_apic_spec_line apic;
	kt_apic_birth birth = KT_APIC_BIRTH_INIT;
	if (fill_apic_spec(self, spec->uuid, &arena, &apic, err) < 0 ||
	    kt_apic_begin(&apic, &birth, err) < 0) {
		return -1;
	}
	if (self->backend->ops->enclave_create(self->backend, spec, err) < 0 ||
	    finish_apic(self, &apic, &birth, err) < 0 ||
	    set_phase(self, spec->uuid, KT_PHASE_RUNNING, err) < 0) {
		kt_apic_abandon(&birth);
		return -1;
	}
	return watch_keeper(self, spec->uuid, err);
}

/* Appends to the list of all names; a full disk does not undo an enclave. */
static void remember(kt_engine *self, const kt_uuid *uuid, const char *name)
{
	KT_LOCK(&self->lock);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_identifier item = {*uuid, kt_strdup(name)};
	if (item.name == NULL || kt_engine_db_remember(self->db, &item, &err) < 0 ||
	    kt_vec_push(&self->history, item) < 0) {
		kt_log_err(KT_LOG_WARN, PART, &err, "cannot note the name of enclave %s", name);
		kt_free(item.name);
	}
}

int kt_engine_create(kt_engine *self, const kt_new_enclave *spec, kt_uuid *ret_uuid, kt_err *err)
{
	KT_LOCK(&self->manage);
	KT_AUTO_FREE char *name = choose_name(self, spec->name, err);
	KT_AUTO_FREE char *copy = kt_strdup(name);
	if (name == NULL || copy == NULL) {
		return name != NULL ? kt_err_nomem(err) : -1;
	}
	kt_uuid uuid = kt_uuid_random();
	if (record_new(self, spec, &uuid, KT_STEAL(copy), err) < 0) {
		return -1;
	}
	kt_enclave_spec enclave = {
		.uuid = uuid.text, .name = name, .production = spec->production};
	if (make_enclave(self, &enclave, err) < 0) {
		KT_AUTO_ERR kt_err undo = KT_ERR_INIT;
		if (destroy_known(self, uuid.text, &undo) < 0) {
			kt_log_err(KT_LOG_ERROR, PART, &undo, "cannot undo enclave %s", name);
		}
		return -1;
	}
	remember(self, &uuid, name);
	KT_INFO(PART, "enclave created  uuid=%s name=%s", uuid.text, name);
	*ret_uuid = uuid;
	return 0;
}

/* ---- find --------------------------------------------------------------------------- */

/* What is looked for, and what has been found. */
typedef struct match {
	const char *identifier;
	size_t kind; /* index into match_kinds */
	kt_uuid uuid;
	size_t count;
	kt_buf all;
} match;

static const char *const match_kinds[] = {"uuid", "shortened uuid", "name"};

static void try_match(match *self, const kt_uuid *uuid, const char *name)
{
	const char *key = self->kind == 2 ? name : uuid->text;
	size_t len = self->kind == 1 ? KT_UUID_SHORT_LEN : strlen(key);
	if (strlen(self->identifier) != len || strncmp(key, self->identifier, len) != 0) {
		return;
	}
	self->uuid = *uuid;
	self->count++;
	kt_buf_addf(&self->all, "%s%s", self->all.len > 0 ? " " : "", uuid->text);
}

/* 1 found, 0 not, -1 ambiguous. views NULL = among the engine's own enclaves. */
static int search(kt_engine *self, const kt_enclave_views *views, const char *identifier,
		  kt_uuid *ret, kt_err *err)
{
	for (size_t kind = 0; kind < KT_ARRAY_LEN(match_kinds); kind++) {
		match found = {.identifier = identifier, .kind = kind, .all = KT_BUF_INIT};
		if (views == NULL) {
			KT_LOCK(&self->lock);
			for (size_t i = 0; i < self->enclaves.len; i++) {
				const kt_enclave_row *row = &self->enclaves.items[i]->row;
				try_match(&found, &row->uuid, row->name);
			}
		} else {
			for (size_t i = 0; i < views->len; i++) {
				try_match(&found, &views->items[i].uuid, views->items[i].name);
			}
		}
		int rc = found.count > 0 ? 1 : 0;
		if (found.count > 1) {
			rc = KT_FAIL(err, INVALID,
				     "Found multiple enclaves '[%s]' matching %s '%s'. Please use a "
				     "uuid to be more specific",
				     kt_buf_str(&found.all), match_kinds[kind], identifier);
		}
		kt_buf_deinit(&found.all);
		if (rc != 0) {
			*ret = found.uuid;
			return rc;
		}
	}
	return 0;
}

int kt_engine_resolve(kt_engine *self, const char *identifier, kt_uuid *ret, kt_err *err)
{
	int rc = search(self, NULL, identifier, ret, err);
	if (rc == 0) {
		/* What only the backend knows: remains of another engine's time. */
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		kt_enclave_views views = {0};
		rc = kt_engine_views(self, &arena, &views, err);
		rc = rc == 0 ? search(self, &views, identifier, ret, err) : rc;
		kt_vec_deinit(&views);
	}
	if (rc == 0) {
		return KT_FAIL(err, NOT_FOUND, "Couldn't find enclave uuid for identifier '%s'",
			       identifier);
	}
	return rc < 0 ? -1 : 0;
}

/* ---- stop, destroy, clean ----------------------------------------------------------- */

int kt_engine_stop(kt_engine *self, const char *identifier, kt_err *err)
{
	KT_LOCK(&self->manage);
	kt_uuid uuid = {0};
	if (kt_engine_resolve(self, identifier, &uuid, err) < 0 ||
	    set_phase(self, uuid.text, KT_PHASE_STOPPED, err) < 0) {
		return -1;
	}
	end_apic(self, uuid.text, STOP_GRACE_MS);
	return self->backend->ops->enclave_stop(self->backend, uuid.text, err);
}

int kt_engine_destroy(kt_engine *self, const char *identifier, kt_err *err)
{
	KT_LOCK(&self->manage);
	kt_uuid uuid = {0};
	if (kt_engine_resolve(self, identifier, &uuid, err) < 0) {
		return -1;
	}
	return destroy_known(self, uuid.text, err);
}

static int compare_views(const void *a, const void *b)
{
	const kt_enclave_view *one = a;
	const kt_enclave_view *two = b;
	return strcmp(one->uuid.text, two->uuid.text);
}

/*
 * Enclaves that no view shows: half made or half destroyed when something failed. `manage` is
 * held, so nobody is at work on them.
 */
static int add_unsettled(kt_engine *self, kt_arena *arena, kt_enclave_views *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	for (size_t i = 0; i < self->enclaves.len; i++) {
		const kt_enclave_row *row = &self->enclaves.items[i]->row;
		if (row->phase == KT_PHASE_RUNNING || row->phase == KT_PHASE_STOPPED) {
			continue;
		}
		kt_enclave_view view = {.uuid = row->uuid,
					.name = kt_arena_strdup(arena, row->name),
					.containers = CONTAINERS_STOPPED};
		if (view.name == NULL || kt_vec_push(ret, view) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

/* Destroys one and notes it in ret; a failure goes into the list of failures. */
static int clean_one(kt_engine *self, const kt_enclave_view *view, kt_identifiers *ret,
		     kt_strvec *failures, kt_err *err)
{
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	if (destroy_known(self, view->uuid.text, &cause) < 0) {
		KT_AUTO_FREE char *text = kt_err_chain_text(&cause);
		int rc = kt_strvec_addf(failures,
					">>>>>>>>>>>>>>>>> ERROR %zu <<<<<<<<<<<<<<<<<\n%s",
					failures->len, kt_str_or(text, "out of memory"));
		return rc < 0 ? kt_err_nomem(err) : 0;
	}
	kt_identifier item = {view->uuid, kt_strdup(view->name)};
	if (item.name == NULL || kt_vec_push(ret, item) < 0) {
		kt_free(item.name);
		return kt_err_nomem(err);
	}
	return 0;
}

int kt_engine_clean(kt_engine *self, bool all, kt_identifiers *ret, kt_err *err)
{
	KT_LOCK(&self->manage);
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_STRVEC kt_strvec failures = KT_STRVEC_INIT;
	kt_enclave_views views = {0};
	int rc = kt_engine_views(self, &arena, &views, err);
	rc = rc == 0 ? add_unsettled(self, &arena, &views, err) : rc;
	if (rc == 0 && views.len > 1) {
		qsort(views.items, views.len, sizeof(*views.items), compare_views);
	}
	for (size_t i = 0; rc == 0 && i < views.len; i++) {
		const kt_enclave_view *view = &views.items[i];
		if (all || view->containers != CONTAINERS_RUNNING) {
			rc = clean_one(self, view, ret, &failures, err);
		}
	}
	kt_vec_deinit(&views);
	if (rc == 0 && failures.len > 0) {
		KT_AUTO_FREE char *text = kt_strvec_join(&failures, ", ");
		rc = KT_FAIL(err, INTERNAL,
			     "Following errors occurred while removing some enclaves :\n%s",
			     kt_str_or(text, ""));
	}
	return rc;
}

/* ---- after the engine's own restart ------------------------------------------------- */

/* Gives an enclave that shall run what it lacks. */
static int resume_running(kt_engine *self, const char *uuid, bool restart_apic, kt_err *err)
{
	kt_apic_proc proc = {0};
	{
		KT_LOCK(&self->lock);
		proc = kt_engine_find(self, uuid)->row.apic;
	}
	if (restart_apic) {
		kt_apic_kill(&proc, STOP_GRACE_MS);
	}
	int pidfd = kt_apic_open(&proc);
	int rc = pidfd >= 0 ? record_apic(self, uuid, &proc, pidfd, err)
			    : kt_engine_start_apic(self, uuid, err);
	return rc < 0 ? -1 : watch_keeper(self, uuid, err);
}

static int resume_one(kt_engine *self, const kt_enclave_entry *entry, bool restart_apic,
		      kt_err *err)
{
	kt_uuid uuid = entry->row.uuid;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
	kt_enclave_info info;
	switch (entry->row.phase) {
	case KT_PHASE_CREATING:
	case KT_PHASE_DESTROYING:
		return destroy_known(self, uuid.text, err);
	case KT_PHASE_STOPPED:
		return 0;
	case KT_PHASE_RUNNING:
		break;
	}
	int rc = self->backend->ops->enclave_inspect(self->backend, uuid.text, &arena, &info,
						     &cause);
	if (rc < 0 && cause.code == KT_ERR_NOT_FOUND) {
		return destroy_known(self, uuid.text, err); /* somebody deleted its state */
	}
	return resume_running(self, uuid.text, restart_apic, err);
}

int kt_engine_resume(kt_engine *self, bool restart_apics, kt_err *err)
{
	KT_LOCK(&self->manage);
	/* One may vanish on the way: go from the end. */
	for (size_t i = self->enclaves.len; i-- > 0;) {
		KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
		const kt_enclave_entry *entry = self->enclaves.items[i];
		KT_AUTO_FREE char *name = kt_strdup(entry->row.name);
		if (resume_one(self, entry, restart_apics, &cause) < 0) {
			kt_log_err(KT_LOG_ERROR, PART, &cause, "cannot take up enclave %s",
				   kt_str_or(name, "?"));
		}
	}
	return kt_engine_watch(self, err);
}
