/* .kurtosisignore: which paths stay out of an archive and a content hash. */
#ifndef KT_FILES_IGNORE_H
#define KT_FILES_IGNORE_H

#include "base/err.h"
#include "base/vec.h"

typedef struct kt_ignore {
	kt_strvec patterns;
} kt_ignore;

#define KT_IGNORE_INIT {KT_STRVEC_INIT}
#define KT_AUTO_IGNORE KT_CLEANUP(kt_ignore_deinit)
void kt_ignore_deinit(kt_ignore *self);
/* Reads DIR/.kurtosisignore; a missing file gives no patterns. */
int kt_ignore_read(const char *dir, kt_ignore *ret, kt_err *err);
/* path is relative to the root. */
bool kt_ignore_match(const kt_ignore *self, const char *path, bool is_dir);

#endif
