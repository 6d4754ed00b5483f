/* The embedding API: running, calling, introspection, positions, errors, limits. */
#include "../kt_test.h"

#include "starlark/starlark.h"

#include <pthread.h>

typedef struct fixture {
	kt_star *star;
	kt_sthread *t;
} fixture;

static fixture begin(const kt_star_options *options)
{
	fixture f = {.star = kt_star_new(options, NULL)};

	assert_non_null(f.star);
	f.t = kt_sthread_new(f.star);
	assert_non_null(f.t);
	return f;
}

static kt_val exec(fixture *f, const char *src, kt_val names)
{
	return kt_star_exec(f->t, "dir/main.star", src, strlen(src), names);
}

static const char *message(const fixture *f)
{
	const kt_star_error *error = kt_sthread_error(f->t);

	return error == NULL ? "no error" : error->msg;
}

static void module_has_all_globals(void **state)
{
	fixture f = begin(NULL);
	kt_val module = exec(&f, "_a = 1\ndef b(): return _a\nc = [1]\n", KT_NULL);
	kt_val c;

	(void)state;
	assert_int_equal(kt_val_kind(module), KT_KIND_MODULE);
	assert_string_equal(kt_module_name(module), "dir/main.star");
	assert_int_equal(kt_val_len(kt_module_members(module)), 3);
	assert_true(kt_module_get(module, "_a") == kt_int_new(f.t, 1));
	c = kt_module_get(module, "c");
	assert_int_equal(kt_list_append(f.t, c, KT_NONE), -1); /* frozen */
	assert_string_equal(message(&f), "cannot append to frozen list");
	kt_star_free(f.star);
}

static void functions_tell_their_parameters(void **state)
{
	fixture f = begin(NULL);
	kt_val module = exec(&f,
			     "def run(plan, n = 3, *rest, flag, **more):\n"
			     "  \"does things\"\n"
			     "  pass\n"
			     "f = lambda: 1\n",
			     KT_NULL);
	kt_val run = kt_module_get(module, "run");
	kt_fn_param p;

	(void)state;
	assert_int_equal(kt_fn_param_count(run), 5);
	p = kt_fn_param_get(run, 0);
	assert_string_equal(p.name, "plan");
	assert_true(p.default_value == KT_NULL && !p.keyword_only && !p.varargs && !p.kwargs);
	p = kt_fn_param_get(run, 1);
	assert_true(p.default_value == kt_int_new(f.t, 3));
	p = kt_fn_param_get(run, 2);
	assert_string_equal(p.name, "flag");
	assert_true(p.keyword_only && p.default_value == KT_NULL);
	assert_true(kt_fn_param_get(run, 3).varargs);
	assert_string_equal(kt_fn_param_get(run, 3).name, "rest");
	assert_true(kt_fn_param_get(run, 4).kwargs);
	assert_string_equal(kt_fn_doc(run), "does things");
	assert_string_equal(kt_fn_name(run), "run");
	assert_string_equal(kt_fn_name(kt_module_get(module, "f")), "lambda");
	assert_int_equal(kt_fn_param_count(kt_module_get(module, "f")), 0);
	assert_int_equal(kt_fn_pos(run).line, 1);
	kt_star_free(f.star);
}

static void calls_bind_as_in_programs(void **state)
{
	fixture f = begin(NULL);
	kt_val module = exec(&f, "def f(a, b = 2, **k): return [a, b, k]\n", KT_NULL);
	kt_val fn = kt_module_get(module, "f");
	kt_val pos[] = {kt_int_new(f.t, 1)};
	kt_val kw[] = {kt_string_newz(f.t, "zz"), KT_TRUE};
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_val result = kt_star_call(f.t, fn, pos, 1, kw, 1);

	(void)state;
	assert_int_equal(kt_val_repr(f.t, result, &text), 0);
	assert_string_equal(kt_buf_str(&text), "[1, 2, {\"zz\": True}]");
	assert_true(kt_star_call(f.t, fn, NULL, 0, NULL, 0) == KT_NULL);
	assert_string_equal(message(&f), "function f missing 1 argument (a)");
	kt_star_free(f.star);
}

/* ---- host functions -------------------------------------------------------------- */

typedef struct seen {
	int calls;
	kt_star_frame self, caller, top;
	size_t depth;
} seen;

