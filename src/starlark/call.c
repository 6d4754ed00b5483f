/* Calls: frames, argument binding, host functions. */
#include "starlark/vm_internal.h"

#include "base/stack.h"

void kt_vm_leave(kt_sthread *t)
{
	kt_frame *frame = t->frame;

	if (t->niters > frame->iter_base) {
		kt_thread_unwind_iters(t, frame->iter_base);
	}
	if (kt_is(frame->callee, KT_KIND_FUNCTION)) {
		kt_as_function(frame->callee)->code->active = frame->was_active;
	}
	kt_frame_pop(t);
}

int kt_vm_enter(kt_sthread *t, kt_function *fn, kt_val *regs, uint32_t ret)
{
	kt_code *code = fn->code;
	kt_frame *frame;

	if ((size_t)(t->stack_end - regs) <= code->nregs) {
		return kt_star_fail(t, "Starlark stack overflow");
	}
	frame = kt_frame_push(t, kt_obj_val(fn));
	if (frame == NULL) {
		return -1;
	}
	frame->base = regs;
	frame->ret = ret;
	frame->was_active = code->active;
	frame->pc = code->instrs;
	if (code->active == t && !t->star->opt.allow_recursion) {
		frame->at_entry = true;
		return kt_star_fail(t, "function %s called recursively", code->name);
	}
	code->active = t;
	return 0;
}

/* A call of a Starlark function: 0 = its frame is current, -1 = failed. */
static int call_function(kt_sthread *t, const kt_call_site *site)
{
	kt_function *fn = kt_as_function(site->regs[0]);
	const kt_code *code = fn->code;
	const kt_frame *frame = t->frame;
	uint32_t nkw = site->names == KT_NULL ? 0 : (uint32_t)kt_as_tuple(site->names)->len;
	kt_val *base = site->args;
	kt_arg_list args;

	if (code->simple && nkw == 0 && site->npos <= code->nparams &&
	    site->npos + code->ndefaults >= code->nparams) {
		uint32_t first = code->nparams - code->ndefaults;

		if ((size_t)(t->stack_end - base) <= code->nregs) {
			return kt_star_fail(t, "Starlark stack overflow");
		}
		for (uint32_t i = site->npos; i < code->nparams; i++) {
			base[i] = fn->defaults[i - first];
		}
		for (uint32_t i = code->nparams; i < code->nlocals; i++) {
			base[i] = KT_NULL;
		}
		return kt_vm_enter(t, fn, base, site->ret);
	}
	base = frame->base + kt_as_function(frame->callee)->code->nregs;
	if (kt_vm_enter(t, fn, base, site->ret) < 0) {
		return -1;
	}
	args = (kt_arg_list){
		.pos = site->args,
		.npos = site->npos,
		.names = site->names,
		.values = site->args + site->npos,
		.nnames = nkw,
	};
	return kt_bind_args(t, fn, &args, base);
}

int kt_vm_call(kt_sthread *t, const kt_call_site *site, kt_val self)
{
	kt_val callee = site->regs[0];
	kt_val result;
	kt_arg_list args;

	if (kt_is(callee, KT_KIND_FUNCTION)) {
		return call_function(t, site);
	}
	args = (kt_arg_list){
		.pos = site->args,
		.npos = site->npos,
		.names = site->names,
		.values = site->args + site->npos,
		.nnames = site->names == KT_NULL ? 0 : kt_as_tuple(site->names)->len,
	};
	result = kt_call_host(t, callee, self, &args);
	if (result == KT_NULL) {
		return -1;
	}
	t->frame->base[site->ret] = result;
	return 1;
}


kt_val *kt_stack_top(const kt_sthread *t)
{
	const kt_frame *frame = t->frame;

	if (kt_is(frame->callee, KT_KIND_FUNCTION)) {
		return frame->base + kt_as_function(frame->callee)->code->nregs;
	}
	return frame->base;
}

