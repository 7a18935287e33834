/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What another process and the server say to each other. Both are on one machine and of one user:
 * numbers are in the machine's own order.
 *
 * The server listens on one AF_UNIX SOCK_SEQPACKET socket with an abstract name: "berth-UID", or what
 * $BERTH_SERVER says. Each end looks at the other's SO_PEERCRED: the user has to be its own. Each message
 * is one packet: a request, with its data behind it; then its reply, with its data behind it. Who sends a
 * second request before it has the reply of the first is disconnected.
 *
 * A node that is open is a connection. Its program makes a socket, binds it to a name that the kernel
 * chooses (bind() with the address's family alone), connects, sends BERTH_SERVE_OPEN and gets a reply.
 * If that is 0, the socket is the program's descriptor from then on, and close() of the last copy is
 * release(). No more requests and replies pass on it:
 * - The server sends what read() returns. Of a node of class "uio" that is one packet of 4 bytes, the count
 *   of interrupts; it sends the next one when that was read and the count is another. Of other nodes it is
 *   one byte for as long as something can be read, which only poll() may look at.
 *   Both are for poll() and for programs whose read() is the kernel's; who wants the driver's read() sends
 *   BERTH_SERVE_READ on another connection.
 * - A packet of the program's is a write(). Who wants to know its result sends BERTH_SERVE_WRITE.
 * - When the device is gone, or the server, there is an end of file.
 *
 * All other requests are sent on a connection of their own, which may be used for several, one after the other.
 * Those about an open node carry its descriptor (SCM_RIGHTS, exactly one, but see BERTH_SERVE_IOCTL): the server sees by the name to
 * which it is bound which of its own connections it is, and who has the descriptor may use it. That
 * getpeername() of a descriptor is the server's name says that it is an open node, or such a connection.
 *
 * BERTH_SERVE_MAP: the connection is the mapping from then on. It stays open as long as the mapping; the node
 * stays open as long as one of both. No other request is answered on it.
 *
 * Attributes are files in a directory that the server keeps, its tree: TREE/sys/class/uio/uio0/name stands for
 * /sys/class/uio/uio0/name, and likewise for links and directories. An attribute's text is at most a tenth
 * of a second old; BERTH_SERVE_REFRESH brings it up to date. TREE/dev/NAME is an empty file that stands
 * for a node: its mode is the node's with S_ISVTX (which nothing else in the tree has), and the seconds and the
 * nanoseconds of its time of modification are the major and the minor number.
 */
#ifndef BERTH_SERVE_PROTOCOL_H
#define BERTH_SERVE_PROTOCOL_H

#include <stdint.h>

#define BERTH_SERVE_MAGIC 0x31766273u /* and the version: another one, another number */
#define BERTH_SERVE_DATA_MOST 16384u /* behind a request or a reply */
#define BERTH_SERVE_NAME_MOST 128u /* bytes of a server's name; of a node's below /dev */
#define BERTH_SERVE_ENV "BERTH_SERVER"

enum berth_serve_op {
	/* Is this a server? Data of the reply: the path of its tree, which is up to date, with a 0. */
	BERTH_SERVE_HELLO = 1,
	/* Data: the node's name below /dev, without a 0. @flags: of open(). Result: 0. */
	BERTH_SERVE_OPEN,
	/* With the descriptor. @length: bytes. Never sleeps: -EAGAIN. Result: bytes, which are the reply's data. */
	BERTH_SERVE_READ,
	/* With the descriptor. @length: what write() was told; data: as many of it as fit. Never sleeps: -EAGAIN. */
	BERTH_SERVE_WRITE,
	/*
	 * With the descriptor. @arg: the request; data: what it describes, _IOC_SIZE() of it; with no size @offset is
	 * the argument. Result: what ioctl() returns; data of the reply: what the driver has left there. If
	 * a descriptor comes with the reply, its number is to be written at data + @fd_at. It is an open file like any
	 * other: a connection, which has no name below /dev.
	 *
	 * Where there is a number of a descriptor, or an address, in the data, only the server knows. Then nothing is
	 * done yet, the result is -EBADF, and @wants of the reply is not 0: the same request is to be sent again with
	 * BERTH_SERVE_KNOWS in @flags, and
	 * - for BERTH_SERVE_WANTS_FD with a second descriptor, the one whose number is at data + @fd_at, if
	 *   that is one of the server's;
	 * - for BERTH_SERVE_WANTS_ARRAY | bytes: behind the reply's data, _IOC_SIZE() of it, there are up to so many
	 *   bytes more, for the address that was at data + @fd_at.
	 *
	 * DMA_BUF_IOCTL_SYNC of a buffer that others still use is -EAGAIN: who wants to wait has a sync file exported.
	 * A process that has begun an access, and unmaps the buffer or dies, has ended it.
	 */
	BERTH_SERVE_IOCTL,
	/*
	 * With the descriptor. @offset: of mmap(), bytes; @length: likewise. The result, if not negative, comes with a
	 * descriptor that is to be mapped from this offset on, @length bytes. It can be written if the node was opened for that.
	 */
	BERTH_SERVE_MAP,
	/* With the descriptor. Data of the reply: the node's name below /dev, with a 0; result: the flags of open(). */
	BERTH_SERVE_NAME,
	/* @arg: the inode number of a file in the tree. Its text is up to date on return. Result: 0 or -ENOENT. */
	BERTH_SERVE_REFRESH,
	/* With the descriptor. Result: the bytes of a dma-buf (in Linux lseek() to its end tells), or -ESPIPE. */
	BERTH_SERVE_SIZE,
};

#define BERTH_SERVE_KNOWS 1u
#define BERTH_SERVE_WANTS_FD 0x80000000u
#define BERTH_SERVE_WANTS_ARRAY 0x40000000u
#define BERTH_SERVE_ARRAY_BYTES 0x3fffffffu

struct berth_serve_request {
	uint32_t magic;
	uint32_t op;
	uint32_t flags;
	uint32_t size; /* of the data */
	uint64_t offset;
	uint64_t length;
	uint64_t arg;
};

struct berth_serve_reply {
	uint32_t magic;
	uint32_t size; /* of the data */
	int64_t result; /* negative: an errno value */
	uint32_t fd_at;
	uint32_t wants; /* see BERTH_SERVE_IOCTL */
};

#endif
