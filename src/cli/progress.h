/*
 * The spinner with its bar and step texts, drawn by a thread of its own on stdout. Whoever
 * prints holds it off between kt_progress_hide and kt_progress_show.
 */
#ifndef KT_CLI_PROGRESS_H
#define KT_CLI_PROGRESS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct kt_progress kt_progress;

KT_MUST_USE kt_progress *kt_progress_new(kt_err *err);
void kt_progress_free(kt_progress *self); /* erases it; NULL allowed */
/* The step texts (copied) and how far it is. */
void kt_progress_set(kt_progress *self, char *const *texts, size_t count, uint32_t done,
		     uint32_t total);
void kt_progress_hide(kt_progress *self);
void kt_progress_show(kt_progress *self);

#endif
