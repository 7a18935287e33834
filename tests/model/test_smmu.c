// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SMMU: registers, queues, and what the tables say of streams. */
#include "smmu.h"

/* As QEMU's, or as the settings say. */
static void it_identifies_itself(void **state)
{
	const struct berth_model_smmu_config less = { .no_range = true,
						      .no_two_level = true,
						      .has_msi = true };

	(void)state;
	smmu_boot(smmu_tree(true), NULL);
	assert_int_equal(r32(IDR0), 0x0d40101a);
	assert_int_equal(r32(IDR1), 0x02730010);
	assert_int_equal(r32(8), 0);
	assert_int_equal(r32(IDR3), 0x1404);
	assert_int_equal(r32(IDR5), 0x74);
	assert_int_equal(r32(0x18), 0);
	assert_int_equal(r32(0x1c), 1);
	assert_int_equal(r32(GBPR), 0);
	assert_int_equal(r32(CR0), 0);
	smmu_halt();
	smmu_boot(smmu_tree(false), NULL);
	assert_int_equal(r32(IDR0), 0x0d40100a);
	smmu_halt();
	smmu_boot_with(&less, true, 1);
	assert_int_equal(r32(IDR0), 0x0540301a);
	assert_int_equal(r32(IDR3), 0x1004);
	smmu_halt();
}

static void registers_keep_what_is_written(void **state)
{
	(void)state;
	smmu_boot(smmu_tree(false), NULL);
	w64(STRTAB_BASE, 0x123456789abcdef0);
	assert_int_equal(r32(STRTAB_BASE), 0x9abcdef0);
	assert_int_equal(r32(STRTAB_BASE + 4), 0x12345678);
	w32(STRTAB_BASE + 4, 0x55aa55aa);
	w32(STRTAB_BASE, 1);
	assert_true(mmio_read(smmu_regs + STRTAB_BASE, 8) == 0x55aa55aa00000001);
	/* Both pages are alike; other widths and pairs of registers are nothing. */
	w32(EVENTQ_CONS, 3);
	assert_int_equal(r32(EVENTQ_CONS - 0x10000), 3);
	assert_int_equal(mmio_read(smmu_regs + EVENTQ_CONS, 2), 0);
	mmio_write(smmu_regs + EVENTQ_CONS, 2, 9);
	w64(EVENTQ_PROD, 0x500000005);
	assert_int_equal(mmio_read(smmu_regs + EVENTQ_PROD, 8), 0);
	assert_int_equal(r32(EVENTQ_CONS), 3);
	assert_int_equal(r32(EVENTQ_PROD), 0);
	w32(IDR0, 0);
	assert_int_equal(r32(IDR0), 0x0d40100a);
	/* There are no messages: these are not there. */
	w64(EVENTQ_IRQ_CFG0, RAM);
	assert_int_equal(mmio_read(smmu_regs + EVENTQ_IRQ_CFG0, 8), 0);
	w32(IRQ_CTRL, UINT32_MAX);
	assert_int_equal(r32(IRQ_CTRLACK), 7);
	w32(CR0, UINT32_MAX & ~0xdu);
	assert_int_equal(r32(CR0ACK), 0x3d2);
	smmu_halt();
}

/* What is in use cannot be moved. */
static void tables_stay_while_they_are_used(void **state)
{
	(void)state;
	boot();
	w64(STRTAB_BASE, 0);
	w32(STRTAB_BASE_CFG, 0);
	w64(CMDQ_BASE, 0);
	w64(EVENTQ_BASE, 0);
	w32(CMDQ_CONS, 9);
	w32(EVENTQ_PROD, 9);
	assert_true(mmio_read(smmu_regs + STRTAB_BASE, 8) == STRTAB);
	assert_int_equal(r32(STRTAB_BASE_CFG), STRTAB_LOG2);
	assert_true(mmio_read(smmu_regs + CMDQ_BASE, 8) == (CMDQ | CMDQ_LOG2));
	assert_true(mmio_read(smmu_regs + EVENTQ_BASE, 8) == (EVENTQ | EVENTQ_LOG2));
	assert_true(commands_are_done());
	assert_int_equal(r32(EVENTQ_PROD), 0);
	smmu_halt();
}

