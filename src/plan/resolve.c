/*
 * What becomes of an instruction when an earlier run has done something in its place: a table
 * with a row per instruction, and the one who reads it.
 */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

/* What happened to a service or an artifact, as far as this interpretation went. */
typedef enum edit_change { CHANGE_NONE, CHANGE_NEW, CHANGE_INTACT, CHANGE_UPDATED } edit_change;

/* What it makes: compared by name, and marked for those that use it. */
typedef enum edit_makes { MAKES_NOTHING, MAKES_SERVICES, MAKES_ARTIFACT } edit_makes;

/* Why an instruction with an equal text runs nevertheless. */
enum {
	AGAIN_FORCED = 1,    /* force_update */
	AGAIN_PARKED = 2,    /* a set_service waits for the service */
	AGAIN_MOUNTS = 4,    /* a mounted artifact was updated */
	AGAIN_SERVICE = 8,   /* the service it is about was updated */
	AGAIN_ARTIFACT = 16, /* the artifact it is about was updated */
	AGAIN_CONTENT = 32,  /* the files are others, or unknown */
};

typedef struct edit_row {
	edit_makes makes;
	edit_answer changed; /* same kind and names, another text */
	unsigned again;
	bool whatever; /* `changed` also when another instruction stood here */
	bool never;    /* spoils every attempt */
} edit_row;

#define ROW(upper, ...) [KT_INSTR_##upper] = {__VA_ARGS__}

static const edit_row rows[KT_INSTR_COUNT] = {
	ROW(ADD_SERVICE, MAKES_SERVICES, EDIT_UPDATE, AGAIN_FORCED | AGAIN_PARKED | AGAIN_MOUNTS),
	ROW(ADD_SERVICES, MAKES_SERVICES, EDIT_UPDATE, AGAIN_FORCED), /* see resolve_batch */
	ROW(UPLOAD_FILES, MAKES_ARTIFACT, EDIT_UPDATE, AGAIN_CONTENT),
	ROW(RENDER_TEMPLATES, MAKES_ARTIFACT, EDIT_UPDATE),
	ROW(STORE_SERVICE_FILES, MAKES_ARTIFACT, EDIT_UPDATE, AGAIN_SERVICE),
	ROW(EXEC, MAKES_NOTHING, EDIT_UNKNOWN, AGAIN_SERVICE),
	ROW(REQUEST, MAKES_NOTHING, EDIT_UNKNOWN, AGAIN_SERVICE),
	ROW(WAIT, MAKES_NOTHING, EDIT_UNKNOWN, AGAIN_SERVICE),
	ROW(GET_SERVICE, MAKES_NOTHING, EDIT_UNKNOWN, AGAIN_SERVICE),
	ROW(GET_FILES_ARTIFACT, MAKES_NOTHING, EDIT_UNKNOWN, AGAIN_ARTIFACT),
	ROW(SET_SERVICE, MAKES_NOTHING, EDIT_UPDATE, AGAIN_SERVICE, .whatever = true),
	ROW(PRINT, MAKES_NOTHING, EDIT_UNKNOWN),
	ROW(VERIFY, MAKES_NOTHING, EDIT_UNKNOWN),
	ROW(RUN_SH, MAKES_NOTHING, EDIT_UNKNOWN),
	ROW(RUN_PYTHON, MAKES_NOTHING, EDIT_UNKNOWN),
	ROW(GET_SERVICES, MAKES_NOTHING, EDIT_UNKNOWN),
	ROW(GET_CLUSTER_TYPE, MAKES_NOTHING, EDIT_UNKNOWN),
	ROW(REMOVE_SERVICE, MAKES_NOTHING, EDIT_ABORT, .never = true),
	ROW(START_SERVICE, MAKES_NOTHING, EDIT_ABORT, .never = true),
	ROW(STOP_SERVICE, MAKES_NOTHING, EDIT_ABORT, .never = true),
};

/* --- changes -------------------------------------------------------------- */

void edit_state_deinit(edit_state *self)
{
	kt_map_deinit(&self->changes);
	kt_map_deinit(&self->parked);
}

static void mark(edit_state *state, char class, const char *name, edit_change change)
{
	KT_AUTO_FREE char *key = kt_asprintf("%c%s", class, name);
	if (key == NULL || kt_map_set(&state->changes, key, (void *)(uintptr_t)change) < 0) {
		state->failed = true;
	}
}

