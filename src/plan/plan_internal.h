/*
 * Shared by the sources of plan/: one interpretation, the rows of everything callable, and
 * the helpers between Starlark values and plain C. Not for other modules.
 *
 * Functions that take a kt_sthread return 0 or -1 (or a value or KT_NULL); after a failure
 * the error waits in the thread, as everywhere in starlark/.
 */
#ifndef KT_PLAN_INTERNAL_H
#define KT_PLAN_INTERNAL_H

#include "base/map.h"
#include "plan/plan.h"
#include "starlark/starlark.h"

#define EVAL_PREFIX "Evaluation error: "
#define CAUSED_BY "\n\tCaused by: "

/* --- rows ----------------------------------------------------------------- */

/* Types of the language that Kurtosis adds: ENUM, name, Go name of the reference's type. */
#define KTYPE_TABLE(X)                                                                             \
	X(SERVICE, Service, "*kurtosis_types.Service")                                             \
	X(DIRECTORY, Directory, "*directory.Directory")                                            \
	X(EXEC_RECIPE, ExecRecipe, "*recipe.ExecRecipe")                                           \
	X(GET_RECIPE, GetHttpRequestRecipe, "*recipe.GetHttpRequestRecipe")                        \
	X(POST_RECIPE, PostHttpRequestRecipe, "*recipe.PostHttpRequestRecipe")                     \
	X(PORT_SPEC, PortSpec, "*port_spec.PortSpec")                                              \
	X(STORE_SPEC, StoreSpec, "*store_spec.StoreSpec")                                          \
	X(SERVICE_CONFIG, ServiceConfig, "*service_config.ServiceConfig")                          \
	X(READY_CONDITION, ReadyCondition, "*service_config.ReadyCondition")                       \
	X(IMAGE_BUILD_SPEC, ImageBuildSpec, "*service_config.ImageBuildSpec")                      \
	X(NIX_BUILD_SPEC, NixBuildSpec, "*service_config.NixBuildSpec")                            \
	X(IMAGE_SPEC, ImageSpec, "*service_config.ImageSpec")                                      \
	X(USER, User, "*service_config.User")                                                      \
	X(TOLERATION, Toleration, "*service_config.Toleration")                                    \
	X(GPU_CONFIG, GpuConfig, "*service_config.GpuConfig")

typedef enum ktype_id {
#define KTYPE_ENUM(upper, name, go) KTYPE_##upper,
	KTYPE_TABLE(KTYPE_ENUM)
#undef KTYPE_ENUM
	KTYPE_COUNT
} ktype_id;

/* What a parameter's value must be; from PT_KTYPE on, one of our types. */
typedef enum param_type {
	PT_ANY, /* not looked at before it is used */
	PT_STRING,
	PT_INT,
	PT_BOOL,
	PT_LIST,
	PT_DICT,
	PT_KTYPE
} param_type;

typedef struct param param;

/* False with a message in msg when the value does not do. */
typedef bool (*check_fn)(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);

struct param {
	const char *name;
	int type; /* param_type, or PT_KTYPE + ktype_id */
	bool required;
	bool brief; /* shown by the brief printer: "representative" on the wire */
	check_fn check;
	const char *as; /* its name in messages of the check; NULL = name */
	int64_t min, max; /* of check_range */
	bool u64;	  /* the range reaches to 2^64-1, of which we take half */
	const char *const *values; /* NULL-terminated, for check_one_of */
	const char *deprecated;    /* "d/m/yyyy. mitigation", or NULL */
	const char *default_text;  /* for help; NULL = none */
	const char *doc;
};

/* The parameters of one callable. `description` is not in the rows: everything has it, last. */
typedef struct signature {
	const char *name;
	const param *params;
	size_t n;
	const char *doc;
} signature;

#define MAX_PARAMS 32 /* with description */

extern const signature ktype_rows[KTYPE_COUNT];
const char *ktype_go_name(ktype_id id);
extern const param description_param;

/* A value of one of our types. v is by parameter, description last; KT_NULL = unset. */
typedef struct ktype {
	kt_host host;
	ktype_id id;
	kt_val v[];
} ktype;

ktype *ktype_new(kt_sthread *t, ktype_id id);
ktype *ktype_of(kt_val v, ktype_id id); /* NULL when v is something else */
ktype *ktype_any(kt_val v);		/* of any of our types, or NULL */
kt_val ktype_get(const ktype *self, const char *name); /* KT_NULL = unset */
void ktype_set(ktype *self, const char *name, kt_val v);
/* The constructor as a value. */
kt_val ktype_constructor(kt_sthread *t, ktype_id id);

