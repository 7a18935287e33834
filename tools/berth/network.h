/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card at work: it sends frames out of memory that it may not reach, the other end of the
 * cable sends each back, and every byte of what comes is looked at.
 */
#ifndef TOOL_NETWORK_H
#define TOOL_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a run says about it. */
struct network_work {
	bool is_there; /* the board has a card */
	uint64_t frames_out, frames_in; /* sent, and come back */
	uint64_t bytes_out, bytes_in;
	uint64_t wrong; /* frames that came back different */
	uint64_t bounced; /* mappings of the card's that were bounced */
	uint64_t bounced_bytes; /* copied to and from bounce buffers meanwhile */
};

struct network;

enum network_outcome { NETWORK_RIGHT, NETWORK_WRONG, NETWORK_LOST };

/*
 * Start the first card of the board. *@network is NULL without one. 0, or -1 with a line in @error;
 * @work is kept up to date until network_end(), which takes NULL as well.
 */
int network_start(struct network **network, uint64_t seed, struct network_work *work, char *error,
		  size_t size);
void network_end(struct network *network);

/* One frame there and back. *@byte: the first that is wrong; a lost one has its line in @error. */
enum network_outcome network_exchange(struct network *network, size_t *byte, char *error,
				      size_t size);

#endif
