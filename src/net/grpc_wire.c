/* The state machines and codecs of gRPC's framing; no I/O. */
#include "net/grpc_wire.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Memory for a message grows with what has arrived, never with what was announced. */
#define FIRST_ROOM ((size_t)64 << 10)
/* Levels of causes read from a status message. */
#define CAUSES_MAX 64

static const char cause_mark[] = "\n  Caused by: ";

static void *message_alloc(void *data, size_t size)
{
	(void)data;
	return kt_malloc(size);
}

static void message_free(void *data, void *ptr)
{
	(void)data;
	kt_free(ptr);
}

static ProtobufCAllocator message_memory(void)
{
	return (ProtobufCAllocator){message_alloc, message_free, NULL};
}

void kt_msg_free(void *message)
{
	if (message != NULL) {
		ProtobufCAllocator memory = message_memory();
		protobuf_c_message_free_unpacked(message, &memory);
	}
}

void kt_msg_free_ptr(void *ptr_to_message)
{
	void **message = ptr_to_message;
	kt_msg_free(*message);
	*message = NULL;
}

void kt_pieces_add(kt_pieces *self, kt_piece *piece)
{
	piece->next = NULL;
	if (self->last != NULL) {
		self->last->next = piece;
	} else {
		self->first = piece;
	}
	self->last = piece;
	self->bytes += piece->len - piece->pos;
}

kt_piece *kt_pieces_take(kt_pieces *self)
{
	kt_piece *piece = self->first;
	if (piece != NULL) {
		self->first = piece->next;
		if (self->first == NULL) {
			self->last = NULL;
		}
		self->bytes -= piece->len - piece->pos;
		piece->next = NULL;
	}
	return piece;
}

size_t kt_pieces_read(kt_pieces *self, uint8_t *out, size_t cap)
{
	size_t done = 0;
	while (done < cap && self->first != NULL) {
		kt_piece *piece = self->first;
		size_t n = KT_MIN(cap - done, piece->len - piece->pos);
		memcpy(out + done, piece->data + piece->pos, n);
		piece->pos += n;
		self->bytes -= n;
		done += n;
		if (piece->pos == piece->len) {
			kt_free(kt_pieces_take(self));
		}
	}
	return done;
}

void kt_pieces_clear(kt_pieces *self)
{
	while (self->first != NULL) {
		kt_free(kt_pieces_take(self));
	}
}

/* --- encoding --------------------------------------------------------------------------- */

/* What one field holds at this moment: `count` values starting at `first`. */
static const void *field_values(const ProtobufCMessage *message,
				const ProtobufCFieldDescriptor *field, size_t *ret_count)
{
	const char *base = (const char *)message;
	const void *at = base + field->offset;
	*ret_count = 1;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		*ret_count = *(const size_t *)(const void *)(base + field->quantifier_offset);
		return *(const void *const *)at;
	}
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
	    *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id) {
		*ret_count = 0;
	}
	return at;
}

/*
 * Visits every string of the message. With `mend` the strings belong to the message's own
 * allocator (malloc) and bad ones are replaced. False: a bad string is left, or no memory.
 */
static bool strings_valid(const ProtobufCMessage *message, bool mend)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		if (field->type != PROTOBUF_C_TYPE_STRING &&
		    field->type != PROTOBUF_C_TYPE_MESSAGE) {
			continue;
		}
		size_t count;
		void *const *values = field_values(message, field, &count);
		for (size_t k = 0; k < count; k++) {
			if (values[k] == NULL) {
				continue;
			}
			if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
				if (!strings_valid(values[k], mend)) {
					return false;
				}
				continue;
			}
			const char *text = values[k];
			size_t len = strlen(text);
			if (kt_utf8_valid(text, len)) {
				continue;
			}
			KT_AUTO_BUF kt_buf clean = KT_BUF_INIT;
			kt_buf_add_utf8(&clean, text, len);
			char *fresh = mend ? kt_buf_take(&clean) : NULL;
			if (fresh == NULL) {
				return false;
			}
			kt_free(values[k]);
			((char **)(uintptr_t)values)[k] = fresh;
		}
	}
	return true;
}