static kt_val look(kt_sthread *t, const kt_args *a)
{
	seen *s = a->user;
	kt_star_frame frame;

	s->calls++;
	assert_true(kt_sthread_frame(t, 0, &s->self));
	assert_true(kt_sthread_frame(t, 1, &s->caller));
	for (s->depth = 0; kt_sthread_frame(t, s->depth, &frame); s->depth++) {
		s->top = frame;
	}
	if (a->v[1] != KT_NULL) {
		return kt_star_raise_tagged(t, 7, "told to fail\n\tCaused by: nothing");
	}
	return a->v[0];
}

static const kt_param look_params[] = {
	{"value", KT_ARG_ANY, false, false},
	{"failing", KT_ARG_BOOL, true, true},
};
static const kt_builtin_row look_row = {"look", KT_ARGS_NAMED, look_params, 2, look};

static kt_val names_with_look(fixture *f, seen *s)
{
	kt_val names = kt_dict_new(f->t, 1);

	assert_int_equal(kt_dict_sets(f->t, names, "look", kt_builtin_new(f->t, &look_row, s)), 0);
	return names;
}

static void host_functions_see_their_callers(void **state)
{
	seen s = {0};
	fixture f = begin(NULL);
	kt_val module = exec(&f,
			     "def f(x):\n"
			     "  y = 1\n"
			     "  return [look(value = x), look(x, None)]\n"
			     "r = f(5)\n",
			     names_with_look(&f, &s));

	(void)state;
	assert_int_equal(kt_val_kind(module), KT_KIND_MODULE);
	assert_int_equal(s.calls, 2);
	assert_string_equal(s.self.name, "look");
	assert_string_equal(s.self.pos.file, "<builtin>");
	assert_string_equal(s.caller.name, "f");
	assert_string_equal(s.caller.pos.file, "dir/main.star");
	assert_int_equal(s.caller.pos.line, 3);
	assert_int_equal(s.caller.pos.col, 32); /* the open parenthesis */
	assert_string_equal(s.top.name, "<toplevel>");
	assert_int_equal(s.top.pos.line, 4);
	assert_int_equal(s.depth, 3);
	kt_star_free(f.star);
}

static void errors_carry_a_traceback(void **state)
{
	seen s = {0};
	fixture f = begin(NULL);
	const kt_star_error *error;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	(void)state;
	assert_true(exec(&f, "def f():\n  look(1, failing = True)\nf()\n",
			 names_with_look(&f, &s)) == KT_NULL);
	error = kt_sthread_error(f.t);
	assert_int_equal(error->kind, KT_STAR_EVAL);
	assert_int_equal(error->tag, 7);
	assert_int_equal(error->nframes, 3);
	assert_string_equal(error->frames[0].name, "<toplevel>");
	assert_int_equal(error->frames[0].pos.line, 3);
	assert_int_equal(error->frames[0].pos.col, 2);
	assert_string_equal(error->frames[1].name, "f");
	assert_int_equal(error->frames[1].pos.col, 7);
	assert_string_equal(error->frames[2].name, "look");
	assert_int_equal(error->frames[2].pos.line, 0);
	kt_star_error_text(error, &text);
	assert_string_equal(kt_buf_str(&text), "Traceback (most recent call last):\n"
					       "  dir/main.star:3:2: in <toplevel>\n"
					       "  dir/main.star:2:7: in f\n"
					       "  <builtin>: in look\n"
					       "Error: told to fail\n\tCaused by: nothing\n");
	kt_sthread_clear_error(f.t);
	assert_null(kt_sthread_error(f.t));
	assert_int_equal(kt_val_kind(exec(&f, "x = 1\n", KT_NULL)), KT_KIND_MODULE);
	kt_star_free(f.star);
}

