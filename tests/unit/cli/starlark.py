#!/usr/bin/env python3
"""starlark.py KURTOSIS: `kurtosis starlark` with files, without a terminal, and at a terminal of its own."""
import os
import pty
import select
import subprocess
import sys
import tempfile

KURTOSIS = sys.argv[1]
SLOW = """\
def f(n):
    total = 0
    for i in range(n):
        total += i
    return total

print(f(1000))
"""


def run(arguments, source="", status=0):
    done = subprocess.run([KURTOSIS, "starlark"] + arguments, input=source, text=True, capture_output=True, check=False)
    assert done.returncode == status, (arguments, done)
    return done.stdout, done.stderr


def expect(found, *wanted):
    at = 0
    for text in wanted:
        at = found.find(text, at)
        assert at >= 0, f"«{text}» is missing in «{found}»"
        at += len(text)


def files(folder):
    path = os.path.join(folder, "slow.star")
    with open(path, "w", encoding="utf-8") as target:
        target.write(SLOW)
    assert run([path]) == ("499500\n", "")
    assert run(["-"], SLOW) == ("499500\n", "")
    expect(run(["--disassemble", path])[0], "<toplevel> at", "CLOSURE", "; f", "f at", "RETURN")
    folded = os.path.join(folder, "folded")
    expect(run(["--profile", folded, path])[1], "function", "f\n", "function:line", "f:3\n")
    with open(folded, encoding="utf-8") as source:
        for line in source:
            stack, micros = line.split(" ")
            assert stack.startswith("<toplevel>:") and int(micros) > 0, line
    expect(run(["-"], "1 // 0\n", 1)[1], "Traceback", "<stdin>:1:3: in <toplevel>", "Error: floored division by zero")


def options():
    expect(run(["-"], "print(set([1]))\n", 1)[1], "does not support sets")
    assert run(["-", "--dialect", "standard"], "print(set([1]))\n")[0] == "set([1])\n"
    program = "x = 0\nwhile x < 3:\n  x += 1\nprint(x)\ndef f(n):\n  return 1 if n == 0 else n * f(n - 1)\nprint(f(5))\n"
    run(["-"], program, 1)
    assert run(["-", "--option", "while,recursion,toplevelcontrol,globalreassign"], program)[0] == "3\n120\n"
    endless = "def f():\n  return f()\nf()\n"
    expect(run(["-", "--option", "recursion"], endless, 1)[1], "stack overflow")
    expect(run(["-", "--option", "loadbindsglobally"], "1", 1)[1], "'loadbindsglobally' is not supported yet")
    expect(run(["-", "--option", "nope"], "1", 1)[1], "no option 'nope'")


def piped():
    out, err = run([], "x = [1]\nx.append(2)\nx\ndef f(a):\n  return a + 1\n\nf(2)\n(1 +\n2)\nnope\nf(3)\n")
    assert out == "[1, 2]\n3\n3\n4\n", out
    expect(err, "undefined: nope")


def read_until(fd, text, seen):
    """Everything up to `text`; the end of the test's time limit is the meson test's."""
    while text not in seen:
        select.select([fd], [], [])
        seen += os.read(fd, 4096).decode()
    return seen


def terminal():
    child, fd = pty.fork()
    if child == 0:
        os.execv(KURTOSIS, [KURTOSIS, "starlark"])
    seen = read_until(fd, ">>> ", "")
    steps = [
        ("1 + 41\r", "\r\n42\r\n"),
        ("\x1b[A\x7f3\r", "\r\n44\r\n"),  # the last line again, its last digit another
        ("2\x1b[D1\x05 * 2\r", "\r\n24\r\n"),  # typed before the 2, then at the end
        ("nonsense\x15\"h\u00e9\"\x7f\x7f\"\r", "\"h\""),  # a character of two bytes goes at once
        ("x = 5\x03", ">>> "),  # dropped
        ("x\r", "undefined: x"),
        ("def f():\r    return 7\r\rf()\r", "\r\n7\r\n"),
    ]
    for keys, answer in steps:
        os.write(fd, keys.encode())
        seen = read_until(fd, answer, "")
        seen = read_until(fd, ">>> ", seen[seen.find(answer) + len(answer) - (4 if answer == ">>> " else 0):])
    os.write(fd, b"\x04")
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    os.close(fd)


with tempfile.TemporaryDirectory() as scratch:
    files(scratch)
options()
piped()
terminal()
