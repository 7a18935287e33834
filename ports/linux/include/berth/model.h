/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: model - the modelled SoC: settings, figures, and the outside world of its devices
 *
 * RAM exists as the CPU sees it through its caches, and as it is in memory. Devices that are not
 * coherent see the second. Time is virtual and everything is repeatable: the same program, tree and
 * settings give the same run, bit for bit. docs/model.md explains the cache; docs/model-devices.md
 * has the register blocks.
 */
#ifndef BERTH_MODEL_H
#define BERTH_MODEL_H

#include <berth/machine.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum berth_model_cache - when the cache does what it may do
 * @BERTH_MODEL_CACHE_RANDOM: write-back and refill by chance, from the seed
 * @BERTH_MODEL_CACHE_ADVERSARIAL: at the worst moment: a dirty line that a device should read is
 *	never written back early, one that a device has written to is evicted right afterwards, a
 *	line is refilled right after it was handed to the device
 * @BERTH_MODEL_CACHE_QUIET: never; the cache does only what it is told
 */
enum berth_model_cache {
	BERTH_MODEL_CACHE_RANDOM,
	BERTH_MODEL_CACHE_ADVERSARIAL,
	BERTH_MODEL_CACHE_QUIET,
};

/**
 * enum berth_model_cache_op - cache maintenance that the model was asked for
 */
enum berth_model_cache_op {
	BERTH_MODEL_CLEAN,
	BERTH_MODEL_INVALIDATE,
	BERTH_MODEL_FLUSH,
};

/**
 * struct berth_model_smmu_config - settings of the SMMUs; all zero is QEMU's SMMUv3 with caches
 * @iotlb_entries: of the IOTLB; 0: 64; at most 65536
 * @iotlb_ways: entries of a set; 0: all, any entry may be anywhere
 * @walk_entries: of the caches of table descriptors of levels 0, 1 and 2, each; 0: 16, 16, 32
 * @latency_ns: what a command takes, and a register until it is acknowledged; 0: nothing, a write to
 *	CMDQ_PROD returns when the commands are done
 * @has_msi: IDR0.MSI: interrupts as writes to memory or a doorbell, if their address is set
 * @no_range: no range invalidation (IDR3.RIL)
 * @no_two_level: no two-level stream tables (IDR0.STLEVEL)
 * @watch_stale: count @stale_hits; costs a walk for each hit of the IOTLB
 */
struct berth_model_smmu_config {
	unsigned int iotlb_entries;
	unsigned int iotlb_ways;
	unsigned int walk_entries[3];
	unsigned int latency_ns;
	bool has_msi;
	bool no_range;
	bool no_two_level;
	bool watch_stale;
};

/**
 * struct berth_model_config - settings; all zero is a good choice
 * @seed: of everything that happens by chance
 * @line_size: bytes of a cache line: 32, 64, 128; 0: 64
 * @cache: when write-backs and refills happen
 * @write_back_permille: chance for a dirty line, per opportunity; 0: the default, 125
 * @refill_permille: chance for a clean line, per opportunity; 0: the default, 250
 * @follow_permille: chance that memory follows at once when a coherent device writes; 0: 500
 * @drop_cache_op: leave out the N-th cache operation, counted from 1; 0: none
 * @no_fresh_pattern: do not fill newly allocated memory with a pattern
 * @on_cache_op: called for each operation with its number, before it is done, if not NULL
 * @on_cache_op_data: handed to it
 * @smmu: settings of the SMMUs of the tree, read during berth_start(); NULL: all zero
 */
struct berth_model_config {
	uint64_t seed;
	unsigned int line_size;
	enum berth_model_cache cache;
	unsigned int write_back_permille;
	unsigned int refill_permille;
	unsigned int follow_permille;
	uint64_t drop_cache_op;
	bool no_fresh_pattern;
	void (*on_cache_op)(void *data, uint64_t number, enum berth_model_cache_op op,
			    phys_addr_t phys, uint64_t size);
	void *on_cache_op_data;
	const struct berth_model_smmu_config *smmu;
};

/* The machine for struct berth_options; its config is a struct berth_model_config, or NULL. */
extern const struct berth_machine berth_model;

/**
 * struct berth_model_stats - what happened since berth_start()
 * @cache_ops: cache operations asked for, the dropped one included
 * @cache_lines: lines they went over
 * @written_back: dirty lines that an operation wrote back
 * @evicted: dirty lines that were written back by chance
 * @refilled: clean lines that were read again by chance
 * @dma_read: bytes that devices read
 * @dma_written: bytes that devices wrote
 * @bus_errors: device accesses that met no RAM
 * @register_accesses: accesses by drivers
 * @events: steps of device state machines
 * @interrupts: deliveries
 * @now_ns: virtual time
 * @digest: a running hash over every event, in order, with its data: equal for equal runs
 */
