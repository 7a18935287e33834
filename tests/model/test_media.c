// SPDX-License-Identifier: BSD-2-Clause
/* The drivers of camera and display by themselves: what the main job never does to them. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

#include "boards.h"
#include <berth/drivers/camera.h>
#include <berth/drivers/display.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>
#include "scatter.h"

#define BYTES (64u * 48 * 3 / 2)

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_camera_driver),
	BERTH_PLATFORM_DRIVER(&berth_display_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const struct berth_camera_format format = {
	.width = 64,
	.height = 48,
	.bytes = BYTES,
	.interval_ns = 1000000,
	.hold = true,
};

static struct device *camera, *display;
static char shown_text[256];
static uint8_t shown_picture[BYTES];
static unsigned int shown_count;

static void shown(void *data, const void *picture, size_t size, const char *text)
{
	(void)data;
	assert_int_equal(size, BYTES);
	memcpy(shown_picture, picture, size);
	snprintf(shown_text, sizeof(shown_text), "%s", text);
	shown_count++;
}

static struct device *find(const char *compatible)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);

	assert_non_null(node);
	return &of_find_device_by_node(node)->dev;
}

static void start_with(const struct berth_driver *list)
{
	char path[128];

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	assert_int_equal(start_tree(board_multimedia, list, NULL), 0);
	camera = find("berth,model-camera");
	display = find("berth,model-display");
	berth_of_node_path(display->of_node, path, sizeof(path));
	assert_int_equal(berth_model_display_sink(path, shown, NULL), 0);
	assert_int_equal(berth_model_display_sink("/nowhere", shown, NULL), -ENODEV);
	assert_int_equal(berth_model_camera_source(path, NULL, NULL), -ENODEV);
	shown_count = 0;
}

static void start(void)
{
	start_with(drivers);
}

static struct berth_camera_buffer *new_buffer(uint32_t bytes)
{
	struct berth_camera_buffer *buffer = berth_camera_buffer_alloc(camera, bytes);

	assert_non_null(buffer);
	return buffer;
}

static void test_camera_refuses(void **state)
{
	struct berth_camera_format bad = format;
	struct berth_camera_buffer *buffer, *other, *got;

	(void)state;
	start();
	buffer = new_buffer(BYTES);
	other = new_buffer(BYTES + 1);
	assert_int_equal(berth_camera_dequeue(camera, &got, 1), -ENOENT);
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_queue(camera, buffer), -EBUSY);
	assert_int_equal(berth_camera_dequeue(camera, &got, 1), -ENODATA);
	bad.bytes = BYTES - 1;
	assert_int_equal(berth_camera_start(camera, &bad), -EINVAL);
	bad.bytes = 0;
	assert_int_equal(berth_camera_start(camera, &bad), -EINVAL);
	assert_int_equal(berth_camera_start(camera, &format), 0);
	assert_int_equal(berth_camera_start(camera, &format), -EBUSY);
	assert_int_equal(berth_camera_queue(camera, other), -EINVAL);
	assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
	assert_ptr_equal(got, buffer);
	berth_camera_stop(camera);
	berth_camera_buffer_free(camera, buffer);
	berth_camera_buffer_free(camera, other);
	berth_camera_buffer_free(camera, NULL);
	must_stop();
}

/* More buffers than the FIFO of the device holds come back in order, over laps of the ring. */
static void test_camera_order(void **state)
{
	struct berth_camera_buffer *buffers[7], *got;
	char text[32];

	(void)state;
	start();
	for (unsigned int i = 0; i < ARRAY_SIZE(buffers); i++) {
		buffers[i] = new_buffer(BYTES);
		assert_int_equal(berth_camera_queue(camera, buffers[i]), 0);
	}
	assert_int_equal(berth_camera_start(camera, &format), 0);
	for (unsigned int i = 0; i < 50; i++) {
		assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
		assert_ptr_equal(got, buffers[i % ARRAY_SIZE(buffers)]);
		assert_int_equal(got->sequence, i);
		snprintf(text, sizeof(text), " XPATTERN=%u", i);
		assert_int_equal(got->text_length, strlen(text));
		assert_memory_equal(got->text, text, strlen(text));
		assert_int_equal(berth_camera_queue(camera, got), 0);
	}
	berth_camera_stop(camera);
	for (unsigned int i = 0; i < ARRAY_SIZE(buffers); i++) {
		assert_false(buffers[i]->is_queued);
		berth_camera_buffer_free(camera, buffers[i]);
	}
	must_stop();
}

