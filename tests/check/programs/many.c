// SPDX-License-Identifier: BSD-2-Clause
/* A program for `berth check` in which each test goes wrong in its own way; AT_LOAD is what the program does when it is loaded. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <berth/barrier.h>
#include <berth/berth.h>
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/model-device.h>
#include <berth/slab.h>
#include <berth/test.h>

#define SIZE 128u

/* The device writes into a buffer a little later, and raises its interrupt. */
enum { ADDRESS = 0, WRITE = 8, ACK = 12 };

static void write_now(struct berth_model_device *dev, uint64_t size)
{
	unsigned char bytes[SIZE];

	memset(bytes, 0x42, sizeof(bytes));
	berth_model_dma_write(dev, *(uint64_t *)dev->state, bytes, size);
	berth_model_irq(dev, 0, true);
}

static void set(struct berth_model_device *dev, uint64_t offset, unsigned int bytes, uint64_t value)
{
	(void)bytes;
	if (offset == ADDRESS)
		*(uint64_t *)dev->state = value;
	else if (offset == WRITE)
		berth_model_after(dev, 1000, write_now, value < SIZE ? value : SIZE);
	else
		berth_model_irq(dev, 0, false);
}

static const struct berth_model_device_type gadget = {
	.compatible = "test,gadget",
	.state_size = sizeof(uint64_t),
	.write = set,
};

static struct device *dev;
static void __iomem *regs;
static int irq;
static struct completion done;
static unsigned char *looked_at;
static volatile unsigned char seen;

/* In the handler, if a test wants it. */
static irqreturn_t handler(int nr, void *data)
{
	(void)nr;
	(void)data;
	writel(1, (char __iomem *)regs + ACK);
	if (looked_at)
		seen = *looked_at;
	complete(&done);
	return IRQ_HANDLED;
}

static int probe(struct platform_device *pdev)
{
	dev = &pdev->dev;
	irq = platform_get_irq(pdev, 0);
	regs = devm_platform_ioremap_resource(pdev, 0);
	init_completion(&done);
	if (IS_ERR(regs))
		return (int)PTR_ERR(regs);
	return irq < 0 ? irq : request_irq((unsigned int)irq, handler, 0, "gadget", dev);
}

static int gone(struct platform_device *pdev)
{
	(void)pdev;
	free_irq((unsigned int)irq, dev);
	return 0;
}

static unsigned char *receive(dma_addr_t *addr)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);

	*addr = buf ? dma_map_single(dev, buf, SIZE, DMA_FROM_DEVICE) : DMA_MAPPING_ERROR;
	if (dma_mapping_error(dev, *addr))
		return NULL;
	writeq(*addr, regs);
	writel(SIZE, (char __iomem *)regs + WRITE);
	return buf;
}

static int end(unsigned char *buf, dma_addr_t addr)
{
	dma_unmap_single(dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
	return 0;
}

static int good(void)
{
	dma_addr_t addr;
	unsigned char *buf = receive(&addr);

	BERTH_TEST_ASSERT(buf);
	wait_for_completion(&done);
	dma_sync_single_for_cpu(dev, addr, SIZE, DMA_FROM_DEVICE);
	BERTH_TEST_EQUAL(buf[SIZE - 1], 0x42);
	return end(buf, addr);
}

static inline __attribute__((always_inline)) void peek(const unsigned char *buf)
{
	seen = buf[5]; /* BUG inlined */
}

static int forgets_sync(void)
{
	dma_addr_t addr;
	unsigned char *buf = receive(&addr);

	BERTH_TEST_ASSERT(buf);
	wait_for_completion(&done);
	peek(buf);
	return end(buf, addr);
}

static int looks_in_handler(void)
{
	dma_addr_t addr;

	looked_at = receive(&addr);
	BERTH_TEST_ASSERT(looked_at);
	wait_for_completion(&done);
	return end(looked_at, addr);
}

static int keeps_a_mapping(void)
{
	dma_addr_t addr;

	BERTH_TEST_ASSERT(receive(&addr));
	wait_for_completion(&done);
	return 0;
}

static int unmaps_too_early(void)
{
	dma_addr_t addr;
	unsigned char *buf = receive(&addr);

	BERTH_TEST_ASSERT(buf);
	end(buf, addr);
	wait_for_completion(&done);
	return 0;
}

static int good_on_a_board(void)
{
	return good();
}

static int board_is_nonsense(void)
{
	return 0;
}

static int board_is_empty(void)
{
	return 0;
}

static int keeps_memory(void)
{
	return kmalloc(100, GFP_KERNEL) ? 0 : -ENOMEM;
}

static __attribute__((noinline)) void fall(volatile int *at)
{
	*at = 1; /* BUG falls */
}

/* Two buffers; what if there is no second one? */
static int send_two(bool is_careful)
{
	unsigned char *buf = kzalloc(2 * SIZE, GFP_KERNEL);
	dma_addr_t first = dma_map_single(dev, buf, SIZE, DMA_TO_DEVICE), second;
	int ret = -ENOMEM;

	if (dma_mapping_error(dev, first))
		goto free;
	second = dma_map_single(dev, buf + SIZE, SIZE, DMA_TO_DEVICE);
	ret = dma_mapping_error(dev, second);
	if (!ret)
		dma_unmap_single(dev, second, SIZE, DMA_TO_DEVICE);
	if (!ret || is_careful)
		dma_unmap_single(dev, first, SIZE, DMA_TO_DEVICE);
	if (ret && !is_careful)
		return ret;
free:
	kfree(buf);
	return ret;
}

static int careless(void)
{
	return send_two(false);
}

static int careful(void)
{
	return send_two(true);
}

static __attribute__((noinline)) int look_up(const volatile uint32_t *ring)
{
	static unsigned char table[64];

	return table[ring[0] % sizeof(table)];
}

/* The device may change the number after it was looked at. */
static int believes_the_device(void)
{
	dma_addr_t addr;
	volatile uint32_t *ring = dma_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);
	int ret = 0;

	BERTH_TEST_ASSERT(ring);
	ring[0] = 1;
	dma_wmb();
	writeq(addr, regs);
	writel(64, (char __iomem *)regs + WRITE);
	wait_for_completion(&done);
	if (ring[0])
		ret = look_up(ring);
	dma_free_coherent(dev, 4096, (void *)ring, addr);
	return ret;
}

