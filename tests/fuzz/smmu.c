// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as what a driver may do to the modelled SMMU: registers, queues, stream tables, contexts
 * and page tables, right, nearly right or nonsense, and accesses of a device in between. Whatever it
 * is, it ends, and what is counted adds up.
 */
#include <string.h>

#include <berth/model.h>

#include "../model/fdt.h"
#include "model/internal.h"

#define RAM 0x40000000ull
#define RAM_SIZE 0x400000ull
#define REGISTERS 0x20000000ull
#define STRTAB RAM
#define CD (RAM + 0x10000)
#define CMDQ (RAM + 0x20000)
#define EVENTQ (RAM + 0x30000)
#define TABLES (RAM + 0x40000)
#define TABLE 0x10000ull
#define MAX_CALLS 300

#define MUST(condition)                   \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_left;
static char *regs;
static struct model_device *client;

static uint8_t take(void)
{
	return input_left ? (input_left--, *input++) : 0;
}

static uint64_t take_bytes(unsigned int nr)
{
	uint64_t value = 0;

	while (nr--)
		value = value << 8 | take();
	return value;
}

/* A word that may mean something: a place in memory with bits, a small number, anything. */
static uint64_t take_word(void)
{
	uint8_t how = take();

	switch (how & 3) {
	case 0:
		return take_bytes(8);
	case 1:
		return take();
	case 2:
		return (RAM + (take_bytes(3) & (RAM_SIZE - 1))) | (uint64_t)take() << 56;
	default:
		/* A table or a page, a block, or nothing; with attributes. */
		return (TABLES + (uint64_t)(take() & 7) * TABLE) | 0xc40 | (how >> 2 & 3) |
		       (uint64_t)(how >> 4 & 7) << 5 | (uint64_t)(how >> 6) << 61;
	}
}

static void poke(uint64_t phys, uint64_t value)
{
	memcpy(berth_model_memory(phys & ~7ull), &value, 8);
}

/* All as it should be, for streams 0 to 3. */
static void set_up(void)
{
	static const uint64_t granules[] = { 0, 2ull << 6, 1ull << 6, 0 };
	unsigned int how = take();

	for (unsigned int sid = 0; sid < 4; sid++) {
		uint64_t bits = 64 - (16 + take() % 24u);

		poke(STRTAB + 64 * sid, (CD + 64 * sid) | 5 << 1 | 1);
		poke(CD + 64 * sid, (64 - bits) | granules[how & 3] | 1ull << 30 | 1ull << 31 |
					    4ull << 32 | 1ull << 41 | 3ull << 45);
		poke(CD + 64 * sid + 8, TABLES);
	}
	/* Whatever level the first one is of, the last one's are pages. */
	for (unsigned int at = 0; at < 16; at++)
		poke(TABLES + TABLE * (at / 4) + 8 * (at % 4),
		     (TABLES + TABLE * (at / 4 + 1)) | 0xc43);
	mmio_write(regs + 0x20, 4, 0);
	mmio_write(regs + 0x80, 8, STRTAB);
	mmio_write(regs + 0x88, 4, how & 4 ? 8 | 6 << 6 | 1 << 16 : 8);
	mmio_write(regs + 0x90, 8, CMDQ | (how >> 4 & 7));
	mmio_write(regs + 0xa0, 8, EVENTQ | (how >> 3 & 3));
	mmio_write(regs + 0x2c, 4, 2);
	mmio_write(regs + 0x50, 4, 7);
	mmio_write(regs + 0x20, 4, 0xd);
}

static void push_command(void)
{
	uint32_t prod = (uint32_t)mmio_read(regs + 0x98, 4);
	static const uint8_t opcodes[] = { 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x30, 0x46 };
	uint8_t opcode = take();

	opcode = opcode & 0x80 ? opcode : opcodes[opcode % sizeof(opcodes)];
	poke(CMDQ + 16 * (prod & 0xff), opcode | take_word() << 12 << (take() & 31));
	poke(CMDQ + 16 * (prod & 0xff) + 8, take_word());
	mmio_write(regs + 0x98, 4, prod + 1);
	if (take() & 1)
		mmio_write(regs + 0x64, 4, mmio_read(regs + 0x60, 4));
}

