/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver with QEMU's controller; tests/boards/nvme says what is on the disk, and looks at it
 * afterwards. The boot arguments choose: poll, masked, bad, slow, gone, leave; else with interrupts; smmu: through it. Prints TAP.
 */
#include <berth/aarch64.h>
#include <berth/swiotlb.h>
#include <berth/test.h>

#include <berth/drivers/host-generic.h>

#include "nvme_steps.h"
#include "tap.h"

#define MIB (1u << 20)
#define WINDOW_BYTES (8 * MIB)
#define BAD_BLOCK 100u /* in a run with "bad" */

/* The first is left out where nobody asks for the SMMU. */
static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_nvme_driver),
	BERTH_NO_MORE_DRIVERS,
};

static bool use_smmu;

static void say_digest(const char *what, const uint8_t digest[32])
{
	say(what);
	for (unsigned int i = 0; i < 64; i++) {
		unsigned int digit = digest[i / 2] >> (i % 2 ? 0 : 4) & 0xf;

		berth_port_print(&"0123456789abcdef"[digit], 1);
	}
	say("\n");
}

static bool has_word(const char *word)
{
	const struct device_node *chosen = of_find_node_by_path("/chosen");
	const char *args, *at, *w;

	if (!chosen || of_property_read_string(chosen, "bootargs", &args))
		return false;
	while (*args) {
		for (at = args, w = word; *w && *at == *w; at++)
			w++;
		if (!*w && (!*at || *at == ' '))
			return true;
		while (*args && *args++ != ' ')
			;
	}
	return false;
}

/* What the boot arguments say is known when berth runs. */
static bool start(void)
{
	const struct berth_driver none[] = { BERTH_NO_MORE_DRIVERS };

	if (berth_start(NULL, none, NULL))
		return false;
	use_smmu = has_word("smmu");
	return !berth_stop() && !berth_start(NULL, drivers + !use_smmu, NULL) && steps_find() &&
	       steps_begin(WINDOW_BYTES, 7);
}

static void check_identity(void)
{
	struct berth_nvme_info info;

	check(!berth_nvme_info(steps.pdev, &info) && info.version == 0x10400 &&
		      info.depth == BERTH_NVME_DEPTH && info.serial[0] == 'b' &&
		      info.serial[1] == '7' && !info.serial[2] && info.max_transfer == 512u << 10 &&
		      info.nr_namespaces == 1 && berth_nvme_id(steps.ns) == 1 &&
		      berth_nvme_blocks(steps.ns) ==
			      (has_word("small") ? 8 : 64) * MIB / STEPS_BLOCK &&
		      berth_nvme_block_bytes(steps.ns) == STEPS_BLOCK,
	      "the controller and its namespace say what they are");
}

static void check_reading(void)
{
	uint8_t digest[32];

	check(steps_read_disk(digest), "all of the disk is read");
	say_digest("# read ", digest);
	check(steps_stats().max_in_flight == BERTH_NVME_DEPTH, "63 commands at once");
	if (steps.is_polling)
		check(!steps_stats().interrupts, "without interrupts");
	else
		check(steps_stats().interrupts && !steps_stats().lost_interrupts &&
			      !steps_stats().timeouts,
		      "interrupts");
}

static void check_file_cache(void)
{
	static struct steps_taker taker;
	bool is_ok;

	check(steps_file_cache(300, NULL),
	      "the file cache over it, whose memory is wanted now and then");
	is_ok = !berth_cpu_start(1, steps_take_area_until, &taker) &&
		steps_file_cache(1000, &taker);
	__atomic_store_n(&taker.is_over, 1, __ATOMIC_RELEASE);
	berth_cpu_join(1);
	check(is_ok, "and while another CPU takes it again and again");
}

static void check_end(uint64_t writes_at_start)
{
	uint8_t written[32], read[32];
	struct berth_nvme_stats now;
	bool is_ok;

	check(!berth_nvme_flush(steps.ns) && steps_first_window_is_right(),
	      "after a flush all is there");
	is_ok = steps_write_disk(written) && steps_read_disk(read);
	for (unsigned int i = 0; i < sizeof(read); i++)
		is_ok &= read[i] == written[i];
	check(is_ok, "all of the disk is written, and read back");
	say_digest("# written ", written);
	now = steps_stats();
	say("# commands ");
	say_number(now.commands);
	say(", register writes ");
	say_number(now.register_writes - writes_at_start);
	say("\n");
	check(now.register_writes - writes_at_start <= 2 * now.commands,
	      "at most two register writes a command");
}

