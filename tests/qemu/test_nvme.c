/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe driver with QEMU's controller: the steps of tests/boards/nvme.c, from a process. */
#include <fcntl.h>
#include <pthread.h>

#include "board.h"

#include <berth/swiotlb.h>

#include "../boards/nvme_steps.h"

#define DISK_BYTES (64 * MIB)
#define WINDOW_BYTES (8u << 20)

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_nvme_driver),
	BERTH_NO_MORE_DRIVERS,
};

static char path[] = "/tmp/berth-nvme-XXXXXX";
static uint8_t *disk; /* what was in it at first */

static void write_all(int file, const uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t done = write(file, bytes, size);

		assert_true(done > 0);
		bytes += done;
		size -= (size_t)done;
	}
}

/* Random bytes for disks. */
static int make_disk(void **state)
{
	int file = mkstemp(path);
	uint64_t random = 64;

	(void)state;
	disk = malloc(DISK_BYTES);
	assert_true(file >= 0 && disk);
	for (size_t i = 0; i < DISK_BYTES / 8; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		memcpy(disk + 8 * i, &random, 8);
	}
	write_all(file, disk, DISK_BYTES);
	close(file);
	return 0;
}

static int remove_disk(void **state)
{
	(void)state;
	unlink(path);
	free(disk);
	return 0;
}

static void sum(const uint8_t *bytes, size_t size, uint8_t digest[32])
{
	struct sha256 sha;

	sha256_start(&sha);
	sha256_add(&sha, bytes, size);
	sha256_end(&sha, digest);
}

/* The disk's first bytes, as they were at first. @machine: NULL: no IOMMU; @options: of the drive. */
static void boot(const char *machine, const char *bootargs, const char *options, size_t bytes)
{
	static char drive[200];
	const char *arguments[] = { "-drive", drive, "-device", "nvme,drive=d0,serial=b7", NULL };
	int file = open(path, O_WRONLY | O_TRUNC);

	write_all(file, disk, bytes);
	close(file);
	snprintf(drive, sizeof(drive), "if=none,id=d0,format=raw,file=%s%s", path, options);
	must_start_on(machine, drivers, 256 * MIB, bootargs, arguments);
	assert_true(steps_find() && steps_begin(WINDOW_BYTES, 7));
}

static void halt(void)
{
	steps_end();
	must_stop();
}

static bool interrupts_work(void)
{
	const struct berth_nvme_stats stats = steps_stats();

	return stats.interrupts && !stats.lost_interrupts && !stats.timeouts;
}

static void *take(void *taker)
{
	steps_take_area_until(taker);
	return NULL;
}

