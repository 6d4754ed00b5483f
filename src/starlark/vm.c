/*
 * The virtual machine. One C function runs Starlark functions until control returns to C;
 * calls among them use no C stack. Every handler ends in NEXT, a jump of its own.
 */
#include "starlark/bigint.h"
#include "starlark/code.h"
#include "starlark/vm_internal.h"

#if defined(__GNUC__)
#define KT_COMPUTED_GOTO 1
#endif

#ifdef KT_COMPUTED_GOTO
#define OP(name) op_##name
#define NEXT                                                                                       \
	do {                                                                                       \
		in = *pc++;                                                                        \
		goto *labels[in.op];                                                               \
	} while (0)
#else
#define OP(name) case KT_BC_##name
#define NEXT break
#endif

#define WIDE ((uint32_t)in.b | (uint32_t)in.c << 16)
#define BOTH_SMALL(x, y) (((x) & (y)&1) != 0)
#define TICK()                                                                                     \
	do {                                                                                       \
		if (--t->slice <= 0) {                                                             \
			frame->pc = pc;                                                            \
			if (kt_thread_tick(t) < 0) {                                               \
				goto failed;                                                       \
			}                                                                          \
		}                                                                                  \
	} while (0)
#define RESULT(expression)                                                                         \
	do {                                                                                       \
		kt_val result_;                                                                    \
		frame->pc = pc;                                                                    \
		result_ = (expression);                                                            \
		if (result_ == KT_NULL) {                                                          \
			goto failed;                                                               \
		}                                                                                  \
		R[in.a] = result_;                                                                 \
	} while (0)
#define TRY(expression)                                                                            \
	do {                                                                                       \
		frame->pc = pc;                                                                    \
		if ((expression) < 0) {                                                            \
			goto failed;                                                               \
		}                                                                                  \
	} while (0)
#define BINARY(op) RESULT(kt_val_binary(t, (op), R[in.b], R[in.c]))
#define ORDER(cmp, operator)                                                                       \
	do {                                                                                       \
		kt_val x_ = R[in.b];                                                               \
		kt_val y_ = R[in.c];                                                               \
		if (BOTH_SMALL(x_, y_)) {                                                          \
			R[in.a] = kt_bool((int64_t)x_ operator(int64_t) y_);                       \
		} else {                                                                           \
			bool r_ = false;                                                           \
			TRY(kt_val_compare(t, (cmp), x_, y_, &r_));                                \
			R[in.a] = kt_bool(r_);                                                     \
		}                                                                                  \
	} while (0)

#define JUMP24 ((int32_t)((uint32_t)in.n << 24 | (uint32_t)in.c << 8) >> 8)
#define JUMP_EQUAL(wanted)                                                                         \
	do {                                                                                       \
		bool r_ = same(R[in.a], R[in.b]);                                                  \
		if (!r_ && !BOTH_SMALL(R[in.a], R[in.b])) {                                        \
			TRY(kt_val_equal(t, R[in.a], R[in.b], &r_));                               \
		}                                                                                  \
		if (r_ == (wanted)) {                                                              \
			pc += JUMP24;                                                              \
		}                                                                                  \
	} while (0)
#define JUMP_ORDER(cmp, operator, wanted)                                                          \
	do {                                                                                       \
		kt_val x_ = R[in.a];                                                               \
		kt_val y_ = R[in.b];                                                               \
		bool r_ = false;                                                                   \
		if (BOTH_SMALL(x_, y_)) {                                                          \
			r_ = (int64_t)x_ operator(int64_t) y_;                                     \
		} else {                                                                           \
			TRY(kt_val_compare(t, (cmp), x_, y_, &r_));                                \
		}                                                                                  \
		if (r_ == (wanted)) {                                                              \
			pc += JUMP24;                                                              \
		}                                                                                  \
	} while (0)

/* Equal at a glance. Containers are looked into even then, as cycles must be noticed. */
static inline bool same(kt_val a, kt_val b)
{
	return a == b && (!kt_is_obj(a) || kt_obj_of(a)->kind < KT_KIND_LIST);
}

static inline bool truth(kt_val v)
{
	return v == KT_TRUE || (v != KT_FALSE && kt_val_truth(v));
}

/* Reads b.site, through the site's cache. */
static inline kt_val attr(kt_sthread *t, kt_val of, kt_site *site)
{
	if (kt_is_obj(of)) {
		uint8_t kind = kt_obj_of(of)->kind;

		if (kind == KT_KIND_STRUCT && kt_as_struct(of)->shape == site->key) {
			return kt_as_struct(of)->fields[site->slot];
		}
		if (kind == KT_KIND_MODULE && kt_as_module(of)->members == site->key) {
			return kt_as_module(of)->members->entries[site->slot].value;
		}
	}
	return kt_site_attr(t, of, site);
}