static void check_good(bool polling)
{
	struct berth_swiotlb_info info;
	uint64_t writes;

	if (polling)
		check(!berth_nvme_set_polling(steps.pdev, true), "polling");
	steps.is_polling = polling;
	writes = steps_stats().register_writes;
	check_identity();
	check_reading();
	check(steps_odd_pieces(200), "odd sizes at odd places, read, written and read back");
	check(steps_splitting(4, 512u << 10), "2 MiB are four commands");
	check(steps_refusals(), "memory that no command can have is refused");
	check(steps_behind_the_end(), "behind the end is an error, and what comes next is none");
	check_file_cache();
	check_end(writes);
	berth_swiotlb_info(&steps.pdev->dev, &info);
	check(use_smmu ? steps_smmu_is_content(!has_word("iommu.strict=0")) : !steps_smmu(),
	      "the SMMU refuses nothing, and is asked little");
	check(!info.nr_maps == !has_word("swiotlb=force"), "bounced only if that is asked for");
	say("# all register writes ");
	say_number(steps_stats().register_writes);
	say("\n");
}

/* With the line held back, the check for interrupts must fail. */
static void check_masked(void)
{
	disable_irq(steps.pdev->irq);
	berth_nvme_set_timeout(steps.pdev, 100);
	check_reading();
	enable_irq(steps.pdev->irq);
}

/* The device under test has one bad block, and every allocation of a start may fail. */
static void check_bad(void)
{
	struct scatterlist sg;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, steps.pages[0], STEPS_BLOCK, 0);
	check(berth_nvme_read(steps.ns, BAD_BLOCK, &sg, 1) == -ENODATA &&
		      berth_last_error()->reason == BERTH_REASON_IO && steps_stats().errors == 1,
	      "a bad block is an error");
	sg_set_page(&sg, steps.pages[0], 2 * STEPS_BLOCK, 0);
	check(!berth_nvme_read(steps.ns, BAD_BLOCK + 8, &sg, 1), "others are none");
}

static void check_starts(void)
{
	unsigned int starts = 0, leaks = 0;
	bool failed = true;

	for (uint64_t nth = 1; failed && nth < 2000; nth++) {
		berth_test_fail_nth(nth);
		if (!berth_start(NULL, drivers + !use_smmu, NULL)) {
			starts++;
			failed = berth_test_failed();
			berth_test_fail_nth(0);
			leaks += berth_stop() != 0;
		}
	}
	berth_test_fail_nth(0);
	check(!failed && starts > 20 && !leaks, "every allocation of a start may fail");
}

/* The disk of these runs needs a second for each command but the first. */
static void check_slow(void)
{
	struct berth_nvme_request late = { .op = BERTH_NVME_FLUSH, .done = steps_one_done };

	berth_nvme_set_timeout(steps.pdev, 100);
	check(!steps_submit(BERTH_NVME_READ, 0), "more than it can do in time");
	wait_for_completion(&steps.all_done);
	check(steps_count(-ETIMEDOUT) &&
		      steps_count(-ETIMEDOUT) + steps_count(0) == STEPS_REQUESTS &&
		      steps_stats().timeouts,
	      "each request ends well, or because of the time");
	check(berth_nvme_submit(steps.ns, &late) == -EIO && berth_nvme_flush(steps.ns) == -EIO,
	      "a controller that was stopped takes no more");
}

static void check_gone(void)
{
	uint16_t command = 0;

	check(!steps_submit(BERTH_NVME_READ, 0), "requests are on their way");
	pci_read_config_word(steps.pdev, PCI_COMMAND, &command);
	pci_write_config_word(steps.pdev, PCI_COMMAND, command & (uint16_t)~PCI_COMMAND_MEMORY);
	wait_for_completion(&steps.all_done);
	check(steps_count(-EIO) && steps_count(-EIO) + steps_count(0) == STEPS_REQUESTS,
	      "each ends when the controller is gone");
	check(berth_nvme_flush(steps.ns) == -EIO, "and so does the next one");
}

/* Each gives its own memory back. */
static void one_left(struct berth_nvme_request *request)
{
	for (unsigned int i = 0; i < request->nents; i++)
		__free_page(sg_page(&request->sgl[i]));
	steps_one_done(request);
}

static void check_leaving(void)
{
	int err, stopped;

	steps.done = one_left;
	err = steps_submit(BERTH_NVME_READ, 0);
	vfree(steps.pages);
	vfree(steps.expected);
	stopped = berth_stop();
	check(!err && !stopped && steps.nr_done == STEPS_REQUESTS && steps_count(-ENXIO) &&
		      steps_count(-ENXIO) + steps_count(0) == STEPS_REQUESTS,
	      "who leaves with requests on their way leaves nothing behind");
}

int main(void)
{
	bool is_bad;

	if (!start()) {
		check(false, "start");
		return 1;
	}
	is_bad = has_word("bad");
	if (has_word("masked"))
		check_masked();
	else if (is_bad)
		check_bad();
	else if (has_word("slow"))
		check_slow();
	else if (has_word("gone"))
		check_gone();
	else if (!has_word("leave"))
		check_good(has_word("poll"));
	if (has_word("leave")) {
		check_leaving();
	} else {
		steps_end();
		check(!berth_stop(), "nothing is left behind");
	}
	if (is_bad)
		check_starts();
	say("1..");
	say_number(checks);
	say("\n");
	return failures != 0;
}
