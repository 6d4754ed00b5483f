/* Ports, wait, ready conditions, HTTP recipes: what takes time, and what ends it. */
#include "harness.h"

#include "base/fs.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static void refusing_port_opens(void **state)
{
	harness *h = *state;

	kt_fake_script_service(h->backend, &(kt_fake_service){.name = "db", .refuse_dials = 5});
	harness_add_service(h, "db", 5432);
	harness_run(h, true);
}

/* The end of the process ends the wait long before the port's time is over. */
static void service_dies(void **state)
{
	harness *h = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_reg reg = {0};
	kt_instant start = kt_now();

	kt_fake_script_service(h->backend, &(kt_fake_service){.name = "api",
	                                                      .log = "bad password\n",
	                                                      .refuse_dials = -1,
	                                                      .exits = true,
	                                                      .exit_after_dials = 3,
	                                                      .exit_code = 7});
	harness_add_service(h, "api", 3000);
	harness_run(h, false);
	assert_true(kt_now() - start < KT_NS_PER_S);
	harness_expect(h,
	               "Caused by: Unexpected error occurred starting service 'api'\n"
	               "Caused by: An error occurred waiting for all TCP and UDP ports to be open "
	               "for service 'api' with private IP '172.16.0.5'; this is usually due to a "
	               "misconfiguration in the service itself, so here are the logs:\n"
	               "== SERVICE 'api' LOGS ===================================\n"
	               "bad password\n\n"
	               "== FINISHED SERVICE 'api' LOGS ===================================\n"
	               "Caused by: An error occurred while waiting for all TCP and UDP ports to be "
	               "open\n"
	               "Caused by: Unsuccessful ports check for IP '172.16.0.5' and port spec "
	               "'{number:3000 transportProtocol:TCP}'");
	harness_expect(h, "Caused by: An error occurred while calling network address "
	                  "'172.16.0.5:3000' with port protocol 'TCP' and using time out '200ms'\n"
	                  "Caused by: the service exited with code 7\n"
	                  "FINISHED no (none)\n");
	assert_int_equal(kt_run_env_service(h->env, "api", &arena, &reg, NULL), -1);
}

static void port_never_opens(void **state)
{
	harness *h = *state;
	kt_instr *instr = harness_add_service(h, "api", 3000);
	kt_plan_port *port = KT_ARENA_NEW(&h->arena, kt_plan_port);

	*port = instr->u.add_service.config.ports.items[0];
	port->wait_ns = 30 * KT_NS_PER_MS;
	instr->u.add_service.config.ports.items = port;
	kt_fake_script_service(h->backend, &(kt_fake_service){.name = "api", .refuse_dials = -1});
	harness_run(h, false);
	harness_expect(h, "Timeout '30ms' has been reached\n");
	harness_expect(h, "Caused by: dial tcp 172.16.0.5:3000: connect: connection refused\n");
}

static void no_wait_and_udp(void **state)
{
	harness *h = *state;
	kt_instr *instr = harness_add_service(h, "api", 3000);
	kt_plan_port *ports = KT_ARENA_ARRAY(&h->arena, kt_plan_port, 2);

	ports[0] = (kt_plan_port){.id = "a", .number = 1, .wait_ns = KT_PLAN_NO_WAIT};
	ports[1] = (kt_plan_port){
	        .id = "b", .number = 2, .transport = KT_PLAN_UDP, .wait_ns = KT_NS_PER_S};
	instr->u.add_service.config.ports = (kt_plan_ports){ports, 2};
	kt_fake_script_service(h->backend, &(kt_fake_service){.name = "api", .refuse_dials = -1});
	harness_run(h, true);
}

