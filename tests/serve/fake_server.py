# SPDX-License-Identifier: BSD-2-Clause
"""A server of two UIO devices and one other node, for tests of what stands between it and a program.

uio0 has two maps (two pages and one), and counts an interrupt at each 1 that is written to it. uio1 has no irqcontrol().
berth-test/pipe reads what was written to it.
"""
import errno
import array
import fcntl
import os
import select
import socket
import struct
import threading
import time

MAGIC = 0x31766273
HELLO, OPEN, READ, WRITE, IOCTL, MAP, NAME, REFRESH = range(1, 9)
REQUEST = struct.Struct("=IIIIQQQ")
REPLY = struct.Struct("=IIqII")
PAGE = 4096
MAPS = {"uio0": (2 * PAGE, PAGE), "uio1": (PAGE,)}
PIPE = "berth-test/pipe"
# _IOWR('t', 1, struct { u32 number; s32 fd; }): the number comes back doubled, with a descriptor of 1 page.
DOUBLE = 3 << 30 | 8 << 16 | ord("t") << 8 | 1


class Node:
    def __init__(self, name):
        self.name = name
        self.count = 0
        self.text = b""
        self.opens = 0  # connections
        self.maps = 0
        self.memory = []
        for i, size in enumerate(MAPS.get(name, ())):
            fd = os.memfd_create("%s-map%d" % (name, i))
            os.truncate(fd, size)
            os.pwrite(fd, b"%smap%d" % (name.encode(), i), 0)
            self.memory.append(fd)


class Opened:
    def __init__(self, node, connection, flags):
        self.node, self.connection, self.flags = node, connection, flags
        self.seen = node.count