static bool updated(edit_state *state, char class, const char *name)
{
	KT_AUTO_FREE char *key = name == NULL ? NULL : kt_asprintf("%c%s", class, name);
	if (key == NULL) {
		state->failed = state->failed || name != NULL;
		return false;
	}
	return (edit_change)(uintptr_t)kt_map_get(&state->changes, key) == CHANGE_UPDATED;
}

static void mark_made(const kt_instr *rec, edit_state *state, edit_answer answer)
{
	edit_change change = answer == EDIT_EQUAL    ? CHANGE_INTACT
			     : answer == EDIT_UPDATE ? CHANGE_UPDATED
						     : CHANGE_NEW;
	if (rows[rec->kind].makes == MAKES_ARTIFACT) {
		mark(state, 'a', rec->key.artifact, change);
	} else if (rows[rec->kind].makes == MAKES_SERVICES) {
		for (size_t i = 0; i < rec->key.services.len; i++) {
			mark(state, 's', rec->key.services.items[i], change);
		}
	}
}

/* --- the names of an instruction ------------------------------------------ */

static int note_one_service(kt_arena *arena, const char *name, kt_plan_strs *ret)
{
	const char **items = KT_ARENA_ARRAY(arena, const char *, 1);
	if (items == NULL) {
		return -1;
	}
	items[0] = name;
	*ret = (kt_plan_strs){items, 1};
	return 0;
}

static int note_services(kt_arena *arena, const kt_args_add_services *args, kt_plan_strs *ret)
{
	const char **items = KT_ARENA_ARRAY(arena, const char *, args->len + 1);
	if (items == NULL) {
		return -1;
	}
	for (size_t i = 0; i < args->len; i++) {
		items[i] = args->items[i].name;
	}
	*ret = (kt_plan_strs){items, args->len};
	return 0;
}

int edit_note_key(kt_arena *arena, kt_instr *rec)
{
	kt_instr_key *key = &rec->key;
	switch (rec->kind) {
	case KT_INSTR_ADD_SERVICE:
		return note_one_service(arena, rec->u.add_service.name, &key->services);
	case KT_INSTR_ADD_SERVICES:
		return note_services(arena, &rec->u.add_services, &key->services);
	case KT_INSTR_SET_SERVICE:
		return note_one_service(arena, rec->u.set_service.name, &key->services);
	case KT_INSTR_GET_SERVICE:
	case KT_INSTR_REMOVE_SERVICE:
	case KT_INSTR_START_SERVICE:
	case KT_INSTR_STOP_SERVICE:
		return note_one_service(arena, rec->u.get_service.name, &key->services);
	case KT_INSTR_GET_FILES_ARTIFACT:
		key->artifact = rec->u.get_files_artifact.name;
		return 0;
	case KT_INSTR_UPLOAD_FILES:
		key->artifact = rec->u.upload_files.artifact;
		return 0;
	case KT_INSTR_RENDER_TEMPLATES:
		key->artifact = rec->u.render_templates.artifact;
		return 0;
	case KT_INSTR_STORE_SERVICE_FILES:
		key->artifact = rec->u.store_service_files.artifact;
		return 0;
	default:
		return 0;
	}
}

/* The service whose update makes the instruction run again; NULL = none. */
static const char *used_service(const kt_instr *rec)
{
	switch (rec->kind) {
	case KT_INSTR_EXEC:
		return rec->u.exec.service_name;
	case KT_INSTR_REQUEST:
		return rec->u.request.service_name;
	case KT_INSTR_WAIT:
		return rec->u.wait.service_name;
	case KT_INSTR_STORE_SERVICE_FILES:
		return rec->u.store_service_files.service_name;
	default:
		return rec->key.services.len > 0 ? rec->key.services.items[0] : NULL;
	}
}

static bool has_name(const kt_plan_strs *names, const char *name)
{
	for (size_t i = 0; i < names->len; i++) {
		if (kt_str_eq(names->items[i], name)) {
			return true;
		}
	}
	return false;
}

