#!/usr/bin/env bash
# Running a package again: what is the same is skipped, what depends on a change runs.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

skip='SKIPPED - This instruction has already been run in this enclave'

package site <<'STAR'
def run(plan, level = "info", template = "one"):
    page = plan.upload_files(src = "./page", name = "page")
    conf = plan.render_templates(name = "conf", config = {
        "site.conf": struct(template = "{{.T}}\n", data = {"T": template}),
    })
    web = plan.add_service("web", ServiceConfig(
        image = "nginx:1", ports = {"http": PortSpec(80)},
        files = {"/var/www/html": page}, env_vars = {"LEVEL": level}))
    job = plan.add_service("job", ServiceConfig(
        image = "alpine:3", cmd = ["sleep", "1000"], files = {"/conf": conf}))
    level = plan.exec("web", ExecRecipe(["sh", "-c", "printf $LEVEL"]))
    plan.exec("job", ExecRecipe(["cat", "/conf/site.conf"]), description = "config of job")
    plan.print("done at " + web.hostname)
    return level["output"]
STAR
mkdir site/page
echo "first page" >site/page/index.html

# again EXPECTED ARGUMENTS…: runs, and compares which instructions ran: one letter each, "s" when
# skipped and "r" when it was run.
again() {
	local expected=$1 out got
	shift
	out=$(kurtosis run --enclave site "$@" 2>&1) || fail "the run failed: $out"
	got=$(awk -v skip="$skip" '
		/^> [a-z_]+ [a-z_]+=/ { if (open) printf "r"; open = 1; next }
		open && $0 == skip { printf "s"; open = 0 }
		END { if (open) printf "r" }' <<<"$out")
	[ "$got" = "$expected" ] || fail "$* ran '$got' instead of '$expected': $out"
	last=$out
}

uuid_of() {
	kurtosis enclave inspect --full-uuids site | awk -v name="$1" '$2 == name { print $1 }'
}

again rrrrrrr ./site
web=$(uuid_of web)
job=$(uuid_of job)
[ -n "$web" ] && [ -n "$job" ] || fail "no services"
started=$(kurtosis service exec site job 'cat /proc/1/stat' | grep -o '^1 .*' | cut -d' ' -f22)

# Nothing changed: everything is skipped, and the result is that of the first run.
again sssssss ./site
[[ $last == *info* ]] || fail "the result of the skipped run is missing: $last"

# The environment of one service: it starts again and what looks at it runs again.
again ssrsrss ./site '{"level": "debug"}'
[[ $last == *debug* ]] || fail "the exec did not see the change: $last"
[ "$(uuid_of web)" = "$web" ] || fail "an updated service got another uuid"
expect debug kurtosis service exec site web 'printenv LEVEL'
now=$(kurtosis service exec site job 'cat /proc/1/stat' | grep -o '^1 .*' | cut -d' ' -f22)
[ "$now" = "$started" ] || fail "an unchanged service was restarted"

# Other content of uploaded files: the artifact and the service that mounts it.
echo "second page" >site/page/index.html
again rsrsrss ./site '{"level": "debug"}'
expect "second page" curl -s "$(address_of site web http)/"
again sssssss ./site '{"level": "debug"}'

# Another template: the artifact, the service that mounts it, and the exec on that.
again srsrsrs ./site '{"level": "debug", "template": "two"}'
[[ $last == *two* ]] || fail "the job did not see the template: $last"

# A dry run tells what would be skipped, and changes nothing.
kurtosis run --enclave site --dry-run ./site '{"level": "trace"}' >/dev/null 2>&1 || fail "dry run"
again sssssss ./site '{"level": "debug", "template": "two"}'

# The API container's memory is on disk.
kurtosis engine restart >/dev/null 2>&1
again sssssss ./site '{"level": "debug", "template": "two"}'

# A failed run keeps what it did.
cat >>site/main.star <<'STAR'

def broken(plan, **kwargs):
    run(plan, "debug", "two")
    plan.exec("job", ExecRecipe(["false"]))

def mended(plan, **kwargs):
    run(plan, "debug", "two")
    plan.exec("job", ExecRecipe(["true"]))
STAR
refuse "exit code '1'" kurtosis run --enclave site --main-function-name broken ./site
again sssssssr --main-function-name mended ./site
again ssssssss --main-function-name mended ./site
expect "successfully run" kurtosis run --enclave site --parallel --main-function-name mended ./site
again ssssssss --main-function-name mended ./site

# Asked not to compare, everything runs.
again rrrrrrr --experimental NO_INSTRUCTIONS_CACHING ./site '{"level": "debug", "template": "two"}'
again sssssss ./site '{"level": "debug", "template": "two"}'
