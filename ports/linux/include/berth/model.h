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

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
