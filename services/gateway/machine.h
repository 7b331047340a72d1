/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_MACHINE_H
#define GATEWAY_MACHINE_H

/*
 * By what a machine is known again: the addresses that its network cards were made
 * with. The machine-id will not do, it is copied with the disk; cards on USB move from
 * one machine to the next.
 */

#include <stddef.h>

#include "base/conf.h"

enum { MACHINE_BYTES = 512 };

/* The words for spool_open(): of the setting, else of the cards; "" when none is. */
void machine_words(const struct conf *conf, char *out, size_t room);

#define MACHINE_KEYS                                                                   \
	CONF_KEY(TEXT, machine, "",                                                    \
	        "a word for this machine, where its network cards change; a spool "    \
	        "that wakes up under another one begins a new life")

#endif
