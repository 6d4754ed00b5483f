/*
 * A bounded pipe in memory between two threads of a pull. Neither end copies more than once;
 * a full pipe blocks the writer, and a reader that gives up makes the writer fail.
 */
#ifndef KT_IMAGE_PIPE_H
#define KT_IMAGE_PIPE_H

#include "files/stream.h"

typedef struct kt_pipe kt_pipe;

KT_MUST_USE kt_pipe *kt_pipe_new(size_t capacity, kt_err *err);
void kt_pipe_free(kt_pipe *self); /* both ends are done */

kt_sink kt_pipe_sink(kt_pipe *self);
kt_source kt_pipe_source(kt_pipe *self);
/* failed: the reader gets IO instead of a clean end. */
void kt_pipe_close_write(kt_pipe *self, bool failed);
void kt_pipe_close_read(kt_pipe *self);

#endif
