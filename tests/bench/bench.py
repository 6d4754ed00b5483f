#!/usr/bin/env python3
"""The pairs: a service until its port answers, a whole print-only run, memory, start of the CLI."""
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REGISTRY = os.environ["KT_REGISTRY"]
DOCKER_ADDRESS = ("172.17.0.2", 80)  # the first container on the daemon's own bridge
WEB = f"{REGISTRY}/library/nginx:1"
SHELL = f"{REGISTRY}/library/alpine:3"
UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def quiet(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def seconds(text):
    return sum(float(n) * UNITS[u] for n, u in re.findall(r"([\d.]+)(h|ms|µs|us|ns|m|s)", text))


def wait_for_port(address):
    while True:
        with socket.socket() as probe:
            probe.settimeout(0.02)
            if probe.connect_ex(address) == 0:
                return


def service_ours(number):
    """From the instruction's start to its end, which is the first connect that succeeds."""
    script = (f'def run(plan):\n    plan.add_service(name = "web-{number}", config = ServiceConfig('
              f'image = "nginx:1", ports = {{"http": PortSpec(80)}}))\n')
    with tempfile.NamedTemporaryFile("w", suffix=".star") as target:
        target.write(script)
        target.flush()
        out = quiet("kurtosis", "run", "--enclave", "bench", "-v", "detailed", "--show-enclave-inspect=false",
                    target.name)
    quiet("kurtosis", "service", "rm", "bench", f"web-{number}")
    return seconds(re.search(r"added with service UUID .*\(execution duration: ([^)]*)\)", out).group(1))


def service_docker(_):
    start = time.perf_counter()
    name = quiet("docker", "run", "-d", WEB).strip()
    wait_for_port(DOCKER_ADDRESS)
    took = time.perf_counter() - start
    quiet("docker", "rm", "-f", name)
    return took


def run_ours(_):
    start = time.perf_counter()
    quiet("kurtosis", "run", os.environ["KT_PRINT"])
    return time.perf_counter() - start


def run_docker(_):
    start = time.perf_counter()
    quiet("docker", "run", SHELL, "echo", "hello")
    return time.perf_counter() - start


def pairs(name, ours, theirs, count, target):
    ours(-1)
    theirs(-1)
    rows = [(ours(i), theirs(i)) for i in range(count)]
    ratio = statistics.median(a / b for a, b in rows)
    mine = statistics.median(a for a, _ in rows) * 1000
    other = statistics.median(b for _, b in rows) * 1000
    print(f"{name:<44} {ratio:7.4f}   {target:<8} {mine:9.2f} ms {other:9.2f} ms", flush=True)


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as source:
        return sum(int(line.split()[1]) for line in source if line.startswith("Private_"))


def pids():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as source:
                    words = source.read().decode().split("\0")
            except OSError:
                continue
            program = os.path.basename(words[0])
            if program == "kurtosis-supervisor":
                found.setdefault("supervisor", []).append(int(entry))
            elif program == "kurtosisd" and len(words) > 1 and words[1] in ("engine", "apic"):
                found.setdefault(words[1], []).append(int(entry))
    return found


def memory():
    quiet("kurtosis", "clean", "-a")
    script = 'def run(plan):\n    for i in range(20):\n        plan.add_service(name = "s" + str(i), ' \
             'config = ServiceConfig(image = "alpine:3", cmd = ["tail", "-f", "/dev/null"]))\n'
    with tempfile.NamedTemporaryFile("w", suffix=".star") as target:
        target.write(script)
        target.flush()
        quiet("kurtosis", "run", "--enclave", "memory", target.name)
    for part, target in (("engine", 12), ("apic", 16), ("supervisor", 2)):
        sizes = [private_kib(pid) / 1024 for pid in pids().get(part, [])]
        largest = max(sizes) if sizes else float("nan")
        print(f"{'private memory, 20 services: ' + part:<44} {'':7}   ≤ {target:<6} {largest:9.2f} MB", flush=True)


def start_of_cli():
    times = []
    for _ in range(50):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        quiet("kurtosis", "version")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"{'kurtosis version, CPU time':<44} {'':7}   ≤ 3 ms   {statistics.median(times) * 1000:9.2f} ms", flush=True)


def main():
    count = int(sys.argv[1])
    for image in (WEB, SHELL):
        quiet("docker", "pull", image)
    quiet("kurtosis", "engine", "start")
    quiet("kurtosis", "enclave", "add", "--name", "bench")
    with tempfile.NamedTemporaryFile("w", suffix=".star") as target:
        target.write('def run(plan):\n    plan.print("hello")\n')
        target.flush()
        os.environ["KT_PRINT"] = target.name
        print(f"{count} pairs, medians; ratio = ours / Docker's\n")
        print(f"{'measure':<44} {'ratio':>7}   {'target':<8} {'ours':>12} {'Docker':>12}")
        pairs("one service until its port answers", service_ours, service_docker, count, "≤ 0.08")
        pairs("print-only run in a new enclave", run_ours, run_docker, count, "≤ 0.2")
        memory()
        start_of_cli()
    quiet("kurtosis", "clean", "-a")
    quiet("kurtosis", "engine", "stop")


main()
