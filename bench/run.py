#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the benchmarks of a build. A program bench-SUBJECT prints one line of JSON per case,
{"case": "page_4k_pair", "count": 1000000, "ns": 31.5, "budget_ir": 48}
(count: operations in the measured part, between CALLGRIND_START_INSTRUMENTATION and
CALLGRIND_DUMP_STATS_AT(case); a field that is not known may be missing).
"""
import argparse
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

FIELDS = ("case", "ns", "ir", "budget_ir", "peer")
DUMP = re.compile(r"^desc: Trigger: Client Request: (\S+)$.*?^(?:summary|totals): (\d+)", re.M | re.S)


def programs(build):
    targets = json.loads(subprocess.check_output(["meson", "introspect", "--targets", build]))
    return {t["name"].removeprefix("bench-"): t["filename"][0]
            for t in targets if t["name"].startswith("bench-")}


def run(program, instructions):
    """The cases of one program; under callgrind their instructions count and their time does not."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program]
        if instructions:
            command = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
                       f"--callgrind-out-file={folder}/out", program]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        cases = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        dumps = "".join(path.read_text(errors="replace") for path in pathlib.Path(folder).iterdir())
    total = {name: int(count) for name, count in DUMP.findall(dumps)}
    for case in cases:
        if case["case"] in total and "count" in case:
            case["ir"] = round(total[case["case"]] / case["count"], 1)
        if instructions:
            case["ns"] = None
    return [{field: case.get(field) for field in FIELDS} for case in cases]


def machine():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return model.group(1) if model else platform.machine()


def table(cases):
    def cell(value):
        return "-" if value is None else str(value)
    print(f"{'case':32} {'ns':>10} {'Ir':>10} {'budget Ir':>10}  peer")
    for case in cases:
        peer = case["peer"] or {}
        peer = " ".join(f"{k} {v}" for k, v in peer.items() if v is not None)
        print(f"{case['case']:32} {cell(case['ns']):>10} {cell(case['ir']):>10} {cell(case['budget_ir']):>10}  {peer}")


def main():
    parser = argparse.ArgumentParser(prog="script/bench")
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("subject", nargs="?")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--instructions", action="store_true", help="count instructions (callgrind; slower)")
    args = parser.parse_args()

    known = programs(args.build)
    if args.subject and args.subject not in known:
        sys.exit(f"script/bench: no subject {args.subject}; there are: {' '.join(known)}")
    cases = []
    for subject in [args.subject] if args.subject else known:
        cases += run(known[subject], args.instructions)
    if args.json:
        print(json.dumps({"schema": 1, "machine": machine(), "cases": cases}, indent=1))
    else:
        table(cases)


main()
