/*
 * What an instruction's arguments look like to those who carry a plan out: plain C, no
 * Starlark values. Everything here lives in the arena of the plan that holds it, is
 * read-only, and dies with kt_plan_free. Strings are NUL-terminated UTF-8 and may hold
 * placeholders of runtime values (refs.h). "NULL" or ".len == 0" says unset, unless a
 * comment says otherwise.
 */
#ifndef KT_PLAN_TYPES_H
#define KT_PLAN_TYPES_H

#include "base/base.h"
#include "base/buf.h"

typedef struct kt_plan_strs {
	const char *const *items;
	size_t len;
} kt_plan_strs;

typedef struct kt_plan_pair {
	const char *key;
	const char *value;
} kt_plan_pair;

/* In the order of the script's dict; keys are unique. */
typedef struct kt_plan_pairs {
	const kt_plan_pair *items;
	size_t len;
} kt_plan_pairs;

typedef struct kt_plan_ints {
	const int64_t *items;
	size_t len;
} kt_plan_ints;

/* --- a value of the language, copied out (verify and wait targets, results of jq)  */

typedef enum kt_pval_kind {
	KT_PVAL_NONE,
	KT_PVAL_BOOL,
	KT_PVAL_INT,
	KT_PVAL_BIGINT, /* past 64 bits: decimal digits in `text` */
	KT_PVAL_FLOAT,
	KT_PVAL_STRING,
	KT_PVAL_LIST,
	KT_PVAL_TUPLE,
	KT_PVAL_DICT,  /* keys[i] -> items[i] */
	KT_PVAL_OTHER, /* struct, Kurtosis type, …: only `text` (its str()) and `type` */
} kt_pval_kind;

typedef struct kt_pval {
	kt_pval_kind kind;
	bool boolean;
	int64_t integer;
	double real;
	const char *text; /* STRING: the bytes; BIGINT: digits; OTHER: str() */
	size_t text_len;
	const char *type; /* OTHER only: name of its type */
	const struct kt_pval *keys;
	const struct kt_pval *items;
	size_t len; /* of keys and items */
} kt_pval;

/* Appends repr(value): strings quoted as the language quotes them. */
void kt_pval_add_repr(kt_buf *out, const kt_pval *value);
/* Appends str(value): as repr, but a string on top is raw. */
void kt_pval_add_str(kt_buf *out, const kt_pval *value);
/* "string", "int", "float", "bool", "NoneType", "list", "tuple", "dict" or `type`. */
const char *kt_pval_type(const kt_pval *value);
/* Appends text quoted as the language's repr() quotes strings. */
void kt_plan_add_quoted(kt_buf *out, const char *text, size_t len);

/* --- images --------------------------------------------------------------- */

typedef enum kt_plan_image_kind {
	KT_PLAN_IMAGE_NAME,     /* pull `name` */
	KT_PLAN_IMAGE_REGISTRY, /* ImageSpec: pull `name` with registry and credentials */
	KT_PLAN_IMAGE_BUILD,    /* ImageBuildSpec: build a Dockerfile */
	KT_PLAN_IMAGE_NIX,      /* NixBuildSpec */
} kt_plan_image_kind;

typedef struct kt_plan_image {
	kt_plan_image_kind kind;
	const char *name;
	const char *registry, *username, *password; /* REGISTRY; each may be NULL */
	const char *context_locator; /* BUILD: as written */
	const char *context_dir;  /* BUILD, NIX: absolute path on this machine */
	const char *build_file;   /* BUILD: absolute path of the Dockerfile */
	const char *target_stage; /* BUILD: NULL = last */
	kt_plan_pairs build_args; /* BUILD */
	const char *flake_dir;    /* NIX: absolute path of the directory with flake.nix */
	const char *flake_output; /* NIX: NULL = default */
} kt_plan_image;

/* --- ports, mounts -------------------------------------------------------- */

typedef enum kt_plan_transport { KT_PLAN_TCP, KT_PLAN_UDP, KT_PLAN_SCTP } kt_plan_transport;
/* "TCP", "UDP", "SCTP". */
const char *kt_plan_transport_name(kt_plan_transport transport);

#define KT_PLAN_NO_WAIT INT64_C(-1)
#define KT_PLAN_PORT_WAIT_DEFAULT INT64_C(120000000000) /* 2m */

typedef struct kt_plan_port {
	const char *id;
	uint16_t number;
	kt_plan_transport transport;
	const char *app_protocol; /* NULL = none */
	int64_t wait_ns;          /* how long to wait for it to open; KT_PLAN_NO_WAIT = do not */
	const char *url;          /* as given or made from app_protocol; NULL = none */
} kt_plan_port;

typedef struct kt_plan_ports {
	const kt_plan_port *items;
	size_t len;
} kt_plan_ports;

