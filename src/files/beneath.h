/*
 * Opening names beneath a directory descriptor, for extraction and for reading what was
 * extracted: no path leads out, whatever symbolic links lie on the way.
 */
#ifndef KT_FILES_BENEATH_H
#define KT_FILES_BENEATH_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Cleans an archive's name into ret: no leading "/" or "./", no empty or "." parts, no final
 * slash; "" for the root. INVALID when a part is "..".
 */
int kt_beneath_clean(const char *name, kt_buf *ret, kt_err *err);

/*
 * Opens the directory `path` (clean, relative; "" = root itself) as O_PATH. as_root: links
 * resolve as if root were "/"; otherwise one that leads out fails. The caller closes.
 * -1 with errno; ENOENT, ENOTDIR, EXDEV (leads out), ELOOP …
 */
int kt_beneath_open(int root, const char *path, bool as_root);
/* Opens a file for reading; links count as within root. The caller closes. -1 with errno. */
int kt_beneath_open_file(int root, const char *path);

#endif
