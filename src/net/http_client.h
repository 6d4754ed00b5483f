/*
 * An HTTP client over libcurl: one blocking call per request, with a deadline, a cancel
 * token and bounded memory.
 *
 * A kt_http_client keeps connections, names and TLS sessions for reuse and may be used by
 * many threads at once; each running request takes a connection set of its own. HTTP/1.1 and
 * HTTP/2, proxies from the environment (never for loopback), redirects to http and https only;
 * Authorization and Cookie are not carried to another host, port or scheme.
 */
#ifndef KT_NET_HTTP_CLIENT_H
#define KT_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

#include <sys/socket.h>

typedef struct kt_http_client kt_http_client;

typedef struct kt_http_header {
	const char *name;
	const char *value;
} kt_http_header;

/*
 * Receives the next piece of a 2xx body, as it arrives, on the caller's thread. A failure
 * ends the request with that error.
 */
typedef int (*kt_http_sink)(void *arg, const void *data, size_t len, kt_err *err);

/*
 * Fills buf with the next piece of a request body: the number of bytes, 0 at the end, -1 on
 * failure.
 */
typedef ssize_t (*kt_http_source)(void *arg, void *buf, size_t cap, kt_err *err);

/*
 * Opens the connection in libcurl's place: a connected stream socket to addr, which libcurl
 * then owns and closes; -1 on failure. Used to reach addresses inside an enclave. When it is set,
 * only http URLs are served and proxies are not used.
 */
typedef int (*kt_http_open)(void *arg, const struct sockaddr *addr, socklen_t len,
			    kt_instant deadline, const kt_cancel *cancel, kt_err *err);

typedef struct kt_http_request {
	const char *method; /* NULL = GET */
	const char *url;    /* http or https */
	const kt_http_header *headers;
	size_t header_count;
	const void *body; /* borrowed until the call returns; NULL = none */
	size_t body_len;
	kt_http_source source; /* streams a body instead of `body` */
	void *source_arg;
	int64_t source_len; /* bytes that source will give; -1 = unknown (chunked) */
	kt_http_sink sink;  /* NULL = the body is collected in the response */
	void *sink_arg;
	uint64_t max_body; /* fails with EXHAUSTED past it; 0 = 16 MiB collected, no bound on a sink
			    */
	uint64_t resume_from; /* > 0 asks for the bytes from there on; see kt_http_response.resumed */
	kt_instant deadline;  /* of the whole request; 0 and KT_NEVER = none */
	int64_t connect_ms;   /* time to connect; 0 = 30 s */
	int64_t stall_ms;     /* fails with TIMEOUT when no byte moves for so long; 0 = never */
	const kt_cancel *cancel;
	int max_redirects; /* 0 = 10; -1 = answer 3xx to the caller */
	bool insecure;     /* do not verify the server's certificate */
	const char *ca_file;     /* NULL = the system's */
	const char *client_cert; /* PEM files for mutual TLS */
	const char *client_key;
	const char *unix_socket; /* connect to this path instead of the URL's host */
	kt_http_open open;
	void *open_arg;
	bool fresh_connection; /* neither take one from the pool nor leave one there */
} kt_http_request;

/* Zero-fill before the call, release afterwards. Filled as far as the answer came. */
typedef struct kt_http_response {
	int status;    /* of the last answer; any status is a success of the call */
	bool resumed;  /* 206: the body starts at resume_from; otherwise at its beginning */
	uint64_t body_size; /* bytes handed to the sink or collected */
	kt_buf body;   /* no sink: the body; with a sink: up to 64 KiB of a body that is not 2xx */
	char *url;     /* of the last answer, after redirects */
	kt_http_header *headers; /* of the last answer, names in lower case */
	size_t header_count;
} kt_http_response;

#define KT_HTTP_RESPONSE_INIT {0}
#define KT_AUTO_HTTP_RESPONSE KT_CLEANUP(kt_http_response_deinit)
void kt_http_response_deinit(kt_http_response *self);
/* The first header of that name (case-insensitive), or NULL. Borrowed. */
const char *kt_http_response_header(const kt_http_response *self, const char *name);

KT_MUST_USE kt_http_client *kt_http_client_new(kt_err *err);
void kt_http_client_free(kt_http_client *self); /* NULL allowed; no request may be running */

/*
 * Carries out one request. Blocking. 0 whenever an HTTP answer came whole, whatever its status.
 * UNAVAILABLE: no connection (name unknown, refused, TLS); TIMEOUT; CANCELLED; EXHAUSTED: past
 * max_body; IO: the connection broke; INVALID: a URL that is none. A sink, source or open hook
 * that failed: its own error. The message names the URL without user, password and query.
 */
int kt_http_do(kt_http_client *self, const kt_http_request *request, kt_http_response *ret,
	       kt_err *err);

#endif
