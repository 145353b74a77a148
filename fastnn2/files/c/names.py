"""Which names a function in C can have."""

import re

# Words that C99, C11, C23 or C++20 keep for themselves, and those of ours and of compilers that are macros or types.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class co_await
    co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do
    double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires restrict return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile
    wchar_t while xor xor_eq i386 linux unix main
    """.split()  # noqa: SIM905
)
# Functions of the C library, whose declarations compilers have built in: a function of ours cannot have their names.
LIBRARY = frozenset(
    """
    abort abs acos acosh alloca asin asinh assert atan atan2 atanh atexit atof atoi atol atoll bsearch bcmp bcopy bzero
    cabs cacos cacosh calloc carg casin casinh catan catanh cbrt ccos ccosh ceil cexp cimag cimagf clearerr clock clog
    conj copysign cos cosh cpow cproj creal csin csinh csqrt ctan ctanh ctime difftime div drem erf erfc exit exp exp10
    exp2 expm1 fabs fclose fdim feof ferror fflush ffs fgetc fgets floor fma fmax fmin fmod fopen fork fprintf fputc
    fputs fread free frexp fscanf fseek ftell fwrite gamma getc getchar getenv gets gettext gmtime hypot ilogb index
    isalnum isalpha isascii isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit j0 j1 jn
    labs ldexp ldiv lgamma llabs lldiv llrint llround localtime log log10 log1p log2 logb longjmp lrint lround malloc
    memchr memcmp memcpy memmove memset mktime modf nan nearbyint nextafter nexttoward perror pow pow10 printf putc
    putchar puts qsort raise rand read realloc remainder remove remquo rename rewind rindex rint round scalb scalbln
    scalbn scanf setjmp signal signbit significand sin sincos sinh snprintf sprintf sqrt srand sscanf stpcpy strcat
    strchr strcmp strcoll strcpy strcspn strdup strerror strftime strlen strncat strncmp strncpy strpbrk strrchr strspn
    strstr strtod strtok strtol strtoul system tan tanh tgamma time toascii tolower toupper trunc ungetc vfprintf
    vprintf vsprintf write y0 y1 yn
    """.split()  # noqa: SIM905
)


def check_identifier(name: str, source: str) -> None:
    """Raise ValueError if a name cannot be that of a function in C and in C++; `source` says where it is from."""
    expected = "expected a letter and then letters, digits and single underscores; choose another name"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or "__" in name:
        raise ValueError(f"{source} is {name!r}, which C and C++ do not take as the name of a function; {expected}")
    if name in RESERVED or re.fullmatch(r"u?int\w*_t|U?INT\w*", name):
        raise ValueError(f"{source} is {name!r}, a word that C or C++ has a meaning for; choose another name")
    if name in LIBRARY or (name[-1] in "fl" and name[:-1] in LIBRARY):
        raise ValueError(f"{source} is {name!r}, a function of the C library; choose another name")
