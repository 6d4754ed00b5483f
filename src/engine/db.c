/* The engine's database: <root>/engine.db. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 5000

struct kt_engine_db {
	sqlite3 *db;
};

static const char schema[] =
	"PRAGMA synchronous = OFF;" /* while an empty database is made */
	"PRAGMA journal_mode = WAL;"
	"CREATE TABLE IF NOT EXISTS enclaves ("
	" uuid TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL,"
	" production INTEGER NOT NULL, log_level TEXT NOT NULL, phase INTEGER NOT NULL,"
	" apic_pid INTEGER NOT NULL, apic_started INTEGER NOT NULL, apic_port INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS identifiers ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT UNIQUE NOT NULL, name TEXT NOT NULL);"
	"PRAGMA synchronous = NORMAL;";

void kt_enclave_row_deinit(kt_enclave_row *self)
{
	kt_free(self->name);
	kt_free(self->log_level);
	self->name = self->log_level = NULL;
}

static int db_fail(const kt_engine_db *self, const char *what, kt_err *err)
{
	const char *file = sqlite3_db_filename(self->db, "main");
	int system = sqlite3_system_errno(self->db);
	int code = sqlite3_errcode(self->db);
	if (code == SQLITE_FULL) {
		system = ENOSPC;
	} else if (code == SQLITE_READONLY) {
		system = EROFS;
	}
	if (system == ENOSPC || system == EROFS) {
		return kt_err_set_errno(err, system, "%s the engine's database '%s' failed", what,
					kt_str_or(file, "?"));
	}
	return KT_FAIL(err, IO, "%s the engine's database '%s' failed: %s", what,
		       kt_str_or(file, "?"), sqlite3_errmsg(self->db));
}

/* SQLite does not tell why it cannot open a file. */
static void open_fail(const kt_engine_db *self, const char *path, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_path_dir(path);
	if (dir != NULL && access(dir, W_OK) < 0) {
		KT_FAIL_ERRNO(err, "the engine's directory '%s' cannot be written", dir);
		return;
	}
	db_fail(self, "opening", err);
	KT_WRAP(err, "'%s' cannot be used", path);
}

