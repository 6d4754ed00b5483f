/*
 * How much of the calling thread's stack is left. Recursive code on input from outside asks
 * before it goes deeper, so that hostile nesting ends in an error on every stack size.
 */
#ifndef KT_BASE_STACK_H
#define KT_BASE_STACK_H

#include "base/base.h"

/* True when less than 48 KiB are left. Cheap after the first call of a thread. */
bool kt_stack_low(void);

#endif
