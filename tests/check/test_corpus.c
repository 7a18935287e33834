// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each mistake of the corpus is found, at the line that says BUG, whatever the caches do; and nothing is said of its
 * twin. The checker knows nothing of the corpus.
 */
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/berth.h>
#include <berth/check-run.h>
#include <berth/check.h>
#include <berth/dma-mapping.h>
#include <berth/model.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>

#include "check/check.h"
#include "check/corpus.h"
#include "check/engine.h"
#include "model/internal.h"

#include "model/fdt.h"

#define RAM 0x80000000u
#define RAM_SIZE (16u << 20)
#define MEMORY (64u << 20)
#define SEEDS 50u

static const struct mistake *const corpus[] = {
	corpus_streaming, corpus_rings,	 corpus_order, corpus_api,   corpus_address,
	corpus_buf,	  corpus_engine, corpus_raw,   corpus_bytes, corpus_lifetime,
};

#define FOREACH_MISTAKE(mistake)                                                          \
	for (size_t subject = 0; subject < sizeof(corpus) / sizeof(corpus[0]); subject++) \
		for (const struct mistake *mistake = corpus[subject]; mistake->name; mistake++)

static struct model_device *player;
static volatile unsigned char seen;
static struct device dev, other;

static void device_reads(dma_addr_t addr, size_t size)
{
	unsigned char bytes[4096];

	model_lock();
	model_dma_read(player, addr, bytes, size);
	model_unlock();
}

static void device_writes(dma_addr_t addr, size_t size)
{
	unsigned char bytes[4096];

	memset(bytes, 0x42, sizeof(bytes));
	model_lock();
	model_dma_write(player, addr, bytes, size);
	model_unlock();
}

/* What the driver has given back wrongly is still there, but for the checker. */
static void free_ring(void *ring, dma_addr_t addr)
{
	(void)ring, (void)addr;
}

static const struct model_device_type player_type = { .compatible = "test,player" };

/* With memory above 4 GiB, which is handed out first, or without. */
static const void *tree(bool is_high)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_end(&fdt);
	if (is_high) {
		fdt_begin(&fdt, "memory@100000000");
		fdt_text(&fdt, "device_type", "memory");
		fdt_cells(&fdt, "reg", 1, 0, 0, RAM_SIZE);
		fdt_end(&fdt);
	}
	fdt_begin(&fdt, "chosen");
	fdt_text(&fdt, "bootargs", "dma.software=1");
	fdt_end(&fdt);
	fdt_begin(&fdt, "player@10000000");
	fdt_text(&fdt, "compatible", "test,player");
	fdt_cells(&fdt, "reg", 0, 0x10000000, 0, 0x1000);
	fdt_end(&fdt);
	fdt_begin(&fdt, ENGINE_NODE);
	fdt_text(&fdt, "compatible", "test,engine");
	fdt_cells(&fdt, "reg", 0, ENGINE_BASE, 0, 0x1000);
	fdt_cells(&fdt, "interrupts", ENGINE_LINE);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* The program's own place in memory. */
static int find_base(struct dl_phdr_info *info, size_t size, void *base)
{
	(void)size;
	*(uintptr_t *)base = info->dlpi_addr;
	return 1;
}

/* The line of the corpus that a stack came by; 0: none. */
static unsigned int line_of(const struct berth_check_place *place)
{
	char command[200], text[400], *found;
	unsigned int line = 0;
	uintptr_t base = 0;

	dl_iterate_phdr(find_base, &base);
	for (unsigned int i = 0; !line && i < place->nr; i++) {
		FILE *pipe;

		snprintf(command, sizeof(command), "addr2line -i -e /proc/%d/exe %#lx",
			 (int)getpid(), (unsigned long)(place->frame[i] - base - 1));
		pipe = popen(command, "r");
		assert_non_null(pipe);
		while (fgets(text, sizeof(text), pipe))
			if (!line && (found = strstr(text, "check/corpus-")))
				line = (unsigned int)strtoul(strchr(found, ':') + 1, NULL, 10);
		pclose(pipe);
	}
	return line;
}

/* Where the source says BUG in a driver: the line, and which rule; 0: nowhere. */
static unsigned int bug_of(const struct mistake *mistake, char *rule)
{
	char text[300], head[100], path[400];
	FILE *file;
	unsigned int line = 0, found = 0;
	bool is_inside = false;
	char *mark;

	snprintf(path, sizeof(path), FOLDER "/%s", mistake->file);
	file = fopen(path, "r");
	assert_non_null(file);
	snprintf(head, sizeof(head), "static void %s(", mistake->name);
	while (fgets(text, sizeof(text), file)) {
		line++;
		if (!strncmp(text, "static void ", 12))
			is_inside = !strncmp(text, head, strlen(head));
		mark = is_inside ? strstr(text, "/* BUG ") : NULL;
		if (mark && sscanf(mark, "/* BUG %40s", rule) == 1)
			found = line;
	}
	fclose(file);
	return found;
}

