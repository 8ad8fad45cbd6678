#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include "types.h"

/* Like vsnprintf with %d %u %x %c %s %% and, for 64 bits, %lu; a width, '-' and '0'. Returns what it stored, without the final 0. */
size_t format(char *to, size_t room, const char *text, va_list arguments);

#endif
