/* The database handle behind kt_state, shared by state*.c only. */
#ifndef KT_RUN_STATE_INTERNAL_H
#define KT_RUN_STATE_INTERNAL_H

#include "base/thread.h"
#include "run/state.h"

#include <sqlite3.h>

/* Every statement, prepared on first use. */
#define KT_SQL_TABLE(X)                                                                            \
	X(PUT_SERVICE, "INSERT INTO services(name, uuid, ip, hostname, status, config) "           \
	               "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(name) DO UPDATE SET "           \
	               "uuid=?2, ip=?3, hostname=?4, status=?5, config=coalesce(?6, config)")      \
	X(SET_STATUS, "UPDATE services SET status=?2 WHERE uuid=?1")                               \
	X(DROP_SERVICE, "DELETE FROM services WHERE uuid=?1")                                      \
	X(FIND_SERVICE,                                                                            \
	  "SELECT name, uuid, ip, hostname, status, config, CASE WHEN uuid=?1 THEN 0 "             \
	  "WHEN substr(uuid, 1, 12)=?1 THEN 1 ELSE 2 END AS rank FROM services "                   \
	  "WHERE uuid=?1 OR substr(uuid, 1, 12)=?1 OR name=?1 ORDER BY rank LIMIT 1")              \
	X(LIST_SERVICES,                                                                           \
	  "SELECT name, uuid, ip, hostname, status, config FROM services ORDER BY seq")            \
	X(ADD_IDENTIFIER, "INSERT INTO identifiers(uuid, name) VALUES(?1, ?2)")                    \
	X(LIST_IDENTIFIERS, "SELECT uuid, name FROM identifiers ORDER BY seq")                     \
	X(CLEAR_VALUES, "DELETE FROM vals WHERE uuid=?1")                                          \
	X(PUT_VALUE, "INSERT OR REPLACE INTO vals(uuid, field, value) VALUES(?1, ?2, ?3)")         \
	X(RESERVE_VALUE, "INSERT OR IGNORE INTO vals(uuid, field, value) VALUES(?1, '', NULL)")    \
	X(GET_VALUE, "SELECT value FROM vals WHERE uuid=?1 AND field=?2")                          \
	X(COUNT_VALUES, "SELECT count(*), count(value) FROM vals WHERE uuid=?1")                   \
	X(PUT_KNOWN, "INSERT INTO known(name, ref_uuid, value, config) VALUES(?1, ?2, ?3, ?4) "    \
	             "ON CONFLICT(name) DO UPDATE SET ref_uuid=coalesce(?2, ref_uuid), value=?3, " \
	             "config=coalesce(?4, config)")                                                \
	X(LIST_KNOWN, "SELECT name, ref_uuid, value, config FROM known ORDER BY name")             \
	X(PUT_TEXT, "INSERT OR REPLACE INTO texts(key, value) VALUES(?1, ?2)")                     \
	X(DROP_TEXT, "DELETE FROM texts WHERE key=?1")                                             \
	X(GET_TEXT, "SELECT value FROM texts WHERE key=?1")                                        \
	X(RUN_BEGIN, "INSERT INTO runs(package, instrs, started, state) VALUES(?1, ?2, ?3, 0)")    \
	X(RUN_END, "UPDATE runs SET state=?2, ended=?3 WHERE run=?1")                              \
	X(INSTR_BEGIN, "INSERT OR REPLACE INTO journal(run, number, uuid, text, started) "         \
	               "VALUES(?1, ?2, ?3, ?4, ?5)")                                               \
	X(INSTR_END, "UPDATE journal SET ended=?3, error=?4 WHERE run=?1 AND number=?2")           \
	X(UNFINISHED, "SELECT count(*) FROM journal WHERE ended IS NULL AND "                      \
	              "run=(SELECT max(run) FROM runs)")                                           \
	X(COUNT_DONE, "SELECT count(*) FROM done WHERE pos<?1")                                    \
	X(CUT_DONE, "DELETE FROM done WHERE pos>=?1")                                              \
	X(PUT_DONE, "INSERT OR REPLACE INTO done(pos, uuid, kind, text, returned, services, "      \
	            "artifact, md5) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                       \
	X(LIST_DONE, "SELECT uuid, kind, text, returned, services, artifact, md5 FROM done "       \
	             "ORDER BY pos")                                                               \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")

typedef enum kt_sql {
#define KT_SQL_ENUM(name, text) KT_SQL_##name,
	KT_SQL_TABLE(KT_SQL_ENUM)
#undef KT_SQL_ENUM
	        KT_SQL_COUNT
} kt_sql;

struct kt_state {
	sqlite3 *db;
	pthread_mutex_t lock;
	char *path;
	sqlite3_stmt *stmts[KT_SQL_COUNT];
};

/* All of these need the lock. */

/* The statement, reset and unbound; NULL with err set. */
sqlite3_stmt *kt_state_stmt(kt_state *self, kt_sql which, kt_err *err);
/* NULL binds NULL. */
void kt_state_bind(sqlite3_stmt *stmt, int index, const char *text);
/* 1 = a row, 0 = done (the statement is reset), -1. */
int kt_state_step(kt_state *self, sqlite3_stmt *stmt, kt_err *err);
/* Runs a statement that gives no rows. */
int kt_state_do(kt_state *self, sqlite3_stmt *stmt, kt_err *err);
/* A column copied into the arena; *ret NULL for NULL. */
int kt_state_column(sqlite3_stmt *stmt, int column, kt_arena *arena, const char **ret, kt_err *err);

#endif
