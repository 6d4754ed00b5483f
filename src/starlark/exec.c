/* From source to result. */
#include "starlark/tools.h"
#include "starlark/vm_internal.h"

static kt_code *compile(kt_sthread *t, const char *file, const char *src, size_t len,
			kt_val predeclared, bool expression)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const char *name = kt_arena_strdup(&t->star->texts, file);
	kt_stmt *body = NULL;
	kt_expr *value = NULL;
	kt_resolved resolved;

	if (name == NULL) {
		kt_star_raise_nomem(t);
		return NULL;
	}
	if (expression) {
		value = kt_parse_expr(t, &arena, name, src, len);
	} else {
		body = kt_parse_file(t, &arena, name, src, len);
	}
	if ((value == NULL && body == NULL) || t->failed ||
	    kt_resolve(t, &arena, name, body, value, predeclared, &resolved) < 0) {
		return NULL;
	}
	return kt_compile(t, name, &resolved);
}

static kt_val run(kt_sthread *t, kt_code *code)
{
	kt_val fn;

	if (code == NULL) {
		return KT_NULL;
	}
	fn = kt_closure_new(t, NULL, NULL, code, NULL);
	return fn == KT_NULL ? KT_NULL : kt_star_call(t, fn, NULL, 0, NULL, 0);
}

kt_val kt_star_exec_piece(kt_sthread *t, const char *file, const char *src, size_t len,
			  kt_val predeclared)
{
	kt_code *code;
	const kt_unit *unit;
	kt_val members;

	if (t->failed) {
		kt_sthread_clear_error(t);
	}
	code = compile(t, file, src, len, predeclared, false);
	if (run(t, code) == KT_NULL) {
		return KT_NULL;
	}
	unit = code->unit;
	members = kt_dict_new(t, unit->nglobals);
	for (uint32_t i = 0; members != KT_NULL && i < unit->nglobals; i++) {
		if (unit->globals[i] != KT_NULL &&
		    kt_dict_set(t, members, unit->global_names[i], unit->globals[i]) < 0) {
			return KT_NULL;
		}
	}
	return members;
}

kt_val kt_star_exec(kt_sthread *t, const char *file, const char *src, size_t len,
		    kt_val predeclared)
{
	kt_val members = kt_star_exec_piece(t, file, src, len, predeclared);
	kt_val module;

	module = members == KT_NULL ? KT_NULL : kt_module_new(t, file, members);
	if (module != KT_NULL) {
		kt_val_freeze(t, module);
	}
	return module;
}

kt_val kt_star_eval(kt_sthread *t, const char *file, const char *src, size_t len,
		    kt_val predeclared)
{
	if (t->failed) {
		kt_sthread_clear_error(t);
	}
	return run(t, compile(t, file, src, len, predeclared, true));
}

int kt_star_disassemble(kt_sthread *t, const char *file, const char *src, size_t len,
			kt_val predeclared, kt_buf *out)
{
	const kt_code *code;

	if (t->failed) {
		kt_sthread_clear_error(t);
	}
	code = compile(t, file, src, len, predeclared, false);
	if (code == NULL) {
		return -1;
	}
	return kt_code_print(t, code, out);
}
