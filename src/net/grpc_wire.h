/*
 * What gRPC looks like on the wire, without any I/O: message frames, percent-encoding, timeouts
 * and statuses. Used by both ends; private to net/.
 */
#ifndef KT_NET_GRPC_WIRE_H
#define KT_NET_GRPC_WIRE_H

#include "net/grpc.h"

#define KT_GRPC_PREFIX_LEN 5

typedef enum kt_grpc_status {
	KT_GRPC_OK = 0,
	KT_GRPC_CANCELLED = 1,
	KT_GRPC_UNKNOWN = 2,
	KT_GRPC_DEADLINE_EXCEEDED = 4,
	KT_GRPC_RESOURCE_EXHAUSTED = 8,
	KT_GRPC_UNIMPLEMENTED = 12,
	KT_GRPC_INTERNAL = 13,
	KT_GRPC_UNAVAILABLE = 14,
} kt_grpc_status;

/* A frame to send, or a message received. Freed with kt_free. */
typedef struct kt_piece {
	struct kt_piece *next;
	size_t len;
	size_t pos; /* already sent */
	uint8_t data[];
} kt_piece;

/* A queue of pieces. */
typedef struct kt_pieces {
	kt_piece *first;
	kt_piece *last;
	size_t bytes; /* still to take */
} kt_pieces;

void kt_pieces_add(kt_pieces *self, kt_piece *piece);
kt_piece *kt_pieces_take(kt_pieces *self); /* NULL when empty */
/* Moves up to cap bytes out of the queue. */
size_t kt_pieces_read(kt_pieces *self, uint8_t *out, size_t cap);
void kt_pieces_clear(kt_pieces *self);

/* The message with its 5-byte prefix; bad UTF-8 replaced. NULL when memory is short. */
kt_piece *kt_grpc_encode(const ProtobufCMessage *message);
/* NULL and INVALID when the bytes are no message of that type. */
ProtobufCMessage *kt_grpc_decode(const ProtobufCMessageDescriptor *type, const kt_piece *piece,
				 kt_err *err);

/* Puts the bytes of DATA frames together to messages. */
typedef struct kt_assembler {
	uint8_t prefix[KT_GRPC_PREFIX_LEN];
	size_t prefix_len;
	kt_piece *piece; /* the message being filled */
	size_t cap;      /* bytes that piece has room for */
	size_t want;     /* its length as announced */
	size_t max;
} kt_assembler;

void kt_assembler_deinit(kt_assembler *self);
/* Adds whole messages to out. EXHAUSTED: past max; UNSUPPORTED: compressed; NOMEM. */
int kt_assembler_feed(kt_assembler *self, const uint8_t *data, size_t len, kt_pieces *out,
		      kt_err *err);
/* Whether the stream may end here. */
bool kt_assembler_at_boundary(const kt_assembler *self);

/* grpc-message: all but printable ASCII, and '%', as %XX; cut to max bytes of output. */
void kt_grpc_percent_encode(kt_buf *out, const char *text, size_t max);
void kt_grpc_percent_decode(kt_buf *out, const char *text, size_t len);

/* grpc-timeout ("100m") to nanoseconds; false when it is none. */
bool kt_grpc_parse_timeout(const char *text, size_t len, int64_t *ret_ns);
#define KT_GRPC_TIMEOUT_CAP 24
/* The remaining time in a form of at most 8 digits and a unit. out: that many bytes. */
void kt_grpc_format_timeout(int64_t ns, char *out);

/* An error from a status and message that a server sent. Returns -1. */
int kt_grpc_status_err(int status, const char *message, kt_err *err);

#endif
