#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a file includes lies on a floor below its own, drivers and tools see the public headers only, and
nobody else but the ports sees a libc."""
import pathlib
import re

from common import ROOT, Tap, files

FLOORS = {"lib": 0, "check": 1, "mm": 2, "iommu": 3, "fs": 3, "dma": 4, "dmaengine": 5, "dma-buf": 5, "uio": 5, "board": 6}
# Public headers whose functions live that high.
HEADER_FLOORS = {
    "iommu": "iommu", "iova": "iommu", "io-pgtable": "iommu",
    "bvec": "dma", "dma-mapping": "dma", "dma-alloc": "dma", "dmapool": "dma", "page_pool": "dma", "swiotlb": "dma",
    "dmaengine": "dmaengine", "dmaengine-driver": "dmaengine", "dmaengine-types": "dmaengine", "virt-dma": "dmaengine",
    "dma-software": "dmaengine", "dma-buf": "dma-buf", "dma-heap": "dma-buf", "dma-fence": "dma-buf",
    "dma-fence-array": "dma-buf", "dma-fence-chain": "dma-buf", "dma-fence-unwrap": "dma-buf", "dma-resv": "dma-buf", "sync_file": "dma-buf", "sw_sync": "dma-buf", "uio": "uio",
    "fs": "fs", "berth": "board", "board": "board",
}
FREESTANDING = {"stdint.h", "stddef.h", "stdbool.h", "limits.h", "stdarg.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def includes(path):
    return [(bracket == "<", name) for bracket, name in INCLUDE.findall((ROOT / path).read_text())]


def may_use(floor, other):
    return other == floor or FLOORS[other] < FLOORS[floor]


def angle_problem(name, path):
    """An include in angle brackets: berth's own, or one that needs no libc; libfdt in src/board only."""
    if name.startswith("berth/") or name in FREESTANDING:
        return None
    return f"{path}: <{name}>: not for freestanding code"


def floor_problem(path, name, is_angle):
    floor = path.parts[1]
    if is_angle:
        other = HEADER_FLOORS.get(pathlib.Path(name).stem) if name.startswith("berth/") else None
    else:
        other = name.split("/")[0] if "/" in name else floor
        if other not in FLOORS:
            return f'{path}: "{name}" is on no floor'
    if other and not may_use(floor, other):
        return f"{path}: {name} reaches up from {floor} to {other}"
    return None


def check_floor(folder):
    for path in files(".c", ".h", ".S", under=f"src/{folder}"):
        for is_angle, name in includes(path):
            yield angle_problem(name, path) if is_angle else None
            yield floor_problem(path, name, is_angle)


def check_drivers():
    for path in files(".c", ".h", under="drivers"):
        for is_angle, name in includes(path):
            if is_angle:
                yield None if name.startswith("berth/") or name in FREESTANDING else f"{path}: <{name}>"
            elif "/" in name or not (ROOT / path.parent / name).exists():
                yield f'{path}: "{name}" is neither a public header nor in the same folder'


# The launcher speaks to the server for its program.
TOOLS_MAY = {("launcher-internal.h", "serve/protocol.h")}


def check_tools():
    for path in files(".c", ".h", under="tools"):
        for is_angle, name in includes(path):
            if not is_angle and "/" in name and (path.name, name) not in TOOLS_MAY:
                yield f'{path}: "{name}" is no public header'


def check_headers():
    for path in files(".h", under="include"):
        for is_angle, name in includes(path):
            yield angle_problem(name, path) if is_angle else f'{path}: "{name}": use <berth/...>'


tap = Tap()
for floor in FLOORS:
    tap.ok(f"src/{floor} uses only what is below", filter(None, check_floor(floor)))
tap.ok("every folder of src/ is a floor",
       (f"src/{p.parts[1]}" for p in files(".c", ".h", under="src") if p.parts[1] not in FLOORS))
tap.ok("drivers/ use the public headers only", filter(None, check_drivers()))
tap.ok("tools/ use the public headers only", check_tools())
tap.ok("include/ needs no libc", filter(None, check_headers()))
tap.done()
