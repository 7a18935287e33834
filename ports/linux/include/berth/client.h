/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: client - a program that uses the nodes of a server's (``berth serve``)
 *
 * For programs that are written for it, in C or C++; they link libberth-client.a and nothing else of
 * berth's. (Others run unmodified under ``berth exec``.) What is opened is a descriptor: it is passed over UNIX
 * sockets, kept through fork() and closed with close() like any other. Errors are negative errno values. Nothing here
 * allocates memory or takes a lock: everything may be called by any thread and in a signal handler. The server is the
 * own user's, of the name in $BERTH_SERVER, or "berth-UID". docs/dma-buf-processes.md shows its use.
 */
#ifndef BERTH_CLIENT_H
#define BERTH_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct berth_client_mapping - a mapping
 * @address: where it is
 * @size: bytes
 * @connection: private
 */
struct berth_client_mapping {
	void *address;
	size_t size;
	int connection;
};

/**
 * berth_client_open() - open(2) of a node
 * @name: with "/dev/" or without, such as "dma_heap/system"
 * @flags: of open(): O_RDONLY, O_WRONLY or O_RDWR; O_CLOEXEC, O_NONBLOCK
 *
 * Return: the descriptor, until berth_client_close(); -ECONNREFUSED: there is no server; -EACCES: it is
 * another user's; what the driver says.
 */
int berth_client_open(const char *name, int flags);

/**
 * berth_client_ioctl() - ioctl(2)
 * @fd: from berth_client_open(), from an ioctl, or from another process
 * @number: the request, of the kernel's headers: <linux/dma-buf.h>, <linux/dma-heap.h>, <linux/sync_file.h>
 * @arg: its argument; descriptors in it are those of this process
 *
 * DMA_BUF_IOCTL_SYNC waits for the fences of the buffer. Return: what the driver says; -EBADF if @fd is no open node of
 * the server's; -EPIPE, -ECONNRESET or -ECONNREFUSED if the server is gone.
 */
long berth_client_ioctl(int fd, unsigned long number, void *arg);

/**
 * berth_client_mmap() - mmap(2), shared
 * @fd: opened O_RDWR, or O_RDONLY to read only
 * @size: bytes
 * @offset: bytes, of a multiple of the page size
 * @prot: PROT_READ, PROT_WRITE
 * @mapping: filled in
 *
 * Return: 0, the mapping the caller's until berth_client_munmap() also if @fd is closed; -EINVAL beyond the end of what
 * can be mapped, and then as berth_client_ioctl().
 */
int berth_client_mmap(int fd, size_t size, uint64_t offset, int prot,
		      struct berth_client_mapping *mapping);

/** berth_client_munmap() - munmap(2). An access of this process that was begun (DMA_BUF_IOCTL_SYNC) is ended. */
void berth_client_munmap(struct berth_client_mapping *mapping);

/** berth_client_size() - the bytes of a dma-buf; -ESPIPE of something else */
int64_t berth_client_size(int fd);

/**
 * berth_client_wait() - sleep until a fence is signalled, or something else can be read
 * @fd: a sync file; a dma-buf: until the CPU may use it for reading and writing; another node
 * @timeout_ms: as that of poll(2)
 *
 * Return: 1; 0 when time was up; of a fence that failed its error; -EINTR; -EPIPE when the server is gone.
 */
int berth_client_wait(int fd, int timeout_ms);

/** berth_client_close() - close(2). Return: 0 or -EBADF. */
int berth_client_close(int fd);

/**
 * berth_client_tree() - where the server keeps what stands for /sys and /dev
 * @path: filled in
 * @size: bytes at @path
 *
 * Return: 0, or a negative errno value as berth_client_open().
 */
int berth_client_tree(char *path, size_t size);

#ifdef __cplusplus
}
#endif

#endif
