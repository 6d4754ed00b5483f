/* A service's configuration as JSON text and back, for the enclave's database. */
#ifndef KT_RUN_CONFIG_JSON_H
#define KT_RUN_CONFIG_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "plan/types.h"

int kt_config_encode(kt_buf *buf, const kt_plan_config *config, kt_err *err);
/* The result and all it refers to live in arena. Fields that the text lacks are zero. */
int kt_config_decode(kt_arena *arena, const char *text, size_t len, kt_plan_config **ret,
                     kt_err *err);

#endif
