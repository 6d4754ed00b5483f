/*
 * Numbers as text and back, in the forms that Go's strconv and encoding/json produce.
 * Starlark floats, template output and canonical JSON all have to agree on these forms.
 *
 * Pure functions; thread-safe. They expect the C numeric locale.
 */
#ifndef KT_BASE_NUM_H
#define KT_BASE_NUM_H

#include "base/base.h"
#include "base/buf.h"

/*
 * Appends x. format is one of e E f F g G x X; prec counts digits after the point (e f x) or
 * all digits (g); prec < 0 means the fewest digits that read back as x. Without a precision
 * 'g' uses an exponent below 1e-4 and from 1e+06 upwards (1234567.0 becomes 1.234567e+06).
 * Non-finite values: NaN, +Inf, -Inf.
 */
void kt_buf_add_float(kt_buf *buf, double x, char format, int prec);

/* Appends a finite x as a JSON number: plain within [1e-6, 1e21), else 1e-7, 1e+21. */
void kt_buf_add_json_float(kt_buf *buf, double x);

void kt_buf_add_i64(kt_buf *buf, int64_t value);
/* base 2 to 36; letters in upper case on demand. */
void kt_buf_add_u64(kt_buf *buf, uint64_t value, unsigned base, bool upper);

/*
 * The fewest decimal digits that read back as x (finite, > 0): 0.d1d2… × 10^*ret_point.
 * digits must hold 20 bytes; the result is NUL-terminated and has no trailing zeros.
 * Returns the number of digits.
 */
int kt_float_digits(double x, char *digits, int *ret_point);

typedef enum kt_num_result {
	KT_NUM_OK,
	KT_NUM_SYNTAX,
	KT_NUM_RANGE, /* too large; *ret is an infinity */
	KT_NUM_NOMEM, /* only for texts of 256 bytes and more */
} kt_num_result;

/*
 * Reads the whole of text as a floating-point number: optional sign, decimal or hexadecimal
 * (then with a p exponent), single underscores between digits, inf, infinity and nan in any
 * case. No spaces. Values too small become 0.
 */
kt_num_result kt_num_parse_float(const char *text, size_t len, double *ret);

#endif
