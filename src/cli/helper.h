/*
 * Work that is done by a role of kurtosisd, so that this program need not carry the libraries
 * for it. What the roles take and print stands in engine/engine.h.
 */
#ifndef KT_CLI_HELPER_H
#define KT_CLI_HELPER_H

#include "base/buf.h"
#include "base/vec.h"

/*
 * Runs `kurtosisd ROLE WORDS…` and gives each line of its output to fn as it comes; fn returns -1
 * when memory is short. A failure is the helper's own error.
 */
int kt_helper_lines(const char *role, const kt_strvec *words, int (*fn)(void *arg, char *line),
		    void *arg, kt_err *err);
/* The same with the whole output appended to ret. */
int kt_helper_output(const char *role, const kt_strvec *words, kt_buf *ret, kt_err *err);
/* Reads what --args-file names: a file, or by the role `fetch` an http or https URL. */
int kt_read_args_file(const char *file, kt_buf *ret, kt_err *err);

#endif
