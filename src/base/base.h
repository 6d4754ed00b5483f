/*
 * Names that every source file needs: attributes, clean-up variables, assertions.
 *
 * Include it first. It pulls in the compiler's own headers and those of the C library that
 * declare what is banned below.
 */
#ifndef KT_BASE_BASE_H
#define KT_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define KT_MUST_USE __attribute__((warn_unused_result))
#define KT_NORETURN __attribute__((noreturn))
#define KT_UNUSED __attribute__((unused))

/* Runs fn(&variable) when the variable leaves its scope. */
#define KT_CLEANUP(fn) __attribute__((cleanup(fn)))

#define KT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define KT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define KT_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Hands a clean-up variable's pointer on: yields it and leaves NULL behind. */
#define KT_STEAL(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) stolen_ = (ptr);                                                   \
		(ptr) = NULL;                                                                      \
		stolen_;                                                                           \
	})

/* Aborts with a message that names the place. For states that cannot happen. */
KT_NORETURN void kt_bug(const char *file, int line, const char *what);

#define KT_BUG(what) kt_bug(__FILE__, __LINE__, (what))
#define KT_ASSERT(cond)                                                                            \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			kt_bug(__FILE__, __LINE__, #cond);                                         \
		}                                                                                  \
	} while (0)

#endif
