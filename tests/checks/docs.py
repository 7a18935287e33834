#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs.py BUILD: each C block of README.md and docs/ whose first line is `/* example: NAME */` compiles, runs
and exits with 0."""
import pathlib
import re
import sys
import tempfile

from common import ROOT, Tap, attempt, files

BLOCK = re.compile(r"^```c\n(/\* example: ([\w-]+) \*/\n.*?)^```$", re.M | re.S)
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-Iports/linux/include"]

tap = Tap()
libraries = [pathlib.Path(sys.argv[1]) / name for name in ("libberth.a", "libberth-client.a")]
pages = [page for page in ("README.md", *files(".md", under="docs")) if (ROOT / page).exists()]
with tempfile.TemporaryDirectory() as folder:
    for page in pages:
        for source, name in BLOCK.findall((ROOT / page).read_text()):
            program = pathlib.Path(folder) / name
            problems = attempt(["gcc", *FLAGS, "-o", program, "-x", "c", "-", "-x", "none", *libraries, "-pthread"],
                               input=source)
            tap.ok(f"{page}: {name}", problems or attempt([program], timeout=60))
tap.done()
