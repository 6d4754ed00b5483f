/* What a run and a thread are made of. For the sources of this module only. */
#ifndef KT_STARLARK_RUN_INTERNAL_H
#define KT_STARLARK_RUN_INTERNAL_H

#include "starlark/value.h"

#include "base/arena.h"

#define KT_BLOCK_CLASSES 28 /* powers of two from 16 bytes */
#define KT_STACK_VALUES (96u * 1024u)
#define KT_MAX_FRAMES 8000u
#define KT_MAX_C_DEPTH 40 /* calls from C into the VM, one within the other */
#define KT_SLICE 4096     /* steps between two looks at limits and cancel token */

typedef struct kt_heap_chunk {
	struct kt_heap_chunk *next;
	size_t size;
} kt_heap_chunk;

typedef struct kt_free_block {
	struct kt_free_block *next;
} kt_free_block;

struct kt_star {
	kt_star_options opt;
	kt_heap_chunk *chunks;
	char *next, *end;
	size_t total, chunk_size;
	kt_free_block *free_blocks[KT_BLOCK_CLASSES];

	kt_str **interned; /* open addressing, power of two */
	uint32_t interned_mask, interned_count;
	kt_shape **shapes; /* chained */
	uint32_t shapes_mask, shapes_count;
	kt_shape *last_shape;
	kt_val empty_string;
	kt_val bytes1[256]; /* strings of one byte, made on demand */
	kt_val struct_name;
	kt_dict *universe;
	kt_dict *methods[KT_KIND_COUNT]; /* name → builtin without receiver */

	uint64_t steps;
	kt_sthread *threads;
	kt_arena texts; /* of error messages and positions that outlive a call */
};

typedef struct kt_frame {
	struct kt_frame *up;   /* caller */
	struct kt_frame *down; /* kept for reuse */
	kt_val callee;	       /* a function, a builtin, or KT_NULL for the bottom */
	const struct kt_instr *pc; /* of functions: the instruction after the current one */
	kt_val *base;
	uint32_t iter_base;
	uint32_t ret; /* register of the caller that gets the result; UINT32_MAX: back to C */
	bool at_entry; /* argument binding failed: the position is that of the function */
	kt_sthread *was_active; /* of the function's code, before this call */
} kt_frame;

struct kt_sthread {
	kt_star *star;
	kt_sthread *next, *prev;
	kt_val *stack, *stack_end;
	kt_frame bottom;
	kt_frame *frame;
	uint32_t depth;
	int c_depth;
	kt_val *iters; /* lists, dicts and sets being iterated over, for unwinding */
	uint32_t niters, iters_cap;
	int slice; /* steps until the next look at the limits */
	bool failed;
	bool captured; /* the traceback has been taken */
	kt_star_error err;
};

size_t kt_heap_limit(const kt_star *star); /* bytes; also for texts that are being built */

/* Counts the steps of a slice; 0, or -1 with STEPS or CANCELLED raised. */
int kt_thread_tick(kt_sthread *t);

kt_frame *kt_frame_push(kt_sthread *t, kt_val callee); /* NULL with an error */
void kt_frame_pop(kt_sthread *t);
void kt_thread_unwind_iters(kt_sthread *t, uint32_t to);
int kt_iter_guard_push(kt_sthread *t, kt_val seq); /* marks seq as being iterated over */

/* Takes the traceback of the pending error, unless it has one. */
void kt_error_capture(kt_sthread *t);
kt_val kt_error_set(kt_sthread *t, kt_star_err_kind kind, const char *msg, size_t len);

/* Universe. */
kt_dict *kt_universe_make(kt_sthread *t);
/* The method of a builtin kind without a receiver, or KT_NULL. name is interned. */
kt_val kt_method_find(const kt_star *star, kt_kind kind, kt_val name);
int kt_methods_init(kt_sthread *t);

kt_shape *kt_shape_get(kt_sthread *t, const kt_val *sorted_names, uint32_t n);

#endif
