/* Host objects for specification files, which exercise the vtable of starlark.h. */
#ifndef KT_CONFORMANCE_HOSTS_H
#define KT_CONFORMANCE_HOSTS_H

#include "starlark/starlark.h"

/*
 * Adds to the dict:
 *   hasfields()       an object that takes any attribute whose name does not start with "no";
 *                     list + hasfields is 42
 *   fibonacci         endless iterable 0, 1, 1, 2, 3, …
 *   gensym(name=…)    a callable that makes structs branded with itself
 * 0, or -1 with an error raised.
 */
int conformance_hosts(kt_sthread *t, kt_val dict);

#endif
