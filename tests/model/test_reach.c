/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One driver everywhere: the same source moves the same bytes, whatever lies between device and RAM.
 * RAM is at 0, in the middle, behind 1 GiB and above 4 GiB; buffers are anywhere in it; and each
 * way of buses, masks, caches and boot arguments is tried. What must be bounced is worked out here,
 * from the windows that the tree was written from: that, and nothing else, is bounced.
 */
#include "machine.h"

#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/slab.h>
#include <berth/swiotlb.h>
#include <berth/timer.h>

#include <berth/drivers/rtl8139.h>
#include <berth/drivers/sifive-pdma.h>

#include "dma_copy.h"
#include "fdt.h"

#define MIB 0x100000ull
#define COPIES 24
#define FRAMES 12
/* A piece of RAM from a bank, and the longest copy. */
#define PIECE_ORDER 4
#define PIECE (PAGE_SIZE << PIECE_ORDER)
#define LONGEST 40000u
/* In the middle of a piece: a buffer may lie across it. */
#define SEAM (0x00600000u + PIECE / 2)

/* Where the registers are, for the CPU and on the bus: as on a Raspberry Pi 3. */
#define REGISTERS 0x3f000000u
#define REGISTERS_BUS 0x7e000000u
#define REGISTERS_SIZE 0x01000000u
#define ENGINE 0x3000u
#define CARD 0x10000u

static const struct berth_range banks[] = {
	{ 0, 32 * MIB },
	{ 0x10000000, 8 * MIB },
	{ 0x40000000, 8 * MIB },
	{ 0x100000000, 8 * MIB },
};

#define BANKS (sizeof(banks) / sizeof(banks[0]))

/* What the bus of the devices says about memory. */
struct bus {
	const char *name;
	struct berth_dma_window windows[3];
	unsigned int nr;
};

static const struct bus buses[] = {
	{ .name = "one to one" },
	{
		.name = "Raspberry Pi 3",
		.windows = { { 0, 0xc0000000, 0x3f000000 },
			     { REGISTERS, REGISTERS_BUS, REGISTERS_SIZE } },
		.nr = 2,
	},
	{
		.name = "two banks of four",
		.windows = { { 0x10000000, 0, 8 * MIB }, { 0x100000000, 0x20000000, 8 * MIB } },
		.nr = 2,
	},
	{
		.name = "a seam in a bank",
		.windows = { { 0, 0x00800000, SEAM }, { SEAM, 0x00100000, 0x00600000 } },
		.nr = 2,
	},
};

static const unsigned int masks[] = { 24, 28, 30, 32, 64 };
static const char *const bootargs[] = { NULL, "swiotlb=force" };

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_rtl8139_platform_driver),
	BERTH_NO_MORE_DRIVERS,
};

static void interrupt_controller(struct fdt *fdt)
{
	fdt_begin(fdt, "interrupt-controller@3f800000");
	fdt_text(fdt, "compatible", "arm,gic-400");
	fdt_flag(fdt, "interrupt-controller");
	fdt_cells(fdt, "#interrupt-cells", 3);
	fdt_cells(fdt, "#address-cells", 0);
	fdt_cells(fdt, "reg", 0, 0x3f801000, 0, 0x1000, 0, 0x3f802000, 0, 0x2000);
	fdt_cells(fdt, "phandle", 1);
	fdt_end(fdt);
}

static void dma_ranges(struct fdt *fdt, const struct bus *bus)
{
	fdt_property(fdt, "dma-ranges", 16u * bus->nr);
	for (unsigned int i = 0; i < bus->nr; i++) {
		fdt_cell(fdt, (uint32_t)bus->windows[i].bus);
		fdt_cell(fdt, (uint32_t)(bus->windows[i].cpu >> 32));
		fdt_cell(fdt, (uint32_t)bus->windows[i].cpu);
		fdt_cell(fdt, (uint32_t)bus->windows[i].size);
	}
}

