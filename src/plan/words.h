/* Names for files artifacts that their author did not name: "ADJECTIVE-NOUN". */
#ifndef KT_PLAN_WORDS_H
#define KT_PLAN_WORDS_H

#include "base/base.h"

/* The i-th of kt_words_count() names; spread so that neighbours look different. */
size_t kt_words_count(void);
const char *kt_words_adjective(size_t i);
const char *kt_words_noun(size_t i);

#endif
