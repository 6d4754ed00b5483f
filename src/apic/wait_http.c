/* WaitForHttp…EndpointAvailability: attempts until an endpoint answers 200. */
#include "apic/apic_internal.h"
#include "base/str.h"

/* Both requests in one form. */
typedef struct wait_args {
	const char *service;
	const char *method;
	const char *path; /* without its leading slash */
	const char *body; /* of the request; NULL = none */
	uint16_t port;
	uint32_t delay_ms;
	uint32_t retries;
	uint32_t pause_ms;
	const char *expected; /* body of the answer; "" = anything */
} wait_args;

/* A pause that the caller's leaving ends. */
static int pause_ms(kt_grpc_call *call, uint32_t ms, kt_err *err)
{
	KT_AUTO_ERR kt_err waited = KT_ERR_INIT;
	kt_instant until = KT_MIN(kt_after_ms(ms), kt_grpc_call_deadline(call));

	if (ms > 0 && kt_wait_fd(-1, 0, until, kt_grpc_call_cancel(call), &waited) < 0 &&
	    waited.code != KT_ERR_TIMEOUT) {
		kt_err_move(err, &waited);
		return -1;
	}
	return 0;
}

static int attempt(kt_apic *apic, kt_grpc_call *call, const wait_args *args, const kt_reg *reg,
                   kt_arena *arena, kt_buf *body, kt_err *err)
{
	kt_service_http request = {
	        .method = args->method,
	        .port = args->port,
	        .path = kt_arena_printf(arena, "/%s", args->path),
	        .content_type = args->body != NULL ? "application/json" : NULL,
	        .body = args->body,
	        .deadline = kt_grpc_call_deadline(call),
	        .cancel = kt_grpc_call_cancel(call),
	};
	int status = 0;

	if (request.path == NULL) {
		return kt_err_nomem(err);
	}
	kt_buf_clear(body);
	if (kt_run_env_http(apic->env, reg, &request, &status, body, err) < 0) {
		return -1;
	}
	return status == 200 ? 0 : KT_FAIL(err, UNAVAILABLE, "the answer was %d", status);
}

static int try_until_ready(kt_apic *apic, kt_grpc_call *call, const wait_args *args,
                           const kt_reg *reg, const char *url, kt_arena *arena, kt_buf *body,
                           kt_err *err)
{
	KT_AUTO_ERR kt_err last = KT_ERR_INIT;

	for (uint32_t i = 0; i < args->retries; i++) {
		kt_err_release(&last);
		if (attempt(apic, call, args, reg, arena, body, &last) == 0) {
			return 0;
		}
		if (kt_cancel_check(kt_grpc_call_cancel(call), err) < 0 ||
		    pause_ms(call, args->pause_ms, err) < 0) {
			return -1;
		}
	}
	kt_err_move(err, &last);
	return KT_WRAP(err,
	               "The HTTP endpoint '%s' didn't return a success code, even after %u retries "
	               "with %u milliseconds in between retries",
	               url, args->retries, args->pause_ms);
}

static int wait_endpoint(kt_apic *apic, kt_grpc_call *call, const wait_args *args, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_BUF kt_buf body = KT_BUF_INIT;
	kt_reg reg = {0};

	if (kt_run_env_service(apic->env, args->service, &arena, &reg, err) < 0) {
		return -1;
	}
	if (reg.status != KT_REG_STARTED) {
		return KT_FAIL(err, PRECONDITION,
		               "Service '%s' isn't running so can never become available",
		               args->service);
	}
	const char *url = kt_arena_printf(&arena, "http://%s:%u/%s", reg.ip, (unsigned)args->port,
	                                  args->path);
	if (url == NULL) {
		return kt_err_nomem(err);
	}
	/* No retries means no call at all, and then there is nothing to compare. */
	if (args->retries == 0) {
		return pause_ms(call, args->delay_ms, err);
	}
	if (pause_ms(call, args->delay_ms, err) < 0 ||
	    try_until_ready(apic, call, args, &reg, url, &arena, &body, err) < 0) {
		return KT_WRAP(
		        err, "An error occurred waiting for HTTP endpoint '%s' to become available",
		        url);
	}
	if (args->expected[0] != '\0' && strcmp(args->expected, kt_buf_str(&body)) != 0) {
		return KT_FAIL(err, PRECONDITION,
		               "Expected response body text '%s' from endpoint '%s' but got '%s' "
		               "instead",
		               args->expected, url, kt_buf_str(&body));
	}
	return 0;
}

static int answer(kt_apic *apic, kt_grpc_call *call, const wait_args *args, kt_err *err)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	return wait_endpoint(apic, call, args, err) < 0 ? -1 : kt_grpc_send(call, &empty.base, err);
}

KT_APIC_HANDLER(wait_http_get)
{
	const ApiContainerApi__WaitForHttpGetEndpointAvailabilityArgs *from =
	        (const ApiContainerApi__WaitForHttpGetEndpointAvailabilityArgs *)request;
	wait_args args = {
	        .service = from->service_identifier,
	        .method = "GET",
	        .path = KT_OPT_OR(from, path, ""),
	        .port = (uint16_t)from->port,
	        .delay_ms = KT_OPT_OR(from, initial_delay_milliseconds, 0),
	        .retries = KT_OPT_OR(from, retries, 0),
	        .pause_ms = KT_OPT_OR(from, retries_delay_milliseconds, 0),
	        .expected = KT_OPT_OR(from, body_text, ""),
	};

	return answer(host, call, &args, err);
}

KT_APIC_HANDLER(wait_http_post)
{
	const ApiContainerApi__WaitForHttpPostEndpointAvailabilityArgs *from =
	        (const ApiContainerApi__WaitForHttpPostEndpointAvailabilityArgs *)request;
	wait_args args = {
	        .service = from->service_identifier,
	        .method = "POST",
	        .path = KT_OPT_OR(from, path, ""),
	        .body = KT_OPT_OR(from, request_body, ""),
	        .port = (uint16_t)from->port,
	        .delay_ms = KT_OPT_OR(from, initial_delay_milliseconds, 0),
	        .retries = KT_OPT_OR(from, retries, 0),
	        .pause_ms = KT_OPT_OR(from, retries_delay_milliseconds, 0),
	        .expected = KT_OPT_OR(from, body_text, ""),
	};

	return answer(host, call, &args, err);
}
