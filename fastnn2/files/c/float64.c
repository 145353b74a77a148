/* The functions that a network in float64 needs. A line of dashes names what follows it; a file gets what it uses.

   exp, tanh and sigmoid are those of fastnn2/kernels/simd/elementary.py, operation by operation. */

/* --- NAME_fma --- */
/* NAME_fma(a, b, c) is a * b + c, rounded once. Compilers say where the processor has such an instruction; elsewhere
   it is computed from others, with the same result. */
#if defined(__GNUC__) && (defined(__FP_FAST_FMA) || defined(__FMA__) || \
    (defined(__ARM_FEATURE_FMA) && defined(__ARM_FP) && (__ARM_FP & 8)) || \
    (defined(__riscv_flen) && __riscv_flen >= 64))
#if defined(__has_builtin)
#if __has_builtin(__builtin_elementwise_fma) /* Clang makes a call of some others, on systems without a library */
#define NAME_BUILTIN_FMA __builtin_elementwise_fma
#endif
#endif
#if !defined(NAME_BUILTIN_FMA)
#define NAME_BUILTIN_FMA __builtin_fma
#endif
static inline double NAME_fma(double a, double b, double c)
{
    return NAME_BUILTIN_FMA(a, b, c);
}
#else
/* Sets *sum + *error = a + b exactly, where *sum is rounded to nearest (Knuth). */
static inline void NAME_two_sum(double a, double b, double *sum, double *error)
{
    const double s = a + b, of_b = s - a;
    *sum = s;
    *error = (a - (s - of_b)) + (b - of_b);
}

/* A number that is not zero, infinite or NaN is *mantissa * 2^exponent with 2^52 <= *mantissa < 2^53. */
static inline int NAME_exponent(double x, uint64_t *mantissa)
{
    union { double number; uint64_t bits; } word;
    int exponent;
    word.number = x;
    exponent = (int)(word.bits >> 52 & 0x7ff);
    *mantissa = word.bits & 0xfffffffffffffu;
    if (exponent) {
        *mantissa |= (uint64_t)1 << 52;
        return exponent - 1075;
    }
    for (exponent = -1074; !(*mantissa >> 52); exponent--)
        *mantissa <<= 1;
    return exponent;
}

/* Shifts a number of 128 bits to the right; its lowest bit becomes 1 if any bit that is lost is 1. */
static inline void NAME_shift_right(uint64_t *high, uint64_t *low, int count)
{
    uint64_t lost = 0;
    if (count >= 128) {
        lost = *high | *low;
        *high = *low = 0;
    } else if (count >= 64) {
        lost = *low | (count > 64 ? *high << (128 - count) : 0);
        *low = *high >> (count - 64);
        *high = 0;
    } else if (count > 0) {
        lost = *low << (64 - count);
        *low = *low >> count | *high << (64 - count);
        *high >>= count;
    }
    *low |= lost != 0;
}

/* a * b + c in integers, for numbers of any size. Product and c get 128 bits each, with the highest bit of both near
   the top; the one with the smaller exponent is shifted to that of the other. */
static double NAME_fma_of_any_size(double a, double b, double c)
{
    union { double number; uint64_t bits; } word;
    uint64_t ma, mb, mc, high, low, c_high, c_low = 0, cross;
    int exponent, c_exponent, negative, c_negative;
    if (a - a != 0 || b - b != 0)
        return a * b + c;
    if (c - c != 0)
        return c;
    if (a == 0 || b == 0)
        return a * b + c;
    if (c == 0)
        return a * b;
    exponent = NAME_exponent(a, &ma) + NAME_exponent(b, &mb) - 20;
    c_exponent = NAME_exponent(c, &mc) - 72;
    negative = (a < 0) != (b < 0);
    c_negative = c < 0;
    ma <<= 10;
    mb <<= 10;
    cross = (ma >> 32) * (mb & 0xffffffffu) + ((ma & 0xffffffffu) * (mb & 0xffffffffu) >> 32);
    low = (cross & 0xffffffffu) + (ma & 0xffffffffu) * (mb >> 32);
    high = (ma >> 32) * (mb >> 32) + (cross >> 32) + (low >> 32);
    low = ma * mb;
    c_high = mc << 8;
    if (exponent < c_exponent) {
        NAME_shift_right(&high, &low, c_exponent - exponent);
        exponent = c_exponent;
    } else
        NAME_shift_right(&c_high, &c_low, exponent - c_exponent);
    if (negative == c_negative) {
        low += c_low;
        high += c_high + (low < c_low);
    } else {
        if (high < c_high || (high == c_high && low < c_low)) {
            const uint64_t swap_high = high, swap_low = low;
            high = c_high;
            low = c_low;
            c_high = swap_high;
            c_low = swap_low;
            negative = c_negative;
        }
        high -= c_high + (low < c_low);
        low -= c_low;
        if (!(high | low))
            return 0;
    }
    for (; !(high >> 63); exponent--) {
        high = high << 1 | low >> 63;
        low <<= 1;
    }
    exponent += 127 + 1022; /* 0 for the smallest normal numbers */
    if (exponent > 2045)
        word.bits = (uint64_t)0x7ff << 52;
    else {
        if (exponent < 0) {
            NAME_shift_right(&high, &low, exponent < -200 ? 200 : -exponent);
            exponent = 0;
        }
        low = (high & 0x7ff) << 1 | (low != 0);
        word.bits = ((uint64_t)exponent << 52) + (high >> 11);
        word.bits += low > 0x800 || (low == 0x800 && (word.bits & 1));
    }
    return negative ? -word.number : word.number;
}

/* Product and sum as unevaluated sums of two numbers (Dekker, Knuth). The last addition may lie halfway between two
   numbers only if the lower half is a power of two. Where that comes from rounding, the lower half moves to its neighbor
   on the side of the exact sum (after Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008). No
   number in between may overflow or lose bits, so others take the way above. */
