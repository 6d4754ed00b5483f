/* The plan object: each of its functions turns a call into a record of the plan. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "plan/refs.h"

#include <string.h>

kt_val call_arg(const call *c, const char *name)
{
	const signature *sig = &c->row->sig;
	for (size_t i = 0; i < sig->n; i++) {
		if (kt_str_eq(sig->params[i].name, name)) {
			return c->v[i];
		}
	}
	return KT_NULL;
}

/* --- reads and writes ----------------------------------------------------- */

static void touch_either(touch_list *list, kt_plan_res_kind kind, const char *name, bool printed)
{
	if (name == NULL) {
		list->failed = true;
		return;
	}
	for (size_t i = 0; i < list->len; i++) {
		if (list->items[i].kind == kind && kt_str_eq(list->items[i].name, name)) {
			list->items[i].printed = list->items[i].printed || printed;
			return;
		}
	}
	if (list->len == list->cap) {
		size_t cap = list->cap == 0 ? 4 : list->cap * 2;
		kt_plan_res *items = KT_ARENA_ARRAY(list->arena, kt_plan_res, cap);
		if (items == NULL) {
			list->failed = true;
			return;
		}
		if (list->len > 0) {
			memcpy(items, list->items, list->len * sizeof(*items));
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->len++] = (kt_plan_res){kind, name, printed};
}

void touch(touch_list *list, kt_plan_res_kind kind, const char *name)
{
	touch_either(list, kind, name, true);
}

void touch_hidden(touch_list *list, kt_plan_res_kind kind, const char *name)
{
	touch_either(list, kind, name, false);
}

static void touch_each_ref(touch_list *list, const char *text, bool printed)
{
	kt_ref ref;
	size_t len = text == NULL ? 0 : strlen(text);
	for (size_t from = 0; kt_ref_find(text, len, from, &ref); from = ref.end) {
		touch_either(list, KT_PLAN_RES_VALUE,
			     kt_arena_strndup(list->arena, text + ref.start, ref.end - ref.start),
			     printed);
	}
}

void touch_refs(touch_list *list, const char *text)
{
	touch_each_ref(list, text, true);
}

void touch_refs_hidden(touch_list *list, const char *text)
{
	touch_each_ref(list, text, false);
}

static int note_touches(call *c)
{
	touches all = {{.arena = c->in->arena}, {.arena = c->in->arena}};
	c->row->touches(c->rec, &all);
	if (all.reads.failed || all.writes.failed) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	c->rec->reads = (kt_plan_resources){all.reads.items, all.reads.len};
	c->rec->writes = (kt_plan_resources){all.writes.items, all.writes.len};
	return 0;
}

/* --- texts ---------------------------------------------------------------- */

/* Canonical text of the call and of each argument, as clients see them. */
static int note_texts(call *c)
{
	const signature *sig = &c->row->sig;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_instr_arg *args = KT_ARENA_ARRAY(c->in->arena, kt_instr_arg, sig->n + 1);
	if (args == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	for (size_t i = 0; i <= sig->n; i++) {
		const param *p = i < sig->n ? &sig->params[i] : &description_param;
		KT_AUTO_BUF kt_buf value = KT_BUF_INIT;
		args[i].name = p->name;
		args[i].representative = p->brief;
		if (c->v[i] == KT_NULL) {
			continue;
		}
		if (canon_add(c->t, c->v[i], &value) < 0 ||
		    (args[i].value = keep_buf(c->in, c->t, &value)) == NULL) {
			return -1;
		}
	}
	if (canon_add_call(c->t, sig, c->v, &text) < 0) {
		return -1;
	}
	c->rec->args = args;
	c->rec->n_args = sig->n + 1;
	c->rec->text = keep_buf(c->in, c->t, &text);
	return c->rec->text == NULL ? -1 : 0;
}

static int note_position(call *c)
{
	kt_star_frame frame;
	if (!interp_caller(c->t, &frame)) {
		return kt_star_fail(c->t, "%s was called from nowhere", c->row->sig.name);
	}
	c->rec->pos.file = keepz(c->in, c->t, frame.pos.file);
	c->rec->pos.line = (uint32_t)frame.pos.line;
	c->rec->pos.col = (uint32_t)frame.pos.col;
	return c->rec->pos.file == NULL ? -1 : 0;
}

/* The caller's description instead of the default; then what depends on it. */
static int note_description(call *c)
{
	kt_val description = c->v[c->row->sig.n];
	if (description != KT_NULL && !c->fixed_description) {
		size_t len;
		const char *text = kt_string_get(description, &len);
		c->rec->description = keep(c->in, c->t, text, len);
	}
	if (c->rec->description == NULL) {
		return -1;
	}
	if (c->rec->short_text == NULL) {
		c->rec->short_text =
			c->short_head != NULL
				? keepf(c->in, c->t, "%s%s)", c->short_head, c->rec->description)
				: keepf(c->in, c->t, "%s(%s)", c->row->sig.name,
					c->rec->description);
	}
	return c->rec->short_text == NULL ? -1 : 0;
}

/* --- the call ------------------------------------------------------------- */

/* The value that the earlier run's instruction gave, in place of this call's. */
static int take_over(call *c, const kt_done *done, kt_val *result)
{
	kt_sthread *own = kt_sthread_new(c->in->star);
	if (own == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	kt_val old = kt_star_eval(own, "stored-value", done->returned, strlen(done->returned),
				  c->in->serde);
	const kt_star_error *error = kt_sthread_error(own);
	bool no_memory = error != NULL && error->kind == KT_STAR_NOMEM;
	kt_sthread_free(own);
	if (no_memory) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	if (old == KT_NULL) {
		return kt_star_fail(c->t,
				    "The instruction was resolved with an instruction from the "
				    "enclave plan, but the result of this instruction could not "
				    "bedeserialized. The instruction was: '%s' and its result was: "
				    "'%s'",
				    done->text, done->returned);
	}
	*result = old;
	c->rec->skipped = true;
	c->rec->returned = keepz(c->in, c->t, done->returned);
	memcpy(c->rec->uuid.text, done->uuid, sizeof(c->rec->uuid.text));
	return c->rec->returned == NULL ? -1 : 0;
}

/* Decides whether the call's instruction runs, or was done by an earlier run. */
static int compare(call *c, kt_val *result)
{
	edit_run *edit = c->in->edit;
	if (edit_note_key(c->in->arena, c->rec) < 0) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	if (edit == NULL) {
		return 0;
	}
	const kt_done *other = edit->next < edit->n_mask ? &edit->mask[edit->next] : NULL;
	edit->next++;
	edit_answer answer = edit_resolve(c->rec, other, edit->state);
	if (edit->state->failed) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	if (answer == EDIT_EQUAL) {
		return take_over(c, other, result);
	}
	/* Without a mask there is nothing that could not fit. */
	if (edit->n_mask > 0 &&
	    (answer == EDIT_ABORT || (answer == EDIT_UNKNOWN && other != NULL))) {
		edit->invalid = true;
		return kt_star_fail(c->t, "The plan does not fit what was done before");
	}
	return 0;
}

/* The value as the language writes it, so that a later run can read it. */
static int note_returned(call *c, kt_val result)
{
	KT_AUTO_BUF kt_buf returned = KT_BUF_INIT;
	if (kt_val_repr(c->t, result, &returned) < 0) {
		return -1;
	}
	c->rec->returned = keep_buf(c->in, c->t, &returned);
	return c->rec->returned == NULL ? -1 : 0;
}

static int finish(call *c, kt_val *result)
{
	c->rec->uuid = kt_uuid_random();
	c->rec->number = c->in->instrs.len + 1;
	if (note_returned(c, *result) < 0 || compare(c, result) < 0 || note_description(c) < 0 ||
	    note_touches(c) < 0) {
		return -1;
	}
	if (kt_vec_push(&c->in->instrs, c->rec) < 0) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	return 0;
}

static kt_val call_instruction(kt_sthread *t, const kt_args *a)
{
	call c = {.in = interp_of(t), .t = t, .row = a->user};
	c.rec = KT_ARENA_NEW(c.in->arena, kt_instr);
	if (c.rec == NULL) {
		return kt_star_raise_nomem(t);
	}
	c.rec->kind = c.row->kind;
	if (args_bind(t, &c.row->sig, a, c.v) < 0 || note_position(&c) < 0 || note_texts(&c) < 0) {
		return KT_NULL;
	}
	kt_val result = c.row->interpret(&c);
	return result == KT_NULL || finish(&c, &result) < 0 ? KT_NULL : result;
}

static const kt_builtin_row plan_members[KT_INSTR_COUNT] = {
#define PLAN_MEMBER(upper, lower)                                                                  \
	[KT_INSTR_##upper] = {.name = #lower, .style = KT_ARGS_RAW, .fn = call_instruction},
	KT_INSTR_TABLE(PLAN_MEMBER)
#undef PLAN_MEMBER
};

kt_val plan_module(kt_sthread *t)
{
	kt_val members = kt_dict_new(t, KT_INSTR_COUNT);
	for (size_t i = 0; members != KT_NULL && i < KT_INSTR_COUNT; i++) {
		kt_val fn = kt_builtin_new(t, &plan_members[i],
					   (void *)(uintptr_t)&instr_rows[i]);
		if (fn == KT_NULL || kt_dict_sets(t, members, plan_members[i].name, fn) < 0) {
			return KT_NULL;
		}
	}
	return members == KT_NULL ? KT_NULL : kt_module_new(t, "plan", members);
}