/* ---- binding ----------------------------------------------------------------- */

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static int bind_positional(kt_sthread *t, const kt_code *code, const kt_arg_list *args,
			   kt_val *regs)
{
	uint32_t ordinary = code->nparams - code->nkwonly;
	size_t n = KT_MIN(args->npos, ordinary);
	kt_val rest;

	if (args->npos > ordinary && !code->varargs) {
		return kt_star_fail(t, "function %s accepts %s%u positional argument%s (%zu given)",
				    code->name, code->ndefaults > code->nkwonly ? "at most " : "",
				    ordinary, plural(ordinary), args->npos);
	}
	if (n > 0) {
		memmove(regs, args->pos, n * sizeof(kt_val));
	}
	if (code->varargs) {
		rest = kt_tuple_new(t, args->pos + n, args->npos - n);
		if (rest == KT_NULL) {
			return -1;
		}
		regs[code->nparams] = rest;
	}
	return 0;
}

static int bind_named(kt_sthread *t, const kt_code *code, kt_val name, kt_val value, kt_val *regs,
		      kt_dict *kwargs)
{
	kt_str *text = kt_as_str(name);
	uint32_t before;

	for (uint32_t i = 0; i < code->nparams; i++) {
		if (code->local_names[i] != name &&
		    !kt_str_equal(kt_as_str(code->local_names[i]), text)) {
			continue;
		}
		if (regs[i] != KT_NULL) {
			return kt_star_fail(t, "function %s got multiple values for parameter \"%s\"",
					    code->name, text->data);
		}
		regs[i] = value;
		return 0;
	}
	if (kwargs == NULL) {
		KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;

		kt_quote(&quoted, text->data, text->len, false);
		return kt_star_fail(t, "function %s got an unexpected keyword argument %s",
				    code->name, kt_buf_str(&quoted));
	}
	before = kwargs->len;
	if (kt_dict_put(t, kwargs, name, value) < 0) {
		return -1;
	}
	if (kwargs->len == before) {
		return kt_star_fail(t, "function %s got multiple values for parameter \"%s\"",
				    code->name, text->data);
	}
	return 0;
}

