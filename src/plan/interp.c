/* kt_plan_interpret: one interpretation from request to plan. */
#include "plan/plan_internal.h"
#include "plan/words.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <string.h>

kt_plan *kt_plan_new(kt_err *err)
{
	kt_plan *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
	}
	return self;
}

void kt_plan_free(kt_plan *self)
{
	if (self != NULL) {
		kt_arena_deinit(&self->arena);
		kt_free(self);
	}
}

/* --- state that instructions share ---------------------------------------- */

interp *interp_of(kt_sthread *t)
{
	return kt_star_user(kt_sthread_star(t));
}

int interp_warn(interp *in, kt_sthread *t, const char *text)
{
	(void)t;
	return kt_map_set(&in->warnings, text, in);
}

service_state *interp_service(interp *in, const char *name)
{
	service_state *state = kt_map_get(&in->services, name);
	if (state == NULL) {
		state = KT_ARENA_NEW(in->arena, service_state);
		if (state == NULL || (state->name = kt_arena_strdup(in->arena, name)) == NULL ||
		    kt_map_set(&in->services, name, state) < 0) {
			return NULL;
		}
	}
	return state;
}

int interp_take_artifact(interp *in, kt_sthread *t, const char *name)
{
	if (kt_map_set(&in->artifacts, name, in) < 0) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return 0;
}

const char *interp_artifact_name(interp *in, kt_sthread *t)
{
	enum { TRIES = 5 };
	const char *name = NULL;
	if (in->request->hooks != NULL) {
		name = keepf(in, t, "file-artifact-%zu", ++in->made_artifacts);
		return name == NULL || interp_take_artifact(in, t, name) < 0 ? NULL : name;
	}
	for (int i = 0; i < TRIES; i++) {
		uint32_t random;
		kt_random_bytes(&random, sizeof(random));
		size_t at = random % kt_words_count();
		name = keepf(in, t, "%s-%s", kt_words_adjective(at), kt_words_noun(at));
		if (name == NULL) {
			return NULL;
		}
		if (!kt_map_has(&in->artifacts, name)) {
			return interp_take_artifact(in, t, name) < 0 ? NULL : name;
		}
	}
	const char *base = name;
	for (int i = 1; kt_map_has(&in->artifacts, name); i++) {
		name = keepf(in, t, "%s-%d", base, i);
		if (name == NULL) {
			return NULL;
		}
	}
	return interp_take_artifact(in, t, name) < 0 ? NULL : name;
}

/* --- set-up --------------------------------------------------------------- */

