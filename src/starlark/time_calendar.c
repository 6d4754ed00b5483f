/* Civil dates and durations. */
#include "starlark/time_internal.h"

#include "base/num.h"

#define SECONDS_PER_DAY 86400
#define DAYS_PER_ERA 146097 /* 400 years */

/*
 * The reference counts years, and seconds, unsigned from this far before year 0: what lies before
 * comes out at the other end.
 */
#define ABSOLUTE_YEARS 292277022400

bool kt_year_is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int kt_days_in_month(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return month == 2 && kt_year_is_leap(year) ? 29 : days[month - 1];
}

/* Division that rounds towards minus infinity. */
static __int128 floor_div(__int128 a, __int128 b, int64_t *ret_rest)
{
	__int128 quotient = a / b;
	__int128 rest = a % b;

	if (rest < 0) {
		rest += b;
		quotient--;
	}
	*ret_rest = (int64_t)rest;
	return quotient;
}

/* Days from 1970-01-01 to the first of a month (1 to 12). Years are counted from March. */
static __int128 days_to_month(__int128 year, int64_t month)
{
	int64_t year_of_era;
	int64_t from_march = (month + 9) % 12;
	__int128 era = floor_div(month <= 2 ? year - 1 : year, 400, &year_of_era);
	int64_t day_of_year = (153 * from_march + 2) / 5;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - 719468;
}

kt_civil kt_civil_of(int64_t seconds)
{
	kt_civil c;
	int64_t clock;
	int64_t day_of_era;
	int64_t weekday;
	const __int128 origin = days_to_month(-(__int128)ABSOLUTE_YEARS, 3) * SECONDS_PER_DAY;
	uint64_t absolute = (uint64_t)seconds - (uint64_t)origin;
	__int128 days = floor_div(origin + absolute, SECONDS_PER_DAY, &clock);
	__int128 era = floor_div(days + 719468, DAYS_PER_ERA, &day_of_era);
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			       day_of_era / 146096) /
			      365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * day_of_year + 2) / 153;

	(void)floor_div(days + 4, 7, &weekday); /* 1970 began on a Thursday */
	c.day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
	c.month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	c.year = (int64_t)(era * 400 + year_of_era + (c.month <= 2 ? 1 : 0));
	c.hour = (int)(clock / 3600);
	c.minute = (int)(clock / 60 % 60);
	c.second = (int)(clock % 60);
	c.weekday = (int)weekday;
	c.year_day = (int)(days - days_to_month(c.year, 1)) + 1;
	return c;
}

/* The seconds of parts read as UTC, cut to 64 bits; *ret_nanos is in range. */
static int64_t seconds_of(const kt_date_parts *p, int32_t *ret_nanos)
{
	int64_t month;
	int64_t nanos;
	__int128 year = (__int128)p->year +
			floor_div((int64_t)((uint64_t)p->month - 1), 12, &month);
	__int128 carry = floor_div(p->nanos, 1000000000, &nanos);
	uint64_t early = month < 2 ? 1 : 0; /* a year begins in March there */
	year = (__int128)((uint64_t)year - early + ABSOLUTE_YEARS) + early - ABSOLUTE_YEARS;
	__int128 days = days_to_month(year, month + 1) + p->day - 1;
	__int128 total = days * SECONDS_PER_DAY + (__int128)p->hour * 3600 +
			 (__int128)p->minute * 60 + p->second + carry;

	*ret_nanos = (int32_t)nanos;
	return (int64_t)total;
}

kt_moment kt_moment_from_parts(const kt_date_parts *parts, const kt_location *location)
{
	kt_moment moment = {0, 0, location};

	moment.seconds = seconds_of(parts, &moment.nanos);
	kt_zone zone = kt_location_lookup(location, moment.seconds);
	if (zone.offset != 0) {
		/* Near a change of offset the guess may be wrong: look again from there. */
		int64_t utc = (int64_t)((uint64_t)moment.seconds - (uint64_t)zone.offset);
		if (utc < zone.start || utc >= zone.end) {
			zone = kt_location_lookup(location, utc);
		}
		moment.seconds = (int64_t)((uint64_t)moment.seconds - (uint64_t)zone.offset);
	}
	return moment;
}

/* ---- durations --------------------------------------------------------------- */

/* value / scale with up to nine decimals, without trailing zeros. */
static void add_fraction(kt_buf *out, uint64_t value, uint64_t scale)
{
	kt_buf_add_u64(out, value / scale, 10, false);
	uint64_t rest = value % scale;
	if (rest == 0) {
		return;
	}
	kt_buf_addc(out, '.');
	while (rest != 0) {
		scale /= 10;
		kt_buf_addc(out, (char)('0' + rest / scale));
		rest %= scale;
	}
}

void kt_span_format(kt_buf *out, int64_t nanos)
{
	uint64_t rest = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
	uint64_t minutes = rest / 60000000000;

	if (nanos < 0) {
		kt_buf_addc(out, '-');
	}
	if (rest == 0) {
		kt_buf_adds(out, "0s");
	} else if (rest < 1000) {
		kt_buf_addf(out, "%uns", (unsigned)rest);
	} else if (rest < 1000000) {
		add_fraction(out, rest, 1000);
		kt_buf_adds(out, "\xC2\xB5s");
	} else if (rest < 1000000000) {
		add_fraction(out, rest, 1000000);
		kt_buf_adds(out, "ms");
	} else {
		if (minutes >= 60) {
			kt_buf_add_u64(out, minutes / 60, 10, false);
			kt_buf_addc(out, 'h');
		}
		if (minutes > 0) {
			kt_buf_add_u64(out, minutes % 60, 10, false);
			kt_buf_addc(out, 'm');
		}
		add_fraction(out, rest % 60000000000, 1000000000);
		kt_buf_addc(out, 's');
	}
}

