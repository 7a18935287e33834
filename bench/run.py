#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the benchmarks of a build, each case beside its peer. How a program is called is said in bench/bench.h. It
prints one line of JSON per case:
{"case": "page_4k_pair", "ns": 31.5, "operations": 380000, "per": 1, "count": 1000, "clock": 0.78}
{"case": "cma_half_64k", "us": [median, 99 of 100, longest], "rounds": 400, "moved": 0, "fewest": 0, "dropped": 1,
"copies": 2.5}: latencies, pages moved and dropped, and the time in copies of what was moved
{"case": "cma_half_1024k_two_areas", "of_one": [1.0, 1.0]}: two threads beside one, in time and in CPU time
ns: of one operation; per: operations in an iteration; count: iterations for callgrind to count, 0: it cannot; clock: ns of a
multiplication; with what is timed beside it in the same process also against, its name, against_ns and ratio."""
import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
INSTALLED = pathlib.Path(os.environ.get("BERTH_PEERS") or pathlib.Path.home() / ".cache/berth/peers") / "bin"
ROUNDS = 5
CLOCK_TOLERANCE = 0.05

# Instructions per operation that a case may take, and the peer's name, harness and case.
BUDGETS = {
    "page_4k_pair": (48, "jemalloc", "alloc_jemalloc", "pair_4k_pgalign"),
    "page_64k_pair": (120, "mimalloc", "alloc_mimalloc", "pair_64k_pgalign"),
    "page_2m_pair": (160, "mimalloc", "alloc_mimalloc", "pair_2m_pgalign"),
    "page_4k_batch256": (90, "mimalloc", "alloc_mimalloc", "batch256_4k_pgalign"),
    "kmalloc_256_pair": (60, "jemalloc", "alloc_jemalloc", "pair_256"),
    "dma_map_4k_pair_direct": (24,),
    "bounce_4k_pair_search": (120, "swiotlb", "linux_swiotlb", "map_unmap_4k_nocopy"),
    "bounce_4k_replace_75": (300, "swiotlb", "linux_swiotlb", "replace_4k_75pct_full"),
    "dma_pool_pair": (45, "DPDK pool", "dpdk", "mempool_cached_pair"),
    "page_pool_pair": (48, "DPDK pool", "dpdk", "mempool_cached_pair"),
    "iova_4k_pair": (50, "Linux", "linux_iova", "fast_4k_pair"),
    "iova_mixed_4k_128k": (75, "Linux", "linux_iova", "mixed_pow2_4k_128k_win256"),
    "iova_256k_pair_1e5": (200, "Linux", "linux_iova", "large_256k_pair_1e5live_frag"),
    "iova_replace_random_1e5": (2000, "Linux", "linux_iova", "tree_4k_replace_1e5"),
    "iova_fail_32bit_1e5": (2000, "Linux", "linux_iova", "lim32_fail_64k_comb1e5"),
    "pgtable_4k_pair": (200, "Linux", "linux_pgtable", "map_unmap_4k_same_lazy"),
    "pgtable_4k_pair_strict": (200, "Linux", "linux_pgtable", "map_unmap_4k_same_strict"),
    "pgtable_64k_as_16x4k_pair": (320, "Linux", "linux_pgtable", "map_unmap_64k_as16x4k_lazy"),
    "pgtable_64k_as_16x4k_pair_strict": (320, "Linux", "linux_pgtable", "map_unmap_64k_as16x4k_strict"),
    "pgtable_2m_as_512x4k_pair": (3000, "Linux", "linux_pgtable", "map_unmap_2m_as512x4k_lazy"),
    "pgtable_2m_as_512x4k_pair_strict": (3000, "Linux", "linux_pgtable", "map_unmap_2m_as512x4k_strict"),
    "pgtable_2m_block_pair": (190, "Linux", "linux_pgtable", "map_unmap_2m_block_lazy"),
    "pgtable_2m_block_pair_strict": (190, "Linux", "linux_pgtable", "map_unmap_2m_block_strict"),
    "dma_map_4k_pair_iommu": (270, "Linux", "linux_pgtable", "dma_map_unmap_4k_strict"),
    "dma_map_sg16_pair_iommu": (800, "Linux", "linux_pgtable", "dma_map_sg16_unmap_strict"),
    "dma_map_4k_pair_iommu_strict": (600,),
    "dmaengine_transfer": (400,),
    "dmaengine_transfer_batch16": (400,),
    "iova_to_phys_1e5": (60, "Linux", "linux_pgtable", "iova_to_phys_1e5pages"),
}
# Of these only what berth's own functions execute counts, not the model's nor the C library's.
OWN_ONLY = {"dma_map_4k_pair_iommu_strict", "dmaengine_transfer", "dmaengine_transfer_batch16"}
# Bytes per page, and Linux's.
METADATA_BUDGET, METADATA_LINUX = 16, 64
# An allocation takes at most so many times what copying the pages takes that it moves, if they are not few.
COPIES_BUDGET, COPIES_FROM = 1.5, 1000
# The model's devices move data at a quarter of memcpy()'s rate or more. A bounced mapping takes so many times its two
# copies, or so many ns more than they.
MODEL_BUDGET = 4
COPY_BUDGETS = {"bounce_64k_pair": 1.2} | {
    f"dmaengine_copy_{case}": 1.05 for case in ("64k", "64k_stream", "256k", "2m", "64k_8_polled", "256k_8_polled", "64k_8_threads", "256k_8_threads")}
COPY_NS_BUDGETS = {"bounce_4k_pair": 40}
# So many times what is timed beside it.
RATIO_BUDGETS = {"dma_fence_wake": 1.3}
# What the checker may cost; and how often the program is run with it, and without.
CHECK_BUDGET, CHECK_ROUNDS = 2, 9


def output(*command):
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True).stdout


def time(program, *options):
    return [json.loads(line) for line in output(program, *options).splitlines()]


def time_peer(harness, case):
    """ns of an operation and of the clock's multiplication."""
    lines = [line.split("\t") for line in output(PEERS / "run", harness, "=" + case).splitlines()]
    ns = {line[2]: float(line[6]) for line in lines if line[0] == "RES"}
    return ns[case], ns["calib_imul"]


