/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: host-generic - PCI hosts whose configuration space is plain memory ("pci-host-ecam-generic")
 *
 * The function @f of slot @s on bus @b has its 4 KiB at (b << 20 | s << 15 | f << 12).
 */
#ifndef BERTH_DRIVERS_PCI_HOST_GENERIC_H
#define BERTH_DRIVERS_PCI_HOST_GENERIC_H

#include <berth/platform_device.h>

BERTH_BEGIN_DECLS

/* For the list of berth_start(). */
extern const struct platform_driver berth_pci_host_generic_driver;

BERTH_END_DECLS

#endif