static void access_memory(void)
{
	static uint8_t bytes[1 << 16];
	uint64_t address = take() & 3 ? take_bytes(2) : take_word();
	size_t size = take_bytes(2);

	model_lock();
	client->stream = take() & 7;
	if (take() & 1)
		model_dma_read(client, address, bytes, size);
	else
		model_dma_write(client, address, bytes, size);
	model_unlock();
}

static void call(void)
{
	uint8_t what = take();

	switch (what & 7) {
	case 0:
		mmio_write(regs + (take_bytes(2) & 0x100ff & ~3u), 4, take_word());
		break;
	case 1:
		mmio_write(regs + (take() & ~7u), 8, take_word());
		break;
	case 2:
		poke(RAM + (take_bytes(2) << 3), take_word());
		break;
	case 3:
		poke(TABLES + TABLE * (take() & 3) + 8ull * (take() & 7), take_word());
		break;
	case 4:
		push_command();
		break;
	case 5:
		set_up();
		break;
	case 6:
		mmio_read(regs + (take_bytes(2) & ~7u), what & 8 ? 8 : 4);
		berth_port_delay(take());
		break;
	default:
		access_memory();
		break;
	}
}

static const void *tree(void)
{
	static const char names[] = "eventq\0gerror\0cmdq-sync";
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "smmu@20000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, (uint32_t)REGISTERS, 0, 0x20000);
	fdt_cells(&fdt, "interrupts", 40, 41, 42);
	fdt_property(&fdt, "interrupt-names", sizeof(names));
	fdt_bytes(&fdt, names, sizeof(names));
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "dma@3000000");
	fdt_text(&fdt, "compatible", "sifive,fu540-c000-pdma");
	fdt_cells(&fdt, "reg", 0, 0x3000000, 0, 0x4000);
	fdt_cells(&fdt, "iommus", 1, 0);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static void start(void)
{
	static const struct berth_range bank = { RAM, RAM_SIZE };
	static const struct berth_port_ram ram = {
		.banks = &bank,
		.nr_banks = 1,
		.mapped = &bank,
		.nr_mapped = 1,
	};
	const uint8_t how = take();
	const struct berth_model_smmu_config smmu = {
		.iotlb_entries = how & 1 ? 4 : 0,
		.iotlb_ways = how & 1 ? 2 : 0,
		.walk_entries = { 1, how & 2 ? 1 : 0, 0 },
		.latency_ns = how & 4 ? 100 : 0,
		.has_msi = how & 8,
		.no_range = how & 16,
		.watch_stale = how & 32,
	};
	const struct berth_model_config config = { .smmu = &smmu, .seed = how };
	const void *blob = tree();

	MUST(!berth_port_start(&blob, &berth_model, &config));
	MUST(!berth_port_ram(&ram));
	client = model_find("/dma@3000000");
	regs = mmio_map(REGISTERS, 0x20000);
	MUST(client && regs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_model_smmu_stats stats;

	input = data;
	input_left = size;
	start();
	for (unsigned int i = 0; input_left && i < MAX_CALLS; i++)
		call();
	MUST(!berth_model_smmu_stats(NULL, &stats));
	MUST(stats.iotlb_hits + stats.iotlb_misses <= stats.translations);
	MUST(stats.events_recorded + stats.events_lost <= stats.faults);
	MUST(stats.iotlb_dropped + stats.walks_dropped + stats.evicted <=
	     stats.iotlb_misses + stats.walk_reads);
	mmio_unmap(regs);
	berth_port_stop();
	return 0;
}