/* Off, it lets everything pass, or nothing. */
static void off_it_passes_or_aborts(void **state)
{
	(void)state;
	smmu_boot(smmu_tree(false), NULL);
	assert_int_equal(dev_write(behind, DATA, 0x11, 8), 0);
	assert_int_equal(dev_read(behind, DATA), 0x11);
	/* The bus of the narrow one goes on working. */
	assert_int_equal(dev_write(narrow, 0, 0x12, 8), 0);
	assert_int_equal(dev_read(plain, RAM), 0x12);
	w32(GBPR, 0x00100000);
	assert_int_equal(r32(GBPR), 0); /* without UPDATE */
	w32(GBPR, 0x80100000);
	assert_int_equal(r32(GBPR), 0x00100000);
	assert_int_equal(dev_write(behind, DATA, 0x22, 8), -EFAULT);
	assert_int_equal(dev_read(plain, DATA), 0x11);
	assert_int_equal(smmu_stats().bypassed, 3);
	assert_int_equal(smmu_stats().aborted, 1);
	smmu_enable();
	set_ste(SID, 4 << 1 | 1, 0);
	assert_int_equal(dev_write(behind, DATA, 0x33, 8), 0);
	assert_no_event();
	smmu_halt();
}

static void a_stream_table_entry_decides(void **state)
{
	(void)state;
	boot();
	/* Nothing is there; no event for what is out of the table, if not asked for.
   */
	assert_int_equal(dev_write(neighbour, IOVA, 1, 4), -EFAULT);
	assert_event(0x04, OTHER_SID, 0, 0, 0);
	set_ste(OTHER_SID, 4 << 1 | 1, 0);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x61, 1), 0);
	/* It is kept until it is said to be another one. */
	set_ste(OTHER_SID, 0 << 1 | 1, 0);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x62, 1), 0);
	must_command(CFGI_STE | (uint64_t)SID << 32, 1);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x63, 1), 0);
	must_command(CFGI_STE | (uint64_t)OTHER_SID << 32, 1);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x64, 1), -EFAULT);
	assert_int_equal(dev_read(plain, DATA + 8), 0x63);
	assert_no_event();
	set_ste(OTHER_SID, 4 << 1 | 1, 0);
	must_command(CFGI_ALL, 31);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x65, 1), 0);
	/* A range of four streams, from 4 on, then one of two, from 8 on. */
	set_ste(OTHER_SID, 1, 0);
	must_command(CFGI_ALL | 6ull << 32, 1);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x66, 1), 0);
	must_command(CFGI_ALL | 8ull << 32, 0);
	assert_int_equal(dev_write(neighbour, DATA + 8, 0x67, 1), -EFAULT);
	/* The other one was never concerned. */
	assert_int_equal(dev_write(behind, IOVA, 0x68, 1), 0);
	smmu_halt();
}

static void bad_entries_are_told(void **state)
{
	static const uint64_t bad[][2] = {
		{ 5 << 1, 0 }, /* not valid */
		{ 6 << 1 | 1, 0 }, /* stage 2 */
		{ 7 << 1 | 1, 0 },
		{ 5 << 1 | 1 | 1ull << 59, 0 }, /* substreams */
		{ 5 << 1 | 1, 1 << 27 }, /* stalls */
		{ 5 << 1 | 1, 2u << 30 }, /* EL2 */
	};

	(void)state;
	boot();
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		set_ste(SID, bad[i][0] | cd_of(SID), bad[i][1]);
		must_command(CFGI_STE | (uint64_t)SID << 32, 1);
		assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
		assert_event(0x04, SID, 0, 0, 0);
	}
	/* Nowhere: the entry, and the context. */
	set_ste(SID, 5 << 1 | 1 | 0x1000, 0);
	assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
	assert_event(0x09, SID, 0, 0, 0x1000);
	must_command(CFGI_ALL, 31);
	w32(CR0, 0xc);
	w64(STRTAB_BASE, 0x3fffc000);
	w32(CR0, 0xd);
	assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
	assert_event(0x03, SID, 0, 0, 0x3fffc000 + 64 * SID);
	w32(CR0, 0xc);
	w64(STRTAB_BASE, STRTAB);
	w32(STRTAB_BASE_CFG, 3);
	w32(CR0, 0xd);
	assert_int_equal(dev_write(neighbour, IOVA, 1, 4), -EFAULT);
	assert_event(0x02, OTHER_SID, 0, 0, 0);
	w32(CR2, 0);
	assert_int_equal(dev_write(neighbour, IOVA, 1, 4), -EFAULT);
	assert_no_event();
	assert_int_equal(smmu_stats().faults, ARRAY_SIZE(bad) + 4);
	smmu_halt();
}

