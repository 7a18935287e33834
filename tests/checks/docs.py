#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs.py BUILD: each C block of README.md and docs/ whose first line is `/* example: NAME */` compiles, runs
and exits with 0; one of a `checked example` as a driver under the checker is built, where BUILD has one."""
import pathlib
import re
import sys
import tempfile

from common import ROOT, Tap, attempt, files

BLOCK = re.compile(r"^```c\n(/\* (checked )?example: ([\w-]+) \*/\n.*?)^```$", re.M | re.S)
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-Iports/linux/include"]

CHECKED = ["-DBERTH_CHECKED", "-g", "-fsanitize=kernel-address", "-include", "berth/front/memory.h",
           "--param=asan-instrumentation-with-call-threshold=0", "--param=asan-stack=0", "--param=asan-globals=0",
           *(f"-Iinclude/berth/front/{system}" for system in ("cmsis", "xilinx", "zephyr"))]

tap = Tap()
checker = pathlib.Path(sys.argv[1]) / "libberth-check.a"
libraries = [pathlib.Path(sys.argv[1]) / name for name in ("libberth.a", "libberth-client.a")]
pages = [page for page in ("README.md", *files(".md", under="docs")) if (ROOT / page).exists()]
with tempfile.TemporaryDirectory() as folder:
    for page in pages:
        for source, is_checked, name in BLOCK.findall((ROOT / page).read_text()):
            if is_checked and not checker.exists():
                continue
            program = pathlib.Path(folder) / name
            problems = attempt(["gcc", *FLAGS, *(CHECKED if is_checked else ()), "-o", program, "-x", "c", "-", "-x", "none",
                                *([checker] if is_checked else libraries), "-pthread"],
                               input=source)
            tap.ok(f"{page}: {name}", problems or attempt([program], timeout=60))
tap.done()
