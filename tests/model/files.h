/* SPDX-License-Identifier: BSD-2-Clause */
/* Real files in a folder of the test's, and a backing over them that fails on request. */
#ifndef TESTS_MODEL_FILES_H
#define TESTS_MODEL_FILES_H

#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <berth/cma.h>
#include <berth/file.h>
#include <berth/filecache.h>
#include <berth/mm.h>

#include "lib/error.h"

#define MIB (1ul << 20)

static char file_path[64];

static inline void make_file(const void *bytes, size_t size)
{
	int fd;

	strcpy(file_path, "/tmp/berth-file-XXXXXX");
	fd = mkstemp(file_path);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, 0), size);
	close(fd);
}

static inline void file_is(const void *bytes, size_t size)
{
	uint8_t *found = malloc(size + 1);
	int fd = open(file_path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	assert_non_null(found);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, size);
	assert_int_equal(pread(fd, found, size, 0), size);
	for (size_t i = 0; i < size; i++)
		if (found[i] != ((const uint8_t *)bytes)[i])
			fail_msg("byte %#zx is %#x, not %#x", i, found[i],
				 ((const uint8_t *)bytes)[i]);
	close(fd);
	free(found);
}

static inline void remove_file(void)
{
	unlink(file_path);
}

static inline uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

/* The thread sanitizer does not know that a fault comes before its handler, and after what it sees. */
#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SET(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)

/* What fails: all or one of so many, by @seed. Atomic: several threads. */
static struct faulty {
	struct backing backing;
	struct backing *below;
	uint32_t fail_reads, fail_writes, fail_resizes, fail_flushes; /* one of so many; 0: none */
	uint64_t full; /* bytes that there is room for; 0: no limit */
	uint32_t seed;
	uint32_t reads, writes, failed_writes, flushes, resizes, most_pages;
} faulty;

static inline bool is_due(const uint32_t *one_of)
{
	uint32_t of = __atomic_load_n(one_of, __ATOMIC_RELAXED);
	uint32_t nr = __atomic_add_fetch(&faulty.seed, 1, __ATOMIC_RELAXED);

	return of && next_random(&(uint32_t){ nr * 2654435761u + 1 }) % of == 0;
}

static inline int io_failed(int code)
{
	return berth_fail(code, BERTH_REASON_IO, "injected");
}

static inline int faulty_read(struct backing *backing, uint64_t index, struct page *const *pages,
			      unsigned int nr)
{
	(void)backing;
	__atomic_fetch_add(&faulty.reads, 1, __ATOMIC_RELAXED);
	if (nr > __atomic_load_n(&faulty.most_pages, __ATOMIC_RELAXED))
		__atomic_store_n(&faulty.most_pages, nr, __ATOMIC_RELAXED);
	if (is_due(&faulty.fail_reads))
		return io_failed(-EIO);
	return faulty.below->ops->read_pages(faulty.below, index, pages, nr);
}

static inline int faulty_write(struct backing *backing, uint64_t index, struct page *const *pages,
			       unsigned int nr)
{
	uint64_t full = __atomic_load_n(&faulty.full, __ATOMIC_RELAXED);

	(void)backing;
	__atomic_fetch_add(&faulty.writes, 1, __ATOMIC_RELAXED);
	if (is_due(&faulty.fail_writes)) {
		__atomic_fetch_add(&faulty.failed_writes, 1, __ATOMIC_RELAXED);
		return io_failed(-EIO);
	}
	if (full && (index + nr) * PAGE_SIZE > full)
		return io_failed(-ENOSPC);
	return faulty.below->ops->write_pages(faulty.below, index, pages, nr);
}

static inline int faulty_flush(struct backing *backing)
{
	(void)backing;
	__atomic_fetch_add(&faulty.flushes, 1, __ATOMIC_RELAXED);
	return is_due(&faulty.fail_flushes) ? io_failed(-EIO) : 0;
}

static inline int faulty_resize(struct backing *backing, uint64_t size)
{
	int err;

	__atomic_fetch_add(&faulty.resizes, 1, __ATOMIC_RELAXED);
	if (is_due(&faulty.fail_resizes))
		return io_failed(-EIO);
	err = faulty.below->ops->resize(faulty.below, size);
	if (!err)
		__atomic_store_n(&backing->size, size, __ATOMIC_RELEASE);
	return err;
}

static const struct backing_ops faulty_ops = {
	.read_pages = faulty_read,
	.write_pages = faulty_write,
	.flush = faulty_flush,
	.resize = faulty_resize,
};

static inline struct cached_file *open_cached(void)
{
	struct cached_file *file;

	memset(&faulty, 0, sizeof(faulty));
	faulty.below = berth_file_open(file_path, BERTH_FILE_WRITE);
	assert_non_null(faulty.below);
	faulty.backing = (struct backing){ .ops = &faulty_ops,
					   .name = file_path,
					   .size = faulty.below->size };
	file = berth_filecache_open(&faulty.backing);
	assert_non_null(file);
	return file;
}

static inline void close_cached(struct cached_file *file)
{
	assert_int_equal(berth_filecache_close(file), 0);
	assert_int_equal(berth_file_close(faulty.below), 0);
}

/* Both gates; false: this one cannot be had. */
static inline bool start_gate(const void *tree, const char *gate, const char *(*name)(void))
{
	setenv("BERTH_GATE", gate, 1);
	must_start(tree, NULL, NULL);
	if (!strcmp(name(), gate))
		return true;
	must_stop();
	return false;
}

#endif
