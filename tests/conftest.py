"""Settings of the whole suite."""

from __future__ import annotations

import signal

from hypothesis import settings

# The same examples in every run, and no test that fails because a machine is busy.
settings.register_profile("vtc", deadline=None, derandomize=True)
settings.load_profile("vtc")

# A suite that a shell runs in the background is told to ignore Ctrl-C, and would tell the processes it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
