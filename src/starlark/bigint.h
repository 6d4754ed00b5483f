/*
 * Integers beyond 63 bits: a small interface over libtommath. Results are normal: whatever
 * fits is returned as a small int. All functions accept small and big ints alike, and raise
 * on memory shortage. No other source knows libtommath.
 */
#ifndef KT_STARLARK_BIGINT_H
#define KT_STARLARK_BIGINT_H

#include "starlark/value.h"

kt_val kt_big_new(kt_sthread *t, uint64_t magnitude, bool negative);
kt_val kt_big_add(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_big_sub(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_big_mul(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_big_floordiv(kt_sthread *t, kt_val a, kt_val b); /* b is not 0 */
kt_val kt_big_mod(kt_sthread *t, kt_val a, kt_val b);      /* sign of b; b is not 0 */
kt_val kt_big_and(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_big_or(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_big_xor(kt_sthread *t, kt_val a, kt_val b);
kt_val kt_big_neg(kt_sthread *t, kt_val a);
kt_val kt_big_not(kt_sthread *t, kt_val a);
kt_val kt_big_shl(kt_sthread *t, kt_val a, unsigned count);
kt_val kt_big_shr(kt_sthread *t, kt_val a, unsigned count); /* arithmetic */
int kt_big_cmp(kt_val a, kt_val b);                         /* -1, 0, 1 */
int kt_int_sign(kt_val a);                                  /* -1, 0, 1 */
uint32_t kt_big_hash(kt_val a);
/* The value of a big int; false when it does not fit. */
bool kt_big_to_i64(kt_val a, int64_t *ret);

/* Exact comparison of an int with a float that is not NaN: -1, 0, 1. */
int kt_int_cmp_float(kt_val a, double d);
/* Nearest double; ±Inf when too large. */
double kt_int_to_double(kt_val a);
/* Truncates a finite double. */
kt_val kt_int_from_double(kt_sthread *t, double d);

/* Digits (no sign, prefix or underscore) of base 2…36. KT_NULL without error when malformed. */
kt_val kt_int_parse(kt_sthread *t, const char *digits, size_t len, int base, bool negative);
/* Appends in base 2…36, lower case, with "-" if negative. -1 with NOMEM raised. */
int kt_int_text(kt_sthread *t, kt_val a, int base, kt_buf *out);

#endif
