/* Edges between instructions, from what they read and write. */
#include "plan/graph.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

/* Who touched a resource last, while the instructions are visited in order. */
typedef struct last {
	size_t writer; /* position + 1; 0 = nobody */
	KT_VEC(size_t) readers;
} last;

typedef struct builder {
	const kt_plan *plan;
	bool *edges; /* n*n: edges[i*n + j] = i waits for j */
	size_t n;
	kt_map producers; /* printed: one flat namespace, name -> last * */
	kt_map touched;	  /* obeyed: "KIND:NAME" -> last * */
	KT_VEC(size_t) waits;
	bool failed;
} builder;

static void last_free(void *value)
{
	last *self = value;
	kt_vec_deinit(&self->readers);
	kt_free(self);
}

static last *last_of(builder *b, kt_map *map, const char *name)
{
	last *found = kt_map_get(map, name);
	if (found == NULL) {
		found = kt_calloc(1, sizeof(*found));
		if (found == NULL || kt_map_set(map, name, found) < 0) {
			kt_free(found);
			b->failed = true;
			return NULL;
		}
	}
	return found;
}

static void set_edge(builder *b, size_t from, size_t to)
{
	if (from != to) {
		b->edges[from * b->n + to] = true;
	}
}

/* An instruction with any edge waits for every wait before it, too. */
static void add_edge(builder *b, size_t from, size_t to)
{
	if (from == to) {
		return;
	}
	set_edge(b, from, to);
	for (size_t i = 0; i < b->waits.len; i++) {
		set_edge(b, from, b->waits.items[i]);
	}
}

static bool counts(const kt_plan_res *res)
{
	return res->printed && res->kind != KT_PLAN_RES_PORT;
}

/* Whoever used the service waits no longer for it once it is gone: remove after all of them. */
static void after_users(builder *b, size_t at, size_t producer)
{
	for (size_t k = 0; k < at; k++) {
		if (b->edges[k * b->n + producer]) {
			add_edge(b, at, k);
		}
	}
}

static void visit_printed(builder *b, size_t at)
{
	const kt_instr *rec = b->plan->instrs[at];
	bool removes = rec->kind == KT_INSTR_REMOVE_SERVICE;
	if (rec->kind == KT_INSTR_PRINT && at > 0) {
		add_edge(b, at, at - 1);
	}
	for (size_t i = 0; i < rec->reads.len; i++) {
		const last *l = kt_map_get(&b->producers, rec->reads.items[i].name);
		if (counts(&rec->reads.items[i]) && l != NULL && l->writer > 0) {
			if (removes) {
				after_users(b, at, l->writer - 1);
			}
			add_edge(b, at, l->writer - 1);
		}
	}
	for (size_t i = 0; !removes && i < rec->writes.len; i++) {
		if (counts(&rec->writes.items[i])) {
			last *l = last_of(b, &b->producers, rec->writes.items[i].name);
			if (l != NULL) {
				l->writer = at + 1;
			}
		}
	}
	if (rec->kind == KT_INSTR_WAIT && kt_vec_push(&b->waits, at) < 0) {
		b->failed = true;
	}
}

static last *touched(builder *b, const kt_plan_res *res)
{
	KT_AUTO_FREE char *key = kt_asprintf("%d:%s", (int)res->kind, res->name);
	if (key == NULL) {
		b->failed = true;
		return NULL;
	}
	return last_of(b, &b->touched, key);
}

static void visit_obeyed(builder *b, size_t at)
{
	const kt_instr *rec = b->plan->instrs[at];
	for (size_t i = 0; i < rec->reads.len; i++) {
		const last *l = touched(b, &rec->reads.items[i]);
		if (l != NULL && l->writer > 0) {
			set_edge(b, at, l->writer - 1);
		}
	}
	for (size_t i = 0; i < rec->writes.len; i++) {
		last *l = touched(b, &rec->writes.items[i]);
		if (l == NULL) {
			continue;
		}
		if (l->writer > 0) {
			set_edge(b, at, l->writer - 1);
		}
		for (size_t k = 0; k < l->readers.len; k++) {
			set_edge(b, at, l->readers.items[k]);
		}
		l->readers.len = 0;
		l->writer = at + 1;
	}
	for (size_t i = 0; i < rec->reads.len; i++) {
		last *l = touched(b, &rec->reads.items[i]);
		if (l != NULL && kt_vec_push(&l->readers, at) < 0) {
			b->failed = true;
		}
	}
}

static int collect(const builder *b, kt_plan_graph *ret)
{
	kt_plan_deps *deps = KT_ARENA_ARRAY(&ret->arena, kt_plan_deps, b->n + 1);
	if (deps == NULL) {
		return -1;
	}
	for (size_t i = 0; i < b->n; i++) {
		size_t *items = KT_ARENA_ARRAY(&ret->arena, size_t, i + 1);
		if (items == NULL) {
			return -1;
		}
		size_t len = 0;
		for (size_t j = 0; j < i; j++) {
			if (b->edges[i * b->n + j]) {
				items[len++] = j;
			}
		}
		deps[i] = (kt_plan_deps){items, len};
	}
	ret->deps = deps;
	ret->n = b->n;
	return 0;
}

int kt_plan_graph_make(const kt_plan *plan, kt_plan_edges which, kt_plan_graph *ret, kt_err *err)
{
	builder b = {.plan = plan,
		     .n = plan->n_instrs,
		     .producers = KT_MAP_OWNING(last_free),
		     .touched = KT_MAP_OWNING(last_free)};
	b.edges = kt_calloc(kt_arena_product(b.n, b.n) + 1, sizeof(*b.edges));
	b.failed = b.edges == NULL;
	for (size_t i = 0; i < b.n && !b.failed; i++) {
		visit_printed(&b, i);
		if (which == KT_PLAN_EDGES_OBEYED) {
			visit_obeyed(&b, i);
		}
	}
	int rc = b.failed || collect(&b, ret) < 0 ? kt_err_nomem(err) : 0;
	kt_free(b.edges);
	kt_map_deinit(&b.producers);
	kt_map_deinit(&b.touched);
	kt_vec_deinit(&b.waits);
	return rc;
}

void kt_plan_graph_deinit(kt_plan_graph *self)
{
	kt_arena_deinit(&self->arena);
	*self = (kt_plan_graph){0};
}
