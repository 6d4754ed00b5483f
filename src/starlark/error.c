/* Pending errors, tracebacks, frames, threads. */
#include "starlark/code.h"
#include "starlark/run_internal.h"

#include <stdarg.h>

kt_sthread *kt_sthread_new(kt_star *star)
{
	kt_sthread *self = kt_calloc(1, sizeof(*self));

	if (self == NULL) {
		return NULL;
	}
	self->stack = kt_malloc(KT_STACK_VALUES * sizeof(kt_val));
	if (self->stack == NULL) {
		kt_free(self);
		return NULL;
	}
	self->stack_end = self->stack + KT_STACK_VALUES;
	self->star = star;
	self->frame = &self->bottom;
	self->bottom.base = self->stack;
	self->slice = star->opt.profile == NULL ? KT_SLICE : 1;
	self->next = star->threads;
	if (self->next != NULL) {
		self->next->prev = self;
	}
	star->threads = self;
	return self;
}

void kt_sthread_free(kt_sthread *self)
{
	kt_frame *frame;

	if (self == NULL) {
		return;
	}
	self->star->steps += (uint64_t)(KT_SLICE - self->slice);
	if (self->prev != NULL) {
		self->prev->next = self->next;
	} else {
		self->star->threads = self->next;
	}
	if (self->next != NULL) {
		self->next->prev = self->prev;
	}
	kt_thread_unwind_iters(self, 0);
	frame = self->bottom.down;
	while (frame != NULL) {
		kt_frame *down = frame->down;

		kt_free(frame);
		frame = down;
	}
	kt_free(self->iters);
	kt_free(self->stack);
	kt_free(self);
}

kt_star *kt_sthread_star(const kt_sthread *self)
{
	return self->star;
}

int kt_thread_tick(kt_sthread *t)
{
	kt_star *star = t->star;

	star->steps += (uint64_t)(KT_SLICE - t->slice);
	t->slice = KT_SLICE;
	if (star->opt.profile != NULL) {
		star->opt.profile(star->opt.user, t);
		star->steps -= KT_SLICE - 1; /* the slice is one step long */
		t->slice = 1;
	}
	if (star->opt.step_limit != 0 && star->steps > star->opt.step_limit) {
		static const char msg[] = "Starlark computation cancelled: too many steps";

		kt_error_set(t, KT_STAR_STEPS, msg, sizeof(msg) - 1);
		return -1;
	}
	if (kt_cancel_fired(star->opt.cancel)) {
		static const char msg[] = "Starlark computation cancelled";

		kt_error_set(t, KT_STAR_CANCELLED, msg, sizeof(msg) - 1);
		return -1;
	}
	return 0;
}

kt_frame *kt_frame_push(kt_sthread *t, kt_val callee)
{
	kt_frame *frame = t->frame->down;

	if (frame == NULL) {
		if (t->depth >= KT_MAX_FRAMES) {
			kt_star_raise(t, "Starlark stack overflow");
			return NULL;
		}
		frame = kt_calloc(1, sizeof(*frame));
		if (frame == NULL) {
			kt_star_raise_nomem(t);
			return NULL;
		}
		frame->up = t->frame;
		t->frame->down = frame;
	}
	frame->callee = callee;
	frame->pc = NULL;
	frame->iter_base = t->niters;
	frame->at_entry = false;
	t->frame = frame;
	t->depth++;
	return frame;
}

void kt_frame_pop(kt_sthread *t)
{
	t->frame = t->frame->up;
	t->depth--;
}

int kt_iter_guard_push(kt_sthread *t, kt_val seq)
{
	if (t->niters == t->iters_cap) {
		uint32_t cap = t->iters_cap == 0 ? 32 : t->iters_cap * 2;
		kt_val *grown = kt_realloc(t->iters, cap * sizeof(kt_val));

		if (grown == NULL) {
			kt_star_raise_nomem(t);
			return -1;
		}
		t->iters = grown;
		t->iters_cap = cap;
	}
	t->iters[t->niters++] = seq;
	if (kt_is_obj(seq)) {
		kt_obj *obj = kt_obj_of(seq);

		if (obj->kind == KT_KIND_LIST || obj->kind == KT_KIND_DICT ||
		    obj->kind == KT_KIND_SET) {
			obj->hash++;
		}
	}
	return 0;
}

void kt_thread_unwind_iters(kt_sthread *t, uint32_t to)
{
	while (t->niters > to) {
		kt_val seq = t->iters[--t->niters];

		if (kt_is_obj(seq)) {
			kt_obj *obj = kt_obj_of(seq);

			if (obj->kind == KT_KIND_LIST || obj->kind == KT_KIND_DICT ||
			    obj->kind == KT_KIND_SET) {
				obj->hash--;
			}
		}
	}
}

/* ---- the stack as others see it ---------------------------------------------- */

static kt_star_pos frame_pos(const kt_frame *frame)
{
	if (kt_is(frame->callee, KT_KIND_FUNCTION)) {
		const kt_code *code = kt_as_function(frame->callee)->code;

		if (frame->at_entry || frame->pc == NULL) {
			return (kt_star_pos){code->file, code->entry_pos.line,
					     code->entry_pos.col};
		}
		return kt_code_pos(code, frame->pc - 1);
	}
	return (kt_star_pos){"<builtin>", 0, 0};
}

