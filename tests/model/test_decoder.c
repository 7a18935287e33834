// SPDX-License-Identifier: BSD-2-Clause
/* The video decoder, its driver, and the code in which the camera delivers pictures for it. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

#include "boards.h"
#include "model/media.h"
#include <berth/drivers/camera.h>
#include <berth/drivers/decoder.h>

#define WIDTH 64u
#define BYTES (WIDTH * 48 * 3 / 2)
#define GUARD 0x5e

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_camera_driver),
	BERTH_PLATFORM_DRIVER(&berth_decoder_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *camera, *decoder;
static unsigned int nr_done;
static struct berth_decoder_result last;

static struct device *find(const char *compatible)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);

	assert_non_null(node);
	return &of_find_device_by_node(node)->dev;
}

static void start(void)
{
	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	assert_int_equal(start_tree(board_multimedia, drivers, NULL), 0);
	camera = find("berth,model-camera");
	decoder = find("berth,model-decoder");
	nr_done = 0;
}

static void done(void *data, const struct berth_decoder_result *result)
{
	assert_ptr_equal(data, &nr_done);
	last = *result;
	nr_done++;
}

/* Memory in pieces of a page that do not touch, some of them out of reach, mapped for the decoder. */
struct pieces {
	struct page *pages[16];
	unsigned int nr;
	struct sg_table table;
	enum dma_data_direction dir;
};

static void pieces_start(struct pieces *p, size_t bytes, enum dma_data_direction dir)
{
	struct page *between[16];

	p->nr = (unsigned int)PFN_UP(bytes);
	p->dir = dir;
	assert_in_range(p->nr, 1, 16);
	for (unsigned int i = 0; i < p->nr; i++) {
		p->pages[i] = alloc_page(GFP_KERNEL);
		between[i] = alloc_page(GFP_KERNEL);
		assert_true(p->pages[i] && between[i]);
		memset(page_address(p->pages[i]), GUARD, PAGE_SIZE);
	}
	for (unsigned int i = 0; i < p->nr; i++)
		__free_page(between[i]);
	assert_int_equal(
		sg_alloc_table_from_pages(&p->table, p->pages, p->nr, 0, bytes, GFP_KERNEL), 0);
	assert_int_equal(dma_map_sgtable(decoder, &p->table, dir, 0), 0);
}

static void pieces_end(struct pieces *p)
{
	dma_unmap_sgtable(decoder, &p->table, p->dir, 0);
	sg_free_table(&p->table);
	for (unsigned int i = 0; i < p->nr; i++)
		__free_page(p->pages[i]);
}

/* The CPU's copy of them, or into them. */
static void pieces_copy(struct pieces *p, uint8_t *bytes, size_t size, bool in)
{
	dma_sync_sgtable_for_cpu(decoder, &p->table, p->dir);
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		size_t now = size - at < PAGE_SIZE ? size - at : PAGE_SIZE;
		uint8_t *page = page_address(p->pages[at / PAGE_SIZE]);

		memcpy(in ? page : bytes + at, in ? bytes + at : page, now);
	}
	if (in)
		dma_sync_sgtable_for_device(decoder, &p->table, p->dir);
}

static int decode(struct pieces *from, uint32_t coded, struct pieces *to, uint32_t bytes,
		  uint32_t stride, struct berth_decoder_result *result)
{
	struct berth_decoder_request request = {
		.source = &from->table,
		.target = &to->table,
		.coded_bytes = coded,
		.bytes = bytes,
		.stride = stride,
		.done = done,
		.data = &nr_done,
	};
	unsigned int before = nr_done;
	int ret = berth_decoder_start(decoder, &request);

	if (ret)
		return ret;
	ret = berth_decoder_wait(decoder, 100, result);
	assert_int_equal(nr_done, before + 1);
	assert_memory_equal(&last, result, sizeof(last));
	return ret;
}

/* Nothing of a picture of @bytes was written behind it. */
static void assert_guarded(const struct pieces *p, size_t bytes)
{
	for (size_t at = bytes; at < p->nr * PAGE_SIZE; at++)
		assert_int_equal(
			((uint8_t *)page_address(p->pages[at / PAGE_SIZE]))[at % PAGE_SIZE], GUARD);
}

