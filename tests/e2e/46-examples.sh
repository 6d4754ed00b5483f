#!/usr/bin/env bash
# The small examples, as their comments say to run them.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

expect "Hello, you" kurtosis run --enclave hello "$KT_ROOT/examples/hello" '{"whom": "you"}'
expect "The smallest number is 1" kurtosis run --enclave tasks "$KT_ROOT/examples/tasks" '{"numbers": [3, 1, 2]}'
expect "sorted.txt" kurtosis files inspect tasks sorted
