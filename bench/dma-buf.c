// SPDX-License-Identifier: BSD-2-Clause
/*
 * Shared buffers: what it costs to hand one from device to device, beside the copy that it saves, and how long a
 * fence takes to wake who waits for it, beside a futex.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#include <berth/dma-fence.h>
#include <berth/dma-heap.h>
#include <berth/dma-mapping.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "model/model.h"

#define FRAME (1280ul * 720 * 3 / 2)

static struct device dev;
static struct dma_buf *dmabuf;
static struct dma_buf_attachment *attach;
static struct sg_table table;
static uint8_t *source, *target;

static struct dma_buf *new_buffer(size_t size)
{
	struct dma_buf *fresh =
		dma_heap_buffer_alloc(dma_heap_find("system"), size, BERTH_O_RDWR, 0);

	bench_must(!IS_ERR(fresh), "dma_heap_buffer_alloc");
	return fresh;
}

static struct dma_buf_attachment *must_attach(struct dma_buf *to, struct device *who)
{
	struct dma_buf_attachment *fresh = dma_buf_attach(to, who);

	bench_must(!IS_ERR(fresh), "dma_buf_attach");
	return fresh;
}

static struct sg_table *must_map(struct dma_buf_attachment *of, enum dma_data_direction dir)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(of, dir);

	bench_must(!IS_ERR(sgt), "dma_buf_map_attachment");
	return sgt;
}

static void map_unmap(unsigned long size, uint64_t iterations)
{
	(void)size;
	for (uint64_t i = 0; i < iterations; i++)
		dma_buf_unmap_attachment_unlocked(attach, must_map(attach, DMA_BIDIRECTIONAL),
						  DMA_BIDIRECTIONAL);
}

static void attach_detach(unsigned long size, uint64_t iterations)
{
	(void)size;
	for (uint64_t i = 0; i < iterations; i++) {
		struct dma_buf_attachment *fresh = must_attach(dmabuf, &dev);

		dma_buf_unmap_attachment_unlocked(fresh, must_map(fresh, DMA_BIDIRECTIONAL),
						  DMA_BIDIRECTIONAL);
		dma_buf_detach(dmabuf, fresh);
	}
}

/* The same entries, mapped by hand. */
static void map_sg(unsigned long size, uint64_t iterations)
{
	(void)size;
	for (uint64_t i = 0; i < iterations; i++) {
		bench_must(!dma_map_sgtable(&dev, &table, DMA_BIDIRECTIONAL, 0), "dma_map_sgtable");
		dma_unmap_sgtable(&dev, &table, DMA_BIDIRECTIONAL, 0);
	}
}

static void copy(unsigned long size, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		memcpy(target, source, size);
		bench_use(target);
	}
}

static void start(unsigned long size)
{
	static struct berth_machine machine;
	struct scatterlist *from, *to;
	struct sg_table *sgt;
	unsigned int i;

	machine = berth_model;
	machine.fresh = NULL;
	bench_start_machine(&machine);
	memset(&dev, 0, sizeof(dev));
	bench_must(!device_register(&dev, "bench"), "device_register");
	bench_must(!dma_set_max_seg_size(&dev, 1u << 30), "dma_set_max_seg_size");
	dmabuf = new_buffer(size);
	attach = must_attach(dmabuf, &dev);
	sgt = must_map(attach, DMA_BIDIRECTIONAL);
	bench_must(!sg_alloc_table(&table, sgt->orig_nents, GFP_KERNEL), "sg_alloc_table");
	to = table.sgl;
	for_each_sgtable_sg(sgt, from, i) {
		sg_set_page(to, sg_page(from), from->length, from->offset);
		to = sg_next(to);
	}
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	source = aligned_alloc(4096, size);
	target = aligned_alloc(4096, size);
	bench_must(source && target, "aligned_alloc");
	memset(source, 2, size);
	memset(target, 3, size);
}

static void stop(void)
{
	sg_free_table(&table);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	free(source);
	free(target);
	device_unregister(&dev);
	bench_stop_machine();
}

/* Frames: a camera that writes, a decoder that reads and writes, a display that reads. */

static struct model_device *engine;
static uint8_t *inside; /* the devices' own memory */
static struct dma_buf *frames[4];
static struct dma_buf_attachment *seats[4];
static struct iosys_map views[4];

