/* Reading a URL over HTTP: apart, so that programs that never do need not carry the client. */
#include "base/fs.h"
#include "net/http_client.h"
#include "package/package.h"

#define DOWNLOAD_TIMEOUT_MS (5 * 60 * 1000)

/* Go shows a status with its name; these are the ones that occur. */
static const char *status_name(int status)
{
	static const struct {
		int status;
		const char *name;
	} names[] = {
		{301, "Moved Permanently"}, {302, "Found"},
		{304, "Not Modified"},	    {400, "Bad Request"},
		{401, "Unauthorized"},	    {403, "Forbidden"},
		{404, "Not Found"},	    {405, "Method Not Allowed"},
		{410, "Gone"},		    {429, "Too Many Requests"},
		{500, "Internal Server Error"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"},	{504, "Gateway Timeout"},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		if (names[i].status == status) {
			return names[i].name;
		}
	}
	return "";
}

static int write_piece(void *arg, const void *data, size_t len, kt_err *err)
{
	return kt_fs_write_all(*(const int *)arg, data, len, err);
}

int kt_content_fetch_http(const char *url, int fd, const kt_cancel *cancel, kt_err *err)
{
	kt_http_client *client = kt_http_client_new(err);
	if (client == NULL) {
		return -1;
	}
	kt_http_request request = {
		.url = url,
		.sink = write_piece,
		.sink_arg = &fd,
		.deadline = kt_after_ms(DOWNLOAD_TIMEOUT_MS),
		.cancel = cancel,
	};
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	int rc = kt_http_do(client, &request, &response, err);
	if (rc < 0) {
		KT_WRAP(err, "Failed to download '%s'", url);
	} else if (response.status < 200 || response.status > 299) {
		rc = KT_FAIL(err, UNAVAILABLE,
			     "Downloading '%s' returned unexpected HTTP status '%d %s'", url,
			     response.status, status_name(response.status));
	}
	kt_http_client_free(client);
	return rc;
}
