#!/usr/bin/env python3
"""CPU time of whole processes, medians, as ratios peer / ours (larger is better for us); peak memory."""
import math
import os
import statistics
import subprocess
import sys
import tempfile

TIME = "/usr/bin/time"
HERE = os.path.dirname(os.path.abspath(__file__))


def parser_like(path):
    """A long module of constants and small functions, used once: parsing and compiling weigh most."""
    with open(path, "w", encoding="utf-8") as target:
        for i in range(3000):
            target.write(f'''
DEFAULT_{i} = {{"image": "acme/node-{i}:1", "ports": [{i}, {i} + 1], "env": {{"A": "x", "N": {i}}}}}

def fill_{i}(args, extra = None):
    out = {{}}
    for key, value in DEFAULT_{i}.items():
        out[key] = args.get(key, value)
    if extra != None and "count" in extra:
        out["count"] = extra["count"] + {i}
    return out
''')
        target.write('\nprint(len(fill_7({"image": "b"})))\n')


def once(command):
    """(CPU seconds, peak KiB, ok)"""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss, status == 0


def peak(command):
    """KiB. A child counts what its parent had when it was forked, so a small one forks it where there is one."""
    if not os.path.exists(TIME):
        return once(command)[1]
    done = subprocess.run([TIME, "-f", "%M"] + command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    return int(done.stderr.split()[-1])


def measure(command, runs):
    rows = [once(command) for _ in range(runs)]
    if not all(ok for _, _, ok in rows):
        return None
    return statistics.median(t for t, _, _ in rows), peak(command)


def main():
    ours, cache, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    peers = {name: [os.path.join(cache, name)] for name in ("starlark-go", "starlark-rust")
             if os.path.exists(os.path.join(cache, name))}
    peers["CPython"] = [sys.executable, os.path.join(HERE, "prelude.py")]
    scratch = tempfile.mkdtemp()
    parser_like(os.path.join(scratch, "parser_like.star"))
    open(os.path.join(scratch, "empty.star"), "w", encoding="utf-8").close()
    programs = [os.path.join(HERE, "programs", name) for name in sorted(os.listdir(os.path.join(HERE, "programs")))]
    programs += [os.path.join(scratch, name) for name in ("empty.star", "parser_like.star")]
    ratios = {name: [] for name in peers}
    print(f"{'program':<16} {'ours':>9} {'peak':>8}" + "".join(f"{name:>24}" for name in peers))
    for program in programs:
        name = os.path.basename(program)[:-5]
        mine = measure([ours, program], runs)
        if mine is None:
            print(f"{name:<16} failed")
            continue
        line = f"{name:<16} {mine[0] * 1000:6.1f} ms {mine[1] // 1024:5} MB"
        for peer, command in peers.items():
            other = measure(command + [program], runs)
            if other is None:
                line += f"{'failed':>24}"
                continue
            ratio = other[0] / max(mine[0], 1e-4)
            ratios[peer].append(ratio)
            line += f"{ratio:10.2f}× ({other[1] // 1024:5} MB)"
        print(line, flush=True)
    for peer, values in ratios.items():
        if values:
            mean = math.exp(sum(map(math.log, values)) / len(values))
            print(f"against {peer}: geometric mean {mean:.2f}×, least {min(values):.2f}×")


main()