/* Stopped in the middle of a picture, started again: nothing of the first stream is left. */
static void test_camera_restart(void **state)
{
	struct berth_model_stats before, after;
	struct berth_camera_buffer *buffer, *got;

	(void)state;
	start();
	buffer = new_buffer(BYTES);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(berth_camera_queue(camera, buffer), 0);
		assert_int_equal(berth_camera_start(camera, &format), 0);
		assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
		assert_int_equal(got->sequence, 0);
		assert_int_equal(berth_camera_queue(camera, buffer), 0);
		udelay(1300);
		berth_camera_stop(camera);
		assert_false(buffer->is_queued);
		berth_model_stats(&before);
		msleep(20);
		berth_model_stats(&after);
		assert_int_equal(before.dma_written, after.dma_written);
	}
	berth_camera_buffer_free(camera, buffer);
	must_stop();
}

static void test_camera_end_and_overrun(void **state)
{
	struct berth_camera_format few = format;
	struct berth_camera_buffer *buffer, *got;

	(void)state;
	start();
	buffer = new_buffer(BYTES);
	few.frames = 1;
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_start(camera, &few), 0);
	assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_dequeue(camera, &got, 100), -ENODATA);
	berth_camera_stop(camera);

	/* Without hold the sensor goes on: pictures are lost, and their numbers show it. */
	few.frames = 0;
	few.hold = false;
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_start(camera, &few), 0);
	assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
	assert_int_equal(got->sequence, 0);
	msleep(5);
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
	assert_true(got->sequence > 3);
	berth_camera_stop(camera);

	/* With hold it waits, and a wait for what cannot come ends. */
	few.hold = true;
	assert_int_equal(berth_camera_start(camera, &few), 0);
	msleep(5);
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
	assert_int_equal(got->sequence, 0);
	berth_camera_stop(camera);
	berth_camera_buffer_free(camera, buffer);
	must_stop();
}

static void test_remove_while_streaming(void **state)
{
	struct platform_device *pdev;
	struct berth_model_stats before, after;
	struct berth_camera_buffer *buffer;

	(void)state;
	start();
	pdev = to_platform_device(camera);
	buffer = new_buffer(BYTES);
	assert_int_equal(berth_camera_queue(camera, buffer), 0);
	assert_int_equal(berth_camera_start(camera, &format), 0);
	udelay(300);
	assert_int_equal(berth_camera_driver.remove(pdev), 0);
	assert_int_equal(berth_camera_queue(camera, buffer), -ENODEV);
	berth_model_stats(&before);
	msleep(20);
	berth_model_stats(&after);
	assert_int_equal(before.dma_written, after.dma_written);
	berth_camera_buffer_free(camera, buffer);
	assert_int_equal(berth_camera_driver.probe(pdev), 0);
	must_stop();
}