def interleave(program, case, harness, peer_case):
    """Medians of ns, of the peer's, and of the ratio, of the rounds in which the clock was the same for both."""
    rounds = []
    for _ in range(ROUNDS):
        peer, peer_clock = time_peer(harness, peer_case)
        ours = time(program, "--case", case)[0]
        rounds.append((abs(ours["clock"] / peer_clock - 1), ours["ns"], peer, ours["ns"] / peer))
    good = [r for r in rounds if r[0] <= CLOCK_TOLERANCE] or rounds
    return [round(statistics.median(column), 2) for column in list(zip(*good))[1:]]


def own_functions(program):
    """Names of what is in src/ and drivers/, and not in the model too."""
    def names(*libraries):
        lines = output("nm", *(program.parents[1] / f"libberth_{library}.a" for library in libraries)).splitlines()
        return {line.split()[-1] for line in lines if re.search(r" [tT] ", line)}
    return names("core", "drivers") - names("port")


def instructions(program, case):
    """Of one operation: the difference of two runs."""
    own = own_functions(program) if case["case"] in OWN_ONLY else None

    def total(iterations):
        with tempfile.TemporaryDirectory() as folder:
            output("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                   program, "--case", case["case"], "--iterations", iterations)
            if own:
                lines = output("callgrind_annotate", "--threshold=100", f"{folder}/out").splitlines()
                costs = (re.match(r"\s*([\d,]+) \(.*?\)\s+\S*?:(\S+)", line) for line in lines)
                return sum(int(cost[1].replace(",", "")) for cost in costs if cost and cost[2].partition("'")[0] in own)
            return int(re.search(r"^(?:summary|totals): (\d+)", pathlib.Path(folder, "out").read_text(), re.M).group(1))
    return round((total(2 * case["count"]) - total(case["count"])) / (case["count"] * case["per"]), 1)


def peer_instructions(harness, case):
    lines = output(PEERS / "run", "--instructions", harness, "=" + case).splitlines()
    return float(lines[0].split("\t")[3])


def measure_check(program):
    """The same program with the checker and without, in turns: medians of all that they spend, and of the ratio."""
    rounds = {}
    for _ in range(CHECK_ROUNDS):
        without, with_it = time(program), time(program.with_name("checked-" + program.name))
        for a, b in zip(without, with_it):
            rounds.setdefault(a["case"], []).append((b["ns"], a["ns"], b["ns"] / a["ns"]))
    for name, columns in rounds.items():
        ns, peer, ratio = (statistics.median(column) for column in zip(*columns))
        RATIO_BUDGETS[name] = CHECK_BUDGET
        yield {"case": name, "ns": ns, "ir": None, "budget_ir": None,
               "peer": {"name": "without", "ns": peer, "ir": None}, "ratio": ratio}


def measure(program, count_instructions):
    if program.name == "bench-check":
        yield from measure_check(program)
        return
    for case in time(program):
        if "ns" not in case:
            yield case
            continue
        row = {"case": case["case"], "ns": case["ns"], "ir": None, "budget_ir": None, "peer": None, "ratio": None}
        budget, *peer = BUDGETS.get(case["case"], (None,))
        row["budget_ir"] = budget
        if "against_ns" in case:
            row["peer"] = {"name": case.get("against", "memcpy"), "ns": case["against_ns"], "ir": None}
            row["ratio"] = case["ratio"]
        if peer:
            name, harness, peer_case = peer
            row["peer"] = {"name": name, "ns": None, "ir": None}
            if INSTALLED.exists():
                row["ns"], row["peer"]["ns"], row["ratio"] = interleave(program, case["case"], harness, peer_case)
                if count_instructions:
                    row["peer"]["ir"] = peer_instructions(harness, peer_case)
        if count_instructions and case["count"]:
            row["ir"] = instructions(program, case)
        yield row


def text(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 or value == int(value) else f"{value:.1f}"


def line(row):
    """One line of the table; its last column says which budgets are missed."""
    if "us" in row:
        copies, missed = row["copies"], row["copies"] > COPIES_BUDGET and row["moved"] >= COPIES_FROM
        return [row["case"], *(text(us) for us in row["us"]), row["moved"], row["fewest"], row["dropped"],
                f"{copies:.2f}" if copies else "-", "over" * missed]
    if "of_one" in row:
        return [row["case"], *(f"{ratio:.2f}" for ratio in row["of_one"]), *[""] * 6]
    if "bytes" in row:
        missed = row["bytes"] > METADATA_BUDGET
        return [row["case"], "-", "-", f"{METADATA_BUDGET} bytes", "Linux", "-", "-", f"{row['bytes'] / METADATA_LINUX:.2f}",
                f"{row['bytes']} bytes" + ", over" * missed]
    peer = row["peer"] or {"name": "-", "ns": None, "ir": None}
    budget, missed = text(row["budget_ir"]), bool(row["budget_ir"] and row["ir"] and row["ir"] > row["budget_ir"])
    if row["case"] in COPY_NS_BUDGETS:
        more = COPY_NS_BUDGETS[row["case"]]
        budget, missed = f"peer+{more}ns", row["ns"] - peer["ns"] > more
    elif row["case"] in RATIO_BUDGETS:
        times = RATIO_BUDGETS[row["case"]]
        budget, missed = f"{times} x peer", row["ratio"] > times
    elif peer["name"] == "memcpy" and not row["case"].startswith("dma_buf_"):
        times = COPY_BUDGETS.get(row["case"], MODEL_BUDGET)
        budget, missed = f"{times} x peer", row["ratio"] > times
    return [row["case"], text(row["ns"]), text(row["ir"]), budget, peer["name"], text(peer["ns"]), text(peer["ir"]),
            "-" if row["ratio"] is None else f"{row['ratio']:.2f}", "over" * missed]


def machine():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return model.group(1) if model else platform.machine()


def main():
    parser = argparse.ArgumentParser(prog="script/bench")
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("subject", nargs="?")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--instructions", action="store_true", help="count instructions too (callgrind; slower)")
    args = parser.parse_args()

    known = {path.name.removeprefix("bench-"): path for path in sorted(args.build.glob("bench/bench-*"))
             if path.is_file()}
    if args.subject and args.subject not in known:
        parser.error(f"no subject {args.subject}; there are: {' '.join(known)}")
    if not INSTALLED.exists():
        print("script/bench: the peers are not installed; bench/peers/setup does that", file=sys.stderr)
    rows = (row for subject in ([args.subject] if args.subject else known)
            for row in measure(known[subject], args.instructions))
    if args.json:
        fields = ("case", "ns", "ir", "budget_ir", "peer")
        cases = [{field: row[field] for field in fields} if "ns" in row else row for row in rows if "bytes" not in row]
        print(json.dumps({"schema": 1, "machine": machine(), "cases": cases}, indent=1))
        return
    layout = "{:33} {:>9} {:>9} {:>9}  {:9} {:>9} {:>9} {:>6}  {}"
    print(machine())
    print(layout.format("case", "ns", "Ir", "budget Ir", "peer", "ns", "Ir", "ratio", "").rstrip())
    heads = {"us": ("case", "us", "p99", "longest", "moved", "fewest", "dropped", "copies", ""),
             "of_one": ("case", "time", "CPU time", *[""] * 6)}
    for row in rows:
        for key in heads:
            if key in row and heads[key]:
                print(layout.format(*heads[key]).rstrip())
                heads[key] = None
        print(layout.format(*line(row)).rstrip(), flush=True)


main()