/* A service without ports that dies with an error at once. */
static void early_death(void **state)
{
	harness *h = *state;

	kt_fake_script_service(h->backend, &(kt_fake_service){.name = "job",
	                                                      .log = "no such table\n",
	                                                      .exits = true,
	                                                      .exit_code = 2});
	harness_add_service(h, "job", 0);
	harness_run(h, false);
	harness_expect(h, "(with image 'nginx') die with a non zero exit code rapidly after it was "
	                  "started.");
	harness_expect(h, "logs are below:\n--------------------- CONTAINER LOGS "
	                  "-----------------------\nno such table\n\n"
	                  "------------------- END CONTAINER LOGS --------------------\n"
	                  "Caused by: the service exited with code 2\n");
	kt_fake_script_service(h->backend,
	                       &(kt_fake_service){.name = "job", .exits = true, .exit_code = 0});
	harness_run(h, true);
}

static kt_plan_condition exec_condition(const char *const *argv, size_t n, kt_pval target)
{
	return (kt_plan_condition){.recipe = {.kind = KT_PLAN_RECIPE_EXEC,
	                                      .command = {argv, n},
	                                      .text = "ExecRecipe(command=[\"probe\"])"},
	                           .field = "output",
	                           .assertion = KT_PLAN_EQ,
	                           .target = target,
	                           .interval_ns = KT_NS_PER_MS,
	                           .timeout_ns = 5 * KT_NS_PER_S};
}

static const char *const probe[] = {"probe"};
static const kt_pval ready_text = {.kind = KT_PVAL_STRING, .text = "ready", .text_len = 5};

static void wait_succeeds(void **state)
{
	harness *h = *state;
	kt_instr *instr = NULL;

	kt_fake_script_exec(h->backend, "db", "probe", 1, "not yet", 2);
	kt_fake_script_exec(h->backend, "db", "probe", 0, "ready", -1);
	harness_add_service(h, "db", 0);
	instr = harness_add(h, KT_INSTR_WAIT);
	instr->u.wait = (kt_args_wait){.service_name = "db",
	                               .condition = exec_condition(probe, 1, ready_text),
	                               .ref_uuid = REF_B};
	harness_print(h, PLACEHOLDER(REF_B, "output") "/" PLACEHOLDER(REF_B, "code"));
	harness_run(h, true);
	harness_expect(h, "RESULT Wait took 3 tries (");
	harness_expect(h,
	               " in total). Assertion passed with following:\nCommand returned with exit "
	               "code '0' and the following output: ready\n");
	harness_expect(h, "RESULT ready/0\n");
}

static void wait_times_out(void **state)
{
	harness *h = *state;
	kt_instr *instr = NULL;

	kt_fake_script_exec(h->backend, "db", "probe", 0, "never", -1);
	harness_add_service(h, "db", 0);
	instr = harness_add(h, KT_INSTR_WAIT);
	instr->u.wait = (kt_args_wait){.service_name = "db",
	                               .condition = exec_condition(probe, 1, ready_text),
	                               .ref_uuid = REF_B};
	instr->u.wait.condition.timeout_ns = 20 * KT_NS_PER_MS;
	harness_run(h, false);
	harness_expect(h,
	               "Caused by: An error occurred checking if service 'db' is ready.\n"
	               "Caused by: Recipe execution timed-out waiting for the recipe execution to "
	               "become valid on service 'db'. Tried '");
	harness_expect(h, "' times. Last assertion execution error was:\n '$Verification failed "
	                  "'\"never\"' '==' '\"ready\"''\n");
}

/* An interval longer than the timeout: one try, and the wait ends at the timeout. */
static void wait_long_interval(void **state)
{
	harness *h = *state;
	kt_instr *instr = harness_add(h, KT_INSTR_WAIT);
	kt_instant start = kt_now();

	h->unchecked = true;
	instr->u.wait = (kt_args_wait){.service_name = "nobody",
	                               .condition = exec_condition(probe, 1, ready_text),
	                               .ref_uuid = REF_B};
	instr->u.wait.condition.timeout_ns = 20 * KT_NS_PER_MS;
	instr->u.wait.condition.interval_ns = 60 * KT_NS_PER_S;
	harness_run(h, false);
	assert_true(kt_now() - start < 5 * KT_NS_PER_S);
	harness_expect(h, "Tried '1' times. Last recipe execution error was:\n '$An error occurred "
	                  "while getting service 'nobody'\n");
}

