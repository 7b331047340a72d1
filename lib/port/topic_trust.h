/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_TRUST_H
#define PORT_TOPIC_TRUST_H

/*
 * Why the hub and we do not believe each other, in words; for lib/port/topic_*.c only.
 * librdkafka tells it as a connection that fails, and tries for ever.
 */

#include <stddef.h>

#include "base/conf.h"
#include "base/fault.h"

/*
 * error and reason are what the library's error callback says. False: this is not about
 * trust, and out stays as it was. Looks at the files that the family kafka of the conf
 * names.
 */
bool topic_trust_words(
        const struct conf *conf, int error, const char *reason, char *out, size_t room);

/*
 * Whether the files that the family names can be used; FAULT_RETRY, code "trust", while
 * one is missing, not whole, or not of the others. Files in other forms (PKCS 12) are
 * left to the library.
 */
MUST_CHECK bool topic_trust_files(const struct conf *conf, struct fault *fault);

#endif
