/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL330's driver on QEMU's Zynq: peripherals, with requests and without. */
#include <berth/io.h>
#include <berth/of.h>
#include <berth/scatterlist.h>
#include <berth/spinlock.h>

#include "zynq.h"

#define UART0 0xe0000000ull
#define UART1 0xe0001000ull
#define UART_CONTROL 0x00
#define UART_ON 0x14u
#define UART_RATE 0x18
#define UART_RATE_AT_RESET 0x28bu
#define UART_FIFO 0x30
/* Nothing else on this board drives the lines; raised, they say that the peripheral is busy. */
#define LINE_OF_TX 0u

static char folder[] = "/tmp/berth-pl330-XXXXXX";
static char file[64], serial[80];

/* The board, with its UART's output in a file. */
static struct device *start_with_uart(void)
{
	static const char *const arguments[] = { "-serial", serial, NULL };
	char __iomem *uart;

	snprintf(file, sizeof(file), "%s/out", folder);
	snprintf(serial, sizeof(serial), "file:%s", file);
	must_start_zynq(arguments);
	uart = ioremap(UART0, 0x1000);
	writel(UART_ON, uart + UART_CONTROL);
	iounmap(uart);
	return &of_find_device_by_node(of_find_node_by_path("/amba/serial@e0000000"))->dev;
}

static size_t printed(char *text, size_t size)
{
	FILE *out = fopen(file, "r");
	size_t got;

	assert_non_null(out);
	got = fread(text, 1, size, out);
	fclose(out);
	return got;
}

static void configure(struct dma_chan *chan, uint32_t burst)
{
	struct dma_slave_config config = {
		.direction = DMA_MEM_TO_DEV,
		.dst_addr = UART0 + UART_FIFO,
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_1_BYTE,
		.dst_maxburst = burst,
		.src_addr = UART1 + UART_RATE,
		.src_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES,
		.src_maxburst = burst,
	};

	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
}

/* Channels of all kinds: by name with a request line and without one, and by what they can do. */
static struct dma_chan *take_kind(struct device *uart, unsigned int kind)
{
	struct dma_chan *chan;

	if (kind == 2)
		return must_take(DMA_SLAVE);
	chan = dma_request_chan(uart, kind ? "console" : "tx");
	assert_false(IS_ERR(chan));
	return chan;
}

/* A text to the UART, in pieces of one byte to @most. */
static void print(struct dma_chan *chan, const char *text, size_t size, unsigned int most)
{
	uint8_t *bytes = kmalloc(size, GFP_KERNEL);
	struct scatterlist *sgl;
	unsigned int nr = 0;
	size_t at = 0;
	int nr_mapped;

	sgl = calloc(size, sizeof(*sgl));
	assert_true(bytes && sgl);
	memcpy(bytes, text, size);
	sg_init_table(sgl, (unsigned int)size);
	while (at < size) {
		unsigned int len = 1 + (nr * 7 + 2) % most;

		len = len < size - at ? len : (unsigned int)(size - at);
		sg_set_buf(&sgl[nr++], bytes + at, len);
		at += len;
	}
	sg_mark_end(&sgl[nr - 1]);
	nr_mapped = (int)dma_map_sg(device_of(chan), sgl, (int)nr, DMA_TO_DEVICE);
	assert_true(nr_mapped > 0);
	must_run(dmaengine_prep_slave_sg(chan, sgl, (unsigned int)nr_mapped, DMA_MEM_TO_DEV, 0));
	dma_unmap_sg(device_of(chan), sgl, (int)nr, DMA_TO_DEVICE);
	free(sgl);
	kfree(bytes);
}

static void a_uart_prints_lines(void **unused)
{
	static const char line[] = "fed by its controller, piece by piece\n";
	static const uint32_t bursts[] = { 0, 1, 4, 16 };
	struct device *uart = start_with_uart();
	char text[2 * sizeof(line)];
	size_t before = 0;

	(void)unused;
	for (unsigned int i = 0; i < 12; i++) {
		struct dma_chan *chan = take_kind(uart, i % 3);
		char all[8192];
		size_t got;

		configure(chan, bursts[i / 3]);
		snprintf(text, sizeof(text), "%u %s", i, line);
		print(chan, text, strlen(text), 9);
		dma_release_channel(chan);
		got = printed(all, sizeof(all));
		assert_int_equal(got, before + strlen(text));
		assert_memory_equal(all + before, text, strlen(text));
		before = got;
	}
	must_stop();
}

