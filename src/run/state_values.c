/* The enclave's database: runtime values, named texts, the journal. */
#include "base/clock.h"
#include "run/state_internal.h"
#include "run/value.h"

/* --- runtime values --- */

static int put_value(kt_state *self, const char *uuid, const kt_rt_field *field, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (kt_pval_encode(&text, &field->value, err) < 0) {
		return -1;
	}
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_PUT_VALUE, err);
	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, uuid);
	kt_state_bind(stmt, 2, field->name);
	sqlite3_bind_text(stmt, 3, kt_buf_str(&text), (int)text.len, SQLITE_TRANSIENT);
	return kt_state_do(self, stmt, err);
}

static int simple(kt_state *self, kt_sql which, const char *uuid, kt_err *err)
{
	sqlite3_stmt *stmt = kt_state_stmt(self, which, err);

	if (stmt == NULL) {
		return -1;
	}
	if (uuid != NULL) {
		kt_state_bind(stmt, 1, uuid);
	}
	return kt_state_do(self, stmt, err);
}

int kt_state_put_values(kt_state *self, const char *uuid, const kt_rt_field *fields, size_t len,
                        kt_err *err)
{
	KT_LOCK(&self->lock);
	if (simple(self, KT_SQL_BEGIN, NULL, err) < 0) {
		return -1;
	}
	int result = simple(self, KT_SQL_CLEAR_VALUES, uuid, err);
	for (size_t i = 0; i < len && result == 0; i++) {
		result = put_value(self, uuid, &fields[i], err);
	}
	if (result == 0) {
		result = simple(self, KT_SQL_COMMIT, NULL, err);
	}
	if (result < 0) {
		simple(self, KT_SQL_ROLLBACK, NULL, NULL);
	}
	return result;
}

int kt_state_reserve_values(kt_state *self, const char *uuid, kt_err *err)
{
	KT_LOCK(&self->lock);
	return simple(self, KT_SQL_RESERVE_VALUE, uuid, err);
}

/* Says why a value is not there. Needs the lock. */
static int explain_missing(kt_state *self, const char *uuid, const char *field, kt_err *err)
{
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_COUNT_VALUES, err);
	int rows = 0;
	int set = 0;

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, uuid);
	if (kt_state_step(self, stmt, err) < 0) {
		return -1;
	}
	rows = sqlite3_column_int(stmt, 0);
	set = sqlite3_column_int(stmt, 1);
	sqlite3_reset(stmt);
	if (rows == 0) {
		return KT_FAIL(
		        err, INVALID,
		        "Recipe result value with key UUID '%s' does not exist on the recipe "
		        "result repository",
		        uuid);
	}
	if (set == 0) {
		return KT_FAIL(err, INVALID, "Runtime UUID '%s' was found, but not set", uuid);
	}
	return KT_FAIL(err, INVALID, "An error happened getting runtime value field '%s' '%s'",
	               uuid, field);
}

int kt_state_get_value(kt_state *self, const char *uuid, const char *field, kt_arena *arena,
                       kt_pval *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_GET_VALUE, err);

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, uuid);
	kt_state_bind(stmt, 2, field);
	int found = kt_state_step(self, stmt, err);
	if (found < 0) {
		return -1;
	}
	const char *text = found == 1 ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (text == NULL) {
		sqlite3_reset(stmt);
		return explain_missing(self, uuid, field, err);
	}
	int result = kt_pval_decode(arena, text, (size_t)sqlite3_column_bytes(stmt, 0), ret, err);
	sqlite3_reset(stmt);
	return result;
}

int kt_state_lookup_text(void *ctx, const char *uuid, const char *field, kt_buf *out, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_pval value = kt_pval_none();

	if (kt_state_get_value(ctx, uuid, field, &arena, &value, err) < 0) {
		return -1;
	}
	kt_pval_add_str(out, &value);
	return kt_buf_check(out, err);
}

/* --- named texts --- */

int kt_state_put_text(kt_state *self, const char *key, const char *text, kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_sql which = text != NULL ? KT_SQL_PUT_TEXT : KT_SQL_DROP_TEXT;
	sqlite3_stmt *stmt = kt_state_stmt(self, which, err);

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, key);
	if (text != NULL) {
		kt_state_bind(stmt, 2, text);
	}
	return kt_state_do(self, stmt, err);
}

int kt_state_get_text(kt_state *self, const char *key, kt_arena *arena, const char **ret,
                      kt_err *err)
{
	const char *text = NULL;

	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_GET_TEXT, err);
	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, key);
	int found = kt_state_step(self, stmt, err);
	if (found == 1 && kt_state_column(stmt, 0, arena, &text, err) < 0) {
		found = -1;
	}
	sqlite3_reset(stmt);
	if (found >= 0) {
		*ret = text;
	}
	return found < 0 ? -1 : 0;
}

/* --- the journal --- */

int kt_state_run_begin(kt_state *self, const char *package_id, size_t n_instrs, int64_t *ret_run,
                       kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_RUN_BEGIN, err);

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, package_id);
	sqlite3_bind_int64(stmt, 2, (int64_t)n_instrs);
	sqlite3_bind_int64(stmt, 3, kt_wall_ns());
	if (kt_state_do(self, stmt, err) < 0) {
		return -1;
	}
	*ret_run = sqlite3_last_insert_rowid(self->db);
	return 0;
}

int kt_state_run_end(kt_state *self, int64_t run, bool success, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_RUN_END, err);

	if (stmt == NULL) {
		return -1;
	}
	sqlite3_bind_int64(stmt, 1, run);
	sqlite3_bind_int(stmt, 2, success ? 1 : 2);
	sqlite3_bind_int64(stmt, 3, kt_wall_ns());
	return kt_state_do(self, stmt, err);
}

int kt_state_instr_begin(kt_state *self, int64_t run, size_t number, const char *uuid,
                         const char *text, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_INSTR_BEGIN, err);

	if (stmt == NULL) {
		return -1;
	}
	sqlite3_bind_int64(stmt, 1, run);
	sqlite3_bind_int64(stmt, 2, (int64_t)number);
	kt_state_bind(stmt, 3, uuid);
	kt_state_bind(stmt, 4, text);
	sqlite3_bind_int64(stmt, 5, kt_wall_ns());
	return kt_state_do(self, stmt, err);
}

int kt_state_instr_end(kt_state *self, int64_t run, size_t number, const char *error, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_INSTR_END, err);

	if (stmt == NULL) {
		return -1;
	}
	sqlite3_bind_int64(stmt, 1, run);
	sqlite3_bind_int64(stmt, 2, (int64_t)number);
	sqlite3_bind_int64(stmt, 3, kt_wall_ns());
	kt_state_bind(stmt, 4, error);
	return kt_state_do(self, stmt, err);
}

int kt_state_unfinished(kt_state *self, size_t *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_UNFINISHED, err);

	if (stmt == NULL) {
		return -1;
	}
	if (kt_state_step(self, stmt, err) < 0) {
		return -1;
	}
	*ret = (size_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return 0;
}
