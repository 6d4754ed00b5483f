/* Reading moments by a layout. */
#include "starlark/time_internal.h"

#include "base/utf8.h"

#include <strings.h>

typedef struct reader {
	kt_sthread *t;
	kt_text layout, text; /* all of both, for messages */
	kt_text rest;         /* of the text */
	kt_date_parts parts;
	int64_t year_day; /* -1 = not given; so are parts.month and parts.day */
	bool am, pm;
	bool utc;
	bool has_offset;
	int64_t offset;
	kt_text abbreviation;
	const char *range; /* name of a part that is out of range */
} reader;

void kt_time_quote(kt_buf *out, kt_text text)
{
	kt_buf_addc(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c >= 0x80 || c < ' ') {
			kt_buf_addf(out, "\\x%02x", c);
			continue;
		}
		if (c == '"' || c == '\\') {
			kt_buf_addc(out, '\\');
		}
		kt_buf_addc(out, (char)c);
	}
	kt_buf_addc(out, '"');
}

/* parsing time "X" as "LAYOUT": cannot parse "REST" as "ELEMENT" */
static int fail(reader *r, kt_text element, kt_text value)
{
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;

	kt_buf_adds(&message, "parsing time ");
	kt_time_quote(&message, r->text);
	kt_buf_adds(&message, " as ");
	kt_time_quote(&message, r->layout);
	kt_buf_adds(&message, ": cannot parse ");
	kt_time_quote(&message, value);
	kt_buf_adds(&message, " as ");
	kt_time_quote(&message, element);
	return kt_message_ready(r->t, &message) ? kt_star_fail(r->t, "%s", kt_buf_str(&message))
						: -1;
}

/* parsing time "X": WHAT… */
static int fail_text(reader *r, const char *what, const char *after)
{
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;

	kt_buf_adds(&message, "parsing time ");
	kt_time_quote(&message, r->text);
	kt_buf_adds(&message, ": ");
	kt_buf_adds(&message, what);
	kt_buf_adds(&message, after);
	return kt_message_ready(r->t, &message) ? kt_star_fail(r->t, "%s", kt_buf_str(&message))
						: -1;
}

static bool digit_at(kt_text text, size_t at)
{
	return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

static void drop(reader *r, size_t n)
{
	r->rest = kt_text_sub(r->rest, n, r->rest.len);
}

/* Literal text; any run of spaces stands for any run of spaces. False at the first difference. */
static bool skip_literal(reader *r, kt_text *literal)
{
	while (literal->len > 0) {
		if (literal->data[0] == ' ') {
			if (r->rest.len > 0 && r->rest.data[0] != ' ') {
				return false;
			}
			while (literal->len > 0 && literal->data[0] == ' ') {
				*literal = kt_text_sub(*literal, 1, literal->len);
			}
			while (r->rest.len > 0 && r->rest.data[0] == ' ') {
				drop(r, 1);
			}
			continue;
		}
		if (r->rest.len == 0 || r->rest.data[0] != literal->data[0]) {
			return false;
		}
		*literal = kt_text_sub(*literal, 1, literal->len);
		drop(r, 1);
	}
	return true;
}

/* One or two digits; exactly two when fixed. */
static bool take_number(reader *r, bool fixed, int64_t *ret)
{
	if (!digit_at(r->rest, 0) || (fixed && !digit_at(r->rest, 1))) {
		return false;
	}
	*ret = r->rest.data[0] - '0';
	if (digit_at(r->rest, 1)) {
		*ret = *ret * 10 + (r->rest.data[1] - '0');
		drop(r, 1);
	}
	drop(r, 1);
	return true;
}

/* Exactly n characters that are a number (a sign may stand first). */
static bool take_digits(reader *r, size_t n, int64_t *ret)
{
	bool negative = false;
	int64_t value = 0;
	size_t i = 0;

	if (r->rest.len < n) {
		return false;
	}
	if (r->rest.data[0] == '-' || r->rest.data[0] == '+') {
		negative = r->rest.data[0] == '-';
		i = 1;
	}
	for (; i < n; i++) {
		if (!digit_at(r->rest, i)) {
			return false;
		}
		value = value * 10 + (r->rest.data[i] - '0');
	}
	drop(r, n);
	*ret = negative ? -value : value;
	return true;
}

/* A name out of a table, whole or its first three letters, in any case. -1 = none. */
static int64_t take_name(reader *r, const char *const *names, size_t n, bool whole)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = whole ? strlen(names[i]) : 3;
		if (r->rest.len >= len && strncasecmp(r->rest.data, names[i], len) == 0) {
			drop(r, len);
			return (int64_t)i;
		}
	}
	return -1;
}

