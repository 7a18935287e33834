/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dmatest - a test of DMA channels, as a client of dmaengine (drivers/dma/dmatest.c of Linux)
 *
 * A struct berth_dmatest makes one transfer after the other on one channel: random kind, size, offsets
 * and bytes, always through dma_map_*(), with guard bytes around every buffer. It has no thread: it is begun
 * and finished by who drives it, so that threads of a system drive one each, and a firmware any number
 * in turn. docs/dmatest.md has examples.
 */
#ifndef BERTH_DRIVERS_DMATEST_H
#define BERTH_DRIVERS_DMATEST_H

#include <berth/completion.h>
#include <berth/dmaengine.h>
#include <berth/types.h>

BERTH_BEGIN_DECLS

/* Bytes in front of and behind each buffer that nobody may write. */
#define BERTH_DMATEST_GUARD 256u
#define BERTH_DMATEST_MAX_SOURCES 16u
/* Entries of a scatterlist, runs of a pattern, at most. */
#define BERTH_DMATEST_MAX_PIECES 8u

/**
 * enum berth_dmatest_kind - what a transfer is
 * @BERTH_DMATEST_SG: a list of pieces, mapped by dma_map_sg(), a memcpy for each that the mapping has
 * @BERTH_DMATEST_SLAVE_OUT: slave_sg to the peripheral
 * @BERTH_DMATEST_SLAVE_IN: slave_sg from the peripheral
 */
enum berth_dmatest_kind {
	BERTH_DMATEST_MEMCPY,
	BERTH_DMATEST_MEMSET,
	BERTH_DMATEST_XOR,
	BERTH_DMATEST_XOR_VAL,
	BERTH_DMATEST_PQ,
	BERTH_DMATEST_INTERLEAVED,
	BERTH_DMATEST_INTERRUPT,
	BERTH_DMATEST_SG,
	BERTH_DMATEST_SLAVE_OUT,
	BERTH_DMATEST_SLAVE_IN,
	BERTH_DMATEST_KINDS,
};

/**
 * enum berth_dmatest_fault - what was wrong
 * @BERTH_DMATEST_MAP: dma_map_*() has failed
 * @BERTH_DMATEST_PREPARE: the prepare call has failed
 * @BERTH_DMATEST_SUBMIT: the submission has failed
 * @BERTH_DMATEST_TIMEOUT: it was not done in time
 * @BERTH_DMATEST_ERROR: the controller says that it has failed
 * @BERTH_DMATEST_STATUS: called back, but its cookie is not complete, or bytes are left
 * @BERTH_DMATEST_CALLED_TWICE: called back more than once
 * @BERTH_DMATEST_SOURCE: a byte of a source was changed
 * @BERTH_DMATEST_IN_FRONT: a byte in front of the destination was written
 * @BERTH_DMATEST_BEHIND: a byte behind the destination was written
 * @BERTH_DMATEST_GAP: a byte between the runs of a pattern was written
 * @BERTH_DMATEST_SHORT: bytes at the end were not written
 * @BERTH_DMATEST_WRONG: a byte is wrong
 * @BERTH_DMATEST_CHECK: xor_val says the wrong thing
 */
enum berth_dmatest_fault {
	BERTH_DMATEST_MAP,
	BERTH_DMATEST_PREPARE,
	BERTH_DMATEST_SUBMIT,
	BERTH_DMATEST_TIMEOUT,
	BERTH_DMATEST_ERROR,
	BERTH_DMATEST_STATUS,
	BERTH_DMATEST_CALLED_TWICE,
	BERTH_DMATEST_SOURCE,
	BERTH_DMATEST_IN_FRONT,
	BERTH_DMATEST_BEHIND,
	BERTH_DMATEST_GAP,
	BERTH_DMATEST_SHORT,
	BERTH_DMATEST_WRONG,
	BERTH_DMATEST_CHECK,
	BERTH_DMATEST_FAULTS,
};

