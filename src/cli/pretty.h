/* One instruction, as the API container writes it, laid out over several lines. */
#ifndef KT_CLI_PRETTY_H
#define KT_CLI_PRETTY_H

#include "base/buf.h"

/*
 * Appends the expression (calls, lists, dicts, tuples and literals) in buildifier's layout: two
 * or more elements go one per line with a trailing comma. False when the text is no such
 * expression; out may then hold a part.
 */
bool kt_pretty(const char *text, kt_buf *out);

#endif
