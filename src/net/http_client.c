/*
 * libcurl's multi interface driven by the calling thread: that way a request can be
 * interrupted by a token and a deadline of any precision. A "lane" is a multi handle with one
 * easy handle; idle lanes keep their open connections.
 */
#include "net/http_client.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/vec.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#define COLLECT_MAX ((uint64_t)16 << 20)
#define ERROR_BODY_MAX ((size_t)64 << 10)
#define IDLE_LANES 16
#define LONGEST_WAIT_MS 60000

typedef struct lane {
	CURLM *multi;
	CURL *easy;
	struct lane *next;
} lane;

struct kt_http_client {
	pthread_mutex_t lock;
	lane *idle;
	size_t idle_count;
	char *no_proxy;
};

/* One running request. */
typedef struct transfer {
	const kt_http_request *request;
	kt_http_response *response;
	struct curl_slist *headers;
	KT_VEC(kt_http_header) received;
	kt_err inner; /* of a hook or a check of ours; wins over libcurl's verdict */
	kt_instant moved; /* when a byte last moved */
	uint64_t max_body;
	char *shown; /* "METHOD URL" for messages */
	int dialled;  /* the connection that the open hook made, until libcurl has it */
	int stand_in; /* libcurl's own descriptor for it */
	int nowhere;  /* what the stand-in connects to */
	char verdict[CURL_ERROR_SIZE];
} transfer;

/* Hands a clean-up descriptor on. */
#define KT_STEAL_FD(fd)                                                                            \
	({                                                                                         \
		int stolen_fd_ = (fd);                                                             \
		(fd) = -1;                                                                         \
		stolen_fd_;                                                                        \
	})

void kt_http_response_deinit(kt_http_response *self)
{
	for (size_t i = 0; i < self->header_count; i++) {
		kt_free((void *)(uintptr_t)self->headers[i].name);
	}
	kt_free(self->headers);
	kt_free(self->url);
	kt_buf_deinit(&self->body);
	memset(self, 0, sizeof(*self));
}

const char *kt_http_response_header(const kt_http_response *self, const char *name)
{
	for (size_t i = 0; i < self->header_count; i++) {
		if (strcasecmp(self->headers[i].name, name) == 0) {
			return self->headers[i].value;
		}
	}
	return NULL;
}

kt_http_client *kt_http_client_new(kt_err *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		KT_FAIL(err, INTERNAL, "libcurl cannot be initialised");
		return NULL;
	}
	kt_http_client *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	const char *env = getenv("no_proxy");
	env = env != NULL ? env : getenv("NO_PROXY");
	self->no_proxy = kt_asprintf("%s%slocalhost,127.0.0.0/8,::1", kt_str_or(env, ""),
				     kt_str_empty(env) ? "" : ",");
	if (self->no_proxy == NULL || pthread_mutex_init(&self->lock, NULL) != 0) {
		kt_free(self->no_proxy);
		kt_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	return self;
}

static void lane_free(lane *l)
{
	if (l == NULL) {
		return;
	}
	if (l->easy != NULL) {
		curl_easy_cleanup(l->easy);
	}
	if (l->multi != NULL) {
		curl_multi_cleanup(l->multi);
	}
	kt_free(l);
}

void kt_http_client_free(kt_http_client *self)
{
	if (self == NULL) {
		return;
	}
	while (self->idle != NULL) {
		lane *l = self->idle;
		self->idle = l->next;
		lane_free(l);
	}
	pthread_mutex_destroy(&self->lock);
	kt_free(self->no_proxy);
	kt_free(self);
}

static lane *lane_take(kt_http_client *self)
{
	{
		KT_LOCK(&self->lock);
		lane *l = self->idle;
		if (l != NULL) {
			self->idle = l->next;
			self->idle_count--;
			return l;
		}
	}
	lane *l = kt_calloc(1, sizeof(*l));
	if (l == NULL) {
		return NULL;
	}
	l->multi = curl_multi_init();
	l->easy = curl_easy_init();
	if (l->multi == NULL || l->easy == NULL) {
		lane_free(l);
		return NULL;
	}
	return l;
}

static void lane_give_back(kt_http_client *self, lane *l)
{
	{
		KT_LOCK(&self->lock);
		if (self->idle_count < IDLE_LANES) {
			l->next = self->idle;
			self->idle = l;
			self->idle_count++;
			return;
		}
	}
	lane_free(l);
}

/* "METHOD URL" without what could be secret in the URL. */
static char *shown_text(const char *method, const char *url)
{
	CURLU *parts = curl_url();
	char *clean = NULL;
	char *ret = NULL;
	if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
		curl_url_set(parts, CURLUPART_USER, NULL, 0);
		curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
		curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
		curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
		if (curl_url_get(parts, CURLUPART_URL, &clean, 0) != CURLUE_OK) {
			clean = NULL;
		}
	}
	ret = kt_asprintf("%s %s", method, clean != NULL ? clean : "(not a URL)");
	curl_free(clean);
	curl_url_cleanup(parts);
	return ret;
}

