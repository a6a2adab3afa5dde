/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora-worker: the nursery. */
#include <stdio.h>

int main(void)
{
    puts("kinora-worker " KN_VERSION);
    return 0;
}