static const void *tree(const struct bus *bus, bool coherent)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 1);
	interrupt_controller(&fdt);
	fdt_begin(&fdt, "memory@0");
	fdt_text(&fdt, "device_type", "memory");
	fdt_property(&fdt, "reg", 16 * BANKS);
	for (unsigned int i = 0; i < BANKS; i++) {
		fdt_cell(&fdt, (uint32_t)(banks[i].base >> 32));
		fdt_cell(&fdt, (uint32_t)banks[i].base);
		fdt_cell(&fdt, 0);
		fdt_cell(&fdt, (uint32_t)banks[i].size);
	}
	fdt_end(&fdt);
	fdt_begin(&fdt, "soc");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", REGISTERS_BUS, 0, REGISTERS, REGISTERS_SIZE);
	dma_ranges(&fdt, bus);
	if (coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_begin(&fdt, "dma-controller@7e003000");
	fdt_text(&fdt, "compatible", "sifive,fu540-c000-pdma");
	fdt_cells(&fdt, "reg", REGISTERS_BUS + ENGINE, 0x4000);
	fdt_cells(&fdt, "interrupts", 0, 40, 4, 0, 41, 4, 0, 42, 4, 0, 43, 4, 0, 44, 4, 0, 45, 4, 0,
		  46, 4, 0, 47, 4);
	fdt_end(&fdt);
	fdt_begin(&fdt, "ethernet@7e010000");
	fdt_text(&fdt, "compatible", "berth,model-rtl8139");
	fdt_cells(&fdt, "reg", REGISTERS_BUS + CARD, 0x100);
	fdt_cells(&fdt, "interrupts", 0, 48, 4);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* One combination. */
struct way {
	const struct bus *bus;
	unsigned int bits;
	bool coherent, forced;
};

static struct way way;
static uint64_t random_state;
static uint8_t *pieces[BANKS];

static uint32_t any(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

static void fill(uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)any(256);
}

static uint64_t limit(void)
{
	return way.bits == 64 ? UINT64_MAX : (1ull << way.bits) - 1;
}

/* All of it in one window, and all of that under the mask. */
static bool is_in_reach(phys_addr_t phys, uint64_t size)
{
	const struct bus *bus = way.bus;

	if (!bus->nr)
		return phys + size - 1 <= limit();
	for (unsigned int i = 0; i < bus->nr; i++) {
		const struct berth_dma_window *window = &bus->windows[i];

		if (phys >= window->cpu && phys + size <= window->cpu + window->size)
			return window->bus + (phys - window->cpu) + size - 1 <= limit();
	}
	return false;
}

static bool must_be_bounced(const void *at, size_t size)
{
	return way.forced || !is_in_reach(virt_to_phys(at), size);
}

/* Whether there is RAM in reach at all. */
static bool reaches_ram(void)
{
	for (unsigned int i = 0; i < BANKS; i++)
		for (uint64_t at = 0; at < banks[i].size; at += MIB)
			if (is_in_reach(banks[i].base + at, 1))
				return true;
	return false;
}

static struct device *find(const char *compatible)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);

	assert_non_null(node);
	return &of_find_device_by_node(node)->dev;
}

static uint64_t bounced(struct device *dev)
{
	struct berth_swiotlb_info info;

	berth_swiotlb_info(dev, &info);
	return info.nr_maps;
}

static struct berth_swiotlb_info all_bounced(void)
{
	struct berth_swiotlb_info info;

	berth_swiotlb_info(NULL, &info);
	return info;
}

/* A piece of each bank; of the lowest the one with the seam. */
static void take_pieces(void)
{
	static struct page *other[1024];
	unsigned int nr = 0, found = 0;

	memset(pieces, 0, sizeof(pieces));
	while (found < BANKS) {
		struct page *page = alloc_pages(GFP_KERNEL, PIECE_ORDER);
		unsigned int i = 0;

		assert_true(page && nr < ARRAY_SIZE(other));
		while (page_to_phys(page) - banks[i].base >= banks[i].size)
			i++;
		if (pieces[i] || (!i && SEAM - page_to_phys(page) >= PIECE)) {
			other[nr++] = page;
			continue;
		}
		pieces[i] = page_address(page);
		found++;
	}
	while (nr)
		__free_pages(other[--nr], PIECE_ORDER);
}

static void give_pieces(void)
{
	for (unsigned int i = 0; i < BANKS; i++)
		__free_pages(virt_to_page(pieces[i]), PIECE_ORDER);
}