static void forget_headers(transfer *t)
{
	for (size_t i = 0; i < t->received.len; i++) {
		kt_free((void *)(uintptr_t)t->received.items[i].name);
	}
	t->received.len = 0;
}

/* Name and value share one allocation, which `name` points to. */
static int keep_header(transfer *t, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	if (colon == NULL) {
		return 0;
	}
	char *text = kt_strndup(line, len);
	if (text == NULL) {
		return -1;
	}
	size_t name_len = (size_t)(colon - line);
	for (size_t i = 0; i < name_len; i++) {
		text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
	}
	text[name_len] = '\0';
	char *value = text + name_len + 1;
	while (*value == ' ' || *value == '\t') {
		value++;
	}
	for (char *end = text + len; end > value && strchr(" \t\r\n", end[-1]) != NULL;) {
		*--end = '\0';
	}
	if (kt_vec_push(&t->received, ((kt_http_header){text, value})) < 0) {
		kt_free(text);
		return -1;
	}
	return 0;
}

/* Checks that a 206 starts where it was asked to. */
static int check_range(transfer *t)
{
	const char *range = NULL;
	for (size_t i = 0; i < t->received.len; i++) {
		if (strcmp(t->received.items[i].name, "content-range") == 0) {
			range = t->received.items[i].value;
		}
	}
	if (range == NULL || strncasecmp(range, "bytes ", 6) != 0 ||
	    strtoull(range + 6, NULL, 10) != t->request->resume_from) {
		return KT_FAIL(&t->inner, CORRUPT,
			       "the server answered another range than asked for (%s)",
			       kt_str_or(range, "no Content-Range"));
	}
	return 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	transfer *t = arg;
	size_t len = size * count;
	t->moved = kt_now();
	if (len > 5 && strncmp(data, "HTTP/", 5) == 0) {
		const char *space = memchr(data, ' ', len);
		forget_headers(t);
		kt_buf_clear(&t->response->body);
		t->response->status = space != NULL ? atoi(space + 1) : 0;
		t->response->resumed = t->response->status == 206 && t->request->resume_from > 0;
		return len;
	}
	if (len <= 2 && t->response->resumed && check_range(t) < 0) {
		return 0;
	}
	return keep_header(t, data, len) < 0 ? 0 : len;
}

static int keep_body(transfer *t, const void *data, size_t len)
{
	const kt_http_request *request = t->request;
	kt_http_response *response = t->response;
	bool success = response->status >= 200 && response->status < 300;
	if (request->sink != NULL && !success) {
		size_t room = ERROR_BODY_MAX - KT_MIN(ERROR_BODY_MAX, response->body.len);
		kt_buf_add(&response->body, data, KT_MIN(len, room));
		return kt_buf_check(&response->body, &t->inner);
	}
	if (t->max_body > 0 && response->body_size + len > t->max_body) {
		return KT_FAIL(&t->inner, EXHAUSTED, "the answer is larger than %llu bytes",
			       (unsigned long long)t->max_body);
	}
	response->body_size += len;
	if (request->sink != NULL) {
		return request->sink(request->sink_arg, data, len, &t->inner);
	}
	kt_buf_add(&response->body, data, len);
	return kt_buf_check(&response->body, &t->inner);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	transfer *t = arg;
	size_t len = size * count;
	int rc = keep_body(t, data, len);
	t->moved = kt_now();
	return rc < 0 ? (size_t)CURL_WRITEFUNC_ERROR : len;
}

static size_t on_upload(char *buffer, size_t size, size_t count, void *arg)
{
	transfer *t = arg;
	ssize_t n = t->request->source(t->request->source_arg, buffer, size * count, &t->inner);
	t->moved = kt_now();
	return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
}

/* A fresh listener on an abstract address of its own; its address goes to *address. */
static int listen_nowhere(struct curl_sockaddr *address, kt_err *err)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(name);
	KT_AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)) < 0 ||
	    listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
	    len > sizeof(address->addr)) {
		return KT_FAIL_ERRNO(err, "no socket");
	}
	memcpy(&address->addr, &name, len);
	address->family = AF_UNIX;
	address->addrlen = len;
	return KT_STEAL_FD(fd);
}

