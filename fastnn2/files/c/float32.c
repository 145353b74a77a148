/* The functions that a network in float32 needs. A line of dashes names what follows it; a file gets what it uses.

   exp, tanh and sigmoid are those of fastnn2/kernels/simd/elementary.py, operation by operation. */

/* --- NAME_fma --- */
/* NAME_fma(a, b, c) is a * b + c, rounded once. Compilers say where the processor has such an instruction; elsewhere
   it is computed from others, with the same result. */
#if defined(__GNUC__) && (defined(__FP_FAST_FMAF) || defined(__FMA__) || \
    (defined(__ARM_FEATURE_FMA) && defined(__ARM_FP) && (__ARM_FP & 4)) || \
    (defined(__riscv_flen) && __riscv_flen >= 32))
#if defined(__has_builtin)
#if __has_builtin(__builtin_elementwise_fma) /* Clang makes a call of some others, on systems without a library */
#define NAME_BUILTIN_FMA __builtin_elementwise_fma
#endif
#endif
#if !defined(NAME_BUILTIN_FMA)
#define NAME_BUILTIN_FMA __builtin_fmaf
#endif
static inline float NAME_fma(float a, float b, float c)
{
    return NAME_BUILTIN_FMA(a, b, c);
}
#else
/* A double holds the product exactly. The sum is rounded twice, to double and to float, which goes wrong only if the
   first makes it lie halfway between two floats. Then it moves to its neighbor on the side of the exact sum. */
static inline float NAME_fma(float a, float b, float c)
{
    union { double number; uint64_t bits; } sum;
    const double product = (double)a * b;
    double of_c, error;
    sum.number = product + c;
    if ((sum.bits & 0x1fffffff) == 0x10000000 || (sum.number > -0x1p-126 && sum.number < 0x1p-126)) {
        of_c = sum.number - product;
        error = (product - (sum.number - of_c)) + (c - of_c);
        if (error != 0)
            sum.bits += (error > 0) == (sum.number > 0) ? 1 : (uint64_t)-1;
    }
    return (float)sum.number;
}
typedef char NAME_double_has_64_bits[sizeof(double) == 8 ? 1 : -1];
#endif

/* --- NAME_not_a_number --- */
static inline float NAME_not_a_number(void)
{
    union { float number; uint32_t bits; } word;
    word.bits = (uint32_t)0x7fc0 << 16;
    return word.number;
}

/* --- NAME_with_sign --- */
/* |magnitude| with the sign of another number. */
static inline float NAME_with_sign(float magnitude, float sign)
{
    const uint32_t sign_bit = (uint32_t)1 << 31;
    union { float number; uint32_t bits; } word, other;
    word.number = magnitude;
    other.number = sign;
    word.bits = (word.bits & ~sign_bit) | (other.bits & sign_bit);
    return word.number;
}

/* --- NAME_power_of_two --- */
/* 2^k, where k + 127 is in the lowest bits of the mantissa of a number. */
static inline float NAME_power_of_two(float shifted)
{
    union { float number; uint32_t bits; } word;
    word.number = shifted;
    word.bits <<= 23;
    return word.number;
}

/* --- NAME_exp_parts --- */
/* p with e^x = 2^k p; the power of two of *shifted is 2^(k + shift). The sum of 1.5 * 2^23 and a number has this
   number, rounded to an integer, in its lowest bits. */
static inline float NAME_exp_parts(float x, float shift, float *k, float *shifted)
{
    const float rounder = 1.5f * 8388608.0f + 127.0f + shift;
    float r, q;
    *shifted = NAME_fma(x, 1.4426950408889634f, rounder);
    *k = *shifted - rounder;
    r = NAME_fma(*k, -1.428606765330187e-06f, NAME_fma(*k, -0.693145751953125f, x));
    q = 0.0013926176191150312f;
    q = NAME_fma(r, q, 0.00836317313152351f);
    q = NAME_fma(r, q, 0.04166655466162291f);
    q = NAME_fma(r, q, 0.16666577025255677f);
    q = NAME_fma(r, q, 0.5f);
    return 1.0f + NAME_fma(r * r, q, r);
}

/* --- NAME_exp --- */
static inline float NAME_exp(float x)
{
    const float rounder = 1.5f * 8388608.0f + 127.0f;
    float p, k, shifted, half, rest;
    x = -104.5f > x ? -104.5f : x;
    x = 89.0f < x ? 89.0f : x;
    p = NAME_exp_parts(x, 0.0f, &k, &shifted);
    half = NAME_fma(k, 0.5f, rounder);
    rest = (k - (half - rounder)) + rounder;
    return p * NAME_power_of_two(half) * NAME_power_of_two(rest);
}

/* --- NAME_exp_negative --- */
/* e^x for x <= 0. */
static inline float NAME_exp_negative(float x)
{
    float p, k, shifted;
    p = NAME_exp_parts(-104.5f > x ? -104.5f : x, 64.0f, &k, &shifted);
    return p * NAME_power_of_two(shifted) * 0x1p-64f;
}

/* --- NAME_sigmoid --- */
static inline float NAME_sigmoid(float x)
{
    const float e = NAME_exp_negative(NAME_with_sign(x, -1.0f));
    return (x < 0.0f ? e : 1.0f) / (e + 1.0f);
}

/* --- NAME_tanh --- */
static inline float NAME_tanh(float x)
{
    const float half = 1.5f * 8388608.0f + 127.0f - 1.0f;
    const float magnitude = NAME_with_sign(x, 1.0f), a = 22.0f < magnitude ? 22.0f : magnitude;
    const float shifted = NAME_fma(a, 2.0f * 1.4426950408889634f, half);
    const float t = NAME_fma(shifted - half, -0.34657359027997264f, a);
    const float f = NAME_power_of_two(shifted) - 0.5f, u = t * t;
    const float p = NAME_fma(u, NAME_fma(u, -0.022158836664078155f, 0.33333309550197254f), 1.0f), both = p + t;
    return NAME_with_sign(NAME_fma(f, both, t) / NAME_fma(f, both, p), x);
}