kt_engine_db *kt_engine_db_open(const char *path, kt_err *err)
{
	kt_engine_db *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	if (sqlite3_open_v2(path, &self->db, flags, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(self->db, BUSY_MS) != SQLITE_OK ||
	    sqlite3_exec(self->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
		open_fail(self, path, err);
		kt_engine_db_close(self);
		return NULL;
	}
	return self;
}

void kt_engine_db_close(kt_engine_db *self)
{
	if (self != NULL) {
		sqlite3_close(self->db);
		kt_free(self);
	}
}

static char *copy_column(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	return kt_strdup(text != NULL ? text : "");
}

static void copy_uuid(sqlite3_stmt *row, int column, kt_uuid *ret)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	if (text != NULL && kt_uuid_valid(text)) {
		memcpy(ret->text, text, KT_UUID_LEN + 1);
	}
}

static int load_row(sqlite3_stmt *from, kt_enclave_rows *ret, kt_err *err)
{
	kt_enclave_row row = {
		.name = copy_column(from, 1),
		.created_ns = sqlite3_column_int64(from, 2),
		.production = sqlite3_column_int(from, 3) != 0,
		.log_level = copy_column(from, 4),
		.phase = (kt_enclave_phase)sqlite3_column_int(from, 5),
		.apic = {(pid_t)sqlite3_column_int(from, 6),
			 (uint64_t)sqlite3_column_int64(from, 7),
			 (uint16_t)sqlite3_column_int(from, 8)},
	};
	copy_uuid(from, 0, &row.uuid);
	if (row.name == NULL || row.log_level == NULL || kt_vec_push(ret, row) < 0) {
		kt_enclave_row_deinit(&row);
		return kt_err_nomem(err);
	}
	return 0;
}

static int load_identifier(sqlite3_stmt *from, kt_identifiers *ret, kt_err *err)
{
	kt_identifier item = {.name = copy_column(from, 1)};
	copy_uuid(from, 0, &item.uuid);
	if (item.name == NULL || kt_vec_push(ret, item) < 0) {
		kt_free(item.name);
		return kt_err_nomem(err);
	}
	return 0;
}

int kt_engine_db_load(kt_engine_db *self, kt_enclave_rows *ret, kt_identifiers *ret_history,
		      kt_err *err)
{
	static const char *const queries[] = {
		"SELECT uuid, name, created, production, log_level, phase, apic_pid, apic_started,"
		" apic_port FROM enclaves ORDER BY created",
		"SELECT uuid, name FROM identifiers ORDER BY seq",
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(queries); i++) {
		sqlite3_stmt *rows = NULL;
		if (sqlite3_prepare_v2(self->db, queries[i], -1, &rows, NULL) != SQLITE_OK) {
			return db_fail(self, "reading", err);
		}
		int rc = 0;
		int step = SQLITE_DONE;
		while (rc == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
			rc = i == 0 ? load_row(rows, ret, err)
				    : load_identifier(rows, ret_history, err);
		}
		sqlite3_finalize(rows);
		if (rc < 0) {
			return -1;
		}
		if (step != SQLITE_DONE) {
			return db_fail(self, "reading", err);
		}
	}
	return 0;
}

/* Runs a bound statement to its end and frees it. */
static int finish(kt_engine_db *self, sqlite3_stmt *statement, kt_err *err)
{
	int step = sqlite3_step(statement);
	sqlite3_finalize(statement);
	return step == SQLITE_DONE ? 0 : db_fail(self, "writing", err);
}

static sqlite3_stmt *prepare(kt_engine_db *self, const char *sql, kt_err *err)
{
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(self->db, sql, -1, &statement, NULL) != SQLITE_OK) {
		db_fail(self, "writing", err);
		return NULL;
	}
	return statement;
}

int kt_engine_db_put(kt_engine_db *self, const kt_enclave_row *row, kt_err *err)
{
	sqlite3_stmt *to = prepare(
		self, "INSERT OR REPLACE INTO enclaves VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
		err);
	if (to == NULL) {
		return -1;
	}
	sqlite3_bind_text(to, 1, row->uuid.text, -1, SQLITE_STATIC);
	sqlite3_bind_text(to, 2, row->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(to, 3, row->created_ns);
	sqlite3_bind_int(to, 4, row->production);
	sqlite3_bind_text(to, 5, row->log_level, -1, SQLITE_STATIC);
	sqlite3_bind_int(to, 6, (int)row->phase);
	sqlite3_bind_int(to, 7, row->apic.pid);
	sqlite3_bind_int64(to, 8, (sqlite3_int64)row->apic.started);
	sqlite3_bind_int(to, 9, row->apic.port);
	return finish(self, to, err);
}

int kt_engine_db_delete(kt_engine_db *self, const char *uuid, kt_err *err)
{
	sqlite3_stmt *to = prepare(self, "DELETE FROM enclaves WHERE uuid = ?1", err);
	if (to == NULL) {
		return -1;
	}
	sqlite3_bind_text(to, 1, uuid, -1, SQLITE_STATIC);
	return finish(self, to, err);
}

int kt_engine_db_remember(kt_engine_db *self, const kt_identifier *item, kt_err *err)
{
	sqlite3_stmt *to = prepare(
		self, "INSERT OR IGNORE INTO identifiers (uuid, name) VALUES (?1, ?2)", err);
	if (to == NULL) {
		return -1;
	}
	sqlite3_bind_text(to, 1, item->uuid.text, -1, SQLITE_STATIC);
	sqlite3_bind_text(to, 2, item->name, -1, SQLITE_STATIC);
	return finish(self, to, err);
}
