#!/usr/bin/env python3
"""compare.py OURS PEER COUNT SEED: runs COUNT generated programs, and as many broken sources, with both and
compares output, error text and positions. The first differences are shown; exit status 1 if there are any."""
import os
import random
import subprocess
import sys

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = os.path.join(HERE, "../../conformance/starlark/spec")
BATCH = 2000
SHOWN = 5


def answers(command, programs):
    """(output, error) per program; None from where the child died."""
    batch = b"".join(b"%d\n%s" % (len(p), p) for p in programs)
    result = subprocess.run(command, input=batch, stdout=subprocess.PIPE, check=False)
    data, at, found = result.stdout, 0, []
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            break
        sizes = data[at:end].split()
        at = end + 1
        split, stop = at + int(sizes[0]), at + int(sizes[0]) + int(sizes[1])
        found.append((data[at:split], data[split:stop]))
        at = stop
    if len(found) < len(programs):
        print(f"{command[0]} died with status {result.returncode} at program {len(found)} of a batch")
    return found + [None] * (len(programs) - len(found))


# Where the two differ on purpose.
BY_DESIGN = (
    b"nested too deeply (more than",  # the peer has no limit on brackets
    b"range: too many elements",  # the length of a range of 2^63 items is negative there
)


def not_in_a_loop(error):
    """Without the complaints about break and continue: the peer accepts them in a function that is defined in a
    loop, and crashes when it compiles that."""
    return b"\n".join(line for line in error.split(b"\n") if not line.endswith(b" not in a loop"))


def beyond_comparison(mine, theirs):
    """Steps are counted differently, the peer has no limit on memory, and error texts end at a NUL here."""
    if mine is None or theirs is None:
        return False
    if not_in_a_loop(mine[1]) != mine[1] and not_in_a_loop(mine[1]) == not_in_a_loop(theirs[1]):
        return True
    if any(text in mine[0] + mine[1] for text in BY_DESIGN):
        return True
    said = theirs[0] + theirs[1]
    if mine != theirs and (b"\0" in said or b"\\x00" in said):
        return True
    return any(a[1] == b"STEPS" or a[1].startswith((b"PANIC", b"OTHER out of memory")) for a in (mine, theirs))


def spec_chunks():
    chunks = []
    for name in sorted(os.listdir(SPEC)):
        if name.endswith(".star"):
            with open(os.path.join(SPEC, name), "rb") as source:
                chunks += [c for c in source.read().split(b"\n---\n") if b"option:" not in c]
    return chunks


def sources(count, seed):
    chunks = spec_chunks()
    for i in range(count):
        yield generate.program(seed * 1000003 + i)
    rng = random.Random(seed)
    for i in range(count):
        base = rng.choice(chunks) if rng.random() < 0.5 else generate.program(seed * 1000003 + i)
        yield generate.mutate(base, rng)


def main():
    ours, peer, count, seed = [sys.argv[1]], [sys.argv[2]], int(sys.argv[3]), int(sys.argv[4])
    total = differences = skipped = failing = 0
    stream = sources(count, seed)
    while True:
        programs = [p for _, p in zip(range(BATCH), stream)]
        if not programs:
            break
        for program, mine, theirs in zip(programs, answers(ours, programs), answers(peer, programs)):
            total += 1
            if beyond_comparison(mine, theirs):
                skipped += 1
                continue
            failing += mine is not None and mine[1] != b""
            if mine == theirs:
                continue
            differences += 1
            if differences <= SHOWN:
                show(program, mine, theirs)
    print(f"{total} programs ({failing} of them end in an error, {skipped} beyond comparison): {differences} differences")
    return 1 if differences or total == 0 else 0


def show(program, mine, theirs):
    print("---- program\n" + program.decode(errors="backslashreplace"))
    for name, answer in (("ours", mine), ("starlark-go", theirs)):
        text = "died" if answer is None else (answer[0] + b"\n== " + answer[1]).decode(errors="backslashreplace")
        print(f"---- {name}\n{text}")


if __name__ == "__main__":
    sys.exit(main())
