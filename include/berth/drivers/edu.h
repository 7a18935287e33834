/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: edu - QEMU's educational PCI device (docs/specs/edu.txt of QEMU)
 *
 * It computes factorials, raises interrupts, and has a buffer of its own that DMA moves to and from
 * memory. How many address bits it has is a property of the machine that no register tells; see
 * berth_edu_set_dma_bits(). All functions may sleep, want a function to which the driver is bound,
 * and return -EBUSY while another one works with the same device.
 */
#ifndef BERTH_DRIVERS_EDU_EDU_H
#define BERTH_DRIVERS_EDU_EDU_H

#include <berth/dma-direction.h>
#include <berth/pci.h>
#include <berth/types.h>

BERTH_BEGIN_DECLS

#define BERTH_EDU_VENDOR 0x1234
#define BERTH_EDU_DEVICE 0x11e8

/* The device has 4096 bytes, but stops the machine for a transfer that touches the last one. */
#define BERTH_EDU_BUFFER_BYTES 4095u

/* Address bits of an edu about which nobody has said anything. */
#define BERTH_EDU_DMA_BITS 28u

/* For the list of berth_start(). */
extern const struct pci_driver berth_edu_driver;

/** berth_edu_version() - what the device says it is: 0xRRrr00ed for version RR.rr. */
uint32_t berth_edu_version(struct pci_dev *pdev);

/** berth_edu_check_alive() - whether its registers answer. Return: 0, -EIO, -EBUSY. */
int berth_edu_check_alive(struct pci_dev *pdev);

/**
 * berth_edu_factorial() - let the device compute @n!
 * @pdev: the function
 * @n: a number
 * @result: its factorial, modulo 2^32
 *
 * Ends with an interrupt. Return: 0, -ETIMEDOUT, -EBUSY.
 */
int berth_edu_factorial(struct pci_dev *pdev, uint32_t n, uint32_t *result);

/**
 * berth_edu_interrupt() - let the device raise an interrupt, and wait until it was handled
 * @pdev: the function
 * @causes: bits that the handler must find; not those that the device uses itself, 0x101
 *
 * Return: 0, -EINVAL, -ETIMEDOUT, -EBUSY.
 */
int berth_edu_interrupt(struct pci_dev *pdev, uint32_t causes);

/**
 * berth_edu_set_dma_bits() - how many address bits the device has
 * @pdev: the function
 * @bits: as many bits as its QEMU property dma_mask has
 *
 * Until this is called the device has BERTH_EDU_DMA_BITS. Return: 0; -EINVAL; -EIO if no memory lies
 * under so few bits: then the device does no DMA.
 */
int berth_edu_set_dma_bits(struct pci_dev *pdev, unsigned int bits);

/**
 * berth_edu_copy_to() - DMA from memory to the device's buffer
 * @pdev: the function
 * @offset: first byte in the device's buffer
 * @from: memory that dma_map_single() takes; the device has it during the call
 * @size: bytes
 *
 * Return: 0; -EINVAL for what is not in the device's buffer; -ENOMEM if @from cannot be mapped
 * (berth_last_error()); -ETIMEDOUT; -EIO if the device does no DMA, or not any more; -EBUSY.
 */
int berth_edu_copy_to(struct pci_dev *pdev, uint32_t offset, const void *from, size_t size);

/** berth_edu_copy_from() - DMA from the device's buffer to memory; as berth_edu_copy_to(). */
int berth_edu_copy_from(struct pci_dev *pdev, void *to, uint32_t offset, size_t size);

/**
 * berth_edu_copy_resource() - DMA between the device's buffer and another device
 * @pdev: the function
 * @offset: first byte in the device's buffer
 * @phys: the other device's registers or memory, for the CPU: dma_map_resource()
 * @size: bytes
 * @dir: DMA_TO_DEVICE from there to the buffer, DMA_FROM_DEVICE from the buffer to there
 *
 * For this no memory need be in reach of the device. Return: 0; -EINVAL; -ENOMEM if the bus leads
 * not there, or not under the mask (berth_last_error()); -EIO if it is not under the mask of a
 * device that reaches no memory, or the device does no DMA any more; -ETIMEDOUT; -EBUSY.
 */
int berth_edu_copy_resource(struct pci_dev *pdev, uint32_t offset, phys_addr_t phys, size_t size,
			    enum dma_data_direction dir);

/**
 * berth_edu_copy() - DMA from memory through the device's buffer to memory
 * @pdev: the function
 * @to: where the bytes go; does not overlap @from
 * @from: where they come from
 * @size: bytes, at least 1; more than BERTH_EDU_BUFFER_BYTES go in pieces
 *
 * Return: as berth_edu_copy_to().
 */
int berth_edu_copy(struct pci_dev *pdev, void *to, const void *from, size_t size);

BERTH_END_DECLS

#endif
