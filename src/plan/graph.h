/*
 * Which instruction waits for which: two edge sets from the same declared reads and writes.
 *
 * KT_PLAN_EDGES_PRINTED are the edges that plan YAML shows, exactly those of the original.
 * KT_PLAN_EDGES_OBEYED contain them and all that execution in parallel must keep: whoever
 * reads waits for the last writer, whoever writes waits for the last writer and for the
 * readers since.
 */
#ifndef KT_PLAN_GRAPH_H
#define KT_PLAN_GRAPH_H

#include "plan/plan.h"

typedef enum kt_plan_edges { KT_PLAN_EDGES_PRINTED, KT_PLAN_EDGES_OBEYED } kt_plan_edges;

/* Positions in kt_plan.instrs, ascending, all smaller than the instruction's own. */
typedef struct kt_plan_deps {
	const size_t *items;
	size_t len;
} kt_plan_deps;

typedef struct kt_plan_graph {
	kt_arena arena;
	const kt_plan_deps *deps; /* by position */
	size_t n;
} kt_plan_graph;

#define KT_AUTO_PLAN_GRAPH KT_CLEANUP(kt_plan_graph_deinit)
void kt_plan_graph_deinit(kt_plan_graph *self);

/* *ret must be empty ({0}). Fails only when memory is short. */
int kt_plan_graph_make(const kt_plan *plan, kt_plan_edges which, kt_plan_graph *ret, kt_err *err);

#endif
