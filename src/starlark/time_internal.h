/*
 * What the sources of the language's time module share: civil dates, time zones, layouts,
 * durations. Private to this module. Moments are seconds since 1970 plus nanoseconds.
 */
#ifndef KT_STARLARK_TIME_INTERNAL_H
#define KT_STARLARK_TIME_INTERNAL_H

#include "starlark/string_methods.h"

/* ---- civil dates (proleptic Gregorian) --------------------------------------- */

typedef struct kt_civil {
	int64_t year;
	int month, day;          /* from 1 */
	int hour, minute, second;
	int weekday;             /* 0 = Sunday */
	int year_day;            /* from 1 */
} kt_civil;

/* Of a count of seconds, zone offset already added. */
kt_civil kt_civil_of(int64_t seconds);
bool kt_year_is_leap(int64_t year);
int kt_days_in_month(int64_t year, int month);

/* ---- zones ------------------------------------------------------------------- */

/* UTC, a fixed offset, or rules read from the system's zone files. Lives as long as the run. */
typedef struct kt_location kt_location;

typedef struct kt_zone {
	const char *name; /* abbreviation; "" = none */
	int64_t offset;   /* seconds east of UTC */
	int64_t start;    /* in force within [start, end) */
	int64_t end;
	bool dst;
} kt_zone;

extern const kt_location kt_location_utc;
/* NULL with an error raised: "unknown time zone X". "" and "Local" are UTC. */
const kt_location *kt_location_load(kt_sthread *t, const char *name);
/* NULL with NOMEM raised. */
const kt_location *kt_location_fixed(kt_sthread *t, kt_text name, int64_t offset);
kt_zone kt_location_lookup(const kt_location *location, int64_t unix_seconds);
/* The offset that an abbreviation stands for there; false when it is unknown. */
bool kt_location_abbreviation(const kt_location *location, kt_text name, int64_t unix_seconds,
			      int64_t *ret);

/* What a zone file says; zones and transitions live in the run's heap. */
typedef struct kt_zone_rule {
	const char *name;
	int64_t offset;
	bool dst;
} kt_zone_rule;

typedef struct kt_zone_change {
	int64_t when;
	uint8_t rule;
} kt_zone_change;

struct kt_location {
	const char *name; /* abbreviation of a fixed offset */
	int64_t offset;   /* fixed */
	const kt_zone_rule *rules;
	size_t nrules; /* 0 = fixed */
	const kt_zone_change *changes;
	size_t nchanges;
	const char *extend; /* POSIX TZ text that goes on after the last change; "" = none */
};

/*
 * What a POSIX TZ text ("CET-1CEST,M3.5.0,M10.5.0/3") says of a moment: everything but the
 * name. False when it is malformed.
 */
bool kt_zone_posix(const char *text, int64_t unix_seconds, kt_zone *ret);

/* ---- moments and durations --------------------------------------------------- */

typedef struct kt_moment {
	int64_t seconds; /* since 1970 */
	int32_t nanos;   /* 0 to 999999999 */
	const kt_location *location;
} kt_moment;

/* Out-of-range parts carry over into the next larger ones. */
typedef struct kt_date_parts {
	int64_t year, month, day, hour, minute, second, nanos;
} kt_date_parts;
kt_moment kt_moment_from_parts(const kt_date_parts *parts, const kt_location *location);

/* Appends by a reference-time layout ("2006-01-02 15:04:05.999999999 -0700 MST"). */
void kt_moment_format(kt_buf *out, kt_moment moment, kt_text layout);
/*
 * Reads by a layout. `zone` is where a time without zone belongs, `local` the place whose
 * zone is used when an offset or abbreviation fits it. -1 with Go's message raised.
 */
int kt_moment_parse(kt_sthread *t, kt_text layout, kt_text text, const kt_location *zone,
		     const kt_location *local, kt_moment *ret);

void kt_span_format(kt_buf *out, int64_t nanos);
/* false, with Go's message in *problem, when text is no duration. */
bool kt_span_parse(kt_text text, int64_t *ret, kt_buf *problem);
/* Quotes text as the messages of time parsing do. */
void kt_time_quote(kt_buf *out, kt_text text);

/* ---- layout elements --------------------------------------------------------- */

typedef enum kt_layout_kind {
	KT_LAYOUT_END,
	KT_LAYOUT_LONG_MONTH,
	KT_LAYOUT_MONTH,
	KT_LAYOUT_NUM_MONTH,
	KT_LAYOUT_ZERO_MONTH,
	KT_LAYOUT_LONG_WEEKDAY,
	KT_LAYOUT_WEEKDAY,
	KT_LAYOUT_DAY,
	KT_LAYOUT_UNDER_DAY,
	KT_LAYOUT_ZERO_DAY,
	KT_LAYOUT_UNDER_YEARDAY,
	KT_LAYOUT_ZERO_YEARDAY,
	KT_LAYOUT_HOUR,
	KT_LAYOUT_HOUR12,
	KT_LAYOUT_ZERO_HOUR12,
	KT_LAYOUT_MINUTE,
	KT_LAYOUT_ZERO_MINUTE,
	KT_LAYOUT_SECOND,
	KT_LAYOUT_ZERO_SECOND,
	KT_LAYOUT_LONG_YEAR,
	KT_LAYOUT_YEAR,
	KT_LAYOUT_PM,
	KT_LAYOUT_PM_LOWER,
	KT_LAYOUT_ABBREVIATION,
	KT_LAYOUT_OFFSET, /* see the other fields */
	KT_LAYOUT_FRACTION,
} kt_layout_kind;

typedef struct kt_layout_item {
	kt_layout_kind kind;
	size_t start, end; /* of the element in the layout; literal text stands before start */
	bool z;            /* offset: Z for UTC */
	bool colon;        /* offset: parts set apart by colons */
	int parts;         /* offset: 1 = hours, 2 = minutes too, 3 = seconds too */
	int digits;        /* fraction */
	char separator;    /* fraction: '.' or ',' */
	bool trim;         /* fraction: without trailing zeros */
} kt_layout_item;

/* The next element of a layout; KT_LAYOUT_END with start = end = len when none is left. */
kt_layout_item kt_layout_next(kt_text layout);

extern const char *const kt_month_names[12];   /* January… */
extern const char *const kt_weekday_names[7];  /* Sunday… */

#endif
