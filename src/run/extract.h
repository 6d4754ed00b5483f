/*
 * Extractors of recipes: jq programs over a recipe's result, through libjq.
 *
 * The reference uses another implementation of jq. The adapter closes the gaps that
 * packages meet: objects iterate in key order, `if` needs no `else`, `.a.[0]` is a
 * path, newer built-ins exist, the environment is empty, modules are refused.
 * Differences that remain are listed at the top of extract.c.
 */
#ifndef KT_RUN_EXTRACT_H
#define KT_RUN_EXTRACT_H

#include "run/value.h"

typedef struct kt_jq kt_jq;

/* Compiles a program; reusable, one thread at a time. -1: "…parsing field extractor 'Q'". */
int kt_jq_new(const char *query, kt_jq **ret, kt_err *err);
void kt_jq_free(kt_jq *self); /* NULL allowed */

/*
 * Runs the program over one JSON text. Null results and failing results are dropped;
 * none left is an error, one is that value, more become a list.
 */
int kt_jq_run(kt_jq *self, const char *json, size_t len, kt_arena *arena, kt_pval *ret,
              kt_err *err);

#endif