static void *memory;
static struct berth_check_report reports[8];
static unsigned int nr_reports;

static void keep(const struct berth_check_report *report, void *data)
{
	(void)data;
	if (nr_reports < 8)
		reports[nr_reports++] = *report;
}

static sigjmp_buf crash;
static bool has_crashed;

static void crashed(int signal)
{
	has_crashed = true;
	siglongjmp(crash, signal);
}

/* A driver that uses memory that it was not given crashes, after it was told of. */
static void run_driver(const struct mistake *mistake, const struct rig *rig, bool is_mended)
{
	const struct sigaction action = { .sa_handler = crashed };
	struct sigaction before;

	sigaction(SIGSEGV, &action, &before);
	if (!sigsetjmp(crash, 1))
		mistake->driver(rig, is_mended);
	sigaction(SIGSEGV, &before, NULL);
}

static struct device *bound, *engine;
static unsigned char __iomem *regs;

static void returned(int ret)
{
	berth_check_returned(bound, ret);
}

static struct rig make_rig(void **to_free)
{
	return (struct rig){
		.dev = bound,
		.device_reads = device_reads,
		.device_writes = device_writes,
		.free_ring = free_ring,
		.seen = &seen,
		.to_free = to_free,
		.fail_nth = berth_check_fail_map_nth,
		.returned = returned,
		.other = &other,
		.engine = engine,
		.regs = regs,
		.irq = ENGINE_LINE,
	};
}

struct play {
	const struct mistake *mistake;
	bool is_mended;
};

static int bind(struct platform_device *pdev)
{
	bound = &pdev->dev;
	return dma_set_mask_and_coherent(bound, DMA_BIT_MASK(40));
}

static const struct of_device_id player_ids[] = { { .compatible = "test,player" }, {} };
static const struct platform_driver player_driver = {
	.probe = bind,
	.driver = { .name = "player", .of_match_table = player_ids },
};
static int bind_engine(struct platform_device *pdev)
{
	engine = &pdev->dev;
	return dma_set_mask_and_coherent(engine, DMA_BIT_MASK(32));
}

static const struct of_device_id engine_ids[] = { { .compatible = "test,engine" }, {} };
static const struct platform_driver engine_driver = {
	.probe = bind_engine,
	.driver = { .name = "engine", .of_match_table = engine_ids },
};
static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&player_driver),
					       BERTH_PLATFORM_DRIVER(&engine_driver),
					       BERTH_NO_MORE_DRIVERS };

static int play_driver(void *data)
{
	const struct play *play = data;
	void *to_free = NULL;
	struct rig rig = make_rig(&to_free);

	player = model_find("/player@10000000");
	memset(&other, 0, sizeof(other));
	assert_int_equal(device_register(&other, "other"), 0);
	rig.regs = regs = ioremap(ENGINE_BASE, 0x1000);
	assert_non_null(regs);
	run_driver(play->mistake, &rig, play->is_mended);
	iounmap(regs);
	device_unregister(&other);
	if (to_free)
		device_unregister(bound);
	kfree(to_free);
	return 0;
}

static void fit(const struct mistake *mistake, struct berth_check_machine *machine)
{
	if (mistake->line_size)
		machine->line_size = mistake->line_size;
	if (mistake->machines & MADE_DIRECT)
		machine->has_iommu = machine->bounces = false;
}

/* Whether the mistake does harm on the machine of a seed. */
static bool is_harmful(const struct mistake *mistake, unsigned int seed)
{
	struct berth_check_machine machine;

	berth_check_machine(seed, &machine);
	fit(mistake, &machine);
	if (mistake->machines & ON_DIRECT && (machine.has_iommu || machine.bounces))
		return false;
	if (mistake->machines & ON_FILLED && machine.no_fresh_pattern)
		return false;
	return !(mistake->machines & ON_NONCOHERENT && machine.is_coherent);
}

/* On the machine of a seed. What a mistake leaves behind is no news. */
static void play(const struct mistake *mistake, bool is_mended, unsigned int seed)
{
	static const struct model_device_type *const types[] = { &player_type, &engine_type, NULL };
	struct play what = { mistake, is_mended };
	const struct berth_check_run run = {
		.board = tree(!strcmp(mistake->file, "corpus-address.c")),
		.drivers = drivers,
		.devices = types,
		.test = play_driver,
		.data = &what,
		.on_report = keep,
		.check_memory = MEMORY,
		.has_raw = !strcmp(mistake->file, "corpus-raw.c"),
		.is_hostile = mistake->machines & MADE_HOSTILE,
	};
	struct berth_check_machine machine;
	struct berth_check_outcome outcome;

	nr_reports = 0;
	berth_check_machine(seed, &machine);
	fit(mistake, &machine);
	assert_int_equal(berth_check_run(&run, &machine, &outcome), 0);
}