/*
 * libcurl 7.88 calls connect() even on a socket that it was told is connected. So it gets one
 * that connects to a listener of ours, and on_connected puts the real connection in its place.
 */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	transfer *t = arg;
	(void)purpose;
	kt_instant deadline = t->request->deadline == 0 ? KT_NEVER : t->request->deadline;
	kt_err_release(&t->inner);
	KT_AUTO_FD int fd = t->request->open(t->request->open_arg, &address->addr,
					     (socklen_t)address->addrlen, deadline,
					     t->request->cancel, &t->inner);
	int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		return CURL_SOCKET_BAD;
	}
	kt_close_ptr(&t->nowhere);
	t->nowhere = listen_nowhere(address, &t->inner);
	int stand_in = t->nowhere < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stand_in < 0) {
		return CURL_SOCKET_BAD;
	}
	kt_close_ptr(&t->dialled);
	t->dialled = KT_STEAL_FD(fd);
	t->stand_in = stand_in;
	return stand_in;
}

/* Called when libcurl takes its socket for connected and has not sent anything yet. */
static int on_connected(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	transfer *t = arg;
	(void)peer;
	(void)local;
	(void)peer_port;
	(void)local_port;
	if (t->dialled >= 0 && dup3(t->dialled, t->stand_in, O_CLOEXEC) < 0) {
		KT_FAIL_ERRNO(&t->inner, "the connection cannot be handed on");
		return CURL_PREREQFUNC_ABORT;
	}
	kt_close_ptr(&t->dialled);
	kt_close_ptr(&t->nowhere);
	return CURL_PREREQFUNC_OK;
}

static int add_header(transfer *t, const char *line)
{
	struct curl_slist *list = curl_slist_append(t->headers, line);
	if (list == NULL) {
		return -1;
	}
	t->headers = list;
	return 0;
}

static int build_headers(transfer *t, kt_err *err)
{
	const kt_http_request *request = t->request;
	bool typed = false;
	for (size_t i = 0; i < request->header_count; i++) {
		const kt_http_header *h = &request->headers[i];
		if (kt_str_empty(h->name) || strpbrk(h->name, "\r\n: ") != NULL ||
		    strpbrk(h->value, "\r\n") != NULL) {
			return KT_FAIL(err, INVALID, "the header %s has a line break or no name",
				       kt_str_or(h->name, "\"\""));
		}
		typed = typed || strcasecmp(h->name, "content-type") == 0;
		/* libcurl reads "Name:" as "leave it out" and "Name;" as "send it empty". */
		KT_AUTO_FREE char *line = *h->value == '\0'
						  ? kt_asprintf("%s;", h->name)
						  : kt_asprintf("%s: %s", h->name, h->value);
		if (line == NULL || add_header(t, line) < 0) {
			return kt_err_nomem(err);
		}
	}
	if (add_header(t, "Expect:") < 0 || (!typed && add_header(t, "Content-Type:") < 0)) {
		return kt_err_nomem(err);
	}
	return 0;
}

static void set_method(CURL *easy, transfer *t)
{
	const kt_http_request *request = t->request;
	const char *method = kt_str_or(request->method, "GET");
	bool body = request->body != NULL || request->source != NULL;
	if (request->source != NULL) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(easy, CURLOPT_READDATA, t);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->source_len);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	} else if (body || strcmp(method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body ? request->body : "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		if (strcmp(method, "POST") != 0) {
			curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
		}
	} else if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	}
}

static void set_connection(const kt_http_client *self, CURL *easy, transfer *t)
{
	const kt_http_request *request = t->request;
	int64_t connect_ms = request->connect_ms > 0 ? request->connect_ms : 30000;
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, self->no_proxy);
	if (request->open != NULL) {
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
		curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
		curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
		/* A TLS handshake would come before on_connected. */
		curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
		curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http");
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	}
	if (request->open != NULL || request->fresh_connection) {
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
	if (request->unix_socket != NULL) {
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	}
	if (request->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (request->ca_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
	}
	if (request->client_cert != NULL) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, request->client_cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, request->client_key);
	}
}

static int set_up(const kt_http_client *self, lane *l, transfer *t, kt_err *err)
{
	const kt_http_request *request = t->request;
	CURL *easy = l->easy;
	if (build_headers(t, err) < 0) {
		return -1;
	}
	curl_easy_reset(easy);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->verdict);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "kurtosis/" KT_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (request->max_redirects >= 0) {
		long most = request->max_redirects == 0 ? 10L : (long)request->max_redirects;
		curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
		curl_easy_setopt(easy, CURLOPT_MAXREDIRS, most);
	}
	set_method(easy, t);
	set_connection(self, easy, t);
	if (request->resume_from > 0) {
		char range[32];
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)request->resume_from);
		curl_easy_setopt(easy, CURLOPT_RANGE, range);
	}
	if (curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK ||
	    curl_multi_add_handle(l->multi, easy) != CURLM_OK) {
		return kt_err_nomem(err);
	}
	return 0;
}

