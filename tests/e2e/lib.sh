# Sourced by every end-to-end script: a private home, the programs, and ways to compare output.
set -euo pipefail

export KURTOSIS_HOME="$KT_STATE/$KT_TEST/home" KURTOSIS_RUNTIME_DIR="$KT_STATE/$KT_TEST/run"
export HOME="$KT_STATE/$KT_TEST/user" XDG_CONFIG_HOME="$KT_STATE/$KT_TEST/user/.config"
export XDG_DATA_HOME="$KT_STATE/$KT_TEST/user/.local/share" XDG_CACHE_HOME="$KT_STATE/$KT_TEST/user/.cache"
export TZ=UTC LC_ALL=C.UTF-8
export PATH="$KT_BUILD:$PATH"
unset KURTOSIS_ENGINE_PORT
rm -rf "$KT_STATE/$KT_TEST"
mkdir -p "$KURTOSIS_HOME" "$KURTOSIS_RUNTIME_DIR" "$HOME"
# Unpacked layers are shared by all tests: pulling the same image again is not what they are about.
mkdir -p "$KT_STATE/images"
ln -sfn "$KT_STATE/images" "$KURTOSIS_HOME/images"
work="$KT_STATE/$KT_TEST/work"
mkdir -p "$work"
cd "$work"

cleanup() {
	local code=$?
	set +e
	kurtosis clean -a >/dev/null 2>&1
	kurtosis engine stop >/dev/null 2>&1
	exit $code
}
trap cleanup EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect TEXT COMMAND…: the output (stdout and stderr) contains TEXT and the command succeeds.
expect() {
	local text=$1 out
	shift
	out=$("$@" 2>&1) || fail "'$*' exited with $?: $out"
	[[ $out == *"$text"* ]] || fail "'$*' did not print '$text' but: $out"
}

# refuse TEXT COMMAND…: the command exits with 1 and says TEXT.
refuse() {
	local text=$1 out code=0
	shift
	out=$("$@" 2>&1) || code=$?
	[ $code -eq 1 ] || fail "'$*' exited with $code instead of 1: $out"
	[[ $out == *"$text"* ]] || fail "'$*' did not say '$text' but: $out"
}

# package NAME: a directory with kurtosis.yml; main.star is read from standard input.
package() {
	mkdir -p "$1"
	echo "name: github.com/test/$1" >"$1/kurtosis.yml"
	cat >"$1/main.star"
}

# Serves local git repositories for github.com locators: repository AUTHOR/NAME from a directory.
repository() {
	local bare="$KT_STATE/$KT_TEST/git/$1.git" stage
	stage=$(mktemp -d)
	cp -r "$2/." "$stage/"
	git -C "$stage" init -q -b main
	git -C "$stage" add -A
	git -C "$stage" -c user.name=t -c user.email=t@example.invalid commit -qm "content"
	mkdir -p "$(dirname "$bare")"
	git clone -q --bare "$stage" "$bare"
	rm -rf "$stage"
	git config --global "url.file://$KT_STATE/$KT_TEST/git/.insteadOf" "https://github.com/"
}

# The published address "127.0.0.1:PORT" of a service's port.
address_of() {
	kurtosis port print "$1" "$2" "$3" | grep -o '127\.0\.0\.1:[0-9]*'
}