static inline double NAME_fma(double a, double b, double c)
{
    union { double number; uint64_t bits; } lower;
    const double abs_a = a < 0 ? -a : a, abs_b = b < 0 ? -b : b, abs_c = c < 0 ? -c : c;
    double a_high, a_low, b_high, b_low, product, product_low, high, low, sum, sum_low, error;
    if (!(abs_a > 0x1p-300 && abs_a < 0x1p300 && abs_b > 0x1p-300 && abs_b < 0x1p300 && abs_c > 0x1p-600
          && abs_c < 0x1p600))
        return NAME_fma_of_any_size(a, b, c);
    a_high = 134217729.0 * a;
    a_high = a_high - (a_high - a);
    a_low = a - a_high;
    b_high = 134217729.0 * b;
    b_high = b_high - (b_high - b);
    b_low = b - b_high;
    product = a * b;
    product_low = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    NAME_two_sum(c, product_low, &high, &low);
    NAME_two_sum(product, high, &sum, &sum_low);
    NAME_two_sum(low, sum_low, &lower.number, &error);
    if (!(lower.bits & 0xfffffffffffffu) && error != 0)
        lower.bits += (error > 0) == (lower.number > 0) ? 1 : (uint64_t)-1;
    return sum + lower.number;
}
#endif

/* --- NAME_not_a_number --- */
static inline double NAME_not_a_number(void)
{
    union { double number; uint64_t bits; } word;
    word.bits = (uint64_t)0x7ff8 << 48;
    return word.number;
}

/* --- NAME_with_sign --- */
/* |magnitude| with the sign of another number. */
static inline double NAME_with_sign(double magnitude, double sign)
{
    const uint64_t sign_bit = (uint64_t)1 << 63;
    union { double number; uint64_t bits; } word, other;
    word.number = magnitude;
    other.number = sign;
    word.bits = (word.bits & ~sign_bit) | (other.bits & sign_bit);
    return word.number;
}

/* --- NAME_power_of_two --- */
/* 2^k, where k + 1023 is in the lowest bits of the mantissa of a number. */
static inline double NAME_power_of_two(double shifted)
{
    union { double number; uint64_t bits; } word;
    word.number = shifted;
    word.bits <<= 52;
    return word.number;
}

/* --- NAME_exp_parts --- */
/* p with e^x = 2^k p; the power of two of *shifted is 2^(k + shift). The sum of 1.5 * 2^52 and a number has this
   number, rounded to an integer, in its lowest bits. */
static inline double NAME_exp_parts(double x, double shift, double *k, double *shifted)
{
    const double rounder = 1.5 * 4503599627370496.0 + 1023.0 + shift;
    double r, q;
    *shifted = NAME_fma(x, 1.4426950408889634, rounder);
    *k = *shifted - rounder;
    r = NAME_fma(*k, -1.9082149292705877e-10, NAME_fma(*k, -0.6931471803691238, x));
    q = 2.5100375924709717e-08;
    q = NAME_fma(r, q, 2.762007599981065e-07);
    q = NAME_fma(r, q, 2.7557268480116333e-06);
    q = NAME_fma(r, q, 2.4801521322116825e-05);
    q = NAME_fma(r, q, 0.0001984126986304067);
    q = NAME_fma(r, q, 0.0013888888917196881);
    q = NAME_fma(r, q, 0.008333333333330065);
    q = NAME_fma(r, q, 0.041666666666624164);
    q = NAME_fma(r, q, 0.16666666666666669);
    q = NAME_fma(r, q, 0.5);
    return 1.0 + NAME_fma(r * r, q, r);
}

/* --- NAME_exp --- */
static inline double NAME_exp(double x)
{
    const double rounder = 1.5 * 4503599627370496.0 + 1023.0;
    double p, k, shifted, half, rest;
    x = -746.0 > x ? -746.0 : x;
    x = 710.0 < x ? 710.0 : x;
    p = NAME_exp_parts(x, 0.0, &k, &shifted);
    half = NAME_fma(k, 0.5, rounder);
    rest = (k - (half - rounder)) + rounder;
    return p * NAME_power_of_two(half) * NAME_power_of_two(rest);
}

/* --- NAME_exp_negative --- */
/* e^x for x <= 0. */
static inline double NAME_exp_negative(double x)
{
    double p, k, shifted;
    p = NAME_exp_parts(-746.0 > x ? -746.0 : x, 64.0, &k, &shifted);
    return p * NAME_power_of_two(shifted) * 0x1p-64;
}

/* --- NAME_sigmoid --- */
static inline double NAME_sigmoid(double x)
{
    const double e = NAME_exp_negative(NAME_with_sign(x, -1.0));
    return (x < 0.0 ? e : 1.0) / (e + 1.0);
}

/* --- NAME_tanh --- */
static inline double NAME_tanh(double x)
{
    const double half = 1.5 * 4503599627370496.0 + 1023.0 - 1.0;
    const double magnitude = NAME_with_sign(x, 1.0), a = 22.0 < magnitude ? 22.0 : magnitude;
    const double shifted = NAME_fma(a, 2.0 * 1.4426950408889634, half);
    const double t = NAME_fma(shifted - half, -0.34657359027997264, a);
    const double f = NAME_power_of_two(shifted) - 0.5, u = t * t;
    const double p = NAME_fma(u, NAME_fma(u, 15.005461881313163, 420.24585303259107), 945.5736684765203);
    const double tq = NAME_fma(u + 105.05463020708493, u, 945.5736684765203) * t, both = p + tq;
    return NAME_with_sign(NAME_fma(f, both, tq) / NAME_fma(f, both, p), x);
}