/**
 * struct berth_dmatest_failure - one test that has failed
 * @channel: "dma0chan1"
 * @kind: what it was
 * @fault: what was wrong
 * @test: its number, from 1
 * @buffer: which source or destination, from 0
 * @src_offset: where the source begins in its buffer
 * @dst_offset: where the destination begins
 * @length: bytes of the transfer
 * @at: the first wrong byte, in the buffer
 * @nr_wrong: how many are
 * @expected: what it should be
 * @found: what it is
 * @error: the errno value of a call that has failed, or of the result
 * @residue: bytes that are left, by the controller
 *
 * What the fault does not tell is 0. Offsets count from the first guard byte.
 */
struct berth_dmatest_failure {
	char channel[24];
	enum berth_dmatest_kind kind;
	enum berth_dmatest_fault fault;
	uint64_t test;
	unsigned int buffer;
	size_t src_offset, dst_offset, length;
	size_t at, nr_wrong;
	uint8_t expected, found;
	int error;
	uint32_t residue;
};

/**
 * struct berth_dmatest_peripheral - what the channel serves, for the SLAVE kinds
 * @config: told to the channel
 * @unit: transfers are multiples of that many bytes; 0: 1
 * @max: and at most that many; 0: any number
 * @give: the peripheral is about to be read: put @size bytes of @bytes into it; 0 or a negative errno
 *	value; NULL: it cannot be read
 * @take: the peripheral was written: fetch @size bytes of it; 0 or a negative errno value; NULL: it cannot
 *	be written
 * @data: handed to both
 */
struct berth_dmatest_peripheral {
	struct dma_slave_config config;
	size_t unit, max;
	int (*give)(void *data, const void *bytes, size_t size);
	int (*take)(void *data, void *bytes, size_t size);
	void *data;
};

/**
 * struct berth_dmatest_params - what to test; all zero is a good choice. In brackets: Linux's name
 * @buffer_size: bytes of each buffer, without guards; 0: 16384 [test_buf_size]
 * @transfer_size: bytes of each transfer; 0: random [transfer_size]
 * @alignment: offsets and sizes are multiples; a power of two up to BERTH_DMATEST_GUARD; 0 or less than
 *	the channel needs: what it needs [alignment]
 * @iterations: transfers, by berth_dmatest_run() and berth_dmatest_run_all(); 0: 100 [iterations]
 * @timeout_ms: until a transfer has to be done; 0: 3000 [timeout]
 * @xor_sources: at most; 0: 3 [xor_sources]
 * @pq_sources: at most; 0: 3 [pq_sources]
 * @kinds: bit n: &enum berth_dmatest_kind n; 0: all that the channel can do
 * @no_verify: do not look at the bytes [noverify]
 * @no_random: whole buffers, from their first byte [norandom]
 * @polled: ask for the status, with no callback [polled]
 * @seed: of everything random
 * @clock: nanoseconds, for the figures; NULL: ktime_get_ns()
 * @report: called for each test that fails; NULL: nobody
 * @report_data: handed to @report
 * @peripheral: for the SLAVE kinds, or NULL: none of them
 */
struct berth_dmatest_params {
	size_t buffer_size, transfer_size, alignment;
	uint64_t iterations;
	unsigned int timeout_ms, xor_sources, pq_sources;
	uint32_t kinds;
	bool no_verify, no_random, polled;
	uint64_t seed;
	uint64_t (*clock)(void);
	void (*report)(void *data, const struct berth_dmatest_failure *failure);
	void *report_data;
	const struct berth_dmatest_peripheral *peripheral;
};

/**
 * struct berth_dmatest_stats - figures
 * @tests: that were begun
 * @failed: that have failed
 * @faults: the same by fault
 * @kinds: tests by kind
 * @bytes: that were transferred, of tests that have not failed
 * @ns: from the issue until it was known to be done, of the same; with several at once on a channel
 *	they overlap
 */
struct berth_dmatest_stats {
	uint64_t tests, failed;
	uint64_t faults[BERTH_DMATEST_FAULTS];
	uint64_t kinds[BERTH_DMATEST_KINDS];
	uint64_t bytes, ns;
};

/**
 * struct berth_dmatest_buffer - one buffer; private
 * @cpu: guards included
 * @dma: where it is mapped
 * @offset: where the transfer begins in it
 * @tag: of its bytes
 */
struct berth_dmatest_buffer {
	uint8_t *cpu;
	dma_addr_t dma;
	size_t offset;
	uint64_t tag;
};

