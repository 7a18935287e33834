#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""headers.py BUILD: each public header compiles alone, with the warnings of BUILD, in C11 and C++17, and
takes the short names away again where BERTH_NO_SHORT_NAMES says so."""
import concurrent.futures
import os
import re
import sys

from common import ROOT, Tap, attempt, files, output_of, warnings

C_ONLY = {"-Wstrict-prototypes", "-Wmissing-prototypes", "-Winvalid-pch"}
C_WARNINGS = warnings(sys.argv[1])
CXX_WARNINGS = [flag for flag in C_WARNINGS if flag not in C_ONLY]
C = ["-x", "c", "-std=c11", "-pedantic-errors", *C_WARNINGS]
CXX = ["-x", "c++", "-std=c++17", *CXX_WARNINGS]
INCLUDES = ["-Iinclude", "-Iports/linux/include"]
COMPILERS = (
    ["gcc", *C, *INCLUDES],
    ["clang", *C, *INCLUDES],
    ["g++", *CXX, *INCLUDES],
    ["clang++", *CXX, *INCLUDES],
    ["aarch64-linux-gnu-gcc", "-ffreestanding", *C, "-Iinclude", "-Iports/aarch64/include"],
    ["riscv64-linux-gnu-gcc", "-ffreestanding", "-D_LIBC_LIMITS_H_", *C, "-Iinclude", "-Iports/riscv64/include"],
)
HOSTED = COMPILERS[:4]
NO_SHORT_NAMES = "-DBERTH_NO_SHORT_NAMES"


def names(header, directive):
    text = (ROOT / "include/berth" / header).read_text()
    return re.findall(rf"^#\s*{directive}\s+(\w+)", text, re.M)


def problems_of(path, short_names):
    header = "/".join(path.parts[path.parts.index("berth") + 1:])
    source = f"#include <berth/{header}>\nextern int header_check;\n"
    for compiler in COMPILERS if path.parts[0] == "include" else HOSTED:
        for mode in ([], [NO_SHORT_NAMES]):
            yield from attempt([*compiler, *mode, "-fsyntax-only", "-"], input=source)
    succeeded, text = output_of(["gcc", *INCLUDES, NO_SHORT_NAMES, "-E", "-dM", "-x", "c", "-"], input=source)
    left = short_names & set(re.findall(r"^#define (\w+)", text, re.M))
    if succeeded and left:
        yield f"{header} leaves short names with BERTH_NO_SHORT_NAMES: {' '.join(sorted(left))}"


on, off = names("names.h", "define"), names("names-off.h", "undef")
tap = Tap()
tap.ok("names.h and names-off.h agree",
       (f"in one of the two only: {name}" for name in sorted(set(on) ^ set(off))))
tap.ok("names.h is what script/make-names makes", attempt(["script/make-names", "--check"]))
headers = [path for folder in ("include/berth", "ports/linux/include/berth") for path in files(".h", under=folder)
           if path.name not in ("names.h", "names-off.h")]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    results = pool.map(lambda header: list(problems_of(header, set(on))), headers)
    for header, problems in zip(headers, results):
        tap.ok(str(header), problems)
tap.done()
