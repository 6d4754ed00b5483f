#include "../kt_test.h"

#include "base/thread.h"

#include <poll.h>

static void *waiter(void *arg)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int rc = kt_wait_fd(-1, 0, KT_NEVER, arg, &err);
	return (void *)(intptr_t)(rc < 0 && err.code == KT_ERR_CANCELLED);
}

static void firing_a_parent_wakes_a_child(void **state)
{
	(void)state;
	kt_cancel *parent = kt_cancel_new(NULL);
	kt_cancel *child = kt_cancel_child(parent, NULL);
	pthread_t thread;
	assert_int_equal(kt_thread_start(&thread, 0, "waiter", waiter, child, NULL), 0);
	kt_cancel_fire(parent);
	kt_cancel_fire(parent);
	void *ok = NULL;
	pthread_join(thread, &ok);
	assert_non_null(ok);
	assert_true(kt_cancel_fired(child));
	kt_cancel *late = kt_cancel_child(parent, NULL);
	assert_true(kt_cancel_fired(late));
	kt_cancel_unref(parent);
	kt_cancel_unref(child);
	kt_cancel_unref(late);
}

static void waits_time_out(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_wait_fd(-1, 0, kt_after_ms(5), NULL, &err), -1);
	assert_int_equal(err.code, KT_ERR_TIMEOUT);
	assert_int_equal(kt_cancel_check(NULL, &err), 0);
	assert_int_equal(kt_cancel_fd(NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(firing_a_parent_wakes_a_child), cmocka_unit_test(waits_time_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
