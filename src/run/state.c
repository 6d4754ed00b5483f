/* The enclave's database: opening, registrations, identifiers, texts, the journal. */
#include "run/state.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/vec.h"
#include "run/config_json.h"
#include "run/state_internal.h"

#define BUSY_MS 5000
#define SCHEMA_VERSION 1

static const char schema[] =
        "CREATE TABLE IF NOT EXISTS services(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
        " name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL UNIQUE, ip TEXT NOT NULL,"
        " hostname TEXT NOT NULL, status INTEGER NOT NULL, config TEXT);"
        "CREATE TABLE IF NOT EXISTS identifiers(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
        " uuid TEXT NOT NULL, name TEXT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS vals(uuid TEXT NOT NULL, field TEXT NOT NULL, value TEXT,"
        " PRIMARY KEY(uuid, field)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS known(name TEXT PRIMARY KEY, ref_uuid TEXT,"
        " value TEXT, config TEXT) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS texts(key TEXT PRIMARY KEY, value TEXT NOT NULL)"
        " WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS runs(run INTEGER PRIMARY KEY AUTOINCREMENT,"
        " package TEXT NOT NULL, instrs INTEGER NOT NULL, started INTEGER NOT NULL,"
        " ended INTEGER, state INTEGER NOT NULL);"
        "CREATE TABLE IF NOT EXISTS journal(run INTEGER NOT NULL, number INTEGER NOT NULL,"
        " uuid TEXT NOT NULL, text TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER,"
        " error TEXT, PRIMARY KEY(run, number)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS done(pos INTEGER PRIMARY KEY, uuid TEXT NOT NULL,"
        " kind TEXT NOT NULL, text TEXT, returned TEXT, services TEXT, artifact TEXT, md5 BLOB);";

static const char *const sql[] = {
#define KT_SQL_TEXT(name, text) [KT_SQL_##name] = text,
        KT_SQL_TABLE(KT_SQL_TEXT)
#undef KT_SQL_TEXT
};

/* --- the handle --- */

static int db_fail(kt_state *self, kt_err *err)
{
	int code = sqlite3_errcode(self->db);

	if (code == SQLITE_NOMEM) {
		return kt_err_nomem(err);
	}
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
		KT_FAIL(err, CORRUPT, "the enclave's database '%s' is damaged: %s", self->path,
		        sqlite3_errmsg(self->db));
		kt_err_hint(err, "remove the enclave and create it again");
		return -1;
	}
	return KT_FAIL(err, IO, "the enclave's database '%s' cannot be used: %s", self->path,
	               sqlite3_errmsg(self->db));
}

static int run_sql(kt_state *self, const char *text, kt_err *err)
{
	return sqlite3_exec(self->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(self, err);
}

static int check_version(kt_state *self, kt_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(self->db, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK) {
		return db_fail(self, err);
	}
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		version = sqlite3_column_int(stmt, 0);
	}
	sqlite3_finalize(stmt);
	if (version < 0) {
		return db_fail(self, err);
	}
	if (version > SCHEMA_VERSION) {
		return KT_FAIL(err, UNSUPPORTED,
		               "the enclave's database '%s' was written by a newer version",
		               self->path);
	}
	return 0;
}

static int prepare_database(kt_state *self, kt_err *err)
{
	sqlite3_busy_timeout(self->db, BUSY_MS);
	/* Waiting for the disk while an empty database is made costs milliseconds for nothing. */
	if (run_sql(self, "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL;", err) < 0 ||
	    check_version(self, err) < 0 || run_sql(self, schema, err) < 0) {
		return -1;
	}
	return run_sql(self, "PRAGMA user_version=1; PRAGMA synchronous=NORMAL;", err);
}

kt_state *kt_state_open(const char *path, kt_err *err)
{
	kt_state *self = kt_calloc(1, sizeof(*self));

	if (self == NULL || (self->path = kt_strdup(path)) == NULL) {
		kt_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&self->lock, NULL);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int rc = sqlite3_open_v2(path, &self->db, flags, NULL);
	if (rc != SQLITE_OK) {
		KT_FAIL(err, IO, "the enclave's database '%s' cannot be opened: %s", path,
		        self->db != NULL ? sqlite3_errmsg(self->db) : sqlite3_errstr(rc));
		kt_state_close(self);
		return NULL;
	}
	if (prepare_database(self, err) < 0) {
		kt_state_close(self);
		return NULL;
	}
	return self;
}