struct berth_model_stats {
	uint64_t cache_ops;
	uint64_t cache_lines;
	uint64_t written_back;
	uint64_t evicted;
	uint64_t refilled;
	uint64_t dma_read;
	uint64_t dma_written;
	uint64_t bus_errors;
	uint64_t register_accesses;
	uint64_t events;
	uint64_t interrupts;
	uint64_t now_ns;
	uint64_t digest;
};

/** berth_model_stats() - figures of the run, also after berth_stop(), until the next start. */
void berth_model_stats(struct berth_model_stats *stats);

/** berth_model_time() - virtual time in ns, as of the last event. Takes no lock: any context. */
uint64_t berth_model_time(void);

/**
 * enum berth_model_smmu_command - the commands of an SMMU, as they are counted
 * @BERTH_MODEL_SMMU_PREFETCH: both, which have no effect
 * @BERTH_MODEL_SMMU_CFGI_STE: one stream's entry
 * @BERTH_MODEL_SMMU_CFGI_RANGE: of a range of streams, or all
 * @BERTH_MODEL_SMMU_CFGI_CD: one context descriptor
 * @BERTH_MODEL_SMMU_CFGI_CD_ALL: all of a stream
 * @BERTH_MODEL_SMMU_TLBI_ALL: TLBI_NH_ALL and TLBI_NSNH_ALL
 * @BERTH_MODEL_SMMU_TLBI_ASID: an address space
 * @BERTH_MODEL_SMMU_TLBI_VA: an address, or a range, of an address space
 * @BERTH_MODEL_SMMU_TLBI_VAA: the same in all
 * @BERTH_MODEL_SMMU_SYNC: CMD_SYNC
 * @BERTH_MODEL_SMMU_UNKNOWN: any other, which is an error
 * @BERTH_MODEL_SMMU_COMMANDS: how many there are
 */
enum berth_model_smmu_command {
	BERTH_MODEL_SMMU_PREFETCH,
	BERTH_MODEL_SMMU_CFGI_STE,
	BERTH_MODEL_SMMU_CFGI_RANGE,
	BERTH_MODEL_SMMU_CFGI_CD,
	BERTH_MODEL_SMMU_CFGI_CD_ALL,
	BERTH_MODEL_SMMU_TLBI_ALL,
	BERTH_MODEL_SMMU_TLBI_ASID,
	BERTH_MODEL_SMMU_TLBI_VA,
	BERTH_MODEL_SMMU_TLBI_VAA,
	BERTH_MODEL_SMMU_SYNC,
	BERTH_MODEL_SMMU_UNKNOWN,
	BERTH_MODEL_SMMU_COMMANDS,
};

/**
 * struct berth_model_smmu_stats - what an SMMU did since berth_start()
 * @translations: accesses of devices, of a page at most each, that were to be translated
 * @bypassed: that passed as they were
 * @aborted: that were refused without an event: by the STE, or by GBPR
 * @faults: that were refused for another reason
 * @iotlb_hits: translations that the IOTLB knew
 * @iotlb_misses: that it did not: walks
 * @stale_hits: hits for which the tables in memory said otherwise; with @watch_stale
 * @walk_hits: of the caches of table descriptors of levels 0, 1, 2: where the walk began
 * @walk_misses: of the same, asked in vain, the deepest first
 * @walk_reads: descriptors read from memory
 * @evicted: entries of the IOTLB and the walk caches that gave way to others
 * @config_lookups: times that a stream's STE and CD were needed
 * @config_reads: STEs, their first-level descriptors, and CDs read from memory
 * @commands: by kind, see &enum berth_model_smmu_command
 * @command_errors: that stopped the queue
 * @invalidations: commands that invalidate translations
 * @range_invalidations: of these, those that name a range by its granule
 * @iotlb_dropped: entries that they took out of the IOTLB
 * @walks_dropped: out of the walk caches
 * @events_recorded: events in the queue
 * @events_lost: that were not: no room, no queue, or no memory
 * @interrupts: edges on its lines
 * @messages: interrupts that were written to memory instead
 * @register_reads: of its registers
 * @register_writes: of its registers
 */
struct berth_model_smmu_stats {
	uint64_t translations;
	uint64_t bypassed;
	uint64_t aborted;
	uint64_t faults;
	uint64_t iotlb_hits;
	uint64_t iotlb_misses;
	uint64_t stale_hits;
	uint64_t walk_hits[3];
	uint64_t walk_misses[3];
	uint64_t walk_reads;
	uint64_t evicted;
	uint64_t config_lookups;
	uint64_t config_reads;
	uint64_t commands[BERTH_MODEL_SMMU_COMMANDS];
	uint64_t command_errors;
	uint64_t invalidations;
	uint64_t range_invalidations;
	uint64_t iotlb_dropped;
	uint64_t walks_dropped;
	uint64_t events_recorded;
	uint64_t events_lost;
	uint64_t interrupts;
	uint64_t messages;
	uint64_t register_reads;
	uint64_t register_writes;
};

