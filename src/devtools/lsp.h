/*
 * The language server: diagnostics from the linter; completion, hover and signature help for
 * what Kurtosis adds to the language, from the rows that check real calls; document symbols.
 * It speaks the Language Server Protocol 3.17 with whole-document synchronisation.
 */
#ifndef KT_DEVTOOLS_LSP_H
#define KT_DEVTOOLS_LSP_H

#include "base/buf.h"
#include "base/err.h"

typedef struct kt_lsp kt_lsp;

KT_MUST_USE kt_lsp *kt_lsp_new(kt_err *err);
void kt_lsp_free(kt_lsp *self); /* NULL allowed */

/*
 * Takes one message (JSON, without its header) and appends what is to be sent, with headers.
 * 0 = go on; 1 = the client said exit after shutdown, 2 = without; -1 = memory. A message that
 * makes no sense is answered as the protocol wants and is no error. Blocking: reads files.
 */
int kt_lsp_handle(kt_lsp *self, const char *json, size_t len, kt_buf *out, kt_err *err);

/*
 * Serves a client on two descriptors until it says exit or closes. 0 after an orderly exit, -1
 * otherwise. Blocking.
 */
int kt_lsp_serve(int in, int out, kt_err *err);

#endif
