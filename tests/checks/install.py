#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""install.py BUILD: what is installed is complete, and a program outside the project builds against it with
nothing but pkg-config, with the shared and with the static library."""
import os
import pathlib
import sys
import tempfile

from common import Tap, attempt, files, output_of

tap = Tap()
with tempfile.TemporaryDirectory() as folder:
    tap.ok("meson install", attempt(["meson", "install", "-C", sys.argv[1], "--destdir", folder, "--no-rebuild", "--quiet"]))
    top = pathlib.Path(folder)
    library = next(top.rglob("libberth.so"), top).parent
    below = lambda path: "/".join(path.parts[path.parts.index("include") + 2:])
    headers = {below(path) for path in files(".h", under="include/berth") + files(".h", under="ports/linux/include/berth")}
    installed = {below(path.relative_to(top)) for path in top.rglob("include/berth/**/*.h")}
    tap.ok("every public header is installed",
           (f"not listed in a meson.build: {name}" for name in sorted(headers - installed)))
    tap.ok("so is the command", [] if list(top.rglob("bin/berth")) else ["no bin/berth"])

    env = {**os.environ, "PKG_CONFIG_PATH": str(library / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": folder}
    for name, static in (("shared", []), ("static", ["-static"])):
        _, flags = output_of(["pkg-config", "--cflags", "--libs", *(f"-{flag}" for flag in static), "berth"], env=env)
        program = top / f"outside-{name}"
        tap.ok(f"a program builds with the {name} library",
               attempt(["gcc", "-Wall", "-Wextra", "-Werror", *static, "-o", program, "tests/install/outside.c", *flags.split()]))
        tap.ok(f"and runs ({name})", attempt([program], env={**os.environ, "LD_LIBRARY_PATH": str(library)})
               if program.exists() else ["it was not built"])
tap.done()
