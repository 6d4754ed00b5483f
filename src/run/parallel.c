/*
 * Execution along the dependency graph: an instruction starts, in a thread of its own, as
 * soon as all that it waits for have succeeded. The first failure cancels those that run
 * and starts no more.
 */
#include "base/alloc.h"
#include "plan/graph.h"
#include "run/run_internal.h"

/* Threads at a time; more instructions than these wait their turn. */
#define MAX_RUNNING 64
/* Reserved, not used, unless values nest deeply. */
#define WORKER_STACK (UINT64_C(16) * 1024 * 1024)

typedef struct worker worker;

typedef struct scheduler {
	kt_run_ctx *run;
	kt_plan_graph graph;
	worker *workers; /* by position in the plan */
	size_t n;
	size_t finished;
	size_t running;
	bool failed;
	kt_err first; /* the first failure */
	kt_cancel *cancel;
	pthread_mutex_t lock;
	pthread_cond_t changed;
} scheduler;

typedef enum worker_state { WORKER_WAITING, WORKER_RUNNING, WORKER_DONE } worker_state;

struct worker {
	scheduler *owner;
	const kt_instr *instr;
	worker_state state;
	pthread_t thread;
	bool started;
};

static void *work(void *arg)
{
	worker *w = arg;
	scheduler *s = w->owner;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int64_t took = 0;
	int result = kt_run_instruction(s->run, w->instr, &took, &err);

	if (result < 0) {
		kt_run_wrap_instruction(w->instr, &err);
	}
	KT_LOCK(&s->lock);
	w->state = WORKER_DONE;
	s->running--;
	s->finished++;
	if (result < 0 && !s->failed) {
		s->failed = true;
		kt_err_move(&s->first, &err);
		kt_cancel_fire(s->cancel);
	}
	pthread_cond_signal(&s->changed);
	return NULL;
}

/* Needs the lock. */
static bool ready(const scheduler *s, size_t i)
{
	const kt_plan_deps *deps = &s->graph.deps[i];

	if (s->workers[i].state != WORKER_WAITING) {
		return false;
	}
	for (size_t d = 0; d < deps->len; d++) {
		if (s->workers[deps->items[d]].state != WORKER_DONE) {
			return false;
		}
	}
	return true;
}

/* Needs the lock. */
static void start_ready(scheduler *s)
{
	for (size_t i = 0; i < s->n && !s->failed && s->running < MAX_RUNNING; i++) {
		worker *w = &s->workers[i];
		if (!ready(s, i)) {
			continue;
		}
		if (kt_thread_start(&w->thread, WORKER_STACK, "instr", work, w, &s->first) < 0) {
			s->failed = true;
			kt_cancel_fire(s->cancel);
			return;
		}
		w->started = true;
		w->state = WORKER_RUNNING;
		s->running++;
	}
}

/* Until all are done, or one has failed and the running ones have ended. */
static void run_all(scheduler *s)
{
	KT_LOCK(&s->lock);
	start_ready(s);
	while (s->running > 0) {
		pthread_cond_wait(&s->changed, &s->lock);
		start_ready(s);
	}
}

static void join_all(scheduler *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->workers[i].started) {
			pthread_join(s->workers[i].thread, NULL);
		}
	}
}

static int prepare(scheduler *s, kt_err *err)
{
	if (kt_plan_graph_make(s->run->plan, KT_PLAN_EDGES_OBEYED, &s->graph, err) < 0) {
		return -1;
	}
	s->cancel = kt_cancel_child(s->run->options->cancel, err);
	if (s->cancel == NULL) {
		return -1;
	}
	s->workers = kt_calloc(s->n + 1, sizeof(*s->workers));
	if (s->workers == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < s->n; i++) {
		s->workers[i] = (worker){.owner = s, .instr = s->run->plan->instrs[i]};
	}
	s->run->cancel = s->cancel;
	return 0;
}

int kt_run_parallel(kt_run_ctx *run, kt_err *err)
{
	scheduler s = {.run = run, .n = run->plan->n_instrs};
	int result = prepare(&s, err);

	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.changed, NULL);
	if (result == 0) {
		run_all(&s);
		join_all(&s);
	}
	if (s.failed) {
		kt_err_move(err, &s.first);
		result = KT_WRAP(err,
		                 "One or more instructions failed to execute in parallel. This if "
		                 "the first error that was found.");
	}
	run->cancel = run->options->cancel;
	pthread_cond_destroy(&s.changed);
	pthread_mutex_destroy(&s.lock);
	kt_plan_graph_deinit(&s.graph);
	kt_cancel_unref(s.cancel);
	kt_free(s.workers);
	return result;
}