void kt_state_close(kt_state *self)
{
	if (self == NULL) {
		return;
	}
	for (size_t i = 0; i < KT_SQL_COUNT; i++) {
		sqlite3_finalize(self->stmts[i]);
	}
	sqlite3_close(self->db);
	pthread_mutex_destroy(&self->lock);
	kt_free(self->path);
	kt_free(self);
}

sqlite3_stmt *kt_state_stmt(kt_state *self, kt_sql which, kt_err *err)
{
	sqlite3_stmt **stmt = &self->stmts[which];

	if (*stmt == NULL && sqlite3_prepare_v3(self->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
	                                        stmt, NULL) != SQLITE_OK) {
		db_fail(self, err);
		return NULL;
	}
	sqlite3_reset(*stmt);
	sqlite3_clear_bindings(*stmt);
	return *stmt;
}

void kt_state_bind(sqlite3_stmt *stmt, int index, const char *text)
{
	if (text != NULL) {
		sqlite3_bind_text(stmt, index, text, -1, SQLITE_TRANSIENT);
	}
}

int kt_state_step(kt_state *self, sqlite3_stmt *stmt, kt_err *err)
{
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		sqlite3_reset(stmt);
		return 0;
	default:
		db_fail(self, err);
		sqlite3_reset(stmt);
		return -1;
	}
}

int kt_state_do(kt_state *self, sqlite3_stmt *stmt, kt_err *err)
{
	int result = kt_state_step(self, stmt, err);

	sqlite3_reset(stmt);
	return result < 0 ? -1 : 0;
}

int kt_state_column(sqlite3_stmt *stmt, int column, kt_arena *arena, const char **ret, kt_err *err)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	*ret = NULL;
	if (text == NULL) {
		return 0;
	}
	*ret = kt_arena_strndup(arena, text, (size_t)sqlite3_column_bytes(stmt, column));
	return *ret != NULL ? 0 : kt_err_nomem(err);
}

/* --- registrations --- */

/* A column with a configuration; *ret NULL for NULL. */
static int config_column(sqlite3_stmt *stmt, int column, kt_arena *arena,
                         const kt_plan_config **ret, kt_err *err)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	kt_plan_config *config = NULL;

	*ret = NULL;
	if (text == NULL) {
		return 0;
	}
	if (kt_config_decode(arena, text, (size_t)sqlite3_column_bytes(stmt, column), &config,
	                     err) < 0) {
		return -1;
	}
	*ret = config;
	return 0;
}

static int read_reg(sqlite3_stmt *stmt, kt_arena *arena, kt_reg *ret, kt_err *err)
{
	if (kt_state_column(stmt, 0, arena, &ret->name, err) < 0 ||
	    kt_state_column(stmt, 1, arena, &ret->uuid, err) < 0 ||
	    kt_state_column(stmt, 2, arena, &ret->ip, err) < 0 ||
	    kt_state_column(stmt, 3, arena, &ret->hostname, err) < 0) {
		return -1;
	}
	ret->status = (kt_reg_status)sqlite3_column_int(stmt, 4);
	return config_column(stmt, 5, arena, &ret->config, err);
}

int kt_state_put_service(kt_state *self, const kt_reg *reg, kt_err *err)
{
	KT_AUTO_BUF kt_buf config = KT_BUF_INIT;

	if (reg->config != NULL && kt_config_encode(&config, reg->config, err) < 0) {
		return -1;
	}
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_PUT_SERVICE, err);
	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, reg->name);
	kt_state_bind(stmt, 2, reg->uuid);
	kt_state_bind(stmt, 3, reg->ip);
	kt_state_bind(stmt, 4, reg->hostname);
	sqlite3_bind_int(stmt, 5, (int)reg->status);
	kt_state_bind(stmt, 6, config.len > 0 ? config.data : NULL);
	return kt_state_do(self, stmt, err);
}

int kt_state_set_status(kt_state *self, const char *uuid, kt_reg_status status, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_SET_STATUS, err);

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, uuid);
	sqlite3_bind_int(stmt, 2, (int)status);
	return kt_state_do(self, stmt, err);
}

int kt_state_drop_service(kt_state *self, const char *uuid, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_DROP_SERVICE, err);

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, uuid);
	return kt_state_do(self, stmt, err);
}

int kt_state_find_service(kt_state *self, const char *identifier, kt_arena *arena, kt_reg *ret,
                          kt_err *err)
{
	kt_reg reg = {0};

	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_FIND_SERVICE, err);
	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, identifier);
	int found = kt_state_step(self, stmt, err);
	if (found == 1 && read_reg(stmt, arena, &reg, err) < 0) {
		found = -1;
	}
	sqlite3_reset(stmt);
	if (found == 1) {
		*ret = reg;
	}
	return found;
}