/* Any bytes come back, and never become more than is said. */
static void code_takes_any_picture(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 4, 127, 128, 129, 256, 257, 1000, BYTES };
	uint8_t picture[BYTES], back[BYTES + 1], coded[BYTES + BYTES / 128 + 6];
	uint32_t seed = 1;
	size_t position;

	(void)state;
	for (unsigned int round = 0; round < 400; round++) {
		uint32_t size = sizes[round % ARRAY_SIZE(sizes)], stride = 1 + round % 70;
		size_t nr, most = berth_camera_coded_bytes(size);

		assert_int_equal(media_code_most(size), most);
		for (uint32_t i = 0; i < size; i++) {
			seed = seed * 1664525 + 1013904223;
			/* From all alike to all different. */
			picture[i] = (uint8_t)(seed >> 24 & (0xffu >> round % 9));
		}
		memset(coded, GUARD, sizeof(coded));
		nr = media_encode(picture, size, stride, coded);
		assert_in_range(nr, 1, most);
		assert_int_equal(coded[nr], GUARD);
		memset(back, GUARD, sizeof(back));
		assert_int_equal(media_decode(coded, nr, stride, back, size, &position), 0);
		assert_memory_equal(picture, back, size);
		assert_int_equal(back[size], GUARD);
	}
	/* What cannot be made shorter reaches the limit. */
	for (uint32_t i = 0; i < 256; i++)
		picture[i] = (uint8_t)(i * i);
	assert_int_equal(media_encode(picture, 256, 1000, coded), 256 + 2 + 4);
	memset(picture, 7, BYTES);
	assert_in_range(media_encode(picture, BYTES, WIDTH, coded), 1, BYTES / 50);
}

/* A stream of the test pattern, as the camera delivers it, and the picture that it is. */
static uint32_t film(uint8_t *picture, uint8_t *coded, size_t room)
{
	struct berth_camera_format format = {
		.width = WIDTH,
		.height = 48,
		.bytes = BYTES,
		.interval_ns = 1000000,
		.hold = true,
	};
	struct berth_camera_buffer *buffer, *got;
	uint32_t used = 0;

	for (unsigned int is_coded = 0; is_coded < 2; is_coded++) {
		uint32_t most = is_coded ? berth_camera_coded_bytes(BYTES) : BYTES;

		format.is_coded = is_coded;
		buffer = berth_camera_buffer_alloc(camera, most);
		assert_non_null(buffer);
		memset(berth_camera_picture(buffer), GUARD, most);
		assert_int_equal(berth_camera_queue(camera, buffer), 0);
		assert_int_equal(berth_camera_start(camera, &format), 0);
		assert_int_equal(berth_camera_dequeue(camera, &got, 100), 0);
		used = got->used;
		assert_in_range(used, 1, most);
		assert_true(is_coded ? used <= room : used == BYTES);
		memcpy(is_coded ? coded : picture, berth_camera_picture(got), used);
		for (uint32_t i = used; i < most; i++)
			assert_int_equal(((uint8_t *)berth_camera_picture(got))[i], GUARD);
		berth_camera_stop(camera);
		berth_camera_buffer_free(camera, buffer);
	}
	return used;
}

static void decoder_undoes_what_the_camera_did(void **state)
{
	uint8_t picture[BYTES], coded[BYTES], back[BYTES];
	struct berth_decoder_result result = { 0 };
	struct pieces from, to;
	uint32_t used;

	(void)state;
	start();
	used = film(picture, coded, sizeof(coded));
	assert_in_range(used, 100, BYTES / 2);
	pieces_start(&from, used, DMA_TO_DEVICE);
	pieces_copy(&from, coded, used, true);
	pieces_start(&to, BYTES, DMA_FROM_DEVICE);
	assert_int_equal(to.table.nents, 2);
	assert_int_equal(decode(&from, used, &to, BYTES, WIDTH, &result), 0);
	assert_int_equal(result.error, 0);
	pieces_copy(&to, back, BYTES, false);
	assert_memory_equal(picture, back, BYTES);
	assert_guarded(&to, BYTES);

	/* With other lines it is another picture, which the checksum tells. */
	assert_int_equal(decode(&from, used, &to, BYTES, WIDTH + 1, &result), -EILSEQ);
	assert_int_equal(result.damage, BERTH_DECODER_CHECKSUM);
	assert_int_equal(result.position, used - 4);
	pieces_end(&from);
	pieces_end(&to);
	must_stop();
}

