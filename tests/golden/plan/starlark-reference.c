/* Prints docs/reference/starlark.md from the catalog. */
#include "plan/catalog.h"

#include <stdio.h>

static const char *const headings[] = {
	[KT_CATALOG_INSTRUCTION] =
		"\n## Instructions\n\nFunctions of the `plan` object that the entry function gets. "
		"They add to the plan;\nnothing happens before the whole plan is made.\n",
	[KT_CATALOG_TYPE] =
		"\n## Types\n\nConstructors, available everywhere. A value has the arguments that "
		"were given as attributes.\n",
	[KT_CATALOG_HELPER] = "\n## Helpers\n\nAvailable everywhere.\n",
};

/* A cell of a table may not hold the bar that ends it. */
static void print_cell(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|') {
			putchar('\\');
		}
		putchar(*text);
	}
}

static void print_param(const kt_catalog_param *p)
{
	printf("| `%s` | %s | ", p->name, p->type);
	if (p->required) {
		printf("required");
	} else if (p->default_text != NULL) {
		printf("`");
		print_cell(p->default_text);
		printf("`");
	}
	printf(" | %s", p->deprecated ? "Deprecated. " : "");
	print_cell(p->doc);
	printf(" |\n");
}

static void print_entry(size_t i, const kt_catalog_entry *entry)
{
	printf("\n### %s%s\n\n%s\n", entry->kind == KT_CATALOG_INSTRUCTION ? "plan." : "",
	       entry->name, entry->doc);
	/* The last parameter is the description that everything has. */
	if (entry->n_params == 1) {
		return;
	}
	printf("\n| parameter | type | default | |\n|---|---|---|---|\n");
	for (size_t k = 0; k + 1 < entry->n_params; k++) {
		kt_catalog_param p = kt_catalog_param_get(i, k);
		print_param(&p);
	}
}

int main(void)
{
	printf("# Starlark reference\n\n"
	       "Made from the tables that check the arguments of calls; do not edit by hand.\n\n"
	       "Parameters can be given by position, in this order, or by name. Everything takes one "
	       "more,\nlast: `description` (string), which is shown instead of the default text.\n");
	int kind = -1;
	for (size_t i = 0; i < kt_catalog_count(); i++) {
		kt_catalog_entry entry = kt_catalog_get(i);
		if ((int)entry.kind != kind) {
			kind = (int)entry.kind;
			fputs(headings[kind], stdout);
		}
		print_entry(i, &entry);
	}
	return 0;
}
