/* SPDX-License-Identifier: MIT */
#ifndef EVENT_VET_H
#define EVENT_VET_H

/*
 * What our own catalog must hold beyond being JSON and Avro, so that a mistake is told
 * in words where it was made and not by a department's database: names that Kafka
 * takes, each once; records with the whole head, columns of different names, forms that
 * exist, limits that leave something, defaults that a sender could send.
 */

#include "base/fault.h"
#include "event/catalog.h"

/* FAULT_STOP with the file or topic, the field and what is wrong. */
MUST_CHECK bool vet_catalog(const struct catalog *catalog, struct fault *fault);

#endif
