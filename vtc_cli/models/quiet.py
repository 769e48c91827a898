"""Keep library chatter off the terminal: answers and our own messages only."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
_WARNING = ("torchao", "torch.utils._pytree")  # loggers that tell of kernels and deprecations while weights are loaded


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block, libraries report errors only (transformers, torchao, the hub); Python warnings go to the log.

    The bars of loading weights are off; the bar of a download stays, which the hub client shows on a terminal only.

    The settings found on entry are restored on exit, whatever they were (`TRANSFORMERS_VERBOSITY` included).
    """
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    verbosity, hub_verbosity = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(max(verbosity, logging.ERROR))
    hub_logging.set_verbosity(max(hub_verbosity, logging.ERROR))
    transformers_logging.disable_progress_bar()
    loggers = [logging.getLogger(name) for name in _WARNING]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(max(logger.level, logging.ERROR))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
        for warning in caught:
            log.info("%s: %s", warning.category.__name__, warning.message)
