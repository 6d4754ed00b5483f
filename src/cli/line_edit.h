/*
 * Reads lines from a terminal with editing and history; from anything else as they come. One at a
 * time per process, as it changes the terminal's mode while it reads.
 */
#ifndef KT_CLI_LINE_EDIT_H
#define KT_CLI_LINE_EDIT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

typedef struct kt_line_edit {
	kt_strvec history;
	bool terminal; /* both standard input and output are one */
} kt_line_edit;

void kt_line_edit_init(kt_line_edit *self);
void kt_line_edit_deinit(kt_line_edit *self);
/*
 * Appends a line without its newline to ret. 1 = read, 0 = end of input, 2 = interrupted (the line
 * is dropped), -1 = failed. Blocks.
 */
int kt_line_edit_read(kt_line_edit *self, const char *prompt, kt_buf *ret, kt_err *err);

#endif