/* A separator and digits, n characters in all; more than nine digits are cut off. */
static bool take_fraction(reader *r, size_t n)
{
	int64_t value = 0;
	size_t used = KT_MIN(n, (size_t)10);

	if (r->rest.len < n || (r->rest.data[0] != '.' && r->rest.data[0] != ',')) {
		return false;
	}
	for (size_t i = 1; i < used; i++) {
		if (!digit_at(r->rest, i)) {
			return false;
		}
		value = value * 10 + (r->rest.data[i] - '0');
	}
	for (size_t i = used; i < 10; i++) {
		value *= 10;
	}
	r->parts.nanos = value;
	drop(r, n);
	return true;
}

/* How long the separator and the digits at the start of the rest are; 0 = there are none. */
static size_t fraction_len(kt_text rest)
{
	size_t n = 1;

	if (rest.len < 2 || (rest.data[0] != '.' && rest.data[0] != ',') || !digit_at(rest, 1)) {
		return 0;
	}
	while (digit_at(rest, n)) {
		n++;
	}
	return n;
}

/* Seconds swallow a fraction that the layout does not mention. */
static bool take_second(reader *r, bool fixed, kt_text layout_rest)
{
	if (!take_number(r, fixed, &r->parts.second)) {
		return false;
	}
	if (r->parts.second >= 60) {
		r->range = "second";
		return true;
	}
	size_t n = fraction_len(r->rest);
	if (n == 0 || kt_layout_next(layout_rest).kind == KT_LAYOUT_FRACTION) {
		return true;
	}
	return take_fraction(r, n);
}

static bool take_half(reader *r, const char *am, const char *pm)
{
	if (r->rest.len < 2) {
		return false;
	}
	r->pm = r->pm || memcmp(r->rest.data, pm, 2) == 0;
	r->am = r->am || memcmp(r->rest.data, am, 2) == 0;
	bool known = memcmp(r->rest.data, pm, 2) == 0 || memcmp(r->rest.data, am, 2) == 0;
	drop(r, known ? 2 : 0);
	return known;
}

/* Two digits of an offset at `at`. */
static bool offset_part(kt_text text, size_t at, int64_t *ret)
{
	if (!digit_at(text, at) || !digit_at(text, at + 1)) {
		return false;
	}
	*ret = (text.data[at] - '0') * 10 + (text.data[at + 1] - '0');
	return true;
}

static bool take_offset(reader *r, const kt_layout_item *item)
{
	int64_t part[3] = {0, 0, 0};
	size_t step = item->colon ? 3 : 2;
	size_t len = 1 + step * (size_t)item->parts - (item->colon ? 1 : 0);

	if (item->z && r->rest.len > 0 && r->rest.data[0] == 'Z') {
		r->utc = true;
		drop(r, 1);
		return true;
	}
	if (r->rest.len < len) {
		return false;
	}
	for (int i = 1; item->colon && i < item->parts; i++) {
		if (r->rest.data[(size_t)i * 3] != ':') {
			return false;
		}
	}
	bool ok = true;
	for (int i = 0; ok && i < item->parts; i++) {
		ok = offset_part(r->rest, 1 + step * (size_t)i, &part[i]);
	}
	if (part[0] > 24 || part[1] > 60 || part[2] > 60) {
		r->range = part[2] > 60   ? "time zone offset second"
			   : part[1] > 60 ? "time zone offset minute"
					  : "time zone offset hour";
	}
	char sign = r->rest.data[0];
	drop(r, len);
	r->has_offset = true;
	r->offset = (part[0] * 60 + part[1]) * 60 + part[2];
	if (sign == '-') {
		r->offset = -r->offset;
	}
	return ok && (sign == '+' || sign == '-');
}