static void wait_unknown_field(void **state)
{
	harness *h = *state;
	kt_instr *instr = NULL;

	harness_add_service(h, "db", 0);
	kt_fake_script_exec(h->backend, "db", "probe", 0, "", -1);
	instr = harness_add(h, KT_INSTR_WAIT);
	instr->u.wait = (kt_args_wait){.service_name = "db",
	                               .condition = exec_condition(probe, 1, ready_text),
	                               .ref_uuid = REF_B};
	instr->u.wait.condition.timeout_ns = 5 * KT_NS_PER_MS;
	instr->u.wait.condition.field = "nothing";
	harness_run(h, false);
	harness_expect(h,
	               "'$Error extracting value from key 'nothing'. This is a bug in Kurtosis.'");
}

static void ready_condition(void **state)
{
	harness *h = *state;
	kt_plan_condition condition = exec_condition(probe, 1, ready_text);

	kt_fake_script_exec(h->backend, "db", "probe", 0, "starting", 1);
	kt_fake_script_exec(h->backend, "db", "probe", 0, "ready", 1);
	kt_fake_script_exec(h->backend, "db", "probe", 0, "gone", -1);
	harness_add_service(h, "db", 0)->u.add_service.config.ready = &condition;
	harness_run(h, true);
	condition.timeout_ns = 10 * KT_NS_PER_MS;
	harness_run(h, false);
	harness_expect(h,
	               "Caused by: An error occurred while checking if service 'db' is ready\n"
	               "Caused by: An error occurred checking if service 'db' is ready, using "
	               "recipe 'ExecRecipe(command=[\"probe\"])', value field 'output', assertion "
	               "'==', target '\"ready\"', interval '1ms' and time-out '10ms'.\n"
	               "Caused by: Recipe execution timed-out");
}

static void ready_in_batch(void **state)
{
	harness *h = *state;
	kt_plan_condition condition = exec_condition(probe, 1, ready_text);
	kt_instr *instr = harness_add(h, KT_INSTR_ADD_SERVICES);
	kt_args_add_service items[] = {
	        {.name = "a", .config = harness_config(h, 0), .ref_uuid = REF_A},
	        {.name = "b", .config = harness_config(h, 0), .ref_uuid = REF_B},
	};

	kt_fake_script_exec(h->backend, "a", "probe", 0, "ready", -1);
	kt_fake_script_exec(h->backend, "b", "probe", 0, "never", -1);
	condition.timeout_ns = 10 * KT_NS_PER_MS;
	items[0].config.ready = &condition;
	items[1].config.ready = &condition;
	instr->u.add_services = (kt_args_add_services){.items = items, .len = 2};
	harness_run(h, false);
	harness_expect(h, "Caused by: An error occurred while checking all service, these are the "
	                  "errors by service:\nService 'b' error:\n");
	assert_false(harness_says(h, "Service 'a' error"));
}

/* --- HTTP --- */

/* A server that gives one canned answer per connection, in order. */
typedef struct http_stub {
	int fd;
	uint16_t port;
	const char *const *answers;
	size_t n;
	char requests[8192];
	pthread_t thread;
} http_stub;

static void *serve_stub(void *arg)
{
	http_stub *s = arg;
	size_t used = 0;

	for (size_t i = 0; i < s->n; i++) {
		int fd = accept(s->fd, NULL, NULL);
		ssize_t n = 0;
		size_t start = used;
		do {
			n = read(fd, s->requests + used, sizeof(s->requests) - 1 - used);
			used += n > 0 ? (size_t)n : 0;
			s->requests[used] = '\0';
		} while (n > 0 && strstr(s->requests + start, "\r\n\r\n") == NULL);
		kt_fs_write_all(fd, s->answers[i], strlen(s->answers[i]), NULL);
		close(fd);
	}
	return NULL;
}

static void start_stub(http_stub *s, const char *const *answers, size_t n)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	memset(s, 0, sizeof(*s));
	s->answers = answers;
	s->n = n;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
	s->port = ntohs(address.sin_port);
	assert_int_equal(kt_thread_start(&s->thread, 0, "stub", serve_stub, s, NULL), 0);
}

