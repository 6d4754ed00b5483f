#!/usr/bin/env python3
"""Runs plan-dump over the cases and compares what it prints.

A case is one file of sections, each headed by a line "-- NAME --": `command` holds plan-dump's
arguments (one line, shell quoting), `expected` its output, `exit` its exit code (0 when left out);
every other section is a file in the directory that the command runs in.

    run.py PLAN-DUMP CASES [--update] [NAME...]
"""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HEAD = re.compile(r"^-- (\S+) --\n", re.M)


def sections(text):
    parts = HEAD.split(text)
    return parts[0], list(zip(parts[1::2], parts[2::2]))


def run(program, parts):
    with tempfile.TemporaryDirectory() as where:
        command = ""
        for name, body in parts:
            if name == "command":
                command = body
            elif name not in ("expected", "exit"):
                path = pathlib.Path(where, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(body, encoding="utf-8")
        done = subprocess.run([program, *shlex.split(command)], cwd=where, capture_output=True,
                              text=True, timeout=60)
        return (done.stdout + done.stderr).replace(where, "CWD"), done.returncode


def main():
    update = "--update" in sys.argv
    program, cases, *names = [a for a in sys.argv[1:] if a != "--update"]
    program = str(pathlib.Path(program).resolve())
    failed = 0
    files = sorted(pathlib.Path(cases).glob("*.txt"))
    for path in files:
        if names and path.stem not in names:
            continue
        comment, parts = sections(path.read_text(encoding="utf-8"))
        wanted = dict(parts)
        got, code = run(program, parts)
        if update:
            kept = [p for p in parts if p[0] not in ("expected", "exit")]
            kept.append(("expected", got))
            if code != 0:
                kept.append(("exit", f"{code}\n"))
            path.write_text(comment + "".join(f"-- {n} --\n{b}" for n, b in kept), encoding="utf-8")
        elif got != wanted.get("expected") or code != int(wanted.get("exit", "0")):
            failed += 1
            print(f"FAILED {path.name} (exit code {code})\n--- expected\n{wanted.get('expected')}"
                  f"--- got\n{got}")
    print(f"{len(files)} cases, {failed} failed")
    sys.exit(1 if failed or not files else 0)


main()
