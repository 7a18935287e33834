// SPDX-License-Identifier: BSD-2-Clause
/* What the emulator is started with. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu/process.h"

#define MAX_OWN 48

struct list {
	char **argv;
	size_t nr;
	bool has_failed;
};

static void __attribute__((format(printf, 2, 3))) add(struct list *list, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		list->has_failed = true;
	else
		list->argv[list->nr++] = text;
	va_end(args);
}

/*
 * The CPUs are off. With sleep=off QEMU's clock jumps to the next thing that is to happen as long as
 * no CPU runs: a device that takes its time takes none of ours. Without its log, or qtest would
 * print every access.
 */
static void add_own(struct list *list, const struct berth_qemu_config *config, uint64_t ram_size)
{
	static const char *const fixed[] = {
		"-accel",      "tcg",
		"-icount",     "shift=0,sleep=off",
		"-qtest",      "chardev:qtest",
		"-qtest-log",  "/dev/null",
		"-mon",	       "chardev=berth-monitor,mode=control",
		"-display",    "none",
		"-nodefaults", "-no-user-config",
	};
	const struct qemu_kind *kind = berth_qemu_kind(config->machine);

	add(list, "%s", config->program ? config->program : kind->program);
	add(list, "-machine");
	add(list, "%s,memory-backend=berth-ram",
	    config->machine ? config->machine : "virt,dtb-randomness=off");
	add(list, "-cpu");
	add(list, "%s,start-powered-off=on", config->cpu ? config->cpu : kind->cpu);
	add(list, "-m");
	add(list, "%lluM", (unsigned long long)ram_size >> 20);
	add(list, "-object");
	add(list, "memory-backend-file,id=berth-ram,size=%llu,mem-path=/proc/self/fd/%d,share=on",
	    (unsigned long long)ram_size, QEMU_FD_RAM);
	if (kind->sound) {
		add(list, "-audiodev");
		add(list, "%s", kind->sound);
	}
	/* qtest looks for a character device of its own name. */
	add(list, "-chardev");
	add(list, "socket,id=qtest,fd=%d", QEMU_FD_QTEST);
	add(list, "-chardev");
	add(list, "socket,id=berth-monitor,fd=%d", QEMU_FD_MONITOR);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		add(list, "%s", fixed[i]);
}

char **berth_qemu_arguments(const struct berth_qemu_config *config, uint64_t ram_size)
{
	struct list list = { 0 };
	size_t nr = 0;

	while (config->arguments && config->arguments[nr])
		nr++;
	list.argv = calloc(MAX_OWN + nr + 1, sizeof(*list.argv));
	if (!list.argv)
		return NULL;
	add_own(&list, config, ram_size);
	for (size_t i = 0; i < nr; i++)
		add(&list, "%s", config->arguments[i]);
	if (!list.has_failed)
		return list.argv;
	berth_qemu_free_arguments(list.argv);
	return NULL;
}

void berth_qemu_free_arguments(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
