/*
 * File patterns as in shells: * and ? stay within one part of a path, ** crosses slashes,
 * [a-z] and [!a-z] are sets, {a,b} alternatives. No allocation, thread-safe.
 */
#ifndef KT_DEVTOOLS_GLOB_H
#define KT_DEVTOOLS_GLOB_H

#include "base/base.h"

/* Whether the whole text matches. An unfinished [ or { stands for itself. */
bool kt_glob_match(const char *pattern, const char *text);

#endif