static void long_lists(void **unused)
{
	static const unsigned int sizes[] = { 1, 2, 7, 300, 4096, 16384 };
	struct device *uart = start_with_uart();
	static char text[16384], all[65536];
	size_t before = 0;

	(void)unused;
	fill((uint8_t *)text, sizeof(text), 3);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct dma_chan *chan = take_kind(uart, i % 3);

		configure(chan, 8);
		/* The last one but one has 4,096 entries of a byte. */
		print(chan, text, sizes[i], sizes[i] == 4096 ? 1 : 13);
		dma_release_channel(chan);
		assert_int_equal(printed(all, sizeof(all)), before + sizes[i]);
		assert_memory_equal(all + before, text, sizes[i]);
		before += sizes[i];
	}
	must_stop();
}

static void a_register_is_read(void **unused)
{
	struct device *uart = start_with_uart();
	uint32_t *words = kmalloc(1024 * sizeof(*words), GFP_KERNEL);
	dma_addr_t at;

	(void)unused;
	assert_non_null(words);
	for (unsigned int i = 0; i < 6; i++) {
		struct dma_chan *chan = i % 3 ? take_kind(uart, i % 3)
					      : dma_request_chan(uart, "rx");
		unsigned int nr = i < 3 ? 1003 : 16;

		assert_false(IS_ERR(chan));
		configure(chan, i);
		memset(words, 0, 1024 * sizeof(*words));
		at = must_map(chan, words, 1024 * sizeof(*words), DMA_FROM_DEVICE);
		must_run(dmaengine_prep_slave_single(chan, at + 4, nr * 4, DMA_DEV_TO_MEM, 0));
		dma_unmap_single(device_of(chan), at, 1024 * sizeof(*words), DMA_FROM_DEVICE);
		assert_int_equal(words[0], 0);
		for (unsigned int n = 1; n <= nr; n++)
			assert_int_equal(words[n], UART_RATE_AT_RESET);
		assert_int_equal(words[nr + 1], 0);
		/* In memory, too, accesses are as wide as the register's. */
		assert_null(dmaengine_prep_slave_single(chan, at + 2, 8, DMA_DEV_TO_MEM, 0));
		assert_reason(BERTH_REASON_ALIGNMENT);
		assert_null(dmaengine_prep_slave_single(chan, at, 7, DMA_DEV_TO_MEM, 0));
		assert_reason(BERTH_REASON_ALIGNMENT);
		dma_release_channel(chan);
	}
	kfree(words);
	must_stop();
}

static void count(void *param)
{
	__atomic_fetch_add((uint32_t *)param, 1, __ATOMIC_SEQ_CST);
}

static uint32_t counted(const uint32_t *calls)
{
	return __atomic_load_n(calls, __ATOMIC_SEQ_CST);
}

/* It stands at the request; it is terminated there, and another one goes on from there. */
static void a_busy_peripheral_is_waited_for(void **unused)
{
	struct device *uart = start_with_uart();
	struct dma_chan *chan = take_kind(uart, 0);
	uint8_t *bytes = kmalloc(100, GFP_KERNEL);
	uint32_t calls[2] = { 0 };
	char all[200];
	dma_addr_t at;

	(void)unused;
	assert_non_null(bytes);
	fill(bytes, 100, 5);
	configure(chan, 4);
	at = must_map(chan, bytes, 100, DMA_TO_DEVICE);
	assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, true), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct dma_async_tx_descriptor *tx =
			dmaengine_prep_slave_single(chan, at, 100, DMA_MEM_TO_DEV, 0);
		struct dma_tx_state state;
		dma_cookie_t cookie;

		tx->callback = count;
		tx->callback_param = &calls[i];
		cookie = must_begin(tx);
		msleep(5);
		assert_int_equal(dmaengine_tx_status(chan, cookie, &state), DMA_IN_PROGRESS);
		assert_int_equal(state.residue, 100);
		assert_int_equal(printed(all, sizeof(all)), 0);
		if (i == 0) {
			assert_int_equal(dmaengine_terminate_sync(chan), 0);
		} else {
			assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, false), 0);
			assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
		}
	}
	dmaengine_synchronize(chan);
	dma_unmap_single(device_of(chan), at, 100, DMA_TO_DEVICE);
	assert_int_equal(counted(&calls[0]), 0);
	assert_int_equal(counted(&calls[1]), 1);
	assert_int_equal(printed(all, sizeof(all)), 100);
	assert_memory_equal(all, bytes, 100);
	kfree(bytes);
	dma_release_channel(chan);
	must_stop();
}

