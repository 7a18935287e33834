/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests on the model share: cmocka, and a machine that starts and stops. */
#ifndef TESTS_MODEL_MACHINE_H
#define TESTS_MODEL_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/berth.h>
#include <berth/model.h>

#include "trees.h"

/* Start a tree on the model; @config may be NULL. */
static inline int start_tree(const void *tree, const struct berth_driver *drivers,
			     const struct berth_model_config *config)
{
	const struct berth_options options = { .machine = &berth_model, .machine_config = config };

	return berth_start(tree, drivers, &options);
}

/* The same, with boot arguments, and it must work. */
static inline void must_start(const void *tree, const struct berth_driver *drivers,
			      const char *bootargs)
{
	const struct berth_options options = { .machine = &berth_model, .bootargs = bootargs };
	char why[200];

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	if (berth_start(tree, drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
}

static inline void must_stop(void)
{
	char why[200];

	if (berth_stop()) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_stop: %s", why);
	}
}

static inline void assert_reason(enum berth_reason reason)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	if (berth_last_error()->reason != reason)
		fail_msg("wanted reason %d, got %d: %s", reason, berth_last_error()->reason, why);
}

#endif