/* --- calls ---------------------------------------------------------------- */

typedef struct interp interp;

/* One call of an instruction while it is interpreted. */
typedef struct call {
	interp *in;
	kt_sthread *t;
	const struct instr_row *row;
	kt_val v[MAX_PARAMS]; /* by parameter, description last */
	kt_instr *rec;
	bool fixed_description; /* the caller's description does not count */
	const char *short_head; /* rec->short_text NULL: short_head + description + ")" */
} call;

/* The value of a parameter; KT_NULL = not given. */
kt_val call_arg(const call *c, const char *name);

/* A list of what an instruction reads or writes, while it is put together. */
typedef struct touch_list {
	kt_arena *arena;
	kt_plan_res *items;
	size_t len, cap;
	bool failed;
} touch_list;

typedef struct touches {
	touch_list reads;
	touch_list writes;
} touches;

/* A NULL name counts as memory shortage. touch_hidden: obeyed, but not printed. */
void touch(touch_list *list, kt_plan_res_kind kind, const char *name);
void touch_hidden(touch_list *list, kt_plan_res_kind kind, const char *name);
/* Every placeholder in the text. */
void touch_refs(touch_list *list, const char *text);
void touch_refs_hidden(touch_list *list, const char *text);

typedef struct instr_row {
	kt_instr_kind kind;
	signature sig;
	/* Fills rec->u, rec->description (default) and short_text; gives the call's value. */
	kt_val (*interpret)(call *c);
	/* Declares what the finished record reads and writes. */
	void (*touches)(const kt_instr *rec, touches *out);
} instr_row;

extern const instr_row instr_rows[KT_INSTR_COUNT];

/* rows' functions, by subject */
kt_val do_add_service(call *c);
kt_val do_add_services(call *c);
kt_val do_get_service(call *c);
kt_val do_get_services(call *c);
kt_val do_remove_service(call *c);
kt_val do_set_service(call *c);
kt_val do_start_service(call *c);
kt_val do_stop_service(call *c);
kt_val do_exec(call *c);
kt_val do_request(call *c);
kt_val do_wait(call *c);
kt_val do_verify(call *c);
kt_val do_print(call *c);
kt_val do_get_cluster_type(call *c);
kt_val do_get_files_artifact(call *c);
kt_val do_render_templates(call *c);
kt_val do_store_service_files(call *c);
kt_val do_upload_files(call *c);
kt_val do_run_sh(call *c);
kt_val do_run_python(call *c);

void touches_add_service(const kt_instr *rec, touches *out);
void touches_add_services(const kt_instr *rec, touches *out);
void touches_get_service(const kt_instr *rec, touches *out);
void touches_get_services(const kt_instr *rec, touches *out);
void touches_remove_service(const kt_instr *rec, touches *out);
void touches_set_service(const kt_instr *rec, touches *out);
void touches_start_service(const kt_instr *rec, touches *out);
void touches_stop_service(const kt_instr *rec, touches *out);
void touches_exec(const kt_instr *rec, touches *out);
void touches_request(const kt_instr *rec, touches *out);
void touches_wait(const kt_instr *rec, touches *out);
void touches_verify(const kt_instr *rec, touches *out);
void touches_print(const kt_instr *rec, touches *out);
void touches_get_cluster_type(const kt_instr *rec, touches *out);
void touches_get_files_artifact(const kt_instr *rec, touches *out);
void touches_render_templates(const kt_instr *rec, touches *out);
void touches_store_service_files(const kt_instr *rec, touches *out);
void touches_upload_files(const kt_instr *rec, touches *out);
void touches_run_sh(const kt_instr *rec, touches *out);
void touches_run_python(const kt_instr *rec, touches *out);

/* --- one interpretation --------------------------------------------------- */

/* A service name's state while interpreting. */
typedef struct service_state {
	const char *name;
	const char *ref_uuid;
	const char *value;            /* Service(...) literal; NULL = none */
	kt_val object;                /* the same as a value, once built; KT_NULL = not yet */
	const kt_plan_config *config; /* the last one seen */
	bool touched;                 /* by this plan */
	bool config_changed;          /* by this plan */
} service_state;

/* --- edits: comparing with what earlier runs did (resolve.c) -------------- */

