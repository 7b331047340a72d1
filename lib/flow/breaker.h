/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BREAKER_H
#define FLOW_BREAKER_H

/*
 * Tells a bad release from bad records. A mapping or a table that is wrong refuses what
 * many villages send, and for the same reason: then the sink halts instead of filling
 * the dead letters. One village's broken system never trips it (docs/decisions/0020).
 *
 * A breaker is a value: copy it before a transaction, put the copy back when that
 * fails.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	BREAKER_FAILURES = 20,    /* that are remembered */
	BREAKER_VILLAGES = 3,     /* alike among them */
	BREAKER_RECORDS = 10000,  /* after which a failure is forgotten */
	BREAKER_IN_A_ROW = 5,     /* of a mapping that is new */
	BREAKER_NEW_UNTIL = 1000, /* records a mapping has taken */
};

struct breaker_failure {
	char village_code[16];
	char sqlstate[8];
	char constraint[64];
	int64_t at;
};

struct breaker {
	struct breaker_failure failures[BREAKER_FAILURES];
	int used;
	int next;
	int in_a_row;
	int64_t records; /* seen so far */
};

/* The tables took so many records. */
void breaker_passed(struct breaker *breaker, int64_t records);

/* They refused one. mapping_taken: how many its mapping has taken. True: halt. */
bool breaker_failed(struct breaker *breaker, const char *village_code,
        const char *sqlstate, const char *constraint, int64_t mapping_taken);

#endif
