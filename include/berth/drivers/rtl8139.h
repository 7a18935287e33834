/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: rtl8139 - the Realtek RTL8139 network card
 *
 * A card with addresses of 32 bits. Frames go out of the caller's own memory, which is mapped for
 * the card until it has them; frames that come in lie in a contiguous ring until somebody takes
 * them. On PCI the card is what QEMU calls rtl8139; as a platform device it is "berth,model-rtl8139"
 * of docs/model-devices.md.
 *
 * All functions want a device to which one of the drivers is bound, and return -ENODEV if none is;
 * no call may begin when the driver is about to be removed. Where nothing else is said they are for
 * tasks.
 */
#ifndef BERTH_DRIVERS_RTL8139_H
#define BERTH_DRIVERS_RTL8139_H

#include <berth/pci.h>
#include <berth/platform_device.h>
#include <berth/types.h>

BERTH_BEGIN_DECLS

#define BERTH_RTL8139_VENDOR 0x10ec
#define BERTH_RTL8139_DEVICE 0x8139

/* Bytes of a frame, from the destination address on, without the checksum behind it. */
#define BERTH_RTL8139_MIN_FRAME 60u
#define BERTH_RTL8139_MAX_FRAME 1514u

/* Frames that the card can have at once. */
#define BERTH_RTL8139_SENDS 4u

/* Frames that are sent come back, and nothing goes to the wire. */
#define BERTH_RTL8139_LOOPBACK 0x1u
/* Frames to all addresses are received. */
#define BERTH_RTL8139_PROMISCUOUS 0x2u
/* Frames to all groups are received. */
#define BERTH_RTL8139_ALL_MULTICAST 0x4u

/* For the list of berth_start(). */
extern const struct pci_driver berth_rtl8139_pci_driver;
extern const struct platform_driver berth_rtl8139_platform_driver;

/**
 * struct berth_rtl8139_config - how a card is started
 * @ring_bytes: of the receive ring: 8192, 16384, 32768 or 65536; 0: 32768
 * @flags: BERTH_RTL8139_LOOPBACK and so on
 * @sent: called once for each frame that berth_rtl8139_send() took, when it is the caller's again;
 *	@error is 0, -EIO (the card could not send it, or was reset), or -ENXIO (the card was stopped
 *	before). Called in interrupt context, and by berth_rtl8139_stop(); it may send. May be NULL
 * @link: called in interrupt context when the cable is plugged or pulled. May be NULL
 * @data: handed to both
 */
struct berth_rtl8139_config {
	unsigned int ring_bytes;
	unsigned int flags;
	void (*sent)(void *data, void *frame, int error);
	void (*link)(void *data, bool is_up);
	void *data;
};

/**
 * struct berth_rtl8139_stats - what a card has done since its driver was bound
 * @tx_frames: frames sent
 * @tx_bytes: their bytes
 * @tx_errors: frames given back unsent
 * @tx_aborts: attempts that ended in too many collisions; each frame has four
 * @rx_frames: frames received
 * @rx_bytes: their bytes
 * @rx_errors: damaged frames, as far as the card told them apart, and frames that were too long
 * @rx_overflows: times that the ring was full
 * @rx_missed: frames for which it had no room
 * @bus_errors: accesses to memory that failed
 * @resets: times that the card was reset because it had lost its way
 */
struct berth_rtl8139_stats {
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_errors;
	uint64_t tx_aborts;
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t rx_errors;
	uint64_t rx_overflows;
	uint64_t rx_missed;
	uint64_t bus_errors;
	uint64_t resets;
};

/** berth_rtl8139_mac() - the card's address. Any context. Return: 0, -ENODEV. */
int berth_rtl8139_mac(struct device *dev, uint8_t mac[6]);

/**
 * berth_rtl8139_start() - allocate the ring, and let the card send and receive
 * @dev: the card
 * @config: copied
 *
 * May sleep. Return: 0; -EINVAL for a ring of no such size or unknown flags; -ENOMEM
 * (berth_last_error()); -EBUSY if it is started, or about to start or stop; -ETIMEDOUT if the card
 * does not come out of its reset.
 */
int berth_rtl8139_start(struct device *dev, const struct berth_rtl8139_config *config);

/**
 * berth_rtl8139_stop() - no more frames
 *
 * Frames that were not sent come back through @sent, who receives gets -ENXIO; on return the card
 * touches no memory, and nobody is called any more. Removing the driver stops the card. May sleep;
 * not to be called from @sent or @link. Return: 0; -ENXIO if it is not started; -EBUSY if somebody
 * else starts or stops it; -ETIMEDOUT if the card does not obey: then it keeps ring and frames,
 * nothing is sent or received, and this may be tried again.
 */
int berth_rtl8139_stop(struct device *dev);

/**
 * berth_rtl8139_send() - give a frame to the card
 * @dev: the card
 * @frame: memory that dma_map_single() takes, at a multiple of four; the card's until @sent
 * @size: bytes, BERTH_RTL8139_MIN_FRAME to BERTH_RTL8139_MAX_FRAME; nothing is padded
 *
 * Frames go out in the order in which they were taken. Any context. Return: 0 if it was taken;
 * -EBUSY if the card has BERTH_RTL8139_SENDS frames, or is being reset; -EINVAL; -ENOMEM if @frame
 * cannot be mapped (berth_last_error()); -ENXIO if the card is not started; -EIO if it is broken.
 */
int berth_rtl8139_send(struct device *dev, void *frame, size_t size);

/**
 * berth_rtl8139_receive() - take the oldest frame out of the ring
 * @dev: the card
 * @buffer: where it goes, without its checksum; any memory of the CPU's
 * @size: bytes of @buffer, at least BERTH_RTL8139_MAX_FRAME
 * @timeout: jiffies to wait for one; 0: do not wait
 *
 * One task at a time. While it is between two calls up to a ring full of frames waits; what comes
 * beyond is lost and counted. Damaged frames are left out. May sleep. Return: bytes; -ETIMEDOUT;
 * -EINVAL; -EBUSY if another one receives; -ENXIO if the card is not started, or was stopped
 * meanwhile; -EIO if it is broken.
 */
int berth_rtl8139_receive(struct device *dev, void *buffer, size_t size, unsigned long timeout);

/** berth_rtl8139_has_link() - whether a cable is plugged in. Any context. */
bool berth_rtl8139_has_link(struct device *dev);

/** berth_rtl8139_stats() - what it has done. Any context. Return: 0, -ENODEV. */
int berth_rtl8139_stats(struct device *dev, struct berth_rtl8139_stats *stats);

BERTH_END_DECLS

#endif