/* Each byte of a stream is damaged in turn, and it ends after each. */
static void damage_is_told_and_nothing_is_written(void **state)
{
	static const struct {
		uint8_t bytes[8];
		uint32_t nr, position;
		enum berth_decoder_damage damage;
	} cases[] = {
		{ { 0, 1, 128, 0, 0, 0, 0 }, 7, 2, BERTH_DECODER_NO_PACKET },
		{ { 0, 1, 5, 0, 0, 0, 0 }, 7, 2, BERTH_DECODER_CUT },
		{ { 255, 1, 255, 0, 0, 0, 0 }, 7, 2, BERTH_DECODER_CUT },
		{ { 0, 1, 254, 2, 0, 0, 0, 0 }, 8, 2, BERTH_DECODER_TOO_LONG },
		{ { 254, 2, 0, 0, 0, 0 }, 6, 2, BERTH_DECODER_CHECKSUM },
		{ { 255, 2, 0, 0, 0, 0 }, 6, 2, BERTH_DECODER_CUT },
		{ { 0, 0, 0 }, 3, 0, BERTH_DECODER_CUT },
	};
	uint8_t picture[BYTES], coded[BYTES], back[PAGE_SIZE];
	struct berth_decoder_result result = { 0 };
	struct pieces from, to;
	uint32_t nr;

	(void)state;
	start();
	pieces_start(&from, PAGE_SIZE, DMA_TO_DEVICE);
	pieces_start(&to, PAGE_SIZE, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(coded, cases[i].bytes, 8);
		pieces_copy(&from, coded, 8, true);
		/* Room for more than the picture of three bytes. */
		assert_int_equal(decode(&from, cases[i].nr, &to, 3, 2, &result), -EILSEQ);
		assert_int_equal(result.damage, cases[i].damage);
		assert_int_equal(result.position, cases[i].position);
	}
	for (unsigned int i = 0; i < 200; i++)
		picture[i] = (uint8_t)(i < 100 ? i * 7 : 3);
	nr = (uint32_t)media_encode(picture, 200, 10, coded);
	for (uint32_t at = 0; at < 2 * nr; at++) {
		uint32_t length = at < nr ? nr : at - nr;

		result.position = 0;
		coded[at % nr] ^= at < nr ? 0x91 : 0;
		pieces_copy(&from, coded, nr, true);
		assert_int_equal(decode(&from, length, &to, 200, 10, &result),
				 length ? -EILSEQ : -EINVAL);
		assert_true(result.position <= length);
		coded[at % nr] ^= at < nr ? 0x91 : 0;
	}
	dma_sync_sgtable_for_cpu(decoder, &to.table, to.dir);
	assert_guarded(&to, 0);
	pieces_copy(&from, coded, nr, true);
	assert_int_equal(decode(&from, nr, &to, 200, 10, &result), 0);
	pieces_copy(&to, back, 200, false);
	assert_memory_equal(back, picture, 200);
	dma_sync_sgtable_for_cpu(decoder, &to.table, to.dir);
	assert_guarded(&to, 200);
	pieces_end(&from);
	pieces_end(&to);
	must_stop();
}

static void driver_refuses(void **state)
{
	struct berth_decoder_result result = { 0 };
	struct pieces from, to;
	struct berth_decoder_request request = {
		.source = &from.table,
		.target = &to.table,
		.coded_bytes = 8,
		.bytes = 3,
		.stride = 1,
		.done = done,
		.data = &nr_done,
	};
	struct berth_model_stats before, after;
	dma_addr_t at;

	(void)state;
	start();
	pieces_start(&from, PAGE_SIZE, DMA_TO_DEVICE);
	pieces_start(&to, 2 * PAGE_SIZE, DMA_FROM_DEVICE);
	assert_int_equal(berth_decoder_wait(decoder, 1, &result), -ENOENT);
	assert_int_equal(decode(&from, 8, &to, 0, 1, &result), -EINVAL);
	assert_int_equal(decode(&from, 8, &to, 3, 0, &result), -EINVAL);
	assert_int_equal(decode(&from, PAGE_SIZE + 1, &to, 3, 1, &result), -EINVAL);
	assert_int_equal(decode(&from, 8, &to, 2 * PAGE_SIZE + 1, 1, &result), -EINVAL);
	request.target = NULL;
	assert_int_equal(berth_decoder_start(decoder, &request), -EINVAL);
	request.target = &to.table;

	assert_int_equal(berth_decoder_start(decoder, &request), 0);
	assert_int_equal(berth_decoder_start(decoder, &request), -EBUSY);
	assert_int_equal(berth_decoder_wait(decoder, 0, &result), -ETIMEDOUT);
	assert_int_equal(nr_done, 1);
	assert_int_equal(last.error, -ETIMEDOUT);
	berth_model_stats(&before);
	msleep(20);
	berth_model_stats(&after);
	assert_int_equal(before.dma_read, after.dma_read);
	assert_int_equal(nr_done, 1);

	/* Where no memory is: the source, then the target. */
	at = from.table.sgl->dma_address;
	from.table.sgl->dma_address = 0x10;
	assert_int_equal(decode(&from, 8, &to, 3, 1, &result), -EIO);
	from.table.sgl->dma_address = at;
	at = to.table.sgl->dma_address;
	to.table.sgl->dma_address = 0x10;
	pieces_copy(&from, (uint8_t[]){ 254, 2, 7, 0, 15, 0, 0, 0 }, 8, true);
	assert_int_equal(decode(&from, 6, &to, 3, 3, &result), -EIO);
	to.table.sgl->dma_address = at;
	assert_int_equal(decode(&from, 6, &to, 3, 3, &result), 0);
	pieces_end(&from);
	pieces_end(&to);
	must_stop();
}

