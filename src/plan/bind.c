/* From a call's raw arguments to values by parameter, checked. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

const param description_param = {
	.name = "description",
	.type = PT_STRING,
	.check = check_text,
	.doc = "What the user sees while this happens, instead of the default text.",
};

static const param *param_at(const signature *sig, size_t i)
{
	return i < sig->n ? &sig->params[i] : &description_param;
}

static const char *expected_go_type(int type)
{
	switch (type) {
	case PT_STRING:
		return "starlark.String";
	case PT_INT:
		return "starlark.Int";
	case PT_BOOL:
		return "starlark.Bool";
	case PT_LIST:
		return "*starlark.List";
	case PT_DICT:
		return "*starlark.Dict";
	case PT_ANY:
		return "starlark.Value";
	default:
		return ktype_go_name((ktype_id)(type - PT_KTYPE));
	}
}

static bool has_type(kt_val v, int type)
{
	switch (type) {
	case PT_ANY:
		return true;
	case PT_STRING:
		return kt_val_kind(v) == KT_KIND_STRING;
	case PT_INT:
		return kt_val_kind(v) == KT_KIND_INT;
	case PT_BOOL:
		return kt_val_kind(v) == KT_KIND_BOOL;
	case PT_LIST:
		return kt_val_kind(v) == KT_KIND_LIST;
	case PT_DICT:
		return kt_val_kind(v) == KT_KIND_DICT;
	default:
		return ktype_of(v, (ktype_id)(type - PT_KTYPE)) != NULL;
	}
}

typedef struct complaint {
	const char *name;
	char *msg;
} complaint;

typedef struct complaints {
	complaint items[MAX_PARAMS];
	size_t n;
} complaints;

static void complaints_deinit(complaints *self)
{
	for (size_t i = 0; i < self->n; i++) {
		kt_free(self->items[i].msg);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const complaint *)a)->name, ((const complaint *)b)->name);
}

static int check_one(kt_sthread *t, const param *p, kt_val v, complaints *out)
{
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;
	bool good = p->check == NULL || p->check(t, p, v, &msg);
	if (good && !has_type(v, p->type)) {
		good = false;
		kt_buf_addf(&msg,
			    "the argument '%s' could not be parsed because their type ('%s') did not "
			    "match the expected ('%s')",
			    p->name, go_type(v), expected_go_type(p->type));
	}
	if (good) {
		return 0;
	}
	char *text = kt_strdup(kt_buf_str(&msg));
	if (text == NULL || msg.failed) {
		kt_free(text);
		kt_star_raise_nomem(t);
		return -1;
	}
	out->items[out->n++] = (complaint){p->name, text};
	return 0;
}

static int raise_complaints(kt_sthread *t, const signature *sig, complaints *list)
{
	qsort(list->items, list->n, sizeof(list->items[0]), by_name);
	KT_AUTO_BUF kt_buf json = KT_BUF_INIT;
	for (size_t i = 0; i < list->n; i++) {
		kt_buf_addc(&json, i > 0 ? ',' : '{');
		json_add_go_string(&json, list->items[i].name, strlen(list->items[i].name));
		kt_buf_addc(&json, ':');
		json_add_go_string(&json, list->items[i].msg, strlen(list->items[i].msg));
	}
	kt_buf_addc(&json, '}');
	return kt_star_fail(t,
			    "Cannot construct '%s' from the provided arguments." CAUSED_BY
			    "the following argument(s) could not be parsed or did not pass "
			    "validation: %s",
			    sig->name, kt_buf_str(&json));
}

/* Puts our sentence in front of the language's message about arguments. */
static int wrap_unpack_error(kt_sthread *t, const signature *sig)
{
	const kt_star_error *error = kt_sthread_error(t);
	if (error == NULL || error->kind != KT_STAR_EVAL) {
		return -1;
	}
	KT_AUTO_FREE char *msg = kt_strdup(error->msg);
	kt_sthread_clear_error(t);
	if (msg == NULL) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return kt_star_fail(t, "Cannot construct '%s' from the provided arguments." CAUSED_BY "%s",
			    sig->name, msg);
}

int args_bind(kt_sthread *t, const signature *sig, const kt_args *a, kt_val *v)
{
	kt_param params[MAX_PARAMS] = {0};
	for (size_t i = 0; i <= sig->n; i++) {
		const param *p = param_at(sig, i);
		params[i] = (kt_param){p->name, KT_ARG_ANY, !p->required, false};
		v[i] = KT_NULL;
	}
	if (kt_args_unpack(t, sig->name, KT_ARGS_NAMED, params, sig->n + 1, a, v) < 0) {
		return wrap_unpack_error(t, sig);
	}
	__attribute__((cleanup(complaints_deinit))) complaints bad = {0};
	for (size_t i = 0; i <= sig->n; i++) {
		if (v[i] != KT_NULL && check_one(t, param_at(sig, i), v[i], &bad) < 0) {
			return -1;
		}
	}
	if (bad.n > 0) {
		return raise_complaints(t, sig, &bad);
	}
	for (size_t i = 0; i < sig->n; i++) {
		const param *p = &sig->params[i];
		if (v[i] != KT_NULL && p->deprecated != NULL) {
			KT_AUTO_FREE char *text =
				kt_asprintf("[WARN]: \"%s\" field for \"%s\" will be deprecated by %s",
					    p->name, sig->name, p->deprecated);
			interp *in = interp_of(t);
			if (text == NULL || (in != NULL && interp_warn(in, t, text) < 0)) {
				kt_star_raise_nomem(t);
				return -1;
			}
		}
	}
	return 0;
}