/* What Linux's dma-debug tells of a mistake, as bench/peers/dma-debug has recorded it. */
static const char *of_dma_debug(const struct mistake *mistake)
{
	static char answer[8];
	char text[200], name[100], of_twin[8];
	FILE *file = fopen(FOLDER "/dma-debug.txt", "r");
	const char *found = "?";

	assert_non_null(file);
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "%*u %99s %7s %7s", name, answer, of_twin) == 3 &&
		    !strcmp(name, mistake->name)) {
			found = strcmp(of_twin, "no") ? "twin, too" : answer;
			break;
		}
	fclose(file);
	return found;
}

static unsigned int nr_problems;

__attribute__((format(printf, 2, 3))) static void problem(const struct mistake *mistake,
							  const char *format, ...)
{
	va_list args;

	nr_problems++;
	printf("# %s: ", mistake->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* Return: whether it was found, as what it is. */
static bool find(const struct mistake *mistake, unsigned int seed, unsigned int line,
		 const char *rule, bool is_first)
{
	unsigned int at;

	play(mistake, false, seed);
	/* Without the chance it may have crashed unseen. */
	if (mistake->machines & BY_CHANCE &&
	    (!nr_reports || strcmp(berth_check_rule_id(reports[0].rule), rule)))
		return false;
	if (!nr_reports)
		return false;
	if (strcmp(berth_check_rule_id(reports[0].rule), rule)) {
		problem(mistake, "%s, not %s, with seed %u", berth_check_rule_id(reports[0].rule),
			rule, seed);
		return false;
	}
	if (!is_first)
		return true;
	at = line_of(reports[0].touched.nr && reports[0].rule != BERTH_CHECK_LEAK
			     ? &reports[0].touched
			     : &reports[0].mapped);
	if (at != line)
		problem(mistake, "line %u, not %u", at, line);
	return true;
}

static void look_at(const struct mistake *mistake)
{
	char rule[50] = "nothing";
	const unsigned int line = bug_of(mistake, rule);
	const bool by_chance = mistake->machines & BY_CHANCE,
		   is_unseen = mistake->machines & UNSEEN;
	unsigned int found = 0, of = 0;

	assert_int_equal(line != 0, mistake->bug_class != 0);
	for (unsigned int seed = 1; seed <= SEEDS; seed++) {
		play(mistake, true, seed);
		if (nr_reports)
			problem(mistake, "%s of the twin, line %u, with seed %u",
				berth_check_rule_id(reports[0].rule), line_of(&reports[0].touched),
				seed);
		if (!line || !is_harmful(mistake, seed))
			continue;
		of++;
		found += find(mistake, seed, line, rule, !found);
	}
	if (!line)
		return;
	printf("# %5u  %-28s %-20s %2u of %u  %s%s\n", mistake->bug_class, mistake->name, rule,
	       found, SEEDS, of_dma_debug(mistake),
	       is_unseen ? ", not shown by this compiler" : "");
	if (is_unseen) {
		if (found)
			problem(mistake, "found, though this compiler does not show it");
		return;
	}
	if (by_chance ? !found : found < of || !of)
		problem(mistake, "not found with every seed");
}

static void every_mistake(void **state)
{
	(void)state;
	nr_problems = 0;
	printf("# class  driver                       rule                 berth     dma-debug\n");
	FOREACH_MISTAKE(mistake)
	look_at(mistake);
	assert_int_equal(nr_problems, 0);
}

/* Its twin, with the nth piece of the checker's memory missing, or all from there on. Return: whether it came to that. */
static bool play_short(const struct mistake *mistake, uint64_t nth, bool and_after)
{
	has_crashed = false;
	check_fail_nth(nth, and_after);
	play(mistake, true, (unsigned int)(nth % SEEDS) + 1);
	check_fail_nth(0, false);
	if (has_crashed)
		problem(mistake, "the twin crashes without piece %u", (unsigned int)nth);
	if (nr_reports)
		problem(mistake, "%s of the twin, line %u, without piece %u%s",
			berth_check_rule_id(reports[0].rule), line_of(&reports[0].touched),
			(unsigned int)nth, and_after ? " and what follows" : "");
	return berth_check_is_short();
}

/* Then less is found, and nothing is said of what is right. Who takes many pieces is not played without each. */
static void twins_with_too_little_memory(void **state)
{
	unsigned int nr = 0;

	(void)state;
	nr_problems = 0;
	FOREACH_MISTAKE(mistake)
	for (unsigned int and_after = 0; and_after < 2; and_after++)
		for (uint64_t nth = 1; play_short(mistake, nth, and_after); nth += 1 + nth / 16)
			nr++;
	printf("# %u runs\n", nr);
	assert_int_equal(nr_problems, 0);
}

/* Once for the same two places, with a count; not at all if it is not wanted. */
static bool is_unwanted(const struct berth_check_report *report, void *data)
{
	(void)data;
	return report->rule == BERTH_CHECK_CPU_READ;
}

static int count(const struct berth_check_report *report, void *data)
{
	*(uint64_t *)data += report->count;
	return 0;
}

static void told_once(void **state)
{
	const struct berth_check_options check = { .memory = memory,
						   .size = MEMORY,
						   .on_report = keep };
	struct berth_check_options quiet = check, small = check;
	const struct berth_options options = { .machine = &berth_model };
	void *to_free = NULL;
	struct rig rig;
	uint64_t total = 0;
	char text[200];

	(void)state;
	small.size = 1000;
	assert_int_equal(berth_check_start(&small), -EINVAL);
	quiet.is_suppressed = is_unwanted;
	for (unsigned int i = 0; i < 2; i++) {
		nr_reports = 0;
		assert_int_equal(berth_check_start(i ? &quiet : &check), 0);
		assert_int_equal(berth_check_start(&check), -EBUSY);
		assert_int_equal(berth_start(tree(false), NULL, &options), 0);
		player = model_find("/player@10000000");
		memset(&dev, 0, sizeof(dev));
		assert_int_equal(device_register(&dev, "player@10000000"), 0);
		bound = &dev;
		rig = make_rig(&to_free);
		/* One place, not ten: no copies of the loop's body. */
		for (volatile unsigned int n = 0; n < 10; n++)
			corpus_streaming[0].driver(&rig, false);
		device_unregister(&dev);
		assert_int_equal(berth_stop(), 0);
		assert_int_equal(nr_reports, !i);
		assert_int_equal(berth_check_count(), !i);
		berth_check_each(count, &total);
		assert_int_equal(berth_check_stop(), !i);
	}
	assert_int_equal(total, 10);
	berth_check_text(&reports[0], text, sizeof(text));
	assert_string_equal(
		text, "cpu-read: reads what a device may be writing: 1 byte at offset 17 of a "
		      "buffer of 256, of player@10000000");
	assert_non_null(reports[0].breaks_on);
}

static void is_the_checked_library(void **state)
{
	(void)state;
	assert_true(berth_is_checked());
	assert_int_equal(berth_start_abi(tree(false), NULL, NULL, BERTH_ABI), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ABI);
}

/* For the table beside another checker: what it tells of each mistake and of its twin. */
static int list(void)
{
	FOREACH_MISTAKE(mistake)
	{
		unsigned int nr;

		play(mistake, false, 1);
		nr = nr_reports;
		play(mistake, true, 1);
		printf("%u %s %s %s\n", mistake->bug_class, mistake->name, nr ? "yes" : "no",
		       nr_reports ? "yes" : "no");
	}
	return 0;
}

/* One driver on the machine of one seed, with all that is told. */
static int one(const char *name, bool is_mended, unsigned int seed)
{
	struct berth_check_machine machine;
	char text[400];

	berth_check_machine(seed, &machine);
	berth_check_machine_text(&machine, text, sizeof(text));
	puts(text);
	FOREACH_MISTAKE(mistake)
	{
		if (strcmp(mistake->name, name))
			continue;
		play(mistake, is_mended, seed);
		for (unsigned int i = 0; i < nr_reports; i++) {
			berth_check_text(&reports[i], text, sizeof(text));
			printf("line %u, mapped at %u: %s\n", line_of(&reports[i].touched),
			       line_of(&reports[i].mapped), text);
		}
	}
	return nr_reports != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake),
		cmocka_unit_test(twins_with_too_little_memory),
		cmocka_unit_test(told_once),
		cmocka_unit_test(is_the_checked_library),
	};

	memory = malloc(MEMORY);
	if (memory && argc > 1 && !strcmp(argv[1], "--list"))
		return list();
	/* Those tests only. */
	if (argc == 2)
		cmocka_set_test_filter(argv[1]);
	/* test_corpus NAME mistake|twin SEED */
	if (memory && argc == 4)
		return one(argv[1], !strcmp(argv[2], "twin"), (unsigned int)atoi(argv[3]));
	return memory ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
