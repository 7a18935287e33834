#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""summarize.py [PREFIX]: all passes and the instruction counts as one table, of harnesses that begin with PREFIX.
cpu_min: lowest thread CPU time per operation of any round of any pass; cpu_med: lowest of the passes' medians;
wall_med: median of the passes' medians. In ns."""
import os
import pathlib
import statistics
import sys

out = pathlib.Path(os.environ.get("BERTH_PEERS", pathlib.Path.home() / ".cache/berth/peers")) / "out"
prefix = sys.argv[1] if len(sys.argv) > 1 else ""
passes, counts = {}, {}
for line in (out / "all.tsv").read_text().splitlines():
    fields = line.split("\t")
    if len(fields) >= 9:
        passes.setdefault((fields[2], fields[3]), []).append([float(x) for x in fields[4:8]])
for path in out.glob("*.ir.tsv"):
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        counts[fields[1], fields[2]] = float(fields[3])


def text(value):
    return "-" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


print("harness\tcase\tcpu_min\tcpu_med\twall_min\twall_med\tIr\tpasses")
for key, rows in passes.items():
    if key[0].startswith(prefix):
        wall_min, wall_med, cpu_min, cpu_med = zip(*rows)
        figures = min(cpu_min), min(cpu_med), min(wall_min), statistics.median(wall_med), counts.get(key)
        print(*key, *map(text, figures), len(rows), sep="\t")
