/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame in scattered pages, for a display behind an IOMMU: the memory-to-memory engine fills it from
 * where the camera left the picture, and it is mapped for each picture anew.
 */
#ifndef TOOL_SCATTER_H
#define TOOL_SCATTER_H

#include <stddef.h>
#include <stdint.h>

#include <berth/berth.h>
#include <berth/scatterlist.h>

/* What the IOMMU did for a display. */
struct scatter_work {
	bool is_there; /* the display is behind an IOMMU */
	const char *protection;
	uint64_t requests; /* pictures that were mapped, shown and unmapped */
	uint64_t pages; /* of each, scattered; 0: they were contiguous */
	uint64_t moved; /* bytes that the engine moved */
	uint64_t faults;
	uint64_t invalidations; /* commands */
	uint64_t misses[3]; /* of the walk caches, by level from the root */
};

struct scatter;

/* Pages of which no two are neighbours, for pictures of @bytes. NULL: no memory, and berth says why. */
struct scatter *scatter_start(struct device *engine, size_t bytes);
void scatter_end(struct scatter *scatter);

/* The picture, for the display. */
struct sg_table *scatter_table(struct scatter *scatter);
size_t scatter_pages(const struct scatter *scatter);

/* Fill it, by the engine. 0, or a negative errno value. */
int scatter_fill(struct scatter *scatter, void *picture);

#endif
