/*
 * Memory from the process heap. Every allocation of this project passes here, so
 * that a test can make the n-th one fail.
 *
 * Thread-safe. All functions return NULL when memory is short; none aborts.
 */
#ifndef KT_BASE_ALLOC_H
#define KT_BASE_ALLOC_H

#include "base/base.h"

/* As malloc, calloc, realloc, free. kt_alloc_array checks the product for overflow. */
KT_MUST_USE void *kt_malloc(size_t size);
KT_MUST_USE void *kt_calloc(size_t count, size_t size);
KT_MUST_USE void *kt_realloc(void *ptr, size_t size);
KT_MUST_USE void *kt_alloc_array(size_t count, size_t size);
void kt_free(void *ptr);

/* Copies; the caller frees with kt_free. kt_strdup(NULL) and kt_strndup(NULL, …) are NULL. */
KT_MUST_USE char *kt_strdup(const char *text);
KT_MUST_USE char *kt_strndup(const char *text, size_t len);
KT_MUST_USE void *kt_memdup(const void *data, size_t len);

/* A printf into fresh memory; NULL when memory is short. */
KT_MUST_USE char *kt_asprintf(const char *fmt, ...) KT_PRINTF(1, 2);

/* Clean-up functions for KT_CLEANUP. */
void kt_free_ptr(void *ptr_to_ptr);
#define KT_AUTO_FREE KT_CLEANUP(kt_free_ptr)

/*
 * Tests only: let the next n allocations of this thread succeed and all after them
 * fail; n < 0 switches failing off. kt_alloc_failed tells whether one has failed since.
 */
void kt_alloc_fail_after(long n);
bool kt_alloc_failed(void);

#endif