/* Rows collected into a vector are moved to the arena, so that the caller frees nothing. */
static int to_arena(kt_arena *arena, const void *items, size_t len, size_t size, void **ret,
                    kt_err *err)
{
	void *copy = kt_arena_alloc(arena, kt_arena_product(len + 1, size));

	if (copy == NULL) {
		return kt_err_nomem(err);
	}
	if (len > 0) {
		memcpy(copy, items, len * size);
	}
	*ret = copy;
	return 0;
}

int kt_state_list_services(kt_state *self, kt_arena *arena, kt_reg_list *ret, kt_err *err)
{
	KT_VEC(kt_reg) regs = {0};
	int result = 1;

	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_LIST_SERVICES, err);
	if (stmt == NULL) {
		return -1;
	}
	while ((result = kt_state_step(self, stmt, err)) == 1) {
		kt_reg reg = {0};
		if (read_reg(stmt, arena, &reg, err) < 0) {
			result = -1;
			break;
		}
		if (kt_vec_push(&regs, reg) < 0) {
			result = kt_err_nomem(err);
			break;
		}
	}
	sqlite3_reset(stmt);
	if (result == 0) {
		result = to_arena(arena, regs.items, regs.len, sizeof(kt_reg), (void **)&ret->items,
		                  err);
		ret->len = regs.len;
	}
	kt_vec_deinit(&regs);
	return result;
}

int kt_state_add_identifier(kt_state *self, const char *uuid, const char *name, kt_err *err)
{
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_ADD_IDENTIFIER, err);

	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, uuid);
	kt_state_bind(stmt, 2, name);
	return kt_state_do(self, stmt, err);
}

int kt_state_list_identifiers(kt_state *self, kt_arena *arena, kt_identifiers *ret, kt_err *err)
{
	KT_VEC(kt_identifier) rows = {0};
	int result = 1;

	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_LIST_IDENTIFIERS, err);
	if (stmt == NULL) {
		return -1;
	}
	while ((result = kt_state_step(self, stmt, err)) == 1) {
		kt_identifier row = {0};
		if (kt_state_column(stmt, 0, arena, &row.uuid, err) < 0 ||
		    kt_state_column(stmt, 1, arena, &row.name, err) < 0) {
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
		result = to_arena(arena, rows.items, rows.len, sizeof(kt_identifier),
		                  (void **)&ret->items, err);
		ret->len = rows.len;
	}
	kt_vec_deinit(&rows);
	return result;
}

/* --- what interpretation remembers --- */

int kt_state_put_known(kt_state *self, const kt_known_service *known, kt_err *err)
{
	KT_AUTO_BUF kt_buf config = KT_BUF_INIT;

	if (known->config != NULL && kt_config_encode(&config, known->config, err) < 0) {
		return -1;
	}
	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_PUT_KNOWN, err);
	if (stmt == NULL) {
		return -1;
	}
	kt_state_bind(stmt, 1, known->name);
	kt_state_bind(stmt, 2, known->ref_uuid);
	kt_state_bind(stmt, 3, known->value);
	kt_state_bind(stmt, 4, config.len > 0 ? config.data : NULL);
	return kt_state_do(self, stmt, err);
}

static int read_known(sqlite3_stmt *stmt, kt_arena *arena, kt_known_service *ret, kt_err *err)
{
	if (kt_state_column(stmt, 0, arena, &ret->name, err) < 0 ||
	    kt_state_column(stmt, 1, arena, &ret->ref_uuid, err) < 0 ||
	    kt_state_column(stmt, 2, arena, &ret->value, err) < 0) {
		return -1;
	}
	return config_column(stmt, 3, arena, &ret->config, err);
}

int kt_state_list_known(kt_state *self, kt_arena *arena, kt_known_services *ret, kt_err *err)
{
	KT_VEC(kt_known_service) rows = {0};
	int result = 1;

	KT_LOCK(&self->lock);
	sqlite3_stmt *stmt = kt_state_stmt(self, KT_SQL_LIST_KNOWN, err);
	if (stmt == NULL) {
		return -1;
	}
	while ((result = kt_state_step(self, stmt, err)) == 1) {
		kt_known_service row = {0};
		if (read_known(stmt, arena, &row, err) < 0) {
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
		result = to_arena(arena, rows.items, rows.len, sizeof(kt_known_service),
		                  (void **)&ret->items, err);
		ret->len = rows.len;
	}
	kt_vec_deinit(&rows);
	return result;
}
