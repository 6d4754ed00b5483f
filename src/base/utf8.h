/*
 * UTF-8 and Unicode classes with the conventions of Go: an invalid byte decodes as U+FFFD
 * of width 1; classes and simple case mappings follow Unicode 15.
 *
 * Pure functions; thread-safe.
 */
#ifndef KT_BASE_UTF8_H
#define KT_BASE_UTF8_H

#include "base/base.h"
#include "base/buf.h"

#define KT_RUNE_ERROR 0xFFFDu
#define KT_RUNE_MAX 0x10FFFFu

/*
 * The code point at text (len > 0); *ret_width is 1 to 4. Surrogates and overlong forms are
 * invalid.
 */
uint32_t kt_utf8_decode(const char *text, size_t len, size_t *ret_width);
/* The last code point before text + len (len > 0). */
uint32_t kt_utf8_decode_last(const char *text, size_t len, size_t *ret_width);
/* Writes 1 to 4 bytes (U+FFFD for what is no code point) and returns how many. */
size_t kt_utf8_encode(uint32_t rune, char out[4]);
void kt_buf_add_rune(kt_buf *buf, uint32_t rune);
/* How many code points; every invalid byte counts as one. */
size_t kt_utf8_count(const char *text, size_t len);
bool kt_utf8_valid(const char *text, size_t len);

bool kt_rune_is_letter(uint32_t rune);
bool kt_rune_is_digit(uint32_t rune); /* decimal digits (Nd) */
bool kt_rune_is_upper(uint32_t rune);
bool kt_rune_is_lower(uint32_t rune);
bool kt_rune_is_title(uint32_t rune);
bool kt_rune_is_space(uint32_t rune); /* White_Space */
/* Letters, marks, numbers, punctuation, symbols and the ASCII space. */
bool kt_rune_is_print(uint32_t rune);
/* Simple one-to-one mappings. */
uint32_t kt_rune_to_upper(uint32_t rune);
uint32_t kt_rune_to_lower(uint32_t rune);
uint32_t kt_rune_to_title(uint32_t rune);

#endif
