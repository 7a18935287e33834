// SPDX-License-Identifier: BSD-2-Clause
/* The model of the network card: register by register, as its data sheet says; and a card that hangs. */
#include "nic.h"

#include "model/devices.h"

#define RING 8192u

enum { IDR = 0x00, MAR = 0x08, TSD = 0x10, TSAD = 0x20, RBSTART = 0x30, CR = 0x37, CAPR = 0x38 };
enum { CBR = 0x3a, IMR = 0x3c, ISR = 0x3e, TCR = 0x40, RCR = 0x44, MPC = 0x4c, MSR = 0x58 };

static char __iomem *regs;
static struct device *card;
static uint8_t *memory; /* a ring of 8 KiB and room for the longest frame, then frames */
static dma_addr_t bus;

#define FRAMES (RING + 2 * 4096)
#define MEMORY (FRAMES + 4 * 2048)

/* No driver: the test is one. In loopback, the ring of 8 KiB with WRAP, all frames accepted. */
static void boot(uint32_t rcr)
{
	static const struct berth_driver none[] = { BERTH_NO_MORE_DRIVERS };

	if (berth_running())
		berth_stop();
	assert_int_equal(start_tree(board_network, none, NULL), 0);
	card = nic_find(CARD_A);
	regs = ioremap(REGISTERS_A, 0x100);
	memory = dma_alloc_coherent(card, MEMORY, &bus, GFP_KERNEL);
	assert_true(regs && memory);
	writel((uint32_t)bus, regs + RBSTART);
	writeb(0x0c, regs + CR);
	writel(0x03060600, regs + TCR);
	writel(rcr, regs + RCR);
	writew(0xfff0, regs + CAPR);
}

static void halt(void)
{
	dma_free_coherent(card, MEMORY, memory, bus);
	iounmap(regs);
	must_stop();
}

static void give(unsigned int index, size_t size)
{
	nic_fill(memory + FRAMES + 2048 * index, size, index, mac_a);
	writel((uint32_t)bus + FRAMES + 2048 * index, regs + TSAD + 4 * index);
	writel((uint32_t)size, regs + TSD + 4 * index);
}

static uint32_t word_at(uint32_t at)
{
	uint32_t word;

	memcpy(&word, memory + at, 4);
	return word;
}

static void test_registers(void **state)
{
	(void)state;
	boot(0x8f);
	assert_int_equal(readl(regs + IDR), 0x00000002);
	assert_int_equal(readb(regs + IDR + 5), 1);
	assert_int_equal(readw(regs + IDR), 0);
	writel(0x12345678, regs + IDR);
	assert_int_equal(readl(regs + IDR), 0x00000002);
	writel(0x12345678, regs + MAR + 4);
	assert_int_equal(readl(regs + MAR + 4), 0x12345678);
	writel(0x12345677, regs + TSAD + 12);
	assert_int_equal(readl(regs + TSAD + 12), 0x12345674);
	assert_int_equal(readl(regs + TSD), 0x2000);
	assert_int_equal(readl(regs + TCR), 0x77060600);
	assert_int_equal(readl(regs + RCR), 0x8f);
	assert_int_equal(readb(regs + CR), 0x0d);
	assert_int_equal(readl(regs + CR - 3), 0);
	assert_int_equal(readb(regs + MSR), 0);
	writeb(1, regs + ISR);
	writew(0xffff, regs + IMR);
	assert_int_equal(readw(regs + IMR), 0xe07f);
	/* A half that is not enabled keeps its configuration. */
	writeb(0x08, regs + CR);
	writel(0, regs + TCR);
	writeb(0x04, regs + CR);
	writel(0, regs + RCR);
	assert_int_equal(readl(regs + TCR), 0x77060600);
	assert_int_equal(readl(regs + RCR), 0x8f);
	/* Reset. */
	writeb(0x10, regs + CR);
	writel(0x1000, regs + RBSTART);
	writeb(0x0c, regs + CR);
	assert_int_equal(readb(regs + CR), 0x11);
	udelay(10);
	assert_int_equal(readb(regs + CR), 0x01);
	assert_int_equal(readl(regs + RBSTART), 0);
	assert_int_equal(readl(regs + TCR), 0x74000000);
	assert_int_equal(readw(regs + IMR), 0);
	assert_int_equal(readw(regs + CAPR), 0xfff0);
	assert_int_equal(readl(regs + IDR), 0x00000002);
	halt();
}

