/* Log files: tails over rotations, partial lines, filters, following. */
#include "../kt_test.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/thread.h"
#include "logs/logs.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct fixture {
	char *dir;
	char *path;
	unsigned lines;
} fixture;

static int set_up(void **state)
{
	fixture *self = kt_calloc(1, sizeof(*self));
	self->dir = kt_fs_mkdtemp(NULL, "kt-logs-", NULL);
	self->path = kt_path_join(self->dir, "s.log");
	*state = self;
	return 0;
}

static int tear_down(void **state)
{
	fixture *self = *state;
	kt_fs_remove_tree(self->dir, NULL);
	kt_free(self->dir);
	kt_free(self->path);
	kt_free(self);
	return 0;
}

static void append(fixture *self, const char *text)
{
	KT_AUTO_FD int fd = open(self->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(kt_fs_write_all(fd, text, strlen(text), NULL), 0);
}

static void put(fixture *self, const char *stream, char tag, const char *text)
{
	KT_AUTO_FREE char *record =
		kt_asprintf("2026-11-22T12:00:%02u.000000007Z %s %c %s\n", self->lines++ % 60,
			    stream, tag, text);
	append(self, record);
}

static void rotate(fixture *self)
{
	for (int i = 8; i > 0; i--) {
		KT_AUTO_FREE char *from =
			i == 1 ? kt_strdup(self->path) : kt_asprintf("%s.%d", self->path, i - 1);
		KT_AUTO_FREE char *to = kt_asprintf("%s.%d", self->path, i);
		rename(from, to);
	}
}

typedef struct collector {
	pthread_mutex_t lock;
	kt_buf text;
	int64_t last_time;
	int arrived; /* an eventfd, counts lines */
} collector;

static int collect(void *ctx, const kt_log_entry *entry, kt_err *err)
{
	collector *self = ctx;
	KT_LOCK(&self->lock);
	kt_buf_addf(&self->text, "%s%.*s|", entry->is_stderr ? "!" : "", (int)entry->len,
		    entry->text);
	self->last_time = entry->wall_ns;
	uint64_t one = 1;
	assert_int_equal(write(self->arrived, &one, sizeof(one)), sizeof(one));
	return kt_buf_check(&self->text, err);
}

static void collector_init(collector *self)
{
	*self = (collector){.text = KT_BUF_INIT};
	pthread_mutex_init(&self->lock, NULL);
	self->arrived = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
}

static void collector_deinit(collector *self)
{
	kt_buf_deinit(&self->text);
	close(self->arrived);
}

static void expect(fixture *self, kt_log_query query, const char *wants)
{
	KT_CLEANUP(collector_deinit) collector got;
	collector_init(&got);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	query.path = self->path;
	assert_int_equal(kt_log_read(&query, collect, &got, &err), 0);
	assert_string_equal(kt_buf_str(&got.text), wants);
}

static void tails_cross_rotations(void **state)
{
	fixture *self = *state;
	expect(self, (kt_log_query){.all = true}, "");
	put(self, "stdout", 'F', "a");
	put(self, "stderr", 'F', "b");
	rotate(self);
	put(self, "stdout", 'F', "c");
	rotate(self);
	put(self, "stdout", 'F', "");
	put(self, "stdout", 'F', "e");
	expect(self, (kt_log_query){.all = true}, "a|!b|c||e|");
	expect(self, (kt_log_query){.lines = 4}, "!b|c||e|");
	expect(self, (kt_log_query){.lines = 3}, "c||e|");
	expect(self, (kt_log_query){.lines = 2}, "|e|");
	expect(self, (kt_log_query){.lines = 0}, "");
	expect(self, (kt_log_query){.lines = 100}, "a|!b|c||e|");
}

static void parts_become_lines(void **state)
{
	fixture *self = *state;
	put(self, "stdout", 'F', "first");
	put(self, "stdout", 'P', "be");
	put(self, "stderr", 'F', "other");
	put(self, "stdout", 'F', "gin");
	put(self, "stdout", 'P', "prompt> ");
	expect(self, (kt_log_query){.all = true}, "first|!other|begin|prompt> |");
	append(self, "2026-11-22T12:00:59.000000000Z stdout F half-writ");
	expect(self, (kt_log_query){.lines = 2}, "begin|prompt> |");
}

static void times_are_read(void **state)
{
	fixture *self = *state;
	put(self, "stdout", 'F', "a");
	put(self, "stdout", 'F', "b");
	KT_CLEANUP(collector_deinit) collector got;
	collector_init(&got);
	const int64_t second = INT64_C(1795348801); /* 2026-11-22T12:00:01Z */
	kt_log_query query = {
		.path = self->path, .all = true, .not_before = second * KT_NS_PER_S};
	assert_int_equal(kt_log_read(&query, collect, &got, NULL), 0);
	assert_string_equal(kt_buf_str(&got.text), "b|");
	assert_int_equal(got.last_time, second * KT_NS_PER_S + 7);
}

static void filters_choose(void **state)
{
	fixture *self = *state;
	put(self, "stdout", 'F', "GET /index ÄPFEL 200");
	put(self, "stdout", 'F', "POST /form 500");
	static const struct {
		kt_log_operator op;
		const char *pattern;
		const char *wants;
	} rows[] = {
		{KT_LOG_HAS_TEXT, "get", "GET /index ÄPFEL 200|"},
		{KT_LOG_HAS_TEXT, "äpf", "GET /index ÄPFEL 200|"},
		{KT_LOG_LACKS_TEXT, "GET", "POST /form 500|"},
		{KT_LOG_HAS_MATCH, "[45]00$", "POST /form 500|"},
		{KT_LOG_HAS_MATCH, "get", ""},
		{KT_LOG_LACKS_MATCH, "^POST", "GET /index ÄPFEL 200|"},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		kt_log_filters *filters = kt_log_filters_new(NULL);
		assert_int_equal(kt_log_filters_add(filters, rows[i].op, rows[i].pattern, NULL), 0);
		expect(self, (kt_log_query){.all = true, .filters = filters}, rows[i].wants);
		kt_log_filters_free(filters);
	}
	kt_log_filters *filters = kt_log_filters_new(NULL);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_log_filters_add(filters, KT_LOG_HAS_MATCH, "a(b", &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
	/* Filtering comes after the tail. */
	assert_int_equal(kt_log_filters_add(filters, KT_LOG_HAS_TEXT, "get", NULL), 0);
	expect(self, (kt_log_query){.lines = 1, .filters = filters}, "");
	/* An expression that explodes ends with an error, not never. */
	kt_log_filters *bomb = kt_log_filters_new(NULL);
	assert_int_equal(kt_log_filters_add(bomb, KT_LOG_HAS_MATCH, "(a+)+(a+)+(a+)+$b", NULL), 0);
	KT_AUTO_BUF kt_buf line = KT_BUF_INIT;
	for (int i = 0; i < 200; i++) {
		kt_buf_addc(&line, 'a');
	}
	kt_buf_addc(&line, '!');
	assert_true(kt_log_filters_pass(bomb, line.data, line.len, NULL) <= 0);
	kt_log_filters_free(bomb);
	kt_log_filters_free(filters);
}

typedef struct follower {
	collector got;
	kt_log_query query;
	pthread_t thread;
	kt_err err;
	int rc;
} follower;

static void *run_follower(void *arg)
{
	follower *self = arg;
	self->rc = kt_log_read(&self->query, collect, &self->got, &self->err);
	return NULL;
}

static void await_lines(follower *self, int count)
{
	for (int i = 0; i < count; i++) {
		uint64_t one = 0;
		assert_int_equal(
			kt_wait_fd(self->got.arrived, POLLIN, kt_after_ms(10000), NULL, NULL), 0);
		assert_int_equal(read(self->got.arrived, &one, sizeof(one)), sizeof(one));
	}
}

static void a_follower_sees_every_line(void **state)
{
	fixture *self = *state;
	follower f = {.err = KT_ERR_INIT};
	collector_init(&f.got);
	kt_cancel *cancel = kt_cancel_new(NULL);
	f.query = (kt_log_query){
		.path = self->path, .lines = 10, .follow = true, .cancel = cancel};
	assert_int_equal(kt_thread_start(&f.thread, 0, "follow", run_follower, &f, NULL), 0);
	put(self, "stdout", 'F', "1"); /* the file appears */
	await_lines(&f, 1);
	put(self, "stdout", 'F', "2");
	put(self, "stdout", 'P', "3a");
	await_lines(&f, 2);
	for (int i = 0; i < 3; i++) {
		rotate(self);
		put(self, "stderr", 'F', "x");
		put(self, "stdout", 'F', "y");
	}
	await_lines(&f, 6);
	kt_cancel_fire(cancel);
	pthread_join(f.thread, NULL);
	assert_int_equal(f.rc, -1);
	assert_int_equal(f.err.code, KT_ERR_CANCELLED);
	assert_string_equal(kt_buf_str(&f.got.text), "1|2|3a|!x|y|!x|y|!x|y|");
	kt_err_release(&f.err);
	collector_deinit(&f.got);
	kt_cancel_unref(cancel);
}

static void a_follower_ends_with_the_directory(void **state)
{
	fixture *self = *state;
	put(self, "stdout", 'F', "1");
	follower f = {.err = KT_ERR_INIT};
	collector_init(&f.got);
	f.query = (kt_log_query){.path = self->path, .all = true, .follow = true};
	assert_int_equal(kt_thread_start(&f.thread, 0, "follow", run_follower, &f, NULL), 0);
	await_lines(&f, 1);
	assert_int_equal(kt_fs_remove_tree(self->dir, NULL), 0);
	pthread_join(f.thread, NULL);
	assert_int_equal(f.rc, 0);
	collector_deinit(&f.got);
	/* And one that comes too late ends at once. */
	expect(self, (kt_log_query){.all = true, .follow = true}, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tails_cross_rotations),
		TEST(parts_become_lines),
		TEST(times_are_read),
		TEST(filters_choose),
		TEST(a_follower_sees_every_line),
		TEST(a_follower_ends_with_the_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