static void bad_contexts_are_told(void **state)
{
	const struct {
		uint64_t on, off, table;
	} bad[] = {
		{ 0, CD_V, 0 },
		{ 0, CD_AA64, 0 },
		{ 0, CD_A, 0 },
		{ 1ull << 44, 0, 0 },
		{ 1ull << 43, 0, 0 },
		{ 1ull << 42, 0, 0 },
		{ 1 << 15, 0, 0 },
		{ 15, 0x3f, 0 },
		{ 40, 0x3f, 0 },
		{ 3 << 6, 0, 0 },
		{ 0, CD_IPS_44, 1ull << 32 },
		{ 0, 0, 1ull << 44 },
		{ 16 << 16, CD_EPD1, 0 }, /* the upper half has no granule 0 */
	};

	(void)state;
	boot();
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		poke(cd_of(SID), (cd_word(&tables, 5) & ~bad[i].off) | bad[i].on);
		poke(cd_of(SID) + 8, bad[i].table ? bad[i].table : tables.root);
		must_command(CFGI_CD | (uint64_t)SID << 32, 1);
		if (dev_write(behind, IOVA, 1, 4) != -EFAULT)
			fail_msg("%u is accepted", i);
		assert_event(0x0a, SID, 0, 0, 0);
	}
	/* It is read again at once; one that was right is kept. */
	poke(cd_of(SID), cd_word(&tables, 5));
	poke(cd_of(SID) + 8, tables.root);
	assert_int_equal(dev_write(behind, IOVA, 1, 4), 0);
	poke(cd_of(SID), 0);
	assert_int_equal(dev_write(behind, IOVA, 2, 4), 0);
	must_command(CFGI_CD_ALL | (uint64_t)OTHER_SID << 32, 0);
	assert_int_equal(dev_write(behind, IOVA, 2, 4), 0);
	must_command(CFGI_CD_ALL | (uint64_t)SID << 32, 0);
	assert_int_equal(dev_write(behind, IOVA, 3, 4), -EFAULT);
	assert_event(0x0a, SID, 0, 0, 0);
	/* The entry's invalidation takes its context along. */
	poke(cd_of(SID), cd_word(&tables, 5));
	assert_int_equal(dev_write(behind, IOVA, 4, 4), 0);
	poke(cd_of(SID), 0);
	must_command(CFGI_STE | (uint64_t)SID << 32, 1);
	assert_int_equal(dev_write(behind, IOVA, 5, 4), -EFAULT);
	smmu_halt();
}

#define L1 (RAM + 0x30000)

