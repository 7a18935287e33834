#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""callgrind.py HARNESS COMMAND...: instructions per operation of each case, one line `IR harness case Ir`.
The loop around an operation (the case `empty_loop`) is part of it."""
import pathlib
import re
import subprocess
import sys
import tempfile

DUMP = re.compile(r"^desc: Trigger: Client Request: (\S+)$.*?^(?:summary|totals): (\d+)", re.M | re.S)

harness, command = sys.argv[1], sys.argv[2:]
with tempfile.TemporaryDirectory() as folder:
    result = subprocess.run(["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes",
                             f"--callgrind-out-file={folder}/out", *command],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    total = {}
    for path in pathlib.Path(folder).iterdir():
        total.update(DUMP.findall(path.read_text(errors="replace")))
counts = [line.split("\t")[2:4] for line in result.stdout.splitlines() if line.startswith("CG\t")]
for case, count in counts:
    print(f"IR\t{harness}\t{case}\t{int(total[case]) / int(count):.1f}")
if result.returncode or not counts:
    sys.exit(result.stderr[-1500:] or f"{harness}: no such case")
