/* Kernels that do what no kernel may do: the driver is to find it. Their record is that of `update`, whose first words
   are params and new. */

#include <stdint.h>
#include <xmmintrin.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT void update_outside(const int64_t *record)
{
    ((unsigned char *)(intptr_t)record[1])[-128] = 1;
}

EXPORT void update_mode(const int64_t *record)
{
    (void)record;
    _mm_setcsr(0x1f80);
}

EXPORT void update_registers(const int64_t *record)
{
    (void)record;
    __asm__ volatile("pxor %xmm8, %xmm8");
}

EXPORT void update_nothing(const int64_t *record)
{
    (void)record;
}
