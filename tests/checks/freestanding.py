#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""freestanding.py BUILD...: src/, drivers/ and libfdt need nothing but berth, the four functions that compilers
call by name and, where the CPU has no instruction for it, arithmetic of the compiler's own library or of the
port's, and the libraries define nothing outside berth's names."""
import pathlib
import re
import sys

from common import Tap, output_of

MEM = {"memcpy", "memmove", "memset", "memcmp"}
ARITHMETIC = {f"__aeabi_{name}" for name in ("idiv", "idivmod", "uidiv", "uidivmod", "ldivmod", "uldivmod")}
ARITHMETIC |= {f"__{name}{mode}i2" for name in ("bswap", "clz", "ctz", "popcount") for mode in "sd"}
NEEDED = MEM | ARITHMETIC | {"_GLOBAL_OFFSET_TABLE_"}
DEFINED = MEM | {"_start"}
# What compilers call for want of an instruction: allowed where the port defines it.
HELPER = re.compile(r"__(clz|ctz|popcount|bswap)[sd]i2|__atomic_(exchange|compare_exchange|fetch_\w+)_[12]")
PARTS = ("libberth_core", "libberth_drivers", "libberth_fdt")
# Those of libberth-check, in builds that have it; what compilers call before each access, it provides itself.
CHECKED = ("libberth_checker", "libberth_checked_drivers")
ACCESS = re.compile(r"__asan_((load|store)(1|2|4|8|16|N)_noabort|mem(cpy|move|set)|handle_no_return)")


def nm(*arguments):
    """Pairs of a file's name and a symbol."""
    succeeded, text = output_of(["nm", "-A", "-P", *arguments])
    if not succeeded:
        sys.exit(text)
    return re.findall(r"^(.*?):\s(\S+)", text, re.M)


def strangers(pairs, allowed):
    """The symbols that are neither berth's nor allowed."""
    for file, symbol in pairs:
        symbol = symbol.partition("@")[0]
        if not symbol.startswith(("berth_", "BERTH_0")) and symbol not in allowed:
            yield f"{pathlib.Path(file).name}: {symbol}"


tap = Tap()
for build in map(pathlib.Path, sys.argv[1:]):
    defined = nm("-g", "--defined-only", build / "libberth.a")
    helpers = {symbol for _, symbol in defined if HELPER.fullmatch(symbol)}
    is_checked = (build / "libberth-check.a").exists()
    for part in PARTS + (CHECKED if is_checked else ()):
        objects = sorted(build.rglob(f"{part}.a.p/*.o"))
        needed = [(file, symbol) for file, symbol in (nm("-u", *objects) if objects else ())
                  if part not in CHECKED or not ACCESS.fullmatch(symbol)]
        tap.ok(f"{build.name}: the {len(objects)} objects of {part} need no libc",
               strangers(needed, NEEDED | helpers) if objects else ["there are none"])
    tap.ok(f"{build.name}: libberth.a defines berth_* only",
           strangers(defined, DEFINED | helpers))
    shared = build / "libberth.so.0"
    if shared.exists():
        exported = nm("-D", "--defined-only", shared)
        tap.ok(f"{build.name}: libberth.so exports {len(exported)} symbols, all berth_*",
               strangers(exported, ()) if exported else ["it exports none"])
tap.done()