static kt_piece *encode(const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	kt_piece *piece = kt_malloc(sizeof(*piece) + KT_GRPC_PREFIX_LEN + len);
	if (piece == NULL || len > INT32_MAX) {
		kt_free(piece);
		return NULL;
	}
	piece->next = NULL;
	piece->pos = 0;
	piece->len = KT_GRPC_PREFIX_LEN + len;
	piece->data[0] = 0;
	for (int i = 0; i < 4; i++) {
		piece->data[1 + i] = (uint8_t)(len >> (24 - 8 * i));
	}
	protobuf_c_message_pack(message, piece->data + KT_GRPC_PREFIX_LEN);
	return piece;
}

kt_piece *kt_grpc_encode(const ProtobufCMessage *message)
{
	kt_piece *piece = encode(message);
	if (piece == NULL || strings_valid(message, false)) {
		return piece;
	}
	/* Rare: repair a copy, whose strings are known to be on the heap. */
	ProtobufCAllocator memory = message_memory();
	ProtobufCMessage *copy =
		protobuf_c_message_unpack(message->descriptor, &memory,
					  piece->len - KT_GRPC_PREFIX_LEN,
					  piece->data + KT_GRPC_PREFIX_LEN);
	kt_free(piece);
	piece = copy != NULL && strings_valid(copy, true) ? encode(copy) : NULL;
	kt_msg_free(copy);
	return piece;
}

ProtobufCMessage *kt_grpc_decode(const ProtobufCMessageDescriptor *type, const kt_piece *piece,
				 kt_err *err)
{
	ProtobufCAllocator memory = message_memory();
	ProtobufCMessage *message =
		protobuf_c_message_unpack(type, &memory, piece->len, piece->data);
	if (message == NULL) {
		KT_FAIL(err, INVALID, "a message of %zu bytes is not a valid %s", piece->len,
			type->name);
	}
	return message;
}

/* --- assembling ------------------------------------------------------------------------- */

void kt_assembler_deinit(kt_assembler *self)
{
	kt_free(self->piece);
	self->piece = NULL;
	self->prefix_len = 0;
}

bool kt_assembler_at_boundary(const kt_assembler *self)
{
	return self->prefix_len == 0;
}

static int start_message(kt_assembler *self, kt_err *err)
{
	size_t want = 0;
	for (int i = 1; i < KT_GRPC_PREFIX_LEN; i++) {
		want = want << 8 | self->prefix[i];
	}
	if (self->prefix[0] != 0) {
		return KT_FAIL(err, UNSUPPORTED,
			       "grpc: compressed messages are not supported; send them plain");
	}
	if (want > self->max) {
		return KT_FAIL(err, EXHAUSTED,
			       "grpc: received message larger than max (%zu vs. %zu)", want,
			       self->max);
	}
	self->want = want;
	self->cap = KT_MIN(want, FIRST_ROOM);
	self->piece = kt_malloc(sizeof(*self->piece) + self->cap);
	if (self->piece == NULL) {
		return kt_err_nomem(err);
	}
	*self->piece = (kt_piece){NULL, 0, 0};
	return 0;
}

static int make_room(kt_assembler *self, size_t need, kt_err *err)
{
	if (need <= self->cap) {
		return 0;
	}
	size_t cap = KT_MIN(self->want, KT_MAX(need, self->cap * 2));
	kt_piece *grown = kt_realloc(self->piece, sizeof(*grown) + cap);
	if (grown == NULL) {
		return kt_err_nomem(err);
	}
	self->piece = grown;
	self->cap = cap;
	return 0;
}

int kt_assembler_feed(kt_assembler *self, const uint8_t *data, size_t len, kt_pieces *out,
		      kt_err *err)
{
	for (;;) {
		if (self->prefix_len < KT_GRPC_PREFIX_LEN) {
			size_t n = KT_MIN(KT_GRPC_PREFIX_LEN - self->prefix_len, len);
			memcpy(self->prefix + self->prefix_len, data, n);
			self->prefix_len += n;
			data += n;
			len -= n;
			if (self->prefix_len < KT_GRPC_PREFIX_LEN) {
				return 0;
			}
			if (start_message(self, err) < 0) {
				return -1;
			}
		}
		kt_piece *piece = self->piece;
		size_t n = KT_MIN(self->want - piece->len, len);
		if (make_room(self, piece->len + n, err) < 0) {
			return -1;
		}
		piece = self->piece;
		memcpy(piece->data + piece->len, data, n);
		piece->len += n;
		data += n;
		len -= n;
		if (piece->len < self->want) {
			return 0;
		}
		kt_pieces_add(out, piece);
		self->piece = NULL;
		self->prefix_len = 0;
		if (len == 0) {
			return 0;
		}
	}
}