static void test_display(void **state)
{
	struct berth_camera_buffer *buffer;
	struct berth_display_picture picture = {
		.offset = PAGE_SIZE - BERTH_DISPLAY_HEADER,
		.bytes = BYTES,
		.sequence = 3,
		.text = "some text",
		.text_length = 9,
	};
	struct platform_device *pdev;
	struct berth_model_stats before, after;

	(void)state;
	start();
	buffer = new_buffer(BYTES);
	memset(berth_camera_picture(buffer), 0x77, BYTES);
	picture.page = buffer->page;
	assert_int_equal(berth_display_wait(display, 1), -ENOENT);
	picture.text_length = BERTH_DISPLAY_TEXT + 1;
	assert_int_equal(berth_display_show(display, &picture), -EINVAL);
	picture.text_length = 9;
	assert_int_equal(berth_display_show(display, &picture), 0);
	assert_int_equal(berth_display_show(display, &picture), -EBUSY);
	assert_int_equal(berth_display_wait(display, 100), 0);
	assert_int_equal(shown_count, 1);
	assert_string_equal(shown_text, "some text");
	assert_memory_equal(shown_picture, berth_camera_picture(buffer), BYTES);

	/* Taken away while it reads. */
	pdev = to_platform_device(display);
	assert_int_equal(berth_display_show(display, &picture), 0);
	udelay(1);
	assert_int_equal(berth_display_driver.remove(pdev), 0);
	berth_model_stats(&before);
	msleep(20);
	berth_model_stats(&after);
	assert_int_equal(before.dma_read, after.dma_read);
	assert_int_equal(berth_display_driver.probe(pdev), 0);
	assert_int_equal(berth_display_show(display, &picture), 0);
	assert_int_equal(berth_display_wait(display, 0), -ETIMEDOUT);
	berth_model_stats(&before);
	msleep(20);
	berth_model_stats(&after);
	assert_int_equal(before.dma_read, after.dma_read);
	assert_int_equal(berth_display_show(display, &picture), 0);
	assert_int_equal(berth_display_wait(display, 100), 0);
	berth_camera_buffer_free(camera, buffer);
	must_stop();
}