static int copy_facts(interp *in, kt_err *err)
{
	const kt_plan_facts *facts = &in->facts;
	for (size_t i = 0; i < facts->n_services; i++) {
		const kt_fact_service *from = &facts->services[i];
		service_state *state = interp_service(in, from->name);
		if (state == NULL) {
			return kt_err_nomem(err);
		}
		/* The plan may outlive the facts. */
		state->ref_uuid = kt_arena_strdup(in->arena, from->ref_uuid);
		state->value = kt_arena_strdup(in->arena, from->value);
		state->config = from->config;
		if ((from->ref_uuid != NULL && state->ref_uuid == NULL) ||
		    (from->value != NULL && state->value == NULL)) {
			return kt_err_nomem(err);
		}
	}
	for (size_t i = 0; i < facts->n_artifacts; i++) {
		if (kt_map_set(&in->artifacts, facts->artifacts[i], in) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int interp_init(interp *in, kt_plan *plan, const kt_plan_request *request, kt_err *err)
{
	in->plan = plan;
	in->arena = &plan->arena;
	in->request = request;
	if (request->facts != NULL) {
		in->facts = *request->facts;
	}
	in->content = request->content;
	if (in->content == NULL) {
		/* A script that imports nothing needs no cache. */
		kt_content_spec none = {0};
		in->content = kt_content_open(&none, err);
		if (in->content == NULL) {
			return -1;
		}
	}
	kt_star_options options = {
		.step_limit = request->max_steps,
		.cancel = request->cancel,
		.load_refusal = "'load(\"path/to/file.star\", var_in_file=\"var_in_file\")' statement is "
				"not available in Kurtosis. Please use instead `module = "
				"import(\"path/to/file.star\")` and then `module.var_in_file`",
		.user = in,
	};
	in->star = kt_star_new(&options, err);
	return in->star == NULL ? -1 : copy_facts(in, err);
}

static void interp_deinit(interp *in)
{
	if (in->request->content == NULL) {
		kt_content_close(in->content);
	}
	kt_star_free(in->star);
	kt_map_deinit(&in->modules);
	kt_map_deinit(&in->warnings);
	kt_map_deinit(&in->services);
	kt_map_deinit(&in->artifacts);
	kt_map_deinit(&in->dependencies);
	kt_vec_deinit(&in->instrs);
}

/* --- the run -------------------------------------------------------------- */

/* A fault of the package is one text; any other error keeps its chain. */
static int one_text(kt_err *why, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *message;
	if (why->code != KT_ERR_INVALID) {
		kt_err_move(err, why);
		return -1;
	}
	for (size_t i = 0; (message = kt_err_message(why, i)) != NULL; i++) {
		kt_buf_addf(&text, "%s%s", i > 0 ? CAUSED_BY : "", message);
	}
	return text.failed ? kt_err_nomem(err) : KT_FAIL(err, INVALID, "%s", kt_buf_str(&text));
}

/* The main file's locator and text. */
static int read_main(interp *in, char **ret_locator, kt_buf *ret_src, kt_err *err)
{
	const kt_plan_request *request = in->request;
	if (request->script != NULL) {
		*ret_locator = kt_strdup(KT_PLAN_SCRIPT_ID);
		kt_buf_add(ret_src, request->script, request->script_len);
		return *ret_locator == NULL || ret_src->failed ? kt_err_nomem(err) : 0;
	}
	const char *dir = kt_content_root_dir(in->content);
	/* A compose package has no other main file, whatever was asked for. */
	const char *main_file =
		kt_str_or(kt_content_compose_file(in->content),
			  kt_str_or(request->main_file, KT_PACKAGE_MAIN_FILE));
	if (dir == NULL) {
		return KT_FAIL(err, INVALID, "There is neither a script nor a package to run");
	}
	KT_AUTO_FREE char *path = kt_path_join(dir, main_file);
	KT_AUTO_FREE char *locator =
		kt_asprintf("%s/%s", kt_content_root_id(in->content), main_file);
	*ret_locator = locator == NULL ? NULL : kt_path_clean(locator);
	if (path == NULL || *ret_locator == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(path)) {
		return KT_FAIL(err, INVALID,
			       "An error occurred while verifying that 'main.star' exists in the "
			       "package '%s' at '%s'" CAUSED_BY
			       "stat %s: no such file or directory",
			       kt_content_root_id(in->content), path, path);
	}
	KT_AUTO_ERR kt_err why = KT_ERR_INIT;
	if (kt_content_read_module(in->content, *ret_locator, ret_src, &why) < 0) {
		return one_text(&why, err);
	}
	return 0;
}

/* Turns the package's fault, or our own, into the error that the header promises. */
static int report(const interp *in, const kt_buf *text, kt_err *err)
{
	if (in->aborted == KT_ERR_NOMEM || text->failed) {
		return kt_err_nomem(err);
	}
	if (in->aborted != KT_ERR_OK) {
		return kt_err_set(err, in->aborted, "%s", kt_buf_str(text));
	}
	return KT_FAIL(err, INVALID, "%s", kt_buf_str(text));
}

static int run(interp *in, kt_err *err)
{
	KT_AUTO_FREE char *locator = NULL;
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (read_main(in, &locator, &src, err) < 0) {
		return -1;
	}
	const char *file = kt_arena_strdup(in->arena, locator);
	kt_sthread *t = kt_sthread_new(in->star);
	if (file == NULL || t == NULL) {
		return kt_err_nomem(err);
	}
	if (env_build(in, t) < 0) {
		interp_error_text(in, t, &text);
		return report(in, &text, err);
	}
	kt_sthread_free(t);
	kt_val module = interp_exec(in, file, kt_buf_str(&src), src.len, &text);
	if (module == KT_NULL || entry_run(in, module, &text) < 0) {
		return report(in, &text, err);
	}
	return 0;
}

/* --- what the plan keeps -------------------------------------------------- */

static int keep_names(interp *in, const kt_map *map, const char *const **ret, size_t *ret_n)
{
	const char **names = KT_ARENA_ARRAY(in->arena, const char *, map->len + 1);
	if (names == NULL) {
		return -1;
	}
	size_t n = 0;
	for (kt_map_entry *e = NULL; (e = kt_map_next(map, e)) != NULL;) {
		names[n] = kt_arena_strdup(in->arena, e->key);
		if (names[n++] == NULL) {
			return -1;
		}
	}
	*ret = names;
	*ret_n = n;
	return 0;
}

/* A set_service counts for the add_service of its name wherever both stand. */
static void apply_overrides(interp *in)
{
	for (size_t i = 0; i < in->instrs.len; i++) {
		kt_instr *add = in->instrs.items[i];
		if (add->kind != KT_INSTR_ADD_SERVICE) {
			continue;
		}
		for (size_t k = 0; k < in->instrs.len; k++) {
			const kt_instr *set = in->instrs.items[k];
			if (set->kind == KT_INSTR_SET_SERVICE &&
			    kt_str_eq(set->u.set_service.name, add->u.add_service.name)) {
				add->u.add_service.override_config = set->u.set_service.config;
			}
		}
	}
}

typedef struct image_list {
	kt_plan_image_use *items;
	size_t n, cap;
	kt_map seen;
	bool failed;
} image_list;

static void add_image(interp *in, image_list *list, const kt_plan_image *image,
		      const kt_instr *user)
{
	if (list->failed || kt_map_has(&list->seen, image->name)) {
		return;
	}
	if (list->n == list->cap) {
		size_t cap = list->cap == 0 ? 8 : list->cap * 2;
		kt_plan_image_use *items = KT_ARENA_ARRAY(in->arena, kt_plan_image_use, cap);
		if (items == NULL) {
			list->failed = true;
			return;
		}
		if (list->n > 0) {
			memcpy(items, list->items, list->n * sizeof(*items));
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = (kt_plan_image_use){image, user};
	list->failed = kt_map_set(&list->seen, image->name, in) < 0;
}

static const kt_plan_image *image_of(const kt_args_add_service *args)
{
	return args->override_config != NULL ? &args->override_config->image : &args->config.image;
}

static int collect_images(interp *in)
{
	image_list list = {0};
	for (size_t i = 0; i < in->instrs.len; i++) {
		const kt_instr *rec = in->instrs.items[i];
		if (rec->skipped) {
			continue;
		}
		if (rec->kind == KT_INSTR_ADD_SERVICE) {
			add_image(in, &list, image_of(&rec->u.add_service), rec);
		} else if (rec->kind == KT_INSTR_RUN_SH || rec->kind == KT_INSTR_RUN_PYTHON) {
			add_image(in, &list, &rec->u.run_sh.image, rec);
		} else if (rec->kind == KT_INSTR_ADD_SERVICES) {
			for (size_t k = 0; k < rec->u.add_services.len; k++) {
				add_image(in, &list, image_of(&rec->u.add_services.items[k]), rec);
			}
		}
	}
	kt_map_deinit(&list.seen);
	in->plan->images = list.items;
	in->plan->n_images = list.n;
	return list.failed ? -1 : 0;
}

static int collect_services(interp *in)
{
	kt_plan_service *list = KT_ARENA_ARRAY(in->arena, kt_plan_service, in->services.len + 1);
	if (list == NULL) {
		return -1;
	}
	size_t n = 0;
	for (kt_map_entry *e = NULL; (e = kt_map_next(&in->services, e)) != NULL;) {
		const service_state *state = e->value;
		if (state->touched) {
			list[n++] = (kt_plan_service){state->name, state->ref_uuid, state->value,
						      state->config_changed ? state->config
									    : NULL};
		}
	}
	in->plan->services = list;
	in->plan->n_services = n;
	return 0;
}

static int finish(interp *in, kt_err *err)
{
	kt_plan *plan = in->plan;
	apply_overrides(in);
	plan->instrs = KT_ARENA_ARRAY(in->arena, const kt_instr *, in->instrs.len + 1);
	plan->package_id = kt_arena_strdup(in->arena, in->request->script != NULL
							      ? KT_PLAN_SCRIPT_ID
							      : kt_content_root_id(in->content));
	if (plan->instrs == NULL || plan->package_id == NULL || collect_images(in) < 0 ||
	    collect_services(in) < 0 ||
	    keep_names(in, &in->dependencies, &plan->dependencies, &plan->n_dependencies) < 0) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < in->instrs.len; i++) {
		plan->instrs[i] = in->instrs.items[i];
	}
	plan->n_instrs = in->instrs.len;
	return 0;
}

int interp_plan(kt_plan *self, const kt_plan_request *request, edit_run *edit, kt_err *err)
{
	interp in = {.request = request, .edit = edit};
	int rc = interp_init(&in, self, request, err);
	if (rc == 0) {
		rc = run(&in, err);
	}
	if (rc == 0) {
		rc = finish(&in, err);
	}
	if (keep_names(&in, &in.warnings, &self->warnings, &self->n_warnings) < 0 && rc == 0) {
		rc = kt_err_nomem(err);
	}
	interp_deinit(&in);
	return rc;
}

int kt_plan_interpret(kt_plan *self, const kt_plan_request *request, kt_err *err)
{
	return interp_plan(self, request, NULL, err);
}