static void use_file_cache(void)
{
	struct steps_taker taker = { .taken = 0 };
	pthread_t thread;
	bool is_ok;

	assert_true(steps_file_cache(200, NULL));
	assert_int_equal(pthread_create(&thread, NULL, take, &taker), 0);
	is_ok = steps_file_cache(400, &taker);
	__atomic_store_n(&taker.is_over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(is_ok);
}

static void must_be_in_file(const uint8_t wanted[32], size_t size)
{
	uint8_t *bytes = malloc(size), digest[32];
	int file = open(path, O_RDONLY);

	for (size_t at = 0; at < size;) {
		ssize_t got = read(file, bytes + at, size - at);

		assert_true(got > 0);
		at += (size_t)got;
	}
	close(file);
	sum(bytes, size, digest);
	free(bytes);
	assert_memory_equal(digest, wanted, sizeof(digest));
}

static void all_steps(const char *machine, const char *bootargs, size_t size, bool is_polling)
{
	uint8_t wanted[32], digest[32], written[32];
	struct berth_nvme_stats before, after;
	struct berth_swiotlb_info bounce;

	boot(machine, bootargs, "", size);
	if (is_polling)
		assert_int_equal(berth_nvme_set_polling(steps.pdev, true), 0);
	steps.is_polling = is_polling;
	before = steps_stats();
	sum(disk, size, wanted);
	assert_true(steps_read_disk(digest));
	assert_memory_equal(digest, wanted, sizeof(digest));
	assert_int_equal(steps_stats().max_in_flight, BERTH_NVME_DEPTH);
	assert_int_equal(interrupts_work(), !is_polling);
	assert_true(steps_odd_pieces(200));
	assert_true(steps_splitting(4, 512u << 10));
	assert_true(steps_refusals());
	assert_true(steps_behind_the_end());
	use_file_cache();
	assert_true(steps_first_window_is_right());
	assert_true(steps_write_disk(written) && steps_read_disk(digest));
	assert_memory_equal(digest, written, sizeof(digest));
	after = steps_stats();
	assert_int_equal(steps_smmu() != NULL, machine != NULL);
	assert_true(!machine || steps_smmu_is_content(!strstr(bootargs, "iommu.")));
	assert_true(after.register_writes - before.register_writes <=
		    2 * (after.commands - before.commands));
	berth_swiotlb_info(&steps.pdev->dev, &bounce);
	assert_int_equal(!bounce.nr_maps, !strstr(bootargs, "force"));
	halt();
	must_be_in_file(written, size);
}

static void with_interrupts(void **state)
{
	(void)state;
	all_steps(NULL, "cma=140M", DISK_BYTES, false);
}

static void by_polling(void **state)
{
	(void)state;
	all_steps(NULL, "cma=140M", WINDOW_BYTES, true);
}

static void with_bounce_buffers(void **state)
{
	(void)state;
	all_steps(NULL, "cma=140M swiotlb=8192,force", WINDOW_BYTES, false);
}

/* Each piece of memory is one of the addresses that the SMMU knows. */
static void through_an_smmu(void **state)
{
	(void)state;
	all_steps(SMMU_MACHINE, "cma=140M", DISK_BYTES, false);
	all_steps(SMMU_MACHINE, "cma=140M iommu.strict=0", WINDOW_BYTES, false);
	all_steps(SMMU_MACHINE, "cma=140M iommu.passthrough=1", WINDOW_BYTES, true);
}

/* With the line held back, the check for interrupts is false. */
static void line_held_back(void **state)
{
	(void)state;
	boot(NULL, NULL, "", WINDOW_BYTES);
	assert_int_equal(berth_nvme_set_timeout(steps.pdev, 100), 0);
	disable_irq(steps.pdev->irq);
	assert_int_equal(berth_nvme_flush(steps.ns), 0);
	assert_false(interrupts_work());
	assert_int_equal(steps_stats().lost_interrupts, 1);
	enable_irq(steps.pdev->irq);
	halt();
}

#define SLOW ",throttling.iops-total=1"

/* A disk that needs a second for each command. */
static void too_slow(void **state)
{
	(void)state;
	boot(NULL, NULL, SLOW, WINDOW_BYTES);
	assert_int_equal(berth_nvme_set_timeout(steps.pdev, 100), 0);
	assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
	steps_wait();
	assert_true(steps_count(-ETIMEDOUT));
	assert_int_equal(steps_count(-ETIMEDOUT) + steps_count(0), STEPS_REQUESTS);
	assert_int_equal(berth_nvme_flush(steps.ns), -EIO);
	halt();
}

static void give_back(struct berth_nvme_request *request)
{
	for (unsigned int i = 0; i < request->nents; i++)
		__free_page(sg_page(&request->sgl[i]));
	steps_one_done(request);
}

static void leaving(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		boot(NULL, i ? "swiotlb=8192,force" : NULL, SLOW, WINDOW_BYTES);
		steps.done = give_back;
		assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
		vfree(steps.pages);
		vfree(steps.expected);
		must_stop();
		assert_int_equal(steps.nr_done, STEPS_REQUESTS);
		assert_true(steps_count(-ENXIO));
		assert_int_equal(steps_count(-ENXIO) + steps_count(0), STEPS_REQUESTS);
	}
}

/* The emulator is killed with all requests on their way. */
static void machine_dies(void **state)
{
	(void)state;
	boot(NULL, NULL, SLOW, WINDOW_BYTES);
	assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
	assert_int_equal(kill(berth_qemu_pid(), SIGKILL), 0);
	steps_wait();
	assert_true(steps_count(-EIO));
	assert_int_equal(steps_count(-EIO) + steps_count(0), STEPS_REQUESTS);
	assert_int_equal(berth_nvme_flush(steps.ns), -EIO);
	halt();
}

/* Lines on the console, by what they say. */
static unsigned int count_lines(int console, const char *what)
{
	char text[8192];
	long size = pread(console, text, sizeof(text) - 1, 0);
	unsigned int nr = 0;

	assert_true(size >= 0 && size < (long)sizeof(text) - 1);
	text[size] = 0;
	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		nr++;
	return nr;
}

/* Each unmap of the requests waits for an SMMU that is gone: in vain, for a moment, and told once. */
static void machine_dies_with_its_smmu(void **state)
{
	FILE *console = tmpfile();
	int err, old = dup(STDERR_FILENO);

	(void)state;
	boot(SMMU_MACHINE, NULL, SLOW, WINDOW_BYTES);
	assert_int_equal(steps_submit_all(BERTH_NVME_READ, 0), 0);
	assert_non_null(console);
	fflush(stderr);
	dup2(fileno(console), STDERR_FILENO);
	err = kill(berth_qemu_pid(), SIGKILL);
	steps_wait();
	dup2(old, STDERR_FILENO);
	close(old);
	assert_int_equal(err, 0);
	assert_true(steps_count(-EIO));
	assert_int_equal(steps_count(-EIO) + steps_count(0), STEPS_REQUESTS);
	assert_int_equal(count_lines(fileno(console), "old translations"), 1);
	fclose(console);
	steps_end();
	/* Who may still write to memory keeps it. */
	assert_int_not_equal(berth_stop(), 0);
	assert_reason(BERTH_REASON_LEAK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_interrupts),
		cmocka_unit_test(by_polling),
		cmocka_unit_test(with_bounce_buffers),
		cmocka_unit_test(through_an_smmu),
		cmocka_unit_test(line_held_back),
		cmocka_unit_test(too_slow),
		cmocka_unit_test(leaving),
		cmocka_unit_test(machine_dies),
		cmocka_unit_test(machine_dies_with_its_smmu),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, make_disk, remove_disk) : 0;
}