/* The driver goes while the device works: who waits for the fence is told, and memory is quiet. */
static void removed_while_it_decodes(void **state)
{
	struct platform_device *pdev;
	struct berth_model_stats before, after;
	struct pieces from, to;
	struct berth_decoder_request request = {
		.source = &from.table,
		.target = &to.table,
		.coded_bytes = PAGE_SIZE,
		.bytes = BYTES,
		.stride = 1,
		.done = done,
		.data = &nr_done,
	};

	(void)state;
	start();
	pdev = to_platform_device(decoder);
	pieces_start(&from, PAGE_SIZE, DMA_TO_DEVICE);
	pieces_start(&to, BYTES, DMA_FROM_DEVICE);
	assert_int_equal(berth_decoder_start(decoder, &request), 0);
	assert_int_equal(berth_decoder_driver.remove(pdev), 0);
	assert_int_equal(nr_done, 1);
	assert_int_equal(last.error, -ETIMEDOUT);
	assert_int_equal(berth_decoder_start(decoder, &request), -ENODEV);
	berth_model_stats(&before);
	msleep(20);
	berth_model_stats(&after);
	assert_int_equal(before.dma_read, after.dma_read);
	assert_int_equal(before.dma_written, after.dma_written);
	pieces_end(&from);
	pieces_end(&to);
	assert_int_equal(berth_decoder_driver.probe(pdev), 0);
	must_stop();
}

static irqreturn_t not_mine(int irq, void *data)
{
	(void)irq;
	(void)data;
	return IRQ_NONE;
}

/* Each allocation of a first request fails in turn; so does the probe without its interrupt. */
static void failures_leave_nothing(void **state)
{
	struct berth_memory_info before, after;
	struct berth_decoder_result result = { 0 };
	struct platform_device *pdev;
	struct pieces from, to;
	unsigned int irq, failures = 0;
	int ret = -ENOMEM;

	(void)state;
	start();
	pdev = to_platform_device(decoder);
	pieces_start(&from, PAGE_SIZE, DMA_TO_DEVICE);
	pieces_start(&to, BYTES, DMA_FROM_DEVICE);
	pieces_copy(&from, (uint8_t[]){ 254, 2, 7, 0, 15, 0, 0, 0 }, 8, true);
	berth_memory_info(&before);
	for (uint64_t n = 1; ret; n++) {
		berth_test_fail_nth(n);
		ret = decode(&from, 6, &to, 3, 3, &result);
		berth_test_fail_nth(0);
		if (!ret)
			break;
		failures++;
		assert_int_equal(ret, -ENOMEM);
		berth_memory_info(&after);
		assert_int_equal(before.used - before.slab, after.used - after.slab);
		assert_int_equal(berth_decoder_wait(decoder, 1, &result), -ENOENT);
	}
	assert_in_range(failures, 1, 20);
	irq = (unsigned int)platform_get_irq(pdev, 0);
	assert_int_equal(berth_decoder_driver.remove(pdev), 0);
	assert_int_equal(request_irq(irq, not_mine, 0, "test", &nr_done), 0);
	assert_int_equal(berth_decoder_driver.probe(pdev), -EBUSY);
	assert_null(dev_get_drvdata(decoder));
	free_irq(irq, &nr_done);
	assert_int_equal(berth_decoder_driver.probe(pdev), 0);
	pieces_end(&from);
	pieces_end(&to);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_takes_any_picture),
		cmocka_unit_test(decoder_undoes_what_the_camera_did),
		cmocka_unit_test(damage_is_told_and_nothing_is_written),
		cmocka_unit_test(driver_refuses),
		cmocka_unit_test(removed_while_it_decodes),
		cmocka_unit_test(failures_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
