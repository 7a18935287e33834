#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every C file looks as .clang-format says."""
import re
import shutil

from common import Tap, files, output_of

tool = shutil.which("clang-format-14") or "clang-format"
tap = Tap()
sources = files(".c", ".h")
succeeded, text = output_of([tool, "--dry-run", "-Werror", *sources]) if sources else (True, "")
first = {}
for path, line in re.findall(r"^(\S+?):(\d+):\d+: error", text, re.M):
    first.setdefault(path, line)
problems = [f"{path}, from line {line} on: {tool} -i {path}" for path, line in first.items()]
tap.ok(f"{len(sources)} C files are formatted", problems if succeeded or problems else [text])
tap.done()