static int check_time(const transfer *t, kt_err *err)
{
	const kt_http_request *request = t->request;
	kt_instant now = kt_now();
	if (request->deadline != 0 && now >= request->deadline) {
		return KT_FAIL(err, TIMEOUT, "no complete answer in the time given");
	}
	if (request->stall_ms > 0 && now - t->moved >= request->stall_ms * KT_NS_PER_MS) {
		return KT_FAIL(err, TIMEOUT, "no data for %lld ms", (long long)request->stall_ms);
	}
	return 0;
}

static int next_wait_ms(const transfer *t)
{
	kt_instant until = t->request->deadline == 0 ? KT_NEVER : t->request->deadline;
	if (t->request->stall_ms > 0) {
		until = KT_MIN(until, t->moved + t->request->stall_ms * KT_NS_PER_MS);
	}
	int left = kt_ms_left(until);
	return left < 0 ? LONGEST_WAIT_MS : KT_MIN(left, LONGEST_WAIT_MS);
}

/* Drives the transfer to its end; *ret is libcurl's verdict. */
static int drive(lane *l, transfer *t, CURLcode *ret, kt_err *err)
{
	struct curl_waitfd token = {kt_cancel_fd(t->request->cancel), CURL_WAIT_POLLIN, 0};
	for (;;) {
		int running = 0;
		if (curl_multi_perform(l->multi, &running) != CURLM_OK) {
			return KT_FAIL(err, INTERNAL, "libcurl's state is broken");
		}
		int left = 0;
		for (CURLMsg *m; (m = curl_multi_info_read(l->multi, &left)) != NULL;) {
			if (m->msg == CURLMSG_DONE) {
				*ret = m->data.result;
				return 0;
			}
		}
		if (kt_cancel_check(t->request->cancel, err) < 0 || check_time(t, err) < 0) {
			return -1;
		}
		if (curl_multi_poll(l->multi, &token, token.fd >= 0 ? 1U : 0U, next_wait_ms(t),
				    NULL) != CURLM_OK) {
			return kt_err_nomem(err);
		}
	}
}

static kt_err_code code_of(CURLcode code)
{
	switch (code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return KT_ERR_INVALID;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return KT_ERR_UNAVAILABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return KT_ERR_TIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return KT_ERR_NOMEM;
	default:
		return KT_ERR_IO;
	}
}

static int finish(lane *l, transfer *t, CURLcode code, kt_err *err)
{
	kt_http_response *response = t->response;
	if (code != CURLE_OK) {
		if (t->inner.code != KT_ERR_OK) {
			kt_err_move(err, &t->inner);
			return -1;
		}
		return kt_err_set(err, code_of(code), "%s",
				  t->verdict[0] != '\0' ? t->verdict : curl_easy_strerror(code));
	}
	const char *url = NULL;
	curl_easy_getinfo(l->easy, CURLINFO_EFFECTIVE_URL, &url);
	response->url = kt_strdup(url != NULL ? url : t->request->url);
	if (response->url == NULL) {
		return kt_err_nomem(err);
	}
	return 0;
}

int kt_http_do(kt_http_client *self, const kt_http_request *request, kt_http_response *ret,
	       kt_err *err)
{
	transfer t = {.request = request, .response = ret, .inner = KT_ERR_INIT, .moved = kt_now(),
		      .dialled = -1, .stand_in = -1, .nowhere = -1};
	t.max_body = request->max_body;
	if (t.max_body == 0 && request->sink == NULL) {
		t.max_body = COLLECT_MAX;
	}
	t.shown = shown_text(kt_str_or(request->method, "GET"), request->url);
	lane *l = t.shown != NULL ? lane_take(self) : NULL;
	if (l == NULL) {
		kt_free(t.shown);
		return kt_err_nomem(err);
	}
	CURLcode code = CURLE_OK;
	int rc = kt_cancel_check(request->cancel, err);
	if (rc == 0) {
		rc = set_up(self, l, &t, err);
	}
	if (rc == 0) {
		rc = drive(l, &t, &code, err);
		if (rc == 0) {
			rc = finish(l, &t, code, err);
		}
		curl_multi_remove_handle(l->multi, l->easy);
	}
	lane_give_back(self, l);
	kt_close_ptr(&t.dialled);
	kt_close_ptr(&t.nowhere);
	curl_slist_free_all(t.headers);
	/* What arrived belongs to the caller even when the request failed later. */
	ret->headers = t.received.items;
	ret->header_count = t.received.len;
	kt_err_release(&t.inner);
	if (rc < 0) {
		KT_WRAP(err, "%s", t.shown);
	}
	kt_free(t.shown);
	return rc;
}
