/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program's side of the server's protocol. Nothing here allocates, takes a lock or uses what the preloaded
 * library replaces, so all of it may be called in a signal handler and behind fork(). Errors are negative errno values.
 */
#ifndef PORTS_LINUX_PRELOAD_CLIENT_H
#define PORTS_LINUX_PRELOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/client.h>

#include <berth/serve-protocol.h>

/* Whether a descriptor is an open node of the server's. */
bool berth_client_is_node(int fd);

/* What the driver returns, now: -EAGAIN if there is nothing. */
long berth_client_read(int fd, void *bytes, size_t count);
long berth_client_write(int fd, const void *bytes, size_t count);

/* Return: a descriptor to map from *@at on; *@connection is to stay open as long as the mapping. */
int berth_client_map_at(int fd, uint64_t offset, uint64_t length, uint64_t *at, int *connection);
/* The same for nodes of which that is always 0: all but buffers. */
int berth_client_map(int fd, uint64_t offset, uint64_t length, int *connection);

/* The name below /dev of an open node, to @name of BERTH_SERVE_NAME_MOST bytes. */
int berth_client_name(int fd, char *name);

/* Bring the text of a file of the tree up to date. */
int berth_client_refresh(uint64_t inode);

#endif
