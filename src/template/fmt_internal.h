/* Printing values: what its sources share. Private to this module. */
#ifndef KT_TEMPLATE_FMT_INTERNAL_H
#define KT_TEMPLATE_FMT_INTERNAL_H

#include "template/template_internal.h"

/* In double quotes; only ASCII on demand. */
void kt_tquote_text(kt_buf *out, kt_ttext text, bool ascii);
/* In single quotes. */
void kt_tquote_rune(kt_buf *out, uint32_t rune, bool ascii);
/* Could the text stand between back quotes? */
bool kt_tquote_fits_raw(kt_ttext text);

/* One conversion's flags, and where it prints. */
typedef struct kt_tfmt {
	kt_buf *out;
	bool sharp, zero, plus, minus, space;
	bool sharp_v; /* %#v */
	bool has_width, has_prec;
	int64_t width, prec;
} kt_tfmt;

/* Appends text filled up to the width. */
void kt_tfmt_pad(const kt_tfmt *f, const char *data, size_t len);
void kt_tfmt_fill(const kt_tfmt *f, int64_t n);

/* Numbers; false when the verb does not apply. */
bool kt_tfmt_integer(const kt_tfmt *f, uint32_t verb, int64_t value, bool is_signed);
bool kt_tfmt_float(const kt_tfmt *f, uint32_t verb, double value);
bool kt_tfmt_complex(const kt_tfmt *f, uint32_t verb, double re, double im);

#endif