static void end_stub(http_stub *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

static kt_instr *add_request(harness *h, kt_plan_recipe recipe)
{
	static const int64_t ok[] = {200, 201};
	kt_instr *instr = harness_add(h, KT_INSTR_REQUEST);

	recipe.port_id = "http";
	recipe.text = "Recipe";
	instr->u.request = (kt_args_recipe){.service_name = "web",
	                                    .recipe = recipe,
	                                    .acceptable_codes = {ok, 2},
	                                    .ref_uuid = REF_B};
	return instr;
}

static void requests(void **state)
{
	harness *h = *state;
	static const char *const answers[] = {ANSWER("200 OK", "{\"n\": [1, 2]}"),
	                                      ANSWER("201 Created", "made"),
	                                      ANSWER("500 Oops", "no")};
	kt_plan_pair extract[] = {{"last", ".n[-1]"}};
	kt_plan_pair headers[] = {{"X-Key", "v"}, {"Content-Type", "text/plain"}};
	http_stub stub;

	start_stub(&stub, answers, 3);
	harness_add_service(h, "web", 80);
	add_request(h, (kt_plan_recipe){.kind = KT_PLAN_RECIPE_GET,
	                                .endpoint = "/items?x=1",
	                                .headers = {headers, 1},
	                                .extract = {extract, 1}});
	add_request(h,
	            (kt_plan_recipe){.kind = KT_PLAN_RECIPE_POST,
	                             .endpoint = "/new",
	                             .body = "{\"last\": " PLACEHOLDER(REF_B, "extract.last") "}",
	                             .content_type = "application/json",
	                             .headers = {headers, 2}});
	add_request(h, (kt_plan_recipe){.kind = KT_PLAN_RECIPE_GET, .endpoint = "/"});
	kt_fake_script_port(h->backend, "web", 80, stub.port);
	/* The port wait would take an answer; the service is there already. */
	h->instrs[0].u.add_service.config.ports.len = 1;
	kt_plan_port *port = KT_ARENA_NEW(&h->arena, kt_plan_port);
	*port = h->instrs[0].u.add_service.config.ports.items[0];
	port->wait_ns = KT_PLAN_NO_WAIT;
	h->instrs[0].u.add_service.config.ports.items = port;
	harness_run(h, false);
	end_stub(&stub);
	harness_expect(h,
	               "RESULT Request had response code '200' and body \"{\\\"n\\\": [1, 2]}\", "
	               "with extracted fields:\n'extract.last': 2\n");
	harness_expect(h, "RESULT Request had response code '201' and body \"made\"\n");
	harness_expect(h, "Caused by: Request returned status code '500' that is not part of the "
	                  "acceptable status codes '[200 201]'\n");
	assert_non_null(strstr(stub.requests, "GET /items?x=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(stub.requests, "X-Key: v\r\n"));
	assert_non_null(strstr(stub.requests, "POST /new HTTP/1.1\r\n"));
	assert_non_null(strstr(stub.requests, "Content-Type: application/json\r\n"));
	assert_null(strstr(stub.requests, "text/plain"));
	assert_non_null(strstr(stub.requests, "Content-Length: 11\r\n"));
}

static void request_without_port(void **state)
{
	harness *h = *state;

	h->unchecked = true;
	harness_add_service(h, "web", 0);
	add_request(h, (kt_plan_recipe){.kind = KT_PLAN_RECIPE_GET, .endpoint = "/"});
	harness_run(h, false);
	harness_expect(h, "Caused by: An error occurred while executing http recipe on service "
	                  "'web'\nCaused by: An error occurred when running HTTP request recipe "
	                  "'Recipe'\nCaused by: An error occurred when getting port 'web' from "
	                  "service 'http' for HTTP request\n");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(refusing_port_opens),  TEST(service_dies),       TEST(port_never_opens),
	        TEST(no_wait_and_udp),      TEST(early_death),        TEST(wait_succeeds),
	        TEST(wait_times_out),       TEST(wait_long_interval), TEST(wait_unknown_field),
	        TEST(ready_condition),      TEST(ready_in_batch),     TEST(requests),
	        TEST(request_without_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