/* What is known of components while the interpretations of one run go on. */
typedef struct edit_state {
	kt_map changes; /* "s"/"a" + name of a service or artifact -> edit_change */
	kt_map parked;  /* services with a set_service */
	bool failed;    /* out of memory */
} edit_state;

typedef enum edit_answer { EDIT_EQUAL, EDIT_UPDATE, EDIT_UNKNOWN, EDIT_ABORT } edit_answer;

/* One interpretation's view of the old plan. */
typedef struct edit_run {
	edit_state *state;
	const kt_done *mask; /* the old instruction for the first call, the second, … */
	size_t n_mask;
	size_t next;
	bool invalid; /* the mask does not fit; the interpretation was ended */
} edit_run;

void edit_state_deinit(edit_state *self);
/* What is to be done with an instruction where `other` stood (NULL = nothing); notes changes. */
edit_answer edit_resolve(const kt_instr *rec, const kt_done *other, edit_state *state);
/* Fills rec->key except its checksum. -1 = out of memory. */
int edit_note_key(kt_arena *arena, kt_instr *rec);

struct interp {
	edit_run *edit; /* NULL = everything runs */
	kt_plan *plan;
	kt_arena *arena; /* the plan's */
	const kt_plan_request *request;
	kt_plan_facts facts;
	kt_star *star;
	kt_content *content;
	kt_val predeclared;
	kt_val json_only;    /* environment of template data: json and struct */
	kt_val serde;        /* environment of stored values: json, struct, time, our types */
	kt_err_code aborted; /* a failure that is not the package's: out of memory, cancelled… */
	kt_map modules;      /* locator -> module_entry *, in the arena */
	kt_map warnings;     /* text -> itself; a set in order */
	kt_map services;     /* name -> service_state *, in the arena */
	kt_map artifacts;    /* names taken: stored or made by this plan */
	kt_map dependencies; /* github.com/OWNER/REPO imported */
	size_t made_artifacts; /* names made up in a test */
	KT_VEC(kt_instr *) instrs;
};

interp *interp_of(kt_sthread *t);
/* Raises err's chain, joined by "Caused by". A failure of ours is noted in the interpretation. */
void interp_raise_chain(kt_sthread *t, kt_err *err);
/* The layout of an interpretation error: message, causes, frames. Clears the thread's error. */
void interp_error_text(interp *in, kt_sthread *t, kt_buf *out);
kt_val raise_unextractable(kt_sthread *t, const char *arg, const char *expected, kt_val got);
/* Where the host function that runs now was called in Starlark. */
bool interp_caller(kt_sthread *t, kt_star_frame *ret);
/* Adds a warning once. */
int interp_warn(interp *in, kt_sthread *t, const char *text);
/* The state for a service name, made if need be (also from the facts). NULL = out of memory. */
service_state *interp_service(interp *in, const char *name);
/* A name that no artifact has yet; remembered as taken. In the arena. NULL with an error raised. */
const char *interp_artifact_name(interp *in, kt_sthread *t);
int interp_take_artifact(interp *in, kt_sthread *t, const char *name);

/* One interpretation; edit may be NULL. */
int interp_plan(kt_plan *plan, const kt_plan_request *request, edit_run *edit, kt_err *err);
/* environment.c: in->predeclared, json_only and serde. -1 with t's error. */
int env_build(interp *in, kt_sthread *t);
/* calls.c: the plan object. */
kt_val plan_module(kt_sthread *t);
/* module.c: import_module and read_file as values. */
kt_val import_module_builtin(kt_sthread *t);
kt_val read_file_builtin(kt_sthread *t);
extern const signature *const helper_signatures[];
extern const size_t helper_count;
/* Executes a file on a stack of its own; KT_NULL with the text of the error in out. */
kt_val interp_exec(interp *in, const char *locator, const char *src, size_t len, kt_buf *out);
/* entry.c: finds run(), binds the arguments, calls it, notes its result. -1: error_text is set. */
int entry_run(interp *in, kt_val module, kt_buf *error_text);

/* --- arguments (bind.c, checks.c) ----------------------------------------- */

/*
 * Sorts and checks a call's arguments by a signature. v has sig->n + 1 places. Raises
 * "Cannot construct 'NAME' from the provided arguments." and its cause.
 */
int args_bind(kt_sthread *t, const signature *sig, const kt_args *a, kt_val *v);