/* What the device of the model sees is what berth's device is told, shifted by its window. */
static void transfer(const struct sg_table *sgt, bool writes)
{
	struct scatterlist *sg;
	size_t at = 0;
	unsigned int i;

	model_lock();
	for_each_sgtable_dma_sg(sgt, sg, i) {
		uint64_t bus = sg_dma_address(sg) - engine->windows[0].cpu + engine->windows[0].bus;

		bench_must(!(writes ? model_dma_write(engine, bus, inside + at, sg_dma_len(sg))
				    : model_dma_read(engine, bus, inside + at, sg_dma_len(sg))),
			   "model_dma");
		at += sg_dma_len(sg);
	}
	model_unlock();
}

static void stage(unsigned int which, enum dma_data_direction dir)
{
	struct sg_table *sgt = must_map(seats[which], dir);

	transfer(sgt, dir == DMA_FROM_DEVICE);
	dma_buf_unmap_attachment_unlocked(seats[which], sgt, dir);
}

static void hand_on(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		stage(0, DMA_FROM_DEVICE);
		stage(0, DMA_TO_DEVICE);
		stage(1, DMA_FROM_DEVICE);
		stage(1, DMA_TO_DEVICE);
	}
}

static void copy_frame(unsigned int from, unsigned int to)
{
	bench_must(!dma_buf_begin_cpu_access(frames[from], DMA_FROM_DEVICE), "begin_cpu_access");
	bench_must(!dma_buf_begin_cpu_access(frames[to], DMA_TO_DEVICE), "begin_cpu_access");
	memcpy(views[to].vaddr, views[from].vaddr, FRAME);
	dma_buf_end_cpu_access(frames[to], DMA_TO_DEVICE);
	dma_buf_end_cpu_access(frames[from], DMA_FROM_DEVICE);
}

static void copy_on(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		stage(0, DMA_FROM_DEVICE);
		copy_frame(0, 2);
		stage(2, DMA_TO_DEVICE);
		stage(1, DMA_FROM_DEVICE);
		copy_frame(1, 3);
		stage(3, DMA_TO_DEVICE);
	}
}

/* Devices without transfers: what the CPU has to do for a frame. */
static void stage_only(unsigned int which, enum dma_data_direction dir)
{
	dma_buf_unmap_attachment_unlocked(seats[which], must_map(seats[which], dir), dir);
}

static void hand_on_cpu(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		stage_only(0, DMA_FROM_DEVICE);
		stage_only(0, DMA_TO_DEVICE);
		stage_only(1, DMA_FROM_DEVICE);
		stage_only(1, DMA_TO_DEVICE);
	}
}

static void copy_on_cpu(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		stage_only(0, DMA_FROM_DEVICE);
		copy_frame(0, 2);
		stage_only(2, DMA_TO_DEVICE);
		stage_only(1, DMA_FROM_DEVICE);
		copy_frame(1, 3);
		stage_only(3, DMA_TO_DEVICE);
	}
}

static void start_frames(unsigned long arg)
{
	(void)arg;
	start(FRAME);
	berth_device_set_coherent(&dev, false);
	engine = model_find("/media-bus@10000000/camera@1000");
	bench_must(engine, "camera");
	inside = calloc(1, PAGE_ALIGN(FRAME));
	bench_must(inside, "calloc");
	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
		frames[i] = new_buffer(FRAME);
		seats[i] = must_attach(frames[i], &dev);
		bench_must(!dma_buf_vmap_unlocked(frames[i], &views[i]), "dma_buf_vmap");
	}
}

static void stop_frames(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
		dma_buf_vunmap_unlocked(frames[i], &views[i]);
		dma_buf_detach(frames[i], seats[i]);
		dma_buf_put(frames[i]);
	}
	free(inside);
	stop();
}

/* Waking: two threads, of which each waits for the other. */

#define TURNS 400u
#define WAKE_ROUNDS 61

static struct dma_fence *fences[2 * TURNS];
static uint32_t words[2 * TURNS];
static spinlock_t fence_lock;

