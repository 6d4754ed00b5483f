/* Floats as text in the forms the language prints. */
#include "starlark/value.h"

#include "base/num.h"

#include <math.h>

static bool add_special(kt_buf *out, double d)
{
	if (isfinite(d)) {
		return false;
	}
	kt_buf_adds(out, isnan(d) ? "nan" : d > 0 ? "+inf" : "-inf");
	return true;
}

void kt_float_text(kt_buf *out, double d, char verb)
{
	if (add_special(out, d)) {
		return;
	}
	if (verb == 'F') {
		/* Go's strconv knows no such form and echoes it; so does the language. */
		kt_buf_adds(out, "%F");
		return;
	}
	kt_buf_add_float(out, d, verb, verb == 'g' || verb == 'G' ? -1 : 6);
}

void kt_float_repr(kt_buf *out, double d)
{
	if (add_special(out, d)) {
		return;
	}
	size_t start = out->len;
	kt_buf_add_float(out, d, 'g', -1);
	if (!out->failed && strpbrk(kt_buf_str(out) + start, ".e") == NULL) {
		kt_buf_adds(out, ".0");
	}
}
