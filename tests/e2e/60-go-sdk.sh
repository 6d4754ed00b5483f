#!/usr/bin/env bash
# The public Go SDK, unmodified, against our engine.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"
if [ ! -x "$KT_CLIENTS/go-sdk" ]; then
	echo "Go 1.26 or newer is not installed"
	exit 77
fi
kurtosis engine start
"$KT_CLIENTS/go-sdk"