bool check_text(kt_sthread *t, const param *p, kt_val v, kt_buf *msg); /* non-empty string */
bool check_texts(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_range(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_one_of(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_app_protocol(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_duration(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_duration_or_none(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_text_map(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_labels(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_url(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_assertion(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_bind_mounts(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_command(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_extract(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_headers(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_recipe(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_service_config(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);
bool check_configs(kt_sthread *t, const param *p, kt_val v, kt_buf *msg);

/* --- text (canon.c) ------------------------------------------------------- */

/* The name that the reference's messages give the type of a value. */
const char *go_type(kt_val v);
/* The canonical form (the sheet's "stringification"); -1 on failure. */
int canon_add(kt_sthread *t, kt_val v, kt_buf *out);
/* "NAME(a=1, b=2)" of the set arguments. */
int canon_add_call(kt_sthread *t, const signature *sig, const kt_val *v, kt_buf *out);
/* Appends text as a JSON string the way Go's encoder writes it (also < > & escaped). */
void json_add_go_string(kt_buf *out, const char *text, size_t len);

/* --- from values to plain C (convert*.c); everything lands in the plan's arena  */

typedef struct conv {
	interp *in;
	kt_sthread *t;
	kt_arena *arena;
	const char *module; /* locator of the file that makes the call */
} conv;

static inline conv conv_of(const call *c)
{
	return (conv){c->in, c->t, c->in->arena, c->rec->pos.file};
}

/* Raise on failure. KT_NULL gives the fallback (or an empty result). `name` is for messages. */
int conv_str(conv *c, kt_val v, const char *name, const char *fallback, const char **ret);
int conv_strs(conv *c, kt_val v, const char *name, kt_plan_strs *ret);
int conv_pairs(conv *c, kt_val v, const char *name, kt_plan_pairs *ret);
int conv_codes(conv *c, kt_val v, const char *name, const int64_t *fallback, size_t n_fallback,
	       kt_plan_ints *ret);
bool conv_bool(kt_val v, bool fallback); /* types were checked */
int conv_pval(conv *c, kt_val v, kt_pval *ret);
/* "1m30s" or None; what = "wait" and the like. */
int conv_duration(conv *c, kt_val v, const char *what, int64_t fallback, int64_t *ret_ns);
int conv_image(conv *c, kt_val v, kt_plan_image *ret);
int conv_mounts(conv *c, kt_val v, kt_plan_mounts *ret);
int conv_tolerations(conv *c, kt_val v, kt_plan_tolerations *ret);
int conv_recipe(conv *c, kt_val v, kt_plan_recipe *ret);
int conv_assertion(conv *c, kt_val v, kt_plan_assertion *ret);
/* A ServiceConfig for the service of this name. */
int conv_config(conv *c, kt_val config, const char *service, kt_plan_config *ret);
int conv_ports(conv *c, kt_val v, const char *name, const char *service, kt_plan_ports *ret);
int conv_gpu(conv *c, const ktype *gpu, kt_plan_gpu *ret);
int conv_target(conv *c, kt_val v, kt_pval *ret);
int conv_condition(conv *c, const ktype *condition, kt_plan_condition *ret);
/* Privileged settings need an opt-in and a Docker-like backend. */
int conv_check_privileged(conv *c, bool wanted);
/* A dict of placeholders for the fields of a recipe's result, frozen. */
kt_val recipe_result(call *c, const kt_plan_recipe *recipe, const char *uuid);
/* The name of the artifact that a call makes: the parameter "name", or a made-up one. */
const char *call_artifact(call *c, kt_val name);
/* The Service value of a name known from facts or from earlier in this plan; KT_NULL with an
 * error raised, or without one when there is none. */
kt_val service_object(interp *in, kt_sthread *t, service_state *state);
/* A PortSpec value as add_service returns it. */
kt_val conv_port_value(kt_sthread *t, const kt_plan_port *port);

/* A copy in the arena; NULL with NOMEM raised. */
char *keep(interp *in, kt_sthread *t, const char *text, size_t len);
char *keepz(interp *in, kt_sthread *t, const char *text);
char *keepf(interp *in, kt_sthread *t, const char *fmt, ...) KT_PRINTF(3, 4);
char *keep_buf(interp *in, kt_sthread *t, kt_buf *buf);
/* "{{kurtosis:UUID:FIELD.runtime_value}}" as a value. */
kt_val ref_value(kt_sthread *t, const char *uuid, const char *field);
/* A fresh id for runtime values, in the arena. */
const char *new_ref_uuid(interp *in, kt_sthread *t);

#endif