static bool same_names(const kt_instr *rec, const kt_done *other, edit_makes makes)
{
	const kt_plan_strs *services = &other->key.services;
	return makes == MAKES_NOTHING    ? true
	       : makes == MAKES_ARTIFACT ? kt_str_eq(rec->key.artifact, other->key.artifact)
					 : services->len == 1 &&
						   has_name(services, rec->u.add_service.name);
}

/* --- deciding ------------------------------------------------------------- */

static bool forced(const kt_instr *rec)
{
	return (rec->kind == KT_INSTR_ADD_SERVICE && rec->u.add_service.force_update) ||
	       (rec->kind == KT_INSTR_ADD_SERVICES && rec->u.add_services.force_update);
}

static bool mounts_updated(const kt_instr *rec, edit_state *state)
{
	const kt_plan_mounts *mounts = &rec->u.add_service.config.files;
	for (size_t i = 0; i < mounts->len; i++) {
		const kt_plan_strs *artifacts = &mounts->items[i].artifacts;
		for (size_t k = 0; k < artifacts->len; k++) {
			if (updated(state, 'a', artifacts->items[k])) {
				return true;
			}
		}
	}
	return false;
}

static bool runs_again(const kt_instr *rec, const kt_done *other, edit_state *state)
{
	unsigned again = rows[rec->kind].again;
	const kt_instr_key *key = &rec->key;
	return ((again & AGAIN_FORCED) != 0 && forced(rec)) ||
	       ((again & AGAIN_PARKED) != 0 &&
		kt_map_has(&state->parked, rec->u.add_service.name)) ||
	       ((again & AGAIN_MOUNTS) != 0 && mounts_updated(rec, state)) ||
	       ((again & AGAIN_SERVICE) != 0 && updated(state, 's', used_service(rec))) ||
	       ((again & AGAIN_ARTIFACT) != 0 && updated(state, 'a', key->artifact)) ||
	       ((again & AGAIN_CONTENT) != 0 &&
		(!key->has_md5 || !other->key.has_md5 ||
		 memcmp(key->md5, other->key.md5, KT_MD5_LEN) != 0));
}

/* A text or value that is not there equals nothing. */
static bool same_text(const kt_instr *rec, const kt_done *other)
{
	return rec->kind == other->kind && other->text != NULL && other->returned != NULL &&
	       kt_uuid_valid(kt_str_or(other->uuid, "")) &&
	       kt_str_eq(rec->text, other->text);
}

/* add_services asks in an order of its own, and may gain services. */
static edit_answer resolve_batch(const kt_instr *rec, const kt_done *other, edit_state *state)
{
	if (forced(rec)) {
		mark_made(rec, state, EDIT_UPDATE);
		return other == NULL ? EDIT_UNKNOWN : EDIT_UPDATE;
	}
	if (other != NULL && same_text(rec, other)) {
		mark_made(rec, state, EDIT_EQUAL);
		return EDIT_EQUAL;
	}
	mark_made(rec, state, EDIT_UNKNOWN);
	if (other == NULL || other->kind != rec->kind) {
		return EDIT_UNKNOWN;
	}
	const kt_plan_strs *old = &other->key.services;
	for (size_t i = 0; i < old->len; i++) {
		if (!has_name(&rec->key.services, old->items[i])) {
			return EDIT_UNKNOWN;
		}
	}
	for (size_t i = 0; i < old->len; i++) {
		mark(state, 's', old->items[i], CHANGE_UPDATED);
	}
	return EDIT_UPDATE;
}

edit_answer edit_resolve(const kt_instr *rec, const kt_done *other, edit_state *state)
{
	const edit_row *row = &rows[rec->kind];
	edit_answer answer = EDIT_UNKNOWN;
	if (row->never) {
		return EDIT_ABORT;
	}
	if (rec->kind == KT_INSTR_SET_SERVICE &&
	    kt_map_set(&state->parked, rec->u.set_service.name, state) < 0) {
		state->failed = true;
	}
	if (rec->kind == KT_INSTR_ADD_SERVICES) {
		return resolve_batch(rec, other, state);
	}
	if (other != NULL && (row->whatever || (other->kind == rec->kind &&
						same_names(rec, other, row->makes)))) {
		answer = !same_text(rec, other)		  ? row->changed
			 : runs_again(rec, other, state) ? EDIT_UPDATE
							  : EDIT_EQUAL;
	}
	mark_made(rec, state, answer);
	return answer;
}
