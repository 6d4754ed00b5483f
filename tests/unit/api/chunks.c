/* The chain of chunks over a real connection: both directions, and what breaks it. */
#include "api/chunks.h"

#include "api/api.h"
#include "api/services.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CONTENT_LEN ((size_t)KT_CHUNK_SIZE * 2 + 12345)

typedef struct content {
	uint8_t *data;
	size_t len;
	size_t pos;
} content;

static ssize_t give(void *arg, void *buf, size_t cap, kt_err *err)
{
	(void)err;
	content *self = arg;
	/* Odd pieces: the helper has to fill its chunks itself. */
	size_t n = KT_MIN(KT_MIN(cap, (size_t)77777), self->len - self->pos);
	memcpy(buf, self->data + self->pos, n);
	self->pos += n;
	return (ssize_t)n;
}

static int take(void *arg, const void *data, size_t len, kt_err *err)
{
	content *self = arg;
	if (self->pos + len > self->len || memcmp(self->data + self->pos, data, len) != 0) {
		return KT_FAIL(err, CORRUPT, "the content differs at byte %zu", self->pos);
	}
	self->pos += len;
	return 0;
}

static int upload(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	(void)request;
	content seen = *(content *)host;
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	if (kt_chunks_receive(call, &chain, take, &seen, err) < 0) {
		return KT_WRAP(err, "An error occurred receiving the file payload");
	}
	ApiContainerApi__UploadFilesArtifactResponse answer =
		API_CONTAINER_API__UPLOAD_FILES_ARTIFACT_RESPONSE__INIT;
	char total[24];
	snprintf(total, sizeof(total), "%llu", (unsigned long long)chain.total);
	answer.uuid = total;
	answer.name = chain.name != NULL ? chain.name : answer.name;
	return kt_grpc_send(call, &answer.base, err);
}

static int download(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	const ApiContainerApi__DownloadFilesArtifactArgs *args =
		(const ApiContainerApi__DownloadFilesArtifactArgs *)request;
	content source = *(content *)host;
	return kt_chunks_send(call, args->identifier, give, &source, err);
}

static const kt_grpc_handler handlers[KT_APIC_RPC_COUNT] = {
	[KT_APIC_UPLOAD_FILES_ARTIFACT] = upload,
	[KT_APIC_DOWNLOAD_FILES_ARTIFACT] = download,
};

static content all;
static kt_grpc_server *server;

static kt_grpc_client *connect_client(void)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client =
		kt_grpc_client_new("127.0.0.1", kt_grpc_server_port(server), NULL, &err);
	assert_non_null(client);
	return client;
}

static void test_upload(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = connect_client();
	kt_grpc_stream *stream = kt_grpc_stream_open(
		client, &kt_apic_rpcs[KT_APIC_UPLOAD_FILES_ARTIFACT], NULL, &err);
	content source = all;
	assert_int_equal(kt_chunks_upload(stream, "seed", give, &source, &err), 0);
	KT_AUTO_MSG ProtobufCMessage *message = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &message, &err), 1);
	const ApiContainerApi__UploadFilesArtifactResponse *answer =
		(const ApiContainerApi__UploadFilesArtifactResponse *)message;
	char total[24];
	snprintf(total, sizeof(total), "%zu", CONTENT_LEN);
	assert_string_equal(answer->uuid, total);
	assert_string_equal(answer->name, "seed");
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

static void test_download(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = connect_client();
	ApiContainerApi__DownloadFilesArtifactArgs args =
		API_CONTAINER_API__DOWNLOAD_FILES_ARTIFACT_ARGS__INIT;
	args.identifier = (char *)(uintptr_t)"some-artifact";
	kt_grpc_stream *stream =
		kt_grpc_stream_start(client, &kt_apic_rpcs[KT_APIC_DOWNLOAD_FILES_ARTIFACT],
				     &args.base, NULL, &err);
	content seen = all;
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	assert_int_equal(kt_chunks_download(stream, &chain, take, &seen, &err), 0);
	assert_int_equal(seen.pos, CONTENT_LEN);
	assert_string_equal(chain.name, "some-artifact");
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

/* Sends two chunks by hand; what the server answers is in err. */
static void send_two(const char *second_hash, const char *second_name, kt_err *err)
{
	kt_grpc_client *client = connect_client();
	kt_grpc_stream *stream = kt_grpc_stream_open(
		client, &kt_apic_rpcs[KT_APIC_UPLOAD_FILES_ARTIFACT], NULL, err);
	const char *hashes[] = {"", second_hash};
	const char *names[] = {"one", second_name};
	for (int i = 0; i < 2; i++) {
		ApiContainerApi__DataChunkMetadata metadata =
			API_CONTAINER_API__DATA_CHUNK_METADATA__INIT;
		ApiContainerApi__StreamedDataChunk chunk =
			API_CONTAINER_API__STREAMED_DATA_CHUNK__INIT;
		metadata.name = (char *)(uintptr_t)names[i];
		chunk.metadata = &metadata;
		chunk.previous_chunk_hash = (char *)(uintptr_t)hashes[i];
		chunk.data = (ProtobufCBinaryData){3, all.data + 3 * i};
		assert_int_equal(kt_grpc_stream_send(stream, &chunk.base, err), 0);
	}
	assert_int_equal(kt_grpc_stream_close_send(stream, err), 0);
	ProtobufCMessage *message = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &message, err), -1);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

static void test_broken_chain(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	send_two("0000", "one", &err);
	assert_string_equal(kt_err_message(&err, 0), "An error occurred receiving the file payload");
	assert_non_null(strstr(kt_err_message(&err, 1), "Hash validation did not pass: was '0000'"));
}

static void test_changed_name(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	/* SHA-1 of the bytes 0, 1, 2. */
	send_two("0c7a623fd2bbc05b06423be359e4021d36e721ad", "two", &err);
	assert_non_null(strstr(kt_err_message(&err, 1), "extracting data from the streamed GRPC"));
}

static int set_up(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	all = (content){kt_malloc(CONTENT_LEN), CONTENT_LEN, 0};
	for (size_t i = 0; i < CONTENT_LEN; i++) {
		all.data[i] = (uint8_t)(i * 1 + i / 251);
	}
	server = kt_grpc_server_new(&(kt_grpc_config){.name = "chunks", .max_message = 4194304}, &err);
	assert_non_null(server);
	assert_int_equal(kt_grpc_server_add(server, kt_apic_rpcs, handlers, KT_APIC_RPC_COUNT, &all,
					    &err),
			 0);
	return kt_grpc_server_start(server, &err);
}

static int tear_down(void **state)
{
	(void)state;
	kt_grpc_server_free(server);
	kt_free(all.data);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_download),
		cmocka_unit_test(test_broken_chain),
		cmocka_unit_test(test_changed_name),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
