/* SPDX-License-Identifier: MIT */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

/*
 * A fault says what went wrong and, by its kind, what to do next. The caller owns the
 * struct; whoever fails fills it with fault_set(), whoever passes it on may put in
 * front what was attempted. It is logged once, where a service decides.
 *
 * The text never holds a value of a record: names of fields, offsets and codes only.
 */

#include <stdbool.h>
#include <stdarg.h>

#define MUST_CHECK               __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

enum fault_kind {
	FAULT_NONE = 0,
	FAULT_RETRY,  /* nothing happened; the same call may succeed later */
	FAULT_REJECT, /* this message can never succeed; set it aside */
	FAULT_UNSURE, /* it may have happened; repeat only what is harmless to repeat */
	FAULT_STOP,   /* this process cannot go on; a person has to act */
};

enum {
	FAULT_TEXT_BYTES = 480,
	FAULT_CODE_BYTES = 32,
};

struct fault {
	enum fault_kind kind;
	/* The outside part's own word: an SQLSTATE, "disk-full", "out-of-memory", ...
	 */
	char code[FAULT_CODE_BYTES];
	char text[FAULT_TEXT_BYTES];
};

/* Fill the fault, with an empty code; always false, so that failing is one line. */
bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
        PRINTF_LIKE(3, 4);

/* As fault_set(), with a code. */
bool fault_code(struct fault *fault, enum fault_kind kind, const char *code,
        const char *format, ...) PRINTF_LIKE(4, 5);

/* Put "what was attempted: " in front of the text; kind and code stay. Always false. */
bool fault_wrap(struct fault *fault, const char *format, ...) PRINTF_LIKE(2, 3);

/* FAULT_STOP with the code that makes svc_end() exit 70: restart me. Always false. */
bool fault_memory(struct fault *fault);

void fault_clear(struct fault *fault);

/* The kind in a word, for logs. */
const char *fault_kind_name(enum fault_kind kind);

#endif
