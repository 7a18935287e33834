/* SPDX-License-Identifier: BSD-2-Clause */
/* UIO between threads: events, and devices that go while programs use them. */
#include "uio.h"

#include <pthread.h>
#include <sched.h>

#include <berth/uio.h>

#define READERS 3u
#define EVENTS 500u
#define ROUNDS 60u

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static struct uio_info counter;
static uint32_t nr_wrong, nr_waiting, nr_used, is_over;

static void wrong_unless(bool is_right)
{
	if (!is_right)
		__atomic_fetch_add(&nr_wrong, 1, __ATOMIC_RELAXED);
}

static void add_counter(void)
{
	counter = (struct uio_info){ .name = "counter", .version = "1", .irq = UIO_IRQ_CUSTOM };
	assert_int_equal(uio_register_device(&dsp_device()->dev, &counter), 0);
}

/* Counts rise, and the last one is seen. */
static void *read_all(void *data)
{
	struct file *file = data;
	uint32_t last = 0, count = 0;

	while (last < EVENTS) {
		if (berth_file_read(file, &count, 4) != 4) {
			wrong_unless(false);
			break;
		}
		wrong_unless(count > last && count <= EVENTS);
		last = count;
	}
	return NULL;
}

static void no_event_is_missed(void **state)
{
	const struct dsp_board board = { .compatible = "test,none" };
	pthread_t threads[READERS];
	struct file *files[READERS];

	(void)state;
	dsp_start(&board);
	add_counter();
	for (unsigned int i = 0; i < READERS; i++) {
		files[i] = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, files[i]), 0);
	}
	for (unsigned int n = 0; n < EVENTS; n++) {
		uio_event_notify(&counter);
		if (n % 3 == 0)
			sched_yield();
	}
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		fput(files[i]);
	}
	uio_unregister_device(&counter);
	assert_int_equal(get(&nr_wrong), 0);
}

static void *read_until_the_end(void *data)
{
	struct file *file = data;
	uint32_t count;

	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_RELEASE);
	wrong_unless(berth_file_read(file, &count, 4) == -EIO);
	wrong_unless(berth_file_poll(file, BERTH_POLLIN, -1) == (BERTH_POLLERR | BERTH_POLLHUP));
	return NULL;
}

static void *poll_until_the_end(void *data)
{
	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_RELEASE);
	wrong_unless(berth_file_poll(data, BERTH_POLLIN, -1) == (BERTH_POLLERR | BERTH_POLLHUP));
	return NULL;
}

/* Those that wait for an event that cannot come any more are told. */
static void waits_end_with_the_device(void **state)
{
	const struct dsp_board board = { .compatible = "test,none" };
	pthread_t threads[2];
	struct file *file;

	(void)state;
	dsp_start(&board);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		add_counter();
		set(&nr_waiting, 0);
		file = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
		assert_int_equal(pthread_create(&threads[0], NULL, read_until_the_end, file), 0);
		assert_int_equal(pthread_create(&threads[1], NULL, poll_until_the_end, file), 0);
		/* Sometimes before they wait, sometimes while. */
		while (n % 3 && get(&nr_waiting) < 2)
			sched_yield();
		if (n % 3 == 2)
			msleep(1);
		uio_unregister_device(&counter);
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		fput(file);
	}
	assert_int_equal(get(&nr_wrong), 0);
}

static void use(struct file *file, unsigned int way)
{
	struct vm_area_struct vma;
	uint32_t word = 1;
	char text[4096];

	if (berth_file_mmap(file, &vma, 0x4000, 1)) {
		fput(file);
		return;
	}
	dsp_bytes(&vma)[way] = 1;
	berth_file_poll(file, BERTH_POLLIN, way % 4 == 1);
	berth_file_read(file, &word, 4);
	berth_file_write(file, &word, 4);
	berth_node_show("uio0", "maps/map1/addr", text);
	__atomic_fetch_add(&nr_used, 1, __ATOMIC_RELAXED);
	if (way & 1)
		fput(file);
	wrong_unless(dsp_bytes(&vma)[way] <= 1);
	dsp_bytes(&vma)[way] = 0;
	berth_vma_release(&vma);
	if (!(way & 1))
		fput(file);
}

static void *use_again_and_again(void *data)
{
	unsigned int way = (unsigned int)(uintptr_t)data;

	for (; !get(&is_over); way = (way + 7) % 1000) {
		struct file *file = berth_filp_open("/dev/uio0", BERTH_O_RDWR | BERTH_O_NONBLOCK);

		if (IS_ERR(file))
			sched_yield();
		else
			use(file, way);
	}
	return NULL;
}

/* At any moment: its memory goes back when the last who uses it lets go. */
static void a_device_goes_while_it_is_used(void **state)
{
	(void)state;
	for (unsigned int b = 0; b < 2; b++) {
		const struct dsp_board board = { .is_cached = b };
		struct platform_device *pdev;
		struct berth_cma_stats stats;
		pthread_t threads[READERS];

		dsp_start(&board);
		pdev = dsp_device();
		set(&is_over, 0);
		set(&nr_used, 0);
		for (uintptr_t i = 0; i < READERS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, use_again_and_again,
							(void *)(i * 31)),
					 0);
		for (unsigned int n = 0; n < ROUNDS || get(&nr_used) < 30; n++) {
			if (n % 4)
				sched_yield();
			else
				msleep(1);
			berth_uio_dmem_genirq_driver.remove(pdev);
			assert_int_equal(berth_uio_dmem_genirq_driver.probe(pdev), 0);
		}
		set(&is_over, 1);
		for (unsigned int i = 0; i < READERS; i++)
			pthread_join(threads[i], NULL);
		berth_cma_stats(berth_cma_default(), &stats);
		assert_int_equal(stats.used, 0);
		must_stop();
	}
	assert_int_equal(get(&nr_wrong), 0);
}

static int stop(void **state)
{
	(void)state;
	if (berth_running())
		must_stop();
	set(&nr_wrong, 0);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, stop)
	const struct CMUnitTest tests[] = {
		TEST(no_event_is_missed),
		TEST(waits_end_with_the_device),
		TEST(a_device_goes_while_it_is_used),
	};

	return cmocka_run_group_tests_name("uio_threads", tests, NULL, NULL);
}
