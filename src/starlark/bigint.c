#include "starlark/bigint.h"

#include <math.h>
#include <tommath.h>

/* Digits as libtommath has them, so that operands can be read in place. */
struct kt_big {
	kt_obj h;
	int used;
	int negative;
	mp_digit digits[];
};

/* Beyond this many digits (about 32 million bits) arithmetic is refused. */
#define BIG_MAX_DIGITS (1 << 19)

#define SMALL_DIGITS 2

/* An mp_int that reads v: big digits in place, small ones from buf. Not to be written to. */
static mp_int view(kt_val v, mp_digit buf[SMALL_DIGITS])
{
	mp_int m = {.used = 0, .alloc = SMALL_DIGITS, .sign = MP_ZPOS, .dp = buf};
	uint64_t magnitude;

	if (!kt_is_int(v)) {
		kt_big *big = kt_as_big(v);

		m.used = m.alloc = big->used;
		m.sign = big->negative ? MP_NEG : MP_ZPOS;
		m.dp = big->digits;
		return m;
	}
	magnitude = kt_small(v) < 0 ? 0 - (uint64_t)kt_small(v) : (uint64_t)kt_small(v);
	m.sign = kt_small(v) < 0 ? MP_NEG : MP_ZPOS;
	while (magnitude != 0) {
		m.dp[m.used++] = (mp_digit)(magnitude & MP_MASK);
		magnitude >>= MP_DIGIT_BIT;
	}
	return m;
}

/* Takes m over: a normal value; m is cleared. */
static kt_val finish(kt_sthread *t, mp_int *m, mp_err err)
{
	kt_val v = KT_NULL;
	kt_big *big;

	if (err != MP_OKAY) {
		kt_star_raise_nomem(t);
	} else if (mp_count_bits(m) <= 63 && mp_get_i64(m) <= KT_SMALL_MAX &&
		   mp_get_i64(m) >= KT_SMALL_MIN) {
		v = kt_small_val(mp_get_i64(m));
	} else if (m->used > BIG_MAX_DIGITS) {
		kt_star_raise(t, "integer too large");
	} else {
		big = kt_heap_obj(t, KT_KIND_INT,
				  sizeof(*big) + (size_t)m->used * sizeof(mp_digit));
		if (big != NULL) {
			big->used = m->used;
			big->negative = m->sign == MP_NEG;
			memcpy(big->digits, m->dp, (size_t)m->used * sizeof(mp_digit));
			v = kt_obj_val(big);
		}
	}
	mp_clear(m);
	return v;
}

kt_val kt_big_new(kt_sthread *t, uint64_t magnitude, bool negative)
{
	mp_int m;

	if (mp_init(&m) != MP_OKAY) {
		return kt_star_raise_nomem(t);
	}
	mp_set_u64(&m, magnitude);
	return finish(t, &m, negative ? mp_neg(&m, &m) : MP_OKAY);
}

typedef mp_err (*binary_fn)(const mp_int *a, const mp_int *b, mp_int *c);

static kt_val binary(kt_sthread *t, kt_val a, kt_val b, binary_fn fn)
{
	mp_digit buf_a[SMALL_DIGITS];
	mp_digit buf_b[SMALL_DIGITS];
	mp_int ma = view(a, buf_a);
	mp_int mb = view(b, buf_b);
	mp_int result;

	if (mp_init(&result) != MP_OKAY) {
		return kt_star_raise_nomem(t);
	}
	return finish(t, &result, fn(&ma, &mb, &result));
}

kt_val kt_big_add(kt_sthread *t, kt_val a, kt_val b)
{
	return binary(t, a, b, mp_add);
}

kt_val kt_big_sub(kt_sthread *t, kt_val a, kt_val b)
{
	return binary(t, a, b, mp_sub);
}

static int digits_of(kt_val v)
{
	return kt_is_int(v) ? 1 : kt_as_big(v)->used;
}

kt_val kt_big_mul(kt_sthread *t, kt_val a, kt_val b)
{
	if (digits_of(a) + digits_of(b) > BIG_MAX_DIGITS) {
		return kt_star_raise(t, "integer too large");
	}
	return binary(t, a, b, mp_mul);
}