/* A sign and a number up to 23; its length, or 0. */
static size_t signed_offset_len(kt_text text)
{
	int64_t value = 0;
	size_t n = 1;

	if (text.len == 0 || (text.data[0] != '+' && text.data[0] != '-')) {
		return 0;
	}
	for (; digit_at(text, n); n++) {
		value = KT_MIN(value * 10 + (text.data[n] - '0'), 1000);
	}
	return n == 1 || value > 23 ? 0 : n;
}

/* How long the zone abbreviation at the start of text is; 0 = there is none. */
static size_t abbreviation_len(kt_text text)
{
	size_t upper = 0;

	if (text.len < 3) {
		return 0;
	}
	if (kt_text_starts(text, (kt_text){"ChST", 4}) ||
	    kt_text_starts(text, (kt_text){"MeST", 4})) {
		return 4;
	}
	if (kt_text_starts(text, (kt_text){"GMT", 3})) {
		return 3 + signed_offset_len(kt_text_sub(text, 3, text.len));
	}
	if (text.data[0] == '+' || text.data[0] == '-') {
		return signed_offset_len(text);
	}
	while (upper < 6 && upper < text.len && text.data[upper] >= 'A' &&
	       text.data[upper] <= 'Z') {
		upper++;
	}
	if (upper == 5) {
		return text.data[4] == 'T' ? 5 : 0;
	}
	if (upper == 4) {
		bool known = text.data[3] == 'T' || memcmp(text.data, "WITA", 4) == 0;
		return known ? 4 : 0;
	}
	return upper == 3 ? 3 : 0;
}

static bool take_abbreviation(reader *r)
{
	if (kt_text_starts(r->rest, (kt_text){"UTC", 3})) {
		r->utc = true;
		drop(r, 3);
		return true;
	}
	size_t n = abbreviation_len(r->rest);
	if (n == 0) {
		return false;
	}
	r->abbreviation = kt_text_sub(r->rest, 0, n);
	drop(r, n);
	return true;
}

static bool take_date(reader *r, const kt_layout_item *item)
{
	kt_date_parts *p = &r->parts;
	bool ok;

	switch (item->kind) {
	case KT_LAYOUT_YEAR:
		ok = take_digits(r, 2, &p->year);
		p->year += p->year >= 69 ? 1900 : 2000;
		return ok;
	case KT_LAYOUT_LONG_YEAR:
		return digit_at(r->rest, 0) && take_digits(r, 4, &p->year);
	case KT_LAYOUT_LONG_MONTH:
	case KT_LAYOUT_MONTH:
		p->month = take_name(r, kt_month_names, 12, item->kind == KT_LAYOUT_LONG_MONTH);
		return ++p->month > 0;
	case KT_LAYOUT_NUM_MONTH:
	case KT_LAYOUT_ZERO_MONTH:
		ok = take_number(r, item->kind == KT_LAYOUT_ZERO_MONTH, &p->month);
		if (ok && (p->month <= 0 || p->month > 12)) {
			r->range = "month";
		}
		return ok;
	case KT_LAYOUT_LONG_WEEKDAY:
	case KT_LAYOUT_WEEKDAY:
		return take_name(r, kt_weekday_names, 7, item->kind == KT_LAYOUT_LONG_WEEKDAY) >= 0;
	case KT_LAYOUT_UNDER_DAY:
		drop(r, r->rest.len > 0 && r->rest.data[0] == ' ' ? 1 : 0);
		return take_number(r, false, &p->day);
	default:
		return take_number(r, item->kind == KT_LAYOUT_ZERO_DAY, &p->day);
	}
}

