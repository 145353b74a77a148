"""What kernels and their callers share, without Numba.

``records`` (made of ``record``) and ``control_words`` are how they communicate, ``choices`` and ``tuning`` all that is
chosen by number or by shape, ``sources`` the hash that the name of a stored kernel has. Imports nothing of the project.
"""
