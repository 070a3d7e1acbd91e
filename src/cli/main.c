/* graft: the command. */
#include <stdio.h>

#include <graft/graft.h>

int main(void)
{
    printf("graft %s\n", graft_version());
    return 0;
}
