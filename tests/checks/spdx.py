#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every source file and script names its license in its first line, or after the line `#!`."""
from common import ROOT, Tap, files

SOURCES = (".c", ".h", ".S", ".ld", ".map", ".py", ".sh", ".ini", ".dts", ".dtsi", "meson.build", "meson_options.txt")
LINE = "SPDX-License-Identifier: BSD-2-Clause"


def problem(path):
    data = (ROOT / path).read_bytes()[:400]
    is_script = data.startswith(b"#!")
    if not is_script and not path.name.endswith(SOURCES):
        return None
    line = data.split(b"\n")[1 if is_script else 0]
    return None if LINE.encode() in line else f"{path}: no line `{LINE}`"


tap = Tap()
tap.ok("license lines", filter(None, map(problem, files())))
tap.done()
