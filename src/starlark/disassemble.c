/* Compiled code for people to read. */
#include "starlark/code.h"
#include "starlark/run_internal.h"

static const char *const op_names[] = {
#define KT_OP_NAME(name) #name,
	KT_OPS(KT_OP_NAME)
#undef KT_OP_NAME
};

static int add_value(kt_sthread *t, kt_val v, kt_buf *out)
{
	kt_buf_adds(out, "  ; ");
	return kt_val_repr(t, v, out);
}

/* What the operands stand for, where the numbers do not say it. */
static int add_meaning(kt_sthread *t, const kt_code *code, uint32_t at, kt_buf *out)
{
	kt_instr in = code->instrs[at];
	uint32_t wide = (uint32_t)in.b | (uint32_t)in.c << 16;
	int32_t jump24 = (int32_t)((uint32_t)in.n << 24 | (uint32_t)in.c << 8) >> 8;

	switch ((kt_op)in.op) {
	case KT_BC_LOADK:
	case KT_BC_NOLOAD:
		return add_value(t, code->consts[wide], out);
	case KT_BC_GETGLOBAL:
	case KT_BC_SETGLOBAL:
		kt_buf_addf(out, "  ; %s", kt_string_get(code->unit->global_names[wide], NULL));
		return 0;
	case KT_BC_GETFREE:
		kt_buf_addf(out, "  ; %s", kt_string_get(code->free_names[in.b], NULL));
		return 0;
	case KT_BC_ATTR:
	case KT_BC_SETATTR:
	case KT_BC_METHOD:
		kt_buf_addf(out, "  ; .%s", kt_string_get(code->sites[in.c].name, NULL));
		return 0;
	case KT_BC_JMP:
	case KT_BC_JIF:
	case KT_BC_JIFNOT:
		kt_buf_addf(out, "  ; to %lld", (long long)at + 1 + (int32_t)wide);
		return 0;
	case KT_BC_JEQ:
	case KT_BC_JNE:
	case KT_BC_JLT:
	case KT_BC_JLE:
	case KT_BC_JGT:
	case KT_BC_JGE:
	case KT_BC_JNLT:
	case KT_BC_JNLE:
	case KT_BC_JNGT:
	case KT_BC_JNGE:
		kt_buf_addf(out, "  ; to %lld", (long long)at + 1 + jump24);
		return 0;
	case KT_BC_FORITER:
		kt_buf_addf(out, "  ; at the end to %u", at + 1 + ((uint32_t)in.n << 16 | in.c));
		return 0;
	case KT_BC_CALL:
	case KT_BC_CALLM:
	case KT_BC_CALLX:
		return in.c == 0xFFFF ? 0 : add_value(t, code->consts[in.c], out);
	case KT_BC_CLOSURE:
		kt_buf_addf(out, "  ; %s", code->children[in.c]->name);
		return 0;
	default:
		return 0;
	}
}

/* Nested functions recurse: the parser has bounded their depth. */
int kt_code_print(kt_sthread *t, const kt_code *code, kt_buf *out)
{
	kt_buf_addf(out, "%s at %s:%d:%d: %u parameters, %u locals, %u registers\n", code->name,
		    code->file, code->pos.line, code->pos.col, code->nparams + code->nkwonly,
		    code->nlocals, code->nregs);
	for (uint32_t i = 0; i < code->ninstrs; i++) {
		const kt_instr *in = &code->instrs[i];
		const kt_spos *pos = &code->positions[i];

		kt_buf_addf(out, "%5u  %4d:%-3d %-10s %3u %5u %5u %5u", i, pos->line, pos->col,
			    op_names[in->op], in->n, in->a, in->b, in->c);
		if (add_meaning(t, code, i, out) < 0) {
			return -1;
		}
		kt_buf_addc(out, '\n');
	}
	for (uint32_t i = 0; i < code->nchildren; i++) {
		kt_buf_addc(out, '\n');
		if (kt_code_print(t, code->children[i], out) < 0) {
			return -1;
		}
	}
	if (out->failed) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return 0;
}
