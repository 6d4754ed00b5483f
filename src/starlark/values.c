/* Kinds, truth, lengths, and the small constructors. */
#include "starlark/bigint.h"
#include "starlark/vm_internal.h"

#include <math.h>

kt_kind kt_val_kind(kt_val v)
{
	if (kt_is_int(v)) {
		return KT_KIND_INT;
	}
	if (kt_is_obj(v)) {
		return (kt_kind)kt_obj_of(v)->kind;
	}
	return v == KT_NONE ? KT_KIND_NONE : v == KT_NULL ? KT_KIND_NULL : KT_KIND_BOOL;
}

static const char *elems_type(const kt_elems *e)
{
	switch ((kt_elems_mode)e->h.aux) {
	case KT_ELEMS:
	case KT_ELEM_ORDS:
		return "string.elems";
	case KT_CODEPOINTS:
	case KT_CODEPOINT_ORDS:
		return "string.codepoints";
	case KT_BYTES_ELEMS:
		break;
	}
	return "bytes.elems";
}

const char *kt_val_type_name(kt_val v)
{
	static const char *const names[KT_KIND_COUNT] = {
		[KT_KIND_NULL] = "NULL",
		[KT_KIND_NONE] = "NoneType",
		[KT_KIND_BOOL] = "bool",
		[KT_KIND_INT] = "int",
		[KT_KIND_FLOAT] = "float",
		[KT_KIND_STRING] = "string",
		[KT_KIND_BYTES] = "bytes",
		[KT_KIND_LIST] = "list",
		[KT_KIND_TUPLE] = "tuple",
		[KT_KIND_DICT] = "dict",
		[KT_KIND_SET] = "set",
		[KT_KIND_FUNCTION] = "function",
		[KT_KIND_BUILTIN] = "builtin_function_or_method",
		[KT_KIND_RANGE] = "range",
		[KT_KIND_STRUCT] = "struct",
		[KT_KIND_MODULE] = "module",
		[KT_KIND_CELL] = "cell",
	};
	kt_kind kind = kt_val_kind(v);

	if (kind == KT_KIND_HOST) {
		return kt_as_host(v)->type->name;
	}
	return kind == KT_KIND_ELEMS ? elems_type(kt_as_elems(v)) : names[kind];
}

bool kt_val_truth(kt_val v)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_NULL:
	case KT_KIND_NONE:
		return false;
	case KT_KIND_BOOL:
		return v == KT_TRUE;
	case KT_KIND_INT:
		return v != kt_small_val(0);
	case KT_KIND_FLOAT:
		return kt_as_float(v)->d != 0;
	case KT_KIND_HOST:
		return kt_as_host(v)->type->truth == NULL ||
		       kt_as_host(v)->type->truth(kt_as_host(v));
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
	case KT_KIND_DICT:
	case KT_KIND_SET:
	case KT_KIND_RANGE:
		return kt_val_len(v) != 0;
	default:
		return true;
	}
}

size_t kt_val_len(kt_val v)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
		return kt_as_str(v)->len;
	case KT_KIND_LIST:
		return kt_as_list(v)->len;
	case KT_KIND_TUPLE:
		return kt_as_tuple(v)->len;
	case KT_KIND_DICT:
	case KT_KIND_SET:
		return kt_as_dict(v)->len;
	case KT_KIND_RANGE:
		return (size_t)kt_as_range(v)->len;
	case KT_KIND_ELEMS:
		if (kt_as_elems(v)->h.aux != KT_ELEMS && kt_as_elems(v)->h.aux != KT_ELEM_ORDS) {
			return SIZE_MAX;
		}
		return kt_as_str(kt_as_elems(v)->of)->len;
	case KT_KIND_HOST:
		return kt_as_host(v)->type->len == NULL ? SIZE_MAX
							: kt_as_host(v)->type->len(kt_as_host(v));
	default:
		return SIZE_MAX;
	}
}

/* ---- numbers ----------------------------------------------------------------- */

kt_val kt_int_new(kt_sthread *t, int64_t i)
{
	if (i <= KT_SMALL_MAX && i >= KT_SMALL_MIN) {
		return kt_small_val(i);
	}
	return kt_big_new(t, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, i < 0);
}

kt_val kt_int_new_u64(kt_sthread *t, uint64_t i)
{
	if (i <= (uint64_t)KT_SMALL_MAX) {
		return kt_small_val((int64_t)i);
	}
	return kt_big_new(t, i, false);
}

bool kt_int_get(kt_val v, int64_t *ret)
{
	if (kt_is_int(v)) {
		*ret = kt_small(v);
		return true;
	}
	return kt_is(v, KT_KIND_INT) && kt_big_to_i64(v, ret);
}

