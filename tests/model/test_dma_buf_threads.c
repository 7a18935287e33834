// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads share a few buffers: they submit work to devices, whose mappings go at some time after the fence, look at
 * bytes with the CPU, and all the while buffers are attached, polled, seen, named, moved and replaced.
 */
#include "dma_buf.h"

#include <pthread.h>

#include <berth/slab.h>
#include <berth/timer.h>

#define BUFFERS 3u
#define WORKERS 3u
#define ENGINES 2u
#define ROUNDS 1000u
#define SIZE (3u * 4096u)

/* A buffer by its number. @turn: of whoever submits work on its bytes, or looks at them; they are @picture's. */
static struct share {
	pthread_mutex_t turn;
	unsigned int fd;
	unsigned int picture;
	bool is_written;
} shares[BUFFERS];

/* Work that a device has been given. */
struct job {
	struct job *next;
	struct dma_fence *fence;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	const struct station *station;
	enum dma_data_direction dir;
	unsigned int read, written;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *jobs;
	bool is_over;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static spinlock_t fence_lock;
static uint32_t wrong_line, nr_done, nr_moved, nr_refused, nr_looks;

/* Not cmocka's: it is called by any thread. One of the lines that were wrong is told. */
#define must(condition)                                                            \
	do {                                                                       \
		if (!(condition))                                                  \
			__atomic_store_n(&wrong_line, __LINE__, __ATOMIC_RELAXED); \
	} while (0)

#define count(what) __atomic_fetch_add(&(what), 1, __ATOMIC_RELAXED)

static const char *fence_name(struct dma_fence *fence)
{
	(void)fence;
	return "job";
}

static const struct dma_fence_ops fence_ops = { .get_driver_name = fence_name,
						.get_timeline_name = fence_name };

static uint32_t pick(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

/* Engines */

static void transfer(const struct job *job, bool writes, unsigned int picture)
{
	uint8_t bytes[SIZE];
	struct scatterlist *sg;
	size_t at = 0;
	unsigned int i;

	if (writes)
		cpu_writes(bytes, SIZE, picture);
	model_lock();
	for_each_sgtable_dma_sg(job->sgt, sg, i) {
		if (writes)
			must(!model_dma_write(job->station->model, sg_dma_address(sg), bytes + at,
					      sg_dma_len(sg)));
		else
			must(!model_dma_read(job->station->model, sg_dma_address(sg), bytes + at,
					     sg_dma_len(sg)));
		at += sg_dma_len(sg);
	}
	model_unlock();
	must(at == SIZE);
	if (!writes)
		must(cpu_reads(bytes, SIZE, picture) == 0);
}

static struct job *next_job(void)
{
	struct job *job;

	pthread_mutex_lock(&queue.lock);
	while (!queue.jobs && !queue.is_over)
		pthread_cond_wait(&queue.more, &queue.lock);
	job = queue.jobs;
	if (job)
		queue.jobs = job->next;
	pthread_mutex_unlock(&queue.lock);
	return job;
}

static void *engine(void *unused)
{
	struct job *job;

	while ((job = next_job())) {
		if (job->read)
			transfer(job, false, job->read);
		if (job->written)
			transfer(job, true, job->written);
		must(!dma_fence_signal(job->fence));
		dma_fence_put(job->fence);
		/* Whoever waits goes on now. */
		dma_buf_unmap_attachment_unlocked(job->attach, job->sgt, job->dir);
		dma_buf_detach(job->dmabuf, job->attach);
		dma_buf_put(job->dmabuf);
		free(job);
		count(nr_done);
	}
	return unused;
}

/* Work on bytes */

static struct dma_fence *new_fence(void)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	must(fence);
	dma_fence_init(fence, &fence_ops, &fence_lock, dma_fence_context_alloc(1), 1);
	return fence;
}

/* Mapped, and from then on with a fence. False if the buffer would have to move, and somebody holds it. */
static bool publish(struct job *job)
{
	struct dma_resv *resv = job->dmabuf->resv;
	uint64_t moves;

	must(dma_resv_wait_timeout(resv, dma_resv_usage_rw(job->written != 0), false,
				   MAX_SCHEDULE_TIMEOUT) > 0);
	must(!dma_resv_lock(resv, NULL));
	moves = job->dmabuf->stats.moves;
	job->sgt = dma_buf_map_attachment(job->attach, job->dir);
	if (!IS_ERR(job->sgt)) {
		if (job->dmabuf->stats.moves != moves)
			count(nr_moved);
		must(!dma_resv_reserve_fences(resv, 1));
		must(!dma_resv_add_fence(resv, job->fence,
					 job->written ? DMA_RESV_USAGE_WRITE
						      : DMA_RESV_USAGE_READ));
	} else {
		must(PTR_ERR(job->sgt) == -EBUSY);
		count(nr_refused);
	}
	dma_resv_unlock(resv);
	return !IS_ERR(job->sgt);
}

/* With the turn. */
static void submit(struct share *share, uint32_t *seed)
{
	static const struct station *const stations[] = { &camera, &processor, &display };
	struct job *job = calloc(1, sizeof(*job));

	job->station = stations[pick(seed, 3)];
	job->read = share->is_written && pick(seed, 2) ? share->picture : 0;
	job->written = !job->read || pick(seed, 2) ? 1 + pick(seed, 200) : 0;
	job->dir = job->read ? (job->written ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE) : DMA_FROM_DEVICE;
	job->dmabuf = dma_buf_get((int)share->fd);
	must(!IS_ERR(job->dmabuf));
	job->attach = dma_buf_attach(job->dmabuf, job->station->dev);
	must(!IS_ERR(job->attach));
	job->fence = new_fence();
	if (!publish(job)) {
		must(!dma_fence_signal(job->fence));
		dma_fence_put(job->fence);
		dma_buf_detach(job->dmabuf, job->attach);
		dma_buf_put(job->dmabuf);
		free(job);
		return;
	}
	if (job->written) {
		share->picture = job->written;
		share->is_written = true;
	}
	pthread_mutex_lock(&queue.lock);
	job->next = queue.jobs;
	queue.jobs = job;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
}

/* With the turn. */
static void look(struct share *share, uint32_t *seed)
{
	struct dma_buf *dmabuf = dma_buf_get((int)share->fd);
	const enum dma_data_direction dir = pick(seed, 2) ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE;
	struct vm_area_struct vma;
	struct iosys_map map;
	bool is_area = pick(seed, 2);
	uint8_t *bytes;

	must(!IS_ERR(dmabuf));
	if (is_area)
		must(!berth_file_mmap(dmabuf->file, &vma, SIZE, 0));
	else
		must(!dma_buf_vmap_unlocked(dmabuf, &map));
	bytes = is_area ? (uint8_t *)vma.vm_start : map.vaddr;
	must(!dma_buf_begin_cpu_access(dmabuf, dir));
	if (share->is_written)
		must(cpu_reads(bytes, SIZE, share->picture) == 0);
	if (dir == DMA_BIDIRECTIONAL) {
		share->picture = 1 + pick(seed, 200);
		share->is_written = true;
		cpu_writes(bytes, SIZE, share->picture);
	}
	must(!dma_buf_end_cpu_access(dmabuf, dir));
	if (is_area)
		berth_vma_release(&vma);
	else
		dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_put(dmabuf);
	count(nr_looks);
}

/* With the turn: those that are at work hold the old one. */
static void replace(struct share *share, uint32_t *seed)
{
	struct dma_buf *dmabuf = dma_heap_buffer_alloc(
		dma_heap_find(pick(seed, 4) ? "system" : "cma"), SIZE, BERTH_O_RDWR, 0);
	int fd;

	must(!IS_ERR(dmabuf));
	fd = dma_buf_fd(dmabuf, 0);
	must(fd >= 0);
	if (share->fd != UINT_MAX)
		must(!close_fd(share->fd));
	share->fd = (unsigned int)fd;
	share->is_written = false;
}

/* Without a turn: what concerns no bytes. The number may be another buffer's by now, or nobody's. */
static void meddle(uint32_t *seed)
{
	struct dma_buf *dmabuf = dma_buf_get((int)pick(seed, BUFFERS + 2));
	struct dma_buf_attachment *attach;
	struct berth_dma_buf_stats stats;
	struct iosys_map map;
	char name[8] = "a";

	if (IS_ERR(dmabuf))
		return;
	switch (pick(seed, 5)) {
	case 0:
		berth_file_poll(dmabuf->file, BERTH_POLLIN | BERTH_POLLOUT, (int)pick(seed, 3));
		break;
	case 1:
		attach = dma_buf_attach(dmabuf, pick(seed, 2) ? camera.dev : display.dev);
		must(!IS_ERR(attach));
		dma_buf_detach(dmabuf, attach);
		break;
	case 2:
		must(!dma_buf_vmap_unlocked(dmabuf, &map));
		dma_buf_vunmap_unlocked(dmabuf, &map);
		break;
	case 3:
		name[0] = (char)('a' + pick(seed, 20));
		berth_dma_buf_set_name(dmabuf, name);
		break;
	default:
		berth_dma_buf_get_stats(dmabuf, &stats);
		must(stats.moves < 10000);
	}
	dma_buf_put(dmabuf);
}

static void *worker(void *which)
{
	uint32_t seed = (uint32_t)(uintptr_t)which * 7919u + 1;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct share *share = &shares[pick(&seed, BUFFERS)];
		uint32_t what = pick(&seed, 16);

		if (what < 4) {
			meddle(&seed);
			continue;
		}
		pthread_mutex_lock(&share->turn);
		if (what == 4)
			replace(share, &seed);
		else if (what < 9)
			look(share, &seed);
		else
			submit(share, &seed);
		pthread_mutex_unlock(&share->turn);
	}
	return NULL;
}

static void test_all_at_once(void **state)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };
	pthread_t workers[WORKERS], engines[ENGINES];
	uint32_t seed = 4;

	(void)state;
	dma_buf_start(&config);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		pthread_mutex_init(&shares[i].turn, NULL);
		shares[i].fd = UINT_MAX;
		replace(&shares[i], &seed);
	}
	for (unsigned int i = 0; i < ENGINES; i++)
		assert_int_equal(pthread_create(&engines[i], NULL, engine, NULL), 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i], NULL, worker, (void *)(uintptr_t)i),
				 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_mutex_lock(&queue.lock);
	queue.is_over = true;
	pthread_cond_broadcast(&queue.more);
	pthread_mutex_unlock(&queue.lock);
	for (unsigned int i = 0; i < ENGINES; i++)
		pthread_join(engines[i], NULL);
	for (unsigned int i = 0; i < BUFFERS; i++)
		assert_int_equal(close_fd(shares[i].fd), 0);
	assert_int_equal(wrong_line, 0);
	assert_true(nr_done > 0 && nr_looks > 0);
	dma_buf_stop(); /* nothing is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