bool kt_sthread_frame(const kt_sthread *t, size_t depth, kt_star_frame *ret)
{
	const kt_frame *frame = t->frame;

	while (depth > 0 && frame != &t->bottom) {
		frame = frame->up;
		depth--;
	}
	if (frame == &t->bottom) {
		return false;
	}
	*ret = (kt_star_frame){kt_fn_name(frame->callee), frame_pos(frame)};
	return true;
}

void kt_error_capture(kt_sthread *t)
{
	size_t n = 0;
	kt_star_frame *frames;

	if (!t->failed || t->captured) {
		return;
	}
	t->captured = true;
	if (t->err.kind == KT_STAR_SYNTAX || t->err.kind == KT_STAR_RESOLVE) {
		return;
	}
	for (const kt_frame *f = t->frame; f != &t->bottom; f = f->up) {
		n++;
	}
	frames = KT_ARENA_ARRAY(&t->star->texts, kt_star_frame, n);
	if (frames == NULL) {
		return;
	}
	t->err.frames = frames;
	t->err.nframes = n;
	for (const kt_frame *f = t->frame; f != &t->bottom; f = f->up) {
		frames[--n] = (kt_star_frame){kt_fn_name(f->callee), frame_pos(f)};
	}
}

/* ---- raising ----------------------------------------------------------------- */

kt_val kt_error_set(kt_sthread *t, kt_star_err_kind kind, const char *msg, size_t len)
{
	char *copy;

	if (t->failed) {
		return KT_NULL; /* the first one stands */
	}
	copy = kt_arena_strndup(&t->star->texts, msg, len);
	t->failed = true;
	t->captured = false;
	t->err = (kt_star_error){.kind = kind, .msg = copy};
	if (copy == NULL) {
		t->err.kind = KT_STAR_NOMEM;
		t->err.msg = "out of memory";
	}
	return KT_NULL;
}

static kt_val raisev(kt_sthread *t, int tag, const char *fmt, va_list args)
{
	char small[256];
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(small, sizeof(small), fmt, args);
	if (len >= 0 && (size_t)len < sizeof(small)) {
		kt_error_set(t, KT_STAR_EVAL, small, (size_t)len);
	} else {
		char *large = len < 0 ? NULL : kt_malloc((size_t)len + 1);

		if (large == NULL) {
			kt_star_raise_nomem(t);
		} else {
			vsnprintf(large, (size_t)len + 1, fmt, again);
			kt_error_set(t, KT_STAR_EVAL, large, (size_t)len);
			kt_free(large);
		}
	}
	va_end(again);
	if (tag != 0 && t->err.kind == KT_STAR_EVAL) {
		t->err.tag = tag;
	}
	return KT_NULL;
}

kt_val kt_star_raise(kt_sthread *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	raisev(t, 0, fmt, args);
	va_end(args);
	return KT_NULL;
}

kt_val kt_star_raise_tagged(kt_sthread *t, int tag, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	raisev(t, tag, fmt, args);
	va_end(args);
	return KT_NULL;
}

int kt_star_fail(kt_sthread *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	raisev(t, 0, fmt, args);
	va_end(args);
	return -1;
}

kt_val kt_star_raise_nomem(kt_sthread *t)
{
	if (!t->failed) {
		t->failed = true;
		t->captured = false;
		t->err = (kt_star_error){.kind = KT_STAR_NOMEM, .msg = "out of memory"};
	}
	return KT_NULL;
}

kt_val kt_star_raise_err(kt_sthread *t, kt_err *err)
{
	char *text = kt_err_text(err);

	if (text == NULL) {
		kt_star_raise_nomem(t);
	} else {
		kt_error_set(t, KT_STAR_EVAL, text, strlen(text));
	}
	kt_free(text);
	kt_err_release(err);
	return KT_NULL;
}

kt_val kt_star_prefix(kt_sthread *t, const char *name)
{
	char *msg;

	if (t->failed && t->err.kind == KT_STAR_EVAL) {
		msg = kt_arena_printf(&t->star->texts, "%s: %s", name, t->err.msg);
		if (msg != NULL) {
			t->err.msg = msg;
		}
	}
	return KT_NULL;
}

const kt_star_error *kt_sthread_error(const kt_sthread *t)
{
	return t->failed ? &t->err : NULL;
}

void kt_sthread_clear_error(kt_sthread *t)
{
	t->failed = false;
	t->captured = false;
	t->err = (kt_star_error){.kind = KT_STAR_OK};
}

void kt_star_error_text(const kt_star_error *error, kt_buf *out)
{
	for (size_t i = 0; i < error->ndiags; i++) {
		const kt_star_diag *d = &error->diags[i];

		kt_buf_addf(out, "%s:%d:%d: %s\n", d->pos.file, d->pos.line, d->pos.col, d->msg);
	}
	if (error->ndiags > 0) {
		return;
	}
	if (error->nframes > 0) {
		kt_buf_adds(out, "Traceback (most recent call last):\n");
	}
	for (size_t i = 0; i < error->nframes; i++) {
		const kt_star_frame *f = &error->frames[i];

		if (f->pos.line == 0) {
			kt_buf_addf(out, "  %s: in %s\n", f->pos.file, f->name);
		} else {
			kt_buf_addf(out, "  %s:%d:%d: in %s\n", f->pos.file, f->pos.line,
				    f->pos.col, f->name);
		}
	}
	kt_buf_addf(out, "Error: %s\n", error->msg);
}
