#include "base/stack.h"

#include <pthread.h>

#define RESERVE ((uintptr_t)48 * 1024)
/* Where the system does not tell, deeper than this from the first question is too deep. */
#define FALLBACK ((uintptr_t)96 * 1024)

/* The lowest address this thread's recursion may reach; 0 = not asked yet. */
static _Thread_local uintptr_t lowest;

static uintptr_t find_lowest(uintptr_t here)
{
	pthread_attr_t attributes;
	void *start = NULL;
	size_t size = 0;

	if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
		return here - FALLBACK;
	}
	int failed = pthread_attr_getstack(&attributes, &start, &size);
	pthread_attr_destroy(&attributes);
	return failed != 0 ? here - FALLBACK : (uintptr_t)start + RESERVE;
}

bool kt_stack_low(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (lowest == 0) {
		lowest = find_lowest(here);
	}
	return here < lowest;
}
