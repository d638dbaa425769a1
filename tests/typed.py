"""The run-time type checker of the test suite: an int is a float, as the type checker of the source has it."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
