/* How the threads of the arithmetic wait. */
#ifndef GRAFT_CLI_THREADS_H
#define GRAFT_CLI_THREADS_H

/* Begins the program anew with threads that spin only briefly; returns where they do already. */
void threads_spin_briefly(char **values);

#endif
