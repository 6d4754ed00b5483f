#!/usr/bin/env python3
"""Fails unless a file is exactly what a program prints: same.py FILE PROGRAM [ARGUMENT...]"""
import difflib
import pathlib
import subprocess
import sys

file, *command = sys.argv[1:]
wanted = subprocess.run(command, check=True, capture_output=True, text=True).stdout
kept = pathlib.Path(file).read_text(encoding="utf-8")
if kept != wanted:
    sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), wanted.splitlines(True), file,
                                               command[0]))
    sys.exit(f"{file} is out of date: {' '.join(command)} > {file}")
