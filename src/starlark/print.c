/* str() and repr(). */
#include "starlark/bigint.h"
#include "starlark/vm_internal.h"

#include "base/stack.h"

#define MAX_DEPTH 250

typedef struct printer {
	kt_sthread *t;
	kt_buf *out;
	kt_val path[MAX_DEPTH]; /* containers being printed, against cycles */
	int depth;
} printer;

static int print(printer *p, kt_val v);

/* 1 = v is being printed already; 0 = entered; -1 = too deep. */
static int enter(printer *p, kt_val v)
{
	for (int i = 0; i < p->depth; i++) {
		if (p->path[i] == v) {
			return 1;
		}
	}
	if (p->depth == MAX_DEPTH || kt_stack_low()) {
		return kt_star_fail(p->t, "value nested too deeply to be printed");
	}
	p->path[p->depth++] = v;
	return 0;
}

static int print_items(printer *p, kt_val v, const char *open, const char *close)
{
	size_t n;
	const kt_val *items = kt_seq_items(v, &n);
	int seen = enter(p, v);

	if (seen != 0) {
		kt_buf_addf(p->out, "%s...%s", open, close);
		return seen < 0 ? -1 : 0;
	}
	kt_buf_adds(p->out, open);
	for (size_t i = 0; i < n; i++) {
		kt_buf_adds(p->out, i > 0 ? ", " : "");
		if (print(p, items[i]) < 0) {
			return -1;
		}
	}
	if (n == 1 && kt_is(v, KT_KIND_TUPLE)) {
		kt_buf_addc(p->out, ',');
	}
	kt_buf_adds(p->out, close);
	p->depth--;
	return 0;
}

static int print_dict(printer *p, kt_val v)
{
	bool set = kt_is(v, KT_KIND_SET);
	const char *separator = "";
	int seen = enter(p, v);
	kt_val key;
	kt_val value;

	if (seen != 0) {
		kt_buf_adds(p->out, set ? "set([...])" : "{...}");
		return seen < 0 ? -1 : 0;
	}
	kt_buf_adds(p->out, set ? "set([" : "{");
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
		kt_buf_adds(p->out, separator);
		separator = ", ";
		if (print(p, key) < 0) {
			return -1;
		}
		if (!set) {
			kt_buf_adds(p->out, ": ");
			if (print(p, value) < 0) {
				return -1;
			}
		}
	}
	kt_buf_adds(p->out, set ? "])" : "}");
	p->depth--;
	return 0;
}

static int print_struct(printer *p, kt_val v)
{
	const kt_struct *s = kt_as_struct(v);
	int seen = enter(p, v);

	if (kt_is_str(s->ctor)) {
		kt_buf_add(p->out, kt_as_str(s->ctor)->data, kt_as_str(s->ctor)->len);
	} else if (print(p, s->ctor) < 0) {
		return -1;
	}
	if (seen != 0) {
		kt_buf_adds(p->out, "(...)");
		return seen < 0 ? -1 : 0;
	}
	kt_buf_addc(p->out, '(');
	for (uint32_t i = 0; i < s->shape->n; i++) {
		kt_buf_addf(p->out, "%s%s = ", i > 0 ? ", " : "",
			    kt_as_str(s->shape->names[i])->data);
		if (print(p, s->fields[i]) < 0) {
			return -1;
		}
	}
	kt_buf_addc(p->out, ')');
	p->depth--;
	return 0;
}

static void print_range(kt_buf *out, const kt_range *r)
{
	if (r->step != 1) {
		kt_buf_addf(out, "range(%lld, %lld, %lld)", (long long)r->start, (long long)r->stop,
			    (long long)r->step);
	} else if (r->start != 0) {
		kt_buf_addf(out, "range(%lld, %lld)", (long long)r->start, (long long)r->stop);
	} else {
		kt_buf_addf(out, "range(%lld)", (long long)r->stop);
	}
}