static void bad_arguments_name_function_and_parameter(void **state)
{
	static const struct {
		const char *src, *msg;
	} rows[] = {
		{"look()", "look: missing argument for value"},
		{"look(1, 2)", "look: for parameter failing: got int, want bool"},
		{"look(1, None, 3)", "look: got 3 arguments, want at most 2"},
		{"look(1, value = 2)", "look: got multiple values for keyword argument \"value\""},
		{"look(1, vale = 2)",
		 "look: unexpected keyword argument \"vale\" (did you mean value?)"},
		/* hints come from the first half of the parameters only */
		{"look(1, failin = 2)", "look: unexpected keyword argument \"failin\""},
	};
	seen s = {0};
	fixture f = begin(NULL);
	kt_val names = names_with_look(&f, &s);

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		assert_true(kt_star_eval(f.t, "e", rows[i].src, strlen(rows[i].src), names) ==
			    KT_NULL);
		assert_string_equal(message(&f), rows[i].msg);
	}
	assert_int_equal(s.calls, 0);
	kt_star_free(f.star);
}

static void diagnostics_have_positions(void **state)
{
	fixture f = begin(NULL);
	const kt_star_error *error;

	(void)state;
	assert_true(exec(&f, "x = 1 +\n", KT_NULL) == KT_NULL);
	error = kt_sthread_error(f.t);
	assert_int_equal(error->kind, KT_STAR_SYNTAX);
	assert_int_equal(error->ndiags, 1);
	assert_string_equal(error->diags[0].msg, "got newline, want primary expression");
	assert_int_equal(error->diags[0].pos.line, 2); /* where the newline ends */
	assert_int_equal(error->diags[0].pos.col, 1);
	assert_true(exec(&f, "a = b\nc = d\n", KT_NULL) == KT_NULL);
	error = kt_sthread_error(f.t);
	assert_int_equal(error->kind, KT_STAR_RESOLVE);
	assert_int_equal(error->ndiags, 2);
	assert_string_equal(error->diags[1].msg, "undefined: d");
	assert_string_equal(error->diags[1].pos.file, "dir/main.star");
	kt_star_free(f.star);
}

/* ---- limits ---------------------------------------------------------------------- */

static void steps_are_limited(void **state)
{
	kt_star_options options = {.step_limit = 100000};
	fixture f = begin(&options);

	(void)state;
	assert_true(exec(&f, "def f():\n  for i in range(1 << 30): pass\nf()\n", KT_NULL) ==
		    KT_NULL);
	assert_int_equal(kt_sthread_error(f.t)->kind, KT_STAR_STEPS);
	assert_in_range(kt_star_steps(f.star), 100000, 110000);
	kt_star_free(f.star);
}

static void memory_is_limited(void **state)
{
	static const char *const programs[] = {
		"def f():\n  x = []\n  for i in range(1 << 30): x.append(str(i))\nf()\n",
		"def f():\n  x = 'a'\n  for i in range(60): x += x\nf()\n",
		"def f():\n  x = {}\n  for i in range(1 << 30): x[i] = (i,)\nf()\n",
		"x = [0] * (1 << 28)\n",
	};
	kt_star_options options = {.memory_limit = 8u << 20};

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(programs); i++) {
		fixture f = begin(&options);

		assert_true(exec(&f, programs[i], KT_NULL) == KT_NULL);
		assert_int_equal(kt_sthread_error(f.t)->kind, KT_STAR_NOMEM);
		assert_true(kt_star_memory(f.star) <= 8u << 20);
		kt_star_free(f.star);
	}
}

static void runs_can_be_cancelled(void **state)
{
	kt_cancel *cancel = kt_cancel_new(NULL);
	kt_star_options options = {.cancel = cancel};
	fixture f = begin(&options);

	(void)state;
	kt_cancel_fire(cancel);
	assert_true(exec(&f, "def f():\n  for i in range(1 << 30): pass\nf()\n", KT_NULL) ==
		    KT_NULL);
	assert_int_equal(kt_sthread_error(f.t)->kind, KT_STAR_CANCELLED);
	kt_star_free(f.star);
	kt_cancel_unref(cancel);
}

/* ---- memory shortage --------------------------------------------------------------- */

static const char everything[] =
	"def f(a, b = [1], *args, c = 2, **kw):\n"
	"  '''doc'''\n"
	"  d = {'x': 1, 2.5: (a, b)}\n"
	"  for i in range(20):\n"
	"    d[i] = [i, str(i) + 'é', {i: i}]\n"
	"  g = lambda x: [x + y for y in range(3) if y % 2 == 0] + [a]\n"
	"  s = struct(n = 1 << 70, f = g, **kw)\n"
	"  if len(d) > 3 and not s.n < 0 or a:\n"
	"    d.pop('x')\n"
	"  else:\n"
	"    d.clear()\n"
	"  return sorted([j for j in g(1)], key = lambda v: -v), s.n * s.n, '%s' % (d,), kw | {}\n"
	"r = f(*[1, 2, 3], **{'c': 4, 'zz': 5})\n"
	"t = [repr(r), getattr(r[0], 'nope', None), zip(r, r), max(1, 2.5), dir('')]\n";

