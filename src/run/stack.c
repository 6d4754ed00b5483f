/*
 * Room for recursion. Scripts, arguments and jq programs decide how deep values nest, and
 * whoever walks them recurses; the threads that serve calls have small stacks. The memory
 * is only reserved: what is not used costs nothing.
 */
#include "run/run_internal.h"

#define BIG_STACK (UINT64_C(256) * 1024 * 1024)

typedef struct job {
	void (*fn)(void *arg);
	void *arg;
} job;

static void *do_job(void *arg)
{
	job *j = arg;

	j->fn(j->arg);
	return NULL;
}

int kt_run_on_big_stack(void (*fn)(void *arg), void *arg, kt_err *err)
{
	job j = {fn, arg};
	pthread_t thread;

	if (kt_thread_start(&thread, BIG_STACK, "run", do_job, &j, err) < 0) {
		return -1;
	}
	pthread_join(thread, NULL);
	return 0;
}
