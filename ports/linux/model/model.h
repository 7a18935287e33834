/* SPDX-License-Identifier: BSD-2-Clause */
/* The modelled SoC from the inside: berth/model-device.h by the names that the model's files use. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <berth/model-device.h>
#include <berth/model.h>

#include "names.h"

#define MODEL_MAX_IRQS BERTH_MODEL_MAX_IRQS
#define MODEL_MAX_WINDOWS BERTH_MODEL_MAX_WINDOWS
#define MODEL_BYPASSED BERTH_MODEL_BYPASSED
#define MODEL_TRANSLATED BERTH_MODEL_TRANSLATED

/* All kinds there are, NULL at the end; devices.c. */
extern const struct model_device_type *const model_device_types[];

#endif
