/*
 * The messages of the wire API. Structs are protobuf-c's: fill one after TYPE__INIT, free a
 * received one with kt_msg_free. Strings in messages to send are borrowed until the call returns
 * and never NULL ("" is what is absent, (char *)protobuf_c_empty_string at start).
 *
 * Optional scalars and strings are one-field oneofs; use the macros:
 *
 *   KT_OPT_SET(EngineApi__CleanArgs, &args, should_clean_all, true);
 *   if (KT_OPT_HAS(args, should_clean_all)) … args->should_clean_all
 *   KT_OPT_OR(args, parallelism, 4)
 */
#ifndef KT_API_API_H
#define KT_API_API_H

#include "api/apic.pb-c.h"
#include "api/common.pb-c.h"
#include "api/engine.pb-c.h"
#include "api/fields.h"

#define KT_OPT_SET(type, message, field, value)                                                    \
	((message)->field = (value), (message)->_##field##_case = KT_FIELD_##type##__##field)
#define KT_OPT_HAS(message, field) ((message)->_##field##_case != 0)
#define KT_OPT_OR(message, field, fallback)                                                        \
	(KT_OPT_HAS(message, field) ? (message)->field : (fallback))

#endif
