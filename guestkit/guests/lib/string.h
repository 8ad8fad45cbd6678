#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "types.h"

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *s, int c);
void copy_string(char *to, const char *from, size_t room);      /* always ends it with a 0 */
u32 parse_number(const char *s);                                /* decimal, or 0x and hexadecimal; stops at the first other character */

#endif
