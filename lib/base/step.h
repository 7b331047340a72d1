/* SPDX-License-Identifier: MIT */
#ifndef BASE_STEP_H
#define BASE_STEP_H

/* What one unit of work came to; loops and tests call the same step functions. */
enum step {
	STEP_DONE,  /* something was done, there may be more */
	STEP_IDLE,  /* nothing to do now */
	STEP_FAULT, /* see the fault */
};

#endif