class Server:
    def __init__(self, directory, name):
        self.tree = os.path.join(directory, "tree")
        self.nodes = {name: Node(name) for name in (*MAPS, PIPE)}
        self.opened = {}  # name of the program's socket: Opened
        self.refreshed = []
        self.refusals = 0  # of the next connections
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        for node in self.nodes:
            self.make_node(node)
            if node in MAPS:
                self.make_attributes(node)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind("\0" + name)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()
        threading.Thread(target=self.tell_all, daemon=True).start()

    def make_node(self, name):
        path = os.path.join(self.tree, "dev", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w"):
            pass
        os.utime(path, ns=(0, 240 * 10**9 + list(self.nodes).index(name)))
        os.chmod(path, 0o1660 if name == PIPE else 0o1600)

    def make_attributes(self, name):
        directory = os.path.join(self.tree, "sys/class/uio", name)
        for i, size in enumerate(MAPS[name]):
            os.makedirs("%s/maps/map%d" % (directory, i))
            self.attribute("%s/maps/map%d/size" % (directory, i), "0x%x" % size)
        self.attribute(directory + "/name", "berth-test")
        self.attribute(directory + "/event", "0")

    @staticmethod
    def attribute(path, text):
        with open(path, "w") as file:
            file.write(text + "\n")

    def accept(self):
        while True:
            connection, peer = self.listener.accept()
            if self.refusals:
                self.refusals -= 1
                connection.close()
                continue
            threading.Thread(target=self.serve, args=(connection, peer), daemon=True).start()

    def serve(self, connection, peer):
        """One connection, until it is closed: of requests, or of an open node from OPEN on."""
        with connection:
            try:
                while self.serve_one(connection, peer):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass

    def serve_one(self, connection, peer):
        fds = array.array("i")
        packet, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
        for _, kind, data in control:
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:4])
        if len(packet) < REQUEST.size:
            return False
        try:
            return self.request(connection, peer, packet, fds)
        finally:
            for fd in fds:
                os.close(fd)

    def request(self, connection, peer, packet, fds):
        magic, op, flags, size, offset, length, arg = REQUEST.unpack_from(packet)
        data = packet[REQUEST.size:]
        assert magic == MAGIC and size == len(data)
        if op == OPEN:
            return self.serve_open(connection, peer, data.decode(), flags)
        opened = self.opened_by(fds[0]) if fds else None
        if op == MAP:
            os.close(fds.pop())
            return self.serve_map(connection, opened, offset, length)
        result, out, out_fd, fd_at = 0, b"", -1, 0
        if op == HELLO:
            out = self.tree.encode() + b"\0"
        elif op == REFRESH:
            self.refreshed.append(arg)
        elif op == NAME:
            result, out = opened.flags, opened.node.name.encode() + b"\0"
        elif op == READ:
            result, out = self.read(opened, length)
        elif op == WRITE:
            result = self.write(opened, data, length)
        elif op == IOCTL and arg == DOUBLE:
            number, _ = struct.unpack("=Ii", data)
            out, out_fd, fd_at = struct.pack("=Ii", 2 * number, -1), os.memfd_create("out"), 4
            os.truncate(out_fd, PAGE)
        else:
            result = -errno.ENOTTY
        self.reply(connection, result, out, out_fd, fd_at)
        if out_fd >= 0:
            os.close(out_fd)
        return True

    @staticmethod
    def reply(connection, result, out=b"", fd=-1, fd_at=0):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
        connection.sendmsg([REPLY.pack(MAGIC, len(out), result, fd_at, 0), out], control)

    def opened_by(self, fd):
        with socket.socket(fileno=os.dup(fd)) as passed, self.lock:
            return self.opened[passed.getsockname()]

    def serve_open(self, connection, peer, name, flags):
        node = self.nodes.get(name)
        if not node:
            self.reply(connection, -errno.ENODEV)
            return False
        opened = Opened(node, connection, flags)
        with self.changed:
            self.opened[peer] = opened
            node.opens += 1
            self.changed.notify_all()
        try:
            self.reply(connection, 0)
            while True:
                data = connection.recv(65536)
                if not data:
                    break
                self.write(opened, data, len(data))
        except (BrokenPipeError, ConnectionResetError):
            pass
        with self.changed:
            del self.opened[peer]
            node.opens -= 1
            self.changed.notify_all()
        return False

    def serve_map(self, connection, opened, offset, length):
        node, index = opened.node, offset // PAGE
        if index >= len(node.memory) or length > MAPS[node.name][index]:
            self.reply(connection, -errno.EINVAL)
            return True
        with self.changed:
            node.maps += 1
            self.changed.notify_all()
        access = opened.flags & os.O_ACCMODE
        fd = os.open("/proc/self/fd/%d" % node.memory[index], access if access != os.O_WRONLY else os.O_RDWR)
        try:
            self.reply(connection, 0, b"", fd)
            os.close(fd)
            connection.recv(1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        with self.changed:
            node.maps -= 1
            self.changed.notify_all()
        return False

    def read(self, opened, length):
        node = opened.node
        with self.lock:
            if node.name == PIPE:
                text, node.text = node.text[:length], node.text[length:]
                return (len(text), text) if text else (-errno.EAGAIN, b"")
            if length != 4:
                return -errno.EINVAL, b""
            if opened.seen == node.count and not self.unread(opened):
                return -errno.EAGAIN, b""
            opened.seen = node.count
            return 4, struct.pack("=I", node.count)

    @staticmethod
    def unread(opened):
        """Whether what was sent to the program was not read yet (SIOCOUTQ)."""
        return struct.unpack("i", fcntl.ioctl(opened.connection, 0x5411, b"1234"))[0] > 1

    def tell(self, opened):
        node = opened.node
        if opened.flags & os.O_ACCMODE == os.O_WRONLY or self.unread(opened):
            return
        if node.name == PIPE:
            if node.text:
                opened.connection.send(b"\0")
        elif opened.seen != node.count:
            opened.seen = node.count
            opened.connection.send(struct.pack("=I", node.count))

    def tell_all(self):
        """A real server is told when a program has read; this one looks."""
        while True:
            with self.lock:
                for opened in self.opened.values():
                    try:
                        self.tell(opened)
                    except OSError:
                        pass
            time.sleep(0.005)

    def write(self, opened, data, length):
        node = opened.node
        if opened.flags & os.O_ACCMODE == os.O_RDONLY:
            return -errno.EBADF
        if node.name == PIPE:
            with self.lock:
                node.text += data
            return len(data)
        if length != 4:
            return -errno.EINVAL
        if node.name == "uio1":
            return -errno.ENOSYS
        if struct.unpack("=i", data)[0]:
            with self.lock:
                node.count += 1
                self.attribute(os.path.join(self.tree, "sys/class/uio", node.name, "event"), str(node.count))
                for other in self.opened.values():
                    if other.node is node:
                        self.tell(other)
        return 4

    def wait(self, condition, seconds=60):
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def is_unused(self):
        return self.wait(lambda: all(not n.opens and not n.maps for n in self.nodes.values()))


if __name__ == "__main__":
    import sys
    Server(sys.argv[1], sys.argv[2])
    print("ready", flush=True)
    select.select([], [], [])
