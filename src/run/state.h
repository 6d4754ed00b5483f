/*
 * What one enclave remembers: <enclave dir>/apic.db (SQLite, WAL).
 *
 * Service registrations, identifiers of all services that ever were, runtime values, what
 * interpretation must remember of services, the last run's parameters, the instructions that
 * make up the enclave's plan, and the journal. Thread-safe; every change is on disk (in the log)
 * when the call returns.
 * Look-ups copy into the caller's arena.
 */
#ifndef KT_RUN_STATE_H
#define KT_RUN_STATE_H

#include "base/arena.h"
#include "base/err.h"
#include "plan/plan.h"

typedef struct kt_state kt_state;

KT_MUST_USE kt_state *kt_state_open(const char *path, kt_err *err);
void kt_state_close(kt_state *self); /* NULL allowed */

/* --- registrations --- */

typedef enum kt_reg_status {
	KT_REG_REGISTERED, /* has name, uuid and address, but was not started yet */
	KT_REG_STARTED,
	KT_REG_STOPPED,
} kt_reg_status;

typedef struct kt_reg {
	const char *name;
	const char *uuid;
	const char *ip; /* private address */
	const char *hostname;
	kt_reg_status status;
	const kt_plan_config *config; /* with runtime values filled in; NULL before the start */
} kt_reg;

typedef struct kt_reg_list {
	kt_reg *items; /* in order of registration */
	size_t len;
} kt_reg_list;

/* Inserts or replaces by name. config NULL leaves what is stored. */
int kt_state_put_service(kt_state *self, const kt_reg *reg, kt_err *err);
int kt_state_set_status(kt_state *self, const char *uuid, kt_reg_status status, kt_err *err);
int kt_state_drop_service(kt_state *self, const char *uuid, kt_err *err);
/* By full uuid, then short uuid, then name. 1 found, 0 not found, -1. */
int kt_state_find_service(kt_state *self, const char *identifier, kt_arena *arena, kt_reg *ret,
                          kt_err *err);
int kt_state_list_services(kt_state *self, kt_arena *arena, kt_reg_list *ret, kt_err *err);

typedef struct kt_identifier {
	const char *uuid;
	const char *name;
} kt_identifier;

typedef struct kt_identifiers {
	kt_identifier *items; /* oldest first */
	size_t len;
} kt_identifiers;

int kt_state_add_identifier(kt_state *self, const char *uuid, const char *name, kt_err *err);
int kt_state_list_identifiers(kt_state *self, kt_arena *arena, kt_identifiers *ret, kt_err *err);

/* --- runtime values --- */

typedef struct kt_rt_field {
	const char *name;
	kt_pval value;
} kt_rt_field;

/* Sets all fields of one id, replacing what was there. */
int kt_state_put_values(kt_state *self, const char *uuid, const kt_rt_field *fields, size_t len,
                        kt_err *err);
/* Remembers that an id exists without a value yet. */
int kt_state_reserve_values(kt_state *self, const char *uuid, kt_err *err);
/* The value, or INVALID with the text that users see for an unknown id or field. */
int kt_state_get_value(kt_state *self, const char *uuid, const char *field, kt_arena *arena,
                       kt_pval *ret, kt_err *err);
/* A kt_ref_lookup; ctx is the kt_state. */
int kt_state_lookup_text(void *ctx, const char *uuid, const char *field, kt_buf *out, kt_err *err);

/* --- what interpretation remembers of a service name --- */

typedef struct kt_known_service {
	const char *name;
	const char *ref_uuid;         /* NULL = none (put: unchanged) */
	const char *value;            /* NULL = none */
	const kt_plan_config *config; /* NULL = none */
} kt_known_service;

typedef struct kt_known_services {
	kt_known_service *items; /* sorted by name */
	size_t len;
} kt_known_services;

/* value NULL forgets it; config NULL leaves what is stored. */
int kt_state_put_known(kt_state *self, const kt_known_service *known, kt_err *err);
int kt_state_list_known(kt_state *self, kt_arena *arena, kt_known_services *ret, kt_err *err);

/* --- named texts (the last run's parameters, configurations for later) --- */

/* NULL forgets it. */
int kt_state_put_text(kt_state *self, const char *key, const char *text, kt_err *err);
/* *ret is NULL when there is none. */
int kt_state_get_text(kt_state *self, const char *key, kt_arena *arena, const char **ret,
                      kt_err *err);

/* --- the enclave's plan: what was carried out, for the next run to compare with --- */

int kt_state_list_done(kt_state *self, kt_arena *arena, kt_done_list *ret, kt_err *err);
/*
 * A run begins: from place `first` on its plan is the enclave's. Forgets what stood there but
 * keeps, in the same step, the plan's first instructions as far as they are `skipped`.
 * *ret_kept is their number. *ret_base is the first one's place: `first`, unless another run
 * shortened the enclave's plan meanwhile.
 */
int kt_state_begin_done(kt_state *self, const kt_plan *plan, size_t *ret_kept, size_t *ret_base,
                        kt_err *err);
/* Notes an instruction that succeeded, after those before it in its plan. */
int kt_state_put_done(kt_state *self, size_t base, const kt_instr *instr, kt_err *err);

/* --- the journal --- */

int kt_state_run_begin(kt_state *self, const char *package_id, size_t n_instrs, int64_t *ret_run,
                       kt_err *err);
int kt_state_run_end(kt_state *self, int64_t run, bool success, kt_err *err);
int kt_state_instr_begin(kt_state *self, int64_t run, size_t number, const char *uuid,
                         const char *text, kt_err *err);
/* error NULL = success. */
int kt_state_instr_end(kt_state *self, int64_t run, size_t number, const char *error, kt_err *err);
/* Instructions of the newest run that were begun and not ended (the process died in them). */
int kt_state_unfinished(kt_state *self, size_t *ret, kt_err *err);

#endif
