#include "backend/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const image_entrypoint[] = {"/entry", NULL};
static const char *const image_cmd[] = {"serve", NULL};
static const char *const image_env[] = {"PATH=/opt/bin", "A=1", "B=2", NULL};
static const kt_image_defaults image = {image_entrypoint, image_cmd, image_env};

static void command_is(const kt_service_spec *spec, const char *want)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const char *const *entrypoint = NULL;
	const char *const *cmd = NULL;
	assert_int_equal(kt_merge_command(spec, &image, &arena, &entrypoint, &cmd, NULL), 0);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	for (size_t i = 0; entrypoint[i] != NULL; i++) {
		kt_buf_addf(&text, "%s ", entrypoint[i]);
	}
	kt_buf_adds(&text, "|");
	for (size_t i = 0; cmd[i] != NULL; i++) {
		kt_buf_addf(&text, " %s", cmd[i]);
	}
	assert_string_equal(kt_buf_str(&text), want);
}

static void test_command(void **state)
{
	(void)state;
	static const char *const mine[] = {"mine", NULL};
	static const char *const none[] = {NULL};
	command_is(&(kt_service_spec){0}, "/entry | serve");
	command_is(&(kt_service_spec){.cmd = mine}, "/entry | mine");
	command_is(&(kt_service_spec){.cmd = none}, "/entry | serve");
	command_is(&(kt_service_spec){.entrypoint = mine}, "mine |");
	command_is(&(kt_service_spec){.entrypoint = mine, .cmd = mine}, "mine | mine");
	command_is(&(kt_service_spec){.entrypoint = mine, .cmd = none}, "mine |");
	command_is(&(kt_service_spec){.entrypoint = none}, "| serve");
	command_is(&(kt_service_spec){.entrypoint = none, .cmd = none}, "| serve");
	command_is(&(kt_service_spec){.entrypoint = none, .cmd = mine}, "| mine");
}

static void test_env(void **state)
{
	(void)state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	const kt_kv vars[] = {{"B", "x=y"}, {"C", ""}};
	const kt_service_spec spec = {.env = vars, .env_len = 2};
	const char *const *env = NULL;
	assert_int_equal(kt_merge_env(&spec, &image, &arena, &env, NULL), 0);
	static const char *const want[] = {"PATH=/opt/bin", "A=1", "B=x=y", "C="};
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(env[i], want[i]);
	}
	assert_null(env[4]);
	const kt_image_defaults bare = {0};
	assert_int_equal(kt_merge_env(&(kt_service_spec){0}, &bare, &arena, &env, NULL), 0);
	assert_true(strncmp(env[0], "PATH=/usr/local/sbin:", 21) == 0);
}

static void test_published(void **state)
{
	(void)state;
	const kt_service_spec plain = {0};
	const kt_service_spec udp_too = {.publish_udp = true};
	const kt_port_spec tcp = {.number = 1, .protocol = KT_TCP};
	const kt_port_spec udp = {.number = 1, .protocol = KT_UDP};
	const kt_port_spec fixed = {.number = 1, .protocol = KT_UDP, .public_number = 9};
	assert_true(kt_port_published(&plain, &tcp));
	assert_false(kt_port_published(&plain, &udp));
	assert_true(kt_port_published(&udp_too, &udp));
	assert_true(kt_port_published(&plain, &fixed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_published),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
