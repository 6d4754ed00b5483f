/* A sorted walk through a directory tree that follows no links: for packing, hashing, listing. */
#ifndef KT_FILES_WALK_H
#define KT_FILES_WALK_H

#include "base/base.h"
#include "base/err.h"
#include "base/thread.h"

#include <sys/stat.h>

typedef struct kt_walk_item {
	const char *path; /* relative to the root, no leading slash */
	const char *name; /* last part */
	int dir;          /* descriptor of the directory that holds it */
	struct stat st;   /* of the entry itself, not of a link's target */
} kt_walk_item;

enum {
	KT_WALK_SKIP = 1, /* returned for a directory: do not descend */
};

/* 0 = go on, KT_WALK_SKIP, or -1 to stop with err set. */
typedef int (*kt_walk_fn)(void *ctx, const kt_walk_item *item, kt_err *err);

/* Visits everything beneath `dir`, each directory before its contents, names in byte order. */
int kt_walk(const char *dir, kt_walk_fn fn, void *ctx, const kt_cancel *cancel, kt_err *err);

#endif