static bool unit_nanos(kt_text name, uint64_t *ret)
{
	static const struct {
		kt_text name;
		uint64_t nanos;
	} units[] = {
		{{"ns", 2}, 1},
		{{"us", 2}, 1000},
		{{"\xC2\xB5s", 3}, 1000}, /* micro sign */
		{{"\xCE\xBCs", 3}, 1000}, /* Greek mu */
		{{"ms", 2}, 1000000},
		{{"s", 1}, 1000000000},
		{{"m", 1}, 60000000000},
		{{"h", 1}, 3600000000000},
	};

	for (size_t i = 0; i < KT_ARRAY_LEN(units); i++) {
		if (units[i].name.len == name.len &&
		    memcmp(units[i].name.data, name.data, name.len) == 0) {
			*ret = units[i].nanos;
			return true;
		}
	}
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

#define LIMIT ((uint64_t)1 << 63)

/* The digits before the point; false when they exceed 2^63. */
static bool take_whole(kt_text *text, uint64_t *ret)
{
	uint64_t value = 0;

	while (text->len > 0 && is_digit(text->data[0])) {
		if (value > LIMIT / 10) {
			return false;
		}
		value = value * 10 + (uint64_t)(text->data[0] - '0');
		if (value > LIMIT) {
			return false;
		}
		*text = kt_text_sub(*text, 1, text->len);
	}
	*ret = value;
	return true;
}

/* The digits after the point, as a number and the power of ten to divide it by. */
static uint64_t take_fraction(kt_text *text, double *ret_scale)
{
	uint64_t value = 0;
	bool full = false;

	*ret_scale = 1;
	while (text->len > 0 && is_digit(text->data[0])) {
		uint64_t digit = (uint64_t)(text->data[0] - '0');
		*text = kt_text_sub(*text, 1, text->len);
		full = full || value > (LIMIT - 1) / 10 || value * 10 + digit > LIMIT;
		if (!full) {
			value = value * 10 + digit;
			*ret_scale *= 10;
		}
	}
	return value;
}

static const char invalid_text[] = "time: invalid duration ";

/* One NUMBER UNIT, added to *total. NULL, or the message that the whole text is to follow. */
static const char *take_term(kt_text *text, uint64_t *total, kt_text *bad_unit)
{
	uint64_t whole;
	uint64_t fraction = 0;
	uint64_t unit;
	double scale = 1;
	size_t before = text->len;
	size_t name_len = 0;

	if (!take_whole(text, &whole)) {
		return invalid_text;
	}
	bool digits = text->len < before;
	if (text->len > 0 && text->data[0] == '.') {
		*text = kt_text_sub(*text, 1, text->len);
		before = text->len;
		fraction = take_fraction(text, &scale);
		digits = digits || text->len < before;
	}
	if (!digits) {
		return invalid_text;
	}
	while (name_len < text->len && text->data[name_len] != '.' &&
	       !is_digit(text->data[name_len])) {
		name_len++;
	}
	if (name_len == 0) {
		return "time: missing unit in duration ";
	}
	kt_text name = kt_text_sub(*text, 0, name_len);
	*text = kt_text_sub(*text, name_len, text->len);
	if (!unit_nanos(name, &unit)) {
		*bad_unit = name;
		return "time: unknown unit ";
	}
	if (whole > LIMIT / unit) {
		return invalid_text;
	}
	whole *= unit;
	if (fraction > 0) {
		whole += (uint64_t)((double)fraction * ((double)unit / scale));
	}
	*total += whole;
	return whole > LIMIT || *total > LIMIT ? invalid_text : NULL;
}

bool kt_span_parse(kt_text text, int64_t *ret, kt_buf *problem)
{
	kt_text rest = text;
	kt_text bad_unit = {NULL, 0};
	uint64_t total = 0;
	bool negative = false;
	const char *message = NULL;

	if (rest.len > 0 && (rest.data[0] == '-' || rest.data[0] == '+')) {
		negative = rest.data[0] == '-';
		rest = kt_text_sub(rest, 1, rest.len);
	}
	if (rest.len == 1 && rest.data[0] == '0') {
		*ret = 0;
		return true;
	}
	if (rest.len == 0) {
		message = invalid_text;
	}
	while (message == NULL && rest.len > 0) {
		message = take_term(&rest, &total, &bad_unit);
	}
	if (message == NULL && total == LIMIT && !negative) {
		message = invalid_text;
	}
	if (message == NULL) {
		*ret = (int64_t)(negative ? 0 - total : total);
		return true;
	}
	kt_buf_adds(problem, message);
	if (bad_unit.data != NULL) {
		kt_time_quote(problem, bad_unit);
		kt_buf_adds(problem, " in duration ");
	}
	kt_time_quote(problem, text);
	return false;
}
