/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from the inside: what a device tree says about them. */
#ifndef BERTH_LIB_INTERRUPT_H
#define BERTH_LIB_INTERRUPT_H

#include <berth/types.h>

/* How @irq is triggered when request_irq() does not say; levels unless this was called. */
void berth_irq_set_edge(unsigned int irq, bool is_edge);

/* Around whatever the port calls as an interrupt would be: tasklets run when the last one leaves. */
void berth_handler_enter(void);
void berth_handler_leave(void);

#endif
