/* The enclave's database: the instructions that make up the enclave's plan. */
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "run/state_internal.h"

#include <string.h>

/* --- writing --- */

static char *services_text(const kt_plan_strs *services, kt_err *err)
{
	KT_AUTO_JSON json_t *array = json_array();
	bool failed = array == NULL;

	for (size_t i = 0; i < services->len && !failed; i++) {
		failed = json_array_append_new(array, json_string(services->items[i])) < 0;
	}
	char *text = failed ? NULL : kt_json_text(array, 0);
	if (text == NULL) {
		kt_err_nomem(err);
	}
	return text;
}

/* Needs the lock. */
static int put(kt_state *self, size_t base, const kt_instr *instr, kt_err *err)
{
	const kt_instr_key *key = &instr->key;
	KT_AUTO_FREE char *services = services_text(&key->services, err);

	if (services == NULL) {
		return -1;
	}
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_PUT_DONE, err);
	if (stmt == NULL) {
		return -1;
	}
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)(base + instr->number - 1));
	kt_state_bind(stmt, 2, instr->uuid.text);
	kt_state_bind(stmt, 3, kt_instr_name(instr->kind));
	kt_state_bind(stmt, 4, instr->text);
	kt_state_bind(stmt, 5, instr->returned);
	kt_state_bind(stmt, 6, services);
	kt_state_bind(stmt, 7, key->artifact);
	if (key->has_md5) {
		sqlite3_bind_blob(stmt, 8, key->md5, KT_MD5_LEN, SQLITE_TRANSIENT);
	}
	return kt_state_do(self, stmt, err);
}

int kt_state_put_done(kt_state *self, size_t base, const kt_instr *instr, kt_err *err)
{
	KT_LOCK(&self->lock);
	return put(self, base, instr, err);
}

/* Needs the lock. */
static int simple(kt_state *self, kt_sql which, kt_err *err)
{
	sqlite3_stmt *stmt = kt_state_stmt(self, which, err);

	return stmt != NULL ? kt_state_do(self, stmt, err) : -1;
}

/* Leaves at most `first` rows; *ret_left is how many there are. */
static int cut(kt_state *self, size_t first, size_t *ret_left, kt_err *err)
{
	sqlite3_stmt *count = kt_state_stmt(self, KT_SQL_COUNT_DONE, err);

	if (count == NULL) {
		return -1;
	}
	sqlite3_bind_int64(count, 1, (sqlite3_int64)first);
	if (kt_state_step(self, count, err) < 0) {
		return -1;
	}
	*ret_left = (size_t)sqlite3_column_int64(count, 0);
	sqlite3_reset(count);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_CUT_DONE, err);
	if (stmt == NULL) {
		return -1;
	}
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)first);
	return kt_state_do(self, stmt, err);
}

int kt_state_begin_done(kt_state *self, const kt_plan *plan, size_t *ret_kept, size_t *ret_base,
                        kt_err *err)
{
	size_t kept = 0;

	KT_LOCK(&self->lock);
	if (simple(self, KT_SQL_BEGIN, err) < 0) {
		return -1;
	}
	int result = cut(self, plan->first, ret_base, err);
	while (result == 0 && kept < plan->n_instrs && plan->instrs[kept]->skipped) {
		result = put(self, *ret_base, plan->instrs[kept++], err);
	}
	if (result == 0) {
		result = simple(self, KT_SQL_COMMIT, err);
	}
	if (result < 0) {
		simple(self, KT_SQL_ROLLBACK, NULL);
		return -1;
	}
	*ret_kept = kept;
	return 0;
}

/* --- reading --- */

static kt_instr_kind kind_of(const char *name)
{
	for (int kind = 0; kind < KT_INSTR_COUNT; kind++) {
		if (kt_str_eq(name, kt_instr_name((kt_instr_kind)kind))) {
			return (kt_instr_kind)kind;
		}
	}
	return KT_INSTR_COUNT;
}

static int read_services(const char *text, kt_arena *arena, kt_plan_strs *ret, kt_err *err)
{
	KT_AUTO_JSON json_t *array =
	        kt_json_parse(text, strlen(text), "a row of the enclave's plan", err);

	if (array == NULL) {
		return -1;
	}
	size_t n = json_array_size(array);
	const char **items = KT_ARENA_ARRAY(arena, const char *, n + 1);
	for (size_t i = 0; items != NULL && i < n; i++) {
		const char *name = json_string_value(json_array_get(array, i));
		items[i] = kt_arena_strdup(arena, name != NULL ? name : "");
		if (items[i] == NULL) {
			return kt_err_nomem(err);
		}
	}
	*ret = (kt_plan_strs){items, n};
	return items != NULL ? 0 : kt_err_nomem(err);
}

static int read_done(sqlite3_stmt *stmt, kt_arena *arena, kt_done *ret, kt_err *err)
{
	const char *kind = NULL;
	const char *services = NULL;

	if (kt_state_column(stmt, 0, arena, &ret->uuid, err) < 0 ||
	    kt_state_column(stmt, 1, arena, &kind, err) < 0 ||
	    kt_state_column(stmt, 2, arena, &ret->text, err) < 0 ||
	    kt_state_column(stmt, 3, arena, &ret->returned, err) < 0 ||
	    kt_state_column(stmt, 4, arena, &services, err) < 0 ||
	    kt_state_column(stmt, 5, arena, &ret->key.artifact, err) < 0) {
		return -1;
	}
	ret->kind = kind_of(kind);
	if (sqlite3_column_bytes(stmt, 6) == KT_MD5_LEN) {
		memcpy(ret->key.md5, sqlite3_column_blob(stmt, 6), KT_MD5_LEN);
		ret->key.has_md5 = true;
	}
	return services != NULL ? read_services(services, arena, &ret->key.services, err) : 0;
}

int kt_state_list_done(kt_state *self, kt_arena *arena, kt_done_list *ret, kt_err *err)
{
	KT_VEC(kt_done) rows = {0};
	int result = 1;

	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_LIST_DONE, err);
	if (stmt == NULL) {
		return -1;
	}
	while ((result = kt_state_step(self, stmt, err)) == 1) {
		kt_done row = {0};
		if (read_done(stmt, arena, &row, err) < 0) {
			result = -1;
			break;
		}
		if (kt_vec_push(&rows, row) < 0) {
			result = kt_err_nomem(err);
			break;
		}
	}
	sqlite3_reset(stmt);
	if (result == 0) {
		kt_done *items = KT_ARENA_ARRAY(arena, kt_done, rows.len + 1);
		if (items == NULL) {
			result = kt_err_nomem(err);
		} else if (rows.len > 0) {
			memcpy(items, rows.items, rows.len * sizeof(*items));
		}
		*ret = (kt_done_list){items, rows.len};
	}
	kt_vec_deinit(&rows);
	return result;
}
