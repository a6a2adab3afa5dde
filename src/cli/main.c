/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora: the program people type. */
#include <stdio.h>

int main(void)
{
    puts("kinora " KN_VERSION);
    return 0;
}
