/* kt_plan_interpret_edit: finds the place in the enclave's plan that a new plan lies over. */
#include "plan/plan_internal.h"

#include "base/alloc.h"

typedef struct edit_search {
	const kt_plan_request *request;
	const kt_done_list *done;
	edit_state state; /* shared by all interpretations */
	kt_plan *plain;	  /* what the request gives without an old plan */
} edit_search;

static int interpret(edit_search *s, const kt_done *mask, size_t n_mask, kt_plan **ret,
		     bool *ret_invalid, kt_err *err)
{
	edit_run edit = {.state = &s->state, .mask = mask, .n_mask = n_mask};
	kt_plan *plan = kt_plan_new(err);
	if (plan == NULL) {
		return -1;
	}
	int rc = interp_plan(plan, s->request, &edit, err);
	*ret = plan;
	*ret_invalid = edit.invalid;
	return rc;
}

/* Configurations that earlier runs set and no start has taken yet. */
static int note_parked(edit_search *s, kt_err *err)
{
	const kt_plan_facts *facts = s->request->facts;
	for (size_t i = 0; facts != NULL && i < facts->n_services; i++) {
		const kt_fact_service *fact = &facts->services[i];
		if (fact->parked && kt_map_set(&s->state.parked, fact->name, s) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

/* The next old instruction that the new plan could begin at; done->len = none. -1: no memory. */
static int find_anchor(const edit_search *s, size_t from, size_t *ret)
{
	const kt_instr *first = s->plain->n_instrs > 0 ? s->plain->instrs[0] : NULL;
	*ret = first == NULL ? s->done->len : from;
	for (; *ret < s->done->len; (*ret)++) {
		edit_state thrown_away = {0};
		edit_answer answer = edit_resolve(first, &s->done->items[*ret], &thrown_away);
		bool failed = thrown_away.failed;
		edit_state_deinit(&thrown_away);
		if (failed) {
			return -1;
		}
		if (answer == EDIT_EQUAL || answer == EDIT_UPDATE) {
			break;
		}
	}
	return 0;
}

/* 1 = the plan fits over the old one from this place on, 0 = it does not, -1. */
static int try_anchor(edit_search *s, size_t at, kt_plan **ret, kt_err *err)
{
	KT_AUTO_ERR kt_err why = KT_ERR_INIT;
	size_t left = s->done->len - at;
	size_t n_mask = left < s->plain->n_instrs ? left : s->plain->n_instrs;
	kt_plan *plan = NULL;
	bool invalid = false;
	int rc = interpret(s, &s->done->items[at], n_mask, &plan, &invalid, &why);
	if (rc == 0) {
		plan->first = at;
		*ret = plan;
		return 1;
	}
	kt_plan_free(plan);
	/* Also a fault of the package: with other values it may go another way. */
	if (invalid || why.code == KT_ERR_INVALID) {
		return 0;
	}
	kt_err_move(err, &why);
	return -1;
}

/* Leaves s->plain where nothing fits. */
static int search(edit_search *s, kt_plan **ret, kt_err *err)
{
	size_t n = s->plain->n_instrs;
	size_t old = s->done->len;
	for (size_t at = old > n ? old - n : 0;; at++) {
		if (find_anchor(s, at, &at) < 0) {
			return kt_err_nomem(err);
		}
		if (at >= old) {
			s->plain->first = old;
			return 0;
		}
		int fits = try_anchor(s, at, ret, err);
		if (fits != 0) {
			return fits < 0 ? -1 : 0;
		}
	}
}

int kt_plan_interpret_edit(const kt_plan_request *request, const kt_done_list *done, kt_plan **ret,
			   kt_err *err)
{
	edit_search s = {.request = request, .done = done};
	kt_plan *fitting = NULL;
	bool invalid = false;
	int rc = note_parked(&s, err);
	if (rc == 0) {
		rc = interpret(&s, NULL, 0, &s.plain, &invalid, err);
	}
	if (rc == 0) {
		rc = search(&s, &fitting, err);
	}
	edit_state_deinit(&s.state);
	if (fitting != NULL) {
		kt_plan_free(s.plain);
		s.plain = fitting;
	}
	*ret = s.plain;
	return rc;
}
