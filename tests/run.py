#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds berth in several ways, runs the tests of each and the checks of the source, and counts.

What tests there are is said in tests/meson.build; here is where they run. Every test program prints
TAP. A crash, an exit status other than 0, a timeout and a test that was planned and did not run are
failures too. The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Build:
    name: str
    cc: str
    options: tuple
    suites: tuple          # the suites that run in this build
    quick: tuple = None    # those of --quick; None: --quick leaves the build out
    targets: tuple = ()    # what --quick builds of it, () for everything

    @property
    def folder(self):
        return ROOT / "build" / f"test-{self.name}"


PROCESS = ("unit", "model", "qemu", "port", "threads")
BUILDS = (
    Build("gcc-asan", "gcc", ("-Db_sanitize=address,undefined",), (*PROCESS, "explain"), quick=("unit", "model")),
    Build("aarch64", "", ("--cross-file=cross/aarch64.ini", "-Dchecked=true"), ("boards", "port"), quick=("boards",)),
    Build("arm", "", ("--cross-file=cross/arm.ini", "-Dchecked=true"), ("boards", "port")),
    Build("riscv64", "", ("--cross-file=cross/riscv64.ini", "-Dchecked=true"), ("boards", "port")),
    Build("plain", "gcc", ("-Doptimization=2", "-Dlibdir=lib", "-Dchecked=true"), (*PROCESS, "check", "checked"), quick=(),
          targets=("libberth.a", "libberth.so.0")),
    Build("clang-asan", "clang", ("-Db_sanitize=address,undefined", "-Db_lundef=false"), PROCESS),
    # clang: gcc's thread sanitizer refuses fences
    Build("tsan", "clang", ("-Db_sanitize=thread", "-Db_lundef=false"), ("threads",)),
    Build("fuzz", "clang", ("-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"), ("fuzz",),
          quick=("quick-fuzz",), targets=("tests/fuzz-memory",)),
)


@dataclasses.dataclass
class Check:
    name: str
    builds: tuple = ()     # called with the folders of these
    quick: bool = True
    timeout: int = 300


CHECKS = (
    Check("spdx"),
    Check("floors"),
    Check("format"),
    Check("classes"),
    Check("headers", ("plain",)),
    Check("freestanding", ("plain", "aarch64", "arm", "riscv64")),
    Check("install", ("plain",), quick=False),
    Check("docs", ("plain",), quick=False),
    Check("guide", ("plain",), quick=False),
)

RESULT = re.compile(r"^(not )?ok\b\s*\d*[\s-]*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")


@dataclasses.dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = dataclasses.field(default_factory=list)
    output: str = ""
    seconds: float = 0

    def fail(self, note, count=1):
        self.failed += count
        self.notes.append(note)


def read_tap(text):
    """Counts the results in the output of one program."""
    outcome = Outcome(output=text)
    planned = None
    for line in text.splitlines():
        line = line.rstrip("\r")
        if result := RESULT.match(line):
            if re.search(r"#\s*skip", result.group(2), re.I):
                outcome.skipped += 1
            elif result.group(1):
                outcome.failed += 1
            else:
                outcome.passed += 1
        elif plan := PLAN.match(line):
            planned = (planned or 0) + int(plan.group(1))
        elif line.startswith("Bail out!"):
            outcome.fail(line)
    seen = outcome.passed + outcome.failed + outcome.skipped
    if planned is None and seen == 0:
        outcome.fail("printed no result")
    elif planned is not None and planned != seen:
        outcome.fail(f"planned {planned} tests, ran {seen}", max(planned - seen, 1))
    return outcome


