/* The parts of the compose transpiler. Private to the module. */
#ifndef KT_PACKAGE_COMPOSE_INTERNAL_H
#define KT_PACKAGE_COMPOSE_INTERNAL_H

#include "package/compose.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/map.h"

/* --- texts (compose_text.c) ----------------------------------------------- */

/*
 * Reads dotenv text into ret (name -> char *, owned by the map). With expand, $NAME and ${NAME}
 * in unquoted and double-quoted values mean earlier names.
 */
int kt_compose_read_env(const char *text, size_t len, const char *where, bool expand, kt_map *ret,
			kt_err *err);
/* The words of a command line as a shell would split it, without expanding anything. */
int kt_compose_split_words(const char *text, const char *place, kt_strvec *ret, kt_err *err);
/* "1.5g", "64M", "100" -> bytes. */
bool kt_compose_parse_bytes(const char *text, int64_t *ret);
/* "1m30s", "500ms" -> milliseconds. */
bool kt_compose_parse_duration(const char *text, int64_t *ret_ms);
/* The service name that any text becomes: lower-case letters, digits and single '-'. */
char *kt_compose_service_name(const char *text);

/* --- variables (compose_vars.c) ------------------------------------------- */

/* Appends text with its variables replaced; place names it in messages. */
int kt_compose_expand(const char *text, const kt_map *vars, const char *place, kt_buf *out,
		      kt_err *err);
/* Replaces the variables in all strings of a tree; a new reference. */
json_t *kt_compose_expand_tree(const json_t *tree, const kt_map *vars, const char *place,
			       kt_err *err);

/* --- ports (compose_ports.c) ---------------------------------------------- */

typedef struct compose_port {
	unsigned target, published; /* published 0 = none */
	char transport[8];	    /* "TCP", "UDP", "SCTP" */
} compose_port;
typedef KT_VEC(compose_port) compose_ports;

int kt_compose_read_ports(const json_t *list, const char *place, compose_ports *ret, kt_err *err);

/* --- the file (compose.c) ------------------------------------------------- */

typedef struct compose_service {
	const char *key; /* in the file; borrowed from it */
	char *name;	 /* in the enclave */
	char *place;	 /* "services.KEY" */
	const json_t *def;
	KT_VEC(size_t) needs; /* indexes of services */
	bool health_wanted;   /* another one waits until it is healthy */
	bool done;
	kt_strvec upload_src, upload_name;
	kt_buf files, moved; /* dict entries of the arguments of these names */
} compose_service;

typedef struct compose_file {
	const char *path;
	char *dir;		 /* of the file */
	const char *package_dir; /* NULL: script mode */
	kt_map vars;
	json_t *root;
	KT_VEC(compose_service *) services;
	kt_compose_uploads *uploads; /* script mode */
	kt_err *err;
} compose_file;

/* Fails with "FILE: PLACE…"; evaluates to -1. */
#define COMPOSE_FAIL(self, code, ...) kt_compose_fail((self), KT_ERR_##code, __VA_ARGS__)
int kt_compose_fail(const compose_file *self, kt_err_code code, const char *fmt, ...)
	KT_PRINTF(3, 4);

/* The service with this key; NULL when the file does not define it (or its profile is off). */
compose_service *kt_compose_service(const compose_file *self, const char *key);

/* Checks the keys of the file and of one service (compose_keys.c). */
int kt_compose_check_file(const compose_file *self);
int kt_compose_check_service(const compose_file *self, const compose_service *service);

/* Fills files, moved and the uploads (compose_volumes.c). */
int kt_compose_volumes(const compose_file *self, compose_service *service);
/* Appends the ready_conditions argument (compose_health.c). */
int kt_compose_health(const compose_file *self, const compose_service *service, kt_buf *out);
/* Appends ServiceConfig(…) (compose_config.c). */
int kt_compose_config(const compose_file *self, compose_service *service, kt_buf *out);
/* Fills `needs` from depends_on and links and marks whose health is wanted. */
int kt_compose_needs(const compose_file *self, compose_service *service);

/* A scalar as text: strings, numbers, booleans. False for anything else. */
bool kt_compose_scalar(const json_t *value, kt_buf *out);
/* Appends text as a Starlark string. */
void kt_compose_quote(kt_buf *out, const char *text);

#endif
