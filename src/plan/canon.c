/* Canonical text of values and calls, and the reference's names for types. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/utf8.h"

#include <string.h>

static const char *go_host_type(kt_val v)
{
	const ktype *k = ktype_any(v);
	if (k != NULL) {
		return ktype_go_name(k->id);
	}
	const char *name = kt_val_type_name(v);
	return kt_str_eq(name, "time.time")	  ? "time.Time"
	       : kt_str_eq(name, "time.duration") ? "time.Duration"
						  : name;
}

const char *go_type(kt_val v)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_NONE:
		return "starlark.NoneType";
	case KT_KIND_BOOL:
		return "starlark.Bool";
	case KT_KIND_INT:
		return "starlark.Int";
	case KT_KIND_FLOAT:
		return "starlark.Float";
	case KT_KIND_STRING:
		return "starlark.String";
	case KT_KIND_BYTES:
		return "starlark.Bytes";
	case KT_KIND_LIST:
		return "*starlark.List";
	case KT_KIND_TUPLE:
		return "starlark.Tuple";
	case KT_KIND_DICT:
		return "*starlark.Dict";
	case KT_KIND_SET:
		return "*starlark.Set";
	case KT_KIND_FUNCTION:
		return "*starlark.Function";
	case KT_KIND_BUILTIN:
		return "*starlark.Builtin";
	case KT_KIND_RANGE:
		return "starlark.rangeValue";
	case KT_KIND_STRUCT:
		return "*starlarkstruct.Struct";
	case KT_KIND_MODULE:
		return "*starlarkstruct.Module";
	case KT_KIND_HOST:
		return go_host_type(v);
	default:
		return kt_val_type_name(v);
	}
}

static int add_sequence(kt_sthread *t, kt_val v, char open, char close, kt_buf *out)
{
	kt_iter it;
	if (kt_iter_begin(t, &it, v) < 0) {
		return -1;
	}
	kt_buf_addc(out, open);
	kt_val item;
	int rc;
	for (bool first = true; (rc = kt_iter_next(t, &it, &item)) > 0; first = false) {
		if (!first) {
			kt_buf_adds(out, ", ");
		}
		if (canon_add(t, item, out) < 0) {
			rc = -1;
			break;
		}
	}
	kt_iter_end(&it);
	kt_buf_addc(out, close);
	return rc;
}

/* Entries sorted as text, so that the order in which a dict was filled does not show. */
static int add_dict(kt_sthread *t, kt_val v, kt_buf *out)
{
	KT_AUTO_STRVEC kt_strvec entries = KT_STRVEC_INIT;
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
		KT_AUTO_BUF kt_buf entry = KT_BUF_INIT;
		if (canon_add(t, key, &entry) < 0) {
			return -1;
		}
		kt_buf_adds(&entry, ": ");
		if (canon_add(t, value, &entry) < 0) {
			return -1;
		}
		if (kt_buf_check(&entry, NULL) < 0 || kt_strvec_add(&entries, entry.data) < 0) {
			kt_star_raise_nomem(t);
			return -1;
		}
	}
	kt_strvec_sort(&entries);
	KT_AUTO_FREE char *joined = kt_strvec_join(&entries, ", ");
	if (joined == NULL) {
		kt_star_raise_nomem(t);
		return -1;
	}
	kt_buf_addf(out, "{%s}", joined);
	return 0;
}

static int add_struct(kt_sthread *t, kt_val v, kt_buf *out)
{
	kt_buf_adds(out, "struct(");
	for (size_t i = 0; i < kt_struct_len(v); i++) {
		const char *name;
		kt_val field = kt_struct_field(v, i, &name);
		kt_buf_addf(out, "%s%s=", i > 0 ? ", " : "", name);
		if (canon_add(t, field, out) < 0) {
			return -1;
		}
	}
	kt_buf_addc(out, ')');
	return 0;
}

static int add_host(kt_sthread *t, kt_val v, kt_buf *out)
{
	const char *type = kt_val_type_name(v);
	if (kt_str_eq(type, "time.duration")) {
		kt_buf_adds(out, "time.parse_duration(");
		int rc = kt_val_str(t, v, out);
		kt_buf_addc(out, ')');
		return rc;
	}
	if (kt_str_eq(type, "time.time")) {
		kt_val unix_seconds = kt_val_attr(t, v, "unix", false);
		kt_buf_adds(out, "time.from_timestamp(");
		int rc = unix_seconds == KT_NULL ? -1 : kt_val_str(t, unix_seconds, out);
		kt_buf_addc(out, ')');
		return rc;
	}
	return kt_val_repr(t, v, out);
}

int canon_add(kt_sthread *t, kt_val v, kt_buf *out)
{
	switch (kt_val_kind(v)) {
	case KT_KIND_LIST:
		return add_sequence(t, v, '[', ']', out);
	case KT_KIND_TUPLE:
		return add_sequence(t, v, '(', ')', out);
	case KT_KIND_SET:
		return add_sequence(t, v, '{', '}', out);
	case KT_KIND_DICT:
		return add_dict(t, v, out);
	case KT_KIND_STRUCT:
		return add_struct(t, v, out);
	case KT_KIND_HOST:
		return add_host(t, v, out);
	default:
		return kt_val_repr(t, v, out);
	}
}

int canon_add_call(kt_sthread *t, const signature *sig, const kt_val *v, kt_buf *out)
{
	const char *comma = "";
	kt_buf_addf(out, "%s(", sig->name);
	for (size_t i = 0; i <= sig->n; i++) {
		if (v[i] == KT_NULL) {
			continue;
		}
		kt_buf_addf(out, "%s%s=", comma,
			    i < sig->n ? sig->params[i].name : description_param.name);
		comma = ", ";
		if (canon_add(t, v[i], out) < 0) {
			return -1;
		}
	}
	kt_buf_addc(out, ')');
	return 0;
}

void json_add_go_string(kt_buf *out, const char *text, size_t len)
{
	kt_buf_addc(out, '"');
	for (size_t i = 0, width; i < len; i += width) {
		uint32_t rune = kt_utf8_decode(text + i, len - i, &width);
		if (rune == '"' || rune == '\\') {
			kt_buf_addf(out, "\\%c", (char)rune);
		} else if (rune == '\n') {
			kt_buf_adds(out, "\\n");
		} else if (rune == '\r') {
			kt_buf_adds(out, "\\r");
		} else if (rune == '\t') {
			kt_buf_adds(out, "\\t");
		} else if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' ||
			   rune == 0x2028 || rune == 0x2029 ||
			   (rune == KT_RUNE_ERROR && width == 1)) {
			kt_buf_addf(out, "\\u%04x", (unsigned)rune);
		} else {
			kt_buf_add(out, text + i, width);
		}
	}
	kt_buf_addc(out, '"');
}
