/*
 * Everything that Kurtosis adds to the language, as data: for help, documentation, linters and
 * editors. The same rows check the arguments of calls, so this cannot be out of date.
 *
 * Constant data; thread-safe.
 */
#ifndef KT_PLAN_CATALOG_H
#define KT_PLAN_CATALOG_H

#include "base/base.h"

typedef enum kt_catalog_kind {
	KT_CATALOG_INSTRUCTION, /* a function of the plan object */
	KT_CATALOG_TYPE,	/* a constructor */
	KT_CATALOG_HELPER,	/* import_module, read_file */
} kt_catalog_kind;

typedef struct kt_catalog_entry {
	kt_catalog_kind kind;
	const char *name;
	const char *doc;
	size_t n_params; /* with `description`, which everything has, last */
} kt_catalog_entry;

typedef struct kt_catalog_param {
	const char *name;
	const char *type; /* "string", "int", "bool", "list", "dict", "any", or a type's name */
	bool required;
	const char *default_text; /* as in the language; NULL = none worth saying */
	const char *doc;
	bool deprecated;
} kt_catalog_param;

size_t kt_catalog_count(void);
/* i < kt_catalog_count(): instructions, then types, then helpers. */
kt_catalog_entry kt_catalog_get(size_t i);
/* k < n_params of that entry, in the order of positional arguments. */
kt_catalog_param kt_catalog_param_get(size_t i, size_t k);

#endif