/**
 * struct berth_dmatest - tests of one channel
 * @stats: figures so far; read it while no transfer is under way
 *
 * The others are private.
 */
struct berth_dmatest {
	struct berth_dmatest_stats stats;
	struct berth_dmatest_params params;
	struct dma_chan *chan;
	struct device *dev;
	uint32_t kinds;
	unsigned int max_src, nr_src, nr_dst, nr_mapped, nr_called;
	size_t size; /* of a buffer, with guards */
	struct berth_dmatest_buffer src[BERTH_DMATEST_MAX_SOURCES], dst[2];
	uint8_t *want[2];
	uint8_t coefficient[BERTH_DMATEST_MAX_SOURCES];
	struct dma_interleaved_template *pattern;
	struct scatterlist pieces[BERTH_DMATEST_MAX_PIECES];
	unsigned int nr_pieces;
	enum berth_dmatest_kind kind;
	size_t align;
	size_t length, end; /* of the transfer; where in the destination it ends */
	uint8_t value;
	bool is_busy; /* a transfer is under way */
	bool is_lost; /* one was not done in time, and cannot be stopped */
	bool is_zero; /* what xor_val should say */
	enum sum_check_flags check;
	uint64_t random, started_ns, done_ns, deadline_ns;
	dma_cookie_t cookie;
	struct completion done;
	uint32_t result, residue;
};

/**
 * berth_dmatest_kinds() - what a channel can be tested for
 * @chan: the channel
 * @peripheral: what it serves, or NULL
 *
 * Any context. Return: bit n: &enum berth_dmatest_kind n.
 */
uint32_t berth_dmatest_kinds(const struct dma_chan *chan,
			     const struct berth_dmatest_peripheral *peripheral);

/**
 * berth_dmatest_init() - get ready to test a channel
 * @test: zeroed
 * @chan: the caller's, until berth_dmatest_exit(); several tests may share it
 * @params: copied; NULL for all zero
 *
 * May sleep. Return: 0, -EINVAL (ARGUMENT; CAPABILITY: the channel can do nothing of it), -ENOMEM.
 */
int berth_dmatest_init(struct berth_dmatest *test, struct dma_chan *chan,
		       const struct berth_dmatest_params *params);

/** berth_dmatest_exit() - give the buffers back. A transfer under way is terminated. May sleep. */
void berth_dmatest_exit(struct berth_dmatest *test);

/**
 * berth_dmatest_begin() - begin one transfer
 *
 * None is under way. May sleep. Return: 0; a negative errno value if it could not be begun, which is a
 * test that has failed.
 */
int berth_dmatest_begin(struct berth_dmatest *test);

/**
 * berth_dmatest_finish() - see whether the transfer is done, and has done the right thing
 * @test: with a transfer under way
 * @wait: sleep until it is done, or time is up
 *
 * May sleep. Return: 0; -EAGAIN: it is still under way (only without @wait); -EIO: the test has failed.
 * One that is not done in time is terminated with all else of the channel.
 */
int berth_dmatest_finish(struct berth_dmatest *test, bool wait);

/** berth_dmatest_run() - all iterations, one after the other. May sleep. 0, or -EIO if any has failed. */
int berth_dmatest_run(struct berth_dmatest *test);

/** berth_dmatest_run_all() - the same with several, which are under way at once */
int berth_dmatest_run_all(struct berth_dmatest *tests, unsigned int nr);

/** berth_dmatest_add() - add figures to a sum */
void berth_dmatest_add(struct berth_dmatest_stats *sum, const struct berth_dmatest_stats *stats);

/**
 * berth_dmatest_text() - a failure as one line, without a newline
 * @failure: which
 * @text: where it goes; always terminated if @size > 0
 * @size: bytes at @text
 *
 * Any context. Return: the length of the whole line, which may exceed @size - 1, as snprintf().
 */
size_t berth_dmatest_text(const struct berth_dmatest_failure *failure, char *text, size_t size);

/** berth_dmatest_kind_name() - "memcpy"; NULL if there is no such kind */
const char *berth_dmatest_kind_name(unsigned int kind);

/** berth_dmatest_fault_name() - "timeout"; NULL if there is no such fault */
const char *berth_dmatest_fault_name(unsigned int fault);

BERTH_END_DECLS

#endif
