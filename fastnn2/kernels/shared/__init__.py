"""What kernels and their callers share, without Numba.

``records`` (made of ``record``) and ``control_words`` are how they communicate, ``choices`` and ``tuning`` all that is
chosen by number or by shape, ``features`` what the processor has, ``sources`` the hash by which kernels are known to be
those of these sources. Imports nothing of the project.
"""
