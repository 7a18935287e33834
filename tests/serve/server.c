// SPDX-License-Identifier: BSD-2-Clause
/*
 * server NAME [CONNECTIONS [dsp]]: nodes for programs of other processes, on the model, driven by lines on standard
 * input. With "dsp", those of tests/trees/dsp.dts only; else:
 *
 * uio0: two maps and an interrupt. Map 0 is coherent memory, allocated with the first open; map 1 is always there.
 * A program that writes 1 gets an event; 2 lets the "device" add the words of map 0 up to the first 0, into the first word
 * of map 1, and then an event; 3 is an error; from 100 on, so many events. 0 does nothing.
 * uio1: has no irqcontrol. slow: its open() and its ioctl() take half a second. box/data: what was written is read, in
 * the order of the bytes; ioctl BOX_SWAP exchanges two words, BOX_NUMBER returns its argument. Heaps and sw_sync.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>

#include <berth/berth.h>
#include <berth/dma-heap.h>
#include <berth/dma-mapping.h>
#include <berth/fs.h>
#include <berth/mm.h>
#include <berth/model.h>
#include <berth/mutex.h>
#include <berth/serve.h>
#include <berth/slab.h>
#include <berth/sw_sync.h>
#include <berth/uio.h>

#include <berth/drivers/uio.h>

#include "trees.h"

#define MAP_SIZE (2 * PAGE_SIZE)
#define BOX_SIZE 64u
#define BOX_SWAP 0xc0084201u /* _IOWR('B', 1, struct { int32_t a, b; }) */
#define BOX_NUMBER 0x4202u /* _IO('B', 2) */

static struct device dev;
static struct uio_info uio[2];
static uint32_t opens, allocations;
static bool is_registered, is_gone;

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_uio_dmem_genirq_driver),
	BERTH_NO_MORE_DRIVERS,
};

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "server: %s: %d (%s)\n", what, err, berth_last_error()->subject);
	exit(1);
}

static int open_dynamic(struct uio_info *info, struct inode *inode)
{
	dma_addr_t addr;
	void *virt;

	(void)inode;
	if (opens++)
		return 0;
	virt = dma_alloc_coherent(&dev, MAP_SIZE, &addr, GFP_KERNEL);
	if (!virt) {
		opens--;
		return -ENOMEM;
	}
	allocations++;
	info->mem[0].dma_addr = addr;
	info->mem[0].internal_addr = virt;
	return 0;
}

static int release_dynamic(struct uio_info *info, struct inode *inode)
{
	(void)inode;
	if (--opens)
		return 0;
	dma_free_coherent(&dev, MAP_SIZE, (void *)info->mem[0].internal_addr,
			  info->mem[0].dma_addr);
	info->mem[0].dma_addr = ~(dma_addr_t)0;
	info->mem[0].internal_addr = NULL;
	return 0;
}

/* Programs that had it open have let go. */
static void free_dynamic(struct uio_info *info)
{
	if (opens)
		dma_free_coherent(&dev, MAP_SIZE, (void *)info->mem[0].internal_addr,
				  info->mem[0].dma_addr);
	opens = 0;
	info->mem[0].dma_addr = ~(dma_addr_t)0;
	info->mem[0].internal_addr = NULL;
	__atomic_store_n(&is_gone, true, __ATOMIC_RELEASE);
}

static void add_up(struct uio_info *info)
{
	volatile uint32_t *words = (void *)info->mem[0].internal_addr;
	volatile uint32_t *sum = info->priv;
	uint32_t total = 0;

	for (unsigned int i = 0; i < MAP_SIZE / sizeof(*words) && words[i]; i++)
		total += words[i];
	*sum = total;
}

static int control(struct uio_info *info, int32_t value)
{
	if (value == 3)
		return -EIO;
	if (value == 2)
		add_up(info);
	for (int32_t i = value >= 100 ? value : value > 0; i; i--)
		uio_event_notify(info);
	return 0;
}

static void register_uio(void)
{
	must(uio_register_device(&dev, &uio[0]), "uio0");
	is_registered = true;
}

static void make_uio(void)
{
	void *page = (void *)get_zeroed_page(GFP_KERNEL);

	must(!page, "a page");
	uio[0] = (struct uio_info){
		.name = "adder",
		.version = "1.0",
		.irq = UIO_IRQ_CUSTOM,
		.open = open_dynamic,
		.release = release_dynamic,
		.irqcontrol = control,
		.gone = free_dynamic,
		.priv = page,
	};
	uio[0].mem[0] = (struct uio_mem){
		.name = "data",
		.size = MAP_SIZE,
		.memtype = UIO_MEM_DMA_COHERENT,
		.dma_addr = ~(dma_addr_t)0,
		.dma_device = &dev,
	};
	uio[0].mem[1] = (struct uio_mem){
		.name = "sum",
		.addr = virt_to_phys(page),
		.size = PAGE_SIZE,
		.memtype = UIO_MEM_LOGICAL,
	};
	uio[1] = (struct uio_info){ .name = "mute", .version = "2", .irq = UIO_IRQ_CUSTOM };
	register_uio();
	must(uio_register_device(&dev, &uio[1]), "uio1");
}

static int open_slow(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	usleep(500000);
	return 0;
}

static long control_slow(struct file *file, unsigned int request, unsigned long arg)
{
	(void)file;
	(void)arg;
	usleep(500000);
	return request == 1 ? 7 : -ENOTTY;
}

/* Bytes that wait to be read. */
static struct {
	struct mutex lock;
	struct wait_queue_head queue;
	uint8_t bytes[BOX_SIZE];
	size_t nr;
} box;

