"""Import the browser UI from where it lies: `ui/` of a checkout, or `t2t/ui` of an installed wheel.

It is called `ui` in both, and found by its path: no folder is added to `sys.path`, where a stranger's `ui`
or our own `config.py` could get in the way of others.
"""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from t2t.resources import ui_dir

PACKAGE = "ui"


def import_ui(module: str) -> ModuleType:
    """The module `ui.<module>`. Raises: T2TError if the UI is not there."""
    if PACKAGE not in sys.modules:
        folder = ui_dir()
        spec = spec_from_file_location(
            PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None and spec.loader is not None  # both are there for a .py file
        package = module_from_spec(spec)
        sys.modules[PACKAGE] = package
        spec.loader.exec_module(package)
    return import_module(f"{PACKAGE}.{module}")
