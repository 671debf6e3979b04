from __future__ import annotations

import tests.hypothesis_profiles  # noqa: F401 (they are registered by being imported)