/* 0 when the program ran, -1 when memory was short anywhere. */
static int try_everything(kt_star **ret)
{
	kt_star *star = kt_star_new(NULL, NULL);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	kt_val names = t == NULL ? KT_NULL : kt_dict_new(t, 4);

	*ret = star;
	if (names == KT_NULL || kt_dict_sets(t, names, "struct", kt_struct_builtin(t)) < 0) {
		return -1;
	}
	if (kt_star_exec(t, "m", everything, sizeof(everything) - 1, names) == KT_NULL) {
		assert_int_equal(kt_sthread_error(t)->kind, KT_STAR_NOMEM);
		return -1;
	}
	return 0;
}

static void every_failed_allocation_is_an_error(void **state)
{
	kt_star *star = NULL;

	(void)state;
	KT_TEST_EVERY_ALLOC(5000, try_everything(&star), kt_star_free(star));
}

/* ---- depth, on the small stacks of servers ---------------------------------------------- */

static void nest(kt_buf *src, const char *open, const char *core, const char *close, int n)
{
	kt_buf_clear(src);
	for (int i = 0; i < n; i++) {
		kt_buf_adds(src, open);
	}
	kt_buf_adds(src, core);
	for (int i = 0; i < n; i++) {
		kt_buf_adds(src, close);
	}
	kt_buf_addc(src, '\n');
}

static void *deep_programs(void *arg)
{
	static const struct {
		const char *open, *core, *close;
		int n;
	} shapes[] = {
		{"(", "1", ")", 190},
		{"[", "1", "]", 190},
		{"(", "1", ")", 100000},
		{"[", "", "", 100000},
		{"{1:", "1", "}", 5000},
		{"-", "1", "", 5000},
		{"not ", "1", "", 5000},
		{"lambda: ", "1", "", 5000},
		{"1 if 1 else ", "1", "", 5000},
		{"[x for x in ", "[]", "]", 5000},
		{"1 + ", "1", "", 20000},
		{"1 and ", "1", "", 20000},
		{"", "len", "(1)", 395},
		{"", "len", ".a", 395},
		{"", "len", "[0]", 395},
		{"", "len", "[0:1]", 395},
		{"len(", "1", ")", 99},
		{"len(x = [", "1", "])", 60},
		{"", "len", "(1)", 5000},
		{"", "len", ".a", 5000},
		{"", "len", "[0]", 5000},
		{"if 1:\n ", "pass", "", 5000},
		{"def f(): return 1 if 1 else (", "1", ")", 5000},
	};
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;

	(void)arg;
	for (size_t i = 0; i < KT_ARRAY_LEN(shapes); i++) {
		fixture f = begin(NULL);

		nest(&src, shapes[i].open, shapes[i].core, shapes[i].close, shapes[i].n);
		(void)exec(&f, kt_buf_str(&src), KT_NULL); /* any answer will do */
		kt_star_free(f.star);
	}
	return NULL;
}

static const char deep_values[] =
	"def f():\n"
	"  x = []\n"
	"  for i in range(100000): x = [x]\n"
	"  return x\n"
	"def t():\n"
	"  x = ()\n"
	"  for i in range(100000): x = (x,)\n"
	"  return x\n"
	"a = f()\n"
	"b = t()\n";

static void *deep_values_in(void *arg)
{
	fixture f = begin(NULL);
	kt_val module = exec(&f, deep_values, KT_NULL); /* freezes them, too */
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	uint32_t hash;
	bool equal;
	kt_val a = kt_module_get(module, "a");
	kt_val b = kt_module_get(module, "b");

	(void)arg;
	assert_int_equal(kt_val_kind(module), KT_KIND_MODULE);
	assert_int_equal(kt_val_repr(f.t, a, &text), -1);
	assert_string_equal(message(&f), "value nested too deeply to be printed");
	kt_sthread_clear_error(f.t);
	assert_int_equal(kt_val_hash(f.t, b, &hash), -1);
	kt_sthread_clear_error(f.t);
	assert_int_equal(kt_val_equal(f.t, a, a, &equal), -1);
	assert_string_equal(message(&f), "comparison exceeded maximum recursion depth");
	kt_star_free(f.star);
	return NULL;
}

