/* A package in a temporary directory. Included by one test each. */
#ifndef KT_TEST_DEVTOOLS_SCRATCH_H
#define KT_TEST_DEVTOOLS_SCRATCH_H

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct scratch {
	char *dir;
} scratch;

static inline void scratch_write(const scratch *self, const char *name, const char *text)
{
	KT_AUTO_FREE char *path = kt_path_join(self->dir, name);
	KT_AUTO_FREE char *parent = kt_path_dir(path);
	assert_int_equal(kt_fs_mkdirs(parent, 0700, NULL), 0);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0600, false, NULL), 0);
}

static inline int scratch_open(void **state)
{
	static scratch self;
	self.dir = kt_fs_mkdtemp(NULL, "kt-devtools-", NULL);
	assert_non_null(self.dir);
	scratch_write(&self, "kurtosis.yml", "name: github.com/ana/shop\n");
	*state = &self;
	return 0;
}

static inline int scratch_close(void **state)
{
	scratch *self = *state;
	int rc = kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	return rc;
}

#endif