static const struct berth_driver with_smmu[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_display_driver),
	BERTH_PLATFORM_DRIVER(&berth_camera_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* Pages that do not touch are one picture behind an IOMMU alone, which may lack memory for it. */
static void test_picture_in_pieces(void **state)
{
	struct berth_display_picture picture = { .bytes = BYTES, .sequence = 5, .text = "" };
	struct scatter *scatter;
	unsigned int failures = 0;
	uint8_t *from;
	dma_addr_t at;
	bool happened = true;

	(void)state;
	for (unsigned int behind = 0; behind < 2; behind++) {
		start_with(with_smmu + !behind);
		from = kmalloc(BYTES, GFP_KERNEL);
		scatter = scatter_start(find("sifive,fu540-c000-pdma"), BYTES);
		assert_true(from && scatter);
		assert_int_equal(scatter_pages(scatter), 2);
		memset(from, 0x35, BYTES);
		at = dma_map_single(find("sifive,fu540-c000-pdma"), from, BYTES, DMA_TO_DEVICE);
		assert_false(dma_mapping_error(find("sifive,fu540-c000-pdma"), at));
		dma_unmap_single(find("sifive,fu540-c000-pdma"), at, BYTES, DMA_TO_DEVICE);
		assert_int_equal(scatter_fill(scatter, from), 0);
		picture.sgt = scatter_table(scatter);
		picture.attrs = DMA_ATTR_SKIP_CPU_SYNC;
		if (!behind) {
			assert_int_equal(berth_display_show(display, &picture), -EINVAL);
			assert_int_equal(berth_display_wait(display, 1), -ENOENT);
		}
		for (uint64_t n = 1; behind && happened; n++) {
			int ret;

			berth_test_fail_nth(n);
			ret = berth_display_show(display, &picture);
			happened = berth_test_failed();
			berth_test_fail_nth(0);
			/* Some that fail are done without. */
			assert_true(!ret || (happened && ret == -ENOMEM));
			failures += ret != 0;
			assert_int_equal(berth_display_wait(display, 100), ret ? -ENOENT : 0);
			/* The next one begins without a header, too. */
			berth_display_driver.remove(to_platform_device(display));
			assert_int_equal(berth_display_driver.probe(to_platform_device(display)),
					 0);
		}
		if (behind)
			assert_memory_equal(shown_picture, from, BYTES);
		picture.bytes = BYTES + PAGE_SIZE; /* more than there is */
		assert_int_equal(berth_display_show(display, &picture), -EINVAL);
		picture.bytes = BYTES;
		scatter_end(scatter);
		kfree(from);
		must_stop();
	}
	assert_true(failures);
}

static void every_allocation_of_a_scattered_frame_may_fail(void **state)
{
	struct berth_memory_info before, after;
	struct scatter *scatter = NULL;
	unsigned int failures = 0;

	(void)state;
	start_with(with_smmu);
	scatter_end(scatter_start(find("sifive,fu540-c000-pdma"), BYTES)); /* lists are filled */
	berth_memory_info(&before);
	for (uint64_t n = 1; !scatter; n++) {
		berth_test_fail_nth(n);
		scatter = scatter_start(find("sifive,fu540-c000-pdma"), BYTES);
		berth_test_fail_nth(0);
		failures += !scatter;
	}
	assert_in_range(failures, 4, 100);
	scatter_end(scatter);
	berth_memory_info(&after);
	assert_int_equal(before.used, after.used);
	must_stop();
}

static irqreturn_t not_mine(int irq, void *data)
{
	(void)irq;
	(void)data;
	return IRQ_NONE;
}

/* The last thing that a probe asks for is taken: what it got before goes back. */
static void probe_without_irq(const struct platform_driver *driver, struct device *dev)
{
	struct platform_device *pdev = to_platform_device(dev);
	unsigned int irq = (unsigned int)platform_get_irq(pdev, 0);
	struct berth_memory_info before, after;

	assert_int_equal(driver->remove(pdev), 0);
	assert_int_equal(request_irq(irq, not_mine, 0, "test", &shown_count), 0);
	berth_memory_info(&before);
	assert_int_equal(driver->probe(pdev), -EBUSY);
	berth_memory_info(&after);
	assert_int_equal(before.used - before.slab, after.used - after.slab);
	assert_null(dev_get_drvdata(dev));
	free_irq(irq, &shown_count);
	assert_int_equal(driver->probe(pdev), 0);
}

static void test_taken_interrupts(void **state)
{
	(void)state;
	start();
	probe_without_irq(&berth_camera_driver, camera);
	probe_without_irq(&berth_display_driver, display);
	must_stop();
}

/* Whichever allocation of start, probe and a buffer fails: nothing is left behind. */
static void test_failing_allocations(void **state)
{
	bool happened = true;

	(void)state;
	for (uint64_t nth = 1; happened; nth++) {
		assert_false(berth_running());
		berth_test_fail_nth(nth);
		if (!start_tree(board_multimedia, drivers, NULL)) {
			camera = find("berth,model-camera");
			if (dev_get_drvdata(camera))
				berth_camera_buffer_free(camera,
							 berth_camera_buffer_alloc(camera, BYTES));
			happened = berth_test_failed();
			berth_test_fail_nth(0);
			must_stop();
		} else {
			happened = berth_test_failed();
			assert_true(happened);
			berth_test_fail_nth(0);
		}
	}
}

/* A driver that did not get what it needs gives back what it got, and the others go on. */
static void every_allocation_of_a_start_may_fail(void **state)
{
	static const struct berth_driver all[] = {
		BERTH_PLATFORM_DRIVER(&berth_camera_driver),
		BERTH_PLATFORM_DRIVER(&berth_display_driver),
		BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	int refused = 0, unbound = 0;
	bool has_failed = true;

	(void)state;
	for (uint64_t n = 1; has_failed; n++) {
		int err;

		berth_test_fail_nth(n);
		berth_clear_error();
		err = start_tree(board_multimedia, all, NULL);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (err) {
			assert_true(berth_last_error()->code < 0);
			refused++;
			continue;
		}
		camera = find("berth,model-camera");
		display = find("berth,model-display");
		/* Whatever was bound after it. */
		if (!camera->driver || !display->driver ||
		    !find("sifive,fu540-c000-pdma")->driver) {
			assert_true(has_failed);
			assert_reason(BERTH_REASON_DRIVER);
			unbound++;
		}
		must_stop();
	}
	assert_in_range(refused, 5, 10000);
	assert_in_range(unbound, 5, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_camera_refuses),
		cmocka_unit_test(test_camera_order),
		cmocka_unit_test(test_camera_restart),
		cmocka_unit_test(test_camera_end_and_overrun),
		cmocka_unit_test(test_remove_while_streaming),
		cmocka_unit_test(test_display),
		cmocka_unit_test(test_picture_in_pieces),
		cmocka_unit_test(every_allocation_of_a_scattered_frame_may_fail),
		cmocka_unit_test(test_taken_interrupts),
		cmocka_unit_test(test_failing_allocations),
		cmocka_unit_test(every_allocation_of_a_start_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
