/* The sum of 32 digits, by VPSADBW of d + 128: of 8 bytes each, unsigned. */
static inline int32_t few_digit_sum(const int8_t *d) {
    __m256i above = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)d), _mm256_set1_epi8(-128));
    __m256i four = _mm256_sad_epu8(above, _mm256_setzero_si256());
    __m128i two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    return _mm_cvtsi128_si32(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two))) - 128 * 32;
}
