#!/usr/bin/env bash
# Packages: imports by git and from beside, versions, replace, the cache, arguments.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

# A repository with a tag, and a newer default branch.
mkdir -p lib/static
echo 'name: github.com/far/lib' >lib/kurtosis.yml
echo 'VERSION = read_file("./static/version.txt")' >lib/main.star
echo -n one >lib/static/version.txt
repository far/lib lib
bare="$KT_STATE/$KT_TEST/git/far/lib.git"
git -C "$bare" tag v1
git clone -q "$bare" clone
echo -n two >clone/static/version.txt
git -C clone -c user.name=t -c user.email=t@example.invalid commit -qam newer
git -C clone push -q origin main

# Imports from git: the default branch, a version, and relative files of what was imported.
package newest <<'STAR'
lib = import_module("github.com/far/lib/main.star")
def run(plan, args):
    plan.print("newest is " + lib.VERSION)
STAR
package tagged <<'STAR'
lib = import_module("github.com/far/lib/main.star@v1")
def run(plan, args):
    plan.print("tagged is " + lib.VERSION)
STAR
expect "newest is two" kurtosis run --enclave packages newest
expect "tagged is one" kurtosis run --enclave packages tagged
expect "print" kurtosis run --enclave packages --dry-run newest

# A remote package by its locator; a script may import, too.
mkdir -p app
echo 'name: github.com/far/app' >app/kurtosis.yml
printf '%s\n' 'def run(plan, args):' '    plan.print("app says " + args["word"])' '    return {"got": args}' >app/main.star
repository far/app app
expect "app says hi" kurtosis run --enclave packages github.com/far/app '{"word": "hi"}'
printf '%s\n' 'lib = import_module("github.com/far/lib/main.star")' 'def run(plan): plan.print("script sees " + lib.VERSION)' >script.star
expect "script sees two" kurtosis run --enclave packages script.star

# Replaced by a directory beside, and by another repository.
mkdir -p beside
echo 'name: github.com/far/lib' >beside/kurtosis.yml
echo 'VERSION = "beside"' >beside/main.star
package replaced <<'STAR'
lib = import_module("github.com/far/lib/main.star")
def run(plan, args):
    plan.print("replaced is " + lib.VERSION)
STAR
printf 'replace:\n  github.com/far/lib: ../beside\n' >>replaced/kurtosis.yml
expect "replaced is beside" kurtosis run --enclave replaced replaced
sed -i 's,: ../beside,: github.com/far/lib@v1,' replaced/kurtosis.yml
expect "replaced is one" kurtosis run --enclave replaced-far replaced

# Arguments: JSON, YAML, a file.
package args <<'STAR'
def run(plan, name, count = 1, on = False):
    plan.print("%s %d %s" % (name, count + 1, on))
STAR
expect "a 3 False" kurtosis run --enclave packages args '{"name": "a", "count": 2}'
printf 'name: c\ncount: 0x10\n' >args.yaml
expect "c 17 False" kurtosis run --enclave packages --args-file args.yaml args
refuse 'unexpected keyword argument "other"' kurtosis run --enclave packages args '{"name": "a", "other": 1}'
refuse "missing 1 argument (name)" kurtosis run --enclave packages args

# Without the remote, the cache serves what is there and says what is not.
mv "$KT_STATE/$KT_TEST/git" "$KT_STATE/$KT_TEST/gone"
expect "newest is two" kurtosis run --enclave offline newest
expect "tagged is one" kurtosis run --enclave offline tagged
refuse "Error in cloning git repository 'https://github.com/far/other.git'" kurtosis run --enclave offline github.com/far/other

# Faults of packages name the file and the line.
package broken <<'STAR'
lib = import_module("./lib.star")
def run(plan, args):
    pass
STAR
printf 'def f():\n    return {}["key"]\n\nf()\n' >broken/lib.star
refuse 'key "key" not in dict' kurtosis run --enclave packages broken
refuse "github.com/test/broken/lib.star:2:" kurtosis run --enclave packages broken
echo 'version: 1' >>broken/kurtosis.yml
refuse "field version not found" kurtosis run --enclave packages broken
