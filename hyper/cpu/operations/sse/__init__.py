"""MMX, SSE, SSE2, SSE3, SSSE3 (SDM vol. 1, chapters 9 to 12): the opcode map is in `table`, the arithmetic in arithmetic.c."""
