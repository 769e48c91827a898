"""Before the model library is first imported: a torchvision built for another torch must not stop it."""

from __future__ import annotations

from tests.support.torchvision_shim import declare_operators

declare_operators()