/* In turn, each once, and the words of a frame as it lies in the ring. */
static void test_descriptors(void **state)
{
	(void)state;
	boot(0x8f);
	give(1, 100);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0);
	assert_int_equal(readl(regs + TSD + 4), 100);
	writel(200, regs + TSD + 4); /* the card has it */
	give(0, 61);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x05);
	assert_int_equal(readl(regs + TSD), 0xa000 | 61);
	assert_int_equal(readl(regs + TSD + 4), 0xa000 | 100);
	assert_int_equal(word_at(0), 0x00414001);
	assert_memory_equal(memory + 4, memory + FRAMES, 61);
	assert_int_equal(word_at(72), 0x00684001);
	assert_int_equal(readw(regs + CBR), 72 + 108);
	writew(0x04, regs + ISR);
	assert_int_equal(readw(regs + ISR), 0x01);
	assert_int_equal(readb(regs + CR), 0x0c);
	writew(180 - 16, regs + CAPR);
	assert_int_equal(readb(regs + CR), 0x0d);
	halt();
}

/* The checksum that others compute, too: that of nine digits is in every book. */
static void test_checksum(void **state)
{
	static const uint8_t digits[] = "123456789";
	uint8_t frame[60] = { 0 };
	uint32_t crc = UINT32_MAX;

	(void)state;
	boot(0x9f); /* runts, too */
	memcpy(frame, digits, 9);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 60, false), 0);
	msleep(1);
	/* Over a frame and its checksum the remainder is the same for all. */
	for (unsigned int i = 0; i < 64; i++) {
		crc ^= memory[4 + i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	assert_int_equal(crc, 0xdebb20e3u);
	halt();
}

/* At the end of the ring: beyond it, or on at its start. */
static void test_ring_end(void **state)
{
	(void)state;
	for (unsigned int wrap = 0; wrap < 2; wrap++) {
		uint8_t frame[1600];

		boot(wrap ? 0x8f : 0x0f);
		for (unsigned int i = 0; i < 6; i++) {
			writew((uint16_t)(readw(regs + CBR) - 16), regs + CAPR);
			nic_deliver(CARD_A, 1500, i, mac_a);
			msleep(1);
		}
		nic_fill(frame, 1500, 5, mac_a);
		/* The sixth begins at 7540: 648 of its bytes are before the end. */
		assert_int_equal(word_at(7540), 0x05e04001);
		assert_memory_equal(memory + 7544, frame, 648);
		if (wrap) {
			assert_memory_equal(memory + RING, frame + 648, 1500 - 648);
		} else {
			assert_memory_equal(memory, frame + 648, 1500 - 648);
			assert_int_equal(word_at(RING), 0);
		}
		assert_int_equal(readw(regs + CBR), 7540 + 1508 - RING);
		halt();
	}
}

/* Who accepts what is damaged or too short gets it, and is told. */
static void test_odd_frames(void **state)
{
	uint8_t frame[100] = { 2, 0, 0, 0, 0, 1 };

	(void)state;
	boot(0xbe);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 100, true), 0);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 20, false), 0);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x03);
	assert_int_equal(word_at(0), 0x00684004);
	assert_int_equal(word_at(108), 0x00184011);
	halt();
	boot(0x8e);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 100, true), 0);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 20, false), 0);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x02);
	assert_int_equal(readw(regs + CBR), 0);
	halt();
}

/* The six highest bits of the address' checksum: for 01:00:5e:00:00:01 they are 31. */
static void test_groups(void **state)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 };

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		boot(0x84);
		writel(bit < 32 ? 1u << bit : 0, regs + MAR);
		writel(bit < 32 ? 0 : 1u << (bit - 32), regs + MAR + 4);
		nic_deliver(CARD_A, 60, 1, group);
		msleep(1);
		assert_int_equal(readw(regs + ISR), bit == 31);
		if (bit == 31)
			assert_int_equal(word_at(0), 0x00408001);
		halt();
	}
}

static void test_overflow(void **state)
{
	(void)state;
	boot(0x8f);
	for (unsigned int i = 0; i < 7; i++)
		nic_deliver(CARD_A, 1500, i, mac_a);
	msleep(2);
	assert_int_equal(readw(regs + ISR), 0x11);
	assert_int_equal(readl(regs + MPC), 2);
	/* Without room it stays, and nothing is received. */
	writew(0xffff, regs + ISR);
	assert_int_equal(readw(regs + ISR), 0x10);
	writew((uint16_t)(1508 - 16), regs + CAPR);
	nic_deliver(CARD_A, 100, 9, mac_a);
	msleep(1);
	assert_int_equal(readl(regs + MPC), 3);
	writew(0x10, regs + ISR);
	assert_int_equal(readw(regs + ISR), 0);
	nic_deliver(CARD_A, 100, 9, mac_a);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x01);
	writel(1, regs + MPC);
	assert_int_equal(readl(regs + MPC), 0);
	halt();
}

