/* Between the VM and its helpers. For the sources of this module only. */
#ifndef KT_STARLARK_VM_INTERNAL_H
#define KT_STARLARK_VM_INTERNAL_H

#include "starlark/code.h"
#include "starlark/run_internal.h"

/* Arguments of a call, keyword ones in up to two forms. */
typedef struct kt_arg_list {
	const kt_val *pos;
	size_t npos;
	kt_val names; /* tuple of names whose values lie in a row; or KT_NULL */
	const kt_val *values;
	size_t nnames;
	const kt_val *pairs; /* npairs times name, value */
	size_t npairs;
	kt_val *top; /* the stack is free from here on; NULL: above the current frame */
} kt_arg_list;

/* What the VM knows of a call once callee and arguments lie in registers. */
typedef struct kt_call_site {
	kt_val *regs; /* callee */
	kt_val *args;
	uint32_t npos;
	kt_val names; /* tuple or KT_NULL */
	uint32_t ret; /* register of the result */
} kt_call_site;

/* Runs the current frame, a Starlark function's, until it returns to C. */
kt_val kt_vm_run(kt_sthread *t);
/* Makes a frame for fn with its registers at regs the current one. */
int kt_vm_enter(kt_sthread *t, kt_function *fn, kt_val *regs, uint32_t ret);
/* Leaves the current frame after a failure or a return. */
void kt_vm_leave(kt_sthread *t);
/* 1 = done, the result is in its register; 0 = a new frame is current; -1 = failed. */
int kt_vm_call(kt_sthread *t, const kt_call_site *site, kt_val self);
/* The same for CALLX. */
int kt_call_stars(kt_sthread *t, kt_val *regs, kt_instr in, kt_val names);
/* Calls a host function or host object in a frame of its own. */
kt_val kt_call_host(kt_sthread *t, kt_val callee, kt_val self, const kt_arg_list *args);
/* Sorts arguments into the parameters and clears the other locals of the current frame. */
int kt_bind_args(kt_sthread *t, kt_function *fn, const kt_arg_list *args, kt_val *regs);
kt_val *kt_stack_top(const kt_sthread *t);

/* The address that stands for the methods of a kind in a site's cache. */
extern const char kt_method_keys[KT_KIND_COUNT];

static inline kt_val kt_site_method(kt_val of, const kt_site *site)
{
	if (kt_is_obj(of) && site->key == &kt_method_keys[kt_obj_of(of)->kind]) {
		return site->method;
	}
	return KT_NULL;
}
kt_val kt_site_find_method(kt_star *star, kt_val of, kt_site *site);
/* of.site, remembering where it was found. */
kt_val kt_site_attr(kt_sthread *t, kt_val of, kt_site *site);

kt_val kt_cell_new(kt_sthread *t, kt_val v);
kt_val kt_closure_new(kt_sthread *t, kt_function *maker, kt_val *regs, kt_code *code,
		      const kt_val *defaults);
kt_val kt_inplace_add(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_inplace_or(kt_sthread *t, kt_val a, kt_val b);
/* As kt_dict_put, but an existing key is an error. */
int kt_dict_put_new(kt_sthread *t, kt_dict *d, kt_val key, kt_val value);
int kt_val_set_attr(kt_sthread *t, kt_val v, kt_val name, kt_val value);
int kt_unpack_seq(kt_sthread *t, kt_val seq, kt_val *to, uint32_t n);
/* Checks that seq is iterable and guards it until kt_thread_unwind_iters. */
int kt_iter_open(kt_sthread *t, kt_val seq);
/* 1 = *ret, 0 = at the end, -1 = failed. */
int kt_iter_step(kt_sthread *t, kt_val seq, size_t *at, kt_val *ret);

#endif