/* Nine bits of streams, six of them in the second level: eight descriptors. */
static void two_level_stream_tables(void **state)
{
	(void)state;
	boot();
	w32(CR0, 0xc);
	w64(STRTAB_BASE, L1 | 0x20); /* bits that are not there */
	w32(STRTAB_BASE_CFG, 9 | 6 << 6 | 1 << 16);
	w32(CR0, 0xd);
	must_command(CFGI_ALL, 31);
	assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
	assert_event(0x02, SID, 0, 0, 0); /* no second level */
	poke(L1, STRTAB | 4); /* eight entries: 7 is the last */
	assert_int_equal(dev_write(behind, IOVA, 0x44, 4), 0);
	assert_int_equal(dev_read(plain, DATA), 0x44);
	assert_int_equal(dev_write(neighbour, IOVA, 1, 4), -EFAULT);
	assert_event(0x02, OTHER_SID, 0, 0, 0);
	/* The descriptor stays in the cache, for as long as only leaves are
   * invalidated. */
	set_ste(OTHER_SID, 4 << 1 | 1, 0);
	poke(L1, STRTAB | 7);
	must_command(CFGI_STE | (uint64_t)OTHER_SID << 32, 1);
	assert_int_equal(dev_write(neighbour, DATA, 1, 4), -EFAULT);
	assert_event(0x02, OTHER_SID, 0, 0, 0);
	must_command(CFGI_STE | (uint64_t)OTHER_SID << 32, 0);
	assert_int_equal(dev_write(neighbour, DATA, 1, 4), 0);
	poke(L1, 0x1000 | 7);
	must_command(CFGI_ALL, 31);
	assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
	assert_event(0x03, SID, 0, 0, 0x1000 + 64 * SID);
	/* The table of descriptors is nowhere. */
	w32(CR0, 0xc);
	w64(STRTAB_BASE, 0x2000);
	w32(CR0, 0xd);
	must_command(CFGI_ALL, 31);
	assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
	assert_event(0x03, SID, 0, 0, 0x2000);
	/* Out of the table altogether. */
	w32(CR0, 0xc);
	w32(STRTAB_BASE_CFG, 3 | 6 << 6 | 1 << 16);
	w32(CR0, 0xd);
	assert_int_equal(dev_write(neighbour, IOVA, 1, 4), -EFAULT);
	assert_event(0x02, OTHER_SID, 0, 0, 0);
	smmu_halt();
}

static void commands_go_round(void **state)
{
	const unsigned int slots = 1u << CMDQ_LOG2;
	uint32_t prod;

	(void)state;
	boot();
	for (unsigned int i = 0; i < 5 * slots; i++)
		must_command(CMD_SYNC_OP, 0);
	assert_int_equal(smmu_stats().commands[BERTH_MODEL_SMMU_SYNC], 5 * slots);
	/* A full queue at once. */
	prod = r32(CMDQ_PROD);
	for (unsigned int i = 0; i < slots; i++)
		poke(CMDQ + 16 * i, CMD_SYNC_OP);
	w32(CMDQ_PROD, prod ^ slots);
	assert_true(commands_are_done());
	assert_int_equal(smmu_stats().commands[BERTH_MODEL_SMMU_SYNC], 6 * slots);
	/* More than fit are none. */
	w32(CMDQ_PROD, r32(CMDQ_PROD) + slots + 1);
	assert_false(commands_are_done());
	assert_int_equal(smmu_stats().commands[BERTH_MODEL_SMMU_SYNC], 6 * slots);
	smmu_halt();
}

static void commands_wait_until_the_queue_is_on(void **state)
{
	(void)state;
	boot();
	w32(CR0, 5);
	command(CMD_SYNC_OP, 0);
	assert_false(commands_are_done());
	w32(CR0, 0xd);
	assert_true(commands_are_done());
	smmu_halt();
}

static void an_illegal_command_stops_the_queue(void **state)
{
	static const uint64_t illegal[][2] = {
		{ 0, 0 },
		{ 0x99, 0 },
		{ 0x20, 0 },
		{ 0x28, 0 },
		{ 0x40, 0 },
		{ CFGI_STE | 1 << 10, 0 },
		{ CMD_SYNC_OP | 3 << 12, 0 },
	};

	(void)state;
	boot();
	for (unsigned int i = 0; i < ARRAY_SIZE(illegal); i++) {
		uint32_t at = r32(CMDQ_CONS) & 0xfffff, error = r32(GERROR);

		command(illegal[i][0], illegal[i][1]);
		command(CMD_SYNC_OP, 0);
		assert_int_equal(r32(CMDQ_CONS), at | 1 << 24);
		assert_int_equal(r32(GERROR), error ^ 1);
		assert_true(take_edge(LINE_GERROR));
		/* The command is made good, and the error acknowledged. */
		poke(CMDQ + 16 * (at & ((1u << CMDQ_LOG2) - 1)), CMD_SYNC_OP);
		w32(CMDQ_PROD, r32(CMDQ_PROD));
		assert_int_equal(r32(CMDQ_CONS), at | 1 << 24);
		w32(GERRORN, r32(GERROR));
		assert_true(commands_are_done());
		assert_false(take_edge(LINE_GERROR));
	}
	assert_int_equal(smmu_stats().command_errors, ARRAY_SIZE(illegal));
	assert_int_equal(smmu_stats().commands[BERTH_MODEL_SMMU_SYNC], 2 * ARRAY_SIZE(illegal) + 1);
	/* A queue that is nowhere. */
	w32(CR0, 5);
	w64(CMDQ_BASE, 0x1000 | CMDQ_LOG2);
	w32(CR0, 0xd);
	w32(CMDQ_PROD, (r32(CMDQ_PROD) + 1) & ((2u << CMDQ_LOG2) - 1));
	assert_int_equal(r32(CMDQ_CONS) >> 24, 2);
	smmu_halt();
}