def ending(status):
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def run(command, timeout, env=(), cwd=ROOT, tap=True):
    """Runs one program to its end, or to its timeout with all that it has started."""
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **dict(env)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        raw, _ = process.communicate(timeout=timeout)
        problem = ending(process.returncode) if process.returncode else None
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raw, _ = process.communicate()
        problem = f"no end after {timeout} s"
    text = raw.decode(errors="replace")
    outcome = read_tap(text) if tap else Outcome(passed=int(problem is None), output=text)
    if problem and not outcome.failed:
        outcome.fail(problem)
    elif problem:
        outcome.notes.append(problem)
    outcome.seconds = time.monotonic() - start
    return outcome


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def add(self, label, outcome):
        with self.lock:
            self.passed += outcome.passed
            self.failed += outcome.failed
            counts = [f"{outcome.passed:4} ok"]
            if outcome.skipped:
                counts.append(f"{outcome.skipped} skipped")
            if outcome.failed:
                counts.append(f"{outcome.failed} FAILED")
            notes = f"  ({'; '.join(outcome.notes)})" if outcome.notes else ""
            print(f"{label:44} {outcome.seconds:6.1f} s {', '.join(counts)}{notes}")
            if outcome.failed:
                print("".join(f"    | {line}\n" for line in outcome.output.splitlines()), end="")
            sys.stdout.flush()


def make(build, quick):
    """Sets a build up and builds it. Returns an Outcome that fails if it did not."""
    folder, stamp = build.folder, build.folder / "berth-options"
    wanted = " ".join((build.cc, *build.options))
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        env = {"CC": build.cc} if build.cc else {}
        outcome = run(["meson", "setup", str(folder), *build.options], 300, env, tap=False)
        if outcome.failed:
            return outcome
        stamp.write_text(wanted)
    targets = ()
    if quick:
        targets = build.targets or sorted(targets_of(build, build.quick))
    outcome = run(["ninja", "-C", str(folder), *targets], 1200, tap=False)
    outcome.passed = 0
    return outcome


def targets_of(build, suites):
    """What the tests of --quick run: the files of the build that their command lines name."""
    for test in tests_of(build, suites, True):
        for path in map(pathlib.Path, test["cmd"]):
            if path.is_relative_to(build.folder):
                yield str(path.relative_to(build.folder))
            elif not path.is_absolute() and len(path.parts) > 1:
                yield str(path)


def tests_of(build, suites, quick):
    listed = subprocess.check_output(["meson", "introspect", "--tests", str(build.folder)])
    for test in json.loads(listed):
        of_test = {suite.rpartition(":")[2] for suite in test["suite"]}
        if of_test & set(suites) and not (quick and "long" in of_test):
            yield test


def sanitizer_env():
    env = {"ASAN_OPTIONS": "strict_string_checks=1",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
           "TSAN_OPTIONS": "halt_on_error=1"}
    symbolizer = shutil.which("llvm-symbolizer") or shutil.which("llvm-symbolizer-14")
    if symbolizer:
        env["ASAN_SYMBOLIZER_PATH"] = env["TSAN_SYMBOLIZER_PATH"] = symbolizer
    return env


def run_tests(build, suites, report, quick):
    def one(test):
        env = {**sanitizer_env(), **test["env"]}
        outcome = run(test["cmd"], test["timeout"] or None, env, test["workdir"] or build.folder,
                      tap=test["protocol"] == "tap")
        report.add(f"{build.name} {test['name']}", outcome)

    tests = list(tests_of(build, suites, quick))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, (t for t in tests if t["is_parallel"])))
    for test in tests:
        if not test["is_parallel"]:
            one(test)


def main():
    parser = argparse.ArgumentParser(prog="script/test", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="the essential ones, in 3 minutes")
    quick = parser.parse_args().quick

    if quick:
        os.environ.setdefault("BERTH_FUZZ_SECONDS", "5")
    start = time.monotonic()
    report = Report()
    broken, left_out = set(), set()
    for build in BUILDS:
        suites = build.quick if quick else build.suites
        if suites is None:
            left_out.add(build.name)
            continue
        outcome = make(build, quick)
        report.add(f"{build.name} (build)", outcome)
        if outcome.failed:
            broken.add(build.name)
        else:
            run_tests(build, suites, report, quick)

    folders = {build.name: str(build.folder) for build in BUILDS}
    for check in CHECKS:
        if quick and not check.quick:
            continue
        if broken & set(check.builds):
            outcome = Outcome()
            outcome.fail("not run: a build that it needs has failed")
        else:
            script = ROOT / "tests" / "checks" / f"{check.name}.py"
            outcome = run([sys.executable, str(script), *(folders[b] for b in check.builds if b not in left_out)], check.timeout)
        report.add(f"check {check.name}", outcome)

    print(f"in {time.monotonic() - start:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed")
    sys.exit(report.failed > 0 or report.passed == 0)


main()
