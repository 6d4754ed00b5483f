#!/usr/bin/env python3
"""Runs the tutorial's commands in the current directory and holds their output against the seed's.

expected/NAME.txt has the lines that the tutorial shows for a step. Both sides are masked (times,
identifiers, addresses, ports, generated names) and compared line by line. Every line that differs
must stand in deviations.md, and every line in deviations.md must still differ.
"""
import difflib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PAD = r"[ ]*"
MASKS = [
    (r"INFO\[[0-9T:+\-Z]+\]", "INFO[<time>]"),
    (r"(Creation Time:)\s+.*", r"\1 <time>"),
    (r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", "<log time>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "<time>"),
    (r"\b[0-9a-f]{32}\b" + PAD, "<uuid> "),
    (r"\b[0-9a-f]{12}\b" + PAD, "<short uuid> "),
    (r"127\.0\.0\.1:\d+" + PAD, "<address> "),
    (r"\b\d+\.\d+\.\d+\.\d+\b", "<ip>"),
    (r"'(\d+m)?\d+(\.\d+)?m?s'", "'<duration>'"),
    (r"even after '\d+' retries", "even after '<n>' retries"),
    (r"0xc[0-9a-f]{9}", "<pointer>"),
    (r"(artifact name ')[a-z]+-[a-z]+'", r"\1<name>'"),
    (r'("/seed-data": ")[a-z]+-[a-z]+"', r'\1<name>"'),
    (r"(<short uuid> )[a-z]+-[a-z]+$", r"\1<name>"),
    (r"'/tmp/[^']*kurtosis-postgres'", "'<directory>'"),
]


def masked(text):
    lines = []
    for line in text.replace("\r", "").split("\n"):
        for pattern, replacement in MASKS:
            line = re.sub(pattern, replacement, line)
        lines.append(line.rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines


def read_deviations():
    listed = set()
    fenced = False
    with open(os.path.join(HERE, "deviations.md"), encoding="utf-8") as source:
        for line in source.read().split("\n"):
            if line.startswith("```"):
                fenced = line == "```diff"
            elif fenced and line[:1] in "+-":
                listed.add((line[0], line[2:]))
    return listed


class Tutorial:
    def __init__(self):
        self.listed = read_deviations()
        self.met = set()
        self.wrong = []
        self.steps = 0

    def compare(self, name, output, part="whole"):
        """part: whole; tail (the tutorial shows only the end of the output); or line (only the
        line of one service)."""
        self.steps += 1
        with open(os.path.join(HERE, "expected", name + ".txt"), encoding="utf-8") as source:
            seed = masked(source.read())
        ours = masked(output)
        if part == "tail":
            first = seed[0].split(":")[0]
            starts = [i for i, line in enumerate(ours) if line.split(":")[0] == first]
            ours = ours[starts[-1]:] if starts else ours
        if part == "line":
            ours = [line for line in ours if re.search(r"^<short uuid> api ", line)]
        matcher = difflib.SequenceMatcher(None, seed, ours, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag == "equal":
                continue
            changed = [("-", line) for line in seed[a:b]] + [("+", line) for line in ours[c:d]]
            for sign, line in changed:
                self.met.add((sign, line))
                if (sign, line) not in self.listed:
                    self.wrong.append(f"{name}: {sign} {line}")

    def finish(self):
        for sign, line in sorted(self.listed - self.met):
            self.wrong.append(f"deviations.md lists a line that no longer differs: {sign} {line}")
        print("\n".join(self.wrong))
        print(f"{self.steps} outputs compared, {len(self.wrong)} unexpected lines")
        return 1 if self.wrong else 0


def command(*words, code=0):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(words)} exited with {done.returncode}, not {code}:\n{done.stdout}")
    return done.stdout


def stage(name):
    shutil.copy(os.path.join(HERE, "stages", name + ".star"), "main.star")


def clean_and_run(*arguments, code=0):
    text = command("kurtosis", "clean", "-a")
    return text + command("kurtosis", "run", "--enclave", *arguments, code=code)


def in_shell(*lines):
    """What a terminal shows of `service shell` while these lines are typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("kurtosis", ["kurtosis", "service", "shell", "kurtosis-postgres", "postgres"])
    for line in lines:
        os.write(terminal, line.encode() + b"\n")
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.waitpid(pid, 0)
    text = shown.decode().replace("\r", "")
    return text[text.index("             List of relations"):text.index("(15 rows)") + 9]


def address():
    url = command("kurtosis", "port", "print", "kurtosis-postgres", "api", "http").strip()
    if not re.fullmatch(r"http://127\.0\.0\.1:\d+", url):
        sys.exit(f"unexpected address {url!r}")
    return url


def fetch(url, body=None):
    request = urllib.request.Request(url, data=body.encode() if body else None,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read().decode()


def check(condition, what):
    if not condition:
        sys.exit(f"not as the tutorial says: {what}")


def main():
    tutorial = Tutorial()
    stage("1-hello")
    tutorial.compare("1-hello", command("kurtosis", "run", "--enclave", "kurtosis-postgres", "main.star"))
    stage("2-postgres")
    tutorial.compare("2-postgres", clean_and_run("kurtosis-postgres", "main.star"), "tail")
    with open("kurtosis.yml", "w", encoding="utf-8") as target:
        target.write('name: "github.com/john-snow/kurtosis-postgres"\n')
    stage("3-data")
    tutorial.compare("3-data", clean_and_run("kurtosis-postgres", "."))
    tutorial.compare("3-tables", in_shell("psql -U app_user -d app_db -P pager=off -c '\\dt'", "exit"))
    stage("4-wrong-user")
    failed = clean_and_run("kurtosis-postgres", ".", code=1)
    start = failed.index('> add_service name="api"')
    end = failed.index("Error encountered running Starlark code.") + len("Error encountered running Starlark code.")
    tutorial.compare("4-failure", failed[start:end])
    tutorial.compare("4-enclave", failed, "tail")
    tutorial.compare("4-logs", command("kurtosis", "service", "logs", "kurtosis-postgres", "api"))
    stage("5-api")
    tutorial.compare("5-api", clean_and_run("kurtosis-postgres", "."), "tail")
    tutorial.compare("5-inspect", command("kurtosis", "enclave", "inspect", "kurtosis-postgres"), "line")
    status, text = fetch(address() + "/")
    check(status == 200 and json.loads(text)["swagger"] == "2.0", f"the API's description: {text}")
    status, text = fetch(address() + "/actor", '{"first_name": "Kevin", "last_name": "Bacon"}')
    check(status == 201 and text == "", f"inserting: {status} {text}")
    tutorial.compare("6-query", fetch(address() + "/actor?first_name=eq.Kevin&last_name=eq.Bacon")[1])
    stage("6-args")
    actors = '{"actors": [{"first_name":"Kevin", "last_name": "Bacon"}, {"first_name":"Steve", "last_name":"Buscemi"}]}'
    clean_and_run("kurtosis-postgres", ".", actors)
    tutorial.compare("7-args", fetch(address() + "/actor?or=(last_name.eq.Buscemi,last_name.eq.Bacon)")[1])
    return tutorial.finish()


sys.exit(main())
