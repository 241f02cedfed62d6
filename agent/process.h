/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - what the program needs around it, whoever started it.
 */
#ifndef AGENT_PROCESS_H
#define AGENT_PROCESS_H

/*
 * First of all: no socket or file of ours must become standard output, a
 * reader that went away must not end a measurement, and a check needs some
 * hundred descriptors.
 */
void process_prepare(void);

/*
 * Last of all: was everything written?  Returns the exit status, which is
 * another when standard output failed.
 */
int process_finish(int status);

#endif