/* It has ended, and nobody has heard of it yet, when it is terminated: it does not end the next one. */
static void an_event_that_comes_too_late(void **unused)
{
	struct device *uart = start_with_uart();
	struct dma_chan *chan = take_kind(uart, 0);
	uint8_t *bytes = kzalloc(64, GFP_KERNEL);
	struct dma_tx_state state;
	dma_cookie_t cookie;
	unsigned long flags;
	dma_addr_t at;

	(void)unused;
	assert_non_null(bytes);
	configure(chan, 4);
	at = must_map(chan, bytes, 64, DMA_BIDIRECTIONAL);
	local_irq_save(flags);
	cookie = must_begin(dmaengine_prep_dma_memcpy(chan, at + 32, at, 32, 0));
	assert_int_equal(dmaengine_tx_status(chan, cookie, &state), DMA_IN_PROGRESS);
	assert_int_equal(state.residue, 0);
	assert_int_equal(dmaengine_terminate_async(chan), 0);
	assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, true), 0);
	cookie = must_begin(dmaengine_prep_slave_single(chan, at, 10, DMA_MEM_TO_DEV, 0));
	local_irq_restore(flags);
	for (unsigned int i = 0; i < 20; i++) {
		msleep(1);
		assert_int_equal(dmaengine_tx_status(chan, cookie, &state), DMA_IN_PROGRESS);
		assert_int_equal(state.residue, 10);
	}
	assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, false), 0);
	assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
	dma_unmap_single(device_of(chan), at, 64, DMA_BIDIRECTIONAL);
	kfree(bytes);
	dma_release_channel(chan);
	must_stop();
}

#define PERIOD 16u
#define RING (5 * PERIOD)
#define STOP_AT 7u

struct player {
	uint32_t periods;
	bool has_failed;
};

/* The peripheral becomes busy for a while. */
static void play(void *param)
{
	struct player *player = param;

	if (__atomic_add_fetch(&player->periods, 1, __ATOMIC_SEQ_CST) == STOP_AT)
		player->has_failed = berth_qemu_set_input("pl330", 0, LINE_OF_TX, true) != 0;
}

static void await_periods(struct player *player, uint32_t periods)
{
	while (__atomic_load_n(&player->periods, __ATOMIC_SEQ_CST) < periods)
		msleep(1);
}

/* What was printed is the ring, again and again. */
static size_t whole_rings(const uint8_t *ring)
{
	static char all[1 << 20];
	size_t got = printed(all, sizeof(all));

	for (size_t i = 0; i < got; i++)
		if ((uint8_t)all[i] != ring[i % RING])
			fail_msg("byte %zu of %zu", i, got);
	return got;
}

static void a_ring_goes_round(void **unused)
{
	struct device *uart = start_with_uart();
	struct dma_chan *chan = take_kind(uart, 0);
	uint8_t *ring = kmalloc(RING, GFP_KERNEL);
	struct player player = { 0 };
	struct dma_async_tx_descriptor *tx;
	struct dma_tx_state state;
	dma_cookie_t cookie;
	size_t got, later;
	dma_addr_t at;

	(void)unused;
	assert_non_null(ring);
	fill(ring, RING, 9);
	configure(chan, 4);
	at = must_map(chan, ring, RING, DMA_TO_DEVICE);
	tx = dmaengine_prep_dma_cyclic(chan, at, RING, PERIOD, DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT);
	assert_non_null(tx);
	tx->callback = play;
	tx->callback_param = &player;
	cookie = must_begin(tx);
	await_periods(&player, STOP_AT);
	/* It stands at the beginning of a period, or at the end of one that is not noted yet. */
	do
		msleep(1);
	while (dmaengine_tx_status(chan, cookie, &state) == DMA_IN_PROGRESS &&
	       whole_rings(ring) % PERIOD);
	got = whole_rings(ring);
	assert_true(got >= STOP_AT * PERIOD);
	assert_int_equal(state.residue % PERIOD, 0);
	assert_int_equal(state.residue % RING, (RING - got % RING) % RING);
	assert_false(player.has_failed);
	assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, false), 0);
	await_periods(&player, STOP_AT + 20);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	later = __atomic_load_n(&player.periods, __ATOMIC_SEQ_CST);
	got = whole_rings(ring);
	assert_true(got >= later * PERIOD);
	msleep(5);
	assert_int_equal(whole_rings(ring), got);
	assert_int_equal(__atomic_load_n(&player.periods, __ATOMIC_SEQ_CST), later);
	dma_unmap_single(device_of(chan), at, RING, DMA_TO_DEVICE);
	kfree(ring);
	/* The channel is as new. */
	print(chan, "end", 3, 2);
	dma_release_channel(chan);
	must_stop();
}

