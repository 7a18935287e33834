/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the checked DMA API share. */
#ifndef BERTH_DMA_CHECKED_H
#define BERTH_DMA_CHECKED_H

#include <berth/dma-mapping.h>

#include "check/check.h"

/* A call as the checker is told of it; its CPU address is the caller's to add. */
struct check_call berth_checked_call(struct device *dev, enum check_kind kind, dma_addr_t bus,
				     size_t size, enum dma_data_direction dir, void *caller);

/* Whether the call is to fail, for a test. */
bool berth_checked_fails(const struct device *dev);
/* Memory was allocated, or could not be. */
void berth_checked_note(struct check_call *call, void *virt);
/* Before memory is freed. Return: whether it is to be freed. */
bool berth_checked_forget(struct check_call *call, void *virt);

#include <berth/check-dma.h>

#endif