static long read_box(struct file *file, char *to, size_t count, berth_loff_t *pos)
{
	size_t nr;

	(void)file;
	(void)pos;
	mutex_lock(&box.lock);
	nr = count < box.nr ? count : box.nr;
	memcpy(to, box.bytes, nr);
	box.nr -= nr;
	memmove(box.bytes, box.bytes + nr, box.nr);
	mutex_unlock(&box.lock);
	if (nr)
		wake_up(&box.queue);
	return nr || !count ? (long)nr : -EAGAIN;
}

static long write_box(struct file *file, const char *from, size_t count, berth_loff_t *pos)
{
	size_t nr;

	(void)file;
	(void)pos;
	mutex_lock(&box.lock);
	nr = count < BOX_SIZE - box.nr ? count : BOX_SIZE - box.nr;
	memcpy(box.bytes + box.nr, from, nr);
	box.nr += nr;
	mutex_unlock(&box.lock);
	if (nr)
		wake_up(&box.queue);
	return nr || !count ? (long)nr : -EAGAIN;
}

static unsigned int poll_box(struct file *file, struct poll_table_struct *table)
{
	unsigned int events;

	poll_wait(file, &box.queue, table);
	mutex_lock(&box.lock);
	events = (box.nr ? BERTH_POLLIN : 0) | (box.nr < BOX_SIZE ? BERTH_POLLOUT : 0);
	mutex_unlock(&box.lock);
	return events;
}

static long control_box(struct file *file, unsigned int request, unsigned long arg)
{
	int32_t pair[2], first;

	(void)file;
	if (request == BOX_NUMBER)
		return (long)arg;
	if (request != BOX_SWAP)
		return -ENOTTY;
	memcpy(pair, (void *)arg, sizeof(pair));
	first = pair[0];
	pair[0] = pair[1];
	pair[1] = first;
	memcpy((void *)arg, pair, sizeof(pair));
	return 0;
}

static const struct file_operations slow_ops = { .open = open_slow,
						 .unlocked_ioctl = control_slow };
static const struct file_operations box_ops = {
	.read = read_box,
	.write = write_box,
	.poll = poll_box,
	.unlocked_ioctl = control_box,
};

static struct miscdevice slow = { .minor = MISC_DYNAMIC_MINOR, .name = "slow", .fops = &slow_ops };
static struct miscdevice box_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "box/data",
	.fops = &box_ops,
	.mode = 0640,
};

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static void tell_stats(void)
{
	struct berth_serve_stats stats;
	struct berth_memory_info memory;

	berth_serve_stats(&stats);
	berth_memory_info(&memory);
	printf("{\"connections\": %u, \"files\": %u, \"mappings\": %u, \"refused\": %llu, \"dropped\": %llu, "
	       "\"descriptors\": %u, \"used\": %llu, \"allocations\": %u, \"opens\": %u}\n",
	       stats.connections, stats.files, stats.mappings, (unsigned long long)stats.refused,
	       (unsigned long long)stats.dropped, descriptors(),
	       (unsigned long long)(memory.used - memory.slab),
	       __atomic_load_n(&allocations, __ATOMIC_RELAXED),
	       __atomic_load_n(&opens, __ATOMIC_RELAXED));
}

static void obey(const char *line)
{
	if (!strncmp(line, "irq ", 4)) {
		for (int left = atoi(line + 4); left > 0; left--)
			uio_event_notify(&uio[0]);
	} else if (!strcmp(line, "stats\n")) {
		tell_stats();
		return;
	} else if (!strcmp(line, "gone\n") && is_registered) {
		is_gone = is_registered = false;
		uio_unregister_device(&uio[0]);
	} else if (!strcmp(line, "back\n") && !is_registered) {
		while (!__atomic_load_n(&is_gone, __ATOMIC_ACQUIRE))
			usleep(10000);
		register_uio();
	} else {
		printf("what?\n");
		return;
	}
	printf("done\n");
}

static void add_nodes(void)
{
	must(device_register(&dev, "adder@1000"), "device");
	must(dma_set_mask_and_coherent(&dev, DMA_BIT_MASK(32)), "mask");
	mutex_init(&box.lock);
	init_waitqueue_head(&box.queue);
	make_uio();
	must(misc_register(&slow), "slow");
	must(misc_register(&box_node), "box");
	must(berth_dma_heaps_offer(), "heaps");
	must(berth_sw_sync_offer(), "sw_sync");
}

static void remove_nodes(void)
{
	misc_deregister(&box_node);
	misc_deregister(&slow);
	uio_unregister_device(&uio[1]);
	if (is_registered)
		uio_unregister_device(&uio[0]);
	free_pages((unsigned long)uio[0].priv, 0);
	device_unregister(&dev);
}

int main(int argc, char **argv)
{
	struct berth_options options = { .machine = &berth_model };
	struct berth_serve_options serve = { .name = argc > 1 ? argv[1] : NULL };
	const bool is_dsp = argc > 3;
	char line[80];

	serve.connections = argc > 2 ? (unsigned int)atoi(argv[2]) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(berth_start(is_dsp ? tree_dsp : tree_minimal, drivers, &options), "start");
	if (!is_dsp)
		add_nodes();
	must(berth_serve_start(&serve), "serve");
	printf("serving at %s\n", berth_serve_name());
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n") != 0)
		obey(line);
	berth_serve_stop();
	if (!is_dsp)
		remove_nodes();
	must(berth_stop(), "stop");
	printf("stopped\n");
	return 0;
}
