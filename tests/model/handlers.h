/* SPDX-License-Identifier: BSD-2-Clause */
/* In the place of src/lib/: what the port calls upwards. */
#ifndef TESTS_MODEL_HANDLERS_H
#define TESTS_MODEL_HANDLERS_H

#include <berth/port.h>

static bool (*on_irq)(unsigned int irq);
static void (*on_alarm)(void);

bool berth_irq_handle(unsigned int irq)
{
	return on_irq && on_irq(irq);
}

void berth_timer_handle(void)
{
	if (on_alarm)
		on_alarm();
}

#endif
