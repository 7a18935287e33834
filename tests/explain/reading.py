# SPDX-License-Identifier: BSD-2-Clause
"""A second reading of device trees, which shares nothing with berth's: blob, memory, reservations, ways to memory.

Written from the device tree specification and from what Linux does; test_boards.py and expect.py use it.
"""
import struct

BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
ALL = 1 << 64


class Circle(Exception):
    """The way to memory leads in a circle."""


class Node:
    def __init__(self, name, parent):
        self.name, self.parent, self.children, self.props = name, parent, [], {}

    @property
    def path(self):
        if not self.parent:
            return "/"
        above = self.parent.path
        return (above if above != "/" else "") + "/" + self.name

    def __contains__(self, name):
        return name in self.props

    def cells(self, name):
        value = self.props.get(name, b"")
        return list(struct.unpack(f">{len(value) // 4}I", value[:len(value) // 4 * 4]))

    def cell(self, name, otherwise=None):
        return (self.cells(name) or [otherwise])[0]

    def strings(self, name):
        value = self.props.get(name, b"")
        return [part.decode("latin-1") for part in value.split(b"\0")[:-1]]

    def enabled(self):
        if "status" not in self:
            return True
        return self.strings("status")[:1] in (["okay"], ["ok"])

    def all_enabled(self):
        node = self
        while node:
            if not node.enabled():
                return False
            node = node.parent
        return True

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def up(self, name, otherwise=1):
        """The nearest value above this node: what its reg is counted with."""
        node = self.parent
        while node:
            if node.props.get(name):
                return node.cell(name)
            node = node.parent
        return otherwise

    def own(self, name, otherwise=1):
        return self.cell(name) if self.props.get(name) else self.up(name, otherwise)


class Tree:
    def __init__(self, blob):
        magic, total, at, strings, reserve = struct.unpack_from(">5I", blob)
        if magic != 0xD00DFEED or total > len(blob):
            raise ValueError("no flattened device tree")
        self.memreserve = []
        while True:
            base, size = struct.unpack_from(">QQ", blob, reserve)
            if not base and not size:
                break
            self.memreserve.append((base, size))
            reserve += 16
        node = self.root = None
        while True:
            token = struct.unpack_from(">I", blob, at)[0]
            at += 4
            if token == BEGIN_NODE:
                end = blob.index(b"\0", at)
                child = Node(blob[at:end].decode("latin-1"), node)
                at = (end + 4) & ~3
                if node:
                    node.children.append(child)
                else:
                    self.root = child
                node = child
            elif token == END_NODE:
                node = node.parent
            elif token == PROP:
                length, name = struct.unpack_from(">II", blob, at)
                start = strings + name
                key = blob[start:blob.index(b"\0", start)].decode("latin-1")
                node.props.setdefault(key, blob[at + 8:at + 8 + length])
                at = (at + 8 + length + 3) & ~3
            elif token == END:
                break
        self.by_phandle = {}
        for each in self.root.walk():
            handle = each.cell("phandle", each.cell("linux,phandle"))
            if handle:
                self.by_phandle.setdefault(handle, each)

    def child(self, name):
        for each in self.root.children:
            if each.name == name:
                return each
        return None


def number(cells):
    value = 0
    for cell in cells:
        value = value << 32 | cell
    return value % ALL


def split(cells, *widths):
    """Tuples of numbers that are so many cells wide; what is left over at the end is no entry."""
    step = sum(widths)
    at = 0
    while step and at + step <= len(cells):
        entry, offset = [], at
        for width in widths:
            entry.append(number(cells[offset:offset + width]))
            offset += width
        yield tuple(entry)
        at += step


def root_cells(tree):
    return tree.root.cell("#address-cells", 1), tree.root.cell("#size-cells", 1)


def memory(tree):
    """What the tree says, sorted and joined, in whole pages."""
    ranges = []
    for node in tree.root.children:
        if "memory" in node.strings("device_type") and node.enabled():
            cells = node.cells("linux,usable-memory") if "linux,usable-memory" in node else node.cells("reg")
            ranges += [r for r in split(cells, *root_cells(tree)) if r[1]]
    joined = []
    for base, size in sorted(ranges):
        if joined and base <= joined[-1][0] + joined[-1][1]:
            last = joined[-1]
            joined[-1] = (last[0], max(last[0] + last[1], base + size) - last[0])
        else:
            joined.append((base, size))
    paged = [(-(-b // 4096) * 4096, (b + s) // 4096 * 4096) for b, s in joined]
    return [(start, end - start) for start, end in paged if end > start]


def kind(node):
    if "shared-dma-pool" in node.strings("compatible"):
        return "cma" if "reusable" in node and "no-map" not in node else "coherent-pool"
    if "restricted-dma-pool" in node.strings("compatible"):
        return "restricted-pool"
    return "carveout" if "no-map" in node or "reg" not in node else "static"


def reservations(tree):
    """name, base (None: not by the tree), size, kind, the node: by what is said, not by where it lands."""
    found = [("/memreserve/", base, size, "static", None) for base, size in tree.memreserve if size]
    parent = tree.child("reserved-memory")
    if not parent:
        return found
    na, ns = parent.own("#address-cells"), parent.own("#size-cells")
    for node in parent.children:
        if not node.enabled():
            continue
        if "reg" in node:
            for base, size in split(node.cells("reg"), na, ns):
                found.append((node.name, base, size, kind(node), node))
        else:
            found.append((node.name, None, number(node.cells("size")[:ns]), kind(node), node))
    return found


def dma_parent(tree, node):
    names = node.strings("interconnect-names")
    if "dma-mem" in names:
        cells, index = node.cells("interconnects"), names.index("dma-mem")
        while cells:
            provider = tree.by_phandle.get(cells[0])
            if not provider:
                break
            if not index:
                return provider
            index -= 1
            cells = cells[1 + (provider.cell("#interconnect-cells") or 0):]
    return node.parent


def way(tree, node):
    """The buses from a device to memory."""
    seen = []
    node = dma_parent(tree, node)
    while node:
        if node in seen:
            raise Circle(node.path)
        seen.append(node)
        node = dma_parent(tree, node)
    return seen


def dma_entries(bus):
    return list(split(bus.cells("dma-ranges"), bus.own("#address-cells"), bus.up("#address-cells"),
                      bus.own("#size-cells")))


def low(value, cells):
    """Of three cells the first is flags."""
    return value % ALL if cells < 3 else value


def windows(tree, node):
    """[(cpu, bus, size)] as Linux's of_dma_get_range() finds them."""
    buses = way(tree, node)
    for level, bus in enumerate(buses):
        if bus.props.get("dma-ranges"):
            break
        if level and "dma-ranges" not in bus:
            return []
    else:
        return []
    result = []
    for child, cpu, size in dma_entries(bus):
        for above in buses[level + 1:-1]:
            if not above.props.get("dma-ranges"):
                continue
            for start, target, length in dma_entries(above):
                if start <= cpu < start + length:
                    cpu = target + cpu - start
                    break
            else:
                cpu = None
                break
        if cpu is not None and size:
            result.append((cpu, child, size))
    return result


def coherent(tree, node):
    for each in [node] + way(tree, node):
        if "dma-coherent" in each:
            return True
        if "dma-noncoherent" in each:
            return False
    return False


MARKS = ("iommus", "iommu-map", "memory-region", "dmas", "dma-coherent", "#dma-cells")


def devices(tree, everything=False):
    return [node for node in tree.root.walk() if node.all_enabled() and
            (any(mark in node for mark in MARKS) or (everything and "reg" in node))]


def specifiers(tree, node, name, count):
    """[(target, its cells)] of a list of phandles with arguments."""
    cells, found = node.cells(name), []
    while cells:
        if not cells[0]:  # left empty on purpose
            cells = cells[1:]
            continue
        target = tree.by_phandle.get(cells[0])
        if not target:
            return found
        width = target.cell(count) or 0
        if len(cells) < 1 + width:
            return found
        found.append((target, cells[1:1 + width]))
        cells = cells[1 + width:]
    return found


def iommu(tree, node):
    if "iommus" in node:
        found = specifiers(tree, node, "iommus", "#iommu-cells")
        if found:
            first = found[0][0]
            return first.path, [cell for target, cells in found if target is first for cell in cells]
    return None


def iommu_map(tree, node):
    found = []
    cells = node.cells("iommu-map")
    while len(cells) >= 4:
        target = tree.by_phandle.get(cells[1])
        found.append((cells[0], target.path if target else None, cells[2], cells[3]))
        cells = cells[4:]
    return found


def pools(tree, node):
    targets = (tree.by_phandle.get(handle) for handle in node.cells("memory-region"))
    return [target.name for target in targets if target]


def windows_behind(tree, host):
    """Those of devices behind a PCI host: its own dma-ranges count first."""
    return windows(tree, Node("card", host))