static void a_sync_signals(void **state)
{
	(void)state;
	boot();
	must_command(CMD_SYNC_OP, 0);
	must_command(CMD_SYNC_OP | 2 << 12, 0);
	assert_false(take_edge(LINE_SYNC));
	/* Without messages the address is nothing. */
	must_command(CMD_SYNC_OP | 1 << 12 | 77ull << 32, DATA);
	assert_true(take_edge(LINE_SYNC));
	assert_int_not_equal(dev_read(plain, DATA), 77);
	smmu_halt();
}

/* Interrupts that are written: to memory, and to another device's register. */
static void messages(void **state)
{
	const struct berth_model_smmu_config config = { .has_msi = true };

	(void)state;
	smmu_boot_page(&config, 1);
	must_command(CMD_SYNC_OP | 1 << 12 | 0x12345677ull << 32, DATA + 0x40);
	assert_int_equal((uint32_t)peek(DATA + 0x40), 0x12345677);
	must_command(CMD_SYNC_OP | 1 << 12 | 0x99ull << 32, REGISTERS + 0x20000 + 16);
	assert_int_equal((uint32_t)((struct test_device *)plain->state)->cells[2], 0x99);
	assert_false(take_edge(LINE_SYNC));
	must_command(CMD_SYNC_OP | 1 << 12, 0);
	assert_true(take_edge(LINE_SYNC));
	w64(EVENTQ_IRQ_CFG0, DATA + 0x80);
	w32(EVENTQ_IRQ_CFG0 + 8, 0x55);
	assert_int_equal(dev_write(behind, 0, 1, 1), -EFAULT);
	assert_int_equal((uint32_t)peek(DATA + 0x80), 0x55);
	assert_event(0x10, SID, EVENT_WRITE, 0, 0);
	/* A message that nobody takes is an error, which is a message again. */
	w64(GERROR_IRQ_CFG0, DATA + 0xc0);
	w32(GERROR_IRQ_CFG0 + 8, 0x66);
	must_command(CMD_SYNC_OP | 1 << 12, 0x1000);
	assert_int_equal(r32(GERROR), 0x10);
	assert_int_equal((uint32_t)peek(DATA + 0xc0), 0x66);
	w64(GERROR_IRQ_CFG0, 0x1000);
	w64(EVENTQ_IRQ_CFG0, 0x1000);
	assert_int_equal(dev_write(behind, 0, 1, 1), -EFAULT);
	assert_int_equal(r32(GERROR), 0xb0);
	assert_int_equal(smmu_stats().messages, 8);
	smmu_halt();
}

static void events_go_round(void **state)
{
	(void)state;
	boot();
	for (unsigned int i = 0; i < 5u << EVENTQ_LOG2; i++) {
		assert_int_equal(dev_write(behind, 8 * i, 1, 4), -EFAULT);
		/* Only one that finds the queue empty is told. */
		assert_true(take_edge(LINE_EVENTQ));
		assert_int_equal(dev_write(behind, 8 * i + 4, 1, 4), -EFAULT);
		assert_false(take_edge(LINE_EVENTQ));
		w32(EVENTQ_CONS, (r32(EVENTQ_CONS) + 1) & ((2u << EVENTQ_LOG2) - 1));
		assert_event(0x10, SID, EVENT_WRITE, 8 * i + 4, 0);
	}
	w32(IRQ_CTRL, 0);
	assert_int_equal(dev_write(behind, 0, 1, 4), -EFAULT);
	assert_false(take_edge(LINE_EVENTQ));
	smmu_halt();
}