static void print_elems(kt_buf *out, const kt_elems *e)
{
	static const char *const names[] = {"elems", "elem_ords", "codepoints", "codepoint_ords",
					    "elems"};
	const kt_str *s = kt_as_str(e->of);

	kt_quote(out, s->data, s->len, e->h.aux == KT_BYTES_ELEMS);
	kt_buf_addf(out, ".%s()", names[e->h.aux]);
}

static void print_builtin(kt_buf *out, const kt_builtin *b)
{
	if (b->self != KT_NULL) {
		kt_buf_addf(out, "<built-in method %s of %s value>", b->row->name,
			    kt_val_type_name(b->self));
	} else {
		kt_buf_addf(out, "<built-in function %s>", b->row->name);
	}
}

static int print_host(printer *p, kt_val v)
{
	kt_host *host = kt_as_host(v);
	int seen;
	int rc;

	if (host->type->repr == NULL) {
		kt_buf_addf(p->out, "<%s>", host->type->name);
		return 0;
	}
	seen = enter(p, v);
	if (seen != 0) {
		kt_buf_addf(p->out, "%s(...)", host->type->name);
		return seen < 0 ? -1 : 0;
	}
	rc = host->type->repr(p->t, host, p->out);
	p->depth--;
	return rc;
}

static int print(printer *p, kt_val v)
{
	kt_buf *out = p->out;

	switch (kt_val_kind(v)) {
	case KT_KIND_NONE:
		kt_buf_adds(out, "None");
		return 0;
	case KT_KIND_BOOL:
		kt_buf_adds(out, v == KT_TRUE ? "True" : "False");
		return 0;
	case KT_KIND_INT:
		return kt_int_text(p->t, v, 10, out);
	case KT_KIND_FLOAT:
		kt_float_repr(out, kt_as_float(v)->d);
		return 0;
	case KT_KIND_STRING:
	case KT_KIND_BYTES:
		kt_quote(out, kt_as_str(v)->data, kt_as_str(v)->len, kt_is(v, KT_KIND_BYTES));
		return 0;
	case KT_KIND_LIST:
		return print_items(p, v, "[", "]");
	case KT_KIND_TUPLE:
		return print_items(p, v, "(", ")");
	case KT_KIND_DICT:
	case KT_KIND_SET:
		return print_dict(p, v);
	case KT_KIND_FUNCTION:
		kt_buf_addf(out, "<function %s>", kt_fn_name(v));
		return 0;
	case KT_KIND_BUILTIN:
		print_builtin(out, kt_as_builtin(v));
		return 0;
	case KT_KIND_RANGE:
		print_range(out, kt_as_range(v));
		return 0;
	case KT_KIND_ELEMS:
		print_elems(out, kt_as_elems(v));
		return 0;
	case KT_KIND_STRUCT:
		return print_struct(p, v);
	case KT_KIND_MODULE:
		kt_buf_addf(out, "<module \"%s\">", kt_module_name(v));
		return 0;
	case KT_KIND_HOST:
		return print_host(p, v);
	default:
		kt_buf_adds(out, "<internal>");
		return 0;
	}
}

int kt_val_repr(kt_sthread *t, kt_val v, kt_buf *out)
{
	printer p;

	p.t = t;
	p.out = out;
	p.depth = 0;
	if (print(&p, v) < 0) {
		return -1;
	}
	if (out->failed) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return 0;
}

/* Bytes with invalid UTF-8 replaced. */
int kt_val_str(kt_sthread *t, kt_val v, kt_buf *out)
{
	const kt_str *s = kt_as_str(v);

	if (kt_is_str(v)) {
		kt_buf_add(out, s->data, s->len);
		return 0;
	}
	if (!kt_is(v, KT_KIND_BYTES)) {
		return kt_val_repr(t, v, out);
	}
	for (size_t at = 0; at < s->len;) {
		size_t width;

		kt_buf_add_rune(out, kt_utf8_decode(s->data + at, s->len - at, &width));
		at += width;
	}
	return 0;
}