/**
 * berth_model_smmu_stats() - figures of an SMMU
 * @path: its node; NULL: the first one of the tree
 * @stats: filled in
 *
 * While berth runs, any thread. Return: 0, or -ENODEV.
 */
int berth_model_smmu_stats(const char *path, struct berth_model_smmu_stats *stats);

/** berth_model_memory() - RAM as it is in memory, behind the caches; NULL if there is none. */
void *berth_model_memory(phys_addr_t phys);

/**
 * berth_model_camera_source() - what a camera looks at
 * @path: the camera's node
 * @next: fills in the next picture of exactly @size bytes and up to @extra_size bytes of text that
 *	goes with it; false: there is no more, the camera stops. NULL: the camera's test pattern
 * @data: handed to @next
 *
 * After berth_start(), before the camera streams. Return: 0, or -ENODEV.
 */
int berth_model_camera_source(const char *path,
			      bool (*next)(void *data, void *picture, size_t size, char *extra,
					   size_t extra_size),
			      void *data);

/**
 * berth_model_display_sink() - who looks at a display
 * @path: the display's node
 * @shown: called for each picture that was scanned out, with what was on the screen
 * @data: handed to @shown
 *
 * After berth_start(). Return: 0, or -ENODEV.
 */
int berth_model_display_sink(const char *path,
			     void (*shown)(void *data, const void *picture, size_t size,
					   const char *extra),
			     void *data);

/**
 * berth_model_rtl8139_wire() - who gets what a network card sends
 * @path: the card's node
 * @sent: called for each frame on the wire, without its checksum; may call
 *	berth_model_rtl8139_deliver(). NULL: nobody
 * @data: handed to @sent
 *
 * After berth_start(). Return: 0, or -ENODEV.
 */
int berth_model_rtl8139_wire(const char *path,
			     void (*sent)(void *data, const void *frame, size_t size), void *data);

/**
 * berth_model_rtl8139_deliver() - a frame for a network card
 * @path: the card's node
 * @frame: copied
 * @size: bytes without the checksum, 14 to 4092
 * @is_damaged: its checksum is wrong
 *
 * It comes in behind those that were delivered before, at the speed of the wire. Any thread, while
 * berth runs. Return: 0; -ENODEV; -EINVAL; -ENOMEM; -EBUSY: 1024 frames are on their way.
 */
int berth_model_rtl8139_deliver(const char *path, const void *frame, size_t size, bool is_damaged);

/** berth_model_rtl8139_plug() - plug a card's cable in, or pull it. Return: 0, or -ENODEV. */
int berth_model_rtl8139_plug(const char *path, bool is_plugged);

/** berth_model_rtl8139_jam() - the next @attempts to send meet collisions. Return: 0, or -ENODEV. */
int berth_model_rtl8139_jam(const char *path, unsigned int attempts);

/**
 * berth_model_pdma_speed() - how long a PDMA takes
 * @path: its node
 * @ns_per_kib: of 1024 bytes, with nothing on top; 0: as its data sheet says
 *
 * 256 bytes at a time. Of transfers that start, or go on, afterwards. Return: 0, or -ENODEV.
 */
int berth_model_pdma_speed(const char *path, uint64_t ns_per_kib);

/**
 * berth_model_pdma_fail() - a transaction of a PDMA meets a bus error
 * @path: its node
 * @nth: which from now on, of all channels; 1 is the next one. 0: none
 * @at_destination: it is a write; else a read
 *
 * Those before it have moved their data. Return: 0, or -ENODEV.
 */
int berth_model_pdma_fail(const char *path, uint64_t nth, bool at_destination);

/**
 * berth_model_pdma_hang() - channels of a PDMA stand still
 * @path: its node
 * @channels: bit n: channel n. What it runs, and what it starts, makes no progress, until it is stopped
 *	and started again without its bit
 *
 * Return: 0, or -ENODEV.
 */
int berth_model_pdma_hang(const char *path, uint32_t channels);

/**
 * struct berth_model_fifo_stats - what a FIFO has played and sampled
 * @consumed: bytes written into its window
 * @produced: bytes read from there
 * @breaks: words of 8 bytes that were not one more than the one before; the first one has to be 0
 * @first_break: the byte, as it came, at which the first of these began
 */
struct berth_model_fifo_stats {
	uint64_t consumed;
	uint64_t produced;
	uint64_t breaks;
	uint64_t first_break;
};

/**
 * berth_model_fifo_stats() - figures of a FIFO
 * @path: its node
 * @stats: filled in
 *
 * While berth runs, any thread; takes no virtual time. Return: 0, or -ENODEV.
 */
int berth_model_fifo_stats(const char *path, struct berth_model_fifo_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
