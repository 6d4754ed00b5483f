/*
 * Large contents as a chain of chunks: each StreamedDataChunk carries the SHA-1 of the data of
 * the one before it ("" in the first), so that a lost block shows.
 */
#ifndef KT_API_CHUNKS_H
#define KT_API_CHUNKS_H

#include "net/grpc.h"
#include "net/grpc_client.h"

#define KT_CHUNK_SIZE 3145728 /* bytes; what every client of this API sends at most */
#define KT_SHA1_HEX_LEN 40

typedef struct kt_chunk_chain {
	char previous[KT_SHA1_HEX_LEN + 1]; /* of the last chunk seen; "" before the first */
	char *name;                         /* of the content; NULL until one was seen */
	uint64_t total;                     /* bytes so far */
} kt_chunk_chain;

#define KT_CHUNK_CHAIN_INIT {{0}, NULL, 0}
#define KT_AUTO_CHUNK_CHAIN KT_CLEANUP(kt_chunk_chain_deinit)
void kt_chunk_chain_deinit(kt_chunk_chain *self);

/* Receives a piece of the content; -1 ends the transfer with that error. */
typedef int (*kt_chunk_sink)(void *arg, const void *data, size_t len, kt_err *err);
/* Fills buf with up to cap bytes: the number, 0 at the end, -1 on failure. */
typedef ssize_t (*kt_chunk_source)(void *arg, void *buf, size_t cap, kt_err *err);

/*
 * Takes a content in pieces of any size and sends it as chunks, over a call (server) or a stream
 * (client), whichever is not NULL. kt_chunk_writer_write has the shape of a sink's function.
 */
typedef struct kt_chunk_writer {
	kt_grpc_call *call;
	kt_grpc_stream *stream;
	const char *name; /* borrowed */
	uint8_t *buffer;
	size_t len;
	char previous[KT_SHA1_HEX_LEN + 1];
} kt_chunk_writer;

#define KT_AUTO_CHUNK_WRITER KT_CLEANUP(kt_chunk_writer_deinit)
int kt_chunk_writer_init(kt_chunk_writer *self, kt_grpc_call *call, kt_grpc_stream *stream,
			 const char *name, kt_err *err);
int kt_chunk_writer_write(void *self, const void *data, size_t len, kt_err *err);
/* Sends what is left. On a stream it also half-closes. */
int kt_chunk_writer_finish(kt_chunk_writer *self, kt_err *err);
void kt_chunk_writer_deinit(kt_chunk_writer *self);

/* Server side of an upload: reads the call's chunks to their end, checked, into sink. */
int kt_chunks_receive(kt_grpc_call *call, kt_chunk_chain *chain, kt_chunk_sink sink, void *arg,
		      kt_err *err);
/* Server side of a download: sends what source gives; every chunk carries name. */
int kt_chunks_send(kt_grpc_call *call, const char *name, kt_chunk_source source, void *arg,
		   kt_err *err);

/* Client side of an upload: sends all and half-closes; the caller then reads the answer. */
int kt_chunks_upload(kt_grpc_stream *stream, const char *name, kt_chunk_source source, void *arg,
		     kt_err *err);
/* Client side of a download: reads to the end of the stream, checked, into sink. */
int kt_chunks_download(kt_grpc_stream *stream, kt_chunk_chain *chain, kt_chunk_sink sink, void *arg,
		       kt_err *err);

#endif
