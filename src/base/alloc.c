#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Per thread, and only ever set by tests. */
static _Thread_local long fail_after = -1;
static _Thread_local bool has_failed;

static bool may_allocate(void)
{
	if (fail_after < 0) {
		return true;
	}
	if (fail_after == 0) {
		has_failed = true;
		return false;
	}
	fail_after--;
	return true;
}

void kt_alloc_fail_after(long n)
{
	fail_after = n;
	has_failed = false;
}

bool kt_alloc_failed(void)
{
	return has_failed;
}

void *kt_malloc(size_t size)
{
	return may_allocate() ? malloc(size != 0 ? size : 1) : NULL;
}

void *kt_calloc(size_t count, size_t size)
{
	return may_allocate() ? calloc(count != 0 ? count : 1, size != 0 ? size : 1) : NULL;
}

void *kt_realloc(void *ptr, size_t size)
{
	return may_allocate() ? realloc(ptr, size != 0 ? size : 1) : NULL;
}

void *kt_alloc_array(size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total)) {
		return NULL;
	}
	return kt_malloc(total);
}

void kt_free(void *ptr)
{
	free(ptr);
}

void kt_free_ptr(void *ptr_to_ptr)
{
	void *ptr;
	memcpy(&ptr, ptr_to_ptr, sizeof(ptr));
	free(ptr);
}

char *kt_strdup(const char *text)
{
	return text != NULL ? kt_memdup(text, strlen(text) + 1) : NULL;
}

char *kt_strndup(const char *text, size_t len)
{
	if (text == NULL) {
		return NULL;
	}
	len = strnlen(text, len);
	char *copy = kt_malloc(len + 1);
	if (copy != NULL) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

void *kt_memdup(const void *data, size_t len)
{
	void *copy = kt_malloc(len);
	if (copy != NULL && len != 0) {
		memcpy(copy, data, len);
	}
	return copy;
}

char *kt_asprintf(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *text = len < 0 ? NULL : kt_malloc((size_t)len + 1);
	if (text != NULL) {
		vsnprintf(text, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	return text;
}