static void depth_is_bounded(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(kt_thread_start(&thread, 0, "deep", deep_programs, NULL, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(kt_thread_start(&thread, 0, "deep", deep_values_in, NULL, NULL), 0);
	pthread_join(thread, NULL);
}

/* ---- values ------------------------------------------------------------------------ */

static void ints_of_all_sizes(void **state)
{
	static const int64_t numbers[] = {0,	     1,		    -1,
					  INT64_MAX, INT64_MIN,	    INT64_MAX / 2,
					  INT64_MIN / 2, INT64_MAX / 2 + 1, INT64_MIN / 2 - 1};
	fixture f = begin(NULL);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	int64_t back;
	kt_val v;

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(numbers); i++) {
		assert_true(kt_int_get(kt_int_new(f.t, numbers[i]), &back));
		assert_true(back == numbers[i]);
	}
	v = kt_int_new_u64(f.t, UINT64_MAX);
	assert_false(kt_int_get(v, &back));
	assert_int_equal(kt_val_str(f.t, v, &text), 0);
	assert_string_equal(kt_buf_str(&text), "18446744073709551615");
	kt_star_free(f.star);
}

static void structs_and_iteration(void **state)
{
	fixture f = begin(NULL);
	kt_val names[] = {kt_string_newz(f.t, "b"), kt_string_newz(f.t, "a")};
	kt_val values[] = {kt_int_new(f.t, 1), KT_NONE};
	kt_val s = kt_struct_new(f.t, kt_string_newz(f.t, "Thing"), names, values, 2);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *name;
	kt_iter iter;
	kt_val item;

	(void)state;
	assert_true(kt_struct_field(s, 0, &name) == KT_NONE);
	assert_string_equal(name, "a");
	assert_true(kt_struct_get(s, "b") == kt_int_new(f.t, 1));
	assert_true(kt_struct_get(s, "c") == KT_NULL);
	assert_int_equal(kt_val_str(f.t, s, &text), 0);
	assert_string_equal(kt_buf_str(&text), "Thing(a = None, b = 1)");
	assert_true(kt_val_attr(f.t, s, "bb", true) == KT_NULL);
	assert_null(kt_sthread_error(f.t));
	assert_true(kt_val_attr(f.t, s, "bb", false) == KT_NULL);
	assert_string_equal(message(&f), "\"Thing\" struct has no .bb attribute");
	kt_sthread_clear_error(f.t);

	assert_int_equal(kt_iter_begin(f.t, &iter, kt_list_new(f.t, values, 2)), 0);
	assert_int_equal(kt_iter_next(f.t, &iter, &item), 1);
	assert_true(item == values[0]);
	assert_int_equal(kt_list_append(f.t, iter.seq, KT_NONE), -1);
	kt_sthread_clear_error(f.t);
	assert_int_equal(kt_iter_next(f.t, &iter, &item), 1);
	assert_int_equal(kt_iter_next(f.t, &iter, &item), 0);
	kt_iter_end(&iter);
	kt_iter_end(&iter);
	assert_int_equal(kt_iter_begin(f.t, &iter, names[0]), -1);
	assert_string_equal(message(&f), "string value is not iterable");
	kt_star_free(f.star);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(module_has_all_globals),
		cmocka_unit_test(functions_tell_their_parameters),
		cmocka_unit_test(calls_bind_as_in_programs),
		cmocka_unit_test(host_functions_see_their_callers),
		cmocka_unit_test(errors_carry_a_traceback),
		cmocka_unit_test(bad_arguments_name_function_and_parameter),
		cmocka_unit_test(diagnostics_have_positions),
		cmocka_unit_test(steps_are_limited),
		cmocka_unit_test(memory_is_limited),
		cmocka_unit_test(runs_can_be_cancelled),
		cmocka_unit_test(every_failed_allocation_is_an_error),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(ints_of_all_sizes),
		cmocka_unit_test(structs_and_iteration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
