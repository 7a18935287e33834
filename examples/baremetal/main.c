/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A firmware for QEMU's virt board: starts berth on the device tree that QEMU made, and uses it. One
 * line per check; what main() returns is QEMU's exit status.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/cma.h>
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/slab.h>
#include <berth/swiotlb.h>
#include <berth/timer.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>

#define MIB 0x100000ul
#define BYTES 4000u

static unsigned int checks, failures;

static void say(const char *text)
{
	for (; *text; text++)
		berth_port_print(text, 1);
}

static void say_number(uint64_t n)
{
	char digit = (char)('0' + n % 10);

	if (n >= 10)
		say_number(n / 10);
	berth_port_print(&digit, 1);
}

/* "ok 1 - what n unit"; without a unit there is no number. */
static void check(bool is_ok, const char *what, uint64_t n, const char *unit)
{
	failures += !is_ok;
	say(is_ok ? "ok " : "not ok ");
	say_number(++checks);
	say(" - ");
	say(what);
	if (unit)
		say_number(n);
	say(unit ? unit : "");
	say("\n");
}

static void check_memory(void)
{
	struct berth_memory_info info;
	uint8_t *object[18];
	unsigned int good = 0, i;

	berth_memory_info(&info);
	check(info.total == 256 * MIB && info.free > 200 * MIB, "memory: 256 MiB, free ",
	      info.free / MIB, " MiB");
	for (i = 0; i < ARRAY_SIZE(object); i++) {
		object[i] = kmalloc(1ul << i, GFP_KERNEL);
		if (object[i])
			object[i][(1ul << i) - 1] = (uint8_t)i;
	}
	while (i--) {
		good += object[i] && object[i][(1ul << i) - 1] == i;
		kfree(object[i]);
	}
	check(good == ARRAY_SIZE(object), "kmalloc: ", good, " objects of 1 byte to 128 KiB");
}

static void check_cma(void)
{
	struct cma *cma = berth_cma_default();
	struct page *pages = cma ? cma_alloc(cma, 4 * MIB / PAGE_SIZE, 9, false) : NULL;
	struct berth_cma_stats stats = { 0 };
	bool is_ok = pages && !(page_to_phys(pages) & (2 * MIB - 1)) &&
		     cma_release(cma, pages, 4 * MIB / PAGE_SIZE);

	if (cma)
		berth_cma_stats(cma, &stats);
	check(is_ok && !stats.used, "CMA: 4 MiB in one piece and back, of ",
	      stats.pages * PAGE_SIZE / MIB, " MiB");
}

static struct completion timer_went_off;

static void timer_function(struct timer_list *timer)
{
	(void)timer;
	complete(&timer_went_off);
}

static void check_timer(void)
{
	struct timer_list timer;
	uint64_t start = ktime_get_ns(), took = 0;

	init_completion(&timer_went_off);
	timer_setup(&timer, timer_function, 0);
	berth_mod_timer_ns(&timer, start + 5 * NSEC_PER_MSEC);
	if (wait_for_completion_timeout(&timer_went_off, msecs_to_jiffies(1000)))
		took = ktime_get_ns() - start;
	del_timer_sync(&timer);
	check(took >= 5 * NSEC_PER_MSEC, "timer: 5000 us took ", took / NSEC_PER_USEC, " us");
}

static void on_other_cpu(void *arg)
{
	uint32_t **from_there = arg;

	*from_there = kmalloc(BYTES, GFP_KERNEL);
	for (uint32_t i = 0; *from_there && i < BYTES / 4; i++)
		(*from_there)[i] = i * i;
}

static void check_other_cpu(void)
{
	uint32_t *from_there = NULL, good = 0;

	if (!berth_cpu_start(1, on_other_cpu, &from_there))
		berth_cpu_join(1);
	while (from_there && good < BYTES / 4 && from_there[good] == good * good)
		good++;
	kfree(from_there);
	check(good == BYTES / 4, "CPU 1: allocated memory and wrote ", good, " words");
}

static void fill(uint8_t *bytes)
{
	for (size_t i = 0; bytes && i < BYTES; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
}

/*
 * A mask under which there is no memory is refused, with the reason. One under which there is some
 * is enough: what lies above goes through a bounce buffer.
 */
static void check_mask(struct pci_dev *edu)
{
	/* The area is at the end of the memory. */
	struct page *pages = cma_alloc(berth_cma_default(), 2, 0, false);
	uint8_t *from = pages ? page_address(pages) : NULL, *to = from + PAGE_SIZE;
	struct berth_swiotlb_info info;
	char why[200] = "";
	size_t same = 0;

	check(dma_set_mask(&edu->dev, DMA_BIT_MASK(28)) == -EIO &&
		      berth_last_error()->reason == BERTH_REASON_MASK,
	      "a mask without memory is refused:", 0, NULL);
	berth_error_text(NULL, why, sizeof(why));
	say("# ");
	say(why);
	say("\n");
	fill(from);
	if (from && !berth_edu_set_dma_bits(edu, 64) &&
	    !dma_set_mask(&edu->dev, virt_to_phys(from) - 1) &&
	    !berth_edu_copy_to(edu, 90, from, BYTES) && !berth_edu_copy_from(edu, to, 90, BYTES))
		while (same < BYTES && to[same] == from[same])
			same++;
	berth_swiotlb_info(&edu->dev, &info);
	check(same == BYTES && info.nr_maps == 2, "edu: through bounce buffers: ", same,
	      " bytes are right");
	cma_release(berth_cma_default(), pages, 2);
}

static void check_dma(struct pci_dev *edu)
{
	uint8_t *from = kmalloc(BYTES, GFP_KERNEL), *to = kzalloc(BYTES, GFP_KERNEL);
	size_t same = 0;

	fill(from);
	if (from && to && !berth_edu_set_dma_bits(edu, 64) &&
	    !berth_edu_copy_to(edu, 90, from, BYTES) && !berth_edu_copy_from(edu, to, 90, BYTES))
		while (same < BYTES && to[same] == from[same])
			same++;
	check(same == BYTES, "edu: DMA there and back: ", same, " bytes are right");
	check(berth_edu_copy_to(edu, 96, from, BYTES) == -EINVAL,
	      "edu: DMA past its buffer is refused", 0, NULL);
	kfree(from);
	kfree(to);
}

int main(void)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
		BERTH_PCI_DRIVER(&berth_edu_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	const struct berth_options options = { .bootargs = "cma=32M" };
	struct pci_dev *edu;
	uint32_t result = 0;
	int err = berth_start(NULL, drivers, &options);

	say("1..15\n");
	check(!err, "berth_start", 0, NULL);
	if (err)
		return 1;
	check_memory();
	check_cma();
	check_timer();
	check_other_cpu();
	edu = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	check(edu && pci_get_drvdata(edu), "edu behind ECAM, interrupt ", edu ? edu->irq : 0, "");
	if (edu && pci_get_drvdata(edu)) {
		check(!berth_edu_check_alive(edu) && berth_edu_version(edu) == 0x010000ed,
		      "edu: alive", 0, NULL);
		err = berth_edu_factorial(edu, 12, &result);
		check(!err && result == 479001600, "edu: 12! = ", result, ", told by an interrupt");
		check(!berth_edu_interrupt(edu, 0x40), "edu: interrupt handled", 0, NULL);
		check_mask(edu);
		check_dma(edu);
	}
	check(!berth_stop(), "berth_stop: nothing leaked", 0, NULL);
	return failures != 0;
}