static double wall(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static const char *fence_name(struct dma_fence *fence)
{
	(void)fence;
	return "bench";
}

static const struct dma_fence_ops fence_ops = { .get_driver_name = fence_name,
						.get_timeline_name = fence_name };

static void wait_fence(unsigned int i)
{
	bench_must(dma_fence_wait_timeout(fences[i], false, MAX_SCHEDULE_TIMEOUT) > 0,
		   "dma_fence_wait");
}

static void signal_fence(unsigned int i)
{
	bench_must(!dma_fence_signal(fences[i]), "dma_fence_signal");
}

static void wait_word(unsigned int i)
{
	while (!__atomic_load_n(&words[i], __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &words[i], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void signal_word(unsigned int i)
{
	__atomic_store_n(&words[i], 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &words[i], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static const struct way {
	void (*wait)(unsigned int i);
	void (*signal)(unsigned int i);
} by_fence = { wait_fence, signal_fence }, by_futex = { wait_word, signal_word };

static pthread_barrier_t barrier;

static void *answer(void *data)
{
	const struct way *way = data;

	ktime_get_ns(); /* berth knows of the thread before anybody waits for it */
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < TURNS; i++) {
		way->wait(2 * i);
		way->signal(2 * i + 1);
	}
	return NULL;
}

/* ns of a signal and the waking up. */
static double take_turns(const struct way *way)
{
	pthread_t other;
	double begin = 0;

	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned int i = 0; i < 2 * TURNS; i++) {
		words[i] = 0;
		fences[i] = kzalloc(sizeof(*fences[i]), GFP_KERNEL);
		bench_must(fences[i], "kzalloc");
		dma_fence_init(fences[i], &fence_ops, &fence_lock, dma_fence_context_alloc(1), 1);
	}
	bench_must(!pthread_create(&other, NULL, answer, (void *)way), "pthread_create");
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < TURNS; i++) {
		if (i == TURNS / 8) /* behind the start of the thread */
			begin = wall();
		way->signal(2 * i);
		way->wait(2 * i + 1);
	}
	begin = wall() - begin;
	pthread_join(other, NULL);
	pthread_barrier_destroy(&barrier);
	for (unsigned int i = 0; i < 2 * TURNS; i++)
		dma_fence_put(fences[i]);
	return begin / (2 * (TURNS - TURNS / 8));
}

static int compare(const void *a, const void *b)
{
	return bench_compare(a, b);
}

static void measure_wake(void)
{
	double ns[WAKE_ROUNDS], other[WAKE_ROUNDS], ratio[WAKE_ROUNDS];

	bench_start_machine(&berth_model);
	for (unsigned int i = 0; i < WAKE_ROUNDS; i++) {
		ns[i] = take_turns(&by_fence);
		other[i] = take_turns(&by_futex);
		ratio[i] = ns[i] / other[i];
	}
	qsort(ns, WAKE_ROUNDS, sizeof(*ns), compare);
	qsort(other, WAKE_ROUNDS, sizeof(*other), compare);
	qsort(ratio, WAKE_ROUNDS, sizeof(*ratio), compare);
	printf("{\"case\": \"dma_fence_wake\", \"ns\": %.2f, \"operations\": %u, \"per\": 1, \"count\": 0, "
	       "\"clock\": 0, \"against\": \"futex\", \"against_ns\": %.2f, \"ratio\": %.3f}\n",
	       ns[WAKE_ROUNDS / 2], 2 * TURNS, other[WAKE_ROUNDS / 2], ratio[WAKE_ROUNDS / 2]);
	fflush(stdout);
	bench_stop_machine();
}

#define ALONE .start = start, .stop = stop
#define FRAMES .start = start_frames, .stop = stop_frames

static const struct bench_case cases[] = {
	{ "dma_buf_attach_map_64k", attach_detach, copy, .arg = 65536, ALONE },
	{ "dma_buf_attach_map_2m", attach_detach, copy, .arg = 2ul << 20, ALONE },
	{ "dma_buf_map_64k_pair", map_unmap, map_sg, "sgtable", .arg = 65536, ALONE },
	{ "dma_buf_map_2m_pair", map_unmap, map_sg, "sgtable", .arg = 2ul << 20, ALONE },
	{ "dma_buf_frame_720p", hand_on, copy_on, "copies", .count = 10, FRAMES },
	{ "dma_buf_frame_720p_cpu", hand_on_cpu, copy_on_cpu, "copies", .count = 100, FRAMES },
};

int main(int argc, char **argv)
{
	bool is_counting = false;
	const char *wanted = NULL;

	for (int i = 1; i + 1 < argc; i += 2) {
		is_counting |= !strcmp(argv[i], "--iterations");
		wanted = strcmp(argv[i], "--case") ? wanted : argv[i + 1];
	}
	if (!is_counting && (!wanted || !strcmp(wanted, "dma_fence_wake")))
		measure_wake();
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