static void test_abort(void **state)
{
	(void)state;
	boot(0x8f);
	assert_int_equal(berth_model_rtl8139_jam(CARD_A, 1), 0);
	give(0, 100);
	give(1, 101);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x08);
	assert_int_equal(readl(regs + TSD), 0x40002000 | 100);
	assert_int_equal(readl(regs + TSD + 4), 101);
	writel(0x03060601, regs + TCR);
	assert_int_equal(readl(regs + TSD), 100);
	assert_int_equal(readl(regs + TCR), 0x77060600);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x0d);
	assert_int_equal(readl(regs + TSD), 0xa000 | 100);
	assert_int_equal(readl(regs + TSD + 4), 0xa000 | 101);
	halt();
}

/* A card that has met no memory does nothing until it is reset. */
static void test_bus_error(void **state)
{
	struct berth_model_stats stats;

	(void)state;
	boot(0x8f);
	writel(0x40000000, regs + TSAD);
	writel(100, regs + TSD);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x8000);
	assert_int_equal(readl(regs + TSD), 100);
	berth_model_stats(&stats);
	assert_int_equal(stats.bus_errors, 1);
	nic_deliver(CARD_A, 100, 0, mac_a);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x8000);
	writeb(0x10, regs + CR);
	udelay(10);
	writel(0x40000000 - 100, regs + RBSTART);
	writeb(0x0c, regs + CR);
	writel(0x8f, regs + RCR);
	nic_deliver(CARD_A, 300, 0, mac_a);
	msleep(1);
	assert_int_equal(readw(regs + ISR), 0x8000);
	berth_model_stats(&stats);
	assert_int_equal(stats.bus_errors, 2);
	halt();
}

/* A card that does not come out of its reset while this is set. */
static bool is_stuck;

static uint64_t stuck_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	uint64_t value = model_rtl8139.read(dev, offset, bytes);

	return is_stuck && offset == CR ? value | 0x10 : value;
}

static void test_stuck(void **state)
{
	static struct model_device_type type;
	struct platform_device *pdev;
	struct nic_log *log = &nic_log;
	uint8_t buffer[2048], *frame;
	struct device *dev;

	(void)state;
	type = model_rtl8139;
	type.read = stuck_read;
	model_add_type(&type);
	dev = nic_boot(NULL);
	frame = nic_frames(1);
	nic_fill(frame, 500, 0, mac_a);
	pdev = to_platform_device(dev);
	is_stuck = true;
	assert_int_equal(nic_open(dev, 0, 0), -ETIMEDOUT);
	assert_int_equal(berth_rtl8139_stop(dev), -ENXIO);
	is_stuck = false;
	assert_int_equal(nic_open(dev, 0, BERTH_RTL8139_LOOPBACK), 0);
	/* It hangs in the middle of a frame: the frame stays with it. */
	assert_int_equal(berth_rtl8139_send(dev, frame, 500), 0);
	is_stuck = true;
	assert_int_equal(berth_rtl8139_stop(dev), -ETIMEDOUT);
	assert_int_equal(log->sent + log->stopped, 0);
	assert_int_equal(berth_rtl8139_send(dev, frame, 500), -EIO);
	assert_int_equal(berth_rtl8139_receive(dev, buffer, sizeof(buffer), 1), -EIO);
	assert_int_equal(nic_open(dev, 0, 0), -EBUSY);
	is_stuck = false;
	assert_int_equal(berth_rtl8139_stop(dev), 0);
	assert_int_equal(log->stopped, 1);
	/* It hangs where the driver would recover it. */
	assert_int_equal(nic_open(dev, 0, BERTH_RTL8139_LOOPBACK), 0);
	assert_int_equal(berth_model_rtl8139_jam(CARD_A, 4), 0);
	assert_int_equal(berth_rtl8139_send(dev, frame, 500), 0);
	is_stuck = true;
	assert_int_equal(berth_rtl8139_receive(dev, buffer, sizeof(buffer), 100), -EIO);
	assert_int_equal(log->failed, 0);
	is_stuck = false;
	assert_int_equal(berth_rtl8139_stop(dev), 0);
	assert_int_equal(log->stopped, 2);
	/* And where it is found. */
	assert_int_equal(berth_rtl8139_platform_driver.remove(pdev), 0);
	is_stuck = true;
	assert_int_equal(berth_rtl8139_platform_driver.probe(pdev), -ETIMEDOUT);
	assert_null(dev_get_drvdata(dev));
	is_stuck = false;
	assert_int_equal(berth_rtl8139_platform_driver.probe(pdev), 0);
	nic_free_frames(frame, 1);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_ring_end),
		cmocka_unit_test(test_odd_frames),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_bus_error),
		cmocka_unit_test(test_stuck), /* the last: its kind of card stays */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
