#include "world.h"
const struct CMUnitTest native_cases[] = {{0}};
const size_t native_cases_len = 0;
