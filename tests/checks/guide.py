#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""guide.py BUILD: docs/check-guide.md works as it is printed: its files are written, its commands run where berth is installed and
nothing else is known, and what they print is what the page says."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from common import ROOT, Tap, attempt

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"/\* file: ([\w.]+) \*/\n")

tap = Tap()
page = "docs/check-guide.md"
with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
    tap.ok("meson install", attempt(["meson", "install", "-C", sys.argv[1], "--destdir", folder, "--no-rebuild", "--quiet"]))
    top = pathlib.Path(folder)
    library = next(top.rglob("libberth-check.so"), top).parent
    berth = next(top.rglob("bin/berth"), top)
    env = {**os.environ, "PKG_CONFIG_PATH": str(library / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": folder,
           "PATH": f"{berth.parent}:{os.environ['PATH']}"}
    printed = None
    for kind, text in BLOCK.findall((ROOT / page).read_text()):
        name = FILE.match(text)
        if kind == "c" and name:
            (pathlib.Path(work) / name[1]).write_text(text[name.end():])
        elif kind == "diff":
            done = subprocess.run(["patch", "-p0"], input=text, cwd=work, capture_output=True, text=True)
            tap.ok("the change applies", [] if done.returncode == 0 else [done.stdout + done.stderr])
        elif kind == "sh":
            done = subprocess.run(["sh", "-e"], input=text, cwd=work, env=env, timeout=120, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            printed = done.stdout
            tap.ok(text.splitlines()[-1], [] if done.returncode in (0, 1) and "berth check: " not in printed else [printed])
        elif not kind and printed is not None:
            tap.ok("and prints what the page says", [] if printed == text else [printed])
            printed = None
    for line in re.findall(r"^With clang the flags are `(.*)`\.$", (ROOT / page).read_text(), re.M):
        command = f"clang -O1 -shared -fPIC -o nic.so nic.c test.c {line} && berth check nic.so"
        include = next(top.rglob("include/berth"), top).parent
        done = subprocess.run(["sh", "-ec", command], cwd=work, env={**env, "CPATH": str(include)}, timeout=120, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tap.ok("with clang", [] if done.returncode == 0 else [done.stdout])
tap.done()
