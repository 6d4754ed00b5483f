/* The chain of chunks, in both directions and on both ends. */
#include "api/chunks.h"

#include "api/api.h"
#include "base/alloc.h"
#include "base/str.h"

#include <openssl/evp.h>
#include <string.h>

typedef ApiContainerApi__StreamedDataChunk chunk_message;
typedef ApiContainerApi__DataChunkMetadata chunk_metadata;

/* Where chunks come from or go to: a call on the server, a stream on the client. */
typedef struct chunk_end {
	kt_grpc_call *call;
	kt_grpc_stream *stream;
} chunk_end;

void kt_chunk_chain_deinit(kt_chunk_chain *self)
{
	kt_free(self->name);
	self->name = NULL;
}

static int sha1_hex(const void *data, size_t len, char out[KT_SHA1_HEX_LEN + 1], kt_err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	if (EVP_Digest(data, len, digest, NULL, EVP_sha1(), NULL) != 1) {
		return KT_FAIL(err, INTERNAL, "SHA-1 is not available in this OpenSSL");
	}
	kt_hex(digest, KT_SHA1_HEX_LEN / 2, out);
	return 0;
}

/* The first name that is not empty holds for the whole content. */
static int check_name(kt_chunk_chain *chain, const chunk_metadata *metadata, kt_err *err)
{
	const char *name = metadata != NULL ? metadata->name : "";
	if (kt_str_empty(chain->name)) {
		char *copy = kt_strdup(name);
		if (copy == NULL) {
			return kt_err_nomem(err);
		}
		kt_free(chain->name);
		chain->name = copy;
		return 0;
	}
	if (strcmp(chain->name, name) != 0) {
		return KT_FAIL(err, INVALID,
			       "An unexpected error occurred extracting data from the streamed GRPC "
			       "message for '%s'",
			       chain->name);
	}
	return 0;
}

static int check_chunk(kt_chunk_chain *chain, const chunk_message *chunk, kt_err *err)
{
	if (strcmp(chain->previous, chunk->previous_chunk_hash) != 0) {
		return KT_FAIL(err, CORRUPT,
			       "An unexpected error occurred receiving data chunk for '%s'. Hash "
			       "validation did not pass: was '%s' - wanted '%s'. Maybe a block failed "
			       "to be sent (networking issues) and now entire chain is broken. "
			       "Retrying the operation might fix this issue.",
			       kt_str_or(chain->name, ""), chunk->previous_chunk_hash,
			       chain->previous);
	}
	if (check_name(chain, chunk->metadata, err) < 0) {
		return -1;
	}
	chain->total += chunk->data.len;
	return sha1_hex(chunk->data.data, chunk->data.len, chain->previous, err);
}

static int end_recv(const chunk_end *end, ProtobufCMessage **ret, kt_err *err)
{
	return end->call != NULL ? kt_grpc_recv(end->call, ret, err)
				 : kt_grpc_stream_recv(end->stream, ret, err);
}

static int end_send(const chunk_end *end, const chunk_message *chunk, kt_err *err)
{
	return end->call != NULL ? kt_grpc_send(end->call, &chunk->base, err)
				 : kt_grpc_stream_send(end->stream, &chunk->base, err);
}

static int read_all(const chunk_end *end, kt_chunk_chain *chain, kt_chunk_sink sink, void *arg,
		    kt_err *err)
{
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = end_recv(end, &message, err);
		if (rc <= 0) {
			return rc;
		}
		const chunk_message *chunk = (const chunk_message *)message;
		if (check_chunk(chain, chunk, err) < 0) {
			return -1;
		}
		if (chunk->data.len > 0 && sink(arg, chunk->data.data, chunk->data.len, err) < 0) {
			return -1;
		}
	}
}

int kt_chunk_writer_init(kt_chunk_writer *self, kt_grpc_call *call, kt_grpc_stream *stream,
			 const char *name, kt_err *err)
{
	*self = (kt_chunk_writer){.call = call, .stream = stream, .name = name};
	self->buffer = kt_malloc(KT_CHUNK_SIZE);
	return self->buffer != NULL ? 0 : kt_err_nomem(err);
}

void kt_chunk_writer_deinit(kt_chunk_writer *self)
{
	kt_free(self->buffer);
	self->buffer = NULL;
}

static int send_chunk(kt_chunk_writer *self, kt_err *err)
{
	chunk_end end = {self->call, self->stream};
	chunk_metadata metadata = API_CONTAINER_API__DATA_CHUNK_METADATA__INIT;
	chunk_message chunk = API_CONTAINER_API__STREAMED_DATA_CHUNK__INIT;
	metadata.name = (char *)(uintptr_t)self->name;
	chunk.data = (ProtobufCBinaryData){self->len, self->buffer};
	chunk.previous_chunk_hash = self->previous;
	chunk.metadata = &metadata;
	if (end_send(&end, &chunk, err) < 0 ||
	    sha1_hex(self->buffer, self->len, self->previous, err) < 0) {
		return -1;
	}
	self->len = 0;
	return 0;
}

int kt_chunk_writer_write(void *arg, const void *data, size_t len, kt_err *err)
{
	kt_chunk_writer *self = arg;
	const uint8_t *bytes = data;
	while (len > 0) {
		size_t n = KT_MIN(len, KT_CHUNK_SIZE - self->len);
		memcpy(self->buffer + self->len, bytes, n);
		self->len += n;
		bytes += n;
		len -= n;
		if (self->len == KT_CHUNK_SIZE && send_chunk(self, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_chunk_writer_finish(kt_chunk_writer *self, kt_err *err)
{
	if (self->len > 0 && send_chunk(self, err) < 0) {
		return -1;
	}
	return self->stream != NULL ? kt_grpc_stream_close_send(self->stream, err) : 0;
}

static int write_all(const chunk_end *end, const char *name, kt_chunk_source source, void *arg,
		     kt_err *err)
{
	KT_AUTO_CHUNK_WRITER kt_chunk_writer writer = {0};
	if (kt_chunk_writer_init(&writer, end->call, end->stream, name, err) < 0) {
		return -1;
	}
	for (;;) {
		ssize_t n =
			source(arg, writer.buffer + writer.len, KT_CHUNK_SIZE - writer.len, err);
		if (n < 0) {
			return -1;
		}
		writer.len += (size_t)n;
		if (n == 0) {
			return kt_chunk_writer_finish(&writer, err);
		}
		if (writer.len == KT_CHUNK_SIZE && send_chunk(&writer, err) < 0) {
			return -1;
		}
	}
}

int kt_chunks_receive(kt_grpc_call *call, kt_chunk_chain *chain, kt_chunk_sink sink, void *arg,
		      kt_err *err)
{
	return read_all(&(chunk_end){.call = call}, chain, sink, arg, err);
}

int kt_chunks_send(kt_grpc_call *call, const char *name, kt_chunk_source source, void *arg,
		   kt_err *err)
{
	return write_all(&(chunk_end){.call = call}, name, source, arg, err);
}

int kt_chunks_upload(kt_grpc_stream *stream, const char *name, kt_chunk_source source, void *arg,
		     kt_err *err)
{
	return write_all(&(chunk_end){.stream = stream}, name, source, arg, err);
}

int kt_chunks_download(kt_grpc_stream *stream, kt_chunk_chain *chain, kt_chunk_sink sink, void *arg,
		       kt_err *err)
{
	return read_all(&(chunk_end){.stream = stream}, chain, sink, arg, err);
}