/* Division rounding towards minus infinity; either result may be NULL. */
static mp_err floor_div(const mp_int *a, const mp_int *b, mp_int *quotient, mp_int *rest)
{
	mp_err err = mp_div(a, b, quotient, rest);

	if (err == MP_OKAY && !mp_iszero(rest) && rest->sign != b->sign) {
		err = mp_add(rest, b, rest);
		if (err == MP_OKAY) {
			err = mp_sub_d(quotient, 1, quotient);
		}
	}
	return err;
}

static kt_val divide(kt_sthread *t, kt_val a, kt_val b, bool want_rest)
{
	mp_digit buf_a[SMALL_DIGITS];
	mp_digit buf_b[SMALL_DIGITS];
	mp_int ma = view(a, buf_a);
	mp_int mb = view(b, buf_b);
	mp_int quotient;
	mp_int rest;
	mp_err err;

	if (mp_init(&quotient) != MP_OKAY) {
		return kt_star_raise_nomem(t);
	}
	if (mp_init(&rest) != MP_OKAY) {
		mp_clear(&quotient);
		return kt_star_raise_nomem(t);
	}
	err = floor_div(&ma, &mb, &quotient, &rest);
	mp_clear(want_rest ? &quotient : &rest);
	return finish(t, want_rest ? &rest : &quotient, err);
}

kt_val kt_big_floordiv(kt_sthread *t, kt_val a, kt_val b)
{
	return divide(t, a, b, false);
}

kt_val kt_big_mod(kt_sthread *t, kt_val a, kt_val b)
{
	return divide(t, a, b, true);
}

kt_val kt_big_and(kt_sthread *t, kt_val a, kt_val b)
{
	return binary(t, a, b, mp_and);
}

kt_val kt_big_or(kt_sthread *t, kt_val a, kt_val b)
{
	return binary(t, a, b, mp_or);
}

kt_val kt_big_xor(kt_sthread *t, kt_val a, kt_val b)
{
	return binary(t, a, b, mp_xor);
}

static mp_err negate(const mp_int *a, const mp_int *b, mp_int *c)
{
	(void)b;
	return mp_neg(a, c);
}

kt_val kt_big_neg(kt_sthread *t, kt_val a)
{
	return binary(t, a, a, negate);
}

static mp_err complement(const mp_int *a, const mp_int *b, mp_int *c)
{
	(void)b;
	return mp_complement(a, c);
}

kt_val kt_big_not(kt_sthread *t, kt_val a)
{
	return binary(t, a, a, complement);
}

static kt_val shift(kt_sthread *t, kt_val a, int count, mp_err (*fn)(const mp_int *, int, mp_int *))
{
	mp_digit buf[SMALL_DIGITS];
	mp_int ma = view(a, buf);
	mp_int result;

	if (mp_init(&result) != MP_OKAY) {
		return kt_star_raise_nomem(t);
	}
	return finish(t, &result, fn(&ma, count, &result));
}

static mp_err shift_left(const mp_int *a, int count, mp_int *c)
{
	return mp_mul_2d(a, count, c);
}

kt_val kt_big_shl(kt_sthread *t, kt_val a, unsigned count)
{
	if (count > (unsigned)BIG_MAX_DIGITS * MP_DIGIT_BIT) {
		return kt_star_raise(t, "integer too large");
	}
	return shift(t, a, (int)count, shift_left);
}

kt_val kt_big_shr(kt_sthread *t, kt_val a, unsigned count)
{
	unsigned most = (unsigned)digits_of(a) * MP_DIGIT_BIT + 64;

	return shift(t, a, (int)KT_MIN(count, most), mp_signed_rsh);
}

int kt_big_cmp(kt_val a, kt_val b)
{
	mp_digit buf_a[SMALL_DIGITS];
	mp_digit buf_b[SMALL_DIGITS];
	mp_int ma = view(a, buf_a);
	mp_int mb = view(b, buf_b);

	return mp_cmp(&ma, &mb);
}