static bool take_year_day(reader *r, bool padded)
{
	int64_t value = 0;
	size_t n = 0;

	for (int i = 0; padded && i < 2 && r->rest.len > 0 && r->rest.data[0] == ' '; i++) {
		drop(r, 1);
	}
	while (n < 3 && digit_at(r->rest, n)) {
		value = value * 10 + (r->rest.data[n++] - '0');
	}
	if (n == 0 || (!padded && n != 3)) {
		return false;
	}
	r->year_day = value;
	drop(r, n);
	return true;
}

static bool take_clock(reader *r, const kt_layout_item *item, kt_text layout_rest)
{
	kt_date_parts *p = &r->parts;
	bool ok;

	switch (item->kind) {
	case KT_LAYOUT_HOUR:
		ok = take_number(r, false, &p->hour);
		r->range = ok && p->hour >= 24 ? "hour" : r->range;
		return ok;
	case KT_LAYOUT_HOUR12:
	case KT_LAYOUT_ZERO_HOUR12:
		ok = take_number(r, item->kind == KT_LAYOUT_ZERO_HOUR12, &p->hour);
		r->range = ok && p->hour > 12 ? "hour" : r->range;
		return ok;
	case KT_LAYOUT_MINUTE:
	case KT_LAYOUT_ZERO_MINUTE:
		ok = take_number(r, item->kind == KT_LAYOUT_ZERO_MINUTE, &p->minute);
		r->range = ok && p->minute >= 60 ? "minute" : r->range;
		return ok;
	default:
		return take_second(r, item->kind == KT_LAYOUT_ZERO_SECOND, layout_rest);
	}
}

static bool take_element(reader *r, const kt_layout_item *item, kt_text layout_rest)
{
	switch (item->kind) {
	case KT_LAYOUT_UNDER_YEARDAY:
	case KT_LAYOUT_ZERO_YEARDAY:
		return take_year_day(r, item->kind == KT_LAYOUT_UNDER_YEARDAY);
	case KT_LAYOUT_HOUR:
	case KT_LAYOUT_HOUR12:
	case KT_LAYOUT_ZERO_HOUR12:
	case KT_LAYOUT_MINUTE:
	case KT_LAYOUT_ZERO_MINUTE:
	case KT_LAYOUT_SECOND:
	case KT_LAYOUT_ZERO_SECOND:
		return take_clock(r, item, layout_rest);
	case KT_LAYOUT_PM:
		return take_half(r, "AM", "PM");
	case KT_LAYOUT_PM_LOWER:
		return take_half(r, "am", "pm");
	case KT_LAYOUT_OFFSET:
		return take_offset(r, item);
	case KT_LAYOUT_ABBREVIATION:
		return take_abbreviation(r);
	case KT_LAYOUT_FRACTION:
		if (!item->trim) {
			return take_fraction(r, (size_t)item->digits + 1);
		}
		return fraction_len(r->rest) == 0 || take_fraction(r, fraction_len(r->rest));
	default:
		return take_date(r, item);
	}
}

static int read_all(reader *r)
{
	kt_text layout = r->layout;

	for (;;) {
		kt_layout_item item = kt_layout_next(layout);
		kt_text literal = kt_text_sub(layout, 0, item.start);
		kt_text element = kt_text_sub(layout, item.start, item.end);
		if (!skip_literal(r, &literal)) {
			return fail(r, kt_text_sub(layout, 0, item.start), r->rest);
		}
		if (item.kind == KT_LAYOUT_END) {
			break;
		}
		layout = kt_text_sub(layout, item.end, layout.len);
		kt_text before = r->rest;
		bool ok = take_element(r, &item, layout);
		if (r->range != NULL) {
			return fail_text(r, r->range, " out of range");
		}
		if (!ok) {
			return fail(r, element, before);
		}
	}
	if (r->rest.len > 0) {
		KT_AUTO_BUF kt_buf extra = KT_BUF_INIT;
		kt_time_quote(&extra, r->rest);
		if (!kt_message_ready(r->t, &extra)) {
			return -1;
		}
		return fail_text(r, "extra text: ", kt_buf_str(&extra));
	}
	return 0;
}

