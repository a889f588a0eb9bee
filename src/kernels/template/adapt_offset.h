/* 8-bit tiles for VPDPBUSD, whose first factor is unsigned: weights + 128. Padding becomes 128, its digits are 0.
 * Before including this, a file defines ADAPT, the function's name. */
void ADAPT(unsigned char *tiles, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        tiles[i] ^= 0x80;
}