static void lines_have_one_channel_each(void **unused)
{
	struct device *uart = start_with_uart();
	struct dma_chan *tx = dma_request_chan(uart, "tx"), *rx = dma_request_chan(uart, "rx");
	/* No line is shared by as many as there are. */
	struct dma_chan *none = dma_request_chan(uart, "console");
	struct dma_chan *more = dma_request_chan(uart, "console");

	(void)unused;
	assert_false(IS_ERR(tx) || IS_ERR(rx) || IS_ERR(none) || IS_ERR(more));
	assert_int_equal(PTR_ERR(dma_request_chan(uart, "tx")), -EBUSY);
	assert_int_equal(PTR_ERR(dma_request_chan(uart, "wrong")), -EINVAL);
	dma_release_channel(tx);
	tx = dma_request_chan(uart, "tx");
	assert_false(IS_ERR(tx));
	dma_release_channel(tx);
	dma_release_channel(rx);
	dma_release_channel(none);
	dma_release_channel(more);
	must_stop();
}

static void refuse_config(struct dma_chan *chan, struct dma_slave_config config)
{
	assert_int_equal(dmaengine_slave_config(chan, &config), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);
}

static void what_it_cannot_do_is_refused(void **unused)
{
	struct dma_slave_config odd = { .dst_addr = UART0 + UART_FIFO + 2, .dst_addr_width = 4 };
	struct dma_chan *chan;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_SLAVE);
	assert_null(dmaengine_prep_slave_single(chan, 0, 4, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	refuse_config(chan, (struct dma_slave_config){ .device_fc = true });
	refuse_config(chan, (struct dma_slave_config){ .src_port_window_size = 4 });
	refuse_config(chan, (struct dma_slave_config){ .dst_addr_width = 16 });
	refuse_config(chan, (struct dma_slave_config){ .dst_addr_width = 4, .dst_maxburst = 17 });
	assert_int_equal(dmaengine_slave_config(chan, &odd), 0);
	assert_null(dmaengine_prep_slave_single(chan, 0, 4, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	configure(chan, 1);
	assert_null(dmaengine_prep_slave_single(chan, UINT32_MAX, 2, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_MASK);
	assert_null(dmaengine_prep_slave_single(chan, 0, 4, DMA_MEM_TO_MEM, 0));
	/* A descriptor that is not done has the register's address. */
	assert_non_null(dmaengine_prep_slave_single(chan, 0, 4, DMA_MEM_TO_DEV, 0));
	assert_int_equal(dmaengine_slave_config(chan, &odd), -EBUSY);
	dma_release_channel(chan);
	must_stop();
}

/* The controller cannot be stopped any more: what it had stays out, and nothing hangs. */
static void the_machine_dies_in_a_transfer(void **unused)
{
	struct device *uart = start_with_uart();
	struct dma_chan *chan = take_kind(uart, 0);
	uint8_t *bytes = kzalloc(16, GFP_KERNEL);
	dma_cookie_t cookie;
	dma_addr_t at;

	(void)unused;
	configure(chan, 4);
	at = must_map(chan, bytes, 16, DMA_TO_DEVICE);
	assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, true), 0);
	cookie = must_begin(dmaengine_prep_slave_single(chan, at, 16, DMA_MEM_TO_DEV, 0));
	assert_int_equal(kill(berth_qemu_pid(), SIGKILL), 0);
	while (berth_qemu_pid())
		msleep(1);
	assert_int_equal(berth_dma_wait(chan, cookie, 100), -ETIMEDOUT);
	assert_int_equal(dmaengine_terminate_sync(chan), -ETIMEDOUT);
	assert_int_equal(berth_qemu_set_input("pl330", 0, LINE_OF_TX, true), -EIO);
	assert_reason(BERTH_REASON_MACHINE);
	dma_unmap_single(device_of(chan), at, 16, DMA_TO_DEVICE);
	kfree(bytes);
	dma_release_channel(chan);
	assert_true(berth_stop() < 0);
	assert_reason(BERTH_REASON_LEAK);
}

static int make_folder(void **unused)
{
	(void)unused;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
	(void)unused;
	unlink(file);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uart_prints_lines),
		cmocka_unit_test(long_lists),
		cmocka_unit_test(a_register_is_read),
		cmocka_unit_test(a_busy_peripheral_is_waited_for),
		cmocka_unit_test(an_event_that_comes_too_late),
		cmocka_unit_test(a_ring_goes_round),
		cmocka_unit_test(lines_have_one_channel_each),
		cmocka_unit_test(what_it_cannot_do_is_refused),
		cmocka_unit_test(the_machine_dies_in_a_transfer),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, make_folder, remove_folder) : 0;
}
