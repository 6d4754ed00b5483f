/* import_module and read_file, and the text of interpretation errors. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

#define IMPORT_NAME "import_module"

/* What became of a locator in this interpretation. */
typedef struct module_entry {
	bool loading;
	kt_val module;	   /* KT_NULL while loading and after a failure */
	const char *error; /* the failure's text */
} module_entry;

static const param import_params[] = {
	{"module_file", PT_STRING, true, .check = check_text, .doc = "Locator of a .star file."},
};
static const signature import_sig = {IMPORT_NAME, import_params, 1,
				     "Loads another file and gives its globals as a module."};

static const param read_params[] = {
	{"src", PT_STRING, true, .check = check_text, .doc = "Locator of a file."},
};
static const signature read_sig = {"read_file", read_params, 1, "The content of a file."};

const signature *const helper_signatures[] = {&import_sig, &read_sig};
const size_t helper_count = KT_ARRAY_LEN(helper_signatures);

/* --- error texts ---------------------------------------------------------- */

static void add_pos(kt_buf *out, const kt_star_pos *pos)
{
	if (kt_str_eq(pos->file, KT_PLAN_SCRIPT_ID) || kt_str_eq(pos->file, "<builtin>")) {
		kt_buf_addf(out, "[%d:%d]", pos->line, pos->col);
	} else {
		kt_buf_addf(out, "[%s:%d:%d]", pos->file, pos->line, pos->col);
	}
}

static void add_diags(const kt_star_error *error, const char *head, kt_buf *out)
{
	kt_buf_adds(out, head);
	for (size_t i = 0; i < error->ndiags; i++) {
		kt_buf_adds(out, "\n\tat ");
		add_pos(out, &error->diags[i].pos);
		kt_buf_addf(out, ": %s", error->diags[i].msg);
	}
}

static void add_eval_error(const kt_star_error *error, kt_buf *out)
{
	/* The error of an imported module carries the prefix already. */
	const char *msg = kt_str_or(error->msg, "");
	kt_buf_addf(out, "%s%s", kt_str_starts(msg, EVAL_PREFIX) ? "" : EVAL_PREFIX, msg);
	for (size_t i = 0; i < error->nframes; i++) {
		if (kt_str_eq(error->frames[i].name, IMPORT_NAME)) {
			continue;
		}
		kt_buf_adds(out, "\n\tat ");
		add_pos(out, &error->frames[i].pos);
		kt_buf_addf(out, ": %s", error->frames[i].name);
	}
}

static kt_err_code abort_code(kt_star_err_kind kind)
{
	switch (kind) {
	case KT_STAR_STEPS:
		return KT_ERR_EXHAUSTED;
	case KT_STAR_CANCELLED:
		return KT_ERR_CANCELLED;
	case KT_STAR_NOMEM:
		return KT_ERR_NOMEM;
	default:
		return KT_ERR_OK;
	}
}

void interp_error_text(interp *in, kt_sthread *t, kt_buf *out)
{
	const kt_star_error *error = kt_sthread_error(t);
	if (error == NULL) {
		in->aborted = KT_ERR_NOMEM;
		return;
	}
	if (error->kind == KT_STAR_SYNTAX) {
		add_diags(error, "/!\\ Errors interpreting Startosis script", out);
	} else if (error->kind == KT_STAR_RESOLVE) {
		add_diags(error,
			  "Multiple errors caught interpreting the Starlark script. Listing each of "
			  "them below.",
			  out);
	} else {
		add_eval_error(error, out);
		if (in->aborted == KT_ERR_OK) {
			in->aborted = abort_code(error->kind);
		}
	}
	kt_sthread_clear_error(t);
}

/* A message of any length as the thread's error. */
static kt_val raise_text(kt_sthread *t, const char *text)
{
	return kt_star_raise(t, "%s", text);
}