static void an_overflow_is_told_once(void **state)
{
	const unsigned int slots = 1u << EVENTQ_LOG2;
	uint32_t words[8];

	(void)state;
	boot();
	for (unsigned int i = 0; i < slots; i++)
		assert_int_equal(dev_write(behind, i, 1, 1), -EFAULT);
	assert_int_equal(r32(EVENTQ_PROD), slots);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(dev_write(behind, 0x100 + i, 1, 1), -EFAULT);
	assert_int_equal(r32(EVENTQ_PROD), slots | 1u << 31);
	assert_int_equal(smmu_stats().events_recorded, slots);
	assert_int_equal(smmu_stats().events_lost, 4);
	for (unsigned int i = 0; i < slots; i++) {
		assert_true(next_event(words));
		assert_int_equal(words[4], i);
	}
	/* The next one is recorded, seen or not; seen, the next overflow turns the
   * flag again. */
	assert_int_equal(dev_write(behind, 0x200, 1, 1), -EFAULT);
	assert_event(0x10, SID, EVENT_WRITE, 0x200, 0);
	w32(EVENTQ_CONS, r32(EVENTQ_CONS) | 1u << 31);
	for (unsigned int i = 0; i <= slots; i++)
		assert_int_equal(dev_write(behind, i, 1, 1), -EFAULT);
	assert_int_equal(r32(EVENTQ_PROD) >> 31, 0);
	smmu_halt();
}

static void events_that_cannot_be_written(void **state)
{
	(void)state;
	boot();
	w32(CR0, 9);
	assert_int_equal(dev_write(behind, 0, 1, 1), -EFAULT);
	assert_int_equal(r32(EVENTQ_PROD), 0);
	assert_int_equal(smmu_stats().events_lost, 1);
	w64(EVENTQ_BASE, 0x1000 | EVENTQ_LOG2);
	w32(CR0, 0xd);
	assert_int_equal(dev_write(behind, 0, 1, 1), -EFAULT);
	assert_int_equal(r32(EVENTQ_PROD), 0);
	assert_int_equal(r32(GERROR), 4);
	assert_true(take_edge(LINE_GERROR));
	assert_int_equal(dev_write(behind, 0, 1, 1), -EFAULT);
	assert_int_equal(r32(GERROR), 4); /* not acknowledged yet */
	w32(GERRORN, 4);
	assert_int_equal(dev_write(behind, 0, 1, 1), -EFAULT);
	assert_int_equal(r32(GERROR), 0);
	smmu_halt();
}

/* With a latency nothing is done at once, and everything in the end. */
static void what_takes_time(void **state)
{
	const struct berth_model_smmu_config config = { .latency_ns = 1000000 };

	(void)state;
	smmu_boot(smmu_tree(false), &(struct berth_model_config){ .smmu = &config });
	smmu_enable();
	assert_int_equal(r32(CR0ACK), 0);
	assert_int_equal(r32(IRQ_CTRLACK), 0);
	for (unsigned int i = 0; i < 3; i++)
		command(i == 2 ? CMD_SYNC_OP | 1 << 12 : CMD_SYNC_OP, 0);
	berth_port_delay(1100000);
	assert_int_equal(r32(CR0ACK), 0xd);
	assert_int_equal(r32(IRQ_CTRLACK), 5);
	assert_int_equal(r32(CMDQ_CONS), 0);
	berth_port_delay(1000000);
	assert_int_equal(r32(CMDQ_CONS), 1);
	assert_false(take_edge(LINE_SYNC));
	berth_port_delay(2000000);
	assert_true(commands_are_done());
	assert_true(take_edge(LINE_SYNC));
	w32(GBPR, 0x80100000);
	assert_int_equal(r32(GBPR), 0x80000000);
	berth_port_delay(1100000);
	assert_int_equal(r32(GBPR), 0x00100000);
	smmu_halt();
}

