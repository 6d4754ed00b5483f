/* The event loop: posted work keeps its order, watches and timers fire and stop. */
#include "kt_test.h"

#include "net/loop.h"

#include <semaphore.h>
#include <unistd.h>

#define POSTS 1000

typedef struct shared {
	kt_loop *loop;
	sem_t done;
	int order[POSTS];
	int count;
	int fds[2];
	kt_watch *watch;
	kt_timer *timer;
	kt_instant fired;
} shared;

typedef struct post {
	shared *s;
	int number;
} post;

static void note(void *arg)
{
	post *p = arg;
	p->s->order[p->s->count++] = p->number;
	if (p->s->count == POSTS) {
		sem_post(&p->s->done);
	}
}

static void test_posts_in_order(void **state)
{
	shared *s = *state;
	static post posts[POSTS];
	for (int i = 0; i < POSTS; i++) {
		posts[i] = (post){s, i};
		assert_int_equal(kt_loop_post(s->loop, note, &posts[i]), 0);
	}
	sem_wait(&s->done);
	for (int i = 0; i < POSTS; i++) {
		assert_int_equal(s->order[i], i);
	}
}

static void on_readable(void *arg, int events)
{
	shared *s = arg;
	char byte;
	if ((events & KT_LOOP_READ) != 0 && read(s->fds[0], &byte, 1) == 1) {
		kt_watch_free(s->watch);
		sem_post(&s->done);
	}
}

static void start_watch(void *arg)
{
	shared *s = arg;
	s->watch = kt_watch_new(s->loop, s->fds[0], on_readable, s, NULL);
	kt_watch_set(s->watch, KT_LOOP_READ);
}

static void test_watch(void **state)
{
	shared *s = *state;
	assert_int_equal(pipe(s->fds), 0);
	kt_loop_post(s->loop, start_watch, s);
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	sem_wait(&s->done);
}

static void on_time(void *arg)
{
	shared *s = arg;
	s->fired = kt_now();
	kt_timer_free(s->timer);
	sem_post(&s->done);
}

static void start_timer(void *arg)
{
	shared *s = arg;
	s->timer = kt_timer_new(s->loop, on_time, s, NULL);
	kt_timer_set(s->timer, kt_after_ms(500));
	kt_timer_set(s->timer, kt_after_ms(20));
}

static void test_timer(void **state)
{
	shared *s = *state;
	kt_instant before = kt_now();
	kt_loop_post(s->loop, start_timer, s);
	sem_wait(&s->done);
	assert_true(s->fired - before >= 20 * KT_NS_PER_MS);
	assert_true(s->fired - before < 400 * KT_NS_PER_MS);
}

/* Work posted before the end still runs; what was never freed is freed. */
static void bump(void *arg)
{
	++*(int *)arg;
}

static void test_free_runs_the_rest(void **state)
{
	(void)state;
	kt_loop *loop = kt_loop_new(NULL);
	int ran = 0;
	assert_non_null(kt_timer_new(loop, bump, &ran, NULL));
	kt_loop_post(loop, bump, &ran);
	kt_loop_free(loop);
	assert_int_equal(ran, 1);
}

static int set_up(void **state)
{
	static shared s;
	sem_init(&s.done, 0, 0);
	s.loop = kt_loop_new(NULL);
	*state = &s;
	return kt_loop_start(s.loop, "loop", NULL);
}

static int tear_down(void **state)
{
	shared *s = *state;
	kt_loop_free(s->loop);
	close(s->fds[0]);
	close(s->fds[1]);
	sem_destroy(&s->done);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_posts_in_order),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_free_runs_the_rest),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