/* --- text forms ------------------------------------------------------------------------- */

void kt_grpc_percent_encode(kt_buf *out, const char *text, size_t max)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = strlen(text);
	size_t end = out->len + max;
	while (len > 0) {
		/* Cut between code points, so that the reader gets valid UTF-8. */
		size_t width;
		char rune[4];
		uint32_t code = kt_utf8_decode(text, len, &width);
		size_t n = kt_utf8_encode(code, rune);
		if (out->len + 3 * n > end) {
			return;
		}
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)rune[i];
			if (c >= 0x20 && c <= 0x7E && c != '%') {
				kt_buf_addc(out, (char)c);
			} else {
				kt_buf_addc(out, '%');
				kt_buf_addc(out, digits[c >> 4]);
				kt_buf_addc(out, digits[c & 15]);
			}
		}
		text += width;
		len -= width;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void kt_grpc_percent_decode(kt_buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
		if (low >= 0 && (high != 0 || low != 0)) {
			kt_buf_addc(out, (char)(high << 4 | low));
			i += 2;
		} else {
			kt_buf_addc(out, text[i]);
		}
	}
}

static const struct timeout_unit {
	char letter;
	int64_t ns;
} timeout_units[] = {
	{'n', 1},
	{'u', 1000},
	{'m', KT_NS_PER_MS},
	{'S', KT_NS_PER_S},
	{'M', 60 * KT_NS_PER_S},
	{'H', 3600 * KT_NS_PER_S},
};

bool kt_grpc_parse_timeout(const char *text, size_t len, int64_t *ret_ns)
{
	if (len < 2 || len > 9) {
		return false;
	}
	int64_t value = 0;
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return false;
		}
		value = value * 10 + (text[i] - '0');
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(timeout_units); i++) {
		if (timeout_units[i].letter == text[len - 1]) {
			int64_t most = INT64_MAX / 4 / timeout_units[i].ns;
			*ret_ns = KT_MIN(value, most) * timeout_units[i].ns;
			return true;
		}
	}
	return false;
}

void kt_grpc_format_timeout(int64_t ns, char *out)
{
	ns = KT_MAX(ns, 1);
	size_t i = 0;
	while (i + 1 < KT_ARRAY_LEN(timeout_units) && ns / timeout_units[i].ns > 99999999) {
		i++;
	}
	int64_t unit = timeout_units[i].ns;
	int64_t value = KT_MIN(ns / unit + (ns % unit != 0 ? 1 : 0), 99999999);
	snprintf(out, KT_GRPC_TIMEOUT_CAP, "%lld%c", (long long)value, timeout_units[i].letter);
}

static kt_err_code code_of_status(int status)
{
	static const kt_err_code codes[] = {
		KT_ERR_OK,	  KT_ERR_CANCELLED,    KT_ERR_UNKNOWN,	  KT_ERR_INVALID,
		KT_ERR_TIMEOUT,	  KT_ERR_NOT_FOUND,    KT_ERR_EXISTS,	  KT_ERR_PERMISSION,
		KT_ERR_EXHAUSTED, KT_ERR_PRECONDITION, KT_ERR_CANCELLED,  KT_ERR_INVALID,
		KT_ERR_UNSUPPORTED, KT_ERR_INTERNAL,   KT_ERR_UNAVAILABLE, KT_ERR_CORRUPT,
		KT_ERR_PERMISSION,
	};
	bool known = status > 0 && (size_t)status < KT_ARRAY_LEN(codes);
	return known ? codes[status] : KT_ERR_UNKNOWN;
}

int kt_grpc_status_err(int status, const char *message, kt_err *err)
{
	kt_err_code code = code_of_status(status);
	if (kt_str_empty(message)) {
		return kt_err_set(err, code, "the server answered with gRPC status %d", status);
	}
	const char *starts[CAUSES_MAX];
	size_t levels = 0;
	const char *rest = message;
	while (rest != NULL && levels < CAUSES_MAX) {
		starts[levels++] = rest;
		rest = strstr(rest, cause_mark);
		rest = rest != NULL ? rest + sizeof(cause_mark) - 1 : NULL;
	}
	kt_err_set(err, code, "%s", starts[levels - 1]);
	for (size_t i = levels - 1; i > 0; i--) {
		size_t len = (size_t)(starts[i] - starts[i - 1]) - (sizeof(cause_mark) - 1);
		kt_err_wrap(err, "%.*s", (int)len, starts[i - 1]);
	}
	return -1;
}
