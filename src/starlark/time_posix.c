/* Zone rules written as a POSIX TZ text, which zone files use for the time after their table. */
#include "starlark/time_internal.h"

#define HOUR 3600
#define DAY 86400

typedef enum rule_kind { JULIAN, DAY_OF_YEAR, MONTH_WEEK_DAY } rule_kind;

/* When in a year a change happens. */
typedef struct rule {
	rule_kind kind;
	int64_t day, week, month;
	int64_t time; /* seconds of local time after midnight; may be negative */
} rule;

/* A number within [min, max] at *text, which moves past it. */
static bool take_number(const char **text, int64_t min, int64_t max, int64_t *ret)
{
	const char *p = *text;
	int64_t value = 0;

	while (*p >= '0' && *p <= '9') {
		value = value * 10 + (*p++ - '0');
		if (value > max) {
			return false;
		}
	}
	if (p == *text || value < min) {
		return false;
	}
	*text = p;
	*ret = value;
	return true;
}

/* An abbreviation: three or more characters, or anything between angle brackets. */
static bool take_name(const char **text)
{
	if (**text == '<') {
		const char *end = strchr(*text, '>');
		*text = end == NULL ? *text : end + 1;
		return end != NULL;
	}
	size_t len = strcspn(*text, "0123456789,-+");
	*text += len;
	return len >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_offset(const char **text, int64_t *ret)
{
	bool negative = **text == '-';
	int64_t part[3] = {0, 0, 0};

	if (**text == '-' || **text == '+') {
		++*text;
	}
	if (!take_number(text, 0, 24 * 7, &part[0])) {
		return false;
	}
	for (int i = 1; i < 3 && **text == ':'; i++) {
		++*text;
		if (!take_number(text, 0, 59, &part[i])) {
			return false;
		}
	}
	*ret = part[0] * HOUR + part[1] * 60 + part[2];
	*ret = negative ? -*ret : *ret;
	return true;
}

/* Jn, n, or Mm.w.d; then perhaps /time. */
static bool take_rule(const char **text, rule *ret)
{
	*ret = (rule){.kind = DAY_OF_YEAR, .time = 2 * (int64_t)HOUR};
	if (**text == 'J') {
		++*text;
		ret->kind = JULIAN;
		if (!take_number(text, 1, 365, &ret->day)) {
			return false;
		}
	} else if (**text == 'M') {
		++*text;
		ret->kind = MONTH_WEEK_DAY;
		if (!take_number(text, 1, 12, &ret->month) || *(*text)++ != '.' ||
		    !take_number(text, 1, 5, &ret->week) || *(*text)++ != '.' ||
		    !take_number(text, 0, 6, &ret->day)) {
			return false;
		}
	} else if (!take_number(text, 0, 365, &ret->day)) {
		return false;
	}
	if (**text == '/') {
		++*text;
		return take_offset(text, &ret->time);
	}
	return true;
}

/* Days from the start of the year to the day of a Mm.w.d rule. */
static int64_t month_week_day(int64_t year, const rule *r)
{
	kt_date_parts first = {year, r->month, 1, 0, 0, 0, 0};
	kt_civil civil = kt_civil_of(kt_moment_from_parts(&first, &kt_location_utc).seconds);
	int64_t day = (r->day - civil.weekday + 7) % 7;

	for (int64_t week = 1; week < r->week; week++) {
		if (day + 7 >= kt_days_in_month(year, (int)r->month)) {
			break;
		}
		day += 7;
	}
	return civil.year_day - 1 + day;
}

/* Seconds of UTC from the start of the year to the change; offset is what holds before it. */
static int64_t change_time(int64_t year, const rule *r, int64_t offset)
{
	int64_t days = r->day;

	if (r->kind == JULIAN) {
		days = r->day - 1 + (kt_year_is_leap(year) && r->day >= 60 ? 1 : 0);
	} else if (r->kind == MONTH_WEEK_DAY) {
		days = month_week_day(year, r);
	}
	return days * DAY + r->time - offset;
}

typedef struct zone_text {
	int64_t standard, summer; /* seconds east of UTC */
	bool has_summer;
	rule start, end;
} zone_text;

static bool take_text(const char *text, zone_text *ret)
{
	if (!take_name(&text) || !take_offset(&text, &ret->standard)) {
		return false;
	}
	ret->standard = -ret->standard;
	ret->has_summer = *text != '\0' && *text != ',';
	if (!ret->has_summer) {
		return true;
	}
	if (!take_name(&text)) {
		return false;
	}
	ret->summer = ret->standard + HOUR;
	if (*text != '\0' && *text != ',') {
		if (!take_offset(&text, &ret->summer)) {
			return false;
		}
		ret->summer = -ret->summer;
	}
	if (*text == '\0') {
		text = ",M3.2.0,M11.1.0"; /* what POSIX leaves open, as the United States do it */
	}
	return (*text == ',' || *text == ';') && (text++, take_rule(&text, &ret->start)) &&
	       *text++ == ',' && take_rule(&text, &ret->end) && *text == '\0';
}

bool kt_zone_posix(const char *text, int64_t unix_seconds, kt_zone *ret)
{
	zone_text zone;

	if (!take_text(text, &zone)) {
		return false;
	}
	*ret = (kt_zone){"", zone.standard, INT64_MIN, INT64_MAX, false};
	if (!zone.has_summer) {
		return true;
	}
	kt_civil civil = kt_civil_of(unix_seconds);
	kt_date_parts first = {civil.year, 1, 1, 0, 0, 0, 0};
	int64_t year_start = kt_moment_from_parts(&first, &kt_location_utc).seconds;
	int64_t start = year_start + change_time(civil.year, &zone.start, zone.standard);
	int64_t end = year_start + change_time(civil.year, &zone.end, zone.summer);
	/* In the south summer time goes over the turn of the year. */
	bool north = start <= end;
	int64_t first_change = north ? start : end;
	int64_t second_change = north ? end : start;
	bool between = unix_seconds >= first_change && unix_seconds < second_change;

	ret->dst = between == north;
	ret->offset = ret->dst ? zone.summer : zone.standard;
	if (between) {
		ret->start = first_change;
		ret->end = second_change;
	} else if (unix_seconds < first_change) {
		ret->start = year_start;
		ret->end = first_change;
	} else {
		ret->start = second_change;
		ret->end = year_start + (int64_t)365 * DAY;
	}
	return true;
}