static void *look_again_and_again(void *arg)
{
	for (int i = 0; i < 50; i++)
		seen = *(volatile unsigned char *)arg;
	return NULL;
}

static int forgets_in_threads(void)
{
	pthread_t threads[4];
	dma_addr_t addr;
	unsigned char *buf = receive(&addr);

	BERTH_TEST_ASSERT(buf);
	wait_for_completion(&done);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, look_again_and_again, buf);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return end(buf, addr);
}

static void *fall_in_thread(void *arg)
{
	fall(arg);
	return NULL;
}

static int crashes_in_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, fall_in_thread, NULL);
	pthread_join(thread, NULL);
	return 0;
}

static int crashes(void)
{
	fall(NULL);
	return 0;
}

static int jumps(void)
{
	void (*volatile nowhere)(void) = NULL;

	nowhere();
	return 0;
}

static __attribute__((noinline)) int deeper(volatile char *at)
{
	volatile char bytes[4096];

	bytes[0] = *at;
	return deeper(bytes) + bytes[0];
}

static int overflows(void)
{
	volatile char first = 0;

	return deeper(&first);
}

static int finds_and_crashes(void)
{
	forgets_sync();
	fall(NULL);
	return 0;
}

static int aborts(void)
{
	fputs("the last words\n", stderr);
	abort();
}

static int is_killed(void)
{
	raise(SIGKILL);
	return 0;
}

static int hangs(void)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
	return 0;
}

static int waits_for_nothing(void)
{
	wait_for_completion(&done);
	return 0;
}

static int exits(void)
{
	exit(3);
}

static int exits_at_once(void)
{
	_exit(0);
}

static int fails(void)
{
	BERTH_TEST_EQUAL(1 + 1, 3); /* BUG fails */
	return 0;
}

static int returns_an_error(void)
{
	return -ENODEV;
}

static int fails_with_seed_7(void)
{
	return berth_test_seed() == 7 ? -EIO : 0;
}

static int writes_everywhere(void)
{
	char text[300];

	memset(text, 'x', sizeof(text));
	for (int fd = 1; fd < 64; fd++)
		seen = write(fd, text, sizeof(text)) < 0;
	return forgets_sync();
}

static int leaves_a_process(void)
{
	if (!fork())
		for (;;)
			pause();
	return 0;
}

static int closes_everything(void)
{
	for (int fd = 0; fd < 64; fd++)
		close(fd);
	return 0;
}

static const struct of_device_id ids[] = { { .compatible = "test,gadget" }, {} };
static const struct platform_driver driver = {
	.probe = probe,
	.remove = gone,
	.driver = { .name = "gadget", .of_match_table = ids },
};
static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&driver),
					       BERTH_NO_MORE_DRIVERS };
static const struct berth_model_device_type *const devices[] = { &gadget, NULL };

static const struct berth_test tests[] = {
#ifndef NO_TESTS
	BERTH_TEST(good),
	BERTH_TEST(forgets_sync),
	BERTH_TEST(looks_in_handler),
	BERTH_TEST(keeps_a_mapping),
	BERTH_TEST(unmaps_too_early),
	BERTH_TEST(keeps_memory),
	BERTH_TEST(careless),
	BERTH_TEST(careful),
	BERTH_TEST(believes_the_device),
	BERTH_TEST(forgets_in_threads),
	BERTH_TEST(crashes_in_a_thread),
	BERTH_TEST(crashes),
	BERTH_TEST(jumps),
	BERTH_TEST(overflows),
	BERTH_TEST(finds_and_crashes),
	BERTH_TEST(aborts),
	BERTH_TEST(is_killed),
	BERTH_TEST(hangs),
	BERTH_TEST(waits_for_nothing),
	BERTH_TEST(exits),
	BERTH_TEST(exits_at_once),
	BERTH_TEST(fails),
	BERTH_TEST(returns_an_error),
	BERTH_TEST(fails_with_seed_7),
	BERTH_TEST(writes_everywhere),
	BERTH_TEST(leaves_a_process),
	BERTH_TEST(closes_everything),
	BERTH_TEST_ON(good_on_a_board, "board.dts"),
	BERTH_TEST_ON(board_is_nonsense, "/dts-v1/; / { nonsense };"),
	BERTH_TEST_ON(board_is_empty, "/dts-v1/; / { };"),
#endif
	BERTH_NO_MORE_TESTS
};

#ifndef NO_ENTRY
BERTH_TEST_PROGRAM(.tests = tests, .drivers = drivers, .devices = devices);
#else
const void *berth_unused[] = { tests, drivers, devices };
#endif

#ifdef AT_LOAD
static __attribute__((constructor)) void at_load(void)
{
	AT_LOAD;
}
#endif
