# SPDX-License-Identifier: BSD-2-Clause
"""dsp.py NODE ROUNDS: a program drives the signal processor of docs/model-devices.md through UIO; it knows nothing of
berth. The device copies from one dynamic region to another, changing the bytes, and tells by an interrupt."""
import mmap
import os
import select
import signal
import struct
import sys

node, rounds = sys.argv[1], int(sys.argv[2])
CONTROL, STATUS, IRQ_STATUS, IRQ_ENABLE, IRQ_ACK, DOORBELL, DONE = 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c
COMMAND, LENGTH, SOURCE, TARGET, KEY, RESULT = 0x20, 0x24, 0x28, 0x30, 0x38, 0x3c
XOR, CHECKSUM = 2, 3


def attribute(number, name):
    return int(open(f"/sys/class/uio/{node}/maps/map{number}/{name}").read(), 0)


def show(number):
    return mmap.mmap(fd, attribute(number, "size") + 4095 & ~4095, offset=number * mmap.PAGESIZE)


def get(register):
    return struct.unpack_from("=I", registers, register)[0]


def put(register, value):
    struct.pack_into("=I", registers, register, value)


def command(number, kind, length, key):
    put(COMMAND, kind)
    put(LENGTH, length)
    struct.pack_into("=QQ", registers, SOURCE, attribute(1, "addr"), attribute(2, "addr"))
    put(KEY, key)
    put(DOORBELL, number)
    os.write(fd, struct.pack("=i", 1))
    assert select.select([fd], [], [], 60)[0], "no interrupt"
    count = struct.unpack("=I", os.read(fd, 4))[0]
    assert get(DONE) == number and get(STATUS) == 1, (get(DONE), get(STATUS))
    put(IRQ_ACK, get(IRQ_STATUS))
    while get(IRQ_STATUS):
        pass
    return count


signal.alarm(100)
fd = os.open(f"/dev/{node}", os.O_RDWR)
registers, source, target = show(0), show(1), show(2)
put(IRQ_ENABLE, 0)
put(DOORBELL, get(DONE))  # no command of who had it before
put(CONTROL, 1)
while get(STATUS) & 3 != 1 or get(IRQ_STATUS):
    put(IRQ_ACK, get(IRQ_STATUS))  # of who had it before
put(IRQ_ENABLE, 3)
last, first = None, get(DONE)
for number in range(first + 1, first + 1 + rounds):
    data = os.urandom(1000)
    source[:1000] = data
    count = command(number * 2, XOR, 1000, 0x04030201)
    assert target[:1000] == bytes(byte ^ (1, 2, 3, 4)[n % 4] for n, byte in enumerate(data)), "other bytes"
    assert last is None or count == last + 1, (last, count)
    last = command(number * 2 + 1, CHECKSUM, 1000, 7)
    want = 7
    for byte in data:
        want = (want * 31 + byte) & 0xffffffff
    assert get(RESULT) == want, "another checksum"
put(CONTROL, 0)
print("fine")
