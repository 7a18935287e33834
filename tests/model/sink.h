/* SPDX-License-Identifier: BSD-2-Clause */
/* A peripheral with one register, of the model's: what is written is kept, what is read counts up. */
#ifndef TESTS_MODEL_SINK_H
#define TESTS_MODEL_SINK_H

#include "model/model.h"

#define SINK_MAX 65536u

struct sink {
	uint32_t nr, nr_read;
	uint64_t values[SINK_MAX];
	uint64_t offsets; /* of accesses, or-ed together */
};

static inline uint64_t sink_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct sink *sink = dev->state;

	(void)bytes;
	sink->offsets |= offset;
	return sink->nr_read++;
}

static inline void sink_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			      uint64_t value)
{
	struct sink *sink = dev->state;

	(void)bytes;
	sink->offsets |= offset;
	sink->values[sink->nr++ % SINK_MAX] = value;
}

static const struct model_device_type sink_type = {
	.compatible = "test,sink",
	.state_size = sizeof(struct sink),
	.read = sink_read,
	.write = sink_write,
};

#endif