kt_val kt_float_new(kt_sthread *t, double d)
{
	kt_float *f = kt_heap_obj(t, KT_KIND_FLOAT, sizeof(*f));

	if (f == NULL) {
		return KT_NULL;
	}
	f->d = d;
	return kt_obj_val(f);
}

bool kt_float_get(kt_val v, double *ret)
{
	if (kt_is(v, KT_KIND_FLOAT)) {
		*ret = kt_as_float(v)->d;
		return true;
	}
	if (kt_is_anyint(v)) {
		*ret = kt_int_to_double(v);
		return true;
	}
	return false;
}

int kt_int_arg(kt_sthread *t, kt_val v, int64_t *ret)
{
	if (!kt_is_anyint(v)) {
		return kt_star_fail(t, "got %s, want int", kt_val_type_name(v));
	}
	if (!kt_int_get(v, ret)) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

		if (kt_int_text(t, v, 10, &text) < 0) {
			return -1;
		}
		return kt_star_fail(t, "%s out of range (want value in signed 64-bit range)",
				    kt_buf_str(&text));
	}
	return 0;
}

/* ---- functions --------------------------------------------------------------- */

kt_val kt_cell_new(kt_sthread *t, kt_val v)
{
	kt_cell *cell = kt_heap_obj(t, KT_KIND_CELL, sizeof(*cell));

	if (cell == NULL) {
		return KT_NULL;
	}
	cell->v = v;
	return kt_obj_val(cell);
}

kt_val kt_closure_new(kt_sthread *t, kt_function *maker, kt_val *regs, kt_code *code,
		      const kt_val *defaults)
{
	kt_function *fn = kt_heap_obj(t, KT_KIND_FUNCTION, sizeof(*fn));

	if (fn == NULL) {
		return KT_NULL;
	}
	*fn = (kt_function){.h = fn->h, .code = code};
	if (code->ndefaults > 0) {
		fn->defaults = kt_heap_alloc(t, code->ndefaults * sizeof(kt_val));
		if (fn->defaults == NULL) {
			return KT_NULL;
		}
		memcpy(fn->defaults, defaults, code->ndefaults * sizeof(kt_val));
	}
	if (code->nfree > 0) {
		fn->free = kt_heap_alloc(t, code->nfree * sizeof(kt_cell *));
		if (fn->free == NULL) {
			return KT_NULL;
		}
	}
	for (uint32_t i = 0; i < code->nfree; i++) {
		const kt_capture *c = &code->captures[i];

		fn->free[i] = c->from_cell ? kt_as_cell(regs[c->index]) : maker->free[c->index];
	}
	return kt_obj_val(fn);
}

kt_val kt_builtin_new(kt_sthread *t, const kt_builtin_row *row, void *user)
{
	kt_builtin *b = kt_heap_obj(t, KT_KIND_BUILTIN, sizeof(*b));

	if (b == NULL) {
		return KT_NULL;
	}
	KT_ASSERT(row->nparams <= KT_PARAMS_MAX);
	b->row = row;
	b->self = KT_NULL;
	b->user = user;
	return kt_obj_val(b);
}

kt_val kt_method_new(kt_sthread *t, const kt_builtin_row *row, kt_val self)
{
	kt_val v = kt_builtin_new(t, row, NULL);

	if (v != KT_NULL) {
		kt_as_builtin(v)->self = self;
	}
	return v;
}

const kt_builtin_row *kt_builtin_row_of(kt_val v, void **ret_user)
{
	if (!kt_is(v, KT_KIND_BUILTIN)) {
		return NULL;
	}
	if (ret_user != NULL) {
		*ret_user = kt_as_builtin(v)->user;
	}
	return kt_as_builtin(v)->row;
}

const char *kt_fn_name(kt_val fn)
{
	switch (kt_val_kind(fn)) {
	case KT_KIND_FUNCTION:
		return kt_as_function(fn)->code->name;
	case KT_KIND_BUILTIN:
		return kt_as_builtin(fn)->row->name;
	case KT_KIND_HOST:
		return kt_as_host(fn)->type->name;
	default:
		return "";
	}
}

const char *kt_fn_doc(kt_val fn)
{
	return kt_is(fn, KT_KIND_FUNCTION) ? kt_as_function(fn)->code->doc : NULL;
}

kt_star_pos kt_fn_pos(kt_val fn)
{
	const kt_code *code;

	if (!kt_is(fn, KT_KIND_FUNCTION)) {
		return (kt_star_pos){"<builtin>", 0, 0};
	}
	code = kt_as_function(fn)->code;
	return (kt_star_pos){code->file, code->pos.line, code->pos.col};
}