/* A day of the year gives month and day, which must not contradict those given. */
static int apply_year_day(reader *r)
{
	kt_date_parts *p = &r->parts;
	int64_t day = r->year_day;
	int month = 1;

	if (day < 1 || day > (kt_year_is_leap(p->year) ? 366 : 365)) {
		return fail_text(r, "day-of-year out of range", "");
	}
	for (; day > kt_days_in_month(p->year, month); month++) {
		day -= kt_days_in_month(p->year, month);
	}
	if (p->month >= 0 && p->month != month) {
		return fail_text(r, "day-of-year does not match month", "");
	}
	if (p->day >= 0 && p->day != day) {
		return fail_text(r, "day-of-year does not match day", "");
	}
	p->month = month;
	p->day = day;
	return 0;
}

static int complete_date(reader *r)
{
	kt_date_parts *p = &r->parts;

	if (r->pm && p->hour < 12) {
		p->hour += 12;
	} else if (r->am && p->hour == 12) {
		p->hour = 0;
	}
	if (r->year_day >= 0) {
		if (apply_year_day(r) < 0) {
			return -1;
		}
	} else {
		p->month = p->month < 0 ? 1 : p->month;
		p->day = p->day < 0 ? 1 : p->day;
	}
	if (p->day < 1 || p->day > kt_days_in_month(p->year, (int)p->month)) {
		return fail_text(r, "day out of range", "");
	}
	return 0;
}

/* Finds the place: of the offset or abbreviation if `local` uses it then, else one of its own. */
static int apply_zone(reader *r, const kt_location *zone, const kt_location *local, kt_moment *ret)
{
	int64_t offset = 0;

	if (r->utc) {
		*ret = kt_moment_from_parts(&r->parts, &kt_location_utc);
		return 0;
	}
	if (r->has_offset) {
		*ret = kt_moment_from_parts(&r->parts, &kt_location_utc);
		ret->seconds -= r->offset;
		kt_zone there = kt_location_lookup(local, ret->seconds);
		bool fits = there.offset == r->offset &&
			    (r->abbreviation.len == 0 ||
			     (strlen(there.name) == r->abbreviation.len &&
			      memcmp(there.name, r->abbreviation.data, r->abbreviation.len) == 0));
		ret->location = fits ? local
				     : kt_location_fixed(r->t, r->abbreviation, r->offset);
		return ret->location == NULL ? -1 : 0;
	}
	if (r->abbreviation.len == 0) {
		*ret = kt_moment_from_parts(&r->parts, zone);
		return 0;
	}
	*ret = kt_moment_from_parts(&r->parts, &kt_location_utc);
	if (kt_location_abbreviation(local, r->abbreviation, ret->seconds, &offset)) {
		ret->seconds -= offset;
		ret->location = local;
		return 0;
	}
	if (r->abbreviation.len > 3 && memcmp(r->abbreviation.data, "GMT", 3) == 0) {
		offset = strtol(r->abbreviation.data + 3, NULL, 10) * 3600;
	}
	/* An unknown abbreviation counts as no offset; the moment is not moved. */
	ret->location = kt_location_fixed(r->t, r->abbreviation, offset);
	return ret->location == NULL ? -1 : 0;
}

int kt_moment_parse(kt_sthread *t, kt_text layout, kt_text text, const kt_location *zone,
		    const kt_location *local, kt_moment *ret)
{
	reader r = {
		.t = t,
		.layout = layout,
		.text = text,
		.rest = text,
		.parts = {.month = -1, .day = -1},
		.year_day = -1,
	};

	if (read_all(&r) < 0 || complete_date(&r) < 0) {
		return -1;
	}
	return apply_zone(&r, zone, local, ret);
}
