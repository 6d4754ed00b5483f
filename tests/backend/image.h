/* Builds the images of the contract suite: Debian's busybox-static and little else. */
#ifndef KT_TESTS_BACKEND_IMAGE_H
#define KT_TESTS_BACKEND_IMAGE_H

#include "base/err.h"

#define BUSYBOX "/bin/busybox"

/* Writes a docker-archive with both images to path; dir is scratch space. */
int build_images(const char *dir, const char *path, kt_err *err);

#endif