int kt_int_sign(kt_val a)
{
	if (kt_is_int(a)) {
		return (kt_small(a) > 0) - (kt_small(a) < 0);
	}
	return kt_as_big(a)->negative ? -1 : 1;
}

uint32_t kt_big_hash(kt_val a)
{
	const kt_big *big = kt_as_big(a);
	uint64_t h = (uint64_t)big->negative + 0x51;

	for (int i = 0; i < big->used; i++) {
		h = (h ^ (uint64_t)big->digits[i]) * UINT64_C(0x9E3779B97F4A7C15);
		h ^= h >> 29;
	}
	return (uint32_t)(h ^ (h >> 32));
}

/* ---- floats ------------------------------------------------------------------ */

/* Bits at and below position `low` of the magnitude: is any set? */
static bool any_bit_below(const kt_big *big, int low)
{
	for (int i = 0; i < big->used && i * MP_DIGIT_BIT < low; i++) {
		mp_digit digit = big->digits[i];

		if ((i + 1) * MP_DIGIT_BIT > low) {
			digit &= ((mp_digit)1 << (low - i * MP_DIGIT_BIT)) - 1;
		}
		if (digit != 0) {
			return true;
		}
	}
	return false;
}

static int bit_length(const kt_big *big)
{
	mp_int m = {.used = big->used, .alloc = big->used, .sign = MP_ZPOS};

	m.dp = (mp_digit *)(uintptr_t)big->digits;
	return mp_count_bits(&m);
}

static int bit_at(const kt_big *big, int at)
{
	return (int)(big->digits[at / MP_DIGIT_BIT] >> (at % MP_DIGIT_BIT) & 1);
}

/* To nearest, ties to even: the top 64 bits with a sticky last one, rounded by the hardware. */
double kt_int_to_double(kt_val a)
{
	const kt_big *big;
	uint64_t top = 0;
	int bits;
	double d;

	if (kt_is_int(a)) {
		return (double)kt_small(a);
	}
	big = kt_as_big(a);
	bits = bit_length(big);
	if (bits > 1100) {
		return big->negative ? -INFINITY : INFINITY;
	}
	for (int i = bits - 1; i >= 0 && i >= bits - 64; i--) {
		top = top << 1 | (uint64_t)bit_at(big, i);
	}
	if (bits > 64 && any_bit_below(big, bits - 64)) {
		top |= 1;
	}
	d = ldexp((double)top, bits > 64 ? bits - 64 : 0);
	return big->negative ? -d : d;
}

kt_val kt_int_from_double(kt_sthread *t, double d)
{
	int exponent;
	double fraction;
	mp_int m;
	mp_err err;

	d = trunc(d);
	if (fabs(d) < 0x1p62) {
		return kt_small_val((int64_t)d);
	}
	fraction = frexp(fabs(d), &exponent);
	if (mp_init(&m) != MP_OKAY) {
		return kt_star_raise_nomem(t);
	}
	mp_set_u64(&m, (uint64_t)ldexp(fraction, 53));
	err = mp_mul_2d(&m, exponent - 53, &m);
	if (err == MP_OKAY && d < 0) {
		err = mp_neg(&m, &m);
	}
	return finish(t, &m, err);
}

/* Compares |big| with the integral part of a finite positive double. */
static int cmp_big_double(const kt_big *big, double d)
{
	int exponent;
	uint64_t mantissa;
	int bits = bit_length(big);

	mantissa = (uint64_t)ldexp(frexp(d, &exponent), 53);
	if (bits != exponent) {
		return bits > exponent ? 1 : -1;
	}
	for (int i = 0; i < 53; i++) { /* both have `bits` bits; compare from the top */
		int x = bit_at(big, bits - 1 - i);
		int y = (int)(mantissa >> (52 - i) & 1);

		if (x != y) {
			return x - y;
		}
	}
	return any_bit_below(big, bits - 53) ? 1 : 0;
}

