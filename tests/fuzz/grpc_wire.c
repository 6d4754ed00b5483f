/*
 * gRPC's framing: the first byte of input is the size of the pieces that the rest arrives in.
 * Cutting must not matter, messages must survive encoding again, texts must come back.
 */
#include "fuzz.h"

#include "api/api.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "net/grpc_wire.h"

#include <string.h>

#define MESSAGE_MAX 4096

/* Feeds in pieces; returns the number of bytes of whole messages, or -1. */
static long assemble(const uint8_t *data, size_t len, size_t step, kt_pieces *out)
{
	kt_assembler assembler = {.max = MESSAGE_MAX};
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < len; at += step) {
		rc = kt_assembler_feed(&assembler, data + at, KT_MIN(step, len - at), out, NULL);
	}
	kt_assembler_deinit(&assembler);
	return rc < 0 ? -1 : (long)out->bytes;
}

static void check_message(const kt_piece *piece, const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *message = kt_grpc_decode(type, piece, NULL);
	kt_piece *again = message != NULL ? kt_grpc_encode(message) : NULL;
	/* Unknown fields are carried along as they came, even with numbers that no field may have.
	 */
	bool known = message != NULL && message->n_unknown_fields == 0;
	if (again != NULL && known && type == &engine_api__create_enclave_args__descriptor) {
		/* What has been encoded decodes, and its strings are UTF-8. */
		kt_piece *body = kt_malloc(sizeof(*body) + again->len);
		KT_ASSERT(body != NULL);
		*body = (kt_piece){NULL, again->len - KT_GRPC_PREFIX_LEN, 0};
		memcpy(body->data, again->data + KT_GRPC_PREFIX_LEN, body->len);
		ProtobufCMessage *second = kt_grpc_decode(message->descriptor, body, NULL);
		KT_ASSERT(second != NULL);
		kt_msg_free(second);
		kt_free(body);
	}
	kt_free(again);
	kt_msg_free(message);
}

static void check_text(const uint8_t *data, size_t len)
{
	KT_AUTO_FREE char *text = kt_strndup((const char *)data, len);
	KT_AUTO_BUF kt_buf encoded = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf decoded = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int64_t ns = 0;
	if (text == NULL) {
		return;
	}
	kt_grpc_percent_encode(&encoded, text, 3 * len);
	kt_grpc_percent_decode(&decoded, kt_buf_str(&encoded), encoded.len);
	KT_ASSERT(kt_utf8_valid(kt_buf_str(&decoded), decoded.len));
	if (kt_utf8_valid(text, strlen(text))) {
		KT_ASSERT(strcmp(text, kt_buf_str(&decoded)) == 0 || encoded.len > 3 * len - 12);
	}
	kt_buf_clear(&decoded);
	kt_grpc_percent_decode(&decoded, text, strlen(text));
	if (kt_grpc_parse_timeout(text, strlen(text), &ns)) {
		KT_ASSERT(ns >= 0);
	}
	kt_grpc_status_err((int)len, text, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1) {
		return 0;
	}
	size_t step = data[0] % 32 + 1U;
	kt_pieces whole = {NULL, NULL, 0};
	kt_pieces cut = {NULL, NULL, 0};
	long a = assemble(data + 1, len - 1, len, &whole);
	long b = assemble(data + 1, len - 1, step, &cut);
	KT_ASSERT(a == b);
	for (const kt_piece *p = whole.first; p != NULL; p = p->next) {
		check_message(p, &engine_api__create_enclave_args__descriptor);
		check_message(p, &api_container_api__starlark_run_response_line__descriptor);
	}
	kt_pieces_clear(&whole);
	kt_pieces_clear(&cut);
	check_text(data + 1, len - 1);
	return 0;
}
