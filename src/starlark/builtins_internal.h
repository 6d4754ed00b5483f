/* The universe's functions that live in other sources than builtins.c. */
#ifndef KT_STARLARK_BUILTINS_INTERNAL_H
#define KT_STARLARK_BUILTINS_INTERNAL_H

#include "starlark/run_internal.h"

/* Conversions (builtins_convert.c). */
kt_val kt_builtin_bool(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_bytes(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_chr(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_float(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_hash(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_int(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_ord(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_repr(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_str(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_type(kt_sthread *t, const kt_args *a);

/* Sequences (builtins_seq.c). */
kt_val kt_builtin_all(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_any(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_dict(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_enumerate(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_list(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_max(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_min(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_range(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_reversed(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_set(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_sorted(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_tuple(kt_sthread *t, const kt_args *a);
kt_val kt_builtin_zip(kt_sthread *t, const kt_args *a);

/* "NAME does not accept keyword arguments" and "NAME: got N arguments, want HOW MANY". */
int kt_exactly_one(kt_sthread *t, const kt_args *a, const char *want);

#endif
