// SPDX-License-Identifier: BSD-2-Clause
/* Stopping a device that the driver knows nothing else of. */
#include <berth/io.h>
#include <berth/memblock.h>
#include <berth/timer.h>

#include "genirq.h"

#define PROPERTY "berth,quiesce"
#define SHORT_CELLS 3u /* map, offset, value */
#define LONG_CELLS 7u /* and of the status: offset, mask, value; milliseconds */
#define POLL_US 20

static uint32_t read_word(const struct uio_quiesce *q, uint32_t offset)
{
	uint32_t value;

	if (!q->memory)
		return readl((const char __iomem *)q->regs + offset);
	value = q->memory[offset / 4];
	rmb();
	return value;
}

static void write_word(const struct uio_quiesce *q, uint32_t offset, uint32_t value)
{
	if (!q->memory) {
		writel(value, (char __iomem *)q->regs + offset);
		return;
	}
	wmb();
	q->memory[offset / 4] = value;
	/* It is there before the device is asked for it. */
	mb();
}

/* Registers that are RAM are mapped as the program maps them: two types of one page are not allowed. */
static int map_registers(struct uio_quiesce *q, const struct uio_mem *mem)
{
	const phys_addr_t start = mem->addr + mem->offs;
	const size_t size = (size_t)(mem->size - mem->offs);

	if (memblock_is_memory(mem->addr)) {
		q->base = memremap(start, size, mem->is_cached ? MEMREMAP_WB : MEMREMAP_WT);
		q->memory = q->base;
	} else {
		q->regs = ioremap(start, size);
	}
	return q->base || q->regs ? 0 : berth_last_error()->code;
}

static bool is_word_of(const struct uio_mem *mem, uint32_t offset)
{
	return !(offset % 4) && offset <= mem->size - mem->offs - 4;
}

int berth_uio_quiesce_init(struct uio_genirq *g)
{
	struct uio_quiesce *q = &g->quiesce;
	const struct uio_mem *mem;
	uint32_t cells[LONG_CELLS] = { 0 };
	int length;

	if (!of_get_property(g->pdev->dev.of_node, PROPERTY, &length))
		return 0;
	if (length != SHORT_CELLS * 4 && length != LONG_CELLS * 4)
		return berth_uio_bad_tree(g, PROPERTY, (uint64_t)length);
	for (unsigned int i = 0; i < (unsigned int)length / 4; i++)
		if (of_property_read_u32_index(g->pdev->dev.of_node, PROPERTY, i, &cells[i]))
			return berth_uio_bad_tree(g, PROPERTY, i);
	if (cells[0] >= g->nr_static)
		return berth_uio_bad_tree(g, PROPERTY, cells[0]);
	mem = &g->info.mem[cells[0]];
	if (!is_word_of(mem, cells[1]) || !is_word_of(mem, cells[3]))
		return berth_uio_bad_tree(g, PROPERTY, cells[1]);
	q->offset = cells[1];
	q->value = cells[2];
	q->has_status = length == LONG_CELLS * 4;
	q->status = cells[3];
	q->mask = cells[4];
	q->expected = cells[5];
	q->timeout_ms = cells[6];
	if (q->expected & ~q->mask)
		return berth_uio_bad_tree(g, PROPERTY, q->expected);
	q->is_known = !map_registers(q, mem);
	return q->is_known ? 0 : berth_last_error()->code;
}

void berth_uio_quiesce_exit(struct uio_genirq *g)
{
	struct uio_quiesce *q = &g->quiesce;

	if (q->base)
		memunmap(q->base);
	iounmap(q->regs);
	*q = (struct uio_quiesce){ .is_known = false };
}

int berth_uio_quiesce(struct uio_genirq *g)
{
	const struct uio_quiesce *q = &g->quiesce;
	const uint64_t end = ktime_get_ns() + q->timeout_ms * NSEC_PER_MSEC;
	bool is_late = false;

	if (!q->is_known)
		return 0;
	write_word(q, q->offset, q->value);
	while (q->has_status && (read_word(q, q->status) & q->mask) != q->expected) {
		if (is_late) {
			*berth_port_error() = (struct berth_error){ .code = -ETIMEDOUT,
								    .reason = BERTH_REASON_TIMEOUT,
								    .subject = PROPERTY,
								    .limit = q->timeout_ms };
			return -ETIMEDOUT;
		}
		is_late = ktime_get_ns() >= end;
		usleep_range(POLL_US, 2 * POLL_US);
	}
	return 0;
}
