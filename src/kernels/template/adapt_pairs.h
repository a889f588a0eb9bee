/* 8-bit tiles for VPMADDWD, which takes pairs: 16 lanes x 4 inputs -> the first two inputs of all lanes, then the other
 * two. Before including this, a file defines ADAPT, the function's name. */
void ADAPT(unsigned char *tiles, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 64) {
        unsigned char from[64];
        memcpy(from, tiles + at, sizeof from);
        for (int lane = 0; lane < PSTI_LANES; lane++) {
            memcpy(tiles + at + 2 * lane, from + 4 * lane, 2);
            memcpy(tiles + at + 32 + 2 * lane, from + 4 * lane + 2, 2);
        }
    }
}
