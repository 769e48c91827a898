"""Settings of the whole suite."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run, and no test that fails because a machine is busy.
settings.register_profile("vtc", deadline=None, derandomize=True)
settings.load_profile("vtc")