size_t kt_fn_param_count(kt_val fn)
{
	const kt_code *code;

	if (!kt_is(fn, KT_KIND_FUNCTION)) {
		return 0;
	}
	code = kt_as_function(fn)->code;
	return code->nparams + (code->varargs ? 1u : 0u) + (code->kwargs ? 1u : 0u);
}

kt_fn_param kt_fn_param_get(kt_val fn, size_t i)
{
	const kt_function *f = kt_as_function(fn);
	const kt_code *code = f->code;
	kt_fn_param param = {.name = kt_as_str(code->local_names[i])->data};
	uint32_t first = code->nparams - code->ndefaults;

	if (i >= code->nparams) {
		param.varargs = code->varargs && i == code->nparams;
		param.kwargs = !param.varargs;
		return param;
	}
	param.keyword_only = i >= code->nparams - code->nkwonly;
	if (i >= first) {
		param.default_value = f->defaults[i - first];
	}
	return param;
}

/* ---- host objects ------------------------------------------------------------ */

kt_host *kt_host_new(kt_sthread *t, const kt_host_type *type, size_t size)
{
	kt_host *host = kt_star_alloc(t, size);

	if (host != NULL) {
		((kt_obj *)host)->kind = KT_KIND_HOST;
		host->type = type;
	}
	return host;
}

kt_host *kt_host_get(kt_val v, const kt_host_type *type)
{
	if (!kt_is(v, KT_KIND_HOST) || (type != NULL && kt_as_host(v)->type != type)) {
		return NULL;
	}
	return kt_as_host(v);
}

/* ---- freezing ---------------------------------------------------------------- */

typedef struct worklist {
	kt_val *items;
	size_t len, cap;
} worklist;

/* Notes v if it can be frozen and is not yet. Memory shortage leaves it unfrozen. */
static void note(worklist *list, kt_val v)
{
	kt_obj *obj = kt_obj_of(v);

	if (!kt_is_obj(v) || obj->kind < KT_KIND_LIST || (obj->flags & KT_FROZEN) != 0) {
		return;
	}
	if (list->len == list->cap) {
		size_t cap = list->cap == 0 ? 64 : list->cap * 2;
		kt_val *grown = kt_realloc(list->items, cap * sizeof(kt_val));

		if (grown == NULL) {
			return;
		}
		list->items = grown;
		list->cap = cap;
	}
	obj->flags |= KT_FROZEN;
	list->items[list->len++] = v;
}

static void freeze_function(worklist *list, const kt_function *fn)
{
	for (uint32_t i = 0; i < fn->code->ndefaults; i++) {
		note(list, fn->defaults[i]);
	}
	for (uint32_t i = 0; i < fn->code->nfree; i++) {
		note(list, kt_obj_val(fn->free[i]));
	}
}

static void freeze_one(kt_sthread *t, worklist *list, kt_val v)
{
	const kt_val *items;
	size_t n;
	kt_val key;
	kt_val value;

	switch (kt_val_kind(v)) {
	case KT_KIND_LIST:
	case KT_KIND_TUPLE:
		items = kt_seq_items(v, &n);
		for (size_t i = 0; i < n; i++) {
			note(list, items[i]);
		}
		break;
	case KT_KIND_MODULE:
		note(list, kt_obj_val(kt_as_module(v)->members));
		break;
	case KT_KIND_DICT:
	case KT_KIND_SET:
		for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
			note(list, key);
			note(list, value);
		}
		break;
	case KT_KIND_FUNCTION:
		freeze_function(list, kt_as_function(v));
		break;
	case KT_KIND_BUILTIN:
		note(list, kt_as_builtin(v)->self);
		break;
	case KT_KIND_CELL:
		note(list, kt_as_cell(v)->v);
		break;
	case KT_KIND_STRUCT:
		note(list, kt_as_struct(v)->ctor);
		for (uint32_t i = 0; i < kt_as_struct(v)->shape->n; i++) {
			note(list, kt_as_struct(v)->fields[i]);
		}
		break;
	case KT_KIND_HOST:
		if (kt_as_host(v)->type->freeze != NULL) {
			kt_as_host(v)->type->freeze(t, kt_as_host(v));
		}
		break;
	default:
		break;
	}
}

void kt_val_freeze(kt_sthread *t, kt_val v)
{
	worklist list = {0};

	note(&list, v);
	while (list.len > 0) {
		freeze_one(t, &list, list.items[--list.len]);
	}
	kt_free(list.items);
}
