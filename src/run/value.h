/*
 * Values that exist only while a plan runs: what recipes return, what assertions compare.
 * They are kt_pval (plan/types.h), whose text forms plan/ provides; here are construction
 * and the form in which the enclave's database keeps them.
 *
 * A value and all it refers to live in an arena that the caller chose; nothing is freed
 * singly. Strings are bytes with a length: program output need not be UTF-8.
 */
#ifndef KT_RUN_VALUE_H
#define KT_RUN_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "plan/types.h"

kt_pval kt_pval_none(void);
kt_pval kt_pval_int(int64_t value);
kt_pval kt_pval_bool(bool value);
kt_pval kt_pval_float(double value);
/* Borrows data, which must be NUL-terminated. */
kt_pval kt_pval_str_borrow(const char *data, size_t len);
/* Copies into the arena. -1 with NOMEM. */
int kt_pval_str_copy(kt_arena *arena, const char *data, size_t len, kt_pval *ret, kt_err *err);

/*
 * A reversible text form (JSON with tagged kinds; string bytes that are not UTF-8 survive).
 * Values of other types (KT_PVAL_OTHER) and very deep ones are refused.
 */
int kt_pval_encode(kt_buf *buf, const kt_pval *value, kt_err *err);
int kt_pval_decode(kt_arena *arena, const char *text, size_t len, kt_pval *ret, kt_err *err);

#endif