static void start(const struct bus *bus, unsigned int bits, bool coherent, const char *args)
{
	const struct berth_model_config config = {
		.seed = bits,
		.cache = bits % 3 ? BERTH_MODEL_CACHE_RANDOM : BERTH_MODEL_CACHE_ADVERSARIAL,
	};
	const struct berth_options options = {
		.machine = &berth_model,
		.machine_config = &config,
		.bootargs = args,
	};
	char why[200];

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	if (berth_start(tree(bus, coherent), drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("%s: berth_start: %s", bus->name, why);
	}
	way = (struct way){ bus, bits, coherent, args != NULL };
	random_state = 1 + bits + (coherent ? 1000 : 0) + (args ? 2000 : 0);
}

static void wrong(const char *what, uint64_t is, uint64_t wanted)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	fail_msg("%s, %u bits, %s, %s: %s is %llu, not %llu (%s)", way.bus->name, way.bits,
		 way.coherent ? "coherent" : "not coherent", way.forced ? "forced" : "as needed",
		 what, (unsigned long long)is, (unsigned long long)wanted, why);
}

/* Some of a piece of any bank, or from kmalloc(). */
struct buffer {
	uint8_t *all, *at;
	size_t room, size;
	bool is_kmalloc;
};

static struct buffer any_buffer(size_t size, unsigned int align, const struct buffer *not_here)
{
	struct buffer buffer = { .size = size };
	uint8_t *piece = pieces[any(BANKS)];

	buffer.is_kmalloc = !any(4) || (not_here && piece == not_here->all);
	buffer.room = buffer.is_kmalloc ? size + 200 : PIECE;
	buffer.all = buffer.is_kmalloc ? kmalloc(buffer.room, GFP_KERNEL) : piece;
	assert_non_null(buffer.all);
	buffer.at = buffer.all + any((uint32_t)(buffer.room - size + 1)) / align * align;
	return buffer;
}

static void free_buffer(const struct buffer *buffer)
{
	if (buffer->is_kmalloc)
		kfree(buffer->all);
}

static void copy(struct device *dev)
{
	static uint8_t source[LONGEST], wanted[PIECE + LONGEST];
	size_t size = 1 + any(any(2) ? 64 : LONGEST);
	struct buffer from = any_buffer(size, 1, NULL), to = any_buffer(size, 1, &from);
	uint64_t before = bounced(dev), must, err;
	dma_addr_t src, dst;

	fill(from.at, size);
	memcpy(source, from.at, size);
	fill(to.all, to.room);
	memcpy(wanted, to.all, to.room);
	memcpy(wanted + (to.at - to.all), source, size);
	must = must_be_bounced(from.at, size) + must_be_bounced(to.at, size);
	src = dma_map_single(dev, from.at, size, DMA_TO_DEVICE);
	dst = dma_map_single(dev, to.at, size, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, src) || dma_mapping_error(dev, dst))
		wrong("size of what cannot be mapped", size, 0);
	if (src + size - 1 > limit() || dst + size - 1 > limit())
		wrong("an address", src > dst ? src : dst, limit());
	err = (uint64_t)dma_copy(dev, dst, src, size);
	dma_unmap_single(dev, src, size, DMA_TO_DEVICE);
	dma_unmap_single(dev, dst, size, DMA_FROM_DEVICE);
	if (err)
		wrong("the engine's error", 0 - err, 0);
	if (memcmp(from.at, source, size))
		wrong("size of a damaged source", size, 0);
	if (memcmp(to.all, wanted, to.room))
		wrong("size of a wrong copy", size, 0);
	if (bounced(dev) - before != must)
		wrong("bounced", bounced(dev) - before, must);
	free_buffer(&to);
	free_buffer(&from);
}

static void copies(struct device *dev)
{
	struct berth_swiotlb_info info;

	if (dma_set_mask_and_coherent(dev, DMA_BIT_MASK(way.bits))) {
		assert_reason(BERTH_REASON_MASK);
		if (reaches_ram())
			wrong("a mask refused", way.bits, 0);
		return;
	}
	if (!reaches_ram())
		wrong("a mask taken", way.bits, 0);
	for (unsigned int i = 0; i < COPIES; i++)
		copy(dev);
	info = all_bounced();
	if (info.used || (!info.nr_maps && info.bytes_in + info.bytes_out))
		wrong("slots in use", info.used, 0);
}

static struct completion sent_one;

static void sent(void *data, void *frame, int error)
{
	(void)data;
	(void)frame;
	if (!error)
		complete(&sent_one);
}

