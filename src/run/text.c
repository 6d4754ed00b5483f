/* Runtime values inside texts, and small text forms shared by the executors. */
#include "plan/refs.h"
#include "run/run_internal.h"

int kt_run_fill(kt_run_env *env, kt_arena *arena, const char *text, const char **ret, kt_err *err)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	size_t len = strlen(text);
	kt_ref ref;

	if (!kt_ref_find(text, len, 0, &ref)) {
		*ret = kt_arena_strndup(arena, text, len);
		return *ret != NULL ? 0 : kt_err_nomem(err);
	}
	if (kt_ref_replace(text, len, kt_state_lookup_text, env->state, &out, err) < 0) {
		return -1;
	}
	*ret = kt_arena_strndup(arena, kt_buf_str(&out), out.len);
	return *ret != NULL ? kt_buf_check(&out, err) : kt_err_nomem(err);
}

int kt_run_fill_strs(kt_run_env *env, kt_arena *arena, const kt_plan_strs *from, kt_plan_strs *ret,
                     kt_err *err)
{
	const char **items = KT_ARENA_ARRAY(arena, const char *, from->len + 1);

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < from->len; i++) {
		if (kt_run_fill(env, arena, from->items[i], &items[i], err) < 0) {
			return -1;
		}
	}
	*ret = (kt_plan_strs){items, from->len};
	return 0;
}

int kt_run_fill_pairs(kt_run_env *env, kt_arena *arena, const kt_plan_pairs *from,
                      kt_plan_pairs *ret, kt_err *err)
{
	kt_plan_pair *items = KT_ARENA_ARRAY(arena, kt_plan_pair, from->len + 1);

	if (items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < from->len; i++) {
		items[i].key = from->items[i].key;
		if (kt_run_fill(env, arena, from->items[i].value, &items[i].value, err) < 0) {
			return -1;
		}
	}
	*ret = (kt_plan_pairs){items, from->len};
	return 0;
}

const char *const *kt_run_argv(kt_arena *arena, const kt_plan_strs *strs)
{
	const char **items = KT_ARENA_ARRAY(arena, const char *, strs->len + 1);

	for (size_t i = 0; items != NULL && i < strs->len; i++) {
		items[i] = strs->items[i];
	}
	return items;
}

void kt_add_codes(kt_buf *out, const kt_plan_ints *codes)
{
	kt_buf_addc(out, '[');
	for (size_t i = 0; i < codes->len; i++) {
		kt_buf_addf(out, "%s%lld", i > 0 ? " " : "", (long long)codes->items[i]);
	}
	kt_buf_addc(out, ']');
}

bool kt_code_ok(int64_t code, const kt_plan_ints *codes)
{
	for (size_t i = 0; i < codes->len; i++) {
		if (codes->items[i] == code) {
			return true;
		}
	}
	return false;
}
