#!/usr/bin/env bash
# Enclaves: names, life cycle, what is said about them, what they leave behind.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

expect "Created enclave: first" kurtosis enclave add --name first
refuse "first" kurtosis enclave add --name first
expect "first" kurtosis enclave ls
expect "RUNNING" kurtosis enclave inspect first
refuse "EnclaveContainersStatus_RUNNING" kurtosis enclave rm first
expect "Enclaves stopped successfully" kurtosis enclave stop first
expect "STOPPED" kurtosis enclave ls
refuse "no-such-enclave" kurtosis enclave inspect no-such-enclave
expect "Enclaves successfully destroyed" kurtosis enclave rm first
[ -z "$(kurtosis enclave ls | grep first)" ] || fail "the enclave is still listed"
[ -z "$(ls -A "$KURTOSIS_HOME/enclaves" 2>/dev/null)" ] || fail "state is left: $(ls "$KURTOSIS_HOME/enclaves")"