int kt_int_cmp_float(kt_val a, double d)
{
	if (isinf(d)) {
		return d > 0 ? -1 : 1;
	}
	if (kt_is_int(a)) {
		int64_t i = kt_small(a);
		int64_t whole;

		if (fabs(d) >= 0x1p63) {
			return d > 0 ? -1 : 1;
		}
		whole = (int64_t)trunc(d);
		if (i != whole) {
			return i < whole ? -1 : 1;
		}
		return d > trunc(d) ? -1 : d < trunc(d) ? 1 : 0;
	}
	if (kt_as_big(a)->negative != (d < 0) || fabs(d) < 0x1p61) {
		return kt_as_big(a)->negative ? -1 : 1;
	}
	return kt_as_big(a)->negative ? -cmp_big_double(kt_as_big(a), -d)
				      : cmp_big_double(kt_as_big(a), d);
}

/* ---- text -------------------------------------------------------------------- */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

static kt_val parse_big(kt_sthread *t, const char *digits, int base, bool negative)
{
	mp_int m;
	mp_err err;

	if (mp_init(&m) != MP_OKAY) {
		return kt_star_raise_nomem(t);
	}
	err = mp_read_radix(&m, digits, base);
	if (err == MP_OKAY && negative) {
		err = mp_neg(&m, &m);
	}
	return finish(t, &m, err);
}

kt_val kt_int_parse(kt_sthread *t, const char *digits, size_t len, int base, bool negative)
{
	uint64_t value = 0;
	size_t i;
	char *copy;
	kt_val v;

	if (len == 0) {
		return KT_NULL;
	}
	for (i = 0; i < len; i++) {
		if (digit_value(digits[i]) >= base) {
			return KT_NULL;
		}
	}
	for (i = 0; i < len && value <= (uint64_t)KT_SMALL_MAX / 36 - 1; i++) {
		value = value * (uint64_t)base + (uint64_t)digit_value(digits[i]);
	}
	if (i == len) {
		return kt_small_val(negative ? -(int64_t)value : (int64_t)value);
	}
	if (len > (size_t)BIG_MAX_DIGITS) {
		return kt_star_raise(t, "integer too large");
	}
	copy = kt_strndup(digits, len);
	if (copy == NULL) {
		return kt_star_raise_nomem(t);
	}
	for (i = 0; i < len; i++) { /* the library tells cases apart above base 36 only */
		copy[i] = copy[i] >= 'a' && copy[i] <= 'z' ? (char)(copy[i] - 'a' + 'A') : copy[i];
	}
	v = parse_big(t, copy, base, negative);
	kt_free(copy);
	return v;
}

int kt_int_text(kt_sthread *t, kt_val a, int base, kt_buf *out)
{
	mp_digit buf[SMALL_DIGITS];
	mp_int m;
	char *room;
	size_t written;
	int size;

	if (kt_is_int(a)) {
		if (kt_small(a) < 0) {
			kt_buf_addc(out, '-');
		}
		kt_buf_add_u64(out,
			       kt_small(a) < 0 ? 0 - (uint64_t)kt_small(a) : (uint64_t)kt_small(a),
			       (unsigned)base, false);
		return 0;
	}
	m = view(a, buf);
	if (mp_radix_size(&m, base, &size) != MP_OKAY) {
		kt_star_raise_nomem(t);
		return -1;
	}
	room = kt_malloc((size_t)size + 1);
	if (room == NULL || mp_to_radix(&m, room, (size_t)size + 1, &written, base) != MP_OKAY) {
		kt_free(room);
		kt_star_raise_nomem(t);
		return -1;
	}
	for (char *p = room; *p != '\0'; p++) {
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	}
	kt_buf_adds(out, room);
	kt_free(room);
	return 0;
}

bool kt_big_to_i64(kt_val a, int64_t *ret)
{
	mp_digit buf[SMALL_DIGITS];
	mp_int m = view(a, buf);

	if (mp_count_bits(&m) <= 63) {
		*ret = mp_get_i64(&m);
		return true;
	}
	if (mp_count_bits(&m) == 64 && m.sign == MP_NEG && mp_cnt_lsb(&m) == 63) {
		*ret = INT64_MIN;
		return true;
	}
	return false;
}
