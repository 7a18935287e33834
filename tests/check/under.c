// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linked into tests as they are, whose calls of berth_start_abi() and berth_stop() the linker leads here: the checker runs while berth
 * does, and a report makes the program fail.
 */
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <berth/berth.h>
#include <berth/check.h>
#include <berth/errno.h>

#define MEMORY ((size_t)256 << 20)

int __real_berth_start_abi(const void *board, const struct berth_driver *drivers,
			   const struct berth_options *options, unsigned int abi);
int __wrap_berth_start_abi(const void *board, const struct berth_driver *drivers,
			   const struct berth_options *options, unsigned int abi);
int __real_berth_stop(void);
int __wrap_berth_stop(void);

/* What the test does wrong on purpose: rules, of which each has to be reported. */
static const char *expected;
static bool is_seen[BERTH_CHECK_RULES];
static unsigned int nr_reports, nr_starts;
static bool is_on;
static void *memory;
static pid_t owner;

static int find_base(struct dl_phdr_info *info, size_t size, void *base)
{
	(void)size;
	*(uintptr_t *)base = info->dlpi_addr;
	return 1;
}

static void print_place(const char *what, const struct berth_check_place *place)
{
	char command[1000];
	uintptr_t base = 0;
	int length =
		snprintf(command, sizeof(command), "addr2line -pfsie /proc/%d/exe", (int)getpid());
	char text[300];
	FILE *pipe;

	dl_iterate_phdr(find_base, &base);
	for (unsigned int i = 0; i < place->nr && length < (int)sizeof(command) - 30; i++)
		length += snprintf(command + length, sizeof(command) - (size_t)length, " %#lx",
				   (unsigned long)(place->frame[i] - base - 1));
	pipe = place->nr ? popen(command, "r") : NULL;
	printf("#   %s:\n", what);
	while (pipe && fgets(text, sizeof(text), pipe))
		printf("#     %s", text);
	if (pipe)
		pclose(pipe);
}

static bool is_expected(const char *rule)
{
	const size_t length = strlen(rule);

	for (const char *at = expected; at && (at = strstr(at, rule)); at += length)
		if ((at == expected || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
	return false;
}

static int print(const struct berth_check_report *report, void *data)
{
	char text[300];

	(void)data;
	is_seen[report->rule] = true;
	if (is_expected(berth_check_rule_id(report->rule)))
		return 0;
	nr_reports++;
	berth_check_text(report, text, sizeof(text));
	printf("# %llu x %s\n", (unsigned long long)report->count, text);
	print_place("touched", &report->touched);
	print_place("mapped", &report->mapped);
	return 0;
}

static void stop_checking(void)
{
	unsigned int nr = is_on ? berth_check_stop() : 0;

	is_on = false;
	if (nr) {
		berth_check_each(print, NULL);
		fflush(stdout);
	}
	madvise(memory, MEMORY, MADV_DONTNEED);
}

/* They are printed at the end. */
static void quietly(const struct berth_check_report *report, void *data)
{
	(void)report, (void)data;
}

int __wrap_berth_start_abi(const void *board, const struct berth_driver *drivers,
			   const struct berth_options *options, unsigned int abi)
{
	struct berth_check_options check = { .size = MEMORY };
	bool is_mine;
	int err;

	if (!memory)
		memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check.memory = memory;
	expected = getenv("BERTH_CHECK_EXPECTED");
	check.on_report = quietly;
	is_mine = !berth_check_start(&check);
	is_on = is_on || is_mine;
	err = __real_berth_start_abi(board, drivers, options, abi);
	if (err && is_mine)
		stop_checking();
	else if (is_mine)
		nr_starts++;
	owner = getpid();
	return err;
}

int __wrap_berth_stop(void)
{
	int err = __real_berth_stop();

	if (err != -EINVAL)
		stop_checking();
	return err;
}

static void __attribute__((destructor)) judge(void)
{
	if (owner != getpid())
		return;
	stop_checking();
	for (unsigned int rule = 0; rule < BERTH_CHECK_RULES; rule++)
		if (is_expected(berth_check_rule_id((enum berth_check_rule)rule)) &&
		    !is_seen[rule]) {
			printf("# no %s is reported\n",
			       berth_check_rule_id((enum berth_check_rule)rule));
			nr_reports++;
		}
	if (nr_reports)
		printf("Bail out! %u reports of the checker that should not be, or are missing\n",
		       nr_reports);
	else if (expected)
		fprintf(stderr, "# checked: %u starts, no report\n", nr_starts);
	fflush(stdout);
	if (nr_reports)
		_exit(1);
}
