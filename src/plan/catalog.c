#include "plan/catalog.h"
#include "plan/plan_internal.h"

/* The signature at a position of the catalog, and what kind it is. */
static const signature *signature_at(size_t i, kt_catalog_kind *ret_kind)
{
	if (i < KT_INSTR_COUNT) {
		*ret_kind = KT_CATALOG_INSTRUCTION;
		return &instr_rows[i].sig;
	}
	i -= KT_INSTR_COUNT;
	if (i < KTYPE_COUNT) {
		*ret_kind = KT_CATALOG_TYPE;
		return &ktype_rows[i];
	}
	i -= KTYPE_COUNT;
	*ret_kind = KT_CATALOG_HELPER;
	KT_ASSERT(i < helper_count);
	return helper_signatures[i];
}

static const char *type_name(int type)
{
	static const char *const names[] = {
		[PT_ANY] = "any",   [PT_STRING] = "string", [PT_INT] = "int",
		[PT_BOOL] = "bool", [PT_LIST] = "list",	    [PT_DICT] = "dict",
	};
	return type < PT_KTYPE ? names[type] : ktype_rows[type - PT_KTYPE].name;
}

size_t kt_catalog_count(void)
{
	return KT_INSTR_COUNT + KTYPE_COUNT + helper_count;
}

kt_catalog_entry kt_catalog_get(size_t i)
{
	kt_catalog_kind kind;
	const signature *sig = signature_at(i, &kind);
	return (kt_catalog_entry){kind, sig->name, sig->doc, sig->n + 1};
}

kt_catalog_param kt_catalog_param_get(size_t i, size_t k)
{
	kt_catalog_kind kind;
	const signature *sig = signature_at(i, &kind);
	const param *p = k < sig->n ? &sig->params[k] : &description_param;
	return (kt_catalog_param){.name = p->name,
				  .type = type_name(p->type),
				  .required = p->required,
				  .default_text = p->default_text,
				  .doc = p->doc,
				  .deprecated = p->deprecated != NULL};
}
