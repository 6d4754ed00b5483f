/* For prompts and other tools around the language, beyond what running programs takes. */
#ifndef KT_STARLARK_TOOLS_H
#define KT_STARLARK_TOOLS_H

#include "starlark/starlark.h"

/*
 * Executes one of several pieces of a program, as they are typed at a prompt: as kt_star_exec, but
 * gives the dict of the piece's globals, and freezes nothing.
 */
kt_val kt_star_exec_piece(kt_sthread *t, const char *file, const char *src, size_t len,
			  kt_val predeclared);
/*
 * Appends what a file is compiled to, for people: its functions with an instruction a line. The
 * form is no promise. -1 with an error pending.
 */
int kt_star_disassemble(kt_sthread *t, const char *file, const char *src, size_t len,
			kt_val predeclared, kt_buf *out);

#endif
