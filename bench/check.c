// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the checker costs. Two programs are made of this file: one with libberth, one with libberth-check, built as a driver
 * under test is, with the checker on. Each runs every case once and prints user and system time of it; bench/run.py calls
 * them in turns.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include <berth/completion.h>
#include <berth/gfp.h>
#include <berth/pci.h>
#include <berth/scatterlist.h>

#include <berth/drivers/nvme.h>
#ifdef BERTH_CHECKED
#include <berth/check.h>
#endif

#include "bench.h"

#include "check.h"
#include "run.h"
#include "screen.h"

#define BLOCK 512u
#define DEPTH_MOST 32u
#define PAGES_MOST 32u
#define CHECK_BYTES (256ul << 20)

static struct pci_dev *pdev;
static struct berth_nvme_namespace *disk;
static struct completion done;
static unsigned int nr_left;

static struct request {
	struct berth_nvme_request request;
	struct scatterlist list[PAGES_MOST];
	struct page *pages[PAGES_MOST];
} requests[DEPTH_MOST];

/* All that a program spends, with the processes that it starts. */
static double spent_ns(void)
{
	static const int who[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double ns = 0;

	for (unsigned int i = 0; i < 2; i++) {
		struct rusage usage;

		getrusage(who[i], &usage);
		ns += ((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec) * 1e9;
		ns += ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e3;
	}
	return ns;
}

#ifdef BERTH_CHECKED
static void tell(const struct berth_check_report *report, void *data)
{
	char text[300];

	(void)data;
	berth_check_text(report, text, sizeof(text));
	fprintf(stderr, "%s\n", text);
}

static void start_checking(void)
{
	struct berth_check_options options = { .size = CHECK_BYTES, .on_report = tell };

	options.memory = mmap(NULL, CHECK_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bench_must(options.memory != MAP_FAILED && !berth_check_start(&options), "checker");
}

static void stop_checking(void)
{
	bench_must(!berth_check_is_short() && !berth_check_stop(),
		   "the checker has found something");
}
#else
static void start_checking(void)
{
}

static void stop_checking(void)
{
}
#endif

/* All of `berth run`, from the start to the end. */
static double run(unsigned int frames)
{
	const struct run_options options = { .board = board_multimedia,
					     .tenants = true,
					     .frames = frames };
	static struct run_result result;
	double start = spent_ns();

	start_checking();
	if (run_job(&options, &result) != RUN_DONE) {
		fprintf(stderr, "berth run: %s\n", result.error);
		exit(1);
	}
	stop_checking();
	return spent_ns() - start;
}

static void one_done(struct berth_nvme_request *request)
{
	bench_must(!request->error, "a read");
	if (!__atomic_sub_fetch(&nr_left, 1, __ATOMIC_ACQ_REL))
		complete(&done);
}

static void start_card(void)
{
	start_checking();
	bench_must(!bench_card_start(), "berth_start");
	while (!disk && (pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev)))
		if (pdev->class_code == 0x010802)
			disk = berth_nvme_get_namespace(pdev, 0);
	bench_must(disk, "NVMe");
	init_completion(&done);
	for (unsigned int i = 0; i < DEPTH_MOST; i++)
		for (unsigned int k = 0; k < PAGES_MOST; k++) {
			requests[i].pages[k] = alloc_page(GFP_KERNEL);
			bench_must(requests[i].pages[k], "alloc_page");
		}
}

static void stop_card(void)
{
	for (unsigned int i = 0; i < DEPTH_MOST; i++)
		for (unsigned int k = 0; k < PAGES_MOST; k++)
			__free_page(requests[i].pages[k]);
	disk = NULL;
	pdev = NULL;
	bench_stop_machine();
	bench_must(!bench_card_complaints(), "the card complains");
	stop_checking();
}

static void submit(struct request *r, uint64_t page, unsigned int nr)
{
	sg_init_table(r->list, nr);
	for (unsigned int i = 0; i < nr; i++)
		sg_set_page(&r->list[i], r->pages[i], PAGE_SIZE, 0);
	r->request = (struct berth_nvme_request){
		.op = BERTH_NVME_READ,
		.block = page * (PAGE_SIZE / BLOCK),
		.sgl = r->list,
		.nents = nr,
		.done = one_done,
	};
	bench_must(!berth_nvme_submit(disk, &r->request), "berth_nvme_submit");
}

static void compare(const struct request *r, uint64_t page, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		bench_must(!memcmp(page_address(r->pages[i]),
				   bench_card_disk() + (page + i) * PAGE_SIZE, PAGE_SIZE),
			   "other bytes than on the disk");
}

/* @total reads of @nr pages, @depth of them at a time: at random places, or one behind the other. */
static double read_disk(unsigned int total, unsigned int nr, unsigned int depth, bool is_random)
{
	const uint64_t places = CARD_BYTES / PAGE_SIZE / nr;
	uint64_t random = 1, next = 0, at[DEPTH_MOST];
	double start = spent_ns();

	for (unsigned int i = 0; i < total; i += depth) {
		nr_left = depth;
		reinit_completion(&done);
		for (unsigned int k = 0; k < depth; k++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			at[k] = (is_random ? random >> 33 : next++) % places * nr;
			submit(&requests[k], at[k], nr);
		}
		wait_for_completion(&done);
		for (unsigned int k = 0; k < depth; k++)
			compare(&requests[k], at[k], nr);
	}
	return (spent_ns() - start) / total;
}

static void print(const char *name, double ns)
{
	printf("{\"case\": \"%s\", \"ns\": %.0f}\n", name, ns);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], SCREEN_COMMAND))
		return screen_command();
	print("check_run_60_frames", run(60));
	start_card();
	read_disk(64, 1, DEPTH_MOST, true);
	print("check_nvme_4k", read_disk(4096, 1, 1, true));
	print("check_nvme_4k_32_at_once", read_disk(8192, 1, 32, true));
	print("check_nvme_128k", read_disk(1024, 32, 1, false));
	print("check_nvme_128k_8_at_once", read_disk(1024, 32, 8, false));
	stop_card();
	return 0;
}
