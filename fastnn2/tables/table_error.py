"""The error for what is wrong with a file or with what is asked of it."""


class TableError(ValueError):
    """A fault of a file or of a column; the message is one line that says where it is, what it is, and what to do."""
