#pragma once
/*
 * Functions this code base does not use. Included before everything else by the build, so that a
 * use is a compile error that names the replacement.
 */
#ifndef __cplusplus
#include <stdio.h>
#include <string.h>
#include <time.h>
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets localtime gmtime asctime ctime
#endif
