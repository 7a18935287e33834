/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker on a board: drivers of tests/check/ as they are, each with its mistake and mended. The device
 * is played: what it does is told the checker as the model tells it. Prints who did what for tests/boards/check, which
 * knows the lines of the addresses, and TAP.
 */
#include <berth/berth.h>
#include <berth/check.h>
#include <berth/device.h>
#include <berth/slab.h>

#include "check/corpus.h"

#include "tap.h"

#define NAME "player"
#define MEMORY (8u << 20)

static unsigned char memory[MEMORY] __attribute__((section(".noinit"), aligned(16)));
static volatile unsigned char seen;
static struct device dev, other;

static const struct mistake *const corpus[] = { corpus_streaming, corpus_api, corpus_buf,
						corpus_lifetime, corpus_rings };
/* When it has been told of the first two they crash; machine mode has no page tables for vmap(). */
static const char *const skipped[] = { "alloc_not_asked", "pool_not_asked",
#ifdef __riscv
				       "uncached_view"
#endif
};

static void say_address(uintptr_t address)
{
	say(" 0x");
	for (unsigned int shift = 8 * sizeof(address); shift; shift -= 4)
		berth_port_print(&"0123456789abcdef"[address >> (shift - 4) & 0xf], 1);
}

static void say_place(const char *what, const struct berth_check_place *place)
{
	say(what);
	for (unsigned int i = 0; i < place->nr; i++)
		say_address(place->frame[i]);
}

/* One line: the rule, how far into the buffer, and both stacks. */
static void tell(const struct berth_check_report *report, void *data)
{
	(void)data;
	say("# report ");
	say(berth_check_rule_id(report->rule));
	say(" ");
	say_number(report->address && report->buffer ? report->address - report->buffer : 0);
	say_place(" touched", &report->touched);
	say_place(" mapped", &report->mapped);
	say("\n");
}

static void device_does(dma_addr_t addr, size_t size, bool is_write)
{
	berth_port_watch->cause(0);
	berth_port_watch->device(NAME, addr, size, is_write);
	berth_port_watch->reached(false);
}

static void device_reads(dma_addr_t addr, size_t size)
{
	device_does(addr, size, false);
}

static void device_writes(dma_addr_t addr, size_t size)
{
	device_does(addr, size, true);
}

/* What the driver has given back wrongly is still there, but for the checker. */
static void free_ring(void *ring, dma_addr_t addr)
{
	(void)ring, (void)addr;
}

static void returned(int ret)
{
	berth_check_returned(&dev, ret);
}

static bool is_skipped(const struct mistake *mistake)
{
	for (unsigned int i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++) {
		const char *a = skipped[i], *b = mistake->name;

		while (*a && *a == *b)
			a++, b++;
		if (*a != *b)
			continue;
		say("# skipped ");
		say(mistake->name);
		say("\n");
		return true;
	}
	return false;
}

static bool play(const struct mistake *mistake, bool is_mended)
{
	const struct berth_check_options options = { .memory = memory,
						     .size = MEMORY,
						     .on_report = tell };
	static const struct berth_driver none[] = { BERTH_NO_MORE_DRIVERS };
	void *to_free = NULL;
	const struct rig rig = {
		.dev = &dev,
		.device_reads = device_reads,
		.device_writes = device_writes,
		.free_ring = free_ring,
		.seen = &seen,
		.to_free = &to_free,
		.fail_nth = berth_check_fail_map_nth,
		.returned = returned,
		.other = &other,
	};
	unsigned int nr;

	say("# play ");
	say(mistake->file);
	say(" ");
	say(mistake->name);
	say(is_mended ? " mended\n" : " mistaken\n");
	dev = other = (struct device){ 0 };
	if (berth_check_start(&options) || berth_start(NULL, none, NULL) ||
	    device_register(&dev, NAME) || device_register(&other, "other"))
		return false;
	mistake->driver(&rig, is_mended);
	device_unregister(&other);
	device_unregister(&dev);
	kfree(to_free);
	/* A mistake may leave something behind. */
	if (berth_stop() && is_mended)
		return false;
	nr = berth_check_stop();
	return is_mended || !mistake->bug_class ? !nr : nr;
}

int main(void)
{
	for (unsigned int i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++) {
		for (const struct mistake *m = corpus[i]; m->name; m++) {
			check(play(m, true), "nothing of the mended one");
			if (m->bug_class && !is_skipped(m))
				check(play(m, false), "the mistake is found");
		}
	}
	say("1..");
	say_number(checks);
	say("\n");
	return failures != 0;
}
