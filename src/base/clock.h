/* Time: the two clocks, and Go's text forms of time and duration. */
#ifndef KT_BASE_CLOCK_H
#define KT_BASE_CLOCK_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#define KT_NS_PER_MS INT64_C(1000000)
#define KT_NS_PER_S INT64_C(1000000000)

/* A moment of CLOCK_MONOTONIC in nanoseconds, or KT_NEVER. Deadlines are of this type. */
typedef int64_t kt_instant;
#define KT_NEVER INT64_MAX

kt_instant kt_now(void);
kt_instant kt_after_ms(int64_t ms);
/* Milliseconds left, for poll(2): at least 0, -1 for KT_NEVER, rounded up. */
int kt_ms_left(kt_instant deadline);

int64_t kt_wall_ns(void); /* CLOCK_REALTIME since 1970 */
/* Appends RFC 3339 in UTC; digits = 0, 3, 6 or 9 after the second. */
void kt_buf_add_time(kt_buf *buf, int64_t wall_ns, int digits);

/* Go's time.ParseDuration ("1h2m3.5s", "-1.5ms", "0") with its error text. */
int kt_duration_parse(const char *text, int64_t *ret_ns, kt_err *err);
/* Go's Duration.String ("1m30s", "1.5ms", "0s"). */
void kt_buf_add_duration(kt_buf *buf, int64_t ns);

#endif