kt_val kt_vm_run(kt_sthread *t)
{
#ifdef KT_COMPUTED_GOTO
	static const void *const labels[] = {
#define KT_OP_LABEL(name) &&op_##name,
		KT_OPS(KT_OP_LABEL)
#undef KT_OP_LABEL
	};
#endif
	const kt_frame *bottom = t->frame->up;
	kt_frame *frame;
	const kt_code *code;
	kt_function *fn;
	const kt_instr *pc;
	kt_instr in;
	kt_val *R;
	const kt_val *K;
	kt_val value;
	kt_call_site site;
	int status;

enter:
	frame = t->frame;
	fn = kt_as_function(frame->callee);
	code = fn->code;
	pc = frame->pc;
	R = frame->base;
	K = code->consts;
#ifdef KT_COMPUTED_GOTO
	NEXT;
#else
	for (;;) {
		in = *pc++;
		switch ((kt_op)in.op) {
#endif
	OP(MOVE):
		R[in.a] = R[in.b];
		NEXT;
	OP(LOADK):
		R[in.a] = K[WIDE];
		NEXT;
	OP(GETGLOBAL):
		value = code->unit->globals[WIDE];
		if (value == KT_NULL) {
			kt_star_fail(t, "global variable %s referenced before assignment",
				     kt_string_get(code->unit->global_names[WIDE], NULL));
			goto failed;
		}
		R[in.a] = value;
		NEXT;
	OP(SETGLOBAL):
		code->unit->globals[WIDE] = R[in.a];
		NEXT;
	OP(CELL):
		RESULT(kt_cell_new(t, R[in.a]));
		NEXT;
	OP(GETCELL):
		value = kt_as_cell(R[in.b])->v;
		if (value == KT_NULL) {
			kt_star_fail(t, "local variable %s referenced before assignment",
				     kt_string_get(code->local_names[in.b], NULL));
			goto failed;
		}
		R[in.a] = value;
		NEXT;
	OP(SETCELL):
		kt_as_cell(R[in.a])->v = R[in.b];
		NEXT;
	OP(GETFREE):
		value = fn->free[in.b]->v;
		if (value == KT_NULL) {
			kt_star_fail(t, "local variable %s referenced before assignment",
				     kt_string_get(code->free_names[in.b], NULL));
			goto failed;
		}
		R[in.a] = value;
		NEXT;
	OP(CHECK):
		if (R[in.a] == KT_NULL) {
			kt_star_fail(t, "local variable %s referenced before assignment",
				     kt_string_get(code->local_names[in.a], NULL));
			goto failed;
		}
		NEXT;
	OP(ADD): {
		kt_val x = R[in.b];
		kt_val y = R[in.c];
		int64_t sum;

		if (BOTH_SMALL(x, y) &&
		    !__builtin_add_overflow((int64_t)x, (int64_t)(y - 1), &sum)) {
			R[in.a] = (kt_val)sum;
		} else {
			RESULT(in.n ? kt_bytes_concat(t, x, y) : kt_val_binary(t, KT_OP_ADD, x, y));
		}
		NEXT;
	}
	OP(SUB): {
		kt_val x = R[in.b];
		kt_val y = R[in.c];
		int64_t difference;

		if (BOTH_SMALL(x, y) &&
		    !__builtin_sub_overflow((int64_t)x, (int64_t)(y - 1), &difference)) {
			R[in.a] = (kt_val)difference;
		} else {
			RESULT(kt_val_binary(t, KT_OP_SUB, x, y));
		}
		NEXT;
	}
	OP(MUL): {
		kt_val x = R[in.b];
		kt_val y = R[in.c];
		int64_t product;

		if (BOTH_SMALL(x, y) &&
		    !__builtin_mul_overflow((int64_t)(x - 1), kt_small(y), &product)) {
			R[in.a] = (kt_val)product | 1;
		} else {
			RESULT(kt_val_binary(t, KT_OP_MUL, x, y));
		}
		NEXT;
	}
	OP(DIV):
		BINARY(KT_OP_DIV);
		NEXT;
	OP(FLOORDIV):
		BINARY(KT_OP_FLOORDIV);
		NEXT;
	OP(MOD): {
		kt_val x = R[in.b];
		kt_val y = R[in.c];

		if (BOTH_SMALL(x, y) && (int64_t)x >= 0 && (int64_t)y > 1) {
			R[in.a] = kt_small_val(kt_small(x) % kt_small(y));
		} else {
			BINARY(KT_OP_MOD);
		}
		NEXT;
	}
	OP(BITAND):
		BINARY(KT_OP_AND);
		NEXT;
	OP(BITOR):
		BINARY(KT_OP_OR);
		NEXT;
	OP(XOR):
		BINARY(KT_OP_XOR);
		NEXT;
	OP(SHL):
		BINARY(KT_OP_SHL);
		NEXT;
	OP(SHR):
		BINARY(KT_OP_SHR);
		NEXT;
	OP(IN):
		BINARY(KT_OP_IN);
		NEXT;
	OP(NOTIN):
		BINARY(KT_OP_NOT_IN);
		NEXT;
	OP(ADDI): {
		kt_val x = R[in.b];
		int64_t sum;

		if (kt_is_int(x) &&
		    !__builtin_add_overflow((int64_t)x, (int64_t)(int16_t)in.c * 2, &sum)) {
			R[in.a] = (kt_val)sum;
		} else {
			RESULT(kt_val_binary(t, KT_OP_ADD, x, kt_small_val((int16_t)in.c)));
		}
		NEXT;
	}
	OP(IADD):
		RESULT(kt_inplace_add(t, R[in.b], R[in.c]));
		NEXT;
	OP(IOR):
		RESULT(kt_inplace_or(t, R[in.b], R[in.c]));
		NEXT;
	OP(EQ): {
		bool equal = same(R[in.b], R[in.c]);

		if (!equal && !BOTH_SMALL(R[in.b], R[in.c])) {
			TRY(kt_val_equal(t, R[in.b], R[in.c], &equal));
		}
		R[in.a] = kt_bool(equal);
		NEXT;
	}
	OP(NE): {
		bool equal = same(R[in.b], R[in.c]);

		if (!equal && !BOTH_SMALL(R[in.b], R[in.c])) {
			TRY(kt_val_equal(t, R[in.b], R[in.c], &equal));
		}
		R[in.a] = kt_bool(!equal);
		NEXT;
	}
	OP(LT):
		ORDER(KT_CMP_LT, <);
		NEXT;
	OP(LE):
		ORDER(KT_CMP_LE, <=);
		NEXT;
	OP(GT):
		ORDER(KT_CMP_GT, >);
		NEXT;
	OP(GE):
		ORDER(KT_CMP_GE, >=);
		NEXT;
	OP(NEG):
		RESULT(kt_val_unary(t, '-', R[in.b]));
		NEXT;
	OP(POS):
		RESULT(kt_val_unary(t, '+', R[in.b]));
		NEXT;
	OP(BITNOT):
		RESULT(kt_val_unary(t, '~', R[in.b]));
		NEXT;
	OP(NOT):
		R[in.a] = kt_bool(!truth(R[in.b]));
		NEXT;
	OP(JMP):
		pc += (int32_t)WIDE;
		TICK();
		NEXT;
	OP(JIF):
		if (truth(R[in.a])) {
			pc += (int32_t)WIDE;
		}
		NEXT;
	OP(JIFNOT):
		if (!truth(R[in.a])) {
			pc += (int32_t)WIDE;
		}
		NEXT;
	OP(JEQ):
		JUMP_EQUAL(true);
		NEXT;
	OP(JNE):
		JUMP_EQUAL(false);
		NEXT;
	OP(JLT):
		JUMP_ORDER(KT_CMP_LT, <, true);
		NEXT;
	OP(JLE):
		JUMP_ORDER(KT_CMP_LE, <=, true);
		NEXT;
	OP(JGT):
		JUMP_ORDER(KT_CMP_GT, >, true);
		NEXT;
	OP(JGE):
		JUMP_ORDER(KT_CMP_GE, >=, true);
		NEXT;
	OP(JNLT):
		JUMP_ORDER(KT_CMP_LT, <, false);
		NEXT;
	OP(JNLE):
		JUMP_ORDER(KT_CMP_LE, <=, false);
		NEXT;
	OP(JNGT):
		JUMP_ORDER(KT_CMP_GT, >, false);
		NEXT;
	OP(JNGE):
		JUMP_ORDER(KT_CMP_GE, >=, false);
		NEXT;
	OP(LIST):
		RESULT(kt_list_new(t, &R[in.b], in.c));
		NEXT;
	OP(APPEND):
		for (uint32_t i = 0; i < in.c; i++) {
			TRY(kt_list_push(t, kt_as_list(R[in.a]), R[in.b + i]));
		}
		NEXT;
	OP(TUPLE):
		RESULT(kt_tuple_new(t, &R[in.b], in.c));
		NEXT;
	OP(DICT):
		RESULT(kt_dict_new(t, WIDE));
		NEXT;
	OP(SETKEY):
		TRY(in.n ? kt_dict_put_new(t, kt_as_dict(R[in.a]), R[in.b], R[in.c])
			 : kt_dict_put(t, kt_as_dict(R[in.a]), R[in.b], R[in.c]));
		NEXT;
	OP(INDEX): {
		kt_val of = R[in.b];
		kt_val at = R[in.c];

		if (kt_is(of, KT_KIND_LIST) && kt_is_int(at) &&
		    (uint64_t)kt_small(at) < kt_as_list(of)->len) {
			R[in.a] = kt_as_list(of)->items[kt_small(at)];
		} else {
			RESULT(kt_val_index(t, of, at));
		}
		NEXT;
	}
	OP(SETINDEX):
		TRY(kt_val_set_index(t, R[in.a], R[in.b], R[in.c]));
		NEXT;
	OP(SLICE):
		RESULT(kt_val_slice(t, R[in.b], R[in.b + 1], R[in.b + 2], R[in.b + 3]));
		NEXT;
	OP(ATTR):
		RESULT(attr(t, R[in.b], &code->sites[in.c]));
		NEXT;
	OP(SETATTR):
		TRY(kt_val_set_attr(t, R[in.a], code->sites[in.c].name, R[in.b]));
		NEXT;
	OP(METHOD): {
		kt_val of = R[in.b];
		kt_site *at = &code->sites[in.c];

		value = kt_site_method(of, at);
		if (value == KT_NULL) {
			value = kt_site_find_method(t->star, of, at);
		}
		if (value != KT_NULL) {
			R[in.a] = value;
			R[in.a + 1] = of;
		} else {
			RESULT(attr(t, of, at));
			R[in.a + 1] = KT_NULL;
		}
		NEXT;
	}
	OP(CALL):
		site = (kt_call_site){&R[in.a], &R[in.a + 1], in.b, KT_NULL, in.a};
		value = KT_NULL;
		goto do_call;
	OP(CALLM):
		site = (kt_call_site){&R[in.a], &R[in.a + 2], in.b, KT_NULL, in.a};
		value = R[in.a + 1];
	do_call:
		if (in.c != 0xFFFF) {
			site.names = K[in.c];
		}
		TICK();
		frame->pc = pc;
		status = kt_vm_call(t, &site, value);
		if (status < 0) {
			goto failed;
		}
		if (status == 0) {
			goto enter;
		}
		NEXT;
	OP(CALLX):
		TICK();
		frame->pc = pc;
		status = kt_call_stars(t, &R[in.a], in, in.c == 0xFFFF ? KT_NULL : K[in.c]);
		if (status < 0) {
			goto failed;
		}
		if (status == 0) {
			goto enter;
		}
		NEXT;
	OP(RETURN): {
		uint32_t ret = frame->ret;

		value = R[in.a];
		kt_vm_leave(t);
		if (ret == UINT32_MAX) {
			return value;
		}
		frame = t->frame;
		frame->base[ret] = value;
		goto enter;
	}
	OP(ITER):
		TRY(kt_iter_open(t, R[in.b]));
		R[in.a] = R[in.b];
		R[in.a + 1] = 0;
		NEXT;
	OP(FORITER): {
		kt_val seq = R[in.a];
		size_t at = (size_t)R[in.a + 1];

		if (kt_is(seq, KT_KIND_LIST)) {
			const kt_list *list = kt_as_list(seq);

			status = at < list->len;
			if (status) {
				R[in.b] = list->items[at];
				R[in.a + 1] = at + 1;
			}
		} else if (kt_is(seq, KT_KIND_RANGE) && kt_obj_of(seq)->aux == 0) {
			const kt_range *range = kt_as_range(seq);

			status = at < (size_t)range->len;
			if (status) {
				R[in.b] = kt_small_val(range->start + (int64_t)at * range->step);
				R[in.a + 1] = at + 1;
			}
		} else {
			frame->pc = pc;
			status = kt_iter_step(t, seq, &at, &R[in.b]);
			R[in.a + 1] = at;
			if (status < 0) {
				goto failed;
			}
		}
		if (status == 0) {
			kt_thread_unwind_iters(t, t->niters - 1);
			pc += (uint32_t)in.n << 16 | in.c;
		}
		NEXT;
	}
	OP(ENDITER):
		kt_thread_unwind_iters(t, t->niters - 1);
		NEXT;
	OP(UNPACK):
		TRY(kt_unpack_seq(t, R[in.b], &R[in.a], in.c));
		NEXT;
	OP(CLOSURE):
		RESULT(kt_closure_new(t, fn, R, code->children[in.c], &R[in.b]));
		NEXT;
	OP(NOLOAD):
		kt_star_fail(t, "cannot load %s: %s", kt_string_get(K[WIDE], NULL),
			     t->star->opt.load_refusal != NULL ? t->star->opt.load_refusal
							       : "load is not available");
		goto failed;
#ifndef KT_COMPUTED_GOTO
		case KT_BC_COUNT:
			KT_BUG("bad instruction");
		}
	}
#endif

failed:
	if (t->frame == frame) {
		frame->pc = pc;
	}
	kt_error_capture(t);
	while (t->frame != bottom) {
		kt_vm_leave(t);
	}
	return KT_NULL;
}
