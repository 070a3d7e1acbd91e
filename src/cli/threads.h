/* How the threads of the arithmetic wait. */
#ifndef GRAFT_CLI_THREADS_H
#define GRAFT_CLI_THREADS_H

/* They spin only briefly, which was arranged before main; what that took from the environment is there again.
 */
void threads_give_back(void);

#endif