static int bind_all_named(kt_sthread *t, const kt_code *code, const kt_arg_list *args,
			  kt_val *regs)
{
	kt_dict *kwargs = NULL;

	if (code->kwargs) {
		kwargs = kt_dict_alloc(t, KT_KIND_DICT, 0);
		if (kwargs == NULL) {
			return -1;
		}
		regs[code->nparams + (code->varargs ? 1 : 0)] = kt_obj_val(kwargs);
	}
	for (size_t i = 0; i < args->nnames; i++) {
		kt_val name = kt_as_tuple(args->names)->items[i];

		if (bind_named(t, code, name, args->values[i], regs, kwargs) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < args->npairs; i++) {
		if (bind_named(t, code, args->pairs[2 * i], args->pairs[2 * i + 1], regs, kwargs) <
		    0) {
			return -1;
		}
	}
	return 0;
}

static int bind_defaults(kt_sthread *t, const kt_function *fn, kt_val *regs)
{
	const kt_code *code = fn->code;
	uint32_t first = code->nparams - code->ndefaults;
	KT_AUTO_BUF kt_buf missing = KT_BUF_INIT;
	unsigned n = 0;

	for (uint32_t i = 0; i < code->nparams; i++) {
		if (regs[i] != KT_NULL) {
			continue;
		}
		if (i >= first && fn->defaults[i - first] != KT_NULL) {
			regs[i] = fn->defaults[i - first];
			continue;
		}
		kt_buf_adds(&missing, n++ == 0 ? "" : ", ");
		kt_buf_adds(&missing, kt_as_str(code->local_names[i])->data);
	}
	if (n > 0) {
		return kt_star_fail(t, "function %s missing %u argument%s (%s)", code->name, n,
				    plural(n), kt_buf_str(&missing));
	}
	return 0;
}

int kt_bind_args(kt_sthread *t, kt_function *fn, const kt_arg_list *args, kt_val *regs)
{
	const kt_code *code = fn->code;
	int rc;

	memset(regs, 0, code->nlocals * sizeof(kt_val));
	if (code->nparams == 0 && !code->varargs && !code->kwargs) {
		size_t n = args->npos + args->nnames + args->npairs;

		rc = n == 0 ? 0
			    : kt_star_fail(t, "function %s accepts no arguments (%zu given)",
					   code->name, n);
	} else {
		rc = bind_positional(t, code, args, regs);
		rc = rc < 0 ? rc : bind_all_named(t, code, args, regs);
		rc = rc < 0 ? rc : bind_defaults(t, fn, regs);
	}
	if (rc < 0) {
		t->frame->at_entry = true;
	}
	return rc;
}

/* ---- host functions ---------------------------------------------------------- */

/* Keyword arguments as pairs; on the stack from *top on unless they are in that form already. */
static const kt_val *pairs_of(kt_sthread *t, const kt_arg_list *args, kt_val **top)
{
	kt_val *pairs = *top;
	size_t n = 0;

	if (args->nnames == 0) {
		return args->pairs;
	}
	if ((size_t)(t->stack_end - pairs) <= 2 * (args->nnames + args->npairs)) {
		kt_star_fail(t, "Starlark stack overflow");
		return NULL;
	}
	for (size_t i = 0; i < args->nnames; i++) {
		pairs[n++] = kt_as_tuple(args->names)->items[i];
		pairs[n++] = args->values[i];
	}
	if (args->npairs > 0) {
		memcpy(pairs + n, args->pairs, 2 * args->npairs * sizeof(kt_val));
		n += 2 * args->npairs;
	}
	*top = pairs + n;
	return pairs;
}

static kt_val call_row(kt_sthread *t, kt_builtin *builtin, kt_args *a)
{
	const kt_builtin_row *row = builtin->row;
	kt_val v[KT_PARAMS_MAX + 1];

	a->row = row;
	a->user = builtin->user;
	if (row->style != KT_ARGS_RAW) {
		if (kt_args_unpack(t, row->name, row->style, row->params, row->nparams, a, v) < 0) {
			return KT_NULL;
		}
		a->v = v;
	}
	return row->fn(t, a);
}

kt_val kt_call_host(kt_sthread *t, kt_val callee, kt_val self, const kt_arg_list *args)
{
	kt_val *top = args->top != NULL ? args->top : kt_stack_top(t);
	kt_host *host = kt_host_get(callee, NULL);
	kt_args a = {.pos = args->pos, .npos = args->npos, .self = self};
	kt_frame *frame;
	kt_val result;

	if (!kt_is(callee, KT_KIND_BUILTIN) && (host == NULL || host->type->call == NULL)) {
		return kt_star_raise(t, "invalid call of non-function (%s)",
				     kt_val_type_name(callee));
	}
	a.nkw = args->nnames + args->npairs;
	a.kw = pairs_of(t, args, &top);
	if (a.nkw > 0 && a.kw == NULL) {
		return KT_NULL;
	}
	frame = kt_frame_push(t, callee);
	if (frame == NULL) {
		return KT_NULL;
	}
	frame->base = top;
	if (host != NULL) {
		result = host->type->call(t, host, &a);
	} else {
		if (self == KT_NULL) {
			a.self = kt_as_builtin(callee)->self;
		}
		result = call_row(t, kt_as_builtin(callee), &a);
	}
	if (result == KT_NULL) {
		if (!t->failed) {
			kt_star_raise(t, "%s: failed without saying why", kt_fn_name(callee));
		}
		kt_error_capture(t);
		kt_thread_unwind_iters(t, frame->iter_base);
	}
	kt_frame_pop(t);
	return result;
}

/* ---- *args and **kwargs ------------------------------------------------------ */

/* Appends to the stack; false when it is full. */
static bool push(kt_sthread *t, kt_val **top, kt_val v)
{
	if (*top >= t->stack_end) {
		kt_star_fail(t, "Starlark stack overflow");
		return false;
	}
	*(*top)++ = v;
	return true;
}

static int push_star(kt_sthread *t, kt_val star, kt_val **top)
{
	kt_iter iter;
	kt_val item;
	int more;

	if (!kt_val_iterable(star)) {
		return kt_star_fail(t, "argument after * must be iterable, not %s",
				    kt_val_type_name(star));
	}
	if (kt_iter_begin(t, &iter, star) < 0) {
		return -1;
	}
	while ((more = kt_iter_next(t, &iter, &item)) > 0) {
		if (!push(t, top, item)) {
			more = -1;
			break;
		}
	}
	kt_iter_end(&iter);
	return more;
}

static int check_starstar(kt_sthread *t, kt_val dict)
{
	kt_val key;
	kt_val value;

	if (!kt_is(dict, KT_KIND_DICT)) {
		return kt_star_fail(t, "argument after ** must be a mapping, not %s",
				    kt_val_type_name(dict));
	}
	for (size_t at = 0; kt_dict_next(dict, &at, &key, &value);) {
		if (!kt_is_str(key)) {
			return kt_star_fail(t, "keywords must be strings, not %s",
					    kt_val_type_name(key));
		}
	}
	return 0;
}

static int push_starstar(kt_sthread *t, kt_val dict, kt_val **top)
{
	kt_val key;
	kt_val value;

	for (size_t at = 0; kt_dict_next(dict, &at, &key, &value);) {
		if ((kt_as_str(key)->h.flags & KT_INTERNED) == 0) {
			key = kt_string_intern(t, kt_as_str(key)->data, kt_as_str(key)->len);
		}
		if (key == KT_NULL || !push(t, top, key) || !push(t, top, value)) {
			return -1;
		}
	}
	return 0;
}

int kt_call_stars(kt_sthread *t, kt_val *regs, kt_instr in, kt_val names)
{
	size_t nnames = names == KT_NULL ? 0 : kt_as_tuple(names)->len;
	kt_val *stars = regs + 1 + in.b + nnames;
	kt_val *top = kt_stack_top(t);
	kt_arg_list args = {
		.pos = top,
		.names = names,
		.values = regs + 1 + in.b,
		.nnames = nnames,
	};
	kt_val result;

	for (uint32_t i = 0; i < in.b; i++) {
		if (!push(t, &top, regs[1 + i])) {
			return -1;
		}
	}
	if ((in.n & 2) != 0 && check_starstar(t, stars[in.n & 1]) < 0) {
		return -1;
	}
	if ((in.n & 1) != 0 && push_star(t, stars[0], &top) < 0) {
		return -1;
	}
	args.npos = (size_t)(top - args.pos);
	args.pairs = top;
	if ((in.n & 2) != 0 && push_starstar(t, stars[in.n & 1], &top) < 0) {
		return -1;
	}
	args.npairs = (size_t)(top - args.pairs) / 2;
	args.top = top;
	if (kt_is(regs[0], KT_KIND_FUNCTION)) {
		if (kt_vm_enter(t, kt_as_function(regs[0]), top, in.a) < 0) {
			return -1;
		}
		return kt_bind_args(t, kt_as_function(regs[0]), &args, top);
	}
	result = kt_call_host(t, regs[0], KT_NULL, &args);
	if (result == KT_NULL) {
		return -1;
	}
	regs[0] = result;
	return 1;
}

/* ---- from C ------------------------------------------------------------------ */

static kt_val call_from_c(kt_sthread *t, kt_function *fn, const kt_arg_list *args)
{
	kt_val *regs = kt_stack_top(t);
	const kt_frame *before = t->frame;
	kt_val result;

	if (t->c_depth >= KT_MAX_C_DEPTH || kt_stack_low()) {
		return kt_star_raise(t, "calls nested too deeply through host functions");
	}
	if (kt_vm_enter(t, fn, regs, UINT32_MAX) < 0 || kt_bind_args(t, fn, args, regs) < 0) {
		kt_error_capture(t);
		while (t->frame != before) {
			kt_vm_leave(t);
		}
		return KT_NULL;
	}
	t->c_depth++;
	result = kt_vm_run(t);
	t->c_depth--;
	return result;
}

kt_val kt_star_call(kt_sthread *t, kt_val fn, const kt_val *pos, size_t npos, const kt_val *kw,
		    size_t nkw)
{
	kt_arg_list args = {.pos = pos, .npos = npos, .pairs = kw, .npairs = nkw};

	if (kt_is(fn, KT_KIND_FUNCTION)) {
		return call_from_c(t, kt_as_function(fn), &args);
	}
	return kt_call_host(t, fn, KT_NULL, &args);
}