void interp_raise_chain(kt_sthread *t, kt_err *err)
{
	interp *in = interp_of(t);
	if (err->code == KT_ERR_NOMEM || err->code == KT_ERR_OK) {
		kt_star_raise_nomem(t);
		return;
	}
	if (err->code == KT_ERR_CANCELLED && in->aborted == KT_ERR_OK) {
		in->aborted = err->code;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *message;
	for (size_t i = 0; (message = kt_err_message(err, i)) != NULL; i++) {
		kt_buf_addf(&text, "%s%s", i > 0 ? CAUSED_BY : "", message);
	}
	if (err->hint != NULL) {
		kt_buf_addf(&text, " (%s)", err->hint);
	}
	raise_text(t, kt_buf_str(&text));
}

/* --- modules -------------------------------------------------------------- */

kt_val interp_exec(interp *in, const char *locator, const char *src, size_t len, kt_buf *out)
{
	kt_sthread *t = kt_sthread_new(in->star);
	if (t == NULL) {
		in->aborted = KT_ERR_NOMEM;
		return KT_NULL;
	}
	kt_val module = kt_star_exec(t, locator, src, len, in->predeclared);
	if (module == KT_NULL) {
		interp_error_text(in, t, out);
	}
	kt_sthread_free(t);
	return module;
}

bool interp_caller(kt_sthread *t, kt_star_frame *ret)
{
	/* Between the call and us may stand a host function: a test's mock. */
	for (size_t depth = 1; kt_sthread_frame(t, depth, ret); depth++) {
		if (!kt_str_eq(ret->pos.file, "<builtin>")) {
			return true;
		}
	}
	return false;
}

/* The locator that text means in the calling file; NULL with the error raised. */
static char *resolve(interp *in, kt_sthread *t, kt_val text)
{
	kt_star_frame frame;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *from = interp_caller(t, &frame) ? frame.pos.file : "";
	char *locator =
		kt_content_resolve(in->content, kt_string_get(text, NULL), from, &err);
	if (locator == NULL) {
		interp_raise_chain(t, &err);
	}
	return locator;
}

/* github.com/OWNER/REPO of an import from elsewhere counts as a dependency. */
static int note_dependency(interp *in, kt_sthread *t, const char *locator)
{
	const char *end = locator;
	for (int slashes = 0; *end != '\0'; end++) {
		if (*end == '/' && ++slashes == 3) {
			break;
		}
	}
	KT_AUTO_FREE char *repo = kt_strndup(locator, (size_t)(end - locator));
	const char *root = kt_content_root_id(in->content);
	if (repo != NULL && strncmp(root, repo, strlen(repo)) == 0 &&
	    (root[strlen(repo)] == '\0' || root[strlen(repo)] == '/')) {
		return 0;
	}
	if (repo == NULL || kt_map_set(&in->dependencies, repo, in) < 0) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return 0;
}

static void load(interp *in, kt_sthread *t, const char *locator, const char *name,
		 module_entry *entry)
{
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf error = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (kt_content_read_module(in->content, locator, &src, &err) < 0) {
		KT_WRAP(&err, "An error occurred while loading the module '%s'", name);
		interp_raise_chain(t, &err);
		const kt_star_error *raised = kt_sthread_error(t);
		entry->error = raised == NULL ? NULL : keepz(in, t, kt_str_or(raised->msg, ""));
		return;
	}
	char *file = keepz(in, t, name);
	if (file == NULL) {
		return;
	}
	entry->module = interp_exec(in, file, kt_buf_str(&src), src.len, &error);
	if (entry->module == KT_NULL) {
		entry->error = keep_buf(in, t, &error);
		if (entry->error != NULL) {
			raise_text(t, entry->error);
		}
	}
}

static kt_val import_module(kt_sthread *t, const kt_args *a)
{
	interp *in = interp_of(t);
	kt_val v[MAX_PARAMS];
	if (args_bind(t, &import_sig, a, v) < 0) {
		return KT_NULL;
	}
	KT_AUTO_FREE char *locator = resolve(in, t, v[0]);
	if (locator == NULL) {
		return KT_NULL;
	}
	/* A module is known by its place alone, whatever version was asked for. */
	KT_AUTO_BUF kt_buf name = KT_BUF_INIT;
	KT_AUTO_LOCATOR kt_locator parts = {0};
	if (kt_locator_parse(locator, &parts, NULL) < 0) {
		return kt_star_raise_nomem(t);
	}
	kt_buf_addf(&name, "github.com/%s", kt_str_or(parts.file_path, parts.repo_path));
	module_entry *entry = kt_map_get(&in->modules, kt_buf_str(&name));
	if (entry == NULL) {
		entry = KT_ARENA_NEW(in->arena, module_entry);
		if (entry == NULL || kt_map_set(&in->modules, kt_buf_str(&name), entry) < 0 ||
		    note_dependency(in, t, kt_buf_str(&name)) < 0) {
			return kt_star_raise_nomem(t);
		}
		entry->loading = true;
		load(in, t, locator, kt_buf_str(&name), entry);
		entry->loading = false;
		return entry->module;
	}
	if (entry->loading) {
		return kt_star_raise(t, "There's a cycle in the import_module calls");
	}
	return entry->module != KT_NULL ? entry->module
					: raise_text(t, kt_str_or(entry->error, ""));
}

static kt_val read_file(kt_sthread *t, const kt_args *a)
{
	interp *in = interp_of(t);
	kt_val v[MAX_PARAMS];
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
	if (args_bind(t, &read_sig, a, v) < 0) {
		return KT_NULL;
	}
	KT_AUTO_FREE char *locator = resolve(in, t, v[0]);
	if (locator == NULL) {
		return KT_NULL;
	}
	if (kt_content_read(in->content, locator, &content, &err) < 0) {
		interp_raise_chain(t, &err);
		return KT_NULL;
	}
	return kt_string_new(t, kt_buf_str(&content), content.len);
}

static const kt_builtin_row import_row = {
	.name = IMPORT_NAME, .style = KT_ARGS_RAW, .fn = import_module};
static const kt_builtin_row read_row = {
	.name = "read_file", .style = KT_ARGS_RAW, .fn = read_file};

kt_val import_module_builtin(kt_sthread *t)
{
	return kt_builtin_new(t, &import_row, NULL);
}

kt_val read_file_builtin(kt_sthread *t)
{
	return kt_builtin_new(t, &read_row, NULL);
}
