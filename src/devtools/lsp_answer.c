/* What the language server answers, from the catalog of everything that Kurtosis adds. */
#include "devtools/lsp_internal.h"

#include "base/arena.h"
#include "base/str.h"
#include "plan/catalog.h"
#include "starlark/syntax.h"

#include <ctype.h>
#include <string.h>

/* Numbers of the protocol. */
enum { COMPLETE_METHOD = 2, COMPLETE_FUNCTION = 3, COMPLETE_CLASS = 7, COMPLETE_PROPERTY = 10 };
enum { SYMBOL_FUNCTION = 12, SYMBOL_VARIABLE = 13 };

/* The entry that a name means, SIZE_MAX = none. */
static size_t find_entry(const lsp_doc *doc, const lsp_name *name)
{
	bool of_plan = kt_str_eq(name->receiver, "plan");
	size_t len = name->end - name->start;
	if (name->receiver[0] != '\0' && !of_plan) {
		return SIZE_MAX;
	}
	for (size_t i = 0; i < kt_catalog_count(); i++) {
		kt_catalog_entry entry = kt_catalog_get(i);
		if ((entry.kind == KT_CATALOG_INSTRUCTION) == of_plan &&
		    strlen(entry.name) == len &&
		    memcmp(entry.name, doc->text + name->start, len) == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

static void add_param(const kt_catalog_param *p, kt_buf *out)
{
	kt_buf_addf(out, "%s: %s", p->name, p->type);
	if (p->default_text != NULL) {
		kt_buf_addf(out, " = %s", p->default_text);
	} else if (!p->required) {
		kt_buf_adds(out, " = ...");
	}
}

static void add_signature(size_t at, kt_buf *out)
{
	kt_catalog_entry entry = kt_catalog_get(at);
	kt_buf_addf(out, "%s(", entry.name);
	for (size_t k = 0; k < entry.n_params; k++) {
		kt_catalog_param p = kt_catalog_param_get(at, k);
		kt_buf_adds(out, k > 0 ? ", " : "");
		add_param(&p, out);
	}
	kt_buf_addc(out, ')');
}

/* --- completion ----------------------------------------------------------- */

static void add_item(json_t *items, const char *label, int kind, const char *detail,
		     const char *doc)
{
	json_t *item = json_pack("{s:s, s:i}", "label", label, "kind", kind);
	if (!kt_str_empty(detail)) {
		json_object_set_new(item, "detail", json_string(detail));
	}
	if (!kt_str_empty(doc)) {
		json_object_set_new(item, "documentation", json_string(doc));
	}
	json_array_append_new(items, item);
}

static void add_entry(json_t *items, size_t at)
{
	static const int kinds[] = {[KT_CATALOG_INSTRUCTION] = COMPLETE_METHOD,
				    [KT_CATALOG_TYPE] = COMPLETE_CLASS,
				    [KT_CATALOG_HELPER] = COMPLETE_FUNCTION};
	kt_catalog_entry entry = kt_catalog_get(at);
	KT_AUTO_BUF kt_buf signature = KT_BUF_INIT;
	add_signature(at, &signature);
	add_item(items, entry.name, kinds[entry.kind], kt_buf_str(&signature), entry.doc);
}

/* The parameters of the call around, as "name=". */
static void add_parameters(json_t *items, const lsp_doc *doc, const lsp_call *call)
{
	lsp_name callee = lsp_name_at(doc, call->name);
	size_t at = find_entry(doc, &callee);
	for (size_t k = 0; at != SIZE_MAX && k < kt_catalog_get(at).n_params; k++) {
		kt_catalog_param p = kt_catalog_param_get(at, k);
		KT_AUTO_BUF kt_buf label = KT_BUF_INIT;
		kt_buf_addf(&label, "%s=", p.name);
		add_item(items, kt_buf_str(&label), COMPLETE_PROPERTY, p.type, p.doc);
	}
}

json_t *lsp_completion(const lsp_doc *doc, size_t offset)
{
	json_t *items = json_array();
	lsp_name name = lsp_name_at(doc, offset);
	lsp_call call = lsp_call_at(doc, offset);
	bool of_plan = kt_str_eq(name.receiver, "plan");
	bool after_dot = name.start > 0 && doc->text[name.start - 1] == '.';
	if (call.in_text || (after_dot && !of_plan)) {
		return items;
	}
	if (!after_dot && call.found) {
		add_parameters(items, doc, &call);
	}
	for (size_t i = 0; i < kt_catalog_count(); i++) {
		if ((kt_catalog_get(i).kind == KT_CATALOG_INSTRUCTION) == of_plan) {
			add_entry(items, i);
		}
	}
	return items;
}

/* --- hover, signature help ------------------------------------------------ */

static void add_param_line(const kt_catalog_param *p, kt_buf *out)
{
	kt_buf_addf(out, "- `%s` (%s%s%s)", p->name, p->type, p->required ? ", required" : "",
		    p->deprecated ? ", deprecated" : "");
	if (!kt_str_empty(p->doc)) {
		kt_buf_addf(out, ": %s", p->doc);
	}
	kt_buf_addc(out, '\n');
}

static json_t *markdown(const kt_buf *text)
{
	return json_pack("{s:{s:s, s:s}}", "contents", "kind", "markdown", "value",
			 kt_buf_str(text));
}

/* The parameter of the call around that this name is a keyword for. */
static bool find_keyword(const lsp_doc *doc, const lsp_name *name, kt_catalog_param *ret)
{
	lsp_call call = lsp_call_at(doc, name->start);
	size_t p = name->end;
	while (p < doc->len && doc->text[p] == ' ') {
		p++;
	}
	if (!call.found || p >= doc->len || doc->text[p] != '=' ||
	    (p + 1 < doc->len && doc->text[p + 1] == '=')) {
		return false;
	}
	lsp_name callee = lsp_name_at(doc, call.name);
	size_t at = find_entry(doc, &callee);
	for (size_t k = 0; at != SIZE_MAX && k < kt_catalog_get(at).n_params; k++) {
		*ret = kt_catalog_param_get(at, k);
		if (strlen(ret->name) == name->end - name->start &&
		    memcmp(ret->name, doc->text + name->start, name->end - name->start) == 0) {
			return true;
		}
	}
	return false;
}

json_t *lsp_hover(const lsp_doc *doc, size_t offset)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	lsp_name name = lsp_name_at(doc, offset);
	kt_catalog_param keyword;
	if (lsp_call_at(doc, offset).in_text) {
		return json_null();
	}
	if (find_keyword(doc, &name, &keyword)) {
		add_param_line(&keyword, &text);
		return markdown(&text);
	}
	size_t at = find_entry(doc, &name);
	if (at == SIZE_MAX) {
		return json_null();
	}
	kt_catalog_entry entry = kt_catalog_get(at);
	kt_buf_adds(&text, "```python\n");
	add_signature(at, &text);
	kt_buf_addf(&text, "\n```\n%s\n\n", kt_str_or(entry.doc, ""));
	for (size_t k = 0; k < entry.n_params; k++) {
		kt_catalog_param p = kt_catalog_param_get(at, k);
		add_param_line(&p, &text);
	}
	return markdown(&text);
}

/* The index of the parameter that the argument at hand is for. */
static size_t active_param(const lsp_doc *doc, const lsp_call *call, size_t entry)
{
	size_t from = call->arg;
	while (from < doc->len && isspace((unsigned char)doc->text[from])) {
		from++;
	}
	lsp_name name = lsp_name_at(doc, from);
	for (size_t k = 0; k < kt_catalog_get(entry).n_params; k++) {
		const char *param = kt_catalog_param_get(entry, k).name;
		kt_catalog_param keyword;
		if (find_keyword(doc, &name, &keyword) && kt_str_eq(keyword.name, param)) {
			return k;
		}
	}
	return call->commas;
}

json_t *lsp_signature(const lsp_doc *doc, size_t offset)
{
	lsp_call call = lsp_call_at(doc, offset);
	lsp_name callee = lsp_name_at(doc, call.name);
	size_t at = call.found ? find_entry(doc, &callee) : SIZE_MAX;
	if (at == SIZE_MAX) {
		return json_null();
	}
	kt_catalog_entry entry = kt_catalog_get(at);
	KT_AUTO_BUF kt_buf label = KT_BUF_INIT;
	json_t *params = json_array();
	for (size_t k = 0; k < entry.n_params; k++) {
		kt_catalog_param p = kt_catalog_param_get(at, k);
		KT_AUTO_BUF kt_buf one = KT_BUF_INIT;
		add_param(&p, &one);
		json_array_append_new(params, json_pack("{s:s, s:s}", "label", kt_buf_str(&one),
							"documentation", kt_str_or(p.doc, "")));
	}
	add_signature(at, &label);
	return json_pack("{s:[{s:s, s:s, s:o}], s:i, s:I}", "signatures", "label",
			 kt_buf_str(&label), "documentation", kt_str_or(entry.doc, ""),
			 "parameters", params, "activeSignature", 0, "activeParameter",
			 (json_int_t)active_param(doc, &call, at));
}

/* --- symbols -------------------------------------------------------------- */

static void add_symbol(const lsp_doc *doc, json_t *list, kt_val name, int kind, kt_spos pos)
{
	json_t *range = lsp_range(doc, pos.line, pos.col);
	json_array_append_new(list, json_pack("{s:s, s:i, s:O, s:o}", "name",
					      kt_string_get(name, NULL), "kind", kind, "range",
					      range, "selectionRange", range));
}

json_t *lsp_symbols(const lsp_doc *doc)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	json_t *list = json_array();
	kt_star *star = kt_star_new(NULL, NULL);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	const kt_stmt *s =
		t == NULL ? NULL : kt_parse_file(t, &arena, "document", doc->text, doc->len);
	for (; s != NULL; s = s->next) {
		if (s->kind == KT_ST_DEF) {
			add_symbol(doc, list, s->fn->name, SYMBOL_FUNCTION, s->pos);
		} else if (s->kind == KT_ST_ASSIGN && s->a->kind == KT_EX_IDENT) {
			add_symbol(doc, list, s->a->value, SYMBOL_VARIABLE, s->a->pos);
		}
	}
	kt_star_free(star);
	return list;
}