/* In loopback: out of a buffer anywhere, into one anywhere. */
static void exchange(struct device *dev)
{
	size_t size = BERTH_RTL8139_MIN_FRAME +
		      any(BERTH_RTL8139_MAX_FRAME - BERTH_RTL8139_MIN_FRAME + 1);
	struct buffer from = any_buffer(size, 4, NULL);
	struct buffer to = any_buffer(BERTH_RTL8139_MAX_FRAME, 1, &from);
	uint64_t before = bounced(dev);
	int err, got;

	fill(from.at, size);
	err = berth_rtl8139_mac(dev, from.at);
	assert_int_equal(err, 0);
	err = berth_rtl8139_send(dev, from.at, size);
	if (err)
		wrong("the card's error", (uint64_t)-err, 0);
	if (!wait_for_completion_timeout(&sent_one, 1000))
		wrong("size of a frame not sent", size, 0);
	got = berth_rtl8139_receive(dev, to.at, BERTH_RTL8139_MAX_FRAME, 1000);
	if (got != (int)size || memcmp(to.at, from.at, size))
		wrong("size of a frame received", (uint64_t)got, size);
	if (bounced(dev) - before != must_be_bounced(from.at, size))
		wrong("bounced", bounced(dev) - before, must_be_bounced(from.at, size));
	free_buffer(&to);
	free_buffer(&from);
}

static void frames(struct device *dev)
{
	const struct berth_rtl8139_config config = {
		.ring_bytes = 8192,
		.flags = BERTH_RTL8139_LOOPBACK,
		.sent = sent,
	};

	if (dma_set_mask_and_coherent(dev, DMA_BIT_MASK(way.bits)))
		return; /* as the engine */
	init_completion(&sent_one);
	if (berth_rtl8139_start(dev, &config))
		wrong("a start", way.bits, 0);
	for (unsigned int i = 0; i < FRAMES; i++)
		exchange(dev);
	assert_int_equal(berth_rtl8139_stop(dev), 0);
}

static void right_bytes_everywhere(void **state)
{
	unsigned int nr_reaching = 0;

	(void)state;
	for (unsigned int n = 0; n < ARRAY_SIZE(buses) * ARRAY_SIZE(masks) * 4; n++) {
		unsigned int bits = masks[n / 4 % ARRAY_SIZE(masks)];
		struct berth_model_stats stats;

		start(&buses[n / 4 / ARRAY_SIZE(masks)], bits, n & 1, bootargs[n >> 1 & 1]);
		nr_reaching += reaches_ram();
		take_pieces();
		copies(find("sifive,fu540-c000-pdma"));
		/* The card's own limit is 32 bits. */
		if (bits <= 32)
			frames(find("berth,model-rtl8139"));
		give_pieces();
		berth_model_stats(&stats);
		if (stats.bus_errors)
			wrong("bus errors", stats.bus_errors, 0);
		must_stop();
	}
	/* Of the Raspberry Pi's addresses none has 30 bits. */
	assert_int_equal(nr_reaching, 4 * (4 * 5 - 3));
}

/* Its second window leads to the registers: the engine reads the card's address. */
static void registers_by_bus_address(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

	(void)state;
	for (unsigned int coherent = 0; coherent < 2; coherent++) {
		dma_addr_t src, dst;
		struct device *dev;
		uint8_t *to;

		start(&buses[1], 32, coherent, NULL);
		dev = find("sifive,fu540-c000-pdma");
		to = kmalloc(6, GFP_KERNEL);
		src = dma_map_resource(dev, REGISTERS + CARD, 6, DMA_TO_DEVICE, 0);
		assert_int_equal(src, REGISTERS_BUS + CARD);
		dst = dma_map_single(dev, to, 6, DMA_FROM_DEVICE);
		assert_false(dma_mapping_error(dev, src) || dma_mapping_error(dev, dst));
		assert_int_equal(dma_copy(dev, dst, src, 6), 0);
		dma_unmap_single(dev, dst, 6, DMA_FROM_DEVICE);
		dma_unmap_resource(dev, src, 6, DMA_TO_DEVICE, 0);
		/* Its second half is no 4 bytes: of 2, the card has none there. */
		assert_memory_equal(to, mac, 4);
		kfree(to);
		must_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_bytes_everywhere),
		cmocka_unit_test(registers_by_bus_address),
	};

	return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