typedef struct kt_plan_mount {
	const char *path;           /* in the container */
	kt_plan_strs artifacts;     /* names; unset when persistent_key is set */
	const char *persistent_key; /* NULL unless a persistent directory */
	int64_t size_bytes;         /* of a persistent directory; default 1 GiB */
} kt_plan_mount;

typedef struct kt_plan_mounts {
	const kt_plan_mount *items;
	size_t len;
} kt_plan_mounts;

/* --- recipes, conditions -------------------------------------------------- */

typedef enum kt_plan_recipe_kind {
	KT_PLAN_RECIPE_EXEC,
	KT_PLAN_RECIPE_GET,
	KT_PLAN_RECIPE_POST,
} kt_plan_recipe_kind;

typedef struct kt_plan_recipe {
	kt_plan_recipe_kind kind;
	kt_plan_strs command;     /* EXEC; placeholders replaced in each item */
	const char *port_id;      /* GET, POST: a private port of the service */
	const char *endpoint;     /* appended verbatim to http://IP:PORT */
	const char *body;         /* POST: default ""; placeholders replaced */
	const char *content_type; /* POST: default application/json; GET: NULL */
	kt_plan_pairs headers;
	kt_plan_pairs extract; /* key -> jq program; result field "extract.KEY" */
	const char *text;      /* canonical form, e.g. ExecRecipe(command=["true"]) */
} kt_plan_recipe;

typedef enum kt_plan_assertion {
	KT_PLAN_EQ,
	KT_PLAN_NE,
	KT_PLAN_GE,
	KT_PLAN_GT,
	KT_PLAN_LE,
	KT_PLAN_LT,
	KT_PLAN_IN,
	KT_PLAN_NOT_IN,
} kt_plan_assertion;
/* "==", "!=", ">=", ">", "<=", "<", "IN", "NOT_IN". */
const char *kt_plan_assertion_name(kt_plan_assertion assertion);

/* A condition on one field of a recipe's result; of `wait` and of ReadyCondition. */
typedef struct kt_plan_condition {
	kt_plan_recipe recipe;
	const char *field; /* "code", "output", "body", "extract.KEY" */
	kt_plan_assertion assertion;
	kt_pval target;
	int64_t interval_ns; /* default 1s */
	int64_t timeout_ns;  /* default 10s in wait, 15m in ReadyCondition */
} kt_plan_condition;

/* --- the rest of a service's configuration -------------------------------- */

typedef struct kt_plan_user {
	bool set;
	bool has_gid;
	int64_t uid;
	int64_t gid;
} kt_plan_user;

typedef struct kt_plan_toleration {
	const char *key, *op, *value, *effect; /* "" = unset; op: "Exists", "Equal" */
	bool has_seconds;
	int64_t seconds;
} kt_plan_toleration;

typedef struct kt_plan_tolerations {
	const kt_plan_toleration *items;
	size_t len;
} kt_plan_tolerations;

typedef struct kt_plan_ulimit {
	const char *name;
	int64_t value;
} kt_plan_ulimit;

typedef struct kt_plan_gpu {
	bool set;
	int64_t count; /* -1 = all */
	kt_plan_strs device_ids;
	uint64_t shm_size_mb;
	const kt_plan_ulimit *ulimits;
	size_t n_ulimits;
	const char *docker_driver;     /* default "nvidia" */
	const char *kubernetes_driver; /* default "nvidia.com/gpu" */
} kt_plan_gpu;

typedef struct kt_plan_config {
	kt_plan_image image;
	kt_plan_ports ports;        /* private */
	kt_plan_ports public_ports; /* fixed host ports by port id */
	bool has_files;             /* `files` was given, even empty */
	kt_plan_mounts files;
	bool has_entrypoint, has_cmd; /* false = the image's own */
	kt_plan_strs entrypoint;      /* placeholders replaced */
	kt_plan_strs cmd;             /* placeholders replaced */
	kt_plan_pairs env_vars;       /* placeholders replaced in values */
	const char *ip_placeholder;   /* private_ip_address_placeholder, never NULL */
	uint64_t max_cpu_millis, min_cpu_millis; /* 0 = none */
	uint64_t max_memory_mb, min_memory_mb;   /* 0 = none */
	const kt_plan_condition *ready; /* NULL = none */
	kt_plan_pairs labels;
	kt_plan_user user;
	kt_plan_tolerations tolerations;
	kt_plan_pairs node_selectors;
	kt_plan_pairs files_to_be_moved; /* from -> to */
	bool tini_enabled;               /* default true */
	bool tty_enabled;
	kt_plan_strs devices;
	bool publish_udp;
	kt_plan_strs capabilities;
	kt_plan_gpu gpu;
	bool privileged;
	bool host_pid_namespace;
	kt_plan_pairs bind_mounts; /* host path -> container path */
} kt_plan_config;

#endif
