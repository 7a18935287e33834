/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: serve - other processes use the nodes of this one
 *
 * A server lets programs of the same user open what drivers have registered under /dev, as
 * ``berth exec`` does for programs that know nothing of berth. docs/serve.md is the guide.
 */
#ifndef BERTH_SERVE_H
#define BERTH_SERVE_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct berth_serve_options - settings; all zero is a good choice
 * @name: of the socket, in the namespace that is abstract; NULL: "berth-UID". Up to 100 bytes
 * @connections: at most; 0: 512. Open nodes count, and mappings, and those who ask for something
 * @own_only: no socket: only berth_serve_adopt() brings clients
 */
struct berth_serve_options {
	const char *name;
	unsigned int connections;
	bool own_only;
};

/**
 * struct berth_serve_stats - what the server has at hand
 * @connections: that are open
 * @files: of them, open nodes
 * @mappings: of them, mappings
 * @refused: connections of other users, or too many
 * @dropped: connections that were ended because of nonsense
 */
struct berth_serve_stats {
	unsigned int connections;
	unsigned int files;
	unsigned int mappings;
	uint64_t refused;
	uint64_t dropped;
};

/**
 * berth_serve_start() - serve the nodes of this process, those of now and later ones
 * @options: settings, or NULL
 *
 * While berth runs. From now on there are threads that may call any driver's operations. May sleep. Return:
 * 0; -EINVAL (ARGUMENT, STATE: not started, or serving already); -EADDRINUSE (IO: a server of this name runs);
 * -ENOMEM (OUT_OF_MEMORY); another (IO).
 */
int BERTH_MUST_CHECK berth_serve_start(const struct berth_serve_options *options);

/**
 * berth_serve_stop() - end all connections; on return every file and mapping of a client's is released
 *
 * Before berth_stop(). Waits for operations of drivers that run. May sleep.
 */
void berth_serve_stop(void);

/**
 * berth_serve_adopt() - one more connection
 * @fd: an end of socketpair(AF_UNIX, SOCK_SEQPACKET); the server's on success
 *
 * Who has the other end is trusted as much as a process of the same user. Return: 0; -EINVAL (STATE, or ARGUMENT: no
 * such socket), -ENOMEM (TABLE_FULL).
 */
int BERTH_MUST_CHECK berth_serve_adopt(int fd);

/** berth_serve_name() - the name at which it serves; "" if there is none. */
const char *berth_serve_name(void);

/** berth_serve_stats() - figures; all 0 while nothing is served. Any thread. */
void berth_serve_stats(struct berth_serve_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