/* One line for all, and a tree without names. */
static void interrupt_lines(void **state)
{
	static struct fdt fdt;

	(void)state;
	for (unsigned int named = 0; named < 2; named++) {
		fdt_start(&fdt, 2, 2);
		fdt_begin(&fdt, "smmu@20000000");
		fdt_text(&fdt, "compatible", "arm,smmu-v3");
		fdt_cells(&fdt, "reg", 0, (uint32_t)SMMU_REGS, 0, 0x20000);
		fdt_cells(&fdt, "interrupts", LINE_EVENTQ);
		if (named)
			fdt_text(&fdt, "interrupt-names", "combined");
		fdt_end(&fdt);
		assert_int_equal(soc_try(fdt_finish(&fdt), NULL), 0);
		smmu_device = model_find("/smmu@20000000");
		smmu_regs = mmio_map(SMMU_REGS, 0x20000);
		smmu_enable();
		must_command(CMD_SYNC_OP | 1 << 12, 0);
		assert_int_equal(take_edge(LINE_EVENTQ), named);
		smmu_halt();
	}
}

static int try_iommus(uint32_t cells, size_t size)
{
	static struct fdt fdt;
	int ret;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "smmu@20000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, (uint32_t)SMMU_REGS, 0, 0x20000);
	fdt_cells(&fdt, "#iommu-cells", cells);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "client");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_property(&fdt, "iommus", size);
	for (size_t i = 0; i < size / 4; i++)
		fdt_cell(&fdt, 1);
	fdt_end(&fdt);
	ret = soc_try(fdt_finish(&fdt), NULL);
	if (!ret)
		berth_port_stop();
	return ret;
}

static void trees_and_settings_that_are_wrong(void **state)
{
	static const struct berth_model_smmu_config bad[] = {
		{ .iotlb_entries = 65537 },
		{ .iotlb_entries = 10, .iotlb_ways = 4 },
		{ .walk_entries = { 0, 0, 65537 } },
		{ .latency_ns = 1000000001 },
	};
	struct berth_model_smmu_stats stats;

	(void)state;
	assert_int_equal(try_iommus(1, 8), 0);
	assert_int_equal(try_iommus(1, 4), -EINVAL);
	assert_int_equal(try_iommus(1, 0), -EINVAL);
	assert_int_equal(try_iommus(2, 12), -EINVAL);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(soc_try(smmu_tree(false),
					 &(struct berth_model_config){ .smmu = &bad[i] }),
				 -EINVAL);
	assert_int_equal(berth_model_smmu_stats(NULL, &stats), -ENODEV);
	boot();
	assert_int_equal(berth_model_smmu_stats("/smmu@20000000", &stats), 0);
	assert_true(stats.register_reads && stats.register_writes);
	assert_int_equal(berth_model_smmu_stats("/plain@10020000", &stats), -ENODEV);
	smmu_halt();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_identifies_itself),
		cmocka_unit_test(registers_keep_what_is_written),
		cmocka_unit_test(tables_stay_while_they_are_used),
		cmocka_unit_test(off_it_passes_or_aborts),
		cmocka_unit_test(a_stream_table_entry_decides),
		cmocka_unit_test(bad_entries_are_told),
		cmocka_unit_test(bad_contexts_are_told),
		cmocka_unit_test(two_level_stream_tables),
		cmocka_unit_test(commands_go_round),
		cmocka_unit_test(commands_wait_until_the_queue_is_on),
		cmocka_unit_test(an_illegal_command_stops_the_queue),
		cmocka_unit_test(a_sync_signals),
		cmocka_unit_test(messages),
		cmocka_unit_test(events_go_round),
		cmocka_unit_test(an_overflow_is_told_once),
		cmocka_unit_test(events_that_cannot_be_written),
		cmocka_unit_test(what_takes_time),
		cmocka_unit_test(interrupt_lines),
		cmocka_unit_test(trees_and_settings_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
