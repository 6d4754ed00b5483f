/* kurtosisd fetch URL: the body of a web page or file on stdout, for the command line. */
#include "base/fs.h"
#include "engine/engine.h"
#include "net/http_client.h"

#include <stdio.h>
#include <unistd.h>

#define FETCH_MS 60000
#define FETCH_MAX ((uint64_t)64 << 20)

static int to_stdout(void *arg, const void *data, size_t len, kt_err *err)
{
	(void)arg;
	return kt_fs_write_all(STDOUT_FILENO, data, len, err);
}

static int fetch(const char *url, kt_err *err)
{
	kt_http_client *client = kt_http_client_new(err);
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	kt_http_request request = {.url = url,
				   .sink = to_stdout,
				   .max_body = FETCH_MAX,
				   .deadline = kt_after_ms(FETCH_MS)};
	if (client == NULL) {
		return -1;
	}
	int rc = kt_http_do(client, &request, &response, err);
	kt_http_client_free(client);
	if (rc == 0 && (response.status < 200 || response.status > 299)) {
		rc = KT_FAIL(err, NOT_FOUND, "the server answered with the status %d",
			     response.status);
	}
	return rc;
}

int kt_engine_fetch_main(int argc, char **argv)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (argc != 2) {
		fprintf(stderr, "usage: fetch URL\n");
		return 2;
	}
	if (fetch(argv[1], &err) == 0) {
		return 0;
	}
	for (size_t i = 0; kt_err_message(&err, i) != NULL; i++) {
		fprintf(stderr, "%s\n", kt_err_message(&err, i));
	}
	if (err.hint != NULL) {
		fprintf(stderr, "Hint: %s\n", err.hint);
	}
	return kt_err_exit_status(err.code);
}
